/* message.c: lines that name a queue ID become messages and deliveries */
#include "trail/private.h"

/* Bits of a Bloom filter over IDs that left memory: one false look-up in a hundred with
 * 400,000 of them.  Then the next filter begins, and the one before the last is dropped:
 * lines that may be a message's first come no later than that many messages.  An ID has four
 * bits, all in one line of the processor's cache. */
#define GONE_BITS (1u << 22)
#define GONE_LINE_BITS 512
#define GONE_MAX 400000

/* A record on disk is looked for where a line is at most this much later than the
 * last that was written before we began: the longest a client may take from RCPT to
 * the end of DATA (Postfix: smtpd_timeout a step), with room. */
#define HORIZON_US MT_HOUR_US

/* ---- memory ----------------------------------------------------------------- */

void
mt_messages_init(MtTrail *trail)
{
  mt_slab_init(&trail->messages, sizeof(MtMessage));
  mt_table_init(&trail->by_queue_id, &trail->messages, G_STRUCT_OFFSET(MtMessage, by_queue_id));
  mt_table_init(&trail->by_message_id, &trail->messages, G_STRUCT_OFFSET(MtMessage, by_message_id));
  trail->dirty = g_ptr_array_new();
  trail->gone = g_new0(guint64, GONE_BITS / 64);
  trail->gone_before = g_new0(guint64, GONE_BITS / 64);
}

static void
turn_gone(MtTrail *trail)
{
  guint64 *oldest = trail->gone_before;

  trail->gone_before = trail->gone;
  trail->gone = memset(oldest, 0, GONE_BITS / 8);
  trail->gone_count = 0;
}

/* The line is chosen by the low bits of the hash's half that tables keep, the bits in it by
 * four times nine of what a multiplication makes of all of them. */
static guint
gone_place(guint32 hash, gint i)
{
  return hash * G_GUINT64_CONSTANT(0x9e3779b97f4a7c15) >> (28 + 9 * i) & (GONE_LINE_BITS - 1);
}

static guint
gone_word(guint32 hash, gint i)
{
  return (hash % (GONE_BITS / GONE_LINE_BITS) * GONE_LINE_BITS + gone_place(hash, i)) / 64;
}

static guint64
gone_bit(guint32 hash, gint i)
{
  return G_GUINT64_CONSTANT(1) << (gone_place(hash, i) % 64);
}

static void
remember_gone(MtTrail *trail, guint32 hash)
{
  if (trail->gone_count == GONE_MAX)
    turn_gone(trail);
  for (gint i = 0; i < 4; i++)
    trail->gone[gone_word(hash, i)] |= gone_bit(hash, i);
  trail->gone_count++;
}

static gboolean
filter_has(const guint64 *filter, guint32 hash)
{
  for (gint i = 0; i < 4; i++)
    if (!(filter[gone_word(hash, i)] & gone_bit(hash, i)))
      return FALSE;
  return TRUE;
}

static gboolean
may_be_gone(const MtTrail *trail, guint32 hash)
{
  return filter_has(trail->gone, hash) || filter_has(trail->gone_before, hash);
}

/* So many find room; what is there moves. */
static void
resize_deliveries(MtTrail *trail, MtMessage *message, guint size)
{
  MtDelivery *deliveries = NULL;

  if (size)
    deliveries = mt_pool_take(&trail->pool, size * sizeof *deliveries);
  if (size && message->n_deliveries)
    memcpy(deliveries, message->deliveries, message->n_deliveries * sizeof *deliveries);
  if (message->deliveries)
    mt_pool_give(&trail->pool, message->deliveries, message->size_deliveries * sizeof *deliveries);
  message->deliveries = deliveries;
  message->size_deliveries = size;
}

const MtMessageMore mt_message_no_more = { .root_at = MT_NO_TIME };
const MtVerdict mt_message_no_verdict = { .spam_score = NAN, .hold_at = MT_NO_TIME };
const MtMany mt_message_few;

MtMessageMore *
mt_message_need_more(MtTrail *trail, MtMessage *message)
{
  if (!message->more)
    {
      message->more = mt_pool_take(&trail->pool, sizeof *message->more);
      *message->more = mt_message_no_more;
    }
  return message->more;
}

MtVerdict *
mt_message_need_verdict(MtTrail *trail, MtMessage *message)
{
  MtMessageMore *more = mt_message_need_more(trail, message);

  if (!more->verdict)
    {
      more->verdict = mt_pool_take(&trail->pool, sizeof *more->verdict);
      *more->verdict = mt_message_no_verdict;
    }
  return more->verdict;
}

MtMany *
mt_message_need_many(MtTrail *trail, MtMessage *message)
{
  MtMessageMore *more = mt_message_need_more(trail, message);

  if (!more->many)
    more->many = mt_pool_take0(&trail->pool, sizeof *more->many);
  return more->many;
}

/* So many find room, or (0) none; what was there is gone. */
static void
resize_hashes(MtTrail *trail, guint32 **hashes, guint *size, guint new_size)
{
  if (*size)
    mt_pool_give(&trail->pool, *hashes, *size * sizeof **hashes);
  *hashes = new_size ? mt_pool_take0(&trail->pool, new_size * sizeof **hashes) : NULL;
  *size = new_size;
}

static void
free_more(MtTrail *trail, MtMessageMore *more)
{
  MtMany *many = more->many;

  if (many)
    {
      resize_hashes(trail, &many->index, &many->size_index, 0);
      resize_hashes(trail, &many->away, &many->size_away, 0);
      mt_pool_give(&trail->pool, many, sizeof *many);
    }
  if (more->verdict)
    mt_pool_give(&trail->pool, more->verdict, sizeof *more->verdict);
  mt_pool_give(&trail->pool, more, sizeof *more);
}

static void
free_message(MtTrail *trail, MtMessage *message)
{
  mt_arena_clear(&message->arena, &trail->pool);
  for (guint i = 0; i < message->n_deliveries; i++)
    mt_arena_clear(&message->deliveries[i].arena, &trail->pool);
  message->n_deliveries = 0;
  resize_deliveries(trail, message, 0);
  if (message->more)
    free_more(trail, message->more);
  mt_slab_give(&trail->messages, message);
}

void
mt_messages_clear(MtTrail *trail)
{
  while (trail->messages.count)
    {
      MtMessage *message = mt_slab_oldest(&trail->messages);

      mt_slab_leave(&trail->messages, message);
      free_message(trail, message);
    }
  mt_table_clear(&trail->by_queue_id);
  mt_table_clear(&trail->by_message_id);
  mt_slab_clear(&trail->messages);
  g_ptr_array_free(trail->dirty, TRUE);
  g_free(trail->gone);
  g_free(trail->gone_before);
  trail->gone_count = 0;
  trail->any_gone = FALSE;
}

/* ---- messages ----------------------------------------------------------------- */

static MtMessage *
new_message(MtTrail *trail, MtSpan host, MtSpan instance, MtSpan queue_id, guint64 hash, MtTime at)
{
  MtMessage *message = mt_slab_take0(&trail->messages);

  message->id = trail->ids.message++;
  message->first_at = message->last_at = at;
  message->dequeued_at = MT_NO_TIME;
  message->stored_day = MT_NO_DAY;
  message->size = message->nrcpt = message->port = MT_NO_NUMBER;
  mt_message_begin_texts(trail, message);
  message->host = mt_arena_put(&message->arena, &trail->pool, host);
  message->instance = mt_arena_put(&message->arena, &trail->pool, instance);
  message->queue_id = mt_arena_put(&message->arena, &trail->pool, queue_id);
  mt_table_add(&trail->by_queue_id, message, hash);
  mt_slab_use(&trail->messages, message);
  return message;
}

static void
index_message_id(MtTrail *trail, MtMessage *message)
{
  if (message->in_message_ids)
    mt_table_remove(&trail->by_message_id, message);
  message->in_message_ids = message->message_id != 0;
  if (message->in_message_ids)
    mt_table_add(&trail->by_message_id, message,
                 mt_trail_hash(trail, mt_message_text(message, message->message_id)));
}

/* A parent stays as long as its children: what they take from it is at hand. */
static gboolean
may_leave(const MtMessage *message)
{
  return !message->dirty && !mt_message_more(message)->children;
}

static void
leave_parent(MtMessage *message)
{
  MtMessageMore *more = message->more, *parent = more->parent->more;

  more->next->more->before = more->before;
  more->before->more->next = more->next;
  if (parent->children == message)
    parent->children = more->next != message ? more->next : NULL;
}

