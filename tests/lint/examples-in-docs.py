#!/usr/bin/env python3
"""The answers that README.md and docs/schema.md print are those of the sample log.

Every "$ command" in a ```console block is run beside a store of examples/logs/sample.log;
--update writes what it prints into the document."""
import os, re, subprocess, sys, tempfile

top = os.environ.get("top_srcdir") or os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")
build = os.environ.get("top_builddir", top)
update = "--update" in sys.argv
documents = ["README.md", "docs/schema.md", "docs/alerts.md"]


def store(directory):
    mailtrail = os.path.join(build, "modules/cli/mailtrail")
    subprocess.run([mailtrail, "import", "--database", "mail.db", "--local-domains", "example.com",
                    "--geoip-database", f"{top}/tests/geo/city.mmdb", "--asn-database", f"{top}/tests/geo/asn.mmdb",
                    "--policy-file", f"{top}/examples/policy.conf", f"{top}/examples/logs/sample.log"],
                   cwd=directory, check=True)
    os.symlink(mailtrail, os.path.join(directory, "mailtrail"))


def answer(command, directory):
    env = dict(os.environ, PATH=directory + ":" + os.environ["PATH"], MAILTRAIL_DATABASE="mail.db", TZ="UTC")
    done = subprocess.run(["sh", "-c", command], cwd=directory, env=env, capture_output=True, text=True)
    return (done.stdout + done.stderr).rstrip("\n")


def main():
    results, number = [], 0
    if os.environ.get("HAVE_MAXMINDDB") == "no":
        print("1..0 # SKIP the answers hold countries: built without libmaxminddb")
        return
    with tempfile.TemporaryDirectory() as directory:
        store(directory)
        for name in documents:
            path = os.path.join(top, name)
            if not os.path.exists(path):
                continue
            text = open(path, encoding="utf-8").read()

            def block(found):
                nonlocal number
                command, said = found.group(1), found.group(2).rstrip("\n")
                is_now = answer(command, directory)
                number += 1
                results.append(f"{'ok' if update or said == is_now else 'not ok'} {number} - {name}: {command[:60]}")
                if said != is_now and not update:
                    results.append("# it prints:\n" + "\n".join("#   " + line for line in is_now.split("\n")))
                return f"```console\n$ {command}\n{is_now}\n```"

            new = re.sub(r"```console\n\$ ([^\n]*)\n(.*?)```", block, text, flags=re.S)
            if update and new != text:
                open(path, "w", encoding="utf-8").write(new)
    print(f"1..{number}" if number else "1..0 # SKIP no document")
    print("\n".join(results))


main()
