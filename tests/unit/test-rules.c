/* test-rules: each rule: what it must see, what it must not, and what it just misses
 *
 * A case is a script of sightings, one a line:
 *   DdHH:MM:SS[+STEPs*TIMES] KIND ACCOUNT PLACE[.N] [COUNT]
 * with KIND login, fail, sent, unknown; '%' in the account or behind the place is the
 * number of the repetition.  The rule's alerts are counted; no other rule may alert
 * unless the case names it.
 */
#include "watch/private.h"

#include <glib/gstdio.h>
#include <stdlib.h>

/* Documentation addresses (RFC 5737 and 3849, and 198.18.0.0/15 of RFC 2544); places as
 * in tests/geo. */
static const struct
{
  const gchar *name;
  const gchar *ip; /* "%u" is N */
  MtPlace place;
} places[] = {
  { "madrid",
    "198.18.0.%u",
    { "ES", "Spain", "Madrid", TRUE, 40.4168, -3.7038, 20, 64500, "", 0 } },
  { "mobile", "198.18.2.%u", { "ES", "Spain", "", TRUE, 39.4699, -0.3763, 200, 64501, "", 0 } },
  { "v6",
    "2001:db8:e5%02x::1",
    { "ES", "Spain", "Madrid", TRUE, 40.4168, -3.7038, 20, 64500, "", 0 } },
  { "paris", "198.18.10.%u", { "FR", "France", "Paris", TRUE, 48.8566, 2.3522, 20, 64510, "", 0 } },
  { "border",
    "198.18.11.%u",
    { "FR", "France", "Perpignan", TRUE, 42.6887, 2.8948, 50, 64510, "", 0 } },
  { "berlin",
    "198.18.20.%u",
    { "DE", "Germany", "Berlin", TRUE, 52.52, 13.405, 20, 64520, "", 0 } },
  { "tokyo",
    "198.18.60.%u",
    { "JP", "Japan", "Tokyo", TRUE, 35.6762, 139.6503, 20, 64560, "", 0 } },
  { "hanoi",
    "198.18.90.%u",
    { "VN", "Vietnam", "Hanoi", TRUE, 21.0278, 105.8342, 100, 64590, "", 0 } },
  { "usa",
    "198.18.42.%u",
    { "US", "United States", "", TRUE, 37.751, -97.822, 1000, 64541, "", 0 } },
  { "hosting",
    "198.18.200.%u",
    { "NL", "Netherlands", "", TRUE, 52.3676, 4.9041, 20, 64700, "Cloud", MT_GEO_HOSTING } },
  { "vpn",
    "198.18.201.%u",
    { "CH", "Switzerland", "", TRUE, 47.3769, 8.5417, 20, 64701, "Quiet", MT_GEO_VPN } },
  { "tor",
    "198.18.202.%u",
    { "SE", "Sweden", "", TRUE, 59.3293, 18.0686, 20, 64702, "Onion", MT_GEO_TOR } },
  { "asn",
    "203.0.113.%u",
    { "ES", "Spain", "", TRUE, 40.4168, -3.7038, 20, 0, "", 0 } }, /* N is added */
  { "lan", "192.168.0.%u", { "", "", "", FALSE, 0, 0, 0, 0, "", 0 } },
};

typedef struct
{
  const gchar *rule;
  const gchar *label;
  guint count; /* alerts of the rule */
  const gchar *script;
  const gchar *policy; /* nullable */
  const gchar *also;   /* other rules that may alert; nullable */
} Case;

/* Five logins on three days: an account that is learned. */
#define LEARNED \
  "0d09:00:00+6h*5 login ann madrid\n" \
  "2d09:00:00+1h*2 login ann madrid\n"

