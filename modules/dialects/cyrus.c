/* cyrus.c: Cyrus IMAP 2.2 to 3.10, and University of Washington's imapd and ipop3d
 *
 * Layer: dialects.  Concurrency: any thread; no state.
 *
 * The literals are those of cyrus-imapd (imap/imapd.c, pop3d.c, lmtpd.c, lmtpengine.c,
 * lmtp_sieve.c, append.c, index.c, mailbox.c, auditlog.c, duplicate.c, tls.c, timsieved/
 * parser.c, master/master.c) and of uw-imap 2007 (imapd.c, ipop3d.c, osdep env_unix.c).
 * User names, mailbox names and Message-IDs are strangers' text: the client's host and
 * address stand in front of them, the server's own words behind.
 */
#include "dialects/dialect.h"

typedef struct
{
  MtSpan name;
  MtWord service;
  const MtRule *fallback; /* what is said of lines that no table has; NULL: nothing */
  gboolean only_cyrus;    /* nobody else has a program of this name */
} Program;

/* ---- pieces -------------------------------------------------------------------- */

static MtParse
take_whole(MtCursor *cur, MtEvent *event)
{
  gsize prefix = ((const MtRule *) event->rule)->prefix.len;

  mt_event_set_text(event, MT_F_REASON, mt_span(cur->at - prefix, cur->end - cur->at + prefix));
  return MT_PARSE_MATCH;
}

/* "host.example.org [192.0.2.1]", or "[192.0.2.1]" alone (lib/util.c, get_clienthost()) */
static gboolean
scan_client(MtCursor *cur, MtEvent *event)
{
  MtCursor try = *cur;
  MtSpan name, ip;

  if (!mt_scan_until(&try, '[', &name) || !mt_scan_until(&try, ']', &ip)
      || !mt_event_set_ip(event, MT_F_CLIENT_IP, ip))
    return FALSE;
  name = mt_span_trim(name);
  if (name.len)
    mt_event_set_text(event, MT_F_CLIENT_NAME, name);
  *cur = try;
  return TRUE;
}

/* "plaintext", "PLAIN+TLS" */
static void
set_mechanism(MtSpan mechanism, MtEvent *event)
{
  static const MtSpan tls = MT_SPAN_INIT("+TLS");

  if (mt_span_ends(mechanism, tls))
    {
      mt_event_set_number(event, MT_F_TLS, 1);
      mechanism.len -= tls.len;
    }
  mt_event_set_text(event, MT_F_AUTH_METHOD, mechanism);
}

static void
set_nonempty(MtEvent *event, MtField field, MtSpan text)
{
  if (text.len)
    mt_event_set_text(event, field, text);
}

/* Internal names: "user.bob.Sent", "example.com!user.bob"; '/' for '.' where so set. */
static void
set_mailbox(MtSpan mailbox, MtEvent *event)
{
  const gchar *bang = mailbox.len ? memchr(mailbox.at, '!', mailbox.len) : NULL;
  MtCursor cur = mt_cursor(mailbox);
  MtSpan user;

  mt_event_set_text(event, MT_F_MAILBOX, mailbox);
  if (bang)
    cur.at = bang + 1;
  if ((MT_SCAN(&cur, "user.") || MT_SCAN(&cur, "user/")) && mt_scan_token(&cur, "./", &user)
      && !mt_event_has(event, MT_F_ACCOUNT))
    mt_event_set_text(event, MT_F_ACCOUNT, user);
}

/* ---- logins ------------------------------------------------------------------------- */

/* "HOST USER MECHANISM User logged in[ SESSIONID=<ID>]" */
static MtParse
read_login(MtCursor *cur, MtEvent *event)
{
  static const MtSpan words = MT_SPAN_INIT(" User logged in");
  MtSpan rest, session;
  const gchar *reply, *space;
  MtCursor behind;

  if (!scan_client(cur, event) || !mt_scan_char(cur, ' '))
    return MT_PARSE_MALFORMED;
  rest = mt_cursor_rest(cur);
  reply = mt_span_find_last(rest, words);
  if (reply)
    {
      behind = mt_cursor(mt_span(reply + words.len, cur->end - reply - words.len));
      if (MT_SCAN(&behind, " SESSIONID=") && mt_scan_angle(&behind, &session))
        mt_event_set_text(event, MT_F_SESSION, session);
      rest.len = reply - rest.at;
    }
  space = rest.len ? memrchr(rest.at, ' ', rest.len) : NULL;
  if (!space || space == rest.at)
    return MT_PARSE_MALFORMED;
  mt_event_set_text(event, MT_F_ACCOUNT, mt_span(rest.at, space - rest.at));
  set_mechanism(mt_span(space + 1, rest.at + rest.len - space - 1), event);
  return MT_PARSE_MATCH;
}

