/* postfix.c: the lines of Postfix 2.3 to 3.10
 *
 * Layer: dialects.  Concurrency: any thread; no state.
 *
 * The literals are those of Postfix's own sources (src/ of 3.7.11 and 3.10.13,
 * the file named beside each table); the fixture says which version prints what.
 */
#include "dialects/dialect.h"

typedef struct
{
  MtSpan name;
  const MtRule *with_id; /* behind "QUEUEID: " */
  const MtRule *plain;
} Daemon;

/* ---- pieces --------------------------------------------------------------- */

/* src/global/mail_queue.h: short IDs are upper case hex, long ones (enable_long_
 * queue_ids) base 52: seconds, microseconds, 'z', inode.  Tools that mask logs write
 * other capitals, so any are taken where there is a digit too. */
static gboolean
is_queue_id(MtSpan id)
{
  gboolean digit = FALSE, lower = FALSE;

  if (id.len < 5 || id.len > 31)
    return FALSE;
  for (gsize i = 0; i < id.len; i++)
    {
      digit |= mt_is_class(id.at[i], MT_CHAR_DIGIT);
      lower |= mt_is_class(id.at[i], MT_CHAR_LOWER);
    }
  if (!lower)
    return digit || mt_span_is_all(id, MT_CHAR_UPPER_HEX);
  return id.len >= 10 && mt_span_is_all(id, MT_CHAR_BASE52) && memchr(id.at, 'z', id.len);
}

static gboolean
scan_queue_id(MtCursor *cur, MtSpan *out)
{
  MtCursor try = *cur;
  MtSpan id;

  if (!mt_scan_class(&try, MT_CHAR_ALNUM, &id) || !is_queue_id(id))
    return FALSE;
  *out = id;
  *cur = try;
  return TRUE;
}

/* postscreen, tlsproxy: "[ip]:port". */
static gboolean
scan_ip_port(MtCursor *cur, MtEvent *event, MtField ip_field, MtField port_field)
{
  MtCursor try = *cur;
  MtSpan ip;
  guint64 port;

  if (!mt_scan_char(&try, '[') || !mt_scan_until(&try, ']', &ip) || !mt_scan_char(&try, ':')
      || !mt_scan_u64(&try, &port))
    return FALSE;
  mt_event_set_ip(event, ip_field, ip);
  mt_event_set_number(event, port_field, port);
  *cur = try;
  return TRUE;
}

static MtParse
take_reason(MtCursor *cur, MtEvent *event)
{
  if (cur->at < cur->end)
    mt_event_set_text(event, MT_F_REASON, mt_cursor_rest(cur));
  return MT_PARSE_MATCH;
}

/* Lines whose prefix says more than what follows: the reason is the whole line. */
static MtParse
take_line_as_reason(MtCursor *cur, MtEvent *event)
{
  const MtRule *rule = event->rule;

  mt_event_set_text(event, MT_F_REASON,
                    mt_span(cur->at - rule->prefix.len, cur->end - cur->at + rule->prefix.len));
  return MT_PARSE_MATCH;
}

static MtParse
take_client(MtCursor *cur, MtEvent *event)
{
  return mt_scan_peer(cur, event, &mt_client_fields) ? MT_PARSE_MATCH : MT_PARSE_SKIP;
}

/* "550 5.1.1 <text>": an SMTP code and a DSN in front of prose; either may be missing. */
static void
read_code_and_dsn(MtSpan text, MtEvent *event)
{
  MtCursor cur = mt_cursor(text);
  MtSpan dsn;
  guint64 code;

  if (text.len >= 4 && mt_span_is_all(mt_span(text.at, 3), MT_CHAR_DIGIT)
      && (text.at[3] == ' ' || text.at[3] == '-') && mt_scan_u64(&cur, &code))
    {
      mt_event_set_number(event, MT_F_CODE, code);
      cur.at++;
    }
  if (mt_scan_dsn(&cur, &dsn))
    {
      mt_event_set_text(event, MT_F_DSN, dsn);
      mt_scan_char(&cur, ' ');
    }
  if (cur.at < cur.end)
    mt_event_set_text(event, MT_F_REASON, mt_cursor_rest(&cur));
}

/* ---- deliveries: src/global/log_adhoc.c --------------------------------- */

/* none; local; virtual; host[ip]:port; host[private/dovecot-lmtp] */
static MtParse
read_relay(MtCursor *cur, MtEvent *event)
{
  MtSpan text;
  MtCursor peer;

  if (!mt_scan_token(cur, ", ", &text))
    return MT_PARSE_SKIP;
  if (MT_SPAN_IS(text, "none"))
    return MT_PARSE_MATCH;
  peer = mt_cursor(text);
  if (!mt_scan_peer(&peer, event, &mt_relay_fields) || !mt_event_has(event, MT_F_RELAY_NAME))
    mt_event_set_text(event, MT_F_RELAY_NAME, text);
  return MT_PARSE_MATCH;
}

/* The next hop's queue ID, as Postfix, amavis and most proxies say it. */
static void
read_next_queue_id(MtSpan reply, MtEvent *event)
{
  const gchar *at = mt_span_find_last(reply, MT_SPAN("queued as "));
  gsize skip = strlen("queued as ");
  MtCursor cur;
  MtSpan id;

  if (!at && MT_SPAN_STARTS(reply, "forwarded as ")) /* src/local/forward.c */
    {
      at = reply.at;
      skip = strlen("forwarded as ");
    }
  if (!at)
    return;
  cur = mt_cursor(mt_span(at + skip, reply.at + reply.len - at - skip));
  if (mt_scan_token(&cur, " ,;)<>", &id))
    mt_event_set_text(event, MT_F_NEXT_QUEUE_ID, id);
}

/* Dovecot's LMTP server: "250 2.0.0 <user> SESSION Saved" (src/lmtp/lmtp-local.c). */
static void
read_lmtp_session(MtSpan reply, MtEvent *event)
{
  MtCursor cur = mt_cursor(reply);
  MtSpan user, session;

  if (MT_SCAN(&cur, "250 2.0.0 ") && mt_scan_angle(&cur, &user) && mt_scan_char(&cur, ' ')
      && mt_scan_token(&cur, " ", &session) && MT_SPAN_IS(mt_cursor_rest(&cur), " Saved"))
    mt_event_set_text(event, MT_F_SESSION, session);
}

static const struct
{
  MtSpan text;
  MtWord word;
} statuses[] = {
  { MT_SPAN_INIT("sent"), MT_WORD_SENT },
  { MT_SPAN_INIT("deferred"), MT_WORD_DEFERRED },
  { MT_SPAN_INIT("bounced"), MT_WORD_BOUNCED },
  { MT_SPAN_INIT("expired"), MT_WORD_EXPIRED },
  { MT_SPAN_INIT("deliverable"), MT_WORD_DELIVERABLE },
  { MT_SPAN_INIT("undeliverable"), MT_WORD_UNDELIVERABLE },
  { MT_SPAN_INIT("SOFTBOUNCE"), MT_WORD_DEFERRED },
};

