#include "watch/policy.h"
#include "watch/watch.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

G_DEFINE_QUARK(mt - policy - error - quark, mt_policy_error)

/* A scope: [default], [domain D] or [account A]; what it does not say is the next
 * wider one's. */
typedef struct
{
  gchar **usual_countries;   /* NULL: not said; an empty list: no country rule */
  GArray *exclude_ips;       /* MtNetwork; nullable */
  GArray *exclude_asns;      /* gint64; nullable */
  gchar **exclude_countries; /* nullable */
  gint notify;               /* -1: not said */
  gchar *notify_to;
  gchar *on_alert;
} Scope;

struct MtPolicy
{
  gatomicrefcount refs;
  Scope *widest;
  GHashTable *excluded; /* accounts and domains, lower case */
  GHashTable *domains;  /* lower case -> Scope */
  GHashTable *accounts; /* lower case -> Scope */
  MtRuleSettings *rules;
};

/* The file while it is read: for errors that name the line. */
typedef struct
{
  const gchar *path;
  gchar **lines;
  GKeyFile *keys;
  MtPolicy *policy;
} Reader;

/* ---- scopes ----------------------------------------------------------------------------- */

static Scope *
new_scope(void)
{
  Scope *scope = g_new0(Scope, 1);

  scope->notify = -1;
  return scope;
}

static void
free_scope(gpointer data)
{
  Scope *scope = data;

  g_strfreev(scope->usual_countries);
  g_strfreev(scope->exclude_countries);
  if (scope->exclude_ips)
    g_array_free(scope->exclude_ips, TRUE);
  if (scope->exclude_asns)
    g_array_free(scope->exclude_asns, TRUE);
  g_free(scope->notify_to);
  g_free(scope->on_alert);
  g_free(scope);
}

MtPolicy *
mt_policy_new(void)
{
  MtPolicy *policy = g_new0(MtPolicy, 1);

  g_atomic_ref_count_init(&policy->refs);
  policy->widest = new_scope();
  policy->excluded = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  policy->domains = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, free_scope);
  policy->accounts = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, free_scope);
  policy->rules = g_new0(MtRuleSettings, mt_watch_rule_count());
  for (guint i = 0; i < mt_watch_rule_count(); i++)
    policy->rules[i] = mt_watch_rules[i]->defaults;
  return policy;
}

MtPolicy *
mt_policy_ref(MtPolicy *policy)
{
  g_atomic_ref_count_inc(&policy->refs);
  return policy;
}

void
mt_policy_unref(MtPolicy *policy)
{
  if (!policy || !g_atomic_ref_count_dec(&policy->refs))
    return;
  free_scope(policy->widest);
  g_hash_table_destroy(policy->excluded);
  g_hash_table_destroy(policy->domains);
  g_hash_table_destroy(policy->accounts);
  g_free(policy->rules);
  g_free(policy);
}

/* ---- reading: lines ------------------------------------------------------------------------ */

/* "key=value   ; why": a ';' behind white space begins a comment; one that separates a
 * list stands behind a word. */
static void
cut_comment(gchar *line)
{
  gchar *trimmed = g_strchug(line);

  if (*trimmed == ';' || *trimmed == '#')
    {
      *trimmed = '\0';
      return;
    }
  for (gchar *at = trimmed; *at; at++)
    if ((*at == ' ' || *at == '\t') && at[1] == ';')
      {
        *at = '\0';
        break;
      }
  g_strchomp(trimmed);
}

static gboolean
fail_at(const Reader *reader, gint line, GError **error, const gchar *format, ...)
{
  va_list args;
  gchar *what;

  va_start(args, format);
  what = g_strdup_vprintf(format, args);
  va_end(args);
  g_set_error(error, MT_POLICY_ERROR, MT_POLICY_ERROR_SYNTAX, "%s:%d: %s", reader->path, line,
              what);
  g_free(what);
  return FALSE;
}

static gboolean
check_lines(const Reader *reader, GError **error)
{
  gboolean in_group = FALSE;

  for (gint i = 0; reader->lines[i]; i++)
    {
      const gchar *line = reader->lines[i];

      if (!*line)
        continue;
      if (*line == '[')
        {
          if (!g_str_has_suffix(line, "]"))
            return fail_at(reader, i + 1, error, "the group has no ']'");
          in_group = TRUE;
        }
      else if (!strchr(line, '=') || *line == '=')
        return fail_at(reader, i + 1, error, "is neither [group] nor key=value: \"%s\"", line);
      else if (!in_group)
        return fail_at(reader, i + 1, error, "stands before the first group; put [default] above");
    }
  return TRUE;
}

