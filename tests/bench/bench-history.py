#!/usr/bin/env python3
"""Measure what a store of many days costs: who asks it, and who writes to it.

    bench-history.py BUILD_DIR [--deliveries N] [--days N] [--runs N] [--store FILE] [--only WORD,...] [--json FILE]

Imports a mailflow log of one day, has the program make a segment for each of the days before, and fills
them with copies of that day's rows: other numbers, other queue IDs, other times, the same people.
  pages    pages (50 rows, newest first) by one thing each, trace and summary, as whole processes
  import   a log of today into this store, into an empty one, of a day that is not in it, and pflogsumm beside them
  readers  a log through syslog-ng into this store, alone, and while ten readers ask a documented
           question a second each
  roll     the longest time between two commits while lines come and half of the days roll off
--store keeps the store, and uses it if it is there; what writes, writes to a copy."""
import argparse, json, os, re, shutil, signal, sqlite3, statistics, subprocess, sys, tempfile, threading, time

sys.dont_write_bytecode = True  # nothing goes into the source tree
import bench  # noqa: E402

top = os.path.abspath(os.path.join(os.path.dirname(__file__), "../.."))
DAY_US = 86400 * 1000000
NUMBERS = {"message": ("id", "root", "parent"), "delivery": ("id", "message"), "attempt": ("id", "message", "delivery"),
           "access": ("id",), "failure": ("id",), "reject": ("id",), "mailbox": ("id",), "incident": ("id",)}
TIMES = ("ts", "root_ts", "first_ts", "last_ts")
IDS = ("queue_id", "message_id", "session", "parent_queue_id")


def run(*argv):
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout


def one_line_a_day(path, newest, days):
    """A login on each day before: the program makes the segments for them."""
    with open(path, "w") as f:
        for day in range(days - 1, 0, -1):
            stamp = time.strftime("%Y-%m-%dT12:00:00+00:00", time.gmtime(newest - day * 86400))
            f.write(f"{stamp} mail dovecot: imap-login: Login: user=<early@example.com>, method=PLAIN, rip=192.0.2.7, "
                    f"lip=192.0.2.10, mpid={day}, TLS, session=<early{day}>\n")


def expression(table, column, shift, days, copy):
    suffix = f"{days:x}.{copy:x}"
    if column in NUMBERS.get(table, ()):
        return f"{column}+{shift}"
    if column in TIMES:
        return f"{column}-{days * DAY_US}+{copy * 7}"
    if column == "day":
        return f"day-{days}"
    if column == "ip" and table == "connection":  # one row an address and day
        return f"ip||'.{copy}'" if copy else "ip"
    if column in IDS:  # of other types: where it stands in the reply
        return f"CASE typeof({column}) WHEN 'text' THEN {column}||'{suffix}' ELSE {column} END"
    return column


def fill(store, newest_day, deliveries, days):
    db = sqlite3.connect(store, isolation_level=None)
    db.executescript("PRAGMA synchronous=OFF; PRAGMA cache_size=-400000; PRAGMA temp_store=MEMORY")
    segments = db.execute("SELECT number, first_day FROM segment ORDER BY first_day DESC").fetchall()
    base = segments[0][0]
    tables = [row[0][:-len(f"_{base}")] for row in db.execute("SELECT name FROM sqlite_master WHERE type='table' AND name GLOB ?",
                                                              (f"*_{base}",))]
    indexes = db.execute("SELECT name, sql FROM sqlite_master WHERE type='index' AND sql NOT NULL AND (" +
                         " OR ".join(f"tbl_name GLOB '*_{number}'" for number, _ in segments) + ")").fetchall()
    columns = {table: [row[1] for row in db.execute(f"PRAGMA table_info({table}_{base})")] for table in tables}
    here = db.execute(f"SELECT count(*) FROM delivery_{base}").fetchone()[0]
    copies = max(1, round(deliveries / here / len(segments)))
    shift = db.execute("SELECT max(value) FROM counter WHERE name IN ('message', 'delivery', 'access')").fetchone()[0]
    db.execute("BEGIN")
    for name, _ in indexes:
        db.execute(f"DROP INDEX {name}")
    for number, _ in segments[1:]:
        for table in tables:
            db.execute(f"DELETE FROM {table}_{number}")
        if "name" in tables:
            db.execute(f"INSERT INTO name_{number} SELECT * FROM name_{base}")
    # The newest last: its rows are what is copied.
    for at in range(len(segments) - 1, -1, -1):
        number, first_day = segments[at]
        for copy in range(copies - 1, -1, -1):
            if number == base and copy == 0:
                continue
            for table in tables:
                if table != "name":
                    into = [c for c in columns[table] if not (table == "attempt" and c == "id")]
                    what = ", ".join(expression(table, c, (at * copies + copy) * shift, newest_day - first_day, copy) for c in into)
                    bound = f" WHERE rowid<={shift}" if number == base and table != "connection" else ""
                    verb = "INSERT OR IGNORE" if table == "connection" else "INSERT"
                    db.execute(f"{verb} INTO {table}_{number}({', '.join(into)}) SELECT {what} FROM {table}_{base}{bound}")
    for number, _ in segments:  # mailflow's logs end with nothing in the queue
        db.execute(f"UPDATE delivery_{number} SET outcome=2 WHERE id%1000=0 AND outcome=1")
    for _, sql in indexes:
        db.execute(sql)
    db.execute("UPDATE counter SET value=value+? WHERE name NOT IN ('horizon', 'alert')", (shift * len(segments) * copies,))
    db.execute("COMMIT")
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()


