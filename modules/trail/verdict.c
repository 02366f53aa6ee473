/* verdict.c: what filters say of a message
 *
 * Most name the queue ID.  Those that know only the Message-ID, or, asked before there is
 * a queue ID, the client and the sender, are joined by these: within a narrow window, and
 * by Message-ID only where it is one message's alone, since it is the sender's to choose.
 * A verdict that comes before its message waits for it.
 *
 * Several filters judge one mail, in any order: the weightier word stands.
 */
#include "trail/private.h"

/* A filter judges while the client waits for the answer to the end of DATA: RFC 5321
 * 4.5.3.2.6, 10 minutes. */
#define VERDICT_WINDOW_US (10 * MT_MINUTE_US)

/* A policy daemon is asked at RCPT; the message begins at its first accepted one. */
#define POLICY_WINDOW_US (1 * MT_MINUTE_US)

static MtSpan
text(const MtMessage *message, MtText field)
{
  return mt_message_text(message, field);
}

/* ---- which of two words stands ---------------------------------------------------- */

static gint
weight_of_action(MtSpan action)
{
  static const MtWord rising[] = {
    MT_WORD_PASS,     MT_WORD_GREYLIST, MT_WORD_TAG,     MT_WORD_REWRITE_SUBJECT, MT_WORD_REDIRECT,
    MT_WORD_TEMPFAIL, MT_WORD_BLOCK,    MT_WORD_DISCARD, MT_WORD_QUARANTINE,      MT_WORD_REJECT
  };

  for (guint i = 0; i < G_N_ELEMENTS(rising); i++)
    if (mt_span_equal(action, mt_span_of_string(mt_word_name(rising[i]))))
      return i + 1;
  return 0;
}

/* Of several checks of a sender the worst counts; of several signatures one that holds is
 * enough (RFC 6376 6.1). */
static gint
weight_of_result(MtSpan result, MtField field)
{
  static const struct
  {
    MtSpan name;
    gint8 worst_counts, best_counts;
  } weights[] = {
    { MT_SPAN_INIT("none"), 1, 1 },      { MT_SPAN_INIT("signed"), 2, 2 },
    { MT_SPAN_INIT("neutral"), 3, 3 },   { MT_SPAN_INIT("policy"), 4, 4 },
    { MT_SPAN_INIT("pass"), 5, 9 },      { MT_SPAN_INIT("temperror"), 6, 5 },
    { MT_SPAN_INIT("permerror"), 7, 6 }, { MT_SPAN_INIT("softfail"), 8, 7 },
    { MT_SPAN_INIT("fail"), 9, 8 },
  };

  for (guint i = 0; i < G_N_ELEMENTS(weights); i++)
    if (mt_span_equal(result, weights[i].name))
      return field == MT_F_DKIM ? weights[i].best_counts : weights[i].worst_counts;
  return 0;
}

/* Returns: TRUE if something is new. */
static gboolean
take_result(MtTrail *trail, MtMessage *message, MtText *field, const MtEvent *event, MtField from)
{
  MtSpan result = mt_event_text(event, from);

  if (weight_of_result(result, from) <= weight_of_result(text(message, *field), from))
    return FALSE;
  mt_message_put(trail, message, field, result);
  return TRUE;
}

static gboolean
take_text(MtTrail *trail, MtMessage *message, MtText *field, const MtEvent *event, MtField from)
{
  if (*field || !mt_event_text(event, from).at)
    return FALSE;
  mt_message_put(trail, message, field, mt_event_text(event, from));
  return TRUE;
}

/* ---- folding ------------------------------------------------------------------------ */

/* What becomes of a recipient whom the filter lets have nothing, though the queue in
 * front of it is told "sent". */
static MtWord
end_of(MtWord action)
{
  return action == MT_WORD_QUARANTINE ? MT_WORD_QUARANTINE
         : action == MT_WORD_DISCARD  ? MT_WORD_DISCARDED
         : action == MT_WORD_BLOCK    ? MT_WORD_REJECTED
                                      : MT_WORD_NONE;
}

static void
end_delivery(MtTrail *trail, MtMessage *message, MtDelivery *delivery, MtWord end)
{
  delivery->stored_action = end;
  mt_delivery_touch(trail, message, delivery);
}

/* amavis alone judges behind the queue, each recipient apart. */
static void
end_recipient(MtTrail *trail, MtMessage *message, const MtEvent *event)
{
  MtWord end = end_of(mt_event_word(event, MT_F_ACTION));
  MtSpan recipient = mt_event_text(event, MT_F_RECIPIENT);
  guint found = 0;

  if (end == MT_WORD_NONE || !recipient.len
      || !MT_SPAN_IS(mt_event_text(event, MT_F_FILTER), "amavis"))
    return;
  mt_message_recall(trail, message, recipient);
  for (guint i = 0; i < message->n_deliveries; i++)
    if (mt_span_equal_nocase(MT_SAID(&message->deliveries[i], recipient), recipient))
      {
        end_delivery(trail, message, &message->deliveries[i], end);
        found++;
      }
  if (!found)
    end_delivery(trail, message, mt_message_delivery(trail, message, recipient, MT_NO_SPAN, TRUE),
                 end);
}

