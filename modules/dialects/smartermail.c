/* smartermail.c: SmarterMail's SMTP, delivery, IMAP, POP and administrative logs
 *
 * Files of its own, one a day and a kind.  In front of a line stand the client and its
 * session, "[192.0.2.7][63985015] ", or the message that is being delivered, "[61003] "; what
 * client and server say to each other is logged word by word.  SmarterMail 16 as in
 * SmarterTools' and Hostek's descriptions of 2018; without a date since version 17 or so,
 * where the file's name has it.
 */
#include "dialects/dialect.h"

/* ---- commands ------------------------------------------------------------------------------ */

typedef enum
{
  VERB_SMTP,
  VERB_POP3,
  VERB_IMAP,
} Protocol;

/* How much of a command may be known: never a password. */
typedef enum
{
  KEEP_NOTHING,
  KEEP_ARGUMENT,
  KEEP_MECHANISM,
  KEEP_USER, /* the first word behind it */
} Keep;

static const struct
{
  MtSpan name;
  Protocol protocol;
  Keep keep;
} verbs[] = {
#define VERB(name, protocol, keep) \
  { \
    MT_SPAN_INIT(name), VERB_##protocol, KEEP_##keep \
  }
  VERB("EHLO", SMTP, ARGUMENT),
  VERB("HELO", SMTP, ARGUMENT),
  VERB("MAIL", SMTP, ARGUMENT),
  VERB("RCPT", SMTP, ARGUMENT),
  VERB("DATA", SMTP, NOTHING),
  VERB("BDAT", SMTP, ARGUMENT),
  VERB("RSET", SMTP, NOTHING),
  VERB("NOOP", SMTP, NOTHING),
  VERB("QUIT", SMTP, NOTHING),
  VERB("AUTH", SMTP, MECHANISM),
  VERB("STARTTLS", SMTP, NOTHING),
  VERB("VRFY", SMTP, ARGUMENT),
  VERB("USER", POP3, USER),
  VERB("PASS", POP3, NOTHING),
  VERB("APOP", POP3, USER),
  VERB("STAT", POP3, NOTHING),
  VERB("LIST", POP3, NOTHING),
  VERB("UIDL", POP3, NOTHING),
  VERB("RETR", POP3, ARGUMENT),
  VERB("DELE", POP3, ARGUMENT),
  VERB("TOP", POP3, ARGUMENT),
  VERB("CAPA", POP3, NOTHING),
  VERB("STLS", POP3, NOTHING),
  VERB("LOGIN", IMAP, USER),
  VERB("AUTHENTICATE", IMAP, MECHANISM),
  VERB("LOGOUT", IMAP, NOTHING),
  VERB("CAPABILITY", IMAP, NOTHING),
  VERB("SELECT", IMAP, ARGUMENT),
  VERB("EXAMINE", IMAP, ARGUMENT),
  VERB("FETCH", IMAP, NOTHING),
  VERB("STORE", IMAP, NOTHING),
  VERB("COPY", IMAP, NOTHING),
  VERB("UID", IMAP, NOTHING),
  VERB("IDLE", IMAP, NOTHING),
  VERB("APPEND", IMAP, NOTHING),
  VERB("STATUS", IMAP, NOTHING),
  VERB("SEARCH", IMAP, NOTHING),
  VERB("EXPUNGE", IMAP, NOTHING),
  VERB("NAMESPACE", IMAP, NOTHING),
  VERB("LSUB", IMAP, NOTHING),
  VERB("CLOSE", IMAP, NOTHING),
#undef VERB
};

static gint
find_verb(MtSpan name, gboolean tagged)
{
  for (guint i = 0; i < G_N_ELEMENTS(verbs); i++)
    if (mt_span_equal_nocase(verbs[i].name, name) && (verbs[i].protocol == VERB_IMAP) == tagged)
      return i;
  return -1;
}

