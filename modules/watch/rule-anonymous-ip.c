/* anonymous-ip: a login from behind Tor, a VPN or a hosting provider, the first in `window`
 * for this account and network
 *
 * Tor is a warning, and said at once; the others are a notice, and only once the account is
 * learned: who always comes through a VPN is usual. */
#include "watch/private.h"

static const gchar *
behind(guint anonymous)
{
  if (anonymous & MT_GEO_TOR)
    return "Tor";
  if (anonymous & MT_GEO_HOSTING)
    return "a hosting provider";
  return anonymous & MT_GEO_VPN ? "a VPN" : "an anonymiser";
}

/* Was it there, anonymous, in the window before?  Where the network's number is not
 * known, the very address must have been. */
static gboolean
is_usual(const MtLook *look, gint64 window_us)
{
  const MtPlace *place = look->sighting->place;
  const MtSeenNetwork *seen;

  if (!place->asn)
    return look->is_known;
  seen = look->baseline ? mt_baseline_network(look->baseline, place->asn) : NULL;
  return seen && seen->anonymous != MT_NO_TIME && seen->anonymous >= look->sighting->at - window_us;
}

static void
push(MtWatch *watch, guint index, const MtLook *look)
{
  const MtRuleSettings *settings = mt_watch_settings(watch, index);
  const MtPlace *place = look->sighting->place;
  gboolean tor = (place->anonymous & MT_GEO_TOR) != 0;
  MtFinding finding = { .count = 1, .first = look->sighting->at, .mild = !tor };
  gchar asn[32];

  if (!place->anonymous || is_usual(look, settings->window_s * MT_SECOND_US))
    return;
  if (!tor && !(look->baseline && mt_baseline_is_learned(look->baseline)))
    return;
  g_snprintf(asn, sizeof asn, "%" G_GINT64_FORMAT, place->asn);
  finding.key =
      mt_watch_key(watch, index, look->account, place->asn ? mt_span_of_string(asn) : look->source);
  finding.text =
      g_strdup_printf("login from behind %s%s%s%s, the first in %" G_GINT64_FORMAT " days",
                      behind(place->anonymous), place->as_name[0] ? " (" : "", place->as_name,
                      place->as_name[0] ? ")" : "", settings->window_s / 86400);
  mt_watch_raise(watch, index, look, &finding);
}

const MtWatchRule mt_watch_rule_anonymous_ip = {
  .name = "anonymous-ip",
  .defaults = { TRUE, 0, 30 * 86400, 3600, MT_SEVERITY_WARNING, FALSE },
  .sees = MT_SEES(LOGIN),
  .needs = MT_GEO_HAS_ANONYMOUS,
  .push = push,
};
