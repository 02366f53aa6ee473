/* notify: the alerts of one hour, a mail for each domain
 *
 * What is in a mail was in part chosen by attackers: names are escaped for the terminal
 * they may be read on and for HTML, headers hold none of them but the domain, and who
 * gets it stands in the policy alone.
 */
#include "cli/child.h"
#include "cli/cli.h"
#include "cli/mime.h"
#include "engine/outbox.h"
#include "engine/policy.h"
#include "scan/text.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <unistd.h>

#define SENDMAIL_TIMEOUT_S 60

/* Rows of one mail; the rest is a number: who floods us does not flood the reader. */
#define MAX_ROWS 200

/* One mail. */
typedef struct
{
  gchar *domain; /* "": alerts that are no account's */
  gchar *to;
  GString *text, *html; /* its rows */
  GString *ids;
  guint count;
} Digest;

typedef struct
{
  gchar *database, *policy_file, *sendmail, *hour, *from;
  gboolean again;
} Options;

static void
free_digest(gpointer data)
{
  Digest *digest = data;

  g_free(digest->domain);
  g_free(digest->to);
  g_string_free(digest->text, TRUE);
  g_string_free(digest->html, TRUE);
  g_string_free(digest->ids, TRUE);
  g_free(digest);
}

/* ---- what is in it -------------------------------------------------------------------------- */

static gchar *
dup_column(const MtRows *rows, const gchar *name)
{
  gint column = mt_rows_column(rows, name);
  GString *text = g_string_new(NULL);

  if (column >= 0)
    mt_text_append_terminal(text, mt_rows_text(rows, column));
  return g_string_free(text, FALSE);
}

static Digest *
find_digest(GPtrArray *digests, const gchar *domain, const gchar *to)
{
  Digest *digest;

  for (guint i = 0; i < digests->len; i++)
    {
      digest = g_ptr_array_index(digests, i);
      if (g_str_equal(digest->domain, domain) && g_str_equal(digest->to, to))
        return digest;
    }
  digest = g_new0(Digest, 1);
  digest->domain = g_strdup(domain);
  digest->to = g_strdup(to);
  digest->text = g_string_new(NULL);
  digest->html = g_string_new(NULL);
  digest->ids = g_string_new(NULL);
  g_ptr_array_add(digests, digest);
  return digest;
}

static void
add_text(Digest *digest, gchar *const *values)
{
  g_string_append_printf(digest->text, "%s  %s  %s\n", values[0], values[1], values[2]);
  g_string_append_printf(digest->text, "  %s  %s%s%s%s\n", *values[3] ? values[3] : "-", values[4],
                         *values[5] ? " (" : "", values[5], *values[5] ? ")" : "");
  g_string_append_printf(digest->text, "  %s\n\n", values[6]);
}

static void
add_html(Digest *digest, gchar *const *values)
{
  g_string_append(digest->html, "<tr>");
  for (guint i = 0; values[i]; i++)
    {
      gchar *escaped = g_markup_escape_text(values[i], -1);

      g_string_append_printf(digest->html, "<td>%s</td>", escaped);
      g_free(escaped);
    }
  g_string_append(digest->html, "</tr>\n");
}

static void
add_row(Digest *digest, const MtRows *rows)
{
  static const gchar *const columns[] = { "time", "severity", "rule", "account",
                                          "ip",   "country",  "text" };
  gchar *values[G_N_ELEMENTS(columns) + 1] = { NULL };

  g_string_append_printf(digest->ids, "%s%" G_GINT64_FORMAT, digest->ids->len ? "," : "",
                         mt_rows_integer(rows, mt_rows_column(rows, "id")));
  if (++digest->count > MAX_ROWS)
    return;
  for (guint i = 0; i < G_N_ELEMENTS(columns); i++)
    values[i] = dup_column(rows, columns[i]);
  add_text(digest, values);
  add_html(digest, values);
  for (guint i = 0; i < G_N_ELEMENTS(columns); i++)
    g_free(values[i]);
}

static gboolean
collect(MtQuery *query, const MtPolicyView *policy, MtTime from, gboolean again, GPtrArray *digests,
        GError **error)
{
  MtRows *rows = mt_outbox_digest(query, from, from + MT_HOUR_US, again, error);
  GError *failed = NULL;

  if (!rows)
    return FALSE;
  while (mt_rows_next(rows, &failed))
    {
      gchar *account = dup_column(rows, "account"), *domain = dup_column(rows, "domain");
      const gchar *to;

      if (mt_policy_view_notifies(policy, account, &to) && to)
        add_row(find_digest(digests, domain, to), rows);
      g_free(account);
      g_free(domain);
    }
  mt_rows_free(rows);
  if (failed)
    g_propagate_error(error, failed);
  return !failed;
}

