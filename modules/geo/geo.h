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
  guint anonymous;             /* MT_GEO_* */
} MtPlace;

typedef struct MtGeo MtGeo;

/* mt_geo_new: @country_path, @asn_path, @anonymous_path: nullable.
 * Returns: NULL with @error in MT_GEO_ERROR: names the file and what to do. */
MtGeo *mt_geo_new(const gchar *country_path, const gchar *asn_path, const gchar *anonymous_path,
                  GError **error);
void mt_geo_free(MtGeo *geo);

/* mt_geo_look_up: all that is known of @ip; nothing of internal addresses.
 * Returns: (transfer none): valid until the next call.  @geo may be NULL. */
const MtPlace *mt_geo_look_up(MtGeo *geo, const MtIp *ip);

/* mt_geo_refresh: opens anew what has been replaced on disk.
 * Returns: FALSE with @error where a new file cannot be used; the old stays. */
gboolean mt_geo_refresh(MtGeo *geo, GError **error);

/* mt_geo_has_country, _asn, _anonymous: is there such a database?  @geo may be NULL. */
gboolean mt_geo_has_country(const MtGeo *geo);
gboolean mt_geo_has_asn(const MtGeo *geo);
gboolean mt_geo_has_anonymous(const MtGeo *geo);

#endif
