/* act: the policy's on-alert program, once for each new alert
 *
 * A service of its own, under a user of its own: it only reads the store.  How far it has
 * come, and what came of each alert, stands in a file of its own, a JSON object a line.
 * The program is started without a shell.  What an attacker may have chosen (the account,
 * the text) is no argument: it is in the environment and on the standard input.
 */
#include "cli/child.h"
#include "cli/cli.h"
#include "engine/outbox.h"
#include "engine/policy.h"
#include "scan/text.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define POLL_US (1 * MT_SECOND_US)

/* What is said is not more than an admin reads: the rest of a flood is recorded, not run. */
#define MAX_PER_HOUR 60
#define TIMEOUT_S 30

/* The file of results is begun anew beyond this; the one before is kept. */
#define MAX_STATE_BYTES (8 << 20)
#define TAIL_BYTES 65536

typedef struct
{
  gchar *database, *policy_file, *state, *start;
  gint timeout_s, max_per_hour;
  gboolean once;
} Options;

typedef struct
{
  const Options *options;
  gchar *state_path;
  gint state_fd;
  gint64 last;    /* the alert that is done */
  gboolean fresh; /* nothing has been done yet */
  GArray *runs;   /* MtTime of runs in the last hour */
  MtPolicyView *policy;
  gchar *policy_path;
  struct stat policy_is;
} Actor;

/* ---- the file of results -------------------------------------------------------------------- */

/* {"alert":17,...: the number of the last whole line. */
static void
read_last(Actor *actor)
{
  gchar tail[TAIL_BYTES + 1];
  off_t size = lseek(actor->state_fd, 0, SEEK_END);
  gssize got = pread(actor->state_fd, tail, TAIL_BYTES, MAX(size - TAIL_BYTES, 0));
  gchar *at;

  actor->fresh = size <= 0 || got <= 0;
  if (actor->fresh)
    return;
  tail[got] = '\0';
  for (at = tail + got - 1; at > tail && !g_str_has_prefix(at, "{\"alert\":"); at--)
    ;
  if (g_str_has_prefix(at, "{\"alert\":"))
    actor->last = g_ascii_strtoll(at + strlen("{\"alert\":"), NULL, 10);
}

static gboolean
fail_state(const Actor *actor, GError **error)
{
  g_set_error(error, G_FILE_ERROR, g_file_error_from_errno(errno),
              "%s: cannot be written: %s; name a file of this user's with --state",
              actor->state_path, g_strerror(errno));
  return FALSE;
}

static gboolean
open_state(Actor *actor, GError **error)
{
  actor->state_fd =
      open(actor->state_path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (actor->state_fd < 0)
    return fail_state(actor, error);
  if (flock(actor->state_fd, LOCK_EX | LOCK_NB) == 0)
    return TRUE;
  g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_AGAIN,
              "%s: another mailtrail act is at work with it; one is enough", actor->state_path);
  return FALSE;
}

static gboolean
roll_state(Actor *actor, GError **error)
{
  gchar *before;

  if (lseek(actor->state_fd, 0, SEEK_END) < MAX_STATE_BYTES)
    return TRUE;
  before = g_strconcat(actor->state_path, ".1", NULL);
  g_rename(actor->state_path, before);
  g_free(before);
  close(actor->state_fd);
  return open_state(actor, error);
}

/* Synced before the next program is run: what is done is done once. */
static gboolean
record(Actor *actor, gint64 id, const gchar *rule, const gchar *what, const ChildResult *result,
       GError **error)
{
  gchar now[MT_TIME_TEXT_BYTES];
  GString *line = g_string_new(NULL);
  gboolean ok;

  mt_time_format(g_get_real_time(), now);
  g_string_printf(line,
                  "{\"alert\":%" G_GINT64_FORMAT ",\"time\":\"%s\",\"rule\":\"%s\",\"result\":", id,
                  now, rule);
  mt_text_append_json(line, mt_span_of_string(what));
  if (result)
    {
      g_string_append_printf(line, ",\"status\":%d,\"seconds\":%.3f,\"output\":", result->status,
                             result->seconds);
      mt_text_append_json(line, mt_span(result->output->str, result->output->len));
    }
  g_string_append(line, "}\n");
  ok = roll_state(actor, error)
       && ((write(actor->state_fd, line->str, line->len) == (gssize) line->len
            && fsync(actor->state_fd) == 0)
           || fail_state(actor, error));
  g_string_free(line, TRUE);
  actor->last = id;
  return ok;
}

/* ---- the policy ------------------------------------------------------------------------------ */

static gboolean
same_file(const struct stat *a, const struct stat *b)
{
  return a->st_ino == b->st_ino && a->st_mtim.tv_sec == b->st_mtim.tv_sec
         && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec && a->st_mode == b->st_mode
         && a->st_uid == b->st_uid;
}

