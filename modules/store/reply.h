/* reply.h: what replies have in common, apart from what they do not
 *
 * Layer: store.  Concurrency: any thread; functions touch only their arguments.
 *
 * Replies are the longest text of a delivery, and a server's differ in an ID and in the
 * recipient only.  A reply is kept as its form, which many share and which is kept once, and
 * the part that is its own.
 */
#ifndef MT_STORE_REPLY_H
#define MT_STORE_REPLY_H

#include "scan/span.h"

/* What stand in a form for the reply's own part and for the recipient: no line has them. */
#define MT_REPLY_PART '\1'
#define MT_REPLY_RECIPIENT '\2'

/* The reply again, in SQL: @reply is its own part, or all of it where @form is NULL. */
#define MT_REPLY_SQL(reply, form, recipient) \
  "CASE WHEN " form " IS NULL THEN " reply \
  " ELSE replace(replace((SELECT text FROM name_@" \
  " WHERE id=" form "), char(1), coalesce(" reply ", '')), char(2), coalesce(" recipient \
  ", '')) END"

/* mt_reply_split: @form and @part (of @reply; maybe no bytes) of it.
 * @id: what is known to be its own, if it stands in it; else that is guessed.
 * Returns: FALSE where the reply is better kept as it is. */
gboolean mt_reply_split(MtSpan reply, MtSpan recipient, MtSpan id, GString *form, MtSpan *part);

#endif
