/* destination { mailtrail(); }: correlate, store, watch */
#include "mailtrail.h"
#include "no-parse.h"
#include "shared.h"

#include "messages.h"
#include "stats/stats-registry.h"

#include <iv.h>

/* A commit comes whenever no line waits; under load, after this many. */
#define DEFAULT_BATCH_LINES 20000

/* A slow or busy machine takes long for so many: an alert waits no longer than this for the
 * commit. */
#define BATCH_MAX_US 400000

/* Lines between two looks at the clock. */
#define CLOCK_LINES 64

/* Pause after a failed commit. */
#define DEFAULT_TIME_REOPEN_S 2

/* Nothing calls a destination when no line comes: a timer of our own does. */
#define TICK_S 1

/* While rolling has more to do, a step comes this often. */
#define BUSY_TICK_NS 20000000

/* The same while lines come without a gap: most of the time is theirs. */
#define LOADED_TICK_US 100000

#define COUNTER_MAX 32

typedef struct
{
  LogThreadedDestDriver super;
  MtSettings settings;
  MtShared *shared;
  MtSources *sources; /* of lines that no syslog daemon has taken apart */
  struct iv_timer tick;
  gboolean in_batch;
  guint failures;  /* mt_shared_failures() when the batch began */
  gint64 began_us; /* when the batch did */
  guint in_batch_lines;
  GArray *old;         /* mt_shared_waiting(): lines of before a reload, not committed yet */
  gint64 old_in_batch; /* how many of the first stream are in the open batch */
  StatsCounterItem *counters[COUNTER_MAX];
  NVHandle unix_uid, journald_uid;
  gint told_about_flow_control;
  gchar *trouble; /* why lines wait, NULL while they do not */
  gint64 ticked_us;
  gboolean busy; /* the last tick left something to do */
  void (*queue)(LogPipe *s, LogMessage *msg, const LogPathOptions *path_options);
} MtDestination;

/* ---- statistics: syslog-ng-ctl stats --------------------------------------------------------- */

static void
counter_key(MtDestination *self, StatsClusterKey *key, guint i)
{
  stats_cluster_single_key_set_with_name(key, self->super.stats_source | SCS_DESTINATION,
                                         self->super.super.super.id, self->settings.database,
                                         mt_engine_counter_names[i].name);
}

static void
register_counters(MtDestination *self, gboolean on)
{
  stats_lock();
  for (guint i = 0; mt_engine_counter_names[i].name && i < COUNTER_MAX; i++)
    {
      StatsClusterKey key;

      counter_key(self, &key, i);
      if (on)
        stats_register_counter(0, &key, SC_TYPE_SINGLE_VALUE, &self->counters[i]);
      else
        stats_unregister_counter(&key, SC_TYPE_SINGLE_VALUE, &self->counters[i]);
    }
  stats_unlock();
}

static void
update_counters(MtDestination *self)
{
  MtEngineCounters counters;

  mt_engine_counters(mt_shared_engine(self->shared), &counters);
  for (guint i = 0; mt_engine_counter_names[i].name && i < COUNTER_MAX; i++)
    stats_counter_set(self->counters[i],
                      *(const guint64 *) (gpointer) ((const gchar *) &counters
                                                     + mt_engine_counter_names[i].offset));
}

/* ---- the worker's thread ----------------------------------------------------------- */

static void
schedule_tick(MtDestination *self, gboolean busy)
{
  iv_validate_now();
  self->tick.expires = iv_now;
  if (busy)
    self->tick.expires.tv_nsec += BUSY_TICK_NS;
  else
    self->tick.expires.tv_sec += TICK_S;
  if (self->tick.expires.tv_nsec >= 1000000000)
    {
      self->tick.expires.tv_nsec -= 1000000000;
      self->tick.expires.tv_sec++;
    }
  iv_timer_register(&self->tick);
}

static void
tick(MtDestination *self)
{
  mt_shared_lock(self->shared);
  if (mt_shared_engine(self->shared))
    {
      self->busy = mt_engine_tick(mt_shared_engine(self->shared), g_get_real_time());
      update_counters(self);
    }
  mt_shared_unlock(self->shared);
  self->ticked_us = g_get_monotonic_time();
}

static void
on_tick(gpointer cookie)
{
  MtDestination *self = cookie;

  tick(self);
  schedule_tick(self, self->busy);
}

/* While lines come without a gap no timer fires: a commit is the moment then. */
static void
tick_under_load(MtDestination *self)
{
  gint64 due_us = self->busy ? LOADED_TICK_US : TICK_S * G_USEC_PER_SEC;

  if (g_get_monotonic_time() - self->ticked_us >= due_us)
    tick(self);
}

static void
thread_init(LogThreadedDestDriver *s)
{
  MtDestination *self = (MtDestination *) s;

  IV_TIMER_INIT(&self->tick);
  self->tick.cookie = self;
  self->tick.handler = on_tick;
  schedule_tick(self, FALSE);
}