/* status=sent (250 2.0.0 Ok: queued as 4SxK...), the last key. */
static MtParse
read_status(MtCursor *cur, MtEvent *event)
{
  MtSpan word, reply;

  if (!mt_scan_token(cur, " ", &word))
    return MT_PARSE_SKIP;
  for (guint i = 0; i < G_N_ELEMENTS(statuses); i++)
    if (mt_span_equal(word, statuses[i].text))
      mt_event_set_word(event, MT_F_STATUS, statuses[i].word);
  if (MT_SCAN(cur, " ("))
    {
      reply = mt_cursor_rest(cur);
      if (MT_SPAN_ENDS(reply, ")"))
        reply.len--;
      mt_event_set_text(event, MT_F_REPLY, reply);
      read_next_queue_id(reply, event);
      read_lmtp_session(reply, event);
      cur->at = cur->end;
    }
  return MT_PARSE_MATCH;
}

static const MtKey delivery_keys[] = {
  MT_KEY("to", ANGLE, RECIPIENT),
  MT_KEY("orig_to", ANGLE, ORIG_RECIPIENT),
  MT_KEY_CALL("relay", read_relay),
  MT_KEY("delay", DURATION, DELAY),
  MT_KEY("dsn", DSN, DSN),
  MT_KEY_CALL("status", read_status),
  MT_KEYS_END,
};

static MtParse
check_delivery(MtCursor *cur, MtEvent *event)
{
  if (!mt_event_has(event, MT_F_RECIPIENT) || !mt_event_has(event, MT_F_STATUS))
    return MT_PARSE_MALFORMED;
  return MT_PARSE_MATCH;
}

#define DELIVERY_RULE MT_RULE("to=<", DELIVERY, delivery_keys, check_delivery)

/* ---- smtpd: src/smtpd/ ------------------------------------------------- */

static MtParse
read_original_client(MtCursor *cur, MtEvent *event)
{
  static const MtPeerFields fields = { MT_F_ORIG_CLIENT_NAME, MT_F_ORIG_CLIENT_IP,
                                       MT_FIELD_COUNT };

  return mt_scan_peer(cur, event, &fields) ? MT_PARSE_MATCH : MT_PARSE_SKIP;
}

static const MtKey accept_keys[] = { /* smtpd.c, mail_open_stream() */
  MT_KEY("client", CLIENT, CLIENT_IP),
  MT_KEY("sasl_method", TOKEN, AUTH_METHOD),
  MT_KEY("sasl_username", ITEM, AUTH_USER),
  MT_KEY("orig_queue_id", TOKEN, ORIG_QUEUE_ID),
  MT_KEY_CALL("orig_client", read_original_client),
  MT_KEYS_END,
};

/* The user name may hold spaces; it stands last, but for sasl_sender=.  What holds
 * more of an envelope is no user name. */
static MtParse
read_reject_user(MtCursor *cur, MtEvent *event)
{
  MtSpan user = mt_cursor_rest(cur);
  const gchar *sender = mt_span_find(user, MT_SPAN(" sasl_sender="));

  if (sender)
    user.len = sender - user.at;
  if (mt_span_find(user, MT_SPAN("; ")) || mt_span_find(user, MT_SPAN(" proto=")))
    return MT_PARSE_SKIP;
  mt_event_set_text(event, MT_F_AUTH_USER, user);
  cur->at += user.len;
  return MT_PARSE_MATCH;
}

static const MtKey reject_keys[] = { /* smtpd_check.c, log_whatsup() */
  MT_KEY("from", ANGLE, SENDER),
  MT_KEY("to", ANGLE, RECIPIENT),
  MT_KEY("proto", TOKEN, PROTOCOL),
  MT_KEY("helo", ANGLE, HELO),
  MT_KEY("sasl_method", TOKEN, AUTH_METHOD),
  MT_KEY_CALL("sasl_username", read_reject_user),
  MT_KEYS_END,
};

/* The envelope stands at the end, behind "; " and prose that may quote what the
 * client said.  The first place from which key=value text runs to the very end is
 * the envelope.  Returns: the prose. */
static MtSpan
read_envelope(MtSpan text, MtEvent *event)
{
  MtSpan left = text;
  const gchar *at;

  while ((at = left.len ? memchr(left.at, ';', left.len) : NULL))
    {
      guint64 has[2] = { event->has[0], event->has[1] };
      MtCursor cur = mt_cursor(mt_span(at + 1, text.at + text.len - at - 1));

      left = mt_cursor_rest(&cur);
      if (left.len == 0)
        return mt_span(text.at, at - text.at);
      if (!mt_scan_char(&cur, ' '))
        continue;
      mt_keys_walk(reject_keys, &cur, event);
      if (cur.at == cur.end)
        return mt_span(text.at, at - text.at);
      event->has[0] = has[0];
      event->has[1] = has[1];
    }
  return text;
}

static const struct
{
  MtSpan prefix;
  MtWord action;
} actions[] = {
  { MT_SPAN_INIT("reject: "), MT_WORD_REJECT },
  { MT_SPAN_INIT("milter-reject: "), MT_WORD_REJECT },
  { MT_SPAN_INIT("proxy-reject: "), MT_WORD_REJECT },
  { MT_SPAN_INIT("reject_warning: "), MT_WORD_WARN },
  { MT_SPAN_INIT("warn: "), MT_WORD_WARN },
  { MT_SPAN_INIT("hold: "), MT_WORD_HOLD },
  { MT_SPAN_INIT("milter-hold: "), MT_WORD_HOLD },
  { MT_SPAN_INIT("discard: "), MT_WORD_DISCARD },
  { MT_SPAN_INIT("milter-discard: "), MT_WORD_DISCARD },
  { MT_SPAN_INIT("redirect: "), MT_WORD_REDIRECT },
  { MT_SPAN_INIT("filter: "), MT_WORD_FILTER },
};

static MtWord
action_of_rule(const MtEvent *event)
{
  const MtRule *rule = event->rule;

  for (guint i = 0; i < G_N_ELEMENTS(actions); i++)
    if (mt_span_equal(rule->prefix, actions[i].prefix))
      return actions[i].action;
  return MT_WORD_REJECT;
}

/* "RCPT from name[ip]: 554 5.7.1 <x>: Relay access denied; from=<a> to=<b> ..."
 * A 4xx answer is a refusal for now. */
static MtParse
read_reject(MtCursor *cur, MtEvent *event)
{
  MtWord action = action_of_rule(event);
  MtSpan stage, text;

  if (!MT_SCAN_UNTIL(cur, " from ", &stage) || !mt_scan_peer(cur, event, &mt_client_fields)
      || !MT_SCAN(cur, ": "))
    return MT_PARSE_SKIP;
  mt_event_set_text(event, MT_F_STAGE, stage);
  text = read_envelope(mt_cursor_rest(cur), event);
  read_code_and_dsn(text, event);
  if (action == MT_WORD_REJECT
      && (mt_event_number(event, MT_F_CODE, 0) / 100 == 4
          || (!mt_event_has(event, MT_F_CODE)
              && MT_SPAN_STARTS(mt_event_text(event, MT_F_DSN), "4"))))
    action = MT_WORD_DEFER;
  mt_event_set_word(event, MT_F_ACTION, action);
  return MT_PARSE_MATCH;
}

/* "proxy-reject: END-OF-MESSAGE: 554 5.7.0 Reject, id=...; from=<a> to=<b> ..."
 * (smtpd.c, data_cmd()): the before-queue filter's answer, without the client. */
