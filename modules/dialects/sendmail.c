/* sendmail.c: the lines of Sendmail 8.12 to 8.18
 *
 * Layer: dialects.  Concurrency: any thread; no state.
 *
 * The literals are those of Sendmail's own sources (sendmail/ of 8.17.1.9, the file named
 * beside each table); the fixture says which version prints what.
 *
 * Hostile text.  conf.c, sm_syslog() makes control characters printable, so a line is a line.
 * Clients choose HELO names, addresses and Message-IDs, remote servers their replies.  An
 * address in angle brackets ends where RFC 5321 says; what Sendmail writes behind a Message-ID
 * is read from the end of the line.  The peer's name is its DNS name.
 */
#include "dialects/dialect.h"

/* Recipients that are read from one line: deliver.c keeps a line below 1024 bytes, and the
 * shortest recipient with its comma takes 2. */
#define MAX_RECIPIENTS 512

/* ---- pieces ----------------------------------------------------------------- */

/* queue.c, assign_queueid(): eight characters of time and six of the process, before 8.10
 * three letters and five digits. */
static gboolean
scan_queue_id(MtCursor *cur, MtSpan *out)
{
  MtCursor try = *cur;
  MtSpan id;

  if (!mt_scan_class(&try, MT_CHAR_ALNUM, &id) || id.len < 8 || id.len > 20
      || !mt_is_class(id.at[id.len - 1], MT_CHAR_DIGIT)
      || !mt_is_class(id.at[id.len - 2], MT_CHAR_DIGIT) || !MT_SCAN(&try, ": "))
    return FALSE;
  *out = id;
  *cur = try;
  return TRUE;
}

static MtSpan
prefix_of(const MtEvent *event)
{
  return ((const MtRule *) event->rule)->prefix;
}

/* All up to @stop, or to the end where it does not come. */
static MtSpan
scan_up_to(MtCursor *cur, MtSpan stop)
{
  MtSpan rest = mt_cursor_rest(cur);
  const gchar *at = mt_span_find(rest, stop);

  if (at)
    rest.len = at - rest.at;
  cur->at += rest.len;
  return rest;
}

/* deliver.c keeps a line shorter than this. */
#define MAX_ADDRESS_BYTES 1024

/* "<address>", with all that parseaddr.c, prescan() lets into one: brackets in pairs, and any
 * in quotes and comments. */
static gboolean
scan_angle(MtCursor *cur, MtSpan *out)
{
  const gchar *at = cur->at, *end = at + MIN(mt_cursor_left(cur), MAX_ADDRESS_BYTES);
  gint open = 0, comments = 0;
  gboolean quoted = FALSE;

  if (mt_cursor_peek(cur) != '<')
    return FALSE;
  for (; at < end; at++)
    {
      if (*at == '\\' && at + 1 < end)
        at++;
      else if (*at == '"' && !comments)
        quoted = !quoted;
      else if (!quoted && (*at == '(' || *at == ')'))
        comments = MAX(0, comments + (*at == '(' ? 1 : -1));
      else if (!quoted && !comments && (*at == '<' || *at == '>'))
        open += *at == '<' ? 1 : -1;
      if (!open)
        {
          *out = mt_span(cur->at + 1, at - cur->at - 1);
          cur->at = at + 1;
          return TRUE;
        }
    }
  return mt_scan_angle(cur, out); /* what headers.c, shortenstring() cut a piece out of */
}

/* "ident@name [ip] (may be forged)", each part but one may be missing: conf.c, anynet_ntoa();
 * daemon.c, getauthinfo(). */
static gboolean
read_peer(MtSpan text, MtEvent *event, const MtPeerFields *fields)
{
  MtCursor cur = mt_cursor(text);
  MtSpan name = MT_NO_SPAN, ip;
  const gchar *at;

  if (mt_cursor_peek(&cur) != '[' && !mt_scan_token(&cur, " ", &name))
    return FALSE;
  at = name.len ? memrchr(name.at, '@', name.len) : NULL;
  if (at)
    name = mt_span(at + 1, name.at + name.len - at - 1);
  if (MT_SPAN_ENDS(name, "."))
    name.len--;
  mt_scan_char(&cur, ' ');
  if (mt_scan_char(&cur, '[') && mt_scan_until(&cur, ']', &ip))
    mt_event_set_ip(event, fields->ip, ip);
  if (MT_SCAN(&cur, " [") && mt_scan_until(&cur, ']', &ip)) /* "[192.0.2.1] [192.0.2.1]" */
    mt_event_set_ip(event, fields->ip, ip);
  if (name.len)
    mt_event_set_text(event, fields->name, name);
  return mt_event_has(event, fields->ip);
}

/* A peer at the cursor, behind which @stop follows. */
static gboolean
scan_peer(MtCursor *cur, MtEvent *event, MtSpan stop)
{
  MtCursor try = *cur;
  MtSpan peer;

  if (!mt_scan_until_span(&try, stop, &peer))
    return FALSE;
  read_peer(peer, event, &mt_client_fields);
  *cur = try;
  return TRUE;
}

#define SCAN_PEER(cur, event, stop) scan_peer((cur), (event), MT_SPAN(stop))

