/* qmail.c: qmail, netqmail, notqmail and s/qmail, and what stands around them
 *
 * qmail-send (qmail-1.03, netqmail-1.06, notqmail-1.09 qmail-send.c; s/qmail-4.x) names a
 * message by its number: that is the queue ID, used again at once.  A delivery is
 * begun with message and recipient, and ends under its own number alone: that number is
 * the session.  "qp" is the process that put a message into the queue.
 *
 * Around it stand tcpserver and rblsmtpd (ucspi-tcp-0.88, ucspi-tcp6), and the patches
 * and wrappers of qmail-smtpd.  All log to one multilog stream, with TAI64N stamps, as
 * tai64nlocal converts them, or through splogger to syslog.
 */
#include "dialects/dialect.h"

typedef struct
{
  MtSpan name;
  const MtRule *rules;
} Daemon;

/* ---- pieces ------------------------------------------------------------------------ */

static gboolean
scan_digits(MtCursor *cur, MtSpan *out)
{
  return mt_scan_class(cur, MT_CHAR_DIGIT, out);
}

static gboolean
scan_number(MtCursor *cur, MtField field, MtEvent *event)
{
  guint64 number;

  if (!mt_scan_u64(cur, &number))
    return FALSE;
  mt_event_set_number(event, field, number);
  return TRUE;
}

static gboolean
scan_queue_id(MtCursor *cur, MtEvent *event)
{
  MtSpan id;

  if (!scan_digits(cur, &id))
    return FALSE;
  mt_event_set_text(event, MT_F_QUEUE_ID, id);
  return TRUE;
}

static gboolean
scan_session(MtCursor *cur, MtEvent *event)
{
  MtSpan session;

  if (!scan_digits(cur, &session))
    return FALSE;
  mt_event_set_text(event, MT_F_SESSION, session);
  return TRUE;
}

static void
set_if_any(MtEvent *event, MtField field, MtSpan text)
{
  if (text.len)
    mt_event_set_text(event, field, text);
}

static MtParse
take_reason(MtCursor *cur, MtEvent *event)
{
  set_if_any(event, MT_F_REASON, mt_span_trim(mt_cursor_rest(cur)));
  return MT_PARSE_MATCH;
}

/* The place of @literal in @text where it stands there once: client's text could hold
 * another, and nothing would say which of them the program wrote. */
static const gchar *
find_sole(MtSpan text, MtSpan literal)
{
  const gchar *at = mt_span_find(text, literal);

  return at && at == mt_span_find_last(text, literal) ? at : NULL;
}

static MtSpan
before(MtSpan text, const gchar *at)
{
  return mt_span(text.at, at - text.at);
}

static MtSpan
behind(MtSpan text, const gchar *at, gsize skip)
{
  return mt_span(at + skip, text.at + text.len - at - skip);
}

static void
set_client_name(MtEvent *event, MtSpan name)
{
  if (name.len && !MT_SPAN_IS(name, "unknown"))
    mt_event_set_text(event, MT_F_CLIENT_NAME, name);
}

/* ---- qmail-send.c -------------------------------------------------------------------- */

/* "new msg 2638346", "end msg 2638346" */
static MtParse
read_message(MtCursor *cur, MtEvent *event)
{
  return scan_queue_id(cur, event) && cur->at == cur->end ? MT_PARSE_MATCH : MT_PARSE_SKIP;
}

/* "info msg 2638346: bytes 953 from <a@example.org> qp 617 uid 89": what stands behind
 * the sender is qmail's own, so it is read from the end. */
static MtParse
read_info(MtCursor *cur, MtEvent *event)
{
  MtSpan rest;
  const gchar *qp;

  if (!scan_queue_id(cur, event) || !MT_SCAN(cur, ": bytes ") || !scan_number(cur, MT_F_SIZE, event)
      || !MT_SCAN(cur, " from <"))
    return MT_PARSE_SKIP;
  rest = mt_cursor_rest(cur);
  qp = mt_span_find_last(rest, MT_SPAN("> qp "));
  if (!qp)
    return MT_PARSE_SKIP;
  mt_event_set_text(event, MT_F_SENDER, before(rest, qp));
  cur->at = qp + 5;
  if (!scan_number(cur, MT_F_QP, event) || !MT_SCAN(cur, " uid ")
      || !scan_number(cur, MT_F_UID, event) || cur->at != cur->end)
    return MT_PARSE_SKIP;
  return MT_PARSE_MATCH;
}

/* A virtual domain's mailbox is logged as "example.com-bob@example.com", as vpopmail lays
 * out virtualdomains: the address is behind the '-'. */
static MtSpan
without_prepend(MtSpan recipient)
{
  MtSpan domain = mt_span_domain(recipient);

  if (!domain.len || recipient.len < 2 * domain.len + 2 || recipient.at[domain.len] != '-'
      || memcmp(recipient.at, domain.at, domain.len) != 0)
    return recipient;
  return mt_span(recipient.at + domain.len + 1, recipient.len - domain.len - 1);
}

/* "starting delivery 759: msg 68566592 to local example.org-bob@example.org" */
static MtParse
read_start(MtCursor *cur, MtEvent *event)
{
  if (!scan_session(cur, event) || !MT_SCAN(cur, ": msg ") || !scan_queue_id(cur, event))
    return MT_PARSE_SKIP;
  if (MT_SCAN(cur, " to local "))
    {
      MT_EVENT_SET_LITERAL(event, MT_F_TRANSPORT, "local");
      mt_event_set_text(event, MT_F_RECIPIENT, without_prepend(mt_cursor_rest(cur)));
      return MT_PARSE_MATCH;
    }
  if (!MT_SCAN(cur, " to remote "))
    return MT_PARSE_SKIP;
  MT_EVENT_SET_LITERAL(event, MT_F_TRANSPORT, "remote");
  mt_event_set_text(event, MT_F_RECIPIENT, mt_cursor_rest(cur));
  return MT_PARSE_MATCH;
}

