/* sogo.c: the logins of SOGo 2 to 5
 *
 * Layer: dialects.  Concurrency: any thread; no state.
 *
 * The literals are those of SOGo (UI/MainUI/SOGoRootPage.m, connectAction) and of SOPE's
 * logger.  It writes a file whose lines have no host ("Nov 21 05:45:01 sogod [4711]: "),
 * or to syslog.  The user is typed by the client; the remote host may be a header that
 * the client has sent: its last entry is the one that our proxy has added.
 */
#include "dialects/dialect.h"

static MtParse
take_whole(MtCursor *cur, MtEvent *event)
{
  gsize prefix = ((const MtRule *) event->rule)->prefix.len;

  mt_event_set_text(event, MT_F_REASON, mt_span(cur->at - prefix, cur->end - cur->at + prefix));
  return MT_PARSE_MATCH;
}

/* "'198.51.100.1, 203.0.113.5' for user 'USER' WORDS": no address has a quote in it. */
static MtParse
read_attempt(MtCursor *cur, MtEvent *event, MtSpan words)
{
  MtSpan hosts, rest;
  const gchar *comma, *end;

  if (!mt_scan_until(cur, '\'', &hosts))
    return MT_PARSE_MALFORMED;
  comma = hosts.len ? memrchr(hosts.at, ',', hosts.len) : NULL;
  if (comma)
    hosts = mt_span(comma + 1, hosts.at + hosts.len - comma - 1);
  mt_event_set_ip(event, MT_F_CLIENT_IP, mt_span_trim(hosts));
  if (!MT_SCAN(cur, " for user '"))
    return MT_PARSE_MALFORMED;
  rest = mt_cursor_rest(cur);
  end = mt_span_find_last(rest, words);
  if (!end)
    return MT_PARSE_MALFORMED;
  mt_event_set_text(event, MT_F_ACCOUNT, mt_span(rest.at, end - rest.at));
  return MT_PARSE_MATCH;
}

static MtParse
read_success(MtCursor *cur, MtEvent *event)
{
  return read_attempt(cur, event, MT_SPAN("' - expire = "));
}

static MtParse
read_failure(MtCursor *cur, MtEvent *event)
{
  MT_EVENT_SET_LITERAL(event, MT_F_REASON, "auth-failed");
  return read_attempt(cur, event, MT_SPAN("' might not have worked"));
}

static const MtRule rules[] = {
  MT_RULE("SOGoRootPage successful login from '", LOGIN, NULL, read_success),
  MT_RULE("SOGoRootPage Login from '", LOGIN_FAILED, NULL, read_failure),
  MT_RULE("[ERROR] ", NOTICE, NULL, take_whole),
  MT_RULE("[WARN] ", NOTICE, NULL, take_whole),
  MT_RULE("[INFO] ", NOTICE, NULL, take_whole),
  MT_RULE("|SOGo| ", NOTICE, NULL, NULL), /* a request's begin and end */
  MT_RULE("<0x", NOTICE, NULL, take_whole),
  MT_RULE("version ", NOTICE, NULL, take_whole),
  MT_RULE("vmem size check ", NOTICE, NULL, take_whole),
  MT_RULE("SIGTERM ", NOTICE, NULL, take_whole),
  MT_RULES_END,
};

/* 'client "GET /SOGo/ HTTP/1.1" 200 ...' of the built-in web server. */
static MtParse
read_request(MtCursor *cur, MtEvent *event)
{
  MtCursor host = *cur;
  MtSpan address;

  if (!MT_SCAN_UNTIL(cur, " \"", &address) || !mt_scan_token(&host, ", ", &address)
      || !mt_event_set_ip(event, MT_F_CLIENT_IP, address))
    return MT_PARSE_SKIP;
  return MT_PARSE_MATCH;
}

static const MtRule request_rules[] = {
  MT_RULE("", NOTICE, NULL, read_request),
  MT_RULES_END,
};

/* ---- the file ------------------------------------------------------------------------ */

static const MtSpan program = MT_SPAN_INIT("sogod");

/* "STAMP sogod [4711]: ", "STAMP sogod[4711:4712] " */
static gboolean
scan_head(MtSpan raw, MtClock *clock, MtLine *out)
{
  MtCursor cur = mt_cursor(raw);
  MtSpan skipped;
  guint64 pid;

  if (!mt_scan_stamp(&cur, clock, &out->time) || !MT_SCAN(&cur, " sogod"))
    return FALSE;
  mt_scan_char(&cur, ' ');
  if (!mt_scan_char(&cur, '[') || !mt_scan_u64(&cur, &pid) || !mt_scan_until(&cur, ']', &skipped))
    return FALSE;
  mt_scan_char(&cur, ':');
  mt_scan_char(&cur, ' ');
  out->pid = pid;
  out->program = program;
  out->text = mt_cursor_rest(&cur);
  return TRUE;
}

static gint
sniff(MtSpan raw)
{
  MtClock clock;
  MtLine line;

  mt_clock_init(&clock, NULL, 0, 0);
  return scan_head(raw, &clock, &line) ? 100 : 0;
}

static gboolean
head(MtSpan raw, MtStream *stream, MtLine *out)
{
  return scan_head(raw, &stream->clock, out);
}

static const MtFileFormat file_format = { sniff, head };

/* ---- the dialect ------------------------------------------------------------------------ */

static void
claim(MtSpan name, MtClaim *claim)
{
  if (mt_span_equal(name, program) || MT_SPAN_IS(name, "sogo"))
    claim->strength = MT_CLAIM_NAME;
}

static MtParse
parse(const MtLine *line, const MtClaim *claim, MtEvent *event)
{
  MtCursor cur = mt_cursor(line->text);
  MtParse parse;
  MtSpan pid;

  /* syslog in front of "sogod [4711]: " */
  if (mt_scan_char(&cur, '[') && mt_scan_class(&cur, MT_CHAR_DIGIT, &pid) && MT_SCAN(&cur, "]: "))
    parse = mt_rules_apply(rules, mt_cursor_rest(&cur), event);
  else
    {
      cur = mt_cursor(line->text);
      parse = mt_rules_apply(rules, line->text, event);
    }
  if (parse == MT_PARSE_SKIP)
    parse = mt_rules_apply(request_rules, mt_cursor_rest(&cur), event);
  if (parse == MT_PARSE_MATCH && event->kind != MT_EVENT_NOTICE)
    mt_event_set_word(event, MT_F_SERVICE, MT_WORD_WEBMAIL);
  return parse;
}

static const MtRule *const all_rules[] = { rules, request_rules, NULL };

const MtDialect mt_dialect_sogo = { "sogo", claim, parse, all_rules, &file_format };
