/* amavis.c: the lines of amavisd-new 2.3 to 2.13 and amavisd of 2003
 *
 * Layer: dialects.  Concurrency: any thread; no state.
 *
 * The literals are those of amavisd 2.11.0 (file amavisd: $log_short_templ,
 * $log_verbose_templ, the calls of do_log()), what older ones wrote from logs.
 *
 * Hostile text.  In the verdict the client's address and the envelope come first; a
 * quoted local part is read as one.  Behind them amavis says of the message, in this
 * order: quarantine, Queue-ID, Message-ID, Hits, size, queued_as.  The Message-ID is the
 * sender's: each item is taken in its place only, and Hits only where there is one, so
 * that nothing in a Message-ID passes for an item.  Subject, From, User-Agent and HELO of
 * the verbose template come behind all that: reading ends there.  Names of banned parts
 * come first: where they hold what may be their own end, nothing behind is believed.
 */
#include "dialects/dialect.h"

/* No syslog line of amavis ($logline_maxlen, 980 bytes) names more. */
#define RECIPIENTS_MAX 64

/* ---- the verdict -------------------------------------------------------------- */

/* "Quarantined" goes with all of them, and is the end of what nobody gets. */
static const struct
{
  MtSpan prefix;
  MtWord word;
} performed[] = {
  { MT_SPAN_INIT("Rejected"), MT_WORD_REJECT },     { MT_SPAN_INIT("Bounced"), MT_WORD_BLOCK },
  { MT_SPAN_INIT("TempFailed"), MT_WORD_TEMPFAIL }, { MT_SPAN_INIT("Discarded"), MT_WORD_DISCARD },
  { MT_SPAN_INIT("NoBounce"), MT_WORD_DISCARD },
};

static MtWord
stronger(MtWord word, MtWord other)
{
  if (word == MT_WORD_NONE || (word == MT_WORD_DISCARD && other == MT_WORD_QUARANTINE))
    return other;
  return word;
}

/* {DiscardedInbound,Quarantined}: macro actions_performed, since 2.7. */
static MtWord
read_performed(MtSpan actions)
{
  MtCursor cur = mt_cursor(actions);
  MtWord word = MT_WORD_NONE;
  MtSpan action;

  while (mt_scan_token(&cur, ",", &action))
    {
      for (guint i = 0; i < G_N_ELEMENTS(performed); i++)
        if (mt_span_starts(action, performed[i].prefix))
          word = stronger(word, performed[i].word);
      if (MT_SPAN_IS(action, "Quarantined"))
        word = stronger(word, MT_WORD_QUARANTINE);
      mt_scan_char(&cur, ',');
    }
  return word;
}

/* "INFECTED (Eicar-Test-Signature, Other)": names of signatures, in brackets. */
static void
read_category_detail(MtCursor *cur, MtSpan category, MtEvent *event)
{
  MtCursor try = *cur;
  MtSpan detail;

  if (!MT_SCAN(&try, " (") || !mt_scan_until(&try, ')', &detail))
    return;
  if (MT_SPAN_IS(category, "INFECTED") && detail.len)
    mt_event_set_text(event, MT_F_VIRUS, detail);
  *cur = try;
}

/* "BANNED (.exe,setup.exe) {...}, ": names of parts are the sender's, and may hold brackets. */
static gboolean
skip_banned_names(MtCursor *cur)
{
  MtSpan rest = mt_cursor_rest(cur);
  const gchar *end = mt_span_find_only(rest, MT_SPAN(") {"));

  if (!end && !mt_span_find(rest, MT_SPAN(") {")))
    end = mt_span_find_only(rest, MT_SPAN("), "));
  if (end)
    cur->at = end + 1;
  return end != NULL;
}

/* "CLEAN {RelayedInbound}, "; behind "Passed " or "Blocked ". */
static gboolean
scan_category(MtCursor *cur, MtEvent *event, MtSpan *category, MtSpan *actions)
{
  *actions = MT_NO_SPAN;
  if (!mt_scan_token(cur, " ,", category))
    return FALSE;
  if (MT_SPAN_IS(*category, "BANNED") && MT_SCAN(cur, " ("))
    {
      if (!skip_banned_names(cur))
        return FALSE;
    }
  else
    read_category_detail(cur, *category, event);
  if (MT_SCAN(cur, " {") && !mt_scan_until(cur, '}', actions))
    return FALSE;
  return MT_SCAN(cur, ", ");
}

