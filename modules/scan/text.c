#include "scan/text.h"

#define REPLACEMENT "\xef\xbf\xbd"

/* Bytes of the valid UTF-8 sequence at @at (RFC 3629), 0 where there is none. */
static gsize
sequence_bytes(const gchar *at, const gchar *end)
{
  const guchar *b = (const guchar *) at;
  gsize left = end - at;

  if (b[0] < 0x80)
    return b[0] != 0;
  if (b[0] < 0xc2 || left < 2 || (b[1] & 0xc0) != 0x80)
    return 0;
  if (b[0] < 0xe0)
    return 2;
  if (left < 3 || (b[2] & 0xc0) != 0x80)
    return 0;
  if (b[0] < 0xf0)
    return (b[0] == 0xe0 && b[1] < 0xa0) || (b[0] == 0xed && b[1] > 0x9f) ? 0 : 3;
  if (b[0] > 0xf4 || left < 4 || (b[3] & 0xc0) != 0x80 || (b[0] == 0xf0 && b[1] < 0x90)
      || (b[0] == 0xf4 && b[1] > 0x8f))
    return 0;
  return 4;
}

/* Eight bytes at once: any above 0x7f, or NUL? */
static gboolean
is_plain_ascii(MtSpan text)
{
  const guint64 high = G_GUINT64_CONSTANT(0x8080808080808080);
  const guint64 ones = G_GUINT64_CONSTANT(0x0101010101010101);
  gsize i = 0;

  for (guint64 word; i + 8 <= text.len; i += 8)
    {
      memcpy(&word, text.at + i, 8);
      if ((word | ((word - ones) & ~word)) & high)
        return FALSE;
    }
  for (; i < text.len; i++)
    if ((guchar) text.at[i] >= 0x80 || !text.at[i])
      return FALSE;
  return TRUE;
}

gboolean
mt_text_is_clean(MtSpan text)
{
  return text.len == 0 || is_plain_ascii(text) || g_utf8_validate_len(text.at, text.len, NULL);
}

void
mt_text_append_clean(GString *to, MtSpan text)
{
  const gchar *at = text.at, *end;

  if (text.len == 0)
    return;
  if (mt_text_is_clean(text))
    {
      g_string_append_len(to, text.at, text.len);
      return;
    }
  end = text.at + text.len;
  while (at < end)
    {
      gsize bytes = sequence_bytes(at, end);

      if (bytes)
        g_string_append_len(to, at, bytes);
      else
        g_string_append(to, REPLACEMENT);
      at += bytes ? bytes : 1;
    }
}

typedef gboolean (*EscapeFunc)(GString *to, gunichar c);

/* Appends character by character; @escape writes those that cannot stand. */
static void
append_escaped(GString *to, MtSpan text, EscapeFunc escape)
{
  const gchar *at = text.at, *end = at ? at + text.len : at;

  while (at < end)
    {
      gsize bytes = sequence_bytes(at, end);

      if (!bytes)
        g_string_append(to, REPLACEMENT);
      else if (!escape(to, bytes == 1 ? (gunichar) *at : g_utf8_get_char(at)))
        g_string_append_len(to, at, bytes);
      at += bytes ? bytes : 1;
    }
}

static gboolean
escape_json(GString *to, gunichar c)
{
  switch (c)
    {
    case '"':
      g_string_append(to, "\\\"");
      return TRUE;
    case '\\':
      g_string_append(to, "\\\\");
      return TRUE;
    case '\n':
      g_string_append(to, "\\n");
      return TRUE;
    case '\t':
      g_string_append(to, "\\t");
      return TRUE;
    }
  if (c >= 0x20 && !(c >= 0x7f && c < 0xa0)) /* C1 steers terminals as C0 does */
    return FALSE;
  g_string_append_printf(to, "\\u%04x", c);
  return TRUE;
}

void
mt_text_append_json(GString *to, MtSpan text)
{
  g_string_append_c(to, '"');
  append_escaped(to, text, escape_json);
  g_string_append_c(to, '"');
}

static gboolean
escape_control(GString *to, gunichar c)
{
  if (c >= 0x20 && c != 0x7f && !(c >= 0x80 && c < 0xa0))
    return FALSE;
  g_string_append_printf(to, "\\x%02x", c);
  return TRUE;
}

void
mt_text_append_terminal(GString *to, MtSpan text)
{
  append_escaped(to, text, escape_control);
}

static gboolean
escape_quoted(GString *to, gunichar c)
{
  if (c == '"' || c == '\\')
    g_string_append_printf(to, "\\%c", (gchar) c);
  else if (c == '\n')
    g_string_append(to, "\\n");
  else if (c == '\t')
    g_string_append(to, "\\t");
  else
    return escape_control(to, c);
  return TRUE;
}

void
mt_text_append_quoted(GString *to, MtSpan text)
{
  g_string_append_c(to, '"');
  append_escaped(to, text, escape_quoted);
  g_string_append_c(to, '"');
}

static gboolean
is_number(MtSpan text)
{
  MtCursor cur = mt_cursor(text);
  guint64 number;

  if (!mt_scan_char(&cur, '-'))
    mt_scan_char(&cur, '+');
  if (!mt_scan_u64(&cur, &number))
    return FALSE;
  if (mt_scan_char(&cur, '.') && !mt_scan_u64(&cur, &number))
    return FALSE;
  return cur.at == cur.end;
}

void
mt_text_append_csv(GString *to, MtSpan text)
{
  gboolean formula = text.len && memchr("=+-@\t\r", text.at[0], 6) && !is_number(text);
  gboolean quote = formula;

  for (gsize i = 0; i < text.len && !quote; i++)
    quote = text.at[i] == ',' || text.at[i] == '"' || text.at[i] == '\n' || text.at[i] == '\r';
  if (!quote)
    {
      mt_text_append_clean(to, text);
      return;
    }
  g_string_append(to, formula ? "\"'" : "\"");
  for (gsize i = 0; i < text.len;)
    {
      const gchar *mark = memchr(text.at + i, '"', text.len - i);
      gsize bytes = mark ? (gsize) (mark - text.at) - i : text.len - i;

      mt_text_append_clean(to, mt_span(text.at + i, bytes));
      if (mark)
        g_string_append(to, "\"\"");
      i += bytes + (mark != NULL);
    }
  g_string_append_c(to, '"');
}

MtSpan
mt_text_mask(MtSpan name, gchar masked[MT_MASKED_BYTES])
{
  if (name.len < 3)
    return MT_SPAN("***");
  return mt_span(masked,
                 g_snprintf(masked, MT_MASKED_BYTES, "%c***%c", name.at[0], name.at[name.len - 1]));
}
