/* reader.h: a line in, what it says out
 *
 * Layer: engine.  Concurrency: a reader belongs to one thread.
 */
#ifndef MT_ENGINE_READER_H
#define MT_ENGINE_READER_H

#include "event/event.h"

typedef struct MtReader MtReader;

/* mt_reader_new: @dialect: the single one to read by, or NULL.  @zone: (transfer none)
 * (nullable: UTC): of stamps without one.  @latest: no stamp is later; @year: of the
 * first stamp, 0 to infer.  Returns: NULL with @error where there is no such dialect. */
MtReader *mt_reader_new(const gchar *dialect, GTimeZone *zone, MtTime latest, gint year,
                        GError **error);
void mt_reader_free(MtReader *reader);

/* mt_reader_read: takes a raw line apart and reads it.  The spans of @line and @event
 * borrow from @raw. */
void mt_reader_read(MtReader *reader, MtSpan raw, MtLine *line, MtEvent *event);

/* mt_reader_parse: reads a line whose head is known. */
void mt_reader_parse(MtReader *reader, const MtLine *line, MtEvent *event);

/* mt_reader_head: only takes it apart. */
void mt_reader_head(MtReader *reader, MtSpan raw, MtLine *line);

/* mt_reader_dialects: the names of all dialects, NULL-terminated. (transfer container) */
const gchar **mt_reader_dialects(void);

#endif
