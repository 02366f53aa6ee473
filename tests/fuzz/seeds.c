/* seeds SRCDIR OUTDIR: the corpora of the targets and their dictionary, out of the fixtures and the
 * tables of every dialect */
#include "dialects/spec.h"
#include "engine/settings.h"

#include <stdio.h>

/* Small enough for libFuzzer's default length, long enough to hold what belongs together. */
#define LINES_A_SEED 12

static const gchar *out;

static void
put(const gchar *corpus, const gchar *name, guint number, const gchar *at, gsize len)
{
  gchar *dir = g_build_filename(out, corpus, NULL);
  gchar *path = g_strdup_printf("%s/%s-%u", dir, name, number);
  GError *error = NULL;

  g_mkdir_with_parents(dir, 0755);
  if (!g_file_set_contents(path, at, len, &error))
    g_error("%s", error->message);
  g_free(path);
  g_free(dir);
}

static void
put_example(const MtDialect *dialect, const SpecExample *example, guint number)
{
  static const MtField addresses[] = { MT_F_CLIENT_IP, MT_F_LOCAL_IP, MT_F_RELAY_IP };
  const GString *line = example->line;
  gchar *stamp = g_strdup_printf("%c%.*s", 'a' + number % 4, (gint) MIN(line->len, 40), line->str);
  MtEvent event;
  MtLine head;

  put("line", dialect->name, number, line->str, line->len);
  put("stamp", dialect->name, number, stamp, strlen(stamp));
  spec_parse(example, line->str, line->len, &head, &event);
  for (guint i = 0; i < G_N_ELEMENTS(addresses); i++)
    {
      MtSpan text = mt_event_ip_text(&event, addresses[i]);

      if (text.len)
        put("ip", mt_field_name(addresses[i]), number, text.at, text.len);
    }
  g_free(stamp);
}

static void
append_pair(GString *to, const gchar *name, MtSpan value)
{
  g_string_append(to, name);
  g_string_append_c(to, '\0');
  g_string_append_len(to, value.at, value.len);
  g_string_append_c(to, '\0');
}

/* As trail/pending.c writes it. */
static void
put_pending(const MtDialect *dialect, const SpecExample *example, guint number)
{
  GString *pending = g_string_new(NULL), *value = g_string_new(NULL);
  MtEvent event;
  MtLine line;

  spec_parse(example, example->line->str, example->line->len, &line, &event);
  append_pair(pending, "host", line.host);
  for (gint field = 0; field < MT_FIELD_COUNT; field++)
    if (mt_event_has(&event, field))
      {
        g_string_truncate(value, 0);
        mt_event_append_value(&event, field, value);
        append_pair(pending, mt_field_name(field), mt_span(value->str, value->len));
      }
  put("pending", dialect->name, number, pending->str, pending->len);
  g_string_free(pending, TRUE);
  g_string_free(value, TRUE);
}

/* Some lines of one dialect, with what a host does between them. */
static void
put_chunk(const MtDialect *dialect, GPtrArray *examples, guint first)
{
  static const gchar *const between[] = { "", "", "\x01\n", "\x02\n", "\x03\n" };
  GString *lines = g_string_new(NULL), *run = g_string_new(first % 2 ? "\x04" : "");

  for (guint i = first; i < MIN(first + LINES_A_SEED, examples->len); i++)
    {
      const SpecExample *example = g_ptr_array_index(examples, i);

      for (guint b = 0; example->before && b < example->before->len; b++)
        g_string_append_printf(lines, "%s\n", (gchar *) g_ptr_array_index(example->before, b));
      g_string_append_len(lines, example->line->str, example->line->len);
      g_string_append_c(lines, '\n');
      g_string_append_len(run, example->line->str, example->line->len);
      g_string_append_printf(run, "\n%s", between[i % G_N_ELEMENTS(between)]);
    }
  put("dialect", dialect->name, first, lines->str, lines->len);
  put("text", dialect->name, first, lines->str, MIN(lines->len, 300));
  put("trail", dialect->name, first, run->str, run->len);
  g_string_free(lines, TRUE);
  g_string_free(run, TRUE);
}

