#include "store/schema.h"
#include "store/message-key.h"
#include "store/reply.h"
#include "trail/rows.h"

/* ---- tables that are there once ------------------------------------------------------ */

static const gchar once[] =
    "CREATE TABLE meta(name TEXT PRIMARY KEY, value) WITHOUT ROWID;"
    "CREATE TABLE segment(number INTEGER PRIMARY KEY, first_day INT, last_day INT, indexed INT,"
    " detached INT);"
    "CREATE TABLE counter(name TEXT PRIMARY KEY, value INT) WITHOUT ROWID;"
    "CREATE TABLE word(id INTEGER PRIMARY KEY, text TEXT);"
    "CREATE TABLE country(code TEXT PRIMARY KEY, name TEXT) WITHOUT ROWID;"
    "CREATE TABLE local_domain(domain TEXT PRIMARY KEY) WITHOUT ROWID;"
    "CREATE TABLE activity(day INT, account TEXT, sent INT, deferred INT, failed INT, received INT,"
    " rejected INT, bytes_sent INT, bytes_received INT, logins INT, failed_logins INT,"
    " PRIMARY KEY(account, day)) WITHOUT ROWID;"
    "CREATE INDEX activity_day ON activity(strftime('%Y-%m-%d', day*86400, 'unixepoch'));"
    "CREATE TABLE alert(id INTEGER PRIMARY KEY, ts INT, rule TEXT, severity TEXT, account TEXT,"
    " domain TEXT, ip TEXT, country TEXT, asn INT, count INT, window_seconds INT, text TEXT,"
    " evidence TEXT, emit INT, emitted INT, notified INT);"
    "CREATE INDEX alert_ts ON alert(ts);"
    "CREATE TABLE mail_change(seq INTEGER PRIMARY KEY AUTOINCREMENT, mail INT, ts INT);"
    "CREATE TABLE pair(key INTEGER PRIMARY KEY, ts INT);"
    "CREATE TABLE baseline(account TEXT PRIMARY KEY, first_ts INT, last_ts INT, logins INT,"
    " days INT, busiest_hour INT, data TEXT) WITHOUT ROWID;"
    "CREATE TABLE suppressed(account TEXT PRIMARY KEY COLLATE NOCASE, ts INT, rule TEXT,"
    " severity INT, count INT) WITHOUT ROWID;"
    "CREATE TABLE pending(id INTEGER PRIMARY KEY, kind INT, key INT, ts INT, data BLOB);"
    "CREATE TABLE guard(id INTEGER PRIMARY KEY, minute INT, host INT, hashes BLOB);"
    "CREATE INDEX guard_minute ON guard(minute, host);"
    "CREATE TABLE line(line INTEGER PRIMARY KEY, ts INT, host TEXT, program TEXT, text TEXT,"
    " queue_id TEXT, message_id TEXT, session TEXT);"
    "CREATE TABLE last_login(account TEXT, service INT, ts INT, ip TEXT, country TEXT,"
    " PRIMARY KEY(account, service)) WITHOUT ROWID;"
    "CREATE TABLE forgotten(hash INTEGER PRIMARY KEY, ts INT);";

/* ---- tables of a segment -------------------------------------------------------------- */

/* Times behind the first are kept as what has passed since: shorter.  NULL root: the
 * message is its own.  NULL life: as long as it took until it was gone.  NULL form: the
 * reply is all of it (reply.h).  A message's key: message-key.h. */
static const gchar segment_tables[] =
    "CREATE TABLE name_@(id INTEGER PRIMARY KEY, text TEXT UNIQUE);"
    "INSERT INTO name_@ VALUES(0, NULL);"
    "CREATE TABLE message_@(id INTEGER PRIMARY KEY, ts INT, life INT, host INT, instance INT,"
    " queue_id TEXT, state INT, flags INT, sender INT, size INT, nrcpt INT, message_id TEXT,"
    " client_ip TEXT, client_name INT, country TEXT, service INT, port INT, gone INT,"
    " auth_user INT, auth_method INT, root INT, root_ts INT, parent INT, parent_queue_id TEXT,"
    " parent_kind INT, subject TEXT, spam_action TEXT, spam_score REAL, virus TEXT, spf TEXT,"
    " dkim TEXT, dmarc TEXT, key INT);"
    "CREATE TABLE delivery_@(id INTEGER PRIMARY KEY, message INT, ts INT, sender INT,"
    " recipient INT, outcome INT, flags INT, status INT, direction INT, attempts INT, after INT,"
    " dsn INT, relay_name INT, transport INT, relay_ip TEXT, delay INT, reason INT, reply TEXT,"
    " revision INT, orig_recipient INT, next_queue_id, session, mailbox INT, stored_action INT,"
    " forwarded_to TEXT, filter_rule TEXT, form INT);"
    "CREATE TABLE attempt_@(id INTEGER PRIMARY KEY, message INT, delivery INT, ts INT, relay_name INT, relay_ip TEXT,"
    " dsn INT, delay INT, reason INT, reply TEXT);"
    "CREATE TABLE access_@(id INTEGER PRIMARY KEY, ts INT, key INT, account INT, service INT,"
    " ip TEXT, country TEXT, host INT, tls INT, method INT, local_ip INT, session TEXT, last INT,"
    " ended INT, in_bytes INT, out_bytes INT, deleted INT, expunged INT, trashed INT, city INT,"
    " asn INT, client TEXT);"
    "CREATE TABLE failure_@(id INTEGER PRIMARY KEY, ts INT, account INT, service INT, ip TEXT,"
    " country TEXT, host INT, reason INT, attempts INT, tls INT, method INT, session TEXT,"
    " sources INT, city INT, asn INT, client TEXT, tag INT);"
    "CREATE TABLE reject_@(id INTEGER PRIMARY KEY, ts INT, sender INT, recipient INT,"
    " client_ip TEXT, client_name INT, country TEXT, host INT, auth_user INT, queue_id TEXT,"
    " message_id TEXT, helo TEXT, stage INT, code INT, dsn INT, action INT, class INT,"
    " reason TEXT);"
    "CREATE TABLE mailbox_@(id INTEGER PRIMARY KEY, ts INT, account INT, action INT, mailbox INT,"
    " message_id TEXT, uid INT, size INT, sender INT, subject TEXT, target INT, session TEXT,"
    " host INT);"
    "CREATE TABLE incident_@(id INTEGER PRIMARY KEY, ts INT, kind INT, ip TEXT, account INT,"
    " queue_id TEXT, reason TEXT, host INT);"
    "CREATE TABLE connection_@(ip TEXT, day INT, name INT, country TEXT, connections INT,"
    " rejected INT, failed_logins INT, tls INT, first INT, last INT,"
    " PRIMARY KEY(ip, day)) WITHOUT ROWID;";