/* util.c, pintvl(): "00:01:02", "3+00:01:02" */
static gboolean
scan_interval(MtCursor *cur, gint64 *out_us)
{
  guint64 days = 0, hours, minutes, seconds;
  MtCursor try = *cur, at = *cur;

  if (mt_scan_u64(&at, &days) && mt_scan_char(&at, '+'))
    try = at;
  else
    days = 0;
  if (!mt_scan_u64(&try, &hours) || !mt_scan_char(&try, ':') || !mt_scan_u64(&try, &minutes)
      || !mt_scan_char(&try, ':') || !mt_scan_u64(&try, &seconds) || days > 100000 || hours > 99
      || minutes > 99 || seconds > 99)
    return FALSE;
  *out_us = ((days * 24 + hours) * 60 + minutes) * MT_MINUTE_US + seconds * MT_SECOND_US;
  *cur = try;
  return TRUE;
}

/* A 4xx answer is a refusal for now. */
static MtWord
refusal(const MtEvent *event)
{
  return mt_event_number(event, MT_F_CODE, 0) / 100 == 4 ? MT_WORD_DEFER : MT_WORD_REJECT;
}

/* ---- from=: headers.c, logsender() -------------------------------------------- */

/* A word behind the last " key=" that nothing but other keys follows. */
static MtSpan
cut_last(MtSpan *text, MtSpan key)
{
  const gchar *at = mt_span_find_last(*text, key);
  MtSpan value;

  if (!at)
    return MT_NO_SPAN;
  value = mt_span(at + key.len, text->at + text->len - at - key.len);
  text->len = at - text->at;
  return value;
}

/* "msgid=<a@example.com>, bodytype=8BITMIME, proto=ESMTP, daemon=MTA, relay=name [ip]": from
 * the end, as the Message-ID is the sender's. */
static void
read_sender_end(MtSpan text, MtEvent *event)
{
  MtSpan relay = cut_last(&text, MT_SPAN(", relay="));
  MtSpan id, proto;

  cut_last(&text, MT_SPAN(", daemon="));
  proto = cut_last(&text, MT_SPAN(", proto="));
  cut_last(&text, MT_SPAN(", bodytype="));
  if (proto.len)
    mt_event_set_text(event, MT_F_PROTOCOL, proto);
  if (MT_SPAN_STARTS(text, ", msgid="))
    {
      id = mt_span(text.at + strlen(", msgid="), text.len - strlen(", msgid="));
      if (id.len)
        mt_event_set_text(event, MT_F_MESSAGE_ID, id);
    }
  if (relay.len && !read_peer(relay, event, &mt_client_fields))
    {
      MtCursor cur = mt_cursor(relay);
      MtSpan user;

      if (mt_scan_until(&cur, '@', &user) && user.len) /* "bob@localhost": from this machine */
        mt_event_set_text(event, MT_F_ACCOUNT, user);
    }
}

static void
scan_sender_numbers(MtCursor *cur, MtEvent *event)
{
  static const struct
  {
    MtSpan key;
    MtField field;
  } numbers[] = {
    { MT_SPAN_INIT(", size="), MT_F_SIZE },
    { MT_SPAN_INIT(", class="), MT_FIELD_COUNT },
    { MT_SPAN_INIT(", pri="), MT_FIELD_COUNT }, /* before 8.12 */
    { MT_SPAN_INIT(", nrcpts="), MT_F_NRCPT },
  };
  guint64 number;
  MtSpan text;

  for (guint i = 0; i < G_N_ELEMENTS(numbers); i++)
    if (mt_scan_span(cur, numbers[i].key) && mt_scan_token(cur, ",", &text)
        && numbers[i].field != MT_FIELD_COUNT && mt_span_to_u64(text, &number))
      mt_event_set_number(event, numbers[i].field, number);
}

/* A message comes in: three events, as in exim.c. */
static MtParse
read_from(MtCursor *cur, MtEvent *event)
{
  static const MtField queued[] = { MT_F_QUEUE_ID, MT_F_SENDER, MT_F_SIZE, MT_F_NRCPT,
                                    MT_FIELD_COUNT };
  static const MtField identified[] = { MT_F_QUEUE_ID, MT_F_MESSAGE_ID, MT_FIELD_COUNT };
  MtSpan sender;
  gboolean has_id;

  if (!scan_angle(cur, &sender) || !MT_SPAN_STARTS(mt_cursor_rest(cur), ", "))
    sender = scan_up_to(cur, MT_SPAN(", size="));
  mt_event_set_text(event, MT_F_SENDER, sender);
  scan_sender_numbers(cur, event);
  read_sender_end(mt_cursor_rest(cur), event);
  /* who logged in stands in a line of its own, AUTH=server */
  mt_event_set_word(event, MT_F_SERVICE, MT_WORD_SMTP);
  if (mt_event_has(event, MT_F_ACCOUNT))
    mt_event_drop(event, MT_F_SERVICE);
  has_id = mt_event_has(event, MT_F_MESSAGE_ID);
  event->parts = 2 + has_id;
  if (event->part == 1)
    mt_event_keep(event, MT_EVENT_QUEUED, queued);
  else if (event->part == 2 && has_id)
    mt_event_keep(event, MT_EVENT_MESSAGE_ID, identified);
  return MT_PARSE_MATCH;
}

/* ---- to=: deliver.c, logdelivery() ------------------------------------------------ */