static const Case cases[] = {
  /* unusual-country */
  { "unusual-country", "abroad", 1, "0d10:00:00 login ann madrid\n3d10:00:00 login ann hanoi\n",
    "[default]\nusual-countries=ES;FR\n", NULL },
  { "unusual-country", "at home", 0, "0d10:00:00 login ann madrid\n0d16:00:00 login ann paris\n",
    "[default]\nusual-countries=ES;FR\n", NULL },
  { "unusual-country", "failures do not count", 0, "0d10:00:00 fail ann hanoi\n",
    "[default]\nusual-countries=ES;FR\n", NULL },
  { "unusual-country", "cooldown is by country", 2,
    "0d10:00:00 login ann hanoi\n0d10:05:00 login ann hanoi.2\n2d10:00:00 login ann tokyo\n",
    "[default]\nusual-countries=ES;FR\n", NULL },
  { "unusual-country", "again when the cooldown is over", 2,
    "0d10:00:00 login ann hanoi\n0d10:59:59 login ann hanoi\n0d11:00:00 login ann hanoi\n",
    "[default]\nusual-countries=ES;FR\n", NULL },
  { "unusual-country", "no account's alert keeps another's back", 3000,
    "0d10:00:00+1s*3000 login user%@example.com hanoi\n", "[default]\nusual-countries=ES\n", NULL },
  { "unusual-country", "the account's own word", 0, "0d10:00:00 login ann@example.com hanoi\n",
    "[default]\nusual-countries=ES\n[domain example.com]\nusual-countries=FR\n"
    "[account ann@example.com]\nusual-countries=VN\n",
    NULL },
  { "unusual-country", "the domain's word", 1, "0d10:00:00 login ann@example.com madrid\n",
    "[default]\nusual-countries=ES\n[domain example.com]\nusual-countries=FR\n", NULL },
  { "unusual-country", "excluded network", 0, "0d10:00:00 login ann hanoi\n",
    "[default]\nusual-countries=ES\nexclude-ips=198.18.90.0/24\n", NULL },
  { "unusual-country", "excluded AS", 0, "0d10:00:00 login ann hanoi\n",
    "[default]\nusual-countries=ES\nexclude-asns=64590\n", NULL },
  { "unusual-country", "excluded country", 0, "0d10:00:00 login ann hanoi\n",
    "[default]\nusual-countries=ES\nexclude-countries=VN\n", NULL },
  { "unusual-country", "excluded account", 0, "0d10:00:00 login Ann@example.com hanoi\n",
    "[default]\nusual-countries=ES\nexclude-accounts=ann@example.com\n", NULL },
  { "unusual-country", "excluded domain", 0, "0d10:00:00 login ann@example.com hanoi\n",
    "[default]\nusual-countries=ES\nexclude-domains=example.com\n", NULL },
  { "unusual-country", "switched off", 0, "0d10:00:00 login ann hanoi\n",
    "[default]\nusual-countries=ES\n[rule unusual-country]\nenabled=no\n", NULL },

  /* new-country */
  { "new-country", "first time there", 1, LEARNED "5d10:00:00 login ann hanoi\n", NULL, NULL },
  { "new-country", "been there 80 days ago", 0,
    "0d08:00:00 login ann hanoi\n4d09:00:00+20h*6 login ann madrid\n80d10:00:00 login ann hanoi\n",
    NULL, NULL },
  { "new-country", "been there 100 days ago", 1,
    "0d08:00:00 login ann hanoi\n4d09:00:00+20h*6 login ann madrid\n100d10:00:00 login ann hanoi\n",
    NULL, NULL },
  { "new-country", "four logins are too few", 0,
    "0d09:00:00+24h*4 login ann madrid\n9d10:00:00 login ann hanoi\n", NULL, NULL },
  { "new-country", "two days are too few", 0,
    "0d09:00:00+8h*5 login ann madrid\n9d10:00:00 login ann hanoi\n", NULL, NULL },
  { "new-country", "usual countries are named", 0, LEARNED "5d10:00:00 login ann hanoi\n",
    "[default]\nusual-countries=ES;VN\n", NULL },
  { "new-country", "no country rule", 0, LEARNED "5d10:00:00 login ann hanoi\n",
    "[default]\nusual-countries=\n", NULL },
  { "new-country", "a failure there", 0, LEARNED "5d10:00:00 fail ann hanoi\n", NULL, NULL },

  /* impossible-travel */
  { "impossible-travel", "Madrid, an hour later Tokyo", 1,
    "0d10:00:00 login ann madrid\n0d11:00:00 login ann tokyo\n", NULL, NULL },
  { "impossible-travel", "Madrid to Paris in an afternoon", 0,
    "0d14:00:00 login ann madrid\n0d16:30:00 login ann paris\n", NULL, NULL },
  { "impossible-travel", "Madrid to Paris in an hour", 1,
    "0d14:00:00 login ann madrid\n0d15:00:00 login ann paris\n", NULL, NULL },
  { "impossible-travel", "Madrid to Tokyo in half a day", 0,
    "0d10:00:00 login ann madrid\n0d22:00:00 login ann tokyo\n", NULL, NULL },
  { "impossible-travel", "over a border", 0,
    "0d10:00:00 login ann mobile\n0d10:01:00 login ann border\n", NULL, NULL },
  { "impossible-travel", "one country, two carriers", 0,
    "0d10:00:00 login ann madrid\n0d10:01:00 login ann mobile\n", NULL, NULL },
  { "impossible-travel", "dual stack", 0,
    "0d10:00:00+60s*6 login ann madrid\n0d10:00:30+60s*6 login ann v6\n", NULL, NULL },
  { "impossible-travel", "through a VPN", 0,
    "0d10:00:00 login ann madrid\n0d10:01:00 login ann vpn\n", NULL, NULL },
  { "impossible-travel", "the VPN between hides nothing", 1,
    "0d10:00:00 login ann madrid\n0d10:01:00 login ann vpn\n0d10:30:00 login ann tokyo\n", NULL,
    NULL },
  { "impossible-travel", "the computer at home stays", 0,
    "0d08:00:00+3600s*6 login ann madrid\n0d15:00:00 login ann paris\n0d15:10:00 login ann "
    "madrid\n",
    NULL, NULL },
  { "impossible-travel", "a slower limit", 1,
    "0d14:00:00 login ann madrid\n0d16:30:00 login ann paris\n",
    "[rule impossible-travel]\nthreshold=300\n", NULL },

  /* brute-force */
  { "brute-force", "ten in 90 s", 1, "0d10:00:00+10s*10 fail ann hanoi\n", NULL, NULL },
  { "brute-force", "nine", 0, "0d10:00:00+10s*9 fail ann hanoi\n", NULL, NULL },
  { "brute-force", "ten attempts of one connection", 1, "0d10:00:00 fail ann hanoi 10\n", NULL,
    NULL },
  { "brute-force", "ten in 301 s and more", 0, "0d10:00:00+34s*10 fail ann hanoi\n", NULL, NULL },
  { "brute-force", "ten in 300 s", 1, "0d10:00:00+33s*10 fail ann hanoi\n", NULL, NULL },
  { "brute-force", "two sources of five", 0,
    "0d10:00:00+10s*5 fail ann hanoi.1\n0d10:00:05+10s*5 fail ann hanoi.2\n", NULL, NULL },
  { "brute-force", "one IPv6 /64 is one source", 1, "0d10:00:00+10s*10 fail ann v6.1\n", NULL,
    NULL },
  { "brute-force", "a known device with a stale password", 0,
    "0d09:00:00 login ann madrid\n0d10:00:00+5s*100 fail ann madrid\n", NULL, NULL },
  { "brute-force", "known 29 days ago", 0,
    "0d09:00:00 login ann madrid\n29d08:00:00+5s*20 fail ann madrid\n", NULL, NULL },
  { "brute-force", "known 31 days ago", 1,
    "0d09:00:00 login ann madrid\n31d10:00:00+5s*20 fail ann madrid\n", NULL, NULL },
  { "brute-force", "known to another account", 1,
    "0d09:00:00 login bob hanoi\n0d10:00:00+5s*10 fail ann hanoi\n", NULL, NULL },
  { "brute-force", "from inside", 0, "0d10:00:00+5s*50 fail ann lan\n", NULL, NULL },
  { "brute-force", "still there an hour later", 2, "0d10:00:00+60s*61 fail ann hanoi 10\n", NULL,
    NULL },

  /* password-spray */
  { "password-spray", "five accounts", 1, "0d10:00:00+600s*5 fail u% hanoi\n", NULL, NULL },
  { "password-spray", "four accounts, many times", 0,
    "0d10:00:00+600s*4 fail u% hanoi\n0d10:01:00+600s*4 fail u% hanoi\n", NULL, NULL },
  { "password-spray", "five accounts in 66 minutes", 0, "0d10:00:00+1000s*5 fail u% hanoi\n", NULL,
    NULL },
  { "password-spray", "an office: who logs in there is no victim", 0,
    "0d09:00:00+10s*20 login u% madrid\n0d10:00:00+10s*20 fail u% madrid\n", NULL, NULL },

  /* distributed-brute-force */
  { "distributed-brute-force", "ten sources", 1, "0d10:00:00+300s*10 fail ann hanoi.%\n", NULL,
    NULL },
  { "distributed-brute-force", "nine sources, twice", 0,
    "0d10:00:00+100s*9 fail ann hanoi.%\n0d10:20:00+100s*9 fail ann hanoi.%\n", NULL, NULL },
  { "distributed-brute-force", "ten sources in 75 minutes", 0,
    "0d10:00:00+500s*10 fail ann hanoi.%\n", NULL, NULL },
  { "distributed-brute-force", "the name's case is no matter", 1,
    "0d10:00:00+300s*5 fail ann hanoi.%\n0d10:30:00+300s*5 fail ANN paris.%\n", NULL, NULL },

  /* login-after-failures */
  { "login-after-failures", "five failures and in", 1,
    "0d10:00:00+60s*5 fail ann hanoi\n0d10:10:00 login ann hanoi\n", NULL, NULL },
  { "login-after-failures", "four failures and in", 0,
    "0d10:00:00+60s*4 fail ann hanoi\n0d10:10:00 login ann hanoi\n", NULL, NULL },
  { "login-after-failures", "in an hour later", 0,
    "0d10:00:00+60s*5 fail ann hanoi\n0d11:10:00 login ann hanoi\n", NULL, NULL },
  { "login-after-failures", "in from elsewhere", 0,
    "0d10:00:00+60s*5 fail ann hanoi\n2d10:10:00 login ann madrid\n", NULL, NULL },
  { "login-after-failures", "after brute force on others", 1,
    "0d10:00:00+5s*10 fail bob hanoi\n0d10:10:00 login ann hanoi\n", NULL, "brute-force" },
  { "login-after-failures", "after a spray", 1,
    "0d10:00:00+60s*5 fail u% hanoi\n0d10:10:00 login ann hanoi\n", NULL, "password-spray" },
  { "login-after-failures", "one of many sources was right", 1,
    "0d10:00:00+60s*10 fail ann hanoi.%\n0d10:20:00 login ann hanoi.3\n", NULL,
    "distributed-brute-force" },
  { "login-after-failures", "the owner while many sources guess", 0,
    "0d10:00:00+60s*10 fail ann hanoi.%\n0d10:20:00 login ann madrid\n", NULL,
    "distributed-brute-force" },
  { "login-after-failures", "a known device remembers the new password", 0,
    "0d09:00:00 login ann madrid\n0d10:00:00+60s*9 fail ann madrid\n0d10:10:00 login ann madrid\n",
    NULL, NULL },
  { "login-after-failures", "others behind an address that guesses", 0,
    "0d09:00:00 login ann madrid\n0d10:00:00+5s*10 fail bob madrid\n0d10:10:00 login ann madrid\n",
    NULL, "brute-force" },

  /* many-sources */
  { "many-sources", "four countries in a day", 1,
    "0d00:00:00 login ann madrid\n0d06:00:00 login ann paris\n0d12:00:00 login ann "
    "berlin\n0d23:00:00 login ann usa\n",
    NULL, NULL },
  { "many-sources", "three countries in a day", 0,
    "0d00:00:00 login ann madrid\n0d06:00:00 login ann paris\n0d12:00:00 login ann "
    "berlin\n0d23:00:00 login ann paris\n",
    NULL, NULL },
  { "many-sources", "four countries in 25 hours", 0,
    "0d00:00:00 login ann madrid\n0d06:00:00 login ann paris\n0d12:00:00 login ann "
    "berlin\n1d01:00:00 login ann usa\n",
    NULL, NULL },
  { "many-sources", "ten networks of one country", 1, "0d01:00:00+3600s*10 login ann asn.%\n", NULL,
    NULL },
  { "many-sources", "nine networks of one country", 0, "0d01:00:00+3600s*9 login ann asn.%\n", NULL,
    NULL },
  { "many-sources", "failures are from everywhere", 0,
    "0d00:00:00 fail ann madrid\n0d06:00:00 fail ann paris\n0d12:00:00 fail ann berlin\n0d23:00:00 "
    "fail ann usa\n",
    NULL, NULL },

  /* anonymous-ip */
  { "anonymous-ip", "Tor at once", 1, "0d10:00:00 login ann tor\n", NULL, NULL },
  { "anonymous-ip", "a VPN for the first time", 1, LEARNED "5d10:00:00 login ann vpn\n", NULL,
    "new-country" },
  { "anonymous-ip", "a hosting provider, and again", 1,
    LEARNED "5d10:00:00 login ann hosting\n12d10:00:00 login ann hosting.2\n", NULL,
    "new-country" },
  { "anonymous-ip", "again after 31 days", 2,
    LEARNED "5d10:00:00 login ann vpn\n36d10:00:01 login ann vpn\n", NULL, "new-country" },
  { "anonymous-ip", "who always comes through a VPN", 0, "0d09:00:00+20h*30 login ann vpn\n", NULL,
    NULL },
  { "anonymous-ip", "not anonymous", 0, LEARNED "3d10:00:00 login ann mobile\n", NULL, NULL },

  /* outgoing-burst */
  { "outgoing-burst", "a hundred, five times the busiest hour", 1,
    "0d10:00:00 sent ann madrid 20\n1d10:00:00+60s*10 sent ann madrid 10\n", NULL, NULL },
  { "outgoing-burst", "ninety-nine", 0,
    "0d10:00:00 sent ann madrid 10\n1d10:00:00+60s*9 sent ann madrid 11\n", NULL, NULL },
  { "outgoing-burst", "a hundred, but twenty-one in an hour before", 0,
    "0d10:00:00 sent ann madrid 21\n1d10:00:00+60s*10 sent ann madrid 10\n", NULL, NULL },
  { "outgoing-burst", "a hundred in two hours", 0,
    "0d10:00:00 sent ann madrid 10\n1d10:00:00+750s*10 sent ann madrid 10\n", NULL, NULL },
  { "outgoing-burst", "over the full hour", 1,
    "0d10:00:00 sent ann madrid 10\n1d10:45:00+180s*10 sent ann madrid 10\n", NULL, NULL },
  { "outgoing-burst", "the first newsletter of an account", 0,
    "0d10:00:00+60s*10 sent ann madrid 40\n", NULL, NULL },
  { "outgoing-burst", "far more at once", 1, "0d10:00:00 sent ann madrid 500\n", NULL, NULL },
  { "outgoing-burst", "from webmail on this machine", 1,
    "0d10:00:00 sent ann madrid 10\n1d10:00:00 sent ann lan 120\n", NULL, NULL },
  { "outgoing-burst", "fifty recipients that do not exist", 1,
    "0d10:00:00+60s*50 unknown ann madrid\n", NULL, NULL },
  { "outgoing-burst", "forty-nine", 0, "0d10:00:00+60s*49 unknown ann madrid\n", NULL, NULL },
  { "outgoing-burst", "fifty in 74 minutes", 0, "0d10:00:00+90s*50 unknown ann madrid\n", NULL,
    NULL },

  /* blocklisted: the script's account is the reply, see below */
  { "blocklisted", "a known list", 1, "0d10:00:00 reply spamhaus madrid\n", NULL, NULL },
  { "blocklisted", "another list", 1, "0d10:00:00 reply other madrid\n", NULL, NULL },
  { "blocklisted", "no list is named", 0, "0d10:00:00 reply none madrid\n", NULL, NULL },
  { "blocklisted", "two lists, each once", 2,
    "0d10:00:00+60s*5 reply spamhaus madrid\n0d10:10:00+60s*5 reply other madrid\n", NULL, NULL },
};

