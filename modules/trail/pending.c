/* pending.c: what waits for the line it belongs to
 *
 * Lines pass each other: a mailbox says what it took before the delivery agent says
 * that it handed it over.  What cannot be joined yet waits here, and on disk from the
 * next commit on.  There, names and values are kept as text, so that the next version of the
 * program can read them.  In memory they lie as numbers and bytes, one field behind the
 * other: most are used before they would be written.
 */
#include "trail/private.h"

/* Beyond, the oldest goes: by then its line was lost. */
#define MAX_PENDING 20000
#define MAX_PENDING_BYTES (16 * 1024 * 1024)

void
mt_pending_init(MtTrail *trail)
{
  mt_slab_init(&trail->pendings, sizeof(MtPending));
  mt_table_init(&trail->by_pending, &trail->pendings, G_STRUCT_OFFSET(MtPending, by_key));
  trail->pending_bytes = 0;
  memset(trail->waiting, 0, sizeof trail->waiting);
  trail->waiting_by_id = 0;
  trail->dirty_pendings = g_ptr_array_new();
}

static guint64
full_key(MtPendingKind kind, guint64 key)
{
  return mt_hash_mix(key, kind);
}

/* ---- in memory: a byte for the field, then its value -------------------------------------- */

/* In place of a field: the line's host. */
#define HOST G_MAXUINT8

G_STATIC_ASSERT(MT_FIELD_COUNT < HOST);

/* Fields that are there, one after the other. */
#define EACH_FIELD(field, event) \
  for (guint word_ = 0; word_ < 2; word_++) \
    for (guint64 bits_ = (event)->has[word_], field; \
         bits_ && (field = 64 * word_ + __builtin_ctzll(bits_), TRUE); bits_ &= bits_ - 1)

static gboolean
is_text(MtField field)
{
  MtFieldType type = mt_field_type(field);

  return type == MT_TYPE_TEXT || type == MT_TYPE_IP;
}

static gsize
packed_text_bytes(MtSpan text)
{
  return 1 + sizeof(guint16) + MIN(text.len, MT_TEXT_MAX_BYTES);
}

/* An address as it is written, whatever it was logged as. */
static MtSpan
text_of(const MtEvent *event, MtField field, gchar buffer[MT_IP_TEXT_BYTES])
{
  if (mt_field_type(field) == MT_TYPE_TEXT)
    return event->value[field].text;
  return mt_span(buffer, mt_ip_format(&event->value[field].address.ip, buffer));
}

static gsize
packed_bytes(const MtLine *line, const MtEvent *event)
{
  gsize bytes = packed_text_bytes(line->host);
  gchar buffer[MT_IP_TEXT_BYTES];

  EACH_FIELD (field, event)
    bytes += is_text(field) ? packed_text_bytes(text_of(event, field, buffer)) : 1 + sizeof(gint64);
  return bytes;
}

static gchar *
pack_text(gchar *to, guint8 field, MtSpan text)
{
  guint16 len = MIN(text.len, MT_TEXT_MAX_BYTES);

  *to++ = field;
  memcpy(to, &len, sizeof len);
  to += sizeof len;
  if (len)
    memcpy(to, text.at, len);
  for (gchar *at = to, *end = to + len; len && (at = memchr(at, '\0', end - at)); at++)
    *at = ' ';
  return to + len;
}

/* As much of a number as its text would keep. */
static gint64
number_of(const MtEvent *event, MtField field)
{
  gchar buffer[G_ASCII_DTOSTR_BUF_SIZE];
  gdouble real;
  gint64 number;

  if (mt_field_type(field) == MT_TYPE_WORD)
    return event->value[field].word;
  if (mt_field_type(field) != MT_TYPE_REAL)
    return event->value[field].number;
  real = g_ascii_strtod(g_ascii_formatd(buffer, sizeof buffer, "%.10g", event->value[field].real),
                        NULL);
  memcpy(&number, &real, sizeof number);
  return number;
}

static void
pack(const MtLine *line, const MtEvent *event, gchar *to)
{
  gchar buffer[MT_IP_TEXT_BYTES];

  to = pack_text(to, HOST, line->host);
  EACH_FIELD (field, event)
    {
      gint64 number;

      if (is_text(field))
        {
          to = pack_text(to, field, text_of(event, field, buffer));
          continue;
        }
      number = number_of(event, field);
      *to++ = field;
      memcpy(to, &number, sizeof number);
      to += sizeof number;
    }
}