/* Read again when it changes.  An unsafe or wrong one is no policy: nothing is run by it. */
static gboolean
read_policy(Actor *actor, GError **error)
{
  struct stat now = { 0 };

  if (!actor->policy_path)
    {
      g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_NOENT,
                  "the store's destination reads no policy; name one with --policy-file");
      return FALSE;
    }
  stat(actor->policy_path, &now);
  if (actor->policy && same_file(&now, &actor->policy_is))
    return TRUE;
  g_clear_pointer(&actor->policy, mt_policy_view_free);
  actor->policy_is = now;
  actor->policy = mt_policy_view_open(actor->policy_path, error);
  return actor->policy != NULL;
}

/* ---- an alert ---------------------------------------------------------------------- */

/* MAILTRAIL_ACCOUNT=..., of every column; control characters are escaped. */
static gchar **
make_environment(const MtRows *rows)
{
  GPtrArray *list = g_ptr_array_new();

  g_ptr_array_add(list,
                  g_strdup("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"));
  g_ptr_array_add(list, g_strdup("LC_ALL=C.UTF-8"));
  for (guint i = 0; i < mt_rows_columns(rows); i++)
    {
      gchar *name = g_ascii_strup(mt_rows_name(rows, i), -1);
      GString *pair = g_string_new("MAILTRAIL_");

      g_string_append_printf(pair, "%s=", name);
      mt_text_append_terminal(pair, mt_rows_text(rows, i));
      g_ptr_array_add(list, g_string_free(pair, FALSE));
      g_free(name);
    }
  g_ptr_array_add(list, NULL);
  return (gchar **) g_ptr_array_free(list, FALSE);
}

static gchar *
column_text(const MtRows *rows, const gchar *name)
{
  MtSpan text = mt_rows_text(rows, mt_rows_column(rows, name));

  return g_strndup(text.at, text.len);
}

/* So many an hour, counted by the clock: what is over is forgotten. */
static gboolean
may_run(Actor *actor)
{
  MtTime now = g_get_real_time();
  guint old = 0;

  while (old < actor->runs->len && g_array_index(actor->runs, MtTime, old) < now - MT_HOUR_US)
    old++;
  if (old)
    g_array_remove_range(actor->runs, 0, old);
  if (actor->runs->len >= (guint) actor->options->max_per_hour)
    return FALSE;
  g_array_append_val(actor->runs, now);
  return TRUE;
}

/* Returns: what came of it; @result is filled where the program was run. */
static gchar *
run_program(const Actor *actor, const gchar *program, const MtRows *rows, ChildResult *result)
{
  gchar *id = column_text(rows, "id"), *rule = column_text(rows, "rule");
  const gchar *argv[] = { program, id, rule, NULL };
  gchar **envp = make_environment(rows);
  GString *input = g_string_new(NULL);
  ChildCommand command = { argv, (const gchar *const *) envp, input, actor->options->timeout_s };
  GError *error = NULL;
  gchar *what;

  cli_append_json(rows, input);
  g_string_append_c(input, '\n');
  if (!child_check_program(program, &error) || !child_run(&command, result, &error))
    {
      what = g_strdup_printf("refused: %s", error->message);
      fprintf(stderr, "mailtrail: %s\n", error->message);
      g_clear_error(&error);
    }
  else if (result->timed_out)
    what = g_strdup_printf("killed after %d s", actor->options->timeout_s);
  else
    what = g_strdup(result->status == 0 ? "done" : "failed");
  g_string_free(input, TRUE);
  g_strfreev(envp);
  g_free(id);
  g_free(rule);
  return what;
}

/* @acted: it is worth a line; else how far we have come is noted when there is no more. */
static gboolean
handle(Actor *actor, const MtRows *rows, gboolean *acted, GError **error)
{
  gint64 id = mt_rows_integer(rows, mt_rows_column(rows, "id"));
  const gchar *program = mt_policy_view_on_alert(actor->policy), *to;
  gchar *account = column_text(rows, "account"), *rule = column_text(rows, "rule");
  ChildResult result = { 0 };
  gchar *what = NULL;
  gboolean ok = TRUE;

  *acted = program && mt_policy_view_notifies(actor->policy, account, &to);
  if (*acted && may_run(actor))
    what = run_program(actor, program, rows, &result);
  else if (*acted)
    what = g_strdup("not run: too many in this hour");
  if (what)
    ok = record(actor, id, rule, what, result.output ? &result : NULL, error);
  if (result.output)
    g_string_free(result.output, TRUE);
  actor->last = id;
  g_free(what);
  g_free(rule);
  g_free(account);
  return ok;
}

static gint64
newest_alert(MtQuery *query, GError **error)
{
  MtRows *rows = mt_query_run(query, "SELECT coalesce(max(id), 0) FROM alerts", NULL, error);
  gint64 newest = rows && mt_rows_next(rows, error) ? mt_rows_integer(rows, 0) : 0;

  mt_rows_free(rows);
  return newest;
}

