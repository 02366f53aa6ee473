/* slab.c, table.c, pool.c, arena.c, batch.c, sums.c, pending.c */
#include "trail/private.h"

typedef struct
{
  MtRecord record;
  gint value;
  MtLink link;
  gint32 unused;
} Record;

/* Records stay where they are, and the list keeps the order of their use. */
static void
test_slab(void)
{
  enum
  {
    COUNT = 1000
  };
  Record *records[COUNT], *again;
  MtSlab slab;

  mt_slab_init(&slab, sizeof(Record));
  g_assert_null(mt_slab_newest(&slab));
  for (gint i = 0; i < COUNT; i++)
    {
      records[i] = mt_slab_take0(&slab);
      g_assert_cmpint(records[i]->value, ==, 0);
      g_assert_true(mt_slab_at(&slab, records[i]->record.number) == records[i]);
      records[i]->value = i;
      mt_slab_use(&slab, records[i]);
    }
  for (gint i = 0; i < COUNT; i += 2)
    mt_slab_touch(&slab, records[i]);
  g_assert_true(mt_slab_oldest(&slab) == records[1]);
  g_assert_true(mt_slab_newer(&slab, records[1]) == records[3]);
  g_assert_true(mt_slab_newer(&slab, records[COUNT - 1]) == records[0]);
  g_assert_true(mt_slab_older(&slab, records[2]) == records[0]);
  g_assert_null(mt_slab_older(&slab, records[1]));
  g_assert_true(mt_slab_newest(&slab) == records[COUNT - 2]);
  for (gint i = 0; i < COUNT; i++)
    {
      g_assert_cmpint(records[i]->value, ==, i);
      mt_slab_leave(&slab, records[i]);
    }
  g_assert_cmpuint(slab.count, ==, 0);
  g_assert_null(mt_slab_oldest(&slab));
  mt_slab_give(&slab, records[7]);
  again = mt_slab_take0(&slab);
  g_assert_true(again == records[7]);
  g_assert_cmpint(again->value, ==, 0);
  g_assert_cmpuint(mt_slab_bytes(&slab), >=, COUNT * sizeof(Record));
  mt_slab_clear(&slab);
}

static void
test_table(void)
{
  enum
  {
    COUNT = 5000
  };
  Record *records[COUNT], *found;
  MtTable table;
  MtSlab slab;

  mt_slab_init(&slab, sizeof(Record));
  mt_table_init(&table, &slab, G_STRUCT_OFFSET(Record, link));
  for (gint i = 0; i < COUNT; i++)
    {
      records[i] = mt_slab_take0(&slab);
      records[i]->value = i;
      mt_table_add(&table, records[i], i / 2); /* two of each hash, and the table grows */
    }
  g_assert_cmpuint(table.count, ==, COUNT);
  for (gint i = 0; i < COUNT; i += 2)
    {
      found = mt_table_first(&table, i / 2);
      g_assert_cmpint(found->value, ==, i + 1); /* newest first */
      found = mt_table_next(&table, found);
      g_assert_cmpint(found->value, ==, i);
      g_assert_null(mt_table_next(&table, found));
    }
  for (gint i = 0; i < COUNT; i += 2)
    mt_table_remove(&table, records[i]);
  g_assert_cmpuint(table.count, ==, COUNT / 2);
  found = mt_table_first(&table, 7);
  g_assert_cmpint(found->value, ==, 15);
  g_assert_null(mt_table_next(&table, found));
  g_assert_null(mt_table_first(&table, COUNT));
  mt_table_remove(&table, found = mt_table_first(&table, 7)); /* the one found last */
  g_assert_null(mt_table_first(&table, 7));
  mt_table_add(&table, found, 7);
  mt_table_add(&table, records[14], 7);
  mt_table_remove(&table, records[14]); /* the newest goes: there is another */
  g_assert_true(mt_table_first(&table, 7) == found);
  mt_table_clear(&table);
  mt_slab_clear(&slab);
}

