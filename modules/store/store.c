#include "store/private.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

/* Longest wait for another writer's batch. */
#define TURN_TIMEOUT_MS 5000

/* The same, for what can be done later as well. */
#define HURRY_TIMEOUT_MS 500

/* The cache: 8 MiB.  24 save a twentieth of the time: what is not here, the operating system
 * has. */
#define CACHE_KIB 8192

/* An import's: it is alone, and soon over. */
#define BULK_CACHE_KIB 65536

/* The WAL is folded back into the file when it passes this many pages (192 MiB): a large batch
 * takes 10 to 30 MiB, most of it pages that the one before has written, too: these are folded
 * back once. */
#define CHECKPOINT_PAGES 48000
#define PAGE_BYTES 4096

/* It is when it passes these (16 MiB) as soon as there is time for it. */
#define IDLE_CHECKPOINT_PAGES 4000

/* While old records go, step by step: what waits for the disk is as small as the steps are. */
#define ROLL_CHECKPOINT_PAGES 1000

/* So much (128 MiB) that a reader keeps from being folded back is told of. */
#define LONG_LOG_PAGES 32000

/* Wait for readers that come and go, so that the log can begin anew. */
#define RESTART_TIMEOUT_MS 50

/* All are read when so many have been asked for: a filter of them is 1 MiB. */
#define PAIRS_SOUGHT 5000

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
      g_set_error(error, MT_STORE_ERROR, mt_store_error_of_errno(errno),
                  "%s: cannot be made: %s; its directory must exist and be writable", path,
                  g_strerror(errno));
      return FALSE;
    }
  if (fchmod(fd, mode) != 0 || (geteuid() == 0 && fchown(fd, settings->uid, settings->gid) != 0))
    {
      g_set_error(error, MT_STORE_ERROR, MT_STORE_ERROR_OPEN,
                  "%s: owner and mode cannot be set: %s", path, g_strerror(errno));
      close(fd);
      g_unlink(path);
      return FALSE;
    }
  close(fd);
  return TRUE;
}

static void
note_log(MtStore *store, gint code, gint pages, gint folded)
{
  if (code != SQLITE_OK && code != SQLITE_BUSY)
    {
      store->counters.unfolded++;
      if (!store->unfolded)
        mt_store_note(store,
                      "%s: its log cannot be folded back into it: %s; records are kept in the log",
                      store->path, sqlite3_errstr(code));
      store->unfolded = TRUE;
      return;
    }
  store->unfolded = FALSE;
  if (pages - folded < LONG_LOG_PAGES)
    {
      store->waited = FALSE;
      return;
    }
  if (!store->waited)
    {
      store->counters.long_readers++;
      mt_store_note(
          store,
          "%s: another program has been reading in one transaction for so long that the log "
          "has grown to %d MiB; it cannot be folded back until that ends",
          store->path, pages / (1048576 / PAGE_BYTES));
    }
  store->waited = TRUE;
}

/* Readers that come and go without a gap would keep the log from ever beginning anew: then they
 * are waited for, shortly. */
static void
begin_log_anew(MtStore *store, gint mode, gint timeout_ms)
{
  sqlite3_busy_timeout(store->db, timeout_ms);
  sqlite3_wal_checkpoint_v2(store->db, "main", mode, NULL, NULL);
  sqlite3_busy_timeout(store->db, store->patience_ms);
}

/* Returns: is all of it in the file? */
static gboolean
fold_log(MtStore *store)
{
  gint log = 0, folded = 0;
  gint code =
      sqlite3_wal_checkpoint_v2(store->db, "main", SQLITE_CHECKPOINT_PASSIVE, &log, &folded) & 0xff;

  if (code == SQLITE_OK && folded == log && log > 2 * CHECKPOINT_PAGES)
    begin_log_anew(store, SQLITE_CHECKPOINT_RESTART, RESTART_TIMEOUT_MS);
  note_log(store, code, log, folded);
  return code == SQLITE_OK && folded == log;
}

static int
on_commit(void *user, sqlite3 *db, const char *name, int pages)
{
  MtStore *store = user;

  store->log_pages = pages;
  if (pages >= (store->rolling ? ROLL_CHECKPOINT_PAGES : CHECKPOINT_PAGES))
    fold_log(store);
  return SQLITE_OK;
}

void
mt_store_fold(MtStore *store)
{
  mt_store_settle(store);
  if (store->begun || store->log_pages < IDLE_CHECKPOINT_PAGES || !fold_log(store))
    return;
  begin_log_anew(store, SQLITE_CHECKPOINT_TRUNCATE, 0);
  store->log_pages = 0;
}

