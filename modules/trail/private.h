/* private.h: the records as the trail holds them
 *
 * Layer: trail, not for others.  Concurrency: the trail's owner only.
 *
 * message.c folds lines into messages, texts.c keeps what they say, hops.c links them, access.c
 * has the logins, dialogue.c puts lines together, pending.c has what waits for its line, flush.c
 * makes rows, trail.c ties them together.
 */
#ifndef MT_TRAIL_PRIVATE_H
#define MT_TRAIL_PRIVATE_H

#include "trail/arena.h"
#include "trail/table.h"
#include "trail/trail.h"

#include <math.h>

typedef struct MtMessage MtMessage;

/* What a delivery's state has added to activity_daily; see flush.c. */
typedef struct
{
  gint64 bytes;
  gint32 day;
  gint32 deferrals;
  MtText account;       /* who sent it, if it is ACCOUNT_OWN: in the delivery's arena */
  guint8 account_is;    /* MtAccountIs */
  guint8 outcome : 4;   /* MtOutcome */
  guint8 direction : 4; /* MtDirection */
} __attribute__((packed, aligned(4))) MtCounted;

/* Where the text stands of who sent a mail: most are the message's. */
typedef enum
{
  MT_ACCOUNT_NONE,
  MT_ACCOUNT_SENDER,
  MT_ACCOUNT_AUTH_USER,
  MT_ACCOUNT_OWN
} MtAccountIs;

G_STATIC_ASSERT(MT_OUTCOME_COUNT <= 16 && MT_DIRECTION_COUNT <= 16);
G_STATIC_ASSERT(MT_WORD_COUNT <= G_MAXUINT8 + 1);

/* What lines have said of a delivery stands at the head of its arena: one that was not tried
 * has none.  See MT_SAID and MT_SAY. */
typedef struct
{
  MtTime last_at;
  gint64 delay_us;
  MtText recipient, orig_recipient, relay_name, relay_ip, transport, dsn, reply, next_queue_id;
  MtText session, mailbox, forwarded_to, filter_rule;
} MtSaid;

typedef struct
{
  gint64 id;
  MtCounted counted;
  MtArena arena;
  gint32 attempts;
  gint32 revision;
  guint32 recipient_hash; /* whatever the case of its letters */
  guint8 flags;           /* MT_DELIVERY_* */
  guint8 status;          /* MtWord */
  guint8 stored_action;   /* MtWord: stored, forwarded, discarded, rejected by the mailbox */
  guint8 dirty : 1;
  guint8 stored : 1; /* on disk, in the day of its message */
  guint8 removed : 1;
  guint8 ignored : 1; /* by ignore-mail: not on disk */
} MtDelivery;

/* Of a message with many deliveries: tables by recipient. */
typedef struct
{
  guint n_away, n_away_waiting; /* that are on disk only; those of them not at their end */
  guint32 *index;               /* places of deliveries, plus 1; NULL: none */
  guint32 *away; /* the recipients' hashes of those that are on disk only; NULL: none */
  guint size_index, size_away, used_away;
} MtMany;

/* What filters have said of a message, and when it was held or let go. */
typedef struct
{
  gdouble spam_score;
  MtTime hold_at;
  MtText spam_action, virus, spf, dkim, dmarc;
} MtVerdict;

/* What most messages do without. */
typedef struct
{
  /* Where it comes from, and what goes on from it. */
  MtMessage *parent;        /* where that is in memory */
  MtMessage *children;      /* those in memory, in a ring that begins here; NULL: none */
  MtMessage *next, *before; /* in the parent's ring */
  gint64 parent_id;
  gint64 root_id;     /* 0: it is its own root */
  MtTime root_at;     /* MT_NO_TIME: as it came in itself */
  MtVerdict *verdict; /* NULL: as mt_message_no_verdict */
  MtMany *many;       /* NULL: as mt_message_few */
} MtMessageMore;

/* There are many: 160 bytes.  What nearly every line looks at stands in front, within two lines
 * of the processor's cache. */
