/* nextcloud.c: the logins of Nextcloud 12 to 31 and ownCloud 10
 *
 * Layer: dialects.  Concurrency: any thread; no state.
 *
 * One JSON object a line (lib/private/Log/LogDetails.php, File.php), or to syslog
 * "{app} message" (Syslog.php), of newer versions with that object as the message.  The
 * sentences are those of lib/private/User/Session.php, core's login chain
 * (lib/private/Authentication/Login) and admin_audit.  The user is typed by the client; the
 * server's own member "remoteAddr" has the address, which it takes from trusted proxies
 * only.  Texts stand here as JSON writes them: a quote is \" in them.
 */
#include "dialects/dialect.h"

typedef struct
{
  MtSpan time;
  MtSpan address;
  MtSpan user;
  MtSpan app;
  MtSpan message;
  MtSpan agent;
} Entry;

static const struct
{
  MtSpan name;
  gsize offset;
} members[] = {
  { MT_SPAN_INIT("time"), G_STRUCT_OFFSET(Entry, time) },
  { MT_SPAN_INIT("remoteAddr"), G_STRUCT_OFFSET(Entry, address) },
  { MT_SPAN_INIT("user"), G_STRUCT_OFFSET(Entry, user) },
  { MT_SPAN_INIT("app"), G_STRUCT_OFFSET(Entry, app) },
  { MT_SPAN_INIT("message"), G_STRUCT_OFFSET(Entry, message) },
  { MT_SPAN_INIT("userAgent"), G_STRUCT_OFFSET(Entry, agent) },
};

/* ---- JSON (RFC 8259), its top level ------------------------------------------------- */

/* A quote behind an odd number of backslashes is text. */
static gboolean
is_escaped(const gchar *from, const gchar *quote)
{
  const gchar *at = quote;

  while (at > from && at[-1] == '\\')
    at--;
  return (quote - at) % 2 == 1;
}

static gboolean
scan_string(MtCursor *cur, MtSpan *out)
{
  const gchar *from = cur->at + 1, *at = from;

  if (mt_cursor_peek(cur) != '"')
    return FALSE;
  while ((at = at < cur->end ? memchr(at, '"', cur->end - at) : NULL) && is_escaped(from, at))
    at++;
  if (!at)
    return FALSE;
  *out = mt_span(from, at - from);
  cur->at = at + 1;
  return TRUE;
}

static void
skip_spaces(MtCursor *cur)
{
  while (cur->at < cur->end && (*cur->at == ' ' || *cur->at == '\t'))
    cur->at++;
}

/* Numbers, words, objects and arrays: up to the comma or brace of this level. */
static void
skip_value(MtCursor *cur)
{
  gint depth = 0;
  MtSpan skipped;

  while (cur->at < cur->end)
    {
      gchar c = *cur->at;

      if (c == '"')
        {
          if (!scan_string(cur, &skipped))
            cur->at = cur->end;
          continue;
        }
      if (!depth && (c == ',' || c == '}'))
        return;
      depth += (c == '{' || c == '[') - (c == '}' || c == ']');
      cur->at++;
    }
}

/* A member that comes twice is the server's first. */
static void
set_member(Entry *entry, MtSpan name, MtSpan value)
{
  for (guint i = 0; i < G_N_ELEMENTS(members); i++)
    if (mt_span_equal(members[i].name, name))
      {
        MtSpan *member = (MtSpan *) ((gchar *) entry + members[i].offset);

        if (!member->at)
          *member = value;
      }
}

/* Up to the member @until, where one is wanted only. */
static void
read_members(MtSpan text, const MtSpan *until, Entry *entry)
{
  MtCursor cur = mt_cursor(text);
  MtSpan name, value;

  memset(entry, 0, sizeof *entry);
  if (!mt_scan_char(&cur, '{'))
    return;
  do
    {
      skip_spaces(&cur);
      if (!scan_string(&cur, &name))
        break;
      skip_spaces(&cur);
      if (!mt_scan_char(&cur, ':'))
        break;
      skip_spaces(&cur);
      if (scan_string(&cur, &value))
        set_member(entry, name, value);
      skip_value(&cur);
    }
  while ((!until || !until->at) && mt_scan_char(&cur, ','));
}

static gboolean
read_entry(MtSpan text, Entry *entry)
{
  read_members(text, NULL, entry);
  return entry->message.at && entry->app.at;
}

/* ---- messages -------------------------------------------------------------------------- */

static MtParse
take_whole(MtCursor *cur, MtEvent *event)
{
  gsize prefix = ((const MtRule *) event->rule)->prefix.len;

  mt_event_set_text(event, MT_F_REASON, mt_span(cur->at - prefix, cur->end - cur->at + prefix));
  return MT_PARSE_MATCH;
}

/* bob, 'bob' (ownCloud, Nextcloud 12), \"bob\" */
static MtSpan
without_quotes(MtSpan text)
{
  static const MtSpan quotes[] = { MT_SPAN_INIT("\\\""), MT_SPAN_INIT("\""), MT_SPAN_INIT("'") };

  for (guint i = 0; i < G_N_ELEMENTS(quotes); i++)
    if (text.len >= 2 * quotes[i].len && mt_span_starts(text, quotes[i])
        && mt_span_ends(text, quotes[i]))
      return mt_span(text.at + quotes[i].len, text.len - 2 * quotes[i].len);
  return text;
}

static void
set_account(MtEvent *event, MtSpan user)
{
  user = without_quotes(user);
  if (user.len && !MT_SPAN_IS(user, "--"))
    mt_event_set_text(event, MT_F_ACCOUNT, user);
}

