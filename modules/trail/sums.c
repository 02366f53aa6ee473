/* sums.c: what a batch adds to the totals of a day
 *
 * The rows stand in the batch that goes to the store next; the table here finds them again.
 */
#include "trail/private.h"

#define FIRST_SLOTS 1024

void
mt_sums_init(MtTrail *trail)
{
  trail->sums = g_new0(MtSum, FIRST_SLOTS);
  trail->sums_mask = FIRST_SLOTS - 1;
  trail->sums_count = 0;
}

void
mt_sums_clear(MtTrail *trail)
{
  g_clear_pointer(&trail->sums, g_free);
}

static MtSum *
free_slot(MtSum *sums, guint mask, guint64 hash)
{
  guint at = hash & mask;

  while (sums[at].place)
    at = (at + 1) & mask;
  return &sums[at];
}

/* At most half full. */
static void
make_room(MtTrail *trail)
{
  guint mask = 2 * trail->sums_mask + 1;
  MtSum *sums;

  if (2 * trail->sums_count <= trail->sums_mask)
    return;
  sums = g_new0(MtSum, mask + 1);
  for (guint i = 0; i <= trail->sums_mask; i++)
    if (trail->sums[i].place)
      *free_slot(sums, mask, trail->sums[i].hash) = trail->sums[i];
  g_free(trail->sums);
  trail->sums = sums;
  trail->sums_mask = mask;
}

/* A row that has just been put at the end of @rows. */
static void
remember(MtTrail *trail, guint64 hash, gboolean is_connection, const GArray *rows)
{
  MtSum *sum;

  trail->sums_count++;
  make_room(trail);
  sum = free_slot(trail->sums, trail->sums_mask, hash);
  *sum = (MtSum){ .hash = hash, .place = rows->len, .is_connection = is_connection };
}

/* ---- clients -------------------------------------------------------------------------------- */

static MtConnectionRow *
find_connection(MtTrail *trail, guint64 hash, const MtIp *ip, gint32 day)
{
  for (guint at = hash & trail->sums_mask; trail->sums[at].place; at = (at + 1) & trail->sums_mask)
    {
      const MtSum *sum = &trail->sums[at];
      MtConnectionRow *row;

      if (sum->hash != hash || !sum->is_connection)
        continue;
      row = &g_array_index(trail->made->connections, MtConnectionRow, sum->place - 1);
      if (row->day == day && mt_ip_equal(&row->address, ip))
        return row;
    }
  return NULL;
}

static MtConnectionRow *
add_connection(MtTrail *trail, guint64 hash, const MtIp *ip, MtTime at)
{
  MtConnectionRow row = { .day = mt_time_day(at), .address = *ip, .first_at = at, .last_at = at };
  GArray *rows = trail->made->connections;
  gchar text[MT_IP_TEXT_BYTES];

  row.ip = mt_batch_text(trail->made, mt_span(text, mt_ip_format(ip, text)));
  g_array_append_val(rows, row);
  remember(trail, hash, TRUE, rows);
  return &g_array_index(rows, MtConnectionRow, rows->len - 1);
}

MtConnectionRow *
mt_sums_connection(MtTrail *trail, const MtIp *ip, MtSpan name, MtTime at)
{
  gint32 day = mt_time_day(at);
  guint64 hash = mt_hash_mix(mt_trail_hash_ip(trail, ip), day);
  MtConnectionRow *row = find_connection(trail, hash, ip, day);

  if (!row)
    row = add_connection(trail, hash, ip, at);
  if (name.len && !row->name.at)
    row->name = mt_batch_text(trail->made, name);
  row->first_at = MIN(row->first_at, at);
  row->last_at = MAX(row->last_at, at);
  return row;
}

/* ---- accounts ------------------------------------------------------------------------------- */

static MtActivityRow *
find_activity(MtTrail *trail, guint64 hash, MtSpan account, gint32 day)
{
  for (guint at = hash & trail->sums_mask; trail->sums[at].place; at = (at + 1) & trail->sums_mask)
    {
      const MtSum *sum = &trail->sums[at];
      MtActivityRow *row;

      if (sum->hash != hash || sum->is_connection)
        continue;
      row = &g_array_index(trail->made->activities, MtActivityRow, sum->place - 1);
      if (row->day == day && mt_span_equal(row->account, account))
        return row;
    }
  return NULL;
}

MtActivityRow *
mt_sums_activity(MtTrail *trail, MtSpan account, gint32 day)
{
  guint64 hash = mt_hash_mix(mt_trail_hash(trail, account), day);
  MtActivityRow *row = find_activity(trail, hash, account, day);
  GArray *rows = trail->made->activities;
  MtActivityRow fresh = { .day = day };

  if (row)
    return row;
  fresh.account = mt_batch_text(trail->made, account.at ? account : MT_SPAN(""));
  g_array_append_val(rows, fresh);
  remember(trail, hash, FALSE, rows);
  return &g_array_index(rows, MtActivityRow, rows->len - 1);
}

void
mt_sums_flush(MtTrail *trail, MtBatch *batch, MtLocate locate, gpointer user)
{
  for (guint i = 0; locate && i < batch->connections->len; i++)
    {
      MtConnectionRow *row = &g_array_index(batch->connections, MtConnectionRow, i);

      locate(user, &row->address, row->country);
    }
  if (trail->sums_mask >= FIRST_SLOTS && 8 * trail->sums_count < trail->sums_mask)
    {
      mt_sums_clear(trail); /* the batches have become small again */
      mt_sums_init(trail);
    }
  else if (trail->sums_count)
    memset(trail->sums, 0, (trail->sums_mask + 1) * sizeof *trail->sums);
  trail->sums_count = 0;
}
