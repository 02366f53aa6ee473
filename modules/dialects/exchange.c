/* exchange.c: message tracking and SMTP protocol logs of Exchange 2007 to 2019
 *
 * Layer: dialects.  Concurrency: any thread; no state.
 *
 * Both are tables of comma-separated cells (RFC 4180) whose columns the file's own
 * "#Fields:" line names, in any order; without one the documented order counts
 * (Microsoft, "Message tracking" and "Protocol logging", Exchange Server 2007 to
 * 2019).  Subjects, addresses, names and replies are strangers' text: Exchange puts
 * a cell that holds a comma or a quote into quotes and doubles the quotes in it, and
 * only that decides where a cell ends.  A doubled quote stays doubled here.
 */
#include "dialects/dialect.h"

typedef enum
{
  COL_OTHER,
  COL_TIME,
  /* message tracking */
  COL_CLIENT_IP,
  COL_CLIENT_NAME,
  COL_SERVER_IP,
  COL_SERVER_NAME,
  COL_SOURCE_CONTEXT,
  COL_SOURCE,
  COL_EVENT_ID,
  COL_INTERNAL_ID,
  COL_MESSAGE_ID,
  COL_NETWORK_ID,
  COL_RECIPIENT,
  COL_RECIPIENT_STATUS,
  COL_SIZE,
  COL_NRCPT,
  COL_RELATED,
  COL_REFERENCE,
  COL_SUBJECT,
  COL_SENDER,
  COL_RETURN_PATH,
  COL_DIRECTIONALITY,
  COL_ORIGINAL_IP,
  /* protocol logs */
  COL_CONNECTOR,
  COL_SESSION,
  COL_SEQUENCE,
  COL_LOCAL,
  COL_REMOTE,
  COL_EVENT,
  COL_DATA,
  COL_CONTEXT,
  COLUMNS
} Column;

static const struct
{
  MtSpan name;
  Column column;
} column_names[] = {
  { MT_SPAN_INIT("date-time"), COL_TIME },
  { MT_SPAN_INIT("client-ip"), COL_CLIENT_IP },
  { MT_SPAN_INIT("client-hostname"), COL_CLIENT_NAME },
  { MT_SPAN_INIT("server-ip"), COL_SERVER_IP },
  { MT_SPAN_INIT("server-hostname"), COL_SERVER_NAME },
  { MT_SPAN_INIT("source-context"), COL_SOURCE_CONTEXT },
  { MT_SPAN_INIT("connector-id"), COL_CONNECTOR },
  { MT_SPAN_INIT("source"), COL_SOURCE },
  { MT_SPAN_INIT("event-id"), COL_EVENT_ID },
  { MT_SPAN_INIT("internal-message-id"), COL_INTERNAL_ID },
  { MT_SPAN_INIT("message-id"), COL_MESSAGE_ID },
  { MT_SPAN_INIT("network-message-id"), COL_NETWORK_ID },
  { MT_SPAN_INIT("recipient-address"), COL_RECIPIENT },
  { MT_SPAN_INIT("recipient-status"), COL_RECIPIENT_STATUS },
  { MT_SPAN_INIT("total-bytes"), COL_SIZE },
  { MT_SPAN_INIT("recipient-count"), COL_NRCPT },
  { MT_SPAN_INIT("related-recipient-address"), COL_RELATED },
  { MT_SPAN_INIT("reference"), COL_REFERENCE },
  { MT_SPAN_INIT("message-subject"), COL_SUBJECT },
  { MT_SPAN_INIT("sender-address"), COL_SENDER },
  { MT_SPAN_INIT("return-path"), COL_RETURN_PATH },
  { MT_SPAN_INIT("directionality"), COL_DIRECTIONALITY },
  { MT_SPAN_INIT("original-client-ip"), COL_ORIGINAL_IP },
  { MT_SPAN_INIT("session-id"), COL_SESSION },
  { MT_SPAN_INIT("sequence-number"), COL_SEQUENCE },
  { MT_SPAN_INIT("local-endpoint"), COL_LOCAL },
  { MT_SPAN_INIT("remote-endpoint"), COL_REMOTE },
  { MT_SPAN_INIT("event"), COL_EVENT },
  { MT_SPAN_INIT("data"), COL_DATA },
  { MT_SPAN_INIT("context"), COL_CONTEXT },
};

/* The documented orders.  network-message-id came with 2013, what stands behind
 * return-path with 2010 SP1; what is behind that says nothing here. */
static const guint8 tracking_order[] = {
  COL_TIME,        COL_CLIENT_IP,        COL_CLIENT_NAME,
  COL_SERVER_IP,   COL_SERVER_NAME,      COL_SOURCE_CONTEXT,
  COL_CONNECTOR,   COL_SOURCE,           COL_EVENT_ID,
  COL_INTERNAL_ID, COL_MESSAGE_ID,       COL_NETWORK_ID,
  COL_RECIPIENT,   COL_RECIPIENT_STATUS, COL_SIZE,
  COL_NRCPT,       COL_RELATED,          COL_REFERENCE,
  COL_SUBJECT,     COL_SENDER,           COL_RETURN_PATH,
  COL_OTHER,       COL_DIRECTIONALITY,   COL_OTHER,
  COL_ORIGINAL_IP,
};

static const guint8 protocol_order[] = {
  COL_TIME,   COL_CONNECTOR, COL_SESSION, COL_SEQUENCE, COL_LOCAL,
  COL_REMOTE, COL_EVENT,     COL_DATA,    COL_CONTEXT,
};

