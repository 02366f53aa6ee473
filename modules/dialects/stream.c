#include "dialects/dialect.h"

/* After so many lines the format is what it is. */
#define UNDECIDED_MAX 200

/* So many in a row of one format settle it: then only a header may say otherwise. */
#define SETTLED 20

/* One line that looks like this is enough; less sure formats need several. */
#define SURE 100

void
mt_stream_init(MtStream *stream, const MtClock *clock, const MtDialect *only, MtSpan host)
{
  memset(stream, 0, sizeof *stream);
  stream->clock = *clock;
  stream->only = only;
  stream->host = host;
  stream->undecided = only ? 0 : UNDECIDED_MAX;
  if (only && only->file)
    stream->file = only->file;
}

/* The format that is surest of the line, if it is sure enough; the stream's own where it is as
 * sure as others. */
static const MtFileFormat *
sniff(const MtStream *stream, MtSpan raw)
{
  const MtFileFormat *best = stream->file;
  gint best_score = best ? best->sniff(raw) : 0;

  for (gint i = 0; mt_dialects[i]; i++)
    {
      const MtFileFormat *file = mt_dialects[i]->file;
      gint score = file ? file->sniff(raw) : 0;

      if (score > best_score)
        best = file, best_score = score;
    }
  return best_score >= SURE ? best : NULL;
}

static gboolean
read_head(MtStream *stream, const MtFileFormat *file, MtSpan raw, MtLine *out)
{
  if (!file)
    return mt_line_scan(raw, &stream->clock, out);
  mt_line_init(out, raw);
  return file->head(raw, stream, out);
}

/* Does @file, or syslog, know the line?  Of syslog's only "host program: text" says so: more
 * than that stamp and words. */
static gboolean
is_read(const MtStream *stream, const MtFileFormat *file, MtSpan raw)
{
  MtStream try = *stream;
  MtLine line;

  if (!read_head(&try, file, raw, &line))
    return FALSE;
  return file || (line.host.len && line.text.at - raw.at > 2 && line.text.at[-2] == ':');
}

/* "#Fields: ...", behind a byte order mark or not. */
static gboolean
is_header(MtSpan raw)
{
  return MT_SPAN_STARTS(raw, "#") || MT_SPAN_STARTS(raw, "\xef\xbb\xbf#");
}

/* The format of a line of a stream that is not decided. */
static const MtFileFormat *
format_of(MtStream *stream, MtSpan raw)
{
  const MtFileFormat *file = stream->file, *best;

  stream->undecided--;
  if (stream->run == SETTLED && !is_header(raw))
    return file;
  best = sniff(stream, raw);
  if (best == file || (file && is_read(stream, file, raw)))
    {
      if (file || is_read(stream, NULL, raw))
        stream->run = MIN(stream->run + 1, SETTLED), stream->strays = 0;
      return file;
    }
  if (!best && !is_read(stream, NULL, raw))
    return file;
  stream->strays++;
  if (stream->strays > stream->run || is_header(raw))
    {
      stream->file = best;
      stream->run = stream->strays;
      stream->strays = 0;
    }
  return best;
}

gboolean
mt_stream_head(MtStream *stream, MtSpan raw, MtLine *out)
{
  const MtFileFormat *file = stream->file;
  gboolean found;

  if (file || stream->undecided)
    while (raw.len && (raw.at[raw.len - 1] == '\n' || raw.at[raw.len - 1] == '\r'))
      raw.len--;
  if (stream->undecided)
    file = format_of(stream, raw);
  found = read_head(stream, file, raw, out);
  if (!out->host.len)
    out->host = stream->host;
  return found;
}
