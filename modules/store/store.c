#include "store/private.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

/* Longest wait for another writer's batch. */
#define TURN_TIMEOUT_MS 5000

/* Pages of the cache: 16 MiB, what one day's indexes need at 300,000 messages a day. */
#define CACHE_KIB 16384

/* The WAL is folded back into the file when it passes this many pages (16 MiB). */
#define CHECKPOINT_PAGES 4000

/* Free pages given back to the file system in one step of retention. */
#define VACUUM_PAGES 2000

/* Days that one segment holds where records are kept for long, or for ever. */
#define SEGMENTS_WANTED 55
#define SPAN_FOREVER_DAYS 30

/* Stamps more than this off the wall clock are a clock's mistake. */
#define FUTURE_DAYS 2
#define PAST_DAYS 7300

/* ---- opening --------------------------------------------------------------------------- */

static gboolean
make_file(const MtStoreSettings *settings, const gchar *path, GError **error)
{
  guint mode = settings->mode ? settings->mode : 0640;
  gint fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);

  if (fd < 0 && errno == EEXIST)
    return TRUE;
  if (fd < 0)
    {
      g_set_error(error, MT_STORE_ERROR, MT_STORE_ERROR_OPEN,
                  "%s: cannot be made: %s; its directory must exist and be writable", path,
                  g_strerror(errno));
      return FALSE;
    }
  if (fchmod(fd, mode) != 0 || (geteuid() == 0 && fchown(fd, settings->uid, settings->gid) != 0))
    {
      g_set_error(error, MT_STORE_ERROR, MT_STORE_ERROR_OPEN, "%s: owner and mode cannot be set: %s",
                  path, g_strerror(errno));
      close(fd);
      g_unlink(path);
      return FALSE;
    }
  close(fd);
  return TRUE;
}

static gboolean
open_database(MtStore *store, GError **error)
{
  gint on = 1;

  if (sqlite3_open_v2(store->path, &store->db,
                      SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_NOFOLLOW, NULL)
      != SQLITE_OK)
    return mt_sql_fail(store->db, store->path, "opening the store", error);
  sqlite3_extended_result_codes(store->db, 1);
  sqlite3_busy_timeout(store->db, TURN_TIMEOUT_MS);
  /* auto_vacuum goes before the first table and before WAL, or it is ignored. */
  if (!mt_sql_exec(store->db, "PRAGMA auto_vacuum=INCREMENTAL; PRAGMA journal_mode=WAL;"
                              "PRAGMA synchronous=NORMAL; PRAGMA secure_delete=FAST;"
                              "PRAGMA temp_store=MEMORY; PRAGMA trusted_schema=OFF")
      || !mt_sql_execf(store->db, "PRAGMA cache_size=-%d; PRAGMA wal_autocheckpoint=%d", CACHE_KIB,
                       CHECKPOINT_PAGES))
    return mt_sql_fail(store->db, store->path, "opening the store", error);
  /* Readers of the group may not be able to make -wal and -shm: they stay. */
  sqlite3_file_control(store->db, "main", SQLITE_FCNTL_PERSIST_WAL, &on);
  return TRUE;
}

static gboolean
check_schema(MtStore *store, gboolean *empty, GError **error)
{
  gint64 version = mt_sql_integer(store->db, "PRAGMA user_version", -1);
  gint64 id = mt_sql_integer(store->db, "PRAGMA application_id", -1);
  gint64 tables = mt_sql_integer(store->db, "SELECT count(*) FROM sqlite_schema", -1);

  if (version < 0 || id < 0 || tables < 0)
    return mt_sql_fail(store->db, store->path, "reading the schema", error);
  *empty = version == 0 && id == 0 && tables == 0;
  if (*empty)
    return TRUE;
  if (id != MT_SCHEMA_APPLICATION_ID)
    {
      g_set_error(error, MT_STORE_ERROR, MT_STORE_ERROR_OPEN,
                  "%s: is a SQLite file of another program; name another file", store->path);
      return FALSE;
    }
  if (version > MT_SCHEMA_VERSION)
    {
      g_set_error(error, MT_STORE_ERROR, MT_STORE_ERROR_NEWER,
                  "%s: has schema %d, this program knows up to %d; use the newer mailtrail",
                  store->path, (gint) version, MT_SCHEMA_VERSION);
      return FALSE;
    }
  return TRUE;
}

