/* measure.h: the lines of a log in memory, and what they took
 *
 * Time is the processor time of this process: that of a machine which others use, too, says
 * nothing.
 */
#ifndef MT_TESTS_MEASURE_H
#define MT_TESTS_MEASURE_H

#include "scan/span.h"

typedef void (*MeasureFunc)(gpointer data, MtSpan line);

/* measure_now_s: seconds of processor time. */
gdouble measure_now_s(void);

/* measure_lines: calls @func for each line of @text.  Returns: how many there are. */
guint64 measure_lines(MtSpan text, MeasureFunc func, gpointer data);

/* measure_say: one JSON object on the standard output. */
void measure_say(const gchar *what, guint64 lines, gdouble took_s);

#endif