static void
unpack_number(MtEvent *event, MtField field, gint64 number)
{
  gdouble real;

  switch (mt_field_type(field))
    {
    case MT_TYPE_REAL:
      memcpy(&real, &number, sizeof real);
      mt_event_set_real(event, field, real);
      return;
    case MT_TYPE_WORD:
      if (number > 0)
        mt_event_set_word(event, field, number);
      return;
    case MT_TYPE_BOOLEAN:
      mt_event_set_number(event, field, number != 0);
      return;
    default:
      if (number >= 0)
        mt_event_set_number(event, field, number);
    }
}

static void
unpack(const MtPending *pending, MtEvent *event, MtLine *line)
{
  const gchar *at = pending->data, *end = at + pending->data_bytes;

  while (at < end)
    {
      guint8 field = *at++;
      gint64 number;
      guint16 len;

      if (field != HOST && !is_text(field))
        {
          memcpy(&number, at, sizeof number);
          unpack_number(event, field, number);
          at += sizeof number;
          continue;
        }
      memcpy(&len, at, sizeof len);
      at += sizeof len;
      if (field == HOST)
        line->host = mt_span(at, len);
      else if (mt_field_type(field) == MT_TYPE_TEXT)
        mt_event_set_text(event, field, mt_span(at, len));
      else
        mt_event_set_ip(event, field, mt_span(at, len));
      at += len;
    }
}

/* ---- on disk: names and values as text ------------------------------------------------------ */

static void
append_pair(GString *data, const gchar *name, MtSpan value)
{
  g_string_append(data, name);
  g_string_append_c(data, '\0');
  if (value.len)
    g_string_append_len(data, value.at, value.len);
  g_string_append_c(data, '\0');
}

