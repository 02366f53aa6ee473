/* opendmarc.c: the lines of OpenDMARC 1.0 to 1.4
 *
 * Layer: dialects.  Concurrency: any thread; no state.
 *
 * The literals are those of opendmarc/opendmarc.c of 1.3.2 and 1.4.2.
 *
 * Hostile text.  The domain of From: is the sender's; it is one word, and the result the
 * last on its line.
 */
#include "dialects/dialect.h"

/* "SPF(mailfrom): example.org pass": its own check of SPF, SPFSelfValidate. */
static MtParse
read_spf(MtCursor *cur, MtEvent *event)
{
  MtSpan domain, result;

  if (!mt_scan_token(cur, " ", &domain) || !mt_scan_char(cur, ' ') || !mt_scan_result(cur, &result)
      || cur->at != cur->end)
    return MT_PARSE_SKIP;
  MT_EVENT_SET_LITERAL(event, MT_F_FILTER, "opendmarc");
  mt_event_set_text(event, MT_F_SPF, result);
  return MT_PARSE_MATCH;
}

/* "example.org pass"; else a line for the operator. */
static MtParse
read_dmarc(MtCursor *cur, MtEvent *event)
{
  const gchar *start = cur->at;
  MtSpan domain, result;

  if (!mt_scan_token(cur, " ", &domain) || !mt_scan_char(cur, ' ') || !mt_scan_result(cur, &result)
      || cur->at != cur->end)
    {
      cur->at = start;
      return mt_take_line(cur, event);
    }
  event->kind = MT_EVENT_VERDICT;
  MT_EVENT_SET_LITERAL(event, MT_F_FILTER, "opendmarc");
  mt_event_set_text(event, MT_F_DMARC, result);
  return MT_PARSE_MATCH;
}

static MtParse
read_rejected(MtCursor *cur, MtEvent *event)
{
  mt_take_line(cur, event);
  MT_EVENT_SET_LITERAL(event, MT_F_FILTER, "opendmarc");
  mt_event_set_word(event, MT_F_ACTION, MT_WORD_REJECT);
  return MT_PARSE_MATCH;
}

static MtParse
read_quarantined(MtCursor *cur, MtEvent *event)
{
  read_rejected(cur, event);
  mt_event_set_word(event, MT_F_ACTION, MT_WORD_QUARANTINE);
  return MT_PARSE_MATCH;
}

static const MtRule with_id[] = {
  MT_RULE("SPF(mailfrom): ", VERDICT, NULL, read_spf),
  MT_RULE("SPF(helo): ", VERDICT, NULL, read_spf),
  MT_RULE("rejected by DMARC policy for ", VERDICT, NULL, read_rejected),
  MT_RULE("quarantined by DMARC policy for ", VERDICT, NULL, read_quarantined),
  MT_RULE("ignoring Authentication-Results at ", NOTICE, NULL, mt_take_line),
  MT_RULE("", NOTICE, NULL, read_dmarc),
  MT_RULES_END,
};

static const MtRule plain[] = {
  MT_RULE("", NOTICE, NULL, mt_take_line),
  MT_RULES_END,
};

static const MtProgram programs[] = {
  MT_PROGRAM("opendmarc", NULL),
  MT_PROGRAMS_END,
};

static void
claim(MtSpan program, MtClaim *claim)
{
  mt_claim_program(programs, program, claim);
}

/* "4A1B2C3D4E: example.org pass", "4A1B2C3D4E ignoring Authentication-Results ..." */
static MtParse
parse(const MtLine *line, const MtClaim *claim, MtEvent *event)
{
  MtCursor cur = mt_cursor(line->text);
  MtSpan id;

  if (!mt_scan_queue_id(&cur, &id)
      || (!MT_SCAN(&cur, ": ")
          && !MT_SPAN_STARTS(mt_cursor_rest(&cur), " ignoring Authentication-Results")))
    return mt_rules_apply(plain, line->text, event);
  mt_scan_char(&cur, ' ');
  mt_event_set_text(event, MT_F_QUEUE_ID, id);
  return mt_rules_apply(with_id, mt_cursor_rest(&cur), event);
}

static const MtRule *const all_rules[] = { with_id, plain, NULL };

const MtDialect mt_dialect_opendmarc = {
  .name = "opendmarc",
  .claim = claim,
  .parse = parse,
  .rules = all_rules,
};
