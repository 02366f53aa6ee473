/* summary: activity of some days */
#include "cli/cli.h"

#include <stdio.h>

typedef struct
{
  const gchar *title, *sql;
  const gchar *otherwise; /* asked of stores in which nobody has made the views anew, or NULL */
} Section;

/* ?1, ?2: the first day and the one behind the last; ?3, ?4: the same as microseconds;
 * ?5: a domain, or empty. */
static const Section sections[] = {
  { "activity",
    "SELECT account, sum(sent) AS sent, sum(deferred) AS deferred, sum(failed) AS failed,"
    " sum(received) AS received, sum(rejected) AS rejected, sum(logins) AS logins,"
    " sum(failed_logins) AS failed_logins FROM activity_daily WHERE day>=?1 AND day<?2"
    " AND ?5 IN ('', domain) GROUP BY account"
    " ORDER BY sum(sent)+sum(received) DESC, account LIMIT 50" },
  { "top_senders",
    "SELECT account, sum(sent) AS sent, sum(bytes_sent) AS bytes FROM activity_daily WHERE day>=?1"
    " AND day<?2 AND ?5 IN ('', domain) GROUP BY account HAVING sum(sent)>0"
    " ORDER BY sum(sent) DESC, account LIMIT 10" },
  { "failing_addresses",
    "SELECT ip, max(country) AS country, sum(attempts) AS failures,"
    " count(DISTINCT account) AS accounts FROM accesses_failed"
    " WHERE ts>=CAST(?3 AS INTEGER) AND ts<CAST(?4 AS INTEGER) AND ?5 IN ('', domain)"
    " AND ip IS NOT NULL GROUP BY ip ORDER BY failures DESC, ip LIMIT 10" },
  { "failing_accounts",
    "SELECT account, sum(attempts) AS failures, count(DISTINCT ip) AS addresses FROM "
    "accesses_failed"
    " WHERE ts>=CAST(?3 AS INTEGER) AND ts<CAST(?4 AS INTEGER) AND ?5 IN ('', domain)"
    " AND account IS NOT NULL GROUP BY account ORDER BY failures DESC, account LIMIT 10" },
  { "reject_reasons",
    "SELECT coalesce(reason_class, 'other') AS reason, count(*) AS rejected FROM mail_rejected"
    " WHERE ts>=CAST(?3 AS INTEGER) AND ts<CAST(?4 AS INTEGER)"
    " AND (?5='' OR sender LIKE '%@'||?5 OR recipient LIKE '%@'||?5)"
    " GROUP BY 1 ORDER BY rejected DESC, reason LIMIT 20" },
  /* By the index of outcomes: what is put off has not come to be delivered.  A requeued message's
   * stand where it went on. */
  { "deferral_reasons",
    "SELECT coalesce(reason_class, 'other') AS reason, count(*) AS deferred FROM all_mail"
    " WHERE undelivered>1 AND status='deferred' AND outcome_number IN (2, 3, 4, 5, 6)"
    " AND ts>=CAST(?3 AS INTEGER) AND ts<CAST(?4 AS INTEGER)"
    " AND (?5='' OR recipient LIKE '%@'||?5) GROUP BY 1 ORDER BY deferred DESC, reason LIMIT 20",
    "SELECT coalesce(reason_class, 'other') AS reason, count(*) AS deferred FROM deliveries"
    " WHERE status='deferred' AND mail_ts>=CAST(?3 AS INTEGER) AND mail_ts<CAST(?4 AS INTEGER)"
    " AND (?5='' OR recipient LIKE '%@'||?5) GROUP BY 1 ORDER BY deferred DESC, reason LIMIT 20" },
};

typedef struct
{
  gchar *days[2], *times[2], *domain;
  CliForm form;
} Summary;

static gboolean
has_unions(MtQuery *query)
{
  MtRows *rows =
      mt_query_run(query, "SELECT 1 FROM sqlite_schema WHERE name='all_mail'", NULL, NULL);
  gboolean has = rows && mt_rows_next(rows, NULL);

  mt_rows_free(rows);
  return has;
}

