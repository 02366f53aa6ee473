#include "scan/text.h"
#include "watch/private.h"

/* Bounds of what is in memory.  Windows of sources and made-up names: an entry takes
 * about 160 bytes, so that 50,000 fit; of accounts that have logged in, as many. */
#define MAX_OPEN_BYTES (8 << 20)
#define MAX_KEPT_BYTES (8 << 20)

/* An alert each hour for as many keys, and so many accounts' shares of alerts. */
#define MAX_COOLDOWNS 20000
#define MAX_SHARES_BYTES (1 << 20)

/* Known devices and baselines: the disk has them all. */
#define MAX_PAIRS 50000
#define MAX_BASELINES 8192

/* The sessions of so many failures are at hand for evidence. */
#define RECENT 2048
#define MAX_SESSIONS 5

/* Times of known devices are kept to this: one write a device in six hours. */
#define PAIR_STEP_US (6 * MT_HOUR_US)

/* Alerts of one account in an hour; what comes beyond is told as a number. */
#define SHARE 5
#define MAX_SUPPRESSED 1000

typedef struct
{
  guint64 source, who;
  MtTime at;
  gchar session[40];
} Recent;

typedef struct
{
  MtSuppressed told;
  gboolean changed; /* since it was last written */
} Suppressed;

struct MtWatch
{
  const MtWatchBacking *backing;
  const GArray *excluded;
  MtHashKey key;
  MtPolicy *policy;
  MtWindows *windows;    /* what rules count, by rule and what it counts for */
  MtWindows *shares;     /* alerts, by account */
  MtTimes *severities;   /* account and severity -> when it last had such an alert */
  MtTimes *cooldowns;    /* rule and key -> when it last alerted */
  MtTimes *pairs;        /* source and account -> last login, to PAIR_STEP_US */
  GHashTable *baselines; /* account -> MtBaseline */
  MtBaseline *newest, *oldest;
  Recent *recent;
  guint next_recent;
  GPtrArray *suppressed; /* Suppressed */
  MtTime due;            /* when the first of them is to be told; MT_NO_TIME: there is none */
  GArray *alerts, *seen; /* since mt_watch_take(): MtAlert, MtPairSeen */
  GPtrArray *changed;    /* baselines, since then */
  gboolean quiet;
};

#define X(name) &mt_watch_rule_##name,
const MtWatchRule *const mt_watch_rules[] = { MT_WATCH_RULES(X) NULL };
#undef X

guint
mt_watch_rule_count(void)
{
  return MT_RULE_COUNT;
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

static gboolean
no_baseline(gpointer self, MtBaseline *baseline)
{
  return FALSE;
}

const MtWatchBacking mt_watch_backing_null = { NULL, never_seen, no_baseline };

/* ---- memory --------------------------------------------------------------------------- */

static void
clear_alert(gpointer data)
{
  mt_alert_clear(data);
}

static GArray *
new_alerts(void)
{
  GArray *alerts = g_array_new(FALSE, FALSE, sizeof(MtAlert));

  g_array_set_clear_func(alerts, clear_alert);
  return alerts;
}

static void
free_baseline(gpointer data)
{
  mt_baseline_free(data);
}

static void
free_suppressed(gpointer data)
{
  Suppressed *suppressed = data;

  g_free(suppressed->told.account);
  g_free(suppressed);
}

MtWatch *
mt_watch_new(const MtWatchBacking *backing, const MtHashKey *key, const GArray *excluded)
{
  MtWatch *watch = g_new0(MtWatch, 1);

  watch->backing = backing;
  watch->excluded = excluded;
  watch->key = *key;
  watch->policy = mt_policy_new();
  watch->windows = mt_windows_new(MAX_OPEN_BYTES, MAX_KEPT_BYTES);
  watch->shares = mt_windows_new(MAX_SHARES_BYTES, 0);
  watch->severities = mt_times_new(MAX_COOLDOWNS);
  watch->cooldowns = mt_times_new(MAX_COOLDOWNS);
  watch->pairs = mt_times_new(MAX_PAIRS);
  watch->baselines = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, free_baseline);
  watch->recent = g_new0(Recent, RECENT);
  watch->suppressed = g_ptr_array_new_with_free_func(free_suppressed);
  watch->due = MT_NO_TIME;
  watch->alerts = new_alerts();
  watch->seen = g_array_new(FALSE, FALSE, sizeof(MtPairSeen));
  watch->changed = g_ptr_array_new();
  return watch;
}

