#include "engine/query-private.h"
#include "store/message-key.h"
#include "store/schema.h"

#define BUSY_TIMEOUT_MS 5000

/* Statements kept for when they are asked again. */
#define MAX_IDLE 64

/* No table has a longer text; nearly every union has. */
#define LEAN_SQL_BYTES 800

struct MtRows
{
  MtQuery *query;
  sqlite3_stmt *stmt;
};

static gboolean
check(MtQuery *query, GError **error)
{
  gint64 id, version;

  if ((id = mt_sql_integer(query->db, "PRAGMA application_id", -1)) < 0
      || (version = mt_sql_integer(query->db, "PRAGMA user_version", -1)) < 0)
    return mt_sql_fail(query->db, query->path, "reading the store", error);
  if (id != MT_SCHEMA_APPLICATION_ID)
    g_set_error(error, MT_STORE_ERROR, MT_STORE_ERROR_OPEN, "%s: is no mailtrail store",
                query->path);
  else if (version > MT_SCHEMA_VERSION)
    g_set_error(error, MT_STORE_ERROR, MT_STORE_ERROR_NEWER,
                "%s: has schema %d, this program knows up to %d; use the newer mailtrail",
                query->path, (gint) version, MT_SCHEMA_VERSION);
  else if (!mt_message_key_register(query->db))
    return mt_sql_fail(query->db, query->path, "reading the store's key", error);
  return id == MT_SCHEMA_APPLICATION_ID && version <= MT_SCHEMA_VERSION;
}

void
mt_query_alone(void)
{
  sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
}

static void
finalize(gpointer stmt)
{
  sqlite3_finalize(stmt);
}

/* Without its unions: the texts of tables are short.  A schema that cannot be read is read as far
 * as it can while it may be written, which nobody does here.  Should another SQLite see that
 * otherwise, or should a view be missed, the store is opened again as others open it. */
static void
read_lean_schema(MtQuery *query)
{
  gint longest = sqlite3_limit(query->db, SQLITE_LIMIT_SQL_LENGTH, LEAN_SQL_BYTES);

  sqlite3_db_config(query->db, SQLITE_DBCONFIG_WRITABLE_SCHEMA, 1, NULL);
  mt_sql_integer(query->db, "SELECT 1 FROM segment", 0);
  sqlite3_db_config(query->db, SQLITE_DBCONFIG_WRITABLE_SCHEMA, 0, NULL);
  sqlite3_limit(query->db, SQLITE_LIMIT_SQL_LENGTH, longest);
}

static gboolean
open_database(MtQuery *query, gboolean lean, GError **error)
{
  if (sqlite3_open_v2(query->path, &query->db, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, NULL)
      != SQLITE_OK)
    return mt_sql_fail(query->db, query->path, "opening the store", error);
  sqlite3_busy_timeout(query->db, BUSY_TIMEOUT_MS);
  query->lean = lean;
  if (lean)
    read_lean_schema(query);
  return check(query, error);
}

static gboolean
open_again(MtQuery *query, GError **error)
{
  g_hash_table_remove_all(query->idle);
  sqlite3_close_v2(query->db); /* rows that are being read stay */
  query->db = NULL;
  query->segment = query->mailboxes = 0;
  return open_database(query, FALSE, error);
}

static MtQuery *
open_query(const gchar *path, gboolean lean, GError **error)
{
  MtQuery *query = g_new0(MtQuery, 1);

  query->path = g_strdup(path);
  query->idle = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, finalize);
  if (!g_file_test(path, G_FILE_TEST_EXISTS))
    g_set_error(error, MT_STORE_ERROR, MT_STORE_ERROR_OPEN,
                "%s: there is no such store; name it with --database", path);
  else if (open_database(query, lean, lean ? NULL : error) || (lean && open_again(query, error)))
    return query;
  mt_query_close(query);
  return NULL;
}

MtQuery *
mt_query_open(const gchar *path, GError **error)
{
  return open_query(path, FALSE, error);
}

MtQuery *
mt_query_open_lean(const gchar *path, GError **error)
{
  return open_query(path, TRUE, error);
}

