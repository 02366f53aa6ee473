#!/usr/bin/env python3
"""Passwords that daemons log reach no event, no raw line and no byte of the store.

Every line of every fixture, and those below, go through `mailtrail parse` and, with raw lines on,
`mailtrail import`; then the store's files are searched for what is secret in them.  In fixtures a
password is always hunter2 or hunter3, or "secret" of user alice, as it is, in base64 or hashed."""
import base64, glob, hashlib, os, re, subprocess, tempfile

top = os.environ.get("top_srcdir") or os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")
build = os.environ.get("top_builddir", top)
mailtrail = os.path.join(build, "modules/cli/mailtrail")

# Lines of daemons whose dialect may not be there: unknown lines keep no secret either.
LINES = """\
Nov 21 05:45:01 mx1 dovecot: auth: passwd-file(bob@example.com,198.51.100.7,<AJ2tQ0kKpOrLAHEF>): Password mismatch (given password: hunter2)
Nov 21 05:45:02 mx1 dovecot: auth: Debug: auth client connected (pid=4711)
Nov 21 05:45:02 mx1 dovecot: auth: Debug: client in: AUTH 1 PLAIN service=imap resp=AGJvYgBodW50ZXIy
Nov 21 05:45:02 mx1 dovecot: auth: Debug: pam(bob,198.51.100.7): lookup service=dovecot pass=hunter2
Nov 21 05:45:02 mx1 dovecot: auth: Debug: sql(bob,198.51.100.7): query: SELECT 'bob' AS user, 'hunter2' AS p
Nov 21 05:45:02 mx1 dovecot: auth-worker(11): Debug: sql(bob,198.51.100.7): CRYPT(hunter2) != '$6$hunter3'
Nov 21 05:45:02 mx1 dovecot: nosuchservice: something with password hunter2
Nov 21 05:45:03 mx1 postfix/smtpd[2101]: < laptop.example.com[203.0.113.5]: AUTH LOGIN
Nov 21 05:45:03 mx1 postfix/smtpd[2101]: > laptop.example.com[203.0.113.5]: 334 UGFzc3dvcmQ6
Nov 21 05:45:03 mx1 postfix/smtpd[2101]: < laptop.example.com[203.0.113.5]: aHVudGVyMg==
Nov 21 05:45:03 mx1 postfix/smtpd[2101]: xsasl_cyrus_server_next: decoded response: hunter2
Nov 21 05:45:03 mx1 postfix/smtp[2101]: smtp_sasl_passwd_lookup: host `relay.example.com' user `alice' pass `hunter2'
Nov 21 05:45:03 mx1 postfix/smtpd[2101]: warning: unknown[198.51.100.7]: request longer than 2048: AUTH PLAIN AGJvYgBodW50ZXIy...
Nov 21 05:45:04 mx1 plesk_saslauthd[77]: failed mail authentication attempt for user 'bob@example.com' (password len=7)
Nov 21 05:45:04 mx1 plesk_saslauthd[77]: Invalid mail user or password 'hunter2'
Nov 21 05:45:04 mx1 vpopmail[77]: vchkpw-pop3: password fail (pass: 'hunter2') bob@example.com:198.51.100.7
Nov 21 05:45:04 mx1 vpopmail[77]: vchkpw-smtp: (PLAIN) login failed bob@example.com pass hunter2:198.51.100.7
"""

PLAIN = ["hunter2", "hunter3"]
SECRETS = PLAIN + ["AGFsaWNlAHNlY3JldA", "AGJvYgBodW50ZXIy", "c2VjcmV0", "`secret'", "alice secret", "password len=7",
                   hashlib.sha1(b"hunter2").hexdigest()] + [base64.b64encode(p.encode()).decode().rstrip("=") for p in PLAIN]


def fixture_lines():
    """(what stands at the top of the file, the line)"""
    for path in sorted(glob.glob(os.path.join(top, "tests/dialects/*.spec"))):
        head = []
        for line in open(path, encoding="utf-8", errors="surrogateescape"):
            if line.startswith(">+ "):
                head.append(line[3:].encode("utf-8", "surrogateescape"))
            elif line.startswith("> "):
                yield head, line[2:].encode("utf-8", "surrogateescape")
                head = []


def write_logs(directory, lines):
    """Syslog lines go into one log; of others, each may be of a format of its own."""
    logs = [os.path.join(directory, "syslog")]
    with open(logs[0], "wb") as syslog:
        for head, line in lines:
            if re.match(rb"[A-Z][a-z]{2} [ 0-9]\d [0-9:]{8} \S+ \S+: ", line):
                syslog.write(line)
            else:
                logs.append(os.path.join(directory, f"log{len(logs)}"))
                with open(logs[-1], "wb") as log:
                    log.writelines(head + [line])
    return logs


def run(*args):
    return subprocess.run([mailtrail, *args], check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout


def report(number, what, found):
    print(f"{'not ok' if found else 'ok'} {number} - {what}")
    for line in found[:10]:
        print("# " + line)


def main():
    placed = list(fixture_lines()) + [([], line) for line in LINES.encode().splitlines(keepends=True)]
    lines = [line for _, line in placed]
    told = [line for line in lines if any(s.encode() in line for s in SECRETS)]
    print("1..5")
    report(1, f"{len(told)} lines with a secret in them to try", [] if len(told) > 20 else ["too few to mean anything"])
    with tempfile.TemporaryDirectory() as directory:
        logs, database = write_logs(directory, placed), os.path.join(directory, "mail.db")
        found = []
        for line in run("parse", *logs).decode().splitlines():
            found += [f"{s}: {line}" for s in SECRETS if s in line]
        report(2, "no event", found)
        run("import", "--database", database, "--raw-lines", "100000", "--store-unknown-accounts", "yes", "--year", "2026", *logs)
        kept = subprocess.run(["sqlite3", database, "SELECT text FROM log_tail"], check=True, stdout=subprocess.PIPE).stdout.decode()
        found = [f"{s}: {line}" for line in kept.splitlines() for s in SECRETS if s in line]
        report(3, f"no raw line, of {len(kept.splitlines())} kept", found)
        bytes_of = b"".join(open(path, "rb").read() for path in glob.glob(database + "*"))
        report(4, f"no byte of the store's {len(bytes_of)}", [s for s in SECRETS if s.encode() in bytes_of])
        # Everything else is worth nothing if it is cut off too.
        texts = set(kept.splitlines())
        harmless = [line.decode("utf-8", "replace").rstrip("\n").split(": ", 1)[1] for line in lines
                    if line not in told and b": " in line and b"[" in line.split(b": ", 1)[0]]
        harmless = [text for text in harmless if any(text[:20] == other[:20] for other in texts)]
        cut = [text for text in harmless if text not in texts]
        report(5, f"of {len(harmless)} other lines {len(harmless) - len(cut)} are whole", cut if len(cut) > len(harmless) / 100 else [])


main()