static MtParse
read_proxy_reject(MtCursor *cur, MtEvent *event)
{
  MtSpan stage;

  if (!MT_SCAN_UNTIL(cur, ": ", &stage))
    return MT_PARSE_SKIP;
  mt_event_set_text(event, MT_F_STAGE, stage);
  read_code_and_dsn(read_envelope(mt_cursor_rest(cur), event), event);
  mt_event_set_word(event, MT_F_ACTION,
                    mt_event_number(event, MT_F_CODE, 5) / 100 == 4 ? MT_WORD_DEFER
                                                                    : MT_WORD_REJECT);
  return MT_PARSE_MATCH;
}

static MtParse
read_proxy_accept(MtCursor *cur, MtEvent *event)
{
  MtSpan stage, text;

  if (!MT_SCAN_UNTIL(cur, ": ", &stage))
    return MT_PARSE_SKIP;
  mt_event_set_text(event, MT_F_STAGE, stage);
  text = read_envelope(mt_cursor_rest(cur), event);
  mt_event_set_text(event, MT_F_REPLY, text);
  read_next_queue_id(text, event);
  return MT_PARSE_MATCH;
}

/* Actions that change nothing about who gets the mail: info, bcc, prepend, delay. */
static MtParse
read_harmless_action(MtCursor *cur, MtEvent *event)
{
  MtSpan stage, text;

  if (!MT_SCAN_UNTIL(cur, " from ", &stage) || !mt_scan_peer(cur, event, &mt_client_fields)
      || !MT_SCAN(cur, ": "))
    return MT_PARSE_SKIP;
  mt_event_set_text(event, MT_F_STAGE, stage);
  text = read_envelope(mt_cursor_rest(cur), event);
  mt_event_set_text(event, MT_F_REASON, text);
  return MT_PARSE_MATCH;
}

/* "lost connection after DATA (1234 bytes) from name[ip]" */
static MtParse
read_lost(MtCursor *cur, MtEvent *event)
{
  const gchar *start = cur->at - ((const MtRule *) event->rule)->prefix.len;
  MtSpan stage;

  if (!MT_SCAN_UNTIL(cur, " from ", &stage) || !mt_scan_peer(cur, event, &mt_client_fields))
    return MT_PARSE_SKIP;
  mt_event_set_text(event, MT_F_REASON, mt_span(start, stage.at + stage.len - start));
  return MT_PARSE_MATCH;
}

#define REJECT_RULES \
  MT_RULE("reject: ", REJECT, NULL, read_reject), \
    MT_RULE("milter-reject: ", REJECT, NULL, read_reject), \
    MT_RULE("proxy-reject: ", REJECT, NULL, read_proxy_reject), \
    MT_RULE("proxy-accept: ", NOTICE, NULL, read_proxy_accept), \
    MT_RULE("reject_warning: ", REJECT, NULL, read_reject), \
    MT_RULE("warn: ", REJECT, NULL, read_reject), MT_RULE("hold: ", REJECT, NULL, read_reject), \
    MT_RULE("milter-hold: ", REJECT, NULL, read_reject), \
    MT_RULE("discard: ", REJECT, NULL, read_reject), \
    MT_RULE("milter-discard: ", REJECT, NULL, read_reject), \
    MT_RULE("redirect: ", REJECT, NULL, read_reject), \
    MT_RULE("filter: ", REJECT, NULL, read_reject), \
    MT_RULE("info: ", NOTICE, NULL, read_harmless_action), \
    MT_RULE("bcc: ", NOTICE, NULL, read_harmless_action), \
    MT_RULE("delay: ", NOTICE, NULL, read_harmless_action), \
    MT_RULE("hangup: ", REJECT, NULL, read_reject), \
    MT_RULE("lost connection after ", NOTICE, NULL, read_lost), \
    MT_RULE("timeout after ", NOTICE, NULL, read_lost), \
    MT_RULE("too many errors after ", NOTICE, NULL, read_lost), \
    MT_RULE("abort: TLS from ", NOTICE, NULL, take_client)

static const MtRule smtpd_with_id[] = {
  MT_RULE("client=", ACCEPT, accept_keys, NULL),
  REJECT_RULES,
  DELIVERY_RULE, /* mail that smtpd bounces itself */
  MT_RULES_END,
};

/* ---- TLS: src/tls/tls_misc.c, tls_log_summary() ------------------------- */

/* "TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits) ..." */
static void
read_tls_summary(MtCursor *cur, MtEvent *event)
{
  MtSpan text;

  if (mt_scan_token(cur, " ", &text))
    mt_event_set_text(event, MT_F_TLS_VERSION, text);
  if (MT_SCAN(cur, " with cipher ") && mt_scan_token(cur, " ", &text))
    mt_event_set_text(event, MT_F_CIPHER, text);
}

/* "established from name[ip]: ...", "reused to name[ip]:25: ..."; tlsproxy and a
 * postscreen have "[ip]:port"; an accepted SNI name stands behind " to ". */
static MtParse
read_tls(MtCursor *cur, MtEvent *event)
{
  const MtPeerFields *fields = &mt_client_fields;
  MtSpan sni;

  if (!MT_SCAN(cur, "established ") && !MT_SCAN(cur, "reused "))
    return MT_PARSE_SKIP;
  if (MT_SCAN(cur, "to "))
    fields = &mt_relay_fields;
  else if (!MT_SCAN(cur, "from "))
    return MT_PARSE_SKIP;
  if (!mt_scan_peer(cur, event, fields))
    return MT_PARSE_SKIP;
  if (MT_SCAN(cur, " to ") && !mt_scan_token(cur, ": ", &sni))
    return MT_PARSE_SKIP;
  if (!MT_SCAN(cur, ": "))
    return MT_PARSE_SKIP;
  read_tls_summary(cur, event);
  return MT_PARSE_MATCH;
}

#define TLS_RULES \
  MT_RULE("Anonymous TLS connection ", TLS, NULL, read_tls), \
    MT_RULE("Untrusted TLS connection ", TLS, NULL, read_tls), \
    MT_RULE("Trusted TLS connection ", TLS, NULL, read_tls), \
    MT_RULE("Verified TLS connection ", TLS, NULL, read_tls)

/* "SSL_accept error from name[ip]: -1", "... : lost connection" */
static MtParse
read_tls_error_client(MtCursor *cur, MtEvent *event)
{
  if (!mt_scan_peer(cur, event, &mt_client_fields))
    return MT_PARSE_SKIP;
  MT_SCAN(cur, ": ");
  return take_reason(cur, event);
}

static MtParse
read_tls_error_relay(MtCursor *cur, MtEvent *event)
{
  if (!mt_scan_peer(cur, event, &mt_relay_fields))
    return MT_PARSE_SKIP;
  MT_SCAN(cur, ": ");
  return take_reason(cur, event);
}

/* ---- warnings ------------------------------------------------------------- */

/* "N from name[ip] for service smtp" behind what limit was passed. */
static MtParse
read_limit(MtCursor *cur, MtEvent *event)
{
  MtSpan prefix = ((const MtRule *) event->rule)->prefix;
  guint64 count;

  if (!mt_scan_u64(cur, &count) || !MT_SCAN(cur, " from ")
      || !mt_scan_peer(cur, event, &mt_client_fields))
    return MT_PARSE_SKIP;
  mt_event_set_number(event, MT_F_COUNT, count);
  mt_event_set_text(event, MT_F_REASON, mt_span(prefix.at, prefix.len - strlen(": ")));
  return MT_PARSE_MATCH;
}

