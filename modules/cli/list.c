/* list.c: rows of a view, for people, programs and spreadsheets */
#include "cli/cli.h"
#include "scan/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define DEFAULT_LIMIT 50
#define MAX_FILTERS 16

/* How often --follow looks. */
#define FOLLOW_US 250000

typedef struct
{
  gchar *database, *since, *until, *sort, *text, *only_domain;
  gint limit, offset;
  gboolean json, csv, count, follow;
  gchar *filters[MAX_FILTERS];
  MtTime from, to; /* as since and until say */
} Options;

typedef struct
{
  GString *where;
  GPtrArray *params;
} Where;

/* ---- the question ------------------------------------------------------------------------- */

static void
add_condition(Where *where, const gchar *sql, const gchar *value)
{
  g_string_append(where->where, where->where->len ? " AND " : " WHERE ");
  for (; *sql; sql++)
    {
      g_string_append_c(where->where, *sql);
      if (*sql == '?')
        g_ptr_array_add(where->params, g_strdup(value));
    }
}

static void
add_time(Where *where, const gchar *sql, MtTime at)
{
  gchar *number = g_strdup_printf("%" G_GINT64_FORMAT, at);

  add_condition(where, sql, number);
  g_free(number);
}

/* "a*@example.com" becomes GLOB; addresses are compared as they are otherwise. */
static void
add_filter(Where *where, const gchar *sql, const gchar *value)
{
  gchar **parts;
  gchar *glob;

  if (!strchr(value, '*'))
    {
      add_condition(where, sql, value);
      return;
    }
  parts = g_strsplit(sql, "=?", -1);
  glob = g_strjoinv(" GLOB ?", parts);
  add_condition(where, glob, value);
  g_strfreev(parts);
  g_free(glob);
}

static void
add_hops(Where *where, MtQuery *query, const gchar *column, const gchar *value, GError **error)
{
  gchar *sql = cli_mail_of(query, column, value, error);

  add_condition(where, sql, NULL);
  g_free(sql);
}

/* Asking the view itself for no rows would take as long as preparing the page. */
static gchar **
column_names(MtQuery *query, const gchar *view, GError **error)
{
  const gchar *params[] = { view, NULL };
  MtRows *rows = mt_query_run(query, "SELECT name FROM pragma_table_info(?)", params, error);
  GPtrArray *names = g_ptr_array_new();

  while (rows && mt_rows_next(rows, error))
    {
      MtSpan name = mt_rows_text(rows, 0);

      g_ptr_array_add(names, g_strndup(name.at, name.len));
    }
  mt_rows_free(rows);
  g_ptr_array_add(names, NULL);
  return (gchar **) g_ptr_array_free(names, FALSE);
}

/* Every word must stand somewhere in the row. */
static void
add_text(Where *where, gchar **columns, const gchar *text)
{
  gchar **words = g_strsplit(text, " ", -1);
  GString *row = g_string_new("instr(lower(");

  for (guint i = 0; columns[i]; i++)
    g_string_append_printf(row, "%scoalesce(\"%s\",'')", i ? "||' '||" : "", columns[i]);
  g_string_append(row, "), lower(?))>0");
  for (guint i = 0; words[i]; i++)
    if (*words[i])
      add_condition(where, row->str, words[i]);
  g_string_free(row, TRUE);
  g_strfreev(words);
}

/* The domain itself; not those that end alike. */
static void
add_only_domain(Where *where, const gchar *columns, const gchar *domain)
{
  gchar **names = g_strsplit(columns, " ", -1);
  gchar *suffix = g_strconcat("%@", domain, NULL);
  GString *sql = g_string_new("(");

  for (guint i = 0; names[i]; i++)
    g_string_append_printf(sql, "%s%s LIKE ?", i ? " OR " : "", names[i]);
  g_string_append_c(sql, ')');
  add_condition(where, sql->str, suffix);
  g_string_free(sql, TRUE);
  g_strfreev(names);
  g_free(suffix);
}

