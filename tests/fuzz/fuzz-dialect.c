/* fuzz-dialect: lines of a stream through all dialects, or, behind one control byte, through one */
#include "fuzz/fuzz.h"
#include "dialects/dialect.h"

static const MtDialect *
choose(MtCursor *cur)
{
  gchar first = mt_cursor_peek(cur);
  gint count = 0;

  if (first <= 0 || first >= ' ' || first == '\n')
    return NULL;
  cur->at++;
  while (mt_dialects[count])
    count++;
  return mt_dialects[first % count];
}

static void
check_event(const MtEvent *event, const MtLine *line, MtSpan raw, GString *json)
{
  FUZZ_CHECK(event->kind < MT_EVENT_KIND_COUNT && event->parts >= 1);
  for (gint field = 0; field < MT_FIELD_COUNT; field++)
    {
      if (!mt_event_has(event, field))
        continue;
      if (mt_field_type(field) == MT_TYPE_TEXT)
        FUZZ_CHECK(fuzz_is_inside(event->value[field].text, raw));
      if (mt_field_type(field) == MT_TYPE_IP)
        FUZZ_CHECK(fuzz_is_inside(event->value[field].address.text, raw));
      if (mt_field_type(field) == MT_TYPE_WORD)
        FUZZ_CHECK(event->value[field].word < MT_WORD_COUNT);
    }
  g_string_truncate(json, 0);
  mt_event_append_json(event, line, json);
  FUZZ_CHECK(g_utf8_validate_len(json->str, json->len, NULL) && !strchr(json->str, '\n'));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  static MtParser parser; /* large; zero is empty */
  MtCursor cur = mt_cursor(fuzz_span(data, size));
  const MtDialect *only = choose(&cur);
  GString *json = g_string_new(NULL);
  MtStream stream;
  MtClock clock;

  mt_parser_init(&parser, only);
  mt_clock_init(&clock, NULL, G_GINT64_CONSTANT(1796000000000000), 0);
  mt_stream_init(&stream, &clock, only, MT_SPAN("host"));
  while (cur.at < cur.end)
    {
      MtSpan raw;
      MtEvent event;
      MtLine line;

      if (!mt_scan_until(&cur, '\n', &raw))
        {
          raw = mt_cursor_rest(&cur);
          cur.at = cur.end;
        }
      mt_stream_head(&stream, raw, &line);
      mt_parser_parse(&parser, &line, &event);
      check_event(&event, &line, raw, json);
      for (guint part = 1, parts = event.parts; part < parts; part++)
        {
          mt_parser_parse_part(&parser, &line, part, &event);
          check_event(&event, &line, raw, json);
        }
    }
  g_string_free(json, TRUE);
  return 0;
}
