/* spamdyke.c: spamdyke, the filter in front of qmail-smtpd
 *
 * spamdyke.h and filter.c of spamdyke-3.1.8, 4.3.1 and 5.0.1: one line for each
 * recipient, "RESULT from: S to: R origin_ip: A origin_rdns: N auth: U encryption: E
 * reason: T"; encryption came with 4.2, reason with 5.0.
 */
#include "dialects/dialect.h"

/* What spamdyke writes where it knows nothing. */
static gboolean
is_missing(MtSpan value)
{
  return !value.len || MT_SPAN_IS(value, "(unknown)") || MT_SPAN_IS(value, "(none)")
         || MT_SPAN_IS(value, "(empty)");
}

static void
set_value(MtEvent *event, MtField field, MtSpan value)
{
  if (!is_missing(value))
    mt_event_set_text(event, field, value);
}

/* ---- the fields --------------------------------------------------------------------------- */

/* Left to right: a client's address is a word, or quoted, so it cannot go past its place. */
static gboolean
scan_envelope(MtCursor *cur, MtEvent *event)
{
  MtSpan from, to, ip, rdns;

  if (!MT_SCAN(cur, "from: ") || !mt_scan_mailbox(cur, &from) || !MT_SCAN(cur, " to: ")
      || !mt_scan_mailbox(cur, &to) || !MT_SCAN(cur, " origin_ip: ")
      || !mt_scan_token(cur, " ", &ip) || !MT_SCAN(cur, " origin_rdns: ")
      || !mt_scan_token(cur, " ", &rdns))
    return FALSE;
  if (cur->at < cur->end && !mt_span_starts(mt_cursor_rest(cur), MT_SPAN(" auth: ")))
    return FALSE;
  set_value(event, MT_F_SENDER, from);
  set_value(event, MT_F_RECIPIENT, to);
  mt_event_set_ip(event, MT_F_CLIENT_IP, ip);
  set_value(event, MT_F_CLIENT_NAME, rdns);
  return TRUE;
}

/* " auth: U encryption: E reason: T": a user's name may hold the marks behind it, what
 * stands behind those not: a reason has '_' for ' '. */
static void
read_session(MtSpan text, MtEvent *event)
{
  static const MtSpan mark = MT_SPAN_INIT(" encryption: ");
  const gchar *at = mt_span_find_last(text, mark);
  MtSpan auth = at ? mt_span(text.at, at - text.at) : text, encryption;
  MtCursor cur;

  set_value(event, MT_F_AUTH_USER, auth);
  if (!at)
    return;
  cur = mt_cursor(mt_span(at + mark.len, text.at + text.len - at - mark.len));
  if (!mt_scan_token(&cur, " ", &encryption))
    return;
  mt_event_set_number(event, MT_F_TLS, !is_missing(encryption));
  if (MT_SCAN(&cur, " reason: "))
    set_value(event, MT_F_REPLY, mt_cursor_rest(&cur));
}

/* "250_ok_1615286631_qp_15309": qmail-queue's number, as qmail-smtpd gives it. */
static void
read_qp(MtSpan reason, MtEvent *event)
{
  MtCursor cur = mt_cursor(reason);
  MtSpan stamp;
  guint64 qp;

  if ((MT_SCAN(&cur, "250_ok_") || MT_SCAN(&cur, "250 ok "))
      && mt_scan_class(&cur, MT_CHAR_DIGIT, &stamp)
      && (MT_SCAN(&cur, "_qp_") || MT_SCAN(&cur, " qp ")) && mt_scan_u64(&cur, &qp)
      && cur.at == cur.end)
    mt_event_set_number(event, MT_F_QP, qp);
}

/* The result's name, behind which the fields stand, is the reason; what spamdyke quotes is
 * the reply.  Where an address breaks the line's form, none of the fields is believed. */
