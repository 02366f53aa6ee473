#include "scan/hash.h"
#include "scan/ip.h"
#include "scan/line.h"
#include "scan/text.h"

#include <arpa/inet.h>

static MtSpan
span(const gchar *text)
{
  return mt_span_of_string(text);
}

#define ASSERT_SPAN(is, want) \
  G_STMT_START \
  { \
    MtSpan span_ = (is); \
    gchar *text_ = g_strndup(span_.at ? span_.at : "", span_.len); \
    g_assert_cmpstr(text_, ==, (want)); \
    g_free(text_); \
  } \
  G_STMT_END

/* ---- words and blocks ------------------------------------------------------ */

/* All lengths up to two words, each in memory of its own: checkers see what is read behind it. */
static void
test_words(void)
{
  static const gchar digits[] = "9081726354433221";

  for (gsize len = 0; len <= 16; len++)
    for (gsize n = 0; n <= len; n++)
      {
        gchar *text = g_memdup2(digits, len + 1);
        guint64 word, number, want = 0;
        MtCursor cur = { text, text + len };

        text = g_realloc(text, MAX(len, 1));
        cur = mt_cursor(mt_span(text, len));
        if (n < len)
          text[n] = n % 2 ? '/' : ':'; /* the bytes around digits */
        for (gsize i = 0; i < n; i++)
          want = want * 10 + (text[i] - '0');
        word = mt_word_load_some(text, len);
        for (gsize i = 0; i < MT_WORD_BYTES; i++)
          g_assert_cmpuint(word >> 8 * i & 0xff, ==, i < len ? (guchar) text[i] : 0);
        if (n < len)
          g_assert_cmpuint(mt_word_first(word, text[n]), ==, MIN(n, MT_WORD_BYTES));
        g_assert_cmpuint(mt_word_digits(word, &number), ==, MIN(n, MT_WORD_BYTES));
        if (n && n <= MT_WORD_BYTES)
          g_assert_cmpuint(mt_word_number(number, n), ==, want);
        g_assert_cmpint(mt_scan_u64(&cur, &number), ==, n > 0);
        g_assert_true(cur.at == text + n);
        if (n)
          g_assert_cmpuint(number, ==, want);
        g_free(text);
      }
}

/* A literal's words are those of its text. */
static void
test_literal_words(void)
{
  g_assert_cmpuint(MT_HEAD_WORD(""), ==, 0);
  g_assert_cmpuint(MT_HEAD_WORD("to"), ==, mt_word_load_some("to", 2));
  g_assert_cmpuint(MT_HEAD_WORD("status=sent"), ==, mt_word_load("status=s"));
  g_assert_cmpuint(MT_TAIL_WORD("status=sent"), ==, mt_word_load("tus=sent"));
  g_assert_cmpuint(MT_HEAD_WORD("\xff\x80"), ==, 0x80ff);
  g_assert_cmpuint(MT_ORDER_WORD("imap-login"), ==, GUINT64_SWAP_LE_BE(mt_word_load("imap-log")));
  g_assert_cmpuint(MT_ORDER_WORD("ab"), ==, G_GUINT64_CONSTANT(0x6162000000000000));
  g_assert_cmpuint(mt_word_mask(0), ==, 0);
  g_assert_cmpuint(mt_word_mask(3), ==, 0xffffff);
  g_assert_cmpuint(mt_word_mask(8), ==, G_MAXUINT64);
  g_assert_cmpuint(mt_word_mask(9), ==, G_MAXUINT64);
}

static void
test_blocks(void)
{
  gchar text[MT_BLOCK_BYTES * 2 + 3];

  for (gsize at = 0; at < sizeof text; at++)
    for (gsize left = 0; left <= sizeof text; left++)
      {
        gchar *found;
        const gchar *got;

        memset(text, '\xbc', sizeof text);
        text[at] = '<';
        found = g_memdup2(text, MAX(left, 1));
        got = mt_find_char(found, found + left, '<');
        g_assert_true(got == (at < left ? found + at : NULL));
        if (left >= MT_BLOCK_BYTES)
          g_assert_cmpuint(mt_block_hits(found, '<'), ==, at < MT_BLOCK_BYTES ? 1u << at : 0);
        g_free(found);
      }
}

/* Up to any of the stops, of which there may be many; NUL and bytes above 0x7f are none. */
static void
test_tokens(void)
{
  static const gchar stops[] = " ,;:()<>@";

  for (guint n = 1; n < sizeof stops; n++)
    for (guint at = 0; at < 40; at++)
      {
        gchar *some = g_strndup(stops, n), *text = g_malloc(40);
        MtCursor cur = { text, text + 40 };
        MtSpan got = MT_NO_SPAN;

        memset(text, at % 2 ? '\0' : '\xac', 40);
        text[at] = stops[at % n];
        g_assert_cmpint(mt_scan_token(&cur, some, &got), ==, at > 0);
        g_assert_true(cur.at == text + at);
        text[at] = '.';
        cur.at = text;
        g_assert_true(mt_scan_token(&cur, some, &got));
        g_assert_cmpuint(got.len, ==, 40);
        g_free(some);
        g_free(text);
      }
}

/* ---- span ------------------------------------------------------------------ */