/* The line of a key in its group, or of the group. */
static gint
line_of(const Reader *reader, const gchar *group, const gchar *key)
{
  gchar *head = g_strdup_printf("[%s]", group);
  gboolean inside = FALSE;
  gint found = 1;

  for (gint i = 0; reader->lines[i]; i++)
    {
      const gchar *line = reader->lines[i];
      gsize len = key ? strlen(key) : 0;

      if (*line == '[')
        inside = g_str_equal(line, head);
      if (inside
          && (*line == '['
              || (key && strncmp(line, key, len) == 0 && (line[len] == '=' || line[len] == ' '))))
        found = i + 1;
    }
  g_free(head);
  return found;
}

/* ---- reading: values ------------------------------------------------------------------------- */

static gchar *
value_of(const Reader *reader, const gchar *group, const gchar *key)
{
  gchar *value = g_key_file_get_value(reader->keys, group, key, NULL);

  return value ? g_strstrip(value) : NULL;
}

static gchar **
list_of(const Reader *reader, const gchar *group, const gchar *key)
{
  gchar *value = value_of(reader, group, key);
  gchar **items = g_strsplit_set(value, ";, ", -1);
  guint kept = 0;

  for (guint i = 0; items[i]; i++)
    {
      if (*items[i])
        items[kept++] = items[i];
      else
        g_free(items[i]);
    }
  items[kept] = NULL;
  g_free(value);
  return items;
}

static gboolean
read_boolean(const Reader *reader, const gchar *group, const gchar *key, gboolean *out,
             GError **error)
{
  gchar *value = value_of(reader, group, key);
  gboolean yes = value && (g_str_equal(value, "yes") || g_str_equal(value, "true"));
  gboolean no = value && (g_str_equal(value, "no") || g_str_equal(value, "false"));

  if (!yes && !no)
    fail_at(reader, line_of(reader, group, key), error, "%s must be yes or no, not \"%s\"", key,
            value);
  else
    *out = yes;
  g_free(value);
  return yes || no;
}

static gboolean
read_number(const Reader *reader, const gchar *group, const gchar *key, gint64 *out, GError **error)
{
  gchar *value = value_of(reader, group, key);
  guint64 number;
  gboolean ok = mt_span_to_u64(mt_span_of_string(value), &number) && number <= 100000000;

  if (!ok)
    fail_at(reader, line_of(reader, group, key), error,
            "%s must be a whole number up to 100000000, not \"%s\"", key, value);
  else
    *out = number;
  g_free(value);
  return ok;
}

static gboolean
read_countries(const Reader *reader, const gchar *group, const gchar *key, gchar ***out,
               GError **error)
{
  gchar **codes = list_of(reader, group, key);

  for (guint i = 0; codes[i]; i++)
    {
      if (strlen(codes[i]) != 2 || !g_ascii_isalpha(codes[i][0]) || !g_ascii_isalpha(codes[i][1]))
        {
          fail_at(reader, line_of(reader, group, key), error,
                  "\"%s\" is no country code of two letters (ISO 3166-1), such as ES", codes[i]);
          g_strfreev(codes);
          return FALSE;
        }
      codes[i][0] = g_ascii_toupper(codes[i][0]);
      codes[i][1] = g_ascii_toupper(codes[i][1]);
    }
  *out = codes;
  return TRUE;
}

/* Accounts or domains that are never suspicious. */
static gboolean
read_excluded(const Reader *reader, const gchar *group, const gchar *key, GError **error)
{
  gboolean accounts = g_str_equal(key, "exclude-accounts");
  gchar **names;
  gboolean ok = TRUE;

  if (!g_str_equal(group, "default"))
    return fail_at(reader, line_of(reader, group, key), error, "%s stands in [default] only", key);
  names = list_of(reader, group, key);
  for (guint i = 0; names[i] && ok; i++)
    {
      gboolean is_domain = !strchr(names[i], '@');

      ok = accounts || is_domain;
      if (!ok)
        fail_at(reader, line_of(reader, group, key), error,
                "\"%s\" is no domain, such as example.com", names[i]);
      else if (accounts)
        g_hash_table_add(reader->policy->excluded, g_ascii_strdown(names[i], -1));
      else
        {
          gchar *lower = g_ascii_strdown(names[i], -1);

          g_hash_table_add(reader->policy->excluded, g_strconcat("@", lower, NULL));
          g_free(lower);
        }
    }
  g_strfreev(names);
  return ok;
}

