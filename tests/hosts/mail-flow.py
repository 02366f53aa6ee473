#!/usr/bin/env python3
"""Real Postfix and Dovecot are driven; the store must know exactly what was done.

The scenario keeps its own ledger, from what it sent and what the servers answered to it; view
`mail` and the views of logins and refusals are held against it row by row.  Every line
that the daemons wrote must be known to a dialect, and `mailtrail import` of the same
lines must end in the same rows.  With "files" as argument the daemons log into files.

Tried with Debian 12: syslog-ng 3.38.1, Postfix 3.7.11, Dovecot 2.3.19.1, swaks 20201014.0.
"""
import base64
import imaplib
import smtplib
import socket
import ssl
import sys
import time

from bed import SECRET, Bed, Dovecot, Postfix, Tap, lines_of, listens, need, rows_of, wait_for
from peers import ContentFilter, ImapFrom, MailHost, PolicyService, PopFrom, queued_as, quietly, take_in

OUTSIDE = "198.51.100.7"
PEER = "peer@example.net"

SIEVE = {
    "bob": 'require ["fileinto", "mailbox"]; if header :contains "subject" "[list]" { fileinto :create "Lists"; }',
    "carol": 'redirect "carol@example.net";',
    "dave": "discard;",
    "erin": 'require "reject"; reject "Not wanted here.";',
    "frank": 'require "vacation"; vacation :days 1 "Away until Monday.";',
}


class Ledger:
    """What was done.  A column that cannot be known from outside is left out."""

    def __init__(self):
        self.mail, self.rejected, self.accesses, self.failures, self.changes = [], [], [], [], []

    def row(self, first_queue_id, sender, recipient, outcome, **more):
        row = dict(first_queue_id=first_queue_id, queue_id=first_queue_id, sender=sender, recipient=recipient, outcome=outcome,
                   attempts=1, orig_recipient=None, mailbox=None, auth_user=None, client_ip=OUTSIDE)
        row.update(more)
        self.mail.append({name: value for name, value in row.items() if value != "?"})


def matches(row, want):
    return all(row[name] == value for name, value in want.items())


def differences(rows, wanted):
    """Lines of text: what is missing, what is there too much."""
    rest, said = list(rows), []
    for want in sorted(wanted, key=len, reverse=True):    # what is known best is found first
        found = next((row for row in rest if matches(row, want)), None)
        if found:
            rest.remove(found)
        else:
            said.append(f"missing: {want}")
    columns = set().union(*wanted) if wanted else None
    said += [f"extra:   { {k: v for k, v in row.items() if not columns or k in columns} }" for row in rest]
    return "\n".join(said)


def compare(bed, what, view, wanted, seconds=10):
    wait_for(lambda: not differences(bed.rows(f"SELECT * FROM {view}"), wanted), seconds, 0.1)
    said = differences(bed.rows(f"SELECT * FROM {view}"), wanted)
    bed.tap.ok(not said, f"{what}: {len(wanted)} rows of {view}", said)


# ---- mail ---------------------------------------------------------------------------------------

