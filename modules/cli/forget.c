/* forget: a person out of the store */
#include "cli/cli.h"

#include <stdio.h>

gint
cli_run_forget(int argc, char **argv)
{
  gchar *database = NULL;
  const GOptionEntry entries[] = {
    { "database", 'd', 0, G_OPTION_ARG_FILENAME, &database, "the store", "FILE" },
    { NULL },
  };
  MtSettings settings = { 0 };
  GError *error = NULL;
  gint status = CLI_FINE;
  guint64 found = 0;
  MtEngine *engine;

  if (!cli_parse_options(
          &argc, &argv, "ADDRESS - erases a person's records",
          "Takes the address out of every record, raw line and alert, out of the log and free "
          "pages of the store and of what was set aside of it. Counts stay. Later lines and "
          "imports do not bring it back.",
          entries, &status))
    return status;
  if (argc != 2 || !*argv[1])
    status = cli_usage("forget", "wants one address");
  else if ((engine = cli_open_engine(cli_database(database), NULL, &settings, &error)))
    {
      if (mt_engine_forget(engine, argv[1], &found, &error))
        printf("%" G_GUINT64_FORMAT " places held the address\n", found);
      mt_engine_close(engine);
    }
  if (error)
    status = cli_fail(&error);
  else if (status == CLI_FINE && !found)
    status = CLI_NOTHING;
  mt_settings_clear(&settings);
  g_free(database);
  return status;
}
