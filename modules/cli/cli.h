/* cli.h: what the subcommands share
 *
 * Layer: cli.  Concurrency: one thread.
 *
 * A subcommand is one file and one line in main.c's table.  It gets its own argc and
 * argv (argv[0] is its name) and returns the exit status.
 */
#ifndef MT_CLI_CLI_H
#define MT_CLI_CLI_H

#include "engine/engine.h"
#include "engine/newest.h"
#include "engine/query.h"
#include "scan/stamp.h"

/* Exit statuses of contract section 2. */
enum
{
  CLI_FINE = 0,
  CLI_NOTHING = 1, /* found nothing */
  CLI_USAGE = 2,
  CLI_FAILED = 3, /* the store or an input could not be read */
};

typedef struct
{
  const gchar *name;
  gint (*run)(int argc, char **argv);
  const gchar *summary;
} CliCommand;

/* cli_fail: "mailtrail: message" on stderr.  Returns: CLI_FAILED. */
gint cli_fail(GError **error);

/* cli_usage: the same, with a hint at --help.  Returns: CLI_USAGE. */
gint cli_usage(const gchar *command, const gchar *format, ...) G_GNUC_PRINTF(2, 3);

/* cli_parse_options: @entries and --help.  FALSE: @status is the exit status. */
gboolean cli_parse_options(int *argc, char ***argv, const gchar *parameters, const gchar *summary,
                           const GOptionEntry *entries, gint *status);

/* cli_database: @option, or $MAILTRAIL_DATABASE, or the default. */
const gchar *cli_database(const gchar *option);

/* cli_settings: what the store's destination was set to; defaults where there is no store
 * yet.  @settings: not initialised yet. */
gboolean cli_settings(const gchar *database, MtSettings *settings, GError **error);

/* cli_open_engine: an engine on the store at @database, which must be there, without what
 * only lines need.  @overrides: (nullable) as of mt_settings_apply().  @settings: as
 * cli_settings(); outlives the engine.  NULL with @error. */
MtEngine *cli_open_engine(const gchar *database, const GPtrArray *overrides, MtSettings *settings,
                          GError **error);

/* cli_parse_time: an ISO time, "2h", "7d", "now", "today", "yesterday"; local time where
 * none is stated.  FALSE where the text is none of them. */
gboolean cli_parse_time(const gchar *text, MtTime *out);

/* cli_mail_of: a condition on view mail: mail of the messages whose @column (a literal of
 * ours: "queue_id") is @value, or of the hops that they went on as.  Found hop by hop, by
 * indexes; "first_queue_id=?" would read everything.  (transfer full) */
gchar *cli_mail_of(MtQuery *query, const gchar *column, const gchar *value, GError **error);

/* cli_policy_path: the policy file that the store's destination reads; NULL: none, or
 * @error. (transfer full) */
gchar *cli_policy_path(const gchar *database, GError **error);

/* ---- rows: list.c ------------------------------------------------------------------------ */

/* An option that filters: "--from X" adds "sender=?"; a '*' in X makes it a pattern. */
typedef struct
{
  const gchar *option;
  const gchar *sql; /* with "?" once or more; or for mail, */
  const gchar *help;
  const gchar *hops; /* the column of view messages that X is of, see cli_mail_of() */
  MtNewest newest;   /* how the rows of a first page are found */
} CliFilter;

/* A command that prints rows of one view. */
typedef struct
{
  const gchar *command;
  const gchar *parameters; /* "[OPTION...]" */
  const gchar *summary;
  const gchar *view;
  const gchar *columns;     /* of the table for people; --json and --csv give all */
  const gchar *sort;        /* default, as --sort takes it */
  const gchar *domains;     /* columns that hold addresses, for --only-domain */
  const CliFilter *filters; /* NULL-terminated */
} CliList;

/* cli_list: parses the command's options and prints the rows.  Returns: the exit status. */
gint cli_list(const CliList *list, int argc, char **argv);

/* How rows are printed. */
typedef enum
{
  CLI_TABLE,
  CLI_JSON,
  CLI_CSV,
} CliForm;

/* cli_print_rows: all that are left.  @head: with the columns' names.  Returns: how many. */
guint cli_print_rows(MtRows *rows, CliForm form, gboolean head, GError **error);

/* ---- raw lines: lines.c ------------------------------------------------------------------ */

/* cli_print_related: the raw lines that belong to records of @ids (queue IDs, Message-IDs,
 * sessions; it grows by those that they lead to), oldest first.  Returns: how many. */
guint cli_print_related(MtQuery *query, GHashTable *ids, CliForm form, GError **error);

/* cli_print_json, cli_print_csv: the current row; cli_append_json: as one JSON object. */
void cli_append_json(const MtRows *rows, GString *line);
void cli_print_json(const MtRows *rows);
void cli_print_csv(const MtRows *rows);
void cli_print_csv_head(const MtRows *rows);

gint cli_run_accesses(int argc, char **argv);
gint cli_run_act(int argc, char **argv);
gint cli_run_alerts(int argc, char **argv);
gint cli_run_connections(int argc, char **argv);
gint cli_run_failures(int argc, char **argv);
gint cli_run_forget(int argc, char **argv);
gint cli_run_import(int argc, char **argv);
gint cli_run_locate(int argc, char **argv);
gint cli_run_lines(int argc, char **argv);
gint cli_run_notify(int argc, char **argv);
gint cli_run_parse(int argc, char **argv);
gint cli_run_policy(int argc, char **argv);
gint cli_run_queue(int argc, char **argv);
gint cli_run_search(int argc, char **argv);
gint cli_run_store(int argc, char **argv);
gint cli_run_summary(int argc, char **argv);
gint cli_run_trace(int argc, char **argv);

#endif
