/* test-stream: which format a raw stream has, whatever stands among its first lines */
#include "dialects/dialect.h"

#define SYSLOG "Nov 21 05:45:01 mx1 postfix/smtpd[2101]: connect from mail.example.com[192.0.2.1]"
#define EXIM \
  "2026-11-21 05:45:01 1k8VXh-0003Ab-Cd <= alice@example.com H=mail.example.com [192.0.2.1] P=esmtp S=904"
#define EXIM_NOTE "2026-11-21 05:45:01 something new: that no rule knows"
#define NEXTCLOUD \
  "{\"reqId\":\"a\",\"level\":2,\"time\":\"2026-11-21T05:45:01+00:00\",\"remoteAddr\":\"192.0.2.1\"," \
  "\"user\":\"--\",\"app\":\"core\",\"method\":\"POST\",\"url\":\"/login\"," \
  "\"message\":\"Login failed: bob (Remote IP: 192.0.2.1)\"}"
#define TABLE "#Fields: date-time,client-ip,source,event-id,recipient-address"
#define ROW "2026-11-21T05:45:01.000Z,192.0.2.1,SMTP,RECEIVE,bob@example.com"

static void
begin(MtStream *stream)
{
  MtClock clock;

  mt_clock_init(&clock, NULL, G_GINT64_CONSTANT(1796000000000000), 0);
  mt_stream_init(stream, &clock, NULL, MT_NO_SPAN);
}

/* The line, @times over, each of @program; NULL: of whatever. */
static void
assert_read(MtStream *stream, const gchar *text, guint times, const gchar *program)
{
  for (guint i = 0; i < times; i++)
    {
      MtLine line;

      mt_stream_head(stream, mt_span_of_string(text), &line);
      if (program)
        g_assert_true(mt_span_equal(line.program, mt_span_of_string(program)));
    }
}

static void
test_first_line_tells(void)
{
  MtStream stream;

  begin(&stream);
  assert_read(&stream, EXIM, 1, "exim");
  assert_read(&stream, EXIM_NOTE, 250, "exim");
  begin(&stream);
  assert_read(&stream, SYSLOG, 1, "postfix/smtpd");
  begin(&stream);
  assert_read(&stream, TABLE, 1, NULL);
  assert_read(&stream, ROW, 250, "exchange/tracking");
}

/* A line of another format is read as what it is, those behind it as what they are. */
static void
test_stray_lines(void)
{
  static const gchar *const strays[] = { EXIM, NEXTCLOUD };

  for (guint i = 0; i < G_N_ELEMENTS(strays); i++)
    for (guint before = 0; before < 30; before++)
      {
        MtStream stream;

        begin(&stream);
        assert_read(&stream, SYSLOG, before, "postfix/smtpd");
        assert_read(&stream, strays[i], 1, NULL);
        assert_read(&stream, SYSLOG, 250, "postfix/smtpd");
      }
}

/* Wherever it came from, what a stream goes on with is what it has. */
static void
test_stream_goes_on_otherwise(void)
{
  MtStream stream;

  begin(&stream);
  assert_read(&stream, SYSLOG, 5, "postfix/smtpd");
  assert_read(&stream, EXIM, 6, "exim");
  assert_read(&stream, EXIM_NOTE, 250, "exim");
}

static void
test_settled(void)
{
  MtStream stream;

  begin(&stream);
  assert_read(&stream, SYSLOG, 20, "postfix/smtpd");
  assert_read(&stream, EXIM, 150, NULL);
  assert_read(&stream, SYSLOG, 1, "postfix/smtpd");
  assert_read(&stream, TABLE, 1, NULL);
  assert_read(&stream, ROW, 1, "exchange/tracking");
}

/* After the first lines nothing changes it. */
static void
test_decided(void)
{
  MtStream stream;

  begin(&stream);
  assert_read(&stream, SYSLOG, 200, "postfix/smtpd");
  assert_read(&stream, TABLE, 1, NULL);
  assert_read(&stream, SYSLOG, 1, "postfix/smtpd");
}

int
main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/stream/first-line", test_first_line_tells);
  g_test_add_func("/stream/strays", test_stray_lines);
  g_test_add_func("/stream/otherwise", test_stream_goes_on_otherwise);
  g_test_add_func("/stream/settled", test_settled);
  g_test_add_func("/stream/decided", test_decided);
  return g_test_run();
}
