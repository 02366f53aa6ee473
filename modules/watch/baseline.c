#include "watch/baseline.h"

/* Moments of a window that are kept apart; nearer ones are one. */
#define TALLIES 60

MtBaseline *
mt_baseline_new(const gchar *account)
{
  MtBaseline *baseline = g_new0(MtBaseline, 1);

  baseline->account = g_strdup(account);
  baseline->first = baseline->last = MT_NO_TIME;
  baseline->countries = g_array_new(FALSE, TRUE, sizeof(MtSeenCountry));
  baseline->networks = g_array_new(FALSE, TRUE, sizeof(MtSeenNetwork));
  baseline->sent = g_array_new(FALSE, TRUE, sizeof(MtTally));
  baseline->unknown = g_array_new(FALSE, TRUE, sizeof(MtTally));
  baseline->solid.at = MT_NO_TIME;
  for (guint i = 0; i < MT_BASELINE_PLACES; i++)
    baseline->places[i].at = MT_NO_TIME;
  return baseline;
}

void
mt_baseline_free(MtBaseline *baseline)
{
  if (!baseline)
    return;
  g_array_free(baseline->countries, TRUE);
  g_array_free(baseline->networks, TRUE);
  g_array_free(baseline->sent, TRUE);
  g_array_free(baseline->unknown, TRUE);
  g_free(baseline->account);
  g_free(baseline);
}

gboolean
mt_baseline_is_learned(const MtBaseline *baseline)
{
  return baseline->logins >= MT_BASELINE_LEARNED_LOGINS
         && baseline->days >= MT_BASELINE_LEARNED_DAYS;
}

/* ---- logins ------------------------------------------------------------------------- */

static MtSeenCountry *
find_country(const MtBaseline *baseline, const gchar *country)
{
  for (guint i = 0; i < baseline->countries->len; i++)
    {
      MtSeenCountry *seen = &g_array_index(baseline->countries, MtSeenCountry, i);

      if (strcmp(seen->country, country) == 0)
        return seen;
    }
  return NULL;
}

static MtSeenNetwork *
find_network(const MtBaseline *baseline, gint64 asn)
{
  for (guint i = 0; i < baseline->networks->len; i++)
    {
      MtSeenNetwork *seen = &g_array_index(baseline->networks, MtSeenNetwork, i);

      if (seen->asn == asn)
        return seen;
    }
  return NULL;
}

const MtSeenCountry *
mt_baseline_country(const MtBaseline *baseline, const gchar *country)
{
  return find_country(baseline, country);
}

const MtSeenNetwork *
mt_baseline_network(const MtBaseline *baseline, gint64 asn)
{
  return find_network(baseline, asn);
}

static void
learn_country(MtBaseline *baseline, MtTime at, const gchar *country)
{
  MtSeenCountry *seen = find_country(baseline, country);
  MtSeenCountry fresh = { .first = at, .last = at };
  guint oldest = 0;

  if (!seen)
    {
      if (baseline->countries->len >= MT_BASELINE_MAX_COUNTRIES)
        {
          for (guint i = 1; i < baseline->countries->len; i++)
            if (g_array_index(baseline->countries, MtSeenCountry, i).last
                < g_array_index(baseline->countries, MtSeenCountry, oldest).last)
              oldest = i;
          g_array_remove_index(baseline->countries, oldest);
        }
      g_strlcpy(fresh.country, country, sizeof fresh.country);
      g_array_append_val(baseline->countries, fresh);
      seen = find_country(baseline, country);
    }
  seen->first = MIN(seen->first, at);
  seen->last = MAX(seen->last, at);
  seen->count++;
}