/* The key of all hashes that are kept; nobody outside knows it. */
static gboolean
make_key(MtStore *store)
{
  sqlite3_stmt *stmt;
  gboolean ok;

  if (getrandom(store->key.k, sizeof store->key.k, 0) != sizeof store->key.k
      || sqlite3_prepare_v2(store->db, "INSERT INTO meta VALUES('key', ?1)", -1, &stmt, NULL)
           != SQLITE_OK)
    return FALSE;
  sqlite3_bind_blob(stmt, 1, store->key.k, sizeof store->key.k, SQLITE_STATIC);
  ok = mt_sql_run(stmt);
  sqlite3_finalize(stmt);
  return ok;
}

static gboolean
read_key(MtStore *store)
{
  sqlite3_stmt *stmt;
  gboolean ok;

  if (sqlite3_prepare_v2(store->db, "SELECT value FROM meta WHERE name='key'", -1, &stmt, NULL)
      != SQLITE_OK)
    return FALSE;
  ok = sqlite3_step(stmt) == SQLITE_ROW && sqlite3_column_bytes(stmt, 0) == sizeof store->key.k;
  if (ok)
    memcpy(store->key.k, sqlite3_column_blob(stmt, 0), sizeof store->key.k);
  sqlite3_finalize(stmt);
  return ok;
}

/* A first segment, so that every view is there from the start. */
static gboolean
create(MtStore *store)
{
  mt_segments_init(&store->segments, store->db, &store->key);
  return mt_sql_exec(store->db, "BEGIN IMMEDIATE")
         && (mt_sql_integer(store->db, "PRAGMA user_version", -1) > 0
             || (mt_schema_create(store->db) && make_key(store)
                 && mt_segments_for_day(&store->segments, store->today)))
         && mt_sql_exec(store->db, "COMMIT");
}

static gint32
span_of(const MtStoreSettings *settings)
{
  if (settings->retention_days == 0)
    return SPAN_FOREVER_DAYS;
  return settings->retention_days / SEGMENTS_WANTED + 1;
}

static gboolean
open_all(MtStore *store, GError **error)
{
  gboolean empty;

  if (!open_database(store, error) || !check_schema(store, &empty, error))
    return FALSE;
  store->segments.span_days = span_of(store->settings);
  if (empty)
    {
      if (!create(store))
        {
          mt_sql_fail(store->db, store->path, "making the store", error);
          mt_sql_exec(store->db, "ROLLBACK");
          return FALSE;
        }
      mt_segments_clear(&store->segments);
    }
  if (!read_key(store))
    return mt_sql_fail(store->db, store->path, "reading the store's key", error);
  mt_segments_init(&store->segments, store->db, &store->key);
  store->guard = mt_guard_new(store->db, &store->key);
  return TRUE;
}

static void
close_all(MtStore *store)
{
  for (gint i = 0; i < MT_ONCE_COUNT; i++)
    g_clear_pointer(&store->once[i], sqlite3_finalize);
  mt_segments_clear(&store->segments);
  g_clear_pointer(&store->guard, mt_guard_free);
  if (store->db)
    sqlite3_close(store->db);
  store->db = NULL;
}

/* A damaged store is kept for who can mend it; mail goes on into a new one. */
static gchar *
set_aside(const gchar *path, MtTime now)
{
  static const gchar *const companions[] = { "", "-wal", "-shm" };
  gchar stamp[MT_TIME_TEXT_BYTES];
  gchar *aside;

  mt_time_format(now, stamp);
  aside = g_strdup_printf("%s.damaged-%.19s", path, stamp);
  for (guint i = 0; i < G_N_ELEMENTS(companions); i++)
    {
      gchar *from = g_strconcat(path, companions[i], NULL);
      gchar *to = g_strconcat(aside, companions[i], NULL);

      g_rename(from, to);
      g_free(from);
      g_free(to);
    }
  return aside;
}

