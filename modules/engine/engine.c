#include "engine/engine.h"
#include "dialects/dialect.h"
#include "engine/raw.h"
#include "store/store.h"
#include "watch/watch.h"

#include <sys/stat.h>

/* The same trouble is told once in this time. */
#define LOG_AGAIN_US MT_MINUTE_US

/* How often files that may have changed are looked at, and raw lines are written. */
#define LOOK_US MT_SECOND_US

/* More lines than these between two looks: what can wait waits, raw lines this long. */
#define LOADED_LINES 20000
#define LOADED_RAW_US (5 * MT_SECOND_US)

/* While another holds the store, how long is waited before looking again. */
#define BUSY_US (10 * MT_SECOND_US)

/* Rolling looks for something to do this often; while there is, at every tick. */
#define RETAIN_US MT_MINUTE_US

struct MtEngine
{
  const MtSettings *settings;
  MtStoreSettings store_settings;
  MtTrailSettings trail_settings;
  MtTrailBacking trail_backing;
  MtWatchBacking watch_backing;
  MtParser parser;
  MtStore *store;
  MtTrail *trail;
  MtWatch *watch;
  MtPolicy *policy;
  MtGeo *geo;
  MtRawRing *raw;
  MtEngineLog log;
  gpointer user;
  MtEngineCounters counters, kept; /* kept: as of the last time they went into the store */
  guint generation;                /* of the store that trail and watch were made for */
  gboolean begun;                  /* lines have been pushed since the last commit */
  MtStoreWork work;                /* what is being stored; its batch is NULL: nothing */
  guint flags;
  gboolean retaining; /* rolling has more to do */
  MtTime looked_at, retained_at, raw_at;
  guint64 lines_before; /* counters.lines at the last look */
  struct timespec policy_changed;
  GHashTable *told; /* message -> when it was told (GINT_TO_POINTER seconds) */
  MtTime now;
  gint64 alert_id;   /* atomic: read by other threads */
  gint64 emitted_id; /* atomic: written by other threads */
  gint64 marked_id;
  gint emit_mail; /* atomic: set by other threads */
};

#define X(name) { #name, G_STRUCT_OFFSET(MtEngineCounters, name) },
const MtCounterName mt_engine_counter_names[] = { MT_ENGINE_COUNTERS(X){ NULL, 0 } };
#undef X

/* ---- telling ------------------------------------------------------------------------------ */

static void
tell(MtEngine *engine, MtLogLevel level, const gchar *message)
{
  gint64 before = GPOINTER_TO_INT(g_hash_table_lookup(engine->told, message));
  gint64 now = engine->now / MT_SECOND_US;

  if (before && now - before < LOG_AGAIN_US / MT_SECOND_US)
    return;
  if (g_hash_table_size(engine->told) > 100)
    g_hash_table_remove_all(engine->told);
  g_hash_table_insert(engine->told, g_strdup(message), GINT_TO_POINTER((gint) now));
  engine->log(engine->user, level, message);
}

static void
tell_notice(MtEngine *engine)
{
  gchar *notice = engine->store ? mt_store_take_notice(engine->store) : NULL;

  if (notice)
    tell(engine, MT_LOG_ERROR, notice);
  g_free(notice);
}

static void
tell_error(MtEngine *engine, GError **error)
{
  tell(engine, MT_LOG_ERROR, (*error)->message);
  g_clear_error(error);
}

/* ---- opening -------------------------------------------------------------------------------- */

