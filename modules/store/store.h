/* store.h: the records on disk
 *
 * Layer: store.  Concurrency: one owner's thread a store; other processes and threads
 * open stores of their own on the same file.  What mt_store_submit() takes is written in a
 * thread of the store's own; all functions may be called meanwhile, and wait for it where they
 * must.
 *
 * One SQLite file in WAL mode.  All effect of a batch of lines is one transaction.
 */
#ifndef MT_STORE_STORE_H
#define MT_STORE_STORE_H

#include "store/guard.h"
#include "trail/trail.h"
#include "watch/watch.h"

typedef struct MtStore MtStore;

typedef struct
{
  const gchar *path;
  guint mode;            /* of the file and its companions; 0: 0640 */
  gint uid, gid;         /* -1: as they come */
  gint retention_days;   /* older records go; 0: none */
  gint64 max_size_bytes; /* oldest records go first beyond; 0: no limit */
  guint raw_lines;       /* how many are kept verbatim */
  gboolean bulk;         /* much at once: indexes of days that begin with it are built at the end */
} MtStoreSettings;

/* A line as it was logged. */
typedef struct
{
  MtTime at;
  MtSpan host, program, text;           /* in a batch of their own */
  MtSpan queue_id, message_id, session; /* of the records that it made */
} MtRawLine;

/* mt_store_open: opens the store, and makes it where it is missing.
 * @settings: (transfer none) outlives the store.
 * Returns: NULL with @error in MT_STORE_ERROR. */
MtStore *mt_store_open(const MtStoreSettings *settings, MtTime now, GError **error);

/* mt_store_hurry: from now on waits for other writers only shortly (half a second), or as long
 * as it should. */
void mt_store_hurry(MtStore *store, gboolean hurry);

/* mt_store_fold: there is time: folds the log back into the file if it has grown.  Between
 * batches; what does not succeed now is tried again later. */
void mt_store_fold(MtStore *store);

/* mt_store_set_now: the wall clock: stamps far off it are a clock's mistake. */
void mt_store_set_now(MtStore *store, MtTime now);
void mt_store_close(MtStore *store);

/* mt_store_begin: takes the turn to write.  @others_wrote: what the caller holds in
 * memory of the store is stale.  FALSE: MT_STORE_ERROR_BUSY and others. */
gboolean mt_store_begin(MtStore *store, gboolean *others_wrote, GError **error);

/* mt_store_commit: all of it, or nothing.  After FALSE the transaction is rolled back
 * and what the caller holds in memory is stale. */
typedef struct
{
  MtBatch *batch;
  MtWatchWork *watch;
  gboolean emit_alerts; /* into syslog, too */
  gboolean emit_mail;   /* ends of mail are noted for sources */
} MtStoreWork;
gboolean mt_store_commit(MtStore *store, const MtStoreWork *work, GError **error);

/* mt_store_submit: as mt_store_commit(), but comes back while it is being written: the next batch
 * may begin, and look up what it needs.  @work (transfer none) and all in it stay as they are
 * until mt_store_wait().  After FALSE, see mt_store_commit(). */
gboolean mt_store_submit(MtStore *store, const MtStoreWork *work, GError **error);

/* mt_store_wait: until what was submitted has been committed.  After FALSE it is rolled back, a
 * batch that began meanwhile cannot be committed, and what the caller holds in memory is stale. */
gboolean mt_store_wait(MtStore *store, GError **error);

/* mt_store_rollback: gives the turn back; nothing was written. */
void mt_store_rollback(MtStore *store);

/* mt_store_start: what a trail begins with.  Inside mt_store_begin(). */
void mt_store_start(MtStore *store, MtTrailStart *start);

/* mt_store_local_domains, mt_store_accounts: what was learned before. */
typedef void (*MtTextFound)(gpointer sink, MtSpan text);
void mt_store_local_domains(MtStore *store, MtTextFound found, gpointer sink);
void mt_store_accounts(MtStore *store, MtTextFound found, gpointer sink);

/* mt_store_key: the store's own hash key. */
const MtHashKey *mt_store_key(const MtStore *store);

