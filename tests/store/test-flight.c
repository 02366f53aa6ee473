/* test-flight: batches that are read while the one before them is being written
 *
 * The rows are those of a run whose batches were committed one by one.  A trail that keeps hardly
 * anything in memory asks the store for nearly every line: for what is being written, and for
 * what lies there already.
 */
#include "store/host.h"

#include "dialects/dialect.h"
#include "store/store.h"

#include <glib/gstdio.h>

#define MESSAGES 400
#define KEPT 3 /* messages in memory */

typedef struct
{
  guint at; /* in which order it comes */
  gchar *text;
} Line;

static GArray *log_lines; /* Line */

static void
add_line(guint at, gchar *text)
{
  Line line = { at, text };

  g_array_append_val(log_lines, line);
}

static gint
compare_lines(gconstpointer a, gconstpointer b)
{
  const Line *left = a, *right = b;

  return left->at < right->at ? -1 : left->at > right->at;
}

/* The lines of a message come a little or much later than its first: from nearly each batch
 * there are some that belong to any of the ones before. */
static void
make_log(void)
{
  log_lines = g_array_new(FALSE, FALSE, sizeof(Line));
  for (guint i = 0; i < MESSAGES; i++)
    {
      guint at = i * 4;

#define LINE(lag, format, ...) \
  add_line(at + (lag), \
           g_strdup_printf("Nov 20 10:%02u:%02u mail " format, i / 60 % 60, i % 60, __VA_ARGS__))
      LINE(0, "postfix/smtpd[11]: AA%08u: client=mx%u.example.org[192.0.2.%u]", i, i % 5, i % 5);
      LINE(1 + i % 3, "postfix/cleanup[12]: AA%08u: message-id=<%u@example.org>", i, i);
      LINE(9 + i % 50,
           "postfix/qmgr[13]: AA%08u: from=<ann%u@example.org>, size=%u, nrcpt=2 (queue active)", i,
           i % 17, i + 100);
      LINE(60 + i % 41,
           "postfix/smtp[14]: AA%08u: to=<bob%u@example.com>, relay=none, delay=1, "
           "delays=0.1/0/0.5/0.4, dsn=4.4.1, status=deferred (connect to mx.example.com"
           "[198.51.100.9]:25: Connection refused)",
           i, i % 11);
      LINE(
          120 + i % 97,
          "postfix/smtp[14]: AA%08u: to=<joe%u@example.net>, relay=mx.example.net[203.0.113.5]:25, "
          "delay=1, delays=0.1/0/0.5/0.4, dsn=2.0.0, status=sent (250 2.0.0 Ok: queued as BB%08u)",
          i, i % 7, i);
      LINE(
          300 + i % 211,
          "postfix/smtp[15]: AA%08u: to=<bob%u@example.com>, relay=mx.example.com[198.51.100.9]:25,"
          " delay=9, delays=0.1/0/0.5/0.4, dsn=2.0.0, status=sent (250 2.0.0 Ok: queued as CC%08u)",
          i, i % 11, i);
      LINE(620 + i % 5, "postfix/qmgr[13]: AA%08u: removed", i);
#undef LINE
    }
  g_array_sort(log_lines, compare_lines);
}

static void
free_log(void)
{
  for (guint i = 0; i < log_lines->len; i++)
    g_free(g_array_index(log_lines, Line, i).text);
  g_array_free(log_lines, TRUE);
}

static const gchar *const questions[] = {
  "SELECT queue_id, message_id, sender, client_ip, size, state, ts, last_time FROM messages "
  "ORDER BY queue_id",
  "SELECT queue_id, sender, recipient, outcome, attempts, direction, reply FROM mail "
  "ORDER BY queue_id, recipient",
  "SELECT dsn, relay_name, ts, reply FROM attempts ORDER BY ts, reply",
  "SELECT day, account, sent, deferred, received FROM activity_daily ORDER BY account",
  NULL,
};

/* ---- a trail that forgets ---------------------------------------------------------------- */

typedef struct
{
  Host host; /* its settings and reader; no engine */
  MtStoreSettings store_settings;
  MtTrailSettings trail_settings;
  MtTrailBacking backing;
  MtStore *store;
  MtTrail *trail;
  MtWatch *watch;
  MtParser parser;
  MtStoreWork work; /* what is being written */
} Forgetful;