static gboolean
open_or_set_aside(MtStore *store, MtTime now, gchar **warning, GError **error)
{
  GError *first = NULL;
  gchar *aside;

  if (!make_file(store->settings, store->path, error))
    return FALSE;
  if (open_all(store, &first))
    return TRUE;
  if (!g_error_matches(first, MT_STORE_ERROR, MT_STORE_ERROR_CORRUPT))
    {
      g_propagate_error(error, first);
      return FALSE;
    }
  close_all(store);
  aside = set_aside(store->path, now);
  *warning = g_strdup_printf("%s; it is kept as %s, a new store is begun", first->message, aside);
  g_free(aside);
  g_clear_error(&first);
  return make_file(store->settings, store->path, error) && open_all(store, error);
}

void
mt_store_set_now(MtStore *store, MtTime now)
{
  store->today = mt_time_day(now);
  store->segments.first_possible_day = store->today - PAST_DAYS;
  store->segments.last_possible_day = store->today + FUTURE_DAYS;
}

MtStore *
mt_store_open(const MtStoreSettings *settings, MtTime now, gchar **warning, GError **error)
{
  MtStore *store = g_new0(MtStore, 1);
  guint mode = settings->mode ? settings->mode : 0640;

  *warning = NULL;
  store->settings = settings;
  mt_store_set_now(store, now);
  store->path = g_strdup(settings->path);
  store->lease.fd = -1;
  if (!mt_lease_open(&store->lease, store->path, mode, settings->uid, settings->gid, error)
      || !open_or_set_aside(store, now, warning, error))
    {
      mt_store_close(store);
      return NULL;
    }
  return store;
}

void
mt_store_close(MtStore *store)
{
  if (!store)
    return;
  if (store->begun)
    mt_store_rollback(store);
  close_all(store);
  mt_lease_close(&store->lease);
  g_free(store->path);
  g_free(store);
}

/* ---- a transaction ----------------------------------------------------------------------- */

static gint64
counter(MtStore *store, const gchar *name, gint64 otherwise)
{
  gchar *sql = g_strdup_printf("SELECT value FROM counter WHERE name='%s'", name);
  gint64 value = mt_sql_integer(store->db, sql, otherwise);

  g_free(sql);
  return value;
}

static gboolean
read_state(MtStore *store)
{
  MtTrailIds *ids = &store->start.ids;

  ids->message = counter(store, "message", 1);
  ids->delivery = counter(store, "delivery", 1);
  ids->access = counter(store, "access", 1);
  ids->failure = counter(store, "failure", 1);
  ids->reject = counter(store, "reject", 1);
  ids->mailbox = counter(store, "mailbox", 1);
  ids->incident = counter(store, "incident", 1);
  ids->pending = counter(store, "pending", 1);
  store->alert_id = counter(store, "alert", 0);
  store->start.horizon = counter(store, "horizon", MT_NO_TIME);
  store->line_id = mt_sql_integer(store->db, "SELECT max(line) FROM line", 0);
  return mt_segments_load(&store->segments) && mt_guard_start(store->guard);
}

gboolean
mt_store_begin(MtStore *store, gboolean *others_wrote, GError **error)
{
  gint64 version;

  *others_wrote = FALSE;
  if (store->begun)
    return TRUE;
  if (!mt_lease_take(&store->lease, TURN_TIMEOUT_MS))
    {
      g_set_error(error, MT_STORE_ERROR, MT_STORE_ERROR_BUSY,
                  "%s: another program has been writing to it for %d s; it is tried again",
                  store->path, TURN_TIMEOUT_MS / 1000);
      return FALSE;
    }
  if (!mt_sql_exec(store->db, "BEGIN IMMEDIATE"))
    {
      mt_lease_give(&store->lease);
      return mt_sql_fail(store->db, store->path, "beginning a transaction", error);
    }
  store->begun = TRUE;
  version = mt_sql_integer(store->db, "PRAGMA data_version", 0);
  if (!store->started || version != store->data_version)
    {
      *others_wrote = TRUE;
      if (!read_state(store))
        {
          mt_sql_fail(store->db, store->path, "reading the store", error);
          mt_store_rollback(store);
          return FALSE;
        }
      store->started = TRUE;
      store->data_version = version;
    }
  return TRUE;
}

