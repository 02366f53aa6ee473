/* test-roll: old records go, day by day, as a wall clock that the test turns says */
#include "store/host.h"

#include <glib/gstdio.h>
#include <sqlite3.h>

#define MESSAGES_A_DAY 300

/* 2026-01-01 */
#define FIRST_DAY 20454

static MtTime
clock_at(gint day, gint hour)
{
  return ((gint64) (FIRST_DAY + day) * 24 + hour) * 3600 * G_USEC_PER_SEC;
}

static void
push(Host *host, MtTime at, const gchar *format, ...)
{
  GDateTime *when = g_date_time_new_from_unix_utc(at / G_USEC_PER_SEC);
  gchar *stamp = g_date_time_format(when, "%Y-%m-%dT%H:%M:%S+00:00");
  GError *error = NULL;
  va_list args;
  gchar *text, *line;

  va_start(args, format);
  text = g_strdup_vprintf(format, args);
  va_end(args);
  line = g_strdup_printf("%s mail %s", stamp, text);
  host_push(host, line, &error);
  g_assert_no_error(error);
  g_free(line);
  g_free(text);
  g_free(stamp);
  g_date_time_unref(when);
}

static void
commit(Host *host, MtTime now)
{
  GError *error = NULL;

  mt_engine_commit(host->engine, now, &error);
  g_assert_no_error(error);
}

static void
push_message(Host *host, MtTime at, guint number)
{
  push(host, at, "postfix/smtpd[11]: %08X00: client=mx.example.org[192.0.2.9]", number);
  push(host, at, "postfix/cleanup[12]: %08X00: message-id=<%u@example.org>", number, number);
  push(host, at,
       "postfix/qmgr[13]: %08X00: from=<ann%u@example.org>, size=1000, nrcpt=1 (queue active)",
       number, number % 97);
  push(host, at,
       "postfix/lmtp[14]: %08X00: to=<bob%u@example.com>, relay=mail[private/lmtp], delay=1, "
       "delays=0.1/0/0.5/0.4, dsn=2.0.0, status=sent (250 2.0.0 <bob%u@example.com> S%u Saved)",
       number, number % 53, number % 53, number);
  push(host, at, "postfix/qmgr[13]: %08X00: removed", number);
}

static void
play_day(Host *host, gint day, guint messages)
{
  for (guint i = 0; i < messages; i++)
    push_message(host, clock_at(day, 8) + i * G_USEC_PER_SEC, day * 10000 + i);
  push(host, clock_at(day, 9),
       "dovecot: imap-login: Login: user=<bob1@example.com>, method=PLAIN, rip=192.0.2.77, "
       "lip=192.0.2.10, mpid=77, TLS, session=<day%d>",
       day);
  commit(host, clock_at(day, 10));
}

/* Returns: the longest step, in microseconds. */
static gint64
roll(Host *host, MtTime now)
{
  gint64 longest = 0;
  gboolean more = TRUE;

  while (more)
    {
      gint64 begin = g_get_monotonic_time();

      more = mt_engine_tick(host->engine, now);
      longest = MAX(longest, g_get_monotonic_time() - begin);
    }
  return longest;
}

static gint64
file_bytes(const Host *host)
{
  GStatBuf info;

  return g_stat(host->settings.database, &info) == 0 ? info.st_size : -1;
}

static void
start(Host *host, const gchar *retention, gint day)
{
  host_start(host, "retention", retention, "local-domains", "example.com", "raw-lines", "100",
             NULL);
  host_open(host, clock_at(day, 0));
}

