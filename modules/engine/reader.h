/* reader.h: a line in, what it says out
 *
 * Layer: engine.  Concurrency: a reader belongs to one thread.
 */
#ifndef MT_ENGINE_READER_H
#define MT_ENGINE_READER_H

#include "event/event.h"

typedef struct MtReader MtReader;

/* What lines do not say themselves. */
typedef struct
{
  const gchar *dialect; /* the single one to read by; NULL: any */
  const gchar *host;    /* of lines that state none; nullable */
  GTimeZone *zone;      /* of stamps that state none; NULL: UTC; outlives the reader */
  MtTime latest;        /* no stamp is later, but for a day's grace */
  gint year;            /* of the first stamp that states none; 0: inferred */
} MtReaderSettings;

/* mt_reader_new: for one file or source.  @settings is copied, but for the zone.
 * Returns: NULL with @error where there is no such dialect. */
MtReader *mt_reader_new(const MtReaderSettings *settings, GError **error);
void mt_reader_free(MtReader *reader);

/* mt_reader_read: takes a raw line apart and reads it.  The spans of @line and @event
 * borrow from @raw. */
void mt_reader_read(MtReader *reader, MtSpan raw, MtLine *line, MtEvent *event);

/* mt_reader_parse: reads a line whose head is known. */
void mt_reader_parse(MtReader *reader, const MtLine *line, MtEvent *event);

/* mt_reader_part: the others of event->parts events that one line says, from 1 on. */
void mt_reader_part(MtReader *reader, const MtLine *line, guint part, MtEvent *event);

/* mt_reader_head: only takes it apart. */
void mt_reader_head(MtReader *reader, MtSpan raw, MtLine *line);

/* mt_reader_dialects: the names of all dialects, NULL-terminated. (transfer container) */
const gchar **mt_reader_dialects(void);

#endif
