#include "engine/raw.h"
#include "scan/secret.h"
#include "store/store.h"

/* Longer lines are cut: no syslog daemon passes on more by default. */
#define LINE_MAX_BYTES 65536

typedef struct
{
  MtTime at;
  GString *bytes; /* host, program and text, one behind the other */
  guint host_len, program_len;
} Slot;

struct MtRawRing
{
  Slot *slots;
  guint size, count, next;
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
    if (ring->slots[i].bytes)
      g_string_free(ring->slots[i].bytes, TRUE);
  g_free(ring->slots);
  g_free(ring);
}

void
mt_raw_add(MtRawRing *ring, const MtLine *line)
{
  Slot *slot;

  if (ring->size == 0)
    return;
  slot = &ring->slots[ring->next];
  if (!slot->bytes)
    slot->bytes = g_string_sized_new(line->text.len + 64);
  g_string_truncate(slot->bytes, 0);
  slot->at = line->time;
  slot->host_len = line->host.len;
  slot->program_len = line->program.len;
  g_string_append_len(slot->bytes, line->host.at, line->host.len);
  g_string_append_len(slot->bytes, line->program.at, line->program.len);
  g_string_append_len(slot->bytes, line->text.at, MIN(line->text.len, LINE_MAX_BYTES));
  ring->next = (ring->next + 1) % ring->size;
  ring->count = MIN(ring->count + 1, ring->size);
}

GArray *
mt_raw_take(MtRawRing *ring)
{
  GArray *lines = g_array_new(FALSE, FALSE, sizeof(MtRawLine));

  for (guint i = 0; i < ring->count; i++)
    {
      const Slot *slot = &ring->slots[(ring->next + ring->size - ring->count + i) % ring->size];
      const gchar *at = slot->bytes->str;
      MtRawLine line = { .at = slot->at };

      line.host = mt_span(at, slot->host_len);
      line.program = mt_span(at + slot->host_len, slot->program_len);
      at += slot->host_len + slot->program_len;
      /* Only here: most lines are gone before anybody takes them. */
      line.text = mt_secret_cut(mt_span(at, slot->bytes->str + slot->bytes->len - at));
      g_array_append_val(lines, line);
    }
  ring->count = 0;
  return lines;
}
