#!/usr/bin/env python3
"""What syslog-ng hands on of hostile lines: alerts whose text cannot lie about its form, and
name-value pairs that are valid UTF-8.

Attackers fail to log in with account names that hold quotes, keys, line ends, terminal codes and invalid
UTF-8.  The alerts about them come back through source { mailtrail(); }; their MESSAGE must
parse, by the simplest reading of key="value", into exactly the alert's row."""
import json, os, re, shutil, sqlite3, subprocess, tempfile, time

top = os.environ.get("top_srcdir") or os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")
build = os.environ.get("top_builddir", top)
sbin = os.environ["PATH"] + ":/usr/sbin:/sbin"

CONF = """@version: 3.35
@module mailtrail
options { keep-hostname(yes); };
source s_log { file("%(dir)s/log" read-old-records(yes) follow-freq(1)); };
parser p_mail { mailtrail(); };
destination d_pairs { file("%(dir)s/pairs" template("$(format-json .mail.*)\\n")); };
destination d_mail { mailtrail(database("%(dir)s/mail.db") retention(0) store-unknown-accounts(yes)); };
log { source(s_log); destination(d_mail); flags(flow-control); };
log { source(s_log); parser(p_mail); destination(d_pairs); flags(flow-control); };
source s_alerts { mailtrail(database("%(dir)s/mail.db") start(all)); };
destination d_alerts { file("%(dir)s/alerts" template("$MESSAGE\\n")); };
log { source(s_alerts); destination(d_alerts); };
"""

ACCOUNTS = [b'a" ip="203.0.113.66" account="x', b'x\\', b'x\\" rule="none', b"x ip=203.0.113.66", b"\x1b[2J", b"\xff\xfe", b"\xc2\x9b31m",
            b"\xe2\x80\xa8ip=\"203.0.113.66\"", b"a\tb", b"'; DROP TABLE alerts; --", b"$(reboot)", b"=cmd|'x'!A1"]
PAIR = re.compile(r'([a-z_]+)="((?:[^"\\]|\\.)*)"(?: |$)')


def failures():
    for number, account in enumerate(ACCOUNTS):
        for attempt in range(12):
            yield b"Nov 21 05:%02d:%02d mx1 dovecot: imap-login: Disconnected (auth failed, 1 attempts in 2 secs): user=<%s>, method=PLAIN, " \
                b"rip=198.51.100.%d, lip=192.0.2.10, TLS, session=<S%02d%012d>\n" % (number, attempt, account, number + 1, number, attempt)


def unescape(text):
    return re.sub(r"\\(x[0-9a-f]{2}|.)", lambda m: {"n": "\n", "t": "\t"}.get(m[1], chr(int(m[1][1:], 16)) if len(m[1]) > 1 else m[1]), text)


def read_message(line):
    """key="value" pairs from the first byte to the last; None where it is anything else."""
    at, pairs = 0, []
    while at < len(line):
        found = PAIR.match(line, at)
        if not found:
            return None
        pairs.append((found[1], unescape(found[2])))
        at = found.end()
    return pairs


results = []


def check(what, wrong):
    results.append(what)
    print(f"{'not ok' if wrong else 'ok'} {len(results)} - {what}")
    for line in wrong[:5]:
        print(f"# {line!r}")


def is_clean(line):
    return not any(ord(c) < 0x20 or 0x7f <= ord(c) < 0xa0 for c in line)


def run(directory):
    with open(os.path.join(directory, "log"), "wb") as file:
        file.writelines(failures())
    with open(os.path.join(directory, "conf"), "w") as file:
        file.write(CONF % {"dir": directory})
    modules = subprocess.run(["pkg-config", "--variable=moduledir", "syslog-ng"], stdout=subprocess.PIPE, text=True).stdout.strip()
    said = open(os.path.join(directory, "said"), "w+")
    host = subprocess.Popen([shutil.which("syslog-ng", path=sbin), "--foreground", "--no-caps", "--stderr", "--cfgfile", directory + "/conf",
                             "--persist-file", directory + "/persist", "--pidfile", directory + "/pid", "--control", directory + "/control",
                             "--module-path", f"{modules}:{os.path.abspath(build)}/modules/syslog-ng/.libs"], stdout=said, stderr=said)
    until = time.monotonic() + 40

    def lines(name):
        try:
            return open(os.path.join(directory, name), "rb").read().split(b"\n")[:-1]
        except FileNotFoundError:
            return []
    while host.poll() is None and time.monotonic() < until and not (len(lines("alerts")) >= len(ACCOUNTS)
                                                                     and len(lines("pairs")) >= 12 * len(ACCOUNTS)):
        time.sleep(0.1)
    time.sleep(0.5)
    host.terminate()
    host.wait(30)
    said.seek(0)
    return lines("alerts"), lines("pairs"), said.read()


def main():
    if not os.environ.get("HAVE_SYSLOG_NG") or not shutil.which("syslog-ng", path=sbin):
        print("1..0 # SKIP no syslog-ng here")
        return
    if "address" in os.environ.get("MT_SANITIZING", ""):
        print("1..0 # SKIP syslog-ng itself is not built with the sanitizers")
        return
    with tempfile.TemporaryDirectory() as directory:
        alerts, pairs, said = run(directory)
        base = sqlite3.connect(f"file:{directory}/mail.db?mode=ro", uri=True)
        base.row_factory = sqlite3.Row
        rows = {row["id"]: row for row in base.execute("SELECT * FROM alerts")}
        check(f"{len(alerts)} alerts come back, one a line", [] if len(alerts) == len(rows) >= len(ACCOUNTS) else [len(alerts), len(rows), said[-600:]])
        texts = [line.decode("utf-8", "replace") for line in alerts]
        check("in valid UTF-8 without control bytes", [line for line in alerts if not is_clean(line.decode("utf-8"))])
        messages = [read_message(text) for text in texts]
        check("each is key=\"value\" from end to end, the address first", [text for text, pairs_of in zip(texts, messages) if not pairs_of or pairs_of[0][0] != "ip"])
        wrong = []
        for pairs_of in filter(None, messages):
            said_of, row = dict(pairs_of), rows.get(int(dict(pairs_of).get("id", 0)))
            if len(said_of) != len(pairs_of) or row is None:
                wrong.append(pairs_of)
            else:
                wrong += [(key, value, row[key]) for key, value in pairs_of if str(row[key]) != value]
        check("and says what the alert's row says, each key once", wrong)
        check("nobody else is blamed", [text for pairs_of, text in zip(messages, texts) if dict(pairs_of or []).get("ip") == "203.0.113.66"])
        found = []
        for line in pairs:
            try:
                found.append(json.loads(line.decode("utf-8")))
            except ValueError:
                found.append({"wrong": line})
        check(f"{len(pairs)} lines' name-value pairs are valid UTF-8", [row for row in found if "wrong" in row or not pairs])
        events = {(row.get("_mail") or row.get(".mail") or row.get("mail") or row).get("event") for row in found}
        check("of failed logins all", [] if events == {"login_failed"} else [events])
    print(f"1..{len(results)}")


main()
