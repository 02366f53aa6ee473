/* store: the store itself: check, stats, prune, backup */
#include "cli/cli.h"

#include <glib/gstdio.h>
#include <stdio.h>
#include <sys/stat.h>

/* Another writer has its turn between our steps; this is how often we wait for ours. */
#define BUSY_TRIES 12

typedef struct
{
  const gchar *database; /* where the store is */
  gboolean json;
  GPtrArray *overrides; /* name, value, name, value */
} Store;

/* ---- check --------------------------------------------------------------------------------- */

/* What must hold beyond SQLite's own rules: each answers 0. */
static const struct
{
  const gchar *what, *sql;
} rules[] = {
  { "deliveries without their message", NULL /* mt_query_lost_deliveries_sql() */ },
  { "two rows of one message", "SELECT count(*)-count(DISTINCT id) FROM messages" },
  { "two rows of one delivery", "SELECT count(*)-count(DISTINCT id) FROM deliveries" },
  { "rows numbered beyond the counter",
    "SELECT count(*) FROM messages WHERE id>=(SELECT value FROM counter WHERE name='message')" },
};

static guint
print_problems(MtQuery *query, GError **error)
{
  MtRows *rows = mt_query_run(query, "PRAGMA integrity_check(20)", NULL, error);
  guint problems = 0;

  while (rows && mt_rows_next(rows, error))
    {
      MtSpan text = mt_rows_text(rows, 0);

      if (mt_span_equal(text, MT_SPAN("ok")))
        continue;
      printf("%.*s\n", (gint) text.len, text.at);
      problems++;
    }
  mt_rows_free(rows);
  for (guint i = 0; i < G_N_ELEMENTS(rules) && !*error && !problems; i++)
    {
      gchar *sql = rules[i].sql ? g_strdup(rules[i].sql) : mt_query_lost_deliveries_sql(query);
      gint64 count;

      rows = mt_query_run(query, sql, NULL, error);
      g_free(sql);
      count = rows && mt_rows_next(rows, error) ? mt_rows_integer(rows, 0) : 0;
      mt_rows_free(rows);
      if (count)
        printf("%s: %" G_GINT64_FORMAT "\n", rules[i].what, count);
      problems += count != 0;
    }
  return problems;
}

static gint
check(Store *store)
{
  GError *error = NULL;
  MtQuery *query = mt_query_open(store->database, &error);
  guint problems = query ? print_problems(query, &error) : 0;

  mt_query_close(query);
  if (error)
    return cli_fail(&error);
  puts(problems ? "the store is damaged" : "the store is whole");
  return problems ? CLI_FAILED : CLI_FINE;
}

/* ---- stats ----------------------------------------------------------------------------------- */

static const gchar stats_sql[] =
    "SELECT 'schema' AS name, (SELECT user_version FROM pragma_user_version) AS value"
    " UNION ALL SELECT 'bytes', page_count*page_size FROM pragma_page_count, pragma_page_size"
    " UNION ALL SELECT 'free_bytes', freelist_count*page_size FROM pragma_freelist_count, "
    "pragma_page_size"
    " UNION ALL SELECT 'segments', count(*) FROM segment WHERE NOT detached"
    " UNION ALL SELECT 'first_day', strftime('%Y-%m-%d', min(first_day)*86400, 'unixepoch') FROM "
    "segment"
    " WHERE NOT detached"
    " UNION ALL SELECT 'messages', count(*) FROM messages"
    " UNION ALL SELECT 'deliveries', count(*) FROM deliveries"
    " UNION ALL SELECT 'accesses', count(*) FROM accesses"
    " UNION ALL SELECT 'accesses_failed', count(*) FROM accesses_failed"
    " UNION ALL SELECT 'mail_rejected', count(*) FROM mail_rejected"
    " UNION ALL SELECT 'mailbox_events', count(*) FROM mailbox_events"
    " UNION ALL SELECT 'incidents', count(*) FROM incidents"
    " UNION ALL SELECT 'alerts', count(*) FROM alerts"
    " UNION ALL SELECT 'raw_lines', count(*) FROM log_tail"
    " UNION ALL SELECT 'forgotten', count(*) FROM forgotten"
    " UNION ALL SELECT name, value FROM counter WHERE name GLOB 'count.*'";

