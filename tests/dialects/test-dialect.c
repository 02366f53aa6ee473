/* test-dialect FIXTURE.spec: the fixture against the dialect of its name
 * test-dialect --update FIXTURE.spec: writes what the dialect says into it
 *
 * One GTest case an example, named by its line number, so that a failure names
 * file and line; then what must hold of the whole dialect.
 */
#include "dialects/dialect.h"
#include "dialects/spec.h"

#include <stdio.h>

typedef struct
{
  const gchar *path;
  const MtDialect *dialect;
  GPtrArray *examples;
} Fixture;

typedef struct
{
  const Fixture *fixture;
  const SpecExample *example;
} Case;

static void
parse_bytes(const SpecExample *example, const gchar *at, gsize len, MtEvent *event)
{
  MtLine line;

  spec_parse(example, at, len, &line, event);
}

static void
test_example(gconstpointer data)
{
  const Case *this = data;
  MtEvent event;
  gchar *text;

  if (!this->example->expected)
    {
      g_test_message("%s:%d: no '=' line below", this->fixture->path, this->example->number);
      g_test_fail();
      return;
    }
  text = spec_events_text(this->example, &event);
  if (!g_str_equal(text, this->example->expected))
    g_test_message("%s:%d:\n   line %s\n   want %s\n    got %s", this->fixture->path,
                   this->example->number, this->example->line->str, this->example->expected, text);
  g_assert_cmpstr(text, ==, this->example->expected);
  if (event.kind != MT_EVENT_OTHER)
    g_assert_cmpstr(event.dialect, ==, this->fixture->dialect->name);
  g_free(text);
}

/* The same rule may stand in several tables (common ones do): one hit is enough. */
static gboolean
same_rule(const MtRule *a, const MtRule *b)
{
  return mt_span_equal(a->prefix, b->prefix) && a->func == b->func && a->event == b->event
         && a->keys == b->keys;
}

static gboolean
is_hit(const Fixture *fixture, const MtRule *rule)
{
  for (guint i = 0; i < fixture->examples->len; i++)
    {
      const SpecExample *example = g_ptr_array_index(fixture->examples, i);
      MtEvent event;

      parse_bytes(example, example->line->str, example->line->len, &event);
      if (event.rule && same_rule(event.rule, rule))
        return TRUE;
    }
  return FALSE;
}

static void
test_every_rule_is_hit(gconstpointer data)
{
  const Fixture *fixture = data;
  gint missed = 0;

  for (gint t = 0; fixture->dialect->rules[t]; t++)
    for (const MtRule *rule = fixture->dialect->rules[t]; rule->prefix.at; rule++)
      if (!is_hit(fixture, rule))
        {
          g_test_message("no example for the rule \"%.*s\" (%s) of table %d",
                         (gint) rule->prefix.len, rule->prefix.at, mt_event_kind_name(rule->event),
                         t);
          missed++;
        }
  g_assert_cmpint(missed, ==, 0);
}

/* The first fitting prefix decides: so no prefix may stand before a longer one. */
static void
test_order_does_not_matter(gconstpointer data)
{
  const Fixture *fixture = data;

  for (gint t = 0; fixture->dialect->rules[t]; t++)
    for (const MtRule *a = fixture->dialect->rules[t]; a->prefix.at; a++)
      for (const MtRule *b = a + 1; b->prefix.at; b++)
        if (mt_span_starts(b->prefix, a->prefix))
          {
            g_test_message("table %d: \"%.*s\" hides \"%.*s\"", t, (gint) a->prefix.len,
                           a->prefix.at, (gint) b->prefix.len, b->prefix.at);
            g_test_fail();
          }
}

static void
test_one_dialect_claims(gconstpointer data)
{
  const Fixture *fixture = data;

  for (guint i = 0; i < fixture->examples->len; i++)
    {
      const SpecExample *example = g_ptr_array_index(fixture->examples, i);
      gint claims = 0;
      MtEvent event;
      MtLine line;

      spec_parse(example, example->line->str, example->line->len, &line, &event);
      for (gint d = 0; mt_dialects[d]; d++)
        {
          MtClaim claim = { mt_dialects[d], MT_CLAIM_NONE, NULL };

          mt_dialects[d]->claim(line.program, &claim);
          claims += claim.strength == MT_CLAIM_NAME;
        }
      g_assert_cmpint(claims, <=, 1);
    }
}

/* Every prefix of every line, in memory of exactly its size, so that a sanitizer
 * sees any byte read past the end; and every byte spoilt in turn. */
