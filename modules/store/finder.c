/* finder.c: rows back from the disk, for the trail
 *
 * The columns of each query stand in segment.c, in the order they are read here.
 */
#include "store/private.h"
#include "store/message-key.h"

#include <math.h>

static MtSpan
column(sqlite3_stmt *stmt, gint *at)
{
  return mt_sql_column(stmt, (*at)++);
}

static gint64
number(sqlite3_stmt *stmt, gint *at, gint64 none)
{
  return mt_sql_number(stmt, (*at)++, none);
}

static void
read_country(sqlite3_stmt *stmt, gint *at, MtCountry country)
{
  MtSpan code = column(stmt, at);

  memset(country, 0, sizeof(MtCountry));
  memcpy(country, code.at ? code.at : "", MIN(code.len, 2));
}

static sqlite3_stmt *
stmt_of(MtStore *store, MtSegments *segments, MtSegment *segment, MtStmt which)
{
  sqlite3_stmt *stmt = mt_segment_stmt(segments, segment, which);

  if (!stmt)
    mt_store_read_failed(store, "reading records");
  return stmt;
}

/* ---- messages ------------------------------------------------------------------------------ */

static void
read_message(sqlite3_stmt *stmt, MtMessageRow *row)
{
  gint at = 0;
  gint64 life, gone;

  memset(row, 0, sizeof *row);
  row->id = number(stmt, &at, 0);
  row->first_at = number(stmt, &at, 0);
  life = number(stmt, &at, G_MININT64);
  row->host = column(stmt, &at);
  row->instance = column(stmt, &at);
  row->queue_id = column(stmt, &at);
  row->flags = number(stmt, &at, 0);
  row->sender = column(stmt, &at);
  row->size = number(stmt, &at, MT_NO_NUMBER);
  row->nrcpt = number(stmt, &at, MT_NO_NUMBER);
  row->message_id = column(stmt, &at);
  row->client_ip = column(stmt, &at);
  row->client_name = column(stmt, &at);
  row->service = column(stmt, &at);
  row->port = number(stmt, &at, MT_NO_NUMBER);
  gone = number(stmt, &at, G_MININT64);
  row->dequeued_at = gone == G_MININT64 ? MT_NO_TIME : row->first_at + gone;
  if (life == G_MININT64)
    life = MAX(gone, 0);
  row->last_at = row->first_at + life;
  row->auth_user = column(stmt, &at);
  row->auth_method = column(stmt, &at);
  row->root_id = number(stmt, &at, row->id);
  row->root_at = number(stmt, &at, row->first_at);
  row->parent_id = number(stmt, &at, 0);
  row->parent_queue_id = column(stmt, &at);
  row->parent_kind = number(stmt, &at, MT_PARENT_NONE);
  row->subject = column(stmt, &at);
  row->spam_action = column(stmt, &at);
  row->spam_score =
      sqlite3_column_type(stmt, at) == SQLITE_NULL ? NAN : sqlite3_column_double(stmt, at);
  at++;
  row->virus = column(stmt, &at);
  row->spf = column(stmt, &at);
  row->dkim = column(stmt, &at);
  row->dmarc = column(stmt, &at);
  row->day = row->stored_day = mt_time_day(row->root_at);
}

/* Spans of several rows must outlive the step: texts are kept in @texts. */
static MtSpan
keep(GStringChunk *texts, MtSpan text)
{
  return text.at ? mt_span(g_string_chunk_insert_len(texts, text.at, text.len), text.len) : text;
}

/* Place times 256 plus length, see writer.c; or the text itself.  @reply: as it is stored. */
static MtSpan
part_of_reply(sqlite3_stmt *stmt, gint *at, MtSpan reply, GStringChunk *texts)
{
  gint64 place;

  if (sqlite3_column_type(stmt, *at) != SQLITE_INTEGER)
    return keep(texts, column(stmt, at));
  place = number(stmt, at, 0);
  if (!reply.at || place < 0 || (gsize) (place / 256 + place % 256) > reply.len)
    return MT_NO_SPAN;
  return mt_span(reply.at + place / 256, place % 256);
}