static guint
print_section(MtQuery *query, const Summary *summary, const Section *section, GError **error)
{
  const gchar *params[] = { summary->days[0],  summary->days[1], summary->times[0],
                            summary->times[1], summary->domain,  NULL };
  const gchar *asked = section->otherwise && !has_unions(query) ? section->otherwise : section->sql;
  gchar *sql = summary->form == CLI_TABLE
                   ? g_strdup(asked)
                   : g_strdup_printf("SELECT '%s' AS section, * FROM (%s)", section->title, asked);
  MtRows *rows = mt_query_run(query, sql, params, error);
  guint count = 0;

  if (rows && summary->form == CLI_TABLE)
    printf("%s:\n", section->title);
  if (rows)
    count = cli_print_rows(rows, summary->form, TRUE, error);
  if (rows && summary->form == CLI_TABLE)
    putchar('\n');
  mt_rows_free(rows);
  g_free(sql);
  return count;
}

static gint
run(const gchar *database, const Summary *summary)
{
  GError *error = NULL;
  MtQuery *query = mt_query_open(database, &error);
  guint count = 0;

  for (guint i = 0; query && i < G_N_ELEMENTS(sections) && !error; i++)
    count += print_section(query, summary, &sections[i], &error);
  mt_query_close(query);
  return error ? cli_fail(&error) : count ? CLI_FINE : CLI_NOTHING;
}

/* Days are those of UTC, as in the views. */
static gboolean
set_days(Summary *summary, const gchar *day, gint days)
{
  MtTime last;
  gint first_day;

  if (!cli_parse_time(day, &last))
    return FALSE;
  if (strlen(day) == 10) /* a day by its date is that day whatever the local zone */
    {
      GDateTime *utc = g_date_time_new_from_iso8601(day, NULL);
      gchar *full = g_strconcat(day, "T00:00:00Z", NULL);

      if (!utc)
        utc = g_date_time_new_from_iso8601(full, NULL);
      if (utc)
        {
          last = g_date_time_to_unix(utc) * MT_SECOND_US;
          g_date_time_unref(utc);
        }
      g_free(full);
    }
  first_day = mt_time_day(last) - days + 1;
  for (gint i = 0; i < 2; i++)
    {
      gchar stamp[MT_TIME_TEXT_BYTES];
      MtTime at = (gint64) (first_day + i * days) * MT_DAY_US;

      mt_time_format(at, stamp);
      summary->days[i] = g_strndup(stamp, 10);
      summary->times[i] = g_strdup_printf("%" G_GINT64_FORMAT, at);
    }
  return TRUE;
}

gint
cli_run_summary(int argc, char **argv)
{
  gchar *database = NULL, *day = NULL, *domain = NULL;
  gboolean json = FALSE, csv = FALSE;
  gint days = 1, status = CLI_FINE;
  Summary summary = { 0 };
  const GOptionEntry entries[] = {
    { "database", 'd', 0, G_OPTION_ARG_FILENAME, &database, "the store", "FILE" },
    { "day", 0, 0, G_OPTION_ARG_STRING, &day, "the last day (today)", "D" },
    { "days", 0, 0, G_OPTION_ARG_INT, &days, "how many (1)", "N" },
    { "domain", 0, 0, G_OPTION_ARG_STRING, &domain, "accounts of this domain only", "D" },
    { "json", 0, 0, G_OPTION_ARG_NONE, &json, "one object a line", NULL },
    { "csv", 0, 0, G_OPTION_ARG_NONE, &csv, "comma-separated values", NULL },
    { NULL },
  };

  if (!cli_parse_options(&argc, &argv, "- activity per account, and what went wrong",
                         "Days are days of UTC.", entries, &status))
    return status;
  summary.form = json ? CLI_JSON : csv ? CLI_CSV : CLI_TABLE;
  summary.domain = g_ascii_strdown(domain ? domain : "", -1);
  if (argc > 1)
    status = cli_usage("summary", "\"%s\" is one word too many", argv[1]);
  else if (json && csv)
    status = cli_usage("summary", "--json and --csv are one too many");
  else if (days < 1 || days > 36500)
    status = cli_usage("summary", "--days %d: must be 1 or more", days);
  else if (!set_days(&summary, day ? day : "now", days))
    status = cli_usage("summary", "--day %s: is no day, such as yesterday or 2026-03-09", day);
  else
    status = run(cli_database(database), &summary);
  for (guint i = 0; i < 2; i++)
    {
      g_free(summary.days[i]);
      g_free(summary.times[i]);
    }
  g_free(summary.domain);
  g_free(database);
  g_free(day);
  g_free(domain);
  return status;
}
