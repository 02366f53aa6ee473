/* postgrey.c: the lines of greylisting policy daemons: postgrey, sqlgrey, policyd, cluebringer
 *
 * Layer: dialects.  Concurrency: any thread; no state.
 *
 * The literals are those of postgrey 1.30 to 1.37 (file postgrey), sqlgrey 1.6 to 1.8 (file
 * sqlgrey), policyd 1.8 (policyd.c), cluebringer 2.0 and 2.1 (cbp/modules/).
 *
 * Hostile text.  What was decided and the client come first.  A sender may hold the name
 * of the next item: where that stands twice, neither address is believed.
 */
#include "dialects/dialect.h"

static void
set_filter(MtEvent *event, MtSpan filter, MtWord action)
{
  mt_event_set_text(event, MT_F_FILTER, filter);
  mt_event_set_word(event, MT_F_ACTION, action);
}

/* ---- "key=value, key=value" --------------------------------------------------------- */

/* "client_address=192.0.2.7/32": as a network, since 1.36. */
static MtParse
read_address(MtCursor *cur, MtEvent *event)
{
  MtSpan ip, bits;

  if (!mt_scan_token(cur, ",/", &ip))
    return MT_PARSE_SKIP;
  mt_event_set_ip(event, MT_F_CLIENT_IP, ip);
  if (mt_scan_char(cur, '/'))
    mt_scan_token(cur, ", ", &bits);
  return MT_PARSE_MATCH;
}

static MtParse
read_name(MtCursor *cur, MtEvent *event)
{
  MtSpan name;

  if (mt_scan_token(cur, ",", &name) && !MT_SPAN_IS(name, "unknown"))
    mt_event_set_text(event, MT_F_CLIENT_NAME, name);
  return MT_PARSE_MATCH;
}

/* "host=192.0.2.7 (mail.example.org)": policyd. */
static MtParse
read_host(MtCursor *cur, MtEvent *event)
{
  MtSpan ip, name;

  if (!mt_scan_token(cur, ", ", &ip))
    return MT_PARSE_SKIP;
  mt_event_set_ip(event, MT_F_CLIENT_IP, ip);
  if (MT_SCAN(cur, " (") && mt_scan_until(cur, ')', &name) && !MT_SPAN_IS(name, "unknown"))
    mt_event_set_text(event, MT_F_CLIENT_NAME, name);
  return MT_PARSE_MATCH;
}

/* The sender, all up to the only @next. */
static void
read_sender_up_to(MtCursor *cur, MtEvent *event, MtSpan next)
{
  MtSpan rest = mt_cursor_rest(cur);
  const gchar *at = mt_span_find_only(rest, next);

  if (!at)
    {
      cur->at = cur->end;
      return;
    }
  mt_event_set_text(event, MT_F_SENDER, mt_span(rest.at, at - rest.at));
  cur->at = at;
}

static MtParse
read_sender(MtCursor *cur, MtEvent *event)
{
  read_sender_up_to(cur, event, MT_SPAN(", recipient="));
  return MT_PARSE_MATCH;
}

static MtParse
read_from(MtCursor *cur, MtEvent *event)
{
  read_sender_up_to(cur, event, MT_SPAN(", to="));
  return MT_PARSE_MATCH;
}

static const MtKey postgrey_keys[] = {
  MT_KEY("reason", ITEM, REASON),
  MT_KEY("delay", DURATION, DELAY),
  MT_KEY_CALL("client_name", read_name),
  MT_KEY_CALL("client_address", read_address),
  MT_KEY_CALL("sender", read_sender),
  MT_KEY("recipient", TOKEN, RECIPIENT),
  MT_KEYS_END,
};

/* cluebringer: "module=Greylisting, action=defer, host=192.0.2.7, helo=mail.example.org,
 * from=ann@example.org, to=bob@example.com, reason=greylisted" */
static const MtKey policyd_keys[] = {
  MT_KEY_CALL("host", read_host),
  MT_KEY_CALL("from", read_from),
  MT_KEY("to", TOKEN, RECIPIENT),
  MT_KEY("reason", ITEM, REASON),
  MT_KEYS_END,
};

static MtParse
read_keys(const MtKey *keys, MtCursor *cur, MtEvent *event, MtSpan filter, MtWord action)
{
  mt_keys_walk(keys, cur, event);
  set_filter(event, filter, action);
  return MT_PARSE_MATCH;
}

/* ---- postgrey ------------------------------------------------------------------------ */

static MtParse
read_greylist(MtCursor *cur, MtEvent *event)
{
  return read_keys(postgrey_keys, cur, event, MT_SPAN("postgrey"), MT_WORD_GREYLIST);
}

static MtParse
read_pass(MtCursor *cur, MtEvent *event)
{
  return read_keys(postgrey_keys, cur, event, MT_SPAN("postgrey"), MT_WORD_PASS);
}

/* "whitelisted: mail.example.org[192.0.2.7/32]": auto-whitelist-clients. */
static MtParse
read_whitelisted(MtCursor *cur, MtEvent *event)
{
  MtSpan name, ip;

  MT_EVENT_SET_LITERAL(event, MT_F_REASON, "whitelisted");
  if (!mt_scan_token(cur, "[", &name) || !mt_scan_char(cur, '[') || !mt_scan_token(cur, "/]", &ip))
    return MT_PARSE_MATCH;
  if (!MT_SPAN_IS(name, "unknown"))
    mt_event_set_text(event, MT_F_CLIENT_NAME, name);
  mt_event_set_ip(event, MT_F_CLIENT_IP, ip);
  return MT_PARSE_MATCH;
}