static void
test_find(void)
{
  MtSpan text = span("queued as A, queued as B");

  g_assert_cmpint(mt_span_find(text, MT_SPAN("queued as ")) - text.at, ==, 0);
  g_assert_cmpint(mt_span_find_last(text, MT_SPAN("queued as ")) - text.at, ==, 13);
  g_assert_null(mt_span_find_last(text, MT_SPAN("dequeued")));
  g_assert_null(mt_span_find_last(span("as"), MT_SPAN("was")));
  g_assert_null(mt_span_find_last(MT_NO_SPAN, MT_SPAN("x")));
  ASSERT_SPAN(mt_span_domain(span("\"a@b\"@example.com")), "example.com");
  ASSERT_SPAN(mt_span_domain(span("postmaster")), "");
  ASSERT_SPAN(mt_span_trim(span(" \t a b\t ")), "a b");
}

/* Every place and length, also across the blocks that are compared at once, and with texts that
 * have the needle's first and last byte only. */
static void
test_find_everywhere(void)
{
  gchar text[48], needle[40];

  for (gsize len = 1; len < sizeof needle; len++)
    for (gsize at = 0; at + len <= sizeof text; at++)
      {
        memset(text, 'a', sizeof text);
        memset(needle, 'b', len);
        needle[0] = needle[len - 1] = 'a';
        memcpy(text + at, needle, len);
        for (gsize left = 0; left <= sizeof text; left++)
          {
            const gchar *want = left ? memmem(text, left, needle, len) : NULL;

            g_assert_true(mt_span_find(mt_span(text, left), mt_span(needle, len)) == want);
          }
      }
  g_assert_null(mt_span_find(MT_NO_SPAN, MT_SPAN("a")));
  g_assert_null(mt_span_find(span("a"), MT_SPAN("ab")));
}

static void
test_numbers(void)
{
  static const struct
  {
    const gchar *text;
    gboolean ok;
    guint64 number;
  } cases[] = {
    { "0", TRUE, 0 },
    { "007", TRUE, 7 },
    { "999999999999999999", TRUE, G_GUINT64_CONSTANT(999999999999999999) },
    { "9223372036854775807", TRUE, G_MAXINT64 },
    { "00000000000000000000007", TRUE, 7 },
    { "9223372036854775808", FALSE, 0 },
    { "99999999999999999999999", FALSE, 0 },
    { "", FALSE, 0 },
    { "-1", FALSE, 0 },
    { "12a", FALSE, 0 },
  };

  for (guint i = 0; i < G_N_ELEMENTS(cases); i++)
    {
      guint64 number = 0;

      g_assert_cmpint(mt_span_to_u64(span(cases[i].text), &number), ==, cases[i].ok);
      if (cases[i].ok)
        g_assert_cmpuint(number, ==, cases[i].number);
    }
}

static void
test_durations(void)
{
  static const struct
  {
    const gchar *text;
    gint64 us;
    gsize used;
  } cases[] = {
    { "0.08,", 80000, 4 }, { "12", 12000000, 2 }, { "1e+03,", 1000000000, 5 },
    { "1.1e-05", 11, 7 },  { "0.0000001", 0, 9 }, { "3.5.1", 3500000, 3 },
    { "2e99", -1, 0 },     { "x", -1, 0 },        { "9999999999999", -1, 0 },
  };

  for (guint i = 0; i < G_N_ELEMENTS(cases); i++)
    {
      MtCursor cur = mt_cursor(span(cases[i].text));
      gint64 us = -1;

      g_assert_cmpint(mt_scan_duration(&cur, &us), ==, cases[i].us >= 0);
      g_assert_cmpint(us, ==, cases[i].us);
      g_assert_cmpint(cur.at - cases[i].text, ==, cases[i].used);
    }
}

static void
test_angles(void)
{
  static const struct
  {
    const gchar *text, *inside, *left;
  } cases[] = {
    { "<a@example.com>, relay", "a@example.com", ", relay" },
    { "<>", "", "" },
    { "<\"a>, relay=x\"@example.com>, relay=y", "\"a>, relay=x\"@example.com", ", relay=y" },
    { "<\"a\\\">b\"@example.com> x", "\"a\\\">b\"@example.com", " x" },
    { "<\"open>, x", "\"open", ", x" },
    { "<a\"b>, c\"@example.com>", "a\"b", ", c\"@example.com>" },
    { "<open", NULL, "<open" },
    { "a>", NULL, "a>" },
  };

  for (guint i = 0; i < G_N_ELEMENTS(cases); i++)
    {
      MtCursor cur = mt_cursor(span(cases[i].text));
      MtSpan inside = MT_NO_SPAN;

      g_assert_cmpint(mt_scan_angle(&cur, &inside), ==, cases[i].inside != NULL);
      if (cases[i].inside)
        ASSERT_SPAN(inside, cases[i].inside);
      ASSERT_SPAN(mt_cursor_rest(&cur), cases[i].left);
    }
}

static void
test_dsn(void)
{
  static const gchar *const good[] = { "2.0.0", "4.2.2", "5.7.26", "5.999.999" };
  static const gchar *const bad[] = { "3.0.0", "2.0", "2.0.", "5.1000.0", "250", "" };
  MtSpan dsn;

  for (guint i = 0; i < G_N_ELEMENTS(good); i++)
    {
      MtCursor cur = mt_cursor(span(good[i]));

      g_assert_true(mt_scan_dsn(&cur, &dsn));
      ASSERT_SPAN(dsn, good[i]);
    }
  for (guint i = 0; i < G_N_ELEMENTS(bad); i++)
    {
      MtCursor cur = mt_cursor(span(bad[i]));

      g_assert_false(mt_scan_dsn(&cur, &dsn));
      g_assert_true(cur.at == bad[i]);
    }
}

