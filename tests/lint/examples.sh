#!/bin/sh
# Every example is accepted by the program that it is for.
top=${top_srcdir:-.} build=${top_builddir:-.}
n=0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

report() { # DONE WHAT [SKIP]
  n=$((n + 1))
  if [ "$1" = 0 ]; then echo "ok $n - $2${3:+ # SKIP $3}"; else
    echo "not ok $n - $2"
    sed 's/^/# /' "$work/out"
  fi
}

"$build/modules/cli/mailtrail" policy check "$top/examples/policy.conf" >"$work/out" 2>&1
report $? "policy.conf"

for query in "$top"/examples/queries/*.sql; do
  [ -e "$work/mail.db" ] || "$build/modules/cli/mailtrail" import -d "$work/mail.db" "$top/examples/logs/sample.log" 2>"$work/out"
  sqlite3 -bail "$work/mail.db" <"$query" >"$work/out" 2>&1 && [ -s "$work/out" ]
  report $? "queries/$(basename "$query") has an answer"
done

for conf in "$top"/examples/syslog-ng/*.conf; do
  name=syslog-ng/$(basename "$conf")
  if [ -z "$HAVE_SYSLOG_NG" ] || ! command -v syslog-ng >/dev/null; then
    report 0 "$name" "no syslog-ng here"
    continue
  fi
  case $MT_SANITIZING in *address*) report 0 "$name" "syslog-ng itself is not built with the sanitizers"; continue ;; esac
  # Files that the example names as an admin would have them.
  sed -e "s|/usr/share/GeoIP/GeoLite2-City.mmdb|$top/tests/geo/city.mmdb|" \
    -e "s|/etc/mailtrail/policy.conf|$top/examples/policy.conf|" "$conf" >"$work/conf"
  MAILTRAIL_LOG=$work/log MAILTRAIL_DIR=$work MAILTRAIL_GEO=$top/tests/geo MAILTRAIL_POLICY=$top/examples/policy.conf \
    syslog-ng --syntax-only --no-caps --cfgfile "$work/conf" \
    --module-path "$(pkg-config --variable=moduledir syslog-ng):$build/modules/syslog-ng/.libs" >"$work/out" 2>&1
  done=$?
  if [ $done != 0 ] && grep -q "smtp\|http" "$conf" && ! ls "$(pkg-config --variable=moduledir syslog-ng)"/libhttp.so \
    "$(pkg-config --variable=moduledir syslog-ng)"/libafsmtp.so >/dev/null 2>&1; then
    report 0 "$name" "syslog-ng's smtp and http modules are not here"
  else
    report $done "$name"
  fi
done
echo "1..$n"