#define NETWORK_ID_CELL 11
#define GUID_BYTES 36

typedef struct
{
  MtSpan cell[COLUMNS];
} Row;

/* ---- cells ------------------------------------------------------------------ */

/* Behind a quoted cell stands a comma or the end; else its quotes are text. */
static gboolean
scan_quoted_cell(MtCursor *cur, MtSpan *cell)
{
  const gchar *at = cur->at + 1;

  while ((at = at < cur->end ? memchr(at, '"', cur->end - at) : NULL))
    {
      if (at + 1 < cur->end && at[1] == '"')
        {
          at += 2;
          continue;
        }
      if (at + 1 < cur->end && at[1] != ',')
        return FALSE;
      *cell = mt_span(cur->at + 1, at - cur->at - 1);
      cur->at = at + 1;
      return TRUE;
    }
  return FALSE;
}

/* A row is one cell more than it has commas, which are looked for in sixteen bytes at once: most
 * cells are short or empty. */
typedef struct
{
  MtCursor cur;
  gboolean more;
  const gchar *block; /* whose commas are known */
  guint commas;       /* of them, those that no cell before had */
} Cells;

static inline void
find_commas(Cells *cells, const gchar *block)
{
  gsize left = cells->cur.end - block;

  cells->block = block;
  cells->commas = 0;
  if (left >= MT_BLOCK_BYTES)
    cells->commas = mt_block_hits(block, ',');
  else
    for (gsize i = 0; i < left; i++)
      cells->commas |= (block[i] == ',') << i;
}

static inline const gchar *
next_comma(Cells *cells)
{
  const gchar *comma;

  while (!cells->commas)
    {
      if (cells->cur.end - cells->block <= MT_BLOCK_BYTES)
        return NULL;
      find_commas(cells, cells->block + MT_BLOCK_BYTES);
    }
  comma = cells->block + __builtin_ctz(cells->commas);
  cells->commas &= cells->commas - 1;
  return comma;
}

static inline Cells
cells_of(MtSpan row)
{
  Cells cells = { mt_cursor(row), row.len > 0, NULL, 0 };

  if (cells.more)
    find_commas(&cells, row.at);
  return cells;
}

/* Returns: the cell; at is NULL behind the last. */
static inline MtSpan
next_cell(Cells *cells)
{
  MtCursor quoted = cells->cur;
  MtSpan inside, cell = mt_cursor_rest(&cells->cur);
  const gchar *comma;

  if (!cells->more)
    return MT_NO_SPAN;
  if (cell.len && cell.at[0] == '"' && scan_quoted_cell(&quoted, &inside))
    {
      cell = inside;
      find_commas(cells, quoted.at);
      comma = next_comma(cells);
    }
  else if ((comma = next_comma(cells)))
    cell.len = comma - cell.at;
  cells->more = comma != NULL;
  cells->cur.at = comma ? comma + 1 : cells->cur.end;
  return cell;
}

static gboolean
is_guid(MtSpan cell)
{
  return cell.len == GUID_BYTES && cell.at[8] == '-' && cell.at[13] == '-' && cell.at[18] == '-'
         && cell.at[23] == '-';
}

/* @columns: NULL where no header said them. */
static void
read_row(MtSpan text, const guint8 *columns, guint n_columns, gboolean tracking, Row *row)
{
  Cells cells = cells_of(text);
  gboolean documented = !columns;

  memset(row, 0, sizeof *row);
  if (documented)
    {
      columns = tracking ? tracking_order : protocol_order;
      n_columns = tracking ? sizeof tracking_order : sizeof protocol_order;
    }
  for (guint i = 0, c = 0; c < n_columns; i++, c++)
    {
      MtSpan cell = next_cell(&cells);

      if (!cell.at)
        return;
      if (documented && tracking && i == NETWORK_ID_CELL && !is_guid(cell))
        c++; /* before 2013 */
      row->cell[columns[c]] = cell;
    }
}

/* ---- heads of rows ------------------------------------------------------------- */

static const MtSpan tracking_program = MT_SPAN_INIT("exchange/tracking");
static const MtSpan protocol_program = MT_SPAN_INIT("exchange/protocol");

static guint8
column_of(MtSpan name)
{
  for (guint i = 0; i < G_N_ELEMENTS(column_names); i++)
    if (mt_span_equal(column_names[i].name, name))
      return column_names[i].column;
  return COL_OTHER;
}

static void
read_header(MtSpan names, MtStream *stream)
{
  Cells cells = cells_of(names);
  MtSpan name;

  for (stream->n_columns = 0; stream->n_columns < MT_STREAM_COLUMNS;)
    {
      name = next_cell(&cells);
      if (!name.at)
        return;
      stream->columns[stream->n_columns++] = column_of(mt_span_trim(name));
    }
}

static gboolean
has_column(const MtStream *stream, Column column)
{
  return stream->n_columns && memchr(stream->columns, column, stream->n_columns);
}

/* "+" connected, "-" disconnected, ">" sent, "<" received, "*" for information */
static gboolean
is_protocol_event(MtSpan event)
{
  return event.len == 1 && memchr("+-><*", event.at[0], 5);
}

static gboolean
is_capitals(MtSpan word)
{
  for (gsize i = 0; i < word.len; i++)
    if (word.at[i] < 'A' || word.at[i] > 'Z')
      return FALSE;
  return word.len > 0;
}