static void
read_delivery(sqlite3_stmt *stmt, GStringChunk *texts, MtDeliveryRow *row)
{
  gint at = 0;
  gint64 after;
  MtSpan stored;

  memset(row, 0, sizeof *row);
  row->id = number(stmt, &at, 0);
  row->mail_at = number(stmt, &at, 0);
  row->recipient = keep(texts, column(stmt, &at));
  row->outcome = number(stmt, &at, 0);
  row->flags = number(stmt, &at, 0);
  row->status = number(stmt, &at, MT_WORD_NONE);
  row->direction = number(stmt, &at, MT_DIRECTION_UNKNOWN);
  row->attempts = number(stmt, &at, 0);
  after = number(stmt, &at, G_MININT64);
  row->last_at = after == G_MININT64 ? MT_NO_TIME : row->mail_at + after;
  row->dsn = keep(texts, column(stmt, &at));
  row->relay_name = keep(texts, column(stmt, &at));
  row->transport = keep(texts, column(stmt, &at));
  row->relay_ip = keep(texts, column(stmt, &at));
  row->delay_us = number(stmt, &at, MT_NO_NUMBER);
  stored = keep(texts, column(stmt, &at));
  row->reply = keep(texts, column(stmt, &at));
  row->revision = number(stmt, &at, 0);
  row->orig_recipient = keep(texts, column(stmt, &at));
  row->next_queue_id = part_of_reply(stmt, &at, stored, texts);
  row->session = part_of_reply(stmt, &at, stored, texts);
  row->mailbox = keep(texts, column(stmt, &at));
  row->stored_action = number(stmt, &at, MT_WORD_NONE);
  row->forwarded_to = keep(texts, column(stmt, &at));
  row->filter_rule = keep(texts, column(stmt, &at));
}

/* Of many deliveries only how many they are is told. */
static void
count_deliveries(MtStore *store, MtSegments *segments, MtSegment *segment, MtMessageRow *row)
{
  sqlite3_stmt *stmt = stmt_of(store, segments, segment, MT_STMT_COUNT_DELIVERIES);

  if (!stmt)
    return;
  sqlite3_bind_int64(stmt, 1, row->id);
  sqlite3_bind_int(stmt, 2, MT_DELIVERY_REFUSED);
  sqlite3_bind_int(stmt, 3, MT_WORD_NONE);
  sqlite3_bind_int(stmt, 4, MT_WORD_DEFERRED);
  sqlite3_bind_int64(stmt, 5, row->root_at);
  if (mt_store_next_row(store, stmt))
    {
      row->n_away = sqlite3_column_int64(stmt, 0);
      row->n_away_waiting = sqlite3_column_int64(stmt, 1);
    }
  sqlite3_reset(stmt);
}

/* What is found may look for more (a parent) with the same statement, or wait for what is being
 * written: all rows are read before any is given. */
typedef struct
{
  MtMessageRow row;
  gint number; /* the segment's */
} Found;

typedef struct
{
  MtStore *store;
  GArray *all; /* Found */
  GStringChunk *texts;
} Search;

/* The segments may be others by now: those of the other connection. */
static void
give_message(MtStore *store, const Found *one, MtMessageFound found, gpointer sink)
{
  MtMessageRow row = one->row;
  MtSegments *segments = mt_store_where(store, MT_STMT_GET_DELIVERIES);
  MtSegment *segment = mt_segments_of_number(segments, one->number);
  sqlite3_stmt *stmt = segment ? stmt_of(store, segments, segment, MT_STMT_GET_DELIVERIES) : NULL;
  GStringChunk *texts = g_string_chunk_new(512);
  GArray *deliveries = g_array_new(FALSE, FALSE, sizeof(MtDeliveryRow));

  if (stmt)
    {
      sqlite3_bind_int64(stmt, 1, row.id);
      sqlite3_bind_int(stmt, 2, MT_BACKING_MAX_DELIVERIES + 1);
      sqlite3_bind_int64(stmt, 3, row.root_at);
      while (mt_store_next_row(store, stmt))
        {
          MtDeliveryRow delivery;

          read_delivery(stmt, texts, &delivery);
          delivery.message_id = row.id;
          delivery.day = row.day;
          g_array_append_val(deliveries, delivery);
        }
      sqlite3_reset(stmt);
    }
  if (deliveries->len > MT_BACKING_MAX_DELIVERIES)
    {
      g_array_set_size(deliveries, 0);
      count_deliveries(store, segments, segment, &row);
    }
  found(sink, &row, (const MtDeliveryRow *) (gpointer) deliveries->data, deliveries->len);
  g_array_free(deliveries, TRUE);
  g_string_chunk_free(texts);
}

static MtSpan *
texts_of(MtMessageRow *row, guint *count)
{
  *count =
      (G_STRUCT_OFFSET(MtMessageRow, dmarc) - G_STRUCT_OFFSET(MtMessageRow, host)) / sizeof(MtSpan)
      + 1;
  return &row->host; /* the texts stand in a row */
}

