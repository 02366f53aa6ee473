/* roll.c: old records go, in steps that hold nobody up
 *
 * Each step is a transaction of its own, of about 20 ms and some hundred pages: an index, some
 * thousand rows, a segment out of the views, some free pages back to the file system.
 */
#include "store/private.h"

/* Nobody else has written for so long: who put indexes off is not at work any more. */
#define BUILD_AFTER_US (2 * MT_MINUTE_US)

/* Free pages given back to the file system in one step; and how many may stay.  Each that is given
 * back is looked for in the list of all that are free: they go before more come. */
#define VACUUM_PAGES 250
#define FREE_PAGES_KEPT 250

/* Rows of tables that are there once, deleted in one step. */
#define STEP_ROWS 5000

/* Chunks of the guard: each has the hashes of one minute of one host. */
#define STEP_GUARDS 200

/* Who has logged in from where is asked for 30 days back, whatever records are kept. */
#define PAIR_DAYS 90

typedef struct
{
  MtStore *store;
  gint32 today;
  gint32 first_kept_day; /* G_MININT32: all is kept */
} Roll;

/* A step does its transaction's work.  FALSE on failure; @done: there was some. */
typedef gboolean (*Step)(const Roll *roll, gboolean *done);

static gboolean
drop_detached(const Roll *roll, gboolean *done)
{
  return mt_schema_drop_some(roll->store->db, done);
}

/* An import that put them off may have been killed; one that is at work will build them itself. */
static gboolean
build_indexes(const Roll *roll, gboolean *done)
{
  const MtStore *store = roll->store;
  gboolean quiet = store->now < store->others_at || store->now - store->others_at >= BUILD_AFTER_US;

  return store->settings->bulk || !quiet || mt_segments_build_indexes(&roll->store->segments, done);
}

static gint64
size_bytes(MtStore *store)
{
  return (mt_sql_integer(store->db, "PRAGMA page_count", 0)
          - mt_sql_integer(store->db, "PRAGMA freelist_count", 0))
         * mt_sql_integer(store->db, "PRAGMA page_size", 4096);
}

/* By age; or the oldest segment where the store is too large, but never the last one. */
static gboolean
detach(const Roll *roll, gboolean *done)
{
  MtSegments *segments = &roll->store->segments;
  const MtStoreSettings *settings = roll->store->settings;
  gint32 day = roll->first_kept_day;

  if (settings->max_size_bytes && segments->all->len > 1
      && size_bytes(roll->store) > settings->max_size_bytes)
    {
      const MtSegment *oldest = g_ptr_array_index(segments->all, 0);

      day = MAX(day, oldest->last_day + 1);
    }
  return mt_segments_detach_oldest(segments, day, roll->today, done);
}

/* Rows of the oldest segment that are too old while others in it are not: it was stretched
 * over more days than it would hold by itself, or retention() was longer before. */
static const struct
{
  const gchar *table, *time;
} aged[] = { { "delivery", "ts" }, { "message", "coalesce(root_ts, ts)" },
             { "attempt", "ts" },  { "access", "ts" },
             { "failure", "ts" },  { "reject", "ts" },
             { "mailbox", "ts" },  { "incident", "ts" } };

static gboolean
trim_table(const Roll *roll, guint which, gint number, gboolean *done)
{
  gboolean ok = mt_sql_execf(roll->store->db,
                             "DELETE FROM %s_%d WHERE id IN (SELECT id FROM %s_%d WHERE %s<%lld"
                             " ORDER BY id LIMIT %d)",
                             aged[which].table, number, aged[which].table, number, aged[which].time,
                             (gint64) roll->first_kept_day * MT_DAY_US, STEP_ROWS);

  *done = ok && sqlite3_changes(roll->store->db) > 0;
  return ok;
}