static MtParse
read_address_problem(MtCursor *cur, MtEvent *event)
{
  take_line_as_reason(cur, event);
  return mt_scan_peer(cur, event, &mt_client_fields) ? MT_PARSE_MATCH : MT_PARSE_SKIP;
}

/* "hostname a.example does not resolve to address 192.0.2.1[: why]" (smtpd_peer.c) */
static MtParse
read_hostname_problem(MtCursor *cur, MtEvent *event)
{
  MtSpan name, ip;

  take_line_as_reason(cur, event);
  if (!mt_scan_token(cur, " ", &name) || !MT_SCAN(cur, " does not resolve to address "))
    return MT_PARSE_SKIP;
  if (!mt_scan_token(cur, " ", &ip))
    return MT_PARSE_SKIP;
  if (!mt_event_set_ip(event, MT_F_CLIENT_IP, ip) && MT_SPAN_ENDS(ip, ":"))
    mt_event_set_ip(event, MT_F_CLIENT_IP, mt_span(ip.at, ip.len - 1));
  return MT_PARSE_MATCH;
}

static const MtRule smtpd_warnings[] = {
  MT_RULE("Connection rate limit exceeded: ", LIMIT, NULL, read_limit),
  MT_RULE("Connection concurrency limit exceeded: ", LIMIT, NULL, read_limit),
  MT_RULE("Message delivery request rate limit exceeded: ", LIMIT, NULL, read_limit),
  MT_RULE("Recipient address rate limit exceeded: ", LIMIT, NULL, read_limit),
  MT_RULE("New TLS session rate limit exceeded: ", LIMIT, NULL, read_limit),
  MT_RULE("AUTH command rate limit exceeded: ", LIMIT, NULL, read_limit),
  MT_RULE("Illegal address syntax from ", NOTICE, NULL, read_address_problem),
  MT_RULE("non-SMTP command from ", NOTICE, NULL, read_address_problem),
  MT_RULE("hostname ", NOTICE, NULL, read_hostname_problem),
  MT_RULE("TLS library problem: ", TLS_ERROR, NULL, take_reason),
  MT_RULES_END,
};

/* Reasons that say the server failed, not the password (src/xsasl/). */
static gboolean
is_internal_failure(MtSpan reason)
{
  return MT_SPAN_IS(reason, "Connection lost to authentication server")
         || MT_SPAN_IS(reason, "generic failure")
         || mt_span_find(reason, MT_SPAN("emporary authentication failure"))
         || MT_SPAN_STARTS(reason, "Temporary");
}

/* "name[ip]: SASL LOGIN authentication failed: reason[, sasl_username=user]"
 * (smtpd_sasl_glue.c).  The method is a word of the client's, the reason often the
 * server's last challenge in base64 or empty; the user stands behind the last
 * ", sasl_username=". */
static MtParse
read_sasl_failure(MtSpan text, MtEvent *event)
{
  MtCursor cur = mt_cursor(text);
  MtSpan method, reason;
  const gchar *user;

  if (!mt_scan_peer(&cur, event, &mt_client_fields) || !MT_SCAN(&cur, ": SASL ")
      || !mt_scan_token(&cur, " ", &method))
    return MT_PARSE_SKIP;
  if (!MT_SCAN(&cur, " authentication failed: ") && !MT_SCAN(&cur, " authentication failed")
      && !MT_SCAN(&cur, " authentication aborted"))
    return MT_PARSE_SKIP;
  event->kind = MT_EVENT_LOGIN_FAILED;
  mt_event_set_word(event, MT_F_SERVICE, MT_WORD_SMTP);
  mt_event_set_text(event, MT_F_AUTH_METHOD, method);
  reason = mt_cursor_rest(&cur);
  user = mt_span_find_last(reason, MT_SPAN(", sasl_username="));
  if (user)
    {
      MtSpan account = mt_span(user + strlen(", sasl_username="), 0);

      account.len = reason.at + reason.len - account.at;
      reason.len = user - reason.at;
      if (account.len && !MT_SPAN_IS(account, "(unavailable)"))
        mt_event_set_text(event, MT_F_ACCOUNT, account);
    }
  if (is_internal_failure(reason))
    MT_EVENT_SET_LITERAL(event, MT_F_REASON, "internal");
  else
    MT_EVENT_SET_LITERAL(event, MT_F_REASON, "auth-failed");
  return MT_PARSE_MATCH;
}

/* Behind "warning: ", "error: " and so on: a queue ID may come first. */
static MtParse
read_trouble(MtCursor *cur, MtEvent *event)
{
  MtCursor try = *cur;
  MtSpan id;

  if (read_sasl_failure(mt_cursor_rest(cur), event) == MT_PARSE_MATCH
      || mt_rules_apply(smtpd_warnings, mt_cursor_rest(cur), event) == MT_PARSE_MATCH)
    return MT_PARSE_MATCH;
  event->kind = MT_EVENT_NOTICE;
  if (scan_queue_id(&try, &id) && MT_SCAN(&try, ": "))
    {
      mt_event_set_text(event, MT_F_QUEUE_ID, id);
      *cur = try;
    }
  return take_reason(cur, event);
}

#define TROUBLE_RULES \
  MT_RULE("warning: ", NOTICE, NULL, read_trouble), \
    MT_RULE("error: ", NOTICE, NULL, read_trouble), \
    MT_RULE("fatal: ", NOTICE, NULL, read_trouble), \
    MT_RULE("panic: ", NOTICE, NULL, read_trouble), \
    MT_RULE("table ", NOTICE, NULL, take_line_as_reason), \
    MT_RULE("using backwards-compatible default setting ", NOTICE, NULL, take_line_as_reason), \
    MT_RULE("statistics: ", NOTICE, NULL, take_line_as_reason)

static const MtRule common_plain[] = { TROUBLE_RULES, MT_RULES_END };
static const MtRule deliveries_with_id[] = { DELIVERY_RULE, MT_RULES_END };

static MtParse
read_noqueue(MtCursor *cur, MtEvent *event)
{
  return mt_rules_apply(smtpd_with_id, mt_cursor_rest(cur), event);
}

/* "disconnect from name[ip] ehlo=1 auth=0/1 quit=1 commands=2/3" */
static MtParse
read_disconnect(MtCursor *cur, MtEvent *event)
{
  if (!mt_scan_peer(cur, event, &mt_client_fields))
    return MT_PARSE_SKIP;
  if (mt_scan_char(cur, ' '))
    take_reason(cur, event);
  return MT_PARSE_MATCH;
}

