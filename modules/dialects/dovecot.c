/* dovecot.c: the lines of Dovecot 2.0 to 2.4 and of Pigeonhole, its Sieve
 *
 * Layer: dialects.  Concurrency: any thread; no state.
 *
 * The literals are those of Dovecot's own sources (src/ of 2.3.19.1 and 2.4.1, and
 * of Pigeonhole 0.5.19 and 2.4.1, the file named beside each table), some older
 * ones from logs of 1.x and 2.2; the fixture says which version prints what.
 * User names, mailbox names, message-IDs, subjects and passwords are the client's
 * or the sender's: what Dovecot itself puts around them, in its fixed order, decides.
 */
#include "dialects/dialect.h"

typedef struct Service Service;

/* What stands before the message: "imap(bob@example.com)<4711><xJ2...>: Error: " */
typedef struct
{
  const Service *service; /* NULL: a name that is none of Dovecot's own */
  MtSpan text;            /* behind the service's name */
  MtSpan inside;          /* between the parentheses; at is NULL where there are none */
  MtSpan session;
  MtSpan ip;       /* Plesk's prefix alone has one */
  gboolean angles; /* <pid> or <session> is there: what is inside is a user */
  gchar level;     /* 'D', 'I', 'W', 'E', 'F', 'P', or NUL */
  MtSpan leveled;  /* the message with its level */
  MtSpan message;
} Head;

struct Service
{
  MtSpan name;
  guint64 order; /* its first bytes */
  MtWord word;   /* what the contract calls it */
  MtParse (*read)(const Head *head, MtEvent *event);
  gboolean notices; /* what read() does not know is for the operator */
};

/* ---- pieces --------------------------------------------------------------- */

static MtParse
take_reason(MtCursor *cur, MtEvent *event)
{
  if (cur->at < cur->end)
    mt_event_set_text(event, MT_F_REASON, mt_cursor_rest(cur));
  return MT_PARSE_MATCH;
}

/* The line as its rule saw it, prefix and all. */
static MtSpan
whole(const MtCursor *cur, const MtEvent *event)
{
  gsize prefix = ((const MtRule *) event->rule)->prefix.len;

  return mt_span(cur->at - prefix, cur->end - cur->at + prefix);
}

static MtParse
take_whole(MtCursor *cur, MtEvent *event)
{
  mt_event_set_text(event, MT_F_REASON, whole(cur, event));
  return MT_PARSE_MATCH;
}

static MtParse
set_nonempty(MtEvent *event, MtField field, MtSpan text)
{
  if (text.len)
    mt_event_set_text(event, field, text);
  return MT_PARSE_MATCH;
}

static MtParse
fail(MtEvent *event, MtSpan reason)
{
  mt_event_set_text(event, MT_F_REASON, reason);
  return MT_PARSE_MATCH;
}

static MtParse
fail_auth(MtCursor *cur, MtEvent *event)
{
  return fail(event, MT_SPAN("auth-failed"));
}

static MtParse
fail_many(MtCursor *cur, MtEvent *event)
{
  return fail(event, MT_SPAN("many-connections"));
}

static MtParse
fail_network(MtCursor *cur, MtEvent *event)
{
  return fail(event, MT_SPAN("ip-notallowed"));
}

static MtParse
fail_disabled(MtCursor *cur, MtEvent *event)
{
  return fail(event, MT_SPAN("user-disabled"));
}

static MtParse
fail_unknown(MtCursor *cur, MtEvent *event)
{
  return fail(event, MT_SPAN("unknown-user"));
}

static MtParse
fail_otp(MtCursor *cur, MtEvent *event)
{
  return fail(event, MT_SPAN("otp-invalid"));
}

static MtParse
fail_tls(MtCursor *cur, MtEvent *event)
{
  return fail(event, MT_SPAN("tls-required"));
}

static MtParse
fail_internal(MtCursor *cur, MtEvent *event)
{
  return fail(event, MT_SPAN("internal"));
}

/* "Error: " and so on (src/lib/failures.c); 1.x wrote "Warn: ". */
static gchar
scan_level(MtCursor *cur)
{
  gchar first = mt_cursor_peek(cur);
  gboolean found = FALSE;

  switch (first)
    {
    case 'I':
      found = MT_SCAN(cur, "Info: ");
      break;
    case 'E':
      found = MT_SCAN(cur, "Error: ");
      break;
    case 'W':
      found = MT_SCAN(cur, "Warning: ") || MT_SCAN(cur, "Warn: ");
      break;
    case 'D':
      found = MT_SCAN(cur, "Debug: ");
      break;
    case 'F':
      found = MT_SCAN(cur, "Fatal: ");
      break;
    case 'P':
      found = MT_SCAN(cur, "Panic: ");
      break;
    }
  return found ? first : '\0';
}

static MtSpan
first_word(MtSpan text)
{
  const gchar *space = text.len ? memchr(text.at, ' ', text.len) : NULL;

  return space ? mt_span(text.at, space - text.at) : text;
}

/* One "key=value", of a list whose values hold no separator.  What the line said
 * before stays.  Returns: FALSE if it is no such thing. */
static gboolean
read_pair(const MtKey *keys, MtSpan pair, MtEvent *event)
{
  MtCursor value = mt_cursor(pair);
  const MtKey *key = mt_key_at(keys, NULL, &value);
  guint64 number;
  MtSpan name;

  if (!key)
    return mt_scan_class(&value, MT_CHAR_KEY, &name) && mt_cursor_peek(&value) == '=';
  if (value.at == value.end)
    return TRUE;
  if (key->kind == MT_KEY_FUNC)
    key->func(&value, event);
  else if (mt_event_has(event, key->field))
    return TRUE;
  else if (key->kind == MT_KEY_IP)
    mt_event_set_ip(event, key->field, first_word(mt_cursor_rest(&value)));
  else if (key->kind == MT_KEY_TOKEN)
    mt_event_set_text(event, key->field, mt_cursor_rest(&value));
  else if (mt_scan_u64(&value, &number))
    mt_event_set_number(event, key->field, number);
  return TRUE;
}

/* The number behind the last ", name=" of proxies' "(2s idle, in=10, out=20+5)". */
static void
read_last_number(MtSpan text, MtSpan name, MtEvent *event, MtField field)
{
  const gchar *at = mt_span_find_last(text, name);
  MtCursor cur;
  guint64 number;

  if (!at)
    return;
  cur = mt_cursor(mt_span(at + name.len, text.at + text.len - at - name.len));
  if (mt_scan_u64(&cur, &number))
    mt_event_set_number(event, field, number);
}

/* ---- a login process' elements: login-common/client-common.c --------------- */

/* client_get_log_str() writes "MESSAGE: user=<U>, method=M, rip=R, lip=L, mpid=N,
 * TLS, session=<S>" (login_log_format_elements; what is empty is left out, but the
 * user).  U is at most this long. */
#define USER_BYTES 80

/* An unknown method's name stands there too, in capitals, cut at 64. */
#define METHOD_BYTES 80

static const MtKey element_keys[] = {
  MT_KEY("method", TOKEN, AUTH_METHOD), MT_KEY("rip", IP, CLIENT_IP),
  MT_KEY("lip", IP, LOCAL_IP),          MT_KEY("rport", INTEGER, CLIENT_PORT),
  MT_KEY("lport", INTEGER, LOCAL_PORT), MT_KEYS_END,
};

/* Does Dovecot's own text go on here: ", method=M, rip=" or ", rip="? */
static gboolean
is_behind_user(MtSpan rest)
{
  MtCursor cur = mt_cursor(mt_span(rest.at, MIN(rest.len, METHOD_BYTES)));
  MtSpan method;

  if (MT_SCAN(&cur, ", method="))
    return MT_SCAN_UNTIL(&cur, ", rip=", &method);
  return MT_SCAN(&cur, ", rip=");
}

/* The user may hold "x>, method=PLAIN, rip=192.0.2.1": the last place, within the
 * length a user can have, from which Dovecot's order goes on is the end.  Other
 * orders of elements: the first '>' before a comma. */
static const gchar *
find_user_end(MtSpan text)
{
  MtSpan left = mt_span(text.at, MIN(text.len, USER_BYTES + 1));
  const gchar *end = text.at + text.len, *at, *first = NULL;

  while (left.len && (at = memrchr(left.at, '>', left.len)))
    {
      if (is_behind_user(mt_span(at + 1, end - at - 1)))
        return at;
      if (at + 1 == end || at[1] == ',')
        first = at;
      left.len = at - left.at;
    }
  return first;
}

/* "%k": "TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits)" */
static void
read_security(MtSpan item, MtEvent *event)
{
  MtCursor cur = mt_cursor(item);
  MtSpan text;

  mt_event_set_number(event, MT_F_TLS, 1);
  if (mt_scan_token(&cur, " ", &text))
    mt_event_set_text(event, MT_F_TLS_VERSION, text);
  if (MT_SCAN(&cur, " with cipher ") && mt_scan_token(&cur, " ", &text))
    mt_event_set_text(event, MT_F_CIPHER, text);
}

/* What is left of the elements when user and session are cut off.  @tls: the
 * element that says how the connection is secured; what stands behind an error in it
 * may be from the subject of a client's certificate. */
static void
read_items(MtSpan items, MtEvent *event, MtSpan *tls)
{
  MtCursor cur = mt_cursor(items);
  MtSpan item;

  while (cur.at < cur.end && !MT_SPAN_STARTS(*tls, "TLS: "))
    {
      if (!mt_scan_until(&cur, ',', &item))
        {
          item = mt_cursor_rest(&cur);
          cur.at = cur.end;
        }
      mt_scan_char(&cur, ' ');
      /* "TSL" is how 2.4.1 spells TLS over a proxy's stream */
      if (MT_SPAN_STARTS(item, "TLSv"))
        read_security(item, event);
      else if (MT_SPAN_STARTS(item, "TLS") || MT_SPAN_IS(item, "TSL"))
        *tls = item;
      else
        read_pair(element_keys, item, event);
    }
  if (tls->len && !MT_SPAN_STARTS(*tls, "TLS handshaking"))
    mt_event_set_number(event, MT_F_TLS, 1);
}

/* The session stands last and holds no '<'.  Returns: what stands before it. */
static MtSpan
cut_session(MtSpan text, MtEvent *event)
{
  static const MtSpan key = MT_SPAN_INIT("session=<");
  const gchar *open = text.len ? memrchr(text.at, '<', text.len) : NULL;
  MtSpan before, id;
  MtCursor cur;

  if (!open)
    return text;
  before = mt_span(text.at, open + 1 - text.at);
  cur = (MtCursor){ open + 1, text.at + text.len };
  if (!mt_span_ends(before, key) || !mt_scan_until(&cur, '>', &id))
    return text;
  set_nonempty(event, MT_F_SESSION, id);
  return mt_span(before.at, before.len - key.len);
}

static void
read_elements(MtSpan text, MtEvent *event, MtSpan *tls)
{
  const gchar *user_end;

  if (MT_SPAN_STARTS(text, "user=<"))
    {
      MtSpan user = mt_span(text.at + 6, text.len - 6);

      user_end = find_user_end(user);
      if (!user_end)
        return;
      if (user_end > user.at)
        mt_event_set_text(event, MT_F_ACCOUNT, mt_span(user.at, user_end - user.at));
      text = mt_span(user_end + 1, text.at + text.len - user_end - 1);
      if (MT_SPAN_STARTS(text, ", "))
        text = mt_span(text.at + 2, text.len - 2);
    }
  read_items(cut_session(text, event), event, tls);
}

/* Splits "MESSAGE: elements", reads the elements, returns the message.  Where the
 * client has no word in the message the first ": user=<" ends it; where it has
 * (@last), the last: the user is then the more harmless of the two. */
static MtSpan
split_elements(MtSpan text, gboolean last, MtEvent *event, MtSpan *tls)
{
  const gchar *at =
      last ? mt_span_find_last(text, MT_SPAN(": user=<")) : mt_span_find(text, MT_SPAN(": user=<"));

  if (!at) /* 1.x, and formats without a user */
    at = mt_span_find(text, MT_SPAN(": rip="));
  if (!at)
    return text;
  read_elements(mt_span(at + 2, text.at + text.len - at - 2), event, tls);
  return mt_span(text.at, at - text.at);
}

/* "TLS handshaking: SSL_accept() failed: error:...", "TLS: SSL_read failed: ...": why,
 * where it is more than that the client went away. */
static MtSpan
tls_trouble(MtSpan tls)
{
  MtCursor cur;
  MtSpan state;

  if (!tls.len)
    return MT_NO_SPAN;
  cur = mt_cursor(tls);
  if (!MT_SCAN_UNTIL(&cur, ": ", &state) || !MT_SPAN_STARTS(mt_cursor_rest(&cur), "SSL_"))
    return MT_NO_SPAN;
  return mt_cursor_rest(&cur);
}

/* ---- login processes: login-common/, imap-login/, pop3-login/ ... ------------- */

static MtParse
read_login(MtCursor *cur, MtEvent *event)
{
  MtSpan tls = MT_NO_SPAN;

  read_elements(mt_cursor_rest(cur), event, &tls);
  return mt_event_has(event, MT_F_CLIENT_IP) || mt_event_has(event, MT_F_ACCOUNT) ? MT_PARSE_MATCH
                                                                                  : MT_PARSE_SKIP;
}

/* client-common.c, client_get_extra_disconnect_reason(): prose up to 2.3, behind it
 * in 2.4 a code, client_auth_fail_code_event_reasons[] and others. */
