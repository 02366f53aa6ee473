/* courier.c: the Courier mail server and Courier-IMAP
 *
 * Layer: dialects.  Concurrency: any thread; no state.
 *
 * The literals are those of courier 0.60 to 1.3 (courier/courierd.C, cdmsgq*.C,
 * module.esmtp/courieresmtpd.c, module.local/courierlocal.c, libs/comlog.c) and
 * courier-imap 4 and 5 (imap/imaplogin.c, pop3dserver.c, tcpd/couriertcpd.c,
 * tcpd/tlsclient.c).  Control characters are '?' or '.' by then (courier_safe_printf(),
 * clog_msg_str()).  A user, a HELO name and an SMTP command are the client's: the
 * address is what stands last of its kind, or in front of them.
 */
#include "dialects/dialect.h"

typedef struct
{
  MtSpan name;
  MtWord service;
  const MtRule *rules;
  MtClaimStrength strength;
  gboolean tls;
} Program;

/* ---- pieces -------------------------------------------------------------------- */

static MtParse
take_whole(MtCursor *cur, MtEvent *event)
{
  gsize prefix = ((const MtRule *) event->rule)->prefix.len;

  mt_event_set_text(event, MT_F_REASON, mt_span(cur->at - prefix, cur->end - cur->at + prefix));
  return MT_PARSE_MATCH;
}

/* Queue IDs: "0000000000010EC7.4B6CB6B4.000055A7": inode, time, process. */
static gboolean
scan_queue_id(MtCursor *cur, MtEvent *event)
{
  const gchar *at = cur->at;

  while (at < cur->end && (mt_is_class(*at, MT_CHAR_HEX) || *at == '.'))
    at++;
  if (at == cur->at)
    return FALSE;
  mt_event_set_text(event, MT_F_QUEUE_ID, mt_span(cur->at, at - cur->at));
  cur->at = at;
  return TRUE;
}

/* "<address>": it ends where courieresmtpd.c, skipaddress() says, at a '>' outside quotes,
 * which may stand anywhere. */
static gboolean
scan_angle(MtCursor *cur, MtSpan *out)
{
  const gchar *at = cur->at + 1;
  gboolean quoted = FALSE;

  if (mt_cursor_peek(cur) != '<')
    return FALSE;
  for (; at < cur->end && (quoted || *at != '>'); at++)
    if (*at == '"')
      quoted = !quoted;
    else if (*at == '\\' && at + 1 < cur->end)
      at++;
  if (at >= cur->end)
    return FALSE;
  *out = mt_span(cur->at + 1, at - cur->at - 1);
  cur->at = at + 1;
  return TRUE;
}

static gboolean
scan_address(MtCursor *cur, MtSpan key, MtField field, MtEvent *event)
{
  MtCursor try = *cur;
  MtSpan address;

  if (!mt_scan_span(&try, key) || !scan_angle(&try, &address))
    return FALSE;
  mt_event_set_text(event, field, address);
  *cur = try;
  return TRUE;
}

/* "550 5.1.1 User unknown.": code and enhanced status, where there are any. */
static guint64
read_codes(MtSpan reply, MtEvent *event)
{
  MtCursor cur = mt_cursor(reply);
  guint64 code;
  MtSpan dsn;

  if (!mt_scan_u64(&cur, &code) || code < 200 || code > 599)
    return 0;
  if ((mt_scan_char(&cur, ' ') || mt_scan_char(&cur, '-')) && mt_scan_dsn(&cur, &dsn))
    mt_event_set_text(event, MT_F_DSN, dsn);
  return code;
}

/* ---- courierd, courierlocal, courieresmtp: the queue ------------------------------ */