struct MtMessage
{
  MtRecord record;
  MtLink by_queue_id;
  MtTime first_at, dequeued_at, last_at;
  MtArena arena;
  guint16 flags;      /* MT_MESSAGE_* */
  guint8 parent_kind; /* MtParentKind */
  guint8 in_message_ids : 1;
  guint8 dirty : 1;
  MtText host, instance, queue_id, message_id, sender, subject, auth_user, auth_method;
  MtText client_name, client_ip, service, parent_queue_id;
  MtMessageMore *more; /* NULL: as mt_message_no_more */
  MtDelivery *deliveries;
  guint64 transaction; /* what waits for its session's end is kept under; 0: nothing does */
  gint64 id, size;
  guint n_deliveries, size_deliveries;
  gint32 nrcpt, port, stored_day;
  MtLink by_message_id;
};

G_STATIC_ASSERT(sizeof(MtDelivery) <= 56);
G_STATIC_ASSERT(sizeof(MtMessage) <= 160);

/* One login that may still be open, or one that has ended in this batch. */
typedef struct
{
  MtRecord record;
  MtLink by_key;
  guint64 key;
  MtTime at, last_at, ended_at;
  guint8 service; /* MtWord */
  gint8 tls;      /* 0, 1, MT_NO_NUMBER */
  guint8 has_ip : 1;
  guint8 has_local_ip : 1;
  guint8 dirty : 1;
  MtText account, method, session, host, client, city, country_name;
  MtArena arena;
  gint64 id;
  gint64 in_bytes, out_bytes, deleted, expunged, trashed, asn;
  MtIp ip, local_ip;
  gint32 day, stored_day;
  guint32 bytes; /* as counted in the trail's */
  MtCountry country;
} MtAccess;

typedef struct
{
  MtRecord record;
  MtLink by_session;
  MtLink by_attempt; /* address and account */
  guint64 attempt;   /* as it is found by */
  gint64 id;
  MtTime at;
  gint64 attempts, tls, asn;
  MtIp ip;
  MtArena arena;
  MtText account, reason, method, session, host, client, city, country_name;
  MtCountry country;
  MtWord service;
  guint32 sources;
  gint64 told; /* attempts of auth lines, counted one by one */
  gint32 tag;  /* where the account came back masked, see rows.h */
  gint32 day, stored_day;
  gboolean has_ip, in_sessions, dirty;
  guint32 bytes; /* as counted in the trail's */
} MtFailure;

typedef struct
{
  MtRecord record;
  MtLink by_key;
  guint64 key;
  gint64 id;
  MtTime at;
  gchar *data;
  guint32 data_bytes;
  guint8 kind;      /* MtPendingKind */
  guint packed : 1; /* as pending.c has it in memory, else as it is on disk */
  guint stored : 1, dirty : 1, removed : 1;
  guint by_id : 1; /* counted in waiting_by_id */
  guint32 place;   /* in dirty_pendings, while dirty */
} MtPending;

/* Room for the numbers of MtPendingKind. */
#define MT_PENDING_KINDS 16

/* Where a row of this batch stands that is added to. */
typedef struct
{
  guint64 hash;
  guint32 place; /* in the batch's rows, plus 1; 0: a free slot */
  gboolean is_connection;
} MtSum;

/* Hosts and programs come with every line: their hashes are remembered, by their length. */
#define MT_NAME_SLOTS 32
#define MT_NAME_MAX_BYTES 55

typedef struct
{
  guint64 hash;
  guint8 len; /* 0: none */
  gchar name[MT_NAME_MAX_BYTES];
} MtHashedName;

/* Whose mail it is: domains that were asked for lately, as they were written. */
#define MT_DOMAIN_SLOTS 256
#define MT_DOMAIN_MAX_BYTES 62

typedef struct
{
  guint8 len; /* 0: none */
  guint8 is_local;
  gchar name[MT_DOMAIN_MAX_BYTES];
} MtDomain;

/* A connection's lines name its client again and again. */
#define MT_IP_SLOTS 256

typedef struct
{
  MtIp ip;
  guint64 hash;
} MtHashedIp;

/* Replies come again and again: what was judged lately, by a hash of DSN and text. */
#define MT_JUDGED_SLOTS 256

typedef struct
{
  guint64 hash;
  MtReason reason;
} MtJudged;