static void
encode(const MtPending *pending, GString *data, GString *value)
{
  MtEvent event;
  MtLine line;

  mt_pending_read(pending, &event, &line);
  append_pair(data, "host", line.host);
  EACH_FIELD (field, &event)
    {
      g_string_truncate(value, 0);
      if (mt_field_type(field) == MT_TYPE_DURATION)
        g_string_append_printf(value, "%" G_GINT64_FORMAT, event.value[field].number);
      else
        mt_event_append_value(&event, field, value);
      append_pair(data, mt_field_name(field), mt_span(value->str, value->len));
    }
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

static void
decode(const MtPending *pending, MtEvent *event, MtLine *line)
{
  MtCursor cur = mt_cursor(mt_span(pending->data, pending->data_bytes));
  MtSpan name, value;

  while (mt_scan_until(&cur, '\0', &name) && mt_scan_until(&cur, '\0', &value))
    {
      gint field = mt_field_by_name(name);

      if (MT_SPAN_IS(name, "host"))
        line->host = value;
      else if (field >= 0)
        decode_field(event, field, value);
    }
}

void
mt_pending_read(const MtPending *pending, MtEvent *event, MtLine *line)
{
  mt_event_clear(event);
  *line = (MtLine){ .time = pending->at, .pid = -1, .repeat = 1 };
  if (pending->packed)
    unpack(pending, event, line);
  else
    decode(pending, event, line);
}

/* ---- records --------------------------------------------------------------------------------- */

static MtPending *
insert(MtTrail *trail, MtPendingKind kind, guint64 key, gsize data_bytes)
{
  MtPending *pending = mt_slab_take0(&trail->pendings);

  pending->kind = kind;
  pending->key = key;
  pending->data = mt_pool_take(&trail->others_pool, data_bytes);
  pending->data_bytes = data_bytes;
  mt_table_add(&trail->by_pending, pending, key);
  mt_slab_use(&trail->pendings, pending);
  trail->pending_bytes += data_bytes;
  trail->waiting[kind % MT_PENDING_KINDS]++;
  return pending;
}

/* A mailbox that names a session is found by that alone. */
static void
count_by_id(MtTrail *trail, MtPending *pending, const MtEvent *event)
{
  pending->by_id = pending->kind == MT_PENDING_STORED && !mt_event_text(event, MT_F_SESSION).len;
  trail->waiting_by_id += pending->by_id;
}

static void
touch(MtTrail *trail, MtPending *pending)
{
  if (pending->dirty)
    return;
  pending->dirty = TRUE;
  pending->place = trail->dirty_pendings->len;
  g_ptr_array_add(trail->dirty_pendings, pending);
}

void
mt_pending_add(MtTrail *trail, MtPendingKind kind, guint64 key, const MtLine *line,
               const MtEvent *event)
{
  MtPending *pending = insert(trail, kind, full_key(kind, key), packed_bytes(line, event));

  pending->id = trail->ids.pending++;
  pending->at = line->time;
  pending->packed = TRUE;
  pack(line, event, pending->data);
  count_by_id(trail, pending, event);
  touch(trail, pending);
  while (trail->pendings.count > MAX_PENDING || trail->pending_bytes > MAX_PENDING_BYTES)
    {
      mt_pending_remove(trail, mt_slab_oldest(&trail->pendings));
      trail->counters.orphaned++;
    }
}

MtPending *
mt_pending_next(MtTrail *trail, MtPendingKind kind, guint64 key, MtPending *after)
{
  MtPending *pending;

  if (!mt_pending_waits(trail, kind))
    return NULL;
  key = full_key(kind, key);
  pending =
      after ? mt_table_next(&trail->by_pending, after) : mt_table_first(&trail->by_pending, key);
  while (pending && (pending->removed || pending->kind != kind || pending->key != key))
    pending = mt_table_next(&trail->by_pending, pending);
  return pending;
}

static void
free_pending(MtTrail *trail, MtPending *pending)
{
  mt_pool_give(&trail->others_pool, pending->data, pending->data_bytes);
  mt_slab_give(&trail->pendings, pending);
}

/* The record stays until the disk has been told, so that its texts do. */
void
mt_pending_remove(MtTrail *trail, MtPending *pending)
{
  mt_table_remove(&trail->by_pending, pending);
  mt_slab_leave(&trail->pendings, pending);
  trail->pending_bytes -= pending->data_bytes;
  trail->waiting[pending->kind % MT_PENDING_KINDS]--;
  trail->waiting_by_id -= pending->by_id;
  pending->removed = TRUE;
  touch(trail, pending);
}

void
mt_pending_use_up(MtTrail *trail, MtPending *pending)
{
  mt_pending_remove(trail, pending);
  if (pending->stored)
    return;
  g_ptr_array_index(trail->dirty_pendings, pending->place) = NULL;
  free_pending(trail, pending);
}

static void
found(gpointer sink, const MtPendingRow *row)
{
  MtPending *pending = insert(sink, row->kind, row->key, row->data.len);
  MtEvent event;
  MtLine line;

  pending->id = row->id;
  pending->at = row->at;
  if (row->data.len)
    memcpy(pending->data, row->data.at, row->data.len);
  pending->stored = TRUE;
  mt_pending_read(pending, &event, &line);
  count_by_id(sink, pending, &event);
}

void
mt_pending_load(MtTrail *trail)
{
  trail->backing->pendings(trail->backing->self, found, trail);
}

static MtSpan
text_data(const MtPending *pending, GString *data, GString *value)
{
  if (!pending->packed)
    return mt_span(pending->data, pending->data_bytes);
  g_string_truncate(data, 0);
  encode(pending, data, value);
  return mt_span(data->str, data->len);
}

void
mt_pending_flush(MtTrail *trail, MtBatch *batch)
{
  GString *data, *value;

  if (!trail->dirty_pendings->len)
    return;
  data = g_string_new(NULL);
  value = g_string_new(NULL);
  for (guint i = 0; i < trail->dirty_pendings->len; i++)
    {
      MtPending *pending = g_ptr_array_index(trail->dirty_pendings, i);
      MtPendingRow *row;

      if (!pending || (pending->removed && !pending->stored))
        continue; /* came and went within the batch */
      row = MT_BATCH_ADD(batch->pendings, MtPendingRow);
      row->id = pending->id;
      row->kind = pending->kind;
      row->key = pending->key;
      row->at = pending->at;
      row->removed = pending->removed;
      row->data = mt_batch_text(batch, text_data(pending, data, value));
    }
  g_string_free(data, TRUE);
  g_string_free(value, TRUE);
}

void
mt_pending_committed(MtTrail *trail)
{
  for (guint i = 0; i < trail->dirty_pendings->len; i++)
    {
      MtPending *pending = g_ptr_array_index(trail->dirty_pendings, i);

      if (!pending)
        continue;
      pending->dirty = FALSE;
      pending->stored = TRUE;
      if (pending->removed)
        free_pending(trail, pending);
    }
  g_ptr_array_set_size(trail->dirty_pendings, 0);
}

void
mt_pending_clear(MtTrail *trail)
{
  for (guint i = 0; i < trail->dirty_pendings->len; i++)
    {
      MtPending *pending = g_ptr_array_index(trail->dirty_pendings, i);

      if (pending && pending->removed)
        free_pending(trail, pending);
    }
  g_ptr_array_free(trail->dirty_pendings, TRUE);
  while (trail->pendings.count)
    {
      MtPending *pending = mt_slab_oldest(&trail->pendings);

      mt_slab_leave(&trail->pendings, pending);
      free_pending(trail, pending);
    }
  mt_table_clear(&trail->by_pending);
  mt_slab_clear(&trail->pendings);
}
