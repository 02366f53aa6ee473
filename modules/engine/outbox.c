#include "engine/outbox.h"
#include "scan/text.h"
#include "store/store.h"

#include <syslog.h>

#define SOME "100"

MtRows *
mt_outbox_alerts(MtQuery *query, gint64 id, GError **error)
{
  gchar *sql = g_strdup_printf(
      "SELECT * FROM alerts WHERE id>%" G_GINT64_FORMAT " AND emit ORDER BY id LIMIT " SOME, id);
  MtRows *rows = mt_query_run(query, sql, NULL, error);

  g_free(sql);
  return rows;
}

MtRows *
mt_outbox_digest(MtQuery *query, MtTime from, MtTime until, gboolean again, GError **error)
{
  gchar *sql = g_strdup_printf(
      "SELECT * FROM alerts WHERE ts>=%" G_GINT64_FORMAT " AND ts<%" G_GINT64_FORMAT
      "%s ORDER BY ts, id",
      from, until, again ? "" : " AND id NOT IN (SELECT id FROM alert WHERE notified IS NOT NULL)");
  MtRows *rows = mt_query_run(query, sql, NULL, error);

  g_free(sql);
  return rows;
}

gboolean
mt_outbox_mark_notified(const gchar *database, const gchar *ids, MtTime at, GError **error)
{
  MtStoreSettings settings = { .path = database, .uid = -1, .gid = -1 };
  MtStore *store = mt_store_open(&settings, at, error);
  gboolean ok = store && mt_store_mark_notified(store, ids, at, error);

  mt_store_close(store);
  return ok;
}

gint
mt_outbox_severity(const MtRows *rows)
{
  gint column = mt_rows_column(rows, "severity");
  MtSpan name = column < 0 ? MT_NO_SPAN : mt_rows_text(rows, column);

  if (MT_SPAN_IS(name, "critical"))
    return LOG_CRIT;
  return MT_SPAN_IS(name, "notice") ? LOG_NOTICE : LOG_WARNING;
}

static void
append_pair(GString *text, const MtRows *rows, gint column)
{
  if (column < 0 || mt_rows_type(rows, column) == MT_COLUMN_NULL)
    return;
  g_string_append_printf(text, "%s%s=", text->len ? " " : "", mt_rows_name(rows, column));
  mt_text_append_quoted(text, mt_rows_text(rows, column));
}

/* What only the program needs, or stands in other columns. */
static gboolean
is_for_people(const gchar *name)
{
  return !g_str_equal(name, "evidence") && !g_str_equal(name, "emit") && !g_str_equal(name, "ts")
         && !g_str_equal(name, "emitted");
}

void
mt_outbox_append_text(const MtRows *rows, const gchar *first, GString *to)
{
  gint first_column = mt_rows_column(rows, first);

  append_pair(to, rows, first_column);
  for (gint i = 0; i < (gint) mt_rows_columns(rows); i++)
    if (i != first_column && is_for_people(mt_rows_name(rows, i)))
      append_pair(to, rows, i);
}
