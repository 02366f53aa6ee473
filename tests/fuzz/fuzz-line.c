/* fuzz-line: the head of a line */
#include "fuzz/fuzz.h"
#include "scan/line.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  MtSpan raw = fuzz_span(data, size);
  MtClock clock;
  MtLine line;

  mt_clock_init(&clock, NULL, G_GINT64_CONSTANT(1796000000000000), 0);
  for (guint i = 0; i < 2; i++) /* the clock remembers */
    {
      mt_line_scan(raw, &clock, &line);
      FUZZ_CHECK(fuzz_is_inside(line.host, raw) && fuzz_is_inside(line.program, raw)
                 && fuzz_is_inside(line.text, raw));
      FUZZ_CHECK(line.repeat >= 1 && line.pid >= -1);
    }
  line = (MtLine){ .time = MT_NO_TIME, .text = raw, .pid = -1, .repeat = 1 };
  mt_line_scan_tag(raw, &line);
  FUZZ_CHECK(fuzz_is_inside(line.program, raw) && fuzz_is_inside(line.text, raw));
  return 0;
}
