#!/usr/bin/env python3
"""A syslog-ng whose store is locked, removed, cut off or half gone: mail flows again, the admin hears of it once."""
import glob, os, sqlite3, sys, time
from contextlib import closing

sys.dont_write_bytecode = True  # nothing goes into the source tree
import bed  # noqa: E402


def feed(daemon, lines):
    with open(daemon.log, "a") as f:
        f.writelines(line + "\n" for line in lines)


def begin(work, name):
    directory = os.path.join(work, name)
    os.mkdir(directory)
    return bed.Daemon(directory)


def stored(daemon, n, seconds=30):
    """Until the guard knows n lines: what is in the store, whatever became of it.  A chunk begins with how many it has."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            with closing(bed.connect(daemon.store)) as db:
                counts = [int.from_bytes(row[0][:4], "little") for row in db.execute("SELECT hashes FROM guard")]
        except sqlite3.Error:
            counts = []
        if sum(counts) >= n:
            return True
        time.sleep(.05)
    return False


def known(lines):
    """Lines of programs that are read; the store counts only these."""
    return sum(1 for line in lines if " postfix/" in line or " dovecot:" in line or " amavis[" in line)


def heard(daemon, part, times=1):
    n = daemon.said().count(part)
    return "" if n == times else f"{part!r} was said {n} times, not {times}:\n{daemon.said()[-1500:]}"


def locked(work, lines, reference):
    """Another program holds the database for longer than we wait."""
    daemon = begin(work, "locked")
    try:
        daemon.start()
        feed(daemon, lines[:len(lines) // 2])
        if not stored(daemon, 100):
            return "nothing was stored:\n" + daemon.said()[-1500:]
        holder = sqlite3.connect(daemon.store, isolation_level=None)
        holder.execute("BEGIN IMMEDIATE")
        feed(daemon, lines[len(lines) // 2:])
        time.sleep(13)  # a tick and a batch wait five seconds each
        holder.execute("ROLLBACK")
        holder.close()
        if not daemon.wait_to_the_end():
            return "mail does not flow again:\n" + daemon.said()[-1500:]
        daemon.end()
        return heard(daemon, "lines cannot be stored now") or heard(daemon, "lines are stored again") \
            or bed.differences(daemon.store, reference)
    finally:
        daemon.kill()


def removed(work, lines, reference):
    """The file goes while syslog-ng runs; what comes then is in a new one."""
    daemon = begin(work, "removed")
    half = len(lines) // 2
    try:
        daemon.start()
        feed(daemon, lines[:half])
        if not stored(daemon, known(lines[:half]) * 9 // 10):
            return "nothing was stored"
        time.sleep(.5)
        for suffix in ("", "-wal", "-shm"):
            os.unlink(daemon.store + suffix)
        feed(daemon, lines[half:])
        if not daemon.wait_to_the_end():
            return "mail does not flow again:\n" + daemon.said()[-1500:]
        daemon.end()
        return heard(daemon, "removed or replaced")
    finally:
        daemon.kill()


def damaged(work, lines, reference):
    """Cut off while syslog-ng was down: set aside, and the log file read again into a new one."""
    daemon = begin(work, "damaged")
    try:
        daemon.start()
        feed(daemon, lines)
        if not daemon.wait_to_the_end():
            return "nothing was stored"
        daemon.end()
        os.truncate(daemon.store, 10000)
        os.unlink(f"{daemon.directory}/persist")
        daemon.start()
        if not daemon.wait_to_the_end():
            return "mail does not flow again:\n" + daemon.said()[-1500:]
        daemon.end()
        aside = [name for name in glob.glob(daemon.store + ".corrupt-*") if not name.endswith(("-wal", "-shm"))]
        return heard(daemon, "it is kept as") or ("" if len(aside) == 1 else f"set aside: {aside}") \
            or bed.differences(daemon.store, reference)
    finally:
        daemon.kill()


def without_log(work, lines, reference):
    """Killed, and the -wal lost: what was folded back is whole, mail flows on."""
    daemon = begin(work, "without-log")
    try:
        daemon.start()
        feed(daemon, lines[:-1])
        if not stored(daemon, 100):
            return "nothing was stored"
        daemon.kill()
        os.unlink(daemon.store + "-wal")
        daemon.start()
        feed(daemon, lines[-1:])
        if not daemon.wait_to_the_end():
            return "mail does not flow again:\n" + daemon.said()[-1500:]
        daemon.end()
        check = bed.run("store", "check", "-d", daemon.store)
        return "" if check.returncode == 0 else check.stdout + check.stderr
    finally:
        daemon.kill()


def main():
    skip = bed.reason_to_skip()
    if skip:
        print(f"1..0 # SKIP {skip}")
        return
    tap, seed = bed.Tap(), bed.seed_of_run()
    with bed.temporary() as work:
        lines = bed.make_log(f"{work}/log", 400, seed)
        reference = bed.undisturbed(f"{work}/undisturbed", lines)
        for case in (locked, removed, damaged, without_log):
            tap.report(case.__doc__, case(work, lines, reference))
    tap.finish()


main()