/* What is looked up, and nothing else: each one costs as much as the row itself.  A
 * message's deliveries are found by its time and its number: one index for both. */
static const gchar own_indexes[] =
    "CREATE INDEX IF NOT EXISTS message_@_queue_id ON message_@(queue_id);"
    "CREATE INDEX IF NOT EXISTS message_@_key ON message_@(key) WHERE key IS NOT NULL;"
    "CREATE INDEX IF NOT EXISTS message_@_parent ON message_@(parent) WHERE parent IS NOT NULL;"
    "CREATE INDEX IF NOT EXISTS delivery_@_ts ON delivery_@(ts, message);"
    "CREATE INDEX IF NOT EXISTS access_@_open ON access_@(key) WHERE ended IS NULL;";

/* What pages come by.  Late recipients of a large message, too. */
static const gchar page_indexes[] =
    "CREATE INDEX IF NOT EXISTS message_@_auth_user ON message_@(auth_user, ts) WHERE auth_user IS NOT NULL;"
    "CREATE INDEX IF NOT EXISTS delivery_@_sender ON delivery_@(sender, ts) WHERE outcome<>0;"
    "CREATE INDEX IF NOT EXISTS delivery_@_recipient ON delivery_@(recipient, ts) WHERE outcome<>0;"
    "CREATE INDEX IF NOT EXISTS delivery_@_outcome ON delivery_@(outcome, ts) WHERE outcome>1;"
    "CREATE INDEX IF NOT EXISTS attempt_@_message ON attempt_@(message);"
    "CREATE INDEX IF NOT EXISTS access_@_ts ON access_@(ts);"
    "CREATE INDEX IF NOT EXISTS access_@_account ON access_@(account, ts);"
    "CREATE INDEX IF NOT EXISTS access_@_ip ON access_@(ip, ts);"
    "CREATE INDEX IF NOT EXISTS failure_@_ts ON failure_@(ts);"
    "CREATE INDEX IF NOT EXISTS failure_@_account ON failure_@(account, ts);"
    "CREATE INDEX IF NOT EXISTS failure_@_ip ON failure_@(ip, ts);"
    "CREATE INDEX IF NOT EXISTS reject_@_ts ON reject_@(ts);"
    "CREATE INDEX IF NOT EXISTS reject_@_recipient ON reject_@(recipient, ts);"
    "CREATE INDEX IF NOT EXISTS reject_@_client_ip ON reject_@(client_ip, ts);"
    "CREATE INDEX IF NOT EXISTS mailbox_@_message_id ON mailbox_@(message_id);"
    "CREATE INDEX IF NOT EXISTS mailbox_@_account ON mailbox_@(account, ts);"
    "CREATE INDEX IF NOT EXISTS incident_@_ts ON incident_@(ts);"
    "CREATE INDEX IF NOT EXISTS name_@_domain ON name_@(" MT_SCHEMA_NAME_DOMAIN
    ") WHERE instr(text, char(64));";

gchar *
mt_schema_fill(const gchar *template, gint segment)
{
  GString *sql = g_string_new(NULL);
  const gchar *at;

  for (; (at = strchr(template, '@')); template = at + 1)
    {
      g_string_append_len(sql, template, at - template);
      g_string_append_printf(sql, "%d", segment);
    }
  g_string_append(sql, template);
  return g_string_free(sql, FALSE);
}

static gboolean
is_there(sqlite3 *db, const gchar *type, const gchar *name)
{
  gchar *sql =
      g_strdup_printf("SELECT 1 FROM sqlite_schema WHERE type='%s' AND name='%s'", type, name);
  gboolean there = mt_sql_integer(db, sql, 0);

  g_free(sql);
  return there;
}

static gboolean
exec_filled(sqlite3 *db, const gchar *template, gint segment)
{
  gchar *sql = mt_schema_fill(template, segment);
  gboolean ok = mt_sql_exec(db, sql);

  g_free(sql);
  return ok;
}

