/* main.c: runs a target over files and the files of directories, where there is no libFuzzer */
#include "fuzz/fuzz.h"

#include <stdio.h>

static guint
run_file(const gchar *path)
{
  GError *error = NULL;
  gchar *text, *copy;
  gsize len;

  if (!g_file_get_contents(path, &text, &len, &error))
    g_error("%s", error->message);
  copy = g_memdup2(text, MAX(len, 1)); /* of exactly its size */
  LLVMFuzzerTestOneInput((const uint8_t *) copy, len);
  g_free(copy);
  g_free(text);
  return 1;
}

static guint
run(const gchar *path)
{
  GDir *dir = g_dir_open(path, 0, NULL);
  const gchar *name;
  guint count = 0;

  if (!dir)
    return run_file(path);
  while ((name = g_dir_read_name(dir)))
    {
      gchar *inside = g_build_filename(path, name, NULL);

      count += run(inside);
      g_free(inside);
    }
  g_dir_close(dir);
  return count;
}

int
main(int argc, char **argv)
{
  guint count = 0;

  for (int i = 1; i < argc; i++)
    count += run(argv[i]);
  printf("%u inputs\n", count);
  return count ? 0 : 1;
}
