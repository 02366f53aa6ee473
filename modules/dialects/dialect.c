#include "dialects/dialect.h"
#include "scan/secret.h"

#define MT_DIALECT(name) extern const MtDialect mt_dialect_##name;
#include "dialects/registry.inc"
#undef MT_DIALECT

const MtDialect *const mt_dialects[] = {
#define MT_DIALECT(name) &mt_dialect_##name,
#include "dialects/registry.inc"
#undef MT_DIALECT
  NULL
};

const MtDialect *
mt_dialect_by_name(const gchar *name)
{
  for (gint i = 0; mt_dialects[i]; i++)
    if (g_str_equal(mt_dialects[i]->name, name))
      return mt_dialects[i];
  return NULL;
}

const MtPeerFields mt_client_fields = { MT_F_CLIENT_NAME, MT_F_CLIENT_IP, MT_F_CLIENT_PORT };
const MtPeerFields mt_relay_fields = { MT_F_RELAY_NAME, MT_F_RELAY_IP, MT_F_RELAY_PORT };

/* A host name (RFC 1035 2.3.4: 255), or the path of a socket, and an address: what is longer
 * is no peer, and a list of keys may ask for one again and again. */
#define PEER_MAX_BYTES 512

/* Up to '[', without a space, and past it. */
static inline gboolean
scan_peer_name(MtCursor *cur, MtSpan *out)
{
  const gchar *at = cur->at, *end = cur->end;
  guint hits = 0;

  for (; end - at >= MT_BLOCK_BYTES; at += MT_BLOCK_BYTES)
    {
      MtBlock block = mt_block_load(at);

      hits = mt_block_mask((MtBlock) (block == mt_block_of('['))
                           | (MtBlock) (block == mt_block_of(' ')));
      if (hits)
        break;
    }
  if (hits)
    at += __builtin_ctz(hits);
  else
    while (at < end && *at != '[' && *at != ' ')
      at++;
  if (at == end || *at != '[')
    return FALSE;
  *out = mt_span(cur->at, at - cur->at);
  cur->at = at + 1;
  return TRUE;
}

/* ":25", not further than @end. */
static void
scan_peer_port(MtCursor *cur, const gchar *end, MtEvent *event, const MtPeerFields *fields)
{
  MtCursor try = { cur->at, end };
  guint64 port;

  if (fields->port == MT_FIELD_COUNT || !mt_scan_char(&try, ':') || !mt_scan_u64(&try, &port)
      || port > 65535)
    return;
  mt_event_set_number(event, fields->port, port);
  cur->at = try.at;
}

gboolean
mt_scan_peer(MtCursor *cur, MtEvent *event, const MtPeerFields *fields)
{
  MtCursor try = { cur->at, cur->at + MIN(mt_cursor_left(cur), PEER_MAX_BYTES) };
  MtSpan name, ip;

  if (!scan_peer_name(&try, &name) || !mt_scan_until(&try, ']', &ip))
    return FALSE;
  mt_event_set_ip(event, fields->ip, ip);
  if (name.len && !MT_SPAN_IS(name, "unknown"))
    mt_event_set_text(event, fields->name, name);
  cur->at = try.at;
  if (try.at < try.end && *try.at == ':')
    scan_peer_port(cur, try.end, event, fields);
  return TRUE;
}

/* No mail server's queue IDs are longer. */
#define QUEUE_ID_BYTES 64

/* "550 5.1.1 <text>": an SMTP code and a DSN in front of prose; either may be missing. */
void
mt_read_answer(MtSpan text, MtEvent *event)
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
      mt_scan_char(&cur, ':'); /* OpenSMTPD 5 */
      mt_scan_char(&cur, ' ');
    }
  if (cur.at < cur.end)
    mt_event_set_text(event, MT_F_REASON, mt_cursor_rest(&cur));
}

/* The next hop's queue ID.  What a remote server says is only its claim: whoever
 * links messages by it must know the relay as one of ours. */
