#include "trail/private.h"

MtTrail *
mt_trail_new(const MtTrailSettings *settings, const MtTrailBacking *backing, const MtHashKey *key)
{
  MtTrail *trail = g_new0(MtTrail, 1);

  trail->settings = settings;
  trail->backing = backing;
  trail->key = *key;
  for (guint i = 0; i < MT_IP_SLOTS; i++)
    trail->ips[i].hash = mt_hash(key, trail->ips[i].ip.b, sizeof trail->ips[i].ip.b);
  return trail;
}

guint64
mt_trail_hash_name(MtTrail *trail, MtSpan name)
{
  MtHashedName *slot = &trail->names[name.len % MT_NAME_SLOTS];

  if (!name.len || name.len > MT_NAME_MAX_BYTES)
    return mt_trail_hash(trail, name);
  if (slot->len != name.len || memcmp(slot->name, name.at, name.len) != 0)
    {
      slot->hash = mt_trail_hash(trail, name);
      slot->len = name.len;
      memcpy(slot->name, name.at, name.len);
    }
  return slot->hash;
}

static void
init(MtTrail *trail)
{
  mt_messages_init(trail);
  mt_access_init(trail);
  mt_pending_init(trail);
  mt_sums_init(trail);
  trail->made = mt_batch_new();
  trail->local_domains = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  memset(trail->domains, 0, sizeof trail->domains);
  trail->known_accounts = g_hash_table_new(NULL, NULL);
  trail->learned = g_ptr_array_new();
  trail->facts = g_array_new(FALSE, FALSE, sizeof(MtFact));
}

static void
clear(MtTrail *trail)
{
  if (!trail->made)
    return;
  mt_messages_clear(trail);
  mt_access_clear(trail);
  mt_pending_clear(trail);
  mt_sums_clear(trail);
  mt_pool_clear(&trail->pool);
  mt_pool_clear(&trail->others_pool);
  g_clear_pointer(&trail->made, mt_batch_free);
  g_clear_pointer(&trail->spare, mt_batch_free);
  g_hash_table_destroy(trail->local_domains);
  g_hash_table_destroy(trail->known_accounts);
  g_ptr_array_free(trail->learned, TRUE);
  g_array_free(trail->facts, TRUE);
}

void
mt_trail_free(MtTrail *trail)
{
  if (!trail)
    return;
  clear(trail);
  g_free(trail);
}

void
mt_trail_reset(MtTrail *trail, const MtTrailStart *start)
{
  clear(trail);
  trail->start = *start;
  trail->ids = start->ids;
  init(trail);
  for (const gchar *const *domain = trail->settings->local_domains; domain && *domain; domain++)
    mt_trail_learn_domain(trail, mt_span_of_string(*domain));
  mt_pending_load(trail);
  mt_access_load(trail);
}

void
mt_trail_learn_domain(MtTrail *trail, MtSpan domain)
{
  g_hash_table_add(trail->local_domains, g_ascii_strdown(domain.at, domain.len));
  memset(trail->domains, 0, sizeof trail->domains);
}

gboolean
mt_trail_has_term(const gchar *const *terms, MtSpan text)
{
  for (; terms && *terms; terms++)
    if (mt_span_find(text, mt_span_of_string(*terms)))
      return TRUE;
  return FALSE;
}

/* ---- rows that are made at once ------------------------------------------------------ */

static MtSpan
keep(MtTrail *trail, const MtEvent *event, MtField field)
{
  return mt_batch_text(trail->made, mt_event_text(event, field));
}

static MtSpan
keep_ip(MtTrail *trail, const MtIp *ip)
{
  gchar text[MT_IP_TEXT_BYTES];

  return ip ? mt_batch_text(trail->made, mt_span(text, mt_ip_format(ip, text))) : MT_NO_SPAN;
}

