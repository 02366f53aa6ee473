/* writer.c: rows into the open transaction */
#include "store/private.h"
#include "store/message-key.h"
#include "store/reply.h"

#include <math.h>

/* OR FAIL: what fails takes the whole transaction back, so that SQLite need not keep each page as
 * it was before the statement. */
static const gchar *const once_sql[MT_ONCE_COUNT] = {
  [MT_ONCE_PUT_COUNTRY] = "INSERT OR IGNORE INTO country VALUES(?1, ?2)",
  [MT_ONCE_PUT_ACTIVITY] =
      "INSERT OR FAIL INTO activity SELECT " MT_FEED_11
      " FROM feed WHERE TRUE ON CONFLICT DO UPDATE SET"
      " sent=sent+excluded.sent, deferred=deferred+excluded.deferred,"
      " failed=failed+excluded.failed, received=received+excluded.received,"
      " rejected=rejected+excluded.rejected, bytes_sent=bytes_sent+excluded.bytes_sent,"
      " bytes_received=bytes_received+excluded.bytes_received, logins=logins+excluded.logins,"
      " failed_logins=failed_logins+excluded.failed_logins",
  [MT_ONCE_PUT_PENDING] = "INSERT OR REPLACE INTO pending VALUES(?1,?2,?3,?4,?5)",
  [MT_ONCE_DROP_PENDING] = "DELETE FROM pending WHERE id=?1",
  [MT_ONCE_PUT_MAIL_CHANGE] = "INSERT INTO mail_change(mail, ts) VALUES(?1, ?2)",
  [MT_ONCE_PUT_PAIR] =
      "INSERT OR FAIL INTO pair SELECT c1, c2 FROM feed WHERE TRUE ON CONFLICT DO UPDATE SET"
      " ts=max(ts, excluded.ts)",
  [MT_ONCE_PUT_LAST_LOGIN] =
      "INSERT OR FAIL INTO last_login SELECT " MT_FEED_5
      " FROM feed WHERE TRUE ON CONFLICT DO UPDATE SET"
      " ts=excluded.ts, ip=excluded.ip, country=excluded.country WHERE excluded.ts>=ts",
  [MT_ONCE_GET_PAIR] = "SELECT ts FROM pair WHERE key=?1",
  [MT_ONCE_PUT_LINE] = "INSERT INTO line SELECT " MT_FEED_8 " FROM feed",
  [MT_ONCE_PUT_BASELINE] = "INSERT OR REPLACE INTO baseline SELECT " MT_FEED_7 " FROM feed",
  [MT_ONCE_GET_BASELINE] =
      "SELECT first_ts, last_ts, logins, days, busiest_hour, data FROM baseline WHERE account=?1",
};

const gchar *
mt_writer_once_sql(MtOnce which)
{
  return once_sql[which];
}

sqlite3_stmt *
mt_writer_once(MtStore *store, MtOnce which)
{
  if (!store->once[which]
      && sqlite3_prepare_v3(store->db, once_sql[which], -1, SQLITE_PREPARE_PERSISTENT,
                            &store->once[which], NULL)
             != SQLITE_OK)
    store->once[which] = NULL;
  return store->once[which];
}

/* Rows of one table and segment gather in the feed, column by column, until others come; a
 * failure is remembered. */
typedef struct
{
  MtStore *store;
  MtSegment *segment;
  MtStmt which;
  sqlite3_stmt *stmt; /* what writes them */
  gboolean failed;
  struct
  {
    MtSpan text;
    gint64 id;
  } last[MT_FEED_COLUMNS]; /* each column's last name: hosts and services hardly change */
} Binder;

static gboolean
flush(Binder *binder)
{
  return mt_feed_run(binder->store->feed, binder->stmt) && !binder->failed;
}

