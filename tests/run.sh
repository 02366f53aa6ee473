#!/bin/sh
# The test command: installs what it needs, builds in a temporary directory, runs every test,
# ends with "N passed, N failed".  --thorough: also with clang, the sanitizers, valgrind,
# without syslog-ng, and from the release archive.
set -u

top=$(cd "$(dirname "$0")/.." && pwd)
thorough=
case ${1-} in
  '') ;;
  --thorough) thorough=yes ;;
  *)
    echo "usage: tests/run.sh [--thorough]" >&2
    exit 2
    ;;
esac

passed=0
failed=0
work=$(mktemp -d "${TMPDIR:-/tmp}/mailtrail-tests.XXXXXX")
chmod 755 "$work" # some tests run our programs as somebody else
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM

finish() {
  cat "$work/failures" 2>/dev/null
  echo "$passed passed, $failed failed"
  [ "$failed" = 0 ]
  exit
}

# step WORD COMMAND...: one pass or failure of its own; its output only if it fails.
step() {
  name=$1 begun=$(date +%s)
  shift
  if "$@" >"$work/$name.log" 2>&1; then
    passed=$((passed + 1))
    echo "ok: $name, $(($(date +%s) - begun)) s"
    return 0
  fi
  failed=$((failed + 1))
  tail -n 100 "$work/$name.log"
  echo "FAILED: $name" | tee -a "$work/failures"
  return 1
}

# whys WORD DIR: what failed there and why, for the end of the output, where it is read.
whys() {
  (cd "$2" && grep -rlE --include='*.trs' '^:test-result: *(FAIL|ERROR|XPASS)' tests) | sed 's/trs$/log/' |
    while read -r log; do
      echo "$1: $log"
      awk '/^not ok/ { n = 30 } /^ok/ { n = 0 } n-- > 0 { print "  " substr($0, 1, 300) }' "$2/$log"
      tail -n 3 "$2/$log" | cut -c 1-300
    done | head -n 200
}

# check WORD DIR TARGET...: make TARGET there, its tests counted one by one.
check() {
  name=$1 dir=$2 begun=$(date +%s)
  shift 2
  (cd "$dir" && make -k -j"$jobs" "$@") >"$work/$name.log" 2>&1
  status=$?
  n_passed=$(sed -n 's/^# PASS: *//p' "$work/$name.log" | tail -n 1)
  n_failed=$(sed -n -e 's/^# FAIL: *//p' -e 's/^# XPASS: *//p' -e 's/^# ERROR: *//p' "$work/$name.log" |
    awk '{ n += $1 } END { print n + 0 }')
  passed=$((passed + ${n_passed:-0}))
  if [ $status != 0 ] || [ -z "$n_passed" ] || [ "$n_failed" != 0 ]; then
    grep -E '^(FAIL|ERROR|XPASS)|warning:|[Ee]rror' "$work/$name.log" | head -n 60
    [ "$n_failed" != 0 ] || n_failed=1
    tail -n 200 "$dir"/test-suite.log 2>/dev/null
    whys "$name" "$dir" >>"$work/failures"
  fi
  failed=$((failed + n_failed))
  grep -h '^SKIP' "$work/$name.log" | sort | uniq -c | sort -rn | head -n 20
  echo "$name: ${n_passed:-0} passed, $n_failed failed, $(($(date +%s) - begun)) s"
}

# configured DIR OPTION...: a build directory beside the sources.
# shellcheck disable=SC2317  # step calls it
configured() {
  mkdir -p "$1" && cd "$1" && shift && "$work/src/configure" --quiet "$@"
}

jobs=$(nproc)
step packages "$top/tests/tools/install-packages" build test || finish

# Only what is under version control, where that can be told: nothing is to depend on the rest.
mkdir "$work/src"
if git -C "$top" rev-parse --is-inside-work-tree >/dev/null 2>&1; then
  (cd "$top" && git ls-files -z --cached --others --exclude-standard | xargs -0 ls -d 2>/dev/null |
    tar -cf - -T -) | tar -xf - -C "$work/src"
else
  (cd "$top" && tar -cf - .) | tar -xf - -C "$work/src"
fi
MT_SHARED=${MT_SHARED-$(cd "$top/../shared" 2>/dev/null && pwd)}
export MT_SHARED

step autogen sh -c "cd '$work/src' && ./autogen.sh" || finish
step configure configured "$work/gcc" --enable-werror || finish
step build make -C "$work/gcc" -j"$jobs" || finish
check check "$work/gcc" check

if [ -n "$thorough" ]; then
  if step configure-clang configured "$work/clang" CC=clang --enable-werror --enable-sanitizers=address,undefined; then
    check sanitized "$work/clang" check
  fi
  if step configure-fuzz configured "$work/fuzz" CC=clang --enable-fuzzing --enable-sanitizers=address,undefined --disable-syslog-ng; then
    step fuzz make -C "$work/fuzz" -j"$jobs" check-fuzz FUZZ_SECONDS=10
  fi
  if step configure-thread configured "$work/thread" CC=clang --enable-werror --enable-sanitizers=thread --disable-syslog-ng; then
    check threads "$work/thread" check-threads
  fi
  step valgrind make -C "$work/gcc" -j"$jobs" check-valgrind
  if step configure-bare configured "$work/bare" --disable-syslog-ng --without-maxminddb --without-libarchive; then
    check bare "$work/bare" check
  fi
  step distcheck make -C "$work/gcc" -j"$jobs" distcheck AM_DISTCHECK_CONFIGURE_FLAGS=--enable-werror
  step install make -C "$work/gcc" install "DESTDIR=$work/root"
  step installed sh -c "cd '$work/root' && find . -name libmailtrail.so | grep -q . &&
    find . -path '*/bin/mailtrail' | grep -q . && find . -name mailtrail-rsyslog | grep -q ."
  step quickstart "$top/examples/quickstart.sh"
fi
finish
