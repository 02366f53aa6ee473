/* test-arena: texts that a record keeps */
#include "trail/arena.h"

/* The arena moves while it takes in a text of its own: found by AddressSanitizer in an import. */
static void
test_own_text(void)
{
  MtArena arena = { 0 };
  MtText text = mt_arena_put(&arena, MT_SPAN("somebody@example.com"));

  for (guint i = 0; i < 1000; i++)
    text = mt_arena_put(&arena, mt_arena_get(&arena, text));
  g_assert_true(MT_SPAN_IS(mt_arena_get(&arena, text), "somebody@example.com"));
  mt_arena_clear(&arena);
}

static void
test_none(void)
{
  MtArena arena = { 0 };

  g_assert_cmpuint(mt_arena_put(&arena, MT_NO_SPAN), ==, 0);
  g_assert_null(mt_arena_get(&arena, 0).at);
  mt_arena_clear(&arena);
}

int
main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/arena/own-text", test_own_text);
  g_test_add_func("/arena/none", test_none);
  return g_test_run();
}