static void
learn_network(MtBaseline *baseline, MtTime at, const MtPlace *place)
{
  MtSeenNetwork *seen = find_network(baseline, place->asn);
  MtSeenNetwork fresh = { place->asn, at, at, MT_NO_TIME, 0 };
  guint oldest = 0;

  if (!seen)
    {
      if (baseline->networks->len >= MT_BASELINE_MAX_NETWORKS)
        {
          for (guint i = 1; i < baseline->networks->len; i++)
            if (g_array_index(baseline->networks, MtSeenNetwork, i).last
                < g_array_index(baseline->networks, MtSeenNetwork, oldest).last)
              oldest = i;
          g_array_remove_index(baseline->networks, oldest);
        }
      g_array_append_val(baseline->networks, fresh);
      seen = find_network(baseline, place->asn);
    }
  seen->first = MIN(seen->first, at);
  seen->last = MAX(seen->last, at);
  if (place->anonymous)
    seen->anonymous = MAX(seen->anonymous, at);
  seen->count++;
}

/* As much of a text as fits, without what separates fields on disk. */
static void
copy_text(gchar *to, gsize size, MtSpan text)
{
  gsize len = MIN(text.len, size - 1);

  for (gsize i = 0; i < len; i++)
    to[i] = (guchar) text.at[i] < ' ' ? ' ' : text.at[i];
  to[len] = '\0';
}

static void
fill_place(MtSeenPlace *seen, MtTime at, const MtIp *ip, const MtPlace *place, MtSpan session)
{
  *seen = (MtSeenPlace){ .at = at, .ip = *ip, .asn = place->asn, .anonymous = place->anonymous };
  memcpy(seen->country, place->country, sizeof seen->country);
  copy_text(seen->city, sizeof seen->city, mt_span_of_string(place->city));
  copy_text(seen->session, sizeof seen->session, session);
  seen->has_location = place->has_location;
  seen->latitude = place->latitude;
  seen->longitude = place->longitude;
  seen->radius_km = place->radius_km;
}

/* Each place once, with its latest login. */
static void
learn_place(MtBaseline *baseline, const MtSeenPlace *seen)
{
  MtSeenPlace *places = baseline->places;
  guint at = 0;

  if (places[0].at > seen->at)
    return;
  while (at < MT_BASELINE_PLACES - 1 && places[at].at != MT_NO_TIME
         && !(strcmp(places[at].country, seen->country) == 0 && places[at].asn == seen->asn))
    at++;
  memmove(places + 1, places, at * sizeof *places);
  places[0] = *seen;
}

void
mt_baseline_learn_login(MtBaseline *baseline, MtTime at, const MtIp *ip, const MtPlace *place,
                        MtSpan session)
{
  MtSeenPlace seen;

  fill_place(&seen, at, ip, place, session);
  baseline->logins++;
  if (baseline->first == MT_NO_TIME || mt_time_day(at) > mt_time_day(baseline->last)
      || mt_time_day(at) < mt_time_day(baseline->first))
    baseline->days++;
  baseline->first = baseline->first == MT_NO_TIME ? at : MIN(baseline->first, at);
  baseline->last = MAX(baseline->last, at);
  if (place->country[0])
    {
      learn_country(baseline, at, place->country);
      learn_place(baseline, &seen);
    }
  if (place->asn)
    learn_network(baseline, at, place);
  if (place->has_location && !place->anonymous && at >= baseline->solid.at)
    baseline->solid = seen;
}

/* ---- sending ------------------------------------------------------------------------- */

static void
add_tally(GArray *tallies, MtTime at, gint64 count, gint64 window_us)
{
  guint i = tallies->len, old = 0;
  MtTally fresh = { at, count };

  while (i > 0 && g_array_index(tallies, MtTally, i - 1).at > at)
    i--;
  if (i > 0 && at - g_array_index(tallies, MtTally, i - 1).at < window_us / TALLIES)
    g_array_index(tallies, MtTally, i - 1).count += count;
  else
    g_array_insert_val(tallies, i, fresh);
  while (g_array_index(tallies, MtTally, old).at
         < g_array_index(tallies, MtTally, tallies->len - 1).at - window_us)
    old++;
  old = MAX(old, tallies->len > 2 * TALLIES ? tallies->len - 2 * TALLIES : 0);
  if (old)
    g_array_remove_range(tallies, 0, old);
}

static MtTime
hour_of(MtTime at)
{
  return at - (at % MT_HOUR_US + MT_HOUR_US) % MT_HOUR_US;
}

