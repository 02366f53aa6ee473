/* hops.c: messages that are one mail
 *
 * Links rest on what a line states: the queue ID that a message had before, or goes
 * on under.  A Message-ID alone never links; it only confirms a queue ID that a
 * reply of another host names.
 */
#include "trail/private.h"

/* The next hop's accept line and our delivery line are at most this far apart: the
 * time the next hop takes to answer the end of DATA. */
#define HOP_WINDOW_US (30 * MT_MINUTE_US)

/* Chains are short; a longer one is a loop that the lines made up. */
#define MAX_HOPS 32

static MtSpan
text(const MtMessage *message, MtText field)
{
  return mt_message_text(message, field);
}

static gboolean
is_ancestor(const MtMessage *message, const MtMessage *of)
{
  gint hops = 0;

  for (; of; of = mt_message_more(of)->parent)
    if (of == message || ++hops > MAX_HOPS)
      return TRUE;
  return FALSE;
}

/* Deliveries that the child goes on for are no ends. */
static void
mark_hops(MtTrail *trail, MtMessage *parent, const MtMessage *child)
{
  for (guint i = 0; i < parent->n_deliveries; i++)
    {
      MtDelivery *delivery = &parent->deliveries[i];

      if (delivery->flags & MT_DELIVERY_HOP
          || !mt_span_equal(MT_SAID(delivery, next_queue_id), text(child, child->queue_id)))
        continue;
      delivery->flags |= MT_DELIVERY_HOP;
      mt_delivery_touch(trail, parent, delivery);
    }
}

static void
loaded(gpointer sink, const MtMessageRow *row, const MtDeliveryRow *deliveries, guint n_deliveries)
{
  mt_message_load(sink, row, deliveries, n_deliveries);
}

static void
take_root(MtTrail *trail, MtMessage *message)
{
  MtMessage *root = mt_message_root(message);

  mt_message_whole(trail, message);
  mt_message_need_more(trail, message)->root_id = root->id;
  message->more->root_at = root->first_at;
  for (guint i = 0; i < message->n_deliveries; i++)
    message->deliveries[i].dirty = TRUE;
  mt_message_touch(trail, message);
}

void
mt_hops_root_changed(MtTrail *trail, MtMessage *message)
{
  MtMessage *first;

  mt_message_whole(trail, message);
  for (guint i = 0; i < message->n_deliveries; i++)
    message->deliveries[i].dirty = TRUE;
  if (!(message->flags & MT_MESSAGE_HAS_CHILDREN))
    return;
  trail->backing->messages_by_parent(trail->backing->self, message->id, loaded, trail);
  first = mt_message_more(message)->children;
  for (MtMessage *child = first; child;
       child = child->more->next == first ? NULL : child->more->next)
    {
      if (!mt_is_joined(child->parent_kind))
        continue;
      take_root(trail, child);
      mt_hops_root_changed(trail, child);
    }
}

gboolean
mt_hops_link(MtTrail *trail, MtMessage *parent, MtMessage *child, MtParentKind kind)
{
  if (mt_message_more(child)->parent == parent)
    {
      mark_hops(trail, parent, child);
      return TRUE;
    }
  if (mt_message_more(child)->parent || is_ancestor(child, parent))
    return FALSE;
  mt_message_need_more(trail, child)->parent_id = parent->id;
  child->parent_kind = kind;
  mt_message_put(trail, child, &child->parent_queue_id, text(parent, parent->queue_id));
  mt_message_adopt(trail, parent, child);
  parent->flags |= MT_MESSAGE_HAS_CHILDREN;
  mt_message_touch(trail, parent);
  if (mt_is_joined(kind))
    {
      mark_hops(trail, parent, child);
      take_root(trail, child);
    }
  mt_hops_root_changed(trail, child); /* a bounce's direction, too, follows from what it is */
  mt_message_touch(trail, child);
  return TRUE;
}

/* Stamps of one second on one host; the clocks of two. */
static gint64
tolerance_us(const MtMessage *a, const MtMessage *b)
{
  return mt_span_equal(text(a, a->host), text(b, b->host)) ? MT_TRAIL_GRACE_US : MT_MINUTE_US;
}

/* Could @parent have gone on as @child, by their times?  It is still queued while the
 * child comes in: its queue ID's next life is another message.  What postsuper(1) requeues
 * waits in the maildrop, for pickup(8) to come by or for Postfix to be started. */
