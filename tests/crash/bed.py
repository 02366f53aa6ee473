"""What the tests of durability share: a mailflow log, a syslog-ng to kill, a store to compare.

State lives in one temporary directory; processes are ended by their own id."""
import os, random, shutil, signal, sqlite3, subprocess, sys, tempfile, time
from collections import Counter

top = os.environ.get("top_srcdir") or os.path.abspath(os.path.join(os.path.dirname(__file__), "../.."))
build = os.path.abspath(os.environ.get("top_builddir", "."))
mailtrail = os.path.join(build, "modules/cli/mailtrail")
ENV = dict(os.environ, TZ="UTC", LC_ALL="C.UTF-8")

CONFIG = """@version: {version}
@module mailtrail
options {{ stats-level(1); keep-hostname(yes); threaded(yes); }};
source s {{ file("{log}" follow-freq(0.1) log-iw-size({window}) log-fetch-limit({fetch})); }};
destination d {{ mailtrail(database("{store}") batch-lines({batch}) time-reopen(1) retention(0) raw-lines(200000)
  local-domains("example.com" "example.org" "shop.example.net" "klinik.example.de") store-unknown-accounts(yes) {more}); }};
log {{ source(s); destination(d); {paths} flags(flow-control); }};
{rest}
"""

# What a restart may number anew; a revision counts the commits that changed a row. The ring of raw lines may have
# gaps (docs/decisions/11). Domains and accounts are given, not learned: what is learned holds from then on.
ASIDE = {"id", "message", "parent_id", "root_id", "emitted", "revision"}
VIEWS = ("messages deliveries mail mail_received mail_not_received mail_sent mail_not_sent mail_quarantined mail_rejected"
         " mail_queue connections accesses accesses_failed mailbox_events alerts activity_daily failed_ips incidents").split()
SENTINEL = "sentinel@example.com"


def pkg_config(*arguments):
    return subprocess.run(["pkg-config", *arguments, "syslog-ng"], capture_output=True, text=True).stdout.strip()


def reason_to_skip():
    if not os.environ.get("HAVE_SYSLOG_NG", "x") or not shutil.which("syslog-ng"):
        return "no syslog-ng here"
    if "address" in os.environ.get("MT_SANITIZING", ""):
        return "syslog-ng itself is not built with the sanitizers"
    return None


def run(*arguments, **more):
    """mailtrail with these arguments."""
    return subprocess.run([mailtrail, *arguments], capture_output=True, text=True, env=ENV, **more)


class Tap:
    """Test lines as automake's driver reads them."""

    def __init__(self):
        self.number, self.failed = 0, False

    def report(self, what, wrong=""):
        self.number += 1
        self.failed |= bool(wrong)
        print(f"{'not ok' if wrong else 'ok'} {self.number} - {what}", flush=True)
        for line in str(wrong).splitlines():
            print("# " + line, flush=True)

    def finish(self):
        print(f"1..{self.number}")
        sys.exit(self.failed)


def seed_of_run():
    seed = int(os.environ.get("CRASH_SEED") or random.SystemRandom().randrange(1 << 32))
    print(f"# CRASH_SEED={seed} plays the same log and kills at the same moments", flush=True)
    return seed


def stamp_of(line):
    return line.split(" ", 1)[0] if line[0].isdigit() else line[:15]


def make_log(path, messages, seed, *more):
    """A mailflow log with guessing at passwords in it, and a last line to wait for; its lines.

    The accounts that are guessed at differ in their first letter: those that are masked alike are told apart by 16 bits
    of a hash with the store's own key, and once in some thousand stores two of them would count as one."""
    subprocess.run([sys.executable, f"{top}/tests/tools/mailflow.py", "--messages", str(messages), "--seed", str(seed % (1 << 31)),
                    "--log", path, "--truth", path + ".truth", *more], check=True)
    with open(path) as f:
        lines = f.read().splitlines()
    out, dice = [], random.Random(seed)
    for i, line in enumerate(lines):
        out.append(line)
        if i % 97 == 0:
            attacker = i // 4000
            out.append(f"{stamp_of(line)} mail dovecot: imap-login: Disconnected: Connection closed (auth failed, 1 attempts in 2 secs): "
                       f"user=<{'abcdefghi'[dice.randrange(9)]}user@example.com>, method=PLAIN, rip=203.0.113.{attacker % 250}, lip=192.0.2.10, "
                       f"session=<guess{i}>")
    out.append(f"{stamp_of(lines[-1])} mail dovecot: imap-login: Login: user=<{SENTINEL}>, method=PLAIN, rip=192.0.2.7, "
               f"lip=192.0.2.10, mpid=77, TLS, session=<sentinel>")
    with open(path, "w") as f:
        f.writelines(line + "\n" for line in out)
    return out


