/* pool.h: memory for many small pieces of few sizes
 *
 * Layer: trail.  Concurrency: the owner's thread only.
 *
 * Records, their deliveries and texts come and go by the thousand with every batch: pieces of
 * one size stand close together and are used again, the last one given back first.  Larger
 * ones are the allocator's.  Under AddressSanitizer all are, so that it sees each of them.
 */
#ifndef MT_TRAIL_POOL_H
#define MT_TRAIL_POOL_H

#include <glib.h>
#include <string.h>

/* Sizes are rounded up, finely where most are: a piece serves only its own size again, so that
 * there should be few.  Pieces above the limit come from g_malloc(). */
#define MT_POOL_STEP 8
#define MT_POOL_FINE_BYTES 256
#define MT_POOL_COARSE_STEP 32
#define MT_POOL_MAX_BYTES 1024

typedef struct MtPoolBlock MtPoolBlock;

/* Free pieces of one size.  They are no list through the pieces themselves: one that has not
 * been used for long is not in the processor's cache, and is written to anyway. */
typedef struct
{
  gpointer *pieces;
  gsize count, size;
} MtPoolFree;

typedef struct
{
  MtPoolFree free[MT_POOL_MAX_BYTES / MT_POOL_STEP + 1];
  gchar *at; /* what is left of the newest block */
  gsize left;
  MtPoolBlock *blocks;
  gsize bytes; /* in use, of all sizes */
} MtPool;

/* mt_pool_clear: frees the blocks: no piece is good any more.  Larger ones must have been
 * given back.  The pool is as good as new: all zero. */
void mt_pool_clear(MtPool *pool);

/* mt_pool_take: @bytes, not cleared. */
gpointer mt_pool_take(MtPool *pool, gsize bytes);

static inline gpointer
mt_pool_take0(MtPool *pool, gsize bytes)
{
  return memset(mt_pool_take(pool, bytes), 0, bytes);
}

/* mt_pool_give: @bytes as it was taken with. */
void mt_pool_give(MtPool *pool, gpointer piece, gsize bytes);

/* mt_pool_room: how much a piece of @bytes really holds. */
static inline gsize
mt_pool_room(gsize bytes)
{
  gsize step = bytes <= MT_POOL_FINE_BYTES ? MT_POOL_STEP : MT_POOL_COARSE_STEP;

  return (bytes + step - 1) / step * step;
}

#endif
