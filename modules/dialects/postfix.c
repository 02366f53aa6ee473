/* postfix.c: the lines of Postfix 2.3 to 3.10
 *
 * Layer: dialects.  Concurrency: any thread; no state.
 *
 * The literals are those of Postfix's own sources (src/ of 3.7.11 and 3.10.13,
 * the file named beside each table); the fixture says which version prints what.
 *
 * Hostile text.  msg_output.c makes control characters '?', so a line is a line.
 * Clients choose HELO names, addresses, headers, SASL names and methods, remote
 * servers their replies.  Who did what (client, account, queue ID) is therefore
 * read in front of such text, or behind it by rules that say why they hold.  What a
 * client typed as a command is never kept: it may be a password in the wrong place.
 */
#include "dialects/dialect.h"

typedef struct
{
  MtSpan name;
  const MtRule *with_id; /* behind "QUEUEID: " or "NOQUEUE: " */
  const MtRule *plain;
} Daemon;

/* ---- pieces --------------------------------------------------------------- */

/* src/global/mail_queue.h: short IDs are upper case hex, long ones (enable_long_
 * queue_ids) base 52: seconds, microseconds, 'z', inode.  Tools that mask logs write
 * other capitals, so any are taken where there is a digit too. */
static gboolean
is_queue_id(MtSpan id, guint any, guint all)
{
  if (id.len < 5 || id.len > 31)
    return FALSE;
  if (!(any & MT_CHAR_LOWER))
    return (any & MT_CHAR_DIGIT) || (all & MT_CHAR_UPPER_HEX);
  return id.len >= 10 && (all & MT_CHAR_BASE52) && memchr(id.at, 'z', id.len);
}

static gboolean
scan_queue_id(MtCursor *cur, MtSpan *out)
{
  const gchar *at = cur->at, *end = cur->end;
  guint any = 0, all = 0xff; /* classes that any and that all of its bytes have */
  MtSpan id;

  for (guint class; at < end && ((class = mt_byte_class[(guchar) *at]) & MT_CHAR_ALNUM); at++)
    {
      any |= class;
      all &= class;
    }
  id = mt_span(cur->at, at - cur->at);
  if (!is_queue_id(id, any, all))
    return FALSE;
  *out = id;
  cur->at = at;
  return TRUE;
}

/* Letters, digits, '-' and '_': words of a protocol, IDs of any mail server. */
static gboolean
scan_word(MtCursor *cur, MtSpan *out)
{
  return mt_scan_class(cur, MT_CHAR_ALNUM | MT_CHAR_KEY, out);
}

static gboolean
scan_other_id_prefix(MtCursor *cur, MtEvent *event)
{
  MtCursor try = *cur;
  MtSpan id;

  if (MT_SCAN(cur, "NOQUEUE: "))
    return TRUE;
  if (!scan_queue_id(&try, &id) || !MT_SCAN(&try, ": "))
    return FALSE;
  mt_event_set_text(event, MT_F_QUEUE_ID, id);
  *cur = try;
  return TRUE;
}

/* "QUEUEID: " or "NOQUEUE: ".  Nearly all IDs are short ones and have a digit: these are seen in
 * one block. */
