#!/usr/bin/env python3
"""Links in the documents lead somewhere; every function that a header offers has a comment above."""
import glob, os, re

top = os.environ.get("top_srcdir") or os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")
results = []


def check(what, wrong):
    results.append(what)
    print(f"{'not ok' if wrong else 'ok'} {len(results)} - {what}")
    for line in wrong:
        print(f"# {line}")


def slug(title):
    return re.sub(r"[^\w\- ]", "", title.strip().lower()).replace(" ", "-")


def anchors(path):
    return {slug(title) for title in re.findall(r"^#+ (.*)$", open(path, encoding="utf-8").read(), re.M)}


def broken_links(path):
    text = re.sub(r"```.*?```", "", open(path, encoding="utf-8").read(), flags=re.S)
    for target in re.findall(r"\[[^\]]*\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        file = os.path.normpath(os.path.join(os.path.dirname(path), name)) if name else path
        if not os.path.exists(file) or anchor and file.endswith(".md") and anchor not in anchors(file):
            yield f"{os.path.relpath(path, top)}: {target}"


# Verbs that mean one thing everywhere, and subcommands, which main.c's table describes.
IDIOMS = re.compile(r"cli_run_\w+|\w+_(?:new|free|init|clear|ref|unref|name|error_quark)")


def undocumented(path):
    """A prototype needs a comment above it, or above the group of lines that it stands in, or naming it."""
    text = open(path, encoding="utf-8").read()
    comments = "".join(re.findall(r"/\*.*?\*/", text, re.S))
    blocks = re.split(r"\n\s*\n", text)
    for block in blocks:
        commented = False
        for line in block.split("\n"):
            if "*/" in line or line.startswith("/*") or line.startswith(" *"):
                commented = True
            found = re.match(r"(?!typedef|#|static const|extern|\s|\*|/|\})[\w ]+[ *](mt_\w+|cli_\w+)\s*\(", line)
            if found and not commented and not IDIOMS.fullmatch(found.group(1)) and found.group(1) not in comments:
                yield f"{os.path.relpath(path, top)}: {found.group(1)}()"


def main():
    documents = sorted(glob.glob(os.path.join(top, "*.md")) + glob.glob(os.path.join(top, "docs/**/*.md"), recursive=True)
                       + glob.glob(os.path.join(top, "modules/*/README.md")))
    check(f"links of {len(documents)} documents", [line for path in documents for line in broken_links(path)])
    headers = sorted(path for path in glob.glob(os.path.join(top, "modules/*/*.h")) if not path.endswith(("-grammar.h", "/private.h")))
    check(f"functions of {len(headers)} headers have a comment", [line for path in headers for line in undocumented(path)])
    print(f"1..{len(results)}")


main()
