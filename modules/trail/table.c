#include "trail/table.h"

#include <string.h>

#define FIRST_BUCKETS 1024

void
mt_table_init(MtTable *table, const MtSlab *slab, gsize offset)
{
  table->slab = slab;
  table->offset = offset;
  table->buckets = g_new0(guint32, FIRST_BUCKETS);
  table->recent = g_new0(MtRecent, MT_TABLE_RECENT);
  table->mask = FIRST_BUCKETS - 1;
  table->count = 0;
}

void
mt_table_clear(MtTable *table)
{
  g_free(table->buckets);
  g_free(table->recent);
  memset(table, 0, sizeof *table);
}

gsize
mt_table_bytes(const MtTable *table)
{
  return ((gsize) table->mask + 1) * sizeof *table->buckets
         + MT_TABLE_RECENT * sizeof *table->recent;
}

static MtLink *
link_at(const MtTable *table, guint32 number)
{
  return mt_table_link(table, mt_slab_at(table->slab, number));
}

/* Puts the record behind the one that is @last in its chain, or first. */
static void
append(MtTable *table, guint32 *buckets, guint32 *last, guint32 number, MtLink *link)
{
  if (*last)
    link_at(table, *last)->next = number;
  else
    *buckets = number;
  link->before = *last;
  link->next = 0;
  *last = number;
}

/* Chains keep their order (newest first): they are rebuilt from their ends.  Of one bucket
 * come two. */
static void
grow(MtTable *table)
{
  guint32 half = table->mask + 1;
  guint32 *buckets = g_new0(guint32, 2 * (gsize) half);

  for (guint32 i = 0; i < half; i++)
    {
      guint32 last[2] = { 0, 0 };

      for (guint32 number = table->buckets[i], next; number; number = next)
        {
          MtLink *link = link_at(table, number);
          guint upper = (link->hash & half) != 0;

          next = link->next;
          append(table, &buckets[i + upper * half], &last[upper], number, link);
        }
    }
  g_free(table->buckets);
  table->buckets = buckets;
  table->mask = 2 * half - 1;
}

/* Beyond, chains grow longer instead; as many records are no message store's memory. */
#define MAX_MASK G_MAXINT32

void
mt_table_add(MtTable *table, gpointer record, guint64 hash)
{
  guint32 number = ((const MtRecord *) record)->number;
  MtLink *link = mt_table_link(table, record);
  guint32 *bucket;

  if (table->count > table->mask / 2 && table->mask < MAX_MASK)
    grow(table); /* who is not there is seen by an empty bucket, mostly */
  link->hash = hash;
  bucket = &table->buckets[link->hash & table->mask];
  link->before = 0;
  link->next = *bucket;
  if (link->next)
    link_at(table, link->next)->before = number;
  *bucket = number;
  *mt_table_recent(table, link->hash) = (MtRecent){ record, link->hash };
  table->count++;
}

void
mt_table_remove(MtTable *table, gpointer record)
{
  MtLink *link = mt_table_link(table, record);
  MtRecent *recent = mt_table_recent(table, link->hash);

  if (recent->record == record)
    recent->record = NULL;
  if (link->before)
    link_at(table, link->before)->next = link->next;
  else
    table->buckets[link->hash & table->mask] = link->next;
  if (link->next)
    link_at(table, link->next)->before = link->before;
  table->count--;
}