/* mt_store_backing, mt_store_guard: parts of the store; they live as long as it does. */
MtTrailBacking mt_store_backing(MtStore *store);
MtGuard *mt_store_guard(MtStore *store);

/* mt_store_watch_backing: what the watch needs from the disk. */
MtWatchBacking mt_store_watch_backing(MtStore *store);

/* mt_store_alerts_since: alerts of @since and later, oldest first. */
typedef void (*MtAlertFound)(gpointer sink, const MtAlert *alert);
void mt_store_alerts_since(MtStore *store, MtTime since, MtAlertFound found, gpointer sink);

/* mt_store_suppressed: what was held back and has not been told. */
typedef void (*MtSuppressedFound)(gpointer sink, const MtSuppressed *suppressed);
void mt_store_suppressed(MtStore *store, MtSuppressedFound found, gpointer sink);

/* mt_store_put_lines: the newest raw lines (MtRawLine); keeps the last raw_lines. */
gboolean mt_store_put_lines(MtStore *store, const GArray *lines, GError **error);

/* mt_store_retain: one small step of rolling; a transaction of its own.
 * @more: there is more to do.  @now: wall clock. */
gboolean mt_store_retain(MtStore *store, MtTime now, gboolean *more, GError **error);

/* mt_store_build_indexes: one that bulk put off.  @more: there may be another. */
gboolean mt_store_build_indexes(MtStore *store, gboolean *more, GError **error);

/* mt_store_add_counts: adds to numbers that outlive the process. */
typedef struct
{
  const gchar *name;
  guint64 more;
} MtStoreCount;
gboolean mt_store_add_counts(MtStore *store, const MtStoreCount *counts, guint count,
                             GError **error);

/* mt_store_forget: takes the address (with what is added behind a "+") out of every text
 * in the store, and remembers a keyed hash of it so that no later line brings it back.
 * @found: how many texts held it.  The caller folds the log back: mt_store_wipe(). */
gboolean mt_store_forget(MtStore *store, const gchar *address, guint64 *found, GError **error);

/* mt_store_wipe: nothing of what was deleted stays in free pages and the log. @address: is
 * looked for in the bytes of the files.  FALSE: a reader keeps them, or it failed. */
gboolean mt_store_wipe(MtStore *store, const gchar *address, GError **error);

#define MT_STORE_COUNTERS(X) \
  X(absurd)       /* rows whose day is a clock's mistake */ \
  X(rolled)       /* late lines' rows whose record has rolled off */ \
  X(reopened)     /* the file was removed or replaced under us */ \
  X(set_aside)    /* damaged files */ \
  X(unfolded)     /* times that the log could not be folded back into the file */ \
  X(long_readers) /* times that a reader held the log until it was large */

typedef struct
{
#define X(name) guint64 name;
  MT_STORE_COUNTERS(X)
#undef X
} MtStoreCounters;

/* mt_store_counters: since it was opened. */
const MtStoreCounters *mt_store_counters(MtStore *store);

/* mt_store_generation: changes when another file has taken the place of the one before:
 * its key is another. */
guint mt_store_generation(const MtStore *store);

/* mt_store_take_notice: what was found and mended since the last call, for the admin.
 * (transfer full) (nullable) */
gchar *mt_store_take_notice(MtStore *store);

/* mt_store_last_alert: the id of the newest alert; 0 without one. */
gint64 mt_store_last_alert(MtStore *store);

/* mt_store_mark_notified: these alerts (ids, with commas) are in a digest of @at. */
gboolean mt_store_mark_notified(MtStore *store, const gchar *ids, MtTime at, GError **error);

/* mt_store_mark_emitted: the alerts up to @id have been acknowledged at @at. */
gboolean mt_store_mark_emitted(MtStore *store, gint64 id, MtTime at, GError **error);

/* mt_store_meta, mt_store_set_meta: remembered settings. (transfer full) (nullable) */
gchar *mt_store_meta(MtStore *store, const gchar *name);
gboolean mt_store_set_meta(MtStore *store, const gchar *name, const gchar *value, GError **error);

#endif