static void
thread_deinit(LogThreadedDestDriver *s)
{
  MtDestination *self = (MtDestination *) s;

  if (iv_timer_registered(&self->tick))
    iv_timer_unregister(&self->tick);
}

/* While the trouble lasts each try ends in it: it is told once, and when it is over. */
static void
tell(MtDestination *self, GError *error)
{
  if (g_strcmp0(self->trouble, error->message) != 0)
    msg_error("mailtrail: lines cannot be stored now; they wait and are tried again",
              evt_tag_str("driver", self->super.super.super.id),
              evt_tag_str("why", error->message));
  g_free(self->trouble);
  self->trouble = g_strdup(error->message);
  g_error_free(error);
}

static void
tell_over(MtDestination *self)
{
  if (!self->trouble)
    return;
  msg_notice("mailtrail: lines are stored again",
             evt_tag_str("driver", self->super.super.super.id));
  g_clear_pointer(&self->trouble, g_free);
}

static gboolean
connect_store(LogThreadedDestDriver *s)
{
  MtDestination *self = (MtDestination *) s;
  GError *error = NULL;
  gboolean open;

  mt_shared_lock(self->shared);
  open = mt_shared_open(self->shared, &error);
  mt_shared_unlock(self->shared);
  mt_sources_rollback(self->sources);
  self->in_batch = FALSE;
  self->old_in_batch = 0;
  if (!open)
    tell(self, error);
  return open;
}

/* Whatever goes wrong, the answer is "not connected": syslog-ng hands the same lines
 * over again later.  LTR_ERROR would drop them after three tries. */
static LogThreadedResult
give_up(MtDestination *self, GError *error)
{
  mt_sources_rollback(self->sources);
  self->in_batch = FALSE;
  self->old_in_batch = 0;
  if (error)
    tell(self, error);
  return LTR_NOT_CONNECTED;
}

static gint64
uid_of(MtDestination *self, const LogMessage *msg)
{
  guint64 uid;

  if (!self->settings.trusted_uids)
    return -1;
  if (mt_span_to_u64(mt_value_of(msg, self->unix_uid), &uid)
      || mt_span_to_u64(mt_value_of(msg, self->journald_uid), &uid))
    return uid;
  return -1;
}

static void
fill_line(MtDestination *self, const LogMessage *msg, MtLine *line)
{
  const UnixTime *stamp = &msg->timestamps[LM_TS_STAMP];
  guint64 pid;

  if (mt_no_parse_is(msg))
    {
      mt_no_parse_head(self->sources, msg, mt_value_of(msg, LM_V_MESSAGE), line);
      return;
    }
  *line = (MtLine){ 0 };
  line->time = stamp->ut_sec * MT_SECOND_US + stamp->ut_usec;
  line->host = mt_value_of(msg, LM_V_HOST);
  line->program = mt_value_of(msg, LM_V_PROGRAM);
  line->text = mt_value_of(msg, LM_V_MESSAGE);
  line->pid = mt_span_to_u64(mt_value_of(msg, LM_V_PID), &pid) ? (gint64) pid : -1;
  mt_line_unfold_repeat(line);
}

static gboolean
commit(MtDestination *self, GError **error)
{
  gint64 *first = self->old->len ? &g_array_index(self->old, gint64, 0) : NULL;

  if (self->failures != mt_shared_failures(self->shared) || !mt_shared_commit(self->shared, error))
    return FALSE;
  mt_sources_commit(self->sources);
  if (!first)
    return TRUE;
  *first -= self->old_in_batch;
  self->old_in_batch = 0;
  if (*first > 0)
    return TRUE;
  g_array_remove_index(self->old, 0);
  return mt_engine_new_stream(mt_shared_engine(self->shared), error);
}

/* Behind the last line of before a reload a stream begins: those are stored by then. */
static gboolean
count_old(MtDestination *self, GError **error)
{
  if (self->old->len && g_array_index(self->old, gint64, 0) <= self->old_in_batch
      && !commit(self, error))
    return FALSE;
  if (self->old->len)
    self->old_in_batch++;
  return TRUE;
}

static LogThreadedResult
flush(LogThreadedDestDriver *s)
{
  MtDestination *self = (MtDestination *) s;
  GError *error = NULL;
  gboolean ok;

  if (!self->in_batch)
    return LTR_SUCCESS;
  mt_shared_lock(self->shared);
  ok = commit(self, &error);
  mt_shared_unlock(self->shared);
  if (!ok)
    return give_up(self, error);
  self->in_batch = FALSE;
  tell_over(self);
  tick_under_load(self);
  return LTR_SUCCESS;
}

static gboolean
batch_is_old(MtDestination *self)
{
  return ++self->in_batch_lines % CLOCK_LINES == 0
         && g_get_monotonic_time() - self->began_us >= BATCH_MAX_US;
}

