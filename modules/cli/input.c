#include "config.h"

#include "cli/input.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#ifdef HAVE_LIBARCHIVE
#include <archive.h>
#include <archive_entry.h>
#endif

#define BLOCK_BYTES (1 << 18)

/* A longer line is cut into several: no log has one, and memory has an end. */
#define LINE_MAX_BYTES (1 << 24)

struct CliInput
{
  gchar *path;
  gint fd;
  gint64 size, done;
  MtTime changed;
  gchar *buffer;
  gsize start, end, room;
  gboolean at_end;
#ifdef HAVE_LIBARCHIVE
  struct archive *archive;
#endif
};

static gboolean
fail(const CliInput *input, GError **error, const gchar *why)
{
  g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_FAILED, "%s: cannot be read: %s", input->path, why);
  return FALSE;
}

/* First bytes: gzip, xz, zstd, bzip2. */
static gboolean
looks_compressed(const guchar *b, gssize len)
{
  return (len > 1 && b[0] == 0x1f && b[1] == 0x8b)
         || (len > 5
             && memcmp(b,
                       "\xfd"
                       "7zXZ",
                       5)
                    == 0)
         || (len > 3 && memcmp(b, "\x28\xb5\x2f\xfd", 4) == 0)
         || (len > 3 && memcmp(b, "BZh", 3) == 0);
}

static gboolean
is_compressed(gint fd)
{
  guchar bytes[8];

  return looks_compressed(bytes, pread(fd, bytes, sizeof bytes, 0));
}

#ifdef HAVE_LIBARCHIVE

static gboolean
open_archive(CliInput *input, GError **error)
{
  struct archive_entry *entry;

  input->archive = archive_read_new();
  archive_read_support_filter_all(input->archive);
  archive_read_support_format_raw(input->archive);
  archive_read_support_format_empty(input->archive);
  if (archive_read_open_fd(input->archive, input->fd, BLOCK_BYTES) != ARCHIVE_OK
      || archive_read_next_header(input->archive, &entry) < ARCHIVE_WARN)
    return fail(input, error, archive_error_string(input->archive));
  return TRUE;
}

static gssize
read_archive(CliInput *input, gchar *to, gsize room, GError **error)
{
  gssize got = archive_read_data(input->archive, to, room);

  input->done = archive_filter_bytes(input->archive, -1);
  if (got < 0)
    fail(input, error, archive_error_string(input->archive));
  return got;
}

#endif

static gboolean
start_reading(CliInput *input, GError **error)
{
  if (!is_compressed(input->fd))
    return TRUE;
#ifdef HAVE_LIBARCHIVE
  return open_archive(input, error);
#else
  return fail(input, error,
              "it is compressed, and this mailtrail was built without libarchive; "
              "give it uncompressed through a pipe");
#endif
}

CliInput *
cli_input_open(const gchar *path, GError **error)
{
  CliInput *input = g_new0(CliInput, 1);
  gboolean standard = g_str_equal(path, "-");
  struct stat info = { 0 };

  input->path = g_strdup(standard ? "standard input" : path);
  input->changed = MT_NO_TIME;
  input->fd = standard ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC);
  if (input->fd < 0 || fstat(input->fd, &info) != 0 || S_ISDIR(info.st_mode))
    {
      fail(input, error, S_ISDIR(info.st_mode) ? "it is a directory" : g_strerror(errno));
      cli_input_close(input);
      return NULL;
    }
  if (S_ISREG(info.st_mode))
    {
      input->size = info.st_size;
      input->changed = info.st_mtim.tv_sec * MT_SECOND_US;
    }
  if (!start_reading(input, error))
    {
      cli_input_close(input);
      return NULL;
    }
  return input;
}

void
cli_input_close(CliInput *input)
{
  if (!input)
    return;
#ifdef HAVE_LIBARCHIVE
  if (input->archive)
    archive_read_free(input->archive);
#endif
  if (input->fd >= 0)
    close(input->fd);
  g_free(input->buffer);
  g_free(input->path);
  g_free(input);
}

static gssize
read_some(CliInput *input, gchar *to, gsize room, GError **error)
{
  gssize got;

#ifdef HAVE_LIBARCHIVE
  if (input->archive)
    return read_archive(input, to, room, error);
#endif
  do
    got = read(input->fd, to, room);
  while (got < 0 && errno == EINTR);
  if (got < 0)
    fail(input, error, g_strerror(errno));
  else
    input->done += got;
  return got;
}

/* Moves what is left to the front and reads on.  FALSE at the end or on failure. */
static gboolean
fill(CliInput *input, GError **error)
{
  gssize got;

  if (input->start)
    {
      memmove(input->buffer, input->buffer + input->start, input->end - input->start);
      input->end -= input->start;
      input->start = 0;
    }
  if (input->end + BLOCK_BYTES > input->room)
    {
      input->room = MAX(input->room * 2, 2 * BLOCK_BYTES);
      input->buffer = g_realloc(input->buffer, input->room);
    }
  got = read_some(input, input->buffer + input->end, input->room - input->end, error);
  input->at_end = got <= 0;
  input->end += MAX(got, 0);
  return got > 0;
}

gboolean
cli_input_line(CliInput *input, MtSpan *line, GError **error)
{
  gsize seen = 0;

  for (;;)
    {
      gchar *from = input->buffer ? input->buffer + input->start : NULL;
      gsize left = input->end - input->start;
      gchar *stop = left > seen ? memchr(from + seen, '\n', left - seen) : NULL;

      if (stop || left >= LINE_MAX_BYTES || (input->at_end && left))
        {
          *line = mt_span(from, stop ? (gsize) (stop - from) : left);
          input->start += line->len + (stop != NULL);
          return TRUE;
        }
      if (input->at_end)
        return FALSE;
      seen = left;
      if (!fill(input, error) && error && *error)
        return FALSE;
    }
}

MtTime
cli_input_changed(const CliInput *input)
{
  return input->changed;
}

void
cli_input_progress(const CliInput *input, gint64 *done, gint64 *size)
{
  *done = input->done;
  *size = input->size;
}
