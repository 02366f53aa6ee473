/* blocklisted: a remote server refuses us and names a list that we are on
 *
 * The reply is the remote server's text.  The list's name is looked for among known ones
 * first, then behind the words that servers put before it; our address is the first one in
 * the reply that is no internal one. */
#include "watch/private.h"

/* What replies say, in small letters, and the list's name as its owner writes it.  The large
 * providers that keep lists of their own are named by how their replies are known:
 * Microsoft (S3140, S3150: postmaster "Troubleshooting"), Yahoo (TSS, "smtp error codes"),
 * Google (support.google.com/mail/answer/3726730), Apple (HM08, support.apple.com/HT204137),
 * Proofpoint (ipcheck.proofpoint.com), Cloudmark (csi.cloudmark.com), Orange (OFR),
 * Deutsche Telekom (tosa@rx.t-online.de), GMX and Web.de (postmaster.gmx.net). */
static const struct
{
  const gchar *text;
  const gchar *name;
} lists[] = {
  { "zen.spamhaus.org", "zen.spamhaus.org" },
  { "sbl.spamhaus.org", "sbl.spamhaus.org" },
  { "xbl.spamhaus.org", "xbl.spamhaus.org" },
  { "pbl.spamhaus.org", "pbl.spamhaus.org" },
  { "spamhaus", "spamhaus.org" },
  { "spamcop", "bl.spamcop.net" },
  { "barracuda", "b.barracudacentral.org" },
  { "sorbs", "dnsbl.sorbs.net" },
  { "uceprotect", "uceprotect.net" },
  { "invaluement", "invaluement.com" },
  { "spamrats", "spamrats.com" },
  { "psbl", "psbl.surriel.com" },
  { "mailspike", "bl.mailspike.net" },
  { "backscatterer", "ips.backscatterer.org" },
  { "abusix", "mail.abusix.zone" },
  { "cloudmark", "csi.cloudmark.com" },
  { "proofpoint", "ipcheck.proofpoint.com" },
  { "hostkarma", "hostkarma.junkemailfilter.com" },
  { "senderbase", "senderbase.org" },
  { "talosintelligence", "talosintelligence.com" },
  { "s3140", "outlook.com" },
  { "s3150", "outlook.com" },
  { "block list (", "outlook.com" },
  { "tss04", "yahoo.com" },
  { "tss09", "yahoo.com" },
  { "hm08", "icloud.com" },
  { "t-online.de", "t-online.de" },
  { "gmx.net", "gmx.net" },
};

/* "blocked using bl.example.net", "listed by", "listed at", "listed on", "listed in". */
static const gchar *const before_name[] = { "blocked using ", "blocked by ", "listed by ",
                                            "listed at ",     "listed on ",  "listed in " };

#define MAX_REPLY 1024
#define MAX_NAME 64

static gboolean
is_name_char(gchar c)
{
  return g_ascii_isalnum(c) || c == '.' || c == '-' || c == '_';
}

/* The name behind the words, if it looks like a domain. */
static gboolean
name_behind(const gchar *reply, gchar name[MAX_NAME])
{
  for (guint i = 0; i < G_N_ELEMENTS(before_name); i++)
    {
      const gchar *at = strstr(reply, before_name[i]);
      gsize len = 0;

      if (!at)
        continue;
      at += strlen(before_name[i]);
      while (len < MAX_NAME - 1 && is_name_char(at[len]))
        len++;
      while (len && at[len - 1] == '.')
        len--;
      if (!len || !memchr(at, '.', len))
        continue;
      memcpy(name, at, len);
      name[len] = '\0';
      return TRUE;
    }
  return FALSE;
}

static gboolean
find_list(const gchar *reply, gchar name[MAX_NAME])
{
  for (guint i = 0; i < G_N_ELEMENTS(lists); i++)
    if (strstr(reply, lists[i].text))
      {
        g_strlcpy(name, lists[i].name, MAX_NAME);
        return TRUE;
      }
  return name_behind(reply, name);
}

/* "Client host [192.0.2.1] blocked", "your IP 192.0.2.1 is listed". */
static gboolean
find_address(const gchar *reply, MtIp *ip)
{
  for (const gchar *at = reply; *at; at++)
    {
      gsize len = 0;

      if (at > reply && (g_ascii_isxdigit(at[-1]) || at[-1] == '.' || at[-1] == ':'))
        continue;
      while (len < MT_IP_TEXT_BYTES
             && (g_ascii_isxdigit(at[len]) || at[len] == '.' || at[len] == ':'))
        len++;
      while (len && (at[len - 1] == '.' || at[len - 1] == ':'))
        len--;
      if (len >= 7 && mt_ip_parse(mt_span(at, len), ip) && !mt_ip_is_internal(ip))
        return TRUE;
    }
  return FALSE;
}

/* "host mx.example.net[203.0.113.5] said: 550 ...": what the server said, in small
 * letters; in front stands its own address. */
static void
copy_reply(MtSpan text, gchar reply[MAX_REPLY])
{
  MtCursor cur = mt_cursor(text);
  MtSpan host;
  gsize len;

  if (MT_SCAN(&cur, "host "))
    MT_SCAN_UNTIL(&cur, " said: ", &host);
  text = mt_cursor_rest(&cur);
  len = MIN(text.len, MAX_REPLY - 1);
  for (gsize i = 0; i < len; i++)
    reply[i] = text.at[i] ? g_ascii_tolower(text.at[i]) : ' ';
  reply[len] = '\0';
}

static void
push(MtWatch *watch, guint index, const MtLook *look)
{
  const MtSighting *sighting = look->sighting;
  gchar reply[MAX_REPLY], name[MAX_NAME];
  MtFinding finding = { .count = 1, .first = sighting->at };
  MtIp ours;

  copy_reply(sighting->reason, reply);
  if (!find_list(reply, name))
    return;
  if (find_address(reply, &ours))
    finding.ip = &ours;
  finding.key = mt_watch_key(watch, index, mt_span_of_string(name),
                             finding.ip ? mt_span((const gchar *) ours.b, 16) : MT_NO_SPAN);
  finding.text = g_strdup_printf("%.*s refuses our mail: we are on the list %s",
                                 (gint) MIN(sighting->relay.len, 255),
                                 sighting->relay.len ? sighting->relay.at : "", name);
  finding.more = g_strdup_printf("\"list\":\"%s\"", name);
  mt_watch_raise(watch, index, look, &finding);
}

const MtWatchRule mt_watch_rule_blocklisted = {
  .name = "blocklisted",
  .defaults = { TRUE, 0, 0, 3600, MT_SEVERITY_WARNING, FALSE },
  .sees = MT_SEES(BLOCKLISTED),
  .push = push,
};