static const struct
{
  const gchar *name, *text;
} replies[] = {
  { "spamhaus",
    "host mx.example.net[203.0.113.5] said: 554 5.7.1 Service unavailable; Client host"
    " [198.51.100.7] blocked using zen.spamhaus.org" },
  { "other", "550 5.7.1 198.51.100.7 is listed on bl.example.org" },
  { "none", "550 5.7.1 you are on our internal blacklist" },
};

/* ---- the scripts ------------------------------------------------------------------------ */

static const MtHashKey key = { { 1, 2 } };

/* 2026-01-01T00:00:00Z */
#define EPOCH (G_GINT64_CONSTANT(1767225600) * MT_SECOND_US)

static gint64
scan_number(const gchar **at)
{
  gchar *end;
  gint64 number = g_ascii_strtoll(*at, &end, 10);

  g_assert_true(end != *at);
  *at = end;
  return number;
}

static MtTime
scan_time(const gchar **at)
{
  gint64 d, h, m;

  d = scan_number(at), (*at)++;
  h = scan_number(at), (*at)++;
  m = scan_number(at), (*at)++;
  return EPOCH + d * MT_DAY_US + h * MT_HOUR_US + m * MT_MINUTE_US + scan_number(at) * MT_SECOND_US;
}

static MtPlace
place_of(const gchar *name, guint repetition, MtIp *ip)
{
  gchar **parts = g_strsplit(name, ".", 2);
  guint n = !parts[1] ? 1 : *parts[1] == '%' ? repetition + 1 : (guint) atoi(parts[1]);

  for (guint i = 0; i < G_N_ELEMENTS(places); i++)
    if (g_str_equal(places[i].name, parts[0]))
      {
        MtPlace place = places[i].place;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        gchar *text = g_strdup_printf(places[i].ip, n);
#pragma GCC diagnostic pop

        g_assert_true(mt_ip_parse(mt_span_of_string(text), ip));
        if (g_str_equal(parts[0], "asn"))
          place.asn = 65000 + n;
        g_free(text);
        g_strfreev(parts);
        return place;
      }
  g_error("no place %s", name);
}

