/* table.c, arena.c, batch.c, pending.c */
#include "trail/private.h"

typedef struct
{
  gint number;
  MtLink link;
} Record;

static void
test_table(void)
{
  enum
  {
    COUNT = 5000
  };
  Record *records = g_new0(Record, COUNT);
  MtTable table;
  MtLink *link;

  mt_table_init(&table);
  for (gint i = 0; i < COUNT; i++)
    {
      records[i].number = i;
      mt_table_add(&table, &records[i].link, i / 2); /* two of each hash, and the table grows */
    }
  g_assert_cmpuint(table.count, ==, COUNT);
  for (gint i = 0; i < COUNT; i += 2)
    {
      link = mt_table_first(&table, i / 2);
      g_assert_cmpint(MT_OF_LINK(Record, link, link)->number, ==, i + 1); /* newest first */
      link = mt_table_next(link);
      g_assert_cmpint(MT_OF_LINK(Record, link, link)->number, ==, i);
      g_assert_null(mt_table_next(link));
    }
  for (gint i = 0; i < COUNT; i += 2)
    mt_table_remove(&table, &records[i].link);
  g_assert_cmpuint(table.count, ==, COUNT / 2);
  link = mt_table_first(&table, 7);
  g_assert_cmpint(MT_OF_LINK(Record, link, link)->number, ==, 15);
  g_assert_null(mt_table_next(link));
  g_assert_null(mt_table_first(&table, COUNT));
  mt_table_clear(&table);
  g_free(records);
}

static void
test_arena(void)
{
  MtArena arena = { 0 };
  MtText none = mt_arena_put(&arena, MT_NO_SPAN), empty = mt_arena_put(&arena, MT_SPAN("")), text;
  gchar *longest = g_strnfill(MT_TEXT_MAX_BYTES + 9, 'x');

  g_assert_cmpuint(none, ==, 0);
  g_assert_null(mt_arena_get(&arena, none).at);
  g_assert_nonnull(mt_arena_get(&arena, empty).at);
  g_assert_cmpuint(mt_arena_get(&arena, empty).len, ==, 0);
  text = mt_arena_put(&arena, MT_SPAN("bob@example.com"));
  g_assert_cmpuint(mt_arena_get(&arena, mt_arena_put(&arena, mt_span_of_string(longest))).len, ==,
                   MT_TEXT_MAX_BYTES);
  g_assert_true(MT_SPAN_IS(mt_arena_get(&arena, text), "bob@example.com"));
  g_free(longest);
  mt_arena_clear(&arena);
}

/* Found by fuzz-trail: the block moved while one of its own texts was copied. */
static void
test_arena_takes_its_own_text(void)
{
  MtArena arena = { 0 };
  MtText text = mt_arena_put(&arena, MT_SPAN("sender@example.com"));

  for (guint i = 0; i < 200; i++)
    {
      text = mt_arena_put(&arena, mt_arena_get(&arena, text));
      g_assert_true(MT_SPAN_IS(mt_arena_get(&arena, text), "sender@example.com"));
    }
  mt_arena_clear(&arena);
}

/* Found by fuzz-trail: the first text of a batch was empty, and became none. */
static void
test_batch_keeps_empty_text(void)
{
  MtBatch *batch = mt_batch_new();

  g_assert_nonnull(mt_batch_text(batch, MT_SPAN("")).at);
  g_assert_null(mt_batch_text(batch, MT_NO_SPAN).at);
  g_assert_true(MT_SPAN_IS(mt_batch_text(batch, MT_SPAN("x")), "x"));
  mt_batch_clear(batch);
  g_assert_nonnull(mt_batch_text(batch, MT_SPAN("")).at);
  mt_batch_free(batch);
}

/* ---- pending ------------------------------------------------------------------------------- */

static MtTrail *
new_trail(const MtTrailSettings *settings)
{
  static const MtTrailStart start = { MT_NO_TIME, { 1, 1, 1, 1, 1, 1, 1, 1 } };
  MtHashKey key = { { 1, 2 } };
  MtTrail *trail = mt_trail_new(settings, &mt_trail_backing_null, &key);

  mt_trail_reset(trail, &start);
  return trail;
}