static MtParse
read_fields(MtCursor *cur, MtEvent *event)
{
  const MtRule *rule = event->rule;
  MtSpan result;

  cur->at -= rule->prefix.len;
  if (!mt_scan_until(cur, ' ', &result) || !MT_SPAN_STARTS(mt_cursor_rest(cur), "from: "))
    return MT_PARSE_SKIP;
  mt_event_set_text(event, MT_F_REASON, result);
  if (!scan_envelope(cur, event))
    return MT_PARSE_MATCH;
  if (MT_SCAN(cur, " auth: "))
    read_session(mt_cursor_rest(cur), event);
  read_qp(mt_event_text(event, MT_F_REPLY), event);
  return MT_PARSE_MATCH;
}

static MtParse
refuse(MtCursor *cur, MtEvent *event, MtWord action)
{
  mt_event_set_word(event, MT_F_ACTION, action);
  MT_EVENT_SET_LITERAL(event, MT_F_STAGE, "RCPT");
  return read_fields(cur, event);
}

static MtParse
read_reject(MtCursor *cur, MtEvent *event)
{
  return refuse(cur, event, MT_WORD_REJECT);
}

static MtParse
read_defer(MtCursor *cur, MtEvent *event)
{
  return refuse(cur, event, MT_WORD_DEFER);
}

static MtParse
read_failed_auth(MtCursor *cur, MtEvent *event)
{
  MtParse parse = read_fields(cur, event);
  MtSpan user = mt_event_text(event, MT_F_AUTH_USER);

  mt_event_drop(event, MT_F_AUTH_USER);
  if (user.len)
    mt_event_set_text(event, MT_F_ACCOUNT, user);
  mt_event_set_word(event, MT_F_SERVICE, MT_WORD_SMTP);
  MT_EVENT_SET_LITERAL(event, MT_F_REASON, "auth-failed");
  return parse;
}

/* ---- what spamdyke tells of its work ----------------------------------------------- */

static MtParse
take_reason(MtCursor *cur, MtEvent *event)
{
  const MtRule *rule = event->rule;

  cur->at -= rule->prefix.len;
  mt_event_set_text(event, MT_F_REASON, mt_cursor_rest(cur));
  return MT_PARSE_MATCH;
}

/* "FILTER_RBL_MATCH ip: 198.51.100.7 rbl: zen.example.net": the name is ours, and an address
 * right behind it. */
static MtParse
read_filter(MtCursor *cur, MtEvent *event)
{
  const MtRule *rule = event->rule;
  MtSpan word;

  cur->at -= rule->prefix.len;
  if (!mt_scan_token(cur, " ", &word))
    return MT_PARSE_SKIP;
  mt_event_set_text(event, MT_F_REASON, word);
  if (MT_SCAN(cur, " ip: ") && mt_scan_token(cur, " ", &word))
    mt_event_set_ip(event, MT_F_CLIENT_IP, word);
  else if (MT_SCAN(cur, " sender: ") && mt_scan_mailbox(cur, &word))
    set_value(event, MT_F_SENDER, word);
  if ((MT_SCAN(cur, " recipient: ")) && mt_scan_mailbox(cur, &word))
    set_value(event, MT_F_RECIPIENT, word);
  return MT_PARSE_MATCH;
}

/* Whom the password program did not know stands nowhere in the line; its command may. */
static MtParse
read_auth_error(MtCursor *cur, MtEvent *event)
{
  MT_EVENT_SET_LITERAL(event, MT_F_REASON, "ERROR: authentication");
  return MT_PARSE_MATCH;
}

