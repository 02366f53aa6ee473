/* guard.h: a line counts once
 *
 * Layer: store.  Concurrency: the connection's owner only.
 *
 * A crash makes a source send again what it was not told was stored.  The guard keeps,
 * for each host and minute, the multiset of keyed hashes of the lines that are in the
 * store, written in the same transaction.  Buckets that stand there when a stream
 * begins are matched line by line, each entry once; lines of newer minutes cost no
 * look-up, and twins among them are both kept.
 */
#ifndef MT_STORE_GUARD_H
#define MT_STORE_GUARD_H

#include "scan/hash.h"
#include "scan/line.h"
#include "store/sqlite-util.h"

/* Bits of a line's hash.  A bucket of a busy host has 30,000 lines; a line that is
 * new falls on one of 2^48 hashes of it with a chance of 1 in 10^10. */
#define MT_GUARD_HASH_BITS 48

typedef struct MtGuard MtGuard;

MtGuard *mt_guard_new(sqlite3 *db, const MtHashKey *key);
void mt_guard_free(MtGuard *guard);

/* mt_guard_start: reads which buckets stand in the store: at the start of a stream, and
 * when another has written. */
gboolean mt_guard_start(MtGuard *guard);

/* mt_guard_restart: a new stream begins: what was written until now is held against it, too. */
gboolean mt_guard_restart(MtGuard *guard);

/* mt_guard_pass: @line is new to the store; it will be remembered.  FALSE: it is there
 * already. */
gboolean mt_guard_pass(MtGuard *guard, const MtLine *line);

/* mt_guard_write: what has passed since the last commit goes into the transaction. */
gboolean mt_guard_write(MtGuard *guard);

/* mt_guard_committed, mt_guard_rolled_back: how the transaction of mt_guard_write() ended. */
void mt_guard_committed(MtGuard *guard);
void mt_guard_rolled_back(MtGuard *guard);

/* mt_guard_held: how many lines were in the store already. */
guint64 mt_guard_held(const MtGuard *guard);

#endif
