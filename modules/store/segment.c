#include "store/segment.h"
#include "scan/text.h"
#include "store/feed.h"
#include "store/reply.h"

/* The name cache of a segment: begins small, is emptied when it would pass the second. */
#define NAMES_FIRST 1024
#define NAMES_MAX (1 << 17)

/* Room for a segment that is made while another is dropped. */
#define SEGMENTS_USED (MT_SEGMENTS_MAX - 2)

/* Rows come from the feed, in its columns' order: writer.c.  WHERE TRUE keeps the parser from
 * taking ON for a join's; OR FAIL: see writer.c. */
static const gchar *const templates[MT_STMT_COUNT] = {
  [MT_STMT_PUT_MESSAGE]
  = "INSERT OR REPLACE INTO message_@(id, ts, life, host, instance, queue_id, state, flags, sender,"
    " size, nrcpt, message_id, client_ip, client_name, country, service, port, gone, auth_user,"
    " auth_method, root, root_ts, parent, parent_queue_id, parent_kind, subject, spam_action,"
    " spam_score, virus, spf, dkim, dmarc, key)"
    " SELECT " MT_FEED_33 " FROM feed",
  [MT_STMT_PUT_DELIVERY]
  = "INSERT OR REPLACE INTO delivery_@(id, message, ts, sender, recipient, outcome, flags, status,"
    " direction, attempts, after, dsn, relay_name, transport, relay_ip, delay, reason, reply,"
    " revision, orig_recipient, next_queue_id, session, mailbox, stored_action, forwarded_to,"
    " filter_rule, form) SELECT " MT_FEED_27 " FROM feed",
  [MT_STMT_PUT_ATTEMPT] = "INSERT OR FAIL INTO attempt_@(message, delivery, ts, relay_name, relay_ip, dsn,"
                          " delay, reason, reply) SELECT " MT_FEED_9 " FROM feed",
  [MT_STMT_PUT_ACCESS]
  = "INSERT OR REPLACE INTO access_@(id, ts, key, account, service, ip, country, host, tls, method,"
    " local_ip, session, last, ended, in_bytes, out_bytes, deleted, expunged, trashed, city, asn,"
    " client) SELECT " MT_FEED_22 " FROM feed",
  [MT_STMT_PUT_FAILURE]
  = "INSERT OR REPLACE INTO failure_@(id, ts, account, service, ip, country, host, reason,"
    " attempts, tls, method, session, sources, city, asn, client, tag)"
    " SELECT " MT_FEED_17 " FROM feed",
  [MT_STMT_PUT_REJECT]
  = "INSERT OR REPLACE INTO reject_@(id, ts, sender, recipient, client_ip, client_name, country,"
    " host, auth_user, queue_id, message_id, helo, stage, code, dsn, action, class, reason)"
    " SELECT " MT_FEED_18 " FROM feed",
  [MT_STMT_PUT_MAILBOX]
  = "INSERT OR REPLACE INTO mailbox_@(id, ts, account, action, mailbox, message_id, uid, size,"
    " sender, subject, target, session, host) SELECT " MT_FEED_13 " FROM feed",
  [MT_STMT_PUT_INCIDENT]
  = "INSERT OR REPLACE INTO incident_@(id, ts, kind, ip, account, queue_id, reason, host)"
    " SELECT " MT_FEED_8 " FROM feed",
  [MT_STMT_PUT_CONNECTION]
  = "INSERT OR FAIL INTO connection_@(ip, day, name, country, connections, rejected, failed_logins, tls,"
    " first, last) SELECT " MT_FEED_10 " FROM feed WHERE TRUE ON CONFLICT DO UPDATE SET"
    " name=CASE name WHEN 0 THEN excluded.name ELSE name END, country=coalesce(country, excluded.country),"
    " connections=connections+excluded.connections, rejected=rejected+excluded.rejected,"
    " failed_logins=failed_logins+excluded.failed_logins, tls=tls+excluded.tls,"
    " first=min(first, excluded.first), last=max(first+last, excluded.first+excluded.last)"
    "-min(first, excluded.first)",
  [MT_STMT_PUT_NAME] = "INSERT INTO name_@(id, text) VALUES(?1, ?2)",
  [MT_STMT_GET_NAME] = "SELECT id FROM name_@ WHERE text=?1",
  [MT_STMT_DROP_MESSAGE] = "DELETE FROM message_@ WHERE id=?1",
  [MT_STMT_DROP_DELIVERY] = "DELETE FROM delivery_@ WHERE id=?1",
#define NAME(column) "(SELECT text FROM name_@ WHERE id=" column ")"
#define MESSAGE_COLUMNS \
  "SELECT id, ts, life, " NAME("host") ", " NAME("instance") ", queue_id, flags, " NAME( \
    "sender") ", size, nrcpt, message_id, client_ip, " NAME("client_name") ", " NAME("service") \
  ", port, gone, " NAME("auth_user") ", " NAME("auth_method") ", root, root_ts, parent," \
  " parent_queue_id, parent_kind, subject, spam_action, spam_score, virus, spf, dkim, dmarc" \
  " FROM message_@ "
  [MT_STMT_GET_BY_QUEUE_ID] = MESSAGE_COLUMNS "WHERE queue_id=?1",
  [MT_STMT_GET_BY_MESSAGE_ID] = MESSAGE_COLUMNS "WHERE key=?4 AND message_id=?1 AND ts BETWEEN ?2 AND ?3",
  [MT_STMT_GET_BY_PARENT] = MESSAGE_COLUMNS "WHERE parent=?1",
#define DELIVERY_COLUMNS \
  "SELECT id, ts, " NAME("recipient") ", outcome, flags, status, direction, attempts, after," \
  " " NAME("dsn") ", " NAME("relay_name") ", " NAME("transport") ", relay_ip, delay, reply," \
  " " MT_REPLY_SQL("reply", "form", NAME("recipient")) ", revision, " NAME("orig_recipient") ", next_queue_id, session, " NAME("mailbox") "," \
  " stored_action, forwarded_to, filter_rule FROM delivery_@ "
  [MT_STMT_GET_DELIVERIES] = DELIVERY_COLUMNS "WHERE message=?1 AND ts=?3 ORDER BY id LIMIT ?2",
  /* By an index that is there for others; hops do not stand in it. */
  [MT_STMT_GET_DELIVERIES_TO]
  = DELIVERY_COLUMNS "WHERE recipient=(SELECT id FROM name_@ WHERE text=?2) AND ts=?3"
                     " AND outcome<>0 AND +message=?1 ORDER BY id",
  [MT_STMT_GET_HOPS_TO]
  = DELIVERY_COLUMNS "WHERE message=?1 AND ts=?3 AND outcome=0"
                     " AND +recipient=(SELECT id FROM name_@ WHERE text=?2) ORDER BY id",
  [MT_STMT_COUNT_DELIVERIES]
  = "SELECT count(*), sum(flags&?2=0 AND coalesce(status, ?3) IN (?3, ?4)) FROM delivery_@"
    " WHERE message=?1 AND ts=?5",
#define ACCESS_COLUMNS \
  "SELECT id, ts, key, " NAME("account") ", service, ip, country, " NAME("host") ", tls," \
  " " NAME("method") ", " NAME("local_ip") ", session, last, ended, in_bytes, out_bytes," \
  " deleted, expunged, trashed, " NAME("city") ", asn, client FROM access_@ "
  [MT_STMT_GET_ACCESS] = ACCESS_COLUMNS "WHERE key=?1 AND ended IS NULL ORDER BY ts",
  [MT_STMT_GET_OPEN_ACCESSES]
  = ACCESS_COLUMNS "WHERE ts>=?1 AND ended IS NULL ORDER BY ts LIMIT ?2",
  [MT_STMT_GET_FAILURES]
  = "SELECT id, ts, " NAME("account") ", service, ip, country, " NAME("host") ","
    " " NAME("reason") ", attempts, tls, " NAME("method") ", session, sources, " NAME("city") ","
    " asn, client, tag FROM failure_@ WHERE ts>=?1 ORDER BY ts, id",
};