static void
test_pending_comes_back_as_it_was(void)
{
  MtTrailSettings settings = { .max_messages = 10 };
  MtTrail *trail = new_trail(&settings);
  MtLine line = { .time = 77, .host = MT_SPAN_INIT("mx1"), .pid = 5, .repeat = 1 }, its_line;
  MtEvent event, again;
  MtPending *pending;

  mt_event_clear(&event);
  MT_EVENT_SET_LITERAL(&event, MT_F_ACCOUNT, "bob@example.com");
  mt_event_set_text(&event, MT_F_MAILBOX, mt_span("a\0b", 3));
  mt_event_set_number(&event, MT_F_SIZE, 1234);
  mt_event_set_number(&event, MT_F_DELAY, 1500000);
  mt_event_set_number(&event, MT_F_TLS, 1);
  mt_event_set_real(&event, MT_F_SCORE, -1.5);
  mt_event_set_word(&event, MT_F_ACTION, MT_WORD_STORED);
  mt_event_set_ip(&event, MT_F_CLIENT_IP, MT_SPAN("192.0.2.1"));
  mt_pending_add(trail, MT_PENDING_STORED, 42, &line, &event);
  g_assert_null(mt_pending_next(trail, MT_PENDING_LOGOUT, 42, NULL));
  pending = mt_pending_next(trail, MT_PENDING_STORED, 42, NULL);
  g_assert_nonnull(pending);
  mt_pending_read(pending, &again, &its_line);
  g_assert_cmpint(its_line.time, ==, 77);
  g_assert_true(MT_SPAN_IS(its_line.host, "mx1"));
  g_assert_true(MT_SPAN_IS(mt_event_text(&again, MT_F_ACCOUNT), "bob@example.com"));
  g_assert_true(MT_SPAN_IS(mt_event_text(&again, MT_F_MAILBOX), "a b")); /* NUL separates here */
  g_assert_cmpint(mt_event_number(&again, MT_F_SIZE, 0), ==, 1234);
  g_assert_cmpint(mt_event_number(&again, MT_F_DELAY, 0), ==, 1500000);
  g_assert_cmpint(mt_event_number(&again, MT_F_TLS, 0), ==, 1);
  g_assert_cmpfloat(again.value[MT_F_SCORE].real, ==, -1.5);
  g_assert_cmpint(mt_event_word(&again, MT_F_ACTION), ==, MT_WORD_STORED);
  g_assert_nonnull(mt_event_ip(&again, MT_F_CLIENT_IP));
  mt_trail_free(trail);
}

/* What came and went within a batch is no news for the disk; what was there goes from it. */
static void
test_pending_rows(void)
{
  MtTrailSettings settings = { .max_messages = 10 };
  MtTrail *trail = new_trail(&settings);
  MtLine line = { .time = 77, .pid = -1, .repeat = 1 };
  MtEvent event;
  MtBatch *batch;

  mt_event_clear(&event);
  mt_pending_add(trail, MT_PENDING_CHILD, 1, &line, &event);
  mt_pending_add(trail, MT_PENDING_CHILD, 2, &line, &event);
  mt_pending_remove(trail, mt_pending_next(trail, MT_PENDING_CHILD, 1, NULL));
  batch = mt_trail_flush(trail, NULL, NULL);
  g_assert_cmpuint(batch->pendings->len, ==, 1);
  g_assert_false(g_array_index(batch->pendings, MtPendingRow, 0).removed);
  mt_batch_free(batch);
  mt_trail_committed(trail);
  mt_pending_remove(trail, mt_pending_next(trail, MT_PENDING_CHILD, 2, NULL));
  g_assert_null(mt_pending_next(trail, MT_PENDING_CHILD, 2, NULL));
  batch = mt_trail_flush(trail, NULL, NULL);
  g_assert_cmpuint(batch->pendings->len, ==, 1);
  g_assert_true(g_array_index(batch->pendings, MtPendingRow, 0).removed);
  mt_batch_free(batch);
  mt_trail_free(trail);
}

int
main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/trail/table", test_table);
  g_test_add_func("/trail/arena", test_arena);
  g_test_add_func("/trail/arena-takes-its-own-text", test_arena_takes_its_own_text);
  g_test_add_func("/trail/batch-keeps-empty-text", test_batch_keeps_empty_text);
  g_test_add_func("/trail/pending-comes-back", test_pending_comes_back_as_it_was);
  g_test_add_func("/trail/pending-rows", test_pending_rows);
  return g_test_run();
}
