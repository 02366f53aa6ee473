/* opensmtpd.c: the lines of OpenSMTPD 5.4 to 7.6
 *
 * Layer: dialects.  Concurrency: any thread; no state.
 *
 * The literals are those of OpenSMTPD's own sources (usr.sbin/smtpd/ of 6.8.0p2 and of 5.4,
 * 5.7 and 6.0 where lines differ; the file named beside each table).  A session is 16 digits, a
 * message 8, an envelope (one recipient) 16, of which the message's are the first 8.
 *
 * The program is "smtpd", as others' is too: by that name the text decides.
 *
 * Hostile text.  User names come without white space (strnvis), addresses hold no quotes and no
 * spaces (util.c, valid_localpart()); a command and a reply stand last, in quotes that their own
 * text does not end.  Commands may hold passwords: of them only the address is kept.
 */
#include "dialects/dialect.h"

#define SESSION_DIGITS 16
#define MESSAGE_DIGITS 8

/* ---- pieces ------------------------------------------------------------------- */

static gboolean
scan_digits(MtCursor *cur, gsize digits, MtSpan *out)
{
  MtCursor try = *cur;

  if (!mt_scan_class(&try, MT_CHAR_HEX, out) || out->len != digits)
    return FALSE;
  *cur = try;
  return TRUE;
}

static MtSpan
prefix_of(const MtEvent *event)
{
  return ((const MtRule *) event->rule)->prefix;
}

static void
set_session(MtEvent *event, MtSpan session)
{
  mt_event_set_text(event, MT_F_SESSION, session);
}

/* ---- keys: "key=value key=value", before 5.9 with commas ---------------------------- */

/* "text" to the last quote of the line where the key stands last, else to the next; or a word;
 * before 5.9 a reply stood last without quotes. */
static MtSpan
scan_last(MtCursor *cur)
{
  MtSpan value = mt_cursor_rest(cur);

  cur->at = cur->end;
  if (value.len >= 2 && value.at[0] == '"' && MT_SPAN_ENDS(value, "\""))
    value = mt_span(value.at + 1, value.len - 2);
  return value;
}

static MtParse
read_envelope_id(MtCursor *cur, MtEvent *event)
{
  MtSpan id;

  if (mt_scan_class(cur, MT_CHAR_HEX, &id)
      && (id.len == SESSION_DIGITS || id.len == MESSAGE_DIGITS))
    mt_event_set_text(event, MT_F_QUEUE_ID, mt_span(id.at, MESSAGE_DIGITS));
  return MT_PARSE_MATCH;
}

/* to.c, sa_to_text(): "192.0.2.7", "[2001:db8::7]"; "local" is no address. */
static void
set_address(MtEvent *event, MtField field, MtSpan text)
{
  if (MT_SPAN_STARTS(text, "[") && MT_SPAN_ENDS(text, "]"))
    text = mt_span(text.at + 1, text.len - 2);
  mt_event_set_ip(event, field, text);
}

static MtParse
read_address(MtCursor *cur, MtEvent *event)
{
  MtSpan text;

  if (mt_scan_token(cur, ", ", &text))
    set_address(event, MT_F_CLIENT_IP, text);
  return MT_PARSE_MATCH;
}

/* The address that was given, where the recipient came of it; "-": none. */
static MtParse
read_rcpt(MtCursor *cur, MtEvent *event)
{
  MtSpan address;

  if (mt_scan_angle(cur, &address) && !MT_SPAN_IS(address, "-")
      && !mt_span_equal(address, mt_event_text(event, MT_F_RECIPIENT)))
    mt_event_set_text(event, MT_F_ORIG_RECIPIENT, address);
  return MT_PARSE_MATCH;
}

/* "192.0.2.25 (mx.example.org)", "example.org", in quotes since 5.9 */
static MtParse
read_relay(MtCursor *cur, MtEvent *event)
{
  gboolean quoted = mt_scan_char(cur, '"');
  MtSpan text, name;

  if (!mt_scan_token(cur, quoted ? " \"" : " ,", &text))
    return MT_PARSE_MATCH;
  set_address(event, MT_F_RELAY_IP, text);
  if (!mt_event_has(event, MT_F_RELAY_IP))
    mt_event_set_text(event, MT_F_RELAY_NAME, text);
  else if (MT_SCAN(cur, " (") && mt_scan_until(cur, ')', &name) && !mt_span_equal(name, text))
    mt_event_set_text(event, MT_F_RELAY_NAME, name);
  if (quoted)
    mt_scan_char(cur, '"');
  return MT_PARSE_MATCH;
}

