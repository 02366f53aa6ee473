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

/* A text in an arena; 0 is none, which is not the empty text.  Above MT_ARENA_MAX_BYTES it is one
 * of the words that every log is full of: these are in no arena. */
typedef guint16 MtText;

/* Longer than any address (RFC 5321: 320) or reply line that says something new. */
#define MT_TEXT_MAX_BYTES 2048

/* Room for 28 of the longest texts; a record that may replace its texts packs them by then. */
#define MT_ARENA_MAX_BYTES 60000

/* An arena that is all zero is empty.  Packed, so that what holds one need not be padded. */
typedef struct
{
  gchar *bytes;
  guint16 used;
  guint16 size;
} __attribute__((packed, aligned(4))) MtArena;

/* The pool of an arena, in each call the same, outlives it. */

/* mt_arena_init: a first block with room for @bytes, of which the first @head are the record's
 * own: they move with the texts.  They are not cleared. */
void mt_arena_init(MtArena *arena, MtPool *pool, guint16 head, guint16 bytes);

void mt_arena_clear(MtArena *arena, MtPool *pool);

/* mt_arena_put: copies @text in, which may stand in the arena itself.  A span without
 * bytes (at == NULL) gives 0, as does one that mt_arena_has_room() has no room for. */
MtText mt_arena_put(MtArena *arena, MtPool *pool, MtSpan text);

/* mt_arena_replace: as mt_arena_put(), in the place of @old if that is long enough. */
MtText mt_arena_replace(MtArena *arena, MtPool *pool, MtText old, MtSpan text);

/* mt_arena_pack: copies of @count texts of @from, which stand in a row, for @to. */
void mt_arena_pack(const MtArena *from, MtArena *to, MtPool *pool, MtText *texts, guint count);

/* mt_arena_fit: gives back what is left free, if it is worth a move. */
void mt_arena_fit(MtArena *arena, MtPool *pool);

/* mt_arena_word: the word of this number. */
MtSpan mt_arena_word(MtText text);

/* mt_arena_has: it is a text, and no word. */
static inline gboolean
mt_arena_has(MtText text)
{
  return text - 1u < MT_ARENA_MAX_BYTES;
}

/* Texts have their length in front: a byte, or for long ones this and two more. */
#define MT_TEXT_LONG 255

/* mt_arena_get: (transfer none): valid until the next put.  0 gives MT_NO_SPAN. */
static inline MtSpan
mt_arena_get(const MtArena *arena, MtText text)
{
  const gchar *at;
  guint16 len;

  if (!text)
    return MT_NO_SPAN;
  if (text > MT_ARENA_MAX_BYTES)
    return mt_arena_word(text);
  at = arena->bytes + text;
  if ((guchar) *at != MT_TEXT_LONG)
    return mt_span(at + 1, (guchar) *at);
  memcpy(&len, at + 1, sizeof len);
  return mt_span(at + 1 + sizeof len, len);
}

/* mt_arena_text_bytes: what a text takes. */
static inline guint16
mt_arena_text_bytes(MtSpan text)
{
  guint16 len = MIN(text.len, MT_TEXT_MAX_BYTES);

  return len + (len < MT_TEXT_LONG ? 1 : 1 + sizeof len);
}

static inline gboolean
mt_arena_has_room(const MtArena *arena, MtSpan text)
{
  return arena->used + mt_arena_text_bytes(text) <= MT_ARENA_MAX_BYTES;
}

#endif
