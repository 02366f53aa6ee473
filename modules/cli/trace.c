/* trace: everything known of one message, hop by hop */
#include "cli/cli.h"
#include "scan/text.h"

#include <stdio.h>

/* Deeper is a loop that the log made up. */
#define MAX_DEPTH 32

typedef struct
{
  MtQuery *query;
  gboolean json, csv, lines;
  GHashTable *ids; /* queue IDs and Message-IDs of what was shown */
  GError *error;
} Trace;

/* One question with one or two parameters. */
static MtRows *
ask(Trace *trace, const gchar *sql, const gchar *first, const gchar *second)
{
  const gchar *params[] = { first, second, NULL };

  return trace->error ? NULL : mt_query_run(trace->query, sql, params, &trace->error);
}

static gboolean
next(Trace *trace, MtRows *rows)
{
  return rows && mt_rows_next(rows, &trace->error);
}

static gchar *
dup_column(const MtRows *rows, guint column)
{
  MtSpan text = mt_rows_text(rows, column);

  return g_strndup(text.at, text.len);
}

/* All first numbers of a question's rows, as text. */
static gchar **
ids_of(Trace *trace, const gchar *sql, const gchar *first, const gchar *second)
{
  MtRows *rows = ask(trace, sql, first, second);
  GPtrArray *ids = g_ptr_array_new();

  while (next(trace, rows))
    g_ptr_array_add(ids, dup_column(rows, 0));
  mt_rows_free(rows);
  g_ptr_array_add(ids, NULL);
  return (gchar **) g_ptr_array_free(ids, FALSE);
}

/* The message that it all began with: a bounce leads to what bounced. */
static gchar *
top_of(Trace *trace, const gchar *id)
{
  gchar *top = g_strdup(id);

  for (gint depth = 0; depth < MAX_DEPTH; depth++)
    {
      gchar **parents = ids_of(trace,
                               "SELECT parent_id FROM messages WHERE id=CAST(? AS INTEGER)"
                               " AND parent_id IS NOT NULL",
                               top, NULL);
      gboolean found = parents[0] != NULL;

      if (found)
        {
          g_free(top);
          top = g_strdup(parents[0]);
        }
      g_strfreev(parents);
      if (!found)
        break;
    }
  return top;
}

/* ---- for people ---------------------------------------------------------------------------- */

static void
print_field(GString *line, const MtRows *rows, guint column, const gchar *format)
{
  const gchar *at = strstr(format, "%s");

  if (mt_rows_type(rows, column) == MT_COLUMN_NULL)
    return;
  g_string_append_len(line, format, at - format);
  mt_text_append_terminal(line, mt_rows_text(rows, column));
  g_string_append(line, at + 2);
}

static const gchar message_sql[]
  = "SELECT queue_id, host, time, sender, size, client_name, client_ip, auth_user, service,"
    " message_id, subject, state, parent_kind FROM messages WHERE id=CAST(? AS INTEGER)";

static void
print_message(Trace *trace, const gchar *id, gint depth)
{
  static const gchar *const formats[]
    = { "%s",         "  on %s",    "  %s",    "  from <%s>",      "  %s bytes",  "  client %s",
        " [%s]", "  login %s", "  by %s", "  message-id %s", "  subject %s", "  %s", "  (%s)" };
  MtRows *rows = ask(trace, message_sql, id, NULL);
  GString *line = g_string_new(NULL);

  if (next(trace, rows))
    {
      for (guint i = 0; i < G_N_ELEMENTS(formats); i++)
        print_field(line, rows, i, formats[i]);
      printf("%*s%s\n", depth * 2, "", line->str);
    }
  g_string_free(line, TRUE);
  mt_rows_free(rows);
}

static const gchar deliveries_sql[]
  = "SELECT recipient, orig_recipient, status, time, attempts, delay, relay_name, relay_ip, mailbox,"
    " dsn, reply FROM deliveries WHERE message=CAST(? AS INTEGER) ORDER BY ts";

