/* journal.c: lines that rsyslog takes for handled and the store does not hold yet */
#include "rsyslog/journal.h"

#include <glib.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

/* Stands in front while a process has the file; a process that ends as told empties it. */
#define IN_USE "in use\n"

struct MtJournal
{
  gchar *path;
  gint fd;
  gboolean was_cut;
  gboolean is_empty;
  GString *left;
};

static gboolean
set_error(GError **error, const MtJournal *journal, const gchar *what)
{
  gint code = errno;

  g_set_error(error, G_FILE_ERROR, g_file_error_from_errno(code), "%s: %s: %s", journal->path, what,
              g_strerror(code));
  return FALSE;
}

/* A line without its newline was never answered: it is sent again. */
static gboolean
read_left(MtJournal *journal, GError **error)
{
  gchar block[1 << 16];
  gchar *stop;
  gssize got;

  while ((got = read(journal->fd, block, sizeof block)) > 0)
    g_string_append_len(journal->left, block, got);
  if (got < 0)
    return set_error(error, journal, "cannot be read");
  stop = memrchr(journal->left->str, '\n', journal->left->len);
  g_string_truncate(journal->left, stop ? stop + 1 - journal->left->str : 0);
  journal->was_cut = g_str_has_prefix(journal->left->str, IN_USE);
  g_string_erase(journal->left, 0, journal->was_cut ? strlen(IN_USE) : 0);
  return TRUE;
}

static gboolean
mark_in_use(MtJournal *journal, GError **error)
{
  struct stat st;

  if (fstat(journal->fd, &st) != 0)
    return set_error(error, journal, "cannot be read");
  if (st.st_size == 0 && write(journal->fd, IN_USE, strlen(IN_USE)) != (gssize) strlen(IN_USE))
    return set_error(error, journal, "cannot be written");
  return TRUE;
}

static void
free_journal(MtJournal *journal)
{
  if (journal->fd >= 0)
    close(journal->fd);
  g_string_free(journal->left, TRUE);
  g_free(journal->path);
  g_free(journal);
}

MtJournal *
mt_journal_open(const gchar *database, guint number, gboolean create, GError **error)
{
  MtJournal *journal = g_new0(MtJournal, 1);
  gint flags = O_RDWR | O_APPEND | O_CLOEXEC | O_NOFOLLOW | (create ? O_CREAT : 0);

  journal->left = g_string_new(NULL);
  journal->path = number ? g_strdup_printf("%s-rsyslog.%u", database, number)
                         : g_strdup_printf("%s-rsyslog", database);
  journal->fd = open(journal->path, flags, 0600);
  if (journal->fd < 0 && errno != ENOENT)
    set_error(error, journal, "cannot be opened");
  else if (journal->fd < 0 && create)
    set_error(error, journal, "cannot be made");
  else if (journal->fd >= 0 && flock(journal->fd, LOCK_EX | LOCK_NB) == 0
           && read_left(journal, error) && mark_in_use(journal, error))
    {
      journal->is_empty = !journal->left->len;
      return journal;
    }
  free_journal(journal);
  return NULL;
}

gboolean
mt_journal_was_cut(const MtJournal *journal)
{
  return journal->was_cut;
}

MtSpan
mt_journal_left(const MtJournal *journal)
{
  return mt_span(journal->left->str, journal->left->len);
}

gboolean
mt_journal_add(MtJournal *journal, MtSpan line, GError **error)
{
  struct iovec parts[] = { { (gpointer) line.at, line.len }, { (gpointer) "\n", 1 } };

  journal->is_empty = FALSE;
  if (writev(journal->fd, parts, G_N_ELEMENTS(parts)) == (gssize) line.len + 1)
    return TRUE;
  return set_error(error, journal, "cannot be written");
}

void
mt_journal_clear(MtJournal *journal)
{
  if (!journal->is_empty)
    journal->is_empty = ftruncate(journal->fd, strlen(IN_USE)) == 0;
}

void
mt_journal_close(MtJournal *journal, gboolean ended)
{
  if (!journal)
    return;
  if (ended && ftruncate(journal->fd, 0) != 0)
    g_debug("%s: %s", journal->path, g_strerror(errno));
  free_journal(journal);
}
