#include "hostile/hostile.h"

/* Fields that are somebody else's words, whatever the line. */
static const MtField strangers[] = {
  MT_F_SENDER,  MT_F_RECIPIENT, MT_F_ORIG_RECIPIENT, MT_F_HELO,     MT_F_CLIENT_NAME,
  MT_F_SUBJECT, MT_F_REPLY,     MT_F_MESSAGE_ID,     MT_F_MAILBOX,  MT_F_ORIG_CLIENT_NAME,
  MT_F_CLIENT,  MT_F_AUTH_USER, MT_F_RELAY_NAME,     MT_F_ARGUMENT, MT_F_TARGET,
};

GArray *
hostile_fixtures(const gchar *srcdir)
{
  GArray *fixtures = g_array_new(FALSE, FALSE, sizeof(HostileFixture));

  for (gint i = 0; mt_dialects[i]; i++)
    {
      HostileFixture fixture = { mt_dialects[i], NULL };
      gchar *path = g_strdup_printf("%s/tests/dialects/%s.spec", srcdir, mt_dialects[i]->name);
      GError *error = NULL;

      fixture.examples = spec_read(path, &error);
      if (!fixture.examples)
        g_error("%s", error->message);
      g_array_append_val(fixtures, fixture);
      g_free(path);
    }
  return fixtures;
}

/* The account of somebody who has not logged in. */
static gboolean
is_strangers(const MtEvent *event, MtField field)
{
  for (guint i = 0; i < G_N_ELEMENTS(strangers); i++)
    if (field == strangers[i])
      return TRUE;
  if (field == MT_F_ACCOUNT)
    return event->kind == MT_EVENT_LOGIN_FAILED || event->kind == MT_EVENT_DISCONNECT
           || event->kind == MT_EVENT_NOTICE;
  return field == MT_F_TEXT && event->kind != MT_EVENT_UNKNOWN;
}

static const SpecWritten *
way_of(const HostilePlace *place)
{
  const SpecWritten *ways = place->example->written[place->field];
  MtSpan before = mt_span(place->example->line->str, place->at);

  for (guint i = 0; i < SPEC_WAYS - 1; i++)
    if (mt_span_ends(before, mt_span_of_string(ways[i].behind)))
      return &ways[i];
  return &ways[SPEC_WAYS - 1];
}

/* Does the text hold what says who it was?  Then it is not a stranger's alone. */
static gboolean
holds_who(const MtEvent *event, MtField field, MtSpan text)
{
  static const MtField who[] = { MT_F_QUEUE_ID, MT_F_ACCOUNT, MT_F_AUTH_USER, MT_F_SESSION,
                                 MT_F_CLIENT_IP };

  for (guint i = 0; i < G_N_ELEMENTS(who); i++)
    {
      MtSpan its =
          who[i] == MT_F_CLIENT_IP ? mt_event_ip_text(event, who[i]) : mt_event_text(event, who[i]);

      if (who[i] != field && its.len && its.at >= text.at && its.at < text.at + text.len)
        return TRUE;
    }
  return FALSE;
}

GArray *
hostile_places(const HostileFixture *fixture)
{
  GArray *places = g_array_new(FALSE, FALSE, sizeof(HostilePlace));

  for (guint i = 0; i < fixture->examples->len; i++)
    {
      HostilePlace place = { .example = g_ptr_array_index(fixture->examples, i) };
      const GString *line = place.example->line;
      MtLine head;

      spec_parse(place.example, line->str, line->len, &head, &place.event);
      for (gint field = 0; field < MT_FIELD_COUNT; field++)
        {
          MtSpan text = mt_event_text(&place.event, field);

          if (mt_field_type(field) != MT_TYPE_TEXT || !is_strangers(&place.event, field)
              || !text.len || text.at < head.text.at || text.at > line->str + line->len
              || holds_who(&place.event, field, text)
              || place.example->forgeable[field >> 6] >> (field & 63) & 1)
            continue;
          place.field = field;
          place.at = text.at - line->str;
          place.len = text.len;
          place.way = *way_of(&place);
          g_array_append_val(places, place);
        }
    }
  return places;
}

static gboolean
needs_quotes(const gchar *local, gsize len)
{
  for (gsize i = 0; i < len; i++)
    if (!g_ascii_isalnum(local[i]) && !strchr("!#$%&'*+-/=?^_`{|}~.", local[i] ? local[i] : ' '))
      return TRUE;
  return FALSE;
}

