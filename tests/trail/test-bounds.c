/* test-bounds: floods leave memory flat and time linear, and what left memory is found again
 *
 * Each flood is played twice, with LINES / 4 lines and with LINES, in batches, through an
 * engine with a store.  Bytes in use (mallinfo2(3)) may grow by a stated bound between the
 * two, and processor time by what is linear, with room.  MT_BOUNDS_LINES changes LINES.
 */
#include "config.h"

#include "store/host.h"

#include <malloc.h>
#include <time.h>

#define LINES 200000
#define BATCH 2000
#define MIB (1024 * 1024)

/* Four times the lines; twice that is for deeper trees on disk and a machine with other work. */
#define MAX_TIMES 8

/* What a run with four times the lines may hold more: see the floods. */
typedef struct
{
  const gchar *name;
  gchar *(*line)(guint number);
  gsize max_growth;
  void (*late)(Host *host, guint lines); /* nullable: later lines, and what must come of them */
} Flood;

typedef struct
{
  gsize bytes;
  gdouble seconds;
} Cost;

static guint
lines_wanted(void)
{
  const gchar *lines = g_getenv("MT_BOUNDS_LINES");
  const gchar *sanitizing = g_getenv("MT_SANITIZING");

  if (lines)
    return MAX(atoi(lines), 4 * BATCH);
  return sanitizing && strstr(sanitizing, "sanitize") ? LINES / 10 : LINES;
}

/* The sanitizers' allocator has another way of counting, and they take their time. */
static gboolean
can_weigh(void)
{
  return mallinfo2().uordblks > 0 && lines_wanted() >= LINES;
}

static gsize
bytes_in_use(void)
{
  struct mallinfo2 info = mallinfo2();

  return info.uordblks + info.hblkhd;
}

static gdouble
processor_seconds(void)
{
  struct timespec at;

  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &at);
  return at.tv_sec + at.tv_nsec / 1e9;
}

/* ---- a host ------------------------------------------------------------------------------- */

static void
commit(Host *host)
{
  GError *error = NULL;

  mt_engine_commit(host->engine, g_get_real_time(), &error);
  g_assert_no_error(error);
}

static void
push(Host *host, const gchar *line)
{
  GError *error = NULL;

  host_push(host, line, &error);
  g_assert_no_error(error);
}

/* Lines are a tenth of a second apart, from 10:00 on. */
static gchar *
stamped(guint number, const gchar *format, ...)
{
  guint second = number / 10;
  va_list args;
  gchar *text, *line;

  va_start(args, format);
  text = g_strdup_vprintf(format, args);
  va_end(args);
  line = g_strdup_printf("2026-11-20T%02u:%02u:%02u.%u00000+00:00 mx %s", 10 + second / 3600,
                         second / 60 % 60, second % 60, number % 10, text);
  g_free(text);
  return line;
}

static Cost
play(const Flood *flood, guint lines)
{
  gsize before = bytes_in_use();
  gdouble began = processor_seconds();
  Cost cost;
  Host host;

  host_start(&host, NULL);
  host_open(&host, g_get_real_time());
  for (guint i = 0; i < lines; i++)
    {
      gchar *line = flood->line(i);

      push(&host, line);
      g_free(line);
      if (i % BATCH == BATCH - 1)
        commit(&host);
    }
  commit(&host);
  cost.bytes = bytes_in_use() - before;
  cost.seconds = processor_seconds() - began;
  if (flood->late)
    flood->late(&host, lines);
  host_stop(&host);
  return cost;
}

static void
test_flood(gconstpointer data)
{
  const Flood *flood = data;
  guint lines = lines_wanted();
  Cost few = play(flood, lines / 4), many = play(flood, lines);

  g_test_message("%s: %u lines: %.1f MiB, %.2f s; %u lines: %.1f MiB, %.2f s", flood->name,
                 lines / 4, (gdouble) few.bytes / MIB, few.seconds, lines,
                 (gdouble) many.bytes / MIB, many.seconds);
  if (can_weigh())
    g_assert_cmpuint(many.bytes, <, few.bytes + flood->max_growth);
  g_assert_cmpfloat(many.seconds, <, MAX_TIMES * few.seconds + 0.5);
}

static void
say_late(Host *host, const gchar *line)
{
  push(host, line);
  commit(host);
}

#define MUST_BE(host, number, sql) g_assert_cmpint(host_ask((host), (sql)), ==, (number))

/* ---- half messages --------------------------------------------------------------------------- */