static gboolean
scan_recipient(MtCursor *cur, MtSpan *out, gboolean *bracketed)
{
  MtCursor try = *cur;
  MtSpan quoted;

  *bracketed = scan_angle(&try, out);
  if (!*bracketed)
    {
      if (mt_scan_char(&try, '"')) /* a program with its arguments, or a local part */
        mt_scan_until(&try, '"', &quoted);
      mt_scan_token(&try, ",", &quoted);
      *out = mt_span(cur->at, try.at - cur->at);
    }
  if (!out->len && !*bracketed)
    return FALSE;
  *cur = try;
  return TRUE;
}

/* "<a@example.com>,<b@example.com>": the one of this part; the cursor goes behind all. */
static gboolean
scan_recipients(MtCursor *cur, MtEvent *event, gboolean *bracketed)
{
  guint count = 0;
  gboolean brackets;
  MtSpan address;

  do
    {
      if (!scan_recipient(cur, &address, &brackets))
        break;
      if (count == event->part)
        {
          mt_event_set_text(event, MT_F_RECIPIENT, address);
          *bracketed = brackets;
        }
      count++;
    }
  while (count < MAX_RECIPIENTS && mt_cursor_left(cur) > 1 && cur->at[0] == ',' && cur->at[1] != ' '
         && mt_scan_char(cur, ','));
  event->parts = MAX(count, 1);
  mt_scan_char(cur, ',');
  if (!MT_SCAN(cur, " [more]"))
    cur->at -= cur->at[-1] == ',';
  return mt_event_has(event, MT_F_RECIPIENT);
}

/* "ctladdr=<info@example.com> (8/0)": whom an address came from that is not in brackets,
 * being none that a client gave; "ctladdr=bob (1000/1000)": the user who sends. */
static void
scan_controller(MtCursor *cur, MtEvent *event, gboolean bracketed)
{
  MtSpan address;

  if (!MT_SCAN(cur, ", ctladdr="))
    return;
  if (scan_angle(cur, &address))
    {
      if (!bracketed)
        mt_event_set_text(event, MT_F_ORIG_RECIPIENT, address);
    }
  else if (mt_scan_token(cur, " ,", &address))
    mt_event_set_text(event, MT_F_ACCOUNT, address);
  scan_up_to(cur, MT_SPAN(", delay="));
}

static const struct
{
  MtSpan text;
  MtWord word;
} statuses[] = {
  { MT_SPAN_INIT("Sent"), MT_WORD_SENT },       { MT_SPAN_INIT("Deferred"), MT_WORD_DEFERRED },
  { MT_SPAN_INIT("queued"), MT_WORD_DEFERRED }, { MT_SPAN_INIT("quarantined"), MT_WORD_DEFERRED },
  { MT_SPAN_INIT("Delivered"), MT_WORD_SENT },
};

/* What Sendmail calls neither is judged by its DSN: "User unknown", "Service unavailable". */
static MtWord
status_of(MtSpan stat, MtSpan dsn)
{
  for (guint i = 0; i < G_N_ELEMENTS(statuses); i++)
    if (mt_span_starts(stat, statuses[i].text))
      return statuses[i].word;
  return MT_SPAN_STARTS(dsn, "4") ? MT_WORD_DEFERRED : MT_WORD_BOUNCED;
}

/* A server that is quoted may say all that Sendmail does, ", stat=Sent", too: the DSN in front of
 * it is the answer's class, as Sendmail took it. */
static MtWord
status_of_reply(MtSpan dsn, MtSpan reply)
{
  switch (dsn.len ? dsn.at[0] : reply.len ? reply.at[0] : '4')
    {
    case '2':
      return MT_WORD_SENT;
    case '5':
      return MT_WORD_BOUNCED;
    default:
      return MT_WORD_DEFERRED;
    }
}

/* "Sent (ok id=1 Message accepted for delivery)": the remote's word stands in the brackets;
 * reply= of 8.16 and later says more than stat= does. */
static void
read_stat(MtSpan stat, MtSpan reply, MtEvent *event)
{
  MtSpan dsn = mt_event_text(event, MT_F_DSN);
  MtWord status = reply.at ? status_of_reply(dsn, reply) : status_of(stat, dsn);

  mt_event_set_word(event, MT_F_STATUS, status);
  if (!reply.len && MT_SPAN_STARTS(stat, "Sent (") && MT_SPAN_ENDS(stat, ")"))
    reply = mt_span(stat.at + strlen("Sent ("), stat.len - strlen("Sent ()"));
  else if (!reply.len && MT_SPAN_STARTS(stat, "Deferred: "))
    reply = mt_span(stat.at + strlen("Deferred: "), stat.len - strlen("Deferred: "));
  if (!reply.len)
    reply = stat;
  if (!reply.len)
    return;
  mt_event_set_text(event, MT_F_REPLY, reply);
  if (status == MT_WORD_SENT)
    {
      mt_read_next_queue_id(reply, event);
      if (!mt_event_has(event, MT_F_RELAY_IP))
        mt_read_lmtp_session(reply, event);
    }
}

/* ", delay=00:00:01, xdelay=00:00:01, mailer=esmtp, pri=120000, relay=name [ip], dsn=2.0.0,
 * reply=550 text, stat=Sent": in this order. */