static gboolean
open_database(MtStore *store, GError **error)
{
  gint on = 1;

  store->vfs = mt_log_vfs_new();
  if (sqlite3_open_v2(store->path, &store->db,
                      SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_NOFOLLOW,
                      mt_log_vfs_name(store->vfs))
      != SQLITE_OK)
    return mt_sql_fail(store->db, store->path, "opening the store", error);
  sqlite3_extended_result_codes(store->db, 1);
  sqlite3_busy_timeout(store->db, store->patience_ms);
  /* auto_vacuum goes before the first table and before WAL, or it is ignored. */
  if (!mt_sql_exec(store->db,
                   "PRAGMA auto_vacuum=INCREMENTAL; PRAGMA journal_mode=WAL;"
                   "PRAGMA synchronous=NORMAL; PRAGMA secure_delete=FAST;"
                   "PRAGMA temp_store=MEMORY; PRAGMA trusted_schema=OFF")
      || !mt_sql_execf(store->db, "PRAGMA cache_size=-%d; PRAGMA journal_size_limit=%d",
                       store->settings->bulk ? BULK_CACHE_KIB : CACHE_KIB,
                       CHECKPOINT_PAGES * PAGE_BYTES))
    return mt_sql_fail(store->db, store->path, "opening the store", error);
  sqlite3_wal_hook(store->db, on_commit, store);
  /* Readers of the group may not be able to make -wal and -shm: they stay. */
  sqlite3_file_control(store->db, "main", SQLITE_FCNTL_PERSIST_WAL, &on);
  return TRUE;
}

static gboolean
check_schema(MtStore *store, gboolean *empty, gint *version_found, GError **error)
{
  gint64 version, id, tables;

  /* One by one: a question that is answered covers the error of the one before. */
  if ((version = mt_sql_integer(store->db, "PRAGMA user_version", -1)) < 0
      || (id = mt_sql_integer(store->db, "PRAGMA application_id", -1)) < 0
      || (tables = mt_sql_integer(store->db, "SELECT count(*) FROM sqlite_schema", -1)) < 0)
    return mt_sql_fail(store->db, store->path, "reading the schema", error);
  *version_found = version;
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
  store->segments.defer_indexes = store->settings->bulk;
  return mt_sql_exec(store->db, "BEGIN IMMEDIATE")
         && (mt_sql_integer(store->db, "PRAGMA user_version", -1) > 0
             || (mt_schema_create(store->db) && mt_schema_put_words(store->db) && make_key(store)
                 && mt_segments_for_day(&store->segments, store->today)))
         && mt_sql_exec(store->db, "COMMIT");
}

/* In one transaction: who is killed finds the older store. */
static gboolean
migrate(MtStore *store, gint version)
{
  gboolean ok;

  mt_segments_init(&store->segments, store->db, &store->key);
  ok = mt_sql_exec(store->db, "BEGIN IMMEDIATE") && mt_schema_migrate(store->db, version)
       && mt_segments_load(&store->segments) && mt_segments_renew_views(&store->segments)
       && mt_sql_exec(store->db, "COMMIT");
  mt_segments_clear(&store->segments);
  return ok;
}

static gint32
span_of(const MtStoreSettings *settings)
{
  if (settings->retention_days == 0)
    return SPAN_FOREVER_DAYS;
  return settings->retention_days / SEGMENTS_WANTED + 1;
}

static ino_t
inode_of_log(const MtStore *store)
{
  gchar *name = g_strconcat(store->path, "-wal", NULL);
  struct stat info;
  ino_t inode = stat(name, &info) == 0 ? info.st_ino : 0;

  g_free(name);
  return inode;
}

static void
note_identity(MtStore *store)
{
  struct stat info;

  if (stat(store->path, &info) == 0)
    {
      store->device = info.st_dev;
      store->inode = info.st_ino;
    }
  store->log_inode = inode_of_log(store);
}

static gboolean
open_all(MtStore *store, GError **error)
{
  gboolean empty;
  gint version;

  if (!open_database(store, error) || !check_schema(store, &empty, &version, error))
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
  else if (version < MT_SCHEMA_VERSION && !migrate(store, version))
    {
      mt_sql_fail(store->db, store->path, "bringing the store up to this version", error);
      mt_sql_exec(store->db, "ROLLBACK");
      return FALSE;
    }
  if (!read_key(store) || !mt_schema_put_words(store->db)
      || !(store->feed = mt_feed_new(store->db)))
    return mt_sql_fail(store->db, store->path, "reading the store's key", error);
  mt_segments_init(&store->segments, store->db, &store->key);
  store->guard = mt_guard_new(store->db, &store->key);
  store->scrub = mt_scrub_new(&store->key);
  note_identity(store);
  store->started = FALSE;
  store->log_pages = 0;
  store->generation++;
  return TRUE;
}

/* What is known of the store without asking it. */
static void
forget_known(MtStore *store)
{
  g_clear_pointer(&store->open_keys, g_free);
  g_clear_pointer(&store->pairs, g_free);
  store->pairs_sought = 0;
}

static void
close_all(MtStore *store)
{
  g_clear_pointer(&store->lookout, mt_lookout_free);
  forget_known(store);
  for (gint i = 0; i < MT_ONCE_COUNT; i++)
    g_clear_pointer(&store->once[i], sqlite3_finalize);
  mt_segments_clear(&store->segments);
  g_clear_pointer(&store->guard, mt_guard_free);
  g_clear_pointer(&store->scrub, mt_scrub_free);
  if (store->db)
    sqlite3_close(store->db);
  store->db = NULL;
  g_clear_pointer(&store->vfs, mt_log_vfs_free);
  g_clear_pointer(&store->feed, mt_feed_free);
}

