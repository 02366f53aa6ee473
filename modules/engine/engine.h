/* engine.h: the one facade that hosts see
 *
 * Layer: engine.  Concurrency: one thread pushes, commits and ticks; mt_engine_alert_id()
 * and mt_engine_emitted() may be called from others.  mt_engine_submit() has a thread of the
 * store's own write.
 *
 * A host pushes lines; commits when it has no more, or enough; acknowledges them to
 * their source after a commit that succeeded; pushes the same lines again after one
 * that failed; ticks about once a second.
 */
#ifndef MT_ENGINE_ENGINE_H
#define MT_ENGINE_ENGINE_H

#include "engine/settings.h"
#include "event/event.h"

typedef struct MtEngine MtEngine;

typedef enum
{
  MT_LOG_ERROR,
  MT_LOG_WARNING,
  MT_LOG_INFO,
} MtLogLevel;

/* How the engine tells its host what an admin should know: one line.  Called from the
 * pushing thread only, and not more than once a minute for the same thing. */
typedef void (*MtEngineLog)(gpointer user, MtLogLevel level, const gchar *message);

#define MT_ENGINE_COUNTERS(X) \
  X(lines)        /* pushed */ \
  X(parsed)       /* known lines of mail programs */ \
  X(skipped)      /* lines of other programs */ \
  X(unknown)      /* lines of mail programs that no recogniser knows */ \
  X(held)         /* lines that the store had already */ \
  X(untrusted)    /* lines of writers that are not believed */ \
  X(orphaned)     /* lines whose record was never seen */ \
  X(dropped)      /* lines without a time */ \
  X(evicted)      /* records that left memory for the disk */ \
  X(late)         /* records that came back from it */ \
  X(alerts)       /* raised */ \
  X(commits)      /* transactions that succeeded */ \
  X(failures)     /* transactions that did not */ \
  X(absurd)       /* rows whose time is a clock's mistake */ \
  X(rolled)       /* late lines' rows whose record has rolled off */ \
  X(reopened)     /* the store was removed or replaced under us */ \
  X(set_aside)    /* damaged stores */ \
  X(unfolded)     /* times that the log could not be folded back into the file */ \
  X(long_readers) /* times that a reader held the log until it was large */

typedef struct
{
#define X(name) guint64 name;
  MT_ENGINE_COUNTERS(X)
#undef X
} MtEngineCounters;

/* Fields of the counters, by name, for a host's statistics. */
typedef struct
{
  const gchar *name;
  gsize offset;
} MtCounterName;

extern const MtCounterName mt_engine_counter_names[]; /* ends with a NULL name */

/* mt_engine_open: opens the store, the databases and the policy.
 * @settings: (transfer none) outlives the engine.  @now: wall clock.
 * Returns: NULL with @error: one line, names the file and what to do. */
enum
{
  MT_ENGINE_EMIT = 1 << 0,     /* alerts go into syslog, too; else they are only recorded */
  MT_ENGINE_REMEMBER = 1 << 1, /* the settings are the store's from now on */
  MT_ENGINE_BULK = 1 << 2,     /* much at once: mt_engine_finish() is called at the end */
};
MtEngine *mt_engine_open(const MtSettings *settings, guint flags, MtTime now, MtEngineLog log,
                         gpointer user, GError **error);

/* mt_engine_read_by: lines are read by this dialect only.  Returns: FALSE with @error
 * where there is none of this name. */
gboolean mt_engine_read_by(MtEngine *engine, const gchar *dialect, GError **error);

/* mt_engine_error_may_pass: trouble of the store that may be over later (no room, I/O,
 * another writer); else the settings must be mended. */
gboolean mt_engine_error_may_pass(const GError *error);

/* mt_engine_close: rolls back what is not committed. */
void mt_engine_close(MtEngine *engine);

/* mt_engine_push: one line.  @uid: who wrote it, -1 where the source does not know.
 * Returns: FALSE with @error: the store cannot be written to now; no line of this batch
 * is kept: push them again later. */
gboolean mt_engine_push(MtEngine *engine, const MtLine *line, gint64 uid, GError **error);

/* mt_engine_commit: all lines pushed since the last commit.  Returns: FALSE with @error:
 * none of them is kept: push them again. */
gboolean mt_engine_commit(MtEngine *engine, MtTime now, GError **error);

/* mt_engine_submit: as mt_engine_commit(), but comes back while they are being stored: the next
 * lines may be pushed meanwhile.
 * mt_engine_land: waits for them.  Before the next mt_engine_submit() or mt_engine_commit(), and
 * when a push has failed.  Returns: they are stored, or there were none; FALSE with @error: neither
 * they nor those pushed since are kept: push all of them again. */
gboolean mt_engine_submit(MtEngine *engine, MtTime now, GError **error);
gboolean mt_engine_land(MtEngine *engine, GError **error);

/* mt_engine_new_stream: lines that were pushed before may be sent again by their source from
 * here on.  Between commits only. */
gboolean mt_engine_new_stream(MtEngine *engine, GError **error);

/* mt_engine_rollback: forgets the lines pushed since the last commit; of those that were submitted
 * mt_engine_land() says what became. */
void mt_engine_rollback(MtEngine *engine);

/* mt_engine_tick: what is due besides lines, in small steps: rolling, the policy file,
 * databases, raw lines.  Between commits only.  Returns: there is more to do at once. */
gboolean mt_engine_tick(MtEngine *engine, MtTime now);

/* mt_engine_finish: builds the indexes that MT_ENGINE_BULK put off.  Nothing is lost without
 * it: whoever writes next builds what is missing. */
gboolean mt_engine_finish(MtEngine *engine, GError **error);

/* mt_engine_retain: one small step of rolling, now.  @more: there is more to do. */
gboolean mt_engine_retain(MtEngine *engine, MtTime now, gboolean *more, GError **error);

/* mt_engine_forget: a person out of the store, its log and what was set aside of it.
 * @found: how many texts and rows held the address. */
gboolean mt_engine_forget(MtEngine *engine, const gchar *address, guint64 *found, GError **error);

/* mt_engine_counters: since the engine was opened. */
void mt_engine_counters(const MtEngine *engine, MtEngineCounters *counters);

/* ---- for a source of alerts in the same process --------------------------------------- */

/* mt_engine_alert_id: of the newest committed alert.  Thread: any. */
gint64 mt_engine_alert_id(MtEngine *engine);

/* mt_engine_emit_mail: from now on notes which rows of view mail have come to an end, or
 * changed since, in table mail_change.  Thread: any. */
void mt_engine_emit_mail(MtEngine *engine);

/* mt_engine_emitted: alerts up to @id have been acknowledged.  Thread: any. */
void mt_engine_emitted(MtEngine *engine, gint64 id);

#endif
