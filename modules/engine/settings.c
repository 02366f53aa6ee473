#include "engine/settings.h"

#include <grp.h>
#include <pwd.h>

G_DEFINE_QUARK(mt - settings - error - quark, mt_settings_error)

#define DEFAULT_RETENTION_DAYS 30
#define DEFAULT_RAW_LINES 10000
#define DEFAULT_PERM 0640

const gchar *
mt_settings_default_database(void)
{
  return MT_LOCALSTATEDIR "/lib/mailtrail/mail.db";
}

/* Loopback is ours whatever the user says, see mt_trail_is_ours(). */
void
mt_settings_init(MtSettings *settings)
{
  memset(settings, 0, sizeof *settings);
  settings->database = g_strdup(mt_settings_default_database());
  settings->uid = settings->gid = -1;
  settings->perm = DEFAULT_PERM;
  settings->retention_days = DEFAULT_RETENTION_DAYS;
  settings->raw_lines = DEFAULT_RAW_LINES;
  settings->store_subject = TRUE;
}

static void
free_array(GArray **array)
{
  if (*array)
    g_array_free(*array, TRUE);
  *array = NULL;
}

void
mt_settings_clear(MtSettings *settings)
{
  g_free(settings->database);
  g_free(settings->geoip_database);
  g_free(settings->asn_database);
  g_free(settings->anonymous_ip_database);
  g_free(settings->policy_file);
  g_free(settings->time_zone);
  g_strfreev(settings->local_domains);
  g_strfreev(settings->ignore_access);
  g_strfreev(settings->ignore_mail);
  free_array(&settings->local_networks);
  free_array(&settings->exclude_ips);
  free_array(&settings->trusted_uids);
  memset(settings, 0, sizeof *settings);
}

static GArray *
copy_array(GArray *from)
{
  return from ? g_array_copy(from) : NULL;
}

void
mt_settings_copy(MtSettings *to, const MtSettings *from)
{
  *to = *from;
  to->database = g_strdup(from->database);
  to->geoip_database = g_strdup(from->geoip_database);
  to->asn_database = g_strdup(from->asn_database);
  to->anonymous_ip_database = g_strdup(from->anonymous_ip_database);
  to->policy_file = g_strdup(from->policy_file);
  to->time_zone = g_strdup(from->time_zone);
  to->local_domains = g_strdupv(from->local_domains);
  to->ignore_access = g_strdupv(from->ignore_access);
  to->ignore_mail = g_strdupv(from->ignore_mail);
  to->local_networks = copy_array(from->local_networks);
  to->exclude_ips = copy_array(from->exclude_ips);
  to->trusted_uids = copy_array(from->trusted_uids);
}

/* ---- kinds of value ----------------------------------------------------------------------- */

/* Returns: NULL, or what is wrong with the value. */
typedef const gchar *(*SetFunc)(gpointer field, const gchar *value);

static const gchar *
set_text(gpointer field, const gchar *value)
{
  gchar **text = field;

  if (!*value)
    return "is empty; name a file";
  g_free(*text);
  *text = g_strdup(value);
  return NULL;
}

static const gchar *
set_zone(gpointer field, const gchar *value)
{
  GTimeZone *zone = g_time_zone_new_identifier(value);

  if (!zone)
    return "is no zone, such as Europe/Berlin or +01:00";
  g_time_zone_unref(zone);
  return set_text(field, value);
}

static gboolean
parse_number(const gchar *value, guint64 *number)
{
  return mt_span_to_u64(mt_span_of_string(value), number);
}

static const gchar *
set_count(gpointer field, const gchar *value)
{
  guint64 number;

  if (!parse_number(value, &number) || number > 100000000)
    return "must be a whole number from 0 to 100000000";
  *(guint *) field = number;
  return NULL;
}

static const gchar *
set_days(gpointer field, const gchar *value)
{
  guint64 number;

  if (!parse_number(value, &number) || number > 36500)
    return "must be a number of days from 0 to 36500; 0 keeps all";
  *(guint *) field = number;
  return NULL;
}

/* Units as in the rest of syslog-ng's configuration: 1G is 1000^3, 1GiB is 1024^3. */
static const gchar *
set_bytes(gpointer field, const gchar *value)
{
  static const gchar units[] = "kmgt";
  MtCursor cur = mt_cursor(mt_span_of_string(value));
  guint64 number, step = 1000;
  const gchar *unit;
  guint power;

  if (!mt_scan_u64(&cur, &number))
    return "must be a number of bytes, such as 10G or 512MiB";
  unit = strchr(units, g_ascii_tolower(mt_cursor_peek(&cur)));
  power = unit && *unit ? unit - units + 1 : 0;
  cur.at += power ? 1 : 0;
  if (power && g_ascii_tolower(mt_cursor_peek(&cur)) == 'i')
    cur.at++, step = 1024;
  if (g_ascii_tolower(mt_cursor_peek(&cur)) == 'b')
    cur.at++;
  for (; power; power--)
    {
      if (number > (guint64) G_MAXINT64 / step)
        return "is too much";
      number *= step;
    }
  if (cur.at != cur.end)
    return "must be a number of bytes, such as 10G or 512MiB";
  *(gint64 *) field = number;
  return NULL;
}

