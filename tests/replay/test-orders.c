/* test-orders LOG [SEED]: one log in many legal orders gives one store
 *
 * The log's stamps are of microseconds and say the order.  The lines of one process stay in
 * it; those of different processes pass each other by up to a minute, as they do when several
 * sources are read or a relay is slow.  Commits fall anywhere, and the engine is closed and
 * opened anew anywhere.  All views must hold the same rows, numbers of rows aside.
 */
#include "engine/engine.h"
#include "engine/query.h"
#include "engine/reader.h"

#include <glib/gstdio.h>
#include <stdio.h>
#include <stdlib.h>

#define VARIANTS 6
#define MAX_LATE_US (60 * MT_SECOND_US)

typedef struct
{
  MtLine line; /* its spans are of the log's text */
  guint number;
  gint64 due; /* when it comes, in this variant */
} Line;

typedef struct
{
  gchar *text;
  GArray *lines; /* Line, as logged */
  gchar *rows;   /* of the undisturbed order */
  guint32 seed;
} Log;

typedef struct
{
  MtSettings settings;
  MtEngine *engine;
  gchar *directory;
} Player;

static Log the_log;

static void
complain(gpointer user, MtLogLevel level, const gchar *message)
{
  g_test_message("engine: %s", message);
}

static void
open_engine(Player *player)
{
  GError *error = NULL;

  player->engine = mt_engine_open(&player->settings, 0, g_get_real_time(), complain, NULL, &error);
  g_assert_no_error(error);
}

static void
commit(Player *player)
{
  GError *error = NULL;

  mt_engine_commit(player->engine, g_get_real_time(), &error);
  g_assert_no_error(error);
}

/* What is known of domains must not depend on who came first: it is said. */
static void
start(Player *player)
{
  static const gchar *const domains[] = { "example.com", "example.org", "shop.example.net",
                                          "klinik.example.de" };
  gchar *database;

  player->directory = g_dir_make_tmp("mailtrail-orders-XXXXXX", NULL);
  database = g_build_filename(player->directory, "mail.db", NULL);
  mt_settings_init(&player->settings);
  mt_settings_set(&player->settings, "database", database, NULL);
  for (guint i = 0; i < G_N_ELEMENTS(domains); i++)
    mt_settings_set(&player->settings, "local-domains", domains[i], NULL);
  mt_settings_set(&player->settings, "raw-lines", "0", NULL);
  open_engine(player);
  g_free(database);
}

static void
stop(Player *player)
{
  GDir *directory = g_dir_open(player->directory, 0, NULL);
  const gchar *name;

  mt_engine_close(player->engine);
  mt_settings_clear(&player->settings);
  while ((name = g_dir_read_name(directory)))
    {
      gchar *path = g_build_filename(player->directory, name, NULL);

      g_unlink(path);
      g_free(path);
    }
  g_dir_close(directory);
  g_rmdir(player->directory);
  g_free(player->directory);
}

/* ---- what the store says -------------------------------------------------------------------- */

/* Every public view; numbers of rows and how often one was written are left out. */
static const gchar *const questions[] = {
  "SELECT 'message', time, last_time, host, instance, queue_id, message_id, sender, size, nrcpt,"
  " client_ip, client_name, auth_user, auth_method, service, port, direction, state,"
  " parent_queue_id, parent_kind, incomplete FROM messages",
  "SELECT 'delivery', m.host, m.queue_id, m.time, d.recipient, d.orig_recipient, d.time, d.status,"
  " d.dsn, d.relay_name, d.relay_ip, d.transport, d.delay, d.reply, d.reason_class, d.attempts,"
  " d.mailbox, d.outcome FROM messages m JOIN deliveries d ON d.message=m.id",
  "SELECT 'mail', time, last_time, sender, recipient, orig_recipient, size, status, outcome, reply,"
  " reason_class, direction, service, port, queue_id, first_queue_id, message_id, client_ip,"
  " auth_user, attempts, mailbox, forwarded_to, auto_reply, spam_action, spam_score, host FROM mail",
  "SELECT 'attempt', time, dsn, relay_name, delay, reply FROM attempts",
  "SELECT 'rejected', time, sender, recipient, client_ip, helo, stage, code, dsn, reason,"
  " reason_class, host FROM mail_rejected",
  "SELECT 'access', time, logout_time, account, service, ip, method, tls, session, host, in_bytes,"
  " out_bytes, deleted, expunged, trashed FROM accesses",
  "SELECT 'failed', time, account, service, ip, reason, attempts, method, session, host"
  " FROM accesses_failed",
  "SELECT 'mailbox', time, account, mailbox, message_id, uid, size, action FROM mailbox_events",
  "SELECT 'connection', * FROM connections",
  "SELECT 'activity', * FROM activity_daily",
  "SELECT 'incident', time, kind, ip, account, queue_id, reason, host FROM incidents",
};

static gint
compare(gconstpointer a, gconstpointer b)
{
  return strcmp(*(gchar *const *) a, *(gchar *const *) b);
}

static gchar *
row_text(MtRows *rows)
{
  GString *text = g_string_new(NULL);

  for (guint i = 0; i < mt_rows_columns(rows); i++)
    {
      MtSpan value = mt_rows_text(rows, i);

      g_string_append_len(text, value.at, value.len);
      g_string_append_c(text, '|');
    }
  return g_string_free(text, FALSE);
}

