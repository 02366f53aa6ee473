/* test-memory: what messages take in memory, and that texts without end do not overflow it */
#include "dialects/dialect.h"
#include "trail/private.h"

#include <malloc.h>

/* The issue's: a message that waits in the queue, with the tables that find it. */
#define MAX_QUEUED_BYTES 400

/* When it was tried: what the delivery says, too. */
#define MAX_TRIED_BYTES 640

#define MESSAGES 20000

static const MtTrailStart start = { MT_NO_TIME, { 1, 1, 1, 1, 1, 1, 1, 1 } };

typedef struct
{
  MtTrailSettings settings;
  MtTrail *trail;
  MtParser parser;
  MtStream stream;
} Log;

static void
begin(Log *log, guint max_messages)
{
  static const MtHashKey key = { { 1, 2 } };
  MtClock clock;

  memset(log, 0, sizeof *log);
  mt_clock_init(&clock, NULL, G_GINT64_CONSTANT(1795000000) * MT_SECOND_US, 0);
  mt_parser_init(&log->parser, NULL);
  mt_stream_init(&log->stream, &clock, NULL, MT_NO_SPAN);
  log->settings.max_messages = max_messages;
  log->trail = mt_trail_new(&log->settings, &mt_trail_backing_null, &key);
  mt_trail_reset(log->trail, &start);
}

static void
commit(Log *log)
{
  mt_batch_free(mt_trail_flush(log->trail, NULL, NULL));
  mt_trail_committed(log->trail);
}

static void G_GNUC_PRINTF(2, 3) say(Log *log, const gchar *format, ...)
{
  gchar *text, *raw;
  va_list args;
  MtEvent event;
  MtLine line;
  MtFact fact;

  va_start(args, format);
  text = g_strdup_vprintf(format, args);
  va_end(args);
  raw = g_strdup_printf("2026-11-20T10:00:00.000000+00:00 mx1 postfix/%s", text);
  mt_stream_head(&log->stream, mt_span_of_string(raw), &line);
  mt_parser_parse(&log->parser, &line, &event);
  g_assert_cmpint(event.kind, !=, MT_EVENT_UNKNOWN);
  mt_trail_push(log->trail, &line, &event, &fact);
  g_free(raw);
  g_free(text);
}

/* As Postfix says it; addresses and Message-IDs of the usual length. */
static void
say_queued(Log *log, guint i)
{
  say(log, "smtpd[71]: %08X9C1: client=mail%u.example.net[192.0.2.%u]", i, i % 1000, i % 250);
  say(log, "cleanup[72]: %08X9C1: message-id=<20261120.%06u.abcdef0123@mail.example.net>", i, i);
  say(log, "qmgr[73]: %08X9C1: from=<someone%u@example.net>, size=4321, nrcpt=1 (queue active)", i,
      i);
}

static void
say_tried(Log *log, guint i)
{
  say(log,
      "smtp[74]: %08X9C1: to=<another.one%u@example.org>, relay=mx.example.org[198.51.100.7]:25, "
      "delay=1.5, delays=0.1/0/0.4/1, dsn=4.2.0, status=deferred (host mx.example.org"
      "[198.51.100.7] said: 450 4.2.0 <another.one%u@example.org>: greylisted, try again)",
      i, i, i);
}

/* The sanitizers' allocator has another way of counting, and each piece for itself. */
static gboolean
can_weigh(void)
{
  return mallinfo2().uordblks > 0;
}

static gsize
bytes_in_use(void)
{
  struct mallinfo2 info = mallinfo2();

  return info.uordblks + info.hblkhd;
}

/* What the trail says that it takes is what the allocator gave, but for what is in reserve. */
static void
weigh(Log *log, gsize before, gsize max_each)
{
  gsize bytes = mt_trail_live_bytes(log->trail), taken = bytes_in_use() - before;

  g_assert_cmpuint(mt_trail_live(log->trail), ==, MESSAGES);
  g_test_message("%zu bytes a message, %zu of the allocator", bytes / MESSAGES, taken / MESSAGES);
  g_assert_cmpuint(bytes / MESSAGES, <=, max_each);
  if (!can_weigh())
    return;
  g_assert_cmpuint(taken / MESSAGES, <=, max_each);
  g_assert_cmpuint(bytes, >=, taken / 10 * 9);
  g_assert_cmpuint(bytes, <=, taken / 10 * 11);
}