void
mt_watch_free(MtWatch *watch)
{
  if (!watch)
    return;
  mt_policy_unref(watch->policy);
  mt_windows_free(watch->windows);
  mt_windows_free(watch->shares);
  mt_times_free(watch->severities);
  mt_times_free(watch->cooldowns);
  mt_times_free(watch->pairs);
  g_hash_table_destroy(watch->baselines);
  g_free(watch->recent);
  g_ptr_array_free(watch->suppressed, TRUE);
  g_array_free(watch->alerts, TRUE);
  g_array_free(watch->seen, TRUE);
  g_ptr_array_free(watch->changed, TRUE);
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
  g_array_set_size(watch->alerts, 0);
  g_array_set_size(watch->seen, 0);
  g_ptr_array_set_size(watch->changed, 0);
  mt_windows_clear(watch->windows);
  mt_windows_clear(watch->shares);
  mt_times_clear(watch->severities);
  mt_times_clear(watch->cooldowns);
  mt_times_clear(watch->pairs);
  g_hash_table_remove_all(watch->baselines);
  watch->newest = watch->oldest = NULL;
  memset(watch->recent, 0, RECENT * sizeof *watch->recent);
  g_ptr_array_set_size(watch->suppressed, 0);
  watch->due = MT_NO_TIME;
}

static void
unlink_baseline(MtWatch *watch, MtBaseline *baseline)
{
  *(baseline->newer ? &baseline->newer->older : &watch->newest) = baseline->older;
  *(baseline->older ? &baseline->older->newer : &watch->oldest) = baseline->newer;
}

static void
link_baseline(MtWatch *watch, MtBaseline *baseline)
{
  baseline->newer = NULL;
  baseline->older = watch->newest;
  *(watch->newest ? &watch->newest->newer : &watch->oldest) = baseline;
  watch->newest = baseline;
}

const GArray *
mt_watch_alerts(const MtWatch *watch)
{
  return watch->alerts;
}

static MtSpan
keep(GStringChunk *texts, const gchar *text, gsize len)
{
  return mt_span(g_string_chunk_insert_len(texts, text, len), len);
}

static void
take_baselines(MtWatch *watch, MtWatchWork *work)
{
  GString *data = g_string_new(NULL);

  for (guint i = 0; i < watch->changed->len; i++)
    {
      MtBaseline *baseline = g_ptr_array_index(watch->changed, i);
      MtBaselineRow row = { .first = MT_NO_TIME, .last = MT_NO_TIME };

      g_string_truncate(data, 0);
      mt_baseline_to_text(baseline, data);
      row.account = keep(work->texts, baseline->account, strlen(baseline->account));
      row.data = keep(work->texts, data->str, data->len);
      if (baseline->first != MT_NO_TIME)
        row.first = baseline->first, row.last = baseline->last;
      row.logins = baseline->logins;
      row.days = baseline->days;
      row.busiest_hour = baseline->busiest_hour;
      g_array_append_val(work->baselines, row);
      baseline->changed = FALSE;
    }
  g_ptr_array_set_size(watch->changed, 0);
  g_string_free(data, TRUE);
}

static void
trim_baselines(MtWatch *watch)
{
  while (g_hash_table_size(watch->baselines) > MAX_BASELINES)
    {
      MtBaseline *oldest = watch->oldest;

      unlink_baseline(watch, oldest);
      g_hash_table_remove(watch->baselines, oldest->account);
    }
}

/* What has been told is forgotten. */
static void
take_suppressed(MtWatch *watch, MtWatchWork *work)
{
  for (guint i = watch->suppressed->len; i-- > 0;)
    {
      Suppressed *suppressed = g_ptr_array_index(watch->suppressed, i);
      MtSuppressed told = suppressed->told;

      if (suppressed->changed)
        {
          told.account = g_string_chunk_insert(work->texts, told.account);
          g_array_prepend_val(work->suppressed, told);
        }
      suppressed->changed = FALSE;
      if (told.count == 0)
        g_ptr_array_remove_index(watch->suppressed, i);
    }
}

