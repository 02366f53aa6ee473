/* mailscanner.c: the lines of MailScanner 4.5 to 5.5
 *
 * Layer: dialects.  Concurrency: any thread; no state.
 *
 * The literals are those of lib/MailScanner/ of 5.4: Message.pm, MessageBatch.pm,
 * SweepViruses.pm, SweepContent.pm, Postfix.pm.
 *
 * Message IDs.  A message that lies in Postfix' hold queue is called QUEUEID.XXXXX, five
 * random hexadecimal digits behind: what is joined is the queue ID.
 *
 * Hostile text.  The ID comes first; a sender stands in round brackets behind the client's
 * address, and the verdict behind both.  A quoted local part is read as one; of what follows,
 * only one bracket may have " to " behind it, or nothing there is believed: queues hold
 * addresses without quotes, too.
 */
#include "dialects/dialect.h"

static void
set_filter(MtEvent *event, MtWord action)
{
  MT_EVENT_SET_LITERAL(event, MT_F_FILTER, "mailscanner");
  if (action != MT_WORD_NONE)
    mt_event_set_word(event, MT_F_ACTION, action);
}

/* "4A1B2C3D4E.A1B2C", "4A1B2C3D4E", sendmail's and Exim's IDs. */
static gboolean
scan_id(MtCursor *cur, MtSpan *out)
{
  MtSpan suffix;

  if (!mt_scan_queue_id(cur, out))
    return FALSE;
  if (mt_scan_char(cur, '.'))
    mt_scan_class(cur, MT_CHAR_HEX, &suffix);
  return TRUE;
}

static gboolean
read_id(MtCursor *cur, MtEvent *event)
{
  MtSpan id;

  if (!scan_id(cur, &id))
    return FALSE;
  mt_event_set_text(event, MT_F_QUEUE_ID, id);
  return TRUE;
}

/* ---- spam ------------------------------------------------------------------------ */

/* "SpamAssassin (not cached, score=12.3, required 5, autolearn=spam, BAYES_99 3.50, ...)" */
static void
read_report(MtCursor *cur, MtEvent *event)
{
  MtSpan skipped, tests;
  gdouble number;

  if (!MT_SCAN_UNTIL(cur, "SpamAssassin (", &skipped) || !MT_SCAN_UNTIL(cur, "score=", &skipped)
      || !mt_scan_real(cur, &number))
    return;
  mt_event_set_real(event, MT_F_SCORE, number);
  if (!MT_SCAN(cur, ", required ") || !mt_scan_real(cur, &number))
    return;
  mt_event_set_real(event, MT_F_REQUIRED, number);
  MT_SCAN(cur, ", ");
  if (MT_SCAN(cur, "autolearn="))
    {
      mt_scan_token(cur, ",", &skipped);
      MT_SCAN(cur, ", ");
    }
  if (mt_scan_token(cur, ")", &tests))
    {
      mt_event_set_text(event, MT_F_SYMBOLS, tests);
      mt_read_symbols(tests, event);
    }
}

static const struct
{
  MtSpan prefix;
  MtWord word;
} judgements[] = {
  { MT_SPAN_INIT("not spam"), MT_WORD_PASS },
  { MT_SPAN_INIT("spam"), MT_WORD_TAG },
  { MT_SPAN_INIT("whitelisted"), MT_WORD_PASS },
  { MT_SPAN_INIT("too big for spam checks"), MT_WORD_PASS },
};

/* Past a Quoted-string (RFC 5321 4.1.2) whose quote has been read; not at all, where no other
 * closes it. */
static void
skip_quoted(MtCursor *cur)
{
  for (const gchar *at = cur->at; at < cur->end; at++)
    if (*at == '\\')
      at++;
    else if (*at == '"')
      {
        cur->at = at + 1;
        return;
      }
}

/* "192.0.2.7 (ann@example.org) to example.com": the sender ends where the rest fits. */
static gboolean
scan_envelope(MtCursor *cur, MtEvent *event)
{
  MtSpan rest, ip, domain;
  const gchar *end;

  if (!mt_scan_until(cur, ' ', &ip) || !mt_scan_char(cur, '('))
    return FALSE;
  mt_event_set_ip(event, MT_F_CLIENT_IP, ip);
  rest = mt_cursor_rest(cur);
  if (mt_scan_char(cur, '"'))
    skip_quoted(cur);
  end = mt_span_find_only(mt_cursor_rest(cur), MT_SPAN(") to "));
  if (!end)
    return FALSE;
  mt_event_set_text(event, MT_F_SENDER, mt_span(rest.at, end - rest.at));
  cur->at = end + strlen(") to ");
  return MT_SCAN_UNTIL(cur, " is ", &domain);
}

