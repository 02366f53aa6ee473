/* mimedefang.c: the lines of MIMEDefang 2.6 to 3.5
 *
 * Layer: dialects.  Concurrency: any thread; no state.
 *
 * The literals are those of mimedefang.c, mimedefang-multiplexor.c and modules/lib/
 * Mail/MIMEDefang/ (Utils.pm, md_graphdefang_log(); MIMEDefang.pm) of 2.84 and 3.4.
 *
 * Hostile text.  md_graphdefang_log() writes '%', ',' and controls as %XX, so a comma ends
 * an item; the filter's own texts stand behind the queue ID.
 */
#include "dialects/dialect.h"

static void
set_filter(MtEvent *event, MtWord action)
{
  MT_EVENT_SET_LITERAL(event, MT_F_FILTER, "mimedefang");
  if (action != MT_WORD_NONE)
    mt_event_set_word(event, MT_F_ACTION, action);
}

static gboolean
scan_item(MtCursor *cur, MtSpan *out)
{
  const gchar *comma = cur->at < cur->end ? memchr(cur->at, ',', cur->end - cur->at) : NULL;
  const gchar *end = comma ? comma : cur->end;

  *out = mt_span(cur->at, end - cur->at);
  cur->at = comma ? end + 1 : end;
  return TRUE;
}

/* The names of events are the filter's own; these are what the examples use. */
static const MtWordOf events[] = {
  { MT_SPAN_INIT("virus"), MT_WORD_BLOCK },
  { MT_SPAN_INIT("spam"), MT_WORD_TAG },
  { MT_SPAN_INIT("bad_filename"), MT_WORD_BLOCK },
  { MT_SPAN_INIT("suspicious_chars"), MT_WORD_BLOCK },
  { MT_SPAN_INIT("mail_in"), MT_WORD_PASS },
  { MT_SPAN_INIT("mail_out"), MT_WORD_PASS },
  { MT_SPAN_INIT("mail"), MT_WORD_PASS },
  { MT_SPAN_INIT("reject"), MT_WORD_REJECT },
  { MT_SPAN_INIT("greylist"), MT_WORD_GREYLIST },
  { MT_SPAN_INIT("quarantine"), MT_WORD_QUARANTINE },
  { MT_SPAN_INIT("discard"), MT_WORD_DISCARD },
};

/* "spam" has its score as the value, "virus" its name. */
static void
read_value(MtSpan name, MtSpan value, MtEvent *event)
{
  MtCursor cur = mt_cursor(value);
  gdouble score;

  if (MT_SPAN_IS(name, "virus") && value.len)
    mt_event_set_text(event, MT_F_VIRUS, value);
  else if (MT_SPAN_IS(name, "spam") && mt_scan_real(&cur, &score))
    mt_event_set_real(event, MT_F_SCORE, score);
  else if (value.len)
    mt_event_set_text(event, MT_F_REASON, value);
}

/* Sender and recipient as smtp has them, in brackets or not. */
static void
set_address(MtEvent *event, MtField field, MtSpan text)
{
  MtCursor cur = mt_cursor(text);
  MtSpan address;

  if (mt_scan_angle(&cur, &address))
    mt_event_set_text(event, field, address);
  else if (text.len && !MT_SPAN_STARTS(text, "rcpts="))
    mt_event_set_text(event, field, text);
}

/* "MDLOG,4A1B2C3D4E,spam,12.3,192.0.2.7,<ann@example.org>,<bob@example.com>,Subject" */
static MtParse
read_mdlog(MtCursor *cur, MtEvent *event)
{
  MtSpan id, name, value, value2, sender, recipient;
  MtCursor id_cur;
  MtSpan queue_id;

  scan_item(cur, &id);
  scan_item(cur, &name);
  if (!name.len)
    return MT_PARSE_MALFORMED;
  scan_item(cur, &value);
  scan_item(cur, &value2);
  scan_item(cur, &sender);
  scan_item(cur, &recipient);
  id_cur = mt_cursor(id);
  if (mt_scan_queue_id(&id_cur, &queue_id) && id_cur.at == id_cur.end)
    mt_event_set_text(event, MT_F_QUEUE_ID, queue_id);
  set_filter(event, mt_word_of(events, G_N_ELEMENTS(events), name));
  read_value(name, value, event);
  set_address(event, MT_F_SENDER, sender);
  set_address(event, MT_F_RECIPIENT, recipient);
  if (cur->at < cur->end)
    mt_event_set_text(event, MT_F_SUBJECT, mt_cursor_rest(cur));
  return MT_PARSE_MATCH;
}