void
mt_segments_init(MtSegments *segments, sqlite3 *db, const MtHashKey *key)
{
  segments->db = db;
  segments->key = *key;
  segments->all = g_ptr_array_new();
  if (!segments->span_days)
    segments->span_days = 1;
}

static void
forget_names(MtSegment *segment)
{
  g_clear_pointer(&segment->names, g_free);
  segment->names_size = segment->names_used = 0;
  segment->names_complete = FALSE;
}

static void
free_segment(MtSegment *segment)
{
  for (gint i = 0; i < MT_STMT_COUNT; i++)
    sqlite3_finalize(segment->stmts[i]);
  forget_names(segment);
  g_free(segment);
}

static void
remove_all(MtSegments *segments)
{
  for (guint i = 0; i < segments->all->len; i++)
    free_segment(g_ptr_array_index(segments->all, i));
  g_ptr_array_set_size(segments->all, 0);
}

void
mt_segments_clear(MtSegments *segments)
{
  if (!segments->all)
    return;
  remove_all(segments);
  g_ptr_array_free(segments->all, TRUE);
  segments->all = NULL;
}

gboolean
mt_segments_load(MtSegments *segments)
{
  sqlite3_stmt *stmt;
  gint code;

  remove_all(segments);
  if (sqlite3_prepare_v2(segments->db,
                         "SELECT number, first_day, last_day, indexed FROM segment"
                         " WHERE NOT detached ORDER BY first_day",
                         -1, &stmt, NULL)
      != SQLITE_OK)
    return FALSE;
  while ((code = sqlite3_step(stmt)) == SQLITE_ROW)
    {
      MtSegment *segment = g_new0(MtSegment, 1);

      segment->number = sqlite3_column_int(stmt, 0);
      segment->first_day = sqlite3_column_int(stmt, 1);
      segment->last_day = sqlite3_column_int(stmt, 2);
      segment->indexed = sqlite3_column_int(stmt, 3);
      g_ptr_array_add(segments->all, segment);
    }
  sqlite3_finalize(stmt);
  return code == SQLITE_DONE;
}

