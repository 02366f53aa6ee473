#!/bin/sh
# No mutable globals below the hosts: what stands in .data or .bss must not be there,
# but for the quarks of error domains (q.N of G_DEFINE_QUARK).
top=${top_builddir:-.}
cd "$top/modules" || exit 99
case $MT_SANITIZING in *sanitize* | *coverage*) echo "1..0 # SKIP sanitizers and coverage add globals of their own"; exit 0 ;; esac
n=0
failed=0
for layer in scan event dialects trail geo watch store engine rsyslog cli; do
  [ -d "$layer/.libs" ] || continue
  n=$((n + 1))
  found=$(objdump -t "$layer"/.libs/*.o | grep -E '[[:space:]](\.data|\.bss|\.tdata|\.tbss|\*COM\*|\.data\.local)[[:space:]]' | grep -vE ' d +\.| q\.[0-9]+$')
  if [ -z "$found" ]; then echo "ok $n - $layer has no mutable globals"; else echo "not ok $n - $layer: $found"; failed=1; fi
done
echo "1..$n"
exit $failed