static void
add_incident(MtTrail *trail, MtIncident kind, const MtLine *line, const MtEvent *event)
{
  MtIncidentRow row = { .id = trail->ids.incident++, .kind = kind, .at = line->time };

  row.day = mt_time_day(line->time);
  row.ip = keep_ip(trail, mt_event_ip(event, MT_F_CLIENT_IP));
  if (!row.ip.at)
    row.ip = keep_ip(trail, mt_event_ip(event, MT_F_RELAY_IP));
  row.account =
      keep(trail, event, mt_event_has(event, MT_F_ACCOUNT) ? MT_F_ACCOUNT : MT_F_AUTH_USER);
  row.queue_id = keep(trail, event, MT_F_QUEUE_ID);
  row.reason = keep(trail, event, MT_F_REASON);
  row.host = mt_batch_text(trail->made, line->host);
  g_array_append_val(trail->made->incidents, row);
}

static void
fill_reject(MtTrail *trail, const MtLine *line, const MtEvent *event, MtRejectRow *row)
{
  row->sender = keep(trail, event, MT_F_SENDER);
  row->recipient = keep(trail, event, MT_F_RECIPIENT);
  row->client_ip = keep_ip(trail, mt_event_ip(event, MT_F_CLIENT_IP));
  row->client_name = keep(trail, event, MT_F_CLIENT_NAME);
  row->auth_user = keep(trail, event, MT_F_AUTH_USER);
  row->queue_id = keep(trail, event, MT_F_QUEUE_ID);
  row->message_id = keep(trail, event, MT_F_MESSAGE_ID);
  row->helo = keep(trail, event, MT_F_HELO);
  row->stage = keep(trail, event, MT_F_STAGE);
  row->dsn = keep(trail, event, MT_F_DSN);
  row->reason = keep(trail, event, MT_F_REASON);
  row->host = mt_batch_text(trail->made, line->host);
  row->code = mt_event_number(event, MT_F_CODE, MT_NO_NUMBER);
  row->action = mt_event_word(event, MT_F_ACTION);
  row->reason_class =
      mt_judge_reason(trail, mt_event_text(event, MT_F_DSN), mt_event_text(event, MT_F_REASON));
}

/* Only what was refused is a refusal; held, redirected and warned of goes on. */
static gboolean
is_refusal(MtWord action)
{
  return action == MT_WORD_REJECT || action == MT_WORD_DEFER || action == MT_WORD_DISCARD;
}

static void
push_reject(MtTrail *trail, const MtLine *line, const MtEvent *event)
{
  MtRejectRow row = { .at = line->time, .day = mt_time_day(line->time) };
  const MtIp *ip = mt_event_ip(event, MT_F_CLIENT_IP);
  MtSpan user = mt_event_text(event, MT_F_AUTH_USER);
  MtSpan recipient = mt_event_text(event, MT_F_RECIPIENT);

  if (!is_refusal(mt_event_word(event, MT_F_ACTION)))
    return;
  fill_reject(trail, line, event, &row);
  row.id = trail->ids.reject++;
  g_array_append_val(trail->made->rejects, row);
  if (row.reason_class == MT_REASON_RELAY_DENIED)
    add_incident(trail, MT_INCIDENT_RELAY_DENIED, line, event);
  if (row.reason_class == MT_REASON_BLOCKLISTED)
    add_incident(trail, MT_INCIDENT_BLOCKLISTED, line, event);
  if (ip)
    mt_sums_connection(trail, ip, mt_event_text(event, MT_F_CLIENT_NAME), line->time)->rejected++;
  if (user.len)
    mt_sums_activity(trail, user, row.day)->rejected++;
  else if (mt_trail_is_local_domain(trail, recipient))
    mt_sums_activity(trail, recipient, row.day)->rejected++;
}

static void
push_mailbox(MtTrail *trail, const MtLine *line, const MtEvent *event)
{
  MtMailboxRow row = { .at = line->time, .day = mt_time_day(line->time) };

  row.id = trail->ids.mailbox++;
  row.account = keep(trail, event, MT_F_ACCOUNT);
  row.mailbox = keep(trail, event, MT_F_MAILBOX);
  row.message_id = keep(trail, event, MT_F_MESSAGE_ID);
  row.sender = keep(trail, event, MT_F_SENDER);
  if (trail->settings->store_subject)
    row.subject = keep(trail, event, MT_F_SUBJECT);
  row.target = keep(trail, event, MT_F_TARGET);
  row.session = keep(trail, event, MT_F_SESSION);
  row.host = mt_batch_text(trail->made, line->host);
  row.uid = mt_event_number(event, MT_F_UID, MT_NO_NUMBER);
  row.size = mt_event_number(event, MT_F_SIZE, MT_NO_NUMBER);
  row.action = mt_event_word(event, MT_F_ACTION);
  g_array_append_val(trail->made->mailbox, row);
}

