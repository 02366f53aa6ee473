#include "watch/window.h"

/* One entry; a list by use, oldest at the end. */
typedef struct Entry Entry;
struct Entry
{
  guint64 key;
  Entry *newer, *older;
  MtTime at;      /* MtTimes */
  GArray *times;  /* MtWindows: MtTime, sorted */
};

typedef struct
{
  GHashTable *by_key;
  Entry *newest, *oldest;
  gsize max_entries;
} Table;

struct MtTimes
{
  Table table;
};

struct MtWindows
{
  Table table;
};

static void
free_entry(gpointer data)
{
  Entry *entry = data;

  if (entry->times)
    g_array_free(entry->times, TRUE);
  g_free(entry);
}

static void
table_init(Table *table, gsize max_entries)
{
  table->by_key = g_hash_table_new_full(g_int64_hash, g_int64_equal, NULL, free_entry);
  table->max_entries = max_entries;
}

static void
table_clear(Table *table)
{
  g_hash_table_remove_all(table->by_key);
  table->newest = table->oldest = NULL;
}

static void
unlink_entry(Table *table, Entry *entry)
{
  if (entry->newer)
    entry->newer->older = entry->older;
  else
    table->newest = entry->older;
  if (entry->older)
    entry->older->newer = entry->newer;
  else
    table->oldest = entry->newer;
}

static void
link_newest(Table *table, Entry *entry)
{
  entry->newer = NULL;
  entry->older = table->newest;
  if (table->newest)
    table->newest->newer = entry;
  else
    table->oldest = entry;
  table->newest = entry;
}

static Entry *
table_entry(Table *table, guint64 key)
{
  Entry *entry = g_hash_table_lookup(table->by_key, &key);

  if (entry)
    unlink_entry(table, entry);
  else
    {
      if (g_hash_table_size(table->by_key) >= table->max_entries)
        {
          Entry *oldest = table->oldest;

          unlink_entry(table, oldest);
          g_hash_table_remove(table->by_key, &oldest->key);
        }
      entry = g_new0(Entry, 1);
      entry->key = key;
      entry->at = MT_NO_TIME;
      g_hash_table_insert(table->by_key, &entry->key, entry);
    }
  link_newest(table, entry);
  return entry;
}

MtTimes *
mt_times_new(gsize max_entries)
{
  MtTimes *times = g_new0(MtTimes, 1);

  table_init(&times->table, max_entries);
  return times;
}

void
mt_times_free(MtTimes *times)
{
  if (!times)
    return;
  g_hash_table_destroy(times->table.by_key);
  g_free(times);
}

void
mt_times_clear(MtTimes *times)
{
  table_clear(&times->table);
}

MtTime
mt_times_get(MtTimes *times, guint64 key)
{
  const Entry *entry = g_hash_table_lookup(times->table.by_key, &key);

  return entry ? entry->at : MT_NO_TIME;
}

void
mt_times_put(MtTimes *times, guint64 key, MtTime at)
{
  Entry *entry = table_entry(&times->table, key);

  entry->at = MAX(entry->at, at);
}

MtWindows *
mt_windows_new(gsize max_entries)
{
  MtWindows *windows = g_new0(MtWindows, 1);

  table_init(&windows->table, max_entries);
  return windows;
}

void
mt_windows_free(MtWindows *windows)
{
  if (!windows)
    return;
  g_hash_table_destroy(windows->table.by_key);
  g_free(windows);
}

void
mt_windows_clear(MtWindows *windows)
{
  table_clear(&windows->table);
}

gsize
mt_windows_count(const MtWindows *windows)
{
  return g_hash_table_size(windows->table.by_key);
}

/* Lines come out of order: the times are kept sorted. */
static void
insert_sorted(GArray *times, MtTime at)
{
  guint i = times->len;

  while (i > 0 && g_array_index(times, MtTime, i - 1) > at)
    i--;
  g_array_insert_val(times, i, at);
}

gint64
mt_windows_add(MtWindows *windows, guint64 key, MtTime at, gint64 count, gint64 window_us,
               gint64 enough, MtTime *first)
{
  Entry *entry = table_entry(&windows->table, key);
  MtTime latest;
  guint old = 0;

  if (!entry->times)
    entry->times = g_array_new(FALSE, FALSE, sizeof(MtTime));
  for (gint64 i = 0; i < MIN(count, enough); i++)
    insert_sorted(entry->times, at);
  latest = g_array_index(entry->times, MtTime, entry->times->len - 1);
  while (g_array_index(entry->times, MtTime, old) < latest - window_us)
    old++;
  if (entry->times->len - old > (guint64) enough)
    old = entry->times->len - enough;
  if (old)
    g_array_remove_range(entry->times, 0, old);
  *first = g_array_index(entry->times, MtTime, 0);
  return entry->times->len;
}