struct MtTrail
{
  const MtTrailSettings *settings;
  const MtTrailBacking *backing;
  MtHashKey key;
  MtPool pool;        /* of what messages point to */
  MtPool others_pool; /* of what the other records do */
  MtTrailStart start;
  MtTrailIds ids;
  MtTrailCounters counters;
  MtTable by_queue_id, by_message_id, by_access, by_session, by_attempt, by_pending;
  gsize access_bytes, pending_bytes;
  guint waiting[MT_PENDING_KINDS];    /* how many pendings of each kind there are */
  guint waiting_by_id;                /* MT_PENDING_STORED that name no session */
  gboolean any_gone, any_access_gone; /* a message, a login has left memory */
  MtSlab messages;  /* MtMessage, by when they were touched first in a batch; so are accesses */
  MtSlab accesses;  /* MtAccess */
  MtSlab failures;  /* MtFailure */
  MtSlab pendings;  /* MtPending, by when they came */
  GPtrArray *dirty; /* MtMessage */
  GPtrArray *dirty_accesses; /* MtAccess */
  GPtrArray *dirty_failures; /* MtFailure */
  GPtrArray *dirty_pendings; /* MtPending; NULL: it is used up */
  MtSum *sums;               /* an open table of sums_mask + 1 slots */
  guint sums_mask, sums_count;
  MtBatch *made;             /* what goes to the store next */
  MtBatch *spare;            /* nullable: empty, for the one behind it */
  GHashTable *local_domains; /* lower-case text */
  MtDomain domains[MT_DOMAIN_SLOTS];
  GPtrArray *learned;          /* of this batch, in local_domains */
  GArray *facts;               /* MtFact that the last push told of messages */
  guint told_facts;            /* of them */
  GHashTable *known_accounts;  /* hashes; only who has logged in gets in */
  guint64 *gone, *gone_before; /* Bloom filters: IDs that are on disk only */
  gsize gone_count;
  MtJudged judged[MT_JUDGED_SLOTS];
  MtHashedName names[MT_NAME_SLOTS];
  MtHashedIp ips[MT_IP_SLOTS];
};

/* ---- bounds ---------------------------------------------------------------- */

/* Deliveries of one message that stay in memory behind a commit. */
#define MT_MESSAGE_MAX_DELIVERIES 512

/* Messages may take so much for each that the settings allow: texts are long at times. */
#define MT_MESSAGE_MAX_BYTES 2048

/* How many texts stand in a row in a record. */
#define MT_TEXTS(type, first, last) \
  ((G_STRUCT_OFFSET(type, last) - G_STRUCT_OFFSET(type, first)) / sizeof(MtText) + 1)

/* ---- time ---------------------------------------------------------------- */

/* Stamps of one second, and lines of several processes that pass each other. */
#define MT_TRAIL_GRACE_US (1 * MT_SECOND_US)

/* A line this long before what is known of a message is of another that had its queue ID.  Logs may
 * be read in any order, last week's behind this week's, and mail waits for a week (qmail). */
#define MT_TRAIL_EARLY_US (8 * MT_DAY_US)

/* ---- message.c ------------------------------------------------------------ */

void mt_messages_init(MtTrail *trail);
void mt_messages_clear(MtTrail *trail);

/* Folds an event that names a queue ID. */
void mt_messages_push(MtTrail *trail, const MtLine *line, const MtEvent *event);

/* mt_messages_push_notification: a bounce was made for a message that only its
 * Message-ID names.  That never makes them one mail. */
void mt_messages_push_notification(MtTrail *trail, const MtLine *line, const MtEvent *event);

/* mt_messages_push_end: an SMTP session is over, or in trouble; the line names no message. */
void mt_messages_push_end(MtTrail *trail, const MtLine *line, const MtEvent *event);

/* mt_message_touch: the record changes: it will be flushed. */
void mt_message_touch(MtTrail *trail, MtMessage *message);
void mt_delivery_touch(MtTrail *trail, MtMessage *message, MtDelivery *delivery);

/* mt_message_load: takes a row of the disk into memory, unless it is there. */
MtMessage *mt_message_load(MtTrail *trail, const MtMessageRow *row, const MtDeliveryRow *deliveries,
                           guint n_deliveries);

/* mt_message_look_up: makes sure that what the disk has of this queue ID, and began until then, is
 * in memory. */
void mt_message_look_up(MtTrail *trail, MtSpan host, MtSpan queue_id, MtTime until);

/* mt_message_may_be_on_disk: is it worth a look for the queue ID or Message-ID of this hash,
 * for a line of @at? */
