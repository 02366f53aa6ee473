/* fuzz-stamp: stamps in every zone; what was read comes back as it was */
#include "fuzz/fuzz.h"
#include "scan/stamp.h"

static void
check_round_trip(MtTime time)
{
  gchar text[MT_TIME_TEXT_BYTES];
  gsize len = mt_time_format(time, text);
  MtCursor cur = mt_cursor(mt_span(text, len));
  MtClock clock;
  MtTime again;

  FUZZ_CHECK(len > 0 && len < MT_TIME_TEXT_BYTES);
  mt_clock_init(&clock, NULL, 0, 0);
  FUZZ_CHECK(mt_scan_stamp_iso(&cur, &clock, &again) && cur.at == cur.end && again == time);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  static const gchar *const zones[] = { "UTC", "Europe/Madrid", "-03:30", "Australia/Lord_Howe" };
  GTimeZone *zone = g_time_zone_new_identifier(zones[size ? data[0] % G_N_ELEMENTS(zones) : 0]);
  MtCursor cur = mt_cursor(fuzz_span(data + (size > 0), size - (size > 0)));
  MtClock clock;
  MtTime time;

  mt_clock_init(&clock, zone, G_GINT64_CONSTANT(1796000000000000), 0);
  while (cur.at < cur.end) /* one behind the other: each leaves something to the next */
    {
      MtCursor before = cur;

      if (!mt_scan_stamp(&cur, &clock, &time))
        {
          FUZZ_CHECK(cur.at == before.at);
          cur.at++;
          continue;
        }
      FUZZ_CHECK(cur.at > before.at && cur.at <= cur.end);
      check_round_trip(time);
    }
  if (zone)
    g_time_zone_unref(zone);
  return 0;
}