static const MtRule ending_rules[] = {
  MT_RULE("auth failed", LOGIN_FAILED, NULL, fail_auth),
  MT_RULE("no auth attempts", DISCONNECT, NULL, NULL),
  MT_RULE("disconnected before auth was ready", DISCONNECT, NULL, NULL),
  MT_RULE("disconnected while authenticating", DISCONNECT, NULL, NULL),
  MT_RULE("disconnected while finishing login", DISCONNECT, NULL, NULL),
  MT_RULE("client didn't finish SASL auth", DISCONNECT, NULL, NULL),
  MT_RULE("aborted authentication", DISCONNECT, NULL, NULL),
  MT_RULE("tried to use disallowed ", LOGIN_FAILED, NULL, fail_tls),
  MT_RULE("tried to use disabled ", LOGIN_FAILED, NULL, fail_tls), /* 1.x */
  MT_RULE("cert required, client didn't start TLS", LOGIN_FAILED, NULL, fail_tls),
  MT_RULE("client sent an invalid cert", LOGIN_FAILED, NULL, fail_auth),
  MT_RULE("client didn't send a cert", LOGIN_FAILED, NULL, fail_auth),
  MT_RULE("tried to use unsupported auth mechanism", LOGIN_FAILED, NULL, fail_auth),
  MT_RULE("sent invalid base64 in response", LOGIN_FAILED, NULL, fail_auth),
  MT_RULE("authorization failed", LOGIN_FAILED, NULL, fail_auth),
  MT_RULE("proxy dest auth failed", LOGIN_FAILED, NULL, fail_auth),
  MT_RULE("user disabled", LOGIN_FAILED, NULL, fail_disabled),
  MT_RULE("password expired", LOGIN_FAILED, NULL, fail_disabled),
  MT_RULE("login disabled", LOGIN_FAILED, NULL, fail_disabled),
  MT_RULE("auth process communication failure", LOGIN_FAILED, NULL, fail_internal),
  MT_RULE("auth service reported temporary failure", LOGIN_FAILED, NULL, fail_internal),
  MT_RULE("internal failure", LOGIN_FAILED, NULL, fail_internal),
  MT_RULE("auth_failed", LOGIN_FAILED, NULL, fail_auth),
  MT_RULE("no_auth_attempts", DISCONNECT, NULL, NULL),
  MT_RULE("tls_handshake_not_finished", DISCONNECT, NULL, NULL),
  MT_RULE("auth_process_not_ready", DISCONNECT, NULL, NULL),
  MT_RULE("auth_aborted_by_client", DISCONNECT, NULL, NULL),
  MT_RULE("auth_waiting_client", DISCONNECT, NULL, NULL),
  MT_RULE("auth_nologin_referral", DISCONNECT, NULL, NULL),
  MT_RULE("shutting_down", DISCONNECT, NULL, NULL),
  MT_RULE("process_full", LIMIT, NULL, NULL),
  MT_RULE("connection_limit", LOGIN_FAILED, NULL, fail_many),
  MT_RULE("cleartext_auth_disabled", LOGIN_FAILED, NULL, fail_tls),
  MT_RULE("client_ssl_not_started", LOGIN_FAILED, NULL, fail_tls),
  MT_RULE("client_ssl_cert_untrusted", LOGIN_FAILED, NULL, fail_auth),
  MT_RULE("client_ssl_cert_missing", LOGIN_FAILED, NULL, fail_auth),
  MT_RULE("invalid_mech", LOGIN_FAILED, NULL, fail_auth),
  MT_RULE("invalid_base64", LOGIN_FAILED, NULL, fail_auth),
  MT_RULE("authorization_failed", LOGIN_FAILED, NULL, fail_auth),
  MT_RULE("anonymous_auth_disabled", LOGIN_FAILED, NULL, fail_auth),
  MT_RULE("user_disabled", LOGIN_FAILED, NULL, fail_disabled),
  MT_RULE("password_expired", LOGIN_FAILED, NULL, fail_disabled),
  MT_RULE("login_disabled", LOGIN_FAILED, NULL, fail_disabled),
  MT_RULE("auth_process_comm_fail", LOGIN_FAILED, NULL, fail_internal),
  MT_RULE("temp_fail", LOGIN_FAILED, NULL, fail_internal),
  MT_RULE("internal_failure", LOGIN_FAILED, NULL, fail_internal),
  MT_RULE("proxy_dest_auth_failed", LOGIN_FAILED, NULL, fail_auth),
  MT_RULE("proxy_dest_auth_temp_failed", LOGIN_FAILED, NULL, fail_internal),
  MT_RULE("proxy_dest_connect_failed", LOGIN_FAILED, NULL, fail_internal),
  MT_RULE("proxy_dest_internal_failure", LOGIN_FAILED, NULL, fail_internal),
  MT_RULE("proxy_dest_remote_failure", LOGIN_FAILED, NULL, fail_internal),
  MT_RULE("proxy_dest_protocol_failure", LOGIN_FAILED, NULL, fail_internal),
  MT_RULE("proxy_dest_redirected", DISCONNECT, NULL, NULL),
  MT_RULES_END,
};

/* Messages that say more than what stands in parentheses behind them. */
static const MtRule message_rules[] = {
  MT_RULE("Maximum number of connections from user+IP exceeded", LOGIN_FAILED, NULL, fail_many),
  MT_RULE("Connection queue full", LIMIT, NULL, NULL), /* client-common.c */
  MT_RULE("Internal login failure", LOGIN_FAILED, NULL, fail_internal),
  MT_RULES_END,
};

/* Cuts the last "(text)" off @message. */
static gboolean
cut_group(MtSpan *message, MtSpan *group)
{
  const gchar *open;

  if (!MT_SPAN_ENDS(*message, ")"))
    return FALSE;
  open = memrchr(message->at, '(', message->len);
  if (!open)
    return FALSE;
  *group = mt_span(open + 1, message->at + message->len - open - 2);
  *message = mt_span_trim(mt_span(message->at, open - message->at));
  return TRUE;
}

/* "auth failed, 3 attempts in 5 secs"; 1.x: "1 authentication attempts" */
static gboolean
read_attempts(MtSpan group, MtEvent *event)
{
  MtCursor cur = mt_cursor(group);
  MtSpan before;
  guint64 attempts;

  MT_SCAN_UNTIL(&cur, ", ", &before);
  if (!mt_scan_u64(&cur, &attempts)
      || (!MT_SCAN(&cur, " attempts") && !MT_SCAN(&cur, " authentication attempts")))
    return FALSE;
  mt_event_set_number(event, MT_F_ATTEMPTS, attempts);
  return TRUE;
}

/* What @message, without the elements, says of the end of an attempt. */
static MtParse
read_ending(MtSpan message, MtEvent *event)
{
  MtSpan group, prose;
  MtParse parse;

  mt_event_set_text(event, MT_F_REASON, message);
  parse = mt_rules_apply(message_rules, message, event);
  if (!cut_group(&message, &group))
    return parse;
  if (!message.len)
    mt_event_set_text(event, MT_F_REASON, group);
  if (parse == MT_PARSE_SKIP)
    parse = mt_rules_apply(ending_rules, group, event);
  if (read_attempts(group, event) && parse == MT_PARSE_SKIP)
    {
      event->kind = MT_EVENT_LOGIN_FAILED;
      parse = fail(event, MT_SPAN("auth-failed"));
    }
  if (cut_group(&message, &prose))
    read_attempts(prose, event);
  if (event->kind != MT_EVENT_LOGIN_FAILED)
    mt_event_drop(event, MT_F_ATTEMPTS);
  return parse;
}

/* "Disconnected: Inactivity (auth failed, ...): user=", "Aborted login (...): user=" */
static MtParse
read_disconnected(MtCursor *cur, MtEvent *event)
{
  const MtRule *rule = event->rule;
  MtSpan tls = MT_NO_SPAN;
  MtSpan message = split_elements(mt_cursor_rest(cur), FALSE, event, &tls);

  if (MT_SPAN_STARTS(message, ": "))
    message = mt_span(message.at + 2, message.len - 2);
  else if (MT_SPAN_STARTS(message, " (") && MT_SPAN_ENDS(message, ")"))
    message = mt_span(message.at + 1, message.len - 1);
  else
    message = mt_span(message.at - rule->prefix.len, message.len + rule->prefix.len);
  if (read_ending(message, event) == MT_PARSE_SKIP)
    {
      event->kind = rule->event;
      event->rule = rule;
    }
  if (event->kind == MT_EVENT_DISCONNECT && tls_trouble(tls).len)
    {
      event->kind = MT_EVENT_TLS_ERROR;
      mt_event_set_text(event, MT_F_REASON, tls_trouble(tls));
    }
  return MT_PARSE_MATCH;
}

/* 1.x said no more where a client gave up that had named a user. */
static MtParse
read_aborted(MtCursor *cur, MtEvent *event)
{
  const MtRule *rule = event->rule;

  read_disconnected(cur, event);
  if (event->rule == rule && mt_event_has(event, MT_F_ACCOUNT))
    {
      event->kind = MT_EVENT_LOGIN_FAILED;
      fail(event, MT_SPAN("auth-failed"));
    }
  return MT_PARSE_MATCH;
}

/* 2.4: "Login aborted: Connection closed (auth failed, 2 attempts in 4 secs)
 * (auth_failed): user=..."; a code that this table does not know stays unknown. */
static MtParse
read_login_aborted(MtCursor *cur, MtEvent *event)
{
  const MtRule *rule = event->rule;
  MtSpan tls = MT_NO_SPAN, plain, code;
  MtSpan message = split_elements(mt_cursor_rest(cur), FALSE, event, &tls);

  if (read_ending(message, event) == MT_PARSE_SKIP)
    {
      if (MT_SPAN_ENDS(message, ")"))
        return MT_PARSE_SKIP;
      event->kind = MT_EVENT_DISCONNECT;
      event->rule = rule;
    }
  if (event->kind == MT_EVENT_LOGIN_FAILED)
    return MT_PARSE_MATCH;
  plain = message;
  if (cut_group(&plain, &code) && MT_SPAN_ENDS(plain, ")"))
    message = plain;
  mt_event_set_text(event, MT_F_REASON, message);
  if (event->kind != MT_EVENT_DISCONNECT)
    return MT_PARSE_MATCH;
  if (tls_trouble(tls).len)
    mt_event_set_text(event, MT_F_REASON, tls_trouble(tls));
  else if (!MT_SPAN_STARTS(message, "Connection closed: SSL_"))
    return MT_PARSE_MATCH;
  event->kind = MT_EVENT_TLS_ERROR;
  return MT_PARSE_MATCH;
}

/* "Maximum number of ... (mail_max_userip_connections=10): user=<...>", 2.0 to 2.2 */
static MtParse
read_too_many(MtCursor *cur, MtEvent *event)
{
  MtSpan tls = MT_NO_SPAN;

  split_elements(mt_cursor_rest(cur), FALSE, event, &tls);
  return fail(event, MT_SPAN("many-connections"));
}

/* auth_verbose: "Login failed: Plaintext authentication disabled: user=", 2.4
 * "Cleartext authentication disabled", both "SSL required for authentication" */
static MtParse
read_login_refused(MtCursor *cur, MtEvent *event)
{
  MtSpan tls = MT_NO_SPAN;

  split_elements(mt_cursor_rest(cur), FALSE, event, &tls);
  return fail(event, MT_SPAN("tls-required"));
}

/* pop3-login/client-authenticate.c: "APOP failed: APOP not enabled: user=" */
static MtParse
read_apop_failed(MtCursor *cur, MtEvent *event)
{
  MtSpan tls = MT_NO_SPAN;

  split_elements(mt_cursor_rest(cur), FALSE, event, &tls);
  return fail(event, MT_SPAN("auth-failed"));
}

/* sasl-server.c: what the client is told. */
static const MtRule refusal_rules[] = {
  MT_RULE("Authentication failed", LOGIN_FAILED, NULL, fail_auth),
  MT_RULE("Unsupported authentication mechanism", LOGIN_FAILED, NULL, fail_auth),
  MT_RULE("Anonymous login denied", LOGIN_FAILED, NULL, fail_auth),
  MT_RULE("Unable to validate certificate", LOGIN_FAILED, NULL, fail_auth),
  MT_RULE("Plaintext authentication disa", LOGIN_FAILED, NULL, fail_tls),
  MT_RULE("Cleartext authentication disa", LOGIN_FAILED, NULL, fail_tls),
  MT_RULE("Authentication aborted", DISCONNECT, NULL, take_whole),
  MT_RULE("Aborted", DISCONNECT, NULL, take_whole),
  MT_RULES_END,
};

/* "Authenticate PLAIN failed: Authentication failed.: user=<...>": other answers are
 * those of a server that could not do its work. */
static MtParse
read_authenticate(MtCursor *cur, MtEvent *event)
{
  const MtRule *rule = event->rule;
  MtSpan tls = MT_NO_SPAN, method;
  MtSpan message = split_elements(mt_cursor_rest(cur), FALSE, event, &tls);
  MtCursor text = mt_cursor(message);

  if (!MT_SCAN_UNTIL(&text, " failed: ", &method))
    return MT_PARSE_SKIP;
  if (!mt_event_has(event, MT_F_AUTH_METHOD) && method.len)
    mt_event_set_text(event, MT_F_AUTH_METHOD, method);
  if (mt_rules_apply(refusal_rules, mt_cursor_rest(&text), event) == MT_PARSE_MATCH)
    return MT_PARSE_MATCH;
  event->kind = rule->event;
  event->rule = rule;
  return fail(event, MT_SPAN("internal"));
}

/* Up to the next ", key=" of the client's list. */
static MtSpan
scan_id_value(MtCursor *cur)
{
  MtSpan value;

  if (!MT_SCAN_UNTIL(cur, ", ", &value))
    {
      value = mt_cursor_rest(cur);
      cur->at = cur->end;
    }
  return value;
}

/* "name=Thunderbird, version=115.3, os=...": name and version, or, without a name,
 * all of it (lib-imap/imap-id.c, imap_id_log_reply_append(); NIL is none). */
static void
read_client(MtSpan id, MtEvent *event)
{
  MtCursor cur = mt_cursor(id);
  MtSpan client = id, value;

  while (cur.at < cur.end)
    {
      gboolean name = MT_SCAN(&cur, "name=");

      value = scan_id_value(&cur);
      if (!name || MT_SPAN_IS(value, "NIL") || !value.len)
        continue;
      client = value;
      if (MT_SCAN(&cur, "version="))
        {
          value = scan_id_value(&cur);
          if (value.len && !MT_SPAN_IS(value, "NIL"))
            client.len = value.at + value.len - client.at;
        }
      break;
    }
  if (client.len)
    mt_event_set_text(event, MT_F_CLIENT, client);
}

static MtParse
read_login_id(MtCursor *cur, MtEvent *event)
{
  MtSpan tls = MT_NO_SPAN;
  MtSpan id = split_elements(mt_cursor_rest(cur), TRUE, event, &tls);

  read_client(id, event);
  return MT_PARSE_MATCH;
}

/* "access(tcpwrap): Client refused (rip=192.0.2.1)", "haproxy: Client disconnected
 * (rip=...): Connection reset" (main.c; lib-master/master-service-haproxy.c) */
static MtParse
read_refused_client(MtCursor *cur, MtEvent *event)
{
  const gchar *at = mt_span_find_last(mt_cursor_rest(cur), MT_SPAN("(rip="));
  MtCursor ip;
  MtSpan text;

  take_whole(cur, event);
  if (!at)
    return MT_PARSE_SKIP;
  ip = (MtCursor){ at + strlen("(rip="), cur->end };
  if (mt_scan_until(&ip, ')', &text))
    mt_event_set_ip(event, MT_F_CLIENT_IP, text);
  return MT_PARSE_MATCH;
}

