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

guint64
mt_hash(const MtHashKey *key, gconstpointer data, gsize bytes)
{
  const guint8 *at = data;
  guint64 v[4] = { key->k[0] ^ G_GUINT64_CONSTANT(0x736f6d6570736575),
                   key->k[1] ^ G_GUINT64_CONSTANT(0x646f72616e646f6d),
                   key->k[0] ^ G_GUINT64_CONSTANT(0x6c7967656e657261),
                   key->k[1] ^ G_GUINT64_CONSTANT(0x7465646279746573) };
  guint64 word, last = (guint64) bytes << 56;
  gsize left = bytes;

  for (; left >= 8; left -= 8, at += 8)
    {
      memcpy(&word, at, 8);
      word = GUINT64_FROM_LE(word);
      v[3] ^= word;
      sip_round(v);
      v[0] ^= word;
    }
  for (gsize i = 0; i < left; i++)
    last |= (guint64) at[i] << (8 * i);
  v[3] ^= last;
  sip_round(v);
  v[0] ^= last;
  v[2] ^= 0xff;
  for (gint i = 0; i < 3; i++)
    sip_round(v);
  return v[0] ^ v[1] ^ v[2] ^ v[3];
}

guint64
mt_hash_nocase(const MtHashKey *key, MtSpan span)
{
  gchar lower[512]; /* longer than any address (RFC 5321 4.5.3.1: 320 octets) */
  gsize len = MIN(span.len, sizeof lower);

  for (gsize i = 0; i < len; i++)
    lower[i] = g_ascii_tolower(span.at[i]);
  return mt_hash(key, lower, len);
}
