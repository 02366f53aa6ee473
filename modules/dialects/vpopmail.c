/* vpopmail.c: logins checked by vpopmail's vchkpw
 *
 * vchkpw.c of vpopmail-5.4.33 and 5.6: each line begins with the service's port, and ends
 * with the account, ':' and the client's address.  With --enable-logging=v and p the
 * password stands in the line: no part of it may leave this file, so every line is
 * known here, whatever it says.
 */
#include "dialects/dialect.h"

/* ---- the end of a line: "alice@example.com:192.0.2.7" --------------------------------- */

/* An address behind the last ':'; of IPv6 there are many.  vchkpw lets no ':' into an
 * account that it has taken apart, so the first behind the '@' ends it. */
static gboolean
split_plain(MtSpan text, MtSpan *account, MtSpan *ip)
{
  MtSpan domain = mt_span_domain(text);
  MtSpan from = domain.at ? domain : text;
  const gchar *colon = from.len ? memchr(from.at, ':', from.len) : NULL;

  if (!colon)
    return FALSE;
  *account = mt_span(text.at, colon - text.at);
  *ip = mt_span(colon + 1, text.at + text.len - colon - 1);
  return TRUE;
}

/* A name as the client sent it may itself hold ':' and what looks like an address. */
static gboolean
split_raw(MtSpan text, MtSpan *account, MtSpan *ip)
{
  const gchar *colon = text.len ? memrchr(text.at, ':', text.len) : NULL;
  MtIp parsed;

  if (!colon)
    return FALSE;
  *ip = mt_span(colon + 1, text.at + text.len - colon - 1);
  *account = mt_span(text.at, colon - text.at);
  if (mt_ip_parse(*ip, &parsed) && memchr(ip->at, '.', ip->len))
    return TRUE; /* IPv4: none of its bytes is the name's */
  *ip = MT_NO_SPAN;
  colon = memchr(text.at, ':', text.len);
  *account = mt_span(text.at, colon - text.at);
  return TRUE;
}

static void
set_account(MtEvent *event, MtSpan account, MtSpan ip)
{
  if (MT_SPAN_ENDS(account, "@")) /* vchkpw puts one in where there is no domain */
    account.len--;
  if (account.len)
    mt_event_set_text(event, MT_F_ACCOUNT, account);
  if (ip.len)
    mt_event_set_ip(event, MT_F_CLIENT_IP, ip);
}

static MtParse
read_plain(MtCursor *cur, MtEvent *event)
{
  MtSpan account, ip;

  if (split_plain(mt_cursor_rest(cur), &account, &ip))
    set_account(event, account, ip);
  return MT_PARSE_MATCH;
}

static MtParse
read_raw(MtCursor *cur, MtEvent *event)
{
  MtSpan account, ip;

  if (split_raw(mt_cursor_rest(cur), &account, &ip))
    set_account(event, account, ip);
  return MT_PARSE_MATCH;
}

static MtParse
take_nothing(MtCursor *cur, MtEvent *event)
{
  return MT_PARSE_MATCH;
}

/* ---- what lines say ---------------------------------------------------------------------- */

static MtParse
fail(MtCursor *cur, MtEvent *event, MtSpan reason, MtRuleFunc end)
{
  mt_event_set_text(event, MT_F_REASON, reason);
  return end(cur, event);
}

/* "alice@example.com:192.0.2.7", or behind "(pass: '...') ", whose end is looked for from
 * the right: the password may hold anything, an account that was taken apart no "') ". */
static MtParse
read_password_fail(MtCursor *cur, MtEvent *event)
{
  static const MtSpan close = MT_SPAN_INIT("') ");
  MtSpan rest = mt_cursor_rest(cur);

  if (MT_SPAN_STARTS(rest, "(pass: '"))
    {
      const gchar *at = mt_span_find_last(rest, close);

      if (!at)
        return fail(cur, event, MT_SPAN("auth-failed"), take_nothing);
      cur->at = at + close.len;
    }
  return fail(cur, event, MT_SPAN("auth-failed"), read_plain);
}

static MtParse
read_unknown_user(MtCursor *cur, MtEvent *event)
{
  return fail(cur, event, MT_SPAN("unknown-user"), read_plain);
}

static MtParse
read_unknown_raw(MtCursor *cur, MtEvent *event)
{
  return fail(cur, event, MT_SPAN("unknown-user"), read_raw);
}

static MtParse
read_failed_raw(MtCursor *cur, MtEvent *event)
{
  return fail(cur, event, MT_SPAN("auth-failed"), read_raw);
}

static MtParse
read_disabled(MtCursor *cur, MtEvent *event)
{
  return fail(cur, event, MT_SPAN("user-disabled"), read_plain);
}

static MtParse
read_internal(MtCursor *cur, MtEvent *event)
{
  return fail(cur, event, MT_SPAN("internal"), read_plain);
}

/* "setgid 89 failed errno 1 alice@example.com:192.0.2.7": the account is the last word. */
static MtParse
read_errno(MtCursor *cur, MtEvent *event)
{
  const gchar *space = cur->at < cur->end ? memrchr(cur->at, ' ', cur->end - cur->at) : NULL;

  if (space)
    cur->at = space + 1;
  return fail(cur, event, MT_SPAN("internal"), read_plain);
}

