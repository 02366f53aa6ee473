/* test-hostile: what attackers can make of the lines of every dialect
 * test-hostile --print: writes the lines with every fragment in every field, as a log
 *
 * forgery      other lines, whole and in pieces, in every field that a stranger chooses: who
 *              did what stays as it was
 * corruption   every single byte of every line replaced
 * growth       every such field at a mebibyte, of patterns that make naive searches slow: time
 *              grows with the length only
 * published    what was done to tools that search lines for addresses
 */
#include "hostile/hostile.h"

#include <stdio.h>
#include <time.h>

/* The address that no line of the test may be blamed on, and its account. */
#define FRAMED_IP "203.0.113.66"
#define FRAMED_ACCOUNT "framed@example.org"

/* ---- what is put into fields --------------------------------------------------------------- */

static const MtSpan fragments[] = {
  MT_SPAN_INIT(": user=<" FRAMED_ACCOUNT ">, method=PLAIN, rip=" FRAMED_IP ", lip=192.0.2.1"),
  MT_SPAN_INIT(">, method=PLAIN, rip=" FRAMED_IP ", lip=192.0.2.1, session=<abcdefgh>"),
  MT_SPAN_INIT("x>, rip=" FRAMED_IP ", lip=192.0.2.1, TLS, session=<AAAAAAAAAAAAAAAA>"),
  MT_SPAN_INIT("]: warning: unknown[" FRAMED_IP "]: SASL LOGIN authentication failed: x"),
  MT_SPAN_INIT("x[" FRAMED_IP "]: SASL PLAIN authentication failed: x"),
  MT_SPAN_INIT("[" FRAMED_IP "]"),
  MT_SPAN_INIT("]"),
  MT_SPAN_INIT("[" FRAMED_IP),
  MT_SPAN_INIT(" from=<" FRAMED_ACCOUNT "> to=<" FRAMED_ACCOUNT "> proto=ESMTP helo=<x>"),
  MT_SPAN_INIT(", status=sent (250 ok)"),
  MT_SPAN_INIT(">, relay=mx.example.org[" FRAMED_IP
               "]:25, delay=1, dsn=2.0.0, status=sent (250 ok"),
  MT_SPAN_INIT("), status=bounced (550 no)"),
  MT_SPAN_INIT("; from=<" FRAMED_ACCOUNT "> to=<" FRAMED_ACCOUNT ">"),
  MT_SPAN_INIT(", client=x[" FRAMED_IP "], sasl_username=" FRAMED_ACCOUNT),
  MT_SPAN_INIT(", sasl_username=" FRAMED_ACCOUNT),
  MT_SPAN_INIT(", user=" FRAMED_ACCOUNT ", ip=" FRAMED_IP),
  MT_SPAN_INIT("," FRAMED_IP "): unknown user"),
  MT_SPAN_INIT(FRAMED_ACCOUNT "," FRAMED_IP ",<AAAAAAAAAAAAAAAA>): Password mismatch"),
  MT_SPAN_INIT(") rhost=" FRAMED_IP " user=" FRAMED_ACCOUNT),
  MT_SPAN_INIT(" rip=" FRAMED_IP " "),
  MT_SPAN_INIT("(" FRAMED_IP ")"),
  MT_SPAN_INIT(": "),
  MT_SPAN_INIT(", "),
  MT_SPAN_INIT("\""),
  MT_SPAN_INIT("'"),
  MT_SPAN_INIT("\\"),
  MT_SPAN_INIT("<"),
  MT_SPAN_INIT(">"),
  MT_SPAN_INIT("> <"),
  MT_SPAN_INIT("("),
  MT_SPAN_INIT(")"),
  MT_SPAN_INIT("\n"),
  MT_SPAN_INIT("\r\n"),
  MT_SPAN_INIT("\t"),
  MT_SPAN_INIT("x\0y"),
  MT_SPAN_INIT("\x1b[2J"),
  MT_SPAN_INIT("\xff\xfe\x80"),
  MT_SPAN_INIT(" "),
  MT_SPAN_INIT("message repeated 9 times: [ x]"),
  MT_SPAN_INIT("=x, account=" FRAMED_ACCOUNT ", queue_id=ABCDEF0123"),
};

typedef struct
{
  const HostileFixture *fixture;
  GArray *places;
  GPtrArray *lines;   /* GString: lines of all dialects, whole, and their text alone */
  GPtrArray *closers; /* GString: what may follow a field, from this dialect's other lines */
} Suite;