/* libsasl's numbers (sasl.h) */
static MtSpan
reason_of(MtSpan detail)
{
  static const struct
  {
    MtSpan code;
    MtSpan reason;
  } reasons[] = {
    { MT_SPAN_INIT("SASL(-1)"), MT_SPAN_INIT("internal") },
    { MT_SPAN_INIT("SASL(-15)"), MT_SPAN_INIT("tls-required") },
    { MT_SPAN_INIT("SASL(-16)"), MT_SPAN_INIT("tls-required") },
    { MT_SPAN_INIT("SASL(-20)"), MT_SPAN_INIT("unknown-user") },
    { MT_SPAN_INIT("SASL(-21)"), MT_SPAN_INIT("user-disabled") },
    { MT_SPAN_INIT("SASL(-22)"), MT_SPAN_INIT("user-disabled") },
    { MT_SPAN_INIT("SASL(-24)"), MT_SPAN_INIT("internal") },
    { MT_SPAN_INIT("invalid user"), MT_SPAN_INIT("unknown-user") },
    { MT_SPAN_INIT("no user"), MT_SPAN_INIT("unknown-user") },
  };

  for (guint i = 0; i < G_N_ELEMENTS(reasons); i++)
    if (mt_span_starts(detail, reasons[i].code))
      return reasons[i].reason;
  return MT_SPAN("auth-failed");
}

/* "USER SASL(-13): ...", "USER invalid user", 3.x: "(USER) [SASL(-13): ...]"; what the
 * server says is behind what the client said, so the last of its kind counts. */
static void
read_bad_user(MtSpan rest, MtEvent *event)
{
  static const MtSpan ends[] = { MT_SPAN_INIT(") ["),      MT_SPAN_INIT(") invalid user"),
                                 MT_SPAN_INIT(" SASL("),   MT_SPAN_INIT(" invalid user"),
                                 MT_SPAN_INIT(" no user"), MT_SPAN_INIT(" proxy authz attempted") };
  gboolean parenthesis = MT_SPAN_STARTS(rest, "(");
  MtSpan detail = rest, user = MT_NO_SPAN;

  for (guint i = parenthesis ? 0 : 2; i < G_N_ELEMENTS(ends) && !user.at; i++)
    {
      const gchar *at = mt_span_find_last(rest, ends[i]);

      if (!at)
        continue;
      user = mt_span(rest.at + parenthesis, at - rest.at - parenthesis);
      detail = mt_span(at + 1, rest.at + rest.len - at - 1);
    }
  while (detail.len && memchr(") [", detail.at[0], 3))
    detail.at++, detail.len--;
  set_nonempty(event, MT_F_ACCOUNT, user);
  mt_event_set_text(event, MT_F_REASON, reason_of(detail));
}

/* "HOST MECHANISM [SASL(-13): ...]", "HOST plaintext USER ..." */
static MtParse
read_badlogin(MtCursor *cur, MtEvent *event)
{
  MtSpan mechanism;

  if (!scan_client(cur, event) || !mt_scan_char(cur, ' ') || !mt_scan_token(cur, " ", &mechanism))
    return MT_PARSE_MALFORMED;
  set_mechanism(mechanism, event);
  mt_scan_char(cur, ' ');
  if (mt_cursor_peek(cur) == '[')
    {
      cur->at++;
      mt_event_set_text(event, MT_F_REASON, reason_of(mt_cursor_rest(cur)));
    }
  else
    read_bad_user(mt_cursor_rest(cur), event);
  return MT_PARSE_MATCH;
}

/* "TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits new) no authentication" */
static MtParse
read_starttls(MtCursor *cur, MtEvent *event)
{
  MtSpan version, cipher;

  if (!mt_scan_token(cur, " ", &version) || !MT_SCAN(cur, " with cipher ")
      || !mt_scan_token(cur, " ", &cipher))
    return MT_PARSE_MALFORMED;
  mt_event_set_text(event, MT_F_TLS_VERSION, version);
  mt_event_set_text(event, MT_F_CIPHER, cipher);
  return MT_PARSE_MATCH;
}

static MtParse
read_tls_failure(MtCursor *cur, MtEvent *event)
{
  take_whole(cur, event);
  scan_client(cur, event);
  return MT_PARSE_MATCH;
}