class Flow:
    def __init__(self, bed, postfix, ledger):
        self.bed, self.postfix, self.ledger = bed, postfix, ledger
        self.seen = set()     # recipients that were put off once
        self.smtp, self.submission = bed.port("smtp"), bed.port("submission")

    # -- what the other servers say
    def remote_rcpt(self, address):
        if address.startswith("nouser"):
            return f"550 5.1.1 <{address}>: Recipient address rejected: User unknown"
        if address.startswith("later") and address not in self.seen:
            self.seen.add(address)
            return "451 4.3.0 Try again later"
        if address.startswith("stuck"):
            return "452 4.2.2 Mailbox full"
        return "250 2.1.5 Ok"

    def policy(self, attributes):
        address = attributes["recipient"]
        if address.startswith("ivan"):
            return f"FILTER filter:[127.0.0.1]:{self.bed.port('filter')}"
        if address.startswith("heidi") and address not in self.seen:
            self.seen.add(address)
            return "DEFER Greylisted, see http://postgrey.schweikert.ch/help/example.com.html"
        return "DUNNO"

    def come_in(self, recipient, sender=PEER, **options):
        recipients = recipient if isinstance(recipient, list) else [recipient]
        return take_in(self.smtp, sender, recipients, client=OUTSIDE, **options)

    def send(self, recipients, user="alice@example.com", **options):
        return take_in(self.submission, user, recipients if isinstance(recipients, list) else [recipients],
                       login=(user, SECRET), client="203.0.113.20", **options)

    def sent_row(self, first_queue_id, recipient, outcome, **more):
        more = {"auth_user": "alice@example.com", "client_ip": "203.0.113.20", "direction": "out",
                "service": "submission", **more}
        self.ledger.row(first_queue_id, "alice@example.com", recipient, outcome, **more)

    # -- mail for mailboxes here
    def inbox(self):
        q = self.come_in("alice@example.com", message_id="<one@example.net>")
        self.ledger.row(q, PEER, "alice@example.com", "delivered", mailbox="INBOX", direction="in",
                        message_id="<one@example.net>", status="sent")

    def folder(self):
        q = self.come_in("bob@example.com", subject="[list] news")
        self.ledger.row(q, PEER, "bob@example.com", "delivered", mailbox="Lists", direction="in")

    def aliases(self):
        q = self.come_in("info@example.com")
        for name in ("alice", "bob"):
            self.ledger.row(q, PEER, f"{name}@example.com", "delivered", mailbox="INBOX",
                            orig_recipient="info@example.com", direction="in")

    def redirect(self):
        q = self.come_in("carol@example.com")
        self.ledger.row(q, PEER, "carol@example.com", "delivered", direction="in", forwarded_to="carol@example.net")
        # Pigeonhole hands the mail in again over SMTP.
        self.ledger.row("?", PEER, "carol@example.net", "delivered", client_ip="?", direction="out")

    def discard(self):
        q = self.come_in("dave@example.com")
        self.ledger.row(q, PEER, "dave@example.com", "discarded", direction="in")

    def reject(self):
        q = self.come_in("erin@example.com")
        self.ledger.row(q, PEER, "erin@example.com", "rejected", direction="in")
        self.ledger.row("?", "", PEER, "delivered", client_ip="?", direction="out")

    def vacation(self):
        q = self.come_in("frank@example.com")
        self.ledger.row(q, PEER, "frank@example.com", "delivered", mailbox="INBOX", direction="in", auto_reply=1)
        self.ledger.row("?", "", PEER, "delivered", client_ip="?", direction="out")

    def full(self):
        """More than the quota: a notification goes back."""
        q = self.come_in("grace@example.com", text="x" * 70 + "\r\n")
        self.ledger.row(q, PEER, "grace@example.com", "failed", direction="in", reason_class="mailbox-full")
        self.ledger.row("?", "", PEER, "delivered", client_ip=None, direction="out")

    def filtered(self):
        q = self.come_in("ivan@example.com")
        self.ledger.row(q, PEER, "ivan@example.com", "delivered", queue_id="?", mailbox="INBOX", direction="in")

    def pickup(self):
        """sendmail(1) on this host."""
        self.bed.run("sendmail", "-C", self.postfix.dir, "-f", "root@example.com", "alice@example.com", input=None)
        self.ledger.row("?", "root@example.com", "alice@example.com", "delivered", client_ip=None,
                        mailbox="INBOX", direction="local")

    def burst(self):
        """smtp-source: ten messages over three connections."""
        self.bed.run("smtp-source", "-m", "10", "-s", "3", "-f", "burst@example.org", "-t", "alice@example.com",
                     f"127.0.0.1:{self.smtp}", timeout=20)
        for _ in range(10):
            self.ledger.row("?", "burst@example.org", "alice@example.com", "delivered",
                            client_ip="127.0.0.1", mailbox="INBOX")

    # -- mail for elsewhere
    def relayed(self):
        q = self.send(["ok@example.net", "ok@example.org"])
        for recipient in ("ok@example.net", "ok@example.org"):
            self.sent_row(q, recipient, "delivered")

    def swaks(self):
        got = self.bed.run("swaks", "--server", f"127.0.0.1:{self.submission}", "--auth", "LOGIN",
                           "--auth-user", "bob@example.com", "--auth-password", SECRET,
                           "--from", "bob@example.com", "--to", "swaks@example.net", timeout=20).stdout
        self.ledger.row(queued_as(got), "bob@example.com", "swaks@example.net", "delivered", direction="out",
                        client_ip="127.0.0.1", auth_user="bob@example.com", service="submission")

    def between_ourselves(self):
        q = self.send("bob@example.com")
        self.sent_row(q, "bob@example.com", "delivered", direction="local", mailbox="INBOX")

    def deferred_then_delivered(self):
        q = self.send("later@example.net")
        self.sent_row(q, "later@example.net", "delivered", attempts=2)

    def nobody_there(self):
        """Nothing listens; smtp-sink does when it is tried again."""
        q = self.send("anyone@down.example.net")
        self.sent_row(q, "anyone@down.example.net", "delivered", attempts=2)

    def bounced(self):
        q = self.send(["nouser@example.net", "ok@example.net"])
        self.sent_row(q, "nouser@example.net", "failed", reason_class="user-unknown", status="bounced")
        self.sent_row(q, "ok@example.net", "delivered")
        self.ledger.row("?", "", "alice@example.com", "delivered", client_ip=None, mailbox="INBOX",
                        direction="local")
        return q

    def thrown_away(self):
        q = self.send("any@void.example.net")
        self.sent_row(q, "any@void.example.net", "discarded")

    def error_transport(self):
        """smtpd refuses what error(8) would bounce, unless it hides behind an alias."""
        self.refused(self.send("any@closed.example.net"), "550", client_ip="203.0.113.20", sender="alice@example.com",
                     recipient="any@closed.example.net", dsn="5.1.2")
        q = self.send("closed@example.com")
        self.sent_row(q, "any@closed.example.net", "failed", orig_recipient="closed@example.com", status="bounced")
        self.ledger.row("?", "", "alice@example.com", "delivered", client_ip=None, mailbox="INBOX",
                        direction="local")

    # -- refusals
    def refused(self, reply, code, **row):
        self.bed.tap.ok(reply.startswith(code), f"the server answers {code}", reply)
        action = "defer" if code[0] == "4" else "reject"
        self.ledger.rejected.append({"code": int(code), "action": action, **row})

    def refusals(self):
        relay = dict(client_ip=OUTSIDE, sender=PEER, recipient="other@example.org", helo="client.example.net")
        self.refused(self.come_in("other@example.org"), "554", reason_class="relay-denied", dsn="5.7.1", **relay)
        self.refused(self.come_in("missing@example.com"), "550", client_ip=OUTSIDE, sender=PEER,
                     recipient="missing@example.com", reason_class="user-unknown")
        self.refused(self.come_in("alice@example.com", helo="bad_helo&"), "501", client_ip=OUTSIDE,
                     recipient="alice@example.com", helo="bad_helo&")
        self.refused(take_in(self.smtp, PEER, ["alice@example.com"], client="198.51.100.66"), "554",
                     client_ip="198.51.100.66", sender=PEER, recipient="alice@example.com")
        self.refused(take_in(self.submission, PEER, ["alice@example.com"], client="203.0.113.21"), "554",
                     client_ip="203.0.113.21", recipient="alice@example.com")

    def greylisted(self):
        self.refused(self.come_in("heidi@example.com"), "450", client_ip=OUTSIDE, recipient="heidi@example.com",
                     reason_class="greylisted")
        q = self.come_in("heidi@example.com")
        self.ledger.row(q, PEER, "heidi@example.com", "delivered", mailbox="INBOX", direction="in")

    def header_checks(self):
        """Refused, thrown away and held after their queue ID was given."""
        refused = dict(client_ip=OUTSIDE, sender=PEER, recipient="alice@example.com")
        reply = self.come_in("alice@example.com", subject="REJECT this")
        self.bed.tap.ok(reply.startswith("550 5.7.1"), "cleanup refuses by its header", reply)
        # cleanup(8) does not log the code.
        self.ledger.rejected.append(dict(code=None, dsn="5.7.1", action="reject", **refused))
        self.ledger.row("?", PEER, "alice@example.com", "rejected", direction="in", attempts="?")
        q = self.come_in("alice@example.com", subject="DISCARD this")
        self.ledger.row(q, PEER, "alice@example.com", "discarded", direction="in", attempts="?")
        self.ledger.rejected.append(dict(code=None, queue_id=q, action="discard", **refused))
        held = self.come_in("alice@example.com", subject="HOLD this")
        self.ledger.row(held, PEER, "alice@example.com", "delivered", direction="in", mailbox="INBOX")
        return held

    def too_early(self):
        """postscreen: a client that speaks first."""
        with socket.create_connection(("127.0.0.1", self.bed.port("postscreen"))) as s:
            s.sendall(f"PROXY TCP4 198.51.100.77 127.0.0.1 40001 25\r\nEHLO early.example.net\r\n".encode())
            reader = s.makefile("rb")
            for line in (f"MAIL FROM:<{PEER}>", "RCPT TO:<alice@example.com>", "QUIT"):
                while reader.readline()[3:4] == b"-":
                    pass
                s.sendall(line.encode() + b"\r\n")
            reader.read()
        self.ledger.rejected.append(dict(client_ip="198.51.100.77", recipient="alice@example.com", sender=PEER, code=550,
                                         helo="early.example.net"))

    # -- postsuper
    def operator(self):
        """Mail that waits is held, released, queued anew, deleted, expired."""
        ids = {name: self.send(f"stuck-{name}@example.net") for name in ("hold", "requeue", "delete", "expire")}
        wait_for(lambda: all(f"{q}: to=<stuck" in "\n".join(lines_of(self.bed.raw)) for q in ids.values()))
        time.sleep(0.2)
        self.postfix.postsuper("-h", ids["hold"])
        self.postfix.postsuper("-d", ids["delete"])
        self.postfix.postsuper("-r", ids["requeue"])
        self.postfix.postsuper("-e", ids["expire"])
        self.sent_row(ids["hold"], "stuck-hold@example.net", "queued", attempts="?")
        self.sent_row(ids["delete"], "stuck-delete@example.net", "discarded")
        self.sent_row(ids["requeue"], "stuck-requeue@example.net", "queued", queue_id="?", attempts="?")
        self.sent_row(ids["expire"], "stuck-expire@example.net", "failed", attempts="?")
        self.ledger.row("?", "", "alice@example.com", "delivered", client_ip=None, mailbox="INBOX",
                        direction="local")
        return ids


