#!/usr/bin/env python3
"""Logs of tests/tools/mailflow.py, any seed, through a real syslog-ng: check.py says exact.

Tried with Debian 12: syslog-ng 3.38.1.
"""
from bed import Bed, Tap, need
from maillog import MailLog, random_seed

SHAPES = ((), ("--long-ids",), ("--rfc3339",), ("--long-ids", "--rfc3339"))


def main():
    need("sqlite3")
    tap = Tap()
    seed = random_seed(tap)
    for shape in SHAPES:
        with Bed(tap) as bed:
            log = MailLog(bed, "--messages", "2000", "--seed", str(seed), *shape)
            bed.syslog_ng(bed.syslog_ng_conf(
                f'file("{log.whole}" read-old-records(yes) log-iw-size(20000) log-fetch-limit(1000));',
                'local-domains("example.com")'))
            log.must_be_exact(" ".join(shape) or "short queue IDs, RFC 3164")
    tap.done()


if __name__ == "__main__":
    main()
