/* forget.c: a person out of the store
 *
 * Every text of every table is held against the list of who is forgotten (scrub.c), table
 * by table, each a turn of its own; who is interrupted runs it again.
 */
#include "store/private.h"

#include <glib/gstdio.h>

/* Free pages given back in one step. */
#define VACUUM_PAGES 5000

/* ---- functions that SQL may call ------------------------------------------------------ */

static MtSpan
span_of(sqlite3_value *value)
{
  const gchar *bytes = sqlite3_value_blob(value);

  return bytes ? mt_span(bytes, sqlite3_value_bytes(value)) : MT_NO_SPAN;
}

static void
sql_mentions(sqlite3_context *context, int argc, sqlite3_value **argv)
{
  sqlite3_result_int(context, mt_scrub_mentions(sqlite3_user_data(context), span_of(argv[0])));
}

static void
sql_clean(sqlite3_context *context, int argc, sqlite3_value **argv)
{
  MtSpan text = mt_scrub_clean(sqlite3_user_data(context), span_of(argv[0]));

  sqlite3_result_text(context, text.at, text.len, SQLITE_TRANSIENT);
}

static gboolean
add_functions(MtStore *store)
{
  return sqlite3_create_function(store->db, "mt_mentions", 1, SQLITE_UTF8 | SQLITE_DIRECTONLY,
                                 store->scrub, sql_mentions, NULL, NULL)
             == SQLITE_OK
         && sqlite3_create_function(store->db, "mt_clean", 1, SQLITE_UTF8 | SQLITE_DIRECTONLY,
                                    store->scrub, sql_clean, NULL, NULL)
                == SQLITE_OK;
}

/* ---- a table ------------------------------------------------------------------------------ */

/* @sql, with "@" for the table's name. */
static gboolean
run(MtStore *store, const gchar *sql, const gchar *table)
{
  gchar **parts = g_strsplit(sql, "@", -1);
  gchar *filled = g_strjoinv(table, parts);
  gboolean ok = mt_sql_exec(store->db, filled);

  g_strfreev(parts);
  g_free(filled);
  return ok;
}

/* What stands as a place in what is stored of the reply (writer.c) becomes a text of its own before
 * the reply changes. */
static const gchar unfold_places[] =
    "UPDATE @ SET next_queue_id=CASE typeof(next_queue_id) WHEN 'integer' THEN"
    " CAST(substr(CAST(reply AS BLOB), next_queue_id/256+1, next_queue_id%256) AS TEXT)"
    " ELSE next_queue_id END, session=CASE typeof(session) WHEN 'integer' THEN"
    " CAST(substr(CAST(reply AS BLOB), session/256+1, session%256) AS TEXT) ELSE session END"
    " WHERE mt_mentions(reply);";

static const gchar drop_keys[] = "UPDATE @ SET key=NULL WHERE mt_mentions(message_id);";

/* Tables in which two rows may become one, or whose rows mean nothing without the name. */
static const struct
{
  const gchar *prefix, *sql;
} special[] = {
  { "name_",
    "UPDATE OR IGNORE @ SET text=mt_clean(text) WHERE mt_mentions(text);"
    "UPDATE @ SET text=mt_clean(text)||'-'||id WHERE mt_mentions(text)" },
  { "activity",
    "INSERT INTO @ SELECT day, mt_clean(account), sent, deferred, failed, received, rejected,"
    " bytes_sent, bytes_received, logins, failed_logins FROM @ WHERE mt_mentions(account)"
    " ON CONFLICT DO UPDATE SET sent=sent+excluded.sent, deferred=deferred+excluded.deferred,"
    " failed=failed+excluded.failed, received=received+excluded.received,"
    " rejected=rejected+excluded.rejected, bytes_sent=bytes_sent+excluded.bytes_sent,"
    " bytes_received=bytes_received+excluded.bytes_received, logins=logins+excluded.logins,"
    " failed_logins=failed_logins+excluded.failed_logins;"
    "DELETE FROM @ WHERE mt_mentions(account)" },
  { "baseline", "DELETE FROM @ WHERE mt_mentions(account)" },
  { "suppressed", "DELETE FROM @ WHERE mt_mentions(account)" },
  { "last_login", "DELETE FROM @ WHERE mt_mentions(account)" },
  { "line", "DELETE FROM @ WHERE mt_mentions(text)" },
  { "pending", "DELETE FROM @ WHERE mt_mentions(data)" },
  /* Hashes, numbers, settings. */
  { "guard", "" },
  { "forgotten", "" },
  { "counter", "" },
  { "segment", "" },
  { "meta", "" },
  { "sqlite_", "" },
};