static void
test_any_bytes(gconstpointer data)
{
  const Fixture *fixture = data;

  for (guint i = 0; i < fixture->examples->len; i++)
    {
      const SpecExample *example = g_ptr_array_index(fixture->examples, i);
      MtEvent event;

      for (gsize len = 0; len <= example->line->len; len++)
        {
          gchar *copy = g_memdup2(example->line->str, MAX(len, 1));

          parse_bytes(example, copy, len, &event);
          if (len)
            {
              copy[len - 1] ^= 0x85;
              parse_bytes(example, copy, len, &event);
              copy[len - 1] = '\0';
              parse_bytes(example, copy, len, &event);
            }
          g_free(copy);
        }
    }
}

/* A field that a later version adds at the end must not change the others. */
static void
test_unknown_key_is_passed_over(gconstpointer data)
{
  const Fixture *fixture = data;

  for (guint i = 0; i < fixture->examples->len; i++)
    {
      const SpecExample *example = g_ptr_array_index(fixture->examples, i);
      MtEvent before, after;
      GString *longer;

      parse_bytes(example, example->line->str, example->line->len, &before);
      if (!before.rule || !((const MtRule *) before.rule)->keys || mt_event_has(&before, MT_F_REPLY)
          || mt_event_has(&before, MT_F_AUTH_USER))
        continue; /* free text, and names that may hold anything, go on to the end */
      longer = g_string_new_len(example->line->str, example->line->len);
      g_string_append(longer, ", newkey=value");
      parse_bytes(example, longer->str, longer->len, &after);
      g_assert_cmpint(before.kind, ==, after.kind);
      g_assert_true(before.has[0] == after.has[0] && before.has[1] == after.has[1]);
      g_string_free(longer, TRUE);
    }
}

static gint
update(const gchar *path)
{
  GError *error = NULL;
  GString *out = g_string_new(NULL);
  gchar *text, **lines;
  GPtrArray *examples = spec_read(path, &error);
  guint next = 0;

  if (!examples || !g_file_get_contents(path, &text, NULL, &error))
    g_error("%s", error->message);
  lines = g_strsplit(text, "\n", -1);
  for (gint i = 0; lines[i]; i++)
    {
      MtEvent event;
      SpecExample *example;
      gchar *is, **each;

      if (g_str_has_prefix(lines[i], "= "))
        continue;
      g_string_append(out, lines[i]);
      if (lines[i + 1])
        g_string_append_c(out, '\n');
      if (next >= examples->len || (example = g_ptr_array_index(examples, next))->number != i + 1)
        continue;
      next++;
      is = spec_events_text(example, &event);
      each = g_strsplit(is, "\n", -1);
      for (gchar **one = each; *one; one++)
        g_string_append_printf(out, "= %s\n", *one);
      g_strfreev(each);
      g_free(is);
    }
  if (!g_file_set_contents(path, out->str, out->len, &error))
    g_error("%s", error->message);
  return 0;
}

static void
add_case(const Fixture *fixture, const gchar *name, const gchar *what, GTestDataFunc func)
{
  gchar *path = g_strdup_printf("/dialects/%s/%s", name, what);

  g_test_add_data_func(path, fixture, func);
  g_free(path);
}

int
main(int argc, char **argv)
{
  static Fixture fixture;
  GError *error = NULL;
  gchar *name;

  if (argc == 3 && g_str_equal(argv[1], "--update"))
    return update(argv[2]);
  g_test_init(&argc, &argv, NULL);
  g_test_set_nonfatal_assertions();
  if (argc != 2)
    {
      fprintf(stderr, "usage: test-dialect [--update] FIXTURE.spec\n");
      return 2;
    }
  fixture.path = argv[1];
  name = spec_name(fixture.path);
  fixture.dialect = mt_dialect_by_name(name);
  fixture.examples = spec_read(fixture.path, &error);
  if (!fixture.dialect || !fixture.examples)
    g_error("%s: %s", fixture.path, error ? error->message : "no dialect of this name");
  for (guint i = 0; i < fixture.examples->len; i++)
    {
      Case *this = g_new(Case, 1);
      gchar *path;

      this->fixture = &fixture;
      this->example = g_ptr_array_index(fixture.examples, i);
      path = g_strdup_printf("/dialects/%s/line-%d", name, this->example->number);
      g_test_add_data_func_full(path, this, test_example, g_free);
      g_free(path);
    }
  add_case(&fixture, name, "every-rule-is-hit", test_every_rule_is_hit);
  add_case(&fixture, name, "order-does-not-matter", test_order_does_not_matter);
  add_case(&fixture, name, "one-dialect-claims", test_one_dialect_claims);
  add_case(&fixture, name, "any-bytes", test_any_bytes);
  add_case(&fixture, name, "unknown-key-is-passed-over", test_unknown_key_is_passed_over);
  g_free(name);
  return g_test_run();
}