static void
fill_settings(MtEngine *engine)
{
  const MtSettings *from = engine->settings;

  engine->store_settings = (MtStoreSettings){ .path = from->database,
                                              .mode = from->perm,
                                              .uid = from->uid,
                                              .gid = from->gid,
                                              .retention_days = from->retention_days,
                                              .max_size_bytes = from->max_size_bytes,
                                              .raw_lines = from->raw_lines,
                                              .bulk = (engine->flags & MT_ENGINE_BULK) != 0 };
  engine->trail_settings =
      (MtTrailSettings){ .local_networks = from->local_networks,
                         .local_domains = (const gchar *const *) from->local_domains,
                         .learn_domains = from->local_domains == NULL,
                         .store_subject = from->store_subject,
                         .store_unknown_accounts = from->store_unknown_accounts,
                         .ignore_mail = (const gchar *const *) from->ignore_mail,
                         .ignore_access = (const gchar *const *) from->ignore_access,
                         .max_messages = engine->flags & MT_ENGINE_BULK ? MT_TRAIL_MAX_MESSAGES_BULK
                                                                        : MT_TRAIL_MAX_MESSAGES };
}

static const struct
{
  gsize of_engine, of_trail;
} trail_counters[] = {
#define X(name) \
  { \
    G_STRUCT_OFFSET(MtEngineCounters, name), G_STRUCT_OFFSET(MtTrailCounters, name) \
  }
  X(orphaned), X(dropped), X(evicted), X(late)
#undef X
};

static guint64 *
counter_at(gpointer counters, gsize offset)
{
  return (guint64 *) (gpointer) ((gchar *) counters + offset);
}

/* What is in memory is of one store and hashed with its key. */
static void
make_memory(MtEngine *engine)
{
  const MtHashKey *key = mt_store_key(engine->store);

  for (guint i = 0; engine->trail && i < G_N_ELEMENTS(trail_counters); i++)
    *counter_at(&engine->counters, trail_counters[i].of_engine) +=
        *counter_at((gpointer) mt_trail_counters(engine->trail), trail_counters[i].of_trail);
  mt_trail_free(engine->trail);
  mt_watch_free(engine->watch);
  engine->trail = mt_trail_new(&engine->trail_settings, &engine->trail_backing, key);
  engine->watch = mt_watch_new(&engine->watch_backing, key, engine->settings->exclude_ips);
  if (engine->policy)
    mt_watch_set_policy(engine->watch, engine->policy);
  engine->generation = mt_store_generation(engine->store);
}

static gboolean
read_policy(MtEngine *engine, GError **error)
{
  const gchar *path = engine->settings->policy_file;
  struct stat now = { 0 };
  MtPolicy *policy;

  if (!path)
    return TRUE;
  stat(path, &now);
  engine->policy_changed = now.st_mtim;
  policy = mt_policy_read(path, error);
  if (!policy)
    return FALSE;
  mt_watch_set_policy(engine->watch, policy);
  g_clear_pointer(&engine->policy, mt_policy_unref);
  engine->policy = policy;
  return TRUE;
}

static void
tell_geo(gpointer user, const GError *error)
{
  tell(user, MT_LOG_ERROR, error->message);
}

/* Where a database is wanted that is not there, what does not work without it. */
static void
tell_rules_off(MtEngine *engine)
{
  const MtSettings *settings = engine->settings;
  guint has = mt_geo_has(engine->geo), wanted = 0;
  gchar *off, *message;

  wanted |= settings->geoip_database ? MT_GEO_HAS_COUNTRY : 0;
  wanted |= settings->anonymous_ip_database ? MT_GEO_HAS_ANONYMOUS : 0;
  off = wanted & ~has ? mt_watch_rules_off(engine->watch, ~wanted | has) : NULL;
  if (!off)
    return;
  message =
      g_strdup_printf("a database is missing; these rules are off until it is there: %s", off);
  tell(engine, MT_LOG_WARNING, message);
  g_free(message);
  g_free(off);
}