static gboolean
begin_row(Binder *binder, gint32 day, MtStmt which)
{
  MtSegment *segment = binder->segment;

  if (!segment || day < segment->first_day || day > segment->last_day)
    segment = mt_segments_for_day(&binder->store->segments, day);
  if (segment == binder->segment && which == binder->which && binder->stmt)
    return TRUE;
  if (!flush(binder))
    return FALSE;
  memset(binder->last, 0, sizeof binder->last);
  binder->segment = segment;
  binder->which = which;
  binder->stmt = segment ? mt_segment_stmt(&binder->store->segments, segment, which) : NULL;
  return binder->stmt != NULL;
}

static gboolean
end_row(Binder *binder)
{
  return !mt_feed_end_row(binder->store->feed) || flush(binder);
}

static void
integer(Binder *binder, gint64 value)
{
  mt_feed_integer(binder->store->feed, value);
}

static void
null(Binder *binder)
{
  mt_feed_null(binder->store->feed);
}

static void
number(Binder *binder, gint64 value, gint64 none)
{
  if (value == none)
    null(binder);
  else
    integer(binder, value);
}

static void
text(Binder *binder, MtSpan value)
{
  MtSpan clean = mt_scrub_clean(binder->store->scrub, value);

  if (clean.at == value.at)
    mt_feed_text(binder->store->feed, value);
  else
    mt_feed_copy(binder->store->feed, clean);
}

static void
name(Binder *binder, MtSpan value)
{
  guint column = mt_feed_column(binder->store->feed);
  gint64 id = value.at ? binder->last[column].id : 0; /* no text is not the empty text */

  if (!id || !mt_span_equal(value, binder->last[column].text))
    id = mt_segment_name(&binder->store->segments, binder->segment,
                         mt_scrub_clean(binder->store->scrub, value));
  binder->last[column].text = value;
  binder->last[column].id = id;
  binder->failed |= id < 0;
  integer(binder, id);
}

/* NULL where there is no text: for columns that no view joins by. */
static void
rare_name(Binder *binder, MtSpan value)
{
  if (value.at)
    name(binder, value);
  else
    null(binder);
}

static void
country(Binder *binder, const MtCountry code)
{
  text(binder, code[0] ? mt_span_of_string(code) : MT_NO_SPAN);
}

static void
real(Binder *binder, gdouble value)
{
  if (isnan(value))
    null(binder);
  else
    mt_feed_real(binder->store->feed, value);
}

/* ---- messages and deliveries ------------------------------------------------------------- */

static gboolean
drop_row(MtStore *store, gint32 day, MtStmt which, gint64 id)
{
  MtSegment *segment = mt_segments_find(&store->segments, day);
  sqlite3_stmt *stmt;

  if (!segment)
    return TRUE; /* it has rolled off */
  stmt = mt_segment_stmt(&store->segments, segment, which);
  if (!stmt)
    return FALSE;
  sqlite3_bind_int64(stmt, 1, id);
  return mt_sql_run(stmt);
}

/* A row whose root's day has changed lies in other tables from now on. */
static gboolean
leave_old_segment(MtStore *store, gint32 stored_day, gint32 day, MtStmt which, gint64 id)
{
  if (stored_day == MT_NO_DAY || stored_day == day
      || mt_segments_find(&store->segments, stored_day) == mt_segments_find(&store->segments, day))
    return TRUE;
  return drop_row(store, stored_day, which, id);
}

/* A record that was stored and whose segment has gone since: a late line must not bring
 * half of it back. */
static gboolean
has_rolled_off(MtStore *store, gint32 stored_day)
{
  if (stored_day == MT_NO_DAY || mt_segments_find(&store->segments, stored_day))
    return FALSE;
  store->counters.rolled++;
  return TRUE;
}

static void
message_key(Binder *b, const MtMessageRow *row)
{
  if (row->message_id.at)
    integer(b, mt_message_key(mt_message_key_hash(&b->store->key,
                                                  mt_scrub_clean(b->store->scrub, row->message_id)),
                              row->first_at));
  else
    null(b);
}

