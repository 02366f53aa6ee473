/* import: logs into the store */
#include "cli/cli.h"
#include "cli/input.h"
#include "engine/engine.h"
#include "engine/reader.h"

#include <signal.h>
#include <stdio.h>
#include <unistd.h>

/* The first batch is small: what is to be stored is there soon.  Each one is twice as large as the
 * one before it, up to this. */
#define FIRST_BATCH_LINES 12500
#define BATCH_LINES 100000

/* Another writer has its turn between our batches; this is how long we wait for ours. */
#define BUSY_TRIES 12

#define PROGRESS_US 200000

/* How many lines are looked at for the first stamp of a file. */
#define PEEK_LINES 1000

/* 128 + SIGINT, as shells say it. */
#define STATUS_INTERRUPTED 130

typedef struct
{
  gchar *database, *dialect, *host, *timezone;
  gint year, retention;
  gboolean emit_alerts, quiet;
  GTimeZone *zone;
  MtSettings settings;
  GPtrArray *overrides; /* name, value, name, value */
  MtEngine *engine;
  guint batched, batch_lines;
  guint64 lines;
  MtTime started_at, shown_at;
  gint64 total, before; /* bytes of all files, and of those done */
} Import;

static volatile sig_atomic_t interrupted;

static void
on_interrupt(int signal)
{
  interrupted = 1;
}

static void
log_message(gpointer user, MtLogLevel level, const gchar *message)
{
  fprintf(stderr, "mailtrail: %s\n", message);
}

/* ---- progress ------------------------------------------------------------------------------ */

static void
show_progress(Import *import, const CliInput *input, gboolean last)
{
  MtTime now = g_get_monotonic_time();
  gint64 done, size;
  gdouble seconds, share;

  if (import->quiet || (!last && now - import->shown_at < PROGRESS_US))
    return;
  import->shown_at = now;
  cli_input_progress(input, &done, &size);
  seconds = MAX(now - import->started_at, 1) / 1e6;
  share = import->total ? (gdouble) (import->before + done) / import->total : 0;
  fprintf(stderr, "\r%3.0f %% [%-30.*s] %" G_GUINT64_FORMAT " lines, %.0f/s", share * 100,
          (gint) (share * 30), "##############################", import->lines,
          import->lines / seconds);
  if (share > 0)
    fprintf(stderr, ", %.0f s left ", seconds / share - seconds);
  if (last)
    fputc('\n', stderr);
}

/* ---- lines ------------------------------------------------------------------------- */

static gboolean
push(Import *import, const MtLine *line, GError **error)
{
  for (gint try = 1;; try++)
    {
      g_clear_error(error);
      if (mt_engine_push(import->engine, line, -1, error))
        return TRUE;
      if (try == BUSY_TRIES || interrupted)
        return FALSE;
    }
}

static gboolean
commit(Import *import, GError **error)
{
  import->batched = 0;
  return mt_engine_land(import->engine, error)
         && mt_engine_commit(import->engine, g_get_real_time(), error);
}

/* The next lines are read while these are being stored. */
static gboolean
submit(Import *import, GError **error)
{
  import->batched = 0;
  import->batch_lines = MIN(2 * import->batch_lines, BATCH_LINES);
  return mt_engine_land(import->engine, error)
         && mt_engine_submit(import->engine, g_get_real_time(), error);
}

static MtReader *
new_reader(const Import *import, const CliInput *input, GError **error)
{
  MtTime latest = cli_input_changed(input);
  MtReaderSettings settings = { .dialect = import->dialect,
                                .host = import->host,
                                .zone = import->zone,
                                .latest = latest == MT_NO_TIME ? g_get_real_time() : latest,
                                .year = import->year };

  return mt_reader_new(&settings, error);
}

