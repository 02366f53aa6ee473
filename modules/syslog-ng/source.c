/* source { mailtrail(); }: events back into syslog
 *
 * Alerts come from the store's outbox: each is sent once it is committed, and counts as
 * emitted when the pipeline has acknowledged it.  Where we are stands in syslog-ng's
 * persist file, so that a restart goes on behind the last acknowledged one.
 */
#include "mailtrail.h"
#include "shared.h"

#include "engine/outbox.h"

#include "logmsg/logmsg.h"
#include "messages.h"
#include "persist-state.h"

#include <syslog.h>

/* Another process may write to the store: nobody wakes us then. */
#define POLL_US 100000

/* Pause after trouble with the store. */
#define TROUBLE_US 2000000

enum
{
  EVENTS_ALERTS = 1 << 0,
  EVENTS_MAIL = 1 << 1,
};

/* In the persist file. */
typedef struct
{
  guint8 version;
  guint8 unused[7];
  gint64 alert_id;
  gint64 change_id;
} Position;

/* In a message's bookmark. */
typedef struct
{
  PersistEntryHandle handle;
  gint64 id;
  gint64 *acked; /* atomic, of the driver */
  gboolean is_mail;
} Mark;

typedef struct
{
  LogThreadedSourceDriver super;
  gchar *database;
  guint events;
  gboolean start_now;
  gint exit_requested; /* atomic */
  PersistEntryHandle handle;
  gboolean handle_is_new;
  gint64 alert_id, change_id;       /* sent */
  gint64 acked_alert, acked_change; /* atomic */
  gint64 told_alert;
} MtSource;

/* ---- where we are --------------------------------------------------------------------------- */

/* Runs where the pipeline acknowledges: no SQLite here. */
static void
save_mark(Bookmark *bookmark)
{
  Mark *mark = (Mark *) &bookmark->container;
  Position *position = persist_state_map_entry(bookmark->persist_state, mark->handle);

  if (mark->is_mail)
    position->change_id = mark->id;
  else
    position->alert_id = mark->id;
  persist_state_unmap_entry(bookmark->persist_state, mark->handle);
  __atomic_store_n(mark->acked, mark->id, __ATOMIC_RELEASE);
}

static void
set_mark(MtSource *self, gint64 id, gboolean is_mail)
{
  Bookmark *bookmark =
      ack_tracker_request_bookmark(MT_SOURCE_WORKER(&self->super)->super.ack_tracker);
  Mark *mark;

  if (!bookmark)
    return;
  mark = (Mark *) &bookmark->container;
  mark->handle = self->handle;
  mark->id = id;
  mark->acked = is_mail ? &self->acked_change : &self->acked_alert;
  mark->is_mail = is_mail;
  bookmark->save = save_mark;
}

static const gchar *
persist_name(const LogPipe *s)
{
  static gchar name[1024];
  const MtSource *self = (const MtSource *) s;

  if (s->persist_name)
    g_snprintf(name, sizeof name, "mailtrail-source.%s", s->persist_name);
  else
    g_snprintf(name, sizeof name, "mailtrail-source(%s,%s)", self->database,
               self->super.super.super.id);
  return name;
}

static gboolean
restore_position(MtSource *self)
{
  LogPipe *pipe = &self->super.super.super.super;
  PersistState *state = log_pipe_get_config(pipe)->state;
  const gchar *name = persist_name(pipe);
  gsize size;
  guint8 version;
  Position *position;

  self->handle = persist_state_lookup_entry(state, name, &size, &version);
  self->handle_is_new = !self->handle || size != sizeof *position;
  if (self->handle_is_new)
    self->handle = persist_state_alloc_entry(state, name, sizeof *position);
  if (!self->handle)
    return FALSE;
  position = persist_state_map_entry(state, self->handle);
  if (self->handle_is_new)
    memset(position, 0, sizeof *position);
  position->version = 1;
  self->alert_id = position->alert_id;
  self->change_id = position->change_id;
  persist_state_unmap_entry(state, self->handle);
  return TRUE;
}

/* ---- an event as a message --------------------------------------------------------- */