static void
land(Forgetful *f)
{
  GError *error = NULL;

  if (!f->work.batch)
    return;
  g_assert_true(mt_store_wait(f->store, &error));
  g_assert_no_error(error);
  mt_watch_work_free(f->work.watch);
  mt_trail_recycle(f->trail, f->work.batch);
  f->work.batch = NULL;
}

static void
begin(Forgetful *f)
{
  gboolean others_wrote;
  GError *error = NULL;
  MtTrailStart start;

  g_assert_true(mt_store_begin(f->store, &others_wrote, &error));
  g_assert_no_error(error);
  if (!others_wrote)
    return;
  mt_store_start(f->store, &start);
  mt_trail_reset(f->trail, &start);
}

static void
push(Forgetful *f, const gchar *text)
{
  MtLine line;
  MtEvent event;
  MtFact fact;

  mt_reader_head(f->host.reader, mt_span_of_string(text), &line);
  mt_parser_parse(&f->parser, &line, &event);
  begin(f);
  g_assert_true(mt_guard_pass(mt_store_guard(f->store), &line));
  mt_trail_push(f->trail, &line, &event, &fact);
}

static void
end_batch(Forgetful *f, gboolean fly)
{
  GError *error = NULL;

  land(f);
  f->work = (MtStoreWork){ .batch = mt_trail_flush(f->trail, NULL, NULL),
                           .watch = mt_watch_take(f->watch) };
  g_assert_true((fly ? mt_store_submit : mt_store_commit)(f->store, &f->work, &error));
  g_assert_no_error(error);
  (fly ? mt_trail_submitted : mt_trail_committed)(f->trail);
}

/* @batch: how many lines one has, 0: as the dice say. */
static gchar *
run(guint batch, gboolean fly)
{
  Forgetful f = { .trail_settings.max_messages = KEPT };
  GRand *dice = g_rand_new_with_seed(7);
  GError *error = NULL;
  gchar *got;

  host_start(&f.host, NULL);
  f.store_settings = (MtStoreSettings){ .path = f.host.settings.database, .uid = -1, .gid = -1 };
  f.store = mt_store_open(&f.store_settings, g_get_real_time(), &error);
  g_assert_no_error(error);
  f.backing = mt_store_backing(f.store);
  f.trail = mt_trail_new(&f.trail_settings, &f.backing, mt_store_key(f.store));
  f.watch = mt_watch_new(&mt_watch_backing_null, mt_store_key(f.store), NULL);
  mt_parser_init(&f.parser, NULL);
  for (guint i = 0, left = 0; i < log_lines->len; i++)
    {
      if (!left)
        left = batch ? batch : (guint) g_rand_int_range(dice, 1, 90);
      push(&f, g_array_index(log_lines, Line, i).text);
      if (--left == 0)
        end_batch(&f, fly);
    }
  end_batch(&f, fly);
  land(&f);
  if (batch <= 100)
    g_assert_cmpuint(mt_trail_counters(f.trail)->late, >, MESSAGES / 2);
  got = host_contents(&f.host, questions);
  mt_trail_free(f.trail);
  mt_watch_free(f.watch);
  mt_store_close(f.store);
  g_rand_free(dice);
  host_stop(&f.host);
  return got;
}

static void
test_same_rows(void)
{
  static const guint sizes[] = { 0, 1, 7, 100, 1000 };
  gchar *want = run(50, FALSE);

  g_assert_nonnull(strstr(want, "CC00000399"));
  for (guint i = 0; i < G_N_ELEMENTS(sizes); i++)
    {
      gchar *got = run(sizes[i], TRUE);

      g_assert_cmpstr(got, ==, want);
      g_free(got);
    }
  g_free(want);
}

/* ---- others want to write, too -------------------------------------------------------------- */

#define OTHER_BATCHES 20
#define ROUNDS_MAX 3000

static gint other_is_done; /* atomic */

