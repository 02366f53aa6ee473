#include "shared.h"
#include "compat.h"
#include "messages.h"

struct MtShared
{
  gchar *database;
  gchar *settings_text;
  MtSettings copy;
  guint refs;
  GMutex lock;
  MtEngine *engine;
  guint failures;
};

/* syslog-ng knows no place for what several drivers share: it is here. */
static GMutex registry_lock;
static GCond registry_changed;
static GHashTable *registry;    /* database -> MtShared */
static GHashTable *mail_wanted; /* databases whose mail a source emits */
static gint64 wakes;
static GHashTable *waiting; /* driver's persist name -> GArray of gint64 */
static GHashTable *sources; /* driver's persist name -> MtSources */

static void
log_message(gpointer user, MtLogLevel level, const gchar *message)
{
  const MtShared *shared = user;
  EVTTAG *database = evt_tag_str("database", shared->database);

  if (level == MT_LOG_ERROR)
    msg_error("mailtrail", evt_tag_str("what", message), database);
  else if (level == MT_LOG_WARNING)
    msg_warning("mailtrail", evt_tag_str("what", message), database);
  else
    msg_info("mailtrail", evt_tag_str("what", message), database);
}

gboolean
mt_shared_open(MtShared *shared, GError **error)
{
  if (!shared->engine)
    shared->engine = mt_engine_open(&shared->copy, MT_ENGINE_EMIT | MT_ENGINE_REMEMBER,
                                    g_get_real_time(), log_message, shared, error);
  if (shared->engine && mail_wanted && g_hash_table_contains(mail_wanted, shared->database))
    mt_engine_emit_mail(shared->engine);
  return shared->engine != NULL;
}

static void
free_shared(MtShared *shared)
{
  mt_engine_close(shared->engine);
  mt_settings_clear(&shared->copy);
  g_mutex_clear(&shared->lock);
  g_free(shared->settings_text);
  g_free(shared->database);
  g_free(shared);
}

static MtShared *
make(const MtSettings *settings, GError **error)
{
  MtShared *shared = g_new0(MtShared, 1);
  GError *opening = NULL;

  g_mutex_init(&shared->lock);
  shared->refs = 1;
  shared->database = g_strdup(settings->database);
  shared->settings_text = mt_settings_to_text(settings);
  mt_settings_copy(&shared->copy, settings);
  if (mt_shared_open(shared, &opening))
    return shared;
  /* Trouble that may pass by itself must not keep syslog-ng from starting. */
  if (mt_engine_error_may_pass(opening))
    {
      msg_error("mailtrail: the store cannot be opened now, it will be tried again",
                evt_tag_str("why", opening->message));
      g_clear_error(&opening);
      return shared;
    }
  g_propagate_error(error, opening);
  free_shared(shared);
  return NULL;
}

MtShared *
mt_shared_get(const MtSettings *settings, GError **error)
{
  gchar *text = mt_settings_to_text(settings);
  MtShared *shared;

  g_mutex_lock(&registry_lock);
  if (!registry)
    registry = g_hash_table_new(g_str_hash, g_str_equal);
  shared = g_hash_table_lookup(registry, settings->database);
  if (shared && !g_str_equal(shared->settings_text, text))
    {
      g_set_error(error, MT_SETTINGS_ERROR, 0,
                  "two mailtrail() destinations on database(\"%s\") differ in their options; give "
                  "both the same, or another database",
                  settings->database);
      shared = NULL;
    }
  else if (shared)
    shared->refs++;
  else if ((shared = make(settings, error)))
    g_hash_table_insert(registry, shared->database, shared);
  g_mutex_unlock(&registry_lock);
  g_free(text);
  return shared;
}

void
mt_shared_unref(MtShared *shared)
{
  if (!shared)
    return;
  g_mutex_lock(&registry_lock);
  if (--shared->refs == 0)
    {
      g_hash_table_remove(registry, shared->database);
      free_shared(shared);
    }
  g_mutex_unlock(&registry_lock);
}

void
mt_shared_lock(MtShared *shared)
{
  g_mutex_lock(&shared->lock);
}

void
mt_shared_unlock(MtShared *shared)
{
  g_mutex_unlock(&shared->lock);
}

MtEngine *
mt_shared_engine(MtShared *shared)
{
  return shared->engine;
}

guint
mt_shared_failures(const MtShared *shared)
{
  return shared->failures;
}

gboolean
mt_shared_commit(MtShared *shared, GError **error)
{
  gint64 before = mt_engine_alert_id(shared->engine);
  gboolean ok = mt_engine_commit(shared->engine, g_get_real_time(), error);

  if (!ok)
    shared->failures++;
  else if (mt_engine_alert_id(shared->engine) != before)
    mt_shared_wake();
  return ok;
}

GArray *
mt_shared_waiting(const gchar *name, gint64 length)
{
  gint64 known = 0;
  GArray *streams;

  g_mutex_lock(&registry_lock);
  if (!waiting)
    waiting = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  streams = g_hash_table_lookup(waiting, name);
  if (!streams)
    {
      streams = g_array_new(FALSE, FALSE, sizeof(gint64));
      g_hash_table_insert(waiting, g_strdup(name), streams);
    }
  g_mutex_unlock(&registry_lock);
  for (guint i = 0; i < streams->len; i++)
    known += g_array_index(streams, gint64, i);
  if (length < known) /* not the queue that we know */
    {
      g_array_set_size(streams, 0);
      known = 0;
    }
  length -= known;
  if (length > 0)
    g_array_append_val(streams, length);
  return streams;
}

MtSources *
mt_shared_sources(const gchar *name)
{
  MtSources *found;

  g_mutex_lock(&registry_lock);
  if (!sources)
    sources = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  found = g_hash_table_lookup(sources, name);
  if (!found)
    {
      found = mt_sources_new();
      g_hash_table_insert(sources, g_strdup(name), found);
    }
  g_mutex_unlock(&registry_lock);
  return found;
}

/* ---- for sources ------------------------------------------------------------------------ */

void
mt_shared_want_mail(const gchar *database)
{
  MtShared *shared;

  g_mutex_lock(&registry_lock);
  if (!mail_wanted)
    mail_wanted = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  g_hash_table_add(mail_wanted, g_strdup(database));
  shared = registry ? g_hash_table_lookup(registry, database) : NULL;
  if (shared && shared->engine)
    mt_engine_emit_mail(shared->engine);
  g_mutex_unlock(&registry_lock);
}

void
mt_shared_wake(void)
{
  g_mutex_lock(&registry_lock);
  wakes++;
  g_cond_broadcast(&registry_changed);
  g_mutex_unlock(&registry_lock);
}

void
mt_shared_wait(const gchar *database, gint64 id, gint64 timeout_us)
{
  gint64 deadline = g_get_monotonic_time() + timeout_us, before;
  const MtShared *shared;

  g_mutex_lock(&registry_lock);
  shared = registry ? g_hash_table_lookup(registry, database) : NULL;
  before = wakes;
  if (!shared || !shared->engine || mt_engine_alert_id(shared->engine) <= id)
    while (wakes == before && g_cond_wait_until(&registry_changed, &registry_lock, deadline))
      continue;
  g_mutex_unlock(&registry_lock);
}

gboolean
mt_shared_emitted(const gchar *database, gint64 id)
{
  MtShared *shared;

  g_mutex_lock(&registry_lock);
  shared = registry ? g_hash_table_lookup(registry, database) : NULL;
  if (shared && shared->engine)
    mt_engine_emitted(shared->engine, id);
  g_mutex_unlock(&registry_lock);
  return shared != NULL;
}
