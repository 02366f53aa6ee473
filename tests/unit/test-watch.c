/* window.c: counting; policy.c: reading, errors with their lines, whose word counts */
#include "watch/watch.h"
#include "watch/window.h"

#include <glib/gstdio.h>

#define S MT_SECOND_US

/* ---- windows ----------------------------------------------------------------------------- */

static gint64
add(MtWindows *windows, guint64 key, MtTime at, gint64 count, gint64 window_us, gint64 enough,
    MtTime *first)
{
  MtWindow window = { .key = key, .window_us = window_us, .enough = enough };

  return mt_windows_add(windows, &window, at, count, first);
}

static void
test_window_slides(void)
{
  MtWindows *windows = mt_windows_new(1 << 16, 0);
  MtTime first;

  g_assert_cmpint(add(windows, 1, 100 * S, 1, 60 * S, 10, &first), ==, 1);
  g_assert_cmpint(add(windows, 1, 130 * S, 1, 60 * S, 10, &first), ==, 2);
  g_assert_cmpint(first, ==, 100 * S);
  g_assert_cmpint(add(windows, 1, 160 * S, 1, 60 * S, 10, &first), ==, 3); /* at its edge */
  g_assert_cmpint(add(windows, 1, 161 * S, 1, 60 * S, 10, &first), ==, 3);
  g_assert_cmpint(first, ==, 130 * S);
  g_assert_cmpint(add(windows, 2, 161 * S, 1, 60 * S, 10, &first), ==, 1); /* another key */
  mt_windows_free(windows);
}

static void
test_window_takes_any_order(void)
{
  static const gint order[] = { 130, 100, 120, 110 };
  MtWindows *windows = mt_windows_new(1 << 16, 0);
  MtTime first = 0;
  gint64 count = 0;

  for (guint i = 0; i < G_N_ELEMENTS(order); i++)
    count = add(windows, 1, order[i] * S, 1, 60 * S, 10, &first);
  g_assert_cmpint(count, ==, 4);
  g_assert_cmpint(first, ==, 100 * S);
  /* older than the window that ends with the latest: it does not count */
  g_assert_cmpint(add(windows, 1, 60 * S, 1, 60 * S, 10, &first), ==, 4);
  mt_windows_free(windows);
}

/* Nobody can make a window or the table grow. */
static void
test_window_is_bounded(void)
{
  MtWindows *windows = mt_windows_new(500, 0);
  MtTime first;

  g_assert_cmpint(add(windows, 1, 100 * S, G_MAXINT64, 60 * S, 5, &first), ==, 5);
  for (guint64 key = 10; key < 1000; key++)
    {
      add(windows, key, 100 * S, 1, 60 * S, 5, &first);
      add(windows, 1, 100 * S, 1, 60 * S, 5, &first); /* in use: it stays */
    }
  g_assert_cmpuint(mt_windows_count(windows), ==, 3);
  g_assert_cmpint(add(windows, 1, 100 * S, 1, 60 * S, 5, &first), ==, 5);
  g_assert_cmpint(add(windows, 10, 100 * S, 1, 60 * S, 5, &first), ==, 1); /* forgotten */
  mt_windows_clear(windows);
  g_assert_cmpuint(mt_windows_count(windows), ==, 0);
  mt_windows_free(windows);
}

static void
test_times(void)
{
  MtTimes *times = mt_times_new(2);

  g_assert_cmpint(mt_times_get(times, 1), ==, MT_NO_TIME);
  mt_times_put(times, 1, 50);
  mt_times_put(times, 1, 40); /* late */
  g_assert_cmpint(mt_times_get(times, 1), ==, 50);
  mt_times_put(times, 2, 60);
  mt_times_put(times, 3, 70);
  g_assert_cmpint(mt_times_get(times, 1), ==, MT_NO_TIME);
  g_assert_cmpint(mt_times_get(times, 3), ==, 70);
  mt_times_clear(times);
  g_assert_cmpint(mt_times_get(times, 3), ==, MT_NO_TIME);
  mt_times_free(times);
}

/* ---- the policy file ------------------------------------------------------------------------ */

static MtPolicy *
read_text(const gchar *text, GError **error)
{
  gchar *dir = g_dir_make_tmp("policy-XXXXXX", NULL), *path = g_build_filename(dir, "p", NULL);
  MtPolicy *policy;

  g_assert_true(g_file_set_contents(path, text, -1, NULL));
  g_chmod(path, 0600);
  policy = mt_policy_read(path, error);
  g_remove(path);
  g_rmdir(dir);
  g_free(path);
  g_free(dir);
  return policy;
}