static gboolean
open_parts(MtEngine *engine, MtTime now, GError **error)
{
  const MtSettings *settings = engine->settings;
  gchar *remembered;

  engine->geo = mt_geo_new(settings->geoip_database, settings->asn_database,
                           settings->anonymous_ip_database, tell_geo, engine);
  engine->store = mt_store_open(&engine->store_settings, now, error);
  if (!engine->store)
    return FALSE;
  tell_notice(engine);
  engine->trail_backing = mt_store_backing(engine->store);
  engine->watch_backing = mt_store_watch_backing(engine->store);
  make_memory(engine);
  if (!read_policy(engine, error))
    return FALSE;
  tell_rules_off(engine);
  remembered = mt_settings_to_text(settings);
  if (engine->flags & MT_ENGINE_REMEMBER
      && !mt_store_set_meta(engine->store, "settings", remembered, error))
    {
      g_free(remembered);
      return FALSE;
    }
  g_free(remembered);
  __atomic_store_n(&engine->alert_id, mt_store_last_alert(engine->store), __ATOMIC_RELEASE);
  return TRUE;
}

MtEngine *
mt_engine_open(const MtSettings *settings, guint flags, MtTime now, MtEngineLog log, gpointer user,
               GError **error)
{
  MtEngine *engine = g_new0(MtEngine, 1);

  engine->settings = settings;
  engine->log = log;
  engine->user = user;
  engine->now = now;
  engine->flags = flags;
  engine->told = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  engine->raw = mt_raw_new(settings->raw_lines);
  mt_parser_init(&engine->parser, NULL);
  fill_settings(engine);
  if (!open_parts(engine, now, error))
    {
      mt_engine_close(engine);
      return NULL;
    }
  return engine;
}

gboolean
mt_engine_error_may_pass(const GError *error)
{
  return g_error_matches(error, MT_STORE_ERROR, MT_STORE_ERROR_BUSY)
         || g_error_matches(error, MT_STORE_ERROR, MT_STORE_ERROR_FULL)
         || g_error_matches(error, MT_STORE_ERROR, MT_STORE_ERROR_IO);
}

gboolean
mt_engine_read_by(MtEngine *engine, const gchar *dialect, GError **error)
{
  const MtDialect *only = mt_dialect_by_name(dialect);

  if (only)
    mt_parser_init(&engine->parser, only);
  else
    g_set_error(error, MT_SETTINGS_ERROR, 0, "there is no dialect \"%s\"", dialect);
  return only != NULL;
}

/* Whoever writes for long is waited for by the lines: not by this, which can be done later. */
static void
put_off(MtEngine *engine, GError **error)
{
  if (g_error_matches(*error, MT_STORE_ERROR, MT_STORE_ERROR_BUSY))
    {
      engine->looked_at = engine->retained_at = engine->now + BUSY_US;
      g_clear_error(error);
    }
  else
    tell_error(engine, error);
}

/* Those that cannot be written now wait for the next look. */
static void
put_raw_lines(MtEngine *engine)
{
  GArray *lines = mt_raw_waiting(engine->raw);
  GError *error = NULL;

  if (mt_store_put_lines(engine->store, lines, &error))
    mt_raw_written(engine->raw);
  else
    put_off(engine, &error);
  g_array_free(lines, TRUE);
}

/* Counters outlive the process; a crash loses those of the last second. */
static void
keep_counts(MtEngine *engine)
{
  MtStoreCount counts[32];
  MtEngineCounters now;
  GError *error = NULL;
  guint n = 0;

  mt_engine_counters(engine, &now);
  for (guint i = 0; mt_engine_counter_names[i].name && n < G_N_ELEMENTS(counts); i++)
    {
      gsize offset = mt_engine_counter_names[i].offset;
      guint64 more = *counter_at(&now, offset) - *counter_at(&engine->kept, offset);

      if (more)
        counts[n++] = (MtStoreCount){ mt_engine_counter_names[i].name, more };
    }
  if (n == 0)
    return;
  if (mt_store_add_counts(engine->store, counts, n, &error))
    engine->kept = now;
  else
    put_off(engine, &error);
}

