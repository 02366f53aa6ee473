/* new-country: a login succeeds from a country that the account was not seen in lately
 *
 * Only where the policy names no usual countries, and only once the account is known
 * well enough: at least `threshold` logins on three days.  The country may have been
 * seen longer than `window` ago. */
#include "watch/private.h"

static gboolean
is_learned(const MtBaseline *baseline, const MtRuleSettings *settings)
{
  return baseline && baseline->logins >= settings->threshold
         && baseline->days >= MT_BASELINE_LEARNED_DAYS;
}

static void
push(MtWatch *watch, guint index, const MtLook *look)
{
  const MtRuleSettings *settings = mt_watch_settings(watch, index);
  const MtSighting *sighting = look->sighting;
  const MtPlace *place = sighting->place;
  const MtSeenCountry *seen;
  MtFinding finding = { .first = sighting->at };

  if (!place->country[0] || look->policy.usual_countries || !is_learned(look->baseline, settings))
    return;
  seen = mt_baseline_country(look->baseline, place->country);
  if (seen && seen->last >= sighting->at - settings->window_s * MT_SECOND_US)
    return;
  finding.key = mt_watch_key(watch, index, look->account, mt_span_of_string(place->country));
  finding.count = look->baseline->logins;
  finding.text =
      g_strdup_printf("first login from %s in %" G_GINT64_FORMAT " days; %" G_GINT64_FORMAT
                      " logins before came from elsewhere",
                      mt_country_text(place), settings->window_s / 86400, look->baseline->logins);
  mt_watch_raise(watch, index, look, &finding);
}

const MtWatchRule mt_watch_rule_new_country = {
  .name = "new-country",
  .defaults = { TRUE, MT_BASELINE_LEARNED_LOGINS, 90 * 86400, 3600, MT_SEVERITY_NOTICE, FALSE },
  .sees = MT_SEES(LOGIN),
  .needs = MT_GEO_HAS_COUNTRY,
  .push = push,
};