gboolean mt_message_may_be_on_disk(const MtTrail *trail, guint64 hash, MtTime at);

/* mt_message_settle: its rows are on disk: many deliveries and old texts leave memory. */
void mt_message_settle(MtTrail *trail, MtMessage *message);

/* mt_message_drop_index: the places of its deliveries have changed. */
void mt_message_drop_index(MtTrail *trail, MtMessage *message);

/* mt_message_whole: all its deliveries come into memory, for what all of them must know. To
 * be called before it changes: what was counted of them is counted as it was. */
void mt_message_whole(MtTrail *trail, MtMessage *message);

/* mt_message_recall: those of this recipient do. */
void mt_message_recall(MtTrail *trail, MtMessage *message, MtSpan recipient);

void mt_message_touch_deliveries(MtTrail *trail, MtMessage *message);

/* mt_messages_bytes: what they take, but for the tables, which follow from how many there are. */
gsize mt_messages_bytes(const MtTrail *trail);

/* mt_messages_trim: lets the oldest clean records leave memory, as far as @stay (nullable): it and
 * what was touched since stay. */
void mt_messages_trim(MtTrail *trail, const MtMessage *stay);

void mt_message_adopt(MtTrail *trail, MtMessage *parent, MtMessage *child);

/* mt_message_with_id: the record of this number, from the disk if need be; NULL: it is gone. */
MtMessage *mt_message_with_id(MtTrail *trail, MtSpan host, MtSpan queue_id, gint64 id);

/* mt_message_waiting: the youngest of this queue ID that is still queued; NULL: none. */
MtMessage *mt_message_waiting(MtTrail *trail, MtSpan host, MtSpan queue_id);

/* mt_message_fold: what the event says is said of this message, whatever its queue ID. */
void mt_message_fold(MtTrail *trail, const MtLine *line, MtMessage *message, const MtEvent *event);

/* One mail under two queue IDs; a bounce is a mail of its own. */
static inline gboolean
mt_is_joined(MtParentKind kind)
{
  return kind == MT_PARENT_HOP || kind == MT_PARENT_FORWARD;
}

/* mt_message_delivery: the delivery for this recipient; new where there is none. */
MtDelivery *mt_message_delivery(MtTrail *trail, MtMessage *message, MtSpan recipient,
                                MtSpan orig_recipient, gboolean create);

/* What a message has that was given nothing of it. */
extern const MtMessageMore mt_message_no_more;
extern const MtVerdict mt_message_no_verdict;
extern const MtMany mt_message_few;

static inline const MtMessageMore *
mt_message_more(const MtMessage *message)
{
  return message->more ? message->more : &mt_message_no_more;
}

static inline MtMessage *
mt_message_root(MtMessage *message)
{
  while (mt_is_joined(message->parent_kind) && mt_message_more(message)->parent)
    message = message->more->parent;
  return message;
}

static inline gint64
mt_message_root_id(const MtMessage *message)
{
  gint64 root_id = mt_message_more(message)->root_id;

  return root_id ? root_id : message->id;
}

static inline MtTime
mt_message_root_at(const MtMessage *message)
{
  MtTime root_at = mt_message_more(message)->root_at;

  return root_at != MT_NO_TIME ? root_at : message->first_at;
}

/* mt_message_day: where it lies. */
static inline gint32
mt_message_day(const MtMessage *message)
{
  return mt_time_day(mt_message_root_at(message));
}

static inline const MtVerdict *
mt_message_verdict(const MtMessage *message)
{
  const MtVerdict *verdict = mt_message_more(message)->verdict;

  return verdict ? verdict : &mt_message_no_verdict;
}

static inline const MtMany *
mt_message_many(const MtMessage *message)
{
  const MtMany *many = mt_message_more(message)->many;

  return many ? many : &mt_message_few;
}

/* mt_message_need_more, mt_message_need_verdict, mt_message_need_many: to be written to. */
MtMessageMore *mt_message_need_more(MtTrail *trail, MtMessage *message);
MtVerdict *mt_message_need_verdict(MtTrail *trail, MtMessage *message);
MtMany *mt_message_need_many(MtTrail *trail, MtMessage *message);

static inline MtSpan
mt_message_text(const MtMessage *message, MtText text)
{
  return mt_arena_get(&message->arena, text);
}

