/* journal.h: lines that rsyslog takes for handled and the store does not hold yet
 *
 * Layer: rsyslog.  Concurrency: one thread; a lock keeps other processes from the file.
 *
 * What was answered with DEFER_COMMIT rsyslog does not send again when its program dies in
 * the middle of a transaction: only the line under way (8.2302.0, tests/hosts/rsyslog.py).
 * So each line stands in a file beside the store before it is answered, and comes from
 * there into the store when the program is started next.
 */
#ifndef MT_RSYSLOG_JOURNAL_H
#define MT_RSYSLOG_JOURNAL_H

#include "scan/span.h"

/* One for each worker thread of the action's queue. */
#define MT_JOURNALS 16

typedef struct MtJournal MtJournal;

/* mt_journal_open: "DATABASE-rsyslog", with ".NUMBER" behind it but for the first.
 * @create: even if it is not there.  Returns: (transfer full), NULL without @error where
 * another process has it, or it is not there. */
MtJournal *mt_journal_open(const gchar *database, guint number, gboolean create, GError **error);

/* mt_journal_was_cut: whoever had it before did not end as told. */
gboolean mt_journal_was_cut(const MtJournal *journal);

/* mt_journal_left: lines that were left in it, each with its newline.  (transfer none) */
MtSpan mt_journal_left(const MtJournal *journal);

/* mt_journal_add: in the file once this returns, whatever becomes of this process; not
 * yet on the disk: if the machine goes down, rsyslog's memory goes with it. */
gboolean mt_journal_add(MtJournal *journal, MtSpan line, GError **error);

/* mt_journal_clear: its lines are in the store, or will be sent again. */
void mt_journal_clear(MtJournal *journal);

/* mt_journal_close: @ended: as told; else it keeps what it holds. */
void mt_journal_close(MtJournal *journal, gboolean ended);

#endif
