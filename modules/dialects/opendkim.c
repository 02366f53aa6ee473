/* opendkim.c: the lines of OpenDKIM 2.0 to 2.11
 *
 * Layer: dialects.  Concurrency: any thread; no state.
 *
 * The literals are those of opendkim/opendkim.c of 2.11.0, nearly all behind the queue ID.
 *
 * Hostile text.  Domains and selectors of signatures and the domain of From: are the
 * sender's; the queue ID and what happened stand in front of them.
 */
#include "dialects/dialect.h"

static MtParse
read_verdict(MtCursor *cur, MtEvent *event, MtSpan result)
{
  MT_EVENT_SET_LITERAL(event, MT_F_FILTER, "opendkim");
  mt_event_set_text(event, MT_F_DKIM, result);
  return MT_PARSE_MATCH;
}

static MtParse
read_pass(MtCursor *cur, MtEvent *event)
{
  return read_verdict(cur, event, MT_SPAN("pass"));
}

static MtParse
read_none(MtCursor *cur, MtEvent *event)
{
  return read_verdict(cur, event, MT_SPAN("none"));
}

static MtParse
read_fail(MtCursor *cur, MtEvent *event)
{
  mt_take_line(cur, event);
  return read_verdict(cur, event, MT_SPAN("fail"));
}

static MtParse
read_signed(MtCursor *cur, MtEvent *event)
{
  return read_verdict(cur, event, MT_SPAN("signed"));
}

/* "(s=mail, d=example.org): '...' record not found": for good; else for now. */
static MtParse
read_key_failure(MtCursor *cur, MtEvent *event)
{
  gboolean gone = MT_SPAN_ENDS(mt_cursor_rest(cur), " record not found");

  mt_take_line(cur, event);
  return read_verdict(cur, event, gone ? MT_SPAN("permerror") : MT_SPAN("temperror"));
}

/* "external host mail.example.org attempted to send as example.com" */
static MtParse
read_external(MtCursor *cur, MtEvent *event)
{
  MtCursor try = *cur;
  MtSpan name;

  if (mt_scan_token(&try, " ", &name))
    mt_event_set_text(event, MT_F_CLIENT_NAME, name);
  return mt_take_line(cur, event);
}

/* "mail.example.org [192.0.2.7] not internal": a name holds no space. */
static MtParse
read_other(MtCursor *cur, MtEvent *event)
{
  MtCursor try = *cur;
  MtSpan name, ip;

  if (mt_scan_token(&try, " ", &name) && MT_SCAN(&try, " [") && mt_scan_until(&try, ']', &ip)
      && MT_SCAN(&try, " not internal"))
    {
      mt_event_set_text(event, MT_F_CLIENT_NAME, name);
      mt_event_set_ip(event, MT_F_CLIENT_IP, ip);
      MT_EVENT_SET_LITERAL(event, MT_F_REASON, "not internal");
      return MT_PARSE_MATCH;
    }
  return mt_take_line(cur, event);
}

/* What only explains the verdict beside it ("s=mail d=example.org SSL error:...") or says
 * why there was nothing to do ("not authenticated") is a notice. */
static const MtRule with_id[] = {
  MT_RULE("DKIM verification successful", VERDICT, NULL, read_pass),
  MT_RULE("bad signature data", VERDICT, NULL, read_fail),
  MT_RULE("no signature data", VERDICT, NULL, read_none),
  MT_RULE("no signature", VERDICT, NULL, read_none),
  MT_RULE("DKIM-Signature field added", VERDICT, NULL, read_signed),
  MT_RULE("DKIM-Signature header added", VERDICT, NULL, read_signed),
  MT_RULE("key retrieval failed ", VERDICT, NULL, read_key_failure),
  MT_RULE("external host ", NOTICE, NULL, read_external),
  MT_RULE("", NOTICE, NULL, read_other),
  MT_RULES_END,
};

static const MtRule plain[] = {
  MT_RULE("", NOTICE, NULL, mt_take_line),
  MT_RULES_END,
};

static const MtProgram programs[] = {
  MT_PROGRAM("opendkim", NULL),
  MT_PROGRAMS_END,
};

static void
claim(MtSpan program, MtClaim *claim)
{
  mt_claim_program(programs, program, claim);
}

/* "4A1B2C3D4E: "; before the envelope is known "(unknown-jobid) ". */
static MtParse
parse(const MtLine *line, const MtClaim *claim, MtEvent *event)
{
  MtCursor cur = mt_cursor(line->text);
  MtSpan id;

  if (mt_scan_queue_id(&cur, &id) && MT_SCAN(&cur, ": "))
    mt_event_set_text(event, MT_F_QUEUE_ID, id);
  else
    {
      cur = mt_cursor(line->text);
      if (!MT_SCAN(&cur, "(unknown-jobid) ") && !MT_SCAN(&cur, "(unknown-jobid): "))
        return mt_rules_apply(plain, line->text, event);
    }
  return mt_rules_apply(with_id, mt_cursor_rest(&cur), event);
}

static const MtRule *const all_rules[] = { with_id, plain, NULL };

const MtDialect mt_dialect_opendkim = {
  .name = "opendkim",
  .claim = claim,
  .parse = parse,
  .rules = all_rules,
};
