#!/usr/bin/env python3
"""mailtrail-rsyslog, spoken to as rsyslog's omprog does, also where rsyslog is not at hand.

What omprog sends after its program has died is that of rsyslog 8.2302.0, as rsyslog.py sees it.
"""
import os
import re
import signal
import subprocess
import tempfile

from bed import BUILD, Tap, rows_of

PROGRAM = os.path.join(BUILD, "modules/rsyslog/mailtrail-rsyslog")


def line(number, second=0):
    return f"2026-11-20T10:00:{second:02d}+00:00 mx postfix/qmgr[9]: 4A1B2C3D{number:02X}: removed"


def connect(second=0):
    return f"2026-11-20T10:00:{second:02d}+00:00 mx postfix/smtpd[11]: connect from unknown[192.0.2.7]"


class Program:
    def __init__(self, database, *options):
        self.process = subprocess.Popen([PROGRAM, f"--database={database}", *options], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        self.hello = self.process.stdout.readline().strip()

    def say(self, *lines):
        """Returns the answers."""
        answers = []
        for text in lines:
            self.process.stdin.write(text + "\n")
            self.process.stdin.flush()
            answers.append(self.process.stdout.readline().strip())
        return answers

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.communicate()

    def end(self):
        self.process.communicate()
        return self.process.returncode


BEGIN, COMMIT = "BEGIN TRANSACTION", "COMMIT TRANSACTION"


def ids(database):
    return sorted(int(re.sub(".*3D", "", row["queue_id"]), 16)
                  for row in rows_of(database, "SELECT queue_id FROM messages"))


def connections(database):
    return sum(row["connections"] for row in rows_of(database, "SELECT connections FROM connections"))


def plain(tap, database):
    program = Program(database)
    tap.same(program.hello, "OK", "it is ready")
    tap.same(program.say(BEGIN, line(1), connect(), connect(), COMMIT),
             ["OK", "DEFER_COMMIT", "DEFER_COMMIT", "DEFER_COMMIT", "OK"], "a transaction and its answers")
    tap.same((ids(database), connections(database)), ([1], 2), "OK comes after the commit; twins are two")
    tap.same(program.say(line(2)), ["OK"], "a line outside of a transaction is committed at once")
    tap.same(program.end(), 0, "it ends with its input")
    tap.same(ids(database), [1, 2], "and all is there")


def killed_within(tap, database):
    program = Program(database)
    program.say(BEGIN, line(1), line(2))
    tap.same(ids(database), [], "nothing is in the store before the commit")
    program.kill()
    program = Program(database)
    tap.same(ids(database), [1, 2], "killed within a transaction: what was taken is there when it starts again")
    program.say(BEGIN, line(2), line(3), COMMIT)
    tap.same(ids(database), [1, 2, 3], "the line under way, sent again, counts once")
    tap.same(program.end(), 0, "it ends with its input")


def killed_between(tap, database):
    program = Program(database)
    program.say(BEGIN, connect(1), COMMIT)
    program.kill()
    program = Program(database)
    program.say(BEGIN, connect(2), line(1), COMMIT, BEGIN, line(2), connect(2), COMMIT)
    tap.same(connections(database), 2, "killed between transactions: the next line, sent twice, counts once")
    program.say(BEGIN, connect(2), COMMIT)
    tap.same(connections(database), 3, "but its twin after that counts")
    program.end()
    program = Program(database)
    program.say(BEGIN, connect(3), connect(3), COMMIT)
    tap.same(connections(database), 5, "and after a start without a death twins are two")
    program.end()


def ended_within(tap, database):
    program = Program(database)
    program.say(BEGIN, line(1), line(2))
    tap.same((program.end(), ids(database)), (0, [1, 2]), "rsyslog ends within a transaction: what was taken is there")


def two_workers(tap, database):
    one, other = Program(database), Program(database)
    one.say(BEGIN, line(1), COMMIT)
    other.say(BEGIN, line(2), COMMIT)
    one.say(BEGIN, line(3))
    tap.same(other.say(BEGIN, line(4), line(5)), ["OK", "DEFER_COMMIT", "DEFER_COMMIT"],
             "no error is told within a transaction, though the other has the store")
    one.kill()
    other.kill()
    Program(database).end()
    tap.same(ids(database), [1, 2, 3, 4, 5], "two workers, killed both: one that starts finds what both had taken")


def error_at_the_end(tap, database):
    one, other = Program(database), Program(database)
    one.say(BEGIN, line(1))
    answers = other.say(BEGIN, line(2), COMMIT)
    tap.ok(answers[:2] == ["OK", "DEFER_COMMIT"] and answers[2].startswith("Error: "),
           "what cannot be stored now is refused at its end", answers)
    one.say(COMMIT)
    other.say(BEGIN, line(2), COMMIT)
    tap.same(ids(database), [1, 2], "and taken when it is sent again, once")
    one.end()
    other.end()


def raw_file(tap, database):
    """An action of its own for one file that is no syslog, with the template %rawmsg%."""
    program = Program(database, "--time-zone=Asia/Tokyo")
    program.say(BEGIN, "2026-11-20 10:00:00 1vLxyR-0000000AbCd-1a2b <= ann@example.org H=mail.example.org [192.0.2.7] P=esmtp S=900",
                "2026-11-20 10:00:01 1vLxyR-0000000AbCd-1a2b => bob <bob@example.com> R=local_user T=maildir_home",
                "2026-11-20 10:00:01 1vLxyR-0000000AbCd-1a2b Completed", COMMIT)
    program.end()
    tap.same([tuple(row.values()) for row in rows_of(database, "SELECT time, sender, recipient, outcome FROM mail")],
             [("2026-11-20T01:00:00.000000Z", "ann@example.org", "bob@example.com", "delivered")],
             "a log that is not syslog, its stamps in --time-zone")


def main():
    tap = Tap()
    for test in (plain, killed_within, killed_between, ended_within, two_workers, error_at_the_end, raw_file):
        with tempfile.TemporaryDirectory(prefix="mtbed.") as directory:
            test(tap, os.path.join(directory, "mail.db"))
    tap.done()


if __name__ == "__main__":
    main()
