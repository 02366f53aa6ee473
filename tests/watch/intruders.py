#!/usr/bin/env python3
"""Every attack of tests/tools/intruders.py is alerted in time, on the right account or address; little else is.

    intruders.py [--accounts N] [--days N] [--seed N] [--keep DIR] [--fail2ban]

With --fail2ban the log also goes through the filters of that (Debian package fail2ban), and five failures of an address in ten
minutes, as in Debian's jail, count as its alarm; only figures are printed, no test depends on them."""
import argparse, ast, collections, json, os, shutil, sqlite3, subprocess, sys, tempfile

top = os.environ.get("top_srcdir") or os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")
build = os.environ.get("top_builddir", top)
HOUR, DAY = 3600, 86400
# An alert may come this much behind the attack's last line; what follows from an attack (its address is known
# by then, the owner's next login is far away) is no false alarm for a day.
LATE, AFTERMATH = 60, DAY


def touches(attack, alert):
    return (attack["account"] and attack["account"] == alert["account"]) or alert["ip"] in attack["ips"]


def judge(labels, alerts):
    rows = {}
    for attack in labels["attacks"]:
        row = rows.setdefault(attack["rule"], [0, 0, 0, []])
        row[0] += 1
        hits = [a for a in alerts if a["rule"] == attack["rule"] and attack["begin"] <= a["at"] <= attack["end"] + LATE
                and (a["account"] == attack["account"] if attack["account"] else a["ip"] == attack["ip"])]
        if hits:
            row[1] += 1
        else:
            row[3].append("missed: %s" % attack)
    for alert in alerts:
        row = rows.setdefault(alert["rule"], [0, 0, 0, []])
        if any(touches(attack, alert) and attack["begin"] <= alert["at"] <= attack["end"] + AFTERMATH for attack in labels["attacks"]):
            continue
        if any(e["rule"] == alert["rule"] and e["account"] == alert["account"] for e in labels["expected"]):
            row[2] += 1
        else:
            row[3].append("false: %s" % alert)
    return rows


# Of fail2ban 1.0.2: Debian's jails and their defaults.
FILTERS = ("postfix[mode=auth]", "dovecot", "exim")
MAX_RETRY, FIND_TIME, BAN_TIME = 5, 600, 600


def failures_of_fail2ban(log, name):
    """(time, address) of every line that the filter takes for a failure."""
    done = subprocess.run(["fail2ban-regex", "--out", "row", log, name], stdout=subprocess.PIPE, text=True, check=True, env=dict(os.environ, TZ="UTC"))
    rows = [ast.literal_eval(line.strip().rstrip(",")) for line in done.stdout.splitlines() if line.startswith("[")]
    return [(row[1], row[0]) for row in rows]


def bans(failures):
    """What the jail would make of them."""
    recent, banned, until = collections.defaultdict(collections.deque), [], {}
    for at, ip in sorted(failures):
        recent[ip].append(at)
        while recent[ip][0] <= at - FIND_TIME:
            recent[ip].popleft()
        if len(recent[ip]) >= MAX_RETRY and until.get(ip, 0) <= at:
            banned.append((at, ip))
            until[ip] = at + BAN_TIME
            recent[ip].clear()
    return banned


def compare(log, labels, rows):
    """Prints what fail2ban makes of the same log, beside ours."""
    if not shutil.which("fail2ban-regex"):
        print("# fail2ban is not installed: nothing to compare with")
        return
    found = {name: failures_of_fail2ban(log, name) for name in FILTERS}
    banned = bans(sum(found.values(), []))
    print(f"# failures there are: {sum(labels['failures'].values())} {labels['failures']}")
    print("# failures fail2ban counts: " + ", ".join(f"{name} {len(failures)}" for name, failures in found.items()))
    print("# attacks alerted          mailtrail   fail2ban")
    for rule, (attacks, alerted, _, _) in rows.items():
        hits = sum(any(ip in attack["ips"] and attack["begin"] <= at <= attack["end"] + LATE for at, ip in banned)
                   for attack in labels["attacks"] if attack["rule"] == rule)
        print(f"# {rule:26} {alerted:3} of {attacks:2}  {hits:3} of {attacks:2}")
    attackers = {ip for attack in labels["attacks"] for ip in attack["ips"]}
    false = [(at, ip) for at, ip in banned if ip not in attackers]
    ours = sum(w.startswith("false") for row in rows.values() for w in row[3])
    months = labels["accounts"] * labels["days"] / (500 * 30)
    print(f"# false alarms, 500 accounts a month: {ours / months:.1f} and {len(false) / months:.1f} (of {len({ip for _, ip in false})} addresses)")


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("accounts", 250), ("days", 30), ("seed", 1), ("attacks", 4)):
        options.add_argument("--" + name, type=int, default=default)
    options.add_argument("--keep")
    options.add_argument("--fail2ban", action="store_true")
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        work = given.keep or scratch
        log, truth, db, policy = (os.path.join(work, name) for name in ("mail.log", "labels.json", "mail.db", "policy"))
        subprocess.run([sys.executable, f"{top}/tests/tools/intruders.py", log, truth, "--accounts", str(given.accounts), "--days", str(given.days),
                        "--seed", str(given.seed), "--attacks", str(given.attacks)], check=True)
        labels = json.load(open(truth))
        with open(policy, "w") as to:
            to.write(labels["policy"])
        os.chmod(policy, 0o644)
        done = subprocess.run([os.path.join(build, "modules/cli/mailtrail"), "import", "--database", db, "--policy-file", policy,
                               "--geoip-database", f"{top}/tests/geo/city.mmdb", "--asn-database", f"{top}/tests/geo/asn.mmdb",
                               "--anonymous-ip-database", f"{top}/tests/geo/anonymous.mmdb", "--retention", "0", log])
        store = sqlite3.connect(db)
        alerts = [dict(zip(("at", "rule", "account", "ip", "text"), row))
                  for row in store.execute("SELECT ts/1e6, rule, account, ip, text FROM alerts ORDER BY id")]
        rows = judge(labels, alerts)
        if given.fail2ban:
            compare(log, labels, rows)
    months = labels["accounts"] * labels["days"] / (500 * 30)
    print(f"# {labels['accounts']} accounts, {labels['days']} days: {len(alerts)} alerts")
    print("# rule                      attacks  alerted  expected  false")
    number, false = 0, 0
    for rule, (attacks, alerted, expected, wrong) in rows.items():
        wrongs = [w for w in wrong if w.startswith("false")]
        false += len(wrongs)
        print(f"# {rule:26} {attacks:6} {alerted:8} {expected:9} {len(wrongs):6}")
    print(f"{'ok' if done.returncode == 0 else 'not ok'} 1 - import")
    for number, (rule, (attacks, alerted, expected, wrong)) in enumerate(rows.items(), 2):
        print(f"{'ok' if attacks and alerted == attacks else 'not ok'} {number} - {rule}: {alerted} of {attacks} alerted")
        print("".join(f"#   {w}\n" for w in wrong[:10]), end="")
    print(f"{'ok' if false <= max(months, 1) else 'not ok'} {number + 1} - {false} false alarms")
    print(f"1..{number + 1}")
    return 0


if os.environ.get("HAVE_MAXMINDDB") == "no":
    print("1..0 # SKIP its rules need countries: built without libmaxminddb")
    sys.exit()

if __name__ == "__main__":
    sys.exit(main())
