"""The test bed: real syslog-ng, Postfix and Dovecot on loopback, for one test.

Tried with Debian 12: syslog-ng 3.38.1, Postfix 3.7.11, Dovecot 2.3.19.1 (Pigeonhole 0.5.19).

Everything lies below one temporary directory, listens on free ports above 1024 and is
stopped by its process ID, also when the test fails or is stopped by a signal.  How the daemons
log is the test's choice:

  "devlog"  syslog(3), as on most hosts: in a mount namespace of our own /dev/log is
            the socket that our syslog-ng reads.  Needs the right to unshare(2).
  "files"   Postfix's maillog_file and Dovecot's log_path, which syslog-ng reads.

What syslog-ng took in is also written, as it came, to raw.log.
"""
import ctypes
import os
import pwd
import random
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time

TOP = os.path.abspath(os.environ.get("top_srcdir", os.path.join(os.path.dirname(__file__), "../..")))
BUILD = os.path.abspath(os.environ.get("top_builddir", TOP))
GEO = os.path.join(TOP, "tests/geo")
TOOLS = os.path.join(TOP, "tests/tools")
MODULE = os.path.join(BUILD, "modules/syslog-ng/.libs")
MAILTRAIL = os.path.join(BUILD, "modules/cli/mailtrail")

SECRET = "secret-of-the-bed"

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)

CLONE_NEWNS = 0x00020000    # unshare(2)
PR_SET_PDEATHSIG = 1        # prctl(2)

os.environ["PATH"] += ":/usr/sbin:/sbin"


# ---- TAP -------------------------------------------------------------------------------

class Tap:
    """Test points, numbered; a failed one says why."""

    def __init__(self):
        self.n = self.failed = 0

    def ok(self, good, what, why=""):
        self.n += 1
        print(f"{'ok' if good else 'not ok'} {self.n} - {what}", flush=True)
        if not good:
            self.failed += 1
            self.say(why)
        return bool(good)

    def same(self, got, want, what):
        return self.ok(got == want, what, f"got  {got!r}\nwant {want!r}")

    def say(self, text):
        for line in str(text).splitlines():
            print("#", line, flush=True)

    def done(self):
        print(f"1..{self.n}", flush=True)
        sys.exit(1 if self.failed else 0)


def skip_all(why):
    print(f"1..0 # SKIP {why}", flush=True)
    sys.exit(0)


def need(*programs, syslog_ng=True):
    """Skips the whole test, with the reason, where it cannot run."""
    if os.geteuid() != 0:
        skip_all("mail servers are started by root")
    if "address" in os.environ.get("MT_SANITIZING", ""):
        skip_all("syslog-ng itself is not built with the sanitizers")
    if syslog_ng and not os.path.exists(os.path.join(MODULE, "libmailtrail.so")):
        skip_all("syslog-ng's module is not built")
    for program in programs + (("syslog-ng", "syslog-ng-ctl", "pkg-config") if syslog_ng else ()):
        if not shutil.which(program):
            skip_all(f"no {program} here")


# ---- small things --------------------------------------------------------------------------

def wait_for(what, seconds=15, pause=0.02):
    """Calls what() until it is true; returns what it said last."""
    end = time.monotonic() + seconds
    while True:
        got = what()
        if got or time.monotonic() > end:
            return got
        time.sleep(pause)


def listens(port):
    with socket.socket() as s:
        s.settimeout(0.5)
        return s.connect_ex(("127.0.0.1", port)) == 0


def lines_of(path):
    try:
        with open(path, encoding="utf-8", errors="replace") as f:
            return f.read().splitlines()
    except FileNotFoundError:
        return []


def write(path, text, mode=0o644):
    with open(path, "w") as f:
        f.write(text)
    os.chmod(path, mode)


def module_path():
    own = subprocess.run(["pkg-config", "--variable=moduledir", "syslog-ng"],
                         stdout=subprocess.PIPE, text=True).stdout.strip()
    return f"{own}:{MODULE}"


