/* flush.c: records as rows */
#include "trail/private.h"

/* ---- what deliveries add to activity_daily ---------------------------------------- */

static MtSpan
text(const MtMessage *message, MtText field)
{
  return mt_message_text(message, field);
}

/* Who sent it: the login, else the envelope sender. */
static MtSpan
sending_account(MtMessage *message)
{
  const MtMessage *root = mt_message_root(message);
  MtSpan user = text(root, root->auth_user);

  return user.len ? user : text(message, message->sender);
}

static gboolean
is_outgoing(MtDirection direction)
{
  return direction == MT_DIRECTION_OUT || direction == MT_DIRECTION_LOCAL;
}

static gboolean
is_incoming(MtDirection direction)
{
  return direction == MT_DIRECTION_IN || direction == MT_DIRECTION_LOCAL;
}

static MtSpan
counted_account(const MtMessage *message, const MtDelivery *delivery, const MtCounted *counted)
{
  switch ((MtAccountIs) counted->account_is)
    {
    case MT_ACCOUNT_SENDER:
      return text(message, message->sender);
    case MT_ACCOUNT_AUTH_USER:
      return text(message, message->auth_user);
    case MT_ACCOUNT_OWN:
      return mt_arena_get(&delivery->arena, counted->account);
    default:
      return MT_NO_SPAN;
    }
}

/* Most stand in the message already, where neither changes once it is known. */
static void
keep_account(MtTrail *trail, const MtMessage *message, MtDelivery *delivery, MtSpan account,
             MtCounted *counted)
{
  counted->account = 0;
  counted->account_is = MT_ACCOUNT_NONE;
  if (message->sender && mt_span_equal(text(message, message->sender), account))
    counted->account_is = MT_ACCOUNT_SENDER;
  else if (message->auth_user && mt_span_equal(text(message, message->auth_user), account))
    counted->account_is = MT_ACCOUNT_AUTH_USER;
  else if (account.at)
    {
      counted->account = mt_delivery_own_text(trail, delivery, account);
      counted->account_is = MT_ACCOUNT_OWN;
    }
}

void
mt_flush_count(MtTrail *trail, MtMessage *message, MtDelivery *delivery, MtOutcome outcome,
               MtDirection direction, MtCounted *counted)
{
  MtSpan account = sending_account(message);
  gboolean ended = outcome != MT_OUTCOME_QUEUED;

  if (outcome == MT_OUTCOME_NONE)
    {
      memset(counted, 0, sizeof *counted);
      return;
    }
  if (!mt_span_equal(counted_account(message, delivery, counted), account))
    keep_account(trail, message, delivery, account, counted);
  counted->outcome = outcome;
  counted->direction = direction;
  counted->day = mt_message_day(message);
  counted->deferrals = MAX(delivery->attempts - ended, 0);
  counted->bytes = MAX(message->size, 0);
}

static void
add_counted(MtTrail *trail, MtMessage *message, const MtDelivery *delivery,
            const MtCounted *counted, gint sign)
{
  MtSpan account = counted_account(message, delivery, counted);
  MtSpan recipient = MT_SAID(delivery, recipient);
  gboolean delivered = counted->outcome == MT_OUTCOME_DELIVERED;

  if (counted->outcome == MT_OUTCOME_NONE)
    return;
  if (is_outgoing(counted->direction) && account.len)
    {
      MtActivityRow *row = mt_sums_activity(trail, account, counted->day);

      row->sent += sign * delivered;
      row->bytes_sent += sign * delivered * counted->bytes;
      row->deferred += sign * counted->deferrals;
      row->failed += sign * (counted->outcome == MT_OUTCOME_FAILED);
      row->rejected += sign * (counted->outcome == MT_OUTCOME_REJECTED);
    }
  if (is_incoming(counted->direction) && recipient.len && delivered)
    {
      MtActivityRow *row = mt_sums_activity(trail, recipient, counted->day);

      row->received += sign;
      row->bytes_received += sign * counted->bytes;
    }
}