void
mt_query_close(MtQuery *query)
{
  if (!query)
    return;
  g_hash_table_destroy(query->idle);
  sqlite3_close_v2(query->db);
  g_free(query->path);
  g_free(query);
}

sqlite3_stmt *
mt_query_prepare(MtQuery *query, const gchar *sql, GError **error)
{
  gpointer known, idle;
  sqlite3_stmt *stmt;

  if (g_hash_table_steal_extended(query->idle, sql, &known, &idle))
    {
      g_free(known);
      return idle;
    }
  if (sqlite3_prepare_v2(query->db, sql, -1, &stmt, NULL) == SQLITE_OK)
    return stmt;
  if (query->lean)
    return open_again(query, error) ? mt_query_prepare(query, sql, error) : NULL;
  mt_sql_fail(query->db, query->path, "asking the store", error);
  return NULL;
}

void
mt_query_done(MtQuery *query, sqlite3_stmt *stmt)
{
  if (g_hash_table_size(query->idle) >= MAX_IDLE)
    g_hash_table_remove_all(query->idle);
  sqlite3_reset(stmt);
  sqlite3_clear_bindings(stmt);
  g_hash_table_replace(query->idle, g_strdup(sqlite3_sql(stmt)), stmt);
}

gboolean
mt_query_step(MtQuery *query, sqlite3_stmt *stmt, GError **error)
{
  gint code = sqlite3_step(stmt);

  if (code != SQLITE_ROW && code != SQLITE_DONE)
    mt_sql_fail(query->db, query->path, "reading rows", error);
  return code == SQLITE_ROW;
}

MtRows *
mt_query_run(MtQuery *query, const gchar *sql, const gchar *const *params, GError **error)
{
  sqlite3_stmt *stmt = mt_query_prepare(query, sql, error);
  MtRows *rows;

  if (!stmt)
    return NULL;
  rows = g_new(MtRows, 1);
  *rows = (MtRows){ query, stmt };
  for (gint i = 0; params && params[i]; i++)
    sqlite3_bind_text(rows->stmt, i + 1, params[i], -1, SQLITE_TRANSIENT);
  return rows;
}

void
mt_rows_free(MtRows *rows)
{
  if (!rows)
    return;
  mt_query_done(rows->query, rows->stmt);
  g_free(rows);
}

gboolean
mt_rows_next(MtRows *rows, GError **error)
{
  return mt_query_step(rows->query, rows->stmt, error);
}

guint
mt_rows_columns(const MtRows *rows)
{
  return sqlite3_column_count(rows->stmt);
}

const gchar *
mt_rows_name(const MtRows *rows, guint column)
{
  return sqlite3_column_name(rows->stmt, column);
}

gint
mt_rows_column(const MtRows *rows, const gchar *name)
{
  for (guint i = 0; i < mt_rows_columns(rows); i++)
    if (g_str_equal(mt_rows_name(rows, i), name))
      return i;
  return -1;
}

MtColumnType
mt_rows_type(const MtRows *rows, guint column)
{
  switch (sqlite3_column_type(rows->stmt, column))
    {
    case SQLITE_NULL:
      return MT_COLUMN_NULL;
    case SQLITE_INTEGER:
      return MT_COLUMN_INTEGER;
    case SQLITE_FLOAT:
      return MT_COLUMN_REAL;
    default:
      return MT_COLUMN_TEXT;
    }
}

MtSpan
mt_rows_text(const MtRows *rows, guint column)
{
  MtSpan text = mt_sql_column(rows->stmt, column);

  return text.at ? text : MT_SPAN("");
}

gint64
mt_rows_integer(const MtRows *rows, guint column)
{
  return sqlite3_column_int64(rows->stmt, column);
}

