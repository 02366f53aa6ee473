#include "store/guard.h"

/* Buckets of the store, and hashes in them, that are held in memory while lines of their
 * minutes come (16 MiB): one that leaves forgets which of its lines have come again. */
#define LOADED_BUCKETS 4096
#define LOADED_HASHES 2000000

typedef struct
{
  guint64 hash : 63, used : 1;
} Entry;

G_STATIC_ASSERT(MT_GUARD_HASH_BITS < 64 && sizeof(Entry) == sizeof(guint64));

typedef struct
{
  guint64 key;     /* host and minute */
  GArray *entries; /* Entry, by hash */
  GArray *taken;   /* guint: entries used by the open batch */
  GArray *flying;  /* guint: by the one that is being written */
  gint64 read_id;  /* chunks up to here are in it */
  guint64 touched;
} Bucket;

typedef struct
{
  guint32 host;
  gint32 minute;
  GArray *hashes; /* guint64 */
} Chunk;

/* Lines of one daemon come one behind the other: what was last hashed, and its hash. */
#define LAST_BYTES 64

typedef struct
{
  gchar text[LAST_BYTES];
  gsize len;
  guint64 hash;
} Last;

struct MtGuard
{
  sqlite3 *db;
  MtHashKey key;
  GHashTable *latest;         /* host -> its last minute in the store when we began, plus 1 */
  GHashTable *loaded;         /* key -> Bucket */
  gsize loaded_count;         /* entries of all of them */
  GHashTable *fresh;          /* key -> Chunk, of the open batch */
  GHashTable *writing;        /* of the one that is being written */
  Chunk *last;                /* the one that the line before went into */
  GArray *own;                /* gint64 pairs: chunks that we wrote ourselves, first and last */
  gint64 next_id, written_id; /* of the next chunk; of the first that is being written */
  gint64 seen_id;             /* chunks up to here have been looked at */
  guint64 clock;
  guint64 held;
  gboolean failed; /* reading did, since the last commit */
  Last host, program;
  GByteArray *packed; /* of the chunk that is being written */
  GArray *sorted;     /* its hashes */
};

static void
free_bucket(gpointer data)
{
  Bucket *bucket = data;

  g_array_free(bucket->entries, TRUE);
  g_array_free(bucket->taken, TRUE);
  g_array_free(bucket->flying, TRUE);
  g_free(bucket);
}