def rows_of(database, sql, *values):
    """As dicts; no rows while there is no store."""
    if not os.path.exists(database):
        return []
    db = sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=10)
    try:
        db.row_factory = sqlite3.Row
        return [dict(row) for row in db.execute(sql, values)]
    except sqlite3.OperationalError as error:
        if "no such table" in str(error):
            return []
        raise
    finally:
        db.close()


def open_dev_log(directory):
    """From here on this process and its children see a /dev of their own, in which
    log is DIRECTORY/log.  False where that is not allowed."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNS) != 0:
        return False
    script = """set -e
      mount --make-rprivate /
      mkdir "$0/dev"; mount -t tmpfs -o mode=755 tmpfs "$0/dev"
      for node in null zero full random urandom tty; do
        [ -e /dev/$node ] || continue
        : >"$0/dev/$node"; mount --bind /dev/$node "$0/dev/$node"
      done
      ln -s /proc/self/fd "$0/dev/fd"; ln -s fd/0 "$0/dev/stdin"
      ln -s fd/1 "$0/dev/stdout"; ln -s fd/2 "$0/dev/stderr"
      mkdir -m 1777 "$0/dev/shm"; ln -s "$0/log" "$0/dev/log"
      mount --rbind "$0/dev" /dev"""
    return subprocess.run(["sh", "-c", script, directory], stdin=subprocess.DEVNULL, stdout=2).returncode == 0


def end_with_us():
    """Runs in a child: if the test itself is killed, its servers are told to end."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


# ---- the bed -----------------------------------------------------------------------------------

