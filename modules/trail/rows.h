/* rows.h: what the trail hands to the store, and gets back from it
 *
 * Layer: trail.  Concurrency: plain data; belongs to whoever holds it.
 *
 * Flat rows, one struct a table.  Texts are spans that borrow from the batch's
 * block or, on the way back, from the store's statement; a span without bytes
 * (at == NULL) is NULL.  Numbers that are not known are MT_NO_NUMBER.
 */
#ifndef MT_TRAIL_ROWS_H
#define MT_TRAIL_ROWS_H

#include "event/event.h"
#include "scan/hash.h"

#define MT_NO_NUMBER (-1)

/* Stores keep the words of these lists by number: new ones go to the end. */

#define MT_STATES(X) \
  X(QUEUED, "queued") \
  X(DONE, "done") \
  X(HELD, "held") \
  X(REJECTED, "rejected")

#define MT_PARENT_KINDS(X) \
  X(NONE, "") \
  X(HOP, "hop") \
  X(BOUNCE, "bounce") \
  X(FORWARD, "forward")

#define MT_DIRECTIONS(X) \
  X(UNKNOWN, "") \
  X(IN, "in") \
  X(OUT, "out") \
  X(LOCAL, "local") \
  X(RELAY, "relay")

/* What became of a message for one recipient.  NONE: nothing that a mail is (an
 * address probe, a hop). */
#define MT_OUTCOMES(X) \
  X(NONE, "") \
  X(DELIVERED, "delivered") \
  X(QUEUED, "queued") \
  X(FAILED, "failed") \
  X(REJECTED, "rejected") \
  X(QUARANTINED, "quarantined") \
  X(DISCARDED, "discarded")

#define MT_REASONS(X) \
  X(NONE, "") \
  X(USER_UNKNOWN, "user-unknown") \
  X(MAILBOX_FULL, "mailbox-full") \
  X(MAILBOX_DISABLED, "mailbox-disabled") \
  X(BLOCKLISTED, "blocklisted") \
  X(GREYLISTED, "greylisted") \
  X(RATE_LIMITED, "rate-limited") \
  X(SPAM_CONTENT, "spam-content") \
  X(VIRUS, "virus") \
  X(POLICY, "policy") \
  X(AUTH_REQUIRED, "auth-required") \
  X(RELAY_DENIED, "relay-denied") \
  X(DNS, "dns") \
  X(TLS, "tls") \
  X(CONNECTION, "connection") \
  X(TIMEOUT, "timeout") \
  X(MESSAGE_TOO_LARGE, "message-too-large") \
  X(PROTOCOL, "protocol") \
  X(EXPIRED, "expired") \
  X(OTHER, "other")

/* What goes wrong without being a message or a login of its own. */
#define MT_INCIDENTS(X) \
  X(TLS_ERROR, "tls-error") \
  X(LIMIT, "limit") \
  X(SPF_FAIL, "spf-fail") \
  X(DKIM_FAIL, "dkim-fail") \
  X(DMARC_FAIL, "dmarc-fail") \
  X(RELAY_DENIED, "relay-denied") \
  X(BLOCKLISTED, "blocklisted") \
  X(LOSS, "loss") \
  X(SYSTEM, "system")

#define X(id, name) MT_STATE_##id,
typedef enum
{
  MT_STATES(X) MT_STATE_COUNT
} MtState;
#undef X
#define X(id, name) MT_PARENT_##id,
typedef enum
{
  MT_PARENT_KINDS(X) MT_PARENT_KIND_COUNT
} MtParentKind;
#undef X
#define X(id, name) MT_DIRECTION_##id,
typedef enum
{
  MT_DIRECTIONS(X) MT_DIRECTION_COUNT
} MtDirection;
#undef X
#define X(id, name) MT_OUTCOME_##id,
typedef enum
{
  MT_OUTCOMES(X) MT_OUTCOME_COUNT
} MtOutcome;
#undef X
#define X(id, name) MT_REASON_##id,
typedef enum
{
  MT_REASONS(X) MT_REASON_COUNT
} MtReason;
#undef X
#define X(id, name) MT_INCIDENT_##id,
typedef enum
{
  MT_INCIDENTS(X) MT_INCIDENT_COUNT
} MtIncident;
#undef X

/* Country of an address as ISO 3166-1 alpha-2, NUL-terminated; "" is unknown. */
typedef gchar MtCountry[3];

