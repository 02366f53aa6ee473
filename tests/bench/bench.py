#!/usr/bin/env python3
"""Measure mailtrail against its peers, in one run on one machine.

    bench.py BUILD_DIR [--messages N] [--runs N] [--only WORD,...] [--json FILE]

Writes a mailflow log (tests/tools/mailflow.py), then runs every pair in turn - ours, the peer's, ours ... -
so that a machine whose speed drifts drifts for both.  Figures are medians; ratios are medians of the pairs'.
  core     bench-core: head, parse, trail: ns a line; what a message in memory takes; and against bench-patterns, which takes the same
           fields by PCRE2 patterns tried in order
  dialects bench-core on the lines of each dialect's fixture, repeated: lines a second, head and body
  host     file() -> mailtrail() against file() -> a threaded destination that does nothing, and
           file() -> file("/dev/null"): from the start of syslog-ng until the last line is acknowledged
  import   mailtrail import against pflogsumm: whole processes
  floor    bench-floor: the rows that the log makes, bound by a bare SQLite loop in as many transactions as they take
           through syslog-ng, and as an import takes
What is not installed is left out, and said."""
import argparse, glob, json, os, re, resource, shutil, signal, socket, statistics, subprocess, sys, tempfile, time

top = os.path.abspath(os.path.join(os.path.dirname(__file__), "../.."))

CONFIG = """@version: {version}
{module}
options {{ stats-level(1); keep-hostname(yes); }};
source s {{ file("{log}" read-old-records(yes) follow-freq(1) log-iw-size(20000) log-fetch-limit(1000)); }};
destination d {{ {destination} }};
log {{ source(s); destination(d); flags(flow-control); }};
"""
DESTINATIONS = {
    "mailtrail": ("@module mailtrail", 'mailtrail(database("{dir}/mail.db") retention(0));', r"^dst\.mailtrail;.*;written;(\d+)$"),
    "null": ("@module mtnull", "mailtrail-null();", r"^dst\.[^;]*;[^;]*;null;a;written;(\d+)$"),
    "/dev/null": ("", 'file("/dev/null");', r"^dst\.file;d#0;/dev/null;a;written;(\d+)$"),
}


def pkg_config(variable):
    done = subprocess.run(["pkg-config", f"--variable={variable}", "syslog-ng"], capture_output=True, text=True)
    return done.stdout.strip()


def counted(control, pattern):
    """The destination's written counter, by syslog-ng's control socket."""
    try:
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(5)
            s.connect(control)
            s.sendall(b"STATS\n")
            text = b""
            while not text.endswith(b"\n.\n"):
                more = s.recv(65536)
                if not more:
                    break
                text += more
    except OSError:
        return 0
    found = re.findall(pattern, text.decode("utf-8", "replace"), re.M)
    return max(map(int, found), default=0)


def peak_kib(pid):
    with open(f"/proc/{pid}/status") as f:
        return int(re.search(r"VmHWM:\s+(\d+)", f.read()).group(1))


def through_syslog_ng(kind, log, lines, build, work):
    """Seconds from the start of syslog-ng until the last line is acknowledged, and peak memory."""
    module, destination, pattern = DESTINATIONS[kind]
    directory = tempfile.mkdtemp(dir=work)
    config = os.path.join(directory, "syslog-ng.conf")
    version = ".".join(subprocess.run(["pkg-config", "--modversion", "syslog-ng"], capture_output=True, text=True)
                       .stdout.strip().split(".")[:2])
    with open(config, "w") as f:
        f.write(CONFIG.format(version=version, module=module, log=log, destination=destination.format(dir=directory)))
    modules = ":".join([pkg_config("moduledir"), f"{build}/modules/syslog-ng/.libs", f"{build}/tests/bench/.libs"])
    err = open(os.path.join(directory, "err"), "w+")
    begin = time.monotonic()
    child = subprocess.Popen(["syslog-ng", "--foreground", "--no-caps", "--cfgfile", config, "--module-path", modules,
                              "--persist-file", f"{directory}/persist", "--pidfile", f"{directory}/pid",
                              "--control", f"{directory}/control"], stderr=err)
    try:
        while counted(f"{directory}/control", pattern) < lines:
            if child.poll() is not None or time.monotonic() - begin > 900:
                err.seek(0)
                sys.exit(f"bench: syslog-ng -> {kind} came to no end: {err.read()[-2000:]}")
            time.sleep(.02)
        took = time.monotonic() - begin
        peak = peak_kib(child.pid)
    finally:
        child.send_signal(signal.SIGTERM)
        child.wait()
    store = os.path.join(directory, "mail.db")
    size = os.path.getsize(store) if os.path.exists(store) else None
    shutil.rmtree(directory)
    return {"seconds": took, "peak_kib": peak, "store_bytes": size}


