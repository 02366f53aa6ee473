#include "store/guard.h"

/* Buckets of the store that are held in memory while lines of their minute come. */
#define LOADED_MAX 64

typedef struct
{
  guint64 hash;
  gboolean used;
} Entry;

typedef struct
{
  guint64 key;     /* host and minute */
  GArray *entries; /* Entry, by hash */
  GArray *taken;   /* guint: entries used since the last commit */
  gint64 read_id;  /* chunks up to here are in it */
  guint64 touched;
} Bucket;

typedef struct
{
  guint32 host;
  gint32 minute;
  GByteArray *hashes;
} Chunk;

struct MtGuard
{
  sqlite3 *db;
  MtHashKey key;
  GHashTable *latest;  /* host -> its last minute in the store when we began, plus 1 */
  GHashTable *loaded;  /* key -> Bucket */
  GHashTable *fresh;   /* key -> Chunk, of the open batch */
  Chunk *last;         /* the one that the line before went into */
  GArray *own;         /* gint64 pairs: chunks that we wrote ourselves, first and last */
  gint64 next_id, written_id; /* of the next chunk; of the first of the open transaction */
  gint64 seen_id;      /* chunks up to here have been looked at */
  guint64 clock;
  guint64 held;
  gboolean failed; /* reading did, since the last commit */
};

static void
free_bucket(gpointer data)
{
  Bucket *bucket = data;

  g_array_free(bucket->entries, TRUE);
  g_array_free(bucket->taken, TRUE);
  g_free(bucket);
}

static void
free_chunk(gpointer data)
{
  Chunk *chunk = data;

  g_byte_array_free(chunk->hashes, TRUE);
  g_free(chunk);
}

MtGuard *
mt_guard_new(sqlite3 *db, const MtHashKey *key)
{
  MtGuard *guard = g_new0(MtGuard, 1);

  guard->db = db;
  guard->key = *key;
  guard->latest = g_hash_table_new(NULL, NULL);
  guard->loaded = g_hash_table_new_full(g_int64_hash, g_int64_equal, NULL, free_bucket);
  guard->fresh = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, free_chunk);
  guard->own = g_array_new(FALSE, FALSE, sizeof(gint64));
  return guard;
}

void
mt_guard_free(MtGuard *guard)
{
  if (!guard)
    return;
  g_hash_table_destroy(guard->latest);
  g_hash_table_destroy(guard->loaded);
  g_hash_table_destroy(guard->fresh);
  g_array_free(guard->own, TRUE);
  g_free(guard);
}

static guint64
key_of(guint32 host, gint32 minute)
{
  return (guint64) host << 32 | (guint32) minute;
}

static gboolean
is_own(const MtGuard *guard, gint64 id)
{
  for (guint i = 0; i + 1 < guard->own->len; i += 2)
    if (id >= g_array_index(guard->own, gint64, i)
        && id <= g_array_index(guard->own, gint64, i + 1))
      return TRUE;
  return FALSE;
}

static void
note_latest(MtGuard *guard, guint32 host, gint64 minute)
{
  gpointer key = GSIZE_TO_POINTER((gsize) host + 1);
  gint64 before = (gint64) GPOINTER_TO_SIZE(g_hash_table_lookup(guard->latest, key));

  if (minute + 1 > before)
    g_hash_table_insert(guard->latest, key, GSIZE_TO_POINTER((gsize) (minute + 1)));
}

gboolean
mt_guard_start(MtGuard *guard)
{
  sqlite3_stmt *stmt;
  gint code;

  mt_guard_rolled_back(guard);
  if (sqlite3_prepare_v2(guard->db, "SELECT id, minute, host FROM guard WHERE id>?1", -1, &stmt, NULL)
      != SQLITE_OK)
    return FALSE;
  sqlite3_bind_int64(stmt, 1, guard->seen_id);
  while ((code = sqlite3_step(stmt)) == SQLITE_ROW)
    {
      gint64 id = sqlite3_column_int64(stmt, 0);

      guard->seen_id = MAX(guard->seen_id, id);
      if (!is_own(guard, id))
        note_latest(guard, sqlite3_column_int64(stmt, 2), sqlite3_column_int64(stmt, 1));
    }
  sqlite3_finalize(stmt);
  guard->next_id = guard->written_id
    = mt_sql_integer(guard->db, "SELECT max(id) FROM guard", 0) + 1;
  return code == SQLITE_DONE;
}

