#include "scan/stamp.h"

/* A stamp may be this much later than "latest": clocks of other hosts, zones. */
#define GRACE_S 86400

/* What mt_time_format() writes with four digits: from the year 1 to before the year 10000.  A zone
 * may move a stated year by one. */
#define FIRST_S G_GINT64_CONSTANT(-62135596800)
#define END_S G_GINT64_CONSTANT(253402300800)
#define MAX_YEAR 9998

/* Years that stamps leave out are not inferred from those before 1970 or behind 9998. */
#define LAST_REFERENCE_S G_GINT64_CONSTANT(253370764800)

void
mt_clock_init(MtClock *clock, GTimeZone *zone, MtTime latest, gint first_year)
{
  memset(clock, 0, sizeof *clock);
  clock->zone = zone;
  clock->reference = latest;
  clock->year = first_year;
  clock->cached_hour = G_MININT64;
}

/* Days since the epoch, after Howard Hinnant's days_from_civil. */
static gint64
days_from_civil(gint64 year, guint month, guint day)
{
  gint64 era;
  guint of_era, of_year;

  year -= month <= 2;
  era = (year >= 0 ? year : year - 399) / 400;
  of_era = year - era * 400;
  of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
  return era * 146097 + (gint64) (of_era * 365 + of_era / 4 - of_era / 100 + of_year) - 719468;
}

gint
mt_year_of_day(gint64 day, guint *month, guint *day_of_month)
{
  gint64 z = day + 719468, era = (z >= 0 ? z : z - 146096) / 146097;
  guint of_era = z - era * 146097;
  guint year_of_era = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
  guint of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  guint m = (5 * of_year + 2) / 153;

  *day_of_month = of_year - (153 * m + 2) / 5 + 1;
  *month = m < 10 ? m + 3 : m - 9;
  return year_of_era + era * 400 + (*month <= 2);
}

gint64
mt_civil_to_s(gint year, guint month, guint day, guint hour, guint minute, guint second)
{
  return days_from_civil(year, month, day) * 86400 + hour * 3600 + minute * 60 + second;
}

static gint64
floor_div(gint64 a, gint64 b)
{
  return a / b - (a % b < 0);
}

/* Offsets change on the quarter hour at most, in all zones since 1972. */
MtTime
mt_clock_to_utc(MtClock *clock, gint64 local_s)
{
  gint64 slot = floor_div(local_s, 900);

  if (!clock->zone)
    return local_s * MT_SECOND_US;
  if (slot != clock->cached_hour)
    {
      gint interval = g_time_zone_find_interval(clock->zone, G_TIME_TYPE_STANDARD, local_s);

      if (interval < 0) /* the hour that summer time skips: read as if it had not begun */
        interval = g_time_zone_find_interval(clock->zone, G_TIME_TYPE_STANDARD, local_s - 3600);
      clock->cached_hour = slot;
      clock->cached_offset_s = interval < 0 ? 0 : g_time_zone_get_offset(clock->zone, interval);
    }
  return (local_s - clock->cached_offset_s) * MT_SECOND_US;
}

/* "hh:mm:ss" as seconds of the day, or -1. */
static gint
scan_clock_time(MtCursor *cur)
{
  const gchar *at = cur->at;
  gint hour, minute, second;

  if (mt_cursor_left(cur) < 8 || at[2] != ':' || at[5] != ':')
    return -1;
  hour = mt_two_digits(at);
  minute = mt_two_digits(at + 3);
  second = mt_two_digits(at + 6);
  if (hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 60)
    return -1;
  cur->at += 8;
  return hour * 3600 + minute * 60 + second;
}

static gint32
scan_fraction(MtCursor *cur)
{
  gint32 us = 0, unit = 100000;

  if (mt_cursor_left(cur) < 2 || (*cur->at != '.' && *cur->at != ',')
      || !mt_is_class(cur->at[1], MT_CHAR_DIGIT))
    return 0;
  for (cur->at++; cur->at < cur->end && mt_is_class(*cur->at, MT_CHAR_DIGIT); cur->at++)
    {
      us += (*cur->at - '0') * unit;
      unit /= 10;
    }
  return us;
}

