/* dialect.h: how a family of mail programs writes its lines
 *
 * Layer: dialects.  Concurrency: any thread; an MtParser belongs to its caller.
 *
 * A dialect is one file of tables: which programs it answers to, and for each an
 * ordered list of recognisers.  Dispatch is by program name first, then by
 * anchored prefixes; nothing is searched for in the middle of a line, so no text
 * that a client controls can make one line look like another.  What is written
 * here is reentrant and allocates nothing.
 */
#ifndef MT_DIALECTS_DIALECT_H
#define MT_DIALECTS_DIALECT_H

#include "event/event.h"

typedef enum
{
  MT_PARSE_MATCH,     /* the event is filled */
  MT_PARSE_SKIP,      /* not this one; another recogniser may know the line */
  MT_PARSE_MALFORMED, /* this one, but a required part is missing */
} MtParse;

/* How a key's value is written, and into which field it goes. */
typedef enum
{
  MT_KEY_ANGLE, /* <text>, see mt_scan_angle() */
  MT_KEY_TOKEN, /* up to ',' or ' ' or the end */
  MT_KEY_ITEM,  /* up to ", " or the end; may hold spaces */
  MT_KEY_INTEGER,
  MT_KEY_DURATION, /* seconds */
  MT_KEY_DSN,
  MT_KEY_IP,
  MT_KEY_CLIENT, /* name[ip] or name[ip]:port: client_name, client_ip, client_port */
  MT_KEY_REST,   /* all that follows */
  MT_KEY_FUNC,   /* func reads it */
} MtKeyKind;

typedef MtParse (*MtRuleFunc)(MtCursor *cur, MtEvent *event);

typedef struct
{
  MtSpan name;
  guint64 head, mask; /* the first bytes of "name=" */
  MtKeyKind kind;
  MtField field;
  MtRuleFunc func;
} MtKey;

#define MT_KEY_WORDS(name) MT_HEAD_WORD(name "="), MT_HEAD_MASK(name "=")
#define MT_KEY(name, kind, field) \
  { \
    MT_SPAN_INIT(name), MT_KEY_WORDS(name), MT_KEY_##kind, MT_F_##field, NULL \
  }
#define MT_KEY_CALL(name, func) \
  { \
    MT_SPAN_INIT(name), MT_KEY_WORDS(name), MT_KEY_FUNC, 0, func \
  }
#define MT_KEYS_END \
  { \
    { NULL, 0 }, 0, 0, 0, 0, NULL \
  }

/* A recogniser.  With keys, the text from the prefix on is walked as key=value
 * list first; func then gets what the walk left, or without keys what follows
 * the prefix.  Where several prefixes fit, the longest decides, however the table
 * is ordered: tests hold tables to it. */
typedef struct
{
  MtSpan prefix;
  guint64 head, mask; /* the prefix' first bytes: nearly all rules are passed over by them */
  guint64 tail;       /* the last */
  MtEventKind event;
  const MtKey *keys;
  MtRuleFunc func;
} MtRule;

#define MT_RULE(prefix, event, keys, func) \
  { \
    MT_SPAN_INIT(prefix), MT_HEAD_WORD(prefix), MT_HEAD_MASK(prefix), MT_TAIL_WORD(prefix), \
        MT_EVENT_##event, keys, func \
  }
#define MT_RULES_END \
  { \
    { NULL, 0 }, 0, 0, 0, 0, NULL, NULL \
  }

/* How sure a dialect is that a program is its own. */
typedef enum
{
  MT_CLAIM_NONE,
  MT_CLAIM_SHAPE, /* only the text can tell: the dialect is asked line by line */
  MT_CLAIM_NAME,
} MtClaimStrength;

typedef struct MtDialect MtDialect;

/* What a program name says, found once for each name. */
typedef struct
{
  const MtDialect *dialect;
  MtClaimStrength strength;
  gconstpointer daemon; /* the dialect's own */
} MtClaim;

/* A log that is no syslog: the program writes a file of its own, with heads of its own. */
typedef struct MtStream MtStream;