void
mt_engine_close(MtEngine *engine)
{
  GError *error = NULL;

  if (!engine)
    return;
  if (engine->begun)
    mt_engine_rollback(engine);
  if (!mt_engine_land(engine, &error))
    tell_error(engine, &error);
  if (engine->trail)
    {
      put_raw_lines(engine);
      keep_counts(engine);
    }
  mt_trail_free(engine->trail);
  mt_watch_free(engine->watch);
  g_clear_pointer(&engine->policy, mt_policy_unref);
  mt_store_close(engine->store);
  mt_geo_free(engine->geo);
  mt_raw_free(engine->raw);
  g_hash_table_destroy(engine->told);
  g_free(engine);
}

/* ---- what the disk knows -------------------------------------------------------------------- */

static void
recall_domain(gpointer engine, MtSpan domain)
{
  mt_trail_learn_domain(((MtEngine *) engine)->trail, domain);
}

static void
recall_account(gpointer engine, MtSpan account)
{
  mt_trail_learn_account(((MtEngine *) engine)->trail, account);
}

static void
recall_alert(gpointer engine, const MtAlert *alert)
{
  mt_watch_recall(((MtEngine *) engine)->watch, alert);
}

static void
recall_suppressed(gpointer engine, const MtSuppressed *suppressed)
{
  mt_watch_recall_suppressed(((MtEngine *) engine)->watch, suppressed);
}

static void
recall_failure(gpointer user, const MtFailureRow *row)
{
  MtEngine *engine = user;
  MtSighting sighting = { .kind = MT_SIGHTING_FAILURE, .at = row->at, .count = row->attempts };

  if (!row->ip.at || !mt_ip_parse(row->ip, &sighting.ip))
    return;
  sighting.has_ip = TRUE;
  sighting.account = sighting.shown = row->account;
  sighting.tag = row->tag;
  sighting.account_known = mt_trail_knows_account(engine->trail, row->account);
  sighting.session = row->session;
  sighting.reason = row->reason;
  sighting.place = mt_geo_look_up(engine->geo, &sighting.ip);
  mt_watch_push(engine->watch, &sighting, TRUE);
}

/* Memory is a cache of the store: emptied at the start, when a commit failed, and when
 * another has written. */
static void
recall(MtEngine *engine)
{
  MtTrailStart start;
  gint64 window_us = mt_watch_longest_window_s(engine->watch) * MT_SECOND_US;

  mt_store_start(engine->store, &start);
  mt_trail_reset(engine->trail, &start);
  mt_store_local_domains(engine->store, recall_domain, engine);
  mt_store_accounts(engine->store, recall_account, engine);
  mt_watch_reset(engine->watch);
  if (start.horizon == MT_NO_TIME)
    return;
  mt_store_alerts_since(engine->store, start.horizon - MT_DAY_US, recall_alert, engine);
  mt_store_suppressed(engine->store, recall_suppressed, engine);
  engine->trail_backing.failures_since(engine->trail_backing.self, start.horizon - window_us,
                                       recall_failure, engine);
}

/* ---- a line --------------------------------------------------------------------------------- */

static gboolean
begin(MtEngine *engine, GError **error)
{
  gboolean others_wrote;

  if (engine->begun)
    return TRUE;
  if (!mt_store_begin(engine->store, &others_wrote, error))
    {
      tell_notice(engine);
      return FALSE;
    }
  tell_notice(engine);
  engine->begun = TRUE;
  if (engine->work.batch)
    mt_raw_chain(engine->raw);
  else
    mt_raw_mark(engine->raw);
  if (engine->generation != mt_store_generation(engine->store))
    make_memory(engine);
  if (others_wrote)
    recall(engine);
  return TRUE;
}

static gboolean
is_trusted(const MtEngine *engine, gint64 uid)
{
  const GArray *trusted = engine->settings->trusted_uids;

  if (!trusted || uid < 0)
    return TRUE;
  for (guint i = 0; i < trusted->len; i++)
    if (g_array_index(trusted, gint64, i) == uid)
      return TRUE;
  return FALSE;
}

static void
place_client(MtEngine *engine, const MtFact *fact, const MtPlace *place)
{
  MtClientPlace client = { .asn = place->asn };

  memcpy(client.country, place->country, sizeof client.country);
  if (place->country_name[0])
    client.country_name = mt_span_of_string(place->country_name);
  if (place->city[0])
    client.city = mt_span_of_string(place->city);
  mt_trail_set_place(engine->trail, fact, &client);
}