static void
set_kind(MtSighting *sighting, const gchar *kind)
{
  static const gchar *const kinds[] = { "login", "fail", "sent", "unknown", "reply" };

  for (guint i = 0; i < G_N_ELEMENTS(kinds); i++)
    if (g_str_equal(kind, kinds[i]))
      sighting->kind = i;
  if (sighting->kind != MT_SIGHTING_BLOCKLISTED)
    return;
  for (guint i = 0; i < G_N_ELEMENTS(replies); i++)
    if (mt_span_equal(sighting->account, mt_span_of_string(replies[i].name)))
      sighting->reason = mt_span_of_string(replies[i].text);
  sighting->account = sighting->shown = MT_NO_SPAN;
  sighting->has_ip = FALSE;
}

static void
push_one(MtWatch *watch, gchar **words, MtTime at, guint repetition)
{
  MtSighting sighting = { .at = at, .count = words[4] ? atoi(words[4]) : 1, .tag = MT_NO_TAG };
  gchar *account = strchr(words[2], '%')
                       ? g_strdup_printf("%c%u@example.com", words[2][0], repetition)
                       : g_strdup(words[2]);
  gchar *session = g_strdup_printf("S%" G_GINT64_FORMAT, at / MT_SECOND_US);
  MtPlace place = place_of(words[3], repetition, &sighting.ip);

  sighting.has_ip = TRUE;
  sighting.place = &place;
  sighting.account = sighting.shown = mt_span_of_string(account);
  sighting.session = mt_span_of_string(session);
  sighting.account_known = TRUE;
  set_kind(&sighting, words[1]);
  mt_watch_push(watch, &sighting, FALSE);
  g_free(session);
  g_free(account);
}