void
mt_store_rollback(MtStore *store)
{
  if (!store->begun)
    return;
  mt_sql_exec(store->db, "ROLLBACK");
  store->begun = FALSE;
  store->started = FALSE; /* what is cached of it may be of the lost transaction */
  if (store->guard)
    mt_guard_rolled_back(store->guard);
  mt_lease_give(&store->lease);
}

static void
advance_horizon(MtStore *store, const MtBatch *batch)
{
  MtTime horizon = store->start.horizon;

  for (guint i = 0; i < batch->messages->len; i++)
    horizon = MAX(horizon, g_array_index(batch->messages, MtMessageRow, i).last_at);
  for (guint i = 0; i < batch->accesses->len; i++)
    horizon = MAX(horizon, g_array_index(batch->accesses, MtAccessRow, i).last_at);
  for (guint i = 0; i < batch->failures->len; i++)
    horizon = MAX(horizon, g_array_index(batch->failures, MtFailureRow, i).at);
  store->start.horizon = horizon;
}

gboolean
mt_store_commit(MtStore *store, const MtStoreWork *work, GError **error)
{
  if (!store->begun)
    return TRUE;
  store->start.ids = work->batch->ids;
  advance_horizon(store, work->batch);
  if (!mt_writer_put_batch(store, work->batch)
      || (work->emit_mail && !mt_writer_put_mail_changes(store, work->batch->deliveries))
      || !mt_writer_put_alerts(store, work->alerts, work->emit_alerts)
      || !mt_writer_put_pairs(store, work->pairs) || !mt_guard_write(store->guard)
      || !mt_writer_put_counters(store) || !mt_sql_exec(store->db, "COMMIT"))
    {
      mt_sql_fail(store->db, store->path, "writing records", error);
      mt_store_rollback(store);
      return FALSE;
    }
  store->begun = FALSE;
  mt_guard_committed(store->guard);
  mt_lease_give(&store->lease);
  return TRUE;
}

void
mt_store_start(MtStore *store, MtTrailStart *start)
{
  *start = store->start;
}

const MtHashKey *
mt_store_key(const MtStore *store)
{
  return &store->key;
}

MtTrailBacking
mt_store_backing(MtStore *store)
{
  return mt_finder_backing(store);
}

MtGuard *
mt_store_guard(MtStore *store)
{
  return store->guard;
}

static void
each_text(MtStore *store, const gchar *sql, MtTextFound found, gpointer sink)
{
  sqlite3_stmt *stmt;

  if (sqlite3_prepare_v2(store->db, sql, -1, &stmt, NULL) != SQLITE_OK)
    return;
  while (sqlite3_step(stmt) == SQLITE_ROW)
    found(sink, mt_sql_column(stmt, 0));
  sqlite3_finalize(stmt);
}

void
mt_store_local_domains(MtStore *store, MtTextFound found, gpointer sink)
{
  each_text(store, "SELECT domain FROM local_domain", found, sink);
}

void
mt_store_accounts(MtStore *store, MtTextFound found, gpointer sink)
{
  each_text(store, "SELECT DISTINCT account FROM activity WHERE logins>0", found, sink);
}

MtTime
mt_store_pair_seen(gpointer self, guint64 key)
{
  sqlite3_stmt *stmt = mt_writer_once(self, MT_ONCE_GET_PAIR);
  MtTime at = MT_NO_TIME;

  if (!stmt)
    return at;
  sqlite3_bind_int64(stmt, 1, (gint64) key);
  if (sqlite3_step(stmt) == SQLITE_ROW)
    at = sqlite3_column_int64(stmt, 0);
  sqlite3_reset(stmt);
  return at;
}

static void
read_alert(sqlite3_stmt *stmt, MtAlert *alert)
{
  alert->at = sqlite3_column_int64(stmt, 0);
  alert->rule = (const gchar *) sqlite3_column_text(stmt, 1);
  alert->account = (gchar *) sqlite3_column_text(stmt, 2);
  alert->ip = (gchar *) sqlite3_column_text(stmt, 3);
  g_strlcpy(alert->country, sqlite3_column_text(stmt, 4) ? (const gchar *) sqlite3_column_text(stmt, 4) : "",
            sizeof alert->country);
  alert->asn = sqlite3_column_int64(stmt, 5);
}