/* mt_message_client_ip: FALSE: it has none. */
static inline gboolean
mt_message_client_ip(const MtMessage *message, MtIp *ip)
{
  return message->client_ip && mt_ip_parse(mt_message_text(message, message->client_ip), ip);
}

static inline guint64
mt_trail_hash(const MtTrail *trail, MtSpan text)
{
  return mt_hash_span(&trail->key, text);
}

/* mt_trail_hash_name: as mt_trail_hash(), for hosts and programs. */
guint64 mt_trail_hash_name(MtTrail *trail, MtSpan name);

static inline guint64
mt_trail_hash_ip(MtTrail *trail, const MtIp *ip)
{
  MtHashedIp *slot = &trail->ips[(ip->b[15] + 5 * ip->b[14] + 17 * ip->b[7]) % MT_IP_SLOTS];

  if (!mt_ip_equal(&slot->ip, ip))
    {
      slot->ip = *ip;
      slot->hash = mt_hash(&trail->key, ip->b, sizeof ip->b);
    }
  return slot->hash;
}

/* ---- texts.c -------------------------------------------------------------- */

extern const MtSaid mt_delivery_nothing_said;

static inline const MtSaid *
mt_delivery_said(const MtDelivery *delivery)
{
  return delivery->arena.size ? (gconstpointer) delivery->arena.bytes : &mt_delivery_nothing_said;
}

/* mt_delivery_need_said: to be written to, but for its texts; valid until the next text. */
MtSaid *mt_delivery_need_said(MtTrail *trail, MtDelivery *delivery);

/* mt_delivery_say: @field: where the text's number stands in MtSaid.  @text: none of its own. */
void mt_delivery_say(MtTrail *trail, MtDelivery *delivery, gsize field, MtSpan text);

/* MT_SAID, MT_SAY: a text of a delivery, by the name of its field. */
#define MT_SAID(delivery, field) mt_arena_get(&(delivery)->arena, mt_delivery_said(delivery)->field)
#define MT_SAY(trail, delivery, field, text) \
  mt_delivery_say((trail), (delivery), G_STRUCT_OFFSET(MtSaid, field), (text))

/* mt_delivery_say_all: @count of them, which stand in a row from @field on. */
void mt_delivery_say_all(MtTrail *trail, MtDelivery *delivery, gsize field, const MtSpan *texts,
                         guint count);

/* mt_delivery_own_text: puts a text that is none of its own into its arena. */
MtText mt_delivery_own_text(MtTrail *trail, MtDelivery *delivery, MtSpan text);

/* mt_message_begin_texts: a new message is going to hold some. */
void mt_message_begin_texts(MtTrail *trail, MtMessage *message);

/* mt_message_settle_texts: a commit is past, and few lines follow that say more: what is free, and
 * what nothing holds any more, is given back. */
void mt_message_settle_texts(MtTrail *trail, MtMessage *message);

/* mt_message_replace: as mt_message_put(), of what is there already, or where room is short. */
void mt_message_replace(MtTrail *trail, MtMessage *message, MtText *field, MtSpan text);

/* mt_message_put: @field, of the message or what more it has, is this text now.  Spans of its
 * texts are not good any more. */
static inline void
mt_message_put(MtTrail *trail, MtMessage *message, MtText *field, MtSpan text)
{
  if (*field || !(*field = mt_arena_put(&message->arena, &trail->pool, text)))
    mt_message_replace(trail, message, field, text);
}

/* A record's texts on their way to the store: where its block is small, all at once. */
#define MT_TEXTS_WHOLE_BYTES 1024

typedef struct
{
  MtBatch *batch;
  const MtArena *arena;
  MtArena copy; /* empty: each text is copied for itself */
} MtTexts;

static inline MtTexts
mt_texts(MtBatch *batch, const MtArena *arena)
{
  MtTexts texts = { batch, arena, { 0 } };

  if (arena->used && arena->used <= MT_TEXTS_WHOLE_BYTES)
    {
      texts.copy.bytes = mt_batch_take(batch, arena->used);
      memcpy(texts.copy.bytes, arena->bytes, arena->used);
    }
  return texts;
}