static void
test_usual_messages(void)
{
  gsize before;
  Log log;

  begin(&log, G_MAXUINT);
  before = bytes_in_use();
  for (guint i = 0; i < MESSAGES; i++)
    {
      say_queued(&log, i);
      if (i % 1000 == 999)
        commit(&log);
    }
  weigh(&log, before, MAX_QUEUED_BYTES);
  for (guint i = 0; i < MESSAGES; i++)
    {
      say_tried(&log, i);
      if (i % 1000 == 999)
        commit(&log);
    }
  weigh(&log, before, MAX_TRIED_BYTES);
  mt_trail_free(log.trail);
}

/* Each piece of memory goes with what had it. */
static void
test_all_is_given_back(void)
{
  gsize empty;
  Log log;

  begin(&log, 0);
  empty = mt_trail_live_bytes(log.trail);
  for (guint i = 0; i < 200; i++)
    {
      say_queued(&log, i);
      say_tried(&log, i);
      for (guint n = 0; i % 50 == 0 && n < 2 * MT_MESSAGE_MAX_DELIVERIES; n++)
        say(&log,
            "smtp[74]: %08X9C1: to=<n%u@example.org>, relay=none, delay=1, dsn=4.4.1, "
            "status=deferred (no route)",
            i, n);
    }
  say(&log,
      "smtpd[75]: 00000F00D1: client=localhost[127.0.0.1], orig_queue_id=000000019C1, "
      "orig_client=mail.example.net[192.0.2.1]");
  say(&log,
      "cleanup[72]: 00000F00D1: hold: header Subject: x from localhost[127.0.0.1]; "
      "from=<a@example.net> to=<b@example.org> proto=ESMTP helo=<x>");
  g_assert_cmpuint(log.trail->pool.bytes, >, 0);
  commit(&log);
  for (guint i = 0; i < 3; i++) /* parents go behind their children */
    commit(&log);
  g_assert_cmpuint(mt_trail_live(log.trail), ==, 0);
  g_assert_cmpuint(log.trail->pool.bytes, ==, 0);
  g_assert_cmpuint(mt_trail_live_bytes(log.trail), ==, empty);
  mt_trail_free(log.trail);
}

/* ---- more than numbers of 16 bits can name ------------------------------------------------- */

static MtMessage *
only_message(Log *log)
{
  g_assert_cmpuint(mt_trail_live(log->trail), ==, 1);
  return mt_slab_newest(&log->trail->messages);
}

/* OpenSMTPD before 6.4 has a line for each recipient, which says who the client is. */
static void
accept_again(Log *log, MtSpan client, MtSpan ip)
{
  MtLine line = { .time = G_GINT64_CONSTANT(1795000000) * MT_SECOND_US,
                  .host = MT_SPAN_INIT("mx1"),
                  .program = MT_SPAN_INIT("smtpd"),
                  .pid = 71,
                  .repeat = 1 };
  MtEvent event;
  MtFact fact;

  mt_event_clear(&event);
  event.kind = MT_EVENT_ACCEPT;
  MT_EVENT_SET_LITERAL(&event, MT_F_QUEUE_ID, "00000F00D1");
  MT_EVENT_SET_LITERAL(&event, MT_F_SESSION, "5e55104");
  MT_EVENT_SET_LITERAL(&event, MT_F_SENDER, "someone@example.net");
  MT_EVENT_SET_LITERAL(&event, MT_F_MESSAGE_ID, "<1@example.net>");
  mt_event_set_text(&event, MT_F_CLIENT_NAME, client);
  mt_event_set_ip(&event, MT_F_CLIENT_IP, ip);
  mt_trail_push(log->trail, &line, &event, &fact);
}