static const struct
{
  MtSpan text;
  MtWord status;
} results[] = {
  { MT_SPAN_INIT(": success: "), MT_WORD_SENT },
  { MT_SPAN_INIT(": failure: "), MT_WORD_BOUNCED },
  { MT_SPAN_INIT(": deferral: "), MT_WORD_DEFERRED },
  { MT_SPAN_INIT(": report mangled, will defer"), MT_WORD_DEFERRED },
};

/* The host that was talked to, where the report begins with it (qmail-remote.c). */
static void
read_relay(MtSpan reply, MtEvent *event)
{
  MtCursor cur = mt_cursor(reply);
  MtSpan ip;

  MT_SCAN(&cur, "Connected_to_");
  if (mt_scan_token(&cur, "_/", &ip))
    mt_event_set_ip(event, MT_F_RELAY_IP, ip);
}

/* "Remote_host_said:_550_5.1.1_..." is the other server's; "..._(#5.1.2)/" qmail's own. */
static void
read_dsn(MtSpan reply, MtEvent *event)
{
  static const MtSpan said = MT_SPAN_INIT("/Remote_host_said:_");
  const gchar *at = mt_span_find(reply, said);
  MtCursor cur;
  MtSpan code, dsn;

  if (at)
    {
      cur = mt_cursor(behind(reply, at, said.len));
      if (!scan_digits(&cur, &code) || code.len != 3
          || (!mt_scan_char(&cur, '_') && !mt_scan_char(&cur, '-')))
        return;
    }
  else
    {
      at = mt_span_find_last(reply, MT_SPAN("_(#"));
      if (!at)
        return;
      cur = mt_cursor(behind(reply, at, 3));
    }
  if (mt_scan_dsn(&cur, &dsn))
    mt_event_set_text(event, MT_F_DSN, dsn);
}

/* "did_0+1+0/qp_12345/" (qmail-local.c): forwarded, as a message that came in by 12345.
 * qmail-local prints it last. */
static void
read_forward(MtSpan reply, MtEvent *event)
{
  const gchar *at = mt_span_find_last(reply, MT_SPAN("/qp_"));
  MtCursor cur;
  guint64 qp;

  if (!at)
    return;
  cur = mt_cursor(behind(reply, at, 4));
  if (mt_scan_u64(&cur, &qp) && mt_scan_char(&cur, '/') && cur.at == cur.end)
    mt_event_set_number(event, MT_F_QP, qp);
}

/* "delivery 759: success: did_0+0+1/" */
static MtParse
read_result(MtCursor *cur, MtEvent *event)
{
  MtSpan reply;

  if (!scan_session(cur, event))
    return MT_PARSE_SKIP;
  for (guint i = 0; i < G_N_ELEMENTS(results); i++)
    {
      if (!mt_scan_span(cur, results[i].text))
        continue;
      mt_event_set_word(event, MT_F_STATUS, results[i].status);
      reply = mt_cursor_rest(cur);
      set_if_any(event, MT_F_REPLY, reply);
      read_relay(reply, event);
      read_dsn(reply, event);
      read_forward(reply, event);
      return MT_PARSE_MATCH;
    }
  return MT_PARSE_SKIP;
}

/* "bounce msg 3540009 qp 1892" */
static MtParse
read_bounce(MtCursor *cur, MtEvent *event)
{
  if (!scan_queue_id(cur, event) || !MT_SCAN(cur, " qp ") || !scan_number(cur, MT_F_QP, event))
    return MT_PARSE_SKIP;
  mt_event_set_word(event, MT_F_KIND, MT_WORD_BOUNCE);
  return MT_PARSE_MATCH;
}

/* "triple bounce: discarding bounce/3540009" */
static MtParse
read_discarded_bounce(MtCursor *cur, MtEvent *event)
{
  if (!MT_SCAN(cur, "discarding bounce/") || !scan_queue_id(cur, event))
    return MT_PARSE_SKIP;
  return MT_PARSE_MATCH;
}

static MtParse
read_triple_bounce(MtCursor *cur, MtEvent *event)
{
  MT_EVENT_SET_LITERAL(event, MT_F_REASON, "triple bounce");
  return read_discarded_bounce(cur, event);
}

static MtParse
read_double_bounce(MtCursor *cur, MtEvent *event)
{
  MT_EVENT_SET_LITERAL(event, MT_F_REASON, "double bounce");
  return read_discarded_bounce(cur, event);
}

/* ---- the wrappers of qmail-smtpd ------------------------------------------------------- */

/* sagredo's qmail: "mail recv: pid 210394 from <a@example.org> qp 210429" (qmail-smtpd.c) */
static MtParse
read_received(MtCursor *cur, MtEvent *event)
{
  MtSpan rest;
  const gchar *qp;

  if (!scan_session(cur, event) || !MT_SCAN(cur, " from <"))
    return MT_PARSE_SKIP;
  rest = mt_cursor_rest(cur);
  qp = mt_span_find_last(rest, MT_SPAN("> qp "));
  if (!qp)
    return MT_PARSE_SKIP;
  mt_event_set_text(event, MT_F_SENDER, before(rest, qp));
  cur->at = qp + 5;
  if (!scan_number(cur, MT_F_QP, event) || cur->at != cur->end)
    return MT_PARSE_SKIP;
  return MT_PARSE_MATCH;
}

/* eMPF: "policy_check: local a@example.com -> remote b@example.org (AUTHENTICATED SENDER)"
 * (policy.c); addresses with a space in them could be anything. */
static MtParse
read_policy(MtCursor *cur, MtEvent *event)
{
  MtSpan place, sender, to, recipient;

  if (!mt_scan_until(cur, ' ', &place) || !mt_scan_until(cur, ' ', &sender) || !MT_SCAN(cur, "-> ")
      || !mt_scan_until(cur, ' ', &to) || !mt_scan_token(cur, " ", &recipient))
    return MT_PARSE_MATCH;
  mt_event_set_text(event, MT_F_SENDER, sender);
  mt_event_set_text(event, MT_F_RECIPIENT, recipient);
  if (MT_SPAN_IS(place, "local") && MT_SPAN_IS(mt_cursor_rest(cur), " (AUTHENTICATED SENDER)"))
    mt_event_set_text(event, MT_F_AUTH_USER, sender);
  return MT_PARSE_MATCH;
}

