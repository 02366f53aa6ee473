/* private.h: the store's parts to each other
 *
 * Layer: store, not for others.  Concurrency: the store's owner only.
 */
#ifndef MT_STORE_PRIVATE_H
#define MT_STORE_PRIVATE_H

#include "store/feed.h"
#include "store/filter.h"
#include "store/flight.h"
#include "store/lease.h"
#include "store/log-vfs.h"
#include "store/lookout.h"
#include "store/scrub.h"
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
  MT_ONCE_PUT_LAST_LOGIN,
  MT_ONCE_PUT_LINE,
  MT_ONCE_PUT_BASELINE,
  MT_ONCE_GET_BASELINE,
  MT_ONCE_COUNT
} MtOnce;
#include <sys/types.h>

/* Forms of replies seen of late, by their hash: one that comes again is kept as a name. */
#define MT_FORMS_SEEN 1024

struct MtStore
{
  const MtStoreSettings *settings;
  gchar *path;
  MtLogVfs *vfs;
  sqlite3 *db;
  MtLease lease;
  MtHashKey key;
  MtSegments segments;
  MtGuard *guard;
  MtFeed *feed; /* rows on their way into the open transaction */
  sqlite3_stmt *once[MT_ONCE_COUNT];
  MtTrailStart start; /* as of the last commit */
  gint64 alert_id;
  gint64 data_version;
  gint64 line_id;
  gint patience_ms; /* longest wait for another writer */
  gint log_pages;   /* of the log, as of our last commit */
  gint32 today;
  MtTime now, others_at; /* when we last saw that others had written, or opened it */
  gboolean begun;
  gboolean rolling;  /* a step of it is being committed */
  gboolean started;  /* ids and horizon are read */
  gboolean is_ours;  /* it has been a store before: it may be set aside */
  gboolean damaged;  /* SQLite says so: the file is set aside before the next turn */
  gboolean waited;   /* a reader has been holding the log: it has been told */
  gboolean unfolded; /* the log cannot be folded back: it has been told */
  guint generation;
  dev_t device; /* which file it is, and which log */
  ino_t inode, log_inode;
  GError *read_error; /* since the turn began: nothing of it may be committed */
  GString *notice;    /* what an admin should know, not fetched yet */
  guint64 forms_seen[MT_FORMS_SEEN];
  GString *form;      /* of the reply at hand */
  GHashTable *rolled; /* ids of messages of this batch that rolled off before (gint64) */
  MtScrub *scrub;     /* who is forgotten */
  MtStoreCounters counters;
  /* A batch on its way: while @flying the connection and all above that changes, but for started,
   * begun and read_error, are the other thread's: mt_store_settle(). */
  MtFlight *flight;
  MtLookout *lookout;
  const MtStoreWork *work; /* what is being written */
  GError *flight_error;    /* why it could not be */
  gboolean flying;
  gboolean landed;     /* how it ended has not been asked yet */
  gboolean chained;    /* the batch that has begun has no transaction yet: it comes behind @work */
  MtFilter *open_keys; /* of accesses that have not ended, at least; NULL: not known */
  MtFilter *pairs;     /* keys of all pairs that are stored, or on their way; NULL: not known */
  guint pairs_sought;  /* since it is not */
};

/* store.c: waits for the batch that is being written; after that the connection is the owner's,
 * and the batch that has begun meanwhile has its transaction. */
void mt_store_settle(MtStore *store);

/* store.c: where to look up by @which, now: without what is being written.  mt_store_beside: where
 * what has this hash, or number, is found as it is. */
MtSegments *mt_store_where(MtStore *store, MtStmt which);
MtSegments *mt_store_beside(MtStore *store, MtTouch touch, guint64 hash, MtStmt which);

/* store.c: could there be an access with this key that has not ended? */
gboolean mt_store_may_be_open(MtStore *store, guint64 key);

/* store.c: where to look up what may be anywhere. */
MtSegments *mt_store_everywhere(MtStore *store);

/* store.c: reading failed: what was read is not all there is, and nothing that rests on
 * it may be committed. */
void mt_store_read_failed(MtStore *store, const gchar *what);

/* store.c: rows of @stmt one by one; a failure is noted. */
gboolean mt_store_next_row(MtStore *store, sqlite3_stmt *stmt);

/* store.c: a line for the admin; taken by mt_store_take_notice(). */
void mt_store_note(MtStore *store, const gchar *format, ...) G_GNUC_PRINTF(2, 3);

/* store.c: a short transaction besides the batches. */
gboolean mt_store_begin_small(MtStore *store, GError **error);
gboolean mt_store_end_small(MtStore *store, gboolean ok, const gchar *what, GError **error);

/* writer.c: rows into the open transaction. */
gboolean mt_writer_put_batch(MtStore *store, const MtBatch *batch);
gboolean mt_writer_put_mail_changes(MtStore *store, const GArray *deliveries);
gboolean mt_writer_put_watch(MtStore *store, const MtWatchWork *work, gboolean emit);
gboolean mt_writer_put_counters(MtStore *store);

/* mt_writer_once: NULL where it cannot be made: the connection says why.  mt_writer_once_sql: its
 * text. */
sqlite3_stmt *mt_writer_once(MtStore *store, MtOnce which);
const gchar *mt_writer_once_sql(MtOnce which);

/* finder.c: the trail's backing. */
MtTrailBacking mt_finder_backing(MtStore *store);

#endif