static const MtRule smtpd_plain[] = {
  MT_RULE("connect from ", CONNECT, NULL, take_client),
  MT_RULE("disconnect from ", DISCONNECT, NULL, read_disconnect),
  MT_RULE("NOQUEUE: ", NOTICE, NULL, read_noqueue),
  MT_RULE("lost connection after ", NOTICE, NULL, read_lost),
  MT_RULE("timeout after ", NOTICE, NULL, read_lost),
  MT_RULE("too many errors after ", NOTICE, NULL, read_lost),
  MT_RULE("proxy-reject: ", REJECT, NULL, read_proxy_reject),
  MT_RULE("proxy-accept: ", NOTICE, NULL, read_proxy_accept),
  MT_RULE("SSL_accept error from ", TLS_ERROR, NULL, read_tls_error_client),
  MT_RULE("improper command pipelining after ", NOTICE, NULL, read_lost),
  MT_RULE("discarding EHLO keywords: ", NOTICE, NULL, take_line_as_reason),
  MT_RULE("setting up TLS connection from ", NOTICE, NULL, take_client),
  MT_RULE("initializing the server-side TLS engine", NOTICE, NULL, take_line_as_reason),
  MT_RULE("Relaying allowed for ", NOTICE, NULL, take_line_as_reason),
  MT_RULE("sasl_exceptions: ", NOTICE, NULL, take_line_as_reason),
  MT_RULE("certificate verification failed for ", TLS_ERROR, NULL, read_tls_error_client),
  TLS_RULES,
  TROUBLE_RULES,
  MT_RULES_END,
};

/* ---- cleanup: src/cleanup/ ---------------------------------------------- */

/* An empty or missing Message-ID is logged as nothing or "<>". */
static MtParse
read_message_id(MtCursor *cur, MtEvent *event)
{
  MtSpan id = mt_cursor_rest(cur);

  if (id.len && !MT_SPAN_IS(id, "<>"))
    mt_event_set_text(event, MT_F_MESSAGE_ID, id);
  return MT_PARSE_MATCH;
}

/* cleanup_message.c cuts what it quotes after this many bytes. */
#define QUOTED_BYTES 200

/* " from origin; from=<a> to=<b> proto=ESMTP helo=<c>[: text]" at @at. */
static gboolean
read_check_origin(MtSpan text, const gchar *at, MtEvent *event)
{
  MtCursor cur = mt_cursor(mt_span(at, text.at + text.len - at));
  MtCursor origin;
  MtSpan name;

  if (!MT_SCAN(&cur, " from ") || !mt_scan_token(&cur, "; ", &name) || !mt_scan_char(&cur, ';'))
    return FALSE;
  mt_scan_char(&cur, ' ');
  mt_keys_walk(reject_keys, &cur, event);
  if (cur.at < cur.end && !MT_SCAN(&cur, ": "))
    return FALSE;
  origin = mt_cursor(name);
  mt_scan_peer(&origin, event, &mt_client_fields);
  take_reason(&cur, event);
  return TRUE;
}

/* "header Subject: text from name[ip]; from=<a> to=<b> ...: what the table says".
 * The quoted text is the client's and may hold such a tail itself: the last place
 * from which the rest reads to the end is the right one, since HELO names hold no
 * '<' (smtpd.c neuters them). */
static MtParse
read_check(MtSpan text, MtEvent *event, MtWord action)
{
  guint64 has[2] = { event->has[0], event->has[1] };
  MtCursor cur = mt_cursor(text);
  const gchar *found = NULL;
  MtSpan class, quoted, left;

  if (!mt_scan_until(&cur, ' ', &class))
    return MT_PARSE_SKIP;
  left = mt_cursor_rest(&cur);
  for (const gchar *at = left.at; (at = mt_span_find(left, MT_SPAN(" from ")));
       left = mt_span(at + 1, left.at + left.len - at - 1))
    {
      MtEvent try = { .has = { has[0], has[1] } };

      if (at - cur.at > QUOTED_BYTES)
        break;
      if (read_check_origin(text, at, &try))
        found = at;
    }
  if (!found)
    return MT_PARSE_SKIP;
  read_check_origin(text, found, event);
  quoted = mt_span(cur.at, found - cur.at);
  mt_event_set_text(event, MT_F_STAGE, class);
  if (quoted.len >= 8 && mt_span_equal_nocase(mt_span(quoted.at, 8), MT_SPAN("Subject:")))
    mt_event_set_text(event, MT_F_SUBJECT,
                      mt_span_trim(mt_span(quoted.at + 8, quoted.len - 8)));
  if (action != MT_WORD_NONE)
    mt_event_set_word(event, MT_F_ACTION, action);
  else if (!mt_event_has(event, MT_F_SUBJECT))
    {
      event->kind = MT_EVENT_NOTICE;
      mt_event_set_text(event, MT_F_REASON, quoted);
    }
  return MT_PARSE_MATCH;
}

static MtParse
read_check_refusal(MtCursor *cur, MtEvent *event)
{
  return read_check(mt_cursor_rest(cur), event, action_of_rule(event));
}

static MtParse
read_check_note(MtCursor *cur, MtEvent *event)
{
  return read_check(mt_cursor_rest(cur), event, MT_WORD_NONE);
}

/* "milter-header-reject: header X: y from name[ip]; ..." (cleanup_milter.c) */
static MtParse
read_milter_check(MtCursor *cur, MtEvent *event)
{
  MtSpan action;
  gint word;

  if (!MT_SCAN_UNTIL(cur, ": ", &action))
    return MT_PARSE_SKIP;
  word = mt_word_by_name(action);
  if (word != MT_WORD_REJECT && word != MT_WORD_DISCARD && word != MT_WORD_HOLD
      && word != MT_WORD_FILTER && word != MT_WORD_REDIRECT)
    return read_check(mt_cursor_rest(cur), event, MT_WORD_NONE);
  event->kind = MT_EVENT_REJECT;
  return read_check(mt_cursor_rest(cur), event, word);
}

static const MtRule cleanup_with_id[] = {
  MT_RULE("message-id=", MESSAGE_ID, NULL, read_message_id),
  MT_RULE("resent-message-id=", NOTICE, NULL, read_message_id),
  MT_RULE("milter-reject: ", REJECT, NULL, read_reject),
  MT_RULE("milter-hold: ", REJECT, NULL, read_reject),
  MT_RULE("milter-discard: ", REJECT, NULL, read_reject),
  MT_RULE("milter-header-", HEADER, NULL, read_milter_check),
  MT_RULE("milter-body-", HEADER, NULL, read_milter_check),
  MT_RULE("reject: ", REJECT, NULL, read_check_refusal),
  MT_RULE("discard: ", REJECT, NULL, read_check_refusal),
  MT_RULE("hold: ", REJECT, NULL, read_check_refusal),
  MT_RULE("filter: ", REJECT, NULL, read_check_refusal),
  MT_RULE("redirect: ", REJECT, NULL, read_check_refusal),
  MT_RULE("warning: ", HEADER, NULL, read_check_note),
  MT_RULE("info: ", HEADER, NULL, read_check_note),
  MT_RULE("pass: ", HEADER, NULL, read_check_note),
  MT_RULE("prepend: ", HEADER, NULL, read_check_note),
  MT_RULE("replace: ", HEADER, NULL, read_check_note),
  MT_RULE("strip: ", HEADER, NULL, read_check_note),
  MT_RULE("bcc: ", HEADER, NULL, read_check_note),
  MT_RULE("delay: ", HEADER, NULL, read_check_note),
  MT_RULE("removed", DEQUEUE, NULL, NULL),
  DELIVERY_RULE,
  MT_RULES_END,
};

/* ---- qmgr, bounce, pickup, postsuper ------------------------------------ */

