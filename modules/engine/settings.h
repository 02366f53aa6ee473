/* settings.h: what a user may set
 *
 * Layer: engine.  Concurrency: belongs to its caller; read-only once the engine is open.
 */
#ifndef MT_ENGINE_SETTINGS_H
#define MT_ENGINE_SETTINGS_H

#include "scan/ip.h"

#define MT_SETTINGS_ERROR (mt_settings_error_quark())

GQuark mt_settings_error_quark(void);

/* The options of contract section 1, under their names. */
typedef struct
{
  gchar *database;
  gint uid, gid; /* owner(), group(): -1: as they come */
  guint perm;
  guint retention_days;
  gint64 max_size_bytes;
  guint raw_lines;
  gchar **local_domains;  /* NULL: learned */
  GArray *local_networks; /* MtNetwork */
  gchar *geoip_database, *asn_database, *anonymous_ip_database;
  gchar *policy_file;
  gchar *time_zone; /* of stamps that state none; NULL: local */
  gchar **ignore_access, **ignore_mail;
  GArray *exclude_ips;  /* MtNetwork */
  GArray *trusted_uids; /* gint64; NULL: any */
  gboolean store_subject;
  gboolean store_unknown_accounts;
} MtSettings;

/* mt_settings_init: the defaults.  mt_settings_clear: frees what it holds. */
void mt_settings_init(MtSettings *settings);
void mt_settings_clear(MtSettings *settings);

/* mt_settings_copy: @to: not initialised yet. */
void mt_settings_copy(MtSettings *to, const MtSettings *from);

/* mt_settings_set: by the option's name, from text: lists are set item by item, each
 * call adds one.  Returns: FALSE with @error: "NAME(VALUE): what is wrong; what to do". */
gboolean mt_settings_set(MtSettings *settings, const gchar *name, const gchar *value,
                         GError **error);

/* mt_settings_name: the options one by one; NULL behind the last. */
const gchar *mt_settings_name(guint index);

/* mt_settings_to_text, mt_settings_from_text: as they are remembered in a store. */
gchar *mt_settings_to_text(const MtSettings *settings);
void mt_settings_from_text(MtSettings *settings, const gchar *text);

/* mt_settings_group: the options as long options of a command line, but for those of
 * @except (NULL-terminated).  What is given goes into @given as name, value, name, value;
 * mt_settings_apply() sets it. (transfer full) */
GOptionGroup *mt_settings_group(GPtrArray *given, const gchar *const *except);
gboolean mt_settings_apply(MtSettings *settings, const GPtrArray *given, GError **error);

/* mt_settings_default_database: where the store is if nobody says. */
const gchar *mt_settings_default_database(void);

#endif
