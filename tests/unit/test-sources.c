#include "engine/sources.h"

#define NOON G_GINT64_CONSTANT(1795262400000000) /* 2026-11-21T12:00:00Z */

#define HEADER "#Fields: event-id,source,date-time,message-id\n"
#define ROW "RECEIVE,SMTP,2026-11-20T10:00:00.000Z,<1@example.org>"
#define EXIM "2026-11-20 10:00:00 1vLxyR-0000000AbCd-1a2b Completed"

static MtRawSource *
find(MtSources *sources, const gchar *name, const gchar *begin)
{
  gboolean is_new;
  MtRawSource *source = mt_sources_find(sources, MT_SPAN("mx1"), mt_span_of_string(name), &is_new);

  g_assert_cmpint(is_new, ==, begin != NULL);
  if (begin)
    mt_source_begin(source, NOON, mt_span_of_string(begin));
  return source;
}

static MtLine
head(MtRawSource *source, const gchar *raw)
{
  MtLine line;

  mt_source_head(source, mt_span_of_string(raw), &line);
  return line;
}

static void
assert_time(MtTime time, const gchar *expected)
{
  gchar text[MT_TIME_TEXT_BYTES];

  g_assert_cmpint(time, !=, MT_NO_TIME);
  mt_time_format(time, text);
  g_assert_cmpstr(text, ==, expected);
}

/* What one file says is of no other; a header comes from the begin of its file, or with a line. */
static void
test_apart(void)
{
  MtSources *sources = mt_sources_new();

  mt_sources_set_zone(sources, "Asia/Tokyo");
  g_assert_cmpuint(head(find(sources, "a", HEADER), ROW).n_columns, ==, 4);
  assert_time(head(find(sources, "b", ""), EXIM).time, "2026-11-20T01:00:00.000000Z");
  assert_time(head(find(sources, "a", NULL), ROW).time, "2026-11-20T10:00:00.000000Z");
  head(find(sources, "c", ""), HEADER);
  g_assert_cmpuint(head(find(sources, "c", NULL), ROW).n_columns, ==, 4);
  g_assert_cmpuint(head(find(sources, "d", ""), ROW).n_columns, ==, 0);
  g_assert_true(mt_span_equal(head(find(sources, "b", NULL), EXIM).program,
                              head(find(sources, "e", EXIM "\n"), EXIM).program));
  mt_sources_free(sources);
}

/* Syslog, handed over as it stands. */
static void
test_syslog(void)
{
  MtSources *sources = mt_sources_new();
  MtLine line =
      head(find(sources, "mail.log", ""), "Nov 20 10:00:00 mx2 postfix/qmgr[7]: 1A: removed");

  g_assert_true(MT_SPAN_IS(line.program, "postfix/qmgr"));
  g_assert_true(MT_SPAN_IS(line.host, "mx2"));
  g_assert_cmpint(line.pid, ==, 7);
  mt_sources_free(sources);
}

/* The begin of a file gives no times: its lines come again. */
static void
test_begin_gives_no_times(void)
{
  MtSources *sources = mt_sources_new();

  mt_sources_set_zone(sources, "UTC");
  find(sources, "smtp", "22:54:21 [192.0.2.7][1] connected\n");
  assert_time(head(find(sources, "smtp", NULL), "09:00:00 [192.0.2.7][1] connected").time,
              "2026-11-21T09:00:00.000000Z");
  mt_sources_free(sources);
}

/* A batch that failed is read again as it was read before. */
static void
test_rollback(void)
{
  MtSources *sources = mt_sources_new();

  mt_sources_set_zone(sources, "UTC");
  head(find(sources, "smtp", ""), "09:00:00 [192.0.2.7][1] connected");
  mt_sources_commit(sources);
  for (gint try = 0; try < 3; try++)
    {
      assert_time(head(find(sources, "smtp", NULL), "11:00:00 [192.0.2.7][1] connected").time,
                  "2026-11-21T11:00:00.000000Z");
      head(find(sources, "smtp", NULL), "22:30:00 [192.0.2.7][1] connected");
      assert_time(head(find(sources, "smtp", NULL), "10:00:00 [192.0.2.7][2] connected").time,
                  "2026-11-22T10:00:00.000000Z");
      mt_sources_rollback(sources);
    }
  mt_sources_free(sources);
}

/* Another zone begins anew. */
static void
test_zone(void)
{
  MtSources *sources = mt_sources_new();

  mt_sources_set_zone(sources, "Asia/Tokyo");
  head(find(sources, "a", ""), EXIM);
  mt_sources_set_zone(sources, "Asia/Tokyo");
  find(sources, "a", NULL);
  mt_sources_set_zone(sources, "UTC");
  assert_time(head(find(sources, "a", ""), EXIM).time, "2026-11-20T10:00:00.000000Z");
  mt_sources_free(sources);
}

/* However many there are, memory is bounded, and the one in use stays. */
static void
test_bounded(void)
{
  MtSources *sources = mt_sources_new();
  gchar name[32];

  head(find(sources, "busy", ""), HEADER);
  for (gint i = 0; i < 2 * MT_SOURCES_MAX; i++)
    {
      g_snprintf(name, sizeof name, "%d", i);
      find(sources, name, "");
      g_assert_cmpuint(head(find(sources, "busy", NULL), ROW).n_columns, ==, 4);
    }
  find(sources, "0", "");
  g_snprintf(name, sizeof name, "%d", 2 * MT_SOURCES_MAX - 1);
  find(sources, name, NULL);
  mt_sources_free(sources);
}

int
main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/sources/apart", test_apart);
  g_test_add_func("/sources/syslog", test_syslog);
  g_test_add_func("/sources/begin-gives-no-times", test_begin_gives_no_times);
  g_test_add_func("/sources/rollback", test_rollback);
  g_test_add_func("/sources/zone", test_zone);
  g_test_add_func("/sources/bounded", test_bounded);
  return g_test_run();
}