/* "dns; HELO (NAME [IP])": the address is what the server put last. */
static void
read_received_from(MtSpan text, MtEvent *event)
{
  static const MtSpan dns = MT_SPAN_INIT("dns; ");
  const gchar *bracket, *open;
  MtSpan name;

  if (!mt_span_starts(text, dns) || !MT_SPAN_ENDS(text, "])"))
    return;
  text = mt_span(text.at + dns.len, text.len - dns.len - 2);
  bracket = text.len ? memrchr(text.at, '[', text.len) : NULL;
  if (!bracket
      || !mt_event_set_ip(event, MT_F_CLIENT_IP,
                          mt_span(bracket + 1, text.at + text.len - bracket - 1)))
    return;
  open = mt_span_find_last(mt_span(text.at, bracket - text.at), MT_SPAN(" ("));
  if (!open)
    return;
  name = mt_span_trim(mt_span(open + 2, bracket - open - 2));
  if (name.len)
    mt_event_set_text(event, MT_F_CLIENT_NAME, name);
  mt_event_set_text(event, MT_F_HELO, mt_span(text.at, open - text.at));
}

/* "newmsg,id=ID, auth=bob: dns; helo (name [::ffff:192.0.2.1])"; a user's name may hold ": " */
static MtParse
read_new_message(MtCursor *cur, MtEvent *event)
{
  MtSpan user;

  if (!scan_queue_id(cur, event))
    return MT_PARSE_MALFORMED;
  if (!MT_SCAN(cur, ", auth="))
    MT_SCAN(cur, ": ");
  else if (MT_SCAN_UNTIL(cur, ": dns; ", &user))
    {
      mt_event_set_text(event, MT_F_AUTH_USER, user);
      cur->at -= strlen("dns; ");
    }
  else
    {
      mt_event_set_text(event, MT_F_AUTH_USER, mt_cursor_rest(cur));
      return MT_PARSE_MATCH;
    }
  read_received_from(mt_cursor_rest(cur), event);
  return MT_PARSE_MATCH;
}

/* "started,id=ID,from=<S>,module=esmtp,host=example.org,addr=<R>": one attempt begins. */
static MtParse
read_started(MtCursor *cur, MtEvent *event)
{
  const gchar *addr;
  MtSpan module;

  if (!scan_queue_id(cur, event) || !scan_address(cur, MT_SPAN(",from="), MT_F_SENDER, event)
      || !MT_SCAN(cur, ",module=") || !mt_scan_token(cur, ",", &module))
    return MT_PARSE_MALFORMED;
  mt_event_set_text(event, MT_F_TRANSPORT, module);
  addr = mt_span_find_last(mt_cursor_rest(cur), MT_SPAN(",addr=<"));
  if (addr)
    {
      cur->at = addr;
      scan_address(cur, MT_SPAN(",addr="), MT_F_RECIPIENT, event);
    }
  return MT_PARSE_MATCH;
}

static MtParse
read_completed(MtCursor *cur, MtEvent *event)
{
  return scan_queue_id(cur, event) ? MT_PARSE_MATCH : MT_PARSE_MALFORMED;
}

/* "delivered: mx.example.org [192.0.2.25]" of courieresmtp, a text of the others. */
static MtParse
read_success(MtCursor *cur, MtEvent *event)
{
  MtCursor peer = *cur;
  MtSpan name, ip;

  event->kind = MT_EVENT_DELIVERY;
  mt_event_set_word(event, MT_F_STATUS, MT_WORD_SENT);
  if (MT_SCAN(&peer, "delivered: ") && MT_SCAN_UNTIL(&peer, " [", &name)
      && mt_scan_until(&peer, ']', &ip))
    {
      mt_event_set_text(event, MT_F_RELAY_NAME, name);
      mt_event_set_ip(event, MT_F_RELAY_IP, ip);
    }
  else if (cur->at < cur->end)
    mt_event_set_text(event, MT_F_REPLY, mt_cursor_rest(cur));
  return MT_PARSE_MATCH;
}

