/* geo.h: where in the world an address is
 *
 * Layer: geo.  Concurrency: one owner a handle: a look-up fills its cache.
 *
 * Reads MaxMind databases (MaxMind DB File Format 2.0): country or city, ASN,
 * anonymous IP.  Without libmaxminddb, or without a file, nothing is known.
 */
#ifndef MT_GEO_GEO_H
#define MT_GEO_GEO_H

#include "scan/ip.h"

#define MT_GEO_ERROR (mt_geo_error_quark())

typedef enum
{
  MT_GEO_ERROR_OPEN, /* cannot be read, or is no such database */
  MT_GEO_ERROR_TYPE, /* a database of another kind */
  MT_GEO_ERROR_NONE, /* this build knows no databases */
} MtGeoError;

GQuark mt_geo_error_quark(void);

/* What an address is behind, as anonymous-IP databases say. */
enum
{
  MT_GEO_TOR = 1 << 0,
  MT_GEO_VPN = 1 << 1,
  MT_GEO_HOSTING = 1 << 2,
  MT_GEO_ANONYMOUS = 1 << 3,
};

typedef struct
{
  gchar country[3];       /* ISO 3166-1 alpha-2, "" where unknown */
  gchar country_name[64]; /* English */
  gchar city[64];
  gboolean has_location;
  gdouble latitude, longitude; /* degrees */
  gdouble radius_km;           /* how exact the location is */
  gint64 asn;                  /* 0: unknown */
  gchar as_name[64];
  guint anonymous; /* MT_GEO_* */
} MtPlace;

typedef struct MtGeo MtGeo;

/* How a file that cannot be used is told of: @error in MT_GEO_ERROR names it and says
 * what to do. */
typedef void (*MtGeoFailed)(gpointer user, const GError *error);

/* mt_geo_new: @country_path, @asn_path, @anonymous_path: nullable.  What cannot be used
 * is told to @failed, and tried again when the file changes; the rest is there. */
MtGeo *mt_geo_new(const gchar *country_path, const gchar *asn_path, const gchar *anonymous_path,
                  MtGeoFailed failed, gpointer user);
void mt_geo_free(MtGeo *geo);

/* mt_geo_look_up: all that is known of @ip; nothing of internal addresses.
 * Returns: (transfer none): valid until the next call.  @geo may be NULL. */
const MtPlace *mt_geo_look_up(MtGeo *geo, const MtIp *ip);

/* mt_geo_refresh: opens anew what has been replaced on disk; where the new file cannot be
 * used the old stays, and @failed is told.  Returns: something has changed. */
gboolean mt_geo_refresh(MtGeo *geo, MtGeoFailed failed, gpointer user);

/* mt_geo_has: which databases are there. */
enum
{
  MT_GEO_HAS_COUNTRY = 1 << 0,
  MT_GEO_HAS_ASN = 1 << 1,
  MT_GEO_HAS_ANONYMOUS = 1 << 2,
};
guint mt_geo_has(const MtGeo *geo);

#endif