static void
test_endless_texts_of_a_message(void)
{
  gchar *name = g_strnfill(MT_TEXT_MAX_BYTES, 'a'), ip[32];
  MtMessage *message;
  Log log;

  begin(&log, 10);
  for (guint i = 0; i < 2000; i++)
    {
      name[i % 300] = 'a' + i % 26;
      g_snprintf(ip, sizeof ip, "192.0.2.%u", i % 250);
      accept_again(&log, mt_span(name, 400 + i % 400), mt_span_of_string(ip));
    }
  message = only_message(&log);
  g_assert_cmpuint(message->arena.size, <=, MT_ARENA_MAX_BYTES);
  g_assert_true(MT_SPAN_IS(mt_message_text(message, message->host), "mx1"));
  g_assert_true(MT_SPAN_IS(mt_message_text(message, message->queue_id), "00000F00D1"));
  g_assert_true(MT_SPAN_IS(mt_message_text(message, message->sender), "someone@example.net"));
  g_assert_true(MT_SPAN_IS(mt_message_text(message, message->message_id), "<1@example.net>"));
  g_assert_true(MT_SPAN_IS(mt_message_text(message, message->client_ip), "192.0.2.249"));
  g_assert_true(mt_span_equal(mt_message_text(message, message->client_name),
                              mt_span(name, 400 + 1999 % 400)));
  commit(&log);
  g_assert_cmpuint(message->arena.size, <=, 2048 + 128);
  g_assert_true(MT_SPAN_IS(mt_message_text(message, message->sender), "someone@example.net"));
  mt_trail_free(log.trail);
  g_free(name);
}

/* The host's answer is another one each time, and longer than the last one. */
static void
test_endless_texts_of_a_delivery(void)
{
  gchar *reply = g_strnfill(3000, 'r');
  const MtDelivery *delivery;
  Log log;

  begin(&log, 10);
  say_queued(&log, 1);
  for (guint i = 0; i < 300; i++)
    {
      reply[1500 + i] = '\0';
      say(&log,
          "smtp[74]: %08X9C1: to=<bob@example.org>, relay=mx%.*s.example.org[198.51.100.%u]"
          ":25, delay=1.5, dsn=4.2.%u, status=deferred (%s)",
          1, i % 200, reply, i % 250, i % 10, reply);
      reply[1500 + i] = 'r';
      if (i % 100 == 50)
        commit(&log);
    }
  g_assert_cmpuint(only_message(&log)->n_deliveries, ==, 1);
  delivery = &only_message(&log)->deliveries[0];
  g_assert_cmpint(delivery->attempts, ==, 300);
  g_assert_true(MT_SPAN_IS(MT_SAID(delivery, recipient), "bob@example.org"));
  g_assert_true(MT_SPAN_IS(MT_SAID(delivery, transport), "smtp"));
  g_assert_true(MT_SPAN_IS(MT_SAID(delivery, relay_ip), "198.51.100.49"));
  g_assert_true(MT_SPAN_IS(MT_SAID(delivery, dsn), "4.2.9"));
  g_assert_cmpuint(MT_SAID(delivery, reply).len, ==, 1799);
  g_assert_cmpint(mt_delivery_said(delivery)->delay_us, ==, 1500000);
  commit(&log);
  g_assert_cmpuint(delivery->arena.size, <=, 2 * 2048 + 256);
  g_assert_true(MT_SPAN_IS(MT_SAID(delivery, recipient), "bob@example.org"));
  g_assert_cmpuint(MT_SAID(delivery, reply).len, ==, 1799);
  mt_trail_free(log.trail);
  g_free(reply);
}

/* No mail has so many; the row says as many as a number in memory can. */
static void
test_absurd_numbers(void)
{
  MtBatch *batch;
  Log log;

  begin(&log, 10);
  say(&log,
      "qmgr[73]: 00000F00D1: from=<a@example.net>, size=5000000000, nrcpt=9999999999 "
      "(queue active)");
  batch = mt_trail_flush(log.trail, NULL, NULL);
  g_assert_cmpuint(batch->messages->len, ==, 1);
  g_assert_cmpint(g_array_index(batch->messages, MtMessageRow, 0).nrcpt, ==, G_MAXINT32);
  g_assert_cmpint(g_array_index(batch->messages, MtMessageRow, 0).size, ==,
                  G_GINT64_CONSTANT(5000000000));
  mt_batch_free(batch);
  mt_trail_free(log.trail);
}

int
main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/memory/usual-messages", test_usual_messages);
  g_test_add_func("/memory/all-is-given-back", test_all_is_given_back);
  g_test_add_func("/memory/endless-texts-of-a-message", test_endless_texts_of_a_message);
  g_test_add_func("/memory/endless-texts-of-a-delivery", test_endless_texts_of_a_delivery);
  g_test_add_func("/memory/absurd-numbers", test_absurd_numbers);
  return g_test_run();
}
