/* unusual-country: a login succeeds from a country outside the usual ones */
#include "watch/private.h"

static void
push(MtWatch *watch, guint index, const MtLook *look)
{
  const MtPlace *place = look->sighting->place;
  const gchar *const *usual = look->policy.usual_countries;
  MtFinding finding = { .count = 1, .first = look->sighting->at };
  gchar *names;

  if (!place->country[0] || !usual || !usual[0] || g_strv_contains(usual, place->country))
    return;
  names = g_strjoinv(", ", (gchar **) usual);
  finding.key = mt_watch_key(watch, index, look->account, mt_span_of_string(place->country));
  finding.text = g_strdup_printf("login from %s, which is not among the usual countries (%s)",
                                 mt_country_text(place), names);
  mt_watch_raise(watch, index, look, &finding);
  g_free(names);
}

const MtWatchRule mt_watch_rule_unusual_country = {
  .name = "unusual-country",
  .defaults = { TRUE, 0, 0, 3600, MT_SEVERITY_WARNING, FALSE },
  .sees = MT_SEES(LOGIN),
  .needs = MT_GEO_HAS_COUNTRY,
  .push = push,
};