/* Where the documented tables say what they are. */
#define PROTOCOL_SEQUENCE_CELL 3
#define PROTOCOL_EVENT_CELL 6
#define TRACKING_SOURCE_CELL 7
#define TRACKING_EVENT_ID_CELL 8
#define TELLING_CELLS 9

/* Which of the documented tables a row is of: 't', 'p' or NUL. */
static gchar
guess_table(MtSpan raw)
{
  MtSpan cell[TELLING_CELLS];
  Cells cells = cells_of(raw);
  guint64 number;

  for (guint i = 0; i < TELLING_CELLS; i++)
    cell[i] = next_cell(&cells);
  if (is_protocol_event(cell[PROTOCOL_EVENT_CELL])
      && mt_span_to_u64(cell[PROTOCOL_SEQUENCE_CELL], &number))
    return 'p';
  if (is_capitals(cell[TRACKING_SOURCE_CELL]) && is_capitals(cell[TRACKING_EVENT_ID_CELL]))
    return 't';
  return '\0';
}

static MtSpan
without_bom(MtSpan raw)
{
  MtCursor cur = mt_cursor(raw);

  MT_SCAN(&cur, "\xef\xbb\xbf");
  return mt_cursor_rest(&cur);
}

static gint
sniff(MtSpan raw)
{
  MtCursor cur = mt_cursor(without_bom(raw));
  MtClock clock;
  MtTime time;

  if (MT_SCAN(&cur, "#Software: Microsoft Exchange"))
    return 100;
  if (MT_SCAN(&cur, "#Fields: "))
    {
      Cells cells = cells_of(mt_cursor_rest(&cur));
      MtSpan name = next_cell(&cells);

      return name.at && column_of(name) != COL_OTHER ? 100 : 0;
    }
  mt_clock_init(&clock, NULL, 0, 0);
  if (!mt_scan_stamp_iso(&cur, &clock, &time) || !mt_scan_char(&cur, ','))
    return 0;
  return guess_table(raw) ? 100 : 0;
}

/* The first cell, but where a header says otherwise. */
static MtSpan
time_cell(MtSpan raw, const MtStream *stream)
{
  Cells cells = cells_of(raw);
  MtSpan cell = next_cell(&cells), last = cell;

  for (guint c = 0; cell.at && c < stream->n_columns; c++)
    {
      if (stream->columns[c] == COL_TIME)
        return cell;
      last = cell;
      cell = next_cell(&cells);
    }
  return cell.at ? cell : last;
}

static gboolean
head(MtSpan raw, MtStream *stream, MtLine *out)
{
  MtCursor cur = mt_cursor(without_bom(raw));
  gboolean tracking;
  MtCursor stamp;

  if (MT_SCAN(&cur, "#Fields: "))
    read_header(mt_cursor_rest(&cur), stream);
  if (raw.len == 0 || mt_cursor_peek(&cur) == '#' || cur.at != without_bom(raw).at)
    return FALSE;
  if (stream->n_columns)
    tracking = has_column(stream, COL_EVENT_ID);
  else
    tracking = guess_table(raw) == 't';
  stamp = mt_cursor(time_cell(raw, stream));
  if (!mt_scan_stamp_iso(&stamp, &stream->clock, &out->time))
    return FALSE;
  out->program = tracking ? tracking_program : protocol_program;
  out->text = raw;
  out->columns = stream->n_columns ? stream->columns : NULL;
  out->n_columns = stream->n_columns;
  return TRUE;
}

static const MtFileFormat file_format = { sniff, head };

/* ---- message tracking: what the event IDs are -------------------------------------- */

static MtParse
exactly(MtCursor *cur, MtEvent *event)
{
  return cur->at == cur->end ? MT_PARSE_MATCH : MT_PARSE_SKIP;
}

static MtParse
ends_with(MtCursor *cur, MtEvent *event, MtWord status)
{
  mt_event_set_word(event, MT_F_STATUS, status);
  return exactly(cur, event);
}

static MtParse
as_sent(MtCursor *cur, MtEvent *event)
{
  return ends_with(cur, event, MT_WORD_SENT);
}

static MtParse
as_bounced(MtCursor *cur, MtEvent *event)
{
  return ends_with(cur, event, MT_WORD_BOUNCED);
}

static MtParse
as_deferred(MtCursor *cur, MtEvent *event)
{
  return ends_with(cur, event, MT_WORD_DEFERRED);
}

static MtParse
as_discarded(MtCursor *cur, MtEvent *event)
{
  return ends_with(cur, event, MT_WORD_DISCARDED);
}