static gint
stats(Store *store)
{
  GError *error = NULL;
  MtQuery *query = mt_query_open(store->database, &error);
  MtRows *rows = query ? mt_query_run(query, stats_sql, NULL, &error) : NULL;
  gchar *log = g_strconcat(store->database, "-wal", NULL);
  GStatBuf info;

  if (rows)
    cli_print_rows(rows, store->json ? CLI_JSON : CLI_TABLE, TRUE, &error);
  if (!error && g_stat(log, &info) == 0)
    printf(store->json ? "{\"name\":\"log_bytes\",\"value\":%" G_GINT64_FORMAT "}\n"
                       : "log_bytes  %" G_GINT64_FORMAT "\n",
           (gint64) info.st_size);
  mt_rows_free(rows);
  mt_query_close(query);
  g_free(log);
  return error ? cli_fail(&error) : CLI_FINE;
}

/* ---- prune ------------------------------------------------------------------------- */

static gint
prune(Store *store)
{
  MtSettings settings = { 0 };
  GError *error = NULL;
  MtEngine *engine = cli_open_engine(store->database, store->overrides, &settings, &error);
  gboolean more = engine != NULL;
  guint tries = 0;

  while (more)
    if (!mt_engine_retain(engine, g_get_real_time(), &more, &error))
      {
        more = mt_engine_error_may_pass(error) && ++tries < BUSY_TRIES;
        if (more)
          g_clear_error(&error);
      }
  mt_engine_close(engine);
  mt_settings_clear(&settings);
  return error ? cli_fail(&error) : CLI_FINE;
}

/* ---- backup ------------------------------------------------------------------------ */

static gint
backup(Store *store, const gchar *to)
{
  const gchar *params[] = { to, NULL };
  GError *error = NULL;
  MtQuery *query;
  MtRows *rows;
  GStatBuf info;
  mode_t mask;

  if (g_file_test(to, G_FILE_TEST_EXISTS))
    return cli_usage("store", "backup %s: is there already", to);
  query = mt_query_open(store->database, &error);
  mask = umask(077);
  rows = query ? mt_query_run(query, "VACUUM INTO ?", params, &error) : NULL;
  if (rows)
    mt_rows_next(rows, &error);
  umask(mask);
  mt_rows_free(rows);
  mt_query_close(query);
  if (error)
    {
      g_unlink(to);
      return cli_fail(&error);
    }
  if (g_stat(store->database, &info) == 0)
    g_chmod(to, info.st_mode & 0777);
  return CLI_FINE;
}

/* ---- together ---------------------------------------------------------------------- */

static gint
run(Store *store, int argc, char **argv)
{
  const gchar *verb = argc > 1 ? argv[1] : "";

  if (g_str_equal(verb, "backup"))
    return argc == 3 ? backup(store, argv[2]) : cli_usage("store", "backup wants one FILE");
  if (argc == 2 && g_str_equal(verb, "check"))
    return check(store);
  if (argc == 2 && g_str_equal(verb, "stats"))
    return stats(store);
  if (argc == 2 && g_str_equal(verb, "prune"))
    return prune(store);
  return cli_usage("store", "wants check, stats, prune or backup FILE");
}

gint
cli_run_store(int argc, char **argv)
{
  Store store = { .overrides = g_ptr_array_new_with_free_func(g_free) };
  gchar *database = NULL, *retention = NULL, *max_size = NULL;
  const GOptionEntry entries[] = {
    { "database", 'd', 0, G_OPTION_ARG_FILENAME, &database, "the store", "FILE" },
    { "retention", 0, 0, G_OPTION_ARG_STRING, &retention, "prune: older records go", "DAYS" },
    { "max-size", 0, 0, G_OPTION_ARG_STRING, &max_size, "prune: oldest records go beyond",
      "BYTES" },
    { "json", 0, 0, G_OPTION_ARG_NONE, &store.json, "stats: one object a line", NULL },
    { NULL },
  };
  gint status = CLI_FINE;

  if (cli_parse_options(
          &argc, &argv, "check|stats|prune|backup FILE - the store itself",
          "check: is it whole. stats: sizes, counts, counters. prune: retention, now. "
          "backup: a consistent copy while it is in use.",
          entries, &status))
    {
      const struct
      {
        const gchar *name, *value;
      } given[] = { { "retention", retention }, { "max-size", max_size } };

      for (guint i = 0; i < G_N_ELEMENTS(given); i++)
        if (given[i].value)
          {
            g_ptr_array_add(store.overrides, g_strdup(given[i].name));
            g_ptr_array_add(store.overrides, g_strdup(given[i].value));
          }
      store.database = cli_database(database);
      status = run(&store, argc, argv);
    }
  g_ptr_array_free(store.overrides, TRUE);
  g_free(database);
  g_free(retention);
  g_free(max_size);
  return status;
}
