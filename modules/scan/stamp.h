/* stamp.h: points in time as log lines write them
 *
 * Layer: scan.  Concurrency: any thread, but an MtClock belongs to its caller.
 *
 * A point in time is gint64 microseconds since the Unix epoch, UTC.  Nothing
 * here reads a clock: where a stamp leaves something open (year, zone), the
 * caller's MtClock says it.
 */
#ifndef MT_SCAN_STAMP_H
#define MT_SCAN_STAMP_H

#include "scan/span.h"

typedef gint64 MtTime;

#define MT_SECOND_US G_GINT64_CONSTANT(1000000)
#define MT_MINUTE_US (60 * MT_SECOND_US)
#define MT_HOUR_US (3600 * MT_SECOND_US)
#define MT_DAY_US (86400 * MT_SECOND_US)

/* No line was ever written then. */
#define MT_NO_TIME G_MININT64

/* Length of mt_time_format()'s text, and its NUL. */
#define MT_TIME_TEXT_BYTES 32

/* What a stamp without year or zone is read by.  Belongs to one stream: it
 * follows the stream over New Year. */
typedef struct
{
  GTimeZone *zone;    /* of stamps that state none; NULL: UTC */
  MtTime reference;   /* the stamp before, or the latest time the next may have */
  gboolean has_stamp; /* reference is the stamp before */
  gint year;          /* of the first stamp, where the user said; else 0 */
  /* the last local hour that was looked up in the zone, and its offset */
  gint64 cached_hour;
  gint32 cached_offset_s;
  /* the last RFC 3164 date "Nov 21 " and its midnight, local */
  gchar cached_date[7];
  gint64 cached_midnight_s;
  /* of that date, the last "Nov 21 05:45:", and its begin in UTC */
  gchar cached_minute[13];
  MtTime cached_minute_at;
  /* the last "2026-11-21T05:45:", and its begin, local */
  gchar cached_iso[17];
  gint64 cached_iso_s;
} MtClock;

/* mt_clock_init: @zone: (transfer none) (nullable: UTC) outlives the clock.
 * @latest: no stamp of the stream is later, but for a day's grace (the file's
 * modification time, or now).  @first_year: year of the first stamp, 0 to infer. */
void mt_clock_init(MtClock *clock, GTimeZone *zone, MtTime latest, gint first_year);

/* mt_scan_stamp_rfc3164: "Nov  3 04:05:06", also with a fraction behind the
 * seconds or a year behind the day.  RFC 3164 4.1.2: no year and no zone.  The
 * year is that which brings the stamp closest to the one before; for the first
 * stamp of a stream the last that is not later than @latest.  A 29 February
 * takes a leap year. */
gboolean mt_scan_stamp_rfc3164(MtCursor *cur, MtClock *clock, MtTime *out);

/* mt_scan_stamp_iso: RFC 3339 "2026-11-21T04:05:06.123456+01:00", with 'T' or a
 * space, '.' or ',' before the fraction; Z, +01:00, +0100, or no zone at all
 * (the clock's).  A leap second (:60) is the second after :59. */
gboolean mt_scan_stamp_iso(MtCursor *cur, MtClock *clock, MtTime *out);

/* mt_scan_stamp_other: for mt_scan_stamp(). */
gboolean mt_scan_stamp_other(MtCursor *cur, MtClock *clock, MtTime *out);

/* "05" as a number, or -1. */
static inline gint
mt_two_digits(const gchar *at)
{
  guint tens = (guint) at[0] - '0', ones = (guint) at[1] - '0';

  return tens < 10 && ones < 10 ? (gint) (tens * 10 + ones) : -1;
}

/* Bytes of "Nov 21 05:45:01", and the second's place in it. */
#define MT_RFC3164_BYTES 15
#define MT_RFC3164_SECOND 13

/* mt_scan_stamp: either of the two above, by what the text begins with.  In a busy log nearly
 * all are of the minute of the one before: only the second is read then. */
static inline gboolean
mt_scan_stamp(MtCursor *cur, MtClock *clock, MtTime *out)
{
  const gchar *at = cur->at;
  gint second;

  if (cur->end - at <= MT_RFC3164_BYTES || !clock->cached_minute[0]
      || memcmp(at, clock->cached_minute, sizeof clock->cached_minute) != 0
      || at[MT_RFC3164_BYTES] != ' ') /* a fraction */
    return mt_scan_stamp_other(cur, clock, out);
  second = mt_two_digits(at + MT_RFC3164_SECOND);
  if (second < 0 || second > 59) /* a leap second may be of another hour, and offset */
    return mt_scan_stamp_other(cur, clock, out);
  *out = clock->reference = clock->cached_minute_at + second * MT_SECOND_US;
  cur->at = at + MT_RFC3164_BYTES;
  return TRUE;
}

/* mt_scan_stamp_tai64n: "@400000004bdf95342c638c5c" as tai64n and multilog write it
 * (daemontools-0.76, timestamp.c): 2^62 + 10 s + the system's seconds, in hexadecimal, and
 * nanoseconds.  As tai64nlocal does, the ten seconds of 1970 are all that is taken off: the
 * writers know no later leap second. */
gboolean mt_scan_stamp_tai64n(MtCursor *cur, MtTime *out);

/* mt_scan_stamp_ctime: "Sat Nov 21 05:45:01 2026", as ctime(3) writes it; in the clock's
 * zone.  mt_scan_stamp() does not try it: its line has a form of its own. */
gboolean mt_scan_stamp_ctime(MtCursor *cur, MtClock *clock, MtTime *out);

/* mt_time_from_civil: days and seconds of the proleptic Gregorian calendar to
 * seconds since the epoch, no zone applied. */
gint64 mt_civil_to_s(gint year, guint month, guint day, guint hour, guint minute, guint second);

/* mt_time_of_local: what @local_s (civil seconds) is in UTC by the clock's zone. */
MtTime mt_clock_to_utc(MtClock *clock, gint64 local_s);

/* mt_time_format: "2026-03-09T12:43:51.000000Z"; returns the length. */
gsize mt_time_format(MtTime time, gchar text[MT_TIME_TEXT_BYTES]);

/* mt_time_day: days since the epoch, UTC, rounded down. */
static inline gint64
mt_time_day(MtTime time)
{
  return time >= 0 ? time / MT_DAY_US : -((-time + MT_DAY_US - 1) / MT_DAY_US);
}

/* mt_year_of_day: the calendar year of a day since the epoch. */
gint mt_year_of_day(gint64 day, guint *month, guint *day_of_month);

#endif