/* "bob (Remote IP: 203.0.113.9)", "bob disabled (Remote IP: ...)": the last is the server's. */
static MtParse
read_failure(MtCursor *cur, MtEvent *event)
{
  static const MtSpan words = MT_SPAN_INIT(" (Remote IP: ");
  static const MtSpan disabled = MT_SPAN_INIT(" disabled");
  MtSpan rest = mt_cursor_rest(cur), user = rest, address;
  const gchar *at = mt_span_find_last(rest, words);

  MT_EVENT_SET_LITERAL(event, MT_F_REASON, "auth-failed");
  if (at)
    {
      user.len = at - rest.at;
      address = mt_span(at + words.len, rest.at + rest.len - at - words.len);
      if (MT_SPAN_ENDS(address, ")"))
        mt_event_set_ip(event, MT_F_CLIENT_IP,
                        without_quotes(mt_span(address.at, address.len - 1)));
    }
  if (mt_span_ends(user, disabled))
    {
      user.len -= disabled.len;
      MT_EVENT_SET_LITERAL(event, MT_F_REASON, "user-disabled");
    }
  set_account(event, user);
  return MT_PARSE_MATCH;
}

/* admin_audit: 'Login successful: "bob"' */
static MtParse
read_success(MtCursor *cur, MtEvent *event)
{
  set_account(event, mt_cursor_rest(cur));
  return mt_event_has(event, MT_F_ACCOUNT) ? MT_PARSE_MATCH : MT_PARSE_SKIP;
}

/* "Logout occurred": whose, the member user says. */
static MtParse
read_logout(MtCursor *cur, MtEvent *event)
{
  return MT_PARSE_MATCH;
}

/* 'Bruteforce attempt from "203.0.113.9" detected for action "login".' */
static MtParse
read_brute_force(MtCursor *cur, MtEvent *event)
{
  MtSpan address = mt_cursor_rest(cur);
  const gchar *end = mt_span_find(address, MT_SPAN(" detected for action "));

  if (end)
    mt_event_set_ip(event, MT_F_CLIENT_IP, without_quotes(mt_span(address.at, end - address.at)));
  return take_whole(cur, event);
}

static const MtRule rules[] = {
  MT_RULE("Login failed: ", LOGIN_FAILED, NULL, read_failure),
  MT_RULE("Login successful: ", LOGIN, NULL, read_success),
  MT_RULE("Login attempt: ", NOTICE, NULL, read_success),
  MT_RULE("Logout occurred", LOGOUT, NULL, read_logout),
  MT_RULE("Bruteforce attempt from ", LIMIT, NULL, read_brute_force),
  MT_RULE("", NOTICE, NULL, take_whole),
  MT_RULES_END,
};

/* ---- the file ------------------------------------------------------------------------ */

static const MtSpan program = MT_SPAN_INIT("nextcloud");

static gint
sniff(MtSpan raw)
{
  Entry entry = { 0 };

  return MT_SPAN_STARTS(raw, "{\"reqId\":") && read_entry(raw, &entry) && entry.address.at ? 100
                                                                                           : 0;
}

static gboolean
head(MtSpan raw, MtStream *stream, MtLine *out)
{
  MtCursor time;
  Entry entry = { 0 };

  read_members(raw, &entry.time, &entry);
  time = mt_cursor(entry.time);
  if (!mt_scan_stamp_iso(&time, &stream->clock, &out->time))
    return FALSE;
  out->program = program;
  out->text = raw;
  return TRUE;
}

static const MtFileFormat file_format = { sniff, head };

/* ---- the dialect ------------------------------------------------------------------------ */

static void
claim(MtSpan name, MtClaim *claim)
{
  if (mt_span_equal_nocase(name, program) || mt_span_equal_nocase(name, MT_SPAN("ownCloud")))
    claim->strength = MT_CLAIM_NAME;
}

/* What the object says beside its message. */
static void
add_members(const Entry *entry, MtEvent *event)
{
  if (entry->address.len)
    mt_event_set_ip(event, MT_F_CLIENT_IP, entry->address);
  if (!mt_event_has(event, MT_F_ACCOUNT))
    set_account(event, entry->user);
  if (event->kind == MT_EVENT_LOGIN && entry->agent.len)
    mt_event_set_text(event, MT_F_CLIENT, entry->agent);
}

static MtParse
parse(const MtLine *line, const MtClaim *claim, MtEvent *event)
{
  MtCursor cur = mt_cursor(line->text);
  MtSpan text = line->text, app;
  Entry entry = { 0 };
  MtParse parse;
  gboolean object = read_entry(text, &entry);

  /* syslog: "{core} message", "{core} {"reqId":...}" */
  if (!object && mt_scan_char(&cur, '{') && MT_SCAN_UNTIL(&cur, "} ", &app))
    {
      text = mt_cursor_rest(&cur);
      object = read_entry(text, &entry);
    }
  else if (!object)
    return MT_PARSE_SKIP;
  parse = mt_rules_apply(rules, object ? entry.message : text, event);
  if (parse != MT_PARSE_MATCH)
    return parse;
  /* Only the audit log's word on it is the server's; others may quote anybody. */
  if ((event->kind == MT_EVENT_LOGIN || event->kind == MT_EVENT_LOGOUT)
      && !MT_SPAN_IS(object ? entry.app : app, "admin_audit"))
    event->kind = MT_EVENT_NOTICE;
  if (object)
    add_members(&entry, event);
  if (event->kind != MT_EVENT_NOTICE && event->kind != MT_EVENT_LIMIT)
    mt_event_set_word(event, MT_F_SERVICE, MT_WORD_WEBMAIL);
  return MT_PARSE_MATCH;
}

static const MtRule *const all_rules[] = { rules, NULL };

const MtDialect mt_dialect_nextcloud = { "nextcloud", claim, parse, all_rules, &file_format };