void
mt_verdict_fold(MtTrail *trail, MtMessage *message, const MtEvent *event)
{
  MtSpan action = mt_span_of_string(mt_word_name(mt_event_word(event, MT_F_ACTION)));
  MtVerdict *verdict = mt_message_need_verdict(trail, message);
  gdouble score = verdict->spam_score;
  gboolean changed = FALSE;

  if (weight_of_action(action) > weight_of_action(text(message, verdict->spam_action)))
    {
      mt_message_whole(trail, message);
      mt_message_put(trail, message, &verdict->spam_action, action);
      changed = TRUE;
    }
  if (mt_event_has(event, MT_F_SCORE) && !(verdict->spam_score >= event->value[MT_F_SCORE].real))
    verdict->spam_score = event->value[MT_F_SCORE].real;
  changed |= take_text(trail, message, &verdict->virus, event, MT_F_VIRUS);
  changed |= take_text(trail, message, &message->subject, event, MT_F_SUBJECT);
  changed |= take_result(trail, message, &verdict->spf, event, MT_F_SPF);
  changed |= take_result(trail, message, &verdict->dkim, event, MT_F_DKIM);
  changed |= take_result(trail, message, &verdict->dmarc, event, MT_F_DMARC);
  changed |= score != verdict->spam_score;
  end_recipient(trail, message, event);
  if (changed)
    mt_message_touch_deliveries(trail, message);
  if (mt_event_has(event, MT_F_NEXT_QUEUE_ID))
    mt_hops_on(trail, message, mt_event_text(event, MT_F_NEXT_QUEUE_ID));
}

static void
apply(MtTrail *trail, MtMessage *message, const MtEvent *event)
{
  mt_message_touch(trail, message);
  mt_verdict_fold(trail, message, event);
}

/* ---- by Message-ID ------------------------------------------------------------------- */

static guint64
message_id_key(const MtTrail *trail, MtSpan message_id)
{
  return mt_hash_mix(mt_trail_hash(trail, message_id), MT_F_MESSAGE_ID);
}

static gboolean
lives_at(const MtMessage *message, MtTime at)
{
  return at >= message->first_at - MT_TRAIL_GRACE_US && at <= message->first_at + VERDICT_WINDOW_US
         && (message->dequeued_at == MT_NO_TIME || at <= message->dequeued_at + MT_TRAIL_GRACE_US);
}

/* The only mail with this Message-ID at this time; its first hop stands for all.
 * @n: how many there are. */
static MtMessage *
find_only(const MtTrail *trail, MtSpan message_id, MtTime at, guint *n)
{
  MtMessage *only = NULL;

  *n = 0;
  MT_TABLE_EACH (MtMessage, message, &trail->by_message_id, mt_trail_hash(trail, message_id))
    {
      MtMessage *root;

      if (!mt_span_equal(text(message, message->message_id), message_id) || !lives_at(message, at))
        continue;
      root = mt_message_root(message);
      *n += root != only;
      only = root;
    }
  return *n == 1 ? only : NULL;
}

static void
loaded(gpointer sink, const MtMessageRow *row, const MtDeliveryRow *deliveries, guint n_deliveries)
{
  mt_message_load(sink, row, deliveries, n_deliveries);
}

static void
push_by_message_id(MtTrail *trail, const MtLine *line, const MtEvent *event)
{
  MtSpan message_id = mt_event_text(event, MT_F_MESSAGE_ID);
  MtMessage *message;
  guint n;

  trail->backing->messages_by_message_id(trail->backing->self, message_id, line->time,
                                         VERDICT_WINDOW_US, loaded, trail);
  message = find_only(trail, message_id, line->time, &n);
  if (message)
    apply(trail, message, event);
  else if (n)
    trail->counters.orphaned++; /* whose it is cannot be told */
  else
    mt_pending_add(trail, MT_PENDING_VERDICT, message_id_key(trail, message_id), line, event);
}

/* ---- by client and sender ------------------------------------------------------------- */

static guint64
client_key(MtTrail *trail, const MtIp *ip, MtSpan sender)
{
  return mt_hash_mix(mt_trail_hash_ip(trail, ip), mt_trail_hash(trail, sender));
}

/* So many messages may come in while a policy daemon's line is on its way. */
#define RECENT_MESSAGES 256