void
mt_store_alerts_since(MtStore *store, MtTime since, MtAlertFound found, gpointer sink)
{
  sqlite3_stmt *stmt;

  if (sqlite3_prepare_v2(store->db,
                         "SELECT ts, rule, account, ip, country, asn FROM alert WHERE ts>=?1"
                         " ORDER BY ts",
                         -1, &stmt, NULL)
      != SQLITE_OK)
    return;
  sqlite3_bind_int64(stmt, 1, since);
  while (sqlite3_step(stmt) == SQLITE_ROW)
    {
      MtAlert alert = { 0 };

      read_alert(stmt, &alert);
      found(sink, &alert);
    }
  sqlite3_finalize(stmt);
}

/* ---- besides the batches ----------------------------------------------------------------- */

/* A short transaction of our own, which must not look to us as if others had written. */
static gboolean
begin_small(MtStore *store, GError **error)
{
  gboolean others_wrote;

  if (store->begun)
    return TRUE;
  if (!mt_store_begin(store, &others_wrote, error))
    return FALSE;
  if (others_wrote)
    store->started = FALSE; /* the next batch must hear of it, too */
  return TRUE;
}

static gboolean
end_small(MtStore *store, gboolean ok, const gchar *what, GError **error)
{
  if (!ok || !mt_sql_exec(store->db, "COMMIT"))
    {
      mt_sql_fail(store->db, store->path, what, error);
      mt_store_rollback(store);
      return FALSE;
    }
  store->begun = FALSE;
  mt_lease_give(&store->lease);
  return TRUE;
}

static gboolean
insert_lines(MtStore *store, const GArray *lines)
{
  sqlite3_stmt *stmt;
  gboolean ok = TRUE;

  if (sqlite3_prepare_v2(store->db, "INSERT INTO line VALUES(?1,?2,?3,?4,?5)", -1, &stmt, NULL)
      != SQLITE_OK)
    return FALSE;
  for (guint i = 0; i < lines->len && ok; i++)
    {
      const MtRawLine *line = &g_array_index(lines, MtRawLine, i);

      sqlite3_bind_int64(stmt, 1, ++store->line_id);
      sqlite3_bind_int64(stmt, 2, line->at);
      mt_sql_bind(stmt, 3, line->host);
      mt_sql_bind(stmt, 4, line->program);
      mt_sql_bind(stmt, 5, line->text);
      ok = mt_sql_run(stmt);
    }
  sqlite3_finalize(stmt);
  return ok;
}

gboolean
mt_store_put_lines(MtStore *store, const GArray *lines, GError **error)
{
  gboolean ok;

  if (lines->len == 0)
    return TRUE;
  if (!begin_small(store, error))
    return FALSE;
  ok = insert_lines(store, lines)
       && mt_sql_execf(store->db, "DELETE FROM line WHERE line<=%lld",
                       store->line_id - (gint64) store->settings->raw_lines);
  return end_small(store, ok, "keeping raw lines", error);
}

/* ---- rolling -------------------------------------------------------------------------------- */

static gint64
size_bytes(MtStore *store)
{
  return (mt_sql_integer(store->db, "PRAGMA page_count", 0)
          - mt_sql_integer(store->db, "PRAGMA freelist_count", 0))
         * mt_sql_integer(store->db, "PRAGMA page_size", 4096);
}

/* All of before this day goes: by age, or the oldest segment where the store is too
 * large. */
static gint32
first_kept_day(MtStore *store, gint32 today)
{
  const MtStoreSettings *settings = store->settings;
  gint32 day = settings->retention_days ? today - (gint32) settings->retention_days : G_MININT32;

  if (settings->max_size_bytes && size_bytes(store) > settings->max_size_bytes
      && store->segments.all->len > 1)
    {
      const MtSegment *oldest = g_ptr_array_index(store->segments.all, 0);

      day = MAX(day, oldest->last_day + 1);
    }
  return day;
}

