/* null-destination.h: the floor that destination { mailtrail(); } is measured against */
#ifndef MT_BENCH_NULL_DESTINATION_H
#define MT_BENCH_NULL_DESTINATION_H

#include "cfg-lexer.h"
#include "cfg-parser.h"
#include "driver.h"

extern CfgParser mtnull_parser;

CFG_PARSER_DECLARE_LEXER_BINDING(mtnull_, MTNULL_, void **)

LogDriver *mt_null_new(GlobalConfig *cfg);

#endif