/* A name that nothing has yet: two may be set aside in one second. */
static gchar *
name_aside(const gchar *path, MtTime now)
{
  gchar stamp[MT_TIME_TEXT_BYTES];
  gchar *name;

  mt_time_format(now, stamp);
  name = g_strdup_printf("%s.corrupt-%.19s", path, stamp);
  for (guint i = 2; g_file_test(name, G_FILE_TEST_EXISTS); i++)
    {
      g_free(name);
      name = g_strdup_printf("%s.corrupt-%.19s-%u", path, stamp, i);
    }
  return name;
}

/* A damaged store is kept for who can mend it; mail goes on into a new one.  The file goes
 * last: who is interrupted finds it damaged again, with its companions or without. */
static gboolean
set_aside(MtStore *store, const gchar *why, GError **error)
{
  static const gchar *const companions[] = { "-wal", "-shm", "" };
  gchar *aside = name_aside(store->path, store->now);
  gboolean ok = TRUE;

  for (guint i = 0; i < G_N_ELEMENTS(companions); i++)
    {
      gchar *from = g_strconcat(store->path, companions[i], NULL);
      gchar *to = g_strconcat(aside, companions[i], NULL);

      ok = g_rename(from, to) == 0 || errno == ENOENT;
      if (!ok)
        g_set_error(error, MT_STORE_ERROR, MT_STORE_ERROR_IO,
                    "%s: is damaged and cannot be renamed: %s", from, g_strerror(errno));
      g_free(from);
      g_free(to);
      if (!ok)
        break;
    }
  if (ok)
    {
      store->counters.set_aside++;
      mt_store_note(store, "%s; it is kept as %s, a new store is begun", why, aside);
    }
  g_free(aside);
  return ok;
}

static gboolean
open_or_set_aside(MtStore *store, GError **error)
{
  GError *first = NULL;
  gboolean ok = FALSE;

  if (!make_file(store->settings, store->path, error))
    return FALSE;
  if (open_all(store, &first))
    return TRUE;
  close_all(store);
  if (!g_error_matches(first, MT_STORE_ERROR, MT_STORE_ERROR_CORRUPT))
    {
      g_propagate_error(error, first);
      return FALSE;
    }
  if (!store->is_ours)
    {
      g_set_error(error, MT_STORE_ERROR, MT_STORE_ERROR_OPEN,
                  "%s: is no store, or a damaged one; name another file, or move this one away",
                  store->path);
      g_clear_error(&first);
      return FALSE;
    }
  ok = set_aside(store, first->message, error) && make_file(store->settings, store->path, error)
       && open_all(store, error);
  g_clear_error(&first);
  return ok;
}

/* ---- what others do to the file ------------------------------------------------------- */

void
mt_store_note(MtStore *store, const gchar *format, ...)
{
  va_list args;

  if (store->notice->len)
    g_string_append(store->notice, "; ");
  va_start(args, format);
  g_string_append_vprintf(store->notice, format, args);
  va_end(args);
}

gchar *
mt_store_take_notice(MtStore *store)
{
  gchar *notice = !store->flying && store->notice->len ? g_strdup(store->notice->str) : NULL;

  if (notice)
    g_string_truncate(store->notice, 0);
  return notice;
}

guint
mt_store_generation(const MtStore *store)
{
  return store->generation;
}

static gboolean
reopen(MtStore *store, GError **error)
{
  close_all(store);
  store->counters.reopened++;
  return open_or_set_aside(store, error);
}

/* The log has been removed under us: what it holds we still have open, and fold back. */
static gboolean
rescue_log(MtStore *store, GError **error)
{
  mt_store_note(store,
                "%s-wal: was removed or replaced while it was in use; what it held has been saved",
                store->path);
  if (sqlite3_wal_checkpoint_v2(store->db, "main", SQLITE_CHECKPOINT_FULL, NULL, NULL) != SQLITE_OK)
    return mt_sql_fail(store->db, store->path, "saving its log", error);
  return reopen(store, error);
}

static gboolean
is_our_file(const MtStore *store)
{
  struct stat info;

  return stat(store->path, &info) == 0 && info.st_dev == store->device
         && info.st_ino == store->inode;
}

/* Is the file still the one that we opened?  With the lease held. */
static gboolean
look_at_file(MtStore *store, GError **error)
{
  if (!store->db)
    return open_or_set_aside(store, error);
  if (store->damaged)
    {
      gchar *why = g_strdup_printf("%s: the file is damaged", store->path);
      gboolean ok;

      close_all(store);
      ok = set_aside(store, why, error) && open_or_set_aside(store, error);
      store->damaged = !ok;
      g_free(why);
      return ok;
    }
  if (!is_our_file(store))
    {
      mt_store_note(store,
                    "%s: was removed or replaced while it was in use; records go into the file "
                    "that is there now",
                    store->path);
      return reopen(store, error);
    }
  if (!store->log_inode)
    store->log_inode = inode_of_log(store);
  return store->log_inode == inode_of_log(store) || rescue_log(store, error);
}

/* ---- a batch that is being written while the next one is read -------------------------- */