/* "FROM:<a@example.org> SIZE=943", "TO:<b@example.com>" */
static void
read_path(MtSpan argument, gboolean from, MtEvent *event)
{
  MtCursor cur = mt_cursor(argument);
  MtSpan path, word;
  guint64 size;

  if (!mt_scan_until(&cur, ':', &word))
    return;
  mt_scan_char(&cur, ' ');
  if (!mt_scan_angle(&cur, &path))
    return;
  mt_event_set_text(event, from ? MT_F_SENDER : MT_F_RECIPIENT, path);
  while (from && mt_scan_char(&cur, ' ') && mt_scan_token(&cur, " ", &word))
    if (word.len > 5 && mt_span_equal_nocase(mt_span(word.at, 5), MT_SPAN("SIZE="))
        && mt_span_to_u64(mt_span(word.at + 5, word.len - 5), &size))
      mt_event_set_number(event, MT_F_SIZE, size);
}

/* RFC 3501 quoted: "bob@example.com", with '\\' before '"' and '\\'. */
static gboolean
scan_quoted(MtSpan text, MtSpan *out)
{
  for (gsize at = 1; at < text.len; at++)
    if (text.at[at] == '\\')
      at++;
    else if (text.at[at] == '"')
      {
        *out = mt_span(text.at + 1, at - 1);
        return at > 1;
      }
  return FALSE;
}

static void
read_argument(MtCursor *cur, gint verb, MtEvent *event)
{
  MtSpan argument = mt_cursor_rest(cur), word;

  if (!argument.len || verbs[verb].keep == KEEP_NOTHING || !mt_scan_token(cur, " ", &word))
    return;
  switch (verbs[verb].keep)
    {
    case KEEP_MECHANISM:
      mt_event_set_text(event, MT_F_AUTH_METHOD, word);
      mt_event_set_text(event, MT_F_ARGUMENT, word);
      return;
    case KEEP_USER:
      if (word.at[0] == '"' && !scan_quoted(argument, &word))
        return;
      mt_event_set_text(event, MT_F_AUTH_USER, word);
      return;
    default:
      mt_event_set_text(event, MT_F_ARGUMENT, argument);
    }
  if (MT_SPAN_IS(verbs[verb].name, "EHLO") || MT_SPAN_IS(verbs[verb].name, "HELO"))
    mt_event_set_text(event, MT_F_HELO, argument);
  else if (MT_SPAN_IS(verbs[verb].name, "MAIL") || MT_SPAN_IS(verbs[verb].name, "RCPT"))
    read_path(argument, verbs[verb].name.at[0] == 'M', event);
}

/* "MAIL FROM:<a@example.org>", "a1 LOGIN bob@example.com ..."; what is no command may be the
 * answer to a challenge, that is a password. */
static MtParse
read_command(MtCursor *cur, MtEvent *event, MtWord direction)
{
  MtSpan word;
  gint verb;

  mt_event_set_word(event, MT_F_DIRECTION, direction);
  if (!mt_scan_token(cur, " ", &word))
    return MT_PARSE_MATCH;
  mt_scan_char(cur, ' ');
  verb = find_verb(word, FALSE);
  if (verb < 0 && mt_scan_token(cur, " ", &word))
    {
      verb = find_verb(word, TRUE);
      mt_scan_char(cur, ' ');
    }
  if (verb < 0)
    return MT_PARSE_MATCH;
  mt_event_set_text(event, MT_F_VERB, verbs[verb].name);
  read_argument(cur, verb, event);
  return MT_PARSE_MATCH;
}

/* "250 2.1.0 OK", "+OK ready", "a1 NO login failed" */
static MtParse
read_reply(MtCursor *cur, MtEvent *event, MtWord direction)
{
  MtCursor try = *cur;
  MtSpan code, dsn;
  guint64 number;

  mt_event_set_word(event, MT_F_DIRECTION, direction);
  if (mt_scan_class(&try, MT_CHAR_DIGIT, &code) && code.len == 3 && mt_span_to_u64(code, &number)
      && (try.at == try.end || *try.at == ' ' || *try.at == '-'))
    {
      mt_event_set_number(event, MT_F_CODE, number);
      if (try.at < try.end)
        try.at++;
      *cur = try;
      if (mt_scan_dsn(&try, &dsn))
        mt_event_set_text(event, MT_F_DSN, dsn);
    }
  if (cur->at < cur->end)
    mt_event_set_text(event, MT_F_TEXT, mt_span_trim(mt_cursor_rest(cur)));
  return MT_PARSE_MATCH;
}