gboolean
mt_guard_restart(MtGuard *guard)
{
  g_hash_table_remove_all(guard->latest);
  g_hash_table_remove_all(guard->loaded);
  g_array_set_size(guard->own, 0);
  guard->seen_id = 0;
  return mt_guard_start(guard);
}

/* ---- a line ---------------------------------------------------------------------------- */

static guint64
hash_line(const MtGuard *guard, const MtLine *line)
{
  guint64 hash = mt_hash_span(&guard->key, line->text);

  hash = mt_hash_mix(hash, mt_hash_span(&guard->key, line->program));
  hash = mt_hash_mix(hash, line->time / MT_SECOND_US);
  return mt_hash_mix(hash, line->pid) & ((G_GUINT64_CONSTANT(1) << (8 * MT_GUARD_HASH_BYTES)) - 1);
}

static gint
compare_entries(gconstpointer a, gconstpointer b)
{
  guint64 left = ((const Entry *) a)->hash, right = ((const Entry *) b)->hash;

  return left < right ? -1 : left > right;
}

static void
add_hashes(Bucket *bucket, const guint8 *bytes, gsize len)
{
  for (gsize i = 0; i + MT_GUARD_HASH_BYTES <= len; i += MT_GUARD_HASH_BYTES)
    {
      Entry entry = { 0, FALSE };

      memcpy(&entry.hash, bytes + i, MT_GUARD_HASH_BYTES);
      entry.hash = GUINT64_FROM_LE(entry.hash);
      g_array_append_val(bucket->entries, entry);
    }
}

static void
forget_oldest(MtGuard *guard)
{
  GHashTableIter iter;
  gpointer value;
  Bucket *oldest = NULL;

  g_hash_table_iter_init(&iter, guard->loaded);
  while (g_hash_table_iter_next(&iter, NULL, &value))
    if (!oldest || ((Bucket *) value)->touched < oldest->touched)
      oldest = value;
  if (oldest && oldest->taken->len == 0)
    g_hash_table_remove(guard->loaded, &oldest->key);
}

/* What others wrote into the bucket since it was read; all of it at first. */
static void
read_bucket(MtGuard *guard, Bucket *bucket)
{
  sqlite3_stmt *stmt;
  gint code;

  if (sqlite3_prepare_v2(guard->db,
                         "SELECT id, hashes FROM guard WHERE minute=?1 AND host=?2 AND id>?3", -1,
                         &stmt, NULL)
      != SQLITE_OK)
    {
      guard->failed = TRUE;
      return;
    }
  sqlite3_bind_int64(stmt, 1, (gint32) bucket->key);
  sqlite3_bind_int64(stmt, 2, bucket->key >> 32);
  sqlite3_bind_int64(stmt, 3, bucket->read_id);
  while ((code = sqlite3_step(stmt)) == SQLITE_ROW)
    if (!is_own(guard, sqlite3_column_int64(stmt, 0)))
      add_hashes(bucket, sqlite3_column_blob(stmt, 1), sqlite3_column_bytes(stmt, 1));
  guard->failed |= code != SQLITE_DONE;
  sqlite3_finalize(stmt);
  bucket->read_id = guard->seen_id;
  g_array_sort(bucket->entries, compare_entries);
}

static Bucket *
bucket_of(MtGuard *guard, guint64 key)
{
  Bucket *bucket = g_hash_table_lookup(guard->loaded, &key);

  if (!bucket)
    {
      bucket = g_new0(Bucket, 1);
      bucket->key = key;
      bucket->entries = g_array_new(FALSE, FALSE, sizeof(Entry));
      bucket->taken = g_array_new(FALSE, FALSE, sizeof(guint));
      if (g_hash_table_size(guard->loaded) >= LOADED_MAX)
        forget_oldest(guard);
      g_hash_table_insert(guard->loaded, &bucket->key, bucket);
      read_bucket(guard, bucket);
    }
  else if (bucket->read_id < guard->seen_id && bucket->taken->len == 0)
    read_bucket(guard, bucket);
  bucket->touched = ++guard->clock;
  return bucket;
}

static gboolean
take(Bucket *bucket, guint64 hash)
{
  Entry *entries = (Entry *) (gpointer) bucket->entries->data;
  guint low = 0, high = bucket->entries->len;

  while (low < high)
    {
      guint middle = (low + high) / 2;

      if (entries[middle].hash < hash)
        low = middle + 1;
      else
        high = middle;
    }
  for (; low < bucket->entries->len && entries[low].hash == hash; low++)
    if (!entries[low].used)
      {
        entries[low].used = TRUE;
        g_array_append_val(bucket->taken, low);
        return TRUE;
      }
  return FALSE;
}

