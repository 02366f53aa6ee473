/* trail.h: events become records
 *
 * Layer: trail.  Concurrency: one owner's thread; nothing is locked.
 *
 * Folds what lines say into messages with their deliveries, logins, refusals and
 * the rest (rows.h).  Correlation goes by the lines' own times.  Memory is a cache:
 * what was flushed and is not touched may leave it, and is found again through the
 * backing; mt_trail_reset() forgets all of it.
 */
#ifndef MT_TRAIL_TRAIL_H
#define MT_TRAIL_TRAIL_H

#include "scan/hash.h"
#include "scan/text.h"
#include "trail/backing.h"
#include "trail/batch.h"

typedef struct MtTrail MtTrail;

typedef struct
{
  const GArray *local_networks;      /* MtNetwork: clients that are ours */
  const gchar *const *local_domains; /* NULL-terminated (nullable): domains that live here */
  gboolean learn_domains;            /* also take those that mail is delivered into here */
  gboolean store_subject;
  gboolean store_unknown_accounts;
  const gchar *const *ignore_mail;   /* NULL-terminated (nullable) */
  const gchar *const *ignore_access; /* NULL-terminated (nullable) */
  guint max_messages;                /* kept in memory beyond a batch */
} MtTrailSettings;

/* Default for max_messages: about 7 MiB.  An import has more, so that hardly anything is looked up
 * while the batch before is being written. */
#define MT_TRAIL_MAX_MESSAGES 10000
#define MT_TRAIL_MAX_MESSAGES_BULK 40000

/* What is on disk already when the trail begins, so that it need not look. */
typedef struct
{
  MtTime horizon; /* no message on disk was touched later; MT_NO_TIME: there is none */
  MtTrailIds ids;
} MtTrailStart;

#define MT_TRAIL_COUNTERS(X) \
  X(orphaned)  /* lines that name what was never seen */ \
  X(evicted)   /* records that left memory for the disk */ \
  X(late)      /* lines that found their record only on disk */ \
  X(dropped)   /* lines of no use: no queue ID, no time */ \
  X(untrusted) /* lines of writers that are not believed */

typedef struct
{
#define X(name) guint64 name;
  MT_TRAIL_COUNTERS(X)
#undef X
} MtTrailCounters;

/* What a pushed line told that the watch wants to know. */
typedef enum
{
  MT_FACT_NONE,
  MT_FACT_LOGIN,      /* access is new */
  MT_FACT_FAILURE,    /* count more failed attempts, or who or whence it was */
  MT_FACT_SENT,       /* account has handed in mail for count recipients */
  MT_FACT_UNKNOWN,    /* one of its recipients does not exist */
  MT_FACT_BLOCKLISTED /* a server refuses us as one that is on a list */
} MtFactKind;

typedef struct
{
  MtFactKind kind;
  gint64 count;
  MtTime at;
  MtWord service;
  MtIp ip;
  gboolean has_ip;
  /* Borrowed from the line or the record; valid until the next push. */
  MtSpan account;
  MtSpan session;
  MtSpan host;
  MtSpan reason; /* of a failure, a reply */
  MtSpan relay;  /* who replied */
  /* Where the record wants to be told of the client's place; see mt_trail_set_place(). */
  gpointer record;
} MtFact;

/* What the geo layer knows of a client, as far as rows keep it. */
typedef struct
{
  MtCountry country;
  MtSpan country_name;
  MtSpan city;
  gint64 asn;
} MtClientPlace;

/* mt_trail_new: @settings and @backing (transfer none) outlive the trail. */
MtTrail *mt_trail_new(const MtTrailSettings *settings, const MtTrailBacking *backing,
                      const MtHashKey *key);
void mt_trail_free(MtTrail *trail);

/* mt_trail_reset: forgets every record; the disk is the truth again.  Must be called
 * once before the first push, after a failed commit, and when another wrote. */
void mt_trail_reset(MtTrail *trail, const MtTrailStart *start);

/* mt_trail_learn_domain: @domain lives here (read back from the store). */
void mt_trail_learn_domain(MtTrail *trail, MtSpan domain);

/* mt_trail_learn_account: @account has logged in here before. */
void mt_trail_learn_account(MtTrail *trail, MtSpan account);

/* mt_trail_knows_account: it has logged in here. */
gboolean mt_trail_knows_account(const MtTrail *trail, MtSpan account);

/* mt_trail_shown_account: the account of a failed login as it may be kept and shown.
 * What is no account here may be a password typed in the wrong field: its middle is
 * masked.  @masked: room for that.  Returns: @account, or a span of @masked. */
MtSpan mt_trail_shown_account(MtTrail *trail, MtSpan account, gchar masked[MT_MASKED_BYTES]);

/* mt_trail_push: folds one event.  @fact: filled. */
void mt_trail_push(MtTrail *trail, const MtLine *line, const MtEvent *event, MtFact *fact);

/* mt_trail_next_fact: what else the last push told, one after the other.  FALSE: no more. */
gboolean mt_trail_next_fact(MtTrail *trail, MtFact *fact);

/* mt_trail_set_place: keeps the place of the client with the fact's record. */
void mt_trail_set_place(MtTrail *trail, const MtFact *fact, const MtClientPlace *place);

/* mt_trail_flush: all that was touched since the last flush.  (transfer full)
 * @locate: tells the country of clients that have an address (nullable). */
typedef void (*MtLocate)(gpointer user, const MtIp *ip, MtCountry country);
MtBatch *mt_trail_flush(MtTrail *trail, MtLocate locate, gpointer user);

/* mt_trail_recycle: the batch is done with; its memory serves the next.  @batch: (transfer
 * full) one of mt_trail_flush()'s. */
void mt_trail_recycle(MtTrail *trail, MtBatch *batch);

/* mt_trail_committed: what was flushed is on disk.  Lets records leave memory.
 * mt_trail_submitted: it is on its way there, and what is asked of the backing meanwhile may be
 * answered without it: messages of the batch stay in memory until the next one is. */
void mt_trail_committed(MtTrail *trail);
void mt_trail_submitted(MtTrail *trail);

/* mt_trail_counters: since mt_trail_new(). (transfer none) */
const MtTrailCounters *mt_trail_counters(const MtTrail *trail);

/* mt_trail_live: messages in memory now. */
gsize mt_trail_live(const MtTrail *trail);

/* mt_trail_live_bytes: what these take with their deliveries and texts, and the tables that find
 * them, which have a size of their own where there are none. */
gsize mt_trail_live_bytes(const MtTrail *trail);

#endif