# ---- mailboxes ------------------------------------------------------------------------------------

class Mailboxes:
    def __init__(self, bed, ledger):
        self.bed, self.ledger = bed, ledger

    def imap(self, address):
        return ImapFrom(self.bed.port("imap_from"), address)

    def access(self, account, service, ip, **more):
        self.ledger.accesses.append(dict(account=account, service=service, ip=ip, **more))

    def failure(self, service, ip, reason, **more):
        self.ledger.failures.append(dict(service=service, ip=ip, reason=reason, **more))

    def change(self, action, account, mailbox, **more):
        self.ledger.changes.append(dict(action=action, account=account, mailbox=mailbox, **more))

    def imap_session(self):
        """Reads, appends, copies, deletes, expunges, makes and removes folders."""
        user = "judy@example.com"
        imap = self.imap("198.18.0.5")
        imap.login(user, SECRET)
        imap.create("Work")
        imap.append("INBOX", None, None, b"Subject: first\r\nMessage-ID: <first@example.com>\r\n\r\nx\r\n")
        imap.append("INBOX", None, None, b"Subject: second\r\nMessage-ID: <second@example.com>\r\n\r\nx\r\n")
        imap.select("INBOX")
        imap.fetch("1", "(BODY[])")
        imap.copy("1", "Work")
        imap.store("1:2", "+FLAGS", "\\Deleted")
        imap.store("2", "-FLAGS", "\\Deleted")
        imap.expunge()
        imap.rename("Work", "Done")
        imap.delete("Done")
        imap.logout()
        self.access(user, "imap", "198.18.0.5", method="PLAIN", tls=None, deleted=2, expunged=1, trashed=0)
        first, second = "<first@example.com>", "<second@example.com>"
        self.change("mailbox_create", user, "Work")
        self.change("save", user, "INBOX", message_id=first, subject="first")
        self.change("save", user, "INBOX", message_id=second, subject="second")
        self.change("copy", user, "INBOX", message_id=first)
        self.change("delete", user, "INBOX", message_id=first)
        self.change("delete", user, "INBOX", message_id=second)
        self.change("undelete", user, "INBOX", message_id=second)
        self.change("expunge", user, "INBOX", message_id=first)
        self.change("mailbox_rename", user, "Work")
        self.change("expunge", user, "Done", message_id=first)
        self.change("mailbox_delete", user, "Done")

    def pop_session(self):
        pop = PopFrom(self.bed.port("pop3_from"), "198.18.0.6")
        pop.user("judy@example.com")
        pop.pass_(SECRET)
        pop.retr(1)
        pop.dele(1)
        pop.quit()
        self.access("judy@example.com", "pop3", "198.18.0.6", method="PLAIN", deleted=1)
        self.change("expunge", "judy@example.com", "INBOX", message_id="<second@example.com>")

    def encrypted(self):
        imap = imaplib.IMAP4("127.0.0.1", self.bed.port("imap"))
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        imap.starttls(context)
        imap.login("alice@example.com", SECRET)
        imap.logout()
        self.access("alice@example.com", "imap", "127.0.0.1", tls=1)

    def sieve_session(self):
        with socket.create_connection(("127.0.0.1", self.bed.port("sieve"))) as s:
            reader = s.makefile("rb")
            words = base64.b64encode(f"\0bob@example.com\0{SECRET}".encode()).decode()
            for command in (f'AUTHENTICATE "PLAIN" "{words}"', "LOGOUT"):
                while not reader.readline().startswith((b"OK", b"NO")):
                    pass
                s.sendall(command.encode() + b"\r\n")
            reader.read()
        self.access("bob@example.com", "managesieve", "127.0.0.1")

    def lost(self):
        """A client that goes without a word still has a logout."""
        imap = self.imap("198.18.0.7")
        imap.login("alice@example.com", SECRET)
        imap.sock.shutdown(socket.SHUT_RDWR)
        self.access("alice@example.com", "imap", "198.18.0.7", deleted=0)

    def failures(self):
        imap = self.imap("198.18.40.1")
        quietly(imap.login, "alice@example.com", "wrong")
        quietly(imap.login, "alice@example.com", "wrong again")
        imap.logout()
        self.failure("imap", "198.18.40.1", "auth-failed", account="alice@example.com", attempts=2)
        imap = self.imap("198.18.40.2")
        quietly(imap.login, "nobody@example.com", "wrong")
        imap.logout()
        self.failure("imap", "198.18.40.2", "unknown-user", account="nobody@example.com", attempts=1)
        imap = self.imap("192.0.2.99")
        quietly(imap.login, "alice@example.com", SECRET)
        imap.logout()
        self.failure("imap", "192.0.2.99", "tls-required")
        imap = self.imap("198.18.40.4")
        quietly(imap.login, "mallory@example.com", SECRET)
        imap.logout()
        self.failure("imap", "198.18.40.4", "ip-notallowed", account="mallory@example.com")
        pop = PopFrom(self.bed.port("pop3_from"), "198.18.40.3")
        pop.user("bob@example.com")
        quietly(pop.pass_, "wrong")
        pop.quit()
        self.failure("pop3", "198.18.40.3", "auth-failed", account="bob@example.com", attempts=1)

    def submission_failures(self):
        for user in ("alice@example.com", "nobody@example.com"):
            with smtplib.SMTP("127.0.0.1", self.bed.port("submission")) as smtp:
                smtp.ehlo("client.example.net")
                smtp.docmd("XCLIENT", "ADDR=203.0.113.30 NAME=[UNAVAILABLE]")
                smtp.ehlo("client.example.net")
                quietly(smtp.login, user, "wrong")
            # smtplib tries PLAIN and LOGIN one after the other
            for _ in range(2):
                self.failure("smtp", "203.0.113.30", "auth-failed" if user[0] == "a" else "unknown-user")


