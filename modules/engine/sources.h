/* sources.h: raw lines of many files at once
 *
 * Layer: engine.  Concurrency: belongs to one thread, or is used under a lock.
 *
 * What a file's lines have said of those to come (its format, the columns of a table, the
 * day) is kept file by file.  A bounded number of them: the one that was silent longest goes.
 */
#ifndef MT_ENGINE_SOURCES_H
#define MT_ENGINE_SOURCES_H

#include "scan/line.h"

typedef struct MtSources MtSources;
typedef struct MtRawSource MtRawSource;

#define MT_SOURCES_MAX 1024

MtSources *mt_sources_new(void);
void mt_sources_free(MtSources *sources);

/* mt_sources_set_zone: of stamps that state none: an identifier such as Europe/Berlin; NULL:
 * local.  Another one than before begins all anew. */
void mt_sources_set_zone(MtSources *sources, const gchar *zone);

/* mt_sources_find: of this host and name.  @is_new: nothing is known of it, and
 * mt_source_begin() comes next.  (transfer none) until the next call. */
MtRawSource *mt_sources_find(MtSources *sources, MtSpan host, MtSpan name, gboolean *is_new);

/* mt_source_begin: no stamp is later than @latest, but for a day's grace.  @begin: whole lines
 * that its file begins with, where they can be had: what they say of others is taken, not their
 * times, since they may come again. */
void mt_source_begin(MtRawSource *source, MtTime latest, MtSpan begin);

/* mt_source_head: takes a raw line apart; spans borrow from @raw, columns from the source.
 * FALSE: it has no head that is known, and no time. */
gboolean mt_source_head(MtRawSource *source, MtSpan raw, MtLine *line);

/* mt_sources_commit, mt_sources_rollback: lines since the last commit are done with; they
 * will be handed over again, to sources as they were. */
void mt_sources_commit(MtSources *sources);
void mt_sources_rollback(MtSources *sources);

#endif