static MtParse
pass_quoted(MtCursor *cur, MtEvent *event)
{
  MtSpan text;

  if (mt_scan_char(cur, '"'))
    mt_scan_until(cur, '"', &text);
  else
    mt_scan_token(cur, ", ", &text);
  return MT_PARSE_MATCH;
}

/* to.c, duration_to_text(): "1d2h3m4s" */
static MtParse
read_delay(MtCursor *cur, MtEvent *event)
{
  static const struct
  {
    gchar unit;
    gint64 s;
  } units[] = { { 'd', 86400 }, { 'h', 3600 }, { 'm', 60 }, { 's', 1 } };
  guint64 part;
  gint64 sum = 0;

  for (guint i = 0; i < G_N_ELEMENTS(units); i++)
    {
      MtCursor try = *cur;

      if (mt_scan_u64(&try, &part) && part < 1000000 && mt_scan_char(&try, units[i].unit))
        {
          sum += part * units[i].s;
          *cur = try;
        }
    }
  mt_event_set_number(event, MT_F_DELAY, sum * MT_SECOND_US);
  return MT_PARSE_MATCH;
}

static const struct
{
  MtSpan text;
  MtWord word;
} results[] = {
  { MT_SPAN_INIT("Ok"), MT_WORD_SENT },          { MT_SPAN_INIT("TempFail"), MT_WORD_DEFERRED },
  { MT_SPAN_INIT("PermFail"), MT_WORD_BOUNCED }, { MT_SPAN_INIT("Expire"), MT_WORD_EXPIRED },
  { MT_SPAN_INIT("Remove"), MT_WORD_DISCARDED },
};

static gboolean
set_result(MtEvent *event, MtSpan text)
{
  for (guint i = 0; i < G_N_ELEMENTS(results); i++)
    if (mt_span_equal(text, results[i].text))
      {
        mt_event_set_word(event, MT_F_STATUS, results[i].word);
        return TRUE;
      }
  return FALSE;
}

static MtParse
read_result(MtCursor *cur, MtEvent *event)
{
  MtSpan text;

  mt_scan_char(cur, '"');
  if (mt_scan_token(cur, ", \"", &text))
    set_result(event, text);
  mt_scan_char(cur, '"');
  return MT_PARSE_MATCH;
}

/* The last key. */
static MtParse
read_stat(MtCursor *cur, MtEvent *event)
{
  MtSpan reply = scan_last(cur);

  if (reply.len)
    mt_event_set_text(event, MT_F_REPLY, reply);
  return MT_PARSE_MATCH;
}

static MtParse
read_host(MtCursor *cur, MtEvent *event)
{
  MtSpan name;

  if (mt_scan_token(cur, ", ", &name) && !MT_SPAN_IS(name, "<unknown>")
      && !MT_SPAN_IS(name, "unknown"))
    mt_event_set_text(event, MT_F_CLIENT_NAME, name);
  return MT_PARSE_MATCH;
}

/* ssl.c, ssl_to_text(): "TLSv1.3:TLS_AES_256_GCM_SHA384:256"; before 6.4 "version=TLSv1.2,
 * cipher=..., bits=256" */
static MtParse
read_ciphers(MtCursor *cur, MtEvent *event)
{
  MtSpan part;

  mt_scan_char(cur, '"');
  MT_SCAN(cur, "version=");
  if (!mt_scan_token(cur, ":, \"", &part))
    return MT_PARSE_MATCH;
  mt_event_set_text(event, MT_F_TLS_VERSION, part);
  if ((mt_scan_char(cur, ':') || MT_SCAN(cur, ", cipher=")) && mt_scan_token(cur, ":, \"", &part))
    mt_event_set_text(event, MT_F_CIPHER, part);
  return MT_PARSE_MATCH;
}

static MtParse
read_reason(MtCursor *cur, MtEvent *event)
{
  MtSpan reason = scan_last(cur);

  if (reason.len)
    mt_event_set_text(event, MT_F_REASON, reason);
  return MT_PARSE_MATCH;
}