# ---- the test -------------------------------------------------------------------------------------

def set_up(bed, flow_of):
    dovecot = Dovecot(bed)
    for name in ("alice", "bob", "carol", "dave", "erin", "frank", "grace", "heidi", "ivan", "judy", "mallory"):
        dovecot.user(f"{name}@example.com", sieve=SIEVE.get(name, ""), quota="50" if name == "grace" else "",
                     extra="allow_nets=192.0.2.0/24" if name == "mallory" else "")
    postfix = Postfix(bed)
    postfix.tables({
        "mailboxes": "".join(f"{address} x\n" for address in dovecot.users),
        "aliases": "info@example.com alice@example.com, bob@example.com\nclosed@example.com any@closed.example.net\n",
        "clients": "198.51.100.66 REJECT we do not talk to you\n",
        "transports": f"down.example.net smtp:[127.0.0.1]:{bed.port('down')}\n"
                      "void.example.net discard:thrown away\nclosed.example.net error:5.1.2 nobody reads here\n",
        "header_checks": "/^Subject: REJECT this/ REJECT not this one\n/^Subject: DISCARD this/ DISCARD gone\n"
                         "/^Subject: HOLD this/ HOLD look at it\n"})
    ledger = Ledger()
    flow = Flow(bed, postfix, ledger)
    MailHost(bed, "remote", on_rcpt=flow.remote_rcpt)
    ContentFilter(bed)
    PolicyService(bed, flow.policy)
    bed.syslog_ng(bed.syslog_ng_conf(bed.daemon_source(), 'local-domains("example.com")'))
    dovecot.start()
    postfix.start()
    return flow, ledger