MtWatchWork *
mt_watch_take(MtWatch *watch)
{
  MtWatchWork *work = g_new0(MtWatchWork, 1);

  work->texts = g_string_chunk_new(4096);
  work->baselines = g_array_new(FALSE, FALSE, sizeof(MtBaselineRow));
  work->suppressed = g_array_new(FALSE, FALSE, sizeof(MtSuppressed));
  work->alerts = watch->alerts;
  work->pairs = watch->seen;
  watch->alerts = new_alerts();
  watch->seen = g_array_new(FALSE, FALSE, sizeof(MtPairSeen));
  take_baselines(watch, work);
  trim_baselines(watch);
  take_suppressed(watch, work);
  return work;
}

void
mt_watch_work_free(MtWatchWork *work)
{
  if (!work)
    return;
  g_array_free(work->alerts, TRUE);
  g_array_free(work->pairs, TRUE);
  g_array_free(work->baselines, TRUE);
  g_array_free(work->suppressed, TRUE);
  g_string_chunk_free(work->texts);
  g_free(work);
}

/* Rules that count failures have to see again what the store has of them. */
gint64
mt_watch_longest_window_s(const MtWatch *watch)
{
  gint64 longest = 0;

  for (guint i = 0; i < MT_RULE_COUNT; i++)
    if (mt_watch_rules[i]->sees & MT_SEES(FAILURE))
      longest = MAX(longest, mt_policy_rule(watch->policy, i)->window_s);
  return longest;
}

gsize
mt_watch_bytes(const MtWatch *watch)
{
  return mt_windows_bytes(watch->windows) + mt_windows_bytes(watch->shares);
}

gchar *
mt_watch_rules_off(const MtWatch *watch, guint has)
{
  GString *names = g_string_new(NULL);

  for (guint i = 0; i < MT_RULE_COUNT; i++)
    if (mt_policy_rule(watch->policy, i)->enabled && mt_watch_rules[i]->needs & ~has)
      g_string_append_printf(names, "%s%s", names->len ? ", " : "", mt_watch_rules[i]->name);
  return g_string_free(names, names->len == 0);
}

/* ---- for the rules ----------------------------------------------------------------------- */

guint64
mt_watch_key(const MtWatch *watch, guint rule, MtSpan a, MtSpan b)
{
  guint64 hash = mt_hash_mix(rule + 1, mt_hash_span(&watch->key, a));

  return mt_hash_mix(hash, mt_hash_span(&watch->key, b));
}

MtWindows *
mt_watch_windows(MtWatch *watch)
{
  return watch->windows;
}

const MtRuleSettings *
mt_watch_settings(const MtWatch *watch, guint rule)
{
  return mt_policy_rule(watch->policy, rule);
}

/* Memory holds what was used lately, the disk all of it. */
static MtTime
last_seen(MtWatch *watch, MtTimes *times, guint64 key)
{
  MtTime at = mt_times_get(times, key);

  if (at == MT_NO_TIME)
    {
      at = watch->backing->pair_seen(watch->backing->self, key);
      if (at != MT_NO_TIME)
        mt_times_put(times, key, at);
    }
  return at;
}

static void
see(MtWatch *watch, MtTimes *times, guint64 key, MtTime at)
{
  MtPairSeen seen = { key, at };

  mt_times_put(times, key, at);
  g_array_append_val(watch->seen, seen);
}

gboolean
mt_watch_alerted(MtWatch *watch, guint64 key, MtTime at, gint64 window_us)
{
  MtTime last = last_seen(watch, watch->cooldowns, key);

  return last != MT_NO_TIME && ABS(at - last) <= window_us;
}

/* ---- baselines ---------------------------------------------------------------------------- */

