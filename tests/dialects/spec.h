/* spec.h: reads a dialect's fixture
 *
 * A .spec is prose with examples in it: "> raw line" and, below, the event it must
 * become, "= event field=value ...".  ">\ raw line" is a line with C escapes in it
 * (bytes that a text file cannot hold).  A line that says several events has a "=" line for
 * each.  ">+ header" goes into the stream before the
 * next line and is no example: the head of a table.  Values with spaces stand in quotes.
 *
 * Two more kinds of line tell the forgery test what strangers can do:
 *   "! written FIELD ...: HOW (source)": from here on the daemon writes what a client says
 *     in these fields like this; without such a line it may be any bytes of any length.  HOW is
 *     one or more of  printable (control and 8-bit bytes become '?'),  quoted (an address: what
 *     a local part may not hold stands in quotes, RFC 5321 4.1.2),  hostname (letters, digits,
 *     '.' and '-' only),  username (the same, '@' and '_'),  word (no space),  most=N (cut at N
 *     bytes),  without=CHARS (they become '?'),  own (who is logged in to the account chose it:
 *     it may lie about what was done there, not about who did it),  behind=TEXT (only where the
 *     field stands right behind TEXT; of several the last that fits holds).
 *   "! forgeable FIELD ...: reason": in the example above nobody can tell what the daemon wrote
 *     from what the client did.
 */
#ifndef MT_TESTS_SPEC_H
#define MT_TESTS_SPEC_H

#include "dialects/dialect.h"

/* How a daemon writes what a client says. */
typedef struct
{
  gboolean printable, quoted, hostname, username, word, own;
  gsize most; /* bytes; 0: no limit */
  gchar without[32], behind[32];
} SpecWritten;

/* So many ways a field may be written in one dialect. */
#define SPEC_WAYS 4

typedef struct
{
  gint number;          /* of the raw line in the file, from 1 */
  GString *line;        /* the raw bytes */
  gchar *expected;      /* behind "= ", a line for each; NULL where none is given */
  GPtrArray *before;    /* gchar*: header lines of the stream, nullable */
  guint64 forgeable[2]; /* bit per MtField */
  SpecWritten written[MT_FIELD_COUNT][SPEC_WAYS];
} SpecExample;

/* spec_read: the examples of @path: SpecExample*, (transfer full). */
GPtrArray *spec_read(const gchar *path, GError **error);

/* spec_parse: what the dialects say of @len bytes at @at, in the place of the example's
 * line: in a stream of its own, behind the header lines that it wants.  The spans of @line and
 * @event borrow from @at. */
void spec_parse(const SpecExample *example, const gchar *at, gsize len, MtLine *line,
                MtEvent *event);

/* spec_event_text: an event as the "=" line writes it. (transfer full) */
gchar *spec_event_text(const MtEvent *event);

/* spec_events_text: all that an example's line says, an event a line; @first: the first of
 * them. (transfer full) */
gchar *spec_events_text(const SpecExample *example, MtEvent *first);

/* spec_name: the dialect's name from ".../NAME.spec". (transfer full) */
gchar *spec_name(const gchar *path);

#endif
