/* segment.h: which tables a day's rows lie in
 *
 * Layer: store.  Concurrency: the connection's owner only.
 */
#ifndef MT_STORE_SEGMENT_H
#define MT_STORE_SEGMENT_H

#include "scan/hash.h"
#include "store/schema.h"

/* The statements of one segment, prepared when first used. */
typedef enum
{
  MT_STMT_PUT_MESSAGE,
  MT_STMT_PUT_DELIVERY,
  MT_STMT_PUT_ATTEMPT,
  MT_STMT_PUT_ACCESS,
  MT_STMT_PUT_FAILURE,
  MT_STMT_PUT_REJECT,
  MT_STMT_PUT_MAILBOX,
  MT_STMT_PUT_INCIDENT,
  MT_STMT_PUT_CONNECTION,
  MT_STMT_PUT_NAME,
  MT_STMT_GET_NAME,
  MT_STMT_DROP_MESSAGE,
  MT_STMT_DROP_DELIVERY,
  MT_STMT_FIRST_LOOK_UP, /* from here on they go by indexes of the writer's own */
  MT_STMT_GET_BY_QUEUE_ID = MT_STMT_FIRST_LOOK_UP,
  MT_STMT_GET_BY_MESSAGE_ID,
  MT_STMT_GET_BY_PARENT,
  MT_STMT_GET_DELIVERIES,
  MT_STMT_GET_HOPS_TO,
  MT_STMT_COUNT_DELIVERIES,
  MT_STMT_GET_ACCESS,
  MT_STMT_FIRST_PAGE, /* from here on by those that are there for readers */
  MT_STMT_GET_DELIVERIES_TO = MT_STMT_FIRST_PAGE,
  MT_STMT_GET_OPEN_ACCESSES,
  MT_STMT_GET_FAILURES,
  MT_STMT_COUNT
} MtStmt;

/* A text's number, by its hash; see mt_segment_name(). */
typedef struct
{
  guint64 hash;
  gint64 id;
} MtNameSlot;

typedef struct
{
  gint number;
  gint32 first_day, last_day;
  MtIndexes indexed;
  sqlite3_stmt *stmts[MT_STMT_COUNT];
  MtNameSlot *names;
  guint names_size, names_used;
  gboolean names_complete; /* all of the table's names are in the cache */
  gint64 next_name;
} MtSegment;

typedef struct
{
  sqlite3 *db;
  MtHashKey key;
  GPtrArray *all; /* MtSegment, by first_day */
  gint32 span_days;
  gint32 first_possible_day, last_possible_day; /* days beyond are a clock's mistake */
  guint64 absurd;                               /* rows that had such a day */
  gboolean defer_indexes; /* new segments get theirs when something is looked up, or at the end */
} MtSegments;

void mt_segments_init(MtSegments *segments, sqlite3 *db, const MtHashKey *key);

/* mt_segments_clear: forgets all; statements are finalized. */
void mt_segments_clear(MtSegments *segments);

/* mt_segments_load: what segments there are. */
gboolean mt_segments_load(MtSegments *segments);

/* mt_segments_for_day: the segment that holds the day; made where there is none, which
 * makes the views anew.  NULL on failure. */
MtSegment *mt_segments_for_day(MtSegments *segments, gint32 day);

/* mt_segments_find: the segment that holds the day, NULL where there is none. */
MtSegment *mt_segments_find(const MtSegments *segments, gint32 day);

/* mt_segments_of_number: NULL where there is none. */
MtSegment *mt_segments_of_number(const MtSegments *segments, gint number);

/* mt_segments_detach_oldest: takes the oldest segment out of the views if all of it is
 * older than @day; its tables are still there, for mt_schema_drop_some().  One segment
 * stays, for @today.  Returns: FALSE on failure.  @done: there was one so old. */
gboolean mt_segments_detach_oldest(MtSegments *segments, gint32 day, gint32 today, gboolean *done);

/* mt_segments_renew_views: as this version of the program has them. */
gboolean mt_segments_renew_views(MtSegments *segments);

/* mt_segments_build_indexes: one that was put off.  @built: there was one, or the last of a segment
 * has been noted. */
gboolean mt_segments_build_indexes(MtSegments *segments, gboolean *built);

/* mt_segments_mirror: @mirror, which is of another connection, gets the segments of @of. */
void mt_segments_mirror(MtSegments *mirror, const MtSegments *of);

/* mt_segment_can: are the indexes there that the statement goes by? */
gboolean mt_segment_can(const MtSegment *segment, MtStmt stmt);

/* mt_segment_stmt: the prepared statement; NULL on failure. */
sqlite3_stmt *mt_segment_stmt(MtSegments *segments, MtSegment *segment, MtStmt stmt);

/* mt_segment_name: the number of a text in the segment, given where it has none; 0 for
 * no bytes, -1 on failure. */
gint64 mt_segment_name(MtSegments *segments, MtSegment *segment, MtSpan text);

#endif