/* All that has come since the last.  A store whose alerts begin anew is another one. */
static gboolean
handle_new(Actor *actor, MtQuery *query, gboolean *more, GError **error)
{
  GError *failed = NULL;
  gboolean acted = TRUE, ok = TRUE;
  gint64 begun_with = actor->last;
  MtRows *rows;

  *more = FALSE;
  if (newest_alert(query, &failed) < actor->last)
    actor->last = 0;
  rows = failed ? NULL : mt_outbox_alerts(query, actor->last, &failed);
  while (rows && ok && mt_rows_next(rows, &failed))
    {
      ok = handle(actor, rows, &acted, error);
      *more = TRUE;
    }
  mt_rows_free(rows);
  if (failed)
    {
      g_propagate_error(error, failed);
      return FALSE;
    }
  if (ok && !acted && actor->last != begun_with)
    ok = record(actor, actor->last, "", "nothing to do", NULL, error);
  return ok;
}

/* ---- the command ------------------------------------------------------------------- */

/* Alerts from before the first start are old news; but who asks once asks for what is there. */
static gboolean
begin(Actor *actor, MtQuery *query, GError **error)
{
  const gchar *start = actor->options->start;
  gboolean all = start ? g_str_equal(start, "all") : actor->options->once;
  GError *failed = NULL;
  gint64 newest;

  read_last(actor);
  if (!actor->fresh || all)
    return TRUE;
  newest = newest_alert(query, &failed);
  if (failed)
    {
      g_propagate_error(error, failed);
      return FALSE;
    }
  return record(actor, newest, "", "begun", NULL, error);
}

static void
serve(Actor *actor, MtQuery *query, GError **error)
{
  gboolean more = TRUE;

  while (!*error)
    {
      GError *unsafe = NULL;

      if (!read_policy(actor, &unsafe))
        {
          if (actor->options->once)
            {
              g_propagate_error(error, unsafe);
              return;
            }
          fprintf(stderr, "mailtrail: %s; nothing is run by it\n", unsafe->message);
          g_clear_error(&unsafe);
          g_usleep(60 * POLL_US);
          continue;
        }
      if (!handle_new(actor, query, &more, error) || (actor->options->once && !more))
        return;
      if (!more)
        g_usleep(POLL_US);
    }
}

static gint
act(const Options *options)
{
  const gchar *database = cli_database(options->database);
  Actor actor = { .options = options, .state_fd = -1 };
  GError *error = NULL;
  MtQuery *query = mt_query_open(database, &error);

  actor.state_path =
      options->state ? g_strdup(options->state) : g_strconcat(database, ".actions", NULL);
  actor.runs = g_array_new(FALSE, FALSE, sizeof(MtTime));
  if (query)
    actor.policy_path = options->policy_file ? g_strdup(options->policy_file)
                                             : cli_policy_path(options->database, &error);
  if (query && !error && open_state(&actor, &error) && begin(&actor, query, &error))
    serve(&actor, query, &error);
  mt_query_close(query);
  mt_policy_view_free(actor.policy);
  g_array_free(actor.runs, TRUE);
  g_free(actor.policy_path);
  g_free(actor.state_path);
  if (actor.state_fd >= 0)
    close(actor.state_fd);
  return error ? cli_fail(&error) : CLI_FINE;
}

gint
cli_run_act(int argc, char **argv)
{
  Options options = { .timeout_s = TIMEOUT_S, .max_per_hour = MAX_PER_HOUR };
  const GOptionEntry entries[] = {
    { "database", 'd', 0, G_OPTION_ARG_FILENAME, &options.database, "the store", "FILE" },
    { "policy-file", 0, 0, G_OPTION_ARG_FILENAME, &options.policy_file,
      "the policy; else the file that the store's destination reads", "FILE" },
    { "state", 0, 0, G_OPTION_ARG_FILENAME, &options.state,
      "where results are noted; else the store's name with .actions", "FILE" },
    { "start", 0, 0, G_OPTION_ARG_STRING, &options.start,
      "at the first start: new alerts only, or all that are there", "now|all" },
    { "once", 0, 0, G_OPTION_ARG_NONE, &options.once, "end when no alert is left", NULL },
    { "timeout", 0, 0, G_OPTION_ARG_INT, &options.timeout_s, "kill a program after S seconds (30)",
      "S" },
    { "max-per-hour", 0, 0, G_OPTION_ARG_INT, &options.max_per_hour,
      "run no more than N an hour (60)", "N" },
    { NULL }
  };
  gint status = CLI_FINE;

  if (!cli_parse_options(&argc, &argv, "- run the policy's on-alert program",
                         "PROGRAM ID RULE is run for each new alert of accounts with notify=yes; "
                         "see mailtrail-act(1).",
                         entries, &status))
    return status;
  if (argc > 1)
    status = cli_usage("act", "takes no arguments, such as \"%s\"", argv[1]);
  else if (options.start && !g_str_equal(options.start, "now")
           && !g_str_equal(options.start, "all"))
    status = cli_usage("act", "--start must be now or all, not \"%s\"", options.start);
  else if (options.timeout_s < 1 || options.max_per_hour < 1)
    status = cli_usage("act", "--timeout and --max-per-hour must be 1 at least");
  else
    status = act(&options);
  g_free(options.database);
  g_free(options.policy_file);
  g_free(options.state);
  g_free(options.start);
  return status;
}