/* ---- tcpserver.c, sslserver --------------------------------------------------------------- */

/* "210485 from 198.51.100.4" */
static MtParse
read_arrival(MtCursor *cur, MtEvent *event)
{
  if (!scan_session(cur, event) || !MT_SCAN(cur, " from "))
    return MT_PARSE_SKIP;
  mt_event_set_ip(event, MT_F_CLIENT_IP, mt_cursor_rest(cur));
  return MT_PARSE_MATCH;
}

static gboolean
scan_port(MtSpan text, MtField field, MtEvent *event)
{
  guint64 port;

  if (!mt_span_to_u64(text, &port) || port > 65535)
    return FALSE;
  mt_event_set_number(event, field, port);
  return TRUE;
}

/* "name:192.0.2.10:25"; tcpserver writes '?' for a ':' in a name, so those around an
 * IPv6 address are the first and the last. */
static void
read_local_end(MtSpan end, MtEvent *event)
{
  const gchar *first = end.len ? memchr(end.at, ':', end.len) : NULL;
  const gchar *last = first ? memrchr(end.at, ':', end.len) : NULL;

  if (last == first || !scan_port(behind(end, last, 1), MT_F_LOCAL_PORT, event))
    return;
  mt_event_set_ip(event, MT_F_LOCAL_IP, mt_span(first + 1, last - first - 1));
}

/* "name:198.51.100.4:info:56124" */
static void
read_remote_end(MtSpan end, MtEvent *event)
{
  const gchar *first = end.len ? memchr(end.at, ':', end.len) : NULL;
  const gchar *last = first ? memrchr(end.at, ':', end.len) : NULL;
  const gchar *info;

  if (last == first || !scan_port(behind(end, last, 1), MT_F_CLIENT_PORT, event))
    return;
  info = memrchr(first + 1, ':', last - first - 1);
  if (!info)
    return;
  set_client_name(event, before(end, first));
  mt_event_set_ip(event, MT_F_CLIENT_IP, mt_span(first + 1, info - first - 1));
}

/* "210485 mail.example.com:192.0.2.10:25 client.example.org:198.51.100.4::56124" */
static MtParse
read_ends(MtCursor *cur, MtEvent *event)
{
  MtSpan local;

  if (!scan_session(cur, event) || !mt_scan_char(cur, ' ') || !mt_scan_until(cur, ' ', &local))
    return MT_PARSE_SKIP;
  read_local_end(local, event);
  read_remote_end(mt_cursor_rest(cur), event);
  return MT_PARSE_MATCH;
}

static MtParse
read_denied(MtCursor *cur, MtEvent *event)
{
  mt_event_set_word(event, MT_F_ACTION, MT_WORD_REJECT);
  MT_EVENT_SET_LITERAL(event, MT_F_STAGE, "CONNECT");
  MT_EVENT_SET_LITERAL(event, MT_F_REASON, "denied by tcpserver");
  return read_ends(cur, event);
}

/* "210485 status 256" */
static MtParse
read_end(MtCursor *cur, MtEvent *event)
{
  if (!scan_session(cur, event) || !mt_scan_char(cur, ' '))
    return MT_PARSE_SKIP;
  return take_reason(cur, event);
}

/* ---- rblsmtpd.c, jgreylist ------------------------------------------------------------------ */

/* "198.51.100.7 pid 27730: 451 http://..." */
static MtParse
read_rbl(MtCursor *cur, MtEvent *event)
{
  MtSpan ip, code;

  if (!mt_scan_until(cur, ' ', &ip) || !mt_event_set_ip(event, MT_F_CLIENT_IP, ip)
      || !MT_SCAN(cur, "pid ") || !scan_session(cur, event) || !MT_SCAN(cur, ": "))
    return MT_PARSE_SKIP;
  MT_EVENT_SET_LITERAL(event, MT_F_STAGE, "CONNECT");
  if (!scan_digits(cur, &code) || code.len != 3 || (code.at[0] != '4' && code.at[0] != '5'))
    {
      event->kind = MT_EVENT_NOTICE;
      mt_event_drop(event, MT_F_STAGE);
      return take_reason(cur, event);
    }
  mt_event_set_number(event, MT_F_CODE,
                      (code.at[0] - '0') * 100 + (code.at[1] - '0') * 10 + code.at[2] - '0');
  mt_event_set_word(event, MT_F_ACTION, code.at[0] == '4' ? MT_WORD_DEFER : MT_WORD_REJECT);
  return take_reason(cur, event);
}

static const struct
{
  MtSpan text;
  MtEventKind kind;
  MtWord action;
} greylistings[] = {
  { MT_SPAN_INIT("OK"), MT_EVENT_NOTICE, MT_WORD_NONE },
  { MT_SPAN_INIT("GREY"), MT_EVENT_REJECT, MT_WORD_DEFER },
  { MT_SPAN_INIT("DENY"), MT_EVENT_REJECT, MT_WORD_REJECT },
};

/* "198.51.100.7 GREY first time" (qmail.jms1.net/scripts/jgreylist.shtml) */
static MtParse
read_greylisting(MtCursor *cur, MtEvent *event)
{
  MtSpan ip, reason;

  if (!mt_scan_until(cur, ' ', &ip) || !mt_event_set_ip(event, MT_F_CLIENT_IP, ip))
    return MT_PARSE_SKIP;
  reason = mt_cursor_rest(cur);
  for (guint i = 0; i < G_N_ELEMENTS(greylistings); i++)
    {
      if (!mt_scan_span(cur, greylistings[i].text))
        continue;
      event->kind = greylistings[i].kind;
      mt_event_set_text(event, MT_F_REASON, reason);
      if (greylistings[i].action)
        {
          mt_event_set_word(event, MT_F_ACTION, greylistings[i].action);
          MT_EVENT_SET_LITERAL(event, MT_F_STAGE, "CONNECT");
        }
      return MT_PARSE_MATCH;
    }
  return MT_PARSE_SKIP;
}

