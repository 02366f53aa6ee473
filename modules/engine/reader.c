#include "engine/reader.h"
#include "engine/settings.h"
#include "dialects/dialect.h"

struct MtReader
{
  MtParser parser;
  MtClock clock;
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
mt_reader_new(const gchar *dialect, GTimeZone *zone, MtTime latest, gint year, GError **error)
{
  const MtDialect *only = dialect ? mt_dialect_by_name(dialect) : NULL;
  MtReader *reader;

  if (dialect && !only)
    {
      const gchar **names = mt_reader_dialects();
      gchar *all = g_strjoinv(", ", (gchar **) names);

      g_set_error(error, MT_SETTINGS_ERROR, 0, "there is no dialect \"%s\"; there are %s", dialect, all);
      g_free(all);
      g_free(names);
      return NULL;
    }
  reader = g_new(MtReader, 1);
  mt_parser_init(&reader->parser, only);
  mt_clock_init(&reader->clock, zone, latest, year);
  return reader;
}

void
mt_reader_free(MtReader *reader)
{
  g_free(reader);
}

void
mt_reader_parse(MtReader *reader, const MtLine *line, MtEvent *event)
{
  mt_parser_parse(&reader->parser, line, event);
}

void
mt_reader_head(MtReader *reader, MtSpan raw, MtLine *line)
{
  mt_line_scan(raw, &reader->clock, line);
}

void
mt_reader_read(MtReader *reader, MtSpan raw, MtLine *line, MtEvent *event)
{
  mt_line_scan(raw, &reader->clock, line);
  mt_parser_parse(&reader->parser, line, event);
}
