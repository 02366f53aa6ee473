/* test-arena: texts of one record */
#include "trail/arena.h"

/* A text that is the arena's own is copied from where the arena is after it grew; seen by
 * AddressSanitizer in a replay: who sent a message was put into its arena from there. */
static void
test_own_text_while_growing(void)
{
  MtArena arena = { 0 };
  MtPool pool = { 0 };
  MtText first = mt_arena_put(&arena, &pool, MT_SPAN("bob@example.com"));

  for (guint i = 0; i < 1000; i++)
    {
      MtText copy = mt_arena_put(&arena, &pool, mt_arena_get(&arena, first));

      g_assert_true(mt_span_equal(mt_arena_get(&arena, copy), MT_SPAN("bob@example.com")));
    }
  mt_arena_clear(&arena, &pool);
  mt_pool_clear(&pool);
}

static void
test_none_and_empty(void)
{
  MtArena arena = { 0 };
  MtPool pool = { 0 };

  g_assert_cmpuint(mt_arena_put(&arena, &pool, MT_NO_SPAN), ==, 0);
  g_assert_cmpuint(mt_arena_put(&arena, &pool, MT_SPAN("")), !=, 0);
  mt_arena_clear(&arena, &pool);
  mt_pool_clear(&pool);
}

/* A text of the length of the one before, or shorter, takes its place, even if it is a part of
 * it; a longer one does not. */
static void
test_replace(void)
{
  MtArena arena = { 0 };
  MtPool pool = { 0 };
  gchar *longest = g_strnfill(MT_TEXT_LONG, 'x');
  MtText text = mt_arena_put(&arena, &pool, MT_SPAN("bob@example.com")), other;
  guint used = arena.used;

  other = mt_arena_replace(&arena, &pool, text, mt_span(mt_arena_get(&arena, text).at + 4, 11));
  g_assert_cmpuint(other, ==, text);
  g_assert_true(MT_SPAN_IS(mt_arena_get(&arena, text), "example.com"));
  g_assert_cmpuint(arena.used, ==, used);
  other = mt_arena_replace(&arena, &pool, text, MT_SPAN("example.com.au"));
  g_assert_cmpuint(other, !=, text);
  g_assert_true(MT_SPAN_IS(mt_arena_get(&arena, text), "example.com"));
  g_assert_true(MT_SPAN_IS(mt_arena_get(&arena, other), "example.com.au"));
  g_assert_cmpuint(mt_arena_replace(&arena, &pool, text, MT_NO_SPAN), ==, 0);
  text = mt_arena_put(&arena, &pool, mt_span_of_string(longest));
  g_assert_cmpuint(mt_arena_replace(&arena, &pool, text, mt_span(longest, MT_TEXT_LONG - 1)), ==,
                   text);
  g_assert_cmpuint(mt_arena_get(&arena, text).len, ==, MT_TEXT_LONG - 1);
  g_assert_cmpint(mt_arena_get(&arena, text).at[MT_TEXT_LONG - 2], ==, 'x');
  g_free(longest);
  mt_arena_clear(&arena, &pool);
  mt_pool_clear(&pool);
}

/* Numbers have 16 bits: what is too much is none, and all that was there stays. */
static void
test_full(void)
{
  MtArena arena = { 0 };
  MtPool pool = { 0 };
  gchar *text = g_strnfill(MT_TEXT_MAX_BYTES, 'x');
  MtText texts[40];
  guint n;

  for (n = 0; n < G_N_ELEMENTS(texts); n++)
    {
      text[0] = 'a' + n % 26;
      if (!mt_arena_has_room(&arena, mt_span_of_string(text)))
        break;
      texts[n] = mt_arena_put(&arena, &pool, mt_span_of_string(text));
      g_assert_cmpuint(texts[n], !=, 0);
    }
  g_assert_cmpuint(n, >=, 28);
  g_assert_cmpuint(n, <, G_N_ELEMENTS(texts));
  g_assert_cmpuint(mt_arena_put(&arena, &pool, mt_span_of_string(text)), ==, 0);
  g_assert_cmpuint(arena.size, <=, MT_ARENA_MAX_BYTES);
  for (guint i = 0; i < n; i++)
    {
      g_assert_cmpuint(mt_arena_get(&arena, texts[i]).len, ==, MT_TEXT_MAX_BYTES);
      g_assert_cmpint(mt_arena_get(&arena, texts[i]).at[0], ==, 'a' + i % 26);
    }
  g_free(text);
  mt_arena_clear(&arena, &pool);
  mt_pool_clear(&pool);
}