/* A success has had its own line. */
static MtParse
read_status(MtCursor *cur, MtEvent *event)
{
  event->kind = MT_EVENT_DELIVERY;
  if (MT_SCAN(cur, "deferred"))
    mt_event_set_word(event, MT_F_STATUS, MT_WORD_DEFERRED);
  else if (MT_SCAN(cur, "failure"))
    mt_event_set_word(event, MT_F_STATUS, MT_WORD_BOUNCED);
  else if (MT_SCAN(cur, "success"))
    event->kind = MT_EVENT_NOTICE;
  else
    return MT_PARSE_MALFORMED;
  return MT_PARSE_MATCH;
}

/* "id=ID,from=<S>,addr=<R>[,size=N]", then what was answered (": 550 ...", before the
 * status), "success: ...", or "status: ...". */
static MtParse
read_attempt(MtCursor *cur, MtEvent *event)
{
  guint64 size;

  if (!scan_queue_id(cur, event) || !scan_address(cur, MT_SPAN(",from="), MT_F_SENDER, event)
      || !scan_address(cur, MT_SPAN(",addr="), MT_F_RECIPIENT, event))
    return MT_PARSE_MALFORMED;
  if (MT_SCAN(cur, ",size=") && mt_scan_u64(cur, &size))
    mt_event_set_number(event, MT_F_SIZE, size);
  if (MT_SCAN(cur, ",success: "))
    return read_success(cur, event);
  if (MT_SCAN(cur, ",status: "))
    return read_status(cur, event);
  if (!MT_SCAN(cur, ": "))
    return MT_PARSE_SKIP;
  mt_event_set_text(event, MT_F_REPLY, mt_cursor_rest(cur));
  read_codes(mt_cursor_rest(cur), event);
  return MT_PARSE_MATCH;
}

static const MtRule queue_rules[] = {
  MT_RULE("newmsg,id=", ACCEPT, NULL, read_new_message),
  MT_RULE("started,id=", QUEUED, NULL, read_started),
  MT_RULE("completed,id=", DEQUEUE, NULL, read_completed),
  MT_RULE("id=", NOTICE, NULL, read_attempt),
  MT_RULE("Waiting.  shutdown time=", NOTICE, NULL, NULL),
  MT_RULE("Loading ", NOTICE, NULL, take_whole),
  MT_RULE("Started ", NOTICE, NULL, take_whole),
  MT_RULE("Initializing ", NOTICE, NULL, take_whole),
  MT_RULE("Installing ", NOTICE, NULL, take_whole),
  MT_RULE("Purging ", NOTICE, NULL, take_whole),
  MT_RULE("queuelo=", NOTICE, NULL, take_whole),
  MT_RULES_END,
};

/* ---- courieresmtpd ------------------------------------------------------------------- */

/* "[::ffff:192.0.2.1]" and, of newer versions, ",port=[1234]" */
static gboolean
scan_bracketed_ip(MtCursor *cur, MtEvent *event)
{
  MtSpan ip;

  return mt_scan_char(cur, '[') && mt_scan_until(cur, ']', &ip)
         && mt_event_set_ip(event, MT_F_CLIENT_IP, ip);
}

static MtParse
read_smtp_connect(MtCursor *cur, MtEvent *event)
{
  guint64 port;

  if (!scan_bracketed_ip(cur, event))
    return MT_PARSE_MALFORMED;
  if (MT_SCAN(cur, ",port=[") && mt_scan_u64(cur, &port))
    mt_event_set_number(event, MT_F_CLIENT_PORT, port);
  return MT_PARSE_MATCH;
}

/* 'from=<S>,to=<R>: 550 User unknown.' */
static MtParse
read_refusal(MtCursor *cur, MtEvent *event)
{
  guint64 code;

  MT_EVENT_SET_LITERAL(event, MT_F_STAGE, "MAIL");
  if (scan_address(cur, MT_SPAN(",to="), MT_F_RECIPIENT, event))
    MT_EVENT_SET_LITERAL(event, MT_F_STAGE, "RCPT");
  if (!MT_SCAN(cur, ": "))
    return MT_PARSE_MALFORMED;
  code = read_codes(mt_cursor_rest(cur), event);
  mt_event_set_word(event, MT_F_ACTION, code >= 400 && code < 500 ? MT_WORD_DEFER : MT_WORD_REJECT);
  if (code)
    mt_event_set_number(event, MT_F_CODE, code);
  mt_event_set_text(event, MT_F_REASON, mt_cursor_rest(cur));
  return MT_PARSE_MATCH;
}