static const gchar *
set_boolean(gpointer field, const gchar *value)
{
  if (g_str_equal(value, "yes") || g_str_equal(value, "on") || g_str_equal(value, "1"))
    *(gboolean *) field = TRUE;
  else if (g_str_equal(value, "no") || g_str_equal(value, "off") || g_str_equal(value, "0"))
    *(gboolean *) field = FALSE;
  else
    return "must be yes or no";
  return NULL;
}

static const gchar *
set_owner(gpointer field, const gchar *value)
{
  guint64 number;
  struct passwd *user = getpwnam(value);

  if (user)
    *(gint *) field = user->pw_uid;
  else if (parse_number(value, &number) && number < G_MAXINT32)
    *(gint *) field = number;
  else
    return "there is no such user";
  return NULL;
}

static const gchar *
set_group(gpointer field, const gchar *value)
{
  guint64 number;
  struct group *group = getgrnam(value);

  if (group)
    *(gint *) field = group->gr_gid;
  else if (parse_number(value, &number) && number < G_MAXINT32)
    *(gint *) field = number;
  else
    return "there is no such group";
  return NULL;
}

static const gchar *
set_perm(gpointer field, const gchar *value)
{
  gchar *end;
  guint64 mode = g_ascii_strtoull(value, &end, 8);

  if (end == value || *end || mode > 0777 || !(mode & 0600))
    return "must be an octal mode that the owner may read and write, such as 0640";
  *(guint *) field = mode;
  return NULL;
}

static const gchar *
add_text(gpointer field, const gchar *value)
{
  gchar ***list = field;
  guint count = *list ? g_strv_length(*list) : 0;

  if (!*value)
    return "is empty";
  *list = g_renew(gchar *, *list, count + 2);
  (*list)[count] = g_strdup(value);
  (*list)[count + 1] = NULL;
  return NULL;
}

static const gchar *
add_network(gpointer field, const gchar *value)
{
  GArray **list = field;
  MtNetwork network;

  if (!mt_network_parse(mt_span_of_string(value), &network))
    return "is no address or network, such as 192.0.2.0/24";
  if (!*list)
    *list = g_array_new(FALSE, FALSE, sizeof(MtNetwork));
  g_array_append_val(*list, network);
  return NULL;
}

static const gchar *
add_uid(gpointer field, const gchar *value)
{
  GArray **list = field;
  gint uid;
  gint64 wide;

  if (set_owner(&uid, value))
    return "there is no such user";
  if (!*list)
    *list = g_array_new(FALSE, FALSE, sizeof(gint64));
  wide = uid;
  g_array_append_val(*list, wide);
  return NULL;
}

/* ---- the options -------------------------------------------------------------------------- */

typedef struct
{
  const gchar *name;
  gsize offset;
  SetFunc set;
} Option;

#define OPTION(name, field, set) \
  { \
    name, G_STRUCT_OFFSET(MtSettings, field), set \
  }

static const Option options[] = {
  OPTION("database", database, set_text),
  OPTION("owner", uid, set_owner),
  OPTION("group", gid, set_group),
  OPTION("perm", perm, set_perm),
  OPTION("retention", retention_days, set_days),
  OPTION("max-size", max_size_bytes, set_bytes),
  OPTION("raw-lines", raw_lines, set_count),
  OPTION("local-domains", local_domains, add_text),
  OPTION("local-networks", local_networks, add_network),
  OPTION("geoip-database", geoip_database, set_text),
  OPTION("asn-database", asn_database, set_text),
  OPTION("anonymous-ip-database", anonymous_ip_database, set_text),
  OPTION("policy-file", policy_file, set_text),
  OPTION("time-zone", time_zone, set_zone),
  OPTION("ignore-access", ignore_access, add_text),
  OPTION("ignore-mail", ignore_mail, add_text),
  OPTION("exclude-ips", exclude_ips, add_network),
  OPTION("trusted-uids", trusted_uids, add_uid),
  OPTION("store-subject", store_subject, set_boolean),
  OPTION("store-unknown-accounts", store_unknown_accounts, set_boolean),
};

const gchar *
mt_settings_name(guint index)
{
  return index < G_N_ELEMENTS(options) ? options[index].name : NULL;
}

