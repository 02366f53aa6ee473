#!/bin/sh
# Every fuzz target over its seeds, and over what it once tripped on (found/TARGET).
top=${top_srcdir:-.} build=${top_builddir:-.}
n=0
for target in $MT_FUZZ_TARGETS; do
  n=$((n + 1))
  set -- "$build/tests/fuzz/corpus/$target"
  [ ! -d "$top/tests/fuzz/found/$target" ] || set -- "$@" "$top/tests/fuzz/found/$target"
  [ -z "$MT_FUZZING" ] || set -- -runs=0 "$@"
  if said=$("$build/tests/fuzz/fuzz-$target" "$@" 2>&1); then echo "ok $n - $target"; else
    echo "not ok $n - $target"
    echo "$said" | tail -n 30 | sed 's/^/# /'
  fi
done
echo "1..$n"
