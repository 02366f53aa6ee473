#include "engine/raw.h"
#include "store/store.h"

static void
add(MtRawRing *ring, const gchar *text)
{
  MtLine line = { .time = 1,
                  .host = MT_SPAN("mx1"),
                  .program = MT_SPAN("postfix/qmgr"),
                  .text = mt_span_of_string(text) };
  MtEvent event = { 0 };

  mt_raw_add(ring, &line, &event);
}

static void
assert_waiting(const MtRawRing *ring, const gchar *expected)
{
  GArray *lines = mt_raw_waiting(ring);
  GString *texts = g_string_new(NULL);

  for (guint i = 0; i < lines->len; i++)
    {
      MtSpan text = g_array_index(lines, MtRawLine, i).text;

      g_string_append_len(texts, text.at, text.len);
    }
  g_assert_cmpstr(texts->str, ==, expected);
  g_string_free(texts, TRUE);
  g_array_free(lines, TRUE);
}

/* Only what was written waits no more: a store that is busy loses no line. */
static void
test_until_written(void)
{
  MtRawRing *ring = mt_raw_new(3);

  mt_raw_mark(ring);
  add(ring, "a");
  add(ring, "b");
  assert_waiting(ring, "ab");
  assert_waiting(ring, "ab");
  mt_raw_mark(ring);
  add(ring, "c");
  add(ring, "d");
  assert_waiting(ring, "bcd");
  mt_raw_forget(ring);
  assert_waiting(ring, "b");
  mt_raw_written(ring);
  assert_waiting(ring, "");
  add(ring, "e");
  assert_waiting(ring, "e");
  mt_raw_free(ring);
}

static void
test_of_no_size(void)
{
  MtRawRing *ring = mt_raw_new(0);

  add(ring, "a");
  assert_waiting(ring, "");
  mt_raw_free(ring);
}

int
main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/raw/until-written", test_until_written);
  g_test_add_func("/raw/of-no-size", test_of_no_size);
  return g_test_run();
}