static gchar *
accept_only(guint i)
{
  return stamped(i, "postfix/smtpd[%u]: 4%09X: client=unknown[198.51.100.%u]", i, i, i % 250);
}

static void
first_goes_on(Host *host, guint lines)
{
  MUST_BE(host, lines, "SELECT count(*) FROM messages");
  say_late(host,
           "2026-11-20T10:05:00+00:00 mx postfix/qmgr[13]: 4000000000: "
           "from=<ann@example.org>, size=1000, nrcpt=1 (queue active)");
  MUST_BE(host, lines, "SELECT count(*) FROM messages");
  MUST_BE(host, 1,
          "SELECT count(*) FROM messages WHERE queue_id='4000000000'"
          " AND sender='ann@example.org' AND client_ip='198.51.100.0'");
}

static gchar *
one_message_id(guint i)
{
  return stamped(i, "postfix/cleanup[12]: 4%09X: message-id=<same@example.org>", i);
}

/* ---- recipients of one message ----------------------------------------------------- */

static gchar *
one_more_recipient(guint i)
{
  return stamped(i,
                 "postfix/smtp[14]: 4A00000000: to=<r%u@example.net>, "
                 "relay=mx.example.net[198.51.100.9]:25, delay=1, delays=0.1/0/0.5/0.4, "
                 "dsn=%s (x%u)",
                 i, i % 3 ? "2.0.0, status=sent" : "4.0.0, status=deferred", i);
}

/* What was put off is sent; what was sent stays; all follow the mail when it came in earlier. */
static void
first_is_sent(Host *host, guint lines)
{
  guint put_off = (lines + 2) / 3 - 2;

  MUST_BE(host, lines, "SELECT count(*) FROM deliveries");
  say_late(host,
           "2026-11-20T16:00:00+00:00 mx postfix/smtp[14]: 4A00000000: to=<r3@example.net>, "
           "relay=mx.example.net[198.51.100.9]:25, delay=9, delays=0.1/0/0.5/0.4, "
           "dsn=2.0.0, status=sent (250 late)");
  host_close(host);
  host_open(host, g_get_real_time());
  say_late(host,
           "2026-11-20T16:00:00+00:00 mx postfix/smtp[14]: 4A00000000: to=<r0@example.net>, "
           "relay=mx.example.net[198.51.100.9]:25, delay=9, delays=0.1/0/0.5/0.4, "
           "dsn=2.0.0, status=sent (250 late)");
  MUST_BE(host, lines, "SELECT count(*) FROM deliveries");
  MUST_BE(host, 4,
          "SELECT sum(attempts) FROM mail WHERE outcome='delivered' AND reply='250 late'"
          " AND recipient IN ('r0@example.net', 'r3@example.net')");
  MUST_BE(host, put_off, "SELECT count(*) FROM mail WHERE outcome='queued'");
  say_late(host,
           "2026-11-19T09:00:00+00:00 mx postfix/smtpd[11]: 4A00000000: client=unknown[192.0.2.9]");
  MUST_BE(host, lines, "SELECT count(*) FROM mail WHERE time='2026-11-19T09:00:00.000000Z'");
  MUST_BE(host, lines, "SELECT count(*) FROM mail");
  MUST_BE(host, 0, "SELECT count(*) FROM activity_daily WHERE day='2026-11-20' AND sent<>0");
  say_late(host,
           "2026-11-20T16:00:01+00:00 mx postfix/qmgr[13]: 4A00000000: "
           "from=<ann@example.org>, status=expired, returned to sender");
  MUST_BE(host, put_off, "SELECT count(*) FROM mail WHERE outcome='failed'");
}

/* A filter takes fifty recipients at a time; its messages are not known yet. */
static gchar *
one_more_hop(guint i)
{
  return stamped(i,
                 "postfix/smtp[14]: 4A00000000: to=<r%u@example.net>, "
                 "relay=127.0.0.1[127.0.0.1]:10025, delay=1, delays=0.1/0/0.5/0.4, dsn=2.0.0, "
                 "status=sent (250 2.0.0 Ok: queued as 5B%08X)",
                 i, i / 50);
}

