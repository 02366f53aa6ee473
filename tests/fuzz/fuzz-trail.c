/* fuzz-trail: lines, commits, failed commits and restarts in any order, over a disk in memory
 *
 * A line that begins with \x01 commits, \x02 is a commit that fails (memory is thrown away, the
 * disk stays), \x03 a restart after a commit.  \x04 in front of the first line: nothing is kept in
 * memory beyond a batch, so that late lines find their record on disk.  Others are log lines.
 */
#include "fuzz/fuzz.h"
#include "dialects/dialect.h"
#include "trail/trail.h"

/* All batches that were committed; the last row of an id is the disk's. */
typedef struct
{
  GPtrArray *batches;
  GHashTable *messages, *deliveries, *accesses, *failures, *pendings; /* id -> row of a batch */
  MtTrailStart start;
} Disk;

/* ---- the disk ---------------------------------------------------------------------------- */

static void
report(Disk *disk, const MtMessageRow *message, MtMessageFound found, gpointer sink)
{
  GArray *rows = g_array_new(FALSE, FALSE, sizeof(MtDeliveryRow));
  GHashTableIter iter;
  gpointer row;

  g_hash_table_iter_init(&iter, disk->deliveries);
  while (g_hash_table_iter_next(&iter, NULL, &row))
    if (((MtDeliveryRow *) row)->message_id == message->id)
      g_array_append_vals(rows, row, 1);
  found(sink, message, (MtDeliveryRow *) (gpointer) rows->data, rows->len);
  g_array_free(rows, TRUE);
}

static void
by_queue_id(gpointer self, MtSpan host, MtSpan queue_id, MtTime until, MtMessageFound found,
            gpointer sink)
{
  Disk *disk = self;
  GHashTableIter iter;
  gpointer row;

  g_hash_table_iter_init(&iter, disk->messages);
  while (g_hash_table_iter_next(&iter, NULL, &row))
    {
      const MtMessageRow *message = row;

      if (mt_span_equal(message->queue_id, queue_id)
          && (!host.at || mt_span_equal(message->host, host)) && message->first_at <= until)
        report(disk, message, found, sink);
    }
}

static void
by_message_id(gpointer self, MtSpan message_id, MtTime at, gint64 window_us, MtMessageFound found,
              gpointer sink)
{
  Disk *disk = self;
  GHashTableIter iter;
  gpointer row;

  g_hash_table_iter_init(&iter, disk->messages);
  while (g_hash_table_iter_next(&iter, NULL, &row))
    {
      const MtMessageRow *message = row;

      if (mt_span_equal(message->message_id, message_id) && message->first_at >= at - window_us
          && message->first_at <= at + window_us)
        report(disk, message, found, sink);
    }
}

static void
by_parent(gpointer self, gint64 parent_id, MtMessageFound found, gpointer sink)
{
  Disk *disk = self;
  GHashTableIter iter;
  gpointer row;

  g_hash_table_iter_init(&iter, disk->messages);
  while (g_hash_table_iter_next(&iter, NULL, &row))
    if (((MtMessageRow *) row)->parent_id == parent_id)
      report(disk, row, found, sink);
}

static void
access_by_key(gpointer self, guint64 key, MtAccessFound found, gpointer sink)
{
  GHashTableIter iter;
  gpointer row;

  g_hash_table_iter_init(&iter, ((Disk *) self)->accesses);
  while (g_hash_table_iter_next(&iter, NULL, &row))
    if (((MtAccessRow *) row)->key == key && ((MtAccessRow *) row)->ended_at == MT_NO_TIME)
      found(sink, row);
}

static void
open_accesses(gpointer self, MtTime since, guint max, MtAccessFound found, gpointer sink)
{
  GHashTableIter iter;
  gpointer row;

  g_hash_table_iter_init(&iter, ((Disk *) self)->accesses);
  while (max && g_hash_table_iter_next(&iter, NULL, &row))
    if (((MtAccessRow *) row)->at >= since && ((MtAccessRow *) row)->ended_at == MT_NO_TIME)
      {
        found(sink, row);
        max--;
      }
}

static void
failures_since(gpointer self, MtTime since, MtFailureFound found, gpointer sink)
{
  GHashTableIter iter;
  gpointer row;

  g_hash_table_iter_init(&iter, ((Disk *) self)->failures);
  while (g_hash_table_iter_next(&iter, NULL, &row))
    if (((MtFailureRow *) row)->at >= since)
      found(sink, row);
}

static void
pendings(gpointer self, MtPendingFound found, gpointer sink)
{
  GHashTableIter iter;
  gpointer row;

  g_hash_table_iter_init(&iter, ((Disk *) self)->pendings);
  while (g_hash_table_iter_next(&iter, NULL, &row))
    found(sink, row);
}

static void
deliveries_of(gpointer self, gint64 message_id, MtTime mail_at, MtSpan recipient,
              MtDeliveryFound found, gpointer sink)
{
  GHashTableIter iter;
  gpointer row;

  g_hash_table_iter_init(&iter, ((Disk *) self)->deliveries);
  while (g_hash_table_iter_next(&iter, NULL, &row))
    {
      const MtDeliveryRow *delivery = row;

      if (delivery->message_id == message_id
          && (!recipient.at || mt_span_equal(delivery->recipient, recipient)))
        found(sink, delivery);
    }
}

/* ---- a commit ---------------------------------------------------------------------------- */

