/* mime.h: a mail of text and HTML
 *
 * Layer: cli.  Concurrency: any thread; functions touch only their arguments.
 *
 * What is in it may have been chosen by an attacker: whatever the texts hold, the
 * message has these headers and no others, and lines of at most 76 characters.
 */
#ifndef MT_CLI_MIME_H
#define MT_CLI_MIME_H

#include <glib.h>

/* mime_append_header: "Name: text" and a line end.  Text that is not plain ASCII, or could
 * be read as an encoded word, becomes encoded words (RFC 2047); control characters become
 * spaces. */
void mime_append_header(GString *mail, const gchar *name, const gchar *text);

/* mime_append_quoted_printable: @text (UTF-8, lines end with '\n') as RFC 2045 6.7. */
void mime_append_quoted_printable(GString *mail, const gchar *text);

/* mime_append_alternative: the headers of a multipart/alternative, and both parts.
 * @boundary: of letters and digits. */
void mime_append_alternative(GString *mail, const gchar *boundary, const gchar *text,
                             const gchar *html);

#endif