static MtParse
read_command_in(MtCursor *cur, MtEvent *event)
{
  return read_command(cur, event, MT_WORD_IN);
}

static MtParse
read_command_out(MtCursor *cur, MtEvent *event)
{
  return read_command(cur, event, MT_WORD_OUT);
}

static MtParse
read_reply_in(MtCursor *cur, MtEvent *event)
{
  return read_reply(cur, event, MT_WORD_IN);
}

static MtParse
read_reply_out(MtCursor *cur, MtEvent *event)
{
  return read_reply(cur, event, MT_WORD_OUT);
}

/* ---- a client's session --------------------------------------------------------------------- */

static MtParse
read_user(MtCursor *cur, MtEvent *event)
{
  mt_event_set_text(event, MT_F_AUTH_USER, mt_cursor_rest(cur));
  return MT_PARSE_MATCH;
}

static MtParse
read_authenticated(MtCursor *cur, MtEvent *event)
{
  mt_event_set_text(event, MT_F_ACCOUNT, mt_cursor_rest(cur));
  mt_event_set_word(event, MT_F_SERVICE, MT_WORD_SMTP);
  return MT_PARSE_MATCH;
}

/* "67518204.eml (MessageID: <1@example.org>)": the spool file is the message. */
static MtParse
read_spooled(MtCursor *cur, MtEvent *event)
{
  MtSpan name, id;

  if (!MT_SCAN_UNTIL(cur, ".eml", &name) || !name.len)
    return MT_PARSE_SKIP;
  mt_event_set_text(event, MT_F_QUEUE_ID, name);
  if (MT_SCAN(cur, " (MessageID: ") && mt_scan_angle(cur, &id))
    mt_event_set_text(event, MT_F_MESSAGE_ID, mt_span(id.at - 1, id.len + 2));
  return MT_PARSE_MATCH;
}

static MtParse
read_message_size(MtCursor *cur, MtEvent *event)
{
  guint64 size;

  if (!mt_scan_u64(cur, &size))
    return MT_PARSE_SKIP;
  mt_event_set_number(event, MT_F_SIZE, size);
  return MT_PARSE_MATCH;
}

static const struct
{
  MtSpan name;
  MtWord service;
} services[] = {
  { MT_SPAN_INIT("IMAP"), MT_WORD_IMAP },
  { MT_SPAN_INIT("POP"), MT_WORD_POP3 },
  { MT_SPAN_INIT("SMTP"), MT_WORD_SMTP },
  { MT_SPAN_INIT("Webmail"), MT_WORD_WEBMAIL },
};

/* "Webmail Login successful: With user bob@example.com", "IMAP Login failed: ..." */
static MtParse
read_service_login(MtCursor *cur, MtEvent *event)
{
  const MtRule *rule = event->rule;
  guint i = 0;

  while (!mt_span_starts(rule->prefix, services[i].name))
    i++;
  if (MT_SCAN(cur, "Login successful: With user "))
    event->kind = MT_EVENT_LOGIN;
  else if (MT_SCAN(cur, "Login failed: With user "))
    event->kind = MT_EVENT_LOGIN_FAILED;
  else if (MT_SCAN(cur, "Login failed"))
    {
      event->kind = MT_EVENT_LOGIN_FAILED;
      cur->at = cur->end;
    }
  else if (!MT_SCAN(cur, "Attempting to login user: "))
    return MT_PARSE_SKIP;
  mt_event_set_word(event, MT_F_SERVICE, services[i].service);
  if (cur->at < cur->end)
    mt_event_set_text(event, MT_F_ACCOUNT, mt_cursor_rest(cur));
  if (event->kind == MT_EVENT_LOGIN_FAILED)
    MT_EVENT_SET_LITERAL(event, MT_F_REASON, "auth-failed");
  return MT_PARSE_MATCH;
}