static MtBaseline *
find_baseline(MtWatch *watch, MtSpan account)
{
  gchar *name = g_ascii_strdown(account.at, account.len);
  MtBaseline *baseline = g_hash_table_lookup(watch->baselines, name);

  if (baseline)
    unlink_baseline(watch, baseline);
  else
    {
      baseline = mt_baseline_new(name);
      if (!watch->backing->baseline(watch->backing->self, baseline))
        g_clear_pointer(&baseline, mt_baseline_free);
      else
        g_hash_table_insert(watch->baselines, baseline->account, baseline);
    }
  if (baseline)
    link_baseline(watch, baseline);
  g_free(name);
  return baseline;
}

static MtBaseline *
make_baseline(MtWatch *watch, MtSpan account)
{
  gchar *name = g_ascii_strdown(account.at, account.len);
  MtBaseline *baseline = mt_baseline_new(name);

  g_hash_table_insert(watch->baselines, baseline->account, baseline);
  link_baseline(watch, baseline);
  g_free(name);
  return baseline;
}

static void
learn(MtWatch *watch, const MtSighting *sighting, MtBaseline *baseline)
{
  gint64 window_us = mt_watch_settings(watch, MT_RULE_outgoing_burst)->window_s * MT_SECOND_US;

  switch (sighting->kind)
    {
    case MT_SIGHTING_LOGIN:
      mt_baseline_learn_login(baseline, sighting->at, &sighting->ip, sighting->place,
                              sighting->session);
      break;
    case MT_SIGHTING_SENT:
      mt_baseline_learn_sent(baseline, sighting->at, sighting->count, window_us);
      break;
    default:
      mt_baseline_learn_unknown(baseline, sighting->at, window_us);
      break;
    }
  if (baseline->changed)
    return;
  baseline->changed = TRUE;
  g_ptr_array_add(watch->changed, baseline);
}

/* ---- known devices -------------------------------------------------------------------------- */

static guint64
pair_key(const MtWatch *watch, const MtLook *look)
{
  return mt_watch_key(watch, MT_RULE_COUNT, look->who, look->source);
}

static void
learn_pair(MtWatch *watch, const MtLook *look)
{
  MtTime at = look->sighting->at - look->sighting->at % PAIR_STEP_US;

  if (look->pair_at == MT_NO_TIME || look->pair_at < at)
    see(watch, watch->pairs, pair_key(watch, look), at);
}

/* ---- evidence -------------------------------------------------------------------------------- */

static void
append_member(GString *json, const gchar *name, MtSpan text)
{
  if (!text.len)
    return;
  g_string_append_printf(json, ",\"%s\":", name);
  mt_text_append_json(json, text);
}

static void
append_time(GString *json, const gchar *name, MtTime at)
{
  gchar text[MT_TIME_TEXT_BYTES];

  mt_time_format(at, text);
  append_member(json, name, mt_span_of_string(text));
}

static void
append_ip(GString *json, const MtIp *ip)
{
  gchar text[MT_IP_TEXT_BYTES];

  append_member(json, "ip", mt_span(text, mt_ip_format(ip, text)));
}

/* What it was: of the same source, or of the same account. */
static gboolean
is_part(const Recent *recent, const MtWatch *watch, const MtLook *look, guint rule)
{
  if (!recent->session[0])
    return FALSE;
  if (rule == MT_RULE_distributed_brute_force)
    return recent->who == mt_hash_span(&watch->key, look->who);
  return recent->source == mt_hash_span(&watch->key, look->source);
}

/* Into the first *@count of @latest, latest first; of equals the one that came first stays first.
 */
static void
insert_by_time(const Recent **latest, guint *count, const Recent *recent)
{
  guint at = *count;

  while (at > 0 && latest[at - 1]->at < recent->at)
    at--;
  if (at == MAX_SESSIONS)
    return;
  *count = MIN(*count + 1, MAX_SESSIONS);
  memmove(&latest[at + 1], &latest[at], (*count - at - 1) * sizeof *latest);
  latest[at] = recent;
}

/* The latest session IDs that the rule counted, this one first: by their time, not by when
 * their lines came, which a restart forgets. */
