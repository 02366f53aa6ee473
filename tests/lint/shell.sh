#!/bin/sh
# Every shell script passes shellcheck.
top=${top_srcdir:-.}
cd "$top" || exit 99
if ! command -v shellcheck >/dev/null; then
  echo "1..0 # SKIP no shellcheck here"
  exit 0
fi
n=0
for script in autogen.sh .ci/run examples/*.sh examples/*/*.sh tests/*.sh tests/*/*.sh tests/tools/*; do
  [ -f "$script" ] || continue
  head -n 1 "$script" | grep -q '^#!/bin/\(ba\)\{0,1\}sh' || continue
  n=$((n + 1))
  if said=$(shellcheck "$script"); then echo "ok $n - $script"; else
    echo "not ok $n - $script"
    echo "$said" | sed 's/^/# /'
  fi
done
echo "1..$n"