/* @arm for each segment, with its number for "@", as a union; empty where there is none. */
static GString *
each_segment(MtQuery *query, const gchar *arm)
{
  GString *sql = g_string_new(NULL);
  sqlite3_stmt *stmt;

  if (sqlite3_prepare_v2(query->db, "SELECT number FROM segment WHERE NOT detached", -1, &stmt,
                         NULL)
      != SQLITE_OK)
    return sql;
  while (sqlite3_step(stmt) == SQLITE_ROW)
    {
      gchar *filled = mt_schema_fill(arm, sqlite3_column_int(stmt, 0));

      g_string_append_printf(sql, "%s%s", sql->len ? " UNION ALL " : "", filled);
      g_free(filled);
    }
  sqlite3_finalize(stmt);
  return sql;
}

/* The key of a Message-ID has a span of the day, see store/message-key.h: each is tried. */
static GString *
by_key(MtQuery *query)
{
  GString *arm = g_string_new("SELECT id FROM message_@ WHERE message_id=?1 AND key IN (");
  GString *sql;

  for (gint i = 0; i < MT_MESSAGE_KEY_SPANS; i++)
    g_string_append_printf(arm, "%smt_message_key(?1, %" G_GINT64_FORMAT ")", i ? ", " : "",
                           i * MT_MESSAGE_KEY_SPAN_US);
  g_string_append_c(arm, ')');
  sql = each_segment(query, arm->str);
  g_string_free(arm, TRUE);
  return sql;
}

/* Stores of older programs have other tables until one of this version writes to them. */
static gboolean
has_our_tables(MtQuery *query)
{
  return mt_sql_integer(query->db, "PRAGMA user_version", 0) == MT_SCHEMA_VERSION;
}

gchar *
mt_query_by_message_id_sql(MtQuery *query)
{
  GString *sql = has_our_tables(query) ? by_key(query) : g_string_new(NULL);

  if (!sql->len)
    g_string_append(sql, "SELECT id FROM messages WHERE message_id=?1");
  return g_string_free(sql, FALSE);
}

static gchar *
named_sql(MtQuery *query, const gchar *by_queue_id)
{
  gchar *by_message_id = mt_query_by_message_id_sql(query);
  gchar *sql = g_strdup_printf("SELECT id FROM (%s) UNION SELECT id FROM (%s) ORDER BY 1",
                               by_queue_id, by_message_id);

  g_free(by_message_id);
  return sql;
}

gchar *
mt_query_hops_sql(MtQuery *query, MtHops which)
{
  static const struct
  {
    const gchar *arm, *view;
  } hops[] = {
    [MT_HOPS_NAMED] = { "SELECT id FROM message_@ WHERE queue_id=?1",
                        "SELECT id FROM messages WHERE queue_id=?1" },
    [MT_HOPS_PARENT] = { "SELECT parent AS id FROM message_@ WHERE id=CAST(?1 AS INTEGER) AND parent IS NOT NULL",
                         "SELECT parent_id AS id FROM messages WHERE id=CAST(?1 AS INTEGER) AND parent_id IS NOT NULL" },
    [MT_HOPS_CHILDREN] = { "SELECT id, ts FROM message_@ WHERE parent=CAST(?1 AS INTEGER)",
                           "SELECT id, ts FROM messages WHERE parent_id=CAST(?1 AS INTEGER)" },
  };
  GString *from = has_our_tables(query) ? each_segment(query, hops[which].arm) : g_string_new(NULL);
  gchar *sql;

  if (!from->len)
    g_string_append(from, hops[which].view);
  if (which == MT_HOPS_NAMED)
    sql = named_sql(query, from->str);
  else
    sql = g_strdup_printf("SELECT id FROM (%s)%s", from->str,
                          which == MT_HOPS_CHILDREN ? " ORDER BY ts" : "");
  g_string_free(from, TRUE);
  return sql;
}

/* Those for which @arm, with ?1, has a row. */
static GArray *
segments_of(MtQuery *query, const gchar *arm, const gchar *value, GError **error)
{
  GArray *segments = g_array_new(FALSE, FALSE, sizeof(gint));
  const gchar *params[] = { value, NULL };
  GString *sql = each_segment(query, arm);
  MtRows *rows = sql->len ? mt_query_run(query, sql->str, params, error) : NULL;

  while (rows && mt_rows_next(rows, error))
    {
      gint segment = mt_rows_integer(rows, 0);

      g_array_append_val(segments, segment);
    }
  mt_rows_free(rows);
  g_string_free(sql, TRUE);
  return segments;
}