static const MtKey queued_keys[] = { /* qmgr_message.c */
  MT_KEY("from", ANGLE, SENDER),
  MT_KEY("size", INTEGER, SIZE),
  MT_KEY("nrcpt", INTEGER, NRCPT),
  MT_KEYS_END,
};

/* "from=<a>, size=1, nrcpt=1 (queue active)", or "from=<a>, status=expired,
 * returned to sender" (qmgr_active.c; "force-expired" since 3.5) */
static MtParse
read_queued(MtCursor *cur, MtEvent *event)
{
  MtSpan sender = mt_event_text(event, MT_F_SENDER), status;
  MtCursor again = { sender.at + sender.len, cur->end };

  if (mt_event_has(event, MT_F_NRCPT))
    return MT_PARSE_MATCH;
  if (!sender.at || !MT_SCAN(&again, ">, status=") || !mt_scan_token(&again, ", ", &status)
      || !MT_SPAN_ENDS(status, "expired"))
    return MT_PARSE_MALFORMED;
  event->kind = MT_EVENT_DEQUEUE;
  MT_EVENT_SET_LITERAL(event, MT_F_REASON, "expired");
  return MT_PARSE_MATCH;
}

static const MtRule qmgr_with_id[] = {
  MT_RULE("from=<", QUEUED, queued_keys, read_queued),
  MT_RULE("removed", DEQUEUE, NULL, NULL),
  DELIVERY_RULE,
  MT_RULE("skipped, still being delivered", NOTICE, NULL, take_line_as_reason),
  MT_RULE("enabling VERP for sender ", NOTICE, NULL, take_line_as_reason),
  MT_RULE("moved ", NOTICE, NULL, take_line_as_reason),
  MT_RULES_END,
};

static MtParse
read_child(MtCursor *cur, MtEvent *event, MtWord kind)
{
  MtSpan id;

  if (!scan_queue_id(cur, &id) || cur->at != cur->end)
    return MT_PARSE_MALFORMED;
  mt_event_set_text(event, MT_F_CHILD_QUEUE_ID, id);
  mt_event_set_word(event, MT_F_KIND, kind);
  return MT_PARSE_MATCH;
}

static MtParse
read_bounce_child(MtCursor *cur, MtEvent *event)
{
  return read_child(cur, event, MT_WORD_BOUNCE);
}

static MtParse
read_delay_child(MtCursor *cur, MtEvent *event)
{
  return read_child(cur, event, MT_WORD_DELAY);
}

static MtParse
read_success_child(MtCursor *cur, MtEvent *event)
{
  return read_child(cur, event, MT_WORD_SUCCESS);
}

static const MtRule bounce_with_id[] = { /* bounce_notify_service.c and its siblings */
  MT_RULE("sender non-delivery notification: ", NOTIFICATION, NULL, read_bounce_child),
  MT_RULE("postmaster non-delivery notification: ", NOTIFICATION, NULL, read_bounce_child),
  MT_RULE("sender delay notification: ", NOTIFICATION, NULL, read_delay_child),
  MT_RULE("postmaster delay notification: ", NOTIFICATION, NULL, read_delay_child),
  MT_RULE("sender delivery status notification: ", NOTIFICATION, NULL, read_success_child),
  MT_RULE("no trace file -- not sending a notification", NOTICE, NULL, take_line_as_reason),
  MT_RULE("not sending trace/success notification", NOTICE, NULL, take_line_as_reason),
  DELIVERY_RULE,
  MT_RULES_END,
};

static const MtKey pickup_keys[] = { /* pickup.c */
  MT_KEY("uid", INTEGER, UID),
  MT_KEY("from", ANGLE, SENDER),
  MT_KEY("orig_id", TOKEN, ORIG_QUEUE_ID),
  MT_KEYS_END,
};

static const MtRule pickup_with_id[] = {
  MT_RULE("uid=", ACCEPT, pickup_keys, NULL),
  DELIVERY_RULE,
  MT_RULES_END,
};

static MtParse
take_deleted(MtCursor *cur, MtEvent *event)
{
  MT_EVENT_SET_LITERAL(event, MT_F_REASON, "deleted");
  return MT_PARSE_MATCH;
}

static const MtRule postsuper_with_id[] = { /* postsuper.c */
  MT_RULE("removed", DEQUEUE, NULL, take_deleted),
  MT_RULE("placed on hold", HOLD, NULL, NULL),
  MT_RULE("released from hold", RELEASE, NULL, NULL),
  MT_RULE("requeued", REQUEUE, NULL, NULL),
  MT_RULE("expired", NOTICE, NULL, take_line_as_reason),
  MT_RULES_END,
};

static const MtRule postsuper_plain[] = {
  MT_RULE("Deleted: ", NOTICE, NULL, take_line_as_reason),
  MT_RULE("Placed on hold: ", NOTICE, NULL, take_line_as_reason),
  MT_RULE("Released from hold: ", NOTICE, NULL, take_line_as_reason),
  MT_RULE("Requeued: ", NOTICE, NULL, take_line_as_reason),
  MT_RULE("Force-expired: ", NOTICE, NULL, take_line_as_reason),
  MT_RULE("Renamed to match inode number: ", NOTICE, NULL, take_line_as_reason),
  MT_RULE("removed ", NOTICE, NULL, take_line_as_reason),
  MT_RULE("renamed ", NOTICE, NULL, take_line_as_reason),
  TROUBLE_RULES,
  MT_RULES_END,
};

/* ---- smtp and lmtp clients: src/smtp/ ------------------------------------ */

/* "host mx[ip] said: 450 4.2.0 ... (in reply to RCPT TO command)", "refused to talk
 * to me: 554 ..."; "mx[ip] while sending end of data" */
static MtParse
read_remote_trouble(MtCursor *cur, MtEvent *event)
{
  take_line_as_reason(cur, event);
  return mt_scan_peer(cur, event, &mt_relay_fields) ? MT_PARSE_MATCH : MT_PARSE_SKIP;
}

static const MtRule smtp_with_id[] = {
  DELIVERY_RULE,
  MT_RULE("host ", NOTICE, NULL, read_remote_trouble),
  MT_RULE("lost connection with ", NOTICE, NULL, read_remote_trouble),
  MT_RULE("conversation with ", NOTICE, NULL, read_remote_trouble),
  MT_RULE("Cannot start TLS: ", TLS_ERROR, NULL, take_reason),
  MT_RULE("TLS is required, but ", TLS_ERROR, NULL, take_line_as_reason),
  MT_RULE("Server certificate ", TLS_ERROR, NULL, take_line_as_reason),
  MT_RULE("enabling PIX workarounds: ", NOTICE, NULL, take_line_as_reason),
  MT_RULE("breaking line > ", NOTICE, NULL, take_line_as_reason),
  MT_RULE("passing <", NOTICE, NULL, take_line_as_reason),
  MT_RULE("SASL authentication failed", NOTICE, NULL, take_line_as_reason),
  MT_RULE("replace: header ", NOTICE, NULL, take_line_as_reason),
  MT_RULE("prepend: header ", NOTICE, NULL, take_line_as_reason),
  MT_RULE("strip: header ", NOTICE, NULL, take_line_as_reason),
  MT_RULE("warning: header ", NOTICE, NULL, take_line_as_reason),
  MT_RULE("info: header ", NOTICE, NULL, take_line_as_reason),
  MT_RULES_END,
};

