/* input.h: the lines of a file, compressed or not
 *
 * Layer: cli.  Concurrency: one thread.
 */
#ifndef MT_CLI_INPUT_H
#define MT_CLI_INPUT_H

#include "scan/stamp.h"

typedef struct CliInput CliInput;

/* cli_input_open: "-" is the standard input.  .gz .xz .zst .bz2 are known by their first
 * bytes.  Returns: NULL with @error: names the file and what to do. */
CliInput *cli_input_open(const gchar *path, GError **error);
void cli_input_close(CliInput *input);

/* cli_input_line: the next line without its end, valid until the next call.  FALSE at
 * the end, and with @error on failure. */
gboolean cli_input_line(CliInput *input, MtSpan *line, GError **error);

/* cli_input_changed: when the file was last written; MT_NO_TIME for a pipe. */
MtTime cli_input_changed(const CliInput *input);

/* cli_input_progress: bytes of the file that have been read, and its size (0: unknown). */
void cli_input_progress(const CliInput *input, gint64 *done, gint64 *size);

#endif