/* It becomes an argument and a header of a mail: an address and nothing else. */
static gboolean
read_notify_to(const Reader *reader, const gchar *group, const gchar *key, Scope *scope,
               GError **error)
{
  gchar *value = value_of(reader, group, key);
  const gchar *at = strchr(value, '@');
  gboolean ok =
      at && at > value && at[1] && !strchr(at + 1, '@') && *value != '-' && strlen(value) <= 254;

  for (const gchar *c = value; ok && *c; c++)
    ok = g_ascii_isalnum(*c) || strchr("@.-_+=", *c);
  if (!ok)
    fail_at(reader, line_of(reader, group, key), error,
            "\"%s\" is no address that mail can go to, such as postmaster@example.com", value);
  g_free(scope->notify_to);
  scope->notify_to = value;
  return ok;
}

static gboolean
read_on_alert(const Reader *reader, const gchar *group, const gchar *key, Scope *scope,
              GError **error)
{
  if (!g_str_equal(group, "default"))
    return fail_at(reader, line_of(reader, group, key), error,
                   "on-alert stands in [default] only: one program acts for all");
  g_free(scope->on_alert);
  scope->on_alert = value_of(reader, group, key);
  return g_path_is_absolute(scope->on_alert)
         || fail_at(reader, line_of(reader, group, key), error,
                    "on-alert must be a whole path, not \"%s\"", scope->on_alert);
}

static gboolean
read_networks(const Reader *reader, const gchar *group, Scope *scope, GError **error)
{
  gchar **items = list_of(reader, group, "exclude-ips");
  gboolean ok = TRUE;

  scope->exclude_ips = g_array_new(FALSE, FALSE, sizeof(MtNetwork));
  for (guint i = 0; items[i] && ok; i++)
    {
      MtNetwork network;

      ok = mt_network_parse(mt_span_of_string(items[i]), &network);
      if (ok)
        g_array_append_val(scope->exclude_ips, network);
      else
        fail_at(reader, line_of(reader, group, "exclude-ips"), error,
                "\"%s\" is no address or network, such as 192.0.2.0/24", items[i]);
    }
  g_strfreev(items);
  return ok;
}

static gboolean
read_asns(const Reader *reader, const gchar *group, Scope *scope, GError **error)
{
  gchar **items = list_of(reader, group, "exclude-asns");
  gboolean ok = TRUE;

  scope->exclude_asns = g_array_new(FALSE, FALSE, sizeof(gint64));
  for (guint i = 0; items[i] && ok; i++)
    {
      const gchar *digits = g_ascii_strncasecmp(items[i], "AS", 2) == 0 ? items[i] + 2 : items[i];
      guint64 number;

      ok = mt_span_to_u64(mt_span_of_string(digits), &number) && number <= G_MAXUINT32;
      if (ok)
        g_array_append_val(scope->exclude_asns, number);
      else
        fail_at(reader, line_of(reader, group, "exclude-asns"), error,
                "\"%s\" is no number of a network, such as 64500", items[i]);
    }
  g_strfreev(items);
  return ok;
}

static gboolean
read_scope_key(const Reader *reader, const gchar *group, const gchar *key, Scope *scope,
               GError **error)
{
  if (g_str_equal(key, "usual-countries"))
    return read_countries(reader, group, key, &scope->usual_countries, error);
  if (g_str_equal(key, "exclude-countries"))
    return read_countries(reader, group, key, &scope->exclude_countries, error);
  if (g_str_equal(key, "exclude-ips"))
    return read_networks(reader, group, scope, error);
  if (g_str_equal(key, "exclude-asns"))
    return read_asns(reader, group, scope, error);
  if (g_str_equal(key, "exclude-accounts") || g_str_equal(key, "exclude-domains"))
    return read_excluded(reader, group, key, error);
  if (g_str_equal(key, "notify"))
    return read_boolean(reader, group, key, &scope->notify, error);
  if (g_str_equal(key, "notify-to"))
    return read_notify_to(reader, group, key, scope, error);
  if (g_str_equal(key, "on-alert"))
    return read_on_alert(reader, group, key, scope, error);
  return fail_at(reader, line_of(reader, group, key), error,
                 "\"%s\" is no key of [%s]; there are usual-countries, exclude-ips, exclude-asns, "
                 "exclude-countries, notify, notify-to and, in [default], exclude-accounts, "
                 "exclude-domains, on-alert",
                 key, group);
}