static void
evict(MtTrail *trail, MtMessage *message)
{
  trail->any_gone = TRUE;
  remember_gone(trail, message->by_queue_id.hash);
  if (message->in_message_ids)
    remember_gone(trail, message->by_message_id.hash);
  if (mt_message_more(message)->parent)
    leave_parent(message);
  mt_table_remove(&trail->by_queue_id, message);
  if (message->in_message_ids)
    mt_table_remove(&trail->by_message_id, message);
  mt_slab_leave(&trail->messages, message);
  free_message(trail, message);
  trail->counters.evicted++;
}

gsize
mt_messages_bytes(const MtTrail *trail)
{
  return trail->messages.count * sizeof(MtMessage) + trail->pool.bytes;
}

static gboolean
is_too_much(const MtTrail *trail)
{
  return trail->messages.count > trail->settings->max_messages
         || mt_messages_bytes(trail) / MT_MESSAGE_MAX_BYTES > trail->settings->max_messages;
}

void
mt_messages_trim(MtTrail *trail, const MtMessage *stay)
{
  MtMessage *message = mt_slab_oldest(&trail->messages), *newer;

  for (; message && message != stay && is_too_much(trail); message = newer)
    {
      newer = mt_slab_newer(&trail->messages, message);
      if (may_leave(message))
        evict(trail, message);
    }
}

void
mt_message_touch(MtTrail *trail, MtMessage *message)
{
  if (message->dirty) /* so it is among the newest: none of a batch leaves before its end */
    return;
  mt_slab_touch(&trail->messages, message);
  message->dirty = TRUE;
  g_ptr_array_add(trail->dirty, message);
}

void
mt_delivery_touch(MtTrail *trail, MtMessage *message, MtDelivery *delivery)
{
  delivery->dirty = TRUE;
  delivery->revision++;
  mt_message_touch(trail, message);
}

/* ---- from the disk ------------------------------------------------------------ */

static guint32
recipient_hash(const MtTrail *trail, MtSpan recipient)
{
  return mt_hash_nocase(&trail->key, recipient);
}

static MtDelivery *
add_delivery(MtTrail *trail, MtMessage *message)
{
  MtDelivery *delivery;

  if (message->n_deliveries == message->size_deliveries)
    resize_deliveries(trail, message, MAX(2 * message->size_deliveries, 1));
  delivery = &message->deliveries[message->n_deliveries++];
  memset(delivery, 0, sizeof *delivery);
  return delivery;
}

/* ---- many deliveries: by recipient ----------------------------------------------- */

/* Fewer are looked through faster than they are indexed. */
#define MIN_INDEXED 32

void
mt_message_drop_index(MtTrail *trail, MtMessage *message)
{
  if (mt_message_more(message)->many)
    resize_hashes(trail, &message->more->many->index, &message->more->many->size_index, 0);
}

static void
put_in_index(MtMessage *message, guint place)
{
  const MtMany *many = message->more->many;
  guint mask = many->size_index - 1;
  guint slot = message->deliveries[place].recipient_hash & mask;

  while (many->index[slot])
    slot = (slot + 1) & mask;
  many->index[slot] = place + 1;
}

static void
make_index(MtTrail *trail, MtMessage *message)
{
  MtMany *many = mt_message_need_many(trail, message);
  guint size = 4 * MIN_INDEXED;

  while (size < 4 * message->n_deliveries)
    size *= 2;
  resize_hashes(trail, &many->index, &many->size_index, size);
  for (guint i = 0; i < message->n_deliveries; i++)
    put_in_index(message, i);
}

/* A delivery has got its recipient. */
static void
set_recipient_hash(MtTrail *trail, MtMessage *message, MtDelivery *delivery, guint32 hash)
{
  gboolean is_new = !delivery->recipient_hash;

  delivery->recipient_hash = hash;
  if (!is_new || 2 * message->n_deliveries > mt_message_many(message)->size_index)
    mt_message_drop_index(trail, message);
  else
    put_in_index(message, delivery - message->deliveries);
}

/* Deliveries with this hash, one after the other: the places that are looked at. */
typedef struct
{
  const MtMessage *message;
  const guint32 *index; /* NULL: there is none, they are few */
  guint mask;
  guint32 hash;
  guint at;
} Walk;

static Walk
walk(MtTrail *trail, MtMessage *message, guint32 hash)
{
  Walk walk = { .message = message, .hash = hash };

  if (message->n_deliveries > MIN_INDEXED && !mt_message_many(message)->index)
    make_index(trail, message);
  walk.index = mt_message_many(message)->index;
  walk.mask = walk.index ? mt_message_many(message)->size_index - 1 : G_MAXUINT;
  if (walk.index)
    walk.at = hash & walk.mask;
  return walk;
}

static MtDelivery *
next(Walk *walk)
{
  const MtMessage *message = walk->message;

  while (walk->index ? walk->index[walk->at] != 0 : walk->at < message->n_deliveries)
    {
      MtDelivery *delivery =
          &message->deliveries[walk->index ? walk->index[walk->at] - 1 : walk->at];

      walk->at = (walk->at + 1) & walk->mask;
      if (delivery->recipient_hash == walk->hash)
        return delivery;
    }
  return NULL;
}

static void
load_delivery_texts(MtTrail *trail, MtDelivery *delivery, const MtDeliveryRow *row)
{
  MtIp ip;

  MT_SAY(trail, delivery, recipient, row->recipient);
  MT_SAY(trail, delivery, orig_recipient, row->orig_recipient);
  MT_SAY(trail, delivery, relay_name, row->relay_name);
  if (row->relay_ip.at && mt_ip_parse(row->relay_ip, &ip))
    MT_SAY(trail, delivery, relay_ip, row->relay_ip);
  MT_SAY(trail, delivery, transport, row->transport);
  MT_SAY(trail, delivery, dsn, row->dsn);
  MT_SAY(trail, delivery, reply, row->reply);
  MT_SAY(trail, delivery, next_queue_id, row->next_queue_id);
  MT_SAY(trail, delivery, session, row->session);
  MT_SAY(trail, delivery, mailbox, row->mailbox);
  MT_SAY(trail, delivery, forwarded_to, row->forwarded_to);
  MT_SAY(trail, delivery, filter_rule, row->filter_rule);
}

static void
load_delivery(MtTrail *trail, MtMessage *message, const MtDeliveryRow *row)
{
  MtDelivery *delivery = add_delivery(trail, message);
  MtSaid *said;

  delivery->id = row->id;
  set_recipient_hash(trail, message, delivery, recipient_hash(trail, row->recipient));
  delivery->flags = row->flags;
  said = mt_delivery_need_said(trail, delivery);
  said->last_at = row->last_at;
  said->delay_us = row->delay_us;
  delivery->attempts = row->attempts;
  delivery->revision = row->revision;
  delivery->status = row->status;
  delivery->stored_action = row->stored_action;
  delivery->stored = TRUE;
  load_delivery_texts(trail, delivery, row);
  delivery->counted.outcome = row->outcome;
  delivery->counted.direction = row->direction;
}

static void
load_verdict(MtTrail *trail, MtMessage *message, const MtMessageRow *row)
{
  MtVerdict *verdict;

  if (!(row->spam_action.at || row->virus.at || row->spf.at || row->dkim.at || row->dmarc.at)
      && isnan(row->spam_score))
    return;
  verdict = mt_message_need_verdict(trail, message);
  verdict->spam_score = row->spam_score;
  mt_message_put(trail, message, &verdict->spam_action, row->spam_action);
  mt_message_put(trail, message, &verdict->virus, row->virus);
  mt_message_put(trail, message, &verdict->spf, row->spf);
  mt_message_put(trail, message, &verdict->dkim, row->dkim);
  mt_message_put(trail, message, &verdict->dmarc, row->dmarc);
}

static void
load_texts(MtTrail *trail, MtMessage *message, const MtMessageRow *row)
{
  MtIp ip;

  mt_message_put(trail, message, &message->message_id, row->message_id);
  mt_message_put(trail, message, &message->sender, row->sender);
  mt_message_put(trail, message, &message->subject, row->subject);
  if (row->client_ip.at && mt_ip_parse(row->client_ip, &ip))
    mt_message_put(trail, message, &message->client_ip, row->client_ip);
  mt_message_put(trail, message, &message->client_name, row->client_name);
  mt_message_put(trail, message, &message->auth_user, row->auth_user);
  mt_message_put(trail, message, &message->auth_method, row->auth_method);
  mt_message_put(trail, message, &message->service, row->service);
  mt_message_put(trail, message, &message->parent_queue_id, row->parent_queue_id);
}