/* "connect to mx[ip]:25: Connection refused" (smtp_connect.c) */
static MtParse
read_connect_failure(MtCursor *cur, MtEvent *event)
{
  MtCursor peer = *cur;

  if (mt_scan_peer(&peer, event, &mt_relay_fields) && MT_SCAN(&peer, ": "))
    return take_reason(&peer, event);
  return take_line_as_reason(cur, event);
}

static const MtRule smtp_plain[] = {
  MT_RULE("connect to ", NOTICE, NULL, read_connect_failure),
  MT_RULE("SSL_connect error to ", TLS_ERROR, NULL, read_tls_error_relay),
  MT_RULE("certificate verification failed for ", TLS_ERROR, NULL, read_tls_error_relay),
  MT_RULE("setting up TLS connection to ", NOTICE, NULL, take_line_as_reason),
  MT_RULE("discarding EHLO keywords: ", NOTICE, NULL, take_line_as_reason),
  MT_RULE("Host offered STARTTLS: ", NOTICE, NULL, take_line_as_reason),
  MT_RULE("initializing the client-side TLS engine", NOTICE, NULL, take_line_as_reason),
  TLS_RULES,
  TROUBLE_RULES,
  MT_RULES_END,
};

/* ---- postscreen, dnsblog, tlsproxy --------------------------------------- */

/* "[ip]:port to [ip]:port" */
static MtParse
read_screen_connect(MtCursor *cur, MtEvent *event)
{
  if (!scan_ip_port(cur, event, MT_F_CLIENT_IP, MT_F_CLIENT_PORT) || !MT_SCAN(cur, " to ")
      || !scan_ip_port(cur, event, MT_F_LOCAL_IP, MT_F_LOCAL_PORT))
    return MT_PARSE_SKIP;
  return MT_PARSE_MATCH;
}

static MtParse
read_screen_client(MtCursor *cur, MtEvent *event)
{
  return scan_ip_port(cur, event, MT_F_CLIENT_IP, MT_F_CLIENT_PORT) ? MT_PARSE_MATCH
                                                                     : MT_PARSE_SKIP;
}

/* "PASS NEW [ip]:port", "ALLOWLISTED [ip]:port": the reason is what was decided. */
static MtParse
read_screen_decision(MtCursor *cur, MtEvent *event)
{
  MtSpan prefix = ((const MtRule *) event->rule)->prefix;

  mt_event_set_text(event, MT_F_REASON, mt_span(prefix.at, prefix.len - 1));
  return read_screen_client(cur, event);
}

/* "HANGUP after 0.5 from [ip]:port in tests ...", "PREGREET 11 after 0.2 from [ip]:port: EHLO" */
static MtParse
read_screen_trouble(MtCursor *cur, MtEvent *event)
{
  MtSpan before;

  take_line_as_reason(cur, event);
  if (!MT_SCAN_UNTIL(cur, "from ", &before) && !MT_SCAN_UNTIL(cur, "for ", &before))
    return MT_PARSE_SKIP;
  return read_screen_client(cur, event);
}

/* "RCPT from [ip]:port: 550 5.7.1 ...; from=<a>, to=<b>, proto=ESMTP, helo=<c>",
 * "CONNECT from [ip]:port: too many connections" */
static MtParse
read_screen_reject(MtCursor *cur, MtEvent *event)
{
  MtSpan stage;

  if (!MT_SCAN_UNTIL(cur, " from ", &stage)
      || !scan_ip_port(cur, event, MT_F_CLIENT_IP, MT_F_CLIENT_PORT) || !MT_SCAN(cur, ": "))
    return MT_PARSE_SKIP;
  mt_event_set_text(event, MT_F_STAGE, stage);
  read_code_and_dsn(read_envelope(mt_cursor_rest(cur), event), event);
  mt_event_set_word(event, MT_F_ACTION,
                    mt_event_number(event, MT_F_CODE, 5) / 100 == 4 ? MT_WORD_DEFER
                                                                    : MT_WORD_REJECT);
  return MT_PARSE_MATCH;
}

static const MtRule postscreen_plain[] = {
  MT_RULE("CONNECT from ", CONNECT, NULL, read_screen_connect),
  MT_RULE("DISCONNECT ", DISCONNECT, NULL, read_screen_client),
  MT_RULE("PASS NEW ", NOTICE, NULL, read_screen_decision),
  MT_RULE("PASS OLD ", NOTICE, NULL, read_screen_decision),
  MT_RULE("HANGUP after ", NOTICE, NULL, read_screen_trouble),
  MT_RULE("PREGREET ", NOTICE, NULL, read_screen_trouble),
  MT_RULE("DNSBL rank ", NOTICE, NULL, read_screen_trouble),
  MT_RULE("NOQUEUE: reject: ", REJECT, NULL, read_screen_reject),
  MT_RULE("reject: ", REJECT, NULL, read_screen_reject),
  MT_RULE("ALLOWLISTED ", NOTICE, NULL, read_screen_decision),
  MT_RULE("WHITELISTED ", NOTICE, NULL, read_screen_decision),
  MT_RULE("DENYLISTED ", NOTICE, NULL, read_screen_decision),
  MT_RULE("BLACKLISTED ", NOTICE, NULL, read_screen_decision),
  MT_RULE("ALLOWLIST VETO ", NOTICE, NULL, read_screen_decision),
  MT_RULE("WHITELIST VETO ", NOTICE, NULL, read_screen_decision),
  MT_RULE("BARE NEWLINE ", NOTICE, NULL, read_screen_trouble),
  MT_RULE("BDAT without valid RCPT ", NOTICE, NULL, read_screen_trouble),
  MT_RULE("DATA without valid RCPT ", NOTICE, NULL, read_screen_trouble),
  MT_RULE("COMMAND COUNT LIMIT ", NOTICE, NULL, read_screen_trouble),
  MT_RULE("COMMAND LENGTH LIMIT ", NOTICE, NULL, read_screen_trouble),
  MT_RULE("COMMAND PIPELINING ", NOTICE, NULL, read_screen_trouble),
  MT_RULE("COMMAND TIME LIMIT ", NOTICE, NULL, read_screen_trouble),
  MT_RULE("NON-SMTP COMMAND ", NOTICE, NULL, read_screen_trouble),
  MT_RULE("cache ", NOTICE, NULL, take_line_as_reason),
  MT_RULE("entering STRESS mode ", NOTICE, NULL, take_line_as_reason),
  MT_RULE("leaving STRESS mode ", NOTICE, NULL, take_line_as_reason),
  TROUBLE_RULES,
  MT_RULES_END,
};

/* "192.0.2.7 listed by domain zen.example as 127.0.0.4" (dnsblog.c) */
static MtParse
read_listing(MtCursor *cur, MtEvent *event)
{
  MtSpan ip, domain;

  if (!mt_scan_token(cur, " ", &ip) || !MT_SCAN(cur, " listed by domain ")
      || !mt_scan_token(cur, " ", &domain))
    return MT_PARSE_SKIP;
  mt_event_set_ip(event, MT_F_CLIENT_IP, ip);
  mt_event_set_text(event, MT_F_REASON, domain);
  return MT_PARSE_MATCH;
}