/* 'msg="535 Authentication failed.",cmd: ...': the command may be a password. */
static MtParse
read_error_message(MtCursor *cur, MtEvent *event)
{
  MtSpan message;

  if (!MT_SCAN_UNTIL(cur, "\",cmd: ", &message))
    return MT_PARSE_MALFORMED;
  if (MT_SPAN_STARTS(message, "535 "))
    {
      event->kind = MT_EVENT_LOGIN_FAILED;
      mt_event_set_word(event, MT_F_SERVICE, MT_WORD_SMTP);
      MT_EVENT_SET_LITERAL(event, MT_F_REASON, "auth-failed");
      return MT_PARSE_MATCH;
    }
  event->kind = MT_EVENT_NOTICE;
  mt_event_set_text(event, MT_F_REASON, message);
  return MT_PARSE_MATCH;
}

/* 'error,relay=IP[,port=N][,ident="I"],...' (module.esmtp/courieresmtpd.c) */
static MtParse
read_smtp_error(MtCursor *cur, MtEvent *event)
{
  MtSpan ip, ident;
  guint64 port;

  if (!mt_scan_token(cur, ",", &ip) || !mt_event_set_ip(event, MT_F_CLIENT_IP, ip))
    return MT_PARSE_MALFORMED;
  if (MT_SCAN(cur, ",port=") && mt_scan_u64(cur, &port))
    mt_event_set_number(event, MT_F_CLIENT_PORT, port);
  if (MT_SCAN(cur, ",ident=\"") && !mt_scan_until(cur, '"', &ident))
    return MT_PARSE_MALFORMED;
  if (MT_SCAN(cur, ",ident="))
    mt_scan_token(cur, ",", &ident);
  if (MT_SCAN(cur, ",msg=\""))
    return read_error_message(cur, event);
  if (!scan_address(cur, MT_SPAN(",from="), MT_F_SENDER, event))
    return MT_PARSE_SKIP;
  return read_refusal(cur, event);
}

static const MtRule smtp_rules[] = {
  MT_RULE("started,ip=", CONNECT, NULL, read_smtp_connect),
  MT_RULE("error,relay=", REJECT, NULL, read_smtp_error),
  MT_RULES_END,
};

/* ---- imapd, pop3d and their like ------------------------------------------------------- */

/* What stands behind the address: ", port=[1234], rcvd=12, sent=345, time=6, stls=1".  All of
 * it are the server's numbers. */
static void
read_counts(MtCursor *cur, MtEvent *event)
{
  static const struct
  {
    MtSpan key;
    MtField field;
  } counts[] = {
    { MT_SPAN_INIT("port"), MT_F_CLIENT_PORT }, { MT_SPAN_INIT("rcvd"), MT_F_IN_BYTES },
    { MT_SPAN_INIT("sent"), MT_F_OUT_BYTES },   { MT_SPAN_INIT("stls"), MT_F_TLS },
    { MT_SPAN_INIT("starttls"), MT_F_TLS },
  };
  MtSpan key, skipped;
  guint64 number;

  while (MT_SCAN(cur, ", ") && mt_scan_class(cur, MT_CHAR_LOWER, &key) && mt_scan_char(cur, '='))
    {
      mt_scan_char(cur, '[');
      if (mt_scan_u64(cur, &number))
        for (guint i = 0; i < G_N_ELEMENTS(counts); i++)
          if (mt_span_equal(counts[i].key, key))
            mt_event_set_number(event, counts[i].field, number);
      mt_scan_token(cur, ",", &skipped);
    }
}