void
mt_read_next_queue_id(MtSpan reply, MtEvent *event)
{
  static const MtSpan accepted = MT_SPAN_INIT(" Message accepted for delivery");
  MtCursor cur = mt_cursor(reply);
  const gchar *at;
  MtSpan id, dsn;

  MT_SCAN(&cur, "250 ");
  if (mt_scan_dsn(&cur, &dsn) && !mt_scan_char(&cur, ' '))
    MT_SCAN(&cur, ": ");                                         /* OpenSMTPD 5 */
  if (MT_SCAN(&cur, "forwarded as ") || MT_SCAN(&cur, "OK id=")) /* local/forward.c; Exim */
    at = cur.at;
  else if ((at = mt_span_find_last(reply, MT_SPAN("queued as ")))) /* smtpd.c, amavis, proxies */
    at += strlen("queued as ");
  else if (MT_SPAN_STARTS(reply, "250- ")
           && (at = mt_span_find_last(reply, MT_SPAN("\\n250 OK id=")))) /* Exim, to BDAT */
    at += strlen("\\n250 OK id=");
  else if (mt_span_ends(reply, accepted))
    at = cur.at; /* Sendmail, OpenSMTPD */
  else
    return;
  cur.at = at;
  if (mt_scan_class(&cur, MT_CHAR_ALNUM | MT_CHAR_KEY, &id) && id.len <= QUEUE_ID_BYTES)
    mt_event_set_text(event, MT_F_NEXT_QUEUE_ID, id);
}

/* Dovecot's LMTP server: "250 2.0.0 <user> SESSION Saved" (src/lmtp/lmtp-local.c and
 * lmtp-proxy.c of 2.3 and 2.4; the proxy lets the backend's DSN through).  The session
 * of one of several recipients ends in ":2" or the like.  The user may hold anything: the
 * session is read from the end. */
void
mt_read_lmtp_session(MtSpan reply, MtEvent *event)
{
  static const MtSpan saved = MT_SPAN_INIT(" Saved");
  MtCursor cur = mt_cursor(reply);
  const gchar *space;
  MtSpan dsn, rest;

  if (!MT_SCAN(&cur, "250 ") || !mt_scan_dsn(&cur, &dsn) || !MT_SCAN(&cur, " <"))
    return;
  rest = mt_cursor_rest(&cur);
  if (!mt_span_ends(rest, saved))
    return;
  rest.len -= saved.len;
  space = rest.len ? memrchr(rest.at, ' ', rest.len) : NULL;
  if (space && space > rest.at && space[-1] == '>' && space + 1 < rest.at + rest.len)
    mt_event_set_text(event, MT_F_SESSION, mt_span(space + 1, rest.at + rest.len - space - 1));
}

void
mt_event_keep(MtEvent *event, MtEventKind kind, const MtField *fields)
{
  guint64 has[2] = { 0, 0 };

  for (; *fields != MT_FIELD_COUNT; fields++)
    if (mt_event_has(event, *fields))
      has[*fields >> 6] |= G_GUINT64_CONSTANT(1) << (*fields & 63);
  event->kind = kind;
  event->has[0] = has[0];
  event->has[1] = has[1];
}

/* The line as its rule saw it, prefix and all. */
static MtSpan
line_of_rule(const MtCursor *cur, const MtEvent *event)
{
  gsize prefix = ((const MtRule *) event->rule)->prefix.len;

  return mt_span(cur->at - prefix, cur->end - cur->at + prefix);
}

void
mt_claim_program(const MtProgram *programs, MtSpan program, MtClaim *claim)
{
  const gchar *slash = program.len ? memrchr(program.at, '/', program.len) : NULL;

  if (slash)
    program = mt_span(slash + 1, program.at + program.len - slash - 1);
  for (; programs->name.at; programs++)
    if (mt_span_equal(program, programs->name))
      {
        claim->daemon = programs->daemon;
        claim->strength = MT_CLAIM_NAME;
        return;
      }
}

gboolean
mt_scan_word(MtCursor *cur, MtSpan *out)
{
  return mt_scan_class(cur, MT_CHAR_ALNUM | MT_CHAR_KEY, out);
}

/* No mail server's queue IDs are shorter or longer. */
#define QUEUE_ID_MIN_BYTES 4
#define QUEUE_ID_MAX_BYTES 31

gboolean
mt_scan_queue_id(MtCursor *cur, MtSpan *out)
{
  MtCursor try = *cur;
  gsize i = 0;
  MtSpan id;

  if (!mt_scan_word(&try, &id) || id.len < QUEUE_ID_MIN_BYTES || id.len > QUEUE_ID_MAX_BYTES
      || MT_SPAN_IS(id, "NOQUEUE"))
    return FALSE;
  while (i < id.len && !mt_is_class(id.at[i], MT_CHAR_DIGIT))
    i++;
  if (i == id.len && !mt_span_is_all(id, MT_CHAR_UPPER_HEX))
    return FALSE;
  *cur = try;
  *out = id;
  return TRUE;
}