static MtParse
read_connection(MtCursor *cur, MtEvent *event)
{
  return scan_client(cur, event) ? MT_PARSE_MATCH : MT_PARSE_SKIP;
}

/* "USAGE bob user: 0.004000 sys: 0.002000" */
static MtParse
read_usage(MtCursor *cur, MtEvent *event)
{
  MtSpan rest = mt_cursor_rest(cur);
  const gchar *at = mt_span_find_last(rest, MT_SPAN(" user: "));

  if (!at)
    return MT_PARSE_MALFORMED;
  set_nonempty(event, MT_F_ACCOUNT, mt_span(rest.at, at - rest.at));
  return MT_PARSE_MATCH;
}

/* 'client id sessionid=<ID>: "name" "Thunderbird" ...' */
static MtParse
read_client_id(MtCursor *cur, MtEvent *event)
{
  MtSpan session;

  if (!mt_scan_angle(cur, &session) || !mt_scan_char(cur, ':'))
    return MT_PARSE_MALFORMED;
  mt_event_set_text(event, MT_F_SESSION, session);
  set_nonempty(event, MT_F_CLIENT, mt_span_trim(mt_cursor_rest(cur)));
  return MT_PARSE_MATCH;
}

/* ---- mail ------------------------------------------------------------------------------ */

/* "<ID> to mailbox: example.com!user.bob": the ID is the sender's and may be any text. */
static MtParse
read_delivered(MtCursor *cur, MtEvent *event)
{
  static const MtSpan between = MT_SPAN_INIT(" to mailbox: ");
  const gchar *at = mt_span_find_last(mt_cursor_rest(cur), between);

  if (!at)
    return MT_PARSE_MALFORMED;
  mt_event_set_text(event, MT_F_MESSAGE_ID, mt_span(cur->at, at - cur->at));
  mt_event_set_word(event, MT_F_ACTION, MT_WORD_STORED);
  set_mailbox(mt_span(at + between.len, cur->end - at - between.len), event);
  return MT_PARSE_MATCH;
}

/* "to MAILBOX id <ID> date ... (delivery)" */
static MtParse
read_duplicate(MtCursor *cur, MtEvent *event)
{
  MtSpan mailbox, id;

  MT_EVENT_SET_LITERAL(event, MT_F_REASON, "duplicate");
  if (!MT_SCAN_UNTIL(cur, " id ", &mailbox))
    return MT_PARSE_MATCH;
  set_mailbox(mailbox, event);
  if (mt_scan_token(cur, " ", &id))
    mt_event_set_text(event, MT_F_MESSAGE_ID, id);
  return MT_PARSE_MATCH;
}

/* "12 messages from user.bob" */
static MtParse
read_expunged(MtCursor *cur, MtEvent *event)
{
  guint64 count;

  if (!mt_scan_u64(cur, &count) || !MT_SCAN(cur, " messages from "))
    return MT_PARSE_SKIP;
  mt_event_set_number(event, MT_F_EXPUNGED, count);
  mt_event_set_word(event, MT_F_ACTION, MT_WORD_EXPUNGE);
  set_mailbox(mt_cursor_rest(cur), event);
  return MT_PARSE_MATCH;
}

/* "<ID> to: target@example.net" */
static MtParse
read_redirected(MtCursor *cur, MtEvent *event)
{
  MtSpan id;

  if (!MT_SCAN_UNTIL(cur, " to: ", &id))
    return MT_PARSE_SKIP;
  mt_event_set_text(event, MT_F_MESSAGE_ID, id);
  mt_event_set_word(event, MT_F_ACTION, MT_WORD_FORWARDED);
  set_nonempty(event, MT_F_TARGET, mt_cursor_rest(cur));
  return MT_PARSE_MATCH;
}

/* "bob opened INBOX" */
static MtParse
read_opened(MtCursor *cur, MtEvent *event)
{
  MtSpan user;

  if (!MT_SCAN_UNTIL(cur, " opened ", &user))
    return MT_PARSE_MATCH;
  mt_event_set_text(event, MT_F_ACCOUNT, user);
  set_nonempty(event, MT_F_MAILBOX, mt_cursor_rest(cur));
  return MT_PARSE_MATCH;
}

/* ---- auditlog ------------------------------------------------------------------------------ */

typedef struct
{
  MtSpan key;
  MtField field;
  gboolean first; /* what the server says before a mailbox' name; else the last counts */
} AuditKey;

