#!/usr/bin/env python3
"""import, prune and forget that are killed or interrupted: a second run completes them.

CRASH_KILLS says how many kills in all, CRASH_SEED which."""
import os, random, shutil, signal, subprocess, sys, time

sys.dont_write_bytecode = True  # nothing goes into the source tree
import bed  # noqa: E402

KILLS = int(os.environ.get("CRASH_KILLS", "6"))
SETTINGS = ["--local-domains", "example.com", "--local-domains", "example.org", "--local-domains", "shop.example.net",
            "--local-domains", "klinik.example.de", "--store-unknown-accounts", "yes"]
DAY = 86400


def interrupt(arguments, after, number):
    """Sends the signal after that time.  The exit status, or the negative signal."""
    child = subprocess.Popen([bed.mailtrail, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=bed.ENV)
    try:
        child.wait(after)
    except subprocess.TimeoutExpired:
        child.send_signal(number)
    said = child.communicate()[1]
    return child.returncode, said


def must(*arguments):
    done = bed.run(*arguments)
    return "" if done.returncode == 0 else f"{' '.join(arguments[:2])}: status {done.returncode}: {done.stdout}{done.stderr}"


def timed(*arguments):
    begin = time.monotonic()
    wrong = must(*arguments)
    return time.monotonic() - begin, wrong


def killed(arguments, store, took, kills, dice):
    """Kills it that often, at moments within what is left of its work; from the start where it came to its end before."""
    first = f"{store}.first" if os.path.exists(store) else None
    if first:
        shutil.copy(store, first)
    hits, tries = 0, 0
    while hits < kills and tries < 5 * kills + 10:
        tries += 1
        if interrupt(arguments, took * dice.uniform(.05, .8), signal.SIGKILL)[0] == -signal.SIGKILL:
            hits += 1
            continue
        took *= .7
        for suffix in ("", "-wal", "-shm"):
            if os.path.exists(store + suffix):
                os.unlink(store + suffix)
        if first:
            shutil.copy(first, store)
    return "" if hits == kills else f"only {hits} kills of {tries} came in time"


def check_import(tap, work, log, kills, dice):
    whole = f"{work}/whole.db"
    took, wrong = timed("import", "-d", whole, *SETTINGS, log)
    store = f"{work}/killed.db"
    wrong = wrong or killed(["import", "-d", store, *SETTINGS, log], store, took, kills, dice)
    wrong = wrong or must("import", "-d", store, *SETTINGS, log) or bed.differences(store, whole)
    tap.report(f"import, killed {kills} times", wrong)
    for i in range(8):  # until it comes in time
        store = f"{work}/interrupted-{i}.db"
        status, said = interrupt(["import", "-d", store, *SETTINGS, log], took * .5 * .6 ** i, signal.SIGINT)
        if status != 0 and (status != -signal.SIGINT or i == 7):
            break
    wrong = "" if status == 130 and "a second run completes it" in said else f"status {status}: {said}"
    wrong = wrong or must("store", "check", "-d", store) or must("import", "-d", store, *SETTINGS, log)
    tap.report("import, interrupted by Ctrl-C", wrong or bed.differences(store, whole))
    return whole


def check_prune(tap, work, seed, kills, dice):
    log = f"{work}/long.log"
    bed.make_log(log, 1200, seed, "--rate", "0.00045", "--rfc3339", "--start", str(int(time.time()) - 60 * DAY))
    full, whole, store = f"{work}/full.db", f"{work}/pruned.db", f"{work}/pruning.db"
    wrong = must("import", "-d", full, *SETTINGS, log)
    shutil.copy(full, whole)
    shutil.copy(full, store)
    prune = ["store", "prune", "--retention", "20", "-d"]
    took, failed = timed(*prune, whole)
    wrong = wrong or failed or killed([*prune, store], store, took, kills, dice)
    wrong = wrong or must(*prune, store) or must("store", "check", "-d", store) or bed.differences(store, whole)
    old = (int(time.time()) // DAY - 20) * DAY * 1000000
    for view in "mail accesses accesses_failed mail_rejected incidents alerts".split():
        kept, want = (bed.ask(s, f"SELECT count(*) FROM {view} WHERE ts>={old}") for s in (store, full))
        too_old = bed.ask(store, f"SELECT count(*) FROM {view} WHERE ts<{old}")
        if view != "mail" and (kept != want or too_old):
            wrong = wrong or f"{view}: {kept} rows kept of {want}, {too_old} too old"
    wrong = wrong or ("" if bed.rows_of(bed.connect(store), "activity_daily") == bed.rows_of(bed.connect(full), "activity_daily")
                      else "activity_daily has changed")
    wrong = wrong or ("" if os.path.getsize(store) < .6 * os.path.getsize(full) else "the file has not become smaller")
    tap.report(f"prune, killed {kills} times", wrong)


def check_forget(tap, work, whole, kills, dice):
    address = bed.ask(whole, "SELECT recipient FROM mail WHERE direction='in' GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT 1")
    store = f"{work}/forgetting.db"
    shutil.copy(whole, store)
    wrong = killed(["forget", "-d", store, address], store, .3, kills, dice)
    bed.run("forget", "-d", store, address)
    for name in (store, store + "-wal"):
        with open(name, "rb") as f:
            if address.encode() in f.read().lower():
                wrong = wrong or f"{address} still stands in {os.path.basename(name)}"
    tap.report(f"forget, killed {kills} times", wrong or must("store", "check", "-d", store))


def main():
    tap, seed = bed.Tap(), bed.seed_of_run()
    dice, kills = random.Random(seed), max(KILLS // 3, 2)
    with bed.temporary() as work:
        log = f"{work}/log"
        bed.make_log(log, 2500 if KILLS < 20 else 8000, seed, "--reuse", ".3", "--skew", "2", "--hosts", "2")
        whole = check_import(tap, work, log, kills, dice)
        check_prune(tap, work, seed, kills, dice)
        check_forget(tap, work, whole, kills, dice)
    tap.finish()


main()