static void
collect(Search *search, const MtSegment *segment, sqlite3_stmt *stmt, MtSpan host)
{
  while (mt_store_next_row(search->store, stmt))
    {
      Found one = { .number = segment->number };
      guint count;
      MtSpan *texts;

      read_message(stmt, &one.row);
      if (host.at && !mt_span_equal(host, one.row.host))
        continue;
      texts = texts_of(&one.row, &count);
      for (guint i = 0; i < count; i++)
        texts[i] = keep(search->texts, texts[i]);
      g_array_append_val(search->all, one);
    }
  sqlite3_reset(stmt);
}

static MtSegments *
begin_search(Search *search, MtStore *store, MtStmt which)
{
  *search = (Search){ store, g_array_new(FALSE, FALSE, sizeof(Found)), g_string_chunk_new(512) };
  return mt_store_where(store, which);
}

static void
give_all(Search *search, MtMessageFound found, gpointer sink)
{
  for (guint i = 0; i < search->all->len; i++)
    give_message(search->store, &g_array_index(search->all, Found, i), found, sink);
  g_array_free(search->all, TRUE);
  g_string_chunk_free(search->texts);
}

/* A message lies in its root's day: that of its own first line, or minutes off.  What is of long
 * ago by a clock's mistake lies in the first. */
static gboolean
begins_behind(const MtSegments *segments, const MtSegment *segment, MtTime until)
{
  return until != G_MAXINT64 && segment->first_day > mt_time_day(until)
         && segment != g_ptr_array_index(segments->all, 0);
}

static void
messages_by_queue_id(gpointer self, MtSpan host, MtSpan queue_id, MtTime until,
                     MtMessageFound found, gpointer sink)
{
  Search search;
  MtSegments *segments = begin_search(&search, self, MT_STMT_GET_BY_QUEUE_ID);

  for (gint i = segments->all->len - 1; i >= 0; i--)
    {
      MtSegment *segment = g_ptr_array_index(segments->all, i);
      sqlite3_stmt *stmt;

      if (begins_behind(segments, segment, until)
          || !(stmt = stmt_of(self, segments, segment, MT_STMT_GET_BY_QUEUE_ID)))
        continue;
      mt_sql_bind(stmt, 1, queue_id);
      collect(&search, segment, stmt, host);
    }
  give_all(&search, found, sink);
}

/* The key has a span of the day: all that @since and @until touch are tried. */
static void
collect_by_key(Search *search, MtSegment *segment, sqlite3_stmt *stmt, MtSpan message_id,
               MtTime since, MtTime until)
{
  guint64 hash = mt_message_key_hash(&search->store->key, message_id);
  gint64 spans = since < 0 ? MT_MESSAGE_KEY_SPANS
                           : until / MT_MESSAGE_KEY_SPAN_US - since / MT_MESSAGE_KEY_SPAN_US + 1;

  mt_sql_bind(stmt, 1, message_id);
  sqlite3_bind_int64(stmt, 2, since);
  sqlite3_bind_int64(stmt, 3, until);
  for (gint64 i = 0; i < MIN(spans, MT_MESSAGE_KEY_SPANS); i++)
    {
      sqlite3_bind_int64(stmt, 4, mt_message_key(hash, since + i * MT_MESSAGE_KEY_SPAN_US));
      collect(search, segment, stmt, MT_NO_SPAN);
    }
}

static void
messages_by_message_id(gpointer self, MtSpan message_id, MtTime at, gint64 window_us,
                       MtMessageFound found, gpointer sink)
{
  MtTime since = at - window_us, until = at + window_us;
  Search search;
  MtSegments *segments = begin_search(&search, self, MT_STMT_GET_BY_MESSAGE_ID);

  for (gint i = segments->all->len - 1; i >= 0; i--)
    {
      MtSegment *segment = g_ptr_array_index(segments->all, i);
      sqlite3_stmt *stmt;

      if (segment->first_day > mt_time_day(until) || segment->last_day < mt_time_day(since)
          || !(stmt = stmt_of(self, segments, segment, MT_STMT_GET_BY_MESSAGE_ID)))
        continue;
      collect_by_key(&search, segment, stmt, message_id, since, until);
    }
  give_all(&search, found, sink);
}