static const MtKey keys[] = {
  MT_KEY_CALL("evpid", read_envelope_id),
  MT_KEY_CALL("msgid", read_envelope_id),
  MT_KEY("from", ANGLE, SENDER),
  MT_KEY("to", ANGLE, RECIPIENT),
  MT_KEY_CALL("rcpt", read_rcpt),
  MT_KEY("size", INTEGER, SIZE),
  MT_KEY("nrcpt", INTEGER, NRCPT),
  MT_KEY("nrcpts", INTEGER, NRCPT),
  MT_KEY("proto", TOKEN, PROTOCOL),
  MT_KEY_CALL("source", pass_quoted),
  MT_KEY_CALL("relay", read_relay),
  MT_KEY_CALL("delay", read_delay),
  MT_KEY_CALL("result", read_result),
  MT_KEY_CALL("stat", read_stat),
  MT_KEY_CALL("address", read_address),
  MT_KEY_CALL("host", read_host),
  MT_KEY_CALL("ciphers", read_ciphers),
  MT_KEY_CALL("reason", read_reason),
  MT_KEYS_END,
};

/* ---- messages: smtp_session.c --------------------------------------------------------- */

/* Since 6.4 the envelopes have lines of their own, before that "from=" stands here. */
static MtParse
finish_message(MtCursor *cur, MtEvent *event)
{
  static const MtField queued[] = { MT_F_QUEUE_ID, MT_F_SENDER, MT_F_SIZE, MT_F_NRCPT,
                                    MT_FIELD_COUNT };

  if (!mt_event_has(event, MT_F_QUEUE_ID))
    return MT_PARSE_MALFORMED;
  event->parts = mt_event_has(event, MT_F_SENDER) ? 2 : 1;
  if (event->part == 1)
    mt_event_keep(event, MT_EVENT_QUEUED, queued);
  return MT_PARSE_MATCH;
}

static MtParse
read_message(MtCursor *cur, MtEvent *event)
{
  mt_keys_walk(keys, cur, event);
  return finish_message(cur, event);
}

static MtParse
read_envelope(MtCursor *cur, MtEvent *event)
{
  mt_keys_walk(keys, cur, event);
  mt_event_drop(event, MT_F_SESSION);
  return mt_event_has(event, MT_F_QUEUE_ID) ? MT_PARSE_MATCH : MT_PARSE_MALFORMED;
}

/* What the keys say is all. */
static MtParse
read_keys(MtCursor *cur, MtEvent *event)
{
  mt_keys_walk(keys, cur, event);
  return MT_PARSE_MATCH;
}

/* ---- logins ----------------------------------------------------------------------------- */

static void
set_login(MtEvent *event, MtSpan account, gboolean ok, gboolean temporary)
{
  event->kind = ok ? MT_EVENT_LOGIN : MT_EVENT_LOGIN_FAILED;
  mt_event_set_text(event, MT_F_ACCOUNT, account);
  mt_event_set_word(event, MT_F_SERVICE, MT_WORD_SMTP);
  if (temporary)
    MT_EVENT_SET_LITERAL(event, MT_F_REASON, "internal");
  else if (!ok)
    MT_EVENT_SET_LITERAL(event, MT_F_REASON, "auth-failed");
}

/* "user=bob result=ok"; from 5.9 to 6.3 with address= and host= in between */
static MtParse
read_authentication(MtCursor *cur, MtEvent *event)
{
  MtSpan account, result;

  if (!MT_SCAN(cur, "user=") || !mt_scan_token(cur, " ", &account) || !mt_scan_char(cur, ' '))
    return MT_PARSE_MALFORMED;
  mt_keys_walk(keys, cur, event);
  *cur = (MtCursor){ account.at + account.len, cur->end };
  if (!MT_SCAN_UNTIL(cur, " result=", &result))
    return MT_PARSE_MALFORMED;
  result = mt_cursor_rest(cur);
  set_login(event, account, MT_SPAN_IS(result, "ok"), MT_SPAN_IS(result, "tempfail"));
  return MT_PARSE_MATCH;
}

/* "Accepted authentication for user bob on session 00..." (5.4 to 5.8) */
static MtParse
read_old_authentication(MtCursor *cur, MtEvent *event)
{
  MtSpan prefix = prefix_of(event), account, session;

  if (!mt_scan_token(cur, " ", &account) || !MT_SCAN(cur, " on session ")
      || !scan_digits(cur, SESSION_DIGITS, &session))
    return MT_PARSE_MALFORMED;
  set_session(event, session);
  set_login(event, account, MT_SPAN_STARTS(prefix, "Accepted "),
            MT_SPAN_STARTS(prefix, "Authentication temporarily"));
  return MT_PARSE_MATCH;
}

