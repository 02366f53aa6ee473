#include "config.h"

#include "geo/geo.h"

#include <errno.h>
#include <sys/stat.h>

#ifdef HAVE_MAXMINDDB
#include <maxminddb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#endif

G_DEFINE_QUARK(mt - geo - error - quark, mt_geo_error)

/* Clients come again: a direct-mapped cache of places. */
#define CACHE_SLOTS 4096

/* What a database must hold to be used for something. */
typedef enum
{
  KIND_COUNTRY,
  KIND_ASN,
  KIND_ANONYMOUS,
  KIND_COUNT
} Kind;

typedef struct
{
  gchar *path; /* NULL: not wanted */
  struct timespec changed;
  ino_t inode;
#ifdef HAVE_MAXMINDDB
  MMDB_s db;
  gboolean open;
#endif
} Database;

typedef struct
{
  gboolean used;
  MtIp ip;
  MtPlace place;
} Slot;

struct MtGeo
{
  Database databases[KIND_COUNT];
  Slot *cache;
};

static const MtPlace nowhere;

#ifdef HAVE_MAXMINDDB

static gboolean
is_kind(const gchar *type, Kind kind)
{
  switch (kind)
    {
    case KIND_COUNTRY:
      return strstr(type, "City") || strstr(type, "Country") || strstr(type, "Enterprise");
    case KIND_ASN:
      return strstr(type, "ASN") || strstr(type, "ISP");
    default:
      return strstr(type, "Anonymous") != NULL;
    }
}

static const gchar *
wanted_name(Kind kind)
{
  return kind == KIND_COUNTRY ? "City or Country" : kind == KIND_ASN ? "ASN" : "Anonymous-IP";
}

static gboolean
open_database(const gchar *path, Kind kind, MMDB_s *db, GError **error)
{
  gint code = MMDB_open(path, MMDB_MODE_MMAP, db);

  if (code != MMDB_SUCCESS)
    {
      g_set_error(error, MT_GEO_ERROR, MT_GEO_ERROR_OPEN,
                  "%s: cannot be read as a MaxMind database: %s", path,
                  code == MMDB_IO_ERROR ? g_strerror(errno) : MMDB_strerror(code));
      return FALSE;
    }
  if (!is_kind(db->metadata.database_type, kind))
    {
      g_set_error(error, MT_GEO_ERROR, MT_GEO_ERROR_TYPE,
                  "%s: is a database of type %s; what is wanted here is %s", path,
                  db->metadata.database_type, wanted_name(kind));
      MMDB_close(db);
      return FALSE;
    }
  return TRUE;
}

static gboolean
has_changed(const Database *database)
{
  struct stat now;

  return stat(database->path, &now) == 0
         && (now.st_ino != database->inode || now.st_mtim.tv_sec != database->changed.tv_sec
             || now.st_mtim.tv_nsec != database->changed.tv_nsec);
}

static gboolean
reopen(Database *database, Kind kind, GError **error)
{
  MMDB_s db;
  struct stat now = { 0 };

  stat(database->path, &now);
  database->inode = now.st_ino;
  database->changed = now.st_mtim;
  if (!open_database(database->path, kind, &db, error))
    return FALSE;
  if (database->open)
    MMDB_close(&database->db);
  database->db = db;
  database->open = TRUE;
  return TRUE;
}

static void
copy_text(MMDB_entry_s *entry, gchar *to, gsize size, const gchar *const *path)
{
  MMDB_entry_data_s data;

  if (MMDB_aget_value(entry, &data, path) != MMDB_SUCCESS || !data.has_data
      || data.type != MMDB_DATA_TYPE_UTF8_STRING)
    return;
  g_snprintf(to, size, "%.*s", (gint) MIN(data.data_size, size - 1), data.utf8_string);
}

static gboolean
get_double(MMDB_entry_s *entry, gdouble *to, const gchar *const *path)
{
  MMDB_entry_data_s data;

  if (MMDB_aget_value(entry, &data, path) != MMDB_SUCCESS || !data.has_data)
    return FALSE;
  if (data.type == MMDB_DATA_TYPE_DOUBLE)
    *to = data.double_value;
  else if (data.type == MMDB_DATA_TYPE_UINT16)
    *to = data.uint16;
  else
    return FALSE;
  return TRUE;
}

static gboolean
get_flag(MMDB_entry_s *entry, const gchar *name)
{
  const gchar *path[] = { name, NULL };
  MMDB_entry_data_s data;

  return MMDB_aget_value(entry, &data, path) == MMDB_SUCCESS && data.has_data
         && data.type == MMDB_DATA_TYPE_BOOLEAN && data.boolean;
}

#define PATH(...) ((const gchar *[]){ __VA_ARGS__, NULL })

static void
read_country(MMDB_entry_s *entry, MtPlace *place)
{
  copy_text(entry, place->country, sizeof place->country, PATH("country", "iso_code"));
  copy_text(entry, place->country_name, sizeof place->country_name, PATH("country", "names", "en"));
  copy_text(entry, place->city, sizeof place->city, PATH("city", "names", "en"));
  place->has_location = get_double(entry, &place->latitude, PATH("location", "latitude"))
                        && get_double(entry, &place->longitude, PATH("location", "longitude"));
  get_double(entry, &place->radius_km, PATH("location", "accuracy_radius"));
}

static void
read_asn(MMDB_entry_s *entry, MtPlace *place)
{
  MMDB_entry_data_s data;

  if (MMDB_aget_value(entry, &data, PATH("autonomous_system_number")) == MMDB_SUCCESS
      && data.has_data && data.type == MMDB_DATA_TYPE_UINT32)
    place->asn = data.uint32;
  copy_text(entry, place->as_name, sizeof place->as_name, PATH("autonomous_system_organization"));
}

