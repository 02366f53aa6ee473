/* fuzz-text: whatever goes in, what goes out is one well-formed thing */
#include "fuzz/fuzz.h"
#include "scan/text.h"

static gboolean
has_control(const GString *text)
{
  for (gsize i = 0; i < text->len; i++)
    if ((guchar) text->str[i] < 0x20 || text->str[i] == 0x7f)
      return TRUE;
  return FALSE;
}

/* Returns: where the string that begins with a quote ends, by the rule that '\' takes the next. */
static gsize
quoted_bytes(const GString *text)
{
  for (gsize i = 1; i < text->len; i++)
    {
      if (text->str[i] == '"')
        return i + 1;
      if (text->str[i] == '\\')
        i++;
    }
  return 0;
}

static void
check(MtSpan text, void (*append)(GString *, MtSpan), gboolean quoted, gboolean controls)
{
  GString *to = g_string_new(NULL);

  append(to, text);
  FUZZ_CHECK(g_utf8_validate_len(to->str, to->len, NULL));
  FUZZ_CHECK(!memchr(to->str, '\0', to->len));
  FUZZ_CHECK(controls || !has_control(to));
  FUZZ_CHECK(!quoted || (to->str[0] == '"' && quoted_bytes(to) == to->len));
  g_string_free(to, TRUE);
}

/* RFC 4180: a quote in a quoted cell is doubled; else there is none, nor a comma or line end. */
static void
check_csv(MtSpan text)
{
  GString *to = g_string_new(NULL);
  gboolean open = FALSE;

  mt_text_append_csv(to, text);
  FUZZ_CHECK(g_utf8_validate_len(to->str, to->len, NULL));
  for (gsize i = 0; i < to->len; i++)
    {
      if (to->str[i] == '"')
        open = !open;
      FUZZ_CHECK(open || !strchr(",\n\r", to->str[i]) || i + 1 == to->len);
    }
  FUZZ_CHECK(!open && (!to->len || !strchr("=@\t\r", to->str[0])));
  g_string_free(to, TRUE);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  MtSpan text = fuzz_span(data, size);

  check(text, mt_text_append_clean, FALSE, TRUE);
  check(text, mt_text_append_json, TRUE, FALSE);
  check(text, mt_text_append_quoted, TRUE, FALSE);
  check(text, mt_text_append_terminal, FALSE, FALSE);
  check_csv(text);
  return 0;
}