static void
append_sessions(GString *json, const MtWatch *watch, const MtLook *look, guint rule, MtTime first)
{
  const MtSighting *sighting = look->sighting;
  const Recent *latest[MAX_SESSIONS];
  guint count = 0, appended = 0;

  for (guint i = 1; i <= RECENT; i++)
    {
      const Recent *recent = &watch->recent[(watch->next_recent + RECENT - i) % RECENT];

      if (recent->at >= first && recent->at <= sighting->at && is_part(recent, watch, look, rule)
          && !mt_span_equal(mt_span_of_string(recent->session), sighting->session))
        insert_by_time(latest, &count, recent);
    }
  g_string_append(json, ",\"sessions\":[");
  if (sighting->session.len)
    {
      mt_text_append_json(json, sighting->session);
      appended++;
    }
  for (guint i = 0; i < count && appended < MAX_SESSIONS; i++, appended++)
    {
      g_string_append(json, appended ? "," : "");
      mt_text_append_json(json, mt_span_of_string(latest[i]->session));
    }
  g_string_append_c(json, ']');
}

static void
append_place(GString *json, const MtSeenPlace *seen)
{
  gsize begin = json->len;

  append_time(json, "time", seen->at);
  json->str[begin] = '{'; /* in place of the comma */
  append_member(json, "country", mt_span_of_string(seen->country));
  append_member(json, "city", mt_span_of_string(seen->city));
  append_ip(json, &seen->ip);
  if (seen->asn)
    g_string_append_printf(json, ",\"asn\":%" G_GINT64_FORMAT, seen->asn);
  append_member(json, "session", mt_span_of_string(seen->session));
  g_string_append_c(json, '}');
}

static void
append_places(GString *json, const MtBaseline *baseline)
{
  g_string_append(json, ",\"last_places\":[");
  for (guint i = 0; i < MT_BASELINE_PLACES && baseline->places[i].at != MT_NO_TIME; i++)
    {
      g_string_append(json, i ? "," : "");
      append_place(json, &baseline->places[i]);
    }
  g_string_append_c(json, ']');
}

static const MtBaseline *
baseline_of(MtWatch *watch, const MtLook *look)
{
  if (look->baseline || !look->sighting->account_known || !look->sighting->account.len)
    return look->baseline;
  return find_baseline(watch, look->sighting->account);
}

/* What an admin wants to see before acting: how much, against what, from where. */
static gchar *
make_evidence(MtWatch *watch, guint rule, const MtLook *look, const MtFinding *finding)
{
  const MtRuleSettings *settings = mt_policy_rule(watch->policy, rule);
  const MtPlace *place = look->sighting->place;
  const MtBaseline *baseline = baseline_of(watch, look);
  GString *json = g_string_new("{");

  g_string_append_printf(json, "\"count\":%" G_GINT64_FORMAT, finding->count);
  if (settings->threshold)
    g_string_append_printf(json, ",\"threshold\":%" G_GINT64_FORMAT, settings->threshold);
  append_time(json, "first", finding->first);
  append_time(json, "last", look->sighting->at);
  append_sessions(json, watch, look, rule, finding->first);
  append_member(json, "city", mt_span_of_string(place->city));
  append_member(json, "as_name", mt_span_of_string(place->as_name));
  if (finding->more)
    g_string_append_printf(json, ",%s", finding->more);
  if (baseline)
    append_places(json, baseline);
  g_string_append_c(json, '}');
  return g_string_free(json, FALSE);
}

static void
remember_session(MtWatch *watch, const MtLook *look)
{
  Recent *recent = &watch->recent[watch->next_recent];
  MtSpan session = look->sighting->session;
  gsize len = MIN(session.len, sizeof recent->session - 1);

  if (!len)
    return;
  watch->next_recent = (watch->next_recent + 1) % RECENT;
  recent->source = mt_hash_span(&watch->key, look->source);
  recent->who = mt_hash_span(&watch->key, look->who);
  recent->at = look->sighting->at;
  memcpy(recent->session, session.at, len);
  recent->session[len] = '\0';
}

/* ---- alerts ------------------------------------------------------------------------ */

static guint64
severity_key(guint64 share, MtSeverity severity)
{
  return mt_hash_mix(share, severity + 1);
}

/* What an account has had: @share is its key. */
static void
take_share(MtWatch *watch, guint64 share, MtTime at, MtSeverity severity)
{
  MtWindow window = { .key = share, .window_us = MT_HOUR_US, .enough = 4 * SHARE };
  MtTime first;

  mt_windows_add(watch->shares, &window, at, 1, &first);
  mt_times_put(watch->severities, severity_key(share, severity), at);
}

