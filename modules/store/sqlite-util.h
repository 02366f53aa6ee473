/* sqlite-util.h: SQLite's result codes and statements, handled in one place
 *
 * Layer: store.  Concurrency: the connection's owner only.
 */
#ifndef MT_STORE_SQLITE_UTIL_H
#define MT_STORE_SQLITE_UTIL_H

#include "scan/ip.h"
#include "scan/stamp.h"

#include <sqlite3.h>

#define MT_STORE_ERROR (mt_store_error_quark())

/* What a failure of the store means for who called. */
typedef enum
{
  MT_STORE_ERROR_BUSY,    /* another writer holds it: try again */
  MT_STORE_ERROR_FULL,    /* no room on the device: try again later */
  MT_STORE_ERROR_IO,      /* reading or writing failed: try again later */
  MT_STORE_ERROR_CORRUPT, /* the file is damaged: it must be set aside */
  MT_STORE_ERROR_OPEN,    /* it cannot be opened: path, owner or mode are wrong */
  MT_STORE_ERROR_NEWER,   /* a newer version of the program wrote it */
  MT_STORE_ERROR_FAILED,  /* anything else */
} MtStoreError;

GQuark mt_store_error_quark(void);

/* mt_sql_fail: sets @error from the connection's last failure: "FILE: doing @what: why;
 * what to do".  Returns: FALSE. */
gboolean mt_sql_fail(sqlite3 *db, const gchar *path, const gchar *what, GError **error);

/* mt_store_error_of_errno: what a failed open(2) means. */
MtStoreError mt_store_error_of_errno(gint number);

/* mt_sql_exec: runs statements that give no rows. */
gboolean mt_sql_exec(sqlite3 *db, const gchar *sql);

/* mt_sql_execf: the same, with sqlite3_mprintf()'s format. */
gboolean mt_sql_execf(sqlite3 *db, const gchar *format, ...);

/* mt_sql_text: the first column of the first row. (transfer full) (nullable) */
gchar *mt_sql_text(sqlite3 *db, const gchar *sql);

/* mt_sql_integer: the one number that @sql asks for, @otherwise where there is none. */
gint64 mt_sql_integer(sqlite3 *db, const gchar *sql, gint64 otherwise);

/* mt_sql_bind: binds text as valid UTF-8; no bytes (at == NULL) bind NULL.  The text
 * must stay until the statement is reset. */
void mt_sql_bind(sqlite3_stmt *stmt, gint column, MtSpan text);

/* mt_sql_bind_number: @number, or NULL where it is @none. */
void mt_sql_bind_number(sqlite3_stmt *stmt, gint column, gint64 number, gint64 none);

/* mt_sql_run: steps a statement that gives no rows, and resets it. */
gboolean mt_sql_run(sqlite3_stmt *stmt);

/* mt_sql_column: a text column; valid until the next step. */
MtSpan mt_sql_column(sqlite3_stmt *stmt, gint column);

/* mt_sql_number: a column, or @none where it is NULL. */
gint64 mt_sql_number(sqlite3_stmt *stmt, gint column, gint64 none);

#endif