static void
test_hundred_days(void)
{
  gint64 steady = 0, longest = 0, step;
  Host host;

  start(&host, "30", 0);
  for (gint day = 0; day < 100; day++)
    {
      play_day(&host, day, MESSAGES_A_DAY);
      step = roll(&host, clock_at(day, 12));
      longest = MAX(longest, step);
      if (day == 40)
        steady = file_bytes(&host);
    }
  g_test_message("steady size %" G_GINT64_FORMAT ", after 100 days %" G_GINT64_FORMAT
                 ", longest step %.1f ms",
                 steady, file_bytes(&host), longest / 1000.0);
  g_assert_cmpint(file_bytes(&host), <, steady * 11 / 10);
  g_assert_cmpint(host_ask(&host, "SELECT count(DISTINCT ts/86400000000) FROM mail"), ==, 31);
  g_assert_cmpint(host_ask(&host, "SELECT count(*) FROM mail"), ==, 31 * MESSAGES_A_DAY);
  g_assert_cmpint(host_ask(&host, "SELECT count(*) FROM accesses"), ==, 31);
  g_assert_cmpint(host_ask(&host, "SELECT min(minute)/1440 FROM guard"), ==, FIRST_DAY + 69);
  /* What outlives the records. */
  g_assert_cmpint(host_ask(&host, "SELECT sum(received) FROM activity_daily"), ==,
                  100 * MESSAGES_A_DAY);
  g_assert_cmpint(host_ask(&host, "SELECT ts FROM last_logins WHERE account='bob1@example.com'"),
                  ==, clock_at(99, 9));
  host_stop(&host);
}

/* How many pages stand in the log: a number in the head of its index. */
static guint
log_pages(const Host *host)
{
  gchar *path = g_strconcat(host->settings.database, "-shm", NULL), *head = NULL;
  guint32 pages;
  gsize len;

  g_file_get_contents(path, &head, &len, NULL);
  g_assert_cmpuint(len, >=, 20);
  memcpy(&pages, head + 16, sizeof pages);
  g_free(head);
  g_free(path);
  return pages;
}

/* No step writes more pages than can be written in a moment, however much goes: what holds the
 * writer up is counted, not timed. */
static void
test_small_steps(void)
{
  guint most = 0, steps = 0;
  gint64 most_free = 0, pages;
  Host host;

  start(&host, "5", 0);
  play_day(&host, 0, 50000);
  play_day(&host, 7, 3);
  pages = host_ask(&host, "SELECT page_count FROM pragma_page_count");
  for (gboolean more = TRUE; more; steps++)
    {
      guint before = log_pages(&host), after;

      more = mt_engine_tick(host.engine, clock_at(7, 12));
      after = log_pages(&host);
      most = MAX(most, after < before ? after : after - before); /* it may begin anew */
      most_free =
          MAX(most_free, host_ask(&host, "SELECT freelist_count FROM pragma_freelist_count"));
    }
  g_test_message("%u steps for %" G_GINT64_FORMAT
                 " pages, at most %u of them in one, %" G_GINT64_FORMAT " free",
                 steps, pages, most, most_free);
  g_assert_cmpint(pages, >, 3000);
  g_assert_cmpint(host_ask(&host, "SELECT page_count FROM pragma_page_count"), <, pages / 2);
  g_assert_cmpint(host_ask(&host, "SELECT count(*) FROM segment"), ==, 1);
  g_assert_cmpuint(most, <=, 500);
  g_assert_cmpint(most_free, <, pages / 4);
  host_stop(&host);
}

/* As if it had been restored from SQL text: a file that never gives pages back. */
static void
make_file_anew(const Host *host)
{
  sqlite3 *db;

  g_assert_cmpint(sqlite3_open(host->settings.database, &db), ==, SQLITE_OK);
  g_assert_cmpint(sqlite3_exec(db, "PRAGMA journal_mode=DELETE; PRAGMA auto_vacuum=NONE; VACUUM",
                               NULL, NULL, NULL),
                  ==, SQLITE_OK);
  sqlite3_close(db);
}

/* Days roll off all the same, and it comes to an end. */
static void
test_file_made_anew(void)
{
  guint steps = 0;
  Host host;

  start(&host, "5", 0);
  play_day(&host, 0, 8000);
  play_day(&host, 7, 3);
  host_close(&host);
  make_file_anew(&host);
  g_assert_cmpint(host_ask(&host, "SELECT auto_vacuum FROM pragma_auto_vacuum"), ==, 0);
  host_open(&host, clock_at(7, 11));
  while (mt_engine_tick(host.engine, clock_at(7, 12)) && steps < 1000)
    steps++;
  g_assert_cmpuint(steps, <, 1000);
  g_assert_cmpint(host_ask(&host, "SELECT count(*) FROM segment"), ==, 1);
  g_assert_cmpint(host_ask(&host, "SELECT freelist_count FROM pragma_freelist_count"), >, 250);
  host_stop(&host);
}