static void
messages_by_parent(gpointer self, gint64 parent_id, MtMessageFound found, gpointer sink)
{
  Search search;
  MtSegments *segments = begin_search(&search, self, MT_STMT_GET_BY_PARENT);

  for (gint i = segments->all->len - 1; i >= 0; i--)
    {
      MtSegment *segment = g_ptr_array_index(segments->all, i);
      sqlite3_stmt *stmt = stmt_of(self, segments, segment, MT_STMT_GET_BY_PARENT);

      if (!stmt)
        continue;
      sqlite3_bind_int64(stmt, 1, parent_id);
      collect(&search, segment, stmt, MT_NO_SPAN);
    }
  give_all(&search, found, sink);
}

/* Returns: how many there were. */
static guint
give_deliveries(MtStore *store, MtStmt which, gint64 message_id, MtTime mail_at, MtSpan recipient,
                MtDeliveryFound found, gpointer sink)
{
  MtSegments *segments = mt_store_beside(store, MT_TOUCH_MESSAGE, message_id, which);
  MtSegment *segment = mt_segments_find(segments, mt_time_day(mail_at));
  sqlite3_stmt *stmt = segment ? stmt_of(store, segments, segment, which) : NULL;
  GStringChunk *texts = g_string_chunk_new(512);
  guint given = 0;

  if (stmt)
    {
      sqlite3_bind_int64(stmt, 1, message_id);
      if (which == MT_STMT_GET_DELIVERIES)
        sqlite3_bind_int64(stmt, 2, -1); /* no limit */
      else
        mt_sql_bind(stmt, 2, recipient);
      sqlite3_bind_int64(stmt, 3, mail_at);
      for (; mt_store_next_row(store, stmt); given++)
        {
          MtDeliveryRow row;

          read_delivery(stmt, texts, &row);
          row.message_id = message_id;
          row.day = row.stored_day = mt_time_day(mail_at);
          found(sink, &row);
          g_string_chunk_clear(texts);
        }
      sqlite3_reset(stmt);
    }
  g_string_chunk_free(texts);
  return given;
}

static void
deliveries_of(gpointer self, gint64 message_id, MtTime mail_at, MtSpan recipient,
              MtDeliveryFound found, gpointer sink)
{
  if (!recipient.at)
    give_deliveries(self, MT_STMT_GET_DELIVERIES, message_id, mail_at, recipient, found, sink);
  else if (!give_deliveries(self, MT_STMT_GET_DELIVERIES_TO, message_id, mail_at, recipient, found,
                            sink))
    give_deliveries(self, MT_STMT_GET_HOPS_TO, message_id, mail_at, recipient, found, sink);
}

/* ---- logins -------------------------------------------------------------------------------- */

static void
read_access(sqlite3_stmt *stmt, MtAccessRow *row)
{
  gint at = 0;
  gint64 ended;

  memset(row, 0, sizeof *row);
  row->id = number(stmt, &at, 0);
  row->at = number(stmt, &at, 0);
  row->key = (guint64) number(stmt, &at, 0);
  row->account = column(stmt, &at);
  row->service = number(stmt, &at, MT_WORD_NONE);
  row->ip = column(stmt, &at);
  read_country(stmt, &at, row->country);
  row->host = column(stmt, &at);
  row->tls = number(stmt, &at, MT_NO_NUMBER);
  row->method = column(stmt, &at);
  row->local_ip = column(stmt, &at);
  row->session = column(stmt, &at);
  row->last_at = row->at + number(stmt, &at, 0);
  ended = number(stmt, &at, G_MININT64);
  row->ended_at = ended == G_MININT64 ? MT_NO_TIME : row->at + ended;
  row->in_bytes = number(stmt, &at, MT_NO_NUMBER);
  row->out_bytes = number(stmt, &at, MT_NO_NUMBER);
  row->deleted = number(stmt, &at, MT_NO_NUMBER);
  row->expunged = number(stmt, &at, MT_NO_NUMBER);
  row->trashed = number(stmt, &at, MT_NO_NUMBER);
  row->city = column(stmt, &at);
  row->asn = number(stmt, &at, 0);
  row->client = column(stmt, &at);
  row->day = row->stored_day = mt_time_day(row->at);
}