/* Of a key that is there twice one value would be lost. */
static gboolean
check_once(const Reader *reader, const gchar *group, gchar **keys, GError **error)
{
  for (guint i = 0; keys[i]; i++)
    for (guint before = 0; before < i; before++)
      if (g_str_equal(keys[i], keys[before]))
        return fail_at(reader, line_of(reader, group, keys[i]), error, "%s is said twice in [%s]",
                       keys[i], group);
  return TRUE;
}

static gboolean
read_scope(const Reader *reader, const gchar *group, Scope *scope, GError **error)
{
  gchar **keys = g_key_file_get_keys(reader->keys, group, NULL, NULL);
  gboolean ok = check_once(reader, group, keys, error);

  for (guint i = 0; keys[i] && ok; i++)
    ok = read_scope_key(reader, group, keys[i], scope, error);
  g_strfreev(keys);
  return ok;
}

static gboolean
read_severity(const Reader *reader, const gchar *group, MtSeverity *out, GError **error)
{
  gchar *value = value_of(reader, group, "severity");
  gint severity = mt_severity_by_name(value);

  if (severity < 0)
    fail_at(reader, line_of(reader, group, "severity"), error,
            "severity must be notice, warning or critical, not \"%s\"", value);
  else
    *out = severity;
  g_free(value);
  return severity >= 0;
}

static gboolean
read_rule_key(const Reader *reader, const gchar *group, const gchar *key, MtRuleSettings *rule,
              GError **error)
{
  if (g_str_equal(key, "enabled"))
    return read_boolean(reader, group, key, &rule->enabled, error);
  if (g_str_equal(key, "severity"))
    {
      rule->severity_is_set = TRUE;
      return read_severity(reader, group, &rule->severity, error);
    }
  if (g_str_equal(key, "cooldown"))
    return read_number(reader, group, key, &rule->cooldown_s, error);
  if (g_str_equal(key, "threshold") && rule->threshold)
    return read_number(reader, group, key, &rule->threshold, error)
           && (rule->threshold > 0
               || fail_at(reader, line_of(reader, group, key), error,
                          "threshold must be 1 at least"));
  if (g_str_equal(key, "window") && rule->window_s)
    return read_number(reader, group, key, &rule->window_s, error);
  return fail_at(reader, line_of(reader, group, key), error,
                 "\"%s\" is no key of [%s]; there are enabled, severity, cooldown%s%s", key, group,
                 rule->threshold ? ", threshold" : "", rule->window_s ? ", window" : "");
}

static gboolean
read_rule(const Reader *reader, const gchar *group, GError **error)
{
  gint index = mt_watch_rule_by_name(group + strlen("rule "));
  gchar **keys;
  gboolean ok;

  if (index < 0)
    return fail_at(reader, line_of(reader, group, NULL), error, "there is no rule \"%s\"",
                   group + strlen("rule "));
  keys = g_key_file_get_keys(reader->keys, group, NULL, NULL);
  ok = check_once(reader, group, keys, error);
  for (guint i = 0; keys[i] && ok; i++)
    ok = read_rule_key(reader, group, keys[i], &reader->policy->rules[index], error);
  g_strfreev(keys);
  return ok;
}

static gboolean
read_named_scope(const Reader *reader, const gchar *group, GHashTable *scopes, const gchar *name,
                 GError **error)
{
  Scope *scope = new_scope();

  g_hash_table_replace(scopes, g_ascii_strdown(name, -1), scope);
  return read_scope(reader, group, scope, error);
}

static gboolean
read_group(const Reader *reader, const gchar *group, GError **error)
{
  if (g_str_equal(group, "default"))
    return read_scope(reader, group, reader->policy->widest, error);
  if (g_str_has_prefix(group, "domain ") && !strchr(group, '@'))
    return read_named_scope(reader, group, reader->policy->domains, group + strlen("domain "),
                            error);
  if (g_str_has_prefix(group, "account "))
    return read_named_scope(reader, group, reader->policy->accounts, group + strlen("account "),
                            error);
  if (g_str_has_prefix(group, "rule "))
    return read_rule(reader, group, error);
  return fail_at(reader, line_of(reader, group, NULL), error,
                 "[%s] is no group; there are [default], [domain D], [account A], [rule R]", group);
}

