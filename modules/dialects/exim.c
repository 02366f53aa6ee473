/* exim.c: the lines of Exim 4.80 to 4.99
 *
 * Layer: dialects.  Concurrency: any thread; no state.
 *
 * The literals are those of Exim's own sources (src/ of 4.96, the file named beside each
 * table); the fixture says which version prints what.  mainlog, rejectlog and paniclog have
 * one form, in files and in syslog; a message ID in front says which message is meant.
 *
 * Hostile text.  log.c makes control characters printable, so a line is a line.  A HELO
 * name holds letters, digits, '.', '-', '_' (smtp_in.c, check_helo()) or stands in brackets,
 * unless helo_accept_junk_hosts lets anything in: the first address behind it counts, and a
 * HELO name in which parentheses come in pairs ends where they do.  A quoted local part
 * loses its quotes in "=>", "**" and "==" (deliver.c, deliver_split_address()) and may then
 * look like more of the line: the keys begin where all that follows is keys, in the order
 * in which Exim writes them and none twice, up to the very end.
 */
#include "dialects/dialect.h"

/* Places tried for the end of a text that may look like keys; an address is at most 320
 * bytes long, an ident string 127. */
#define MAX_TRIES 64

/* ---- pieces --------------------------------------------------------------- */

/* string.c, string_base62(): six digits of time, six (since 4.97 eleven) of the process,
 * two (four) of the fraction of a second. */
static gboolean
scan_id(MtCursor *cur, MtSpan *out)
{
  MtCursor try = *cur;
  MtSpan time, process, fraction;

  if (!mt_scan_class(&try, MT_CHAR_ALNUM, &time) || time.len != 6 || !mt_scan_char(&try, '-')
      || !mt_scan_class(&try, MT_CHAR_ALNUM, &process) || !mt_scan_char(&try, '-')
      || !mt_scan_class(&try, MT_CHAR_ALNUM, &fraction))
    return FALSE;
  if (!(process.len == 6 && fraction.len == 2) && !(process.len == 11 && fraction.len == 4))
    return FALSE;
  *out = mt_span(cur->at, try.at - cur->at);
  *cur = try;
  return TRUE;
}

/* "text", where '\' takes the next byte's meaning. */
static gboolean
scan_quoted(MtCursor *cur, MtSpan *out)
{
  MtCursor try = *cur;

  if (!mt_scan_char(&try, '"'))
    return FALSE;
  while (try.at < try.end && *try.at != '"')
    try.at += *try.at == '\\' && try.end - try.at > 1 ? 2 : 1;
  if (try.at >= try.end)
    return FALSE;
  *out = mt_span(cur->at + 1, try.at - cur->at - 1);
  try.at++;
  *cur = try;
  return TRUE;
}

/* An address or Message-ID: no space but in a quoted local part. */
static gboolean
scan_address(MtCursor *cur, MtSpan *out)
{
  MtCursor try = *cur;
  MtSpan part;

  if (!scan_quoted(&try, &part) && !mt_scan_token(&try, " \"", &part))
    return FALSE;
  mt_scan_token(&try, " \"", &part);
  if (try.at < try.end && *try.at != ' ')
    return FALSE;
  *out = mt_span(cur->at, try.at - cur->at);
  *cur = try;
  return TRUE;
}

/* "(text)", to the parenthesis that closes the first. */
static gboolean
scan_parentheses(MtCursor *cur, MtSpan *out)
{
  gint open = 0;

  for (const gchar *at = cur->at; at < cur->end; at++)
    {
      open += *at == '(' ? 1 : *at == ')' ? -1 : 0;
      if (open)
        continue;
      if (at == cur->at)
        return FALSE;
      *out = mt_span(cur->at + 1, at - cur->at - 1);
      cur->at = at + 1;
      return TRUE;
    }
  return FALSE;
}

/* "[192.0.2.1]" or "[192.0.2.1]:25"; what is no number there is a port that was masked. */
static gboolean
scan_endpoint(MtCursor *cur, MtEvent *event, MtField ip_field, MtField port_field)
{
  MtCursor try = *cur;
  MtSpan ip, text;
  guint64 port;

  if (!mt_scan_char(&try, '[') || !mt_scan_until(&try, ']', &ip) || memchr(ip.at, ' ', ip.len))
    return FALSE;
  mt_event_set_ip(event, ip_field, ip);
  *cur = try;
  if (mt_scan_char(&try, ':') && mt_scan_class(&try, MT_CHAR_ALNUM | MT_CHAR_KEY, &text))
    {
      if (mt_span_to_u64(text, &port) && port <= 65535)
        mt_event_set_number(event, port_field, port);
      *cur = try;
    }
  return TRUE;
}

/* "name (helo) [ip]:port": host.c, host_build_sender_fullhost(); the name is there if the
 * DNS confirms it, HELO if it says something else.  "DS" with log_selector dnssec. */
static gboolean
scan_host(MtCursor *cur, MtEvent *event)
{
  MtCursor try = *cur;
  MtSpan name = MT_NO_SPAN, helo = MT_NO_SPAN;

  if (mt_cursor_peek(&try) != '(' && mt_cursor_peek(&try) != '['
      && (!mt_scan_token(&try, " ", &name) || !mt_scan_char(&try, ' ')))
    return FALSE;
  MT_SCAN(&try, "DS ");
  if (mt_cursor_peek(&try) == '(' && (!scan_parentheses(&try, &helo) || !mt_scan_char(&try, ' ')))
    return FALSE;
  if (!scan_endpoint(&try, event, MT_F_CLIENT_IP, MT_F_CLIENT_PORT))
    return FALSE;
  if (name.len)
    mt_event_set_text(event, MT_F_CLIENT_NAME, name);
  if (helo.len)
    mt_event_set_text(event, MT_F_HELO, helo);
  *cur = try;
  return TRUE;
}

/* A host that we talk to, not one that talks to us. */
static void
make_relay(MtEvent *event)
{
  static const MtField pairs[][2] = {
    { MT_F_CLIENT_NAME, MT_F_RELAY_NAME },
    { MT_F_CLIENT_IP, MT_F_RELAY_IP },
    { MT_F_CLIENT_PORT, MT_F_RELAY_PORT },
  };

  for (guint i = 0; i < G_N_ELEMENTS(pairs); i++)
    if (mt_event_has(event, pairs[i][0]))
      {
        *mt_event_add(event, pairs[i][1]) = event->value[pairs[i][0]];
        mt_event_drop(event, pairs[i][0]);
      }
}

/* readconf.c, readconf_printtime(): "1w2d3h4m5s", "0.123s" */
static gboolean
scan_time(MtCursor *cur, gint64 *out_us)
{
  static const struct
  {
    gchar unit;
    gint64 s;
  } units[] = { { 'w', 604800 }, { 'd', 86400 }, { 'h', 3600 }, { 'm', 60 }, { 's', 1 } };
  gint64 part_us, sum = 0;
  MtCursor try = *cur;

  for (guint i = 0; i < G_N_ELEMENTS(units); i++)
    {
      MtCursor here = try;

      if (mt_scan_duration(&here, &part_us) && mt_scan_char(&here, units[i].unit)
          && part_us < G_MAXINT64 / 1000000 / 1000)
        {
          sum += part_us * units[i].s;
          try = here;
        }
    }
  if (try.at == cur->at)
    return FALSE;
  *out_us = sum;
  *cur = try;
  return TRUE;
}

/* ---- keys --------------------------------------------------------------------- */

typedef gboolean (*Scan)(MtCursor *cur, MtEvent *event);

/* One key; tables hold them in the order in which Exim writes them. */
typedef struct
{
  MtSpan name;
  Scan scan;
} Item;

#define ITEM(name, scan) \
  { \
    MT_SPAN_INIT(name), scan \
  }
#define ITEMS_END \
  { \
    { NULL, 0 }, NULL \
  }

/* A value up to the next space, or to the ':' that prose begins with. */
static gboolean
scan_value(MtCursor *cur, MtSpan *out)
{
  const gchar *start = cur->at;
  const gchar *space = start < cur->end ? memchr(start, ' ', cur->end - start) : NULL;

  cur->at = space ? space : cur->end;
  *out = mt_span(start, cur->at - start);
  if (!out->len)
    return FALSE;
  if (out->len > 1 && cur->at[-1] == ':')
    {
      cur->at--;
      out->len--;
    }
  return TRUE;
}

