/* clamav.c: the lines of ClamAV 0.95 to 1.4: clamd, clamav-milter, freshclam
 *
 * Layer: dialects.  Concurrency: any thread; no state.
 *
 * The literals are those of clamd/scanner.c, clamd/session.c and clamav-milter/
 * clamfi.c of 0.103 and 1.0.
 *
 * Hostile text.  clamav-milter turns quotes and controls in headers into spaces, so a
 * quote ends them; the envelope before them is read as addresses are.  Names of files
 * that clamd scans may be strangers': the signature is the word before the last.
 */
#include "dialects/dialect.h"

/* ---- clamd --------------------------------------------------------------------- */

/* "instream(127.0.0.1@41234): Eicar-Test-Signature FOUND"; with ExtendedDetectionInfo
 * "Eicar-Test-Signature(44d88612fea8a8f36de82e1278abb02f:68) FOUND".  The line is told by
 * its end: whatever a file is called, clamd writes the rest. */
static gboolean
scan_found(MtSpan text, MtEvent *event)
{
  const gchar *colon;
  MtCursor cur;
  MtSpan virus;

  if (!MT_SPAN_ENDS(text, " FOUND"))
    return FALSE;
  text.len -= strlen(" FOUND");
  colon = mt_span_find_last(text, MT_SPAN(": "));
  if (!colon)
    return FALSE;
  cur = (MtCursor){ colon + 2, text.at + text.len };
  if (!mt_scan_token(&cur, " (", &virus))
    return FALSE;
  mt_event_set_text(event, MT_F_VIRUS, virus);
  return TRUE;
}

/* What clamd writes begins with names of files: a verdict or not, the end says. */
static MtParse
read_clamd(MtCursor *cur, MtEvent *event)
{
  if (!scan_found(mt_cursor_rest(cur), event))
    return mt_take_line(cur, event);
  event->kind = MT_EVENT_VERDICT;
  MT_EVENT_SET_LITERAL(event, MT_F_FILTER, "clamav");
  return MT_PARSE_MATCH;
}

/* ---- clamav-milter ---------------------------------------------------------------- */

/* "4A1B2C3D4E from <a> to <b> with subject 'x' message-id '<1@example.org>' date 'y'";
 * short form: "from <a> to <b>". */
static gboolean
scan_envelope(MtCursor *cur, MtEvent *event)
{
  MtSpan id, sender, recipient;
  MtCursor try = *cur;

  if (!MT_SCAN(&try, "from "))
    {
      if (mt_scan_queue_id(&try, &id))
        mt_event_set_text(event, MT_F_QUEUE_ID, id);
      else if (!mt_scan_word(&try, &id)) /* UNKNOWN */
        return FALSE;
      if (!MT_SCAN(&try, " from "))
        return FALSE;
    }
  /* the macro {mail_addr} may have brackets of its own: "<<a>>" */
  if (!mt_scan_angle(&try, &sender) || !MT_SCAN(&try, " to ") || !mt_scan_angle(&try, &recipient))
    return FALSE;
  mt_event_set_text(event, MT_F_SENDER, sender);
  mt_event_set_text(event, MT_F_RECIPIENT, recipient);
  *cur = try;
  return TRUE;
}

static gboolean
scan_quoted(MtCursor *cur, MtSpan *out)
{
  return mt_scan_char(cur, '\'') && mt_scan_until(cur, '\'', out);
}

static gboolean
scan_headers(MtCursor *cur, MtEvent *event)
{
  MtSpan subject, id, date;

  if (!MT_SCAN(cur, " with subject ") || !scan_quoted(cur, &subject)
      || !MT_SCAN(cur, " message-id ") || !scan_quoted(cur, &id) || !MT_SCAN(cur, " date ")
      || !scan_quoted(cur, &date))
    return FALSE;
  if (subject.len && !MT_SPAN_IS(subject, "N/A"))
    mt_event_set_text(event, MT_F_SUBJECT, subject);
  if (MT_SPAN_STARTS(id, "<"))
    mt_event_set_text(event, MT_F_MESSAGE_ID, id);
  return TRUE;
}