static gboolean
scan_delivery_end(MtCursor *cur, MtEvent *event)
{
  MtSpan text, reply = MT_NO_SPAN;
  const gchar *stat;
  gint64 us;

  if (!MT_SCAN(cur, ", delay=") || !scan_interval(cur, &us))
    return FALSE;
  mt_event_set_number(event, MT_F_DELAY, us);
  if (MT_SCAN(cur, ", xdelay="))
    mt_scan_token(cur, ",", &text);
  if (MT_SCAN(cur, ", mailer=") && mt_scan_token(cur, ",", &text))
    mt_event_set_text(event, MT_F_TRANSPORT, text);
  if (MT_SCAN(cur, ", pri="))
    mt_scan_token(cur, ",", &text);
  if (MT_SCAN(cur, ", quarantine="))
    scan_up_to(cur, MT_SPAN(", dsn="));
  if (MT_SCAN(cur, ", relay="))
    read_peer(scan_up_to(cur, MT_SPAN(", ")), event, &mt_relay_fields);
  if (MT_SCAN(cur, ", dsn=") && mt_scan_dsn(cur, &text))
    mt_event_set_text(event, MT_F_DSN, text);
  if (MT_SCAN(cur, ", ntries="))
    mt_scan_token(cur, ",", &text);
  if (MT_SCAN(cur, ", stage="))
    mt_scan_token(cur, ",", &text);
  if (MT_SCAN(cur, ", reply="))
    {
      reply = mt_cursor_rest(cur);
      stat = mt_span_find_last(reply, MT_SPAN(", stat="));
      reply.len = stat ? (gsize) (stat - reply.at) : 0;
      cur->at = stat ? stat : cur->at;
    }
  if (!MT_SCAN(cur, ", stat="))
    return FALSE;
  read_stat(mt_cursor_rest(cur), reply, event);
  return TRUE;
}

/* What is no mailbox stands for the user that it belongs to. */
static void
name_mailbox(MtEvent *event)
{
  MtSpan transport = mt_event_text(event, MT_F_TRANSPORT);
  MtSpan user = mt_event_text(event, MT_F_ORIG_RECIPIENT);

  if (!MT_SPAN_IS(transport, "prog") && !MT_SPAN_STARTS(transport, "*"))
    return;
  if (!user.len)
    user = mt_event_text(event, MT_F_ACCOUNT);
  if (!user.len)
    return;
  mt_event_set_text(event, MT_F_RECIPIENT, user);
  mt_event_drop(event, MT_F_ORIG_RECIPIENT);
}

static MtParse
read_to(MtCursor *cur, MtEvent *event)
{
  gboolean bracketed = FALSE;

  if (!scan_recipients(cur, event, &bracketed))
    return MT_PARSE_MALFORMED;
  scan_controller(cur, event, bracketed);
  if (!scan_delivery_end(cur, event))
    return MT_PARSE_MALFORMED;
  name_mailbox(event);
  return MT_PARSE_MATCH;
}

/* ---- what a message becomes: savemail.c, deliver.c, envelope.c ------------------------ */

/* "4ALAj2x0012346: DSN: User unknown", "...: sender notify: Warning: could not send message
 * for past 4 hours", "4ALAj2x0012346: clone: owner=info-owner" */
static gboolean
read_child(MtCursor *cur, MtEvent *event)
{
  static const struct
  {
    MtSpan text;
    MtWord kind;
  } kinds[] = {
    { MT_SPAN_INIT("DSN: Return receipt"), MT_WORD_SUCCESS },
    { MT_SPAN_INIT("DSN: "), MT_WORD_BOUNCE },
    { MT_SPAN_INIT("return to sender: "), MT_WORD_BOUNCE },
    { MT_SPAN_INIT("postmaster notify: "), MT_WORD_BOUNCE },
    { MT_SPAN_INIT("sender notify: "), MT_WORD_DELAY },
  };
  MtSpan parent = mt_event_text(event, MT_F_QUEUE_ID), child;

  if (!scan_queue_id(cur, &child))
    return FALSE;
  if (MT_SCAN(cur, "clone: owner="))
    {
      event->kind = MT_EVENT_ACCEPT;
      mt_event_set_text(event, MT_F_QUEUE_ID, child);
      mt_event_set_text(event, MT_F_ORIG_QUEUE_ID, parent);
      return TRUE;
    }
  for (guint i = 0; i < G_N_ELEMENTS(kinds); i++)
    if (mt_scan_span(cur, kinds[i].text))
      {
        event->kind = MT_EVENT_NOTIFICATION;
        mt_event_set_text(event, MT_F_CHILD_QUEUE_ID, child);
        mt_event_set_word(event, MT_F_KIND, kinds[i].kind);
        mt_take_reason(cur, event);
        return TRUE;
      }
  return FALSE;
}

/* "<bob@example.com>... User unknown" (err.c): a recipient is refused. */
static MtParse
read_user_error(MtCursor *cur, MtEvent *event)
{
  MtSpan address;

  cur->at--;
  if (!scan_angle(cur, &address) || !MT_SCAN(cur, "... "))
    return MT_PARSE_SKIP;
  mt_event_set_text(event, MT_F_RECIPIENT, address);
  mt_event_set_word(event, MT_F_ACTION, MT_WORD_REJECT);
  MT_EVENT_SET_LITERAL(event, MT_F_STAGE, "RCPT");
  return mt_take_reason(cur, event);
}

/* ---- refusals: parseaddr.c, rscheck(); srvrsmtp.c --------------------------------------- */

