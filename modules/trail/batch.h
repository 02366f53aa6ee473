/* batch.h: all effect of some lines, on its way to the store
 *
 * Layer: trail.  Concurrency: belongs to whoever holds it; may be handed to another
 * thread whole.
 *
 * Rows are flat copies: nothing in a batch points back into the trail.
 */
#ifndef MT_TRAIL_BATCH_H
#define MT_TRAIL_BATCH_H

#include "trail/rows.h"

typedef struct
{
  GArray *messages;      /* MtMessageRow */
  GArray *deliveries;    /* MtDeliveryRow */
  GArray *attempts;      /* MtAttemptRow */
  GArray *accesses;      /* MtAccessRow */
  GArray *failures;      /* MtFailureRow */
  GArray *rejects;       /* MtRejectRow */
  GArray *mailbox;       /* MtMailboxRow */
  GArray *incidents;     /* MtIncidentRow */
  GArray *connections;   /* MtConnectionRow, what is to be added */
  GArray *activities;    /* MtActivityRow, what is to be added */
  GArray *pendings;      /* MtPendingRow */
  GArray *local_domains; /* MtSpan: learned since the last batch */
  GPtrArray *blocks;     /* the texts */
  MtTrailIds ids;        /* the next free numbers, behind this batch */
  guint next_block;      /* of those; the ones behind it are empty */
  gchar *at;             /* free bytes of the block before it */
  gsize left;
} MtBatch;

MtBatch *mt_batch_new(void);
void mt_batch_free(MtBatch *batch);

/* mt_batch_clear: empties it for the next lines; keeps the memory, unless it is very much. */
void mt_batch_clear(MtBatch *batch);

static inline gpointer
mt_batch_add(GArray *rows, gsize row_bytes)
{
  g_array_set_size(rows, rows->len + 1);
  return rows->data + (rows->len - 1) * row_bytes;
}

/* MT_BATCH_ADD: a new row at the end of @rows, all zero; valid until the next one. */
#define MT_BATCH_ADD(rows, type) ((type *) mt_batch_add((rows), sizeof(type)))

/* mt_batch_take: room for texts, as long as the batch. */
gchar *mt_batch_take(MtBatch *batch, gsize bytes);

/* mt_batch_text: copies @text into the batch; no bytes stay no bytes. */
MtSpan mt_batch_text(MtBatch *batch, MtSpan text);

#endif
