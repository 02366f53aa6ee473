#!/usr/bin/env python3
"""mailtrail notify and act, on a store with alerts of hostile accounts."""
import email, email.policy, html.parser, json, os, stat, subprocess, sys, tempfile

if os.environ.get("HAVE_MAXMINDDB") == "no":
    print("1..0 # SKIP its rules need countries: built without libmaxminddb")
    sys.exit()

top = os.environ.get("top_srcdir") or os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")
build = os.environ.get("top_builddir", top)
mailtrail = os.path.abspath(os.path.join(build, "modules/cli/mailtrail"))
os.environ["TZ"] = "UTC"
os.umask(0o022)
number, failed = 0, 0


def check(ok, what, said=""):
    global number, failed
    number += 1
    failed += not ok
    print(f"{'ok' if ok else 'not ok'} {number} - {what}")
    if not ok and said:
        print("\n".join("# " + line for line in str(said).split("\n")[:40]))


def run(*words, stdin=None):
    return subprocess.run([mailtrail, *words], capture_output=True, text=True, input=stdin)


def write(path, text, mode=0o644):
    with open(path, "w", encoding="utf-8") as to:
        to.write(text)
    os.chmod(path, mode)
    return path


def login(at, user, ip, number):
    return (f"2026-11-20T{at}Z mx dovecot: imap-login: Login: user=<{user}>, method=PLAIN, rip={ip}, "
            f"lip=192.0.2.1, mpid={number}, TLS, session=<S{number:07d}>\n")


class Text(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags, self.text = set(), ""

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)

    def handle_data(self, data):
        self.text += data


hostile = ['-rf$(id)@example.com', 'a&b"\'<script@example.com', 'x\x07\x1b[31m=?utf-8?q?y?=@example.com',
           'zoë@example.org', 'From me@example.org', 'off@example.net']