/* RFC 5321 4.1.2: Quoted-string "@" Domain */
static void
append_address(GString *to, MtSpan text)
{
  const gchar *at = text.len ? memrchr(text.at, '@', text.len) : NULL;
  gsize local = at ? (gsize) (at - text.at) : text.len;

  gboolean quotes = needs_quotes(text.at, local);

  if (quotes)
    g_string_append_c(to, '"');
  for (gsize i = 0; i < local; i++)
    {
      if (quotes && (text.at[i] == '"' || text.at[i] == '\\'))
        g_string_append_c(to, '\\');
      g_string_append_c(to, text.at[i]);
    }
  if (quotes)
    g_string_append_c(to, '"');
  /* A domain: no other bytes get past the daemon. */
  if (at && local + 1 >= text.len)
    g_string_append(to, "@example.net");
  for (gsize i = local; local + 1 < text.len && i < text.len; i++)
    g_string_append_c(
        to, g_ascii_isalnum(text.at[i]) || strchr("@.-", text.at[i] ? text.at[i] : '?') ? text.at[i]
                                                                                        : '-');
}

static void
append_written(GString *to, MtSpan text, const SpecWritten *way)
{
  gsize start = to->len;

  if (way->most)
    text.len = MIN(text.len, way->most); /* before it is quoted */
  if (way->quoted)
    append_address(to, text);
  else
    g_string_append_len(to, text.at, text.len);
  for (gsize i = start; i < to->len; i++)
    {
      gchar *c = &to->str[i];

      if (way->hostname && !g_ascii_isalnum(*c) && *c != '.' && *c != '-')
        *c = '-';
      if ((way->printable && (*c < ' ' || *c > '~')) || (*c && strchr(way->without, *c)))
        *c = '?';
      if (way->username && !g_ascii_isalnum(*c) && !strchr("@._-", *c ? *c : '?'))
        *c = '_';
      if (way->word && *c == ' ')
        *c = '_';
    }
}

GString *
hostile_written(const HostilePlace *place, MtSpan text)
{
  GString *written = g_string_sized_new(text.len + 16);

  append_written(written, text, &place->way);
  return written;
}

static gboolean
is_prose(MtField field)
{
  return field == MT_F_REASON || field == MT_F_REPLY || field == MT_F_TEXT || field == MT_F_SUBJECT;
}

/* Is what stands at @at the same word as in the field, quoted in prose, but no other field's? */
static gboolean
is_quoted_there(const HostilePlace *place, const gchar *at)
{
  const GString *line = place->example->line;
  const gchar *end = at + place->len;
  /* A header is cut off, with all that it quotes. */
  MtSpan stage = mt_event_text(&place->event, MT_F_STAGE);
  gboolean header = MT_SPAN_IS(stage, "header") || MT_SPAN_IS(stage, "mime-error");

  if (g_ascii_isalnum(at[-1]) || strchr("@.-_", at[-1]))
    return FALSE;
  if (end < line->str + line->len && (g_ascii_isalnum(*end) || strchr("@-_", *end)))
    return FALSE;
  for (gint field = 0; field < MT_FIELD_COUNT; field++)
    {
      MtSpan text;

      if (mt_field_type(field) != MT_TYPE_TEXT || field == (gint) place->field
          || (is_prose(field) && field != MT_F_SUBJECT && !header))
        continue;
      text = mt_event_text(&place->event, field);
      if (text.len && at < text.at + text.len && end > text.at)
        return FALSE;
    }
  return TRUE;
}

GString *
hostile_line(const HostilePlace *place, const GString *written)
{
  const GString *from = place->example->line;
  MtSpan was = mt_span(from->str + place->at, place->len);
  const gchar *at = from->str, *end = from->str + from->len, *next;
  GString *line = g_string_sized_new(from->len + 2 * written->len);
  gsize head = MIN(place->at, 30); /* the stamp and the host are nobody's */

  g_string_append_len(line, at, head);
  at += head;
  while ((next = mt_span_find(mt_span(at, end - at), was)))
    {
      gboolean here = next == was.at || is_quoted_there(place, next);

      g_string_append_len(line, at, next - at);
      g_string_append_len(line, here ? written->str : next, here ? written->len : was.len);
      at = next + was.len;
    }
  g_string_append_len(line, at, end - at);
  return line;
}

gchar *
hostile_parse(const SpecExample *example, MtSpan line, MtEvent *event)
{
  gchar *copy = g_memdup2(line.at, MAX(line.len, 1));
  MtLine head;

  spec_parse(example, copy, line.len, &head, event);
  return copy;
}

gboolean
hostile_stays_inside(const MtEvent *event, const gchar *at, gsize len)
{
  for (gint field = 0; field < MT_FIELD_COUNT; field++)
    {
      MtSpan text;

      if (!mt_event_has(event, field)
          || (mt_field_type(field) != MT_TYPE_TEXT && mt_field_type(field) != MT_TYPE_IP))
        continue;
      text = mt_field_type(field) == MT_TYPE_IP ? event->value[field].address.text
                                                : event->value[field].text;
      if (text.at >= at && text.at <= at + len && text.len > len - (text.at - at))
        return FALSE;
    }
  return TRUE;
}
