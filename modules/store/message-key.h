/* message-key.h: what messages are found by whose Message-ID is known
 *
 * Layer: store.  Concurrency: any thread; a connection's functions are its owner's.
 *
 * An index of the texts would be as large as they are, and each new one would lie on a page
 * of its own, which each commit must write.  The key has the time of the day first, in spans
 * of some hours: what comes at the same time lies together.  Who looks for an ID tries the
 * spans, and reads the text itself.
 */
#ifndef MT_STORE_MESSAGE_KEY_H
#define MT_STORE_MESSAGE_KEY_H

#include "scan/hash.h"
#include "store/sqlite-util.h"

/* Spans of a day that a key tells apart: longer ones are fewer to try, shorter ones take
 * fewer pages. */
#define MT_MESSAGE_KEY_SPAN_US (4 * MT_HOUR_US)
#define MT_MESSAGE_KEY_SPANS 6

/* mt_message_key_hash: of a Message-ID, as it is stored. */
guint64 mt_message_key_hash(const MtHashKey *key, MtSpan message_id);

/* mt_message_key: of this hash, of a message that came @at. */
gint64 mt_message_key(guint64 hash, MtTime at);

/* mt_message_key_register: the SQL function mt_message_key(MESSAGE_ID, TS), with the store's
 * key.  FALSE on failure. */
gboolean mt_message_key_register(sqlite3 *db);

#endif