gboolean
mt_schema_create(sqlite3 *db)
{
  return mt_sql_exec(db, once)
         && mt_sql_execf(db, "PRAGMA application_id=%d; PRAGMA user_version=%d",
                         MT_SCHEMA_APPLICATION_ID, MT_SCHEMA_VERSION);
}

/* migrations[N] brings a store of version N to N+1, its segments, too.  A version that was
 * released is kept as tests/store/schema-N.db.gz. */
typedef gboolean (*Migration)(sqlite3 *db);

static gboolean
each_segment(sqlite3 *db, const gchar *condition, const gchar *template)
{
  gchar *sql = g_strdup_printf("SELECT group_concat(number, ' ') FROM segment WHERE %s", condition);
  gchar *list = mt_sql_text(db, sql);
  gchar **numbers = g_strsplit(list ? list : "", " ", -1);
  gboolean ok = TRUE;

  for (guint i = 0; numbers[i] && ok; i++)
    ok = exec_filled(db, template, atoi(numbers[i]));
  g_strfreev(numbers);
  g_free(list);
  g_free(sql);
  return ok;
}

/* What rows repeat is left out of them.  Replies stay whole until they are written again. */
static gboolean
migrate_1(sqlite3 *db)
{
  return mt_message_key_register(db) && mt_schema_drop_views(db)
         && each_segment(
             db, "NOT detached",
             "ALTER TABLE delivery_@ ADD COLUMN form INT;"
             "ALTER TABLE message_@ ADD COLUMN key INT;"
             "UPDATE message_@ SET key=mt_message_key(message_id, ts), life=CASE coalesce(life, 0) WHEN coalesce(gone, 0) THEN NULL"
             " ELSE coalesce(life, 0) END;"
             "UPDATE access_@ SET key=NULL WHERE ended IS NOT NULL;"
             "ALTER TABLE connection_@ RENAME COLUMN first_ts TO first;"
             "ALTER TABLE connection_@ RENAME COLUMN last_ts TO last;"
             "UPDATE connection_@ SET first=first-day*86400000000, last=last-first")
         && each_segment(
             db, "NOT detached AND indexed",
             "DROP INDEX message_@_message_id;"
             "CREATE INDEX message_@_key ON message_@(key) WHERE key IS NOT NULL;"
             "DROP INDEX delivery_@_message; DROP INDEX delivery_@_ts;"
             "CREATE INDEX delivery_@_ts ON delivery_@(ts, message);"
             "CREATE INDEX IF NOT EXISTS message_@_auth_user ON message_@(auth_user, ts)"
             " WHERE auth_user IS NOT NULL;"
             "CREATE INDEX IF NOT EXISTS name_@_domain ON name_@(" MT_SCHEMA_NAME_DOMAIN
             ") WHERE instr(text, char(64));");
}

static const Migration migrations[MT_SCHEMA_VERSION] = { NULL, migrate_1 };

gboolean
mt_schema_migrate(sqlite3 *db, gint from)
{
  gboolean ok = TRUE;

  for (gint version = from; version < MT_SCHEMA_VERSION && ok; version++)
    ok = migrations[version] && migrations[version](db);
  return ok && mt_sql_execf(db, "PRAGMA user_version=%d", MT_SCHEMA_VERSION);
}

gboolean
mt_schema_drop_views(sqlite3 *db)
{
  gchar *name;
  gboolean ok = TRUE;

  while (ok && (name = mt_sql_text(db, "SELECT name FROM sqlite_schema WHERE type='view'")))
    {
      ok = mt_sql_execf(db, "DROP VIEW %s", name);
      g_free(name);
    }
  return ok;
}

gboolean
mt_schema_add_segment(sqlite3 *db, gint segment)
{
  return exec_filled(db, segment_tables, segment);
}

gboolean
mt_schema_add_indexes(sqlite3 *db, gint segment, MtIndexes has, MtIndexes wanted)
{
  return (has != MT_INDEXES_NONE || wanted == MT_INDEXES_NONE
          || exec_filled(db, own_indexes, segment))
         && (has == MT_INDEXES_ALL || wanted != MT_INDEXES_ALL
             || exec_filled(db, page_indexes, segment));
}

static gchar *
name_of_index(const gchar *sql)
{
  const gchar *name = strstr(sql, "EXISTS ") + strlen("EXISTS ");

  return g_strndup(name, strcspn(name, " "));
}

static gboolean
add_if_missing(sqlite3 *db, const gchar *sql, gboolean *added)
{
  gchar *name = name_of_index(sql);
  gboolean ok;

  *added = !is_there(db, "index", name);
  ok = !*added || mt_sql_exec(db, sql);
  g_free(name);
  return ok;
}

gboolean
mt_schema_add_one_index(sqlite3 *db, gint segment, gboolean *added)
{
  static const gchar *const templates[] = { own_indexes, page_indexes };
  gboolean ok = TRUE;

  *added = FALSE;
  for (guint i = 0; i < G_N_ELEMENTS(templates); i++)
    {
      gchar *filled = mt_schema_fill(templates[i], segment), **all = g_strsplit(filled, ";", -1);

      for (guint n = 0; ok && !*added && all[n] && all[n][0]; n++)
        ok = add_if_missing(db, all[n], added);
      g_strfreev(all);
      g_free(filled);
    }
  return ok;
}

