/* bench-patterns: the same fields by patterns that are tried in order
 *
 *   bench-patterns parse LOG      one JSON object: lines, seconds, ns_per_line
 *   bench-patterns fields LOG     how often each field is found
 *
 * As grok and its like do it: a pattern for the head of the line, then one after the other those
 * for what follows, with a named group for each field.  In the peer's favour the patterns are
 * compiled by PCRE2's JIT, are anchored, stand in the order in which the kinds of line are
 * frequent in the log, say no more than its lines need, and what they find stays text: no
 * address, number or time is read.
 */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "bench/measure.h"
#include "event/event.h"

#include <pcre2.h>
#include <stdio.h>

#define HEAD \
  "(?<time>[A-Z][a-z]{2} [ \\d]\\d \\d\\d:\\d\\d:\\d\\d) (?<host>\\S+) " \
  "(?=(?<program>[^ \\[:]++)(?:\\[(?<pid>\\d++)\\])?: )"

#define POSTFIX(daemon) "postfix/(?:[^ /\\[]++/)?" daemon "\\[\\d++\\]: "
#define QUEUE_ID(field) "(?<" field ">[0-9A-Za-z]{5,31}+)"
#define PEER(name, ip) "(?:unknown|(?<" name ">[^\\[ ]++))\\[(?<" ip ">[^\\]]++)\\]"
#define CLIENT PEER("client_name", "client_ip")
#define DELIVERY(relay) \
  ": to=<(?<recipient>[^>]*+)>, " relay \
  ", delay=(?<delay>[\\d.]++), " \
  "delays=[\\d./]++, dsn=(?<dsn>[\\d.]++), status=(?<status>\\w++) "
#define PID_AND_SESSION "<\\d++><(?<session>[^>]++)>: "

