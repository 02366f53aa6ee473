#include "store/schema.h"
#include "store/message-key.h"
#include "store/reply.h"
#include "trail/rows.h"

/* ---- tables that are there once ------------------------------------------------------ */

static const gchar once[]
  = "CREATE TABLE meta(name TEXT PRIMARY KEY, value) WITHOUT ROWID;"
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
static const gchar segment_tables[]
  = "CREATE TABLE name_@(id INTEGER PRIMARY KEY, text TEXT UNIQUE);"
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
static const gchar own_indexes[]
  = "CREATE INDEX message_@_queue_id ON message_@(queue_id);"
    "CREATE INDEX message_@_key ON message_@(key) WHERE key IS NOT NULL;"
    "CREATE INDEX message_@_parent ON message_@(parent) WHERE parent IS NOT NULL;"
    "CREATE INDEX delivery_@_ts ON delivery_@(ts, message);"
    "CREATE INDEX access_@_open ON access_@(key) WHERE ended IS NULL;";

/* What pages come by.  Late recipients of a large message, too. */
static const gchar page_indexes[]
  = "CREATE INDEX message_@_auth_user ON message_@(auth_user, ts) WHERE auth_user IS NOT NULL;"
    "CREATE INDEX delivery_@_sender ON delivery_@(sender, ts) WHERE outcome<>0;"
    "CREATE INDEX delivery_@_recipient ON delivery_@(recipient, ts) WHERE outcome<>0;"
    "CREATE INDEX delivery_@_outcome ON delivery_@(outcome, ts) WHERE outcome>1;"
    "CREATE INDEX attempt_@_message ON attempt_@(message);"
    "CREATE INDEX access_@_ts ON access_@(ts);"
    "CREATE INDEX access_@_account ON access_@(account, ts);"
    "CREATE INDEX access_@_ip ON access_@(ip, ts);"
    "CREATE INDEX failure_@_ts ON failure_@(ts);"
    "CREATE INDEX failure_@_account ON failure_@(account, ts);"
    "CREATE INDEX failure_@_ip ON failure_@(ip, ts);"
    "CREATE INDEX reject_@_ts ON reject_@(ts);"
    "CREATE INDEX reject_@_recipient ON reject_@(recipient, ts);"
    "CREATE INDEX reject_@_client_ip ON reject_@(client_ip, ts);"
    "CREATE INDEX mailbox_@_message_id ON mailbox_@(message_id);"
    "CREATE INDEX mailbox_@_account ON mailbox_@(account, ts);"
    "CREATE INDEX incident_@_ts ON incident_@(ts);"
    "CREATE INDEX name_@_domain ON name_@(" MT_SCHEMA_NAME_DOMAIN ") WHERE instr(text, char(64));";

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
         && each_segment(db, "NOT detached AND indexed",
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

/* ---- dropping, in small steps ------------------------------------------------------------ */

/* Rows that go in one step: about 10 ms, and some 200 pages. */
#define DROP_ROWS "5000"

static gboolean
is_there(sqlite3 *db, const gchar *table)
{
  gchar *sql = g_strdup_printf("SELECT 1 FROM sqlite_schema WHERE type='table' AND name='%s'", table);
  gboolean there = mt_sql_integer(db, sql, 0);

  g_free(sql);
  return there;
}

static gboolean
drop_one_index(sqlite3 *db, const gchar *table, gboolean *done)
{
  gchar *sql = g_strdup_printf("SELECT name FROM sqlite_schema WHERE type='index' AND tbl_name='%s'"
                               " AND sql IS NOT NULL",
                               table);
  gchar *name = mt_sql_text(db, sql);
  gboolean ok = !name || mt_sql_execf(db, "DROP INDEX %s", name);

  *done = name != NULL;
  g_free(name);
  g_free(sql);
  return ok;
}

/* How a table is emptied before it is dropped, so that no step takes long: by its key, from the end.
 * NULL: it goes at once.  Names are small, and stand in two orders: rows that lie together in one
 * are all over the other. */
static const struct
{
  const gchar *name, *key;
} dropped[] = { { "message", "id" },  { "delivery", "id" },  { "attempt", "id" },
                            { "access", "id" },   { "failure", "id" },   { "reject", "id" },
                            { "mailbox", "id" },  { "incident", "id" },  { "connection", "ip, day" },
                            { "name", NULL } };

static gboolean
delete_some(sqlite3 *db, const gchar *table, const gchar *key, gboolean *done)
{
  gchar **columns = g_strsplit(key, ", ", -1), *backwards = g_strjoinv(" DESC, ", columns);
  gboolean ok = mt_sql_execf(db,
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
      gboolean there = is_there(db, table), ok = TRUE;

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

/* A message is incomplete if its host's logger said within its life, or within a minute
 * behind it, that it lost lines: MT_INCIDENT_LOSS. */
#define MT_LOSS "7"
G_STATIC_ASSERT(MT_INCIDENT_LOSS == 7);
/* Arms of other affinities than the first keep SQLite from merging them in their order. */
#define NO_TEXT "CAST(NULL AS TEXT)"

#define FIRST_SEEN "(c.day*86400000000+c.first)"

/* One arm of a view, "{list column}" standing for a word. */
typedef struct
{
  const gchar *name;
  const gchar *arm;
} View;

#define MAIL_COLUMNS \
  "SELECT d.id AS id, d.revision AS revision, " TIME("d.ts") " AS time, d.ts AS ts," \
  " " TIME("(d.ts+coalesce(d.after, 0))") " AS last_time, s.text AS sender, r.text AS recipient," \
  " " NAME("d.orig_recipient") " AS orig_recipient, m.size AS size," \
  " coalesce(m.subject, o.subject) AS subject, {status d.status} AS status," \
  " {outcome d.outcome} AS outcome, " MT_REPLY_SQL("d.reply", "d.form", "r.text") " AS reply," \
  " {reason d.reason} AS reason_class," \
  " {direction d.direction} AS direction, " NAME("o.service") " AS service, o.port AS port," \
  " m.queue_id AS queue_id, o.queue_id AS first_queue_id," \
  " coalesce(m.message_id, o.message_id) AS message_id, o.client_ip AS client_ip," \
  " o.country AS country, " NAME("o.auth_user") " AS auth_user, d.attempts AS attempts," \
  " " NAME("d.mailbox") " AS mailbox, d.forwarded_to AS forwarded_to," \
  " (d.flags&8)<>0 AS auto_reply, d.filter_rule AS filter_rule," \
  " coalesce(m.spam_action, o.spam_action) AS spam_action," \
  " coalesce(m.spam_score, o.spam_score) AS spam_score," \
  " coalesce(m.virus, o.virus) AS virus, coalesce(m.spf, o.spf) AS spf," \
  " coalesce(m.dkim, o.dkim) AS dkim, coalesce(m.dmarc, o.dmarc) AS dmarc," \
  " " NAME("m.host") " AS host, d.message AS message"

/* The joins by which a mail is found: names first, so that their indexes are used. */
#define MAIL_FROM \
  " FROM delivery_@ d JOIN name_@ s ON s.id=d.sender JOIN name_@ r ON r.id=d.recipient" \
  " JOIN message_@ m ON " MT_BELONGS_SQL " JOIN message_@ o ON o.id=coalesce(m.root, m.id)" \
  " WHERE d.outcome<>0"

static const View views[] = {
  { "messages",
    "SELECT m.id AS id, " TIME("m.ts") " AS time, m.ts AS ts,"
    " " TIME("(m.ts+coalesce(m.life, m.gone, 0))") " AS last_time, " NAME("m.host") " AS host,"
    " " NAME("m.instance") " AS instance, m.queue_id AS queue_id, m.message_id AS message_id,"
    " " NAME("m.sender") " AS sender, m.size AS size, m.nrcpt AS nrcpt, m.subject AS subject,"
    " m.client_ip AS client_ip, " NAME("m.client_name") " AS client_name,"
    " m.country AS country, (SELECT name FROM country WHERE code=m.country) AS country_name,"
    " " NAME("m.auth_user") " AS auth_user, " NAME("m.auth_method") " AS auth_method,"
    " " NAME("m.service") " AS service, m.port AS port,"
    " (SELECT {direction d.direction} FROM delivery_@ d WHERE " MT_BELONGS_SQL " LIMIT 1) AS direction,"
    " {state m.state} AS state, m.parent_queue_id AS parent_queue_id,"
    " {parent_kind m.parent_kind} AS parent_kind, m.parent AS parent_id,"
    " coalesce(m.root, m.id) AS root_id, m.spam_action AS spam_action,"
    " m.spam_score AS spam_score, m.virus AS virus, m.spf AS spf, m.dkim AS dkim,"
    " m.dmarc AS dmarc,"
    " (EXISTS(SELECT 1 FROM incident_@ i WHERE i.ts BETWEEN m.ts AND"
    " m.ts+coalesce(m.gone, 864000000000)+60000000 AND i.kind=" MT_LOSS " AND i.host=m.host) OR ((m.flags&1)=0 AND m.parent_kind IS NULL AND m.sender IS NOT"
    " (SELECT id FROM name_@ WHERE text=''))) AS incomplete FROM message_@ m" },
  { "deliveries",
    "SELECT m.id AS message, d.id AS id, " NAME("d.recipient") " AS recipient,"
    " " NAME("d.orig_recipient") " AS orig_recipient,"
    " " TIME("(d.ts+coalesce(d.after, 0))") " AS time, d.ts+coalesce(d.after, 0) AS ts,"
    " {status d.status} AS status, " NAME("d.dsn") " AS dsn,"
    " " NAME("d.relay_name") " AS relay_name, d.relay_ip AS relay_ip,"
    " " NAME("d.transport") " AS transport, d.delay/1e6 AS delay,"
    " " MT_REPLY_SQL("d.reply", "d.form", NAME("d.recipient")) " AS reply, {reason d.reason} AS reason_class, d.attempts AS attempts,"
    " " NAME("d.mailbox") " AS mailbox, d.forwarded_to AS forwarded_to,"
    " (d.flags&8)<>0 AS auto_reply, d.filter_rule AS filter_rule, {outcome d.outcome} AS outcome,"
    " d.ts AS mail_ts FROM delivery_@ d JOIN message_@ m ON " MT_BELONGS_SQL " WHERE d.attempts>0" },
  { "attempts",
    "SELECT t.message AS message, t.delivery AS delivery, " TIME("t.ts") " AS time, t.ts AS ts,"
    " " NAME("t.dsn") " AS dsn, " NAME("t.relay_name") " AS relay_name, t.relay_ip AS relay_ip,"
    " t.delay/1e6 AS delay, t.reply AS reply, {reason t.reason} AS reason_class"
    " FROM attempt_@ t" },
  { "mail", MAIL_COLUMNS MAIL_FROM },
  { "mail_not_received", MAIL_COLUMNS MAIL_FROM " AND d.direction IN (1, 3) AND d.outcome>1" },
  { "mail_not_sent",
    MAIL_COLUMNS MAIL_FROM " AND d.direction IN (2, 3) AND d.outcome>1 UNION ALL "
    "SELECT CAST(NULL AS INT), CAST(1 AS INT), " TIME("j.ts") ", j.ts, " TIME("j.ts") ", s.text, r.text,"
    " " NO_TEXT ", CAST(NULL AS INT), NULL, " NO_TEXT ", CAST('rejected' AS TEXT), coalesce(j.reason, NULL),"
    " {reason j.class}, CAST('out' AS TEXT), " NO_TEXT ", CAST(NULL AS INT), " NO_TEXT ", " NO_TEXT ","
    " coalesce(j.message_id, NULL), j.client_ip, j.country, " NAME("j.auth_user") ", CAST(0 AS INT),"
    " " NO_TEXT ", " NO_TEXT ", 0, " NO_TEXT ", NULL, NULL, NULL, NULL, NULL, NULL,"
    " " NAME("j.host") ", CAST(NULL AS INT) FROM reject_@ j JOIN name_@ s ON s.id=j.sender"
    " JOIN name_@ r ON r.id=j.recipient WHERE j.auth_user<>0 AND j.queue_id IS NULL" },
  { "mail_quarantined", MAIL_COLUMNS MAIL_FROM " AND d.outcome>1 AND d.outcome=5" },
  { "mail_rejected",
    "SELECT " TIME("j.ts") " AS time, j.ts AS ts, s.text AS sender, r.text AS recipient,"
    " j.client_ip AS client_ip, " NAME("j.client_name") " AS client_name, j.country AS country,"
    " " NAME("j.auth_user") " AS auth_user, j.queue_id AS queue_id, j.message_id AS message_id,"
    " j.helo AS helo, " NAME("j.stage") " AS stage, j.code AS code, " NAME("j.dsn") " AS dsn,"
    " j.reason AS reason, {reason j.class} AS reason_class, " NAME("j.host") " AS host,"
    " {action j.action} AS action"
    " FROM reject_@ j JOIN name_@ s ON s.id=j.sender JOIN name_@ r ON r.id=j.recipient" },
  { "mail_queue",
    MAIL_COLUMNS ", CASE WHEN d.after IS NOT NULL THEN " TIME("(d.ts+d.after)") " END"
    " AS last_attempt" MAIL_FROM " AND d.outcome>1 AND d.outcome=2" },
  { "connections",
    "SELECT strftime('%Y-%m-%d', c.day*86400, 'unixepoch') AS day, c.ip AS ip,"
    " " NAME("c.name") " AS name, c.country AS country, c.connections AS connections,"
    " c.rejected AS rejected, c.failed_logins AS failed_logins, c.tls AS tls,"
    " " TIME(FIRST_SEEN) " AS first_time, " TIME("(" FIRST_SEEN "+c.last)") " AS last_time,"
    " " FIRST_SEEN " AS ts FROM connection_@ c" },
  { "accesses",
    "SELECT " TIME("a.ts") " AS time, a.ts AS ts, CASE WHEN a.ended IS NOT NULL THEN"
    " " TIME("(a.ts+a.ended)") " END AS logout_time, n.text AS account,"
    " " DOMAIN("n.text") " AS domain, {word a.service} AS service, a.ip AS ip,"
    " a.country AS country, (SELECT name FROM country WHERE code=a.country) AS country_name,"
    " " NAME("a.city") " AS city, a.asn AS asn, " NAME("a.method") " AS method, a.tls AS tls,"
    " a.session AS session, " NAME("a.host") " AS host, " NAME("a.local_ip") " AS local_ip,"
    " a.client AS client, a.in_bytes AS in_bytes, a.out_bytes AS out_bytes,"
    " a.deleted AS deleted, a.expunged AS expunged, a.trashed AS trashed"
    " FROM access_@ a JOIN name_@ n ON n.id=a.account" },
  { "accesses_failed",
    "SELECT " TIME("f.ts") " AS time, f.ts AS ts, n.text AS account,"
    " " DOMAIN("n.text") " AS domain, {word f.service} AS service, f.ip AS ip,"
    " f.country AS country, (SELECT name FROM country WHERE code=f.country) AS country_name,"
    " " NAME("f.city") " AS city, f.asn AS asn, " NAME("f.reason") " AS reason,"
    " f.attempts AS attempts, " NAME("f.method") " AS method, f.tls AS tls,"
    " f.session AS session, " NAME("f.host") " AS host, NULL AS local_ip, f.client AS client"
    " FROM failure_@ f JOIN name_@ n ON n.id=f.account" },
  { "mailbox_events",
    "SELECT " TIME("b.ts") " AS time, b.ts AS ts, n.text AS account,"
    " " NAME("b.mailbox") " AS mailbox, b.message_id AS message_id, b.uid AS uid,"
    " b.size AS size, " NAME("b.sender") " AS sender, b.subject AS subject,"
    " {word b.action} AS action, " NAME("b.target") " AS target, b.session AS session,"
    " " NAME("b.host") " AS host FROM mailbox_@ b JOIN name_@ n ON n.id=b.account" },
  { "incidents",
    "SELECT " TIME("i.ts") " AS time, i.ts AS ts, {incident i.kind} AS kind, i.ip AS ip,"
    " " NAME("i.account") " AS account," DOMAIN(NAME("i.account")) " AS domain,"
    " i.queue_id AS queue_id, i.reason AS reason, " NAME("i.host") " AS host"
    " FROM incident_@ i" },
};

/* Views over tables that are there once. */
static const gchar fixed_views[]
  = "CREATE VIEW alerts AS SELECT id, " TIME("ts") " AS time, ts, rule, severity, account, domain,"
    " ip, country, asn, count, window_seconds, text, evidence, emit, CASE WHEN emitted IS NOT NULL THEN"
    " " TIME("emitted") " END AS emitted FROM alert;"
    "CREATE VIEW mail_received AS SELECT * FROM mail WHERE direction IN ('in', 'local')"
    " AND outcome='delivered';"
    "CREATE VIEW mail_sent AS SELECT * FROM mail WHERE direction IN ('out', 'local')"
    " AND outcome='delivered';"
    "CREATE VIEW activity_daily AS SELECT strftime('%Y-%m-%d', day*86400, 'unixepoch') AS day,"
    " account, " DOMAIN("account") " AS domain, sent, deferred, failed, received, rejected,"
    " bytes_sent, bytes_received, logins, failed_logins FROM activity;"
    "CREATE VIEW failed_ips AS SELECT ip, max(country) AS country, sum(attempts) AS failures,"
    " count(DISTINCT account) AS accounts, min(time) AS first_time, max(time) AS last_time"
    " FROM accesses_failed WHERE ip IS NOT NULL GROUP BY ip;"
    "CREATE VIEW log_tail AS SELECT line, " TIME("ts") " AS time, ts, host, program, text,"
    " queue_id, message_id, session FROM line;"
    "CREATE VIEW last_logins AS SELECT account, " DOMAIN("account") " AS domain,"
    " {word service} AS service, " TIME("ts") " AS time, ts, ip, country FROM last_login;";

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
        g_string_append_printf(sql, "(SELECT text FROM word WHERE id=%u+%s)", i * LIST_SIZE, column);
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
  gchar *exists = g_strdup_printf("SELECT 1 FROM sqlite_schema WHERE type='view' AND name='%s'", name);
  gboolean ok;

  if (mt_sql_integer(db, exists, 0))
    ok = mt_sql_execf(db, "UPDATE sqlite_schema SET sql='CREATE VIEW %s AS '||%Q WHERE type='view' AND name='%s'",
                      name, arms, name);
  else
    ok = mt_sql_execf(db, "CREATE VIEW %s AS %s", name, arms);
  g_free(exists);
  return ok;
}

static gboolean
make_view(sqlite3 *db, const View *view, const GArray *segments)
{
  GString *sql = g_string_new(NULL);
  gchar *arm = expand_words(view->arm);
  gboolean ok;

  for (guint i = 0; i < segments->len; i++)
    {
      gchar *filled = mt_schema_fill(arm, g_array_index(segments, gint, i));

      g_string_append_printf(sql, "%s%s", i ? " UNION ALL " : "", filled);
      g_free(filled);
    }
  ok = put_view(db, view->name, sql->str);
  g_free(arm);
  g_string_free(sql, TRUE);
  return ok;
}

static gboolean
make_fixed_views(sqlite3 *db)
{
  gchar *sql = expand_words(fixed_views);
  gboolean ok = mt_sql_integer(db, "SELECT 1 FROM sqlite_schema WHERE name='alerts'", 0)
                || mt_sql_exec(db, sql);

  g_free(sql);
  return ok;
}

gboolean
mt_schema_make_views(sqlite3 *db, const GArray *segments)
{
  gboolean ok = mt_sql_exec(db, "PRAGMA writable_schema=ON");

  for (guint i = 0; i < G_N_ELEMENTS(views) && ok; i++)
    ok = make_view(db, &views[i], segments);
  ok = ok && make_fixed_views(db);
  return mt_sql_exec(db, "PRAGMA writable_schema=OFF") && ok;
}
