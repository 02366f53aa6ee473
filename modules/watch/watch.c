#include "scan/text.h"
#include "watch/private.h"

/* Bounds of the tables: about 100 bytes an entry.  An attacker who fills them makes the
 * oldest entries go; what real accounts have is refreshed by their use. */
#define MAX_WINDOWS 100000
#define MAX_COOLDOWNS 20000
#define MAX_PAIRS 100000

/* A source that has logged in to an account within this time is no attacker of it. */
#define KNOWN_PAIR_US (30 * MT_DAY_US)

/* Pairs are written again when what is on disk is this old. */
#define PAIR_REFRESH_US MT_DAY_US

const MtWatchRule *const mt_watch_rules[]
  = { &mt_watch_rule_unusual_country, &mt_watch_rule_brute_force, NULL };

guint
mt_watch_rule_count(void)
{
  return G_N_ELEMENTS(mt_watch_rules) - 1;
}

gint
mt_watch_rule_by_name(const gchar *name)
{
  for (gint i = 0; mt_watch_rules[i]; i++)
    if (g_str_equal(mt_watch_rules[i]->name, name))
      return i;
  return -1;
}

static MtTime
never_seen(gpointer self, guint64 key)
{
  return MT_NO_TIME;
}

const MtWatchBacking mt_watch_backing_null = { NULL, never_seen };

static void
clear_alert(gpointer data)
{
  mt_alert_clear(data);
}

MtWatch *
mt_watch_new(const MtWatchBacking *backing, const MtHashKey *key, const GArray *excluded)
{
  MtWatch *watch = g_new0(MtWatch, 1);

  watch->backing = backing;
  watch->excluded = excluded;
  watch->key = *key;
  watch->policy = mt_policy_new();
  watch->windows = mt_windows_new(MAX_WINDOWS);
  watch->cooldowns = mt_times_new(MAX_COOLDOWNS);
  watch->pairs = mt_times_new(MAX_PAIRS);
  watch->alerts = g_array_new(FALSE, FALSE, sizeof(MtAlert));
  g_array_set_clear_func(watch->alerts, clear_alert);
  watch->seen = g_array_new(FALSE, FALSE, sizeof(MtPairSeen));
  return watch;
}

void
mt_watch_free(MtWatch *watch)
{
  if (!watch)
    return;
  mt_policy_unref(watch->policy);
  mt_windows_free(watch->windows);
  mt_times_free(watch->cooldowns);
  mt_times_free(watch->pairs);
  g_array_free(watch->alerts, TRUE);
  g_array_free(watch->seen, TRUE);
  g_free(watch);
}

void
mt_watch_set_policy(MtWatch *watch, MtPolicy *policy)
{
  mt_policy_ref(policy);
  mt_policy_unref(watch->policy);
  watch->policy = policy;
}

void
mt_watch_reset(MtWatch *watch)
{
  mt_windows_clear(watch->windows);
  mt_times_clear(watch->cooldowns);
  mt_times_clear(watch->pairs);
  mt_watch_settle(watch);
}

GArray *
mt_watch_alerts(MtWatch *watch)
{
  return watch->alerts;
}

GArray *
mt_watch_pairs(MtWatch *watch)
{
  return watch->seen;
}

void
mt_watch_settle(MtWatch *watch)
{
  g_array_set_size(watch->alerts, 0);
  g_array_set_size(watch->seen, 0);
}

gint64
mt_watch_longest_window_s(const MtWatch *watch)
{
  gint64 longest = 0;

  for (guint i = 0; i < mt_watch_rule_count(); i++)
    longest = MAX(longest, mt_policy_rule(watch->policy, i)->window_s);
  return longest;
}

/* ---- for the rules ----------------------------------------------------------------------- */

guint64
mt_watch_key(const MtWatch *watch, guint rule, MtSpan a, MtSpan b)
{
  guint64 hash = mt_hash_mix(rule + 1, mt_hash_span(&watch->key, a));

  return mt_hash_mix(hash, mt_hash_span(&watch->key, b));
}

MtSpan
mt_watch_source(const MtIp *ip, MtIp *source)
{
  *source = mt_ip_source(ip);
  return mt_span((const gchar *) source->b, 16);
}

/* Account names are compared without case, as mail servers do. */
static guint64
pair_key(const MtWatch *watch, const MtSighting *sighting)
{
  MtIp source;
  gchar *account = g_ascii_strdown(sighting->account.at ? sighting->account.at : "",
                                   sighting->account.len);
  guint64 key = mt_watch_key(watch, mt_watch_rule_count(), mt_span_of_string(account),
                             mt_watch_source(&sighting->ip, &source));

  g_free(account);
  return key;
}

static MtTime
pair_seen(MtWatch *watch, guint64 key)
{
  MtTime at = mt_times_get(watch->pairs, key);

  if (at == MT_NO_TIME)
    {
      at = watch->backing->pair_seen(watch->backing->self, key);
      if (at != MT_NO_TIME)
        mt_times_put(watch->pairs, key, at);
    }
  return at;
}