/* Many of one hash, as who floods us may have them: any of them leaves at once. */
static void
test_table_of_one_hash(void)
{
  enum
  {
    COUNT = 5000
  };
  Record *records[COUNT];
  MtTable table;
  MtSlab slab;
  gint seen = 0;

  mt_slab_init(&slab, sizeof(Record));
  mt_table_init(&table, &slab, G_STRUCT_OFFSET(Record, link));
  for (gint i = 0; i < COUNT; i++)
    {
      records[i] = mt_slab_take0(&slab);
      records[i]->value = i;
      mt_table_add(&table, records[i], 42);
    }
  MT_TABLE_EACH (Record, record, &table, 42)
    g_assert_cmpint(record->value, ==, COUNT - ++seen);
  g_assert_cmpint(seen, ==, MT_TABLE_MAX_WALK);
  for (gint i = 0; i < COUNT; i += 3)
    mt_table_remove(&table, records[i]);
  seen = 0;
  for (Record *record = mt_table_first(&table, 42); record; record = mt_table_next(&table, record))
    {
      g_assert_cmpint(record->value % 3, !=, 0);
      seen++;
    }
  g_assert_cmpint(seen, ==, table.count);
  mt_table_clear(&table);
  mt_slab_clear(&slab);
}

/* Pieces do not overlap, and one that was given back serves again. */
static void
test_pool(void)
{
  MtPool pool = { 0 };
  gchar *pieces[3000];

  for (guint i = 0; i < G_N_ELEMENTS(pieces); i++)
    {
      gsize bytes = 1 + i % (MT_POOL_MAX_BYTES + 100);

      pieces[i] = mt_pool_take(&pool, bytes);
      g_assert_cmpuint((guintptr) pieces[i] % sizeof(gpointer), ==, 0);
      memset(pieces[i], i, bytes);
    }
  for (guint i = 0; i < G_N_ELEMENTS(pieces); i++)
    {
      gsize bytes = 1 + i % (MT_POOL_MAX_BYTES + 100);

      g_assert_cmpint(pieces[i][0], ==, (gchar) i);
      g_assert_cmpint(pieces[i][bytes - 1], ==, (gchar) i);
      mt_pool_give(&pool, pieces[i], bytes);
    }
  for (guint i = 0; i < 100; i++)
    pieces[i] = mt_pool_take0(&pool, 40);
  for (guint i = 0; i < 100; i++)
    for (guint byte = 0; byte < 40; byte++)
      g_assert_cmpint(pieces[i][byte], ==, 0);
  for (guint i = 0; i < 100; i++)
    mt_pool_give(&pool, pieces[i], 40);
  mt_pool_clear(&pool);
}

static void
test_arena_of_a_pool(void)
{
  MtPool pool = { 0 };
  MtArena arena;
  MtText first;

  mt_arena_init(&arena, &pool, 0, 20);
  first = mt_arena_put(&arena, &pool, MT_SPAN("bob@example.com"));
  g_assert_cmpuint(first, !=, 0);
  for (guint i = 0; i < 500; i++) /* beyond the pool's pieces */
    {
      MtText copy = mt_arena_put(&arena, &pool, mt_arena_get(&arena, first));

      g_assert_true(MT_SPAN_IS(mt_arena_get(&arena, copy), "bob@example.com"));
    }
  mt_arena_clear(&arena, &pool);
  mt_pool_clear(&pool);
}

static void
test_arena(void)
{
  MtArena arena = { 0 };
  MtPool pool = { 0 };
  MtText none = mt_arena_put(&arena, &pool, MT_NO_SPAN),
         empty = mt_arena_put(&arena, &pool, MT_SPAN("")), text;
  gchar *longest = g_strnfill(MT_TEXT_MAX_BYTES + 9, 'x');

  g_assert_cmpuint(none, ==, 0);
  g_assert_null(mt_arena_get(&arena, none).at);
  g_assert_nonnull(mt_arena_get(&arena, empty).at);
  g_assert_cmpuint(mt_arena_get(&arena, empty).len, ==, 0);
  text = mt_arena_put(&arena, &pool, MT_SPAN("bob@example.com"));
  g_assert_cmpuint(
      mt_arena_get(&arena, mt_arena_put(&arena, &pool, mt_span_of_string(longest))).len, ==,
      MT_TEXT_MAX_BYTES);
  g_assert_true(MT_SPAN_IS(mt_arena_get(&arena, text), "bob@example.com"));
  g_free(longest);
  mt_arena_clear(&arena, &pool);
  mt_pool_clear(&pool);
}

