/* rspamd.c: the lines of rspamd 1.6 to 3.13
 *
 * Layer: dialects.  Concurrency: any thread; no state.
 *
 * The verdict is rspamd's own log_format (conf/logging.inc, src/libserver/task.c:
 * rspamd_task_write_log()).  A file of its own begins each line with a stamp and
 * "#PID(TYPE) ", syslog leaves that away; both have "<TAG>; MODULE; FUNCTION: " before
 * the text, MODULE since 1.7.
 *
 * Hostile text.  Message-ID, sender and login stand in front of the verdict, the
 * Message-ID first of all.  rspamd leaves no space in it (src/libmime/mime_headers.c makes
 * each a '?'), so the first space ends it, whatever it holds; the rest is read in its order.
 */
#include "dialects/dialect.h"

/* ---- the verdict ---------------------------------------------------------------- */

/* src/libserver/cfg_utils.c, rspamd_action_to_str(). */
static const MtWordOf actions[] = {
  { MT_SPAN_INIT("no action"), MT_WORD_PASS },
  { MT_SPAN_INIT("greylist"), MT_WORD_GREYLIST },
  { MT_SPAN_INIT("soft reject"), MT_WORD_TEMPFAIL },
  { MT_SPAN_INIT("add header"), MT_WORD_TAG },
  { MT_SPAN_INIT("rewrite subject"), MT_WORD_REWRITE_SUBJECT },
  { MT_SPAN_INIT("reject"), MT_WORD_REJECT },
  { MT_SPAN_INIT("quarantine"), MT_WORD_QUARANTINE },
  { MT_SPAN_INIT("discard"), MT_WORD_DISCARD },
};

/* "<1@example.org>," or "<1@example.org>;", with the brackets that the field has everywhere;
 * @out is empty where there was none.  FALSE: @stop does not follow. */
static gboolean
scan_message_id(MtCursor *cur, gchar stop, MtSpan *out)
{
  if (!mt_scan_token(cur, " ", out) || out->at[out->len - 1] != stop)
    return FALSE;
  out->len--;
  if (!MT_SPAN_STARTS(*out, "<") || !MT_SPAN_ENDS(*out, ">") || MT_SPAN_IS(*out, "<undef>"))
    *out = MT_NO_SPAN;
  return TRUE;
}

static void
read_qid(MtCursor *cur, MtEvent *event)
{
  MtSpan id;

  if (mt_scan_queue_id(cur, &id))
    mt_event_set_text(event, MT_F_QUEUE_ID, id);
  mt_scan_char(cur, '>');
}

static void
read_from(MtCursor *cur, MtEvent *event)
{
  MtSpan sender;

  cur->at--; /* at the bracket again: a quoted local part may hold another */
  if (mt_scan_angle(cur, &sender))
    mt_event_set_text(event, MT_F_SENDER, sender);
}

static void
read_ip(MtCursor *cur, MtEvent *event)
{
  MtSpan ip;

  if (mt_scan_token(cur, ",", &ip))
    mt_event_set_ip(event, MT_F_CLIENT_IP, ip);
}

static void
read_user(MtCursor *cur, MtEvent *event)
{
  MtSpan user;

  if (mt_scan_token(cur, ",", &user))
    mt_event_set_text(event, MT_F_AUTH_USER, user);
}

/* In this order. */
static const struct
{
  MtSpan name;
  void (*read)(MtCursor *cur, MtEvent *event);
} items[] = {
  { MT_SPAN_INIT(" qid: <"), read_qid },
  { MT_SPAN_INIT(" ip: "), read_ip },
  { MT_SPAN_INIT(" user: "), read_user },
  { MT_SPAN_INIT(" from: <"), read_from },
};

static void
read_items(MtCursor *cur, MtEvent *event)
{
  MtSpan skipped;

  for (guint i = 0; i < G_N_ELEMENTS(items); i++)
    if (mt_scan_span(cur, items[i].name))
      {
        items[i].read(cur, event);
        if (!mt_scan_char(cur, ',') && mt_scan_token(cur, ",", &skipped))
          mt_scan_char(cur, ',');
      }
}

/* "]), len: " or, of other formats, "], len: ": the cursor ends behind it. */
static gboolean
scan_list(MtCursor *cur, gboolean is_default, MtSpan *out)
{
  MtCursor try = *cur;
  MtSpan part;

  while (mt_scan_until(&try, ']', &part))
    if ((!is_default || mt_scan_char(&try, ')')) && MT_SCAN(&try, ", len: "))
      {
        *out = mt_span(cur->at, part.at + part.len - cur->at);
        *cur = try;
        return TRUE;
      }
  return FALSE;
}

/* The list, up to where the length of the message follows, and the recipients, in brackets.
 * Options of symbols may be strangers' text: where one holds the end of the list, what follows
 * that is not believed. */
static void
read_symbols(MtCursor *cur, gboolean is_default, MtEvent *event)
{
  MtSpan symbols = mt_cursor_rest(cur), skipped, recipient;
  gboolean whole = scan_list(cur, is_default, &symbols);
  MtCursor again = *cur;
  guint64 size;

  if (symbols.len)
    mt_event_set_text(event, MT_F_SYMBOLS, symbols);
  mt_read_symbols(symbols, event);
  if (!whole || scan_list(&again, is_default, &skipped))
    return;
  if (mt_scan_u64(cur, &size))
    mt_event_set_number(event, MT_F_SIZE, size);
  while (mt_scan_until(cur, '<', &skipped))
    if (MT_SPAN_ENDS(skipped, ", rcpts: "))
      {
        if (mt_scan_token(cur, ",>", &recipient))
          mt_event_set_text(event, MT_F_RECIPIENT, recipient);
        return;
      }
}

