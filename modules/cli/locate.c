/* locate: which folder a stored message is in now, or how it left
 *
 * Plays the mailbox events of the message in the order of their times: what was saved,
 * copied, marked, expunged.  Of a POP3 session the log says only how much was fetched: which
 * messages were is inferred, and said so.
 */
#include "cli/cli.h"
#include "scan/text.h"

#include <stdio.h>

/* What of a message is, or was, in one folder. */
typedef enum
{
  PLACE_STORED,
  PLACE_MARKED, /* \Deleted is set: gone at the next expunge */
  PLACE_EXPUNGED,
  PLACE_LOST, /* with its folder */
} State;

static const gchar *const state_names[] = { "stored", "marked-deleted", "expunged",
                                            "folder-deleted" };

/* The folder's name, but for what stands before the last separator. */
static const gchar *const trash_names[] = {
  "trash",   "deleted items", "deleted messages", "papierkorb", "corbeille", "papelera",
  "cestino", "lixeira",       "prullenbak",       "kosz",       NULL
};

typedef struct
{
  gchar *mailbox, *from, *since, *session;
  gint64 uid; /* -1: not known */
  State state;
} Place;

typedef struct
{
  MtQuery *query;
  gboolean json, csv;
  GError *error;
  guint printed;
} Locate;

/* One row of view mail. */
typedef struct
{
  gchar *account, *message_id, *queue_id, *outcome, *mailbox, *time, *ts, *forwarded_to, *reply;
  gint64 size;
} Mail;

static gchar *
dup_text(const MtRows *rows, guint column)
{
  MtSpan text = mt_rows_text(rows, column);

  return mt_rows_type(rows, column) == MT_COLUMN_NULL ? NULL : g_strndup(text.at, text.len);
}

/* ---- where it is ----------------------------------------------------------------------------- */

static void
free_place(gpointer data)
{
  Place *place = data;

  g_free(place->mailbox);
  g_free(place->from);
  g_free(place->since);
  g_free(place->session);
  g_free(place);
}

static Place *
add_place(GPtrArray *places, const gchar *mailbox, gint64 uid)
{
  Place *place = g_new0(Place, 1);

  place->mailbox = g_strdup(mailbox ? mailbox : "");
  place->uid = uid;
  g_ptr_array_add(places, place);
  return place;
}

/* The newest copy in this folder that is still there; old forms name no folder. */
static Place *
find_place(const GPtrArray *places, const gchar *mailbox, gint64 uid)
{
  for (guint i = places->len; i > 0; i--)
    {
      Place *place = g_ptr_array_index(places, i - 1);

      if (place->state < PLACE_EXPUNGED && (!mailbox || g_str_equal(place->mailbox, mailbox))
          && (uid < 0 || place->uid < 0 || place->uid == uid))
        return place;
    }
  return NULL;
}

static void
set_state(Place *place, State state, gchar *since, gchar *session)
{
  place->state = state;
  g_free(place->since);
  g_free(place->session);
  place->since = since;
  place->session = session;
}

/* The delivery's own line and the mailbox's tell of the same copy: the first has no UID. */
static Place *
saved(GPtrArray *places, const gchar *mailbox, gint64 uid)
{
  for (guint i = 0; i < places->len; i++)
    {
      Place *place = g_ptr_array_index(places, i);

      if (place->uid < 0 && g_str_equal(place->mailbox, mailbox))
        {
          place->uid = uid;
          return place;
        }
    }
  return add_place(places, mailbox, uid);
}

static void
rename_folder(GPtrArray *places, const gchar *from, const gchar *to)
{
  gsize len = strlen(from);

  for (guint i = 0; i < places->len; i++)
    {
      Place *place = g_ptr_array_index(places, i);
      gchar *mailbox;

      if (!g_str_has_prefix(place->mailbox, from)
          || (place->mailbox[len] && !strchr("/.", place->mailbox[len])))
        continue;
      mailbox = g_strconcat(to, place->mailbox + len, NULL);
      g_free(place->mailbox);
      place->mailbox = mailbox;
    }
}

static void
lose_folder(GPtrArray *places, const gchar *mailbox, const MtRows *rows)
{
  for (guint i = 0; i < places->len; i++)
    {
      Place *place = g_ptr_array_index(places, i);

      if (place->state < PLACE_EXPUNGED && g_str_equal(place->mailbox, mailbox))
        set_state(place, PLACE_LOST, dup_text(rows, 0), dup_text(rows, 5));
    }
}

