#!/bin/sh
# A log of many batches, read while they are written: every mail of it is there, and what is read
# twice is there once.
set -u
work=$(mktemp -d "${TMPDIR:-/tmp}/mailtrail-import.XXXXXX")
trap 'rm -rf "$work"' EXIT
top=${top_srcdir:-.} mailtrail=${top_builddir:-.}/modules/cli/mailtrail
cd "$work" || exit 1
n=0

# result NAME COMMAND...: a test that passes if the command does.
result() {
  n=$((n + 1))
  name=$1
  shift
  if "$@" >"$work/log" 2>&1; then
    echo "ok $n - $name"
  else
    sed 's/^/# /' "$work/log"
    echo "not ok $n - $name"
  fi
}

echo 1..4
"${PYTHON3-python3}" "$top/tests/tools/mailflow.py" --messages 9000 --seed 5 --reuse 0.3 --skew 3 --hosts 2 \
  --log mail.log --truth truth.json --ledger ledger.jsonl || exit 1
lines=$(wc -l <mail.log)
result "$lines lines: four batches and more" [ "$lines" -gt 90000 ]
result "they are imported" env TZ=UTC "$mailtrail" import --database mail.db mail.log
result "again" env TZ=UTC "$mailtrail" import --database mail.db mail.log
result "every mail is there, once" \
  "${PYTHON3-python3}" "$top/tests/tools/check.py" mail.db truth.json ledger.jsonl