typedef struct
{
  /* sniff: how sure one raw line makes us that the file is of this format: 0 not at all,
   * up to 100.  A syslog line gives 0. */
  gint (*sniff)(MtSpan raw);
  /* head: takes a raw line apart as mt_line_scan() does: time, host and pid where there
   * are any, program (a literal that the dialect claims by name) and text.  FALSE: no line
   * of the format (a header, an empty line, the rest of a broken one): it says nothing. */
  gboolean (*head)(MtSpan raw, MtStream *stream, MtLine *out);
} MtFileFormat;

struct MtDialect
{
  const gchar *name;
  /* claim: fills claim->strength and claim->daemon. */
  void (*claim)(MtSpan program, MtClaim *claim);
  /* parse: reads line->text.  MT_PARSE_SKIP: a line of this dialect's programs that
   * no recogniser knows, or, under MT_CLAIM_SHAPE, not a line of it at all. */
  MtParse (*parse)(const MtLine *line, const MtClaim *claim, MtEvent *event);
  /* All rule tables, NULL-terminated: for tests, fuzz dictionaries, docs. */
  const MtRule *const *rules;
  /* NULL where the programs log to syslog only. */
  const MtFileFormat *file;
};

/* mt_rules_apply: the first rule whose prefix fits and whose func does not skip.
 * Returns: MT_PARSE_SKIP if there is none; the event is then as it was. */
MtParse mt_rules_apply(const MtRule *rules, MtSpan text, MtEvent *event);

/* mt_key_at: which of @keys, "name=" and all, @cur is at, and past it.  @from: where in @keys to
 * look first; NULL: at the beginning.
 * Returns: NULL, cursor untouched, where it is none of them. */
const MtKey *mt_key_at(const MtKey *keys, const MtKey *from, MtCursor *cur);

/* mt_keys_walk: reads "key=value, key=value" (also with single spaces between)
 * into the event.  Unknown keys are passed over, a field that is there stays.
 * Stops at the first text that is no key=. */
void mt_keys_walk(const MtKey *keys, MtCursor *cur, MtEvent *event);

/* The three fields that a peer goes into; MT_FIELD_COUNT: none for that part. */
typedef struct
{
  MtField name;
  MtField ip;
  MtField port;
} MtPeerFields;

/* mt_scan_peer: "name[ip]" or "name[ip]:port" as Postfix writes a peer
 * (src/smtpd/smtpd_peer.c, src/smtp/smtp_session.c).  "unknown" as a name is left
 * out, as is an address that is none.
 * Returns: FALSE, cursor untouched, where the text is no such thing. */
gboolean mt_scan_peer(MtCursor *cur, MtEvent *event, const MtPeerFields *fields);

/* mt_scan_mailbox: an address up to a space, or empty; in quotes (RFC 5321 4.1.2) it may
 * hold spaces.  Returns: FALSE, cursor untouched, where a quote is never closed. */
gboolean mt_scan_mailbox(MtCursor *cur, MtSpan *out);

extern const MtPeerFields mt_client_fields; /* client_name, client_ip, client_port */
extern const MtPeerFields mt_relay_fields;  /* relay_name, relay_ip, relay_port */

/* mt_read_answer: "550 5.1.1 text": code, dsn, and the text as reason, as far as there. */
void mt_read_answer(MtSpan text, MtEvent *event);

/* mt_read_next_queue_id: the queue ID that a 2xx reply says the message goes on under. */
void mt_read_next_queue_id(MtSpan reply, MtEvent *event);

/* mt_read_lmtp_session: the session of Dovecot's LMTP server in its reply. */
void mt_read_lmtp_session(MtSpan reply, MtEvent *event);

/* mt_event_keep: one event of a line that says several: of the fields only these, to
 * MT_FIELD_COUNT, are its own. */
void mt_event_keep(MtEvent *event, MtEventKind kind, const MtField *fields);

/* mt_take_reason, mt_take_line: for rules: what follows the prefix is the reason; the
 * whole line is, prefix and all. */
MtParse mt_take_reason(MtCursor *cur, MtEvent *event);
MtParse mt_take_line(MtCursor *cur, MtEvent *event);

/* ---- what filters have in common ------------------------------------------------ */

/* A program and what the dialect keeps of it. */
typedef struct
{
  MtSpan name;
  gconstpointer daemon;
} MtProgram;

#define MT_PROGRAM(name, daemon) \
  { \
    MT_SPAN_INIT(name), daemon \
  }
#define MT_PROGRAMS_END \
  { \
    { NULL, 0 }, NULL \
  }

