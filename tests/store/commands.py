#!/usr/bin/env python3
"""The commands on a store: what was read before changes nothing, several write at once, a person is forgotten, others may read."""
import bz2, glob, gzip, json, lzma, os, shutil, sqlite3, subprocess, sys, tempfile

top = os.environ.get("top_srcdir") or os.path.abspath(os.path.join(os.path.dirname(__file__), "../.."))
sys.dont_write_bytecode = True  # nothing goes into the source tree
sys.path.insert(0, os.path.join(top, "tests/crash"))
import bed  # noqa: E402

tap = bed.Tap()
SETTINGS = ["--local-domains", "example.com", "--local-domains", "example.org", "--local-domains", "shop.example.net",
            "--local-domains", "klinik.example.de", "--store-unknown-accounts", "yes"]


def flow(path, seed, messages=300, host=None):
    subprocess.run([sys.executable, f"{top}/tests/tools/mailflow.py", "--messages", str(messages), "--seed", str(seed), "--log", path,
                    "--truth", path + ".truth"], check=True)
    if host:
        with open(path) as f:
            text = f.read()
        with open(path, "w") as f:
            f.write(text.replace(" mail ", f" {host} "))


def load(store, *files, **more):
    done = bed.run("import", "-d", store, *SETTINGS, *files, **more)
    return "" if done.returncode == 0 else f"import {files}: status {done.returncode}: {done.stderr}"


# Of the first segment.
INDEXES = "SELECT group_concat(name||':'||coalesce(sql, ''), char(10)) FROM sqlite_schema WHERE type='index' AND tbl_name GLOB '*_1'"


def count(store, view="mail"):
    return bed.ask(store, f"SELECT count(*) FROM {view}")