/* "user=U, ip=[IP], ..." or "method=PLAIN, ip=[IP]": what a user name holds stands
 * before the last address. */
static gboolean
read_client(MtCursor *cur, MtEvent *event)
{
  MtSpan rest = mt_cursor_rest(cur), name;
  const gchar *ip = mt_span_find_last(rest, MT_SPAN("ip=["));

  if (!ip)
    return FALSE;
  name = mt_span(rest.at, ip - rest.at);
  if (MT_SPAN_ENDS(name, ", "))
    name.len -= 2;
  if (MT_SPAN_STARTS(name, "user="))
    mt_event_set_text(event, MT_F_ACCOUNT, mt_span(name.at + 5, name.len - 5));
  else if (MT_SPAN_STARTS(name, "method="))
    mt_event_set_text(event, MT_F_AUTH_METHOD, mt_span(name.at + 7, name.len - 7));
  else if (name.len)
    return FALSE;
  cur->at = ip + 3;
  if (!scan_bracketed_ip(cur, event))
    return FALSE;
  read_counts(cur, event);
  return TRUE;
}

static MtParse
read_login(MtCursor *cur, MtEvent *event)
{
  return read_client(cur, event) && mt_event_has(event, MT_F_ACCOUNT) ? MT_PARSE_MATCH
                                                                      : MT_PARSE_MALFORMED;
}

static MtParse
read_login_failure(MtCursor *cur, MtEvent *event)
{
  if (!read_client(cur, event))
    return MT_PARSE_MALFORMED;
  MT_EVENT_SET_LITERAL(event, MT_F_REASON, "auth-failed");
  return MT_PARSE_MATCH;
}

/* Who has not logged in only goes. */
static MtParse
read_logout(MtCursor *cur, MtEvent *event)
{
  MtSpan word = ((const MtRule *) event->rule)->prefix;

  if (!read_client(cur, event))
    return MT_PARSE_MALFORMED;
  if (!mt_event_has(event, MT_F_ACCOUNT))
    event->kind = MT_EVENT_DISCONNECT;
  mt_event_set_text(event, MT_F_REASON, mt_span(word.at, word.len - 2));
  return MT_PARSE_MATCH;
}

static MtParse
read_connection(MtCursor *cur, MtEvent *event)
{
  return read_client(cur, event) ? MT_PARSE_MATCH : MT_PARSE_MALFORMED;
}

/* "Maximum connection limit reached for ::ffff:192.0.2.1" (tcpd/tcpd.c) */
static MtParse
read_limit(MtCursor *cur, MtEvent *event)
{
  mt_event_set_ip(event, MT_F_CLIENT_IP, mt_cursor_rest(cur));
  return take_whole(cur, event);
}

/* "ip=[IP], couriertls: accept: error:..." */
static MtParse
read_tls_error(MtCursor *cur, MtEvent *event)
{
  if (!scan_bracketed_ip(cur, event) || !MT_SCAN(cur, ", "))
    return MT_PARSE_SKIP;
  mt_event_set_text(event, MT_F_REASON, mt_cursor_rest(cur));
  return MT_PARSE_MATCH;
}

static MtParse
read_trouble(MtCursor *cur, MtEvent *event)
{
  MT_EVENT_SET_LITERAL(event, MT_F_REASON, "internal");
  return MT_PARSE_MATCH;
}

