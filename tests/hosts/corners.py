#!/usr/bin/env python3
"""What mail servers log besides mail that goes well: clients that misbehave, limits, TLS,
local(8), probes, doveadm, broken Sieve scripts, reloads.

Every line must be known to a dialect; where a case is a record, the record must be right.
Long queue IDs here, short ones in mail-flow.py.

Tried with Debian 12: syslog-ng 3.38.1, Postfix 3.7.11, Dovecot 2.3.19.1.
"""
import imaplib
import os
import pwd
import smtplib
import socket
import ssl

from bed import SECRET, Bed, Dovecot, Postfix, Tap, lines_of, need, wait_for, write
from peers import ImapFrom, MailHost, PolicyService, PopFrom, quietly, take_in

MAIN = """
enable_long_queue_ids = yes
mydestination = local.example.com
local_recipient_maps =
alias_maps = texthash:{dir}/local_aliases
mail_spool_directory = {spool}
message_size_limit = 20000
smtpd_client_connection_rate_limit = 25
smtpd_client_event_limit_exceptions =
anvil_status_update_time = 1s
smtpd_hard_error_limit = 3
smtpd_soft_error_limit = 2
smtpd_timeout = 3s
smtp_tls_security_level = may
smtp_tls_loglevel = 1
smtp_connection_cache_on_demand = no
smtpd_forbidden_commands = CONNECT GET POST
bounce_queue_lifetime = 1h
"""


def no_checks():
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


class Smtp:
    """A client that says what it likes; the answers are read and thrown away."""

    def __init__(self, bed, port="smtp", client=""):
        self.socket = socket.create_connection(("127.0.0.1", bed.port(port)), 10)
        self.reader = self.socket.makefile("rb")
        self.answer()
        if client:
            self.say("EHLO odd.example.net", f"XCLIENT ADDR={client} NAME=[UNAVAILABLE]")

    def answer(self):
        line = self.reader.readline()
        while line[3:4] == b"-":
            line = self.reader.readline()
        return line

    def say(self, *lines):
        for line in lines:
            try:
                self.socket.sendall(line.encode("latin-1") + b"\r\n")
                self.last = self.answer()
            except OSError:
                self.last = b""
        return self.last.decode("latin-1")

    def close(self):
        self.reader.close()
        self.socket.close()


ENVELOPE = ("EHLO odd.example.net", "MAIL FROM:<peer@example.net>", "RCPT TO:<alice@example.com>")


def odd_smtp(bed):
    """Clients that break off, time out, talk nonsense."""
    for words in ((), ENVELOPE[:1], ENVELOPE[:2], ENVELOPE, (*ENVELOPE, "DATA")):
        Smtp(bed).close() if not words else gone_after(bed, words)
    Smtp(bed).say("HELO x", "NONSENSE", "NONSENSE", "NONSENSE", "NONSENSE")
    Smtp(bed).say("GET / HTTP/1.0")
    Smtp(bed).say("EHLO \"><script>", "MAIL FROM:<a b@>", "RCPT TO:<>", "QUIT")
    Smtp(bed).say("EHLO odd.example.net", "VRFY alice", "ETRN example.com", "EXPN x", "QUIT")
    late = Smtp(bed)
    late.say("EHLO late.example.net")
    too_big = take_in(bed.port("smtp"), "peer@example.net", ["alice@example.com"], text="x" * 70 + "\r\n" +
                      "0123456789\r\n" * 3000)
    bed.tap.ok(too_big.startswith("552"), "a message that is too large is refused", too_big)
    Smtp(bed).say(*ENVELOPE[:1], "MAIL FROM:<peer@example.net> SIZE=999999", "QUIT")
    plain = Smtp(bed)
    plain.say("EHLO odd.example.net", "STARTTLS")
    plain.socket.sendall(b"this is no TLS\r\n\r\n")
    plain.close()
    return late


def gone_after(bed, words):
    client = Smtp(bed)
    client.say(*words)
    client.close()


def encrypted_smtp(bed):
    with smtplib.SMTP("127.0.0.1", bed.port("submission")) as smtp:
        smtp.starttls(context=no_checks())
        smtp.login("alice@example.com", SECRET)
        smtp.sendmail("alice@example.com", ["bob@example.com"], b"Subject: over TLS\r\n\r\nx\r\n")
    quietly(smtplib.SMTP_SSL, "127.0.0.1", bed.port("smtp"))


def local_delivery(bed):
    """local(8): a mailbox, a command, a file, an alias that goes on, a .forward-like loop."""
    return {name: take_in(bed.port("smtp"), "peer@example.net", [f"{name}@local.example.com"], client="198.51.100.7")
            for name in ("games", "team", "command", "fails", "file", "loop", "nobody-of-this-name")}