static const MtRule session_rules[] = {
  MT_RULE("cmd: ", SMTP_COMMAND, NULL, read_command_in),
  MT_RULE("rsp: ", SMTP_REPLY, NULL, read_reply_in),
  MT_RULE("connected at ", CONNECT, NULL, NULL),
  MT_RULE("disconnected at ", DISCONNECT, NULL, NULL),
  MT_RULE("Authenticating as ", NOTICE, NULL, read_user),
  MT_RULE("Authenticated as ", LOGIN, NULL, read_authenticated),
  MT_RULE("Data transfer succeeded, writing mail to ", ACCEPT, NULL, read_spooled),
  MT_RULE("Received message size: ", NOTICE, NULL, read_message_size),
  MT_RULE("Successfully wrote to the HDR file. ", NOTICE, NULL, NULL),
  MT_RULE("IMAP ", NOTICE, NULL, read_service_login),
  MT_RULE("POP ", NOTICE, NULL, read_service_login),
  MT_RULE("SMTP ", NOTICE, NULL, read_service_login),
  MT_RULE("Webmail ", NOTICE, NULL, read_service_login),
  MT_RULE("User ", NOTICE, NULL, NULL),
  MT_RULES_END,
};

/* ---- a message's delivery ---------------------------------------------------------- */

static MtSpan
until_last(MtSpan text, MtSpan mark)
{
  const gchar *at = mt_span_find_last(text, mark);

  return at ? mt_span(text.at, at - text.at) : text;
}

/* "alice@example.com at 10:57:34 PM" */
static MtParse
read_started(MtCursor *cur, MtEvent *event)
{
  mt_event_set_text(event, MT_F_SENDER, until_last(mt_cursor_rest(cur), MT_SPAN(" at ")));
  return MT_PARSE_MATCH;
}

/* "alice@example.com at 10:57:43 PM	[id:-1979091561003]" */
static MtParse
read_finished(MtCursor *cur, MtEvent *event)
{
  MtSpan rest = mt_cursor_rest(cur);
  const gchar *id = mt_span_find_last(rest, MT_SPAN("[id:"));

  if (id && MT_SPAN_ENDS(rest, "]"))
    {
      mt_event_set_text(event, MT_F_ORIG_QUEUE_ID, mt_span(id + 4, rest.at + rest.len - id - 5));
      rest = mt_span_trim(mt_span(rest.at, id - rest.at));
    }
  mt_event_set_text(event, MT_F_SENDER, until_last(rest, MT_SPAN(" at ")));
  return MT_PARSE_MATCH;
}

static MtParse
read_sender(MtCursor *cur, MtEvent *event)
{
  mt_event_set_text(event, MT_F_SENDER, mt_cursor_rest(cur));
  return MT_PARSE_MATCH;
}

static MtParse
read_remote(MtCursor *cur, MtEvent *event)
{
  mt_event_set_text(event, MT_F_RECIPIENT, mt_cursor_rest(cur));
  MT_EVENT_SET_LITERAL(event, MT_F_TRANSPORT, "remote");
  return MT_PARSE_MATCH;
}

static MtParse
read_local(MtCursor *cur, MtEvent *event)
{
  mt_event_set_text(event, MT_F_RECIPIENT, mt_cursor_rest(cur));
  MT_EVENT_SET_LITERAL(event, MT_F_TRANSPORT, "local");
  return MT_PARSE_MATCH;
}

