#include "store/sqlite-util.h"
#include "scan/text.h"

#include <errno.h>

G_DEFINE_QUARK(mt - store - error - quark, mt_store_error)

static MtStoreError
kind_of(gint code)
{
  switch (code & 0xff)
    {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return MT_STORE_ERROR_BUSY;
    case SQLITE_FULL:
      return MT_STORE_ERROR_FULL;
    case SQLITE_IOERR:
    case SQLITE_READONLY:
    case SQLITE_PERM:
      return MT_STORE_ERROR_IO;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return MT_STORE_ERROR_CORRUPT;
    case SQLITE_CANTOPEN:
      return MT_STORE_ERROR_OPEN;
    default:
      return MT_STORE_ERROR_FAILED;
    }
}

MtStoreError
mt_store_error_of_errno(gint number)
{
  switch (number)
    {
    case ENOSPC:
    case EDQUOT:
      return MT_STORE_ERROR_FULL;
    case EROFS: /* a file system that has failed becomes read-only */
    case EIO:
    case EMFILE:
    case ENFILE:
      return MT_STORE_ERROR_IO;
    default:
      return MT_STORE_ERROR_OPEN;
    }
}

static const gchar *
advice(MtStoreError kind)
{
  switch (kind)
    {
    case MT_STORE_ERROR_BUSY:
      return "; another program is writing to it, it is tried again";
    case MT_STORE_ERROR_FULL:
      return "; make room on its file system";
    case MT_STORE_ERROR_IO:
      return "; look at its file system and at owner and mode of the file and its directory";
    case MT_STORE_ERROR_CORRUPT:
      return "; the file is damaged";
    case MT_STORE_ERROR_OPEN:
      return "; its directory must exist and be writable";
    default:
      return "";
    }
}

gboolean
mt_sql_fail(sqlite3 *db, const gchar *path, const gchar *what, GError **error)
{
  gint code = db ? sqlite3_extended_errcode(db) : SQLITE_NOMEM;
  MtStoreError kind = kind_of(code);

  g_set_error(error, MT_STORE_ERROR, kind, "%s: %s: %s%s", path, what,
              db ? sqlite3_errmsg(db) : sqlite3_errstr(code), advice(kind));
  return FALSE;
}

gboolean
mt_sql_exec(sqlite3 *db, const gchar *sql)
{
  return sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK;
}

gboolean
mt_sql_execf(sqlite3 *db, const gchar *format, ...)
{
  va_list args;
  gchar *sql;
  gboolean ok;

  va_start(args, format);
  sql = sqlite3_vmprintf(format, args);
  va_end(args);
  ok = sql && mt_sql_exec(db, sql);
  sqlite3_free(sql);
  return ok;
}

gchar *
mt_sql_text(sqlite3 *db, const gchar *sql)
{
  sqlite3_stmt *stmt;
  gchar *text = NULL;

  if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) != SQLITE_OK)
    return NULL;
  if (sqlite3_step(stmt) == SQLITE_ROW)
    text = g_strdup((const gchar *) sqlite3_column_text(stmt, 0));
  sqlite3_finalize(stmt);
  return text;
}

gint64
mt_sql_integer(sqlite3 *db, const gchar *sql, gint64 otherwise)
{
  sqlite3_stmt *stmt;
  gint64 number = otherwise;

  if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) != SQLITE_OK)
    return otherwise;
  if (sqlite3_step(stmt) == SQLITE_ROW && sqlite3_column_type(stmt, 0) != SQLITE_NULL)
    number = sqlite3_column_int64(stmt, 0);
  sqlite3_finalize(stmt);
  return number;
}

void
mt_sql_bind(sqlite3_stmt *stmt, gint column, MtSpan text)
{
  GString *clean;

  if (!text.at)
    sqlite3_bind_null(stmt, column);
  else if (mt_text_is_clean(text))
    sqlite3_bind_text(stmt, column, text.at, text.len, SQLITE_STATIC);
  else
    {
      clean = g_string_new(NULL);
      mt_text_append_clean(clean, text);
      sqlite3_bind_text(stmt, column, clean->str, clean->len, SQLITE_TRANSIENT);
      g_string_free(clean, TRUE);
    }
}

void
mt_sql_bind_number(sqlite3_stmt *stmt, gint column, gint64 number, gint64 none)
{
  if (number == none)
    sqlite3_bind_null(stmt, column);
  else
    sqlite3_bind_int64(stmt, column, number);
}

gboolean
mt_sql_run(sqlite3_stmt *stmt)
{
  gint code = sqlite3_step(stmt);

  sqlite3_reset(stmt);
  return code == SQLITE_DONE || code == SQLITE_ROW;
}

MtSpan
mt_sql_column(sqlite3_stmt *stmt, gint column)
{
  const gchar *text = (const gchar *) sqlite3_column_text(stmt, column);

  return text ? mt_span(text, sqlite3_column_bytes(stmt, column)) : MT_NO_SPAN;
}

gint64
mt_sql_number(sqlite3_stmt *stmt, gint column, gint64 none)
{
  return sqlite3_column_type(stmt, column) == SQLITE_NULL ? none
                                                          : sqlite3_column_int64(stmt, column);
}
