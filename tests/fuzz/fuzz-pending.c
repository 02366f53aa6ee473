/* fuzz-pending: what waits in the store, whatever its bytes are */
#include "fuzz/fuzz.h"
#include "trail/private.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  MtPending pending = { .at = 0, .data = (gchar *) data, .data_bytes = size };
  GString *json = g_string_new(NULL);
  MtEvent event;
  MtLine line;

  mt_pending_read(&pending, &event, &line);
  for (gint field = 0; field < MT_FIELD_COUNT; field++)
    if (mt_event_has(&event, field) && mt_field_type(field) == MT_TYPE_TEXT)
      FUZZ_CHECK(fuzz_is_inside(event.value[field].text, fuzz_span(data, size)));
  mt_event_append_json(&event, &line, json);
  FUZZ_CHECK(g_utf8_validate_len(json->str, json->len, NULL));
  g_string_free(json, TRUE);
  return 0;
}