/* What the filter asked for; the strongest of it first. */
static const MtWordOf asked[] = {
  { MT_SPAN_INIT("bounce=1"), MT_WORD_REJECT },
  { MT_SPAN_INIT("tempfail=1"), MT_WORD_TEMPFAIL },
  { MT_SPAN_INIT("quarantine_entire_message=1"), MT_WORD_QUARANTINE },
  { MT_SPAN_INIT("discard=1"), MT_WORD_DISCARD },
};

/* "filter: 4A1B2C3D4E:  quarantine=1 discard=1" (MIMEDefang.pm, end of the filter) */
static MtParse
read_filter(MtCursor *cur, MtEvent *event)
{
  guint best = G_N_ELEMENTS(asked);
  MtSpan id, action;

  if (mt_scan_queue_id(cur, &id))
    mt_event_set_text(event, MT_F_QUEUE_ID, id);
  if (!mt_scan_char(cur, ':'))
    return MT_PARSE_MALFORMED;
  mt_event_set_text(event, MT_F_REASON, mt_span_trim(mt_cursor_rest(cur)));
  for (;;)
    {
      while (mt_scan_char(cur, ' '))
        ;
      if (!mt_scan_token(cur, " ", &action))
        break;
      for (guint i = 0; i < best; i++)
        if (mt_span_equal(action, asked[i].text))
          best = i;
    }
  set_filter(event, best < G_N_ELEMENTS(asked) ? asked[best].word : MT_WORD_NONE);
  return MT_PARSE_MATCH;
}

/* mimedefang.c, eom(): what the milter then does. */
static const struct
{
  MtSpan prefix;
  MtWord word;
} instructed[] = {
  { MT_SPAN_INIT("Bouncing because filter instructed us to"), MT_WORD_REJECT },
  { MT_SPAN_INIT("Tempfailing because filter instructed us to"), MT_WORD_TEMPFAIL },
  { MT_SPAN_INIT("Discarding because filter instructed us to"), MT_WORD_DISCARD },
};

/* "4A1B2C3D4E: Discarding because filter instructed us to"; else for the operator. */
static MtParse
read_other(MtCursor *cur, MtEvent *event)
{
  MtCursor try = *cur;
  MtSpan id, rest;

  if (!mt_scan_queue_id(&try, &id) || !MT_SCAN(&try, ": "))
    return mt_take_line(cur, event);
  mt_event_set_text(event, MT_F_QUEUE_ID, id);
  rest = mt_cursor_rest(&try);
  for (guint i = 0; i < G_N_ELEMENTS(instructed); i++)
    if (mt_span_starts(rest, instructed[i].prefix))
      {
        event->kind = MT_EVENT_VERDICT;
        set_filter(event, instructed[i].word);
      }
  return mt_take_reason(&try, event);
}

static const MtRule rules[] = {
  MT_RULE("MDLOG,", VERDICT, NULL, read_mdlog),
  MT_RULE("filter: ", VERDICT, NULL, read_filter),
  MT_RULE("", NOTICE, NULL, read_other),
  MT_RULES_END,
};

static const MtProgram programs[] = {
  MT_PROGRAM("mimedefang", NULL),
  MT_PROGRAM("mimedefang.pl", NULL),
  MT_PROGRAM("mimedefang-multiplexor", NULL),
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
  return mt_rules_apply(rules, line->text, event);
}

static const MtRule *const all_rules[] = { rules, NULL };

const MtDialect mt_dialect_mimedefang = {
  .name = "mimedefang",
  .claim = claim,
  .parse = parse,
  .rules = all_rules,
};
