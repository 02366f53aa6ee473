/* test-faults: what becomes of the records when the disk fails
 *
 * A host is played: batches of lines are pushed and committed; a batch that fails is pushed
 * again, in others.  However the disk failed meanwhile, the rows are those of a run that
 * nothing has disturbed, and the admin was told.
 */
#include "store/fault-vfs.h"
#include "store/host.h"

#include <glib/gstdio.h>
#include <unistd.h>

#define MESSAGES 120
#define BATCH 40

/* Enough for any of the faults to be over. */
#define TRIES_MAX 60

static GPtrArray *log_lines;

/* Who fails to log in has a first letter of his own: names that are masked alike are told apart by
 * 16 bits of a keyed hash, so one in some thousand stores would count two of them as one. */

static void
make_log(void)
{
  log_lines = g_ptr_array_new_with_free_func(g_free);
  for (guint i = 0; i < MESSAGES; i++)
    {
      guint m = i / 60, s = i % 60;

#define LINE(format, ...) \
  g_ptr_array_add(log_lines, g_strdup_printf("Nov 20 10:%02u:%02u mail " format, m, s, __VA_ARGS__))
      LINE("postfix/smtpd[11]: AA%08u: client=mx.example.org[192.0.2.9]", i);
      LINE("postfix/cleanup[12]: AA%08u: message-id=<%u@example.org>", i, i);
      LINE("postfix/qmgr[13]: AA%08u: from=<ann%u@example.org>, size=1000, nrcpt=1 (queue active)",
           i, i % 17);
      LINE(
          "dovecot: lmtp(bob%u@example.com)<77><SeSSion%u>: sieve: msgid=<%u@example.org>: stored "
          "mail into "
          "mailbox 'INBOX'",
          i % 11, i, i);
      LINE(
          "postfix/lmtp[14]: AA%08u: to=<bob%u@example.com>, relay=mail[private/lmtp], delay=1, "
          "delays=0.1/0/0.5/0.4, dsn=2.0.0, status=sent (250 2.0.0 <bob%u@example.com> SeSSion%u "
          "Saved)",
          i, i % 11, i % 11, i);
      LINE("postfix/qmgr[13]: AA%08u: removed", i);
      LINE(
          "dovecot: imap-login: Disconnected: Connection closed (auth failed, 1 attempts in 2 "
          "secs): "
          "user=<%cbob@example.com>, method=PLAIN, rip=198.51.100.7, lip=192.0.2.1, session=<f%u>",
          'a' + i % 11, i);
#undef LINE
    }
}

/* ---- a host -------------------------------------------------------------------------------- */

/* Each batch is read while the one before it is being stored. */
static gboolean flying;

static gboolean
push_and_commit(Host *host, guint from, guint to, GError **error)
{
  for (guint i = from; i < to; i++)
    if (!host_push(host, g_ptr_array_index(log_lines, i), error))
      return FALSE;
  return flying || mt_engine_commit(host->engine, g_get_real_time(), error);
}

/* As an import does it; @stored: lines up to here are.  FALSE: those behind it must come again. */
static gboolean
push_and_submit(Host *host, guint *stored, guint from, guint to, GError **error)
{
  gboolean ok = push_and_commit(host, from, to, error);

  if (!mt_engine_land(host->engine, ok ? error : NULL))
    return FALSE;
  *stored = from;
  return ok && mt_engine_submit(host->engine, g_get_real_time(), error);
}

/* As syslog-ng does it: what failed comes again, in a batch of another size. */
static void
play(Host *host, guint from, guint to)
{
  guint size = BATCH, failures = 0, stored = from;

  while (from < to || stored < to)
    {
      guint end = MIN(from + size, to);
      GError *error = NULL;

      if (flying ? push_and_submit(host, &stored, from, end, &error)
                 : push_and_commit(host, from, end, &error))
        {
          from = end;
          size = BATCH;
          if (!flying)
            stored = end;
        }
      else
        {
          g_assert_cmpuint(++failures, <, TRIES_MAX);
          mt_engine_rollback(host->engine);
          g_clear_error(&error);
          size = size > 7 ? size - 7 : BATCH * 2;
          from = stored;
        }
      mt_engine_tick(host->engine, g_get_real_time());
    }
}

/* ---- what is in the store ---------------------------------------------------------- */

static const gchar *const questions[] = {
  "SELECT queue_id, message_id, sender, state, ts, last_time FROM messages ORDER BY queue_id",
  "SELECT queue_id, sender, recipient, outcome, mailbox, attempts, direction, reply FROM mail "
  "ORDER BY queue_id",
  "SELECT time, account, ip, attempts, session FROM accesses_failed ORDER BY session",
  "SELECT day, account, sent, received, failed_logins FROM activity_daily ORDER BY account",
  "SELECT time, rule, account, ip, count FROM alerts ORDER BY ts, account",
  NULL,
};

