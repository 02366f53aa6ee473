/* roundcube.c: Roundcube's logs of logins, 0.9 to 1.7
 *
 * Layer: dialects.  Concurrency: any thread; no state.
 *
 * The literals are those of roundcubemail (program/include/rcmail.php, log_login();
 * program/lib/Roundcube/rcube_imap.php, connect(); rcube_utils.php, remote_ip();
 * rcube.php, write_log()).  It writes files of its own or to syslog.  The user is typed
 * by the client, who may send X-Forwarded-For, too: of several places that look like
 * the address the last one counts, and a header only where the address is a proxy's
 * (loopback or private), and then its last entry, which that proxy has added.
 */
#include "dialects/dialect.h"

/* ---- pieces -------------------------------------------------------------------- */

/* The last of "198.51.100.1, 203.0.113.5". */
static MtSpan
last_entry(MtSpan list)
{
  const gchar *comma = list.len ? memrchr(list.at, ',', list.len) : NULL;

  if (comma)
    list = mt_span(comma + 1, list.at + list.len - comma - 1);
  return mt_span_trim(list);
}

/* "(X-Real-IP: 203.0.113.5,X-Forwarded-For: 198.51.100.1, 203.0.113.5)" behind a proxy's
 * address: the proxy's own header first. */
static void
read_proxied(MtSpan headers, MtEvent *event)
{
  MtCursor cur = mt_cursor(headers);
  MtSpan real, forwarded;

  if (MT_SCAN(&cur, "X-Real-IP: ") && mt_scan_token(&cur, ",", &real)
      && mt_event_set_ip(event, MT_F_CLIENT_IP, real))
    return;
  cur = mt_cursor(headers);
  if (MT_SCAN_UNTIL(&cur, "X-Forwarded-For: ", &forwarded))
    mt_event_set_ip(event, MT_F_CLIENT_IP, last_entry(mt_cursor_rest(&cur)));
}

/* An address with its headers is not longer; each place is looked at that far only. */
#define ADDRESS_BYTES 1024

static gboolean
is_header(MtSpan text)
{
  return MT_SPAN_STARTS(text, "(X-Real-IP: ") || MT_SPAN_STARTS(text, "(X-Forwarded-For: ");
}

/* "192.0.2.1" or "127.0.0.1(HEADERS)" */
static gboolean
read_address(MtSpan text, MtEvent *event)
{
  const gchar *open = text.len ? memchr(text.at, '(', MIN(text.len, MT_IP_TEXT_BYTES)) : NULL;
  MtSpan address = open ? mt_span(text.at, open - text.at) : text;
  const MtIp *ip;

  if ((open && !is_header(mt_span(open, text.at + text.len - open)))
      || address.len > MT_IP_TEXT_BYTES || !mt_event_set_ip(event, MT_F_CLIENT_IP, address))
    return FALSE;
  ip = mt_event_ip(event, MT_F_CLIENT_IP);
  if (open && mt_ip_is_internal(ip) && MT_SPAN_ENDS(text, ")"))
    read_proxied(mt_span(open + 1, text.at + text.len - open - 2), event);
  return TRUE;
}

/* The last " from " with an address behind it; what stands before is the user. */
static gboolean
split_address(MtSpan text, MtEvent *event, MtSpan *before)
{
  static const MtSpan from = MT_SPAN_INIT(" from ");
  MtSpan left = text;
  const gchar *at;

  while ((at = mt_span_find_last(left, from)))
    {
      const gchar *address = at + from.len;

      if (read_address(mt_span(address, text.at + text.len - address), event))
        {
          *before = mt_span(text.at, at - text.at);
          return TRUE;
        }
      left.len = at - left.at;
    }
  return FALSE;
}

/* ---- lines ------------------------------------------------------------------------ */

/* "... in session ID[ (error: N)]": both are the server's, at the end. */
static gboolean
split_session(MtSpan text, MtEvent *event, MtSpan *before)
{
  static const MtSpan words = MT_SPAN_INIT(" in session ");
  const gchar *at = mt_span_find_last(text, words);
  MtCursor cur;
  MtSpan session;

  if (!at)
    return FALSE;
  cur = mt_cursor(mt_span(at + words.len, text.at + text.len - at - words.len));
  if (mt_scan_token(&cur, " ", &session))
    mt_event_set_text(event, MT_F_SESSION, session);
  *before = mt_span(text.at, at - text.at);
  return TRUE;
}

