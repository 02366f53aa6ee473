#!/usr/bin/env python3
"""A month of mail with break-ins woven in, as Postfix, Dovecot, Exim and Plesk log it, and what is in it.

    intruders.py LOG LABELS.json [--accounts 500] [--days 30] [--seed 1]

Places are those of tests/geo (198.18.0.0/15, 2001:db8::/32). Normal life: people in eight countries with
a computer at home and a telephone that changes between two carriers and IPv4 and IPv6, an office behind one
address, journeys by plane while the computer at home goes on, users of VPNs, newsletters, stale passwords,
mistyped ones, dictionary guesses at names that do not exist, and scanners that never log in.

Mail is handed to Postfix, or to the Exim of another host; SMTP logins of a third are Plesk's, whose saslauthd knows the
account and whose Postfix the address.

Labels: "failures": attempts by daemon; "attacks": rule, account or ip (of which one must be on the alert), begin and end; "expected": what a rule
is made to say though nobody attacks: a journey to a country that the account was never in, or one while the computer
at home goes on: it cannot be told from a stolen password."""
import argparse, collections, json, random, sys
from datetime import datetime, timedelta, timezone

BEGIN = datetime(2026, 3, 2, tzinfo=timezone.utc)
HOMES = {  # country: addresses at home, and the telephone's
    "ES": (["198.18.0", "198.18.1"], ["198.18.2"], "2001:db8:e5%02x:%x::1"), "FR": (["198.18.10", "198.18.11"], ["198.18.10"], "2001:db8:f2%02x:%x::1"),
    "DE": (["198.18.20"], ["198.18.21"], "2001:db8:de%02x:%x::1"), "GB": (["198.18.30"], ["198.18.30"], None),
    "US": (["198.18.40", "198.18.41"], ["198.18.42"], "2001:db8:a0%02x:%x::1"), "BR": (["198.18.50"], ["198.18.50"], None),
    "JP": (["198.18.60"], ["198.18.60"], None), "AU": (["198.18.70"], ["198.18.70"], None)}
FLIGHT_HOURS = 26  # the longest way with its waiting; nobody here is faster
ABROAD = {"NG": "198.18.80", "VN": "198.18.90", "RU": "198.18.100", "CN": "198.18.110"}
VPN, HOSTING, TOR, OFFICE = "198.18.201", "198.18.200", "198.18.202", "198.18.1.250"