static const gchar *
special_of(const gchar *table)
{
  for (guint i = 0; i < G_N_ELEMENTS(special); i++)
    if (g_str_equal(special[i].prefix, table)
        || (g_str_has_suffix(special[i].prefix, "_") && g_str_has_prefix(table, special[i].prefix)))
      return special[i].sql;
  return NULL;
}

static gboolean
clean_columns(MtStore *store, const gchar *table)
{
  gchar *sql =
      g_strdup_printf("SELECT group_concat(name, ' ') FROM pragma_table_info('%s')", table);
  gchar *list = mt_sql_text(store->db, sql);
  gchar **columns = g_strsplit(list ? list : "", " ", -1);
  gboolean ok = list != NULL;

  for (guint i = 0; columns[i] && ok; i++)
    ok = mt_sql_execf(store->db,
                      "UPDATE OR REPLACE %s SET \"%w\"=mt_clean(\"%w\") WHERE"
                      " typeof(\"%w\")='text' AND mt_mentions(\"%w\")",
                      table, columns[i], columns[i], columns[i], columns[i]);
  g_strfreev(columns);
  g_free(list);
  g_free(sql);
  return ok;
}

static gboolean
clean_table(MtStore *store, const gchar *table, guint64 *found, GError **error)
{
  const gchar *sql = special_of(table);
  gint before;
  gboolean ok;

  if (!mt_store_begin_small(store, error))
    return FALSE;
  before = sqlite3_total_changes(store->db);
  if (sql)
    ok = run(store, sql, table);
  else
    ok = (!g_str_has_prefix(table, "delivery_") || run(store, unfold_places, table))
         && (!g_str_has_prefix(table, "message_") || run(store, drop_keys, table))
         && clean_columns(store, table);
  *found += sqlite3_total_changes(store->db) - before;
  return mt_store_end_small(store, ok, "forgetting an address", error);
}

static gchar **
tables_of(MtStore *store)
{
  gchar *list = mt_sql_text(store->db,
                            "SELECT group_concat(name, ' ') FROM sqlite_schema WHERE type='table'");
  gchar **tables = g_strsplit(list ? list : "", " ", -1);

  g_free(list);
  return tables;
}

static gboolean
remember(MtStore *store, const gchar *address, GError **error)
{
  guint64 hash;

  if (!mt_store_begin_small(store, error))
    return FALSE;
  hash = mt_scrub_hash(store->scrub, mt_span_of_string(address));
  mt_scrub_add(store->scrub, hash);
  return mt_store_end_small(store,
                            mt_sql_execf(store->db,
                                         "INSERT OR IGNORE INTO forgotten VALUES(%lld, %lld)",
                                         (gint64) hash, store->now),
                            "forgetting an address", error);
}

gboolean
mt_store_forget(MtStore *store, const gchar *address, guint64 *found, GError **error)
{
  gboolean ok = remember(store, address, error);
  gchar **tables;

  *found = 0;
  if (!ok)
    return FALSE;
  if (!add_functions(store) || !mt_sql_exec(store->db, "PRAGMA secure_delete=ON"))
    return mt_sql_fail(store->db, store->path, "forgetting an address", error);
  tables = tables_of(store);
  for (guint i = 0; tables[i] && ok; i++)
    ok = clean_table(store, tables[i], found, error);
  g_strfreev(tables);
  return ok;
}

