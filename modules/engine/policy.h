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

/* A policy that is asked for many accounts. */
typedef struct MtPolicyView MtPolicyView;

/* mt_policy_view_open: NULL with @error, as above. */
MtPolicyView *mt_policy_view_open(const gchar *path, GError **error);
void mt_policy_view_free(MtPolicyView *view);

/* mt_policy_view_notifies: alerts of @account ("": nobody's) are to be told.  @to: nullable
 * on return: to whom; valid as long as the view. */
gboolean mt_policy_view_notifies(const MtPolicyView *view, const gchar *account, const gchar **to);

/* mt_policy_view_on_alert: the program for each alert; nullable. */
const gchar *mt_policy_view_on_alert(const MtPolicyView *view);

#endif
