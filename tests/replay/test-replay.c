/* test-replay FILE.replay: a log in, rows out
 *
 * A .replay is prose with a log and questions in it:
 *   > raw line
 *   ? SELECT ... (one line)
 *   = value|value|...     one line a row that must come, in order
 *   ! option value        a setting of the destination
 * Each file is played three times: as one batch, with a commit behind each line, and
 * with the engine closed and opened anew behind each line.  The rows must be the same.
 */
#include "config.h"

#include "engine/engine.h"
#include "engine/query.h"
#include "engine/reader.h"

#include <glib/gstdio.h>
#include <stdio.h>

typedef enum
{
  ONE_BATCH,
  COMMIT_EACH,
  REOPEN_EACH,
} Mode;

static const gchar *const mode_names[] = { "one-batch", "commit-each-line", "reopen-each-line" };

typedef struct
{
  const gchar *path;
  gchar **lines;
  Mode mode;
} Replay;

typedef struct
{
  MtSettings settings;
  MtEngine *engine;
  MtReader *reader;
  gchar *directory;
} Player;

static void
complain(gpointer user, MtLogLevel level, const gchar *message)
{
  g_test_message("engine: %s", message);
}

static void
open_engine(Player *player)
{
  GError *error = NULL;

  player->engine = mt_engine_open(&player->settings, MT_ENGINE_EMIT | MT_ENGINE_REMEMBER,
                                  g_get_real_time(), complain, NULL, &error);
  g_assert_no_error(error);
}

static void
commit(Player *player)
{
  GError *error = NULL;

  mt_engine_commit(player->engine, g_get_real_time(), &error);
  g_assert_no_error(error);
}

static void
play_line(Player *player, Mode mode, const gchar *raw)
{
  GError *error = NULL;
  MtLine line;

  mt_reader_head(player->reader, mt_span_of_string(raw), &line);
  mt_engine_push(player->engine, &line, -1, &error);
  g_assert_no_error(error);
  if (mode == ONE_BATCH)
    return;
  commit(player);
  if (mode == REOPEN_EACH)
    {
      mt_engine_close(player->engine);
      open_engine(player);
    }
}

static gchar *
row_text(MtRows *rows)
{
  GString *text = g_string_new(NULL);

  for (guint i = 0; i < mt_rows_columns(rows); i++)
    {
      MtSpan value = mt_rows_text(rows, i);

      if (i)
        g_string_append_c(text, '|');
      g_string_append_len(text, value.at, value.len);
    }
  return g_string_free(text, FALSE);
}

static gint
ask(Player *player, const Replay *replay, gint number)
{
  GError *error = NULL;
  MtQuery *query = mt_query_open(player->settings.database, &error);
  MtRows *rows;
  gint next = number + 1;

  g_assert_no_error(error);
  rows = mt_query_run(query, replay->lines[number] + 2, NULL, &error);
  g_assert_no_error(error);
  for (; mt_rows_next(rows, &error); next++)
    {
      gchar *is = row_text(rows);
      const gchar *want =
          g_str_has_prefix(replay->lines[next], "= ") ? replay->lines[next] + 2 : "(no more rows)";

      if (!g_str_equal(is, want))
        {
          g_test_message("%s:%d: %s\n  want %s\n   got %s", replay->path, next + 1,
                         replay->lines[number], want, is);
          g_test_fail();
          g_free(is);
          break;
        }
      g_free(is);
    }
  g_assert_no_error(error);
  if (g_str_has_prefix(replay->lines[next], "= ") && !g_test_failed())
    {
      g_test_message("%s:%d: %s\n  want %s\n   got no more rows", replay->path, next + 1,
                     replay->lines[number], replay->lines[next] + 2);
      g_test_fail();
    }
  mt_rows_free(rows);
  mt_query_close(query);
  return next;
}

static void
set_option(Player *player, const gchar *text)
{
  gchar **parts = g_strsplit(text, " ", 2);
  gchar *value = g_strdup(parts[1]);
  const gchar *top = g_getenv("top_srcdir");
  GError *error = NULL;

  if (g_str_has_prefix(value, "@/"))
    {
      g_free(value);
      value = g_build_filename(top ? top : ".", parts[1] + 2, NULL);
    }
  mt_settings_set(&player->settings, parts[0], value, &error);
  g_assert_no_error(error);
  g_free(value);
  g_strfreev(parts);
}

static void
init(Player *player, const Replay *replay)
{
  GTimeZone *zone = g_time_zone_new_utc();
  MtReaderSettings reading = { .zone = zone, .latest = G_GINT64_CONSTANT(1796000000000000) };
  gchar *database;

  player->directory = g_dir_make_tmp("mailtrail-replay-XXXXXX", NULL);
  database = g_build_filename(player->directory, "mail.db", NULL);
  mt_settings_init(&player->settings);
  mt_settings_set(&player->settings, "database", database, NULL);
  for (gint i = 0; replay->lines[i]; i++)
    if (g_str_has_prefix(replay->lines[i], "! "))
      set_option(player, replay->lines[i] + 2);
  player->reader = mt_reader_new(&reading, NULL);
  open_engine(player);
  g_free(database);
  g_time_zone_unref(zone);
}

static void
clear(Player *player)
{
  GDir *directory = g_dir_open(player->directory, 0, NULL);
  const gchar *name;

  mt_engine_close(player->engine);
  mt_reader_free(player->reader);
  mt_settings_clear(&player->settings);
  while ((name = g_dir_read_name(directory)))
    {
      gchar *path = g_build_filename(player->directory, name, NULL);

      g_unlink(path);
      g_free(path);
    }
  g_dir_close(directory);
  g_rmdir(player->directory);
  g_free(player->directory);
}

static gboolean
can_play(const Replay *replay)
{
#ifndef HAVE_MAXMINDDB
  for (gint i = 0; replay->lines[i]; i++)
    if (g_str_has_prefix(replay->lines[i], "! geoip-database "))
      return FALSE;
#endif
  return TRUE;
}

static void
test_replay(gconstpointer data)
{
  const Replay *replay = data;
  Player player = { 0 };

  if (!can_play(replay))
    {
      g_test_skip("built without libmaxminddb");
      return;
    }
  init(&player, replay);
  for (gint i = 0; replay->lines[i] && !g_test_failed();)
    {
      const gchar *line = replay->lines[i];

      if (g_str_has_prefix(line, "> "))
        play_line(&player, replay->mode, line + 2);
      if (g_str_has_prefix(line, "? "))
        {
          commit(&player);
          i = ask(&player, replay, i);
        }
      else
        i++;
    }
  clear(&player);
}

int
main(int argc, char **argv)
{
  static Replay replays[G_N_ELEMENTS(mode_names)];
  GError *error = NULL;
  gchar *text, *name;

  g_test_init(&argc, &argv, NULL);
  g_test_set_nonfatal_assertions();
  if (argc != 2)
    {
      fprintf(stderr, "usage: test-replay FILE.replay\n");
      return 2;
    }
  if (!g_file_get_contents(argv[1], &text, NULL, &error))
    g_error("%s", error->message);
  name = g_path_get_basename(argv[1]);
  for (guint i = 0; i < G_N_ELEMENTS(mode_names); i++)
    {
      gchar *path = g_strdup_printf("/replay/%s/%s", name, mode_names[i]);

      replays[i] = (Replay){ argv[1], g_strsplit(text, "\n", -1), i };
      g_test_add_data_func(path, &replays[i], test_replay);
      g_free(path);
    }
  g_free(name);
  g_free(text);
  return g_test_run();
}