/* Addresses in what is put in are not those of the line that it is put into. */
static GString *
framed(MtSpan text)
{
  GString *out = g_string_sized_new(text.len);
  MtCursor cur = mt_cursor(text);

  while (cur.at < cur.end)
    {
      MtCursor ip = cur;
      guint dots = 0;

      while (ip.at < ip.end && (g_ascii_isdigit(*ip.at) || *ip.at == '.'))
        dots += *ip.at++ == '.';
      if (dots == 3 && g_ascii_isdigit(*cur.at))
        g_string_append(out, FRAMED_IP);
      else if (ip.at > cur.at)
        g_string_append_len(out, cur.at, ip.at - cur.at);
      else if (MT_SCAN(&ip, "bob@") || MT_SCAN(&ip, "alice@"))
        g_string_append(out, "framed@");
      else
        g_string_append_c(out, *ip.at++);
      cur.at = ip.at;
    }
  return out;
}

static GPtrArray *
all_lines(const GArray *fixtures)
{
  GPtrArray *lines = g_ptr_array_new();

  for (guint f = 0; f < fixtures->len; f++)
    {
      const HostileFixture *fixture = &g_array_index(fixtures, HostileFixture, f);

      for (guint i = 0; i < fixture->examples->len; i++)
        {
          const SpecExample *example = g_ptr_array_index(fixture->examples, i);
          MtEvent event;
          MtLine line;

          spec_parse(example, example->line->str, example->line->len, &line, &event);
          g_ptr_array_add(lines, framed(mt_span(example->line->str, example->line->len)));
          g_ptr_array_add(lines, framed(line.text));
        }
    }
  return lines;
}

/* How each kind of line goes on behind each field, once. */
static GPtrArray *
all_closers(const GArray *places)
{
  GPtrArray *closers = g_ptr_array_new();
  GHashTable *seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);

  for (guint i = 0; i < places->len; i++)
    {
      const HostilePlace *place = &g_array_index(places, HostilePlace, i);
      const GString *line = place->example->line;
      gsize end = place->at + place->len;
      gchar *key = g_strdup_printf("%p %d", place->event.rule, place->field);

      if (g_hash_table_add(seen, key))
        g_ptr_array_add(closers, framed(mt_span(line->str + end, line->len - end)));
    }
  g_hash_table_destroy(seen);
  return closers;
}

/* ---- forgery --------------------------------------------------------------------------------- */

/* What may come of a line in which an account's holder chose the words. */
static gboolean
is_own_kind(MtEventKind kind)
{
  return kind == MT_EVENT_UNKNOWN || kind == MT_EVENT_NOTICE || kind == MT_EVENT_MAILBOX
         || kind == MT_EVENT_STORED || kind == MT_EVENT_LIMIT;
}

/* Does the field that was written into say what was written, some of it, or nothing? */
static gboolean
is_written(MtSpan after, const GString *written)
{
  return !after.len || mt_span_find(mt_span(written->str, written->len), after);
}

/* Returns: the name of what is not as it was; NULL: all is. */
static const gchar *
what_changed(const HostilePlace *place, const MtEvent *after, const GString *written)
{
  static const MtField who[] = { MT_F_QUEUE_ID, MT_F_ACCOUNT, MT_F_AUTH_USER, MT_F_SESSION };
  const MtEvent *before = &place->event;
  gboolean own = place->way.own && is_own_kind(after->kind);

  if (before->kind != after->kind && !own)
    return "event";
  if (!mt_span_equal(mt_event_ip_text(before, MT_F_CLIENT_IP),
                     mt_event_ip_text(after, MT_F_CLIENT_IP)))
    return "client_ip";
  if (mt_event_word(before, MT_F_SERVICE) != mt_event_word(after, MT_F_SERVICE) && !own)
    return "service";
  if (mt_event_word(before, MT_F_STATUS) != mt_event_word(after, MT_F_STATUS))
    return "status";
  if (mt_event_word(before, MT_F_ACTION) != mt_event_word(after, MT_F_ACTION) && !own)
    return "action";
  for (guint i = 0; i < G_N_ELEMENTS(who); i++)
    {
      MtSpan was = mt_event_text(before, who[i]), is = mt_event_text(after, who[i]);

      if (who[i] == place->field
              ? !is_written(is, written)
              : !mt_span_equal(was, is) && !(own && after->kind == MT_EVENT_UNKNOWN))
        return mt_field_name(who[i]);
    }
  return NULL;
}