/* ---- qmail-smtpd of s/qmail and its kin (smtpdlog.c) ------------------------------- */

/* HELO, sender and recipient are the client's, and may hold each other's marks: they are
 * read where each mark stands once.  What stands in front of them is ours. */
static void
read_envelope(MtSpan text, MtEvent *event)
{
  const gchar *from = find_sole(text, MT_SPAN(" F:")), *to = find_sole(text, MT_SPAN(" T:"));

  if (from && to && from < to)
    {
      mt_event_set_text(event, MT_F_HELO, before(text, from));
      mt_event_set_text(event, MT_F_SENDER, mt_span(from + 3, to - from - 3));
      mt_event_set_text(event, MT_F_RECIPIENT, behind(text, to, 3));
    }
  else if (!mt_span_find(text, MT_SPAN(" F:")) && !mt_span_find(text, MT_SPAN(" T:")))
    set_if_any(event, MT_F_HELO, text);
}

/* "P:ESMTPS S:192.0.2.7:client.example.org H:helo F:... T:... ?~ 'user'"; a name may hold no
 * ':', an address may: the last one parts them. */
static gboolean
read_smtp_state(MtCursor *cur, MtEvent *event, MtSpan *user)
{
  MtSpan protocol, peer, rest;
  const gchar *mark, *colon;

  if (!MT_SCAN(cur, "P:") || !mt_scan_until(cur, ' ', &protocol) || !MT_SCAN(cur, "S:")
      || !mt_scan_until(cur, ' ', &peer) || !MT_SCAN(cur, "H:"))
    return FALSE;
  set_if_any(event, MT_F_PROTOCOL, protocol);
  colon = peer.len ? memrchr(peer.at, ':', peer.len) : NULL;
  if (colon && mt_event_set_ip(event, MT_F_CLIENT_IP, before(peer, colon)))
    set_client_name(event, behind(peer, colon, 1));
  rest = mt_cursor_rest(cur);
  *user = MT_NO_SPAN;
  mark = mt_span_find_last(rest, MT_SPAN(" ?~ '"));
  if (mark && rest.at[rest.len - 1] == '\'' && behind(rest, mark, 5).len)
    {
      *user = behind(rest, mark, 5);
      user->len--;
      rest.len = mark - rest.at;
    }
  read_envelope(rest, event);
  return TRUE;
}

static void
set_login(MtEvent *event, MtEventKind kind, MtSpan method, MtSpan user)
{
  event->kind = kind;
  mt_event_set_word(event, MT_F_SERVICE, MT_WORD_SMTP);
  set_if_any(event, MT_F_AUTH_METHOD, method);
  set_if_any(event, MT_F_ACCOUNT, user);
}

/* "100 Accept::AUTH::plain P:... ?~ 'user'", "100 Accept::RCPT::Rcpthosts_Rcptto P:..." */
static MtParse
read_accepted(MtCursor *cur, MtEvent *event)
{
  MtSpan what, user;

  if (!mt_scan_until(cur, ' ', &what) || !read_smtp_state(cur, event, &user))
    return MT_PARSE_SKIP;
  if (MT_SPAN_STARTS(what, "AUTH::"))
    set_login(event, MT_EVENT_LOGIN, mt_span(what.at + 6, what.len - 6), user);
  else
    mt_event_set_text(event, MT_F_REASON, what);
  return MT_PARSE_MATCH;
}

static const struct
{
  MtSpan prefix;
  MtSpan stage;
} stages[] = {
  { MT_SPAN_INIT("DATA::"), MT_SPAN_INIT("END-OF-MESSAGE") },
  { MT_SPAN_INIT("AUTH::"), MT_SPAN_INIT("MAIL") },
  { MT_SPAN_INIT("TLS::"), MT_SPAN_INIT("MAIL") },
  { MT_SPAN_INIT(""), MT_SPAN_INIT("RCPT") },
};

static void
set_refusal(MtEvent *event, MtSpan what)
{
  guint i = 0;

  while (!mt_span_starts(what, stages[i].prefix))
    i++;
  mt_event_set_text(event, MT_F_STAGE, stages[i].stage);
  mt_event_set_text(event, MT_F_REASON, what);
  mt_event_set_word(event, MT_F_ACTION,
                    MT_SPAN_IS(what, "RCPT::Toomany_Rcptto") ? MT_WORD_DEFER : MT_WORD_REJECT);
}

/* "100 Reject::AUTH::login P:... ?~ 'user'", "100 Reject::SNDR::Invalid_Relay P:..." */
static MtParse
read_refused(MtCursor *cur, MtEvent *event)
{
  MtSpan what, user;

  if (!mt_scan_until(cur, ' ', &what) || !read_smtp_state(cur, event, &user))
    return MT_PARSE_SKIP;
  if (MT_SPAN_STARTS(what, "AUTH::") && !MT_SPAN_IS(what, "AUTH::missing"))
    {
      set_login(event, MT_EVENT_LOGIN_FAILED, mt_span(what.at + 6, what.len - 6), user);
      MT_EVENT_SET_LITERAL(event, MT_F_REASON, "auth-failed");
    }
  else
    set_refusal(event, what);
  return MT_PARSE_MATCH;
}

/* "pid 100 Accept::..." */
static MtParse
read_smtpd_line(MtCursor *cur, MtEvent *event)
{
  if (!scan_session(cur, event) || !mt_scan_char(cur, ' '))
    return MT_PARSE_SKIP;
  if (MT_SCAN(cur, "Accept::"))
    return read_accepted(cur, event);
  event->kind = MT_EVENT_REJECT;
  return MT_SCAN(cur, "Reject::") ? read_refused(cur, event) : MT_PARSE_SKIP;
}

/* ---- qmail-smtpd of jms1 (qmail-1.03-jms1) ----------------------------------------- */

/* "[198.51.100.7] alice@example.com" */
static gboolean
scan_bracketed_ip(MtCursor *cur, MtEvent *event)
{
  MtSpan ip;

  return mt_scan_char(cur, '[') && mt_scan_until(cur, ']', &ip)
         && mt_event_set_ip(event, MT_F_CLIENT_IP, ip) && mt_scan_char(cur, ' ');
}