/* ---- dropping, in small steps ------------------------------------------------------------ */

/* Rows that go in one step: about 10 ms, and some 200 pages. */
#define DROP_ROWS "5000"

static gboolean
drop_one_index(sqlite3 *db, const gchar *table, gboolean *done)
{
  gchar *sql = g_strdup_printf(
      "SELECT name FROM sqlite_schema WHERE type='index' AND tbl_name='%s'"
      " AND sql IS NOT NULL",
      table);
  gchar *name = mt_sql_text(db, sql);
  gboolean ok = !name || mt_sql_execf(db, "DROP INDEX %s", name);

  *done = name != NULL;
  g_free(name);
  g_free(sql);
  return ok;
}

/* How a table is emptied before it is dropped, so that no step takes long: by its key, from the
 * end. NULL: it goes at once.  Names are small, and stand in two orders: rows that lie together in
 * one are all over the other. */
static const struct
{
  const gchar *name, *key;
} dropped[] = { { "message", "id" }, { "delivery", "id" }, { "attempt", "id" },
                { "access", "id" },  { "failure", "id" },  { "reject", "id" },
                { "mailbox", "id" }, { "incident", "id" }, { "connection", "ip, day" },
                { "name", NULL } };

static gboolean
delete_some(sqlite3 *db, const gchar *table, const gchar *key, gboolean *done)
{
  gchar **columns = g_strsplit(key, ", ", -1), *backwards = g_strjoinv(" DESC, ", columns);
  gboolean ok =
      mt_sql_execf(db,
                   "DELETE FROM %s WHERE (%s)>=(SELECT %s FROM %s ORDER BY %s DESC LIMIT 1"
                   " OFFSET " DROP_ROWS ")",
                   table, key, key, table, backwards);

  *done = ok && sqlite3_changes(db) > 0;
  g_free(backwards);
  g_strfreev(columns);
  return ok;
}

static gboolean
drop_some_of(sqlite3 *db, const gchar *table, const gchar *key)
{
  gboolean done;

  if (!drop_one_index(db, table, &done) || done)
    return done;
  if (key && (!delete_some(db, table, key, &done) || done))
    return done;
  return mt_sql_execf(db, "DROP TABLE %s", table);
}

gboolean
mt_schema_drop_some(sqlite3 *db, gboolean *done)
{
  gint segment = mt_sql_integer(db, "SELECT number FROM segment WHERE detached LIMIT 1", 0);

  *done = segment != 0;
  for (guint i = 0; segment && i < G_N_ELEMENTS(dropped); i++)
    {
      gchar *table = g_strdup_printf("%s_%d", dropped[i].name, segment);
      gboolean there = is_there(db, "table", table), ok = TRUE;

      if (there)
        ok = drop_some_of(db, table, dropped[i].key);
      g_free(table);
      if (there)
        return ok;
    }
  return !segment || mt_sql_execf(db, "DELETE FROM segment WHERE number=%d", segment);
}

/* ---- views ------------------------------------------------------------------------------ */

/* Pieces that stand in many columns: macros over SQL text. */
#define TIME(ts) \
  "strftime('%Y-%m-%dT%H:%M:%S', " ts "/1000000, 'unixepoch')||printf('.%06dZ', " ts "%1000000)"
#define NAME(column) "(SELECT text FROM name_@ WHERE id=" column ")"
/* char(64) is the at sign, which stands for the segment's number in templates. */
#define DOMAIN(address) \
  "CASE WHEN instr(" address ", char(64)) THEN lower(substr(" address ", instr(" address \
  ", char(64))+1)) END"
#define COUNTRY_NAME "(SELECT name FROM country WHERE code=country)"

/* A message is incomplete if its host's logger said within its life, or within a minute
 * behind it, that it lost lines: MT_INCIDENT_LOSS. */
#define MT_LOSS "7"
G_STATIC_ASSERT(MT_INCIDENT_LOSS == 7);
/* Arms of other affinities than the first keep SQLite from merging them in their order. */
#define NO_TEXT "CAST(NULL AS TEXT)"

typedef struct
{
  const gchar *name, *sql; /* "{list column}" stands for a word */
} View;

/* Names first, so that their indexes are used. */
#define MAIL_ARM \
  "SELECT d.id AS id, revision, d.ts AS ts, after, s.text AS sender," \
  " r.text AS recipient, " NAME("orig_recipient") " AS orig_recipient, m.size AS size," \
  " coalesce(m.subject, o.subject) AS subject, {status status} AS status," \
  " {outcome outcome} AS outcome, reply, " NAME("form") " AS form," \
  " {reason reason} AS reason_class, {direction direction} AS direction," \
  " " NAME("o.service") " AS service, o.port AS port, m.queue_id AS queue_id," \
  " o.queue_id AS first_queue_id, coalesce(m.message_id, o.message_id) AS message_id," \
  " o.client_ip AS client_ip, o.country AS country, " NAME("o.auth_user") " AS auth_user," \
  " attempts, " NAME("mailbox") " AS mailbox, forwarded_to," \
  " d.flags AS flags, filter_rule," \
  " coalesce(m.spam_action, o.spam_action) AS spam_action," \
  " coalesce(m.spam_score, o.spam_score) AS spam_score, coalesce(m.virus, o.virus) AS virus," \
  " coalesce(m.spf, o.spf) AS spf, coalesce(m.dkim, o.dkim) AS dkim," \
  " coalesce(m.dmarc, o.dmarc) AS dmarc, " NAME("m.host") " AS host, message," \
  " outcome AS outcome_number, outcome AS undelivered, direction AS direction_number" \
  " FROM delivery_@ d JOIN name_@ s ON s.id=d.sender JOIN name_@ r ON r.id=d.recipient" \
  " JOIN message_@ m ON " MT_BELONGS_SQL " JOIN message_@ o ON o.id=coalesce(m.root, m.id)" \
  " WHERE d.outcome<>0"