typedef struct
{
  GHashTable *told; /* rule and field: one message each is enough */
  guint wrong, tried;
} Outcome;

static void
tell(Outcome *outcome, const HostilePlace *place, const gchar *what, const GString *line,
     const MtEvent *after)
{
  gchar *key = g_strdup_printf("%d %d %s", place->example->number, place->field, what);
  gchar *is;

  outcome->wrong++;
  if (!g_hash_table_add(outcome->told, key) || g_hash_table_size(outcome->told) > 400)
    return;
  is = spec_event_text(after);
  g_test_message("line %d: %s in %s changes %s:\n   line %.*s\n   was %s\n   is  %s",
                 place->example->number, "text", mt_field_name(place->field), what,
                 (gint) MIN(line->len, 900), line->str, place->example->expected, is);
  g_free(is);
}

static void
try_text(Outcome *outcome, const HostilePlace *place, MtSpan text)
{
  MtEvent after;
  GString *written = hostile_written(place, text), *line = hostile_line(place, written);
  gchar *copy = hostile_parse(place->example, mt_span(line->str, line->len), &after);
  const gchar *what = what_changed(place, &after, written);

  /* Nothing, or blanks, is no name of anything. */
  if (!mt_span_trim(mt_span(written->str, written->len)).len)
    what = NULL;
  outcome->tried++;
  g_assert_true(hostile_stays_inside(&after, copy, line->len));
  if (what)
    tell(outcome, place, what, line, &after);
  g_free(copy);
  g_string_free(line, TRUE);
  g_string_free(written, TRUE);
}

/* Alone, behind what stood there, and before it. */
static void
try_around(Outcome *outcome, const HostilePlace *place, MtSpan text)
{
  const gchar *was = place->example->line->str + place->at;
  GString *both = g_string_new_len(was, place->len);

  try_text(outcome, place, text);
  g_string_append_len(both, text.at, text.len);
  try_text(outcome, place, mt_span(both->str, both->len));
  g_string_truncate(both, 0);
  g_string_append_len(both, text.at, text.len);
  g_string_append_len(both, was, place->len);
  try_text(outcome, place, mt_span(both->str, both->len));
  g_string_free(both, TRUE);
}

/* @some of the texts, others for each place: all come often. */
static void
try_some(Outcome *outcome, const HostilePlace *place, const GPtrArray *texts, guint some,
         guint *next)
{
  for (guint i = 0; i < MIN(some, texts->len); i++)
    {
      const GString *text = g_ptr_array_index(texts, *next % texts->len);

      try_around(outcome, place, mt_span(text->str, text->len));
      *next += 1;
    }
}

static void
test_forgery(gconstpointer data)
{
  const Suite *suite = data;
  Outcome outcome = { g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL), 0, 0 };
  guint next_line = 0, next_closer = 0;

  for (guint i = 0; i < suite->places->len; i++)
    {
      const HostilePlace *place = &g_array_index(suite->places, HostilePlace, i);

      for (guint f = 0; f < G_N_ELEMENTS(fragments); f++)
        try_around(&outcome, place, fragments[f]);
      try_some(&outcome, place, suite->lines, 41, &next_line);
      try_some(&outcome, place, suite->closers, 101, &next_closer);
    }
  g_test_message("%s: %u fields of lines, %u forgeries, %u of them changed who did what",
                 suite->fixture->dialect->name, suite->places->len, outcome.tried, outcome.wrong);
  g_assert_cmpuint(outcome.wrong, ==, 0);
  g_hash_table_destroy(outcome.told);
}

/* ---- corruption ------------------------------------------------------------------------------ */

/* Others at each place: all come at each kind of place. */
#define BYTES_A_PLACE 5

static void
test_corruption(gconstpointer data)
{
  const Suite *suite = data;
  static const guchar bytes[] = "\0\xff\n\"<>[]():;,= '\\@Zz9\t";
  guint next = 0;

  for (guint i = 0; i < suite->fixture->examples->len; i++)
    {
      const SpecExample *example = g_ptr_array_index(suite->fixture->examples, i);
      GString *line = g_string_new_len(example->line->str, example->line->len);

      for (gsize at = 0; at < line->len; at++)
        {
          gchar was = line->str[at];

          for (guint b = 0; b < BYTES_A_PLACE; b++)
            {
              MtEvent event;
              gchar *copy;

              line->str[at] = bytes[next++ % (sizeof bytes - 1)];
              copy = hostile_parse(example, mt_span(line->str, line->len), &event);
              g_assert_true(hostile_stays_inside(&event, copy, line->len));
              g_free(copy);
            }
          line->str[at] = was;
        }
      g_string_free(line, TRUE);
    }
}