/* ---- refusals ------------------------------------------------------------------------------ */

static gboolean
set_refused_address(MtEvent *event, MtSpan command)
{
  MtCursor cur = mt_cursor(command);
  gboolean rcpt =
      command.len >= 9 && mt_span_equal_nocase(mt_span(command.at, 8), MT_SPAN("RCPT TO:"));
  gboolean mail =
      command.len >= 11 && mt_span_equal_nocase(mt_span(command.at, 10), MT_SPAN("MAIL FROM:"));
  MtSpan address;

  if (!rcpt && !mail)
    return FALSE;
  cur.at += rcpt ? 8 : 10;
  mt_scan_char(&cur, ' ');
  if (mt_scan_angle(&cur, &address))
    mt_event_set_text(event, rcpt ? MT_F_RECIPIENT : MT_F_SENDER, address);
  mt_event_set_text(event, MT_F_STAGE, rcpt ? MT_SPAN("RCPT") : MT_SPAN("MAIL"));
  return TRUE;
}

/* The answer refuses a sender, a recipient or a message; the rest is noise, and AUTH is told by
 * a line of its own. */
static MtParse
refuse(MtEvent *event, MtSpan command, MtSpan answer)
{
  gboolean data = mt_span_equal_nocase(command, MT_SPAN("DATA")) || MT_SPAN_IS(command, ".");

  mt_read_answer(answer, event);
  if (!set_refused_address(event, command) && !data)
    return MT_PARSE_MATCH;
  if (data)
    MT_EVENT_SET_LITERAL(event, MT_F_STAGE, "DATA");
  event->kind = MT_EVENT_REJECT;
  mt_event_set_word(event, MT_F_ACTION,
                    mt_event_number(event, MT_F_CODE, 0) / 100 == 4 ? MT_WORD_DEFER
                                                                    : MT_WORD_REJECT);
  return MT_PARSE_MATCH;
}

/* "command="RCPT TO:<a>" result="550 text"": the last place where a result can begin is it. */
static MtParse
read_failed_command(MtCursor *cur, MtEvent *event)
{
  static const MtSpan between = MT_SPAN_INIT("\" result=\"");
  MtSpan text;
  const gchar *at;

  if (MT_SCAN(cur, "address=") && mt_scan_token(cur, " ", &text)) /* from 5.9 to 6.3 */
    set_address(event, MT_F_CLIENT_IP, text);
  if (MT_SCAN(cur, " host="))
    read_host(cur, event);
  mt_scan_char(cur, ' ');
  if (!MT_SCAN(cur, "command=\""))
    return MT_PARSE_MALFORMED;
  text = mt_cursor_rest(cur);
  at = mt_span_find_last(text, between);
  if (!at)
    return MT_PARSE_MALFORMED;
  *cur = (MtCursor){ at + between.len - 1, text.at + text.len };
  return refuse(event, mt_span(text.at, at - text.at), scan_last(cur));
}

/* "Failed command on session 00...: "RCPT TO:<a>" => 550 text" (5.4 to 5.8) */
static MtParse
read_old_failed_command(MtCursor *cur, MtEvent *event)
{
  MtSpan session, text;
  const gchar *at;

  if (!scan_digits(cur, SESSION_DIGITS, &session) || !MT_SCAN(cur, ": \""))
    return MT_PARSE_MALFORMED;
  set_session(event, session);
  text = mt_cursor_rest(cur);
  at = mt_span_find_last(text, MT_SPAN("\" => "));
  if (!at)
    return MT_PARSE_MALFORMED;
  return refuse(event, mt_span_trim(mt_span(text.at, at - text.at)),
                mt_span(at + strlen("\" => "), text.at + text.len - at - strlen("\" => ")));
}

static MtParse
read_bad_input(MtCursor *cur, MtEvent *event)
{
  if (!MT_SCAN(cur, "result="))
    return MT_PARSE_SKIP;
  mt_read_answer(scan_last(cur), event);
  return MT_PARSE_MATCH;
}

/* ---- deliveries: mta.c, mda.c, queue.c ------------------------------------------------------- */

static const MtSpan of_mta = MT_SPAN_INIT("mta"), of_mda = MT_SPAN_INIT("mda");