static void
filter_goes_on(Host *host, guint lines)
{
  guint early = (lines - 2 * BATCH) / 50 * 50; /* its deliveries have left memory */
  gchar *line =
      stamped(early, "postfix/smtpd[15]: 5B%08X: client=localhost[127.0.0.1]", early / 50);

  MUST_BE(host, lines, "SELECT count(*) FROM mail");
  say_late(host, line);
  MUST_BE(host, lines - 50, "SELECT count(*) FROM mail");
  MUST_BE(host, 1, "SELECT count(*) FROM messages WHERE parent_queue_id='4A00000000'");
  MUST_BE(host, lines, "SELECT count(*) FROM deliveries");
  g_free(line);
}

static gchar *
one_more_attempt(guint i)
{
  return stamped(i,
                 "postfix/smtp[14]: 4A00000000: to=<bob@example.net>, relay=none, delay=%u, "
                 "delays=0.1/0/0.5/0.4, dsn=4.4.1, status=deferred (connect: try %u)",
                 i, i);
}

static void
last_counts(Host *host, guint lines)
{
  gchar *sql =
      g_strdup_printf("SELECT attempts FROM mail WHERE reply='connect: try %u'", lines - 1);

  MUST_BE(host, lines, sql);
  g_free(sql);
}

/* ---- logins ------------------------------------------------------------------------ */

static gchar *
unique_login(guint i)
{
  return stamped(i,
                 "dovecot: imap-login: Login: user=<u%u@example.com>, method=PLAIN, "
                 "rip=198.51.100.7, lip=192.0.2.1, mpid=1, TLS, session=<S%010u>",
                 i, i);
}

static void
first_logs_out(Host *host, guint lines)
{
  MUST_BE(host, lines, "SELECT count(*) FROM accesses");
  say_late(host,
           "2026-11-20T16:00:00+00:00 mx dovecot: imap(u0@example.com)<1><S0000000000>: "
           "Disconnected: Logged out in=11 out=22");
  MUST_BE(host, lines, "SELECT count(*) FROM accesses");
  MUST_BE(host, 1,
          "SELECT count(*) FROM accesses WHERE account='u0@example.com'"
          " AND logout_time='2026-11-20T16:00:00.000000Z'");
}

static gchar *
unique_failure(guint i)
{
  return stamped(i,
                 "dovecot: imap-login: Disconnected (auth failed, 1 attempts in 2 secs): "
                 "user=<u%u@example.com>, method=PLAIN, rip=198.51.%u.%u, lip=192.0.2.1, "
                 "session=<F%010u>",
                 i, i / 250 % 250, i % 250, i);
}

/* One address tries one account for ever, over SMTP: no session tells the attempts apart. */
static gchar *
same_failure(guint i)
{
  return stamped(i,
                 "postfix/smtpd[11]: warning: unknown[198.51.100.7]: SASL LOGIN authentication "
                 "failed: UGFzc3dvcmQ6, sasl_username=bob@example.com");
}

/* ---- what waits, and what is summed up --------------------------------------------- */

static gchar *
stored_of_nothing(guint i)
{
  return stamped(i,
                 "dovecot: lmtp(bob@example.com)<21><W%010u>: sieve: msgid=<%u@example.org>: "
                 "stored mail into mailbox 'Lists'",
                 i, i);
}

static gchar *
unique_client(guint i)
{
  return stamped(i, "postfix/smtpd[11]: connect from unknown[10.%u.%u.%u]", i / 62500 % 250,
                 i / 250 % 250, i % 250);
}

/* Growth, of 150,000 lines more: SQLite's caches and the texts of one segment by number, which
 * are bounded; and what is kept of each account (the trail: 24 bytes), of each recipient of
 * one message (16 bytes, up to a power of two), of each login by the watch, to its own bounds. */
static const Flood floods[] = {
  { "half-messages", accept_only, 24 * MIB, first_goes_on },
  { "one-message-id", one_message_id, 24 * MIB, NULL },
  { "recipients", one_more_recipient, 32 * MIB, first_is_sent },
  { "hops", one_more_hop, 32 * MIB, filter_goes_on },
  { "attempts", one_more_attempt, 24 * MIB, last_counts },
  { "logins", unique_login, 40 * MIB, first_logs_out },
  { "failures", unique_failure, 40 * MIB, NULL },
  { "one-account", same_failure, 24 * MIB, NULL },
  { "pendings", stored_of_nothing, 24 * MIB, NULL },
  { "clients", unique_client, 24 * MIB, NULL },
};

int
main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS(floods); i++)
    {
      gchar *path = g_strdup_printf("/bounds/%s", floods[i].name);

      g_test_add_data_func(path, &floods[i], test_flood);
      g_free(path);
    }
  return g_test_run();
}
