/* reasons.c: the class of a refusal, from what the reply says
 *
 * One table, first fit decides; tests/tools/reasons-doc.py makes docs/reasons.md of it.  Pieces
 * of the reply's text go first, since providers give one DSN to many reasons; then the DSN
 * (RFC 3463, "x" for the class digit).
 */
#include "trail/private.h"

typedef struct
{
  MtReason reason;
  const gchar *text;    /* in small letters, without digits: see normalise(); NULL: by DSN */
  const gchar *dsn;     /* "x.1.1"; NULL: by text */
  const gchar *said_by; /* whose wording it is */
} Pattern;

#define TEXT(reason, text, said_by) \
  { \
    MT_REASON_##reason, text, NULL, said_by \
  }
#define DSN(reason, dsn, said_by) \
  { \
    MT_REASON_##reason, NULL, dsn, said_by \
  }

static const Pattern patterns[] = {
  TEXT(VIRUS, "virus", "any"),
  TEXT(VIRUS, "malware", "any"),
  TEXT(VIRUS, "infected", "any"),

  TEXT(GREYLISTED, "greylist", "Postgrey, rspamd, sqlgrey"),
  TEXT(GREYLISTED, "graylist", "any"),
  TEXT(GREYLISTED, "grey list", "any"),
  TEXT(GREYLISTED, "grey-list", "any"),
  TEXT(GREYLISTED, "postgrey", "Postgrey"),
  TEXT(GREYLISTED, "grey first time", "jgreylist"),
  TEXT(GREYLISTED, "grey too soon", "jgreylist"),

  TEXT(RATE_LIMITED, "rate limited due to ip reputation", "Outlook"),

  TEXT(BLOCKLISTED, "blocked using", "Postfix, Outlook"),
  TEXT(BLOCKLISTED, "block list", "Outlook"),
  TEXT(BLOCKLISTED, "blocklist", "any"),
  TEXT(BLOCKLISTED, "blacklist", "any"),
  TEXT(BLOCKLISTED, "black list", "any"),
  TEXT(BLOCKLISTED, "banned sending ip", "Outlook"),
  TEXT(BLOCKLISTED, "listed at", "any"),
  TEXT(BLOCKLISTED, "listed in", "any"),
  TEXT(BLOCKLISTED, "is listed on", "any"),
  TEXT(BLOCKLISTED, "dnsbl", "any"),
  TEXT(BLOCKLISTED, "dnsrbl", "any"),
  TEXT(BLOCKLISTED, " rbl", "any"),
  TEXT(BLOCKLISTED, "spamhaus", "Spamhaus"),
  TEXT(BLOCKLISTED, "spamcop", "SpamCop"),
  TEXT(BLOCKLISTED, "barracuda", "Barracuda"),
  TEXT(BLOCKLISTED, "sorbs", "SORBS"),
  TEXT(BLOCKLISTED, "uceprotect", "UCEPROTECT"),
  TEXT(BLOCKLISTED, "abusix", "Abusix"),
  TEXT(BLOCKLISTED, "psbl", "PSBL"),
  TEXT(BLOCKLISTED, "nixspam", "iX"),
  TEXT(BLOCKLISTED, "mailspike", "Mailspike"),
  TEXT(BLOCKLISTED, "invaluement", "invaluement"),
  TEXT(BLOCKLISTED, "spamrl", "SpamRL"),
  TEXT(BLOCKLISTED, "senderscore", "Validity"),
  TEXT(BLOCKLISTED, "spfbl", "SPFBL"),
  TEXT(BLOCKLISTED, "hostkarma", "Hostkarma"),
  TEXT(BLOCKLISTED, "backscatterer", "Backscatterer"),
  TEXT(BLOCKLISTED, "ipcheck.proofpoint", "Proofpoint"),
  TEXT(BLOCKLISTED, "cloudmark.com", "Cloudmark"),
  TEXT(BLOCKLISTED, "poor reputation", "Cisco"),
  TEXT(BLOCKLISTED, "bad reputation", "any"),
  TEXT(BLOCKLISTED, "low reputation", "Gmail"),
  TEXT(BLOCKLISTED, "permanently deferred", "Yahoo"),
  TEXT(BLOCKLISTED, "block for spam", "Comcast"),
  TEXT(BLOCKLISTED, "clarify.) (bl)", "T-Online"),
  TEXT(BLOCKLISTED, "not authorized to send email directly", "Gmail"),

  TEXT(RELAY_DENIED, "relay access denied", "Postfix"),
  TEXT(RELAY_DENIED, "relaying denied", "sendmail"),
  TEXT(RELAY_DENIED, "relay not permitted", "Exim"),
  TEXT(RELAY_DENIED, "relay denied", "any"),
  TEXT(RELAY_DENIED, "unable to relay", "Exchange"),
  TEXT(RELAY_DENIED, "not permitted to relay", "any"),
  TEXT(RELAY_DENIED, "we do not relay", "any"),
  TEXT(RELAY_DENIED, "denied relaying", "spamdyke"),
  TEXT(RELAY_DENIED, "invalid relay", "s/qmail"),
  TEXT(RELAY_DENIED, "not allowed to relay", "chkuser"),
  TEXT(RELAY_DENIED, "list of allowed rcpthosts", "qmail"),
  TEXT(RELAY_DENIED, "allowed rcpthosts", "qmail"),

  TEXT(MAILBOX_FULL, "mailbox full", "any"),
  TEXT(MAILBOX_FULL, "mailbox is full", "Dovecot"),
  TEXT(MAILBOX_FULL, "mailbox size limit exceeded", "Postfix local"),
  TEXT(MAILBOX_FULL, "over quota", "Gmail, Apple"),
  TEXT(MAILBOX_FULL, "over its quota", "any"),
  TEXT(MAILBOX_FULL, "over the allowed quota", "any"),
  TEXT(MAILBOX_FULL, "overquota", "any"),
  TEXT(MAILBOX_FULL, "quota exceeded", "Dovecot, GMX"),
  TEXT(MAILBOX_FULL, "quota limit", "any"),
  TEXT(MAILBOX_FULL, "exceeded storage", "Exchange"),
  TEXT(MAILBOX_FULL, "out of storage", "Gmail, Yahoo"),
  TEXT(MAILBOX_FULL, "insufficient storage", "any"),
  TEXT(MAILBOX_FULL, "not enough storage", "any"),
  TEXT(MAILBOX_FULL, "exhausted allowed storage", "any"),

  TEXT(MAILBOX_DISABLED, "account disabled", "any"),
  TEXT(MAILBOX_DISABLED, "account is disabled", "any"),
  TEXT(MAILBOX_DISABLED, "account has been disabled", "Yahoo"),
  TEXT(MAILBOX_DISABLED, "tried to reach is disabled", "Gmail"),
  TEXT(MAILBOX_DISABLED, "tried to reach is inactive", "Gmail"),
  TEXT(MAILBOX_DISABLED, "mailbox disabled", "any"),
  TEXT(MAILBOX_DISABLED, "mailbox is disabled", "any"),
  TEXT(MAILBOX_DISABLED, "mailbox is inactive", "any"),
  TEXT(MAILBOX_DISABLED, "account inactive", "any"),
  TEXT(MAILBOX_DISABLED, "account is inactive", "any"),
  TEXT(MAILBOX_DISABLED, "account is not active", "any"),
  TEXT(MAILBOX_DISABLED, "account suspended", "any"),
  TEXT(MAILBOX_DISABLED, "mailbox suspended", "any"),
  TEXT(MAILBOX_DISABLED, "user suspended", "any"),
  TEXT(MAILBOX_DISABLED, "no longer active", "any"),

  TEXT(MESSAGE_TOO_LARGE, "message size exceeds", "Postfix"),
  TEXT(MESSAGE_TOO_LARGE, "exceeds size limit", "Postfix"),
  TEXT(MESSAGE_TOO_LARGE, "exceeded google's message size", "Gmail"),
  TEXT(MESSAGE_TOO_LARGE, "maximum message size", "sendmail"),
  TEXT(MESSAGE_TOO_LARGE, "message too large", "any"),
  TEXT(MESSAGE_TOO_LARGE, "message is too large", "any"),
  TEXT(MESSAGE_TOO_LARGE, "message too big", "any"),
  TEXT(MESSAGE_TOO_LARGE, "message too long", "any"),
  TEXT(MESSAGE_TOO_LARGE, "size limit", "any"),

  TEXT(RATE_LIMITED, "rate limit", "any"),
  TEXT(RATE_LIMITED, "rate-limit", "any"),
  TEXT(RATE_LIMITED, "ratelimit", "rspamd, Mail.ru"),
  TEXT(RATE_LIMITED, "unusual rate", "Gmail"),
  TEXT(RATE_LIMITED, "receiving mail too quickly", "Gmail"),
  TEXT(RATE_LIMITED, "receiving mail at a rate", "Gmail"),
  TEXT(RATE_LIMITED, "temporarily deferred due to", "Yahoo"),
  TEXT(RATE_LIMITED, "frequency limited", "QQ"),
  TEXT(RATE_LIMITED, "too many connections", "Postfix"),
  TEXT(RATE_LIMITED, "too many concurrent", "any"),
  TEXT(RATE_LIMITED, "too many messages", "any"),
  TEXT(RATE_LIMITED, "too many sessions", "any"),
  TEXT(RATE_LIMITED, "too many recipients", "Postfix"),
  TEXT(RATE_LIMITED, "too much mail", "any"),
  TEXT(RATE_LIMITED, "throttl", "Exchange"),
  TEXT(RATE_LIMITED, "slow down", "Orange"),
  TEXT(RATE_LIMITED, "sending limit", "any"),
  TEXT(RATE_LIMITED, "exceeded the max emails per hour", "cPanel"),
  TEXT(RATE_LIMITED, "the limit on the number of allowed outgoing messages", "Plesk"),
  TEXT(RATE_LIMITED, "connection rate", "sendmail"),

  TEXT(AUTH_REQUIRED, "authentication required", "any"),
  TEXT(AUTH_REQUIRED, "authentication is required", "any"),
  TEXT(AUTH_REQUIRED, "authenticate first", "any"),
  TEXT(AUTH_REQUIRED, "not logged in", "Postfix"),
  TEXT(AUTH_REQUIRED, "not owned by user", "Postfix"),
  TEXT(AUTH_REQUIRED, "denied auth required", "spamdyke"),
  TEXT(AUTH_REQUIRED, "auth::missing", "s/qmail"),

  TEXT(USER_UNKNOWN, "user unknown", "Postfix, sendmail"),
  TEXT(USER_UNKNOWN, "not existing recipient", "chkuser"),
  TEXT(USER_UNKNOWN, "denied invalid recipient", "spamdyke"),
  TEXT(USER_UNKNOWN, "failed rcptto", "s/qmail"),
  TEXT(USER_UNKNOWN, "unknown user", "any"),
  TEXT(USER_UNKNOWN, "no such user", "any"),
  TEXT(USER_UNKNOWN, "user doesn't exist", "Dovecot"),
  TEXT(USER_UNKNOWN, "user does not exist", "Apple"),
  TEXT(USER_UNKNOWN, "user not found", "any"),
  TEXT(USER_UNKNOWN, "tried to reach does not exist", "Gmail"),
  TEXT(USER_UNKNOWN, "recipient address rejected: access denied", "Exchange Online"),
  TEXT(USER_UNKNOWN, "recipientnotfound", "Exchange"),
  TEXT(USER_UNKNOWN, "doesn't have a yahoo", "Yahoo"),
  TEXT(USER_UNKNOWN, "not a valid recipient", "Yahoo"),
  TEXT(USER_UNKNOWN, "no mailbox here", "qmail, vpopmail"),
  TEXT(USER_UNKNOWN, "mailbox not found", "any"),
  TEXT(USER_UNKNOWN, "mailbox unavailable", "Outlook, GMX"),
  TEXT(USER_UNKNOWN, "mailbox does not exist", "any"),
  TEXT(USER_UNKNOWN, "no such mailbox", "any"),
  TEXT(USER_UNKNOWN, "no such recipient", "any"),
  TEXT(USER_UNKNOWN, "no such address", "any"),
  TEXT(USER_UNKNOWN, "no such person", "any"),
  TEXT(USER_UNKNOWN, "recipient not found", "any"),
  TEXT(USER_UNKNOWN, "recipient unknown", "any"),
  TEXT(USER_UNKNOWN, "unknown recipient", "any"),
  TEXT(USER_UNKNOWN, "unknown address", "any"),
  TEXT(USER_UNKNOWN, "address unknown", "any"),
  TEXT(USER_UNKNOWN, "unknown local part", "Exim"),
  TEXT(USER_UNKNOWN, "unrouteable address", "Exim"),
  TEXT(USER_UNKNOWN, "invalid recipient", "any"),
  TEXT(USER_UNKNOWN, "invalid mailbox", "Mail.ru"),
  TEXT(USER_UNKNOWN, "bad destination mailbox", "RFC 3463"),
  TEXT(USER_UNKNOWN, "undeliverable address", "Postfix verify"),

  TEXT(SPAM_CONTENT, "unsolicited", "Gmail"),
  TEXT(SPAM_CONTENT, "mail content denied", "QQ"),
  TEXT(SPAM_CONTENT, "content rejected", "Postfix header_checks"),
  TEXT(SPAM_CONTENT, "junk mail", "any"),
  TEXT(SPAM_CONTENT, "spam", "any"),
  TEXT(SPAM_CONTENT, "ofr_", "Orange"),

  TEXT(DNS, "does not have a ptr", "Gmail"),
  TEXT(DNS, "bad dns ptr", "GMX"),
  TEXT(DNS, "ptr record", "any"),
  TEXT(DNS, "reverse dns", "any"),
  TEXT(DNS, "denied rdns", "spamdyke"),
  TEXT(DNS, "sender no mx", "spamdyke"),
  TEXT(DNS, "mx domain", "chkuser"),
  TEXT(DNS, "::dns ", "s/qmail"),
  TEXT(DNS, "couldn't find any host", "qmail"),
  TEXT(DNS, "cannot find your hostname", "Postfix"),
  TEXT(DNS, "cannot find your reverse hostname", "Postfix"),
  TEXT(DNS, "host not found", "Postfix"),
  TEXT(DNS, "domain not found", "Postfix"),
  TEXT(DNS, "domain of sender address", "sendmail"),
  TEXT(DNS, "name service error", "Postfix"),
  TEXT(DNS, "malformed dns server reply", "Postfix"),
  TEXT(DNS, "host or domain name not found", "Postfix"),
  TEXT(DNS, "dns lookup", "Exim"),
  TEXT(DNS, "nullmx", "Postfix"),
  TEXT(DNS, "null mx", "any"),
  TEXT(DNS, "mx records point to non-existent hosts", "Exim"),
  TEXT(DNS, "bad destination system", "RFC 3463"),

  TEXT(TLS, "tls", "any"),
  TEXT(TLS, "certificate", "any"),

  TEXT(EXPIRED, "retry timeout exceeded", "Exim"),
  TEXT(EXPIRED, "delivery time expired", "any"),
  TEXT(EXPIRED, "message expired", "any"),
  TEXT(EXPIRED, "in the queue too long", "qmail"),

  TEXT(TIMEOUT, "timed out", "any"),
  TEXT(TIMEOUT, "timeout", "any"),

  TEXT(CONNECTION, "connection refused", "any"),
  TEXT(CONNECTION, "connection reset", "any"),
  TEXT(CONNECTION, "connection closed", "any"),
  TEXT(CONNECTION, "connection died", "qmail"),
  TEXT(CONNECTION, "connection dropped", "any"),
  TEXT(CONNECTION, "lost connection", "Postfix"),
  TEXT(CONNECTION, "network is unreachable", "any"),
  TEXT(CONNECTION, "no route to host", "any"),
  TEXT(CONNECTION, "able to establish an smtp connection", "qmail"),
  TEXT(CONNECTION, "refused to talk to me", "Postfix"),
  TEXT(CONNECTION, "mail transport unavailable", "Postfix"),

  TEXT(POLICY, "dmarc", "any"),
  TEXT(POLICY, "spf", "any"),
  TEXT(POLICY, "dkim", "any"),
  TEXT(POLICY, "unauthenticated", "Gmail"),
  TEXT(POLICY, "required authentication level", "Outlook"),
  TEXT(POLICY, "access denied", "any"),
  TEXT(POLICY, "policy", "any"),
  TEXT(POLICY, "policies", "Mimecast"),
  TEXT(POLICY, "prohibited", "any"),
  TEXT(POLICY, "not allowed", "any"),
  TEXT(POLICY, "not authorized", "any"),
  TEXT(POLICY, "not permitted", "any"),
  TEXT(POLICY, "administratively denied", "Exim"),
  TEXT(POLICY, "sender verify failed", "Exim"),
  TEXT(POLICY, "sender address rejected", "Postfix"),
  TEXT(POLICY, "client host rejected", "Postfix"),
  TEXT(POLICY, "helo command rejected", "Postfix"),
  TEXT(POLICY, "blocked", "any"),

  TEXT(PROTOCOL, "protocol error", "Postfix"),
  TEXT(PROTOCOL, "syntax error", "any"),
  TEXT(PROTOCOL, "too many hops", "Postfix"),
  TEXT(PROTOCOL, "mail loop", "any"),
  TEXT(PROTOCOL, "loops back to myself", "Postfix"),
  TEXT(PROTOCOL, "pipelining", "Postfix"),
  TEXT(PROTOCOL, "bad sequence", "any"),

  DSN(USER_UNKNOWN, "x.1.1", "bad destination mailbox address"),
  DSN(USER_UNKNOWN, "x.1.6", "the mailbox has moved"),
  DSN(USER_UNKNOWN, "x.1.10", "the domain takes no mail; Exchange: recipient not found"),
  DSN(DNS, "x.1.2", "bad destination system address"),
  DSN(DNS, "x.1.8", "bad sender's system address"),
  DSN(MAILBOX_DISABLED, "x.2.1", "mailbox disabled"),
  DSN(MAILBOX_FULL, "x.2.2", "mailbox full"),
  DSN(MESSAGE_TOO_LARGE, "x.2.3", "message length exceeds limit"),
  DSN(MESSAGE_TOO_LARGE, "x.3.4", "message too big for the system"),
  DSN(CONNECTION, "x.4.1", "no answer from the host"),
  DSN(CONNECTION, "x.4.2", "bad connection"),
  DSN(DNS, "x.4.3", "directory server failure"),
  DSN(DNS, "x.4.4", "unable to route"),
  DSN(PROTOCOL, "x.4.6", "routing loop"),
  DSN(EXPIRED, "x.4.7", "delivery time expired"),
  DSN(PROTOCOL, "x.5.0", "other protocol status"),
  DSN(PROTOCOL, "x.5.1", "invalid command"),
  DSN(PROTOCOL, "x.5.2", "syntax error"),
  DSN(RATE_LIMITED, "x.5.3", "too many recipients"),
  DSN(PROTOCOL, "x.5.4", "invalid command arguments"),
  DSN(POLICY, "x.7.0", "other security status"),
  DSN(POLICY, "x.7.1", "delivery not authorized"),
  DSN(AUTH_REQUIRED, "x.7.8", "credentials invalid"),
  DSN(TLS, "x.7.10", "encryption needed"),
  DSN(TLS, "x.7.11", "encryption required"),
  DSN(POLICY, "x.7.23", "SPF failed"),
  DSN(DNS, "x.7.25", "no PTR"),
  DSN(POLICY, "x.7.26", "several checks failed"),
};

