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

gboolean
mt_arena_grow(MtArena *arena, MtPool *pool, guint bytes)
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

/* Long for the room that is left, or at all. */
static MtText
put_long(MtArena *arena, MtPool *pool, MtSpan text)
{
  guintptr offset = (guintptr) text.at - (guintptr) arena->bytes;
  gboolean own = offset < arena->used;

  if (!mt_arena_reserve(arena, pool, mt_arena_text_bytes(text)))
    return 0;
  if (own)
    text.at = arena->bytes + offset;
  return mt_arena_write(arena, text);
}

MtText
mt_arena_put(MtArena *arena, MtPool *pool, MtSpan text)
{
  if (!text.at)
    return 0;
  if (G_LIKELY(text.len < MT_TEXT_LONG && arena->used + 1 + text.len <= arena->size))
    return mt_arena_write_short(arena, text);
  return put_long(arena, pool, text);
}

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
  if (!old || !text.at || mt_arena_text_bytes(text) > mt_arena_text_bytes(mt_arena_get(arena, old)))
    return mt_arena_put(arena, pool, text);
  overwrite(arena->bytes + old, text);
  return old;
}

void
mt_arena_pack(const MtArena *from, MtArena *to, MtPool *pool, MtText *texts, guint count)
{
  for (guint i = 0; i < count; i++)
    texts[i] = mt_arena_put(to, pool, mt_arena_get(from, texts[i]));
}