static const AuditKey audit_keys[] = {
  { MT_SPAN_INIT("sessionid"), MT_F_SESSION, TRUE },
  { MT_SPAN_INIT("userid"), MT_F_ACCOUNT, FALSE },
  { MT_SPAN_INIT("mailbox"), MT_F_MAILBOX, TRUE },
  { MT_SPAN_INIT("oldmailbox"), MT_F_TARGET, TRUE },
  { MT_SPAN_INIT("uid"), MT_F_UID, FALSE },
  { MT_SPAN_INIT("size"), MT_F_SIZE, FALSE },
  { MT_SPAN_INIT("target"), MT_F_TARGET, TRUE },
  { MT_SPAN_INIT("bytes_in"), MT_F_IN_BYTES, FALSE },
  { MT_SPAN_INIT("bytes_out"), MT_F_OUT_BYTES, FALSE },
  { MT_SPAN_INIT("client"), MT_F_CLIENT, TRUE },
};

static void
set_audit_value(const AuditKey *key, MtSpan value, MtEvent *event)
{
  guint64 number;

  if (key->first && mt_event_has(event, key->field))
    return;
  if (mt_field_type(key->field) == MT_TYPE_TEXT)
    set_nonempty(event, key->field, value);
  else if (mt_span_to_u64(value, &number))
    mt_event_set_number(event, key->field, number);
}

/* " key=<value>": the words of the action before it are passed over, too. */
static gboolean
scan_audit_pair(MtCursor *cur, MtSpan *key, MtSpan *value)
{
  while (cur->at < cur->end)
    {
      const gchar *from;

      mt_scan_char(cur, ' ');
      for (from = cur->at; cur->at < cur->end && *cur->at != ' ' && *cur->at != '='; cur->at++)
        ;
      *key = mt_span(from, cur->at - from);
      if (MT_SCAN(cur, "=<"))
        return mt_scan_until(cur, '>', value); /* without one there is none behind, either */
      while (cur->at < cur->end && *cur->at != ' ')
        cur->at++;
    }
  return FALSE;
}

static void
read_audit_pairs(MtCursor *cur, MtEvent *event)
{
  MtSpan key, value;

  while (scan_audit_pair(cur, &key, &value))
    for (guint i = 0; i < G_N_ELEMENTS(audit_keys); i++)
      if (mt_span_equal(audit_keys[i].key, key))
        set_audit_value(&audit_keys[i], value, event);
}

/* Where the Message-ID begins, behind its key; NULL: there is none.  No mailbox's name has the
 * '<' that may follow (imap/mboxname.c, GOODCHARS). */
static const gchar *
find_message_id(MtSpan text, MtSpan *before)
{
  static const MtSpan keys[] = { MT_SPAN_INIT(" messageid="), MT_SPAN_INIT(" message-id="),
                                 MT_SPAN_INIT(" in.msgid=") };
  const gchar *first = NULL;

  *before = text;
  for (guint i = 0; i < G_N_ELEMENTS(keys); i++)
    {
      const gchar *at = mt_span_find(*before, keys[i]);

      if (!at)
        continue;
      before->len = at - text.at;
      first = at + keys[i].len;
    }
  return first;
}

/* The ID is the sender's, and may be any text: what stands in front of it counts, and, of a
 * redirection, the last that Cyrus writes behind it, " target=<T> userid=<U>". */
static void
read_audit(MtCursor *cur, MtEvent *event)
{
  gboolean redirect = MT_SPAN_STARTS(((const MtRule *) event->rule)->prefix, "redirect");
  MtSpan before, id, mailbox;
  MtCursor behind = { find_message_id(mt_cursor_rest(cur), &before), cur->end };
  const gchar *target;

  if (behind.at)
    {
      target = redirect ? mt_span_find_last(mt_cursor_rest(&behind), MT_SPAN(" target=<")) : NULL;
      if (target)
        id = mt_span(behind.at, target - behind.at);
      else if (!mt_scan_token(&behind, " ", &id))
        id = MT_NO_SPAN;
      set_nonempty(event, MT_F_MESSAGE_ID, id);
      behind.at = target;
      if (target)
        read_audit_pairs(&behind, event);
    }
  *cur = mt_cursor(before);
  read_audit_pairs(cur, event);
  mailbox = mt_event_text(event, MT_F_MAILBOX);
  if (mailbox.len)
    set_mailbox(mailbox, event);
}

static MtParse
audit(MtCursor *cur, MtEvent *event, MtWord action)
{
  read_audit(cur, event);
  mt_event_set_word(event, MT_F_ACTION, action);
  return MT_PARSE_MATCH;
}

