/* destination { mailtrail-null(); }: a threaded destination that does nothing, with mailtrail's
 * batches: what syslog-ng itself needs to hand over lines and to acknowledge them. */
#include "null-destination.h"

#include "logthrdest/logthrdestdrv.h"
#include "plugin-types.h"
#include "plugin.h"

#include <gmodule.h>

#define BATCH_LINES 20000

static LogThreadedResult
insert(LogThreadedDestDriver *s, LogMessage *msg)
{
  return LTR_QUEUED;
}

static LogThreadedResult
flush(LogThreadedDestDriver *s)
{
  return LTR_SUCCESS;
}

static const gchar *
format_stats_instance(LogThreadedDestDriver *s)
{
  return "null";
}

static const gchar *
persist_name(const LogPipe *s)
{
  return "mailtrail-null";
}

static void
free_null(LogPipe *s)
{
  log_threaded_dest_driver_free(s);
}

LogDriver *
mt_null_new(GlobalConfig *cfg)
{
  LogThreadedDestDriver *self = g_new0(LogThreadedDestDriver, 1);
  LogPipe *pipe = &self->super.super.super;

  log_threaded_dest_driver_init_instance(self, cfg);
  pipe->free_fn = free_null;
  pipe->generate_persist_name = persist_name;
  self->format_stats_instance = format_stats_instance;
  self->worker.insert = insert;
  self->worker.flush = flush;
  self->batch_lines = BATCH_LINES;
  return &self->super.super;
}

static Plugin plugins[] = {
  { .type = LL_CONTEXT_DESTINATION, .name = "mailtrail-null", .parser = &mtnull_parser },
};

gboolean mtnull_module_init(PluginContext *context, CfgArgs *args);

G_MODULE_EXPORT gboolean
mtnull_module_init(PluginContext *context, CfgArgs *args)
{
  plugin_register(context, plugins, G_N_ELEMENTS(plugins));
  return TRUE;
}

G_MODULE_EXPORT const ModuleInfo module_info = {
  .canonical_name = "mtnull",
  .version = "1",
  .description = "Does nothing, to be measured against.",
  .core_revision = SYSLOG_NG_SOURCE_REVISION,
  .plugins = plugins,
  .plugins_len = G_N_ELEMENTS(plugins),
};
