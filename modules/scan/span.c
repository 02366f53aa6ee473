#include "scan/span.h"

#define D \
  (MT_CHAR_DIGIT | MT_CHAR_UPPER_HEX | MT_CHAR_BASE52 | MT_CHAR_ALNUM | MT_CHAR_KEY | MT_CHAR_HEX)
#define UHV (MT_CHAR_UPPER_HEX | MT_CHAR_ALNUM | MT_CHAR_HEX)
#define UHC (UHV | MT_CHAR_BASE52)
#define UV (MT_CHAR_ALNUM)
#define UC (MT_CHAR_ALNUM | MT_CHAR_BASE52)
#define LV (MT_CHAR_ALNUM | MT_CHAR_KEY | MT_CHAR_LOWER)
#define LC (LV | MT_CHAR_BASE52)
#define LHV (LV | MT_CHAR_HEX)
#define LHC (LC | MT_CHAR_HEX)

/* Base 52 of Postfix (src/global/mail_queue.h): digits, consonants of both cases. */
const guint8 mt_byte_class[256] = {
  ['0'] = D,   ['1'] = D,   ['2'] = D,           ['3'] = D,           ['4'] = D,   ['5'] = D,
  ['6'] = D,   ['7'] = D,   ['8'] = D,           ['9'] = D,           ['A'] = UHV, ['B'] = UHC,
  ['C'] = UHC, ['D'] = UHC, ['E'] = UHV,         ['F'] = UHC,         ['G'] = UC,  ['H'] = UC,
  ['I'] = UV,  ['J'] = UC,  ['K'] = UC,          ['L'] = UC,          ['M'] = UC,  ['N'] = UC,
  ['O'] = UV,  ['P'] = UC,  ['Q'] = UC,          ['R'] = UC,          ['S'] = UC,  ['T'] = UC,
  ['U'] = UV,  ['V'] = UC,  ['W'] = UC,          ['X'] = UC,          ['Y'] = UC,  ['Z'] = UC,
  ['a'] = LHV, ['b'] = LHC, ['c'] = LHC,         ['d'] = LHC,         ['e'] = LHV, ['f'] = LHC,
  ['g'] = LC,  ['h'] = LC,  ['i'] = LV,          ['j'] = LC,          ['k'] = LC,  ['l'] = LC,
  ['m'] = LC,  ['n'] = LC,  ['o'] = LV,          ['p'] = LC,          ['q'] = LC,  ['r'] = LC,
  ['s'] = LC,  ['t'] = LC,  ['u'] = LV,          ['v'] = LC,          ['w'] = LC,  ['x'] = LC,
  ['y'] = LC,  ['z'] = LC,  ['_'] = MT_CHAR_KEY, ['-'] = MT_CHAR_KEY,
};

gboolean
mt_span_equal_nocase(MtSpan a, MtSpan b)
{
  return a.len == b.len && (a.len == 0 || g_ascii_strncasecmp(a.at, b.at, a.len) == 0);
}

/* The first of sixteen places at which @needle stands, or NULL. */
static inline const gchar *
find_in_block(const gchar *at, MtSpan needle, MtBlock first, MtBlock last)
{
  MtBlock fits = (MtBlock) (mt_block_load(at) == first)
                 & (MtBlock) (mt_block_load(at + needle.len - 1) == last);

  for (guint hits = mt_block_mask(fits); hits; hits &= hits - 1)
    if (memcmp(at + __builtin_ctz(hits), needle.at, needle.len) == 0)
      return at + __builtin_ctz(hits);
  return NULL;
}

/* Where the needle's first and last byte both fit, it is compared.  memmem() takes many times
 * as long for the short needles of dialects; longer ones, with which time would grow, are its. */
#define NEEDLE_MAX 64

const gchar *
mt_span_find(MtSpan span, MtSpan needle)
{
  const gchar *at = span.at, *last, *found;
  MtBlock first_byte, last_byte;

  if (!span.len || span.len < needle.len)
    return NULL;
  if (!needle.len || needle.len > NEEDLE_MAX)
    return memmem(span.at, span.len, needle.at, needle.len);
  last = span.at + span.len - needle.len;
  first_byte = mt_block_of(needle.at[0]);
  last_byte = mt_block_of(needle.at[needle.len - 1]);
  for (; last - at >= MT_BLOCK_BYTES - 1; at += MT_BLOCK_BYTES)
    if ((found = find_in_block(at, needle, first_byte, last_byte)))
      return found;
  if (at > last)
    return NULL;
  if (at > span.at) /* the rest, and places at which it does not stand */
    return find_in_block(last - (MT_BLOCK_BYTES - 1), needle, first_byte, last_byte);
  for (; at <= last; at++)
    if (*at == needle.at[0] && memcmp(at, needle.at, needle.len) == 0)
      return at;
  return NULL;
}