static State
state_after(const gchar *action)
{
  return g_str_equal(action, "delete")    ? PLACE_MARKED
         : g_str_equal(action, "expunge") ? PLACE_EXPUNGED
                                          : PLACE_STORED;
}

/* Columns: time, action, mailbox, target, uid, session. */
static void
play_event(GPtrArray *places, const MtRows *rows)
{
  gchar *action = dup_text(rows, 1), *mailbox = dup_text(rows, 2), *target = dup_text(rows, 3);
  gint64 uid = mt_rows_type(rows, 4) == MT_COLUMN_NULL ? -1 : mt_rows_integer(rows, 4);
  Place *place;

  if (g_str_equal(action, "mailbox_rename") && mailbox && target)
    rename_folder(places, mailbox, target);
  else if (g_str_equal(action, "mailbox_delete") && mailbox)
    lose_folder(places, mailbox, rows);
  else if (g_str_equal(action, "copy") && target)
    {
      place = add_place(places, target, uid);
      place->from = g_strdup(mailbox);
      set_state(place, PLACE_STORED, dup_text(rows, 0), dup_text(rows, 5));
    }
  else if ((g_str_equal(action, "save") || g_str_equal(action, "append")) && mailbox)
    set_state(saved(places, mailbox, uid), PLACE_STORED, dup_text(rows, 0), dup_text(rows, 5));
  else if (g_str_equal(action, "delete") || g_str_equal(action, "undelete")
           || g_str_equal(action, "expunge"))
    {
      place = find_place(places, mailbox, uid);
      set_state(place ? place : add_place(places, mailbox, uid), state_after(action),
                dup_text(rows, 0), dup_text(rows, 5));
    }
  g_free(action);
  g_free(mailbox);
  g_free(target);
}

static GPtrArray *
find_places(Locate *locate, const Mail *mail)
{
  static const gchar sql[] =
      "SELECT time, action, mailbox, target, uid, session FROM mailbox_events"
      " WHERE account=?1 AND ts>=CAST(?2 AS INTEGER)-60000000"
      " AND (message_id=?3 OR action IN ('mailbox_rename', 'mailbox_delete')) ORDER BY ts";
  const gchar *const params[] = { mail->account, mail->ts, mail->message_id, NULL };
  GPtrArray *places = g_ptr_array_new_with_free_func(free_place);
  gchar **first = g_strsplit(mail->mailbox ? mail->mailbox : "", ", ", -1);
  MtRows *rows;

  for (guint i = 0; first[i]; i++)
    set_state(add_place(places, first[i], -1), PLACE_STORED, g_strdup(mail->time), NULL);
  g_strfreev(first);
  rows = mt_query_run(locate->query, sql, params, &locate->error);
  while (rows && mt_rows_next(rows, &locate->error))
    play_event(places, rows);
  mt_rows_free(rows);
  return places;
}

/* ---- saying it --------------------------------------------------------------------- */

static gboolean
is_trash(const gchar *mailbox)
{
  const gchar *last = mailbox + strlen(mailbox);
  gchar *lower;
  gboolean is;

  while (last > mailbox && !strchr("/.", last[-1]))
    last--;
  lower = g_utf8_strdown(last, -1);
  is = g_strv_contains(trash_names, lower);
  g_free(lower);
  return is;
}

/* One answer: a name and a value each; NULL values are left out. */
typedef struct
{
  const gchar *name, *value;
} Field;

static void
print_json(const Field *fields)
{
  GString *json = g_string_new("{");

  for (; fields->name; fields++)
    {
      if (!fields->value)
        continue;
      g_string_append_printf(json, "%s\"%s\":", json->len > 1 ? "," : "", fields->name);
      mt_text_append_json(json, mt_span_of_string(fields->value));
    }
  g_string_append_c(json, '}');
  puts(json->str);
  g_string_free(json, TRUE);
}

static void
print_csv(const Field *fields, gboolean head)
{
  GString *row = g_string_new(NULL);

  for (guint i = 0; fields[i].name; i++)
    g_string_append_printf(row, "%s%s", i ? "," : "", fields[i].name);
  if (head)
    puts(row->str);
  g_string_truncate(row, 0);
  for (guint i = 0; fields[i].name; i++)
    {
      if (i)
        g_string_append_c(row, ',');
      mt_text_append_csv(row, mt_span_of_string(fields[i].value));
    }
  puts(row->str);
  g_string_free(row, TRUE);
}