/* mt_texts_get: valid as long as the batch.  What was put in since mt_texts() is not there. */
static inline MtSpan
mt_texts_get(const MtTexts *texts, MtText text)
{
  return texts->copy.bytes ? mt_arena_get(&texts->copy, text)
                           : mt_batch_text(texts->batch, mt_arena_get(texts->arena, text));
}

/* ---- hops.c: messages that are one mail ---------------------------------- */

/* mt_hops_from: a message says where it comes from (orig_queue_id). */
void mt_hops_from(MtTrail *trail, MtMessage *child, MtSpan parent_queue_id, MtParentKind kind);

/* mt_hops_to: a delivery says under which queue ID the message goes on. */
void mt_hops_to(MtTrail *trail, MtMessage *parent, MtDelivery *delivery);

/* mt_hops_on: a filter says so for the whole message. */
void mt_hops_on(MtTrail *trail, MtMessage *parent, MtSpan queue_id);

/* mt_hops_created: a queue ID of this hash appears; somebody may have waited for it. */
void mt_hops_created(MtTrail *trail, MtMessage *message, guint64 hash);

/* mt_hops_identified: a message has got its Message-ID. */
void mt_hops_identified(MtTrail *trail, MtMessage *message);

/* mt_hops_link: @child comes from @parent.  Returns: FALSE where it has a parent
 * already, or a circle would come of it. */
gboolean mt_hops_link(MtTrail *trail, MtMessage *parent, MtMessage *child, MtParentKind kind);

/* mt_hops_root_changed: what descendants take from @message is new. */
void mt_hops_root_changed(MtTrail *trail, MtMessage *message);

/* ---- mailbox.c: what the mailbox side says of a message ----------------------- */

/* mt_mailbox_push: a stored event. */
void mt_mailbox_push(MtTrail *trail, const MtLine *line, const MtEvent *event);

/* mt_mailbox_delivered: a delivery names a session; somebody may have waited for it. */
void mt_mailbox_delivered(MtTrail *trail, MtMessage *message, MtDelivery *delivery);

/* ---- verdict.c: what filters say of a message ------------------------------------ */

/* mt_verdict_fold: a verdict on this message. */
void mt_verdict_fold(MtTrail *trail, MtMessage *message, const MtEvent *event);

/* mt_verdict_push: a verdict that names no queue ID. */
void mt_verdict_push(MtTrail *trail, const MtLine *line, const MtEvent *event);

/* mt_verdict_identified, mt_verdict_enveloped: a message has got its Message-ID, its client
 * and sender; a verdict may have waited for it. */
void mt_verdict_identified(MtTrail *trail, MtMessage *message);
void mt_verdict_enveloped(MtTrail *trail, MtMessage *message);

/* ---- access.c ----------------------------------------------------------------- */

void mt_access_push_login(MtTrail *trail, const MtLine *line, const MtEvent *event, MtFact *fact);
void mt_access_push_logout(MtTrail *trail, const MtLine *line, const MtEvent *event);
void mt_access_push_failure(MtTrail *trail, const MtLine *line, const MtEvent *event, MtFact *fact);

/* A message was accepted from an authenticated client; its connection has ended. */
void mt_access_push_submission(MtTrail *trail, const MtLine *line, const MtEvent *event,
                               MtFact *fact);
void mt_access_push_disconnect(MtTrail *trail, const MtLine *line, const MtEvent *event);

/* mt_access_of_connection: who has logged in over the SMTP connection that the line is of;
 * for servers that say so on a line of its own.  The texts are the record's. */
gboolean mt_access_of_connection(MtTrail *trail, const MtLine *line, const MtEvent *event,
                                 MtSpan *account, MtSpan *method);

/* mt_access_smtp_key: one client's connection to one smtpd process. */
guint64 mt_access_smtp_key(MtTrail *trail, const MtLine *line, const MtEvent *event);

/* mt_access_push_client: the name and version that an IMAP client gives of itself. */
void mt_access_push_client(MtTrail *trail, const MtLine *line, const MtEvent *event);

void mt_access_init(MtTrail *trail);
void mt_access_load(MtTrail *trail);
void mt_access_flush(MtTrail *trail, MtBatch *batch);
void mt_access_committed(MtTrail *trail);
void mt_access_clear(MtTrail *trail);

/* ---- pending.c: what waits for the line it belongs to -------------------------- */

