#include "scan/secret.h"

/* What a secret stands behind, in small letters, and what may follow without one. */
typedef struct
{
  MtSpan word;
  const gchar *harmless[16];
} Marker;

#define MARKER(word, ...) \
  {                       \
    MT_SPAN_INIT(word),   \
    {                     \
      __VA_ARGS__         \
    }                     \
  }

static const Marker markers[] = {
  /* Dovecot's auth (auth_verbose_passwords, auth_debug), vchkpw, SQL statements.  The words
   * that follow are those of messages that name no password. */
  MARKER("password", " mismatch", " expired", "_expired", " field", " returned", " fail", " having",
         " is not empty", " access", " table", " combination", " values", "_maps"),
  MARKER("passwd", "-file", "_lookup: host", "(", ":", ".byname", "_maps"),
  MARKER("pass=", NULL),
  MARKER("(pass:", NULL),
  MARKER("pass ", NULL),
  MARKER("passv", NULL),
  MARKER("resp=", NULL),
  MARKER("secret", NULL),
  MARKER("token", " expired", " is no longer valid", " revoked"),
  MARKER(": query:", NULL),
  MARKER("query failed:", NULL),
  MARKER("(input:", NULL),
  MARKER("reply from worker:", NULL),
  /* xsasl_dovecot_server.c, xsasl_cyrus_server.c, xsasl_cyrus_client.c */
  MARKER("init_response", NULL),
  MARKER("initial response", NULL),
  MARKER("decoded ", NULL),
  MARKER("authentication pass:", NULL), /* smtpd_sasl_glue.c of 2.3 */
  /* "AUTH PLAIN AGF...", but not "lost connection after AUTH from", nor a rate limit */
  MARKER("auth ", "from ", "command ", "process", "server", "client", "service", "failed", "method",
         "mechanism", "cache", "was ", "socket", "rate "),
  /* what a client sent too early (smtpd.c, postscreen_smtpd.c), or instead of a mechanism */
  MARKER("command pipelining after ", NULL),
  MARKER("sasl ", "login", "plain", "cram-", "digest-", "ntlm", "xoauth2", "oauthbearer", "scram-",
         "gssapi", "gs2-", "external", "anonymous", "otp", "auth", "[cached]"),
  MARKER("after auth:", NULL),
  MARKER("auth\t", NULL),
};

static MtSpan
lower_starts(MtSpan text, MtSpan word)
{
  for (gsize i = 0; i < word.len; i++)
    if (i >= text.len || g_ascii_tolower(text.at[i]) != word.at[i])
      return MT_NO_SPAN;
  return mt_span(text.at + word.len, text.len - word.len);
}

static gboolean
is_harmless(const Marker *marker, MtSpan behind)
{
  for (guint i = 0; i < G_N_ELEMENTS(marker->harmless) && marker->harmless[i]; i++)
    if (lower_starts(behind, mt_span_of_string(marker->harmless[i])).at)
      return TRUE;
  return FALSE;
}

/* Which bytes follow the first byte of a marker, a bit for the lower five bits of each: little
 * of a text gets past this. */
#define BIT(c) (1u << ((c) & 31))
static const guint32 second_bytes[256] = {
  ['p'] = BIT('a'), ['P'] = BIT('a'), ['r'] = BIT('e'), ['R'] = BIT('e'),
  ['s'] = BIT('e') | BIT('a'), ['S'] = BIT('e') | BIT('a'), ['t'] = BIT('o'), ['T'] = BIT('o'),
  ['q'] = BIT('u'), ['Q'] = BIT('u'), ['i'] = BIT('n'), ['I'] = BIT('n'),
  ['d'] = BIT('e'), ['D'] = BIT('e'), ['a'] = BIT('u') | BIT('f'), ['A'] = BIT('u') | BIT('f'),
  ['c'] = BIT('o'), ['C'] = BIT('o'), ['('] = BIT('p') | BIT('i'), [':'] = BIT(' '),
};

static gboolean
may_begin(const gchar *at)
{
  return (second_bytes[(guchar)at[0]] & BIT((guchar)at[1])) != 0;
}

/* The byte behind a marker at @at that a secret may follow; NULL: there is none. */
static const gchar *
find_marker(MtSpan text)
{
  for (guint i = 0; i < G_N_ELEMENTS(markers); i++)
    {
      MtSpan behind;

      if (g_ascii_tolower(text.at[0]) != markers[i].word.at[0])
        continue;
      behind = lower_starts(text, markers[i].word);
      if (behind.at && !is_harmless(&markers[i], behind))
        return behind.at;
    }
  return NULL;
}

/* "< host[192.0.2.1]: c2VjcmV0": a line of a logged dialogue that is one word may be an answer to
 * "334 UGFzc3dvcmQ6" (smtpd_chat.c, smtp_chat.c). */
static gboolean
is_lone_answer(MtSpan text, const gchar **from)
{
  MtCursor cur = mt_cursor(text);
  MtSpan peer;

  if ((!MT_SCAN(&cur, "< ") && !MT_SCAN(&cur, "> ")) || !MT_SCAN_UNTIL(&cur, "]", &peer)
      || !MT_SCAN_UNTIL(&cur, ": ", &peer) || cur.at == cur.end)
    return FALSE;
  *from = cur.at;
  return !memchr(cur.at, ' ', cur.end - cur.at);
}

/* Debug lines of a process that checks passwords: "auth: Debug: ...", "auth-worker(1): Debug: ". */
static gboolean
is_auth_debug(MtSpan text, const gchar **from)
{
  static const MtSpan level = MT_SPAN_INIT("Debug: ");
  const gchar *at;

  if (!MT_SPAN_STARTS(text, "auth") && !MT_SPAN_STARTS(text, "Debug: auth"))
    return FALSE;
  at = mt_span_find(text, level);
  *from = at ? at + level.len : NULL;
  return at != NULL;
}

MtSpan
mt_secret_cut(MtSpan text)
{
  const gchar *from;

  if (is_lone_answer(text, &from) || is_auth_debug(text, &from))
    text.len = from - text.at;

  for (gsize i = 0; i + 1 < text.len; i++)
    if (may_begin(text.at + i) && (from = find_marker(mt_span(text.at + i, text.len - i))))
      return mt_span(text.at, from - text.at);
  return text;
}