/* "(CRAM-MD5) login success alice@example.com:192.0.2.7" */
static MtParse
read_success(MtCursor *cur, MtEvent *event)
{
  MtSpan method;

  if (!mt_scan_until(cur, ')', &method) || !MT_SCAN(cur, " login success "))
    {
      event->kind = MT_EVENT_NOTICE;
      return MT_PARSE_MATCH;
    }
  mt_event_set_text(event, MT_F_AUTH_METHOD, method);
  return read_plain(cur, event);
}

static const MtRule rules[] = {
  /* vchkpw.c; what is not in the list may hold what a client sent: nothing of it is kept */
  MT_RULE("(", LOGIN, NULL, read_success),
  MT_RULE("login success ", LOGIN, NULL, read_plain), /* before 5.4.14 */
  MT_RULE("system password login success ", LOGIN, NULL, read_plain),
  MT_RULE("password fail ", LOGIN_FAILED, NULL, read_password_fail),
  MT_RULE("system password fail ", LOGIN_FAILED, NULL, read_password_fail),
  MT_RULE("vpopmail user not found ", LOGIN_FAILED, NULL, read_unknown_user),
  MT_RULE("system user not found ", LOGIN_FAILED, NULL, read_unknown_raw),
  MT_RULE("system user shadow entry not found ", LOGIN_FAILED, NULL, read_unknown_raw),
  MT_RULE("invalid user/domain characters ", LOGIN_FAILED, NULL, read_unknown_raw),
  MT_RULE("null user name given ", LOGIN_FAILED, NULL, read_failed_raw),
  MT_RULE("null password given ", LOGIN_FAILED, NULL, read_failed_raw),
  MT_RULE("pop access denied ", LOGIN_FAILED, NULL, read_disabled),
  MT_RULE("smtp access denied ", LOGIN_FAILED, NULL, read_disabled),
  MT_RULE("imap access denied ", LOGIN_FAILED, NULL, read_disabled),
  MT_RULE("webmail access denied ", LOGIN_FAILED, NULL, read_disabled),
  MT_RULE("user has no password ", LOGIN_FAILED, NULL, read_internal),
  MT_RULE("dir auto create failed ", LOGIN_FAILED, NULL, read_internal),
  MT_RULE("failed to vauth_getpw() after dir auto create ", LOGIN_FAILED, NULL, read_internal),
  MT_RULE("setgid ", LOGIN_FAILED, NULL, read_errno),
  MT_RULE("setuid ", LOGIN_FAILED, NULL, read_errno),
  MT_RULE("autocreate dir errno ", LOGIN_FAILED, NULL, read_errno),
  MT_RULE("chdir failed errno ", LOGIN_FAILED, NULL, read_errno),
  MT_RULE("putenv(", LOGIN_FAILED, NULL, read_errno),
  MT_RULE("", NOTICE, NULL, NULL),
  MT_RULES_END,
};

/* ---- services -------------------------------------------------------------------------------- */

static const struct
{
  MtSpan name;
  MtWord word;
  gint port;
  gboolean tls;
} services[] = {
  /* vchkpw.c, by TCPLOCALPORT */
  { MT_SPAN_INIT("smtp"), MT_WORD_SMTP, 25, FALSE },
  { MT_SPAN_INIT("smtps"), MT_WORD_SMTP, 465, TRUE },
  { MT_SPAN_INIT("submission"), MT_WORD_SMTP, 587, FALSE },
  { MT_SPAN_INIT("pop3"), MT_WORD_POP3, 110, FALSE },
  { MT_SPAN_INIT("pop3s"), MT_WORD_POP3, 995, TRUE },
  { MT_SPAN_INIT("imap"), MT_WORD_IMAP, 143, FALSE },
  { MT_SPAN_INIT("imaps"), MT_WORD_IMAP, 993, TRUE },
  { MT_SPAN_INIT("webmail"), MT_WORD_WEBMAIL, 0, FALSE },
};

static void
set_service(MtEvent *event, MtSpan name)
{
  guint64 port;

  for (guint i = 0; i < G_N_ELEMENTS(services); i++)
    {
      if (!mt_span_equal(services[i].name, name))
        continue;
      mt_event_set_word(event, MT_F_SERVICE, services[i].word);
      if (services[i].port)
        mt_event_set_number(event, MT_F_LOCAL_PORT, services[i].port);
      if (services[i].tls)
        mt_event_set_number(event, MT_F_TLS, 1);
      return;
    }
  if (mt_span_to_u64(name, &port) && port && port <= 65535) /* "vchkpw-2525" */
    mt_event_set_number(event, MT_F_LOCAL_PORT, port);
}

static void
claim(MtSpan program, MtClaim *claim)
{
  if (MT_SPAN_IS(program, "vpopmail") || MT_SPAN_IS(program, "vchkpw"))
    claim->strength = MT_CLAIM_NAME;
}

static MtParse
parse(const MtLine *line, const MtClaim *claim, MtEvent *event)
{
  MtCursor cur = mt_cursor(line->text);
  MtSpan service;

  if (MT_SCAN(&cur, "vchkpw"))
    {
      if (mt_scan_char(&cur, '-') && mt_scan_token(&cur, ": ", &service))
        set_service(event, service);
      if (!mt_scan_char(&cur, ':'))
        cur.at = cur.end;
      mt_scan_char(&cur, ' ');
    }
  return mt_rules_apply(rules, mt_cursor_rest(&cur), event);
}

static const MtRule *const all_rules[] = { rules, NULL };

const MtDialect mt_dialect_vpopmail = {
  .name = "vpopmail",
  .claim = claim,
  .parse = parse,
  .rules = all_rules,
};
