/* test-arena: texts of one record */
#include "trail/arena.h"

/* A text that is the arena's own is copied from where the arena is after it grew; seen by
 * AddressSanitizer in a replay: who sent a message was put into its arena from there. */
static void
test_own_text_while_growing(void)
{
  MtArena arena = { 0 };
  MtText first = mt_arena_put(&arena, MT_SPAN("bob@example.com"));

  for (guint i = 0; i < 1000; i++)
    {
      MtText copy = mt_arena_put(&arena, mt_arena_get(&arena, first));

      g_assert_true(mt_span_equal(mt_arena_get(&arena, copy), MT_SPAN("bob@example.com")));
    }
  mt_arena_clear(&arena);
}

static void
test_none_and_empty(void)
{
  MtArena arena = { 0 };

  g_assert_cmpuint(mt_arena_put(&arena, MT_NO_SPAN), ==, 0);
  g_assert_cmpuint(mt_arena_put(&arena, MT_SPAN("")), !=, 0);
  mt_arena_clear(&arena);
}

int
main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/arena/own-text-while-growing", test_own_text_while_growing);
  g_test_add_func("/arena/none-and-empty", test_none_and_empty);
  return g_test_run();
}