class Daemon:
    """A syslog-ng that reads DIRECTORY/mail.log into DIRECTORY/mail.db."""

    def __init__(self, directory, batch=20000, window=20000, fetch=1000, paths="", rest="", more=""):
        self.directory, self.child = directory, None
        self.log, self.store = f"{directory}/mail.log", f"{directory}/mail.db"
        self.config = f"{directory}/syslog-ng.conf"
        version = ".".join(pkg_config("--modversion").split(".")[:2])
        with open(self.config, "w") as f:
            f.write(CONFIG.format(version=version, log=self.log, store=self.store, batch=batch, window=window, fetch=fetch,
                                  paths=paths, rest=rest, more=more))
        open(self.log, "a").close()
        self.errors = open(f"{directory}/errors", "a+")

    def start(self):
        modules = f"{pkg_config('--variable=moduledir')}:{build}/modules/syslog-ng/.libs"
        d = self.directory
        self.child = subprocess.Popen(["syslog-ng", "--foreground", "--no-caps", "--cfgfile", self.config, "--module-path", modules,
                                       "--persist-file", f"{d}/persist", "--pidfile", f"{d}/pid", "--control", f"{d}/control",
                                       "--stderr"], stderr=self.errors, stdout=self.errors, env=ENV)

    def end(self, number=signal.SIGTERM):
        if self.child and self.child.poll() is None:
            self.child.send_signal(number)
            self.child.wait()

    def kill(self):
        self.end(signal.SIGKILL)

    def said(self):
        self.errors.flush()
        with open(f"{self.directory}/errors") as f:
            return f.read()

    def wait_for(self, sql, seconds=60, want=1):
        """Until the store answers SQL with WANT.  False: it did not in time, or syslog-ng ended."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if ask(self.store, sql) == want:
                return True
            if self.child and self.child.poll() is not None:
                return False
            time.sleep(.05)
        return False

    def wait_to_the_end(self, seconds=90):
        return self.wait_for(f"SELECT count(*) FROM accesses WHERE account='{SENTINEL}'", seconds)


def ask(store, sql):
    """The first value, None while there is no such store."""
    try:
        with closing(connect(store)) as db:
            row = db.execute(sql).fetchone()
            return row[0] if row else None
    except sqlite3.Error:
        return None


class closing:
    def __init__(self, thing):
        self.thing = thing

    def __enter__(self):
        return self.thing

    def __exit__(self, *why):
        self.thing.close()


def connect(store):
    return sqlite3.connect(f"file:{store}?mode=ro", uri=True, timeout=10)


def rows_of(db, view):
    """Rows without what is numbered anew, in an order of their own; a delivery says which message it is of."""
    names = [c[0] for c in db.execute(f"SELECT * FROM {view} LIMIT 0").description]
    keep = ", ".join(f'v."{n}"' for n in names if n not in ASIDE)
    if view == "deliveries":  # joined here: a join of two views compares every segment with every other
        of = {r[0]: r[1:] for r in db.execute("SELECT id, host, queue_id, ts FROM messages")}
        at = names.index("message")
        kept = [i for i, n in enumerate(names) if n not in ASIDE]
        return sorted((tuple(r[i] for i in kept) + of.get(r[at], ("?",)) for r in db.execute("SELECT * FROM deliveries")), key=repr)
    return sorted(db.execute(f"SELECT {keep} FROM {view} v").fetchall(), key=repr)


def differences(store, reference):
    """What is not row for row the same, one line a view; empty if all is."""
    wrong = []
    with closing(connect(store)) as ours, closing(connect(reference)) as theirs:
        check = ours.execute("PRAGMA integrity_check").fetchone()[0]
        if check != "ok":
            wrong.append(f"integrity: {check}")
        for view in VIEWS:
            a, b = rows_of(ours, view), rows_of(theirs, view)
            if a != b:
                left, right = Counter(a) - Counter(b), Counter(b) - Counter(a)
                wrong.append(f"{view}: {len(a)} rows, {len(b)} undisturbed, {sum(left.values())} and {sum(right.values())} of them "
                             f"only there\n  {min(left, key=repr, default='')}\n  {min(right, key=repr, default='')}")
    return "\n".join(wrong)


def undisturbed(directory, lines):
    """The store of a run that nobody kills."""
    os.mkdir(directory)
    daemon = Daemon(directory)
    with open(daemon.log, "w") as f:
        f.writelines(line + "\n" for line in lines)
    daemon.start()
    try:
        if not daemon.wait_to_the_end():
            sys.exit(f"Bail out! the undisturbed run came to no end: {daemon.said()[-2000:]}")
    finally:
        daemon.end()
    return daemon.store


def temporary():
    return tempfile.TemporaryDirectory(prefix="mailtrail-crash.")