/* ---- the mail ------------------------------------------------------------------------------- */

static gchar *
hour_text(MtTime from)
{
  gchar text[MT_TIME_TEXT_BYTES];

  mt_time_format(from, text);
  text[10] = ' ';
  return g_strdup_printf("%.16s UTC", text);
}

static void
append_headers(GString *mail, const Digest *digest, const Options *options, const gchar *hour)
{
  GDateTime *now = g_date_time_new_now_local();
  /* English, whatever the locale: RFC 5322 3.3. */
  static const gchar *const days[] = { "Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun" };
  static const gchar *const months[] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
  gchar *rest = g_date_time_format(now, "%Y %H:%M:%S %z");
  gchar *date = g_strdup_printf("%s, %d %s %s", days[g_date_time_get_day_of_week(now) - 1],
                                g_date_time_get_day_of_month(now),
                                months[g_date_time_get_month(now) - 1], rest);
  gchar *subject =
      g_strdup_printf("%u mail login alert%s%s%s, %s", digest->count, digest->count == 1 ? "" : "s",
                      *digest->domain ? " for " : "", digest->domain, hour);
  gchar *id = g_uuid_string_random();
  gchar *message_id = g_strdup_printf("<%s@mailtrail.%s>", id, g_get_host_name());

  mime_append_header(mail, "From", options->from);
  mime_append_header(mail, "To", digest->to);
  mime_append_header(mail, "Subject", subject);
  mime_append_header(mail, "Date", date);
  mime_append_header(mail, "Message-ID", message_id);
  mime_append_header(mail, "Auto-Submitted", "auto-generated");
  g_free(message_id);
  g_free(id);
  g_free(subject);
  g_free(date);
  g_free(rest);
  g_date_time_unref(now);
}

static GString *
compose(const Digest *digest, const Options *options, MtTime from)
{
  GString *mail = g_string_new(NULL), *text = g_string_new(NULL), *html = g_string_new(NULL);
  gchar *hour = hour_text(from), *boundary = g_uuid_string_random();
  gchar *rest = digest->count > MAX_ROWS
                    ? g_strdup_printf("and %u more; see mailtrail alerts", digest->count - MAX_ROWS)
                    : g_strdup("");

  g_string_append_printf(text, "The hour from %s.\n\n%s%s\n", hour, digest->text->str, rest);
  g_string_append_printf(
      html,
      "<!DOCTYPE html>\n<html><body>\n<p>The hour from %s.</p>\n<table border=\"1\">\n"
      "<tr><th>time</th><th>severity</th><th>rule</th><th>account</th><th>address</th>"
      "<th>country</th><th>what</th></tr>\n%s</table>\n<p>%s</p>\n</body></html>\n",
      hour, digest->html->str, rest);
  append_headers(mail, digest, options, hour);
  mime_append_alternative(mail, boundary, text->str, html->str);
  g_free(rest);
  g_free(boundary);
  g_free(hour);
  g_string_free(text, TRUE);
  g_string_free(html, TRUE);
  return mail;
}

/* The address is the policy's, checked there: it neither begins with '-' nor holds more
 * than one. */
static gboolean
send_mail(const GString *mail, const Digest *digest, const Options *options, GError **error)
{
  const gchar *argv[] = { options->sendmail, "-i", "--", digest->to, NULL };
  const gchar *envp[] = { "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C", NULL };
  ChildCommand command = { argv, envp, mail, SENDMAIL_TIMEOUT_S };
  ChildResult result;
  gboolean ok;

  if (!child_check_program(options->sendmail, error) || !child_run(&command, &result, error))
    return FALSE;
  ok = result.status == 0 && !result.timed_out;
  if (!ok)
    g_set_error(
        error, G_FILE_ERROR, G_FILE_ERROR_FAILED,
        "%s: has not taken the mail (exit status %d); it is tried again at the next run: %s",
        options->sendmail, result.status, result.output->str);
  g_string_free(result.output, TRUE);
  return ok;
}

/* As a file of mails (mbox), where there are several: no line of ours begins with "From ". */
static void
print_mail(const GString *mail, gboolean several)
{
  if (several)
    fputs("From mailtrail Thu Jan  1 00:00:00 1970\n", stdout);
  fwrite(mail->str, 1, mail->len, stdout);
  if (several)
    putchar('\n');
  fflush(stdout);
}