static const MtRule tracking_rules[] = {
  MT_RULE("RECEIVE", ACCEPT, NULL, exactly),
  MT_RULE("DSN", ACCEPT, NULL, exactly),
  MT_RULE("TRANSFER", ACCEPT, NULL, exactly), /* recipients moved to a forked message */
  MT_RULE("DELIVERFAIL", NOTICE, NULL, exactly),
  MT_RULE("DELIVER", DELIVERY, NULL, as_sent),
  MT_RULE("SENDEXTERNAL", DELIVERY, NULL, as_sent),
  MT_RULE("SEND", DELIVERY, NULL, as_sent),
  MT_RULE("FAIL", DELIVERY, NULL, as_bounced),
  MT_RULE("BADMAIL", DELIVERY, NULL, as_bounced),
  MT_RULE("DEFER", DELIVERY, NULL, as_deferred),
  MT_RULE("DROP", DELIVERY, NULL, as_discarded),
  MT_RULE("THROTTLE", LIMIT, NULL, exactly),
  MT_RULE("AGENTINFO", NOTICE, NULL, exactly),
  MT_RULE("CLIENTSUBMISSION", NOTICE, NULL, exactly),
  MT_RULE("DUPLICATEDELIVER", NOTICE, NULL, exactly),
  MT_RULE("DUPLICATEEXPAND", NOTICE, NULL, exactly),
  MT_RULE("DUPLICATEREDIRECT", NOTICE, NULL, exactly),
  MT_RULE("EXPAND", NOTICE, NULL, exactly),
  MT_RULE("HADISCARD", NOTICE, NULL, exactly),
  MT_RULE("HARECEIVE", NOTICE, NULL, exactly),
  MT_RULE("HAREDIRECTFAIL", NOTICE, NULL, exactly),
  MT_RULE("HAREDIRECT", NOTICE, NULL, exactly),
  MT_RULE("INITMESSAGECREATED", NOTICE, NULL, exactly),
  MT_RULE("JOURNAL", NOTICE, NULL, NULL), /* JOURNALREPORT, too */
  MT_RULE("LOAD", NOTICE, NULL, exactly),
  MT_RULE("MEETINGMESSAGE", NOTICE, NULL, NULL),
  MT_RULE("MODERAT", NOTICE, NULL, NULL), /* MODERATIONEXPIRE, MODERATORAPPROVE, ... */
  MT_RULE("NOTIFYMAPI", NOTICE, NULL, exactly),
  MT_RULE("NOTIFYSHADOW", NOTICE, NULL, exactly),
  MT_RULE("POISONMESSAGE", NOTICE, NULL, exactly),
  MT_RULE("PROCESS", NOTICE, NULL, NULL), /* PROCESSMEETINGMESSAGE, too */
  MT_RULE("REDIRECT", NOTICE, NULL, exactly),
  MT_RULE("RESOLVE", NOTICE, NULL, exactly),
  MT_RULE("RESUBMIT", NOTICE, NULL, NULL), /* RESUBMITDEFER, RESUBMITFAIL */
  MT_RULE("SUBMITDEFER", NOTICE, NULL, exactly),
  MT_RULE("SUBMITFAIL", NOTICE, NULL, exactly),
  MT_RULE("SUBMIT", DEQUEUE, NULL, exactly),
  MT_RULE("SUPPRESSED", NOTICE, NULL, exactly),
  MT_RULES_END,
};

/* ---- message tracking: the cells ---------------------------------------------------- */

/* A line of all its recipients costs its length for each: so many are told. */
#define MAX_RECIPIENTS 5000
#define MAX_PART_BYTES (256 << 20)

/* The next of "a@example.com;b@example.com"; a quoted local part may hold a ';'. */
static gboolean
scan_recipient(MtCursor *cur, MtSpan *out)
{
  const gchar *from = cur->at, *stop;

  if (cur->at >= cur->end)
    return FALSE;
  if (*from == '"' && (stop = memchr(from + 1, '"', cur->end - from - 1)) && stop + 1 < cur->end
      && stop[1] == '@')
    from = stop;
  stop = memchr(from, ';', cur->end - from);
  *out = mt_span(cur->at, (stop ? stop : cur->end) - cur->at);
  cur->at = stop ? stop + 1 : cur->end;
  return TRUE;
}

static guint
count_recipients(MtSpan cell)
{
  MtCursor cur = mt_cursor(cell);
  MtSpan one;
  guint n = 0;

  while (n < MAX_RECIPIENTS && scan_recipient(&cur, &one))
    n++;
  return n;
}

static MtSpan
nth_recipient(MtSpan cell, guint n)
{
  MtCursor cur = mt_cursor(cell);
  MtSpan one = MT_NO_SPAN;

  for (guint i = 0; i <= n; i++)
    if (!scan_recipient(&cur, &one))
      return MT_NO_SPAN;
  return one;
}

/* "[{LRT=...};{LED=550 5.1.1 ...}]" holds ';', and "550 4.4.7 QUEUE.Expired; message
 * expired", too: one ends at a ';' outside brackets without a space behind. */
static MtSpan
scan_status(MtCursor *cur)
{
  const gchar *from = cur->at, *at = from;
  gint depth = 0;

  for (; at < cur->end; at++)
    {
      if (*at == '[' || *at == '{')
        depth++;
      else if ((*at == ']' || *at == '}') && depth > 0)
        depth--;
      else if (*at == ';' && !depth && (at + 1 == cur->end || at[1] != ' '))
        break;
    }
  cur->at = at;
  return mt_span(from, at - from);
}

/* The statuses stand in the recipients' order where there are as many; else all of
 * the cell is said of each. */
static MtSpan
nth_status(MtSpan cell, guint n, guint recipients)
{
  MtCursor cur = mt_cursor(cell);
  MtSpan found = cell;
  guint count = 0;

  if (recipients < 2 || !cell.len)
    return cell;
  do
    {
      MtSpan one = scan_status(&cur);

      if (count++ == n)
        found = one;
    }
  while (mt_scan_char(&cur, ';'));
  return count == recipients ? found : cell;
}

/* The enhanced status behind a reply's code, wherever a list of details has it:
 * "550 5.1.1 text", "[{LED=550 5.1.10 text};...". */