/* Nobody writes any more: the last records go, too. */
static void
test_silence(void)
{
  Host host;

  start(&host, "30", 0);
  play_day(&host, 0, 10);
  roll(&host, clock_at(31, 0));
  g_assert_cmpint(host_ask(&host, "SELECT count(*) FROM mail"), ==, 0);
  g_assert_cmpint(host_ask(&host, "SELECT count(*) FROM last_logins"), ==, 1);
  play_day(&host, 31, 10);
  g_assert_cmpint(host_ask(&host, "SELECT count(*) FROM mail"), ==, 10);
  host_stop(&host);
}

/* The trail still has the message in memory when its segment goes. */
static void
test_late_line(void)
{
  MtEngineCounters counters;
  Host host;

  start(&host, "5", 0);
  push(&host, clock_at(0, 8), "postfix/smtpd[11]: ABCDEF00: client=mx.example.org[192.0.2.9]");
  push(&host, clock_at(0, 8), "postfix/cleanup[12]: ABCDEF00: message-id=<late@example.org>");
  push(&host, clock_at(0, 8),
       "postfix/qmgr[13]: ABCDEF00: from=<ann@example.org>, size=9, nrcpt=1 (queue active)");
  push(&host, clock_at(0, 8),
       "dovecot: imap-login: Login: user=<bob@example.com>, method=PLAIN, rip=192.0.2.77, "
       "lip=192.0.2.10, mpid=78, TLS, session=<lateSession1>");
  commit(&host, clock_at(0, 9));
  play_day(&host, 7, 3);
  roll(&host, clock_at(7, 12));
  push(&host, clock_at(7, 13),
       "postfix/smtp[14]: ABCDEF00: to=<bob@example.net>, relay=none, delay=600000, "
       "delays=1/0/0/0, dsn=4.4.1, status=deferred (connect to example.net: Connection timed out)");
  push(&host, clock_at(7, 13),
       "dovecot: imap(bob@example.com)<78><lateSession1>: Disconnected: Logged out in=1 out=2 "
       "deleted=0 expunged=0 trashed=0 hdr_count=0 hdr_bytes=0 body_count=0 body_bytes=0");
  commit(&host, clock_at(7, 14));
  mt_engine_counters(host.engine, &counters);
  g_assert_cmpuint(counters.rolled, ==, 2);
  g_assert_cmpint(host_ask(&host, "SELECT count(*) FROM mail"), ==, 3);
  g_assert_cmpint(host_ask(&host, "SELECT count(*) FROM deliveries"), ==, 3);
  g_assert_cmpint(host_ask(&host, "SELECT count(*) FROM messages"), ==, 3);
  g_assert_cmpint(host_ask(&host, "SELECT count(*) FROM accesses"), ==, 1);
  host_stop(&host);
}

static void
test_max_size(void)
{
  Host host;

  host_start(&host, "retention", "0", "max-size", "4000000", "local-domains", "example.com", NULL);
  host.settings.retention_days = 40; /* a segment a day */
  host_open(&host, clock_at(0, 0));
  for (gint day = 0; day < 25; day++)
    {
      play_day(&host, day, MESSAGES_A_DAY);
      roll(&host, clock_at(day, 12));
    }
  g_test_message("%" G_GINT64_FORMAT " bytes, %" G_GINT64_FORMAT " days", file_bytes(&host),
                 host_ask(&host, "SELECT count(DISTINCT ts/86400000000) FROM mail"));
  g_assert_cmpint(file_bytes(&host), <, 4000000 + 4096 * 1100);
  g_assert_cmpint(host_ask(&host, "SELECT count(DISTINCT ts/86400000000) FROM mail"), >, 2);
  g_assert_cmpint(host_ask(&host, "SELECT count(*) FROM mail WHERE ts/86400000000=20454+24"), ==,
                  MESSAGES_A_DAY);
  g_assert_cmpint(
      host_ask(&host,
               "SELECT (SELECT min(minute)/1440 FROM guard)>=(SELECT min(first_day) FROM segment"
               " WHERE NOT detached)"),
      ==, 1);
  host_stop(&host);
}