static gboolean
same_counted(const MtCounted *a, const MtCounted *b)
{
  return a->outcome == b->outcome && a->direction == b->direction && a->day == b->day
         && a->deferrals == b->deferrals && a->bytes == b->bytes && a->account == b->account
         && a->account_is == b->account_is;
}

static void
count(MtTrail *trail, MtMessage *message, MtDelivery *delivery, MtOutcome outcome,
      MtDirection direction)
{
  MtCounted now = delivery->counted;

  mt_flush_count(trail, message, delivery, outcome, direction, &now);
  if (same_counted(&now, &delivery->counted))
    return;
  add_counted(trail, message, delivery, &delivery->counted, -1);
  add_counted(trail, message, delivery, &now, 1);
  delivery->counted = now;
}

/* ---- rows ------------------------------------------------------------------------ */

static void
fill_delivery_texts(MtBatch *batch, const MtDelivery *delivery, MtDeliveryRow *row)
{
  const MtSaid *said = mt_delivery_said(delivery);
  MtTexts texts = mt_texts(batch, &delivery->arena);

  row->recipient = mt_texts_get(&texts, said->recipient);
  row->orig_recipient = mt_texts_get(&texts, said->orig_recipient);
  row->relay_name = mt_texts_get(&texts, said->relay_name);
  row->relay_ip = mt_texts_get(&texts, said->relay_ip);
  row->transport = mt_texts_get(&texts, said->transport);
  row->dsn = mt_texts_get(&texts, said->dsn);
  row->reply = mt_texts_get(&texts, said->reply);
  row->next_queue_id = mt_texts_get(&texts, said->next_queue_id);
  row->session = mt_texts_get(&texts, said->session);
  row->mailbox = mt_texts_get(&texts, said->mailbox);
  row->forwarded_to = mt_texts_get(&texts, said->forwarded_to);
  row->filter_rule = mt_texts_get(&texts, said->filter_rule);
}

static MtReason
reason_of(MtTrail *trail, const MtMessage *message, const MtDelivery *delivery, MtOutcome outcome)
{
  if (outcome == MT_OUTCOME_DELIVERED
      || (outcome == MT_OUTCOME_NONE && delivery->status == MT_WORD_SENT))
    return MT_REASON_NONE;
  if (message->flags & MT_MESSAGE_EXPIRED && outcome == MT_OUTCOME_FAILED
      && delivery->status == MT_WORD_DEFERRED)
    return MT_REASON_EXPIRED;
  return mt_judge_reason(trail, MT_SAID(delivery, dsn), MT_SAID(delivery, reply));
}

static gboolean
is_ignored(const MtTrail *trail, const MtMessage *message, const MtDelivery *delivery)
{
  const gchar *const *terms = trail->settings->ignore_mail;

  return terms
         && (mt_trail_has_term(terms, MT_SAID(delivery, reply))
             || mt_trail_has_term(terms, mt_span_of_string(mt_word_name(delivery->status))));
}

static void
flush_delivery(MtTrail *trail, const MtTexts *texts, MtMessage *message, MtDelivery *delivery,
               gint32 day)
{
  MtOutcome outcome = mt_judge_outcome(message, delivery);
  MtDirection direction = mt_judge_direction(trail, message, delivery);
  gboolean removed;
  MtDeliveryRow *row;

  delivery->ignored = is_ignored(trail, message, delivery);
  removed = delivery->removed || delivery->ignored;
  if (removed)
    outcome = MT_OUTCOME_NONE;
  count(trail, message, delivery, outcome, direction);
  if (removed && !delivery->stored)
    return;
  row = MT_BATCH_ADD(texts->batch->deliveries, MtDeliveryRow);
  row->id = delivery->id;
  row->message_id = message->id;
  row->day = day;
  row->stored_day = delivery->stored ? message->stored_day : MT_NO_DAY;
  row->removed = removed;
  row->mail_at = mt_message_root_at(message);
  row->last_at = mt_delivery_said(delivery)->last_at;
  row->sender = mt_texts_get(texts, message->sender);
  fill_delivery_texts(texts->batch, delivery, row);
  row->delay_us = mt_delivery_said(delivery)->delay_us;
  row->attempts = delivery->attempts;
  row->revision = delivery->revision;
  row->status = delivery->status;
  row->stored_action = delivery->stored_action;
  row->outcome = outcome;
  row->direction = direction;
  row->reason = reason_of(trail, message, delivery, outcome);
  row->flags = delivery->flags;
}

