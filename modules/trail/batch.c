#include "trail/batch.h"

#define BLOCK_BYTES (256 * 1024)

MtBatch *
mt_batch_new(void)
{
  MtBatch *batch = g_new0(MtBatch, 1);

  batch->messages = g_array_new(FALSE, FALSE, sizeof(MtMessageRow));
  batch->deliveries = g_array_new(FALSE, FALSE, sizeof(MtDeliveryRow));
  batch->attempts = g_array_new(FALSE, FALSE, sizeof(MtAttemptRow));
  batch->accesses = g_array_new(FALSE, FALSE, sizeof(MtAccessRow));
  batch->failures = g_array_new(FALSE, FALSE, sizeof(MtFailureRow));
  batch->rejects = g_array_new(FALSE, FALSE, sizeof(MtRejectRow));
  batch->mailbox = g_array_new(FALSE, FALSE, sizeof(MtMailboxRow));
  batch->incidents = g_array_new(FALSE, FALSE, sizeof(MtIncidentRow));
  batch->connections = g_array_new(FALSE, FALSE, sizeof(MtConnectionRow));
  batch->activities = g_array_new(FALSE, FALSE, sizeof(MtActivityRow));
  batch->pendings = g_array_new(FALSE, FALSE, sizeof(MtPendingRow));
  batch->local_domains = g_array_new(FALSE, FALSE, sizeof(MtSpan));
  batch->blocks = g_ptr_array_new_with_free_func(g_free);
  return batch;
}

static GArray **
arrays_of(MtBatch *batch)
{
  return &batch->messages; /* the arrays stand in a row */
}

#define ARRAY_COUNT \
  ((G_STRUCT_OFFSET(MtBatch, blocks) - G_STRUCT_OFFSET(MtBatch, messages)) / sizeof(GArray *))

void
mt_batch_free(MtBatch *batch)
{
  if (!batch)
    return;
  for (gsize i = 0; i < ARRAY_COUNT; i++)
    g_array_free(arrays_of(batch)[i], TRUE);
  g_ptr_array_free(batch->blocks, TRUE);
  g_free(batch);
}

void
mt_batch_clear(MtBatch *batch)
{
  for (gsize i = 0; i < ARRAY_COUNT; i++)
    g_array_set_size(arrays_of(batch)[i], 0);
  g_ptr_array_set_size(batch->blocks, 0);
  batch->left = 0;
}

MtSpan
mt_batch_text(MtBatch *batch, MtSpan text)
{
  gchar *copy;

  if (!text.at)
    return text;
  if (!text.len)
    return mt_span("", 0); /* there may be no block yet, and empty is not NULL */
  if (text.len > batch->left)
    {
      gsize size = MAX(text.len, BLOCK_BYTES);

      batch->at = g_malloc(size);
      batch->left = size;
      g_ptr_array_add(batch->blocks, batch->at);
    }
  copy = batch->at;
  memcpy(copy, text.at, text.len);
  batch->at += text.len;
  batch->left -= text.len;
  return mt_span(copy, text.len);
}