static gboolean
put_work(MtStore *store, const MtStoreWork *work)
{
  return mt_writer_put_batch(store, work->batch)
         && (!work->emit_mail || mt_writer_put_mail_changes(store, work->batch->deliveries))
         && mt_writer_put_watch(store, work->watch, work->emit_alerts)
         && mt_guard_write(store->guard, store->db) && mt_writer_put_counters(store)
         && mt_sql_exec(store->db, "COMMIT");
}

/* In the flight's thread. */
static gboolean
write_flight(gpointer user)
{
  MtStore *store = user;

  if (put_work(store, store->work))
    return TRUE;
  mt_sql_fail(store->db, store->path, "writing records", &store->flight_error);
  mt_sql_exec(store->db, "ROLLBACK");
  return FALSE;
}

/* Others have their turn, unless our next batch has begun already. */
static void
end_flight(gpointer user, gboolean ok, gboolean chained)
{
  MtStore *store = user;

  if (!ok || !chained)
    mt_lease_give(&store->lease);
}

static sqlite3 *
reader(const MtStore *store)
{
  return store->flying ? mt_lookout_db(store->lookout) : store->db;
}

/* Returns: is it committed? */
static gboolean
land(MtStore *store)
{
  gboolean ok = mt_flight_wait(store->flight);

  store->flying = FALSE;
  store->landed = TRUE;
  mt_guard_read_by(store->guard, store->db);
  if (ok)
    {
      mt_guard_committed(store->guard);
      return TRUE;
    }
  store->started = FALSE;
  store->damaged |= g_error_matches(store->flight_error, MT_STORE_ERROR, MT_STORE_ERROR_CORRUPT);
  mt_guard_rolled_back(store->guard);
  return FALSE;
}

/* As long as an import waits for its turn. */
#define CHAIN_TRIES 12

static gboolean
begin_transaction(MtStore *store)
{
  for (guint try = 1; !mt_sql_exec(store->db, "BEGIN IMMEDIATE"); try++)
    if ((sqlite3_errcode(store->db) & 0xff) != SQLITE_BUSY || try == CHAIN_TRIES)
      return FALSE;
  return TRUE;
}

/* Where a store keeps its numbers; those of rows begin at 1. */
static void
fill_counter(MtStore *store, const gchar *name, gint64 value)
{
  MtTrailIds *ids = &store->start.ids;
  const struct
  {
    const gchar *name;
    gint64 *to;
  } places[] = { { "message", &ids->message },   { "delivery", &ids->delivery },
                 { "access", &ids->access },     { "failure", &ids->failure },
                 { "reject", &ids->reject },     { "mailbox", &ids->mailbox },
                 { "incident", &ids->incident }, { "pending", &ids->pending },
                 { "alert", &store->alert_id },  { "horizon", &store->start.horizon } };

  for (guint i = 0; i < G_N_ELEMENTS(places); i++)
    if (g_str_equal(places[i].name, name))
      *places[i].to = value;
}

static gboolean
read_counters(MtStore *store)
{
  MtTrailIds *ids = &store->start.ids;
  sqlite3_stmt *stmt;
  gint code;

  ids->message = ids->delivery = ids->access = ids->failure = 1;
  ids->reject = ids->mailbox = ids->incident = ids->pending = 1;
  store->alert_id = 0;
  store->start.horizon = MT_NO_TIME;
  if (sqlite3_prepare_v2(store->db, "SELECT name, value FROM counter", -1, &stmt, NULL)
      != SQLITE_OK)
    return FALSE;
  while ((code = sqlite3_step(stmt)) == SQLITE_ROW)
    fill_counter(store, (const gchar *) sqlite3_column_text(stmt, 0),
                 sqlite3_column_int64(stmt, 1));
  sqlite3_finalize(stmt);
  return code == SQLITE_DONE;
}

/* The lease was kept; so it was somebody without it, or a checkpoint.  What the batch was made from
 * must still be true, or it is made again. */
static void
look_again(MtStore *store)
{
  MtTrailStart before = store->start;
  gint64 alert = store->alert_id;

  if (!read_counters(store) || !mt_segments_load(&store->segments)
      || !mt_scrub_load(store->scrub, store->db))
    mt_store_read_failed(store, "reading the store");
  else if (!store->read_error
           && (memcmp(&before, &store->start, sizeof before) != 0 || alert != store->alert_id
               || !mt_guard_is_last(store->guard)))
    g_set_error(&store->read_error, MT_STORE_ERROR, MT_STORE_ERROR_BUSY,
                "%s: another program has written out of turn; read these lines again", store->path);
}

static void
open_chained(MtStore *store)
{
  store->chained = FALSE;
  if (!land(store))
    {
      g_clear_error(&store->read_error);
      store->read_error = g_error_copy(store->flight_error);
    }
  else if (!begin_transaction(store))
    mt_store_read_failed(store, "beginning a transaction");
  else if (mt_sql_integer(store->db, "PRAGMA data_version", 0) != store->data_version)
    {
      look_again(store);
      store->started = FALSE; /* the next batch must hear of it */
    }
}

void
mt_store_settle(MtStore *store)
{
  if (store->chained)
    open_chained(store);
  else if (store->flying)
    land(store);
}