static gboolean
item_text(MtCursor *cur, MtEvent *event, MtField field)
{
  MtSpan text;

  if (!scan_value(cur, &text))
    return FALSE;
  mt_event_set_text(event, field, text);
  return TRUE;
}

static gboolean
item_protocol(MtCursor *cur, MtEvent *event)
{
  return item_text(cur, event, MT_F_PROTOCOL);
}

static gboolean
item_transport(MtCursor *cur, MtEvent *event)
{
  return item_text(cur, event, MT_F_TRANSPORT);
}

static gboolean
pass_value(MtCursor *cur, MtEvent *event)
{
  MtSpan text;

  return scan_value(cur, &text);
}

static gboolean
pass_quoted(MtCursor *cur, MtEvent *event)
{
  MtSpan text;

  return scan_quoted(cur, &text);
}

static gboolean
pass_angle(MtCursor *cur, MtEvent *event)
{
  MtSpan text;

  return mt_scan_angle(cur, &text);
}

/* A queue's name; what holds an '@' is the rest of an address. */
static gboolean
pass_queue(MtCursor *cur, MtEvent *event)
{
  MtSpan text;

  return scan_value(cur, &text) && !memchr(text.at, '@', text.len);
}

static gboolean
item_sender(MtCursor *cur, MtEvent *event)
{
  MtSpan text;

  if (!mt_scan_angle(cur, &text))
    return FALSE;
  mt_event_set_text(event, MT_F_SENDER, text);
  return TRUE;
}

static gboolean
item_client(MtCursor *cur, MtEvent *event)
{
  return scan_host(cur, event);
}

/* "name [ip]:port*"; a local transport has the name alone. */
static gboolean
item_relay(MtCursor *cur, MtEvent *event)
{
  MtSpan name;

  if (!scan_value(cur, &name))
    return FALSE;
  mt_event_set_text(event, MT_F_RELAY_NAME, name);
  MT_SCAN(cur, " DS");
  if (mt_cursor_left(cur) > 1 && cur->at[1] == '[')
    {
      cur->at++;
      if (!scan_endpoint(cur, event, MT_F_RELAY_IP, MT_F_RELAY_PORT))
        return FALSE;
    }
  mt_scan_char(cur, '*');
  return TRUE;
}

static gboolean
item_interface(MtCursor *cur, MtEvent *event)
{
  return scan_endpoint(cur, event, MT_F_LOCAL_IP, MT_F_LOCAL_PORT);
}

/* Behind a host stands what its ident server says; without one, the local user. */
static void
set_user(MtEvent *event, MtSpan user)
{
  if (!mt_event_has(event, MT_F_CLIENT_IP) && !mt_event_has(event, MT_F_CLIENT_NAME)
      && !mt_event_has(event, MT_F_HELO))
    mt_event_set_text(event, MT_F_ACCOUNT, user);
}

static gboolean
item_user(MtCursor *cur, MtEvent *event)
{
  MtSpan user;

  if (!scan_value(cur, &user))
    return FALSE;
  set_user(event, user);
  return TRUE;
}

/* "TLS1.3:TLS_AES_256_GCM_SHA384:256", a '*' behind a session that was resumed */
static gboolean
item_cipher(MtCursor *cur, MtEvent *event)
{
  MtSpan text, version, rest;
  MtCursor inside;

  if (!scan_value(cur, &text))
    return FALSE;
  mt_event_set_number(event, MT_F_TLS, TRUE);
  inside = mt_cursor(text);
  if (mt_scan_until(&inside, ':', &version))
    {
      mt_event_set_text(event, MT_F_TLS_VERSION, version);
      if (mt_scan_token(&inside, ":", &rest))
        mt_event_set_text(event, MT_F_CIPHER, rest);
    }
  return TRUE;
}

/* "login:bob@example.com", with log_selector smtp_mailauth ":sender" behind */
static gboolean
item_auth(MtCursor *cur, MtEvent *event)
{
  MtSpan text, part;
  MtCursor inside;

  if (!scan_value(cur, &text))
    return FALSE;
  inside = mt_cursor(text);
  if (mt_scan_token(&inside, ":", &part))
    mt_event_set_text(event, MT_F_AUTH_METHOD, part);
  if (mt_scan_char(&inside, ':') && mt_scan_token(&inside, ":", &part))
    mt_event_set_text(event, MT_F_AUTH_USER, part);
  return TRUE;
}

static gboolean
item_size(MtCursor *cur, MtEvent *event)
{
  MtSpan text;
  guint64 size;

  if (!scan_value(cur, &text))
    return FALSE;
  if (mt_span_to_u64(text, &size))
    mt_event_set_number(event, MT_F_SIZE, size);
  return mt_span_is_all(text, MT_CHAR_ALNUM);
}

static gboolean
item_message_id(MtCursor *cur, MtEvent *event)
{
  MtSpan text;

  if (!scan_address(cur, &text))
    return FALSE;
  mt_event_set_text(event, MT_F_MESSAGE_ID, text);
  return TRUE;
}

static gboolean
item_subject(MtCursor *cur, MtEvent *event)
{
  MtSpan text;

  if (!scan_quoted(cur, &text))
    return FALSE;
  mt_event_set_text(event, MT_F_SUBJECT, text);
  return TRUE;
}

static gboolean
item_reference(MtCursor *cur, MtEvent *event)
{
  MtSpan text;

  if (!scan_value(cur, &text))
    return FALSE;
  if (!mt_event_text(event, MT_F_SENDER).len)
    {
      mt_event_set_text(event, MT_F_ORIG_QUEUE_ID, text);
      mt_event_set_word(event, MT_F_KIND, MT_WORD_BOUNCE);
    }
  return TRUE;
}

/* " for a@example.com b@example.com": log_selector received_recipients, to the end */
static gboolean
item_recipients(MtCursor *cur, MtEvent *event)
{
  MtSpan address;
  gint64 count = 0;

  do
    {
      if (!scan_address(cur, &address) || !memchr(address.at, '@', address.len))
        return FALSE;
      if (!count++)
        mt_event_set_text(event, MT_F_RECIPIENT, address);
    }
  while (mt_scan_char(cur, ' '));
  mt_event_set_number(event, MT_F_NRCPT, count);
  if (count > 1)
    mt_event_drop(event, MT_F_RECIPIENT);
  return TRUE;
}

static gboolean
item_reply(MtCursor *cur, MtEvent *event)
{
  MtSpan text;

  if (!scan_quoted(cur, &text))
    return FALSE;
  mt_event_set_text(event, MT_F_REPLY, text);
  return TRUE;
}

static gboolean
item_queue_time(MtCursor *cur, MtEvent *event)
{
  gint64 us;

  if (!scan_time(cur, &us))
    return FALSE;
  mt_event_set_number(event, MT_F_DELAY, us);
  return TRUE;
}

/* A key of a later version, "Xy=value" or "Xy=\"value\"", or a mark, "PRDR", "L*", "K". */
static gboolean
scan_unknown(MtCursor *cur)
{
  const gchar *start = cur->at;
  MtSpan value;

  if (cur->at >= cur->end || *cur->at < 'A' || *cur->at > 'Z')
    return FALSE;
  while (cur->at < cur->end && cur->at - start < 8
         && (mt_is_class(*cur->at, MT_CHAR_ALNUM) || strchr("*.-", *cur->at)))
    cur->at++;
  if (mt_cursor_peek(cur) != '=')
    return (cur->at == cur->end || *cur->at == ' ') && mt_is_class(*start, MT_CHAR_ALNUM);
  cur->at++;
  return mt_cursor_peek(cur) == '"'   ? scan_quoted(cur, &value)
         : mt_cursor_peek(cur) == '<' ? mt_scan_angle(cur, &value)
                                      : scan_value(cur, &value);
}

static const Item *
find_item(const Item *items, MtSpan rest)
{
  for (; items->name.at; items++)
    if (mt_span_starts(rest, items->name))
      return items;
  return NULL;
}

/* Text that follows keys: ": text", " : text", " words", " RCPT <a>: discarded". */
static gboolean
is_text(const MtCursor *cur)
{
  MtSpan rest = mt_cursor_rest(cur);

  return MT_SPAN_STARTS(rest, ": ") || MT_SPAN_STARTS(rest, " : ") || MT_SPAN_IS(rest, ":")
         || MT_SPAN_STARTS(rest, " RCPT <")
         || (rest.len > 1 && rest.at[0] == ' ' && mt_is_class(rest.at[1], MT_CHAR_LOWER));
}