static gboolean
deliver(const GPtrArray *digests, const Options *options, MtTime from, GError **error)
{
  for (guint i = 0; i < digests->len; i++)
    {
      const Digest *digest = g_ptr_array_index(digests, i);
      GString *mail = compose(digest, options, from);
      gboolean ok = !options->sendmail || send_mail(mail, digest, options, error);

      if (ok && !options->sendmail)
        print_mail(mail, digests->len > 1);
      g_string_free(mail, TRUE);
      if (!ok
          || !mt_outbox_mark_notified(cli_database(options->database), digest->ids->str,
                                      g_get_real_time(), error))
        return FALSE;
    }
  return TRUE;
}

/* ---- the command ------------------------------------------------------------------- */

/* The last full hour, or the one that @text is in: "2026-11-20T10" or any time. */
static gboolean
parse_hour(const gchar *text, MtTime *from)
{
  MtTime at = g_get_real_time() - MT_HOUR_US;
  gchar *full = text && strlen(text) == 13 ? g_strconcat(text, ":00", NULL) : g_strdup(text);
  gboolean ok = !text || cli_parse_time(full, &at);

  *from = at - at % MT_HOUR_US;
  g_free(full);
  return ok;
}

/* Two at once would send it twice. */
static gint
lock_store(const gchar *database)
{
  gchar *directory = g_path_get_dirname(database);
  gint fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

  if (fd >= 0)
    flock(fd, LOCK_EX);
  g_free(directory);
  return fd;
}

static gint
notify(const Options *options, MtTime from)
{
  const gchar *database = cli_database(options->database);
  GPtrArray *digests = g_ptr_array_new_with_free_func(free_digest);
  GError *error = NULL;
  gchar *path = options->policy_file ? g_strdup(options->policy_file)
                                     : cli_policy_path(options->database, &error);
  MtPolicyView *policy = path ? mt_policy_view_open(path, &error) : NULL;
  gint lock = lock_store(database);
  MtQuery *query = policy ? mt_query_open(database, &error) : NULL;
  gboolean ok = !query || collect(query, policy, from, options->again, digests, &error);
  guint count = digests->len;

  mt_query_close(query);
  if (ok)
    deliver(digests, options, from, &error);
  if (lock >= 0)
    close(lock);
  mt_policy_view_free(policy);
  g_ptr_array_free(digests, TRUE);
  g_free(path);
  if (error)
    return cli_fail(&error);
  return count ? CLI_FINE : CLI_NOTHING;
}

gint
cli_run_notify(int argc, char **argv)
{
  Options options = { NULL };
  const GOptionEntry entries[] = {
    { "database", 'd', 0, G_OPTION_ARG_FILENAME, &options.database, "the store", "FILE" },
    { "policy-file", 0, 0, G_OPTION_ARG_FILENAME, &options.policy_file,
      "who is told of what; else the file that the store's destination reads", "FILE" },
    { "hour", 0, 0, G_OPTION_ARG_STRING, &options.hour,
      "this hour, such as 2026-11-20T10; else the last full one", "H" },
    { "sendmail", 0, 0, G_OPTION_ARG_FILENAME, &options.sendmail,
      "give the mail to PROGRAM -i -- ADDRESS; else it is printed", "PROGRAM" },
    { "from", 0, 0, G_OPTION_ARG_STRING, &options.from, "who it is from", "ADDRESS" },
    { "again", 0, 0, G_OPTION_ARG_NONE, &options.again, "also what was sent before", NULL },
    { NULL }
  };
  gint status = CLI_FINE;
  MtTime from;

  if (!cli_parse_options(
          &argc, &argv, "- the digest of one hour",
          "A mail for each domain with alerts in the hour, to the policy's notify-to "
          "where notify=yes; each alert is sent once.",
          entries, &status))
    return status;
  if (!options.from)
    options.from = g_strdup_printf("mailtrail@%s", g_get_host_name());
  if (argc > 1)
    status = cli_usage("notify", "takes no arguments, such as \"%s\"", argv[1]);
  else if (!parse_hour(options.hour, &from))
    status = cli_usage("notify", "\"%s\" is no hour, such as 2026-11-20T10", options.hour);
  else
    status = notify(&options, from);
  g_free(options.database);
  g_free(options.policy_file);
  g_free(options.sendmail);
  g_free(options.hour);
  g_free(options.from);
  return status;
}