static gboolean
put_message(Binder *b, MtStore *store, const MtMessageRow *row)
{
  gint64 gone = row->dequeued_at == MT_NO_TIME ? MT_NO_TIME : row->dequeued_at - row->first_at;

  if (has_rolled_off(store, row->stored_day))
    {
      g_hash_table_add(store->rolled, g_memdup2(&row->id, sizeof row->id));
      return TRUE;
    }
  if (!leave_old_segment(store, row->stored_day, row->day, MT_STMT_DROP_MESSAGE, row->id)
      || !begin_row(b, row->day, MT_STMT_PUT_MESSAGE))
    return FALSE;
  integer(b, row->id);
  integer(b, row->first_at);
  number(b, row->last_at - row->first_at, gone == MT_NO_TIME ? 0 : gone);
  name(b, row->host);
  name(b, row->instance);
  text(b, row->queue_id);
  integer(b, row->state);
  integer(b, row->flags);
  name(b, row->sender);
  number(b, row->size, MT_NO_NUMBER);
  number(b, row->nrcpt, MT_NO_NUMBER);
  text(b, row->message_id);
  text(b, row->client_ip);
  rare_name(b, row->client_name);
  country(b, row->country);
  rare_name(b, row->service);
  number(b, row->port, MT_NO_NUMBER);
  number(b, gone, MT_NO_TIME);
  rare_name(b, row->auth_user);
  rare_name(b, row->auth_method);
  number(b, row->root_id, row->id);
  number(b, row->root_at, row->first_at);
  number(b, row->parent_id, 0);
  text(b, row->parent_queue_id);
  number(b, row->parent_kind, MT_PARENT_NONE);
  text(b, row->subject);
  text(b, row->spam_action);
  real(b, row->spam_score);
  text(b, row->virus);
  text(b, row->spf);
  text(b, row->dkim);
  text(b, row->dmarc);
  message_key(b, row);
  return end_row(b);
}

/* Has the form come of late?  What comes once is not worth a name. */
static gboolean
has_come_before(MtStore *store, MtSpan form)
{
  guint64 hash = mt_hash_span(&store->key, form), *seen = &store->forms_seen[hash % MT_FORMS_SEEN];
  gboolean has = *seen == hash;

  *seen = hash;
  return has;
}

/* What of the reply is stored with the row, and the name of its form (0: it has none). */
static MtSpan
split_reply(Binder *b, const MtDeliveryRow *row, gint64 *form)
{
  MtStore *store = b->store;
  gboolean goes_on = row->next_queue_id.at && mt_span_find(row->reply, row->next_queue_id);
  MtSpan part;

  *form = 0;
  if (!row->reply.at || mt_scrub_mentions(store->scrub, row->reply)
      || mt_scrub_mentions(store->scrub, row->recipient)
      || !mt_reply_split(row->reply, row->recipient, goes_on ? row->next_queue_id : row->session,
                         store->form, &part)
      || !has_come_before(store, mt_span(store->form->str, store->form->len)))
    return row->reply;
  *form =
      mt_segment_name(&store->segments, b->segment, mt_span(store->form->str, store->form->len));
  b->failed |= *form < 0;
  return part;
}

/* The next hop's queue ID and the session stand in what is stored of the reply already: kept
 * as where they stand, place times 256 plus length. */
static void
part_of_reply(Binder *b, MtSpan part, MtSpan stored)
{
  gboolean stays = part.at && part.len < 256 && !mt_scrub_mentions(b->store->scrub, stored);
  const gchar *at = stays ? mt_span_find_last(stored, part) : NULL;

  if (at)
    integer(b, (at - stored.at) * 256 + part.len);
  else
    text(b, part);
}

static gboolean
message_rolled_off(const MtStore *store, gint64 message_id)
{
  return g_hash_table_size(store->rolled) && g_hash_table_contains(store->rolled, &message_id);
}

