#!/usr/bin/env python3
"""docs/reasons.md from the table in modules/trail/reasons.c.

Without an option: checks that it is (TAP, for make check).  --update: writes it."""
import os, re, sys

top = os.environ.get("top_srcdir") or os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")
HEAD = """# Reasons

The column `reason_class` of the views comes from this table: the first line that fits decides. A text fits where it stands
anywhere in the reply, in any case, once addresses (`<...>`), hosts (`NAME[IP]`), values (`name=...`) and digits are taken out: no
name that somebody chose can change the class. A DSN (RFC 3463) fits with any class digit for `x`. A reply that nothing fits is
`other`. Delivered mail has no reason; mail that waited until it was given up is `expired`.

Made by `tests/tools/reasons-doc.py --update` from `modules/trail/reasons.c`.

| class | the reply holds | or its DSN is | whose wording |
|---|---|---|---|
"""


def table():
    source = open(os.path.join(top, "modules/trail/reasons.c"), encoding="utf-8").read()
    rows = re.findall(r'^  (TEXT|DSN)\((\w+), "((?:[^"\\]|\\.)*)", "([^"]*)"\),$', source, re.M)
    for kind, reason, what, by in rows:
        text, dsn = (f"`{what}`", "") if kind == "TEXT" else ("", f"`{what}`")
        yield f"| `{reason.lower().replace('_', '-')}` | {text} | {dsn} | {by} |\n"


def main():
    path = os.path.join(top, "docs/reasons.md")
    new = HEAD + "".join(table())
    if "--update" in sys.argv:
        open(path, "w", encoding="utf-8").write(new)
        return
    same = os.path.exists(path) and open(path, encoding="utf-8").read() == new
    print("1..1\n%s 1 - docs/reasons.md is what reasons.c says (tests/tools/reasons-doc.py --update)" % ("ok" if same else "not ok"))


main()
