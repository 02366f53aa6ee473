/* What class a reply is of: real wordings, and names that must not decide. */
#include "trail/private.h"

typedef struct
{
  const gchar *dsn, *reply;
  MtReason reason;
} Case;

static const Case cases[] = {
  { "5.1.1",
    "host mx.example.org[192.0.2.1] said: 550 5.1.1 <a@example.org>: Recipient address rejected: User unknown in virtual mailbox table (in reply to RCPT TO command)",
    MT_REASON_USER_UNKNOWN },
  { "5.1.1", "550-5.1.1 The email account that you tried to reach does not exist. Please try",
    MT_REASON_USER_UNKNOWN },
  { "5.4.1",
    "550 5.4.1 Recipient address rejected: Access denied. [AM7EUR03FT019.eop-EUR03.example]",
    MT_REASON_USER_UNKNOWN },
  { "5.0.0", "554 delivery error: dd This user doesn't have a yahoo.com account",
    MT_REASON_USER_UNKNOWN },
  { "5.2.1", "550 5.2.1 The email account that you tried to reach is disabled.",
    MT_REASON_MAILBOX_DISABLED },
  { "4.2.2", "452-4.2.2 The recipient's inbox is out of storage space.", MT_REASON_MAILBOX_FULL },
  { "5.2.2", "552 5.2.2 <a@example.com> Quota exceeded (mailbox for user is full)",
    MT_REASON_MAILBOX_FULL },
  { "4.7.28",
    "421-4.7.28 Gmail has detected an unusual rate of unsolicited mail originating from your IP address",
    MT_REASON_RATE_LIMITED },
  { "4.7.0",
    "421 4.7.0 [TSS04] Messages from 192.0.2.1 temporarily deferred due to unexpected volume or user complaints",
    MT_REASON_RATE_LIMITED },
  { "4.7.650",
    "451 4.7.650 The mail server [192.0.2.1] has been temporarily rate limited due to IP reputation.",
    MT_REASON_RATE_LIMITED },
  { "5.7.1",
    "550 5.7.1 Unfortunately, messages from [192.0.2.1] weren't sent. part of their network is on our block list (S3140).",
    MT_REASON_BLOCKLISTED },
  { "5.7.1",
    "554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using zen.spamhaus.org",
    MT_REASON_BLOCKLISTED },
  { "5.0.0",
    "554 IP=192.0.2.1 - A problem occurred. (Ask your postmaster for help or to contact tosa@rx.example to clarify.) (BL)",
    MT_REASON_BLOCKLISTED },
  { "4.7.1",
    "450 4.7.1 <a@example.com>: Recipient address rejected: Greylisted, see http://postgrey.example/",
    MT_REASON_GREYLISTED },
  { "5.7.1", "554 5.7.1 <a@example.org>: Relay access denied", MT_REASON_RELAY_DENIED },
  { "5.7.26", "550-5.7.26 This mail has been blocked because the sender is unauthenticated.",
    MT_REASON_POLICY },
  { "5.7.1", "550-5.7.1 Our system has detected that this message is likely unsolicited mail.",
    MT_REASON_SPAM_CONTENT },
  { "5.7.25",
    "550-5.7.25 [192.0.2.1] The IP address sending this message does not have a PTR record setup",
    MT_REASON_DNS },
  { "5.4.4",
    "Host or domain name not found. Name service error for name=spam.example type=A: Host not found",
    MT_REASON_DNS },
  { "4.4.1", "connect to mx.example.org[192.0.2.1]:25: Connection timed out", MT_REASON_TIMEOUT },
  { "4.4.1", "connect to mx.example.org[192.0.2.1]:25: Connection refused", MT_REASON_CONNECTION },
  { "5.3.4",
    "message size 30000000 exceeds size limit 10240000 of server mx.example.org[192.0.2.1]",
    MT_REASON_MESSAGE_TOO_LARGE },
  { "4.7.5", "Server certificate not trusted", MT_REASON_TLS },
  { "5.7.8", "Error: something else", MT_REASON_AUTH_REQUIRED },
  { "5.9.9", "says nothing known", MT_REASON_OTHER },
  { "", "", MT_REASON_NONE },
  /* whose name it is must not decide */
  { "5.1.1", "550 5.1.1 <virus@example.com>: User unknown", MT_REASON_USER_UNKNOWN },
  { "4.4.2", "lost connection with mx.spamfilter.example[192.0.2.1] while sending RCPT TO",
    MT_REASON_CONNECTION },
  { "4.4.1", "connect to greylist.example[192.0.2.1]:25: Connection refused",
    MT_REASON_CONNECTION },
  { "5.1.1", "host malware.example[192.0.2.1] said: 550 no such user", MT_REASON_USER_UNKNOWN },
  { "5.1.1", "550 <a", MT_REASON_USER_UNKNOWN },
  { "5.1.1", "[", MT_REASON_USER_UNKNOWN },
};

static MtTrail *
new_trail(void)
{
  static const MtTrailSettings settings = { .max_messages = 10 };
  static const MtHashKey key;
  static const MtTrailStart start = { .horizon = MT_NO_TIME };
  MtTrail *trail = mt_trail_new(&settings, &mt_trail_backing_null, &key);

  mt_trail_reset(trail, &start);
  return trail;
}

static void
test_replies(void)
{
  MtTrail *trail = new_trail();

  for (guint round = 0; round < 2; round++) /* the second from what was judged before */
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++)
      {
        MtReason is = mt_judge_reason(trail, mt_span_of_string(cases[i].dsn),
                                      mt_span_of_string(cases[i].reply));

        if (is != cases[i].reason)
          g_test_message("\"%s\": want %s, got %s", cases[i].reply, mt_reason_name(cases[i].reason),
                         mt_reason_name(is));
        g_assert_cmpint(is, ==, cases[i].reason);
      }
  mt_trail_free(trail);
}

/* A reply as long as a line may be costs what its length costs. */
static void
test_long(void)
{
  MtTrail *trail = new_trail();
  gchar *reply = g_malloc(1 << 20);

  memset(reply, '[', 1 << 20);
  g_assert_cmpint(mt_judge_reason(trail, MT_SPAN("5.1.1"), mt_span(reply, 1 << 20)), ==,
                  MT_REASON_USER_UNKNOWN);
  memset(reply, 'a', 1 << 20);
  g_assert_cmpint(mt_judge_reason(trail, MT_SPAN("5.1.1"), mt_span(reply, 1 << 20)), ==,
                  MT_REASON_USER_UNKNOWN);
  g_free(reply);
  mt_trail_free(trail);
}

int
main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_set_nonfatal_assertions();
  g_test_add_func("/reasons/replies", test_replies);
  g_test_add_func("/reasons/long", test_long);
  return g_test_run();
}