/* ---- ip -------------------------------------------------------------------- */

static void
test_addresses(void)
{
  static const struct
  {
    const gchar *text, *normal;
    gboolean internal;
  } good[] = {
    { "192.0.2.7", "192.0.2.7", FALSE },
    { "255.255.255.255", "255.255.255.255", FALSE },
    { "10.1.2.3", "10.1.2.3", TRUE },
    { "172.16.0.1", "172.16.0.1", TRUE },
    { "172.32.0.1", "172.32.0.1", FALSE },
    { "192.168.9.9", "192.168.9.9", TRUE },
    { "169.254.0.1", "169.254.0.1", TRUE },
    { "127.0.0.1", "127.0.0.1", TRUE },
    { "::1", "::1", TRUE },
    { "::", "::", TRUE },
    { "2001:DB8:0:0::1", "2001:db8::1", FALSE },
    { "IPv6:2001:db8::25", "2001:db8::25", FALSE },
    { "::ffff:192.0.2.7", "192.0.2.7", FALSE },
    { "fe80::1%eth0", "fe80::1", TRUE },
    { "fd00::1", "fd00::1", TRUE },
    { "febf::1", "febf::1", TRUE },
    { "fec0::1", "fec0::1", FALSE },
    { "192.000.002.007", "192.0.2.7", FALSE },
    { "1.2.3.4", "1.2.3.4", FALSE },
    { "1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8", FALSE },
    { "2001:db8::", "2001:db8::", FALSE },
  };
  static const gchar *const bad[] = { "",
                                      "1",
                                      "192.0.2",
                                      "192.0.2.256",
                                      "192.0.2.7 ",
                                      "192.0.2.0007",
                                      "unknown",
                                      "::g",
                                      "1:2:3:4:5:6:7:8:9",
                                      ":",
                                      "192.0.2.7.1",
                                      "beef",
                                      "a.b.c.d",
                                      "192.0.2.-1",
                                      "1.2.3.4.",
                                      ".1.2.3.4",
                                      "1..2.3",
                                      "1.2.3.",
                                      "192.0.02.0007",
                                      "::1::",
                                      "1:2:3:4:5:6:7:8:",
                                      "1::2:3:4:5:6:7:8",
                                      "12345::",
                                      "1:2:3:4:5:6:7" };
  gchar text[MT_IP_TEXT_BYTES];
  MtIp ip;

  for (guint i = 0; i < G_N_ELEMENTS(good); i++)
    {
      g_assert_true(mt_ip_parse(span(good[i].text), &ip));
      g_assert_cmpuint(mt_ip_format(&ip, text), ==, strlen(good[i].normal));
      g_assert_cmpstr(text, ==, good[i].normal);
      g_assert_cmpint(mt_ip_is_internal(&ip), ==, good[i].internal);
    }
  for (guint i = 0; i < G_N_ELEMENTS(bad); i++)
    g_assert_false(mt_ip_parse(span(bad[i]), &ip));
}

/* Texts that are nearly addresses, each in memory of its own: what the C library reads in them
 * is what we do. */
static void
test_nearly_addresses(void)
{
  static const gchar *const seeds[] = {
    "192.0.2.7", "1.2.3.4", "255.250.249.199",      "2001:db8::25",    "1:2:3:4:5:6:7:8",
    "::",        "1::8",    "2001:db8:0:1:2:3:4::", "::ffff:192.0.2.7"
  };
  static const gchar bytes[] = "0129afFg.:%/; ";
  GRand *rand = g_rand_new_with_seed(1);

  for (guint i = 0; i < 200000; i++)
    {
      GString *text = g_string_new(seeds[g_rand_int_range(rand, 0, G_N_ELEMENTS(seeds))]);
      guint8 want[16] = { [10] = 0xff, [11] = 0xff };
      gchar *exact;
      gboolean good;
      MtIp ip;

      for (gint n = g_rand_int_range(rand, 0, 4); n > 0 && text->len; n--)
        {
          gsize at = g_rand_int_range(rand, 0, text->len);
          gchar c = bytes[g_rand_int_range(rand, 0, sizeof bytes - 1)];

          if (g_rand_boolean(rand))
            text->str[at] = c;
          else if (g_rand_boolean(rand))
            g_string_insert_c(text, at, c);
          else
            g_string_erase(text, at, 1);
        }
      good = inet_pton(AF_INET, text->str, want + 12) == 1
             || inet_pton(AF_INET6, text->str, want) == 1;
      exact = g_memdup2(text->str, MAX(text->len, 1));
      /* zones, and zeros in front, which the library takes for octal, are ours */
      if (!strchr(text->str, '%') && !strstr(text->str, ".0") && text->str[0] != '0')
        g_assert_cmpint(mt_ip_parse(mt_span(exact, text->len), &ip), ==, good);
      if (good && mt_ip_parse(mt_span(exact, text->len), &ip))
        g_assert_cmpmem(ip.b, 16, want, 16);
      g_free(exact);
      g_string_free(text, TRUE);
    }
  g_rand_free(rand);
}

