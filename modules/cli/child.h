/* child.h: run a program, without a shell, for so long and no longer
 *
 * Layer: cli.  Concurrency: one thread; no other child may be waited for meanwhile.
 */
#ifndef MT_CLI_CHILD_H
#define MT_CLI_CHILD_H

#include <glib.h>

typedef struct
{
  const gchar *const *argv; /* [0]: the program's whole path */
  const gchar *const *envp; /* all that is in its environment */
  const GString *input;     /* what it reads */
  guint timeout_s;          /* then it is killed, with all that it has started */
} ChildCommand;

typedef struct
{
  gint status; /* exit status; -1: killed by a signal */
  gboolean timed_out;
  gdouble seconds;
  GString *output; /* the first CHILD_MAX_OUTPUT bytes of what it said (transfer full) */
} ChildResult;

#define CHILD_MAX_OUTPUT 2048

/* child_run: FALSE: it could not be started; @error says why. */
gboolean child_run(const ChildCommand *command, ChildResult *result, GError **error);

/* child_check_program: an absolute path to a program that nobody but root or we could
 * have written.  FALSE: @error says what is wrong with it, and what to do. */
gboolean child_check_program(const gchar *path, GError **error);

#endif
