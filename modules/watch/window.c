#include "watch/window.h"

/* What a number or a member of a set was when. */
typedef struct
{
  MtTime at;
  guint64 what; /* how many, or which */
} Item;

/* One entry; a list by use, oldest at the end. */
typedef struct Entry Entry;
struct Entry
{
  guint64 key;
  Entry *newer, *older;
  union
  {
    MtTime at;   /* MtTimes */
    Item *items; /* MtWindows: sorted by time */
  };
  guint32 count, size; /* of items */
  gboolean kept;
};

/* The entry, its place in the hash table, and what malloc adds to both. */
#define ENTRY_BYTES (sizeof(Entry) + 64)

typedef struct
{
  Entry *newest, *oldest;
  gsize bytes, max_bytes;
} List;

struct MtTimes
{
  GHashTable *by_key;
  List list;
};

struct MtWindows
{
  GHashTable *by_key;
  List open, kept;
};

/* ---- entries ------------------------------------------------------------------------- */

static void
unlink_entry(List *list, Entry *entry)
{
  if (entry->newer)
    entry->newer->older = entry->older;
  else
    list->newest = entry->older;
  if (entry->older)
    entry->older->newer = entry->newer;
  else
    list->oldest = entry->newer;
}

static void
link_newest(List *list, Entry *entry)
{
  entry->newer = NULL;
  entry->older = list->newest;
  if (list->newest)
    list->newest->newer = entry;
  else
    list->oldest = entry;
  list->newest = entry;
}

static gsize
cost(const Entry *entry)
{
  return ENTRY_BYTES + entry->size * sizeof(Item);
}

/* The newest stays: it is in use. */
static void
make_room(GHashTable *by_key, List *list)
{
  while (list->bytes > list->max_bytes && list->oldest != list->newest)
    {
      Entry *oldest = list->oldest;

      unlink_entry(list, oldest);
      list->bytes -= cost(oldest);
      g_hash_table_remove(by_key, &oldest->key);
    }
}

static void
clear_list(List *list)
{
  list->newest = list->oldest = NULL;
  list->bytes = 0;
}

static Entry *
new_entry(GHashTable *by_key, guint64 key)
{
  Entry *entry = g_new0(Entry, 1);

  entry->key = key;
  g_hash_table_insert(by_key, &entry->key, entry);
  return entry;
}

static GHashTable *
new_table(GDestroyNotify free_entry)
{
  return g_hash_table_new_full(g_int64_hash, g_int64_equal, NULL, free_entry);
}

/* ---- times ---------------------------------------------------------------------------- */

MtTimes *
mt_times_new(gsize max_entries)
{
  MtTimes *times = g_new0(MtTimes, 1);

  times->by_key = new_table(g_free);
  times->list.max_bytes = max_entries * ENTRY_BYTES;
  return times;
}

void
mt_times_free(MtTimes *times)
{
  if (!times)
    return;
  g_hash_table_destroy(times->by_key);
  g_free(times);
}

void
mt_times_clear(MtTimes *times)
{
  g_hash_table_remove_all(times->by_key);
  clear_list(&times->list);
}

MtTime
mt_times_get(const MtTimes *times, guint64 key)
{
  const Entry *entry = g_hash_table_lookup(times->by_key, &key);

  return entry ? entry->at : MT_NO_TIME;
}

void
mt_times_put(MtTimes *times, guint64 key, MtTime at)
{
  Entry *entry = g_hash_table_lookup(times->by_key, &key);

  if (entry)
    unlink_entry(&times->list, entry);
  else
    {
      entry = new_entry(times->by_key, key);
      entry->at = at;
      times->list.bytes += ENTRY_BYTES;
    }
  entry->at = MAX(entry->at, at);
  link_newest(&times->list, entry);
  make_room(times->by_key, &times->list);
}

/* ---- windows --------------------------------------------------------------------------- */

static void
free_window(gpointer data)
{
  Entry *entry = data;

  g_free(entry->items);
  g_free(entry);
}

MtWindows *
mt_windows_new(gsize max_open_bytes, gsize max_kept_bytes)
{
  MtWindows *windows = g_new0(MtWindows, 1);

  windows->by_key = new_table(free_window);
  windows->open.max_bytes = max_open_bytes;
  windows->kept.max_bytes = max_kept_bytes;
  return windows;
}

void
mt_windows_free(MtWindows *windows)
{
  if (!windows)
    return;
  g_hash_table_destroy(windows->by_key);
  g_free(windows);
}

void
mt_windows_clear(MtWindows *windows)
{
  g_hash_table_remove_all(windows->by_key);
  clear_list(&windows->open);
  clear_list(&windows->kept);
}