with tempfile.TemporaryDirectory() as work:
    db = f"{work}/mail.db"
    log = write(f"{work}/mail.log", "".join(login(f"10:{i:02d}:00", user, "198.18.90.7", i) for i, user in enumerate(hostile))
                + login("11:30:00", "later@example.com", "198.18.90.8", 50))
    policy = write(f"{work}/policy", f"""[default]
usual-countries=ES
notify=yes
notify-to=postmaster@example.com
on-alert={work}/program
[domain example.org]
notify-to=security@example.org
[domain example.net]
notify=no
""")
    done = run("import", "-d", db, "--emit-alerts", "--geoip-database", f"{top}/tests/geo/city.mmdb", "--policy-file", policy, log)
    check(done.returncode == 0, "import", done.stderr)
    count = len(json.loads("[" + ",".join(run("alerts", "-d", db, "--json").stdout.split("\n")[:-1]) + "]"))
    check(count == 7, "seven alerts", count)

    # ---- the digest
    sendmail = write(f"{work}/sendmail", f"""#!/bin/sh
n=$(ls {work}/sent.* 2>/dev/null | wc -l)
printf '%s\\n' "$@" >{work}/args.$n
cat >{work}/sent.$n
""", 0o755)
    broken = write(f"{work}/broken", "#!/bin/sh\necho no queue; exit 75\n", 0o755)
    notify = ["notify", "-d", db, "--policy-file", policy, "--hour", "2026-11-20T10"]
    done = run(*notify, "--sendmail", broken)
    check(done.returncode == 3 and "no queue" in done.stderr, "a mail that is not taken is an error", done.stderr)
    done = run(*notify, "--sendmail", sendmail)
    check(done.returncode == 0, "and is sent by the next run", done.stderr)
    mails = [email.message_from_bytes(open(f"{work}/sent.{i}", "rb").read(), policy=email.policy.default)
             for i in range(len([n for n in os.listdir(work) if n.startswith("sent.") and n[5:].isdigit()]))]
    check([m["To"] for m in mails] == ["postmaster@example.com", "security@example.org"], "a mail for each domain", [m["To"] for m in mails])
    args = [open(f"{work}/args.{i}").read().split() for i in range(len(mails))]
    check(args == [["-i", "--", "postmaster@example.com"], ["-i", "--", "security@example.org"]], "its arguments", args)
    for mail in mails:
        raw = mail.as_bytes()
        check(set(mail.keys()) == {"From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "MIME-Version", "Content-Type"}
              and not mail.defects, "has its headers and no others", mail.keys())
        plain = mail.get_body(("plain",)).get_content()
        parsed = Text()
        parsed.feed(mail.get_body(("html",)).get_content())
        check(parsed.tags <= {"html", "body", "p", "table", "tr", "th", "td"}, "no markup of theirs", parsed.tags)
        check("\x1b" not in plain and "\x07" not in plain, "no control characters")
        check(all(len(line) <= 78 for line in raw.split(b"\n")) and all(b < 128 for b in raw), "short lines of ASCII")
        check(not any(line.startswith(b"From ") for line in raw.split(b"\n")), "no line begins a mail of its own")
    first, second = (m.get_body(("plain",)).get_content() for m in mails)
    check("-rf$(id)@example.com" in first and "a&b\"'<script@example.com" in first and "later" not in first, "who it is about", first)
    check("zoë@example.org" in second and "From me@example.org" in second and "off@" not in first + second, "in UTF-8", second)
    check("3 mail login alerts for example.com, 2026-11-20 10:00 UTC" == mails[0]["Subject"], "the subject", mails[0]["Subject"])
    done = run(*notify, "--sendmail", sendmail)
    check(done.returncode == 1 and len(os.listdir(work)) and not os.path.exists(f"{work}/sent.2"), "sent once though run twice", done.stderr)
    done = run("notify", "-d", db, "--policy-file", policy)
    check(done.returncode == 1 and done.stdout == "", "nothing when there is nothing", done.stdout)
    done = run("notify", "-d", db, "--policy-file", policy, "--hour", "2026-11-20T11:59")
    check(email.message_from_string(done.stdout)["To"] == "postmaster@example.com" and "later@example.com" in done.stdout, "on the standard output", done.stdout)
    done = run(*notify, "--again")
    check(done.stdout.count("\nFrom mailtrail ") == 1 and done.stdout.startswith("From mailtrail "), "two are a mailbox file", done.stdout[:200])
    done = run(*notify, "--sendmail", write(f"{work}/open", "#!/bin/sh\n", 0o777), "--again")
    check(done.returncode == 3 and "others can write it" in done.stderr, "a program that others can write is not run", done.stderr)

    # ---- actions
    program = write(f"{work}/program", f"""#!/bin/sh
printf '%s|' "$@" "$MAILTRAIL_ACCOUNT" "$MAILTRAIL_IP" "$MAILTRAIL_COUNTRY" >>{work}/ran
echo >>{work}/ran
cat >>{work}/stdin
echo said
""", 0o755)
    state = f"{work}/state"
    act = ["act", "-d", db, "--policy-file", policy, "--state", state, "--once"]
    os.chmod(policy, 0o666)
    done = run(*act)
    check(done.returncode == 3 and "others can write it" in done.stderr and not os.path.exists(f"{work}/ran"), "an unsafe policy runs nothing", done.stderr)
    os.chmod(policy, 0o644)
    done = run(*act)
    ran = open(f"{work}/ran", encoding="utf-8").read().split("\n")[:-1] if os.path.exists(f"{work}/ran") else []
    check(done.returncode == 0 and len(ran) == 6, "once for each alert of who wants it", done.stderr + "\n".join(ran))
    check(ran and ran[0] == "1|unusual-country|-rf$(id)@example.com|198.18.90.7|VN|", "its arguments and environment", ran[:1])
    check(ran and "\x1b" not in "".join(ran) and "\\x1b" in ran[2], "no control characters", ran[2:3])
    objects = [json.loads(line) for line in open(f"{work}/stdin", encoding="utf-8")] if ran else []
    check([o["id"] for o in objects] == [1, 2, 3, 4, 5, 7] and objects[1]["account"] == hostile[1], "and its input", objects)
    results = [json.loads(line) for line in open(state)]
    check([r["result"] for r in results] == ["done"] * 6 and results[0]["output"] == "said\n" and results[0]["status"] == 0, "results", results)
    run(*act)
    check(len(open(f"{work}/ran").read().split("\n")) == 7, "and never again")

    def fresh(*words, code):
        write(program, code, stat.S_IMODE(os.stat(program).st_mode))
        path = f"{work}/state-{len(os.listdir(work))}"
        done = run("act", "-d", db, "--policy-file", policy, "--state", path, *words)
        return done, [json.loads(line)["result"] for line in open(path)]

    done, results = fresh("--once", "--max-per-hour", "2", code="#!/bin/sh\nexit 3\n")
    check(results == ["failed"] * 2 + ["not run: too many in this hour"] * 4, "limited in number", results)
    done, results = fresh("--once", "--max-per-hour", "1", "--timeout", "1", code="#!/bin/sh\nsleep 60 & sleep 60\n")
    check(results[0] == "killed after 1 s", "and in time", results)
    os.chmod(program, 0o775)
    done, results = fresh("--once", code="#!/bin/sh\n")
    check(len(results) == 6 and all(r.startswith("refused: ") for r in results), "refused where others can write the program", results)
    os.chmod(program, 0o755)
    done, results = fresh("--once", "--start", "now", code="#!/bin/sh\n")
    check(results == ["begun"], "from now on", results)

print(f"1..{number}")
sys.exit(failed > 0)
