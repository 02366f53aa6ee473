/* brute-force: many counted failures from one source in a short time */
#include "watch/private.h"

static void
push(MtWatch *watch, guint index, const MtLook *look)
{
  const MtRuleSettings *settings = mt_watch_settings(watch, index);
  const MtSighting *sighting = look->sighting;
  MtWindow window = { .key = mt_watch_key(watch, index, look->source, MT_NO_SPAN),
                      .window_us = settings->window_s * MT_SECOND_US,
                      .enough = settings->threshold };
  MtFinding finding = { .key = window.key };

  if (!look->counts || sighting->count == 0)
    return;
  finding.count = mt_windows_add(mt_watch_windows(watch), &window, sighting->at, sighting->count,
                                 &finding.first);
  if (finding.count < settings->threshold)
    return;
  finding.text = g_strdup_printf("%" G_GINT64_FORMAT
                                 " failed logins from one address within %" G_GINT64_FORMAT " s",
                                 finding.count, settings->window_s);
  mt_watch_raise(watch, index, look, &finding);
}

const MtWatchRule mt_watch_rule_brute_force = {
  .name = "brute-force",
  .defaults = { TRUE, 10, 300, 3600, MT_SEVERITY_WARNING, FALSE },
  .sees = MT_SEES(FAILURE),
  .push = push,
};