static MtParse
audit_append(MtCursor *cur, MtEvent *event)
{
  return audit(cur, event, MT_WORD_APPEND);
}

static MtParse
audit_expunge(MtCursor *cur, MtEvent *event)
{
  return audit(cur, event, MT_WORD_EXPUNGE);
}

static MtParse
audit_flags(MtCursor *cur, MtEvent *event)
{
  return audit(cur, event, MT_WORD_FLAG_CHANGE);
}

static MtParse
audit_create(MtCursor *cur, MtEvent *event)
{
  return audit(cur, event, MT_WORD_MAILBOX_CREATE);
}

static MtParse
audit_delete(MtCursor *cur, MtEvent *event)
{
  return audit(cur, event, MT_WORD_MAILBOX_DELETE);
}

/* The mailbox is the one that was; the target what it is now. */
static MtParse
audit_rename(MtCursor *cur, MtEvent *event)
{
  MtSpan now, before;

  audit(cur, event, MT_WORD_MAILBOX_RENAME);
  now = mt_event_text(event, MT_F_MAILBOX);
  before = mt_event_text(event, MT_F_TARGET);
  if (now.len && before.len)
    {
      mt_event_set_text(event, MT_F_MAILBOX, before);
      mt_event_set_text(event, MT_F_TARGET, now);
    }
  return MT_PARSE_MATCH;
}

static MtParse
audit_redirect(MtCursor *cur, MtEvent *event)
{
  return audit(cur, event, MT_WORD_FORWARDED);
}

static MtParse
audit_vacation(MtCursor *cur, MtEvent *event)
{
  return audit(cur, event, MT_WORD_VACATION);
}

static MtParse
audit_reject(MtCursor *cur, MtEvent *event)
{
  return audit(cur, event, MT_WORD_REJECTED);
}

static MtParse
audit_discard(MtCursor *cur, MtEvent *event)
{
  return audit(cur, event, MT_WORD_DISCARDED);
}

/* The session's traffic is told at its end; what else has fields only. */
static MtParse
audit_plain(MtCursor *cur, MtEvent *event)
{
  read_audit(cur, event);
  return MT_PARSE_MATCH;
}

/* imap/auditlog.c of 3.10; before, each line stood where it happened */
static const MtRule audit_rules[] = {
  MT_RULE("append ", MAILBOX, NULL, audit_append),
  MT_RULE("expunge ", MAILBOX, NULL, audit_expunge),
  MT_RULE("touched ", MAILBOX, NULL, audit_flags),
  MT_RULE("create ", MAILBOX, NULL, audit_create),
  MT_RULE("delete ", MAILBOX, NULL, audit_delete),
  MT_RULE("rename ", MAILBOX, NULL, audit_rename),
  MT_RULE("redirect ", STORED, NULL, audit_redirect),
  MT_RULE("vacation ", STORED, NULL, audit_vacation),
  MT_RULE("reject ", STORED, NULL, audit_reject),
  MT_RULE("discard ", STORED, NULL, audit_discard),
  MT_RULE("traffic ", LOGOUT, NULL, audit_plain),
  MT_RULE("", NOTICE, NULL, audit_plain), /* proxy, acl, unlink, quota, duplicate, ... */
  MT_RULES_END,
};

/* ---- all of Cyrus' own ---------------------------------------------------------------------- */