static MtMessage *
find_by_id(const MtTrail *trail, MtSpan queue_id, gint64 id)
{
  for (MtMessage *message = mt_table_first(&trail->by_queue_id, mt_trail_hash(trail, queue_id));
       message; message = mt_table_next(&trail->by_queue_id, message))
    if (message->id == id)
      return message;
  return NULL;
}

MtMessage *
mt_message_with_id(MtTrail *trail, MtSpan host, MtSpan queue_id, gint64 id)
{
  MtMessage *message = find_by_id(trail, queue_id, id);

  if (message)
    return message;
  mt_message_look_up(trail, host, queue_id, G_MAXINT64);
  return find_by_id(trail, queue_id, id);
}

static MtMessage *
find_waiting(const MtTrail *trail, MtSpan host, MtSpan queue_id)
{
  MtMessage *best = NULL;

  MT_TABLE_EACH (MtMessage, message, &trail->by_queue_id, mt_trail_hash(trail, queue_id))
    {
      if (message->dequeued_at == MT_NO_TIME
          && mt_span_equal(mt_message_text(message, message->queue_id), queue_id)
          && mt_span_equal(mt_message_text(message, message->host), host)
          && (!best || message->id > best->id))
        best = message;
    }
  return best;
}

MtMessage *
mt_message_waiting(MtTrail *trail, MtSpan host, MtSpan queue_id)
{
  MtMessage *message = find_waiting(trail, host, queue_id);

  if (message)
    return message;
  mt_message_look_up(trail, host, queue_id, G_MAXINT64);
  return find_waiting(trail, host, queue_id);
}

void
mt_message_adopt(MtTrail *trail, MtMessage *parent, MtMessage *child)
{
  MtMessageMore *of_parent = mt_message_need_more(trail, parent);
  MtMessageMore *more = mt_message_need_more(trail, child);

  more->parent = parent;
  more->next = of_parent->children ? of_parent->children : child;
  more->before = of_parent->children ? of_parent->children->more->before : child;
  more->before->more->next = child;
  more->next->more->before = child;
  of_parent->children = more->next;
}

/* What was counted of a delivery follows from its row and its root. */
static void
load_counted(MtTrail *trail, MtMessage *message)
{
  for (guint i = 0; i < message->n_deliveries; i++)
    {
      MtDelivery *delivery = &message->deliveries[i];

      mt_flush_count(trail, message, delivery, delivery->counted.outcome,
                     delivery->counted.direction, &delivery->counted);
    }
}

static void
load_origin(MtTrail *trail, MtMessage *message, const MtMessageRow *row)
{
  MtMessageMore *more = mt_message_need_more(trail, message);

  more->parent_id = row->parent_id;
  more->root_id = row->root_id != row->id ? row->root_id : 0;
  more->root_at = row->root_at;
}

/* The parent may stand on another host, where it was linked by its reply. */
static void
load_parent(MtTrail *trail, MtMessage *message, const MtMessageRow *row)
{
  MtMessage *parent = find_by_id(trail, row->parent_queue_id, row->parent_id);

  if (!parent)
    {
      mt_message_look_up(trail, MT_NO_SPAN, row->parent_queue_id,
                         row->first_at + MT_TRAIL_EARLY_US);
      parent = find_by_id(trail, row->parent_queue_id, row->parent_id);
    }
  if (parent)
    mt_message_adopt(trail, parent, message);
}

MtMessage *
mt_message_load(MtTrail *trail, const MtMessageRow *row, const MtDeliveryRow *deliveries,
                guint n_deliveries)
{
  MtMessage *message = find_by_id(trail, row->queue_id, row->id);

  if (message)
    return message;
  message = new_message(trail, row->host, row->instance, row->queue_id,
                        mt_trail_hash(trail, row->queue_id), row->first_at);
  trail->ids.message--;
  message->id = row->id;
  message->parent_kind = row->parent_kind;
  message->last_at = row->last_at;
  message->dequeued_at = row->dequeued_at;
  message->stored_day = row->day;
  message->size = row->size;
  message->nrcpt = MIN(row->nrcpt, G_MAXINT32);
  message->port = row->port;
  message->flags = row->flags;
  load_texts(trail, message, row);
  load_verdict(trail, message, row);
  index_message_id(trail, message);
  if (row->root_id != row->id || row->root_at != row->first_at || row->parent_id)
    load_origin(trail, message, row);
  if (row->n_away)
    {
      mt_message_need_many(trail, message)->n_away = row->n_away;
      message->more->many->n_away_waiting = row->n_away_waiting;
    }
  for (guint i = 0; i < n_deliveries; i++)
    load_delivery(trail, message, &deliveries[i]);
  if (row->parent_id)
    load_parent(trail, message, row);
  load_counted(trail, message);
  trail->counters.late++;
  return message;
}

/* ---- deliveries that leave, and come back ---------------------------------------- */

/* Which recipients are on disk is known without asking it: who is not there is new. */
static gboolean
find_away(const MtMany *many, guint32 hash, guint *slot)
{
  guint mask = many->size_away - 1;

  for (*slot = hash & mask; many->away[*slot]; *slot = (*slot + 1) & mask)
    if (many->away[*slot] == hash)
      return TRUE;
  return FALSE;
}

static void
grow_away(MtTrail *trail, MtMany *many)
{
  MtMany larger = { 0 };
  guint slot;

  resize_hashes(trail, &larger.away, &larger.size_away,
                MAX(2 * many->size_away, 2 * MT_MESSAGE_MAX_DELIVERIES));
  for (guint i = 0; i < many->size_away; i++)
    if (many->away[i] && !find_away(&larger, many->away[i], &slot))
      larger.away[slot] = many->away[i];
  resize_hashes(trail, &many->away, &many->size_away, 0);
  many->away = larger.away;
  many->size_away = larger.size_away;
}

static void
add_away(MtTrail *trail, MtMessage *message, guint32 hash)
{
  MtMany *many = mt_message_need_many(trail, message);
  guint slot;

  if (2 * (many->used_away + 1) > many->size_away)
    grow_away(trail, many);
  if (find_away(many, MAX(hash, 1), &slot))
    return;
  many->away[slot] = MAX(hash, 1);
  many->used_away++;
}

static void
forget_away(MtTrail *trail, MtMany *many)
{
  resize_hashes(trail, &many->away, &many->size_away, 0);
  many->used_away = 0;
  many->n_away = many->n_away_waiting = 0;
}

typedef struct
{
  MtTrail *trail;
  MtMessage *message;
} Recall;

static void
noted(gpointer sink, const MtDeliveryRow *row)
{
  const Recall *recall = sink;

  add_away(recall->trail, recall->message, recipient_hash(recall->trail, row->recipient));
}

/* A message that came from the disk itself does not know them yet. */
static void
note_away(MtTrail *trail, MtMessage *message)
{
  Recall recall = { trail, message };

  if (mt_message_many(message)->n_away && !mt_message_many(message)->away)
    trail->backing->deliveries_of(trail->backing->self, message->id, mt_message_root_at(message),
                                  MT_NO_SPAN, noted, &recall);
}

static gboolean
may_be_away(MtTrail *trail, MtMessage *message, MtSpan recipient)
{
  guint slot;

  if (!mt_message_many(message)->n_away || !recipient.len)
    return FALSE;
  note_away(trail, message);
  return mt_message_many(message)->away
         && find_away(mt_message_many(message), MAX(recipient_hash(trail, recipient), 1), &slot);
}

static void
recalled(gpointer sink, const MtDeliveryRow *row)
{
  const Recall *recall = sink;
  MtMessage *message = recall->message;
  MtMany *many = message->more->many;
  Walk places = walk(recall->trail, message, recipient_hash(recall->trail, row->recipient));
  MtDelivery *delivery;

  while ((delivery = next(&places)))
    if (delivery->id == row->id)
      return;
  load_delivery(recall->trail, message, row);
  delivery = &message->deliveries[message->n_deliveries - 1];
  mt_flush_count(recall->trail, message, delivery, delivery->counted.outcome,
                 delivery->counted.direction, &delivery->counted);
  many->n_away -= many->n_away > 0;
  if (!mt_judge_is_at_end(delivery))
    many->n_away_waiting -= many->n_away_waiting > 0;
  recall->trail->counters.late++;
}

void
mt_message_recall(MtTrail *trail, MtMessage *message, MtSpan recipient)
{
  Recall recall = { trail, message };

  if (may_be_away(trail, message, recipient))
    trail->backing->deliveries_of(trail->backing->self, message->id, mt_message_root_at(message),
                                  recipient, recalled, &recall);
}

