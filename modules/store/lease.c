#include "store/lease.h"
#include "store/sqlite-util.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The bytes of the lock file that the two locks lie on. */
enum
{
  TURNSTILE = 0,
  WRITER = 1,
};

#define POLL_US 2000

void
mt_lease_init(MtLease *lease, const gchar *path, guint mode, gint uid, gint gid)
{
  lease->fd = -1;
  lease->held = FALSE;
  lease->path = g_strconcat(path, "-lock", NULL);
  lease->mode = mode;
  lease->uid = uid;
  lease->gid = gid;
}

static void
close_file(MtLease *lease)
{
  if (lease->fd >= 0)
    close(lease->fd);
  lease->fd = -1;
  lease->held = FALSE;
}

void
mt_lease_clear(MtLease *lease)
{
  if (!lease->path)
    return;
  close_file(lease);
  g_clear_pointer(&lease->path, g_free);
}

static gboolean
open_file(MtLease *lease, GError **error)
{
  gboolean made = access(lease->path, F_OK) != 0;

  if (lease->fd >= 0)
    return TRUE;
  lease->fd = open(lease->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, lease->mode);
  if (lease->fd < 0)
    {
      g_set_error(error, MT_STORE_ERROR, mt_store_error_of_errno(errno),
                  "%s: cannot open the lock file: %s; its directory must exist and be writable",
                  lease->path, g_strerror(errno));
      return FALSE;
    }
  if (made
      && (fchmod(lease->fd, lease->mode) != 0
          || (geteuid() == 0 && fchown(lease->fd, lease->uid, lease->gid) != 0)))
    g_debug("%s: owner and mode stay as they are: %s", lease->path, g_strerror(errno));
  return TRUE;
}

gboolean
mt_lease_is_current(const MtLease *lease)
{
  struct stat ours, theirs;

  return fstat(lease->fd, &ours) == 0 && stat(lease->path, &theirs) == 0
         && ours.st_dev == theirs.st_dev && ours.st_ino == theirs.st_ino;
}

/* Open file description locks: they belong to this lease, not to the process. */
static gboolean
set_lock(const MtLease *lease, gint byte, gshort type)
{
  struct flock lock = { .l_type = type, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1 };

  return fcntl(lease->fd, F_OFD_SETLK, &lock) == 0;
}

static gboolean
wait_for(const MtLease *lease, gint byte, gint64 deadline_us)
{
  while (!set_lock(lease, byte, F_WRLCK))
    {
      if (g_get_monotonic_time() >= deadline_us)
        return FALSE;
      g_usleep(POLL_US);
    }
  return TRUE;
}

static gboolean
take(MtLease *lease, gint64 deadline_us)
{
  if (!wait_for(lease, TURNSTILE, deadline_us))
    return FALSE;
  lease->held = wait_for(lease, WRITER, deadline_us);
  set_lock(lease, TURNSTILE, F_UNLCK);
  return lease->held;
}

gboolean
mt_lease_take(MtLease *lease, gint timeout_ms, GError **error)
{
  gint64 deadline_us = g_get_monotonic_time() + (gint64) timeout_ms * 1000;

  if (lease->held)
    return TRUE;
  for (;;)
    {
      if (!open_file(lease, error))
        return FALSE;
      if (!take(lease, deadline_us))
        {
          g_set_error(
              error, MT_STORE_ERROR, MT_STORE_ERROR_BUSY,
              "%s: another program has been writing to the store for %d s; it is tried again",
              lease->path, timeout_ms / 1000);
          return FALSE;
        }
      if (mt_lease_is_current(lease))
        return TRUE;
      close_file(lease);
    }
}

void
mt_lease_give(MtLease *lease)
{
  if (lease->held)
    set_lock(lease, WRITER, F_UNLCK);
  lease->held = FALSE;
}

gboolean
mt_lease_is_wanted(const MtLease *lease)
{
  struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = TURNSTILE, .l_len = 1 };

  return lease->fd >= 0 && fcntl(lease->fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
}