static const MtRule mailbox_rules[] = {
  MT_RULE("LOGIN, ", LOGIN, NULL, read_login),
  MT_RULE("LOGIN FAILED, ", LOGIN_FAILED, NULL, read_login_failure),
  MT_RULE("LOGOUT, ", LOGOUT, NULL, read_logout),
  MT_RULE("DISCONNECTED, ", LOGOUT, NULL, read_logout),
  MT_RULE("Disconnected, ", LOGOUT, NULL, read_logout),
  MT_RULE("TIMEOUT, ", LOGOUT, NULL, read_logout),
  MT_RULE("Connection, ", CONNECT, NULL, read_connection),
  MT_RULE("Maximum connection limit reached for ", LIMIT, NULL, read_limit),
  MT_RULE("ip=", TLS_ERROR, NULL, read_tls_error),
  MT_RULE("couriertls: ", TLS_ERROR, NULL, take_whole),
  MT_RULE("Unexpected SSL connection shutdown", TLS_ERROR, NULL, take_whole),
  MT_RULE("authentication error: ", LOGIN_FAILED, NULL, read_trouble),
  MT_RULE("chdir ", NOTICE, NULL, take_whole),
  MT_RULES_END,
};

/* ---- authdaemond, courierfilter ----------------------------------------------------------- */

/* With DEBUG_LOGIN=2 it logs passwords: only these lines keep their text. */
static const MtRule auth_rules[] = {
  MT_RULE("modules=", NOTICE, NULL, take_whole),
  MT_RULE("Installing ", NOTICE, NULL, take_whole),
  MT_RULE("Installation complete: ", NOTICE, NULL, take_whole),
  MT_RULE("stopping authdaemond", NOTICE, NULL, take_whole),
  MT_RULE("failed to connect to ", NOTICE, NULL, take_whole),
  MT_RULE("", NOTICE, NULL, NULL),
  MT_RULES_END,
};

static const MtRule other_rules[] = {
  MT_RULE("", NOTICE, NULL, take_whole),
  MT_RULES_END,
};

/* ---- the dialect ------------------------------------------------------------------- */

#define NAMED(name, service, rules, tls) \
  { \
    MT_SPAN_INIT(name), MT_WORD_##service, rules, MT_CLAIM_NAME, tls \
  }
/* Cyrus, UW and others have programs of these names, too. */
#define SHARED(name, service, rules, tls) \
  { \
    MT_SPAN_INIT(name), MT_WORD_##service, rules, MT_CLAIM_SHAPE, tls \
  }

static const Program programs[] = {
  NAMED("courierd", NONE, queue_rules, FALSE),
  NAMED("courierlocal", NONE, queue_rules, FALSE),
  NAMED("courieresmtp", NONE, queue_rules, FALSE),
  NAMED("courieruucp", NONE, queue_rules, FALSE),
  NAMED("courierfax", NONE, queue_rules, FALSE),
  NAMED("courierdsn", NONE, queue_rules, FALSE),
  NAMED("courieresmtpd", SMTP, smtp_rules, FALSE),
  NAMED("courier-imapd", IMAP, mailbox_rules, FALSE), /* as Plesk starts it */
  NAMED("courier-imaps", IMAP, mailbox_rules, TRUE),
  NAMED("courier-pop3d", POP3, mailbox_rules, FALSE),
  NAMED("courier-pop3s", POP3, mailbox_rules, TRUE),
  NAMED("courierimapd", IMAP, mailbox_rules, FALSE),
  NAMED("courierimaplogin", IMAP, mailbox_rules, FALSE),
  NAMED("courierpop3d", POP3, mailbox_rules, FALSE),
  NAMED("courierpop3login", POP3, mailbox_rules, FALSE),
  NAMED("couriertls", NONE, other_rules, FALSE),
  NAMED("couriertcpd", NONE, other_rules, FALSE),
  NAMED("courierfilter", NONE, other_rules, FALSE),
  NAMED("courierwebmail", WEBMAIL, mailbox_rules, FALSE),
  NAMED("sqwebmail", WEBMAIL, mailbox_rules, FALSE),
  NAMED("sqwebmaild", WEBMAIL, mailbox_rules, FALSE),
  NAMED("authdaemond", NONE, auth_rules, FALSE),
  NAMED("authdaemond.plain", NONE, auth_rules, FALSE),
  NAMED("authdaemond.mysql", NONE, auth_rules, FALSE),
  NAMED("authdaemond.ldap", NONE, auth_rules, FALSE),
  NAMED("authdaemond.pgsql", NONE, auth_rules, FALSE),
  SHARED("imapd", IMAP, mailbox_rules, FALSE),
  SHARED("imapd-ssl", IMAP, mailbox_rules, TRUE),
  SHARED("imaplogin", IMAP, mailbox_rules, FALSE),
  SHARED("pop3d", POP3, mailbox_rules, FALSE),
  SHARED("pop3d-ssl", POP3, mailbox_rules, TRUE),
  SHARED("pop3login", POP3, mailbox_rules, FALSE),
  SHARED("esmtpd", SMTP, mailbox_rules, FALSE),
  SHARED("esmtpd-msa", SMTP, mailbox_rules, FALSE),
  SHARED("esmtpd-ssl", SMTP, mailbox_rules, TRUE),
};