static gboolean
put_delivery(Binder *b, MtStore *store, const MtDeliveryRow *row)
{
  gint64 form;
  MtSpan reply;

  if (message_rolled_off(store, row->message_id))
    return TRUE;
  if (row->removed)
    return drop_row(store, row->stored_day, MT_STMT_DROP_DELIVERY, row->id);
  if (!leave_old_segment(store, row->stored_day, row->day, MT_STMT_DROP_DELIVERY, row->id)
      || !begin_row(b, row->day, MT_STMT_PUT_DELIVERY))
    return FALSE;
  integer(b, row->id);
  integer(b, row->message_id);
  integer(b, row->mail_at);
  name(b, row->sender);
  name(b, row->recipient);
  integer(b, row->outcome);
  integer(b, row->flags);
  number(b, row->status, MT_WORD_NONE);
  number(b, row->direction, MT_DIRECTION_UNKNOWN);
  integer(b, row->attempts);
  if (row->last_at == MT_NO_TIME)
    null(b);
  else
    integer(b, row->last_at - row->mail_at);
  rare_name(b, row->dsn);
  rare_name(b, row->relay_name);
  rare_name(b, row->transport);
  text(b, row->relay_ip);
  number(b, row->delay_us, MT_NO_NUMBER);
  number(b, row->reason, MT_REASON_NONE);
  reply = split_reply(b, row, &form);
  text(b, reply);
  integer(b, row->revision);
  rare_name(b, row->orig_recipient);
  part_of_reply(b, row->next_queue_id, reply);
  part_of_reply(b, row->session, reply);
  rare_name(b, row->mailbox);
  number(b, row->stored_action, MT_WORD_NONE);
  text(b, row->forwarded_to);
  text(b, row->filter_rule);
  number(b, form, 0);
  return end_row(b);
}

static gboolean
put_attempt(Binder *b, MtStore *store, const MtAttemptRow *row)
{
  if (message_rolled_off(store, row->message_id))
    return TRUE;
  if (!begin_row(b, row->day, MT_STMT_PUT_ATTEMPT))
    return FALSE;
  integer(b, row->message_id);
  integer(b, row->delivery_id);
  integer(b, row->at);
  rare_name(b, row->relay_name);
  text(b, row->relay_ip);
  rare_name(b, row->dsn);
  number(b, row->delay_us, MT_NO_NUMBER);
  number(b, row->reason, MT_REASON_NONE);
  text(b, row->reply);
  return end_row(b);
}

/* ---- logins ------------------------------------------------------------------------------- */

static gboolean
put_country(MtStore *store, const MtCountry code, MtSpan country_name)
{
  sqlite3_stmt *stmt;

  if (!code[0] || !country_name.len)
    return TRUE;
  stmt = mt_writer_once(store, MT_ONCE_PUT_COUNTRY);
  if (!stmt)
    return FALSE;
  sqlite3_bind_text(stmt, 1, code, -1, SQLITE_STATIC);
  mt_sql_bind(stmt, 2, country_name);
  return mt_sql_run(stmt);
}

static gboolean
put_access(Binder *b, MtStore *store, const MtAccessRow *row)
{
  if (has_rolled_off(store, row->stored_day))
    return TRUE;
  if (!put_country(store, row->country, row->country_name)
      || !begin_row(b, row->day, MT_STMT_PUT_ACCESS))
    return FALSE;
  integer(b, row->id);
  integer(b, row->at);
  if (row->ended_at != MT_NO_TIME)
    null(b); /* nothing looks for it any more */
  else
    integer(b, (gint64) row->key);
  name(b, row->account);
  integer(b, row->service);
  text(b, row->ip);
  country(b, row->country);
  name(b, row->host);
  number(b, row->tls, MT_NO_NUMBER);
  rare_name(b, row->method);
  rare_name(b, row->local_ip);
  text(b, row->session);
  number(b, row->last_at - row->at, 0);
  if (row->ended_at == MT_NO_TIME)
    null(b);
  else
    integer(b, row->ended_at - row->at);
  number(b, row->in_bytes, MT_NO_NUMBER);
  number(b, row->out_bytes, MT_NO_NUMBER);
  number(b, row->deleted, MT_NO_NUMBER);
  number(b, row->expunged, MT_NO_NUMBER);
  number(b, row->trashed, MT_NO_NUMBER);
  rare_name(b, row->city);
  number(b, row->asn, 0);
  text(b, row->client);
  return end_row(b);
}

