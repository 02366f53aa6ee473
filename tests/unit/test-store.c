/* sqlite-util.c, lease.c, guard.c */
#include "store/guard.h"
#include "store/lease.h"

#include <glib/gstdio.h>
#include <unistd.h>

static sqlite3 *
open_memory(void)
{
  sqlite3 *db;

  g_assert_cmpint(sqlite3_open(":memory:", &db), ==, SQLITE_OK);
  g_assert_true(mt_sql_exec(db, "CREATE TABLE t(n INT PRIMARY KEY, x TEXT)"));
  return db;
}

/* ---- sqlite-util ------------------------------------------------------------------------------
 */

static void
test_sql(void)
{
  sqlite3 *db = open_memory();
  sqlite3_stmt *stmt;

  g_assert_false(mt_sql_exec(db, "CREATE NONSENSE"));
  g_assert_true(mt_sql_execf(db, "INSERT INTO t VALUES(%d, %Q)", 1, "it's"));
  g_assert_cmpint(mt_sql_integer(db, "SELECT count(*) FROM t WHERE x='it''s'", -1), ==, 1);
  g_assert_cmpint(mt_sql_integer(db, "SELECT n FROM t WHERE n=99", -1), ==, -1);
  g_assert_cmpint(sqlite3_prepare_v2(db, "SELECT ?1, ?2, ?3, ?4", -1, &stmt, NULL), ==, SQLITE_OK);
  mt_sql_bind(stmt, 1, mt_span("a\xff\0b", 4)); /* comes back as valid text without NUL */
  mt_sql_bind(stmt, 2, MT_NO_SPAN);
  mt_sql_bind(stmt, 3, MT_SPAN(""));
  mt_sql_bind_number(stmt, 4, -1, -1);
  g_assert_cmpint(sqlite3_step(stmt), ==, SQLITE_ROW);
  g_assert_true(MT_SPAN_IS(mt_sql_column(stmt, 0), "a\xef\xbf\xbd\xef\xbf\xbd"
                                                   "b"));
  g_assert_cmpint(sqlite3_column_type(stmt, 1), ==, SQLITE_NULL);
  g_assert_cmpint(sqlite3_column_type(stmt, 2), ==, SQLITE_TEXT);
  g_assert_cmpint(mt_sql_number(stmt, 3, 7), ==, 7);
  sqlite3_finalize(stmt);
  sqlite3_close(db);
}

static void
test_sql_fail(void)
{
  sqlite3 *db = open_memory();
  GError *error = NULL;

  mt_sql_exec(db, "PRAGMA query_only=1");
  g_assert_false(mt_sql_exec(db, "INSERT INTO t VALUES(1, 'x')"));
  g_assert_false(mt_sql_fail(db, "/x/mail.db", "writing records", &error));
  g_assert_error(error, MT_STORE_ERROR, MT_STORE_ERROR_IO);
  g_assert_true(g_str_has_prefix(error->message, "/x/mail.db: writing records: "));
  g_clear_error(&error);
  sqlite3_close(db);
}

/* ---- lease ---------------------------------------------------------------------------------- */

static void
test_lease(void)
{
  gchar *dir = g_dir_make_tmp("lease-XXXXXX", NULL), *path = g_build_filename(dir, "mail.db", NULL);
  gchar *lock = g_strconcat(path, "-lock", NULL);
  GError *error = NULL;
  MtLease one, two;
  GStatBuf now;

  mt_lease_init(&one, path, 0640, -1, -1);
  mt_lease_init(&two, path, 0640, -1, -1);
  g_assert_true(mt_lease_take(&one, 0, NULL));
  g_assert_cmpint(g_stat(lock, &now), ==, 0);
  g_assert_cmpint(now.st_mode & 0777, ==, 0640);
  g_assert_true(mt_lease_take(&one, 0, NULL)); /* has it already */
  g_assert_false(mt_lease_take(&two, 10, &error));
  g_assert_error(error, MT_STORE_ERROR, MT_STORE_ERROR_BUSY);
  g_clear_error(&error);
  mt_lease_give(&one);
  g_assert_true(mt_lease_take(&two, 0, NULL));
  g_assert_false(mt_lease_take(&one, 10, NULL));
  mt_lease_clear(&two); /* as when its process dies */
  g_assert_true(mt_lease_take(&one, 0, NULL));
  mt_lease_clear(&one);
  g_remove(lock);
  g_rmdir(dir);
  g_free(lock);
  g_free(path);
  g_free(dir);
}

