/* bench-core: what a line costs, layer by layer
 *
 *   bench-core head|parse|trail LOG     one JSON object: lines, seconds, ns_per_line
 *   bench-core queued|tried LOG         what a message in memory takes, tables and all: of the
 *                                       lines until it is queued, or those of its deliveries, too
 *   bench-core fields LOG               how often each field is found
 *   bench-core dialect SPEC             as parse, of a fixture's examples over and over
 *
 * The log is in memory before the clock starts, which is the processor time of this process.
 * Each figure includes those before it.
 */
#include "bench/measure.h"
#include "dialects/dialect.h"
#include "dialects/spec.h"
#include "trail/trail.h"

#include <malloc.h>
#include <stdio.h>

#define BATCH_LINES 20000

typedef struct
{
  MtStream stream;
  MtParser parser;
  MtTrail *trail;
  guint in_batch;
  guint64 known, found[MT_FIELD_COUNT];
} Bench;

static void
do_head(gpointer data, MtSpan raw)
{
  Bench *bench = data;
  MtLine line;

  mt_stream_head(&bench->stream, raw, &line);
}

/* All that a line says: some tell of several recipients. */
static void
parse_line(Bench *bench, MtStream *stream, MtSpan raw)
{
  MtLine line;
  MtEvent event;

  mt_stream_head(stream, raw, &line);
  mt_parser_parse(&bench->parser, &line, &event);
  for (guint part = 1, parts = event.parts; part < parts; part++)
    mt_parser_parse_part(&bench->parser, &line, part, &event);
}

static void
do_parse(gpointer data, MtSpan raw)
{
  Bench *bench = data;

  parse_line(bench, &bench->stream, raw);
}

static void
do_fields(gpointer data, MtSpan raw)
{
  Bench *bench = data;
  MtLine line;
  MtEvent event;

  mt_stream_head(&bench->stream, raw, &line);
  mt_parser_parse(&bench->parser, &line, &event);
  bench->known += event.kind != MT_EVENT_OTHER && event.kind != MT_EVENT_UNKNOWN;
  for (gint field = 0; field < MT_FIELD_COUNT; field++)
    bench->found[field] += mt_event_has(&event, field);
}

/* As the engine does, but what would be stored is thrown away. */
static void
do_trail(gpointer data, MtSpan raw)
{
  Bench *bench = data;
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
  mt_trail_recycle(bench->trail, mt_trail_flush(bench->trail, NULL, NULL));
  mt_trail_committed(bench->trail);
}

/* ---- memory ------------------------------------------------------------------------ */

static gsize
bytes_in_use(void)
{
  struct mallinfo2 info = mallinfo2();

  return info.uordblks + info.hblkhd;
}

static void
settle(Bench *bench)
{
  bench->in_batch = 0;
  mt_batch_free(mt_trail_flush(bench->trail, NULL, NULL));
  mt_trail_committed(bench->trail);
}

static void
keep_line(Bench *bench, MtSpan raw, gboolean tried)
{
  MtLine line;
  MtEvent event;
  MtFact fact;

  mt_stream_head(&bench->stream, raw, &line);
  mt_parser_parse(&bench->parser, &line, &event);
  if (event.kind == MT_EVENT_ACCEPT || event.kind == MT_EVENT_MESSAGE_ID
      || event.kind == MT_EVENT_QUEUED || (tried && event.kind == MT_EVENT_DELIVERY))
    {
      mt_event_drop(&event, MT_F_AUTH_USER); /* logins are not measured */
      mt_trail_push(bench->trail, &line, &event, &fact);
    }
  if (++bench->in_batch == BATCH_LINES)
    settle(bench);
}

static void
do_queued(gpointer data, MtSpan raw)
{
  keep_line(data, raw, FALSE);
}

static void
do_tried(gpointer data, MtSpan raw)
{
  keep_line(data, raw, TRUE);
}

