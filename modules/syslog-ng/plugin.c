#include "compat.h"
#include "mailtrail-parser.h"
#include "plugin-types.h"
#include "plugin.h"

#include <gmodule.h>

static Plugin plugins[] = {
  { .type = LL_CONTEXT_DESTINATION, .name = "mailtrail", .parser = &mailtrail_parser },
  { .type = LL_CONTEXT_SOURCE, .name = "mailtrail", .parser = &mailtrail_parser },
  { .type = LL_CONTEXT_PARSER, .name = "mailtrail", .parser = &mailtrail_parser },
};

gboolean mailtrail_module_init(PluginContext *context, CfgArgs *args);

G_MODULE_EXPORT gboolean
mailtrail_module_init(PluginContext *context, CfgArgs *args)
{
  plugin_register(context, plugins, G_N_ELEMENTS(plugins));
  return TRUE;
}

G_MODULE_EXPORT const ModuleInfo module_info = {
  .canonical_name = "mailtrail",
  .version = MT_VERSION,
  .description =
      "Mail logs as records in SQLite: what became of a mail, who logged in from where, "
      "and alerts about suspicious logins.",
  .core_revision = SYSLOG_NG_SOURCE_REVISION,
  .plugins = plugins,
  .plugins_len = G_N_ELEMENTS(plugins),
};