/* What a message is, besides its columns; kept on disk as one number. */
enum
{
  MT_MESSAGE_ACCEPTED = 1 << 0, /* its accept line was seen */
  MT_MESSAGE_CLEANED = 1 << 1,  /* its message_id line was seen, with an ID or without */
  MT_MESSAGE_ACTIVE = 1 << 2,   /* its queued line was seen */
  MT_MESSAGE_DEQUEUED = 1 << 3,
  MT_MESSAGE_ON_HOLD = 1 << 4,
  MT_MESSAGE_REFUSED = 1 << 5,  /* refused or given up before it was queued */
  MT_MESSAGE_REQUEUED = 1 << 6, /* put back by an operator, under another queue ID */
  MT_MESSAGE_DELETED = 1 << 7,  /* taken out by an operator */
  MT_MESSAGE_EXPIRED = 1 << 8,
  MT_MESSAGE_OURS = 1 << 9, /* submitted here: authenticated, own network, local process */
  MT_MESSAGE_HAS_CHILDREN = 1 << 10,
  MT_MESSAGE_DISCARDED = 1 << 12, /* silently dropped before it was queued */
  MT_MESSAGE_SENT_TOLD = 1 << 13, /* the watch knows for how many recipients it is */
  MT_MESSAGE_LEFT = 1 << 14,      /* its client has gone: what has no content by then never has */
};

typedef struct
{
  gint64 id;
  gint64 root_id;    /* the message it was first, own id if it is that */
  MtTime root_at;    /* the root's first line */
  gint32 day;        /* of root_at: where the row lies */
  gint32 stored_day; /* where it lies on disk, MT_NO_DAY if nowhere */
  MtTime first_at;
  MtTime last_at;
  MtTime dequeued_at; /* MT_NO_TIME while queued */
  MtSpan host;
  MtSpan instance;
  MtSpan queue_id;
  MtSpan message_id;
  MtSpan sender;
  MtSpan subject;
  MtSpan client_ip;
  MtSpan client_name;
  MtSpan auth_user;
  MtSpan auth_method;
  MtSpan service;
  MtSpan parent_queue_id;
  MtSpan spam_action;
  MtSpan virus;
  MtSpan spf;
  MtSpan dkim;
  MtSpan dmarc;
  gint64 parent_id; /* 0: none, or not known yet */
  gint64 size;
  gint64 nrcpt;
  gint64 port;
  gdouble spam_score; /* NAN: none */
  MtCountry country;
  MtParentKind parent_kind;
  MtState state;
  guint32 flags;
  /* On the way back: deliveries that do not come with it, and those of them not at their end. */
  guint n_away, n_away_waiting;
} MtMessageRow;

#define MT_NO_DAY G_MININT32

enum
{
  MT_DELIVERY_HOP = 1 << 0,         /* goes on under another queue ID: no end */
  MT_DELIVERY_PLACEHOLDER = 1 << 1, /* no attempt yet; the recipient may be unknown */
  MT_DELIVERY_REFUSED = 1 << 2,     /* a recipient refused at SMTP time */
  MT_DELIVERY_AUTO_REPLY = 1 << 3,  /* a vacation reply was sent */
  MT_DELIVERY_ANSWERED = 1 << 4,    /* its reply is that of an attempt still to be told */
};

typedef struct
{
  gint64 id;
  gint64 message_id;
  gint32 day; /* as the message's */
  gint32 stored_day;
  gboolean removed; /* must go from the disk */
  MtTime mail_at;   /* the root's first line: when the mail came in */
  MtTime last_at;   /* of the last attempt */
  MtSpan recipient;
  MtSpan orig_recipient;
  MtSpan sender; /* the message's, for the index */
  MtSpan relay_name;
  MtSpan relay_ip;
  MtSpan transport;
  MtSpan dsn;
  MtSpan reply;
  MtSpan next_queue_id;
  MtSpan session;
  MtSpan mailbox;
  MtSpan forwarded_to;
  MtSpan filter_rule;
  gint64 delay_us;
  gint64 attempts;
  gint64 revision;
  MtWord status;
  MtWord stored_action; /* what the mailbox did with it: stored forwarded discarded rejected */
  MtOutcome outcome;
  MtDirection direction;
  MtReason reason;
  guint32 flags;
} MtDeliveryRow;

/* One attempt that was put off: a delivery's row holds only its latest state. */
typedef struct
{
  gint32 day; /* as the message's */
  gint64 message_id;
  gint64 delivery_id;
  MtTime at;
  MtSpan relay_name;
  MtSpan relay_ip;
  MtSpan dsn;
  MtSpan reply;
  gint64 delay_us;
  MtReason reason;
} MtAttemptRow;

typedef struct
{
  gint64 id;
  gint32 day;
  gint32 stored_day;
  guint64 key; /* hash of what its end is found by */
  MtTime at;
  MtTime last_at;  /* of what was last seen of it */
  MtTime ended_at; /* MT_NO_TIME while open */
  MtSpan account;
  MtSpan ip;
  MtSpan local_ip;
  MtSpan method;
  MtSpan session;
  MtSpan host;
  MtSpan client;
  MtSpan city;
  MtSpan country_name;
  gint64 asn; /* 0: unknown */
  MtCountry country;
  MtWord service;
  gint64 tls;
  gint64 in_bytes;
  gint64 out_bytes;
  gint64 deleted;
  gint64 expunged;
  gint64 trashed;
} MtAccessRow;