/* verbose_ssl: "SSL failed: where=0x2002: ... [192.0.2.1]" (2.2) */
static MtParse
read_ssl_trouble(MtCursor *cur, MtEvent *event)
{
  MtSpan tls = MT_NO_SPAN;
  MtSpan message = split_elements(whole(cur, event), FALSE, event, &tls);
  const gchar *open = memrchr(message.at, '[', message.len);

  mt_event_set_text(event, MT_F_REASON, message);
  if (open && MT_SPAN_ENDS(message, "]"))
    mt_event_set_ip(event, MT_F_CLIENT_IP, mt_span(open + 1, message.at + message.len - open - 2));
  return MT_PARSE_MATCH;
}

static const MtRule login_rules[] = {
  MT_RULE("Login: ", LOGIN, NULL, read_login),
  MT_RULE("Logged in: ", LOGIN, NULL, read_login), /* 2.4 */
  MT_RULE("Disconnected", DISCONNECT, NULL, read_disconnected),
  MT_RULE("Aborted login", DISCONNECT, NULL, read_aborted),
  MT_RULE("Login aborted: ", DISCONNECT, NULL, read_login_aborted), /* 2.4 */
  MT_RULE("Login failed: ", LOGIN_FAILED, NULL, read_login_refused),
  MT_RULE("Authenticate ", LOGIN_FAILED, NULL, read_authenticate),
  MT_RULE("APOP failed: ", LOGIN_FAILED, NULL, read_apop_failed),
  MT_RULE("Maximum number of connections from user+IP exceeded", LOGIN_FAILED, NULL, read_too_many),
  MT_RULE("access(", NOTICE, NULL, read_refused_client),
  MT_RULE("haproxy: ", DISCONNECT, NULL, read_refused_client),
  MT_RULE("SSL is disabled (ssl=no)", TLS_ERROR, NULL, read_ssl_trouble),
  MT_RULE("Failed to initialize SSL ", TLS_ERROR, NULL, read_ssl_trouble),
  MT_RULE("SSL failed: ", TLS_ERROR, NULL, read_ssl_trouble),
  MT_RULE("SSL alert: ", TLS_ERROR, NULL, read_ssl_trouble),
  MT_RULE("Received invalid SSL certificate: ", TLS_ERROR, NULL, read_ssl_trouble),
  MT_RULE("Received valid SSL certificate: ", NOTICE, NULL, read_ssl_trouble),
  MT_RULES_END,
};

/* imap-login-cmd-id.c; 2.4 says so at debug level only */
static const MtRule login_id_rules[] = {
  MT_RULE("ID sent: ", NOTICE, NULL, read_login_id),
  MT_RULE("Pre-login ID sent: ", NOTICE, NULL, read_login_id),
  MT_RULES_END,
};

/* "Disconnected by client: ... (2s idle, in=10, out=20)"; 2.2: "disconnecting IP
 * (Disconnected by client(0s idle, in=10, out=20))" (login-proxy.c) */
static MtParse
read_proxy_end(MtCursor *cur, MtEvent *event)
{
  MtSpan message = whole(cur, event), ip;

  read_last_number(message, MT_SPAN(", in="), event, MT_F_IN_BYTES);
  read_last_number(message, MT_SPAN(", out="), event, MT_F_OUT_BYTES);
  if (MT_SPAN_STARTS(message, "disconnecting ") && mt_scan_token(cur, " ", &ip))
    mt_event_set_ip(event, MT_F_CLIENT_IP, ip);
  mt_event_set_text(event, MT_F_REASON, message);
  return MT_PARSE_MATCH;
}

static const MtRule proxy_rules[] = {
  /* client-common-auth.c, login-proxy.c */
  MT_RULE("Started proxying to ", LOGIN, NULL, NULL),
  MT_RULE("started proxying to ", LOGIN, NULL, NULL), /* 2.0 to 2.2 */
  MT_RULE("Disconnected by ", LOGOUT, NULL, read_proxy_end),
  MT_RULE("disconnecting ", LOGOUT, NULL, read_proxy_end),
  MT_RULE("Login failed", LOGIN_FAILED, NULL, fail_auth),
  MT_RULES_END,
};

/* USER is at most USER_BYTES, an address or a host name and a port are no longer. */
#define PROXY_BYTES 512

/* "proxy(USER,10.0.0.1:143): MESSAGE: user=<USER>, ...".  The user may hold a "): " and a
 * message: where the elements say it too, it is passed over; the first "): " behind which a
 * message of the proxy's stands ends the parentheses. */
static MtParse
read_proxy(MtSpan text, MtEvent *event)
{
  MtSpan tls = MT_NO_SPAN, inside;
  MtSpan message = split_elements(text, TRUE, event, &tls);
  MtCursor cur = mt_cursor(message);
  const gchar *start, *comma;
  MtParse parse = MT_PARSE_SKIP;

  if (!MT_SCAN(&cur, "proxy("))
    return MT_PARSE_SKIP;
  start = cur.at;
  if (mt_event_has(event, MT_F_ACCOUNT))
    mt_scan_span(&cur, mt_event_text(event, MT_F_ACCOUNT));
  while (parse == MT_PARSE_SKIP && cur.at - start < PROXY_BYTES
         && MT_SCAN_UNTIL(&cur, "): ", &inside))
    parse = mt_rules_apply(proxy_rules, mt_cursor_rest(&cur), event);
  if (parse == MT_PARSE_SKIP)
    return MT_PARSE_SKIP;
  inside = mt_span(start, cur.at - strlen("): ") - start);
  comma = inside.len ? memrchr(inside.at, ',', inside.len) : NULL;
  if (comma)
    inside.len = comma - inside.at;
  if (!mt_event_has(event, MT_F_ACCOUNT) && inside.len)
    mt_event_set_text(event, MT_F_ACCOUNT, inside);
  return parse;
}

static MtParse
read_login_service(const Head *head, MtEvent *event)
{
  MtParse parse = MT_PARSE_SKIP;

  if (head->level != 'D')
    {
      parse = mt_rules_apply(login_rules, head->message, event);
      if (parse == MT_PARSE_SKIP && MT_SPAN_STARTS(head->message, "proxy("))
        parse = read_proxy(head->message, event);
    }
  if (parse == MT_PARSE_SKIP)
    parse = mt_rules_apply(login_id_rules, head->message, event);
  return parse;
}

/* ---- the end of a session: imap/, pop3/, managesieve/, submission/ -------- */

static MtParse
read_out_bytes(MtCursor *cur, MtEvent *event)
{
  guint64 bytes;

  if (mt_scan_u64(cur, &bytes))
    mt_event_set_number(event, MT_F_OUT_BYTES, bytes);
  return MT_PARSE_MATCH;
}

/* "bytes=IN/OUT": managesieve, and imap of 1.x */
static MtParse
read_both_bytes(MtCursor *cur, MtEvent *event)
{
  guint64 bytes;

  if (mt_scan_u64(cur, &bytes))
    mt_event_set_number(event, MT_F_IN_BYTES, bytes);
  if (mt_scan_char(cur, '/'))
    read_out_bytes(cur, event);
  return MT_PARSE_MATCH;
}

/* pop3: "COUNT/BYTES" of what was sent; a format that has in= has out= too, which
 * counts all. */
static gboolean
read_sent(MtCursor *cur, MtEvent *event, guint64 *count)
{
  guint64 bytes;

  if (!mt_scan_u64(cur, count))
    return FALSE;
  if (mt_scan_char(cur, '/') && mt_scan_u64(cur, &bytes) && !mt_event_has(event, MT_F_IN_BYTES))
    {
      bytes += mt_event_number(event, MT_F_OUT_BYTES, 0);
      mt_event_set_number(event, MT_F_OUT_BYTES, MIN(bytes, (guint64) G_MAXINT64));
    }
  return TRUE;
}

static MtParse
read_top(MtCursor *cur, MtEvent *event)
{
  guint64 count;

  read_sent(cur, event, &count);
  return MT_PARSE_MATCH;
}

static MtParse
read_retr(MtCursor *cur, MtEvent *event)
{
  guint64 count;

  if (read_sent(cur, event, &count))
    mt_event_set_number(event, MT_F_COUNT, count);
  return MT_PARSE_MATCH;
}

/* "COUNT/MESSAGES" by default, "COUNT/BYTES" in 2.4 */
static MtParse
read_del(MtCursor *cur, MtEvent *event)
{
  guint64 number;

  if (mt_scan_u64(cur, &number))
    mt_event_set_number(event, MT_F_DELETED, number);
  if (mt_scan_char(cur, '/'))
    mt_scan_u64(cur, &number);
  return MT_PARSE_MATCH;
}

static const MtKey stat_keys[] = {
  /* *_logout_format; rcvd= and sent= are Plesk's */
  MT_KEY("in", INTEGER, IN_BYTES),       MT_KEY("rcvd", INTEGER, IN_BYTES),
  MT_KEY_CALL("sent", read_out_bytes),   MT_KEY_CALL("out", read_out_bytes),
  MT_KEY("deleted", INTEGER, DELETED),   MT_KEY("expunged", INTEGER, EXPUNGED),
  MT_KEY("trashed", INTEGER, TRASHED),   MT_KEY_CALL("top", read_top),
  MT_KEY_CALL("retr", read_retr),        MT_KEY_CALL("del", read_del),
  MT_KEY_CALL("bytes", read_both_bytes), MT_KEYS_END,
};

/* Reads the words that are counters off the end of @text: "in=1", "top=0/0,", but not
 * the "state=wait-input)" of a reason's prose.  Returns: what stands before them. */
static MtSpan
read_stats(MtSpan text, MtEvent *event)
{
  while (text.len)
    {
      const gchar *space = memrchr(text.at, ' ', text.len);
      const gchar *word = space ? space + 1 : text.at;
      MtSpan pair = mt_span(word, text.at + text.len - word);

      if (MT_SPAN_ENDS(pair, ")") || !read_pair(stat_keys, pair, event))
        break;
      text.len = word - text.at;
      while (MT_SPAN_ENDS(text, " "))
        text.len--;
    }
  return text;
}

/* "Disconnected: Logged out in=59 out=566 ..."; before 2.3.11 without "Disconnected: " */
static MtParse
read_logout(MtCursor *cur, MtEvent *event)
{
  MtCursor reason = mt_cursor(read_stats(mt_span_trim(whole(cur, event)), event));

  MT_SCAN(&reason, "Disconnected: ");
  return take_reason(&reason, event);
}

static MtParse
read_session_id(MtCursor *cur, MtEvent *event)
{
  read_client(mt_cursor_rest(cur), event);
  return MT_PARSE_MATCH;
}

static const MtRule session_id_rules[] = {
  /* imap/cmd-id.c */
  MT_RULE("ID sent: ", NOTICE, NULL, read_session_id),
  MT_RULES_END,
};

/* ---- what happened to messages: plugins/mail-log/ -------------------------- */

static const MtSpan mail_log_keys[] = {
  /* mail-log-plugin.c, field_names[], as it orders them */
  MT_SPAN_INIT("box="),   MT_SPAN_INIT("uid="),  MT_SPAN_INIT("msgid="),   MT_SPAN_INIT("size="),
  MT_SPAN_INIT("vsize="), MT_SPAN_INIT("from="), MT_SPAN_INIT("subject="), MT_SPAN_INIT("flags="),
};

static gboolean
is_mail_log_key(MtSpan text)
{
  for (guint i = 0; i < G_N_ELEMENTS(mail_log_keys); i++)
    if (mt_span_starts(text, mail_log_keys[i]))
      return TRUE;
  return FALSE;
}

/* Up to the next ", key=" of the plugin's, so that commas in a name do no harm. */
static MtSpan
scan_mail_log_value(MtCursor *cur)
{
  MtSpan rest = mt_cursor_rest(cur);

  for (const gchar *at = rest.at; (at = mt_span_find(mt_span(at, cur->end - at), MT_SPAN(", ")));
       at++)
    if (is_mail_log_key(mt_span(at + 2, cur->end - at - 2)))
      {
        rest.len = at - rest.at;
        break;
      }
  cur->at += rest.len;
  return rest;
}

/* What the line said before stays: Dovecot's own keys come first. */
static MtParse
set_first(MtEvent *event, MtField field, MtSpan text)
{
  return mt_event_has(event, field) ? MT_PARSE_MATCH : set_nonempty(event, field, text);
}

static MtParse
read_box(MtCursor *cur, MtEvent *event)
{
  return set_first(event, MT_F_MAILBOX, scan_mail_log_value(cur));
}

/* Of a copy: where it went. */
static MtParse
read_target_box(MtCursor *cur, MtEvent *event)
{
  return set_first(event, MT_F_TARGET, scan_mail_log_value(cur));
}

/* "5", "error", and of 1.x "5,6": the first, and how many */
static MtParse
read_uids(MtCursor *cur, MtEvent *event)
{
  MtCursor list = mt_cursor(scan_mail_log_value(cur));
  guint64 uid, first;
  gint64 count = 1;

  if (mt_event_has(event, MT_F_UID) || !mt_scan_u64(&list, &first))
    return MT_PARSE_MATCH;
  while (mt_scan_char(&list, ',') && mt_scan_u64(&list, &uid))
    count++;
  mt_event_set_number(event, MT_F_UID, first);
  if (count > 1)
    mt_event_set_number(event, MT_F_COUNT, count);
  return MT_PARSE_MATCH;
}

/* The header as the sender wrote it: up to its '>', or to the next key. */
static MtParse
read_header_id(MtCursor *cur, MtEvent *event)
{
  MtCursor value = mt_cursor(scan_mail_log_value(cur));
  MtSpan rest = mt_cursor_rest(&value), id;

  if (mt_scan_angle(&value, &id))
    rest.len = value.at - rest.at;
  return set_first(event, MT_F_MESSAGE_ID, rest);
}

/* The From header: "Bob Example <bob@example.com>", "bob@example.com" */
static MtParse
read_header_from(MtCursor *cur, MtEvent *event)
{
  MtSpan from = scan_mail_log_value(cur);
  const gchar *open = from.len ? memrchr(from.at, '<', from.len) : NULL;

  if (open && MT_SPAN_ENDS(from, ">"))
    from = mt_span(open + 1, from.at + from.len - open - 2);
  return set_first(event, MT_F_SENDER, from);
}