static const Program *
find_program(MtSpan name)
{
  for (guint i = 0; i < G_N_ELEMENTS(programs); i++)
    if (mt_span_equal(programs[i].name, name))
      return &programs[i];
  return NULL;
}

static void
claim(MtSpan program, MtClaim *claim)
{
  const Program *found = find_program(program);

  if (!found)
    return;
  claim->strength = found->strength;
  claim->daemon = found;
}

/* courierlogger cuts these off where it writes to syslog itself.  Plesk's Courier has the
 * time in front: "1257871619.663804 LOGOUT, ...". */
static MtSpan
without_level(MtSpan text)
{
  static const MtSpan levels[] = { MT_SPAN_INIT("INFO: "), MT_SPAN_INIT("ERR: "),
                                   MT_SPAN_INIT("ALERT: "), MT_SPAN_INIT("WARN: ") };
  MtCursor cur = mt_cursor(text), stamp = cur;
  guint64 seconds;
  MtSpan fraction;

  if (mt_scan_u64(&stamp, &seconds) && mt_scan_char(&stamp, '.')
      && mt_scan_class(&stamp, MT_CHAR_DIGIT, &fraction) && mt_scan_char(&stamp, ' '))
    cur = stamp;
  for (guint i = 0; i < G_N_ELEMENTS(levels); i++)
    if (mt_scan_span(&cur, levels[i]))
      break;
  return mt_cursor_rest(&cur);
}

static MtSpan
transport_of(MtSpan program)
{
  if (MT_SPAN_IS(program, "courierlocal"))
    return MT_SPAN("local");
  return MT_SPAN_STARTS(program, "courier") ? mt_span(program.at + 7, program.len - 7) : program;
}

static gboolean
is_access(const MtEvent *event)
{
  return event->kind == MT_EVENT_LOGIN || event->kind == MT_EVENT_LOGIN_FAILED
         || event->kind == MT_EVENT_LOGOUT;
}

static MtParse
parse(const MtLine *line, const MtClaim *claim, MtEvent *event)
{
  const Program *program = claim->daemon ? claim->daemon : find_program(line->program);
  MtSpan text = without_level(line->text);
  MtParse parse;

  if (!program)
    return MT_PARSE_SKIP;
  parse = mt_rules_apply(program->rules, text, event);
  if (parse == MT_PARSE_SKIP && program->rules == smtp_rules)
    parse = mt_rules_apply(mailbox_rules, text, event);
  if (parse != MT_PARSE_MATCH)
    return parse;
  if (is_access(event) && !mt_event_has(event, MT_F_SERVICE))
    mt_event_set_word(event, MT_F_SERVICE, program->service);
  if (is_access(event) && program->tls)
    mt_event_set_number(event, MT_F_TLS, 1);
  if (event->kind == MT_EVENT_DELIVERY)
    mt_event_set_text(event, MT_F_TRANSPORT, transport_of(line->program));
  return MT_PARSE_MATCH;
}

static const MtRule *const all_rules[] = {
  queue_rules, smtp_rules, mailbox_rules, auth_rules, other_rules, NULL,
};

const MtDialect mt_dialect_courier = { "courier", claim, parse, all_rules, NULL };
