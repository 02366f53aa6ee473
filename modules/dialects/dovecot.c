/* dovecot.c: the lines of Dovecot 2.3 and 2.4
 *
 * Layer: dialects.  Concurrency: any thread; no state.
 */
#include "dialects/dialect.h"

static void
claim(MtSpan program, MtClaim *claim)
{
  if (MT_SPAN_IS(program, "dovecot"))
    claim->strength = MT_CLAIM_NAME;
}

static MtParse
parse(const MtLine *line, const MtClaim *claim, MtEvent *event)
{
  return MT_PARSE_SKIP;
}

static const MtRule *const all_rules[] = { NULL };

const MtDialect mt_dialect_dovecot = { "dovecot", claim, parse, all_rules };