static gchar *
dump(Player *player)
{
  GError *error = NULL;
  MtQuery *query = mt_query_open(player->settings.database, &error);
  GPtrArray *all = g_ptr_array_new_with_free_func(g_free);
  gchar *text;

  g_assert_no_error(error);
  for (guint i = 0; i < G_N_ELEMENTS(questions); i++)
    {
      MtRows *rows = mt_query_run(query, questions[i], NULL, &error);

      g_assert_no_error(error);
      while (mt_rows_next(rows, &error))
        g_ptr_array_add(all, row_text(rows));
      g_assert_no_error(error);
      mt_rows_free(rows);
    }
  mt_query_close(query);
  g_ptr_array_sort(all, compare);
  g_ptr_array_add(all, NULL);
  text = g_strjoinv("\n", (gchar **) all->pdata);
  g_ptr_array_free(all, TRUE);
  return text;
}

/* ---- orders ------------------------------------------------------------------------ */

static gint
by_due(gconstpointer a, gconstpointer b)
{
  const Line *x = a, *y = b;

  return x->due != y->due ? (x->due < y->due ? -1 : 1) : (gint) x->number - (gint) y->number;
}

/* Each process is late by a time of its own; some by none. */
static gint64
lateness(const MtLine *line, guint32 salt)
{
  gchar *process =
      g_strdup_printf("%.*s %.*s %" G_GINT64_FORMAT " %u", (gint) line->host.len, line->host.at,
                      (gint) line->program.len, line->program.at, line->pid, salt);
  guint32 hash = g_str_hash(process) * 2654435761u;

  g_free(process);
  return hash % 3 ? (gint64) (hash >> 4) % MAX_LATE_US : 0;
}

static GArray *
reorder(const Log *log, guint32 salt)
{
  GArray *lines = g_array_copy(log->lines);

  for (guint i = 0; i < lines->len; i++)
    {
      Line *line = &g_array_index(lines, Line, i);

      line->due = line->line.time + (salt ? lateness(&line->line, salt) : 0);
    }
  g_array_sort(lines, by_due);
  return lines;
}

static gchar *
play(const Log *log, guint32 salt, guint batch_most, guint reopens)
{
  GArray *lines = reorder(log, salt);
  GRand *rand = g_rand_new_with_seed(log->seed + salt);
  guint batch = g_rand_int_range(rand, 1, batch_most + 1);
  Player player = { 0 };
  GError *error = NULL;
  gchar *rows;

  start(&player);
  for (guint i = 0; i < lines->len; i++)
    {
      mt_engine_push(player.engine, &g_array_index(lines, Line, i).line, -1, &error);
      g_assert_no_error(error);
      if (--batch)
        continue;
      batch = g_rand_int_range(rand, 1, batch_most + 1);
      commit(&player);
      if (reopens && g_rand_int_range(rand, 0, lines->len / batch_most * 2) < (gint) reopens)
        {
          mt_engine_close(player.engine);
          open_engine(&player);
        }
    }
  commit(&player);
  rows = dump(&player);
  stop(&player);
  g_rand_free(rand);
  g_array_free(lines, TRUE);
  return rows;
}

static void
show_difference(const gchar *want, const gchar *got)
{
  gchar **a = g_strsplit(want, "\n", -1), **b = g_strsplit(got, "\n", -1);
  guint i = 0, j = 0, shown = 0;

  while ((a[i] || b[j]) && shown < 10)
    {
      gint order = !a[i] ? 1 : !b[j] ? -1 : strcmp(a[i], b[j]);

      if (order)
        {
          g_test_message("%s %s", order < 0 ? "missing" : "extra", order < 0 ? a[i] : b[j]);
          shown++;
        }
      i += order <= 0;
      j += order >= 0;
    }
  g_strfreev(a);
  g_strfreev(b);
}

typedef struct
{
  guint32 salt;
  guint batch_most;
  guint reopens;
} Variant;

static void
test_variant(gconstpointer data)
{
  const Variant *variant = data;
  gchar *rows = play(&the_log, variant->salt, variant->batch_most, variant->reopens);

  if (!g_str_equal(rows, the_log.rows))
    {
      show_difference(the_log.rows, rows);
      g_test_fail();
    }
  g_free(rows);
}

/* ---- the log ----------------------------------------------------------------------- */

static void
read_log(Log *log, const gchar *path)
{
  GTimeZone *zone = g_time_zone_new_utc();
  MtReaderSettings reading = { .zone = zone, .latest = g_get_real_time() };
  MtReader *reader = mt_reader_new(&reading, NULL);
  GError *error = NULL;
  gchar *at, *eol;

  if (!g_file_get_contents(path, &log->text, NULL, &error))
    g_error("%s", error->message);
  log->lines = g_array_new(FALSE, FALSE, sizeof(Line));
  for (at = log->text; (eol = strchr(at, '\n')); at = eol + 1)
    {
      Line line = { .number = log->lines->len };

      mt_reader_head(reader, mt_span(at, eol - at), &line.line);
      g_array_append_val(log->lines, line);
    }
  mt_reader_free(reader);
  g_time_zone_unref(zone);
}

int
main(int argc, char **argv)
{
  static Variant variants[VARIANTS];

  g_test_init(&argc, &argv, NULL);
  g_test_set_nonfatal_assertions();
  if (argc < 2)
    {
      fprintf(stderr, "usage: test-orders LOG [SEED]\n");
      return 2;
    }
  read_log(&the_log, argv[1]);
  the_log.seed = argc > 2 ? strtoul(argv[2], NULL, 10) : g_random_int();
  the_log.rows = play(&the_log, 0, 20000, 0);
  for (guint i = 0; i < VARIANTS; i++)
    {
      gchar *name;

      /* The first is in the order of time, but with commits and restarts. */
      variants[i] = (Variant){ i ? the_log.seed + i : 0, 1 << (2 * i), 8 };
      name = g_strdup_printf("/orders/seed-%u/batches-of-%u", the_log.seed, variants[i].batch_most);
      g_test_add_data_func(name, &variants[i], test_variant);
      g_free(name);
    }
  return g_test_run();
}
