/* texts.c: what a message and its deliveries hold in arenas
 *
 * A number of a text has 16 bits: each record has an arena of its own, with room for all of its
 * texts at their longest.  What was replaced by something longer lies there until the arena is
 * full, or more than half of it is such.
 */
#include "trail/private.h"

/* What most messages hold until they are delivered, and most deliveries. */
#define FIRST_TEXT_BYTES 136
#define FIRST_SAID_BYTES 184

/* Texts grow to this before they are looked through. */
#define PACKED_BYTES 2048

/* ---- packing ------------------------------------------------------------------------ */

/* Numbers of texts that stand in a row. */
typedef struct
{
  MtText *first;
  guint count;
} Row;

/* All that a message holds of its arena, and a delivery. */
static void
rows_of_message(MtMessage *message, Row rows[2])
{
  rows[0] = (Row){ &message->host, MT_TEXTS(MtMessage, host, parent_queue_id) };
  rows[1] = (Row){ NULL, 0 };
  if (mt_message_more(message)->verdict)
    rows[1] =
        (Row){ &message->more->verdict->spam_action, MT_TEXTS(MtVerdict, spam_action, dmarc) };
}

static void
rows_of_delivery(MtDelivery *delivery, MtText *account, Row rows[2])
{
  MtSaid *said = (gpointer) delivery->arena.bytes;

  rows[0] = (Row){ &said->recipient, MT_TEXTS(MtSaid, recipient, filter_rule) };
  rows[1] = (Row){ account, delivery->counted.account_is == MT_ACCOUNT_OWN };
}

static guint
bytes_of_rows(const MtArena *arena, const Row rows[2])
{
  guint bytes = 0;

  for (guint row = 0; row < 2; row++)
    for (guint i = 0; i < rows[row].count; i++)
      if (mt_arena_has(rows[row].first[i]))
        bytes += mt_arena_text_bytes(mt_arena_get(arena, rows[row].first[i]));
  return bytes;
}

/* Without the texts that nothing holds any more.  Returns: the arena as it was. */
static MtArena
pack_message(MtTrail *trail, MtMessage *message)
{
  MtArena before = message->arena;
  Row rows[2];

  rows_of_message(message, rows);
  mt_arena_init(&message->arena, &trail->pool, 0, bytes_of_rows(&before, rows) + FIRST_TEXT_BYTES);
  for (guint row = 0; row < 2; row++)
    mt_arena_pack(&before, &message->arena, &trail->pool, rows[row].first, rows[row].count);
  return before;
}

/* The numbers move with the head of the arena. */
static void
pack_delivery(MtTrail *trail, MtDelivery *delivery)
{
  MtArena before = delivery->arena;
  MtText account = delivery->counted.account;
  Row rows[2];

  rows_of_delivery(delivery, &account, rows);
  mt_arena_init(&delivery->arena, &trail->pool, sizeof(MtSaid),
                bytes_of_rows(&before, rows) + FIRST_SAID_BYTES);
  memcpy(delivery->arena.bytes, before.bytes, sizeof(MtSaid));
  rows_of_delivery(delivery, &account, rows);
  for (guint row = 0; row < 2; row++)
    mt_arena_pack(&before, &delivery->arena, &trail->pool, rows[row].first, rows[row].count);
  delivery->counted.account = account;
  mt_arena_clear(&before, &trail->pool);
}

/* ---- of a message -------------------------------------------------------------------- */

void
mt_message_begin_texts(MtTrail *trail, MtMessage *message)
{
  mt_arena_init(&message->arena, &trail->pool, 0, FIRST_TEXT_BYTES);
}

/* The text may be one of the message's. */
static MtText
put_packed(MtTrail *trail, MtMessage *message, MtSpan text)
{
  MtArena before = pack_message(trail, message);
  MtText number = mt_arena_put(&message->arena, &trail->pool, text);

  mt_arena_clear(&before, &trail->pool);
  return number;
}

