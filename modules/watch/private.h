/* private.h: what rules are made of
 *
 * Layer: watch, for its rules only.  Concurrency: the watch's owner only.
 */
#ifndef MT_WATCH_PRIVATE_H
#define MT_WATCH_PRIVATE_H

#include "watch/watch.h"
#include "watch/window.h"

/* In the order of docs/alerts.md. */
#define MT_WATCH_RULES(X) \
  X(unusual_country) \
  X(new_country) \
  X(impossible_travel) \
  X(brute_force) \
  X(password_spray) \
  X(distributed_brute_force) \
  X(login_after_failures) \
  X(many_sources) \
  X(anonymous_ip) \
  X(outgoing_burst) \
  X(blocklisted)

#define X(name) MT_RULE_##name,
enum
{
  MT_WATCH_RULES(X) MT_RULE_COUNT
};
#undef X

#define X(name) extern const MtWatchRule mt_watch_rule_##name;
MT_WATCH_RULES(X)
#undef X

#define MT_SEES(kind) (1u << MT_SIGHTING_##kind)

/* A source that has logged in to an account within this time is no attacker of it. */
#define MT_KNOWN_PAIR_US (30 * MT_DAY_US)

struct MtLook
{
  const MtSighting *sighting;
  MtSpan who;        /* the account, as bytes to hash: see account_key(); may be empty */
  MtSpan account;    /* the same of one that is known whole: no other account shares it */
  MtSpan source;     /* of the address: IPv4 /32, IPv6 /64; empty without one */
  gboolean counts;   /* a failure that counts */
  MtTime pair_at;    /* when this source last logged in to this account, to MT_PAIR_STEP_US */
  gboolean is_known; /* that was in the last 30 days */
  const MtBaseline *baseline; /* before this sighting; NULL: none yet */
  MtAccountPolicy policy;
};

/* mt_watch_key: a hash of what a rule counts or alerts for; @a, @b may have no bytes. */
guint64 mt_watch_key(const MtWatch *watch, guint rule, MtSpan a, MtSpan b);

/* mt_watch_windows: where to count, under keys of mt_watch_key(). */
MtWindows *mt_watch_windows(MtWatch *watch);

/* mt_watch_settings: the rule's numbers. */
const MtRuleSettings *mt_watch_settings(const MtWatch *watch, guint rule);

/* mt_watch_alerted: was something found for @key in the @window_us before @at? */
gboolean mt_watch_alerted(MtWatch *watch, guint64 key, MtTime at, gint64 window_us);

/* What a rule has found. */
typedef struct
{
  guint64 key;    /* what it is raised for */
  gint64 count;   /* of what the rule counts */
  MtTime first;   /* when that began */
  gchar *text;    /* (transfer full) one sentence for people */
  gchar *more;    /* (transfer full) (nullable) members for the evidence: "\"km\":900" */
  gboolean mild;  /* no more than a notice, unless the policy says what it is */
  const MtIp *ip; /* nullable: in place of the sighting's */
} MtFinding;

/* mt_watch_raise: an alert, unless it was said in its cooldown, or the account has had
 * its share. */
void mt_watch_raise(MtWatch *watch, guint rule, const MtLook *look, const MtFinding *finding);

/* The place's name for people. */
static inline const gchar *
mt_country_text(const MtPlace *place)
{
  return place->country_name[0] ? place->country_name : place->country;
}

#endif
