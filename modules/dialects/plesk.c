/* plesk.c: what Plesk 9 to 18 (Obsidian) puts around the mail server
 *
 * Layer: dialects.  Concurrency: any thread; no state.
 *
 * plesk_saslauthd checks passwords for Postfix, whose own line has the client's address.
 * The mail handlers (psa-pc-remote of Postfix, qmail-queue-handlers of qmail, "plesk
 * sendmail") run filters in front of the queue and say what each decided.  The literals
 * are those of its maillog; the sources are not public.  User names are the client's:
 * the server's own words behind them count, last.
 */
#include "dialects/dialect.h"

/* ---- pieces -------------------------------------------------------------------- */

static MtParse
take_whole(MtCursor *cur, MtEvent *event)
{
  gsize prefix = ((const MtRule *) event->rule)->prefix.len;

  mt_event_set_text(event, MT_F_REASON, mt_span(cur->at - prefix, cur->end - cur->at + prefix));
  return MT_PARSE_MATCH;
}

/* ---- plesk_saslauthd --------------------------------------------------------------- */

/* Up to the last place where the server goes on. */
static MtParse
read_failure(MtCursor *cur, MtEvent *event, MtSpan behind, MtSpan reason)
{
  MtSpan rest = mt_cursor_rest(cur);
  const gchar *end = mt_span_find_last(rest, behind);

  if (!end)
    return MT_PARSE_MALFORMED;
  mt_event_set_text(event, MT_F_ACCOUNT, mt_span(rest.at, end - rest.at));
  mt_event_set_text(event, MT_F_REASON, reason);
  return MT_PARSE_MATCH;
}

/* The password's length is as good as half of a short one: it stops here. */
static MtParse
read_attempt(MtCursor *cur, MtEvent *event)
{
  return read_failure(cur, event, MT_SPAN("' (password len="), MT_SPAN("auth-failed"));
}

/* It says why; that somebody tried is the next line's to say. */
static MtParse
read_no_user(MtCursor *cur, MtEvent *event)
{
  mt_event_set_number(event, MT_F_ATTEMPTS, 0);
  return read_failure(cur, event, MT_SPAN("' in mail authorization database"),
                      MT_SPAN("unknown-user"));
}

static const MtRule sasl_rules[] = {
  MT_RULE("failed mail authentication attempt for user '", LOGIN_FAILED, NULL, read_attempt),
  MT_RULE("No such user '", LOGIN_FAILED, NULL, read_no_user),
  MT_RULE("listen=", NOTICE, NULL, take_whole),
  MT_RULE("privileges set to ", NOTICE, NULL, take_whole),
  MT_RULE("select timeout", NOTICE, NULL, take_whole),
  MT_RULE("Error: ", NOTICE, NULL, take_whole),
  MT_RULES_END,
};

/* ---- the mail handlers ----------------------------------------------------------------- */

typedef struct
{
  MtSpan word;
  MtWord action;
} Decision;

static const Decision decisions[] = {
  { MT_SPAN_INIT("PASS"), MT_WORD_PASS },      { MT_SPAN_INIT("ACCEPT"), MT_WORD_PASS },
  { MT_SPAN_INIT("SKIP"), MT_WORD_NONE },      { MT_SPAN_INIT("REJECT"), MT_WORD_REJECT },
  { MT_SPAN_INIT("DEFER"), MT_WORD_TEMPFAIL }, { MT_SPAN_INIT("DISCARD"), MT_WORD_DISCARD },
};

static const Decision *
find_decision(MtSpan word)
{
  for (guint i = 0; i < G_N_ELEMENTS(decisions); i++)
    if (mt_span_equal(decisions[i].word, word))
      return &decisions[i];
  return NULL;
}

static gboolean
is_limit(MtSpan filter)
{
  return MT_SPAN_IS(filter, "limit-out") || MT_SPAN_IS(filter, "py-limit-out");
}

/* What a filter decided.  Refused over the outgoing limit: Postfix' own line, a milter's
 * refusal, is the refusal; this is what the operator looks for. */