static MtParse
finish_delivery(MtEvent *event, MtSpan transport)
{
  MtSpan reply = mt_event_text(event, MT_F_REPLY), dsn;
  const MtIp *ip = mt_event_ip(event, MT_F_RELAY_IP);
  MtCursor cur = mt_cursor(reply);
  guint64 code;

  mt_event_drop(event, MT_F_SESSION); /* it is of the way out */
  if (!mt_event_has(event, MT_F_QUEUE_ID) || !mt_event_has(event, MT_F_RECIPIENT)
      || !mt_event_has(event, MT_F_STATUS))
    return MT_PARSE_MALFORMED;
  mt_event_set_text(event, MT_F_TRANSPORT, transport);
  if (mt_scan_u64(&cur, &code) && code <= 599
      && (mt_scan_char(&cur, ' ') || mt_scan_char(&cur, '-')) && mt_scan_dsn(&cur, &dsn))
    mt_event_set_text(event, MT_F_DSN, dsn);
  if (mt_event_word(event, MT_F_STATUS) != MT_WORD_SENT || !reply.len)
    return MT_PARSE_MATCH;
  mt_read_next_queue_id(reply, event);
  if (!ip || mt_ip_is_loopback(ip))
    mt_read_lmtp_session(reply, event);
  return MT_PARSE_MATCH;
}

static MtParse
read_mta_delivery(MtCursor *cur, MtEvent *event)
{
  mt_keys_walk(keys, cur, event);
  return finish_delivery(event, of_mta);
}

static MtParse
read_mda_delivery(MtCursor *cur, MtEvent *event)
{
  mt_keys_walk(keys, cur, event);
  return finish_delivery(event, of_mda);
}

/* "delivery: Ok for 00...: from=<a>, to=<b>, ...", "relay: TempFail for 00...: session=00...,
 * from=<a>, ..."; since 5.9 only what became of an envelope in the queue: Expire, Remove */
static MtParse
read_queue_delivery(MtCursor *cur, MtEvent *event)
{
  MtSpan result, id;

  if (!mt_scan_token(cur, " ", &result) || !set_result(event, result) || !MT_SCAN(cur, " for ")
      || !scan_digits(cur, SESSION_DIGITS, &id) || !MT_SCAN(cur, ": "))
    return MT_PARSE_SKIP;
  mt_event_set_text(event, MT_F_QUEUE_ID, mt_span(id.at, MESSAGE_DIGITS));
  mt_keys_walk(keys, cur, event);
  return finish_delivery(event, MT_SPAN_STARTS(prefix_of(event), "relay") ? of_mta : of_mda);
}

/* "connecting address=smtp://192.0.2.25:25 host=mx.example.org" */
static MtParse
read_connecting(MtCursor *cur, MtEvent *event)
{
  MtSpan scheme, ip, name;
  guint64 port;

  mt_event_drop(event, MT_F_SESSION);
  if (!MT_SCAN(cur, "address=") || !MT_SCAN_UNTIL(cur, "://", &scheme))
    return MT_PARSE_MATCH;
  if (mt_scan_char(cur, '[') ? mt_scan_until(cur, ']', &ip) : mt_scan_token(cur, ": ", &ip))
    mt_event_set_ip(event, MT_F_RELAY_IP, ip);
  if (mt_scan_char(cur, ':') && mt_scan_u64(cur, &port))
    mt_event_set_number(event, MT_F_RELAY_PORT, port);
  if (MT_SCAN(cur, " host=") && mt_scan_token(cur, " ", &name))
    mt_event_set_text(event, MT_F_RELAY_NAME, name);
  MT_EVENT_SET_LITERAL(event, MT_F_REASON, "connecting");
  return MT_PARSE_MATCH;
}

static MtParse
take_line(MtCursor *cur, MtEvent *event)
{
  mt_event_drop(event, MT_F_SESSION);
  return mt_take_line(cur, event);
}

static MtParse
read_mta_tls(MtCursor *cur, MtEvent *event)
{
  mt_keys_walk(keys, cur, event);
  mt_event_drop(event, MT_F_SESSION);
  return MT_PARSE_MATCH;
}

