#include "scan/secret.h"

/* What a secret stands behind, in small letters; what may follow without one; and what, before
 * it, says that it is none. */
typedef struct
{
  MtSpan word;
  const gchar *harmless[24];
  const gchar *before[8];
  gboolean is_command; /* a command of a client, or what it sent instead of one */
} Marker;

#define LIST(...) \
  { \
    __VA_ARGS__ \
  }
#define MARKER(word, harmless, before) \
  { \
    MT_SPAN_INIT(word), harmless, before, FALSE \
  }
#define COMMAND_MARKER(word) \
  { \
    MT_SPAN_INIT(word), { NULL }, { NULL }, TRUE \
  }
#define NONE LIST(NULL)

static const Marker markers[] = {
  /* Dovecot's auth (auth_verbose_passwords, auth_debug), vchkpw, SQL statements.  The words
   * that follow are those of messages that name no password. */
  MARKER("password",
         LIST(" mismatch", " expired", "_expired", " field", " returned", " fail", " having",
              " is not empty", " access", " table", " combination", " values", "_maps",
              " verification failed", " query failed", " data is not valid",
              " policy:", ", vchkpw uses"),
         LIST("check", "(and no no", ">): no", "null ", "has no ", "system ")),
  MARKER("passwd",
         LIST("-file", "_lookup: host", "(", ":", ".byname", "_maps", " file:", ".db", "_db_key"),
         NONE),
  MARKER("pass=", NONE, LIST("spf_", "spf_helo_", "dmarc_")),
  MARKER("(pass:", NONE, NONE),
  /* postscreen, plesk; Cyrus' checkpass; results of SPF, DKIM and DMARC */
  MARKER("pass ", LIST("new [", "old [", "during call ", "failed", "fail"),
         LIST("spf=", "dkim=", "dmarc=", "arc=", "received-spf: ", "spf_", "dmarc_")),
  MARKER("passv", NONE, NONE),
  MARKER("resp=", NONE, NONE),
  MARKER("secret", LIST(" in database"), NONE),
  MARKER("token", LIST(" expired", " is no longer valid", " revoked", " missing"), NONE),
  MARKER(": query:", NONE, NONE),
  MARKER("query failed:", NONE, NONE),
  MARKER("(input:", NONE, NONE),
  MARKER("reply from worker:", NONE, NONE),
  /* xsasl_dovecot_server.c, xsasl_cyrus_server.c, xsasl_cyrus_client.c */
  MARKER("init_response", NONE, NONE),
  MARKER("initial response", LIST(" (greeting)"), NONE),
  MARKER("decoded ", NONE, NONE),
  MARKER("authentication pass:", NONE, NONE), /* smtpd_sasl_glue.c of 2.3 */
  /* "AUTH PLAIN AGF...", but not "lost connection after AUTH from", nor a rate limit */
  MARKER("auth ",
         LIST("from ", "command ", "process", "server", "client", "service", "failed", "method",
              "mechanism", "cache", "was ", "socket", "rate ", "attempts in ", "aborted by ",
              "referral,", "{ ", "request ", "not supported", "reports broken",
              "connection: ", "and not running", "failure (", "from: ("),
         LIST("no smtp ")),
  /* what a client sent too early (smtpd.c, postscreen_smtpd.c), or instead of a mechanism */
  MARKER("command pipelining after ", NONE, NONE),
  MARKER("sasl ",
         LIST("login", "plain", "cram-", "digest-", "ntlm", "xoauth2", "oauthbearer", "scram-",
              "gssapi", "gs2-", "external", "anonymous", "otp", "auth", "[cached]", "support ("),
         NONE),
  MARKER("after auth:", NONE, NONE),
  MARKER("auth\t", NONE, NONE),
  /* SmarterMail, Courier; Exim (smtp_in.c); cells of Exchange's protocol logs */
  COMMAND_MARKER("cmd: "),
  COMMAND_MARKER("last command was \""),
  COMMAND_MARKER("syntax error in \""),
  COMMAND_MARKER(",<,"),
  COMMAND_MARKER(",>,"),
};

