#include "store/log-vfs.h"

#include <glib.h>
#include <string.h>

/* 31 pages.  SQLite's VFS for Unix writes 131,071 bytes at once and no more. */
#define BUFFER_BYTES (126 * 1024)

/* The log's format, https://www.sqlite.org/fileformat2.html#walformat: a header before each page,
 * whose second number is not 0 in the page that ends a transaction. */
#define FRAME_HEADER_BYTES 24
#define FRAME_COMMIT_OFFSET 4

typedef struct
{
  sqlite3_file base;
  gchar *bytes;
  sqlite3_int64 at; /* where they belong */
  gint len;
  sqlite3_int64 end;  /* of what was written last: what goes on from there gathers */
  gboolean at_commit; /* the next page ends a transaction */
  sqlite3_file real[];
} Log;

struct MtLogVfs
{
  sqlite3_vfs base;
  sqlite3_vfs *real;
  gchar name[40]; /* of its own: each is registered */
};

static int
write_through(Log *log, const void *from, gint len, sqlite3_int64 at)
{
  return log->real->pMethods->xWrite(log->real, from, len, at);
}

/* What cannot be written is forgotten: the transaction has failed. */
static int
flush(Log *log)
{
  int code = log->len ? write_through(log, log->bytes, log->len, log->at) : SQLITE_OK;

  log->len = 0;
  if (code != SQLITE_OK)
    log->end = -1;
  return code;
}

static gboolean
ends_transaction(const void *from, gint len)
{
  static const gchar none[4];

  return len == FRAME_HEADER_BYTES
         && memcmp((const gchar *) from + FRAME_COMMIT_OFFSET, none, sizeof none) != 0;
}

static void
gather(Log *log, const void *from, gint len, sqlite3_int64 at)
{
  if (log->len == 0)
    log->at = at;
  memcpy(log->bytes + log->len, from, len);
  log->len += len;
}

static int
x_write(sqlite3_file *file, const void *from, int len, sqlite3_int64 at)
{
  Log *log = (Log *) file;
  gboolean goes_on = at == log->end, now = log->at_commit;
  int code = SQLITE_OK;

  log->at_commit = ends_transaction(from, len);
  if (!goes_on || log->len + len > BUFFER_BYTES)
    code = flush(log);
  if (code != SQLITE_OK)
    return code;
  log->end = at + len;
  if (goes_on && len <= BUFFER_BYTES)
    gather(log, from, len, at);
  else
    code = write_through(log, from, len, at);
  if (code == SQLITE_OK && now)
    code = flush(log);
  return code;
}

static int
x_read(sqlite3_file *file, void *to, int len, sqlite3_int64 at)
{
  Log *log = (Log *) file;
  int code = at < log->at + log->len && at + len > log->at ? flush(log) : SQLITE_OK;

  return code == SQLITE_OK ? log->real->pMethods->xRead(log->real, to, len, at) : code;
}

static int
x_close(sqlite3_file *file)
{
  Log *log = (Log *) file;
  int code;

  flush(log);
  g_free(log->bytes);
  code = log->real->pMethods->xClose(log->real);
  file->pMethods = NULL;
  return code;
}

/* ---- the rest asks the file, which must have all of it -------------------------------------- */

static int
x_truncate(sqlite3_file *file, sqlite3_int64 size)
{
  Log *log = (Log *) file;
  int code = flush(log);

  log->end = -1;
  return code == SQLITE_OK ? log->real->pMethods->xTruncate(log->real, size) : code;
}

static int
x_sync(sqlite3_file *file, int flags)
{
  Log *log = (Log *) file;
  int code = flush(log);

  return code == SQLITE_OK ? log->real->pMethods->xSync(log->real, flags) : code;
}

static int
x_size(sqlite3_file *file, sqlite3_int64 *size)
{
  Log *log = (Log *) file;
  int code = flush(log);

  return code == SQLITE_OK ? log->real->pMethods->xFileSize(log->real, size) : code;
}

static int
x_control(sqlite3_file *file, int op, void *arg)
{
  Log *log = (Log *) file;
  int code = flush(log);

  return code == SQLITE_OK ? log->real->pMethods->xFileControl(log->real, op, arg) : code;
}

static int
x_sector(sqlite3_file *file)
{
  return ((Log *) file)->real->pMethods->xSectorSize(((Log *) file)->real);
}

static int
x_device(sqlite3_file *file)
{
  return ((Log *) file)->real->pMethods->xDeviceCharacteristics(((Log *) file)->real);
}

/* A log is never locked or mapped: that is the database file's. */
static const sqlite3_io_methods methods = { .iVersion = 1,
                                            .xClose = x_close,
                                            .xRead = x_read,
                                            .xWrite = x_write,
                                            .xTruncate = x_truncate,
                                            .xSync = x_sync,
                                            .xFileSize = x_size,
                                            .xFileControl = x_control,
                                            .xSectorSize = x_sector,
                                            .xDeviceCharacteristics = x_device };

static int
x_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *out)
{
  sqlite3_vfs *real = ((MtLogVfs *) vfs)->real;
  Log *log = (Log *) file;
  int code;

  if (!(flags & SQLITE_OPEN_WAL))
    return real->xOpen(real, name, file, flags, out);
  memset(log, 0, sizeof *log);
  code = real->xOpen(real, name, log->real, flags, out);
  if (code != SQLITE_OK)
    return code;
  log->bytes = g_malloc(BUFFER_BYTES);
  log->end = -1;
  log->base.pMethods = &methods;
  return SQLITE_OK;
}

MtLogVfs *
mt_log_vfs_new(void)
{
  sqlite3_vfs *real = sqlite3_vfs_find(NULL);
  MtLogVfs *vfs;

  if (!real)
    return NULL;
  vfs = g_new0(MtLogVfs, 1);
  vfs->real = real;
  vfs->base = *real;
  g_snprintf(vfs->name, sizeof vfs->name, "mailtrail-%p", (gpointer) vfs);
  vfs->base.zName = vfs->name;
  vfs->base.pNext = NULL;
  vfs->base.szOsFile = sizeof(Log) + real->szOsFile;
  vfs->base.xOpen = x_open;
  sqlite3_vfs_register(&vfs->base, 0);
  return vfs;
}

void
mt_log_vfs_free(MtLogVfs *vfs)
{
  if (vfs)
    sqlite3_vfs_unregister(&vfs->base);
  g_free(vfs);
}

const char *
mt_log_vfs_name(const MtLogVfs *vfs)
{
  return vfs ? vfs->name : NULL;
}
