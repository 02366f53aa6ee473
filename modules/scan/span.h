/* span.h: slices of text and the cursor that walks them
 *
 * Layer: scan.  Concurrency: any thread; functions touch only their arguments.
 *
 * A span borrows its bytes from the line that was handed in and is never
 * NUL-terminated by contract.  Log text is hostile: any byte may occur, a line
 * may end anywhere.  A mt_scan_*() function moves the cursor past what it read
 * and returns TRUE, or leaves the cursor untouched and returns FALSE.
 */
#ifndef MT_SCAN_SPAN_H
#define MT_SCAN_SPAN_H

#include "scan/block.h"

typedef struct
{
  const gchar *at;
  gsize len;
} MtSpan;

typedef struct
{
  const gchar *at;
  const gchar *end;
} MtCursor;

/* Byte classes, one bit each in mt_byte_class[]. */
enum
{
  MT_CHAR_DIGIT = 1 << 0,
  MT_CHAR_UPPER_HEX = 1 << 1, /* 0-9A-F: short Postfix queue IDs */
  MT_CHAR_BASE52 = 1 << 2,    /* digits and consonants: long Postfix queue IDs */
  MT_CHAR_ALNUM = 1 << 3,
  MT_CHAR_KEY = 1 << 4, /* a-z 0-9 _ -: names in key=value text */
  MT_CHAR_HEX = 1 << 5,
  MT_CHAR_LOWER = 1 << 6,
};

extern const guint8 mt_byte_class[256];

/* A span over a string literal: in expressions, and in static tables. */
#define MT_SPAN(literal) ((MtSpan){ "" literal, sizeof(literal) - 1 })
#define MT_SPAN_INIT(literal) \
  { \
    "" literal, sizeof(literal) - 1 \
  }
#define MT_NO_SPAN ((MtSpan){ NULL, 0 })

static inline gboolean
mt_is_class(gchar c, guint8 classes)
{
  return (mt_byte_class[(guchar) c] & classes) != 0;
}

static inline MtSpan
mt_span(const gchar *at, gsize len)
{
  MtSpan span = { at, len };
  return span;
}

/* mt_span_of_string: borrows a NUL-terminated string; NULL gives the empty span. */
static inline MtSpan
mt_span_of_string(const gchar *string)
{
  return mt_span(string, string ? strlen(string) : 0);
}

/* Most texts differ in their first byte: that spares the call of memcmp(). */
static inline gboolean
mt_span_equal(MtSpan a, MtSpan b)
{
  return a.len == b.len && (a.len == 0 || (a.at[0] == b.at[0] && memcmp(a.at, b.at, a.len) == 0));
}

static inline gboolean
mt_span_starts(MtSpan span, MtSpan prefix)
{
  return span.len >= prefix.len
         && (prefix.len == 0
             || (span.at[0] == prefix.at[0] && memcmp(span.at, prefix.at, prefix.len) == 0));
}

static inline gboolean
mt_span_ends(MtSpan span, MtSpan suffix)
{
  return span.len >= suffix.len
         && (suffix.len == 0
             || memcmp(span.at + span.len - suffix.len, suffix.at, suffix.len) == 0);
}

#define MT_SPAN_IS(span, literal) mt_span_equal((span), MT_SPAN(literal))
#define MT_SPAN_STARTS(span, literal) mt_span_starts((span), MT_SPAN(literal))
#define MT_SPAN_ENDS(span, literal) mt_span_ends((span), MT_SPAN(literal))

/* mt_span_equal_nocase: ASCII letters compare without case; other bytes as they are. */
gboolean mt_span_equal_nocase(MtSpan a, MtSpan b);

/* mt_span_find: first place of @needle in @span, or NULL.  Linear in the span. */
const gchar *mt_span_find(MtSpan span, MtSpan needle);

/* mt_span_find_last: last place of @needle in @span, or NULL. */
const gchar *mt_span_find_last(MtSpan span, MtSpan needle);

/* mt_span_find_only: the place of @needle where it stands exactly once, or NULL.  For
 * lines in which text of strangers comes before what is sought: they can add a second,
 * but cannot take the first away. */
const gchar *mt_span_find_only(MtSpan span, MtSpan needle);

/* mt_span_trim: without the spaces and tabs at both ends. */
MtSpan mt_span_trim(MtSpan span);

/* mt_span_is_all: every byte is of one of @classes, and there is one at least. */
gboolean mt_span_is_all(MtSpan span, guint8 classes);

/* mt_span_to_u64: the whole span is a decimal number below 2^63.  Returns FALSE otherwise. */
gboolean mt_span_to_u64(MtSpan span, guint64 *out);