/* "Message 4A1B2C3D4E.A1B2C from 192.0.2.7 (ann@example.org) to example.com is spam, ..." */
static MtParse
read_message(MtCursor *cur, MtEvent *event)
{
  MtSpan rest;

  if (!read_id(cur, event) || !MT_SCAN(cur, " from "))
    return MT_PARSE_SKIP;
  set_filter(event, MT_WORD_NONE);
  if (!scan_envelope(cur, event))
    return MT_PARSE_MATCH;
  rest = mt_cursor_rest(cur);
  for (guint i = 0; i < G_N_ELEMENTS(judgements); i++)
    if (mt_span_starts(rest, judgements[i].prefix))
      {
        mt_event_set_word(event, MT_F_ACTION, judgements[i].word);
        break;
      }
  read_report(cur, event);
  return MT_PARSE_MATCH;
}

/* What is done with it: "Spam Actions: message 4A1B2C3D4E.A1B2C actions are store,notify" */
static const struct
{
  MtSpan name;
  MtWord word;
} deeds[] = {
  { MT_SPAN_INIT("deliver"), MT_WORD_PASS }, /* wins: somebody gets it */
  { MT_SPAN_INIT("forward"), MT_WORD_REDIRECT }, { MT_SPAN_INIT("bounce"), MT_WORD_BLOCK },
  { MT_SPAN_INIT("store"), MT_WORD_QUARANTINE }, { MT_SPAN_INIT("delete"), MT_WORD_DISCARD },
};

static gboolean
has_deed(MtSpan actions, MtSpan deed)
{
  MtCursor cur = mt_cursor(actions);
  MtSpan action;

  while (mt_scan_token(&cur, ", ", &action))
    {
      if (mt_span_starts(action, deed) && (action.len == deed.len || action.at[deed.len] == '-'))
        return TRUE; /* "store", "store-nonspam", "store-/var/spam" */
      while (mt_scan_char(&cur, ',') || mt_scan_char(&cur, ' '))
        ;
    }
  return FALSE;
}

static MtParse
read_actions(MtCursor *cur, MtEvent *event)
{
  MtSpan actions;

  if (!read_id(cur, event) || !MT_SCAN(cur, " actions are "))
    return MT_PARSE_MALFORMED;
  set_filter(event, MT_WORD_NONE);
  actions = mt_cursor_rest(cur);
  for (guint i = 0; i < G_N_ELEMENTS(deeds); i++)
    if (has_deed(actions, deeds[i].name))
      {
        if (deeds[i].word != MT_WORD_PASS)
          mt_event_set_word(event, MT_F_ACTION, deeds[i].word);
        break;
      }
  return MT_PARSE_MATCH;
}

/* "Delivery of Spam: message 4A1B2C3D4E.A1B2C from ann@example.org to bob@example.com with
 * subject ...", logdelivery.  An address with a quote in it may hold the rest of the line. */
static MtParse
read_delivery(MtCursor *cur, MtEvent *event)
{
  MtSpan sender, recipient, others;

  if (!read_id(cur, event))
    return MT_PARSE_MALFORMED;
  set_filter(event, MT_WORD_NONE);
  if (!MT_SCAN(cur, " from ") || mt_cursor_peek(cur) == '"' || !mt_scan_token(cur, " ", &sender)
      || !MT_SCAN(cur, " to ") || mt_cursor_peek(cur) == '"'
      || !mt_scan_token(cur, " ,", &recipient))
    return MT_PARSE_MATCH;
  mt_event_set_text(event, MT_F_SENDER, sender);
  mt_event_set_text(event, MT_F_RECIPIENT, recipient);
  mt_scan_token(cur, " ", &others);
  if (MT_SCAN(cur, " with subject ") && cur->at < cur->end)
    mt_event_set_text(event, MT_F_SUBJECT, mt_cursor_rest(cur));
  return MT_PARSE_MATCH;
}

/* ---- viruses and content ----------------------------------------------------------- */