static void
access_by_key(gpointer self, guint64 key, MtAccessFound found, gpointer sink)
{
  MtStore *store = self;
  MtSegments *segments;

  if (!mt_store_may_be_open(store, key))
    return;
  segments = mt_store_beside(store, MT_TOUCH_ACCESS, key, MT_STMT_GET_ACCESS);
  for (gint i = segments->all->len - 1; i >= 0; i--)
    {
      MtSegment *segment = g_ptr_array_index(segments->all, i);
      sqlite3_stmt *stmt;

      if (!(stmt = stmt_of(store, segments, segment, MT_STMT_GET_ACCESS)))
        continue;
      sqlite3_bind_int64(stmt, 1, (gint64) key);
      while (mt_store_next_row(store, stmt))
        {
          MtAccessRow row;

          read_access(stmt, &row);
          found(sink, &row);
        }
      sqlite3_reset(stmt);
    }
}

static void
open_accesses(gpointer self, MtTime since, guint max, MtAccessFound found, gpointer sink)
{
  MtStore *store = self;
  MtSegments *segments = mt_store_everywhere(store);

  for (guint i = 0; i < segments->all->len; i++)
    {
      MtSegment *segment = g_ptr_array_index(segments->all, i);
      sqlite3_stmt *stmt;

      if (segment->last_day < mt_time_day(since)
          || !(stmt = stmt_of(store, segments, segment, MT_STMT_GET_OPEN_ACCESSES)))
        continue;
      sqlite3_bind_int64(stmt, 1, since);
      sqlite3_bind_int(stmt, 2, max);
      while (mt_store_next_row(store, stmt))
        {
          MtAccessRow row;

          read_access(stmt, &row);
          found(sink, &row);
        }
      sqlite3_reset(stmt);
    }
}

static void
read_failure(sqlite3_stmt *stmt, MtFailureRow *row)
{
  gint at = 0;

  memset(row, 0, sizeof *row);
  row->id = number(stmt, &at, 0);
  row->at = number(stmt, &at, 0);
  row->account = column(stmt, &at);
  row->service = number(stmt, &at, MT_WORD_NONE);
  row->ip = column(stmt, &at);
  read_country(stmt, &at, row->country);
  row->host = column(stmt, &at);
  row->reason = column(stmt, &at);
  row->attempts = number(stmt, &at, 1);
  row->tls = number(stmt, &at, MT_NO_NUMBER);
  row->method = column(stmt, &at);
  row->session = column(stmt, &at);
  row->sources = number(stmt, &at, 0);
  row->city = column(stmt, &at);
  row->asn = number(stmt, &at, 0);
  row->client = column(stmt, &at);
  row->tag = number(stmt, &at, MT_NO_TAG);
  row->day = row->stored_day = mt_time_day(row->at);
}

static void
failures_since(gpointer self, MtTime since, MtFailureFound found, gpointer sink)
{
  MtStore *store = self;
  MtSegments *segments = mt_store_everywhere(store);

  for (guint i = 0; i < segments->all->len; i++)
    {
      MtSegment *segment = g_ptr_array_index(segments->all, i);
      sqlite3_stmt *stmt;

      if (segment->last_day < mt_time_day(since)
          || !(stmt = stmt_of(store, segments, segment, MT_STMT_GET_FAILURES)))
        continue;
      sqlite3_bind_int64(stmt, 1, since);
      while (mt_store_next_row(store, stmt))
        {
          MtFailureRow row;

          read_failure(stmt, &row);
          found(sink, &row);
        }
      sqlite3_reset(stmt);
    }
}

static void
pendings(gpointer self, MtPendingFound found, gpointer sink)
{
  MtStore *store = self;
  sqlite3_stmt *stmt;

  mt_store_settle(store);
  if (sqlite3_prepare_v2(store->db, "SELECT id, kind, key, ts, data FROM pending ORDER BY id", -1,
                         &stmt, NULL)
      != SQLITE_OK)
    {
      mt_store_read_failed(store, "reading what waits");
      return;
    }
  while (mt_store_next_row(store, stmt))
    {
      MtPendingRow row = { .id = sqlite3_column_int64(stmt, 0),
                           .kind = sqlite3_column_int(stmt, 1),
                           .key = sqlite3_column_int64(stmt, 2),
                           .at = sqlite3_column_int64(stmt, 3) };

      row.data = mt_span(sqlite3_column_blob(stmt, 4), sqlite3_column_bytes(stmt, 4));
      found(sink, &row);
    }
  sqlite3_finalize(stmt);
}

MtTrailBacking
mt_finder_backing(MtStore *store)
{
  MtTrailBacking backing = {
    store,         messages_by_queue_id, messages_by_message_id, messages_by_parent,
    access_by_key, open_accesses,        failures_since,         pendings,
    deliveries_of
  };

  return backing;
}