static gboolean
add_times(Where *where, const CliList *list, Options *options, gint *status)
{
  options->from = G_MININT64;
  options->to = G_MAXINT64;

  if (options->since)
    {
      if (!cli_parse_time(options->since, &options->from))
        {
          *status = cli_usage(list->command,
                              "--since %s: is no time, such as 2h, yesterday or "
                              "2026-03-09T12:00",
                              options->since);
          return FALSE;
        }
      add_time(where, "ts>=CAST(? AS INTEGER)", options->from);
    }
  if (options->until)
    {
      if (!cli_parse_time(options->until, &options->to))
        {
          *status = cli_usage(list->command,
                              "--until %s: is no time, such as 2h, yesterday or "
                              "2026-03-09T12:00",
                              options->until);
          return FALSE;
        }
      add_time(where, "ts<CAST(? AS INTEGER)", options->to);
    }
  return TRUE;
}

static gboolean
order_by(const CliList *list, gchar **columns, const gchar *sort, GString *sql, gint *status)
{
  gchar **parts = g_strsplit(sort, ":", 2);
  gboolean known = g_strv_contains((const gchar *const *) columns, parts[0]);
  gboolean desc = parts[1] && g_str_equal(parts[1], "desc");

  if (!known || (parts[1] && !desc && !g_str_equal(parts[1], "asc")))
    {
      gchar *all = g_strjoinv(", ", columns);

      *status =
          cli_usage(list->command, "--sort %s: must be a column, with :desc or not: %s", sort, all);
      g_free(all);
    }
  else
    g_string_append_printf(sql, " ORDER BY %s%s", parts[0], desc ? " DESC" : "");
  g_strfreev(parts);
  return known;
}

/* ---- the answer ------------------------------------------------------------------------------ */

static void
append_json_value(const MtRows *rows, guint column, GString *to)
{
  MtSpan text = mt_rows_text(rows, column);

  switch (mt_rows_type(rows, column))
    {
    case MT_COLUMN_NULL:
      g_string_append(to, "null");
      return;
    case MT_COLUMN_TEXT:
      mt_text_append_json(to, text);
      return;
    default:
      g_string_append_len(to, text.at, text.len);
    }
}

void
cli_append_json(const MtRows *rows, GString *line)
{
  g_string_append_c(line, '{');
  for (guint i = 0; i < mt_rows_columns(rows); i++)
    {
      g_string_append_printf(line, "%s\"%s\":", i ? "," : "", mt_rows_name(rows, i));
      append_json_value(rows, i, line);
    }
  g_string_append_c(line, '}');
}

void
cli_print_json(const MtRows *rows)
{
  GString *line = g_string_new(NULL);

  cli_append_json(rows, line);
  puts(line->str);
  g_string_free(line, TRUE);
}

void
cli_print_csv(const MtRows *rows)
{
  GString *line = g_string_new(NULL);

  for (guint i = 0; i < mt_rows_columns(rows); i++)
    {
      if (i)
        g_string_append_c(line, ',');
      mt_text_append_csv(line, mt_rows_text(rows, i));
    }
  puts(line->str);
  g_string_free(line, TRUE);
}

void
cli_print_csv_head(const MtRows *rows)
{
  for (guint i = 0; i < mt_rows_columns(rows); i++)
    printf("%s%s", i ? "," : "", mt_rows_name(rows, i));
  putchar('\n');
}

/* One line a row, two spaces between columns; widths are those of the page. */
static void
print_table(GPtrArray *cells, guint columns)
{
  glong *widths = g_new0(glong, columns);

  for (guint i = 0; i < cells->len; i++)
    {
      glong width = g_utf8_strlen(g_ptr_array_index(cells, i), -1);

      widths[i % columns] = MAX(widths[i % columns], width);
    }
  for (guint i = 0; i < cells->len; i++)
    {
      const gchar *cell = g_ptr_array_index(cells, i);
      glong pad = widths[i % columns] - g_utf8_strlen(cell, -1);

      if (i % columns == columns - 1)
        printf("%s\n", cell);
      else
        printf("%s%*s", cell, (gint) pad + 2, "");
    }
  g_free(widths);
}