static const MtRule rules[] = {
  /* spamdyke.h, SHORT_SUCCESS and SUCCESS_DATA_* */
  MT_RULE("ALLOWED_AUTHENTICATED ", ACCEPT, NULL, read_fields),
  MT_RULE("ALLOWED_TLS ", ACCEPT, NULL, read_fields),
  MT_RULE("ALLOWED ", ACCEPT, NULL, read_fields),
  MT_RULE("TLS_ENCRYPTED ", TLS, NULL, read_fields),
  /* spamdyke.h, REJECTION_DATA_*: of REJECT_SEVERITY_TEMPORARY */
  MT_RULE("DENIED_TOO_MANY_RECIPIENTS ", REJECT, NULL, read_defer),
  MT_RULE("DENIED_GRAYLISTED ", REJECT, NULL, read_defer),
  MT_RULE("DENIED_RDNS_MISSING ", REJECT, NULL, read_defer),
  MT_RULE("DENIED_RDNS_RESOLVE ", REJECT, NULL, read_defer),
  MT_RULE("DENIED_SENDER_NO_MX ", REJECT, NULL, read_defer),
  MT_RULE("DENIED_OTHER ", REJECT, NULL, read_defer),
  MT_RULE("TIMEOUT ", REJECT, NULL, read_defer),
  /* of REJECT_SEVERITY_PERMANENT */
  MT_RULE("DENIED_UNQUALIFIED_RECIPIENT ", REJECT, NULL, read_reject),
  MT_RULE("DENIED_IP_IN_CC_RDNS ", REJECT, NULL, read_reject),
  MT_RULE("DENIED_IP_IN_RDNS ", REJECT, NULL, read_reject),
  MT_RULE("DENIED_EARLYTALKER ", REJECT, NULL, read_reject),
  MT_RULE("DENIED_BLACKLIST_NAME ", REJECT, NULL, read_reject),
  MT_RULE("DENIED_BLACKLIST_IP ", REJECT, NULL, read_reject),
  MT_RULE("DENIED_SENDER_BLACKLISTED ", REJECT, NULL, read_reject),
  MT_RULE("DENIED_RECIPIENT_BLACKLISTED ", REJECT, NULL, read_reject),
  MT_RULE("DENIED_RBL_MATCH ", REJECT, NULL, read_reject),
  MT_RULE("DENIED_RHSBL_MATCH ", REJECT, NULL, read_reject),
  MT_RULE("DENIED_ACCESS_DENIED ", REJECT, NULL, read_reject),
  MT_RULE("DENIED_RELAYING ", REJECT, NULL, read_reject),
  MT_RULE("DENIED_ZERO_RECIPIENTS ", REJECT, NULL, read_reject),
  MT_RULE("DENIED_AUTH_REQUIRED ", REJECT, NULL, read_reject),
  MT_RULE("DENIED_REJECT_ALL ", REJECT, NULL, read_reject),
  MT_RULE("DENIED_IDENTICAL_SENDER_RECIPIENT ", REJECT, NULL, read_reject),
  MT_RULE("DENIED_", REJECT, NULL, read_reject), /* 5.0 has more */
  MT_RULE("FAILED_AUTH ", LOGIN_FAILED, NULL, read_failed_auth),
  MT_RULE("FAILED_TLS ", TLS_ERROR, NULL, read_fields),
  MT_RULE("UNKNOWN_AUTH ", NOTICE, NULL, read_fields),
  /* spamdyke.h, LOG_* */
  MT_RULE("FILTER_", NOTICE, NULL, read_filter),
  MT_RULE("ERROR: authentication ", NOTICE, NULL, read_auth_error),
  MT_RULE("ERROR: unknown authentication ", NOTICE, NULL, read_auth_error),
  MT_RULE("ERROR: ", NOTICE, NULL, take_reason),
  MT_RULE("DEBUG(", NOTICE, NULL, NULL), /* these two log what the client sends */
  MT_RULE("EXCESSIVE(", NOTICE, NULL, NULL),
  MT_RULES_END,
};

static void
claim(MtSpan program, MtClaim *claim)
{
  if (MT_SPAN_IS(program, "spamdyke"))
    claim->strength = MT_CLAIM_NAME;
}

static MtParse
parse(const MtLine *line, const MtClaim *claim, MtEvent *event)
{
  return mt_rules_apply(rules, line->text, event);
}

static const MtRule *const all_rules[] = { rules, NULL };

const MtDialect mt_dialect_spamdyke = {
  .name = "spamdyke",
  .claim = claim,
  .parse = parse,
  .rules = all_rules,
};
