#include "scan/line.h"

/* No host or program has a longer name; beyond, the line is no syslog line. */
#define NAME_MAX_BYTES 255

/* Some syslog daemons squeeze several identical lines into one of these. */
#define MAX_REPEAT 100000

static gboolean
scan_priority(MtCursor *cur)
{
  MtCursor try = *cur;
  guint64 priority;

  if (!mt_scan_char(&try, '<') || !mt_scan_u64(&try, &priority) || priority > 191
      || !mt_scan_char(&try, '>'))
    return FALSE;
  *cur = try;
  return TRUE;
}

static void
unfold_repeat(MtLine *line)
{
  MtCursor cur = mt_cursor(line->text);
  guint64 count;

  if (!MT_SCAN(&cur, "message repeated ") || !mt_scan_u64(&cur, &count)
      || !MT_SCAN(&cur, " times: [ ") || count < 1 || count > MAX_REPEAT || cur.at == cur.end
      || cur.end[-1] != ']')
    return;
  line->repeat = count;
  line->text = mt_span(cur.at, cur.end - 1 - cur.at);
}

void
mt_line_unfold_repeat(MtLine *line)
{
  line->repeat = 1;
  if (G_UNLIKELY(line->text.len && line->text.at[0] == 'm'))
    unfold_repeat(line);
}

/* Where the program ends: at '[', ':' or a space, or the end of all. */
static inline const gchar *
find_program_end(const gchar *at, const gchar *end)
{
  for (; end - at >= MT_BLOCK_BYTES; at += MT_BLOCK_BYTES)
    {
      MtBlock block = mt_block_load(at);
      guint hits = mt_block_mask((MtBlock) (block == mt_block_of('['))
                                 | (MtBlock) (block == mt_block_of(':'))
                                 | (MtBlock) (block == mt_block_of(' ')));

      if (hits)
        return at + __builtin_ctz(hits);
    }
  while (at < end && *at != '[' && *at != ':' && *at != ' ')
    at++;
  return at;
}

/* "program[pid]: " or "program: " */
static inline gboolean
scan_tag(MtCursor cur, MtLine *out)
{
  const gchar *at = find_program_end(cur.at, cur.end);
  guint64 pid;

  if (at == cur.at || at - cur.at > NAME_MAX_BYTES)
    return FALSE;
  out->program = mt_span(cur.at, at - cur.at);
  out->pid = -1;
  cur.at = at;
  if (mt_scan_char(&cur, '['))
    {
      MtCursor digits = cur;
      MtSpan inside;

      if (mt_scan_u64(&digits, &pid) && mt_scan_char(&digits, ']'))
        {
          out->pid = pid;
          cur = digits;
        }
      else if (!mt_scan_until(&cur, ']', &inside))
        return FALSE;
    }
  mt_scan_char(&cur, ':');
  mt_scan_char(&cur, ' ');
  out->text = mt_cursor_rest(&cur);
  mt_line_unfold_repeat(out);
  return TRUE;
}

gboolean
mt_line_scan_tag(MtSpan rest, MtLine *out)
{
  return scan_tag(mt_cursor(rest), out);
}

/* RFC 5424 6.3: "-" or one or more "[id name="value"]", '\' escapes in values. */
static gboolean
skip_structured_data(MtCursor *cur)
{
  const gchar *at = cur->at;
  gboolean quoted = FALSE;

  if (mt_scan_char(cur, '-'))
    return TRUE;
  if (mt_cursor_peek(cur) != '[')
    return FALSE;
  for (; at < cur->end; at++)
    {
      if (quoted && *at == '\\')
        at++;
      else if (*at == '"')
        quoted = !quoted;
      else if (!quoted && *at == ']' && (at + 1 == cur->end || at[1] != '['))
        {
          cur->at = at + 1;
          return TRUE;
        }
    }
  return FALSE;
}

static gboolean
scan_field(MtCursor *cur, MtSpan *out)
{
  if (!mt_scan_until(cur, ' ', out))
    return FALSE;
  if (MT_SPAN_IS(*out, "-"))
    *out = MT_NO_SPAN;
  return TRUE;
}

static gboolean
scan_rfc5424(MtCursor *cur, MtClock *clock, MtLine *out)
{
  MtSpan pid, msgid;
  guint64 number;

  if (!mt_scan_stamp_iso(cur, clock, &out->time) || !mt_scan_char(cur, ' ')
      || !scan_field(cur, &out->host) || !scan_field(cur, &out->program) || !scan_field(cur, &pid)
      || !scan_field(cur, &msgid) || !skip_structured_data(cur))
    return FALSE;
  mt_scan_char(cur, ' ');
  MT_SCAN(cur, "\xef\xbb\xbf");
  out->pid = mt_span_to_u64(pid, &number) ? (gint64) number : -1;
  out->text = mt_cursor_rest(cur);
  mt_line_unfold_repeat(out);
  return TRUE;
}

gboolean
mt_line_scan(MtSpan line, MtClock *clock, MtLine *out)
{
  MtCursor cur;

  while (line.len && (line.at[line.len - 1] == '\n' || line.at[line.len - 1] == '\r'))
    line.len--;
  mt_line_init(out, line);
  cur = mt_cursor(line);
  if (mt_cursor_peek(&cur) == '<' && scan_priority(&cur) && MT_SCAN(&cur, "1 "))
    return scan_rfc5424(&cur, clock, out);
  if (!mt_scan_stamp(&cur, clock, &out->time) || !mt_scan_char(&cur, ' '))
    return FALSE;
  out->text = mt_cursor_rest(&cur);
  if (!mt_scan_until(&cur, ' ', &out->host))
    return FALSE;
  if (MT_SPAN_ENDS(out->host, ":")) /* "stamp service: text": a daemon's own log file */
    {
      out->host = MT_NO_SPAN;
      return TRUE;
    }
  return scan_tag(cur, out);
}
