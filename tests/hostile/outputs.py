#!/usr/bin/env python3
"""Hostile lines go into the store without stopping it, and come out as well-formed rows.

The log is test-hostile --print: every fragment in every field of every fixture that a stranger
chooses, and lines below with what hurts a reader: formulas, terminal codes, invalid UTF-8."""
import csv, io, json, os, subprocess, tempfile

top = os.environ.get("top_srcdir") or os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")
build = os.environ.get("top_builddir", top)
mailtrail = os.path.join(build, "modules/cli/mailtrail")

# What an attacker puts into an account, a subject, a name.
NASTY = [b"=cmd|' /C calc'!A0", b"+1+1", b"@SUM(A1)", b"-2+3", b"\x1b[2J\x1b]0;x\x07", b"\x9b31m", b"\xc2\x9b31m", b"\xff\xfe\x80\xc0\xaf",
         b'a"b""c', b"a,b;c\td", b"' OR 1=1; --", b"a\\nb", b"\xe2\x80\xae\xef\xbb\xbf", b"a\rb", b"x" * 5000]


def nasty_lines():
    for i, text in enumerate(NASTY):
        stamp = b"Nov 21 05:45:%02d mx1 " % i
        yield stamp + b"dovecot: imap-login: Disconnected (auth failed, 1 attempts in 2 secs): user=<" + text[:70] + \
            b">, method=PLAIN, rip=198.51.100.7, lip=192.0.2.10, TLS, session=<AJ2tQ0kKpOrLAHEF%02d>" % i
        yield stamp + b"postfix/smtpd[2101]: 4NGzdF1cHcz%02dJL: client=mail.example.com[192.0.2.10]" % i
        yield stamp + b"postfix/cleanup[2106]: 4NGzdF1cHcz%02dJL: warning: header Subject: " % i + text + \
            b" from mail.example.com[192.0.2.10]; from=<bob@example.org> to=<alice@example.com> proto=ESMTP helo=<x>"
        yield stamp + b"postfix/qmgr[1201]: 4NGzdF1cHcz%02dJL: from=<bob@example.org>, size=270, nrcpt=1 (queue active)" % i
        yield stamp + b"postfix/smtp[2201]: 4NGzdF1cHcz%02dJL: to=<alice@example.com>, relay=none, delay=1, delays=0/0/1/0," \
            b" dsn=5.0.0, status=bounced (" % i + text + b")"


def run(*args):
    done = subprocess.run([mailtrail, *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if done.returncode > 1:
        raise SystemExit(f"Bail out! {' '.join(args)}: {done.stderr.decode()}")
    return done.stdout


results = []


def report(what, wrong):
    results.append(what)
    print(f"{'not ok' if wrong else 'ok'} {len(results)} - {what}")
    for line in wrong[:5]:
        print(f"# {line!r}")


def is_control(c):
    return ord(c) < 0x20 and c != "\n" or 0x7f <= ord(c) < 0xa0


def check_json(command, text):
    wrong = []
    for line in text.decode("utf-8").split("\n")[:-1]:
        try:
            row = json.loads(line)
            wrong += [] if isinstance(row, dict) and not any(map(is_control, line)) else [line]
        except ValueError:
            wrong.append(line)
    report(f"{command} --json: {text.count(b'}')} objects, one a line, valid UTF-8, no control bytes", wrong)
    return text.count(b"\n")


def check_csv(command, text, rows):
    table = list(csv.reader(io.StringIO(text.decode("utf-8"), newline="")))
    wrong = [row for row in table if len(row) != len(table[0])]
    wrong += [cell for row in table for cell in row if cell[:1] in ("=", "@", "\t", "\r")
              or cell[:1] in ("+", "-") and not cell[1:].replace(".", "", 1).isdigit()]
    report(f"{command} --csv: {len(table) - 1} rows of one width, no formula", wrong or ([] if len(table) - 1 == rows else ["rows"]))


def main():
    hostile = subprocess.run([os.path.join(build, "tests/hostile/test-hostile"), "--print"], check=True,
                             stdout=subprocess.PIPE).stdout
    with tempfile.TemporaryDirectory() as directory:
        log, database = os.path.join(directory, "log"), os.path.join(directory, "mail.db")
        with open(log, "wb") as file:
            file.write(hostile + b"\n".join(nasty_lines()) + b"\n")
        done = subprocess.run([mailtrail, "import", "--database", database, "--raw-lines", "1000", "--year", "2026",
                               "--local-domains", "example.com", log], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        report(f"{hostile.count(chr(10).encode())} hostile lines are taken", [] if done.returncode == 0 else [done.stderr])
        parsed = run("parse", log)
        check_json("parse", parsed)
        for command in ("search", "accesses", "failures", "alerts"):
            rows = check_json(command, run(command, "--database", database, "--json", "--limit", "100000"))
            check_csv(command, run(command, "--database", database, "--csv", "--limit", "100000"), rows)
            shown = run(command, "--database", database, "--limit", "100000").decode("utf-8")
            report(f"{command}: no control bytes on a terminal", [line for line in shown.split("\n") if any(map(is_control, line))])
        check = subprocess.run(["sqlite3", database, "PRAGMA integrity_check; SELECT count(*) FROM accesses_failed WHERE account "
                                "<> cast(cast(account AS BLOB) AS TEXT)"], stdout=subprocess.PIPE).stdout.decode().split()
        report("the store is whole and its text is text", [] if check == ["ok", "0"] else check)
    print(f"1..{len(results)}")


main()
