/* pending.c: what waits for the line it belongs to
 *
 * Lines pass each other: a mailbox says what it took before the delivery agent says
 * that it handed it over.  What cannot be joined yet waits here, and on disk from the
 * next commit on.  Names and values are kept as text, so that the next version of the
 * program can read them.
 */
#include "trail/private.h"

/* Beyond, the oldest goes: by then its line was lost. */
#define MAX_PENDING 20000
#define MAX_PENDING_BYTES (16 * 1024 * 1024)

void
mt_pending_init(MtTrail *trail)
{
  mt_table_init(&trail->by_pending);
  trail->pending_bytes = 0;
  trail->dirty_pendings = g_ptr_array_new();
}

static guint64
full_key(MtPendingKind kind, guint64 key)
{
  return mt_hash_mix(key, kind);
}

static void
append_pair(GString *data, const gchar *name, MtSpan value)
{
  gsize len = MIN(value.len, MT_TEXT_MAX_BYTES), begin;

  g_string_append(data, name);
  g_string_append_c(data, '\0');
  begin = data->len;
  if (len)
    g_string_append_len(data, value.at, len);
  for (gchar *at = data->str + begin; (at = memchr(at, '\0', data->str + data->len - at)); at++)
    *at = ' ';
  g_string_append_c(data, '\0');
}

static GString *
encode(const MtLine *line, const MtEvent *event)
{
  GString *data = g_string_sized_new(255), *value = g_string_sized_new(63);

  append_pair(data, "host", line->host);
  for (gint field = 0; field < MT_FIELD_COUNT; field++)
    if (mt_event_has(event, field))
      {
        if (mt_field_type(field) == MT_TYPE_TEXT)
          {
            append_pair(data, mt_field_name(field), event->value[field].text);
            continue;
          }
        g_string_truncate(value, 0);
        if (mt_field_type(field) == MT_TYPE_DURATION)
          g_string_append_printf(value, "%" G_GINT64_FORMAT, event->value[field].number);
        else
          mt_event_append_value(event, field, value);
        append_pair(data, mt_field_name(field), mt_span(value->str, value->len));
      }
  g_string_free(value, TRUE);
  return data;
}

static void
decode_field(MtEvent *event, MtField field, MtSpan value)
{
  guint64 number;
  gint word;

  switch (mt_field_type(field))
    {
    case MT_TYPE_TEXT:
      mt_event_set_text(event, field, value);
      return;
    case MT_TYPE_INTEGER:
    case MT_TYPE_DURATION:
      if (mt_span_to_u64(value, &number))
        mt_event_set_number(event, field, number);
      return;
    case MT_TYPE_REAL:
      mt_event_set_real(event, field, g_ascii_strtod(value.at, NULL));
      return;
    case MT_TYPE_IP:
      mt_event_set_ip(event, field, value);
      return;
    case MT_TYPE_WORD:
      if ((word = mt_word_by_name(value)) > 0)
        mt_event_set_word(event, field, word);
      return;
    case MT_TYPE_BOOLEAN:
      mt_event_set_number(event, field, MT_SPAN_IS(value, "yes"));
      return;
    }
}

void
mt_pending_read(const MtPending *pending, MtEvent *event, MtLine *line)
{
  MtCursor cur = mt_cursor(mt_span(pending->data, pending->data_bytes));
  MtSpan name, value;

  mt_event_clear(event);
  *line = (MtLine){ .time = pending->at, .pid = -1, .repeat = 1 };
  while (mt_scan_until(&cur, '\0', &name) && mt_scan_until(&cur, '\0', &value))
    {
      gint field = mt_field_by_name(name);

      if (MT_SPAN_IS(name, "host"))
        line->host = value;
      else if (field >= 0)
        decode_field(event, field, value);
    }
}

static MtPending *
insert(MtTrail *trail, MtPendingKind kind, guint64 key)
{
  MtPending *pending = g_new0(MtPending, 1);

  pending->kind = kind;
  mt_table_add(&trail->by_pending, &pending->by_key, key);
  MT_LRU_ADD(&trail->pendings, pending);
  return pending;
}

