/* failures: failed logins */
#include "cli/cli.h"

static const CliFilter filters[] = {
  { "account", "account=?", "who tried" },
  { "domain", "domain=?", "of the account", .newest = MT_NEWEST_FAILURES_OF_DOMAIN },
  { "ip", "ip=?", "client address" },
  { "country", "country=?", "of the client, two letters" },
  { "service", "service=?", "imap, pop3, smtp, managesieve, webmail" },
  { "reason", "reason=?", "auth-failed, unknown-user, user-disabled, ..." },
  { NULL, NULL, NULL },
};

static const CliList list = {
  .command = "failures",
  .parameters = "- failed logins, newest first",
  .summary =
      "One row for one failed attempt, though several daemons log it. A name that is no "
      "account here is masked: it may be a password. A '*' in a value stands for any text.",
  .view = "accesses_failed",
  .columns = "time, account, service, ip, country, reason, attempts, method",
  .sort = "ts:desc",
  .domains = "account",
  .filters = filters,
};

gint
cli_run_failures(int argc, char **argv)
{
  return cli_list(&list, argc, argv);
}