static MtParse
set_decision(MtEvent *event, MtSpan filter, const Decision *decision)
{
  event->kind = decision->action ? MT_EVENT_VERDICT : MT_EVENT_NOTICE;
  mt_event_set_text(event, MT_F_FILTER, filter);
  if (decision->action)
    mt_event_set_word(event, MT_F_ACTION, decision->action);
  else
    mt_event_set_text(event, MT_F_REASON, decision->word);
  if (!is_limit(filter)
      || (decision->action != MT_WORD_REJECT && decision->action != MT_WORD_TEMPFAIL))
    return MT_PARSE_MATCH;
  event->kind = MT_EVENT_LIMIT;
  MT_EVENT_SET_LITERAL(event, MT_F_REASON, "outgoing limit");
  return MT_PARSE_MATCH;
}

/* "PASS during call 'limit-out' handler" */
static MtParse
read_call(MtCursor *cur, MtEvent *event)
{
  MtSpan word = ((const MtRule *) event->rule)->prefix, filter;

  if (!MT_SCAN(cur, " during call '") || !MT_SCAN_UNTIL(cur, "' handler", &filter))
    return MT_PARSE_SKIP;
  return set_decision(event, filter, find_decision(word));
}

/* "list type: black, from: mail.example.org, match string: dsl|pool" */
static MtParse
read_greylist(MtCursor *cur, MtEvent *event)
{
  MtSpan skipped, name;

  if (MT_SCAN_UNTIL(cur, ", from: ", &skipped) && mt_scan_token(cur, ",", &name))
    mt_event_set_text(event, MT_F_CLIENT_NAME, name);
  MT_EVENT_SET_LITERAL(event, MT_F_REASON, "greylisting");
  return MT_PARSE_MATCH;
}

static MtParse
read_sender(MtCursor *cur, MtEvent *event)
{
  mt_event_set_text(event, MT_F_SENDER, mt_cursor_rest(cur));
  return MT_PARSE_MATCH;
}

static MtParse
read_recipient(MtCursor *cur, MtEvent *event)
{
  mt_event_set_text(event, MT_F_RECIPIENT, mt_cursor_rest(cur));
  return MT_PARSE_MATCH;
}

/* "SPF status: PASS" */
static MtParse
read_spf(MtCursor *cur, MtEvent *event)
{
  static const MtSpan results[] = { MT_SPAN_INIT("pass"),     MT_SPAN_INIT("fail"),
                                    MT_SPAN_INIT("softfail"), MT_SPAN_INIT("neutral"),
                                    MT_SPAN_INIT("none"),     MT_SPAN_INIT("temperror"),
                                    MT_SPAN_INIT("permerror") };
  MtSpan word;

  mt_scan_char(cur, ':');
  mt_scan_char(cur, ' ');
  if (!mt_scan_token(cur, " ,", &word))
    return MT_PARSE_SKIP;
  MT_EVENT_SET_LITERAL(event, MT_F_FILTER, "spf");
  for (guint i = 0; i < G_N_ELEMENTS(results); i++)
    if (mt_span_equal_nocase(results[i], word))
      mt_event_set_text(event, MT_F_SPF, results[i]);
  return mt_event_has(event, MT_F_SPF) ? MT_PARSE_MATCH : MT_PARSE_SKIP;
}