/* So many alerts an hour.  The first that is graver than all of them passes: noise must
 * not hide a break-in. */
static gboolean
has_had_share(const MtWatch *watch, guint64 share, MtTime at, MtSeverity severity)
{
  if (mt_windows_peek(watch->shares, share, at, MT_HOUR_US) < SHARE)
    return FALSE;
  for (gint grave = severity; grave <= MT_SEVERITY_CRITICAL; grave++)
    {
      MtTime last = mt_times_get(watch->severities, severity_key(share, grave));

      if (last != MT_NO_TIME && ABS(at - last) <= MT_HOUR_US)
        return TRUE;
    }
  return FALSE;
}

static gchar *
dup_clean(MtSpan text)
{
  GString *clean;

  if (!text.len)
    return NULL;
  clean = g_string_new(NULL);
  mt_text_append_clean(clean, text);
  return g_string_free(clean, FALSE);
}

static void
tell_suppressed(MtWatch *watch, Suppressed *suppressed, MtTime at)
{
  MtSuppressed *told = &suppressed->told;
  GString *evidence = g_string_new("{");
  MtAlert alert = { .at = at, .severity = told->severity, .count = told->count };

  alert.rule = mt_watch_rules[mt_watch_rule_by_name(told->rule)]->name;
  alert.account = g_strdup(told->account);
  alert.window_s = MT_HOUR_US / MT_SECOND_US;
  alert.text = g_strdup_printf(
      "more alerts for this account were held back; suppressed=%" G_GINT64_FORMAT, told->count);
  g_string_append_printf(evidence, "\"suppressed\":%" G_GINT64_FORMAT, told->count);
  append_time(evidence, "first", told->first);
  append_time(evidence, "last", at);
  g_string_append_c(evidence, '}');
  alert.evidence = g_string_free(evidence, FALSE);
  g_array_append_val(watch->alerts, alert);
  told->count = 0;
  suppressed->changed = TRUE;
}

/* What was held back is told when its hour is over. */
static void
tell_due(MtWatch *watch, MtTime at)
{
  if (watch->due == MT_NO_TIME || at < watch->due)
    return;
  watch->due = MT_NO_TIME;
  for (guint i = 0; i < watch->suppressed->len; i++)
    {
      Suppressed *suppressed = g_ptr_array_index(watch->suppressed, i);
      MtTime due = suppressed->told.first + MT_HOUR_US;

      if (suppressed->told.count == 0)
        continue;
      if (at >= due)
        tell_suppressed(watch, suppressed, at);
      else if (watch->due == MT_NO_TIME || due < watch->due)
        watch->due = due;
    }
}

static Suppressed *
find_suppressed(const MtWatch *watch, const gchar *account)
{
  for (guint i = 0; i < watch->suppressed->len; i++)
    {
      Suppressed *suppressed = g_ptr_array_index(watch->suppressed, i);

      if (g_ascii_strcasecmp(suppressed->told.account, account) == 0)
        return suppressed;
    }
  return NULL;
}

static void
make_due(MtWatch *watch, MtTime first)
{
  if (watch->due == MT_NO_TIME || first + MT_HOUR_US < watch->due)
    watch->due = first + MT_HOUR_US;
}

static Suppressed *
add_suppressed(MtWatch *watch, const MtSuppressed *told)
{
  Suppressed *suppressed = g_new0(Suppressed, 1);

  suppressed->told = *told;
  suppressed->told.account = g_strdup(told->account);
  g_ptr_array_add(watch->suppressed, suppressed);
  make_due(watch, told->first);
  return suppressed;
}

