#include "watch/alert.h"

static const gchar *const severities[] = { "notice", "warning", "critical" };

const gchar *
mt_severity_name(MtSeverity severity)
{
  return severities[severity];
}

gint
mt_severity_by_name(const gchar *name)
{
  for (guint i = 0; name && i < G_N_ELEMENTS(severities); i++)
    if (g_str_equal(name, severities[i]))
      return i;
  return -1;
}

void
mt_alert_clear(MtAlert *alert)
{
  g_free(alert->account);
  g_free(alert->ip);
  g_free(alert->text);
  g_free(alert->evidence);
  memset(alert, 0, sizeof *alert);
}
