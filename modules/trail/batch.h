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
  gchar *at;             /* free bytes of the last block */
  gsize left;
} MtBatch;

MtBatch *mt_batch_new(void);
void mt_batch_free(MtBatch *batch);

/* mt_batch_clear: empties it for the next lines; keeps the memory. */
void mt_batch_clear(MtBatch *batch);

/* mt_batch_text: copies @text into the batch; no bytes stay no bytes. */
MtSpan mt_batch_text(MtBatch *batch, MtSpan text);

#endif
