#include "trail/pool.h"

#include <string.h>

#define BLOCK_BYTES (64 * 1024)

#define FIRST_FREE 64

#if defined __SANITIZE_ADDRESS__
#define HAS_OWN_PIECES 0
#elif defined __has_feature
#if __has_feature(address_sanitizer)
#define HAS_OWN_PIECES 0
#endif
#endif
#ifndef HAS_OWN_PIECES
#define HAS_OWN_PIECES 1
#endif

struct MtPoolBlock
{
  MtPoolBlock *next;
  gsize unused; /* so that pieces are aligned as the allocator's are */
};

void
mt_pool_clear(MtPool *pool)
{
  for (MtPoolBlock *block = pool->blocks, *next; block; block = next)
    {
      next = block->next;
      g_free(block);
    }
  for (gsize step = 0; step < G_N_ELEMENTS(pool->free); step++)
    g_free(pool->free[step].pieces);
  memset(pool, 0, sizeof *pool);
}

/* What is left of the block before is less than one piece: it is let lie. */
static gpointer
cut(MtPool *pool, gsize bytes)
{
  gchar *piece;

  if (bytes > pool->left)
    {
      MtPoolBlock *block = g_malloc(BLOCK_BYTES);

      block->next = pool->blocks;
      pool->blocks = block;
      pool->at = (gchar *) (block + 1);
      pool->left = BLOCK_BYTES - sizeof *block;
    }
  piece = pool->at;
  pool->at += bytes;
  pool->left -= bytes;
  return piece;
}

/* What was given back long ago is not in the processor's cache: the next is on its way while
 * this one is filled. */
static void
fetch(const gchar *piece)
{
  __builtin_prefetch(piece, 1);
  __builtin_prefetch(piece + 64, 1);
  __builtin_prefetch(piece + 128, 1);
}

gpointer
mt_pool_take(MtPool *pool, gsize bytes)
{
  MtPoolFree *free;

  bytes = mt_pool_room(bytes);
  pool->bytes += bytes;
  if (!HAS_OWN_PIECES || bytes > MT_POOL_MAX_BYTES)
    return g_malloc(bytes);
  free = &pool->free[bytes / MT_POOL_STEP];
  if (!free->count)
    return cut(pool, bytes);
  if (--free->count)
    fetch(free->pieces[free->count - 1]);
  return free->pieces[free->count];
}

void
mt_pool_give(MtPool *pool, gpointer piece, gsize bytes)
{
  MtPoolFree *free;

  bytes = mt_pool_room(bytes);
  pool->bytes -= bytes;
  if (!HAS_OWN_PIECES || bytes > MT_POOL_MAX_BYTES)
    {
      g_free(piece);
      return;
    }
  free = &pool->free[bytes / MT_POOL_STEP];
  if (free->count == free->size)
    {
      free->size = MAX(2 * free->size, FIRST_FREE);
      free->pieces = g_renew(gpointer, free->pieces, free->size);
    }
  free->pieces[free->count++] = piece;
}