static gchar *
cell_of(const MtRows *rows, guint column)
{
  GString *cell = g_string_new(NULL);

  if (mt_rows_type(rows, column) == MT_COLUMN_NULL)
    g_string_append_c(cell, '-');
  else
    mt_text_append_terminal(cell, mt_rows_text(rows, column));
  return g_string_free(cell, FALSE);
}

guint
cli_print_rows(MtRows *rows, CliForm form, gboolean head, GError **error)
{
  GPtrArray *cells = g_ptr_array_new_with_free_func(g_free);
  guint count = 0;

  if (form == CLI_CSV && head)
    cli_print_csv_head(rows);
  for (guint i = 0; form == CLI_TABLE && head && i < mt_rows_columns(rows); i++)
    g_ptr_array_add(cells, g_ascii_strup(mt_rows_name(rows, i), -1));
  for (; mt_rows_next(rows, error); count++)
    {
      if (form == CLI_JSON)
        cli_print_json(rows);
      else if (form == CLI_CSV)
        cli_print_csv(rows);
      for (guint i = 0; form == CLI_TABLE && i < mt_rows_columns(rows); i++)
        g_ptr_array_add(cells, cell_of(rows, i));
    }
  if (form == CLI_TABLE && count)
    print_table(cells, mt_rows_columns(rows));
  g_ptr_array_free(cells, TRUE);
  fflush(stdout);
  return count;
}

static CliForm
form_of(const Options *options)
{
  return options->json ? CLI_JSON : options->csv ? CLI_CSV : CLI_TABLE;
}

/* ---- together ---------------------------------------------------------------------- */

static gint
print_count(MtQuery *query, const CliList *list, Where *where)
{
  gchar *sql = g_strdup_printf("SELECT count(*) FROM %s%s", list->view, where->where->str);
  GError *error = NULL;
  MtRows *rows = mt_query_run(query, sql, (const gchar *const *) where->params->pdata, &error);
  gint64 count = rows && mt_rows_next(rows, &error) ? mt_rows_integer(rows, 0) : 0;

  g_free(sql);
  mt_rows_free(rows);
  if (error)
    return cli_fail(&error);
  printf("%" G_GINT64_FORMAT "\n", count);
  return count ? CLI_FINE : CLI_NOTHING;
}

/* New rows as they come: those behind the newest that was there. */
static gint
follow(MtQuery *query, const CliList *list, const Options *options, const gchar *columns,
       const Where *where)
{
  gchar *newest = g_strdup_printf("SELECT coalesce(max(ts), 0) FROM %s", list->view);
  gint64 last = 0, changes = -1;
  GError *error = NULL;
  MtRows *rows = mt_query_run(query, newest, NULL, &error);

  if (rows && mt_rows_next(rows, &error))
    last = mt_rows_integer(rows, 0);
  mt_rows_free(rows);
  g_free(newest);
  while (!error)
    {
      gint64 now = mt_query_changes(query), seen = last;
      gchar *sql;

      g_usleep(FOLLOW_US);
      if (now == changes)
        continue;
      changes = now;
      sql = g_strdup_printf("SELECT %s, ts FROM %s%s%sts>%" G_GINT64_FORMAT " ORDER BY ts", columns,
                            list->view, where->where->str, where->where->len ? " AND " : " WHERE ",
                            last);
      rows = mt_query_run(query, sql, (const gchar *const *) where->params->pdata, &error);
      if (rows)
        cli_print_rows(rows, form_of(options), FALSE, &error);
      mt_rows_free(rows);
      g_free(sql);
      sql = g_strdup_printf("SELECT coalesce(max(ts), %" G_GINT64_FORMAT ") FROM %s", seen,
                            list->view);
      rows = error ? NULL : mt_query_run(query, sql, NULL, &error);
      if (rows && mt_rows_next(rows, &error))
        last = mt_rows_integer(rows, 0);
      mt_rows_free(rows);
      g_free(sql);
    }
  return cli_fail(&error);
}