static void
put_dialect(const gchar *srcdir, const MtDialect *dialect)
{
  gchar *path = g_strdup_printf("%s/tests/dialects/%s.spec", srcdir, dialect->name);
  GError *error = NULL;
  GPtrArray *examples = spec_read(path, &error);

  if (!examples)
    g_error("%s", error->message);
  for (guint i = 0; i < examples->len; i++)
    {
      /* Of each kind some are enough: libFuzzer makes the others. */
      if (i % 3 == 0)
        put_example(dialect, g_ptr_array_index(examples, i), i);
      if (i % 10 == 0)
        put_pending(dialect, g_ptr_array_index(examples, i), i);
      if (i % LINES_A_SEED == 0)
        put_chunk(dialect, examples, i);
    }
  g_free(path);
}

static void
put_settings(void)
{
  static const gchar *const values[] = { "yes",    "0640",         "10",
                                         "512MiB", "192.0.2.0/24", "2001:db8::/32",
                                         "root",   "/nonexistent", "example.com" };
  static const gchar times[] =
      "now\ntoday\nyesterday\n2h\n7d\n3w\n2026-03-09\n2026-03-09T12:43\n"
      "2026-03-09T12:43:51.123456+01:00\n";
  const gchar *name;

  put("settings", "times", 0, times, strlen(times));
  for (guint i = 0; (name = mt_settings_name(i)); i++)
    {
      GString *lines = g_string_new(NULL);

      for (guint v = 0; v < G_N_ELEMENTS(values); v++)
        g_string_append_printf(lines, "%s=%s\n", name, values[v]);
      put("settings", name, 0, lines->str, lines->len);
      g_string_free(lines, TRUE);
    }
}

static void
put_file(const gchar *corpus, const gchar *srcdir, const gchar *name)
{
  gchar *path = g_build_filename(srcdir, name, NULL), *text;
  GError *error = NULL;
  gsize len;

  if (!g_file_get_contents(path, &text, &len, &error))
    g_error("%s", error->message);
  put(corpus, "file", strlen(name), text, len);
  g_free(text);
  g_free(path);
}

/* ---- the dictionary ------------------------------------------------------------------------ */

static void
add_word(GHashTable *words, MtSpan word)
{
  /* libFuzzer takes no longer ones. */
  if (word.len > 0 && word.len <= 64)
    g_hash_table_add(words, g_strndup(word.at, word.len));
}

static void
add_rules(GHashTable *words, const MtRule *rules)
{
  for (const MtRule *rule = rules; rule->prefix.at; rule++)
    {
      add_word(words, rule->prefix);
      for (const MtKey *key = rule->keys; key && key->name.at; key++)
        {
          gchar *with = g_strdup_printf(", %.*s=", (gint) key->name.len, key->name.at);

          add_word(words, mt_span_of_string(with));
          g_free(with);
        }
    }
}

static void
put_dictionary(void)
{
  GHashTable *words = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  gchar *path = g_build_filename(out, "mailtrail.dict", NULL);
  FILE *file = fopen(path, "w");
  GHashTableIter iter;
  gpointer word;

  if (!file)
    g_error("%s: cannot be written", path);
  for (gint i = 0; mt_dialects[i]; i++)
    for (gint t = 0; mt_dialects[i]->rules[t]; t++)
      add_rules(words, mt_dialects[i]->rules[t]);
  for (gint field = 0; field < MT_FIELD_COUNT; field++)
    add_word(words, mt_span_of_string(mt_field_name(field)));
  g_hash_table_iter_init(&iter, words);
  while (g_hash_table_iter_next(&iter, &word, NULL))
    {
      fputc('"', file);
      for (const gchar *c = word; *c; c++)
        if (*c == '"' || *c == '\\' || !g_ascii_isprint(*c))
          fprintf(file, "\\x%02x", (guchar) *c);
        else
          fputc(*c, file);
      fputs("\"\n", file);
    }
  if (fclose(file) != 0)
    g_error("%s: cannot be written", path);
  g_hash_table_destroy(words);
  g_free(path);
}

int
main(int argc, char **argv)
{
  if (argc != 3)
    {
      fprintf(stderr, "usage: seeds SRCDIR OUTDIR\n");
      return 2;
    }
  out = argv[2];
  for (gint i = 0; mt_dialects[i]; i++)
    put_dialect(argv[1], mt_dialects[i]);
  put_settings();
  put_file("policy", argv[1], "examples/policy.conf");
  put_file("policy", argv[1], "tests/replay/alerts.policy");
  put_dictionary();
  return 0;
}
