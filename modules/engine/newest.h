/* newest.h: when the newest rows of one account, one domain or one outcome are
 *
 * Layer: engine.  Concurrency: as a query's.
 *
 * The views give rows by time; those of an account that hardly has any would be found by
 * reading them all.  Here the times of the newest few are taken from the indexes by name, day by
 * day, so that a view need only be asked for rows of these times.
 */
#ifndef MT_ENGINE_NEWEST_H
#define MT_ENGINE_NEWEST_H

#include "engine/query.h"
#include "scan/stamp.h"

typedef enum
{
  MT_NEWEST_NONE,
  MT_NEWEST_MAIL_OF_ACCOUNT,    /* sender, recipient, or who handed it in */
  MT_NEWEST_MAIL_OF_DOMAIN,     /* of sender or recipient */
  MT_NEWEST_MAIL_OF_OUTCOME,    /* any but delivered: rows come by time soon enough then */
  MT_NEWEST_ACCESSES_OF_DOMAIN, /* views accesses, */
  MT_NEWEST_FAILURES_OF_DOMAIN, /* accesses_failed */
} MtNewest;

/* More rows than this are not looked for one by one. */
#define MT_NEWEST_MAX 1000

/* mt_query_newest: the times at which the newest @count rows (up to MT_NEWEST_MAX) of @value stand,
 * from @since up to before @until; some of other rows may be among them.  A domain is given in
 * small letters. Returns: (transfer full) MtTime, newest first; NULL with @error, and without where
 * reading by time finds the rows sooner: a domain with very many addresses, what is usual. */
GArray *mt_query_newest(MtQuery *query, MtNewest what, const gchar *value, MtTime since,
                        MtTime until, guint count, GError **error);

#endif