gsize
mt_windows_count(const MtWindows *windows)
{
  return g_hash_table_size(windows->by_key);
}

gsize
mt_windows_bytes(const MtWindows *windows)
{
  return windows->open.bytes + windows->kept.bytes;
}

static List *
list_of(MtWindows *windows, const Entry *entry)
{
  return entry->kept ? &windows->kept : &windows->open;
}

/* Taken out of its list, to be changed; put_back() makes it the newest. */
static Entry *
take_entry(MtWindows *windows, const MtWindow *window)
{
  Entry *entry = g_hash_table_lookup(windows->by_key, &window->key);

  if (entry)
    {
      unlink_entry(list_of(windows, entry), entry);
      list_of(windows, entry)->bytes -= cost(entry);
    }
  else
    entry = new_entry(windows->by_key, window->key);
  entry->kept |= window->keep;
  return entry;
}

static void
put_back(MtWindows *windows, Entry *entry)
{
  List *list = list_of(windows, entry);

  link_newest(list, entry);
  list->bytes += cost(entry);
  make_room(windows->by_key, list);
}

static void
remove_items(Entry *entry, guint from, guint count)
{
  memmove(entry->items + from, entry->items + from + count,
          (entry->count - from - count) * sizeof(Item));
  entry->count -= count;
}

/* Lines come out of order: the items are kept sorted. */
static void
insert_item(Entry *entry, MtTime at, guint64 what)
{
  guint i = entry->count;

  if (entry->count == entry->size)
    {
      entry->size = entry->size ? entry->size * 2 : 2;
      entry->items = g_renew(Item, entry->items, entry->size);
    }
  while (i > 0 && entry->items[i - 1].at > at)
    i--;
  memmove(entry->items + i + 1, entry->items + i, (entry->count - i) * sizeof(Item));
  entry->items[i] = (Item){ at, what };
  entry->count++;
}

static void
drop_older(Entry *entry, gint64 window_us)
{
  MtTime since = entry->items[entry->count - 1].at - window_us;
  guint old = 0;

  while (entry->items[old].at < since)
    old++;
  if (old)
    remove_items(entry, 0, old);
}

static gint64
total(const Entry *entry)
{
  gint64 sum = 0;

  for (guint i = 0; i < entry->count; i++)
    sum += entry->items[i].what;
  return sum;
}

static void
count_at(Entry *entry, MtTime at, gint64 count, gint64 enough)
{
  for (guint i = entry->count; i > 0 && entry->items[i - 1].at >= at; i--)
    if (entry->items[i - 1].at == at)
      {
        entry->items[i - 1].what = MIN((gint64) entry->items[i - 1].what + count, enough);
        return;
      }
  if (entry->count >= MT_WINDOW_MAX_ITEMS)
    {
      entry->items[1].what += entry->items[0].what;
      remove_items(entry, 0, 1);
    }
  insert_item(entry, at, count);
}

gint64
mt_windows_add(MtWindows *windows, const MtWindow *window, MtTime at, gint64 count, MtTime *first)
{
  Entry *entry = take_entry(windows, window);
  gint64 sum;

  /* One moment never counts more than enough: numbers of attempts are the log's. */
  count_at(entry, at, MIN(count, window->enough), window->enough);
  drop_older(entry, window->window_us);
  sum = total(entry);
  while (entry->count > 1 && sum - (gint64) entry->items[0].what >= window->enough)
    {
      sum -= entry->items[0].what;
      remove_items(entry, 0, 1);
    }
  *first = entry->items[0].at;
  put_back(windows, entry);
  return sum;
}

gint64
mt_windows_add_member(MtWindows *windows, const MtWindow *window, MtTime at, guint64 member,
                      MtTime *first)
{
  Entry *entry = take_entry(windows, window);
  gint64 enough = CLAMP(window->enough, 1, MT_WINDOW_MAX_ITEMS), count;

  for (guint i = 0; i < entry->count; i++)
    if (entry->items[i].what == member)
      {
        at = MAX(at, entry->items[i].at);
        remove_items(entry, i, 1);
        break;
      }
  insert_item(entry, at, member);
  drop_older(entry, window->window_us);
  if (entry->count > enough)
    remove_items(entry, 0, entry->count - enough);
  *first = entry->items[0].at;
  count = entry->count;
  put_back(windows, entry);
  return count;
}

gint64
mt_windows_peek(const MtWindows *windows, guint64 key, MtTime at, gint64 window_us)
{
  const Entry *entry = g_hash_table_lookup(windows->by_key, &key);
  gint64 sum = 0;

  for (guint i = 0; entry && i < entry->count; i++)
    if (entry->items[i].at >= at - window_us && entry->items[i].at <= at)
      sum += entry->items[i].what;
  return sum;
}
