"""Whom the bed's servers talk to.

Servers, each on a thread: a mail host somewhere else, a content filter, a policy service;
what they say is told by functions.  Clients, which may claim to come from another address.
"""
import imaplib
import poplib
import re
import smtplib
import socket
import socketserver
import threading


class Server:
    """HANDLE(reader, writer) for each connection, until stop()."""

    def __init__(self, bed, name, handle):
        class Handler(socketserver.StreamRequestHandler):
            def handle(self):
                try:
                    handle(self.rfile, self.wfile)
                except (BrokenPipeError, ConnectionResetError):
                    pass

        class Listener(socketserver.ThreadingTCPServer):
            allow_reuse_address = True
            daemon_threads = True

        self.listener = Listener(("127.0.0.1", bed.port(name)), Handler)
        threading.Thread(target=self.listener.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        bed.servers.append(self)

    def stop(self):
        self.listener.shutdown()
        self.listener.server_close()


def address_of(argument):
    found = re.search(r"<([^>]*)>", argument)
    return found.group(1) if found else ""


class MailHost(Server):
    """A mail server: ON_RCPT(address) and ON_DATA(sender, recipients, text, xforward) give its replies."""

    def __init__(self, bed, name, on_rcpt=lambda address: "250 2.1.5 Ok",
                 on_data=lambda *message: "250 2.0.0 Ok: queued as 7F00DC0FFEE", extensions=()):
        self.on_rcpt, self.on_data, self.extensions = on_rcpt, on_data, extensions
        super().__init__(bed, name, self.talk)

    def talk(self, reader, writer):
        def say(text):
            writer.write(text.encode() + b"\r\n")

        sender, recipients, xforward = "", [], ""
        say("220 peer.example.net ESMTP")
        for line in iter(reader.readline, b""):
            text = line.decode("latin-1").rstrip("\r\n")
            verb, _, argument = text.partition(" ")
            verb = verb.upper()
            if verb in ("EHLO", "HELO"):
                words = ["peer.example.net", *self.extensions, "ENHANCEDSTATUSCODES"]
                for i, word in enumerate(words):
                    say(f"250{' ' if i == len(words) - 1 else '-'}{word}")
            elif verb == "MAIL":
                sender, recipients = address_of(argument), []
                say("250 2.1.0 Ok")
            elif verb == "RCPT":
                reply = self.on_rcpt(address_of(argument))
                if reply.startswith("2"):
                    recipients.append(address_of(argument))
                say(reply)
            elif verb == "DATA" and recipients:
                say("354 go on")
                message = b"".join(iter(reader.readline, b".\r\n"))
                say(self.on_data(sender, recipients, message, xforward))
            elif verb == "DATA":
                say("554 5.5.1 No valid recipients")
            elif verb == "XFORWARD":
                xforward += " " + argument
                say("250 2.0.0 Ok")
            elif verb == "QUIT":
                say("221 2.0.0 Bye")
                return
            else:
                say("250 2.0.0 Ok")


def queued_as(reply):
    return re.search(r"queued as (\w+)", reply).group(1)


class ContentFilter(MailHost):
    """Hands each message to the port where Postfix takes it back, and answers as filters do."""

    def __init__(self, bed):
        self.back = bed.port("reinject")
        super().__init__(bed, "filter", on_data=self.pass_on, extensions=("XFORWARD NAME ADDR PROTO HELO PORT SOURCE",))

    def pass_on(self, sender, recipients, message, xforward):
        with smtplib.SMTP("127.0.0.1", self.back) as back:
            back.ehlo("filter.example.com")
            if xforward:
                back.docmd("XFORWARD", xforward.strip())
            back.mail(sender)
            for recipient in recipients:
                back.rcpt(recipient)
            code, reply = back.data(message)
        return f"{code} {reply.decode()}" if code != 250 else f"250 2.0.0 Ok: queued as {queued_as(reply.decode())}"


class PolicyService(Server):
    """Postfix's policy delegation protocol; ASK(attributes) gives the action."""

    def __init__(self, bed, ask):
        self.ask = ask
        super().__init__(bed, "policy", self.talk)

    def talk(self, reader, writer):
        attributes = {}
        for line in iter(reader.readline, b""):
            name, is_pair, value = line.decode().rstrip("\n").partition("=")
            if is_pair:
                attributes[name] = value
            else:
                writer.write(f"action={self.ask(attributes)}\n\n".encode())
                attributes = {}


def take_in(port, sender, recipients, text="", client="", helo="client.example.net", login=(), subject="hello",
            message_id=""):
    """One message into Postfix; CLIENT: whose address it is to believe (XCLIENT).
    Returns its queue ID; the reply to the recipient or message where it was refused."""
    with smtplib.SMTP("127.0.0.1", port) as smtp:
        smtp.ehlo(helo)
        if client:
            code, reply = smtp.docmd("XCLIENT", f"ADDR={client} NAME=[UNAVAILABLE] PORT=40000")
            if code != 220:
                raise RuntimeError(f"XCLIENT: {code} {reply}")
            smtp.ehlo(helo)
        if login:
            smtp.login(*login)
        code, reply = smtp.mail(sender)
        for recipient in recipients if code == 250 else ():
            code, reply = smtp.rcpt(recipient)
            if code != 250:
                return f"{code} {reply.decode()}"
        head = f"From: <{sender}>\r\nTo: <{recipients[0]}>\r\nSubject: {subject}\r\n"
        if message_id:
            head += f"Message-ID: {message_id}\r\n"
        if code == 250:
            code, reply = smtp.data(head + "\r\n" + (text or "A line.\r\n"))
        return queued_as(reply.decode()) if code == 250 else f"{code} {reply.decode()}"


class From:
    """A connection that claims to come from another address (HAProxy's protocol)."""

    def __init__(self, address):
        self.address = address

    def _create_socket(self, timeout=None):
        s = socket.create_connection((self.host, self.port), 20)
        family, here = ("TCP6", "2001:db8::1") if ":" in self.address else ("TCP4", "192.0.2.10")
        s.sendall(f"PROXY {family} {self.address} {here} 40002 143\r\n".encode())
        return s


class ImapFrom(From, imaplib.IMAP4):
    def __init__(self, port, address):
        From.__init__(self, address)
        imaplib.IMAP4.__init__(self, "127.0.0.1", port)


class PopFrom(From, poplib.POP3):
    def __init__(self, port, address):
        From.__init__(self, address)
        poplib.POP3.__init__(self, "127.0.0.1", port)


def quietly(call, *arguments):
    try:
        return call(*arguments)
    except (imaplib.IMAP4.error, poplib.error_proto, smtplib.SMTPException, OSError) as error:
        return error
