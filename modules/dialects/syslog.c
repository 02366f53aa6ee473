/* syslog.c: what system loggers say of lines that they lost
 *
 * Layer: dialects.  Concurrency: any thread; no state.
 *
 * systemd-journald 252 (src/journal/journald-server.c), rsyslog 5 to 8
 * (runtime/ratelimit.c; plugins/imuxsock/imuxsock.c before 7).  Their other lines are nobody's
 * mail: the dialect is asked line by line.
 */
#include "dialects/dialect.h"

/* "12 messages from postfix.service" */
static MtParse
read_suppressed(MtCursor *cur, MtEvent *event)
{
  guint64 count;

  if (!mt_scan_u64(cur, &count) || !MT_SCAN(cur, " messages from ") || cur->at == cur->end)
    return MT_PARSE_SKIP;
  mt_event_set_number(event, MT_F_COUNT, count);
  mt_event_set_text(event, MT_F_REASON, mt_cursor_rest(cur));
  return MT_PARSE_MATCH;
}

static const MtRule journald_rules[] = {
  MT_RULE("Suppressed ", LOSS, NULL, read_suppressed),
  MT_RULES_END,
};

/* Behind the input's name: "[pid 4711]", or since 8.2001 " from <host:tag>"; both are of the
 * program that wrote too much. */
static void
scan_writer(MtCursor *cur)
{
  MtCursor try = *cur;
  MtSpan writer;

  if ((MT_SCAN(&try, "[") && mt_scan_until(&try, ']', &writer))
      || (MT_SCAN(&try, " from <") && mt_scan_until(&try, '>', &writer)))
    *cur = try;
}

static MtParse
read_limited(MtCursor *cur, MtEvent *event)
{
  static const MtSpan lost = MT_SPAN_INIT(" messages lost due to rate-limiting");
  guint64 count;

  scan_writer(cur);
  if (!MT_SCAN(cur, ": "))
    return MT_PARSE_SKIP;
  mt_event_set_text(event, MT_F_REASON, mt_cursor_rest(cur));
  if (MT_SCAN(cur, "begin to drop messages due to rate-limiting"))
    return MT_PARSE_MATCH;
  if (!mt_scan_u64(cur, &count) || !mt_scan_span(cur, lost))
    return MT_PARSE_SKIP;
  mt_event_set_number(event, MT_F_COUNT, count);
  return MT_PARSE_MATCH;
}

static MtParse
read_lost(MtCursor *cur, MtEvent *event)
{
  guint64 count;

  if (!mt_scan_u64(cur, &count) || !MT_SCAN(cur, " messages from pid "))
    return MT_PARSE_SKIP;
  mt_event_set_number(event, MT_F_COUNT, count);
  MT_EVENT_SET_LITERAL(event, MT_F_REASON, "rate-limiting");
  return MT_PARSE_MATCH;
}

static const MtRule rsyslog_rules[] = {
  MT_RULE("imuxsock lost ", LOSS, NULL, read_lost),
  MT_RULE("imuxsock", LOSS, NULL, read_limited),
  MT_RULE("imjournal", LOSS, NULL, read_limited),
  MT_RULE("imptcp", LOSS, NULL, read_limited),
  MT_RULE("imtcp", LOSS, NULL, read_limited),
  MT_RULE("imudp", LOSS, NULL, read_limited),
  MT_RULES_END,
};

static void
claim(MtSpan program, MtClaim *claim)
{
  if (MT_SPAN_IS(program, "systemd-journald") || MT_SPAN_IS(program, "systemd-journal")
      || MT_SPAN_IS(program, "journal") || MT_SPAN_STARTS(program, "rsyslogd"))
    claim->strength = MT_CLAIM_SHAPE;
}

static MtParse
parse(const MtLine *line, const MtClaim *claim, MtEvent *event)
{
  const MtRule *rules = MT_SPAN_STARTS(line->program, "rsyslogd") ? rsyslog_rules : journald_rules;

  return mt_rules_apply(rules, line->text, event);
}

static const MtRule *const all_rules[] = { journald_rules, rsyslog_rules, NULL };

const MtDialect mt_dialect_syslog = { "syslog", claim, parse, all_rules };
