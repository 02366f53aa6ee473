/* outgoing-burst: an account sends as a spammer does
 *
 * To `threshold` recipients within `window` and five times its own busiest hour; or half of
 * `threshold` of its recipients do not exist.  An account without an hour of its own yet is
 * taken to have sent `threshold` in one: its first newsletter is no alarm. */
#include "watch/private.h"

#define TIMES_BUSIEST 5

static void
push_sent(MtWatch *watch, guint index, const MtLook *look, MtFinding *finding)
{
  const MtRuleSettings *settings = mt_watch_settings(watch, index);
  const MtSighting *sighting = look->sighting;
  gint64 busiest = 0;

  finding->count = sighting->count;
  if (look->baseline)
    {
      finding->count += mt_baseline_tally(look->baseline->sent, sighting->at,
                                          settings->window_s * MT_SECOND_US, &finding->first);
      busiest = mt_baseline_busiest_hour(look->baseline, sighting->at);
    }
  if (finding->count < settings->threshold
      || finding->count < TIMES_BUSIEST * (busiest ? busiest : settings->threshold))
    return;
  finding->text = g_strdup_printf("mail to %" G_GINT64_FORMAT " recipients within %" G_GINT64_FORMAT
                                  " s; the busiest hour before had %" G_GINT64_FORMAT,
                                  finding->count, settings->window_s, busiest);
  finding->more = g_strdup_printf("\"busiest_hour\":%" G_GINT64_FORMAT, busiest);
  mt_watch_raise(watch, index, look, finding);
}

static void
push_unknown(MtWatch *watch, guint index, const MtLook *look, MtFinding *finding)
{
  const MtRuleSettings *settings = mt_watch_settings(watch, index);
  const MtSighting *sighting = look->sighting;

  finding->count = 1;
  if (look->baseline)
    finding->count += mt_baseline_tally(look->baseline->unknown, sighting->at,
                                        settings->window_s * MT_SECOND_US, &finding->first);
  if (finding->count < MAX(settings->threshold / 2, 1))
    return;
  finding->text = g_strdup_printf(
      "%" G_GINT64_FORMAT " recipients of this account do not exist, within %" G_GINT64_FORMAT " s",
      finding->count, settings->window_s);
  mt_watch_raise(watch, index, look, finding);
}

static void
push(MtWatch *watch, guint index, const MtLook *look)
{
  MtFinding finding = { .key = mt_watch_key(watch, index, look->account, MT_NO_SPAN),
                        .first = look->sighting->at };

  if (look->sighting->kind == MT_SIGHTING_SENT)
    push_sent(watch, index, look, &finding);
  else
    push_unknown(watch, index, look, &finding);
}

const MtWatchRule mt_watch_rule_outgoing_burst = {
  .name = "outgoing-burst",
  .defaults = { TRUE, 100, 3600, 3600, MT_SEVERITY_CRITICAL, FALSE },
  .sees = MT_SEES(SENT) | MT_SEES(UNKNOWN),
  .push = push,
};