/* A message in the queue that nobody has tried to deliver is seen all the same: as
 * one row without a recipient, which the first delivery takes over. */
static void
keep_placeholder(MtTrail *trail, MtMessage *message, MtState state)
{
  gboolean waits = state == MT_STATE_QUEUED || state == MT_STATE_HELD;
  gboolean entered = (message->flags & (MT_MESSAGE_CLEANED | MT_MESSAGE_ACTIVE)) != 0;
  gboolean moved = (message->flags & MT_MESSAGE_HAS_CHILDREN) != 0; /* all its recipients */
  gboolean wanted = (waits && entered && !moved) || message->flags & MT_MESSAGE_DELETED;
  MtDelivery *delivery;

  if (message->n_deliveries == 0 && !mt_message_many(message)->n_away && wanted)
    {
      delivery = mt_message_delivery(trail, message, MT_NO_SPAN, MT_NO_SPAN, TRUE);
      delivery->flags |= MT_DELIVERY_PLACEHOLDER;
      delivery->dirty = TRUE;
    }
  else if (message->n_deliveries == 1 && !wanted
           && message->deliveries[0].flags & MT_DELIVERY_PLACEHOLDER)
    message->deliveries[0].removed = message->deliveries[0].dirty = TRUE;
}

static void
fill_message_texts(const MtTexts *texts, const MtMessage *message, MtMessageRow *row)
{
  const MtVerdict *verdict = mt_message_verdict(message);

  row->host = mt_texts_get(texts, message->host);
  row->instance = mt_texts_get(texts, message->instance);
  row->queue_id = mt_texts_get(texts, message->queue_id);
  row->message_id = mt_texts_get(texts, message->message_id);
  row->sender = mt_texts_get(texts, message->sender);
  row->subject = mt_texts_get(texts, message->subject);
  row->client_ip = mt_texts_get(texts, message->client_ip);
  row->client_name = mt_texts_get(texts, message->client_name);
  row->auth_user = mt_texts_get(texts, message->auth_user);
  row->auth_method = mt_texts_get(texts, message->auth_method);
  row->service = mt_texts_get(texts, message->service);
  row->parent_queue_id = mt_texts_get(texts, message->parent_queue_id);
  row->spam_action = mt_texts_get(texts, verdict->spam_action);
  row->virus = mt_texts_get(texts, verdict->virus);
  row->spf = mt_texts_get(texts, verdict->spf);
  row->dkim = mt_texts_get(texts, verdict->dkim);
  row->dmarc = mt_texts_get(texts, verdict->dmarc);
}

static void
flush_message(MtTrail *trail, const MtTexts *texts, MtMessage *message, gint32 day, MtLocate locate,
              gpointer user)
{
  MtMessageRow *row = MT_BATCH_ADD(texts->batch->messages, MtMessageRow);
  MtIp ip;

  row->id = message->id;
  row->root_id = mt_message_root_id(message);
  row->root_at = mt_message_root_at(message);
  row->day = day;
  row->stored_day = message->stored_day;
  row->first_at = message->first_at;
  row->last_at = message->last_at;
  row->dequeued_at = message->dequeued_at;
  fill_message_texts(texts, message, row);
  if (!trail->settings->store_subject)
    row->subject = MT_NO_SPAN;
  row->parent_id = mt_message_more(message)->parent_id;
  row->parent_kind = message->parent_kind;
  row->size = message->size;
  row->nrcpt = message->nrcpt;
  row->port = message->port;
  row->spam_score = mt_message_verdict(message)->spam_score;
  row->flags = message->flags;
  row->state = mt_judge_state(message);
  if (locate && mt_message_client_ip(message, &ip))
    locate(user, &ip, row->country);
}