/* Found by fuzz-trail: the block moved while one of its own texts was copied. */
static void
test_arena_takes_its_own_text(void)
{
  MtArena arena = { 0 };
  MtPool pool = { 0 };
  MtText text = mt_arena_put(&arena, &pool, MT_SPAN("sender@example.com"));

  for (guint i = 0; i < 200; i++)
    {
      text = mt_arena_put(&arena, &pool, mt_arena_get(&arena, text));
      g_assert_true(MT_SPAN_IS(mt_arena_get(&arena, text), "sender@example.com"));
    }
  mt_arena_clear(&arena, &pool);
  mt_pool_clear(&pool);
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

static void
test_batch_again(void)
{
  MtBatch *batch = mt_batch_new();

  for (guint round = 0; round < 3; round++)
    {
      for (guint i = 0; i < 1000; i++)
        {
          MtRejectRow *row = MT_BATCH_ADD(batch->rejects, MtRejectRow);
          gchar text[1000];

          g_assert_cmpint(row->id, ==, 0);
          g_assert_null(row->reason.at);
          row->id = i + 1;
          memset(text, 'a' + round, sizeof text);
          row->reason = mt_batch_text(batch, mt_span(text, sizeof text));
        }
      for (guint i = 0; i < 1000; i++)
        {
          const MtRejectRow *row = &g_array_index(batch->rejects, MtRejectRow, i);

          g_assert_cmpint(row->id, ==, i + 1);
          for (guint at = 0; at < 1000; at++)
            g_assert_cmpint(row->reason.at[at], ==, 'a' + round);
        }
      mt_batch_clear(batch);
    }
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

/* The store of one row. */
static void
give_pending(gpointer self, MtPendingFound found, gpointer sink)
{
  found(sink, self);
}

/* In memory it is numbers, on disk text: what is read back is the same. */
static void
test_pending_from_the_disk(void)
{
  static const MtTrailStart start = { MT_NO_TIME, { 1, 1, 1, 1, 1, 1, 1, 1 } };
  MtTrailSettings settings = { .max_messages = 10 };
  MtTrail *trail = new_trail(&settings), *other;
  MtTrailBacking backing = mt_trail_backing_null;
  MtLine line = { .time = 77, .host = MT_SPAN_INIT("mx1"), .pid = -1, .repeat = 1 }, its_line;
  GString *before = g_string_new(NULL), *after = g_string_new(NULL);
  MtHashKey key = { { 1, 2 } };
  MtPendingRow row;
  MtEvent event, again;
  MtBatch *batch;

  mt_event_clear(&event);
  event.kind = MT_EVENT_VERDICT;
  MT_EVENT_SET_LITERAL(&event, MT_F_MESSAGE_ID, "<a@example.com>");
  MT_EVENT_SET_LITERAL(&event, MT_F_SUBJECT, "");
  mt_event_set_number(&event, MT_F_DELAY, 1500000);
  mt_event_set_number(&event, MT_F_TLS, 0);
  mt_event_set_number(&event, MT_F_UID, -1); /* no number that waits */
  mt_event_set_real(&event, MT_F_SCORE, 1.23456789012345);
  mt_event_set_word(&event, MT_F_ACTION, MT_WORD_REWRITE_SUBJECT);
  mt_event_set_ip(&event, MT_F_CLIENT_IP, MT_SPAN("2001:DB8:0:0::1"));
  mt_pending_add(trail, MT_PENDING_VERDICT, 42, &line, &event);
  mt_pending_read(mt_pending_next(trail, MT_PENDING_VERDICT, 42, NULL), &event, &its_line);
  mt_event_append_json(&event, &its_line, before);
  batch = mt_trail_flush(trail, NULL, NULL);
  g_assert_cmpuint(batch->pendings->len, ==, 1);
  row = g_array_index(batch->pendings, MtPendingRow, 0);
  backing.self = &row;
  backing.pendings = give_pending;
  other = mt_trail_new(&settings, &backing, &key);
  mt_trail_reset(other, &start);
  mt_pending_read(mt_pending_next(other, MT_PENDING_VERDICT, 42, NULL), &again, &its_line);
  mt_event_append_json(&again, &its_line, after);
  g_assert_cmpstr(before->str, ==, after->str);
  g_assert_false(mt_event_has(&again, MT_F_UID));
  g_assert_cmpfloat(event.value[MT_F_SCORE].real, ==, again.value[MT_F_SCORE].real);
  g_assert_true(MT_SPAN_IS(mt_event_ip_text(&event, MT_F_CLIENT_IP), "2001:db8::1"));
  mt_batch_free(batch);
  g_string_free(before, TRUE);
  g_string_free(after, TRUE);
  mt_trail_free(trail);
  mt_trail_free(other);
}

/* What is used up within the batch leaves no trace; what the disk has is told of. */
static void
test_pending_used_up(void)
{
  MtTrailSettings settings = { .max_messages = 10 };
  MtTrail *trail = new_trail(&settings);
  MtLine line = { .time = 77, .pid = -1, .repeat = 1 };
  MtEvent event;
  MtBatch *batch;

  mt_event_clear(&event);
  for (guint64 key = 1; key <= 3; key++)
    mt_pending_add(trail, MT_PENDING_CHILD, key, &line, &event);
  mt_pending_use_up(trail, mt_pending_next(trail, MT_PENDING_CHILD, 2, NULL));
  g_assert_null(mt_pending_next(trail, MT_PENDING_CHILD, 2, NULL));
  batch = mt_trail_flush(trail, NULL, NULL);
  g_assert_cmpuint(batch->pendings->len, ==, 2);
  mt_trail_recycle(trail, batch);
  mt_trail_committed(trail);
  mt_pending_use_up(trail, mt_pending_next(trail, MT_PENDING_CHILD, 1, NULL));
  batch = mt_trail_flush(trail, NULL, NULL);
  g_assert_cmpuint(batch->pendings->len, ==, 1);
  g_assert_true(g_array_index(batch->pendings, MtPendingRow, 0).removed);
  mt_batch_free(batch);
  mt_trail_committed(trail);
  mt_pending_use_up(trail, mt_pending_next(trail, MT_PENDING_CHILD, 3, NULL));
  g_assert_false(mt_pending_waits(trail, MT_PENDING_CHILD));
  mt_trail_free(trail); /* before the disk is told */
}

/* ---- sums ---------------------------------------------------------------------------------- */

/* Each account and client has one row a day, however many there are; a new batch has new ones. */
static void
test_sums(void)
{
  enum
  {
    COUNT = 3000
  };
  MtTrailSettings settings = { .max_messages = 10 };
  MtTrail *trail = new_trail(&settings);
  MtIp ip = { { 0x20, 0x01, 0x0d, 0xb8 } };
  gchar name[32];

  for (guint round = 0; round < 2; round++)
    {
      MtBatch *batch;

      for (guint i = 0; i < 2 * COUNT; i++)
        {
          g_snprintf(name, sizeof name, "user%u@example.com", i % COUNT);
          ip.b[14] = i % COUNT >> 8;
          ip.b[15] = i % COUNT;
          mt_sums_activity(trail, mt_span_of_string(name), 5)->sent++;
          mt_sums_connection(trail, &ip, MT_NO_SPAN, i)->connections++;
        }
      mt_sums_activity(trail, MT_SPAN("user0@example.com"), 6)->sent++;
      batch = mt_trail_flush(trail, NULL, NULL);
      g_assert_cmpuint(batch->activities->len, ==, COUNT + 1);
      g_assert_cmpuint(batch->connections->len, ==, COUNT);
      for (guint i = 0; i < COUNT; i++)
        {
          const MtConnectionRow *row = &g_array_index(batch->connections, MtConnectionRow, i);

          g_assert_cmpint(g_array_index(batch->activities, MtActivityRow, i).sent, ==, 2);
          g_assert_cmpint(row->connections, ==, 2);
          g_assert_cmpint(row->first_at, ==, i);
          g_assert_cmpint(row->last_at, ==, i + COUNT);
        }
      g_assert_true(
          MT_SPAN_IS(g_array_index(batch->connections, MtConnectionRow, 1).ip, "2001:db8::1"));
      mt_trail_recycle(trail, batch);
      mt_trail_committed(trail);
    }
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
  g_test_add_func("/trail/slab", test_slab);
  g_test_add_func("/trail/table", test_table);
  g_test_add_func("/trail/table-of-one-hash", test_table_of_one_hash);
  g_test_add_func("/trail/pool", test_pool);
  g_test_add_func("/trail/arena", test_arena);
  g_test_add_func("/trail/arena-of-a-pool", test_arena_of_a_pool);
  g_test_add_func("/trail/arena-takes-its-own-text", test_arena_takes_its_own_text);
  g_test_add_func("/trail/batch-keeps-empty-text", test_batch_keeps_empty_text);
  g_test_add_func("/trail/batch-again", test_batch_again);
  g_test_add_func("/trail/pending-from-the-disk", test_pending_from_the_disk);
  g_test_add_func("/trail/pending-used-up", test_pending_used_up);
  g_test_add_func("/trail/sums", test_sums);
  g_test_add_func("/trail/pending-comes-back", test_pending_comes_back_as_it_was);
  g_test_add_func("/trail/pending-rows", test_pending_rows);
  return g_test_run();
}