static void
read_reply_codes(MtSpan reply, MtEvent *event)
{
  MtCursor cur = mt_cursor(reply);
  guint64 code;
  MtSpan dsn;

  if (MT_SCAN(&cur, "[{L"))
    while (cur.at < cur.end && !MT_SCAN(&cur, "LED="))
      if (!mt_scan_until(&cur, '{', &dsn))
        break;
  if (mt_scan_u64(&cur, &code) && code >= 200 && code <= 599
      && (mt_scan_char(&cur, ' ') || mt_scan_char(&cur, '-')) && mt_scan_dsn(&cur, &dsn))
    mt_event_set_text(event, MT_F_DSN, dsn);
}

/* "... [InternalId=65773, Hostname=mbx2.example.com] Queued mail for delivery": the
 * next Exchange server's own ID. */
static void
read_next_id(MtSpan reply, MtEvent *event)
{
  const gchar *at = mt_span_find_last(reply, MT_SPAN("[InternalId="));
  MtCursor cur;
  guint64 id;
  MtSpan text;

  if (!at)
    return;
  cur = mt_cursor(mt_span(at + 12, reply.at + reply.len - at - 12));
  text.at = cur.at;
  if (!mt_scan_u64(&cur, &id) || (!MT_SCAN(&cur, ", ") && mt_cursor_peek(&cur) != ']'))
    return;
  text.len = 0;
  while (mt_is_class(text.at[text.len], MT_CHAR_DIGIT))
    text.len++;
  mt_event_set_text(event, MT_F_NEXT_QUEUE_ID, text);
}

/* SEND: "08D4A138AC67F0E1;250 2.0.0 Ok: queued as 1A2B3C;ClientSubmitTime:..." */
static void
read_send_context(MtSpan context, MtEvent *event)
{
  MtCursor cur = mt_cursor(context);
  MtSpan session, reply;
  const gchar *end;

  if (!mt_scan_class(&cur, MT_CHAR_HEX, &session) || session.len != 16)
    return;
  mt_event_set_text(event, MT_F_SESSION, session);
  if (!mt_scan_char(&cur, ';'))
    return;
  reply = mt_cursor_rest(&cur);
  end = mt_span_find_last(reply, MT_SPAN(";ClientSubmitTime:"));
  if (end)
    reply.len = end - reply.at;
  if (reply.len > 3 && mt_is_class(reply.at[0], MT_CHAR_DIGIT)
      && (reply.at[3] == ' ' || reply.at[3] == '-'))
    mt_event_set_text(event, MT_F_REPLY, reply);
}

static void
set_cell(MtEvent *event, MtField field, MtSpan cell)
{
  if (cell.len && !mt_event_has(event, field))
    mt_event_set_text(event, field, cell);
}

static void
set_number(MtEvent *event, MtField field, MtSpan cell)
{
  guint64 number;

  if (mt_span_to_u64(cell, &number))
    mt_event_set_number(event, field, number);
}

/* The null sender is "<>". */
static void
set_sender(const Row *row, MtEvent *event)
{
  MtSpan sender = row->cell[COL_RETURN_PATH];

  if (!sender.len)
    sender = row->cell[COL_SENDER];
  if (MT_SPAN_IS(sender, "<>"))
    mt_event_set_text(event, MT_F_SENDER, mt_span(sender.at, 0));
  else
    set_cell(event, MT_F_SENDER, sender);
}

/* The client of a delivery is this server, the server the next hop. */
static void
set_next_hop(const Row *row, MtSpan transport, MtEvent *event)
{
  mt_event_set_text(event, MT_F_TRANSPORT, transport);
  set_cell(event, MT_F_RELAY_NAME, row->cell[COL_SERVER_NAME]);
  mt_event_set_ip(event, MT_F_RELAY_IP, row->cell[COL_SERVER_IP]);
}

static void
read_delivery(const Row *row, guint n, guint recipients, MtEvent *event)
{
  MtSpan status = nth_status(row->cell[COL_RECIPIENT_STATUS], n, recipients);

  set_cell(event, MT_F_RECIPIENT, nth_recipient(row->cell[COL_RECIPIENT], n));
  if (MT_SPAN_IS(row->cell[COL_SOURCE], "STOREDRIVER"))
    set_next_hop(row, MT_SPAN("storedriver"), event);
  else if (MT_SPAN_IS(row->cell[COL_SOURCE], "SMTP"))
    {
      set_next_hop(row, MT_SPAN("smtp"), event);
      read_send_context(row->cell[COL_SOURCE_CONTEXT], event);
    }
  set_cell(event, MT_F_REPLY, status);
  if (mt_event_word(event, MT_F_STATUS) != MT_WORD_SENT)
    set_cell(event, MT_F_REPLY, row->cell[COL_SOURCE_CONTEXT]);
  read_reply_codes(mt_event_text(event, MT_F_REPLY), event);
  if (mt_event_word(event, MT_F_STATUS) == MT_WORD_SENT)
    read_next_id(mt_event_text(event, MT_F_REPLY), event);
}