static void
test_networks(void)
{
  static const struct
  {
    const gchar *network, *ip;
    gboolean has;
  } cases[] = {
    { "192.0.2.0/24", "192.0.2.255", TRUE },
    { "192.0.2.0/24", "192.0.3.0", FALSE },
    { "192.0.2.128/25", "192.0.2.127", FALSE },
    { "192.0.2.7", "192.0.2.7", TRUE },
    { "192.0.2.7", "192.0.2.8", FALSE },
    { "0.0.0.0/0", "198.51.100.1", TRUE },
    { "0.0.0.0/0", "2001:db8::1", FALSE },
    { "2001:db8::/32", "2001:db8:ffff::1", TRUE },
    { "2001:db8::/33", "2001:db8:8000::1", FALSE },
  };
  static const gchar *const bad[] = { "192.0.2.0/33", "2001:db8::/129", "192.0.2.0/", "x/8", "/8" };
  MtNetwork network;
  MtIp ip;

  for (guint i = 0; i < G_N_ELEMENTS(cases); i++)
    {
      g_assert_true(mt_network_parse(span(cases[i].network), &network));
      g_assert_true(mt_ip_parse(span(cases[i].ip), &ip));
      g_assert_cmpint(mt_network_has(&network, &ip), ==, cases[i].has);
    }
  for (guint i = 0; i < G_N_ELEMENTS(bad); i++)
    g_assert_false(mt_network_parse(span(bad[i]), &network));
}

static void
test_source_is_address_or_64(void)
{
  MtIp ip, want;

  mt_ip_parse(span("2001:db8:1:2:3:4:5:6"), &ip);
  mt_ip_parse(span("2001:db8:1:2::"), &want);
  ip = mt_ip_source(&ip);
  g_assert_true(mt_ip_equal(&ip, &want));
  mt_ip_parse(span("192.0.2.7"), &ip);
  want = mt_ip_source(&ip);
  g_assert_true(mt_ip_equal(&ip, &want));
}

static void
test_reals(void)
{
  static const struct
  {
    const gchar *text;
    gdouble number;
    gsize used;
  } cases[] = {
    { "-1.98,", -1.98, 5 }, { "12", 12, 2 },    { "+3.5.1", 3.5, 4 },
    { "7. x", 7, 1 },       { "-0.5", -.5, 4 }, { "-", 0, 0 },
    { "x", 0, 0 },          { "", 0, 0 },       { "1.12345678901234567890", 1.123456789, 11 },
  };

  for (guint i = 0; i < G_N_ELEMENTS(cases); i++)
    {
      MtCursor cur = mt_cursor(span(cases[i].text));
      gdouble number = 0;

      g_assert_cmpint(mt_scan_real(&cur, &number), ==, cases[i].used > 0);
      g_assert_cmpfloat_with_epsilon(number, cases[i].number, 1e-9);
      g_assert_cmpint(cur.at - cases[i].text, ==, cases[i].used);
    }
}

static void
test_find_only(void)
{
  MtSpan text = span("a, b=1, c=2, b=3");

  g_assert_true(mt_span_find_only(text, MT_SPAN(", c=")) == text.at + 6);
  g_assert_null(mt_span_find_only(text, MT_SPAN(", b=")));
  g_assert_null(mt_span_find_only(text, MT_SPAN(", d=")));
  g_assert_null(mt_span_find_only(MT_NO_SPAN, MT_SPAN("x")));
}

/* ---- stamps ------------------------------------------------------------------ */

static MtTime
at(const gchar *iso)
{
  MtCursor cur = mt_cursor(span(iso));
  MtClock clock;
  MtTime time = MT_NO_TIME;

  mt_clock_init(&clock, NULL, 0, 0);
  g_assert_true(mt_scan_stamp_iso(&cur, &clock, &time));
  return time;
}

static void
test_ctime_stamps(void)
{
  static const gchar *const bad[] = { "Sat Nov 31 05:45:01 2026", "Sat Nov 21 25:45:01 2026",
                                      "Sat Nox 21 05:45:01 2026", "Sat Nov 21 05:45:01 202",
                                      "Sat Nov 21 05:45:01 20x6", "Sat Nov  0 05:45:01 2026" };
  MtCursor cur = mt_cursor(span("Sat Nov  7 05:45:01 2026 -> x"));
  MtClock clock;
  MtTime time;

  mt_clock_init(&clock, NULL, 0, 0);
  g_assert_true(mt_scan_stamp_ctime(&cur, &clock, &time));
  g_assert_cmpint(time, ==, at("2026-11-07T05:45:01Z"));
  g_assert_true(MT_SPAN_IS(mt_cursor_rest(&cur), " -> x"));
  for (guint i = 0; i < G_N_ELEMENTS(bad); i++)
    {
      cur = mt_cursor(span(bad[i]));
      g_assert_false(mt_scan_stamp_ctime(&cur, &clock, &time));
      g_assert_true(cur.at == bad[i]);
    }
}