/* ---- no trace in the bytes ------------------------------------------------------------------ */

#define BLOCK_BYTES (1 << 20)

/* Does the file hold the text, in whatever case? */
static gboolean
file_has(const gchar *path, const gchar *text)
{
  gsize len = strlen(text), kept = 0, got;
  gchar *lower = g_ascii_strdown(text, -1), *block = g_malloc(BLOCK_BYTES + len);
  FILE *file = g_fopen(path, "rbe");
  gboolean found = FALSE;

  while (file && !found && (got = fread(block + kept, 1, BLOCK_BYTES, file)) > 0)
    {
      for (gsize i = kept; i < kept + got; i++)
        block[i] = g_ascii_tolower(block[i]);
      got += kept;
      found = memmem(block, got, lower, len) != NULL;
      kept = MIN(got, len - 1);
      memmove(block, block + got - kept, kept);
    }
  if (file)
    fclose(file);
  g_free(block);
  g_free(lower);
  return found;
}

static gboolean
is_in_files(const MtStore *store, const gchar *address)
{
  gchar *log = g_strconcat(store->path, "-wal", NULL);
  gboolean found = file_has(store->path, address) || file_has(log, address);

  g_free(log);
  return found;
}

/* Damaged stores that were set aside cannot be cleaned: those that hold it go. */
static void
remove_set_aside(MtStore *store, const gchar *address)
{
  gchar *directory = g_path_get_dirname(store->path), *name = g_path_get_basename(store->path);
  gchar *prefix = g_strconcat(name, ".corrupt-", NULL);
  GDir *dir = g_dir_open(directory, 0, NULL);
  const gchar *entry;

  while (dir && (entry = g_dir_read_name(dir)))
    {
      gchar *path = g_build_filename(directory, entry, NULL);

      if (g_str_has_prefix(entry, prefix) && file_has(path, address) && g_unlink(path) == 0)
        mt_store_note(store, "%s: has been removed: it held the address", path);
      g_free(path);
    }
  if (dir)
    g_dir_close(dir);
  g_free(prefix);
  g_free(name);
  g_free(directory);
}

static gboolean
fold_all(MtStore *store, GError **error)
{
  if (sqlite3_wal_checkpoint_v2(store->db, "main", SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL)
      == SQLITE_OK)
    return TRUE;
  g_set_error(
      error, MT_STORE_ERROR, MT_STORE_ERROR_BUSY,
      "%s: a reader keeps its log from being emptied, in which the address may still stand; "
      "run this again when it has ended",
      store->path);
  return FALSE;
}

static gboolean
give_back_all(MtStore *store, GError **error)
{
  while (mt_sql_integer(store->db, "PRAGMA freelist_count", 0) > 0)
    {
      if (!mt_store_begin_small(store, error)
          || !mt_store_end_small(
              store, mt_sql_execf(store->db, "PRAGMA incremental_vacuum(%d)", VACUUM_PAGES),
              "giving space back", error))
        return FALSE;
    }
  return TRUE;
}

/* Pages may keep bytes of rows that have left them: then the file is written anew. */
gboolean
mt_store_wipe(MtStore *store, const gchar *address, GError **error)
{
  remove_set_aside(store, address);
  if (!give_back_all(store, error) || !fold_all(store, error))
    return FALSE;
  if (!is_in_files(store, address))
    return TRUE;
  if (!mt_lease_take(&store->lease, 60000, error))
    return FALSE;
  if (!mt_sql_exec(store->db, "VACUUM"))
    mt_sql_fail(store->db, store->path, "writing the file anew", error);
  mt_lease_give(&store->lease);
  if (*error || !fold_all(store, error))
    return FALSE;
  if (is_in_files(store, address))
    g_set_error(error, MT_STORE_ERROR, MT_STORE_ERROR_FAILED,
                "%s: the address still stands in it, written in a way that is not understood",
                store->path);
  return *error == NULL;
}