/* Mail::SpamAssassin's rules/25_spf.cf, 25_dkim.cf, 25_dmarc.cf of 3.4 and 4.0; rspamd's
 * conf/scores.d/policies_group.conf of 1.9 to 3.8. */
static const struct
{
  MtSpan name;
  MtField field;
  MtSpan result;
} symbols_of_results[] = {
#define X(name, field, result) \
  { \
    MT_SPAN_INIT(name), MT_F_##field, MT_SPAN_INIT(result) \
  }
  X("SPF_PASS", SPF, "pass"),
  X("SPF_FAIL", SPF, "fail"),
  X("SPF_SOFTFAIL", SPF, "softfail"),
  X("SPF_NEUTRAL", SPF, "neutral"),
  X("SPF_NONE", SPF, "none"),
  X("DKIM_VALID", DKIM, "pass"),
  X("DKIM_INVALID", DKIM, "fail"),
  X("DMARC_PASS", DMARC, "pass"),
  X("DMARC_REJECT", DMARC, "fail"),
  X("DMARC_QUAR", DMARC, "fail"),
  X("DMARC_NONE", DMARC, "fail"), /* it failed, and the policy is p=none */
  X("R_SPF_ALLOW", SPF, "pass"),
  X("R_SPF_FAIL", SPF, "fail"),
  X("R_SPF_SOFTFAIL", SPF, "softfail"),
  X("R_SPF_NEUTRAL", SPF, "neutral"),
  X("R_SPF_NA", SPF, "none"),
  X("R_SPF_DNSFAIL", SPF, "temperror"),
  X("R_SPF_PERMFAIL", SPF, "permerror"),
  X("R_DKIM_ALLOW", DKIM, "pass"),
  X("R_DKIM_REJECT", DKIM, "fail"),
  X("R_DKIM_TEMPFAIL", DKIM, "temperror"),
  X("R_DKIM_PERMFAIL", DKIM, "permerror"),
  X("R_DKIM_NA", DKIM, "none"),
  X("DMARC_POLICY_ALLOW", DMARC, "pass"),
  X("DMARC_POLICY_REJECT", DMARC, "fail"),
  X("DMARC_POLICY_QUARANTINE", DMARC, "fail"),
  X("DMARC_POLICY_SOFTFAIL", DMARC, "fail"), /* p=none */
  X("DMARC_BAD_POLICY", DMARC, "permerror"),
  X("DMARC_DNSFAIL", DMARC, "temperror"),
  X("DMARC_NA", DMARC, "none"),
#undef X
};

static void
read_symbol(MtSpan name, MtEvent *event)
{
  if (!memchr("SDR", name.at[0], 3)) /* most symbols are of other things */
    return;
  for (guint i = 0; i < G_N_ELEMENTS(symbols_of_results); i++)
    if (mt_span_equal(name, symbols_of_results[i].name)
        && !mt_event_has(event, symbols_of_results[i].field))
      mt_event_set_text(event, symbols_of_results[i].field, symbols_of_results[i].result);
}

/* Past the score and the options "{...}" of a symbol of rspamd, which may hold commas.
 * The first option of an antivirus' symbol (lualib/lua_scanners of 1.9 to 3.8: CLAM_VIRUS,
 * SOPHOS_VIRUS) is what it found. */
static void
skip_symbol(MtCursor *cur, MtSpan name, MtEvent *event)
{
  MtSpan score, options, virus;
  MtCursor inside;

  mt_scan_token(cur, ",{", &score);
  if (!mt_scan_char(cur, '{'))
    return;
  if (!mt_scan_until(cur, '}', &options))
    options = mt_cursor_rest(cur), cur->at = cur->end;
  inside = mt_cursor(options);
  if (MT_SPAN_ENDS(name, "_VIRUS") && mt_scan_token(&inside, ";", &virus))
    mt_event_set_text(event, MT_F_VIRUS, virus);
}

void
mt_read_symbols(MtSpan symbols, MtEvent *event)
{
  MtCursor cur = mt_cursor(symbols);
  MtSpan name;

  while (cur.at < cur.end)
    {
      name = MT_NO_SPAN;
      mt_scan_char(&cur, ' ');
      if (mt_scan_word(&cur, &name))
        read_symbol(name, event);
      skip_symbol(&cur, name, event);
      if (cur.at < cur.end)
        cur.at++;
    }
}

