#include "mailtrail.h"
#include "mailtrail-parser.h"
#include "mailtrail-grammar.h"

extern int mailtrail_debug;

int mailtrail_parse(CfgLexer *lexer, void **instance, gpointer arg);

/* syslog-ng compares names with '_' for '-'. */
static CfgLexerKeyword keywords[] = {
  { "mailtrail", KW_MAILTRAIL },
  { "database", KW_DATABASE },
  { "retention", KW_RETENTION },
  { "max_size", KW_MAX_SIZE },
  { "raw_lines", KW_RAW_LINES },
  { "local_domains", KW_LOCAL_DOMAINS },
  { "local_networks", KW_LOCAL_NETWORKS },
  { "geoip_database", KW_GEOIP_DATABASE },
  { "asn_database", KW_ASN_DATABASE },
  { "anonymous_ip_database", KW_ANONYMOUS_IP_DATABASE },
  { "policy_file", KW_POLICY_FILE },
  { "ignore_access", KW_IGNORE_ACCESS },
  { "ignore_mail", KW_IGNORE_MAIL },
  { "exclude_ips", KW_EXCLUDE_IPS },
  { "trusted_uids", KW_TRUSTED_UIDS },
  { "store_subject", KW_STORE_SUBJECT },
  { "store_unknown_accounts", KW_STORE_UNKNOWN_ACCOUNTS },
  { "prefix", KW_PREFIX },
  { "events", KW_EVENTS },
  { "start", KW_START },
  { NULL },
};

static void
forget(gpointer pipe)
{
  log_pipe_unref(pipe);
}

CfgParser mailtrail_parser = {
#if SYSLOG_NG_ENABLE_DEBUG
  .debug_flag = &mailtrail_debug,
#endif
  .name = "mailtrail",
  .keywords = keywords,
  .parse = mailtrail_parse,
  .cleanup = forget,
};

CFG_PARSER_IMPLEMENT_LEXER_BINDING(mailtrail_, MAILTRAIL_, void **)