/* Reads "key=value key=value" as far as it goes.  @text: prose may follow.
 * Returns: TRUE if what was read is all there, each key in its place. */
static gboolean
scan_items(const Item *items, gboolean text, MtCursor *cur, MtEvent *event)
{
  const gchar *start = cur->at;
  const Item *next = items;

  while (cur->at < cur->end)
    {
      MtCursor try = *cur;
      const Item *item;

      if (!mt_scan_char(&try, ' ') && cur->at != start)
        return text && is_text(cur);
      item = find_item(items, mt_cursor_rest(&try));
      if (item)
        {
          try.at += item->name.len;
          if (item < next || !item->scan(&try, event))
            return FALSE;
          next = item + 1;
        }
      else if (text && is_text(cur))
        return TRUE;
      else if (!scan_unknown(&try))
        return FALSE;
      *cur = try;
    }
  return TRUE;
}

/* The next place where " key=" or prose may begin, behind a quoted local part. */
static gboolean
next_start(MtCursor *cur, gboolean text)
{
  MtSpan quoted;

  for (cur->at++; cur->at < cur->end; cur->at++)
    {
      MtSpan rest = mt_cursor_rest(cur);

      if (*cur->at != ' ' && *cur->at != ':' && *cur->at != '"')
        continue;
      if (*cur->at == '"' && strchr(" <", cur->at[-1]) && scan_quoted(cur, &quoted))
        {
          cur->at--;
          continue;
        }
      if (text && (MT_SPAN_STARTS(rest, ": ") || MT_SPAN_STARTS(rest, " : ")))
        return TRUE;
      if (rest.len > 2 && rest.at[0] == ' ' && rest.at[1] >= 'A' && rest.at[1] <= 'Z'
          && rest.at[2] == '=')
        return TRUE;
      if (text && (MT_SPAN_STARTS(rest, " defer (") || MT_SPAN_STARTS(rest, " routing defer (")))
        return TRUE;
    }
  return FALSE;
}

/* "address keys": the keys begin at the first place from which they go on to the end (or
 * to prose).  Failing that, at the first that looks like one.
 * Returns: the address; the cursor is behind the keys. */
static MtSpan
scan_keyed(const Item *items, gboolean text, MtCursor *cur, MtEvent *event)
{
  guint64 has[2] = { event->has[0], event->has[1] };
  MtCursor start = *cur, first = { NULL, NULL }, try;
  MtSpan quoted;

  if (mt_cursor_peek(&start) == '"' && scan_quoted(&start, &quoted))
    start.at--;
  for (guint i = 0; i < MAX_TRIES && next_start(&start, text); i++)
    {
      MtSpan address = mt_span(cur->at, start.at - cur->at);

      try = start;
      if (!first.at)
        first = start;
      if (scan_items(items, text, &try, event))
        {
          *cur = try;
          return address;
        }
      event->has[0] = has[0];
      event->has[1] = has[1];
    }
  if (!first.at)
    first.at = first.end = cur->end;
  quoted = mt_span(cur->at, first.at - cur->at);
  *cur = first;
  scan_items(items, text, cur, event);
  return quoted;
}

/* ---- received: receive.c ----------------------------------------------------- */

static const Item behind_user_items[];

/* The ident string may hold anything; the protocol always follows it. */
static gboolean
item_ident(MtCursor *cur, MtEvent *event)
{
  guint64 has[2] = { event->has[0], event->has[1] };
  MtCursor start = *cur;
  MtSpan before;

  for (guint i = 0; i < MAX_TRIES && MT_SCAN_UNTIL(&start, " P=", &before); i++)
    {
      MtCursor try = { start.at - strlen(" P="), cur->end };
      MtSpan user = mt_span(cur->at, try.at - cur->at);

      if (scan_items(behind_user_items, FALSE, &try, event))
        {
          set_user(event, user);
          *cur = try;
          return TRUE;
        }
      event->has[0] = has[0];
      event->has[1] = has[1];
    }
  return item_user(cur, event);
}

#define BEHIND_USER \
  ITEM("P=", item_protocol), ITEM("X=", item_cipher), ITEM("CV=", pass_value), \
      ITEM("DN=", pass_quoted), ITEM("SNI=", pass_value), ITEM("A=", item_auth), \
      ITEM("PRX=", pass_value), ITEM("S=", item_size), ITEM("M8S=", pass_value), \
      ITEM("DKIM=", pass_value), ITEM("RT=", pass_value), ITEM("Q=", pass_value), \
      ITEM("id=", item_message_id), ITEM("id*=", item_message_id), ITEM("T=", item_subject), \
      ITEM("from ", pass_angle), ITEM("for ", item_recipients), ITEMS_END

static const Item behind_user_items[] = { BEHIND_USER };

static const Item received_items[] = {
  ITEM("R=", item_reference),
  ITEM("H=", item_client),
  ITEM("I=", item_interface),
  ITEM("U=", item_ident),
  BEHIND_USER,
};

/* What one line says of a message that came in: three events. */
static MtParse
read_received(MtCursor *cur, MtEvent *event)
{
  static const MtField queued[] = { MT_F_QUEUE_ID, MT_F_SENDER, MT_F_SIZE, MT_F_NRCPT,
                                    MT_FIELD_COUNT };
  static const MtField identified[] = { MT_F_QUEUE_ID, MT_F_MESSAGE_ID, MT_FIELD_COUNT };
  gboolean has_id;
  MtSpan sender;

  if (MT_SCAN(cur, "<>"))
    sender = mt_span(cur->at, 0);
  else if (!scan_address(cur, &sender))
    return MT_PARSE_SKIP;
  mt_event_set_text(event, MT_F_SENDER, sender);
  scan_items(received_items, FALSE, cur, event);
  has_id = mt_event_has(event, MT_F_MESSAGE_ID);
  event->parts = 2 + has_id;
  if (event->part == 1)
    mt_event_keep(event, MT_EVENT_QUEUED, queued);
  else if (event->part == 2 && has_id)
    mt_event_keep(event, MT_EVENT_MESSAGE_ID, identified);
  return MT_PARSE_MATCH;
}

/* ---- deliveries: deliver.c ----------------------------------------------------- */

static const Item delivered_items[] = {
  /* delivery_log(), d_hostlog(), d_tlslog() */
  ITEM("F=", pass_angle),       ITEM("Q=", pass_queue),     ITEM("P=", pass_angle),
  ITEM("R=", pass_value),       ITEM("T=", item_transport), ITEM("S=", item_size),
  ITEM("H=", item_relay),       ITEM("PRX=", pass_value),   ITEM("I=", item_interface),
  ITEM("X=", item_cipher),      ITEM("CV=", pass_value),    ITEM("DN=", pass_quoted),
  ITEM("A=", item_auth),        ITEM("DKIM=", pass_value),  ITEM("C=", item_reply),
  ITEM("QT=", item_queue_time), ITEM("DT=", pass_value),    ITEMS_END,
};

/* "bob@example.com (parent@example.com) <top@example.com>": deliver.c,
 * string_log_address().  A local delivery has the local part alone, or a file or command,
 * in front of the address it was for. */
static void
set_addresses(MtSpan text, MtEvent *event)
{
  const gchar *at = mt_span_find(text, MT_SPAN(" <"));
  MtSpan address = text, top = MT_NO_SPAN, parent;
  MtCursor cur;

  for (guint i = 0; i < MAX_TRIES && at && MT_SPAN_ENDS(text, ">"); i++)
    {
      cur = (MtCursor){ at + 1, text.at + text.len };
      if (mt_scan_angle(&cur, &top) && cur.at == cur.end)
        break;
      top = MT_NO_SPAN;
      at = mt_span_find(mt_span(at + 1, text.at + text.len - at - 1), MT_SPAN(" <"));
    }
  if (top.at)
    address.len = at - text.at;
  parent = address;
  at = MT_SPAN_ENDS(address, ")") ? mt_span_find(address, MT_SPAN(" (")) : NULL;
  if (at)
    {
      address.len = at - address.at;
      parent = mt_span(at + 2, parent.at + parent.len - at - 3);
      cur = mt_cursor(parent);
      MT_SCAN_UNTIL(&cur, ", ", &parent);
    }
  if (!memchr(address.at, '@', address.len) || memchr("|/:>", address.at[0], 4))
    {
      MtSpan local = mt_span(top.at, MIN(address.len, top.len));

      if (at && memchr(parent.at, '@', parent.len))
        address = parent;
      else if (top.at
               && (!mt_span_is_all(mt_span(address.at, 1), MT_CHAR_ALNUM)
                   || MT_SPAN_STARTS(address, "save ")
                   || (mt_span_equal_nocase(local, address) && top.len > address.len
                       && top.at[address.len] == '@')))
        address = top;
    }
  mt_event_set_text(event, MT_F_RECIPIENT, address);
  if (top.at && !mt_span_equal_nocase(top, address))
    mt_event_set_text(event, MT_F_ORIG_RECIPIENT, top);
}

