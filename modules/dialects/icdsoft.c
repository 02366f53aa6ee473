/* icdsoft.c: the logs that ICDSoft's mail servers (qmail) give their users
 *
 * Comma-separated lines behind a local stamp: what the SMTP server heard and answered, and
 * what became of each message.  https://www.icdsoft.com/kb ("Mail logs format"), 2025.  No
 * line names its session: those that stand together belong together.
 */
#include "dialects/dialect.h"

static MtSpan
angled(MtSpan text)
{
  if (text.len >= 2 && text.at[0] == '<' && text.at[text.len - 1] == '>')
    return mt_span(text.at + 1, text.len - 2);
  return text;
}

static void
set_command(MtEvent *event, MtSpan verb)
{
  mt_event_set_word(event, MT_F_DIRECTION, MT_WORD_IN);
  mt_event_set_text(event, MT_F_VERB, verb);
}

/* ---- SMTP ------------------------------------------------------------------------------- */

/* "from, alice@example.org" */
static MtParse
read_from(MtCursor *cur, MtEvent *event)
{
  set_command(event, MT_SPAN("MAIL"));
  mt_event_set_text(event, MT_F_SENDER, angled(mt_cursor_rest(cur)));
  return MT_PARSE_MATCH;
}

/* "to, <bob@example.com>" */
static MtParse
read_to(MtCursor *cur, MtEvent *event)
{
  set_command(event, MT_SPAN("RCPT"));
  mt_event_set_text(event, MT_F_RECIPIENT, angled(mt_cursor_rest(cur)));
  return MT_PARSE_MATCH;
}

/* "size, 23533": the message is here. */
static MtParse
read_size(MtCursor *cur, MtEvent *event)
{
  guint64 size;

  if (!mt_scan_u64(cur, &size) || cur->at != cur->end)
    return MT_PARSE_SKIP;
  set_command(event, MT_SPAN("DATA"));
  mt_event_set_number(event, MT_F_SIZE, size);
  return MT_PARSE_MATCH;
}

/* "resp, 250 ok 1615286631 qp 15309" (qmail-smtpd.c, acceptmessage()) */
static void
read_qp(MtSpan text, MtEvent *event)
{
  MtCursor cur = mt_cursor(text);
  MtSpan stamp;
  guint64 qp;

  if (MT_SCAN(&cur, "ok ") && mt_scan_class(&cur, MT_CHAR_DIGIT, &stamp) && MT_SCAN(&cur, " qp ")
      && mt_scan_u64(&cur, &qp) && cur.at == cur.end)
    mt_event_set_number(event, MT_F_QP, qp);
}

/* "resp, 554 "Refused. You have no reverse DNS entry." */
static MtParse
read_resp(MtCursor *cur, MtEvent *event)
{
  guint64 code;
  MtSpan text, dsn;
  MtCursor inside;

  if (!mt_scan_u64(cur, &code) || code < 100 || code > 599)
    return MT_PARSE_SKIP;
  mt_scan_char(cur, ' ');
  text = mt_cursor_rest(cur);
  if (text.len >= 2 && text.at[0] == '"' && text.at[text.len - 1] == '"')
    text = mt_span(text.at + 1, text.len - 2);
  mt_event_set_word(event, MT_F_DIRECTION, MT_WORD_IN);
  mt_event_set_number(event, MT_F_CODE, code);
  inside = mt_cursor(text);
  if (mt_scan_dsn(&inside, &dsn))
    mt_event_set_text(event, MT_F_DSN, dsn);
  if (text.len)
    mt_event_set_text(event, MT_F_TEXT, text);
  if (code == 250)
    read_qp(text, event);
  return MT_PARSE_MATCH;
}

/* "check, accepted rcpt, h:198.51.100.25, bob@example.com, found existing recipient": the
 * client's HELO or name stands in front of its address and may hold commas; both ends are
 * ours. */
static MtParse
read_check(MtCursor *cur, MtEvent *event)
{
  MtSpan verdict, peer, recipient, rest;
  const gchar *colon;

  if (!MT_SCAN_UNTIL(cur, ", ", &verdict))
    return MT_PARSE_SKIP;
  mt_event_set_text(event, MT_F_REASON, verdict);
  if (!MT_SCAN_UNTIL(cur, ", ", &peer) || !mt_scan_mailbox(cur, &recipient)
      || !MT_SPAN_ENDS(recipient, ",") || !mt_scan_char(cur, ' '))
    return MT_PARSE_MATCH;
  recipient.len--;
  rest = mt_cursor_rest(cur);
  if (mt_span_find(rest, MT_SPAN(", ")))
    return MT_PARSE_MATCH; /* a comma too many: not to be told apart */
  colon = peer.len ? memchr(peer.at, ':', peer.len) : NULL;
  if (!colon
      || !mt_event_set_ip(event, MT_F_CLIENT_IP,
                          mt_span(colon + 1, peer.at + peer.len - colon - 1)))
    return MT_PARSE_MATCH;
  peer.len = colon - peer.at;
  if (peer.len && !MT_SPAN_IS(peer, "unknown"))
    mt_event_set_text(event, MT_F_CLIENT_NAME, peer);
  mt_event_set_text(event, MT_F_RECIPIENT, recipient);
  mt_event_set_text(event, MT_F_REASON, rest);
  return MT_PARSE_MATCH;
}