void
mt_message_whole(MtTrail *trail, MtMessage *message)
{
  Recall recall = { trail, message };

  if (!mt_message_many(message)->n_away)
    return;
  trail->backing->deliveries_of(trail->backing->self, message->id, mt_message_root_at(message),
                                MT_NO_SPAN, recalled, &recall);
  forget_away(trail, message->more->many); /* what was not found has rolled off */
}

/* The oldest leave; the lines that follow are of the latest, most likely. */
static void
let_leave(MtTrail *trail, MtMessage *message)
{
  guint gone = message->n_deliveries - MT_MESSAGE_MAX_DELIVERIES / 2;
  MtMany *many = mt_message_need_many(trail, message);

  note_away(trail, message);
  for (guint i = 0; i < gone; i++)
    {
      MtDelivery *delivery = &message->deliveries[i];

      mt_arena_clear(&delivery->arena, &trail->pool);
      if (!delivery->stored) /* by ignore-mail */
        continue;
      add_away(trail, message, delivery->recipient_hash);
      many->n_away++;
      many->n_away_waiting += !mt_judge_is_at_end(delivery);
      trail->counters.evicted++;
    }
  message->n_deliveries -= gone;
  memmove(message->deliveries, message->deliveries + gone,
          message->n_deliveries * sizeof *message->deliveries);
  resize_deliveries(trail, message, message->n_deliveries);
  mt_message_drop_index(trail, message);
}

#define TEXTS(type, first, last) \
  ((G_STRUCT_OFFSET(type, last) - G_STRUCT_OFFSET(type, first)) / sizeof(MtText) + 1)

void
mt_message_settle(MtTrail *trail, MtMessage *message)
{
  if (message->n_deliveries > MT_MESSAGE_MAX_DELIVERIES)
    let_leave(trail, message);
  mt_message_settle_texts(trail, message);
}

static void
found(gpointer sink, const MtMessageRow *row, const MtDeliveryRow *deliveries, guint n_deliveries)
{
  mt_message_load(sink, row, deliveries, n_deliveries);
}

void
mt_message_look_up(MtTrail *trail, MtSpan host, MtSpan queue_id, MtTime until)
{
  trail->backing->messages_by_queue_id(trail->backing->self, host, queue_id, until, found, trail);
}

/* ---- which message a line is of ------------------------------------------------ */

/* A line that the record cannot have a second time. */
static gboolean
is_second(const MtMessage *message, const MtEvent *event, MtTime at)
{
  switch (event->kind)
    {
    case MT_EVENT_ACCEPT: /* OpenSMTPD before 6.4 has one for each recipient */
      return message->flags & MT_MESSAGE_ACCEPTED
             && !(mt_event_has(event, MT_F_SESSION)
                  && ABS(at - message->first_at) <= MT_TRAIL_GRACE_US);
    case MT_EVENT_MESSAGE_ID:
      return (message->flags & MT_MESSAGE_CLEANED) != 0;
    case MT_EVENT_QUEUED:
      return message->sender
             && !mt_span_equal(mt_message_text(message, message->sender),
                               mt_event_text(event, MT_F_SENDER));
    case MT_EVENT_DEQUEUE: /* Exim says that it is done with what was deleted, too */
      return message->dequeued_at != MT_NO_TIME && !mt_event_has(event, MT_F_REASON)
             && !(message->flags & MT_MESSAGE_DELETED);
    default:
      return FALSE;
    }
}

/* What is only said about a message may come behind its end. */
static gboolean
may_follow_end(const MtEvent *event)
{
  return event->kind == MT_EVENT_NOTICE;
}

/* How far the line's time lies from the message's life; -1: cannot be its line. */
static gint64
distance(const MtMessage *message, const MtEvent *event, MtTime at)
{
  if (is_second(message, event, at))
    return -1;
  if (message->dequeued_at != MT_NO_TIME && at > message->dequeued_at + MT_TRAIL_GRACE_US)
    return may_follow_end(event) && at < message->dequeued_at + MT_HOUR_US
               ? at - message->dequeued_at
               : -1;
  if (at < message->first_at - MT_TRAIL_EARLY_US)
    return -1;
  return at < message->first_at ? message->first_at - at : 0;
}

static MtSpan
instance_of(const MtLine *line)
{
  const gchar *slash = line->program.len ? memchr(line->program.at, '/', line->program.len) : NULL;

  return slash ? mt_span(line->program.at, slash - line->program.at) : line->program;
}

/* Does the message's syslog instance log this line? */
static gboolean
is_same_instance(const MtMessage *message, const MtLine *line)
{
  return mt_span_equal(mt_message_text(message, message->instance), instance_of(line));
}

/* Queue IDs are used again: the generation whose life the line's time fits best, of
 * this syslog instance before others (a service may log under a name of its own). */
static MtMessage *
find_in_memory(const MtTrail *trail, guint64 hash, const MtLine *line, MtSpan queue_id,
               const MtEvent *event)
{
  MtMessage *best = NULL;
  gint64 best_distance = 0;

  MT_TABLE_EACH (MtMessage, message, &trail->by_queue_id, hash)
    {
      gboolean same, best_same;
      gint64 here;

      if (!mt_span_equal(mt_message_text(message, message->queue_id), queue_id)
          || !mt_span_equal(mt_message_text(message, message->host), line->host)
          || (here = distance(message, event, line->time)) < 0)
        continue;
      same = !best || is_same_instance(message, line); /* most IDs have one generation */
      best_same = best && is_same_instance(best, line);
      if (!best || (same && !best_same) || (same == best_same && here < best_distance))
        best = message, best_distance = here;
    }
  return best;
}

/* Lines that are hardly ever a message's first: without a record in memory there is
 * one on disk, most likely. */
static gboolean
is_late_kind(const MtEvent *event)
{
  return event->kind == MT_EVENT_DELIVERY || event->kind == MT_EVENT_DEQUEUE
         || event->kind == MT_EVENT_HOLD || event->kind == MT_EVENT_RELEASE
         || event->kind == MT_EVENT_REQUEUE || event->kind == MT_EVENT_NOTIFICATION
         || event->kind == MT_EVENT_VERDICT;
}

static gboolean
may_be_on_disk(const MtTrail *trail, guint64 hash, const MtEvent *event, MtTime at)
{
  gboolean begun = trail->start.horizon != MT_NO_TIME;

  if (is_late_kind(event) || event->kind == MT_EVENT_QUEUED)
    return begun || trail->any_gone;
  return may_be_gone(trail, hash) || (begun && at < trail->start.horizon + HORIZON_US);
}

gboolean
mt_message_may_be_on_disk(const MtTrail *trail, guint64 hash, MtTime at)
{
  return may_be_gone(trail, hash)
         || (trail->start.horizon != MT_NO_TIME && at < trail->start.horizon + HORIZON_US);
}

/* Any line that moves a message may be the first that comes, even its last one; what
 * is only said about it, or about its connection, makes no record. */
static gboolean
begins_message(const MtEvent *event)
{
  switch (event->kind)
    {
    case MT_EVENT_NOTICE:
    case MT_EVENT_CONNECT:
    case MT_EVENT_DISCONNECT:
    case MT_EVENT_LOGIN:
    case MT_EVENT_LOGIN_FAILED:
    case MT_EVENT_TLS:
    case MT_EVENT_TLS_ERROR:
    case MT_EVENT_LIMIT:
      return FALSE;
    default:
      return TRUE;
    }
}

static MtMessage *
find_message(MtTrail *trail, const MtLine *line, const MtEvent *event, MtSpan queue_id,
             gboolean create)
{
  guint64 hash = mt_trail_hash(trail, queue_id);
  MtMessage *message = find_in_memory(trail, hash, line, queue_id, event);

  if (!message && may_be_on_disk(trail, hash, event, line->time))
    {
      mt_message_look_up(trail, line->host, queue_id, line->time + MT_TRAIL_EARLY_US);
      message = find_in_memory(trail, hash, line, queue_id, event);
    }
  if (message || !create)
    return message;
  message = new_message(trail, line->host, instance_of(line), queue_id, hash, line->time);
  mt_message_touch(trail, message);
  mt_hops_created(trail, message, hash);
  return message;
}

/* ---- what the watch wants to know ------------------------------------------------- */

/* Texts of the record are filled in when it is asked for: until then they may move. */
static MtFact *
add_fact(MtTrail *trail, const MtMessage *message, MtFactKind kind, MtTime at)
{
  const MtMessage *root = mt_message_root((MtMessage *) message);
  MtFact fact = { .kind = kind, .count = 1, .at = at };

  fact.has_ip = mt_message_client_ip(root, &fact.ip);
  fact.record = (gpointer) root;
  g_array_append_val(trail->facts, fact);
  return &g_array_index(trail->facts, MtFact, trail->facts->len - 1);
}

