#!/bin/sh
# run.sh SECONDS TARGET...: each target for so long, one after the other; what it finds is left in
# tests/fuzz of the build directory.
build=${top_builddir:-.} seconds=$1
shift
status=0
for target; do
  mkdir -p "$build/tests/fuzz/grown/$target"
  if "$build/tests/fuzz/fuzz-$target" -max_total_time="$seconds" -rss_limit_mb=4096 -timeout=10 -print_final_stats=1 \
    -dict="$build/tests/fuzz/corpus/mailtrail.dict" -artifact_prefix="$build/tests/fuzz/$target-" \
    "$build/tests/fuzz/grown/$target" "$build/tests/fuzz/corpus/$target" >"$build/tests/fuzz/$target.log" 2>&1; then
    echo "ok: $target, $(sed -n 's/^stat::number_of_executed_units: *//p' "$build/tests/fuzz/$target.log") runs"
  else
    echo "FAILED: $target"
    tail -n 40 "$build/tests/fuzz/$target.log"
    status=1
  fi
done
exit $status