static gboolean
is_failure_word(MtSpan result)
{
  return MT_SPAN_STARTS(result, "fail") || MT_SPAN_IS(result, "permerror")
         || MT_SPAN_IS(result, "reject");
}

static void
push_verdict_incidents(MtTrail *trail, const MtLine *line, const MtEvent *event)
{
  static const struct
  {
    MtField field;
    MtIncident kind;
  } checks[] = {
    { MT_F_SPF, MT_INCIDENT_SPF_FAIL },
    { MT_F_DKIM, MT_INCIDENT_DKIM_FAIL },
    { MT_F_DMARC, MT_INCIDENT_DMARC_FAIL },
  };

  for (guint i = 0; i < G_N_ELEMENTS(checks) && !event->part; i++)
    if (is_failure_word(mt_event_text(event, checks[i].field)))
      add_incident(trail, checks[i].kind, line, event);
}

/* postscreen hands a client that passes on to smtpd, which logs it once more. */
static void
push_connection(MtTrail *trail, const MtLine *line, const MtEvent *event)
{
  const MtIp *ip = mt_event_ip(event, MT_F_CLIENT_IP);
  MtConnectionRow *row;

  if (!ip)
    return;
  row = mt_sums_connection(trail, ip, mt_event_text(event, MT_F_CLIENT_NAME), line->time);
  if (event->kind == MT_EVENT_CONNECT)
    row->connections++;
  else if (event->kind == MT_EVENT_TLS)
    row->tls++;
  else
    row->connections--;
}

static gboolean
is_handed_on(const MtEvent *event)
{
  MtSpan reason = mt_event_text(event, MT_F_REASON);

  return MT_SPAN_STARTS(reason, "PASS ") || MT_SPAN_IS(reason, "ALLOWLISTED")
         || MT_SPAN_IS(reason, "WHITELISTED");
}

/* ---- dispatch -------------------------------------------------------------------------- */

static gboolean
is_access(const MtEvent *event)
{
  return event->kind == MT_EVENT_LOGIN || event->kind == MT_EVENT_LOGIN_FAILED
         || event->kind == MT_EVENT_LOGOUT;
}

static void
push_notice(MtTrail *trail, const MtLine *line, const MtEvent *event)
{
  if (mt_event_has(event, MT_F_CLIENT))
    mt_access_push_client(trail, line, event);
  if (mt_event_has(event, MT_F_CLIENT_IP) && is_handed_on(event))
    push_connection(trail, line, event);
  else if (mt_event_has(event, MT_F_CLIENT_IP) && !mt_event_has(event, MT_F_QUEUE_ID))
    mt_messages_push_end(trail, line, event);
}

/* What lines mean that are not about one queued message alone. */
static void
push_others(MtTrail *trail, const MtLine *line, const MtEvent *event, MtFact *fact)
{
  switch (event->kind)
    {
    case MT_EVENT_CONNECT:
    case MT_EVENT_TLS:
      push_connection(trail, line, event);
      return;
    case MT_EVENT_DISCONNECT:
      mt_access_push_disconnect(trail, line, event);
      mt_messages_push_end(trail, line, event);
      return;
    case MT_EVENT_ACCEPT:
      if (mt_event_has(event, MT_F_AUTH_USER) && !mt_event_has(event, MT_F_ORIG_QUEUE_ID))
        mt_access_push_submission(trail, line, event, fact);
      return;
    case MT_EVENT_LOGIN:
      mt_access_push_login(trail, line, event, fact);
      return;
    case MT_EVENT_LOGIN_FAILED:
      mt_access_push_failure(trail, line, event, fact);
      return;
    case MT_EVENT_LOGOUT:
      mt_access_push_logout(trail, line, event);
      return;
    case MT_EVENT_REJECT:
      push_reject(trail, line, event);
      return;
    case MT_EVENT_STORED:
      mt_mailbox_push(trail, line, event);
      return;
    case MT_EVENT_MAILBOX:
      push_mailbox(trail, line, event);
      return;
    case MT_EVENT_VERDICT:
      if (!mt_event_text(event, MT_F_QUEUE_ID).len)
        mt_verdict_push(trail, line, event);
      push_verdict_incidents(trail, line, event);
      return;
    case MT_EVENT_NOTIFICATION:
      if (!mt_event_has(event, MT_F_QUEUE_ID))
        mt_messages_push_notification(trail, line, event);
      return;
    case MT_EVENT_TLS_ERROR:
      add_incident(trail, MT_INCIDENT_TLS_ERROR, line, event);
      return;
    case MT_EVENT_LIMIT:
      add_incident(trail, MT_INCIDENT_LIMIT, line, event);
      return;
    case MT_EVENT_LOSS:
      add_incident(trail, MT_INCIDENT_LOSS, line, event);
      return;
    case MT_EVENT_NOTICE:
      push_notice(trail, line, event);
      return;
    default:
      return;
    }
}

