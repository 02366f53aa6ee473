/* test-log-vfs: what gathers on its way into the log is there when others are told of it */
#include "store/fault-vfs.h"
#include "store/log-vfs.h"
#include "store/sqlite-util.h"

#include <glib/gstdio.h>
#include <unistd.h>

#define ROUNDS 400
#define KEYS 3000

typedef struct
{
  gchar *directory, *path, *twin_path;
  MtLogVfs *vfs;
  sqlite3 *ours, *twin, *reader; /* by our VFS, by SQLite's own, and another program's */
} Pair;

static sqlite3 *
open_file(const gchar *path, const char *vfs)
{
  sqlite3 *db;

  g_assert_cmpint(sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, vfs), ==,
                  SQLITE_OK);
  /* A cache that the larger transactions do not fit into: pages go into the log, are read
   * back, and are changed there. */
  g_assert_true(
      mt_sql_exec(db, "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA cache_size=20"));
  return db;
}

static void
set_up(Pair *pair, gconstpointer data)
{
  static const gchar schema[] =
      "CREATE TABLE t(k INTEGER PRIMARY KEY, x BLOB); CREATE INDEX t_x ON t(x);";

  pair->directory = g_dir_make_tmp("mailtrail-vfs-XXXXXX", NULL);
  pair->path = g_build_filename(pair->directory, "ours.db", NULL);
  pair->twin_path = g_build_filename(pair->directory, "twin.db", NULL);
  pair->vfs = mt_log_vfs_new();
  pair->ours = open_file(pair->path, mt_log_vfs_name(pair->vfs));
  pair->twin = open_file(pair->twin_path, NULL);
  pair->reader = open_file(pair->path, NULL);
  g_assert_true(mt_sql_exec(pair->ours, schema) && mt_sql_exec(pair->twin, schema));
}

static void
tear_down(Pair *pair, gconstpointer data)
{
  static const gchar *const ends[] = { "", "-wal", "-shm" };

  sqlite3_close(pair->reader);
  sqlite3_close(pair->ours);
  sqlite3_close(pair->twin);
  mt_log_vfs_free(pair->vfs);
  for (guint i = 0; i < G_N_ELEMENTS(ends); i++)
    {
      gchar *ours = g_strconcat(pair->path, ends[i], NULL);
      gchar *twin = g_strconcat(pair->twin_path, ends[i], NULL);

      g_unlink(ours);
      g_unlink(twin);
      g_free(ours);
      g_free(twin);
    }
  g_rmdir(pair->directory);
  g_free(pair->path);
  g_free(pair->twin_path);
  g_free(pair->directory);
}

static gchar *
content(sqlite3 *db)
{
  gchar *text = mt_sql_text(db,
                            "SELECT count(*)||' '||coalesce(sum(k), 0)||' '||"
                            "coalesce(sum(length(x)*(k%97)+unicode(hex(x))), 0) FROM t");

  g_assert_nonnull(text);
  return text;
}

static void
assert_same(const Pair *pair)
{
  gchar *twin = content(pair->twin), *reader = content(pair->reader);

  g_assert_cmpstr(reader, ==, twin);
  g_free(twin);
  g_free(reader);
}

static void
assert_sound(const Pair *pair)
{
  gchar *said = mt_sql_text(pair->reader, "PRAGMA integrity_check");

  g_assert_cmpstr(said, ==, "ok");
  g_free(said);
}

static gboolean
in_both(const Pair *pair, const gchar *sql)
{
  gboolean ok = mt_sql_exec(pair->ours, sql);

  g_assert_true(mt_sql_exec(pair->twin, sql));
  return ok;
}

static void
change(const Pair *pair)
{
  gint first = g_test_rand_int_range(0, KEYS), count = g_test_rand_int_range(1, 400);
  gchar *sql;

  if (g_test_rand_int_range(0, 4))
    sql = g_strdup_printf(
        "WITH n(k) AS (VALUES(%d) UNION ALL SELECT k+1 FROM n WHERE k<%d)"
        " INSERT OR REPLACE INTO t SELECT k*7919%%%d, zeroblob(k*%d%%300) FROM n",
        first, first + count, KEYS, g_test_rand_int_range(1, 300));
  else
    sql = g_strdup_printf("DELETE FROM t WHERE k BETWEEN %d AND %d", first, first + count);
  g_assert_true(in_both(pair, sql));
  g_free(sql);
}