/* ---- delivery --------------------------------------------------------------------------- */

/* "init, <alice@example.org>" */
static MtParse
read_init(MtCursor *cur, MtEvent *event)
{
  mt_event_set_text(event, MT_F_SENDER, angled(mt_cursor_rest(cur)));
  return MT_PARSE_MATCH;
}

/* "try, 114878, local, bob@example.com" */
static MtParse
read_try(MtCursor *cur, MtEvent *event)
{
  MtSpan number, transport;

  if (!MT_SCAN_UNTIL(cur, ", ", &number) || !mt_span_is_all(number, MT_CHAR_DIGIT)
      || !MT_SCAN_UNTIL(cur, ", ", &transport))
    return MT_PARSE_SKIP;
  mt_event_set_text(event, MT_F_SESSION, number);
  mt_event_set_text(event, MT_F_TRANSPORT, transport);
  mt_event_set_text(event, MT_F_RECIPIENT, angled(mt_cursor_rest(cur)));
  return MT_PARSE_MATCH;
}

static const struct
{
  MtSpan text;
  MtWord status;
} results[] = {
  { MT_SPAN_INIT("success"), MT_WORD_SENT },
  { MT_SPAN_INIT("failure"), MT_WORD_BOUNCED },
  { MT_SPAN_INIT("deferral"), MT_WORD_DEFERRED },
};

/* "result, 114878, success, did_0+0+1/" */
static MtParse
read_result(MtCursor *cur, MtEvent *event)
{
  MtSpan number;

  if (!MT_SCAN_UNTIL(cur, ", ", &number) || !mt_span_is_all(number, MT_CHAR_DIGIT))
    return MT_PARSE_SKIP;
  for (guint i = 0; i < G_N_ELEMENTS(results); i++)
    {
      if (!mt_scan_span(cur, results[i].text))
        continue;
      mt_event_set_text(event, MT_F_SESSION, number);
      mt_event_set_word(event, MT_F_STATUS, results[i].status);
      if (MT_SCAN(cur, ", "))
        mt_event_set_text(event, MT_F_REPLY, mt_cursor_rest(cur));
      return MT_PARSE_MATCH;
    }
  return MT_PARSE_SKIP;
}

static const MtRule smtp_rules[] = {
  MT_RULE("from, ", SMTP_COMMAND, NULL, read_from), MT_RULE("to, ", SMTP_COMMAND, NULL, read_to),
  MT_RULE("size, ", SMTP_COMMAND, NULL, read_size), MT_RULE("resp, ", SMTP_REPLY, NULL, read_resp),
  MT_RULE("check, ", NOTICE, NULL, read_check),     MT_RULES_END,
};

static const MtRule delivery_rules[] = {
  MT_RULE("init, ", QUEUED, NULL, read_init),
  MT_RULE("try, ", DELIVERY, NULL, read_try),
  MT_RULE("result, ", DELIVERY, NULL, read_result),
  MT_RULES_END,
};

static const MtRule *const all_rules[] = { smtp_rules, delivery_rules, NULL };

static void
claim(MtSpan program, MtClaim *claim)
{
  if (MT_SPAN_IS(program, "icdsoft"))
    claim->strength = MT_CLAIM_NAME;
}

static MtParse
parse(const MtLine *line, const MtClaim *claim, MtEvent *event)
{
  MtParse parse = mt_rules_apply(smtp_rules, line->text, event);

  return parse == MT_PARSE_SKIP ? mt_rules_apply(delivery_rules, line->text, event) : parse;
}

/* ---- the files ---------------------------------------------------------------------------- */

/* "2021-03-09 11:10:37, from, ..." */
static gboolean
scan_stamp(MtCursor *cur, MtClock *clock, MtTime *out)
{
  MtCursor try = *cur;

  if (mt_cursor_left(&try) < 22 || try.at[10] != ' ' || try.at[19] != ',' || try.at[20] != ' '
      || !mt_scan_stamp_iso(&try, clock, out) || !MT_SCAN(&try, ", "))
    return FALSE;
  *cur = try;
  return TRUE;
}

static gint
sniff(MtSpan raw)
{
  MtCursor cur = mt_cursor(raw);
  MtClock clock;
  MtTime time;

  if (raw.len < 22 || raw.at[19] != ',')
    return 0;
  mt_clock_init(&clock, NULL, 0, 0);
  if (!scan_stamp(&cur, &clock, &time))
    return 0;
  for (gint t = 0; all_rules[t]; t++)
    for (const MtRule *rule = all_rules[t]; rule->prefix.at; rule++)
      if (mt_span_starts(mt_cursor_rest(&cur), rule->prefix))
        return 100;
  return 0;
}

static gboolean
head(MtSpan raw, MtStream *stream, MtLine *out)
{
  MtCursor cur = mt_cursor(raw);

  if (!scan_stamp(&cur, &stream->clock, &out->time))
    return FALSE;
  out->program = MT_SPAN("icdsoft");
  out->text = mt_cursor_rest(&cur);
  return TRUE;
}

static const MtFileFormat file_format = { sniff, head };

const MtDialect mt_dialect_icdsoft = {
  .name = "icdsoft",
  .claim = claim,
  .parse = parse,
  .rules = all_rules,
  .file = &file_format,
};