/* Words that every log is full of take nothing; what only looks like one is kept as it is. */
static void
test_words(void)
{
  static const gchar *const words[] = { "smtp",  "lmtp",    "2.0.0",   "5.1.1",
                                        "relay", "unknown", "postfix", "submission" };
  static const gchar *const others[] = { "smtq", "smt", "smtps", "9.9.9", "postfiX", "submissioN" };
  MtArena arena = { 0 };
  MtPool pool = { 0 };
  MtText text, long_text;

  for (guint i = 0; i < G_N_ELEMENTS(words); i++)
    {
      text = mt_arena_put(&arena, &pool, mt_span_of_string(words[i]));
      g_assert_true(mt_span_equal(mt_arena_get(&arena, text), mt_span_of_string(words[i])));
      g_assert_false(mt_arena_has(text));
    }
  g_assert_cmpuint(arena.used, ==, 0);
  for (guint i = 0; i < G_N_ELEMENTS(others); i++)
    {
      text = mt_arena_put(&arena, &pool, mt_span_of_string(others[i]));
      g_assert_true(mt_span_equal(mt_arena_get(&arena, text), mt_span_of_string(others[i])));
      g_assert_true(mt_arena_has(text));
    }
  long_text = mt_arena_put(&arena, &pool, MT_SPAN("submission/smtpd"));
  text = mt_arena_replace(&arena, &pool, long_text, MT_SPAN("submission"));
  g_assert_false(mt_arena_has(text));
  text = mt_arena_replace(&arena, &pool, text, MT_SPAN("submissioN"));
  g_assert_true(MT_SPAN_IS(mt_arena_get(&arena, text), "submissioN"));
  mt_arena_clear(&arena, &pool);
  mt_pool_clear(&pool);
}

/* What is packed is all there, words, too, and nothing else. */
static void
test_pack(void)
{
  MtArena arena = { 0 }, packed = { 0 };
  MtPool pool = { 0 };
  MtText texts[4] = { 0 };

  texts[0] = mt_arena_put(&arena, &pool, MT_SPAN("bob@example.com"));
  mt_arena_put(&arena, &pool, MT_SPAN("nobody@example.com"));
  texts[1] = mt_arena_put(&arena, &pool, MT_SPAN("smtp"));
  texts[3] = mt_arena_put(&arena, &pool, MT_SPAN(""));
  mt_arena_pack(&arena, &packed, &pool, texts, G_N_ELEMENTS(texts));
  mt_arena_clear(&arena, &pool);
  g_assert_true(MT_SPAN_IS(mt_arena_get(&packed, texts[0]), "bob@example.com"));
  g_assert_true(MT_SPAN_IS(mt_arena_get(&packed, texts[1]), "smtp"));
  g_assert_null(mt_arena_get(&packed, texts[2]).at);
  g_assert_nonnull(mt_arena_get(&packed, texts[3]).at);
  g_assert_cmpuint(packed.used, ==, 1 + 1 + strlen("bob@example.com") + 1);
  mt_arena_clear(&packed, &pool);
  mt_pool_clear(&pool);
}

/* The record's own bytes move with the texts, and what is free is given back. */
static void
test_head(void)
{
  MtArena arena;
  MtPool pool = { 0 };
  MtText first;

  mt_arena_init(&arena, &pool, 24, 32);
  memset(arena.bytes, 7, 24);
  first = mt_arena_put(&arena, &pool, MT_SPAN("bob@example.com"));
  g_assert_cmpuint(first, >=, 24);
  for (guint i = 0; i < 20; i++)
    mt_arena_put(&arena, &pool, MT_SPAN("alice@example.com"));
  g_assert_cmpuint(pool.bytes, ==, arena.size);
  mt_arena_fit(&arena, &pool);
  g_assert_cmpuint(arena.size, <=, arena.used + 2 * 8 + 8);
  g_assert_cmpuint(pool.bytes, ==, arena.size);
  for (guint i = 0; i < 24; i++)
    g_assert_cmpint(arena.bytes[i], ==, 7);
  g_assert_true(MT_SPAN_IS(mt_arena_get(&arena, first), "bob@example.com"));
  mt_arena_clear(&arena, &pool);
  g_assert_cmpuint(pool.bytes, ==, 0);
  mt_pool_clear(&pool);
}

int
main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/arena/own-text-while-growing", test_own_text_while_growing);
  g_test_add_func("/arena/none-and-empty", test_none_and_empty);
  g_test_add_func("/arena/replace", test_replace);
  g_test_add_func("/arena/full", test_full);
  g_test_add_func("/arena/head", test_head);
  g_test_add_func("/arena/words", test_words);
  g_test_add_func("/arena/pack", test_pack);
  return g_test_run();
}