static gpointer
write_beside(gpointer data)
{
  Host *host = data;
  GError *error = NULL;

  for (guint i = 0; i < OTHER_BATCHES; i++)
    {
      gchar *text = g_strdup_printf(
          "Nov 20 11:00:%02u other postfix/smtpd[11]: DD%08u: "
          "client=mx.example.org[192.0.2.9]",
          i, i);

      g_assert_true(host_push(host, text, &error));
      g_assert_no_error(error);
      g_assert_true(mt_engine_commit(host->engine, g_get_real_time(), &error));
      g_assert_no_error(error);
      g_free(text);
    }
  __atomic_store_n(&other_is_done, TRUE, __ATOMIC_RELEASE);
  return NULL;
}

static void
submit(Host *host)
{
  GError *error = NULL;

  g_assert_true(mt_engine_land(host->engine, &error));
  g_assert_no_error(error);
  g_assert_true(mt_engine_submit(host->engine, g_get_real_time(), &error));
  g_assert_no_error(error);
}

/* On one store; only the first has opened it. */
static void
start_both(Host *host, Host *other)
{
  host_start(host, "retention", "0", NULL);
  host_start(other, "retention", "0", "database", host->settings.database, NULL);
  host_open(host, g_get_real_time());
}

/* Who writes without a pause gives the turn away as soon as another waits for it. */
static void
test_turns(void)
{
  Host host, other;
  GThread *thread;
  guint round = 0;

  start_both(&host, &other);
  host_open(&other, g_get_real_time());
  thread = g_thread_new("other", write_beside, &other);
  for (; round < ROUNDS_MAX && !__atomic_load_n(&other_is_done, __ATOMIC_ACQUIRE); round++)
    {
      GError *error = NULL;
      gchar *text = g_strdup_printf(
          "Nov 20 11:%02u:%02u mail postfix/smtpd[11]: EE%08u: "
          "client=mx.example.org[192.0.2.9]",
          round / 60 % 60, round % 60, round);

      g_assert_true(host_push(&host, text, &error));
      g_assert_no_error(error);
      g_free(text);
      submit(&host);
    }
  g_assert_cmpuint(round, <, ROUNDS_MAX);
  g_assert_true(mt_engine_land(host.engine, NULL));
  g_thread_join(thread);
  g_assert_cmpint(host_ask(&host, "SELECT count(*) FROM messages WHERE host='other'"), ==,
                  OTHER_BATCHES);
  g_assert_cmpint(host_ask(&host, "SELECT count(*) FROM messages WHERE host='mail'"), ==, round);
  host_close(&other);
  host_stop(&host);
  host_stop(&other);
}

/* A rollback takes the open batch back, and leaves the one that is being written. */
static void
test_rollback(void)
{
  GError *error = NULL;
  Host host;

  host_start(&host, "retention", "0", NULL);
  host_open(&host, g_get_real_time());
  for (guint i = 0; i < 3; i++)
    {
      gchar *text = g_strdup_printf(
          "Nov 20 11:00:00 mail postfix/smtpd[11]: FF%08u: client=mx.example.org[192.0.2.9]", i);

      g_assert_true(host_push(&host, text, &error));
      g_assert_no_error(error);
      if (i == 0)
        submit(&host);
      else if (i == 1)
        mt_engine_rollback(host.engine);
      g_free(text);
    }
  submit(&host);
  host_close(&host);
  g_assert_cmpint(host_ask(&host, "SELECT count(*) FROM messages"), ==, 2);
  g_assert_cmpint(host_ask(&host, "SELECT count(*) FROM messages WHERE queue_id='FF00000001'"), ==,
                  0);
  g_assert_cmpint(host_ask(&host, "SELECT count(*) FROM log_tail"), ==, 2);
  host_stop(&host);
}

static void
push_from(Host *host, const gchar *name, guint number)
{
  GError *error = NULL;
  gchar *text = g_strdup_printf(
      "Nov 20 12:00:00 %s postfix/smtpd[11]: AB%08u: "
      "client=mx.example.org[192.0.2.9]",
      name, number);

  g_assert_true(host_push(host, text, &error));
  g_assert_no_error(error);
  g_free(text);
}

#define CHAIN_TRIES 200

/* Nobody writes now. */
static gboolean
is_free(const Host *host)
{
  sqlite3 *db;
  gboolean free;

  g_assert_cmpint(sqlite3_open(host->settings.database, &db), ==, SQLITE_OK);
  free = sqlite3_exec(db, "BEGIN IMMEDIATE; COMMIT", NULL, NULL, NULL) == SQLITE_OK;
  sqlite3_close(db);
  return free;
}

