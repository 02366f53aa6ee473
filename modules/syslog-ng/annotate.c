/* parser { mailtrail(); }: what a line says, as name-value pairs */
#include "mailtrail.h"
#include "no-parse.h"
#include "shared.h"

#include "engine/reader.h"
#include "scan/text.h"

#include "logmsg/tags.h"

#define DEFAULT_PREFIX ".mail."

typedef struct
{
  LogParser super;
  gchar *prefix;
  NVHandle event, dialect, fields[MT_FIELD_COUNT];
  LogTagId tag;
  MtSources *sources;
} MtAnnotate;

/* A file's lines may come by any thread; the parsers share what is known of it. */
static GMutex sources_lock;

/* What a reader remembers of program names; one a thread, since parsers run on any. */
static GPrivate readers = G_PRIVATE_INIT((GDestroyNotify) mt_reader_free);

static MtReader *
reader_of_thread(void)
{
  static const MtReaderSettings settings;
  MtReader *reader = g_private_get(&readers);

  if (!reader)
    {
      reader = mt_reader_new(&settings, NULL);
      g_private_set(&readers, reader);
    }
  return reader;
}

static void
set_values(MtAnnotate *self, LogMessage *msg, const MtEvent *event)
{
  GString *raw = g_string_new(NULL), *clean = g_string_new(NULL);

  log_msg_set_value(msg, self->event, mt_event_kind_name(event->kind), -1);
  log_msg_set_value(msg, self->dialect, event->dialect, -1);
  for (gint field = 0; field < MT_FIELD_COUNT; field++)
    {
      if (!mt_event_has(event, field))
        continue;
      g_string_truncate(raw, 0);
      g_string_truncate(clean, 0);
      mt_event_append_value(event, field, raw);
      mt_text_append_clean(clean, mt_span(raw->str, raw->len));
      log_msg_set_value(msg, self->fields[field], clean->str, clean->len);
    }
  log_msg_set_tag_by_id(msg, self->tag);
  g_string_free(raw, TRUE);
  g_string_free(clean, TRUE);
}

static void
read_parsed(const LogMessage *msg, MtSpan text, MtEvent *event)
{
  const UnixTime *stamp = &msg->timestamps[LM_TS_STAMP];
  MtLine line = { .time = stamp->ut_sec * MT_SECOND_US + stamp->ut_usec,
                  .host = mt_value_of(msg, LM_V_HOST),
                  .program = mt_value_of(msg, LM_V_PROGRAM),
                  .text = text };
  guint64 pid;

  line.pid = mt_span_to_u64(mt_value_of(msg, LM_V_PID), &pid) ? (gint64) pid : -1;
  mt_line_unfold_repeat(&line);
  mt_reader_parse(reader_of_thread(), &line, event);
}

static void
read_raw(MtAnnotate *self, const LogMessage *msg, MtSpan text, MtEvent *event)
{
  MtLine line;

  g_mutex_lock(&sources_lock);
  mt_no_parse_head(self->sources, msg, text, &line);
  mt_reader_parse(reader_of_thread(), &line, event);
  g_mutex_unlock(&sources_lock);
}

/* The text is copied before values are set: they may move what the spans point into. */
static gboolean
process(LogParser *s, LogMessage **pmsg, const LogPathOptions *path_options, const gchar *input,
        gsize input_len)
{
  MtAnnotate *self = (MtAnnotate *) s;
  gchar *text = g_memdup2(input, MAX(input_len, 1));
  MtEvent event;

  if (mt_no_parse_is(*pmsg))
    read_raw(self, *pmsg, mt_span(text, input_len), &event);
  else
    read_parsed(*pmsg, mt_span(text, input_len), &event);
  if (event.kind != MT_EVENT_OTHER)
    {
      log_msg_make_writable(pmsg, path_options);
      set_values(self, *pmsg, &event);
    }
  g_free(text);
  return TRUE;
}

void
mt_annotate_set_prefix(LogParser *parser, const gchar *prefix)
{
  MtAnnotate *self = (MtAnnotate *) parser;

  g_free(self->prefix);
  self->prefix = g_strdup(prefix);
}

static NVHandle
handle_of(const MtAnnotate *self, const gchar *name)
{
  gchar *full = g_strconcat(self->prefix, name, NULL);
  NVHandle handle = log_msg_get_value_handle(full);

  g_free(full);
  return handle;
}

static gboolean
init(LogPipe *s)
{
  MtAnnotate *self = (MtAnnotate *) s;

  self->event = handle_of(self, "event");
  self->dialect = handle_of(self, "dialect");
  for (gint field = 0; field < MT_FIELD_COUNT; field++)
    self->fields[field] = handle_of(self, mt_field_name(field));
  self->tag = log_tags_get_by_name("mail");
  g_mutex_lock(&sources_lock);
  self->sources = mt_shared_sources("parser");
  mt_sources_set_zone(self->sources, log_pipe_get_config(s)->recv_time_zone);
  g_mutex_unlock(&sources_lock);
  return log_parser_init_method(s);
}

static LogPipe *
clone_annotate(LogPipe *s)
{
  MtAnnotate *self = (MtAnnotate *) s;
  LogParser *copy = mt_annotate_new(s->cfg);

  mt_annotate_set_prefix(copy, self->prefix);
  log_parser_set_template(copy, log_template_ref(self->super.template));
  return &copy->super;
}

static void
free_annotate(LogPipe *s)
{
  g_free(((MtAnnotate *) s)->prefix);
  log_parser_free_method(s);
}

LogParser *
mt_annotate_new(GlobalConfig *cfg)
{
  MtAnnotate *self = g_new0(MtAnnotate, 1);

  log_parser_init_instance(&self->super, cfg);
  self->super.super.init = init;
  self->super.super.clone = clone_annotate;
  self->super.super.free_fn = free_annotate;
  self->super.process = process;
  self->prefix = g_strdup(DEFAULT_PREFIX);
  return &self->super;
}
