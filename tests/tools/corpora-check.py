#!/usr/bin/env python3
"""corpora-check.py MAILTRAIL CORPORA: what peers expect of real logs, and what we say

CORPORA is a folder of logs of other people, not part of the project: expected/*.jsonl hold
lines with the fields that a peer's own tests expect; the rest are logs. Checked are

- fields: each of a peer's is mapped to ours and compared, field by field. What cannot be
  compared is counted apart: values that the line does not hold (the pseudonyms that were put
  in place of names differ), lines that no program writes, dialects that are not built in.
- unknown lines: fewer than 1 in 200 of each log's lines of mail programs.

Every disagreement must stand in EXPLAINED, with its reason. Exit status 1 where one does
not, where less than 98 in 100 agree, or where a log has too many unknown lines.
"""
import collections
import gzip
import json
import os
import re
import subprocess
import sys
import tempfile

AGREE_AT_LEAST = 0.98
UNKNOWN_AT_MOST = 1 / 200

# (file, field, what the line matches, why we say something else)
EXPLAINED = [
    ("sekoia-postfix", "destination.ip", r"NOQUEUE: client=",
     "who connects is the client of the session, not where it goes"),
    ("sekoia-postfix", "destination.port", r"read TCP map reply from",
     "of a table that Postfix asks, for the operator: no relay of mail"),
    ("sekoia-postfix", "email.from.address", r"replace: header From:",
     "the From: of the header is not the sender of the envelope"),
]


class Report:
    """Counts by file and field."""

    def __init__(self):
        self.agree = collections.Counter()
        self.differ = collections.defaultdict(list)  # (file, field) -> [(line, theirs, ours)]
        self.passed_over = collections.Counter()  # (file, why)

    def compare(self, file, field, line, theirs, ours):
        if theirs == ours:
            self.agree[file, field] += 1
        else:
            self.differ[file, field].append((line, theirs, ours))

    def pass_over(self, file, why):
        self.passed_over[file, why] += 1


def explained(file, field, line):
    return next((why for f, k, pattern, why in EXPLAINED
                 if f == file and k == field and re.search(pattern, line)), None)


class Mailtrail:
    def __init__(self, program):
        self.program = program
        self.known = {}

    def parse(self, lines):
        """What each line says; a line is read as syslog, by all dialects."""
        text = "".join(line.replace("\n", " ") + "\n" for line in lines)
        done = subprocess.run([self.program, "parse", "--year", "2026", "--timezone", "UTC", "-"],
                              input=text.encode("utf-8", "surrogateescape"), capture_output=True,
                              check=True)
        events = [json.loads(line) for line in done.stdout.splitlines()]
        assert len(events) == len(lines), (len(events), len(lines))
        return events

    def parse_file(self, path):
        """What each line of a file says, in whatever format the file has."""
        done = subprocess.run([self.program, "parse", path], capture_output=True, check=True)
        return [json.loads(line) for line in done.stdout.splitlines()]

    def has(self, dialect):
        if dialect not in self.known:
            done = subprocess.run([self.program, "parse", "--dialect", dialect, "/dev/null"],
                                  capture_output=True, check=False)
            self.known[dialect] = done.returncode == 0
        return self.known[dialect]

    def stats(self, path):
        done = subprocess.run([self.program, "parse", "--stats", path], capture_output=True,
                              text=True, check=True)
        counts = collections.Counter()
        for row in done.stdout.splitlines():
            words = row.split()
            if len(words) == 3:
                counts[words[1]] += int(words[2])
        return counts


HEAD = "Nov 20 10:00:00 host %s[1]: "