/* One batch has been written, and the next one, of one line, has begun behind it while it was: so
 * it has no transaction yet.  Returns: how many lines there are with that. */
static guint
begin_chained(Host *host)
{
  GError *error = NULL;
  guint lines = 0;

  for (guint try = 0; try < CHAIN_TRIES; try++)
    {
      guint before = lines;

      while (lines < before + 200)
        push_from(host, "mail", lines++);
      submit(host);
      push_from(host, "mail", lines++);
      while (host_ask(host, "SELECT count(*) FROM messages") < lines - 1)
        g_usleep(1000);
      if (is_free(host))
        return lines;
      g_assert_true(mt_engine_land(host->engine, &error));
      g_assert_true(mt_engine_commit(host->engine, g_get_real_time(), &error));
    }
  g_assert_not_reached();
}

/* Somebody removes the lock file, so that another takes a turn that is ours: of rows with the same
 * numbers those that are there stay, and our lines are read again. */
static void
test_out_of_turn(void)
{
  GError *error = NULL;
  Host host, other;
  gchar *lock;
  guint lines;

  start_both(&host, &other);
  lines = begin_chained(&host);
  lock = g_strconcat(host.settings.database, "-lock", NULL);
  g_assert_cmpint(g_unlink(lock), ==, 0);
  host_open(&other, g_get_real_time());
  push_from(&other, "other", 1);
  g_assert_true(mt_engine_commit(other.engine, g_get_real_time(), &error));
  g_assert_true(mt_engine_land(host.engine, &error));
  g_assert_no_error(error);
  g_assert_false(mt_engine_submit(host.engine, g_get_real_time(), &error));
  g_assert_nonnull(strstr(error->message, "out of turn"));
  g_clear_error(&error);
  push_from(&host, "mail", lines - 1);
  g_assert_true(mt_engine_commit(host.engine, g_get_real_time(), &error));
  g_assert_no_error(error);
  g_assert_cmpint(host_ask(&host, "SELECT count(*) FROM messages WHERE host='other'"), ==, 1);
  g_assert_cmpint(host_ask(&host, "SELECT count(*) FROM messages WHERE host='mail'"), ==, lines);
  g_free(lock);
  host_close(&other);
  host_stop(&host);
  host_stop(&other);
}

static gpointer
hold_for_long(gpointer data)
{
  sqlite3 *db = data;

  g_usleep(6 * G_USEC_PER_SEC); /* longer than SQLite waits once */
  g_assert_cmpint(sqlite3_exec(db, "COMMIT", NULL, NULL, NULL), ==, SQLITE_OK);
  return NULL;
}

/* A program that knows nothing of turns holds the store between two batches: it is waited for. */
static void
test_foreign_lock(void)
{
  GError *error = NULL;
  GThread *thread;
  sqlite3 *db;
  Host host;
  guint lines;

  host_start(&host, "retention", "0", NULL);
  host_open(&host, g_get_real_time());
  g_assert_cmpint(sqlite3_open(host.settings.database, &db), ==, SQLITE_OK);
  lines = begin_chained(&host);
  g_assert_cmpint(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL), ==, SQLITE_OK);
  thread = g_thread_new("holds", hold_for_long, db);
  submit(&host);
  g_assert_true(mt_engine_land(host.engine, &error));
  g_assert_no_error(error);
  g_thread_join(thread);
  g_assert_cmpint(host_ask(&host, "SELECT count(*) FROM messages"), ==, lines);
  sqlite3_close(db);
  host_stop(&host);
}

int
main(int argc, char **argv)
{
  gint status;

  g_test_init(&argc, &argv, NULL);
  make_log();
  g_test_add_func("/flight/same-rows", test_same_rows);
  g_test_add_func("/flight/turns", test_turns);
  g_test_add_func("/flight/rollback", test_rollback);
  g_test_add_func("/flight/out-of-turn", test_out_of_turn);
  g_test_add_func("/flight/foreign-lock", test_foreign_lock);
  status = g_test_run();
  free_log();
  return status;
}