static gchar *
undisturbed(void)
{
  Host host;
  gchar *all;

  host_start(&host, "local-domains", "example.com", "retention", "0", NULL);
  host_open(&host, g_get_real_time());
  play(&host, 0, log_lines->len);
  all = host_contents(&host, questions);
  host_stop(&host);
  return all;
}

/* ---- tests ------------------------------------------------------------------------- */

static void
one_fault(FaultKind kind, guint after, guint times, const gchar *want, guint *fired)
{
  Host host;
  gchar *got;

  host_start(&host, "local-domains", "example.com", "retention", "0", NULL);
  fault_vfs_set(kind, after, times);
  host_open(&host, g_get_real_time());
  play(&host, 0, log_lines->len);
  *fired = fault_vfs_fired();
  fault_vfs_set(FAULT_NONE, 0, 0);
  got = host_contents(&host, questions);
  if (!g_str_equal(got, want))
    {
      g_test_message("%s behind %u, %u times: other rows", fault_names[kind], after, times);
      g_test_fail();
    }
  g_free(got);
  host_stop(&host);
}

/* At ever later operations, until none is left to fail. */
static void
test_fault(gint number)
{
  FaultKind kind = number;
  gchar *want = undisturbed();
  guint fired = 1, points = 0;

  for (guint after = 0; fired && !g_test_failed(); after += 1 + after / 4)
    {
      one_fault(kind, after, 1, want, &fired);
      if (fired && after % 3 == 0)
        one_fault(kind, after, 20, want, &fired);
      points += fired != 0;
    }
  g_test_message("%s at %u points", fault_names[kind], points);
  g_assert_cmpuint(points, >, kind == FAULT_SYNC || kind == FAULT_CHECKPOINT ? 1 : 5);
  g_free(want);
}

static void
replace_file(const Host *host, const gchar *suffix)
{
  gchar *path = g_strconcat(host->settings.database, suffix, NULL);

  g_assert_cmpint(g_unlink(path), ==, 0);
  g_free(path);
}

/* The file goes while we write: a new one is begun with the very next batch. */
static void
test_removed(gint number)
{
  Host host;
  MtEngineCounters counters;
  gchar *want, *got;

  host_start(&host, "local-domains", "example.com", "retention", "0", NULL);
  host_open(&host, g_get_real_time());
  play(&host, 0, log_lines->len / 2);
  replace_file(&host, "");
  replace_file(&host, "-wal");
  replace_file(&host, "-shm");
  replace_file(&host, "-lock");
  play(&host, 0, log_lines->len);
  mt_engine_counters(host.engine, &counters);
  g_assert_cmpuint(counters.reopened, ==, 1);
  g_assert_true(host_was_told(&host, "removed or replaced"));
  want = undisturbed();
  got = host_contents(&host, questions);
  g_assert_cmpstr(got, ==, want);
  g_free(want);
  g_free(got);
  host_stop(&host);
}

/* The log goes: what it held is still open, and saved. */
static void
test_log_removed(gint number)
{
  Host host;
  gchar *want = undisturbed(), *got;

  host_start(&host, "local-domains", "example.com", "retention", "0", NULL);
  host_open(&host, g_get_real_time());
  play(&host, 0, log_lines->len / 2);
  replace_file(&host, "-wal");
  play(&host, log_lines->len / 2, log_lines->len);
  g_assert_true(host_was_told(&host, "-wal: was removed"));
  host_close(&host);
  host_open(&host, g_get_real_time());
  got = host_contents(&host, questions);
  g_assert_cmpstr(got, ==, want);
  g_free(want);
  g_free(got);
  host_stop(&host);
}

static guint
set_aside_count(const Host *host)
{
  GDir *directory = g_dir_open(host->directory, 0, NULL);
  const gchar *name;
  guint count = 0;

  while ((name = g_dir_read_name(directory)))
    count += strstr(name, "mail.db.corrupt-") && !g_str_has_suffix(name, "-wal")
             && !g_str_has_suffix(name, "-shm");
  g_dir_close(directory);
  return count;
}

/* Bytes of @from and after become others, or go. */
static void
damage(const Host *host, goffset from, goffset to, gboolean truncate)
{
  FILE *file = g_fopen(host->settings.database, "r+");

  g_assert_nonnull(file);
  if (truncate)
    g_assert_cmpint(ftruncate(fileno(file), from), ==, 0);
  fseek(file, from, SEEK_SET);
  for (; from < to; from++)
    fputc(0xa5, file);
  fclose(file);
}

