#!/bin/sh
# examples/actions do what they say, for those it is meant for, and nothing for a hostile account.
top=${top_srcdir:-.}/examples/actions
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
n=0
check() { # WHAT, after a test
  if [ "$?" = 0 ]; then r=ok; else r="not ok"; fi
  n=$((n + 1))
  echo "$r $n - $1"
}
for action in "$top"/*; do
  sh -n "$action"
  check "$(basename "$action") is a shell's"
done

export MAILTRAIL_PASSWD_FILE="$work/users" MAILTRAIL_SQL="tee $work/sql"
export MAILTRAIL_NFT="echo nft" MAILTRAIL_CSF="echo csf"
users() { printf '%s\n' 'ann@example.com:{PLAIN}a:1000' 'Bob@example.com:{PLAIN}b:1001::/home' >"$work/users"; }
reset() { MAILTRAIL_ACCOUNT=$1 "$top/reset-password-passwd-file" 17 "$2" >"$work/out" 2>&1; }

if command -v openssl >/dev/null && command -v flock >/dev/null; then
  users
  # shellcheck disable=SC2016
  reset bob@example.com login-after-failures && grep -q '^Bob@example.com:{SHA512-CRYPT}\$6\$[^:]*:1001::/home$' "$work/users" \
    && grep -q '^ann@example.com:{PLAIN}a:1000$' "$work/users"
  check "a stolen account's password is reset, no other"
  users
  reset bob@example.com brute-force && grep -q 'Bob@example.com:{PLAIN}b' "$work/users"
  check "not for guesses"
  ! reset eve@example.com many-sources && [ "$(wc -l <"$work/users")" = 2 ]
  check "an account that is not there is an error"
  # shellcheck disable=SC2016
  for hostile in '-rf' "x' OR '1'='1" 'a$(id)@example.com' 'a:b' ''; do
    ! reset "$hostile" many-sources && grep -q '{PLAIN}a' "$work/users" && grep -q '{PLAIN}b' "$work/users"
    check "not for \"$hostile\""
  done
  MAILTRAIL_ACCOUNT=ann@example.com "$top/reset-password-sql" 17 many-sources >"$work/out" 2>&1
  grep -q "^UPDATE users SET password='{SHA512-CRYPT}[^']*' WHERE email='ann@example.com';\$" "$work/sql"
  check "in SQL"
  rm -f "$work/sql"
  ! MAILTRAIL_ACCOUNT="x' OR '1'='1" "$top/reset-password-sql" 17 many-sources >/dev/null 2>&1 && [ ! -e "$work/sql" ]
  check "not for a quote"
fi

MAILTRAIL_IP=198.51.100.7 "$top/block-ip-nft" 17 brute-force | grep -q '^nft add element inet mailtrail banned4 { 198.51.100.7 timeout 1h }$'
check "an address is blocked"
MAILTRAIL_IP=2001:db8::7 "$top/block-ip-nft" 17 password-spray | grep -q 'banned6 { 2001:db8::7 timeout 1h }$'
check "of IPv6, too"
[ -z "$(MAILTRAIL_IP=198.51.100.7 "$top/block-ip-nft" 17 new-country)" ]
check "not for a login from abroad"
MAILTRAIL_IP=198.51.100.7 "$top/block-ip-csf" 17 brute-force | grep -q '^csf -td 198.51.100.7 3600 mailtrail brute-force$'
check "by csf"
! MAILTRAIL_IP='1 } ; flush ruleset' "$top/block-ip-nft" 17 brute-force >/dev/null 2>&1
check "not for what is no address"

if command -v fail2ban-regex >/dev/null; then
  echo 'Nov 20 10:01:00 mx mailtrail: ip="198.18.90.7" id="1" time="2026-11-20T10:01:00.000000Z" rule="brute-force" severity="warning" account="\" ip=\"192.0.2.1"' >"$work/log"
  fail2ban-regex "$work/log" "${top_srcdir:-.}/examples/fail2ban/filter.d/mailtrail.conf" 2>&1 | grep -q "1 matched"
  check "fail2ban's filter"
fi
echo "1..$n"