static LogThreadedResult
insert(LogThreadedDestDriver *s, LogMessage *msg)
{
  MtDestination *self = (MtDestination *) s;
  GError *error = NULL;
  gboolean ok;
  MtLine line;

  fill_line(self, msg, &line);
  mt_shared_lock(self->shared);
  if (!self->in_batch)
    {
      self->failures = mt_shared_failures(self->shared);
      self->began_us = g_get_monotonic_time();
      self->in_batch_lines = 0;
    }
  self->in_batch = TRUE;
  ok = self->failures == mt_shared_failures(self->shared) && count_old(self, &error)
       && mt_engine_push(mt_shared_engine(self->shared), &line, uid_of(self, msg), &error);
  mt_shared_unlock(self->shared);
  if (!ok)
    return give_up(self, error);
  return batch_is_old(self) ? flush(s) : LTR_QUEUED;
}

/* ---- configuration ----------------------------------------------------------------- */

MtSettings *
mt_destination_settings(LogDriver *driver)
{
  return &((MtDestination *) driver)->settings;
}

/* Without flow control a line is acknowledged before it is stored. */
static void
queue(LogPipe *s, LogMessage *msg, const LogPathOptions *path_options)
{
  MtDestination *self = (MtDestination *) s;

  if (!path_options->flow_control_requested
      && g_atomic_int_compare_and_exchange(&self->told_about_flow_control, 0, 1))
    msg_warning(
        "mailtrail: a log path to this destination has no flags(flow-control): lines that "
        "wait when syslog-ng ends, or that do not fit into log-fifo-size(), are lost",
        evt_tag_str("driver", self->super.super.super.id), log_pipe_location_tag(s));
  self->queue(s, msg, path_options);
}

static const gchar *
format_stats_instance(LogThreadedDestDriver *s)
{
  return ((MtDestination *) s)->settings.database;
}

static const gchar *
persist_name(const LogPipe *s)
{
  static gchar name[1024];

  if (s->persist_name)
    g_snprintf(name, sizeof name, "mailtrail.%s", s->persist_name);
  else
    g_snprintf(name, sizeof name, "mailtrail(%s)", ((const MtDestination *) s)->settings.database);
  return name;
}

static gboolean
init(LogPipe *s)
{
  MtDestination *self = (MtDestination *) s;
  GError *error = NULL;

  if (self->super.batch_lines <= 0)
    self->super.batch_lines = DEFAULT_BATCH_LINES;
  if (self->super.time_reopen <= 0)
    self->super.time_reopen = DEFAULT_TIME_REOPEN_S;
  self->shared = mt_shared_get(&self->settings, &error);
  if (!self->shared)
    {
      msg_error("mailtrail: the destination cannot start", evt_tag_str("why", error->message),
                log_pipe_location_tag(s));
      g_clear_error(&error);
      return FALSE;
    }
  self->sources = mt_shared_sources(persist_name(s));
  mt_sources_set_zone(self->sources, self->settings.time_zone
                                         ? self->settings.time_zone
                                         : log_pipe_get_config(s)->recv_time_zone);
  if (!log_threaded_dest_driver_init_method(s))
    return FALSE;
  register_counters(self, TRUE);
  self->old = mt_shared_waiting(persist_name(s), mt_queue_length(&self->super));
  return TRUE;
}

static gboolean
deinit(LogPipe *s)
{
  MtDestination *self = (MtDestination *) s;

  register_counters(self, FALSE);
  g_clear_pointer(&self->shared, mt_shared_unref);
  return log_threaded_dest_driver_deinit_method(s);
}

static void
free_destination(LogPipe *s)
{
  MtDestination *self = (MtDestination *) s;

  mt_shared_unref(self->shared);
  mt_settings_clear(&self->settings);
  g_free(self->trouble);
  log_threaded_dest_driver_free(s);
}

LogDriver *
mt_destination_new(GlobalConfig *cfg)
{
  MtDestination *self = g_new0(MtDestination, 1);
  LogPipe *pipe = &self->super.super.super.super;

  log_threaded_dest_driver_init_instance(&self->super, cfg);
  mt_settings_init(&self->settings);
  self->queue = pipe->queue;
  pipe->queue = queue;
  pipe->init = init;
  pipe->deinit = deinit;
  pipe->free_fn = free_destination;
  pipe->generate_persist_name = persist_name;
  self->super.worker.thread_init = thread_init;
  self->super.worker.thread_deinit = thread_deinit;
  self->super.worker.connect = connect_store;
  self->super.worker.insert = insert;
  self->super.worker.flush = flush;
  self->super.format_stats_instance = format_stats_instance;
  self->super.stats_source = stats_register_type("mailtrail");
  self->super.batch_lines = DEFAULT_BATCH_LINES;
  self->unix_uid = log_msg_get_value_handle(".unix.uid");
  self->journald_uid = log_msg_get_value_handle(".journald._UID");
  return &self->super.super.super;
}
