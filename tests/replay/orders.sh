#!/bin/sh
# One log in many legal orders, with commits and restarts anywhere: the same store.
# MT_SEED repeats a run.
set -e
top=${top_srcdir:-.}
build=${top_builddir:-.}
seed=${MT_SEED:-$(od -An -N2 -tu2 /dev/urandom | tr -d ' ')}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
echo "# MT_SEED=$seed"
"${PYTHON3:-python3}" "$top/tests/tools/mailflow.py" --messages 250 --seed "$seed" --hosts 2 --rfc3339 --reuse 0.5 --skew 61 \
  --log "$work/log" --truth "$work/truth" --ledger "$work/ledger" >/dev/null
# shellcheck disable=SC2086  # a program and its options, or nothing
$MT_UNDER "$build/tests/replay/test-orders" "$work/log" "$seed"