/* "250 2.0.0 Ok": the DSN of a reply, and of what a reply is quoted in:
 * "SMTP error from remote mail server after RCPT TO:<a>: 550 5.1.1 text" (smtp.c), with
 * "host name [ip]: " in between before 4.87 */
static void
read_dsn(MtSpan reply, MtEvent *event)
{
  MtCursor cur = mt_cursor(reply);
  MtSpan text, dsn;
  guint64 code;

  if (MT_SCAN(&cur, "SMTP error from remote mail server after ")
      || MT_SCAN(&cur, "SMTP error from remote mailer after ")
      || MT_SCAN(&cur, "LMTP error after "))
    {
      if ((MT_SCAN(&cur, "RCPT TO:") || MT_SCAN(&cur, "pipelined RCPT TO:")
           || MT_SCAN(&cur, "MAIL FROM:") || MT_SCAN(&cur, "pipelined MAIL FROM:"))
          && !mt_scan_angle(&cur, &text))
        return;
      if (!MT_SCAN_UNTIL(&cur, ": ", &text)
          || (MT_SCAN(&cur, "host ") && !MT_SCAN_UNTIL(&cur, "]: ", &text)))
        return;
    }
  if (mt_cursor_left(&cur) > 4 && mt_scan_u64(&cur, &code) && code >= 200 && code <= 599
      && (mt_scan_char(&cur, ' ') || mt_scan_char(&cur, '-')) && mt_scan_dsn(&cur, &dsn))
    mt_event_set_text(event, MT_F_DSN, dsn);
}

static gboolean
is_blackhole(MtSpan address)
{
  return MT_SPAN_STARTS(address, ":blackhole:") || MT_SPAN_STARTS(address, "blackhole")
         || MT_SPAN_STARTS(address, "/dev/null")
         || MT_SPAN_IS(address, "discarded (system filter)");
}

/* A session is Dovecot's own where no other machine could have made it up. */
static void
read_reply(MtEvent *event)
{
  MtSpan reply = mt_event_text(event, MT_F_REPLY);
  const MtIp *ip = mt_event_ip(event, MT_F_RELAY_IP);

  if (!reply.len)
    return;
  read_dsn(reply, event);
  mt_read_next_queue_id(reply, event);
  if (!ip || mt_ip_is_loopback(ip))
    mt_read_lmtp_session(reply, event);
}

static MtParse
read_delivered(MtCursor *cur, MtEvent *event)
{
  MtSpan address = scan_keyed(delivered_items, FALSE, cur, event);
  gboolean hole = is_blackhole(address);

  if (!address.len)
    return MT_PARSE_MALFORMED;
  mt_event_set_word(event, MT_F_STATUS, hole ? MT_WORD_DISCARDED : MT_WORD_SENT);
  if (!hole || memchr(address.at, '@', address.len))
    set_addresses(address, event);
  read_reply(event);
  return MT_PARSE_MATCH;
}

/* -N: all is done but the delivery. */
static MtParse
read_suppressed(MtCursor *cur, MtEvent *event)
{
  MtParse parse = read_delivered(cur, event);

  mt_event_set_word(event, MT_F_STATUS, MT_WORD_DISCARDED);
  return parse;
}

static const Item failed_items[] = {
  /* failure_log() */
  ITEM("F=", pass_angle),   ITEM("Q=", pass_queue),     ITEM("P=", pass_angle),
  ITEM("R=", pass_value),   ITEM("T=", item_transport), ITEM("H=", item_relay),
  ITEM("PRX=", pass_value), ITEM("I=", item_interface), ITEM("X=", item_cipher),
  ITEM("CV=", pass_value),  ITEM("DN=", pass_quoted),   ITEMS_END,
};

static void
take_reply(MtCursor *cur, MtEvent *event)
{
  mt_scan_char(cur, ' ');
  if (!MT_SCAN(cur, ": "))
    return;
  mt_event_set_text(event, MT_F_REPLY, mt_cursor_rest(cur));
  read_dsn(mt_cursor_rest(cur), event);
}

static MtParse
read_failed(MtCursor *cur, MtEvent *event)
{
  /* retry.c adds it to whatever a server said */
  gboolean expired = MT_SPAN_ENDS(mt_cursor_rest(cur), ": retry timeout exceeded");
  MtSpan address = scan_keyed(failed_items, TRUE, cur, event);

  if (!address.len)
    return MT_PARSE_MALFORMED;
  set_addresses(address, event);
  take_reply(cur, event);
  mt_event_set_word(event, MT_F_STATUS, expired ? MT_WORD_EXPIRED : MT_WORD_BOUNCED);
  return MT_PARSE_MATCH;
}

static const Item deferred_items[] = {
  /* deferral_log() */
  ITEM("F=", pass_angle),
  ITEM("Q=", pass_queue),
  ITEM("R=", pass_value),
  ITEM("T=", item_transport),
  ITEMS_END,
};

static const Item deferred_host_items[] = {
  ITEM("H=", item_relay),     ITEM("PRX=", pass_value),
  ITEM("I=", item_interface), ITEM("X=", item_cipher),
  ITEM("CV=", pass_value),    ITEM("DN=", pass_quoted),
  ITEM("DT=", pass_value),    ITEMS_END,
};

/* " defer (110): Connection timed out H=name [ip] DT=1s: text".  Only the system's own
 * errors, above 0, have words in front of the host. */
static void
read_deferral(MtCursor *cur, MtEvent *event)
{
  MtSpan number, error = MT_NO_SPAN;
  MtCursor try;

  if (!MT_SCAN_UNTIL(cur, "defer (", &number) || !mt_scan_until(cur, ')', &number))
    return;
  try = *cur;
  if (MT_SCAN(&try, ": ") && !MT_SPAN_STARTS(number, "-") && !MT_SPAN_IS(number, "0"))
    {
      const gchar *host = mt_span_find(mt_cursor_rest(&try), MT_SPAN(" H="));

      error = mt_span(try.at, (host ? host : try.end) - try.at);
      cur->at = host ? host : cur->end;
    }
  scan_items(deferred_host_items, TRUE, cur, event);
  take_reply(cur, event);
  if (!mt_event_has(event, MT_F_REPLY) && error.len)
    mt_event_set_text(event, MT_F_REPLY, error);
}

static MtParse
read_deferred(MtCursor *cur, MtEvent *event)
{
  MtSpan address = scan_keyed(deferred_items, TRUE, cur, event);

  if (!address.len)
    return MT_PARSE_MALFORMED;
  set_addresses(address, event);
  mt_event_set_word(event, MT_F_STATUS, MT_WORD_DEFERRED);
  read_deferral(cur, event);
  return MT_PARSE_MATCH;
}

/* ---- refusals: smtp_in.c, smtp_handle_acl_fail() ---------------------------------- */

static const Item client_items[] = {
  ITEM("H=", item_client),  ITEM("I=", item_interface),
  ITEM("U=", item_user),    ITEM("X=", item_cipher),
  ITEM("CV=", pass_value),  ITEM("DN=", pass_quoted),
  ITEM("SNI=", pass_value), ITEM("F=", item_sender),
  ITEM("A=", item_auth),    ITEMS_END,
};