gboolean
mt_watch_counts(MtWatch *watch, const MtSighting *sighting)
{
  MtTime at;

  if (!sighting->account.len)
    return TRUE;
  at = pair_seen(watch, pair_key(watch, sighting));
  return at == MT_NO_TIME || at > sighting->at || sighting->at - at > KNOWN_PAIR_US;
}

static void
learn_pair(MtWatch *watch, const MtSighting *sighting)
{
  guint64 key = pair_key(watch, sighting);
  MtTime before = pair_seen(watch, key);
  MtPairSeen seen = { key, sighting->at };

  mt_times_put(watch->pairs, key, sighting->at);
  if (before == MT_NO_TIME || sighting->at - before > PAIR_REFRESH_US)
    g_array_append_val(watch->seen, seen);
}

static gchar *
dup_span(MtSpan text)
{
  GString *clean;

  if (!text.len)
    return NULL;
  clean = g_string_new(NULL);
  mt_text_append_clean(clean, text);
  return g_string_free(clean, FALSE);
}

static void
append_time(GString *json, const gchar *name, MtTime at)
{
  gchar text[MT_TIME_TEXT_BYTES];

  mt_time_format(at, text);
  g_string_append_printf(json, ",\"%s\":\"%s\"", name, text);
}

/* What an admin wants to see before acting: how much, against what, from where. */
static gchar *
make_evidence(const MtRuleSettings *settings, const MtSighting *sighting, gint64 count, MtTime first)
{
  GString *json = g_string_new("{");
  const MtPlace *place = sighting->place;

  g_string_append_printf(json, "\"count\":%" G_GINT64_FORMAT, count);
  if (settings->threshold)
    g_string_append_printf(json, ",\"threshold\":%" G_GINT64_FORMAT, settings->threshold);
  append_time(json, "first", first);
  append_time(json, "last", sighting->at);
  if (sighting->session.len)
    {
      g_string_append(json, ",\"session\":");
      mt_text_append_json(json, sighting->session);
    }
  if (place->city[0])
    {
      g_string_append(json, ",\"city\":");
      mt_text_append_json(json, mt_span_of_string(place->city));
    }
  if (place->as_name[0])
    {
      g_string_append(json, ",\"as_name\":");
      mt_text_append_json(json, mt_span_of_string(place->as_name));
    }
  g_string_append_c(json, '}');
  return g_string_free(json, FALSE);
}

void
mt_watch_raise(MtWatch *watch, guint rule, guint64 key, const MtSighting *sighting, gint64 count,
               MtTime first, gchar *text)
{
  const MtRuleSettings *settings = mt_policy_rule(watch->policy, rule);
  MtTime before = mt_times_get(watch->cooldowns, key);
  gchar ip[MT_IP_TEXT_BYTES];
  MtAlert alert = { 0 };

  if (watch->quiet
      || (before != MT_NO_TIME
          && ABS(sighting->at - before) < settings->cooldown_s * MT_SECOND_US))
    {
      g_free(text);
      return;
    }
  mt_times_put(watch->cooldowns, key, sighting->at);
  mt_ip_format(&sighting->ip, ip);
  alert.at = sighting->at;
  alert.rule = mt_watch_rules[rule]->name;
  alert.severity = settings->severity;
  alert.account = dup_span(sighting->shown);
  alert.ip = g_strdup(ip);
  memcpy(alert.country, sighting->place->country, sizeof alert.country);
  alert.asn = sighting->place->asn;
  alert.count = count;
  alert.window_s = settings->window_s;
  alert.text = text;
  alert.evidence = make_evidence(settings, sighting, count, first);
  g_array_append_val(watch->alerts, alert);
}

/* ---- what comes in -------------------------------------------------------------------------- */

void
mt_watch_recall(MtWatch *watch, const MtAlert *alert)
{
  gint rule = mt_watch_rule_by_name(alert->rule);
  MtSighting sighting = { .at = alert->at, .account = mt_span_of_string(alert->account) };
  MtPlace place = { 0 };

  if (rule < 0 || !alert->ip || !mt_ip_parse(mt_span_of_string(alert->ip), &sighting.ip))
    return;
  memcpy(place.country, alert->country, sizeof place.country);
  place.asn = alert->asn;
  sighting.place = &place;
  mt_times_put(watch->cooldowns, mt_watch_rules[rule]->key(watch, rule, &sighting), alert->at);
}

static gboolean
is_exempt(const MtWatch *watch, const MtSighting *sighting)
{
  return mt_ip_is_internal(&sighting->ip) || mt_networks_have(watch->excluded, &sighting->ip)
         || mt_policy_excludes(watch->policy, sighting->account, &sighting->ip,
                               sighting->place->asn);
}

void
mt_watch_push(MtWatch *watch, const MtSighting *sighting, gboolean quiet)
{
  watch->quiet = quiet;
  if (!is_exempt(watch, sighting))
    for (guint i = 0; mt_watch_rules[i]; i++)
      if (mt_policy_rule(watch->policy, i)->enabled)
        mt_watch_rules[i]->push(watch, i, sighting);
  if (sighting->kind == MT_SIGHTING_LOGIN && !quiet)
    learn_pair(watch, sighting);
}