static gboolean
dsn_fits(const gchar *pattern, MtSpan dsn)
{
  MtSpan rest = mt_span_of_string(pattern + 1);

  return dsn.len == rest.len + 1 && memcmp(dsn.at + 1, rest.at, rest.len) == 0;
}

/* Where the name ends that began with @open; the end, where it does not. */
static gsize
skip_to(MtSpan reply, gsize at, gchar close)
{
  while (at < reply.len && reply.at[at] != close)
    at++;
  return at;
}

/* What the reply says, without what it says it of: small letters; no digits; no addresses
 * (<...>, name=...), no hosts (NAME[IP]): nobody's name makes a user unknown a virus.  So
 * replies to many recipients become one text, too. */
static gsize
normalise(MtSpan reply, gchar *out, gsize size)
{
  gsize used = 0;

  for (gsize at = 0; at < reply.len && used < size; at++)
    {
      gchar c = reply.at[at];

      if (c == '<')
        at = skip_to(reply, at, '>');
      else if (c == '=')
        at = skip_to(reply, at, ' ');
      else if (c == '[')
        {
          while (used && out[used - 1] != ' ')
            used--;
          at = skip_to(reply, at, ']');
        }
      else if (!g_ascii_isdigit(c)) /* qmail writes '_' for ' ' */
        out[used++] = c == '_' ? ' ' : g_ascii_tolower(c);
    }
  return used;
}

static MtReason
look_up(MtSpan dsn, MtSpan text)
{
  for (guint i = 0; i < G_N_ELEMENTS(patterns); i++)
    if (patterns[i].dsn ? dsn_fits(patterns[i].dsn, dsn)
                        : mt_span_find(text, mt_span_of_string(patterns[i].text)) != NULL)
      return patterns[i].reason;
  return MT_REASON_OTHER;
}

MtReason
mt_judge_reason(MtTrail *trail, MtSpan dsn, MtSpan reply)
{
  gchar buffer[MT_TEXT_MAX_BYTES];
  MtSpan text = mt_span(buffer, normalise(reply, buffer, sizeof buffer));
  MtJudged *judged;
  guint64 hash;

  if (!dsn.len && !reply.len)
    return MT_REASON_NONE;
  hash = mt_hash_mix(mt_trail_hash(trail, dsn), mt_trail_hash(trail, text)) | 1;
  judged = &trail->judged[hash / 2 % MT_JUDGED_SLOTS];
  if (judged->hash != hash)
    *judged = (MtJudged){ hash, look_up(dsn, text) };
  return judged->reason;
}