static void
push_line(MtWatch *watch, const gchar *line)
{
  gchar **words = g_strsplit(line, " ", -1);
  const gchar *at = words[0];
  MtTime time = scan_time(&at);
  gint64 step = 0, times = 1;

  if (*at == '+')
    {
      at++;
      step = scan_number(&at);
      step *= *at++ == 'h' ? MT_HOUR_US : MT_SECOND_US;
      g_assert_true(*at == '*');
      at++;
      times = scan_number(&at);
    }
  for (guint i = 0; i < times; i++)
    push_one(watch, words, time + i * step, i);
  g_strfreev(words);
}

static void
set_policy(MtWatch *watch, const gchar *text)
{
  GError *error = NULL;
  gchar *path = NULL;
  gint fd = g_file_open_tmp("mailtrail-policy-XXXXXX", &path, &error);
  MtPolicy *policy;

  g_assert_no_error(error);
  g_file_set_contents(path, text, -1, &error);
  g_assert_no_error(error);
  policy = mt_policy_read(path, &error);
  g_assert_no_error(error);
  mt_watch_set_policy(watch, policy);
  mt_policy_unref(policy);
  g_unlink(path);
  g_free(path);
  g_assert_true(fd >= 0);
  g_close(fd, NULL);
}

static void
run_script(MtWatch *watch, const gchar *script)
{
  gchar **lines = g_strsplit(script, "\n", -1);

  for (guint i = 0; lines[i]; i++)
    if (*lines[i])
      push_line(watch, lines[i]);
  g_strfreev(lines);
}