static gboolean
fits_parent(const MtMessage *parent, const MtMessage *child)
{
  gint64 tolerance = tolerance_us(parent, child);

  return parent != child && parent->first_at <= child->first_at + tolerance
         && (parent->dequeued_at == MT_NO_TIME || parent->flags & MT_MESSAGE_REQUEUED
             || parent->dequeued_at + tolerance >= child->first_at);
}

/* The child came in before we were told that it did, and had not left by then. */
static gboolean
fits_delivery(const MtMessage *parent, const MtMessage *child, MtTime delivered_at)
{
  gint64 tolerance = tolerance_us(parent, child);

  return child->first_at <= delivered_at + tolerance
         && child->first_at >= delivered_at - HOP_WINDOW_US
         && (child->dequeued_at == MT_NO_TIME || child->dequeued_at + tolerance >= delivered_at);
}

/* As fits_delivery(); what was put into another queue comes in there afterwards. */
static gboolean
fits_next(const MtMessage *parent, const MtMessage *child, MtTime at)
{
  if (!(parent->flags & MT_MESSAGE_REQUEUED))
    return fits_delivery(parent, child, at);
  return child->first_at >= at - tolerance_us(parent, child)
         && child->first_at <= at + HOP_WINDOW_US;
}

/* The youngest message of this queue ID that can be the child's parent. */
static MtMessage *
find_parent(const MtTrail *trail, const MtMessage *child, MtSpan queue_id)
{
  MtMessage *best = NULL;

  MT_TABLE_EACH (MtMessage, message, &trail->by_queue_id, mt_trail_hash(trail, queue_id))
    {
      if (mt_span_equal(text(message, message->queue_id), queue_id)
          && mt_span_equal(text(message, message->host), text(child, child->host))
          && fits_parent(message, child) && (!best || message->first_at > best->first_at))
        best = message;
    }
  return best;
}

/* Who waits, for which recipient, and for whom: both as queue ID and host. */
static void
wait_for(MtTrail *trail, MtPendingKind kind, const MtMessage *waiting, MtSpan queue_id, MtTime at,
         MtSpan recipient)
{
  MtEvent event;
  MtLine line = { .time = at, .host = text(waiting, waiting->host), .pid = -1 };

  mt_event_clear(&event);
  mt_event_set_text(&event, MT_F_QUEUE_ID, text(waiting, waiting->queue_id));
  mt_event_set_number(&event, MT_F_UID, waiting->id);
  if (recipient.len)
    mt_event_set_text(&event, MT_F_RECIPIENT, recipient);
  mt_pending_add(trail, kind, mt_trail_hash(trail, queue_id), &line, &event);
}

void
mt_hops_from(MtTrail *trail, MtMessage *child, MtSpan parent_queue_id, MtParentKind kind)
{
  MtMessage *parent;

  if (mt_message_more(child)->parent
      || mt_span_equal(parent_queue_id, text(child, child->queue_id)))
    return;
  parent = find_parent(trail, child, parent_queue_id);
  if (!parent)
    {
      mt_message_look_up(trail, text(child, child->host), parent_queue_id,
                         child->first_at + MT_TRAIL_EARLY_US);
      parent = find_parent(trail, child, parent_queue_id);
    }
  if (parent && mt_hops_link(trail, parent, child, kind))
    return;
  mt_message_put(trail, child, &child->parent_queue_id, parent_queue_id);
  child->parent_kind = kind;
  mt_hops_root_changed(trail, child);
  mt_message_touch(trail, child);
  wait_for(trail, MT_PENDING_PARENT, child, parent_queue_id, child->first_at, MT_NO_SPAN);
}

/* A relay that is this machine, or one of ours. */
static gboolean
is_own_relay(const MtTrail *trail, const MtMessage *message, const MtDelivery *delivery)
{
  MtIp ip;

  if (mt_delivery_said(delivery)->relay_ip && mt_ip_parse(MT_SAID(delivery, relay_ip), &ip))
    return mt_trail_is_ours(trail, &ip);
  return MT_SPAN_IS(MT_SAID(delivery, transport), "local");
}

static gboolean
same_message_id(const MtMessage *a, const MtMessage *b)
{
  return a->message_id && b->message_id
         && mt_span_equal(text(a, a->message_id), text(b, b->message_id));
}

static MtParentKind
kind_of(const MtMessage *parent, const MtDelivery *delivery)
{
  return MT_SPAN_IS(MT_SAID(delivery, transport), "local") ? MT_PARENT_FORWARD : MT_PARENT_HOP;
}

/* The message that the reply names: on this host where the relay is ours, on any
 * where the Message-ID agrees. */
