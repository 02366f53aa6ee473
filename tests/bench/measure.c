#include "bench/measure.h"

#include <stdio.h>
#include <time.h>

gdouble
measure_now_s(void)
{
  struct timespec at;

  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &at);
  return at.tv_sec + at.tv_nsec / 1e9;
}

guint64
measure_lines(MtSpan text, MeasureFunc func, gpointer data)
{
  const gchar *at = text.at, *end = text.at + text.len;
  guint64 lines = 0;

  while (at < end)
    {
      const gchar *eol = memchr(at, '\n', end - at);

      eol = eol ? eol : end;
      func(data, mt_span(at, eol - at));
      lines++;
      at = eol + 1;
    }
  return lines;
}

void
measure_say(const gchar *what, guint64 lines, gdouble took_s)
{
  printf("{\"mode\":\"%s\",\"lines\":%" G_GUINT64_FORMAT
         ",\"seconds\":%.3f,\"ns_per_line\":%.1f,\"lines_per_second\":%.0f}\n",
         what, lines, took_s, took_s * 1e9 / lines, lines / took_s);
}
