#!/usr/bin/env python3
"""A login from abroad, and guessing of passwords, come back into syslog: at once, and once.

Dovecot is told the client's address by HAProxy's protocol, Postfix by XCLIENT; where
the addresses are is tests/geo/city.mmdb's word.  The time from the
client's first word to the line in the file that source { mailtrail(); } feeds is printed, and must
be below two seconds.

Tried with Debian 12: syslog-ng 3.38.1, Postfix 3.7.11, Dovecot 2.3.19.1.
"""
import base64
import os
import re
import signal
import smtplib
import time

from bed import GEO, SECRET, Bed, Dovecot, Postfix, Tap, lines_of, need, wait_for, write
from peers import ImapFrom, MailHost, PolicyService, quietly, take_in

LIMIT_S = 2
POLICY = """[default]
usual-countries=ES;FR

[rule brute-force]
threshold=5

[rule impossible-travel]
enabled=no
"""


def fields_of(line):
    return dict(re.findall(r'(\w+)="([^"]*)"', line))


class Watcher:
    """Looks at the file of alerts."""

    def __init__(self, bed):
        self.bed, self.seen, self.slowest = bed, 0, 0.0

    def one(self, what, act, **want):
        """ACT() raises one alert, which says WANT."""
        tap = self.bed.tap
        began = time.monotonic()
        act()
        wait_for(lambda: len(lines_of(self.bed.alerts)) > self.seen, 10, 0.002)
        took = time.monotonic() - began
        self.slowest = max(self.slowest, took)
        time.sleep(0.5)
        new = lines_of(self.bed.alerts)[self.seen:]
        self.seen += len(new)
        tap.say(f"{what}: {took * 1000:.0f} ms")
        tap.ok(len(new) == 1 and took < LIMIT_S, f"{what}: one alert within {LIMIT_S} s", f"{took:.3f} s {new}")
        got = fields_of(new[0]) if new else {}
        tap.same({name: got.get(name) for name in want}, want, f"{what}: it says who, whence, and why")
        tap.ok(bool(new) and new[0].startswith("authpriv.warning mailtrail: ip="),
               f"{what}: facility, severity, program, the address first", new)

    def none(self, what, act):
        act()
        time.sleep(0.7)
        new = lines_of(self.bed.alerts)[self.seen:]
        self.seen += len(new)
        self.bed.tap.ok(not new, f"{what}: no alert", new)


def log_in(bed, address, account):
    imap = ImapFrom(bed.port("imap_from"), address)
    imap.login(account, SECRET)
    return imap


def guess(bed, address, times):
    for i in range(times):
        imap = ImapFrom(bed.port("imap_from"), address)
        quietly(imap.login, "alice@example.com", f"guess-{i}")
        imap.logout()


def guess_by_smtp(bed, address, times):
    secret = base64.b64encode(b"\0bob@example.com\0guess").decode()
    for _ in range(times):
        with smtplib.SMTP("127.0.0.1", bed.port("submission")) as smtp:
            smtp.ehlo("client.example.net")
            smtp.docmd("XCLIENT", f"ADDR={address} NAME=[UNAVAILABLE] PORT=40000")
            smtp.ehlo("client.example.net")
            code, reply = smtp.docmd("AUTH PLAIN", secret)
            if code != 535:
                raise RuntimeError(f"a wrong password: {code} {reply}")


def set_up(bed):
    write(bed.path("policy.conf"), POLICY)
    dovecot = Dovecot(bed)
    for name in ("alice", "bob", "carol", "dave"):
        dovecot.user(f"{name}@example.com")
    postfix = Postfix(bed)
    MailHost(bed, "remote")
    PolicyService(bed, lambda attributes: "DUNNO")
    conf = bed.syslog_ng_conf(bed.daemon_source(), f'''local-domains("example.com")
      geoip-database("{GEO}/city.mmdb") asn-database("{GEO}/asn.mmdb") policy-file("{bed.path("policy.conf")}")''')
    process = bed.syslog_ng(conf)
    dovecot.start()
    postfix.start()
    return process


def main():
    need("postfix", "dovecot")
    tap = Tap()
    with Bed(tap, "devlog") as bed:
        process = set_up(bed)
        watcher = Watcher(bed)
        watcher.none("a login at home", lambda: log_in(bed, "198.18.0.5", "alice@example.com").logout())
        watcher.one("a login from abroad", lambda: log_in(bed, "198.18.90.7", "alice@example.com"),
                    account="alice@example.com", domain="example.com", ip="198.18.90.7", country="VN", asn="64590",
                    rule="unusual-country", severity="warning")
        watcher.none("the same again", lambda: log_in(bed, "198.18.90.8", "alice@example.com").logout())
        watcher.one("a login over IPv6", lambda: log_in(bed, "2001:db8:a000::7", "bob@example.com"),
                    account="bob@example.com", ip="2001:db8:a000::7", country="US", rule="unusual-country")
        watcher.one("mail handed in from abroad", lambda: take_in(
            bed.port("submission"), "carol@example.com", ["ok@example.net"], client="198.18.100.9",
            login=("carol@example.com", SECRET)),
            account="carol@example.com", ip="198.18.100.9", country="RU", rule="unusual-country")
        watcher.none("four guesses", lambda: guess(bed, "198.18.110.1", 4))
        watcher.one("the fifth guess", lambda: guess(bed, "198.18.110.1", 1),
                    ip="198.18.110.1", country="CN", count="5", rule="brute-force")
        watcher.none("four guesses at Postfix", lambda: guess_by_smtp(bed, "198.18.110.2", 4))
        watcher.one("the fifth guess at Postfix", lambda: guess_by_smtp(bed, "198.18.110.2", 1),
                    ip="198.18.110.2", country="CN", count="5", rule="brute-force")
        watcher.none("a reload", lambda: os.kill(process.pid, signal.SIGHUP))
        watcher.one("a login from abroad after the reload", lambda: log_in(bed, "198.18.80.7", "dave@example.com"),
                    account="dave@example.com", ip="198.18.80.7", country="NG", rule="unusual-country")
        wait_for(lambda: bed.one("SELECT count(*) FROM alerts WHERE emitted IS NULL") == 0, 3)
        tap.same(bed.rows("SELECT count(*) AS n, count(emitted) AS emitted FROM alerts"), [{"n": 6, "emitted": 6}],
                 "the store knows that each has been emitted")
        unknown = bed.mailtrail("parse", "--unknown", bed.raw).stdout
        tap.ok(not unknown, "every line that the daemons wrote is known", unknown)
        tap.say(f"the slowest took {watcher.slowest * 1000:.0f} ms, the daemons logged into {bed.logs}")
    tap.done()


if __name__ == "__main__":
    main()
