#include "cli/mime.h"

#include <string.h>

/* RFC 2045 6.7 (5): no more than 76 characters, with the '=' of a soft break. */
#define LINE_CHARS 75

/* RFC 2047 2: an encoded word is no longer than 75 characters; "=?UTF-8?B?" and "?=" are
 * 12 of them, so that 45 bytes fit, which are 60 characters of base64. */
#define WORD_BYTES 45

static gboolean
is_plain(const gchar *text)
{
  for (const gchar *at = text; *at; at++)
    if (*at < ' ' || *at > '~')
      return FALSE;
  return strlen(text) <= 70 && !strstr(text, "=?");
}

static void
append_encoded_words(GString *mail, const gchar *text)
{
  while (*text)
    {
      const gchar *end = text;
      gchar *word;

      /* Whole characters: each word must be text by itself (RFC 2047 5). */
      while (*end && g_utf8_next_char(end) - text <= WORD_BYTES)
        end = g_utf8_next_char(end);
      word = g_base64_encode((const guchar *) text, end - text);
      g_string_append_printf(mail, "=?UTF-8?B?%s?=%s", word, *end ? "\n " : "");
      g_free(word);
      text = end;
    }
}

void
mime_append_header(GString *mail, const gchar *name, const gchar *text)
{
  gchar *clean = g_utf8_make_valid(text, -1);

  for (gchar *at = clean; *at; at++)
    if ((guchar) *at < ' ' || *at == 0x7f)
      *at = ' ';
  g_string_append_printf(mail, "%s: ", name);
  if (is_plain(clean))
    g_string_append(mail, clean);
  else
    append_encoded_words(mail, clean);
  g_string_append_c(mail, '\n');
  g_free(clean);
}

static gboolean
needs_quoting(const gchar *at)
{
  guchar c = *at;

  if (c == ' ' || c == '\t')
    return at[1] == '\n' || at[1] == '\0'; /* white space at the end of a line is lost */
  return c < '!' || c > '~' || c == '=';
}

void
mime_append_quoted_printable(GString *mail, const gchar *text)
{
  guint column = 0;

  for (const gchar *at = text; *at; at++)
    {
      /* A line of "." ends a mail, one of "From " begins one, for programs of old. */
      gboolean quote =
          needs_quoting(at) || (column == 0 && (*at == '.' || g_str_has_prefix(at, "From ")));

      if (*at == '\n')
        {
          g_string_append_c(mail, '\n');
          column = 0;
          continue;
        }
      if (column + (quote ? 3 : 1) > LINE_CHARS)
        {
          g_string_append(mail, "=\n");
          column = 0;
        }
      if (quote)
        g_string_append_printf(mail, "=%02X", (guchar) *at);
      else
        g_string_append_c(mail, *at);
      column += quote ? 3 : 1;
    }
}

static void
append_part(GString *mail, const gchar *boundary, const gchar *type, const gchar *body)
{
  g_string_append_printf(mail,
                         "--%s\n"
                         "Content-Type: %s; charset=UTF-8\n"
                         "Content-Transfer-Encoding: quoted-printable\n"
                         "\n",
                         boundary, type);
  mime_append_quoted_printable(mail, body);
  g_string_append_c(mail, '\n');
}

void
mime_append_alternative(GString *mail, const gchar *boundary, const gchar *text, const gchar *html)
{
  gchar *line = g_strdup_printf("=_%s", boundary); /* no quoted-printable line begins so */

  g_string_append_printf(mail,
                         "MIME-Version: 1.0\n"
                         "Content-Type: multipart/alternative; boundary=\"%s\"\n"
                         "\n",
                         line);
  append_part(mail, line, "text/plain", text);
  append_part(mail, line, "text/html", html);
  g_string_append_printf(mail, "--%s--\n", line);
  g_free(line);
}
