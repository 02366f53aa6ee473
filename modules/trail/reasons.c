/* reasons.c: the class of a refusal, from what the reply says
 *
 * One table, first fit decides; docs/reasons.md is made of it.  A DSN (RFC 3463,
 * "x" for the class digit) or a piece of the reply's text, in small letters.  Text
 * goes before DSN where providers give one DSN to many reasons.
 */
#include "trail/private.h"

typedef struct
{
  MtReason reason;
  const gchar *dsn;  /* "x.1.1", NULL: any */
  const gchar *text; /* NULL: any */
} Pattern;

static const Pattern patterns[] = {
  { MT_REASON_VIRUS, NULL, "virus" },
  { MT_REASON_VIRUS, NULL, "malware" },
  { MT_REASON_VIRUS, NULL, "infected" },
  { MT_REASON_GREYLISTED, NULL, "greylist" },
  { MT_REASON_GREYLISTED, NULL, "graylist" },
  { MT_REASON_GREYLISTED, NULL, "grey list" },
  { MT_REASON_GREYLISTED, NULL, "postgrey" },
  { MT_REASON_BLOCKLISTED, NULL, "blocked using" },
  { MT_REASON_BLOCKLISTED, NULL, "spamhaus" },
  { MT_REASON_BLOCKLISTED, NULL, "barracuda" },
  { MT_REASON_BLOCKLISTED, NULL, "spamcop" },
  { MT_REASON_BLOCKLISTED, NULL, "sorbs" },
  { MT_REASON_BLOCKLISTED, NULL, "blacklist" },
  { MT_REASON_BLOCKLISTED, NULL, "blocklist" },
  { MT_REASON_BLOCKLISTED, NULL, "block list" },
  { MT_REASON_BLOCKLISTED, NULL, "dnsbl" },
  { MT_REASON_BLOCKLISTED, NULL, " rbl" },
  { MT_REASON_RELAY_DENIED, NULL, "relay access denied" },
  { MT_REASON_RELAY_DENIED, NULL, "relaying denied" },
  { MT_REASON_RELAY_DENIED, NULL, "relay not permitted" },
  { MT_REASON_RELAY_DENIED, NULL, "unable to relay" },
  { MT_REASON_RELAY_DENIED, NULL, "not permitted to relay" },
  { MT_REASON_MAILBOX_FULL, NULL, "mailbox full" },
  { MT_REASON_MAILBOX_FULL, NULL, "mailbox is full" },
  { MT_REASON_MAILBOX_FULL, NULL, "over quota" },
  { MT_REASON_MAILBOX_FULL, NULL, "overquota" },
  { MT_REASON_MAILBOX_FULL, NULL, "quota exceeded" },
  { MT_REASON_MAILBOX_FULL, NULL, "exceeded storage" },
  { MT_REASON_MAILBOX_FULL, NULL, "out of storage" },
  { MT_REASON_MAILBOX_FULL, NULL, "insufficient storage" },
  { MT_REASON_MAILBOX_DISABLED, NULL, "account disabled" },
  { MT_REASON_MAILBOX_DISABLED, NULL, "account is disabled" },
  { MT_REASON_MAILBOX_DISABLED, NULL, "mailbox disabled" },
  { MT_REASON_MAILBOX_DISABLED, NULL, "mailbox is disabled" },
  { MT_REASON_MAILBOX_DISABLED, NULL, "account inactive" },
  { MT_REASON_MAILBOX_DISABLED, NULL, "account is inactive" },
  { MT_REASON_MAILBOX_DISABLED, NULL, "mailbox suspended" },
  { MT_REASON_MESSAGE_TOO_LARGE, NULL, "message size exceeds" },
  { MT_REASON_MESSAGE_TOO_LARGE, NULL, "message too large" },
  { MT_REASON_MESSAGE_TOO_LARGE, NULL, "message too big" },
  { MT_REASON_MESSAGE_TOO_LARGE, NULL, "size limit" },
  { MT_REASON_RATE_LIMITED, NULL, "rate limit" },
  { MT_REASON_RATE_LIMITED, NULL, "ratelimit" },
  { MT_REASON_RATE_LIMITED, NULL, "too many connections" },
  { MT_REASON_RATE_LIMITED, NULL, "too many messages" },
  { MT_REASON_RATE_LIMITED, NULL, "too much mail" },
  { MT_REASON_RATE_LIMITED, NULL, "too many recipients" },
  { MT_REASON_RATE_LIMITED, NULL, "throttl" },
  { MT_REASON_RATE_LIMITED, NULL, "the limit on the number of allowed outgoing messages" },
  { MT_REASON_RATE_LIMITED, NULL, "unusual rate" },
  { MT_REASON_AUTH_REQUIRED, NULL, "authentication required" },
  { MT_REASON_AUTH_REQUIRED, NULL, "authentication is required" },
  { MT_REASON_AUTH_REQUIRED, NULL, "not logged in" },
  { MT_REASON_AUTH_REQUIRED, NULL, "sender address rejected: not owned by user" },
  { MT_REASON_USER_UNKNOWN, NULL, "user unknown" },
  { MT_REASON_USER_UNKNOWN, NULL, "unknown user" },
  { MT_REASON_USER_UNKNOWN, NULL, "no such user" },
  { MT_REASON_USER_UNKNOWN, NULL, "user doesn't exist" },
  { MT_REASON_USER_UNKNOWN, NULL, "user does not exist" },
  { MT_REASON_USER_UNKNOWN, NULL, "account that you tried to reach does not exist" },
  { MT_REASON_USER_UNKNOWN, NULL, "mailbox not found" },
  { MT_REASON_USER_UNKNOWN, NULL, "mailbox unavailable" },
  { MT_REASON_USER_UNKNOWN, NULL, "no mailbox here" },
  { MT_REASON_USER_UNKNOWN, NULL, "no such recipient" },
  { MT_REASON_USER_UNKNOWN, NULL, "recipient not found" },
  { MT_REASON_USER_UNKNOWN, NULL, "unknown recipient" },
  { MT_REASON_USER_UNKNOWN, NULL, "invalid recipient" },
  { MT_REASON_USER_UNKNOWN, NULL, "invalid mailbox" },
  { MT_REASON_USER_UNKNOWN, NULL, "undeliverable address" },
  { MT_REASON_SPAM_CONTENT, NULL, "spam" },
  { MT_REASON_SPAM_CONTENT, NULL, "unsolicited" },
  { MT_REASON_SPAM_CONTENT, NULL, "junk mail" },
  { MT_REASON_DNS, NULL, "host not found" },
  { MT_REASON_DNS, NULL, "domain not found" },
  { MT_REASON_DNS, NULL, "name service error" },
  { MT_REASON_DNS, NULL, "cannot find your hostname" },
  { MT_REASON_DNS, NULL, "cannot find your reverse hostname" },
  { MT_REASON_DNS, NULL, "reverse dns" },
  { MT_REASON_DNS, NULL, "malformed dns server reply" },
  { MT_REASON_TLS, NULL, "tls" },
  { MT_REASON_TLS, NULL, "certificate" },
  { MT_REASON_TIMEOUT, NULL, "timed out" },
  { MT_REASON_TIMEOUT, NULL, "timeout" },
  { MT_REASON_CONNECTION, NULL, "connection refused" },
  { MT_REASON_CONNECTION, NULL, "connection reset" },
  { MT_REASON_CONNECTION, NULL, "lost connection" },
  { MT_REASON_CONNECTION, NULL, "network is unreachable" },
  { MT_REASON_CONNECTION, NULL, "no route to host" },
  { MT_REASON_CONNECTION, NULL, "refused to talk to me" },
  { MT_REASON_POLICY, NULL, "dmarc" },
  { MT_REASON_POLICY, NULL, "spf" },
  { MT_REASON_POLICY, NULL, "dkim" },
  { MT_REASON_POLICY, NULL, "access denied" },
  { MT_REASON_POLICY, NULL, "policy" },
  { MT_REASON_POLICY, NULL, "prohibited" },
  { MT_REASON_POLICY, NULL, "not allowed" },
  { MT_REASON_POLICY, NULL, "sender address rejected" },
  { MT_REASON_POLICY, NULL, "client host rejected" },
  { MT_REASON_POLICY, NULL, "helo command rejected" },
  { MT_REASON_PROTOCOL, NULL, "protocol error" },
  { MT_REASON_PROTOCOL, NULL, "syntax error" },
  { MT_REASON_USER_UNKNOWN, "x.1.1", NULL },
  { MT_REASON_USER_UNKNOWN, "x.1.6", NULL },
  { MT_REASON_USER_UNKNOWN, "x.1.10", NULL },
  { MT_REASON_DNS, "x.1.2", NULL },
  { MT_REASON_DNS, "x.1.8", NULL },
  { MT_REASON_MAILBOX_DISABLED, "x.2.1", NULL },
  { MT_REASON_MAILBOX_FULL, "x.2.2", NULL },
  { MT_REASON_MESSAGE_TOO_LARGE, "x.2.3", NULL },
  { MT_REASON_MESSAGE_TOO_LARGE, "x.3.4", NULL },
  { MT_REASON_CONNECTION, "x.4.1", NULL },
  { MT_REASON_CONNECTION, "x.4.2", NULL },
  { MT_REASON_DNS, "x.4.3", NULL },
  { MT_REASON_DNS, "x.4.4", NULL },
  { MT_REASON_EXPIRED, "x.4.7", NULL },
  { MT_REASON_PROTOCOL, "x.5.0", NULL },
  { MT_REASON_PROTOCOL, "x.5.1", NULL },
  { MT_REASON_PROTOCOL, "x.5.2", NULL },
  { MT_REASON_PROTOCOL, "x.5.4", NULL },
  { MT_REASON_AUTH_REQUIRED, "x.7.8", NULL },
  { MT_REASON_POLICY, "x.7.1", NULL },
  { MT_REASON_POLICY, "x.7.23", NULL },
  { MT_REASON_POLICY, "x.7.26", NULL },
};

static gboolean
dsn_fits(const gchar *pattern, MtSpan dsn)
{
  MtSpan rest = mt_span_of_string(pattern + 1);

  return dsn.len == rest.len + 1 && memcmp(dsn.at + 1, rest.at, rest.len) == 0;
}

MtReason
mt_judge_reason(MtSpan dsn, MtSpan reply)
{
  gchar lower[MT_TEXT_MAX_BYTES];
  gsize len = MIN(reply.len, sizeof lower);

  if (!dsn.len && !reply.len)
    return MT_REASON_NONE;
  for (gsize i = 0; i < len; i++)
    lower[i] = g_ascii_tolower(reply.at[i]);
  for (guint i = 0; i < G_N_ELEMENTS(patterns); i++)
    {
      const Pattern *pattern = &patterns[i];

      if (pattern->dsn ? dsn_fits(pattern->dsn, dsn)
                       : mt_span_find(mt_span(lower, len), mt_span_of_string(pattern->text))
                           != NULL)
        return pattern->reason;
    }
  return MT_REASON_OTHER;
}