static const MtRule handler_rules[] = {
  MT_RULE("PASS", VERDICT, NULL, read_call),
  MT_RULE("SKIP", VERDICT, NULL, read_call),
  MT_RULE("REJECT", VERDICT, NULL, read_call),
  MT_RULE("DEFER", VERDICT, NULL, read_call),
  MT_RULE("DISCARD", VERDICT, NULL, read_call),
  MT_RULE("ACCEPT", VERDICT, NULL, read_call),
  MT_RULE("SPF status", VERDICT, NULL, read_spf),
  MT_RULE("SPF result", VERDICT, NULL, read_spf),
  MT_RULE("from=", NOTICE, NULL, read_sender),
  MT_RULE("to=", NOTICE, NULL, read_recipient),
  MT_RULE("list type: ", NOTICE, NULL, read_greylist),
  MT_RULE("handlers_stderr", NOTICE, NULL, NULL), /* the filter's line says it */
  MT_RULE("Starting ", NOTICE, NULL, NULL),
  MT_RULE("Handlers Filter ", NOTICE, NULL, NULL),
  MT_RULE("hook_dir = ", NOTICE, NULL, NULL),
  MT_RULE("recipient[", NOTICE, NULL, NULL),
  MT_RULE("handlers dir = ", NOTICE, NULL, NULL),
  MT_RULE("call_handlers: ", NOTICE, NULL, NULL),
  MT_RULE("starter: ", NOTICE, NULL, NULL),
  MT_RULE("mailbox: ", NOTICE, NULL, NULL),
  MT_RULE("cmd_name = ", NOTICE, NULL, NULL),
  MT_RULE("_mh_fork() ", NOTICE, NULL, take_whole),
  MT_RULE("Error ", NOTICE, NULL, take_whole),
  MT_RULE("Failed ", NOTICE, NULL, take_whole),
  MT_RULE("Unable to ", NOTICE, NULL, take_whole),
  MT_RULE("DK_STAT", NOTICE, NULL, take_whole),
  MT_RULE("possibly qmail-smtpd exited by timeout", NOTICE, NULL, take_whole),
  MT_RULE("dwlib", NOTICE, NULL, take_whole), /* Dr.Web */
  MT_RULES_END,
};

/* "from=<S> to=<R>", all of the line.  Where an address looks like more of it, neither counts. */
static MtParse
read_envelope(MtCursor *cur, MtEvent *event)
{
  MtSpan sender, recipient;

  if (mt_scan_angle(cur, &sender) && MT_SCAN(cur, " to=") && mt_scan_angle(cur, &recipient)
      && cur->at == cur->end)
    {
      mt_event_set_text(event, MT_F_SENDER, sender);
      mt_event_set_text(event, MT_F_RECIPIENT, recipient);
    }
  return MT_PARSE_MATCH;
}

/* "py-limit-out: stderr: SKIP": a filter's name and what it wrote. */
static MtParse
read_stderr(MtCursor *cur, MtEvent *event)
{
  const Decision *decision;
  MtSpan filter;

  if (!mt_scan_class(cur, MT_CHAR_KEY, &filter) || !MT_SCAN(cur, ": stderr: "))
    return MT_PARSE_SKIP;
  decision = find_decision(mt_span_trim(mt_cursor_rest(cur)));
  if (decision)
    return set_decision(event, filter, decision);
  mt_event_set_text(event, MT_F_FILTER, filter);
  if (MT_SCAN(cur, "SPF status") || MT_SCAN(cur, "SPF result"))
    {
      event->kind = MT_EVENT_VERDICT;
      return read_spf(cur, event);
    }
  mt_event_set_text(event, MT_F_REASON, mt_cursor_rest(cur));
  return MT_PARSE_MATCH;
}

/* Behind "QUEUEID: ", Obsidian. */
static const MtRule queue_rules[] = {
  MT_RULE("from=", NOTICE, NULL, read_envelope),
  MT_RULE("", NOTICE, NULL, read_stderr),
  MT_RULES_END,
};

/* ---- the dialect ------------------------------------------------------------------------- */

