/* table.h: records found by a hash
 *
 * Layer: trail.  Concurrency: the owner's thread only.
 *
 * An intrusive table: a record holds one link for each table it stands in.  The
 * hash is keyed (scan/hash.h); who looks up compares what the hash was made of.
 */
#ifndef MT_TRAIL_TABLE_H
#define MT_TRAIL_TABLE_H

#include <glib.h>

typedef struct MtLink MtLink;

struct MtLink
{
  MtLink *next;
  MtLink **at; /* what points to this one */
  guint64 hash;
};

/* Links that were put in or found lately: most lines are of one of them, and the buckets of
 * all are too many for the processor's nearest cache. */
#define MT_TABLE_RECENT 2048

typedef struct
{
  guint64 hash;
  MtLink *link; /* the newest of this hash; NULL: none */
} MtRecent;

typedef struct
{
  MtLink **buckets;
  guint64 mask;
  gsize count;
  MtRecent *recent; /* by the hash's upper bits */
} MtTable;

void mt_table_init(MtTable *table);
void mt_table_clear(MtTable *table);

/* mt_table_add: puts the link first in its chain: newest first. */
void mt_table_add(MtTable *table, MtLink *link, guint64 hash);

/* mt_table_remove: the link must be in the table. */
void mt_table_remove(MtTable *table, MtLink *link);

static inline MtRecent *
mt_table_recent(const MtTable *table, guint64 hash)
{
  return &table->recent[hash >> 32 & (MT_TABLE_RECENT - 1)];
}

static inline MtLink *
mt_table_first(const MtTable *table, guint64 hash)
{
  MtRecent *recent = mt_table_recent(table, hash);
  MtLink *link;

  if (recent->link && recent->hash == hash)
    return recent->link;
  link = table->buckets[hash & table->mask];
  while (link && link->hash != hash)
    link = link->next;
  if (link)
    *recent = (MtRecent){ hash, link };
  return link;
}

static inline MtLink *
mt_table_next(const MtLink *link)
{
  guint64 hash = link->hash;

  for (link = link->next; link && link->hash != hash;)
    link = link->next;
  return (MtLink *) link;
}

/* Records of one hash that are looked at, the newest first: who floods us with one address,
 * one Message-ID, must not make each further line dearer. */
#define MT_TABLE_MAX_WALK 256

/* MT_TABLE_EACH: @link goes through the newest records of @hash. */
#define MT_TABLE_EACH(link, table, hash) \
  for (guint left_ = MT_TABLE_MAX_WALK; left_; left_ = 0) \
    for (MtLink *link = mt_table_first(table, hash); link && left_; \
         left_--, link = mt_table_next(link))

/* MT_OF_LINK: the record around a link. */
#define MT_OF_LINK(type, member, link) \
  ((type *) (gpointer) ((gchar *) (link) - G_STRUCT_OFFSET(type, member)))

#endif
