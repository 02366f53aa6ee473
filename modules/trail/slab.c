#include "trail/slab.h"

#include <string.h>

#if defined __SANITIZE_ADDRESS__
#define HAS_POISON 1
#elif defined __has_feature
#if __has_feature(address_sanitizer)
#define HAS_POISON 1
#endif
#endif
#ifdef HAS_POISON
#include <sanitizer/asan_interface.h>
#define POISON(at, bytes) ASAN_POISON_MEMORY_REGION(at, bytes)
#define UNPOISON(at, bytes) ASAN_UNPOISON_MEMORY_REGION(at, bytes)
#else
#define POISON(at, bytes) ((void) (at))
#define UNPOISON(at, bytes) ((void) (at))
#endif

#define FIRST_BLOCKS 16
#define FIRST_FREE 64

void
mt_slab_init(MtSlab *slab, gsize record_bytes)
{
  memset(slab, 0, sizeof *slab);
  slab->record_bytes = record_bytes;
  slab->next = 1;
}

void
mt_slab_clear(MtSlab *slab)
{
  for (guint32 i = 0; i < slab->n_blocks; i++)
    {
      UNPOISON(slab->blocks[i], MT_SLAB_BLOCK * slab->record_bytes);
      g_free(slab->blocks[i]);
    }
  g_free(slab->blocks);
  g_free(slab->free);
  mt_slab_init(slab, slab->record_bytes);
}

static void
add_block(MtSlab *slab)
{
  if (slab->n_blocks == slab->size_blocks)
    {
      slab->size_blocks = MAX(2 * slab->size_blocks, FIRST_BLOCKS);
      slab->blocks = g_renew(gchar *, slab->blocks, slab->size_blocks);
    }
  slab->blocks[slab->n_blocks] = g_malloc(MT_SLAB_BLOCK * slab->record_bytes);
  POISON(slab->blocks[slab->n_blocks], MT_SLAB_BLOCK * slab->record_bytes);
  slab->n_blocks++;
}

/* The next is on its way from memory while this one is filled. */
static void
fetch(const gchar *record, gsize bytes)
{
  for (gsize at = 0; at < bytes; at += 64)
    __builtin_prefetch(record + at, 1);
}

static guint32
take_number(MtSlab *slab)
{
  if (slab->n_free)
    {
      if (--slab->n_free)
        fetch(mt_slab_at(slab, slab->free[slab->n_free - 1]), slab->record_bytes);
      return slab->free[slab->n_free];
    }
  if (slab->next >> MT_SLAB_SHIFT == slab->n_blocks)
    add_block(slab);
  return slab->next++;
}

gpointer
mt_slab_take0(MtSlab *slab)
{
  guint32 number = take_number(slab);
  MtRecord *record = mt_slab_at(slab, number);

  UNPOISON(record, slab->record_bytes);
  memset(record, 0, slab->record_bytes);
  record->number = number;
  return record;
}

void
mt_slab_give(MtSlab *slab, gpointer record)
{
  guint32 number = ((const MtRecord *) record)->number;

  if (slab->n_free == slab->size_free)
    {
      slab->size_free = MAX(2 * slab->size_free, FIRST_FREE);
      slab->free = g_renew(guint32, slab->free, slab->size_free);
    }
  slab->free[slab->n_free++] = number;
  POISON(record, slab->record_bytes);
}

gsize
mt_slab_bytes(const MtSlab *slab)
{
  return (gsize) slab->n_blocks * MT_SLAB_BLOCK * slab->record_bytes
         + slab->size_blocks * sizeof *slab->blocks + slab->size_free * sizeof *slab->free;
}