static void
print_deliveries(Trace *trace, const gchar *id, gint depth)
{
  static const gchar *const formats[]
    = { "to <%s>",      "  for <%s>", "  %s",           "  %s", "  %s attempts", "  after %s s",
        "  via %s", " [%s]",     "  into %s", "  %s",       "  %s" };
  MtRows *rows = ask(trace, deliveries_sql, id, NULL);
  GString *line = g_string_new(NULL);

  while (next(trace, rows))
    {
      g_string_truncate(line, 0);
      for (guint i = 0; i < G_N_ELEMENTS(formats); i++)
        print_field(line, rows, i, formats[i]);
      printf("%*s%s\n", depth * 2 + 2, "", line->str);
    }
  g_string_free(line, TRUE);
  mt_rows_free(rows);
}

static void
print_tree(Trace *trace, const gchar *id, gint depth)
{
  gchar **children;

  print_message(trace, id, depth);
  print_deliveries(trace, id, depth);
  if (depth >= MAX_DEPTH)
    return;
  children = ids_of(trace, "SELECT id FROM messages WHERE parent_id=CAST(? AS INTEGER) ORDER BY ts",
                    id, NULL);
  for (guint i = 0; children[i]; i++)
    print_tree(trace, children[i], depth + 1);
  g_strfreev(children);
}

/* ---- for programs ---------------------------------------------------------------------------- */

static void
append_object(GString *json, const MtRows *rows)
{
  gboolean first = TRUE;

  for (guint i = 0; i < mt_rows_columns(rows); i++)
    {
      MtSpan text = mt_rows_text(rows, i);

      if (mt_rows_type(rows, i) == MT_COLUMN_NULL)
        continue;
      g_string_append_printf(json, "%s\"%s\":", first ? "" : ",", mt_rows_name(rows, i));
      first = FALSE;
      if (mt_rows_type(rows, i) == MT_COLUMN_TEXT)
        mt_text_append_json(json, text);
      else
        g_string_append_len(json, text.at, text.len);
    }
}

static void
append_tree(Trace *trace, const gchar *id, gint depth, GString *json)
{
  MtRows *rows = ask(trace, "SELECT * FROM messages WHERE id=CAST(? AS INTEGER)", id, NULL);
  gchar **children;
  const gchar *comma = "";

  g_string_append_c(json, '{');
  if (next(trace, rows))
    append_object(json, rows);
  mt_rows_free(rows);
  g_string_append(json, ",\"deliveries\":[");
  rows = ask(trace, "SELECT * FROM deliveries WHERE message=CAST(? AS INTEGER) ORDER BY ts", id, NULL);
  for (; next(trace, rows); comma = ",")
    {
      g_string_append_printf(json, "%s{", comma);
      append_object(json, rows);
      g_string_append_c(json, '}');
    }
  mt_rows_free(rows);
  g_string_append(json, "],\"children\":[");
  children = ids_of(trace, "SELECT id FROM messages WHERE parent_id=CAST(? AS INTEGER) ORDER BY ts",
                    id, NULL);
  for (guint i = 0; children[i] && depth < MAX_DEPTH; i++)
    {
      g_string_append(json, i ? "," : "");
      append_tree(trace, children[i], depth + 1, json);
    }
  g_strfreev(children);
  g_string_append(json, "]}");
}

static void
print_json_tree(Trace *trace, const gchar *id)
{
  GString *json = g_string_new(NULL);

  append_tree(trace, id, 0, json);
  puts(json->str);
  g_string_free(json, TRUE);
}

static const gchar csv_sql[]
  = "SELECT m.queue_id, m.parent_queue_id, m.parent_kind, m.host, m.message_id, m.sender,"
    " d.time, d.recipient, d.orig_recipient, d.status, d.dsn, d.relay_name, d.relay_ip, d.delay,"
    " d.attempts, d.mailbox, d.reply FROM (SELECT * FROM messages WHERE id=CAST(?1 AS INTEGER)) m"
    " LEFT JOIN (SELECT * FROM deliveries WHERE message=CAST(?1 AS INTEGER)) d ORDER BY d.ts";

