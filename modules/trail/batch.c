#include "trail/batch.h"

#define BLOCK_BYTES (256 * 1024)

MtBatch *
mt_batch_new(void)
{
  MtBatch *batch = g_new0(MtBatch, 1);

  batch->messages = g_array_new(FALSE, TRUE, sizeof(MtMessageRow));
  batch->deliveries = g_array_new(FALSE, TRUE, sizeof(MtDeliveryRow));
  batch->attempts = g_array_new(FALSE, TRUE, sizeof(MtAttemptRow));
  batch->accesses = g_array_new(FALSE, TRUE, sizeof(MtAccessRow));
  batch->failures = g_array_new(FALSE, TRUE, sizeof(MtFailureRow));
  batch->rejects = g_array_new(FALSE, TRUE, sizeof(MtRejectRow));
  batch->mailbox = g_array_new(FALSE, TRUE, sizeof(MtMailboxRow));
  batch->incidents = g_array_new(FALSE, TRUE, sizeof(MtIncidentRow));
  batch->connections = g_array_new(FALSE, TRUE, sizeof(MtConnectionRow));
  batch->activities = g_array_new(FALSE, TRUE, sizeof(MtActivityRow));
  batch->pendings = g_array_new(FALSE, TRUE, sizeof(MtPendingRow));
  batch->local_domains = g_array_new(FALSE, TRUE, sizeof(MtSpan));
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

/* A batch that was larger than this was one of an import, or of a flood. */
#define MAX_KEPT_BLOCKS 16
#define MAX_KEPT_BYTES (2 * 1024 * 1024)

void
mt_batch_clear(MtBatch *batch)
{
  for (gsize i = 0; i < ARRAY_COUNT; i++)
    {
      GArray **rows = &arrays_of(batch)[i];
      guint row_bytes = g_array_get_element_size(*rows);

      if ((gsize) (*rows)->len * row_bytes > MAX_KEPT_BYTES)
        {
          g_array_free(*rows, TRUE);
          *rows = g_array_new(FALSE, TRUE, row_bytes);
        }
      g_array_set_size(*rows, 0);
    }
  if (batch->next_block > MAX_KEPT_BLOCKS)
    g_ptr_array_set_size(batch->blocks, 0);
  batch->next_block = 0;
  batch->left = 0;
}

/* A block for @bytes: the next of the kept ones, unless it is too small. */
static void
open_block(MtBatch *batch, gsize bytes)
{
  gsize size = MAX(bytes, BLOCK_BYTES);

  if (size > BLOCK_BYTES || batch->next_block == batch->blocks->len)
    g_ptr_array_insert(batch->blocks, batch->next_block, g_malloc(size));
  batch->at = g_ptr_array_index(batch->blocks, batch->next_block++);
  batch->left = size;
}

gchar *
mt_batch_take(MtBatch *batch, gsize bytes)
{
  gchar *at;

  if (bytes > batch->left)
    open_block(batch, bytes);
  at = batch->at;
  batch->at += bytes;
  batch->left -= bytes;
  return at;
}

MtSpan
mt_batch_text(MtBatch *batch, MtSpan text)
{
  gchar *copy;

  if (!text.at)
    return text;
  if (!text.len)
    return mt_span("", 0); /* there may be no block yet, and empty is not NULL */
  copy = mt_batch_take(batch, text.len);
  memcpy(copy, text.at, text.len);
  return mt_span(copy, text.len);
}
