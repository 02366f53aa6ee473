/* hostile.h: what strangers put into the fixtures' lines
 *
 * The fixtures of all dialects, the fields of each line that a client or a sender chooses,
 * and lines with something else in these fields.
 */
#ifndef MT_TESTS_HOSTILE_H
#define MT_TESTS_HOSTILE_H

#include "dialects/spec.h"

typedef struct
{
  const MtDialect *dialect;
  GPtrArray *examples; /* SpecExample */
} HostileFixture;

/* A field that a stranger chooses, in one line. */
typedef struct
{
  const SpecExample *example;
  MtField field;
  gsize at, len;   /* where it stands in the line */
  SpecWritten way; /* how the daemon writes it */
  MtEvent event;   /* what the untouched line says */
} HostilePlace;

/* hostile_fixtures: HostileFixture, one for each dialect there is. (transfer full) */
GArray *hostile_fixtures(const gchar *srcdir);

/* hostile_places: HostilePlace of all lines of a fixture. (transfer full) */
GArray *hostile_places(const HostileFixture *fixture);

/* hostile_written: @text as the daemon writes it in this field. (transfer full) */
GString *hostile_written(const HostilePlace *place, MtSpan text);

/* hostile_line: the place's line with @written in the field, and wherever else the line quotes
 * what stood there. (transfer full) */
GString *hostile_line(const HostilePlace *place, const GString *written);

/* hostile_parse: parses a copy of exactly its size, so that a sanitizer sees any byte read
 * behind it.  The event's spans point into the copy: (transfer full). */
gchar *hostile_parse(const SpecExample *example, MtSpan line, MtEvent *event);

/* hostile_stays_inside: every text field lies in [@at, @at + @len), or outside of it altogether
 * (a literal): never across its end. */
gboolean hostile_stays_inside(const MtEvent *event, const gchar *at, gsize len);

#endif
