/* judge.c: what a message's and a delivery's state means */
#include "trail/private.h"

gboolean
mt_judge_is_at_end(const MtDelivery *delivery)
{
  return delivery->flags & MT_DELIVERY_REFUSED
         || (delivery->status != MT_WORD_NONE && delivery->status != MT_WORD_DEFERRED);
}

/* Sendmail, OpenSMTPD and others do not say when a message leaves the queue: it does when each
 * of its recipients has come to an end.  A notification has one, though no line says so. */
static gboolean
is_all_at_end(const MtMessage *message)
{
  gint64 n = (gint64) message->n_deliveries + mt_message_many(message)->n_away;

  if (message->nrcpt == MT_NO_NUMBER ? message->parent_kind != MT_PARENT_BOUNCE
                                     : n < message->nrcpt)
    return FALSE;
  if (!n || mt_message_many(message)->n_away_waiting)
    return FALSE;
  for (guint i = 0; i < message->n_deliveries; i++)
    if (!mt_judge_is_at_end(&message->deliveries[i]))
      return FALSE;
  return TRUE;
}

MtState
mt_judge_state(const MtMessage *message)
{
  if (message->flags & MT_MESSAGE_DEQUEUED || is_all_at_end(message))
    return MT_STATE_DONE;
  if (message->flags & MT_MESSAGE_REFUSED && !(message->flags & MT_MESSAGE_ACTIVE))
    return MT_STATE_REJECTED;
  if (message->flags & MT_MESSAGE_LEFT
      && !(message->flags & (MT_MESSAGE_CLEANED | MT_MESSAGE_ACTIVE)))
    return MT_STATE_REJECTED;
  return message->flags & MT_MESSAGE_ON_HOLD ? MT_STATE_HELD : MT_STATE_QUEUED;
}

static MtSpan
spam_action(const MtMessage *message)
{
  return mt_message_text(message, mt_message_verdict(message)->spam_action);
}

static gboolean
is_quarantined(const MtMessage *message)
{
  return MT_SPAN_IS(spam_action(message), "quarantine");
}

/* Held for a filter's sake: Postfix' hold queue is rspamd's quarantine, and MailScanner
 * takes from it what it stores or deletes. */
static MtOutcome
outcome_of_held(const MtMessage *message)
{
  if (is_quarantined(message))
    return MT_OUTCOME_QUARANTINED;
  return MT_SPAN_IS(spam_action(message), "discard") ? MT_OUTCOME_DISCARDED : MT_OUTCOME_QUEUED;
}

/* Still waiting when the message left the queue, or not yet tried. */
static MtOutcome
outcome_of_waiting(const MtMessage *message)
{
  if (message->flags & MT_MESSAGE_REQUEUED)
    return MT_OUTCOME_NONE; /* goes on under another queue ID */
  if (message->flags & MT_MESSAGE_DELETED)
    return MT_OUTCOME_DISCARDED;
  if (message->flags & MT_MESSAGE_EXPIRED)
    return MT_OUTCOME_FAILED;
  return message->flags & MT_MESSAGE_ON_HOLD ? outcome_of_held(message) : MT_OUTCOME_QUEUED;
}

/* What a content filter answers for a message that goes no further (amavisd 2.3 to 2.13,
 * one_response_for_all()): behind "250 2.7.0 ". */
static MtOutcome
outcome_of_reply(MtSpan reply)
{
  MtCursor cur = mt_cursor(reply);
  MtSpan dsn;

  if (!MT_SCAN(&cur, "250 ") || !mt_scan_dsn(&cur, &dsn) || !mt_scan_char(&cur, ' '))
    return MT_OUTCOME_DELIVERED;
  return MT_SCAN(&cur, "Ok, discarded")    ? MT_OUTCOME_DISCARDED
         : MT_SCAN(&cur, "Ok, quarantine") ? MT_OUTCOME_QUARANTINED
                                           : MT_OUTCOME_DELIVERED;
}

