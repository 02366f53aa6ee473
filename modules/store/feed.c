#include "store/feed.h"
#include "scan/text.h"

/* Rows that one statement writes: enough that its beginning and end count for nothing, few
 * enough that they stay in the processor's cache. */
#define FEED_ROWS 256

/* Texts that are kept for the rows at hand. */
#define TEXTS_BYTES 4096

typedef struct
{
  gint type; /* SQLITE_NULL and so on */
  gint len;
  union
  {
    gint64 integer;
    gdouble real;
    const gchar *text;
  } as;
} Cell;

struct MtFeed
{
  guint rows, column;
  GStringChunk *texts;
  gboolean has_texts;
  Cell cells[FEED_ROWS][MT_FEED_COLUMNS];
};

/* ---- the table that statements read ------------------------------------------------------ */

typedef struct
{
  sqlite3_vtab base;
  const MtFeed *feed;
} Table;

typedef struct
{
  sqlite3_vtab_cursor base;
  const MtFeed *feed;
  guint row;
} Cursor;

static int
connect_table(sqlite3 *db, void *feed, int argc, const char *const *argv, sqlite3_vtab **table,
              char **error)
{
  Table *made;
  gint code = sqlite3_declare_vtab(db, "CREATE TABLE feed(" MT_FEED_33 ")");

  if (code != SQLITE_OK)
    return code;
  made = g_new0(Table, 1);
  made->feed = feed;
  *table = &made->base;
  return SQLITE_OK;
}

static int
disconnect_table(sqlite3_vtab *table)
{
  g_free(table);
  return SQLITE_OK;
}

static int
best_index(sqlite3_vtab *table, sqlite3_index_info *info)
{
  info->estimatedCost = info->estimatedRows = FEED_ROWS;
  return SQLITE_OK;
}

static int
open_cursor(sqlite3_vtab *table, sqlite3_vtab_cursor **cursor)
{
  Cursor *made = g_new0(Cursor, 1);

  made->feed = ((const Table *) table)->feed;
  *cursor = &made->base;
  return SQLITE_OK;
}

static int
close_cursor(sqlite3_vtab_cursor *cursor)
{
  g_free(cursor);
  return SQLITE_OK;
}

static int
first_row(sqlite3_vtab_cursor *cursor, int number, const char *name, int argc, sqlite3_value **argv)
{
  ((Cursor *) cursor)->row = 0;
  return SQLITE_OK;
}

static int
next_row(sqlite3_vtab_cursor *cursor)
{
  ((Cursor *) cursor)->row++;
  return SQLITE_OK;
}

static int
at_end(sqlite3_vtab_cursor *cursor)
{
  const Cursor *at = (const Cursor *) cursor;

  return at->row >= at->feed->rows;
}

static int
read_column(sqlite3_vtab_cursor *cursor, sqlite3_context *context, int column)
{
  const Cursor *at = (const Cursor *) cursor;
  const Cell *cell = &at->feed->cells[at->row][column];

  switch (cell->type)
    {
    case SQLITE_INTEGER:
      sqlite3_result_int64(context, cell->as.integer);
      break;
    case SQLITE_FLOAT:
      sqlite3_result_double(context, cell->as.real);
      break;
    case SQLITE_TEXT:
      sqlite3_result_text(context, cell->as.text, cell->len, SQLITE_STATIC);
      break;
    default: /* NULL, as the context begins */
      break;
    }
  return SQLITE_OK;
}

static int
row_number(sqlite3_vtab_cursor *cursor, sqlite3_int64 *row)
{
  *row = ((const Cursor *) cursor)->row;
  return SQLITE_OK;
}

/* There without CREATE VIRTUAL TABLE, for this connection only. */
static const sqlite3_module module = { .xConnect = connect_table,
                                       .xDisconnect = disconnect_table,
                                       .xBestIndex = best_index,
                                       .xOpen = open_cursor,
                                       .xClose = close_cursor,
                                       .xFilter = first_row,
                                       .xNext = next_row,
                                       .xEof = at_end,
                                       .xColumn = read_column,
                                       .xRowid = row_number };

MtFeed *
mt_feed_new(sqlite3 *db)
{
  MtFeed *feed = g_new0(MtFeed, 1);

  feed->texts = g_string_chunk_new(TEXTS_BYTES);
  if (sqlite3_create_module(db, "feed", &module, feed) == SQLITE_OK)
    return feed;
  mt_feed_free(feed);
  return NULL;
}

void
mt_feed_free(MtFeed *feed)
{
  if (!feed)
    return;
  g_string_chunk_free(feed->texts);
  g_free(feed);
}

/* ---- rows ---------------------------------------------------------------------------------- */

static Cell *
next_cell(MtFeed *feed, gint type)
{
  Cell *cell = &feed->cells[feed->rows][feed->column++];

  cell->type = type;
  return cell;
}

void
mt_feed_null(MtFeed *feed)
{
  next_cell(feed, SQLITE_NULL);
}

void
mt_feed_integer(MtFeed *feed, gint64 value)
{
  next_cell(feed, SQLITE_INTEGER)->as.integer = value;
}

void
mt_feed_real(MtFeed *feed, gdouble value)
{
  next_cell(feed, SQLITE_FLOAT)->as.real = value;
}

static void
put_text(MtFeed *feed, const gchar *text, gsize len)
{
  Cell *cell = next_cell(feed, SQLITE_TEXT);

  cell->as.text = text;
  cell->len = len;
}

void
mt_feed_copy(MtFeed *feed, MtSpan text)
{
  GString *clean = g_string_sized_new(text.len);

  mt_text_append_clean(clean, text);
  put_text(feed, g_string_chunk_insert_len(feed->texts, clean->str, clean->len), clean->len);
  feed->has_texts = TRUE;
  g_string_free(clean, TRUE);
}

void
mt_feed_text(MtFeed *feed, MtSpan text)
{
  if (!text.at)
    mt_feed_null(feed);
  else if (mt_text_is_clean(text))
    put_text(feed, text.at, text.len);
  else
    mt_feed_copy(feed, text);
}

guint
mt_feed_column(const MtFeed *feed)
{
  return feed->column;
}

gboolean
mt_feed_end_row(MtFeed *feed)
{
  feed->column = 0;
  return ++feed->rows == FEED_ROWS;
}

void
mt_feed_clear(MtFeed *feed)
{
  feed->rows = feed->column = 0;
  if (feed->has_texts)
    g_string_chunk_clear(feed->texts);
  feed->has_texts = FALSE;
}

gboolean
mt_feed_run(MtFeed *feed, sqlite3_stmt *stmt)
{
  gboolean ok = feed->rows == 0 || mt_sql_run(stmt);

  mt_feed_clear(feed);
  return ok;
}