static MtSightingKind
sighting_of(MtFactKind kind)
{
  switch (kind)
    {
    case MT_FACT_LOGIN:
      return MT_SIGHTING_LOGIN;
    case MT_FACT_SENT:
      return MT_SIGHTING_SENT;
    case MT_FACT_UNKNOWN:
      return MT_SIGHTING_UNKNOWN;
    case MT_FACT_BLOCKLISTED:
      return MT_SIGHTING_BLOCKLISTED;
    default:
      return MT_SIGHTING_FAILURE;
    }
}

/* A list that we are on is no account's doing, and the address that sent no matter. */
static gboolean
is_of_account(const MtFact *fact)
{
  return fact->kind != MT_FACT_BLOCKLISTED;
}

static void
watch_fact(MtEngine *engine, const MtFact *fact)
{
  static const MtIp nowhere;
  MtSighting sighting = { .at = fact->at, .count = fact->count, .tag = MT_NO_TAG };
  gchar masked[MT_MASKED_BYTES];

  sighting.kind = sighting_of(fact->kind);
  if (is_of_account(fact))
    {
      sighting.has_ip = fact->has_ip;
      sighting.ip = fact->ip;
      sighting.account = sighting.shown = fact->account;
      sighting.account_known = mt_trail_knows_account(engine->trail, fact->account);
    }
  if (fact->kind == MT_FACT_FAILURE)
    sighting.shown = mt_trail_shown_account(engine->trail, fact->account, masked);
  sighting.session = fact->session;
  sighting.reason = fact->reason;
  sighting.relay = fact->relay;
  sighting.place = mt_geo_look_up(engine->geo, sighting.has_ip ? &sighting.ip : &nowhere);
  mt_watch_push(engine->watch, &sighting, FALSE);
  if (sighting.has_ip)
    place_client(engine, fact, sighting.place);
}

static void
fold_event(MtEngine *engine, const MtLine *line, const MtEvent *event)
{
  MtFact fact;

  mt_trail_push(engine->trail, line, event, &fact);
  if (fact.kind != MT_FACT_NONE)
    watch_fact(engine, &fact);
  while (mt_trail_next_fact(engine->trail, &fact))
    watch_fact(engine, &fact);
}

static void
fold(MtEngine *engine, const MtLine *line, const MtEvent *first)
{
  for (guint i = 0; i < MAX(line->repeat, 1); i++)
    {
      fold_event(engine, line, first);
      for (guint part = 1; part < first->parts; part++)
        {
          MtEvent event;

          mt_parser_parse_part(&engine->parser, line, part, &event);
          fold_event(engine, line, &event);
        }
    }
}

gboolean
mt_engine_push(MtEngine *engine, const MtLine *line, gint64 uid, GError **error)
{
  MtEvent event;

  engine->counters.lines++;
  mt_parser_parse(&engine->parser, line, &event);
  if (event.kind == MT_EVENT_OTHER)
    {
      engine->counters.skipped++;
      return TRUE;
    }
  if (!is_trusted(engine, uid))
    {
      engine->counters.untrusted++;
      return TRUE;
    }
  if (event.kind == MT_EVENT_UNKNOWN)
    engine->counters.unknown++;
  else
    engine->counters.parsed++;
  if (event.kind != MT_EVENT_UNKNOWN && line->time != MT_NO_TIME)
    {
      if (!begin(engine, error))
        return FALSE;
      if (!mt_guard_pass(mt_store_guard(engine->store), line))
        {
          engine->counters.held++;
          return TRUE;
        }
      fold(engine, line, &event);
    }
  mt_raw_add(engine->raw, line, &event);
  return TRUE;
}

