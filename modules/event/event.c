#include "event/event.h"
#include "scan/text.h"

static const gchar *const kind_names[] = {
#define X(id, name) name,
  MT_EVENT_KINDS(X)
#undef X
};

static const struct
{
  const gchar *name;
  MtFieldType type;
} fields[] = {
#define X(id, name, type) { name, MT_TYPE_##type },
  MT_FIELDS(X)
#undef X
};

static const gchar *const word_names[] = {
#define X(id, name) name,
  MT_WORDS(X)
#undef X
};

const gchar *
mt_event_kind_name(MtEventKind kind)
{
  return kind_names[kind];
}

const gchar *
mt_field_name(MtField field)
{
  return fields[field].name;
}

MtFieldType
mt_field_type(MtField field)
{
  return fields[field].type;
}

const gchar *
mt_word_name(MtWord word)
{
  return word_names[word];
}

/* The first byte tells most apart; no name is measured. */
static inline gboolean
is_called(const gchar *called, MtSpan name)
{
  return name.len && called[0] == name.at[0] && strncmp(called, name.at, name.len) == 0
         && called[name.len] == '\0';
}

gint
mt_field_by_name(MtSpan name)
{
  for (gint i = 0; i < MT_FIELD_COUNT; i++)
    if (is_called(fields[i].name, name))
      return i;
  return -1;
}

gint
mt_word_by_name(MtSpan name)
{
  for (gint i = 1; i < MT_WORD_COUNT; i++)
    if (is_called(word_names[i], name))
      return i;
  return -1;
}

gint
mt_event_kind_by_name(MtSpan name)
{
  for (gint i = 0; i < MT_EVENT_KIND_COUNT; i++)
    if (is_called(kind_names[i], name))
      return i;
  return -1;
}

/* Seconds with as many decimals as there are, at most six. */
static void
append_duration(GString *to, gint64 us)
{
  g_string_append_printf(to, "%" G_GINT64_FORMAT, us / MT_SECOND_US);
  if (us % MT_SECOND_US == 0)
    return;
  g_string_append_printf(to, ".%06d", (gint) (us % MT_SECOND_US));
  while (to->str[to->len - 1] == '0')
    g_string_truncate(to, to->len - 1);
}

static void
append_real(GString *to, gdouble real)
{
  gchar buffer[G_ASCII_DTOSTR_BUF_SIZE];

  g_string_append(to, g_ascii_formatd(buffer, sizeof buffer, "%.10g", real));
}

static void
append_ip(GString *to, const MtIp *ip)
{
  gchar text[MT_IP_TEXT_BYTES];

  g_string_append_len(to, text, mt_ip_format(ip, text));
}

void
mt_event_append_value(const MtEvent *event, MtField field, GString *to)
{
  const MtValue *value = &event->value[field];

  switch (fields[field].type)
    {
    case MT_TYPE_TEXT:
      g_string_append_len(to, value->text.at, value->text.len);
      break;
    case MT_TYPE_INTEGER:
      g_string_append_printf(to, "%" G_GINT64_FORMAT, value->number);
      break;
    case MT_TYPE_DURATION:
      append_duration(to, value->number);
      break;
    case MT_TYPE_REAL:
      append_real(to, value->real);
      break;
    case MT_TYPE_IP:
      append_ip(to, &value->address.ip);
      break;
    case MT_TYPE_WORD:
      g_string_append(to, word_names[value->word]);
      break;
    case MT_TYPE_BOOLEAN:
      g_string_append(to, value->number ? "yes" : "no");
      break;
    }
}

static void
append_json_value(const MtEvent *event, MtField field, GString *to)
{
  const MtValue *value = &event->value[field];

  switch (fields[field].type)
    {
    case MT_TYPE_TEXT:
      mt_text_append_json(to, value->text);
      break;
    case MT_TYPE_BOOLEAN:
      g_string_append(to, value->number ? "true" : "false");
      break;
    case MT_TYPE_IP:
    case MT_TYPE_WORD:
      g_string_append_c(to, '"');
      mt_event_append_value(event, field, to);
      g_string_append_c(to, '"');
      break;
    default:
      mt_event_append_value(event, field, to);
    }
}

static void
append_json_text(GString *to, const gchar *name, MtSpan text)
{
  if (!text.len)
    return;
  g_string_append_printf(to, "%s\"%s\":", to->str[to->len - 1] == '{' ? "" : ",", name);
  mt_text_append_json(to, text);
}

void
mt_event_append_json(const MtEvent *event, const MtLine *line, GString *to)
{
  gchar time[MT_TIME_TEXT_BYTES];

  g_string_append_c(to, '{');
  if (line->time != MT_NO_TIME)
    append_json_text(to, "time", mt_span(time, mt_time_format(line->time, time)));
  append_json_text(to, "host", line->host);
  append_json_text(to, "program", line->program);
  if (line->pid >= 0)
    g_string_append_printf(to, "%s\"pid\":%" G_GINT64_FORMAT,
                           to->str[to->len - 1] == '{' ? "" : ",", line->pid);
  append_json_text(to, "dialect", mt_span_of_string(event->dialect));
  append_json_text(to, "event", mt_span_of_string(kind_names[event->kind]));
  for (gint field = 0; field < MT_FIELD_COUNT; field++)
    if (mt_event_has(event, field))
      {
        g_string_append_printf(to, ",\"%s\":", fields[field].name);
        append_json_value(event, field, to);
      }
  g_string_append_c(to, '}');
}
