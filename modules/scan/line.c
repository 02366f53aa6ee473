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

static inline void
take_text(MtLine *line, MtSpan text)
{
  line->text = text;
  line->repeat = 1;
  if (G_UNLIKELY(text.len && text.at[0] == 'm'))
    unfold_repeat(line);
}

void
mt_line_unfold_repeat(MtLine *line)
{
  take_text(line, line->text);
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

/* Behind "[4711]", or "[anything]", which is no process. */
static const gchar *
read_any_pid(const gchar *at, const gchar *end, MtLine *out)
{
  MtCursor cur = { at, end }, digits = cur;
  MtSpan inside;
  guint64 pid;

  if (mt_scan_u64(&digits, &pid) && mt_scan_char(&digits, ']'))
    {
      out->pid = pid;
      return digits.at;
    }
  return mt_scan_until(&cur, ']', &inside) ? cur.at : NULL;
}

static inline const gchar *
read_pid(const gchar *at, const gchar *end, MtLine *out)
{
  guint64 digits;
  guint count;

  if (G_UNLIKELY(end - at < MT_WORD_BYTES))
    return read_any_pid(at, end, out);
  count = mt_word_digits(mt_word_load(at), &digits);
  if (G_UNLIKELY(!count || count == MT_WORD_BYTES || at[count] != ']'))
    return read_any_pid(at, end, out);
  out->pid = mt_word_number(digits, count);
  return at + count + 1;
}

/* "program[pid]: " or "program: ".  In every line's way: no call. */
static inline __attribute__((always_inline)) gboolean
scan_tag(MtSpan rest, MtLine *out)
{
  const gchar *at, *end = mt_cursor(rest).end;

  at = find_program_end(rest.at, end);
  if (at == rest.at || at - rest.at > NAME_MAX_BYTES)
    return FALSE;
  out->program = mt_span(rest.at, at - rest.at);
  out->pid = -1;
  if (at < end && *at == '[' && !(at = read_pid(at + 1, end, out)))
    return FALSE;
  if (at < end && *at == ':')
    at++;
  if (at < end && *at == ' ')
    at++;
  take_text(out, mt_span(at, end - at));
  return TRUE;
}

gboolean
mt_line_scan_tag(MtSpan rest, MtLine *out)
{
  return scan_tag(rest, out);
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
  return scan_tag(mt_cursor_rest(&cur), out);
}
