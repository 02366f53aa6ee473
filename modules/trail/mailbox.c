/* mailbox.c: what the mailbox side says of a message
 *
 * Postfix's "sent" means that Dovecot took it.  What became of it there (folder,
 * forward, vacation, discard) stands in Dovecot's own lines, joined by the session
 * that the LMTP reply names, else by Message-ID and recipient.
 */
#include "trail/private.h"

static MtSpan
text(const MtMessage *message, MtText field)
{
  return mt_message_text(message, field);
}

static guint64
session_key(const MtTrail *trail, MtSpan session)
{
  return mt_hash_mix(mt_trail_hash(trail, session), MT_F_SESSION);
}

static guint64
recipient_key(const MtTrail *trail, guint64 message_id_hash, MtSpan recipient)
{
  return mt_hash_mix(message_id_hash, mt_trail_hash(trail, recipient));
}

static gint
compare(MtSpan a, MtSpan b)
{
  gint order = memcmp(a.at, b.at, MIN(a.len, b.len));

  return order ? order : (a.len > b.len) - (a.len < b.len);
}

static void
append_item(GString *list, MtSpan item)
{
  if (list->len)
    g_string_append(list, ", ");
  g_string_append_len(list, item.at, item.len);
}

/* @list with @name in its place; it is there already if the length stays. */
static GString *
list_with(MtSpan list, MtSpan name)
{
  GString *with = g_string_new(NULL);
  MtCursor cur = mt_cursor(list);
  MtSpan item;

  while (mt_cursor_left(&cur))
    {
      if (!MT_SCAN_UNTIL(&cur, ", ", &item))
        {
          item = mt_cursor_rest(&cur);
          cur.at = cur.end;
        }
      if (name.len && compare(name, item) <= 0)
        {
          if (!mt_span_equal(name, item))
            append_item(with, name);
          name.len = 0;
        }
      append_item(with, item);
    }
  if (name.len)
    append_item(with, name);
  return with;
}

/* "INBOX, Lists": each folder or address once, by name, as lines come in any order. */
static void
add_to_list(MtTrail *trail, MtDelivery *delivery, gsize field, MtSpan before, MtSpan name)
{
  GString *list;

  if (!name.len)
    return;
  if (!before.len)
    {
      mt_delivery_say(trail, delivery, field, name);
      return;
    }
  list = list_with(before, name);
  if (list->len != before.len)
    mt_delivery_say(trail, delivery, field, mt_span(list->str, list->len));
  g_string_free(list, TRUE);
}

#define ADD_TO_LIST(trail, delivery, field, name) \
  add_to_list((trail), (delivery), G_STRUCT_OFFSET(MtSaid, field), MT_SAID(delivery, field), (name))

/* A copy that stays counts more than what was sent on or thrown away. */
static gint
weight(MtWord action)
{
  return action == MT_WORD_STORED      ? 4
         : action == MT_WORD_FORWARDED ? 3
         : action == MT_WORD_REJECTED  ? 2
         : action == MT_WORD_DISCARDED ? 1
                                       : 0;
}

static void
apply(MtTrail *trail, MtMessage *message, MtDelivery *delivery, const MtEvent *event)
{
  MtWord action = mt_event_word(event, MT_F_ACTION);

  if (action == MT_WORD_STORED)
    ADD_TO_LIST(trail, delivery, mailbox, mt_event_text(event, MT_F_MAILBOX));
  else if (action == MT_WORD_FORWARDED)
    ADD_TO_LIST(trail, delivery, forwarded_to, mt_event_text(event, MT_F_TARGET));
  else if (action == MT_WORD_VACATION)
    delivery->flags |= MT_DELIVERY_AUTO_REPLY;
  if (weight(action) > weight(delivery->stored_action))
    delivery->stored_action = action;
  if (mt_event_has(event, MT_F_FILTER))
    MT_SAY(trail, delivery, filter_rule, mt_event_text(event, MT_F_FILTER));
  mt_delivery_touch(trail, message, delivery);
}

/* Behind the '!' of Cyrus' "example.com!user.bob" stands a mailbox of that domain. */
static gboolean
fits_domain(MtSpan recipient, MtSpan mailbox)
{
  const gchar *bang = mailbox.len ? memchr(mailbox.at, '!', mailbox.len) : NULL;

  return !bang
         || mt_span_equal_nocase(mt_span_domain(recipient), mt_span(mailbox.at, bang - mailbox.at));
}

static MtSpan
local_part(MtSpan address)
{
  const gchar *at = address.len ? memrchr(address.at, '@', address.len) : NULL;

  return at ? mt_span(address.at, at - address.at) : address;
}

