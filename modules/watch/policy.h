/* policy.h: what is suspicious, for whom
 *
 * Layer: watch.  Concurrency: read-only once read; reference counted.
 *
 * The policy file of contract section 5: a GLib key file with [default],
 * [domain D], [account A] and [rule NAME].  A comment begins with '#', or with ';'
 * at the line's begin or behind white space.
 */
#ifndef MT_WATCH_POLICY_H
#define MT_WATCH_POLICY_H

#include "scan/ip.h"
#include "watch/alert.h"

#define MT_POLICY_ERROR (mt_policy_error_quark())

typedef enum
{
  MT_POLICY_ERROR_READ,
  MT_POLICY_ERROR_SYNTAX,
  MT_POLICY_ERROR_UNSAFE, /* others could write it */
} MtPolicyError;

GQuark mt_policy_error_quark(void);

/* The numbers of one rule; 0 where the rule has no such thing. */
typedef struct
{
  gboolean enabled;
  gint64 threshold;
  gint64 window_s;
  gint64 cooldown_s;
  MtSeverity severity;
  gboolean severity_is_set; /* the policy says so */
} MtRuleSettings;

/* What holds for one account: the account's own word, its domain's, the default. */
typedef struct
{
  /* NULL-terminated, upper case.  NULL: nothing said; empty: no country rule. */
  const gchar *const *usual_countries;
  gboolean notify;
  const gchar *notify_to; /* nullable */
  const gchar *on_alert;  /* nullable */
} MtAccountPolicy;

typedef struct MtPolicy MtPolicy;

/* mt_policy_new: the defaults, with nothing in them. */
MtPolicy *mt_policy_new(void);

/* mt_policy_read: @path's policy.  Returns: NULL with @error, one line: "FILE:LINE: what
 * is wrong; what to do". */
MtPolicy *mt_policy_read(const gchar *path, GError **error);

MtPolicy *mt_policy_ref(MtPolicy *policy);
void mt_policy_unref(MtPolicy *policy);

/* mt_policy_rule: @index: of the rule in mt_watch_rules. */
const MtRuleSettings *mt_policy_rule(const MtPolicy *policy, guint index);

/* mt_policy_account: what holds for @account, "" for nobody; @out borrows from the policy. */
void mt_policy_account(const MtPolicy *policy, MtSpan account, MtAccountPolicy *out);

/* mt_policy_excludes: never suspicious: the account, or for this account the address
 * (nullable), the country ("": unknown), the network (0: unknown). */
gboolean mt_policy_excludes(const MtPolicy *policy, MtSpan account, const MtIp *ip,
                            const gchar *country, gint64 asn);

/* mt_policy_describe: what applies to @account, for people: one "name: value" a line. */
gchar *mt_policy_describe(const MtPolicy *policy, MtSpan account);

#endif
