/* shared.h: one engine for all that name the same store
 *
 * Layer: syslog-ng.  Concurrency: functions that take an MtShared lock it; a batch is
 * pushed under mt_shared_lock().
 *
 * Two destinations of one configuration on one store share one engine, and a source
 * beside them is woken by it.
 */
#ifndef MT_SYSLOG_NG_SHARED_H
#define MT_SYSLOG_NG_SHARED_H

#include "engine/engine.h"
#include "engine/sources.h"

typedef struct MtShared MtShared;

/* mt_shared_get: the engine of @settings->database; opened if it is the first.
 * Returns: NULL with @error where the settings are wrong.  A store that cannot be
 * opened for now is tried again by mt_shared_open(). (transfer full) */
MtShared *mt_shared_get(const MtSettings *settings, GError **error);
void mt_shared_unref(MtShared *shared);

/* mt_shared_open: opens what could not be opened before.  FALSE with @error. */
gboolean mt_shared_open(MtShared *shared, GError **error);

/* mt_shared_lock, mt_shared_unlock: around every use of the engine. */
void mt_shared_lock(MtShared *shared);
void mt_shared_unlock(MtShared *shared);

/* mt_shared_engine: NULL while it is not open.  Under the lock. */
MtEngine *mt_shared_engine(MtShared *shared);

/* mt_shared_failures: how many commits have failed: a batch whose lines were pushed
 * under another number is lost and must be pushed again.  Under the lock. */
guint mt_shared_failures(const MtShared *shared);

/* mt_shared_commit: commits what all have pushed; wakes sources.  Under the lock. */
gboolean mt_shared_commit(MtShared *shared, GError **error);

/* mt_shared_wait: until an alert behind @id was committed by this process, or
 * @timeout_us have passed.  Thread: a source's. */
void mt_shared_wait(const gchar *database, gint64 id, gint64 timeout_us);

/* mt_shared_want_mail: a source emits mail of @database: changes are to be noted. */
void mt_shared_want_mail(const gchar *database);

/* mt_shared_wake: ends the waits. */
void mt_shared_wake(void);

/* mt_shared_emitted: alerts of @database up to @id have been acknowledged.  FALSE: no
 * engine of this process writes to it. */
gboolean mt_shared_emitted(const gchar *database, gint64 id);

/* mt_shared_waiting: the streams of lines that wait in the queue of the driver of this persist
 * name, oldest first: how many lines of each.  The queue outlives a reload, and file() and its
 * like then send what waits once more, behind it: each reload begins another stream.
 * @length: of the queue as the driver finds it.  (transfer none) for the driver's worker. */
GArray *mt_shared_waiting(const gchar *name, gint64 length);

/* mt_shared_sources: what raw lines' files have said to the driver of this persist name; it
 * outlives a reload.  (transfer none) for the driver's worker. */
MtSources *mt_shared_sources(const gchar *name);

#endif
