/* schema.h: the tables and views
 *
 * Layer: store.  Concurrency: the connection's owner only.
 *
 * Records lie in numbered segments, a set of tables a day (or a few days, where they
 * are kept for longer), so that a day goes by dropping its tables and indexes stay
 * small.  Views unite them; each arm joins only tables of its own segment, which is
 * what lets SQLite answer a page from the indexes.  "@" in a template stands for the
 * segment's number.
 */
#ifndef MT_STORE_SCHEMA_H
#define MT_STORE_SCHEMA_H

#include "store/sqlite-util.h"

/* PRAGMA user_version of a store that this program writes, and its application_id. */
#define MT_SCHEMA_VERSION 2
#define MT_SCHEMA_APPLICATION_ID 0x6d74726c /* "mtrl" */

/* SQLite takes no more than 500 arms in a view; planning time grows with them. */
#define MT_SEGMENTS_MAX 64

/* The domain of a name that is an address, in small letters: what stands behind the last at sign.
 */
#define MT_SCHEMA_NAME_DOMAIN \
  "lower(substr(text, length(rtrim(text, replace(text, char(64), '')))+1))"

/* That delivery d is of message m, by the index that finds one from the other: a delivery's time
 * is that of its mail. */
#define MT_BELONGS_SQL "d.message=m.id AND d.ts=coalesce(m.root_ts, m.ts)"

/* mt_schema_create: the tables that are there once, in an empty store. */
gboolean mt_schema_create(sqlite3 *db);

/* mt_schema_migrate: the tables of version @from as they are now; inside a transaction.
 * Views are made anew by the caller. */
gboolean mt_schema_migrate(sqlite3 *db, gint from);
gboolean mt_schema_drop_views(sqlite3 *db);

/* mt_schema_put_words: the words that numbers stand for, where they are not there yet. */
gboolean mt_schema_put_words(sqlite3 *db);

/* What indexes a segment has.  Stores keep the numbers. */
typedef enum
{
  MT_INDEXES_NONE = 0,
  MT_INDEXES_ALL = 1,
  MT_INDEXES_OWN = 2, /* those that a late line finds its record by */
} MtIndexes;

/* mt_schema_add_segment: the tables of one segment. */
gboolean mt_schema_add_segment(sqlite3 *db, gint segment);

/* mt_schema_add_indexes: those that it has not yet.  @has, @wanted: which. */
gboolean mt_schema_add_indexes(sqlite3 *db, gint segment, MtIndexes has, MtIndexes wanted);

/* mt_schema_add_one_index: the first that it lacks of all.  @added: there was one. */
gboolean mt_schema_add_one_index(sqlite3 *db, gint segment, gboolean *added);

/* mt_schema_drop_some: a small step towards dropping the tables of detached segments:
 * an index, some rows, an empty table.  @done: there was something to drop. */
gboolean mt_schema_drop_some(sqlite3 *db, gboolean *done);

/* mt_schema_make_views: makes the views anew over @segments (gint, oldest first), in a
 * transaction that adds or detaches one. */
gboolean mt_schema_make_views(sqlite3 *db, const GArray *segments);

/* mt_schema_narrow: views of these names (NULL-terminated), for this connection only and over some
 * of the segments (gint): they stand before the store's own, and are sooner prepared. */
gboolean mt_schema_narrow(sqlite3 *db, const gchar *const *names, const GArray *segments);

/* mt_schema_fill: a template with the segment's number in it. (transfer full) */
gchar *mt_schema_fill(const gchar *template, gint segment);

#endif