static gboolean
read_groups(Reader *reader, GError **error)
{
  gchar *text = g_strjoinv("\n", reader->lines);
  GError *syntax = NULL;
  gchar **groups;
  gboolean ok = TRUE;

  if (!g_key_file_load_from_data(reader->keys, text, strlen(text), G_KEY_FILE_NONE, &syntax))
    {
      g_free(text);
      fail_at(reader, 1, error, "%s", syntax->message);
      g_clear_error(&syntax);
      return FALSE;
    }
  g_free(text);
  groups = g_key_file_get_groups(reader->keys, NULL);
  for (guint i = 0; groups[i] && ok; i++)
    ok = read_group(reader, groups[i], error);
  g_strfreev(groups);
  return ok;
}

/* Who may write the policy says what is not suspicious, and what program runs. */
static gboolean
check_owner(const gchar *path, GError **error)
{
  struct stat now;

  if (stat(path, &now) != 0)
    {
      g_set_error(error, MT_POLICY_ERROR, MT_POLICY_ERROR_READ, "%s: cannot be read: %s", path,
                  g_strerror(errno));
      return FALSE;
    }
  if (now.st_mode & S_IWOTH || (now.st_uid != 0 && now.st_uid != geteuid()))
    {
      g_set_error(error, MT_POLICY_ERROR, MT_POLICY_ERROR_UNSAFE,
                  "%s: others can write it; make it root's with chown root and chmod o-w", path);
      return FALSE;
    }
  return TRUE;
}

MtPolicy *
mt_policy_read(const gchar *path, GError **error)
{
  Reader reader = { .path = path };
  GError *reading = NULL;
  gchar *text;
  gboolean ok;

  if (!check_owner(path, error))
    return NULL;
  if (!g_file_get_contents(path, &text, NULL, &reading))
    {
      g_set_error(error, MT_POLICY_ERROR, MT_POLICY_ERROR_READ, "%s: cannot be read: %s", path,
                  reading->message);
      g_clear_error(&reading);
      return NULL;
    }
  reader.lines = g_strsplit(text, "\n", -1);
  g_free(text);
  for (guint i = 0; reader.lines[i]; i++)
    {
      cut_comment(reader.lines[i]);
      g_strstrip(reader.lines[i]);
    }
  reader.policy = mt_policy_new();
  reader.keys = g_key_file_new();
  ok = check_lines(&reader, error) && read_groups(&reader, error);
  g_key_file_free(reader.keys);
  g_strfreev(reader.lines);
  if (ok)
    return reader.policy;
  mt_policy_unref(reader.policy);
  return NULL;
}

/* ---- asking ------------------------------------------------------------------------ */

const MtRuleSettings *
mt_policy_rule(const MtPolicy *policy, guint index)
{
  return &policy->rules[index];
}

/* The scopes that hold for an account, narrowest first; returns how many. */
static guint
scopes_of(const MtPolicy *policy, MtSpan account, const Scope *scopes[3])
{
  guint count = 0;
  const gchar *at;
  gchar *name;

  scopes[0] = policy->widest;
  if (g_hash_table_size(policy->accounts) + g_hash_table_size(policy->domains) == 0)
    return 1;
  name = g_ascii_strdown(account.at ? account.at : "", account.len);
  at = strrchr(name, '@');
  scopes[count] = g_hash_table_lookup(policy->accounts, name);
  count += scopes[count] != NULL;
  scopes[count] = at ? g_hash_table_lookup(policy->domains, at + 1) : NULL;
  count += scopes[count] != NULL;
  scopes[count++] = policy->widest;
  g_free(name);
  return count;
}

void
mt_policy_account(const MtPolicy *policy, MtSpan account, MtAccountPolicy *out)
{
  const Scope *scopes[3];
  guint count = scopes_of(policy, account, scopes);
  gint notify = -1;

  memset(out, 0, sizeof *out);
  for (guint i = 0; i < count; i++)
    {
      if (!out->usual_countries)
        out->usual_countries = (const gchar *const *) scopes[i]->usual_countries;
      if (!out->notify_to)
        out->notify_to = scopes[i]->notify_to;
      if (notify < 0)
        notify = scopes[i]->notify;
    }
  out->notify = notify > 0;
  out->on_alert = policy->widest->on_alert;
}