typedef struct
{
  gint64 id;
  gint32 day;
  gint32 stored_day;
  MtTime at;
  MtSpan account;
  MtSpan ip;
  MtSpan reason;
  MtSpan method;
  MtSpan session;
  MtSpan host;
  MtSpan client;
  MtSpan city;
  MtSpan country_name;
  gint64 asn;
  MtCountry country;
  MtWord service;
  gint64 tls;
  gint64 attempts;
  guint32 sources; /* which kinds of daemon told of it, see trail/access.c */
  gint32 tag;      /* mt_hash_tag() of an account that is kept masked, else MT_NO_TAG */
} MtFailureRow;

typedef struct
{
  gint64 id;
  gint32 day;
  MtTime at;
  MtSpan sender;
  MtSpan recipient;
  MtSpan client_ip;
  MtSpan client_name;
  MtSpan auth_user;
  MtSpan queue_id;
  MtSpan message_id;
  MtSpan helo;
  MtSpan stage;
  MtSpan dsn;
  MtSpan reason;
  MtSpan host;
  MtCountry country;
  gint64 code;
  MtWord action;
  MtReason reason_class;
} MtRejectRow;

typedef struct
{
  gint64 id;
  gint32 day;
  MtTime at;
  MtSpan account;
  MtSpan mailbox;
  MtSpan message_id;
  MtSpan sender;
  MtSpan subject;
  MtSpan target;
  MtSpan session;
  MtSpan host;
  gint64 uid;
  gint64 size;
  MtWord action;
} MtMailboxRow;

typedef struct
{
  gint64 id;
  gint32 day;
  MtTime at;
  MtSpan account;
  MtSpan ip;
  MtSpan queue_id;
  MtSpan reason;
  MtSpan host;
  MtIncident kind;
} MtIncidentRow;

/* What is added to one client address's day. */
typedef struct
{
  gint32 day;
  MtSpan ip;
  MtSpan name;
  MtCountry country;
  gint64 connections;
  gint64 rejected;
  gint64 failed_logins;
  gint64 tls;
  MtTime first_at;
  MtTime last_at;
  MtIp address; /* ip as a number */
} MtConnectionRow;

/* What is added to one account's day. */
#define MT_ACTIVITIES(X) \
  X(sent) \
  X(deferred) \
  X(failed) \
  X(received) \
  X(rejected) \
  X(bytes_sent) \
  X(bytes_received) \
  X(logins) \
  X(failed_logins)

typedef struct
{
  gint32 day;
  MtSpan account;
#define X(name) gint64 name;
  MT_ACTIVITIES(X)
#undef X
} MtActivityRow;

/* Something that waits for the line it belongs to. */
typedef enum
{
  MT_PENDING_STORED = 1,  /* a mailbox took a message whose delivery is not known yet */
  MT_PENDING_LOGOUT,      /* a logout whose login is not known yet */
  MT_PENDING_CHILD,       /* a message goes on under a queue ID that is not known yet */
  MT_PENDING_PARENT,      /* a message came from a queue ID that is not known yet */
  MT_PENDING_CLIENT,      /* who the client of an SMTP session is, for its other lines */
  MT_PENDING_SESSION,     /* a dialogue, as far as it has come */
  MT_PENDING_RECIPIENT,   /* one of a dialogue's recipients */
  MT_PENDING_ATTEMPT,     /* a delivery that will end under its own number */
  MT_PENDING_ORIGIN,      /* what is known of the message that a process queued */
  MT_PENDING_QUEUED_BY,   /* a message, by the process that queued it */
  MT_PENDING_NAMED,       /* a message that its delivery calls by a part of its name */
  MT_PENDING_ENVELOPE,    /* a message that its delivery names by its envelope alone */
  MT_PENDING_VERDICT,     /* a filter judged a message that is not known yet */
  MT_PENDING_TRANSACTION, /* a message that an SMTP server is still taking in */
  MT_PENDING_LOOK_UP,     /* an account that is unknown: a login, or a recipient of LMTP's */
} MtPendingKind;

typedef struct
{
  gint64 id;
  gboolean removed; /* has been used, or is too old: must go from the disk */
  MtPendingKind kind;
  guint64 key;
  MtTime at;
  MtSpan data; /* names and values, see trail/pending.c */
} MtPendingRow;

/* The numbers that rows are given: the next free one of each kind. */
typedef struct
{
  gint64 message;
  gint64 delivery;
  gint64 access;
  gint64 failure;
  gint64 reject;
  gint64 mailbox;
  gint64 incident;
  gint64 pending;
} MtTrailIds;

const gchar *mt_state_name(MtState state);
const gchar *mt_parent_kind_name(MtParentKind kind);
const gchar *mt_direction_name(MtDirection direction);
const gchar *mt_outcome_name(MtOutcome outcome);
const gchar *mt_reason_name(MtReason reason);
const gchar *mt_incident_name(MtIncident incident);

#endif
