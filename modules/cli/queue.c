/* queue: what still waits */
#include "cli/cli.h"

static const CliFilter filters[] = {
  { "from", "sender=?", "envelope sender" },
  { "to", "recipient=?", "recipient" },
  { "reason", "reason_class=?", "mailbox-full, greylisted, dns, connection, ..." },
  { "host", "host=?", "where it waits" },
  { NULL, NULL, NULL },
};

static const CliList list = {
  .command = "queue",
  .parameters = "- mail that still waits, oldest first, and why",
  .summary = "One row for one recipient still waiting. A '*' in a value stands for any text.",
  .view = "mail_queue",
  .columns = "time, queue_id, sender, recipient, attempts, last_attempt, reason_class, reply",
  .sort = "ts",
  .domains = "sender recipient",
  .filters = filters,
};

gint
cli_run_queue(int argc, char **argv)
{
  return cli_list(&list, argc, argv);
}
