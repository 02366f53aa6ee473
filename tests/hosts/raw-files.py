#!/usr/bin/env python3
"""Logs that are no syslog, read by syslog-ng's file() with flags(no-parse): the store says what
`mailtrail import` of the same files says.  In the middle syslog-ng is reloaded, or stopped and
started anew: the header of a table has been read before.

Tried with Debian 12: syslog-ng 3.38.1.
"""
import os
import re
import signal
import socket
import sqlite3
import time

from bed import MAILTRAIL, TOP, Bed, Tap, need, wait_for, write

ZONE = "Asia/Tokyo"
HOST = "mail.example.com"

# Of each file what the replay of its dialect says, and a table whose columns are not in the
# order that a file without a header would have.
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
    names = [row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type='view' ORDER BY name")]
    found = {}
    for name in names:
        columns = [row[1] for row in db.execute(f"PRAGMA table_info({name})")]
        kept = ", ".join(c for c in columns if c not in ("id", "message", "revision", "line", "parent_id", "emitted"))
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


def lines_pushed(bed):
    for line in bed.ctl("stats").splitlines():
        words = line.split(";")
        if len(words) == 6 and words[0] == "dst.mailtrail" and words[4] == "lines":
            return int(words[5])
    return 0


def count(parts):
    return sum(part.count(b"\n") for part in parts.values())


def append(bed, parts):
    for name, part in parts.items():
        with open(bed.path("logs", name), "ab") as f:
            f.write(part)


def wait_until_stored(bed, n):
    done = wait_for(lambda: lines_pushed(bed) >= n, 20, 0.1)
    time.sleep(1.2)    # the commit that follows the last line, and what is written each second
    return done


def configuration(bed, wildcard):
    options = "flags(no-parse) follow-freq(0.05) log-iw-size(20000) log-fetch-limit(1000)"
    if wildcard:
        return (f'wildcard-file(base-dir("{bed.path("logs")}") filename-pattern("*") recursive(no) {options});')
    return "".join(f'file("{bed.path("logs", name)}" {options});' for name in REPLAYS)


def live(bed, process, conf, restart):
    """Half of each file, an interruption, the other half."""
    parts = {name: halves(content) for name, content in contents().items()}
    first = {name: part[0] for name, part in parts.items()}
    second = {name: part[1] for name, part in parts.items()}
    append(bed, first)
    if not bed.tap.ok(wait_until_stored(bed, count(first)), "the first halves are read", lines_pushed(bed)):
        return process
    if restart:
        bed.stop(process)
        process = bed.syslog_ng(conf)
    else:
        process.send_signal(signal.SIGHUP)
        time.sleep(1)
    before = lines_pushed(bed)
    append(bed, second)
    bed.tap.ok(wait_until_stored(bed, before + count(second)), "the second halves are read", lines_pushed(bed))
    return process


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
        conf = bed.syslog_ng_conf(configuration(bed, wildcard), f'local-domains("example.com") time-zone("{ZONE}")',
                                  extra="")
        text = open(conf).read().replace("source s_mail {", f"""rewrite r_host {{ set("{HOST}" value("HOST")); }};
parser p_mail {{ mailtrail(); }};
destination d_parsed {{ file("{bed.path("parsed")}" template("${{.mail.dialect}} ${{.mail.event}} ${{.mail.queue_id}} ${{.mail.recipient}}\\n")); }};
source s_mail {{""").replace("log { source(s_mail);", "log { source(s_mail); rewrite(r_host);", 1)
        text += "log { source(s_mail); parser(p_mail); destination(d_parsed); };\n"
        write(conf, text)
        process = bed.syslog_ng(conf)
        live(bed, process, conf, restart)
        imported(bed, bed.path("import.db"))
        compare(tap, what, views(bed.database), views(bed.path("import.db")),
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


def main():
    need()
    tap = Tap()
    run(tap, restart=False, wildcard=False)
    run(tap, restart=True, wildcard=True)
    tap.done()


main()
