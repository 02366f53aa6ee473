/* search: mail, as in view mail */
#include "cli/cli.h"

static const CliFilter filters[] = {
  { "from", "sender=?", "envelope sender" },
  { "to", "recipient=?", "recipient" },
  { "account", "(sender=? OR recipient=? OR auth_user=?)", "sender, recipient or login",
    .newest = MT_NEWEST_MAIL_OF_ACCOUNT },
  { "domain", "(sender LIKE '%@'||? OR recipient LIKE '%@'||?)", "of sender or recipient",
    .newest = MT_NEWEST_MAIL_OF_DOMAIN },
  { "status", "status=?", "sent, deferred, bounced, expired" },
  { "outcome", "outcome=?", "delivered, queued, failed, rejected, quarantined, discarded",
    .newest = MT_NEWEST_MAIL_OF_OUTCOME },
  { "queue-id", NULL, "queue ID, of any hop", "queue_id" },
  { "message-id", NULL, "Message-ID, with its angle brackets", "message_id" },
  { "ip", "client_ip=?", "client address" },
  { NULL },
};

static const CliList list = {
  .command = "search",
  .parameters = "- mail, newest first",
  .summary =
      "One row for one message and one final recipient. A '*' in a value stands for any text.",
  .view = "mail",
  .columns = "time, queue_id, sender, recipient, size, outcome, reason_class, reply",
  .sort = "ts:desc",
  .domains = "sender recipient auth_user",
  .filters = filters,
};

gint
cli_run_search(int argc, char **argv)
{
  return cli_list(&list, argc, argv);
}