static gboolean
drop_old_rows(MtStore *store, gint32 day)
{
  gint64 minute = (gint64) day * 1440, ts = (gint64) day * MT_DAY_US;

  return mt_sql_execf(store->db,
                      "DELETE FROM guard WHERE id IN"
                      " (SELECT id FROM guard WHERE minute<%lld LIMIT 200);"
                      "DELETE FROM pending WHERE ts<%lld; DELETE FROM alert WHERE ts<%lld;"
                      "DELETE FROM pair WHERE ts<%lld; DELETE FROM mail_change WHERE ts<%lld;",
                      minute, ts, ts, ts, ts);
}

/* One of: take a segment out of the views, drop one of its tables, drop old rows of the
 * rest.  Each leaves the store whole. */
static gboolean
roll(MtStore *store, gint32 day, gboolean *more)
{
  gint segment;
  gint64 guards;

  if (!mt_segments_detach_before(&store->segments, day, &segment))
    return FALSE;
  *more = segment != 0;
  if (*more)
    return TRUE;
  if (!mt_schema_drop_table(store->db, &segment))
    return FALSE;
  *more = segment != 0;
  if (*more || day == G_MININT32)
    return TRUE;
  guards = mt_sql_integer(store->db, "SELECT min(minute) FROM guard", G_MAXINT32);
  *more = guards < (gint64) day * 1440;
  return !*more || drop_old_rows(store, day);
}

gboolean
mt_store_retain(MtStore *store, MtTime now, gboolean *more, GError **error)
{
  gint32 day;

  *more = FALSE;
  if (store->begun || !begin_small(store, error))
    return !store->begun;
  day = first_kept_day(store, mt_time_day(now));
  if (!end_small(store, roll(store, day, more), "rolling old records off", error))
    return FALSE;
  if (*more || mt_sql_integer(store->db, "PRAGMA freelist_count", 0) <= VACUUM_PAGES)
    return TRUE;
  *more = TRUE;
  if (!begin_small(store, error))
    return FALSE;
  return end_small(store,
                   mt_sql_execf(store->db, "PRAGMA incremental_vacuum(%d)", VACUUM_PAGES),
                   "giving space back", error);
}

/* ---- alerts and settings ---------------------------------------------------------------------- */

guint64
mt_store_absurd(const MtStore *store)
{
  return store->segments.absurd;
}

gint64
mt_store_last_alert(MtStore *store)
{
  return counter(store, "alert", 0);
}

gboolean
mt_store_mark_emitted(MtStore *store, gint64 id, MtTime at, GError **error)
{
  if (!begin_small(store, error))
    return FALSE;
  return end_small(store,
                   mt_sql_execf(store->db,
                                "UPDATE alert SET emitted=%lld WHERE id<=%lld AND emitted IS NULL"
                                " AND emit=1",
                                at, id),
                   "marking alerts as emitted", error);
}

gchar *
mt_store_meta(MtStore *store, const gchar *name)
{
  sqlite3_stmt *stmt;
  gchar *value = NULL;

  if (sqlite3_prepare_v2(store->db, "SELECT value FROM meta WHERE name=?1", -1, &stmt, NULL)
      != SQLITE_OK)
    return NULL;
  sqlite3_bind_text(stmt, 1, name, -1, SQLITE_STATIC);
  if (sqlite3_step(stmt) == SQLITE_ROW)
    value = g_strdup((const gchar *) sqlite3_column_text(stmt, 0));
  sqlite3_finalize(stmt);
  return value;
}

gboolean
mt_store_set_meta(MtStore *store, const gchar *name, const gchar *value, GError **error)
{
  gchar *before = mt_store_meta(store, name);
  gboolean same = g_strcmp0(before, value) == 0;

  g_free(before);
  if (same)
    return TRUE;
  if (!begin_small(store, error))
    return FALSE;
  return end_small(store,
                   mt_sql_execf(store->db, "INSERT OR REPLACE INTO meta VALUES(%Q, %Q)", name, value),
                   "remembering settings", error);
}