/* Each is wrong in one way: the line that says so, and a word of why. */
static void
test_policy_errors(void)
{
  static const struct
  {
    const gchar *text, *line, *why;
  } cases[] = {
    { "notify=yes\n", ":1: ", "before the first group" },
    { "[default]\n\nnonsense\n", ":3: ", "neither" },
    { "[default\n", ":1: ", "']'" },
    { "# x\n[default]\nnotify=perhaps\n", ":3: ", "yes or no" },
    { "[default]\nusual-countries=ES;Spain\n", ":2: ", "Spain" },
    { "[default]\nexclude-ips=192.0.2.0/33\n", ":2: ", "192.0.2.0/33" },
    { "[default]\nexclude-asns=64500;AS99999999999\n", ":2: ", "AS99999999999" },
    { "[default]\nusual-contries=ES\n", ":2: ", "usual-contries" },
    { "[default]\non-alert=reset\n", ":2: ", "whole path" },
    { "[default]\nnotify=yes\nnotify=no\n", ":3: ", "twice" },
    { "[domain example.com]\non-alert=/bin/true\n", ":2: ", "[default] only" },
    { "[domain a@example.com]\nnotify=yes\n", ":1: ", "no group" },
    { "[default]\nnotify=yes\n[rule no-such-rule]\n", ":3: ", "no-such-rule" },
    { "[rule brute-force]\nthreshold=0\n", ":2: ", "1 at least" },
    { "[rule brute-force]\nthreshold=-1\n", ":2: ", "whole number" },
    { "[rule brute-force]\nwindow=99999999999999999999\n", ":2: ", "whole number" },
    { "[rule brute-force]\nseverity=bad\n", ":2: ", "severity" },
    { "[rule brute-force]\ncolour=red\n", ":2: ", "colour" },
  };

  for (guint i = 0; i < G_N_ELEMENTS(cases); i++)
    {
      GError *error = NULL;
      MtPolicy *policy = read_text(cases[i].text, &error);

      g_assert_null(policy);
      g_assert_error(error, MT_POLICY_ERROR, MT_POLICY_ERROR_SYNTAX);
      if (!strstr(error->message, cases[i].line) || !strstr(error->message, cases[i].why))
        g_error("%s\nsays: %s\nwant: %s%s", cases[i].text, error->message, cases[i].line,
                cases[i].why);
      g_clear_error(&error);
    }
}

/* The account's word, then the domain's, then the default. */
static void
test_policy_scopes(void)
{
  GError *error = NULL;
  MtPolicy *policy = read_text(
      "[default]\n"
      "usual-countries=ES;fr   ; and why\n"
      "exclude-ips=192.0.2.0/24\n"
      "notify=yes\nnotify-to=root@example.org\n"
      "[domain example.com]\nusual-countries=\n"
      "[account bob@example.com]\nnotify=no\nexclude-asns=64500\n"
      "[rule brute-force]\nthreshold=3\nenabled=no\n",
      &error);
  MtAccountPolicy its;
  MtIp ip;

  g_assert_no_error(error);
  mt_policy_account(policy, MT_SPAN("alice@example.org"), &its);
  g_assert_cmpstr(its.usual_countries[0], ==, "ES");
  g_assert_cmpstr(its.usual_countries[1], ==, "FR");
  g_assert_true(its.notify);
  mt_policy_account(policy, MT_SPAN("BOB@Example.COM"), &its);
  g_assert_null(its.usual_countries[0]);
  g_assert_false(its.notify);
  g_assert_cmpstr(its.notify_to, ==, "root@example.org");
  mt_ip_parse(MT_SPAN("192.0.2.9"), &ip);
  g_assert_true(mt_policy_excludes(policy, MT_SPAN("x@example.net"), &ip, "", 0));
  mt_ip_parse(MT_SPAN("198.51.100.9"), &ip);
  g_assert_false(mt_policy_excludes(policy, MT_SPAN("x@example.net"), &ip, "", 64500));
  g_assert_true(mt_policy_excludes(policy, MT_SPAN("bob@example.com"), &ip, "", 64500));
  g_assert_cmpint(mt_policy_rule(policy, mt_watch_rule_by_name("brute-force"))->threshold, ==, 3);
  g_assert_false(mt_policy_rule(policy, mt_watch_rule_by_name("brute-force"))->enabled);
  mt_policy_unref(policy);
}

static void
test_policy_that_others_write(void)
{
  gchar *dir = g_dir_make_tmp("policy-XXXXXX", NULL), *path = g_build_filename(dir, "p", NULL);
  GError *error = NULL;

  g_assert_true(g_file_set_contents(path, "[default]\n", -1, NULL));
  g_chmod(path, 0602);
  g_assert_null(mt_policy_read(path, &error));
  g_assert_error(error, MT_POLICY_ERROR, MT_POLICY_ERROR_UNSAFE);
  g_clear_error(&error);
  g_remove(path);
  g_assert_null(mt_policy_read(path, &error));
  g_assert_error(error, MT_POLICY_ERROR, MT_POLICY_ERROR_READ);
  g_clear_error(&error);
  g_rmdir(dir);
  g_free(path);
  g_free(dir);
}

int
main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/watch/window/slides", test_window_slides);
  g_test_add_func("/watch/window/any-order", test_window_takes_any_order);
  g_test_add_func("/watch/window/bounded", test_window_is_bounded);
  g_test_add_func("/watch/times", test_times);
  g_test_add_func("/watch/policy/errors", test_policy_errors);
  g_test_add_func("/watch/policy/scopes", test_policy_scopes);
  g_test_add_func("/watch/policy/others-write", test_policy_that_others_write);
  return g_test_run();
}
