#!/usr/bin/env python3
"""docs/schema.md is true: its views have these columns, its questions have answers and the plans it promises.

Also the queries of examples/queries. A plan fails with a scan of a table that grows with mail, other than along an index, and
with a sort where none is asked for by GROUP BY or by another column than ts."""
import glob, os, re, sqlite3, subprocess, sys, tempfile, time

top = os.environ.get("top_srcdir") or os.path.abspath(os.path.join(os.path.dirname(__file__), "../.."))
build = os.path.abspath(os.environ.get("top_builddir", "."))
results = []
GROWS = "message delivery access failure reject mailbox incident name activity guard".split()


def report(what, wrong=""):
    results.append(bool(wrong))
    print(f"{'not ok' if wrong else 'ok'} {len(results)} - {what}")
    for line in str(wrong).splitlines():
        print("# " + line)


def make_store(work):
    """Five days, so that the views are unions."""
    log, store = f"{work}/log", f"{work}/mail.db"
    subprocess.run([sys.executable, f"{top}/tests/tools/mailflow.py", "--messages", "400", "--seed", "3", "--rate", "0.0017", "--rfc3339",
                    "--start", str(int(time.time()) // 86400 * 86400 - 5 * 86400), "--log", log, "--truth", f"{work}/truth"], check=True)
    subprocess.run([f"{build}/modules/cli/mailtrail", "import", "-d", store, log], check=True)
    return sqlite3.connect(f"file:{store}?mode=ro", uri=True)


def bad_steps(db, sql):
    """The steps of its plan that grow with what is in the store."""
    sorted_by_ts = re.search(r"ORDER BY ts( DESC)?( LIMIT| *;|$)", sql)
    bad = []
    views = "".join(row[0] for row in db.execute("SELECT sql FROM sqlite_schema WHERE type='view'"))
    alias = {short: table for table, short in re.findall(r"(?:FROM|JOIN) (\w+?)_\d+ (\w)\b", views)}
    for row in db.execute("EXPLAIN QUERY PLAN " + sql):
        step = row[3]
        scan = re.match(r"SCAN (\w+)(.*)", step)
        if scan and " USING " not in scan.group(2) and (alias.get(scan.group(1)) in GROWS or scan.group(1) in GROWS):
            bad.append(step)
        if "TEMP B-TREE FOR ORDER BY" in step and sorted_by_ts and "GROUP BY" not in sql:
            bad.append(step)
    return bad


def check_query(db, name, sql):
    try:
        columns = [c[0] for c in db.execute(sql).description]
        bad = bad_steps(db, sql)
        report(f"{name} ({len(columns)} columns)", "\n".join(bad))
    except sqlite3.Error as error:
        report(name, error)


def documented_views(text):
    for name, body in re.findall(r"^### `(\w+)`\n(.*?)(?=^##)", text, re.S | re.M):
        columns = re.findall(r"^\| `(\w+)` \|", body, re.M)
        if "Columns: as `mail`" in body:
            columns = dict(documented_views_plain(text))["mail"] + columns
        yield name, columns


def documented_views_plain(text):
    for name, body in re.findall(r"^### `(\w+)`\n(.*?)(?=^##)", text, re.S | re.M):
        yield name, re.findall(r"^\| `(\w+)` \|", body, re.M)


def main():
    with open(f"{top}/docs/schema.md", encoding="utf-8") as f:
        text = f.read()
    with tempfile.TemporaryDirectory() as work:
        db = make_store(work)
        there = {r[0] for r in db.execute("SELECT name FROM sqlite_schema WHERE type='view'")}
        documented = dict(documented_views(text))
        behind = {name for name in there if name.startswith("all_")}  # as the tables, nobody's business
        report("every view is documented", " ".join(there - behind ^ set(documented)))
        for view, columns in documented.items():
            real = [c[0] for c in db.execute(f"SELECT * FROM {view} LIMIT 0").description] if view in there else []
            report(f"columns of {view}", "" if real == columns else f"there are {' '.join(real)}\ndocumented {' '.join(columns)}")
        tables = {re.sub(r"_\d+$", "_N", r[0]) for r in db.execute("SELECT name FROM sqlite_schema WHERE type='table' AND name NOT GLOB 'sqlite_*'")}
        listed = set(re.findall(r"`(\w+)`", text[text.index("| table | holds |"):text.index("## What is guaranteed")]))
        report("every table is documented", " ".join((tables | behind) - listed))
        questions = re.findall(r"^### ([^\n]+)\n\n```sql\n(.*?)```", text, re.S | re.M)
        report("there are fifteen questions at least", "" if len(questions) >= 15 else len(questions))
        for question, sql in questions:
            check_query(db, question, sql.strip().rstrip(";"))
        for path in sorted(glob.glob(f"{top}/examples/queries/*.sql")):
            with open(path) as f:
                check_query(db, os.path.basename(path), re.sub(r"--[^\n]*\n", "", f.read()).strip().rstrip(";"))
        # The check itself: it finds what it is for.
        report("a scan is found", "" if bad_steps(db, "SELECT count(*) FROM messages WHERE subject='x'") else "it is not")
        report("a sort is found", "" if bad_steps(db, "SELECT time FROM mail ORDER BY ts DESC LIMIT 5") else "it is not")
    print(f"1..{len(results)}")
    sys.exit(any(results))


main()
