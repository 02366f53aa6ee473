#include "store/scrub.h"

struct MtScrub
{
  MtHashKey key;
  GHashTable *hashes; /* gint64 */
  GString *clean;
};

MtScrub *
mt_scrub_new(const MtHashKey *key)
{
  MtScrub *scrub = g_new0(MtScrub, 1);

  scrub->key = *key;
  scrub->hashes = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);
  scrub->clean = g_string_new(NULL);
  return scrub;
}

void
mt_scrub_free(MtScrub *scrub)
{
  if (!scrub)
    return;
  g_hash_table_destroy(scrub->hashes);
  g_string_free(scrub->clean, TRUE);
  g_free(scrub);
}

void
mt_scrub_add(MtScrub *scrub, guint64 hash)
{
  g_hash_table_add(scrub->hashes, g_memdup2(&hash, sizeof hash));
}

gboolean
mt_scrub_load(MtScrub *scrub, sqlite3 *db)
{
  sqlite3_stmt *stmt;
  gint code;

  g_hash_table_remove_all(scrub->hashes);
  if (sqlite3_prepare_v2(db, "SELECT hash FROM forgotten", -1, &stmt, NULL) != SQLITE_OK)
    return FALSE;
  while ((code = sqlite3_step(stmt)) == SQLITE_ROW)
    mt_scrub_add(scrub, sqlite3_column_int64(stmt, 0));
  sqlite3_finalize(stmt);
  return code == SQLITE_DONE;
}

/* Longer is no address (RFC 5321, 4.5.3.1). */
#define ADDRESS_MAX 320

guint64
mt_scrub_hash(const MtScrub *scrub, MtSpan address)
{
  gchar plain[ADDRESS_MAX];
  gsize len = 0;
  gboolean in_extension = FALSE;

  for (gsize i = 0; i < address.len && len < sizeof plain; i++)
    {
      in_extension |= address.at[i] == '+' && i > 0;
      in_extension &= address.at[i] != '@';
      if (!in_extension)
        plain[len++] = g_ascii_tolower(address.at[i]);
    }
  return mt_hash_span(&scrub->key, mt_span(plain, len));
}

/* What an address may consist of without quotes: RFC 5322 atoms with dots, and UTF-8. */
static gboolean
is_address_byte(gchar c)
{
  return g_ascii_isalnum(c) || (guchar) c >= 0x80 || (c && strchr(".!#$%&'*+-/=?^_`{|}~", c));
}

static gboolean
is_domain_byte(gchar c)
{
  return g_ascii_isalnum(c) || (guchar) c >= 0x80 || c == '.' || c == '-';
}

static gboolean
is_forgotten(const MtScrub *scrub, MtSpan address)
{
  guint64 hash = mt_scrub_hash(scrub, address);

  return g_hash_table_contains(scrub->hashes, &hash);
}

/* The address around the at sign at @at, not before @from; may begin behind what is no
 * part of it ("sasl_username=ann@example.com"). */
static MtSpan
around(MtSpan text, gsize at, gsize from)
{
  gsize start = at, end = at + 1;

  while (start > from && at - start < ADDRESS_MAX && is_address_byte(text.at[start - 1]))
    start--;
  while (end < text.len && end - at < ADDRESS_MAX && is_domain_byte(text.at[end]))
    end++;
  while (end > at + 1 && (text.at[end - 1] == '.' || text.at[end - 1] == '-'))
    end--;
  return mt_span(text.at + start, end - start);
}

/* A key or a mark before the address is of bytes that an address may have, too: each
 * beginning behind one of them is tried. */
static gboolean
find_in(const MtScrub *scrub, MtSpan address, MtSpan *found)
{
  for (;;)
    {
      gsize skip = 0;

      if (is_forgotten(scrub, address))
        {
          *found = address;
          return TRUE;
        }
      while (skip < address.len && address.at[skip] != '@' && !strchr("='`{|/#*", address.at[skip]))
        skip++;
      if (skip >= address.len || address.at[skip] == '@')
        return FALSE;
      address = mt_span(address.at + skip + 1, address.len - skip - 1);
    }
}

static gboolean
find_next(const MtScrub *scrub, MtSpan text, gsize from, MtSpan *found)
{
  const gchar *at;

  for (gsize next = from; next < text.len; next = at - text.at + 1)
    {
      at = memchr(text.at + next, '@', text.len - next);
      if (!at)
        return FALSE;
      if (find_in(scrub, around(text, at - text.at, from), found))
        return TRUE;
    }
  return FALSE;
}

gboolean
mt_scrub_mentions(const MtScrub *scrub, MtSpan text)
{
  MtSpan found;

  if (!text.len || g_hash_table_size(scrub->hashes) == 0)
    return FALSE;
  return find_next(scrub, text, 0, &found) || (text.len < ADDRESS_MAX && is_forgotten(scrub, text));
}

MtSpan
mt_scrub_clean(MtScrub *scrub, MtSpan text)
{
  gsize from = 0;
  MtSpan found;

  if (!mt_scrub_mentions(scrub, text))
    return text;
  g_string_truncate(scrub->clean, 0);
  if (text.len < ADDRESS_MAX && is_forgotten(scrub, text))
    return MT_SPAN(MT_FORGOTTEN);
  while (find_next(scrub, text, from, &found))
    {
      g_string_append_len(scrub->clean, text.at + from, found.at - text.at - from);
      g_string_append(scrub->clean, MT_FORGOTTEN);
      from = found.at + found.len - text.at;
    }
  g_string_append_len(scrub->clean, text.at + from, text.len - from);
  return mt_span(scrub->clean->str, scrub->clean->len);
}