/* Mail that an account hands in: for as many as its envelope says, or where the log
 * does not say that, for each recipient when it is first tried. */
static void
tell_sent(MtTrail *trail, MtMessage *message, MtTime at, gboolean new_recipient)
{
  if (!message->auth_user || mt_message_more(message)->parent_id
      || message->flags & MT_MESSAGE_SENT_TOLD || !(message->flags & MT_MESSAGE_ACCEPTED))
    return;
  if (message->nrcpt > 0)
    {
      message->flags |= MT_MESSAGE_SENT_TOLD;
      add_fact(trail, message, MT_FACT_SENT, at)->count = message->nrcpt;
    }
  else if (new_recipient)
    add_fact(trail, message, MT_FACT_SENT, at);
}

/* What a refusal says of the account that sends, and of us. */
static void
tell_refusal(MtTrail *trail, const MtMessage *message, const MtEvent *event, MtWord before,
             MtTime at)
{
  MtWord status = mt_event_word(event, MT_F_STATUS);
  MtSpan reply = mt_event_text(event, MT_F_REPLY);
  MtReason reason;

  if (status != MT_WORD_BOUNCED && status != MT_WORD_DEFERRED)
    return;
  reason = mt_judge_reason(trail, mt_event_text(event, MT_F_DSN), reply);
  if (reason == MT_REASON_USER_UNKNOWN && status == MT_WORD_BOUNCED && before != MT_WORD_BOUNCED
      && mt_message_root((MtMessage *) message)->auth_user)
    add_fact(trail, message, MT_FACT_UNKNOWN, at);
  else if (reason == MT_REASON_BLOCKLISTED)
    {
      MtFact *fact = add_fact(trail, message, MT_FACT_BLOCKLISTED, at);

      fact->reason = reply;
      fact->relay = mt_event_text(event, MT_F_RELAY_NAME);
    }
}

/* ---- what lines say ------------------------------------------------------------- */

/* Keeps the first that is said; a second telling must not undo it. */
static void
keep_text(MtTrail *trail, MtMessage *message, MtText *field, const MtEvent *event, MtField from)
{
  if (!*field && mt_event_has(event, from))
    mt_message_put(trail, message, field, event->value[from].text);
}

static void
extend_life(MtTrail *trail, MtMessage *message, MtTime at)
{
  if (at > message->last_at)
    message->last_at = at;
  if (at >= message->first_at)
    return;
  mt_message_whole(trail, message);
  message->first_at = at;
  mt_hops_created(trail, message,
                  mt_trail_hash(trail, mt_message_text(message, message->queue_id)));
  if (!mt_message_more(message)->root_id)
    {
      if (message->more)
        message->more->root_at = MT_NO_TIME;
      mt_hops_root_changed(trail, message);
    }
}

/* Handed in on this machine, not over the network: by a user whom the line names, or in a
 * session of a client that has a name and no address. */
static gboolean
is_local_user(const MtEvent *event)
{
  return !mt_event_has(event, MT_F_CLIENT_IP)
         && (mt_event_has(event, MT_F_ACCOUNT)
             || (mt_event_has(event, MT_F_SESSION) && mt_event_has(event, MT_F_CLIENT_NAME)));
}

/* "postfix/submission/smtpd" is the service submission; the daemon alone is smtp.  A queue
 * that says no more than that it has a message (qmail) does not know how it came. */
static MtSpan
service_of(const MtLine *line, const MtEvent *event)
{
  MtSpan program = line->program;
  const gchar *first, *last;

  if (mt_event_has(event, MT_F_SERVICE))
    return mt_span_of_string(mt_word_name(mt_event_word(event, MT_F_SERVICE)));
  if (mt_event_has(event, MT_F_UID))
    return MT_SPAN("pickup");
  if (is_local_user(event))
    return MT_SPAN("local");
  first = program.len ? memchr(program.at, '/', program.len) : NULL;
  last = first ? memrchr(program.at, '/', program.len) : NULL;
  if (last > first)
    return mt_span(first + 1, last - first - 1);
  if (!first && !mt_event_has(event, MT_F_CLIENT_IP) && !mt_event_has(event, MT_F_CLIENT_NAME)
      && !mt_event_has(event, MT_F_AUTH_USER))
    return MT_NO_SPAN;
  return MT_SPAN("smtp");
}

/* Ports as master.cf and RFC 6409, RFC 8314 name them. */
static gint
port_of(MtSpan service, const MtEvent *event)
{
  if (mt_event_has(event, MT_F_LOCAL_PORT))
    return mt_event_number(event, MT_F_LOCAL_PORT, MT_NO_NUMBER);
  if (MT_SPAN_IS(service, "submission"))
    return 587;
  if (MT_SPAN_IS(service, "smtps") || MT_SPAN_IS(service, "submissions"))
    return 465;
  return MT_SPAN_IS(service, "smtp") ? 25 : MT_NO_NUMBER;
}

/* The client that a filter hands on (XFORWARD) is the client; the filter is not. */
static void
fold_client(MtTrail *trail, MtMessage *message, const MtEvent *event)
{
  const MtIp *ip = mt_event_ip(event, MT_F_ORIG_CLIENT_IP);
  MtField name = MT_F_ORIG_CLIENT_NAME;

  if (!ip)
    {
      ip = mt_event_ip(event, MT_F_CLIENT_IP);
      name = MT_F_CLIENT_NAME;
    }
  if (ip)
    {
      MtField from = name == MT_F_CLIENT_NAME ? MT_F_CLIENT_IP : MT_F_ORIG_CLIENT_IP;

      mt_message_put(trail, message, &message->client_ip, mt_event_ip_text(event, from));
    }
  if (mt_event_has(event, name))
    mt_message_put(trail, message, &message->client_name, event->value[name].text);
  if (mt_event_has(event, MT_F_AUTH_USER) || mt_event_has(event, MT_F_UID) || is_local_user(event)
      || mt_event_word(event, MT_F_DIRECTION) == MT_WORD_OUT || (ip && mt_trail_is_ours(trail, ip)))
    message->flags |= MT_MESSAGE_OURS;
}

/* Exim and others leave the angle brackets out: with them, a message has one ID wherever
 * it goes. */
static void
learn_message_id(MtTrail *trail, MtMessage *message, MtSpan id)
{
  gchar whole[MT_TEXT_MAX_BYTES];

  if (message->message_id || !id.len)
    return;
  if (id.at[0] != '<' && id.len + 2 <= sizeof whole)
    {
      whole[0] = '<';
      memcpy(whole + 1, id.at, id.len);
      whole[id.len + 1] = '>';
      id = mt_span(whole, id.len + 2);
    }
  mt_message_whole(trail, message);
  mt_message_put(trail, message, &message->message_id, id);
  index_message_id(trail, message);
  mt_hops_identified(trail, message);
  mt_verdict_identified(trail, message);
  for (guint i = 0; i < message->n_deliveries; i++)
    if (message->deliveries[i].status == MT_WORD_SENT)
      mt_mailbox_delivered(trail, message, &message->deliveries[i]);
}

/* Sendmail and OpenSMTPD say who has logged in on a line of its own; theirs name the
 * service or the session. */
static void
fold_login(MtTrail *trail, const MtLine *line, MtMessage *message, const MtEvent *event)
{
  MtSpan account, method;

  if (message->auth_user || mt_event_has(event, MT_F_AUTH_USER)
      || !(mt_event_has(event, MT_F_SERVICE) || mt_event_has(event, MT_F_SESSION))
      || !mt_access_of_connection(trail, line, event, &account, &method))
    return;
  mt_message_put(trail, message, &message->auth_user, account);
  mt_message_put(trail, message, &message->auth_method, method);
  message->flags |= MT_MESSAGE_OURS;
}

/* Programs without a line for each of it say all of the envelope at once. */
static void
take_envelope(MtTrail *trail, MtMessage *message, const MtEvent *event)
{
  keep_text(trail, message, &message->sender, event, MT_F_SENDER);
  if (mt_event_has(event, MT_F_SIZE))
    message->size = mt_event_number(event, MT_F_SIZE, 0);
  message->nrcpt =
      MAX(message->nrcpt, MIN(mt_event_number(event, MT_F_NRCPT, MT_NO_NUMBER), G_MAXINT32));
  learn_message_id(trail, message, mt_event_text(event, MT_F_MESSAGE_ID));
}

/* ---- sessions that end before their message does -------------------------------- */

/* Postfix names a message when its first recipient is accepted; of most of what comes later
 * in the session, the process and the client are all that is known. */
