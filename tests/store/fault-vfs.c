#include "store/fault-vfs.h"

#include <pthread.h>
#include <sqlite3.h>

const gchar *const fault_names[FAULT_COUNT] = { "none",       "disk-full",  "write-error",
                                                "read-error", "sync-error", "checkpoint-error" };

typedef struct
{
  sqlite3_file base;
  gboolean is_database; /* not its log */
  sqlite3_file real[];
} File;

static struct
{
  sqlite3_vfs vfs;
  sqlite3_vfs *real;
  FaultKind kind;
  guint after, times, fired, writes;
} state;

static sqlite3_file *
real_of(sqlite3_file *file)
{
  return ((File *) file)->real;
}

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* a store has two threads */

static gboolean
has_come(FaultKind kind)
{
  if (state.kind != kind)
    return FALSE;
  if (state.after)
    {
      state.after--;
      return FALSE;
    }
  if (state.fired >= state.times)
    return FALSE;
  state.fired++;
  return TRUE;
}

/* Is it this operation's turn to fail? */
static gboolean
fires(FaultKind kind)
{
  gboolean fires;

  pthread_mutex_lock(&lock);
  fires = has_come(kind);
  pthread_mutex_unlock(&lock);
  return fires;
}

static void
count_write(void)
{
  pthread_mutex_lock(&lock);
  state.writes++;
  pthread_mutex_unlock(&lock);
}

static int
x_close(sqlite3_file *file)
{
  return real_of(file)->pMethods->xClose(real_of(file));
}

static int
x_read(sqlite3_file *file, void *to, int bytes, sqlite3_int64 at)
{
  return fires(FAULT_READ) ? SQLITE_IOERR_READ
                           : real_of(file)->pMethods->xRead(real_of(file), to, bytes, at);
}

static int
x_write(sqlite3_file *file, const void *from, int bytes, sqlite3_int64 at)
{
  count_write();
  if (fires(FAULT_FULL))
    return SQLITE_FULL;
  if (fires(FAULT_WRITE) || (((File *) file)->is_database && fires(FAULT_CHECKPOINT)))
    return SQLITE_IOERR_WRITE;
  return real_of(file)->pMethods->xWrite(real_of(file), from, bytes, at);
}

static int
x_sync(sqlite3_file *file, int flags)
{
  return fires(FAULT_SYNC) ? SQLITE_IOERR_FSYNC
                           : real_of(file)->pMethods->xSync(real_of(file), flags);
}

static int
x_truncate(sqlite3_file *file, sqlite3_int64 size)
{
  return real_of(file)->pMethods->xTruncate(real_of(file), size);
}

static int
x_size(sqlite3_file *file, sqlite3_int64 *size)
{
  return real_of(file)->pMethods->xFileSize(real_of(file), size);
}

static int
x_lock(sqlite3_file *file, int level)
{
  return real_of(file)->pMethods->xLock(real_of(file), level);
}

static int
x_unlock(sqlite3_file *file, int level)
{
  return real_of(file)->pMethods->xUnlock(real_of(file), level);
}

static int
x_reserved(sqlite3_file *file, int *out)
{
  return real_of(file)->pMethods->xCheckReservedLock(real_of(file), out);
}

static int
x_control(sqlite3_file *file, int op, void *arg)
{
  return real_of(file)->pMethods->xFileControl(real_of(file), op, arg);
}

static int
x_sector(sqlite3_file *file)
{
  return real_of(file)->pMethods->xSectorSize(real_of(file));
}

static int
x_device(sqlite3_file *file)
{
  return real_of(file)->pMethods->xDeviceCharacteristics(real_of(file));
}

static int
x_shm_map(sqlite3_file *file, int page, int bytes, int extend, void volatile **out)
{
  return real_of(file)->pMethods->xShmMap(real_of(file), page, bytes, extend, out);
}

static int
x_shm_lock(sqlite3_file *file, int offset, int n, int flags)
{
  return real_of(file)->pMethods->xShmLock(real_of(file), offset, n, flags);
}

static void
x_shm_barrier(sqlite3_file *file)
{
  real_of(file)->pMethods->xShmBarrier(real_of(file));
}

static int
x_shm_unmap(sqlite3_file *file, int delete)
{
  return real_of(file)->pMethods->xShmUnmap(real_of(file), delete);
}

static const sqlite3_io_methods methods = { .iVersion = 2,
                                            .xClose = x_close,
                                            .xRead = x_read,
                                            .xWrite = x_write,
                                            .xTruncate = x_truncate,
                                            .xSync = x_sync,
                                            .xFileSize = x_size,
                                            .xLock = x_lock,
                                            .xUnlock = x_unlock,
                                            .xCheckReservedLock = x_reserved,
                                            .xFileControl = x_control,
                                            .xSectorSize = x_sector,
                                            .xDeviceCharacteristics = x_device,
                                            .xShmMap = x_shm_map,
                                            .xShmLock = x_shm_lock,
                                            .xShmBarrier = x_shm_barrier,
                                            .xShmUnmap = x_shm_unmap };

static int
x_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *out)
{
  File *ours = (File *) file;
  int code = state.real->xOpen(state.real, name, ours->real, flags, out);

  ours->is_database = (flags & SQLITE_OPEN_MAIN_DB) != 0;
  ours->base.pMethods = ours->real->pMethods ? &methods : NULL;
  return code;
}

void
fault_vfs_register(void)
{
  state.real = sqlite3_vfs_find(NULL);
  state.vfs = *state.real;
  state.vfs.zName = "fault";
  state.vfs.szOsFile = sizeof(File) + state.real->szOsFile;
  state.vfs.xOpen = x_open;
  sqlite3_vfs_register(&state.vfs, 1);
}

void
fault_vfs_set(FaultKind kind, guint after, guint times)
{
  state.kind = kind;
  state.after = after;
  state.times = times;
  state.fired = 0;
}

guint
fault_vfs_fired(void)
{
  return state.fired;
}

guint
fault_vfs_writes(void)
{
  return state.writes;
}