class Log:
    def __init__(self, seed):
        self.random, self.lines, self.sessions, self.queue = random.Random(seed), [], 0, 0
        self.failures = collections.Counter()

    def say(self, at, program, text, host="mx"):
        self.lines.append((at, f"{at.strftime('%Y-%m-%dT%H:%M:%S.%f')}+00:00 {host} {program}: {text}\n"))

    def session(self):
        self.sessions += 1
        return f"S{self.sessions:011d}AAAA"

    # What the daemons print: see tests/dialects for where each line comes from.
    def login(self, at, account, ip, service="imap"):
        session = self.session()
        tail = f"user=<{account}>, method=PLAIN, rip={ip}, lip=192.0.2.10, mpid={self.sessions % 30000 + 1}, TLS, session=<{session}>"
        self.say(at, "dovecot", f"{service}-login: Login: {tail}")
        end = at + timedelta(seconds=self.random.randint(1, 1200))
        self.say(end, "dovecot", f"{service}({account})<{self.sessions % 30000 + 1}><{session}>: Disconnected: Logged out in=100 out=5000 "
                                 "deleted=0 expunged=0 trashed=0 hdr_count=0 hdr_bytes=0 body_count=0 body_bytes=0")

    def fail(self, at, account, ip):
        daemon = self.random.choices(["dovecot", "postfix", "exim", "plesk"], [6, 2, 1, 1])[0]
        self.failures[daemon] += 1
        getattr(self, "fail_" + daemon)(at, account, ip)

    def fail_dovecot(self, at, account, ip):
        """Two processes tell of each attempt; it is one all the same."""
        session = self.session()
        self.say(at, "dovecot", f"auth: passwd-file({account},{ip},<{session}>): Password mismatch")
        self.say(at + timedelta(seconds=1), "dovecot", f"imap-login: Disconnected: Connection closed (auth failed, 1 attempts in 2 secs): "
                                                       f"user=<{account}>, method=PLAIN, rip={ip}, lip=192.0.2.10, TLS, session=<{session}>")

    def fail_postfix(self, at, account, ip):
        self.say(at, "postfix/submission/smtpd[77]", f"warning: unknown[{ip}]: SASL PLAIN authentication failed: UGFzc3dvcmQ6, sasl_username={account}")

    def fail_exim(self, at, account, ip):
        self.say(at, "exim[90]", f"login authenticator failed for (client) [{ip}]: 535 Incorrect authentication data (set_id={account})", "exim")

    def fail_plesk(self, at, account, ip):
        """One line has the account, the other the address."""
        self.say(at, "plesk_saslauthd[93]", f"failed mail authentication attempt for user '{account}' (password len=10)", "plesk")
        self.say(at + timedelta(milliseconds=2), "postfix/smtpd[77]", f"warning: unknown[{ip}]: SASL LOGIN authentication failed: authentication failure", "plesk")

    def scan(self, at, ip):
        self.say(at, "dovecot", f"imap-login: Disconnected: Connection closed (no auth attempts in 0 secs): user=<>, rip={ip}, lip=192.0.2.10, session=<{self.session()}>")
        self.say(at, "postfix/smtpd[78]", f"connect from unknown[{ip}]")
        self.say(at, "postfix/smtpd[78]", f"lost connection after CONNECT from unknown[{ip}]")
        self.say(at, "postfix/smtpd[78]", f"disconnect from unknown[{ip}] commands=0/0")

    def mail(self, at, account, ip, recipients, unknown=0, listed=False):
        self.queue += 1
        reply = "550 5.1.1 user unknown" if unknown else \
            "554 5.7.1 Service unavailable; Client host [192.0.2.10] blocked using zen.spamhaus.org" if listed else "250 2.0.0 Ok: queued as ABC"
        mail_by = self.mail_exim if self.random.random() < 0.3 else self.mail_postfix
        mail_by(at, account, ip, recipients, min(recipients, max(unknown, 1)), reply)

    def mail_postfix(self, at, account, ip, recipients, told, reply):
        queue_id, second = f"{self.queue:010X}", timedelta(seconds=1)
        self.say(at, "postfix/submission/smtpd[79]", f"{queue_id}: client=unknown[{ip}], sasl_method=PLAIN, sasl_username={account}")
        self.say(at, "postfix/cleanup[80]", f"{queue_id}: message-id=<{queue_id}@mx.example.com>")
        self.say(at, "postfix/qmgr[81]", f"{queue_id}: from=<{account}>, size=2000, nrcpt={recipients} (queue active)")
        for i in range(told):
            relay = f"to=<r{i}@example.org>, relay=mx.example.org[203.0.113.9]:25, delay=1, delays=0/0/0/1"
            said = f"dsn=2.0.0, status=sent ({reply})" if reply[0] == "2" else \
                f"dsn={reply[4:9]}, status=bounced (host mx.example.org[203.0.113.9] said: {reply} (in reply to RCPT TO command))"
            self.say(at + second, "postfix/smtp[82]", f"{queue_id}: {relay}, {said}")
        self.say(at + 2 * second, "postfix/qmgr[81]", f"{queue_id}: removed")

    def mail_exim(self, at, account, ip, recipients, told, reply):
        queue_id, second = f"1vMGxR-{self.queue:011d}-1a2b", timedelta(seconds=1)
        names = [f"r{i}@example.org" for i in range(recipients)]
        self.say(at, "exim[91]", f"{queue_id} <= {account} H=(client) [{ip}] P=esmtpsa X=TLS1.3:TLS_AES_256_GCM_SHA384:256 CV=no "
                                 f"A=login:{account} S=2000 id={queue_id}@exim.example.com for {' '.join(names)}", "exim")
        for name in names[:told]:
            to = f"{name} R=dnslookup T=remote_smtp H=mx.example.org [203.0.113.9]"
            self.say(at + second, "exim[92]", f'{queue_id} => {to} C="{reply}"' if reply[0] == "2" else
                     f"{queue_id} ** {to}: SMTP error from remote mail server after RCPT TO:<{name}>: {reply}", "exim")
        self.say(at + 2 * second, "exim[92]", f"{queue_id} Completed", "exim")


class Person:
    def __init__(self, log, number, office):
        chance = log.random
        self.country = "ES" if office else chance.choice(list(HOMES))
        self.number, self.office = number, office
        # The domain's policy names the usual countries, or leaves it to the rule new-country.
        self.domain = "office.example" if office else chance.choice(["named.example", "open.example"])
        self.account = f"user{number}@{self.domain}"
        home, phone, self.v6 = HOMES[self.country]
        self.home = OFFICE if office else f"{chance.choice(home)}.{number % 240 + 1}"
        self.phone_net = chance.choice(phone)
        self.vpn = f"{VPN}.{number % 240 + 1}" if number % 20 == 7 else None
        self.newsletter = number % 100 == 11
        self.trip = None

    def phone(self, log):
        if self.v6 and log.random.random() < 0.4:
            return self.v6 % (self.number % 256, log.random.randint(1, 9))
        return f"{self.phone_net}.{log.random.randint(1, 254)}"


