#include "store/message-key.h"
#include "scan/text.h"

/* With the span four bytes; texts tell apart what falls together. */
#define HASH_BITS 28

guint64
mt_message_key_hash(const MtHashKey *key, MtSpan message_id)
{
  GString *clean;
  guint64 hash;

  if (mt_text_is_clean(message_id))
    return mt_hash_span(key, message_id);
  clean = g_string_new(NULL);
  mt_text_append_clean(clean, message_id);
  hash = mt_hash_span(key, mt_span(clean->str, clean->len));
  g_string_free(clean, TRUE);
  return hash;
}

gint64
mt_message_key(guint64 hash, MtTime at)
{
  gint64 span = mt_time_day(at) * (MT_DAY_US / MT_MESSAGE_KEY_SPAN_US);

  span = (at - span * MT_MESSAGE_KEY_SPAN_US) / MT_MESSAGE_KEY_SPAN_US;
  return (span << HASH_BITS) + (hash >> (64 - HASH_BITS));
}

static void
sql_message_key(sqlite3_context *context, int argc, sqlite3_value **argv)
{
  const gchar *text = (const gchar *) sqlite3_value_text(argv[0]);

  MtSpan message_id = mt_span(text, sqlite3_value_bytes(argv[0]));

  if (text)
    sqlite3_result_int64(context,
                         mt_message_key(mt_message_key_hash(sqlite3_user_data(context), message_id),
                                        sqlite3_value_int64(argv[1])));
}

gboolean
mt_message_key_register(sqlite3 *db)
{
  MtHashKey *key = g_new0(MtHashKey, 1);
  sqlite3_stmt *stmt;
  gboolean ok = FALSE;

  if (sqlite3_prepare_v2(db, "SELECT value FROM meta WHERE name='key'", -1, &stmt, NULL)
      == SQLITE_OK)
    {
      ok = sqlite3_step(stmt) == SQLITE_ROW && sqlite3_column_bytes(stmt, 0) == sizeof key->k;
      if (ok)
        memcpy(key->k, sqlite3_column_blob(stmt, 0), sizeof key->k);
      sqlite3_finalize(stmt);
    }
  if (!ok)
    {
      g_free(key);
      return FALSE;
    }
  return sqlite3_create_function_v2(db, "mt_message_key", 2, SQLITE_UTF8 | SQLITE_DIRECTONLY, key,
                                    sql_message_key, NULL, NULL, g_free)
         == SQLITE_OK;
}