static gboolean
put_failure(Binder *b, MtStore *store, const MtFailureRow *row)
{
  if (has_rolled_off(store, row->stored_day))
    return TRUE;
  if (!put_country(store, row->country, row->country_name)
      || !begin_row(b, row->day, MT_STMT_PUT_FAILURE))
    return FALSE;
  integer(b, row->id);
  integer(b, row->at);
  name(b, row->account);
  number(b, row->service, MT_WORD_NONE);
  text(b, row->ip);
  country(b, row->country);
  name(b, row->host);
  rare_name(b, row->reason);
  integer(b, row->attempts);
  number(b, row->tls, MT_NO_NUMBER);
  rare_name(b, row->method);
  text(b, row->session);
  integer(b, row->sources);
  rare_name(b, row->city);
  number(b, row->asn, 0);
  text(b, row->client);
  number(b, row->tag, MT_NO_TAG);
  return end_row(b);
}

/* Outlives the rows themselves. */
static gboolean
put_last_logins(MtStore *store, const GArray *rows)
{
  Binder b = { .store = store, .stmt = mt_writer_once(store, MT_ONCE_PUT_LAST_LOGIN) };
  gboolean ok = b.stmt != NULL;

  for (guint i = 0; i < rows->len && ok; i++)
    {
      const MtAccessRow *row = &g_array_index(rows, MtAccessRow, i);

      if (row->stored_day != MT_NO_DAY || !row->account.at)
        continue;
      text(&b, row->account);
      integer(&b, row->service);
      integer(&b, row->at);
      text(&b, row->ip);
      country(&b, row->country);
      ok = end_row(&b);
    }
  return ok && flush(&b);
}

/* ---- the rest ------------------------------------------------------------------------------ */

static gboolean
put_reject(Binder *b, MtStore *store, const MtRejectRow *row)
{
  if (!begin_row(b, row->day, MT_STMT_PUT_REJECT))
    return FALSE;
  integer(b, row->id);
  integer(b, row->at);
  name(b, row->sender);
  name(b, row->recipient);
  text(b, row->client_ip);
  rare_name(b, row->client_name);
  country(b, row->country);
  name(b, row->host);
  name(b, row->auth_user);
  text(b, row->queue_id);
  text(b, row->message_id);
  text(b, row->helo);
  rare_name(b, row->stage);
  number(b, row->code, MT_NO_NUMBER);
  rare_name(b, row->dsn);
  number(b, row->action, MT_WORD_NONE);
  number(b, row->reason_class, MT_REASON_NONE);
  text(b, row->reason);
  return end_row(b);
}

static gboolean
put_mailbox(Binder *b, MtStore *store, const MtMailboxRow *row)
{
  if (!begin_row(b, row->day, MT_STMT_PUT_MAILBOX))
    return FALSE;
  integer(b, row->id);
  integer(b, row->at);
  name(b, row->account);
  integer(b, row->action);
  rare_name(b, row->mailbox);
  text(b, row->message_id);
  number(b, row->uid, MT_NO_NUMBER);
  number(b, row->size, MT_NO_NUMBER);
  rare_name(b, row->sender);
  text(b, row->subject);
  rare_name(b, row->target);
  text(b, row->session);
  name(b, row->host);
  return end_row(b);
}

static gboolean
put_incident(Binder *b, MtStore *store, const MtIncidentRow *row)
{
  if (!begin_row(b, row->day, MT_STMT_PUT_INCIDENT))
    return FALSE;
  integer(b, row->id);
  integer(b, row->at);
  integer(b, row->kind);
  text(b, row->ip);
  name(b, row->account);
  text(b, row->queue_id);
  text(b, row->reason);
  name(b, row->host);
  return end_row(b);
}

