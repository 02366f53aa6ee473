/* spamassassin.c: the lines of spamd of SpamAssassin 2.6 to 4.0
 *
 * Layer: dialects.  Concurrency: any thread; no state.
 *
 * The literals are those of spamd/spamd.raw of 3.4.6 and 4.0.1.
 *
 * Hostile text.  Of a result's items the Message-ID is the only one that a stranger
 * chooses; it is the last that is read, up to its bracket.  What "processing message"
 * says behind it is read from the end.
 */
#include "dialects/dialect.h"

/* "Y 12 - TESTS scantime=1.2,...": '.' is ham. */
static gboolean
scan_result(MtCursor *cur, MtEvent *event)
{
  gboolean spam = mt_scan_char(cur, 'Y');
  gdouble score;

  if (!spam && !mt_scan_char(cur, '.'))
    return FALSE;
  while (mt_scan_char(cur, ' '))
    ;
  if (!mt_scan_real(cur, &score) || !MT_SCAN(cur, " - "))
    return FALSE;
  mt_event_set_word(event, MT_F_ACTION, spam ? MT_WORD_TAG : MT_WORD_PASS);
  mt_event_set_real(event, MT_F_SCORE, score);
  return TRUE;
}

static void
read_required(MtCursor *cur, MtEvent *event)
{
  gdouble required;

  if (mt_scan_real(cur, &required))
    mt_event_set_real(event, MT_F_REQUIRED, required);
}

static void
read_size(MtCursor *cur, MtEvent *event)
{
  guint64 size;

  if (mt_scan_u64(cur, &size))
    mt_event_set_number(event, MT_F_SIZE, size);
}

/* Who asked, by the name that spamc gave. */
static void
read_user(MtCursor *cur, MtEvent *event)
{
  MtSpan user;

  if (mt_scan_token(cur, ",", &user) && !MT_SPAN_IS(user, "(unknown)"))
    mt_event_set_text(event, MT_F_ACCOUNT, user);
}

static void
read_mid(MtCursor *cur, MtEvent *event)
{
  MtSpan id;
  MtCursor try = *cur;

  if (mt_scan_token(&try, " >", &id) && id.at[0] == '<' && mt_scan_char(&try, '>'))
    mt_event_set_text(event, MT_F_MESSAGE_ID, mt_span(id.at, id.len + 1));
  cur->at = cur->end; /* nothing behind it is believed */
}

static const struct
{
  MtSpan name;
  void (*read)(MtCursor *cur, MtEvent *event);
} items[] = {
  { MT_SPAN_INIT("size="), read_size },
  { MT_SPAN_INIT("user="), read_user },
  { MT_SPAN_INIT("required_score="), read_required },
  { MT_SPAN_INIT("required_hits="), read_required },
  { MT_SPAN_INIT("mid="), read_mid },
};

static void
read_items(MtCursor *cur, MtEvent *event)
{
  MtSpan skipped;

  do
    {
      for (guint i = 0; i < G_N_ELEMENTS(items); i++)
        if (mt_scan_span(cur, items[i].name))
          {
            items[i].read(cur, event);
            break;
          }
      mt_scan_token(cur, ",", &skipped);
    }
  while (mt_scan_char(cur, ','));
}

/* "result: Y 12 - BAYES_99,HTML_MESSAGE scantime=1.2,size=4711,user=bob,uid=1000,
 * required_score=5.0,rhost=localhost,raddr=127.0.0.1,rport=41234,mid=<1@example.org>,..." */
static MtParse
read_result(MtCursor *cur, MtEvent *event)
{
  MtSpan tests;

  MT_EVENT_SET_LITERAL(event, MT_F_FILTER, "spamassassin");
  if (!scan_result(cur, event))
    return MT_PARSE_MALFORMED;
  if (mt_scan_token(cur, " ", &tests))
    {
      mt_event_set_text(event, MT_F_SYMBOLS, tests);
      mt_read_symbols(tests, event);
    }
  mt_scan_char(cur, ' ');
  read_items(cur, event);
  return MT_PARSE_MATCH;
}

/* "identified spam (12.3/5.0) for bob:1000 in 1.2 seconds, 4711 bytes." */
static MtParse
read_score(MtCursor *cur, MtEvent *event)
{
  gdouble score, required;
  MtSpan user, skipped;

  MT_EVENT_SET_LITERAL(event, MT_F_FILTER, "spamassassin");
  if (!mt_scan_real(cur, &score) || !mt_scan_char(cur, '/') || !mt_scan_real(cur, &required)
      || !MT_SCAN(cur, ") for "))
    return MT_PARSE_MALFORMED;
  mt_event_set_real(event, MT_F_SCORE, score);
  mt_event_set_real(event, MT_F_REQUIRED, required);
  if (mt_scan_token(cur, ":", &user) && !MT_SPAN_IS(user, "(unknown)"))
    mt_event_set_text(event, MT_F_ACCOUNT, user);
  if (MT_SCAN_UNTIL(cur, " seconds, ", &skipped))
    read_size(cur, event);
  return MT_PARSE_MATCH;
}

static MtParse
read_spam(MtCursor *cur, MtEvent *event)
{
  mt_event_set_word(event, MT_F_ACTION, MT_WORD_TAG);
  return read_score(cur, event);
}

static MtParse
read_clean(MtCursor *cur, MtEvent *event)
{
  mt_event_set_word(event, MT_F_ACTION, MT_WORD_PASS);
  return read_score(cur, event);
}

/* "processing message <1@example.org> for bob:1000", "... aka <2@...> for ...": the user
 * is behind the Message-ID, as spamc gave it: without spaces. */