static void
assert_refused(const gchar *path, const gchar *lock)
{
  GError *error = NULL;
  MtLease lease;

  mt_lease_init(&lease, path, 0640, -1, -1);
  g_assert_false(mt_lease_take(&lease, 0, &error));
  g_assert_nonnull(error);
  g_assert_nonnull(strstr(error->message, lock));
  g_clear_error(&error);
  mt_lease_clear(&lease);
}

/* A link that somebody put there is not followed; a missing directory is named. */
static void
test_lease_refuses(void)
{
  gchar *dir = g_dir_make_tmp("lease-XXXXXX", NULL), *path = g_build_filename(dir, "mail.db", NULL);
  gchar *lock = g_strconcat(path, "-lock", NULL);

  g_assert_cmpint(symlink("/etc/passwd", lock), ==, 0);
  assert_refused(path, lock);
  assert_refused("/nonexistent/mail.db", "/nonexistent/mail.db-lock");
  g_remove(lock);
  g_rmdir(dir);
  g_free(lock);
  g_free(path);
  g_free(dir);
}

/* ---- guard ------------------------------------------------------------------------------------
 */

static const MtHashKey guard_key = { { 3, 4 } };

static gboolean
pass(MtGuard *guard, gint second, const gchar *text)
{
  MtLine line = { .time = second * MT_SECOND_US,
                  .host = MT_SPAN_INIT("mx1"),
                  .program = MT_SPAN_INIT("postfix/smtpd"),
                  .pid = 1,
                  .repeat = 1 };

  line.text = mt_span_of_string(text);
  return mt_guard_pass(guard, &line);
}

static sqlite3 *
open_guard_table(void)
{
  sqlite3 *db = open_memory();

  g_assert_true(mt_sql_exec(db, "CREATE TABLE guard(id INTEGER PRIMARY KEY, minute INT, host INT,"
                                " hashes BLOB)"));
  return db;
}

static MtGuard *
restart(MtGuard *guard, sqlite3 *db)
{
  mt_guard_free(guard);
  guard = mt_guard_new(db, &guard_key);
  g_assert_true(mt_guard_start(guard));
  return guard;
}

static void
commit(MtGuard *guard)
{
  g_assert_true(mt_guard_write(guard));
  mt_guard_committed(guard);
}

/* A line twice in a stream is two lines; sent again after a restart it is none. */
static void
test_guard(void)
{
  sqlite3 *db = open_guard_table();
  MtGuard *guard = restart(NULL, db);

  g_assert_true(pass(guard, 100, "a"));
  g_assert_true(pass(guard, 100, "a"));
  g_assert_true(pass(guard, 101, "b"));
  commit(guard);
  g_assert_true(pass(guard, 101, "b")); /* a twin in the same stream */
  commit(guard);
  guard = restart(guard, db);
  g_assert_false(pass(guard, 100, "a"));
  g_assert_false(pass(guard, 100, "a"));
  g_assert_true(pass(guard, 100, "a")); /* a third one */
  g_assert_false(pass(guard, 101, "b"));
  g_assert_true(pass(guard, 101, "c"));
  g_assert_true(pass(guard, 500, "a")); /* a newer minute */
  g_assert_cmpuint(mt_guard_held(guard), ==, 3);
  mt_guard_free(guard);
  sqlite3_close(db);
}

/* After a commit that failed the same lines come again, and count. */
static void
test_guard_rolled_back(void)
{
  sqlite3 *db = open_guard_table();
  MtGuard *guard = restart(NULL, db);

  g_assert_true(pass(guard, 100, "a"));
  commit(guard);
  guard = restart(guard, db);
  g_assert_false(pass(guard, 100, "a"));
  g_assert_true(pass(guard, 100, "b"));
  mt_guard_rolled_back(guard);
  g_assert_true(mt_guard_start(guard));
  g_assert_false(pass(guard, 100, "a"));
  g_assert_true(pass(guard, 100, "b"));
  commit(guard);
  guard = restart(guard, db);
  g_assert_false(pass(guard, 100, "b"));
  mt_guard_free(guard);
  sqlite3_close(db);
}

int
main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/store/sql", test_sql);
  g_test_add_func("/store/sql-fail", test_sql_fail);
  g_test_add_func("/store/lease", test_lease);
  g_test_add_func("/store/lease-refuses", test_lease_refuses);
  g_test_add_func("/store/guard", test_guard);
  g_test_add_func("/store/guard-rolled-back", test_guard_rolled_back);
  return g_test_run();
}