static void
suppress(MtWatch *watch, guint rule, const MtLook *look, MtSeverity severity)
{
  MtSuppressed fresh = { .account = dup_clean(look->sighting->shown), .first = look->sighting->at };
  Suppressed *suppressed = find_suppressed(watch, fresh.account);

  if (suppressed && suppressed->told.count == 0)
    {
      suppressed->told.first = fresh.first;
      suppressed->told.severity = severity;
      make_due(watch, fresh.first);
    }
  if (!suppressed && watch->suppressed->len >= MAX_SUPPRESSED)
    tell_suppressed(watch, g_ptr_array_index(watch->suppressed, 0), look->sighting->at);
  if (!suppressed)
    suppressed = add_suppressed(watch, &fresh);
  g_free(fresh.account);
  g_strlcpy(suppressed->told.rule, mt_watch_rules[rule]->name, sizeof suppressed->told.rule);
  suppressed->told.severity = MAX(suppressed->told.severity, severity);
  suppressed->told.count++;
  suppressed->changed = TRUE;
}

static MtSeverity
severity_of(const MtRuleSettings *settings, const MtFinding *finding)
{
  return finding->mild && !settings->severity_is_set ? MT_SEVERITY_NOTICE : settings->severity;
}

static void
append_alert(MtWatch *watch, guint rule, const MtLook *look, const MtFinding *finding)
{
  const MtSighting *sighting = look->sighting;
  const MtRuleSettings *settings = mt_policy_rule(watch->policy, rule);
  const MtIp *ip = finding->ip ? finding->ip : sighting->has_ip ? &sighting->ip : NULL;
  gchar text[MT_IP_TEXT_BYTES];
  MtAlert alert = { .at = sighting->at, .rule = mt_watch_rules[rule]->name };

  alert.severity = severity_of(settings, finding);
  alert.account = dup_clean(sighting->shown);
  if (ip && !mt_ip_is_internal(ip))
    {
      mt_ip_format(ip, text);
      alert.ip = g_strdup(text);
    }
  memcpy(alert.country, sighting->place->country, sizeof alert.country);
  alert.asn = sighting->place->asn;
  alert.count = finding->count;
  alert.window_s = settings->window_s;
  alert.text = dup_clean(mt_span_of_string(finding->text));
  alert.evidence = make_evidence(watch, rule, look, finding);
  g_array_append_val(watch->alerts, alert);
}

static gboolean
is_cooling(MtWatch *watch, guint64 key, MtTime at, gint64 cooldown_s)
{
  MtTime before = last_seen(watch, watch->cooldowns, key);

  return before != MT_NO_TIME && ABS(at - before) < cooldown_s * MT_SECOND_US;
}

void
mt_watch_raise(MtWatch *watch, guint rule, const MtLook *look, const MtFinding *finding)
{
  const MtRuleSettings *settings = mt_policy_rule(watch->policy, rule);
  MtSeverity severity = severity_of(settings, finding);
  MtTime at = look->sighting->at;
  guint64 share = mt_hash_nocase(&watch->key, look->sighting->shown);

  if (!watch->quiet && !is_cooling(watch, finding->key, at, settings->cooldown_s))
    {
      see(watch, watch->cooldowns, finding->key, at);
      if (look->sighting->shown.len && has_had_share(watch, share, at, severity))
        suppress(watch, rule, look, severity);
      else
        {
          take_share(watch, share, at, severity);
          append_alert(watch, rule, look, finding);
        }
    }
  g_free(finding->text);
  g_free(finding->more);
}

/* ---- what comes in -------------------------------------------------------------------------- */

void
mt_watch_recall(MtWatch *watch, const MtAlert *alert)
{
  take_share(watch, mt_hash_nocase(&watch->key, mt_span_of_string(alert->account)), alert->at,
             alert->severity);
}

void
mt_watch_recall_suppressed(MtWatch *watch, const MtSuppressed *suppressed)
{
  if (mt_watch_rule_by_name(suppressed->rule) >= 0)
    add_suppressed(watch, suppressed);
}

/* Refusals that say nothing of a guess: the server's own trouble, or its rules. */
static gboolean
is_guess(MtSpan reason)
{
  return !MT_SPAN_IS(reason, "internal") && !MT_SPAN_IS(reason, "many-connections")
         && !MT_SPAN_IS(reason, "tls-required") && !MT_SPAN_IS(reason, "ip-notallowed");
}

