#include "cli/child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* How often a program that neither reads nor writes is looked after. */
#define LOOK_MS 50

/* A program that is started from here gets nothing of ours but these three. */
typedef struct
{
  gint input[2], output[2];
} Pipes;

static gboolean
fail(GError **error, const gchar *what)
{
  g_set_error(error, G_FILE_ERROR, g_file_error_from_errno(errno), "%s: %s", what,
              g_strerror(errno));
  return FALSE;
}

gboolean
child_check_program(const gchar *path, GError **error)
{
  struct stat now;

  if (!g_path_is_absolute(path))
    {
      g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_INVAL, "%s: is no whole path", path);
      return FALSE;
    }
  if (stat(path, &now) != 0)
    return fail(error, path);
  if (!S_ISREG(now.st_mode) || access(path, X_OK) != 0)
    g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_ACCES, "%s: is no program that may be run", path);
  else if (now.st_mode & (S_IWGRP | S_IWOTH) || (now.st_uid != 0 && now.st_uid != geteuid()))
    g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_PERM,
                "%s: others can write it; make it root's with chown root and chmod go-w", path);
  else
    return TRUE;
  return FALSE;
}

static void
become(const ChildCommand *command, const Pipes *pipes)
{
  sigset_t none;

  setsid();
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
  signal(SIGPIPE, SIG_DFL);
  dup2(pipes->input[0], STDIN_FILENO);
  dup2(pipes->output[1], STDOUT_FILENO);
  dup2(pipes->output[1], STDERR_FILENO);
  for (gint fd = 3; fd < 256; fd++)
    close(fd);
  execve(command->argv[0], (gchar *const *) command->argv, (gchar *const *) command->envp);
  _exit(127);
}

static void
write_input(gint *fd, const GString *input, gsize *written)
{
  gssize count = write(*fd, input->str + *written, input->len - *written);

  if (count > 0)
    *written += count;
  if ((count < 0 && errno != EAGAIN && errno != EINTR) || *written == input->len)
    {
      close(*fd);
      *fd = -1;
    }
}

static void
read_output(gint *fd, GString *output)
{
  gchar buffer[1024];
  gssize count = read(*fd, buffer, sizeof buffer);

  if (count > 0)
    g_string_append_len(output, buffer, MIN((gsize) count, CHILD_MAX_OUTPUT - output->len));
  else if (count == 0 || (errno != EAGAIN && errno != EINTR))
    {
      close(*fd);
      *fd = -1;
    }
}

/* Feeds it and hears it until it ends, or its time is over. */
static gint
attend(pid_t pid, Pipes *pipes, const ChildCommand *command, ChildResult *result)
{
  gint64 until = g_get_monotonic_time() + command->timeout_s * G_USEC_PER_SEC;
  gsize written = 0;
  gint state = 0;

  while (waitpid(pid, &state, WNOHANG) == 0)
    {
      struct pollfd fds[2] = { { pipes->output[0], POLLIN, 0 }, { pipes->input[1], POLLOUT, 0 } };

      if (g_get_monotonic_time() >= until)
        {
          result->timed_out = TRUE;
          kill(-pid, SIGKILL);
          waitpid(pid, &state, 0);
          break;
        }
      poll(fds, G_N_ELEMENTS(fds), LOOK_MS);
      if (fds[0].revents)
        read_output(&pipes->output[0], result->output);
      if (fds[1].revents)
        write_input(&pipes->input[1], command->input, &written);
      if (pipes->output[0] < 0 && pipes->input[1] < 0)
        g_usleep(LOOK_MS * 1000);
    }
  while (pipes->output[0] >= 0)
    {
      struct pollfd rest = { pipes->output[0], POLLIN, 0 };

      if (poll(&rest, 1, 0) <= 0)
        break;
      read_output(&pipes->output[0], result->output);
    }
  return state;
}

gboolean
child_run(const ChildCommand *command, ChildResult *result, GError **error)
{
  Pipes pipes = { { -1, -1 }, { -1, -1 } };
  gint64 begin = g_get_monotonic_time();
  gint state;
  pid_t pid;

  if (pipe2(pipes.input, O_CLOEXEC) != 0 || pipe2(pipes.output, O_CLOEXEC) != 0
      || (pid = fork()) < 0)
    return fail(error, command->argv[0]);
  if (pid == 0)
    become(command, &pipes);
  signal(SIGPIPE, SIG_IGN);
  close(pipes.input[0]);
  close(pipes.output[1]);
  fcntl(pipes.input[1], F_SETFL, O_NONBLOCK);
  fcntl(pipes.output[0], F_SETFL, O_NONBLOCK);
  *result = (ChildResult){ .output = g_string_new(NULL) };
  state = attend(pid, &pipes, command, result);
  if (pipes.input[1] >= 0)
    close(pipes.input[1]);
  if (pipes.output[0] >= 0)
    close(pipes.output[0]);
  result->status = WIFEXITED(state) ? WEXITSTATUS(state) : -1;
  result->seconds = (g_get_monotonic_time() - begin) / (gdouble) G_USEC_PER_SEC;
  return TRUE;
}