class Bed:
    """with Bed(tap) as bed: ...  Whatever was started ends with the block."""

    def __init__(self, tap, logs="files"):
        self.tap = tap
        self.dir = tempfile.mkdtemp(prefix="mtbed.", dir="/tmp" if os.path.isdir("/tmp") else None)
        os.chmod(self.dir, 0o755)
        self.running = []   # (name, Popen), in the order they were started
        self.servers = []   # objects with stop()
        self.ports = {}
        self.logs = logs
        self.database = self.path("mail.db")
        self.alerts = self.path("alerts.log")
        self.raw = self.path("raw.log")
        for number in SIGNALS:
            signal.signal(number, self._interrupted)

    def __enter__(self):
        if self.logs == "devlog" and not open_dev_log(self.dir):
            self.tap.say("no mount namespace of our own here: the daemons log into files")
            self.logs = "files"
        return self

    def __exit__(self, kind, error, trace):
        for number in SIGNALS:
            signal.signal(number, signal.SIG_IGN)    # nothing keeps us from stopping what we started
        try:
            if kind and kind is not SystemExit:
                self.show_logs()
        finally:
            self.stop_all()
            subprocess.run(["umount", "-l", self.path("dev")], stderr=subprocess.DEVNULL)
            shutil.rmtree(self.dir, ignore_errors=True)

    @staticmethod
    def _interrupted(number, frame):
        raise KeyboardInterrupt(f"signal {number}")

    def path(self, *names):
        return os.path.join(self.dir, *names)

    def port(self, name):
        """A port for this purpose: free when it was first asked for, and below those that the
        kernel gives to clients, so that none of them takes it meanwhile."""
        while name not in self.ports:
            number = random.SystemRandom().randrange(12000, 32000)
            with socket.socket() as s:
                try:
                    s.bind(("127.0.0.1", number))
                except OSError:
                    continue
            if number not in self.ports.values():
                self.ports[name] = number
        return self.ports[name]

    # -- processes
    def start(self, name, argv, **options):
        out = open(self.path(name + ".out"), "ab")
        options.setdefault("stdin", subprocess.DEVNULL)
        process = subprocess.Popen(argv, stdout=out, stderr=out, start_new_session=True, preexec_fn=end_with_us,
                                   **options)
        out.close()
        self.running.append((name, process))
        return process

    def stop(self, process, how=signal.SIGTERM, seconds=10):
        """Returns its exit status; whatever does not go is killed."""
        if process.poll() is None:
            process.send_signal(how)
            try:
                process.wait(seconds)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.running = [(n, p) for n, p in self.running if p is not process]
        return process.returncode

    def stop_all(self):
        for name, process in reversed(list(self.running)):
            self.stop(process)
        for server in self.servers:
            server.stop()
        self.servers = []

    def show_logs(self):
        for name in sorted(os.listdir(self.dir)):
            if name.endswith(".out") or name == "raw.log":
                self.tap.say(f"---- {name}")
                self.tap.say("\n".join(lines_of(self.path(name))[-40:]))

    def run(self, *argv, **options):
        return subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, errors="replace", **options)

    # -- syslog-ng
    def syslog_ng_conf(self, source, destination="", extra=""):
        """SOURCE: statements of the source; DESTINATION: further options of mailtrail()."""
        conf = self.path("syslog-ng.conf")
        write(conf, f"""@version: 3.38
@module mailtrail
options {{ keep-hostname(yes); time-reopen(1); stats-freq(0); }};
source s_mail {{ {source} }};
destination d_mailtrail {{ mailtrail(database("{self.database}") {destination}); }};
destination d_raw {{ file("{self.raw}" template("${{DATE}} ${{HOST}} ${{MSGHDR}}${{MSG}}\\n")); }};
log {{ source(s_mail); destination(d_raw); destination(d_mailtrail); flags(flow-control); }};
source s_alerts {{ mailtrail(database("{self.database}") start("all")); }};
destination d_alerts {{ file("{self.alerts}"
  template("$FACILITY.$LEVEL $PROGRAM: $MESSAGE\\n")); }};
log {{ source(s_alerts); destination(d_alerts); }};
{extra}
""")
        return conf

    def daemon_source(self):
        """The source that takes what Postfix and Dovecot log."""
        if self.logs == "devlog":
            return f'unix-dgram("{self.path("log")}" log-iw-size(20000) log-fetch-limit(1000));'
        window = "follow-freq(0.1) log-iw-size(20000) log-fetch-limit(1000)"
        for name in ("postfix.log", "dovecot.log"):
            open(self.path(name), "a").close()
        return "".join(f'file("{self.path(name)}" {window});' for name in ("postfix.log", "dovecot.log"))

    def syslog_ng(self, conf):
        control = self.path("control")
        process = self.start("syslog-ng", [
            "syslog-ng", "--foreground", "--stderr", "--no-caps", "--cfgfile", conf,
            "--persist-file", self.path("persist"), "--pidfile", self.path("syslog-ng.pid"),
            "--control", control, "--module-path", module_path()])
        if not wait_for(lambda: process.poll() is not None or self.ctl("stats").startswith("SourceName"), 20):
            raise RuntimeError("syslog-ng does not answer")
        if process.poll() is not None:
            raise RuntimeError("syslog-ng has ended:\n" + "\n".join(lines_of(self.path("syslog-ng.out"))))
        return process

    def ctl(self, *words):
        return self.run("syslog-ng-ctl", words[0], "--control", self.path("control"), *words[1:]).stdout

    # -- what the store says
    def rows(self, sql, *values):
        return rows_of(self.database, sql, *values)

    def one(self, sql, *values):
        rows = self.rows(sql, *values)
        return next(iter(rows[0].values())) if rows else None

    def mailtrail(self, *argv):
        return self.run(MAILTRAIL, *argv)


# ---- Postfix --------------------------------------------------------------------------------------