static void
test_iso_stamps(void)
{
  static const struct
  {
    const gchar *text, *normal;
  } cases[] = {
    { "2026-03-09T12:43:51.000000Z", "2026-03-09T12:43:51.000000Z" },
    { "2026-03-09T12:43:51.123456+01:00", "2026-03-09T11:43:51.123456Z" },
    { "2026-03-09 12:43:51,5-0330", "2026-03-09T16:13:51.500000Z" },
    { "2026-03-09T12:43:51", "2026-03-09T12:43:51.000000Z" },
    { "2024-02-29T23:59:60Z", "2024-03-01T00:00:00.000000Z" },
    { "1969-12-31T23:59:59.999999Z", "1969-12-31T23:59:59.999999Z" },
    { "2026-03-09T12:43:51.1234567899Z", "2026-03-09T12:43:51.123456Z" },
    { "0001-01-01T00:00:00Z", "0001-01-01T00:00:00.000000Z" },
    { "9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59.999999Z" },
  };
  static const gchar *const bad[] = { "2026-13-09T12:43:51Z", "2026-02-29T12:43:51Z",
                                      "2026-03-09T24:00:00Z", "2026-03-09T12:61:00Z", "2026-03-09",
                                      "2026-03-09X12:43:51Z",
                                      /* in UTC of a year that has no four digits */
                                      "0000-06-01T00:00:00Z", "0001-01-01T00:00:00+01:00",
                                      "9999-12-31T23:59:59-01:00" };
  gchar text[MT_TIME_TEXT_BYTES];

  for (guint i = 0; i < G_N_ELEMENTS(cases); i++)
    {
      g_assert_cmpuint(mt_time_format(at(cases[i].text), text), ==, 27);
      g_assert_cmpstr(text, ==, cases[i].normal);
    }
  for (guint i = 0; i < G_N_ELEMENTS(bad); i++)
    {
      MtCursor cur = mt_cursor(span(bad[i]));
      MtClock clock;
      MtTime time;

      mt_clock_init(&clock, NULL, 0, 0);
      g_assert_false(mt_scan_stamp(&cur, &clock, &time));
      g_assert_true(cur.at == bad[i]);
    }
}

static void
assert_stamp(MtClock *clock, const gchar *stamp, const gchar *want)
{
  MtCursor cur = mt_cursor(span(stamp));
  MtTime time;
  gchar text[MT_TIME_TEXT_BYTES];

  g_assert_true(mt_scan_stamp(&cur, clock, &time));
  mt_time_format(time, text);
  g_assert_cmpstr(text, ==, want);
}

static void
test_year_is_inferred(void)
{
  MtClock clock;

  mt_clock_init(&clock, NULL, at("2026-11-21T06:00:00Z"), 0);
  assert_stamp(&clock, "Nov 21 05:45:01", "2026-11-21T05:45:01.000000Z");
  mt_clock_init(&clock, NULL, at("2026-11-21T06:00:00Z"), 0);
  assert_stamp(&clock, "Nov 22 05:45:01", "2026-11-22T05:45:01.000000Z"); /* a day's grace */
  mt_clock_init(&clock, NULL, at("2026-11-21T06:00:00Z"), 0);
  assert_stamp(&clock, "Dec 24 05:45:01", "2025-12-24T05:45:01.000000Z");
  mt_clock_init(&clock, NULL, at("2026-11-21T06:00:00Z"), 0);
  assert_stamp(&clock, "Feb 29 05:45:01", "2024-02-29T05:45:01.000000Z");
  mt_clock_init(&clock, NULL, at("2026-11-21T06:00:00Z"), 0);
  assert_stamp(&clock, "Nov 6 05:45:01", "2026-11-06T05:45:01.000000Z");
  mt_clock_init(&clock, NULL, at("2026-11-21T06:00:00Z"), 2019);
  assert_stamp(&clock, "Mar  3 05:45:01", "2019-03-03T05:45:01.000000Z");
}

/* What a clock remembers of the stamp before serves the same text only. */
static void
test_stamps_come_again(void)
{
  static const gchar nothing[32];
  MtCursor cur;
  MtClock clock;
  MtTime time;

  mt_clock_init(&clock, NULL, G_GINT64_CONSTANT(1796000000000000), 2026);
  cur = mt_cursor(mt_span(nothing, sizeof nothing));
  g_assert_false(mt_scan_stamp_rfc3164(&cur, &clock, &time));
  g_assert_false(mt_scan_stamp_iso(&cur, &clock, &time));
  assert_stamp(&clock, "Nov 21 05:45:01", "2026-11-21T05:45:01.000000Z");
  assert_stamp(&clock, "Nov 21 05:45:01.25", "2026-11-21T05:45:01.250000Z");
  assert_stamp(&clock, "Nov 22 05:45:01", "2026-11-22T05:45:01.000000Z");
  assert_stamp(&clock, "Nov 22 05:45:59", "2026-11-22T05:45:59.000000Z");
  assert_stamp(&clock, "Nov 22 05:45:60", "2026-11-22T05:46:00.000000Z");
  assert_stamp(&clock, "Nov 22 05:46:00", "2026-11-22T05:46:00.000000Z");
  assert_stamp(&clock, "Nov 22 05:59:60", "2026-11-22T06:00:00.000000Z");
  assert_stamp(&clock, "Nov 22 05:59:07", "2026-11-22T05:59:07.000000Z");
  cur = mt_cursor(span("Nov 22 05:59:61"));
  g_assert_false(mt_scan_stamp_rfc3164(&cur, &clock, &time));
  cur = mt_cursor(span("Nov 22 05:59:0x"));
  g_assert_false(mt_scan_stamp_rfc3164(&cur, &clock, &time));
  assert_stamp(&clock, "Nov 22 2025 05:45:01", "2025-11-22T05:45:01.000000Z");
  assert_stamp(&clock, "Nov 21 05:45:02", "2025-11-21T05:45:02.000000Z");
  assert_stamp(&clock, "2026-11-21T05:45:01+01:00", "2026-11-21T04:45:01.000000Z");
  assert_stamp(&clock, "2026-11-21T05:45:01.5Z", "2026-11-21T05:45:01.500000Z");
  assert_stamp(&clock, "2026-11-21T05:45:02Z", "2026-11-21T05:45:02.000000Z");
  assert_stamp(&clock, "2026-11-21T05:45:60Z", "2026-11-21T05:46:00.000000Z");
  assert_stamp(&clock, "0001-01-01T00:00:00Z",
               "0001-01-01T00:00:00.000000Z"); /* says nothing of others */
  assert_stamp(&clock, "Nov 24 20:51:25", "2026-11-24T20:51:25.000000Z");
  assert_stamp(&clock, "2026-11-21T05:45:59Z", "2026-11-21T05:45:59.000000Z");
  cur = mt_cursor(span("2026-11-21T05:45:61Z"));
  g_assert_false(mt_scan_stamp_iso(&cur, &clock, &time));
  assert_stamp(&clock, "Nov 23 05:45:01", "2026-11-23T05:45:01.000000Z");
}

