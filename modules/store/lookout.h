/* lookout.h: what is looked up while a batch is being written
 *
 * Layer: store.  Concurrency: the owner's thread only.
 *
 * A connection of its own, which reads what was committed last: the batch that is being written,
 * or the one before it.  What that batch touches must not be looked up here: a filter knows it,
 * and says yes too often rather than too seldom.  Messages may: the trail has those of the batch
 * in memory, and takes none that it has (mt_trail_submitted()).
 */
#ifndef MT_STORE_LOOKOUT_H
#define MT_STORE_LOOKOUT_H

#include "store/segment.h"
#include "trail/batch.h"
#include "watch/watch.h"

/* By what is looked up. */
typedef enum
{
  MT_TOUCH_MESSAGE, /* its number: deliveries */
  MT_TOUCH_ACCESS,  /* its key */
  MT_TOUCH_PAIR,
  MT_TOUCH_BASELINE,
  MT_TOUCH_COUNT
} MtTouch;

typedef struct MtLookout MtLookout;

/* mt_lookout_new: reads the store at @path.  NULL: it cannot be opened now. */
MtLookout *mt_lookout_new(const gchar *path, const MtHashKey *key);
void mt_lookout_free(MtLookout *lookout);

/* mt_lookout_begin: this is going to be written, into these segments and new ones. */
void mt_lookout_begin(MtLookout *lookout, const MtSegments *segments, const MtBatch *batch,
                      const MtWatchWork *watch);

/* mt_lookout_touches: may what is being written have this number, or a text with this hash? */
gboolean mt_lookout_touches(const MtLookout *lookout, MtTouch touch, guint64 hash);

/* mt_lookout_can: have all segments the indexes that this statement goes by? */
gboolean mt_lookout_can(const MtLookout *lookout, MtStmt which);

/* mt_lookout_stmt: @sql, kept for the next time by what it looks for.  NULL: see its db. */
sqlite3_stmt *mt_lookout_stmt(MtLookout *lookout, MtTouch touch, const gchar *sql);

/* mt_lookout_db: the connection.  mt_lookout_segments: as of mt_lookout_begin(). */
sqlite3 *mt_lookout_db(const MtLookout *lookout);
MtSegments *mt_lookout_segments(MtLookout *lookout);

#endif