static void
print_text(const Field *fields)
{
  static const gchar *const formats[] = { "%s",         ": %s",    " in %s", ", from %s",
                                          ", since %s", ", by %s", " [%s]",  ", session %s",
                                          "",           "",        "; %s" };
  GString *line = g_string_new(NULL);

  for (guint i = 0; fields[i].name; i++)
    {
      const gchar *at = strstr(formats[i], "%s");

      if (!fields[i].value || !at)
        continue;
      g_string_append_len(line, formats[i], at - formats[i]);
      mt_text_append_terminal(line, mt_span_of_string(fields[i].value));
      g_string_append(line, at + 2);
    }
  puts(line->str);
  g_string_free(line, TRUE);
}

static void
print_answer(Locate *locate, const Field *fields)
{
  if (locate->json)
    print_json(fields);
  else if (locate->csv)
    print_csv(fields, !locate->printed);
  else
    print_text(fields);
  locate->printed++;
}

/* Who did it: service and address of the session. */
static void
find_session(Locate *locate, const Mail *mail, const gchar *session, gchar **service, gchar **ip)
{
  const gchar *const params[] = { mail->account, session, NULL };
  MtRows *rows;

  *service = *ip = NULL;
  if (!session || locate->error)
    return;
  rows = mt_query_run(locate->query,
                      "SELECT service, ip FROM accesses WHERE account=?1 AND session=?2 LIMIT 1",
                      params, &locate->error);
  if (rows && mt_rows_next(rows, &locate->error))
    {
      *service = dup_text(rows, 0);
      *ip = dup_text(rows, 1);
    }
  mt_rows_free(rows);
}

/* POP3 sessions since that fetched at least as much as the message is long. */
static gchar *
find_downloads(Locate *locate, const Mail *mail)
{
  gchar *size = g_strdup_printf("%" G_GINT64_FORMAT, mail->size);
  const gchar *const params[] = { mail->account, mail->ts, size, NULL };
  MtRows *rows = mt_query_run(locate->query,
                              "SELECT count(*), min(time) FROM accesses WHERE account=?1"
                              " AND ts>=CAST(?2 AS INTEGER) AND service='pop3'"
                              " AND out_bytes>=CAST(?3 AS INTEGER)",
                              params, &locate->error);
  gchar *said = NULL;

  if (rows && mt_rows_next(rows, &locate->error) && mt_rows_integer(rows, 0) > 0)
    {
      gchar *count = dup_text(rows, 0), *first = dup_text(rows, 1);

      said = g_strdup_printf(
          "may have been fetched in one of %s POP3 sessions, the first at %s"
          " (which messages a session fetched is not logged)",
          count, first);
      g_free(count);
      g_free(first);
    }
  mt_rows_free(rows);
  g_free(size);
  return said;
}

static void
say_place(Locate *locate, const Mail *mail, const Place *place, const gchar *note)
{
  const gchar *state = state_names[place->state];
  gchar *service, *ip;

  find_session(locate, mail, place->session, &service, &ip);
  if (place->state == PLACE_STORED && is_trash(place->mailbox))
    state = "trash";
  print_answer(locate, (Field[]){ { "account", mail->account },
                                  { "state", state },
                                  { "mailbox", place->mailbox },
                                  { "from_mailbox", place->from },
                                  { "since", place->since },
                                  { "service", service },
                                  { "ip", ip },
                                  { "session", place->session },
                                  { "queue_id", mail->queue_id },
                                  { "message_id", mail->message_id },
                                  { "note", note },
                                  { NULL, NULL } });
  g_free(service);
  g_free(ip);
}

/* It never came into a folder here, or the log does not say into which. */
static void
say_outcome(Locate *locate, const Mail *mail)
{
  gboolean delivered = g_strcmp0(mail->outcome, "delivered") == 0;
  const gchar *state = mail->forwarded_to ? "forwarded" : delivered ? "delivered" : mail->outcome;
  gchar *note = mail->forwarded_to ? g_strconcat("to ", mail->forwarded_to, NULL)
                : delivered        ? g_strdup(
                             "no folder is logged: it went to another server, or the"
                                    " mailbox side's lines are not read here")
                            : g_strdup(mail->reply);

  print_answer(locate, (Field[]){ { "account", mail->account },
                                  { "state", state },
                                  { "mailbox", NULL },
                                  { "from_mailbox", NULL },
                                  { "since", mail->time },
                                  { "service", NULL },
                                  { "ip", NULL },
                                  { "session", NULL },
                                  { "queue_id", mail->queue_id },
                                  { "message_id", mail->message_id },
                                  { "note", note },
                                  { NULL, NULL } });
  g_free(note);
}