/* An account may be named without its domain. */
static gboolean
is_account_of(MtSpan recipient, const MtEvent *event)
{
  MtSpan account = mt_event_text(event, MT_F_ACCOUNT);

  if (mt_span_equal_nocase(recipient, account))
    return TRUE;
  return account.len && !memchr(account.at, '@', account.len)
         && mt_span_equal_nocase(local_part(recipient), account)
         && fits_domain(recipient, mt_event_text(event, MT_F_MAILBOX));
}

static gboolean
is_it(const MtDelivery *delivery, const MtEvent *event)
{
  MtSpan session = mt_event_text(event, MT_F_SESSION);

  if (session.len && mt_delivery_said(delivery)->session)
    return mt_span_equal(MT_SAID(delivery, session), session);
  return delivery->status == MT_WORD_SENT && !mt_delivery_said(delivery)->next_queue_id
         && is_account_of(MT_SAID(delivery, recipient), event);
}

/* Returns: how many messages with this Message-ID there were; the joined delivery's
 * message in @message. */
static guint
find_delivery(MtTrail *trail, const MtEvent *event, guint64 hash, MtMessage **message,
              MtDelivery **delivery)
{
  MtSpan message_id = mt_event_text(event, MT_F_MESSAGE_ID);
  guint seen = 0;

  if (!message_id.len)
    return 0;
  MT_TABLE_EACH (MtMessage, candidate, &trail->by_message_id, hash)
    {
      if (!mt_span_equal(text(candidate, candidate->message_id), message_id))
        continue;
      seen++;
      if (mt_message_many(candidate)->n_away)
        mt_message_recall(trail, candidate, mt_event_text(event, MT_F_ACCOUNT));
      for (guint i = 0; i < candidate->n_deliveries; i++)
        if (is_it(&candidate->deliveries[i], event))
          {
            *message = candidate;
            *delivery = &candidate->deliveries[i];
            return seen;
          }
    }
  return seen;
}

static void
loaded(gpointer sink, const MtMessageRow *row, const MtDeliveryRow *deliveries, guint n_deliveries)
{
  mt_message_load(sink, row, deliveries, n_deliveries);
}

void
mt_mailbox_push(MtTrail *trail, const MtLine *line, const MtEvent *event)
{
  MtSpan session = mt_event_text(event, MT_F_SESSION);
  MtSpan message_id = mt_event_text(event, MT_F_MESSAGE_ID);
  MtMessage *message = NULL;
  MtDelivery *delivery;
  guint64 hash = message_id.len ? mt_trail_hash(trail, message_id) : 0;
  guint seen = find_delivery(trail, event, hash, &message, &delivery);

  /* The hop that is seen in memory may not be the last: that may be on disk. */
  if (!message && message_id.len && (!seen || mt_message_may_be_on_disk(trail, hash, line->time)))
    {
      trail->backing->messages_by_message_id(trail->backing->self, message_id, line->time,
                                             MT_HOUR_US, loaded, trail);
      find_delivery(trail, event, hash, &message, &delivery);
    }
  if (message)
    apply(trail, message, delivery, event);
  else if (session.len)
    mt_pending_add(trail, MT_PENDING_STORED, session_key(trail, session), line, event);
  else if (message_id.len)
    mt_pending_add(trail, MT_PENDING_STORED,
                   recipient_key(trail, hash, mt_event_text(event, MT_F_ACCOUNT)), line, event);
}

static void
apply_waiting(MtTrail *trail, MtMessage *message, MtDelivery *delivery, guint64 key)
{
  MtPending *next, *pending = mt_pending_next(trail, MT_PENDING_STORED, key, NULL);

  for (; pending; pending = next)
    {
      MtEvent event;
      MtLine line;

      next = mt_pending_next(trail, MT_PENDING_STORED, key, pending);
      mt_pending_read(pending, &event, &line);
      if (!mt_event_has(&event, MT_F_SESSION)
          && !is_account_of(MT_SAID(delivery, recipient), &event))
        continue;
      apply(trail, message, delivery, &event);
      mt_pending_use_up(trail, pending);
    }
}

void
mt_mailbox_delivered(MtTrail *trail, MtMessage *message, MtDelivery *delivery)
{
  guint64 message_id, whole, local;
  MtSpan recipient;

  if (mt_delivery_said(delivery)->session && mt_pending_waits(trail, MT_PENDING_STORED))
    apply_waiting(trail, message, delivery, session_key(trail, MT_SAID(delivery, session)));
  if (!trail->waiting_by_id || !message->in_message_ids || !mt_delivery_said(delivery)->recipient)
    return;
  /* What is applied adds to the message's texts: the span is not good any more. */
  recipient = MT_SAID(delivery, recipient);
  message_id = mt_trail_hash(trail, text(message, message->message_id));
  whole = recipient_key(trail, message_id, recipient);
  local = recipient_key(trail, message_id, local_part(recipient));
  apply_waiting(trail, message, delivery, whole);
  apply_waiting(trail, message, delivery, local);
}