MASTER_CF = """
{smtp}       inet  n - n - - smtpd -o syslog_name=postfix
{submission} inet  n - n - - smtpd
  -o syslog_name=postfix/submission -o smtpd_sasl_auth_enable=yes
  -o smtpd_recipient_restrictions=permit_sasl_authenticated,reject -o content_filter=
{reinject}   inet  n - n - - smtpd
  -o content_filter= -o smtpd_authorized_xforward_hosts=127.0.0.0/8 -o smtpd_authorized_xclient_hosts=
{postscreen} inet  n - n - 1 postscreen -o postscreen_upstream_proxy_protocol=haproxy
smtpd     pass  - - n - - smtpd
dnsblog   unix  - - n - 0 dnsblog
tlsproxy  unix  - - n - 0 tlsproxy
pickup    unix  n - n 60 1 pickup
cleanup   unix  n - n - 0 cleanup
qmgr      unix  n - n 300 1 qmgr
tlsmgr    unix  - - n 1000? 1 tlsmgr
rewrite   unix  - - n - - trivial-rewrite
bounce    unix  - - n - 0 bounce
defer     unix  - - n - 0 bounce
trace     unix  - - n - 0 bounce
verify    unix  - - n - 1 verify
flush     unix  n - n 1000? 0 flush
proxymap  unix  - - n - - proxymap
smtp      unix  - - n - - smtp
relay     unix  - - n - - smtp
filter    unix  - - n - - smtp -o smtp_send_xforward_command=yes -o syslog_name=postfix/filter
showq     unix  n - n - - showq
error     unix  - - n - - error
retry     unix  - - n - - error
discard   unix  - - n - - discard
local     unix  - n n - - local
virtual   unix  - n n - - virtual
lmtp      unix  - - n - - lmtp
anvil     unix  - - n - 1 anvil
scache    unix  - - n - 1 scache
postlog   unix-dgram n - n - 1 postlogd
"""

MAIN_CF = """
compatibility_level = 3.6
queue_directory = {dir}.queue
data_directory = {dir}.data
command_directory = /usr/sbin
mail_owner = postfix
setgid_group = postdrop
{log}
myhostname = mx.example.com
mydomain = example.com
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mydestination =
alias_maps =
alias_database =
mynetworks = 127.0.0.0/8
virtual_mailbox_domains = example.com
virtual_mailbox_maps = texthash:{dir}/mailboxes
virtual_alias_maps = texthash:{dir}/aliases
virtual_transport = lmtp:inet:127.0.0.1:{lmtp}
transport_maps = texthash:{dir}/transports
relayhost = [127.0.0.1]:{remote}
smtp_host_lookup = native
disable_dns_lookups = yes
smtpd_sasl_type = dovecot
smtpd_sasl_path = {auth}
smtpd_authorized_xclient_hosts = 127.0.0.0/8
smtpd_client_restrictions = check_client_access texthash:{dir}/clients
smtpd_helo_required = yes
smtpd_helo_restrictions = reject_invalid_helo_hostname
smtpd_relay_restrictions = permit_mynetworks, permit_sasl_authenticated, reject_unauth_destination
smtpd_recipient_restrictions = permit_mynetworks, reject_unauth_destination,
  check_policy_service inet:127.0.0.1:{policy}
header_checks = regexp:{dir}/header_checks
smtpd_error_sleep_time = 0
smtpd_peername_lookup = no
minimal_backoff_time = 1h
maximal_backoff_time = 1h
queue_run_delay = 1h
transport_retry_time = 1s
destination_concurrency_feedback_debug = no
notify_classes =
biff = no
smtp_tls_security_level = none
postscreen_greet_wait = 1s
postscreen_greet_action = enforce
postscreen_access_list =
smtpd_tls_security_level = {tls}
smtpd_tls_chain_files = {pem}
smtpd_tls_loglevel = 1
"""