static void
test_year_rolls_over(void)
{
  MtClock clock;

  mt_clock_init(&clock, NULL, at("2026-11-21T06:00:00Z"), 0);
  assert_stamp(&clock, "Dec 31 23:59:59", "2025-12-31T23:59:59.000000Z");
  assert_stamp(&clock, "Jan  1 00:00:00", "2026-01-01T00:00:00.000000Z");
  assert_stamp(&clock, "Dec 31 23:59:59", "2025-12-31T23:59:59.000000Z"); /* a late line */
  assert_stamp(&clock, "Jan  1 00:00:02.25", "2026-01-01T00:00:02.250000Z");
  assert_stamp(&clock, "Jan  2 2027 00:00:03", "2027-01-02T00:00:03.000000Z");
}

/* The label of a line that Google's answer in it dates: 10 s, and no leap second. */
static void
test_tai64n(void)
{
  static const gchar *const wrong[] = { "@400000004bdf953438f3e71",  "@400000004bdf953438f3e7g4",
                                        "400000004bdf953438f3e714",  "@000000004bdf953438f3e714",
                                        "@4bdf953438f3e714",         "@ffffffffffffffff38f3e714",
                                        "@400000004bdf9534ffffffff", "@" };
  MtCursor cur = mt_cursor(span("@400000004bdf953438f3e714 status"));
  MtTime time;
  gchar text[MT_TIME_TEXT_BYTES];

  g_assert_true(mt_scan_stamp_tai64n(&cur, &time));
  mt_time_format(time, text);
  g_assert_cmpstr(text, ==, "2010-05-04T03:31:54.955508Z");
  g_assert_true(MT_SCAN(&cur, " status"));
  for (guint i = 0; i < G_N_ELEMENTS(wrong); i++)
    {
      cur = mt_cursor(span(wrong[i]));
      g_assert_false(mt_scan_stamp_tai64n(&cur, &time));
      g_assert_true(cur.at == wrong[i]);
    }
}

static void
test_zone_applies_where_none_is_stated(void)
{
  GTimeZone *zone = g_time_zone_new_identifier("Europe/Berlin");
  MtClock clock;

  g_assert_nonnull(zone);
  mt_clock_init(&clock, zone, at("2026-11-21T06:00:00Z"), 0);
  assert_stamp(&clock, "Jul  1 12:00:00", "2026-07-01T10:00:00.000000Z");
  assert_stamp(&clock, "Nov  1 12:00:00", "2026-11-01T11:00:00.000000Z");
  assert_stamp(&clock, "2026-07-01T12:00:00", "2026-07-01T10:00:00.000000Z");
  assert_stamp(&clock, "2026-07-01T12:00:00Z", "2026-07-01T12:00:00.000000Z");
  assert_stamp(&clock, "Mar 29 02:30:00", "2026-03-29T01:30:00.000000Z"); /* skipped hour */
  g_time_zone_unref(zone);
}

/* ---- lines ---------------------------------------------------------------- */

static MtLine
line_of(const gchar *text)
{
  static MtClock clock;
  MtLine line;

  mt_clock_init(&clock, NULL, at("2026-11-21T06:00:00Z"), 0);
  mt_line_scan(span(text), &clock, &line);
  return line;
}