static void
test_case(gconstpointer data)
{
  const Case *test = data;
  MtWatch *watch = mt_watch_new(&mt_watch_backing_null, &key, NULL);
  const GArray *alerts = mt_watch_alerts(watch);
  guint count = 0;

  if (test->policy)
    set_policy(watch, test->policy);
  run_script(watch, test->script);
  for (guint i = 0; i < alerts->len; i++)
    {
      const MtAlert *alert = &g_array_index(alerts, MtAlert, i);

      g_test_message("%s: %s %s %s", alert->rule, alert->account, alert->text, alert->evidence);
      if (g_str_equal(alert->rule, test->rule))
        count++;
      else if (!test->also || !strstr(test->also, alert->rule))
        {
          g_test_message("%s alerts, too", alert->rule);
          g_test_fail();
        }
    }
  g_assert_cmpuint(count, ==, test->count);
  mt_watch_free(watch);
}

/* ---- shares of alerts ---------------------------------------------------------------------- */

static guint
count_alerts(const MtWatch *watch, const gchar *text)
{
  const GArray *alerts = mt_watch_alerts(watch);
  guint count = 0;

  for (guint i = 0; i < alerts->len; i++)
    count += strstr(g_array_index(alerts, MtAlert, i).text, text) != NULL;
  return count;
}

/* Twelve sources guess at one account: five are told, seven are a number when the hour
 * is over. */
static void
test_suppressed(void)
{
  MtWatch *watch = mt_watch_new(&mt_watch_backing_null, &key, NULL);

  set_policy(watch, "[rule distributed-brute-force]\nenabled=no\n");
  run_script(watch, "0d10:00:00+60s*12 fail ann hanoi.% 10\n");
  g_assert_cmpuint(count_alerts(watch, ""), ==, 5);
  run_script(watch, "0d11:04:59 fail bob paris\n");
  g_assert_cmpuint(count_alerts(watch, ""), ==, 5);
  run_script(watch, "0d11:05:00 fail bob paris\n0d11:06:00 fail bob paris\n");
  g_assert_cmpuint(count_alerts(watch, ""), ==, 6);
  g_assert_cmpuint(count_alerts(watch, "suppressed=7"), ==, 1);
  mt_watch_free(watch);
}

/* Noise about an account must not hide that somebody got in. */
static void
test_noise_hides_nothing(void)
{
  MtWatch *watch = mt_watch_new(&mt_watch_backing_null, &key, NULL);

  run_script(watch, "0d10:00:00+60s*12 fail ann hanoi.% 10\n0d10:15:00 login ann hanoi.3\n");
  g_assert_cmpuint(count_alerts(watch, "login after"), ==, 1);
  mt_watch_free(watch);
}

static void
test_evidence(void)
{
  MtWatch *watch = mt_watch_new(&mt_watch_backing_null, &key, NULL);
  const GArray *alerts = mt_watch_alerts(watch);
  const MtAlert *alert;

  run_script(watch, "0d09:00:00 login ann madrid\n0d10:00:00+10s*10 fail ann hanoi\n");
  g_assert_cmpuint(alerts->len, ==, 1);
  alert = &g_array_index(alerts, MtAlert, 0);
  g_assert_cmpstr(alert->account, ==, "ann");
  g_assert_cmpstr(alert->ip, ==, "198.18.90.1");
  g_assert_cmpstr(alert->country, ==, "VN");
  g_assert_cmpint(alert->asn, ==, 64590);
  g_assert_cmpint(alert->count, ==, 10);
  g_assert_cmpint(alert->window_s, ==, 300);
  g_assert_cmpstr(
      alert->evidence, ==,
      "{\"count\":10,\"threshold\":10,\"first\":\"2026-01-01T10:00:00.000000Z\","
      "\"last\":\"2026-01-01T10:01:30.000000Z\","
      "\"sessions\":[\"S1767261690\",\"S1767261680\",\"S1767261670\",\"S1767261660\","
      "\"S1767261650\"],"
      "\"city\":\"Hanoi\",\"last_places\":[{\"time\":\"2026-01-01T09:00:00.000000Z\",\"country\":"
      "\"ES\","
      "\"city\":\"Madrid\",\"ip\":\"198.18.0.1\",\"asn\":64500,\"session\":\"S1767258000\"}]}");
  mt_watch_free(watch);
}

