/* line.h: the head of a syslog line
 *
 * Layer: scan.  Concurrency: any thread; the MtClock belongs to its caller.
 */
#ifndef MT_SCAN_LINE_H
#define MT_SCAN_LINE_H

#include "scan/stamp.h"

/* One line, taken apart as far as every daemon's lines are alike.  All spans
 * borrow from the line that was scanned. */
typedef struct
{
  MtTime time;           /* MT_NO_TIME where the line states none */
  MtSpan host;           /* empty where the line states none */
  MtSpan program;        /* "postfix/submission/smtpd" */
  MtSpan text;           /* behind "program[pid]: " */
  gint64 pid;            /* -1 where the line states none */
  guint repeat;          /* the line stands for this many: "message repeated N times: [ ... ]" */
  const guint8 *columns; /* of a row of a table: what its file's header says of each cell */
  guint n_columns;
} MtLine;

/* mt_line_init: nothing known but the text.  Member by member: compilers clear a whole struct
 * of this size by an instruction that takes longer than all of them. */
static inline void
mt_line_init(MtLine *line, MtSpan text)
{
  line->time = MT_NO_TIME;
  line->host = line->program = MT_NO_SPAN;
  line->text = text;
  line->pid = -1;
  line->repeat = 1;
  line->columns = NULL;
  line->n_columns = 0;
}

/* mt_line_scan: takes a whole line apart.  Read are
 *   RFC 3164   Nov 21 05:45:01 host program[pid]: text
 *   ISO        2026-11-21T05:45:01.123456+01:00 host program[pid]: text
 *   RFC 5424   <22>1 2026-11-21T05:45:01Z host program pid msgid [sd] text
 * each with or without a "<PRI>" in front, and the form of daemons that write
 * a file of their own, without host and program: "Nov 21 05:45:01 imap-login:
 * Info: text", where the text begins with the service.  Line ends are cut.
 * Returns: FALSE if the line has no such head; @out->text is then the whole line. */
gboolean mt_line_scan(MtSpan line, MtClock *clock, MtLine *out);

/* mt_line_scan_tag: "program[pid]: text" alone, as it stands behind stamp and
 * host.  A line that a container or a relay put a second head in front of is
 * read by the inner one.  Returns: FALSE if there is no program. */
gboolean mt_line_scan_tag(MtSpan rest, MtLine *out);

/* mt_line_unfold_repeat: "message repeated 3 times: [ text]" (rsyslog and
 * sysklogd with repeat reduction) becomes the text, counted. */
void mt_line_unfold_repeat(MtLine *line);

#endif