/* What was refused; those with an address, or a text of the client's, behind. */
static const struct
{
  MtSpan text;
  MtField address; /* MT_FIELD_COUNT: none */
} stages[] = {
  { MT_SPAN_INIT("RCPT"), MT_F_RECIPIENT },
  { MT_SPAN_INIT("MAIL"), MT_F_SENDER },
  { MT_SPAN_INIT("after DATA PRDR"), MT_FIELD_COUNT },
  { MT_SPAN_INIT("after DATA"), MT_FIELD_COUNT },
  { MT_SPAN_INIT("DATA"), MT_FIELD_COUNT },
  { MT_SPAN_INIT("during MIME ACL checks"), MT_FIELD_COUNT },
  { MT_SPAN_INIT("connection"), MT_FIELD_COUNT },
  { MT_SPAN_INIT("by non-SMTP ACL"), MT_FIELD_COUNT },
  { MT_SPAN_INIT("by local_scan()"), MT_FIELD_COUNT },
  { MT_SPAN_INIT("EHLO or HELO"), MT_F_HELO },
  { MT_SPAN_INIT("AUTH"), MT_FIELD_COUNT },
  { MT_SPAN_INIT("STARTTLS"), MT_FIELD_COUNT },
  { MT_SPAN_INIT("ETRN"), MT_FIELD_COUNT },
  { MT_SPAN_INIT("VRFY"), MT_FIELD_COUNT },
  { MT_SPAN_INIT("EXPN"), MT_FIELD_COUNT },
  { MT_SPAN_INIT("MAILAUTH"), MT_FIELD_COUNT },
  { MT_SPAN_INIT("QUIT"), MT_FIELD_COUNT },
  { MT_SPAN_INIT("DKIM"), MT_FIELD_COUNT },
};

/* "RCPT <bob@example.com>: text", "after DATA: text" */
static void
read_stage(MtCursor *cur, MtEvent *event)
{
  MtSpan skipped, address;

  for (guint i = 0; i < G_N_ELEMENTS(stages); i++)
    {
      if (!mt_scan_span(cur, stages[i].text))
        continue;
      mt_event_set_text(event, MT_F_STAGE, stages[i].text);
      if (stages[i].address != MT_FIELD_COUNT && mt_scan_char(cur, ' ')
          && (mt_scan_angle(cur, &address) || mt_scan_token(cur, " :", &address))
          && !mt_event_has(event, stages[i].address))
        mt_event_set_text(event, stages[i].address, address);
      break;
    }
  if (MT_SCAN_UNTIL(cur, ": ", &skipped))
    mt_read_answer(mt_cursor_rest(cur), event);
}

static MtParse
refuse(MtCursor *cur, MtEvent *event, MtWord action)
{
  event->kind = MT_EVENT_REJECT;
  mt_event_set_word(event, MT_F_ACTION, action);
  read_stage(cur, event);
  return MT_PARSE_MATCH;
}

/* "sender verify fail for <a@example.com>: text": the refusal follows on its own line. */
static MtParse
read_verify(MtCursor *cur, MtEvent *event)
{
  MtSpan address, skipped;
  MtCursor try = *cur;

  mt_event_set_text(event, MT_F_REASON, mt_cursor_rest(cur));
  if (MT_SCAN_UNTIL(&try, " for ", &skipped) && mt_scan_angle(&try, &address))
    mt_event_set_text(event, MT_F_SENDER, address);
  return MT_PARSE_MATCH;
}

/* A host that the message goes to: "H=name [ip]: text", "H=name [ip] Connection refused". */
static MtParse
read_remote(MtCursor *cur, MtEvent *event)
{
  make_relay(event);
  if (!MT_SCAN(cur, ": "))
    mt_scan_char(cur, ' ');
  if (MT_SPAN_STARTS(mt_cursor_rest(cur), "TLS ")
      || MT_SPAN_STARTS(mt_cursor_rest(cur), "a TLS session is required"))
    event->kind = MT_EVENT_TLS_ERROR;
  return mt_take_reason(cur, event);
}

/* What stands behind the client: an ACL's verdict. */
static MtParse
read_verdict(MtCursor *cur, MtEvent *event)
{
  mt_scan_char(cur, ' ');
  if (MT_SCAN(cur, "temporarily rejected "))
    return refuse(cur, event, MT_WORD_DEFER);
  if (MT_SCAN(cur, "rejected "))
    return refuse(cur, event, MT_WORD_REJECT);
  if (MT_SPAN_STARTS(mt_cursor_rest(cur), "RCPT <")) /* "RCPT <a>: discarded by MAIL ACL" */
    return refuse(cur, event, MT_WORD_DISCARD);
  if (MT_SPAN_STARTS(mt_cursor_rest(cur), "sender verify "))
    return read_verify(cur, event);
  return mt_take_reason(cur, event);
}

/* The line from its rule's prefix on. */
static MtCursor
line_of(const MtCursor *cur, const MtEvent *event)
{
  return (MtCursor){ cur->at - ((const MtRule *) event->rule)->prefix.len, cur->end };
}

/* "H=host I=interface U=ident X=cipher F=<a> A=login:user rejected RCPT <b>: text" */
static MtParse
read_client_line(MtCursor *cur, MtEvent *event)
{
  *cur = line_of(cur, event);
  scan_items(client_items, TRUE, cur, event);
  return read_verdict(cur, event);
}

/* The same with a message ID; but a host that is only named is one we talk to
 * (transports/smtp.c, write_logs()). */
static MtParse
read_message_host(MtCursor *cur, MtEvent *event)
{
  static const MtSpan of_clients[] = { MT_SPAN_INIT(" temporarily rejected "),
                                       MT_SPAN_INIT(" rejected "),
                                       MT_SPAN_INIT(" sender verify "),
                                       MT_SPAN_INIT(" Warning: "),
                                       MT_SPAN_INIT(" RCPT <"),
                                       MT_SPAN_INIT(" incomplete transaction ") };

  *cur = line_of(cur, event);
  scan_items(client_items, TRUE, cur, event);
  for (guint i = 0; i < G_N_ELEMENTS(of_clients); i++)
    if (mt_span_starts(mt_cursor_rest(cur), of_clients[i]))
      return read_verdict(cur, event);
  return read_remote(cur, event);
}

/* "rejected from <a@example.com> H=host U=ident: text" (receive.c) */
static MtParse
read_refused_sender(MtCursor *cur, MtEvent *event)
{
  MtSpan sender;

  cur->at--;
  if (mt_scan_angle(cur, &sender))
    mt_event_set_text(event, MT_F_SENDER, sender);
  scan_items(client_items, TRUE, cur, event);
  mt_event_set_word(event, MT_F_ACTION, MT_WORD_REJECT);
  MT_EVENT_SET_LITERAL(event, MT_F_STAGE, "after DATA");
  MT_SCAN(cur, ": ");
  return mt_take_reason(cur, event);
}

/* ---- one message: receive.c, deliver.c, queue.c ------------------------------------ */

static MtParse
read_completed(MtCursor *cur, MtEvent *event)
{
  scan_items(delivered_items, FALSE, cur, event);
  mt_event_drop(event, MT_F_DELAY);
  return MT_PARSE_MATCH;
}

static MtParse
read_removed(MtCursor *cur, MtEvent *event)
{
  MT_EVENT_SET_LITERAL(event, MT_F_REASON, "deleted");
  return MT_PARSE_MATCH;
}

/* "DKIM: d=example.com s=sel c=relaxed/relaxed a=rsa-sha256 b=2048 [verification failed -
 * body hash mismatch]" (dkim.c): the result stands last. */
static MtParse
read_dkim(MtCursor *cur, MtEvent *event)
{
  static const struct
  {
    MtSpan text, result;
  } results[] = {
    { MT_SPAN_INIT(" [verification succeeded"), MT_SPAN_INIT("pass") },
    { MT_SPAN_INIT(" [verification failed"), MT_SPAN_INIT("fail") },
    { MT_SPAN_INIT(" [not verified"), MT_SPAN_INIT("none") },
    { MT_SPAN_INIT(" [invalid"), MT_SPAN_INIT("neutral") },
  };
  const gchar *at = mt_span_find_last(mt_cursor_rest(cur), MT_SPAN(" ["));

  mt_take_line(cur, event);
  for (guint i = 0; at && i < G_N_ELEMENTS(results); i++)
    if (mt_span_starts(mt_span(at, cur->end - at), results[i].text))
      {
        event->kind = MT_EVENT_VERDICT;
        MT_EVENT_SET_LITERAL(event, MT_F_FILTER, "dkim");
        mt_event_set_text(event, MT_F_DKIM, results[i].result);
      }
  return MT_PARSE_MATCH;
}

/* "[192.0.2.1] SSL verify error: certificate name mismatch: ..." (tls-openssl.c), of the
 * server that a message goes to, or of a client */
static MtParse
read_verify_error(MtCursor *cur, MtEvent *event)
{
  *cur = line_of(cur, event);
  if (!scan_endpoint(cur, event, MT_F_CLIENT_IP, MT_F_CLIENT_PORT) || !MT_SCAN(cur, " SSL "))
    return MT_PARSE_SKIP;
  cur->at -= strlen("SSL ");
  if (mt_event_has(event, MT_F_QUEUE_ID))
    make_relay(event);
  return mt_take_reason(cur, event);
}