static gboolean
is_being_taken_in(const MtLine *line, const MtEvent *event)
{
  return line->pid >= 0 && mt_event_has(event, MT_F_CLIENT_IP) && !mt_event_has(event, MT_F_SESSION)
         && !mt_event_has(event, MT_F_SENDER) && !mt_event_has(event, MT_F_SIZE)
         && !mt_event_has(event, MT_F_NRCPT) && !mt_event_has(event, MT_F_MESSAGE_ID);
}

static void
begin_transaction(MtTrail *trail, const MtLine *line, MtMessage *message, const MtEvent *event)
{
  MtLine begun = { .time = line->time, .host = line->host, .pid = -1 };
  MtEvent waiting;

  if (!is_being_taken_in(line, event) || message->flags & MT_MESSAGE_ACTIVE)
    return;
  message->transaction = mt_access_smtp_key(trail, line, event);
  mt_event_clear(&waiting);
  mt_event_set_text(&waiting, MT_F_QUEUE_ID, mt_message_text(message, message->queue_id));
  mt_event_set_number(&waiting, MT_F_UID, message->id);
  mt_pending_add(trail, MT_PENDING_TRANSACTION, message->transaction, &begun, &waiting);
}

/* The queue manager has it. */
static void
end_transaction(MtTrail *trail, MtMessage *message)
{
  MtPending *next, *pending;

  if (!message->transaction)
    return;
  pending = mt_pending_next(trail, MT_PENDING_TRANSACTION, message->transaction, NULL);
  for (; pending; pending = next)
    {
      MtEvent waiting;
      MtLine begun;

      next = mt_pending_next(trail, MT_PENDING_TRANSACTION, message->transaction, pending);
      mt_pending_read(pending, &waiting, &begun);
      if (mt_event_number(&waiting, MT_F_UID, 0) == message->id)
        mt_pending_use_up(trail, pending);
    }
  message->transaction = 0;
}

/* The client went in the middle of the content.  At its end, it may have been taken. */
static gboolean
breaks_content_off(const MtEvent *event)
{
  MtSpan reason = mt_event_text(event, MT_F_REASON);

  return MT_SPAN_STARTS(reason, "lost connection after DATA")
         || MT_SPAN_STARTS(reason, "lost connection after BDAT")
         || MT_SPAN_STARTS(reason, "timeout after DATA")
         || MT_SPAN_STARTS(reason, "timeout after BDAT");
}

static void
leave(MtTrail *trail, MtPending *pending, guint32 flag)
{
  MtMessage *message;
  MtEvent waiting;
  MtLine begun;

  mt_pending_read(pending, &waiting, &begun);
  message = mt_message_with_id(trail, begun.host, mt_event_text(&waiting, MT_F_QUEUE_ID),
                               mt_event_number(&waiting, MT_F_UID, 0));
  if (message)
    {
      message->flags |= flag;
      message->transaction = 0;
      mt_message_touch(trail, message);
    }
  mt_pending_use_up(trail, pending);
}

void
mt_messages_push_end(MtTrail *trail, const MtLine *line, const MtEvent *event)
{
  guint64 key = mt_access_smtp_key(trail, line, event);
  MtPending *next, *pending = mt_pending_next(trail, MT_PENDING_TRANSACTION, key, NULL);

  if (pending && breaks_content_off(event)) /* the youngest is the one that comes in */
    leave(trail, pending, MT_MESSAGE_REFUSED);
  if (event->kind != MT_EVENT_DISCONNECT)
    return;
  for (pending = mt_pending_next(trail, MT_PENDING_TRANSACTION, key, NULL); pending; pending = next)
    {
      next = mt_pending_next(trail, MT_PENDING_TRANSACTION, key, pending);
      if (pending->at <= line->time + MT_TRAIL_GRACE_US)
        leave(trail, pending, MT_MESSAGE_LEFT);
    }
}

static void
fold_accept(MtTrail *trail, const MtLine *line, MtMessage *message, const MtEvent *event)
{
  MtSpan service = service_of(line, event);

  mt_message_whole(trail, message);
  message->flags |= MT_MESSAGE_ACCEPTED;
  fold_client(trail, message, event);
  fold_login(trail, line, message, event);
  keep_text(trail, message, &message->auth_user, event, MT_F_AUTH_USER);
  keep_text(trail, message, &message->auth_method, event, MT_F_AUTH_METHOD);
  keep_text(trail, message, &message->subject, event, MT_F_SUBJECT);
  take_envelope(trail, message, event);
  mt_message_put(trail, message, &message->service, service);
  message->port = port_of(service, event);
  if (mt_event_has(event, MT_F_ORIG_QUEUE_ID))
    mt_hops_from(trail, message, mt_event_text(event, MT_F_ORIG_QUEUE_ID),
                 mt_event_word(event, MT_F_KIND) == MT_WORD_BOUNCE ? MT_PARENT_BOUNCE
                                                                   : MT_PARENT_HOP);
  else
    tell_sent(trail, message, line->time, FALSE);
  mt_verdict_enveloped(trail, message);
  mt_hops_root_changed(trail, message);
  begin_transaction(trail, line, message, event);
}

/* cleanup and the queue manager log under the instance's own name. */
static void
take_instance(MtTrail *trail, MtMessage *message, const MtLine *line)
{
  if (!message->instance || !is_same_instance(message, line))
    mt_message_put(trail, message, &message->instance, instance_of(line));
}

static void
fold_message_id(MtTrail *trail, const MtLine *line, MtMessage *message, const MtEvent *event)
{
  message->flags |= MT_MESSAGE_CLEANED;
  take_instance(trail, message, line);
  learn_message_id(trail, message, mt_event_text(event, MT_F_MESSAGE_ID));
}

void
mt_message_touch_deliveries(MtTrail *trail, MtMessage *message)
{
  mt_message_whole(trail, message);
  for (guint i = 0; i < message->n_deliveries; i++)
    mt_delivery_touch(trail, message, &message->deliveries[i]);
}

static void
fold_queued(MtTrail *trail, const MtLine *line, MtMessage *message, const MtEvent *event)
{
  gboolean first = !(message->flags & MT_MESSAGE_ACTIVE);

  if (first)
    mt_message_whole(trail, message);
  message->flags |= MT_MESSAGE_ACTIVE;
  end_transaction(trail, message);
  take_instance(trail, message, line);
  take_envelope(trail, message, event);
  tell_sent(trail, message, line->time, FALSE);
  if (first) /* rows of deliveries hold sender and size too */
    mt_message_touch_deliveries(trail, message);
  mt_verdict_enveloped(trail, message);
}

/* A filter has said what becomes of this recipient, before there was an attempt. */
static MtDelivery *
find_judged(MtTrail *trail, MtMessage *message, guint32 hash, MtSpan recipient)
{
  Walk places = walk(trail, message, hash);

  for (MtDelivery *delivery = next(&places); delivery; delivery = next(&places))
    {
      if (!delivery->attempts && delivery->stored_action
          && !mt_delivery_said(delivery)->orig_recipient
          && mt_span_equal_nocase(MT_SAID(delivery, recipient), recipient))
        return delivery;
    }
  return NULL;
}

static gboolean
is_final(MtWord status)
{
  return status != MT_WORD_NONE && status != MT_WORD_DEFERRED;
}

/* An attempt that failed before the address was expanded, or that named the whole address
 * where a local delivery names the mailbox alone: Exim's "== bob@example.com <info@...>",
 * then "=> bob <info@...>". */
static MtDelivery *
find_forerunner(const MtMessage *message, MtSpan recipient, MtSpan orig_recipient)
{
  guint end = orig_recipient.len ? message->n_deliveries : 0;

  for (guint i = end > MT_TABLE_MAX_WALK ? end - MT_TABLE_MAX_WALK : 0; i < end; i++)
    {
      MtDelivery *delivery = &message->deliveries[i];
      MtSpan to = MT_SAID(delivery, recipient);

      if (is_final(delivery->status) || delivery->flags & MT_DELIVERY_REFUSED)
        continue;
      if (!mt_delivery_said(delivery)->orig_recipient && mt_span_equal(to, orig_recipient))
        return delivery;
      if (to.len > recipient.len && to.at[recipient.len] == '@' && mt_span_starts(to, recipient)
          && mt_span_equal(MT_SAID(delivery, orig_recipient), orig_recipient))
        return delivery;
    }
  return NULL;
}

