/* connections: clients, day by day */
#include "cli/cli.h"

static const CliFilter filters[] = {
  { "ip", "ip=?", "client address" },
  { "day", "day=?", "such as 2026-03-09" },
  { "country", "country=?", "of the client, two letters" },
  { "name", "name=?", "of the client" },
  { NULL, NULL, NULL },
};

static const CliList list = {
  .command = "connections",
  .parameters = "- clients of each day, newest first",
  .summary =
      "One row for one client address and day: how often it came, how much of it was "
      "refused. A '*' in a value stands for any text.",
  .view = "connections",
  .columns = "day, ip, name, country, connections, rejected, failed_logins, tls, last_time",
  .sort = "ts:desc",
  .domains = "name",
  .filters = filters,
};

gint
cli_run_connections(int argc, char **argv)
{
  return cli_list(&list, argc, argv);
}
