/* policy.h: the policy file for who only asks
 *
 * Layer: engine.  Concurrency: any thread.
 */
#ifndef MT_ENGINE_POLICY_H
#define MT_ENGINE_POLICY_H

#include <glib.h>

/* mt_engine_describe_policy: what @path (nullable: no file) says for @account ("": for
 * nobody), one "name: value" a line.  Returns: NULL with @error: "FILE:LINE: what is
 * wrong". (transfer full) */
gchar *mt_engine_describe_policy(const gchar *path, const gchar *account, GError **error);

#endif