/* All of the rest, but for ", flags=(...)": no other key comes behind it. */
static MtParse
read_header_subject(MtCursor *cur, MtEvent *event)
{
  MtSpan subject = mt_cursor_rest(cur);
  const gchar *flags = mt_span_find_last(subject, MT_SPAN(", flags=("));

  if (flags && MT_SPAN_ENDS(subject, ")"))
    subject.len = flags - subject.at;
  cur->at = cur->end;
  return set_first(event, MT_F_SUBJECT, subject);
}

#define MAIL_KEYS(box_func) \
  MT_KEY_CALL("box", box_func), MT_KEY_CALL("uid", read_uids), \
      MT_KEY_CALL("msgid", read_header_id), MT_KEY("size", INTEGER, SIZE), \
      MT_KEY_CALL("from", read_header_from), MT_KEY_CALL("subject", read_header_subject), \
      MT_KEYS_END

static const MtKey mail_keys[] = { MAIL_KEYS(read_box) };
static const MtKey copy_keys[] = { MAIL_KEYS(read_target_box) };

static const struct
{
  MtSpan prefix;
  MtWord action;
} mail_actions[] = {
  { MT_SPAN_INIT("expunge: "), MT_WORD_EXPUNGE },
  { MT_SPAN_INIT("expunged: "), MT_WORD_EXPUNGE },
  { MT_SPAN_INIT("deleted: "), MT_WORD_DELETE },
  { MT_SPAN_INIT("undeleted: "), MT_WORD_UNDELETE },
  { MT_SPAN_INIT("autoexpunge: "), MT_WORD_EXPUNGE },
  { MT_SPAN_INIT("delete: "), MT_WORD_DELETE },
  { MT_SPAN_INIT("undelete: "), MT_WORD_UNDELETE },
  { MT_SPAN_INIT("save: "), MT_WORD_SAVE },
  { MT_SPAN_INIT("append: "), MT_WORD_APPEND },
  { MT_SPAN_INIT("flag_change: "), MT_WORD_FLAG_CHANGE },
};

static MtParse
read_mail_action(MtCursor *cur, MtEvent *event)
{
  MtSpan prefix = ((const MtRule *) event->rule)->prefix;

  if (!is_mail_log_key(mt_cursor_rest(cur)))
    return MT_PARSE_SKIP;
  for (guint i = 0; i < G_N_ELEMENTS(mail_actions); i++)
    if (mt_span_equal(prefix, mail_actions[i].prefix))
      mt_event_set_word(event, MT_F_ACTION, mail_actions[i].action);
  mt_keys_walk(mail_keys, cur, event);
  return MT_PARSE_MATCH;
}

/* Names of mailboxes are cut at 64 bytes, in 2.4's prefix at 128. */
#define MAILBOX_BYTES 160

/* Reads up to the ": " behind which the plugin's keys begin. */
static gboolean
scan_to_keys(MtCursor *cur, MtSpan *name)
{
  MtCursor try = *cur;

  while (try.at - cur->at < MAILBOX_BYTES && MT_SCAN_UNTIL(&try, ": ", name))
    if (is_mail_log_key(mt_cursor_rest(&try)))
      {
        *name = mt_span(cur->at, try.at - cur->at - 2);
        *cur = try;
        return TRUE;
      }
  return FALSE;
}

/* "copy from INBOX: box=Trash, uid=8, msgid=..." */
static MtParse
read_copy(MtCursor *cur, MtEvent *event)
{
  MtSpan from;

  if (!scan_to_keys(cur, &from))
    return MT_PARSE_SKIP;
  mt_event_set_word(event, MT_F_ACTION, MT_WORD_COPY);
  mt_event_set_text(event, MT_F_MAILBOX, from);
  mt_keys_walk(copy_keys, cur, event);
  return MT_PARSE_MATCH;
}

/* 1.x: "copy -> Trash: uid=5, box=INBOX" */
static MtParse
read_copy_to(MtCursor *cur, MtEvent *event)
{
  MtSpan to;

  if (!scan_to_keys(cur, &to))
    return MT_PARSE_SKIP;
  mt_event_set_word(event, MT_F_ACTION, MT_WORD_COPY);
  mt_event_set_text(event, MT_F_TARGET, to);
  mt_keys_walk(mail_keys, cur, event);
  return MT_PARSE_MATCH;
}

static MtParse
read_mailbox_created(MtCursor *cur, MtEvent *event)
{
  mt_event_set_word(event, MT_F_ACTION, MT_WORD_MAILBOX_CREATE);
  return set_nonempty(event, MT_F_MAILBOX, mt_cursor_rest(cur));
}

static MtParse
read_mailbox_deleted(MtCursor *cur, MtEvent *event)
{
  mt_event_set_word(event, MT_F_ACTION, MT_WORD_MAILBOX_DELETE);
  return set_nonempty(event, MT_F_MAILBOX, mt_cursor_rest(cur));
}

static MtParse
read_mailbox_renamed(MtCursor *cur, MtEvent *event)
{
  MtSpan from;

  if (!MT_SCAN_UNTIL(cur, " -> ", &from))
    return MT_PARSE_SKIP;
  mt_event_set_word(event, MT_F_ACTION, MT_WORD_MAILBOX_RENAME);
  mt_event_set_text(event, MT_F_MAILBOX, from);
  mt_event_set_text(event, MT_F_TARGET, mt_cursor_rest(cur));
  return MT_PARSE_MATCH;
}

#define MAIL_ACTION_RULES \
  MT_RULE("expunge: ", MAILBOX, NULL, read_mail_action), \
      MT_RULE("copy from ", MAILBOX, NULL, read_copy), \
      MT_RULE("delete: ", MAILBOX, NULL, read_mail_action), \
      MT_RULE("save: ", MAILBOX, NULL, read_mail_action), \
      MT_RULE("flag_change: ", MAILBOX, NULL, read_mail_action), \
      MT_RULE("undelete: ", MAILBOX, NULL, read_mail_action), \
      MT_RULE("autoexpunge: ", MAILBOX, NULL, read_mail_action)

static const MtRule mail_rules[] = {
  MAIL_ACTION_RULES,
  MT_RULE("append: ", MAILBOX, NULL, read_mail_action), /* 1.x, as those below */
  MT_RULE("copy -> ", MAILBOX, NULL, read_copy_to),
  MT_RULE("expunged: ", MAILBOX, NULL, read_mail_action),
  MT_RULE("deleted: ", MAILBOX, NULL, read_mail_action),
  MT_RULE("undeleted: ", MAILBOX, NULL, read_mail_action),
  MT_RULE("Mailbox created: ", MAILBOX, NULL, read_mailbox_created),
  MT_RULE("Mailbox deleted: ", MAILBOX, NULL, read_mailbox_deleted),
  MT_RULE("Mailbox renamed: ", MAILBOX, NULL, read_mailbox_renamed),
  MT_RULES_END,
};

/* 2.4: nothing stands behind these. */
static MtParse
check_end(MtCursor *cur, MtEvent *event)
{
  MtSpan prefix = ((const MtRule *) event->rule)->prefix;

  if (cur->at < cur->end)
    return MT_PARSE_SKIP;
  mt_event_set_word(event, MT_F_ACTION,
                    MT_SPAN_ENDS(prefix, "created") ? MT_WORD_MAILBOX_CREATE
                                                    : MT_WORD_MAILBOX_DELETE);
  return MT_PARSE_MATCH;
}

/* Behind "Mailbox NAME: ", which 2.4 puts before all that concerns one mailbox
 * (lib-storage/mail-storage.c). */
static const MtRule mailbox_rules[] = {
  MAIL_ACTION_RULES,
  MT_RULE("Mailbox created", MAILBOX, NULL, check_end),
  MT_RULE("Mailbox deleted", MAILBOX, NULL, check_end),
  MT_RULE("Mailbox renamed: ", MAILBOX, NULL, read_mailbox_renamed),
  MT_RULE("UIDVALIDITY changed ", NOTICE, NULL, take_whole), /* index-sync-pvt.c */
  MT_RULE("Indexes disabled, skipping", NOTICE, NULL, take_whole),
  MT_RULES_END,
};

/* "Mailbox Trash: expunge: uid=5, ...": the name may hold a ": ", but what comes
 * from outside stands behind it, so the first fitting place is the right one. */
static MtParse
read_mailbox_line(MtSpan text, MtEvent *event)
{
  MtCursor cur = mt_cursor(text);
  const gchar *name;
  MtSpan part;

  if (!MT_SCAN(&cur, "Mailbox "))
    return MT_PARSE_SKIP;
  name = cur.at;
  while (cur.at - name < MAILBOX_BYTES && MT_SCAN_UNTIL(&cur, ": ", &part))
    if (mt_rules_apply(mailbox_rules, mt_cursor_rest(&cur), event) == MT_PARSE_MATCH)
      {
        MtField field =
            mt_event_word(event, MT_F_ACTION) == MT_WORD_COPY ? MT_F_TARGET : MT_F_MAILBOX;

        if (!mt_event_has(event, field))
          mt_event_set_text(event, field, mt_span(name, cur.at - 2 - name));
        return MT_PARSE_MATCH;
      }
  return MT_PARSE_SKIP;
}

/* ---- deliveries: lib-lda/mail-deliver.c, Pigeonhole's lib-sieve/ ------------ */

/* "'Junk'", "'Junk' (INBOX.Junk)": the quotes of sieve-actions.c; the name in
 * parentheses, where there is one, is the mailbox as clients see it.  Some formats
 * put more behind the quotes. */
static MtSpan
unquote_mailbox(MtSpan text)
{
  const gchar *at;

  text = mt_span_trim(text);
  if (!MT_SPAN_STARTS(text, "'"))
    return text;
  at = MT_SPAN_ENDS(text, ")") ? mt_span_find(text, MT_SPAN("' (")) : NULL;
  if (at)
    return mt_span(at + 3, text.at + text.len - at - 4);
  at = memrchr(text.at, '\'', text.len);
  return at > text.at ? mt_span(text.at + 1, at - text.at - 1) : text;
}

static MtParse
take_stored(MtCursor *cur, MtEvent *event)
{
  MtSpan mailbox = unquote_mailbox(mt_cursor_rest(cur));

  if (!mailbox.len)
    return MT_PARSE_SKIP;
  mt_event_set_word(event, MT_F_ACTION, MT_WORD_STORED);
  mt_event_set_text(event, MT_F_MAILBOX, mailbox);
  return MT_PARSE_MATCH;
}

/* "bob@example.com>" to the end of the line; @what: done to it */
static MtParse
take_target(MtCursor *cur, MtEvent *event, MtWord what)
{
  MtSpan target = mt_span_trim(mt_cursor_rest(cur));

  if (target.len < 2 || !MT_SPAN_ENDS(target, ">"))
    return MT_PARSE_SKIP;
  mt_event_set_word(event, MT_F_ACTION, what);
  mt_event_set_text(event, MT_F_TARGET, mt_span(target.at, target.len - 1));
  return MT_PARSE_MATCH;
}

static MtParse
take_forwarded(MtCursor *cur, MtEvent *event)
{
  return take_target(cur, event, MT_WORD_FORWARDED);
}

static MtParse
take_vacation(MtCursor *cur, MtEvent *event)
{
  return take_target(cur, event, MT_WORD_VACATION);
}

/* "program `name'", in 2.4 "program 'name'": the mail went out of Dovecot's hands. */
static MtParse
take_piped(MtCursor *cur, MtEvent *event)
{
  MtSpan program = mt_cursor_rest(cur);

  if (program.len < 2 || !MT_SPAN_ENDS(program, "'"))
    return MT_PARSE_SKIP;
  mt_event_set_word(event, MT_F_ACTION, MT_WORD_FORWARDED);
  mt_event_set_text(event, MT_F_TARGET, mt_span(program.at, program.len - 1));
  return MT_PARSE_MATCH;
}

static MtParse
take_discarded(MtCursor *cur, MtEvent *event)
{
  mt_event_set_word(event, MT_F_ACTION, MT_WORD_DISCARDED);
  return take_whole(cur, event);
}

static MtParse
take_rejected(MtCursor *cur, MtEvent *event)
{
  mt_event_set_word(event, MT_F_ACTION, MT_WORD_REJECTED);
  return take_reason(cur, event);
}

/* "rejected message from <alice@example.net> (reject)" */
static MtParse
take_rejected_from(MtCursor *cur, MtEvent *event)
{
  MtSpan rest = mt_cursor_rest(cur);
  const gchar *end = mt_span_find_last(rest, MT_SPAN("> ("));

  if (!end || !MT_SPAN_ENDS(rest, ")"))
    return MT_PARSE_SKIP;
  set_nonempty(event, MT_F_SENDER, mt_span(rest.at, end - rest.at));
  *cur = (MtCursor){ end + 3, cur->end - 1 };
  return take_rejected(cur, event);
}

/* "'Junk': Quota exceeded (mailbox for user is full)", "Junk: ..." */
static MtParse
take_failure(MtCursor *cur, MtEvent *event)
{
  MtSpan all = whole(cur, event), mailbox;

  if (mt_cursor_peek(cur) == '\'' && MT_SCAN_UNTIL(cur, "': ", &mailbox))
    mailbox.len++;
  else if (!MT_SCAN_UNTIL(cur, ": ", &mailbox))
    return MT_PARSE_SKIP;
  set_nonempty(event, MT_F_MAILBOX, unquote_mailbox(mailbox));
  mt_event_set_text(event, MT_F_REASON, all);
  return MT_PARSE_MATCH;
}

/* "'Junk' skipped", "'Junk' aborted" */
static MtParse
take_skipped(MtCursor *cur, MtEvent *event)
{
  MtSpan mailbox = mt_cursor_rest(cur);
  const gchar *word = mailbox.len ? memrchr(mailbox.at, ' ', mailbox.len) : NULL;

  if (!word)
    return MT_PARSE_SKIP;
  mailbox.len = word - mailbox.at;
  set_nonempty(event, MT_F_MAILBOX, unquote_mailbox(mailbox));
  return take_whole(cur, event);
}

/* "alice@example.net: <Invalid recipient> (permanent error)", as cmd-vacation.c has it */
static MtParse
take_vacation_failure(MtCursor *cur, MtEvent *event)
{
  MtSpan all = whole(cur, event), target;

  if (MT_SCAN_UNTIL(cur, ": <", &target))
    set_nonempty(event, MT_F_TARGET, target);
  mt_event_set_text(event, MT_F_REASON, all);
  return MT_PARSE_MATCH;
}

