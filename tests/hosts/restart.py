#!/usr/bin/env python3
"""syslog-ng is reloaded, stopped, and killed in the middle of messages: nothing is lost
or counted twice.  What it must refuse when it starts, it refuses with a clear word.

Tried with Debian 12: syslog-ng 3.38.1.
"""
import os
import random
import re
import signal
import sys
import time

from bed import Bed, Tap, lines_of, module_path, need, wait_for, write
from maillog import MailLog, random_seed

MESSAGES = 3000
FILE_SOURCE = 'file("{}" follow-freq(0.05) log-iw-size(20000) log-fetch-limit(1000) {});'


def counters(bed):
    """The destination's in syslog-ng-ctl stats: name -> number."""
    found = {}
    for line in bed.ctl("stats").splitlines():
        words = line.split(";")
        if len(words) == 6 and words[0] == "dst.mailtrail" and words[1].startswith("d_mailtrail"):
            found[words[4]] = int(words[5])
    return found


def interrupted(bed, seed):
    """Six reloads, two restarts, four kills, while the log grows."""
    tap, log = bed.tap, MailLog(bed, "--messages", str(MESSAGES), "--seed", str(seed))
    conf = bed.syslog_ng_conf(FILE_SOURCE.format(log.growing, ""), 'local-domains("example.com")')
    process = bed.syslog_ng(conf)
    log.start_growing()
    chance = random.Random(seed + 1)
    steps = [signal.SIGHUP] * 6 + [signal.SIGTERM] * 2 + [signal.SIGKILL] * 4
    chance.shuffle(steps)
    seen = []
    for step in steps:
        time.sleep(chance.uniform(0.1, 0.5))
        seen.append(bed.one("SELECT count(*) FROM messages WHERE state='queued'") or 0)
        if step == signal.SIGHUP:
            process.send_signal(step)
        else:
            bed.stop(process, step)
            process = bed.syslog_ng(conf)
    log.finish_growing()
    tap.ok(max(seen) > 0, f"messages were under way when it was interrupted: {seen}")
    log.must_be_exact("reloads, restarts and kills")
    return process, log


def counted(bed, process):
    """A clean stop and start without a new line changes nothing; the counters are there."""
    before = bed.rows("SELECT count(*) AS n, sum(attempts) AS attempts FROM deliveries")
    bed.stop(process)
    process = bed.syslog_ng(bed.path("syslog-ng.conf"))
    with open(bed.path("growing.log"), "a") as f:
        f.write("Nov 20 10:00:00 mail postfix/qmgr[812]: what nobody has ever seen\n"
                "Nov 20 10:00:01 mail postfix/smtpd[813]: connect from unknown[192.0.2.7]\n")
    wait_for(lambda: counters(bed).get("commits", 0) > 0, 5, 0.1)
    got = counters(bed)
    bed.tap.same({name: got.get(name) for name in ("lines", "unknown", "late")}, {"lines": 2, "unknown": 1, "late": 0},
                 "syslog-ng-ctl stats counts lines from its start on")
    bed.tap.ok(got.get("commits", 0) >= 1 and got.get("failures") == 0, "it counts commits and failures", got)
    bed.tap.same(bed.rows("SELECT count(*) AS n, sum(attempts) AS attempts FROM deliveries"), before,
                 "a start without new lines changes nothing")
    bed.stop(process)


# ---- what is refused ---------------------------------------------------------------------------

def start_with(bed, options, syntax_only, until):
    """What syslog-ng with these options of the destination says, and its exit status."""
    conf = bed.syslog_ng_conf('internal();', options)
    words = ["syslog-ng", "--no-caps", "--cfgfile", conf, "--module-path", module_path(),
             "--persist-file", bed.path("refused.persist"), "--pidfile", bed.path("refused.pid"),
             "--control", bed.path("refused.control"), "--syntax-only" if syntax_only else "--foreground"]
    out = bed.path("refused.out")
    with open(out, "w") as f:
        process = bed.start("refused", ["sh", "-c", 'exec "$@" >"$0" 2>&1', out, *words])
        wait_for(lambda: process.poll() is not None or until("\n".join(lines_of(out))), 8)
    status, text = process.poll(), "\n".join(lines_of(out))
    bed.stop(process)
    return status, text


def refused(bed, what, options, said, syntax_only):
    """syslog-ng with these options does not start, and says SAID."""
    status, text = start_with(bed, options, syntax_only, lambda text: False)
    bed.tap.ok(status not in (None, 0) and re.search(said, text), f"refused: {what}",
               f"status {status}, wanted: {said}\n{text}")


def goes_on(bed, what, options, said):
    """The rest of syslog-ng must not stand still for what only some rules need: it starts, and says SAID."""
    status, text = start_with(bed, options, False, lambda text: all(re.search(s, text) for s in said))
    bed.tap.ok(status is None and all(re.search(s, text) for s in said), f"told, and goes on: {what}", f"status {status}\n{text}")


def refusals(bed):
    write(bed.path("wrong.policy"), "[default]\nusual-countries=ES\nusual-cuontries=FR\n")
    write(bed.path("open.policy"), "[default]\nusual-countries=ES\n", 0o666)
    write(bed.path("no.mmdb"), "this is no database\n")
    for what, options, said, syntax_only in (
            ("an option that is not there", "no-such-option(3)", r"no-such-option", True),
            ("workers()", "workers(2)", r"mailtrail\(\) has no workers\(\)", True),
            ("retries()", "retries(3)", r"mailtrail\(\) has no retries\(\)", True),
            ("a number that is none", 'retention("soon")', r'retention\(soon\)', True),
            ("a network that is none", 'local-networks("300.0.0.0/8")', r"local-networks\(300.0.0.0/8\)", True),
            ("a policy file that is not there", f'policy-file("{bed.path("none.policy")}")', r"none\.policy", False),
            ("a policy file with an error", f'policy-file("{bed.path("wrong.policy")}")',
             r"(?s)wrong\.policy.*3|3.*wrong\.policy", False),
            ("a policy file that anyone may write", f'policy-file("{bed.path("open.policy")}")', r"open\.policy", False)):
        refused(bed, what, options, said, syntax_only)
    for what, file in (("a geo database that is not there", "none.mmdb"), ("a geo database that is none", "no.mmdb")):
        goes_on(bed, what, f'geoip-database("{bed.path(file)}")',
                (file.replace(".", r"\."), "these rules are off until it is there: unusual-country"))
    store, bed.database = bed.database, bed.path("no-such-folder", "mail.db")
    refused(bed, "a store in a folder that is not there", "", r"no-such-folder", False)
    write(bed.path("no.db"), "this is no database, although it is long enough to look like one\n" * 100)
    bed.database = bed.path("dir.db")
    os.mkdir(bed.database)
    refused(bed, "a store that is a folder", "", r"dir\.db", False)
    bed.database = store


def main():
    need("sqlite3")
    tap = Tap()
    seed = random_seed(tap)
    with Bed(tap) as bed:
        process, log = interrupted(bed, seed)
        counted(bed, process)
        refusals(bed)
    tap.done()


if __name__ == "__main__":
    main()
