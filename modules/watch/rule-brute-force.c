/* brute-force: one source fails to log in, many times in a short time */
#include "watch/private.h"

static guint64
key(const MtWatch *watch, guint index, const MtSighting *sighting)
{
  MtIp source;

  return mt_watch_key(watch, index, mt_watch_source(&sighting->ip, &source), MT_NO_SPAN);
}

static void
push(MtWatch *watch, guint index, const MtSighting *sighting)
{
  const MtRuleSettings *settings = mt_policy_rule(watch->policy, index);
  guint64 its_key = key(watch, index, sighting);
  MtTime first;
  gint64 count;

  if (sighting->kind != MT_SIGHTING_FAILURE || !mt_watch_counts(watch, sighting))
    return;
  count = mt_windows_add(watch->windows, its_key, sighting->at, sighting->count,
                         settings->window_s * MT_SECOND_US, settings->threshold, &first);
  if (count < settings->threshold)
    return;
  mt_watch_raise(watch, index, its_key, sighting, count, first,
                 g_strdup_printf("%" G_GINT64_FORMAT " failed logins from one address within %"
                                 G_GINT64_FORMAT " s",
                                 count, settings->window_s));
}

const MtWatchRule mt_watch_rule_brute_force
  = { "brute-force", { TRUE, 10, 300, 3600, MT_SEVERITY_WARNING }, NULL, key, push };
