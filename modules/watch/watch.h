/* watch.h: suspicious logins
 *
 * Layer: watch.  Concurrency: one owner's thread; nothing is locked.
 *
 * Looks at logins and failed logins as they are recorded and says what is suspicious
 * in them.  Time is the line's own, so that a replay alerts alike.  All windows are
 * bounded: past their bounds the oldest is forgotten.
 */
#ifndef MT_WATCH_WATCH_H
#define MT_WATCH_WATCH_H

#include "geo/geo.h"
#include "scan/hash.h"
#include "watch/policy.h"

typedef enum
{
  MT_SIGHTING_LOGIN,
  MT_SIGHTING_FAILURE,
} MtSightingKind;

/* One login, or some failed attempts at once; spans are borrowed. */
typedef struct
{
  MtSightingKind kind;
  MtTime at;
  gint64 count; /* attempts */
  MtIp ip;
  MtSpan account; /* may be empty */
  MtSpan shown;   /* the account as it may be shown: masked where it is none of ours */
  MtSpan session;
  MtSpan host;
  const gchar *service;
  const MtPlace *place;
} MtSighting;

typedef struct MtWatch MtWatch;

/* What the watch needs from the disk; see docs/architecture.md, the one inversion. */
typedef struct
{
  gpointer self;
  /* When this source last logged in to this account (key), MT_NO_TIME: never. */
  MtTime (*pair_seen)(gpointer self, guint64 key);
} MtWatchBacking;

extern const MtWatchBacking mt_watch_backing_null;

/* When a source last logged in to an account; to be kept on disk. */
typedef struct
{
  guint64 key;
  MtTime at;
} MtPairSeen;

/* A rule: one file, one line in mt_watch_rules. */
typedef struct
{
  const gchar *name;
  MtRuleSettings defaults;
  const gchar *needs; /* what database it cannot do without, "country"; nullable */
  /* What an alert is raised for: its cooldown goes by it. */
  guint64 (*key)(const MtWatch *watch, guint index, const MtSighting *sighting);
  void (*push)(MtWatch *watch, guint index, const MtSighting *sighting);
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

/* mt_watch_reset: forgets all windows. */
void mt_watch_reset(MtWatch *watch);

/* mt_watch_recall: an alert that is in the store: its cooldown goes on. */
void mt_watch_recall(MtWatch *watch, const MtAlert *alert);

/* mt_watch_push: what it finds is appended to mt_watch_alerts().  With @quiet nothing
 * is found, only learned: a replay of what the store knows. */
void mt_watch_push(MtWatch *watch, const MtSighting *sighting, gboolean quiet);

/* mt_watch_alerts, mt_watch_pairs: what came since mt_watch_settle(): MtAlert,
 * MtPairSeen. */
GArray *mt_watch_alerts(MtWatch *watch);
GArray *mt_watch_pairs(MtWatch *watch);
void mt_watch_settle(MtWatch *watch);

/* mt_watch_longest_window_s: how far back a replay must go. */
gint64 mt_watch_longest_window_s(const MtWatch *watch);

#endif
