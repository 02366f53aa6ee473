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

/* The view is the policy, under a name that hosts may know. */
MtPolicyView *
mt_policy_view_open(const gchar *path, GError **error)
{
  return (MtPolicyView *) mt_policy_read(path, error);
}

void
mt_policy_view_free(MtPolicyView *view)
{
  mt_policy_unref((MtPolicy *) view);
}

gboolean
mt_policy_view_notifies(const MtPolicyView *view, const gchar *account, const gchar **to)
{
  MtAccountPolicy its;

  mt_policy_account((const MtPolicy *) view, mt_span_of_string(account), &its);
  *to = its.notify_to;
  return its.notify;
}

const gchar *
mt_policy_view_on_alert(const MtPolicyView *view)
{
  MtAccountPolicy its;

  mt_policy_account((const MtPolicy *) view, MT_NO_SPAN, &its);
  return its.on_alert;
}
