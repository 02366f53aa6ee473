/* many-sources: one account is used from more places than one person is in
 *
 * `threshold` countries within `window`, or ten networks. */
#include "watch/private.h"

#define NETWORKS 10

typedef struct
{
  MtTime since, first;
  gint64 count;
} Counted;

static void
add(Counted *counted, MtTime last)
{
  if (last < counted->since)
    return;
  counted->count++;
  counted->first = MIN(counted->first, last);
}

static Counted
countries(const MtLook *look, MtTime since)
{
  const MtPlace *place = look->sighting->place;
  Counted counted = { since, look->sighting->at, place->country[0] != '\0' };

  for (guint i = 0; i < look->baseline->countries->len; i++)
    {
      const MtSeenCountry *seen = &g_array_index(look->baseline->countries, MtSeenCountry, i);

      if (strcmp(seen->country, place->country) != 0)
        add(&counted, seen->last);
    }
  return counted;
}

static Counted
networks(const MtLook *look, MtTime since)
{
  const MtPlace *place = look->sighting->place;
  Counted counted = { since, look->sighting->at, place->asn != 0 };

  for (guint i = 0; i < look->baseline->networks->len; i++)
    {
      const MtSeenNetwork *seen = &g_array_index(look->baseline->networks, MtSeenNetwork, i);

      if (seen->asn != place->asn)
        add(&counted, seen->last);
    }
  return counted;
}

static void
push(MtWatch *watch, guint index, const MtLook *look)
{
  const MtRuleSettings *settings = mt_watch_settings(watch, index);
  MtTime since = look->sighting->at - settings->window_s * MT_SECOND_US;
  MtFinding finding = { .key = mt_watch_key(watch, index, look->account, MT_NO_SPAN) };
  gboolean by_country;
  Counted counted;

  if (!look->baseline)
    return;
  counted = countries(look, since);
  by_country = counted.count >= settings->threshold;
  if (!by_country)
    counted = networks(look, since);
  if (!by_country && counted.count < NETWORKS)
    return;
  finding.count = counted.count;
  finding.first = counted.first;
  finding.text = g_strdup_printf(
      "logins from %" G_GINT64_FORMAT " %s within %" G_GINT64_FORMAT " h", counted.count,
      by_country ? "countries" : "networks", settings->window_s / 3600);
  mt_watch_raise(watch, index, look, &finding);
}

const MtWatchRule mt_watch_rule_many_sources = {
  .name = "many-sources",
  .defaults = { TRUE, 4, 86400, 3600, MT_SEVERITY_CRITICAL, FALSE },
  .sees = MT_SEES(LOGIN),
  .needs = MT_GEO_HAS_COUNTRY,
  .push = push,
};
