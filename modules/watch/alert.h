/* alert.h: what the watch found
 *
 * Layer: watch.  Concurrency: plain data; belongs to whoever holds it.
 */
#ifndef MT_WATCH_ALERT_H
#define MT_WATCH_ALERT_H

#include "event/event.h"

typedef enum
{
  MT_SEVERITY_NOTICE,
  MT_SEVERITY_WARNING,
  MT_SEVERITY_CRITICAL,
} MtSeverity;

/* Texts are owned by the alert (g_free). */
typedef struct
{
  MtTime at;
  const gchar *rule; /* a literal */
  MtSeverity severity;
  gchar *account; /* nullable */
  gchar *ip;      /* nullable */
  gchar country[3];
  gint64 asn;      /* 0: unknown */
  gint64 count;    /* of what the rule counts */
  gint64 window_s; /* 0: the rule has none */
  gchar *text;     /* one sentence for people */
  gchar *evidence; /* a JSON object */
} MtAlert;

const gchar *mt_severity_name(MtSeverity severity);

/* mt_severity_by_name: -1 where there is none. */
gint mt_severity_by_name(const gchar *name);

/* mt_alert_clear: frees the texts. */
void mt_alert_clear(MtAlert *alert);

#endif