static gboolean
trim_oldest(const Roll *roll, gboolean *done)
{
  MtSegments *segments = &roll->store->segments;
  MtSegment *oldest = segments->all->len ? g_ptr_array_index(segments->all, 0) : NULL;

  if (!oldest || oldest->first_day >= roll->first_kept_day
      || oldest->last_day - oldest->first_day < segments->span_days)
    return TRUE;
  for (guint i = 0; i < G_N_ELEMENTS(aged) && !*done; i++)
    if (!trim_table(roll, i, oldest->number, done))
      return FALSE;
  if (*done)
    return TRUE;
  oldest->first_day = roll->first_kept_day;
  return mt_sql_execf(roll->store->db, "DELETE FROM connection_%d WHERE day<%d", oldest->number,
                      roll->first_kept_day)
         && mt_sql_execf(roll->store->db, "UPDATE segment SET first_day=%d WHERE number=%d",
                         oldest->first_day, oldest->number);
}

/* What stands outside the segments goes with them. */
static gint32
first_day(const Roll *roll)
{
  const GPtrArray *all = roll->store->segments.all;
  gint32 day = roll->first_kept_day;

  if (roll->store->settings->max_size_bytes && all->len)
    day = MAX(day, ((const MtSegment *) g_ptr_array_index(all, 0))->first_day);
  return day;
}

static gboolean
drop_guard(const Roll *roll, gboolean *done)
{
  gint32 day = first_day(roll);
  gboolean ok;

  if (day == G_MININT32)
    return TRUE;
  ok = mt_sql_execf(
      roll->store->db,
      "DELETE FROM guard WHERE id IN (SELECT id FROM guard WHERE minute<%lld LIMIT %d)",
      (gint64) day * 1440, STEP_GUARDS);
  *done = ok && sqlite3_changes(roll->store->db) > 0;
  return ok;
}

static gboolean
drop_rows(const Roll *roll, gboolean *done)
{
  static const struct
  {
    const gchar *table, *key;
    gint32 days; /* kept at least */
  } tables[] = { { "alert", "id", 0 },
                 { "suppressed", "account", 0 },
                 { "pending", "id", 0 },
                 { "mail_change", "seq", 0 },
                 { "pair", "key", PAIR_DAYS } };
  gint32 day = first_day(roll);

  for (guint i = 0; i < G_N_ELEMENTS(tables) && day != G_MININT32; i++)
    {
      gint64 ts = (gint64) MIN(day, roll->today - tables[i].days) * MT_DAY_US;

      if (!mt_sql_execf(roll->store->db,
                        "DELETE FROM %s WHERE %s IN (SELECT %s FROM %s WHERE ts<%lld LIMIT %d)",
                        tables[i].table, tables[i].key, tables[i].key, tables[i].table, ts,
                        STEP_ROWS))
        return FALSE;
      *done = sqlite3_changes(roll->store->db) > 0;
      if (*done)
        return TRUE;
    }
  return TRUE;
}

/* A file that was made otherwise (restored from SQL text, say) gives nothing back: its free pages
 * are used again, and the other steps must not wait for them. */
static gboolean
give_back(const Roll *roll, gboolean *done)
{
  gint64 before = mt_sql_integer(roll->store->db, "PRAGMA freelist_count", 0);

  if (before <= FREE_PAGES_KEPT)
    return TRUE;
  if (!mt_sql_execf(roll->store->db, "PRAGMA incremental_vacuum(%d)", VACUUM_PAGES))
    return FALSE;
  *done = mt_sql_integer(roll->store->db, "PRAGMA freelist_count", 0) < before;
  return TRUE;
}

gboolean
mt_store_retain(MtStore *store, MtTime now, gboolean *more, GError **error)
{
  static const Step steps[] = { build_indexes, give_back,  drop_detached, detach,
                                trim_oldest,   drop_guard, drop_rows };
  Roll roll = { .store = store, .today = mt_time_day(now), .first_kept_day = G_MININT32 };
  gboolean ok = TRUE;

  *more = FALSE;
  if (store->begun || !mt_store_begin_small(store, error))
    return store->begun;
  if (store->settings->retention_days)
    roll.first_kept_day = roll.today - store->settings->retention_days;
  for (guint i = 0; i < G_N_ELEMENTS(steps) && ok && !*more; i++)
    ok = steps[i](&roll, more);
  store->rolling = TRUE;
  ok = mt_store_end_small(store, ok, "rolling old records off", error);
  store->rolling = FALSE;
  return ok;
}