/* "[192.0.2.7]:41234 [198.51.100.1] ": the client; the address that headers claim, which
 * is not believed; a client that sits behind a socket has none. */
static void
read_client(MtCursor *cur, MtEvent *event)
{
  MtSpan ip;
  guint64 port;

  if (!mt_scan_char(cur, '[') || !mt_scan_until(cur, ']', &ip))
    return;
  mt_event_set_ip(event, MT_F_CLIENT_IP, ip);
  if (mt_scan_char(cur, ':') && mt_scan_u64(cur, &port) && port <= 65535)
    mt_event_set_number(event, MT_F_CLIENT_PORT, port);
}

/* Up to the sender: names of policy banks ("MYNETS LOCAL"), addresses, "ESMTP/ESMTP". */
static gboolean
scan_before_sender(MtCursor *cur, MtEvent *event)
{
  while (cur->at < cur->end && *cur->at != '<')
    {
      if (*cur->at == '[' && !mt_event_has(event, MT_F_CLIENT_IP))
        read_client(cur, event);
      else
        cur->at++;
    }
  return cur->at < cur->end;
}

static gboolean
scan_envelope(MtCursor *cur, MtEvent *event)
{
  MtSpan sender, recipient;
  guint n = 0;

  if (!scan_before_sender(cur, event) || !mt_scan_angle(cur, &sender) || !MT_SCAN(cur, " -> "))
    return FALSE;
  mt_event_set_text(event, MT_F_SENDER, sender);
  while (mt_scan_angle(cur, &recipient))
    {
      if (n++ == event->part)
        mt_event_set_text(event, MT_F_RECIPIENT, recipient);
      if (!MT_SCAN(cur, ",<"))
        break;
      cur->at--;
    }
  event->parts = CLAMP(n, 1, RECIPIENTS_MAX);
  return n > 0;
}

/* ---- items behind the envelope ------------------------------------------------- */

/* What has been read: an item is believed in its place only. */
typedef enum
{
  AT_ENVELOPE,
  AT_MESSAGE_ID,
  AT_HITS,
  AT_END,
} Place;

/* "Message-ID: <1@example.org>" */
static void
read_message_id(MtCursor *cur, MtEvent *event)
{
  MtCursor try = *cur;
  MtSpan id;

  if (!mt_scan_token(&try, " >", &id) || id.at[0] != '<' || !mt_scan_char(&try, '>')
      || (try.at < try.end && *try.at != ','))
    return;
  mt_event_set_text(event, MT_F_MESSAGE_ID, mt_span(id.at, id.len + 1));
  *cur = try;
}

static void
read_queue_id(MtCursor *cur, MtEvent *event)
{
  MtSpan id;

  if (mt_scan_queue_id(cur, &id))
    mt_event_set_text(event, MT_F_QUEUE_ID, id);
}

/* "queued_as: 4NGz"; where recipients went on in several ways, "4NGz/5NGz": the first. */
static void
read_queued_as(MtCursor *cur, MtEvent *event)
{
  MtSpan id;

  if (mt_scan_queue_id(cur, &id))
    mt_event_set_text(event, MT_F_NEXT_QUEUE_ID, id);
}

/* "Hits: -1.9", "-" where none were counted. */
static void
read_hits(MtCursor *cur, MtEvent *event)
{
  gdouble score;

  if (mt_scan_real(cur, &score))
    mt_event_set_real(event, MT_F_SCORE, score);
}

static void
read_size(MtCursor *cur, MtEvent *event)
{
  guint64 size;

  if (mt_scan_u64(cur, &size))
    mt_event_set_number(event, MT_F_SIZE, size);
}

