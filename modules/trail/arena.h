/* arena.h: the text of one record in one block
 *
 * Layer: trail.  Concurrency: the owner's thread only.
 *
 * A record copies the text it keeps into its arena and holds it by a number, so
 * that a record is one small struct and one block.  Texts longer than
 * MT_TEXT_MAX_BYTES are cut: what they say is said by then.
 */
#ifndef MT_TRAIL_ARENA_H
#define MT_TRAIL_ARENA_H

#include "scan/span.h"
#include "trail/pool.h"

/* A text in an arena; 0 is none, which is not the empty text. */
typedef guint32 MtText;

/* Longer than any address (RFC 5321: 320) or reply line that says something new. */
#define MT_TEXT_MAX_BYTES 2048

/* What a record's texts may take; further ones are none. */
#define MT_ARENA_MAX_BYTES (1u << 30)

typedef struct
{
  gchar *bytes;
  guint32 used;
  guint32 size;
} MtArena;

/* mt_arena_init: a first block of @pool (transfer none), which outlives the arena, with room
 * for @bytes.  An arena that is all zero is good, too: its block comes from the allocator. */
void mt_arena_init(MtArena *arena, MtPool *pool, guint32 bytes);

void mt_arena_clear(MtArena *arena);

/* mt_arena_leave: as mt_arena_clear(), of one that is known to be @pool's: its block, which
 * may lie where the processor has long not been, is not looked at. */
void mt_arena_leave(MtArena *arena, MtPool *pool);

/* mt_arena_put: copies @text in, which may stand in the arena itself.  A span without
 * bytes (at == NULL) gives 0. */
MtText mt_arena_put(MtArena *arena, MtSpan text);

/* mt_arena_pack: copies of @count texts of @from, which stand in a row, for @to. */
void mt_arena_pack(const MtArena *from, MtArena *to, MtText *texts, guint count);

/* mt_arena_get: (transfer none): valid until the next put.  0 gives MT_NO_SPAN. */
static inline MtSpan
mt_arena_get(const MtArena *arena, MtText text)
{
  guint16 len;

  if (!text)
    return MT_NO_SPAN;
  memcpy(&len, arena->bytes + text, sizeof len);
  return mt_span(arena->bytes + text + sizeof len, len);
}

#endif
