/* mailtrail-rsyslog: rsyslog's omprog plugin
 *
 * Layer: rsyslog.  Concurrency: one thread.
 *
 * rsyslog writes lines to our standard input and waits for our word on standard output
 * (omprog, confirmMessages="on" useTransactions="on"): "OK" when we are ready, for the
 * begin of a transaction and, once it is committed, for its end; "DEFER_COMMIT" for
 * each line in it.  What omprog of rsyslog 8.2302.0 does then, as tests/hosts/rsyslog.py
 * shows it:
 *
 *   an error at the end of a transaction  sends its lines again, one by one
 *   an error, or our death, in its middle  sends the line under way again, and loses those
 *                                          before it
 *   our death between two                  sends the next line twice, the second time
 *                                          behind all that has gathered meanwhile
 *
 * So an error is told at the end only, the lines of an open transaction are in a journal,
 * and the first line after a death counts once.  Alerts go into the system log through
 * syslog(3).
 */
#include "engine/engine.h"
#include "engine/outbox.h"
#include "engine/reader.h"
#include "rsyslog/journal.h"

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
  MtJournal *journal;
  GString *first;           /* the first line after a death; NULL once it has come twice */
  gboolean first_is_stored; /* in the store; else in the open transaction */
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
  /* One that is open already was interrupted: rsyslog takes its lines for handled. */
  if (!plugin->in_transaction)
    plugin->failed = FALSE;
  plugin->in_transaction = TRUE;
  answer("OK");
}

/* What failed is sent again, so nothing is to come from the journal. */
static gboolean
end_transaction(Plugin *plugin, GError **error)
{
  gboolean ok = FALSE;

  plugin->in_transaction = FALSE;
  if (!plugin->failed)
    ok = mt_engine_commit(plugin->engine, g_get_real_time(), error);
  else
    mt_engine_rollback(plugin->engine);
  mt_journal_clear(plugin->journal);
  if (plugin->first && ok)
    plugin->first_is_stored = plugin->first->len > 0;
  else if (plugin->first && !plugin->first_is_stored)
    g_string_truncate(plugin->first, 0);
  return ok;
}

static gboolean
commit(Plugin *plugin)
{
  GError *error = NULL;

  if (end_transaction(plugin, &error))
    {
      answer("OK");
      return TRUE;
    }
  if (error)
    answer_error(&error);
  else
    answer("Error: the transaction has failed before");
  return FALSE;
}

/* The line that rsyslog puts behind all others after our death, though it has sent it. */
static gboolean
is_first_again(Plugin *plugin, MtSpan raw)
{
  if (!plugin->first)
    return FALSE;
  if (!plugin->first->len)
    {
      g_string_append_len(plugin->first, raw.at, raw.len);
      return FALSE;
    }
  if (!mt_span_equal(mt_span(plugin->first->str, plugin->first->len), raw))
    return FALSE;
  g_string_free(plugin->first, TRUE);
  plugin->first = NULL;
  return TRUE;
}

static gboolean
push(Plugin *plugin, MtSpan raw, GError **error)
{
  MtLine line;

  mt_reader_head(plugin->reader, raw, &line);
  return mt_engine_push(plugin->engine, &line, -1, error);
}

/* Also a line of a transaction that has failed goes into the journal: until its end is told,
 * rsyslog takes it for handled. */
static gboolean
keep_line(Plugin *plugin, MtSpan raw, GError **error)
{
  if (is_first_again(plugin, raw))
    return TRUE;
  return mt_journal_add(plugin->journal, raw, error)
         && (plugin->failed || push(plugin, raw, error));
}

