/* accesses: logins, with their logouts */
#include "cli/cli.h"

static const CliFilter filters[] = {
  { "account", "account=?", "who logged in" },
  { "domain", "domain=?", "of the account", .newest = MT_NEWEST_ACCESSES_OF_DOMAIN },
  { "ip", "ip=?", "client address" },
  { "country", "country=?", "of the client, two letters" },
  { "service", "service=?", "imap, pop3, smtp, managesieve, webmail" },
  { NULL, NULL, NULL },
};

static const CliList list = {
  .command = "accesses",
  .parameters = "- logins, newest first",
  .summary = "One row for one login. A '*' in a value stands for any text.",
  .view = "accesses",
  .columns = "time, logout_time, account, service, ip, country, city, method, tls, client",
  .sort = "ts:desc",
  .domains = "account",
  .filters = filters,
};

gint
cli_run_accesses(int argc, char **argv)
{
  return cli_list(&list, argc, argv);
}
