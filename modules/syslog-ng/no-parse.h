/* no-parse.h: lines that syslog-ng hands over as they stand in their file
 *
 * Layer: syslog-ng.  Concurrency: as MtSources.
 */
#ifndef MT_SYSLOG_NG_NO_PARSE_H
#define MT_SYSLOG_NG_NO_PARSE_H

#include "engine/sources.h"

#include "logmsg/logmsg.h"

/* mt_value_of: a name-value pair of @msg, which it borrows from; empty where there is none. */
MtSpan mt_value_of(const LogMessage *msg, NVHandle handle);

/* mt_no_parse_is: of a source with flags(no-parse): syslog-ng has taken nothing of it apart. */
gboolean mt_no_parse_is(const LogMessage *msg);

/* mt_no_parse_head: takes @raw, the text of @msg, apart by what its source has said before. */
void mt_no_parse_head(MtSources *sources, const LogMessage *msg, MtSpan raw, MtLine *line);

#endif
