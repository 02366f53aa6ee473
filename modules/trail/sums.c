/* sums.c: what a batch adds to the totals of a day */
#include "trail/private.h"

static MtSum *
sum_of(MtTrail *trail, gboolean is_connection, MtSpan key, gint32 day)
{
  guint64 hash = mt_hash_mix(mt_trail_hash(trail, key), ((guint64) day << 1) + is_connection);
  MtSum *sum;

  for (MtLink *link = mt_table_first(&trail->by_sum, hash); link; link = mt_table_next(link))
    {
      gint32 its_day;

      sum = MT_OF_LINK(MtSum, by_key, link);
      its_day = is_connection ? sum->connection.day : sum->activity.day;
      if (sum->is_connection == is_connection && its_day == day
          && mt_span_equal(mt_span_of_string(sum->key), key))
        return sum;
    }
  sum = g_new0(MtSum, 1);
  sum->is_connection = is_connection;
  sum->key = g_strndup(key.at ? key.at : "", key.len);
  if (is_connection)
    sum->connection.day = day;
  else
    sum->activity.day = day;
  mt_table_add(&trail->by_sum, &sum->by_key, hash);
  g_ptr_array_add(trail->sums, sum);
  return sum;
}

MtConnectionRow *
mt_sums_connection(MtTrail *trail, const MtIp *ip, MtSpan name, MtTime at)
{
  gchar text[MT_IP_TEXT_BYTES];
  gsize len = mt_ip_format(ip, text);
  MtSum *sum = sum_of(trail, TRUE, mt_span(text, len), mt_time_day(at));
  MtConnectionRow *row = &sum->connection;

  if (!row->ip.at)
    {
      sum->ip = *ip;
      row->ip = mt_span_of_string(sum->key);
      row->first_at = row->last_at = at;
    }
  if (name.len && !row->name.at)
    row->name = mt_batch_text(trail->made, name);
  row->first_at = MIN(row->first_at, at);
  row->last_at = MAX(row->last_at, at);
  return row;
}

MtActivityRow *
mt_sums_activity(MtTrail *trail, MtSpan account, gint32 day)
{
  MtSum *sum = sum_of(trail, FALSE, account, day);

  sum->activity.account = mt_span_of_string(sum->key);
  return &sum->activity;
}

void
mt_sums_flush(MtTrail *trail, MtBatch *batch, MtLocate locate, gpointer user)
{
  for (guint i = 0; i < trail->sums->len; i++)
    {
      MtSum *sum = g_ptr_array_index(trail->sums, i);

      if (sum->is_connection)
        {
          MtConnectionRow row = sum->connection;

          row.ip = mt_batch_text(batch, row.ip);
          if (locate)
            locate(user, &sum->ip, row.country);
          g_array_append_val(batch->connections, row);
        }
      else
        {
          MtActivityRow row = sum->activity;

          row.account = mt_batch_text(batch, row.account);
          g_array_append_val(batch->activities, row);
        }
      mt_table_remove(&trail->by_sum, &sum->by_key);
      g_free(sum->key);
      g_free(sum);
    }
  g_ptr_array_set_size(trail->sums, 0);
}

void
mt_sums_clear(MtTrail *trail)
{
  for (guint i = 0; i < trail->sums->len; i++)
    {
      MtSum *sum = g_ptr_array_index(trail->sums, i);

      g_free(sum->key);
      g_free(sum);
    }
  g_ptr_array_free(trail->sums, TRUE);
  mt_table_clear(&trail->by_sum);
}

void
mt_sums_init(MtTrail *trail)
{
  mt_table_init(&trail->by_sum);
  trail->sums = g_ptr_array_new();
}