static void
test_heads(void)
{
  static const struct
  {
    const gchar *text, *host, *program, *rest;
    gint64 pid;
    gboolean time;
  } cases[] = {
    { "Nov 21 05:45:01 mx postfix/smtpd[42]: connect from x\r\n", "mx", "postfix/smtpd",
      "connect from x", 42, TRUE },
    { "<22>Nov 21 05:45:01 mx dovecot: imap-login: Login", "mx", "dovecot", "imap-login: Login", -1,
      TRUE },
    { "2026-11-21T05:45:01.5+01:00 mx qmail: 1 new msg", "mx", "qmail", "1 new msg", -1, TRUE },
    { "<22>1 2026-11-21T05:45:01Z mx postfix/smtpd 42 - [a x=\"]\\\"\"][b] text", "mx",
      "postfix/smtpd", "text", 42, TRUE },
    { "<22>1 2026-11-21T05:45:01Z mx app - - - \xef\xbb\xbftext", "mx", "app", "text", -1, TRUE },
    { "Nov 21 05:45:01 imap-login: Info: Login", "", "", "imap-login: Info: Login", -1, TRUE },
    { "no head at all", "", "", "no head at all", -1, FALSE },
    { "", "", "", "", -1, FALSE },
  };

  for (guint i = 0; i < G_N_ELEMENTS(cases); i++)
    {
      MtLine line = line_of(cases[i].text);

      ASSERT_SPAN(line.host, cases[i].host);
      ASSERT_SPAN(line.program, cases[i].program);
      ASSERT_SPAN(line.text, cases[i].rest);
      g_assert_cmpint(line.pid, ==, cases[i].pid);
      g_assert_cmpint(line.time != MT_NO_TIME, ==, cases[i].time);
    }
}

static void
test_repeated_lines(void)
{
  MtLine line = line_of("Nov 21 05:45:01 mx dovecot: message repeated 3 times: [ auth: x]");

  g_assert_cmpuint(line.repeat, ==, 3);
  ASSERT_SPAN(line.text, "auth: x");
  line = line_of("Nov 21 05:45:01 mx dovecot: message repeated 0 times: [ auth: x]");
  g_assert_cmpuint(line.repeat, ==, 1);
  line = line_of("Nov 21 05:45:01 mx dovecot: message repeated 3 times: [ auth: x");
  g_assert_cmpuint(line.repeat, ==, 1);
}

/* ---- text ------------------------------------------------------------------ */

static void
assert_text(void (*append)(GString *, MtSpan), const gchar *bytes, gsize len, const gchar *want)
{
  GString *to = g_string_new(NULL);

  append(to, mt_span(bytes, len));
  g_assert_cmpstr(to->str, ==, want);
  g_assert_true(g_utf8_validate(to->str, to->len, NULL));
  g_string_free(to, TRUE);
}

#define ASSERT_TEXT(append, bytes, want) assert_text(append, bytes, sizeof(bytes) - 1, want)