static void
free_chunk(gpointer data)
{
  Chunk *chunk = data;

  g_array_free(chunk->hashes, TRUE);
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
  guard->writing = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, free_chunk);
  guard->own = g_array_new(FALSE, FALSE, sizeof(gint64));
  guard->packed = g_byte_array_new();
  guard->sorted = g_array_new(FALSE, FALSE, sizeof(guint64));
  guard->host.len = guard->program.len = G_MAXSIZE;
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
  g_hash_table_destroy(guard->writing);
  g_array_free(guard->own, TRUE);
  g_byte_array_free(guard->packed, TRUE);
  g_array_free(guard->sorted, TRUE);
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
  if (sqlite3_prepare_v2(guard->db, "SELECT id, minute, host FROM guard WHERE id>?1", -1, &stmt,
                         NULL)
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
  guard->next_id = guard->written_id =
      mt_sql_integer(guard->db, "SELECT max(id) FROM guard", 0) + 1;
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
hash_again(const MtGuard *guard, Last *last, MtSpan text)
{
  if (text.len == last->len && memcmp(text.at ? text.at : "", last->text, text.len) == 0)
    return last->hash;
  last->hash = mt_hash_span(&guard->key, text);
  last->len = text.len <= LAST_BYTES ? text.len : G_MAXSIZE;
  if (text.len && text.len <= LAST_BYTES)
    memcpy(last->text, text.at, text.len);
  return last->hash;
}

static guint64
hash_line(MtGuard *guard, const MtLine *line)
{
  guint64 hash = mt_hash_span(&guard->key, line->text);

  hash = mt_hash_mix(hash, hash_again(guard, &guard->program, line->program));
  hash = mt_hash_mix(hash, line->time / MT_SECOND_US);
  return mt_hash_mix(hash, line->pid) & ((G_GUINT64_CONSTANT(1) << MT_GUARD_HASH_BITS) - 1);
}

static gint
compare_entries(gconstpointer a, gconstpointer b)
{
  guint64 left = ((const Entry *) a)->hash, right = ((const Entry *) b)->hash;

  return left < right ? -1 : left > right;
}

static void
add_entry(Bucket *bucket, guint64 hash)
{
  Entry entry = { hash, 0 };

  g_array_append_val(bucket->entries, entry);
}

/* As stores of schema 1 have them: one behind the other.  Packed chunks are never of such a
 * length. */
#define PLAIN_BYTES (MT_GUARD_HASH_BITS / 8)

static void
add_plain(Bucket *bucket, const guint8 *bytes, gsize len)
{
  for (gsize i = 0; i < len; i += PLAIN_BYTES)
    {
      guint64 hash = 0;

      memcpy(&hash, bytes + i, PLAIN_BYTES);
      add_entry(bucket, GUINT64_FROM_LE(hash));
    }
}

/* A packed chunk: how many hashes (four bytes, the lowest first); then, in their order, by how
 * much each is more than the one before: that is about as much as all there could be divided by
 * how many there are.  What is above is written as so many zeros and a one, the rest in bits
 * (Rice's code). */
#define COUNT_BYTES 4
static guint
rice_bits(guint count)
{
  return MT_GUARD_HASH_BITS - g_bit_storage(count);
}

static gboolean
bit_at(const guint8 *bytes, gsize at)
{
  return bytes[at / 8] >> at % 8 & 1;
}

static void
add_packed(Bucket *bucket, const guint8 *bytes, gsize len)
{
  guint32 count = 0;
  guint64 hash = 0;
  gsize at = 8 * COUNT_BYTES, end = 8 * len;
  guint bits;

  memcpy(&count, bytes, MIN(len, COUNT_BYTES));
  count = GUINT32_FROM_LE(count);
  bits = rice_bits(count);
  for (guint i = 0; i < count; i++)
    {
      for (; at < end && !bit_at(bytes, at); at++)
        hash += G_GUINT64_CONSTANT(1) << bits;
      if (++at + bits > end)
        return;
      for (guint b = 0; b < bits; b++, at++)
        hash += (guint64) bit_at(bytes, at) << b;
      add_entry(bucket, hash);
    }
}

static void
add_chunk(Bucket *bucket, const guint8 *bytes, gsize len)
{
  if (len % PLAIN_BYTES == 0)
    add_plain(bucket, bytes, len);
  else
    add_packed(bucket, bytes, len);
}

static gboolean
forget_oldest(MtGuard *guard)
{
  GHashTableIter iter;
  gpointer value;
  Bucket *oldest = NULL;

  g_hash_table_iter_init(&iter, guard->loaded);
  while (g_hash_table_iter_next(&iter, NULL, &value))
    if (!oldest || ((Bucket *) value)->touched < oldest->touched)
      oldest = value;
  if (!oldest || oldest->taken->len || oldest->flying->len)
    return FALSE;
  guard->loaded_count -= oldest->entries->len;
  g_hash_table_remove(guard->loaded, &oldest->key);
  return TRUE;
}

/* What others wrote into the bucket since it was read; all of it at first. */
static void
read_bucket(MtGuard *guard, Bucket *bucket)
{
  guint before = bucket->entries->len;
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
      add_chunk(bucket, sqlite3_column_blob(stmt, 1), sqlite3_column_bytes(stmt, 1));
  guard->failed |= code != SQLITE_DONE;
  sqlite3_finalize(stmt);
  guard->loaded_count += bucket->entries->len - before;
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
      bucket->flying = g_array_new(FALSE, FALSE, sizeof(guint));
      while ((guard->loaded_count >= LOADED_HASHES
              || g_hash_table_size(guard->loaded) >= LOADED_BUCKETS)
             && forget_oldest(guard))
        continue;
      g_hash_table_insert(guard->loaded, &bucket->key, bucket);
      read_bucket(guard, bucket);
    }
  else if (bucket->read_id < guard->seen_id && !bucket->taken->len && !bucket->flying->len)
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
        entries[low].used = 1;
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
      chunk->hashes = g_array_new(FALSE, FALSE, sizeof(guint64));
      g_hash_table_insert(guard->fresh, g_memdup2(&key, sizeof key), chunk);
    }
  guard->last = chunk;
  g_array_append_val(chunk->hashes, hash);
}