/* Handed over; but the transport may be discard(8), or a filter. */
static MtOutcome
outcome_of_sent(const MtMessage *message, const MtDelivery *delivery)
{
  if (MT_SPAN_IS(MT_SAID(delivery, transport), "discard"))
    return MT_OUTCOME_DISCARDED;
  return outcome_of_reply(MT_SAID(delivery, reply));
}

/* Kept back by a filter, or thrown away by Sieve: what that made of it; else NONE. */
static MtOutcome
outcome_of_kept_back(const MtDelivery *delivery)
{
  switch (delivery->stored_action)
    {
    case MT_WORD_DISCARDED:
      return MT_OUTCOME_DISCARDED;
    case MT_WORD_REJECTED:
      return MT_OUTCOME_REJECTED;
    case MT_WORD_QUARANTINE:
      return MT_OUTCOME_QUARANTINED;
    default:
      return MT_OUTCOME_NONE;
    }
}

static MtOutcome
outcome_of_refused(const MtMessage *message)
{
  if (!(message->flags & MT_MESSAGE_DISCARDED))
    return MT_OUTCOME_REJECTED;
  return is_quarantined(message) ? MT_OUTCOME_QUARANTINED : MT_OUTCOME_DISCARDED;
}

MtOutcome
mt_judge_outcome(const MtMessage *message, const MtDelivery *delivery)
{
  MtOutcome kept_back = outcome_of_kept_back(delivery);

  if (kept_back != MT_OUTCOME_NONE
      && (delivery->status == MT_WORD_SENT || mt_judge_state(message) == MT_STATE_REJECTED))
    return kept_back; /* even where the others' copies go on */
  if (delivery->flags & MT_DELIVERY_HOP)
    return MT_OUTCOME_NONE;
  if (delivery->flags & MT_DELIVERY_REFUSED)
    return outcome_of_refused(message);
  switch (delivery->status)
    {
    case MT_WORD_SENT:
      return outcome_of_sent(message, delivery);
    case MT_WORD_NONE:
    case MT_WORD_DEFERRED:
      return outcome_of_waiting(message);
    case MT_WORD_BOUNCED:
    case MT_WORD_EXPIRED:
      return MT_OUTCOME_FAILED;
    case MT_WORD_DISCARDED:
      return MT_OUTCOME_DISCARDED;
    default:
      return MT_OUTCOME_NONE; /* an address probe */
    }
}

gboolean
mt_trail_is_ours(const MtTrail *trail, const MtIp *ip)
{
  return mt_networks_have(trail->settings->local_networks, ip) || mt_ip_is_loopback(ip);
}

/* RFC 1035 2.3.4 */
#define MAX_DOMAIN_BYTES 255

/* The domain of an address in small letters; NULL: it has none. */
static const gchar *
lower_domain(MtSpan address, gchar buffer[MAX_DOMAIN_BYTES + 1])
{
  MtSpan domain = mt_span_domain(address);

  if (!domain.len || domain.len > MAX_DOMAIN_BYTES)
    return NULL;
  for (gsize i = 0; i < domain.len; i++)
    buffer[i] = domain.at[i] | ((guchar) (domain.at[i] - 'A') < 26) << 5;
  buffer[domain.len] = '\0';
  return buffer;
}

static gboolean
look_domain_up(const MtTrail *trail, MtSpan address)
{
  gchar buffer[MAX_DOMAIN_BYTES + 1];
  const gchar *domain = lower_domain(address, buffer);

  return domain && g_hash_table_contains(trail->local_domains, domain);
}

