#include "trail/arena.h"

#define FIRST_BYTES 192

/* What is left free, at least, when a block has become too small. */
#define SPARE_BYTES 16

/* Less is not worth a move. */
#define MIN_FIT_BYTES 24

void
mt_arena_init(MtArena *arena, MtPool *pool, guint16 head, guint16 bytes)
{
  arena->size = mt_pool_room(bytes);
  arena->bytes = mt_pool_take(pool, arena->size);
  arena->used = MAX(head, 1); /* no text is at 0 */
}

void
mt_arena_clear(MtArena *arena, MtPool *pool)
{
  if (arena->size)
    mt_pool_give(pool, arena->bytes, arena->size);
  memset(arena, 0, sizeof *arena);
}

static void
resize(MtArena *arena, MtPool *pool, guint16 size)
{
  gchar *bytes = mt_pool_take(pool, size);

  memcpy(bytes, arena->bytes, arena->used);
  mt_pool_give(pool, arena->bytes, arena->size);
  arena->bytes = bytes;
  arena->size = size;
}

void
mt_arena_fit(MtArena *arena, MtPool *pool)
{
  guint16 size = mt_pool_room(arena->used);

  if (arena->size - size >= MIN_FIT_BYTES)
    resize(arena, pool, size);
}

/* ---- words ---------------------------------------------------------------------- */

/* Programs, services, transports, codes of replies, clients without a name; by their length,
 * the most frequent first.  Numbers are in memory only: new ones may stand anywhere. */
#define WORDS_4(X) X("smtp") X("lmtp") X("pipe")
#define WORDS_5(X) \
  X("2.0.0") X("local") X("relay") X("4.4.1") X("4.7.1") X("5.1.1") X("5.7.1") X("2.1.5")
#define WORDS_6(X) X("pickup")
#define WORDS_7(X) X("postfix") X("unknown") X("virtual") X("dovecot")
#define WORDS_10(X) X("submission")

#define MAX_WORD_BYTES 10

#define ONE_MORE(word) +1

/* Where those of a length begin. */
enum
{
  WORDS_OF_5 = 0 WORDS_4(ONE_MORE),
  WORDS_OF_6 = WORDS_OF_5 WORDS_5(ONE_MORE),
  WORDS_OF_7 = WORDS_OF_6 WORDS_6(ONE_MORE),
  WORDS_OF_10 = WORDS_OF_7 WORDS_7(ONE_MORE),
  N_WORDS = WORDS_OF_10 WORDS_10(ONE_MORE)
};

#define FIRST_WORD (MT_ARENA_MAX_BYTES + 1)

G_STATIC_ASSERT(FIRST_WORD + N_WORDS <= G_MAXUINT16 + 1);

/* Lengths are known here: each comparison is one or two of the processor's. */
#define IF_IT_IS(word) \
  if (memcmp(text.at, word, sizeof word - 1) == 0) \
    return number; \
  number++;

/* 0: it is none. */
static MtText
number_of_word(MtSpan text)
{
  guint number;

  switch (text.len)
    {
    case 4:
      number = FIRST_WORD;
      WORDS_4(IF_IT_IS)
      return 0;
    case 5:
      number = FIRST_WORD + WORDS_OF_5;
      WORDS_5(IF_IT_IS)
      return 0;
    case 6:
      number = FIRST_WORD + WORDS_OF_6;
      WORDS_6(IF_IT_IS)
      return 0;
    case 7:
      number = FIRST_WORD + WORDS_OF_7;
      WORDS_7(IF_IT_IS)
      return 0;
    case 10:
      number = FIRST_WORD + WORDS_OF_10;
      WORDS_10(IF_IT_IS)
      return 0;
    default:
      return 0;
    }
}

MtSpan
mt_arena_word(MtText text)
{
#define X(word) MT_SPAN_INIT(word),
  static const MtSpan words[] = { WORDS_4(X) WORDS_5(X) WORDS_6(X) WORDS_7(X) WORDS_10(X) };
#undef X

  return words[text - FIRST_WORD];
}

/* ---- texts ---------------------------------------------------------------------- */

/* FALSE: so much would be too much. */
static gboolean
grow(MtArena *arena, MtPool *pool, guint bytes)
{
  guint needed = arena->used + bytes;

  if (needed > MT_ARENA_MAX_BYTES)
    return FALSE;
  if (arena->size)
    resize(arena, pool,
           mt_pool_room(MIN(needed + MAX(needed / 8, SPARE_BYTES), MT_ARENA_MAX_BYTES)));
  else
    mt_arena_init(arena, pool, 0, MAX(1 + needed, FIRST_BYTES));
  return TRUE;
}

static MtText
write_short(MtArena *arena, MtSpan text)
{
  guint16 at = arena->used;

  arena->bytes[at] = (gchar) text.len;
  memcpy(arena->bytes + at + 1, text.at, text.len);
  arena->used = at + 1 + text.len;
  return at;
}

static MtText
write_long(MtArena *arena, MtSpan text)
{
  guint16 at = arena->used, len = MIN(text.len, MT_TEXT_MAX_BYTES);
  gchar *to = arena->bytes + at;

  *to = (gchar) MT_TEXT_LONG;
  memcpy(to + 1, &len, sizeof len);
  memcpy(to + 1 + sizeof len, text.at, len);
  arena->used = at + 1 + sizeof len + len;
  return at;
}

/* Long for the room that is left, or at all. */
static MtText
put_long(MtArena *arena, MtPool *pool, MtSpan text)
{
  guintptr offset = (guintptr) text.at - (guintptr) arena->bytes;
  gboolean own = offset < arena->used;
  guint bytes = mt_arena_text_bytes(text);

  if (arena->used + bytes > arena->size && !grow(arena, pool, bytes))
    return 0;
  if (own)
    text.at = arena->bytes + offset;
  return text.len < MT_TEXT_LONG ? write_short(arena, text) : write_long(arena, text);
}

MtText
mt_arena_put(MtArena *arena, MtPool *pool, MtSpan text)
{
  MtText word;

  if (!text.at)
    return 0;
  word = text.len <= MAX_WORD_BYTES ? number_of_word(text) : 0;
  if (word)
    return word;
  if (G_LIKELY(text.len < MT_TEXT_LONG && arena->used + 1 + text.len <= arena->size))
    return write_short(arena, text);
  return put_long(arena, pool, text);
}

/* ---- in their place --------------------------------------------------------------- */

/* The text may stand where it comes to stand, or overlap it. */
static void
overwrite(gchar *at, MtSpan text)
{
  guint16 len = MIN(text.len, MT_TEXT_MAX_BYTES);
  gboolean is_long = len >= MT_TEXT_LONG;

  memmove(at + (is_long ? 1 + sizeof len : 1), text.at, len);
  *at = (gchar) (is_long ? MT_TEXT_LONG : len);
  if (is_long)
    memcpy(at + 1, &len, sizeof len);
}

MtText
mt_arena_replace(MtArena *arena, MtPool *pool, MtText old, MtSpan text)
{
  if (!mt_arena_has(old) || text.len <= MAX_WORD_BYTES
      || mt_arena_text_bytes(text) > mt_arena_text_bytes(mt_arena_get(arena, old)))
    return mt_arena_put(arena, pool, text);
  overwrite(arena->bytes + old, text);
  return old;
}

void
mt_arena_pack(const MtArena *from, MtArena *to, MtPool *pool, MtText *texts, guint count)
{
  for (guint i = 0; i < count; i++)
    if (mt_arena_has(texts[i]))
      texts[i] = mt_arena_put(to, pool, mt_arena_get(from, texts[i]));
}
