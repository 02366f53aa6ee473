#include "scan/secret.h"

static void
check(const gchar *text, const gchar *kept)
{
  MtSpan cut = mt_secret_cut(mt_span_of_string(text));
  gchar *is = g_strndup(cut.at ? cut.at : "", cut.len);

  g_assert_cmpstr(is, ==, kept);
  g_free(is);
}

static void
test_cut(void)
{
  check("sql(bob,192.0.2.1): Password mismatch (given password: hunter2)",
        "sql(bob,192.0.2.1): Password mismatch (given password");
  check("client in: AUTH 1 PLAIN resp=AGJvYg", "client in: AUTH ");
  check("after AUTH: dXNlcg==", "after AUTH:");
  check("vchkpw-pop3: password fail (pass: 'hunter2') bob", "vchkpw-pop3: password fail (pass:");
  check("< mail.example.com[192.0.2.1]: aHVudGVyMg==", "< mail.example.com[192.0.2.1]: ");
  check("> mail.example.com[192.0.2.1]:25: aHVudGVyMg==", "> mail.example.com[192.0.2.1]:25: ");
  check("PASSWORD hunter2", "PASSWORD");
  check("auth: Debug: anything at all", "auth: Debug: ");
  check("[192.0.2.4][1] cmd: aHVudGVyMg==", "[192.0.2.4][1] cmd: ");
  check("[192.0.2.4][1] cmd: a1 LOGIN bob hunter2", "[192.0.2.4][1] cmd: ");
  check("cmd: quithunter2", "cmd: ");
  check("cmd: 25012345", "cmd: ");
  check("192.0.2.11:25,203.0.113.5:56026,<,aHVudGVyMg==,", "192.0.2.11:25,203.0.113.5:56026,<,");
  check("syntax error in \"hunter2\" H=(x)", "syntax error in \"");
  check("smtp_pass=hunter2", "smtp_pass=");
  check("spf=pass x, pass hunter2", "spf=pass x, pass ");
}

static void
test_whole(void)
{
  static const gchar *const lines[] = {
    "",
    "connect from mail.example.com[192.0.2.10]",
    "lost connection after AUTH from unknown[198.51.100.7]",
    "< mail.example.com[192.0.2.1]: MAIL FROM:<bob@example.com>",
    "auth: sql(bob,192.0.2.1): Password mismatch",
    "Connection closed (password expired): user=<bob>, method=PLAIN, rip=192.0.2.1",
    "warning: unknown[198.51.100.7]: SASL LOGIN authentication failed: authentication failure",
    "[192.0.2.4][1] cmd: MAIL FROM:<bob@example.com>",
    "x:25,y:56026,<,\"EHLO x,EXAMPLE,y\",",
    "x:25,y:56026,>,250 2.1.0 Sender OK,",
    "x:25,y:56026,<,QUIT,",
    "prepend Received-SPF: Pass (mailfrom) identity=mailfrom",
    "Tests: [SPF_PASS=-0.001], autolearn=ham",
    "PASS NEW [192.0.2.10]:36942",
    "Disconnected (no auth attempts in 10 secs): user=<>, rip=198.51.100.7",
    "vchkpw-pop3: system password login success bob:198.51.100.4",
    "pas",
    "passwor",
    "au",
  };

  for (guint i = 0; i < G_N_ELEMENTS(lines); i++)
    check(lines[i], lines[i]);
}

/* Each word that a secret may stand behind is found in either case: the text ends there. */
static void
test_each_marker(void)
{
  static const gchar *const markers[] = {
    "password",
    "passwd",
    "pass=",
    "(pass:",
    "pass ",
    "passv",
    "resp=",
    "secret",
    "token",
    ": query:",
    "query failed:",
    "(input:",
    "reply from worker:",
    "init_response",
    "initial response",
    "decoded ",
    "authentication pass:",
    "auth ",
    "command pipelining after ",
    "sasl ",
    "after auth:",
    "auth\t",
  };

  for (guint i = 0; i < G_N_ELEMENTS(markers); i++)
    {
      gchar *upper = g_ascii_strup(markers[i], -1);
      gchar *small_text = g_strconcat("x", markers[i], "!hunter2", NULL);
      gchar *large_text = g_strconcat("x", upper, "!hunter2", NULL);

      g_assert_cmpuint(mt_secret_cut(mt_span_of_string(small_text)).len, <=, strlen(upper) + 1);
      g_assert_cmpuint(mt_secret_cut(mt_span_of_string(large_text)).len, <=, strlen(upper) + 1);
      g_free(upper);
      g_free(small_text);
      g_free(large_text);
    }
}

int
main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/secret/cut", test_cut);
  g_test_add_func("/secret/each-marker", test_each_marker);
  g_test_add_func("/secret/whole", test_whole);
  return g_test_run();
}
