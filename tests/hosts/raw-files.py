#!/usr/bin/env python3
"""Logs that are no syslog, read by syslog-ng's file() with flags(no-parse): the store says what
`mailtrail import` of the same files says.  In the middle syslog-ng is reloaded, or stopped and
started anew: the header of a table has been read before.

Tried with Debian 12: syslog-ng 3.38.1.
"""
import os
import signal
import sqlite3
import time

from bed import MAILTRAIL, TOP, Bed, Tap, lines_of, need, wait_for, write

ZONE = "Asia/Tokyo"
HOST = "mail.example.com"

# Each file holds the lines of a replay, that of Courier those of syslog; and a table whose
# columns are not in the order that a file without a header would have.
REPLAYS = {"mainlog": "exim", "smtp-log": "smartermail", "icdsoft": "icdsoft", "current": "qmail-queue",
           "maillog": "courier", "MSGTRK.LOG": None}
TABLE = """#Software: Microsoft Exchange Server
#Fields: event-id,source,recipient-address,internal-message-id,sender-address,date-time,message-id
RECEIVE,SMTP,bob@example.com;carol@example.com,101,alice@example.org,2026-11-20T10:00:00.000Z,<1@example.org>
RECEIVE,SMTP,ann@example.org,102,bob@example.com,2026-11-20T10:00:01.000Z,<2@example.com>
DELIVER,STOREDRIVER,bob@example.com,101,alice@example.org,2026-11-20T10:00:02.000Z,<1@example.org>
DELIVER,STOREDRIVER,carol@example.com,101,alice@example.org,2026-11-20T10:00:03.000Z,<1@example.org>
SENDEXTERNAL,SMTP,ann@example.org,102,bob@example.com,2026-11-20T10:00:04.000Z,<2@example.com>
""".replace("\n", "\r\n")


def replay_lines(name):
    with open(os.path.join(TOP, "tests/replay", name + ".replay"), encoding="utf-8") as f:
        return [line[2:].rstrip("\n") for line in f if line.startswith("> ")]


def contents():
    return {name: TABLE.encode() if replay is None else "".join(line + "\n" for line in replay_lines(replay)).encode()
            for name, replay in REPLAYS.items()}


def halves(content):
    cut = content.index(b"\n", len(content) // 2) + 1
    return content[:cut], content[cut:]


def views(database):
    """View -> its rows without what names a row or depends on the order of commits."""
    db = sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=10)
    names = [row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type='view' AND name NOT GLOB 'all_*'"
                                      " ORDER BY name")]
    found = {}
    for name in names:
        columns = [row[1] for row in db.execute(f"PRAGMA table_info({name})")]
        kept = ", ".join(c for c in columns if c not in ("id", "message", "delivery", "revision", "line", "parent_id", "root_id", "emitted"))
        found[name] = sorted(map(repr, db.execute(f"SELECT {kept} FROM {name}")))
    db.close()
    return found


def compare(tap, what, got, want, must_have):
    tap.same(sorted(got), sorted(want), f"{what}: the same views")
    wrong = [f"{name}: {side} only: {row}" for name in want if name in got and got[name] != want[name]
             for side, rows in (("live", set(got[name]) - set(want[name])), ("import", set(want[name]) - set(got[name])))
             for row in sorted(rows)[:3]] + [f"{name}: {len(got[name])} rows, not {len(want[name])}"
                                             for name in want if len(got.get(name, [])) != len(want[name])]
    tap.ok(not wrong, f"{what}: every row of all {len(want)} views as import makes it", "\n".join(wrong))
    for name in must_have:
        tap.ok(want.get(name), f"{what}: view {name} has rows ({len(want.get(name, []))})")


def count(parts):
    return sum(part.count(b"\n") for part in parts.values())


def append(bed, parts):
    for name, part in parts.items():
        with open(bed.path("logs", name), "ab") as f:
            f.write(part)


def wait_until_still(bed):
    before = None
    while before != (before := views(bed.database)):
        time.sleep(1.2)    # what is written each second


def wait_for_raw_lines(database, n):
    """Raw lines are written by the clock, behind the records."""
    def there():
        db = sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=10)
        found = db.execute("SELECT count(*) FROM log_tail").fetchone()[0]
        db.close()
        return found >= n
    return wait_for(there, 20, 0.2)


def wait_until_stored(bed, n):
    """All lines have left syslog-ng, and the store has not changed for a while."""
    done = wait_for(lambda: len(lines_of(bed.raw)) >= n, 20, 0.1)
    wait_until_still(bed)
    return done


PARSER = """parser p_mail {{ mailtrail(); }};
destination d_parsed {{ file("{}" template("${{.mail.dialect}} ${{.mail.event}} ${{.mail.queue_id}} ${{.mail.recipient}}\\n")); }};
log {{ source(s_mail); parser(p_mail); destination(d_parsed); }};
"""


def sources(bed, wildcard):
    options = f'flags(no-parse) host-override("{HOST}") follow-freq(0.05) log-iw-size(20000) log-fetch-limit(1000)'
    if wildcard:
        return f'wildcard-file(base-dir("{bed.path("logs")}") filename-pattern("*") recursive(no) {options});'
    return "".join(f'file("{bed.path("logs", name)}" {options});' for name in REPLAYS)


def live(bed, process, conf, restart):
    """Half of each file, an interruption, the other half."""
    parts = {name: halves(content) for name, content in contents().items()}
    first = {name: part[0] for name, part in parts.items()}
    second = {name: part[1] for name, part in parts.items()}
    append(bed, first)
    bed.tap.ok(wait_until_stored(bed, count(first)), "the first halves are read")
    if restart:
        bed.stop(process)
        process = bed.syslog_ng(conf)
    else:
        process.send_signal(signal.SIGHUP)
        time.sleep(1)
    append(bed, second)
    bed.tap.ok(wait_until_stored(bed, count(first) + count(second)), "the second halves are read")