static gboolean
import_lines(Import *import, CliInput *input, MtReader *reader, GError **error)
{
  MtSpan raw;
  MtLine line;

  while (!interrupted && cli_input_line(input, &raw, error))
    {
      mt_reader_head(reader, raw, &line);
      if (!push(import, &line, error))
        return FALSE;
      import->lines++;
      if (++import->batched < import->batch_lines)
        continue;
      if (!submit(import, error))
        return FALSE;
      show_progress(import, input, FALSE);
    }
  return !*error;
}

static gboolean
import_file(Import *import, const gchar *path, GError **error)
{
  CliInput *input = cli_input_open(path, error);
  MtReader *reader;
  gboolean ok = FALSE;
  gint64 done, size;

  if (!input)
    return FALSE;
  reader = new_reader(import, input, error);
  if (reader)
    {
      ok = import_lines(import, input, reader, error) && commit(import, error);
      if (ok)
        show_progress(import, input, TRUE);
    }
  cli_input_progress(input, &done, &size);
  import->before += size;
  mt_reader_free(reader);
  cli_input_close(input);
  return ok;
}

/* ---- which files, in which order --------------------------------------------------- */

typedef struct
{
  const gchar *path;
  MtTime first_at;
} Source;

static gboolean
peek(Import *import, Source *source, GError **error)
{
  CliInput *input = cli_input_open(source->path, error);
  MtReader *reader;
  MtSpan raw;
  MtLine line;
  gint64 done, size;

  if (!input)
    return FALSE;
  reader = new_reader(import, input, error);
  cli_input_progress(input, &done, &size);
  import->total += size;
  source->first_at = MT_NO_TIME;
  for (gint i = 0; reader && i < PEEK_LINES && source->first_at == MT_NO_TIME
                   && cli_input_line(input, &raw, error);
       i++)
    {
      mt_reader_head(reader, raw, &line);
      source->first_at = line.time;
    }
  mt_reader_free(reader);
  cli_input_close(input);
  return !*error;
}

static gint
compare_sources(gconstpointer a, gconstpointer b)
{
  MtTime left = ((const Source *) a)->first_at, right = ((const Source *) b)->first_at;

  return left < right ? -1 : left > right;
}

static GArray *
sort_files(Import *import, int argc, char **argv, GError **error)
{
  GArray *sources = g_array_new(FALSE, FALSE, sizeof(Source));

  for (gint i = 1; i < argc; i++)
    {
      Source source = { argv[i], MT_NO_TIME };

      if (!g_str_equal(argv[i], "-") && !peek(import, &source, error))
        break;
      g_array_append_val(sources, source);
    }
  g_array_sort(sources, compare_sources);
  return sources;
}

/* ---- options ----------------------------------------------------------------------- */

/* The option's, or the destination's. */
static void
choose_zone(Import *import)
{
  const gchar *name = import->timezone ? import->timezone : import->settings.time_zone;

  import->zone = name ? g_time_zone_new_identifier(name) : g_time_zone_new_local();
}

/* What the store's destination was set to, then what this command line says. */
static gboolean
make_settings(Import *import, GError **error)
{
  gboolean ok = cli_settings(cli_database(import->database), &import->settings, error);

  ok = ok && mt_settings_apply(&import->settings, import->overrides, error);
  if (import->retention >= 0)
    import->settings.retention_days = import->retention;
  if (!ok)
    return FALSE;
  choose_zone(import);
  if (!import->zone)
    g_set_error(error, MT_SETTINGS_ERROR, 0, "--timezone %s: is no zone, such as Europe/Berlin",
                import->timezone);
  return import->zone != NULL;
}

