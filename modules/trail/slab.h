/* slab.h: records of one kind, by number and in the order of their use
 *
 * Layer: trail.  Concurrency: the owner's thread only.
 *
 * A record stays where it is while it lives, and has a number of four bytes, which is half of
 * what a pointer takes: records are many, and each is in several lists.  Under
 * AddressSanitizer a record that was given back must not be looked at.
 */
#ifndef MT_TRAIL_SLAB_H
#define MT_TRAIL_SLAB_H

#include <glib.h>

/* What a record begins with.  Numbers are from 1; 0 is none. */
typedef struct
{
  guint32 number;
  guint32 newer, older; /* by when it was touched last; only while it is in the list */
} MtRecord;

#define MT_SLAB_SHIFT 6
#define MT_SLAB_BLOCK (1u << MT_SLAB_SHIFT)

typedef struct
{
  gchar **blocks; /* of MT_SLAB_BLOCK records each */
  guint32 n_blocks, size_blocks;
  guint32 record_bytes;
  guint32 *free; /* numbers that were given back; the last one serves first */
  guint32 n_free, size_free;
  guint32 next; /* the number that was never given */
  /* The list of those that are in use. */
  guint32 newest, oldest;
  guint32 count;
} MtSlab;

/* mt_slab_init: @record_bytes: of a record, a multiple of eight. */
void mt_slab_init(MtSlab *slab, gsize record_bytes);

/* mt_slab_clear: frees all records: none is good any more. */
void mt_slab_clear(MtSlab *slab);

/* mt_slab_take0: a record, all zero but for its number, in no list. */
gpointer mt_slab_take0(MtSlab *slab);

/* mt_slab_give: @record is in no list any more. */
void mt_slab_give(MtSlab *slab, gpointer record);

/* mt_slab_bytes: what it takes, with what is free in it. */
gsize mt_slab_bytes(const MtSlab *slab);

/* mt_slab_at: @number must be that of a record. */
static inline gpointer
mt_slab_at(const MtSlab *slab, guint32 number)
{
  return slab->blocks[number >> MT_SLAB_SHIFT]
         + (gsize) (number & (MT_SLAB_BLOCK - 1)) * slab->record_bytes;
}

/* mt_slab_find: NULL: @number is 0. */
static inline gpointer
mt_slab_find(const MtSlab *slab, guint32 number)
{
  return number ? mt_slab_at(slab, number) : NULL;
}

static inline gpointer
mt_slab_newest(const MtSlab *slab)
{
  return mt_slab_find(slab, slab->newest);
}

static inline gpointer
mt_slab_oldest(const MtSlab *slab)
{
  return mt_slab_find(slab, slab->oldest);
}

/* mt_slab_newer, mt_slab_older: the next in the list; NULL: @record is at its end. */
static inline gpointer
mt_slab_newer(const MtSlab *slab, gconstpointer record)
{
  return mt_slab_find(slab, ((const MtRecord *) record)->newer);
}

static inline gpointer
mt_slab_older(const MtSlab *slab, gconstpointer record)
{
  return mt_slab_find(slab, ((const MtRecord *) record)->older);
}

/* mt_slab_use: @record, which is in no list, is the newest. */
static inline void
mt_slab_use(MtSlab *slab, gpointer record)
{
  MtRecord *head = record;

  head->newer = 0;
  head->older = slab->newest;
  if (slab->newest)
    ((MtRecord *) mt_slab_at(slab, slab->newest))->newer = head->number;
  else
    slab->oldest = head->number;
  slab->newest = head->number;
  slab->count++;
}

/* mt_slab_leave: @record is in the list no more. */
static inline void
mt_slab_leave(MtSlab *slab, gpointer record)
{
  MtRecord *head = record;

  if (head->newer)
    ((MtRecord *) mt_slab_at(slab, head->newer))->older = head->older;
  else
    slab->newest = head->older;
  if (head->older)
    ((MtRecord *) mt_slab_at(slab, head->older))->newer = head->newer;
  else
    slab->oldest = head->newer;
  head->newer = head->older = 0;
  slab->count--;
}

/* mt_slab_touch: @record, which is in the list, becomes the newest. */
static inline void
mt_slab_touch(MtSlab *slab, gpointer record)
{
  if (slab->newest == ((MtRecord *) record)->number)
    return;
  mt_slab_leave(slab, record);
  mt_slab_use(slab, record);
}

#endif
