/* filter.h: a set of hashes that says yes too often rather than too seldom
 *
 * Layer: store.  Concurrency: the owner's thread only.
 *
 * A Bloom filter: three bits of eight million stand for a hash.  Of those that are not in it, it
 * takes one in a million for one that is while it holds 30,000, one in 25 when it holds 1.2
 * million.
 */
#ifndef MT_STORE_FILTER_H
#define MT_STORE_FILTER_H

#include "scan/hash.h"

#include <string.h>

#define MT_FILTER_BITS (1 << 23)
#define MT_FILTER_PROBES 3

typedef struct
{
  guint8 bits[MT_FILTER_BITS / 8];
} MtFilter;

static inline void
mt_filter_clear(MtFilter *filter)
{
  memset(filter, 0, sizeof *filter);
}

static inline void
mt_filter_add(MtFilter *filter, guint64 hash)
{
  for (guint i = 0; i < MT_FILTER_PROBES; i++, hash = mt_hash_mix(hash, i))
    filter->bits[hash % MT_FILTER_BITS / 8] |= 1 << hash % 8;
}

static inline gboolean
mt_filter_has(const MtFilter *filter, guint64 hash)
{
  for (guint i = 0; i < MT_FILTER_PROBES; i++, hash = mt_hash_mix(hash, i))
    if (!(filter->bits[hash % MT_FILTER_BITS / 8] >> hash % 8 & 1))
      return FALSE;
  return TRUE;
}

#endif
