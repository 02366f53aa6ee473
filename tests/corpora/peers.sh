#!/bin/sh
# What peers expect of real logs, against what we say: tests/tools/corpora-check.py. The logs
# are other people's and no part of the project: $MT_SHARED/corpora, or ../shared/corpora.
top=${top_srcdir:-.}
corpora=${MT_SHARED:-$top/../shared}/corpora
if [ ! -d "$corpora/expected" ]; then
  echo "1..0 # SKIP no logs of other people in $corpora (set MT_SHARED)"
  exit 0
fi
if [ "${HAVE_LIBARCHIVE-}" = no ]; then
  echo "1..0 # SKIP some of the logs are compressed: built without libarchive"
  exit 0
fi
exec "${PYTHON3:-python3}" "$top/tests/tools/corpora-check.py" \
  "${top_builddir:-.}/modules/cli/mailtrail" "$corpora"
