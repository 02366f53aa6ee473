/* fuzz.h: what the targets share
 *
 * A target is one file with LLVMFuzzerTestOneInput(); built with --enable-fuzzing it is
 * linked with libFuzzer, else with main.c, which runs it over files.
 */
#ifndef MT_TESTS_FUZZ_H
#define MT_TESTS_FUZZ_H

#include "scan/span.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Holds in every build, and says where it did not. */
#define FUZZ_CHECK(condition) \
  do \
    { \
      if (!(condition)) \
        { \
          g_printerr("%s:%d: does not hold: %s\n", __FILE__, __LINE__, #condition); \
          abort(); /* libFuzzer keeps the input; g_error() traps, which it does not catch */ \
        } \
    } \
  while (0)

static inline MtSpan
fuzz_span(const uint8_t *data, size_t size)
{
  return mt_span((const gchar *) data, size);
}

/* A part of the whole, or nothing of it (a literal, no bytes). */
static inline gboolean
fuzz_is_inside(MtSpan part, MtSpan whole)
{
  return !part.len || part.at < whole.at || part.at > whole.at + whole.len
         || part.len <= whole.len - (gsize) (part.at - whole.at);
}

#endif