static void
take_line(Plugin *plugin, MtSpan raw)
{
  GError *error = NULL;

  if (!keep_line(plugin, raw, &error))
    {
      plugin->failed = TRUE;
      log_message(NULL, MT_LOG_ERROR, error->message);
      g_clear_error(&error);
    }
  if (plugin->in_transaction)
    answer("DEFER_COMMIT");
  else
    {
      commit(plugin);
      plugin->failed = FALSE;
    }
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

/* ---- the loop ---------------------------------------------------------------------- */

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

/* ---- after a death ----------------------------------------------------------------- */

static gboolean
push_left(Plugin *plugin, MtSpan left, GError **error)
{
  MtCursor cur = mt_cursor(left);
  MtSpan line;

  while (mt_scan_until(&cur, '\n', &line))
    if (!push(plugin, line, error))
      return FALSE;
  return mt_engine_commit(plugin->engine, g_get_real_time(), error);
}

/* Journals of workers that are no more are read, too; the first that is free is ours. */
static gboolean
take_journals(Plugin *plugin, gboolean *any, GError **error)
{
  for (guint i = 0; i < MT_JOURNALS; i++)
    {
      MtJournal *journal = mt_journal_open(plugin->settings.database, i, !plugin->journal, error);

      if (!journal && *error)
        return FALSE;
      if (!journal)
        continue;
      if (mt_journal_left(journal).len && !push_left(plugin, mt_journal_left(journal), error))
        {
          mt_journal_close(journal, FALSE);
          return FALSE;
        }
      *any |= mt_journal_left(journal).len > 0;
      mt_journal_clear(journal);
      if (plugin->journal)
        mt_journal_close(journal, TRUE);
      else
        plugin->journal = journal;
    }
  if (!plugin->journal)
    g_set_error(error, MT_SETTINGS_ERROR, 0, "%s: more than %d programs write to it",
                plugin->settings.database, MT_JOURNALS);
  return plugin->journal != NULL;
}

static gboolean
open_engine(Plugin *plugin, GError **error)
{
  plugin->engine = mt_engine_open(&plugin->settings, MT_ENGINE_EMIT | MT_ENGINE_REMEMBER,
                                  g_get_real_time(), log_message, NULL, error);
  return plugin->engine != NULL;
}

/* What comes from the journals may come from rsyslog again: a stream of its own, so that
 * those lines are known to be in the store. */
static gboolean
start(Plugin *plugin, GError **error)
{
  gboolean any = FALSE;

  if (!open_engine(plugin, error) || !take_journals(plugin, &any, error))
    return FALSE;
  if (mt_journal_was_cut(plugin->journal))
    plugin->first = g_string_new(NULL);
  if (!any)
    return TRUE;
  mt_engine_close(plugin->engine);
  return open_engine(plugin, error);
}

/* rsyslog has closed its end: what it takes for handled is to be kept. */
static void
finish(Plugin *plugin)
{
  gboolean ended = TRUE;

  if (plugin->in_transaction && !plugin->failed)
    {
      GError *error = NULL;

      ended = mt_engine_commit(plugin->engine, g_get_real_time(), &error);
      if (error)
        log_message(NULL, MT_LOG_ERROR, error->message);
      g_clear_error(&error);
    }
  mt_engine_close(plugin->engine);
  mt_journal_close(plugin->journal, ended);
  mt_query_close(plugin->query);
  mt_reader_free(plugin->reader);
  mt_settings_clear(&plugin->settings);
  if (plugin->first)
    g_string_free(plugin->first, TRUE);
  g_string_free(plugin->input, TRUE);
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
  GTimeZone *zone;
  MtReaderSettings reader_settings = { 0 };
  GError *error = NULL;

  mt_settings_init(&plugin.settings);
  if (!parse_options(argc, argv, &plugin, &error))
    {
      fprintf(stderr, "mailtrail-rsyslog: %s; see --help\n", error->message);
      return 2;
    }
  zone = plugin.settings.time_zone ? g_time_zone_new_identifier(plugin.settings.time_zone)
                                   : g_time_zone_new_local();
  reader_settings.zone = zone;
  reader_settings.latest = g_get_real_time();
  plugin.reader = mt_reader_new(&reader_settings, NULL);
  if (!start(&plugin, &error))
    {
      answer_error(&error);
      return 3;
    }
  openlog("mailtrail", 0, LOG_AUTHPRIV);
  find_first_alert(&plugin);
  answer("OK");
  run(&plugin);
  finish(&plugin);
  g_time_zone_unref(zone);
  return 0;
}