static void
read_anonymous(MMDB_entry_s *entry, MtPlace *place)
{
  place->anonymous |= get_flag(entry, "is_tor_exit_node") ? MT_GEO_TOR : 0;
  place->anonymous |= get_flag(entry, "is_anonymous_vpn") ? MT_GEO_VPN : 0;
  place->anonymous |= get_flag(entry, "is_hosting_provider") ? MT_GEO_HOSTING : 0;
  place->anonymous |= get_flag(entry, "is_anonymous") ? MT_GEO_ANONYMOUS : 0;
}

static const struct
{
  void (*read)(MMDB_entry_s *entry, MtPlace *place);
} readers[KIND_COUNT] = { { read_country }, { read_asn }, { read_anonymous } };

static MMDB_lookup_result_s
look_up_address(const MMDB_s *db, const MtIp *ip, gint *code)
{
  struct sockaddr_in v4 = { .sin_family = AF_INET };
  struct sockaddr_in6 v6 = { .sin6_family = AF_INET6 };

  memcpy(&v4.sin_addr, ip->b + 12, 4);
  memcpy(&v6.sin6_addr, ip->b, 16);
  return MMDB_lookup_sockaddr(
      db, mt_ip_is_v4(ip) ? (struct sockaddr *) &v4 : (struct sockaddr *) &v6, code);
}

static void
look_up(Database *database, Kind kind, const MtIp *ip, MtPlace *place)
{
  MMDB_lookup_result_s result;
  gint code;

  if (!database->open)
    return;
  result = look_up_address(&database->db, ip, &code);
  if (code == MMDB_SUCCESS && result.found_entry)
    readers[kind].read(&result.entry, place);
}

static void
close_database(Database *database)
{
  if (database->open)
    MMDB_close(&database->db);
  g_free(database->path);
}

static gboolean
is_open(const Database *database)
{
  return database->open;
}

#else

static gboolean
has_changed(const Database *database)
{
  return FALSE;
}

static gboolean
reopen(Database *database, Kind kind, GError **error)
{
  g_set_error(error, MT_GEO_ERROR, MT_GEO_ERROR_NONE,
              "%s: this mailtrail was built without libmaxminddb; build it with", database->path);
  return FALSE;
}

static void
look_up(Database *database, Kind kind, const MtIp *ip, MtPlace *place)
{
}

static void
close_database(Database *database)
{
  g_free(database->path);
}

static gboolean
is_open(const Database *database)
{
  return FALSE;
}

#endif

static void
try_open(Database *database, Kind kind, MtGeoFailed failed, gpointer user)
{
  GError *error = NULL;

  if (reopen(database, kind, &error))
    return;
  failed(user, error);
  g_clear_error(&error);
}

MtGeo *
mt_geo_new(const gchar *country_path, const gchar *asn_path, const gchar *anonymous_path,
           MtGeoFailed failed, gpointer user)
{
  const gchar *paths[KIND_COUNT] = { country_path, asn_path, anonymous_path };
  MtGeo *geo = g_new0(MtGeo, 1);

  geo->cache = g_new0(Slot, CACHE_SLOTS);
  for (gint kind = 0; kind < KIND_COUNT; kind++)
    {
      geo->databases[kind].path = g_strdup(paths[kind]);
      if (paths[kind])
        try_open(&geo->databases[kind], kind, failed, user);
    }
  return geo;
}

void
mt_geo_free(MtGeo *geo)
{
  if (!geo)
    return;
  for (gint kind = 0; kind < KIND_COUNT; kind++)
    close_database(&geo->databases[kind]);
  g_free(geo->cache);
  g_free(geo);
}

static guint
slot_of(const MtIp *ip)
{
  guint64 high, low;

  memcpy(&high, ip->b, 8);
  memcpy(&low, ip->b + 8, 8);
  high = (high ^ low * G_GUINT64_CONSTANT(0x9e3779b97f4a7c15))
         * G_GUINT64_CONSTANT(0xff51afd7ed558ccd);
  return high >> 52;
}

const MtPlace *
mt_geo_look_up(MtGeo *geo, const MtIp *ip)
{
  Slot *slot;

  if (!geo || mt_ip_is_internal(ip))
    return &nowhere;
  slot = &geo->cache[slot_of(ip)];
  if (slot->used && mt_ip_equal(&slot->ip, ip))
    return &slot->place;
  memset(slot, 0, sizeof *slot);
  slot->used = TRUE;
  slot->ip = *ip;
  for (gint kind = 0; kind < KIND_COUNT; kind++)
    look_up(&geo->databases[kind], kind, ip, &slot->place);
  return &slot->place;
}

gboolean
mt_geo_refresh(MtGeo *geo, MtGeoFailed failed, gpointer user)
{
  gboolean changed = FALSE;

  for (gint kind = 0; kind < KIND_COUNT; kind++)
    {
      Database *database = &geo->databases[kind];

      if (!database->path || !has_changed(database))
        continue;
      changed = TRUE;
      try_open(database, kind, failed, user);
    }
  if (changed)
    memset(geo->cache, 0, CACHE_SLOTS * sizeof *geo->cache);
  return changed;
}

guint
mt_geo_has(const MtGeo *geo)
{
  static const guint bits[KIND_COUNT] = { MT_GEO_HAS_COUNTRY, MT_GEO_HAS_ASN,
                                          MT_GEO_HAS_ANONYMOUS };
  guint has = 0;

  for (gint kind = 0; kind < KIND_COUNT; kind++)
    if (is_open(&geo->databases[kind]))
      has |= bits[kind];
  return has;
}
