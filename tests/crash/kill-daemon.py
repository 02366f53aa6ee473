#!/usr/bin/env python3
"""A syslog-ng that is killed again and again ends in the rows of one that was not.

file() reads a growing mailflow log with flow control; SIGKILL comes at random moments, with several batch-lines(), and with a
second destination on the path that stalls. CRASH_KILLS says how many kills in all, CRASH_SEED which."""
import os, random, sys, threading, time

sys.dont_write_bytecode = True  # nothing goes into the source tree
import bed  # noqa: E402

KILLS = int(os.environ.get("CRASH_KILLS", "6"))
STALLED = dict(paths="destination(stalled);", window=2000, fetch=200)


class Feeder(threading.Thread):
    """Appends the log in pieces of odd sizes, the last byte of a piece anywhere in a line."""

    def __init__(self, path, lines, dice, pause):
        super().__init__(daemon=True)
        self.path, self.text, self.dice, self.pause = path, "".join(line + "\n" for line in lines).encode(), dice, pause

    def run(self):
        at = 0
        with open(self.path, "ab", buffering=0) as f:
            while at < len(self.text):
                size = self.dice.choice((100, 5000, 100000, 400000))
                f.write(self.text[at:at + size])
                at += size
                time.sleep(self.pause * size / len(self.text))


class Sluggish(threading.Thread):
    """Reads a pipe in starts, so that the destination behind it stands still most of the time."""

    def __init__(self, path, dice):
        super().__init__(daemon=True)
        os.mkfifo(path)
        self.fd = os.open(path, os.O_RDWR | os.O_NONBLOCK)
        self.dice, self.hurry, self.over = dice, False, False

    def run(self):
        while not self.over:
            try:
                os.read(self.fd, 1 << 16)
            except BlockingIOError:
                pass
            time.sleep(.001 if self.hurry else self.dice.random() * .1)


def play(tap, work, lines, reference, seed, batch, kills, stalled):
    what = f"batch-lines({batch}), {kills} kills{', a stalled destination beside it' if stalled else ''}"
    directory = os.path.join(work, f"batch-{batch}-{stalled}")
    dice = random.Random(seed * 31 + batch + stalled)
    os.mkdir(directory)
    more = dict(STALLED, rest=f'destination stalled {{ pipe("{directory}/fifo"); }};') if stalled else {}
    sluggish = Sluggish(f"{directory}/fifo", dice) if stalled else None
    daemon = bed.Daemon(directory, batch=batch, **more)
    Feeder(daemon.log, lines, random.Random(seed + batch), .35 * kills).start()
    if sluggish:
        sluggish.start()
    try:
        for _ in range(kills):
            daemon.start()
            time.sleep(.15 + dice.random() * .5)
            if daemon.child.poll() is not None:
                break
            daemon.kill()
        if sluggish:
            sluggish.hurry = True
        daemon.start()
        came = daemon.wait_to_the_end()
        daemon.end()
        wrong = bed.differences(daemon.store, reference) if came else "the last line did not come:\n" + daemon.said()[-2000:]
    finally:
        daemon.kill()
        if sluggish:
            sluggish.over = True
    tap.report(what, wrong)


def main():
    skip = bed.reason_to_skip()
    if skip:
        print(f"1..0 # SKIP {skip}")
        return
    tap, seed = bed.Tap(), bed.seed_of_run()
    plan = [(20000, False), (100, False), (1000, True)] if KILLS < 20 else \
        [(20000, False), (5000, False), (1000, False), (100, False), (7, False), (20000, True), (500, True)]
    with bed.temporary() as work:
        lines = bed.make_log(f"{work}/log", max(60 * KILLS, 1500), seed, "--reuse", ".3", "--skew", "2", "--hosts", "2")
        reference = bed.undisturbed(f"{work}/undisturbed", lines)
        for i, (batch, stalled) in enumerate(plan):
            play(tap, work, lines, reference, seed, batch, KILLS // len(plan) + (i < KILLS % len(plan)), stalled)
    tap.finish()


main()
