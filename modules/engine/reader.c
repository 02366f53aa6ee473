#include "engine/reader.h"
#include "engine/settings.h"
#include "dialects/dialect.h"

struct MtReader
{
  MtParser parser;
  MtStream stream;
  gchar *host;
};

const gchar **
mt_reader_dialects(void)
{
  GPtrArray *names = g_ptr_array_new();

  for (gint i = 0; mt_dialects[i]; i++)
    g_ptr_array_add(names, (gpointer) mt_dialects[i]->name);
  g_ptr_array_add(names, NULL);
  return (const gchar **) g_ptr_array_free(names, FALSE);
}

MtReader *
mt_reader_new(const MtReaderSettings *settings, GError **error)
{
  const gchar *dialect = settings->dialect;
  const MtDialect *only = dialect ? mt_dialect_by_name(dialect) : NULL;
  MtReader *reader;
  MtClock clock;

  if (dialect && !only)
    {
      const gchar **names = mt_reader_dialects();
      gchar *all = g_strjoinv(", ", (gchar **) names);

      g_set_error(error, MT_SETTINGS_ERROR, 0, "there is no dialect \"%s\"; there are %s", dialect,
                  all);
      g_free(all);
      g_free(names);
      return NULL;
    }
  reader = g_new(MtReader, 1);
  reader->host = g_strdup(settings->host);
  mt_parser_init(&reader->parser, only);
  mt_clock_init(&clock, settings->zone, settings->latest, settings->year);
  mt_stream_init(&reader->stream, &clock, only, mt_span_of_string(reader->host));
  return reader;
}

void
mt_reader_free(MtReader *reader)
{
  if (!reader)
    return;
  g_free(reader->host);
  g_free(reader);
}

void
mt_reader_parse(MtReader *reader, const MtLine *line, MtEvent *event)
{
  mt_parser_parse(&reader->parser, line, event);
}

void
mt_reader_part(MtReader *reader, const MtLine *line, guint part, MtEvent *event)
{
  mt_parser_parse_part(&reader->parser, line, part, event);
}

void
mt_reader_head(MtReader *reader, MtSpan raw, MtLine *line)
{
  mt_stream_head(&reader->stream, raw, line);
}

void
mt_reader_read(MtReader *reader, MtSpan raw, MtLine *line, MtEvent *event)
{
  mt_stream_head(&reader->stream, raw, line);
  mt_parser_parse(&reader->parser, line, event);
}