/* Something that was not done for an address: "to <bob@example.com> ..." */
static MtParse
take_suppressed(MtCursor *cur, MtEvent *event)
{
  MtSpan before, target;

  mt_event_set_text(event, MT_F_REASON, whole(cur, event));
  if (mt_scan_until(cur, '<', &before) && mt_scan_until(cur, '>', &target))
    set_nonempty(event, MT_F_TARGET, target);
  return MT_PARSE_MATCH;
}

static const MtRule delivery_rules[] = {
  MT_RULE("stored mail into mailbox ", STORED, NULL, take_stored),
  MT_RULE("saved mail to ", STORED, NULL, take_stored),
  MT_RULE("forwarded to <", STORED, NULL, take_forwarded),
  MT_RULE("sent vacation response to <", STORED, NULL, take_vacation),
  MT_RULE("left message in mailbox ", STORED, NULL, take_stored),
  MT_RULE("Marked message to be discarded ", STORED, NULL, take_discarded),
  MT_RULE("marked message to be discarded ", STORED, NULL, take_discarded), /* 0.4 */
  MT_RULE("rejected message from <", STORED, NULL, take_rejected_from),
  MT_RULE("rejected: ", STORED, NULL, take_rejected), /* lda/main.c */
  MT_RULE("piped message to program `", STORED, NULL, take_piped),
  MT_RULE("piped message to program '", STORED, NULL, take_piped),
  MT_RULE("Auto-submitted message discarded: ", STORED, NULL, take_discarded),
  MT_RULE("Return-Path missing, rejection reason: ", STORED, NULL, take_discarded),
  MT_RULE("failed to store into mailbox ", NOTICE, NULL, take_failure),
  MT_RULE("save failed to open mailbox ", NOTICE, NULL, take_failure),
  MT_RULE("save failed to ", NOTICE, NULL, take_failure),
  MT_RULE("store into mailbox ", NOTICE, NULL, take_skipped),
  MT_RULE("discarded duplicate forward to ", NOTICE, NULL, take_suppressed),
  MT_RULE("not forwarding message to ", NOTICE, NULL, take_suppressed),
  MT_RULE("failed to redirect message to ", NOTICE, NULL, take_suppressed),
  MT_RULE("discarded duplicate vacation response to ", NOTICE, NULL, take_suppressed),
  MT_RULE("discarded vacation reply to ", NOTICE, NULL, take_suppressed),
  MT_RULE("discarding vacation response ", NOTICE, NULL, take_suppressed),
  MT_RULE("not sending vacation re", NOTICE, NULL, take_suppressed),
  MT_RULE("failed to send vacation response to ", NOTICE, NULL, take_vacation_failure),
  MT_RULE("not sending reject message", NOTICE, NULL, take_suppressed),
  MT_RULE("failed to send rejection message to ", NOTICE, NULL, take_suppressed),
  MT_RULE("Permanently failed to send rejection: ", NOTICE, NULL, take_whole),
  MT_RULE("sent mail notification to ", NOTICE, NULL, take_suppressed),
  MT_RULE("not sending notification for ", NOTICE, NULL, take_suppressed),
  MT_RULE("failed to send mail notification to ", NOTICE, NULL, take_suppressed),
  MT_RULE("sent `", NOTICE, NULL, take_suppressed), /* a report, as "sent '" of 2.4 */
  MT_RULE("sent '", NOTICE, NULL, take_suppressed),
  MT_RULE("failed to send `", NOTICE, NULL, take_suppressed),
  MT_RULE("failed to send '", NOTICE, NULL, take_suppressed),
  MT_RULE("failed to pipe message to program", NOTICE, NULL, take_whole),
  MT_RULES_END,
};

/* "msgid=<ID>: redirect action": since Pigeonhole 0.5.10 each Sieve action but an implicit
 * keep says its name before its message. */
static MtSpan
without_action(MtSpan head)
{
  static const MtSpan suffix = MT_SPAN_INIT(" action");
  MtSpan left = head;

  if (!mt_span_ends(head, suffix))
    return head;
  left.len -= suffix.len;
  while (left.len && g_ascii_islower(left.at[left.len - 1]))
    left.len--;
  return MT_SPAN_ENDS(left, ": ") ? mt_span(left.at, left.len - 2) : head;
}

/* deliver_log_format, "msgid=%m: %$" by default: what stands before the message. */
static void
read_delivery_head(MtSpan head, MtEvent *event)
{
  static const MtSpan key = MT_SPAN_INIT("msgid=");
  const gchar *at = head.at;
  MtSpan id, whole_id;
  MtCursor value;

  if (!mt_span_starts(head, key))
    {
      at = mt_span_find_last(head, MT_SPAN(" msgid="));
      if (!at)
        return;
      at++;
    }
  value = (MtCursor){ at + key.len, head.at + head.len };
  whole_id = mt_cursor_rest(&value);
  if (mt_scan_angle(&value, &id) && MT_SPAN_STARTS(mt_cursor_rest(&value), ", "))
    whole_id.len = value.at - whole_id.at;
  else if (at > head.at && mt_scan_token(&value, ", ", &id))
    whole_id = id;
  if (!MT_SPAN_IS(whole_id, "unspecified"))
    set_nonempty(event, MT_F_MESSAGE_ID, whole_id);
}

/* The ID is cut at 200 bytes, other headers of deliver_log_format at 80 (mail-deliver.c,
 * mail_deliver_get_log_var_expand_table()): the message begins before. */
#define DELIVERY_HEAD_BYTES 1024

/* "msgid=<ID>: MESSAGE".  The ID is the sender's and may hold a whole message:
 * the last ": ", or the last ", " of another format, behind which one stands ends it.
 * @only_notices: the line is an error, which stores nothing. */
static MtParse
read_delivery(MtSpan text, gboolean only_notices, MtEvent *event)
{
  guint64 has[2] = { event->has[0], event->has[1] };
  MtSpan left = mt_span(text.at, MIN(text.len, DELIVERY_HEAD_BYTES));
  const gchar *at;

  while (left.len && (at = memrchr(left.at, ' ', left.len)))
    {
      MtSpan message = mt_span(at + 1, text.at + text.len - at - 1);

      left.len = at - left.at;
      if (!MT_SPAN_ENDS(left, ":") && !MT_SPAN_ENDS(left, ","))
        continue;
      if (mt_rules_apply(delivery_rules, message, event) != MT_PARSE_MATCH)
        continue;
      if (only_notices && event->kind != MT_EVENT_NOTICE)
        {
          memcpy(event->has, has, sizeof has);
          return MT_PARSE_SKIP;
        }
      read_delivery_head(without_action(mt_span(left.at, left.len - 1)), event);
      return MT_PARSE_MATCH;
    }
  return MT_PARSE_SKIP;
}

static const MtRule sieve_rules[] = {
  /* plugins/lda-sieve/, imapsieve/; lib-sieve/ */
  MT_RULE("Failed to ", NOTICE, NULL, take_whole),
  MT_RULE("Aborted script execution sequence ", NOTICE, NULL, take_whole),
  MT_RULE("Moved active sieve script file ", NOTICE, NULL, take_whole),
  MT_RULE("include: ", NOTICE, NULL, take_whole),
  MT_RULES_END,
};

/* ---- sessions -------------------------------------------------------------- */

/* The relay's queue ID, as Postfix and most others say it. */
static void
read_next_queue_id(MtSpan reply, MtEvent *event)
{
  static const MtSpan said = MT_SPAN_INIT("queued as ");
  const gchar *at = mt_span_find_last(reply, said);
  MtCursor cur;
  MtSpan id;

  if (!at)
    return;
  cur = (MtCursor){ at + said.len, reply.at + reply.len };
  if (mt_scan_token(&cur, " ,;)<>", &id))
    mt_event_set_text(event, MT_F_NEXT_QUEUE_ID, id);
}

/* submission-backend-relay.c: "from=<a>, to=<b>, size=1, id=..., rcpt=1/1, reply=`...'" */
static MtParse
read_relay_reply(MtCursor *cur, MtEvent *event)
{
  MtSpan reply = mt_cursor_rest(cur);

  if (reply.len >= 2 && reply.at[0] == '`' && MT_SPAN_ENDS(reply, "'"))
    reply = mt_span(reply.at + 1, reply.len - 2);
  cur->at = cur->end;
  read_next_queue_id(reply, event);
  return set_nonempty(event, MT_F_REPLY, reply);
}

static const MtKey relay_keys[] = {
  MT_KEY("from", ANGLE, SENDER),          MT_KEY("to", ANGLE, RECIPIENT),
  MT_KEY("size", INTEGER, SIZE),          MT_KEY("nrcpt", INTEGER, NRCPT),
  MT_KEY_CALL("reply", read_relay_reply), MT_KEYS_END,
};

static MtParse
read_relayed(MtCursor *cur, MtEvent *event)
{
  MtSpan prefix = ((const MtRule *) event->rule)->prefix;

  mt_keys_walk(relay_keys, cur, event);
  mt_event_set_text(event, MT_F_REASON, mt_span(prefix.at, prefix.len - strlen(": ")));
  return MT_PARSE_MATCH;
}

static const MtRule session_rules[] = {
  MT_RULE("Disconnected: ", LOGOUT, NULL, read_logout),
  MT_RULE("Logged out", LOGOUT, NULL, read_logout),
  MT_RULE("Connection closed", LOGOUT, NULL, read_logout),
  MT_RULE("Disconnected from database, ", NOTICE, NULL, take_whole), /* lib-sql */
  MT_RULE("Disconnected", LOGOUT, NULL, read_logout),
  MT_RULE("Server shutting down", LOGOUT, NULL, read_logout),
  MT_RULE("Inactivity", LOGOUT, NULL, read_logout),
  MT_RULE("Too many invalid ", LOGOUT, NULL, read_logout),
  MT_RULE("Too many bad commands", LOGOUT, NULL, read_logout),
  MT_RULE("IMAP session state is inconsistent", LOGOUT, NULL, read_logout),
  MT_RULE("Mailbox UIDVALIDITY changed ", LOGOUT, NULL, read_logout),
  MT_RULE("Client has not read server output", LOGOUT, NULL, read_logout),
  MT_RULE("Maximum number of connections from user+IP exceeded", LOGIN_FAILED, NULL, fail_many),
  MT_RULE("Successfully relayed message: ", NOTICE, NULL, read_relayed),
  MT_RULE("Failed to relay message: ", NOTICE, NULL, read_relayed),
  MT_RULE("imapc(", NOTICE, NULL, take_whole), /* lib-imap-client/imapc-connection.c */
  MT_RULE("fts: Indexed ", NOTICE, NULL, take_whole),
  MT_RULES_END,
};

/* A line that begins as deliver_log_format may, in whatever order. */
static gboolean
begins_with_key(MtSpan text)
{
  MtCursor cur = mt_cursor(text);
  MtSpan key;

  return mt_scan_class(&cur, MT_CHAR_KEY, &key) && mt_cursor_peek(&cur) == '=';
}

static MtParse
read_session_message(MtSpan text, gboolean trouble, MtEvent *event)
{
  MtCursor cur = mt_cursor(text);
  MtParse parse;

  if (MT_SCAN(&cur, "sieve: "))
    {
      parse = read_delivery(mt_cursor_rest(&cur), trouble, event);
      return parse == MT_PARSE_SKIP ? mt_rules_apply(sieve_rules, mt_cursor_rest(&cur), event)
                                    : parse;
    }
  if (begins_with_key(text))
    return read_delivery(text, trouble, event);
  parse = mt_rules_apply(session_rules, text, event);
  if (parse == MT_PARSE_SKIP)
    parse = mt_rules_apply(mail_rules, text, event);
  return parse == MT_PARSE_SKIP ? read_mailbox_line(text, event) : parse;
}

/* 2.2's LMTP server: "lmtp(4711, bob@example.com): SESSION: msgid=..." */
static gboolean
scan_lmtp_session(MtCursor *cur, MtSpan *session)
{
  MtCursor try = *cur;
  gsize len;

  while (try.at < try.end
         && (mt_is_class(*try.at, MT_CHAR_ALNUM) || *try.at == '+' || *try.at == '/'
             || (*try.at == ':' && try.at + 1 < try.end && try.at[1] != ' ')))
    try.at++;
  len = try.at - cur->at;
  if (len < 16 || len > 80 || !MT_SCAN(&try, ": "))
    return FALSE;
  *session = mt_span(cur->at, len);
  *cur = try;
  return TRUE;
}

/* "4711, bob" of 2.2's LMTP server, "pid 4711 user bob" of macOS Server */
static MtSpan
cut_process(MtSpan inside)
{
  MtCursor cur = mt_cursor(inside);
  gboolean named = MT_SCAN(&cur, "pid ");
  guint64 pid;

  if (!mt_scan_u64(&cur, &pid) || !(named ? MT_SCAN(&cur, " user ") : MT_SCAN(&cur, ", ")))
    return inside;
  return mt_cursor_rest(&cur);
}

/* "192.0.2.9,bob" of doveadm's server */
static MtSpan
cut_address(MtSpan inside, MtEvent *event)
{
  MtCursor cur = mt_cursor(inside);
  MtSpan ip;

  if (!mt_scan_token(&cur, ",", &ip) || !mt_event_set_ip(event, MT_F_CLIENT_IP, ip))
    return inside;
  mt_scan_char(&cur, ',');
  return mt_cursor_rest(&cur);
}

/* Whom the line is about: "(user)<pid><session>", "(user)".  Digits alone are a
 * process, but for a server of one user that tells of no trouble. */
static void
read_user(const Head *head, MtEvent *event)
{
  MtSpan user = head->inside;

  set_nonempty(event, MT_F_SESSION, head->session);
  if (head->ip.len)
    mt_event_set_ip(event, MT_F_CLIENT_IP, head->ip);
  if (!user.len)
    return;
  if (!head->angles)
    {
      user = cut_process(user);
      if (mt_span_is_all(user, MT_CHAR_DIGIT)
          && (!head->service || !head->service->word || head->level))
        return;
    }
  if (head->service && head->service->notices)
    user = cut_address(user, event);
  set_nonempty(event, MT_F_ACCOUNT, user);
}

static MtParse
read_session(const Head *head, MtEvent *event)
{
  gboolean trouble = head->level && head->level != 'I';
  MtCursor cur = mt_cursor(head->message);
  MtSpan session;
  MtParse parse;

  read_user(head, event);
  parse = mt_rules_apply(session_id_rules, head->message, event);
  if (parse != MT_PARSE_SKIP || head->level == 'D')
    return parse;
  parse = read_session_message(head->message, trouble, event);
  if (parse == MT_PARSE_SKIP && scan_lmtp_session(&cur, &session))
    {
      mt_event_set_text(event, MT_F_SESSION, session);
      parse = read_session_message(mt_cursor_rest(&cur), trouble, event);
    }
  return parse;
}