/* "... infected by Eicar-Test-Signature": what is done then, OnInfected says, and does
 * not log. */
static MtParse
read_infected(MtCursor *cur, MtEvent *event)
{
  MT_EVENT_SET_LITERAL(event, MT_F_FILTER, "clamav");
  if (!scan_envelope(cur, event))
    return MT_PARSE_MALFORMED;
  scan_headers(cur, event);
  if (!MT_SCAN(cur, " infected by ") || cur->at == cur->end)
    return MT_PARSE_MALFORMED;
  mt_event_set_word(event, MT_F_ACTION, MT_WORD_BLOCK);
  mt_event_set_text(event, MT_F_VIRUS, mt_cursor_rest(cur));
  return MT_PARSE_MATCH;
}

static MtParse
read_clean(MtCursor *cur, MtEvent *event)
{
  MT_EVENT_SET_LITERAL(event, MT_F_FILTER, "clamav");
  if (!scan_envelope(cur, event))
    return MT_PARSE_MALFORMED;
  scan_headers(cur, event);
  mt_event_set_word(event, MT_F_ACTION, MT_WORD_PASS);
  return MT_PARSE_MATCH;
}

/* ---- the tables -------------------------------------------------------------------- */

static const MtRule clamd_rules[] = {
  MT_RULE("", NOTICE, NULL, read_clamd),
  MT_RULES_END,
};

static const MtRule milter_rules[] = {
  MT_RULE("Clean message ", VERDICT, NULL, read_clean),
  MT_RULE("Message ", VERDICT, NULL, read_infected),
  MT_RULE("", NOTICE, NULL, mt_take_line),
  MT_RULES_END,
};

/* freshclam: about signatures, not about mail. */
static const MtRule freshclam_rules[] = {
  MT_RULE("", NOTICE, NULL, mt_take_line),
  MT_RULES_END,
};

static const MtProgram programs[] = {
  MT_PROGRAM("clamd", clamd_rules),
  MT_PROGRAM("clamav-milter", milter_rules),
  MT_PROGRAM("freshclam", freshclam_rules),
  MT_PROGRAMS_END,
};

static void
claim(MtSpan program, MtClaim *claim)
{
  mt_claim_program(programs, program, claim);
}

static MtParse
parse(const MtLine *line, const MtClaim *claim, MtEvent *event)
{
  return mt_rules_apply(claim->daemon, line->text, event);
}

/* ---- their own files, LogTime yes: "Sat Nov 21 05:45:01 2026 -> ..." ------------------------ */

static gboolean
head(MtSpan raw, MtStream *stream, MtLine *out)
{
  MtCursor cur = mt_cursor(raw);

  if (!mt_scan_stamp_ctime(&cur, &stream->clock, &out->time) || !MT_SCAN(&cur, " -> "))
    return FALSE;
  out->text = mt_cursor_rest(&cur);
  /* names of files, which clamd's lines begin with, begin with a slash */
  out->program =
      MT_SPAN_STARTS(out->text, "Message ") || MT_SPAN_STARTS(out->text, "Clean message ")
          ? MT_SPAN("clamav-milter")
          : MT_SPAN("clamd");
  return TRUE;
}

static gint
sniff(MtSpan raw)
{
  MtCursor cur = mt_cursor(raw);
  MtClock clock;
  MtTime time;

  mt_clock_init(&clock, NULL, 0, 0);
  return mt_scan_stamp_ctime(&cur, &clock, &time) && MT_SCAN(&cur, " -> ") ? 100 : 0;
}

static const MtFileFormat file_format = { sniff, head };

static const MtRule *const all_rules[] = { clamd_rules, milter_rules, freshclam_rules, NULL };

const MtDialect mt_dialect_clamav = {
  .name = "clamav",
  .claim = claim,
  .parse = parse,
  .rules = all_rules,
  .file = &file_format,
};