gboolean
mt_trail_is_local_domain(MtTrail *trail, MtSpan address)
{
  MtSpan name = mt_span_domain(address);
  MtDomain *slot;

  if (!name.len || name.len > MT_DOMAIN_MAX_BYTES)
    return look_domain_up(trail, address);
  slot = &trail->domains[(name.len + 7 * (guchar) name.at[0] + 31 * (guchar) name.at[name.len / 2])
                         % MT_DOMAIN_SLOTS];
  if (slot->len != name.len || memcmp(slot->name, name.at, name.len) != 0)
    {
      slot->is_local = look_domain_up(trail, address);
      slot->len = name.len;
      memcpy(slot->name, name.at, name.len);
    }
  return slot->is_local;
}

/* No mail server has more; a log that says so makes them up. */
#define MAX_LOCAL_DOMAINS 100000

void
mt_trail_learn_address(MtTrail *trail, MtSpan address)
{
  gchar buffer[MAX_DOMAIN_BYTES + 1], *learned;
  const gchar *domain;

  if (!trail->settings->learn_domains || mt_trail_is_local_domain(trail, address)
      || g_hash_table_size(trail->local_domains) >= MAX_LOCAL_DOMAINS)
    return;
  domain = lower_domain(address, buffer);
  if (!domain)
    return;
  learned = g_strdup(domain);
  g_hash_table_add(trail->local_domains, learned);
  g_ptr_array_add(trail->learned, learned);
  memset(trail->domains, 0, sizeof trail->domains);
}

static gpointer
account_hash(const MtTrail *trail, MtSpan account)
{
  return GSIZE_TO_POINTER(mt_hash_nocase(&trail->key, account) | 1);
}

/* As many accounts as a large site has; beyond, a failed login's name is masked. */
#define MAX_KNOWN_ACCOUNTS 1000000

void
mt_trail_learn_account(MtTrail *trail, MtSpan account)
{
  if (g_hash_table_size(trail->known_accounts) >= MAX_KNOWN_ACCOUNTS)
    return;
  g_hash_table_add(trail->known_accounts, account_hash(trail, account));
}

gboolean
mt_trail_knows_account(const MtTrail *trail, MtSpan account)
{
  return g_hash_table_contains(trail->known_accounts, account_hash(trail, account));
}

gboolean
mt_trail_is_known_account(MtTrail *trail, MtSpan account)
{
  return mt_trail_is_local_domain(trail, account) || mt_trail_knows_account(trail, account);
}

gboolean
mt_judge_stayed_here(MtSpan transport, gboolean has_relay)
{
  return !has_relay && !MT_SPAN_IS(transport, "remote");
}

/* A mailbox of ours: its domain is, or a delivery agent of ours has written to it. */
static gboolean
recipient_is_local(MtTrail *trail, const MtMessage *message, const MtDelivery *delivery)
{
  MtSpan transport = MT_SAID(delivery, transport);
  const MtSaid *said = mt_delivery_said(delivery);
  gboolean has_relay = said->relay_name || said->relay_ip;

  return MT_SPAN_IS(transport, "local") || MT_SPAN_IS(transport, "virtual")
         || (delivery->status == MT_WORD_SENT && mt_judge_stayed_here(transport, has_relay))
         || mt_trail_is_local_domain(trail, MT_SAID(delivery, recipient));
}

MtDirection
mt_judge_direction(MtTrail *trail, const MtMessage *message, const MtDelivery *delivery)
{
  const MtMessage *root = mt_message_root((MtMessage *) message);
  gboolean local = recipient_is_local(trail, message, delivery);
  gboolean ours = (root->flags & MT_MESSAGE_OURS) != 0 || root->parent_kind == MT_PARENT_BOUNCE;

  /* A log that begins in the middle, a queue that does not say: who handed it in is not known. */
  if (!ours && !(root->flags & MT_MESSAGE_ACCEPTED && root->service))
    ours = mt_trail_is_local_domain(trail, mt_message_text(message, message->sender));
  if (ours)
    return local ? MT_DIRECTION_LOCAL : MT_DIRECTION_OUT;
  return local ? MT_DIRECTION_IN : MT_DIRECTION_RELAY;
}