def imported(bed, database):
    ran = bed.run(MAILTRAIL, "import", "-d", database, "--host", HOST, "--timezone", ZONE, "--local-domains", "example.com",
                  *(bed.path("logs", name) for name in REPLAYS))
    bed.tap.ok(ran.returncode == 0, f"{os.path.basename(database)}: import", ran.stdout)


def run(tap, restart, wildcard):
    what = ("stopped and started" if restart else "reloaded") + (", wildcard-file()" if wildcard else ", file()")
    with Bed(tap) as bed:
        os.mkdir(bed.path("logs"))
        for name in REPLAYS:
            write(bed.path("logs", name), "")
        conf = bed.syslog_ng_conf(sources(bed, wildcard),
                                  f'local-domains("example.com") retention(0) time-zone("{ZONE}")', PARSER.format(bed.path("parsed")))
        process = bed.syslog_ng(conf)
        live(bed, process, conf, restart)
        imported(bed, bed.path("import.db"))
        wanted = views(bed.path("import.db"))
        tap.ok(wait_for_raw_lines(bed.database, len(wanted["log_tail"])), f"{what}: the raw lines come")
        compare(tap, what, views(bed.database), wanted,
                ("mail", "messages", "deliveries", "mail_rejected", "accesses", "accesses_failed", "connections", "log_tail"))
        rows = bed.rows("SELECT recipient, outcome FROM mail WHERE queue_id IN ('101', '102') ORDER BY recipient")
        tap.same([tuple(row.values()) for row in rows],
                 [("ann@example.org", "delivered"), ("bob@example.com", "delivered"), ("carol@example.com", "delivered")],
                 f"{what}: the table's rows behind the interruption are read by its header")
        tap.same(bed.one("SELECT min(time) FROM messages WHERE queue_id LIKE '1vLxyR-%'"), "2026-11-20T01:00:00.000000Z",
                 f"{what}: stamps without a zone are of time-zone()")
        before = views(bed.database)
        imported(bed, bed.database)
        tap.same(views(bed.database), before, f"{what}: import finds all lines in the store")
        with open(bed.path("parsed"), encoding="utf-8") as f:
            said = f.read().splitlines()
        dialects = {line.split()[0] for line in said if line.strip()}
        tap.ok(dialects >= {"exim", "smartermail", "icdsoft", "qmail", "courier", "exchange"},
               f"{what}: parser {{ mailtrail(); }} reads them, too", dialects)
        tap.ok("exchange delivery 102 ann@example.org" in said, f"{what}: and the table by its header",
               [line for line in said if line.startswith("exchange")])


# Where the example's logs are, and which of ours stands there.
EXAMPLE = {"/var/log/exim4/mainlog": "mainlog", "/srv/exchange/MessageTracking/MSGTRK*.LOG": "MSGTRK1.LOG",
           "/srv/smartermail/Logs/*.log": "2026.05.07-smtp.log", "/var/log/icdsoft/mail.log": "icdsoft",
           "/var/log/qmail/qmail-send/current": "current"}
CONTENT_OF = {"MSGTRK1.LOG": "MSGTRK.LOG", "2026.05.07-smtp.log": "smtp-log"}


def example(tap):
    """examples/syslog-ng/other-logs.conf, but for the paths and the age of our logs."""
    with Bed(tap) as bed, open(os.path.join(TOP, "examples/syslog-ng/other-logs.conf"), encoding="utf-8") as f:
        text = f.read()
        os.mkdir(bed.path("logs"))
        for path, name in EXAMPLE.items():
            directory, pattern = os.path.split(path)
            old = f'base-dir("{directory}") filename-pattern("{pattern}")' if "*" in pattern else f'file("{path}"'
            new = f'base-dir("{bed.path("logs")}") filename-pattern("{pattern}")' if "*" in pattern else f'file("{bed.path("logs", name)}"'
            tap.ok(old in text, f"the example reads {path}")
            text = text.replace(old, new)
            with open(bed.path("logs", name), "wb") as log:
                log.write(contents()[CONTENT_OF.get(name, name)])
        text = text.replace("mailtrail(", f'mailtrail(database("{bed.database}") retention(0) local-domains("example.com") ')
        write(bed.path("syslog-ng.conf"), text)
        bed.syslog_ng(bed.path("syslog-ng.conf"))
        n = sum(contents()[CONTENT_OF.get(name, name)].count(b"\n") for name in EXAMPLE.values())
        wait_for(lambda: (bed.one("SELECT count(*) FROM log_tail") or 0) > n * 3 // 4, 20, 0.1)
        wait_until_still(bed)
        ran = bed.run(MAILTRAIL, "import", "-d", bed.path("import.db"), "--host", bed.one("SELECT host FROM messages LIMIT 1"),
                      "--timezone", "Europe/Madrid", "--local-domains", "example.com",
                      *(bed.path("logs", name) for name in EXAMPLE.values()))
        tap.ok(ran.returncode == 0, "the example: import", ran.stdout)
        wanted = views(bed.path("import.db"))
        tap.ok(wait_for_raw_lines(bed.database, len(wanted["log_tail"])), "the example: the raw lines come")
        compare(tap, "the example", views(bed.database), wanted, ("mail", "accesses"))


def main():
    need()
    tap = Tap()
    run(tap, restart=False, wildcard=False)
    run(tap, restart=True, wildcard=True)
    example(tap)
    tap.done()


main()