/* "(default: T (add header): [8.20/15.00] [NAME(1.00){option;},...]); logs of other formats
 * begin with the action. */
static gboolean
read_scores(MtCursor *cur, MtEvent *event)
{
  gboolean is_default = MT_SCAN(cur, "(default: ");
  MtSpan flag, name;
  gdouble score, required;
  MtWord word;

  mt_scan_class(cur, MT_CHAR_ALNUM, &flag);
  mt_scan_char(cur, ' ');
  if (!mt_scan_char(cur, '(') || !mt_scan_until(cur, ')', &name) || !MT_SCAN(cur, ": [")
      || !mt_scan_real(cur, &score) || !mt_scan_char(cur, '/'))
    return FALSE;
  mt_event_set_real(event, MT_F_SCORE, score);
  if (mt_scan_real(cur, &required))
    mt_event_set_real(event, MT_F_REQUIRED, required);
  word = mt_word_of(actions, G_N_ELEMENTS(actions), name);
  if (word != MT_WORD_NONE)
    mt_event_set_word(event, MT_F_ACTION, word);
  if (MT_SCAN(cur, "] ["))
    read_symbols(cur, is_default, event);
  return TRUE;
}

static MtParse
read_verdict(MtCursor *cur, MtEvent *event)
{
  MtSpan id;

  MT_EVENT_SET_LITERAL(event, MT_F_FILTER, "rspamd");
  if (!MT_SCAN(cur, "id: ") || !scan_message_id(cur, ',', &id))
    return MT_PARSE_MATCH;
  if (id.len)
    mt_event_set_text(event, MT_F_MESSAGE_ID, id);
  read_items(cur, event);
  mt_scan_char(cur, ' ');
  if (cur->at < cur->end && mt_cursor_peek(cur) != '(')
    {
      mt_event_drop(event, MT_F_AUTH_USER); /* a name with a ',' in it: not known where it ends */
      mt_event_drop(event, MT_F_SENDER);
      return MT_PARSE_MATCH;
    }
  return read_scores(cur, event) ? MT_PARSE_MATCH : MT_PARSE_MALFORMED;
}

/* "loaded message; id: <1@example.org>; queue-id: <4A1B2C3D4E>; size: 1; ..." */
static MtParse
read_loaded(MtCursor *cur, MtEvent *event)
{
  MtSpan id;

  mt_event_set_text(event, MT_F_REASON, MT_SPAN("loaded message"));
  if (!scan_message_id(cur, ';', &id))
    return MT_PARSE_MATCH;
  if (id.len)
    mt_event_set_text(event, MT_F_MESSAGE_ID, id);
  if (MT_SCAN(cur, " queue-id: <") && mt_scan_queue_id(cur, &id) && mt_cursor_peek(cur) == '>')
    mt_event_set_text(event, MT_F_QUEUE_ID, id);
  return MT_PARSE_MATCH;
}

/* ---- the tables ------------------------------------------------------------------ */

/* Modules, plugins and scripts write what they like: the line is for the operator. */
static const MtRule rules[] = {
  MT_RULE("rspamd_task_write_log: ", VERDICT, NULL, read_verdict),
  MT_RULE("rspamd_message_parse: loaded message; id: ", NOTICE, NULL, read_loaded),
  MT_RULE("", NOTICE, NULL, mt_take_line),
  MT_RULES_END,
};

static const MtProgram programs[] = {
  MT_PROGRAM("rspamd", NULL),
  MT_PROGRAM("rspamd_proxy", NULL),
  MT_PROGRAMS_END,
};

static void
claim(MtSpan program, MtClaim *claim)
{
  mt_claim_program(programs, program, claim);
}

/* "(normal) ", from syslog; "<73b3a9>; "; "task; ". */
static void
skip_tag(MtCursor *cur)
{
  MtSpan inside;
  MtCursor try;

  if (mt_scan_char(cur, '(') && mt_scan_until(cur, ')', &inside))
    mt_scan_char(cur, ' ');
  if (mt_scan_char(cur, '<') && mt_scan_until(cur, '>', &inside))
    MT_SCAN(cur, "; ");
  try = *cur;
  if (mt_scan_word(&try, &inside) && MT_SCAN(&try, "; "))
    *cur = try;
}

static MtParse
parse(const MtLine *line, const MtClaim *claim, MtEvent *event)
{
  MtCursor cur = mt_cursor(line->text);

  skip_tag(&cur);
  return mt_rules_apply(rules, mt_cursor_rest(&cur), event);
}

/* ---- its own file: "2026-02-01 10:00:01.100 #1001(normal) <a1b2c3>; ..." ----------- */

static gboolean
scan_process(MtCursor *cur, guint64 *pid)
{
  MtSpan type;

  return MT_SCAN(cur, " #") && mt_scan_u64(cur, pid) && mt_scan_char(cur, '(')
         && mt_scan_until(cur, ')', &type) && mt_scan_char(cur, ' ');
}

static gboolean
head(MtSpan raw, MtStream *stream, MtLine *out)
{
  MtCursor cur = mt_cursor(raw);
  guint64 pid;

  if (!mt_scan_stamp_iso(&cur, &stream->clock, &out->time) || !scan_process(&cur, &pid))
    return FALSE;
  out->program = MT_SPAN("rspamd");
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
  return mt_scan_stamp_iso(&cur, &clock, &time) && scan_process(&cur, &pid) ? 100 : 0;
}

static const MtFileFormat file_format = { sniff, head };

static const MtRule *const all_rules[] = { rules, NULL };

const MtDialect mt_dialect_rspamd = {
  .name = "rspamd",
  .claim = claim,
  .parse = parse,
  .rules = all_rules,
  .file = &file_format,
};