/* "192.0.2.25:25", "[2001:db8::25]:25", "192.0.2.25" */
static void
scan_end(MtCursor *cur, MtField ip_field, MtField port_field, MtEvent *event)
{
  MtSpan end, port;
  const gchar *colon;
  guint64 number;

  if (!mt_scan_token(cur, " ", &end))
    return;
  colon = memrchr(end.at, ':', end.len);
  if (!mt_event_set_ip(event, ip_field, end) && colon)
    {
      port = mt_span(colon + 1, end.at + end.len - colon - 1);
      end.len = colon - end.at;
      if (end.len > 2 && end.at[0] == '[' && end.at[end.len - 1] == ']')
        end = mt_span(end.at + 1, end.len - 2);
      if (mt_event_set_ip(event, ip_field, end) && mt_span_to_u64(port, &number) && number <= 65535)
        mt_event_set_number(event, port_field, number);
    }
  mt_scan_char(cur, ' ');
}

/* "192.0.2.25:25 from 198.51.100.5:52003 succeeded (Id: 1)" */
static MtParse
read_connection(MtCursor *cur, MtEvent *event)
{
  MtSpan outcome;

  scan_end(cur, MT_F_RELAY_IP, MT_F_RELAY_PORT, event);
  if (MT_SCAN(cur, "from "))
    scan_end(cur, MT_F_LOCAL_IP, MT_F_LOCAL_PORT, event);
  outcome = mt_span_trim(until_last(mt_cursor_rest(cur), MT_SPAN("(Id: ")));
  if (outcome.len)
    mt_event_set_text(event, MT_F_REASON, outcome);
  return MT_PARSE_MATCH;
}

static const struct
{
  MtSpan word;
  MtWord status;
} outcomes[] = {
  { MT_SPAN_INIT("Delivered"), MT_WORD_SENT },  { MT_SPAN_INIT("Forwarded"), MT_WORD_SENT },
  { MT_SPAN_INIT("Bounced"), MT_WORD_BOUNCED }, { MT_SPAN_INIT("Deleted"), MT_WORD_DISCARDED },
  { MT_SPAN_INIT("Failed"), MT_WORD_BOUNCED },
};

/* "alice@example.com to bob@example.org has completed (Delivered)", with "Filter: None" behind
 * it in some versions. */
static MtParse
read_completed(MtCursor *cur, MtEvent *event)
{
  MtSpan from, to, word;

  if (!mt_scan_mailbox(cur, &from) || !MT_SCAN(cur, " to ") || !mt_scan_mailbox(cur, &to)
      || !MT_SCAN(cur, " has completed (") || !mt_scan_until(cur, ')', &word))
    return MT_PARSE_SKIP;
  mt_event_set_text(event, MT_F_SENDER, from);
  mt_event_set_text(event, MT_F_RECIPIENT, to);
  for (guint i = 0; i < G_N_ELEMENTS(outcomes); i++)
    if (mt_span_equal(outcomes[i].word, word))
      {
        mt_event_set_word(event, MT_F_STATUS, outcomes[i].status);
        return MT_PARSE_MATCH;
      }
  event->kind = MT_EVENT_NOTICE;
  mt_event_set_text(event, MT_F_REASON, word);
  return MT_PARSE_MATCH;
}

/* "Killed: False, Failed: False, Finished: True" */
static MtParse
read_removed(MtCursor *cur, MtEvent *event)
{
  if (MT_SCAN(cur, "Killed: True"))
    MT_EVENT_SET_LITERAL(event, MT_F_REASON, "deleted");
  return MT_PARSE_MATCH;
}

/* "67518205.eml" */
static MtParse
read_bounce(MtCursor *cur, MtEvent *event)
{
  MtSpan name;

  if (!MT_SCAN_UNTIL(cur, ".eml", &name) || !name.len)
    return MT_PARSE_SKIP;
  mt_event_set_text(event, MT_F_CHILD_QUEUE_ID, name);
  mt_event_set_word(event, MT_F_KIND, MT_WORD_BOUNCE);
  return MT_PARSE_MATCH;
}

static MtParse
read_spam_checks(MtCursor *cur, MtEvent *event)
{
  MT_EVENT_SET_LITERAL(event, MT_F_FILTER, "smartermail");
  mt_event_set_text(event, MT_F_SYMBOLS, mt_cursor_rest(cur));
  return MT_PARSE_MATCH;
}