static gboolean
put_connection(Binder *b, MtStore *store, const MtConnectionRow *row)
{
  if (!begin_row(b, row->day, MT_STMT_PUT_CONNECTION))
    return FALSE;
  text(b, row->ip);
  integer(b, row->day);
  name(b, row->name);
  country(b, row->country);
  integer(b, row->connections);
  integer(b, row->rejected);
  integer(b, row->failed_logins);
  integer(b, row->tls);
  integer(b, row->first_at - row->day * MT_DAY_US);
  integer(b, row->last_at - row->first_at);
  return end_row(b);
}

static gboolean
put_activities(MtStore *store, const GArray *rows)
{
  Binder b = { .store = store, .stmt = mt_writer_once(store, MT_ONCE_PUT_ACTIVITY) };
  gboolean ok = b.stmt != NULL;

  for (guint i = 0; i < rows->len && ok; i++)
    {
      const MtActivityRow *row = &g_array_index(rows, MtActivityRow, i);

      integer(&b, row->day);
      text(&b, row->account);
#define X(column) integer(&b, row->column);
      MT_ACTIVITIES(X)
#undef X
      ok = end_row(&b);
    }
  return ok && flush(&b);
}

static gboolean
put_pendings(MtStore *store, const GArray *rows)
{
  sqlite3_stmt *put = mt_writer_once(store, MT_ONCE_PUT_PENDING);
  sqlite3_stmt *drop = mt_writer_once(store, MT_ONCE_DROP_PENDING);
  gboolean ok = put && drop;

  for (guint i = 0; i < rows->len && ok; i++)
    {
      const MtPendingRow *row = &g_array_index(rows, MtPendingRow, i);
      sqlite3_stmt *stmt = row->removed ? drop : put;

      if (!row->removed && mt_scrub_mentions(store->scrub, row->data))
        continue;
      sqlite3_bind_int64(stmt, 1, row->id);
      if (!row->removed)
        {
          sqlite3_bind_int64(stmt, 2, row->kind);
          sqlite3_bind_int64(stmt, 3, (gint64) row->key);
          sqlite3_bind_int64(stmt, 4, row->at);
          sqlite3_bind_blob(stmt, 5, row->data.at, row->data.len, SQLITE_STATIC);
        }
      ok = mt_sql_run(stmt);
    }
  return ok;
}

static gboolean
put_local_domains(MtStore *store, const GArray *domains)
{
  for (guint i = 0; i < domains->len; i++)
    {
      MtSpan domain = g_array_index(domains, MtSpan, i);
      gchar *copy = g_strndup(domain.at, domain.len);
      gboolean ok = mt_sql_execf(store->db, "INSERT OR IGNORE INTO local_domain VALUES(%Q)", copy);

      g_free(copy);
      if (!ok)
        return FALSE;
    }
  return TRUE;
}

/* ---- a batch -------------------------------------------------------------------------------- */

/* Every row with a number of its own begins with it. */
G_STATIC_ASSERT(G_STRUCT_OFFSET(MtMessageRow, id) == 0);
G_STATIC_ASSERT(G_STRUCT_OFFSET(MtDeliveryRow, id) == 0);
G_STATIC_ASSERT(G_STRUCT_OFFSET(MtAccessRow, id) == 0);

static gint
compare_ids(gconstpointer a, gconstpointer b)
{
  gint64 left = **(const gint64 *const *) a, right = **(const gint64 *const *) b;

  return left < right ? -1 : left > right;
}

/* Where rows stand in the order of their numbers, pages fill one behind the other: in another
 * order they are split again and again, and stay a third empty.  Rows of one number keep
 * their order: the last one counts. */