static void
test_text_leaves_clean(void)
{
  ASSERT_TEXT(mt_text_append_clean, "gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f");
  ASSERT_TEXT(mt_text_append_clean, "a\xff\0z", "a\xef\xbf\xbd\xef\xbf\xbdz");
  ASSERT_TEXT(mt_text_append_clean, "\xc0\xaf\xed\xa0\x80\xf5",
              "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"
              "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
  ASSERT_TEXT(mt_text_append_clean, "cut \xe2\x82", "cut \xef\xbf\xbd\xef\xbf\xbd");
  ASSERT_TEXT(mt_text_append_json, "a\"b\\c\n\x1b\x7f", "\"a\\\"b\\\\c\\n\\u001b\\u007f\"");
  ASSERT_TEXT(mt_text_append_terminal, "a\x1b[31m\r\xc2\x9b", "a\\x1b[31m\\x0d\\x9b");
  ASSERT_TEXT(mt_text_append_quoted, "x\" y=\"z\n\\", "\"x\\\" y=\\\"z\\n\\\\\"");
}

static void
test_csv_holds_no_formula(void)
{
  ASSERT_TEXT(mt_text_append_csv, "plain", "plain");
  ASSERT_TEXT(mt_text_append_csv, "a,b\"c", "\"a,b\"\"c\"");
  ASSERT_TEXT(mt_text_append_csv, "=1+1", "\"'=1+1\"");
  ASSERT_TEXT(mt_text_append_csv, "@SUM(A1)", "\"'@SUM(A1)\"");
  ASSERT_TEXT(mt_text_append_csv, "-cmd|x", "\"'-cmd|x\"");
  ASSERT_TEXT(mt_text_append_csv, "-12.5", "-12.5");
  ASSERT_TEXT(mt_text_append_csv, "two\nlines", "\"two\nlines\"");
}

/* Words that are 0, or short, at any places. */
static void
test_ip_as_inet_ntop(void)
{
  static const guint words[] = { 0, 0, 1, 0xab, 0xdb8, 0xffff };
  gchar ours[MT_IP_TEXT_BYTES], theirs[MT_IP_TEXT_BYTES];

  for (guint i = 0; i < 6 * 6 * 6 * 6 * 6 * 6 * 6 * 6; i += 7)
    {
      MtIp ip;
      guint rest = i;

      for (gint word = 0; word < 8; word++, rest /= 6)
        {
          ip.b[2 * word] = words[rest % 6] >> 8;
          ip.b[2 * word + 1] = words[rest % 6];
        }
      if (mt_ip_is_v4(&ip))
        continue;
      inet_ntop(AF_INET6, ip.b, theirs, sizeof theirs);
      g_assert_cmpuint(mt_ip_format(&ip, ours), ==, strlen(theirs));
      g_assert_cmpstr(ours, ==, theirs);
    }
}

/* ---- hash ------------------------------------------------------------------ */

static void
test_hash_depends_on_key_and_every_byte(void)
{
  MtHashKey key = { { 1, 2 } }, other = { { 1, 3 } };
  gchar text[] = "4SxKq31zXyz9abcdefgh";
  guint64 hash = mt_hash(&key, text, sizeof text);

  g_assert_true(hash != mt_hash(&other, text, sizeof text));
  g_assert_true(hash != mt_hash(&key, text, sizeof text - 1));
  for (gsize i = 0; i < sizeof text; i++)
    {
      text[i] ^= 1;
      g_assert_true(hash != mt_hash(&key, text, sizeof text));
      text[i] ^= 1;
    }
  g_assert_true(hash == mt_hash(&key, text, sizeof text));
  g_assert_true(mt_hash_mix(1, 2) != mt_hash_mix(2, 1));
}

/* Stores keep hashes: another version of the program must make the same of a text. */
static void
test_hash_stays(void)
{
  static const MtHashKey key = { { G_GUINT64_CONSTANT(0x0706050403020100),
                                   G_GUINT64_CONSTANT(0x0f0e0d0c0b0a0908) } };
  static const struct
  {
    const gchar *text;
    guint64 hash, nocase;
  } known[] = {
    { "", G_GUINT64_CONSTANT(0xabac0158050fc4dc), G_GUINT64_CONSTANT(0xabac0158050fc4dc) },
    { "a", G_GUINT64_CONSTANT(0x1c2697ab786a6237), G_GUINT64_CONSTANT(0x1c2697ab786a6237) },
    { "abc", G_GUINT64_CONSTANT(0x6fce24e8af8146eb), G_GUINT64_CONSTANT(0x6fce24e8af8146eb) },
    { "abcd", G_GUINT64_CONSTANT(0x2b722dba445c0659), G_GUINT64_CONSTANT(0x2b722dba445c0659) },
    { "4SxKq31", G_GUINT64_CONSTANT(0x1d1fa505ffac5380), G_GUINT64_CONSTANT(0xdb317c4afd163088) },
    { "4SxKq31z", G_GUINT64_CONSTANT(0xbb87c314b5e5923b), G_GUINT64_CONSTANT(0x452fdb47c61478fe) },
    { "4SxKq31zXyz9", G_GUINT64_CONSTANT(0x6697409dc9ab9143),
      G_GUINT64_CONSTANT(0x66fa243c4d612a9d) },
    { "Bob.Smith@Example.COM", G_GUINT64_CONSTANT(0x426e8e136ae4da29),
      G_GUINT64_CONSTANT(0xeca785402ad7e644) },
  };

  for (guint i = 0; i < G_N_ELEMENTS(known); i++)
    {
      MtSpan text = mt_span_of_string(known[i].text);

      g_assert_cmphex(mt_hash_span(&key, text), ==, known[i].hash);
      g_assert_cmphex(mt_hash_nocase(&key, text), ==, known[i].nocase);
    }
}

static void
test_hash_nocase_is_of_small_letters(void)
{
  MtHashKey key = { { 1, 2 } };

  for (guint c = 0; c < 256; c++)
    for (guint at = 0; at < 12; at++)
      {
        gchar text[12] = "abcdefghijk@", small[12] = "abcdefghijk@";

        text[at] = c;
        small[at] = g_ascii_tolower(c);
        g_assert_cmphex(mt_hash_nocase(&key, mt_span(text, 12)), ==,
                        mt_hash_span(&key, mt_span(small, 12)));
      }
}

int
main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/scan/block/words", test_words);
  g_test_add_func("/scan/block/literals", test_literal_words);
  g_test_add_func("/scan/block/blocks", test_blocks);
  g_test_add_func("/scan/span/tokens", test_tokens);
  g_test_add_func("/scan/span/find", test_find);
  g_test_add_func("/scan/span/find-everywhere", test_find_everywhere);
  g_test_add_func("/scan/span/numbers", test_numbers);
  g_test_add_func("/scan/span/durations", test_durations);
  g_test_add_func("/scan/span/angles", test_angles);
  g_test_add_func("/scan/span/dsn", test_dsn);
  g_test_add_func("/scan/ip/addresses", test_addresses);
  g_test_add_func("/scan/ip/nearly-addresses", test_nearly_addresses);
  g_test_add_func("/scan/ip/networks", test_networks);
  g_test_add_func("/scan/ip/source", test_source_is_address_or_64);
  g_test_add_func("/scan/stamp/iso", test_iso_stamps);
  g_test_add_func("/scan/stamp/ctime", test_ctime_stamps);
  g_test_add_func("/scan/span/find-only", test_find_only);
  g_test_add_func("/scan/real", test_reals);
  g_test_add_func("/scan/stamp/year-is-inferred", test_year_is_inferred);
  g_test_add_func("/scan/stamp/come-again", test_stamps_come_again);
  g_test_add_func("/scan/stamp/year-rolls-over", test_year_rolls_over);
  g_test_add_func("/scan/stamp/tai64n", test_tai64n);
  g_test_add_func("/scan/stamp/zone", test_zone_applies_where_none_is_stated);
  g_test_add_func("/scan/line/heads", test_heads);
  g_test_add_func("/scan/line/repeated", test_repeated_lines);
  g_test_add_func("/scan/text/clean", test_text_leaves_clean);
  g_test_add_func("/scan/text/csv", test_csv_holds_no_formula);
  g_test_add_func("/scan/hash", test_hash_depends_on_key_and_every_byte);
  g_test_add_func("/scan/hash-stays", test_hash_stays);
  g_test_add_func("/scan/hash-nocase", test_hash_nocase_is_of_small_letters);
  g_test_add_func("/scan/ip-as-inet-ntop", test_ip_as_inet_ntop);
  return g_test_run();
}