/* The account itself, or its domain. */
static gboolean
excludes_account(const MtPolicy *policy, MtSpan account)
{
  gchar *name;
  const gchar *at;
  gboolean found;

  if (g_hash_table_size(policy->excluded) == 0 || !account.len)
    return FALSE;
  name = g_ascii_strdown(account.at, account.len);
  at = strrchr(name, '@');
  found = g_hash_table_contains(policy->excluded, name)
          || (at && g_hash_table_contains(policy->excluded, at));
  g_free(name);
  return found;
}

static gboolean
scope_excludes(const Scope *scope, const MtIp *ip, const gchar *country, gint64 asn)
{
  if (ip && mt_networks_have(scope->exclude_ips, ip))
    return TRUE;
  if (*country && scope->exclude_countries
      && g_strv_contains((const gchar *const *) scope->exclude_countries, country))
    return TRUE;
  for (guint i = 0; asn && scope->exclude_asns && i < scope->exclude_asns->len; i++)
    if (g_array_index(scope->exclude_asns, gint64, i) == asn)
      return TRUE;
  return FALSE;
}

gboolean
mt_policy_excludes(const MtPolicy *policy, MtSpan account, const MtIp *ip, const gchar *country,
                   gint64 asn)
{
  const Scope *scopes[3];
  guint count = scopes_of(policy, account, scopes);

  for (guint i = 0; i < count; i++)
    if (scope_excludes(scopes[i], ip, country, asn))
      return TRUE;
  return excludes_account(policy, account);
}

static void
describe_exclusions(GString *text, const Scope *scope)
{
  gchar ip[MT_IP_TEXT_BYTES];

  for (guint i = 0; scope->exclude_ips && i < scope->exclude_ips->len; i++)
    {
      const MtNetwork *network = &g_array_index(scope->exclude_ips, MtNetwork, i);

      mt_ip_format(&network->ip, ip);
      g_string_append_printf(text, " %s/%u", ip,
                             network->bits - (mt_ip_is_v4(&network->ip) ? 96 : 0));
    }
  for (guint i = 0; scope->exclude_asns && i < scope->exclude_asns->len; i++)
    g_string_append_printf(text, " AS%" G_GINT64_FORMAT,
                           g_array_index(scope->exclude_asns, gint64, i));
  for (guint i = 0; scope->exclude_countries && scope->exclude_countries[i]; i++)
    g_string_append_printf(text, " %s", scope->exclude_countries[i]);
}

static void
describe_rule(GString *text, const MtWatchRule *rule, const MtRuleSettings *settings)
{
  g_string_append_printf(text, "rule %s: %s, %s, cooldown %" G_GINT64_FORMAT " s", rule->name,
                         settings->enabled ? "on" : "off", mt_severity_name(settings->severity),
                         settings->cooldown_s);
  if (settings->threshold)
    g_string_append_printf(text, ", threshold %" G_GINT64_FORMAT, settings->threshold);
  if (settings->window_s)
    g_string_append_printf(text, ", window %" G_GINT64_FORMAT " s", settings->window_s);
  if (rule->needs)
    g_string_append_printf(text, ", needs %s",
                           rule->needs & MT_GEO_HAS_COUNTRY ? "geoip-database()"
                                                            : "anonymous-ip-database()");
  g_string_append_c(text, '\n');
}

static gchar *
describe_countries(const gchar *const *countries)
{
  if (!countries)
    return g_strdup("(not said: a country is suspicious when it is new)");
  return countries[0] ? g_strjoinv(";", (gchar **) countries) : g_strdup("(no country rule)");
}

gchar *
mt_policy_describe(const MtPolicy *policy, MtSpan account)
{
  GString *text = g_string_new(NULL);
  const Scope *scopes[3];
  guint count = scopes_of(policy, account, scopes);
  MtAccountPolicy its;
  gchar *countries;

  mt_policy_account(policy, account, &its);
  countries = describe_countries(its.usual_countries);
  g_string_append_printf(text, "usual-countries: %s\nexcluded:", countries);
  for (guint i = 0; i < count; i++)
    describe_exclusions(text, scopes[i]);
  g_string_append(text, excludes_account(policy, account) ? " the account\n" : "\n");
  g_string_append_printf(text, "notify: %s\n", its.notify ? "yes" : "no");
  g_string_append_printf(text, "notify-to: %s\n", its.notify_to ? its.notify_to : "-");
  g_string_append_printf(text, "on-alert: %s\n", its.on_alert ? its.on_alert : "-");
  for (guint i = 0; i < mt_watch_rule_count(); i++)
    describe_rule(text, mt_watch_rules[i], &policy->rules[i]);
  g_free(countries);
  return g_string_free(text, FALSE);
}