static gboolean
is_absurd(const MtSegments *segments, gint32 day)
{
  return day < segments->first_possible_day || day > segments->last_possible_day;
}

/* A row with an absurd day goes into the segment nearest to it. */
MtSegment *
mt_segments_find(const MtSegments *segments, gint32 day)
{
  guint count = segments->all->len;

  if (count && is_absurd(segments, day))
    return g_ptr_array_index(segments->all, day < segments->first_possible_day ? 0 : count - 1);
  for (gint i = count - 1; i >= 0; i--)
    {
      MtSegment *segment = g_ptr_array_index(segments->all, i);

      if (day >= segment->first_day && day <= segment->last_day)
        return segment;
    }
  return NULL;
}

/* ---- making and dropping --------------------------------------------------------------- */

static gboolean
make_views(MtSegments *segments)
{
  GArray *numbers = g_array_new(FALSE, FALSE, sizeof(gint));
  gboolean ok;

  for (guint i = 0; i < segments->all->len; i++)
    {
      const MtSegment *segment = g_ptr_array_index(segments->all, i);

      g_array_append_val(numbers, segment->number);
    }
  ok = mt_schema_make_views(segments->db, numbers);
  g_array_free(numbers, TRUE);
  return ok;
}

/* Tables of a detached segment may still stand under its number.  0 on failure. */
static gint
free_number(const MtSegments *segments)
{
  return mt_sql_integer(segments->db,
                        "SELECT min(n) FROM (SELECT 1 AS n UNION ALL SELECT number+1 FROM segment)"
                        " WHERE n NOT IN (SELECT number FROM segment)",
                        0);
}

/* The segment nearest to a day takes it in: there are as many as there may be. */
static MtSegment *
stretch_nearest(MtSegments *segments, gint32 day)
{
  MtSegment *best = NULL;
  gint64 best_distance = G_MAXINT64;

  for (guint i = 0; i < segments->all->len; i++)
    {
      MtSegment *segment = g_ptr_array_index(segments->all, i);
      gint64 distance = day < segment->first_day ? (gint64) segment->first_day - day
                                                 : (gint64) day - segment->last_day;

      if (distance < best_distance)
        best = segment, best_distance = distance;
    }
  best->first_day = MIN(best->first_day, day);
  best->last_day = MAX(best->last_day, day);
  return mt_sql_execf(segments->db, "UPDATE segment SET first_day=%d, last_day=%d WHERE number=%d",
                      best->first_day, best->last_day, best->number)
             ? best
             : NULL;
}

static void
insert_sorted(MtSegments *segments, MtSegment *segment)
{
  guint at = 0;

  while (at < segments->all->len
         && ((MtSegment *) g_ptr_array_index(segments->all, at))->first_day < segment->first_day)
    at++;
  g_ptr_array_insert(segments->all, at, segment);
}

static gint32
floor_to(gint32 day, gint32 span)
{
  return day >= 0 ? day / span * span : -((-day + span - 1) / span * span);
}

/* A span of days around @day that touches no other segment. */
static void
choose_days(const MtSegments *segments, gint32 day, MtSegment *segment)
{
  segment->first_day = floor_to(day, segments->span_days);
  segment->last_day = segment->first_day + segments->span_days - 1;
  for (guint i = 0; i < segments->all->len; i++)
    {
      const MtSegment *other = g_ptr_array_index(segments->all, i);

      if (other->last_day < day)
        segment->first_day = MAX(segment->first_day, other->last_day + 1);
      else if (other->first_day > day)
        segment->last_day = MIN(segment->last_day, other->first_day - 1);
    }
}

