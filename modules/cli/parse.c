/* parse: what each line of a log says */
#include "cli/cli.h"
#include "cli/input.h"
#include "engine/reader.h"

#include <stdio.h>

typedef struct
{
  gchar *dialect, *timezone;
  gint year;
  gboolean unknown, stats, csv, json;
  GHashTable *counts; /* "dialect\tevent" -> number */
  guint64 lines;
} Parse;

static void
count_line(Parse *parse, const MtEvent *event)
{
  gchar *key = g_strdup_printf("%s\t%s", event->dialect ? event->dialect : "-",
                               mt_event_kind_name(event->kind));
  gsize count = GPOINTER_TO_SIZE(g_hash_table_lookup(parse->counts, key));

  g_hash_table_replace(parse->counts, key, GSIZE_TO_POINTER(count + 1));
}

static gint
compare_keys(gconstpointer a, gconstpointer b)
{
  return strcmp(a, b);
}

static void
print_stats(Parse *parse)
{
  GList *keys = g_list_sort(g_hash_table_get_keys(parse->counts), compare_keys);

  for (GList *key = keys; key; key = key->next)
    printf("%-24s%10" G_GSIZE_FORMAT "\n", (const gchar *) key->data,
           GPOINTER_TO_SIZE(g_hash_table_lookup(parse->counts, key->data)));
  printf("lines\t%" G_GUINT64_FORMAT "\n", parse->lines);
  g_list_free(keys);
}

static gint
parse_file(Parse *parse, const gchar *path)
{
  GError *error = NULL;
  CliInput *input = cli_input_open(path, &error);
  GTimeZone *zone =
      parse->timezone ? g_time_zone_new_identifier(parse->timezone) : g_time_zone_new_local();
  MtReaderSettings settings = { .dialect = parse->dialect,
                                .zone = zone,
                                .latest = input ? cli_input_changed(input) : MT_NO_TIME,
                                .year = parse->year };
  MtReader *reader = NULL;
  GString *json = g_string_new(NULL);
  MtSpan raw;

  if (settings.latest == MT_NO_TIME)
    settings.latest = g_get_real_time();
  if (input)
    reader = mt_reader_new(&settings, &error);
  while (reader && cli_input_line(input, &raw, &error))
    {
      MtEvent event;
      MtLine line;

      mt_reader_read(reader, raw, &line, &event);
      parse->lines++;
      if (parse->stats)
        count_line(parse, &event);
      else if (!parse->unknown || event.kind == MT_EVENT_UNKNOWN)
        {
          g_string_truncate(json, 0);
          mt_event_append_json(&event, &line, json);
          g_string_append_c(json, '\n');
          fwrite(json->str, 1, json->len, stdout);
        }
    }
  g_string_free(json, TRUE);
  mt_reader_free(reader);
  g_time_zone_unref(zone);
  cli_input_close(input);
  return error ? cli_fail(&error) : CLI_FINE;
}

static gint
check_options(const Parse *parse)
{
  GTimeZone *zone;

  if (parse->csv)
    return cli_usage("parse", "prints JSON only: each line has other fields");
  if (parse->year && (parse->year < 1970 || parse->year > 9999))
    return cli_usage("parse", "--year %d: is no year of a log", parse->year);
  zone = parse->timezone ? g_time_zone_new_identifier(parse->timezone) : NULL;
  if (parse->timezone && !zone)
    return cli_usage("parse", "--timezone %s: is no zone, such as Europe/Berlin", parse->timezone);
  if (zone)
    g_time_zone_unref(zone);
  return CLI_FINE;
}

gint
cli_run_parse(int argc, char **argv)
{
  static const gchar *const standard_input[] = { "-", NULL };
  Parse parse = { 0 };
  const GOptionEntry entries[] = {
    { "dialect", 0, 0, G_OPTION_ARG_STRING, &parse.dialect, "read by this dialect only", "D" },
    { "unknown", 0, 0, G_OPTION_ARG_NONE, &parse.unknown,
      "only lines of mail programs that no recogniser knows", NULL },
    { "stats", 0, 0, G_OPTION_ARG_NONE, &parse.stats, "count by dialect and event", NULL },
    { "year", 0, 0, G_OPTION_ARG_INT, &parse.year, "of the first stamp that states none", "Y" },
    { "timezone", 0, 0, G_OPTION_ARG_STRING, &parse.timezone, "of stamps that state none", "TZ" },
    { "json", 0, 0, G_OPTION_ARG_NONE, &parse.json, "one object a line (always)", NULL },
    { "csv", 0, G_OPTION_FLAG_HIDDEN, G_OPTION_ARG_NONE, &parse.csv, "", NULL },
    { NULL },
  };
  gint status = CLI_FINE;

  if (!cli_parse_options(
          &argc, &argv, "[FILE...] - what each line says",
          "One JSON object for each line, in order; the standard input without FILE.", entries,
          &status))
    return status;
  status = check_options(&parse);
  parse.counts = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  for (const gchar *const *file = argc > 1 ? (const gchar *const *) argv + 1 : standard_input;
       *file && status == CLI_FINE; file++)
    status = parse_file(&parse, *file);
  if (parse.stats && status == CLI_FINE)
    print_stats(&parse);
  g_hash_table_destroy(parse.counts);
  g_free(parse.dialect);
  g_free(parse.timezone);
  return status;
}