static const MtRule delivery_rules[] = {
  MT_RULE("RSP: ", SMTP_REPLY, NULL, read_reply_out),
  MT_RULE("CMD: ", SMTP_COMMAND, NULL, read_command_out),
  MT_RULE("Delivery started for ", QUEUED, NULL, read_started),
  MT_RULE("Delivery finished for ", NOTICE, NULL, read_finished),
  MT_RULE("Delivery for ", DELIVERY, NULL, read_completed),
  MT_RULE("Sending remote mail for ", NOTICE, NULL, read_sender),
  MT_RULE("Sending remote mail to: ", DELIVERY, NULL, read_remote),
  MT_RULE("Starting local delivery to ", DELIVERY, NULL, read_local),
  MT_RULE("Initiating connection to ", NOTICE, NULL, read_connection),
  MT_RULE("Connecting to ", NOTICE, NULL, read_connection),
  MT_RULE("Connection to ", NOTICE, NULL, read_connection),
  MT_RULE("Removing Spool message: ", DEQUEUE, NULL, read_removed),
  MT_RULE("Bounce email written to ", NOTIFICATION, NULL, read_bounce),
  MT_RULE("DSN email written to ", NOTIFICATION, NULL, read_bounce),
  MT_RULE("Spam check results: ", VERDICT, NULL, read_spam_checks),
  MT_RULE("Spam Checks ", NOTICE, NULL, NULL),
  MT_RULE("Blocked Sender Checks ", NOTICE, NULL, NULL),
  MT_RULE("Added to ", NOTICE, NULL, NULL),
  MT_RULE("Removed from ", NOTICE, NULL, NULL),
  MT_RULE("End delivery to ", NOTICE, NULL, NULL),
  MT_RULE("MxRecord ", NOTICE, NULL, NULL),
  MT_RULE("Attempting ", NOTICE, NULL, NULL),
  MT_RULE("Binding to local IP ", NOTICE, NULL, NULL),
  MT_RULE("[", NOTICE, NULL, NULL), /* "[RemoteDeliveryQueue] Begin Processing." */
  MT_RULES_END,
};

/* ---- the dialect ------------------------------------------------------------------- */

static gboolean
scan_bracket(MtCursor *cur, MtSpan *out)
{
  MtCursor try = *cur;

  if (!mt_scan_char(&try, '[') || !mt_scan_token(&try, "] ", out) || !mt_scan_char(&try, ']'))
    return FALSE;
  *cur = try;
  return TRUE;
}

static void
claim(MtSpan program, MtClaim *claim)
{
  if (MT_SPAN_IS(program, "smartermail"))
    claim->strength = MT_CLAIM_NAME;
}

/* "[192.0.2.7][63985015] ", "[192.0.2.7] ", "[61003] "; newer ones write a space between. */
static MtParse
parse(const MtLine *line, const MtClaim *claim, MtEvent *event)
{
  MtCursor cur = mt_cursor(line->text);
  MtSpan first, session;

  if (!scan_bracket(&cur, &first))
    return MT_PARSE_SKIP;
  mt_scan_char(&cur, ' ');
  if (!mt_event_set_ip(event, MT_F_CLIENT_IP, first))
    {
      mt_event_set_text(event, MT_F_QUEUE_ID, first);
      return mt_rules_apply(delivery_rules, mt_cursor_rest(&cur), event);
    }
  if (scan_bracket(&cur, &session))
    {
      mt_event_set_text(event, MT_F_SESSION, session);
      mt_scan_char(&cur, ' ');
    }
  return mt_rules_apply(session_rules, mt_cursor_rest(&cur), event);
}

/* ---- the files --------------------------------------------------------------------- */