static const MtRule postgrey_rules[] = {
  MT_RULE("action=greylist, ", VERDICT, NULL, read_greylist),
  MT_RULE("action=pass, ", VERDICT, NULL, read_pass),
  MT_RULE("whitelisted: ", NOTICE, NULL, read_whitelisted),
  MT_RULE("", NOTICE, NULL, mt_take_line),
  MT_RULES_END,
};

/* ---- sqlgrey --------------------------------------------------------------------------- */

/* "new: 192.0.2.7(192.0.2.7), ann@example.org -> bob@example.com": an awl's network may
 * stand first, the client in brackets. */
static MtParse
read_sqlgrey(MtCursor *cur, MtEvent *event, MtWord action)
{
  MtSpan net, ip;
  const gchar *arrow;

  mt_event_set_text(event, MT_F_REASON, mt_span_trim(((const MtRule *) event->rule)->prefix));
  set_filter(event, MT_SPAN("sqlgrey"), action);
  if (!mt_scan_token(cur, "( ", &net) || !mt_scan_char(cur, '(') || !mt_scan_until(cur, ')', &ip)
      || !MT_SCAN(cur, ", "))
    return MT_PARSE_MATCH;
  mt_event_set_ip(event, MT_F_CLIENT_IP, ip);
  arrow = mt_span_find_only(mt_cursor_rest(cur), MT_SPAN(" -> "));
  if (!arrow)
    return MT_PARSE_MATCH;
  mt_event_set_text(event, MT_F_SENDER, mt_span(cur->at, arrow - cur->at));
  cur->at = arrow + strlen(" -> ");
  if (mt_scan_token(cur, " ,", &ip))
    mt_event_set_text(event, MT_F_RECIPIENT, ip);
  return MT_PARSE_MATCH;
}

static MtParse
read_sqlgrey_greylist(MtCursor *cur, MtEvent *event)
{
  return read_sqlgrey(cur, event, MT_WORD_GREYLIST);
}

static MtParse
read_sqlgrey_pass(MtCursor *cur, MtEvent *event)
{
  return read_sqlgrey(cur, event, MT_WORD_PASS);
}

static const MtRule sqlgrey_rules[] = {
  MT_RULE("grey: new: ", VERDICT, NULL, read_sqlgrey_greylist),
  MT_RULE("grey: early reconnect: ", VERDICT, NULL, read_sqlgrey_greylist),
  MT_RULE("grey: throttling: ", VERDICT, NULL, read_sqlgrey_greylist),
  MT_RULE("grey: reconnect ok: ", VERDICT, NULL, read_sqlgrey_pass),
  MT_RULE("", NOTICE, NULL, mt_take_line),
  MT_RULES_END,
};

/* ---- policyd, cluebringer --------------------------------------------------------------- */

static MtParse
read_policyd(MtCursor *cur, MtEvent *event, MtWord action)
{
  return read_keys(policyd_keys, cur, event, MT_SPAN("policyd"), action);
}

static MtParse
read_policyd_greylist(MtCursor *cur, MtEvent *event)
{
  return read_policyd(cur, event, MT_WORD_GREYLIST);
}

static MtParse
read_policyd_pass(MtCursor *cur, MtEvent *event)
{
  return read_policyd(cur, event, MT_WORD_PASS);
}

static MtParse
read_policyd_reject(MtCursor *cur, MtEvent *event)
{
  return read_policyd(cur, event, MT_WORD_REJECT);
}

/* "rcpt=12, " counts recipients of one session. */
static const MtRule policyd_rules[] = {
  MT_RULE("greylist=new, ", VERDICT, NULL, read_policyd_greylist),
  MT_RULE("greylist=abuse, ", VERDICT, NULL, read_policyd_greylist),
  MT_RULE("greylist=update, ", VERDICT, NULL, read_policyd_pass),
  MT_RULE("module=Greylisting, action=defer, ", VERDICT, NULL, read_policyd_greylist),
  MT_RULE("module=Greylisting, action=pass, ", VERDICT, NULL, read_policyd_pass),
  MT_RULE("module=Quotas, action=reject, ", VERDICT, NULL, read_policyd_reject),
  MT_RULE("module=AccessControl, action=reject, ", VERDICT, NULL, read_policyd_reject),
  MT_RULE("", NOTICE, NULL, mt_take_line),
  MT_RULES_END,
};

/* ---- the tables --------------------------------------------------------------------------- */

static const MtProgram programs[] = {
  MT_PROGRAM("postgrey", postgrey_rules),
  MT_PROGRAM("sqlgrey", sqlgrey_rules),
  MT_PROGRAM("policyd", policyd_rules),
  MT_PROGRAM("cbpolicyd", policyd_rules),
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
  MtCursor cur = mt_cursor(line->text);
  guint64 count;

  if (claim->daemon == policyd_rules && MT_SCAN(&cur, "rcpt=") && mt_scan_u64(&cur, &count))
    MT_SCAN(&cur, ", ");
  return mt_rules_apply(claim->daemon, mt_cursor_rest(&cur), event);
}

static const MtRule *const all_rules[] = { postgrey_rules, sqlgrey_rules, policyd_rules, NULL };

const MtDialect mt_dialect_postgrey = {
  .name = "postgrey",
  .claim = claim,
  .parse = parse,
  .rules = all_rules,
};
