/* event.h: what one log line can say
 *
 * Layer: event.  Concurrency: any thread; an MtEvent belongs to its caller.
 *
 * The vocabulary of the project: kinds of event, their fields, and the words
 * that some fields take.  An MtEvent lives on the caller's stack; its text
 * fields are spans of the line that was parsed, valid as long as that line, or
 * of string literals.
 */
#ifndef MT_EVENT_EVENT_H
#define MT_EVENT_EVENT_H

#include "scan/ip.h"
#include "scan/line.h"

#define MT_EVENT_KINDS(X) \
  X(OTHER, "other") \
  X(UNKNOWN, "unknown") \
  X(NOTICE, "notice") \
  X(CONNECT, "connect") \
  X(DISCONNECT, "disconnect") \
  X(ACCEPT, "accept") \
  X(MESSAGE_ID, "message_id") \
  X(QUEUED, "queued") \
  X(DELIVERY, "delivery") \
  X(DEQUEUE, "dequeue") \
  X(HOLD, "hold") \
  X(RELEASE, "release") \
  X(REQUEUE, "requeue") \
  X(NOTIFICATION, "notification") \
  X(REJECT, "reject") \
  X(LOGIN, "login") \
  X(LOGIN_FAILED, "login_failed") \
  X(LOGOUT, "logout") \
  X(STORED, "stored") \
  X(MAILBOX, "mailbox") \
  X(VERDICT, "verdict") \
  X(SMTP_COMMAND, "smtp_command") \
  X(SMTP_REPLY, "smtp_reply") \
  X(TLS, "tls") \
  X(TLS_ERROR, "tls_error") \
  X(LIMIT, "limit") \
  X(HEADER, "header") \
  X(LOSS, "loss")

typedef enum
{
#define X(id, name) MT_EVENT_##id,
  MT_EVENT_KINDS(X)
#undef X
      MT_EVENT_KIND_COUNT
} MtEventKind;

/* How a field's value is held. */
typedef enum
{
  MT_TYPE_TEXT,     /* MtSpan */
  MT_TYPE_INTEGER,  /* gint64 */
  MT_TYPE_DURATION, /* gint64 microseconds, printed as seconds */
  MT_TYPE_REAL,     /* gdouble */
  MT_TYPE_IP,       /* MtIp */
  MT_TYPE_WORD,     /* MtWord */
  MT_TYPE_BOOLEAN,  /* gint64 0 or 1, printed as yes and no */
} MtFieldType;

/* In the order in which they are printed. */
#define MT_FIELDS(X) \
  X(QUEUE_ID, "queue_id", TEXT) \
  X(ACCOUNT, "account", TEXT) \
  X(SERVICE, "service", WORD) \
  X(CLIENT_IP, "client_ip", IP) \
  X(CLIENT_NAME, "client_name", TEXT) \
  X(CLIENT_PORT, "client_port", INTEGER) \
  X(LOCAL_IP, "local_ip", IP) \
  X(LOCAL_PORT, "local_port", INTEGER) \
  X(AUTH_USER, "auth_user", TEXT) \
  X(AUTH_METHOD, "auth_method", TEXT) \
  X(TLS, "tls", BOOLEAN) \
  X(UID, "uid", INTEGER) \
  X(ORIG_QUEUE_ID, "orig_queue_id", TEXT) \
  X(ORIG_CLIENT_IP, "orig_client_ip", IP) \
  X(ORIG_CLIENT_NAME, "orig_client_name", TEXT) \
  X(PROTOCOL, "protocol", TEXT) \
  X(MESSAGE_ID, "message_id", TEXT) \
  X(SENDER, "sender", TEXT) \
  X(RECIPIENT, "recipient", TEXT) \
  X(ORIG_RECIPIENT, "orig_recipient", TEXT) \
  X(SIZE, "size", INTEGER) \
  X(NRCPT, "nrcpt", INTEGER) \
  X(SUBJECT, "subject", TEXT) \
  X(RELAY_NAME, "relay_name", TEXT) \
  X(RELAY_IP, "relay_ip", IP) \
  X(RELAY_PORT, "relay_port", INTEGER) \
  X(TRANSPORT, "transport", TEXT) \
  X(DELAY, "delay", DURATION) \
  X(DSN, "dsn", TEXT) \
  X(STATUS, "status", WORD) \
  X(REPLY, "reply", TEXT) \
  X(NEXT_QUEUE_ID, "next_queue_id", TEXT) \
  X(CHILD_QUEUE_ID, "child_queue_id", TEXT) \
  X(KIND, "kind", WORD) \
  X(ACTION, "action", WORD) \
  X(STAGE, "stage", TEXT) \
  X(HELO, "helo", TEXT) \
  X(CODE, "code", INTEGER) \
  X(REASON, "reason", TEXT) \
  X(ATTEMPTS, "attempts", INTEGER) \
  X(IN_BYTES, "in_bytes", INTEGER) \
  X(OUT_BYTES, "out_bytes", INTEGER) \
  X(DELETED, "deleted", INTEGER) \
  X(EXPUNGED, "expunged", INTEGER) \
  X(TRASHED, "trashed", INTEGER) \
  X(CLIENT, "client", TEXT) \
  X(MAILBOX, "mailbox", TEXT) \
  X(TARGET, "target", TEXT) \
  X(FILTER, "filter", TEXT) \
  X(SCORE, "score", REAL) \
  X(REQUIRED, "required", REAL) \
  X(SYMBOLS, "symbols", TEXT) \
  X(VIRUS, "virus", TEXT) \
  X(SPF, "spf", TEXT) \
  X(DKIM, "dkim", TEXT) \
  X(DMARC, "dmarc", TEXT) \
  X(QUARANTINE, "quarantine", TEXT) \
  X(DIRECTION, "direction", WORD) \
  X(VERB, "verb", TEXT) \
  X(ARGUMENT, "argument", TEXT) \
  X(TEXT, "text", TEXT) \
  X(TLS_VERSION, "tls_version", TEXT) \
  X(CIPHER, "cipher", TEXT) \
  X(COUNT, "count", INTEGER) \
  X(SESSION, "session", TEXT) \
  X(QP, "qp", INTEGER)

