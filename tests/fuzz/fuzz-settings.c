/* fuzz-settings: "option=value" lines, what is remembered of them, and times on a command line */
#include "fuzz/fuzz.h"
#include "cli/cli.h"
#include "engine/settings.h"

static void
check_remembered(const MtSettings *settings)
{
  gchar *text = mt_settings_to_text(settings), *again;
  MtSettings other;

  mt_settings_init(&other);
  mt_settings_from_text(&other, text);
  again = mt_settings_to_text(&other);
  if (!g_str_equal(text, again))
    g_error("remembered as\n%s\nread as\n%s", text, again);
  mt_settings_clear(&other);
  g_free(text);
  g_free(again);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  gchar *text = g_strndup((const gchar *) data, size), **lines = g_strsplit(text, "\n", 40);
  MtSettings settings, copy;
  MtTime time;

  mt_settings_init(&settings);
  for (guint i = 0; lines[i]; i++)
    {
      gchar *value = strchr(lines[i], '=');
      GError *error = NULL;

      cli_parse_time(lines[i], &time);
      if (!value)
        continue;
      *value++ = '\0';
      FUZZ_CHECK(mt_settings_set(&settings, lines[i], value, &error) == (error == NULL));
      g_clear_error(&error);
    }
  mt_settings_copy(&copy, &settings);
  mt_settings_clear(&settings);
  check_remembered(&copy);
  mt_settings_clear(&copy);
  g_strfreev(lines);
  g_free(text);
  return 0;
}
