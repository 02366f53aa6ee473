/* impossible-travel: two logins further apart than anybody travels in the time between
 *
 * `threshold` is the speed in km/h.  Both logins must be where they seem to be: not
 * behind Tor, a VPN or a hosting provider.  A source that has logged in to this account
 * within a week is a device that has stayed where it is: the computer at home goes on
 * fetching mail while its owner travels. */
#include "watch/private.h"

#include <math.h>

#define MIN_DISTANCE_KM 500
#define STAYS_US (7 * MT_DAY_US)

/* Great circle on a sphere (haversine); 0.5 % off at most. */
#define EARTH_RADIUS_KM 6371.0
#define RADIANS(degrees) ((degrees) *G_PI / 180)

static gdouble
distance_km(const MtSeenPlace *from, const MtPlace *to)
{
  gdouble lat = sin(RADIANS(to->latitude - from->latitude) / 2);
  gdouble lon = sin(RADIANS(to->longitude - from->longitude) / 2);
  gdouble a = lat * lat + cos(RADIANS(from->latitude)) * cos(RADIANS(to->latitude)) * lon * lon;

  return 2 * EARTH_RADIUS_KM * asin(sqrt(CLAMP(a, 0, 1)));
}

static gboolean
may_compare(const MtLook *look, const MtSeenPlace *before)
{
  const MtPlace *place = look->sighting->place;

  if (before->at == MT_NO_TIME || !place->has_location || place->anonymous)
    return FALSE;
  if (look->pair_at != MT_NO_TIME && look->sighting->at - look->pair_at <= STAYS_US)
    return FALSE;
  return strcmp(before->country, place->country) != 0 && (!place->asn || before->asn != place->asn);
}

static void
push(MtWatch *watch, guint index, const MtLook *look)
{
  const MtSighting *sighting = look->sighting;
  const MtSeenPlace *before = look->baseline ? &look->baseline->solid : NULL;
  const gint64 limit = mt_watch_settings(watch, index)->threshold;
  MtFinding finding = { 0 };
  gdouble km, hours, speed;

  if (!before || !may_compare(look, before))
    return;
  km = distance_km(before, sighting->place) - before->radius_km - sighting->place->radius_km;
  hours = MAX(ABS(sighting->at - before->at), MT_SECOND_US) / (gdouble) MT_HOUR_US;
  speed = km / hours;
  if (km <= MIN_DISTANCE_KM || speed <= limit)
    return;
  finding.key =
      mt_watch_key(watch, index, look->account, mt_span_of_string(sighting->place->country));
  finding.count = MIN(speed, 1e9);
  finding.first = MIN(before->at, sighting->at);
  finding.text = g_strdup_printf("login from %s %.0f min after one from %s%s%s, %.0f km away",
                                 mt_country_text(sighting->place), hours * 60, before->city,
                                 before->city[0] ? ", " : "", before->country, km);
  finding.more =
      g_strdup_printf("\"km\":%.0f,\"km_per_hour\":%" G_GINT64_FORMAT, km, finding.count);
  mt_watch_raise(watch, index, look, &finding);
}

const MtWatchRule mt_watch_rule_impossible_travel = {
  .name = "impossible-travel",
  .defaults = { TRUE, 900, 0, 3600, MT_SEVERITY_WARNING, FALSE },
  .sees = MT_SEES(LOGIN),
  .needs = MT_GEO_HAS_COUNTRY,
  .push = push,
};