/* "quarantine: virus-Xa2-9", "quarantine: spam/a/b.gz": where it lies. */
static void
read_quarantine(MtCursor *cur, MtEvent *event)
{
  MtSpan place;

  if (mt_scan_token(cur, " ,", &place))
    mt_event_set_text(event, MT_F_QUARANTINE, place);
}

/* "dkim_sd=selector:domain": signatures that hold. */
static void
read_dkim(MtCursor *cur, MtEvent *event)
{
  MT_EVENT_SET_LITERAL(event, MT_F_DKIM, "pass");
}

#define ITEM(name) MT_SPAN_INIT(name), MT_HEAD_WORD(name), MT_HEAD_MASK(name)

static const struct
{
  MtSpan name;
  guint64 head, mask; /* its first bytes */
  Place from, to;     /* where it may stand */
  Place then;         /* where we are behind it */
  void (*read)(MtCursor *cur, MtEvent *event);
} items[] = {
  { ITEM("quarantine: "), AT_ENVELOPE, AT_ENVELOPE, AT_ENVELOPE, read_quarantine },
  { ITEM("quarantine "), AT_ENVELOPE, AT_ENVELOPE, AT_ENVELOPE, read_quarantine },
  { ITEM("Queue-ID: "), AT_ENVELOPE, AT_ENVELOPE, AT_ENVELOPE, read_queue_id },
  { ITEM("Message-ID: "), AT_ENVELOPE, AT_ENVELOPE, AT_MESSAGE_ID, read_message_id },
  { ITEM("Hits: "), AT_ENVELOPE, AT_MESSAGE_ID, AT_HITS, read_hits },
  { ITEM("size: "), AT_HITS, AT_HITS, AT_HITS, read_size },
  { ITEM("queued_as: "), AT_HITS, AT_HITS, AT_HITS, read_queued_as },
  { ITEM("dkim_sd="), AT_HITS, AT_HITS, AT_HITS, read_dkim },
  { ITEM("Subject: "), AT_ENVELOPE, AT_HITS, AT_END, NULL },
  { ITEM("From: "), AT_ENVELOPE, AT_HITS, AT_END, NULL },
};

/* Unknown items ("mail_id: X", "b: X", "110 ms") are passed over. */
static Place
read_item(MtCursor *cur, MtEvent *event, Place place, gboolean one_hits)
{
  guint64 head = mt_word_load_some(cur->at, mt_cursor_left(cur));
  MtSpan skipped;

  for (guint i = 0; i < G_N_ELEMENTS(items); i++)
    if ((head & items[i].mask) == items[i].head && place >= items[i].from && place <= items[i].to
        && mt_scan_span(cur, items[i].name))
      {
        if (items[i].then == AT_HITS && !one_hits)
          return AT_END;
        if (items[i].read)
          items[i].read(cur, event);
        place = items[i].then;
        break;
      }
  if (cur->at < cur->end && *cur->at != ',')
    mt_scan_token(cur, ",", &skipped);
  return place;
}

/* ", Tests: [NAME=1.0,...]" of the verbose template: the last, since what strangers chose
 * comes before it.  A line that goes on in the next ("...") may have lost it. */
static void
read_tests(MtSpan text, MtEvent *event)
{
  const gchar *at;
  MtCursor cur;
  MtSpan tests;

  if (!mt_event_has(event, MT_F_SCORE) || MT_SPAN_ENDS(text, "..."))
    return;
  if (!mt_span_find(text, MT_SPAN(", Tests: [")))
    return;
  at = mt_span_find_last(text, MT_SPAN(", Tests: ["));
  cur = (MtCursor){ at, text.at + text.len };
  cur.at += strlen(", Tests: [");
  if (!mt_scan_until(&cur, ']', &tests) || !tests.len)
    return;
  mt_event_set_text(event, MT_F_SYMBOLS, tests);
  mt_read_symbols(tests, event);
}

static void
read_items(MtCursor *cur, MtEvent *event)
{
  MtSpan rest = mt_cursor_rest(cur);
  gboolean one_hits = mt_span_find_only(rest, MT_SPAN(", Hits: ")) != NULL;
  Place place = AT_ENVELOPE;

  while (place != AT_END && mt_scan_char(cur, ','))
    {
      mt_scan_char(cur, ' ');
      place = read_item(cur, event, place, one_hits);
    }
  read_tests(rest, event);
}