static const MtRule cyrus_rules[] = {
  MT_RULE("login: ", LOGIN, NULL, read_login),
  MT_RULE("badlogin: ", LOGIN_FAILED, NULL, read_badlogin),
  MT_RULE("Delivered: ", STORED, NULL, read_delivered),
  MT_RULE("Expunged ", MAILBOX, NULL, read_expunged),
  MT_RULE("sieve redirected: ", STORED, NULL, read_redirected),
  MT_RULE("sieve ", NOTICE, NULL, take_whole),
  MT_RULE("dupelim: eliminated duplicate message to ", NOTICE, NULL, read_duplicate),
  MT_RULE("duplicate_check: ", NOTICE, NULL, NULL),
  MT_RULE("duplicate_mark: ", NOTICE, NULL, NULL),
  MT_RULE("USAGE ", NOTICE, NULL, read_usage),
  MT_RULE("client id sessionid=", NOTICE, NULL, read_client_id),
  MT_RULE("starttls: ", TLS, NULL, read_starttls),
  MT_RULE("STARTTLS negotiation failed: ", TLS_ERROR, NULL, read_tls_failure),
  MT_RULE("imaps TLS negotiation failed: ", TLS_ERROR, NULL, read_tls_failure),
  MT_RULE("pop3s TLS negotiation failed: ", TLS_ERROR, NULL, read_tls_failure),
  MT_RULE("TLS negotiation failed: ", TLS_ERROR, NULL, read_tls_failure),
  MT_RULE("TLS server engine: ", TLS_ERROR, NULL, take_whole),
  MT_RULE("inittls: ", NOTICE, NULL, take_whole),
  MT_RULE("accepted connection", NOTICE, NULL, NULL),
  MT_RULE("connection from ", CONNECT, NULL, read_connection),
  MT_RULE("lmtp connection preauth'd as ", NOTICE, NULL, take_whole),
  MT_RULE("open: user ", NOTICE, NULL, read_opened),
  MT_RULE("seen_db: user ", NOTICE, NULL, read_opened),
  MT_RULE("verify_user(", NOTICE, NULL, take_whole),
  MT_RULE("autocreateinbox: ", NOTICE, NULL, take_whole),
  MT_RULE("IOERROR: ", NOTICE, NULL, take_whole),
  MT_RULE("DBERROR: ", NOTICE, NULL, take_whole),
  MT_RULE("DBMSG: ", NOTICE, NULL, take_whole),
  MT_RULE("SQUAT ", NOTICE, NULL, take_whole),
  MT_RULE("Fatal error: ", NOTICE, NULL, take_whole),
  MT_RULE("mystore: ", NOTICE, NULL, NULL),
  MT_RULE("skiplist: ", NOTICE, NULL, take_whole),
  MT_RULE("twoskip: ", NOTICE, NULL, take_whole),
  MT_RULE("process type:", NOTICE, NULL, take_whole), /* master/master.c */
  MT_RULE("about to exec ", NOTICE, NULL, NULL),
  MT_RULE("executed", NOTICE, NULL, NULL),
  MT_RULE("idle for too long", NOTICE, NULL, take_whole),
  MT_RULE("service ", NOTICE, NULL, take_whole),
  MT_RULES_END,
};

/* master and the tools: for the operator. */
static const MtRule operator_rules[] = {
  MT_RULE("", NOTICE, NULL, take_whole),
  MT_RULES_END,
};

/* ---- University of Washington ------------------------------------------------------ */

/* "U auth=A": both are the client's, and most often the same. */
static MtSpan
without_auth(MtSpan user)
{
  static const MtSpan key = MT_SPAN_INIT(" auth=");
  gsize half = user.len >= key.len ? (user.len - key.len) / 2 : 0;
  MtSpan first = mt_span(user.at, half);
  const gchar *auth = mt_span_find_last(user, key);

  if (half && mt_span_starts(mt_span(user.at + half, user.len - half), key)
      && mt_span_equal(first, mt_span(user.at + user.len - half, half)))
    return first;
  return auth ? mt_span(user.at, auth - user.at) : user;
}

/* "user=U [auth=A ]host=NAME [IP]": the host is the server's, last. */
static MtParse
read_uw(MtCursor *cur, MtEvent *event)
{
  MtSpan rest = mt_cursor_rest(cur), user;
  const gchar *host = mt_span_find_last(rest, MT_SPAN("host="));
  MtCursor behind;
  MtSpan mechanism;

  if (!host)
    return MT_PARSE_SKIP;
  user = mt_span(rest.at, host - rest.at);
  user.len -= MT_SPAN_ENDS(user, " "); /* one: others are the client's */
  behind = mt_cursor(mt_span(host + 5, rest.at + rest.len - host - 5));
  scan_client(&behind, event);
  if (MT_SCAN(&behind, " mech=") && mt_scan_token(&behind, " ", &mechanism))
    mt_event_set_text(event, MT_F_AUTH_METHOD, mechanism);
  if (!MT_SPAN_STARTS(user, "user="))
    return MT_PARSE_MATCH;
  set_nonempty(event, MT_F_ACCOUNT, without_auth(mt_span(user.at + 5, user.len - 5)));
  return MT_PARSE_MATCH;
}

static MtParse
read_uw_failure(MtCursor *cur, MtEvent *event)
{
  MT_EVENT_SET_LITERAL(event, MT_F_REASON, "auth-failed");
  return read_uw(cur, event);
}