/* A restart reads the failures back by their times: the alert is to be the same. */
static void
test_evidence_by_time(void)
{
  MtWatch *watch = mt_watch_new(&mt_watch_backing_null, &key, NULL);
  const GArray *alerts = mt_watch_alerts(watch);

  run_script(watch,
             "0d10:00:00+10s*5 fail ann hanoi\n0d10:01:10+10s*2 fail ann hanoi\n"
             "0d10:00:50+10s*2 fail ann hanoi\n0d10:01:30 fail ann hanoi\n");
  g_assert_cmpuint(alerts->len, ==, 1);
  g_assert_nonnull(
      strstr(g_array_index(alerts, MtAlert, 0).evidence,
             "\"sessions\":[\"S1767261690\",\"S1767261680\",\"S1767261670\",\"S1767261660\","
             "\"S1767261650\"]"));
  mt_watch_free(watch);
}

/* ---- bounds ------------------------------------------------------------------------ */

static void
push_failure(MtWatch *watch, MtTime at, const gchar *account, const MtIp *ip, gboolean known)
{
  static const MtPlace nowhere;
  MtSighting sighting = {
    .kind = MT_SIGHTING_FAILURE, .at = at, .count = 1, .has_ip = TRUE, .ip = *ip
  };

  sighting.account = sighting.shown = mt_span_of_string(account);
  sighting.tag = MT_NO_TAG;
  sighting.account_known = known;
  sighting.place = &nowhere;
  mt_watch_push(watch, &sighting, FALSE);
}

/* A million addresses with a million names, all within an hour: what is counted of a real
 * account stays, and memory stays within its bounds. */
static void
test_a_million(void)
{
  MtWatch *watch = mt_watch_new(&mt_watch_backing_null, &key, NULL);
  const guint attackers = g_test_perf() ? 1000000 : 200000;
  MtIp ip;

  g_assert_true(mt_ip_parse(MT_SPAN("203.0.113.0"), &ip));
  for (guint i = 0; i < 9; i++)
    {
      ip.b[15] = i;
      push_failure(watch, EPOCH, "ann@example.com", &ip, TRUE);
    }
  for (guint i = 0; i < attackers; i++)
    {
      gchar name[32];

      g_snprintf(name, sizeof name, "nobody%u", i);
      g_assert_true(mt_ip_parse(MT_SPAN("100.64.0.0"), &ip));
      ip.b[13] = 64 + (i >> 16), ip.b[14] = i >> 8, ip.b[15] = i;
      push_failure(watch, EPOCH + i, name, &ip, FALSE);
    }
  g_assert_cmpuint(mt_watch_bytes(watch), <=, 17 << 20);
  g_assert_cmpuint(mt_watch_alerts(watch)->len, ==, 0);
  g_assert_true(mt_ip_parse(MT_SPAN("203.0.113.99"), &ip));
  push_failure(watch, EPOCH + MT_MINUTE_US, "ann@example.com", &ip, TRUE);
  g_assert_cmpuint(mt_watch_alerts(watch)->len, ==, 1);
  mt_watch_free(watch);
}

static void
test_window_is_bounded(void)
{
  MtWindows *windows = mt_windows_new(1 << 16, 1 << 16);
  MtWindow window = { .key = 1, .window_us = MT_DAY_US, .enough = 100000000 };
  MtTime first;
  gint64 count = 0;

  for (guint i = 0; i < 100000; i++)
    count = mt_windows_add(windows, &window, EPOCH + i * 1000, 1, &first);
  g_assert_cmpint(count, ==, 100000);
  g_assert_cmpuint(mt_windows_bytes(windows), <=, 1 << 16);
  for (guint64 i = 2; i < 10000; i++)
    {
      window.key = i;
      mt_windows_add(windows, &window, EPOCH, 1, &first);
    }
  g_assert_cmpuint(mt_windows_bytes(windows), <=, 1 << 16);
  mt_windows_free(windows);
}

/* ---- baselines on disk ---------------------------------------------------------------------- */

static void
test_baseline_text(void)
{
  MtBaseline *was = mt_baseline_new("ann"), *is = mt_baseline_new("ann");
  GString *before = g_string_new(NULL), *after = g_string_new(NULL);

  for (guint i = 0; i < G_N_ELEMENTS(places); i++)
    {
      MtIp ip;
      MtPlace place = place_of(places[i].name, 1, &ip);

      mt_baseline_learn_login(was, EPOCH + i * MT_HOUR_US, &ip, &place, MT_SPAN("a\tb\nc"));
      mt_baseline_learn_sent(was, EPOCH + i * MT_HOUR_US, i, MT_HOUR_US);
      mt_baseline_learn_unknown(was, EPOCH + i * MT_HOUR_US, MT_HOUR_US);
    }
  mt_baseline_to_text(was, before);
  mt_baseline_from_text(is, mt_span(before->str, before->len));
  mt_baseline_to_text(is, after);
  g_assert_cmpstr(after->str, ==, before->str);
  g_assert_nonnull(mt_baseline_country(is, "VN"));
  g_assert_cmpint(mt_baseline_network(is, 64702)->anonymous, !=, MT_NO_TIME);
  g_string_free(before, TRUE);
  g_string_free(after, TRUE);
  mt_baseline_free(was);
  mt_baseline_free(is);
}

