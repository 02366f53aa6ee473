/* watch.h: suspicious logins
 *
 * Layer: watch.  Concurrency: one owner's thread; nothing is locked.
 *
 * Looks at logins, failed logins and what accounts send as it is recorded and says what
 * is suspicious in it.  Time is the line's own, so that a replay alerts alike; what must
 * outlive a restart is in the store: failures and alerts are read back, baselines and
 * known devices are kept there.
 *
 * Nothing an attacker sends makes it grow (numbers: watch.c).  What outsiders choose,
 * addresses and made-up names, is counted in one table of bounded size, whose oldest
 * entries go.  Windows of accounts that have logged in are counted in another; baselines
 * and known devices are made by logins only, and what leaves memory is on disk.
 */
#ifndef MT_WATCH_WATCH_H
#define MT_WATCH_WATCH_H

#include "scan/hash.h"
#include "watch/baseline.h"
#include "watch/policy.h"

typedef enum
{
  MT_SIGHTING_LOGIN,
  MT_SIGHTING_FAILURE,
  MT_SIGHTING_SENT,        /* an account hands in a message for count recipients */
  MT_SIGHTING_UNKNOWN,     /* one of its recipients does not exist */
  MT_SIGHTING_BLOCKLISTED, /* a remote server refuses us, naming a list */
} MtSightingKind;

/* Spans are borrowed. */
typedef struct
{
  MtSightingKind kind;
  MtTime at;
  gint64 count; /* attempts, recipients; may be 0: only who it was is new */
  gboolean has_ip;
  MtIp ip;
  MtSpan account;         /* may be empty */
  MtSpan shown;           /* as it may be shown: masked where it is none of ours */
  gint32 tag;             /* of a masked account from the disk, MT_NO_TAG: it is whole */
  gboolean account_known; /* it has logged in here */
  MtSpan session;
  MtSpan reason; /* of a failure, a reply */
  MtSpan relay;  /* who replied */
  const MtPlace *place;
} MtSighting;

typedef struct MtWatch MtWatch;

/* What the watch needs from the disk; see docs/architecture.md, the one inversion. */
typedef struct
{
  gpointer self;
  /* What MtPairSeen says of this key, MT_NO_TIME: never. */
  MtTime (*pair_seen)(gpointer self, guint64 key);
  /* Fills the baseline of its account.  FALSE: there is none. */
  gboolean (*baseline)(gpointer self, MtBaseline *baseline);
} MtWatchBacking;

extern const MtWatchBacking mt_watch_backing_null;

/* When a source last logged in to an account, or a rule last found something for a key;
 * to be kept on disk. */
typedef struct
{
  guint64 key;
  MtTime at;
} MtPairSeen;

/* Alerts that were held back for an account; to be kept on disk. */
typedef struct
{
  gchar *account;
  MtTime first;        /* when the first of them was */
  gchar rule[32];      /* of the last of them */
  MtSeverity severity; /* the highest of them */
  gint64 count;        /* 0: it has been told */
} MtSuppressed;

/* A sighting with what is known of it: what rules look at. */
typedef struct MtLook MtLook;

/* A rule: one file, one line in mt_watch_rules. */
typedef struct
{
  const gchar *name;
  MtRuleSettings defaults;
  guint sees;  /* which sightings: bits 1 << MT_SIGHTING_* */
  guint needs; /* which databases: MT_GEO_HAS_*; without one it is off */
  void (*push)(MtWatch *watch, guint index, const MtLook *look);
} MtWatchRule;

extern const MtWatchRule *const mt_watch_rules[]; /* NULL-terminated */
guint mt_watch_rule_count(void);

/* mt_watch_rule_by_name: -1 where there is none. */
gint mt_watch_rule_by_name(const gchar *name);

/* mt_watch_new: @backing (transfer none) outlives the watch.  @excluded: (transfer none)
 * (nullable): MtNetwork that are never suspicious, for anybody. */
MtWatch *mt_watch_new(const MtWatchBacking *backing, const MtHashKey *key, const GArray *excluded);
void mt_watch_free(MtWatch *watch);

/* mt_watch_set_policy: from now on; takes a reference. */
void mt_watch_set_policy(MtWatch *watch, MtPolicy *policy);

/* mt_watch_rules_off: the names of enabled rules that cannot do without a database that
 * is not among @has (MT_GEO_HAS_*), with commas; NULL: none. (transfer full) */
gchar *mt_watch_rules_off(const MtWatch *watch, guint has);

/* mt_watch_reset: forgets all that is in memory; the disk is the truth again. */
void mt_watch_reset(MtWatch *watch);

/* mt_watch_recall, mt_watch_recall_suppressed: what is in the store: an account's share
 * of alerts is counted on. */
void mt_watch_recall(MtWatch *watch, const MtAlert *alert);
void mt_watch_recall_suppressed(MtWatch *watch, const MtSuppressed *suppressed);

/* mt_watch_push: what it finds is appended to mt_watch_alerts().  With @quiet nothing
 * is found, only counted: a replay of failures that the store knows. */
void mt_watch_push(MtWatch *watch, const MtSighting *sighting, gboolean quiet);

/* A baseline as it is written. */
typedef struct
{
  MtSpan account;
  MtTime first, last; /* MT_NO_TIME: no login yet */
  gint64 logins, days, busiest_hour;
  MtSpan data; /* mt_baseline_to_text() */
} MtBaselineRow;

/* What is to be written; nothing in it points back into the watch, so that it may be handed to
 * another thread whole. */
typedef struct
{
  GArray *alerts;      /* MtAlert */
  GArray *pairs;       /* MtPairSeen */
  GArray *baselines;   /* MtBaselineRow */
  GArray *suppressed;  /* MtSuppressed */
  GStringChunk *texts; /* of the last two */
} MtWatchWork;

/* mt_watch_alerts: what has been found since the last mt_watch_take(): MtAlert. */
const GArray *mt_watch_alerts(const MtWatch *watch);

/* mt_watch_take: all that came since the last time.  What cannot be written is to be forgotten
 * with a reset. (transfer full) */
MtWatchWork *mt_watch_take(MtWatch *watch);
void mt_watch_work_free(MtWatchWork *work);

/* mt_watch_longest_window_s: how far back failures must be replayed. */
gint64 mt_watch_longest_window_s(const MtWatch *watch);

/* mt_watch_bytes: what its tables of windows take now. */
gsize mt_watch_bytes(const MtWatch *watch);

#endif