static MtParse
read_auth(MtCursor *cur, MtEvent *event)
{
  MtSpan user;

  if (!scan_bracketed_ip(cur, event))
    return MT_PARSE_SKIP;
  user = mt_cursor_rest(cur);
  if (user.len > 1 && user.at[0] == '<' && user.at[user.len - 1] == '>')
    user = mt_span(user.at + 1, user.len - 2);
  set_login(event, event->kind, MT_NO_SPAN, user);
  if (event->kind == MT_EVENT_LOGIN_FAILED)
    MT_EVENT_SET_LITERAL(event, MT_F_REASON, "auth-failed");
  return MT_PARSE_MATCH;
}

static MtParse
read_address(MtCursor *cur, MtField field, MtEvent *event)
{
  MtSpan address;

  mt_scan_char(cur, ':');
  mt_scan_char(cur, ' ');
  if (!mt_scan_angle(cur, &address))
    return MT_PARSE_SKIP;
  mt_event_set_text(event, field, address);
  return MT_PARSE_MATCH;
}

static MtParse
read_mail_from(MtCursor *cur, MtEvent *event)
{
  return read_address(cur, MT_F_SENDER, event);
}

static MtParse
read_rcpt_to(MtCursor *cur, MtEvent *event)
{
  return read_address(cur, MT_F_RECIPIENT, event);
}

/* "Received-SPF: softfail (mx.example.com: ...)" */
static MtParse
read_spf(MtCursor *cur, MtEvent *event)
{
  MtSpan word;

  if (!mt_scan_class(cur, MT_CHAR_LOWER, &word))
    return MT_PARSE_SKIP;
  MT_EVENT_SET_LITERAL(event, MT_F_FILTER, "spf");
  mt_event_set_text(event, MT_F_SPF, word);
  return MT_PARSE_MATCH;
}

/* "before greeting: [198.51.100.7] client disconnected" (greetdelay) */
static MtParse
read_early_talker(MtCursor *cur, MtEvent *event)
{
  if (!scan_bracketed_ip(cur, event))
    return MT_PARSE_SKIP;
  return take_reason(cur, event);
}

/* ---- chkuser.c (chkuser-2.0.9; sagredo's qmail) ------------------------------------ */

/* "a@example.org|remoteinfo/auth:bob@example.com|chkuser-identify:", or with ':' between:
 * the sender is the client's text, so the parts behind are taken from the end. */
static void
read_chkuser_sender(MtSpan text, MtEvent *event)
{
  const gchar *info = mt_span_find_last(text, MT_SPAN("|remoteinfo/auth:"));
  const gchar *identity = mt_span_find_last(text, MT_SPAN("|chkuser-identify:"));

  if (info && identity && info < identity)
    {
      set_if_any(event, MT_F_AUTH_USER, mt_span(info + 17, identity - info - 17));
      mt_event_set_text(event, MT_F_SENDER, before(text, info));
      return;
    }
  identity = text.len ? memrchr(text.at, ':', text.len) : NULL;
  info = identity ? memrchr(text.at, ':', identity - text.at) : NULL;
  if (!info)
    return;
  set_if_any(event, MT_F_AUTH_USER, mt_span(info + 1, identity - info - 1));
  mt_event_set_text(event, MT_F_SENDER, before(text, info));
}

/* "helo:mail.example.org|remotehostname:mail.example.org|remotehostip:192.0.2.7", or with ':' */
static void
read_chkuser_remote(MtSpan text, MtEvent *event)
{
  static const MtSpan name_mark = MT_SPAN_INIT("|remotehostname:");
  static const MtSpan ip_mark = MT_SPAN_INIT("|remotehostip:");
  const gchar *ip = mt_span_find_last(text, ip_mark);
  const gchar *name = ip ? mt_span_find_last(before(text, ip), name_mark) : NULL;

  if (name && MT_SPAN_STARTS(text, "helo:"))
    {
      mt_event_set_ip(event, MT_F_CLIENT_IP, behind(text, ip, ip_mark.len));
      set_client_name(event, mt_span(name + name_mark.len, ip - name - name_mark.len));
      set_if_any(event, MT_F_HELO, mt_span(text.at + 5, name - text.at - 5));
      return;
    }
  ip = text.len ? memrchr(text.at, ':', text.len) : NULL;
  name = ip ? memrchr(text.at, ':', ip - text.at) : NULL;
  if (!name)
    return;
  mt_event_set_ip(event, MT_F_CLIENT_IP, behind(text, ip, 1));
  set_client_name(event, mt_span(name + 1, ip - name - 1));
  set_if_any(event, MT_F_HELO, before(text, name));
}

/* "from <...> remote <...> rcpt <...> : found existing recipient".  A client can write the
 * marks between the parts, too; where one stands twice only the end is ours for sure. */
static MtParse
read_chkuser(MtCursor *cur, MtEvent *event)
{
  static const MtSpan remote_mark = MT_SPAN_INIT("> remote <"),
                      rcpt_mark = MT_SPAN_INIT("> rcpt <");
  MtSpan rest = mt_cursor_rest(cur);
  const gchar *end = mt_span_find_last(rest, MT_SPAN("> : "));
  const gchar *remote = find_sole(rest, remote_mark), *rcpt = find_sole(rest, rcpt_mark);

  if (!end || !mt_span_starts(rest, MT_SPAN(": from <")))
    return MT_PARSE_SKIP;
  mt_event_set_text(event, MT_F_REASON, behind(rest, end, 4));
  if (!remote || !rcpt || remote > rcpt || rcpt + rcpt_mark.len > end)
    return MT_PARSE_MATCH;
  read_chkuser_sender(mt_span(rest.at + 8, remote - rest.at - 8), event);
  read_chkuser_remote(mt_span(remote + remote_mark.len, rcpt - remote - remote_mark.len), event);
  set_if_any(event, MT_F_RECIPIENT, mt_span(rcpt + rcpt_mark.len, end - rcpt - rcpt_mark.len));
  return MT_PARSE_MATCH;
}