typedef enum
{
#define X(id, name, type) MT_F_##id,
  MT_FIELDS(X)
#undef X
      MT_FIELD_COUNT
} MtField;

/* The words that fields of type WORD take, all in one list.  Stores keep them by
 * number: new ones go to the end. */
#define MT_WORDS(X) \
  X(NONE, "") \
  /* status of a delivery */ \
  X(SENT, "sent") \
  X(DEFERRED, "deferred") \
  X(BOUNCED, "bounced") \
  X(EXPIRED, "expired") \
  X(DISCARDED, "discarded") \
  X(DELIVERABLE, "deliverable") \
  X(UNDELIVERABLE, "undeliverable") \
  /* action at SMTP time */ \
  X(REJECT, "reject") \
  X(WARN, "warn") \
  X(HOLD, "hold") \
  X(DISCARD, "discard") \
  X(REDIRECT, "redirect") \
  X(FILTER, "filter") \
  X(DEFER, "defer") \
  /* service */ \
  X(IMAP, "imap") \
  X(POP3, "pop3") \
  X(SMTP, "smtp") \
  X(MANAGESIEVE, "managesieve") \
  X(WEBMAIL, "webmail") \
  /* what a mailbox did with a message */ \
  X(STORED, "stored") \
  X(FORWARDED, "forwarded") \
  X(REJECTED, "rejected") \
  X(VACATION, "vacation") \
  /* what happened in a mailbox */ \
  X(SAVE, "save") \
  X(COPY, "copy") \
  X(DELETE, "delete") \
  X(UNDELETE, "undelete") \
  X(EXPUNGE, "expunge") \
  X(MAILBOX_CREATE, "mailbox_create") \
  X(MAILBOX_DELETE, "mailbox_delete") \
  X(MAILBOX_RENAME, "mailbox_rename") \
  X(APPEND, "append") \
  X(FLAG_CHANGE, "flag_change") \
  /* kind of a notification */ \
  X(BOUNCE, "bounce") \
  X(DELAY, "delay") \
  X(SUCCESS, "success") \
  /* a filter's verdict */ \
  X(PASS, "pass") \
  X(BLOCK, "block") \
  X(TAG, "tag") \
  X(GREYLIST, "greylist") \
  X(QUARANTINE, "quarantine") \
  X(TEMPFAIL, "tempfail") \
  X(REWRITE_SUBJECT, "rewrite-subject") \
  /* direction of a dialogue */ \
  X(IN, "in") \
  X(OUT, "out")

typedef enum
{
#define X(id, name) MT_WORD_##id,
  MT_WORDS(X)
#undef X
      MT_WORD_COUNT
} MtWord;

/* An address keeps the text it was logged as, too. */
typedef struct
{
  MtIp ip;
  MtSpan text;
} MtLoggedIp;

