/* login-after-failures: a guess was right
 *
 * A login from a source that has `threshold` counted failures on this account, or is under
 * an alert for guessing at others, or took part in guessing at this account from many
 * sources.  Not from a source that has logged in to the account before: whoever else sits
 * behind that address, this is a device of its own. */
#include "watch/private.h"

static guint64
pair_key(const MtWatch *watch, guint index, const MtLook *look)
{
  return mt_watch_key(watch, index, look->who, look->source);
}

static void
count(MtWatch *watch, guint index, const MtLook *look, gint64 window_us)
{
  MtWindow window = { .key = pair_key(watch, index, look),
                      .window_us = window_us,
                      .enough = mt_watch_settings(watch, index)->threshold };
  MtTime first;

  if (look->counts && look->who.len && look->sighting->count)
    mt_windows_add(mt_watch_windows(watch), &window, look->sighting->at, look->sighting->count,
                   &first);
}

static gboolean
was_alerted(MtWatch *watch, guint rule, const MtLook *look, MtSpan for_what, gint64 window_us)
{
  return mt_watch_alerted(watch, mt_watch_key(watch, rule, for_what, MT_NO_SPAN),
                          look->sighting->at, window_us);
}

/* What makes this login suspicious; NULL: nothing does. */
static gchar *
reason(MtWatch *watch, guint index, const MtLook *look, gint64 failures, gint64 window_us)
{
  if (failures >= mt_watch_settings(watch, index)->threshold)
    return g_strdup_printf("login after %" G_GINT64_FORMAT " failures of the same address",
                           failures);
  if (was_alerted(watch, MT_RULE_brute_force, look, look->source, window_us))
    return g_strdup("login from an address that has been guessing passwords");
  if (was_alerted(watch, MT_RULE_password_spray, look, look->source, window_us))
    return g_strdup("login from an address that has been trying many accounts");
  if (failures > 0
      && was_alerted(watch, MT_RULE_distributed_brute_force, look, look->who, window_us))
    return g_strdup("login from one of many addresses that guessed at this account");
  return NULL;
}

static void
push(MtWatch *watch, guint index, const MtLook *look)
{
  const MtSighting *sighting = look->sighting;
  gint64 window_us = mt_watch_settings(watch, index)->window_s * MT_SECOND_US;
  MtFinding finding = { .first = sighting->at };

  if (sighting->kind == MT_SIGHTING_FAILURE)
    {
      count(watch, index, look, window_us);
      return;
    }
  if (look->is_known || !look->source.len)
    return;
  finding.key = pair_key(watch, index, look);
  finding.count = mt_windows_peek(mt_watch_windows(watch), finding.key, sighting->at, window_us);
  finding.text = reason(watch, index, look, finding.count, window_us);
  if (finding.text)
    mt_watch_raise(watch, index, look, &finding);
}

const MtWatchRule mt_watch_rule_login_after_failures = {
  .name = "login-after-failures",
  .defaults = { TRUE, 5, 3600, 3600, MT_SEVERITY_CRITICAL, FALSE },
  .sees = MT_SEES(FAILURE) | MT_SEES(LOGIN),
  .push = push,
};