MtSegments *
mt_store_everywhere(MtStore *store)
{
  mt_store_settle(store);
  return &store->segments;
}

MtSegments *
mt_store_where(MtStore *store, MtStmt which)
{
  if (!store->flying || !mt_lookout_can(store->lookout, which))
    return mt_store_everywhere(store);
  return mt_lookout_segments(store->lookout);
}

MtSegments *
mt_store_beside(MtStore *store, MtTouch touch, guint64 hash, MtStmt which)
{
  if (store->flying && mt_lookout_touches(store->lookout, touch, hash))
    mt_store_settle(store);
  return mt_store_where(store, which);
}

gboolean
mt_store_wait(MtStore *store, GError **error)
{
  GError *why = NULL;

  mt_store_settle(store);
  if (!store->landed)
    return TRUE;
  store->landed = FALSE;
  why = store->flight_error;
  store->flight_error = NULL;
  if (why)
    g_propagate_error(error, why);
  return !why;
}

/* ---- the store ---------------------------------------------------------------------------- */

void
mt_store_hurry(MtStore *store, gboolean hurry)
{
  mt_store_settle(store);
  store->patience_ms = hurry ? HURRY_TIMEOUT_MS : TURN_TIMEOUT_MS;
  if (store->db)
    sqlite3_busy_timeout(store->db, store->patience_ms);
}

void
mt_store_set_now(MtStore *store, MtTime now)
{
  mt_store_settle(store);
  store->now = now;
  store->today = mt_time_day(now);
  store->segments.first_possible_day = store->today - PAST_DAYS;
  store->segments.last_possible_day = store->today + FUTURE_DAYS;
}

/* Beside a store there is its lock file: what has none may be anybody's, and is not moved. */
static gboolean
has_lock_file(const gchar *path)
{
  gchar *name = g_strconcat(path, "-lock", NULL);
  gboolean has = g_file_test(name, G_FILE_TEST_EXISTS);

  g_free(name);
  return has;
}

MtStore *
mt_store_open(const MtStoreSettings *settings, MtTime now, GError **error)
{
  MtStore *store = g_new0(MtStore, 1);
  gboolean ok;

  store->settings = settings;
  store->patience_ms = TURN_TIMEOUT_MS;
  store->notice = g_string_new(NULL);
  store->form = g_string_new(NULL);
  store->flight = mt_flight_new(write_flight, end_flight, store);
  store->rolled = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);
  mt_store_set_now(store, now);
  store->path = g_strdup(settings->path);
  store->is_ours = has_lock_file(store->path);
  mt_lease_init(&store->lease, store->path, settings->mode ? settings->mode : 0640, settings->uid,
                settings->gid);
  ok = mt_lease_take(&store->lease, TURN_TIMEOUT_MS, error) && open_or_set_aside(store, error);
  mt_lease_give(&store->lease);
  if (!ok)
    {
      if (!store->is_ours)
        g_unlink(store->lease.path);
      mt_store_close(store);
      return NULL;
    }
  store->is_ours = TRUE;
  return store;
}

void
mt_store_close(MtStore *store)
{
  if (!store)
    return;
  if (store->begun)
    mt_store_rollback(store);
  mt_store_settle(store);
  mt_flight_free(store->flight);
  close_all(store);
  mt_lease_clear(&store->lease);
  g_string_free(store->notice, TRUE);
  g_string_free(store->form, TRUE);
  g_hash_table_destroy(store->rolled);
  g_clear_error(&store->read_error);
  g_clear_error(&store->flight_error);
  g_free(store->path);
  g_free(store);
}

/* ---- a transaction ----------------------------------------------------------------------- */

void
mt_store_read_failed(MtStore *store, const gchar *what)
{
  if (!store->read_error)
    mt_sql_fail(reader(store), store->path, what, &store->read_error);
}

gboolean
mt_store_next_row(MtStore *store, sqlite3_stmt *stmt)
{
  gint code = sqlite3_step(stmt);

  if (code != SQLITE_ROW && code != SQLITE_DONE && !store->read_error)
    mt_sql_fail(sqlite3_db_handle(stmt), store->path, "reading records", &store->read_error);
  return code == SQLITE_ROW;
}

static gboolean
read_state(MtStore *store)
{
  store->line_id = mt_sql_integer(store->db, "SELECT max(line) FROM line", 0);
  if (!read_counters(store))
    return FALSE;
  store->segments.defer_indexes = store->settings->bulk; /* of days that begin with it */
  return mt_segments_load(&store->segments) && mt_scrub_load(store->scrub, store->db)
         && mt_guard_start(store->guard);
}

/* What SQLite calls damaged is set aside before the next turn. */
static gboolean
fail(MtStore *store, const gchar *what, GError **error)
{
  GError *why = store->read_error;

  store->read_error = NULL;
  if (!why)
    mt_sql_fail(store->db, store->path, what, &why);
  store->damaged |= g_error_matches(why, MT_STORE_ERROR, MT_STORE_ERROR_CORRUPT);
  mt_store_rollback(store);
  mt_lease_give(&store->lease);
  g_propagate_error(error, why);
  return FALSE;
}

