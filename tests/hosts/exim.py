#!/usr/bin/env python3
"""Exim as second server: it takes mail in and relays it to the bed's Postfix, which hands it to
Dovecot or to a host elsewhere.  What went through both is one row of `mail`.

Debian's Exim excludes Postfix: it is fetched and unpacked into a folder below the build, and
the test skipped where it cannot be had.  It runs as a user that only the test's own mount
namespace knows.  Tried with Debian 12: Exim 4.96, Postfix 3.7.11, Dovecot 2.3.19.1.
"""
import glob
import importlib
import os
import re
import smtplib
import subprocess

from bed import BUILD, SECRET, Bed, Dovecot, Postfix, Tap, lines_of, listens, need, rows_of, skip_all, wait_for, write
from peers import MailHost

differences = importlib.import_module("mail-flow").differences

CACHE = os.path.join(BUILD, "tests/hosts/exim-unpacked")
PACKAGES = ("exim4-daemon-light", "libidn12")
PEER = "peer@example.net"
UID = 64998    # nobody's else

CONF = """
exim_path = {exim}
spool_directory = {dir}/spool
log_file_path = syslog
syslog_timestamp = no
syslog_duplication = no
pid_file_path = {dir}/exim.pid
primary_hostname = relay.example.com
local_interfaces = 127.0.0.1
daemon_smtp_ports = {port}
disable_ipv6 = true
deliver_drop_privilege = true
tls_advertise_hosts =
host_lookup =
rfc1413_query_timeout = 0s
keep_environment = LD_LIBRARY_PATH
acl_smtp_rcpt = acl_rcpt

begin acl
acl_rcpt:
  accept authenticated = *
  accept domains = example.com
  deny message = relay not permitted

begin routers
postfix:
  driver = manualroute
  transport = smtp
  route_data = 127.0.0.1::{postfix}
  host_find_failed = defer
  self = send

begin transports
smtp:
  driver = smtp
  allow_localhost = true

begin retry
* * F,2h,1h

begin authenticators
plain:
  driver = plaintext
  public_name = PLAIN
  server_prompts = :
  server_condition = ${{if eq{{$auth3}}{{{secret}}}}}
  server_set_id = $auth2
"""