def process(command, **more):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    begin = time.monotonic()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, **more)
    took = time.monotonic() - begin
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return {"seconds": took, "cpu_seconds": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime}


def importing(log, build, work):
    directory = tempfile.mkdtemp(dir=work)
    store = f"{directory}/mail.db"
    got = process([f"{build}/modules/cli/mailtrail", "import", "--database", store, log], env=dict(os.environ, TZ="UTC"))
    got["store_bytes"] = os.path.getsize(store)
    shutil.rmtree(directory)
    return got


def medians(runs):
    return {key: statistics.median(run[key] for run in runs) for key in runs[0] if runs[0][key] is not None}


def in_turn(runs, *measures):
    """Every measure once, and again; a list of runs for each."""
    got = [[] for _ in measures]
    for _ in range(runs):
        for i, measure in enumerate(measures):
            got[i].append(measure())
    return got


def ratio(ours, peers):
    return statistics.median(a["seconds"] / b["seconds"] for a, b in zip(ours, peers))


def say(label, lines, runs):
    m = medians(runs)
    extra = "".join(f"  {k} {v / 1024:.0f} KiB" if k == "store_bytes" else f"  peak {v / 1024:.0f} MiB" if k == "peak_kib"
                    else f"  cpu {v:.2f} s" if k == "cpu_seconds" else "" for k, v in m.items())
    print(f"  {label:<34} {m['seconds']:8.2f} s  {lines / m['seconds']:>12,.0f} lines/s{extra}", flush=True)
    return m


def core(a, program, mode, path):
    """What a program of one's own says: processor time, so that others on the machine count less."""
    return json.loads(subprocess.run([f"{a.build}/tests/bench/{program}", mode, path], check=True, capture_output=True,
                                     text=True).stdout)


def fastest(runs):
    return min(r["ns_per_line"] for r in runs)


def say_core(label, runs, out):
    out[label] = {"ns_per_line": statistics.median(r["ns_per_line"] for r in runs), "fastest_ns_per_line": fastest(runs)}
    print(f"  {label:<34} {out[label]['ns_per_line']:8.1f} ns a line  fastest {fastest(runs):8.1f}"
          f"  {1e9 / fastest(runs):>12,.0f} lines/s", flush=True)


def check_fields(a, log):
    """The comparison is one only where both find the same."""
    ours, peers = core(a, "bench-core", "fields", log), core(a, "bench-patterns", "fields", log)
    differ = [f"{k} {ours.get(k, 0)}/{peers.get(k, 0)}" for k in sorted(ours.keys() | peers.keys()) if ours.get(k) != peers.get(k)]
    if differ:
        sys.exit("bench: the patterns find other fields than we: " + ", ".join(differ))
    return ours["known"]


def bench_core(a, log, lines, out):
    print("core: what a line costs", flush=True)
    measures = {mode: lambda m=mode: core(a, "bench-core", m, log) for mode in ("head", "parse", "trail")}
    if os.path.exists(f"{a.build}/tests/bench/bench-patterns"):
        known = check_fields(a, log)
        measures["patterns"] = lambda: core(a, "bench-patterns", "parse", log)
    else:
        print("  patterns: left out, configure found no libpcre2-8")
    got = dict(zip(measures, in_turn(a.runs, *measures.values())))
    for mode in measures:
        say_core(mode, got[mode], out)
    for mode, when in (("queued", "in the queue"), ("tried", "with its deliveries")):
        out[f"bytes a message {when}"] = kept = core(a, "bench-core", mode, log)
        print(f"  a message {when:<24} {kept['bytes_per_message']:8.0f} bytes in memory, tables and all, {kept['messages']:,} of them",
              flush=True)
    if "patterns" in measures:
        out["times as fast as patterns"] = r = 1 / ratio(got["parse"], got["patterns"])
        print(f"  parse is {r:.2f} times as fast as patterns, which find the same {known:,} lines and fields", flush=True)


def bench_dialects(a, log, lines, out):
    print("dialects: their fixtures' lines, head and body", flush=True)
    for path in sorted(glob.glob(f"{top}/tests/dialects/*.spec")):
        say_core(os.path.basename(path)[:-len(".spec")], [core(a, "bench-core", "dialect", path) for _ in range(a.runs)], out)