class Postfix:
    """MAIN: more of main.cf, in place of what stands in ours."""

    def __init__(self, bed, main=""):
        self.bed, self.dir = bed, bed.path("postfix")
        os.makedirs(self.dir)
        for name, owner in (("queue", "root"), ("data", "postfix")):
            os.makedirs(f"{self.dir}.{name}", 0o755)
            os.chown(f"{self.dir}.{name}", pwd.getpwnam(owner).pw_uid, 0)
        self.tables({"mailboxes": "", "aliases": "", "transports": "", "clients": "", "header_checks": ""})
        log = "" if bed.logs == "devlog" else \
            f"maillog_file = {bed.path('postfix.log')}\nmaillog_file_prefixes = {bed.dir}"
        pem = make_certificate(bed)
        text = MAIN_CF.format(
            dir=self.dir, auth=bed.path("dovecot", "postfix-auth"), log=log, lmtp=bed.port("lmtp"),
            remote=bed.port("remote"), policy=bed.port("policy"), tls="may" if pem else "none", pem=pem)
        for name in re.findall(r"^(\w+) =", main, re.M):    # it may say each parameter only once
            text = re.sub(rf"^{name} =.*\n", "", text, flags=re.M)
        write(os.path.join(self.dir, "main.cf"), text + main)
        ports = {name: f"127.0.0.1:{bed.port(name)}" for name in ("smtp", "submission", "reinject", "postscreen")}
        write(os.path.join(self.dir, "master.cf"), MASTER_CF.format(**ports))

    def tables(self, texts):
        for name, text in texts.items():
            write(os.path.join(self.dir, name), text)

    def start(self):
        # As "postfix start-fg" does it, whose shell would stand between master(8) and us.
        checked = self.bed.run("postfix", "-c", self.dir, "check")
        daemons = self.bed.run("postconf", "-c", self.dir, "-h", "daemon_directory").stdout.split()[-1]
        self.process = self.bed.start("postfix", [os.path.join(daemons, "master"), "-s", "-c", self.dir])
        if not wait_for(lambda: listens(self.bed.port("reinject")) or self.process.poll() is not None, 20) \
                or self.process.poll() is not None:
            raise RuntimeError(f"Postfix does not start:\n{checked.stdout}")

    def postqueue(self, *words):
        return self.bed.run("postqueue", "-c", self.dir, *words).stdout

    def postsuper(self, *words):
        return self.bed.run("postsuper", "-c", self.dir, *words).stdout

    def queue_is_empty(self):
        return "Mail queue is empty" in self.postqueue("-p")


def make_certificate(bed):
    """One for both servers; none where openssl is missing: they then go without TLS."""
    pem = bed.path("server.pem")
    if not shutil.which("openssl"):
        return ""
    if not os.path.exists(pem):
        made = bed.run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                       "-subj", "/CN=mx.example.com", "-days", "2", "-keyout", bed.path("key"), "-out", bed.path("cert"))
        if made.returncode != 0:
            return ""
        write(pem, "\n".join(lines_of(bed.path("key")) + lines_of(bed.path("cert"))) + "\n", 0o600)
    return pem


# ---- Dovecot --------------------------------------------------------------------------------------

