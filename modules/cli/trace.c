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

/* Messages by what @value says: see query.h. */
static gchar **
hops_of(Trace *trace, MtHops which, const gchar *value)
{
  gchar *sql = mt_query_hops_sql(trace->query, which);
  gchar **ids = ids_of(trace, sql, value, NULL);

  g_free(sql);
  return ids;
}

/* What is asked of this message is asked of its days only. */
static void
look_at(Trace *trace, const gchar *id)
{
  if (!trace->error)
    mt_query_narrow(trace->query, id, &trace->error);
}

/* The message that it all began with: a bounce leads to what bounced. */
static gchar *
top_of(Trace *trace, const gchar *id)
{
  gchar *top = g_strdup(id);

  for (gint depth = 0; depth < MAX_DEPTH; depth++)
    {
      gchar **parents = hops_of(trace, MT_HOPS_PARENT, top);
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

/* Appends each column that is there by its format, "%s" standing for it. */
static void
append_fields(GString *line, const MtRows *rows, const gchar *const *formats)
{
  for (guint i = 0; formats[i]; i++)
    {
      const gchar *at = strstr(formats[i], "%s");

      if (mt_rows_type(rows, i) == MT_COLUMN_NULL)
        continue;
      g_string_append_len(line, formats[i], at - formats[i]);
      mt_text_append_terminal(line, mt_rows_text(rows, i));
      g_string_append(line, at + 2);
    }
}

/* One line for each row that has something to say. */
static void
print_rows(Trace *trace, const gchar *sql, const gchar *const *params, gint indent,
           const gchar *const *formats)
{
  MtRows *rows = trace->error ? NULL : mt_query_run(trace->query, sql, params, &trace->error);
  GString *line = g_string_new(NULL);

  while (next(trace, rows))
    {
      g_string_truncate(line, 0);
      append_fields(line, rows, formats);
      if (line->len)
        printf("%*s%s\n", indent, "", g_strchug(line->str));
    }
  g_string_free(line, TRUE);
  mt_rows_free(rows);
}

static void
print_message(Trace *trace, const gchar *id, gint indent)
{
  const gchar *const params[] = { id, NULL };
  static const gchar *const head[] = { "%s ",         "%s",         " on %s",          "  %s",
                                       "  from <%s>", ", %s bytes", ", %s recipients", "  %s",
                                       NULL };
  static const gchar *const client[] = { "client %s", "[%s]",    ", %s",      " (%s)", "  login %s",
                                         " (%s)",     "  by %s", ", port %s", NULL };
  static const gchar *const content[] = { "message-id %s", "  subject %s", NULL };
  static const gchar *const verdict[] = { "spam %s",   "  score %s", "  virus %s", "  spf %s",
                                          "  dkim %s", "  dmarc %s", NULL };

  print_rows(trace,
             "SELECT parent_kind, queue_id, host, time, sender, size, iif(nrcpt>1, nrcpt, NULL),"
             " iif(incomplete, state||', incomplete', state) FROM messages"
             " WHERE id=CAST(? AS INTEGER)",
             params, indent, head);
  print_rows(
      trace,
      "SELECT iif(client_ip IS NULL, client_name, coalesce(client_name||' ', '')), client_ip,"
      " country_name, country, auth_user, auth_method, service,"
      " port FROM messages WHERE id=CAST(? AS INTEGER)",
      params, indent + 2, client);
  print_rows(trace, "SELECT message_id, subject FROM messages WHERE id=CAST(? AS INTEGER)", params,
             indent + 2, content);
  print_rows(trace,
             "SELECT spam_action, spam_score, virus, spf, dkim, dmarc FROM messages"
             " WHERE id=CAST(? AS INTEGER)",
             params, indent + 2, verdict);
}

static const gchar mailbox_sql[] =
    "SELECT e.time, e.action, e.mailbox, e.target, e.uid, e.session FROM mailbox_events e"
    " WHERE e.message_id=(SELECT message_id FROM messages WHERE id=CAST(?1 AS INTEGER))"
    " AND lower(e.account)=lower(?2) ORDER BY e.ts";

static void
print_mailbox(Trace *trace, const gchar *id, const gchar *recipient, gint indent)
{
  const gchar *const params[] = { id, recipient, NULL };
  static const gchar *const formats[] = { "%s",       "  mailbox: %s", "  %s", " -> %s",
                                          "  uid %s", "  session %s",  NULL };

  print_rows(trace, mailbox_sql, params, indent, formats);
}

static const gchar attempts_sql[] =
    "SELECT time, delay, relay_name, relay_ip, dsn, reply FROM attempts"
    " WHERE message=CAST(?1 AS INTEGER) AND delivery=CAST(?2 AS INTEGER) ORDER BY ts";

static const gchar deliveries_sql[] =
    "SELECT recipient, orig_recipient, outcome, iif(outcome IS NULL, status, NULL),"
    " iif(attempts>1, attempts, NULL), time, delay, relay_name, relay_ip, mailbox, forwarded_to,"
    " iif(auto_reply, 'sent', NULL), filter_rule, dsn, reply FROM deliveries"
    " WHERE id=CAST(?1 AS INTEGER) AND message=CAST(?2 AS INTEGER)";

static void
print_delivery(Trace *trace, const gchar *id, const gchar *delivery, gint indent)
{
  const gchar *const params[] = { delivery, id, NULL };
  const gchar *const reversed[] = { id, delivery, NULL };
  static const gchar *const formats[] = {
    "to <%s>",      " for <%s>", "  %s",  "  %s on",   "  %s attempts",     "  %s",
    " after %s s",  "  via %s",  " [%s]", "  into %s", "  forwarded to %s", "  vacation reply %s",
    "  by rule %s", "  %s",      " %s",   NULL
  };
  static const gchar *const attempt[] = { "%s  put off", " after %s s", "  via %s", " [%s]",
                                          "  %s",        " %s",         NULL };
  gchar **recipients = ids_of(trace,
                              "SELECT recipient FROM deliveries WHERE id=CAST(?1 AS INTEGER)"
                              " AND message=CAST(?2 AS INTEGER) AND outcome IS NOT NULL",
                              delivery, id);

  print_rows(trace, deliveries_sql, params, indent, formats);
  print_rows(trace, attempts_sql, reversed, indent + 2, attempt);
  if (recipients[0])
    print_mailbox(trace, id, recipients[0], indent + 2);
  g_strfreev(recipients);
}

static void
print_tree(Trace *trace, const gchar *id, gint depth)
{
  gchar **deliveries, **children;

  look_at(trace, id);
  print_message(trace, id, depth * 2);
  deliveries = ids_of(
      trace, "SELECT id FROM deliveries WHERE message=CAST(? AS INTEGER) ORDER BY ts", id, NULL);
  for (guint i = 0; deliveries[i]; i++)
    print_delivery(trace, id, deliveries[i], depth * 2 + 2);
  g_strfreev(deliveries);
  if (depth >= MAX_DEPTH)
    return;
  children = hops_of(trace, MT_HOPS_CHILDREN, id);
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

/* "name":[{...},{...}] */
static void
append_list(Trace *trace, const gchar *name, const gchar *sql, const gchar *first,
            const gchar *second, GString *json)
{
  MtRows *rows = ask(trace, sql, first, second);
  const gchar *comma = "";

  g_string_append_printf(json, ",\"%s\":[", name);
  for (; next(trace, rows); comma = ",")
    {
      g_string_append_printf(json, "%s{", comma);
      append_object(json, rows);
      g_string_append_c(json, '}');
    }
  g_string_append_c(json, ']');
  mt_rows_free(rows);
}

static void
append_deliveries(Trace *trace, const gchar *id, GString *json)
{
  MtRows *rows =
      ask(trace, "SELECT * FROM deliveries WHERE message=CAST(? AS INTEGER) ORDER BY ts", id, NULL);
  const gchar *comma = "";

  g_string_append(json, ",\"deliveries\":[");
  for (; next(trace, rows); comma = ",")
    {
      gchar *delivery = dup_column(rows, mt_rows_column(rows, "id"));
      gboolean final = mt_rows_type(rows, mt_rows_column(rows, "outcome")) != MT_COLUMN_NULL;
      gchar *recipient = final ? dup_column(rows, mt_rows_column(rows, "recipient")) : NULL;

      g_string_append_printf(json, "%s{", comma);
      append_object(json, rows);
      append_list(trace, "put_off", attempts_sql, id, delivery, json);
      if (final)
        append_list(trace, "mailbox_events", mailbox_sql, id, recipient, json);
      g_string_append_c(json, '}');
      g_free(delivery);
      g_free(recipient);
    }
  g_string_append_c(json, ']');
  mt_rows_free(rows);
}

static void
append_tree(Trace *trace, const gchar *id, gint depth, GString *json)
{
  gchar **children;
  MtRows *rows;

  look_at(trace, id);
  rows = ask(trace, "SELECT * FROM messages WHERE id=CAST(? AS INTEGER)", id, NULL);
  g_string_append_c(json, '{');
  if (next(trace, rows))
    append_object(json, rows);
  mt_rows_free(rows);
  append_deliveries(trace, id, json);
  g_string_append(json, ",\"children\":[");
  children = hops_of(trace, MT_HOPS_CHILDREN, id);
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

static const gchar csv_sql[] =
    "SELECT m.queue_id, m.parent_queue_id, m.parent_kind, m.host, m.message_id, m.sender,"
    " d.time, d.recipient, d.orig_recipient, d.status, d.dsn, d.relay_name, d.relay_ip, d.delay,"
    " d.attempts, d.mailbox, d.reply FROM (SELECT * FROM messages WHERE id=CAST(?1 AS INTEGER)) m"
    " LEFT JOIN (SELECT * FROM deliveries WHERE message=CAST(?1 AS INTEGER)) d ORDER BY d.ts";

static void
print_csv_tree(Trace *trace, const gchar *id, gint depth, gboolean *headed)
{
  gchar **children;
  MtRows *rows;

  look_at(trace, id);
  rows = ask(trace, csv_sql, id, NULL);
  if (rows && !*headed)
    cli_print_csv_head(rows);
  *headed = TRUE;
  while (next(trace, rows))
    cli_print_csv(rows);
  mt_rows_free(rows);
  children = hops_of(trace, MT_HOPS_CHILDREN, id);
  for (guint i = 0; children[i] && depth < MAX_DEPTH; i++)
    print_csv_tree(trace, children[i], depth + 1, headed);
  g_strfreev(children);
}

/* ---- together ---------------------------------------------------------------------- */

/* ---- raw lines --------------------------------------------------------------------- */

static void
collect_ids(Trace *trace, const gchar *id, gint depth)
{
  gchar **children;
  MtRows *rows;

  look_at(trace, id);
  rows =
      ask(trace, "SELECT queue_id, message_id FROM messages WHERE id=CAST(? AS INTEGER)", id, NULL);
  while (next(trace, rows))
    for (guint i = 0; i < 2; i++)
      if (mt_rows_text(rows, i).len)
        g_hash_table_add(trace->ids, dup_column(rows, i));
  mt_rows_free(rows);
  children = hops_of(trace, MT_HOPS_CHILDREN, id);
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
  cli_print_related(trace->query, trace->ids,
                    trace->json  ? CLI_JSON
                    : trace->csv ? CLI_CSV
                                 : CLI_TABLE,
                    &trace->error);
}

static gint
run(Trace *trace, const gchar *id)
{
  gchar **ids = hops_of(trace, MT_HOPS_NAMED, id);
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
    { "lines", 0, 0, G_OPTION_ARG_NONE, &trace.lines, "with its raw lines, while they are kept",
      NULL },
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
  else if (!(trace.query = mt_query_open_lean(cli_database(database), &error)))
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
