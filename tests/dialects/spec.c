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

/* ---- "! written FIELD ...: HOW" and "! forgeable FIELD ...: reason" ------------------------- */

static gboolean
read_way(SpecWritten *way, const gchar *word)
{
  if (g_str_equal(word, "printable"))
    way->printable = TRUE;
  else if (g_str_equal(word, "quoted"))
    way->quoted = TRUE;
  else if (g_str_equal(word, "hostname"))
    way->hostname = TRUE;
  else if (g_str_equal(word, "username"))
    way->username = TRUE;
  else if (g_str_equal(word, "word"))
    way->word = TRUE;
  else if (g_str_equal(word, "own"))
    way->own = TRUE;
  else if (g_str_has_prefix(word, "behind="))
    g_strlcpy(way->behind, word + 7, sizeof way->behind);
  else if (g_str_has_prefix(word, "most="))
    way->most = g_ascii_strtoull(word + 5, NULL, 10);
  else if (g_str_has_prefix(word, "without="))
    g_strlcpy(way->without, word + 8, sizeof way->without);
  else
    return FALSE;
  return TRUE;
}

static gboolean
read_ways(SpecWritten ways[SPEC_WAYS], const gchar *text)
{
  gchar **words = g_strsplit(text, " ", -1);
  SpecWritten new = { 0 }, *way = &new;
  gboolean ok = TRUE;

  for (guint i = 0; words[i] && words[i][0] != '(' && ok; i++)
    ok = !*words[i] || read_way(way, words[i]);
  memmove(ways + 1, ways, (SPEC_WAYS - 1) * sizeof *ways);
  ways[0] = new;
  g_strfreev(words);
  return ok;
}

/* @line: behind "! ".  @written: of the examples that follow.  @last: nullable. */
static gboolean
read_directive(const gchar *line, SpecWritten written[][SPEC_WAYS], SpecExample *last)
{
  const gchar *colon = strstr(line, ": ");
  gchar **words = g_strsplit(line, " ", -1);
  gboolean forgeable = g_str_equal(words[0], "forgeable");
  gboolean ok = colon && (forgeable ? last != NULL : g_str_equal(words[0], "written"));

  for (guint i = 1; ok && words[i]; i++)
    {
      gsize len = strlen(words[i]);
      gboolean end = words[i][len ? len - 1 : 0] == ':';
      gint field = mt_field_by_name(mt_span(words[i], len - end));

      ok = field >= 0;
      if (ok && forgeable)
        last->forgeable[field >> 6] |= G_GUINT64_CONSTANT(1) << (field & 63);
      else if (ok)
        ok = read_ways(written[field], colon + 2);
      if (end)
        break;
    }
  g_strfreev(words);
  return ok;
}

GPtrArray *
spec_read(const gchar *path, GError **error)
{
  GPtrArray *examples, *before = NULL;
  SpecWritten written[MT_FIELD_COUNT][SPEC_WAYS] = { { { 0 } } };
  gboolean ok = TRUE;
  gchar *text, **lines;

  if (!g_file_get_contents(path, &text, NULL, error))
    return NULL;
  examples = g_ptr_array_new_with_free_func(free_example);
  lines = g_strsplit(text, "\n", -1);
  for (gint i = 0; lines[i] && ok; i++)
    {
      if (g_str_has_prefix(lines[i], "! "))
        {
          ok =
              read_directive(lines[i] + 2, written,
                             examples->len ? g_ptr_array_index(examples, examples->len - 1) : NULL);
          if (!ok)
            g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_INVAL, "%s:%d: not understood: %s", path,
                        i + 1, lines[i]);
        }
      else if (g_str_has_prefix(lines[i], ">+ "))
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
          memcpy(example->written, written, sizeof written);
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
  if (ok)
    return examples;
  g_ptr_array_free(examples, TRUE);
  return NULL;
}

static void
parse_part(const SpecExample *example, const gchar *at, gsize len, guint part, MtLine *line,
           MtEvent *event)
{
  static MtParser parser; /* all of it is zero at first: no program is known */
  MtStream stream;
  MtClock clock;

  mt_clock_init(&clock, NULL, G_GINT64_CONSTANT(1796000000000000), 0);
  mt_stream_init(&stream, &clock, NULL, MT_NO_SPAN);
  for (guint i = 0; example->before && i < example->before->len; i++)
    mt_stream_head(&stream, mt_span_of_string(g_ptr_array_index(example->before, i)), line);
  mt_stream_head(&stream, mt_span(at, len), line);
  mt_parser_parse_part(&parser, line, part, event);
}

void
spec_parse(const SpecExample *example, const gchar *at, gsize len, MtLine *line, MtEvent *event)
{
  parse_part(example, at, len, 0, line, event);
}

static gboolean
needs_quotes(const GString *value)
{
  for (gsize i = 0; i < value->len; i++)
    if ((guchar) value->str[i] <= ' ' || strchr("\"\\", value->str[i])
        || (guchar) value->str[i] >= 0x7f)
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
spec_events_text(const SpecExample *example, MtEvent *first)
{
  GString *text = g_string_new(NULL);
  guint parts = 1;

  for (guint part = 0; part < parts; part++)
    {
      MtEvent event;
      MtLine line;
      gchar *one;

      parse_part(example, example->line->str, example->line->len, part, &line, &event);
      if (!part)
        {
          *first = event;
          parts = event.parts;
        }
      one = spec_event_text(&event);
      g_string_append_printf(text, "%s%s", part ? "\n" : "", one);
      g_free(one);
    }
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