void
mt_message_replace(MtTrail *trail, MtMessage *message, MtText *field, MtSpan text)
{
  MtText number = mt_arena_replace(&message->arena, &trail->pool, *field, text);

  if (!number && text.at)
    number = put_packed(trail, message, text);
  *field = number;
}

/* ---- of a delivery ------------------------------------------------------------------- */

const MtSaid mt_delivery_nothing_said = { .last_at = MT_NO_TIME, .delay_us = MT_NO_NUMBER };

MtSaid *
mt_delivery_need_said(MtTrail *trail, MtDelivery *delivery)
{
  if (!delivery->arena.size)
    {
      mt_arena_init(&delivery->arena, &trail->pool, sizeof(MtSaid), FIRST_SAID_BYTES);
      memcpy(delivery->arena.bytes, &mt_delivery_nothing_said, sizeof(MtSaid));
    }
  return (gpointer) delivery->arena.bytes;
}

static MtText *
said_field(const MtDelivery *delivery, gsize field)
{
  return (gpointer) (delivery->arena.bytes + field);
}

/* The text, which is none of the delivery's own, in place of @old. */
static MtText
put_said(MtTrail *trail, MtDelivery *delivery, gsize field, MtSpan text)
{
  MtText old = *said_field(delivery, field);
  MtText number = old ? mt_arena_replace(&delivery->arena, &trail->pool, old, text)
                      : mt_arena_put(&delivery->arena, &trail->pool, text);

  if (G_LIKELY(number))
    return number;
  pack_delivery(trail, delivery);
  return mt_arena_put(&delivery->arena, &trail->pool, text);
}

void
mt_delivery_say_all(MtTrail *trail, MtDelivery *delivery, gsize field, const MtSpan *texts,
                    guint count)
{
  for (guint i = 0; i < count; i++, field += sizeof(MtText))
    {
      MtText number = 0;

      if (texts[i].at)
        {
          mt_delivery_need_said(trail, delivery);
          number = put_said(trail, delivery, field, texts[i]);
        }
      else if (!delivery->arena.size)
        continue;
      *said_field(delivery, field) = number; /* the field has moved, maybe */
    }
}

void
mt_delivery_say(MtTrail *trail, MtDelivery *delivery, gsize field, MtSpan text)
{
  mt_delivery_say_all(trail, delivery, field, &text, 1);
}

MtText
mt_delivery_own_text(MtTrail *trail, MtDelivery *delivery, MtSpan text)
{
  mt_delivery_need_said(trail, delivery);
  if (!mt_arena_has_room(&delivery->arena, text))
    pack_delivery(trail, delivery);
  return mt_arena_put(&delivery->arena, &trail->pool, text);
}

/* ---- behind a commit --------------------------------------------------------------- */

static gboolean
is_mostly_gone(const MtArena *arena, const Row rows[2])
{
  return arena->used > PACKED_BYTES && arena->used > 2 * bytes_of_rows(arena, rows);
}

static void
settle_message(MtTrail *trail, MtMessage *message)
{
  Row rows[2];

  rows_of_message(message, rows);
  if (is_mostly_gone(&message->arena, rows))
    {
      MtArena before = pack_message(trail, message);

      mt_arena_clear(&before, &trail->pool);
    }
  mt_arena_fit(&message->arena, &trail->pool);
}

static void
settle_delivery(MtTrail *trail, MtDelivery *delivery)
{
  Row rows[2];

  if (!delivery->arena.size)
    return;
  rows_of_delivery(delivery, &delivery->counted.account, rows);
  if (is_mostly_gone(&delivery->arena, rows))
    pack_delivery(trail, delivery);
  mt_arena_fit(&delivery->arena, &trail->pool);
}

void
mt_message_settle_texts(MtTrail *trail, MtMessage *message)
{
  settle_message(trail, message);
  for (guint i = 0; i < message->n_deliveries; i++)
    settle_delivery(trail, &message->deliveries[i]);
}
