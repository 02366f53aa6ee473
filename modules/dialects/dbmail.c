/* dbmail.c: DBMail's IMAP, POP3, LMTP and Sieve servers, and its delivery program
 *
 * DBMail 3.0 to 3.5.  Each line begins with its level, the module, the function and the line
 * of the source (src/dm_debug.c, trace()).  From Info on down DBMail logs what clients send,
 * passwords among it: such lines are nobody's, so that no part of them is kept.
 */
#include "dialects/dialect.h"
#include "scan/secret.h"

/* src/dm_debug.c, MESSAGESIZE: what is so long was cut, and its end may be a client's. */
#define MESSAGE_BYTES 4094

static gboolean
is_whole(MtSpan text)
{
  return text.len < MESSAGE_BYTES;
}

/* Takes @end off @text.  FALSE: it does not end so. */
static gboolean
strip_end(MtSpan *text, MtSpan end)
{
  if (text->len < end.len || memcmp(text->at + text->len - end.len, end.at, end.len) != 0)
    return FALSE;
  text->len -= end.len;
  return TRUE;
}

/* "NAME" SEPARATOR "ADDRESS", the separator being the last: no address holds one, but a name
 * may. */
static gboolean
split_last(MtSpan text, MtSpan separator, MtSpan *name, MtSpan *behind)
{
  const gchar *at = mt_span_find_last(text, separator);

  if (!at)
    return FALSE;
  *name = mt_span(text.at, at - text.at);
  *behind = mt_span(at + separator.len, text.at + text.len - at - separator.len);
  return TRUE;
}

/* "192.0.2.7:41234", "2001:db8::7:41234"; ":" where names were looked up (clientbase.c, 3.0). */
static void
set_address(MtEvent *event, MtSpan text, MtField ip, MtField port)
{
  MtSpan address, number;
  guint64 value;

  if (!split_last(text, MT_SPAN(":"), &address, &number))
    return;
  if (ip != MT_FIELD_COUNT)
    mt_event_set_ip(event, ip, address);
  if (mt_span_to_u64(number, &value) && value && value <= 65535)
    mt_event_set_number(event, port, value);
}

/* ---- IMAP ------------------------------------------------------------------------------- */

/* "bob@example.com] from [192.0.2.7:41234]" */
static MtParse
read_imap_user(MtCursor *cur, MtEvent *event)
{
  MtSpan text = mt_cursor_rest(cur), account, address;

  if (!is_whole(text) || !strip_end(&text, MT_SPAN("]"))
      || !split_last(text, MT_SPAN("] from ["), &account, &address))
    return MT_PARSE_MATCH;
  mt_event_set_text(event, MT_F_ACCOUNT, account);
  set_address(event, address, MT_F_CLIENT_IP, MT_F_CLIENT_PORT);
  return MT_PARSE_MATCH;
}

static MtParse
read_imap_rejected(MtCursor *cur, MtEvent *event)
{
  MT_EVENT_SET_LITERAL(event, MT_F_REASON, "auth-failed");
  return read_imap_user(cur, event);
}

/* "5] user [bob@example.com] from [192.0.2.7:41234]" (3.2 and later) */
static MtParse
read_imap_id(MtCursor *cur, MtEvent *event)
{
  guint64 id;

  if (!mt_scan_u64(cur, &id) || !MT_SCAN(cur, "] user ["))
    return MT_PARSE_SKIP;
  return read_imap_user(cur, event);
}

/* ---- POP3 ------------------------------------------------------------------------------- */

/* "bob@example.com] coming from [192.0.2.7] tried to login with wrong password"; of APOP
 * without the address, and then the name holds no space. */
static MtParse
read_wrong_password(MtSpan text, MtEvent *event)
{
  MtSpan account = text, address = MT_NO_SPAN;

  MT_EVENT_SET_LITERAL(event, MT_F_REASON, "auth-failed");
  split_last(text, MT_SPAN("] coming from ["), &account, &address);
  mt_event_set_text(event, MT_F_ACCOUNT, account);
  if (address.len)
    mt_event_set_ip(event, MT_F_CLIENT_IP, address);
  return MT_PARSE_MATCH;
}

/* What begins with "user [" tells by its end what it is. */
static MtParse
read_bracketed_user(MtCursor *cur, MtEvent *event)
{
  MtSpan text = mt_cursor_rest(cur);

  if (!is_whole(text))
    {
      MT_EVENT_SET_LITERAL(event, MT_F_REASON, "auth-failed");
      return MT_PARSE_MATCH;
    }
  if (strip_end(&text, MT_SPAN("] tried to login with wrong password")))
    return read_wrong_password(text, event);
  event->kind = MT_EVENT_NOTICE;
  if (strip_end(&text, MT_SPAN("] is validated using APOP"))
      || strip_end(&text, MT_SPAN("] could not be validated")))
    mt_event_set_text(event, MT_F_ACCOUNT, text);
  return MT_PARSE_MATCH;
}