/* The next batch begins behind the one that is being written, in the same turn. */
static gboolean
chain(MtStore *store)
{
  if (!store->started || mt_lease_is_wanted(&store->lease) || !mt_lease_is_current(&store->lease)
      || !is_our_file(store) || store->log_inode != inode_of_log(store)
      || !mt_flight_chain(store->flight))
    return FALSE;
  g_clear_error(&store->read_error);
  store->begun = store->chained = TRUE;
  return TRUE;
}

gboolean
mt_store_begin(MtStore *store, gboolean *others_wrote, GError **error)
{
  gint64 version;

  *others_wrote = FALSE;
  if (store->begun)
    return TRUE;
  if (store->flying && chain(store))
    return TRUE;
  mt_store_settle(store);
  if (store->landed && store->flight_error)
    {
      g_propagate_error(error, g_error_copy(store->flight_error));
      return FALSE;
    }
  if (!mt_lease_take(&store->lease, store->patience_ms, error))
    return FALSE;
  if (!look_at_file(store, error))
    {
      mt_lease_give(&store->lease);
      return FALSE;
    }
  if (!mt_sql_exec(store->db, "BEGIN IMMEDIATE"))
    return fail(store, "beginning a transaction", error);
  store->begun = TRUE;
  g_clear_error(&store->read_error);
  version = mt_sql_integer(store->db, "PRAGMA data_version", 0);
  if (store->started && version == store->data_version)
    return TRUE;
  *others_wrote = TRUE;
  forget_known(store);
  if (version != store->data_version)
    store->others_at = store->now;
  if (!read_state(store))
    return fail(store, "reading the store", error);
  store->started = TRUE;
  store->data_version = version;
  return TRUE;
}