/* The most frequent first. */
static const gchar *const patterns[] = {
  POSTFIX("qmgr") QUEUE_ID("queue_id")
      ": from=<(?<sender>[^>]*+)>, size=(?<size>\\d++), nrcpt=(?<nrcpt>\\d++)",
  POSTFIX("cleanup") QUEUE_ID("queue_id") ": message-id=(?<message_id>\\S++)",
  POSTFIX("qmgr") QUEUE_ID("queue_id") ": removed$",
  POSTFIX("smtpd") QUEUE_ID("queue_id") ": client=" CLIENT
      "(?:, sasl_method=(?<auth_method>[^,]++), sasl_username=(?<auth_user>\\S++))?"
      "(?:, orig_queue_id=" QUEUE_ID("orig_queue_id") ", orig_client="
      PEER("orig_client_name", "orig_client_ip") ")?",
  POSTFIX("smtpd") "connect from " CLIENT "$",
  POSTFIX("smtpd") "disconnect from " CLIENT " (?<reason>.++)",
  POSTFIX("(?<transport>smtp)") QUEUE_ID("queue_id")
      DELIVERY("relay=(?<relay_name>[^\\[]++)\\[(?<relay_ip>[^\\]]++)\\]:(?<relay_port>\\d++)")
      "\\((?<reply>.*?(?:queued as (?<next_queue_id>\\w++))?)\\)$",
  POSTFIX("(?<transport>lmtp)") QUEUE_ID("queue_id")
      DELIVERY("relay=(?<relay_name>[^\\[]++)\\[[^\\]]++\\]")
      "\\((?<reply>\\d++ [\\d.]++ <[^>]*+> (?<session>\\S++) Saved)\\)$",
  "dovecot: lmtp\\((?<account>[^)]++)\\)" PID_AND_SESSION "sieve: msgid=(?<message_id>.*?): "
      "(?<action>stored) mail into mailbox '(?<mailbox>[^']++)'$",
  "dovecot: (?<service>imap|pop3)-login: Login: user=<(?<account>[^>]*+)>, "
      "method=(?<auth_method>[^,]++), rip=(?<client_ip>[^,]++), lip=(?<local_ip>[^,]++), "
      "mpid=\\d++, (?<tls>TLS), session=<(?<session>[^>]++)>",
  "dovecot: (?<service>imap)\\((?<account>[^)]++)\\)" PID_AND_SESSION
      "Disconnected: (?<reason>Logged out) in=(?<in_bytes>\\d++) out=(?<out_bytes>\\d++) "
      "deleted=(?<deleted>\\d++) expunged=(?<expunged>\\d++) trashed=(?<trashed>\\d++)",
  "(?<filter>amavis)\\[\\d++\\]: \\([^)]++\\) (?<action>Passed|Blocked) [^,]++, "
      "\\[(?<client_ip>[^\\]]++)\\]:(?<client_port>\\d++) \\[[^\\]]++\\] <(?<sender>[^>]*+)> -> "
      "<(?<recipient>[^>]*+)>(?:,<[^>]*+>)*+, Queue-ID: " QUEUE_ID("queue_id")
      ", Message-ID: (?<message_id>[^,]++), mail_id: [^,]++, Hits: (?<score>[-\\d.]++), "
      "size: (?<size>\\d++), queued_as: " QUEUE_ID("next_queue_id"),
  POSTFIX("smtpd") "\\w++ TLS connection established from " CLIENT
      ": (?<tls_version>\\S++) with cipher (?<cipher>\\S++)",
  POSTFIX("smtpd") "NOQUEUE: (?<action>reject): (?<stage>\\w++) from " CLIENT
      ": (?<code>\\d++) (?<dsn>[\\d.]++) (?<reason>.*?); from=<(?<sender>[^>]*+)> "
      "to=<(?<recipient>[^>]*+)> proto=(?<protocol>\\w++) helo=<(?<helo>[^>]*+)>",
  "dovecot: (?<service>pop3)\\((?<account>[^)]++)\\)" PID_AND_SESSION
      "Disconnected: (?<reason>Logged out) top=\\d++/\\d++, retr=(?<count>\\d++)/(?<out_bytes>\\d++), "
      "del=(?<deleted>\\d++)/",
  "dovecot: (?<service>imap|pop3)-login: Disconnected: Connection closed \\((?<reason>auth failed), "
      "(?<attempts>\\d++) attempts[^)]*+\\): user=<(?<account>[^>]*+)>, "
      "method=(?<auth_method>[^,]++), rip=(?<client_ip>[^,]++), lip=(?<local_ip>[^,]++), "
      "(?<tls>TLS), session=<(?<session>[^>]++)>",
  POSTFIX("(?<service>smtp)d") "warning: " CLIENT ": SASL (?<auth_method>\\S++) authentication "
      "(?<reason>failed): .*?sasl_username=(?<account>\\S++)",
  POSTFIX("bounce") QUEUE_ID("queue_id") ": sender (?<kind>non-delivery|delay) notification: "
      QUEUE_ID("child_queue_id"),
  POSTFIX("postscreen") "CONNECT from \\[(?<client_ip>[^\\]]++)\\]:(?<client_port>\\d++) to "
      "\\[(?<local_ip>[^\\]]++)\\]:(?<local_port>\\d++)",
  POSTFIX("anvil") "(?<reason>statistics: .*?\\(\\w++:(?<client_ip>[0-9a-fA-F.:]++)\\).*+)",
  POSTFIX("postscreen") "(?<reason>PREGREET \\d++ after [\\d.]++) from "
      "\\[(?<client_ip>[^\\]]++)\\]:(?<client_port>\\d++)",
};

/* More groups than any pattern has. */
#define GROUPS_MAX 32

typedef struct
{
  pcre2_code *code;
  gint field[GROUPS_MAX]; /* of each group; -1: none of ours */
} Pattern;

typedef struct
{
  Pattern head, body[G_N_ELEMENTS(patterns)];
  pcre2_match_data *match;
  gboolean counting;
  MtSpan value[MT_FIELD_COUNT];
  guint64 known, found[MT_FIELD_COUNT];
} Peer;

