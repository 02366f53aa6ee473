/* policyd-spf.c: the lines of policy daemons that check SPF
 *
 * Layer: dialects.  Concurrency: any thread; no state.
 *
 * pypolicyd-spf 1.0 to 2.0 and spf-engine 2.9 (policyd-spf), postfix-policyd-spf-perl 2.0
 * to 2.011 ("postfix/policy-spf").
 *
 * Hostile text.  HELO and sender are the client's.  The client's address stands before
 * them in the one, and behind them at the line's end in the other.  The sender is taken
 * where its name stands only once.
 */
#include "dialects/dialect.h"

static void
set_filter(MtEvent *event)
{
  MT_EVENT_SET_LITERAL(event, MT_F_FILTER, "policyd-spf");
}

/* "; client-ip=192.0.2.7" ends perl's, as "client-ip="2001:db8::7"" where it is IPv6: what
 * stands before the last is quoted, and the client's. */
static void
read_client(MtSpan list, MtEvent *event)
{
  static const MtSpan name = MT_SPAN_INIT("; client-ip=");
  const gchar *at = mt_span_find_last(list, name);
  MtSpan ip;

  if (!at)
    return;
  ip = mt_span(at + name.len, list.at + list.len - at - name.len);
  if (ip.len > 2 && MT_SPAN_STARTS(ip, "\"") && MT_SPAN_ENDS(ip, "\""))
    ip = mt_span(ip.at + 1, ip.len - 2);
  mt_event_set_ip(event, MT_F_CLIENT_IP, ip);
}

/* Perl's, in quotes, with a '\' before each '"' and '\' in it: one that holds any is left out. */
static gboolean
scan_quoted_sender(MtCursor *cur, MtSpan *sender)
{
  return mt_scan_until(cur, '"', sender) && (cur->at == cur->end || *cur->at == ';')
         && !(sender->len && memchr(sender->at, '\\', sender->len));
}

/* "; envelope-from=ann@example.org;", with quotes in perl's. */
static void
read_sender(MtSpan list, MtEvent *event)
{
  const gchar *at = mt_span_find_only(list, MT_SPAN("; envelope-from="));
  MtCursor cur = { at, list.at + list.len };
  MtSpan sender;

  if (!at)
    return;
  MT_SCAN(&cur, "; envelope-from=");
  if (mt_scan_char(&cur, '"') ? scan_quoted_sender(&cur, &sender)
                              : mt_scan_angle(&cur, &sender) || mt_scan_token(&cur, "; ", &sender))
    mt_event_set_text(event, MT_F_SENDER, sender);
}

/* "(mailfrom) identity=mailfrom; client-ip=...; helo=...; envelope-from=...; receiver=..."
 * HELO's result is the message's only where there is no sender. */
static void
read_list(MtSpan list, MtEvent *event)
{
  MtCursor cur = mt_cursor(list);
  MtSpan comment, identity = MT_NO_SPAN, ip;

  if (mt_scan_char(&cur, '('))
    mt_scan_until(&cur, ')', &comment);
  mt_scan_char(&cur, ' ');
  list = mt_cursor_rest(&cur);
  if (MT_SCAN(&cur, "identity=") && mt_scan_until(&cur, ';', &identity)
      && MT_SCAN(&cur, " client-ip=") && mt_scan_token(&cur, "; ", &ip))
    mt_event_set_ip(event, MT_F_CLIENT_IP, ip);
  else
    read_client(list, event);
  read_sender(list, event);
  if (MT_SPAN_IS(identity, "helo") && mt_event_text(event, MT_F_SENDER).len)
    mt_event_drop(event, MT_F_SPF);
}

/* "Received-SPF: Pass (mailfrom) identity=mailfrom; ..." */
static MtParse
read_received(MtCursor *cur, MtEvent *event)
{
  MtSpan result;

  set_filter(event);
  if (!mt_scan_result(cur, &result))
    return MT_PARSE_MALFORMED;
  mt_scan_char(cur, ' ');
  mt_event_set_text(event, MT_F_SPF, result);
  mt_event_set_word(event, MT_F_ACTION, MT_WORD_PASS);
  read_list(mt_cursor_rest(cur), event);
  return MT_PARSE_MATCH;
}

/* "Authentication-Results: mx1.example.com; spf=pass smtp.mailfrom=...": Header_Type = AR */
static MtParse
read_authentication_results(MtCursor *cur, MtEvent *event)
{
  MtSpan authority, result;

  set_filter(event);
  mt_event_set_word(event, MT_F_ACTION, MT_WORD_PASS);
  if (mt_scan_until(cur, ';', &authority) && MT_SCAN(cur, " spf=") && mt_scan_result(cur, &result))
    mt_event_set_text(event, MT_F_SPF, result);
  return MT_PARSE_MATCH;
}

