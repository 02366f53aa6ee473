/* feed.h: many rows for one statement
 *
 * Layer: store.  Concurrency: the connection's owner only.
 *
 * A statement for each row opens its tables and indexes, and closes them again: that costs
 * more than the row.  Rows gather here instead, and one "INSERT ... SELECT c1, c2 FROM feed"
 * writes them all.
 */
#ifndef MT_STORE_FEED_H
#define MT_STORE_FEED_H

#include "store/sqlite-util.h"

/* As many as the widest table has. */
#define MT_FEED_COLUMNS 33

/* All columns of a row, as a statement names them: "SELECT " MT_FEED_5. */
#define MT_FEED_5 "c1,c2,c3,c4,c5"
#define MT_FEED_7 MT_FEED_5 ",c6,c7"
#define MT_FEED_8 MT_FEED_7 ",c8"
#define MT_FEED_9 MT_FEED_8 ",c9"
#define MT_FEED_10 MT_FEED_9 ",c10"
#define MT_FEED_11 MT_FEED_10 ",c11"
#define MT_FEED_13 MT_FEED_11 ",c12,c13"
#define MT_FEED_17 MT_FEED_13 ",c14,c15,c16,c17"
#define MT_FEED_18 MT_FEED_17 ",c18"
#define MT_FEED_22 MT_FEED_18 ",c19,c20,c21,c22"
#define MT_FEED_26 MT_FEED_22 ",c23,c24,c25,c26"
#define MT_FEED_27 MT_FEED_26 ",c27"
#define MT_FEED_32 MT_FEED_27 ",c28,c29,c30,c31,c32"
#define MT_FEED_33 MT_FEED_32 ",c33"

typedef struct MtFeed MtFeed;

/* mt_feed_new: for statements of @db, which must be closed first.  NULL on failure. */
MtFeed *mt_feed_new(sqlite3 *db);
void mt_feed_free(MtFeed *feed);

/* The next column of the row that is being made.  Texts must stay until mt_feed_run(), except
 * those that are not valid UTF-8 and those that are copied. */
void mt_feed_null(MtFeed *feed);
void mt_feed_integer(MtFeed *feed, gint64 value);
void mt_feed_real(MtFeed *feed, gdouble value);
void mt_feed_text(MtFeed *feed, MtSpan text);
void mt_feed_copy(MtFeed *feed, MtSpan text);

/* mt_feed_column: which comes next, from 0. */
guint mt_feed_column(const MtFeed *feed);

/* mt_feed_end_row: all columns that the statement reads have been given.  Returns: is there
 * no room for another row? */
gboolean mt_feed_end_row(MtFeed *feed);

/* mt_feed_run: runs @stmt over the rows that have gathered; without any nothing is run.
 * FALSE on failure.  The feed is empty then, in any case. */
gboolean mt_feed_run(MtFeed *feed, sqlite3_stmt *stmt);

/* mt_feed_clear: forgets the rows. */
void mt_feed_clear(MtFeed *feed);

#endif