/* "Infected message 4A1B2C3D4E.A1B2C came from 192.0.2.7" */
static MtParse
read_infected(MtCursor *cur, MtEvent *event)
{
  MtSpan ip;

  if (!read_id(cur, event))
    return MT_PARSE_MALFORMED;
  set_filter(event, MT_WORD_BLOCK);
  if (MT_SCAN(cur, " came from ") && mt_scan_token(cur, " ", &ip))
    mt_event_set_ip(event, MT_F_CLIENT_IP, ip);
  return MT_PARSE_MATCH;
}

/* "Clamd::INFECTED:: Eicar-Test-Signature :: ./4A1B2C3D4E.A1B2C/eicar.com": the file's
 * name is last. */
static MtParse
read_found(MtCursor *cur, MtEvent *event)
{
  MtSpan virus;

  if (!mt_scan_token(cur, " ", &virus))
    return MT_PARSE_MALFORMED;
  MT_SCAN(cur, " FOUND");
  set_filter(event, MT_WORD_BLOCK);
  mt_event_set_text(event, MT_F_VIRUS, virus);
  if (MT_SCAN(cur, " :: ./"))
    read_id(cur, event);
  return MT_PARSE_MATCH;
}

/* "Saved entire message to /var/spool/MailScanner/quarantine/20261121/4A1B2C3D4E.A1B2C" */
static MtParse
read_saved(MtCursor *cur, MtEvent *event)
{
  MtSpan path = mt_cursor_rest(cur);
  const gchar *slash = path.len ? memrchr(path.at, '/', path.len) : NULL;
  MtCursor name = { slash ? slash + 1 : path.at, path.at + path.len };

  set_filter(event, MT_WORD_NONE);
  mt_event_set_text(event, MT_F_QUARANTINE, path);
  read_id(&name, event);
  return MT_PARSE_MATCH;
}

/* "Saved infected "eicar.com" to /var/spool/.../4A1B2C3D4E.A1B2C": the file's name is the
 * sender's. */
static MtParse
read_saved_part(MtCursor *cur, MtEvent *event)
{
  const gchar *at = mt_span_find_only(mt_cursor_rest(cur), MT_SPAN("\" to /"));

  if (!at)
    {
      set_filter(event, MT_WORD_NONE);
      return MT_PARSE_MATCH;
    }
  cur->at = at + strlen("\" to ");
  return read_saved(cur, event);
}

/* ---- on to the next queue ----------------------------------------------------------- */

/* "Requeue: 4A1B2C3D4E.A1B2C to 5B2C3D4E5F" */
static MtParse
read_requeue(MtCursor *cur, MtEvent *event)
{
  MtSpan next;

  if (!read_id(cur, event) || !MT_SCAN(cur, " to ") || !scan_id(cur, &next))
    return MT_PARSE_MALFORMED;
  mt_event_set_text(event, MT_F_NEXT_QUEUE_ID, next);
  return MT_PARSE_MATCH;
}

/* Of batches, not of a message; and what concerns one part of it. */
static const MtRule rules[] = {
  MT_RULE("Message ", VERDICT, NULL, read_message),
  MT_RULE("Requeue: ", REQUEUE, NULL, read_requeue),
  MT_RULE("Spam Actions: message ", VERDICT, NULL, read_actions),
  MT_RULE("Delivery of Spam: message ", VERDICT, NULL, read_delivery),
  MT_RULE("Delivery of Nonspam: message ", VERDICT, NULL, read_delivery),
  MT_RULE("Non-delivery of Spam: message ", VERDICT, NULL, read_delivery),
  MT_RULE("Non-delivery of Nonspam: message ", VERDICT, NULL, read_delivery),
  MT_RULE("Infected message ", VERDICT, NULL, read_infected),
  MT_RULE("Clamd::INFECTED:: ", VERDICT, NULL, read_found),
  MT_RULE("ClamAVModule::INFECTED:: ", VERDICT, NULL, read_found),
  MT_RULE("Saved entire message to ", VERDICT, NULL, read_saved),
  MT_RULE("Saved infected \"", VERDICT, NULL, read_saved_part),
  MT_RULE("", NOTICE, NULL, mt_take_line),
  MT_RULES_END,
};

static const MtProgram programs[] = {
  MT_PROGRAM("MailScanner", NULL),
  MT_PROGRAM("mailscanner", NULL),
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

const MtDialect mt_dialect_mailscanner = {
  .name = "mailscanner",
  .claim = claim,
  .parse = parse,
  .rules = all_rules,
};