MtSegment *
mt_segments_for_day(MtSegments *segments, gint32 day)
{
  MtSegment *segment = mt_segments_find(segments, day);
  gint number;

  segments->absurd += is_absurd(segments, day);
  if (segment)
    return segment;
  day = CLAMP(day, segments->first_possible_day, segments->last_possible_day);
  if (segments->all->len >= SEGMENTS_USED)
    return stretch_nearest(segments, day);
  number = free_number(segments);
  if (!number)
    return NULL;
  segment = g_new0(MtSegment, 1);
  segment->number = number;
  segment->names_complete = TRUE;
  segment->indexed = segments->defer_indexes ? MT_INDEXES_NONE : MT_INDEXES_ALL;
  segment->next_name = 1;
  choose_days(segments, day, segment);
  insert_sorted(segments, segment);
  if (!mt_sql_execf(segments->db, "INSERT INTO segment VALUES(%d, %d, %d, %d, 0)", segment->number,
                    segment->first_day, segment->last_day, segment->indexed)
      || !mt_schema_add_segment(segments->db, segment->number)
      || !mt_schema_add_indexes(segments->db, segment->number, MT_INDEXES_NONE, segment->indexed)
      || !make_views(segments))
    return NULL;
  return segment;
}

gboolean
mt_segments_renew_views(MtSegments *segments)
{
  return mt_schema_drop_views(segments->db) && make_views(segments);
}

static gboolean
has_indexes(const MtSegment *segment, MtIndexes wanted)
{
  return segment->indexed == wanted || segment->indexed == MT_INDEXES_ALL;
}

static gboolean
build_indexes(MtSegments *segments, MtSegment *segment, MtIndexes wanted)
{
  if (has_indexes(segment, wanted))
    return TRUE;
  if (!mt_schema_add_indexes(segments->db, segment->number, segment->indexed, wanted)
      || !mt_sql_execf(segments->db, "UPDATE segment SET indexed=%d WHERE number=%d", wanted,
                       segment->number))
    return FALSE;
  segment->indexed = wanted;
  return TRUE;
}

gboolean
mt_segments_build_indexes(MtSegments *segments, gboolean *built)
{
  *built = FALSE;
  for (guint i = 0; i < segments->all->len && !*built; i++)
    {
      MtSegment *segment = g_ptr_array_index(segments->all, i);

      if (has_indexes(segment, MT_INDEXES_ALL))
        continue;
      if (!mt_schema_add_one_index(segments->db, segment->number, built)
          || (!*built && !build_indexes(segments, segment, MT_INDEXES_ALL)))
        return FALSE;
      *built = TRUE;
    }
  return TRUE;
}

gboolean
mt_segments_detach_oldest(MtSegments *segments, gint32 day, gint32 today, gboolean *done)
{
  MtSegment *oldest = segments->all->len ? g_ptr_array_index(segments->all, 0) : NULL;
  gint number;

  *done = oldest && oldest->last_day < day;
  if (!*done)
    return TRUE;
  if (segments->all->len == 1 && !mt_segments_for_day(segments, today))
    return FALSE;
  number = oldest->number;
  g_ptr_array_remove_index(segments->all, 0);
  free_segment(oldest);
  return make_views(segments)
         && mt_sql_execf(segments->db, "UPDATE segment SET detached=1 WHERE number=%d", number);
}

MtSegment *
mt_segments_of_number(const MtSegments *segments, gint number)
{
  for (guint i = 0; i < segments->all->len; i++)
    if (((MtSegment *) g_ptr_array_index(segments->all, i))->number == number)
      return g_ptr_array_index(segments->all, i);
  return NULL;
}

static gint
compare_days(gconstpointer a, gconstpointer b)
{
  return (*(const MtSegment *const *) a)->first_day - (*(const MtSegment *const *) b)->first_day;
}

void
mt_segments_mirror(MtSegments *mirror, const MtSegments *of)
{
  mirror->first_possible_day = of->first_possible_day;
  mirror->last_possible_day = of->last_possible_day;
  for (guint i = mirror->all->len; i-- > 0;)
    {
      MtSegment *segment = g_ptr_array_index(mirror->all, i);

      if (!mt_segments_of_number(of, segment->number))
        {
          free_segment(segment);
          g_ptr_array_remove_index(mirror->all, i);
        }
    }
  for (guint i = 0; i < of->all->len; i++)
    {
      const MtSegment *from = g_ptr_array_index(of->all, i);
      MtSegment *to = mt_segments_of_number(mirror, from->number);

      if (!to)
        g_ptr_array_add(mirror->all, to = g_new0(MtSegment, 1));
      to->number = from->number;
      to->first_day = from->first_day;
      to->last_day = from->last_day;
      to->indexed = from->indexed;
    }
  g_ptr_array_sort(mirror->all, compare_days); /* a number that came again has other days */
}