static void
set_message(LogMessage *msg, const MtRows *rows, const gchar *first)
{
  GString *text = g_string_new(NULL);

  mt_outbox_append_text(rows, first, text);
  log_msg_set_value(msg, LM_V_MESSAGE, text->str, text->len);
  g_string_free(text, TRUE);
}

static void
set_pairs(LogMessage *msg, const MtRows *rows)
{
  GString *name = g_string_new(NULL);

  for (guint i = 0; i < mt_rows_columns(rows); i++)
    {
      MtSpan value = mt_rows_text(rows, i);

      if (mt_rows_type(rows, i) == MT_COLUMN_NULL)
        continue;
      g_string_printf(name, ".mailtrail.%s", mt_rows_name(rows, i));
      log_msg_set_value_by_name(msg, name->str, value.at, value.len);
    }
  g_string_free(name, TRUE);
}

static void
post(MtSource *self, const MtRows *rows, gint64 id, gint pri, const gchar *first, gboolean is_mail)
{
  LogMessage *msg = log_msg_new_empty();

  msg->pri = pri;
  log_msg_set_value(msg, LM_V_PROGRAM, "mailtrail", -1);
  set_message(msg, rows, first);
  set_pairs(msg, rows);
  set_mark(self, id, is_mail);
  log_threaded_source_blocking_post(&self->super, msg);
}

/* ---- the source's thread ----------------------------------------------------------- */

static gboolean
must_exit(MtSource *self)
{
  return g_atomic_int_get(&self->exit_requested);
}

static gboolean
send_alerts(MtSource *self, MtQuery *query, GError **error)
{
  MtRows *rows = mt_outbox_alerts(query, self->alert_id, error);
  gboolean any = FALSE;

  while (rows && !must_exit(self) && mt_rows_next(rows, error))
    {
      gint64 id = mt_rows_integer(rows, mt_rows_column(rows, "id"));

      post(self, rows, id, LOG_AUTHPRIV | mt_outbox_severity(rows), "ip", FALSE);
      self->alert_id = id;
      any = TRUE;
    }
  mt_rows_free(rows);
  return any;
}

static gboolean
send_mail(MtSource *self, MtQuery *query, GError **error)
{
  gchar *sql = g_strdup_printf("SELECT seq, mail FROM mail_change WHERE seq>%" G_GINT64_FORMAT
                               " ORDER BY seq LIMIT 100",
                               self->change_id);
  MtRows *changes = mt_query_run(query, sql, NULL, error), *rows;
  gboolean any = FALSE;

  g_free(sql);
  while (changes && !must_exit(self) && mt_rows_next(changes, error))
    {
      gint64 seq = mt_rows_integer(changes, 0);

      sql =
          g_strdup_printf("SELECT * FROM mail WHERE id=%" G_GINT64_FORMAT " AND outcome<>'queued'",
                          mt_rows_integer(changes, 1));
      rows = mt_query_run(query, sql, NULL, error);
      g_free(sql);
      if (rows && mt_rows_next(rows, error))
        post(self, rows, seq, LOG_MAIL | LOG_INFO, "client_ip", TRUE);
      mt_rows_free(rows);
      self->change_id = seq;
      any = TRUE;
    }
  mt_rows_free(changes);
  return any;
}

/* A source that was not seen before begins now, or with all that is there. */
static gboolean
begin(MtSource *self, MtQuery *query, GError **error)
{
  MtRows *rows;

  if (!self->handle_is_new || !self->start_now)
    return TRUE;
  rows = mt_query_run(query,
                      "SELECT (SELECT coalesce(max(id), 0) FROM alerts),"
                      " (SELECT coalesce(max(seq), 0) FROM mail_change)",
                      NULL, error);
  if (rows && mt_rows_next(rows, error))
    {
      self->alert_id = mt_rows_integer(rows, 0);
      self->change_id = mt_rows_integer(rows, 1);
      self->handle_is_new = FALSE;
    }
  mt_rows_free(rows);
  return !self->handle_is_new;
}

static void
tell_emitted(MtSource *self)
{
  gint64 acked = __atomic_load_n(&self->acked_alert, __ATOMIC_ACQUIRE);

  if (acked <= self->told_alert)
    return;
  mt_shared_emitted(self->database, acked);
  self->told_alert = acked;
}

