/* mailtrail-parser.h: how syslog-ng's lexer and our grammar meet
 *
 * Layer: syslog-ng.  Concurrency: configuration time, main thread.
 */
#ifndef MT_SYSLOG_NG_MAILTRAIL_PARSER_H
#define MT_SYSLOG_NG_MAILTRAIL_PARSER_H

#include "cfg-lexer.h"
#include "cfg-parser.h"

extern CfgParser mailtrail_parser;

CFG_PARSER_DECLARE_LEXER_BINDING(mailtrail_, MAILTRAIL_, void **)

#endif