static void
locate(gpointer user, const MtIp *ip, MtCountry country)
{
  memcpy(country, mt_geo_look_up(((MtEngine *) user)->geo, ip)->country, sizeof(MtCountry));
}

/* It was stored, or was not. */
static void
end_work(MtEngine *engine, gboolean ok)
{
  MtStoreWork *work = &engine->work;
  guint alerts = work->watch->alerts->len;

  if (ok)
    {
      engine->counters.commits++;
      engine->counters.alerts += alerts;
      mt_raw_landed(engine->raw);
    }
  else
    {
      engine->counters.failures++;
      mt_raw_forget(engine->raw);
      engine->begun = FALSE;
    }
  tell_notice(engine);
  if (ok && alerts)
    __atomic_store_n(&engine->alert_id, mt_store_last_alert(engine->store), __ATOMIC_RELEASE);
  mt_watch_work_free(work->watch);
  mt_trail_recycle(engine->trail, work->batch);
  *work = (MtStoreWork){ 0 };
}

gboolean
mt_engine_land(MtEngine *engine, GError **error)
{
  gboolean ok;

  if (!engine->work.batch)
    return TRUE;
  ok = mt_store_wait(engine->store, error);
  if (!ok && engine->begun)
    mt_store_rollback(engine->store);
  end_work(engine, ok);
  return ok;
}

static gboolean
store_work(MtEngine *engine, MtTime now, gboolean fly, GError **error)
{
  MtStoreWork *work = &engine->work;
  gboolean ok;

  g_return_val_if_fail(!work->batch, FALSE);
  engine->now = now;
  if (!engine->begun)
    return TRUE;
  mt_store_set_now(engine->store, now);
  *work =
      (MtStoreWork){ mt_trail_flush(engine->trail, locate, engine), mt_watch_take(engine->watch),
                     (engine->flags & MT_ENGINE_EMIT) != 0, g_atomic_int_get(&engine->emit_mail) };
  ok = (fly ? mt_store_submit : mt_store_commit)(engine->store, work, error);
  engine->begun = FALSE;
  if (ok)
    (fly ? mt_trail_submitted : mt_trail_committed)(engine->trail);
  return ok;
}

gboolean
mt_engine_submit(MtEngine *engine, MtTime now, GError **error)
{
  gboolean ok = store_work(engine, now, TRUE, error);

  if (!ok && engine->work.batch)
    end_work(engine, FALSE);
  return ok;
}

gboolean
mt_engine_commit(MtEngine *engine, MtTime now, GError **error)
{
  gboolean ok = store_work(engine, now, FALSE, error);

  if (engine->work.batch)
    end_work(engine, ok);
  return ok;
}

gboolean
mt_engine_new_stream(MtEngine *engine, GError **error)
{
  g_return_val_if_fail(!engine->begun, FALSE);
  if (!mt_engine_land(engine, error))
    return FALSE;
  if (mt_guard_restart(mt_store_guard(engine->store)))
    return TRUE;
  g_set_error(error, MT_STORE_ERROR, MT_STORE_ERROR_OPEN, "%s: cannot be read",
              engine->settings->database);
  return FALSE;
}

void
mt_engine_rollback(MtEngine *engine)
{
  if (!engine->begun)
    return;
  mt_store_rollback(engine->store);
  mt_raw_forget_open(engine->raw);
  engine->begun = FALSE;
}

/* ---- once, for a command ----------------------------------------------------------- */

gboolean
mt_engine_finish(MtEngine *engine, GError **error)
{
  gboolean more = TRUE;

  while (more)
    if (!mt_store_build_indexes(engine->store, &more, error))
      return FALSE;
  return TRUE;
}

gboolean
mt_engine_retain(MtEngine *engine, MtTime now, gboolean *more, GError **error)
{
  return mt_store_retain(engine->store, now, more, error);
}

gboolean
mt_engine_forget(MtEngine *engine, const gchar *address, guint64 *found, GError **error)
{
  gboolean ok = mt_store_forget(engine->store, address, found, error)
                && mt_store_wipe(engine->store, address, error);

  tell_notice(engine);
  return ok;
}