/* A proxying front end hands the client's own address on. */
static void
read_accept(const Row *row, MtEvent *event)
{
  mt_event_set_ip(event, MT_F_CLIENT_IP, row->cell[COL_CLIENT_IP]);
  set_cell(event, MT_F_CLIENT_NAME, row->cell[COL_CLIENT_NAME]);
  mt_event_set_ip(event, MT_F_LOCAL_IP, row->cell[COL_SERVER_IP]);
  mt_event_set_ip(event, MT_F_ORIG_CLIENT_IP, row->cell[COL_ORIGINAL_IP]);
  set_cell(event, MT_F_PROTOCOL, row->cell[COL_SOURCE]);
  set_cell(event, MT_F_SUBJECT, row->cell[COL_SUBJECT]);
  if (MT_SPAN_IS(row->cell[COL_EVENT_ID], "TRANSFER"))
    set_cell(event, MT_F_ORIG_QUEUE_ID, row->cell[COL_REFERENCE]);
  if (MT_SPAN_IS(row->cell[COL_DIRECTIONALITY], "Originating"))
    mt_event_set_word(event, MT_F_DIRECTION, MT_WORD_OUT);
  else if (MT_SPAN_IS(row->cell[COL_DIRECTIONALITY], "Incoming"))
    mt_event_set_word(event, MT_F_DIRECTION, MT_WORD_IN);
}

/* "MDB:..., Mailbox:..., ClientType:OWA": what submitted it. */
static void
read_submit_context(MtSpan context, MtEvent *event)
{
  const gchar *at = mt_span_find_last(context, MT_SPAN(", ClientType:"));
  MtCursor cur;
  MtSpan client;

  if (!at || !MT_SPAN_STARTS(context, "MDB:"))
    return;
  cur = mt_cursor(mt_span(at + 13, context.at + context.len - at - 13));
  if (mt_scan_token(&cur, ",", &client))
    mt_event_set_text(event, MT_F_CLIENT, client);
}

static void
read_notice(const Row *row, guint n, MtEvent *event)
{
  mt_event_set_text(event, MT_F_REASON, row->cell[COL_EVENT_ID]);
  set_cell(event, MT_F_RECIPIENT, nth_recipient(row->cell[COL_RECIPIENT], n));
  set_cell(event, MT_F_ORIG_RECIPIENT, row->cell[COL_RELATED]);
}

/* The submission service of 2013 and later gives an ID of its own to what it hands to the
 * transport service, where the message comes in anew; before, a row without an ID. */
static void
read_submit(const Row *row, guint n, MtEvent *event)
{
  if (!row->cell[COL_INTERNAL_ID].len)
    {
      event->kind = MT_EVENT_NOTICE;
      read_notice(row, n, event);
    }
  read_submit_context(row->cell[COL_SOURCE_CONTEXT], event);
}

/* The envelope: the accepted message's first part says who, the others for whom. */
static void
read_envelope(const Row *row, MtEvent *event)
{
  set_cell(event, MT_F_QUEUE_ID, row->cell[COL_INTERNAL_ID]);
  set_sender(row, event);
  set_number(event, MT_F_SIZE, row->cell[COL_SIZE]);
  set_number(event, MT_F_NRCPT, row->cell[COL_NRCPT]);
}

static void
keep_only_child(MtEvent *event, MtSpan child, MtSpan parent)
{
  event->has[0] = event->has[1] = 0;
  event->kind = MT_EVENT_NOTIFICATION;
  mt_event_set_text(event, MT_F_CHILD_QUEUE_ID, child);
  mt_event_set_text(event, MT_F_MESSAGE_ID, parent);
  mt_event_set_word(event, MT_F_KIND, MT_WORD_BOUNCE);
}

/* What an accepted message's row says, in turn: that it was accepted, each recipient,
 * and of a DSN which message it is for. */
static void
read_accept_part(const Row *row, guint part, guint recipients, MtEvent *event)
{
  read_envelope(row, event);
  set_cell(event, MT_F_MESSAGE_ID, row->cell[COL_MESSAGE_ID]);
  if (part == 0)
    {
      read_accept(row, event);
      return;
    }
  if (part > recipients)
    {
      keep_only_child(event, row->cell[COL_INTERNAL_ID], row->cell[COL_REFERENCE]);
      return;
    }
  event->kind = MT_EVENT_QUEUED;
  set_cell(event, MT_F_RECIPIENT, nth_recipient(row->cell[COL_RECIPIENT], part - 1));
}

static guint
limit_parts(guint parts, gsize line_bytes)
{
  return CLAMP(parts, 1, MAX(1, MAX_PART_BYTES / MAX(line_bytes, 1)));
}

static MtParse
read_tracking(const MtLine *line, MtEvent *event)
{
  guint recipients, part = event->part;
  gboolean dsn;
  Row row;

  read_row(line->text, line->columns, line->n_columns, TRUE, &row);
  if (mt_rules_apply(tracking_rules, row.cell[COL_EVENT_ID], event) != MT_PARSE_MATCH)
    return MT_PARSE_SKIP;
  recipients = limit_parts(count_recipients(row.cell[COL_RECIPIENT]), line->text.len);
  event->parts = recipients;
  switch (event->kind)
    {
    case MT_EVENT_ACCEPT:
      dsn = MT_SPAN_IS(row.cell[COL_EVENT_ID], "DSN") && row.cell[COL_REFERENCE].len;
      event->parts = 1 + recipients + dsn;
      read_accept_part(&row, part, recipients, event);
      return MT_PARSE_MATCH;
    case MT_EVENT_DELIVERY:
      read_envelope(&row, event);
      read_delivery(&row, part, recipients, event);
      break;
    case MT_EVENT_DEQUEUE:
      event->parts = 1;
      read_envelope(&row, event);
      read_submit(&row, part, event);
      break;
    default:
      read_envelope(&row, event);
      read_notice(&row, part, event);
    }
  set_cell(event, MT_F_MESSAGE_ID, row.cell[COL_MESSAGE_ID]);
  return MT_PARSE_MATCH;
}

