#include "store/host.h"

#include <glib/gstdio.h>

/* Enough for any of the faults to be over. */
#define TRIES_MAX 60

static void
hear(gpointer user, MtLogLevel level, const gchar *message)
{
  g_ptr_array_add(((Host *) user)->told, g_strdup(message));
}

gboolean
host_was_told(const Host *host, const gchar *part)
{
  for (guint i = 0; i < host->told->len; i++)
    if (strstr(g_ptr_array_index(host->told, i), part))
      return TRUE;
  return FALSE;
}

void
host_open(Host *host, MtTime now)
{
  GError *error = NULL;

  for (guint try = 0; try < TRIES_MAX && !host->engine; try++)
    {
      g_clear_error(&error);
      host->engine = mt_engine_open(&host->settings, MT_ENGINE_REMEMBER, now, hear, host, &error);
      if (error && !mt_engine_error_may_pass(error))
        break;
    }
  g_assert_no_error(error);
}

void
host_close(Host *host)
{
  g_clear_pointer(&host->engine, mt_engine_close);
}

void
host_start(Host *host, ...)
{
  GTimeZone *zone = g_time_zone_new_utc();
  MtReaderSettings reading = { .zone = zone, .latest = g_get_real_time() };
  gchar *database;
  const gchar *name;
  va_list options;

  memset(host, 0, sizeof *host);
  host->directory = g_dir_make_tmp("mailtrail-store-XXXXXX", NULL);
  host->told = g_ptr_array_new_with_free_func(g_free);
  database = g_build_filename(host->directory, "mail.db", NULL);
  mt_settings_init(&host->settings);
  mt_settings_set(&host->settings, "database", database, NULL);
  va_start(options, host);
  while ((name = va_arg(options, const gchar *)))
    g_assert_true(mt_settings_set(&host->settings, name, va_arg(options, const gchar *), NULL));
  va_end(options);
  host->reader = mt_reader_new(&reading, NULL);
  g_free(database);
  g_time_zone_unref(zone);
}

void
host_stop(Host *host)
{
  GDir *directory = g_dir_open(host->directory, 0, NULL);
  const gchar *name;

  host_close(host);
  while ((name = g_dir_read_name(directory)))
    {
      gchar *path = g_build_filename(host->directory, name, NULL);

      g_unlink(path);
      g_free(path);
    }
  g_dir_close(directory);
  g_rmdir(host->directory);
  g_free(host->directory);
  mt_reader_free(host->reader);
  mt_settings_clear(&host->settings);
  g_ptr_array_free(host->told, TRUE);
}

gboolean
host_push(Host *host, const gchar *raw, GError **error)
{
  MtLine line;

  mt_reader_head(host->reader, mt_span_of_string(raw), &line);
  return mt_engine_push(host->engine, &line, -1, error);
}

gint64
host_ask(const Host *host, const gchar *sql)
{
  GError *error = NULL;
  MtQuery *query = mt_query_open(host->settings.database, &error);
  MtRows *rows = query ? mt_query_run(query, sql, NULL, &error) : NULL;
  gint64 number = rows && mt_rows_next(rows, &error) ? mt_rows_integer(rows, 0) : -1;

  g_assert_no_error(error);
  mt_rows_free(rows);
  mt_query_close(query);
  return number;
}

gchar *
host_contents(const Host *host, const gchar *const *questions)
{
  GString *text = g_string_new(NULL);
  GError *error = NULL;
  MtQuery *query = mt_query_open(host->settings.database, &error);

  g_assert_no_error(error);
  for (; *questions; questions++)
    {
      MtRows *rows = mt_query_run(query, *questions, NULL, &error);

      g_assert_no_error(error);
      for (; mt_rows_next(rows, &error); g_string_append_c(text, '\n'))
        for (guint c = 0; c < mt_rows_columns(rows); c++)
          {
            MtSpan value = mt_rows_text(rows, c);

            g_string_append_len(text, value.at, value.len);
            g_string_append_c(text, '|');
          }
      g_assert_no_error(error);
      mt_rows_free(rows);
    }
  mt_query_close(query);
  return g_string_free(text, FALSE);
}