/* "5.7.23 Message rejected due to: SPF fail - not authorized. Please see
 * http://www.openspf.net/Why?s=mfrom;id=ann@example.org;ip=192.0.2.7;r=..." */
static MtParse
read_refused(MtCursor *cur, MtEvent *event, MtWord action)
{
  MtSpan rest = mt_cursor_rest(cur), dsn, result, ip;
  const gchar *at = mt_span_find_only(rest, MT_SPAN(";ip="));
  MtCursor behind = { at, cur->end };

  set_filter(event);
  mt_event_set_word(event, MT_F_ACTION, action);
  mt_event_set_text(event, MT_F_REASON, rest);
  if (at && MT_SCAN(&behind, ";ip=") && mt_scan_token(&behind, ";", &ip))
    mt_event_set_ip(event, MT_F_CLIENT_IP, ip);
  if (mt_scan_dsn(cur, &dsn))
    mt_scan_char(cur, ' ');
  if (MT_SCAN(cur, "Message rejected due to: SPF ") && mt_scan_result(cur, &result))
    mt_event_set_text(event, MT_F_SPF, result);
  return MT_PARSE_MATCH;
}

static MtParse
read_reject(MtCursor *cur, MtEvent *event)
{
  return read_refused(cur, event, MT_WORD_REJECT);
}

static MtParse
read_defer(MtCursor *cur, MtEvent *event)
{
  return read_refused(cur, event, MT_WORD_TEMPFAIL);
}

/* "Permerror; identity=helo; client-ip=...": the result before it is made a header; else a
 * line for the operator. */
static MtParse
read_other(MtCursor *cur, MtEvent *event)
{
  MtCursor try = *cur;
  MtSpan result;

  if (!mt_scan_result(&try, &result) || !MT_SCAN(&try, "; ")
      || !MT_SPAN_STARTS(mt_cursor_rest(&try), "identity="))
    return mt_take_line(cur, event);
  event->kind = MT_EVENT_VERDICT;
  set_filter(event);
  mt_event_set_text(event, MT_F_SPF, result);
  read_list(mt_cursor_rest(&try), event);
  return MT_PARSE_MATCH;
}

/* The prefixes come with debugLevel: "Action: prepend: Text: Received-SPF: ...  Reject
 * action: 550 5.7.23"; and by perl, "Policy action=PREPEND Received-SPF: ...". */
static const MtRule rules[] = {
  MT_RULE("prepend Received-SPF: ", VERDICT, NULL, read_received),
  MT_RULE("Action: prepend Received-SPF: ", VERDICT, NULL, read_received),
  MT_RULE("Action: prepend: Text: Received-SPF: ", VERDICT, NULL, read_received),
  MT_RULE("Policy action=PREPEND Received-SPF: ", VERDICT, NULL, read_received),
  MT_RULE("prepend Authentication-Results: ", VERDICT, NULL, read_authentication_results),
  MT_RULE("550 ", VERDICT, NULL, read_reject),
  MT_RULE("Action: 550: Text: ", VERDICT, NULL, read_reject),
  MT_RULE("Policy action=550 ", VERDICT, NULL, read_reject),
  MT_RULE("451 ", VERDICT, NULL, read_defer),
  MT_RULE("Action: 451: Text: ", VERDICT, NULL, read_defer),
  MT_RULE("", NOTICE, NULL, read_other),
  MT_RULES_END,
};

static const MtProgram programs[] = {
  MT_PROGRAM("policyd-spf", NULL),
  MT_PROGRAM("policy-spf", NULL),
  MT_PROGRAM("pyspf-milter", NULL),
  MT_PROGRAMS_END,
};

static void
claim(MtSpan program, MtClaim *claim)
{
  mt_claim_program(programs, program, claim);
}

/* perl's begin with ": ", where a queue ID would stand. */
static MtParse
parse(const MtLine *line, const MtClaim *claim, MtEvent *event)
{
  MtCursor cur = mt_cursor(line->text);

  MT_SCAN(&cur, ": ");
  return mt_rules_apply(rules, mt_cursor_rest(&cur), event);
}

static const MtRule *const all_rules[] = { rules, NULL };

const MtDialect mt_dialect_policyd_spf = {
  .name = "policyd-spf",
  .claim = claim,
  .parse = parse,
  .rules = all_rules,
};