static const MtRule dnsblog_plain[] = {
  MT_RULE("addr ", NOTICE, NULL, read_listing),
  TROUBLE_RULES,
  MT_RULES_END,
};

/* "TLS handshake failed for service=smtpd peer=[192.0.2.7]:1234" (tlsproxy.c) */
static MtParse
read_handshake_failure(MtCursor *cur, MtEvent *event)
{
  MtSpan service;

  take_line_as_reason(cur, event);
  if (!MT_SCAN(cur, "service=") || !MT_SCAN_UNTIL(cur, " peer=", &service))
    return MT_PARSE_SKIP;
  read_screen_client(cur, event);
  return MT_PARSE_MATCH;
}

/* One connection is connect for postscreen or smtpd already: no second one here. */
static const MtRule tlsproxy_plain[] = {
  MT_RULE("CONNECT from ", NOTICE, NULL, read_screen_client),
  MT_RULE("CONNECT to ", NOTICE, NULL, take_line_as_reason),
  MT_RULE("DISCONNECT ", NOTICE, NULL, take_line_as_reason),
  MT_RULE("TLS handshake failed for ", TLS_ERROR, NULL, read_handshake_failure),
  MT_RULE("SSL_accept error from ", TLS_ERROR, NULL, read_tls_error_client),
  MT_RULE("SSL_connect error to ", TLS_ERROR, NULL, read_tls_error_relay),
  TLS_RULES,
  TROUBLE_RULES,
  MT_RULES_END,
};

/* ---- the rest ------------------------------------------------------------- */

/* Programs whose every line is for the operator alone. */
static const MtRule operator_plain[] = {
  MT_RULE("", NOTICE, NULL, take_line_as_reason),
  MT_RULES_END,
};

#define DAEMON(name, with_id, plain) { MT_SPAN_INIT(name), with_id, plain }

/* By name, as bsearch() wants it. */
static const Daemon daemons[] = {
  DAEMON("anvil", NULL, common_plain),
  DAEMON("bounce", bounce_with_id, common_plain),
  DAEMON("cleanup", cleanup_with_id, common_plain),
  DAEMON("defer", bounce_with_id, common_plain),
  DAEMON("discard", deliveries_with_id, common_plain),
  DAEMON("dnsblog", NULL, dnsblog_plain),
  DAEMON("error", deliveries_with_id, common_plain),
  DAEMON("flush", NULL, common_plain),
  DAEMON("lmtp", smtp_with_id, smtp_plain),
  DAEMON("local", deliveries_with_id, common_plain),
  DAEMON("master", NULL, operator_plain),
  DAEMON("nqmgr", qmgr_with_id, common_plain),
  DAEMON("oqmgr", qmgr_with_id, common_plain),
  DAEMON("pickup", pickup_with_id, common_plain),
  DAEMON("pipe", deliveries_with_id, common_plain),
  DAEMON("postalias", NULL, operator_plain),
  DAEMON("postcat", NULL, operator_plain),
  DAEMON("postconf", NULL, operator_plain),
  DAEMON("postdrop", NULL, operator_plain),
  DAEMON("postfix", NULL, operator_plain),
  DAEMON("postfix-script", NULL, operator_plain),
  DAEMON("postkick", NULL, operator_plain),
  DAEMON("postlock", NULL, operator_plain),
  DAEMON("postlog", NULL, operator_plain),
  DAEMON("postlogd", NULL, operator_plain),
  DAEMON("postmap", NULL, operator_plain),
  DAEMON("postmulti", NULL, operator_plain),
  DAEMON("postqueue", NULL, operator_plain),
  DAEMON("postscreen", NULL, postscreen_plain),
  DAEMON("postsuper", postsuper_with_id, postsuper_plain),
  DAEMON("posttls-finger", NULL, operator_plain),
  DAEMON("proxymap", NULL, common_plain),
  DAEMON("proxywrite", NULL, common_plain),
  DAEMON("qmgr", qmgr_with_id, common_plain),
  DAEMON("qmqpd", smtpd_with_id, smtpd_plain),
  DAEMON("retry", deliveries_with_id, common_plain),
  DAEMON("scache", NULL, common_plain),
  DAEMON("sendmail", NULL, operator_plain),
  DAEMON("showq", NULL, common_plain),
  DAEMON("smtp", smtp_with_id, smtp_plain),
  DAEMON("smtpd", smtpd_with_id, smtpd_plain),
  DAEMON("spawn", NULL, common_plain),
  DAEMON("tlsmgr", NULL, common_plain),
  DAEMON("tlsproxy", NULL, tlsproxy_plain),
  DAEMON("trace", bounce_with_id, common_plain),
  DAEMON("trivial-rewrite", NULL, common_plain),
  DAEMON("verify", NULL, common_plain),
  DAEMON("virtual", deliveries_with_id, common_plain),
};

static gint
compare_daemon(gconstpointer key, gconstpointer element)
{
  const MtSpan *name = key;
  const Daemon *daemon = element;
  gint order = memcmp(name->at, daemon->name.at, MIN(name->len, daemon->name.len));

  return order ? order : (gint) name->len - (gint) daemon->name.len;
}

/* syslog_name may be anything ("postfix", "postfix-out", "mx-in"), and a service may
 * add to it ("postfix/submission"); the daemon stands behind the last '/'. */
static void
claim(MtSpan program, MtClaim *claim)
{
  const gchar *slash = program.len ? memrchr(program.at, '/', program.len) : NULL;
  MtSpan name;

  if (!slash || slash == program.at)
    return;
  name = mt_span(slash + 1, program.at + program.len - slash - 1);
  claim->daemon
    = bsearch(&name, daemons, G_N_ELEMENTS(daemons), sizeof daemons[0], compare_daemon);
  if (claim->daemon)
    claim->strength = MT_CLAIM_NAME;
}

static MtParse
parse(const MtLine *line, const MtClaim *claim, MtEvent *event)
{
  const Daemon *daemon = claim->daemon;
  MtCursor cur = mt_cursor(line->text);
  MtParse parse = MT_PARSE_SKIP;
  MtSpan id;

  if (daemon->with_id && scan_queue_id(&cur, &id) && MT_SCAN(&cur, ": "))
    {
      mt_event_set_text(event, MT_F_QUEUE_ID, id);
      parse = mt_rules_apply(daemon->with_id, mt_cursor_rest(&cur), event);
      if (parse == MT_PARSE_MATCH && event->kind == MT_EVENT_DELIVERY)
        mt_event_set_text(event, MT_F_TRANSPORT, daemon->name);
      if (parse != MT_PARSE_SKIP)
        return parse;
      mt_event_drop(event, MT_F_QUEUE_ID);
    }
  return mt_rules_apply(daemon->plain, line->text, event);
}

static const MtRule *const all_rules[] = {
  smtpd_with_id,     smtpd_plain,     smtpd_warnings, cleanup_with_id,  qmgr_with_id,
  bounce_with_id,    pickup_with_id,  smtp_with_id,   smtp_plain,       postsuper_with_id,
  postsuper_plain,   postscreen_plain, dnsblog_plain, tlsproxy_plain,   deliveries_with_id,
  common_plain,      operator_plain,  NULL,
};

const MtDialect mt_dialect_postfix = { "postfix", claim, parse, all_rules };