static MtSpan
stage_of(MtSpan ruleset)
{
  static const MtSpan stages[][2] = {
    { MT_SPAN_INIT("check_relay"), MT_SPAN_INIT("CONNECT") },
    { MT_SPAN_INIT("check_mail"), MT_SPAN_INIT("MAIL") },
    { MT_SPAN_INIT("check_rcpt"), MT_SPAN_INIT("RCPT") },
    { MT_SPAN_INIT("check_data"), MT_SPAN_INIT("DATA") },
    { MT_SPAN_INIT("check_eom"), MT_SPAN_INIT("END-OF-MESSAGE") },
  };

  for (guint i = 0; i < G_N_ELEMENTS(stages); i++)
    if (mt_span_equal(ruleset, stages[i][0]))
      return stages[i][1];
  return ruleset;
}

/* ", reject=550 5.7.1 text", ", discard", ", quarantine=text" */
static gboolean
scan_verdict(MtCursor *cur, MtEvent *event)
{
  if (MT_SCAN(cur, ", reject="))
    {
      mt_read_answer(mt_cursor_rest(cur), event);
      mt_event_set_word(event, MT_F_ACTION, refusal(event));
      return TRUE;
    }
  if (MT_SCAN(cur, ", quarantine="))
    {
      mt_event_set_word(event, MT_F_ACTION, MT_WORD_HOLD);
      mt_take_reason(cur, event);
      return TRUE;
    }
  if (!MT_SCAN(cur, ", discard"))
    return FALSE;
  mt_event_set_word(event, MT_F_ACTION, MT_WORD_DISCARD);
  return TRUE;
}

/* "arg1=<bob@example.com>, relay=name [ip], reject=550 text".  What is not in brackets may be
 * a header's text, and look like a relay: where there are two, none counts. */
static gboolean
scan_arguments(MtCursor *cur, MtEvent *event, MtSpan stage)
{
  gboolean clear = TRUE;
  MtSpan argument, relay;

  if (!MT_SCAN(cur, "arg1="))
    return FALSE;
  if (scan_angle(cur, &argument) && MT_SPAN_STARTS(mt_cursor_rest(cur), ", "))
    {
      if (MT_SPAN_IS(stage, "RCPT"))
        mt_event_set_text(event, MT_F_RECIPIENT, argument);
      else if (MT_SPAN_IS(stage, "MAIL"))
        mt_event_set_text(event, MT_F_SENDER, argument);
      if (MT_SCAN(cur, ", arg2="))
        mt_scan_token(cur, ",", &argument);
    }
  else
    {
      scan_up_to(cur, MT_SPAN(", relay="));
      clear = mt_span_find(mt_cursor_rest(cur), MT_SPAN(", relay="))
              == mt_span_find_last(mt_cursor_rest(cur), MT_SPAN(", relay="));
    }
  if (!MT_SCAN(cur, ", relay="))
    return FALSE;
  relay = scan_up_to(cur, MT_SPAN(", "));
  if (clear)
    read_peer(relay, event, &mt_client_fields);
  return TRUE;
}

static MtParse
read_ruleset(MtCursor *cur, MtEvent *event)
{
  MtSpan ruleset, stage;

  if (!MT_SCAN_UNTIL(cur, ", ", &ruleset))
    return MT_PARSE_SKIP;
  stage = stage_of(ruleset);
  mt_event_set_text(event, MT_F_STAGE, stage);
  if (!scan_arguments(cur, event, stage) || !scan_verdict(cur, event))
    return MT_PARSE_SKIP;
  return MT_PARSE_MATCH;
}

/* "to=<bob@example.com>, reject=550 text", "data, reject=...", "connect: host=name, addr=ip,
 * reject=..." (srvrsmtp.c, MILTER_REPLY): what is no verdict is a notice. */
static MtParse
read_milter(MtCursor *cur, MtEvent *event)
{
  MtCursor try = *cur;
  MtSpan text;

  mt_take_line(cur, event);
  event->kind = MT_EVENT_NOTICE;
  if (MT_SCAN(&try, "to=") && scan_angle(&try, &text))
    {
      mt_event_set_text(event, MT_F_RECIPIENT, text);
      MT_EVENT_SET_LITERAL(event, MT_F_STAGE, "RCPT");
    }
  else if (MT_SCAN(&try, "from=") && scan_angle(&try, &text))
    {
      mt_event_set_text(event, MT_F_SENDER, text);
      MT_EVENT_SET_LITERAL(event, MT_F_STAGE, "MAIL");
    }
  else if (MT_SCAN(&try, "data") || MT_SCAN(&try, "cmd=data"))
    MT_EVENT_SET_LITERAL(event, MT_F_STAGE, "DATA");
  else if (MT_SCAN(&try, "connect: host=") && MT_SCAN_UNTIL(&try, ", addr=", &text))
    {
      mt_event_set_text(event, MT_F_CLIENT_NAME, text);
      if (mt_scan_token(&try, ",", &text))
        mt_event_set_ip(event, MT_F_CLIENT_IP, text);
      MT_EVENT_SET_LITERAL(event, MT_F_STAGE, "CONNECT");
    }
  else
    return MT_PARSE_MATCH;
  if (MT_SPAN_STARTS(mt_cursor_rest(&try), ", reject=")
      || MT_SPAN_IS(mt_cursor_rest(&try), ", discard"))
    {
      event->kind = MT_EVENT_REJECT;
      mt_event_drop(event, MT_F_REASON);
      scan_verdict(&try, event);
    }
  return MT_PARSE_MATCH;
}

