/* query.h: the store for who only reads
 *
 * Layer: engine.  Concurrency: a query belongs to one thread; any number of processes
 * read while one writes.
 *
 * Asks the views of contract section 4 in SQL.  A statement is a short turn: who reads
 * for long keeps the writer's log from being folded back.
 */
#ifndef MT_ENGINE_QUERY_H
#define MT_ENGINE_QUERY_H

#include "scan/span.h"

typedef struct MtQuery MtQuery;
typedef struct MtRows MtRows;

typedef enum
{
  MT_COLUMN_NULL,
  MT_COLUMN_INTEGER,
  MT_COLUMN_REAL,
  MT_COLUMN_TEXT,
} MtColumnType;

/* mt_query_alone: first thing in a program that is all ours: SQLite need not count what memory it
 * takes, a seventh of the time it takes to read the schema. */
void mt_query_alone(void);

/* mt_query_open: @path's store, read-only.  Returns: NULL with @error: one line, names
 * the file and what to do. */
MtQuery *mt_query_open(const gchar *path, GError **error);
void mt_query_close(MtQuery *query);

/* mt_query_open_lean: for who asks by mt_query_narrow() and mt_query_hops_sql() only: views are
 * most of what opening a store takes, and are read when the first is missed. */
MtQuery *mt_query_open_lean(const gchar *path, GError **error);

/* mt_query_run: @sql with "?" for each of @params (NULL-terminated, nullable).
 * Returns: (transfer full) rows, NULL with @error. */
MtRows *mt_query_run(MtQuery *query, const gchar *sql, const gchar *const *params, GError **error);
void mt_rows_free(MtRows *rows);

/* mt_rows_next: steps to the next row.  FALSE at the end, and with @error on failure. */
gboolean mt_rows_next(MtRows *rows, GError **error);

/* mt_rows_columns: how many there are. */
guint mt_rows_columns(const MtRows *rows);

/* mt_rows_column: by name; -1 where there is none. */
gint mt_rows_column(const MtRows *rows, const gchar *name);
const gchar *mt_rows_name(const MtRows *rows, guint column);
MtColumnType mt_rows_type(const MtRows *rows, guint column);

/* mt_rows_text: the column as text; valid until the next step.  NULL is empty. */
MtSpan mt_rows_text(const MtRows *rows, guint column);
gint64 mt_rows_integer(const MtRows *rows, guint column);

/* mt_query_by_message_id_sql: asks for the ids of messages whose Message-ID is ?1, by an index
 * that views cannot use. (transfer full) */
gchar *mt_query_by_message_id_sql(MtQuery *query);

/* The way from message to message.  Each asks for ids, one a row, of what ?1 says. */
typedef enum
{
  MT_HOPS_NAMED,    /* ?1 is its queue ID or Message-ID */
  MT_HOPS_PARENT,   /* of message ?1; no row where there is none */
  MT_HOPS_CHILDREN, /* of message ?1, oldest first */
} MtHops;

/* mt_query_hops_sql: asks the tables, with no more columns than that takes. (transfer full) */
gchar *mt_query_hops_sql(MtQuery *query, MtHops which);

/* mt_query_narrow: from now on views messages, deliveries and attempts show only the days of the
 * segment in which message @id lies (a number as text), and mailbox_events those in which something
 * is of its Message-ID: prepared in a tenth of the time.  All that is asked sees the store as it is
 * now, until the query is closed. */
gboolean mt_query_narrow(MtQuery *query, const gchar *id, GError **error);

/* mt_query_lost_deliveries_sql: asks how many deliveries have no message: views do not show
 * them. (transfer full) */
gchar *mt_query_lost_deliveries_sql(MtQuery *query);

/* mt_query_meta: a remembered setting. (transfer full) (nullable) */
gchar *mt_query_meta(MtQuery *query, const gchar *name);

/* mt_query_changes: a number that changes when the store does. */
gint64 mt_query_changes(MtQuery *query);

#endif
