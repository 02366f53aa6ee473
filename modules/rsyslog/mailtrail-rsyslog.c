/* mailtrail-rsyslog: rsyslog's omprog plugin
 *
 * Layer: rsyslog.  Concurrency: one thread.
 *
 * rsyslog writes lines to our standard input and waits for our word on standard output
 * (omprog, confirmMessages="on" useTransactions="on"): "OK" when we are ready, for the
 * begin of a transaction and, once it is committed, for its end; "DEFER_COMMIT" for
 * each line in it; anything else is an error, after which rsyslog sends the transaction
 * again.  Alerts go into the system log through syslog(3).
 */
#include "engine/engine.h"
#include "engine/outbox.h"
#include "engine/reader.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

/* omprog's defaults for beginTransactionMark and commitTransactionMark. */
#define BEGIN_MARK "BEGIN TRANSACTION"
#define COMMIT_MARK "COMMIT TRANSACTION"

#define BLOCK_BYTES (1 << 16)
#define TICK_MS 1000

typedef struct
{
  MtSettings settings;
  MtEngine *engine;
  MtReader *reader;
  MtQuery *query;
  gint64 alert_id;
  gboolean in_transaction;
  gboolean failed; /* in this transaction: it is refused at its end */
  GString *input;
  gboolean at_end;
} Plugin;

static void
log_message(gpointer user, MtLogLevel level, const gchar *message)
{
  fprintf(stderr, "mailtrail-rsyslog: %s\n", message);
}

static void
answer(const gchar *word)
{
  puts(word);
  fflush(stdout);
}

/* An error is one line; rsyslog logs it and tries again. */
static void
answer_error(GError **error)
{
  gchar *line = g_strdelimit(g_strdup((*error)->message), "\r\n", ' ');

  fprintf(stderr, "mailtrail-rsyslog: %s\n", line);
  printf("Error: %s\n", line);
  fflush(stdout);
  g_free(line);
  g_clear_error(error);
}

/* ---- alerts ------------------------------------------------------------------------------- */

static void
send_alerts(Plugin *plugin)
{
  GError *error = NULL;
  MtRows *rows;

  if (mt_engine_alert_id(plugin->engine) <= plugin->alert_id)
    return;
  if (!plugin->query)
    plugin->query = mt_query_open(plugin->settings.database, &error);
  rows = plugin->query ? mt_outbox_alerts(plugin->query, plugin->alert_id, &error) : NULL;
  while (rows && mt_rows_next(rows, &error))
    {
      GString *text = g_string_new(NULL);

      mt_outbox_append_text(rows, "ip", text);
      syslog(LOG_AUTHPRIV | mt_outbox_severity(rows), "%s", text->str);
      g_string_free(text, TRUE);
      plugin->alert_id = mt_rows_integer(rows, mt_rows_column(rows, "id"));
    }
  mt_rows_free(rows);
  if (error)
    {
      log_message(NULL, MT_LOG_ERROR, error->message);
      g_clear_error(&error);
    }
  else
    mt_engine_emitted(plugin->engine, plugin->alert_id);
}

/* Those that were committed and not emitted when we ended. */
static void
find_first_alert(Plugin *plugin)
{
  MtRows *rows;

  plugin->alert_id = mt_engine_alert_id(plugin->engine);
  plugin->query = mt_query_open(plugin->settings.database, NULL);
  rows = plugin->query ? mt_query_run(plugin->query,
                                      "SELECT min(id)-1 FROM alerts WHERE emit AND emitted IS NULL",
                                      NULL, NULL)
                       : NULL;
  if (rows && mt_rows_next(rows, NULL) && mt_rows_type(rows, 0) != MT_COLUMN_NULL)
    plugin->alert_id = mt_rows_integer(rows, 0);
  mt_rows_free(rows);
}

/* ---- the protocol ---------------------------------------------------------------------------- */

static void
begin(Plugin *plugin)
{
  mt_engine_rollback(plugin->engine); /* what an interrupted transaction left */
  plugin->in_transaction = TRUE;
  plugin->failed = FALSE;
  answer("OK");
}

static gboolean
commit(Plugin *plugin)
{
  GError *error = NULL;

  plugin->in_transaction = FALSE;
  if (plugin->failed)
    {
      mt_engine_rollback(plugin->engine);
      answer("Error: the transaction has failed before");
      return FALSE;
    }
  if (!mt_engine_commit(plugin->engine, g_get_real_time(), &error))
    {
      answer_error(&error);
      return FALSE;
    }
  answer("OK");
  return TRUE;
}