/* What an operator did to an address: "address <a@example.com> marked delivered by root",
 * "recipient <a@example.com> added by root", "sender address changed to <a> by root" */
static MtParse
read_address(MtCursor *cur, MtEvent *event)
{
  MtSpan address;

  mt_take_line(cur, event);
  cur->at--;
  if (mt_scan_angle(cur, &address))
    mt_event_set_text(event, MT_F_RECIPIENT, address);
  return MT_PARSE_MATCH;
}

/* Behind "ID ".  An ACL's or a filter's logwrite may say anything: the last rule. */
static const MtRule message_rules[] = {
  MT_RULE("=> ", DELIVERY, NULL, read_delivered),
  MT_RULE("<= ", ACCEPT, NULL, read_received),
  MT_RULE("Completed", DEQUEUE, NULL, read_completed),
  MT_RULE("-> ", DELIVERY, NULL, read_delivered),
  MT_RULE("== ", DELIVERY, NULL, read_deferred),
  MT_RULE("** ", DELIVERY, NULL, read_failed),
  MT_RULE(">> ", DELIVERY, NULL, read_delivered), /* cutthrough, since 4.77 */
  MT_RULE("*> ", DELIVERY, NULL, read_suppressed),
  MT_RULE("(= ", ACCEPT, NULL, read_received), /* control = fakereject */
  MT_RULE("H=", NOTICE, NULL, read_message_host),
  MT_RULE("U=", NOTICE, NULL, read_client_line),
  MT_RULE("F=<", NOTICE, NULL, read_client_line),
  MT_RULE("rejected from <", REJECT, NULL, read_refused_sender),
  MT_RULE("DKIM: ", NOTICE, NULL, read_dkim),
  MT_RULE("Frozen", HOLD, NULL, mt_take_line),
  MT_RULE("*** Frozen", HOLD, NULL, mt_take_line),
  MT_RULE("frozen by ", HOLD, NULL, mt_take_line),
  MT_RULE("Unfrozen by ", RELEASE, NULL, mt_take_line),
  MT_RULE("unfrozen by ", RELEASE, NULL, mt_take_line),
  MT_RULE("removed by ", DEQUEUE, NULL, read_removed),
  MT_RULE("Message removed because older than ", DEQUEUE, NULL, read_removed),
  MT_RULE("address <", NOTICE, NULL, read_address),
  MT_RULE("recipient <", NOTICE, NULL, read_address),
  MT_RULE("TLS error ", TLS_ERROR, NULL, mt_take_line),
  MT_RULE("DANE error: ", TLS_ERROR, NULL, mt_take_reason),
  MT_RULE("[", TLS_ERROR, NULL, read_verify_error),
  MT_RULE("", NOTICE, NULL, mt_take_line),
  MT_RULES_END,
};

/* ---- connections and the rest: smtp_in.c, daemon.c ------------------------------------ */

/* "from" a host (host.c, host_and_ident()) or, locally, from a user. */
static void
scan_peer(MtCursor *cur, MtEvent *event)
{
  static const Item items[] = { ITEM(" I=", item_interface), ITEM(" U=", pass_value),
                                ITEM(" Ci=", pass_value), ITEMS_END };
  const Item *item;
  MtSpan user;

  MT_SCAN(cur, "H=");
  if (scan_host(cur, event))
    {
      while ((item = find_item(items, mt_cursor_rest(cur))))
        {
          cur->at += item->name.len;
          if (!item->scan(cur, event))
            return;
        }
      return;
    }
  MT_SCAN(cur, "U=");
  if (mt_scan_token(cur, " :", &user))
    mt_event_set_text(event, MT_F_ACCOUNT, user);
}

/* "SMTP connection from HOST", and what became of it. */
static MtParse
read_connection(MtCursor *cur, MtEvent *event)
{
  const gchar *duration;
  MtSpan reason;

  scan_peer(cur, event);
  if (MT_SCAN(cur, " D="))
    mt_scan_token(cur, " ", &reason);
  mt_scan_char(cur, ' ');
  reason = mt_cursor_rest(cur);
  if (!reason.len || MT_SPAN_STARTS(reason, "(TCP/IP connection count = ")
      || MT_SPAN_STARTS(reason, "(via inetd)"))
    return MT_PARSE_MATCH;
  event->kind = MT_EVENT_DISCONNECT;
  duration = mt_span_find_last(reason, MT_SPAN(" D="));
  if (duration)
    reason.len = duration - reason.at;
  mt_event_set_text(event, MT_F_REASON, reason);
  return MT_PARSE_MATCH;
}

static MtParse
read_disconnect(MtCursor *cur, MtEvent *event)
{
  MtSpan reason = ((const MtRule *) event->rule)->prefix;

  static const MtSpan ends[] = { MT_SPAN_INIT(" from "), MT_SPAN_INIT(" connection"),
                                 MT_SPAN_INIT(" TLS"), MT_SPAN_INIT(" on") };

  for (guint i = 0; i < G_N_ELEMENTS(ends); i++)
    if (mt_span_ends(reason, ends[i]))
      reason.len -= ends[i].len;
  mt_event_set_text(event, MT_F_REASON, reason);
  scan_peer(cur, event);
  return MT_PARSE_MATCH;
}

/* "no MAIL in SMTP connection from HOST D=2s A=login:bob X=.. C=EHLO,AUTH,QUIT": a login,
 * if there was one. */
static MtParse
read_no_mail(MtCursor *cur, MtEvent *event)
{
  static const Item items[] = {
    ITEM("D=", pass_value),   ITEM("A=", item_auth),
    ITEM("X=", item_cipher),  ITEM("CV=", pass_value),
    ITEM("DN=", pass_quoted), ITEM("SNI=", pass_value),
    ITEM("C=", pass_value),   ITEMS_END,
  };
  MtSpan user;

  scan_peer(cur, event);
  if (!scan_items(items, FALSE, cur, event))
    mt_event_drop(event, MT_F_AUTH_USER);
  user = mt_event_text(event, MT_F_AUTH_USER);
  MT_EVENT_SET_LITERAL(event, MT_F_REASON, "no MAIL in SMTP connection");
  if (!user.len)
    return MT_PARSE_MATCH;
  event->kind = MT_EVENT_LOGIN;
  mt_event_drop(event, MT_F_AUTH_USER);
  mt_event_drop(event, MT_F_REASON);
  mt_event_set_text(event, MT_F_ACCOUNT, user);
  mt_event_set_word(event, MT_F_SERVICE, MT_WORD_SMTP);
  return MT_PARSE_MATCH;
}

/* "535 Incorrect authentication data (set_id=bob)[: text]": the prose is Exim's up to the
 * name, which ends the line or has the server's own text behind. */
static void
read_failed_account(MtSpan text, MtEvent *event)
{
  MtCursor cur = mt_cursor(text);
  MtSpan before, account;
  const gchar *end;

  if (!MT_SCAN_UNTIL(&cur, " (set_id=", &before))
    return;
  account = mt_cursor_rest(&cur);
  end = MT_SPAN_ENDS(account, ")") ? account.at + account.len - 1
                                   : mt_span_find(account, MT_SPAN("): "));
  if (!end)
    return;
  account.len = end - account.at;
  mt_event_set_text(event, MT_F_ACCOUNT, account);
}

/* "dovecot_login authenticator failed for (helo) [ip]:port I=[ip]:port U=ident: 535 text";
 * behind "H=" since 4.97 */
static MtParse
read_auth_failure(MtCursor *cur, MtEvent *event)
{
  MtSpan name, answer;

  if (!mt_scan_token(cur, " ", &name) || !MT_SCAN(cur, " authenticator failed for "))
    return MT_PARSE_SKIP;
  scan_peer(cur, event);
  mt_event_drop(event, MT_F_ACCOUNT);
  if (!MT_SCAN(cur, ": "))
    return MT_PARSE_SKIP;
  answer = mt_cursor_rest(cur);
  mt_event_set_text(event, MT_F_AUTH_METHOD, name);
  read_failed_account(answer, event);
  if (MT_SPAN_STARTS(answer, "535 "))
    MT_EVENT_SET_LITERAL(event, MT_F_REASON, "auth-failed");
  else if (MT_SPAN_STARTS(answer, "4"))
    MT_EVENT_SET_LITERAL(event, MT_F_REASON, "internal");
  else
    {
      event->kind = MT_EVENT_NOTICE; /* cancelled, or not base64: nothing was tried */
      return mt_take_reason(cur, event);
    }
  event->kind = MT_EVENT_LOGIN_FAILED;
  mt_event_set_word(event, MT_F_SERVICE, MT_WORD_SMTP);
  return MT_PARSE_MATCH;
}