static void
test_same(Pair *pair, gconstpointer data)
{
  for (guint i = 0; i < ROUNDS; i++)
    {
      g_assert_true(in_both(pair, "BEGIN IMMEDIATE"));
      change(pair);
      change(pair);
      if (g_test_rand_bit())
        {
          g_assert_true(in_both(pair, "SAVEPOINT s"));
          change(pair);
          g_assert_true(
              in_both(pair, g_test_rand_bit() ? "ROLLBACK TO s; RELEASE s" : "RELEASE s"));
        }
      change(pair);
      g_assert_true(in_both(pair, g_test_rand_int_range(0, 5) ? "COMMIT" : "ROLLBACK"));
      assert_same(pair);
      if (g_test_rand_int_range(0, 20) == 0)
        g_assert_true(in_both(pair, g_test_rand_bit() ? "PRAGMA wal_checkpoint(PASSIVE)"
                                                      : "PRAGMA wal_checkpoint(TRUNCATE)"));
    }
  assert_sound(pair);
}

/* Who is killed leaves a log that holds every transaction that was told. */
static void
test_killed(Pair *pair, gconstpointer data)
{
  gchar *copy = g_build_filename(pair->directory, "copy.db", NULL);
  gchar *copy_log = g_strconcat(copy, "-wal", NULL), *log = g_strconcat(pair->path, "-wal", NULL);

  for (guint i = 0; i < 20; i++)
    {
      gchar *bytes = NULL, *log_bytes = NULL, *found, *twin;
      gsize len = 0, log_len = 0;
      sqlite3 *db;

      change(pair);
      twin = content(pair->twin);
      g_assert_true(mt_sql_exec(pair->ours, "BEGIN IMMEDIATE; UPDATE t SET x=zeroblob(200)"));
      g_assert_true(g_file_get_contents(pair->path, &bytes, &len, NULL)
                    && g_file_get_contents(log, &log_bytes, &log_len, NULL)
                    && g_file_set_contents(copy, bytes, len, NULL)
                    && g_file_set_contents(copy_log, log_bytes, log_len, NULL));
      db = open_file(copy, NULL);
      found = content(db);
      g_assert_cmpstr(found, ==, twin);
      sqlite3_close(db);
      g_unlink(copy_log);
      g_assert_true(mt_sql_exec(pair->ours, "ROLLBACK"));
      g_free(bytes);
      g_free(log_bytes);
      g_free(found);
      g_free(twin);
    }
  g_unlink(copy);
  g_free(copy);
  g_free(copy_log);
  g_free(log);
}

/* Trouble is the transaction's in which it is met, and nobody sees half of one. */
static void
test_trouble(Pair *pair, gconstpointer data)
{
  static const FaultKind kinds[] = { FAULT_FULL, FAULT_WRITE };
  guint failed = 0;

  for (guint i = 0; i < ROUNDS; i++)
    {
      gint first = g_test_rand_int_range(0, KEYS);
      gchar *sql = g_strdup_printf(
          "WITH n(k) AS (VALUES(%d) UNION ALL SELECT k+1 FROM n WHERE k<%d)"
          " INSERT OR REPLACE INTO t SELECT k*7919%%%d, zeroblob(200) FROM n",
          first, first + g_test_rand_int_range(1, 400), KEYS);
      gboolean ok;

      fault_vfs_set(kinds[i % G_N_ELEMENTS(kinds)], g_test_rand_int_range(0, 8), 1);
      ok = mt_sql_exec(pair->ours, sql);
      failed += !ok;
      g_assert_true(ok || fault_vfs_fired());
      fault_vfs_set(FAULT_NONE, 0, 0);
      if (ok)
        g_assert_true(mt_sql_exec(pair->twin, sql));
      assert_same(pair);
      g_free(sql);
    }
  g_assert_cmpuint(failed, >, ROUNDS / 20);
  assert_sound(pair);
}

/* What it is for: each page of a commit took two calls. */
static void
test_writes(Pair *pair, gconstpointer data)
{
  guint writes, twin_writes;

  g_assert_true(mt_sql_exec(pair->ours, "PRAGMA cache_size=2000")
                && mt_sql_exec(pair->twin, "PRAGMA cache_size=2000"));
  g_assert_true(in_both(pair,
                        "WITH n(k) AS (VALUES(1) UNION ALL SELECT k+1 FROM n WHERE k<3000)"
                        " INSERT INTO t SELECT k, zeroblob(200) FROM n"));
  writes = fault_vfs_writes();
  g_assert_true(mt_sql_exec(pair->ours, "UPDATE t SET x=zeroblob(199)"));
  writes = fault_vfs_writes() - writes;
  twin_writes = fault_vfs_writes();
  g_assert_true(mt_sql_exec(pair->twin, "UPDATE t SET x=zeroblob(199)"));
  twin_writes = fault_vfs_writes() - twin_writes;
  g_assert_cmpuint(writes * 30, <, twin_writes);
  assert_same(pair);
}

int
main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  fault_vfs_register();
#define ADD(name) g_test_add("/store/log-vfs/" #name, Pair, NULL, set_up, test_##name, tear_down)
  ADD(same);
  ADD(killed);
  ADD(trouble);
  ADD(writes);
#undef ADD
  return g_test_run();
}