/* For ever: ten years are few segments, and all is there. */
static void
test_for_ever(void)
{
  Host host;

  start(&host, "0", 0);
  for (gint day = 0; day < 3650; day += 10)
    {
      push_message(&host, clock_at(day, 8), day);
      commit(&host, clock_at(day, 9));
    }
  roll(&host, clock_at(3650, 0));
  g_assert_cmpint(host_ask(&host, "SELECT count(*) FROM segment"), <=, 64);
  g_assert_cmpint(host_ask(&host, "SELECT count(*) FROM mail"), ==, 365);
  host_stop(&host);
}

/* retention() becomes shorter: a segment of a month is trimmed, not waited for. */
static void
test_shorter(void)
{
  Host host;

  start(&host, "0", 0);
  for (gint day = 0; day < 60; day++)
    play_day(&host, day, 5);
  host_close(&host);
  mt_settings_set(&host.settings, "retention", "10", NULL);
  host_open(&host, clock_at(60, 0));
  roll(&host, clock_at(60, 1));
  g_assert_cmpint(host_ask(&host, "SELECT min(ts)/86400000000 FROM mail"), ==, FIRST_DAY + 50);
  g_assert_cmpint(host_ask(&host, "SELECT count(*) FROM mail"), ==, 50);
  g_assert_cmpint(host_ask(&host, "SELECT count(*) FROM messages"), ==, 50);
  g_assert_cmpint(host_ask(&host, "SELECT count(*) FROM accesses"), ==, 10);
  host_stop(&host);
}

static void
test_absurd(void)
{
  MtEngineCounters counters;
  Host host;

  start(&host, "30", 0);
  play_day(&host, 0, 5);
  push(&host, clock_at(-20000, 0),
       "postfix/smtpd[11]: NOQUEUE: reject: RCPT from unknown[192.0.2.5]: 554 5.7.1 "
       "<a@example.com>: Relay access denied; from=<b@example.org> to=<a@example.com> proto=ESMTP "
       "helo=<x>");
  push(&host, clock_at(20000, 0),
       "postfix/smtpd[11]: NOQUEUE: reject: RCPT from unknown[192.0.2.6]: 554 5.7.1 "
       "<a@example.com>: Relay access denied; from=<b@example.org> to=<a@example.com> proto=ESMTP "
       "helo=<x>");
  commit(&host, clock_at(0, 11));
  mt_engine_counters(host.engine, &counters);
  g_assert_cmpuint(counters.absurd, >=, 2);
  g_assert_cmpint(host_ask(&host, "SELECT count(*) FROM mail_rejected"), ==, 2);
  g_assert_cmpint(host_ask(&host, "SELECT count(*) FROM segment"), ==, 1);
  host_stop(&host);
}

/* Who opens the store without its views gets them when he misses one, and goes on with what he was
 * reading. */
static void
test_lean_reader(void)
{
  GError *error = NULL;
  gint days = 0;
  MtRows *rows, *more;
  MtQuery *query;
  Host host;

  start(&host, "30", 0);
  for (gint day = 0; day < 12; day++)
    play_day(&host, day, 3);
  query = mt_query_open_lean(host.settings.database, &error);
  g_assert_no_error(error);
  rows = mt_query_run(query, "SELECT number FROM segment", NULL, &error);
  g_assert_no_error(error);
  for (; mt_rows_next(rows, &error); days++)
    {
      more = mt_query_run(query, "SELECT count(*) FROM mail", NULL, &error);
      g_assert_no_error(error);
      g_assert_true(mt_rows_next(more, &error));
      g_assert_cmpint(mt_rows_integer(more, 0), ==, 36);
      mt_rows_free(more);
    }
  g_assert_no_error(error);
  g_assert_cmpint(days, ==, 12);
  mt_rows_free(rows);
  g_assert_null(mt_query_run(query, "SELECT x FROM nowhere", NULL, &error));
  g_assert_nonnull(error);
  g_clear_error(&error);
  mt_query_close(query);
  host_stop(&host);
}

static void
hear_nothing(gpointer user, MtLogLevel level, const gchar *message)
{
}

/* An import that was killed has left a day without its indexes: they are built one a step, but not
 * while another still writes. */