static MtParse
read_chkuser_refusal(MtCursor *cur, MtEvent *event)
{
  const MtRule *rule = event->rule;
  MtParse parse = read_chkuser(cur, event);
  MtSpan reason = mt_event_text(event, MT_F_REASON);

  mt_event_set_word(event, MT_F_ACTION,
                    mt_span_find(reason, MT_SPAN("temporary")) ? MT_WORD_DEFER : MT_WORD_REJECT);
  mt_event_set_text(event, MT_F_STAGE,
                    MT_SPAN_ENDS(rule->prefix, "sender") ? MT_SPAN("MAIL") : MT_SPAN("RCPT"));
  return parse;
}

/* ---- simscan.c --------------------------------------------------------------------- */

static const struct
{
  MtSpan state;
  MtWord action;
} states[] = {
  { MT_SPAN_INIT("CLEAN"), MT_WORD_PASS },
  { MT_SPAN_INIT("PASSTHRU"), MT_WORD_PASS },
  { MT_SPAN_INIT("SPAM DROPPED"), MT_WORD_DISCARD },
  { MT_SPAN_INIT("SPAM REJECT"), MT_WORD_REJECT },
  { MT_SPAN_INIT("REJECT"), MT_WORD_REJECT },
  { MT_SPAN_INIT("VIRUS DROPPED"), MT_WORD_DISCARD },
  { MT_SPAN_INIT("VIRUS"), MT_WORD_REJECT },
  { MT_SPAN_INIT("ATTACH"), MT_WORD_REJECT },
};

/* Subject and addresses may hold ':', and so any address: the client's own is told only
 * where a single piece between two ':' is one. */
static gboolean
find_sole_ip(MtSpan text, MtSpan *found)
{
  MtCursor cur = mt_cursor(text);
  MtSpan piece;
  MtIp ip;
  guint count = 0;

  while (mt_scan_until(&cur, ':', &piece))
    if (piece.len >= 7 && mt_ip_parse(piece, &ip))
      {
        *found = piece;
        count++;
      }
  return count == 1;
}

/* "SUBJECT:192.0.2.7:a@example.org:b@example.com" */
static void
read_scanned_mail(MtSpan text, gboolean subject, MtEvent *event)
{
  MtSpan ip, addresses;
  const gchar *colon;

  if (!find_sole_ip(text, &ip))
    return;
  mt_event_set_ip(event, MT_F_CLIENT_IP, ip);
  if (ip.at > text.at)
    set_if_any(event, subject ? MT_F_SUBJECT : MT_F_VIRUS, mt_span(text.at, ip.at - text.at - 1));
  addresses = behind(text, ip.at, ip.len + 1);
  colon = find_sole(addresses, MT_SPAN(":"));
  if (!colon)
    return;
  mt_event_set_text(event, MT_F_SENDER, before(addresses, colon));
  mt_event_set_text(event, MT_F_RECIPIENT, behind(addresses, colon, 1));
}

static gboolean
scan_real(MtCursor *cur, MtField field, MtEvent *event)
{
  gchar text[24];
  MtSpan span;
  gchar *end;
  gdouble real;

  if (!mt_scan_token(cur, "/):", &span) || span.len >= sizeof text)
    return FALSE;
  memcpy(text, span.at, span.len);
  text[span.len] = '\0';
  real = g_ascii_strtod(text, &end);
  if (*end || end == text || !(real > -1e9 && real < 1e9))
    return FALSE;
  mt_event_set_real(event, field, real);
  return TRUE;
}

/* "CLEAN (-1.21/9999.00):3.3608s:SUBJECT:...", "VIRUS:0.0500s:NAME:..." */
static MtParse
read_scan_result(MtCursor *cur, MtEvent *event)
{
  MtSpan state, took;
  guint i = 0;

  if (!mt_scan_token(cur, ":(", &state))
    return MT_PARSE_SKIP;
  state = mt_span_trim(state);
  while (i < G_N_ELEMENTS(states) && !mt_span_equal(states[i].state, state))
    i++;
  if (i == G_N_ELEMENTS(states))
    return MT_PARSE_SKIP;
  if (mt_scan_char(cur, '(')
      && (!scan_real(cur, MT_F_SCORE, event) || !mt_scan_char(cur, '/')
          || !scan_real(cur, MT_F_REQUIRED, event) || !mt_scan_char(cur, ')')))
    return MT_PARSE_SKIP;
  if (!mt_scan_char(cur, ':') || !mt_scan_until(cur, ':', &took))
    return MT_PARSE_SKIP;
  event->kind = MT_EVENT_VERDICT;
  MT_EVENT_SET_LITERAL(event, MT_F_FILTER, "simscan");
  mt_event_set_word(event, MT_F_ACTION, states[i].action);
  read_scanned_mail(mt_cursor_rest(cur), !MT_SPAN_STARTS(state, "VIRUS"), event);
  return MT_PARSE_MATCH;
}

/* "simscan:[210394]: skipping check_spam, ..." tells of its work. */
static MtParse
read_simscan(MtCursor *cur, MtEvent *event)
{
  if (mt_scan_char(cur, ' '))
    return take_reason(cur, event);
  return read_scan_result(cur, event);
}

/* ---- qmail-scanner-queue.pl -------------------------------------------------------- */

/* "Clear:RC:1(192.0.2.7):SA:0(-1.2/5.0): 1.5 3021 a@example.org b@example.com ..."; tabs or
 * spaces between; the subject stands behind the addresses. */
