#include "no-parse.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

/* How much of a file's begin is read for its format and header. */
#define BEGIN_BYTES 16384

MtSpan
mt_value_of(const LogMessage *msg, NVHandle handle)
{
  gssize len;
  const gchar *value = log_msg_get_value(msg, handle, &len);

  return mt_span(value, len);
}

/* With no-parse there is no program, and the line's time is when it was read (syslog-ng 3.38,
 * lib/msg-format.c).  A line that syslog-ng did take apart has a time of its own: its text is
 * not read as a head once more. */
gboolean
mt_no_parse_is(const LogMessage *msg)
{
  const UnixTime *stamp = &msg->timestamps[LM_TS_STAMP], *read = &msg->timestamps[LM_TS_RECVD];

  return mt_value_of(msg, LM_V_PROGRAM).len == 0 && stamp->ut_sec == read->ut_sec
         && stamp->ut_usec == read->ut_usec;
}

static MtTime
changed(const struct stat *status)
{
  return status->st_mtim.tv_sec * MT_SECOND_US + status->st_mtim.tv_nsec / 1000;
}

/* The begin of the file that @name says, and when it was last written.  A name may come with a
 * line from elsewhere: only a regular file is read. */
static gssize
read_begin(MtSpan name, gchar *begin, MtTime *latest)
{
  gchar *path = g_strndup(name.at, name.len);
  gint file = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
  gssize got = 0;
  struct stat status;

  g_free(path);
  if (file < 0)
    return 0;
  if (fstat(file, &status) == 0 && S_ISREG(status.st_mode))
    {
      got = read(file, begin, BEGIN_BYTES);
      *latest = MIN(*latest, changed(&status));
    }
  close(file);
  return MAX(got, 0);
}

/* A file whose header was read before a restart is asked for it again. */
static MtRawSource *
find(MtSources *sources, const LogMessage *msg)
{
  MtSpan name = mt_value_of(msg, log_msg_get_value_handle("FILE_NAME"));
  gboolean is_file = name.len > 0, is_new;
  gchar begin[BEGIN_BYTES];
  MtRawSource *source;
  gssize got = 0;
  MtTime latest;

  if (!is_file)
    name = mt_value_of(msg, LM_V_SOURCE);
  source = mt_sources_find(sources, mt_value_of(msg, LM_V_HOST), name, &is_new);
  if (!is_new)
    return source;
  latest = g_get_real_time();
  if (is_file)
    got = read_begin(name, begin, &latest);
  mt_source_begin(source, latest, mt_span(begin, got));
  return source;
}

void
mt_no_parse_head(MtSources *sources, const LogMessage *msg, MtSpan raw, MtLine *line)
{
  mt_source_head(find(sources, msg), raw, line);
  if (!line->host.len)
    line->host = mt_value_of(msg, LM_V_HOST);
}
