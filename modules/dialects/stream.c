#include "dialects/dialect.h"

/* After so many lines that no file format knows the stream is syslog. */
#define UNDECIDED_MAX 200

/* One line that looks like this is enough; less sure formats need several. */
#define SURE 100

void
mt_stream_init(MtStream *stream, const MtClock *clock, const MtDialect *only, MtSpan host)
{
  memset(stream, 0, sizeof *stream);
  stream->clock = *clock;
  stream->only = only;
  stream->host = host;
  stream->undecided = UNDECIDED_MAX;
  if (only && only->file)
    stream->file = only->file;
}

/* The format that is surest of the line, if it is sure enough. */
static const MtFileFormat *
sniff(const MtStream *stream, MtSpan raw)
{
  const MtFileFormat *best = NULL;
  gint best_score = 0;

  for (gint i = 0; mt_dialects[i]; i++)
    {
      const MtFileFormat *file = mt_dialects[i]->file;
      gint score;

      if (!file || (stream->only && stream->only != mt_dialects[i]))
        continue;
      score = file->sniff(raw);
      if (score > best_score)
        best = file, best_score = score;
    }
  return best_score >= SURE ? best : NULL;
}

gboolean
mt_stream_head(MtStream *stream, MtSpan raw, MtLine *out)
{
  gboolean found;

  if (stream->file || stream->undecided)
    while (raw.len && (raw.at[raw.len - 1] == '\n' || raw.at[raw.len - 1] == '\r'))
      raw.len--;
  if (!stream->file && stream->undecided)
    {
      stream->file = sniff(stream, raw);
      stream->undecided--;
    }
  if (!stream->file)
    found = mt_line_scan(raw, &stream->clock, out);
  else
    {
      mt_line_init(out, raw);
      found = stream->file->head(raw, stream, out);
    }
  if (!out->host.len)
    out->host = stream->host;
  return found;
}