def plan_trips(log, people, days, labels):
    for person in people:
        if log.random.random() > 0.1 or person.office or days < 12:
            continue
        to = log.random.choice([country for country in HOMES if country != person.country])
        leave = BEGIN + timedelta(days=log.random.randint(4, days - 8), hours=log.random.randint(6, 20))
        back = leave + timedelta(days=log.random.randint(2, 5))
        person.trip = (leave, back, to, log.random.random() < 0.3)
        if person.domain == "open.example":
            labels["expected"].append({"rule": "new-country", "account": person.account})
        if person.trip[3]:
            labels["expected"].append({"rule": "impossible-travel", "account": person.account})


def where(log, person, at):
    """An address for now; None: on the way, and not in reach."""
    if person.trip:
        leave, back, to, stays_on = person.trip
        way = timedelta(hours=FLIGHT_HOURS)
        if leave <= at < leave + way or back <= at < back + way:
            return person.home if stays_on else None
        if leave + way <= at < back:
            return f"{HOMES[to][0][0]}.{person.number % 240 + 1}" if not stays_on or log.random.random() < 0.5 else person.home
    if person.vpn and log.random.random() < 0.3:
        return person.vpn
    if person.office:
        return OFFICE
    return person.home if log.random.random() < 0.6 else person.phone(log)


def live(log, person, day):
    chance, morning = log.random, BEGIN + timedelta(days=day)
    if chance.random() < 0.1:
        return  # a day off
    for _ in range(chance.randint(2, 7)):
        at = morning + timedelta(seconds=chance.randint(6 * 3600, 23 * 3600))
        ip = where(log, person, at)
        if not ip:
            continue
        if chance.random() < 0.02:  # mistyped, then right
            log.fail(at - timedelta(seconds=20), person.account, ip)
        log.login(at, person.account, ip, chance.choice(["imap", "imap", "pop3"]))
        if chance.random() < 0.2 and not person.newsletter:
            log.mail(at + timedelta(seconds=5), person.account, ip, chance.choice([1, 1, 1, 2, 3, 5]))
    if person.newsletter and day % 7 == 1:
        for i in range(10):
            log.mail(morning + timedelta(hours=9, minutes=3 * i), person.account, person.home, 12 + chance.randint(0, 3))


def stale_password(log, person, day):
    at = BEGIN + timedelta(days=day, hours=9)
    for i in range(80):  # the computer at home, every five minutes
        log.fail(at + timedelta(minutes=5 * i), person.account, person.home)


def background(log, day):
    chance, midnight = log.random, BEGIN + timedelta(days=day)
    for _ in range(100):
        log.scan(midnight + timedelta(seconds=chance.randint(0, 86399)), f"{chance.choice(list(ABROAD.values()))}.{chance.randint(1, 60)}")
    for _ in range(40):  # one guess an address and day at most
        log.fail(midnight + timedelta(seconds=chance.randint(0, 86399)), f"{chance.choice(['info', 'test', 'admin', 'sales'])}{chance.randint(1, 999)}@{chance.choice(['named.example', 'nowhere.example'])}",
                 f"203.0.{chance.randint(0, 255)}.{chance.randint(1, 254)}")