static guint
month_of(const gchar *at)
{
  static const gchar names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

  for (guint i = 0; i < 12; i++)
    if (memcmp(at, names + i * 3, 3) == 0)
      return i + 1;
  return 0;
}

static gboolean
is_leap(gint year)
{
  return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

static guint
days_of_month(gint year, guint month)
{
  static const guint8 days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };

  return days[month - 1] + (month == 2 && is_leap(year));
}

/* The year that the stamp leaves out: see mt_scan_stamp_rfc3164(). */
static gint
infer_year(const MtClock *clock, guint month, guint day)
{
  gint64 reference_s = clock->reference / MT_SECOND_US, best_distance = G_MAXINT64;
  guint unused;
  gint now = mt_year_of_day(mt_time_day(clock->reference), &unused, &unused), best = now;

  if (clock->year && !clock->has_stamp)
    return clock->year;
  for (gint year = now + 1; year >= now - 8; year--)
    {
      gint64 s = mt_civil_to_s(year, month, day, 0, 0, 0), distance = ABS(s - reference_s);

      if (day > days_of_month(year, month))
        continue;
      if (!clock->has_stamp)
        {
          if (s <= reference_s + GRACE_S)
            return year;
        }
      else if (distance < best_distance)
        best_distance = distance, best = year;
    }
  return best;
}

/* "Jan 6 05:45:01", as some syslog daemons write it. */
static gboolean
scan_short_date(MtCursor *cur, MtClock *clock)
{
  guint month = month_of(cur->at), day = cur->at[4] - '0';

  if (!month || cur->at[3] != ' ' || day < 1 || day > 9)
    return FALSE;
  clock->cached_midnight_s = mt_civil_to_s(infer_year(clock, month, day), month, day, 0, 0, 0);
  clock->cached_date[0] = clock->cached_minute[0] = '\0';
  cur->at += 6;
  return TRUE;
}

static gboolean
scan_date(MtCursor *cur, MtClock *clock)
{
  guint month, tens, ones, day;
  gint year;

  if (clock->cached_date[0] && memcmp(cur->at, clock->cached_date, 7) == 0)
    {
      cur->at += 7;
      return TRUE;
    }
  if (cur->at[5] == ' ') /* "Jan 6 ": one digit and no filling */
    return scan_short_date(cur, clock);
  month = month_of(cur->at);
  tens = cur->at[4] == ' ' ? 0 : cur->at[4] - '0';
  ones = cur->at[5] - '0';
  day = tens * 10 + ones;
  if (!month || cur->at[3] != ' ' || tens > 3 || ones > 9 || cur->at[6] != ' ' || !day)
    return FALSE;
  year = infer_year(clock, month, day);
  if (day > days_of_month(year, month))
    return FALSE;
  memcpy(clock->cached_date, cur->at, 7);
  clock->cached_minute[0] = '\0';
  clock->cached_midnight_s = mt_civil_to_s(year, month, day, 0, 0, 0);
  cur->at += 7;
  return TRUE;
}

/* "Nov 21 2026 05:45:01": some relays put the year in. */
static gboolean
scan_stated_year(MtCursor *cur, MtClock *clock)
{
  guint month, day;
  guint64 year;
  MtCursor try = *cur;

  if (mt_cursor_left(&try) < 5 || try.at[4] != ' ' || !mt_scan_u64(&try, &year) || year < 1970
      || year > MAX_YEAR)
    return FALSE;
  mt_year_of_day(clock->cached_midnight_s / 86400, &month, &day);
  if (day > days_of_month(year, month))
    return FALSE;
  clock->cached_midnight_s = mt_civil_to_s(year, month, day, 0, 0, 0);
  clock->cached_date[0] = clock->cached_minute[0] = '\0';
  try.at++;
  *cur = try;
  return TRUE;
}