def make(a, store, work):
    log, early = f"{work}/log", f"{work}/early"
    run(sys.executable, f"{top}/tests/tools/mailflow.py", "--messages", str(a.messages), "--seed", "7", "--log", log, "--rfc3339",
        "--truth", f"{work}/truth")
    with open(log) as f:
        newest = int(time.mktime(time.strptime(f.readline()[:10], "%Y-%m-%d"))) - time.timezone
    one_line_a_day(early, newest, a.days)
    run(f"{a.build}/modules/cli/mailtrail", "import", "-d", store, early, log)
    fill(store, newest // 86400, a.deliveries, a.days)


def questions(store):
    """What is asked for: the first and the rarest of each kind."""
    db = sqlite3.connect(f"file:{store}?mode=ro", uri=True)

    def ask(sql, *values):
        return db.execute(sql, values).fetchone()[0]
    number = ask("SELECT number FROM segment ORDER BY first_day DESC LIMIT 1")
    day = ask("SELECT strftime('%Y-%m-%d', first_day*86400, 'unixepoch') FROM segment ORDER BY first_day LIMIT 1 OFFSET 1")
    by_number = f"FROM delivery_{number} d JOIN name_{number} n ON n.id=d.{{}} WHERE d.outcome>0 AND instr(n.text, '@') GROUP BY 1 ORDER BY count(*)"
    domain = "SELECT substr(n.text, instr(n.text, '@')+1) "
    busy, rare = (ask("SELECT n.text " + by_number.format("recipient") + end + " LIMIT 1") for end in (" DESC", ""))
    busy_domain, rare_domain = (ask(domain + by_number.format("sender") + end + " LIMIT 1") for end in (" DESC", ""))
    login = ask(f"SELECT n.text FROM access_{number} a JOIN name_{number} n ON n.id=a.account GROUP BY 1 ORDER BY count(*) DESC LIMIT 1")
    refused = ask("SELECT recipient FROM (SELECT recipient, ts FROM mail_rejected ORDER BY ts DESC LIMIT 1 OFFSET 20)")
    queued = ask("SELECT sender FROM mail_queue LIMIT 1")
    queue_id = ask("SELECT queue_id FROM (SELECT queue_id, ts FROM mail WHERE outcome='delivered' ORDER BY ts DESC LIMIT 1 OFFSET 400)")
    # Of the day that was copied: copies have keys of other Message-IDs.
    message_id = ask("SELECT message_id FROM (SELECT message_id, ts FROM mail WHERE outcome='delivered' AND message_id GLOB '*>'"
                     " ORDER BY ts DESC LIMIT 1 OFFSET 400)")
    until = day + "T23:59:59"
    db.close()
    return [
        ("mail", "newest", ["search"]), ("mail", "address, busy (to)", ["search", "--to", busy]),
        ("mail", "address, rare (to)", ["search", "--to", rare]), ("mail", "address (from)", ["search", "--from", login]),
        ("mail", "account", ["search", "--account", login]), ("mail", "account, rare", ["search", "--account", rare]),
        ("mail", "account, unknown", ["search", "--account", "nobody@example.com"]),
        ("mail", "domain, busy", ["search", "--domain", busy_domain]), ("mail", "domain, rare", ["search", "--domain", rare_domain]),
        ("mail", "domain, unknown", ["search", "--domain", "unknown.example"]),
        ("mail", "outcome, usual", ["search", "--outcome", "delivered"]), ("mail", "outcome, rare", ["search", "--outcome", "failed"]),
        ("mail", "day", ["search", "--since", day, "--until", until]),
        ("accesses", "newest", ["accesses"]), ("accesses", "account", ["accesses", "--account", login]),
        ("accesses", "domain", ["accesses", "--domain", login.split("@")[1]]),
        ("accesses", "domain, unknown", ["accesses", "--domain", "unknown.example"]),
        ("accesses", "day", ["accesses", "--since", day, "--until", until]),
        ("queue", "newest", ["queue"]),
        ("queue", "address", ["queue", "--from", queued]),
        ("trace", "queue ID", ["trace", queue_id]), ("trace", "Message-ID", ["trace", message_id]),
        ("mail", "Message-ID", ["search", "--message-id", message_id]), ("summary", "day", ["summary", "--day", day]),
    ], refused


def count(store):
    db = sqlite3.connect(f"file:{store}?mode=ro", uri=True)
    n = sum(db.execute(f"SELECT count(*) FROM delivery_{number}").fetchone()[0] for number, in db.execute("SELECT number FROM segment"))
    db.close()
    return n


def milliseconds(argv, runs):
    took = []
    for _ in range(runs):
        begin = time.monotonic()
        done = subprocess.run(argv, capture_output=True)
        took.append((time.monotonic() - begin) * 1000)
        if done.returncode > 1:
            sys.exit(f"{' '.join(argv)}: {done.stderr.decode()}")
    return statistics.median(took)


def bench_pages(a, store, work, out):
    command = f"{a.build}/modules/cli/mailtrail"
    asked, refused = questions(store)
    took = milliseconds([command, "--version"], a.runs)
    print(f"pages: medians of {a.runs}, whole processes\n  {'a process that does nothing':40} {took:8.1f} ms", flush=True)
    asked = [(f"{view}: {by}", [command, argv[0], "-d", store, *argv[1:]]) for view, by, argv in asked]
    for by, where in (("newest", ""), ("address", f" WHERE recipient='{refused}'")):
        asked.append((f"mail_rejected: {by}", ["sqlite3", "-readonly", store, f"SELECT * FROM mail_rejected{where} ORDER BY ts DESC LIMIT 50"]))
    for what, argv in asked:
        out[what] = milliseconds(argv, a.runs)
        print(f"  {what:40} {out[what]:8.1f} ms", flush=True)


def todays_log(a, work, messages, day=None):
    """@day: of another one, in seconds."""
    log = f"{work}/{day or 'today'}-{messages}"
    if not os.path.exists(log):
        start = ["--start", str(day + 7200), "--rfc3339"] if day else []
        run(sys.executable, f"{top}/tests/tools/mailflow.py", "--messages", str(messages), "--seed", "11", *start, "--log", log, "--truth", f"{work}/truth")
    with open(log, "rb") as f:
        return log, sum(1 for _ in f)


def copy_of(store, work):
    copy = f"{work}/copy.db"
    for suffix in ("-wal", "-shm", "-lock"):
        if os.path.exists(copy + suffix):
            os.unlink(copy + suffix)
    shutil.copyfile(store, copy)
    shutil.copyfile(store + "-lock", copy + "-lock")  # what has none is no store of ours
    with open(copy, "rb") as f:
        os.fsync(f.fileno())  # else the first commit that waits for the disk waits for all of it
    return copy


def bench_import(a, store, work, out):
    log, lines = todays_log(a, work, a.today)
    command = [f"{a.build}/modules/cli/mailtrail", "import", "-d"]
    print("import: a log of today", flush=True)

    with sqlite3.connect(f"file:{store}?mode=ro", uri=True) as db:
        first, last = db.execute("SELECT min(first_day)*86400, max(last_day)*86400 FROM segment").fetchone()
    behind, before = (todays_log(a, work, a.today, day)[0] for day in (last + 86400, first - 86400))

    def old(log):
        return bench.process([*command, copy_of(store, work), log])

    def empty():
        for old_file in os.listdir(work):
            if old_file.startswith("empty.db"):
                os.unlink(f"{work}/{old_file}")
        return bench.process([*command, f"{work}/empty.db", log])
    measures = {"into this store": lambda: old(log), "into an empty store": empty, "of the day behind its last": lambda: old(behind),
                "of the day before its first": lambda: old(before)}
    if shutil.which("pflogsumm"):
        measures["pflogsumm"] = lambda: bench.process(["pflogsumm", log])
    got = dict(zip(measures, bench.in_turn(a.runs, *measures.values())))
    for what in measures:
        out[what] = bench.say(what, lines, got[what])
    for what in list(measures)[:4] if "pflogsumm" in got else []:
        out[f"{what}: times as fast as pflogsumm"] = r = 1 / bench.ratio(got[what], got["pflogsumm"])
        print(f"  {what}: {r:.2f} times as fast as pflogsumm", flush=True)


def documented(store):
    """The questions of docs/schema.md; the moment since which some of them count begins the store's last day."""
    with sqlite3.connect(f"file:{store}?mode=ro", uri=True) as db:
        moment = db.execute("SELECT max(first_day) FROM segment").fetchone()[0] * DAY_US
    with open(f"{top}/docs/schema.md") as f:
        text = f.read()
    asked = re.findall(r"^### [^\n]*\?\n+```sql\n(.*?)```", text, re.M | re.S)
    return [re.sub(r">=\d{16}\b", f">={moment}", question) for question in asked]


class Reader(threading.Thread):
    """One question a second, each time the next."""

    def __init__(self, store, questions, first):
        super().__init__(daemon=True)
        self.store, self.questions, self.at, self.over, self.asked, self.wrong = store, questions, first, False, 0, ""

    def run(self):
        while not os.path.exists(self.store + "-wal") and not self.over:
            time.sleep(.1)
        while not self.over:
            time.sleep(1)
            if not self.over:
                # When syslog-ng starts and stops the file is locked for a moment.
                done = subprocess.run(["sqlite3", "-readonly", "-cmd", ".timeout 1000", self.store, self.questions[self.at % len(self.questions)]],
                                      stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
                self.wrong = self.wrong or done.stderr
                self.asked += 1
            self.at += 1


def bench_readers(a, store, work, out):
    log, lines = todays_log(a, work, a.today)
    asked = documented(store)
    print(f"readers: a log through syslog-ng, and ten readers of {len(asked)} questions", flush=True)

    def through(readers):
        copy = copy_of(store, work)
        bench.DESTINATIONS["history"] = ("@module mailtrail", f'mailtrail(database("{copy}") retention(0));',
                                         bench.DESTINATIONS["mailtrail"][2])
        threads = [Reader(copy, asked, i * 2) for i in range(readers)]
        for thread in threads:
            thread.start()
        got = bench.through_syslog_ng("history", log, lines, a.build, work)
        for thread in threads:
            thread.over = True
            thread.join()
        wrong = [t.wrong for t in threads if t.wrong]
        if wrong:
            sys.exit(f"bench: a reader failed: {wrong[0]}")
        return got
    alone, beside = bench.in_turn(a.runs, lambda: through(0), lambda: through(10))
    out["alone"], out["beside ten readers"] = bench.say("alone", lines, alone), bench.say("beside ten readers", lines, beside)
    out["ratio"] = r = bench.ratio(beside, alone)
    print(f"  with ten readers it takes {r:.2f} times as long", flush=True)


def feed(path, lines, rate, over):
    """RATE lines a second, as syslog-ng gets them."""
    begin, sent = time.monotonic(), 0
    with open(path, "ab", buffering=0) as f:
        while not over.is_set() and sent < len(lines):
            due = min(len(lines), int((time.monotonic() - begin) * rate))
            if due > sent:
                f.write(b"".join(lines[sent:due]))
                sent = due
            time.sleep(.02)


def bench_roll(a, store, work, out):
    log, _ = todays_log(a, work, a.today)
    copy, path = copy_of(store, work), f"{work}/roll.log"
    config, over = f"{work}/roll.conf", threading.Event()
    with open(log, "rb") as f:
        lines = f.readlines()
    open(path, "w").close()
    version = ".".join(subprocess.run(["pkg-config", "--modversion", "syslog-ng"], capture_output=True, text=True).stdout.split(".")[:2])
    with open(config, "w") as f:
        f.write(bench.CONFIG.format(version=version, module="@module mailtrail", log=path,
                                    destination=f'mailtrail(database("{copy}") retention({a.days // 2}));').replace("follow-freq(1)", "follow-freq(0.05)"))
    modules = ":".join([bench.pkg_config("moduledir"), f"{a.build}/modules/syslog-ng/.libs"])
    child = subprocess.Popen(["syslog-ng", "--foreground", "--no-caps", "--cfgfile", config, "--module-path", modules, "--persist-file",
                              f"{work}/persist", "--pidfile", f"{work}/pid", "--control", f"{work}/control"], stderr=subprocess.DEVNULL)
    feeder = threading.Thread(target=feed, args=(path, lines, a.rate, over), daemon=True)
    db = sqlite3.connect(f"file:{copy}?mode=ro", uri=True, isolation_level=None)

    def number(sql):
        return db.execute(sql).fetchone()[0]
    try:
        feeder.start()
        days, first = number("SELECT count(*) FROM segment"), number("SELECT max(id) FROM guard") or 0
        last, changed, gaps, begin, still = first, None, [], time.monotonic(), 0
        while time.monotonic() - begin < a.seconds and still < 200:
            now, newest = time.monotonic(), number("SELECT max(id) FROM guard") or 0
            if newest != last:
                if changed:
                    gaps.append(now - changed)
                last, changed = newest, now
            left = number("SELECT count(*) FROM segment")
            still = still + 1 if left < days and number("PRAGMA freelist_count") < 100 else 0
            time.sleep(.002)
        out["days before"], out["days left"], out["commits"] = days, left, len(gaps) + 1
        out["longest gap ms"], out["seconds"] = max(gaps) * 1000, time.monotonic() - begin
        print(f"roll: {days - left} of {days} days went in {out['seconds']:.0f} s while {a.rate} lines a second came: {out['commits']} commits, "
              f"the longest time between two {out['longest gap ms']:.0f} ms, median {statistics.median(gaps) * 1000:.0f} ms", flush=True)
    finally:
        over.set()
        db.close()
        child.send_signal(signal.SIGTERM)
        child.wait()


def main():
    p = argparse.ArgumentParser()
    p.add_argument("build")
    p.add_argument("--messages", type=int, default=60000, help="of the day that is copied")
    p.add_argument("--today", type=int, default=60000, help="messages of the log that is written to the store")
    p.add_argument("--deliveries", type=int, default=10000000)
    p.add_argument("--days", type=int, default=10)
    p.add_argument("--runs", type=int, default=5)
    p.add_argument("--rate", type=int, default=3000, help="lines a second, for roll")
    p.add_argument("--seconds", type=int, default=120, help="that roll may take")
    p.add_argument("--store")
    p.add_argument("--only", default="pages,import,readers,roll")
    p.add_argument("--json")
    a = p.parse_args()
    a.build = os.path.abspath(a.build)
    with tempfile.TemporaryDirectory(prefix="mailtrail-history.") as work:
        store = a.store or f"{work}/mail.db"
        if not os.path.exists(store):
            make(a, store, work)
        out = {"deliveries": count(store), "bytes": os.path.getsize(store), "days": a.days}
        print(f"{out['deliveries']:,} deliveries of {a.days} days, {out['bytes'] / 1e9:.1f} GB", flush=True)
        for word in a.only.split(","):
            out[word] = {}
            globals()[f"bench_{word}"](a, store, work, out[word])
    if a.json:
        with open(a.json, "w") as f:
            json.dump(out, f, indent=1, sort_keys=True)


main()
