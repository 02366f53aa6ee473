/* spec.h: reads a dialect's fixture
 *
 * A .spec is prose with examples in it: "> raw line" and, below, the event it must
 * become, "= event field=value ...".  ">\ raw line" is a line with C escapes in it
 * (bytes that a text file cannot hold).  A line that says several events has a "=" line for
 * each.  ">+ header" goes into the stream before the
 * next line and is no example: the head of a table.  Values with spaces stand in quotes.
 */
#ifndef MT_TESTS_SPEC_H
#define MT_TESTS_SPEC_H

#include "event/event.h"

typedef struct
{
  gint number;      /* of the raw line in the file, from 1 */
  GString *line;    /* the raw bytes */
  gchar *expected;  /* behind "= ", a line for each; NULL where none is given */
  GPtrArray *before; /* gchar*: header lines of the stream, nullable */
} SpecExample;

/* spec_read: the examples of @path: SpecExample*, (transfer full). */
GPtrArray *spec_read(const gchar *path, GError **error);

/* spec_event_text: an event as the "=" line writes it. (transfer full) */
gchar *spec_event_text(const MtEvent *event);

/* spec_name: the dialect's name from ".../NAME.spec". (transfer full) */
gchar *spec_name(const gchar *path);

#endif