class Attacks:
    """One method a rule; each has an account and addresses that no other uses."""

    def __init__(self, log, people, labels, days):
        self.log, self.labels, self.days = log, labels, days
        self.victims = [p for p in people if not p.trip and not p.vpn and not p.newsletter and not p.office]
        log.random.shuffle(self.victims)
        self.used = {country: 100 for country in ABROAD}

    def victim(self, domain=None):
        for i, person in enumerate(self.victims):
            if domain in (None, person.domain):
                return self.victims.pop(i)
        raise SystemExit("more accounts are needed")

    def address(self, country="VN"):
        self.used[country] += 1
        return f"{ABROAD[country]}.{self.used[country]}"

    def time(self):
        return BEGIN + timedelta(days=self.log.random.randint(self.days // 2, self.days - 2), seconds=self.log.random.randint(0, 80000))

    def label(self, rule, begin, minutes, account=None, ip=None, ips=()):
        end = begin + timedelta(minutes=minutes)
        self.labels["attacks"].append({"rule": rule, "account": account, "ip": ip, "ips": list(ips) or ([ip] if ip else []),
                                       "begin": begin.timestamp(), "end": end.timestamp()})

    def unusual_country(self):
        person, at, ip = self.victim("named.example"), self.time(), self.address("NG")
        self.log.login(at, person.account, ip)
        self.label("unusual-country", at, 1, person.account, ip)

    def new_country(self):
        person, at, ip = self.victim("open.example"), self.time(), self.address("RU")
        self.log.login(at, person.account, ip)
        self.label("new-country", at, 1, person.account, ip)

    def impossible_travel(self):
        person, at, ip = self.victim(), self.time(), self.address("CN")
        self.log.login(at, person.account, person.home)
        self.log.login(at + timedelta(minutes=25), person.account, ip)
        self.label("impossible-travel", at, 26, person.account, ip)

    def brute_force(self):
        person, at, ip = self.victim(), self.time(), self.address()
        for i in range(30):
            self.log.fail(at + timedelta(seconds=7 * i), person.account, ip)
        self.label("brute-force", at, 4, None, ip)

    def password_spray(self):
        at, ip = self.time(), self.address("CN")
        for i in range(8):
            self.log.fail(at + timedelta(minutes=6 * i), f"user{self.log.random.randint(1, 400)}@named.example" if i % 2 else f"staff{i}@office.example", ip)
        self.label("password-spray", at, 45, None, ip)

    def distributed_brute_force(self):
        person, at = self.victim(), self.time()
        ips = [self.address(list(ABROAD)[i % 4]) for i in range(14)]
        for i, ip in enumerate(ips):
            self.log.fail(at + timedelta(minutes=3 * i), person.account, ip)
        self.label("distributed-brute-force", at, 45, person.account, None, ips)

    def login_after_failures(self):
        person, at, ip = self.victim(), self.time(), self.address("NG")
        for i in range(7):
            self.log.fail(at + timedelta(minutes=4 * i), person.account, ip)
        self.log.login(at + timedelta(minutes=30), person.account, ip)
        self.label("login-after-failures", at, 31, person.account, ip)

    def many_sources(self):
        person, at = self.victim(), self.time()
        ips = [self.address(country) for country in ABROAD] + [f"198.18.50.{250}"]
        for i, ip in enumerate(ips):
            self.log.login(at + timedelta(hours=2 * i), person.account, ip)
        self.label("many-sources", at, 60 * 8 + 1, person.account, None, ips)

    def anonymous_ip(self):
        for net in (TOR, HOSTING):
            person, at = self.victim(), self.time()
            ip = f"{net}.{self.log.random.randint(1, 254)}"
            self.log.login(at, person.account, ip)
            self.label("anonymous-ip", at, 1, person.account, ip)

    def outgoing_burst(self):
        person, at = self.victim(), self.time()
        for i in range(12):
            self.log.mail(at + timedelta(minutes=2 * i), person.account, person.home, 20)
        self.label("outgoing-burst", at, 26, person.account)
        person, at = self.victim(), self.time()
        self.log.mail(at, person.account, person.home, 60, unknown=60)
        self.label("outgoing-burst", at, 1, person.account)

    def blocklisted(self):
        person, at = self.victim(), self.time()
        self.log.mail(at, person.account, person.home, 1, listed=True)
        self.label("blocklisted", at, 1, None, "192.0.2.10")


RULES = ["unusual_country", "new_country", "impossible_travel", "brute_force", "password_spray", "distributed_brute_force",
         "login_after_failures", "many_sources", "anonymous_ip", "outgoing_burst", "blocklisted"]
POLICY = """[domain named.example]
usual-countries=%s
exclude-asns=64701
""" % ";".join(HOMES)


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("log"), options.add_argument("labels")
    options.add_argument("--accounts", type=int, default=500)
    options.add_argument("--days", type=int, default=30)
    options.add_argument("--attacks", type=int, default=4, help="of each rule")
    options.add_argument("--seed", type=int, default=1)
    given = options.parse_args()
    log, labels = Log(given.seed), {"attacks": [], "expected": [], "accounts": given.accounts, "days": given.days}
    people = [Person(log, number, number % 12 == 0) for number in range(1, given.accounts + 1)]
    plan_trips(log, people, given.days, labels)
    for day in range(given.days):
        for person in people:
            live(log, person, day)
        background(log, day)
    for person in people:
        if person.number % 25 == 3 and given.days > 2:
            stale_password(log, person, log.random.randint(2, given.days - 1))
    attacks = Attacks(log, people, labels, given.days)
    for _ in range(given.attacks):
        for rule in RULES:
            getattr(attacks, rule)()
    log.lines.sort(key=lambda line: line[0])
    with open(given.log, "w") as to:
        to.writelines(text for _, text in log.lines)
    with open(given.labels, "w") as to:
        json.dump(dict(labels, policy=POLICY, failures=log.failures), to, indent=1)


if __name__ == "__main__":
    sys.exit(main())