/* The stamp's pieces in ISO order, for the one reader of dates there is. */
static gboolean
scan_iso(const gchar date[11], MtCursor *cur, MtClock *clock, MtTime *out)
{
  gchar iso[24] = { 0 };
  MtCursor try = *cur, whole;
  MtSpan time;

  if (!mt_scan_token(&try, " ", &time) || time.len < 8 || time.len > 12)
    return FALSE;
  memcpy(iso, date, 10);
  iso[10] = ' ';
  memcpy(iso + 11, time.at, time.len);
  whole = mt_cursor(mt_span(iso, 11 + time.len));
  if (!mt_scan_stamp_iso(&whole, clock, out) || whole.at != whole.end || !mt_scan_char(&try, ' ')
      || mt_cursor_peek(&try) != '[')
    return FALSE;
  *cur = try;
  return TRUE;
}

/* "[2018.05.07] 22:54:21 [" */
static gboolean
scan_dated_stamp(MtCursor *cur, MtClock *clock, MtTime *out)
{
  MtCursor try = *cur;
  gchar date[11] = { 0 };

  if (mt_cursor_left(&try) < 13 || try.at[0] != '[' || try.at[5] != '.' || try.at[8] != '.'
      || try.at[11] != ']' || try.at[12] != ' ')
    return FALSE;
  memcpy(date, try.at + 1, 10);
  date[4] = date[7] = '-';
  try.at += 13;
  if (!scan_iso(date, &try, clock, out))
    return FALSE;
  *cur = try;
  return TRUE;
}

static void
format_day(gint64 day, gchar date[11])
{
  guint month, day_of_month;
  gint year = mt_year_of_day(day, &month, &day_of_month);

  g_snprintf(date, 11, "%04u-%02u-%02u", (guint) CLAMP(year, 0, 9999), month % 100,
             day_of_month % 100);
}

/* "22:54:21.123 [": of the day of the line before, or of the last that is not later than the
 * file; a clock that goes back by half a day has passed midnight. */
static gboolean
scan_undated_stamp(MtCursor *cur, MtStream *stream, MtTime *out)
{
  MtClock *clock = &stream->clock;
  MtTime before = clock->reference;
  gboolean first = !clock->has_stamp;
  gint64 day = before == MT_NO_TIME ? 0 : mt_time_day(before);
  gchar date[11];

  if (mt_cursor_left(cur) < 10 || cur->at[2] != ':' || cur->at[5] != ':')
    return FALSE;
  /* From the day before to the day after, since the zone may shift either way. */
  for (gint64 try = day + 1; try >= day - 1; try--)
    {
      MtClock copy = *clock;
      MtCursor from = *cur;

      format_day(try, date);
      if (!scan_iso(date, &from, &copy, out))
        return FALSE;
      if (*out > before + (first ? MT_MINUTE_US : MT_DAY_US / 2) && try > day - 1)
        continue;
      *clock = copy;
      *cur = from;
      return TRUE;
    }
  return FALSE;
}

static gint
sniff(MtSpan raw)
{
  MtCursor cur = mt_cursor(raw);
  MtStream stream = { .undecided = 0 };
  MtTime time;

  if (raw.len < 12 || (raw.at[0] != '[' && raw.at[2] != ':'))
    return 0;
  mt_clock_init(&stream.clock, NULL, 0, 0);
  return scan_dated_stamp(&cur, &stream.clock, &time) || scan_undated_stamp(&cur, &stream, &time)
             ? 100
             : 0;
}

static gboolean
head(MtSpan raw, MtStream *stream, MtLine *out)
{
  MtCursor cur = mt_cursor(raw);

  if (!scan_dated_stamp(&cur, &stream->clock, &out->time)
      && !scan_undated_stamp(&cur, stream, &out->time))
    return FALSE;
  out->program = MT_SPAN("smartermail");
  out->text = mt_cursor_rest(&cur);
  return TRUE;
}

static const MtFileFormat file_format = { sniff, head };

static const MtRule *const all_rules[] = { session_rules, delivery_rules, NULL };

const MtDialect mt_dialect_smartermail = {
  .name = "smartermail",
  .claim = claim,
  .parse = parse,
  .rules = all_rules,
  .file = &file_format,
};