static void
send_all(MtSource *self, MtQuery *query, GError **error)
{
  gboolean more = begin(self, query, error);

  while (more && !*error && !must_exit(self))
    {
      more = self->events & EVENTS_ALERTS && send_alerts(self, query, error);
      if (self->events & EVENTS_MAIL && !*error)
        more |= send_mail(self, query, error);
      tell_emitted(self);
    }
}

static void
pause_for(MtSource *self, gint64 us)
{
  while (us > 0 && !must_exit(self))
    {
      g_usleep(MIN(us, POLL_US));
      us -= POLL_US;
    }
}

static void
run(MT_SOURCE_RUN_ARGUMENT *argument)
{
  MtSource *self = (MtSource *) MT_SOURCE_DRIVER_OF(argument);
  MtQuery *query = NULL;
  gint64 changes = -1;
  GError *error = NULL;

  while (!must_exit(self))
    {
      gint64 now;

      if (!query)
        query = mt_query_open(self->database, &error);
      now = query ? mt_query_changes(query) : changes;
      if (query && now != changes)
        send_all(self, query, &error);
      changes = now;
      tell_emitted(self);
      if (error)
        {
          msg_error("mailtrail: the store cannot be read now, it will be tried again",
                    evt_tag_str("driver", self->super.super.super.id),
                    evt_tag_str("why", error->message));
          g_clear_error(&error);
          g_clear_pointer(&query, mt_query_close);
          changes = -1;
          pause_for(self, TROUBLE_US);
        }
      else
        mt_shared_wait(self->database, self->alert_id, POLL_US);
    }
  mt_query_close(query);
}

static void
request_exit(MT_SOURCE_RUN_ARGUMENT *argument)
{
  MtSource *self = (MtSource *) MT_SOURCE_DRIVER_OF(argument);

  g_atomic_int_set(&self->exit_requested, 1);
  mt_shared_wake();
}

/* ---- configuration ----------------------------------------------------------------- */

void
mt_source_set_database(LogDriver *driver, const gchar *database)
{
  MtSource *self = (MtSource *) driver;

  g_free(self->database);
  self->database = g_strdup(database);
}

gboolean
mt_source_add_events(LogDriver *driver, const gchar *name)
{
  MtSource *self = (MtSource *) driver;

  if (g_str_equal(name, "alerts"))
    self->events |= EVENTS_ALERTS;
  else if (g_str_equal(name, "mail"))
    self->events |= EVENTS_MAIL;
  else
    return FALSE;
  return TRUE;
}

gboolean
mt_source_set_start(LogDriver *driver, const gchar *start)
{
  ((MtSource *) driver)->start_now = g_str_equal(start, "now");
  return g_str_equal(start, "now") || g_str_equal(start, "all");
}

static const gchar *
format_stats_instance(LogThreadedSourceDriver *s)
{
  return ((MtSource *) s)->database;
}

static gboolean
init(LogPipe *s)
{
  MtSource *self = (MtSource *) s;

  if (!self->events)
    self->events = EVENTS_ALERTS;
  if (self->events & EVENTS_MAIL)
    mt_shared_want_mail(self->database);
  if (!restore_position(self))
    {
      msg_error("mailtrail: the source's place cannot be kept in the persist file",
                log_pipe_location_tag(s));
      return FALSE;
    }
  g_atomic_int_set(&self->exit_requested, 0);
  return log_threaded_source_driver_init_method(s);
}

static void
free_source(LogPipe *s)
{
  g_free(((MtSource *) s)->database);
  log_threaded_source_driver_free_method(s);
}

LogDriver *
mt_source_new(GlobalConfig *cfg)
{
  MtSource *self = g_new0(MtSource, 1);
  LogPipe *pipe = &self->super.super.super.super;

  log_threaded_source_driver_init_instance(&self->super, cfg);
  self->database = g_strdup(mt_settings_default_database());
  self->start_now = TRUE;
  self->super.worker_options.ack_tracker_factory = consecutive_ack_tracker_factory_new();
  pipe->init = init;
  pipe->free_fn = free_source;
  pipe->generate_persist_name = persist_name;
  self->super.format_stats_instance = format_stats_instance;
  self->super.run = run;
  self->super.request_exit = request_exit;
  return &self->super.super.super;
}