/* "USER (ID: 12) from ADDRESS in session ID" */
static MtParse
read_success(MtCursor *cur, MtEvent *event)
{
  MtSpan text, user;
  const gchar *id;

  if (!split_session(mt_cursor_rest(cur), event, &text) || !split_address(text, event, &user))
    return MT_PARSE_MALFORMED;
  id = mt_span_find_last(user, MT_SPAN(" (ID: "));
  if (id)
    user.len = id - user.at;
  mt_event_set_text(event, MT_F_ACCOUNT, user);
  return MT_PARSE_MATCH;
}

/* "USER from ADDRESS in session ID (error: 0)" */
static MtParse
read_failure(MtCursor *cur, MtEvent *event)
{
  MtSpan text, user;

  if (!split_session(mt_cursor_rest(cur), event, &text) || !split_address(text, event, &user))
    return MT_PARSE_MALFORMED;
  mt_event_set_text(event, MT_F_ACCOUNT, user);
  MT_EVENT_SET_LITERAL(event, MT_F_REASON, "auth-failed");
  return MT_PARSE_MATCH;
}

/* Up to where the server's reply begins: ". AUTHENTICATE PLAIN: ..." behind the address. */
static gboolean
read_imap_address(MtSpan text, MtEvent *event, MtSpan *before)
{
  static const MtSpan from = MT_SPAN_INIT(" from ");
  MtSpan left = text;
  const gchar *at;

  while ((at = mt_span_find_last(left, from)))
    {
      gsize rest = text.at + text.len - at - from.len;
      MtCursor cur = mt_cursor(mt_span(at + from.len, MIN(rest, ADDRESS_BYTES)));
      MtSpan address;

      if (MT_SCAN_UNTIL(&cur, ". ", &address) && read_address(address, event))
        {
          *before = mt_span(text.at, at - text.at);
          return TRUE;
        }
      left.len = at - left.at;
    }
  return FALSE;
}

/* "USER against HOST from ADDRESS. REPLY in FILE on line N (POST URL)": the log of logins
 * tells of the attempt itself; this says why (attempts=0). */
static MtParse
read_imap_failure(MtCursor *cur, MtEvent *event)
{
  MtSpan text = mt_cursor_rest(cur), user;
  const gchar *against;

  if (!read_imap_address(text, event, &user))
    return MT_PARSE_MALFORMED;
  against = mt_span_find_last(user, MT_SPAN(" against "));
  if (against)
    user.len = against - user.at;
  mt_event_set_text(event, MT_F_ACCOUNT, user);
  mt_event_set_number(event, MT_F_ATTEMPTS, 0);
  MT_EVENT_SET_LITERAL(event, MT_F_REASON, "auth-failed");
  return MT_PARSE_MATCH;
}

/* Errors of PHP, the database, SMTP: for the operator. */
static MtParse
take_whole(MtCursor *cur, MtEvent *event)
{
  gsize prefix = ((const MtRule *) event->rule)->prefix.len;

  mt_event_set_text(event, MT_F_REASON, mt_span(cur->at - prefix, cur->end - cur->at + prefix));
  return MT_PARSE_MATCH;
}

static const MtRule rules[] = {
  MT_RULE("Successful login for ", LOGIN, NULL, read_success),
  MT_RULE("Failed login for ", LOGIN_FAILED, NULL, read_failure),
  MT_RULE("FAILED login for ", LOGIN_FAILED, NULL, read_failure), /* 0.9 */
  MT_RULE("IMAP Error: Login failed for ", LOGIN_FAILED, NULL, read_imap_failure),
  MT_RULE("IMAP Error: ", NOTICE, NULL, take_whole),
  MT_RULE("SMTP Error: ", NOTICE, NULL, take_whole),
  MT_RULE("DB Error: ", NOTICE, NULL, take_whole),
  MT_RULE("PHP Error: ", NOTICE, NULL, take_whole),
  MT_RULE("User ", NOTICE, NULL,
          take_whole), /* sendmail.log: "User bob [192.0.2.1]; Message ..." */
  MT_RULES_END,
};

/* ---- the file ------------------------------------------------------------------------ */

static const MtSpan program = MT_SPAN_INIT("roundcube");

static gboolean
scan_month(MtCursor *cur, guint *out)
{
  static const MtSpan months[] = { MT_SPAN_INIT("Jan"), MT_SPAN_INIT("Feb"), MT_SPAN_INIT("Mar"),
                                   MT_SPAN_INIT("Apr"), MT_SPAN_INIT("May"), MT_SPAN_INIT("Jun"),
                                   MT_SPAN_INIT("Jul"), MT_SPAN_INIT("Aug"), MT_SPAN_INIT("Sep"),
                                   MT_SPAN_INIT("Oct"), MT_SPAN_INIT("Nov"), MT_SPAN_INIT("Dec") };

  for (guint i = 0; i < G_N_ELEMENTS(months); i++)
    if (mt_scan_span(cur, months[i]))
      {
        *out = i + 1;
        return TRUE;
      }
  return FALSE;
}