def drive_mail(flow):
    for step in (flow.inbox, flow.folder, flow.aliases, flow.redirect, flow.discard, flow.reject, flow.vacation,
                 flow.full, flow.filtered, flow.pickup, flow.burst, flow.relayed, flow.swaks,
                 flow.between_ourselves, flow.deferred_then_delivered, flow.nobody_there, flow.thrown_away,
                 flow.error_transport, flow.refusals, flow.greylisted, flow.too_early):
        step()
    held = flow.header_checks()
    bounced = flow.bounced()
    ids = flow.operator()
    flow.bed.start("smtp-sink", ["smtp-sink", "-u", "nobody", f"127.0.0.1:{flow.bed.port('down')}", "10"])
    wait_for(lambda: listens(flow.bed.port("down")))
    flow.postfix.postsuper("-H", held)
    flow.postfix.postqueue("-f")
    return bounced, ids


def drive_mailboxes(bed, ledger):
    boxes = Mailboxes(bed, ledger)
    for step in (boxes.imap_session, boxes.pop_session, boxes.encrypted, boxes.sieve_session, boxes.lost,
                 boxes.failures, boxes.submission_failures):
        step()


def accesses_by_submission(ledger):
    """Who sent with a password has logged in, too."""
    seen = {}
    for row in ledger.mail:
        if row.get("auth_user"):
            seen[row["first_queue_id"]] = dict(account=row["auth_user"], service="smtp", ip=row["client_ip"])
    return list(seen.values())