/* "bob@example.com logged in [messages=3, octets=7000]" */
static MtParse
read_pop3_user(MtCursor *cur, MtEvent *event)
{
  MtSpan text = mt_cursor_rest(cur), account, sizes;

  if (!is_whole(text) || !strip_end(&text, MT_SPAN("]"))
      || !split_last(text, MT_SPAN(" [messages="), &account, &sizes))
    return MT_PARSE_SKIP;
  if (strip_end(&account, MT_SPAN(" logging out")))
    event->kind = MT_EVENT_LOGOUT;
  else if (!strip_end(&account, MT_SPAN(" logged in")))
    return MT_PARSE_SKIP;
  mt_event_set_text(event, MT_F_ACCOUNT, account);
  return MT_PARSE_MATCH;
}

/* "bob@example.com]": APOP of a user that there is not */
static MtParse
read_unknown_user(MtCursor *cur, MtEvent *event)
{
  MtSpan text = mt_cursor_rest(cur);

  MT_EVENT_SET_LITERAL(event, MT_F_REASON, "unknown-user");
  if (is_whole(text) && strip_end(&text, MT_SPAN("]")))
    mt_event_set_text(event, MT_F_ACCOUNT, text);
  return MT_PARSE_MATCH;
}

/* ---- connections ------------------------------------------------------------------------ */

/* "192.0.2.7:41234]" or, with resolve_ip, "192.0.2.7:41234 (mail.example.org)]" */
static MtParse
read_client(MtCursor *cur, MtEvent *event)
{
  MtSpan text = mt_cursor_rest(cur), address, name;

  if (!strip_end(&text, MT_SPAN("]")))
    return MT_PARSE_MATCH;
  if (split_last(text, MT_SPAN(" ("), &address, &name) && strip_end(&name, MT_SPAN(")")))
    {
      text = address;
      if (name.len && !MT_SPAN_IS(name, "Lookup failed"))
        mt_event_set_text(event, MT_F_CLIENT_NAME, name);
    }
  set_address(event, text, MT_F_CLIENT_IP, MT_F_CLIENT_PORT);
  return MT_PARSE_MATCH;
}

/* "198.51.100.25:143] from [...]"; in 3.0 the client has a line of its own. */
static MtParse
read_connection(MtCursor *cur, MtEvent *event)
{
  MtSpan local;

  if (!mt_scan_until(cur, ']', &local))
    return MT_PARSE_SKIP;
  set_address(event, local, MT_FIELD_COUNT, MT_F_LOCAL_PORT);
  if (MT_SCAN(cur, " from ["))
    return read_client(cur, event);
  event->kind = MT_EVENT_NOTICE;
  return MT_PARSE_MATCH;
}

/* ---- delivery --------------------------------------------------------------------------- */

/* "5] mailbox [12] message [345] size [1234] is inserted": all by number. */
static MtParse
read_inserted(MtCursor *cur, MtEvent *event)
{
  guint64 user, mailbox, message, size;

  if (!mt_scan_u64(cur, &user) || !MT_SCAN(cur, "] mailbox [") || !mt_scan_u64(cur, &mailbox)
      || !MT_SCAN(cur, "] message [") || !mt_scan_u64(cur, &message) || !MT_SCAN(cur, "] size [")
      || !mt_scan_u64(cur, &size) || !MT_SCAN(cur, "] is inserted"))
    return MT_PARSE_SKIP;
  mt_event_set_number(event, MT_F_UID, message);
  mt_event_set_number(event, MT_F_SIZE, size);
  return MT_PARSE_MATCH;
}

/* As other dialects' lines that nobody knows. */
static MtParse
take_unknown(MtCursor *cur, MtEvent *event)
{
  mt_event_set_text(event, MT_F_TEXT, mt_secret_cut(mt_cursor_rest(cur)));
  return MT_PARSE_MATCH;
}

static const MtRule rules[] = {
  /* src/clientbase.c, client_init() */
  MT_RULE("incoming connection on [", CONNECT, NULL, read_connection),
  MT_RULE("incoming connection from [", CONNECT, NULL, read_client),
  /* src/dm_imapsession.c, dbmail_imap_session_handle_auth() */
  MT_RULE("login accepted: id [", LOGIN, NULL, read_imap_id),
  MT_RULE("login accepted: user [", LOGIN, NULL, read_imap_user),
  MT_RULE("login rejected: user [", LOGIN_FAILED, NULL, read_imap_rejected),
  MT_RULE("userid:[", NOTICE, NULL, NULL), /* src/imapcommands.c, _ic_logout() */
  /* src/pop3.c, src/modules/authsql.c */
  MT_RULE("user [", LOGIN_FAILED, NULL, read_bracketed_user),
  MT_RULE("user ", LOGIN, NULL, read_pop3_user),
  MT_RULE("error finding if user exists. username = [", LOGIN_FAILED, NULL, read_unknown_user),
  MT_RULE("alert! possible flood attempt, closing connection", LIMIT, NULL, mt_take_line),
  MT_RULE("client timed out, connection closed", NOTICE, NULL, mt_take_line),
  MT_RULE("authorization layer failure", NOTICE, NULL, mt_take_line),
  MT_RULE("storage layer failure", NOTICE, NULL, mt_take_line),
  /* src/dm_message.c, sort_deliver_to_mailbox() */
  MT_RULE("useridnr [", NOTICE, NULL, read_inserted),
  MT_RULE("error copying message to user [", NOTICE, NULL, mt_take_line),
  MT_RULE("", UNKNOWN, NULL, take_unknown),
  MT_RULES_END,
};