/* "Unexpected client disconnect, while reading line user=bob host=..." */
static MtParse
read_uw_end(MtCursor *cur, MtEvent *event)
{
  MtSpan what;

  if (!MT_SCAN_UNTIL(cur, "user=", &what))
    return MT_PARSE_SKIP;
  cur->at -= 5;
  if (read_uw(cur, event) != MT_PARSE_MATCH)
    return MT_PARSE_SKIP;
  if (!MT_SPAN_IS(mt_event_text(event, MT_F_ACCOUNT), "???")) /* nobody had logged in */
    return MT_PARSE_MATCH;
  event->kind = MT_EVENT_DISCONNECT;
  mt_event_drop(event, MT_F_ACCOUNT);
  return MT_PARSE_MATCH;
}

/* "AUTHENTICATE PLAIN failure host=..." */
static MtParse
read_uw_mechanism(MtCursor *cur, MtEvent *event)
{
  MtSpan mechanism;

  if (!mt_scan_token(cur, " ", &mechanism) || !MT_SCAN(cur, " failure "))
    return MT_PARSE_SKIP;
  mt_event_set_text(event, MT_F_AUTH_METHOD, mechanism);
  return read_uw_failure(cur, event);
}

/* "pam_unix(imap:auth): authentication failure; ... rhost=192.0.2.1  user=bob": the
 * server's own line about it follows. */
static MtParse
read_pam(MtCursor *cur, MtEvent *event)
{
  MtSpan skipped, ip;

  if (!MT_SCAN_UNTIL(cur, ":auth): authentication failure; ", &skipped)
      || !MT_SCAN_UNTIL(cur, " rhost=", &skipped))
    return MT_PARSE_SKIP;
  if (mt_scan_token(cur, " ", &ip))
    mt_event_set_ip(event, MT_F_CLIENT_IP, ip);
  if (MT_SCAN(cur, "  user="))
    set_nonempty(event, MT_F_ACCOUNT, mt_cursor_rest(cur));
  MT_EVENT_SET_LITERAL(event, MT_F_REASON, "auth-failed");
  return MT_PARSE_MATCH;
}

/* "connect from name (192.0.2.1)", "imap service init from 192.0.2.1" */
static MtParse
read_uw_connect(MtCursor *cur, MtEvent *event)
{
  MtSpan rest = mt_cursor_rest(cur);
  const gchar *open = MT_SPAN_ENDS(rest, ")") ? memrchr(rest.at, '(', rest.len) : NULL;

  if (open)
    rest = mt_span(open + 1, rest.at + rest.len - open - 2);
  return mt_event_set_ip(event, MT_F_CLIENT_IP, rest) ? MT_PARSE_MATCH : MT_PARSE_SKIP;
}

static const MtRule uw_rules[] = {
  MT_RULE("Login failed ", LOGIN_FAILED, NULL, read_uw_failure),
  MT_RULE("Login failure ", LOGIN_FAILED, NULL, read_uw_failure),
  MT_RULE("Login disabled ", LOGIN_FAILED, NULL, read_uw_failure),
  MT_RULE("Login ", LOGIN, NULL, read_uw),
  MT_RULE("Authenticated ", LOGIN, NULL, read_uw),
  MT_RULE("Auto-authenticated ", LOGIN, NULL, read_uw),
  MT_RULE("AUTHENTICATE ", LOGIN_FAILED, NULL, read_uw_mechanism),
  MT_RULE("pam_unix(", LOGIN_FAILED, NULL, read_pam),
  MT_RULE("Excessive login failures ", LIMIT, NULL, read_uw),
  MT_RULE("Logout ", LOGOUT, NULL, read_uw),
  MT_RULE("Autologout ", LOGOUT, NULL, read_uw),
  MT_RULE("Killed ", LOGOUT, NULL, read_uw_end),
  MT_RULE("Unexpected client disconnect, ", LOGOUT, NULL, read_uw_end),
  MT_RULE("Command stream end of file, ", LOGOUT, NULL, read_uw_end),
  MT_RULE("connect from ", CONNECT, NULL, read_uw_connect),
  MT_RULE("imap service init from ", NOTICE, NULL, read_uw_connect),
  MT_RULE("imaps SSL service init from ", NOTICE, NULL, read_uw_connect),
  MT_RULE("pop3 service init from ", NOTICE, NULL, read_uw_connect),
  MT_RULE("pop3s SSL service init from ", NOTICE, NULL, read_uw_connect),
  MT_RULES_END,
};

/* ---- the dialect ------------------------------------------------------------------- */

#define SERVICE(name, service) \
  { \
    MT_SPAN_INIT(name), MT_WORD_##service, NULL, FALSE \
  }
