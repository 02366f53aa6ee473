/* policy check FILE, policy show ADDRESS */
#include "cli/cli.h"
#include "engine/policy.h"

#include <stdio.h>

static gint
check(const gchar *path)
{
  GError *error = NULL;
  gchar *text = mt_engine_describe_policy(path, "", &error);

  if (!text)
    return cli_fail(&error);
  g_free(text);
  printf("%s: fine\n", path);
  return CLI_FINE;
}

gchar *
cli_policy_path(const gchar *database, GError **error)
{
  MtQuery *query = mt_query_open(cli_database(database), error);
  gchar *settings = query ? mt_query_meta(query, "settings") : NULL;
  gchar **lines = settings ? g_strsplit(settings, "\n", -1) : NULL;
  gchar *path = NULL;

  for (guint i = 0; lines && lines[i]; i++)
    if (g_str_has_prefix(lines[i], "policy-file="))
      path = g_strdup(lines[i] + strlen("policy-file="));
  g_strfreev(lines);
  g_free(settings);
  mt_query_close(query);
  return path;
}

static gint
show(const gchar *address, const gchar *file, const gchar *database)
{
  GError *error = NULL;
  gchar *path = file ? g_strdup(file) : cli_policy_path(database, &error);
  gchar *text = NULL;

  if (!path && error)
    return cli_fail(&error);
  text = mt_engine_describe_policy(path, address, &error);
  g_free(path);
  if (!text)
    return cli_fail(&error);
  fputs(text, stdout);
  g_free(text);
  return CLI_FINE;
}

gint
cli_run_policy(int argc, char **argv)
{
  gchar *database = NULL, *file = NULL;
  const GOptionEntry entries[] = {
    { "database", 'd', 0, G_OPTION_ARG_FILENAME, &database, "the store", "FILE" },
    { "policy-file", 0, 0, G_OPTION_ARG_FILENAME, &file, "show: by this file", "FILE" },
    { NULL }
  };
  gint status = CLI_FINE;

  if (!cli_parse_options(&argc, &argv, "check FILE | show ADDRESS",
                         "check: is the policy file fine? show: what applies to an account.",
                         entries, &status))
    return status;
  if (argc == 3 && g_str_equal(argv[1], "check"))
    status = check(argv[2]);
  else if (argc == 3 && g_str_equal(argv[1], "show"))
    status = show(argv[2], file, database);
  else
    status = cli_usage("policy", "wants check FILE or show ADDRESS");
  g_free(database);
  g_free(file);
  return status;
}
