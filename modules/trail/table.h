/* table.h: records found by a hash
 *
 * Layer: trail.  Concurrency: the owner's thread only.
 *
 * An intrusive table: a record of a slab holds one link for each table it stands in.  The
 * hash is keyed (scan/hash.h), and half of it is kept: who looks up compares what the hash
 * was made of.
 */
#ifndef MT_TRAIL_TABLE_H
#define MT_TRAIL_TABLE_H

#include "trail/slab.h"

/* Numbers of records in the same bucket; 0: none. */
typedef struct
{
  guint32 next, before;
  guint32 hash;
} MtLink;

/* Records that were put in or found lately: most lines are of one of them, and the buckets of
 * all are too many for the processor's nearest cache. */
#define MT_TABLE_RECENT 2048

typedef struct
{
  gpointer record; /* the newest of this hash; NULL: none */
  guint32 hash;
} MtRecent;

typedef struct
{
  const MtSlab *slab;
  gsize offset; /* of the link in its records */
  guint32 *buckets;
  guint32 mask;
  guint32 count;
  MtRecent *recent; /* by the kept hash's upper bits */
} MtTable;

/* mt_table_init: @slab (transfer none) of the records, which hold their link at @offset. */
void mt_table_init(MtTable *table, const MtSlab *slab, gsize offset);
void mt_table_clear(MtTable *table);

/* mt_table_add: puts the record first in its chain: newest first. */
void mt_table_add(MtTable *table, gpointer record, guint64 hash);

/* mt_table_remove: the record must be in the table. */
void mt_table_remove(MtTable *table, gpointer record);

/* mt_table_bytes: what it takes besides the links. */
gsize mt_table_bytes(const MtTable *table);

static inline MtLink *
mt_table_link(const MtTable *table, gconstpointer record)
{
  return (MtLink *) ((gchar *) record + table->offset);
}

static inline MtRecent *
mt_table_recent(const MtTable *table, guint32 hash)
{
  return &table->recent[hash / (G_MAXUINT32 / MT_TABLE_RECENT + 1)];
}

/* The first of this hash, from @number on. */
static inline gpointer
mt_table_walk(const MtTable *table, guint32 number, guint32 hash)
{
  while (number)
    {
      gpointer record = mt_slab_at(table->slab, number);
      const MtLink *link = mt_table_link(table, record);

      if (link->hash == hash)
        return record;
      number = link->next;
    }
  return NULL;
}

/* mt_table_first: the newest record of @hash, or of one that is like it in the half that is
 * kept; NULL: there is none. */
static inline gpointer
mt_table_first(const MtTable *table, guint64 hash)
{
  guint32 kept = hash;
  MtRecent *recent = mt_table_recent(table, kept);
  gpointer record;

  if (recent->record && recent->hash == kept)
    return recent->record;
  record = mt_table_walk(table, table->buckets[kept & table->mask], kept);
  if (record)
    *recent = (MtRecent){ record, kept };
  return record;
}

/* mt_table_next: the one before @record in time, of the same hash. */
static inline gpointer
mt_table_next(const MtTable *table, gconstpointer record)
{
  const MtLink *link = mt_table_link(table, record);

  return mt_table_walk(table, link->next, link->hash);
}

/* Records of one hash that are looked at, the newest first: who floods us with one address,
 * one Message-ID, must not make each further line dearer. */
#define MT_TABLE_MAX_WALK 256

/* MT_TABLE_EACH: @record, of @type, goes through the newest records of @hash. */
#define MT_TABLE_EACH(type, record, table, hash) \
  for (guint left_ = MT_TABLE_MAX_WALK; left_; left_ = 0) \
    for (type *record = mt_table_first(table, hash); record && left_; \
         left_--, record = mt_table_next(table, record))

#endif
