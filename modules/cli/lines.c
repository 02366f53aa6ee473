/* lines: raw lines, while they are kept */
#include "cli/cli.h"
#include "scan/text.h"

#include <stdio.h>

#define DEFAULT_LIMIT 50

/* ---- the ring, in memory ------------------------------------------------------------------- */

enum
{
  LINE,
  TIME,
  HOST,
  PROGRAM,
  TEXT,
  FIRST_ID, /* queue ID, Message-ID, session */
  COLUMNS = FIRST_ID + 3
};

typedef struct
{
  gchar *columns[COLUMNS]; /* NULL where there is none */
  gboolean is_related;
} Line;

static void
free_line(gpointer data)
{
  Line *line = data;

  for (guint i = 0; i < COLUMNS; i++)
    g_free(line->columns[i]);
  g_free(line);
}

static GPtrArray *
read_lines(MtQuery *query, GError **error)
{
  MtRows *rows =
      mt_query_run(query,
                   "SELECT line, time, host, program, text, queue_id, message_id, session"
                   " FROM log_tail ORDER BY line",
                   NULL, error);
  GPtrArray *lines = g_ptr_array_new_with_free_func(free_line);

  while (rows && mt_rows_next(rows, error))
    {
      Line *line = g_new0(Line, 1);

      for (guint i = 0; i < COLUMNS; i++)
        if (mt_rows_type(rows, i) != MT_COLUMN_NULL)
          line->columns[i] = g_strndup(mt_rows_text(rows, i).at, mt_rows_text(rows, i).len);
      g_ptr_array_add(lines, line);
    }
  mt_rows_free(rows);
  return lines;
}

static gboolean
names_one_of(const Line *line, GHashTable *ids)
{
  for (guint i = FIRST_ID; i < COLUMNS; i++)
    if (line->columns[i] && g_hash_table_contains(ids, line->columns[i]))
      return TRUE;
  return FALSE;
}

/* Returns: an ID that was not there before. */
static gboolean
add_ids(const Line *line, GHashTable *ids)
{
  gboolean grown = FALSE;

  for (guint i = FIRST_ID; i < COLUMNS; i++)
    if (line->columns[i] && *line->columns[i])
      grown |= g_hash_table_add(ids, g_strdup(line->columns[i]));
  return grown;
}

/* A line with one of the IDs belongs, and so do those that its other IDs lead to. */
static void
relate(GPtrArray *lines, GHashTable *ids)
{
  gboolean grown = TRUE;

  while (grown)
    {
      grown = FALSE;
      for (guint i = 0; i < lines->len; i++)
        {
          Line *line = g_ptr_array_index(lines, i);

          if (line->is_related || !names_one_of(line, ids))
            continue;
          line->is_related = TRUE;
          grown |= add_ids(line, ids);
        }
    }
}

/* ---- printing ---------------------------------------------------------------------- */

static void
print_json(const Line *line)
{
  static const gchar *const names[] = { "line", "time",     "host",       "program",
                                        "text", "queue_id", "message_id", "session" };
  GString *json = g_string_new(NULL);

  for (guint i = 0; i < COLUMNS; i++)
    {
      g_string_append_printf(json, "%s\"%s\":", i ? "," : "{", names[i]);
      if (!line->columns[i])
        g_string_append(json, "null");
      else if (i == LINE)
        g_string_append(json, line->columns[i]);
      else
        mt_text_append_json(json, mt_span_of_string(line->columns[i]));
    }
  puts(g_string_append_c(json, '}')->str);
  g_string_free(json, TRUE);
}

static void
print_csv(const Line *line)
{
  GString *csv = g_string_new(NULL);

  for (guint i = 0; i < COLUMNS; i++)
    {
      if (i)
        g_string_append_c(csv, ',');
      if (line->columns[i])
        mt_text_append_csv(csv, mt_span_of_string(line->columns[i]));
    }
  puts(csv->str);
  g_string_free(csv, TRUE);
}

static void
print_plain(const Line *line)
{
  GString *plain = g_string_new(NULL);

  for (guint i = TIME; i <= TEXT; i++)
    {
      if (line->columns[i])
        mt_text_append_terminal(plain, mt_span_of_string(line->columns[i]));
      g_string_append(plain, i == PROGRAM ? ": " : i == TEXT ? "" : " ");
    }
  puts(plain->str);
  g_string_free(plain, TRUE);
}