/* The message that is there already, where the verdict's line comes late; it has none yet. */
static MtMessage *
find_recent(const MtTrail *trail, const MtIp *ip, MtSpan sender, MtTime at)
{
  MtMessage *best = NULL, *message = mt_slab_newest(&trail->messages);
  MtIp client_ip;

  for (guint i = 0; message && i < RECENT_MESSAGES;
       i++, message = mt_slab_older(&trail->messages, message))
    if (message->flags & MT_MESSAGE_ACTIVE && !mt_message_verdict(message)->spf
        && mt_span_equal(text(message, message->sender), sender)
        && mt_message_client_ip(message, &client_ip) && mt_ip_equal(&client_ip, ip)
        && ABS(at - message->first_at) <= POLICY_WINDOW_US
        && (!best || ABS(at - message->first_at) < ABS(at - best->first_at)))
      best = message;
  return best;
}

/* Refused connections leave verdicts that nobody will ask for. */
static void
drop_old(MtTrail *trail, MtTime now)
{
  MtPending *oldest;

  while ((oldest = mt_slab_oldest(&trail->pendings)) && oldest->kind == MT_PENDING_VERDICT
         && oldest->at < now - VERDICT_WINDOW_US)
    mt_pending_remove(trail, oldest);
}

/* ---- what waited ------------------------------------------------------------------------ */

/* Which message the verdict that waits for @message is of; NULL: it waits on. */
static MtMessage *
judged(MtTrail *trail, MtMessage *message, const MtEvent *event, MtTime at)
{
  MtMessage *root = mt_message_root(message);
  MtSpan message_id = mt_event_text(event, MT_F_MESSAGE_ID);
  guint n;

  if (message_id.len)
    return mt_span_equal(message_id, text(message, message->message_id))
                   && find_only(trail, message_id, at, &n) == root
               ? root
               : NULL;
  return mt_span_equal(mt_event_text(event, MT_F_SENDER), text(message, message->sender))
                 && ABS(at - message->first_at) <= POLICY_WINDOW_US
             ? message
             : NULL;
}

static void
apply_waiting(MtTrail *trail, MtMessage *message, guint64 key)
{
  MtPending *next, *pending = mt_pending_next(trail, MT_PENDING_VERDICT, key, NULL);

  for (; pending; pending = next)
    {
      MtMessage *of;
      MtEvent event;
      MtLine line;

      next = mt_pending_next(trail, MT_PENDING_VERDICT, key, pending);
      mt_pending_read(pending, &event, &line);
      of = judged(trail, message, &event, line.time);
      if (!of)
        continue;
      apply(trail, of, &event);
      mt_pending_remove(trail, pending);
    }
}

void
mt_verdict_identified(MtTrail *trail, MtMessage *message)
{
  if (mt_pending_waits(trail, MT_PENDING_VERDICT))
    apply_waiting(trail, message, message_id_key(trail, text(message, message->message_id)));
}

void
mt_verdict_enveloped(MtTrail *trail, MtMessage *message)
{
  MtIp ip;

  if (mt_pending_waits(trail, MT_PENDING_VERDICT) && message->flags & MT_MESSAGE_ACTIVE
      && mt_message_client_ip(message, &ip))
    apply_waiting(trail, message, client_key(trail, &ip, text(message, message->sender)));
}

/* ---- lines without a queue ID of their own -------------------------------------------------- */

/* A filter in front of the queue knows only the ID that the message has behind it. */
static void
push_by_next(MtTrail *trail, const MtLine *line, const MtEvent *event)
{
  MtEvent here = *event;

  mt_event_set_text(&here, MT_F_QUEUE_ID, mt_event_text(event, MT_F_NEXT_QUEUE_ID));
  mt_event_drop(&here, MT_F_NEXT_QUEUE_ID);
  mt_messages_push(trail, line, &here);
}

static void
push_by_client(MtTrail *trail, const MtLine *line, const MtEvent *event, const MtIp *ip)
{
  MtSpan sender = mt_event_text(event, MT_F_SENDER);
  MtMessage *message = find_recent(trail, ip, sender, line->time);
  MtEvent spf = *event;

  mt_event_drop(&spf, MT_F_ACTION); /* of a recipient, not of the message */
  mt_event_drop(&spf, MT_F_RECIPIENT);
  if (message)
    apply(trail, message, &spf);
  else
    mt_pending_add(trail, MT_PENDING_VERDICT, client_key(trail, ip, sender), line, &spf);
}

void
mt_verdict_push(MtTrail *trail, const MtLine *line, const MtEvent *event)
{
  const MtIp *ip = mt_event_ip(event, MT_F_CLIENT_IP);

  drop_old(trail, line->time);
  if (mt_event_text(event, MT_F_NEXT_QUEUE_ID).len)
    push_by_next(trail, line, event);
  else if (event->part)
    return; /* the first has said it of the whole message */
  else if (mt_event_text(event, MT_F_MESSAGE_ID).len)
    push_by_message_id(trail, line, event);
  else if (ip && mt_event_has(event, MT_F_SPF) && mt_event_has(event, MT_F_SENDER))
    push_by_client(trail, line, event, ip);
}
