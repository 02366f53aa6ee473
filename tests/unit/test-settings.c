/* engine/settings.c; the times that the command takes, cli/common.c */
#include "cli/cli.h"
#include "engine/settings.h"

static const gchar *
refused(const gchar *name, const gchar *value)
{
  static gchar said[300];
  MtSettings settings;
  GError *error = NULL;

  mt_settings_init(&settings);
  g_assert_false(mt_settings_set(&settings, name, value, &error));
  g_strlcpy(said, error->message, sizeof said);
  g_clear_error(&error);
  mt_settings_clear(&settings);
  return said;
}

static void
set(MtSettings *settings, const gchar *name, const gchar *value)
{
  GError *error = NULL;

  mt_settings_set(settings, name, value, &error);
  g_assert_no_error(error);
}

static void
test_sizes(void)
{
  static const struct
  {
    const gchar *text;
    gint64 bytes;
  } cases[] = { { "0", 0 },
                { "1000", 1000 },
                { "1k", 1000 },
                { "1KiB", 1024 },
                { "10G", G_GINT64_CONSTANT(10000000000) },
                { "512MiB", 512 * 1024 * 1024 },
                { "2TB", G_GINT64_CONSTANT(2000000000000) },
                { "7b", 7 } };
  static const gchar *const wrong[] = { "", "-1", "G", "1X", "1GG", "1 G", "1.5G", "9999999999T" };
  MtSettings settings;

  mt_settings_init(&settings);
  for (guint i = 0; i < G_N_ELEMENTS(cases); i++)
    {
      set(&settings, "max-size", cases[i].text);
      g_assert_cmpint(settings.max_size_bytes, ==, cases[i].bytes);
    }
  mt_settings_clear(&settings);
  for (guint i = 0; i < G_N_ELEMENTS(wrong); i++)
    g_assert_true(g_str_has_prefix(refused("max-size", wrong[i]), "max-size("));
}

static void
test_refusals(void)
{
  static const gchar *const wrong[][2] = {
    { "retention", "-1" },
    { "retention", "40000" },
    { "raw-lines", "many" },
    { "perm", "0999" },
    { "perm", "0040" },
    { "perm", "01777" },
    { "owner", "nobody-is-called-so" },
    { "group", "" },
    { "local-networks", "192.0.2.0/33" },
    { "exclude-ips", "example.com" },
    { "store-subject", "maybe" },
    { "database", "" },
    { "local-domains", "" },
    { "trusted-uids", "-5" },
    { "time-zone", "Europe/Nowhere" },
    { "time-zone", "" },
  };

  for (guint i = 0; i < G_N_ELEMENTS(wrong); i++)
    {
      gchar *prefix = g_strdup_printf("%s(%s): ", wrong[i][0], wrong[i][1]);

      g_assert_true(g_str_has_prefix(refused(wrong[i][0], wrong[i][1]), prefix));
      g_free(prefix);
    }
  g_assert_nonnull(strstr(refused("colour", "red"), "colour"));
}

/* What the store remembers is what was set. */
static void
test_remembered(void)
{
  MtSettings settings, again;
  gchar *text, *text_again;

  mt_settings_init(&settings);
  set(&settings, "retention", "7");
  set(&settings, "local-domains", "example.com");
  set(&settings, "local-domains", "example.org");
  set(&settings, "local-networks", "192.0.2.0/24");
  set(&settings, "exclude-ips", "2001:db8::/32");
  set(&settings, "ignore-mail", "a=b");
  set(&settings, "ignore-mail", "a\nretention=0\\n"); /* found by the fuzzer */
  set(&settings, "store-subject", "no");
  set(&settings, "time-zone", "Europe/Berlin");
  text = mt_settings_to_text(&settings);
  mt_settings_init(&again);
  mt_settings_from_text(&again, text);
  text_again = mt_settings_to_text(&again);
  g_assert_cmpstr(text, ==, text_again);
  g_assert_cmpuint(again.retention_days, ==, 7);
  g_assert_cmpstr(again.local_domains[1], ==, "example.org");
  g_assert_cmpstr(again.ignore_mail[0], ==, "a=b");
  g_assert_cmpstr(again.ignore_mail[1], ==, "a\nretention=0\\n");
  g_assert_cmpuint(g_array_index(again.local_networks, MtNetwork, 0).bits, ==, 120);
  g_assert_false(again.store_subject);
  g_assert_cmpstr(again.time_zone, ==, "Europe/Berlin");
  mt_settings_clear(&settings);
  mt_settings_clear(&again);
  g_free(text);
  g_free(text_again);
}

static void
test_times(void)
{
  static const gchar *const wrong[] = {
    "",         "h",          "2",          "2x",         "-2h",
    "2h3",      "200000d",    "2026-13-01", "2026-02-30", "2026-01-01T25:00:00",
    "tomorrow", "2026-01-01x"
  };
  MtTime now = g_get_real_time(), at, day_before = 0;

  g_assert_true(cli_parse_time("2h", &at));
  g_assert_cmpint(ABS(now - 2 * MT_HOUR_US - at), <, MT_MINUTE_US);
  g_assert_true(cli_parse_time("7d", &at));
  g_assert_cmpint(ABS(now - 7 * MT_DAY_US - at), <, MT_MINUTE_US);
  g_assert_true(cli_parse_time("2026-03-09T12:43:51Z", &at));
  g_assert_cmpint(at, ==, G_GINT64_CONSTANT(1773060231000000));
  g_assert_true(cli_parse_time("2026-03-09T13:43:51.5+01:00", &at));
  g_assert_cmpint(at, ==, G_GINT64_CONSTANT(1773060231500000));
  g_assert_true(cli_parse_time("today", &at) && cli_parse_time("yesterday", &day_before));
  g_assert_cmpint(at, <=, now);
  g_assert_cmpint(at - day_before, >=,
                  23 * MT_HOUR_US); /* a day, but for a clock that was put forward */
  g_assert_cmpint(at - day_before, <=, 25 * MT_HOUR_US);
  for (guint i = 0; i < G_N_ELEMENTS(wrong); i++)
    if (cli_parse_time(wrong[i], &at))
      g_error("\"%s\" is taken for a time", wrong[i]);
}

int
main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/settings/sizes", test_sizes);
  g_test_add_func("/settings/refusals", test_refusals);
  g_test_add_func("/settings/remembered", test_remembered);
  g_test_add_func("/settings/times", test_times);
  return g_test_run();
}