/* ---- the LMTP server: lmtp/lmtp-client.c, lmtp-proxy.c ------------------------ */

/* "Connect from local", "Disconnect from 192.0.2.1: Successful quit" */
static MtParse
read_lmtp_client(MtCursor *cur, MtEvent *event)
{
  MtSpan peer;

  take_whole(cur, event);
  if (!mt_scan_token(cur, " ", &peer))
    return MT_PARSE_SKIP;
  if (MT_SPAN_ENDS(peer, ":"))
    peer.len--;
  mt_event_set_ip(event, MT_F_CLIENT_IP, peer);
  return MT_PARSE_MATCH;
}

/* "<bob@example.com> at 10.0.0.2:24: 250 2.0.0 ... Saved (1/1 at 12 ms)" */
static MtParse
read_lmtp_proxied(MtCursor *cur, MtEvent *event)
{
  MtSpan all = whole(cur, event), recipient;

  if (!MT_SCAN_UNTIL(cur, "> at ", &recipient))
    return MT_PARSE_SKIP;
  mt_event_set_text(event, MT_F_RECIPIENT, recipient);
  mt_event_set_text(event, MT_F_REASON, all);
  return MT_PARSE_MATCH;
}

static const MtRule lmtp_rules[] = {
  MT_RULE("Connect from ", NOTICE, NULL, read_lmtp_client),
  MT_RULE("Disconnect from ", NOTICE, NULL, read_lmtp_client),
  MT_RULE("Sent message to <", NOTICE, NULL, read_lmtp_proxied),
  MT_RULE("Failed to send message to <", NOTICE, NULL, read_lmtp_proxied),
  MT_RULE("haproxy: ", NOTICE, NULL, read_refused_client),
  MT_RULES_END,
};

/* "rcpt bob@example.com: ": the local part may be a quoted string (smtp-address.c). */
static void
skip_lmtp_recipient(MtCursor *cur)
{
  MtCursor try = *cur;
  MtSpan skipped;

  if (!MT_SCAN(&try, "rcpt "))
    return;
  if (mt_scan_char(&try, '"'))
    while (try.at < try.end && *try.at != '"')
      try.at += *try.at == '\\' && try.at + 1 < try.end ? 2 : 1;
  if (MT_SCAN_UNTIL(&try, ": ", &skipped))
    *cur = try;
}

/* "lmtp-server: conn 192.0.2.1:4711 [1]: rcpt bob@example.com: <SESSION>: Sent ..." */
static MtSpan
skip_lmtp_events(MtSpan text, MtEvent *event)
{
  MtCursor cur = mt_cursor(text), named;
  MtSpan skipped, session;

  MT_SCAN(&cur, "lmtp-server: ");
  if (MT_SPAN_STARTS(mt_cursor_rest(&cur), "conn "))
    MT_SCAN_UNTIL(&cur, ": ", &skipped);
  skip_lmtp_recipient(&cur);
  named = cur;
  if (!mt_scan_angle(&named, &session) || !MT_SCAN(&named, ": "))
    {
      named = cur;
      if (!scan_lmtp_session(&named, &session)) /* 2.2 */
        return mt_cursor_rest(&cur);
    }
  mt_event_set_text(event, MT_F_SESSION, session);
  return mt_cursor_rest(&named);
}

static MtParse
read_lmtp(const Head *head, MtEvent *event)
{
  MtParse parse = mt_rules_apply(lmtp_rules, skip_lmtp_events(head->message, event), event);

  return parse == MT_PARSE_SKIP ? read_session(head, event) : parse;
}

/* ---- authentication: auth/ ----------------------------------------------------- */

/* Whose request it is: "bob@example.com,192.0.2.1,<session>" in the parentheses of
 * 2.3's "sql(...): ", or 2.4's "auth(bob@example.com,192.0.2.1,sasl:plain)<session>: ". */
typedef struct
{
  MtSpan user;
  MtSpan ip;
  MtSpan method;
  MtSpan session;
  const gchar *end; /* behind the ": " */
} Identity;

/* auth-request.c, get_log_identifier(): no user is longer here. */
#define AUTH_USER_BYTES 64

static MtSpan
cut_last_item(MtSpan *list)
{
  const gchar *comma = list->len ? memrchr(list->at, ',', list->len) : NULL;
  MtSpan item = MT_NO_SPAN;

  if (comma)
    {
      item = mt_span(comma + 1, list->at + list->len - comma - 1);
      list->len = comma - list->at;
    }
  return item;
}

/* What stands in the parentheses, from its end: the user at its beginning is the
 * client's.  Returns: FALSE if there is no address. */
static gboolean
parse_identity(MtSpan inside, Identity *id)
{
  MtSpan left = inside, item = cut_last_item(&left);
  MtIp ip;

  memset(id, 0, sizeof *id);
  id->user = inside;
  if (item.len >= 2 && item.at[0] == '<' && item.at[item.len - 1] == '>')
    {
      id->session = mt_span(item.at + 1, item.len - 2);
      id->user = left;
      item = cut_last_item(&left);
    }
  if (MT_SPAN_IS(item, "master"))
    {
      id->user = left;
      item = cut_last_item(&left);
    }
  if (MT_SPAN_STARTS(item, "sasl:"))
    {
      id->method = mt_span(item.at + 5, item.len - 5);
      id->user = left;
      item = cut_last_item(&left);
    }
  if (!item.len || !mt_ip_parse(item, &ip))
    return FALSE;
  id->ip = item;
  id->user = left;
  return left.len <= AUTH_USER_BYTES;
}

/* Behind the ')': "<pid><session>" of 2.4, each once or not at all, and ": ". */
static gboolean
scan_identity_end(MtCursor *cur, Identity *id)
{
  MtSpan angle;

  while (mt_scan_angle(cur, &angle))
    if (angle.len && !mt_span_is_all(angle, MT_CHAR_DIGIT))
      id->session = angle;
  if (!MT_SCAN(cur, ": "))
    return FALSE;
  id->end = cur->at;
  return TRUE;
}

/* A password that was logged as it is: only then is what stands behind the
 * parentheses the client's too (auth_verbose_passwords=plain). */
static gboolean
ends_with_password(MtSpan text)
{
  return mt_span_find(text, MT_SPAN("(given password: "))
         && (MT_SPAN_ENDS(text, ")") || MT_SPAN_ENDS(text, ") - trying the next passdb"));
}

/* @cur: behind the '('.  Several places may look like the end, since user names may
 * hold anything: the last one within the user's length is it, or, where a password
 * goes on to the end of the line, the first.  Without an address: the first ')'. */
static gboolean
scan_identity(MtCursor *cur, Identity *found)
{
  MtSpan all = mt_cursor_rest(cur);
  gboolean any = FALSE, addressed = FALSE;
  Identity id;

  for (const gchar *at = cur->at; (at = memchr(at, ')', cur->end - at)); at++)
    {
      MtCursor behind = { at + 1, cur->end };
      gboolean has_ip = parse_identity(mt_span(cur->at, at - cur->at), &id);

      if (id.user.len > AUTH_USER_BYTES)
        break;
      if ((any && !has_ip) || !scan_identity_end(&behind, &id))
        continue;
      if (addressed && ends_with_password(all))
        break;
      any = TRUE;
      addressed |= has_ip;
      *found = id;
    }
  if (!any)
    return FALSE;
  cur->at = found->end;
  return TRUE;
}

static void
set_identity(const Identity *id, MtEvent *event)
{
  if (id->user.len && !MT_SPAN_IS(id->user, "?"))
    mt_event_set_text(event, MT_F_ACCOUNT, id->user);
  if (id->ip.len)
    mt_event_set_ip(event, MT_F_CLIENT_IP, id->ip);
  set_nonempty(event, MT_F_AUTH_METHOD, id->method);
  set_nonempty(event, MT_F_SESSION, id->session);
}

/* passdb-pam.c: "pam_authenticate() failed: " and Linux-PAM's pam_strerror() */
static const MtRule pam_rules[] = {
  MT_RULE("Authentication failure", LOGIN_FAILED, NULL, fail_auth),
  MT_RULE("User not known to the underlying authentication module", LOGIN_FAILED, NULL,
          fail_unknown),
  MT_RULE("Permission denied", LOGIN_FAILED, NULL, fail_auth),
  MT_RULE("Have exhausted maximum number of retries for service", LOGIN_FAILED, NULL, fail_auth),
  MT_RULE("User account has expired", LOGIN_FAILED, NULL, fail_disabled),
  MT_RULE("Authentication token expired", LOGIN_FAILED, NULL, fail_disabled),
  MT_RULE("Authentication token is no longer valid", LOGIN_FAILED, NULL, fail_disabled),
  MT_RULES_END,
};

/* Other answers of PAM say that it could not do its work. */
static MtParse
read_pam_failure(MtCursor *cur, MtEvent *event)
{
  const MtRule *rule = event->rule;

  if (mt_rules_apply(pam_rules, mt_cursor_rest(cur), event) == MT_PARSE_MATCH)
    return MT_PARSE_MATCH;
  event->kind = rule->event;
  event->rule = rule;
  return fail(event, MT_SPAN("internal"));
}

/* The account was found, its owner was not let in: whatever PAM says of it. */
static MtParse
read_pam_account(MtCursor *cur, MtEvent *event)
{
  return fail(event, MT_SPAN("user-disabled"));
}

/* What a mechanism or a database says of a request.  No text of these lines is kept:
 * behind some of them stands the password, or its hash. */
static const MtRule auth_rules[] = {
  /* auth-request.c, passdb-*.c, userdb-*.c */
  MT_RULE("Password mismatch", LOGIN_FAILED, NULL, fail_auth),
  MT_RULE("unknown user", LOGIN_FAILED, NULL, fail_unknown),
  MT_RULE("pam_authenticate() failed: ", LOGIN_FAILED, NULL, read_pam_failure),
  MT_RULE("pam_acct_mgmt() failed: ", LOGIN_FAILED, NULL, read_pam_account),
  MT_RULE("allow_nets check failed: ", LOGIN_FAILED, NULL, fail_network),
  MT_RULE("allow_real_nets check failed: ", LOGIN_FAILED, NULL, fail_network),
  MT_RULE("User found from deny passdb", LOGIN_FAILED, NULL, fail_disabled),
  MT_RULE("User unknown", LOGIN_FAILED, NULL, fail_unknown),
  MT_RULE("user not found from ", LOGIN_FAILED, NULL, fail_unknown),
  MT_RULE("password mismatch", LOGIN_FAILED, NULL, fail_auth), /* 1.x, 2.0 */
  MT_RULE("Login failed (status=", LOGIN_FAILED, NULL, fail_auth),
  MT_RULE("Login attempt with empty password", LOGIN_FAILED, NULL, fail_auth),
  MT_RULE("Attempted login with password having illegal chars", LOGIN_FAILED, NULL, fail_auth),
  MT_RULE("Attempted master login with no master passdbs", LOGIN_FAILED, NULL, fail_auth),
  MT_RULE("Master user login attempted ", LOGIN_FAILED, NULL, fail_auth),
  MT_RULE("No password returned (and no nopassword)", LOGIN_FAILED, NULL, fail_auth),
  MT_RULE("nopassword given and password is not empty", LOGIN_FAILED, NULL, fail_auth),
  MT_RULE("Cached NULL password access", LOGIN_FAILED, NULL, fail_auth),
  MT_RULE("Requested ", LOGIN_FAILED, NULL, fail_auth),
  MT_RULE("Username+password combination too long", LOGIN_FAILED, NULL, fail_auth),
  MT_RULE("oauth2 failed: ", LOGIN_FAILED, NULL, fail_auth),
  MT_RULE("[AUTHENTICATIONFAILED]", LOGIN_FAILED, NULL, fail_auth), /* passdb-imap.c */
  MT_RULE("Authentication failure due to policy server refusal", LOGIN_FAILED, NULL, fail_auth),
  /* auth-request-fields.c */
  MT_RULE("Username character disallowed by auth_username_chars: ", LOGIN_FAILED, NULL, fail_auth),
  MT_RULE("Username contains disallowed character: ", LOGIN_FAILED, NULL, fail_auth), /* 1.x */
  MT_RULE("Empty username", LOGIN_FAILED, NULL, fail_auth),
  MT_RULE("login user: ", LOGIN_FAILED, NULL, fail_auth),
  /* mech-*.c */
  MT_RULE("authentication failed", LOGIN_FAILED, NULL, fail_auth),
  MT_RULE("invalid password field", LOGIN_FAILED, NULL, fail_disabled), /* passdb-passwd.c */
  MT_RULE("invalid ", LOGIN_FAILED, NULL, fail_auth),
  MT_RULE("Invalid password", LOGIN_FAILED, NULL, fail_internal), /* in passdb */
  MT_RULE("Invalid ", LOGIN_FAILED, NULL, fail_auth),
  MT_RULE("missing passwd file: ", LOGIN_FAILED, NULL, fail_internal),
  MT_RULE("missing digest", LOGIN_FAILED, NULL, fail_auth),
  MT_RULE("Missing ", LOGIN_FAILED, NULL, fail_auth),
  MT_RULE("malformed data", LOGIN_FAILED, NULL, fail_auth),
  MT_RULE("no initial response", LOGIN_FAILED, NULL, fail_auth),
  MT_RULE("NULs in response", LOGIN_FAILED, NULL, fail_auth),
  MT_RULE("empty ", LOGIN_FAILED, NULL, fail_auth),
  MT_RULE("username not known", LOGIN_FAILED, NULL, fail_auth),
  MT_RULE("username must not exist more than once", LOGIN_FAILED, NULL, fail_auth),
  MT_RULE("cnonce ", LOGIN_FAILED, NULL, fail_auth),
  MT_RULE("nonce-count ", LOGIN_FAILED, NULL, fail_auth),
  MT_RULE("maxbuf must not exist more than once", LOGIN_FAILED, NULL, fail_auth),
  MT_RULE("authzid must not exist more than once", LOGIN_FAILED, NULL, fail_auth),
  MT_RULE("authzid escaping is invalid", LOGIN_FAILED, NULL, fail_auth),
  MT_RULE("Username escaping is invalid", LOGIN_FAILED, NULL, fail_auth),
  MT_RULE("Username or token missing", LOGIN_FAILED, NULL, fail_auth),
  MT_RULE("re-auth not supported currently", LOGIN_FAILED, NULL, fail_auth),
  MT_RULE("Unknown QoP value: ", LOGIN_FAILED, NULL, fail_auth),
  MT_RULE("Nonallowed QoP requested", LOGIN_FAILED, NULL, fail_auth),
  MT_RULE("Only utf-8 charset is allowed", LOGIN_FAILED, NULL, fail_auth),
  MT_RULE("Client sent no input", LOGIN_FAILED, NULL, fail_auth),
  MT_RULE("Client requested ", LOGIN_FAILED, NULL, fail_auth),
  MT_RULE("Channel binding not supported", LOGIN_FAILED, NULL, fail_auth),
  MT_RULE("Mandatory extension(s) not supported", LOGIN_FAILED, NULL, fail_auth),
  MT_RULE("Wrong nonce", LOGIN_FAILED, NULL, fail_auth),
  MT_RULE("User not authorized to log in as ", LOGIN_FAILED, NULL, fail_auth),
  MT_RULE("Cross-realm authentication not supported ", LOGIN_FAILED, NULL, fail_auth),
  MT_RULE("user not authenticated: ", LOGIN_FAILED, NULL, fail_auth),
  MT_RULE("GSSAPI mechanism not Kerberos5", LOGIN_FAILED, NULL, fail_auth),
  MT_RULE("OID not kerberos principal name", LOGIN_FAILED, NULL, fail_auth),
  MT_RULE("krb5_parse_name() failed: ", LOGIN_FAILED, NULL, fail_auth),
  MT_RULE("authn_name", LOGIN_FAILED, NULL, fail_auth),
  MT_RULE("authz_name", LOGIN_FAILED, NULL, fail_auth),
  MT_RULE("no authz_name", LOGIN_FAILED, NULL, fail_auth),
  MT_RULE("While ", LOGIN_FAILED, NULL, fail_auth),
  MT_RULE("sequence number < 1", LOGIN_FAILED, NULL, fail_otp),
  MT_RULE("unsupported response type", LOGIN_FAILED, NULL, fail_otp),
  MT_RULE("user is locked, race attack?", LOGIN_FAILED, NULL, fail_otp),
  /* the server's own fault */
  MT_RULE("Password query failed: ", LOGIN_FAILED, NULL, fail_internal),
  MT_RULE("Password data is not valid for scheme ", LOGIN_FAILED, NULL, fail_internal),
  MT_RULE("Unknown scheme ", LOGIN_FAILED, NULL, fail_internal),
  MT_RULE("Multiple password values not supported", LOGIN_FAILED, NULL, fail_internal),
  MT_RULE("Received invalid reply from worker", LOGIN_FAILED, NULL, fail_internal),
  MT_RULE("pass_filter matched multiple objects", LOGIN_FAILED, NULL, fail_internal),
  MT_RULE("ldap_bind", LOGIN_FAILED, NULL, fail_internal),
  MT_RULE("ldap_search", LOGIN_FAILED, NULL, fail_internal),
  MT_RULE("ldap_sasl_bind", LOGIN_FAILED, NULL, fail_internal),
  MT_RULE("pam_start() failed: ", LOGIN_FAILED, NULL, fail_internal),
  MT_RULE("pam_setcred() failed: ", LOGIN_FAILED, NULL, fail_internal),
  MT_RULE("pam_open_session() failed: ", LOGIN_FAILED, NULL, fail_internal),
  MT_RULE("ntlm_auth reports broken helper", LOGIN_FAILED, NULL, fail_internal),
  /* no failure */
  MT_RULE("Master user logging in as ", NOTICE, NULL, take_whole),
  MT_RULE("Falling back to expired data from cache", NOTICE, NULL, take_whole),
  MT_RULE("Policy check action ", NOTICE, NULL, take_whole),
  MT_RULE("Request timed out waiting for client to continue authentication", NOTICE, NULL,
          take_whole),
  MT_RULE("login", NOTICE, NULL, take_whole), /* mech-anonymous.c */
  MT_RULES_END,
};