/* Behind "SESSION smtp ", from 5.9 to 6.3 with "event=" in between. */
static const MtRule smtp_rules[] = {
  MT_RULE("connected ", CONNECT, NULL, read_keys),
  MT_RULE("message ", ACCEPT, NULL, read_message),
  MT_RULE("envelope ", QUEUED, NULL, read_envelope),
  MT_RULE("authentication ", LOGIN, NULL, read_authentication),
  MT_RULE("failed-command ", NOTICE, NULL, read_failed_command),
  MT_RULE("bad-input ", NOTICE, NULL, read_bad_input),
  MT_RULE("tls ", TLS, NULL, read_keys),
  MT_RULE("starttls ", TLS, NULL, read_keys),
  MT_RULE("client-cert-check ", NOTICE, NULL, mt_take_line),
  MT_RULE("disconnected ", DISCONNECT, NULL, read_keys),
  MT_RULE("closed ", DISCONNECT, NULL, read_keys),
  MT_RULES_END,
};

/* Behind "SESSION mta ". */
static const MtRule mta_rules[] = {
  MT_RULE("delivery ", DELIVERY, NULL, read_mta_delivery),
  MT_RULE("connecting ", NOTICE, NULL, read_connecting),
  MT_RULE("connected", NOTICE, NULL, take_line),
  MT_RULE("tls ", TLS, NULL, read_mta_tls),
  MT_RULE("starttls ", TLS, NULL, read_mta_tls),
  MT_RULE("server-cert-check ", NOTICE, NULL, take_line),
  MT_RULE("cert-check ", NOTICE, NULL, take_line),
  MT_RULE("ssl_check_name: ", TLS_ERROR, NULL, take_line),
  MT_RULE("disconnected ", NOTICE, NULL, take_line),
  MT_RULE("closed ", NOTICE, NULL, take_line),
  MT_RULE("closing ", NOTICE, NULL, take_line),
  MT_RULE("error ", NOTICE, NULL, take_line),
  MT_RULE("host-rejects-all-mails", NOTICE, NULL, take_line),
  MT_RULES_END,
};

/* Behind "SESSION mda ". */
static const MtRule mda_rules[] = {
  MT_RULE("delivery ", DELIVERY, NULL, read_mda_delivery),
  MT_RULES_END,
};

/* ---- before 5.9: "smtp-in: " ---------------------------------------------------------------- */

/* "New session 00... from host mail.example.org [192.0.2.7]"; [local] for this machine */
static MtParse
read_old_connect(MtCursor *cur, MtEvent *event)
{
  MtSpan session, name, ip;

  if (!scan_digits(cur, SESSION_DIGITS, &session) || !MT_SCAN(cur, " from host "))
    return MT_PARSE_MALFORMED;
  set_session(event, session);
  if (mt_scan_token(cur, " ", &name))
    mt_event_set_text(event, MT_F_CLIENT_NAME, name);
  if (mt_scan_char(cur, ' '))
    {
      ip = mt_cursor_rest(cur);
      if (MT_SPAN_STARTS(ip, "[") && MT_SPAN_ENDS(ip, "]"))
        ip = mt_span(ip.at + 1, ip.len - 2);
      set_address(event, MT_F_CLIENT_IP, ip); /* "[192.0.2.7]", "[[2001:db8::7]]", "[local]" */
    }
  return MT_PARSE_MATCH;
}

/* "Accepted message 1a2b3c4d on session 00...: from=<a>, to=<b>, size=1, ndest=1, proto=ESMTP":
 * one for each recipient */
static MtParse
read_old_message(MtCursor *cur, MtEvent *event)
{
  MtSpan id, session;

  if (!scan_digits(cur, MESSAGE_DIGITS, &id) || !MT_SCAN(cur, " on session ")
      || !scan_digits(cur, SESSION_DIGITS, &session) || !MT_SCAN(cur, ": "))
    return MT_PARSE_MALFORMED;
  mt_event_set_text(event, MT_F_QUEUE_ID, id);
  set_session(event, session);
  mt_keys_walk(keys, cur, event);
  return finish_message(cur, event);
}

/* "Started TLS on session 00...: version=TLSv1.2, cipher=..., bits=256" */
static MtParse
read_old_tls(MtCursor *cur, MtEvent *event)
{
  MtSpan session;

  if (!scan_digits(cur, SESSION_DIGITS, &session) || !MT_SCAN(cur, ": "))
    return MT_PARSE_MALFORMED;
  set_session(event, session);
  return read_ciphers(cur, event);
}