DOVECOT_CONF = """
base_dir = {dir}/run
state_dir = {dir}/state
{log}
protocols = imap pop3 lmtp sieve
listen = 127.0.0.1
haproxy_trusted_networks = 127.0.0.0/8
{tls}
disable_plaintext_auth = no
auth_mechanisms = plain login
auth_failure_delay = 0
auth_username_format = %Lu
auth_verbose = yes
passdb {{
  driver = passwd-file
  args = scheme=PLAIN username_format=%u {dir}/users
}}
userdb {{
  driver = passwd-file
  args = username_format=%u {dir}/users
}}
mail_location = maildir:~/Maildir
mail_plugins = notify mail_log quota
default_process_limit = 50
service auth {{
  unix_listener {dir}/postfix-auth {{
    mode = 0666
  }}
}}
# Each failure of an address would make it wait longer.
service anvil {{
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
service stats {{
  unix_listener stats-writer {{
    mode = 0666
  }}
}}
service imap-login {{
  inet_listener imap {{
    port = {imap}
  }}
  inet_listener imaps {{
    port = 0
  }}
  inet_listener imap_from {{
    port = {imap_from}
    haproxy = yes
  }}
}}
service pop3-login {{
  inet_listener pop3 {{
    port = {pop3}
  }}
  inet_listener pop3s {{
    port = 0
  }}
  inet_listener pop3_from {{
    port = {pop3_from}
    haproxy = yes
  }}
}}
service managesieve-login {{
  inet_listener sieve {{
    port = {sieve}
  }}
}}
service lmtp {{
  inet_listener lmtp {{
    port = {lmtp}
  }}
}}
remote 192.0.2.99 {{
  disable_plaintext_auth = yes
}}
namespace inbox {{
  inbox = yes
  mailbox Trash {{
    special_use = \\Trash
    auto = create
  }}
}}
protocol imap {{
  mail_max_userip_connections = 3
}}
protocol lmtp {{
  mail_plugins = $mail_plugins sieve
  postmaster_address = postmaster@example.com
  hostname = mx.example.com
}}
submission_host = 127.0.0.1:{reinject}
lda_mailbox_autocreate = yes
quota_full_tempfail = no
plugin {{
  sieve = file:~/sieve;active=~/.dovecot.sieve
  sieve_vacation_min_period = 1h
  quota = maildir:User quota
  mail_log_events = delete undelete expunge save copy mailbox_create mailbox_delete mailbox_rename
  mail_log_fields = uid box msgid size from subject
}}
"""


class Dovecot:
    def __init__(self, bed, extra=""):
        self.bed, self.dir = bed, bed.path("dovecot")
        os.makedirs(self.path("homes"))
        nobody = pwd.getpwnam("nobody")
        self.uid, self.gid = nobody.pw_uid, nobody.pw_gid
        os.chown(self.path("homes"), self.uid, self.gid)
        self.users = {}
        # A file's lines would say neither host nor program: they are made to.
        log = "syslog_facility = mail" if bed.logs == "devlog" else \
            f'log_path = {bed.path("dovecot.log")}\nlog_timestamp = "%b %d %H:%M:%S mx dovecot: "'
        pem = make_certificate(bed)
        tls = f"ssl = yes\nssl_cert = <{pem}\nssl_key = <{pem}" if pem else "ssl = no"
        ports = {name: bed.port(name) for name in
                 ("imap", "imap_from", "pop3", "pop3_from", "sieve", "lmtp", "reinject")}
        write(self.path("dovecot.conf"), DOVECOT_CONF.format(dir=self.dir, log=log, tls=tls, **ports) + extra)

    def path(self, *names):
        return os.path.join(self.dir, *names)

    def user(self, address, sieve="", extra="", quota=""):
        """An account; EXTRA: fields of passdb."""
        home = self.path("homes", address)
        os.makedirs(home)
        if sieve:
            write(os.path.join(home, ".dovecot.sieve"), sieve)
        for path in (home, *([os.path.join(home, ".dovecot.sieve")] if sieve else [])):
            os.chown(path, self.uid, self.gid)
        fields = " ".join(filter(None, [extra, f"userdb_quota_rule=*:bytes={quota}" if quota else ""]))
        self.users[address] = f"{address}:{SECRET}:{self.uid}:{self.gid}::{home}::{fields}"
        write(self.path("users"), "\n".join(self.users.values()) + "\n")

    def start(self):
        self.process = self.bed.start("dovecot", ["dovecot", "-F", "-c", self.path("dovecot.conf")])
        if not wait_for(lambda: all(listens(self.bed.port(p)) for p in ("imap", "pop3", "lmtp"))
                        or self.process.poll() is not None, 20) or self.process.poll() is not None:
            raise RuntimeError("Dovecot does not start:\n" + "\n".join(lines_of(self.bed.path("dovecot.out"))))
