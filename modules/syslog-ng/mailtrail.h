/* mailtrail.h: the three drivers, for the grammar
 *
 * Layer: syslog-ng.  Concurrency: configuration time, main thread.
 */
#ifndef MT_SYSLOG_NG_MAILTRAIL_H
#define MT_SYSLOG_NG_MAILTRAIL_H

#include "compat.h"
#include "engine/settings.h"
#include "parser/parser-expr.h"

LogDriver *mt_destination_new(GlobalConfig *cfg);
/* mt_destination_settings: to be filled by the grammar. (transfer none) */
MtSettings *mt_destination_settings(LogDriver *driver);

LogDriver *mt_source_new(GlobalConfig *cfg);
/* mt_source_set_database, mt_annotate_set_prefix: copy the text. */
void mt_source_set_database(LogDriver *driver, const gchar *database);

/* mt_source_set_events: FALSE where @name is no kind of event. */
gboolean mt_source_add_events(LogDriver *driver, const gchar *name);

/* mt_source_set_start: "now" or "all"; FALSE otherwise. */
gboolean mt_source_set_start(LogDriver *driver, const gchar *start);

LogParser *mt_annotate_new(GlobalConfig *cfg);
void mt_annotate_set_prefix(LogParser *parser, const gchar *prefix);

#endif