/* ---- sessions: OpenSMTPD names the client once, then the session alone ------------------ */

static gboolean
wants_client(const MtEvent *event)
{
  return mt_event_has(event, MT_F_SESSION) && !mt_event_has(event, MT_F_CLIENT_IP)
         && (event->kind == MT_EVENT_ACCEPT || event->kind == MT_EVENT_LOGIN
             || event->kind == MT_EVENT_LOGIN_FAILED || event->kind == MT_EVENT_REJECT
             || event->kind == MT_EVENT_TLS || event->kind == MT_EVENT_DISCONNECT);
}

/* The event with the client that its session began with.  Each failed login is then an
 * attempt of its own, not the session's one. */
static void
add_client(MtTrail *trail, const MtEvent *event, MtEvent *whole)
{
  static const MtField fields[] = { MT_F_CLIENT_IP, MT_F_CLIENT_NAME, MT_F_CLIENT_PORT };
  guint64 key = mt_trail_hash(trail, mt_event_text(event, MT_F_SESSION));
  MtPending *pending = mt_pending_next(trail, MT_PENDING_CLIENT, key, NULL);
  MtEvent connect;
  MtLine line;

  *whole = *event;
  if (!pending)
    return;
  mt_pending_read(pending, &connect, &line);
  for (guint i = 0; i < G_N_ELEMENTS(fields); i++)
    if (mt_event_has(&connect, fields[i]) && !mt_event_has(whole, fields[i]))
      *mt_event_add(whole, fields[i]) = connect.value[fields[i]];
  if (event->kind == MT_EVENT_LOGIN_FAILED)
    mt_event_drop(whole, MT_F_SESSION);
}

static void
keep_session(MtTrail *trail, const MtLine *line, const MtEvent *event)
{
  guint64 key;
  MtPending *pending;

  if (event->kind != MT_EVENT_CONNECT
      && (event->kind != MT_EVENT_DISCONNECT || !mt_pending_waits(trail, MT_PENDING_CLIENT)))
    return;
  key = mt_trail_hash(trail, mt_event_text(event, MT_F_SESSION));
  pending = mt_pending_next(trail, MT_PENDING_CLIENT, key, NULL);
  if (event->kind == MT_EVENT_CONNECT && !pending)
    mt_pending_add(trail, MT_PENDING_CLIENT, key, line, event);
  else if (event->kind == MT_EVENT_DISCONNECT && pending)
    mt_pending_remove(trail, pending);
}

void
mt_trail_fold(MtTrail *trail, const MtLine *line, const MtEvent *event, MtFact *fact)
{
  if (mt_event_text(event, MT_F_QUEUE_ID).len)
    mt_messages_push(trail, line, event);
  push_others(trail, line, event, fact);
  if (mt_event_has(event, MT_F_SESSION))
    keep_session(trail, line, event);
}