static void
sort_rows(const GArray *rows, GPtrArray *sorted)
{
  gsize size = g_array_get_element_size((GArray *) rows);
  gboolean in_order = TRUE;

  g_ptr_array_set_size(sorted, rows->len);
  for (guint i = 0; i < rows->len; i++)
    {
      sorted->pdata[i] = rows->data + i * size;
      in_order &= i == 0 || compare_ids(&sorted->pdata[i - 1], &sorted->pdata[i]) <= 0;
    }
  if (!in_order)
    g_ptr_array_sort(sorted, compare_ids); /* stable */
}

#define PUT_ALL(rows, type, put) \
  G_STMT_START \
  { \
    for (guint i_ = 0; i_ < (rows)->len; i_++) \
      if (!put(&binder, store, &g_array_index((rows), type, i_))) \
        return FALSE; \
  } \
  G_STMT_END

#define PUT_SORTED(rows, put) \
  G_STMT_START \
  { \
    sort_rows(rows, sorted); \
    for (guint i_ = 0; i_ < sorted->len; i_++) \
      if (!put(&binder, store, g_ptr_array_index(sorted, i_))) \
        return FALSE; \
  } \
  G_STMT_END

static gboolean
put_rows(MtStore *store, const MtBatch *batch)
{
  g_autoptr(GPtrArray) sorted = g_ptr_array_new();
  Binder binder = { .store = store };

  PUT_SORTED(batch->messages, put_message);
  PUT_SORTED(batch->deliveries, put_delivery);
  PUT_ALL(batch->attempts, MtAttemptRow, put_attempt);
  PUT_SORTED(batch->accesses, put_access);
  PUT_ALL(batch->failures, MtFailureRow, put_failure);
  PUT_ALL(batch->rejects, MtRejectRow, put_reject);
  PUT_ALL(batch->mailbox, MtMailboxRow, put_mailbox);
  PUT_ALL(batch->incidents, MtIncidentRow, put_incident);
  PUT_ALL(batch->connections, MtConnectionRow, put_connection);
  return flush(&binder);
}

gboolean
mt_writer_put_batch(MtStore *store, const MtBatch *batch)
{
  mt_feed_clear(store->feed); /* a batch that failed may have left some */
  g_hash_table_remove_all(store->rolled);
  return put_rows(store, batch) && put_last_logins(store, batch->accesses)
         && put_activities(store, batch->activities) && put_pendings(store, batch->pendings)
         && put_local_domains(store, batch->local_domains);
}

static gboolean
has_ended(const MtDeliveryRow *row)
{
  return !row->removed && row->outcome != MT_OUTCOME_NONE && row->outcome != MT_OUTCOME_QUEUED;
}

gboolean
mt_writer_put_mail_changes(MtStore *store, const GArray *deliveries)
{
  sqlite3_stmt *stmt = mt_writer_once(store, MT_ONCE_PUT_MAIL_CHANGE);
  gboolean ok = stmt != NULL;

  for (guint i = 0; i < deliveries->len && ok; i++)
    {
      const MtDeliveryRow *row = &g_array_index(deliveries, MtDeliveryRow, i);

      if (!has_ended(row))
        continue;
      sqlite3_bind_int64(stmt, 1, row->id);
      sqlite3_bind_int64(stmt, 2, row->mail_at);
      ok = mt_sql_run(stmt);
    }
  return ok;
}

static gboolean
put_alerts(MtStore *store, const GArray *alerts, gboolean emit)
{
  static const gchar sql[] =
      "INSERT INTO alert(id, ts, rule, severity, account, domain, ip, country,"
      " asn, count, window_seconds, text, evidence, emit)"
      " SELECT " MT_FEED_13 ",c14 FROM feed";
  Binder b = { .store = store };
  gboolean ok = TRUE;

  if (alerts->len == 0)
    return TRUE;
  if (sqlite3_prepare_v2(store->db, sql, -1, &b.stmt, NULL) != SQLITE_OK)
    return FALSE;
  for (guint i = 0; i < alerts->len && ok; i++)
    {
      const MtAlert *alert = &g_array_index(alerts, MtAlert, i);
      MtSpan domain = mt_span_domain(mt_span_of_string(alert->account));

      integer(&b, ++store->alert_id);
      integer(&b, alert->at);
      text(&b, mt_span_of_string(alert->rule));
      text(&b, mt_span_of_string(mt_severity_name(alert->severity)));
      text(&b, mt_span_of_string(alert->account));
      text(&b, domain);
      text(&b, mt_span_of_string(alert->ip));
      country(&b, alert->country);
      number(&b, alert->asn, 0);
      integer(&b, alert->count);
      number(&b, alert->window_s, 0);
      text(&b, mt_span_of_string(alert->text));
      text(&b, mt_span_of_string(alert->evidence));
      integer(&b, emit);
      ok = end_row(&b);
    }
  ok = ok && flush(&b);
  sqlite3_finalize(b.stmt);
  return ok;
}