static void
print_csv_tree(Trace *trace, const gchar *id, gint depth, gboolean *headed)
{
  MtRows *rows = ask(trace, csv_sql, id, NULL);
  gchar **children;

  if (rows && !*headed)
    cli_print_csv_head(rows);
  *headed = TRUE;
  while (next(trace, rows))
    cli_print_csv(rows);
  mt_rows_free(rows);
  children = ids_of(trace, "SELECT id FROM messages WHERE parent_id=CAST(? AS INTEGER) ORDER BY ts",
                    id, NULL);
  for (guint i = 0; children[i] && depth < MAX_DEPTH; i++)
    print_csv_tree(trace, children[i], depth + 1, headed);
  g_strfreev(children);
}

/* ---- together --------------------------------------------------------------------------------- */

/* ---- raw lines ---------------------------------------------------------------------------------- */

static void
collect_ids(Trace *trace, const gchar *id, gint depth)
{
  MtRows *rows = ask(trace, "SELECT queue_id, message_id FROM messages WHERE id=CAST(? AS INTEGER)", id,
                     NULL);
  gchar **children;

  while (next(trace, rows))
    for (guint i = 0; i < 2; i++)
      if (mt_rows_text(rows, i).len)
        g_hash_table_add(trace->ids, dup_column(rows, i));
  mt_rows_free(rows);
  children = ids_of(trace, "SELECT id FROM messages WHERE parent_id=CAST(? AS INTEGER)", id, NULL);
  for (guint i = 0; children[i] && depth < MAX_DEPTH; i++)
    collect_ids(trace, children[i], depth + 1);
  g_strfreev(children);
}

static void
print_lines(Trace *trace)
{
  if (trace->error)
    return;
  if (!trace->json && !trace->csv)
    putchar('\n');
  cli_print_related(trace->query, trace->ids, trace->json ? CLI_JSON : trace->csv ? CLI_CSV : CLI_TABLE,
                    &trace->error);
}

static gint
run(Trace *trace, const gchar *id)
{
  gchar **ids = ids_of(trace,
                       "SELECT id FROM messages WHERE queue_id=?1 UNION ALL"
                       " SELECT id FROM messages WHERE message_id=?1 AND queue_id<>?1 ORDER BY 1",
                       id, NULL);
  GHashTable *shown = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  gboolean found = ids[0] != NULL, headed = FALSE;

  for (guint i = 0; ids[i]; i++)
    {
      gchar *top = top_of(trace, ids[i]);

      if (!g_hash_table_add(shown, top))
        continue;
      if (trace->json)
        print_json_tree(trace, top);
      else if (trace->csv)
        print_csv_tree(trace, top, 0, &headed);
      else
        print_tree(trace, top, 0);
      if (trace->lines)
        collect_ids(trace, top, 0);
    }
  if (found && trace->lines)
    print_lines(trace);
  g_hash_table_destroy(shown);
  g_strfreev(ids);
  if (trace->error)
    return cli_fail(&trace->error);
  return found ? CLI_FINE : CLI_NOTHING;
}

gint
cli_run_trace(int argc, char **argv)
{
  Trace trace = { 0 };
  gchar *database = NULL;
  const GOptionEntry entries[] = {
    { "database", 'd', 0, G_OPTION_ARG_FILENAME, &database, "the store", "FILE" },
    { "json", 0, 0, G_OPTION_ARG_NONE, &trace.json, "one object, its hops in it", NULL },
    { "csv", 0, 0, G_OPTION_ARG_NONE, &trace.csv, "one row for each delivery of each hop", NULL },
    { "lines", 0, 0, G_OPTION_ARG_NONE, &trace.lines, "with its raw lines, while they are kept", NULL },
    { NULL },
  };
  GError *error = NULL;
  gint status = CLI_FINE;

  if (!cli_parse_options(&argc, &argv, "ID - everything known of one message",
                         "ID is a queue ID, or a Message-ID with its angle brackets.", entries,
                         &status))
    return status;
  if (argc != 2)
    status = cli_usage("trace", "wants one queue ID or Message-ID");
  else if (!(trace.query = mt_query_open(cli_database(database), &error)))
    status = cli_fail(&error);
  else
    {
      trace.ids = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
      status = run(&trace, argv[1]);
      g_hash_table_destroy(trace.ids);
    }
  mt_query_close(trace.query);
  g_free(database);
  return status;
}
