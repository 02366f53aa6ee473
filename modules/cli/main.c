#include "cli/cli.h"

#include <locale.h>
#include <stdio.h>

static const CliCommand commands[] = {
  { "accesses", cli_run_accesses, "logins, with their logouts" },
  { "act", cli_run_act, "run the policy's program for new alerts" },
  { "alerts", cli_run_alerts, "suspicious logins" },
  { "connections", cli_run_connections, "clients, day by day" },
  { "failures", cli_run_failures, "failed logins" },
  { "forget", cli_run_forget, "erase a person's records" },
  { "import", cli_run_import, "read logs into the store" },
  { "locate", cli_run_locate, "which folder a message is in now, or how it left" },
  { "lines", cli_run_lines, "raw lines, while they are kept" },
  { "notify", cli_run_notify, "the hourly digest of alerts, as a mail" },
  { "parse", cli_run_parse, "what each line of a log says, as JSON" },
  { "policy", cli_run_policy, "check or show the policy file" },
  { "queue", cli_run_queue, "mail that still waits, and why" },
  { "search", cli_run_search, "mail, by sender, recipient, status and more" },
  { "store", cli_run_store, "the store itself: check, stats, prune, backup" },
  { "summary", cli_run_summary, "activity per account, and what went wrong" },
  { "trace", cli_run_trace, "everything known of one message" },
};

static void
print_help(FILE *to)
{
  fprintf(to,
          "Usage: mailtrail SUBCOMMAND [OPTION...]\n\n"
          "Answers what became of a mail, and who logged in from where.\n\nSubcommands:\n");
  for (guint i = 0; i < G_N_ELEMENTS(commands); i++)
    fprintf(to, "  %-11s %s\n", commands[i].name, commands[i].summary);
  fprintf(to, "\nmailtrail SUBCOMMAND --help tells its options.\n");
}

int
main(int argc, char **argv)
{
  setlocale(LC_ALL, "");
  setlocale(LC_NUMERIC, "C");
  g_set_prgname("mailtrail");
  mt_query_alone();
  if (argc < 2)
    {
      print_help(stderr);
      return CLI_USAGE;
    }
  if (g_str_equal(argv[1], "--help") || g_str_equal(argv[1], "-h") || g_str_equal(argv[1], "help"))
    {
      print_help(stdout);
      return CLI_FINE;
    }
  if (g_str_equal(argv[1], "--version"))
    {
      printf("mailtrail " MT_VERSION "\n");
      return CLI_FINE;
    }
  for (guint i = 0; i < G_N_ELEMENTS(commands); i++)
    if (g_str_equal(argv[1], commands[i].name))
      return commands[i].run(argc - 1, argv + 1);
  fprintf(stderr, "mailtrail: there is no subcommand \"%s\"; see mailtrail --help\n", argv[1]);
  return CLI_USAGE;
}
