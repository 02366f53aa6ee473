#!/usr/bin/env python3
"""How long an alert takes: from a line written to the line that source { mailtrail(); } makes of it.

    latency.py [--alerts N] [--messages N] [--source socket|file]

Through a live syslog-ng, twice: while nothing else happens, and while a log of tests/tools/mailflow.py
is read as fast as it can be.  Median and worst are printed; the test fails only when an
alert is lost, comes twice, or takes more than LIMIT_S.  A file() source looks every follow-freq(), which
is 1 s where nothing is said: that is on top of what is measured through a socket.

Tried with Debian 12: syslog-ng 3.38.1.
"""
import argparse
import os
import random
import re
import socket
import statistics
import subprocess
import sys
import time

from bed import GEO, TOOLS, Bed, Tap, lines_of, need, wait_for, write

LIMIT_S = 2
EVERY_S = 0.01      # under load
FLOW = 'log-iw-size(20000) log-fetch-limit(1000)'
POLICY = "[default]\nusual-countries=ES\n"


class Probe:
    """Logins from abroad, each of an account of its own, and when their alerts are there."""

    def __init__(self, bed, source):
        self.bed, self.sent, self.took, self.twice = bed, {}, [], 0
        self.offset, self.rest = 0, b""
        self.path = bed.path("probe")
        if source == "file":
            self.file = open(self.path, "ab", buffering=0)
        else:
            self.file = None
            self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)

    def send(self, number):
        account = f"probe{number}@example.com"
        stamp = time.strftime("%b %e %H:%M:%S")
        line = (f"dovecot: imap-login: Login: user=<{account}>, method=PLAIN, rip=198.18.90.{number % 250 + 1}, "
                f"lip=192.0.2.10, mpid={number + 1}, TLS, session=<P{number:011d}AAAA>")
        self.sent[account] = time.monotonic()
        if self.file:
            self.file.write(f"{stamp} mx {line}\n".encode())
        else:
            self.socket.sendto(f"<22>{stamp} {line}".encode(), self.path)

    def look(self):
        """What has come since."""
        try:
            with open(self.bed.alerts, "rb") as file:
                file.seek(self.offset)
                text = file.read()
        except FileNotFoundError:
            return
        now = time.monotonic()
        self.offset += len(text)
        *lines, self.rest = (self.rest + text).split(b"\n")
        for line in lines:
            account = re.search(rb'account="([^"]*)"', line)
            account = account.group(1).decode() if account else ""
            if account in self.sent:
                self.took.append(now - self.sent.pop(account))
            elif account.startswith("probe"):    # else it is of the load's own logins
                self.twice += 1

    def wait(self, seconds, left=0):
        end = time.monotonic() + seconds
        while len(self.sent) > left and time.monotonic() < end:
            self.look()
            time.sleep(0.001)

    def verdict(self, tap, what, want_s):
        worst = max(self.took, default=0)
        tap.say(f"{what}: {len(self.took)} alerts, median {statistics.median(self.took or [0]) * 1000:.1f} ms, "
                f"worst {worst * 1000:.1f} ms (wanted: {want_s * 1000:.0f} ms)")
        tap.ok(not self.sent and not self.twice, f"{what}: every alert, once", f"{len(self.sent)} missing, {self.twice} twice")
        tap.ok(worst < LIMIT_S, f"{what}: none takes {LIMIT_S} s", f"{worst:.3f} s")
        self.took = []


def configuration(bed, source):
    probe = f'file("{bed.path("probe")}" follow-freq(0.1) {FLOW});' if source == "file" else \
        f'unix-dgram("{bed.path("probe")}" {FLOW});'
    write(bed.path("policy.conf"), POLICY)
    return bed.syslog_ng_conf(probe, f'geoip-database("{GEO}/city.mmdb") policy-file("{bed.path("policy.conf")}") retention(0)',
                              f'''source s_load {{ file("{bed.path("load.log")}" follow-freq(0.1) {FLOW}); }};
log {{ source(s_load); destination(d_mailtrail); flags(flow-control); }};''')


def idle(bed, probe, first, alerts):
    for number in range(first, first + alerts):
        probe.send(number)
        probe.wait(LIMIT_S)
        if probe.sent:
            return
        time.sleep(random.random() * 0.02)


def stored(bed):
    """Lines that the destination has acknowledged."""
    found = re.findall(r"^dst\.mailtrail;.*;written;(\d+)$", bed.ctl("stats"), re.M)
    return max(map(int, found), default=0)


def loaded(bed, probe, first, alerts, lines):
    """Alerts at even distances, for as long as the load lasts.  Returns: how many fitted in."""
    before, number = stored(bed), first
    os.rename(bed.path("load.new"), bed.path("load.log"))
    wait_for(lambda: stored(bed) > before, 10)
    due = begin = asked = time.monotonic()
    while number < first + alerts:
        probe.send(number)
        number += 1
        due += EVERY_S
        while time.monotonic() < due:
            probe.look()
            time.sleep(0.001)
        if time.monotonic() - asked > 0.5:
            asked = time.monotonic()
            if stored(bed) - before >= lines:
                break
    rate = (stored(bed) - before) / (time.monotonic() - begin)
    probe.wait(10)
    bed.tap.say(f"under load: {rate:,.0f} lines a second meanwhile")
    return number - first


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--alerts", type=int, default=100)
    options.add_argument("--messages", type=int, default=20000)
    options.add_argument("--source", choices=("socket", "file"), default="socket")
    given = options.parse_args()
    need()
    tap = Tap()
    with Bed(tap) as bed:
        load = bed.path("load.new")
        subprocess.run([sys.executable, f"{TOOLS}/mailflow.py", "--messages", str(given.messages), "--log", load,
                        "--truth", bed.path("truth"), "--ledger", bed.path("ledger")], check=True)
        lines = len(lines_of(load))
        open(bed.path("load.log"), "w").close()
        probe = Probe(bed, given.source)
        bed.syslog_ng(configuration(bed, given.source))
        idle(bed, probe, 0, given.alerts)
        probe.verdict(tap, f"idle, by {given.source}", 0.3)
        fitted = loaded(bed, probe, given.alerts, given.alerts, lines)
        tap.ok(fitted > 0, f"there was load ({lines} lines) during {fitted} of {given.alerts}")
        probe.verdict(tap, f"under load, by {given.source}", 1.5)
    tap.done()


if __name__ == "__main__":
    main()