static inline gboolean
scan_id_prefix(MtCursor *cur, MtEvent *event)
{
  const gchar *at = cur->at;
  guint digits, capitals, letters, len;
  MtBlock block;

  if (G_UNLIKELY(cur->end - at < MT_BLOCK_BYTES))
    return scan_other_id_prefix(cur, event);
  block = mt_block_load(at);
  digits = mt_block_mask((MtBlock) (block - '0' < 10));
  capitals = mt_block_mask((MtBlock) (block - 'A' < 26));
  letters = mt_block_mask((MtBlock) ((block | 0x20) - 'a' < 26));
  len = __builtin_ctz(~(digits | letters));
  if (len < MT_BLOCK_BYTES && at[len] != ':')
    return FALSE;
  len = __builtin_ctz(~(digits | capitals));
  if (len < 5 || len > MT_BLOCK_BYTES - 2 || !(digits & ((1u << len) - 1)) || at[len] != ':'
      || at[len + 1] != ' ')
    return scan_other_id_prefix(cur, event);
  mt_event_set_text(event, MT_F_QUEUE_ID, mt_span(at, len));
  cur->at = at + len + 2;
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

static MtSpan
prefix_of_rule(const MtEvent *event)
{
  return ((const MtRule *) event->rule)->prefix;
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
  gsize skipped = prefix_of_rule(event).len;

  mt_event_set_text(event, MT_F_REASON, mt_span(cur->at - skipped, cur->end - cur->at + skipped));
  return MT_PARSE_MATCH;
}

/* The prefix is the reason; what follows is not kept. */
static MtParse
take_prefix_as_reason(MtCursor *cur, MtEvent *event)
{
  mt_event_set_text(event, MT_F_REASON, mt_span_trim(prefix_of_rule(event)));
  return MT_PARSE_MATCH;
}

static MtParse
take_client(MtCursor *cur, MtEvent *event)
{
  return mt_scan_peer(cur, event, &mt_client_fields) ? MT_PARSE_MATCH : MT_PARSE_SKIP;
}

static MtParse
take_relay(MtCursor *cur, MtEvent *event)
{
  return mt_scan_peer(cur, event, &mt_relay_fields) ? MT_PARSE_MATCH : MT_PARSE_SKIP;
}

/* The line, and the peer that stands behind its prefix. */
static MtParse
take_line_and_peer(MtCursor *cur, MtEvent *event, const MtPeerFields *fields)
{
  take_line_as_reason(cur, event);
  return mt_scan_peer(cur, event, fields) ? MT_PARSE_MATCH : MT_PARSE_SKIP;
}

static MtParse
take_line_and_client(MtCursor *cur, MtEvent *event)
{
  return take_line_and_peer(cur, event, &mt_client_fields);
}

static MtParse
take_line_and_relay(MtCursor *cur, MtEvent *event)
{
  return take_line_and_peer(cur, event, &mt_relay_fields);
}

/* As the two above, without the text: "non-SMTP command from name[ip]: what it said". */
static MtParse
take_prefix_and_client(MtCursor *cur, MtEvent *event)
{
  MtSpan reason = prefix_of_rule(event);

  reason.len -= strlen(" from ");
  mt_event_set_text(event, MT_F_REASON, reason);
  return take_client(cur, event);
}

/* A peer at the very end.  Peers hold no spaces, so nothing further ahead can be taken
 * for it. */
static MtParse
take_line_and_last_peer(MtCursor *cur, MtEvent *event, const MtPeerFields *fields)
{
  const gchar *space = mt_span_find_last(mt_cursor_rest(cur), MT_SPAN(" "));
  MtCursor peer = { space ? space + 1 : cur->at, cur->end };

  take_line_as_reason(cur, event);
  mt_scan_char(&peer, '"');
  mt_scan_peer(&peer, event, fields);
  return MT_PARSE_MATCH;
}

static MtParse
take_line_and_last_client(MtCursor *cur, MtEvent *event)
{
  return take_line_and_last_peer(cur, event, &mt_client_fields);
}

static MtParse
take_line_and_last_relay(MtCursor *cur, MtEvent *event)
{
  return take_line_and_last_peer(cur, event, &mt_relay_fields);
}

static const struct
{
  MtSpan prefix;
  MtWord word;
} actions[] = {
  { MT_SPAN_INIT("reject: "), MT_WORD_REJECT },
  { MT_SPAN_INIT("milter-reject: "), MT_WORD_REJECT },
  { MT_SPAN_INIT("reject_warning: "), MT_WORD_WARN },
  { MT_SPAN_INIT("warn: "), MT_WORD_WARN },
  { MT_SPAN_INIT("hold: "), MT_WORD_HOLD },
  { MT_SPAN_INIT("milter-hold: "), MT_WORD_HOLD },
  { MT_SPAN_INIT("discard: "), MT_WORD_DISCARD },
  { MT_SPAN_INIT("milter-discard: "), MT_WORD_DISCARD },
  { MT_SPAN_INIT("redirect: "), MT_WORD_REDIRECT },
  { MT_SPAN_INIT("filter: "), MT_WORD_FILTER },
  { MT_SPAN_INIT("hangup: "), MT_WORD_REJECT },
};

static MtWord
action_by_prefix(MtSpan prefix)
{
  for (guint i = 0; i < G_N_ELEMENTS(actions); i++)
    if (mt_span_equal(prefix, actions[i].prefix))
      return actions[i].word;
  return MT_WORD_NONE;
}

/* A 4xx answer is a refusal for now. */
static void
set_action(MtEvent *event, MtWord action)
{
  if (action == MT_WORD_REJECT
      && (mt_event_number(event, MT_F_CODE, 0) / 100 == 4
          || (!mt_event_has(event, MT_F_CODE)
              && MT_SPAN_STARTS(mt_event_text(event, MT_F_DSN), "4"))))
    action = MT_WORD_DEFER;
  mt_event_set_word(event, MT_F_ACTION, action);
}

/* ---- deliveries: src/global/log_adhoc.c --------------------------------- */

/* Some forwarders of logs drop the angle brackets. */
static gboolean
scan_mailbox(MtCursor *cur, MtSpan *out)
{
  return mt_scan_angle(cur, out) || mt_scan_token(cur, ", ", out);
}

static MtParse
read_to(MtCursor *cur, MtEvent *event)
{
  MtSpan address;

  if (!mt_event_has(event, MT_F_RECIPIENT) && scan_mailbox(cur, &address))
    mt_event_set_text(event, MT_F_RECIPIENT, address);
  return MT_PARSE_MATCH;
}

static MtParse
read_orig_to(MtCursor *cur, MtEvent *event)
{
  MtSpan address;

  if (!mt_event_has(event, MT_F_ORIG_RECIPIENT) && scan_mailbox(cur, &address))
    mt_event_set_text(event, MT_F_ORIG_RECIPIENT, address);
  return MT_PARSE_MATCH;
}

/* A value up to the next @stop or the end. */
static inline MtSpan
scan_up_to(MtCursor *cur, gchar stop)
{
  const gchar *start = cur->at;
  const gchar *at = mt_find_char(start, cur->end, stop);

  cur->at = at ? at : cur->end;
  return mt_span(start, cur->at - start);
}

/* none; local; virtual; dovecot (a pipe's service); host[ip]:port; host[private/lmtp] */
static MtParse
read_relay(MtCursor *cur, MtEvent *event)
{
  MtSpan text = scan_up_to(cur, ',');
  MtCursor peer = mt_cursor(text);

  if (text.len == 0 || mt_event_has(event, MT_F_RELAY_NAME))
    return MT_PARSE_SKIP;
  if (MT_SPAN_IS(text, "none"))
    return MT_PARSE_MATCH;
  if (!mt_scan_peer(&peer, event, &mt_relay_fields) || !mt_event_has(event, MT_F_RELAY_NAME))
    mt_event_set_text(event, MT_F_RELAY_NAME, text);
  return MT_PARSE_MATCH;
}

/* Where the time went, and how often the connection was used: not for the record. */
static MtParse
pass_over(MtCursor *cur, MtEvent *event)
{
  scan_up_to(cur, ',');
  return MT_PARSE_MATCH;
}

static const struct
{
  MtSpan text;
  MtWord word;
} statuses[] = {
  { MT_SPAN_INIT("deferred"), MT_WORD_DEFERRED },
  { MT_SPAN_INIT("bounced"), MT_WORD_BOUNCED },
  { MT_SPAN_INIT("deliverable"), MT_WORD_DELIVERABLE },
  { MT_SPAN_INIT("undeliverable"), MT_WORD_UNDELIVERABLE },
  { MT_SPAN_INIT("SOFTBOUNCE"), MT_WORD_DEFERRED }, /* bounce.c: soft_bounce = yes */
};

/* status=sent (250 2.0.0 Ok: queued as 4SxK...), the last key. */
static MtParse
read_status(MtCursor *cur, MtEvent *event)
{
  MtSpan word = scan_up_to(cur, ' '), reply;

  if (G_LIKELY(MT_SPAN_IS(word, "sent")))
    mt_event_set_word(event, MT_F_STATUS, MT_WORD_SENT);
  else
    for (guint i = 0; i < G_N_ELEMENTS(statuses); i++)
      if (mt_span_equal(word, statuses[i].text))
        mt_event_set_word(event, MT_F_STATUS, statuses[i].word);
  if (MT_SCAN(cur, " ("))
    {
      reply = mt_cursor_rest(cur);
      if (MT_SPAN_ENDS(reply, ")"))
        reply.len--;
      mt_event_set_text(event, MT_F_REPLY, reply);
      cur->at = cur->end;
    }
  return MT_PARSE_MATCH;
}

static const MtKey delivery_keys[] = {
  MT_KEY_CALL("to", read_to),
  MT_KEY_CALL("orig_to", read_orig_to),
  MT_KEY_CALL("relay", read_relay),
  MT_KEY("delay", DURATION, DELAY),
  MT_KEY_CALL("delays", pass_over),
  MT_KEY("dsn", DSN, DSN),
  MT_KEY_CALL("status", read_status),
  MT_KEY_CALL("conn_use", pass_over),
  MT_KEYS_END,
};

/* ", relay=r[, conn_use=n], delay=d, delays=d/d/d/d, dsn=d, status=s (" at @at, all there. */
static gboolean
scan_delivery_end(MtSpan text, const gchar *at, MtEvent *event)
{
  MtCursor cur = mt_cursor(mt_span(at, text.at + text.len - at));
  MtSpan skipped;
  guint64 uses;

  if (!MT_SCAN(&cur, ", relay=") || !scan_up_to(&cur, ',').len)
    return FALSE;
  if (MT_SCAN(&cur, ", conn_use=") && !mt_scan_u64(&cur, &uses))
    return FALSE;
  if (!MT_SCAN(&cur, ", delay=") || !scan_up_to(&cur, ',').len || !MT_SCAN(&cur, ", delays=")
      || !scan_up_to(&cur, ',').len || !MT_SCAN(&cur, ", dsn=") || !mt_scan_dsn(&cur, &skipped)
      || !MT_SCAN(&cur, ", status="))
    return FALSE;
  cur = mt_cursor(mt_span(at + strlen(", "), text.at + text.len - at - strlen(", ")));
  mt_keys_walk(delivery_keys, &cur, event);
  return mt_event_has(event, MT_F_STATUS) && mt_event_has(event, MT_F_REPLY);
}

/* Recipients that are not quoted (see scan_address()) may look like more of the line:
 * they end where all of what must follow does.  Further on are only replies. */
static MtParse
reread_delivery(MtSpan text, MtEvent *event)
{
  MtSpan id = mt_event_text(event, MT_F_QUEUE_ID);
  MtSpan left = text, to;
  const gchar *at, *orig;

  while ((at = mt_span_find(left, MT_SPAN(", relay="))))
    {
      event->has[0] = event->has[1] = 0;
      if (scan_delivery_end(text, at, event))
        break;
      left = mt_span(at + 1, text.at + text.len - at - 1);
    }
  if (!at || at == text.at)
    return MT_PARSE_MALFORMED;
  if (id.len)
    mt_event_set_text(event, MT_F_QUEUE_ID, id);
  to = mt_span(text.at, at - text.at - (at[-1] == '>'));
  orig = mt_span_find(to, MT_SPAN(">, orig_to=<"));
  if (orig)
    {
      mt_event_set_text(
          event, MT_F_ORIG_RECIPIENT,
          mt_span(orig + strlen(">, orig_to=<"), to.at + to.len - orig - strlen(">, orig_to=<")));
      to.len = orig - to.at;
    }
  mt_event_set_text(event, MT_F_RECIPIENT, to);
  return MT_PARSE_MATCH;
}

/* Quoting fails for addresses that begin with a route (quote_822_local.c). */
static gboolean
is_routed(const MtEvent *event, MtField field)
{
  return MT_SPAN_STARTS(mt_event_text(event, field), "@");
}

static MtParse
check_delivery(MtCursor *cur, MtEvent *event)
{
  MtSpan to = mt_event_text(event, MT_F_RECIPIENT);

  if (!to.at)
    return MT_PARSE_MALFORMED;
  if ((!mt_event_has(event, MT_F_STATUS) || is_routed(event, MT_F_RECIPIENT)
       || is_routed(event, MT_F_ORIG_RECIPIENT))
      && reread_delivery(mt_span(to.at, cur->end - to.at), event) != MT_PARSE_MATCH)
    return MT_PARSE_MALFORMED;
  if (mt_event_word(event, MT_F_STATUS) == MT_WORD_SENT && mt_event_has(event, MT_F_REPLY))
    mt_read_next_queue_id(mt_event_text(event, MT_F_REPLY), event);
  return MT_PARSE_MATCH;
}

/* What only the daemon's name tells. */
static void
finish_delivery(const Daemon *daemon, MtEvent *event)
{
  mt_event_set_text(event, MT_F_TRANSPORT, daemon->name);
  if (MT_SPAN_IS(daemon->name, "lmtp") && mt_event_has(event, MT_F_REPLY))
    /* from there only: an SMTP server could claim any session */
    mt_read_lmtp_session(mt_event_text(event, MT_F_REPLY), event);
  if (MT_SPAN_IS(daemon->name, "discard")
      && mt_event_word(event, MT_F_STATUS) == MT_WORD_SENT) /* src/discard/discard.c */
    mt_event_set_word(event, MT_F_STATUS, MT_WORD_DISCARDED);
}

/* What any program that handles a message may say of it: log_adhoc.c; bounce.c and
 * abounce.c where the bounce service fails; deliver_pass.c. */
#define MESSAGE_RULES \
  MT_RULE("to=<", DELIVERY, delivery_keys, check_delivery), \
      MT_RULE("to=", DELIVERY, delivery_keys, check_delivery), \
      MT_RULE("status=deferred (", NOTICE, NULL, take_line_as_reason), \
      MT_RULE("passing <", NOTICE, NULL, read_passing)

/* "passing <a@example.com> to transport=lmtp" */
static MtParse
read_passing(MtCursor *cur, MtEvent *event)
{
  MtCursor address = { cur->at - 1, cur->end };
  MtSpan recipient;

  if (mt_scan_angle(&address, &recipient))
    mt_event_set_text(event, MT_F_RECIPIENT, recipient);
  return take_line_as_reason(cur, event);
}

/* ---- envelopes: " from=<a> to=<b> proto=ESMTP helo=<c> sasl_username=d" -------- */

/* An address as quote_822_local.c writes it: a local part of atoms, or quoted, and a
 * domain that trivial-rewrite let pass.  Not so: log lines of Postfix before 3.5 and
 * of info_log_address_format=internal with unusual local parts, and addresses that
 * begin with a route. */
static gboolean
scan_address(MtCursor *cur, MtSpan *out)
{
  MtCursor try = *cur;
  MtSpan part;

  if (!mt_scan_char(&try, '<'))
    return FALSE;
  if (mt_scan_char(&try, '"'))
    {
      while (try.at < try.end && *try.at != '"')
        try.at += *try.at == '\\' ? 2 : 1;
      if (try.at >= try.end)
        return FALSE;
      try.at++;
    }
  else
    mt_scan_token(&try, " <>()@,;:\\\"[]", &part);
  if (mt_scan_char(&try, '@')
      && !mt_scan_token(&try, mt_cursor_peek(&try) == '[' ? " <>()@,;\\\"" : " <>()@,;\\\":[]",
                        &part))
    return FALSE;
  *out = mt_span(cur->at + 1, try.at - cur->at - 1);
  if (!mt_scan_char(&try, '>'))
    return FALSE;
  *cur = try;
  return TRUE;
}

/* What may stand behind a value: the end, " key=", ", key=", ": text". */
static gboolean
is_value_end(const MtCursor *cur)
{
  MtSpan rest = mt_cursor_rest(cur);

  if (rest.len == 0 || rest.at[0] == ' ')
    return TRUE;
  return (rest.at[0] == ',' || rest.at[0] == ':') && (rest.len == 1 || rest.at[1] == ' ');
}

/* smtpd.c makes NEUTER_CHARACTERS '?' in the name; postscreen does not, there it is
 * the last word of the line.  No name holds a space. */
static gboolean
scan_helo(MtCursor *cur, MtSpan *out)
{
  MtCursor try = *cur;
  MtSpan name = MT_NO_SPAN;

  if (!mt_scan_char(&try, '<'))
    return FALSE;
  if (!mt_scan_token(&try, " <>()\\\";@", &name))
    name = mt_span(try.at, 0);
  if (!mt_scan_char(&try, '>') || !is_value_end(&try))
    {
      name = mt_span(cur->at + 1, cur->end - cur->at - 1);
      if (!MT_SPAN_ENDS(name, ">") || memchr(name.at, ' ', name.len))
        return FALSE;
      name.len--;
      try.at = try.end;
    }
  *out = name;
  *cur = try;
  return TRUE;
}

/* The user name may hold anything.  It stands last, but for sasl_sender=, which any
 * client can choose (MAIL FROM:<a> AUTH=b) and smtpd does not quote: nothing behind
 * it counts.  Behind a name in an address comes the true protocol, behind the true
 * name it does not.  Milters' and proxies' refusals have it in angle brackets. */
static gboolean
scan_user(MtCursor *cur, MtSpan *out)
{
  MtSpan user = mt_cursor_rest(cur);
  const gchar *sender = mt_span_find(user, MT_SPAN(" sasl_sender="));

  if (sender)
    user.len = sender - user.at;
  if (mt_span_find(user, MT_SPAN(" proto=")))
    return FALSE;
  if (MT_SPAN_STARTS(user, "<") && MT_SPAN_ENDS(user, ">"))
    user = mt_span(user.at + 1, user.len - 2);
  *out = user;
  cur->at = cur->end;
  return user.len > 0;
}

static gboolean
scan_rest(MtCursor *cur, MtSpan *out)
{
  *out = mt_cursor_rest(cur);
  cur->at = cur->end;
  return TRUE;
}

/* smtpd_check.c, log_whatsup(); smtpd.c, smtpd_whatsup(); cleanup_message.c;
 * cleanup_milter.c; postscreen_smtpd.c, with commas. */
static const struct
{
  MtSpan name;
  MtField field;
  gboolean (*scan)(MtCursor *cur, MtSpan *out);
} envelope_keys[] = {
  { MT_SPAN_INIT("from="), MT_F_SENDER, scan_address },
  { MT_SPAN_INIT("to="), MT_F_RECIPIENT, scan_address },
  { MT_SPAN_INIT("proto="), MT_F_PROTOCOL, scan_word },
  { MT_SPAN_INIT("helo="), MT_F_HELO, scan_helo },
  { MT_SPAN_INIT("sasl_method="), MT_F_AUTH_METHOD, scan_word },
  { MT_SPAN_INIT("sasl_username="), MT_F_AUTH_USER, scan_user },
  { MT_SPAN_INIT("sasl_sender="), MT_FIELD_COUNT, scan_rest },
};

#define ENVELOPE_HELO 3

/* The keys come in this order, none twice; those from @count on are not for this line.
 * Returns: the index of the key that was read, or -1. */
static gint
scan_envelope_key(MtCursor *cur, MtEvent *event, gint first, gint count)
{
  MtSpan value;

  while (first < count && !mt_scan_span(cur, envelope_keys[first].name))
    first++;
  if (first >= count || !envelope_keys[first].scan(cur, &value))
    return -1;
  if (envelope_keys[first].field != MT_FIELD_COUNT)
    mt_event_set_text(event, envelope_keys[first].field, value);
  return first;
}

/* One or more " key=value" at the cursor, as Postfix writes them. */
static gboolean
scan_envelope_keys(MtCursor *cur, MtEvent *event, gint count, gboolean commas)
{
  gint next = 0;

  while (mt_scan_char(cur, ' '))
    {
      next = scan_envelope_key(cur, event, next, count) + 1;
      if (next == 0)
        return FALSE;
      if (commas)
        mt_scan_char(cur, ',');
    }
  return next > 0;
}

/* cleanup_message.c, cleanup_milter.c */
static gboolean
scan_cleanup_envelope(MtCursor *cur, MtEvent *event)
{
  return scan_envelope_keys(cur, event, ENVELOPE_HELO + 1, FALSE);
}

/* postscreen_smtpd.c */
static gboolean
scan_screen_envelope(MtCursor *cur, MtEvent *event)
{
  return scan_envelope_keys(cur, event, ENVELOPE_HELO + 1, TRUE);
}

/* smtpd.c, smtpd_check.c: a user has always said HELO. */
static gboolean
scan_smtpd_envelope(MtCursor *cur, MtEvent *event)
{
  return scan_envelope_keys(cur, event, G_N_ELEMENTS(envelope_keys), FALSE)
         && (mt_event_has(event, MT_F_HELO) || !mt_event_has(event, MT_F_AUTH_USER));
}

/* A looser look, for addresses that are not quoted and keys that are not known.  No
 * user name is taken from it. */
static gboolean
scan_loose_envelope(MtCursor *cur, MtEvent *event)
{
  static const MtKey keys[] = {
    MT_KEY("from", ANGLE, SENDER),
    MT_KEY("to", ANGLE, RECIPIENT),
    MT_KEY("proto", TOKEN, PROTOCOL),
    MT_KEY("helo", ANGLE, HELO),
    MT_KEYS_END,
  };

  if (!mt_scan_char(cur, ' '))
    return FALSE;
  mt_keys_walk(keys, cur, event);
  return TRUE;
}

/* The envelope stands at the end, behind ';' and prose that may quote what the client
 * said.  The first place from which one runs to the very end is the envelope.  A
 * recipient in the prose cannot forge it: unquoted text ends at the prose's own words,
 * and a quoted string that began there would have to end in the true envelope, whose
 * own quotes come in pairs: one would be left over, and behind the last of them stands
 * nothing of the client's but the HELO name, which holds no quotes and no spaces.
 * A sasl_sender= could, should the true one not be readable: @limit keeps it out.
 * Returns: the prose. */
static MtSpan
find_envelope(MtSpan text, const gchar *limit, MtEvent *event,
              gboolean (*scan)(MtCursor *, MtEvent *))
{
  MtSpan left = mt_span(text.at, limit - text.at);
  const gchar *at;

  while ((at = left.len ? memchr(left.at, ';', left.len) : NULL))
    {
      guint64 has[2] = { event->has[0], event->has[1] };
      MtCursor cur = mt_cursor(mt_span(at + 1, text.at + text.len - at - 1));

      left = mt_span(at + 1, limit - at - 1);
      if (cur.at == cur.end || (scan(&cur, event) && cur.at == cur.end))
        return mt_span(text.at, at - text.at);
      event->has[0] = has[0];
      event->has[1] = has[1];
    }
  return text;
}

/* An envelope inside an address that is not quoted (see scan_address()): the true one
 * begins before it, and its protocol comes behind what would be the sasl_sender. */
static gboolean
is_doubtful_user(MtSpan prose, MtSpan user, const gchar *end)
{
  const gchar *behind = user.at + user.len;

  return mt_span_find(prose, MT_SPAN("; from=<"))
         && mt_span_find(mt_span(behind, end - behind), MT_SPAN(" proto="));
}

/* Where a sasl_sender= may begin, behind what could be the true envelope: what looks
 * like one further on is the client's. */
static const gchar *
find_envelope_limit(MtSpan text)
{
  MtCursor cur = mt_cursor(text);
  MtSpan before;

  if (MT_SCAN_UNTIL(&cur, "; from=<", &before) && MT_SCAN_UNTIL(&cur, " helo=<", &before)
      && MT_SCAN_UNTIL(&cur, " sasl_sender=", &before))
    return cur.at;
  return text.at + text.len;
}

/* With @scan's keys; failing that, loosely and without the user. */
static MtSpan
read_envelope(MtSpan text, MtEvent *event, gboolean (*scan)(MtCursor *, MtEvent *))
{
  const gchar *end = text.at + text.len, *limit = find_envelope_limit(text);
  MtSpan prose;

  prose = find_envelope(text, limit, event, scan);
  if (prose.len == text.len)
    return find_envelope(text, limit, event, scan_loose_envelope);
  if (mt_event_has(event, MT_F_AUTH_USER)
      && is_doubtful_user(prose, mt_event_text(event, MT_F_AUTH_USER), end))
    mt_event_drop(event, MT_F_AUTH_USER);
  return prose;
}

/* ---- smtpd: src/smtpd/ ------------------------------------------------- */

static MtParse
read_original_client(MtCursor *cur, MtEvent *event)
{
  static const MtPeerFields fields = { MT_F_ORIG_CLIENT_NAME, MT_F_ORIG_CLIENT_IP, MT_FIELD_COUNT };

  return mt_scan_peer(cur, event, &fields) ? MT_PARSE_MATCH : MT_PARSE_SKIP;
}

/* The client's own text (MAIL FROM:<a> AUTH=b), as in scan_user().  smtpd_token.c lets
 * a space in only behind '"', '<' or '\': with one of them, nothing further counts. */
static MtParse
read_sasl_sender(MtCursor *cur, MtEvent *event)
{
  MtSpan value = mt_cursor_rest(cur);
  const gchar *end = mt_span_find(value, MT_SPAN(", "));

  if (end)
    value.len = end - value.at;
  cur->at += value.len;
  for (gsize i = 0; i < value.len; i++)
    if (strchr("\"<\\", value.at[i]))
      cur->at = cur->end;
  return MT_PARSE_MATCH;
}

static MtParse
read_method(MtCursor *cur, MtEvent *event)
{
  MtSpan method = scan_up_to(cur, ',');

  if (method.len && !mt_event_has(event, MT_F_AUTH_METHOD))
    mt_event_set_text(event, MT_F_AUTH_METHOD, method);
  return MT_PARSE_MATCH;
}

static const MtKey accept_keys[] = {
  /* smtpd.c, mail_open_stream() */
  MT_KEY("client", CLIENT, CLIENT_IP),
  MT_KEY_CALL("sasl_method", read_method),
  MT_KEY("sasl_username", ITEM, AUTH_USER),
  MT_KEY_CALL("sasl_sender", read_sasl_sender),
  MT_KEY("orig_queue_id", TOKEN, ORIG_QUEUE_ID),
  MT_KEY_CALL("orig_client", read_original_client),
  MT_KEYS_END,
};

/* "RCPT from name[ip]: 554 5.7.1 <x>: Relay access denied; from=<a> to=<b> ..." */
static MtParse
read_reject(MtCursor *cur, MtEvent *event)
{
  MtSpan stage;

  if (!MT_SCAN_UNTIL(cur, " from ", &stage) || !mt_scan_peer(cur, event, &mt_client_fields)
      || !MT_SCAN(cur, ": "))
    return MT_PARSE_SKIP;
  mt_event_set_text(event, MT_F_STAGE, stage);
  mt_read_answer(read_envelope(mt_cursor_rest(cur), event, scan_smtpd_envelope), event);
  set_action(event, action_by_prefix(prefix_of_rule(event)));
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
  mt_read_answer(read_envelope(mt_cursor_rest(cur), event, scan_smtpd_envelope), event);
  set_action(event, MT_WORD_REJECT);
  return MT_PARSE_MATCH;
}

static MtParse
read_proxy_accept(MtCursor *cur, MtEvent *event)
{
  MtSpan stage, text;

  if (!MT_SCAN_UNTIL(cur, ": ", &stage))
    return MT_PARSE_SKIP;
  mt_event_set_text(event, MT_F_STAGE, stage);
  text = read_envelope(mt_cursor_rest(cur), event, scan_smtpd_envelope);
  mt_event_set_text(event, MT_F_REPLY, text);
  mt_read_next_queue_id(text, event);
  return MT_PARSE_MATCH;
}

/* Actions that change nothing about who gets the mail: info, bcc, permit. */
static MtParse
read_harmless_action(MtCursor *cur, MtEvent *event)
{
  MtSpan stage, text;

  if (!MT_SCAN_UNTIL(cur, " from ", &stage) || !mt_scan_peer(cur, event, &mt_client_fields)
      || !MT_SCAN(cur, ": "))
    return MT_PARSE_SKIP;
  mt_event_set_text(event, MT_F_STAGE, stage);
  text = read_envelope(mt_cursor_rest(cur), event, scan_smtpd_envelope);
  if (text.len)
    mt_event_set_text(event, MT_F_REASON, text);
  return MT_PARSE_MATCH;
}

/* "lost connection after DATA (1234 bytes) from name[ip]"; behind a peer that sent
 * commands too early stands what it sent. */
static MtParse
read_lost(MtCursor *cur, MtEvent *event)
{
  const gchar *start = cur->at - prefix_of_rule(event).len;
  MtSpan stage;

  if (!MT_SCAN_UNTIL(cur, " from ", &stage) || !mt_scan_peer(cur, event, &mt_client_fields))
    return MT_PARSE_SKIP;
  mt_event_set_text(event, MT_F_REASON, mt_span(start, stage.at + stage.len - start));
  return MT_PARSE_MATCH;
}

/* "TLS from name[ip]: No client certificate presented" */
static MtParse
read_tls_abort(MtCursor *cur, MtEvent *event)
{
  if (!mt_scan_peer(cur, event, &mt_client_fields) || !MT_SCAN(cur, ": "))
    return MT_PARSE_SKIP;
  return take_reason(cur, event);
}

#define LOST_RULES \
  MT_RULE("lost connection after ", NOTICE, NULL, read_lost), \
      MT_RULE("timeout after ", NOTICE, NULL, read_lost), \
      MT_RULE("too many errors after ", NOTICE, NULL, read_lost)

#define MILTER_RULES \
  MT_RULE("milter-reject: ", REJECT, NULL, read_reject), \
      MT_RULE("milter-hold: ", REJECT, NULL, read_reject), \
      MT_RULE("milter-discard: ", REJECT, NULL, read_reject)

static const MtRule smtpd_with_id[] = {
  MT_RULE("client=", ACCEPT, accept_keys, NULL),
  MT_RULE("reject: ", REJECT, NULL, read_reject),
  MILTER_RULES,
  MT_RULE("reject_warning: ", REJECT, NULL, read_reject),
  MT_RULE("warn: ", REJECT, NULL, read_reject),
  MT_RULE("hold: ", REJECT, NULL, read_reject),
  MT_RULE("discard: ", REJECT, NULL, read_reject),
  MT_RULE("redirect: ", REJECT, NULL, read_reject),
  MT_RULE("filter: ", REJECT, NULL, read_reject),
  MT_RULE("hangup: ", REJECT, NULL, read_reject),
  MT_RULE("info: ", NOTICE, NULL, read_harmless_action),
  MT_RULE("bcc: ", NOTICE, NULL, read_harmless_action),
  MT_RULE("permit: ", NOTICE, NULL, read_harmless_action),
  MT_RULE("abort: TLS from ", TLS_ERROR, NULL, read_tls_abort),
  LOST_RULES, /* with an ID since 3.10 */
  MESSAGE_RULES,
  MT_RULES_END,
};

/* ---- TLS: src/tls/ --------------------------------------------------------- */

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

/* "SSL_accept error from name[ip]: -1", "... : lost connection" */
static MtParse
read_tls_error(MtCursor *cur, MtEvent *event, const MtPeerFields *fields)
{
  if (!mt_scan_peer(cur, event, fields))
    return MT_PARSE_SKIP;
  mt_scan_char(cur, ':');
  mt_scan_char(cur, ' ');
  return take_reason(cur, event);
}

static MtParse
read_tls_error_client(MtCursor *cur, MtEvent *event)
{
  return read_tls_error(cur, event, &mt_client_fields);
}

static MtParse
read_tls_error_relay(MtCursor *cur, MtEvent *event)
{
  return read_tls_error(cur, event, &mt_relay_fields);
}

/* tlsproxy serves postscreen's clients, "[ip]:port", and the SMTP client's servers,
 * "name[ip]:port". */
static const MtPeerFields *
proxied_peer(const MtCursor *cur)
{
  return mt_cursor_peek(cur) == '[' ? &mt_client_fields : &mt_relay_fields;
}

static MtParse
read_tls_error_proxied(MtCursor *cur, MtEvent *event)
{
  return read_tls_error(cur, event, proxied_peer(cur));
}

/* "TLS SNI mx.example.com from name[ip] not matched, using default chain" (tls_misc.c) */
static MtParse
read_sni_note(MtCursor *cur, MtEvent *event)
{
  MtSpan sni;

  take_line_as_reason(cur, event);
  if (!mt_scan_token(cur, " ", &sni) || !MT_SCAN(cur, " from "))
    return MT_PARSE_SKIP;
  return take_client(cur, event);
}

/* "status=failure, domain=example.com, receiving_mx=mx.example.com[192.0.2.1],
 * failure_type=..." (tlsrpt_wrapper.c, 3.10) */
static MtParse
read_tlsrpt(MtCursor *cur, MtEvent *event)
{
  MtSpan domain;

  take_line_as_reason(cur, event);
  if (MT_SCAN(cur, "domain=") && MT_SCAN_UNTIL(cur, ", receiving_mx=", &domain))
    mt_scan_peer(cur, event, &mt_relay_fields);
  return MT_PARSE_MATCH;
}

/* tls_misc.c, tls_log_summary(); without the trust in 2.3 to 2.5.  The rest is of
 * smtpd_tls_loglevel and smtp_tls_loglevel 2, and of 1 in older versions. */
#define TLS_RULES \
  MT_RULE("Anonymous TLS connection ", TLS, NULL, read_tls), \
      MT_RULE("Untrusted TLS connection ", TLS, NULL, read_tls), \
      MT_RULE("Trusted TLS connection ", TLS, NULL, read_tls), \
      MT_RULE("Verified TLS connection ", TLS, NULL, read_tls), \
      MT_RULE("TLS connection ", TLS, NULL, read_tls), \
      MT_RULE("TLS SNI ", NOTICE, NULL, read_sni_note), \
      MT_RULE("TLSRPT: status=failure, ", TLS_ERROR, NULL, read_tlsrpt), \
      MT_RULE("TLSRPT: status=success, ", NOTICE, NULL, read_tlsrpt), \
      MT_RULE("setting up TLS connection from ", NOTICE, NULL, take_line_and_client), \
      MT_RULE("setting up TLS connection to ", NOTICE, NULL, take_line_and_relay), \
      MT_RULE("cannot load Certification Authority data, ", TLS_ERROR, NULL, take_line_as_reason), \
      MT_RULE("cannot set default OpenSSL certificate verification paths", TLS_ERROR, NULL, \
              take_line_as_reason), \
      MT_RULE("TLS support is not compiled in", NOTICE, NULL, take_line_as_reason), \
      MT_RULE("initializing the server-side TLS engine", NOTICE, NULL, take_line_as_reason), \
      MT_RULE("initializing the client-side TLS engine", NOTICE, NULL, take_line_as_reason), \
      MT_RULE("SSL_accept:", NOTICE, NULL, take_line_as_reason), \
      MT_RULE("SSL_connect:", NOTICE, NULL, take_line_as_reason), \
      MT_RULE("SSL3 alert ", NOTICE, NULL, take_line_as_reason), \
      MT_RULE("looking for session ", NOTICE, NULL, take_line_as_reason), \
      MT_RULE("reloaded session ", NOTICE, NULL, take_line_as_reason), \
      MT_RULE("save session ", NOTICE, NULL, take_line_as_reason), \
      MT_RULE("remove session ", NOTICE, NULL, take_line_as_reason), \
      MT_RULE("subject=", NOTICE, NULL, take_line_as_reason), \
      MT_RULE("issuer=", NOTICE, NULL, take_line_as_reason)

#define TLS_ERROR_RULES(func) \
  MT_RULE("SSL_accept error from ", TLS_ERROR, NULL, func), \
      MT_RULE("SSL_connect error to ", TLS_ERROR, NULL, func), \
      MT_RULE("SSL_set_fd error to ", TLS_ERROR, NULL, func), \
      MT_RULE("certificate verification failed for ", TLS_ERROR, NULL, func), \
      MT_RULE("server certificate verification failed for ", TLS_ERROR, NULL, func), \
      MT_RULE("client certificate verification failed for ", TLS_ERROR, NULL, func)

/* What follows "name[ip]: " in lines of src/tls/. */
static const MtSpan peer_notes[] = {
  MT_SPAN_INIT("subject_CN="),
  MT_SPAN_INIT("re-using session with untrusted "),
  MT_SPAN_INIT("Reusing old session"),
  MT_SPAN_INIT("depth="),
  MT_SPAN_INIT("verify="),
  MT_SPAN_INIT("raw public key fingerprint="),
  MT_SPAN_INIT("TLS cipher list "),
  MT_SPAN_INIT("SNI hostname: "),
  MT_SPAN_INIT("looking up session "),
  MT_SPAN_INIT("reloaded session "),
  MT_SPAN_INIT("save session "),
  MT_SPAN_INIT("remove session "),
  MT_SPAN_INIT("Issuing session ticket"),
  MT_SPAN_INIT("Decrypting session ticket"),
  MT_SPAN_INIT("matched peername: "),
  MT_SPAN_INIT("Matched "),
};

/* smtpd.c, smtpd_command_filter; smtp_chat.c, smtp_reply_filter: what stands behind is
 * a command or a reply, perhaps with a password. */
static const MtSpan silent_peer_notes[] = {
  MT_SPAN_INIT("replacing command"),
  MT_SPAN_INIT("replacing server reply"),
};

static MtParse
read_peer_note(MtCursor *cur, MtEvent *event, const MtPeerFields *fields)
{
  if (!mt_scan_peer(cur, event, fields) || !MT_SCAN(cur, ": "))
    return MT_PARSE_SKIP;
  for (guint i = 0; i < G_N_ELEMENTS(silent_peer_notes); i++)
    if (mt_span_starts(mt_cursor_rest(cur), silent_peer_notes[i]))
      {
        mt_event_set_text(event, MT_F_REASON, silent_peer_notes[i]);
        return MT_PARSE_MATCH;
      }
  for (guint i = 0; i < G_N_ELEMENTS(peer_notes); i++)
    if (mt_span_starts(mt_cursor_rest(cur), peer_notes[i]))
      return take_reason(cur, event);
  return MT_PARSE_SKIP;
}

static MtParse
read_client_note(MtCursor *cur, MtEvent *event)
{
  return read_peer_note(cur, event, &mt_client_fields);
}

static MtParse
read_relay_note(MtCursor *cur, MtEvent *event)
{
  return read_peer_note(cur, event, &mt_relay_fields);
}

static MtParse
read_proxied_note(MtCursor *cur, MtEvent *event)
{
  return read_peer_note(cur, event, proxied_peer(cur));
}

/* ---- SASL: smtpd_sasl_glue.c ------------------------------------------------ */

/* What the back ends say (xsasl_cyrus_server.c: sasl_errstring() of Cyrus SASL 2.1;
 * xsasl_dovecot_server.c and Dovecot's src/auth/).  Everything else is a wrong password
 * as far as can be seen: the last challenge, "(reason unavailable)", nothing. */
static const struct
{
  MtSpan text;
  MtSpan reason;
} sasl_reasons[] = {
  { MT_SPAN_INIT("Connection lost to authentication server"), MT_SPAN_INIT("internal") },
  { MT_SPAN_INIT("Can't connect to authentication server"), MT_SPAN_INIT("internal") },
  { MT_SPAN_INIT("Authentication backend error"), MT_SPAN_INIT("internal") },
  { MT_SPAN_INIT("Temporary authentication failure"), MT_SPAN_INIT("internal") },
  { MT_SPAN_INIT("Authentication request timed out"), MT_SPAN_INIT("internal") },
  { MT_SPAN_INIT("generic failure"), MT_SPAN_INIT("internal") },
  { MT_SPAN_INIT("no memory available"), MT_SPAN_INIT("internal") },
  { MT_SPAN_INIT("transient failure"), MT_SPAN_INIT("internal") },
  { MT_SPAN_INIT("remote authentication server unavailable"), MT_SPAN_INIT("internal") },
  { MT_SPAN_INIT("SASL library is not initialized"), MT_SPAN_INIT("internal") },
  { MT_SPAN_INIT("user not found"), MT_SPAN_INIT("unknown-user") },
  { MT_SPAN_INIT("account disabled"), MT_SPAN_INIT("user-disabled") },
  { MT_SPAN_INIT("passphrase locked"), MT_SPAN_INIT("user-disabled") },
  { MT_SPAN_INIT("encryption needed to use mechanism"), MT_SPAN_INIT("tls-required") },
};

static void
set_sasl_reason(MtSpan text, MtEvent *event)
{
  MtSpan reason = MT_SPAN("auth-failed");

  for (guint i = 0; i < G_N_ELEMENTS(sasl_reasons); i++)
    if (mt_span_starts(text, sasl_reasons[i].text))
      reason = sasl_reasons[i].reason;
  mt_event_set_text(event, MT_F_REASON, reason);
}

/* RFC 4422 3.1: 1 to 20 of A-Z 0-9 - _; some clients write small letters.  Anything
 * else is the client's own text, perhaps a password in the wrong place. */
static gboolean
is_sasl_method(MtSpan method)
{
  gboolean lower = FALSE, upper = FALSE;

  if (method.len < 1 || method.len > 20 || !mt_span_is_all(method, MT_CHAR_ALNUM | MT_CHAR_KEY))
    return FALSE;
  for (gsize i = 0; i < method.len; i++)
    {
      lower |= mt_is_class(method.at[i], MT_CHAR_LOWER);
      upper |= g_ascii_isupper(method.at[i]);
    }
  return !(lower && upper);
}

/* Behind a true method stands the back end's reason, which holds no client's text, so
 * the first ", sasl_username=" is Postfix's (3.9, and 3.7.11 and others of its day),
 * whatever the name holds.  A false method may hold one itself (smtpd_token.c lets spaces
 * in behind '"', '<', '\'), and is quoted in Dovecot's reason: then the last one is. */
static void
set_sasl_user(MtSpan text, gboolean true_method, MtEvent *event)
{
  MtSpan key = MT_SPAN(", sasl_username="), account;
  const gchar *at = true_method ? mt_span_find(text, key) : mt_span_find_last(text, key);

  if (!at)
    return;
  account = mt_span(at + key.len, text.at + text.len - at - key.len);
  if (account.len && !MT_SPAN_IS(account, "(unavailable)"))
    mt_event_set_text(event, MT_F_ACCOUNT, account);
}

/* "name[ip]: SASL LOGIN authentication failed: reason[, sasl_username=user]" */
static MtParse
read_sasl_failure(MtSpan text, MtEvent *event)
{
  MtCursor cur = mt_cursor(text);
  gboolean true_method;
  MtSpan method;

  if (!mt_scan_peer(&cur, event, &mt_client_fields) || !MT_SCAN(&cur, ": SASL ")
      || !mt_scan_token(&cur, " ", &method))
    return MT_PARSE_SKIP;
  true_method = is_sasl_method(method);
  if (!mt_span_find(text, MT_SPAN(" authentication ")))
    return MT_PARSE_SKIP;
  if (true_method && !MT_SCAN(&cur, " authentication failed")
      && !MT_SCAN(&cur, " authentication aborted"))
    return MT_PARSE_SKIP;
  if (true_method)
    mt_event_set_text(event, MT_F_AUTH_METHOD, method);
  MT_SCAN(&cur, ": ");
  event->kind = MT_EVENT_LOGIN_FAILED;
  mt_event_set_word(event, MT_F_SERVICE, MT_WORD_SMTP);
  set_sasl_user(mt_cursor_rest(&cur), true_method, event);
  set_sasl_reason(mt_cursor_rest(&cur), event);
  return MT_PARSE_MATCH;
}

/* ---- warnings and worse ------------------------------------------------------ */

/* "N from name[ip] for service smtp" behind what limit was passed. */
static MtParse
read_limit(MtCursor *cur, MtEvent *event)
{
  MtSpan prefix = prefix_of_rule(event);
  guint64 count;

  if (!mt_scan_u64(cur, &count) || !MT_SCAN(cur, " from ")
      || !mt_scan_peer(cur, event, &mt_client_fields))
    return MT_PARSE_SKIP;
  mt_event_set_number(event, MT_F_COUNT, count);
  mt_event_set_text(event, MT_F_REASON, mt_span(prefix.at, prefix.len - strlen(": ")));
  return MT_PARSE_MATCH;
}

/* "hostname a.example does not resolve to address 192.0.2.1[: why]" (smtpd_peer.c);
 * qmqpd_peer.c has name and address the other way round. */
static MtParse
read_hostname_problem(MtCursor *cur, MtEvent *event)
{
  MtSpan name, ip;

  take_line_as_reason(cur, event);
  if (!mt_scan_token(cur, " ", &name) || !MT_SCAN(cur, " does not resolve to address ")
      || !mt_scan_token(cur, " ", &ip))
    return MT_PARSE_SKIP;
  if (MT_SPAN_ENDS(ip, ":"))
    ip.len--;
  if (!mt_event_set_ip(event, MT_F_CLIENT_IP, ip))
    mt_event_set_ip(event, MT_F_CLIENT_IP, name);
  return MT_PARSE_MATCH;
}

/* "ETRN example.com... from name[ip]" */
static MtParse
read_etrn_refusal(MtCursor *cur, MtEvent *event)
{
  take_line_and_last_client(cur, event);
  MT_EVENT_SET_LITERAL(event, MT_F_STAGE, "ETRN");
  set_action(event, MT_WORD_REJECT);
  return MT_PARSE_MATCH;
}

/* "a@example.com: not found in virtual_uid_maps" (src/virtual/mailbox.c) */
static MtParse
read_recipient_problem(MtCursor *cur, MtEvent *event)
{
  MtSpan address;

  take_line_as_reason(cur, event);
  if (!MT_SCAN_UNTIL(cur, ": ", &address))
    return MT_PARSE_SKIP;
  mt_event_set_text(event, MT_F_RECIPIENT, address);
  return MT_PARSE_MATCH;
}

/* "append file defer QUEUEID: No space left on device", "saving corrupt file "QUEUEID"
 * from queue "active" ...": one of the first words is the ID. */
static MtParse
read_file_problem(MtCursor *cur, MtEvent *event)
{
  MtCursor try = *cur;
  MtSpan word, id;

  take_line_as_reason(cur, event);
  for (gint i = 0; i < 8 && mt_scan_token(&try, " ", &word); i++)
    {
      MtCursor inside = mt_cursor(word);

      mt_scan_char(&inside, '"');
      if (scan_queue_id(&inside, &id) && (inside.at == inside.end || strchr(":\"", *inside.at)))
        {
          mt_event_set_text(event, MT_F_QUEUE_ID, id);
          break;
        }
      mt_scan_char(&try, ' ');
    }
  return MT_PARSE_MATCH;
}

static MtParse
read_proxied_trouble(MtCursor *cur, MtEvent *event)
{
  return take_line_and_peer(cur, event, proxied_peer(cur));
}

/* "[192.0.2.1]:41000: Broken pipe" (postscreen_send.c) */
static MtParse
read_write_problem(MtCursor *cur, MtEvent *event)
{
  return mt_cursor_peek(cur) == '[' ? take_line_and_client(cur, event) : MT_PARSE_SKIP;
}

/* Behind "warning: ", "fatal: " and so on. */
static const MtRule trouble_rules[] = {
  /* smtpd.c */
  MT_RULE("hostname ", NOTICE, NULL, read_hostname_problem),
  MT_RULE("non-SMTP command from ", NOTICE, NULL, take_prefix_and_client),
  MT_RULE("Illegal address syntax from ", NOTICE, NULL, take_line_and_client),
  MT_RULE("TLS library problem: ", TLS_ERROR, NULL, take_reason), /* tls_misc.c */
  MT_RULE("Connection rate limit exceeded: ", LIMIT, NULL, read_limit),
  MT_RULE("Connection concurrency limit exceeded: ", LIMIT, NULL, read_limit),
  MT_RULE("Message delivery request rate limit exceeded: ", LIMIT, NULL, read_limit),
  MT_RULE("Recipient address rate limit exceeded: ", LIMIT, NULL, read_limit),
  MT_RULE("New TLS session rate limit exceeded: ", LIMIT, NULL, read_limit),
  MT_RULE("AUTH command rate limit exceeded: ", LIMIT, NULL, read_limit), /* since 3.1 */
  MT_RULE("Refusing STARTTLS request from ", TLS_ERROR, NULL, take_line_and_client),
  MT_RULE("Refusing TLS service request from ", TLS_ERROR, NULL, take_line_and_client),
  MT_RULE("Wrapper-mode request dropped from ", TLS_ERROR, NULL, take_line_and_client),
  MT_RULE("reject: ETRN ", REJECT, NULL, read_etrn_refusal),
  MT_RULE("bad ETRN ", NOTICE, NULL, take_line_and_last_client),
  MT_RULE("don't know ", NOTICE, NULL, take_line_and_last_client),
  /* smtpd_check.c, since 3.9 */
  MT_RULE("permit_tls_clientcerts: ", NOTICE, NULL, take_line_and_client),
  MT_RULE("check_ccert_access: ", NOTICE, NULL, take_line_and_client),
  /* tls_misc.c */
  MT_RULE("TLS SNI from ", TLS_ERROR, NULL, take_line_and_client),
  MT_RULE("TLS SNI changed from ", TLS_ERROR, NULL, take_line_and_client),
  /* tlsproxy.c; postscreen_send.c */
  MT_RULE("ciphertext read/write timeout for ", TLS_ERROR, NULL, read_proxied_trouble),
  MT_RULE("ciphertext read/write error for ", TLS_ERROR, NULL, read_proxied_trouble),
  MT_RULE("deadlock on ciphertext stream for ", TLS_ERROR, NULL, read_proxied_trouble),
  MT_RULE("deadlock on plaintext stream for ", TLS_ERROR, NULL, read_proxied_trouble),
  MT_RULE("write ", NOTICE, NULL, read_write_problem),
  /* smtp_proto.c, smtp_chat.c */
  MT_RULE("host ", NOTICE, NULL, take_line_and_relay),
  MT_RULE("server ", NOTICE, NULL, take_line_and_relay),
  MT_RULE("bad EHLO SIZE limit ", NOTICE, NULL, take_line_and_last_relay),
  /* src/virtual/mailbox.c */
  MT_RULE("recipient ", NOTICE, NULL, read_recipient_problem),
  /* bounce_append_service.c, qmgr_message.c, qmgr_active.c and others */
  MT_RULE("append file ", NOTICE, NULL, read_file_problem),
  MT_RULE("open ", NOTICE, NULL, read_file_problem),
  MT_RULE("lock file ", NOTICE, NULL, read_file_problem),
  MT_RULE("seek ", NOTICE, NULL, read_file_problem),
  MT_RULE("truncate file ", NOTICE, NULL, read_file_problem),
  MT_RULE("remove ", NOTICE, NULL, read_file_problem),
  MT_RULE("close ", NOTICE, NULL, read_file_problem),
  MT_RULE("saving corrupt file ", NOTICE, NULL, read_file_problem),
  MT_RULE("readdir loop on queue ", NOTICE, NULL, read_file_problem),
  MT_RULE("qmgr_", NOTICE, NULL, read_file_problem), /* "qmgr_active_feed: QUEUEID: rename ..." */
  MT_RULES_END,
};

/* "hopcount exceeded": cleanup refuses the message it is reading. */
static MtParse
read_message_refusal(MtCursor *cur, MtEvent *event)
{
  set_action(event, MT_WORD_REJECT);
  return take_reason(cur, event);
}

/* Behind "warning: QUEUEID: " or "warning: NOQUEUE: ". */
static const MtRule message_trouble_rules[] = {
  /* smtpd.c, cleanup_out.c, cleanup_final.c: larger than message_size_limit */
  MT_RULE("queue file size limit exceeded", LIMIT, NULL, take_line_as_reason),
  MT_RULE("BDAT request from ", LIMIT, NULL, take_line_and_client),
  MT_RULE("too much BDAT content -- disabling further input from ", LIMIT, NULL,
          take_line_and_client), /* 3.10.13 and its kin */
  MT_RULE("null BDAT request from ", NOTICE, NULL, take_line_and_client),
  MT_RULE("malformed BDAT command syntax from ", NOTICE, NULL, take_prefix_and_client),
  /* smtp_chat.c */
  MT_RULE("non-ESMTP response from ", NOTICE, NULL, take_line_and_relay),
  MT_RULE("non-LMTP response from ", NOTICE, NULL, take_line_and_relay),
  /* cleanup_envelope.c, cleanup_message.c, qmgr_message.c */
  MT_RULE("message rejected: ", REJECT, NULL, read_message_refusal),
  MT_RULES_END,
};

/* "virtual_alias_maps map lookup problem for a@example.com -- message not accepted, try
 * again later" (cleanup_map1n.c and others): the map comes first. */
static MtParse
read_message_trouble(MtCursor *cur, MtEvent *event)
{
  gconstpointer rule = event->rule;

  if (mt_rules_apply(message_trouble_rules, mt_cursor_rest(cur), event) == MT_PARSE_MATCH)
    return MT_PARSE_MATCH;
  event->rule = rule;
  event->kind = MT_EVENT_NOTICE;
  if (MT_SPAN_ENDS(mt_cursor_rest(cur), " -- message not accepted, try again later"))
    {
      event->kind = MT_EVENT_REJECT;
      mt_event_set_word(event, MT_F_ACTION, MT_WORD_DEFER);
    }
  return take_reason(cur, event);
}

/* smtpd_check.c puts a HELO name or a domain first in these, which may look like an ID. */
static gboolean
is_name_problem(MtSpan text)
{
  return MT_SPAN_STARTS(text, "address or MX lookup error")
         || MT_SPAN_STARTS(text, "MX or address lookup error")
         || MT_SPAN_STARTS(text, "RBL lookup error") || MT_SPAN_STARTS(text, "TXT lookup error");
}

/* What follows "name[ip]" or "name[ip]:port" in warnings of smtpd_chat.c, smtp_chat.c,
 * smtp_sasl_proto.c; the replies and commands quoted behind are not kept. */
static const MtSpan peer_troubles[] = {
  MT_SPAN_INIT("request longer than "),
  MT_SPAN_INIT("response longer than "),
  MT_SPAN_INIT("multi-line response longer than "),
};

/* What follows it in those of tls_client.c, tls_misc.c and tls_verify.c. */
static const MtSpan peer_tls_troubles[] = {
  MT_SPAN_INIT("all TLSA records unusable"),
  MT_SPAN_INIT("all fingerprints unusable"),
  MT_SPAN_INIT("all trust anchors unusable"),
  MT_SPAN_INIT("Invalid TLS protocol list "),
  MT_SPAN_INIT("invalid cipher grade: "),
  MT_SPAN_INIT("error "),
  MT_SPAN_INIT("could not configure peer name checks"),
  MT_SPAN_INIT("invalid unary "),
  MT_SPAN_INIT("ignoring "),
  MT_SPAN_INIT("peer "),
  MT_SPAN_INIT("multiple "),
  MT_SPAN_INIT("NULL character in peer "),
  MT_SPAN_INIT("non-printable content in peer "),
};

static MtParse
read_peer_trouble(MtSpan text, MtEvent *event, const MtPeerFields *fields)
{
  MtCursor cur = mt_cursor(text);

  MT_SCAN(&cur, "tls_text_name: ");
  if (!mt_scan_peer(&cur, event, fields))
    return MT_PARSE_SKIP;
  if (MT_SCAN(&cur, " offered ")) /* "no supported AUTH mechanisms: 'X'" */
    {
      cur.at -= strlen("offered ");
      return take_reason(&cur, event);
    }
  if (!MT_SCAN(&cur, ": "))
    return MT_PARSE_SKIP;
  for (guint i = 0; i < G_N_ELEMENTS(peer_troubles); i++)
    if (mt_span_starts(mt_cursor_rest(&cur), peer_troubles[i]))
      {
        const gchar *end = cur.at + peer_troubles[i].len;

        while (end < cur.end && mt_is_class(*end, MT_CHAR_DIGIT))
          end++;
        mt_event_set_text(event, MT_F_REASON, mt_span(cur.at, end - cur.at));
        return MT_PARSE_MATCH;
      }
  for (guint i = 0; i < G_N_ELEMENTS(peer_tls_troubles); i++)
    if (mt_span_starts(mt_cursor_rest(&cur), peer_tls_troubles[i]))
      {
        event->kind = MT_EVENT_TLS_ERROR;
        return take_reason(&cur, event);
      }
  return MT_PARSE_SKIP;
}

/* "192.0.2.1: hostname a.example verification failed: ...", "192.0.2.1: address not
 * listed for hostname a.example" (smtpd_peer.c before 2.9) */
static MtParse
read_address_trouble(MtSpan text, MtEvent *event)
{
  MtCursor cur = mt_cursor(text);
  MtSpan ip, why;

  if (!MT_SCAN_UNTIL(&cur, ": ", &ip))
    return MT_PARSE_SKIP;
  why = mt_cursor_rest(&cur);
  if ((!MT_SPAN_STARTS(why, "hostname ") && !MT_SPAN_STARTS(why, "address not listed for "))
      || !mt_event_set_ip(event, MT_F_CLIENT_IP, ip))
    return MT_PARSE_SKIP;
  return take_reason(&cur, event);
}

/* msg_output.c tells warnings and worse by these words, whatever the program.  Warnings
 * that state more than a text are in the tables above; of the others (some thousand,
 * most begin with a name or a path) the text is the reason: with the word, where it is
 * worse than a warning. */
static MtParse
read_warning(MtSpan text, MtEvent *event, const MtPeerFields *fields)
{
  gconstpointer rule = event->rule;
  MtCursor cur = mt_cursor(text);

  if (read_sasl_failure(text, event) == MT_PARSE_MATCH
      || mt_rules_apply(trouble_rules, text, event) == MT_PARSE_MATCH)
    return MT_PARSE_MATCH;
  event->rule = rule;
  event->kind = MT_EVENT_NOTICE;
  event->has[0] = event->has[1] = 0;
  if (scan_id_prefix(&cur, event) && !is_name_problem(mt_cursor_rest(&cur)))
    return read_message_trouble(&cur, event);
  event->has[0] = event->has[1] = 0;
  if (read_peer_trouble(text, event, fields) == MT_PARSE_MATCH
      || read_address_trouble(text, event) == MT_PARSE_MATCH)
    return MT_PARSE_MATCH;
  event->has[0] = event->has[1] = 0;
  cur = mt_cursor(text);
  return take_reason(&cur, event);
}

static MtParse
read_trouble(MtCursor *cur, MtEvent *event, const MtPeerFields *fields)
{
  MtSpan word = prefix_of_rule(event);

  read_warning(mt_cursor_rest(cur), event, fields);
  if (event->kind == MT_EVENT_NOTICE && !MT_SPAN_IS(word, "warning: "))
    mt_event_set_text(event, MT_F_REASON,
                      mt_span(cur->at - word.len, cur->end - cur->at + word.len));
  return MT_PARSE_MATCH;
}

static MtParse
read_client_trouble(MtCursor *cur, MtEvent *event)
{
  return read_trouble(cur, event, &mt_client_fields);
}

static MtParse
read_relay_trouble(MtCursor *cur, MtEvent *event)
{
  return read_trouble(cur, event, &mt_relay_fields);
}

#define TROUBLE_RULES(func) \
  MT_RULE("warning: ", NOTICE, NULL, func), MT_RULE("error: ", NOTICE, NULL, func), \
      MT_RULE("fatal: ", NOTICE, NULL, func), MT_RULE("panic: ", NOTICE, NULL, func)

/* ---- what several programs say -------------------------------------------------- */

/* "smtputf8_enable=no to accept non-ASCII sender address "a@example" from name[ip]",
 * "... recipient "a@example.com" from client "name[ip]"", "... client "192.0.2.1""
 * (smtpd.c, smtpd_check.c, server_acl.c, postscreen.c; compatibility_level) */
static MtParse
read_compatibility_note(MtCursor *cur, MtEvent *event)
{
  MtSpan last;
  const gchar *space = mt_span_find_last(mt_cursor_rest(cur), MT_SPAN(" "));

  take_line_and_last_client(cur, event);
  if (mt_event_has(event, MT_F_CLIENT_IP) || !space)
    return MT_PARSE_MATCH;
  last = mt_span(space + 1, cur->end - space - 1);
  if (last.len > 2 && last.at[0] == '"')
    mt_event_set_ip(event, MT_F_CLIENT_IP, mt_span(last.at + 1, last.len - 2));
  return MT_PARSE_MATCH;
}

/* "max connection rate 1/60s for (smtp:192.0.2.1) at Nov 21 05:45:01" (anvil.c); the
 * service may be an address and port itself. */
static MtParse
read_statistics(MtCursor *cur, MtEvent *event)
{
  MtSpan before, ident, part;

  take_line_as_reason(cur, event);
  if (!MT_SCAN_UNTIL(cur, " for (", &before) || !mt_scan_until(cur, ')', &ident))
    return MT_PARSE_MATCH;
  *cur = mt_cursor(ident);
  while (mt_scan_until(cur, ':', &part))
    if (mt_event_set_ip(event, MT_F_CLIENT_IP, mt_cursor_rest(cur)))
      break;
  return MT_PARSE_MATCH;
}

#define SHARED_RULES \
  MT_RULE("statistics: ", NOTICE, NULL, read_statistics), /* anvil.c, scache.c */ \
      MT_RULE("table ", NOTICE, NULL, take_line_as_reason), \
      MT_RULE("using backwards-compatible default setting ", NOTICE, NULL, \
              read_compatibility_note), \
      MT_RULE("cache ", NOTICE, NULL, take_line_as_reason),            /* dict_cache.c */ \
      MT_RULE("ignoring DNS RR: ", NOTICE, NULL, take_line_as_reason), /* dns_rr_filter.c */ \
      MT_RULE("skipping address family ", NOTICE, NULL, take_line_as_reason), \
      MT_RULE("database ", NOTICE, NULL, take_line_as_reason),       /* dict_lmdb.c */ \
      MT_RULE("close database ", NOTICE, NULL, take_line_as_reason), /* dict_db.c */ \
      MT_RULE("running: ", NOTICE, NULL, take_line_as_reason)        /* debug_process.c */

#define COMMON_RULES SHARED_RULES, TROUBLE_RULES(read_client_trouble)

static const MtRule common_plain[] = { COMMON_RULES, MT_RULES_END };

static const MtRule message_with_id[] = { MESSAGE_RULES, MT_RULES_END };

/* With "-v" and debug_peer_list, smtpd and smtp log the dialogue and what goes to and
 * comes from the SASL library, passwords too: known, and not kept. */
#define VERBOSE_RULES(func) \
  MT_RULE("< ", NOTICE, NULL, func), MT_RULE("> ", NOTICE, NULL, func), VERBOSE_SASL_RULES

#define VERBOSE_SASL_RULES \
  MT_RULE("xsasl_", NOTICE, NULL, NULL), MT_RULE("smtp_sasl_", NOTICE, NULL, NULL), \
      MT_RULE("smtpd_sasl_", NOTICE, NULL, NULL), \
      MT_RULE("SASL authentication pass: ", NOTICE, NULL, NULL)

/* ---- smtpd and qmqpd, without an ID ------------------------------------------- */

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
  LOST_RULES,
  COMMON_RULES,
  TLS_RULES,
  TLS_ERROR_RULES(read_tls_error_client),
  MT_RULE("proxy-reject: ", REJECT, NULL, read_proxy_reject),
  MT_RULE("proxy-accept: ", NOTICE, NULL, read_proxy_accept),
  MT_RULE("improper command pipelining after ", NOTICE, NULL, read_lost),
  MT_RULE("discarding EHLO keywords: ", NOTICE, NULL, take_line_as_reason),
  MT_RULE("mapping DSN status ", NOTICE, NULL, take_line_as_reason), /* smtpd_dsn_fix.c */
  VERBOSE_RULES(take_client),
  MT_RULE("", NOTICE, NULL, read_client_note),
  MT_RULES_END,
};

