/* sqlite-util.c, lease.c, guard.c, feed.c, reply.c, message-key.c */
#include "store/feed.h"
#include "store/guard.h"
#include "store/lease.h"
#include "store/message-key.h"
#include "store/reply.h"
#include "store/schema.h"

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

/* ---- sqlite-util ------------------------------------------------------------------- */

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
  g_assert_true(MT_SPAN_IS(mt_sql_column(stmt, 0),
                           "a\xef\xbf\xbd\xef\xbf\xbd"
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

/* ---- guard ------------------------------------------------------------------------- */

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

  g_assert_true(mt_sql_exec(db,
                            "CREATE TABLE guard(id INTEGER PRIMARY KEY, minute INT, host INT,"
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
commit(MtGuard *guard, sqlite3 *db)
{
  g_assert_true(mt_guard_submit(guard));
  g_assert_true(mt_guard_write(guard, db));
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
  commit(guard, db);
  g_assert_true(pass(guard, 101, "b")); /* a twin in the same stream */
  commit(guard, db);
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
  commit(guard, db);
  guard = restart(guard, db);
  g_assert_false(pass(guard, 100, "a"));
  g_assert_true(pass(guard, 100, "b"));
  mt_guard_rolled_back(guard);
  g_assert_true(mt_guard_start(guard));
  g_assert_false(pass(guard, 100, "a"));
  g_assert_true(pass(guard, 100, "b"));
  commit(guard, db);
  guard = restart(guard, db);
  g_assert_false(pass(guard, 100, "b"));
  mt_guard_free(guard);
  sqlite3_close(db);
}

/* Many lines of a minute, each twice, in several chunks: none is lost, none is found that was
 * not there. */
/* While one batch is being written the lines of the next one pass: if it fails, both are forgotten,
 * and what others write instead, under the numbers that were ours, is seen. */
static void
test_guard_flight(void)
{
  sqlite3 *db = open_guard_table();
  MtGuard *other = restart(NULL, db), *guard;

  g_assert_true(pass(other, 100, "one"));
  g_assert_true(pass(other, 200, "three"));
  commit(other, db);
  guard = restart(NULL, db);
  g_assert_true(pass(guard, 10, "mine"));
  g_assert_true(mt_guard_submit(guard));
  g_assert_true(pass(guard, 10, "mine")); /* a twin: it is no line of before */
  g_assert_false(pass(guard, 100, "one"));
  g_assert_true(mt_guard_write(guard, db));
  mt_guard_committed(guard);
  g_assert_true(mt_guard_is_last(guard));
  g_assert_true(mt_guard_submit(guard));
  g_assert_false(pass(guard, 200, "three"));
  mt_guard_rolled_back(guard);
  g_assert_true(mt_guard_start(other));
  g_assert_true(pass(other, 200, "two"));
  commit(other, db);
  g_assert_false(mt_guard_is_last(guard));
  g_assert_true(mt_guard_start(guard));
  g_assert_false(pass(guard, 200, "two"));
  g_assert_false(pass(guard, 200, "three"));
  g_assert_false(pass(guard, 100, "one")); /* its line has failed, and comes again */
  g_assert_true(pass(guard, 100, "one"));
  g_assert_true(pass(guard, 10, "mine"));
  mt_guard_free(other);
  mt_guard_free(guard);
  sqlite3_close(db);
}

static void
test_guard_many(void)
{
  sqlite3 *db = open_guard_table();
  MtGuard *guard = restart(NULL, db);
  gchar text[16];

  for (guint round = 0; round < 2; round++)
    {
      for (guint i = 0; i < 3000; i++)
        {
          g_snprintf(text, sizeof text, "line %u", i);
          g_assert_true(pass(guard, 100, text));
          if (i == 0 || i == 7 || i == 1000) /* chunks of 1, 7 and so many */
            commit(guard, db);
        }
      commit(guard, db);
    }
  guard = restart(guard, db);
  for (guint i = 0; i < 3000; i++)
    {
      g_snprintf(text, sizeof text, "line %u", 2999 - i);
      g_assert_false(pass(guard, 100, text));
      g_assert_false(pass(guard, 100, text));
      g_assert_true(pass(guard, 100, text));
      g_snprintf(text, sizeof text, "other %u", i);
      g_assert_true(pass(guard, 100, text));
    }
  g_assert_cmpint(mt_sql_integer(db, "SELECT sum(length(hashes)) FROM guard", 0), <, 6000 * 5);
  mt_guard_free(guard);
  sqlite3_close(db);
}

/* What is no chunk of ours does no harm. */
static void
test_guard_damaged(void)
{
  sqlite3 *db = open_guard_table();
  MtGuard *guard = restart(NULL, db);

  g_assert_true(pass(guard, 100, "a"));
  commit(guard, db);
  g_assert_true(mt_sql_exec(
      db,
      "INSERT INTO guard(minute, host, hashes) SELECT minute, host, x'ffffffff00' FROM guard;"
      "INSERT INTO guard(minute, host, hashes) SELECT minute, host, x'01' FROM guard LIMIT 1;"
      "INSERT INTO guard(minute, host, hashes) SELECT minute, host, x'' FROM guard LIMIT 1;"
      "INSERT INTO guard(minute, host) SELECT minute, host FROM guard LIMIT 1"));
  guard = restart(guard, db);
  g_assert_false(pass(guard, 100, "a"));
  g_assert_true(pass(guard, 100, "b"));
  mt_guard_free(guard);
  sqlite3_close(db);
}

/* ---- feed -------------------------------------------------------------------------- */

static gboolean
feed_row(MtFeed *feed, gint64 n, MtSpan x)
{
  mt_feed_integer(feed, n);
  mt_feed_text(feed, x);
  return mt_feed_end_row(feed);
}

static void
test_feed(void)
{
  sqlite3 *db = open_memory();
  MtFeed *feed = mt_feed_new(db);
  sqlite3_stmt *stmt;
  gchar text[16];

  g_assert_cmpint(sqlite3_prepare_v2(db, "INSERT INTO t SELECT c1, c2 FROM feed", -1, &stmt, NULL),
                  ==, SQLITE_OK);
  g_assert_true(mt_feed_run(feed, stmt)); /* no rows, nothing is run */
  for (guint i = 1; i <= 1000; i++)
    {
      g_snprintf(text, sizeof text, "row %u", i);
      mt_feed_integer(feed, i);
      mt_feed_copy(feed, mt_span_of_string(text));
      if (mt_feed_end_row(feed))
        g_assert_true(mt_feed_run(feed, stmt));
    }
  feed_row(feed, 1001, MT_SPAN("a\xff")); /* becomes valid text */
  feed_row(feed, 1002, MT_NO_SPAN);
  feed_row(feed, 1003, MT_SPAN(""));
  g_assert_true(mt_feed_run(feed, stmt));
  g_assert_cmpint(mt_sql_integer(db, "SELECT count(*) FROM t WHERE x='row '||n", 0), ==, 1000);
  g_assert_cmpint(mt_sql_integer(db,
                                 "SELECT (SELECT x='a\xef\xbf\xbd' FROM t WHERE n=1001)"
                                 " AND (SELECT x IS NULL FROM t WHERE n=1002)"
                                 " AND (SELECT x='' FROM t WHERE n=1003)",
                                 0),
                  ==, 1);
  feed_row(feed, 1, MT_SPAN("there is one")); /* fails, and leaves nothing behind */
  g_assert_false(mt_feed_run(feed, stmt));
  feed_row(feed, 1004, MT_SPAN("after"));
  g_assert_true(mt_feed_run(feed, stmt));
  g_assert_cmpint(mt_sql_integer(db, "SELECT count(*) FROM t", 0), ==, 1004);
  sqlite3_finalize(stmt);
  sqlite3_close(db);
  mt_feed_free(feed);
}

/* ---- replies ----------------------------------------------------------------------- */

static gchar *
join_reply(const gchar *form, MtSpan part, MtSpan recipient)
{
  gchar *sql = mt_schema_fill("SELECT " MT_REPLY_SQL("?2", "?1", "?3"), 1), *joined = NULL;
  sqlite3 *db = open_memory();
  sqlite3_stmt *stmt;

  g_assert_true(mt_sql_exec(db, "CREATE TABLE name_1(id INTEGER PRIMARY KEY, text TEXT)"));
  g_assert_true(mt_sql_execf(db, "INSERT INTO name_1 VALUES(5, %Q)", form));
  g_assert_cmpint(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL), ==, SQLITE_OK);
  mt_sql_bind_number(stmt, 1, form ? 5 : 0, 0);
  mt_sql_bind(stmt, 2, part);
  mt_sql_bind(stmt, 3, recipient);
  g_assert_cmpint(sqlite3_step(stmt), ==, SQLITE_ROW);
  joined = g_strdup((const gchar *) sqlite3_column_text(stmt, 0));
  sqlite3_finalize(stmt);
  sqlite3_close(db);
  g_free(sql);
  return joined;
}

/* Each comes back as it was; NULL form: it is kept whole. */
static const struct
{
  const gchar *reply, *recipient, *id, *form, *part;
} replies[] = {
  { "250 2.0.0 Ok: queued as 4XyZ", "bob@example.com", "4XyZ", "250 2.0.0 Ok: queued as \1",
    "4XyZ" },
  { "250 2.0.0 <bob@example.com> S1 Saved", "bob@example.com", "S1", "250 2.0.0 <\2> \1 Saved",
    "S1" },
  { "<bob@example.com> and ann@example.com", "bob@example.com", NULL, NULL, NULL },
  { "250 2.0.0 OK 1773081234 a1-20020a17.21 - gsmtp", "x", NULL, "250 2.0.0 OK \1 - gsmtp",
    "1773081234 a1-20020a17.21" },
  { "550 5.7.26 refused, see 5.7.260 below", "x", NULL, "550 5.7.26 refused, see 5.7.260 below",
    NULL },
  { "delivered to mailbox", "", NULL, "delivered to mailbox", NULL },
  { "the ID is gone: 250 ok", "", "nowhere", "the ID is gone: 250 ok", NULL },
  { "short", "", NULL, NULL, NULL },
  { "not \xff valid text", "", NULL, NULL, NULL },
  { "marks \1 of our own", "", NULL, NULL, NULL },
  { "marks \2 of our own", "", NULL, NULL, NULL },
  /* A name or an ID that ends within a character is no part of it. */
  { "250 to \xc3\xa4\xc3\xa4\xc3\xa4 it goes", "\xa4\xc3\xa4", "\xc3",
    "250 to \xc3\xa4\xc3\xa4\xc3\xa4 it goes", NULL },
};

static void
test_replies(void)
{
  for (guint i = 0; i < G_N_ELEMENTS(replies); i++)
    {
      MtSpan reply = mt_span_of_string(replies[i].reply);
      MtSpan recipient = mt_span_of_string(replies[i].recipient);
      MtSpan id = replies[i].id ? mt_span_of_string(replies[i].id) : MT_NO_SPAN, part;
      GString *form = g_string_new(NULL);
      gchar *again;

      g_assert_cmpint(mt_reply_split(reply, recipient, id, form, &part), ==,
                      replies[i].form != NULL);
      if (replies[i].form)
        {
          g_assert_cmpstr(form->str, ==, replies[i].form);
          g_assert_true(part.at ? replies[i].part
                                      && mt_span_equal(part, mt_span_of_string(replies[i].part))
                                : !replies[i].part);
          again = join_reply(form->str, part, recipient);
          g_assert_cmpstr(again, ==, replies[i].reply);
          g_free(again);
        }
      g_string_free(form, TRUE);
    }
}

/* ---- keys of Message-IDs
 * -------------------------------------------------------------------------
 */

static void
test_message_key(void)
{
  sqlite3 *db = open_memory();
  MtHashKey key = { { 5, 6 } };
  guint64 hash = mt_message_key_hash(&key, MT_SPAN("<a@example.com>"));
  sqlite3_stmt *stmt;

  g_assert_false(mt_message_key_register(db)); /* no key is there */
  g_assert_true(mt_sql_exec(db, "CREATE TABLE meta(name TEXT, value)"));
  g_assert_cmpint(sqlite3_prepare_v2(db, "INSERT INTO meta VALUES('key', ?1)", -1, &stmt, NULL), ==,
                  SQLITE_OK);
  sqlite3_bind_blob(stmt, 1, key.k, sizeof key.k, SQLITE_STATIC);
  g_assert_true(mt_sql_run(stmt));
  sqlite3_finalize(stmt);
  g_assert_true(mt_message_key_register(db));
  g_assert_cmpint(mt_sql_integer(db, "SELECT mt_message_key('<a@example.com>', 86400000000-1)", 0),
                  ==, mt_message_key(hash, MT_DAY_US - 1));
  g_assert_cmpint(mt_sql_integer(db, "SELECT mt_message_key(NULL, 0) IS NULL", 0), ==, 1);
  /* The same each day, another in each span, and never more than four bytes. */
  g_assert_cmpint(mt_message_key(hash, MT_HOUR_US), ==, mt_message_key(hash, 9 * MT_DAY_US));
  g_assert_cmpint(mt_message_key(hash, -1), ==, mt_message_key(hash, MT_DAY_US - 1));
  for (gint i = 1; i < MT_MESSAGE_KEY_SPANS; i++)
    g_assert_cmpint(mt_message_key(hash, i * MT_MESSAGE_KEY_SPAN_US - 1), <,
                    mt_message_key(hash, i * MT_MESSAGE_KEY_SPAN_US));
  g_assert_cmpint(mt_message_key(G_MAXUINT64, MT_DAY_US - 1), <=, G_MAXINT32);
  /* What is no valid text is stored as other text, whose key it has. */
  g_assert_cmpuint(mt_message_key_hash(&key, MT_SPAN("<\xff>")), ==,
                   mt_message_key_hash(&key, MT_SPAN("<\xef\xbf\xbd>")));
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
  g_test_add_func("/store/guard-flight", test_guard_flight);
  g_test_add_func("/store/guard-many", test_guard_many);
  g_test_add_func("/store/guard-damaged", test_guard_damaged);
  g_test_add_func("/store/feed", test_feed);
  g_test_add_func("/store/replies", test_replies);
  g_test_add_func("/store/message-key", test_message_key);
  return g_test_run();
}