/* "TLS error on connection from HOST (SSL_accept): text" (tls-openssl.c, tls-gnu.c) */
static MtParse
read_tls_error(MtCursor *cur, MtEvent *event)
{
  scan_peer(cur, event);
  mt_scan_char(cur, ' ');
  return mt_take_reason(cur, event);
}

/* "Connection from [ip]:port refused: too many connections" (daemon.c) */
static MtParse
read_refused_connection(MtCursor *cur, MtEvent *event)
{
  scan_peer(cur, event);
  MT_SCAN(cur, " refused: ");
  return mt_take_reason(cur, event);
}

/* "SMTP call from HOST dropped: too many nonmail commands (last was "x")": what was said
 * last may be a password in the wrong place. */
static MtParse
read_dropped(MtCursor *cur, MtEvent *event)
{
  MtSpan reason;

  scan_peer(cur, event);
  MT_SCAN(cur, " dropped: ");
  if (MT_SCAN_UNTIL(cur, " (last ", &reason))
    mt_event_set_text(event, MT_F_REASON, reason);
  return MT_PARSE_MATCH;
}

/* "refused connection from HOST (host_reject_connection)", "temporarily refused connection
 * from HOST: not in reserve list: ..." */
static MtParse
read_refused(MtCursor *cur, MtEvent *event)
{
  gboolean temporary = MT_SPAN_STARTS(((const MtRule *) event->rule)->prefix, "temp");

  scan_peer(cur, event);
  mt_event_set_word(event, MT_F_ACTION, temporary ? MT_WORD_DEFER : MT_WORD_REJECT);
  MT_EVENT_SET_LITERAL(event, MT_F_STAGE, "connection");
  if (!MT_SCAN(cur, ": "))
    mt_scan_char(cur, ' ');
  return mt_take_reason(cur, event);
}

/* "rejected EHLO from HOST: syntactically invalid argument(s): x", "rejected MAIL from HOST:
 * no HELO/EHLO given", "rejected "EHLO x" from H=host: text" */
static MtParse
read_refused_command(MtCursor *cur, MtEvent *event)
{
  gboolean temporary = MT_SPAN_STARTS(((const MtRule *) event->rule)->prefix, "temp");
  MtSpan text, stage;
  MtCursor inside;

  if (!(scan_quoted(cur, &text) || mt_scan_token(cur, " ", &text)))
    return MT_PARSE_SKIP;
  inside = mt_cursor(text);
  if (mt_scan_token(&inside, " :", &stage))
    mt_event_set_text(event, MT_F_STAGE, stage);
  MT_SCAN(cur, " command");
  mt_event_set_word(event, MT_F_ACTION, temporary ? MT_WORD_DEFER : MT_WORD_REJECT);
  if (!MT_SCAN(cur, " from "))
    mt_scan_char(cur, ' ');
  scan_peer(cur, event);
  if (!MT_SCAN(cur, ": "))
    return MT_PARSE_SKIP;
  return mt_take_reason(cur, event);
}

/* "rejected MAIL FROM:<a@example.com> H=host: message too big: size=9 max=1" */
static MtParse
read_refused_mail(MtCursor *cur, MtEvent *event)
{
  MtSpan sender;

  cur->at--;
  if (!mt_scan_angle(cur, &sender))
    return MT_PARSE_SKIP;
  mt_event_set_text(event, MT_F_SENDER, sender);
  mt_scan_char(cur, ' ');
  scan_peer(cur, event);
  MT_SCAN(cur, ": ");
  mt_event_set_word(event, MT_F_ACTION, MT_WORD_REJECT);
  MT_EVENT_SET_LITERAL(event, MT_F_STAGE, "MAIL");
  return mt_take_reason(cur, event);
}

/* "unqualified sender rejected: <bob> H=host" */
static MtParse
read_unqualified(MtCursor *cur, MtEvent *event)
{
  MtSpan prefix = ((const MtRule *) event->rule)->prefix, address;
  gboolean sender = MT_SPAN_STARTS(prefix, "unqualified sender");

  cur->at--;
  if (mt_scan_angle(cur, &address))
    mt_event_set_text(event, sender ? MT_F_SENDER : MT_F_RECIPIENT, address);
  mt_scan_char(cur, ' ');
  scan_peer(cur, event);
  mt_event_set_word(event, MT_F_ACTION, MT_WORD_REJECT);
  mt_event_set_text(event, MT_F_STAGE, sender ? MT_SPAN("MAIL") : MT_SPAN("RCPT"));
  prefix.len -= strlen(": <");
  mt_event_set_text(event, MT_F_REASON, prefix);
  return MT_PARSE_MATCH;
}

/* "too many recipients: message rejected: sender=<a> H=host" */
static MtParse
read_too_many(MtCursor *cur, MtEvent *event)
{
  MtSpan what, sender;

  if (!MT_SCAN_UNTIL(cur, ": sender=", &what))
    return MT_PARSE_SKIP;
  if (mt_scan_angle(cur, &sender))
    mt_event_set_text(event, MT_F_SENDER, sender);
  mt_scan_char(cur, ' ');
  scan_peer(cur, event);
  mt_event_set_word(event, MT_F_ACTION,
                    MT_SPAN_STARTS(what, "excess") ? MT_WORD_DEFER : MT_WORD_REJECT);
  MT_EVENT_SET_LITERAL(event, MT_F_STAGE, "RCPT");
  MT_EVENT_SET_LITERAL(event, MT_F_REASON, "too many recipients");
  return MT_PARSE_MATCH;
}

/* "SMTP protocol synchronization error (text): rejected connection from HOST input="x"",
 * "... rejected "x" H=host next input="y"" */
static MtParse
read_synchronization(MtCursor *cur, MtEvent *event)
{
  MtSpan reason, command;

  if (!MT_SCAN_UNTIL(cur, "): rejected ", &reason))
    return MT_PARSE_SKIP;
  mt_event_set_text(event, MT_F_REASON,
                    mt_span(reason.at - strlen("synchronization error ("),
                            reason.len + strlen("synchronization error ()")));
  mt_event_set_word(event, MT_F_ACTION, MT_WORD_REJECT);
  if (MT_SCAN(cur, "connection from "))
    MT_EVENT_SET_LITERAL(event, MT_F_STAGE, "connection");
  else if (!scan_quoted(cur, &command) || !mt_scan_char(cur, ' '))
    return MT_PARSE_SKIP;
  scan_peer(cur, event);
  return MT_PARSE_MATCH;
}

/* "SMTP syntax error in "x" H=host text": what the client said may be a password, or look
 * like the rest of the line; no space and no quote follow the true host but in words of
 * Exim's, so the last place counts. */
static MtParse
read_syntax_error(MtCursor *cur, MtEvent *event)
{
  MtSpan reason = ((const MtRule *) event->rule)->prefix;
  const gchar *at = mt_span_find_last(mt_cursor_rest(cur), MT_SPAN("\" H="));

  reason.len -= strlen(" in \"");
  mt_event_set_text(event, MT_F_REASON, reason);
  if (!at)
    return MT_PARSE_MATCH;
  cur->at = at + strlen("\" ");
  scan_peer(cur, event);
  return MT_PARSE_MATCH;
}

/* "no host name found for IP address 192.0.2.1" (host.c) */
static MtParse
read_no_name(MtCursor *cur, MtEvent *event)
{
  MtSpan ip;

  mt_take_line(cur, event);
  if (mt_scan_token(cur, " ", &ip))
    mt_event_set_ip(event, MT_F_CLIENT_IP, ip);
  return MT_PARSE_MATCH;
}