/* "milter=name, quarantine=text"; refusals come again as "Milter: ...". */
static MtParse
read_milter_action(MtCursor *cur, MtEvent *event)
{
  MtCursor try = *cur;
  MtSpan name;

  mt_take_line(cur, event);
  if (!mt_scan_token(&try, ",", &name))
    return MT_PARSE_MATCH;
  mt_event_set_text(event, MT_F_FILTER, name);
  if (MT_SCAN(&try, ", quarantine="))
    {
      event->kind = MT_EVENT_HOLD;
      mt_take_reason(&try, event);
    }
  return MT_PARSE_MATCH;
}

/* "rejecting commands from name [ip] due to pre-greeting traffic after 0 seconds" */
static MtParse
read_rejecting(MtCursor *cur, MtEvent *event)
{
  if (!SCAN_PEER(cur, event, " due to "))
    return MT_PARSE_SKIP;
  mt_event_set_word(event, MT_F_ACTION, MT_WORD_REJECT);
  MT_EVENT_SET_LITERAL(event, MT_F_STAGE, "CONNECT");
  return mt_take_reason(cur, event);
}

/* ---- sessions: srvrsmtp.c, tls.c -------------------------------------------------------- */

/* "AUTH=server, relay=name [ip], authid=bob, mech=PLAIN, bits=0" */
static MtParse
read_login(MtCursor *cur, MtEvent *event)
{
  MtSpan account, method;

  if (!SCAN_PEER(cur, event, ", authid="))
    return MT_PARSE_SKIP;
  account = mt_cursor_rest(cur);
  method = cut_last(&account, MT_SPAN(", mech="));
  if (!account.len || !method.at)
    return MT_PARSE_SKIP;
  *cur = mt_cursor(method);
  if (mt_scan_token(cur, ",", &method))
    mt_event_set_text(event, MT_F_AUTH_METHOD, method);
  mt_event_set_text(event, MT_F_ACCOUNT, account);
  mt_event_set_word(event, MT_F_SERVICE, MT_WORD_SMTP);
  return MT_PARSE_MATCH;
}

/* "AUTH failure (LOGIN): authentication failure (-13) SASL(-13): ..., user=bob, relay=name [ip]":
 * the user, since 8.16, is whatever the client said; the relay stands last. */
static MtParse
read_login_failure(MtCursor *cur, MtEvent *event)
{
  MtSpan method, text, relay;
  const gchar *user;

  if (!mt_scan_until(cur, ')', &method) || !MT_SCAN(cur, ": "))
    return MT_PARSE_SKIP;
  mt_event_set_text(event, MT_F_AUTH_METHOD, method);
  text = mt_cursor_rest(cur);
  relay = cut_last(&text, MT_SPAN(", relay="));
  read_peer(relay, event, &mt_client_fields);
  user = mt_span_find(text, MT_SPAN(", user="));
  if (user)
    mt_event_set_text(
        event, MT_F_ACCOUNT,
        mt_span(user + strlen(", user="), text.at + text.len - user - strlen(", user=")));
  mt_event_set_word(event, MT_F_SERVICE, MT_WORD_SMTP);
  MT_EVENT_SET_LITERAL(event, MT_F_REASON, "auth-failed");
  return MT_PARSE_MATCH;
}

/* "STARTTLS=server, relay=name [ip], version=TLSv1.3, verify=NO, cipher=..., bits=256/256" */
static MtParse
read_tls(MtCursor *cur, MtEvent *event)
{
  static const MtKey keys[] = {
    MT_KEY("version", TOKEN, TLS_VERSION),
    MT_KEY("cipher", TOKEN, CIPHER),
    MT_KEYS_END,
  };
  gboolean client = MT_SPAN_STARTS(prefix_of(event), "STARTTLS=client");
  MtSpan relay;

  if (!MT_SCAN_UNTIL(cur, ", version=", &relay))
    return MT_PARSE_SKIP;
  cur->at -= strlen("version=");
  read_peer(relay, event, client ? &mt_relay_fields : &mt_client_fields);
  mt_keys_walk(keys, cur, event);
  return MT_PARSE_MATCH;
}

/* "STARTTLS=server, error: accept failed=-1, reason=..., relay=name [ip]" */
static MtParse
read_tls_error(MtCursor *cur, MtEvent *event)
{
  MtSpan text = mt_cursor_rest(cur);
  MtSpan relay = cut_last(&text, MT_SPAN(", relay="));

  mt_event_set_text(event, MT_F_REASON, text);
  read_peer(relay, event, &mt_client_fields);
  return MT_PARSE_MATCH;
}

/* "lost input channel from name [ip] to MTA after rcpt" */
static MtParse
read_lost(MtCursor *cur, MtEvent *event)
{
  MtSpan daemon, stage;
  const gchar *start = cur->at - prefix_of(event).len;

  if (!SCAN_PEER(cur, event, " to ") || !MT_SCAN_UNTIL(cur, " after ", &daemon))
    return MT_PARSE_SKIP;
  stage = mt_cursor_rest(cur);
  mt_event_set_text(event, MT_F_REASON, mt_span(start, strlen("lost input channel")));
  mt_event_set_text(event, MT_F_STAGE, stage);
  return MT_PARSE_MATCH;
}