static MtWord
action_of(const MtEvent *event, gboolean is_passed, MtSpan category, MtSpan actions)
{
  MtWord word = MT_WORD_PASS;

  if (is_passed)
    return MT_SPAN_STARTS(category, "SPAM") ? MT_WORD_TAG : word; /* and SPAMMY */
  word = read_performed(actions);
  if (word != MT_WORD_NONE)
    return word;
  return mt_event_has(event, MT_F_QUARANTINE) ? MT_WORD_QUARANTINE : MT_WORD_BLOCK;
}

static MtParse
read_verdict(MtCursor *cur, MtEvent *event, gboolean is_passed)
{
  MtSpan category = MT_NO_SPAN, actions = MT_NO_SPAN, trace;
  gboolean whole = scan_category(cur, event, &category, &actions);

  MT_EVENT_SET_LITERAL(event, MT_F_FILTER, "amavis");
  if (whole && !scan_envelope(cur, event))
    return MT_PARSE_MALFORMED;
  if (!whole && !MT_SPAN_IS(category, "BANNED"))
    return MT_PARSE_MALFORMED;
  /* "(ESMTPS://[192.0.2.7]:41234 < ...)": what Received lines say, since 2.12 */
  if (MT_SCAN(cur, ", ("))
    mt_scan_until(cur, ')', &trace);
  if (whole)
    read_items(cur, event);
  mt_event_set_word(event, MT_F_ACTION, action_of(event, is_passed, category, actions));
  return MT_PARSE_MATCH;
}

static MtParse
read_passed(MtCursor *cur, MtEvent *event)
{
  return read_verdict(cur, event, TRUE);
}

static MtParse
read_blocked(MtCursor *cur, MtEvent *event)
{
  return read_verdict(cur, event, FALSE);
}

/* "INFECTED (Worm), <a> -> <b>, quarantine virus-...": before "Blocked" stood in front. */
static MtParse
read_old_infected(MtCursor *cur, MtEvent *event)
{
  cur->at -= strlen("INFECTED (");
  return read_verdict(cur, event, FALSE);
}

/* ---- the tables ------------------------------------------------------------------ */

/* What else there is depends on $log_level, and is for the operator.  The line that a
 * long one goes on in begins with "...": it is the middle of a stranger's text. */
static const MtRule rules[] = {
  MT_RULE("Passed ", VERDICT, NULL, read_passed),
  MT_RULE("Blocked ", VERDICT, NULL, read_blocked),
  MT_RULE("INFECTED (", VERDICT, NULL, read_old_infected),
  MT_RULE("...", NOTICE, NULL, NULL),
  MT_RULE("", NOTICE, NULL, mt_take_line),
  MT_RULES_END,
};

static const MtProgram programs[] = {
  MT_PROGRAM("amavis", NULL),
  MT_PROGRAM("amavisd", NULL),
  MT_PROGRAM("amavisd-new", NULL),
  MT_PROGRAMS_END,
};

static void
claim(MtSpan program, MtClaim *claim)
{
  mt_claim_program(programs, program, claim);
}

/* "(06321-01) " or "(06321-01-2) ": the task; "(!)", "(!!)" before warnings. */
static void
skip_task(MtCursor *cur)
{
  MtCursor try = *cur;
  MtSpan inside;

  if (mt_scan_char(&try, '(') && mt_scan_until(&try, ')', &inside) && inside.len
      && mt_is_class(inside.at[0], MT_CHAR_DIGIT) && mt_scan_char(&try, ' '))
    *cur = try;
}

static MtParse
parse(const MtLine *line, const MtClaim *claim, MtEvent *event)
{
  MtCursor cur = mt_cursor(line->text);

  skip_task(&cur);
  return mt_rules_apply(rules, mt_cursor_rest(&cur), event);
}

static const MtRule *const all_rules[] = { rules, NULL };

const MtDialect mt_dialect_amavis = {
  .name = "amavis",
  .claim = claim,
  .parse = parse,
  .rules = all_rules,
};
