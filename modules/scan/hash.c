#include "scan/hash.h"

static inline guint64
rotate(guint64 x, guint bits)
{
  return (x << bits) | (x >> (64 - bits));
}

static inline void
sip_round(guint64 v[4])
{
  v[0] += v[1];
  v[2] += v[3];
  v[1] = rotate(v[1], 13) ^ v[0];
  v[3] = rotate(v[3], 16) ^ v[2];
  v[0] = rotate(v[0], 32);
  v[2] += v[1];
  v[0] += v[3];
  v[1] = rotate(v[1], 17) ^ v[2];
  v[3] = rotate(v[3], 21) ^ v[0];
  v[2] = rotate(v[2], 32);
}

/* ASCII letters of eight bytes as small ones. */
static inline guint64
lower(guint64 word)
{
  const guint64 ones = G_GUINT64_CONSTANT(0x0101010101010101), high = ones * 0x80;
  guint64 rest = word & ~high;
  guint64 upper = (rest + ones * (0x80 - 'A')) & ~(rest + ones * (0x7f - 'Z')) & ~word & high;

  return word | upper >> 2;
}

/* The last bytes, fewer than eight, as the low ones of a word. */
static inline guint64
load_rest(const guint8 *at, gsize left)
{
  guint64 word = 0;
  guint32 first, last;

  if (left >= 4)
    {
      memcpy(&first, at, 4);
      memcpy(&last, at + left - 4, 4);
      return GUINT32_FROM_LE(first) | (guint64) GUINT32_FROM_LE(last) << 8 * (left - 4);
    }
  for (gsize i = 0; i < left; i++)
    word |= (guint64) at[i] << 8 * i;
  return word;
}

static inline guint64
hash(const MtHashKey *key, const guint8 *at, gsize bytes, gboolean nocase)
{
  guint64 v[4] = { key->k[0] ^ G_GUINT64_CONSTANT(0x736f6d6570736575),
                   key->k[1] ^ G_GUINT64_CONSTANT(0x646f72616e646f6d),
                   key->k[0] ^ G_GUINT64_CONSTANT(0x6c7967656e657261),
                   key->k[1] ^ G_GUINT64_CONSTANT(0x7465646279746573) };
  guint64 word;
  gsize left = bytes;

  for (; left >= 8; left -= 8, at += 8)
    {
      memcpy(&word, at, 8);
      word = GUINT64_FROM_LE(word);
      if (nocase)
        word = lower(word);
      v[3] ^= word;
      sip_round(v);
      v[0] ^= word;
    }
  word = load_rest(at, left);
  if (nocase)
    word = lower(word);
  word |= (guint64) bytes << 56;
  v[3] ^= word;
  sip_round(v);
  v[0] ^= word;
  v[2] ^= 0xff;
  for (gint i = 0; i < 3; i++)
    sip_round(v);
  return v[0] ^ v[1] ^ v[2] ^ v[3];
}

guint64
mt_hash(const MtHashKey *key, gconstpointer data, gsize bytes)
{
  return hash(key, data, bytes, FALSE);
}

/* Longer than any address (RFC 5321 4.5.3.1: 320 octets). */
#define MAX_NOCASE_BYTES 512

guint64
mt_hash_nocase(const MtHashKey *key, MtSpan span)
{
  return hash(key, (const guint8 *) span.at, MIN(span.len, MAX_NOCASE_BYTES), TRUE);
}