/* "timeout waiting for input from name during server cmd read": a client or a server. */
static MtParse
read_timeout(MtCursor *cur, MtEvent *event)
{
  mt_take_line(cur, event);
  SCAN_PEER(cur, event, " during ");
  return MT_PARSE_MATCH;
}

/* Lines that begin with the client: "name [ip] (may be forged) did not issue MAIL/EXPN/VRFY/
 * ETRN during connection to MTA", "name [ip]: Possible SMTP RCPT flood, throttling." */
static MtParse
read_client_line(MtSpan text, MtEvent *event)
{
  static const struct
  {
    MtSpan stop, reason;
    MtEventKind kind;
  } lines[] = {
    { MT_SPAN_INIT(" did not issue "), MT_SPAN_INIT("did not issue MAIL/EXPN/VRFY/ETRN"),
      MT_EVENT_DISCONNECT },
    { MT_SPAN_INIT(": Possible SMTP RCPT flood"), MT_SPAN_INIT("Possible SMTP RCPT flood"),
      MT_EVENT_LIMIT },
    { MT_SPAN_INIT(": possible SMTP attack"), MT_SPAN_INIT("possible SMTP attack"),
      MT_EVENT_LIMIT },
    { MT_SPAN_INIT(": probable open proxy"), MT_SPAN_INIT("probable open proxy"), MT_EVENT_NOTICE },
    { MT_SPAN_INIT(": SMTP violation"), MT_SPAN_INIT("SMTP violation"), MT_EVENT_NOTICE },
    { MT_SPAN_INIT(": VRFY "), MT_SPAN_INIT("VRFY"), MT_EVENT_NOTICE },
    { MT_SPAN_INIT(": EXPN "), MT_SPAN_INIT("EXPN"), MT_EVENT_NOTICE },
    { MT_SPAN_INIT(": ETRN "), MT_SPAN_INIT("ETRN"), MT_EVENT_NOTICE },
  };
  MtCursor cur = mt_cursor(text);
  MtSpan name, ip;

  if (mt_cursor_peek(&cur) != '[' && (!mt_scan_token(&cur, " ", &name) || !mt_scan_char(&cur, ' ')))
    return MT_PARSE_SKIP;
  if (!mt_scan_char(&cur, '[') || !mt_scan_until(&cur, ']', &ip))
    return MT_PARSE_SKIP;
  MT_SCAN(&cur, " (may be forged)");
  for (guint i = 0; i < G_N_ELEMENTS(lines); i++)
    if (mt_span_starts(mt_cursor_rest(&cur), lines[i].stop))
      {
        event->kind = lines[i].kind;
        mt_event_set_text(event, MT_F_REASON, lines[i].reason);
        read_peer(mt_span(text.at, cur.at - text.at), event, &mt_client_fields);
        return MT_PARSE_MATCH;
      }
  return MT_PARSE_SKIP;
}

/* "--- 250 text": what was answered begins with its code. */
static MtParse
read_answer(MtCursor *cur, MtEvent *event)
{
  return mt_is_class(mt_cursor_peek(cur), MT_CHAR_DIGIT) ? MT_PARSE_MATCH : MT_PARSE_SKIP;
}

/* The SMTP dialogue, at LogLevel 10 and more: passwords may be in it. */
static MtParse
pass_over(MtCursor *cur, MtEvent *event)
{
  return MT_PARSE_MATCH;
}

/* "POSSIBLE ATTACK from name: newline in string "..."" and the like: for the operator. */
static MtParse
read_plain(MtCursor *cur, MtEvent *event)
{
  MtCursor whole = { cur->at - prefix_of(event).len, cur->end };

  if (read_client_line(mt_cursor_rest(&whole), event) == MT_PARSE_MATCH)
    return MT_PARSE_MATCH;
  return mt_event_has(event, MT_F_QUEUE_ID) && read_child(&whole, event) ? MT_PARSE_MATCH
                                                                         : MT_PARSE_SKIP;
}

static MtParse
read_discarded(MtCursor *cur, MtEvent *event)
{
  MT_EVENT_SET_LITERAL(event, MT_F_REASON, "deleted");
  return MT_PARSE_MATCH;
}

