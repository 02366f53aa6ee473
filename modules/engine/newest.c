#include "engine/newest.h"
#include "engine/query-private.h"
#include "store/schema.h"
#include "trail/rows.h"

/* A domain with so many addresses in a day has mail every minute. */
#define MAX_NAMES 5000

/* The '@' stands for a segment's number. */
static const gchar name_of_address[] = "SELECT id FROM name_@ WHERE text=?1";
static const gchar names_of_domain[] =
    "SELECT id FROM name_@ WHERE " MT_SCHEMA_NAME_DOMAIN "=?1 AND instr(text, char(64)) LIMIT ?2";

#define NEWEST(from, name) \
  "SELECT ts FROM " from " WHERE " name "=?1 AND ts>=?2 AND ts<?3 ORDER BY ts DESC LIMIT ?4"
#define SENT NEWEST("delivery_@", "outcome<>0 AND sender")
#define RECEIVED NEWEST("delivery_@", "outcome<>0 AND recipient")
/* Of what was handed in, but only what has become a mail. */
#define HANDED_IN \
  NEWEST( \
      "message_@ m", \
      "root IS NULL AND EXISTS(SELECT 1 FROM delivery_@ d WHERE d.ts=m.ts AND d.outcome<>0) AND auth_user")

#define COME_TO NEWEST("delivery_@", "outcome>1 AND outcome")

static const struct
{
  const gchar *names;    /* NULL: it is a number */
  const gchar *times[4]; /* NULL-terminated */
} kinds[] = {
  [MT_NEWEST_MAIL_OF_ACCOUNT] = { name_of_address, { SENT, RECEIVED, HANDED_IN } },
  [MT_NEWEST_MAIL_OF_DOMAIN] = { names_of_domain, { SENT, RECEIVED } },
  [MT_NEWEST_MAIL_OF_OUTCOME] = { NULL, { COME_TO } },
  [MT_NEWEST_ACCESSES_OF_DOMAIN] = { names_of_domain, { NEWEST("access_@", "account") } },
  [MT_NEWEST_FAILURES_OF_DOMAIN] = { names_of_domain, { NEWEST("failure_@", "account") } },
};

typedef struct
{
  MtQuery *query;
  MtNewest what;
  MtTime since, until;
  guint count;
  GArray *times;
  GError *error;
} Search;

static sqlite3_stmt *
prepare(Search *search, const gchar *template, gint segment)
{
  gchar *sql = mt_schema_fill(template, segment);
  sqlite3_stmt *stmt = mt_query_prepare(search->query, sql, &search->error);

  g_free(sql);
  return stmt;
}

/* All numbers of the first column. */
static void
collect(Search *search, sqlite3_stmt *stmt, GArray *to)
{
  while (mt_query_step(search->query, stmt, &search->error))
    {
      gint64 number = sqlite3_column_int64(stmt, 0);

      g_array_append_val(to, number);
    }
  sqlite3_reset(stmt);
}

static GArray *
all_of(Search *search, const gchar *template, gint segment, const gchar *value)
{
  GArray *found = g_array_new(FALSE, FALSE, sizeof(gint64));
  sqlite3_stmt *stmt = prepare(search, template, segment);

  if (!stmt)
    return found;
  if (value)
    {
      sqlite3_bind_text(stmt, 1, value, -1, SQLITE_STATIC);
      sqlite3_bind_int(stmt, 2, MAX_NAMES + 1);
    }
  collect(search, stmt, found);
  mt_query_done(search->query, stmt);
  return found;
}

static gint
compare_times(gconstpointer a, gconstpointer b)
{
  MtTime left = *(const MtTime *) a, right = *(const MtTime *) b;

  return left > right ? -1 : left < right;
}

/* Newest first, each time once, no more than are wanted. */
static void
keep_newest(Search *search)
{
  GArray *times = search->times;
  guint kept = 0;

  g_array_sort(times, compare_times);
  for (guint i = 0; i < times->len; i++)
    if (i == 0 || g_array_index(times, MtTime, i) != g_array_index(times, MtTime, kept - 1))
      g_array_index(times, MtTime, kept++) = g_array_index(times, MtTime, i);
  g_array_set_size(times, MIN(kept, search->count));
}

/* Older than what is found already nothing is wanted. */
static MtTime
oldest_wanted(const Search *search)
{
  return search->times->len >= search->count
             ? g_array_index(search->times, MtTime, search->count - 1)
             : search->since;
}

static void
times_of_names(Search *search, const gchar *template, gint segment, const GArray *names)
{
  sqlite3_stmt *stmt = prepare(search, template, segment);
  guint before;

  for (guint i = 0; stmt && i < names->len; i++)
    {
      sqlite3_bind_int64(stmt, 1, g_array_index(names, gint64, i));
      sqlite3_bind_int64(stmt, 2, oldest_wanted(search));
      sqlite3_bind_int64(stmt, 3, search->until);
      sqlite3_bind_int64(stmt, 4, search->count);
      before = search->times->len;
      collect(search, stmt, search->times);
      if (search->times->len > before)
        keep_newest(search);
    }
  if (stmt)
    mt_query_done(search->query, stmt);
}

/* 0: it is none that has an index. */
static gint64
number_of_outcome(const gchar *name)
{
  for (gint i = MT_OUTCOME_DELIVERED + 1; i < MT_OUTCOME_COUNT; i++)
    if (g_str_equal(mt_outcome_name(i), name))
      return i;
  return 0;
}

static GArray *
names_of(Search *search, gint segment, const gchar *value)
{
  gint64 number;
  GArray *names;

  if (kinds[search->what].names)
    return all_of(search, kinds[search->what].names, segment, value);
  number = number_of_outcome(value);
  names = g_array_new(FALSE, FALSE, sizeof number);
  g_array_append_val(names, number);
  return names;
}

/* FALSE: there are too many names. */
static gboolean
search_segment(Search *search, gint segment, const gchar *value)
{
  GArray *names = names_of(search, segment, value);
  gboolean few = names->len <= MAX_NAMES;

  for (guint i = 0; few && kinds[search->what].times[i]; i++)
    times_of_names(search, kinds[search->what].times[i], segment, names);
  g_array_free(names, TRUE);
  return few;
}

GArray *
mt_query_newest(MtQuery *query, MtNewest what, const gchar *value, MtTime since, MtTime until,
                guint count, GError **error)
{
  Search search = { query, what, since, until, count, NULL, NULL };
  GArray *segments;
  gboolean few = TRUE;

  if (what == MT_NEWEST_MAIL_OF_OUTCOME && !number_of_outcome(value))
    return NULL;
  search.times = g_array_new(FALSE, FALSE, sizeof(MtTime));
  segments = all_of(
      &search, "SELECT number FROM segment WHERE NOT detached ORDER BY first_day DESC", 0, NULL);
  for (guint i = 0; i < segments->len && few && !search.error && search.times->len < count; i++)
    few = search_segment(&search, g_array_index(segments, gint64, i), value);
  g_array_free(segments, TRUE);
  if (few && !search.error)
    return search.times;
  if (search.error)
    g_propagate_error(error, search.error);
  g_array_free(search.times, TRUE);
  return NULL;
}