static void
say_memory(Bench *bench, const gchar *mode, gsize before)
{
  gsize live, bytes;

  settle(bench);
  live = mt_trail_live(bench->trail);
  bytes = bytes_in_use() - before;
  printf("{\"mode\":\"%s\",\"messages\":%zu,\"bytes\":%zu,\"bytes_per_message\":%.1f}\n", mode,
         live, bytes, (gdouble) bytes / MAX(live, 1));
}

static void
say_fields(const Bench *bench)
{
  printf("{\"known\":%" G_GUINT64_FORMAT, bench->known);
  for (gint field = 0; field < MT_FIELD_COUNT; field++)
    if (bench->found[field])
      printf(",\"%s\":%" G_GUINT64_FORMAT, mt_field_name(field), bench->found[field]);
  printf("}\n");
}

/* ---- a fixture's examples ---------------------------------------------------------- */

#define FIXTURE_LINES 200000

/* Lines that shall be read right, not fast. */
#define HOSTILE_HEADING "## hostile"

typedef struct
{
  GArray *lines;      /* MtSpan */
  GPtrArray *streams; /* MtStream of each line: those of one format share it */
  GPtrArray *own;     /* all streams, once */
  GStringChunk *texts;
} Fixture;

/* Which lines of @path, from 1, stand under a heading of hostile text. */
static gboolean *
find_hostile(const gchar *path)
{
  gchar *text;
  gchar **lines;
  gboolean *hostile, under = FALSE;

  if (!g_file_get_contents(path, &text, NULL, NULL))
    return NULL;
  lines = g_strsplit(text, "\n", -1);
  hostile = g_new0(gboolean, g_strv_length(lines) + 1);
  for (guint i = 0; lines[i]; i++)
    {
      if (g_str_has_prefix(lines[i], "## "))
        under = g_ascii_strncasecmp(lines[i], HOSTILE_HEADING, strlen(HOSTILE_HEADING)) == 0;
      hostile[i + 1] = under;
    }
  g_strfreev(lines);
  g_free(text);
  return hostile;
}

/* The stream that reads the example: behind its own header lines, or that of its format. */
static MtStream *
stream_for(Fixture *fixture, const MtClock *clock, const SpecExample *example)
{
  MtStream *stream = g_new0(MtStream, 1);
  MtSpan raw = mt_span(example->line->str, example->line->len);
  MtLine line;

  mt_stream_init(stream, clock, NULL, MT_NO_SPAN);
  for (guint i = 0; example->before && i < example->before->len; i++)
    mt_stream_head(stream, mt_span_of_string(g_ptr_array_index(example->before, i)), &line);
  mt_stream_head(stream, raw, &line);
  for (guint i = 0; !stream->n_columns && i < fixture->own->len; i++)
    {
      MtStream *other = g_ptr_array_index(fixture->own, i);

      if (other->n_columns || other->file != stream->file)
        continue;
      g_free(stream);
      return other;
    }
  stream->undecided = 0;
  g_ptr_array_add(fixture->own, stream);
  return stream;
}

/* The examples again and again, each time at another place in memory. */
static gboolean
load_fixture(Fixture *fixture, const MtClock *clock, const gchar *path)
{
  GPtrArray *examples = spec_read(path, NULL), *streams = g_ptr_array_new();
  gboolean *hostile = find_hostile(path);

  for (guint i = 0; examples && i < examples->len; i++)
    {
      const SpecExample *example = g_ptr_array_index(examples, i);

      g_ptr_array_add(streams,
                      hostile[example->number] ? NULL : stream_for(fixture, clock, example));
    }
  for (guint i = 0; fixture->own->len && fixture->lines->len < FIXTURE_LINES;
       i = (i + 1) % examples->len)
    {
      const GString *line = ((SpecExample *) g_ptr_array_index(examples, i))->line;
      MtSpan raw = { NULL, line->len };

      if (!g_ptr_array_index(streams, i))
        continue;
      raw.at = g_string_chunk_insert_len(fixture->texts, line->str, line->len);
      g_array_append_val(fixture->lines, raw);
      g_ptr_array_add(fixture->streams, g_ptr_array_index(streams, i));
    }
  if (examples)
    g_ptr_array_free(examples, TRUE);
  g_ptr_array_free(streams, TRUE);
  g_free(hostile);
  return fixture->lines->len > 0;
}