/* Behind "ID: ", behind "NOQUEUE: ", or without either. */
static const MtRule rules[] = {
  MT_RULE("to=", DELIVERY, NULL, read_to),
  MT_RULE("from=", ACCEPT, NULL, read_from),
  MT_RULE("<-- ", NOTICE, NULL, pass_over),
  MT_RULE("--- ", NOTICE, NULL, read_answer),
  MT_RULE("<", REJECT, NULL, read_user_error),
  MT_RULE("ruleset=", REJECT, NULL, read_ruleset),
  MT_RULE("rejecting commands from ", REJECT, NULL, read_rejecting),
  MT_RULE("Milter: ", NOTICE, NULL, read_milter),
  MT_RULE("milter=", NOTICE, NULL, read_milter_action),
  MT_RULE("Milter ", NOTICE, NULL, mt_take_line),
  MT_RULE("milter_", NOTICE, NULL, mt_take_line),
  MT_RULE("AUTH=server, relay=", LOGIN, NULL, read_login),
  MT_RULE("AUTH failure (", LOGIN_FAILED, NULL, read_login_failure),
  MT_RULE("AUTH", NOTICE, NULL, mt_take_line),
  MT_RULE("STARTTLS=server, relay=", TLS, NULL, read_tls),
  MT_RULE("STARTTLS=client, relay=", TLS, NULL, read_tls),
  MT_RULE("STARTTLS=server, error: ", TLS_ERROR, NULL, read_tls_error),
  MT_RULE("STARTTLS=client, error: ", TLS_ERROR, NULL, read_tls_error),
  MT_RULE("STARTTLS", NOTICE, NULL, mt_take_line),
  MT_RULE("lost input channel from ", DISCONNECT, NULL, read_lost),
  MT_RULE("timeout waiting for input from ", NOTICE, NULL, read_timeout),
  MT_RULE("done; delay=", DEQUEUE, NULL, pass_over),
  MT_RULE("discarded", DEQUEUE, NULL, read_discarded),
  MT_RULE("quarantine=", HOLD, NULL, mt_take_reason),
  MT_RULE("unquarantine", RELEASE, NULL, pass_over),
  MT_RULE("rejecting connections on daemon ", LIMIT, NULL, mt_take_line),
  MT_RULE("accepting connections again for daemon ", NOTICE, NULL, mt_take_line),
  MT_RULE("rejecting new messages: ", LIMIT, NULL, mt_take_line),
  MT_RULE("accepting new messages", NOTICE, NULL, mt_take_line),
  MT_RULE("delaying=", LIMIT, NULL, mt_take_line),
  MT_RULE("collect: ", NOTICE, NULL, mt_take_line),
  MT_RULE("SYSERR", NOTICE, NULL, mt_take_line),
  MT_RULE("Authentication-Warning: ", NOTICE, NULL, mt_take_line),
  MT_RULE("alias database ", NOTICE, NULL, mt_take_line),
  MT_RULE("alias ", NOTICE, NULL, mt_take_line),
  MT_RULE("aliasing/forwarding loop broken", NOTICE, NULL, mt_take_line),
  MT_RULE("forward ", NOTICE, NULL, mt_take_line),
  MT_RULE("forward: ", NOTICE, NULL, mt_take_line),
  MT_RULE("starting daemon ", NOTICE, NULL, mt_take_line),
  MT_RULE("started as: ", NOTICE, NULL, mt_take_line),
  MT_RULE("stopping daemon, ", NOTICE, NULL, mt_take_line),
  MT_RULE("restarting ", NOTICE, NULL, mt_take_line),
  MT_RULE("runqueue: ", NOTICE, NULL, mt_take_line),
  MT_RULE("split: ", NOTICE, NULL, mt_take_line),
  MT_RULE("Losing ", NOTICE, NULL, mt_take_line),
  MT_RULE("Saved message in ", NOTICE, NULL, mt_take_line),
  MT_RULE("low on space ", NOTICE, NULL, mt_take_line),
  MT_RULE("grew WorkList for ", NOTICE, NULL, mt_take_line),
  MT_RULE("POSSIBLE ATTACK from ", NOTICE, NULL, mt_take_line),
  MT_RULE("connect from ", NOTICE, NULL, mt_take_line),
  MT_RULE("tcpwrappers (", NOTICE, NULL, mt_take_line),
  MT_RULE("My unqualified host name ", NOTICE, NULL, mt_take_line),
  MT_RULE("unable to qualify my own domain name ", NOTICE, NULL, mt_take_line),
  MT_RULE("gethostbyaddr(", NOTICE, NULL, mt_take_line),
  MT_RULE("Warning: ", NOTICE, NULL, mt_take_line),
  MT_RULE("WARNING: ", NOTICE, NULL, mt_take_line),
  MT_RULE("ERROR: ", NOTICE, NULL, mt_take_line),
  MT_RULE("error: ", NOTICE, NULL, mt_take_line),
  MT_RULE("daemon ", NOTICE, NULL, mt_take_line),
  MT_RULE("/etc/", NOTICE, NULL, mt_take_line), /* "/etc/mail/aliases: 7 aliases, longest ..." */
  MT_RULE("", NOTICE, NULL, read_plain),
  MT_RULES_END,
};

/* Debian and FreeBSD name the daemon and its queue runners apart. */
static void
claim(MtSpan program, MtClaim *claim)
{
  if (MT_SPAN_IS(program, "sendmail") || MT_SPAN_STARTS(program, "sendmail-")
      || MT_SPAN_STARTS(program, "sm-mta") || MT_SPAN_STARTS(program, "sm-msp")
      || MT_SPAN_IS(program, "sm-que"))
    claim->strength = MT_CLAIM_NAME;
}

static MtParse
parse(const MtLine *line, const MtClaim *claim, MtEvent *event)
{
  MtCursor cur = mt_cursor(line->text);
  MtSpan id;

  if (scan_queue_id(&cur, &id))
    mt_event_set_text(event, MT_F_QUEUE_ID, id);
  else
    MT_SCAN(&cur, "NOQUEUE: ");
  return mt_rules_apply(rules, mt_cursor_rest(&cur), event);
}

static const MtRule *const all_rules[] = { rules, NULL };

const MtDialect mt_dialect_sendmail = {
  .name = "sendmail",
  .claim = claim,
  .parse = parse,
  .rules = all_rules,
};
