#include "dialects/spec.h"
#include "scan/text.h"

#include <stdio.h>

static void
free_example(gpointer data)
{
  SpecExample *example = data;

  g_string_free(example->line, TRUE);
  if (example->before)
    g_ptr_array_free(example->before, TRUE);
  g_free(example->expected);
  g_free(example);
}

static GString *
unescape(const gchar *text)
{
  GString *line = g_string_new(NULL);

  for (; *text; text++)
    {
      guint byte;

      if (text[0] == '\\' && text[1] == 'x' && sscanf(text + 2, "%2x", &byte) == 1)
        {
          g_string_append_c(line, byte);
          text += 3;
        }
      else
        g_string_append_c(line, *text);
    }
  return line;
}

GPtrArray *
spec_read(const gchar *path, GError **error)
{
  GPtrArray *examples, *before = NULL;
  gchar *text, **lines;

  if (!g_file_get_contents(path, &text, NULL, error))
    return NULL;
  examples = g_ptr_array_new_with_free_func(free_example);
  lines = g_strsplit(text, "\n", -1);
  for (gint i = 0; lines[i]; i++)
    {
      if (g_str_has_prefix(lines[i], ">+ "))
        {
          if (!before)
            before = g_ptr_array_new_with_free_func(g_free);
          g_ptr_array_add(before, g_strdup(lines[i] + 3));
        }
      else if (g_str_has_prefix(lines[i], "> ") || g_str_has_prefix(lines[i], ">\\ "))
        {
          SpecExample *example = g_new0(SpecExample, 1);

          example->number = i + 1;
          example->line = lines[i][1] == ' ' ? g_string_new(lines[i] + 2) : unescape(lines[i] + 3);
          example->before = before;
          before = NULL;
          g_ptr_array_add(examples, example);
        }
      else if (g_str_has_prefix(lines[i], "= ") && examples->len)
        {
          SpecExample *example = g_ptr_array_index(examples, examples->len - 1);
          gchar *before_this = example->expected;

          example->expected = before_this ? g_strconcat(before_this, "\n", lines[i] + 2, NULL)
                                          : g_strdup(lines[i] + 2);
          g_free(before_this);
        }
    }
  g_strfreev(lines);
  g_free(text);
  return examples;
}

static gboolean
needs_quotes(const GString *value)
{
  for (gsize i = 0; i < value->len; i++)
    if ((guchar) value->str[i] <= ' ' || strchr("\"\\", value->str[i]) || (guchar) value->str[i] >= 0x7f)
      return TRUE;
  return value->len == 0;
}

gchar *
spec_event_text(const MtEvent *event)
{
  GString *text = g_string_new(mt_event_kind_name(event->kind));
  GString *value = g_string_new(NULL);

  for (gint field = 0; field < MT_FIELD_COUNT; field++)
    {
      if (!mt_event_has(event, field))
        continue;
      g_string_append_printf(text, " %s=", mt_field_name(field));
      g_string_truncate(value, 0);
      mt_event_append_value(event, field, value);
      if (needs_quotes(value))
        mt_text_append_quoted(text, mt_span(value->str, value->len));
      else
        g_string_append_len(text, value->str, value->len);
    }
  g_string_free(value, TRUE);
  return g_string_free(text, FALSE);
}

gchar *
spec_name(const gchar *path)
{
  gchar *name = g_path_get_basename(path);

  if (g_str_has_suffix(name, ".spec"))
    name[strlen(name) - strlen(".spec")] = '\0';
  return name;
}
