/* outbox.h: alerts on their way into syslog
 *
 * Layer: engine.  Concurrency: as query.h.
 */
#ifndef MT_ENGINE_OUTBOX_H
#define MT_ENGINE_OUTBOX_H

#include "engine/query.h"
#include "scan/stamp.h"

/* mt_outbox_alerts: those behind @id that are to be emitted, oldest first, some at a time:
 * the columns of view alerts. (transfer full) */
MtRows *mt_outbox_alerts(MtQuery *query, gint64 id, GError **error);

/* mt_outbox_digest: alerts from @from until before @until that are in no digest yet, with
 * (@again) those that are: the columns of view alerts. (transfer full) */
MtRows *mt_outbox_digest(MtQuery *query, MtTime from, MtTime until, gboolean again, GError **error);

/* mt_outbox_mark_notified: alerts @ids (numbers, with commas) are in a digest of @at. */
gboolean mt_outbox_mark_notified(const gchar *database, const gchar *ids, MtTime at,
                                 GError **error);

/* mt_outbox_append_text: the row as one line of key="value", the column @first (an
 * address) in front, every value quoted and escaped: what reads it may trust its form,
 * whatever an attacker has put into an account's name. */
void mt_outbox_append_text(const MtRows *rows, const gchar *first, GString *to);

/* mt_outbox_severity: as syslog counts it (syslog(3)). */
gint mt_outbox_severity(const MtRows *rows);

#endif