void
mt_store_rollback(MtStore *store)
{
  if (!store->begun)
    return;
  mt_store_settle(store);
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

/* Most pairs that are asked for have never been seen. */
static void
learn_pairs(MtStore *store, const GArray *more)
{
  sqlite3_stmt *stmt;

  if (!store->pairs && store->pairs_sought > PAIRS_SOUGHT
      && sqlite3_prepare_v2(store->db, "SELECT key FROM pair", -1, &stmt, NULL) == SQLITE_OK)
    {
      store->pairs = g_new0(MtFilter, 1);
      while (mt_store_next_row(store, stmt))
        mt_filter_add(store->pairs, sqlite3_column_int64(stmt, 0));
      sqlite3_finalize(stmt);
    }
  for (guint i = 0; store->pairs && i < more->len; i++)
    mt_filter_add(store->pairs, g_array_index(more, MtPairSeen, i).key);
}

static void
read_open_keys(MtStore *store, const MtSegment *segment)
{
  gchar *sql = mt_schema_fill("SELECT key FROM access_@ WHERE ended IS NULL", segment->number);
  sqlite3_stmt *stmt;

  if (sqlite3_prepare_v2(store->db, sql, -1, &stmt, NULL) == SQLITE_OK)
    {
      while (mt_store_next_row(store, stmt))
        mt_filter_add(store->open_keys, sqlite3_column_int64(stmt, 0));
      sqlite3_finalize(stmt);
    }
  else
    mt_store_read_failed(store, "reading who is logged in");
  g_free(sql);
}

/* Of nearly all keys that are asked for there is none; keys that have been closed since stay. */
gboolean
mt_store_may_be_open(MtStore *store, guint64 key)
{
  if (!store->open_keys)
    {
      mt_store_settle(store);
      store->open_keys = g_new0(MtFilter, 1);
      for (guint i = 0; i < store->segments.all->len; i++)
        read_open_keys(store, g_ptr_array_index(store->segments.all, i));
    }
  return mt_filter_has(store->open_keys, key);
}

static void
learn_open_keys(MtStore *store, const GArray *accesses)
{
  for (guint i = 0; store->open_keys && i < accesses->len; i++)
    if (g_array_index(accesses, MtAccessRow, i).ended_at == MT_NO_TIME)
      mt_filter_add(store->open_keys, g_array_index(accesses, MtAccessRow, i).key);
}

static gboolean
prepare(MtStore *store, const MtStoreWork *work)
{
  mt_store_settle(store);
  learn_pairs(store, work->watch->pairs);
  learn_open_keys(store, work->batch->accesses);
  store->start.ids = work->batch->ids;
  advance_horizon(store, work->batch);
  return !store->read_error && mt_guard_submit(store->guard);
}

gboolean
mt_store_commit(MtStore *store, const MtStoreWork *work, GError **error)
{
  if (!store->begun)
    return TRUE;
  if (!prepare(store, work) || !put_work(store, work))
    return fail(store, "writing records", error);
  store->begun = FALSE;
  mt_guard_committed(store->guard);
  mt_lease_give(&store->lease);
  return TRUE;
}

/* Without a second connection, or a thread, it is committed here and now. */
gboolean
mt_store_submit(MtStore *store, const MtStoreWork *work, GError **error)
{
  if (!store->begun)
    return TRUE;
  mt_store_settle(store);
  if (!store->lookout)
    store->lookout = mt_lookout_new(store->path, &store->key);
  if (!store->lookout || !mt_flight_ready(store->flight))
    return mt_store_commit(store, work, error);
  if (!prepare(store, work))
    return fail(store, "writing records", error);
  mt_lookout_begin(store->lookout, &store->segments, work->batch, work->watch);
  mt_guard_read_by(store->guard, mt_lookout_db(store->lookout));
  store->work = work;
  store->begun = FALSE;
  store->flying = TRUE;
  mt_flight_start(store->flight);
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
    {
      mt_store_read_failed(store, "reading what was learned");
      return;
    }
  while (mt_store_next_row(store, stmt))
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

/* ---- what the watch asks for --------------------------------------------------------------- */

/* A statement for what has this hash, on the connection that may look for it now. */
static sqlite3_stmt *
look_by(MtStore *store, MtOnce which, MtTouch touch, guint64 hash, const gchar *what)
{
  sqlite3_stmt *stmt;

  if (store->flying && mt_lookout_touches(store->lookout, touch, hash))
    mt_store_settle(store);
  stmt = store->flying ? mt_lookout_stmt(store->lookout, touch, mt_writer_once_sql(which))
                       : mt_writer_once(store, which);
  if (!stmt)
    mt_store_read_failed(store, what);
  return stmt;
}

static MtTime
pair_seen(gpointer self, guint64 key)
{
  MtStore *store = self;
  sqlite3_stmt *stmt;
  MtTime at = MT_NO_TIME;

  if (store->pairs && !mt_filter_has(store->pairs, key))
    return at;
  store->pairs_sought++;
  stmt =
      look_by(store, MT_ONCE_GET_PAIR, MT_TOUCH_PAIR, key, "reading who has logged in from where");
  if (!stmt)
    return at;
  sqlite3_bind_int64(stmt, 1, (gint64) key);
  if (mt_store_next_row(self, stmt))
    at = sqlite3_column_int64(stmt, 0);
  sqlite3_reset(stmt);
  return at;
}

static gboolean
read_baseline(gpointer self, MtBaseline *baseline)
{
  MtSpan account = mt_span_of_string(baseline->account);
  sqlite3_stmt *stmt = look_by(self, MT_ONCE_GET_BASELINE, MT_TOUCH_BASELINE,
                               mt_hash_span(&((MtStore *) self)->key, account),
                               "reading what is usual for an account");
  gboolean found;

  if (!stmt)
    return FALSE;
  mt_sql_bind(stmt, 1, account);
  found = mt_store_next_row(self, stmt);
  if (found)
    {
      if (sqlite3_column_type(stmt, 0) != SQLITE_NULL)
        {
          baseline->first = sqlite3_column_int64(stmt, 0);
          baseline->last = sqlite3_column_int64(stmt, 1);
        }
      baseline->logins = sqlite3_column_int64(stmt, 2);
      baseline->days = sqlite3_column_int64(stmt, 3);
      baseline->busiest_hour = sqlite3_column_int64(stmt, 4);
      mt_baseline_from_text(baseline, mt_sql_column(stmt, 5));
    }
  sqlite3_reset(stmt);
  return found;
}

MtWatchBacking
mt_store_watch_backing(MtStore *store)
{
  return (MtWatchBacking){ store, pair_seen, read_baseline };
}

void
mt_store_suppressed(MtStore *store, MtSuppressedFound found, gpointer sink)
{
  sqlite3_stmt *stmt;

  if (sqlite3_prepare_v2(store->db, "SELECT account, ts, rule, severity, count FROM suppressed", -1,
                         &stmt, NULL)
      != SQLITE_OK)
    {
      mt_store_read_failed(store, "reading alerts that were held back");
      return;
    }
  while (mt_store_next_row(store, stmt))
    {
      MtSuppressed told = { .account = (gchar *) sqlite3_column_text(stmt, 0) };

      told.first = sqlite3_column_int64(stmt, 1);
      g_strlcpy(told.rule, (const gchar *) sqlite3_column_text(stmt, 2), sizeof told.rule);
      told.severity = CLAMP(sqlite3_column_int(stmt, 3), MT_SEVERITY_NOTICE, MT_SEVERITY_CRITICAL);
      told.count = sqlite3_column_int64(stmt, 4);
      found(sink, &told);
    }
  sqlite3_finalize(stmt);
}

void
mt_store_alerts_since(MtStore *store, MtTime since, MtAlertFound found, gpointer sink)
{
  sqlite3_stmt *stmt;

  if (sqlite3_prepare_v2(store->db,
                         "SELECT ts, account, severity FROM alert WHERE ts>=?1"
                         " AND evidence NOT GLOB '{\"suppressed\":*' ORDER BY ts",
                         -1, &stmt, NULL)
      != SQLITE_OK)
    {
      mt_store_read_failed(store, "reading alerts");
      return;
    }
  sqlite3_bind_int64(stmt, 1, since);
  while (mt_store_next_row(store, stmt))
    {
      MtAlert alert = { .at = sqlite3_column_int64(stmt, 0) };
      gint severity = mt_severity_by_name((const gchar *) sqlite3_column_text(stmt, 2));

      alert.account = (gchar *) sqlite3_column_text(stmt, 1);
      alert.severity = MAX(severity, MT_SEVERITY_NOTICE);
      found(sink, &alert);
    }
  sqlite3_finalize(stmt);
}

/* ---- besides the batches ----------------------------------------------------------------- */

/* A short transaction of our own, which must not look to us as if others had written. */
gboolean
mt_store_begin_small(MtStore *store, GError **error)
{
  gboolean others_wrote;

  mt_store_settle(store);
  if (store->begun)
    return TRUE;
  if (!mt_store_begin(store, &others_wrote, error))
    return FALSE;
  if (others_wrote)
    store->started = FALSE; /* the next batch must hear of it, too */
  return TRUE;
}

gboolean
mt_store_end_small(MtStore *store, gboolean ok, const gchar *what, GError **error)
{
  if (!ok || store->read_error || !mt_sql_exec(store->db, "COMMIT"))
    return fail(store, what, error);
  store->begun = FALSE;
  mt_lease_give(&store->lease);
  return TRUE;
}

static gboolean
insert_lines(MtStore *store, const GArray *lines)
{
  sqlite3_stmt *stmt = mt_writer_once(store, MT_ONCE_PUT_LINE);
  MtFeed *feed = store->feed;
  gboolean ok = stmt != NULL;

  mt_feed_clear(feed);
  for (guint i = 0; i < lines->len && ok; i++)
    {
      const MtRawLine *line = &g_array_index(lines, MtRawLine, i);

      if (mt_scrub_mentions(store->scrub, line->text))
        continue;
      mt_feed_integer(feed, ++store->line_id);
      mt_feed_integer(feed, line->at);
      mt_feed_text(feed, line->host);
      mt_feed_text(feed, line->program);
      mt_feed_text(feed, line->text);
      mt_feed_text(feed, line->queue_id);
      mt_feed_text(feed, line->message_id);
      mt_feed_text(feed, line->session);
      ok = !mt_feed_end_row(feed) || mt_feed_run(feed, stmt);
    }
  return ok && mt_feed_run(feed, stmt);
}

gboolean
mt_store_put_lines(MtStore *store, const GArray *lines, GError **error)
{
  gboolean ok;

  if (lines->len == 0)
    return TRUE;
  if (!mt_store_begin_small(store, error))
    return FALSE;
  ok = insert_lines(store, lines)
       && mt_sql_execf(store->db, "DELETE FROM line WHERE line<=%lld",
                       store->line_id - (gint64) store->settings->raw_lines);
  return mt_store_end_small(store, ok, "keeping raw lines", error);
}

/* ---- alerts and settings ----------------------------------------------------------- */

const MtStoreCounters *
mt_store_counters(MtStore *store)
{
  mt_store_settle(store);
  store->counters.absurd = store->segments.absurd;
  return &store->counters;
}

gint64
mt_store_last_alert(MtStore *store)
{
  mt_store_settle(store);
  return mt_sql_integer(store->db, "SELECT value FROM counter WHERE name='alert'", 0);
}

gboolean
mt_store_build_indexes(MtStore *store, gboolean *more, GError **error)
{
  gboolean ok;

  *more = FALSE;
  if (!mt_store_begin_small(store, error))
    return FALSE;
  ok = mt_segments_build_indexes(&store->segments, more);
  return mt_store_end_small(store, ok, "building indexes", error);
}

gboolean
mt_store_mark_emitted(MtStore *store, gint64 id, MtTime at, GError **error)
{
  if (!mt_store_begin_small(store, error))
    return FALSE;
  return mt_store_end_small(
      store,
      mt_sql_execf(store->db,
                   "UPDATE alert SET emitted=%lld WHERE id<=%lld AND emitted IS NULL"
                   " AND emit=1",
                   at, id),
      "marking alerts as emitted", error);
}

gboolean
mt_store_add_counts(MtStore *store, const MtStoreCount *counts, guint count, GError **error)
{
  gboolean ok = TRUE;

  if (!mt_store_begin_small(store, error))
    return FALSE;
  for (guint i = 0; i < count && ok; i++)
    ok = mt_sql_execf(store->db,
                      "INSERT INTO counter VALUES('count.%q', %lld) ON CONFLICT DO UPDATE SET"
                      " value=value+excluded.value",
                      counts[i].name, (gint64) counts[i].more);
  return mt_store_end_small(store, ok, "keeping counts", error);
}

gboolean
mt_store_mark_notified(MtStore *store, const gchar *ids, MtTime at, GError **error)
{
  if (!mt_store_begin_small(store, error))
    return FALSE;
  return mt_store_end_small(
      store, mt_sql_execf(store->db, "UPDATE alert SET notified=%lld WHERE id IN (%s)", at, ids),
      "marking alerts as notified", error);
}

gchar *
mt_store_meta(MtStore *store, const gchar *name)
{
  sqlite3_stmt *stmt;
  gchar *value = NULL;

  mt_store_settle(store);
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
  if (!mt_store_begin_small(store, error))
    return FALSE;
  return mt_store_end_small(
      store, mt_sql_execf(store->db, "INSERT OR REPLACE INTO meta VALUES(%Q, %Q)", name, value),
      "remembering settings", error);
}
