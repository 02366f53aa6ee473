/* query-private.h: what a query is, for the engine's own files
 *
 * Layer: engine, not for others.  Concurrency: as a query's.
 */
#ifndef MT_ENGINE_QUERY_PRIVATE_H
#define MT_ENGINE_QUERY_PRIVATE_H

#include "engine/query.h"
#include "store/sqlite-util.h"

struct MtQuery
{
  gchar *path;
  sqlite3 *db;
  GHashTable *idle; /* SQL -> sqlite3_stmt that nobody runs now */
  gboolean lean;    /* it lacks views */
  gint segment;     /* that views are narrowed to; 0: none */
  gint mailboxes;   /* the same of mailbox_events; 0: none, or several */
};

/* mt_query_prepare: from those that are idle, if it was asked before: a view over a month of days
 * takes a millisecond to prepare.  NULL with @error. */
sqlite3_stmt *mt_query_prepare(MtQuery *query, const gchar *sql, GError **error);

/* mt_query_done: it may be asked again. */
void mt_query_done(MtQuery *query, sqlite3_stmt *stmt);

/* mt_query_step: to the next row.  FALSE at the end, and with @error on failure. */
gboolean mt_query_step(MtQuery *query, sqlite3_stmt *stmt, GError **error);

#endif