/* ---- growth ---------------------------------------------------------------------------------- */

#define SMALL_BYTES (2 * 1024)
#define LARGE_BYTES (1024 * 1024)

/* Linear time grows fourfold with the text, quadratic time sixteenfold; below the floor the clock
 * and the caches say more than the code. */
#define TIMES 4
#define SLOW 9
#define FLOOR_NS 1000000

/* Others for each place, so that all come often and the test ends soon. */
#define PATTERNS_A_PLACE 8u

static gint64
parse_ns(const HostilePlace *place, MtSpan pattern, gsize bytes)
{
  GString *text = g_string_sized_new(bytes + pattern.len), *line;
  struct timespec from, to;
  gint64 best = G_MAXINT64;
  MtEvent event;
  MtLine head;

  while (text->len < bytes)
    g_string_append_len(text, pattern.at, pattern.len);
  line = hostile_line(place, text); /* as long as it may be, whatever the daemon says */
  for (guint i = 0; i < 3; i++)
    {
      clock_gettime(CLOCK_THREAD_CPUTIME_ID, &from);
      spec_parse(place->example, line->str, line->len, &head, &event);
      clock_gettime(CLOCK_THREAD_CPUTIME_ID, &to);
      best = MIN(best, (to.tv_sec - from.tv_sec) * G_GINT64_CONSTANT(1000000000) + to.tv_nsec
                           - from.tv_nsec);
    }
  g_assert_true(hostile_stays_inside(&event, line->str, line->len));
  g_string_free(line, TRUE);
  g_string_free(text, TRUE);
  return best;
}

/* Sanitizers look through all that memmem() is given, though it stops early: with them only what
 * is read counts, not how long it takes. */
static gboolean
is_sanitized(void)
{
  const gchar *flags = g_getenv("MT_SANITIZING");

  return flags && strstr(flags, "sanitize");
}

/* Short texts tell what to try at length, so that not all must be. */
static void
try_pattern(const HostilePlace *place, MtSpan pattern, gboolean long_too)
{
  gint64 small = parse_ns(place, pattern, SMALL_BYTES);
  gint64 larger = parse_ns(place, pattern, SMALL_BYTES * TIMES);
  gboolean slow;

  if (!long_too && larger < SLOW * MAX(small, 4000))
    return;
  small = parse_ns(place, pattern, LARGE_BYTES / TIMES);
  larger = parse_ns(place, pattern, LARGE_BYTES);
  slow = larger > SLOW * MAX(small, FLOOR_NS) && !is_sanitized();
  if (slow)
    g_test_message("line %d: %s of \"%.*s\": %d KiB take %" G_GINT64_FORMAT
                   " us, %d KiB %" G_GINT64_FORMAT " us",
                   place->example->number, mt_field_name(place->field), (gint) pattern.len,
                   pattern.at, LARGE_BYTES / TIMES / 1024, small / 1000, LARGE_BYTES / 1024,
                   larger / 1000);
  g_assert_false(slow);
}

/* What rules begin with, behind what may stand before it. */
static GPtrArray *
slow_patterns(const MtDialect *dialect)
{
  static const gchar *const before[] = { ", ", ": ", " " };
  GPtrArray *patterns = g_ptr_array_new();
  guint next = 0;

  for (gint t = 0; dialect->rules[t]; t++)
    for (const MtRule *rule = dialect->rules[t]; rule->prefix.at; rule++)
      {
        GString *pattern = g_string_new(before[next++ % G_N_ELEMENTS(before)]);

        g_string_append_len(pattern, rule->prefix.at, rule->prefix.len);
        g_ptr_array_add(patterns, pattern);
      }
  return patterns;
}