static const MtSpan results[] = {
  MT_SPAN_INIT("pass"),      MT_SPAN_INIT("fail"),      MT_SPAN_INIT("softfail"),
  MT_SPAN_INIT("neutral"),   MT_SPAN_INIT("none"),      MT_SPAN_INIT("policy"),
  MT_SPAN_INIT("permerror"), MT_SPAN_INIT("temperror"),
};

gboolean
mt_scan_result(MtCursor *cur, MtSpan *out)
{
  MtCursor try = *cur;
  MtSpan word;

  if (!mt_scan_class(&try, MT_CHAR_ALNUM, &word))
    return FALSE;
  for (guint i = 0; i < G_N_ELEMENTS(results); i++)
    if (mt_span_equal_nocase(word, results[i]))
      {
        *cur = try;
        *out = results[i];
        return TRUE;
      }
  return FALSE;
}

MtWord
mt_word_of(const MtWordOf *words, guint n_words, MtSpan text)
{
  for (guint i = 0; i < n_words; i++)
    if (mt_span_equal(text, words[i].text))
      return words[i].word;
  return MT_WORD_NONE;
}

MtParse
mt_take_reason(MtCursor *cur, MtEvent *event)
{
  if (cur->at < cur->end)
    mt_event_set_text(event, MT_F_REASON, mt_cursor_rest(cur));
  return MT_PARSE_MATCH;
}

MtParse
mt_take_line(MtCursor *cur, MtEvent *event)
{
  mt_event_set_text(event, MT_F_REASON, line_of_rule(cur, event));
  return MT_PARSE_MATCH;
}

gboolean
mt_scan_mailbox(MtCursor *cur, MtSpan *out)
{
  const gchar *at = cur->at;
  gboolean quoted = FALSE;

  for (; at < cur->end && (quoted || *at != ' '); at++)
    if (quoted && *at == '\\' && at + 1 < cur->end)
      at++;
    else if (*at == '"')
      quoted = !quoted;
  if (quoted)
    return FALSE;
  *out = mt_span(cur->at, at - cur->at);
  cur->at = at;
  return TRUE;
}

/* Values of keys that nobody asked for; a '<' may hide a comma.  One that is never closed ends
 * the walk: what follows cannot be told from it. */
static void
skip_value(MtCursor *cur)
{
  MtSpan value;

  if (mt_cursor_peek(cur) == '<')
    mt_scan_angle(cur, &value);
  else
    mt_scan_token(cur, ", ", &value);
}

static gboolean
scan_item(MtCursor *cur, MtSpan *out)
{
  MtSpan rest = mt_cursor_rest(cur);
  const gchar *comma = mt_span_find(rest, MT_SPAN(", "));

  *out = comma ? mt_span(rest.at, comma - rest.at) : rest;
  cur->at += out->len;
  return out->len > 0;
}

static void
read_angle(const MtKey *key, MtCursor *cur, MtEvent *event)
{
  MtSpan text;

  if (mt_scan_angle(cur, &text))
    mt_event_set_text(event, key->field, text);
}

static void
read_token(const MtKey *key, MtCursor *cur, MtEvent *event)
{
  MtSpan text;

  if (mt_scan_token(cur, ", ", &text))
    mt_event_set_text(event, key->field, text);
}

static void
read_item(const MtKey *key, MtCursor *cur, MtEvent *event)
{
  MtSpan text;

  if (scan_item(cur, &text))
    mt_event_set_text(event, key->field, text);
}

static void
read_integer(const MtKey *key, MtCursor *cur, MtEvent *event)
{
  guint64 number;

  if (mt_scan_u64(cur, &number))
    mt_event_set_number(event, key->field, number);
}

static void
read_duration(const MtKey *key, MtCursor *cur, MtEvent *event)
{
  gint64 us;

  if (mt_scan_duration(cur, &us))
    mt_event_set_number(event, key->field, us);
}

static void
read_dsn(const MtKey *key, MtCursor *cur, MtEvent *event)
{
  MtSpan text;

  if (mt_scan_dsn(cur, &text))
    mt_event_set_text(event, key->field, text);
}

static void
read_ip(const MtKey *key, MtCursor *cur, MtEvent *event)
{
  MtSpan text;

  if (mt_scan_token(cur, ", ", &text))
    mt_event_set_ip(event, key->field, text);
}

static void
read_client(const MtKey *key, MtCursor *cur, MtEvent *event)
{
  mt_scan_peer(cur, event, &mt_client_fields);
}

