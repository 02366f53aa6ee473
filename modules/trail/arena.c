#include "trail/arena.h"

/* What a block begins with; its texts stand behind, so that none is at 0. */
typedef struct
{
  MtPool *pool; /* NULL: the block is the allocator's */
} Head;

#define FIRST_BYTES 192

/* What is left free, at least, when a block has become too small. */
#define SPARE_BYTES 144

static MtPool *
pool_of(const MtArena *arena)
{
  return arena->bytes ? ((const Head *) arena->bytes)->pool : NULL;
}

static gchar *
take_block(MtPool *pool, guint32 size)
{
  gchar *bytes = pool ? mt_pool_take(pool, size) : g_malloc(size);

  ((Head *) bytes)->pool = pool;
  return bytes;
}

static void
give_block(MtPool *pool, gchar *bytes, guint32 size)
{
  if (pool)
    mt_pool_give(pool, bytes, size);
  else
    g_free(bytes);
}

void
mt_arena_init(MtArena *arena, MtPool *pool, guint32 bytes)
{
  arena->size = mt_pool_room(sizeof(Head) + bytes);
  arena->bytes = take_block(pool, arena->size);
  arena->used = sizeof(Head);
}

void
mt_arena_clear(MtArena *arena)
{
  if (arena->bytes)
    give_block(pool_of(arena), arena->bytes, arena->size);
  memset(arena, 0, sizeof *arena);
}

void
mt_arena_leave(MtArena *arena, MtPool *pool)
{
  mt_pool_give(pool, arena->bytes, arena->size);
  memset(arena, 0, sizeof *arena);
}

static void
grow(MtArena *arena, guint32 needed)
{
  guint32 size = mt_pool_room(needed + MAX(needed / 4, SPARE_BYTES));
  MtPool *pool = pool_of(arena);
  gchar *bytes = take_block(pool, size);

  memcpy(bytes, arena->bytes, arena->used);
  give_block(pool, arena->bytes, arena->size);
  arena->bytes = bytes;
  arena->size = size;
}

/* For what is longer than the room that is left; @text may stand in the arena itself. */
static void
make_room(MtArena *arena, guint32 needed, MtSpan *text)
{
  guintptr offset = (guintptr) text->at - (guintptr) arena->bytes;
  gboolean own = offset < arena->used;

  grow(arena, needed);
  if (own)
    text->at = arena->bytes + offset;
}

MtText
mt_arena_put(MtArena *arena, MtSpan text)
{
  guint16 len = MIN(text.len, MT_TEXT_MAX_BYTES);
  guint32 at, end;

  if (!text.at)
    return 0;
  if (!arena->bytes)
    mt_arena_init(arena, NULL, FIRST_BYTES);
  at = arena->used;
  end = at + sizeof len + len;
  if (end > MT_ARENA_MAX_BYTES)
    return 0;
  if (end > arena->size)
    make_room(arena, end, &text);
  memcpy(arena->bytes + at, &len, sizeof len);
  memcpy(arena->bytes + at + sizeof len, text.at, len);
  arena->used = end;
  return at;
}

void
mt_arena_pack(const MtArena *from, MtArena *to, MtText *texts, guint count)
{
  for (guint i = 0; i < count; i++)
    texts[i] = mt_arena_put(to, mt_arena_get(from, texts[i]));
}