#define CYRUS(name, service) \
  { \
    MT_SPAN_INIT(name), MT_WORD_##service, NULL, TRUE \
  }
#define TOOL(name) \
  { \
    MT_SPAN_INIT(name), MT_WORD_NONE, operator_rules, TRUE \
  }

static const Program programs[] = {
  SERVICE("imap", IMAP),
  SERVICE("imaps", IMAP),
  SERVICE("imapd", IMAP),
  SERVICE("imaplocal", IMAP),
  SERVICE("pop3", POP3),
  SERVICE("pop3s", POP3),
  SERVICE("pop3d", POP3),
  SERVICE("lmtp", NONE),
  SERVICE("lmtpd", NONE),
  SERVICE("nntp", NONE),
  SERVICE("nntps", NONE),
  SERVICE("nntpd", NONE),
  SERVICE("http", NONE),
  SERVICE("https", NONE),
  SERVICE("httpd", NONE),
  SERVICE("sieve", MANAGESIEVE),
  SERVICE("deliver", NONE),
  { MT_SPAN_INIT("master"), MT_WORD_NONE, operator_rules, FALSE },
  { MT_SPAN_INIT("notify"), MT_WORD_NONE, operator_rules, FALSE },
  { MT_SPAN_INIT("idled"), MT_WORD_NONE, operator_rules, FALSE },
  CYRUS("timsieved", MANAGESIEVE),
  CYRUS("lmtpunix", NONE),
  CYRUS("ipop2d", POP3), /* UW's own names */
  CYRUS("ipop3d", POP3),
  TOOL("ctl_cyrusdb"),
  TOOL("ctl_deliver"),
  TOOL("ctl_mboxlist"),
  TOOL("cyr_expire"),
  TOOL("cyrmaster"),
  TOOL("squatter"),
  TOOL("sync_client"),
  TOOL("sync_server"),
  TOOL("tls_prune"),
};

static const Program *
find_program(MtSpan name)
{
  for (guint i = 0; i < G_N_ELEMENTS(programs); i++)
    if (mt_span_equal(programs[i].name, name))
      return &programs[i];
  return NULL;
}

/* "cyrus/imap" of Debian; "syslog_prefix/imap" of who sets one. */
static void
claim(MtSpan program, MtClaim *claim)
{
  const gchar *slash = program.len ? memrchr(program.at, '/', program.len) : NULL;
  const Program *found = NULL;

  if (slash)
    found = find_program(mt_span(slash + 1, program.at + program.len - slash - 1));
  else
    found = find_program(program);
  claim->daemon = found;
  if (MT_SPAN_STARTS(program, "cyrus/") || (found && found->only_cyrus))
    claim->strength = MT_CLAIM_NAME;
  else if (found)
    claim->strength = MT_CLAIM_SHAPE;
}

static const Program *
program_of(const MtLine *line)
{
  MtClaim found = { 0 };

  claim(line->program, &found);
  return found.daemon;
}

static MtParse
read_text(MtSpan text, MtEvent *event)
{
  MtCursor cur = mt_cursor(text);
  MtParse parse;

  if (MT_SCAN(&cur, "auditlog: "))
    return mt_rules_apply(audit_rules, mt_cursor_rest(&cur), event);
  parse = mt_rules_apply(cyrus_rules, text, event);
  return parse == MT_PARSE_SKIP ? mt_rules_apply(uw_rules, text, event) : parse;
}

static MtParse
parse(const MtLine *line, const MtClaim *claim, MtEvent *event)
{
  gboolean named = claim->strength == MT_CLAIM_NAME;
  const Program *program = named ? claim->daemon : program_of(line);
  MtParse parse;

  if (!program && !named)
    return MT_PARSE_SKIP;
  parse = read_text(line->text, event);
  if (parse == MT_PARSE_SKIP && named && (!program || program->fallback))
    parse = mt_rules_apply(operator_rules, line->text, event);
  if (parse != MT_PARSE_MATCH)
    return parse;
  if (program && program->service
      && (event->kind == MT_EVENT_LOGIN || event->kind == MT_EVENT_LOGOUT
          || (event->kind == MT_EVENT_LOGIN_FAILED && !MT_SPAN_STARTS(line->text, "pam_"))))
    mt_event_set_word(event, MT_F_SERVICE, program->service);
  return MT_PARSE_MATCH;
}

static const MtRule *const all_rules[] = {
  cyrus_rules, audit_rules, operator_rules, uw_rules, NULL,
};

const MtDialect mt_dialect_cyrus = { "cyrus", claim, parse, all_rules, NULL };