/* The filter whose rows can be found by name; NULL: there is another condition, too. */
static const CliFilter *
only_filter(const CliList *list, const Options *options, const gchar **value)
{
  const CliFilter *only = NULL;

  if (options->text || options->only_domain || options->sort
      || options->limit > MT_NEWEST_MAX - MIN(options->offset, MT_NEWEST_MAX))
    return NULL;
  for (guint i = 0; list->filters[i].option; i++)
    if (options->filters[i] && (only || !list->filters[i].newest))
      return NULL;
    else if (options->filters[i])
      {
        only = &list->filters[i];
        *value = options->filters[i];
      }
  return only && !strpbrk(*value, "*%_") ? only : NULL;
}

/* Only rows of these times are on the page: the view need not be read for them. */
static void
add_newest(MtQuery *query, const CliList *list, const Options *options, GString *sql,
           GError **error)
{
  const gchar *value;
  const CliFilter *filter = only_filter(list, options, &value);
  gchar *small =
      filter && filter->newest != MT_NEWEST_MAIL_OF_ACCOUNT ? g_ascii_strdown(value, -1) : NULL;
  GArray *times = filter
                      ? mt_query_newest(query, filter->newest, small ? small : value, options->from,
                                        options->to, options->limit + options->offset, error)
                      : NULL;

  g_free(small);
  if (!times)
    return;
  g_string_append(sql, " AND ts IN (");
  for (guint i = 0; i < times->len; i++)
    g_string_append_printf(sql, "%s%" G_GINT64_FORMAT, i ? "," : "",
                           g_array_index(times, MtTime, i));
  g_string_append_c(sql, ')');
  g_array_free(times, TRUE);
}

/* FALSE with the exit status: a wrong option, or the store cannot be asked. */
static gboolean
page_sql(MtQuery *query, const CliList *list, const Options *options, gchar **columns,
         const Where *where, GString *sql, gint *status)
{
  const gchar *shown = options->json || options->csv ? "*" : list->columns;
  GError *error = NULL;

  /* All columns inside: SQLite merges a view's arms in order only by a column that is selected. */
  g_string_printf(sql, "SELECT %s FROM (SELECT * FROM %s%s", shown, list->view, where->where->str);
  add_newest(query, list, options, sql, &error);
  if (error)
    {
      *status = cli_fail(&error);
      return FALSE;
    }
  if (!order_by(list, columns, options->sort ? options->sort : list->sort, sql, status))
    return FALSE;
  g_string_append_printf(sql, " LIMIT %d OFFSET %d)", options->limit, options->offset);
  return TRUE;
}

static gint
print_page(MtQuery *query, const CliList *list, const Options *options, gchar **columns,
           Where *where)
{
  GString *sql = g_string_new(NULL);
  GError *error = NULL;
  gint status = CLI_USAGE;

  if (page_sql(query, list, options, columns, where, sql, &status))
    {
      MtRows *rows =
          mt_query_run(query, sql->str, (const gchar *const *) where->params->pdata, &error);
      guint count = rows ? cli_print_rows(rows, form_of(options), TRUE, &error) : 0;

      mt_rows_free(rows);
      status = error ? cli_fail(&error) : count ? CLI_FINE : CLI_NOTHING;
      if (options->follow && status != CLI_FAILED)
        status = follow(query, list, options, options->json || options->csv ? "*" : list->columns,
                        where);
    }
  g_string_free(sql, TRUE);
  return status;
}