#define PUT(disk, batch, rows, Type) \
  for (guint i = 0; i < (batch)->rows->len; i++) \
    { \
      Type *row = &g_array_index((batch)->rows, Type, i); \
\
      g_hash_table_insert((disk)->rows, &row->id, row); \
    }

#define PUT_OR_REMOVE(disk, batch, rows, Type) \
  for (guint i = 0; i < (batch)->rows->len; i++) \
    { \
      Type *row = &g_array_index((batch)->rows, Type, i); \
\
      if (row->removed) \
        g_hash_table_remove((disk)->rows, &row->id); \
      else \
        g_hash_table_insert((disk)->rows, &row->id, row); \
    }

static void
check_batch(const Disk *disk, const MtBatch *batch)
{
  for (guint i = 0; i < batch->messages->len; i++)
    {
      const MtMessageRow *row = &g_array_index(batch->messages, MtMessageRow, i);

      FUZZ_CHECK(row->id > 0 && row->id < batch->ids.message);
      FUZZ_CHECK(row->first_at <= row->last_at);
    }
  for (guint i = 0; i < batch->deliveries->len; i++)
    {
      const MtDeliveryRow *row = &g_array_index(batch->deliveries, MtDeliveryRow, i);

      FUZZ_CHECK(row->id > 0 && row->id < batch->ids.delivery);
      FUZZ_CHECK(row->removed || g_hash_table_contains(disk->messages, &row->message_id));
    }
}

static void
commit(Disk *disk, MtTrail *trail)
{
  MtBatch *batch = mt_trail_flush(trail, NULL, NULL);

  for (guint i = 0; i < batch->messages->len; i++)
    disk->start.horizon =
        MAX(disk->start.horizon, g_array_index(batch->messages, MtMessageRow, i).last_at);
  PUT(disk, batch, messages, MtMessageRow);
  PUT(disk, batch, accesses, MtAccessRow);
  PUT(disk, batch, failures, MtFailureRow);
  PUT_OR_REMOVE(disk, batch, deliveries, MtDeliveryRow);
  PUT_OR_REMOVE(disk, batch, pendings, MtPendingRow);
  check_batch(disk, batch);
  disk->start.ids = batch->ids;
  g_ptr_array_add(disk->batches, batch);
  mt_trail_committed(trail);
}

static void
fail(Disk *disk, MtTrail *trail)
{
  mt_batch_free(mt_trail_flush(trail, NULL, NULL));
  mt_trail_reset(trail, &disk->start);
}

/* ---- a run --------------------------------------------------------------------------------- */

static void
push(MtTrail *trail, MtParser *parser, MtClock *clock, MtSpan raw)
{
  MtEvent event;
  MtLine line;
  MtFact fact;
  guint parts = 1;

  mt_line_scan(raw, clock, &line);
  if (line.time == MT_NO_TIME)
    return;
  for (guint part = 0; part < parts; part++)
    {
      mt_parser_parse_part(parser, &line, part, &event);
      parts = event.parts;
      if (event.kind != MT_EVENT_OTHER && event.kind != MT_EVENT_UNKNOWN)
        mt_trail_push(trail, &line, &event, &fact);
    }
}

static void
run(Disk *disk, MtTrail *trail, MtCursor *cur)
{
  static MtParser parser;
  MtClock clock;
  MtSpan raw;

  mt_parser_init(&parser, NULL);
  mt_clock_init(&clock, NULL, G_GINT64_CONSTANT(1796000000000000), 0);
  mt_trail_reset(trail, &disk->start);
  while (cur->at < cur->end)
    {
      if (!mt_scan_until(cur, '\n', &raw))
        {
          raw = mt_cursor_rest(cur);
          cur->at = cur->end;
        }
      if (MT_SPAN_STARTS(raw, "\x01"))
        commit(disk, trail);
      else if (MT_SPAN_STARTS(raw, "\x02"))
        fail(disk, trail);
      else if (MT_SPAN_STARTS(raw, "\x03"))
        {
          commit(disk, trail);
          mt_trail_reset(trail, &disk->start);
        }
      else
        push(trail, &parser, &clock, raw);
    }
  commit(disk, trail);
}

static GHashTable *
new_rows(void)
{
  return g_hash_table_new(g_int64_hash, g_int64_equal);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  MtCursor cur = mt_cursor(fuzz_span(data, size));
  MtHashKey key = { { 1, 2 } };
  MtTrailSettings settings = { .learn_domains = TRUE, .store_subject = TRUE, .max_messages = 100 };
  Disk disk = { g_ptr_array_new_with_free_func((GDestroyNotify) mt_batch_free),
                new_rows(),
                new_rows(),
                new_rows(),
                new_rows(),
                new_rows(),
                { MT_NO_TIME, { 1, 1, 1, 1, 1, 1, 1, 1 } } };
  MtTrailBacking backing = { &disk,          by_queue_id,   by_message_id,
                             by_parent,      access_by_key, open_accesses,
                             failures_since, pendings,      deliveries_of };
  MtTrail *trail;

  if (mt_scan_char(&cur, '\x04'))
    settings.max_messages = 1;
  trail = mt_trail_new(&settings, &backing, &key);
  run(&disk, trail, &cur);
  mt_trail_free(trail);
  g_hash_table_destroy(disk.messages);
  g_hash_table_destroy(disk.deliveries);
  g_hash_table_destroy(disk.accesses);
  g_hash_table_destroy(disk.failures);
  g_hash_table_destroy(disk.pendings);
  g_ptr_array_free(disk.batches, TRUE);
  return 0;
}