static MtMessage *
find_child_in_memory(const MtTrail *trail, const MtMessage *parent, MtSpan queue_id, guint64 hash,
                     MtTime delivered_at, gboolean own)
{
  MtMessage *best = NULL;

  MT_TABLE_EACH (MtMessage, message, &trail->by_queue_id, hash)
    {
      gboolean here = mt_span_equal(text(message, message->host), text(parent, parent->host));

      if (message != parent && mt_span_equal(text(message, message->queue_id), queue_id)
          && fits_next(parent, message, delivered_at)
          && ((own && here) || same_message_id(parent, message))
          && (!best || message->first_at > best->first_at))
        best = message;
    }
  return best;
}

static MtMessage *
find_child(MtTrail *trail, const MtMessage *parent, MtSpan queue_id, MtTime delivered_at,
           gboolean own)
{
  guint64 hash = mt_trail_hash(trail, queue_id);
  MtMessage *child = find_child_in_memory(trail, parent, queue_id, hash, delivered_at, own);

  if (child || !mt_message_may_be_on_disk(trail, hash, delivered_at))
    return child;
  mt_message_look_up(trail, MT_NO_SPAN, queue_id, delivered_at + MT_TRAIL_EARLY_US);
  return find_child_in_memory(trail, parent, queue_id, hash, delivered_at, own);
}

void
mt_hops_to(MtTrail *trail, MtMessage *parent, MtDelivery *delivery)
{
  MtSpan next = MT_SAID(delivery, next_queue_id);
  gboolean own = is_own_relay(trail, parent, delivery);
  MtParentKind kind = kind_of(parent, delivery);
  MtTime at = mt_delivery_said(delivery)->last_at;
  MtMessage *child = find_child(trail, parent, next, at, own);

  if (child)
    mt_hops_link(trail, parent, child, kind);
  else if (own)
    wait_for(trail, MT_PENDING_CHILD, parent, next, at, MT_SAID(delivery, recipient));
}

void
mt_hops_on(MtTrail *trail, MtMessage *parent, MtSpan queue_id)
{
  MtMessage *child = find_child(trail, parent, queue_id, parent->last_at, TRUE);

  if (child)
    mt_hops_link(trail, parent, child, MT_PARENT_HOP);
  else
    wait_for(trail, MT_PENDING_CHILD, parent, queue_id, parent->last_at, MT_NO_SPAN);
}

static gboolean
join_waiting(MtTrail *trail, MtMessage *message, MtPending *pending)
{
  MtEvent event;
  MtLine line;
  MtMessage *waiting;

  mt_pending_read(pending, &event, &line);
  if (!mt_span_equal(line.host, text(message, message->host)))
    return FALSE;
  waiting = mt_message_with_id(trail, line.host, mt_event_text(&event, MT_F_QUEUE_ID),
                               mt_event_number(&event, MT_F_UID, 0));
  if (!waiting)
    return TRUE; /* it is gone: nobody waits any more */
  mt_message_recall(trail, waiting, mt_event_text(&event, MT_F_RECIPIENT));
  if (pending->kind == MT_PENDING_PARENT)
    return fits_parent(message, waiting)
           && mt_hops_link(trail, message, waiting, waiting->parent_kind);
  return fits_next(waiting, message, line.time)
         && mt_hops_link(trail, waiting, message, MT_PARENT_HOP);
}

void
mt_hops_created(MtTrail *trail, MtMessage *message, guint64 hash)
{
  static const MtPendingKind kinds[] = { MT_PENDING_PARENT, MT_PENDING_CHILD };

  for (guint k = 0; k < G_N_ELEMENTS(kinds); k++)
    {
      MtPending *next, *pending = mt_pending_next(trail, kinds[k], hash, NULL);

      for (; pending; pending = next)
        {
          next = mt_pending_next(trail, kinds[k], hash, pending);
          if (join_waiting(trail, message, pending))
            mt_pending_remove(trail, pending);
        }
    }
}

void
mt_hops_identified(MtTrail *trail, MtMessage *message)
{
  MT_TABLE_EACH (MtMessage, other, &trail->by_message_id, message->by_message_id.hash)
    {
      if (other == message || !same_message_id(message, other))
        continue;
      for (guint i = 0; i < other->n_deliveries; i++)
        {
          MtDelivery *delivery = &other->deliveries[i];

          if (mt_delivery_said(delivery)->next_queue_id
              && mt_span_equal(MT_SAID(delivery, next_queue_id), text(message, message->queue_id))
              && fits_delivery(other, message, mt_delivery_said(delivery)->last_at)
              && mt_hops_link(trail, other, message, kind_of(other, delivery)))
            return;
        }
    }
}