static gboolean
is_otp(MtSpan name)
{
  return MT_SPAN_IS(name, "otp") || MT_SPAN_IS(name, "skey");
}

/* @name: of the mechanism or database that says @message. */
static MtParse
read_auth_message(MtSpan name, MtSpan message, MtEvent *event)
{
  MtParse parse = mt_rules_apply(auth_rules, message, event);

  if (parse == MT_PARSE_MATCH && is_otp(name)
      && MT_SPAN_IS(mt_event_text(event, MT_F_REASON), "auth-failed"))
    MT_EVENT_SET_LITERAL(event, MT_F_REASON, "otp-invalid");
  return parse;
}

/* The "ruser=bob rhost=192.0.2.1  user=bob" of pam_unix and its kin: rhost comes
 * last, but for a user who exists. */
static MtParse
read_pam_line(MtCursor *cur, MtEvent *event)
{
  MtSpan service, rest, user;
  const gchar *rhost, *behind;

  if (!MT_SCAN_UNTIL(cur, "(dovecot:", &service) || !MT_SCAN_UNTIL(cur, "): ", &service)
      || !MT_SCAN(cur, "authentication failure; "))
    return MT_PARSE_SKIP;
  rest = mt_cursor_rest(cur);
  rhost = mt_span_find_last(rest, MT_SPAN(" rhost="));
  if (!rhost || !MT_SCAN_UNTIL(cur, " ruser=", &service) || cur->at > rhost)
    return MT_PARSE_SKIP;
  set_nonempty(event, MT_F_ACCOUNT, mt_span(cur->at, rhost - cur->at));
  rest = mt_span(rhost + 7, cur->end - rhost - 7);
  behind = mt_span_find(rest, MT_SPAN("  user="));
  if (behind)
    {
      user = mt_span(behind + 7, cur->end - behind - 7);
      rest.len = behind - rest.at;
      if (!mt_event_has(event, MT_F_ACCOUNT))
        set_nonempty(event, MT_F_ACCOUNT, user);
    }
  mt_event_set_ip(event, MT_F_CLIENT_IP, mt_span_trim(rest));
  return fail(event, MT_SPAN("auth-failed"));
}

/* "Failed login (auth failed, 2 attempts): user=<bob@example.com>, method=PLAIN, rip=..." */
static MtParse
read_failed_login(MtCursor *cur, MtEvent *event)
{
  const MtRule *rule = event->rule;

  read_disconnected(cur, event);
  if (event->kind == MT_EVENT_LOGIN_FAILED && event->rule != rule)
    return MT_PARSE_MATCH;
  event->kind = rule->event;
  event->rule = rule;
  return fail(event, MT_SPAN("auth-failed"));
}

/* "mysql(localhost): Connected to database mail" */
static MtParse
read_sql_connected(MtCursor *cur, MtEvent *event)
{
  MtSpan host;

  take_whole(cur, event);
  return MT_SCAN_UNTIL(cur, "): ", &host) && MT_SCAN(cur, "Connected to ") ? MT_PARSE_MATCH
                                                                           : MT_PARSE_SKIP;
}

/* Lines of no request. */
static const MtRule auth_plain[] = {
  MT_RULE("Failed login", LOGIN_FAILED, NULL, read_failed_login),
  MT_RULE("pam_", LOGIN_FAILED, NULL, read_pam_line),
  MT_RULE("SIGHUP received, ", NOTICE, NULL, take_whole),     /* auth-cache.c */
  MT_RULE("Authentication cache ", NOTICE, NULL, take_whole), /* auth-cache.c */
  MT_RULE("new auth connection: ", NOTICE, NULL, take_whole), /* 1.x */
  MT_RULE("client in: ", NOTICE, NULL, NULL),                 /* 1.x, with passwords */
  MT_RULE("client out: ", NOTICE, NULL, NULL),
  MT_RULE("master in: ", NOTICE, NULL, NULL),
  MT_RULE("master out: ", NOTICE, NULL, NULL),
  MT_RULE("mysql: ", NOTICE, NULL, take_whole),
  MT_RULE("pgsql: ", NOTICE, NULL, take_whole),
  MT_RULE("mysql(", NOTICE, NULL, read_sql_connected), /* lib-sql */
  MT_RULE("pgsql(", NOTICE, NULL, read_sql_connected),
  MT_RULES_END,
};

/* "conn unix:auth-worker (pid=4711,uid=97): auth-worker<3>: ", what events of 2.3 put
 * before the request (auth-worker-client.c). */
static void
skip_auth_events(MtCursor *cur)
{
  MtSpan skipped;

  if (MT_SPAN_STARTS(mt_cursor_rest(cur), "conn "))
    MT_SCAN_UNTIL(cur, ": ", &skipped);
  if (MT_SPAN_STARTS(mt_cursor_rest(cur), "auth-worker<"))
    MT_SCAN_UNTIL(cur, ": ", &skipped);
}

/* 2.4: "auth(bob@example.com,192.0.2.1,sasl:plain)<session>: " is the head itself; a
 * process, or 1.x's "default", is none. */
static gboolean
is_request(const Head *head)
{
  return head->inside.at && !MT_SPAN_IS(head->inside, "default")
         && (head->angles || !mt_span_is_all(head->inside, MT_CHAR_DIGIT));
}

/* Moves @cur to what is said of a request: 2.4's "sql: Password mismatch", of 2.3
 * "Password mismatch" behind "sql(bob@example.com,192.0.2.1,<session>): ".
 * @name: the database or mechanism.  Returns: FALSE if the line names no request. */
static gboolean
scan_request(const Head *head, MtCursor *cur, MtSpan *name, Identity *id)
{
  *cur = mt_cursor(head->message);
  if (is_request(head))
    {
      cur->at = head->text.at + 1;
      if (!scan_identity(cur, id))
        return FALSE;
      *name = id->method;
      scan_level(cur);
      return TRUE;
    }
  skip_auth_events(cur);
  return mt_scan_token(cur, " (", name) && mt_scan_char(cur, '(') && scan_identity(cur, id);
}

static MtParse
read_auth(const Head *head, MtEvent *event)
{
  MtCursor cur;
  Identity id;
  MtSpan name;
  MtParse parse = MT_PARSE_SKIP;

  if (!is_request(head))
    parse = mt_rules_apply(auth_plain, head->message, event);
  if (parse != MT_PARSE_SKIP || !scan_request(head, &cur, &name, &id))
    return parse;
  set_identity(&id, event);
  parse = read_auth_message(name, mt_cursor_rest(&cur), event);
  if (parse == MT_PARSE_SKIP && mt_scan_token(&cur, ": ", &name) && MT_SCAN(&cur, ": "))
    parse = read_auth_message(name, mt_cursor_rest(&cur), event);
  return parse;
}

/* ---- the rest: for the operator ------------------------------------------------ */

/* master/service-monitor.c: "service(imap-login): process_limit (100) reached, ..." */
static MtParse
read_service_limit(MtCursor *cur, MtEvent *event)
{
  MtSpan name;

  take_whole(cur, event);
  if (!MT_SCAN_UNTIL(cur, "): ", &name)
      || (!MT_SCAN(cur, "process_limit") && !MT_SCAN(cur, "client_limit")))
    return MT_PARSE_SKIP;
  return MT_PARSE_MATCH;
}

/* master/master-settings.c: "service auth { client_limit=1000 } is lower than ..." */
static MtParse
read_config_limit(MtCursor *cur, MtEvent *event)
{
  MtSpan name;

  take_whole(cur, event);
  if (!MT_SCAN_UNTIL(cur, " { ", &name)
      || (!MT_SCAN(cur, "process_limit") && !MT_SCAN(cur, "client_limit")))
    return MT_PARSE_SKIP;
  return MT_PARSE_MATCH;
}

static const MtRule master_rules[] = {
  MT_RULE("service(", LIMIT, NULL, read_service_limit),
  MT_RULE("service ", LIMIT, NULL, read_config_limit),
  MT_RULES_END,
};

static const MtRule operator_rules[] = {
  MT_RULE("", NOTICE, NULL, take_reason),
  MT_RULES_END,
};

/* Lines of 1.x's master, which named no service. */
static const MtRule headless_rules[] = {
  MT_RULE("Dovecot v", NOTICE, NULL, take_whole),
  MT_RULE("Dovecot starting up", NOTICE, NULL, take_whole),
  MT_RULE("Killed with signal ", NOTICE, NULL, take_whole),
  MT_RULE("SIGHUP received - ", NOTICE, NULL, take_whole),
  MT_RULE("Time just moved ", NOTICE, NULL, take_whole),
  MT_RULE("Generating Diffie-Hellman parameters", NOTICE, NULL, take_whole),
  MT_RULE("SSL parameters regeneration completed", NOTICE, NULL, take_whole),
  MT_RULE("If you have trouble with authentication failures,", NOTICE, NULL, take_whole),
  MT_RULE("This message goes away after the first successful login", NOTICE, NULL, take_whole),
  MT_RULE("pam_", LOGIN_FAILED, NULL, read_pam_line),
  MT_RULES_END,
};

static const MtRule level_rules[] = {
  /* lib/failures.c */
  MT_RULE("Error: ", NOTICE, NULL, NULL),
  MT_RULE("Warning: ", NOTICE, NULL, NULL),
  MT_RULE("Debug: ", NOTICE, NULL, NULL),
  MT_RULE("Fatal: ", NOTICE, NULL, NULL),
  MT_RULE("Panic: ", NOTICE, NULL, NULL),
  MT_RULE("Warn: ", NOTICE, NULL, NULL), /* 1.x */
  MT_RULES_END,
};

static MtParse
read_operator(const Head *head, MtEvent *event)
{
  if (head->level == 'D')
    return MT_PARSE_SKIP;
  return mt_rules_apply(master_rules, head->message, event);
}

/* lib-master/master-auth.c, auth/auth-worker-connection.c: limits named last. */
static gboolean
names_limit(MtSpan text)
{
  return MT_SPAN_ENDS(text, "(destination service { process_limit } reached?)")
         || MT_SPAN_ENDS(text, "(see service auth-worker { process_limit })");
}

/* Where the text of a line could hold a password, nothing of it is kept. */
static gboolean
may_hold_password(MtSpan text)
{
  static const MtSpan words[] = { MT_SPAN_INIT("assword"), MT_SPAN_INIT("pass="),
                                  MT_SPAN_INIT("resp="),   MT_SPAN_INIT("secret"),
                                  MT_SPAN_INIT("PASSV\t"), MT_SPAN_INIT("token") };

  for (guint i = 0; i < G_N_ELEMENTS(words); i++)
    if (mt_span_find(text, words[i]))
      return TRUE;
  return FALSE;
}

