#include "trail/table.h"

#include <string.h>

#define FIRST_BUCKETS 1024

void
mt_table_init(MtTable *table)
{
  table->buckets = g_new0(MtLink *, FIRST_BUCKETS);
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

/* Chains keep their order (newest first): they are rebuilt from their ends. */
static void
grow(MtTable *table)
{
  guint64 mask = table->mask * 2 + 1;
  MtLink **buckets = g_new0(MtLink *, mask + 1);
  MtLink ***tails = g_new(MtLink **, mask + 1);

  for (guint64 i = 0; i <= mask; i++)
    tails[i] = &buckets[i];
  for (guint64 i = 0; i <= table->mask; i++)
    for (MtLink *link = table->buckets[i], *next; link; link = next)
      {
        next = link->next;
        link->next = NULL;
        link->at = tails[link->hash & mask];
        *link->at = link;
        tails[link->hash & mask] = &link->next;
      }
  g_free(tails);
  g_free(table->buckets);
  table->buckets = buckets;
  table->mask = mask;
}

void
mt_table_add(MtTable *table, MtLink *link, guint64 hash)
{
  if (2 * table->count > table->mask) /* who is not there is seen by an empty bucket, mostly */
    grow(table);
  link->hash = hash;
  link->at = &table->buckets[hash & table->mask];
  link->next = *link->at;
  if (link->next)
    link->next->at = &link->next;
  *link->at = link;
  *mt_table_recent(table, hash) = (MtRecent){ hash, link };
  table->count++;
}

void
mt_table_remove(MtTable *table, MtLink *link)
{
  MtRecent *recent = mt_table_recent(table, link->hash);

  if (recent->link == link)
    recent->link = NULL;
  *link->at = link->next;
  if (link->next)
    link->next->at = link->at;
  table->count--;
}
