#include "engine/sources.h"
#include "dialects/dialect.h"

struct MtRawSource
{
  MtSources *sources;
  MtStream stream, before; /* before: as of the last commit */
  guint64 batch;           /* for which before was kept */
  guint64 used;
};

/* Outsiders choose the keys, but there are few: a chain is never long. */
struct MtSources
{
  GHashTable *table; /* host, a line end, name -> MtRawSource */
  GString *key;
  GTimeZone *zone;
  gchar *zone_name;
  guint64 batch, used;
};

MtSources *
mt_sources_new(void)
{
  MtSources *sources = g_new0(MtSources, 1);

  sources->table = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
  sources->key = g_string_new(NULL);
  sources->zone = g_time_zone_new_local();
  sources->batch = 1;
  return sources;
}

void
mt_sources_free(MtSources *sources)
{
  if (!sources)
    return;
  g_hash_table_destroy(sources->table);
  g_string_free(sources->key, TRUE);
  g_time_zone_unref(sources->zone);
  g_free(sources->zone_name);
  g_free(sources);
}

void
mt_sources_set_zone(MtSources *sources, const gchar *zone)
{
  if (g_strcmp0(sources->zone_name, zone) == 0)
    return;
  g_hash_table_remove_all(sources->table);
  g_time_zone_unref(sources->zone);
  g_free(sources->zone_name);
  sources->zone_name = g_strdup(zone);
  sources->zone = zone ? g_time_zone_new_identifier(zone) : NULL;
  if (!sources->zone)
    sources->zone = g_time_zone_new_local();
}

static void
forget_oldest(MtSources *sources)
{
  const gchar *oldest = NULL;
  guint64 used = G_MAXUINT64;
  GHashTableIter iter;
  gpointer key, value;

  g_hash_table_iter_init(&iter, sources->table);
  while (g_hash_table_iter_next(&iter, &key, &value))
    if (((MtRawSource *) value)->used < used)
      oldest = key, used = ((MtRawSource *) value)->used;
  g_hash_table_remove(sources->table, oldest);
}

MtRawSource *
mt_sources_find(MtSources *sources, MtSpan host, MtSpan name, gboolean *is_new)
{
  MtRawSource *source;

  g_string_truncate(sources->key, 0);
  g_string_append_len(sources->key, host.at ? host.at : "", host.len);
  g_string_append_c(sources->key, '\n');
  g_string_append_len(sources->key, name.at ? name.at : "", name.len);
  source = g_hash_table_lookup(sources->table, sources->key->str);
  *is_new = source == NULL;
  if (!source)
    {
      if (g_hash_table_size(sources->table) >= MT_SOURCES_MAX)
        forget_oldest(sources);
      source = g_new0(MtRawSource, 1);
      source->sources = sources;
      g_hash_table_insert(sources->table, g_strdup(sources->key->str), source);
    }
  source->used = ++sources->used;
  return source;
}

void
mt_source_begin(MtRawSource *source, MtTime latest, MtSpan begin)
{
  MtCursor cur = mt_cursor(begin);
  MtClock clock;
  MtSpan raw;
  MtLine line;

  mt_clock_init(&clock, source->sources->zone, latest, 0);
  mt_stream_init(&source->stream, &clock, NULL, MT_NO_SPAN);
  while (mt_scan_until(&cur, '\n', &raw))
    mt_stream_head(&source->stream, raw, &line);
  source->stream.clock = clock;
}

gboolean
mt_source_head(MtRawSource *source, MtSpan raw, MtLine *line)
{
  if (source->batch != source->sources->batch)
    {
      source->batch = source->sources->batch;
      source->before = source->stream;
    }
  return mt_stream_head(&source->stream, raw, line);
}

void
mt_sources_commit(MtSources *sources)
{
  sources->batch++;
}

void
mt_sources_rollback(MtSources *sources)
{
  GHashTableIter iter;
  gpointer value;

  g_hash_table_iter_init(&iter, sources->table);
  while (g_hash_table_iter_next(&iter, NULL, &value))
    {
      MtRawSource *source = value;

      if (source->batch == sources->batch)
        source->stream = source->before;
    }
  sources->batch++;
}