/* "QUEUEID: name[ip]: lost connection while reading ..." (qmqpd.c) */
static MtParse
read_qmqp_trouble(MtCursor *cur, MtEvent *event)
{
  if (!mt_scan_peer(cur, event, &mt_client_fields) || !MT_SCAN(cur, ": ")
      || !mt_span_find(mt_cursor_rest(cur), MT_SPAN(" while ")))
    return MT_PARSE_SKIP;
  return take_reason(cur, event);
}

static const MtRule qmqpd_with_id[] = {
  MT_RULE("client=", ACCEPT, accept_keys, NULL),
  MESSAGE_RULES,
  MT_RULE("", NOTICE, NULL, read_qmqp_trouble),
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

/* cleanup_message.c cuts what it quotes after 200 bytes; in MIME errors after 100, and
 * the error's name in front has at most 50. */
#define QUOTED_BYTES 200

/* " from origin; from=<a> to=<b> proto=ESMTP helo=<c>" at @at, and the end or ": text"
 * behind.  @end: where it ends.  The name[ip] of a local message is "local". */
static gboolean
scan_check_origin(MtSpan text, const gchar *at, MtEvent *event, const gchar **end)
{
  MtCursor cur = mt_cursor(mt_span(at, text.at + text.len - at));
  MtCursor origin;
  MtSpan name;

  if (!MT_SCAN(&cur, " from ") || !mt_scan_token(&cur, "; ", &name) || !mt_scan_char(&cur, ';')
      || !scan_cleanup_envelope(&cur, event))
    return FALSE;
  *end = cur.at;
  if (cur.at < cur.end && (!mt_scan_char(&cur, ':') || (cur.at < cur.end && *cur.at != ' ')))
    return FALSE;
  origin = mt_cursor(name);
  mt_scan_peer(&origin, event, &mt_client_fields);
  return TRUE;
}

/* Where the client's text ends and " from origin; ..." begins.  The text may hold such
 * an origin itself, as may a quoted sender, which comes after the true one.  By the
 * reasoning at find_envelope() neither can make an envelope that reaches as far as the
 * true one: the farthest is taken.  Should the true one not be readable (see
 * scan_address()), a piece of it is left over behind the false one: then none is. */
static const gchar *
find_check_origin(MtSpan text)
{
  const gchar *found = NULL, *farthest = NULL, *at, *end;
  MtSpan left = text;
  MtSpan behind;

  while ((at = mt_span_find(left, MT_SPAN(" from "))) && at - text.at <= QUOTED_BYTES)
    {
      MtEvent try;

      mt_event_clear(&try);
      if (scan_check_origin(text, at, &try, &end) && (!found || end > farthest))
        {
          found = at;
          farthest = end;
        }
      left = mt_span(at + 1, text.at + text.len - at - 1);
    }
  if (!found)
    return NULL;
  behind = mt_span(farthest, text.at + text.len - farthest);
  if (mt_span_find(behind, MT_SPAN(" to=<")) || mt_span_find(behind, MT_SPAN(" proto="))
      || mt_span_find(behind, MT_SPAN(" helo=<")))
    return NULL;
  return found;
}

/* "header Subject: text from name[ip]; from=<a> to=<b> ...: what the table says".
 * Returns: the quoted text; the reason is what the table says. */
static MtSpan
read_check(MtCursor *cur, MtEvent *event)
{
  MtSpan class, text;
  const gchar *origin, *end;

  if (!mt_scan_until(cur, ' ', &class))
    return MT_NO_SPAN;
  mt_event_set_text(event, MT_F_STAGE, class);
  text = mt_cursor_rest(cur);
  origin = find_check_origin(text);
  if (!origin)
    return text;
  scan_check_origin(text, origin, event, &end);
  if (cur->end - end > (gssize) strlen(": "))
    mt_read_answer(mt_span(end + strlen(": "), cur->end - end - strlen(": ")), event);
  return mt_span(text.at, origin - text.at);
}

static gboolean
is_subject(MtSpan quoted)
{
  return quoted.len >= 8 && mt_span_equal_nocase(mt_span(quoted.at, 8), MT_SPAN("Subject:"));
}

static void
set_subject(MtSpan quoted, MtEvent *event)
{
  if (is_subject(quoted))
    mt_event_set_text(event, MT_F_SUBJECT, mt_span_trim(mt_span(quoted.at + 8, quoted.len - 8)));
}

static MtParse
read_check_refusal(MtCursor *cur, MtEvent *event, MtWord action)
{
  MtSpan quoted = read_check(cur, event);

  if (quoted.at
      && quoted.at + quoted.len < cur->end) /* an origin was found, the rest is the header */
    set_subject(quoted, event);
  if (!mt_event_has(event, MT_F_REASON) && quoted.len)
    mt_event_set_text(event, MT_F_REASON, quoted);
  set_action(event, action);
  return MT_PARSE_MATCH;
}

static MtParse
read_refused_content(MtCursor *cur, MtEvent *event)
{
  return read_check_refusal(cur, event, action_by_prefix(prefix_of_rule(event)));
}

/* Actions after which the message goes its way. */
static MtParse
read_noted_content(MtCursor *cur, MtEvent *event)
{
  MtSpan quoted = read_check(cur, event);

  event->kind = MT_EVENT_NOTICE;
  mt_event_drop(event, MT_F_CODE);
  mt_event_drop(event, MT_F_DSN);
  if (quoted.len)
    mt_event_set_text(event, MT_F_REASON, quoted);
  return MT_PARSE_MATCH;
}

/* WARN and INFO are how one has subjects logged. */
static MtParse
read_warned_content(MtCursor *cur, MtEvent *event)
{
  MtSpan quoted;

  read_noted_content(cur, event);
  quoted = mt_event_text(event, MT_F_REASON);
  if (MT_SPAN_IS(mt_event_text(event, MT_F_STAGE), "header") && is_subject(quoted))
    {
      event->kind = MT_EVENT_HEADER;
      mt_event_drop(event, MT_F_REASON);
      set_subject(quoted, event);
    }
  return MT_PARSE_MATCH;
}

/* "milter-header-reject: header X: y from name[ip]; ..." (cleanup_milter.c) */
static MtParse
read_milter_check(MtCursor *cur, MtEvent *event)
{
  MtSpan name;
  MtWord action;

  if (!MT_SCAN_UNTIL(cur, ": ", &name))
    return MT_PARSE_SKIP;
  action = action_by_prefix(mt_span(name.at, name.len + strlen(": ")));
  if (action != MT_WORD_NONE)
    return read_check_refusal(cur, event, action);
  if (MT_SPAN_IS(name, "warning") || MT_SPAN_IS(name, "info"))
    return read_warned_content(cur, event);
  return read_noted_content(cur, event);
}

/* "removed", "removed (canceled)" (cleanup_api.c, since 3.10) */
static MtParse
read_removed(MtCursor *cur, MtEvent *event)
{
  MtSpan why;

  if (MT_SCAN(cur, " (") && mt_scan_until(cur, ')', &why))
    mt_event_set_text(event, MT_F_REASON, why);
  return MT_PARSE_MATCH;
}

/* "masquerade_exceptions map lookup problem -- message not accepted, try again later"
 * (cleanup_masquerade.c): the only one of its kind that is no warning. */
static MtParse
read_lookup_refusal(MtCursor *cur, MtEvent *event)
{
  mt_event_set_word(event, MT_F_ACTION, MT_WORD_DEFER);
  return take_line_as_reason(cur, event);
}

static const MtRule cleanup_with_id[] = {
  MT_RULE("message-id=", MESSAGE_ID, NULL, read_message_id),
  MT_RULE("resent-message-id=", NOTICE, NULL, read_message_id),
  MT_RULE("warning: ", HEADER, NULL, read_warned_content),
  MT_RULE("info: ", HEADER, NULL, read_warned_content),
  MILTER_RULES,
  MT_RULE("milter-header-", REJECT, NULL, read_milter_check),
  MT_RULE("milter-body-", REJECT, NULL, read_milter_check),
  MT_RULE("reject: ", REJECT, NULL, read_refused_content),
  MT_RULE("discard: ", REJECT, NULL, read_refused_content),
  MT_RULE("hold: ", REJECT, NULL, read_refused_content),
  MT_RULE("filter: ", REJECT, NULL, read_refused_content),
  MT_RULE("redirect: ", REJECT, NULL, read_refused_content),
  MT_RULE("pass: ", NOTICE, NULL, read_noted_content),
  MT_RULE("prepend: ", NOTICE, NULL, read_noted_content),
  MT_RULE("replace: ", NOTICE, NULL, read_noted_content),
  MT_RULE("strip: ", NOTICE, NULL, read_noted_content),
  MT_RULE("bcc: ", NOTICE, NULL, read_noted_content),
  MT_RULE("delay: ", NOTICE, NULL, read_noted_content),
  MT_RULE("removed", DEQUEUE, NULL, read_removed),
  MT_RULE("masquerade_exceptions map lookup problem", REJECT, NULL, read_lookup_refusal),
  MESSAGE_RULES,
  MT_RULES_END,
};

/* ---- qmgr, bounce, pickup, postsuper ------------------------------------ */

static MtParse
read_from(MtCursor *cur, MtEvent *event)
{
  MtSpan address;

  if (!mt_event_has(event, MT_F_SENDER) && scan_mailbox(cur, &address))
    mt_event_set_text(event, MT_F_SENDER, address);
  return MT_PARSE_MATCH;
}

static const MtKey queued_keys[] = {
  /* qmgr_message.c, opened.c */
  MT_KEY_CALL("from", read_from),
  MT_KEY("size", INTEGER, SIZE),
  MT_KEY("nrcpt", INTEGER, NRCPT),
  MT_KEYS_END,
};

/* An unquoted sender (see scan_address()) may look like more of the line.  The last
 * ">, size=" or ">, status=" is Postfix's. */
static void
reread_sender(MtSpan from, MtEvent *event)
{
  const gchar *size = mt_span_find_last(from, MT_SPAN(">, size="));
  const gchar *status = mt_span_find_last(from, MT_SPAN(">, status="));
  const gchar *at = MAX(size, status);
  MtCursor cur;

  if (!at || from.at[0] != '<')
    return;
  mt_event_drop(event, MT_F_SIZE);
  mt_event_drop(event, MT_F_NRCPT);
  cur = mt_cursor(mt_span(at + strlen(">, "), from.at + from.len - at - strlen(">, ")));
  mt_keys_walk(queued_keys, &cur, event);
  mt_event_set_text(event, MT_F_SENDER, mt_span(from.at + 1, at - from.at - 1));
}

/* "from=<a>, size=1, nrcpt=1 (queue active)", or "from=<a>, status=expired, returned to
 * sender" (qmgr_active.c; "force-expired" since 3.5) */
static MtParse
read_queued(MtCursor *cur, MtEvent *event)
{
  MtSpan sender = mt_event_text(event, MT_F_SENDER), from, status;
  MtCursor behind;

  if (!sender.at)
    return MT_PARSE_MALFORMED;
  from = mt_span(sender.at - 1, cur->end - sender.at + 1);
  if (memrchr(from.at, '>', from.len) > (const void *) (sender.at + sender.len))
    reread_sender(from, event);
  if (mt_event_has(event, MT_F_NRCPT))
    return MT_PARSE_MATCH;
  sender = mt_event_text(event, MT_F_SENDER);
  behind = mt_cursor(mt_span(sender.at + sender.len, cur->end - sender.at - sender.len));
  mt_scan_char(&behind, '>');
  if (!MT_SCAN(&behind, ", status=") || !mt_scan_token(&behind, ", ", &status)
      || !MT_SPAN_ENDS(status, "expired"))
    return MT_PARSE_MALFORMED;
  event->kind = MT_EVENT_DEQUEUE;
  MT_EVENT_SET_LITERAL(event, MT_F_REASON, "expired");
  return MT_PARSE_MATCH;
}

static const MtRule qmgr_with_id[] = {
  MT_RULE("from=<", QUEUED, queued_keys, read_queued),
  MT_RULE("removed", DEQUEUE, NULL, NULL),
  MESSAGE_RULES,
  MT_RULE("from=", QUEUED, queued_keys, read_queued),
  MT_RULE("skipped, still being delivered", NOTICE, NULL, take_line_as_reason),
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

static const MtRule bounce_with_id[] = {
  /* bounce_notify_service.c and its siblings */
  MT_RULE("sender non-delivery notification: ", NOTIFICATION, NULL, read_bounce_child),
  MT_RULE("postmaster non-delivery notification: ", NOTIFICATION, NULL, read_bounce_child),
  MT_RULE("sender delay notification: ", NOTIFICATION, NULL, read_delay_child),
  MT_RULE("postmaster delay notification: ", NOTIFICATION, NULL, read_delay_child),
  MT_RULE("sender delivery status notification: ", NOTIFICATION, NULL, read_success_child),
  MT_RULE("not sending trace/success notification", NOTICE, NULL, take_line_as_reason),
  MESSAGE_RULES,
  MT_RULES_END,
};

static const MtKey pickup_keys[] = {
  /* pickup.c */
  MT_KEY("uid", INTEGER, UID),
  MT_KEY_CALL("from", read_from),
  MT_KEY("orig_id", TOKEN, ORIG_QUEUE_ID),
  MT_KEYS_END,
};

static const MtRule pickup_with_id[] = {
  MT_RULE("uid=", ACCEPT, pickup_keys, NULL),
  MESSAGE_RULES,
  MT_RULES_END,
};

static MtParse
take_deleted(MtCursor *cur, MtEvent *event)
{
  MT_EVENT_SET_LITERAL(event, MT_F_REASON, "deleted");
  return MT_PARSE_MATCH;
}

static const MtRule postsuper_with_id[] = {
  /* postsuper.c */
  MT_RULE("removed", DEQUEUE, NULL, take_deleted),
  MT_RULE("placed on hold", HOLD, NULL, NULL),
  MT_RULE("released from hold", RELEASE, NULL, NULL),
  MT_RULE("requeued", REQUEUE, NULL, NULL),
  MT_RULE("expired", NOTICE, NULL, take_line_as_reason), /* since 3.5; qmgr says when it goes */
  MT_RULES_END,
};

static const MtRule postsuper_plain[] = {
  MT_RULE("Deleted: ", NOTICE, NULL, take_line_as_reason),
  MT_RULE("Placed on hold: ", NOTICE, NULL, take_line_as_reason),
  MT_RULE("Released from hold: ", NOTICE, NULL, take_line_as_reason),
  MT_RULE("Requeued: ", NOTICE, NULL, take_line_as_reason),
  MT_RULE("Force-expired: ", NOTICE, NULL, take_line_as_reason),
  MT_RULE("Renamed to match inode number: ", NOTICE, NULL, take_line_as_reason),
  COMMON_RULES,
  MT_RULES_END,
};

/* ---- smtp and lmtp clients: src/smtp/ ------------------------------------ */

/* "server mx[ip] said: 535 5.7.8 no" behind "SASL authentication failed; " and others: the
 * line, and the server it names, if any. */
static MtParse
read_server_refusal(MtCursor *cur, MtEvent *event)
{
  MtSpan before;

  take_line_as_reason(cur, event);
  if (MT_SCAN_UNTIL(cur, "server ", &before))
    mt_scan_peer(cur, event, &mt_relay_fields);
  return MT_PARSE_MATCH;
}

/* "TLS is required, but was not offered by host mx[ip]" (smtp_proto.c) */
static MtParse
read_tls_refusal(MtCursor *cur, MtEvent *event)
{
  MtSpan before;

  take_line_as_reason(cur, event);
  if (MT_SCAN_UNTIL(cur, "host ", &before))
    mt_scan_peer(cur, event, &mt_relay_fields);
  return MT_PARSE_MATCH;
}

/* "host mx[ip] said: ..." behind "Protocol error: " (smtp_trouble.c) */
static MtParse
read_protocol_error(MtCursor *cur, MtEvent *event)
{
  take_line_as_reason(cur, event);
  if (MT_SCAN(cur, "host "))
    mt_scan_peer(cur, event, &mt_relay_fields);
  return MT_PARSE_MATCH;
}

/* "header Subject: text[: what the table says]": smtp_header_checks and its kin, which
 * name no origin (smtp_proto.c, smtp_text_out.c; header_body_checks.c). */
static MtParse
read_sent_check(MtCursor *cur, MtEvent *event)
{
  MtSpan class;

  if (!mt_scan_until(cur, ' ', &class))
    return MT_PARSE_SKIP;
  mt_event_set_text(event, MT_F_STAGE, class);
  return take_reason(cur, event);
}

static MtParse
read_sent_warning(MtCursor *cur, MtEvent *event)
{
  if (read_sent_check(cur, event) != MT_PARSE_MATCH)
    return MT_PARSE_SKIP;
  if (!MT_SPAN_IS(mt_event_text(event, MT_F_STAGE), "header") || !is_subject(mt_cursor_rest(cur)))
    return MT_PARSE_MATCH;
  event->kind = MT_EVENT_HEADER;
  mt_event_drop(event, MT_F_REASON);
  set_subject(mt_cursor_rest(cur), event);
  return MT_PARSE_MATCH;
}

/* Why a host or a recipient is left for another try: smtp_trouble.c prints the reason,
 * made in smtp_proto.c, smtp_connect.c, smtp_sasl_proto.c, smtp_sasl_glue.c. */
static const MtRule smtp_with_id[] = {
  MESSAGE_RULES,
  MT_RULE("host ", NOTICE, NULL, take_line_and_relay),
  MT_RULE("lost connection with ", NOTICE, NULL, take_line_and_relay),
  MT_RULE("conversation with ", NOTICE, NULL, take_line_and_relay),
  MT_RULE("local data error while talking to ", NOTICE, NULL, take_line_and_relay),
  MT_RULE("Protocol error: ", NOTICE, NULL, read_protocol_error),
  MT_RULE("Cannot start TLS: ", TLS_ERROR, NULL, take_line_as_reason),
  MT_RULE("TLS is required, but ", TLS_ERROR, NULL, read_tls_refusal),
  MT_RULE("Server certificate ", TLS_ERROR, NULL, take_line_as_reason),
  MT_RULE("client TLS configuration problem", TLS_ERROR, NULL, take_line_as_reason),
  MT_RULE("Sender requires verified TLS", TLS_ERROR, NULL, take_line_as_reason),
  MT_RULE("Used TLS for ", TLS, NULL, take_relay), /* seen by other tools; not in 3.7 or 3.10 */
  MT_RULE("SASL authentication failed", NOTICE, NULL, read_server_refusal),
  MT_RULE("SASL [CACHED] authentication failed", NOTICE, NULL, read_server_refusal),
  MT_RULE("SMTPUTF8 is required, but ", NOTICE, NULL, read_tls_refusal),
  MT_RULE("message size ", NOTICE, NULL, read_server_refusal),
  MT_RULE("mail for ", NOTICE, NULL, take_line_as_reason),
  MT_RULE("unexpected server message", NOTICE, NULL, take_line_as_reason),
  MT_RULE("server unavailable or unable to receive mail", NOTICE, NULL, take_line_as_reason),
  MT_RULE("unreadable mail queue entry", NOTICE, NULL, take_line_as_reason),
  MT_RULE("unable to look up host ", NOTICE, NULL, take_line_as_reason),
  MT_RULE("improper use of 8-bit data ", NOTICE, NULL, take_line_as_reason), /* mime_state.c */
  MT_RULE("enabling PIX workarounds: ", NOTICE, NULL, take_line_and_last_relay),
  MT_RULE("breaking line > ", NOTICE, NULL, take_line_as_reason),
  MT_RULE("warning: ", NOTICE, NULL, read_sent_warning),
  MT_RULE("info: ", NOTICE, NULL, read_sent_warning),
  MT_RULE("replace: ", NOTICE, NULL, read_sent_check),
  MT_RULE("prepend: ", NOTICE, NULL, read_sent_check),
  MT_RULE("strip: ", NOTICE, NULL, read_sent_check),
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

/* "Host offered STARTTLS: [mx.example.com]" (smtp_proto.c, smtp_tls_note_starttls_offer) */
static MtParse
read_starttls_offer(MtCursor *cur, MtEvent *event)
{
  MtSpan name;

  MT_EVENT_SET_LITERAL(event, MT_F_REASON, "Host offered STARTTLS");
  if (mt_scan_until(cur, ']', &name) && name.len)
    mt_event_set_text(event, MT_F_RELAY_NAME, name);
  return MT_PARSE_MATCH;
}

static const MtRule smtp_plain[] = {
  MT_RULE("connect to ", NOTICE, NULL, read_connect_failure),
  MT_RULE("network address conversion failed: ", NOTICE, NULL, take_line_as_reason),
  MT_RULE("server configuration error", NOTICE, NULL, take_line_as_reason),
  TLS_RULES,
  TLS_ERROR_RULES(read_tls_error_relay),
  MT_RULE("discarding EHLO keywords: ", NOTICE, NULL, take_line_as_reason),
  MT_RULE("Host offered STARTTLS: [", NOTICE, NULL, read_starttls_offer),
  MT_RULE("host ", NOTICE, NULL, take_line_and_relay), /* "offers SMTPUTF8 support, but ..." */
  MT_RULE("SMTPS wrappermode ", NOTICE, NULL, take_line_as_reason),
  MT_RULE("skipping SRV lookup for ", NOTICE, NULL, take_line_as_reason), /* since 3.8 */
  VERBOSE_RULES(take_relay),
  SHARED_RULES,
  TROUBLE_RULES(read_relay_trouble),
  MT_RULE("", NOTICE, NULL, read_relay_note),
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
  take_prefix_as_reason(cur, event);
  return read_screen_client(cur, event);
}

/* "HANGUP after 0.5 from [ip]:port in tests ...", "DNSBL rank 3 for [ip]:port", "COMMAND
 * TIME LIMIT from [ip]:port after AUTH": the reason is what stands before the client.
 * "PREGREET 11 after 0.2 from [ip]:port: EHLO": what it said is not kept. */
static MtParse
read_screen_trouble(MtCursor *cur, MtEvent *event)
{
  const gchar *start = cur->at - prefix_of_rule(event).len;
  MtCursor line = { start, cur->end };
  MtSpan before;

  if (!MT_SCAN_UNTIL(&line, " from [", &before) && !MT_SCAN_UNTIL(&line, " for [", &before))
    return MT_PARSE_SKIP;
  mt_event_set_text(event, MT_F_REASON, before);
  line.at--;
  *cur = line;
  return read_screen_client(cur, event);
}

/* As before, and Postfix's own name of the command behind " after ". */
static MtParse
read_screen_limit(MtCursor *cur, MtEvent *event)
{
  MtSpan stage;

  if (read_screen_trouble(cur, event) != MT_PARSE_MATCH)
    return MT_PARSE_SKIP;
  if (MT_SCAN(cur, " after ") && scan_word(cur, &stage))
    mt_event_set_text(event, MT_F_STAGE, stage);
  return MT_PARSE_MATCH;
}

/* "RCPT from [ip]:port: 550 5.7.1 ...; from=<a>, to=<b>, proto=ESMTP, helo=<c>",
 * "CONNECT from [ip]:port: too many connections": the latter are told 421 (postscreen.c). */
static MtParse
read_screen_reject(MtCursor *cur, MtEvent *event)
{
  MtSpan stage;

  if (!MT_SCAN_UNTIL(cur, " from ", &stage)
      || !scan_ip_port(cur, event, MT_F_CLIENT_IP, MT_F_CLIENT_PORT) || !MT_SCAN(cur, ": "))
    return MT_PARSE_SKIP;
  mt_event_set_text(event, MT_F_STAGE, stage);
  mt_read_answer(read_envelope(mt_cursor_rest(cur), event, scan_screen_envelope), event);
  set_action(event,
             mt_span_equal_nocase(stage, MT_SPAN("CONNECT")) ? MT_WORD_DEFER : MT_WORD_REJECT);
  return MT_PARSE_MATCH;
}

/* "192.0.2.1]:41000: replacing command "..." with "..."", "192.0.2.1]41000: discarding EHLO
 * keywords: CHUNKING" (postscreen_smtpd.c, without the ':') */
static MtParse
read_screen_note(MtCursor *cur, MtEvent *event)
{
  MtSpan ip;
  guint64 port;

  if (!mt_scan_until(cur, ']', &ip))
    return MT_PARSE_SKIP;
  mt_scan_char(cur, ':');
  if (!mt_event_set_ip(event, MT_F_CLIENT_IP, ip) || !mt_scan_u64(cur, &port)
      || !MT_SCAN(cur, ": "))
    return MT_PARSE_SKIP;
  mt_event_set_number(event, MT_F_CLIENT_PORT, port);
  if (MT_SPAN_STARTS(mt_cursor_rest(cur), "discarding EHLO keywords: "))
    return take_reason(cur, event);
  if (!MT_SPAN_STARTS(mt_cursor_rest(cur), "replacing command "))
    return MT_PARSE_SKIP;
  MT_EVENT_SET_LITERAL(event, MT_F_REASON, "replacing command");
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
  MT_RULE("ALLOWLISTED ", NOTICE, NULL, read_screen_decision), /* since 3.6 */
  MT_RULE("WHITELISTED ", NOTICE, NULL, read_screen_decision),
  MT_RULE("DENYLISTED ", NOTICE, NULL, read_screen_decision), /* since 3.6 */
  MT_RULE("BLACKLISTED ", NOTICE, NULL, read_screen_decision),
  MT_RULE("ALLOWLIST VETO ", NOTICE, NULL, read_screen_decision), /* since 3.6 */
  MT_RULE("WHITELIST VETO ", NOTICE, NULL, read_screen_decision),
  MT_RULE("BARE NEWLINE ", NOTICE, NULL, read_screen_trouble),
  MT_RULE("BDAT without valid RCPT ", NOTICE, NULL, read_screen_trouble),
  MT_RULE("DATA without valid RCPT ", NOTICE, NULL, read_screen_trouble),
  MT_RULE("COMMAND COUNT LIMIT ", NOTICE, NULL, read_screen_limit),
  MT_RULE("COMMAND LENGTH LIMIT ", NOTICE, NULL, read_screen_limit),
  MT_RULE("COMMAND TIME LIMIT ", NOTICE, NULL, read_screen_limit),
  MT_RULE("COMMAND PIPELINING ", NOTICE, NULL, read_screen_trouble),
  MT_RULE("NON-SMTP COMMAND ", NOTICE, NULL, read_screen_trouble),
  MT_RULE("entering STRESS mode ", NOTICE, NULL, take_line_as_reason),
  MT_RULE("leaving STRESS mode ", NOTICE, NULL, take_line_as_reason),
  MT_RULE("[", NOTICE, NULL, read_screen_note),
  COMMON_RULES,
  MT_RULES_END,
};

/* "192.0.2.7 listed by domain zen.example as 127.0.0.4" (dnsblog.c) */
static MtParse
read_listing(MtCursor *cur, MtEvent *event)
{
  MtSpan ip;

  if (!mt_scan_token(cur, " ", &ip) || !MT_SCAN(cur, " listed by domain "))
    return MT_PARSE_SKIP;
  mt_event_set_ip(event, MT_F_CLIENT_IP, ip);
  return take_reason(cur, event);
}

static const MtRule dnsblog_plain[] = {
  MT_RULE("addr ", NOTICE, NULL, read_listing),
  COMMON_RULES,
  MT_RULES_END,
};

/* "TLS handshake failed for service=smtpd peer=[192.0.2.7]:1234" (tlsproxy_state.c) */
static MtParse
read_handshake_failure(MtCursor *cur, MtEvent *event)
{
  MtSpan service;

  take_line_as_reason(cur, event);
  if (!MT_SCAN_UNTIL(cur, " peer=", &service))
    return MT_PARSE_SKIP;
  mt_scan_peer(cur, event, proxied_peer(cur));
  return MT_PARSE_MATCH;
}

/* "CONNECT from [ip]:port": the reason is the first word. */
static MtParse
read_proxied_peer(MtCursor *cur, MtEvent *event)
{
  MtCursor prefix = mt_cursor(prefix_of_rule(event));
  MtSpan word;

  if (mt_scan_token(&prefix, " ", &word))
    mt_event_set_text(event, MT_F_REASON, word);
  return mt_scan_peer(cur, event, proxied_peer(cur)) ? MT_PARSE_MATCH : MT_PARSE_SKIP;
}

/* One connection is connect for postscreen or smtpd already: no second one here. */
static const MtRule tlsproxy_plain[] = {
  MT_RULE("CONNECT from ", NOTICE, NULL, read_proxied_peer),
  MT_RULE("CONNECT to ", NOTICE, NULL, read_proxied_peer), /* since 3.4 */
  MT_RULE("DISCONNECT ", NOTICE, NULL, read_proxied_peer),
  MT_RULE("TLS handshake failed for ", TLS_ERROR, NULL, read_handshake_failure),
  TLS_RULES,
  TLS_ERROR_RULES(read_tls_error_proxied),
  COMMON_RULES,
  MT_RULE("", NOTICE, NULL, read_proxied_note),
  MT_RULES_END,
};

/* ---- the rest ------------------------------------------------------------- */

/* tlsmgr.c, tls_prng_egd.c; tls_scache.c at loglevel 2 */
static const MtRule tlsmgr_plain[] = {
  MT_RULE("cannot read ", NOTICE, NULL, take_line_as_reason),
  MT_RULE("cannot write to EGD server ", NOTICE, NULL, take_line_as_reason),
  MT_RULE("EGD server ", NOTICE, NULL, take_line_as_reason),
  MT_RULE("exiting to reopen external entropy source ", NOTICE, NULL, take_line_as_reason),
  MT_RULE("lost connection to EGD server ", NOTICE, NULL, take_line_as_reason),
  MT_RULE("TLS support is not compiled in", NOTICE, NULL, take_line_as_reason),
  COMMON_RULES,
  MT_RULE("open ", NOTICE, NULL, take_line_as_reason),
  MT_RULE("close ", NOTICE, NULL, take_line_as_reason),
  MT_RULE("lookup ", NOTICE, NULL, take_line_as_reason),
  MT_RULE("put ", NOTICE, NULL, take_line_as_reason),
  MT_RULE("delete ", NOTICE, NULL, take_line_as_reason),
  MT_RULE("read ", NOTICE, NULL, take_line_as_reason),
  MT_RULE("write ", NOTICE, NULL, take_line_as_reason),
  MT_RULES_END,
};

/* Programs whose every line is for the operator alone. */
static const MtRule operator_plain[] = {
  MT_RULE("", NOTICE, NULL, take_line_as_reason),
  MT_RULES_END,
};

#define DAEMON(name, with_id, plain) \
  { \
    MT_SPAN_INIT(name), with_id, plain \
  }

/* By name, as bsearch() wants it. */
static const Daemon daemons[] = {
  DAEMON("anvil", NULL, common_plain),
  DAEMON("bounce", bounce_with_id, common_plain),
  DAEMON("cleanup", cleanup_with_id, common_plain),
  DAEMON("defer", bounce_with_id, common_plain),
  DAEMON("discard", message_with_id, common_plain),
  DAEMON("dnsblog", NULL, dnsblog_plain),
  DAEMON("error", message_with_id, common_plain),
  DAEMON("flush", NULL, common_plain),
  DAEMON("lmtp", smtp_with_id, smtp_plain),
  DAEMON("local", message_with_id, common_plain),
  DAEMON("master", NULL, operator_plain),
  DAEMON("nqmgr", qmgr_with_id, common_plain),
  DAEMON("oqmgr", qmgr_with_id, common_plain),
  DAEMON("pickup", pickup_with_id, common_plain),
  DAEMON("pipe", message_with_id, common_plain),
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
  DAEMON("qmqpd", qmqpd_with_id, smtpd_plain),
  DAEMON("retry", message_with_id, common_plain),
  DAEMON("scache", NULL, common_plain),
  DAEMON("sendmail", NULL, operator_plain),
  DAEMON("showq", NULL, common_plain),
  DAEMON("smtp", smtp_with_id, smtp_plain),
  DAEMON("smtpd", smtpd_with_id, smtpd_plain),
  DAEMON("spawn", NULL, common_plain),
  DAEMON("tlsmgr", NULL, tlsmgr_plain),
  DAEMON("tlsproxy", NULL, tlsproxy_plain),
  DAEMON("trace", bounce_with_id, common_plain),
  DAEMON("trivial-rewrite", NULL, common_plain),
  DAEMON("verify", message_with_id, common_plain),
  DAEMON("virtual", message_with_id, common_plain),
};

/* Some collectors cut the program down to "postfix": then the text tells the daemon.
 * Refusals of smtpd come first, which cleanup's looser readers would take. */
static const Daemon nameless_daemon = DAEMON("", NULL, NULL);

static const Daemon nameless_tables[] = {
  DAEMON("", smtpd_with_id, smtpd_plain),   DAEMON("", cleanup_with_id, common_plain),
  DAEMON("", smtp_with_id, smtp_plain),     DAEMON("", qmgr_with_id, common_plain),
  DAEMON("", bounce_with_id, common_plain), DAEMON("", pickup_with_id, common_plain),
  DAEMON("", NULL, postscreen_plain),       DAEMON("", NULL, dnsblog_plain),
  DAEMON("", NULL, tlsproxy_plain),         DAEMON("", postsuper_with_id, postsuper_plain),
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

  if (MT_SPAN_IS(program, "postfix"))
    {
      claim->daemon = &nameless_daemon;
      claim->strength = MT_CLAIM_NAME;
      return;
    }
  if (!slash || slash == program.at
      || MT_SPAN_STARTS(program, "cyrus/")) /* Debian's Cyrus: "cyrus/lmtp", "cyrus/master" */
    return;
  name = mt_span(slash + 1, program.at + program.len - slash - 1);
  claim->daemon = bsearch(&name, daemons, G_N_ELEMENTS(daemons), sizeof daemons[0], compare_daemon);
  if (claim->daemon)
    claim->strength = MT_CLAIM_NAME;
}

static MtParse
parse_as(const Daemon *daemon, MtSpan text, MtEvent *event)
{
  MtCursor cur = mt_cursor(text);
  MtParse parse;

  if (daemon->with_id && scan_id_prefix(&cur, event))
    {
      parse = mt_rules_apply(daemon->with_id, mt_cursor_rest(&cur), event);
      if (parse == MT_PARSE_MATCH && event->kind == MT_EVENT_DELIVERY)
        finish_delivery(daemon, event);
      if (parse != MT_PARSE_SKIP)
        return parse;
      mt_event_drop(event, MT_F_QUEUE_ID);
    }
  return mt_rules_apply(daemon->plain, text, event);
}

static MtParse
parse(const MtLine *line, const MtClaim *claim, MtEvent *event)
{
  if (claim->daemon != &nameless_daemon)
    return parse_as(claim->daemon, line->text, event);
  for (guint i = 0; i < G_N_ELEMENTS(nameless_tables); i++)
    {
      MtParse parse = parse_as(&nameless_tables[i], line->text, event);

      mt_event_drop(event, MT_F_TRANSPORT);
      if (parse == MT_PARSE_MATCH)
        return parse;
      event->has[0] = event->has[1] = 0;
    }
  return MT_PARSE_SKIP;
}

static const MtRule *const all_rules[] = {
  smtpd_with_id,
  smtpd_plain,
  qmqpd_with_id,
  trouble_rules,
  message_trouble_rules,
  cleanup_with_id,
  qmgr_with_id,
  bounce_with_id,
  pickup_with_id,
  smtp_with_id,
  smtp_plain,
  postsuper_with_id,
  postsuper_plain,
  postscreen_plain,
  dnsblog_plain,
  tlsproxy_plain,
  tlsmgr_plain,
  message_with_id,
  common_plain,
  operator_plain,
  NULL,
};

const MtDialect mt_dialect_postfix = {
  .name = "postfix",
  .claim = claim,
  .parse = parse,
  .rules = all_rules,
};
