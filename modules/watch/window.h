/* window.h: counting in bounded windows
 *
 * Layer: watch.  Concurrency: the owner's thread only.
 *
 * Tables by a keyed hash with room for so much; the entry that was used longest ago
 * makes room.  Windows are of two kinds with room of their own: what outsiders can make up
 * (addresses, names) and what is kept for accounts that live here; who fills the one makes
 * nothing of the other go.
 */
#ifndef MT_WATCH_WINDOW_H
#define MT_WATCH_WINDOW_H

#include "scan/stamp.h"

/* When something last was, by key. */
typedef struct MtTimes MtTimes;

MtTimes *mt_times_new(gsize max_entries);
void mt_times_free(MtTimes *times);
void mt_times_clear(MtTimes *times);

/* mt_times_get: MT_NO_TIME where there is none. */
MtTime mt_times_get(const MtTimes *times, guint64 key);

/* mt_times_put: keeps the later of what is there and @at. */
void mt_times_put(MtTimes *times, guint64 key, MtTime at);

/* How often something was, or how many different things were, in the last so many
 * seconds, by key. */
typedef struct MtWindows MtWindows;

/* mt_windows_new: for all entries of a kind, with what their memory costs. */
MtWindows *mt_windows_new(gsize max_open_bytes, gsize max_kept_bytes);
void mt_windows_free(MtWindows *windows);
void mt_windows_clear(MtWindows *windows);

/* No window holds more moments than this: one entry cannot fill a table.  Beyond, the
 * oldest are taken together. */
#define MT_WINDOW_MAX_ITEMS 1024

/* What is counted, and how. */
typedef struct
{
  guint64 key;
  gboolean keep; /* for an account that lives here; once is enough */
  gint64 window_us;
  gint64 enough; /* what is more is forgotten, oldest first */
} MtWindow;

/* mt_windows_add: @count more at @at.  Returns: how many there are in the window that
 * ends with the latest.  @first: when the first of those counted was. */
gint64 mt_windows_add(MtWindows *windows, const MtWindow *window, MtTime at, gint64 count,
                      MtTime *first);

/* mt_windows_add_member: @member was seen at @at.  Returns: how many different members
 * there are in the window; else as mt_windows_add(). */
gint64 mt_windows_add_member(MtWindows *windows, const MtWindow *window, MtTime at, guint64 member,
                             MtTime *first);

/* mt_windows_peek: what mt_windows_add() counted in the window that ends with @at. */
gint64 mt_windows_peek(const MtWindows *windows, guint64 key, MtTime at, gint64 window_us);

/* mt_windows_count: keys that something is counted for. */
gsize mt_windows_count(const MtWindows *windows);
gsize mt_windows_bytes(const MtWindows *windows);

#endif