static void
take_line(Plugin *plugin, MtSpan raw)
{
  GError *error = NULL;
  MtLine line;

  mt_reader_head(plugin->reader, raw, &line);
  if (!mt_engine_push(plugin->engine, &line, -1, &error))
    {
      plugin->failed = TRUE;
      answer_error(&error);
    }
  else if (plugin->in_transaction)
    answer("DEFER_COMMIT");
  else
    commit(plugin);
}

static void
take(Plugin *plugin, MtSpan line)
{
  if (MT_SPAN_IS(line, BEGIN_MARK))
    begin(plugin);
  else if (MT_SPAN_IS(line, COMMIT_MARK))
    {
      if (commit(plugin))
        send_alerts(plugin);
    }
  else
    take_line(plugin, line);
}

/* ---- the loop ---------------------------------------------------------------------------------- */

static void
take_lines(Plugin *plugin)
{
  gsize done = 0;
  gchar *stop;

  while ((stop = memchr(plugin->input->str + done, '\n', plugin->input->len - done)))
    {
      take(plugin, mt_span(plugin->input->str + done, stop - plugin->input->str - done));
      done = stop - plugin->input->str + 1;
    }
  g_string_erase(plugin->input, 0, done);
}

static void
read_input(Plugin *plugin)
{
  gchar block[BLOCK_BYTES];
  gssize got = read(STDIN_FILENO, block, sizeof block);

  if (got > 0)
    g_string_append_len(plugin->input, block, got);
  else if (got == 0 || errno != EINTR)
    plugin->at_end = TRUE;
}

static void
run(Plugin *plugin)
{
  while (!plugin->at_end)
    {
      struct pollfd input = { .fd = STDIN_FILENO, .events = POLLIN };
      gint ready = poll(&input, 1, TICK_MS);

      if (ready > 0)
        {
          read_input(plugin);
          take_lines(plugin);
        }
      if (!plugin->in_transaction)
        {
          mt_engine_tick(plugin->engine, g_get_real_time());
          send_alerts(plugin);
        }
    }
}

static gboolean
parse_options(int argc, char **argv, Plugin *plugin, GError **error)
{
  static const gchar *const except[] = { "trusted-uids", NULL };
  GPtrArray *given = g_ptr_array_new_with_free_func(g_free);
  GOptionContext *context = g_option_context_new("- rsyslog's omprog plugin of mailtrail");
  gboolean ok;

  g_option_context_add_group(context, mt_settings_group(given, except));
  ok = g_option_context_parse(context, &argc, &argv, error);
  if (ok && argc > 1)
    {
      g_set_error(error, MT_SETTINGS_ERROR, 0, "\"%s\" is one word too many", argv[1]);
      ok = FALSE;
    }
  ok = ok && mt_settings_apply(&plugin->settings, given, error);
  g_option_context_free(context);
  g_ptr_array_free(given, TRUE);
  return ok;
}

int
main(int argc, char **argv)
{
  Plugin plugin = { .input = g_string_new(NULL) };
  GTimeZone *zone = g_time_zone_new_local();
  MtReaderSettings reader_settings = { 0 };
  GError *error = NULL;

  mt_settings_init(&plugin.settings);
  if (!parse_options(argc, argv, &plugin, &error))
    {
      fprintf(stderr, "mailtrail-rsyslog: %s; see --help\n", error->message);
      return 2;
    }
  plugin.engine = mt_engine_open(&plugin.settings, MT_ENGINE_EMIT | MT_ENGINE_REMEMBER,
                                 g_get_real_time(), log_message, NULL, &error);
  if (!plugin.engine)
    {
      answer_error(&error);
      return 3;
    }
  reader_settings.zone = zone;
  reader_settings.latest = g_get_real_time();
  plugin.reader = mt_reader_new(&reader_settings, NULL);
  openlog("mailtrail", 0, LOG_AUTHPRIV);
  find_first_alert(&plugin);
  answer("OK");
  run(&plugin);
  mt_engine_close(plugin.engine);
  mt_query_close(plugin.query);
  mt_reader_free(plugin.reader);
  mt_settings_clear(&plugin.settings);
  g_time_zone_unref(zone);
  g_string_free(plugin.input, TRUE);
  return 0;
}