static gboolean
put_pairs(MtStore *store, const GArray *pairs)
{
  Binder b = { .store = store, .stmt = mt_writer_once(store, MT_ONCE_PUT_PAIR) };
  gboolean ok = b.stmt != NULL;

  for (guint i = 0; i < pairs->len && ok; i++)
    {
      const MtPairSeen *pair = &g_array_index(pairs, MtPairSeen, i);

      integer(&b, (gint64) pair->key);
      integer(&b, pair->at);
      ok = end_row(&b);
    }
  return ok && flush(&b);
}

static gboolean
put_baseline(Binder *b, const MtBaselineRow *row)
{
  mt_feed_text(b->store->feed, row->account);
  number(b, row->first, MT_NO_TIME);
  number(b, row->last, MT_NO_TIME);
  integer(b, row->logins);
  integer(b, row->days);
  integer(b, row->busiest_hour);
  mt_feed_text(b->store->feed, row->data);
  return end_row(b);
}

static gboolean
put_baselines(MtStore *store, const GArray *baselines)
{
  Binder b = { .store = store, .stmt = mt_writer_once(store, MT_ONCE_PUT_BASELINE) };
  gboolean ok = b.stmt != NULL;

  for (guint i = 0; i < baselines->len && ok; i++)
    {
      const MtBaselineRow *row = &g_array_index(baselines, MtBaselineRow, i);

      if (!mt_scrub_mentions(store->scrub, row->account))
        ok = put_baseline(&b, row);
    }
  return ok && flush(&b);
}

static gboolean
put_suppressed(MtStore *store, const GArray *suppressed)
{
  gboolean ok = TRUE;

  for (guint i = 0; i < suppressed->len && ok; i++)
    {
      const MtSuppressed *told = &g_array_index(suppressed, MtSuppressed, i);

      if (mt_scrub_mentions(store->scrub, mt_span_of_string(told->account)))
        continue;
      if (told->count)
        ok = mt_sql_execf(store->db, "INSERT OR REPLACE INTO suppressed VALUES(%Q,%lld,%Q,%d,%lld)",
                          told->account, told->first, told->rule, (gint) told->severity,
                          told->count);
      else
        ok = mt_sql_execf(store->db, "DELETE FROM suppressed WHERE account=%Q", told->account);
    }
  return ok;
}

gboolean
mt_writer_put_watch(MtStore *store, const MtWatchWork *work, gboolean emit)
{
  return put_alerts(store, work->alerts, emit) && put_pairs(store, work->pairs)
         && put_baselines(store, work->baselines) && put_suppressed(store, work->suppressed);
}

gboolean
mt_writer_put_counters(MtStore *store)
{
  const MtTrailIds *ids = &store->start.ids;

  return mt_sql_execf(store->db,
                      "INSERT OR REPLACE INTO counter VALUES('message',%lld),('delivery',%lld),"
                      "('access',%lld),('failure',%lld),('reject',%lld),('mailbox',%lld),"
                      "('incident',%lld),('pending',%lld),('alert',%lld),('horizon',%lld)",
                      ids->message, ids->delivery, ids->access, ids->failure, ids->reject,
                      ids->mailbox, ids->incident, ids->pending, store->alert_id,
                      store->start.horizon);
}
