#!/usr/bin/env python3
"""Every attack of tests/tools/intruders.py is alerted in time, on the right account or address; little else is.

    intruders.py [--accounts N] [--days N] [--seed N] [--keep DIR]"""
import argparse, json, os, sqlite3, subprocess, sys, tempfile

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


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("accounts", 250), ("days", 30), ("seed", 1), ("attacks", 4)):
        options.add_argument("--" + name, type=int, default=default)
    options.add_argument("--keep")
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


if __name__ == "__main__":
    sys.exit(main())