/* "Closing session 00...", "Disconnecting session 00...: session timeout" */
static MtParse
read_old_disconnect(MtCursor *cur, MtEvent *event)
{
  MtSpan session;

  if (!scan_digits(cur, SESSION_DIGITS, &session))
    return MT_PARSE_MALFORMED;
  set_session(event, session);
  if (MT_SCAN(cur, ": "))
    mt_take_reason(cur, event);
  return MT_PARSE_MATCH;
}

static const MtRule smtp_in_rules[] = {
  MT_RULE("New session ", CONNECT, NULL, read_old_connect),
  MT_RULE("Accepted message ", ACCEPT, NULL, read_old_message),
  MT_RULE("Accepted authentication for user ", LOGIN, NULL, read_old_authentication),
  MT_RULE("Authentication failed for user ", LOGIN_FAILED, NULL, read_old_authentication),
  MT_RULE("Authentication temporarily failed for user ", LOGIN_FAILED, NULL,
          read_old_authentication),
  MT_RULE("Failed command on session ", NOTICE, NULL, read_old_failed_command),
  MT_RULE("Bad input on session ", NOTICE, NULL, mt_take_line),
  MT_RULE("Started TLS on session ", TLS, NULL, read_old_tls),
  MT_RULE("Client certificate verification ", NOTICE, NULL, mt_take_line),
  MT_RULE("Closing session ", DISCONNECT, NULL, read_old_disconnect),
  MT_RULE("Ending session ", NOTICE, NULL, mt_take_line),
  MT_RULE("Disconnecting session ", DISCONNECT, NULL, read_old_disconnect),
  MT_RULE("Received disconnect from session ", DISCONNECT, NULL, read_old_disconnect),
  MT_RULE("session ", NOTICE, NULL, mt_take_line),
  MT_RULES_END,
};

/* smtp.c, smtpd.c, mta.c, control.c, queue.c, lka.c */
static const MtRule plain_rules[] = {
  MT_RULE("delivery: ", DELIVERY, NULL, read_queue_delivery),
  MT_RULE("relay: ", DELIVERY, NULL, read_queue_delivery),
  MT_RULE("smtp-out: ", NOTICE, NULL, mt_take_line),
  MT_RULE("warn: Disabling incoming SMTP connections", LIMIT, NULL, mt_take_line),
  MT_RULE("warn: ", NOTICE, NULL, mt_take_line),
  MT_RULE("info: ", NOTICE, NULL, mt_take_line),
  MT_RULE("debug: ", NOTICE, NULL, mt_take_line),
  MT_RULE("queue: ", NOTICE, NULL, mt_take_line),
  MT_RULE("version: ", NOTICE, NULL, mt_take_line),
  MT_RULE("startup ", NOTICE, NULL, mt_take_line),
  MT_RULE("Exiting", NOTICE, NULL, mt_take_line),
  MT_RULES_END,
};

static const struct
{
  MtSpan name;
  const MtRule *rules;
} services[] = {
  { MT_SPAN_INIT(" smtp "), smtp_rules },
  { MT_SPAN_INIT(" mta "), mta_rules },
  { MT_SPAN_INIT(" mda "), mda_rules },
};

static void
claim(MtSpan program, MtClaim *claim)
{
  if (MT_SPAN_IS(program, "opensmtpd"))
    claim->strength = MT_CLAIM_NAME;
  else if (MT_SPAN_IS(program, "smtpd"))
    claim->strength = MT_CLAIM_SHAPE;
}

static MtParse
parse(const MtLine *line, const MtClaim *claim, MtEvent *event)
{
  MtCursor cur = mt_cursor(line->text);
  MtSpan session;

  if (MT_SCAN(&cur, "smtp-in: "))
    return mt_rules_apply(smtp_in_rules, mt_cursor_rest(&cur), event);
  if (!scan_digits(&cur, SESSION_DIGITS, &session))
    return mt_rules_apply(plain_rules, line->text, event);
  for (guint i = 0; i < G_N_ELEMENTS(services); i++)
    if (mt_scan_span(&cur, services[i].name))
      {
        set_session(event, session);
        MT_SCAN(&cur, "event=");
        return mt_rules_apply(services[i].rules, mt_cursor_rest(&cur), event);
      }
  return MT_PARSE_SKIP;
}

static const MtRule *const all_rules[] = {
  smtp_rules, mta_rules, mda_rules, smtp_in_rules, plain_rules, NULL,
};

const MtDialect mt_dialect_opensmtpd = {
  .name = "opensmtpd",
  .claim = claim,
  .parse = parse,
  .rules = all_rules,
};
