/* bench-core: what a line costs, layer by layer
 *
 *   bench-core head|parse|trail LOG     one JSON object: lines, seconds, ns_per_line
 *
 * The log is in memory before the clock starts.  Each figure includes those before it.
 * "trail" also counts the bytes that messages in flight hold.
 */
#include "dialects/dialect.h"
#include "trail/trail.h"

#include <malloc.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define BATCH_LINES 20000

typedef struct
{
  MtStream stream;
  MtParser parser;
  MtTrail *trail;
  guint64 lines;
  guint in_batch;
  gsize most_bytes, most_messages;
} Bench;

typedef void (*LineFunc)(Bench *bench, MtSpan raw);

static gdouble
now_s(void)
{
  struct timespec at;

  clock_gettime(CLOCK_MONOTONIC, &at);
  return at.tv_sec + at.tv_nsec / 1e9;
}

static void
do_head(Bench *bench, MtSpan raw)
{
  MtLine line;

  mt_stream_head(&bench->stream, raw, &line);
}

static void
do_parse(Bench *bench, MtSpan raw)
{
  MtLine line;
  MtEvent event;

  mt_stream_head(&bench->stream, raw, &line);
  mt_parser_parse(&bench->parser, &line, &event);
}

/* As the engine does, but what would be stored is thrown away. */
static void
do_trail(Bench *bench, MtSpan raw)
{
  MtLine line;
  MtEvent event;
  MtFact fact;

  mt_stream_head(&bench->stream, raw, &line);
  mt_parser_parse(&bench->parser, &line, &event);
  if (event.kind != MT_EVENT_OTHER)
    mt_trail_push(bench->trail, &line, &event, &fact);
  if (++bench->in_batch < BATCH_LINES)
    return;
  bench->in_batch = 0;
  mt_batch_free(mt_trail_flush(bench->trail, NULL, NULL));
  mt_trail_committed(bench->trail);
}

static gdouble
run(Bench *bench, const gchar *text, gsize size, LineFunc func)
{
  const gchar *at = text, *end = text + size;
  gdouble begin = now_s();

  while (at < end)
    {
      const gchar *eol = memchr(at, '\n', end - at);

      eol = eol ? eol : end;
      func(bench, mt_span(at, eol - at));
      bench->lines++;
      at = eol + 1;
    }
  return now_s() - begin;
}

int
main(int argc, char **argv)
{
  static const struct
  {
    const gchar *name;
    LineFunc func;
  } modes[] = { { "head", do_head }, { "parse", do_parse }, { "trail", do_trail } };
  static const MtTrailSettings settings = { .learn_domains = TRUE, .store_subject = TRUE,
                                            .max_messages = MT_TRAIL_MAX_MESSAGES };
  static const MtHashKey key;
  static const MtTrailStart start = { .horizon = MT_NO_TIME };
  static Bench bench;
  MtClock clock;
  gchar *text;
  gsize size;

  for (guint i = 0; argc == 3 && i < G_N_ELEMENTS(modes); i++)
    {
      gdouble took_s;

      if (!g_str_equal(modes[i].name, argv[1]))
        continue;
      if (!g_file_get_contents(argv[2], &text, &size, NULL))
        break;
      mt_clock_init(&clock, NULL, g_get_real_time(), 0);
      mt_stream_init(&bench.stream, &clock, NULL, MT_NO_SPAN);
      mt_parser_init(&bench.parser, NULL);
      bench.trail = mt_trail_new(&settings, &mt_trail_backing_null, &key);
      mt_trail_reset(bench.trail, &start);
      took_s = run(&bench, text, size, modes[i].func);
      printf("{\"mode\":\"%s\",\"lines\":%" G_GUINT64_FORMAT ",\"seconds\":%.3f,\"ns_per_line\":%.1f,"
             "\"lines_per_second\":%.0f}\n",
             argv[1], bench.lines, took_s, took_s * 1e9 / bench.lines, bench.lines / took_s);
      mt_trail_free(bench.trail);
      g_free(text);
      return 0;
    }
  fprintf(stderr, "usage: bench-core head|parse|trail LOG\n");
  return 2;
}