static const MtRule plain_rules[] = {
  MT_RULE("SMTP connection from ", CONNECT, NULL, read_connection),
  MT_RULE("H=", NOTICE, NULL, read_client_line),
  MT_RULE("U=", NOTICE, NULL, read_client_line),
  MT_RULE("F=<", NOTICE, NULL, read_client_line),
  MT_RULE("no host name found for IP address ", NOTICE, NULL, read_no_name),
  MT_RULE("unexpected disconnection while reading SMTP command from ", DISCONNECT, NULL,
          read_disconnect),
  MT_RULE("SMTP command timeout on connection from ", DISCONNECT, NULL, read_disconnect),
  MT_RULE("SMTP command timeout on TLS connection from ", DISCONNECT, NULL, read_disconnect),
  MT_RULE("SMTP data timeout (message abandoned) on connection from ", DISCONNECT, NULL,
          read_disconnect),
  MT_RULE("no MAIL in SMTP connection from ", NOTICE, NULL, read_no_mail),
  MT_RULE("TLS error on connection from ", TLS_ERROR, NULL, read_tls_error),
  MT_RULE("[", TLS_ERROR, NULL, read_verify_error),
  MT_RULE("Connection from ", LIMIT, NULL, read_refused_connection),
  MT_RULE("SMTP call from ", LIMIT, NULL, read_dropped),
  MT_RULE("refused connection from ", REJECT, NULL, read_refused),
  MT_RULE("temporarily refused connection from ", REJECT, NULL, read_refused),
  MT_RULE("rejected MAIL FROM:<", REJECT, NULL, read_refused_mail),
  MT_RULE("rejected from <", REJECT, NULL, read_refused_sender),
  MT_RULE("rejected ", REJECT, NULL, read_refused_command),
  MT_RULE("temporarily rejected ", REJECT, NULL, read_refused_command),
  MT_RULE("unqualified sender rejected: <", REJECT, NULL, read_unqualified),
  MT_RULE("unqualified recipient rejected: <", REJECT, NULL, read_unqualified),
  MT_RULE("too many recipients: ", REJECT, NULL, read_too_many),
  MT_RULE("SMTP protocol synchronization error (", REJECT, NULL, read_synchronization),
  MT_RULE("SMTP syntax error in \"", NOTICE, NULL, read_syntax_error),
  MT_RULE("SMTP protocol error in \"", NOTICE, NULL, read_syntax_error),
  MT_RULE("Start queue run: ", NOTICE, NULL, mt_take_line),
  MT_RULE("End queue run: ", NOTICE, NULL, mt_take_line),
  MT_RULE("Start '", NOTICE, NULL, mt_take_line), /* a named queue, since 4.88 */
  MT_RULE("End '", NOTICE, NULL, mt_take_line),
  MT_RULE("exim ", NOTICE, NULL, mt_take_line), /* "exim 4.96 daemon started: pid=1, ..." */
  MT_RULE("cwd=", NOTICE, NULL, mt_take_line),  /* log_selector arguments: cPanel's */
  MT_RULE("Exim configuration error", NOTICE, NULL, mt_take_line),
  MT_RULE("Warning: purging the environment", NOTICE, NULL, mt_take_line),
  MT_RULES_END,
};

/* logwrite, and what goes wrong inside, may say anything. */
static MtParse
read_any(MtCursor *cur, MtEvent *event)
{
  MtCursor try = *cur;

  if (read_auth_failure(&try, event) == MT_PARSE_MATCH)
    return MT_PARSE_MATCH;
  event->has[0] = event->has[1] = 0;
  return mt_take_line(cur, event);
}

static const MtRule any_rules[] = {
  MT_RULE("", NOTICE, NULL, read_any),
  MT_RULES_END,
};

/* ---- heads: log.c ----------------------------------------------------------------- */

/* "2026-11-21 05:45:01", with log_selector millisec ".123", with log_timezone " +0100" */
static gboolean
scan_stamp(MtCursor *cur, MtClock *clock, MtTime *out)
{
  gchar joined[40];
  MtCursor try = *cur, inside;

  if (mt_cursor_left(cur) < 20 || cur->at[10] != ' ' || !mt_scan_stamp_iso(&try, clock, out))
    return FALSE;
  if (mt_cursor_left(&try) > 6 && try.at[0] == ' ' && (try.at[1] == '+' || try.at[1] == '-')
      && mt_span_is_all(mt_span(try.at + 2, 4), MT_CHAR_DIGIT) && try.at[6] == ' '
      && try.at - cur->at + 5 <= (gssize) sizeof joined)
    {
      memcpy(joined, cur->at, try.at - cur->at);
      memcpy(joined + (try.at - cur->at), try.at + 1, 5);
      inside = mt_cursor(mt_span(joined, try.at - cur->at + 5));
      mt_scan_stamp_iso(&inside, clock, out);
      try.at += 6;
    }
  if (!mt_scan_char(&try, ' '))
    return FALSE;
  *cur = try;
  return TRUE;
}

/* "[1234] " with log_selector pid */
static void
scan_pid(MtCursor *cur, gint64 *pid)
{
  MtCursor try = *cur;
  MtSpan inside;
  guint64 number;

  if (mt_scan_char(&try, '[') && mt_scan_until(&try, ']', &inside)
      && mt_span_to_u64(inside, &number) && mt_scan_char(&try, ' '))
    {
      *pid = number;
      *cur = try;
    }
}

/* Syslog has the stamp a second time, unless syslog_timestamp = no, and long lines in
 * pieces: "[1/3] ", "[1\3] " (log.c, write_syslog()).  Returns: FALSE: not the first piece. */
static gboolean
scan_syslog_head(MtCursor *cur)
{
  MtClock clock = { 0 };
  MtCursor try = *cur;
  guint64 piece = 1, pieces;
  MtTime time;
  gint64 pid;

  if (mt_scan_char(&try, '[') && mt_scan_u64(&try, &piece)
      && (mt_scan_char(&try, '/') || mt_scan_char(&try, '\\')) && mt_scan_u64(&try, &pieces)
      && MT_SCAN(&try, "] "))
    *cur = try;
  else
    piece = 1;
  scan_stamp(cur, &clock, &time);
  scan_pid(cur, &pid);
  return piece == 1;
}

static MtParse
parse(const MtLine *line, const MtClaim *claim, MtEvent *event)
{
  MtCursor cur = mt_cursor(line->text);
  MtSpan id;

  if (!scan_syslog_head(&cur))
    {
      event->kind = MT_EVENT_NOTICE;
      return MT_PARSE_MATCH;
    }
  if (scan_id(&cur, &id) && mt_scan_char(&cur, ' '))
    {
      mt_event_set_text(event, MT_F_QUEUE_ID, id);
      return mt_rules_apply(message_rules, mt_cursor_rest(&cur), event);
    }
  if (mt_rules_apply(plain_rules, mt_cursor_rest(&cur), event) == MT_PARSE_MATCH)
    return MT_PARSE_MATCH;
  return mt_rules_apply(any_rules, mt_cursor_rest(&cur), event);
}

/* syslog_processname is "exim" unless set; Debian's second daemon is "exim4". */
static void
claim(MtSpan program, MtClaim *claim)
{
  if (MT_SPAN_IS(program, "exim") || MT_SPAN_IS(program, "exim4")
      || MT_SPAN_STARTS(program, "exim-") || MT_SPAN_STARTS(program, "exim4-"))
    claim->strength = MT_CLAIM_NAME;
}

/* A message ID behind the stamp, or what only Exim says. */
static gint
sniff(MtSpan raw)
{
  MtClock clock = { 0 };
  MtCursor cur = mt_cursor(raw);
  MtEvent event;
  MtTime time;
  gint64 pid;
  MtSpan id;

  if (!scan_stamp(&cur, &clock, &time))
    return 0;
  scan_pid(&cur, &pid);
  if (scan_id(&cur, &id))
    return mt_cursor_peek(&cur) == ' ' ? 100 : 0;
  mt_event_clear(&event);
  return mt_rules_apply(plain_rules, mt_cursor_rest(&cur), &event) == MT_PARSE_MATCH
                 || read_auth_failure(&cur, &event) == MT_PARSE_MATCH
             ? 100
             : 0;
}

/* What has no stamp are headers below a refusal: they say nothing. */
static gboolean
head(MtSpan raw, MtStream *stream, MtLine *out)
{
  MtCursor cur = mt_cursor(raw);

  if (!scan_stamp(&cur, &stream->clock, &out->time))
    return FALSE;
  scan_pid(&cur, &out->pid);
  out->program = MT_SPAN("exim");
  out->text = mt_cursor_rest(&cur);
  return TRUE;
}

static const MtFileFormat file_format = { .sniff = sniff, .head = head };

static const MtRule *const all_rules[] = {
  message_rules,
  plain_rules,
  any_rules,
  NULL,
};

const MtDialect mt_dialect_exim = {
  .name = "exim",
  .claim = claim,
  .parse = parse,
  .rules = all_rules,
  .file = &file_format,
};