/* " +0100" behind a local time: the seconds to take off. */
static gboolean
scan_offset(MtCursor *cur, gint64 *out_s)
{
  gboolean west = mt_cursor_peek(cur) == '-';
  guint64 offset;

  if (!west && mt_cursor_peek(cur) != '+')
    return FALSE;
  cur->at++;
  if (!mt_scan_u64(cur, &offset) || offset > 2359)
    return FALSE;
  *out_s = (gint64) (offset / 100 * 3600 + offset % 100 * 60) * (west ? -1 : 1);
  return TRUE;
}

static gboolean
scan_clock(MtCursor *cur, guint64 *hour, guint64 *minute, guint64 *second)
{
  return mt_scan_u64(cur, hour) && *hour < 24 && mt_scan_char(cur, ':') && mt_scan_u64(cur, minute)
         && *minute < 60 && mt_scan_char(cur, ':') && mt_scan_u64(cur, second) && *second <= 60;
}

/* "[21-Nov-2026 05:45:01 +0100]: " (log_date_format's default) */
static gboolean
scan_stamp(MtCursor *cur, MtClock *clock, MtTime *out)
{
  guint64 day, year, hour, minute, second;
  gint64 local_s, offset_s;
  guint month;

  if (!mt_scan_char(cur, '[') || !mt_scan_u64(cur, &day) || day < 1 || day > 31
      || !mt_scan_char(cur, '-') || !scan_month(cur, &month) || !mt_scan_char(cur, '-')
      || !mt_scan_u64(cur, &year) || year < 1970 || year > 9999 || !mt_scan_char(cur, ' ')
      || !scan_clock(cur, &hour, &minute, &second))
    return FALSE;
  local_s = mt_civil_to_s(year, month, day, hour, minute, second);
  if (mt_scan_char(cur, ' ') && scan_offset(cur, &offset_s))
    *out = (local_s - offset_s) * MT_SECOND_US;
  else
    *out = mt_clock_to_utc(clock, local_s);
  return MT_SCAN(cur, "]: ");
}

/* "<abcd1234> ", the first of the session's ID. */
static MtSpan
without_session(MtSpan text)
{
  MtCursor cur = mt_cursor(text);
  MtSpan session;

  if (mt_scan_char(&cur, '<') && mt_scan_class(&cur, MT_CHAR_ALNUM | MT_CHAR_KEY, &session)
      && MT_SCAN(&cur, "> "))
    return mt_cursor_rest(&cur);
  return text;
}

static gint
sniff(MtSpan raw)
{
  MtCursor cur = mt_cursor(raw);
  MtClock clock;
  MtEvent event;
  MtTime time;

  mt_clock_init(&clock, NULL, 0, 0);
  if (!scan_stamp(&cur, &clock, &time))
    return 0;
  mt_event_clear(&event);
  return mt_rules_apply(rules, without_session(mt_cursor_rest(&cur)), &event) == MT_PARSE_MATCH
             ? 100
             : 0;
}

static gboolean
head(MtSpan raw, MtStream *stream, MtLine *out)
{
  MtCursor cur = mt_cursor(raw);

  if (!scan_stamp(&cur, &stream->clock, &out->time))
    return FALSE;
  out->program = program;
  out->text = mt_cursor_rest(&cur);
  return TRUE;
}

static const MtFileFormat file_format = { sniff, head };

/* ---- the dialect ------------------------------------------------------------------------ */

static void
claim(MtSpan name, MtClaim *claim)
{
  if (mt_span_equal_nocase(name, program))
    claim->strength = MT_CLAIM_NAME;
}

static MtParse
parse(const MtLine *line, const MtClaim *claim, MtEvent *event)
{
  MtParse parse = mt_rules_apply(rules, without_session(line->text), event);

  if (parse == MT_PARSE_MATCH && event->kind != MT_EVENT_NOTICE)
    mt_event_set_word(event, MT_F_SERVICE, MT_WORD_WEBMAIL);
  return parse;
}

static const MtRule *const all_rules[] = { rules, NULL };

const MtDialect mt_dialect_roundcube = { "roundcube", claim, parse, all_rules, &file_format };