void
mt_trail_push(MtTrail *trail, const MtLine *line, const MtEvent *event, MtFact *fact)
{
  MtEvent whole;

  fact->kind = MT_FACT_NONE;
  if (trail->facts->len)
    g_array_set_size(trail->facts, 0);
  trail->told_facts = 0;
  if (event->kind == MT_EVENT_OTHER || event->kind == MT_EVENT_UNKNOWN)
    return;
  if (line->time == MT_NO_TIME)
    {
      trail->counters.dropped++;
      return;
    }
  if (is_access(event) && mt_trail_has_term(trail->settings->ignore_access, line->text))
    return;
  if (mt_pending_waits(trail, MT_PENDING_CLIENT) && wants_client(event))
    {
      add_client(trail, event, &whole);
      event = &whole;
    }
  if (!mt_dialogue_push(trail, line, event, fact))
    mt_trail_fold(trail, line, event, fact);
}

gboolean
mt_trail_next_fact(MtTrail *trail, MtFact *fact)
{
  const MtMessage *root;

  if (trail->told_facts >= trail->facts->len)
    return FALSE;
  *fact = g_array_index(trail->facts, MtFact, trail->told_facts++);
  root = fact->record;
  fact->account = mt_message_text(root, root->auth_user);
  fact->host = mt_message_text(root, root->host);
  return TRUE;
}

MtBatch *
mt_trail_flush(MtTrail *trail, MtLocate locate, gpointer user)
{
  MtBatch *batch = trail->made;

  mt_flush_messages(trail, batch, locate, user);
  mt_access_flush(trail, batch);
  mt_pending_flush(trail, batch);
  mt_sums_flush(trail, batch, locate, user);
  for (guint i = 0; i < trail->learned->len; i++)
    {
      MtSpan domain = mt_batch_text(batch, mt_span_of_string(g_ptr_array_index(trail->learned, i)));

      g_array_append_val(batch->local_domains, domain);
    }
  g_ptr_array_set_size(trail->learned, 0);
  batch->ids = trail->ids;
  trail->made = trail->spare ? trail->spare : mt_batch_new();
  trail->spare = NULL;
  return batch;
}

void
mt_trail_recycle(MtTrail *trail, MtBatch *batch)
{
  if (trail->spare)
    {
      mt_batch_free(batch);
      return;
    }
  mt_batch_clear(batch);
  trail->spare = batch;
}

static void
settle(MtTrail *trail, const MtMessage *stay)
{
  mt_flush_committed(trail);
  mt_access_committed(trail);
  mt_pending_committed(trail);
  mt_messages_trim(trail, stay);
}

void
mt_trail_committed(MtTrail *trail)
{
  settle(trail, NULL);
}

void
mt_trail_submitted(MtTrail *trail)
{
  settle(trail, trail->dirty->len ? g_ptr_array_index(trail->dirty, 0) : NULL);
}

const MtTrailCounters *
mt_trail_counters(const MtTrail *trail)
{
  return &trail->counters;
}

gsize
mt_trail_live(const MtTrail *trail)
{
  return trail->messages.count;
}

gsize
mt_trail_live_bytes(const MtTrail *trail)
{
  return mt_messages_bytes(trail) + mt_table_bytes(&trail->by_queue_id)
         + mt_table_bytes(&trail->by_message_id);
}

/* ---- the null backing --------------------------------------------------------------- */

static void
no_messages(gpointer self, MtSpan host, MtSpan queue_id, MtTime until, MtMessageFound found,
            gpointer sink)
{
}

static void
no_messages_by_id(gpointer self, MtSpan message_id, MtTime at, gint64 window_us,
                  MtMessageFound found, gpointer sink)
{
}

static void
no_children(gpointer self, gint64 parent_id, MtMessageFound found, gpointer sink)
{
}

static void
no_access(gpointer self, guint64 key, MtAccessFound found, gpointer sink)
{
}

static void
no_accesses(gpointer self, MtTime since, guint max, MtAccessFound found, gpointer sink)
{
}

static void
no_failures(gpointer self, MtTime since, MtFailureFound found, gpointer sink)
{
}

static void
no_pendings(gpointer self, MtPendingFound found, gpointer sink)
{
}

static void
no_deliveries(gpointer self, gint64 message_id, MtTime mail_at, MtSpan recipient,
              MtDeliveryFound found, gpointer sink)
{
}

const MtTrailBacking mt_trail_backing_null = { NULL,        no_messages, no_messages_by_id,
                                               no_children, no_access,   no_accesses,
                                               no_failures, no_pendings, no_deliveries };