static void
compile(Pattern *pattern, const gchar *text)
{
  gint error;
  gsize at;
  guint32 n_names, entry_bytes;
  const guchar *names;

  pattern->code =
      pcre2_compile((PCRE2_SPTR) text, PCRE2_ZERO_TERMINATED, PCRE2_ANCHORED, &error, &at, NULL);
  if (!pattern->code)
    g_error("pattern does not compile at byte %" G_GSIZE_FORMAT ": %s", at, text);
  if (pcre2_jit_compile(pattern->code, PCRE2_JIT_COMPLETE) != 0)
    g_error("PCRE2 has no JIT here");
  pcre2_pattern_info(pattern->code, PCRE2_INFO_NAMECOUNT, &n_names);
  pcre2_pattern_info(pattern->code, PCRE2_INFO_NAMEENTRYSIZE, &entry_bytes);
  pcre2_pattern_info(pattern->code, PCRE2_INFO_NAMETABLE, &names);
  for (guint i = 0; i < GROUPS_MAX; i++)
    pattern->field[i] = -1;
  for (guint i = 0; i < n_names; i++, names += entry_bytes)
    pattern->field[names[0] << 8 | names[1]] =
        mt_field_by_name(mt_span_of_string((const gchar *) names + 2));
}

static void
take_fields(Peer *peer, const Pattern *pattern, const gchar *subject, gint n_groups)
{
  const gsize *offsets = pcre2_get_ovector_pointer(peer->match);

  for (gint i = 1; i < n_groups; i++)
    {
      gint field = pattern->field[i];

      if (field < 0 || offsets[2 * i] == PCRE2_UNSET)
        continue;
      peer->value[field] = mt_span(subject + offsets[2 * i], offsets[2 * i + 1] - offsets[2 * i]);
      if (peer->counting)
        peer->found[field]++;
    }
}

static void
parse_line(gpointer data, MtSpan line)
{
  Peer *peer = data;
  PCRE2_SPTR subject = (PCRE2_SPTR) line.at;
  gsize body;

  if (pcre2_jit_match(peer->head.code, subject, line.len, 0, 0, peer->match, NULL) < 0)
    return;
  body = pcre2_get_ovector_pointer(peer->match)[1];
  for (guint i = 0; i < G_N_ELEMENTS(patterns); i++)
    {
      gint n = pcre2_jit_match(peer->body[i].code, subject, line.len, body, 0, peer->match, NULL);

      if (n < 0)
        continue;
      take_fields(peer, &peer->body[i], line.at, n);
      peer->known++;
      return;
    }
}

static void
say_fields(const Peer *peer)
{
  printf("{\"known\":%" G_GUINT64_FORMAT, peer->known);
  for (gint field = 0; field < MT_FIELD_COUNT; field++)
    if (peer->found[field])
      printf(",\"%s\":%" G_GUINT64_FORMAT, mt_field_name(field), peer->found[field]);
  printf("}\n");
}

int
main(int argc, char **argv)
{
  static Peer peer;
  gchar *text;
  gsize size;
  gdouble begin;
  guint64 lines;

  if (argc != 3 || !(g_str_equal(argv[1], "parse") || g_str_equal(argv[1], "fields"))
      || !g_file_get_contents(argv[2], &text, &size, NULL))
    {
      fprintf(stderr, "usage: bench-patterns parse|fields LOG\n");
      return 2;
    }
  compile(&peer.head, HEAD);
  for (guint i = 0; i < G_N_ELEMENTS(patterns); i++)
    compile(&peer.body[i], patterns[i]);
  peer.match = pcre2_match_data_create(GROUPS_MAX, NULL);
  peer.counting = g_str_equal(argv[1], "fields");
  begin = measure_now_s();
  lines = measure_lines(mt_span(text, size), parse_line, &peer);
  if (peer.counting)
    say_fields(&peer);
  else
    measure_say("patterns", lines, measure_now_s() - begin);
  g_free(text);
  return 0;
}
