#!/bin/sh
# The arrows of docs/architecture.md: a layer includes only those above it.
top=${top_srcdir:-.}
cd "$top/modules" || exit 99
allowed() {
  case $1 in
    scan) echo "scan" ;;
    event) echo "scan event" ;;
    dialects) echo "scan event dialects" ;;
    trail) echo "scan event trail" ;;
    geo) echo "scan geo" ;;
    watch) echo "scan event geo watch" ;;
    store) echo "scan event trail watch store" ;;
    engine) echo "scan event dialects trail geo watch store engine" ;;
    syslog-ng) echo "scan event engine syslog-ng" ;;
    rsyslog) echo "scan event engine rsyslog" ;;
    cli) echo "scan event engine cli" ;;
    *) echo "" ;;
  esac
}
n=0
failed=0
for dir in */; do
  layer=${dir%/}
  [ -n "$(find "$layer" -maxdepth 1 -name '*.[ch]')" ] || continue
  n=$((n + 1))
  wrong=
  for other in scan event dialects trail geo watch store engine syslog-ng rsyslog cli; do
    case " $(allowed "$layer") " in *" $other "*) continue ;; esac
    wrong="$wrong$(grep -nE "#include [\"<]$other/" "$layer"/*.[ch] "$layer"/*.ym 2>/dev/null)"
  done
  [ -r "$layer/README.md" ] && [ "$(wc -l <"$layer/README.md")" -le 15 ] || wrong="$wrong README.md of at most 15 lines is missing"
  if [ -z "$wrong" ]; then echo "ok $n - $layer"; else echo "not ok $n - $layer: $wrong"; failed=1; fi
done
echo "1..$n"
exit $failed