const gchar *
mt_span_find_last(MtSpan span, MtSpan needle)
{
  if (!needle.len || span.len < needle.len)
    return NULL;
  for (const gchar *at = span.at + span.len - needle.len;; at--)
    {
      at = memrchr(span.at, needle.at[0], at - span.at + 1);
      if (!at)
        return NULL;
      if (memcmp(at, needle.at, needle.len) == 0)
        return at;
      if (at == span.at)
        return NULL;
    }
}

const gchar *
mt_span_find_only(MtSpan span, MtSpan needle)
{
  const gchar *first = mt_span_find(span, needle);
  MtSpan behind = first ? mt_span(first + 1, span.at + span.len - first - 1) : MT_NO_SPAN;

  return first && !mt_span_find(behind, needle) ? first : NULL;
}

MtSpan
mt_span_trim(MtSpan span)
{
  while (span.len && (span.at[0] == ' ' || span.at[0] == '\t'))
    span.at++, span.len--;
  while (span.len && (span.at[span.len - 1] == ' ' || span.at[span.len - 1] == '\t'))
    span.len--;
  return span;
}

gboolean
mt_span_is_all(MtSpan span, guint8 classes)
{
  for (gsize i = 0; i < span.len; i++)
    if (!mt_is_class(span.at[i], classes))
      return FALSE;
  return span.len > 0;
}

gboolean
mt_span_to_u64(MtSpan span, guint64 *out)
{
  MtCursor cur = mt_cursor(span);
  guint64 number;

  if (!mt_scan_u64(&cur, &number) || cur.at != cur.end)
    return FALSE;
  *out = number;
  return TRUE;
}

gboolean
mt_scan_until_span(MtCursor *cur, MtSpan stop, MtSpan *out)
{
  const gchar *at = mt_span_find(mt_cursor_rest(cur), stop);

  if (!at)
    return FALSE;
  *out = mt_span(cur->at, at - cur->at);
  cur->at = at + stop.len;
  return TRUE;
}

/* Up to the next of four bytes, or the end. */
static inline const gchar *
find_any_of_four(const gchar *at, const gchar *end, const gchar stops[4])
{
  for (; end - at >= MT_BLOCK_BYTES; at += MT_BLOCK_BYTES)
    {
      MtBlock block = mt_block_load(at);
      guint hits = mt_block_mask((MtBlock) (block == mt_block_of(stops[0]))
                                 | (MtBlock) (block == mt_block_of(stops[1]))
                                 | (MtBlock) (block == mt_block_of(stops[2]))
                                 | (MtBlock) (block == mt_block_of(stops[3])));

      if (hits)
        return at + __builtin_ctz(hits);
    }
  while (at < end && *at != stops[0] && *at != stops[1] && *at != stops[2] && *at != stops[3])
    at++;
  return at;
}

/* As above, for any number of them. */
static const gchar *
find_any_of(const gchar *at, const gchar *end, const gchar *stops)
{
  guint64 set[4] = { 0, 0, 0, 0 };

  for (; *stops; stops++)
    set[(guchar) *stops >> 6] |= G_GUINT64_CONSTANT(1) << ((guchar) *stops & 63);
  while (at < end && !(set[(guchar) *at >> 6] >> ((guchar) *at & 63) & 1))
    at++;
  return at;
}

const gchar *
mt_find_stop(const gchar *at, const gchar *end, const gchar *stops)
{
  gchar four[4];
  guint n = 0;

  for (guint i = 0; i < G_N_ELEMENTS(four); i++)
    four[i] = stops[n] ? stops[n++] : stops[0];
  return n && !stops[n] ? find_any_of_four(at, end, four) : find_any_of(at, end, stops);
}

