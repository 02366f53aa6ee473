#!/usr/bin/env python3
"""The grammar, its keywords, the settings, the man page and the examples know the same options."""
import glob, os, re

top = os.environ.get("top_srcdir") or os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")
results = []

# syslog-ng's own, which every threaded destination has.
INHERITED = {"disk-buffer", "persist-name", "log-fifo-size"}
REFUSED = {"workers", "retries", "batch-timeout"}


def read(name):
    return open(os.path.join(top, name), encoding="utf-8").read()


def check(what, wrong):
    results.append(what)
    print(f"{'not ok' if wrong else 'ok'} {len(results)} - {what}")
    for line in sorted(wrong):
        print(f"# {line}")


def differ(one, one_name, other, other_name):
    return [f"{name}: in {one_name} only" for name in one - other] + [f"{name}: in {other_name} only" for name in other - one]


def dashed(keyword):
    return keyword.lower().replace("_", "-")


def man_options(text):
    """Options of each section: ".It Ic NAME Ns ..., Ic NAME Ns ..." items."""
    sections = {}
    for title, body in re.findall(r"^\.Sh (\w+)\n(.*?)(?=^\.Sh |\Z)", text, re.S | re.M):
        sections[title] = {name for line in re.findall(r"^\.It (.*)$", body, re.M) for name in re.findall(r"Ic ([a-z-]+)", line)}
    return sections


def calls(text):
    """What stands between the parentheses of each mailtrail(...)."""
    for found in re.finditer(r"\bmailtrail\(", text):
        depth, end = 1, found.end()
        while depth and end < len(text):
            depth += {"(": 1, ")": -1}.get(text[end], 0)
            end += 1
        yield text[found.end():end - 1]


def used_options(text):
    for inside in calls(text):
        flat, depth = "", 0
        for c in re.sub(r'"[^"]*"|#.*', '""', inside):
            depth -= c == ")"
            flat += c if depth == 0 else ""
            depth += c == "("
        yield from re.findall(r"([a-z][a-z-]*)\(", flat.replace("_", "-"))


def main():
    grammar, parser = read("modules/syslog-ng/mailtrail-grammar.ym"), read("modules/syslog-ng/mailtrail-parser.c")
    tokens = set(re.findall(r"^%token KW_(\w+)", grammar, re.M))
    keywords = set(re.findall(r"\{ \"\w+\", KW_(\w+) \}", parser))
    named = {name: token for name, token in re.findall(r"\{ \"(\w+)\", KW_(\w+) \}", parser)}
    check("every token has its keyword", differ(tokens, "the grammar", keywords, "the keywords"))
    check("under its name", [name for name, token in named.items() if name != token.lower()])

    rules = re.search(r"\n%%\n(.*)", grammar, re.S).group(1)
    taken = {dashed(name) for name in re.findall(r"KW_(\w+)\s*(?:'\('|\{ \$\$)", rules)} - {"mailtrail"}
    settings = set(re.findall(r"OPTION\(\"([a-z-]+)\"", read("modules/engine/settings.c")))
    strings = set(re.findall(r"\(gpointer\) \"([a-z-]+)\"", rules))
    check("every token is used", {name for name in map(dashed, tokens - {"MAILTRAIL"}) if name not in taken})
    check("the grammar sets all settings, and no others", differ(strings, "the grammar", settings, "engine/settings.c"))

    man = man_options(read("docs/man/mailtrail-syslog-ng.7"))
    described = set.union(man["DESTINATION"], man["SOURCE"], man["PARSER"])
    check("the man page describes every option", differ(taken - REFUSED, "the grammar", described - INHERITED, "the man page"))
    check("and those that are refused", {name for name in REFUSED & taken if not re.search(rf"^\.Ic {name}\b", read("docs/man/mailtrail-syslog-ng.7"), re.M)})

    wrong = []
    places = sorted(glob.glob(os.path.join(top, "examples/syslog-ng/*.conf")) + glob.glob(os.path.join(top, "docs/**/*.md"), recursive=True)) \
        + [os.path.join(top, "README.md"), os.path.join(top, "docs/man/mailtrail-syslog-ng.7")]
    used = set()
    for path in places:
        for option in used_options(open(path, encoding="utf-8").read()):
            used.add(option)
            if option not in (taken - REFUSED) | INHERITED:
                wrong.append(f"{os.path.relpath(path, top)}: {option}()")
    check(f"examples and documents use options that there are ({len(used)} of them)", wrong or ([] if len(used) > 5 else ["too few found"]))
    print(f"1..{len(results)}")


main()
