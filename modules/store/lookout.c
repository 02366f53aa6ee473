#include "store/lookout.h"
#include "store/filter.h"

/* Other pages are in the operating system's cache. */
#define CACHE_KIB 8192

/* While the log begins anew. */
#define PATIENCE_MS 1000

struct MtLookout
{
  sqlite3 *db;
  MtHashKey key;
  MtSegments segments; /* as of the last mt_lookout_begin() */
  sqlite3_stmt *stmts[MT_TOUCH_COUNT];
  MtFilter *touched;
};

MtLookout *
mt_lookout_new(const gchar *path, const MtHashKey *key)
{
  MtLookout *lookout = g_new0(MtLookout, 1);

  lookout->key = *key;
  lookout->touched = g_new(MtFilter, 1);
  if (sqlite3_open_v2(path, &lookout->db,
                      SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_NOFOLLOW, NULL)
          == SQLITE_OK
      && mt_sql_execf(lookout->db, "PRAGMA cache_size=-%d; PRAGMA trusted_schema=OFF", CACHE_KIB))
    {
      sqlite3_busy_timeout(lookout->db, PATIENCE_MS);
      mt_segments_init(&lookout->segments, lookout->db, key);
      return lookout;
    }
  mt_lookout_free(lookout);
  return NULL;
}

void
mt_lookout_free(MtLookout *lookout)
{
  if (!lookout)
    return;
  mt_segments_clear(&lookout->segments);
  for (guint i = 0; i < MT_TOUCH_COUNT; i++)
    sqlite3_finalize(lookout->stmts[i]);
  sqlite3_close(lookout->db);
  g_free(lookout->touched);
  g_free(lookout);
}

sqlite3 *
mt_lookout_db(const MtLookout *lookout)
{
  return lookout->db;
}

MtSegments *
mt_lookout_segments(MtLookout *lookout)
{
  return &lookout->segments;
}

sqlite3_stmt *
mt_lookout_stmt(MtLookout *lookout, MtTouch touch, const gchar *sql)
{
  if (!lookout->stmts[touch]
      && sqlite3_prepare_v3(lookout->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &lookout->stmts[touch],
                            NULL)
             != SQLITE_OK)
    lookout->stmts[touch] = NULL;
  return lookout->stmts[touch];
}

/* ---- the filter -------------------------------------------------------------------------- */

static void
touch(MtLookout *lookout, MtTouch what, guint64 hash)
{
  mt_filter_add(lookout->touched, mt_hash_mix(hash, what));
}

gboolean
mt_lookout_touches(const MtLookout *lookout, MtTouch touch, guint64 hash)
{
  return mt_filter_has(lookout->touched, mt_hash_mix(hash, touch));
}

static void
touch_watch(MtLookout *lookout, const MtWatchWork *watch)
{
  for (guint i = 0; i < watch->pairs->len; i++)
    touch(lookout, MT_TOUCH_PAIR, g_array_index(watch->pairs, MtPairSeen, i).key);
  for (guint i = 0; i < watch->baselines->len; i++)
    touch(lookout, MT_TOUCH_BASELINE,
          mt_hash_span(&lookout->key, g_array_index(watch->baselines, MtBaselineRow, i).account));
}

void
mt_lookout_begin(MtLookout *lookout, const MtSegments *segments, const MtBatch *batch,
                 const MtWatchWork *watch)
{
  mt_segments_mirror(&lookout->segments, segments);
  mt_filter_clear(lookout->touched);
  for (guint i = 0; i < batch->deliveries->len; i++)
    touch(lookout, MT_TOUCH_MESSAGE, g_array_index(batch->deliveries, MtDeliveryRow, i).message_id);
  for (guint i = 0; i < batch->accesses->len; i++)
    touch(lookout, MT_TOUCH_ACCESS, g_array_index(batch->accesses, MtAccessRow, i).key);
  touch_watch(lookout, watch);
}

gboolean
mt_lookout_can(const MtLookout *lookout, MtStmt which)
{
  for (guint i = 0; i < lookout->segments.all->len; i++)
    if (!mt_segment_can(g_ptr_array_index(lookout->segments.all, i), which))
      return FALSE;
  return TRUE;
}
