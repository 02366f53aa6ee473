#include "trail/arena.h"

#define FIRST_BYTES 192

void
mt_arena_clear(MtArena *arena)
{
  g_free(arena->bytes);
  memset(arena, 0, sizeof *arena);
}

static void
grow(MtArena *arena, guint32 needed)
{
  guint32 size = arena->size ? arena->size : FIRST_BYTES;

  while (size < needed)
    size += size / 2;
  arena->bytes = g_realloc(arena->bytes, size);
  arena->size = size;
}

MtText
mt_arena_put(MtArena *arena, MtSpan text)
{
  guint16 len = MIN(text.len, MT_TEXT_MAX_BYTES);
  guint32 at = MAX(arena->used, 1); /* 0 means none */

  if (!text.at || at + sizeof len + len > MT_ARENA_MAX_BYTES)
    return 0;
  if (at + sizeof len + len > arena->size)
    {
      guintptr offset = (guintptr)text.at - (guintptr)arena->bytes;
      gboolean own = arena->bytes && offset < arena->used;

      grow(arena, at + sizeof len + len);
      if (own)
        text.at = arena->bytes + offset;
    }
  memcpy(arena->bytes + at, &len, sizeof len);
  memcpy(arena->bytes + at + sizeof len, text.at, len);
  arena->used = at + sizeof len + len;
  return at;
}

void
mt_arena_pack(const MtArena *from, MtArena *to, MtText *texts, guint count)
{
  for (guint i = 0; i < count; i++)
    texts[i] = mt_arena_put(to, mt_arena_get(from, texts[i]));
}
