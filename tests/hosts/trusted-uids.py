#!/usr/bin/env python3
"""trusted-uids(): who may write into /dev/log may not write other people's logins.

A real syslog-ng with a unix-dgram source that asks for credentials; `logger -t dovecot` as nobody
writes logins and a burst of failures that would raise an alert, root writes one login.  Then the
store, the alerts and the counter are looked at.  The same lines without trusted-uids() are believed:
so the test can tell."""
import os, shutil, signal, sqlite3, subprocess, sys, tempfile, time

top = os.environ.get("top_srcdir") or os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")
build = os.environ.get("top_builddir", top)
sbin = os.environ["PATH"] + ":/usr/sbin:/sbin"

CONF = """@version: 3.35
@module mailtrail
options { keep-hostname(yes); stats-level(2); };
source s_dev { unix-dgram("%(dir)s/log" so-passcred(yes) perm(0666)); };
destination d_mail { mailtrail(database("%(dir)s/mail.db") retention(0) local-domains("example.com") %(option)s); };
log { source(s_dev); destination(d_mail); flags(flow-control); };
"""

LOGIN = "imap-login: Login: user=<%s@example.com>, method=PLAIN, rip=203.0.113.%d, lip=192.0.2.10, mpid=%d, TLS, session=<%s>"
FAILED = "imap-login: Disconnected (auth failed, 1 attempts in 2 secs): user=<victim@example.com>, method=PLAIN, " \
    "rip=203.0.113.66, lip=192.0.2.10, TLS, session=<F%015d>"


def skip(why):
    print(f"1..0 # SKIP {why}")
    sys.exit(0)


class SyslogNg:
    def __init__(self, directory, option):
        self.directory = directory
        conf = os.path.join(directory, "conf")
        with open(conf, "w") as file:
            file.write(CONF % {"dir": directory, "option": option})
        modules = subprocess.run(["pkg-config", "--variable=moduledir", "syslog-ng"], stdout=subprocess.PIPE, text=True).stdout.strip()
        self.log = open(os.path.join(directory, "syslog-ng.log"), "wb")
        self.control = os.path.join(directory, "control")
        self.process = subprocess.Popen(
            [shutil.which("syslog-ng", path=sbin), "--foreground", "--no-caps", "--stderr", "--cfgfile", conf,
             "--persist-file", os.path.join(directory, "persist"), "--pidfile", os.path.join(directory, "pid"),
             "--control", self.control, "--module-path", f"{modules}:{os.path.abspath(build)}/modules/syslog-ng/.libs"],
            stdout=self.log, stderr=self.log)
        self.wait(lambda: os.path.exists(os.path.join(directory, "log")))

    def wait(self, done):
        until = time.monotonic() + 30
        while not done():
            if time.monotonic() > until or self.process.poll() is not None:
                self.process.kill()
                said = open(self.log.name, errors="replace").read()
                raise SystemExit(f"Bail out! syslog-ng did not do it within 30 s: {said[-2000:]}")
            time.sleep(0.05)

    def logger(self, text, as_nobody):
        prefix = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] if as_nobody else []
        subprocess.run(prefix + ["logger", "--socket", os.path.join(self.directory, "log"), "--socket-errors=on", "-t", "dovecot",
                                 "-p", "mail.info", "--", text], check=True)

    def stats(self):
        said = subprocess.run(["syslog-ng-ctl", "stats", "--control", self.control], stdout=subprocess.PIPE,
                              env=dict(os.environ, PATH=sbin), text=True).stdout
        return said.splitlines()

    def rows(self, sql):
        try:
            base = sqlite3.connect(f"file:{self.directory}/mail.db?mode=ro", uri=True)
            return base.execute(sql).fetchall()
        except sqlite3.OperationalError:
            return []

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(30)


def scenario(option):
    """Returns: accounts that logged in, failures, alerts, counter lines that say untrusted."""
    with tempfile.TemporaryDirectory() as directory:
        os.chmod(directory, 0o755)
        host = SyslogNg(directory, option)
        host.logger(LOGIN % ("forged", 66, 1, "AAAAAAAAAAAAAAAA"), True)
        for number in range(30):
            host.logger(FAILED % number, True)
        host.logger(LOGIN % ("true", 5, 2, "BBBBBBBBBBBBBBBB"), False)
        # One socket, one order: when root's line is there, the others have been looked at.
        host.wait(lambda: ("true@example.com",) in host.rows("SELECT account FROM accesses"))
        counters, until = [], time.monotonic() + 10
        while time.monotonic() < until and not any(";31" in line for line in counters) and option:
            counters = [line for line in host.stats() if "untrusted" in line] # told about once a second
            time.sleep(0.2)
        host.stop()
        return ([account for account, in host.rows("SELECT account FROM accesses ORDER BY account")],
                host.rows("SELECT sum(attempts) FROM accesses_failed")[0][0] or 0,
                host.rows("SELECT count(*) FROM alerts")[0][0], counters,
                host.rows("SELECT count(*) FROM log_tail WHERE text LIKE '%forged%'")[0][0])


results = []


def check(what, is_so, is_now):
    results.append(is_so)
    print(f"{'ok' if is_so else 'not ok'} {len(results)} - {what}")
    if not is_so:
        print(f"# it is: {is_now}")


def main():
    if not os.environ.get("HAVE_SYSLOG_NG") or not shutil.which("syslog-ng", path=sbin):
        skip("no syslog-ng here")
    if "address" in os.environ.get("MT_SANITIZING", ""):
        skip("syslog-ng itself is not built with the sanitizers")
    if os.geteuid() != 0 or not shutil.which("setpriv") or not shutil.which("logger"):
        skip("only root can write as somebody else; setpriv and logger are needed")
    accounts, failures, alerts, counters, raw = scenario("trusted-uids(root)")
    check("root's login is an access, nobody's is none", accounts == ["true@example.com"], accounts)
    check("nobody's failures are none", failures == 0, failures)
    check("and raise no alert", alerts == 0, alerts)
    check("nobody's lines are not among the raw lines", raw == 0, raw)
    check("they are counted as untrusted", any(line.endswith(";31") for line in counters), counters)
    accounts, failures, alerts, counters, raw = scenario("")
    check("without trusted-uids() all of it is believed", accounts == ["forged@example.com", "true@example.com"]
          and failures == 30 and alerts > 0, (accounts, failures, alerts))
    print(f"1..{len(results)}")


main()