static MtDelivery *
find_delivery(MtTrail *trail, MtMessage *message, guint32 hash, MtSpan recipient,
              MtSpan orig_recipient)
{
  Walk places = walk(trail, message, hash);
  MtDelivery *delivery;

  while ((delivery = next(&places))
         && !(mt_span_equal(MT_SAID(delivery, recipient), recipient)
              && mt_span_equal(MT_SAID(delivery, orig_recipient), orig_recipient)))
    continue;
  return delivery;
}

MtDelivery *
mt_message_delivery(MtTrail *trail, MtMessage *message, MtSpan recipient, MtSpan orig_recipient,
                    gboolean create)
{
  guint32 hash = recipient_hash(trail, recipient);
  MtSpan texts[] = { recipient, orig_recipient };
  MtDelivery *delivery = find_delivery(trail, message, hash, recipient, orig_recipient);

  if (!delivery && mt_message_many(message)->n_away)
    {
      mt_message_recall(trail, message, recipient);
      mt_message_recall(trail, message, orig_recipient);
      delivery = find_delivery(trail, message, hash, recipient, orig_recipient);
    }
  if (delivery || !create)
    return delivery;
  delivery = find_forerunner(message, recipient, orig_recipient);
  if (delivery && mt_delivery_said(delivery)->orig_recipient)
    return delivery;
  if (!delivery)
    delivery = find_judged(trail, message, hash, recipient);
  if (message->n_deliveries == 1 && message->deliveries[0].flags & MT_DELIVERY_PLACEHOLDER)
    delivery = &message->deliveries[0];
  else if (!delivery)
    {
      delivery = add_delivery(trail, message);
      delivery->id = trail->ids.delivery++;
    }
  delivery->flags &= ~MT_DELIVERY_PLACEHOLDER;
  set_recipient_hash(trail, message, delivery, hash);
  mt_delivery_say_all(trail, delivery, G_STRUCT_OFFSET(MtSaid, recipient), texts,
                      G_N_ELEMENTS(texts));
  return delivery;
}

/* The latest attempt is the state; a final one stays, whatever comes late. */
static gboolean
supersedes(const MtDelivery *delivery, MtWord status, MtTime at)
{
  if (delivery->status == MT_WORD_NONE)
    return TRUE;
  if (is_final(delivery->status) != is_final(status))
    return is_final(status);
  return at >= mt_delivery_said(delivery)->last_at;
}

static void
fold_attempt(MtTrail *trail, MtDelivery *delivery, const MtEvent *event)
{
  const MtIp *relay_ip = mt_event_ip(event, MT_F_RELAY_IP);
  gchar ip[MT_IP_TEXT_BYTES];
  MtSpan texts[] = { mt_event_text(event, MT_F_RELAY_NAME),
                     relay_ip ? mt_span(ip, mt_ip_format(relay_ip, ip)) : MT_NO_SPAN,
                     mt_event_text(event, MT_F_TRANSPORT),
                     mt_event_text(event, MT_F_DSN),
                     mt_event_text(event, MT_F_REPLY),
                     mt_event_text(event, MT_F_NEXT_QUEUE_ID),
                     mt_event_text(event, MT_F_SESSION) };

  G_STATIC_ASSERT(MT_TEXTS(MtSaid, relay_name, session) == G_N_ELEMENTS(texts));
  if (mt_event_has(event, MT_F_REPLY) || !(delivery->flags & MT_DELIVERY_ANSWERED))
    mt_delivery_say_all(trail, delivery, G_STRUCT_OFFSET(MtSaid, relay_name), texts,
                        G_N_ELEMENTS(texts));
  else /* what was answered is the reply */
    {
      mt_delivery_say_all(trail, delivery, G_STRUCT_OFFSET(MtSaid, relay_name), texts, 3);
      mt_delivery_say_all(trail, delivery, G_STRUCT_OFFSET(MtSaid, next_queue_id), texts + 5, 2);
    }
  mt_delivery_need_said(trail, delivery)->delay_us =
      mt_event_number(event, MT_F_DELAY, MT_NO_NUMBER);
  delivery->status = mt_event_word(event, MT_F_STATUS);
  delivery->flags &= ~MT_DELIVERY_ANSWERED;
}

/* Mailboxes that a delivery agent of ours writes to live here. */
static gboolean
is_mailbox_delivery(const MtEvent *event)
{
  MtSpan transport = mt_event_text(event, MT_F_TRANSPORT);
  gboolean has_relay = mt_event_has(event, MT_F_RELAY_NAME) || mt_event_has(event, MT_F_RELAY_IP);

  return MT_SPAN_IS(transport, "local") || MT_SPAN_IS(transport, "virtual")
         || MT_SPAN_IS(transport, "lmtp") || MT_SPAN_IS(transport, "storedriver")
         || mt_judge_stayed_here(transport, has_relay);
}

/* Each attempt that was put off is kept: when, by whom, and why. */
static void
note_attempt(MtTrail *trail, const MtLine *line, const MtMessage *message,
             const MtDelivery *delivery, const MtEvent *event)
{
  MtAttemptRow row = { .day = mt_message_day(message),
                       .message_id = message->id,
                       .at = line->time };
  MtBatch *batch = trail->made;

  row.delivery_id = delivery->id;
  row.relay_name = mt_batch_text(batch, mt_event_text(event, MT_F_RELAY_NAME));
  row.relay_ip = mt_batch_text(batch, mt_event_ip_text(event, MT_F_RELAY_IP));
  row.dsn = mt_batch_text(batch, mt_event_text(event, MT_F_DSN));
  row.reply = mt_batch_text(batch, mt_event_text(event, MT_F_REPLY));
  row.delay_us = mt_event_number(event, MT_F_DELAY, MT_NO_NUMBER);
  row.reason = mt_judge_reason(trail, row.dsn, row.reply);
  g_array_append_val(batch->attempts, row);
}

static void
fold_delivery(MtTrail *trail, const MtLine *line, MtMessage *message, const MtEvent *event)
{
  MtWord status = mt_event_word(event, MT_F_STATUS);
  MtSpan recipient = mt_event_text(event, MT_F_RECIPIENT);
  MtDelivery *delivery = mt_message_delivery(trail, message, recipient,
                                             mt_event_text(event, MT_F_ORIG_RECIPIENT), TRUE);
  gboolean latest = supersedes(delivery, status, line->time);
  MtSaid *said;

  take_envelope(trail, message, event);
  if (status == MT_WORD_NONE) /* begun: who gets it is known, what became of it is not */
    {
      mt_delivery_touch(trail, message, delivery);
      return;
    }
  if (!delivery->attempts)
    tell_sent(trail, message, line->time, TRUE);
  if (latest)
    tell_refusal(trail, message, event, delivery->status, line->time);
  delivery->attempts++;
  if (status == MT_WORD_DEFERRED)
    note_attempt(trail, line, message, delivery, event);
  if (latest)
    fold_attempt(trail, delivery, event);
  said = mt_delivery_need_said(trail, delivery);
  said->last_at = MAX(said->last_at, line->time);
  mt_delivery_touch(trail, message, delivery);
  if (!latest || status != MT_WORD_SENT)
    return;
  if (mt_delivery_said(delivery)->next_queue_id)
    mt_hops_to(trail, message, delivery);
  else if (is_mailbox_delivery(event))
    mt_trail_learn_address(trail, recipient);
  if (mt_delivery_said(delivery)->session || message->message_id)
    mt_mailbox_delivered(trail, message, delivery);
}

static void
fold_dequeue(MtTrail *trail, const MtLine *line, MtMessage *message, const MtEvent *event)
{
  MtSpan reason = mt_event_text(event, MT_F_REASON);

  if (MT_SPAN_IS(reason, "expired"))
    message->flags |= MT_MESSAGE_EXPIRED;
  else
    {
      message->flags |= MT_MESSAGE_DEQUEUED;
      message->dequeued_at = line->time;
    }
  if (MT_SPAN_IS(reason, "deleted"))
    message->flags |= MT_MESSAGE_DELETED;
  if (reason.len)
    mt_message_touch_deliveries(trail, message);
}

static void
fold_hold(MtTrail *trail, MtMessage *message, const MtLine *line, gboolean on)
{
  if (line->time < mt_message_verdict(message)->hold_at)
    return;
  mt_message_need_verdict(trail, message)->hold_at = line->time;
  if (on)
    message->flags |= MT_MESSAGE_ON_HOLD;
  else
    message->flags &= ~MT_MESSAGE_ON_HOLD;
  mt_message_touch_deliveries(trail, message);
}

static void
fold_requeue(MtTrail *trail, const MtLine *line, MtMessage *message, const MtEvent *event)
{
  message->flags |= MT_MESSAGE_REQUEUED | MT_MESSAGE_DEQUEUED;
  message->dequeued_at = line->time;
  mt_message_touch_deliveries(trail, message);
  if (mt_event_has(event, MT_F_NEXT_QUEUE_ID))
    mt_hops_on(trail, message, mt_event_text(event, MT_F_NEXT_QUEUE_ID));
}