/* Commands whose arguments are no secret; what follows AUTH has a marker of its own. */
static const MtSpan commands[] = {
  MT_SPAN_INIT("ehlo"), MT_SPAN_INIT("helo"), MT_SPAN_INIT("lhlo"),     MT_SPAN_INIT("mail"),
  MT_SPAN_INIT("rcpt"), MT_SPAN_INIT("data"), MT_SPAN_INIT("bdat"),     MT_SPAN_INIT("rset"),
  MT_SPAN_INIT("noop"), MT_SPAN_INIT("quit"), MT_SPAN_INIT("vrfy"),     MT_SPAN_INIT("expn"),
  MT_SPAN_INIT("help"), MT_SPAN_INIT("etrn"), MT_SPAN_INIT("starttls"), MT_SPAN_INIT("auth"),
  MT_SPAN_INIT("user"), MT_SPAN_INIT("stat"), MT_SPAN_INIT("list"),     MT_SPAN_INIT("uidl"),
  MT_SPAN_INIT("retr"), MT_SPAN_INIT("dele"), MT_SPAN_INIT("capa"),     MT_SPAN_INIT("stls"),
};

static MtSpan
lower_starts(MtSpan text, MtSpan word)
{
  for (gsize i = 0; i < word.len; i++)
    if (i >= text.len || g_ascii_tolower(text.at[i]) != word.at[i])
      return MT_NO_SPAN;
  return mt_span(text.at + word.len, text.len - word.len);
}

/* "MAIL FROM:<...", "250 OK": a command or a reply, and not a word that looks like one. */
static gboolean
is_known_command(MtSpan text)
{
  MtCursor cur = mt_cursor(text);
  guint64 code;
  MtSpan verb;

  mt_scan_char(&cur, '"');
  if (mt_scan_u64(&cur, &code))
    return code >= 200 && code <= 599 && (mt_scan_char(&cur, ' ') || mt_scan_char(&cur, '-'));
  if (!mt_scan_class(&cur, MT_CHAR_ALNUM, &verb)
      || (cur.at < cur.end && !strchr(" \",:", *cur.at ? *cur.at : 'x')))
    return FALSE;
  for (guint i = 0; i < G_N_ELEMENTS(commands); i++)
    if (mt_span_equal_nocase(verb, commands[i]))
      return TRUE;
  return FALSE;
}

static gboolean
lower_ends(MtSpan text, MtSpan word)
{
  return text.len >= word.len
         && lower_starts(mt_span(text.at + text.len - word.len, word.len), word).at;
}

static gboolean
is_harmless(const Marker *marker, MtSpan before, MtSpan behind)
{
  if (marker->is_command)
    return is_known_command(behind);
  for (guint i = 0; i < G_N_ELEMENTS(marker->harmless) && marker->harmless[i]; i++)
    if (lower_starts(behind, mt_span_of_string(marker->harmless[i])).at)
      return TRUE;
  for (guint i = 0; i < G_N_ELEMENTS(marker->before) && marker->before[i]; i++)
    if (lower_ends(before, mt_span_of_string(marker->before[i])))
      return TRUE;
  return FALSE;
}

/* Which markers may begin with two bytes, a bit for each. */
typedef struct
{
  guint32 first[256], second[256];
} Starts;

G_STATIC_ASSERT(G_N_ELEMENTS(markers) <= 32);

static void
find_starts(Starts *starts)
{
  memset(starts, 0, sizeof *starts);
  for (guint i = 0; i < G_N_ELEMENTS(markers); i++)
    for (guint upper = 0; upper < 2; upper++)
      {
        guchar first = markers[i].word.at[0], second = markers[i].word.at[1];

        starts->first[upper ? g_ascii_toupper(first) : first] |= 1u << i;
        starts->second[upper ? g_ascii_toupper(second) : second] |= 1u << i;
      }
}

/* The byte behind a marker at @at that a secret may follow; NULL: there is none. */
static const gchar *
find_marker(MtSpan text, const gchar *at, guint32 which)
{
  MtSpan before = mt_span(text.at, at - text.at), rest = mt_span(at, text.len - before.len);

  for (guint i = 0; which >> i; i++)
    {
      MtSpan behind = which >> i & 1 ? lower_starts(rest, markers[i].word) : MT_NO_SPAN;

      if (behind.at && !is_harmless(&markers[i], before, behind))
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
  Starts starts;

  if (is_lone_answer(text, &from) || is_auth_debug(text, &from))
    text.len = from - text.at;

  find_starts(&starts);
  for (const gchar *at = text.at; text.len && at + 1 < text.at + text.len; at++)
    {
      guint32 which = starts.first[(guchar) at[0]] & starts.second[(guchar) at[1]];

      if (which && (from = find_marker(text, at, which)))
        return mt_span(text.at, from - text.at);
    }
  return text;
}
