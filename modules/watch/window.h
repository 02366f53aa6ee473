/* window.h: counting in bounded windows
 *
 * Layer: watch.  Concurrency: the owner's thread only.
 *
 * Tables by a keyed hash with room for so many entries; the one that was used longest
 * ago makes room.
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
MtTime mt_times_get(MtTimes *times, guint64 key);

/* mt_times_put: keeps the later of what is there and @at. */
void mt_times_put(MtTimes *times, guint64 key, MtTime at);

/* How often something was in the last so many seconds, by key. */
typedef struct MtWindows MtWindows;

MtWindows *mt_windows_new(gsize max_entries);
void mt_windows_free(MtWindows *windows);
void mt_windows_clear(MtWindows *windows);

/* mt_windows_add: @count more at @at.  Returns: how many there are in the window of
 * @window_us that ends with the latest, at most @enough (beyond, none is kept).
 * @first: when the first of them was. */
gint64 mt_windows_add(MtWindows *windows, guint64 key, MtTime at, gint64 count, gint64 window_us,
                      gint64 enough, MtTime *first);

/* mt_windows_count: keys that something is counted for. */
gsize mt_windows_count(const MtWindows *windows);

#endif