static gboolean
scan_rfc3164_second(MtCursor *cur, MtClock *clock, MtTime *out)
{
  const gchar *at = cur->at;
  gint second;

  if (!scan_date(cur, clock))
    return FALSE;
  if (mt_cursor_left(cur) >= 3 && cur->at[2] != ':')
    scan_stated_year(cur, clock);
  second = scan_clock_time(cur);
  if (second < 0)
    return FALSE;
  *out = mt_clock_to_utc(clock, clock->cached_midnight_s + second);
  if (clock->cached_date[0] && second % 60 == mt_two_digits(at + MT_RFC3164_SECOND)) /* not 60 */
    {
      memcpy(clock->cached_minute, at, sizeof clock->cached_minute);
      clock->cached_minute_at = *out - second % 60 * MT_SECOND_US;
    }
  return TRUE;
}

gboolean
mt_scan_stamp_rfc3164(MtCursor *cur, MtClock *clock, MtTime *out)
{
  MtCursor try = *cur;

  if (mt_cursor_left(cur) < 14 || !scan_rfc3164_second(&try, clock, out))
    return FALSE;
  *out += scan_fraction(&try);
  clock->reference = *out;
  clock->has_stamp = TRUE;
  *cur = try;
  return TRUE;
}

#define CTIME_BYTES 24

gboolean
mt_scan_stamp_ctime(MtCursor *cur, MtClock *clock, MtTime *out)
{
  const gchar *at = cur->at;
  guint month, tens, ones, day;
  MtCursor time, year_digits;
  guint64 year;
  gint second;

  if (mt_cursor_left(cur) < CTIME_BYTES || at[3] != ' ' || at[7] != ' ' || at[10] != ' '
      || at[19] != ' ')
    return FALSE;
  month = month_of(at + 4);
  tens = at[8] == ' ' ? 0 : (guint) (at[8] - '0');
  ones = (guint) (at[9] - '0');
  time = (MtCursor){ at + 11, cur->end };
  second = scan_clock_time(&time);
  year_digits = (MtCursor){ at + 20, at + CTIME_BYTES };
  if (!month || tens > 3 || ones > 9 || second < 0 || !mt_scan_u64(&year_digits, &year)
      || year_digits.at != year_digits.end || year < 1970 || year > MAX_YEAR)
    return FALSE;
  day = tens * 10 + ones;
  if (!day || day > days_of_month(year, month))
    return FALSE;
  *out = mt_clock_to_utc(clock, mt_civil_to_s(year, month, day, 0, 0, 0) + second);
  clock->reference = *out;
  clock->has_stamp = TRUE;
  cur->at += CTIME_BYTES;
  return TRUE;
}

/* Z, +01:00, +0100, +01.  Returns FALSE, cursor untouched, where there is none. */
static gboolean
scan_zone(MtCursor *cur, gint *offset_s)
{
  MtCursor try = *cur;
  gint sign, hours, minutes = 0;

  if (mt_scan_char(cur, 'Z'))
    {
      *offset_s = 0;
      return TRUE;
    }
  if (mt_cursor_left(&try) < 3 || (*try.at != '+' && *try.at != '-'))
    return FALSE;
  sign = *try.at == '-' ? -1 : 1;
  hours = mt_two_digits(try.at + 1);
  try.at += 3;
  if (mt_cursor_left(&try) >= 3 && *try.at == ':')
    try.at++;
  if (mt_cursor_left(&try) >= 2 && (minutes = mt_two_digits(try.at)) >= 0)
    try.at += 2;
  if (hours < 0 || hours > 15 || minutes > 59)
    return FALSE;
  *offset_s = sign * (hours * 3600 + MAX(minutes, 0) * 60);
  *cur = try;
  return TRUE;
}

/* "2026-11-21T05:45:01", the cursor's next ISO_BYTES, as a local second. */
#define ISO_BYTES 19
#define ISO_SECOND 17

static gboolean
scan_iso_second(MtCursor *cur, gint64 *local_s)
{
  MtCursor try = *cur;
  const gchar *at = cur->at;
  gint century, of_century, month, day, second;

  if (at[4] != '-' || at[7] != '-' || (at[10] != 'T' && at[10] != ' '))
    return FALSE;
  century = mt_two_digits(at);
  of_century = mt_two_digits(at + 2);
  month = mt_two_digits(at + 5);
  day = mt_two_digits(at + 8);
  if (century < 0 || of_century < 0 || month < 1 || month > 12 || day < 1
      || (guint) day > days_of_month(century * 100 + of_century, month))
    return FALSE;
  try.at += 11;
  second = scan_clock_time(&try);
  if (second < 0)
    return FALSE;
  *local_s = mt_civil_to_s(century * 100 + of_century, month, day, 0, 0, 0) + second;
  *cur = try;
  return TRUE;
}