/* Somebody reads in one transaction while the log grows past what is folded back: told once,
 * counted, and over when the reader ends. */
static void
test_long_reader(gint number)
{
  MtEngineCounters counters;
  GError *error = NULL;
  MtQuery *query;
  MtRows *rows;
  Host host;
  guint told = 0;

  host_start(&host, "retention", "0", "raw-lines", "100000", NULL);
  host_open(&host, g_get_real_time());
  play(&host, 0, BATCH);
  query = mt_query_open(host.settings.database, &error);
  rows = query ? mt_query_run(query, "SELECT * FROM messages", NULL, &error) : NULL;
  g_assert_true(rows && mt_rows_next(rows, &error));
  for (guint round = 0; round < 700 && !told; round++)
    {
      for (guint i = 0; i < 150; i++)
        {
          gchar *raw = g_strdup_printf(
              "Nov 21 10:%02u:%02u mail postfix/smtpd[11]: NOQUEUE: reject: RCPT from "
              "unknown[192.0.%u.%u]: 554 5.7.1 <a%u@example.com>: Relay access denied; "
              "from=<b%u@example.org> to=<a%u@example.com> proto=ESMTP helo=<h%u>",
              round / 60 % 60, round % 60, round % 250, i, i * 7919 % 10007, round,
              i * 7919 % 10007, round * 150 + i);

          host_push(&host, raw, &error);
          g_assert_no_error(error);
          g_free(raw);
        }
      mt_engine_commit(host.engine, g_get_real_time(), &error);
      g_assert_no_error(error);
      mt_engine_counters(host.engine, &counters);
      told = counters.long_readers;
    }
  g_assert_cmpuint(counters.long_readers, ==, 1);
  g_assert_true(host_was_told(&host, "has been reading"));
  mt_rows_free(rows);
  mt_query_close(query);
  play(&host, BATCH, 4 * BATCH);
  mt_engine_counters(host.engine, &counters);
  g_assert_cmpuint(counters.long_readers, ==, 1);
  g_assert_cmpuint(counters.unfolded, ==, 0);
  host_stop(&host);
}

static void
test_damaged(gint what)
{
  Host host;
  MtEngineCounters counters;
  gchar *want, *got;

  host_start(&host, "local-domains", "example.com", "retention", "0", NULL);
  host_open(&host, g_get_real_time());
  play(&host, 0, log_lines->len);
  host_close(&host); /* folds the log back: the damage is not behind it */
  if (what == 0)
    damage(&host, 0, 8192, FALSE); /* its head */
  else if (what == 1)
    damage(&host, 5000, 0, TRUE); /* cut off */
  else
    damage(&host, 8192, 400 * 4096, FALSE); /* pages within */
  host_open(&host, g_get_real_time());
  play(&host, 0, log_lines->len);
  mt_engine_counters(host.engine, &counters);
  g_assert_cmpuint(counters.set_aside, ==, 1);
  g_assert_cmpuint(set_aside_count(&host), ==, 1);
  g_assert_true(host_was_told(&host, "it is kept as"));
  want = undisturbed();
  got = host_contents(&host, questions);
  g_assert_cmpstr(got, ==, want);
  g_free(want);
  g_free(got);
  host_stop(&host);
}

typedef struct
{
  gboolean flying;
  gint number;
  void (*test)(gint number);
} Test;

static void
run_test(gconstpointer data)
{
  const Test *test = data;

  flying = test->flying;
  test->test(test->number);
}

static void
add(const gchar *group, const gchar *name, gboolean fly, gint number, void (*test)(gint))
{
  gchar *path = g_strdup_printf("%s/%s", group, name);
  Test *made = g_new(Test, 1);

  *made = (Test){ fly, number, test };
  g_test_add_data_func_full(path, made, run_test, g_free);
  g_free(path);
}

static void
add_tests(const gchar *group, gboolean fly)
{
  for (gint kind = FAULT_FULL; kind < FAULT_COUNT; kind++)
    add(group, fault_names[kind], fly, kind, test_fault);
  add(group, "file-removed", fly, 0, test_removed);
  add(group, "log-removed", fly, 0, test_log_removed);
  add(group, "long-reader", fly, 0, test_long_reader);
  add(group, "damaged-head", fly, 0, test_damaged);
  add(group, "cut-off", fly, 1, test_damaged);
  add(group, "damaged-within", fly, 2, test_damaged);
}

int
main(int argc, char **argv)
{
  gint status;

  g_test_init(&argc, &argv, NULL);
  g_test_set_nonfatal_assertions();
  fault_vfs_register();
  make_log();
  add_tests("/faults", FALSE);
  add_tests("/faults/flying", TRUE);
  status = g_test_run();
  g_ptr_array_free(log_lines, TRUE);
  return status;
}