static void
touch(MtTrail *trail, MtPending *pending)
{
  if (pending->dirty)
    return;
  pending->dirty = TRUE;
  g_ptr_array_add(trail->dirty_pendings, pending);
}

void
mt_pending_add(MtTrail *trail, MtPendingKind kind, guint64 key, const MtLine *line,
               const MtEvent *event)
{
  MtPending *pending = insert(trail, kind, full_key(kind, key));
  GString *data = encode(line, event);

  pending->id = trail->ids.pending++;
  pending->at = line->time;
  pending->data_bytes = data->len;
  pending->data = g_realloc(g_string_free(data, FALSE), pending->data_bytes + 1);
  trail->pending_bytes += pending->data_bytes;
  touch(trail, pending);
  while (trail->pendings.count > MAX_PENDING || trail->pending_bytes > MAX_PENDING_BYTES)
    {
      mt_pending_remove(trail, trail->pendings.oldest);
      trail->counters.orphaned++;
    }
}

MtPending *
mt_pending_next(MtTrail *trail, MtPendingKind kind, guint64 key, MtPending *after)
{
  MtLink *link = after ? mt_table_next(&after->by_key)
                       : mt_table_first(&trail->by_pending, full_key(kind, key));

  for (; link; link = mt_table_next(link))
    {
      MtPending *pending = MT_OF_LINK(MtPending, by_key, link);

      if (!pending->removed && pending->kind == kind)
        return pending;
    }
  return NULL;
}

static void
free_pending(MtPending *pending)
{
  g_free(pending->data);
  g_free(pending);
}

/* The record stays until the disk has been told, so that its texts do. */
void
mt_pending_remove(MtTrail *trail, MtPending *pending)
{
  mt_table_remove(&trail->by_pending, &pending->by_key);
  MT_LRU_REMOVE(&trail->pendings, pending);
  trail->pending_bytes -= pending->data_bytes;
  pending->removed = TRUE;
  touch(trail, pending);
}

static void
found(gpointer sink, const MtPendingRow *row)
{
  MtPending *pending = insert(sink, row->kind, row->key);

  pending->id = row->id;
  pending->at = row->at;
  pending->data = g_memdup2(row->data.at, MAX(row->data.len, 1));
  pending->data_bytes = row->data.len;
  ((MtTrail *) sink)->pending_bytes += row->data.len;
  pending->stored = TRUE;
}

void
mt_pending_load(MtTrail *trail)
{
  trail->backing->pendings(trail->backing->self, found, trail);
}

void
mt_pending_flush(MtTrail *trail, MtBatch *batch)
{
  for (guint i = 0; i < trail->dirty_pendings->len; i++)
    {
      MtPending *pending = g_ptr_array_index(trail->dirty_pendings, i);
      MtPendingRow row = { .id = pending->id,
                           .kind = pending->kind,
                           .key = pending->by_key.hash,
                           .at = pending->at,
                           .removed = pending->removed };

      if (pending->removed && !pending->stored)
        continue; /* came and went within the batch */
      row.data = mt_batch_text(batch, mt_span(pending->data, pending->data_bytes));
      g_array_append_val(batch->pendings, row);
    }
}

void
mt_pending_committed(MtTrail *trail)
{
  for (guint i = 0; i < trail->dirty_pendings->len; i++)
    {
      MtPending *pending = g_ptr_array_index(trail->dirty_pendings, i);

      pending->dirty = FALSE;
      pending->stored = TRUE;
      if (pending->removed)
        free_pending(pending);
    }
  g_ptr_array_set_size(trail->dirty_pendings, 0);
}

void
mt_pending_clear(MtTrail *trail)
{
  for (guint i = 0; i < trail->dirty_pendings->len; i++)
    {
      MtPending *pending = g_ptr_array_index(trail->dirty_pendings, i);

      if (pending->removed)
        free_pending(pending);
    }
  g_ptr_array_free(trail->dirty_pendings, TRUE);
  while (trail->pendings.oldest)
    {
      MtPending *pending = trail->pendings.oldest;

      MT_LRU_REMOVE(&trail->pendings, pending);
      free_pending(pending);
    }
  mt_table_clear(&trail->by_pending);
}