/* What the message itself decides for all its deliveries: where they lie, and what
 * became of those that waited. */
static gboolean
deliveries_follow(const MtMessage *message, gint32 day)
{
  return message->stored_day != MT_NO_DAY && message->stored_day != day;
}

/* Messages of a batch lie anywhere: what is needed of the next ones is on its way meanwhile,
 * each part as soon as what points to it is there. */
#define AHEAD 3

static const MtMessage *
ahead(const GPtrArray *dirty, guint i)
{
  return i < dirty->len ? g_ptr_array_index(dirty, i) : NULL;
}

static void
fetch_bytes(gconstpointer from, gsize bytes)
{
  for (gsize at = 0; at < bytes; at += 64)
    __builtin_prefetch((const gchar *) from + at);
}

static void
fetch(const GPtrArray *dirty, guint i)
{
  const MtMessage *message = ahead(dirty, i + 3 * AHEAD);

  if (message)
    fetch_bytes(message, sizeof *message);
  message = ahead(dirty, i + 2 * AHEAD);
  if (message)
    {
      fetch_bytes(message->arena.bytes, MIN(message->arena.used, 256));
      fetch_bytes(message->deliveries, message->n_deliveries ? sizeof(MtDelivery) : 0);
    }
  message = ahead(dirty, i + AHEAD);
  if (message && message->n_deliveries)
    fetch_bytes(message->deliveries[0].arena.bytes, MIN(message->deliveries[0].arena.used, 256));
}

void
mt_flush_messages(MtTrail *trail, MtBatch *batch, MtLocate locate, gpointer user)
{
  for (guint i = 0; i < trail->dirty->len; i++)
    {
      MtMessage *message = g_ptr_array_index(trail->dirty, i);
      gint32 day = mt_message_day(message);
      gboolean all = deliveries_follow(message, day);
      MtTexts texts;

      fetch(trail->dirty, i);
      keep_placeholder(trail, message, mt_judge_state(message));
      texts = mt_texts(batch, &message->arena);
      flush_message(trail, &texts, message, day, locate, user);
      for (guint d = 0; d < message->n_deliveries; d++)
        if (all || message->deliveries[d].dirty)
          flush_delivery(trail, &texts, message, &message->deliveries[d], day);
    }
}

static void
settle_deliveries(MtTrail *trail, MtMessage *message)
{
  guint kept = 0;

  for (guint d = 0; d < message->n_deliveries; d++)
    {
      MtDelivery *delivery = &message->deliveries[d];

      if (delivery->removed)
        {
          mt_arena_clear(&delivery->arena, &trail->pool);
          continue;
        }
      delivery->stored = !delivery->ignored && (delivery->dirty || delivery->stored);
      delivery->dirty = FALSE;
      message->deliveries[kept++] = *delivery;
    }
  if (kept != message->n_deliveries)
    mt_message_drop_index(trail, message);
  message->n_deliveries = kept;
  mt_message_settle(trail, message);
}

void
mt_flush_committed(MtTrail *trail)
{
  for (guint i = 0; i < trail->dirty->len; i++)
    {
      MtMessage *message = g_ptr_array_index(trail->dirty, i);

      fetch(trail->dirty, i);
      message->dirty = FALSE;
      message->stored_day = mt_message_day(message);
      settle_deliveries(trail, message);
    }
  g_ptr_array_set_size(trail->dirty, 0);
}