/* mt_span_domain: what stands behind the last '@' of an address; empty without one. */
static inline MtSpan
mt_span_domain(MtSpan address)
{
  const gchar *at = address.len ? memrchr(address.at, '@', address.len) : NULL;

  if (!at)
    return MT_NO_SPAN;
  return mt_span(at + 1, address.at + address.len - at - 1);
}

static inline MtCursor
mt_cursor(MtSpan span)
{
  MtCursor cur = { span.at, span.len ? span.at + span.len : span.at };
  return cur;
}

static inline gsize
mt_cursor_left(const MtCursor *cur)
{
  return cur->end - cur->at;
}

static inline MtSpan
mt_cursor_rest(const MtCursor *cur)
{
  return mt_span(cur->at, cur->end - cur->at);
}

/* mt_cursor_peek: the next byte, or NUL at the end. */
static inline gchar
mt_cursor_peek(const MtCursor *cur)
{
  return cur->at < cur->end ? *cur->at : '\0';
}

static inline gboolean
mt_scan_span(MtCursor *cur, MtSpan literal)
{
  if (!mt_span_starts(mt_cursor_rest(cur), literal))
    return FALSE;
  cur->at += literal.len;
  return TRUE;
}

#define MT_SCAN(cur, literal) mt_scan_span((cur), MT_SPAN(literal))

static inline gboolean
mt_scan_char(MtCursor *cur, gchar c)
{
  if (cur->at >= cur->end || *cur->at != c)
    return FALSE;
  cur->at++;
  return TRUE;
}

/* mt_scan_until: reads up to @stop, which must come, and moves past it. */
static inline gboolean
mt_scan_until(MtCursor *cur, gchar stop, MtSpan *out)
{
  const gchar *at = mt_find_char(cur->at, cur->end, stop);

  if (!at)
    return FALSE;
  *out = mt_span(cur->at, at - cur->at);
  cur->at = at + 1;
  return TRUE;
}

/* mt_scan_until_span: as mt_scan_until(), for a longer stop. */
gboolean mt_scan_until_span(MtCursor *cur, MtSpan stop, MtSpan *out);

#define MT_SCAN_UNTIL(cur, literal, out) mt_scan_until_span((cur), MT_SPAN(literal), (out))

/* Which bytes of @block are of @classes, of those that a block can tell. */
#define MT_CHAR_IN_BLOCKS (MT_CHAR_DIGIT | MT_CHAR_ALNUM | MT_CHAR_KEY)

static inline guint
mt_block_class(MtBlock block, guint8 classes)
{
  MtBlock is = (MtBlock) (block - '0' < 10);

  if (classes & MT_CHAR_ALNUM)
    is |= (MtBlock) ((block | 0x20) - 'a' < 26);
  else if (classes & MT_CHAR_KEY)
    is |= (MtBlock) (block - 'a' < 26);
  if (classes & MT_CHAR_KEY)
    is |= (MtBlock) (block == mt_block_of('_')) | (MtBlock) (block == mt_block_of('-'));
  return mt_block_mask(is);
}

/* mt_skip_class: behind the bytes of @classes at @at. */
static inline const gchar *
mt_skip_class(const gchar *at, const gchar *end, guint8 classes)
{
  if (__builtin_constant_p(classes) && !(classes & ~MT_CHAR_IN_BLOCKS))
    for (; end - at >= MT_BLOCK_BYTES; at += MT_BLOCK_BYTES)
      {
        guint is = mt_block_class(mt_block_load(at), classes);

        if (G_LIKELY(is != 0xffff))
          return at + __builtin_ctz(~is);
      }
  while (at < end && mt_is_class(*at, classes))
    at++;
  return at;
}

/* mt_scan_class: one or more bytes of @classes. */
static inline gboolean
mt_scan_class(MtCursor *cur, guint8 classes, MtSpan *out)
{
  const gchar *at = mt_skip_class(cur->at, cur->end, classes);

  if (at == cur->at)
    return FALSE;
  *out = mt_span(cur->at, at - cur->at);
  cur->at = at;
  return TRUE;
}

/* mt_find_stop: the next byte of @stops, or the end. */
const gchar *mt_find_stop(const gchar *at, const gchar *end, const gchar *stops);

/* mt_scan_token: up to the next byte of @stops (a string of at most a few
 * bytes) or the end; at least one byte.  The stop is not read. */
static inline gboolean
mt_scan_token(MtCursor *cur, const gchar *stops, MtSpan *out)
{
  const gchar *at = cur->at;

  if (__builtin_constant_p(stops[0] && !stops[1]) && stops[0] && !stops[1])
    {
      at = mt_find_char(at, cur->end, stops[0]);
      at = at ? at : cur->end;
    }
  else
    at = mt_find_stop(at, cur->end, stops);
  if (at == cur->at)
    return FALSE;
  *out = mt_span(cur->at, at - cur->at);
  cur->at = at;
  return TRUE;
}