/* An arm each: unions of all segments.  Every reader parses them: there is one for all views of the
 * same rows, and what needs no table of the segment stands outside, once, in the views that read
 * them.  Words stand inside: who counts rows by one asks for no more of them than he must. */
static const View unions[] = {
  { "all_messages",
    "SELECT id, ts, ts+coalesce(life, gone, 0) AS last_ts, " NAME(
        "host") " AS host,"
                " " NAME(
                    "instance") " AS instance, queue_id, message_id,"
                                " " NAME(
                                    "sender") " AS sender, size, nrcpt, subject,"
                                              " client_ip, " NAME(
                                                  "client_name") " AS client_name, country,"
                                                                 " " NAME("auth_user") " AS auth_user, " NAME(
                                                                     "auth_method") " AS auth_method,"
                                                                                    " " NAME(
                                                                                        "service") " AS service, port,"
                                                                                                   " (SELECT {direction d.direction} FROM delivery_@ d WHERE " MT_BELONGS_SQL
                                                                                                   " LIMIT 1) AS direction,"
                                                                                                   " {state state} AS state, parent_queue_id,"
                                                                                                   " {parent_kind parent_kind} AS parent_kind, parent AS parent_id,"
                                                                                                   " coalesce(root, id) AS root_id, spam_action,"
                                                                                                   " spam_score, virus, spf, dkim, dmarc,"
                                                                                                   " (EXISTS(SELECT 1 FROM incident_@ i WHERE i.ts BETWEEN m.ts AND"
                                                                                                   " m.ts+coalesce(m.gone, 864000000000)+60000000 AND i.kind=" MT_LOSS
                                                                                                   " AND i.host=m.host) OR ((m.flags&1)=0 AND m.parent_kind IS NULL AND m.sender IS NOT"
                                                                                                   " (SELECT id FROM name_@ WHERE text=''))) AS incomplete FROM message_@ m" },
  { "all_deliveries",
    "SELECT m.id AS message, d.id AS id, " NAME(
        "recipient") " AS recipient,"
                     " " NAME(
                         "orig_recipient") " AS orig_recipient, d.ts AS mail_ts, after,"
                                           " {status status} AS status, " NAME("dsn") " AS dsn, " NAME(
                                               "relay_name") " AS relay_name,"
                                                             " relay_ip, " NAME(
                                                                 "transport") " AS transport, delay,"
                                                                              " reply, " NAME(
                                                                                  "form") " AS form, {reason reason} AS reason_class,"
                                                                                          " attempts, " NAME(
                                                                                              "mailbox") " AS mailbox, forwarded_to,"
                                                                                                         " d.flags AS flags, filter_rule, {outcome outcome} AS outcome"
                                                                                                         " FROM delivery_@ d JOIN message_@ m ON " MT_BELONGS_SQL
                                                                                                         " WHERE attempts>0" },
  { "all_attempts",
    "SELECT message, delivery, ts, " NAME(
        "dsn") " AS dsn,"
               " " NAME("relay_name") " AS relay_name, relay_ip, delay,"
                                      " reply, {reason reason} AS reason_class FROM attempt_@ t" },
  { "all_mail", MAIL_ARM },
  /* With refusals of users' mail, of which no message came to be.  A union of unions would be read
   * whole and sorted. */
  { "all_not_sent", MAIL_ARM
    " AND d.direction IN (2, 3) AND d.outcome>1 UNION ALL "
    "SELECT CAST(NULL AS INT), CAST(1 AS INT), ts, CAST(NULL AS INT), s.text, r.text, " NO_TEXT
    ","
    " CAST(NULL AS INT), NULL, " NO_TEXT ", CAST('rejected' AS TEXT), reason, " NO_TEXT
    ","
    " {reason class}, CAST('out' AS TEXT), " NO_TEXT ", CAST(NULL AS INT), " NO_TEXT ", " NO_TEXT
    ","
    " coalesce(message_id, NULL), client_ip, country, " NAME(
        "auth_user") ", CAST(0 AS INT),"
                     " " NO_TEXT ", " NO_TEXT ", CAST(0 AS INT), " NO_TEXT
                     ", NULL, NULL, NULL, NULL, NULL, NULL,"
                     " " NAME(
                         "host") ", CAST(NULL AS INT), CAST(NULL AS INT), CAST(NULL AS INT), CAST(NULL AS INT) FROM reject_@ j"
                                 " JOIN name_@ s ON s.id=sender JOIN name_@ r ON r.id=recipient WHERE auth_user<>0 AND queue_id IS NULL" },
  { "all_rejected",
    "SELECT ts, s.text AS sender, r.text AS recipient, client_ip,"
    " " NAME(
        "client_name") " AS client_name, country,"
                       " " NAME(
                           "auth_user") " AS auth_user, queue_id, message_id,"
                                        " helo, " NAME("stage") " AS stage, code, " NAME(
                                            "dsn") " AS dsn,"
                                                   " reason, {reason class} AS reason_class, " NAME(
                                                       "host") " AS host,"
                                                               " {action action} AS action"
                                                               " FROM reject_@ j JOIN name_@ s ON s.id=sender JOIN name_@ r ON r.id=recipient" },
  { "all_connections",
    "SELECT day, ip, " NAME("name") " AS name, country,"
                                    " connections, rejected, failed_logins,"
                                    " tls, day*86400000000+first AS ts, last FROM connection_@ c" },
  { "all_accesses",
    "SELECT ts, ended, n.text AS account, {word service} AS service, ip,"
    " country, " NAME("city") " AS city, asn, " NAME(
        "method") " AS method,"
                  " tls, session, " NAME("host") " AS host, " NAME(
                      "local_ip") " AS local_ip,"
                                  " client, in_bytes, out_bytes, deleted,"
                                  " expunged, trashed FROM access_@ a JOIN name_@ n ON n.id=account" },
  { "all_failures",
    "SELECT ts, n.text AS account, {word service} AS service, ip,"
    " country, " NAME("city") " AS city, asn, " NAME(
        "reason") " AS reason,"
                  " attempts, " NAME(
                      "method") " AS method, tls, session,"
                                " " NAME(
                                    "host") " AS host, client FROM failure_@ f JOIN name_@ n ON n.id=account" },
  { "all_mailbox_events",
    "SELECT ts, n.text AS account, " NAME(
        "mailbox") " AS mailbox, message_id,"
                   " uid, size, " NAME(
                       "sender") " AS sender, subject,"
                                 " {word action} AS action, " NAME(
                                     "target") " AS target, session,"
                                               " " NAME(
                                                   "host") " AS host FROM mailbox_@ b JOIN name_@ n ON n.id=account" },
  { "all_incidents",
    "SELECT ts, {incident kind} AS kind, ip, " NAME(
        "account") " AS account,"
                   " queue_id, reason, " NAME("host") " AS host FROM incident_@ i" },
};

