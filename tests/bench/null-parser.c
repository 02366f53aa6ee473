#include "null-destination.h"
#include "null-grammar.h"

extern int mtnull_debug;

int mtnull_parse(CfgLexer *lexer, void **instance, gpointer arg);

static CfgLexerKeyword keywords[] = {
  { "mailtrail_null", KW_MAILTRAIL_NULL },
  { NULL },
};

static void
forget(gpointer pipe)
{
  log_pipe_unref(pipe);
}

CfgParser mtnull_parser = {
#if SYSLOG_NG_ENABLE_DEBUG
  .debug_flag = &mtnull_debug,
#endif
  .name = "mailtrail-null",
  .keywords = keywords,
  .parse = mtnull_parse,
  .cleanup = forget,
};

CFG_PARSER_IMPLEMENT_LEXER_BINDING(mtnull_, MTNULL_, void **)