/* A delay warning or a receipt is no mail of the sender's: bounce all the same, as
 * it is made by the queue manager for this message. */
static void
fold_notification(MtTrail *trail, const MtLine *line, MtMessage *message, const MtEvent *event)
{
  MtSpan child_id = mt_event_text(event, MT_F_CHILD_QUEUE_ID);
  MtEvent any = { .kind = MT_EVENT_HEADER };
  MtMessage *child = find_message(trail, line, &any, child_id, TRUE);

  mt_hops_link(trail, message, child, MT_PARENT_BOUNCE);
  mt_message_touch(trail, child);
}

/* The youngest message of this Message-ID that could have been bounced by then. */
static MtMessage *
find_bounced(const MtTrail *trail, MtSpan message_id, const MtMessage *child, MtTime at)
{
  MtMessage *best = NULL;

  MT_TABLE_EACH (MtMessage, message, &trail->by_message_id, mt_trail_hash(trail, message_id))
    {
      if (message != child
          && mt_span_equal(mt_message_text(message, message->message_id), message_id)
          && mt_span_equal(mt_message_text(message, message->host),
                           mt_message_text(child, child->host))
          && message->first_at <= at + MT_TRAIL_GRACE_US
          && (!best || message->first_at > best->first_at))
        best = message;
    }
  return best;
}

/* A message is given up after two days in Exchange, and bounced then. */
#define BOUNCED_WINDOW_US (3 * MT_DAY_US)

void
mt_messages_push_notification(MtTrail *trail, const MtLine *line, const MtEvent *event)
{
  MtSpan message_id = mt_event_text(event, MT_F_MESSAGE_ID);
  MtEvent any = { .kind = MT_EVENT_HEADER };
  MtMessage *child, *parent;

  if (!message_id.len || !mt_event_text(event, MT_F_CHILD_QUEUE_ID).len)
    return;
  child = find_message(trail, line, &any, mt_event_text(event, MT_F_CHILD_QUEUE_ID), TRUE);
  parent = find_bounced(trail, message_id, child, line->time);
  if (!parent)
    {
      trail->backing->messages_by_message_id(trail->backing->self, message_id, line->time,
                                             BOUNCED_WINDOW_US, found, trail);
      parent = find_bounced(trail, message_id, child, line->time);
    }
  if (parent && mt_hops_link(trail, parent, child, MT_PARENT_BOUNCE))
    mt_message_touch(trail, child);
}

static void
refuse_recipient(MtTrail *trail, const MtLine *line, MtMessage *message, const MtEvent *event)
{
  MtSpan recipient = mt_event_text(event, MT_F_RECIPIENT);
  MtDelivery *delivery;

  if (!recipient.len)
    return;
  delivery = mt_message_delivery(trail, message, recipient, MT_NO_SPAN, TRUE);
  if (delivery->attempts)
    return;
  delivery->flags |= MT_DELIVERY_REFUSED;
  mt_delivery_need_said(trail, delivery)->last_at = line->time;
  MT_SAY(trail, delivery, dsn, mt_event_text(event, MT_F_DSN));
  MT_SAY(trail, delivery, reply, mt_event_text(event, MT_F_REASON));
  mt_delivery_touch(trail, message, delivery);
}

/* Stages behind the envelope refuse the message, RCPT one recipient of it. */
static gboolean
refuses_message(const MtEvent *event)
{
  MtSpan stage = mt_event_text(event, MT_F_STAGE);

  return !MT_SPAN_IS(stage, "RCPT");
}

static void
fold_reject(MtTrail *trail, const MtLine *line, MtMessage *message, const MtEvent *event)
{
  MtWord action = mt_event_word(event, MT_F_ACTION);

  keep_text(trail, message, &message->sender, event, MT_F_SENDER);
  keep_text(trail, message, &message->subject, event, MT_F_SUBJECT);
  switch (action)
    {
    case MT_WORD_HOLD:
      fold_hold(trail, message, line, TRUE);
      return;
    case MT_WORD_DISCARD:
      message->flags |= MT_MESSAGE_DISCARDED;
      /* fall through */
    case MT_WORD_REJECT:
    case MT_WORD_DEFER:
      if (refuses_message(event))
        message->flags |= MT_MESSAGE_REFUSED;
      refuse_recipient(trail, line, message, event);
      return;
    default:
      return;
    }
}

/* Courier tells what was answered first, then what came of the attempt. */
static void
take_answer(MtTrail *trail, MtMessage *message, const MtEvent *event)
{
  MtDelivery *delivery = mt_message_delivery(trail, message, mt_event_text(event, MT_F_RECIPIENT),
                                             mt_event_text(event, MT_F_ORIG_RECIPIENT), TRUE);

  if (is_final(delivery->status))
    return;
  MT_SAY(trail, delivery, dsn, mt_event_text(event, MT_F_DSN));
  MT_SAY(trail, delivery, reply, mt_event_text(event, MT_F_REPLY));
  delivery->flags |= MT_DELIVERY_ANSWERED;
  mt_delivery_touch(trail, message, delivery);
}

/* smtpd names the queue ID only while the transaction is open: it was given up. */
static void
fold_notice(MtTrail *trail, MtMessage *message, const MtEvent *event)
{
  MtSpan reason = mt_event_text(event, MT_F_REASON);

  if (mt_event_has(event, MT_F_RECIPIENT) && mt_event_has(event, MT_F_REPLY))
    take_answer(trail, message, event);
  if (MT_SPAN_STARTS(reason, "lost connection after ") || MT_SPAN_STARTS(reason, "timeout after ")
      || MT_SPAN_STARTS(reason, "too many errors after "))
    message->flags |= MT_MESSAGE_REFUSED;
}

/* Larger than message_size_limit: smtpd and cleanup(8) say so while it comes in. */
static void
fold_limit(MtMessage *message, const MtEvent *event)
{
  MtSpan reason = mt_event_text(event, MT_F_REASON);

  if (MT_SPAN_IS(reason, "queue file size limit exceeded")
      || (MT_SPAN_STARTS(reason, "BDAT request from ")
          && MT_SPAN_ENDS(reason, " exceeds message size limit")))
    message->flags |= MT_MESSAGE_REFUSED;
}

static void
fold(MtTrail *trail, const MtLine *line, MtMessage *message, const MtEvent *event)
{
  switch (event->kind)
    {
    case MT_EVENT_ACCEPT:
      fold_accept(trail, line, message, event);
      return;
    case MT_EVENT_MESSAGE_ID:
      fold_message_id(trail, line, message, event);
      return;
    case MT_EVENT_QUEUED:
      fold_queued(trail, line, message, event);
      return;
    case MT_EVENT_DELIVERY:
      fold_delivery(trail, line, message, event);
      return;
    case MT_EVENT_DEQUEUE:
      fold_dequeue(trail, line, message, event);
      return;
    case MT_EVENT_HOLD:
    case MT_EVENT_RELEASE:
      fold_hold(trail, message, line, event->kind == MT_EVENT_HOLD);
      return;
    case MT_EVENT_REQUEUE:
      fold_requeue(trail, line, message, event);
      return;
    case MT_EVENT_NOTIFICATION:
      fold_notification(trail, line, message, event);
      return;
    case MT_EVENT_REJECT:
      fold_reject(trail, line, message, event);
      return;
    case MT_EVENT_VERDICT:
      mt_verdict_fold(trail, message, event);
      return;
    case MT_EVENT_HEADER:
      keep_text(trail, message, &message->subject, event, MT_F_SUBJECT);
      return;
    case MT_EVENT_NOTICE:
      fold_notice(trail, message, event);
      return;
    case MT_EVENT_LIMIT:
      fold_limit(message, event);
      return;
    default:
      return;
    }
}

void
mt_message_fold(MtTrail *trail, const MtLine *line, MtMessage *message, const MtEvent *event)
{
  mt_message_touch(trail, message);
  fold(trail, line, message, event);
}

void
mt_messages_push(MtTrail *trail, const MtLine *line, const MtEvent *event)
{
  MtSpan queue_id = mt_event_text(event, MT_F_QUEUE_ID);
  MtMessage *message = find_message(trail, line, event, queue_id, begins_message(event));

  if (!message)
    {
      trail->counters.orphaned++;
      return;
    }
  mt_message_touch(trail, message);
  extend_life(trail, message, line->time);
  fold(trail, line, message, event);
}
