#!/usr/bin/env python3
"""test-cli.py FILE.cli: what the command prints of a log

A .cli is prose with a log and commands in it:
  > raw line          goes into the store before the next command
  $ mailtrail ...     a command, run with the store as $MAILTRAIL_DATABASE in UTC
  = output            one line of what it prints; "=" alone is an empty one
  ! N                 its exit status, where that is not 0
--update writes what the commands print into the file.  TAP on the standard output."""
import os, subprocess, sys, tempfile

build = os.path.abspath(os.environ.get("top_builddir", "."))
mailtrail = os.path.join(build, "modules/cli/mailtrail")


def feed(lines, directory, env):
    if lines:
        subprocess.run([mailtrail, "import", "--year", "2026", "-"], input="".join(l + "\n" for l in lines), text=True,
                       cwd=directory, env=env, check=True)


def run(command, directory, env):
    done = subprocess.run(["sh", "-c", command], cwd=directory, env=env, capture_output=True, text=True)
    said = (done.stdout + done.stderr).rstrip("\n")
    return (said.split("\n") if said else []), done.returncode


def main():
    update = sys.argv[1] == "--update"
    path = sys.argv[-1]
    source = open(path, encoding="utf-8").read().split("\n")
    out, results, waiting, number, at = [], [], [], 0, 0
    with tempfile.TemporaryDirectory() as directory:
        os.symlink(mailtrail, os.path.join(directory, "mailtrail"))
        env = dict(os.environ, PATH=directory + ":" + os.environ["PATH"], TZ="UTC",
                   MAILTRAIL_DATABASE=os.path.join(directory, "mail.db"))
        while at < len(source):
            line = source[at]
            at += 1
            out.append(line)
            if line.startswith("> "):
                waiting.append(line[2:])
            if not line.startswith("$ "):
                continue
            feed(waiting, directory, env)
            waiting = []
            want, status = [], 0
            while at < len(source) and source[at][:1] in ("=", "!"):
                if source[at].startswith("! "):
                    status = int(source[at][2:])
                else:
                    want.append(source[at][2:])
                at += 1
            got, is_status = run(line[2:], directory, env)
            out += ["= " + g if g else "=" for g in got] + ([f"! {is_status}"] if is_status else [])
            number += 1
            good = got == want and status == is_status
            results.append(f"{'ok' if good else 'not ok'} {number} - {line[2:]}")
            if not good:
                results += ["# it prints, with status %d:" % is_status] + ["#   " + g for g in got]
    if update:
        open(path, "w", encoding="utf-8").write("\n".join(out))
    print(f"1..{number}")
    print("\n".join(results))


main()