gboolean
mt_settings_set(MtSettings *settings, const gchar *name, const gchar *value, GError **error)
{
  for (guint i = 0; i < G_N_ELEMENTS(options); i++)
    {
      const gchar *wrong;

      if (!g_str_equal(options[i].name, name))
        continue;
      wrong = options[i].set((gchar *) settings + options[i].offset, value);
      if (wrong)
        g_set_error(error, MT_SETTINGS_ERROR, 0, "%s(%s): %s", name, value, wrong);
      return !wrong;
    }
  g_set_error(error, MT_SETTINGS_ERROR, 0, "%s: there is no such option", name);
  return FALSE;
}

/* ---- remembered ---------------------------------------------------------------------------- */

static void
append_networks(GString *text, const gchar *name, const GArray *networks)
{
  gchar ip[MT_IP_TEXT_BYTES];

  for (guint i = 0; networks && i < networks->len; i++)
    {
      const MtNetwork *network = &g_array_index(networks, MtNetwork, i);

      mt_ip_format(&network->ip, ip);
      g_string_append_printf(text, "%s=%s/%u\n", name, ip,
                             network->bits - (mt_ip_is_v4(&network->ip) ? 96 : 0));
    }
}

/* A value may hold a line end. */
static void
append_text(GString *text, const gchar *name, const gchar *value)
{
  gchar *escaped = value ? g_strescape(value, NULL) : NULL;

  if (escaped)
    g_string_append_printf(text, "%s=%s\n", name, escaped);
  g_free(escaped);
}

static void
append_list(GString *text, const gchar *name, gchar **list)
{
  for (; list && *list; list++)
    append_text(text, name, *list);
}

gchar *
mt_settings_to_text(const MtSettings *settings)
{
  GString *text = g_string_new(NULL);

  g_string_append_printf(text, "retention=%u\nmax-size=%" G_GINT64_FORMAT "\nraw-lines=%u\n",
                         settings->retention_days, settings->max_size_bytes, settings->raw_lines);
  append_list(text, "local-domains", settings->local_domains);
  append_networks(text, "local-networks", settings->local_networks);
  append_text(text, "geoip-database", settings->geoip_database);
  append_text(text, "asn-database", settings->asn_database);
  append_text(text, "anonymous-ip-database", settings->anonymous_ip_database);
  append_text(text, "policy-file", settings->policy_file);
  append_text(text, "time-zone", settings->time_zone);
  append_list(text, "ignore-access", settings->ignore_access);
  append_list(text, "ignore-mail", settings->ignore_mail);
  append_networks(text, "exclude-ips", settings->exclude_ips);
  append_text(text, "store-subject", settings->store_subject ? "yes" : "no");
  append_text(text, "store-unknown-accounts", settings->store_unknown_accounts ? "yes" : "no");
  return g_string_free(text, FALSE);
}

void
mt_settings_from_text(MtSettings *settings, const gchar *text)
{
  gchar **lines = g_strsplit(text, "\n", -1);

  for (guint i = 0; lines[i]; i++)
    {
      gchar *value = strchr(lines[i], '='), *whole;

      if (!value)
        continue;
      *value++ = '\0';
      whole = g_strcompress(value);
      mt_settings_set(settings, lines[i], whole, NULL);
      g_free(whole);
    }
  g_strfreev(lines);
}

/* ---- on a command line ----------------------------------------------------------------------- */

static gboolean
keep_given(const gchar *name, const gchar *value, gpointer given, GError **error)
{
  while (*name == '-')
    name++;
  g_ptr_array_add(given, g_strdup(name));
  g_ptr_array_add(given, g_strdup(value));
  return TRUE;
}

GOptionGroup *
mt_settings_group(GPtrArray *given, const gchar *const *except)
{
  GOptionGroup *group = g_option_group_new(
      "settings", "The destination's options:", "The destination's options", given, NULL);

  for (guint i = 0; i < G_N_ELEMENTS(options); i++)
    {
      GOptionEntry entries[2] = { { NULL }, { NULL } };

      if (g_strv_contains(except, options[i].name))
        continue;
      entries[0].long_name = options[i].name;
      entries[0].arg = G_OPTION_ARG_CALLBACK;
      entries[0].arg_data = keep_given;
      entries[0].description = "as in destination { mailtrail(); }";
      entries[0].arg_description = "X";
      g_option_group_add_entries(group, entries);
    }
  return group;
}

gboolean
mt_settings_apply(MtSettings *settings, const GPtrArray *given, GError **error)
{
  for (guint i = 0; i + 1 < given->len; i += 2)
    if (!mt_settings_set(settings, g_ptr_array_index(given, i), g_ptr_array_index(given, i + 1),
                         error))
      return FALSE;
  return TRUE;
}