def main():
    need("postfix", "dovecot", "swaks", "smtp-source", "smtp-sink", "openssl")
    tap = Tap()
    began = time.monotonic()
    with Bed(tap, sys.argv[1] if len(sys.argv) > 1 else "devlog") as bed:
        flow, ledger = set_up(bed, Flow)
        bounced, ids = drive_mail(flow)
        drive_mailboxes(bed, ledger)
        compare(bed, "each mail and what became of it", "mail", ledger.mail, 20)
        compare(bed, "each refusal", "mail_rejected", ledger.rejected)
        compare(bed, "each login", "accesses", ledger.accesses + accesses_by_submission(ledger))
        compare(bed, "each failed login", "accesses_failed", ledger.failures)
        compare(bed, "each change of a mailbox by its owner", "mailbox_events WHERE account='judy@example.com'",
                ledger.changes)
        tap.same(bed.one("SELECT count(*) FROM messages WHERE parent_kind='bounce' AND parent_queue_id=?", bounced), 1,
                 "the notification is linked to the mail that bounced")
        tap.same(bed.one("SELECT count(*) FROM messages WHERE parent_kind='hop'"), 2,
                 "the content filter's message and the requeued one are linked to what they were")
        tap.same(bed.one("SELECT state FROM messages WHERE queue_id=?", ids["hold"]), "held", "held by the operator")
        unknown = bed.mailtrail("parse", "--unknown", bed.raw).stdout
        tap.ok(not unknown, f"all {len(lines_of(bed.raw))} lines that the daemons wrote are known", unknown)
        again = bed.path("again.db")
        bed.mailtrail("import", "--database", again, "--local-domains", "example.com", bed.raw)
        said = differences(rows_of(again, "SELECT * FROM mail"), ledger.mail)
        tap.ok(not said, "an import of the same lines knows the same", said)
    tap.say(f"{time.monotonic() - began:.1f} s, the daemons logged into {bed.logs}")
    tap.done()


if __name__ == "__main__":
    main()
