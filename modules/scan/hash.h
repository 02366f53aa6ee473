/* hash.h: a keyed hash for tables that outsiders can fill
 *
 * Layer: scan.  Concurrency: any thread; functions touch only their arguments.
 *
 * SipHash-1-3 (Aumasson and Bernstein, "SipHash: a fast short-input PRF", 2012,
 * with one and three rounds as in the Linux kernel's and Rust's tables): who does
 * not know the key cannot make many texts fall into one bucket.
 */
#ifndef MT_SCAN_HASH_H
#define MT_SCAN_HASH_H

#include "scan/span.h"

typedef struct
{
  guint64 k[2];
} MtHashKey;

/* mt_hash: of @bytes bytes at @data, which may be none. */
guint64 mt_hash(const MtHashKey *key, gconstpointer data, gsize bytes);

static inline guint64
mt_hash_span(const MtHashKey *key, MtSpan span)
{
  return mt_hash(key, span.at, span.len);
}

/* mt_hash_nocase: as mt_hash_span(), of small letters (ASCII): names of accounts. */
guint64 mt_hash_nocase(const MtHashKey *key, MtSpan span);

/* mt_hash_tag: tells names with the same mask (text.h) apart, and no more: 16 bits of a
 * hash, too few to try a password against. */
#define MT_NO_TAG (-1)
static inline gint32
mt_hash_tag(const MtHashKey *key, MtSpan name)
{
  return mt_hash_nocase(key, name) & 0xffff;
}

/* mt_hash_mix: a hash of two hashes, order counts. */
static inline guint64
mt_hash_mix(guint64 a, guint64 b)
{
  a ^= b + G_GUINT64_CONSTANT(0x9e3779b97f4a7c15) + (a << 6) + (a >> 2);
  a *= G_GUINT64_CONSTANT(0xff51afd7ed558ccd);
  return a ^ (a >> 32);
}

#endif
