/* baseline.h: what is usual for one account
 *
 * Layer: watch.  Concurrency: the owner's thread only.
 *
 * Only who has logged in has a baseline: guessing names makes none.  It is kept in the
 * store, beyond the retention of records, and read back on demand; its lists are bounded
 * and forget what was longest not seen.
 */
#ifndef MT_WATCH_BASELINE_H
#define MT_WATCH_BASELINE_H

#include "geo/geo.h"
#include "scan/stamp.h"

/* More than these no person uses; 24 hours of `many-sources` fit in many times. */
#define MT_BASELINE_MAX_COUNTRIES 64
#define MT_BASELINE_MAX_NETWORKS 64
#define MT_BASELINE_PLACES 3

/* An account is learned when it has this many logins, on this many days. */
#define MT_BASELINE_LEARNED_LOGINS 5
#define MT_BASELINE_LEARNED_DAYS 3

typedef struct
{
  gchar country[3];
  MtTime first, last;
  gint64 count;
} MtSeenCountry;

typedef struct
{
  gint64 asn;
  MtTime first, last;
  MtTime anonymous; /* the last login from behind Tor, a VPN or a hosting provider */
  gint64 count;
} MtSeenNetwork;

/* Where a login came from; texts are cut to what stands here. */
typedef struct
{
  MtTime at; /* MT_NO_TIME: no such login yet */
  MtIp ip;
  gchar country[3];
  gchar city[64];
  gchar session[64];
  gint64 asn;
  guint anonymous; /* MT_GEO_* */
  gboolean has_location;
  gdouble latitude, longitude, radius_km;
} MtSeenPlace;

/* So many at a time; a list of them is sorted by time. */
typedef struct
{
  MtTime at;
  gint64 count;
} MtTally;

typedef struct MtBaseline MtBaseline;
struct MtBaseline
{
  MtBaseline *newer, *older; /* by use; the watch's */
  gboolean changed;          /* since it was last written; the watch's */
  gchar *account;            /* lower case */
  MtTime first, last;        /* logins; MT_NO_TIME: none yet */
  gint64 logins, days;
  GArray *countries;                      /* MtSeenCountry */
  GArray *networks;                       /* MtSeenNetwork */
  MtSeenPlace places[MT_BASELINE_PLACES]; /* latest first */
  MtSeenPlace solid;   /* the latest that was where it seemed to be: for travel */
  gint64 busiest_hour; /* most recipients in an hour that is over */
  MtTally hours[2];    /* the hours that still count as now, older first */
  GArray *sent;        /* MtTally: recipients */
  GArray *unknown;     /* MtTally: those that do not exist */
};

MtBaseline *mt_baseline_new(const gchar *account);
void mt_baseline_free(MtBaseline *baseline);

/* mt_baseline_is_learned: known well enough to say that something is unusual. */
gboolean mt_baseline_is_learned(const MtBaseline *baseline);

/* mt_baseline_country, mt_baseline_network: NULL where it was never seen. */
const MtSeenCountry *mt_baseline_country(const MtBaseline *baseline, const gchar *country);
const MtSeenNetwork *mt_baseline_network(const MtBaseline *baseline, gint64 asn);

/* mt_baseline_learn_login: one more. */
void mt_baseline_learn_login(MtBaseline *baseline, MtTime at, const MtIp *ip, const MtPlace *place,
                             MtSpan session);

/* mt_baseline_learn_sent: @count recipients more; mt_baseline_learn_unknown: one of them
 * does not exist.  @window_us: for so long they are kept one by one. */
void mt_baseline_learn_sent(MtBaseline *baseline, MtTime at, gint64 count, gint64 window_us);
void mt_baseline_learn_unknown(MtBaseline *baseline, MtTime at, gint64 window_us);

/* mt_baseline_tally: the sum in the window that ends at @at.  @first: its begin. */
gint64 mt_baseline_tally(const GArray *tallies, MtTime at, gint64 window_us, MtTime *first);

/* mt_baseline_busiest_hour: most recipients in any hour that does not reach into the
 * one before @at; 0: there is none yet. */
gint64 mt_baseline_busiest_hour(const MtBaseline *baseline, MtTime at);

/* mt_baseline_to_text, mt_baseline_from_text: what has no column of its own, one
 * thing a line. */
void mt_baseline_to_text(const MtBaseline *baseline, GString *text);
void mt_baseline_from_text(MtBaseline *baseline, MtSpan text);

#endif