/* ---- protocol logs -------------------------------------------------------------------- */

/* "192.0.2.1:25", "[2001:db8::1]:25" */
static void
read_endpoint(MtSpan endpoint, MtField ip, MtField port, MtEvent *event)
{
  const gchar *colon = endpoint.len ? memrchr(endpoint.at, ':', endpoint.len) : NULL;
  MtSpan address;
  guint64 number;

  if (!colon)
    return;
  address = mt_span(endpoint.at, colon - endpoint.at);
  if (MT_SPAN_STARTS(address, "[") && MT_SPAN_ENDS(address, "]"))
    address = mt_span(address.at + 1, address.len - 2);
  if (mt_event_set_ip(event, ip, address)
      && mt_span_to_u64(mt_span(colon + 1, endpoint.at + endpoint.len - colon - 1), &number)
      && number <= 65535)
    mt_event_set_number(event, port, number);
}

/* Receive connectors are "SERVER\Name", send connectors have no '\' in their names. */
static gboolean
is_receiving(const Row *row)
{
  MtSpan connector = row->cell[COL_CONNECTOR];

  return connector.len && memchr(connector.at, '\\', connector.len);
}

/* What a client sends in the middle of AUTH is logged as "<authentication response>",
 * but an initial response stands behind the mechanism: it is not kept. */
static MtParse
read_auth_command(MtCursor *cur, MtEvent *event)
{
  MtSpan mechanism;

  MT_EVENT_SET_LITERAL(event, MT_F_VERB, "AUTH");
  if (mt_scan_token(cur, " ", &mechanism))
    mt_event_set_text(event, MT_F_AUTH_METHOD, mechanism);
  return MT_PARSE_MATCH;
}

/* A verb is short letters; anything else may be a password in the wrong place. */
static MtParse
read_command(MtCursor *cur, MtEvent *event)
{
  MtSpan verb;

  if (!mt_scan_token(cur, " ", &verb) || verb.len > 16
      || !mt_span_is_all(verb, MT_CHAR_ALNUM | MT_CHAR_KEY))
    return MT_PARSE_MATCH;
  mt_event_set_text(event, MT_F_VERB, verb);
  if (mt_scan_char(cur, ' ') && cur->at < cur->end)
    mt_event_set_text(event, MT_F_ARGUMENT, mt_cursor_rest(cur));
  return MT_PARSE_MATCH;
}

static const MtRule command_rules[] = {
  MT_RULE("AUTH ", SMTP_COMMAND, NULL, read_auth_command),
  MT_RULE("auth ", SMTP_COMMAND, NULL, read_auth_command),
  MT_RULE("X-EXPS ", SMTP_COMMAND, NULL, read_auth_command),
  MT_RULE("", SMTP_COMMAND, NULL, read_command),
  MT_RULES_END,
};

static MtParse
read_reply(MtCursor *cur, MtEvent *event)
{
  MtCursor try = *cur;
  guint64 code;

  if (mt_scan_u64(&try, &code) && code >= 200 && code <= 599)
    {
      mt_event_set_number(event, MT_F_CODE, code);
      if (mt_scan_char(&try, ' ') || mt_scan_char(&try, '-'))
        mt_event_set_text(event, MT_F_TEXT, mt_cursor_rest(&try));
      return MT_PARSE_MATCH;
    }
  if (cur->at < cur->end)
    mt_event_set_text(event, MT_F_TEXT, mt_cursor_rest(cur));
  return MT_PARSE_MATCH;
}

static MtParse
read_auth_failure(MtCursor *cur, MtEvent *event)
{
  MT_EVENT_SET_LITERAL(event, MT_F_REASON, "auth-failed");
  return MT_PARSE_MATCH;
}

static MtParse
read_internal_failure(MtCursor *cur, MtEvent *event)
{
  MT_EVENT_SET_LITERAL(event, MT_F_REASON, "internal");
  return MT_PARSE_MATCH;
}

static MtParse
read_tls_required(MtCursor *cur, MtEvent *event)
{
  MT_EVENT_SET_LITERAL(event, MT_F_REASON, "tls-required");
  return MT_PARSE_MATCH;
}

/* Of this server to a client. */
static const MtRule answer_rules[] = {
  MT_RULE("535 5.7.3 Authentication unsuccessful", LOGIN_FAILED, NULL, read_auth_failure),
  MT_RULE("535 5.7.139 Authentication unsuccessful", LOGIN_FAILED, NULL, read_auth_failure),
  MT_RULE("454 4.7.0 Temporary authentication failure", LOGIN_FAILED, NULL, read_internal_failure),
  MT_RULE("538 5.7.11 Encryption required", LOGIN_FAILED, NULL, read_tls_required),
  MT_RULE("", SMTP_REPLY, NULL, read_reply),
  MT_RULES_END,
};

/* Of a remote server to this one. */
static const MtRule reply_rules[] = {
  MT_RULE("", SMTP_REPLY, NULL, read_reply),
  MT_RULES_END,
};

static MtParse
take_context(MtCursor *cur, MtEvent *event)
{
  if (cur->at < cur->end)
    mt_event_set_text(event, MT_F_REASON, mt_cursor_rest(cur));
  return MT_PARSE_MATCH;
}

static MtParse
take_whole_context(MtCursor *cur, MtEvent *event)
{
  gsize prefix = ((const MtRule *) event->rule)->prefix.len;

  mt_event_set_text(event, MT_F_REASON, mt_span(cur->at - prefix, cur->end - cur->at + prefix));
  return MT_PARSE_MATCH;
}

