/* alerts: suspicious logins */
#include "cli/cli.h"

static const CliFilter filters[] = {
  { "account", "account=?", "whom it is about" },
  { "domain", "domain=?", "of the account" },
  { "ip", "ip=?", "client address" },
  { "country", "country=?", "of the client, two letters" },
  { "rule", "rule=?", "unusual-country, brute-force, ..." },
  { "severity", "severity=?", "notice, warning, critical" },
  { NULL, NULL, NULL },
};

static const CliList list = {
  .command = "alerts",
  .parameters = "- alerts, newest first",
  .summary = "One row for one alert. A '*' in a value stands for any text.",
  .view = "alerts",
  .columns = "time, severity, rule, account, ip, country, count, text",
  .sort = "ts:desc",
  .domains = "account",
  .filters = filters,
};

gint
cli_run_alerts(int argc, char **argv)
{
  return cli_list(&list, argc, argv);
}