static MtParse
read_scanner(MtCursor *cur, MtEvent *event)
{
  MtSpan flag, ip, piece;

  MT_EVENT_SET_LITERAL(event, MT_F_FILTER, "qmail-scanner");
  if (MT_SCAN(cur, "RC:") && scan_digits(cur, &flag) && mt_scan_char(cur, '(')
      && mt_scan_until(cur, ')', &ip))
    {
      mt_event_set_ip(event, MT_F_CLIENT_IP, ip);
      mt_scan_char(cur, ':');
    }
  if (MT_SCAN(cur, "SA:") && scan_digits(cur, &flag) && mt_scan_char(cur, '(')
      && scan_real(cur, MT_F_SCORE, event) && mt_scan_char(cur, '/'))
    {
      scan_real(cur, MT_F_REQUIRED, event);
      MT_SCAN(cur, "):");
    }
  mt_scan_char(cur, '.');
  mt_scan_class(cur, MT_CHAR_DIGIT, &piece);
  while (mt_scan_char(cur, ' ') || mt_scan_char(cur, '\t'))
    ;
  if (mt_scan_token(cur, " \t", &piece) && cur->at++ < cur->end
      && scan_number(cur, MT_F_SIZE, event) && cur->at++ < cur->end
      && mt_scan_token(cur, " \t", &piece))
    {
      mt_event_set_text(event, MT_F_SENDER, piece);
      if (cur->at++ < cur->end && mt_scan_token(cur, " \t", &piece))
        mt_event_set_text(event, MT_F_RECIPIENT, piece);
    }
  return MT_PARSE_MATCH;
}

static MtParse
read_scanner_clear(MtCursor *cur, MtEvent *event)
{
  mt_event_set_word(event, MT_F_ACTION, MT_WORD_PASS);
  return read_scanner(cur, event);
}

static MtParse
read_scanner_spam(MtCursor *cur, MtEvent *event)
{
  mt_event_set_word(event, MT_F_ACTION, MT_WORD_TAG);
  return read_scanner(cur, event);
}

/* ---- tables ------------------------------------------------------------------------ */

static const MtRule send_rules[] = {
  /* qmail-send.c */
  MT_RULE("status: ", NOTICE, NULL, take_reason),
  MT_RULE("starting delivery ", DELIVERY, NULL, read_start),
  MT_RULE("delivery ", DELIVERY, NULL, read_result),
  MT_RULE("new msg ", ACCEPT, NULL, read_message),
  MT_RULE("info msg ", QUEUED, NULL, read_info),
  MT_RULE("end msg ", DEQUEUE, NULL, read_message),
  MT_RULE("bounce msg ", NOTIFICATION, NULL, read_bounce),
  MT_RULE("triple bounce: ", NOTICE, NULL, read_triple_bounce),
  MT_RULE("double bounce: ", NOTICE, NULL, read_double_bounce),
  MT_RULE("warning: ", NOTICE, NULL, take_reason),
  MT_RULE("alert: ", NOTICE, NULL, take_reason),
  MT_RULE("internal error: ", NOTICE, NULL, take_reason),
  /* qmail-smtpd.c, policy.c and chkuser.c of patched ones, in the same stream */
  MT_RULE("mail recv: pid ", ACCEPT, NULL, read_received),
  MT_RULE("policy_check: ", NOTICE, NULL, read_policy),
  MT_RULE("CHKUSER accepted rcpt", NOTICE, NULL, read_chkuser),
  MT_RULE("CHKUSER accepted any rcpt", NOTICE, NULL, read_chkuser),
  MT_RULE("CHKUSER accepted sender", NOTICE, NULL, read_chkuser),
  MT_RULE("CHKUSER relaying rcpt", NOTICE, NULL, read_chkuser),
  MT_RULE("CHKUSER rejected rcpt", REJECT, NULL, read_chkuser_refusal),
  MT_RULE("CHKUSER rejected sender", REJECT, NULL, read_chkuser_refusal),
  MT_RULE("CHKUSER rejected relaying", REJECT, NULL, read_chkuser_refusal),
  MT_RULE("CHKUSER mbx overquota", REJECT, NULL, read_chkuser_refusal),
  MT_RULE("CHKUSER intrusion threshold", REJECT, NULL, read_chkuser_refusal),
  MT_RULES_END,
};

static const MtRule tcpserver_rules[] = {
  /* ucspi-tcp-0.88/tcpserver.c */
  MT_RULE("status: ", NOTICE, NULL, take_reason), MT_RULE("pid ", CONNECT, NULL, read_arrival),
  MT_RULE("ok ", NOTICE, NULL, read_ends),        MT_RULE("deny ", REJECT, NULL, read_denied),
  MT_RULE("end ", DISCONNECT, NULL, read_end),    MT_RULE("warning: ", NOTICE, NULL, take_reason),
  MT_RULE("fatal: ", NOTICE, NULL, take_reason),  MT_RULES_END,
};

static const MtRule rblsmtpd_rules[] = {
  MT_RULE("fatal: ", NOTICE, NULL, take_reason),
  MT_RULE("", REJECT, NULL, read_rbl),
  MT_RULES_END,
};

static const MtRule jgreylist_rules[] = {
  MT_RULE("", NOTICE, NULL, read_greylisting),
  MT_RULES_END,
};

static const MtRule smtpd_rules[] = {
  MT_RULE("pid ", NOTICE, NULL, read_smtpd_line),
  MT_RULE("AUTH successful ", LOGIN, NULL, read_auth),
  MT_RULE("AUTH failed ", LOGIN_FAILED, NULL, read_auth),
  MT_RULE("MAIL FROM", NOTICE, NULL, read_mail_from),
  MT_RULE("RCPT TO", NOTICE, NULL, read_rcpt_to),
  MT_RULE("Received-SPF: ", VERDICT, NULL, read_spf),
  MT_RULE("before greeting: ", NOTICE, NULL, read_early_talker),
  MT_RULE("fatal: ", NOTICE, NULL, take_reason),
  MT_RULES_END,
};

static const MtRule simscan_rules[] = {
  MT_RULE("", NOTICE, NULL, read_simscan),
  MT_RULES_END,
};

static const MtRule scanner_rules[] = {
  MT_RULE("Clear:", VERDICT, NULL, read_scanner_clear),
  MT_RULE("SPAM:", VERDICT, NULL, read_scanner_spam),
  MT_RULES_END,
};

#define DAEMON(name, rules) \
  { \
    MT_SPAN_INIT(name), rules \
  }