gboolean
mt_scan_u64_long(MtCursor *cur, guint64 *out)
{
  const guint64 most = (guint64) G_MAXINT64 / 10; /* before one more digit */
  const gchar *at = cur->at;
  guint64 number = 0;

  for (; at < cur->end && mt_is_class(*at, MT_CHAR_DIGIT); at++)
    {
      guint digit = *at - '0';

      if (number > most || (number == most && digit > (guint64) G_MAXINT64 % 10))
        return FALSE;
      number = number * 10 + digit;
    }
  if (at == cur->at)
    return FALSE;
  cur->at = at;
  *out = number;
  return TRUE;
}

/* The part behind the point, as microseconds; further digits are cut. */
static gint64
scan_fraction_us(MtCursor *cur)
{
  gint64 us = 0, unit = 100000;

  for (; cur->at < cur->end && mt_is_class(*cur->at, MT_CHAR_DIGIT); cur->at++, unit /= 10)
    us += (*cur->at - '0') * unit;
  return us;
}

static gboolean
scale_by_exponent(MtCursor *cur, gint64 *us)
{
  MtCursor try = *cur;
  guint64 exponent;
  gboolean negative;

  if (!mt_scan_char(&try, 'e'))
    return TRUE;
  negative = mt_scan_char(&try, '-');
  if (!negative)
    mt_scan_char(&try, '+');
  if (!mt_scan_u64(&try, &exponent))
    return TRUE;
  for (; exponent && *us && *us < G_MAXINT64 / 10; exponent--)
    *us = negative ? *us / 10 : *us * 10;
  *cur = try;
  return exponent == 0 || *us == 0;
}

gboolean
mt_scan_real(MtCursor *cur, gdouble *out)
{
  MtCursor try = *cur;
  gboolean negative = mt_scan_char(&try, '-');
  gdouble number = 0, place = 1;
  guint64 whole;

  if (!negative)
    mt_scan_char(&try, '+');
  if (!mt_scan_u64(&try, &whole))
    return FALSE;
  *cur = try;
  if (mt_scan_char(&try, '.'))
    for (; try.at < try.end && mt_is_class(*try.at, MT_CHAR_DIGIT); try.at++)
      {
        number = number * 10 + (*try.at - '0');
        place *= 10;
        cur->at = try.at + 1;
        if (place >= 1e9) /* no score has more places */
          break;
      }
  number = whole + number / place;
  *out = negative ? -number : number;
  return TRUE;
}

gboolean
mt_scan_duration_long(MtCursor *cur, gint64 *out_us)
{
  MtCursor try = *cur;
  guint64 seconds;
  gint64 us;

  if (!mt_scan_u64(&try, &seconds) || seconds > G_GUINT64_CONSTANT(1000000000000))
    return FALSE;
  us = seconds * 1000000;
  if (mt_scan_char(&try, '.'))
    us += scan_fraction_us(&try);
  if (!scale_by_exponent(&try, &us))
    return FALSE;
  *cur = try;
  *out_us = us;
  return TRUE;
}

/* Past a Quoted-string that makes up the local part, or the whole address:
 * "..."@ or "...">.  NULL where the text is no such thing. */
static const gchar *
skip_quoted_local_part(const gchar *at, const gchar *end)
{
  for (at++; at < end; at++)
    {
      if (*at == '\\')
        at++;
      else if (*at == '"')
        return at + 1 < end && (at[1] == '@' || at[1] == '>') ? at + 1 : NULL;
    }
  return NULL;
}

gboolean
mt_scan_angle_quoted(MtCursor *cur, MtSpan *out)
{
  const gchar *first = cur->at + 1;
  const gchar *from = skip_quoted_local_part(first, cur->end);
  const gchar *close = mt_find_char(from ? from : first, cur->end, '>');

  if (!close)
    return FALSE;
  *out = mt_span(first, close - first);
  cur->at = close + 1;
  return TRUE;
}

gboolean
mt_scan_dsn_long(MtCursor *cur, MtSpan *out)
{
  MtCursor try = *cur;
  gchar class = mt_cursor_peek(&try);
  guint64 part;

  if (class != '2' && class != '4' && class != '5')
    return FALSE;
  try.at++;
  for (gint i = 0; i < 2; i++)
    if (!mt_scan_char(&try, '.') || !mt_scan_u64(&try, &part) || part > 999)
      return FALSE;
  *out = mt_span(cur->at, try.at - cur->at);
  cur->at = try.at;
  return TRUE;
}
