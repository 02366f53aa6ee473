#!/bin/sh
# mailtrail from nothing, on Debian 12: installs what a build needs, builds in a temporary
# directory, lets a real syslog-ng read a sample mail log, and shows records and alerts.
# Leaves nothing behind but the Debian packages.
set -eu

top=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d "${TMPDIR:-/tmp}/mailtrail.XXXXXX")
pid=

clean_up() {
  if [ -n "$pid" ]; then
    kill "$pid" 2>/dev/null || :
    wait "$pid" 2>/dev/null || :
  fi
  rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 1' HUP INT TERM

say() { printf '\n== %s\n' "$*"; }
fail() {
  printf 'quickstart: %s\n' "$*" >&2
  exit 1
}

say "what a build needs"
"$top/tests/tools/install-packages" build

say "building in $work"
mkdir "$work/src" "$work/build"
# A copy, without what an earlier build may have left: the tree itself stays as it is.
(cd "$top" && tar -cf - --exclude=.git --exclude='*.o' --exclude='*.lo' --exclude='*.la' --exclude=.libs \
  --exclude=.deps --exclude=config.status --exclude=config.h --exclude=Makefile .) | tar -xf - -C "$work/src"
(
  cd "$work/src" && ./autogen.sh
  cd "$work/build" && ../src/configure --quiet && make -s -j"$(nproc)"
) >"$work/build.log" 2>&1 || {
  tail -n 40 "$work/build.log" >&2
  fail "the build failed"
}
mailtrail=$work/build/modules/cli/mailtrail

say "syslog-ng reads examples/logs/sample.log"
export MAILTRAIL_LOG="$top/examples/logs/sample.log" MAILTRAIL_DIR="$work" \
  MAILTRAIL_GEO="$top/tests/geo" MAILTRAIL_POLICY="$top/examples/policy.conf" \
  MAILTRAIL_DATABASE="$work/mail.db"
modules=$(pkg-config --variable=moduledir syslog-ng)
syslog-ng --foreground --no-caps --cfgfile "$top/examples/syslog-ng/quickstart.conf" \
  --persist-file "$work/persist" --pidfile "$work/pid" --control "$work/control" \
  --module-path "$modules:$work/build/modules/syslog-ng/.libs" >"$work/syslog-ng.log" 2>&1 &
pid=$!

# Done when the last line's alert has come back out of the store into syslog.
tries=0
until grep -q unusual-country "$work/alerts.log" 2>/dev/null; do
  tries=$((tries + 1))
  if [ $tries -gt 300 ] || ! kill -0 "$pid" 2>/dev/null; then
    cat "$work/syslog-ng.log" >&2
    fail "no alert within 30 s"
  fi
  sleep 0.1
done

say "mailtrail search: what became of each mail"
"$mailtrail" search
say "mailtrail trace 4fTqBx5Jc9z3Xy: one of them, hop by hop"
"$mailtrail" trace 4fTqBx5Jc9z3Xy
say "mailtrail accesses: who logged in from where"
"$mailtrail" accesses
say "sqlite3: what was refused at the door"
sqlite3 -box "$work/mail.db" \
  'SELECT time, sender, recipient, client_ip, reason_class FROM mail_rejected ORDER BY ts'
say "alerts, as they came back into syslog"
cat "$work/alerts.log"
