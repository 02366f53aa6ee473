/* bench-floor: what SQLite takes for the rows of a store, and nothing else
 *
 *     bench-floor STORE NEW_FILE BATCHES
 *
 * Reads all rows of STORE into memory, then binds each to its table's INSERT in NEW_FILE, which has
 * the same tables, cache and journal mode: a batch has its share of each table's rows, in the order
 * of their numbers, and is a transaction.  Once with all indexes there from the start, once with
 * the indexes built at the end.  Says, as JSON, how many rows there are, and both times in seconds.
 */
#include "store/sqlite-util.h"

#include <glib/gstdio.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct
{
  gchar *sql, *insert;
  guint columns;
  GPtrArray *values; /* sqlite3_value, row by row */
} Rows;

static sqlite3 *db;

static void
check(gboolean ok)
{
  if (ok)
    return;
  fprintf(stderr, "bench-floor: %s\n", sqlite3_errmsg(db));
  exit(1);
}

static sqlite3_stmt *
prepare(const gchar *sql)
{
  sqlite3_stmt *stmt;

  check(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) == SQLITE_OK);
  return stmt;
}

static gchar *
insert_of(const gchar *table, guint columns)
{
  GString *sql = g_string_new(NULL);

  g_string_printf(sql, "INSERT OR REPLACE INTO %s VALUES(?1", table);
  for (guint i = 2; i <= columns; i++)
    g_string_append_printf(sql, ",?%u", i);
  g_string_append_c(sql, ')');
  return g_string_free(sql, FALSE);
}

/* What has no number of its own comes in any order. */
static Rows
read_rows(const gchar *table, const gchar *sql)
{
  gboolean numbered =
      strstr(sql, "id INTEGER PRIMARY KEY") || strstr(sql, "line INTEGER PRIMARY KEY");
  gchar *select =
      g_strdup_printf("SELECT * FROM %s ORDER BY %s", table, numbered ? "rowid" : "random()");
  sqlite3_stmt *stmt = prepare(select);
  Rows rows = { .sql = g_strdup(sql), .columns = sqlite3_column_count(stmt) };

  rows.values = g_ptr_array_new();
  while (sqlite3_step(stmt) == SQLITE_ROW)
    for (guint c = 0; c < rows.columns; c++)
      g_ptr_array_add(rows.values, sqlite3_value_dup(sqlite3_column_value(stmt, c)));
  sqlite3_finalize(stmt);
  g_free(select);
  rows.insert = insert_of(table, rows.columns);
  return rows;
}

static GArray *
read_store(const gchar *path, GPtrArray *indexes)
{
  GArray *all = g_array_new(FALSE, FALSE, sizeof(Rows));
  sqlite3_stmt *stmt;

  check(sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL) == SQLITE_OK);
  stmt = prepare(
      "SELECT type, name, sql FROM sqlite_schema WHERE sql IS NOT NULL"
      " AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'");
  while (sqlite3_step(stmt) == SQLITE_ROW)
    {
      const gchar *type = (const gchar *) sqlite3_column_text(stmt, 0);
      const gchar *sql = (const gchar *) sqlite3_column_text(stmt, 2);

      if (g_str_equal(type, "index"))
        g_ptr_array_add(indexes, g_strdup(sql));
      else if (g_str_equal(type, "table"))
        {
          Rows rows = read_rows((const gchar *) sqlite3_column_text(stmt, 1), sql);

          g_array_append_val(all, rows);
        }
    }
  sqlite3_finalize(stmt);
  sqlite3_close(db);
  return all;
}

static void
write_share(const Rows *rows, sqlite3_stmt *stmt, guint batch, guint batches)
{
  guint64 count = rows->values->len / rows->columns;

  for (guint64 r = count * batch / batches; r < count * (batch + 1) / batches; r++)
    {
      for (guint c = 0; c < rows->columns; c++)
        sqlite3_bind_value(stmt, c + 1, g_ptr_array_index(rows->values, r * rows->columns + c));
      check(mt_sql_run(stmt));
    }
}

static void
make_indexes(const GPtrArray *indexes)
{
  for (guint i = 0; i < indexes->len; i++)
    check(mt_sql_exec(db, g_ptr_array_index(indexes, i)));
}

static gdouble
write_store(const gchar *path, const GArray *all, const GPtrArray *indexes, gboolean at_end,
            guint batches)
{
  g_autoptr(GPtrArray) stmts = g_ptr_array_new();
  gint64 begin_us;

  check(sqlite3_open(path, &db) == SQLITE_OK);
  check(mt_sql_exec(db,
                    "PRAGMA auto_vacuum=INCREMENTAL; PRAGMA journal_mode=WAL;"
                    "PRAGMA synchronous=NORMAL; PRAGMA temp_store=MEMORY;"
                    "PRAGMA cache_size=-65536; PRAGMA wal_autocheckpoint=48000"));
  for (guint i = 0; i < all->len; i++)
    check(mt_sql_exec(db, g_array_index(all, Rows, i).sql));
  begin_us = g_get_monotonic_time();
  if (!at_end)
    make_indexes(indexes);
  for (guint i = 0; i < all->len; i++)
    g_ptr_array_add(stmts, prepare(g_array_index(all, Rows, i).insert));
  for (guint batch = 0; batch < batches; batch++)
    {
      check(mt_sql_exec(db, "BEGIN IMMEDIATE"));
      for (guint i = 0; i < all->len; i++)
        write_share(&g_array_index(all, Rows, i), g_ptr_array_index(stmts, i), batch, batches);
      check(mt_sql_exec(db, "COMMIT"));
    }
  for (guint i = 0; i < stmts->len; i++)
    sqlite3_finalize(g_ptr_array_index(stmts, i));
  if (at_end)
    make_indexes(indexes);
  sqlite3_close(db);
  return (g_get_monotonic_time() - begin_us) / 1e6;
}

int
main(int argc, char **argv)
{
  g_autoptr(GPtrArray) indexes = g_ptr_array_new_with_free_func(g_free);
  guint64 rows = 0;
  gdouble there, at_end;
  GArray *all;

  if (argc != 4 || atoi(argv[3]) < 1)
    {
      fprintf(stderr, "usage: bench-floor STORE NEW_FILE BATCHES\n");
      return 2;
    }
  all = read_store(argv[1], indexes);
  for (guint i = 0; i < all->len; i++)
    rows += g_array_index(all, Rows, i).values->len / g_array_index(all, Rows, i).columns;
  there = write_store(argv[2], all, indexes, FALSE, atoi(argv[3]));
  g_unlink(argv[2]);
  at_end = write_store(argv[2], all, indexes, TRUE, atoi(argv[3]));
  g_unlink(argv[2]);
  printf("{\"rows\": %" G_GUINT64_FORMAT
         ", \"indexes_there_s\": %.3f, \"indexes_at_end_s\": %.3f}\n",
         rows, there, at_end);
  return 0;
}
