/* private.h: the store's parts to each other
 *
 * Layer: store, not for others.  Concurrency: the store's owner only.
 */
#ifndef MT_STORE_PRIVATE_H
#define MT_STORE_PRIVATE_H

#include "store/lease.h"
#include "store/segment.h"
#include "store/store.h"

/* Statements on the tables that are there once, made when first wanted. */
typedef enum
{
  MT_ONCE_PUT_COUNTRY,
  MT_ONCE_PUT_ACTIVITY,
  MT_ONCE_PUT_PENDING,
  MT_ONCE_DROP_PENDING,
  MT_ONCE_PUT_MAIL_CHANGE,
  MT_ONCE_PUT_PAIR,
  MT_ONCE_GET_PAIR,
  MT_ONCE_COUNT
} MtOnce;

struct MtStore
{
  const MtStoreSettings *settings;
  gchar *path;
  sqlite3 *db;
  MtLease lease;
  MtHashKey key;
  MtSegments segments;
  MtGuard *guard;
  sqlite3_stmt *once[MT_ONCE_COUNT];
  MtTrailStart start; /* as of the last commit */
  gint64 alert_id;
  gint64 data_version;
  gint64 line_id;
  gint32 today;
  gboolean begun;
  gboolean started; /* ids and horizon are read */
};

/* writer.c: rows into the open transaction. */
gboolean mt_writer_put_batch(MtStore *store, const MtBatch *batch);
gboolean mt_writer_put_mail_changes(MtStore *store, const GArray *deliveries);
gboolean mt_writer_put_alerts(MtStore *store, const GArray *alerts, gboolean emit);
gboolean mt_writer_put_pairs(MtStore *store, const GArray *pairs);
gboolean mt_writer_put_counters(MtStore *store);

/* mt_writer_once: NULL where it cannot be made: the connection says why. */
sqlite3_stmt *mt_writer_once(MtStore *store, MtOnce which);

/* finder.c: the trail's backing. */
MtTrailBacking mt_finder_backing(MtStore *store);

#endif