def bench_host(a, log, lines, out):
    if not shutil.which("syslog-ng") or not os.path.exists(f"{a.build}/modules/syslog-ng/.libs/libmailtrail.so"):
        print("host: left out, there is no syslog-ng or no module")
        return
    print("host: a log through syslog-ng", flush=True)
    kinds = [k for k in DESTINATIONS if k != "null" or os.path.exists(f"{a.build}/tests/bench/.libs/libmtnull.so")]
    got = dict(zip(kinds, in_turn(a.runs, *[lambda k=k: through_syslog_ng(k, log, lines, a.build, a.work) for k in kinds])))
    for kind in kinds:
        out[kind] = say(f"file() -> {kind}", lines, got[kind])
    for kind in kinds[1:]:
        out[f"ratio to {kind}"] = r = ratio(got["mailtrail"], got[kind])
        print(f"  mailtrail takes {r:.2f} times as long as {kind}", flush=True)


def bench_import(a, log, lines, out):
    print("import: a log at once", flush=True)
    if shutil.which("pflogsumm"):
        ours, peer = in_turn(a.runs, lambda: importing(log, a.build, a.work), lambda: process(["pflogsumm", log]))
        out["pflogsumm"] = say("pflogsumm (counts only)", lines, peer)
    else:
        print("  pflogsumm is not installed: no peer")
        ours, peer = in_turn(a.runs, lambda: importing(log, a.build, a.work))[0], None
    out["mailtrail import"] = m = say("mailtrail import (stores all)", lines, ours)
    out["store to log"] = m["store_bytes"] / os.path.getsize(log)
    print(f"  the store is {100 * out['store to log']:.1f} % of the log", flush=True)
    if peer:
        out["times as fast as pflogsumm"] = 1 / ratio(ours, peer)
        print(f"  mailtrail import is {out['times as fast as pflogsumm']:.2f} times as fast as pflogsumm", flush=True)


def bench_floor(a, log, lines, out):
    print("floor: the same rows, bound by a bare SQLite loop", flush=True)
    store = f"{a.work}/floor.db"
    subprocess.run([f"{a.build}/modules/cli/mailtrail", "import", "--database", store, log], check=True, env=dict(os.environ, TZ="UTC"))
    for what, size in (("through syslog-ng", 14000), ("an import", 100000)):
        batches = str(max(1, lines // size))
        runs = [json.loads(subprocess.run([f"{a.build}/tests/bench/bench-floor", store, f"{a.work}/bare.db", batches], check=True,
                                          capture_output=True, text=True).stdout) for _ in range(a.runs)]
        got = out[what] = {key: statistics.median(run[key] for run in runs) for key in runs[0]}
        print(f"  {batches:>4} transactions, as {what}: {got['rows']:,} rows, {got['indexes_there_s']:.2f} s with all indexes, "
              f"{got['indexes_at_end_s']:.2f} s with indexes built at the end", flush=True)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("build")
    p.add_argument("--messages", type=int, default=150000)
    p.add_argument("--runs", type=int, default=5)
    p.add_argument("--only", default="core,dialects,host,import,floor")
    p.add_argument("--json")
    a = p.parse_args()
    a.build = os.path.abspath(a.build)
    with tempfile.TemporaryDirectory(prefix="mailtrail-bench.") as a.work:
        log = f"{a.work}/mail.log"
        subprocess.run([sys.executable, f"{top}/tests/tools/mailflow.py", "--messages", str(a.messages), "--seed", "7",
                        "--log", log, "--truth", f"{a.work}/truth.json", "--ledger", f"{a.work}/ledger.jsonl"], check=True)
        with open(log, "rb") as f:
            lines = sum(block.count(b"\n") for block in iter(lambda: f.read(1 << 20), b""))
        print(f"{lines:,} lines, {os.path.getsize(log) / 1e6:.0f} MB, {os.cpu_count()} processors, medians of {a.runs}", flush=True)
        out = {"lines": lines, "log_bytes": os.path.getsize(log), "processors": os.cpu_count(), "runs": a.runs}
        for word in a.only.split(","):
            out[word] = {}
            globals()[f"bench_{word}"](a, log, lines, out[word])
    if a.json:
        with open(a.json, "w") as f:
            json.dump(out, f, indent=1, sort_keys=True)


if __name__ == "__main__":
    main()