def too_many(bed):
    """More connections than the rate allows; whom XCLIENT is allowed to, no limit holds for."""
    for _ in range(30):
        s = socket.create_connection(("127.0.0.1", bed.port("reinject")), 10)
        s.recv(100)
        s.close()


def through_postscreen(bed):
    """A client that waits its turn is handed on to smtpd."""
    for words in (("EHLO patient.example.net", "MAIL FROM:<peer@example.net>", "QUIT"), ("QUIT",), ("BDAT x",)):
        s = socket.create_connection(("127.0.0.1", bed.port("postscreen")), 10)
        s.sendall(b"PROXY TCP4 198.51.100.78 192.0.2.10 40003 25\r\n")
        reader = s.makefile("rb")
        while reader.readline()[3:4] == b"-":
            pass
        for word in words:
            s.sendall(word.encode() + b"\r\n")
            while reader.readline()[3:4] == b"-":
                pass
        s.close()


# ---- Dovecot ----------------------------------------------------------------------------------------

def odd_imap(bed):
    port = bed.port("imap_from")
    held = []
    for _ in range(4):    # three are allowed
        imap = ImapFrom(port, "198.18.0.9")
        quietly(imap.login, "alice@example.com", SECRET)
        held.append(imap)
    quietly(held[0].xatom, "ID", '("name" "Thunderbird" "version" "1.0")')
    held[0].select("INBOX")
    quietly(held[0].uid, "COPY", "1:*", "No-such-folder")
    for imap in held:
        imap.sock.close()
    nonsense = socket.create_connection(("127.0.0.1", bed.port("imap")))
    nonsense.sendall(b"GET / HTTP/1.0\r\n" * 12)
    nonsense.recv(1000)
    nonsense.close()
    plain = imaplib.IMAP4("127.0.0.1", bed.port("imap"))
    plain.send(b"a STARTTLS\r\n")
    plain.readline()
    plain.sock.sendall(b"this is no TLS\r\n\r\n")
    plain.sock.close()
    half = socket.create_connection(("127.0.0.1", bed.port("imap")))
    half.sendall(b"a AUTHENTICATE PLAIN\r\n")
    half.recv(1000)
    half.close()
    pop = PopFrom(bed.port("pop3_from"), "198.18.0.10")
    pop.user("alice@example.com")
    pop.pass_(SECRET)
    pop.sock.close()
    full = imaplib.IMAP4("127.0.0.1", bed.port("imap"))
    full.login("grace@example.com", SECRET)
    full.append("INBOX", None, None, b"Subject: too much\r\n\r\n" + b"x" * 200 + b"\r\n")
    full.logout()


def odd_lmtp(bed):
    with socket.create_connection(("127.0.0.1", bed.port("lmtp")), 10) as s:
        s.sendall(b"LHLO x\r\nMAIL FROM:<peer@example.net>\r\nRCPT TO:<nobody@example.com>\r\nDATA\r\nQUIT\r\n")
        s.settimeout(2)
        try:
            while s.recv(1000):
                pass
        except OSError:
            pass


def broken_sieve(bed):
    for name in ("erroneous", "nowhere", "many"):
        take_in(bed.port("smtp"), "peer@example.net", [f"{name}@example.com"], client="198.51.100.7")


def doveadm(bed, dovecot):
    conf = dovecot.path("dovecot.conf")
    for words in (("mailbox", "create", "-u", "bob@example.com", "Made"),
                  ("expunge", "-u", "bob@example.com", "mailbox", "INBOX", "all"),
                  ("mailbox", "delete", "-u", "bob@example.com", "Made"),
                  ("kick", "alice@example.com"),
                  ("auth", "test", "alice@example.com", "wrong"),
                  ("reload",)):
        bed.run("doveadm", "-c", conf, *words, timeout=15)


# ---- the test ------------------------------------------------------------------------------------------

def set_up(bed):
    dovecot = Dovecot(bed)
    sieve = {"erroneous": "this is no Sieve;",
             "nowhere": 'require "fileinto"; fileinto "No-such-folder";',
             "many": 'require ["fileinto", "copy", "mailbox", "imap4flags"]; setflag "\\\\Seen";'
                     'fileinto :copy :create "One"; redirect :copy "many@example.net"; keep;'}
    for name in ("alice", "bob", "grace", *sieve):
        dovecot.user(f"{name}@example.com", sieve=sieve.get(name, ""), quota="100" if name == "grace" else "")
    spool = bed.path("spool")
    os.makedirs(spool)
    os.chmod(spool, 0o1777)
    postfix = Postfix(bed, MAIN.format(dir=bed.path("postfix"), spool=spool))
    games = bed.path("games.box")
    write(games, "")
    os.chown(games, pwd.getpwnam("nobody").pw_uid, -1)
    postfix.tables({
        "mailboxes": "".join(f"{address} x\n" for address in dovecot.users),
        "local_aliases": f'team alice@example.com, bob@example.com\ncommand "|cat >/dev/null"\n'
                         f'fails "|exit 75"\nfile {games}\nloop loop@local.example.com\n'})
    MailHost(bed, "remote", extensions=("SIZE 100000", "8BITMIME"))
    PolicyService(bed, lambda attributes: "DUNNO")
    bed.syslog_ng(bed.syslog_ng_conf(bed.daemon_source(), 'local-domains("example.com" "local.example.com")'))
    dovecot.start()
    postfix.start()
    return dovecot, postfix