/* An hour that is over, and an hour ago at that, is history. */
static void
learn_hour(MtBaseline *baseline, MtTime at, gint64 count)
{
  MtTally *hours = baseline->hours;
  MtTime hour = hour_of(at);

  if (hour < hours[1].at)
    {
      hours[0].count += hour == hours[0].at ? count : 0;
      return;
    }
  if (hour > hours[1].at)
    {
      baseline->busiest_hour = MAX(baseline->busiest_hour, hours[0].count);
      hours[0] = hours[1];
      hours[1] = (MtTally){ hour, 0 };
    }
  hours[1].count += count;
}

gint64
mt_baseline_busiest_hour(const MtBaseline *baseline, MtTime at)
{
  gint64 busiest = baseline->busiest_hour;

  for (guint i = 0; i < G_N_ELEMENTS(baseline->hours); i++)
    if (baseline->hours[i].at + 2 * MT_HOUR_US <= at)
      busiest = MAX(busiest, baseline->hours[i].count);
  return busiest;
}

void
mt_baseline_learn_sent(MtBaseline *baseline, MtTime at, gint64 count, gint64 window_us)
{
  add_tally(baseline->sent, at, count, window_us);
  learn_hour(baseline, at, count);
}

void
mt_baseline_learn_unknown(MtBaseline *baseline, MtTime at, gint64 window_us)
{
  add_tally(baseline->unknown, at, 1, window_us);
}

gint64
mt_baseline_tally(const GArray *tallies, MtTime at, gint64 window_us, MtTime *first)
{
  gint64 sum = 0;

  *first = at;
  for (guint i = 0; i < tallies->len; i++)
    {
      const MtTally *tally = &g_array_index(tallies, MtTally, i);

      if (tally->at < at - window_us || tally->at > at)
        continue;
      *first = MIN(*first, tally->at);
      sum += tally->count;
    }
  return sum;
}

/* ---- on disk ------------------------------------------------------------------------- */

static void
append_tallies(GString *text, gchar kind, const MtTally *tallies, guint count)
{
  for (guint i = 0; i < count; i++)
    g_string_append_printf(text, "%c\t%" G_GINT64_FORMAT "\t%" G_GINT64_FORMAT "\n", kind,
                           tallies[i].at, tallies[i].count);
}

static void
append_real(GString *text, gdouble value)
{
  gchar buffer[G_ASCII_DTOSTR_BUF_SIZE];

  g_string_append_printf(text, "\t%s", g_ascii_dtostr(buffer, sizeof buffer, value));
}

static void
append_place(GString *text, gchar kind, const MtSeenPlace *seen)
{
  gchar ip[MT_IP_TEXT_BYTES];

  if (seen->at == MT_NO_TIME)
    return;
  mt_ip_format(&seen->ip, ip);
  g_string_append_printf(text, "%c\t%" G_GINT64_FORMAT "\t%s\t%s\t%" G_GINT64_FORMAT "\t%u\t%s\t%s",
                         kind, seen->at, ip, seen->country, seen->asn, seen->anonymous, seen->city,
                         seen->session);
  if (seen->has_location)
    {
      append_real(text, seen->latitude);
      append_real(text, seen->longitude);
      append_real(text, seen->radius_km);
    }
  g_string_append_c(text, '\n');
}

