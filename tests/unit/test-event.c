#include "event/event.h"

static void
test_names_are_found_again(void)
{
  for (gint i = 0; i < MT_FIELD_COUNT; i++)
    g_assert_cmpint(mt_field_by_name(mt_span_of_string(mt_field_name(i))), ==, i);
  for (gint i = 1; i < MT_WORD_COUNT; i++)
    g_assert_cmpint(mt_word_by_name(mt_span_of_string(mt_word_name(i))), ==, i);
  for (gint i = 0; i < MT_EVENT_KIND_COUNT; i++)
    g_assert_cmpint(mt_event_kind_by_name(mt_span_of_string(mt_event_kind_name(i))), ==, i);
  g_assert_cmpint(mt_field_by_name(MT_SPAN("nonsense")), ==, -1);
  g_assert_cmpint(mt_word_by_name(MT_SPAN("")), ==, -1);
}

static void
test_json(void)
{
  MtEvent event;
  MtLine line = { .time = G_GINT64_CONSTANT(1773060231000000),
                  .host = MT_SPAN_INIT("mx"),
                  .program = MT_SPAN_INIT("postfix/smtp"),
                  .pid = 42 };
  GString *json = g_string_new(NULL);

  mt_event_clear(&event);
  event.kind = MT_EVENT_DELIVERY;
  event.dialect = "postfix";
  MT_EVENT_SET_LITERAL(&event, MT_F_RECIPIENT, "a\"b@example.com");
  g_assert_true(mt_event_set_ip(&event, MT_F_RELAY_IP, MT_SPAN("192.0.2.7")));
  g_assert_false(mt_event_set_ip(&event, MT_F_CLIENT_IP, MT_SPAN("unknown")));
  mt_event_set_number(&event, MT_F_RELAY_PORT, 25);
  mt_event_set_number(&event, MT_F_DELAY, 80000);
  mt_event_set_number(&event, MT_F_TLS, 1);
  mt_event_set_real(&event, MT_F_SCORE, -1.5);
  mt_event_set_word(&event, MT_F_STATUS, MT_WORD_SENT);
  mt_event_append_json(&event, &line, json);
  g_assert_cmpstr(json->str, ==,
                  "{\"time\":\"2026-03-09T12:43:51.000000Z\",\"host\":\"mx\","
                  "\"program\":\"postfix/smtp\",\"pid\":42,\"dialect\":\"postfix\","
                  "\"event\":\"delivery\",\"tls\":true,\"recipient\":\"a\\\"b@example.com\","
                  "\"relay_ip\":\"192.0.2.7\",\"relay_port\":25,\"delay\":0.08,"
                  "\"status\":\"sent\",\"score\":-1.5}");
  g_string_free(json, TRUE);
}

static void
test_json_without_anything(void)
{
  MtEvent event;
  MtLine line = { .time = MT_NO_TIME, .pid = -1 };
  GString *json = g_string_new(NULL);

  mt_event_clear(&event);
  mt_event_append_json(&event, &line, json);
  g_assert_cmpstr(json->str, ==, "{\"event\":\"other\"}");
  g_string_free(json, TRUE);
}

int
main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/event/names", test_names_are_found_again);
  g_test_add_func("/event/json", test_json);
  g_test_add_func("/event/json-empty", test_json_without_anything);
  return g_test_run();
}
