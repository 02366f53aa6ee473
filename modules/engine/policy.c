#include "engine/policy.h"
#include "watch/policy.h"

gchar *
mt_engine_describe_policy(const gchar *path, const gchar *account, GError **error)
{
  MtPolicy *policy = path ? mt_policy_read(path, error) : mt_policy_new();
  gchar *text;

  if (!policy)
    return NULL;
  text = mt_policy_describe(policy, mt_span_of_string(account));
  mt_policy_unref(policy);
  return text;
}