def facts(bed, ids):
    """What of it is a record."""
    def of(name):
        return [tuple(row.values()) for row in bed.rows(
            "SELECT recipient, outcome, orig_recipient, reason_class FROM mail WHERE first_queue_id=? ORDER BY recipient",
            ids[name])]

    tap = bed.tap
    wait_for(lambda: len(of("team")) == 2 and all(of(name) for name in ids), 10)
    for what, name, want in (
            ("a mailbox", "games", [("games@local.example.com", "delivered", None, None)]),
            ("a file", "file", [("file@local.example.com", "delivered", None, None)]),
            ("a command", "command", [("command@local.example.com", "delivered", None, None)]),
            ("a command that fails for now", "fails", [("fails@local.example.com", "queued", None, "other")]),
            ("no such user", "nobody-of-this-name",
             [("nobody-of-this-name@local.example.com", "failed", None, "user-unknown")]),
            ("an alias for two", "team", [("alice@example.com", "delivered", "team@local.example.com", None),
                                          ("bob@example.com", "delivered", "team@local.example.com", None)])):
        tap.same(of(name), want, f"local(8): {what}")
    tap.same(bed.rows("SELECT account, ip, reason FROM accesses_failed WHERE service='imap'"),
             [dict(account="alice@example.com", ip="198.18.0.9", reason="many-connections")],
             "a fourth connection is a failed login")
    tap.same(bed.rows("SELECT mailbox, forwarded_to FROM mail WHERE recipient='many@example.com'"),
             [dict(mailbox="INBOX, One", forwarded_to="many@example.net")], "Sieve: two folders and a copy sent on")
    tap.same(bed.rows("SELECT stage, code, reason_class FROM mail_rejected WHERE sender='peer@example.net'"),
             [dict(stage="MAIL", code=552, reason_class="message-too-large")], "a SIZE that is too large")
    tap.same(bed.one("SELECT count(*) FROM accesses WHERE logout_time IS NULL"), 0, "each login has its end")
    tap.same(bed.rows("SELECT queue_id, state FROM messages WHERE state='queued' AND sender IS NULL"), [],
             "what clients broke off, and what was too large, is not queued")
    tap.ok(bed.one("SELECT count(*) FROM messages WHERE state='rejected'") >= 3, "but rejected")
    tap.same(bed.one("SELECT count(*) FROM accesses_failed WHERE account='nobody@example.com'"), 0,
             "a recipient that LMTP does not find is no failed login")
    tap.ok(bed.one("SELECT count(*) FROM incidents WHERE kind='limit' AND ip='127.0.0.1'"),
           "the connection rate limit is an incident", bed.rows("SELECT kind, ip, reason FROM incidents"))
    tap.same(bed.one("SELECT count(*) FROM incidents WHERE kind='tls-error' AND ip='127.0.0.1'"), 2,
             "two clients that spoke no TLS are incidents")


def main():
    need("postfix", "dovecot", "doveadm", "openssl")
    tap = Tap()
    with Bed(tap, "devlog") as bed:
        dovecot, postfix = set_up(bed)
        late = odd_smtp(bed)
        encrypted_smtp(bed)
        ids = local_delivery(bed)
        odd_imap(bed)
        odd_lmtp(bed)
        broken_sieve(bed)
        through_postscreen(bed)
        doveadm(bed, dovecot)
        too_many(bed)
        wait_for(lambda: "timeout after" in "\n".join(lines_of(bed.raw)), 6)
        late.close()
        facts(bed, ids)
        bed.run("postfix", "-c", postfix.dir, "reload")
        bed.run("postfix", "-c", postfix.dir, "flush")
        bed.stop(postfix.process)
        bed.stop(dovecot.process)
        wait_for(lambda: "Killed with signal 15" in "\n".join(lines_of(bed.raw)), 5)
        unknown = bed.mailtrail("parse", "--unknown", bed.raw).stdout
        tap.ok(not unknown, f"all {len(lines_of(bed.raw))} lines that the daemons wrote are known", unknown)
    tap.done()


if __name__ == "__main__":
    main()