static void
locate_mail(Locate *locate, const Mail *mail)
{
  GPtrArray *places = find_places(locate, mail);
  gchar *note = places->len && !locate->error ? find_downloads(locate, mail) : NULL;

  for (guint i = 0; i < places->len && !locate->error; i++)
    say_place(locate, mail, g_ptr_array_index(places, i), note);
  if (places->len == 0 && !locate->error)
    say_outcome(locate, mail);
  g_free(note);
  g_ptr_array_free(places, TRUE);
}

static void
free_mail(gpointer data)
{
  Mail *mail = data;

  g_free(mail->account);
  g_free(mail->message_id);
  g_free(mail->queue_id);
  g_free(mail->outcome);
  g_free(mail->mailbox);
  g_free(mail->time);
  g_free(mail->ts);
  g_free(mail->forwarded_to);
  g_free(mail->reply);
  g_free(mail);
}

static Mail *
read_mail(const MtRows *rows)
{
  Mail *mail = g_new0(Mail, 1);

  mail->account = dup_text(rows, 0);
  mail->message_id = dup_text(rows, 1);
  mail->queue_id = dup_text(rows, 2);
  mail->outcome = dup_text(rows, 3);
  mail->mailbox = dup_text(rows, 4);
  mail->time = dup_text(rows, 5);
  mail->ts = dup_text(rows, 6);
  mail->forwarded_to = dup_text(rows, 7);
  mail->reply = dup_text(rows, 8);
  mail->size = MAX(mt_rows_integer(rows, 9), 0);
  return mail;
}

static void
add_mails(Locate *locate, const gchar *column, const gchar *id, GPtrArray *mails)
{
  gchar *condition = cli_mail_of(locate->query, column, id, &locate->error);
  gchar *sql = g_strconcat(
      "SELECT recipient, message_id, queue_id, outcome, mailbox, last_time, ts,"
      " forwarded_to, reply, size FROM mail WHERE ",
      condition, " ORDER BY ts", NULL);
  MtRows *rows = locate->error ? NULL : mt_query_run(locate->query, sql, NULL, &locate->error);

  while (rows && mt_rows_next(rows, &locate->error))
    g_ptr_array_add(mails, read_mail(rows));
  mt_rows_free(rows);
  g_free(sql);
  g_free(condition);
}

static GPtrArray *
find_mails(Locate *locate, const gchar *id)
{
  GPtrArray *mails = g_ptr_array_new_with_free_func(free_mail);

  add_mails(locate, "queue_id", id, mails);
  if (mails->len == 0 && !locate->error)
    add_mails(locate, "message_id", id, mails);
  return mails;
}

static gint
run(Locate *locate, const gchar *id)
{
  GPtrArray *mails = find_mails(locate, id);

  for (guint i = 0; i < mails->len && !locate->error; i++)
    locate_mail(locate, g_ptr_array_index(mails, i));
  g_ptr_array_free(mails, TRUE);
  if (locate->error)
    return cli_fail(&locate->error);
  return locate->printed ? CLI_FINE : CLI_NOTHING;
}

gint
cli_run_locate(int argc, char **argv)
{
  Locate locate = { 0 };
  gchar *database = NULL;
  const GOptionEntry entries[] = {
    { "database", 'd', 0, G_OPTION_ARG_FILENAME, &database, "the store", "FILE" },
    { "json", 0, 0, G_OPTION_ARG_NONE, &locate.json, "one object a line", NULL },
    { "csv", 0, 0, G_OPTION_ARG_NONE, &locate.csv, "for spreadsheets", NULL },
    { NULL },
  };
  GError *error = NULL;
  gint status = CLI_FINE;

  if (!cli_parse_options(&argc, &argv, "ID - which folder a message is in now, or how it left",
                         "ID is a queue ID, or a Message-ID with its angle brackets.", entries,
                         &status))
    return status;
  if (argc != 2)
    status = cli_usage("locate", "wants one queue ID or Message-ID");
  else if (!(locate.query = mt_query_open(cli_database(database), &error)))
    status = cli_fail(&error);
  else
    status = run(&locate, argv[1]);
  mt_query_close(locate.query);
  g_free(database);
  return status;
}