static MtParse
read_processing(MtCursor *cur, MtEvent *event)
{
  const gchar *at = mt_span_find_last(mt_cursor_rest(cur), MT_SPAN(" for "));
  MtCursor behind = { at, cur->end };
  MtSpan id, user;

  MT_EVENT_SET_LITERAL(event, MT_F_REASON, "processing message");
  if (mt_scan_token(cur, " >", &id) && id.at[0] == '<' && mt_scan_char(cur, '>'))
    mt_event_set_text(event, MT_F_MESSAGE_ID, mt_span(id.at, id.len + 1));
  if (at && MT_SCAN(&behind, " for ") && mt_scan_token(&behind, ": ", &user)
      && mt_cursor_peek(&behind) == ':' && !MT_SPAN_IS(user, "(unknown)"))
    mt_event_set_text(event, MT_F_ACCOUNT, user);
  return MT_PARSE_MATCH;
}

/* "connection from localhost [127.0.0.1]:41234 to port 783, fd 5"; before 3.4 "... at
 * port 41234": clients of spamd, not of the mail server. */
static MtParse
read_connection(MtCursor *cur, MtEvent *event)
{
  MtSpan name, ip;
  guint64 port;

  MT_EVENT_SET_LITERAL(event, MT_F_REASON, "connection");
  if (!mt_scan_until(cur, ' ', &name) || !mt_scan_char(cur, '[') || !mt_scan_until(cur, ']', &ip))
    return MT_PARSE_MALFORMED;
  mt_event_set_text(event, MT_F_CLIENT_NAME, name);
  mt_event_set_ip(event, MT_F_CLIENT_IP, ip);
  if ((mt_scan_char(cur, ':') || MT_SCAN(cur, " at port ")) && mt_scan_u64(cur, &port)
      && port <= 65535)
    mt_event_set_number(event, MT_F_CLIENT_PORT, port);
  if (MT_SCAN(cur, " to port ") && mt_scan_u64(cur, &port) && port <= 65535)
    mt_event_set_number(event, MT_F_LOCAL_PORT, port);
  return MT_PARSE_MATCH;
}

static const MtRule rules[] = {
  MT_RULE("result: ", VERDICT, NULL, read_result),
  MT_RULE("identified spam (", VERDICT, NULL, read_spam),
  MT_RULE("clean message (", VERDICT, NULL, read_clean),
  MT_RULE("processing message ", NOTICE, NULL, read_processing),
  MT_RULE("checking message ", NOTICE, NULL, read_processing),
  MT_RULE("connection from ", NOTICE, NULL, read_connection),
  MT_RULE("", NOTICE, NULL, mt_take_line),
  MT_RULES_END,
};

static const MtProgram programs[] = {
  MT_PROGRAM("spamd", NULL),
  MT_PROGRAM("spamd-child", NULL),
  MT_PROGRAMS_END,
};

static void
claim(MtSpan program, MtClaim *claim)
{
  mt_claim_program(programs, program, claim);
}

/* Since 3.0 each line begins with its facility ("spamd: ", "prefork: "). */
static MtParse
parse(const MtLine *line, const MtClaim *claim, MtEvent *event)
{
  MtCursor cur = mt_cursor(line->text);

  MT_SCAN(&cur, "info: ");
  MT_SCAN(&cur, "spamd: ");
  return mt_rules_apply(rules, mt_cursor_rest(&cur), event);
}

/* ---- its own file, spamd -s FILE: "Sat Nov 21 05:45:01 2026 [4711] info: spamd: ..."; and
 * its standard error, "Nov 21 05:45:01.123 [4711] info: ..." --------------------------------- */

static gboolean
scan_head(MtCursor *cur, MtClock *clock, MtTime *time, guint64 *pid)
{
  static const MtSpan levels[] = { MT_SPAN_INIT("info"), MT_SPAN_INIT("warn"),
                                   MT_SPAN_INIT("error"), MT_SPAN_INIT("dbg") };
  MtCursor behind;
  MtSpan level;

  if (!mt_scan_stamp_ctime(cur, clock, time) && !mt_scan_stamp_rfc3164(cur, clock, time))
    return FALSE;
  if (!MT_SCAN(cur, " [") || !mt_scan_u64(cur, pid) || !MT_SCAN(cur, "] "))
    return FALSE;
  behind = *cur;
  if (!mt_scan_token(&behind, ":", &level))
    return FALSE;
  for (guint i = 0; i < G_N_ELEMENTS(levels); i++)
    if (mt_span_equal(level, levels[i]))
      return TRUE;
  return FALSE;
}

static gboolean
head(MtSpan raw, MtStream *stream, MtLine *out)
{
  MtCursor cur = mt_cursor(raw);
  guint64 pid;

  if (!scan_head(&cur, &stream->clock, &out->time, &pid))
    return FALSE;
  out->program = MT_SPAN("spamd");
  out->pid = pid;
  out->text = mt_cursor_rest(&cur);
  return TRUE;
}

static gint
sniff(MtSpan raw)
{
  MtCursor cur = mt_cursor(raw);
  MtClock clock;
  MtTime time;
  guint64 pid;

  mt_clock_init(&clock, NULL, 0, 0);
  return scan_head(&cur, &clock, &time, &pid) ? 100 : 0;
}

static const MtFileFormat file_format = { sniff, head };

static const MtRule *const all_rules[] = { rules, NULL };

const MtDialect mt_dialect_spamassassin = {
  .name = "spamassassin",
  .claim = claim,
  .parse = parse,
  .rules = all_rules,
  .file = &file_format,
};