static gint
run(Import *import, int argc, char **argv)
{
  GError *error = NULL;
  GArray *sources = sort_files(import, argc, argv, &error);
  gint status = CLI_FINE;

  if (!error)
    import->engine = mt_engine_open(&import->settings,
                                    MT_ENGINE_BULK | (import->emit_alerts ? MT_ENGINE_EMIT : 0),
                                    g_get_real_time(), log_message, NULL, &error);
  if (import->engine && import->dialect)
    mt_engine_read_by(import->engine, import->dialect, &error);
  for (guint i = 0; import->engine && !error && !interrupted && i < sources->len; i++)
    import_file(import, g_array_index(sources, Source, i).path, &error);
  if (import->engine && !error)
    {
      commit(import, &error);
      if (!error)
        mt_engine_finish(import->engine, &error);
    }
  while (import->engine && !error && import->retention >= 0
         && mt_engine_tick(import->engine, g_get_real_time()))
    continue;
  if (error)
    status = cli_fail(&error);
  else if (interrupted)
    {
      fprintf(stderr,
              "mailtrail: interrupted; what was read is stored, a second run completes it\n");
      status = STATUS_INTERRUPTED;
    }
  mt_engine_close(import->engine);
  g_array_free(sources, TRUE);
  return status;
}

static void
catch_interrupt(void)
{
  struct sigaction action = { .sa_handler = on_interrupt };

  sigaction(SIGINT, &action, NULL);
  sigaction(SIGTERM, &action, NULL);
}

static gint
check(Import *import, int argc)
{
  if (argc < 2)
    return cli_usage("import", "wants a FILE, or - for the standard input");
  if (import->year && (import->year < 1970 || import->year > 9999))
    return cli_usage("import", "--year %d: is no year of a log", import->year);
  return CLI_FINE;
}

gint
cli_run_import(int argc, char **argv)
{
  static const gchar *const own_options[] = { "database", "retention", "trusted-uids", "time-zone",
                                              NULL };
  Import import = { .retention = -1,
                    .quiet = !isatty(STDERR_FILENO),
                    .batch_lines = FIRST_BATCH_LINES };
  const GOptionEntry entries[] = {
    { "database", 'd', 0, G_OPTION_ARG_FILENAME, &import.database, "the store", "FILE" },
    { "dialect", 0, 0, G_OPTION_ARG_STRING, &import.dialect, "read by this dialect only", "D" },
    { "host", 0, 0, G_OPTION_ARG_STRING, &import.host, "of lines that state none", "H" },
    { "year", 0, 0, G_OPTION_ARG_INT, &import.year, "of the first stamp that states none", "Y" },
    { "timezone", 0, 0, G_OPTION_ARG_STRING, &import.timezone, "of stamps that state none", "TZ" },
    { "retention", 0, 0, G_OPTION_ARG_INT, &import.retention,
      "delete what is older than so many days; without it nothing is deleted", "DAYS" },
    { "emit-alerts", 0, 0, G_OPTION_ARG_NONE, &import.emit_alerts,
      "alerts go into syslog, too, not only into the store", NULL },
    { NULL },
  };
  GOptionContext *context;
  GError *error = NULL;
  gint status = CLI_FINE;

  import.overrides = g_ptr_array_new_with_free_func(g_free);
  import.started_at = g_get_monotonic_time();
  context = g_option_context_new("FILE... - logs into the store, oldest first");
  g_option_context_add_main_entries(context, entries, NULL);
  g_option_context_add_group(context, mt_settings_group(import.overrides, own_options));
  g_set_prgname("mailtrail import");
  if (!g_option_context_parse(context, &argc, &argv, &error))
    {
      status = cli_usage("import", "%s", error->message);
      g_clear_error(&error);
    }
  else if ((status = check(&import, argc)) == CLI_FINE)
    {
      catch_interrupt();
      if (!make_settings(&import, &error))
        {
          status = cli_usage("import", "%s", error->message);
          g_clear_error(&error);
        }
      else
        status = run(&import, argc, argv);
      mt_settings_clear(&import.settings);
    }
  g_option_context_free(context);
  g_ptr_array_free(import.overrides, TRUE);
  if (import.zone)
    g_time_zone_unref(import.zone);
  g_free(import.database);
  g_free(import.dialect);
  g_free(import.host);
  g_free(import.timezone);
  return status;
}