/* auth's own trouble, without whose request it was, up to what it quotes. */
static MtSpan
auth_trouble(const Head *head)
{
  static const MtSpan quotes[] = { MT_SPAN_INIT("'"), MT_SPAN_INIT("\""), MT_SPAN_INIT(" input: "),
                                   MT_SPAN_INIT(" reply: ") };
  MtSpan text = head->message, name;
  MtCursor cur;
  Identity id;

  if (scan_request(head, &cur, &name, &id))
    text = mt_cursor_rest(&cur);
  for (guint i = 0; i < G_N_ELEMENTS(quotes); i++)
    {
      const gchar *at = mt_span_find(text, quotes[i]);

      if (at)
        text.len = at - text.at;
    }
  return mt_span_trim(text);
}

/* "... killed with signal 11 (core dumped) [last ip=192.0.2.1]" (log/log-connection.c) */
static void
read_last_ip(MtSpan text, MtEvent *event)
{
  const gchar *at = mt_span_find_last(text, MT_SPAN("[last ip="));
  MtCursor cur;
  MtSpan ip;

  if (!at || !MT_SPAN_ENDS(text, "]"))
    return;
  cur = mt_cursor(mt_span(at + 9, text.at + text.len - at - 9));
  if (mt_scan_until(&cur, ']', &ip))
    mt_event_set_ip(event, MT_F_CLIENT_IP, ip);
}

/* An error, a warning, a word for the debugger: what no recogniser took. */
static MtParse
read_leveled(const Head *head, MtEvent *event)
{
  MtSpan reason = head->message, tls = MT_NO_SPAN, id;
  MtCursor cur;

  if (mt_rules_apply(level_rules, head->leveled, event) != MT_PARSE_MATCH)
    return MT_PARSE_SKIP;
  if (head->service && head->service->read == read_login_service)
    reason = split_elements(reason, TRUE, event, &tls);
  if (head->service && head->service->read == read_auth)
    {
      if (head->level == 'D')
        return MT_PARSE_MATCH;
      reason = auth_trouble(head);
    }
  if (names_limit(reason))
    event->kind = MT_EVENT_LIMIT;
  cur = mt_cursor(reason);
  MT_SCAN(&cur, "sieve: ");
  if (MT_SCAN(&cur, "msgid=") && mt_scan_angle(&cur, &id) && !mt_event_has(event, MT_F_MESSAGE_ID))
    mt_event_set_text(event, MT_F_MESSAGE_ID, mt_span(id.at - 1, id.len + 2));
  read_last_ip(reason, event);
  if (reason.len && !may_hold_password(reason))
    mt_event_set_text(event, MT_F_REASON, reason);
  return MT_PARSE_MATCH;
}

/* ---- services -------------------------------------------------------------------- */

#define SERVICE(name, word, read, notices) \
  { \
    MT_SPAN_INIT(name), MT_ORDER_WORD(name), MT_WORD_##word, read, notices \
  }

/* By name, as find_service() wants it. */
static const Service services[] = {
  SERVICE("IMAP", IMAP, read_session, FALSE), /* 1.0 */
  SERVICE("POP3", POP3, read_session, FALSE),
  SERVICE("aggregator", NONE, read_operator, TRUE),
  SERVICE("anvil", NONE, read_operator, TRUE),
  SERVICE("auth", NONE, read_auth, FALSE),
  SERVICE("auth-worker", NONE, read_auth, FALSE),
  SERVICE("config", NONE, read_operator, TRUE),
  SERVICE("deliver", NONE, read_session, FALSE),
  SERVICE("dict", NONE, read_operator, TRUE),
  SERVICE("dict-async", NONE, read_operator, TRUE),
  SERVICE("dict-expire", NONE, read_operator, TRUE),
  SERVICE("director", NONE, read_operator, TRUE),
  SERVICE("dns-client", NONE, read_operator, TRUE),
  SERVICE("dns_client", NONE, read_operator, TRUE),
  SERVICE("doveadm", NONE, read_session, TRUE),
  SERVICE("doveconf", NONE, read_operator, TRUE),
  SERVICE("dsync", NONE, read_session, TRUE),
  SERVICE("dsync-local", NONE, read_session, TRUE),
  SERVICE("dsync-remote", NONE, read_session, TRUE),
  SERVICE("dsync-server", NONE, read_session, TRUE),
  SERVICE("health-check", NONE, read_operator, TRUE),
  SERVICE("imap", IMAP, read_session, FALSE),
  SERVICE("imap-hibernate", IMAP, read_session, FALSE),
  SERVICE("imap-login", IMAP, read_login_service, FALSE),
  SERVICE("imap-urlauth", NONE, read_operator, TRUE),
  SERVICE("imap-urlauth-login", NONE, read_login_service, FALSE),
  SERVICE("imap-urlauth-worker", NONE, read_operator, TRUE),
  SERVICE("indexer", NONE, read_operator, TRUE),
  SERVICE("indexer-worker", NONE, read_session, TRUE),
  SERVICE("ipc", NONE, read_operator, TRUE),
  SERVICE("lda", NONE, read_session, FALSE),
  SERVICE("lmtp", NONE, read_lmtp, FALSE),
  SERVICE("log", NONE, read_operator, TRUE),
  SERVICE("managesieve", MANAGESIEVE, read_session, FALSE),
  SERVICE("managesieve-login", MANAGESIEVE, read_login_service, FALSE),
  SERVICE("master", NONE, read_operator, TRUE),
  SERVICE("old-stats", NONE, read_operator, TRUE),
  SERVICE("pop3", POP3, read_session, FALSE),
  SERVICE("pop3-login", POP3, read_login_service, FALSE),
  SERVICE("quota-status", NONE, read_operator, TRUE),
  SERVICE("quota-warning", NONE, read_operator, TRUE),
  SERVICE("replicator", NONE, read_operator, TRUE),
  SERVICE("script", NONE, read_operator, TRUE),
  SERVICE("script-login", NONE, read_operator, TRUE),
  SERVICE("sieve-filter", NONE, read_session, TRUE),
  SERVICE("ssl-build-param", NONE, read_operator, TRUE),
  SERVICE("ssl-params", NONE, read_operator, TRUE),
  SERVICE("stats", NONE, read_operator, TRUE),
  SERVICE("submission", SMTP, read_session, FALSE),
  SERVICE("submission-login", SMTP, read_login_service, FALSE),
  SERVICE("tcpwrap", NONE, read_operator, TRUE),
};

/* The last whose first bytes are not behind the name's, without a branch that depends on them;
 * or one before, of those with the same. */
static const Service *
find_service(MtSpan name)
{
  guint64 order = GUINT64_SWAP_LE_BE(mt_word_load_some(name.at, name.len));
  const Service *at = services;

  for (guint n = G_N_ELEMENTS(services), half = n / 2; half; n -= half, half = n / 2)
    at = at[half].order <= order ? at + half : at;
  for (; at->order == order; at--)
    {
      if (mt_span_equal(at->name, name))
        return at;
      if (at == services)
        break;
    }
  return NULL;
}

/* Behind the ')': "<pid><session>: ", "<session>: ", ": ". */
static gboolean
scan_head_end(MtCursor *cur, Head *head)
{
  MtSpan angle;

  head->angles = FALSE;
  head->session = MT_NO_SPAN;
  while (mt_scan_angle(cur, &angle))
    {
      gboolean pid = !head->angles && mt_span_is_all(angle, MT_CHAR_DIGIT);

      head->angles = TRUE;
      if (!pid && !head->session.len)
        head->session = angle;
    }
  return MT_SCAN(cur, ": ");
}

/* No user name is longer (RFC 5321 4.5.3.1: 64 and 255); what is is a line's trick. */
#define HEAD_BYTES 512

/* "(user)<pid><session>: ", "(4711): ", "[4711](user): ", ": ".  A user name may hold
 * a ")": the first that is followed as Dovecot would (lib-storage/
 * mail-storage-settings.c, mail_log_prefix) ends it, since all behind may be a
 * sender's. */
static gboolean
scan_head_rest(MtCursor *cur, Head *head)
{
  const gchar *limit;
  MtSpan skipped;

  if (mt_scan_char(cur, '['))
    mt_scan_until(cur, ']', &skipped);
  if (mt_cursor_peek(cur) != '(')
    return scan_head_end(cur, head);
  limit = cur->at + MIN(mt_cursor_left(cur), HEAD_BYTES);
  for (const gchar *at = cur->at; (at = memchr(at, ')', limit - at)); at++)
    {
      MtCursor behind = { at + 1, cur->end };

      if (scan_head_end(&behind, head))
        {
          head->inside = mt_span(cur->at + 1, at - cur->at - 1);
          *cur = behind;
          return TRUE;
        }
    }
  return FALSE;
}

/* Plesk's mail_log_prefix: "service=imap, user=bob@example.com, ip=[192.0.2.1]. " */
static gboolean
scan_plesk_head(MtCursor *cur, Head *head)
{
  MtSpan name;

  if (!MT_SCAN(cur, "=") || !MT_SCAN_UNTIL(cur, ", user=", &name)
      || !MT_SCAN_UNTIL(cur, ", ip=[", &head->inside) || !MT_SCAN_UNTIL(cur, "]. ", &head->ip))
    return FALSE;
  head->service = find_service(name);
  head->angles = TRUE;
  return head->service != NULL;
}

static gboolean
scan_head(MtSpan text, Head *head)
{
  MtCursor cur = mt_cursor(text);
  const gchar *name;
  MtCursor level;

  head->leveled = text;
  head->level = scan_level(&cur);
  head->ip = head->session = head->inside = MT_NO_SPAN;
  name = cur.at;
  cur.at = mt_skip_class(cur.at, cur.end, MT_CHAR_ALNUM | MT_CHAR_KEY);
  if (cur.at == name)
    return FALSE;
  head->service = find_service(mt_span(name, cur.at - name));
  head->text = mt_cursor_rest(&cur);
  if (mt_cursor_peek(&cur) == '=' ? !scan_plesk_head(&cur, head) : !scan_head_rest(&cur, head))
    return FALSE;
  level = cur;
  if (!head->level)
    {
      head->leveled = mt_cursor_rest(&cur);
      head->level = scan_level(&level);
    }
  head->message = mt_cursor_rest(&level);
  return TRUE;
}

/* ---- the dialect ----------------------------------------------------------------- */

/* How much a line must show of Dovecot before it is taken for one of its lines. */
typedef enum
{
  PROOF_NAME, /* the program's name says it */
  PROOF_FILE, /* Dovecot's own file: its lines have a level */
  PROOF_NONE, /* a recogniser of the service's own must match */
} Proof;

static MtParse
read_line(const Head *head, Proof proof, MtEvent *event)
{
  MtParse parse = MT_PARSE_SKIP;

  if (head->service)
    parse = head->service->read(head, event);
  else
    read_user(head, event);
  if (parse == MT_PARSE_MATCH && head->service->word && event->kind != MT_EVENT_NOTICE
      && event->kind != MT_EVENT_STORED && event->kind != MT_EVENT_MAILBOX)
    mt_event_set_word(event, MT_F_SERVICE, head->service->word);
  if (parse != MT_PARSE_SKIP || proof == PROOF_NONE || (proof == PROOF_FILE && !head->level))
    return parse;
  if (head->level && head->level != 'I')
    return read_leveled(head, event);
  if (head->service && head->service->notices)
    return mt_rules_apply(operator_rules, head->message, event);
  return MT_PARSE_SKIP;
}

/* 1.x's master: "Dovecot v1.2 starting up", "Fatal: Auth process died too early" */
static MtParse
read_headless(MtSpan text, const Service *service, Proof proof, MtEvent *event)
{
  MtCursor cur = mt_cursor(text);
  Head head = { .service = service, .text = text, .leveled = text };
  MtParse parse;

  head.level = scan_level(&cur);
  head.message = mt_cursor_rest(&cur);
  if (service)
    return read_line(&head, proof, event);
  parse = mt_rules_apply(headless_rules, head.message, event);
  if (parse == MT_PARSE_SKIP)
    parse = mt_rules_apply(master_rules, head.message, event);
  if (parse == MT_PARSE_SKIP && proof == PROOF_NAME && head.level)
    parse = read_leveled(&head, event);
  return parse;
}

static MtParse
read_text(MtSpan text, const Service *service, Proof proof, MtEvent *event)
{
  Head head;

  if (scan_head(text, &head) && (head.service || (head.level && head.leveled.at > text.at)))
    return read_line(&head, proof, event);
  return read_headless(text, service, proof, event);
}

/* Is "dovecot" a word of the name: "dovecot", "mx-dovecot", "dovecot/imap-login"? */
static gboolean
is_dovecot(MtSpan name)
{
  static const MtSpan word = MT_SPAN_INIT("dovecot");
  const gchar *at = mt_span_find(name, word);

  return at && (at == name.at || !mt_is_class(at[-1], MT_CHAR_ALNUM))
         && (at + word.len == name.at + name.len || !mt_is_class(at[word.len], MT_CHAR_LOWER));
}

static void
claim(MtSpan program, MtClaim *claim)
{
  const gchar *slash = program.len ? memrchr(program.at, '/', program.len) : NULL;

  claim->strength = MT_CLAIM_SHAPE;
  if (!is_dovecot(program))
    return;
  claim->strength = MT_CLAIM_NAME;
  if (slash)
    claim->daemon = find_service(mt_span(slash + 1, program.at + program.len - slash - 1));
}

/* instance_name may be anything, and 1.x's deliver was a program of its own: "deliver(
 * bob@example.com): msgid=..." is then read from where the program's name begins. */
static MtParse
parse(const MtLine *line, const MtClaim *claim, MtEvent *event)
{
  MtSpan program = line->program, text = line->text;
  MtParse parse;

  if (claim->strength == MT_CLAIM_NAME)
    return read_text(text, claim->daemon, PROOF_NAME, event);
  parse = read_text(text, NULL, program.len ? PROOF_NONE : PROOF_FILE, event);
  if (parse != MT_PARSE_SKIP || !program.len || line->pid >= 0
      || program.at + program.len + 2 != text.at)
    return parse;
  mt_event_clear(event);
  event->dialect = claim->dialect->name;
  return read_text(mt_span(program.at, text.at + text.len - program.at), NULL, PROOF_NONE, event);
}

static const MtRule *const all_rules[] = {
  ending_rules,     message_rules, login_rules,   login_id_rules, refusal_rules, proxy_rules,
  session_id_rules, mail_rules,    mailbox_rules, delivery_rules, sieve_rules,   session_rules,
  lmtp_rules,       pam_rules,     auth_rules,    auth_plain,     master_rules,  operator_rules,
  headless_rules,   level_rules,   NULL,
};

const MtDialect mt_dialect_dovecot = { "dovecot", claim, parse, all_rules };