static void
remember(MtGuard *guard, guint32 host, gint32 minute, guint64 hash)
{
  Chunk *chunk = guard->last;
  guint64 key = key_of(host, minute);

  if (!chunk || chunk->host != host || chunk->minute != minute)
    chunk = g_hash_table_lookup(guard->fresh, &key);
  if (!chunk)
    {
      chunk = g_new0(Chunk, 1);
      chunk->host = host;
      chunk->minute = minute;
      chunk->hashes = g_byte_array_new();
      g_hash_table_insert(guard->fresh, g_memdup2(&key, sizeof key), chunk);
    }
  guard->last = chunk;
  hash = GUINT64_TO_LE(hash);
  g_byte_array_append(chunk->hashes, (const guint8 *) &hash, MT_GUARD_HASH_BYTES);
}

gboolean
mt_guard_pass(MtGuard *guard, const MtLine *line)
{
  guint32 host = mt_hash_span(&guard->key, line->host);
  gint32 minute = line->time / MT_MINUTE_US;
  guint64 hash = hash_line(guard, line);
  gpointer latest = g_hash_table_lookup(guard->latest, GSIZE_TO_POINTER((gsize) host + 1));

  if ((gint64) minute + 1 <= (gint64) GPOINTER_TO_SIZE(latest)
      && take(bucket_of(guard, key_of(host, minute)), hash))
    {
      guard->held++;
      return FALSE;
    }
  remember(guard, host, minute, hash);
  return TRUE;
}

/* ---- with the transaction ---------------------------------------------------------------- */

gboolean
mt_guard_write(MtGuard *guard)
{
  GHashTableIter iter;
  gpointer value;
  sqlite3_stmt *stmt;
  gboolean ok = TRUE;

  if (guard->failed)
    return FALSE;
  guard->written_id = guard->next_id;
  if (g_hash_table_size(guard->fresh) == 0)
    return TRUE;
  if (sqlite3_prepare_v2(guard->db,
                         "INSERT INTO guard(id, minute, host, hashes) VALUES(?1,?2,?3,?4)", -1,
                         &stmt, NULL)
      != SQLITE_OK)
    return FALSE;
  g_hash_table_iter_init(&iter, guard->fresh);
  while (ok && g_hash_table_iter_next(&iter, NULL, &value))
    {
      Chunk *chunk = value;

      sqlite3_bind_int64(stmt, 1, guard->next_id++);
      sqlite3_bind_int64(stmt, 2, chunk->minute);
      sqlite3_bind_int64(stmt, 3, chunk->host);
      sqlite3_bind_blob(stmt, 4, chunk->hashes->data, chunk->hashes->len, SQLITE_STATIC);
      ok = mt_sql_run(stmt);
    }
  sqlite3_finalize(stmt);
  return ok;
}

static void
note_own(MtGuard *guard, gint64 first, gint64 last)
{
  if (first > last)
    return;
  if (guard->own->len && g_array_index(guard->own, gint64, guard->own->len - 1) == first - 1)
    g_array_index(guard->own, gint64, guard->own->len - 1) = last;
  else
    {
      g_array_append_val(guard->own, first);
      g_array_append_val(guard->own, last);
    }
  guard->seen_id = MAX(guard->seen_id, last);
}

static void
settle(MtGuard *guard, gboolean committed)
{
  GHashTableIter iter;
  gpointer value;

  g_hash_table_iter_init(&iter, guard->loaded);
  while (g_hash_table_iter_next(&iter, NULL, &value))
    {
      Bucket *bucket = value;

      for (guint i = 0; !committed && i < bucket->taken->len; i++)
        g_array_index(bucket->entries, Entry, g_array_index(bucket->taken, guint, i)).used = FALSE;
      g_array_set_size(bucket->taken, 0);
    }
  g_hash_table_remove_all(guard->fresh);
  guard->last = NULL;
}

void
mt_guard_committed(MtGuard *guard)
{
  note_own(guard, guard->written_id, guard->next_id - 1);
  guard->written_id = guard->next_id;
  settle(guard, TRUE);
}

void
mt_guard_rolled_back(MtGuard *guard)
{
  if (guard->failed)
    g_hash_table_remove_all(guard->loaded); /* what was read may not be all */
  guard->failed = FALSE;
  guard->next_id = guard->written_id;
  settle(guard, FALSE);
}

guint64
mt_guard_held(const MtGuard *guard)
{
  return guard->held;
}