void
mt_baseline_to_text(const MtBaseline *baseline, GString *text)
{
  for (guint i = 0; i < baseline->countries->len; i++)
    {
      const MtSeenCountry *seen = &g_array_index(baseline->countries, MtSeenCountry, i);

      g_string_append_printf(
          text, "country\t%s\t%" G_GINT64_FORMAT "\t%" G_GINT64_FORMAT "\t%" G_GINT64_FORMAT "\n",
          seen->country, seen->first, seen->last, seen->count);
    }
  for (guint i = 0; i < baseline->networks->len; i++)
    {
      const MtSeenNetwork *seen = &g_array_index(baseline->networks, MtSeenNetwork, i);

      g_string_append_printf(text,
                             "network\t%" G_GINT64_FORMAT "\t%" G_GINT64_FORMAT
                             "\t%" G_GINT64_FORMAT "\t%" G_GINT64_FORMAT "\t%" G_GINT64_FORMAT "\n",
                             seen->asn, seen->first, seen->last, seen->count, seen->anonymous);
    }
  for (guint i = 0; i < MT_BASELINE_PLACES; i++)
    append_place(text, 'p', &baseline->places[i]);
  append_place(text, 't', &baseline->solid);
  append_tallies(text, 'h', baseline->hours, G_N_ELEMENTS(baseline->hours));
  append_tallies(text, 's', (const MtTally *) baseline->sent->data, baseline->sent->len);
  append_tallies(text, 'u', (const MtTally *) baseline->unknown->data, baseline->unknown->len);
}

static gint64
number(gchar *const *fields, guint index)
{
  return g_ascii_strtoll(fields[index], NULL, 10);
}

static void
read_place(MtSeenPlace *seen, gchar *const *fields, guint count)
{
  if (count < 8 || !mt_ip_parse(mt_span_of_string(fields[2]), &seen->ip))
    return;
  seen->at = number(fields, 1);
  g_strlcpy(seen->country, fields[3], sizeof seen->country);
  seen->asn = number(fields, 4);
  seen->anonymous = number(fields, 5);
  g_strlcpy(seen->city, fields[6], sizeof seen->city);
  g_strlcpy(seen->session, fields[7], sizeof seen->session);
  seen->has_location = count >= 11;
  if (!seen->has_location)
    return;
  seen->latitude = g_ascii_strtod(fields[8], NULL);
  seen->longitude = g_ascii_strtod(fields[9], NULL);
  seen->radius_km = g_ascii_strtod(fields[10], NULL);
}

static void
read_seen(MtBaseline *baseline, gchar *const *fields, guint count)
{
  if (count == 5 && g_str_equal(fields[0], "country"))
    {
      MtSeenCountry seen = { "", number(fields, 2), number(fields, 3), number(fields, 4) };

      g_strlcpy(seen.country, fields[1], sizeof seen.country);
      g_array_append_val(baseline->countries, seen);
    }
  else if (count == 6 && g_str_equal(fields[0], "network"))
    {
      MtSeenNetwork seen = { number(fields, 1), number(fields, 2), number(fields, 3),
                             number(fields, 5), number(fields, 4) };

      g_array_append_val(baseline->networks, seen);
    }
}

/* How many of the kinds of which there may be more than one have been read. */
typedef struct
{
  guint places, hours;
} Read;

static void
read_line(MtBaseline *baseline, gchar *const *fields, Read *read)
{
  guint count = g_strv_length((gchar **) fields);
  MtTally tally = { 0 };

  if (count == 0 || fields[0][0] == '\0')
    return;
  if (fields[0][1])
    {
      read_seen(baseline, fields, count);
      return;
    }
  if (count == 3)
    tally = (MtTally){ number(fields, 1), number(fields, 2) };
  switch (fields[0][0])
    {
    case 'p':
      if (read->places < MT_BASELINE_PLACES)
        read_place(&baseline->places[read->places++], fields, count);
      return;
    case 't':
      read_place(&baseline->solid, fields, count);
      return;
    case 'h':
      if (read->hours < G_N_ELEMENTS(baseline->hours))
        baseline->hours[read->hours++] = tally;
      return;
    case 's':
      g_array_append_val(baseline->sent, tally);
      return;
    case 'u':
      g_array_append_val(baseline->unknown, tally);
      return;
    default:
      return;
    }
}

void
mt_baseline_from_text(MtBaseline *baseline, MtSpan text)
{
  gchar *copy = g_strndup(text.at, text.len);
  gchar **lines = g_strsplit(copy, "\n", -1);
  Read read = { 0 };

  for (guint i = 0; lines[i]; i++)
    {
      gchar **fields = g_strsplit(lines[i], "\t", -1);

      read_line(baseline, fields, &read);
      g_strfreev(fields);
    }
  g_strfreev(lines);
  g_free(copy);
}