/* So many digits are below 2^63, whichever they are. */
#define MT_U64_SAFE_DIGITS 18

/* mt_scan_u64_long: for mt_scan_u64(). */
gboolean mt_scan_u64_long(MtCursor *cur, guint64 *out);

/* mt_scan_u64: decimal digits; FALSE where there is none or the number passes 2^63-1. */
static inline gboolean
mt_scan_u64(MtCursor *cur, guint64 *out)
{
  const gchar *at = cur->at, *end = cur->end;
  guint64 number = 0;

  if (G_LIKELY(end - at >= MT_WORD_BYTES))
    {
      guint count = mt_word_digits(mt_word_load(at), &number);

      if (!count)
        return FALSE;
      if (G_LIKELY(count < MT_WORD_BYTES))
        {
          cur->at = at + count;
          *out = mt_word_number(number, count);
          return TRUE;
        }
      number = 0;
    }
  for (guint digit; at < end && (digit = (guint) *at - '0') < 10; at++)
    number = number * 10 + digit;
  if (at == cur->at)
    return FALSE;
  if (at - cur->at > MT_U64_SAFE_DIGITS)
    return mt_scan_u64_long(cur, out);
  cur->at = at;
  *out = number;
  return TRUE;
}

/* mt_scan_duration_long: for mt_scan_duration(). */
gboolean mt_scan_duration_long(MtCursor *cur, gint64 *out_us);

/* mt_scan_duration: seconds with an optional fraction ("0.08", "12", "1e+03" as
 * printf's %g gives).  @out_us: microseconds; FALSE above 10^12 s. */
static inline gboolean
mt_scan_duration(MtCursor *cur, gint64 *out_us)
{
  static const gint32 units[] = { 1000000, 100000, 10000, 1000, 100, 10 };
  const gchar *at = cur->at, *end = cur->end;
  guint seconds = 0, fraction = 0, digit, places = 0;

  for (; at < end && at - cur->at < MT_WORD_BYTES && (digit = (guint) *at - '0') < 10; at++)
    seconds = seconds * 10 + digit;
  if (at == cur->at)
    return FALSE;
  if (at < end && *at == '.')
    for (at++; at < end && places + 1 < G_N_ELEMENTS(units) && (digit = (guint) *at - '0') < 10;
         at++, places++)
      fraction = fraction * 10 + digit;
  if (at < end && (*at == 'e' || (guint) *at - '0' < 10))
    return mt_scan_duration_long(cur, out_us);
  cur->at = at;
  *out_us = seconds * G_GINT64_CONSTANT(1000000) + (gint64) fraction * units[places];
  return TRUE;
}

/* mt_scan_real: a decimal number with an optional sign and fraction ("-1.98", "12"). */
gboolean mt_scan_real(MtCursor *cur, gdouble *out);

/* mt_scan_angle_quoted: for mt_scan_angle(). */
gboolean mt_scan_angle_quoted(MtCursor *cur, MtSpan *out);

/* mt_scan_angle: an address between '<' and '>', past both.  A quoted local
 * part (RFC 5321 Quoted-string, as Postfix 3.5+ logs) may hold a '>'; without one
 * the first '>' closes.  @out may be empty. */
static inline gboolean
mt_scan_angle(MtCursor *cur, MtSpan *out)
{
  const gchar *at = cur->at;

  if (at >= cur->end || *at != '<')
    return FALSE;
  if (at + 1 < cur->end && at[1] == '"')
    return mt_scan_angle_quoted(cur, out);
  at = mt_find_char(at + 1, cur->end, '>');
  if (!at)
    return FALSE;
  *out = mt_span(cur->at + 1, at - cur->at - 1);
  cur->at = at + 1;
  return TRUE;
}

/* "4.2.2", as most are. */
#define MT_DSN_BYTES 5

/* mt_scan_dsn_long: for mt_scan_dsn(). */
gboolean mt_scan_dsn_long(MtCursor *cur, MtSpan *out);

/* mt_scan_dsn: an enhanced status code, RFC 3463 "4.2.2". */
static inline gboolean
mt_scan_dsn(MtCursor *cur, MtSpan *out)
{
  const gchar *at = cur->at;

  if (G_UNLIKELY(cur->end - at <= MT_DSN_BYTES || at[1] != '.' || at[3] != '.'
                 || !mt_is_class(at[2], MT_CHAR_DIGIT) || !mt_is_class(at[4], MT_CHAR_DIGIT)
                 || mt_is_class(at[5], MT_CHAR_DIGIT)))
    return mt_scan_dsn_long(cur, out);
  if (at[0] != '2' && at[0] != '4' && at[0] != '5')
    return FALSE;
  *out = mt_span(at, MT_DSN_BYTES);
  cur->at = at + MT_DSN_BYTES;
  return TRUE;
}

#endif