/* mt_pending_add: keeps @event's fields, and host and time of @line, under @key. */
void mt_pending_add(MtTrail *trail, MtPendingKind kind, guint64 key, const MtLine *line,
                    const MtEvent *event);

/* mt_pending_waits: is there anything of this kind at all? */
static inline gboolean
mt_pending_waits(const MtTrail *trail, MtPendingKind kind)
{
  return trail->waiting[kind % MT_PENDING_KINDS] > 0;
}

/* mt_pending_next: what waits under @key; the next behind @after, or the first. */
MtPending *mt_pending_next(MtTrail *trail, MtPendingKind kind, guint64 key, MtPending *after);

/* mt_pending_read: the fields back; their texts are valid until it is removed. */
void mt_pending_read(const MtPending *pending, MtEvent *event, MtLine *line);

void mt_pending_remove(MtTrail *trail, MtPending *pending);

/* mt_pending_use_up: as mt_pending_remove(), where nobody needs its texts any more: what was
 * never on disk is gone at once. */
void mt_pending_use_up(MtTrail *trail, MtPending *pending);

void mt_pending_init(MtTrail *trail);
void mt_pending_load(MtTrail *trail);
void mt_pending_clear(MtTrail *trail);
void mt_pending_flush(MtTrail *trail, MtBatch *batch);
void mt_pending_committed(MtTrail *trail);

/* ---- dialogue.c: lines that mean something only together ---------------------- */

/* mt_dialogue_push: puts together what several lines say, and has it folded.
 * Returns: FALSE where the line stands for itself. */
gboolean mt_dialogue_push(MtTrail *trail, const MtLine *line, const MtEvent *event, MtFact *fact);

/* mt_trail_fold: folds an event that stands for itself (trail.c). */
void mt_trail_fold(MtTrail *trail, const MtLine *line, const MtEvent *event, MtFact *fact);

/* ---- sums.c: totals of a day ---------------------------------------------------- */

MtConnectionRow *mt_sums_connection(MtTrail *trail, const MtIp *ip, MtSpan name, MtTime at);
MtActivityRow *mt_sums_activity(MtTrail *trail, MtSpan account, gint32 day);
void mt_sums_init(MtTrail *trail);
void mt_sums_flush(MtTrail *trail, MtBatch *batch, MtLocate locate, gpointer user);
void mt_sums_clear(MtTrail *trail);

/* ---- judge.c: what a delivery's state means --------------------------------- */

MtOutcome mt_judge_outcome(const MtMessage *message, const MtDelivery *delivery);
MtDirection mt_judge_direction(MtTrail *trail, const MtMessage *message,
                               const MtDelivery *delivery);
/* mt_judge_stayed_here: what was sent to no relay is in a mailbox here, whatever the transport
 * is called (Exim's and Sendmail's have any name), but for qmail's and ICDSoft's "remote". */
gboolean mt_judge_stayed_here(MtSpan transport, gboolean has_relay);

/* mt_judge_is_at_end: nothing more will be tried. */
gboolean mt_judge_is_at_end(const MtDelivery *delivery);

MtState mt_judge_state(const MtMessage *message);

/* mt_judge_reason: the class of a reply, from the table in reasons.c. */
MtReason mt_judge_reason(MtTrail *trail, MtSpan dsn, MtSpan reply);

/* Does the text hold one of the terms (NULL-terminated, nullable)? */
gboolean mt_trail_has_term(const gchar *const *terms, MtSpan text);

gboolean mt_trail_is_ours(const MtTrail *trail, const MtIp *ip);
gboolean mt_trail_is_local_domain(MtTrail *trail, MtSpan address);
void mt_trail_learn_address(MtTrail *trail, MtSpan address);

/* An account is known when it has logged in, or its domain lives here. */
gboolean mt_trail_is_known_account(MtTrail *trail, MtSpan account);

/* ---- flush.c ------------------------------------------------------------------- */

/* mt_flush_count: what a delivery in this state adds to activity_daily. */
void mt_flush_count(MtTrail *trail, MtMessage *message, MtDelivery *delivery, MtOutcome outcome,
                    MtDirection direction, MtCounted *counted);

void mt_flush_messages(MtTrail *trail, MtBatch *batch, MtLocate locate, gpointer user);
void mt_flush_committed(MtTrail *trail);

#endif
