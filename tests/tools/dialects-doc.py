#!/usr/bin/env python3
"""The tables of docs/dialects.md, from the headings of tests/dialects/*.spec.

A heading "## kind: what   (source, program and versions)" is a row. Without an option: checks that
they are in the document (TAP, for make check).  --update: writes them."""
import glob, os, re, sys

top = os.environ.get("top_srcdir") or os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")
BEGIN, END = "<!-- tables: tests/tools/dialects-doc.py --update -->\n", "<!-- end of tables -->\n"


def table(path):
    name = os.path.basename(path)[:-len(".spec")]
    text = open(path, encoding="utf-8").read()
    title = re.match(r"# (.*)", text).group(1)
    examples = len(re.findall(r"^>\\? ", text, re.M))
    yield f"### `{name}`: {title}\n\n{examples} examples in [its fixture](../tests/dialects/{name}.spec).\n\n| lines | printed by |\n|---|---|\n"
    for what, source in re.findall(r"^## ([^(\n]+?) *\(([^\n]*)\)$", text, re.M):
        yield "| %s | %s |\n" % (what.replace("|", "\\|"), source.replace("|", "\\|"))
    yield "\n"


def main():
    path = os.path.join(top, "docs/dialects.md")
    text = open(path, encoding="utf-8").read()
    begin, end = text.index(BEGIN) + len(BEGIN), text.index(END)
    specs = sorted(glob.glob(os.path.join(top, "tests/dialects/*.spec")))
    new = text[:begin] + "\n" + "".join(row for spec in specs for row in table(spec)) + text[end:]
    if "--update" in sys.argv:
        open(path, "w", encoding="utf-8").write(new)
        return
    print("1..1\n%s 1 - docs/dialects.md has what the fixtures say (tests/tools/dialects-doc.py --update)"
          % ("ok" if new == text else "not ok"))


main()