static gint
answer(MtQuery *query, const CliList *list, Options *options)
{
  Where where = { g_string_new(NULL), g_ptr_array_new_with_free_func(g_free) };
  GError *error = NULL;
  gchar **columns = column_names(query, list->view, &error);
  gint status = CLI_FAILED;

  if (error)
    status = cli_fail(&error);
  else if (add_times(&where, list, options, &status))
    {
      for (guint i = 0; list->filters[i].option && !error; i++)
        if (options->filters[i] && list->filters[i].hops)
          add_hops(&where, query, list->filters[i].hops, options->filters[i], &error);
        else if (options->filters[i])
          add_filter(&where, list->filters[i].sql, options->filters[i]);
      if (options->text)
        add_text(&where, columns, options->text);
      if (options->only_domain)
        add_only_domain(&where, list->domains, options->only_domain);
      g_ptr_array_add(where.params, NULL);
      status = error            ? cli_fail(&error)
               : options->count ? print_count(query, list, &where)
                                : print_page(query, list, options, columns, &where);
    }
  g_strfreev(columns);
  g_string_free(where.where, TRUE);
  g_ptr_array_free(where.params, TRUE);
  return status;
}

static void
free_options(Options *options)
{
  g_free(options->database);
  g_free(options->since);
  g_free(options->until);
  g_free(options->sort);
  g_free(options->text);
  g_free(options->only_domain);
  for (guint i = 0; i < MAX_FILTERS; i++)
    g_free(options->filters[i]);
}

static GArray *
entries_of(const CliList *list, Options *options)
{
  const GOptionEntry common[] = {
    { "database", 'd', 0, G_OPTION_ARG_FILENAME, &options->database, "the store", "FILE" },
    { "since", 0, 0, G_OPTION_ARG_STRING, &options->since, "from this time on", "TIME" },
    { "until", 0, 0, G_OPTION_ARG_STRING, &options->until, "before this time", "TIME" },
    { "sort", 0, 0, G_OPTION_ARG_STRING, &options->sort, "by this column", "COLUMN[:desc]" },
    { "limit", 0, 0, G_OPTION_ARG_INT, &options->limit, "at most this many (50)", "N" },
    { "offset", 0, 0, G_OPTION_ARG_INT, &options->offset, "without the first N", "N" },
    { "count", 0, 0, G_OPTION_ARG_NONE, &options->count, "only how many", NULL },
    { "follow", 'f', 0, G_OPTION_ARG_NONE, &options->follow, "go on with what comes", NULL },
    { "text", 0, 0, G_OPTION_ARG_STRING, &options->text, "rows that hold all of these", "WORDS" },
    { "only-domain", 0, 0, G_OPTION_ARG_STRING, &options->only_domain, "nothing of other domains",
      "DOMAIN" },
    { "json", 0, 0, G_OPTION_ARG_NONE, &options->json, "one object a line", NULL },
    { "csv", 0, 0, G_OPTION_ARG_NONE, &options->csv, "comma-separated values", NULL },
  };
  GArray *entries = g_array_new(TRUE, FALSE, sizeof(GOptionEntry));

  for (guint i = 0; list->filters[i].option; i++)
    {
      GOptionEntry entry = {
        list->filters[i].option, 0,  0, G_OPTION_ARG_STRING, &options->filters[i],
        list->filters[i].help,   "X"
      };

      g_array_append_val(entries, entry);
    }
  g_array_append_vals(entries, common, G_N_ELEMENTS(common));
  return entries;
}

gint
cli_list(const CliList *list, int argc, char **argv)
{
  Options options = { .limit = DEFAULT_LIMIT };
  GArray *entries = entries_of(list, &options);
  GError *error = NULL;
  gint status = CLI_FINE;
  MtQuery *query;

  if (cli_parse_options(&argc, &argv, list->parameters, list->summary,
                        (const GOptionEntry *) (gpointer) entries->data, &status))
    {
      if (argc > 1)
        status = cli_usage(list->command, "\"%s\" is one word too many", argv[1]);
      else if (options.json && options.csv)
        status = cli_usage(list->command, "--json and --csv are one too many");
      else if (options.limit < 0 || options.offset < 0)
        status = cli_usage(list->command, "--limit and --offset must not be negative");
      else if (!(query = mt_query_open(cli_database(options.database), &error)))
        status = cli_fail(&error);
      else
        {
          status = answer(query, list, &options);
          mt_query_close(query);
        }
    }
  g_array_free(entries, TRUE);
  free_options(&options);
  return status;
}
