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
} MtLease;

/* mt_lease_open: "PATH-lock", made where it is missing with @mode, @uid, @gid (-1: as
 * they come).  Returns: FALSE with @error set in G_FILE_ERROR. */
gboolean mt_lease_open(MtLease *lease, const gchar *path, guint mode, gint uid, gint gid,
                       GError **error);
void mt_lease_close(MtLease *lease);

/* mt_lease_take: waits at most @timeout_ms for its turn.  FALSE: somebody holds it. */
gboolean mt_lease_take(MtLease *lease, gint timeout_ms);
void mt_lease_give(MtLease *lease);

#endif
