/* text.h: where bytes of a log become text
 *
 * Layer: scan.  Concurrency: any thread; functions touch only their arguments.
 *
 * Bytes of a log may be anything.  Whatever takes them out of the program (the
 * store, JSON, CSV, name-value pairs, a terminal) passes through here first.
 */
#ifndef MT_SCAN_TEXT_H
#define MT_SCAN_TEXT_H

#include "scan/span.h"

/* mt_text_is_clean: valid UTF-8 without NUL: may be stored as it is. */
gboolean mt_text_is_clean(MtSpan text);

/* mt_text_append_clean: appends @text as valid UTF-8 without NUL: each byte that
 * does not belong to a valid sequence, and each NUL, becomes U+FFFD. */
void mt_text_append_clean(GString *to, MtSpan text);

/* mt_text_append_json: appends @text as a JSON string with its quotes (RFC 8259 7). */
void mt_text_append_json(GString *to, MtSpan text);

/* mt_text_append_csv: appends @text as a CSV cell (RFC 4180).  A cell that a
 * spreadsheet would take for a formula (= + - @ tab CR first) gets a single
 * quote in front; numbers stay. */
void mt_text_append_csv(GString *to, MtSpan text);

/* mt_text_append_terminal: control characters (C0, DEL, C1) become "\x1b" and
 * the like, so that no log line can steer a terminal. */
void mt_text_append_terminal(GString *to, MtSpan text);

/* mt_text_append_quoted: appends key="value"'s value with its quotes, on one line:
 * '"' and '\' get a '\' in front, control characters become "\n", "\t" or "\x1b". */
void mt_text_append_quoted(GString *to, MtSpan text);

/* mt_text_mask: a name that may be a password: its first and last byte, "***" between.
 * Returns: a span of @masked. */
#define MT_MASKED_BYTES 16
MtSpan mt_text_mask(MtSpan name, gchar masked[MT_MASKED_BYTES]);

#endif
