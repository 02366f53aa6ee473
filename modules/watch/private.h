/* private.h: what rules are made of
 *
 * Layer: watch, for its rules only.  Concurrency: the watch's owner only.
 */
#ifndef MT_WATCH_PRIVATE_H
#define MT_WATCH_PRIVATE_H

#include "watch/window.h"
#include "watch/watch.h"

extern const MtWatchRule mt_watch_rule_unusual_country;
extern const MtWatchRule mt_watch_rule_brute_force;

struct MtWatch
{
  const MtWatchBacking *backing;
  const GArray *excluded;
  MtHashKey key;
  MtPolicy *policy;
  MtWindows *windows;   /* what rules count, by rule and what it counts for */
  MtTimes *cooldowns;   /* rule and key -> when it last alerted */
  MtTimes *pairs;       /* source and account -> last login */
  GArray *alerts;
  GArray *seen;         /* MtPairSeen */
  gboolean quiet;
};

/* mt_watch_key: a hash of what a rule counts for; @parts may have no bytes. */
guint64 mt_watch_key(const MtWatch *watch, guint rule, MtSpan a, MtSpan b);
MtSpan mt_watch_source(const MtIp *ip, MtIp *source);

/* mt_watch_counts: is this failure one that counts?  Not where the source has logged in
 * to the account lately: a device with a stale password is no attack. */
gboolean mt_watch_counts(MtWatch *watch, const MtSighting *sighting);

/* mt_watch_raise: an alert, unless its cooldown says that it has been raised.
 * @key: what it is raised for.  @count: of what the rule counts.  @first: when that
 * began.  @text: (transfer full). */
void mt_watch_raise(MtWatch *watch, guint rule, guint64 key, const MtSighting *sighting,
                    gint64 count, MtTime first, gchar *text);

#endif
