#include "store/lease.h"

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

gboolean
mt_lease_open(MtLease *lease, const gchar *path, guint mode, gint uid, gint gid, GError **error)
{
  gchar *name = g_strconcat(path, "-lock", NULL);
  gboolean made = access(name, F_OK) != 0;

  lease->held = FALSE;
  lease->fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, mode);
  if (lease->fd < 0)
    g_set_error(error, G_FILE_ERROR, g_file_error_from_errno(errno),
                "%s: cannot open the lock file: %s; its directory must exist and be writable", name,
                g_strerror(errno));
  else if (made)
    {
      if (fchmod(lease->fd, mode) != 0 || (geteuid() == 0 && fchown(lease->fd, uid, gid) != 0))
        g_debug("%s: owner and mode stay as they are: %s", name, g_strerror(errno));
    }
  g_free(name);
  return lease->fd >= 0;
}

void
mt_lease_close(MtLease *lease)
{
  if (lease->fd >= 0)
    close(lease->fd);
  lease->fd = -1;
  lease->held = FALSE;
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

gboolean
mt_lease_take(MtLease *lease, gint timeout_ms)
{
  gint64 deadline_us = g_get_monotonic_time() + (gint64) timeout_ms * 1000;
  gboolean taken;

  if (lease->held)
    return TRUE;
  if (!wait_for(lease, TURNSTILE, deadline_us))
    return FALSE;
  taken = wait_for(lease, WRITER, deadline_us);
  set_lock(lease, TURNSTILE, F_UNLCK);
  lease->held = taken;
  return taken;
}

void
mt_lease_give(MtLease *lease)
{
  if (lease->held)
    set_lock(lease, WRITER, F_UNLCK);
  lease->held = FALSE;
}