static guint
print_lines(GPtrArray *lines, CliForm form, guint limit)
{
  guint printed = 0;

  if (form == CLI_CSV)
    puts("line,time,host,program,text,queue_id,message_id,session");
  for (guint i = 0; i < lines->len && printed < limit; i++)
    {
      const Line *line = g_ptr_array_index(lines, i);

      if (!line->is_related)
        continue;
      if (form == CLI_JSON)
        print_json(line);
      else if (form == CLI_CSV)
        print_csv(line);
      else
        print_plain(line);
      printed++;
    }
  return printed;
}

guint
cli_print_related(MtQuery *query, GHashTable *ids, CliForm form, GError **error)
{
  GPtrArray *lines = read_lines(query, error);
  guint printed;

  relate(lines, ids);
  printed = print_lines(lines, form, G_MAXUINT);
  g_ptr_array_free(lines, TRUE);
  return printed;
}

/* ---- the command ------------------------------------------------------------------- */

static gboolean
has_words(const Line *line, gchar **words)
{
  gchar *whole = g_strjoin(" ", line->columns[HOST] ? line->columns[HOST] : "",
                           line->columns[PROGRAM] ? line->columns[PROGRAM] : "",
                           line->columns[TEXT] ? line->columns[TEXT] : "", NULL);
  gchar *lower = g_ascii_strdown(whole, -1);
  gboolean all = TRUE;

  for (guint i = 0; words[i] && all; i++)
    all = strstr(lower, words[i]) != NULL;
  g_free(whole);
  g_free(lower);
  return all;
}

static gint
run(MtQuery *query, const gchar *text, gboolean related, CliForm form, gint limit)
{
  GHashTable *ids = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  gchar *lower = g_ascii_strdown(text, -1), **words = g_strsplit(lower, " ", -1);
  GError *error = NULL;
  GPtrArray *lines = read_lines(query, &error);
  guint printed = 0;

  for (guint i = 0; i < lines->len; i++)
    {
      Line *line = g_ptr_array_index(lines, i);

      line->is_related = has_words(line, words);
      if (line->is_related)
        add_ids(line, ids);
    }
  if (related)
    relate(lines, ids);
  if (!error)
    printed = print_lines(lines, form, limit);
  g_ptr_array_free(lines, TRUE);
  g_hash_table_destroy(ids);
  g_strfreev(words);
  g_free(lower);
  return error ? cli_fail(&error) : printed ? CLI_FINE : CLI_NOTHING;
}

gint
cli_run_lines(int argc, char **argv)
{
  gchar *database = NULL, *text = NULL;
  gboolean related = FALSE, json = FALSE, csv = FALSE;
  gint limit = DEFAULT_LIMIT, status = CLI_FINE;
  const GOptionEntry entries[] = {
    { "database", 'd', 0, G_OPTION_ARG_FILENAME, &database, "the store", "FILE" },
    { "text", 0, 0, G_OPTION_ARG_STRING, &text, "lines that hold all of these", "WORDS" },
    { "related", 0, 0, G_OPTION_ARG_NONE, &related,
      "with all lines of the messages and sessions they belong to", NULL },
    { "limit", 0, 0, G_OPTION_ARG_INT, &limit, "at most this many (50)", "N" },
    { "json", 0, 0, G_OPTION_ARG_NONE, &json, "one object a line", NULL },
    { "csv", 0, 0, G_OPTION_ARG_NONE, &csv, "comma-separated values", NULL },
    { NULL },
  };
  GError *error = NULL;
  MtQuery *query;

  if (!cli_parse_options(
          &argc, &argv, "--text WORDS - raw lines, oldest first",
          "The last lines are kept verbatim: raw-lines() of the destination says how many.",
          entries, &status))
    return status;
  if (argc > 1 || !text || !*text)
    status = cli_usage("lines", "wants --text WORDS");
  else if (limit < 0 || (json && csv))
    status = cli_usage("lines", json && csv ? "--json and --csv are one too many"
                                            : "--limit must not be negative");
  else if (!(query = mt_query_open(cli_database(database), &error)))
    status = cli_fail(&error);
  else
    {
      status = run(query, text, related, json ? CLI_JSON : csv ? CLI_CSV : CLI_TABLE, limit);
      mt_query_close(query);
    }
  g_free(database);
  g_free(text);
  return status;
}
