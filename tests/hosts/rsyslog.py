#!/usr/bin/env python3
"""The real rsyslogd, examples/rsyslog/mailtrail.conf and mailtrail-rsyslog: the store is
exact, also when the program, or rsyslogd, is killed in the middle; alerts go out through syslog(3).

Debian's rsyslog conflicts with syslog-ng: it is fetched and unpacked into a folder below
the build, and the test skipped where it cannot be had.  Tried with Debian 12: rsyslog 8.2302.0.
"""
import glob
import os
import re
import signal
import socket
import subprocess
import sys
import time

from bed import BUILD, GEO, TOP, Bed, Tap, lines_of, need, skip_all, wait_for, write
from maillog import MailLog, random_seed

if os.environ.get("HAVE_MAXMINDDB") == "no":
    print("1..0 # SKIP its rules need countries: built without libmaxminddb")
    sys.exit()

PROGRAM = os.path.join(BUILD, "modules/rsyslog/mailtrail-rsyslog")
CACHE = os.path.join(BUILD, "tests/hosts/rsyslog-unpacked")
PACKAGES = ("rsyslog", "libestr0", "libfastjson4", "liblognorm5")
MESSAGES = 2000


def unpacked():
    """The folder with rsyslogd in it; skips the test where there is none."""
    done = os.path.join(CACHE, "done")
    if os.path.exists(done):
        return CACHE
    for program in ("apt-get", "dpkg"):
        need(program, syslog_ng=False)
    os.makedirs(CACHE, exist_ok=True)
    got = subprocess.run(["apt-get", "download", "-q", *PACKAGES], cwd=CACHE, stdin=subprocess.DEVNULL,
                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    packages = glob.glob(os.path.join(CACHE, "*.deb"))
    if got.returncode != 0 or len(packages) < len(PACKAGES):
        skip_all("Debian's rsyslog cannot be fetched here")
    for package in packages:
        subprocess.run(["dpkg", "-x", package, CACHE], check=True)
    write(done, "")
    return CACHE


class Rsyslog:
    def __init__(self, bed, root, input_lines, replace=()):
        self.bed, self.root = bed, root
        self.libraries = glob.glob(os.path.join(root, "usr/lib/*-linux-gnu*"))[0]
        self.conf = bed.path("rsyslog.conf")
        os.makedirs(bed.path("spool"), exist_ok=True)
        write(self.conf, f'global(workDirectory="{bed.path("spool")}")\n{input_lines}\n{self.example(replace)}')

    def example(self, replace):
        """examples/rsyslog/mailtrail.conf, but for the paths of an installed system."""
        with open(os.path.join(TOP, "examples/rsyslog/mailtrail.conf")) as f:
            text = f.read()
        options = (f"--geoip-database={GEO}/city.mmdb --asn-database={GEO}/asn.mmdb "
                   f"--policy-file={self.bed.path('policy.conf')} --local-domains=example.com")
        for old, new in (("/usr/libexec/mailtrail/mailtrail-rsyslog", PROGRAM),
                         ("/var/lib/mailtrail/mail.db", self.bed.database),
                         ("--local-domains=example.com", options),
                         ("/var/log/mail-alerts.log", self.bed.alerts), *replace):
            if old not in text:
                raise RuntimeError(f"examples/rsyslog/mailtrail.conf has no {old}")
            text = text.replace(old, new)
        return text

    def start(self):
        environment = dict(os.environ, LD_LIBRARY_PATH=self.libraries)
        self.process = self.bed.start("rsyslogd", [
            os.path.join(self.root, "usr/sbin/rsyslogd"), "-n", "-f", self.conf, "-i", self.bed.path("rsyslogd.pid"),
            "-M", os.path.join(self.libraries, "rsyslog")], env=environment)
        time.sleep(0.3)
        if self.process.poll() is not None:
            raise RuntimeError("rsyslogd has ended:\n" + "\n".join(lines_of(self.bed.path("rsyslogd.out"))))

    def program(self):
        """The process ID of mailtrail-rsyslog: rsyslogd's child."""
        with open(f"/proc/{self.process.pid}/task/{self.process.pid}/children") as f:
            children = f.read().split()
        for task in glob.glob(f"/proc/{self.process.pid}/task/*/children"):
            with open(task) as f:
                children += f.read().split()
        for child in children:
            try:
                with open(f"/proc/{child}/comm") as f:
                    if f.read().startswith("mailtrail-rsysl"):
                        return int(child)
            except OSError:
                continue
        return None


def over_tcp(bed, root, seed):
    """Lines as other hosts send them; the program is killed four times on the way."""
    tap = bed.tap
    log = MailLog(bed, "--messages", str(MESSAGES), "--seed", str(seed))
    rsyslog = Rsyslog(bed, root, f'module(load="imtcp")\ninput(type="imtcp" address="127.0.0.1" port="{bed.port("tcp")}")\n'
                      f'module(load="imuxsock" SysSock.Name="{bed.path("log")}")\n')
    rsyslog.start()
    killed = set()
    with open(log.whole, "rb") as f:
        lines = f.read().splitlines(keepends=True)
    with socket.create_connection(("127.0.0.1", bed.port("tcp"))) as s:
        for i, line in enumerate(lines):
            s.sendall(b"<22>" + line)
            if i % (len(lines) // 5) == len(lines) // 10:
                time.sleep(0.2)
                pid = wait_for(rsyslog.program, 10)
                if pid:
                    os.kill(pid, signal.SIGKILL)
                    killed.add(pid)
    tap.ok(len(killed) > 1, f"mailtrail-rsyslog was killed {len(killed)} times in the middle")
    log.must_be_exact("rsyslog over TCP, its program killed", 30)
    return rsyslog


def from_file(bed, root, seed):
    """A growing file, read by imfile; rsyslogd and the program are killed."""
    tap = bed.tap
    log = MailLog(bed, "--messages", str(MESSAGES), "--seed", str(seed), "--rfc3339", "--long-ids")
    # The line as it stands: imfile takes it for the message.
    rsyslog = Rsyslog(bed, root, f'module(load="imfile")\ninput(type="imfile" file="{log.growing}" tag="mail:" '
                      f'facility="mail" readTimeout="0" persistStateInterval="500")\n',
                      [('%timestamp:::date-rfc3339% %hostname% %syslogtag%%msg:::sp-if-no-1st-sp%%msg:::drop-last-lf%',
                        '%msg%')])
    rsyslog.start()
    log.start_growing()
    for how in (signal.SIGKILL, signal.SIGTERM, signal.SIGKILL):
        time.sleep(0.8)
        pid = wait_for(rsyslog.program, 10)
        if how == signal.SIGKILL and pid:
            os.kill(pid, signal.SIGKILL)
        else:
            bed.stop(rsyslog.process)
            rsyslog.start()
    log.finish_growing()
    log.must_be_exact("rsyslog from a file, its program killed and rsyslogd started anew", 30)


def alert(bed, rsyslog):
    """A login from abroad comes back through syslog(3) into the file that the example names."""
    line = time.strftime("%b %e %H:%M:%S", time.gmtime()) + (
        " mail dovecot: imap-login: Login: user=<bob@example.com>, method=PLAIN, rip=198.18.90.7, "
        "lip=192.0.2.1, mpid=1, TLS, session=<AAAAAAAAAAAAAAA1>\n")
    before = len(lines_of(bed.alerts))
    began = time.monotonic()
    with socket.create_connection(("127.0.0.1", bed.port("tcp"))) as s:
        s.sendall(b"<22>" + line.encode())
    wait_for(lambda: len(lines_of(bed.alerts)) > before, 10)
    took = time.monotonic() - began
    time.sleep(0.5)
    new = lines_of(bed.alerts)[before:]
    bed.tap.say(f"the alert took {took * 1000:.0f} ms")
    bed.tap.ok(len(new) == 1 and took < 2 and re.search(
        r'mailtrail: ip="198\.18\.90\.7".*rule="unusual-country".*account="bob@example\.com".*country="VN"', new[0]),
        "an alert goes out through syslog(3), once, within 2 s", f"{took:.2f} s {new}")


def main():
    need("sqlite3", syslog_ng=False)
    tap = Tap()
    root = unpacked()
    seed = random_seed(tap)
    with Bed(tap, "devlog") as bed:
        write(bed.path("policy.conf"), "[default]\nusual-countries=ES;FR\n")
        rsyslog = over_tcp(bed, root, seed)
        if bed.logs == "devlog":
            alert(bed, rsyslog)
        bed.tap.same(bed.stop(rsyslog.process), 0, "rsyslogd ends as it is told")
    with Bed(tap) as bed:
        write(bed.path("policy.conf"), "[default]\nusual-countries=ES;FR\n")
        from_file(bed, root, seed)
    tap.done()


if __name__ == "__main__":
    main()