/* One view of the store from the first time on: a day that rolls off would take the tables away
 * that the views are about. */
static gboolean
begin_narrow(MtQuery *query)
{
  return query->segment || mt_sql_exec(query->db, "PRAGMA temp_store=MEMORY; BEGIN");
}

/* What became of it in mailboxes may stand in days behind its own. */
static gboolean
narrow_mailboxes(MtQuery *query, const gchar *id, GError **error)
{
  static const gchar *const views[] = { "mailbox_events", NULL };
  GError *failed = NULL;
  GArray *segments = segments_of(query,
                                 "SELECT @ WHERE EXISTS(SELECT 1 FROM mailbox_@ WHERE message_id="
                                 "(SELECT message_id FROM messages WHERE id=CAST(?1 AS INTEGER)))",
                                 id, &failed);
  gboolean ok = !failed;

  if (ok && !segments->len)
    g_array_append_val(segments, query->segment);
  if (!ok)
    g_propagate_error(error, failed);
  else if ((segments->len > 1 || g_array_index(segments, gint, 0) != query->mailboxes)
           && !mt_schema_narrow(query->db, views, segments))
    ok = mt_sql_fail(query->db, query->path, "asking the store", error);
  if (ok)
    query->mailboxes = segments->len > 1 ? 0 : g_array_index(segments, gint, 0);
  g_array_free(segments, TRUE);
  return ok;
}

static gboolean
narrow_messages(MtQuery *query, const GArray *segments, GError **error)
{
  static const gchar *const views[] = { "messages", "deliveries", "attempts", NULL };
  gint segment = g_array_index(segments, gint, 0);

  if (segment == query->segment)
    return TRUE;
  if (!mt_schema_narrow(query->db, views, segments))
    return mt_sql_fail(query->db, query->path, "asking the store", error);
  query->segment = segment;
  return TRUE;
}

gboolean
mt_query_narrow(MtQuery *query, const gchar *id, GError **error)
{
  GError *failed = NULL;
  GArray *segments;
  gboolean ok = TRUE;

  if (!has_our_tables(query))
    return TRUE;
  if (!begin_narrow(query))
    return mt_sql_fail(query->db, query->path, "asking the store", error);
  segments =
      segments_of(query, "SELECT @ FROM message_@ WHERE id=CAST(?1 AS INTEGER)", id, &failed);
  if (failed)
    ok = FALSE;
  else if (segments->len)
    ok = narrow_messages(query, segments, &failed) && narrow_mailboxes(query, id, &failed);
  if (failed)
    g_propagate_error(error, failed);
  g_array_free(segments, TRUE);
  return ok;
}

gchar *
mt_query_lost_deliveries_sql(MtQuery *query)
{
  GString *sql = each_segment(query,
                              "SELECT d.id AS id FROM delivery_@ d WHERE NOT EXISTS"
                              "(SELECT 1 FROM message_@ m WHERE " MT_BELONGS_SQL ")");

  if (!sql->len)
    g_string_append(sql, "SELECT 1 WHERE FALSE");
  g_string_prepend(sql, "SELECT count(*) FROM (");
  g_string_append_c(sql, ')');
  return g_string_free(sql, FALSE);
}

gchar *
mt_query_meta(MtQuery *query, const gchar *name)
{
  const gchar *params[] = { name, NULL };
  MtRows *rows = mt_query_run(query, "SELECT value FROM meta WHERE name=?", params, NULL);
  gchar *value = NULL;

  if (rows && mt_rows_next(rows, NULL))
    {
      MtSpan text = mt_rows_text(rows, 0);

      value = g_strndup(text.at, text.len);
    }
  mt_rows_free(rows);
  return value;
}

gint64
mt_query_changes(MtQuery *query)
{
  return mt_sql_integer(query->db, "PRAGMA data_version", 0);
}