/* mt_claim_program: claims by name where the program is one of @programs, also with a
 * path or a prefix in front ("/usr/sbin/amavisd"). */
void mt_claim_program(const MtProgram *programs, MtSpan program, MtClaim *claim);

/* mt_scan_word: letters, digits, '-' and '_': IDs of any mail server, words of a protocol. */
gboolean mt_scan_word(MtCursor *cur, MtSpan *out);

/* mt_scan_queue_id: the queue ID of any mail server, as milters are told it: a word of 4
 * to 31 bytes with a digit or all in capitals. */
gboolean mt_scan_queue_id(MtCursor *cur, MtSpan *out);

/* mt_read_symbols: sets spf, dkim, dmarc and virus from the names of tests in
 * "NAME(1.0){...},NAME", "NAME=1.0,NAME" or "NAME,NAME" (SpamAssassin, amavis, rspamd). */
void mt_read_symbols(MtSpan symbols, MtEvent *event);

/* mt_scan_result: a result of SPF, DKIM or DMARC (RFC 8601 2.7) in any case.
 * Returns: FALSE, cursor untouched, where it is none; @out is a literal. */
gboolean mt_scan_result(MtCursor *cur, MtSpan *out);

/* A prefix or a word, and what it stands for. */
typedef struct
{
  MtSpan text;
  MtWord word;
} MtWordOf;

/* mt_word_of: the word that all of @text stands for; MT_WORD_NONE where there is none. */
MtWord mt_word_of(const MtWordOf *words, guint n_words, MtSpan text);

/* A parser remembers which program names belong to whom. */
#define MT_PARSER_SLOTS 256
#define MT_PARSER_NAME_BYTES 48

typedef struct
{
  const MtDialect *only;
  struct
  {
    guint8 len;
    guint64 first, last; /* bytes of the name: all, where it has no more than both */
    gchar name[MT_PARSER_NAME_BYTES];
    MtClaim claim;
    guint64 shapes; /* where no dialect claims by name: a bit for each to be asked */
  } slot[MT_PARSER_SLOTS];
} MtParser;

/* mt_parser_init: @only: the single dialect to read by, or NULL for all. */
void mt_parser_init(MtParser *parser, const MtDialect *only);

/* mt_parser_parse: what @line says.  The event's spans borrow from the line.
 * @event: always filled; kind MT_EVENT_UNKNOWN or MT_EVENT_OTHER where nothing
 * is known.  A line that tells of several recipients at once says one event for each:
 * event->parts of them; this gives the first. */
void mt_parser_parse(MtParser *parser, const MtLine *line, MtEvent *event);

/* mt_parser_parse_part: the others, from 1 on. */
void mt_parser_parse_part(MtParser *parser, const MtLine *line, guint part, MtEvent *event);

/* One file, or one source of raw lines: which format it has is found from its first
 * lines, and kept; lines of another among them are read as what they are, and change the format
 * only where more of them come in a row than came of it, or one is a header.  Belongs to one
 * thread. */
#define MT_STREAM_COLUMNS 64

struct MtStream
{
  MtClock clock;
  const MtDialect *only;    /* the single dialect to read by; NULL: any */
  const MtFileFormat *file; /* NULL: syslog, or not yet known */
  guint undecided;          /* lines that could still be anything */
  guint run, strays;        /* lines in a row of the format it has; since, of another */
  MtSpan host;              /* of lines that state none */
  /* For heads that need what a line before said. */
  gint64 date_s;                     /* midnight of the last stated date, local, in seconds */
  guint8 columns[MT_STREAM_COLUMNS]; /* what each column of a table holds */
  guint n_columns;
};

/* mt_stream_init: @clock is taken over as it is. */
void mt_stream_init(MtStream *stream, const MtClock *clock, const MtDialect *only, MtSpan host);

/* mt_stream_head: takes a raw line apart by what the stream is.  FALSE: it has no head that
 * is known; the text is then the whole line. */
gboolean mt_stream_head(MtStream *stream, MtSpan raw, MtLine *out);

/* mt_dialects: all dialects, NULL-terminated, in alphabetical order. */
extern const MtDialect *const mt_dialects[];

/* mt_dialect_by_name: NULL where there is none. */
const MtDialect *mt_dialect_by_name(const gchar *name);

#endif