static void
read_rest(const MtKey *key, MtCursor *cur, MtEvent *event)
{
  mt_event_set_text(event, key->field, mt_cursor_rest(cur));
  cur->at = cur->end;
}

static void (*const readers[])(const MtKey *key, MtCursor *cur, MtEvent *event) = {
  [MT_KEY_ANGLE] = read_angle,       [MT_KEY_TOKEN] = read_token, [MT_KEY_ITEM] = read_item,
  [MT_KEY_INTEGER] = read_integer,   [MT_KEY_DSN] = read_dsn,     [MT_KEY_IP] = read_ip,
  [MT_KEY_DURATION] = read_duration, [MT_KEY_REST] = read_rest,   [MT_KEY_CLIENT] = read_client,
};

/* @head: the first bytes of @text, 0 behind it; no name has a NUL. */
static inline gboolean
is_key(const MtKey *key, MtSpan text, guint64 head)
{
  gsize len = key->name.len;

  if ((head & key->mask) != key->head)
    return FALSE;
  return G_LIKELY(len < MT_WORD_BYTES)
         || (text.len > len && text.at[len] == '=' && memcmp(text.at, key->name.at, len) == 0);
}

/* Lists mostly have the order of their table: the key behind the last is looked at first. */
static inline const MtKey *
key_at(const MtKey *keys, const MtKey *from, MtSpan text)
{
  guint64 head = mt_word_load_some(text.at, text.len);

  for (const MtKey *key = from; key->name.at; key++)
    if (is_key(key, text, head))
      return key;
  for (const MtKey *key = keys; key < from; key++)
    if (is_key(key, text, head))
      return key;
  return NULL;
}

const MtKey *
mt_key_at(const MtKey *keys, const MtKey *from, MtCursor *cur)
{
  const MtKey *key = key_at(keys, from ? from : keys, mt_cursor_rest(cur));

  if (key)
    cur->at += key->name.len + 1;
  return key;
}

/* Past a key of which nothing is known, and its value: a word of small letters, digits, '_' and
 * '-', and '=' behind it.  Returns: FALSE, cursor untouched, where there is none. */
static gboolean
skip_unknown(MtCursor *cur)
{
  MtCursor try = *cur;
  MtSpan name;

  if (!mt_scan_class(&try, MT_CHAR_KEY, &name) || !mt_scan_char(&try, '='))
    return FALSE;
  skip_value(&try);
  *cur = try;
  return TRUE;
}

void
mt_keys_walk(const MtKey *keys, MtCursor *cur, MtEvent *event)
{
  const MtKey *from = keys;

  for (;;)
    {
      const MtKey *key = key_at(keys, from, mt_cursor_rest(cur));

      if (G_LIKELY(key))
        {
          cur->at += key->name.len + 1;
          from = key + 1;
          if (key->kind == MT_KEY_FUNC)
            key->func(cur, event);
          else if (!mt_event_has(event, key->field))
            readers[key->kind](key, cur, event);
          else
            skip_value(cur);
        }
      else if (!skip_unknown(cur))
        return;
      if (cur->at < cur->end && *cur->at == ',')
        cur->at++;
      if (cur->at == cur->end || *cur->at != ' ')
        return;
      cur->at++;
    }
}

/* @head: the first bytes of @text, 0 behind it; no prefix has a NUL. */
static inline gboolean
has_prefix(const MtRule *rule, MtSpan text, guint64 head)
{
  gsize len = rule->prefix.len;

  if ((head & rule->mask) != rule->head)
    return FALSE;
  if (len <= MT_WORD_BYTES)
    return TRUE;
  return text.len >= len && mt_word_load(text.at + len - MT_WORD_BYTES) == rule->tail
         && (len <= 2 * MT_WORD_BYTES || memcmp(text.at, rule->prefix.at, len) == 0);
}

MtParse
mt_rules_apply(const MtRule *rules, MtSpan text, MtEvent *event)
{
  guint64 has[2] = { event->has[0], event->has[1] };
  guint64 head = mt_word_load_some(text.at, text.len);

  for (const MtRule *rule = rules;; rule++)
    {
      MtCursor cur;
      MtParse parse = MT_PARSE_MATCH;

      if (!has_prefix(rule, text, head))
        continue;
      if (!rule->prefix.at) /* the end of the table fits any text */
        return MT_PARSE_SKIP;
      cur = mt_cursor(text);
      if (rule->keys)
        mt_keys_walk(rule->keys, &cur, event);
      else if (rule->prefix.len) /* an empty text may have no bytes at all */
        cur.at += rule->prefix.len;
      event->kind = rule->event;
      event->rule = rule;
      if (rule->func)
        parse = rule->func(&cur, event);
      if (parse != MT_PARSE_SKIP)
        return parse;
      event->has[0] = has[0];
      event->has[1] = has[1];
    }
}

