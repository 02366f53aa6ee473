/* scrub.h: people who are forgotten
 *
 * Layer: store.  Concurrency: the connection's owner only.
 *
 * The store keeps a keyed hash of each address that was to be forgotten.  Texts on their
 * way into the store are held against them: an address in them that is forgotten is
 * replaced by MT_FORGOTTEN.  Nothing is looked at while nobody is forgotten.
 */
#ifndef MT_STORE_SCRUB_H
#define MT_STORE_SCRUB_H

#include "scan/hash.h"
#include "store/sqlite-util.h"

#define MT_FORGOTTEN "forgotten"

typedef struct MtScrub MtScrub;

MtScrub *mt_scrub_new(const MtHashKey *key);
void mt_scrub_free(MtScrub *scrub);

/* mt_scrub_load: who is forgotten.  FALSE on failure. */
gboolean mt_scrub_load(MtScrub *scrub, sqlite3 *db);

/* mt_scrub_hash: of an address, or an account without a domain; what stands behind a "+"
 * does not count, nor does case. */
guint64 mt_scrub_hash(const MtScrub *scrub, MtSpan address);

/* mt_scrub_add: from now on.  In memory only. */
void mt_scrub_add(MtScrub *scrub, guint64 hash);

/* mt_scrub_mentions: is @text, or an address in it, of somebody who is forgotten? */
gboolean mt_scrub_mentions(const MtScrub *scrub, MtSpan text);

/* mt_scrub_clean: @text itself where there is nothing to replace; else a text that is valid
 * until the next call. */
MtSpan mt_scrub_clean(MtScrub *scrub, MtSpan text);

#endif