gboolean
mt_scan_stamp_iso(MtCursor *cur, MtClock *clock, MtTime *out)
{
  MtCursor try = *cur;
  gint us, offset_s, second;
  gint64 local_s;
  MtTime at;

  if (mt_cursor_left(cur) < ISO_BYTES)
    return FALSE;
  if (clock->cached_iso[0] && memcmp(cur->at, clock->cached_iso, sizeof clock->cached_iso) == 0
      && (second = mt_two_digits(cur->at + ISO_SECOND)) >= 0 && second <= 60)
    {
      try.at += ISO_BYTES;
      local_s = clock->cached_iso_s + second;
    }
  else if (scan_iso_second(&try, &local_s))
    {
      memcpy(clock->cached_iso, cur->at, sizeof clock->cached_iso);
      clock->cached_iso_s = local_s - mt_two_digits(cur->at + ISO_SECOND);
    }
  else
    return FALSE;
  us = scan_fraction(&try);
  if (scan_zone(&try, &offset_s))
    at = (local_s - offset_s) * MT_SECOND_US + us;
  else
    at = mt_clock_to_utc(clock, local_s) + us;
  if (at < FIRST_S * MT_SECOND_US || at >= END_S * MT_SECOND_US)
    return FALSE;
  *out = at;
  if (at >= 0 && at < LAST_REFERENCE_S * MT_SECOND_US)
    {
      clock->reference = at;
      clock->has_stamp = TRUE;
    }
  *cur = try;
  return TRUE;
}

/* 2^62, and the ten seconds between TAI and UTC in 1970 (tai_unix() in djb's libtai). */
#define TAI64_EPOCH (G_GUINT64_CONSTANT(0x4000000000000000) + 10)

/* @digits hexadecimal digits; FALSE where one is none. */
static gboolean
scan_hex(MtCursor *cur, guint digits, guint64 *out)
{
  *out = 0;
  if (mt_cursor_left(cur) < digits)
    return FALSE;
  for (guint i = 0; i < digits; i++, cur->at++)
    {
      gint digit = g_ascii_xdigit_value(*cur->at);

      if (digit < 0)
        return FALSE;
      *out = *out << 4 | digit;
    }
  return TRUE;
}

gboolean
mt_scan_stamp_tai64n(MtCursor *cur, MtTime *out)
{
  MtCursor try = *cur;
  guint64 label, ns;

  if (!mt_scan_char(&try, '@') || !scan_hex(&try, 16, &label) || !scan_hex(&try, 8, &ns)
      || label < TAI64_EPOCH || label - TAI64_EPOCH >= (guint64) END_S || ns > 999999999)
    return FALSE;
  *out = (label - TAI64_EPOCH) * MT_SECOND_US + ns / 1000;
  *cur = try;
  return TRUE;
}

gboolean
mt_scan_stamp_other(MtCursor *cur, MtClock *clock, MtTime *out)
{
  if (mt_is_class(mt_cursor_peek(cur), MT_CHAR_DIGIT))
    return mt_scan_stamp_iso(cur, clock, out);
  return mt_scan_stamp_rfc3164(cur, clock, out);
}

gsize
mt_time_format(MtTime time, gchar text[MT_TIME_TEXT_BYTES])
{
  gint64 day = mt_time_day(time), rest = time - day * MT_DAY_US, s = rest / MT_SECOND_US;
  guint month, day_of_month;
  gint year = mt_year_of_day(day, &month, &day_of_month);

  return g_snprintf(text, MT_TIME_TEXT_BYTES, "%04d-%02u-%02uT%02d:%02d:%02d.%06dZ",
                    CLAMP(year, -999, 9999), month, day_of_month, (gint) (s / 3600),
                    (gint) (s / 60 % 60), (gint) (s % 60), (gint) (rest % MT_SECOND_US));
}