static gboolean
bench_fixture(Bench *bench, const MtClock *clock, const gchar *path)
{
  Fixture fixture = { g_array_new(FALSE, FALSE, sizeof(MtSpan)), g_ptr_array_new(),
                      g_ptr_array_new_with_free_func(g_free), g_string_chunk_new(1 << 20) };
  gboolean ok = load_fixture(&fixture, clock, path);
  gchar *name = spec_name(path);
  gdouble begin = measure_now_s();

  for (guint i = 0; i < fixture.lines->len; i++)
    parse_line(bench, g_ptr_array_index(fixture.streams, i),
               g_array_index(fixture.lines, MtSpan, i));
  if (ok)
    measure_say(name, fixture.lines->len, measure_now_s() - begin);
  g_free(name);
  g_array_free(fixture.lines, TRUE);
  g_ptr_array_free(fixture.streams, TRUE);
  g_ptr_array_free(fixture.own, TRUE);
  g_string_chunk_free(fixture.texts);
  return ok;
}

/* ---- a log ------------------------------------------------------------------------- */

static gboolean
bench_log(Bench *bench, const MtClock *clock, const gchar *mode, MeasureFunc func,
          const gchar *path)
{
  static const MtTrailSettings settings = { .learn_domains = TRUE,
                                            .store_subject = TRUE,
                                            .max_messages = MT_TRAIL_MAX_MESSAGES };
  static const MtTrailSettings keeping = { .learn_domains = TRUE,
                                           .store_subject = TRUE,
                                           .max_messages = G_MAXUINT };
  static const MtHashKey key;
  static const MtTrailStart start = { .horizon = MT_NO_TIME };
  gboolean keep = func == do_queued || func == do_tried;
  gdouble begin;
  guint64 lines;
  gchar *text;
  gsize size, before;

  if (!g_file_get_contents(path, &text, &size, NULL))
    return FALSE;
  mt_stream_init(&bench->stream, clock, NULL, MT_NO_SPAN);
  bench->trail = mt_trail_new(keep ? &keeping : &settings, &mt_trail_backing_null, &key);
  mt_trail_reset(bench->trail, &start);
  before = bytes_in_use();
  begin = measure_now_s();
  lines = measure_lines(mt_span(text, size), func, bench);
  if (func == do_fields)
    say_fields(bench);
  else if (keep)
    say_memory(bench, mode, before);
  else
    measure_say(mode, lines, measure_now_s() - begin);
  mt_trail_free(bench->trail);
  g_free(text);
  return TRUE;
}

int
main(int argc, char **argv)
{
  static const struct
  {
    const gchar *name;
    MeasureFunc func;
  } modes[] = {
    { "head", do_head },     { "parse", do_parse }, { "trail", do_trail },
    { "queued", do_queued }, { "tried", do_tried }, { "fields", do_fields },
  };
  static Bench bench;
  MtClock clock;

  mt_clock_init(&clock, NULL, g_get_real_time(), 0);
  mt_parser_init(&bench.parser, NULL);
  if (argc == 3 && g_str_equal(argv[1], "dialect") && bench_fixture(&bench, &clock, argv[2]))
    return 0;
  for (guint i = 0; argc == 3 && i < G_N_ELEMENTS(modes); i++)
    if (g_str_equal(modes[i].name, argv[1])
        && bench_log(&bench, &clock, modes[i].name, modes[i].func, argv[2]))
      return 0;
  fprintf(stderr, "usage: bench-core head|parse|trail|queued|tried|fields LOG, or dialect SPEC\n");
  return 2;
}
