#!/usr/bin/env python3
"""Measure what a page costs in a store of many days.

    bench-pages.py BUILD_DIR [--deliveries N] [--days N] [--runs N] [--store FILE] [--json FILE]

Imports a mailflow log of one day, has the program make a segment for each of the days before, and fills
them with copies of that day's rows: other numbers, other queue IDs, other times, the same people.  Then
asks for pages (50 rows, newest first) by one thing each, as whole processes; prints medians in ms.
--store keeps the store, and uses it if it is there."""
import argparse, json, os, sqlite3, statistics, subprocess, sys, tempfile, time

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
        ("trace", "queue ID", ["trace", queue_id]), ("summary", "day", ["summary", "--day", day]),
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


def main():
    p = argparse.ArgumentParser()
    p.add_argument("build")
    p.add_argument("--messages", type=int, default=60000, help="of the day that is copied")
    p.add_argument("--deliveries", type=int, default=10000000)
    p.add_argument("--days", type=int, default=10)
    p.add_argument("--runs", type=int, default=5)
    p.add_argument("--store")
    p.add_argument("--json")
    a = p.parse_args()
    a.build = os.path.abspath(a.build)
    with tempfile.TemporaryDirectory(prefix="mailtrail-pages.") as work:
        store = a.store or f"{work}/mail.db"
        if not os.path.exists(store):
            make(a, store, work)
        command = f"{a.build}/modules/cli/mailtrail"
        total = count(store)
        asked, refused = questions(store)
        print(f"{total:,} deliveries, {os.path.getsize(store) / 1e9:.1f} GB; medians of {a.runs}, whole processes", flush=True)
        out = {"deliveries": total, "bytes": os.path.getsize(store), "ms": {}}
        nothing = milliseconds([command, "--version"], a.runs)
        print(f"  {'a process that does nothing':40} {nothing:8.1f} ms")
        for view, by, argv in asked:
            took = milliseconds([command, argv[0], "-d", store, *argv[1:]], a.runs)
            out["ms"][f"{view}: {by}"] = took
            print(f"  {view + ': ' + by:40} {took:8.1f} ms", flush=True)
        for by, where in (("newest", ""), ("address", f" WHERE recipient='{refused}'")):
            took = milliseconds(["sqlite3", "-readonly", store, f"SELECT * FROM mail_rejected{where} ORDER BY ts DESC LIMIT 50"], a.runs)
            out["ms"][f"mail_rejected: {by}"] = took
            print(f"  {'mail_rejected: ' + by:40} {took:8.1f} ms", flush=True)
    if a.json:
        with open(a.json, "w") as f:
            json.dump(out, f, indent=1, sort_keys=True)


main()