#define LAST_TS "(ts+coalesce(after, 0))"

/* The reply's parts again, see reply.h. */
#define REPLY \
  "coalesce(replace(replace(form, char(1), coalesce(reply, '')), char(2), coalesce(recipient, ''))," \
  " reply) AS reply"
#define AUTO_REPLY "(flags&8)<>0 AS auto_reply"

#define MAIL_COLUMNS \
  "SELECT id, revision, " TIME("ts") " AS time, ts, " TIME(LAST_TS) " AS last_time, sender," \
  " recipient, orig_recipient, size, subject, status, outcome, " REPLY ", reason_class, direction," \
  " service, port, queue_id, first_queue_id, message_id, client_ip, country, auth_user, attempts," \
  " mailbox, forwarded_to, " AUTO_REPLY ", filter_rule, spam_action, spam_score, virus, spf, dkim," \
  " dmarc, host, message"

/* What has an index of its own.  "undelivered" is the outcome once more: of one name SQLite would
 * see that what is 2 is more than 1, and not that the index may be used. */
#define OF_OUTCOME(number) " FROM all_mail WHERE undelivered>1 AND outcome_number=" number

/* What users ask. */
static const View views[] = {
  { "messages",
    "SELECT id, " TIME("ts") " AS time, ts, " TIME(
        "last_ts") " AS last_time, host, instance, queue_id,"
                   " message_id, sender, size, nrcpt, subject, client_ip, client_name, country,"
                   " " COUNTRY_NAME
                   " AS country_name, auth_user, auth_method, service, port, direction, state,"
                   " parent_queue_id, parent_kind, parent_id, root_id, spam_action, spam_score, virus, spf, dkim,"
                   " dmarc, incomplete FROM all_messages" },
  { "deliveries",
    "SELECT message, id, recipient, orig_recipient, " TIME(
        "(mail_ts+coalesce(after, 0))") " AS time,"
                                        " mail_ts+coalesce(after, 0) AS ts, status, dsn, relay_name, relay_ip, transport,"
                                        " delay/1e6 AS delay, " REPLY
                                        ", reason_class, attempts, mailbox, forwarded_to,"
                                        " " AUTO_REPLY
                                        ", filter_rule, outcome, mail_ts FROM all_deliveries" },
  { "attempts", "SELECT message, delivery, " TIME(
                    "ts") " AS time, ts, dsn, relay_name, relay_ip,"
                          " delay/1e6 AS delay, reply, reason_class FROM all_attempts" },
  { "mail", MAIL_COLUMNS " FROM all_mail" },
  { "mail_received",
    "SELECT * FROM mail WHERE direction IN ('in', 'local') AND outcome='delivered'" },
  { "mail_not_received",
    MAIL_COLUMNS " FROM all_mail WHERE direction_number IN (1, 3) AND undelivered>1" },
  { "mail_sent", "SELECT * FROM mail WHERE direction IN ('out', 'local') AND outcome='delivered'" },
  { "mail_not_sent", MAIL_COLUMNS " FROM all_not_sent" },
  { "mail_quarantined", MAIL_COLUMNS OF_OUTCOME("5") },
  { "mail_rejected",
    "SELECT " TIME(
        "ts") " AS time, ts, sender, recipient, client_ip, client_name, country, auth_user,"
              " queue_id, message_id, helo, stage, code, dsn, reason, reason_class, host, action"
              " FROM all_rejected" },
  { "mail_queue", MAIL_COLUMNS ", CASE WHEN after IS NOT NULL THEN " TIME(
                      "(ts+after)") " END AS last_attempt" OF_OUTCOME("2") },
  { "connections",
    "SELECT strftime('%Y-%m-%d', day*86400, 'unixepoch') AS day, ip, name, country, connections,"
    " rejected, failed_logins, tls, " TIME("ts") " AS first_time, " TIME(
        "(ts+last)") " AS last_time,"
                     " ts FROM all_connections" },
  { "accesses",
    "SELECT " TIME("ts") " AS time, ts, CASE WHEN ended IS NOT NULL THEN " TIME(
        "(ts+ended)") " END"
                      " AS logout_time, account, " DOMAIN(
                          "account") " AS domain, service, ip, country,"
                                     " " COUNTRY_NAME
                                     " AS country_name, city, asn, method, tls, session, host, local_ip, client,"
                                     " in_bytes, out_bytes, deleted, expunged, trashed FROM all_accesses" },
  { "accesses_failed",
    "SELECT " TIME("ts") " AS time, ts, account, " DOMAIN(
        "account") " AS domain, service, ip, country,"
                   " " COUNTRY_NAME
                   " AS country_name, city, asn, reason, attempts, method, tls, session, host,"
                   " NULL AS local_ip, client FROM all_failures" },
  { "failed_ips",
    "SELECT ip, max(country) AS country, sum(attempts) AS failures, count(DISTINCT account) AS accounts,"
    " min(time) AS first_time, max(time) AS last_time FROM accesses_failed WHERE ip IS NOT NULL GROUP BY ip" },
  { "mailbox_events",
    "SELECT " TIME(
        "ts") " AS time, ts, account, mailbox, message_id, uid, size, sender, subject, action,"
              " target, session, host FROM all_mailbox_events" },
  { "incidents", "SELECT " TIME("ts") " AS time, ts, kind, ip, account, " DOMAIN(
                     "account") " AS domain, queue_id,"
                                " reason, host FROM all_incidents" },
  { "alerts",
    "SELECT id, " TIME(
        "ts") " AS time, ts, rule, severity, account, domain, ip, country, asn, count,"
              " window_seconds, text, evidence, emit, CASE WHEN emitted IS NOT NULL THEN " TIME(
                  "emitted") " END"
                             " AS emitted FROM alert" },
  { "activity_daily",
    "SELECT strftime('%Y-%m-%d', day*86400, 'unixepoch') AS day, account, " DOMAIN(
        "account") " AS domain,"
                   " sent, deferred, failed, received, rejected, bytes_sent, bytes_received, logins, failed_logins"
                   " FROM activity" },
  { "log_tail",
    "SELECT line, " TIME(
        "ts") " AS time, ts, host, program, text, queue_id, message_id, session FROM line" },
  { "last_logins",
    "SELECT account, " DOMAIN("account") " AS domain, {word service} AS service, " TIME(
        "ts") " AS time,"
              " ts, ip, country FROM last_login" },
};