def unpacked():
    """The folder with Exim in it; skips the test where there is none."""
    done = os.path.join(CACHE, "done")
    if os.path.exists(done):
        return CACHE
    for program in ("apt-get", "dpkg"):
        need(program)
    os.makedirs(CACHE, exist_ok=True)
    got = subprocess.run(["apt-get", "download", "-q", *PACKAGES], cwd=CACHE, stdin=subprocess.DEVNULL,
                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    packages = glob.glob(os.path.join(CACHE, "*.deb"))
    if got.returncode != 0 or len(packages) < len(PACKAGES):
        skip_all("Debian's Exim cannot be fetched here")
    for package in packages:
        subprocess.run(["dpkg", "-x", package, CACHE], check=True)
    write(done, "")
    return CACHE


class Exim:
    def __init__(self, bed, root):
        self.bed, self.dir = bed, bed.path("exim")
        self.exim = os.path.join(root, "usr/sbin/exim4")
        self.environment = dict(os.environ, LD_LIBRARY_PATH=glob.glob(os.path.join(root, "usr/lib/*-linux-gnu*"))[0])
        os.chmod(self.exim, 0o755)    # started by root, it needs no more
        os.makedirs(os.path.join(self.dir, "spool"))
        os.chown(os.path.join(self.dir, "spool"), UID, UID)
        self.conf = os.path.join(self.dir, "exim.conf")
        self.port = bed.port("exim")
        write(self.conf, CONF.format(exim=self.exim, dir=self.dir, port=self.port, postfix=bed.port("smtp"),
                                     secret=SECRET))

    def start(self):
        self.process = self.bed.start("exim", [self.exim, "-C", self.conf, "-bdf"], env=self.environment)
        if not wait_for(lambda: listens(self.port) or self.process.poll() is not None, 10) \
                or self.process.poll() is not None:
            raise RuntimeError("Exim does not start:\n" + "\n".join(lines_of(self.bed.path("exim.out"))))

    def run_queue(self):
        return self.bed.run(self.exim, "-C", self.conf, "-qff", env=self.environment, timeout=60).stdout

    def send(self, recipients, sender=PEER, login=""):
        """Returns Exim's name for the message; the reply where it was refused."""
        with smtplib.SMTP("127.0.0.1", self.port) as smtp:
            smtp.ehlo("client.example.net")
            if login:
                smtp.user, smtp.password = login, SECRET
                smtp.auth("PLAIN", smtp.auth_plain)
            code, reply = smtp.mail(sender)
            for recipient in recipients:
                code, reply = smtp.rcpt(recipient)
            if code == 250:
                self.sent = getattr(self, "sent", 0) + 1
                code, reply = smtp.data(f"From: <{sender}>\r\nTo: <{recipients[0]}>\r\n"
                                        f"Message-ID: <{self.sent}@client.example.net>\r\nSubject: x\r\n\r\nA line.\r\n")
        return re.search(r"id=(\S+)", reply.decode()).group(1) if code == 250 else f"{code} {reply.decode()}"


def add_user(bed):
    """Exim looks its user up by name.  FALSE where there is no /etc of our own to say it in."""
    for name, line in (("passwd", f"Debian-exim:x:{UID}:{UID}::/:/bin/false"), ("group", f"Debian-exim:x:{UID}:")):
        with open(os.path.join("/etc", name)) as f:
            text = f.read()
        write(bed.path(name), f"{text.rstrip()}\n{line}\n")
        if bed.run("mount", "--bind", bed.path(name), os.path.join("/etc", name)).returncode != 0:
            return False
    return True


def set_up(bed, root):
    dovecot = Dovecot(bed)
    for name in ("alice", "bob"):
        dovecot.user(f"{name}@example.com")
    postfix = Postfix(bed)
    postfix.tables({"mailboxes": "".join(f"{address} x\n" for address in dovecot.users)})
    MailHost(bed, "remote")
    bed.syslog_ng(bed.syslog_ng_conf(bed.daemon_source(), 'local-domains("example.com")'))
    dovecot.start()
    exim = Exim(bed, root)
    exim.start()
    return exim, postfix


def row(first_queue_id, sender, recipient, outcome, **more):
    return dict(first_queue_id=first_queue_id, sender=sender, recipient=recipient, outcome=outcome, **more)


def drive(bed, exim, postfix):
    """Returns the ledger: rows of mail, of refusals, of logins."""
    late = exim.send(["bob@example.com"])    # Postfix is not there yet
    wait_for(lambda: any("Connection refused" in line for line in lines_of(bed.raw)), 10)
    postfix.start()
    exim.run_queue()
    one = exim.send(["alice@example.com"])
    two = exim.send(["alice@example.com", "bob@example.com"])
    out = exim.send(["ok@example.net"], sender="alice@example.com", login="alice@example.com")
    none = exim.send(["nouser@example.com"])
    refused = exim.send(["x@elsewhere.example"])
    bed.tap.ok(refused.startswith("550"), "a recipient elsewhere is refused", refused)
    mail = [row(late, PEER, "bob@example.com", "delivered", mailbox="INBOX"),
            row(one, PEER, "alice@example.com", "delivered", mailbox="INBOX"),
            row(two, PEER, "alice@example.com", "delivered", mailbox="INBOX"),
            row(two, PEER, "bob@example.com", "delivered", mailbox="INBOX"),
            row(out, "alice@example.com", "ok@example.net", "delivered", auth_user="alice@example.com",
                direction="out"),
            row(none, PEER, "nouser@example.com", "failed", reason_class="user-unknown"),
            dict(sender="", recipient=PEER, outcome="delivered")]
    rejected = [dict(sender=PEER, recipient="x@elsewhere.example", reason_class="relay-denied"),
                dict(sender=PEER, recipient="nouser@example.com", reason_class="user-unknown")]
    return mail, rejected, [dict(account="alice@example.com", service="smtp", ip="127.0.0.1")]


def compare(bed, what, view, wanted):
    wait_for(lambda: not differences(bed.rows(f"SELECT * FROM {view}"), wanted), 15, 0.1)
    said = differences(bed.rows(f"SELECT * FROM {view}"), wanted)
    bed.tap.ok(not said, f"{what}: {len(wanted)} rows of {view}", said)


def on_two_hosts(bed, mail):
    """The same lines, but that Exim's host has another name."""
    lines = [re.sub(r"^(\S+ +\S+ \S+) \S+ (exim\S*:)", r"\1 relay \2", line) for line in lines_of(bed.raw)]
    write(bed.path("two-hosts.log"), "\n".join(lines) + "\n")
    again = bed.path("again.db")
    bed.mailtrail("import", "--database", again, "--local-domains", "example.com", bed.path("two-hosts.log"))
    bed.tap.ok(any(" relay exim" in line for line in lines), "Exim's lines are of another host")
    # Exim says no Message-ID of a notification that it makes: that it is Postfix's cannot be known.
    mail = [*mail, dict(sender="", recipient=PEER, outcome="delivered")]
    said = differences(rows_of(again, "SELECT * FROM mail"), mail)
    bed.tap.ok(not said, f"one row for each mail though the hosts differ: {len(mail)} rows", said)


def main():
    need("postfix", "dovecot", "openssl")
    root = unpacked()
    tap = Tap()
    with Bed(tap, "devlog") as bed:
        if bed.logs != "devlog" or not add_user(bed):
            skip_all("no mount namespace here to give Exim its user in")
        mail, rejected, accesses = drive(bed, *set_up(bed, root))
        compare(bed, "each mail and what became of it", "mail", mail)
        compare(bed, "each refusal", "mail_rejected", rejected)
        compare(bed, "each login", "accesses", accesses)
        tap.same(bed.one("SELECT count(*) FROM messages WHERE parent_kind='hop'"), 5,
                 "Postfix's messages are linked to Exim's")
        unknown = bed.mailtrail("parse", "--unknown", bed.raw).stdout
        tap.ok(not unknown, f"all {len(lines_of(bed.raw))} lines that the daemons wrote are known", unknown)
        on_two_hosts(bed, mail)
    tap.done()


if __name__ == "__main__":
    main()
