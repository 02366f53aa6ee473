#include "engine/raw.h"
#include "scan/secret.h"
#include "store/store.h"

/* Longer lines are cut: no syslog daemon passes on more by default. */
#define LINE_MAX_BYTES 65536

/* Most lines fit in this; what a longer one took is not kept for ever. */
#define USUAL_ROOM 256

/* host, program, text, and the IDs of the records that it made */
#define TEXTS 6

typedef struct
{
  MtTime at;
  gchar *bytes; /* all texts, one behind the other */
  gsize room;
  guint lens[TEXTS];
} Slot;

struct MtRawRing
{
  Slot *slots;
  guint size, count, next;
  guint uncommitted; /* the newest of them */
  guint flying;      /* those before these */
};

MtRawRing *
mt_raw_new(guint size)
{
  MtRawRing *ring = g_new0(MtRawRing, 1);

  ring->slots = g_new0(Slot, MAX(size, 1));
  ring->size = size;
  return ring;
}

void
mt_raw_free(MtRawRing *ring)
{
  if (!ring)
    return;
  for (guint i = 0; i < ring->size; i++)
    g_free(ring->slots[i].bytes);
  g_free(ring->slots);
  g_free(ring);
}

static gchar *
make_room(Slot *slot, const MtSpan texts[TEXTS])
{
  gsize size = 0;

  for (guint i = 0; i < TEXTS; i++)
    size += texts[i].len;
  if (size > slot->room || (slot->room > USUAL_ROOM && size < slot->room / 2))
    {
      g_free(slot->bytes);
      slot->room = MAX(size + size / 8, USUAL_ROOM);
      slot->bytes = g_malloc(slot->room);
    }
  return slot->bytes;
}

void
mt_raw_add(MtRawRing *ring, const MtLine *line, const MtEvent *event)
{
  const MtSpan texts[TEXTS] = { line->host,
                                line->program,
                                mt_span(line->text.at, MIN(line->text.len, LINE_MAX_BYTES)),
                                mt_event_text(event, MT_F_QUEUE_ID),
                                mt_event_text(event, MT_F_MESSAGE_ID),
                                mt_event_text(event, MT_F_SESSION) };
  Slot *slot;
  gchar *to;

  if (ring->size == 0)
    return;
  slot = &ring->slots[ring->next];
  to = make_room(slot, texts);
  slot->at = line->time;
  for (guint i = 0; i < TEXTS; i++)
    {
      slot->lens[i] = texts[i].len;
      if (texts[i].len)
        memcpy(to, texts[i].at, texts[i].len);
      to += texts[i].len;
    }
  ring->next = (ring->next + 1) % ring->size;
  ring->count = MIN(ring->count + 1, ring->size);
  ring->uncommitted = MIN(ring->uncommitted + 1, ring->size);
}

void
mt_raw_mark(MtRawRing *ring)
{
  ring->uncommitted = ring->flying = 0;
}

void
mt_raw_chain(MtRawRing *ring)
{
  ring->flying = ring->uncommitted;
  ring->uncommitted = 0;
}

void
mt_raw_landed(MtRawRing *ring)
{
  ring->flying = 0;
}

void
mt_raw_forget_open(MtRawRing *ring)
{
  guint newest = MIN(ring->uncommitted, ring->count);

  if (newest)
    ring->next = (ring->next + ring->size - newest) % ring->size;
  ring->count -= newest;
  ring->uncommitted = 0;
}

void
mt_raw_forget(MtRawRing *ring)
{
  ring->uncommitted += ring->flying;
  ring->flying = 0;
  mt_raw_forget_open(ring);
}

/* Of an ID that the line does not state there is none. */
static void
read_slot(const Slot *slot, MtRawLine *line)
{
  MtSpan *const to[TEXTS] = { &line->host,     &line->program,    &line->text,
                              &line->queue_id, &line->message_id, &line->session };
  const gchar *at = slot->bytes;

  line->at = slot->at;
  for (guint i = 0; i < TEXTS; i++)
    {
      *to[i] = i > 2 && slot->lens[i] == 0 ? MT_NO_SPAN : mt_span(at, slot->lens[i]);
      at += slot->lens[i];
    }
}

GArray *
mt_raw_waiting(const MtRawRing *ring)
{
  GArray *lines = g_array_new(FALSE, FALSE, sizeof(MtRawLine));

  for (guint i = 0; i < ring->count; i++)
    {
      MtRawLine line;

      read_slot(&ring->slots[(ring->next + ring->size - ring->count + i) % ring->size], &line);
      line.text = mt_secret_cut(line.text); /* only here: most lines are gone before */
      g_array_append_val(lines, line);
    }
  return lines;
}

void
mt_raw_written(MtRawRing *ring)
{
  ring->count = 0;
  mt_raw_mark(ring);
}