/* What stands for an account: its mask and tag, which a masked row of the store has, too. */
static guint64
account_key(const MtWatch *watch, const MtSighting *sighting)
{
  gchar masked[MT_MASKED_BYTES];
  gboolean whole = sighting->tag == MT_NO_TAG;
  MtSpan mask = whole ? mt_text_mask(sighting->account, masked) : sighting->account;
  gint32 tag = whole ? mt_hash_tag(&watch->key, sighting->account) : sighting->tag;

  return mt_hash_mix(mt_hash_nocase(&watch->key, mask), tag);
}

/* What must be there while the look is used: its spans point here. */
typedef struct
{
  MtLook look;
  guint64 who, account;
  MtIp source;
} Looking;

static void
look_at(MtWatch *watch, const MtSighting *sighting, Looking *looking)
{
  MtLook *look = &looking->look;

  memset(looking, 0, sizeof *looking);
  look->sighting = sighting;
  look->pair_at = MT_NO_TIME;
  if (sighting->account.len)
    {
      looking->who = account_key(watch, sighting);
      look->who = mt_span((const gchar *) &looking->who, sizeof looking->who);
      looking->account = mt_hash_nocase(&watch->key, sighting->account);
      look->account = mt_span((const gchar *) &looking->account, sizeof looking->account);
    }
  if (sighting->has_ip)
    {
      looking->source = mt_ip_source(&sighting->ip);
      look->source = mt_span((const gchar *) looking->source.b, sizeof looking->source.b);
    }
  if (look->who.len && look->source.len && sighting->account_known)
    look->pair_at = last_seen(watch, watch->pairs, pair_key(watch, look));
  look->is_known = look->pair_at != MT_NO_TIME && look->pair_at <= sighting->at
                   && sighting->at - look->pair_at <= MT_KNOWN_PAIR_US;
  look->counts =
      sighting->kind == MT_SIGHTING_FAILURE && !look->is_known && is_guess(sighting->reason);
  mt_policy_account(watch->policy, sighting->account, &look->policy);
}

static gboolean
is_learned_from(MtSightingKind kind)
{
  return kind == MT_SIGHTING_LOGIN || kind == MT_SIGHTING_SENT || kind == MT_SIGHTING_UNKNOWN;
}

/* An address of ours says nothing of where a login comes from; who sends spam through
 * webmail does it from there all the same. */
static gboolean
is_exempt(const MtWatch *watch, const MtSighting *sighting)
{
  gboolean by_source = sighting->kind == MT_SIGHTING_LOGIN || sighting->kind == MT_SIGHTING_FAILURE;

  if (by_source && (!sighting->has_ip || mt_ip_is_internal(&sighting->ip)))
    return TRUE;
  if (sighting->has_ip && mt_networks_have(watch->excluded, &sighting->ip))
    return TRUE;
  return mt_policy_excludes(watch->policy, sighting->account,
                            sighting->has_ip ? &sighting->ip : NULL, sighting->place->country,
                            sighting->place->asn);
}

static void
apply_rules(MtWatch *watch, const MtLook *look)
{
  guint kind = 1u << look->sighting->kind;

  for (guint i = 0; mt_watch_rules[i]; i++)
    if (mt_watch_rules[i]->sees & kind && mt_policy_rule(watch->policy, i)->enabled)
      mt_watch_rules[i]->push(watch, i, look);
}

void
mt_watch_push(MtWatch *watch, const MtSighting *sighting, gboolean quiet)
{
  gboolean learns = sighting->account.len && is_learned_from(sighting->kind);
  MtBaseline *baseline;
  Looking looking;

  watch->quiet = quiet;
  if (!quiet)
    tell_due(watch, sighting->at);
  look_at(watch, sighting, &looking);
  baseline = learns ? find_baseline(watch, sighting->account) : NULL;
  looking.look.baseline = baseline;
  if (sighting->kind == MT_SIGHTING_FAILURE)
    remember_session(watch, &looking.look);
  if (!is_exempt(watch, sighting))
    apply_rules(watch, &looking.look);
  if (learns)
    learn(watch, sighting, baseline ? baseline : make_baseline(watch, sighting->account));
  if (sighting->kind == MT_SIGHTING_LOGIN && looking.look.who.len && looking.look.source.len)
    learn_pair(watch, &looking.look);
}
