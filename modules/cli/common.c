#include "cli/cli.h"
#include "engine/settings.h"

#include <stdio.h>

gint
cli_fail(GError **error)
{
  fprintf(stderr, "mailtrail: %s\n", (*error)->message);
  g_clear_error(error);
  return CLI_FAILED;
}

gint
cli_usage(const gchar *command, const gchar *format, ...)
{
  va_list args;

  fprintf(stderr, "mailtrail %s: ", command);
  va_start(args, format);
  vfprintf(stderr, format, args);
  va_end(args);
  fprintf(stderr, "; see mailtrail %s --help\n", command);
  return CLI_USAGE;
}

gboolean
cli_parse_options(int *argc, char ***argv, const gchar *parameters, const gchar *summary,
                  const GOptionEntry *entries, gint *status)
{
  GOptionContext *context = g_option_context_new(parameters);
  gchar *name = g_strdup_printf("mailtrail %s", (*argv)[0]);
  const gchar *command = (*argv)[0];
  GError *error = NULL;
  gboolean ok;

  g_set_prgname(name);
  g_option_context_set_summary(context, summary);
  g_option_context_add_main_entries(context, entries, NULL);
  ok = g_option_context_parse(context, argc, argv, &error);
  g_option_context_free(context);
  g_free(name);
  if (ok)
    return TRUE;
  *status = cli_usage(command, "%s", error->message);
  g_clear_error(&error);
  return FALSE;
}

const gchar *
cli_database(const gchar *option)
{
  const gchar *environment = g_getenv("MAILTRAIL_DATABASE");

  if (option)
    return option;
  return environment && *environment ? environment : mt_settings_default_database();
}

gboolean
cli_settings(const gchar *database, MtSettings *settings, GError **error)
{
  MtQuery *query = g_file_test(database, G_FILE_TEST_EXISTS) ? mt_query_open(database, NULL) : NULL;
  gchar *remembered = query ? mt_query_meta(query, "settings") : NULL;

  mt_settings_init(settings);
  if (remembered)
    mt_settings_from_text(settings, remembered);
  g_free(remembered);
  mt_query_close(query);
  return mt_settings_set(settings, "database", database, error);
}

static void
log_message(gpointer user, MtLogLevel level, const gchar *message)
{
  fprintf(stderr, "mailtrail: %s\n", message);
}

MtEngine *
cli_open_engine(const gchar *database, const GPtrArray *overrides, MtSettings *settings,
                GError **error)
{
  MtQuery *query = mt_query_open(database, error);
  gboolean there = query != NULL;

  mt_query_close(query);
  if (!there || !cli_settings(database, settings, error)
      || (overrides && !mt_settings_apply(settings, overrides, error)))
    return NULL;
  g_clear_pointer(&settings->geoip_database, g_free);
  g_clear_pointer(&settings->asn_database, g_free);
  g_clear_pointer(&settings->anonymous_ip_database, g_free);
  g_clear_pointer(&settings->policy_file, g_free);
  return mt_engine_open(settings, 0, g_get_real_time(), log_message, NULL, error);
}

static gboolean
parse_age(const gchar *text, MtTime now, MtTime *out)
{
  static const struct
  {
    gchar unit;
    gint64 us;
  } units[] = { { 's', MT_SECOND_US },
                { 'm', MT_MINUTE_US },
                { 'h', MT_HOUR_US },
                { 'd', MT_DAY_US },
                { 'w', 7 * MT_DAY_US } };
  MtCursor cur = mt_cursor(mt_span_of_string(text));
  guint64 number;

  if (!mt_scan_u64(&cur, &number) || mt_cursor_left(&cur) != 1 || number > 100000)
    return FALSE;
  for (guint i = 0; i < G_N_ELEMENTS(units); i++)
    if (*cur.at == units[i].unit)
      {
        *out = now - (gint64) number * units[i].us;
        return TRUE;
      }
  return FALSE;
}

static MtTime
midnight(gint days_ago)
{
  GDateTime *now = g_date_time_new_now_local();
  GDateTime *today = g_date_time_new_local(g_date_time_get_year(now), g_date_time_get_month(now),
                                           g_date_time_get_day_of_month(now), 0, 0, 0);
  GDateTime *day = g_date_time_add_days(today, -days_ago);
  MtTime at = g_date_time_to_unix(day) * MT_SECOND_US;

  g_date_time_unref(day);
  g_date_time_unref(today);
  g_date_time_unref(now);
  return at;
}

static gboolean
parse_iso(const gchar *text, MtTime *out)
{
  gchar *full = strlen(text) == 10   ? g_strconcat(text, "T00:00:00", NULL)
                : strlen(text) == 16 ? g_strconcat(text, ":00", NULL)
                                     : g_strdup(text);
  MtCursor cur = mt_cursor(mt_span_of_string(full));
  GTimeZone *zone = g_time_zone_new_local();
  MtClock clock;
  gboolean ok;

  mt_clock_init(&clock, zone, g_get_real_time(), 0);
  ok = mt_scan_stamp_iso(&cur, &clock, out) && cur.at == cur.end;
  g_time_zone_unref(zone);
  g_free(full);
  return ok;
}

gboolean
cli_parse_time(const gchar *text, MtTime *out)
{
  MtTime now = g_get_real_time();

  if (g_str_equal(text, "now"))
    *out = now;
  else if (g_str_equal(text, "today"))
    *out = midnight(0);
  else if (g_str_equal(text, "yesterday"))
    *out = midnight(1);
  else
    return parse_age(text, now, out) || parse_iso(text, out);
  return TRUE;
}

/* ---- hops ------------------------------------------------------------------------------------ */

/* More hops than a mail has: a loop that the log made up. */
#define MAX_HOPS 1000

static void
add_ids(MtQuery *query, const gchar *sql, const gchar *param, GPtrArray *ids, GError **error)
{
  const gchar *const params[] = { param, NULL };
  MtRows *rows = *error ? NULL : mt_query_run(query, sql, params, error);

  while (rows && mt_rows_next(rows, error))
    {
      gchar *id = g_strdup_printf("%" G_GINT64_FORMAT, mt_rows_integer(rows, 0));

      if (g_ptr_array_find_with_equal_func(ids, id, g_str_equal, NULL))
        g_free(id);
      else
        g_ptr_array_add(ids, id);
    }
  mt_rows_free(rows);
}

gchar *
cli_mail_of(MtQuery *query, const gchar *column, const gchar *value, GError **error)
{
  GPtrArray *ids = g_ptr_array_new_with_free_func(g_free);
  gchar *first = g_str_equal(column, "message_id")
                     ? mt_query_by_message_id_sql(query)
                     : g_strdup_printf("SELECT id FROM messages WHERE %s=?1", column);
  gchar *all, *condition;
  GError *failed = NULL;

  add_ids(query, first, value, ids, &failed);
  for (guint i = 0; i < ids->len && i < MAX_HOPS && !failed; i++)
    add_ids(query,
            "SELECT id FROM messages WHERE parent_id=CAST(? AS INTEGER) AND parent_kind<>'bounce'",
            g_ptr_array_index(ids, i), ids, &failed);
  g_ptr_array_add(ids, NULL);
  all = g_strjoinv(",", (gchar **) ids->pdata);
  condition = g_strdup_printf("message IN (%s)", all);
  if (failed)
    g_propagate_error(error, failed);
  g_free(all);
  g_free(first);
  g_ptr_array_free(ids, TRUE);
  return condition;
}