static const struct
{
  MtSpan name;
  const MtRule *rules;
  MtClaimStrength strength;
} programs[] = {
  { MT_SPAN_INIT("plesk_saslauthd"), sasl_rules, MT_CLAIM_NAME },
  { MT_SPAN_INIT("psa-pc-remote"), handler_rules, MT_CLAIM_NAME },
  { MT_SPAN_INIT("pc-remote"), handler_rules, MT_CLAIM_NAME },
  { MT_SPAN_INIT("qmail-queue-handlers"), handler_rules, MT_CLAIM_NAME },
  { MT_SPAN_INIT("qmail-local-handlers"), handler_rules, MT_CLAIM_NAME },
  { MT_SPAN_INIT("qmail-remote-handlers"), handler_rules, MT_CLAIM_NAME },
  { MT_SPAN_INIT("plesk-sendmail"), handler_rules, MT_CLAIM_NAME },
  { MT_SPAN_INIT("plesk"), handler_rules, MT_CLAIM_NAME }, /* "plesk sendmail[4711]: " */
  { MT_SPAN_INIT("plesk sendmail"), handler_rules, MT_CLAIM_NAME },
  { MT_SPAN_INIT("greylisting"), handler_rules, MT_CLAIM_NAME }, /* "greylisting filter[4711]: " */
  { MT_SPAN_INIT("greylisting filter"), handler_rules, MT_CLAIM_NAME },
  { MT_SPAN_INIT("check-quota"), handler_rules, MT_CLAIM_NAME },
  { MT_SPAN_INIT("dk_check"), handler_rules, MT_CLAIM_NAME },
  { MT_SPAN_INIT("limit-out"), handler_rules, MT_CLAIM_NAME },
  { MT_SPAN_INIT("py-limit-out"), handler_rules, MT_CLAIM_NAME },
  { MT_SPAN_INIT("spf"), handler_rules, MT_CLAIM_SHAPE },
  { MT_SPAN_INIT("drweb"), handler_rules, MT_CLAIM_SHAPE },
};

/* "/usr/lib64/plesk-9.0/psa-pc-remote" */
static void
claim(MtSpan program, MtClaim *claim)
{
  const gchar *slash = program.len ? memrchr(program.at, '/', program.len) : NULL;

  if (slash && program.at[0] == '/')
    program = mt_span(slash + 1, program.at + program.len - slash - 1);
  for (guint i = 0; i < G_N_ELEMENTS(programs); i++)
    if (mt_span_equal(programs[i].name, program))
      {
        claim->strength = programs[i].strength;
        claim->daemon = programs[i].rules;
      }
}

/* A name with a space is cut there: "plesk" says "sendmail[4711]: text". */
static MtSpan
behind_second_word(const MtLine *line)
{
  MtCursor cur = mt_cursor(line->text), try;
  MtSpan pid;

  if (!MT_SPAN_IS(line->program, "plesk") && !MT_SPAN_IS(line->program, "greylisting"))
    return line->text;
  if (!MT_SCAN(&cur, "sendmail") && !MT_SCAN(&cur, "filter"))
    return line->text;
  try = cur;
  if (mt_scan_char(&try, '[') && mt_scan_until(&try, ']', &pid))
    cur = try;
  return MT_SCAN(&cur, ": ") ? mt_cursor_rest(&cur) : line->text;
}

/* Postfix' IDs; older handlers log none. */
static gboolean
scan_queue_id(MtCursor *cur, MtEvent *event)
{
  MtCursor try = *cur;
  MtSpan id;

  if (!mt_scan_class(&try, MT_CHAR_ALNUM, &id) || id.len < 5 || !MT_SCAN(&try, ": ")
      || (!mt_span_is_all(id, MT_CHAR_UPPER_HEX) && !mt_span_is_all(id, MT_CHAR_BASE52)))
    return FALSE;
  mt_event_set_text(event, MT_F_QUEUE_ID, id);
  *cur = try;
  return TRUE;
}

static MtParse
parse(const MtLine *line, const MtClaim *asked, MtEvent *event)
{
  MtSpan text = behind_second_word(line);
  MtCursor cur = mt_cursor(text);
  MtClaim found = *asked;

  if (!found.daemon)
    claim(line->program, &found);
  if (!found.daemon)
    return MT_PARSE_SKIP;
  if (found.daemon != handler_rules || !scan_queue_id(&cur, event))
    return mt_rules_apply(found.daemon, text, event);
  return mt_rules_apply(queue_rules, mt_cursor_rest(&cur), event);
}

static const MtRule *const all_rules[] = { sasl_rules, handler_rules, queue_rules, NULL };

const MtDialect mt_dialect_plesk = { "plesk", claim, parse, all_rules, NULL };