void
mt_parser_init(MtParser *parser, const MtDialect *only)
{
  memset(parser, 0, sizeof *parser);
  parser->only = only;
}

/* Whose the program is.  Two dialects never claim one by name: tests hold to it. */
static void
find_claim(const MtParser *parser, MtSpan program, MtClaim *named, guint64 *shapes)
{
  memset(named, 0, sizeof *named);
  *shapes = 0;
  for (gint i = 0; mt_dialects[i]; i++)
    {
      MtClaim claim = { mt_dialects[i], MT_CLAIM_NONE, NULL };

      if (parser->only && parser->only != mt_dialects[i])
        continue;
      mt_dialects[i]->claim(program, &claim);
      if (claim.strength == MT_CLAIM_NAME && !named->dialect)
        *named = claim;
      else if (claim.strength == MT_CLAIM_SHAPE)
        *shapes |= G_GUINT64_CONSTANT(1) << i;
    }
}

/* A name's first and last bytes tell it from most others; who makes names that share a slot
 * costs himself the claims' time. */
static inline guint
slot_of(MtParser *parser, MtSpan program)
{
  guint64 first = mt_word_load_some(program.at, program.len);
  guint64 last =
      program.len > MT_WORD_BYTES ? mt_word_load(program.at + program.len - MT_WORD_BYTES) : 0;
  guint64 mixed = (first ^ (last << 5 | last >> 59)) + program.len;
  guint hash = (mixed * G_GUINT64_CONSTANT(0x9e3779b97f4a7c15) >> 48) % MT_PARSER_SLOTS;

  if (parser->slot[hash].len != program.len || parser->slot[hash].first != first
      || parser->slot[hash].last != last
      || (program.len > 2 * MT_WORD_BYTES
          && memcmp(parser->slot[hash].name, program.at, program.len) != 0))
    {
      parser->slot[hash].len = program.len;
      parser->slot[hash].first = first;
      parser->slot[hash].last = last;
      memcpy(parser->slot[hash].name, program.at, program.len);
      find_claim(parser, program, &parser->slot[hash].claim, &parser->slot[hash].shapes);
    }
  return hash;
}

static void
parse_named(const MtLine *line, const MtClaim *claim, guint part, MtEvent *event)
{
  event->dialect = claim->dialect->name;
  event->part = part;
  if (claim->dialect->parse(line, claim, event) == MT_PARSE_MATCH)
    return;
  mt_event_clear(event);
  event->kind = MT_EVENT_UNKNOWN;
  event->dialect = claim->dialect->name;
  mt_event_set_text(event, MT_F_TEXT, mt_secret_cut(line->text));
}

/* Nobody knows the program: each dialect that may be anybody's is asked for the text. */
static void
parse_shapes(const MtLine *line, guint64 shapes, guint part, MtEvent *event)
{
  for (gint i = 0; shapes; i++, shapes >>= 1)
    {
      MtClaim claim = { mt_dialects[i], MT_CLAIM_SHAPE, NULL };

      if (!(shapes & 1))
        continue;
      event->dialect = claim.dialect->name;
      event->part = part;
      if (claim.dialect->parse(line, &claim, event) == MT_PARSE_MATCH)
        return;
      mt_event_clear(event);
    }
}

void
mt_parser_parse(MtParser *parser, const MtLine *line, MtEvent *event)
{
  mt_parser_parse_part(parser, line, 0, event);
}

void
mt_parser_parse_part(MtParser *parser, const MtLine *line, guint part, MtEvent *event)
{
  MtClaim found;
  const MtClaim *claim = &found;
  guint64 shapes;

  mt_event_clear(event);
  if (line->program.len && line->program.len <= MT_PARSER_NAME_BYTES)
    {
      guint slot = slot_of(parser, line->program);

      claim = &parser->slot[slot].claim;
      shapes = parser->slot[slot].shapes;
    }
  else
    find_claim(parser, line->program, &found, &shapes);
  if (claim->dialect)
    parse_named(line, claim, part, event);
  else
    parse_shapes(line, shapes, part, event);
}