/* ---- words -------------------------------------------------------------------------------- */

typedef const gchar *(*WordFunc)(gint value);

static const gchar *
word_name(gint value)
{
  return mt_word_name(value);
}

#define WORDS(list) \
  static const gchar *list##_name(gint value) \
  { \
    return mt_##list##_name(value); \
  }
WORDS(state)
WORDS(parent_kind)
WORDS(direction)
WORDS(outcome)
WORDS(reason)
WORDS(incident)
#undef WORDS

static const struct
{
  const gchar *name;
  WordFunc func;
  gint first, count;
} word_lists[] = {
  { "state", state_name, 0, MT_STATE_COUNT },
  { "parent_kind", parent_kind_name, 1, MT_PARENT_KIND_COUNT },
  { "direction", direction_name, 1, MT_DIRECTION_COUNT },
  { "outcome", outcome_name, 1, MT_OUTCOME_COUNT },
  { "reason", reason_name, 1, MT_REASON_COUNT },
  { "incident", incident_name, 0, MT_INCIDENT_COUNT },
  { "status", word_name, MT_WORD_SENT, MT_WORD_UNDELIVERABLE + 1 },
  { "action", word_name, MT_WORD_REJECT, MT_WORD_DEFER + 1 },
  { "word", word_name, 1, MT_WORD_COUNT },
};

/* Words stand in a table of their own: spelled out in every arm of every view they made
 * most of the schema, which every reader must parse. */
#define LIST_SIZE 1000

static void
append_word(GString *sql, const gchar *list, const gchar *column)
{
  for (guint i = 0; i < G_N_ELEMENTS(word_lists); i++)
    if (g_str_equal(word_lists[i].name, list))
      {
        g_string_append_printf(sql, "(SELECT text FROM word WHERE id=%u+%s)", i * LIST_SIZE,
                               column);
        return;
      }
  g_assert_not_reached();
}