/* ---- besides lines ----------------------------------------------------------------- */

static void
look_at_policy(MtEngine *engine)
{
  const gchar *path = engine->settings->policy_file;
  struct stat now;
  GError *error = NULL;

  if (!path || stat(path, &now) != 0
      || (now.st_mtim.tv_sec == engine->policy_changed.tv_sec
          && now.st_mtim.tv_nsec == engine->policy_changed.tv_nsec))
    return;
  if (read_policy(engine, &error))
    tell(engine, MT_LOG_INFO, "the policy file has been read again");
  else
    {
      gchar *message = g_strconcat(error->message, "; the policy before stays in force", NULL);

      tell(engine, MT_LOG_ERROR, message);
      g_free(message);
      g_clear_error(&error);
    }
}

static void
mark_emitted(MtEngine *engine, MtTime now)
{
  gint64 id = __atomic_load_n(&engine->emitted_id, __ATOMIC_ACQUIRE);
  GError *error = NULL;

  if (id <= engine->marked_id)
    return;
  if (mt_store_mark_emitted(engine->store, id, now, &error))
    engine->marked_id = id;
  else
    put_off(engine, &error);
}

static gboolean
is_time(MtTime now, MtTime last, gint64 every_us)
{
  return now - last >= every_us || now < last - BUSY_US; /* the clock was set back */
}

static void
look(MtEngine *engine, MtTime now)
{
  gboolean loaded = engine->counters.lines - engine->lines_before > LOADED_LINES;

  engine->lines_before = engine->counters.lines;
  look_at_policy(engine);
  if (mt_geo_refresh(engine->geo, tell_geo, engine))
    tell_rules_off(engine);
  if (!loaded)
    mt_store_fold(engine->store);
  if (!loaded || is_time(now, engine->raw_at, LOADED_RAW_US))
    {
      engine->raw_at = now;
      put_raw_lines(engine);
    }
  mark_emitted(engine, now);
  keep_counts(engine);
  tell_notice(engine);
}

static void
tick(MtEngine *engine, MtTime now)
{
  GError *error = NULL;

  if (is_time(now, engine->looked_at, LOOK_US))
    {
      engine->looked_at = now;
      look(engine, now);
    }
  if (!engine->retaining && !is_time(now, engine->retained_at, RETAIN_US))
    return;
  engine->retained_at = now;
  if (!mt_store_retain(engine->store, now, &engine->retaining, &error))
    {
      engine->retaining = FALSE;
      put_off(engine, &error);
    }
}

gboolean
mt_engine_tick(MtEngine *engine, MtTime now)
{
  engine->now = now;
  if (engine->begun || engine->work.batch)
    return FALSE;
  mt_store_set_now(engine->store, now);
  mt_store_hurry(engine->store, TRUE);
  tick(engine, now);
  mt_store_hurry(engine->store, FALSE);
  return engine->retaining;
}

void
mt_engine_counters(const MtEngine *engine, MtEngineCounters *counters)
{
  const MtStoreCounters *store = mt_store_counters(engine->store);

  *counters = engine->counters;
  for (guint i = 0; i < G_N_ELEMENTS(trail_counters); i++)
    *counter_at(counters, trail_counters[i].of_engine) +=
        *counter_at((gpointer) mt_trail_counters(engine->trail), trail_counters[i].of_trail);
#define X(name) counters->name = store->name;
  MT_STORE_COUNTERS(X)
#undef X
}

gint64
mt_engine_alert_id(MtEngine *engine)
{
  return __atomic_load_n(&engine->alert_id, __ATOMIC_ACQUIRE);
}

void
mt_engine_emitted(MtEngine *engine, gint64 id)
{
  __atomic_store_n(&engine->emitted_id, id, __ATOMIC_RELEASE);
}

void
mt_engine_emit_mail(MtEngine *engine)
{
  g_atomic_int_set(&engine->emit_mail, TRUE);
}