static void
test_put_off_indexes(void)
{
  static const gchar indexes[] =
      "SELECT count(*) FROM sqlite_schema WHERE type='index' AND sql GLOB '* ON *_2(*'";
  MtTime now = clock_at(1, 12);
  GError *error = NULL;
  gint64 wanted, before;
  guint steps = 0;
  Host host;

  host_start(&host, "retention", "30", NULL);
  host_open(&host, clock_at(0, 12));
  play_day(&host, 0, 10);
  wanted = host_ask(
      &host, "SELECT count(*) FROM sqlite_schema WHERE type='index' AND sql GLOB '* ON *_1(*'");
  host_close(&host);
  host.engine = mt_engine_open(&host.settings, MT_ENGINE_BULK, now, hear_nothing, NULL, &error);
  g_assert_no_error(error);
  play_day(&host, 1, 10);
  host_close(&host);
  host_open(&host, now);
  before = host_ask(&host, indexes);
  g_assert_cmpint(before, <, wanted);
  while (mt_engine_tick(host.engine, now))
    continue;
  mt_engine_tick(host.engine, now + 90 * G_USEC_PER_SEC);
  g_assert_cmpint(host_ask(&host, indexes), ==, before);
  now += 180 * G_USEC_PER_SEC;
  for (gboolean more = TRUE; more; steps++)
    {
      more = mt_engine_tick(host.engine, now);
      g_assert_cmpint(host_ask(&host, indexes), <=, before + steps + 1);
    }
  g_assert_cmpint(host_ask(&host, indexes), ==, wanted);
  g_assert_cmpint(host_ask(&host, "SELECT count(*) FROM segment WHERE indexed<>1"), ==, 0);
  g_assert_cmpint(host_ask(&host, "SELECT count(*) FROM mail"), ==, 20);
  host_stop(&host);
}

static gint64
log_bytes(const Host *host)
{
  gchar *path = g_strconcat(host->settings.database, "-wal", NULL);
  GStatBuf info;
  gint64 bytes = g_stat(path, &info) == 0 ? info.st_size : -1;

  g_free(path);
  return bytes;
}

/* While lines come without a gap, raw lines wait and the log is not folded back; once there is time
 * it is, and cut. */
static void
test_under_load(void)
{
  static const gchar raw[] = "SELECT coalesce(max(line), 0) FROM log_tail";
  MtTime now;
  gint64 before;
  Host host;

  start(&host, "30", 0);
  for (gint day = 0; day < 24; day++)
    play_day(&host, day, 1500);
  now = clock_at(23, 12);
  mt_engine_tick(host.engine, now);
  before = host_ask(&host, raw);
  g_assert_cmpint(before, ==, 100);
  g_assert_cmpint(log_bytes(&host), >, 16 << 20);
  for (gint day = 24; day < 27; day++)
    play_day(&host, day, 1500);
  mt_engine_tick(host.engine, now + 2 * G_USEC_PER_SEC);
  g_assert_cmpint(host_ask(&host, raw), ==, before);
  g_assert_cmpint(log_bytes(&host), >, 16 << 20);
  mt_engine_tick(host.engine, now + 4 * G_USEC_PER_SEC);
  g_assert_cmpint(host_ask(&host, raw), ==, before + 100);
  g_assert_cmpint(log_bytes(&host), <, 1 << 20);
  host_stop(&host);
}

int
main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_set_nonfatal_assertions();
  g_test_add_func("/roll/hundred-days", test_hundred_days);
  g_test_add_func("/roll/small-steps", test_small_steps);
  g_test_add_func("/roll/file-made-anew", test_file_made_anew);
  g_test_add_func("/roll/silence", test_silence);
  g_test_add_func("/roll/late-line", test_late_line);
  g_test_add_func("/roll/max-size", test_max_size);
  g_test_add_func("/roll/for-ever", test_for_ever);
  g_test_add_func("/roll/shorter", test_shorter);
  g_test_add_func("/roll/absurd", test_absurd);
  g_test_add_func("/roll/lean-reader", test_lean_reader);
  g_test_add_func("/roll/put-off-indexes", test_put_off_indexes);
  g_test_add_func("/roll/under-load", test_under_load);
  return g_test_run();
}
