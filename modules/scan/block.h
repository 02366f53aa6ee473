/* block.h: several bytes of text at once
 *
 * Layer: scan.  Concurrency: any thread; functions touch only their arguments.
 *
 * A word is eight bytes as a number, a block sixteen that the processor compares at once; in
 * both the first byte is the lowest.  Nothing here reads behind the text that it is given.
 */
#ifndef MT_SCAN_BLOCK_H
#define MT_SCAN_BLOCK_H

#include <glib.h>
#include <string.h>

#define MT_WORD_BYTES 8
#define MT_BLOCK_BYTES 16

typedef guint8 MtBlock __attribute__((vector_size(MT_BLOCK_BYTES)));

/* Each byte of a word is this one. */
#define MT_WORD_OF(byte) (G_GUINT64_CONSTANT(0x0101010101010101) * (guint8) (byte))

/* A literal's first and last bytes as words, 0 where it has fewer: for static tables. */
#define MT_HEAD_WORD(literal) MT_WORD_AT(literal "\0\0\0\0\0\0\0", 0)
#define MT_TAIL_WORD(literal) MT_WORD_AT("\0\0\0\0\0\0\0\0" literal, sizeof(literal) - 1)
#define MT_HEAD_MASK(literal) \
  (sizeof(literal) > MT_WORD_BYTES \
       ? G_MAXUINT64 \
       : (G_GUINT64_CONSTANT(1) << 8 * (sizeof(literal) - 1) % 64) - 1)
/* The first bytes as a number that orders as the texts do. */
#define MT_ORDER_WORD(literal) MT_SWAPPED(MT_HEAD_WORD(literal))
#define MT_SWAPPED(word) \
  ((word) << 56 | ((word) &0xff00) << 40 | ((word) &0xff0000) << 24 | ((word) &0xff000000) << 8 \
   | ((word) >> 8 & 0xff000000) | ((word) >> 24 & 0xff0000) | ((word) >> 40 & 0xff00) \
   | (word) >> 56)
#define MT_WORD_AT(text, i) \
  (MT_BYTE_AT(text, i, 0) | MT_BYTE_AT(text, i, 1) | MT_BYTE_AT(text, i, 2) \
   | MT_BYTE_AT(text, i, 3) | MT_BYTE_AT(text, i, 4) | MT_BYTE_AT(text, i, 5) \
   | MT_BYTE_AT(text, i, 6) | MT_BYTE_AT(text, i, 7))
#define MT_BYTE_AT(text, i, place) ((guint64) (guint8) (text)[(i) + (place)] << 8 * (place))

/* mt_word_mask: the first @bytes of a word, at most all. */
static inline guint64
mt_word_mask(gsize bytes)
{
  return bytes < MT_WORD_BYTES ? (G_GUINT64_CONSTANT(1) << 8 * bytes) - 1 : G_MAXUINT64;
}

/* mt_word_load: eight bytes that are there. */
static inline guint64
mt_word_load(const gchar *at)
{
  guint64 word;

  memcpy(&word, at, sizeof word);
  return GUINT64_FROM_LE(word);
}

/* mt_word_load_some: of @len bytes the first eight; 0 behind them. */
static inline guint64
mt_word_load_some(const gchar *at, gsize len)
{
  guint32 first, last;

  if (G_LIKELY(len >= MT_WORD_BYTES))
    return mt_word_load(at);
  if (len < sizeof first)
    return len ? (guint8) at[0] | (guint64) (guint8) at[len / 2] << 8 * (len / 2)
                     | (guint64) (guint8) at[len - 1] << 8 * (len - 1)
               : 0;
  memcpy(&first, at, sizeof first);
  memcpy(&last, at + len - sizeof last, sizeof last); /* of which the first may hold some */
  return GUINT32_FROM_LE(first) | (guint64) GUINT32_FROM_LE(last) << 8 * (len - sizeof last);
}

/* mt_word_first: which byte of @word is the first @byte; MT_WORD_BYTES: none is. */
static inline guint
mt_word_first(guint64 word, guint8 byte)
{
  guint64 differs = word ^ MT_WORD_OF(byte);
  guint64 hits = (differs - MT_WORD_OF(0x01)) & ~differs & MT_WORD_OF(0x80);

  return hits ? (guint) __builtin_ctzll(hits) >> 3 : MT_WORD_BYTES;
}

/* mt_word_digits: how many of the first bytes are digits.  @digits: what they say, a byte each. */
static inline guint
mt_word_digits(guint64 word, guint64 *digits)
{
  guint64 number = word ^ MT_WORD_OF('0');
  guint64 others = ((number + MT_WORD_OF(0x80 - 10)) | number) & MT_WORD_OF(0x80);

  *digits = number;
  return others ? (guint) __builtin_ctzll(others) >> 3 : MT_WORD_BYTES;
}

/* mt_word_number: the number that the first @count digits make, 1 to 8. */
static inline guint64
mt_word_number(guint64 digits, guint count)
{
  guint64 pairs;

  digits <<= 64 - 8 * count; /* zeros in front */
  pairs = digits * 10 + (digits >> 8);
  return ((pairs & G_GUINT64_CONSTANT(0xff000000ff)) * (100 + (G_GUINT64_CONSTANT(1000000) << 32))
          + (pairs >> 16 & G_GUINT64_CONSTANT(0xff000000ff))
                * (1 + (G_GUINT64_CONSTANT(10000) << 32)))
         >> 32;
}

static inline MtBlock
mt_block_load(const gchar *at)
{
  MtBlock block;

  memcpy(&block, at, sizeof block);
  return block;
}

static inline MtBlock
mt_block_of(gchar c)
{
  return (MtBlock){ 0 } + (guint8) c;
}

/* mt_block_mask: of a comparison's outcome a bit for each byte that it holds for. */
static inline guint
mt_block_mask(MtBlock outcome)
{
#ifdef __SSE2__
  typedef char Bytes __attribute__((vector_size(MT_BLOCK_BYTES)));

  return __builtin_ia32_pmovmskb128((Bytes) outcome);
#else
  const guint64 gather = G_GUINT64_CONSTANT(0x0002040810204081);
  gchar bytes[MT_BLOCK_BYTES];

  memcpy(bytes, &outcome, sizeof bytes);
  return (mt_word_load(bytes) & MT_WORD_OF(0x80)) * gather >> 56
         | (mt_word_load(bytes + MT_WORD_BYTES) & MT_WORD_OF(0x80)) * gather >> 56 << 8;
#endif
}

/* mt_block_hits: a bit for each of the sixteen bytes at @at that is @c. */
static inline guint
mt_block_hits(const gchar *at, gchar c)
{
  return mt_block_mask((MtBlock) (mt_block_load(at) == mt_block_of(c)));
}

/* mt_find_char: as memchr(), for what is mostly near. */
static inline const gchar *
mt_find_char(const gchar *at, const gchar *end, gchar c)
{
  if (G_LIKELY(end - at >= MT_BLOCK_BYTES))
    {
      guint hits = mt_block_hits(at, c);

      if (G_LIKELY(hits))
        return at + __builtin_ctz(hits);
      at += MT_BLOCK_BYTES;
    }
  return at < end ? memchr(at, c, end - at) : NULL;
}

#endif