/* Stores that an older program made lack the words that are new. */
gboolean
mt_schema_put_words(sqlite3 *db)
{
  gint64 known = mt_sql_integer(db, "SELECT count(*) FROM word", 0), wanted = 0;
  gboolean ok = TRUE;

  for (guint i = 0; i < G_N_ELEMENTS(word_lists); i++)
    wanted += word_lists[i].count - word_lists[i].first;
  for (guint i = 0; i < G_N_ELEMENTS(word_lists) && known < wanted && ok; i++)
    for (gint w = word_lists[i].first; w < word_lists[i].count && ok; w++)
      ok = mt_sql_execf(db, "INSERT OR REPLACE INTO word VALUES(%d, %Q)", (gint) i * LIST_SIZE + w,
                        word_lists[i].func(w));
  return ok;
}

/* "{list column}" becomes the word. */
static gchar *
expand_words(const gchar *arm)
{
  GString *sql = g_string_new(NULL);
  const gchar *open;

  for (; (open = strchr(arm, '{')); arm = strchr(open, '}') + 1)
    {
      const gchar *close = strchr(open, '}');
      gchar *inside = g_strndup(open + 1, close - open - 1);
      gchar **parts = g_strsplit(inside, " ", 2);

      g_string_append_len(sql, arm, open - arm);
      append_word(sql, parts[0], parts[1]);
      g_strfreev(parts);
      g_free(inside);
    }
  g_string_append(sql, arm);
  return g_string_free(sql, FALSE);
}

/* The writer asks no views, so it need not parse them: their texts are exchanged as rows.
 * Readers see that the schema has changed by the tables that come and go with it. */
static gboolean
put_view(sqlite3 *db, const gchar *name, const gchar *arms)
{
  if (is_there(db, "view", name))
    return mt_sql_execf(
        db, "UPDATE sqlite_schema SET sql='CREATE VIEW %s AS '||%Q WHERE type='view' AND name='%s'",
        name, arms, name);
  return mt_sql_execf(db, "CREATE VIEW %s AS %s", name, arms);
}

static gboolean
make_view(sqlite3 *db, const View *view)
{
  gchar *sql = expand_words(view->sql);
  gboolean ok = put_view(db, view->name, sql);

  g_free(sql);
  return ok;
}

/* The columns' names are those of the first arm: the others do without.  Types, in CAST(), have
 * large letters. */
static gchar *
without_names(const gchar *arm)
{
  GString *sql = g_string_new(NULL);
  const gchar *as;
  gsize len;

  for (; (as = strstr(arm, " AS ")); arm = as + 4 + len)
    {
      len = strspn(as + 4, "abcdefghijklmnopqrstuvwxyz_");
      g_string_append_len(sql, arm, as - arm + (len ? 0 : 4));
    }
  g_string_append(sql, arm);
  return g_string_free(sql, FALSE);
}

static gchar *
unite(const View *view, const GArray *segments)
{
  GString *sql = g_string_new(NULL);
  gchar *named = expand_words(view->sql), *arm = without_names(named);

  for (guint i = 0; i < segments->len; i++)
    {
      gchar *filled = mt_schema_fill(i ? arm : named, g_array_index(segments, gint, i));

      g_string_append_printf(sql, "%s%s", i ? " UNION ALL " : "", filled);
      g_free(filled);
    }
  g_free(arm);
  g_free(named);
  return g_string_free(sql, FALSE);
}

static gboolean
make_union(sqlite3 *db, const View *view, const GArray *segments)
{
  gchar *sql = unite(view, segments);
  gboolean ok = put_view(db, view->name, sql);

  g_free(sql);
  return ok;
}

gboolean
mt_schema_make_views(sqlite3 *db, const GArray *segments)
{
  gboolean ok = mt_sql_exec(db, "PRAGMA writable_schema=ON");

  for (guint i = 0; i < G_N_ELEMENTS(unions) && ok; i++)
    ok = make_union(db, &unions[i], segments);
  for (guint i = 0; i < G_N_ELEMENTS(views) && ok; i++)
    ok = make_view(db, &views[i]);
  return mt_sql_exec(db, "PRAGMA writable_schema=OFF") && ok;
}

static const View *
find_view(const View *list, guint count, const gchar *name, gsize len)
{
  for (guint i = 0; i < count; i++)
    if (strncmp(list[i].name, name, len) == 0 && !list[i].name[len])
      return &list[i];
  return NULL;
}

/* Replaces the view of that name, and the union that it reads. */
static gboolean
narrow(sqlite3 *db, const gchar *name, const GArray *segments)
{
  static const gchar from[] = " FROM ";
  const View *view = find_view(views, G_N_ELEMENTS(views), name, strlen(name));
  const gchar *read = g_strrstr(view->sql, from) + strlen(from);
  const View *all = find_view(unions, G_N_ELEMENTS(unions), read, strcspn(read, " "));
  gchar *arms = unite(all, segments), *sql = expand_words(view->sql);
  gboolean ok = mt_sql_execf(db,
                             "DROP VIEW IF EXISTS temp.%s; CREATE TEMP VIEW %s AS %s;"
                             "DROP VIEW IF EXISTS temp.%s; CREATE TEMP VIEW %s AS %s",
                             all->name, all->name, arms, name, name, sql);

  g_free(arms);
  g_free(sql);
  return ok;
}

gboolean
mt_schema_narrow(sqlite3 *db, const gchar *const *names, const GArray *segments)
{
  gboolean ok = TRUE;

  for (guint i = 0; names[i] && ok; i++)
    ok = narrow(db, names[i], segments);
  return ok;
}