static const Daemon daemons[] = {
  DAEMON("qmail", send_rules),          DAEMON("qmail-send", send_rules),
  DAEMON("qmail-todo", send_rules),     DAEMON("tcpserver", tcpserver_rules),
  DAEMON("sslserver", tcpserver_rules), DAEMON("rblsmtpd", rblsmtpd_rules),
  DAEMON("jgreylist", jgreylist_rules), DAEMON("qmail-smtpd", smtpd_rules),
  DAEMON("simscan", simscan_rules),     DAEMON("qmail-scanner", scanner_rules),
};

static const Daemon *
find_daemon(MtSpan name)
{
  for (guint i = 0; i < G_N_ELEMENTS(daemons); i++)
    if (mt_span_equal(daemons[i].name, name))
      return &daemons[i];
  return NULL;
}

/* ---- the dialect ------------------------------------------------------------------- */

static void
claim(MtSpan program, MtClaim *claim)
{
  claim->daemon = find_daemon(program);
  if (claim->daemon)
    claim->strength = MT_CLAIM_NAME;
}

/* splogger's stamp: "1258805101.123456 new msg 1" (splogger.c) */
static void
skip_splogger_stamp(MtCursor *cur)
{
  MtCursor try = *cur;
  MtSpan s, us;

  if (scan_digits(&try, &s) && mt_scan_char(&try, '.') && scan_digits(&try, &us) && us.len == 6
      && mt_scan_char(&try, ' '))
    *cur = try;
}

/* "tcpserver: ", "jgreylist[27730]: ", "simscan:[210394]:" in front of a line */
static const Daemon *
scan_tag(MtCursor *cur, MtEvent *event)
{
  MtCursor try = *cur;
  const Daemon *daemon;
  MtSpan name, pid;

  if (!mt_scan_token(&try, " :[", &name) || !(daemon = find_daemon(name)))
    return NULL;
  if (MT_SPAN_IS(name, "simscan"))
    mt_scan_char(&try, ':');
  if (mt_scan_char(&try, '['))
    {
      mt_scan_char(&try, '[');
      if (!mt_scan_until(&try, ']', &pid) || !mt_span_is_all(pid, MT_CHAR_DIGIT))
        return NULL;
      mt_event_set_text(event, MT_F_SESSION, pid);
    }
  if (!mt_scan_char(&try, ':'))
    return NULL;
  if (daemon->rules != simscan_rules)
    mt_scan_char(&try, ' ');
  *cur = try;
  return daemon;
}

static MtParse
parse(const MtLine *line, const MtClaim *claim, MtEvent *event)
{
  MtCursor cur = mt_cursor(line->text);
  const Daemon *tag, *daemon = claim->daemon;

  skip_splogger_stamp(&cur);
  tag = scan_tag(&cur, event);
  return mt_rules_apply((tag ? tag : daemon)->rules, mt_cursor_rest(&cur), event);
}

/* ---- multilog files ---------------------------------------------------------------- */

/* What the lines of this family begin with, behind the stamp. */
static const MtSpan beginnings[] = {
  MT_SPAN_INIT("status: "),    MT_SPAN_INIT("starting delivery "), MT_SPAN_INIT("delivery "),
  MT_SPAN_INIT("new msg "),    MT_SPAN_INIT("info msg "),          MT_SPAN_INIT("end msg "),
  MT_SPAN_INIT("bounce msg "), MT_SPAN_INIT("tcpserver: "),        MT_SPAN_INIT("sslserver: "),
  MT_SPAN_INIT("rblsmtpd: "),  MT_SPAN_INIT("jgreylist["),         MT_SPAN_INIT("qmail-smtpd"),
  MT_SPAN_INIT("simscan:"),    MT_SPAN_INIT("CHKUSER "),           MT_SPAN_INIT("mail recv: "),
  MT_SPAN_INIT("spamdyke["),   MT_SPAN_INIT("policy_check: "),
};

/* "@400000004bdf95342c638c5c text", or "2010-05-04 03:48:24.744721500 text" as tai64nlocal
 * makes of it, which no other writes with nine digits. */
static gboolean
scan_stamp(MtCursor *cur, MtClock *clock, MtTime *out)
{
  MtCursor try = *cur;

  if (mt_scan_stamp_tai64n(&try, out))
    ;
  else if (mt_cursor_left(&try) < 30 || try.at[10] != ' ' || try.at[19] != '.' || try.at[29] != ' '
           || !mt_scan_stamp_iso(&try, clock, out) || try.at != cur->at + 29)
    return FALSE;
  if (!mt_scan_char(&try, ' '))
    return FALSE;
  while (mt_scan_char(&try, ' '))
    ;
  *cur = try;
  return TRUE;
}

static gint
sniff(MtSpan raw)
{
  MtCursor cur = mt_cursor(raw);
  MtClock clock;
  MtTime time;

  if (!raw.len || (raw.at[0] != '@' && !mt_is_class(raw.at[0], MT_CHAR_DIGIT)))
    return 0;
  mt_clock_init(&clock, NULL, 0, 0);
  if (!scan_stamp(&cur, &clock, &time))
    return 0;
  for (guint i = 0; i < G_N_ELEMENTS(beginnings); i++)
    if (mt_span_starts(mt_cursor_rest(&cur), beginnings[i]))
      return 100;
  return 0;
}

/* Lines of other stamps in the same file are syslog's. */
static gboolean
head(MtSpan raw, MtStream *stream, MtLine *out)
{
  MtCursor cur = mt_cursor(raw);

  if (!scan_stamp(&cur, &stream->clock, &out->time))
    return mt_line_scan(raw, &stream->clock, out);
  out->text = mt_cursor_rest(&cur);
  if (MT_SPAN_STARTS(out->text, "spamdyke[")) /* a program of its own, in qmail-smtpd's stream */
    return mt_line_scan_tag(out->text, out);
  out->program = MT_SPAN("qmail");
  return TRUE;
}

static const MtFileFormat file_format = { sniff, head };

static const MtRule *const all_rules[] = {
  send_rules,  tcpserver_rules, rblsmtpd_rules, jgreylist_rules,
  smtpd_rules, simscan_rules,   scanner_rules,  NULL,
};

const MtDialect mt_dialect_qmail = {
  .name = "qmail",
  .claim = claim,
  .parse = parse,
  .rules = all_rules,
  .file = &file_format,
};