/* "User Name: bob@example.com" follows a failure: the same session names it.  One for
 * each attempt, told behind the server that talks to the client: no service. */
static MtParse
read_user_name(MtCursor *cur, MtEvent *event)
{
  if (cur->at < cur->end)
    mt_event_set_text(event, MT_F_ACCOUNT, mt_cursor_rest(cur));
  MT_EVENT_SET_LITERAL(event, MT_F_REASON, "auth-failed");
  return MT_PARSE_MATCH;
}

/* By the context of a row for information; who logged in is its data. */
static const MtRule information_rules[] = {
  MT_RULE("authenticated", LOGIN, NULL, exactly),
  MT_RULE("User Name: ", LOGIN_FAILED, NULL, read_user_name),
  MT_RULE("Inbound ", NOTICE, NULL, take_whole_context), /* AUTH LOGIN failed because of ... */
  MT_RULE("TLS negotiation failed", TLS_ERROR, NULL, take_whole_context),
  MT_RULE("", NOTICE, NULL, take_context),
  MT_RULES_END,
};

static const MtRule connection_rules[] = {
  MT_RULE("+", CONNECT, NULL, exactly),
  MT_RULE("-", DISCONNECT, NULL, exactly),
  MT_RULES_END,
};

static const MtRule relay_rules[] = {
  MT_RULE("+", NOTICE, NULL, exactly),
  MT_RULE("-", NOTICE, NULL, exactly),
  MT_RULES_END,
};

static MtParse
read_information(const Row *row, MtEvent *event)
{
  MtParse parse = mt_rules_apply(information_rules, row->cell[COL_CONTEXT], event);

  if (event->kind == MT_EVENT_LOGIN)
    {
      if (!row->cell[COL_DATA].len)
        return MT_PARSE_SKIP;
      mt_event_set_text(event, MT_F_ACCOUNT, row->cell[COL_DATA]);
    }
  return parse;
}

/* Who talks: "<" is what we received, ">" what we sent. */
static MtParse
read_dialogue(const Row *row, gboolean receiving, MtEvent *event)
{
  gboolean received = row->cell[COL_EVENT].at[0] == '<';
  const MtRule *rules = received == receiving ? command_rules
                        : receiving           ? answer_rules
                                              : reply_rules;
  MtParse parse = mt_rules_apply(rules, row->cell[COL_DATA], event);

  if (event->kind == MT_EVENT_SMTP_COMMAND || event->kind == MT_EVENT_SMTP_REPLY)
    mt_event_set_word(event, MT_F_DIRECTION, received ? MT_WORD_IN : MT_WORD_OUT);
  return parse;
}

static MtParse
read_protocol_event(const Row *row, gboolean receiving, MtEvent *event)
{
  MtParse parse;

  switch (row->cell[COL_EVENT].at[0])
    {
    case '*':
      return read_information(row, event);
    case '<':
    case '>':
      return read_dialogue(row, receiving, event);
    default:
      parse =
          mt_rules_apply(receiving ? connection_rules : relay_rules, row->cell[COL_EVENT], event);
      set_cell(event, MT_F_REASON, row->cell[COL_CONTEXT]);
      return parse;
    }
}

static MtParse
read_protocol(const MtLine *line, MtEvent *event)
{
  gboolean receiving;
  Row row;

  read_row(line->text, line->columns, line->n_columns, FALSE, &row);
  if (!is_protocol_event(row.cell[COL_EVENT]))
    return MT_PARSE_SKIP;
  receiving = is_receiving(&row);
  if (read_protocol_event(&row, receiving, event) != MT_PARSE_MATCH)
    return MT_PARSE_SKIP;
  if (receiving)
    {
      read_endpoint(row.cell[COL_REMOTE], MT_F_CLIENT_IP, MT_F_CLIENT_PORT, event);
      read_endpoint(row.cell[COL_LOCAL], MT_F_LOCAL_IP, MT_F_LOCAL_PORT, event);
    }
  else
    read_endpoint(row.cell[COL_REMOTE], MT_F_RELAY_IP, MT_F_RELAY_PORT, event);
  /* not of the row that names the user, whose failure is told already */
  if (event->kind == MT_EVENT_LOGIN
      || (event->kind == MT_EVENT_LOGIN_FAILED && row.cell[COL_EVENT].at[0] != '*'))
    mt_event_set_word(event, MT_F_SERVICE, MT_WORD_SMTP);
  set_cell(event, MT_F_SESSION, row.cell[COL_SESSION]);
  return MT_PARSE_MATCH;
}

/* ---- the dialect ----------------------------------------------------------------------- */

static void
claim(MtSpan program, MtClaim *claim)
{
  if (mt_span_equal(program, tracking_program) || mt_span_equal(program, protocol_program))
    claim->strength = MT_CLAIM_NAME;
}

static MtParse
parse(const MtLine *line, const MtClaim *claim, MtEvent *event)
{
  if (mt_span_equal(line->program, tracking_program))
    return read_tracking(line, event);
  return read_protocol(line, event);
}

static const MtRule *const all_rules[] = {
  tracking_rules,    command_rules,    answer_rules, reply_rules,
  information_rules, connection_rules, relay_rules,  NULL,
};

const MtDialect mt_dialect_exchange = { "exchange", claim, parse, all_rules, &file_format };
