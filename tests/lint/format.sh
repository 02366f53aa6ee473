#!/bin/sh
# Every C source is as clang-format 14 writes it; others write it otherwise.
top=${top_srcdir:-.}
cd "$top" || exit 99
if ! command -v clang-format-14 >/dev/null; then
  echo "1..0 # SKIP no clang-format-14 here"
  exit 0
fi
n=0
for layer in modules/* tests/*; do
  [ -d "$layer" ] || continue
  sources=$(find "$layer" -name '*.[ch]')
  [ -n "$sources" ] || continue
  n=$((n + 1))
  # shellcheck disable=SC2086  # a list of names without blanks
  if said=$(clang-format-14 --dry-run --Werror $sources 2>&1); then echo "ok $n - $layer"; else
    echo "not ok $n - $layer: make format"
    echo "$said" | sed -n 's/^/# /; /error:/p' | head -n 20
  fi
done
echo "1..$n"
