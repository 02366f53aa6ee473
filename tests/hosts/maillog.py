"""A log that tests/tools/mailflow.py makes up, and whether the store knows all that is in it."""
import os
import random
import sys
import threading
import time

from bed import TOOLS, wait_for, write

CHUNKS = 60


def random_seed(tap):
    """Another one each time; the one that is given as argument to see a failure again."""
    seed = int(sys.argv[1]) if len(sys.argv) > 1 else random.SystemRandom().randrange(1 << 31)
    tap.say(f"seed {seed}")
    return seed


class MailLog:
    """OPTIONS: mailflow.py's.  .whole is the log; .growing may be written bit by bit, as a
    daemon would, its lines cut anywhere."""

    def __init__(self, bed, *options):
        self.bed, self.whole, self.growing = bed, bed.path("whole.log"), bed.path("growing.log")
        made = bed.run(sys.executable, os.path.join(TOOLS, "mailflow.py"), *options, "--log", self.whole,
                       "--truth", bed.path("truth.json"), "--ledger", bed.path("ledger.jsonl"))
        if made.returncode != 0:
            raise RuntimeError(made.stdout)
        write(self.growing, "")
        self.thread = threading.Thread(target=self.grow, daemon=True)

    def grow(self):
        chance = random.Random(os.path.getsize(self.whole))
        with open(self.whole, "rb") as f:
            text = f.read()
        cuts = sorted(chance.randrange(len(text)) for _ in range(CHUNKS)) + [len(text)]
        with open(self.growing, "ab", buffering=0) as f:
            for start, end in zip([0] + cuts, cuts):
                f.write(text[start:end])
                time.sleep(0.08)

    def start_growing(self):
        self.thread.start()

    def finish_growing(self):
        self.thread.join()

    def check(self):
        """check.py's word: nothing lost, nothing twice; and what it says."""
        got = self.bed.run(sys.executable, os.path.join(TOOLS, "check.py"), self.bed.database,
                           self.bed.path("truth.json"), self.bed.path("ledger.jsonl"))
        return got.returncode == 0, got.stdout.strip()

    def must_be_exact(self, what, seconds=20):
        wait_for(lambda: self.check()[0], seconds, 0.3)
        exact, said = self.check()
        self.bed.tap.ok(exact, f"{what}: {said}", said)