def jsonl(corpora, name):
    with open(os.path.join(corpora, "expected", name), encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def bare(text):
    return text.strip("<>") if isinstance(text, str) else text


def peer_text(event, name, ip, port):
    """name[ip]:port as Postfix writes it."""
    if not event.get(ip):
        return event.get(name)
    text = "%s[%s]" % (event.get(name, "unknown"), event[ip])
    return text + (":%d" % event[port] if port in event else "")


def is_cut(line):
    """A pseudonym was put in place of "to=" or "from=", too: the line is none any more."""
    return re.search(r"[:,] u[0-9a-f]{5}@d[0-9a-f]{5}\.example, (relay|size)=", line)


def check_field(report, file, field, line, theirs, ours):
    """@theirs must stand in the line: else a pseudonym was put in for another text."""
    if str(theirs) not in line:
        report.pass_over(file, "the line does not hold the value that is expected")
    else:
        report.compare(file, field, line, theirs, ours)


# ---- expected/msimerson-postfix-parser.jsonl -------------------------------------------

MSIMERSON = {
    "host": lambda e: e.get("host"),
    "prog": lambda e: e.get("program"),
    "pid": lambda e: str(e.get("pid")),
    "qid": lambda e: e.get("queue_id"),
    "message-id": lambda e: bare(e.get("message_id")),
    "resent-message-id": lambda e: bare(e.get("message_id")),
    "from": lambda e: e.get("sender"),
    "to": lambda e: e.get("recipient"),
    "orig_to": lambda e: e.get("orig_recipient"),
    "size": lambda e: str(e.get("size")),
    "nrcpt": lambda e: str(e.get("nrcpt")),
    "delay": lambda e: "%g" % e["delay"] if "delay" in e else None,
    "dsn": lambda e: e.get("dsn"),
    "uid": lambda e: str(e.get("uid")),
    "relay": lambda e: peer_text(e, "relay_name", "relay_ip", "relay_port"),
    "client": lambda e: peer_text(e, "client_name", "client_ip", "client_port"),
    "sasl_method": lambda e: e.get("auth_method"),
    "sasl_username": lambda e: e.get("auth_user"),
    "forwardedAs": lambda e: e.get("next_queue_id"),
    "dsnQid": lambda e: e.get("child_queue_id"),
}


def msimerson_status(report, file, line, theirs, event):
    """"sent (250 Ok)": the word and the reply; "forwarded" is our "sent" with a next ID."""
    word, _, reply = theirs.partition(" (")
    if word == "forwarded":
        word = "sent"
    if word.startswith("expired"):
        report.compare(file, "status", line, "expired", event.get("reason"))
        return
    report.compare(file, "status", line, word, event.get("status"))
    if reply:
        report.compare(file, "status (reply)", line, reply[:-1], event.get("reply"))


def check_msimerson(mailtrail, corpora, report):
    file = "msimerson-postfix-parser"
    cases = jsonl(corpora, file + ".jsonl")
    lines = [case["line"] if case["set"] == "syslogLines" else HEAD % "postfix" + case["line"]
             for case in cases]
    for case, line, event in zip(cases, lines, mailtrail.parse(lines)):
        expected = case["expected"]
        if expected is None:
            report.pass_over(file, "the peer expects nothing")
            continue
        if is_cut(line):
            report.pass_over(file, "a pseudonym stands in place of a key")
            continue
        if case["set"] != "syslogLines" and "qid" not in expected and event["event"] == "unknown":
            report.pass_over(file, "the queue ID was cut off: no program writes such a line")
            continue
        for field, theirs in expected.items():
            if field == "status":
                msimerson_status(report, file, line, theirs, event)
            elif field == "relay" and theirs == "none":
                report.compare(file, field, line, None, event.get("relay_name"))
            elif field == "host" and "[" in theirs:
                report.compare(file, "relay", line, theirs,
                               peer_text(event, "relay_name", "relay_ip", "relay_port"))
            elif field in MSIMERSON:
                check_field(report, file, field, line, theirs, MSIMERSON[field](event))
            else:
                report.pass_over(file, "no field of ours: " + field)


# ---- expected/syslog-ng-patterndb.jsonl ---------------------------------------------------

PATTERNDB = {
    "postfix.qid": lambda e: e.get("queue_id"),
    "postfix.client.hostname": lambda e: e.get("client_name", "unknown"),
    "postfix.client.ip": lambda e: e.get("client_ip"),
    "postfix.sender": lambda e: e.get("sender"),
    "postfix.recipient": lambda e: e.get("recipient"),
    "postfix.recipient2": lambda e: e.get("recipient"),
    "postfix.proto": lambda e: e.get("protocol", "ESMTP"),
    "postfix.helo": lambda e: e.get("helo"),
    "postfix.header.value": lambda e: e.get("subject"),
    "postfix.relay.hostname": lambda e: e.get("relay_name"),
    "postfix.relay.ip": lambda e: e.get("relay_ip"),
    "postfix.relay.msg": lambda e: e.get("reason", "").partition(" said: ")[2],
    "postfix.result.code": lambda e: str(e.get("code")),
    "postfix.result.dsn": lambda e: e.get("dsn"),
    "postfix.uid": lambda e: str(e.get("uid")),
    "postfix.to": lambda e: e.get("recipient"),
    "postfix.orig_to": lambda e: e.get("orig_recipient"),
    "postfix.relay": lambda e: e.get("relay_name"),
    "postfix.delay": lambda e: "%g" % e["delay"] if "delay" in e else None,
    "postfix.dsn": lambda e: e.get("dsn"),
    "postfix.status": lambda e: e.get("status") or e.get("reason") + ", returned to sender",
    "postfix.statusmsg": lambda e: e.get("reply"),
    "cyrus.login.username": lambda e: e.get("account"),
    "cyrus.login.ip": lambda e: e.get("client_ip"),
    "cyrus.login.method": lambda e: e.get("auth_method"),
}


def check_patterndb(mailtrail, corpora, report):
    file = "syslog-ng-patterndb"
    cases = jsonl(corpora, file + ".jsonl")
    lines = [HEAD % case["program"] + case["message"] for case in cases]
    for case, line, event in zip(cases, lines, mailtrail.parse(lines)):
        if not case["program"].startswith("postfix") and not mailtrail.has("cyrus"):
            report.pass_over(file, "dialect cyrus is not built in")
            continue
        for field, theirs in (case["expected"] or {}).items():
            if field in PATTERNDB:
                check_field(report, file, field, line, theirs, PATTERNDB[field](event))
            else:
                report.pass_over(file, "no field of ours: " + field)


# ---- expected/sekoia-postfix.jsonl -----------------------------------------------------------

def sekoia_program(case, programs):
    """Cases without a program are the same lines again: "wo_appname_NAME" is NAME."""
    program = case["input"].get("log", {}).get("syslog", {}).get("appname")
    name = case["case"]
    return program or programs.get(name.replace("wo_appname_", ""))


def at(tree, path):
    for key in path.split("."):
        tree = tree.get(key) if isinstance(tree, dict) else None
    return tree[0] if isinstance(tree, list) and tree else tree


def sekoia_account(event):
    return event.get("auth_user") or event.get("account")


SEKOIA = {
    "postfix.queue_id.local": lambda e: e.get("queue_id"),
    "postfix.queue_id.remote": lambda e: e.get("next_queue_id"),
    "postfix.orig_to": lambda e: e.get("orig_recipient"),
    "email.from.address": lambda e: e.get("sender"),
    "email.to.address": lambda e: e.get("recipient"),
    "email.message_id": lambda e: bare(e.get("message_id")),
    "source.ip": lambda e: e.get("client_ip"),
    "source.port": lambda e: e.get("client_port"),
    "destination.ip": lambda e: e.get("relay_ip"),
    "destination.port": lambda e: e.get("relay_port") or e.get("local_port"),
    "user.name": sekoia_account,
}

# Their word for what happened, where it is one of ours.
SEKOIA_ACTIONS = {
    "sent": ("status", "sent"), "deferred": ("status", "deferred"),
    "bounced": ("status", "bounced"), "greylist": ("action", "greylist"),
    "pass": ("action", "pass"), "connect": ("event", "connect"),
    "disconnect": ("event", "disconnect"), "lost connection": ("event", "notice"),
}


def check_sekoia(mailtrail, corpora, report):
    file = "sekoia-postfix"
    cases = jsonl(corpora, file + ".jsonl")
    programs = {case["case"]: case["input"].get("log", {}).get("syslog", {}).get("appname")
                for case in cases}
    kept = []
    for case in cases:
        program, message = sekoia_program(case, programs), case["input"]["message"]
        if re.match(r"\d{4}-\d\d-\d\dT", message):
            kept.append((case, message))
        elif program:
            kept.append((case, HEAD % program + message))
        else:
            report.pass_over(file, "no program is stated")
    for (case, line), event in zip(kept, mailtrail.parse([line for _, line in kept])):
        for field, ours in SEKOIA.items():
            theirs = at(case["expected"] or {}, field)
            if theirs is None:
                continue
            if field.startswith("source.") and "raddr=" in line:
                report.pass_over(file, "no field of ours: spamd's client, which is not the mail's")
            elif is_cut(line):
                report.pass_over(file, "a pseudonym stands in place of a key")
            else:
                check_field(report, file, field, line, bare(theirs), ours(event))
        action = SEKOIA_ACTIONS.get(at(case["expected"] or {}, "action.name"))
        if action:
            report.compare(file, "action.name", line, action[1], event.get(action[0]))


# ---- expected/ossec-wazuh.jsonl ------------------------------------------------------------------

# Their rules, as kinds of event of ours; the dialect that must be built in.
OSSEC_RULES = {
    "53500": ("opensmtpd", {"disconnect", "tls"}), "53501": ("opensmtpd", {"reject", "notice"}),
    "53502": ("opensmtpd", {"connect"}), "53503": ("opensmtpd", {"disconnect"}),
    "53504": ("opensmtpd", {"accept"}), "53507": ("opensmtpd", {"disconnect", "tls_error"}),
    "13006": ("exim", {"login_failed"}), "13008": ("exim", {"connect"}),
    "13009": ("exim", {"disconnect", "notice"}), "13010": ("exim", {"limit", "notice", "reject"}),
    "87507": ("exim", {"reject", "notice"}), "87508": ("exim", {"reject"}),
    "9702": ("dovecot", {"login_failed"}), "9703": ("dovecot", {"notice"}),
    "9704": ("dovecot", {"notice"}), "9705": ("dovecot", {"login_failed"}),
    "9706": ("dovecot", {"logout", "disconnect", "notice"}),
    "9707": ("dovecot", {"login_failed", "notice", "disconnect"}),
    "9770": ("dovecot", {"login"}), "9771": ("dovecot", {"login_failed"}),
    "3300": ("postfix", {"reject"}), "3303": ("postfix", {"reject"}),
    "3306": ("postfix", {"reject"}), "3335": ("postfix", {"notice", "tls_error"}),
}


def check_ossec(mailtrail, corpora, report):
    file = "ossec-wazuh"
    cases = jsonl(corpora, file + ".jsonl")
    for case in cases:
        dialect, kinds = OSSEC_RULES.get(case["rule"], (None, None))
        if case["want"] != "pass" or not dialect:
            report.pass_over(file, "a rule that says nothing of mail, or must not match")
        elif not mailtrail.has(dialect):
            report.pass_over(file, "dialect %s is not built in" % dialect)
        else:
            kind = mailtrail.parse([case["line"]])[0]["event"]
            report.compare(file, "rule " + case["rule"], case["line"], True, kind in kinds)


# ---- qmail/expected.json -----------------------------------------------------------------------------

QMAIL_RESULTS = {"success": "sent", "failure": "bounced", "deferral": "deferred"}
QMAIL_VERDICTS = {"CLEAN": "pass"}


def first(events, **wanted):
    """The first event with all these fields; none has nothing."""
    return next((event for event in events
                 if all(event.get(key) == value for key, value in wanted.items())), {})


def check_qmail_file(report, file, expected, events):
    for delivery in expected.get("deliveries", []):
        session = str(delivery["delivery"])
        start = first(events, event="delivery", session=session)
        end = first(events, session=session, status=QMAIL_RESULTS[delivery["result"]])
        for field, theirs, ours in (("msg", str(delivery["msg"]), start.get("queue_id")),
                                    ("rcpt", delivery["rcpt"], start.get("recipient")),
                                    ("route", delivery["route"], start.get("transport")),
                                    ("result", True, bool(end))):
            report.compare(file, field, session, theirs, ours)
    for message in expected.get("messages", []):
        qp = str(message["qp"])
        report.compare(file, "qp", qp, message["qp"], first(events, qp=message["qp"]).get("qp"))
        if "auth_user" in message:
            report.compare(file, "auth_user", qp, message["auth_user"],
                           first(events, auth_user=message["auth_user"]).get("auth_user"))
        if "spam_verdict" in message:
            verdict = first(events, event="verdict", session=str(message["pid"]))
            for field, theirs, ours in (
                    ("client_ip", message["client_ip"], verdict.get("client_ip")),
                    ("spam_score", message["spam_score"], verdict.get("score")),
                    ("spam_verdict", QMAIL_VERDICTS[message["spam_verdict"]], verdict.get("action"))):
                report.compare(file, field, qp, theirs, ours)


def check_qmail(mailtrail, corpora, report):
    path = os.path.join(corpora, "qmail", "expected.json")
    with open(path, encoding="utf-8") as file:
        expected = json.load(file)
    if not mailtrail.has("qmail"):
        report.pass_over("qmail", "dialect qmail is not built in")
        return
    for name, what in expected.items():
        if isinstance(what, dict):
            events = mailtrail.parse_file(os.path.join(corpora, "qmail", name))
            check_qmail_file(report, "qmail/" + name, what, events)
        else:
            report.pass_over("qmail", "cases told in prose: " + name)


# ---- logs: unknown lines -----------------------------------------------------------------------

def logs(corpora):
    for folder, _, names in sorted(os.walk(corpora)):
        for name in sorted(names):
            path = os.path.join(folder, name)
            if re.search(r"\.(log|log\.1|log\.gz|data)$", name):
                yield os.path.relpath(path, corpora), path


# Logs whose every line is of a dialect that may not be built in.
FOLDERS = {"exim": "exim", "qmail": "qmail", "exchange": "exchange", "plesk": "plesk"}


def with_stamps(path, folder):
    """modoboa's log has "%(day)s" for a date."""
    opener = gzip.open if path.endswith(".gz") else open
    with opener(path, "rb") as file:
        data = file.read()
    if b"%(day)s" not in data:
        return path
    copy = os.path.join(folder, os.path.basename(path))
    with open(copy, "wb") as file:
        file.write(data.replace(b"%(day)s", b"Nov 20"))
    return copy


def unknown_share(mailtrail, path, folder):
    counts = mailtrail.stats(with_stamps(path, folder))
    mail = sum(counts.values()) - counts["other"]
    return counts["unknown"], mail


# ---- what comes out --------------------------------------------------------------------------------

def print_fields(report):
    files = sorted({file for file, _ in list(report.agree) + list(report.differ)})
    for file in files:
        fields = sorted({k for f, k in list(report.agree) + list(report.differ) if f == file})
        for field in fields:
            agree, differ = report.agree[file, field], len(report.differ[file, field])
            print("# %-26s %-26s %4d of %4d" % (file, field, agree, agree + differ))
    for (file, why), count in sorted(report.passed_over.items()):
        print("# %-26s %4d not compared: %s" % (file, count, why))


def judge_fields(report):
    """The disagreements that nothing explains, and the share of what agrees."""
    open_ones, n_differ = [], 0
    for (file, field), differences in sorted(report.differ.items()):
        for line, theirs, ours in differences:
            n_differ += 1
            why = explained(file, field, line)
            if why:
                print("# explained: %s %s: %s" % (file, field, why))
            else:
                open_ones.append("%s %s: they say %r, we %r: %s" % (file, field, theirs, ours, line))
    total = sum(report.agree.values()) + n_differ
    return open_ones, sum(report.agree.values()) / total if total else 0, total


def main(arguments):
    if len(arguments) != 2:
        sys.exit(__doc__)
    mailtrail, corpora = Mailtrail(arguments[0]), arguments[1]
    report, results = Report(), []
    for check in (check_msimerson, check_patterndb, check_sekoia, check_ossec,
                  check_qmail):
        check(mailtrail, corpora, report)
    print_fields(report)
    open_ones, share, total = judge_fields(report)
    for difference in open_ones:
        print("# not explained: " + difference[:600])
    results.append((share >= AGREE_AT_LEAST, "%d of 10000 of %d fields agree with peers"
                    % (share * 10000, total)))
    results.append((not open_ones, "every disagreement with a peer is explained"))
    with tempfile.TemporaryDirectory() as folder:
        for name, path in logs(corpora):
            dialect = FOLDERS.get(name.split(os.sep)[0])
            if dialect and not mailtrail.has(dialect):
                results.append((None, "%s # SKIP dialect %s is not built in" % (name, dialect)))
                continue
            unknown, mail = unknown_share(mailtrail, path, folder)
            if not mail:
                results.append((None, "%s # SKIP no program in it is one that is known" % name))
                continue
            results.append((unknown / mail < UNKNOWN_AT_MOST,
                            "%s: %d of %d lines unknown" % (name, unknown, mail)))
    for number, (fine, what) in enumerate(results, 1):
        print("%s %d - %s" % ("not ok" if fine is not None and not fine else "ok", number, what))
    print("1..%d" % len(results))
    return int(any(fine is not None and not fine for fine, _ in results))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
