/* lease.h: one writer at a time
 *
 * Layer: store.  Concurrency: the store's owner only; other processes hold leases of
 * their own on the same file.
 *
 * A lock file beside the store.  Who writes holds it for one batch.  Two locks make a
 * turnstile: who waits stands in the first, so that a busy writer that gives the
 * second back cannot take it again before the one who waits has had it.
 */
#ifndef MT_STORE_LEASE_H
#define MT_STORE_LEASE_H

#include <glib.h>

typedef struct
{
  gint fd; /* -1: not open */
  gboolean held;
  gchar *path;
  guint mode;
  gint uid, gid; /* -1: as they come */
} MtLease;

/* mt_lease_init: @path: the store's; the lock file is "PATH-lock", made where it is
 * missing.  mt_lease_clear: gives it back and closes it. */
void mt_lease_init(MtLease *lease, const gchar *path, guint mode, gint uid, gint gid);
void mt_lease_clear(MtLease *lease);

/* mt_lease_take: waits at most @timeout_ms for its turn.  Who removes the lock file while
 * we have it open takes no turn from us: it is made anew.  Returns: FALSE with @error in
 * MT_STORE_ERROR: somebody holds it (MT_STORE_ERROR_BUSY), or it cannot be made. */
gboolean mt_lease_take(MtLease *lease, gint timeout_ms, GError **error);
void mt_lease_give(MtLease *lease);

/* mt_lease_is_wanted: somebody waits for it.  mt_lease_is_current: the lock file is the one that
 * others will find. */
gboolean mt_lease_is_wanted(const MtLease *lease);
gboolean mt_lease_is_current(const MtLease *lease);

#endif
