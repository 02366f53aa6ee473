/* password-spray: one source tries many accounts, each of them a few times only */
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

  if (!look->counts || !look->who.len)
    return;
  finding.count =
      mt_windows_add_member(mt_watch_windows(watch), &window, sighting->at,
                            mt_watch_key(watch, index, look->who, MT_NO_SPAN), &finding.first);
  if (finding.count < settings->threshold)
    return;
  finding.text = g_strdup_printf("failed logins to %" G_GINT64_FORMAT
                                 " accounts from one address within %" G_GINT64_FORMAT " s",
                                 finding.count, settings->window_s);
  mt_watch_raise(watch, index, look, &finding);
}

const MtWatchRule mt_watch_rule_password_spray = {
  .name = "password-spray",
  .defaults = { TRUE, 5, 3600, 3600, MT_SEVERITY_WARNING, FALSE },
  .sees = MT_SEES(FAILURE),
  .push = push,
};