typedef union
{
  MtSpan text;
  gint64 number;
  gdouble real;
  MtLoggedIp address;
  MtWord word;
} MtValue;

typedef struct
{
  MtEventKind kind;
  const gchar *dialect; /* "postfix"; NULL for MT_EVENT_OTHER */
  gconstpointer rule;   /* the MtRule that matched; for tests */
  guint part, parts;    /* which of how many events the line says */
  guint64 has[2];       /* bit per MtField */
  MtValue value[MT_FIELD_COUNT];
} MtEvent;

G_STATIC_ASSERT(MT_FIELD_COUNT <= 128);

const gchar *mt_event_kind_name(MtEventKind kind);
const gchar *mt_field_name(MtField field);
/* mt_field_type: which member of MtValue the field uses. */
MtFieldType mt_field_type(MtField field);
const gchar *mt_word_name(MtWord word);

/* mt_field_by_name, mt_word_by_name, mt_event_kind_by_name: -1 where there is none. */
gint mt_field_by_name(MtSpan name);
gint mt_word_by_name(MtSpan name);
gint mt_event_kind_by_name(MtSpan name);

static inline void
mt_event_clear(MtEvent *event)
{
  event->kind = MT_EVENT_OTHER;
  event->dialect = NULL;
  event->rule = NULL;
  event->part = 0;
  event->parts = 1;
  event->has[0] = event->has[1] = 0;
}

static inline gboolean
mt_event_has(const MtEvent *event, MtField field)
{
  return event->has[field >> 6] >> (field & 63) & 1;
}

static inline MtValue *
mt_event_add(MtEvent *event, MtField field)
{
  event->has[field >> 6] |= G_GUINT64_CONSTANT(1) << (field & 63);
  return &event->value[field];
}

static inline void
mt_event_drop(MtEvent *event, MtField field)
{
  event->has[field >> 6] &= ~(G_GUINT64_CONSTANT(1) << (field & 63));
}

static inline void
mt_event_set_text(MtEvent *event, MtField field, MtSpan text)
{
  mt_event_add(event, field)->text = text;
}

#define MT_EVENT_SET_LITERAL(event, field, literal) \
  mt_event_set_text((event), (field), MT_SPAN(literal))

static inline void
mt_event_set_number(MtEvent *event, MtField field, gint64 number)
{
  mt_event_add(event, field)->number = number;
}

static inline void
mt_event_set_word(MtEvent *event, MtField field, MtWord word)
{
  mt_event_add(event, field)->word = word;
}

static inline void
mt_event_set_real(MtEvent *event, MtField field, gdouble real)
{
  mt_event_add(event, field)->real = real;
}

/* mt_event_set_ip: sets the field if @text is an address; else leaves it absent. */
static inline gboolean
mt_event_set_ip(MtEvent *event, MtField field, MtSpan text)
{
  if (!mt_ip_parse(text, &event->value[field].address.ip))
    return FALSE;
  mt_event_add(event, field)->address.text = text;
  return TRUE;
}

/* Readers: the field's value, or nothing (empty span, the default, NULL). */
static inline MtSpan
mt_event_text(const MtEvent *event, MtField field)
{
  return mt_event_has(event, field) ? event->value[field].text : MT_NO_SPAN;
}

static inline gint64
mt_event_number(const MtEvent *event, MtField field, gint64 otherwise)
{
  return mt_event_has(event, field) ? event->value[field].number : otherwise;
}

static inline MtWord
mt_event_word(const MtEvent *event, MtField field)
{
  return mt_event_has(event, field) ? event->value[field].word : MT_WORD_NONE;
}

static inline const MtIp *
mt_event_ip(const MtEvent *event, MtField field)
{
  return mt_event_has(event, field) ? &event->value[field].address.ip : NULL;
}

/* mt_event_ip_text: the address as it was logged. */
static inline MtSpan
mt_event_ip_text(const MtEvent *event, MtField field)
{
  return mt_event_has(event, field) ? event->value[field].address.text : MT_NO_SPAN;
}

/* mt_event_append_value: appends the field's value as text, not yet cleaned or
 * quoted; the field must be there. */
void mt_event_append_value(const MtEvent *event, MtField field, GString *to);

/* mt_event_append_json: appends the line's event as one JSON object, without a
 * line end: time, host, program, pid, dialect, event, then the fields. */
void mt_event_append_json(const MtEvent *event, const MtLine *line, GString *to);

#endif
