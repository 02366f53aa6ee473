/* bench-attack: what a flood of failed logins costs, in time and memory
 *
 *   bench-attack ordinary|single|addresses|names|both LINES DATABASE     one JSON object
 *
 * "ordinary": 1,000 addresses at 1,000 names; "single": one at one; "addresses", "names", "both":
 * each line has one that was never seen before.  First come ordinary lines that are not counted, so
 * that caches are as full as they get.  Memory is RssAnon of the kernel: what files it maps does
 * not count.
 */
#include "engine/engine.h"
#include "engine/reader.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* As the syslog-ng destination's. */
#define BATCH_LINES 20000
#define WARM_LINES 100000
#define ORDINARY 1000

/* 2026-03-02T00:00:00Z */
#define EPOCH_S G_GINT64_CONSTANT(1772409600)
#define LINES_A_SECOND 1000

typedef struct
{
  MtEngine *engine;
  MtReader *reader;
  guint64 pushed;
  gint64 most_kib;
} Bench;

static gdouble
now_s(clockid_t clock)
{
  struct timespec at;

  clock_gettime(clock, &at);
  return at.tv_sec + at.tv_nsec / 1e9;
}

static gint64
anonymous_kib(void)
{
  gchar *text = NULL;
  const gchar *at;
  gint64 kib = 0;

  if (g_file_get_contents("/proc/self/status", &text, NULL, NULL)
      && (at = strstr(text, "RssAnon:")))
    kib = g_ascii_strtoll(at + strlen("RssAnon:"), NULL, 10);
  g_free(text);
  return kib;
}

static gint64
line_time_s(const Bench *bench)
{
  return EPOCH_S + bench->pushed / LINES_A_SECOND;
}

static void
fail(const GError *error)
{
  fprintf(stderr, "bench-attack: %s\n", error->message);
  exit(1);
}

static void
hear(gpointer user, MtLogLevel level, const gchar *message)
{
  (void) user;
  if (level != MT_LOG_INFO)
    fprintf(stderr, "bench-attack: %s\n", message);
}

static void
commit(Bench *bench)
{
  MtTime now = line_time_s(bench) * MT_SECOND_US;
  GError *error = NULL;

  if (!mt_engine_commit(bench->engine, now, &error))
    fail(error);
  mt_engine_tick(bench->engine, now);
  bench->most_kib = MAX(bench->most_kib, anonymous_kib());
}

/* 100.64.0.0/10 has room for four million. */
static void
push(Bench *bench, guint address, guint name)
{
  gchar raw[256], stamp[32];
  time_t at = line_time_s(bench);
  struct tm tm;
  GError *error = NULL;
  MtLine line;
  gint len;

  strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%S", gmtime_r(&at, &tm));
  len = g_snprintf(
      raw, sizeof raw,
      "%s.%06u+00:00 mx dovecot: imap-login: Disconnected: Connection closed (auth failed, 1 "
      "attempts in 2 secs): user=<user%u@example.com>, method=PLAIN, rip=100.%u.%u.%u, "
      "lip=192.0.2.10, TLS, session=<S%015" G_GUINT64_FORMAT ">",
      stamp, (guint) (bench->pushed % LINES_A_SECOND) * 1000, name, 64 + (address >> 16),
      address >> 8 & 255, address & 255, bench->pushed);
  mt_reader_head(bench->reader, mt_span(raw, len), &line);
  if (!mt_engine_push(bench->engine, &line, -1, &error))
    fail(error);
  if (++bench->pushed % BATCH_LINES == 0)
    commit(bench);
}

static void
run(Bench *bench, const gchar *mode, guint64 lines)
{
  gboolean addresses = g_str_equal(mode, "addresses") || g_str_equal(mode, "both");
  gboolean single = g_str_equal(mode, "single");
  gboolean names = g_str_equal(mode, "names") || g_str_equal(mode, "both");

  for (guint64 i = 0; i < lines; i++)
    push(bench,
         single      ? 0
         : addresses ? ORDINARY + i
                     : i % ORDINARY,
         single  ? 0
         : names ? ORDINARY + i
                 : i * 7 % ORDINARY);
  commit(bench);
}

int
main(int argc, char **argv)
{
  MtReaderSettings reading = { .latest = (EPOCH_S + 365 * 86400) * MT_SECOND_US };
  MtEngineCounters counters;
  MtSettings settings;
  GError *error = NULL;
  Bench bench = { 0 };
  guint64 lines = argc == 4 ? g_ascii_strtoull(argv[2], NULL, 10) : 0;
  gint64 before_kib;
  gdouble took_s, cpu_s;

  if (!lines)
    {
      fprintf(stderr, "usage: bench-attack ordinary|single|addresses|names|both LINES DATABASE\n");
      return 2;
    }
  mt_settings_init(&settings);
  if (!mt_settings_set(&settings, "database", argv[3], &error)
      || !mt_settings_set(&settings, "retention", "0", &error)
      || !(bench.engine = mt_engine_open(&settings, 0, EPOCH_S * MT_SECOND_US, hear, NULL, &error)))
    fail(error);
  bench.reader = mt_reader_new(&reading, NULL);
  run(&bench, "ordinary", WARM_LINES);
  before_kib = bench.most_kib = anonymous_kib();
  took_s = -now_s(CLOCK_MONOTONIC);
  cpu_s = -now_s(CLOCK_PROCESS_CPUTIME_ID);
  run(&bench, argv[1], lines);
  took_s += now_s(CLOCK_MONOTONIC);
  cpu_s += now_s(CLOCK_PROCESS_CPUTIME_ID);
  mt_engine_counters(bench.engine, &counters);
  printf("{\"mode\":\"%s\",\"lines\":%" G_GUINT64_FORMAT
         ",\"seconds\":%.3f,\"cpu_seconds\":%.3f,"
         "\"before_kib\":%" G_GINT64_FORMAT ",\"growth_kib\":%" G_GINT64_FORMAT
         ",\"alerts\":%" G_GUINT64_FORMAT "}\n",
         argv[1], lines, took_s, cpu_s, before_kib, bench.most_kib - before_kib, counters.alerts);
  mt_engine_close(bench.engine);
  mt_reader_free(bench.reader);
  mt_settings_clear(&settings);
  return 0;
}