static void
test_baseline_is_bounded(void)
{
  MtBaseline *baseline = mt_baseline_new("ann");
  MtIp ip;
  MtPlace place = place_of("madrid", 1, &ip);

  for (guint i = 0; i < 10000; i++)
    {
      place.country[0] = 'A' + i % 26, place.country[1] = 'A' + i / 26 % 26;
      place.asn = i + 1;
      mt_baseline_learn_login(baseline, EPOCH + i * MT_SECOND_US, &ip, &place, MT_NO_SPAN);
      mt_baseline_learn_sent(baseline, EPOCH + i * MT_SECOND_US, 1, MT_DAY_US);
    }
  g_assert_cmpuint(baseline->countries->len, ==, MT_BASELINE_MAX_COUNTRIES);
  g_assert_cmpuint(baseline->networks->len, ==, MT_BASELINE_MAX_NETWORKS);
  g_assert_cmpuint(baseline->sent->len, <=, 130);
  g_assert_nonnull(mt_baseline_network(baseline, 10000));
  mt_baseline_free(baseline);
}

/* ---- the policy file ----------------------------------------------------------------------- */

static const struct
{
  const gchar *text, *error; /* behind "FILE:" */
} wrong[] = {
  { "[default]\nusual-countries=Spain\n", "2: \"Spain\" is no country code" },
  { "[default]\nexclude-ips=300.1.1.1\n", "2: \"300.1.1.1\" is no address" },
  { "[default]\nexclude-asns=x\n", "2: \"x\" is no number" },
  { "[default]\nexclude-domains=a@example.com\n", "2: \"a@example.com\" is no domain" },
  { "[domain example.com]\nexclude-accounts=a@example.com\n",
    "2: exclude-accounts stands in [default] only" },
  { "[default]\nnotify-to=-oQ/tmp@example.com\n", "2: \"-oQ/tmp@example.com\" is no address" },
  { "[default]\nnotify-to=a@example.com, b\n", "2: \"a@example.com, b\" is no address" },
  { "[default]\nnotify=maybe\n", "2: notify must be yes or no" },
  { "[default]\non-alert=reset\n", "2: on-alert must be a whole path" },
  { "[domain example.com]\non-alert=/bin/true\n", "2: on-alert stands in [default] only" },
  { "\n[rule brut-force]\n", "2: there is no rule \"brut-force\"" },
  { "[rule unusual-country]\nthreshold=3\n", "2: \"threshold\" is no key" },
  { "[rule brute-force]\n\n# so\nthreshold=0\n", "4: threshold must be 1 at least" },
  { "[rule brute-force]\nseverity=bad\n", "2: severity must be" },
  { "usual-countries=ES\n", "1: stands before the first group" },
  { "[default\n", "1: the group has no ']'" },
  { "[default]\nnonsense\n", "2: is neither [group] nor key=value" },
  { "[defaults]\n", "1: [defaults] is no group" },
};

static void
test_policy_errors(void)
{
  for (guint i = 0; i < G_N_ELEMENTS(wrong); i++)
    {
      GError *error = NULL;
      gchar *path = NULL, *want;
      gint fd = g_file_open_tmp("mailtrail-policy-XXXXXX", &path, NULL);

      g_assert_true(fd >= 0 && g_file_set_contents(path, wrong[i].text, -1, NULL));
      g_assert_null(mt_policy_read(path, &error));
      want = g_strdup_printf("%s:%s", path, wrong[i].error);
      if (!error || !g_str_has_prefix(error->message, want))
        {
          g_test_message("want %s, got %s", want, error ? error->message : "no error");
          g_test_fail();
        }
      g_clear_error(&error);
      g_unlink(path);
      g_close(fd, NULL);
      g_free(want);
      g_free(path);
    }
}

int
main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS(cases); i++)
    {
      gchar *label = g_strdelimit(g_strdup(cases[i].label), " /", '-');
      gchar *path = g_strdup_printf("/watch/%s/%s", cases[i].rule, label);

      g_test_add_data_func(path, &cases[i], test_case);
      g_free(path);
      g_free(label);
    }
  g_test_add_func("/watch/suppressed", test_suppressed);
  g_test_add_func("/watch/noise-hides-nothing", test_noise_hides_nothing);
  g_test_add_func("/watch/evidence", test_evidence);
  g_test_add_func("/watch/evidence-by-time", test_evidence_by_time);
  g_test_add_func("/watch/a-million", test_a_million);
  g_test_add_func("/watch/window-is-bounded", test_window_is_bounded);
  g_test_add_func("/watch/baseline-text", test_baseline_text);
  g_test_add_func("/watch/baseline-is-bounded", test_baseline_is_bounded);
  g_test_add_func("/watch/policy-errors", test_policy_errors);
  return g_test_run();
}
