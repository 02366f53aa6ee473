/* unusual-country: a login succeeds from a country outside the usual ones */
#include "watch/private.h"

static guint64
key(const MtWatch *watch, guint index, const MtSighting *sighting)
{
  return mt_watch_key(watch, index, sighting->account, mt_span_of_string(sighting->place->country));
}

static void
push(MtWatch *watch, guint index, const MtSighting *sighting)
{
  const MtPlace *place = sighting->place;
  MtAccountPolicy policy;
  gchar *usual;

  if (sighting->kind != MT_SIGHTING_LOGIN || !place->country[0])
    return;
  mt_policy_account(watch->policy, sighting->account, &policy);
  if (!policy.usual_countries || g_strv_contains(policy.usual_countries, place->country))
    return;
  usual = g_strjoinv(", ", (gchar **) policy.usual_countries);
  mt_watch_raise(watch, index, key(watch, index, sighting), sighting, 1, sighting->at,
                 g_strdup_printf("login from %s, which is not among the usual countries (%s)",
                                 place->country_name[0] ? place->country_name : place->country,
                                 usual));
  g_free(usual);
}

const MtWatchRule mt_watch_rule_unusual_country
  = { "unusual-country", { TRUE, 0, 0, 3600, MT_SEVERITY_WARNING }, "country", key, push };