gboolean
mt_guard_pass(MtGuard *guard, const MtLine *line)
{
  guint32 host = hash_again(guard, &guard->host, line->host);
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

/* Hashes are spread evenly: sorted by their first bits, almost all stand where they belong. */
#define SORT_BITS 10

static void
sort_hashes(const GArray *hashes, GArray *sorted)
{
  const guint64 *from = (const guint64 *) (gpointer) hashes->data;
  guint ends[(1 << SORT_BITS) + 1] = { 0 };
  guint64 *to;

  g_array_set_size(sorted, hashes->len);
  to = (guint64 *) (gpointer) sorted->data;
  for (guint i = 0; i < hashes->len; i++)
    ends[(from[i] >> (MT_GUARD_HASH_BITS - SORT_BITS)) + 1]++;
  for (guint i = 1; i <= 1 << SORT_BITS; i++)
    ends[i] += ends[i - 1];
  for (guint i = 0; i < hashes->len; i++)
    to[ends[from[i] >> (MT_GUARD_HASH_BITS - SORT_BITS)]++] = from[i];
  for (guint i = 1; i < hashes->len; i++)
    {
      guint64 hash = to[i];
      guint at = i;

      for (; at > 0 && to[at - 1] > hash; at--)
        to[at] = to[at - 1];
      to[at] = hash;
    }
}

typedef struct
{
  guint8 *at;
  guint64 bits;
  guint count;
} BitWriter;

/* At most 56 bits at once. */
static inline void
write_bits(BitWriter *to, guint64 bits, guint count)
{
  to->bits |= bits << to->count;
  for (to->count += count; to->count >= 8; to->count -= 8, to->bits >>= 8)
    *to->at++ = to->bits;
}

static void
pack_hashes(BitWriter *to, const GArray *sorted)
{
  guint bits = rice_bits(sorted->len);
  guint64 last = 0;

  for (guint i = 0; i < sorted->len; i++)
    {
      guint64 hash = g_array_index(sorted, guint64, i), gap = hash - last;

      for (guint64 zeros = gap >> bits; zeros > 0; zeros--)
        write_bits(to, 0, 1);
      write_bits(to, 1, 1);
      write_bits(to, gap & ((G_GUINT64_CONSTANT(1) << bits) - 1), bits);
      last = hash;
    }
  write_bits(to, 0, 7); /* the last byte, if it is not full */
}

static void
pack_chunk(MtGuard *guard, const Chunk *chunk)
{
  BitWriter to = { NULL, 0, 0 };
  gsize room = chunk->hashes->len * (MT_GUARD_HASH_BITS + 3) / 8 + COUNT_BYTES + 3;

  sort_hashes(chunk->hashes, guard->sorted);
  /* All zeros together are at most twice as many as hashes. */
  g_byte_array_set_size(guard->packed, room);
  to.at = guard->packed->data;
  write_bits(&to, chunk->hashes->len, 8 * COUNT_BYTES);
  pack_hashes(&to, guard->sorted);
  if ((to.at - guard->packed->data) % PLAIN_BYTES == 0)
    *to.at++ = 0;
  g_byte_array_set_size(guard->packed, to.at - guard->packed->data);
}

void
mt_guard_read_by(MtGuard *guard, sqlite3 *db)
{
  guard->db = db;
}

static gboolean
write_chunk(MtGuard *guard, sqlite3_stmt *stmt, gint64 id, const Chunk *chunk)
{
  pack_chunk(guard, chunk);
  sqlite3_bind_int64(stmt, 1, id);
  sqlite3_bind_int64(stmt, 2, chunk->minute);
  sqlite3_bind_int64(stmt, 3, chunk->host);
  sqlite3_bind_blob(stmt, 4, guard->packed->data, guard->packed->len, SQLITE_STATIC);
  return mt_sql_run(stmt);
}

gboolean
mt_guard_write(MtGuard *guard, sqlite3 *db)
{
  gint64 id = guard->written_id;
  GHashTableIter iter;
  gpointer value;
  sqlite3_stmt *stmt;
  gboolean ok = TRUE;

  if (g_hash_table_size(guard->writing) == 0)
    return TRUE;
  if (sqlite3_prepare_v2(db, "INSERT INTO guard(id, minute, host, hashes) VALUES(?1,?2,?3,?4)", -1,
                         &stmt, NULL)
      != SQLITE_OK)
    return FALSE;
  g_hash_table_iter_init(&iter, guard->writing);
  while (ok && g_hash_table_iter_next(&iter, NULL, &value))
    ok = write_chunk(guard, stmt, id++, value);
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

/* Chunks of this number and later were never written. */
static void
forget_own(MtGuard *guard, gint64 first)
{
  GArray *own = guard->own;

  while (own->len && g_array_index(own, gint64, own->len - 2) >= first)
    g_array_set_size(own, own->len - 2);
  if (own->len && g_array_index(own, gint64, own->len - 1) >= first)
    g_array_index(own, gint64, own->len - 1) = first - 1;
  guard->seen_id = MIN(guard->seen_id, first - 1);
}

static void
release(Bucket *bucket, GArray *used)
{
  for (guint i = 0; i < used->len; i++)
    g_array_index(bucket->entries, Entry, g_array_index(used, guint, i)).used = 0;
  g_array_set_size(used, 0);
}

static void
each_bucket(MtGuard *guard, void (*each)(const MtGuard *guard, Bucket *bucket))
{
  GHashTableIter iter;
  gpointer bucket;

  g_hash_table_iter_init(&iter, guard->loaded);
  while (g_hash_table_iter_next(&iter, NULL, &bucket))
    each(guard, bucket);
}

static void
hand_over_taken(const MtGuard *guard, Bucket *bucket)
{
  g_array_append_vals(bucket->flying, bucket->taken->data, bucket->taken->len);
  g_array_set_size(bucket->taken, 0);
}

static void
keep_flying(const MtGuard *guard, Bucket *bucket)
{
  g_array_set_size(bucket->flying, 0);
}

/* Numbers that were not written will be others'. */
static void
release_all(const MtGuard *guard, Bucket *bucket)
{
  release(bucket, bucket->taken);
  release(bucket, bucket->flying);
  bucket->read_id = MIN(bucket->read_id, guard->seen_id);
}

/* Numbers are ours from now on: who reads beside the writing must not take its chunks for those
 * of others. */
gboolean
mt_guard_submit(MtGuard *guard)
{
  GHashTable *fresh = guard->fresh;

  if (guard->failed)
    return FALSE;
  guard->fresh = guard->writing;
  guard->writing = fresh;
  guard->last = NULL;
  guard->written_id = guard->next_id;
  guard->next_id += g_hash_table_size(fresh);
  note_own(guard, guard->written_id, guard->next_id - 1);
  each_bucket(guard, hand_over_taken);
  return TRUE;
}

gboolean
mt_guard_is_last(const MtGuard *guard)
{
  return mt_sql_integer(guard->db, "SELECT max(id) FROM guard", 0) + 1 <= guard->next_id;
}

void
mt_guard_committed(MtGuard *guard)
{
  guard->written_id = guard->next_id;
  g_hash_table_remove_all(guard->writing);
  each_bucket(guard, keep_flying);
}

void
mt_guard_rolled_back(MtGuard *guard)
{
  if (guard->failed) /* what was read may not be all */
    {
      g_hash_table_remove_all(guard->loaded);
      guard->loaded_count = 0;
    }
  guard->failed = FALSE;
  if (guard->written_id < guard->next_id)
    forget_own(guard, guard->written_id);
  guard->next_id = guard->written_id;
  each_bucket(guard, release_all);
  g_hash_table_remove_all(guard->fresh);
  g_hash_table_remove_all(guard->writing);
  guard->last = NULL;
}

guint64
mt_guard_held(const MtGuard *guard)
{
  return guard->held;
}
