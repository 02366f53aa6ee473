/* guard.h: a line counts once
 *
 * Layer: store.  Concurrency: the connection's owner only.
 *
 * A crash makes a source send again what it was not told was stored.  The guard keeps,
 * for each host and minute, the multiset of keyed hashes of the lines that are in the
 * store, written in the same transaction.  Buckets that stand there when a stream
 * begins are matched line by line, each entry once; lines of newer minutes cost no
 * look-up, and twins among them are both kept.
 *
 * Concurrency: between mt_guard_submit() and mt_guard_committed() another thread may call
 * mt_guard_write(), and nothing else, while lines pass that belong to the next transaction.
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

/* mt_guard_submit: what has passed until now is to be written; what passes from now on belongs to
 * the next transaction.  FALSE: reading has failed, nothing of it may be committed. */
gboolean mt_guard_submit(MtGuard *guard);

/* mt_guard_write: what was submitted goes into the transaction, by @db. */
gboolean mt_guard_write(MtGuard *guard, sqlite3 *db);

/* mt_guard_read_by: buckets are read by this connection from now on: one that no other thread
 * uses now. */
void mt_guard_read_by(MtGuard *guard, sqlite3 *db);

/* mt_guard_is_last: nobody has written behind us. */
gboolean mt_guard_is_last(const MtGuard *guard);

/* mt_guard_committed: the transaction of mt_guard_write() ended well.  mt_guard_rolled_back: it
 * did not; what has passed since is forgotten, too. */
void mt_guard_committed(MtGuard *guard);
void mt_guard_rolled_back(MtGuard *guard);

/* mt_guard_held: how many lines were in the store already. */
guint64 mt_guard_held(const MtGuard *guard);

#endif