/* ---- heads ------------------------------------------------------------------------------ */

static const MtWordOf services[] = {
  { MT_SPAN_INIT("imap4d"), MT_WORD_IMAP },
  { MT_SPAN_INIT("imapd"), MT_WORD_IMAP },
  { MT_SPAN_INIT("pop3d"), MT_WORD_POP3 },
  { MT_SPAN_INIT("timsieved"), MT_WORD_MANAGESIEVE },
};

/* From Notice up; what is below may be a dialogue with its passwords. */
static const MtSpan levels[] = {
  MT_SPAN_INIT("Notice"), MT_SPAN_INIT("Error"),    MT_SPAN_INIT("Warning"),
  MT_SPAN_INIT("Alert"),  MT_SPAN_INIT("Critical"), MT_SPAN_INIT("EMERGENCY"),
};

static gboolean
scan_level(MtCursor *cur)
{
  for (guint i = 0; i < G_N_ELEMENTS(levels); i++)
    {
      MtCursor try = *cur;

      if (!mt_scan_span(&try, levels[i]) || !MT_SCAN(&try, ":["))
        continue;
      *cur = try;
      return TRUE;
    }
  return FALSE;
}

/* "[0x55d0c8e3a010] ": of a thread, or a session; nothing else names it. */
static void
skip_pointer(MtCursor *cur)
{
  MtCursor try = *cur;
  MtSpan digits;

  if (MT_SCAN(&try, "[0x") && mt_scan_until(&try, ']', &digits)
      && mt_span_is_all(digits, MT_CHAR_HEX) && mt_scan_char(&try, ' '))
    *cur = try;
}

/* "Notice:[imap] dbmail_imap_session_handle_auth(+1188): "; in files of DBMail's own a thread
 * stands in front.  2.2 named the source file, too ("pop3.c,pop3(+512)"): what its lines say of
 * a wrong password leaves room for an address that the client made up, so it is not read. */
static gboolean
scan_head(MtCursor *cur)
{
  MtSpan module, function;
  guint64 number;

  skip_pointer(cur);
  return scan_level(cur) && mt_scan_until(cur, ']', &module) && mt_scan_char(cur, ' ')
         && MT_SCAN_UNTIL(cur, "(+", &function) && !memchr(function.at, ',', function.len)
         && mt_scan_u64(cur, &number) && MT_SCAN(cur, "): ");
}

/* Behind "dbmail/" (syslog) or "dbmail-" (files). */
static MtSpan
daemon_of(MtSpan program)
{
  if (!MT_SPAN_STARTS(program, "dbmail/") && !MT_SPAN_STARTS(program, "dbmail-"))
    return MT_NO_SPAN;
  return mt_span(program.at + 7, program.len - 7);
}

/* By shape: what parse() skips, the dialogue, is then no mail program's line at all. */
static void
claim(MtSpan program, MtClaim *claim)
{
  if (daemon_of(program).len)
    claim->strength = MT_CLAIM_SHAPE;
}

static gboolean
is_access(MtEventKind kind)
{
  return kind == MT_EVENT_LOGIN || kind == MT_EVENT_LOGIN_FAILED || kind == MT_EVENT_LOGOUT;
}

static MtParse
parse(const MtLine *line, const MtClaim *claim, MtEvent *event)
{
  MtSpan daemon = daemon_of(line->program);
  MtCursor cur = mt_cursor(line->text);
  MtParse parse;
  MtWord service;

  if (!daemon.len || !scan_head(&cur))
    return MT_PARSE_SKIP;
  skip_pointer(&cur);
  parse = mt_rules_apply(rules, mt_cursor_rest(&cur), event);
  service = mt_word_of(services, G_N_ELEMENTS(services), daemon);
  if (parse == MT_PARSE_MATCH && is_access(event->kind) && service != MT_WORD_NONE)
    mt_event_set_word(event, MT_F_SERVICE, service);
  return parse;
}

static const MtRule *const all_rules[] = { rules, NULL };

const MtDialect mt_dialect_dbmail = { "dbmail", claim, parse, all_rules };