static MtIndexes
indexes_for(MtStmt which)
{
  if (which < MT_STMT_FIRST_LOOK_UP)
    return MT_INDEXES_NONE;
  return which >= MT_STMT_FIRST_PAGE ? MT_INDEXES_ALL : MT_INDEXES_OWN;
}

gboolean
mt_segment_can(const MtSegment *segment, MtStmt which)
{
  MtIndexes wanted = indexes_for(which);

  return wanted == MT_INDEXES_NONE || has_indexes(segment, wanted);
}

sqlite3_stmt *
mt_segment_stmt(MtSegments *segments, MtSegment *segment, MtStmt which)
{
  gchar *sql;

  if (segment->stmts[which])
    return segment->stmts[which];
  if (!mt_segment_can(segment, which) && !build_indexes(segments, segment, indexes_for(which)))
    return NULL;
  sql = mt_schema_fill(templates[which], segment->number);
  if (sqlite3_prepare_v3(segments->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &segment->stmts[which],
                         NULL)
      != SQLITE_OK)
    segment->stmts[which] = NULL;
  g_free(sql);
  return segment->stmts[which];
}

/* ---- names ------------------------------------------------------------------------------ */

static MtNameSlot *
slot_of(const MtSegment *segment, guint64 hash)
{
  guint mask = segment->names_size - 1, at = hash & mask;

  while (segment->names[at].hash && segment->names[at].hash != hash)
    at = (at + 1) & mask;
  return &segment->names[at];
}

static void
grow_names(MtSegment *segment)
{
  MtNameSlot *old = segment->names;
  guint old_size = segment->names_size;

  if (old_size >= NAMES_MAX)
    {
      memset(old, 0, old_size * sizeof *old);
      segment->names_used = 0;
      segment->names_complete = FALSE;
      return;
    }
  segment->names_size = old_size ? old_size * 2 : NAMES_FIRST;
  segment->names = g_new0(MtNameSlot, segment->names_size);
  for (guint i = 0; i < old_size; i++)
    if (old[i].hash)
      *slot_of(segment, old[i].hash) = old[i];
  g_free(old);
}

static gint64
look_up_name(MtSegments *segments, MtSegment *segment, MtSpan text)
{
  sqlite3_stmt *stmt = mt_segment_stmt(segments, segment, MT_STMT_GET_NAME);
  gint64 id = 0;
  gint code;

  if (!stmt)
    return -1;
  mt_sql_bind(stmt, 1, text);
  code = sqlite3_step(stmt);
  if (code == SQLITE_ROW)
    id = sqlite3_column_int64(stmt, 0);
  sqlite3_reset(stmt);
  return code == SQLITE_ROW || code == SQLITE_DONE ? id : -1;
}

static gint64
add_name(MtSegments *segments, MtSegment *segment, MtSpan text)
{
  sqlite3_stmt *stmt = mt_segment_stmt(segments, segment, MT_STMT_PUT_NAME);

  if (!segment->next_name)
    {
      gchar *sql = mt_schema_fill("SELECT max(id)+1 FROM name_@", segment->number);

      segment->next_name = mt_sql_integer(segments->db, sql, 1);
      g_free(sql);
    }
  if (!stmt)
    return -1;
  sqlite3_bind_int64(stmt, 1, segment->next_name);
  mt_sql_bind(stmt, 2, text);
  return mt_sql_run(stmt) ? segment->next_name++ : -1;
}

/* Two texts of one 64 bit keyed hash do not happen, and nobody can make them.  Texts
 * that are not clean may become the same text once they are stored: from then on the
 * table is asked. */
gint64
mt_segment_name(MtSegments *segments, MtSegment *segment, MtSpan text)
{
  guint64 hash;
  MtNameSlot *slot;
  gint64 id = 0;

  if (!text.at)
    return 0;
  hash = mt_hash_span(&segments->key, text) | 1;
  if (segment->names_used * 2 >= segment->names_size)
    grow_names(segment);
  slot = slot_of(segment, hash);
  if (slot->hash)
    return slot->id;
  if (!mt_text_is_clean(text))
    segment->names_complete = FALSE;
  if (!segment->names_complete)
    id = look_up_name(segments, segment, text);
  if (id == 0)
    id = add_name(segments, segment, text);
  if (id > 0)
    {
      slot->hash = hash;
      slot->id = id;
      segment->names_used++;
    }
  return id;
}
