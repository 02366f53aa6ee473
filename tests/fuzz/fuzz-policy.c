/* fuzz-policy: a policy file, and what it says of accounts; errors name file and line */
#include "fuzz/fuzz.h"
#include "watch/policy.h"
#include "watch/watch.h"

#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static void
ask(const MtPolicy *policy)
{
  static const MtSpan accounts[] = { MT_SPAN_INIT("bob@example.com"),
                                     MT_SPAN_INIT("BOB@Example.Com"), MT_SPAN_INIT("@"),
                                     MT_SPAN_INIT("") };
  MtIp ip;

  mt_ip_parse(MT_SPAN("192.0.2.1"), &ip);
  for (guint i = 0; i < G_N_ELEMENTS(accounts); i++)
    {
      MtAccountPolicy its;
      gchar *text;

      mt_policy_account(policy, accounts[i], &its);
      for (guint c = 0; its.usual_countries && its.usual_countries[c]; c++)
        FUZZ_CHECK(strlen(its.usual_countries[c]) == 2);
      mt_policy_excludes(policy, accounts[i], &ip, "ES", 64500);
      text = mt_policy_describe(policy, accounts[i]);
      FUZZ_CHECK(text && *text);
      g_free(text);
    }
  for (guint i = 0; i < mt_watch_rule_count(); i++)
    FUZZ_CHECK(mt_policy_rule(policy, i)->threshold >= 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  gint file = memfd_create("policy", 0);
  gchar *path = g_strdup_printf("/proc/self/fd/%d", file);
  GError *error = NULL;
  MtPolicy *policy;

  FUZZ_CHECK(file >= 0 && fchmod(file, 0600) == 0 && write(file, data, size) == (ssize_t) size);
  policy = mt_policy_read(path, &error);
  if (policy)
    ask(policy);
  else
    FUZZ_CHECK(error && g_str_has_prefix(error->message, path));
  mt_policy_unref(policy);
  g_clear_error(&error);
  g_free(path);
  close(file);
  return 0;
}