def again(work):
    """An import again: the file, compressed copies, standard input, and a part of it before the whole."""
    log, whole, store = f"{work}/again.log", f"{work}/whole.db", f"{work}/again.db"
    flow(log, 1)
    with open(log, "rb") as f:
        data = f.read()
    for suffix, module in ((".gz", gzip), (".bz2", bz2), (".xz", lzma)):
        with module.open(log + suffix, "wb") as f:
            f.write(data)
    files = [log + ".gz", log + ".bz2", log + ".xz"]
    if shutil.which("zstd"):
        subprocess.run(["zstd", "-q", log], check=True)
        files.append(log + ".zst")
    wrong = load(whole, log)
    # A file that has grown: its first half, cut within a line, then all of it.
    part = f"{work}/part.log"
    with open(part, "wb") as f:
        f.write(data[:data.index(b"\n", len(data) // 2) + 1])
    wrong = wrong or load(store, part) or load(store, log) or bed.differences(store, whole)
    if "without libarchive" in load(f"{work}/probe.db", files[0]):
        files = []
    for name in files:
        wrong = wrong or load(store, name) or bed.differences(store, whole)
    wrong = wrong or load(store, "-", input=data.decode()) or bed.differences(store, whole)
    tap.report(again.__doc__, wrong)
    first = f"{work}/compressed.db"
    tap.report("A compressed log into an empty store." + ("" if files else " # SKIP built without libarchive"),
               files and (load(first, files[0]) or bed.differences(first, whole)))


def twins(work):
    """A log that really has every line twice is counted twice, of a hundred hosts in one minute too."""
    store, once, twice = f"{work}/twins.db", f"{work}/once.log", f"{work}/twice.log"
    lines = [f"Nov 20 10:00:{i % 60:02d} mx{host} postfix/smtpd[11]: NOQUEUE: reject: RCPT from unknown[192.0.2.{host}]: 554 5.7.1 "
             f"<a@example.com>: Relay access denied; from=<b{i}@example.org> to=<a@example.com> proto=ESMTP helo=<x>\n"
             for i in range(3) for host in range(100)]
    for path, text in ((once, lines), (twice, lines + lines)):
        with open(path, "w") as f:
            f.writelines(text)
    wrong = load(store, once) or ("" if count(store, "mail_rejected") == 300 else "not once each")
    wrong = wrong or load(store, twice) or ("" if count(store, "mail_rejected") == 600 else f"{count(store, 'mail_rejected')} of 600")
    tap.report(twins.__doc__, wrong or load(store, twice) or ("" if count(store, "mail_rejected") == 600 else "three times"))


class Rsyslog:
    """mailtrail-rsyslog as omprog talks to it."""

    def __init__(self, store):
        self.child = subprocess.Popen([f"{bed.build}/modules/rsyslog/mailtrail-rsyslog", "--database", store, *SETTINGS],
                                      stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=bed.ENV)
        assert self.child.stdout.readline() == "OK\n"

    def say(self, line, want):
        self.child.stdin.write(line + "\n")
        self.child.stdin.flush()
        got = self.child.stdout.readline().strip()
        assert got == want, f"{line[:40]}: {got}"

    def send(self, lines):
        self.say("BEGIN TRANSACTION", "OK")
        for line in lines:
            self.say(line, "DEFER_COMMIT")
        self.say("COMMIT TRANSACTION", "OK")

    def end(self):
        self.child.stdin.close()
        self.child.wait()


def live(work):
    """An import of what was seen live adds only what is missing."""
    log, whole, store = f"{work}/live.log", f"{work}/live-whole.db", f"{work}/live.db"
    flow(log, 2)
    with open(log) as f:
        lines = f.read().splitlines()
    wrong = load(whole, log)
    rsyslog = Rsyslog(store)
    for at in range(0, len(lines) * 3 // 4, 200):
        rsyslog.send(lines[at:min(at + 200, len(lines) * 3 // 4)])
    rsyslog.end()
    tap.report(live.__doc__, wrong or load(store, log) or bed.differences(store, whole))


def writers(work):
    """Two imports and rsyslog's program at once: the sum is exact."""
    logs, store, parts = [f"{work}/w{i}.log" for i in range(3)], f"{work}/writers.db", f"{work}/one-by-one.db"
    for i, log in enumerate(logs):
        flow(log, 10 + i, 600, f"mx{i}")
    wrong = ""
    for log in logs:
        wrong = wrong or load(parts, log)
    wrong = wrong or load(store, "-", input="")
    imports = [subprocess.Popen([bed.mailtrail, "import", "-d", store, *SETTINGS, log], stderr=subprocess.PIPE, text=True, env=bed.ENV)
               for log in logs[:2]]
    rsyslog = Rsyslog(store)
    with open(logs[2]) as f:
        lines = f.read().splitlines()
    for at in range(0, len(lines), 150):
        rsyslog.send(lines[at:at + 150])
    rsyslog.end()
    for child in imports:
        said = child.communicate()[1]
        wrong = wrong or ("" if child.returncode == 0 else said)
    tap.report(writers.__doc__, wrong or bed.differences(store, parts))


def forget(work):
    """A person is forgotten: no byte of the address stays, counts do, a later import does not bring it back."""
    log, store = f"{work}/forget.log", f"{work}/forget.db"
    flow(log, 4, 800)
    wrong = load(store, log)
    address = bed.ask(store, "SELECT recipient FROM mail WHERE direction='in' GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT 1")
    mails, sums = count(store), bed.ask(store, "SELECT sum(received) FROM activity_daily")
    aside = store + ".corrupt-2026-01-01T00:00:00"
    with open(aside, "w") as f:
        f.write("rest of a page: " + address.upper())
    lines = bed.run("lines", "-d", store, "--text", address).stdout
    done = bed.run("forget", "-d", store, address)
    wrong = wrong or ("" if lines and done.returncode == 0 else f"status {done.returncode}: {done.stderr}")
    wrong = wrong or ("a set-aside file still holds it" if os.path.exists(aside) else "")
    # Twice as much, with other times, so that the guard knows none of it; and in another case, with an extension.
    with open(log) as f:
        text = f.read()
    local, domain = address.split("@")
    later = f"{work}/later.log"
    with open(later, "w") as f:
        f.write(text.replace(" mail ", " mail2 ").replace(address, f"{local.upper()}+news@{domain}"))
    wrong = wrong or load(store, log) or load(store, later)
    for name in glob.glob(store + "*"):
        with open(name, "rb") as f:
            data = f.read().lower()
        for needle in (address.encode(), f"{local}+news@{domain}".encode()):
            wrong = wrong or (f"{needle} stands in {name}" if needle in data else "")
    wrong = wrong or ("" if count(store) == 2 * mails else f"{count(store)} mails of {2 * mails}")
    after = bed.ask(store, "SELECT sum(received) FROM activity_daily")
    wrong = wrong or ("" if after == 2 * sums else f"{after} received, not {2 * sums}")
    wrong = wrong or ("" if bed.ask(store, "SELECT count(*) FROM mail WHERE recipient GLOB 'forgotten*'") else "no row is left of it")
    check = bed.run("store", "check", "-d", store)
    tap.report(forget.__doc__, wrong or ("" if check.returncode == 0 else check.stdout))


def readers(work):
    """Others of the group read while mail flows, and when nothing runs; who is not of it does not."""
    if os.geteuid() != 0:
        return tap.report(readers.__doc__ + " # SKIP only root can be others")
    os.chmod(work, 0o755)
    log, store = f"{work}/readers.log", f"{work}/readers.db"
    flow(log, 5)
    rsyslog = Rsyslog(store)
    for name in glob.glob(store + "*"):
        os.chown(name, 0, 4)  # adm
    with open(log) as f:
        rsyslog.send(f.read().splitlines()[:500])
    ask = ["sqlite3", "-readonly", store, "SELECT count(*)>0 FROM mail"]

    def as_other(group):
        return subprocess.run(ask, capture_output=True, text=True, user=65534, group=group, extra_groups=[])

    live = as_other(4)
    rsyslog.end()
    stopped, stranger = as_other(4), as_other(65534)
    wrong = "" if live.stdout == "1\n" else f"while mail flows: {live.stdout}{live.stderr}"
    wrong = wrong or ("" if stopped.stdout == "1\n" else f"after the end: {stopped.stdout}{stopped.stderr}")
    tap.report(readers.__doc__, wrong or ("a stranger reads it" if stranger.returncode == 0 else ""))


def schema(work):
    """A store of each version kept is read and written; a newer one, and another program's or none, are refused."""
    wrong = ""
    for kept in sorted(glob.glob(f"{top}/tests/store/schema-*.db.gz")):
        store = f"{work}/{os.path.basename(kept)[:-3]}"
        with gzip.open(kept) as source, open(store, "wb") as target:
            shutil.copyfileobj(source, target)
        before = count(store)
        wrong = wrong or load(store, f"{top}/examples/logs/sample.log") or ("" if count(store) == before > 0 else "rows have changed")
        log = f"{work}/new.log"
        flow(log, 6, 20)
        wrong = wrong or load(store, log) or ("" if count(store) > before else "nothing new is stored")
        # What is migrated has what is made anew.
        made = set(bed.ask(f"{store}.new", INDEXES).split()) if not load(f"{store}.new", log) else set()
        lacks = made ^ set(bed.ask(store, INDEXES).split()) if made else "no indexes"
        wrong = wrong or (f"indexes of {store}: {lacks}" if lacks else "")
    db = sqlite3.connect(store)
    db.execute("PRAGMA user_version=99")
    db.close()
    for command in (["search"], ["store", "check"], ["store", "prune"]):
        done = bed.run(*command, "-d", store)
        wrong = wrong or ("" if done.returncode == 3 and "schema 99" in done.stderr else f"{command}: {done.returncode} {done.stderr}")
    wrong = wrong or ("" if "schema 99" in load(store, log) else "import writes into a newer store")
    db = sqlite3.connect(f"{work}/other.db")
    db.execute("CREATE TABLE x(y)")
    db.close()
    wrong = wrong or ("" if "another program" in load(f"{work}/other.db", log) else "another program's file is taken")
    foreign = f"{work}/passwd"
    with open(foreign, "w") as f:
        f.write("root:x:0:0:root:/root:/bin/bash\n" * 100)
    for _ in range(2):
        wrong = wrong or ("" if "is no store" in load(foreign, log) and os.path.getsize(foreign) == 3200 else "a file that is no store is taken")
    tap.report(schema.__doc__, wrong)


def commands(work):
    """backup, stats, summary, queue, connections, lines and trace --lines answer."""
    log, store = f"{work}/commands.log", f"{work}/commands.db"
    flow(log, 7)
    wrong, copy = load(store, log), f"{work}/copy.db"
    done = bed.run("store", "backup", "-d", store, copy)
    wrong = wrong or (done.stderr if done.returncode else bed.differences(copy, store))
    wrong = wrong or ("" if bed.run("store", "backup", "-d", store, copy).returncode == 2 else "a backup overwrites")
    # A delivery that belongs to no message is in no view, but found.
    db = sqlite3.connect(copy)
    db.execute("UPDATE delivery_1 SET ts=ts+1 WHERE id=(SELECT min(id) FROM delivery_1)")
    db.commit()
    db.close()
    whole, lost = bed.run("store", "check", "-d", store), bed.run("store", "check", "-d", copy)
    wrong = wrong or ("" if whole.returncode == 0 and "deliveries without their message: 1" in lost.stdout else f"check: {lost.stdout}")
    stats = {}
    for line in bed.run("store", "stats", "--json", "-d", store).stdout.splitlines():
        row = json.loads(line)
        stats[row["name"]] = row["value"]
    with open(log) as f:
        n = len(f.read().splitlines())
    wrong = wrong or ("" if stats.get("count.lines") == n and stats.get("schema") == 2 else f"stats: {stats}")
    mail = json.loads(bed.run("search", "--json", "--limit", "1", "-d", store).stdout)
    trace = bed.run("trace", "--lines", "-d", store, mail["queue_id"]).stdout
    wrong = wrong or ("" if f"{mail['queue_id']}: removed" in trace and f"{mail['queue_id']}: client=" in trace
                      or mail["sender"] == "" else f"trace --lines: {trace}")
    related = bed.run("lines", "-d", store, "--related", "--text", f"{mail['queue_id']}: removed").stdout
    wrong = wrong or ("" if related.count("\n") >= 4 else f"lines --related: {related}")
    for command, want in ((["summary", "--days", "2"], 0), (["summary", "--json", "--days", "3"], 0), (["connections"], 0), (["queue"], 1),
                          (["lines", "--text", "no such words"], 1), (["summary", "--day", "2001-01-01"], 1), (["lines"], 2),
                          (["store", "mend"], 2), (["forget"], 2)):
        done = bed.run(*command, "-d", store)
        wrong = wrong or ("" if done.returncode == want else f"{command}: status {done.returncode}: {done.stderr}")
    done = bed.run("store", "prune", "-d", f"{work}/none.db")
    wrong = wrong or ("" if done.returncode == 3 and not os.path.exists(f"{work}/none.db") else "prune makes a store")
    tap.report(commands.__doc__, wrong)


def pages(work):
    """A page of one account or domain, found by name, is the page found by reading all by time."""
    store, logs = f"{work}/pages.db", []
    for day in range(3):  # a segment each
        logs.append(f"{work}/pages{day}.log")
        subprocess.run([sys.executable, f"{top}/tests/tools/mailflow.py", "--messages", "150", "--seed", str(day), "--log", logs[day],
                        "--truth", f"{work}/truth", "--start", str(1793000000 + day * 86400)], check=True)
    with open(logs[1], "a") as f:  # sent under another name than that of the login
        for line in ("smtpd[7]: 9A1B2C3D4E: client=unknown[192.0.2.9], sasl_method=PLAIN, sasl_username=boss@example.com",
                     "cleanup[8]: 9A1B2C3D4E: message-id=<boss@example.com>", "qmgr[9]: 9A1B2C3D4E: from=<office@example.com>, size=99, nrcpt=1 (queue active)",
                     "smtp[5]: 9A1B2C3D4E: to=<ann@example.net>, relay=mx.example.net[203.0.113.1]:25, delay=1, dsn=2.0.0, status=sent (250 ok)",
                     "qmgr[9]: 9A1B2C3D4E: removed"):
            f.write(f"Oct 27 03:00:00 mail postfix/{line}\n")
        for name, hour, logins in (("a", 1, 30), ("b", 5, 40), ("c", 4, 30)):  # c comes last, but between the two
            for i in range(logins):
                f.write(f"Oct 27 {hour:02}:00:{i:02} mail dovecot: imap-login: Login: user=<{name}@page.example>, method=PLAIN, "
                        f"rip=192.0.2.7, lip=192.0.2.10, mpid=77, TLS, session=<{name}{i}>\n")
    wrong = load(store, "--year", "2026", *logs)
    with bed.closing(bed.connect(store)) as db:
        accounts = [r[0] for r in db.execute("SELECT DISTINCT sender FROM mail WHERE sender<>'' UNION SELECT DISTINCT recipient FROM mail"
                                             " WHERE recipient<>'' LIMIT 60")]
    domains = sorted({a.split("@")[1] for a in accounts if "@" in a})
    asked = [("search", "--account", a) for a in accounts + ["boss@example.com", "nobody@example.com"]]
    asked += [(c, "--domain", d) for c in ("search", "accesses", "failures") for d in domains + ["Example.ORG", "page.example", "none.example"]]
    found_by_login = False
    for command, option, value in asked:
        for more in (["--limit", "900"], ["--limit", "3", "--offset", "2"], ["--limit", "50"], ["--since", "2026-10-27", "--until", "2026-10-27T06:00", "--limit", "9"]):
            found, read = ([json.loads(line) for line in bed.run(command, "-d", store, "--json", option, value, *more, *sort).stdout.splitlines()]
                           for sort in ([], ["--sort", "ts:desc"]))
            if [r["ts"] for r in found] != [r["ts"] for r in read] or (len(found) > 9 and sorted(map(str, found)) != sorted(map(str, read))):
                wrong = wrong or f"{command} {option} {value} {more}: {len(found)} rows, not {len(read)}, or others"
            found_by_login |= value == "boss@example.com" and len(found) == 1
    tap.report(pages.__doc__, wrong or ("" if len(domains) > 5 and found_by_login else "the log has too little in it"))


def unwritable(work):
    """A directory that cannot be written to: said, status 3."""
    if os.geteuid() != 0:
        return tap.report(unwritable.__doc__ + " # SKIP only root can be another")
    as_nobody = dict(capture_output=True, text=True, env=bed.ENV, user=65534, group=65534, extra_groups=[])
    try:
        subprocess.run([bed.mailtrail, "--version"], **as_nobody)
    except PermissionError:
        return tap.report(unwritable.__doc__ + " # SKIP the build directory is closed to others")
    directory, log = f"{work}/closed", f"{work}/closed.log"
    os.mkdir(directory, 0o755)
    flow(log, 8, 5)
    os.chmod(log, 0o644)
    done = subprocess.run([bed.mailtrail, "import", "-d", f"{directory}/mail.db", log], **as_nobody)
    tap.report(unwritable.__doc__, "" if done.returncode == 3 and "must exist and be writable" in done.stderr
               else f"status {done.returncode}: {done.stderr}")


def main():
    with tempfile.TemporaryDirectory(prefix="mailtrail-commands.") as work:
        for test in (again, twins, live, writers, forget, readers, schema, commands, pages, unwritable):
            test(work)
    tap.finish()


main()