static void
test_growth(gconstpointer data)
{
  static const MtSpan plain[] = { MT_SPAN_INIT("a"),  MT_SPAN_INIT("<"),  MT_SPAN_INIT(">"),
                                  MT_SPAN_INIT(": "), MT_SPAN_INIT(", "), MT_SPAN_INIT("\""),
                                  MT_SPAN_INIT("("),  MT_SPAN_INIT(")"),  MT_SPAN_INIT("["),
                                  MT_SPAN_INIT("a="), MT_SPAN_INIT("\\"), MT_SPAN_INIT(" ") };
  const Suite *suite = data;
  GPtrArray *patterns = slow_patterns(suite->fixture->dialect);
  GHashTable *seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  /* The sanitizers see a byte too many at once; time is measured without them. */
  const gchar *sanitizing = g_getenv("MT_SANITIZING");
  gboolean brief = sanitizing && strstr(sanitizing, "sanitize");
  guint next = 0;

  for (guint i = 0; i < suite->places->len; i++)
    {
      const HostilePlace *place = &g_array_index(suite->places, HostilePlace, i);
      gboolean first =
          g_hash_table_add(seen, g_strdup_printf("%p %d", place->event.rule, place->field));

      if (first)
        try_pattern(place, plain[i % G_N_ELEMENTS(plain)], TRUE);
      if (brief)
        continue;
      for (guint p = 0; first && p < G_N_ELEMENTS(plain); p++)
        try_pattern(place, plain[p], FALSE);
      for (guint p = 0; p < (first ? MIN(PATTERNS_A_PLACE, patterns->len) : 1); p++)
        {
          const GString *pattern = g_ptr_array_index(patterns, next++ % patterns->len);

          try_pattern(place, mt_span(pattern->str, pattern->len), FALSE);
        }
    }
  g_hash_table_destroy(seen);
}

/* ---- published ------------------------------------------------------------------------------- */

/* In published.spec whoever is blamed would be FRAMED_IP. */
static void
test_published(gconstpointer data)
{
  const SpecExample *example = data;
  MtEvent event;
  MtLine line;
  gchar *is;

  spec_parse(example, example->line->str, example->line->len, &line, &event);
  is = spec_event_text(&event);
  if (MT_SPAN_IS(mt_event_ip_text(&event, MT_F_CLIENT_IP), FRAMED_IP)
      || (example->expected && !g_str_equal(is, example->expected)))
    {
      g_test_message("published.spec:%d: %s", example->number, is);
      g_test_fail();
    }
  g_free(is);
}

static void
add_published(const gchar *srcdir)
{
  gchar *path = g_strdup_printf("%s/tests/hostile/published.spec", srcdir);
  GError *error = NULL;
  GPtrArray *examples = spec_read(path, &error);

  if (!examples)
    g_error("%s", error->message);
  for (guint i = 0; i < examples->len; i++)
    {
      const SpecExample *example = g_ptr_array_index(examples, i);
      gchar *name = g_strdup_printf("/hostile/published/line-%d", example->number);

      g_test_add_data_func(name, example, test_published);
      g_free(name);
    }
  g_free(path);
}

static void
print_lines(const GArray *places)
{
  for (guint i = 0; i < places->len; i++)
    for (guint f = 0; f < G_N_ELEMENTS(fragments); f++)
      {
        const HostilePlace *place = &g_array_index(places, HostilePlace, i);
        GString *written = hostile_written(place, fragments[f]);
        GString *line = hostile_line(place, written);

        if (!memchr(line->str, '\n', line->len)) /* it would be two lines */
          {
            fwrite(line->str, 1, line->len, stdout);
            putchar('\n');
          }
        g_string_free(written, TRUE);
        g_string_free(line, TRUE);
      }
}

static void
add_case(const Suite *suite, const gchar *what, GTestDataFunc func)
{
  gchar *path = g_strdup_printf("/hostile/%s/%s", suite->fixture->dialect->name, what);

  g_test_add_data_func(path, suite, func);
  g_free(path);
}

int
main(int argc, char **argv)
{
  const gchar *srcdir = g_getenv("top_srcdir") ? g_getenv("top_srcdir") : ".";
  GArray *fixtures;
  GPtrArray *lines;

  fixtures = hostile_fixtures(srcdir);
  if (argc == 2 && g_str_equal(argv[1], "--print"))
    {
      for (guint i = 0; i < fixtures->len; i++)
        print_lines(hostile_places(&g_array_index(fixtures, HostileFixture, i)));
      return 0;
    }
  g_test_init(&argc, &argv, NULL);
  g_test_set_nonfatal_assertions();
  lines = all_lines(fixtures);
  for (guint i = 0; i < fixtures->len; i++)
    {
      Suite *suite = g_new(Suite, 1);

      suite->fixture = &g_array_index(fixtures, HostileFixture, i);
      suite->places = hostile_places(suite->fixture);
      suite->lines = lines;
      suite->closers = all_closers(suite->places);
      add_case(suite, "forgery", test_forgery);
      add_case(suite, "corruption", test_corruption);
      add_case(suite, "growth", test_growth);
    }
  add_published(srcdir);
  return g_test_run();
}
