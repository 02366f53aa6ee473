/* access.c: logins, logouts and failed logins
 *
 * One login is one row with its end once seen; one failed attempt is one row though
 * two or three daemons tell of it.
 */
#include "trail/private.h"

/* Kept in memory for what is still to come; beyond, the disk finds them. */
#define MAX_ACCESSES 15000
#define MAX_FAILURES 20000
#define MAX_ACCESS_BYTES (64 * 1024 * 1024)

/* What clients say of themselves again and again is not kept for ever. */
#define MAX_ARENA_BYTES 8192

/* Daemons tell of one attempt within this time. */
#define ATTEMPT_US (5 * MT_SECOND_US)

/* An SMTP session that has been silent for this long has ended (Postfix:
 * smtpd_timeout is 300 s); its process has another client by now. */
#define SMTP_SESSION_US MT_HOUR_US

/* Who told of a failure: the login process or SMTP server that talked to the client,
 * or the authentication service behind it, which names no service. */
enum
{
  FROM_FRONT = 1 << 0,
  FROM_AUTH = 1 << 1,
  FROM_HINT = 1 << 2,    /* it says why only: its attempts are 0 */
  FROM_WEBMAIL = 1 << 3, /* it has the client's address; the mailbox server has its own */
};

static MtSpan
access_text(const MtAccess *access, MtText field)
{
  return mt_arena_get(&access->arena, field);
}

static MtSpan
failure_text(const MtFailure *failure, MtText field)
{
  return mt_arena_get(&failure->arena, field);
}

/* ---- memory ---------------------------------------------------------------------- */

/* What most logins, and most failed ones, hold. */
#define FIRST_TEXT_BYTES 88

static MtText
put(MtTrail *trail, MtArena *arena, MtSpan text)
{
  return mt_arena_put(arena, &trail->others_pool, text);
}

/* For what may be said of a record any number of times.  @texts: all @count that it holds. */
static void
set(MtTrail *trail, MtArena *arena, MtText *texts, guint count, MtText *field, MtSpan text)
{
  MtArena before = { 0 }; /* the text may stand there */

  if (mt_span_equal(mt_arena_get(arena, *field), text))
    return;
  if (!mt_arena_has_room(arena, text))
    {
      before = *arena;
      mt_arena_init(arena, &trail->others_pool, 0, FIRST_TEXT_BYTES);
      mt_arena_pack(&before, arena, &trail->others_pool, texts, count);
    }
  *field = mt_arena_replace(arena, &trail->others_pool, *field, text);
  mt_arena_clear(&before, &trail->others_pool);
}

static void
set_of_access(MtTrail *trail, MtAccess *access, MtText *field, MtSpan text)
{
  set(trail, &access->arena, &access->account, MT_TEXTS(MtAccess, account, country_name), field,
      text);
}

static void
set_of_failure(MtTrail *trail, MtFailure *failure, MtText *field, MtSpan text)
{
  set(trail, &failure->arena, &failure->account, MT_TEXTS(MtFailure, account, country_name), field,
      text);
}

static MtAccess *
alloc_access(MtTrail *trail)
{
  MtAccess *access = mt_slab_take0(&trail->accesses);

  mt_arena_init(&access->arena, &trail->others_pool, 0, FIRST_TEXT_BYTES);
  return access;
}

static MtFailure *
alloc_failure(MtTrail *trail)
{
  MtFailure *failure = mt_slab_take0(&trail->failures);

  mt_arena_init(&failure->arena, &trail->others_pool, 0, FIRST_TEXT_BYTES);
  return failure;
}

static void
drop_access(MtTrail *trail, MtAccess *access)
{
  mt_table_remove(&trail->by_access, access);
  mt_slab_leave(&trail->accesses, access);
  trail->access_bytes -= access->bytes;
  mt_arena_clear(&access->arena, &trail->others_pool);
  mt_slab_give(&trail->accesses, access);
}

static void
drop_failure(MtTrail *trail, MtFailure *failure)
{
  if (failure->in_sessions)
    mt_table_remove(&trail->by_session, failure);
  mt_table_remove(&trail->by_attempt, failure);
  mt_slab_leave(&trail->failures, failure);
  trail->access_bytes -= failure->bytes;
  mt_arena_clear(&failure->arena, &trail->others_pool);
  mt_slab_give(&trail->failures, failure);
}

void
mt_access_clear(MtTrail *trail)
{
  while (trail->accesses.count)
    drop_access(trail, mt_slab_oldest(&trail->accesses));
  while (trail->failures.count)
    drop_failure(trail, mt_slab_oldest(&trail->failures));
  g_ptr_array_free(trail->dirty_accesses, TRUE);
  g_ptr_array_free(trail->dirty_failures, TRUE);
  mt_table_clear(&trail->by_access);
  mt_table_clear(&trail->by_session);
  mt_table_clear(&trail->by_attempt);
  mt_slab_clear(&trail->accesses);
  mt_slab_clear(&trail->failures);
}

void
mt_access_init(MtTrail *trail)
{
  mt_slab_init(&trail->accesses, sizeof(MtAccess));
  mt_slab_init(&trail->failures, sizeof(MtFailure));
  mt_table_init(&trail->by_access, &trail->accesses, G_STRUCT_OFFSET(MtAccess, by_key));
  trail->any_access_gone = FALSE;
  mt_table_init(&trail->by_session, &trail->failures, G_STRUCT_OFFSET(MtFailure, by_session));
  mt_table_init(&trail->by_attempt, &trail->failures, G_STRUCT_OFFSET(MtFailure, by_attempt));
  trail->dirty_accesses = g_ptr_array_new();
  trail->dirty_failures = g_ptr_array_new();
}

static void
weigh(MtTrail *trail, guint32 *bytes, const MtArena *arena)
{
  trail->access_bytes += (gsize) arena->size - *bytes;
  *bytes = arena->size;
}

/* What is on disk leaves, the oldest first; of the failed logins of long ago, too. */
static void
trim(MtTrail *trail)
{
  while (trail->accesses.count > MAX_ACCESSES
         || (trail->access_bytes > MAX_ACCESS_BYTES && trail->accesses.count > 1))
    {
      drop_access(trail, mt_slab_oldest(&trail->accesses));
      trail->any_access_gone = TRUE;
      trail->counters.evicted++;
    }
  while (trail->failures.count > MAX_FAILURES
         || (trail->access_bytes > MAX_ACCESS_BYTES && trail->failures.count > 1))
    {
      drop_failure(trail, mt_slab_oldest(&trail->failures));
      trail->counters.evicted++;
    }
}

void
mt_access_committed(MtTrail *trail)
{
  for (guint i = 0; i < trail->dirty_accesses->len; i++)
    {
      MtAccess *access = g_ptr_array_index(trail->dirty_accesses, i);

      access->dirty = FALSE;
      access->stored_day = access->day;
      weigh(trail, &access->bytes, &access->arena);
    }
  for (guint i = 0; i < trail->dirty_failures->len; i++)
    {
      MtFailure *failure = g_ptr_array_index(trail->dirty_failures, i);

      failure->dirty = FALSE;
      failure->stored_day = failure->day;
      weigh(trail, &failure->bytes, &failure->arena);
    }
  g_ptr_array_set_size(trail->dirty_accesses, 0);
  g_ptr_array_set_size(trail->dirty_failures, 0);
  trim(trail);
}

static void
touch_access(MtTrail *trail, MtAccess *access)
{
  if (access->dirty)
    return;
  mt_slab_touch(&trail->accesses, access);
  access->dirty = TRUE;
  g_ptr_array_add(trail->dirty_accesses, access);
}

static void
touch_failure(MtTrail *trail, MtFailure *failure)
{
  mt_slab_touch(&trail->failures, failure);
  if (failure->dirty)
    return;
  failure->dirty = TRUE;
  g_ptr_array_add(trail->dirty_failures, failure);
}

/* ---- logins ---------------------------------------------------------------------- */

/* Dovecot's session IDs are random; where there is none, the account's latest. */
static guint64
mailbox_key(MtTrail *trail, const MtLine *line, const MtEvent *event)
{
  MtSpan session = mt_event_text(event, MT_F_SESSION);

  if (session.len)
    return mt_hash_mix(mt_trail_hash(trail, session), MT_WORD_NONE);
  return mt_hash_mix(
      mt_hash_mix(mt_trail_hash_name(trail, line->host), mt_event_word(event, MT_F_SERVICE)),
      mt_trail_hash(trail, mt_event_text(event, MT_F_ACCOUNT)));
}

guint64
mt_access_smtp_key(MtTrail *trail, const MtLine *line, const MtEvent *event)
{
  const MtIp *ip = mt_event_ip(event, MT_F_CLIENT_IP);
  guint64 key =
      mt_hash_mix(mt_trail_hash_name(trail, line->host), mt_trail_hash_name(trail, line->program));

  key = mt_hash_mix(key, line->pid);
  return ip ? mt_hash_mix(key, mt_trail_hash_ip(trail, ip)) : key;
}

/* A login that an SMTP server tells of, not its submissions: of its connection. */
static guint64
login_key(MtTrail *trail, const MtLine *line, const MtEvent *event)
{
  if (mt_event_word(event, MT_F_SERVICE) == MT_WORD_SMTP && !mt_event_has(event, MT_F_SESSION)
      && mt_event_has(event, MT_F_CLIENT_IP) && line->pid >= 0)
    return mt_access_smtp_key(trail, line, event);
  return mailbox_key(trail, line, event);
}

/* The connection that a line is of: by its session, or by process and client. */
static guint64
connection_key(MtTrail *trail, const MtLine *line, const MtEvent *event)
{
  return mt_event_has(event, MT_F_SESSION) ? mailbox_key(trail, line, event)
                                           : mt_access_smtp_key(trail, line, event);
}

static gboolean
is_in_memory(const MtTrail *trail, const MtAccessRow *row)
{
  for (const MtAccess *access = mt_table_first(&trail->by_access, row->key); access;
       access = mt_table_next(&trail->by_access, access))
    if (access->id == row->id)
      return TRUE;
  return FALSE;
}

static void
load_access(gpointer sink, const MtAccessRow *row)
{
  MtTrail *trail = sink;
  MtAccess *access;
  MtArena *arena;

  if (is_in_memory(trail, row))
    return;
  access = alloc_access(trail);
  arena = &access->arena;
  access->id = row->id;
  access->at = row->at;
  access->last_at = row->last_at;
  access->ended_at = row->ended_at;
  access->in_bytes = row->in_bytes;
  access->out_bytes = row->out_bytes;
  access->deleted = row->deleted;
  access->expunged = row->expunged;
  access->trashed = row->trashed;
  access->tls = row->tls;
  access->asn = row->asn;
  access->service = row->service;
  access->day = access->stored_day = row->day;
  access->has_ip = row->ip.at && mt_ip_parse(row->ip, &access->ip);
  access->has_local_ip = row->local_ip.at && mt_ip_parse(row->local_ip, &access->local_ip);
  memcpy(access->country, row->country, sizeof access->country);
  access->account = put(trail, arena, row->account);
  access->method = put(trail, arena, row->method);
  access->session = put(trail, arena, row->session);
  access->host = put(trail, arena, row->host);
  access->client = put(trail, arena, row->client);
  access->city = put(trail, arena, row->city);
  access->key = row->key;
  mt_table_add(&trail->by_access, access, access->key);
  mt_slab_use(&trail->accesses, access);
  weigh(trail, &access->bytes, arena);
  trail->counters.late++;
}

static void
load_open_access(gpointer sink, const MtAccessRow *row)
{
  load_access(sink, row);
  ((MtTrail *) sink)->counters.late--;
}

/* Of two within one second the one that goes on is the later one. */
static gboolean
is_younger(const MtAccess *access, const MtAccess *than)
{
  return access->at > than->at
         || (access->at == than->at && access->ended_at == MT_NO_TIME
             && than->ended_at != MT_NO_TIME);
}

/* The youngest access under this key that is not known to have ended before @at. */
static MtAccess *
find_in_memory(const MtTrail *trail, guint64 key, MtTime at)
{
  MtAccess *best = NULL;

  MT_TABLE_EACH (MtAccess, access, &trail->by_access, key)
    {
      if (access->key != key)
        continue;
      if (access->ended_at != MT_NO_TIME && access->ended_at < at)
        continue;
      if (access->at <= at + MT_TRAIL_GRACE_US && (!best || is_younger(access, best)))
        best = access;
    }
  return best;
}

static MtAccess *
find_access(MtTrail *trail, guint64 key, MtTime at)
{
  MtAccess *access = find_in_memory(trail, key, at);

  if (access || (trail->start.horizon == MT_NO_TIME && !trail->any_access_gone))
    return access;
  trail->backing->access_by_key(trail->backing->self, key, load_access, trail);
  return find_in_memory(trail, key, at);
}

static void
end_access(MtTrail *trail, MtAccess *access, const MtLine *line, const MtEvent *event)
{
  access->ended_at = MAX(access->ended_at, line->time);
  access->last_at = MAX(access->last_at, line->time);
  access->in_bytes = MAX(access->in_bytes, mt_event_number(event, MT_F_IN_BYTES, -1));
  access->out_bytes = MAX(access->out_bytes, mt_event_number(event, MT_F_OUT_BYTES, -1));
  access->deleted = MAX(access->deleted, mt_event_number(event, MT_F_DELETED, -1));
  access->expunged = MAX(access->expunged, mt_event_number(event, MT_F_EXPUNGED, -1));
  access->trashed = MAX(access->trashed, mt_event_number(event, MT_F_TRASHED, -1));
  touch_access(trail, access);
}

static void
take_waiting(MtTrail *trail, MtAccess *access, guint64 key)
{
  MtPending *next, *pending = mt_pending_next(trail, MT_PENDING_LOGOUT, key, NULL);

  for (; pending; pending = next)
    {
      MtEvent event;
      MtLine line;

      next = mt_pending_next(trail, MT_PENDING_LOGOUT, key, pending);
      mt_pending_read(pending, &event, &line);
      if (line.time + MT_TRAIL_GRACE_US < access->at)
        continue;
      if (event.has[0] || event.has[1])
        end_access(trail, access, &line, &event);
      mt_pending_use_up(trail, pending);
    }
}

static MtAccess *
new_access(MtTrail *trail, guint64 key, const MtLine *line, const MtEvent *event, MtSpan account,
           MtWord service)
{
  MtAccess *access = alloc_access(trail);
  const MtIp *ip = mt_event_ip(event, MT_F_CLIENT_IP);
  const MtIp *local_ip = mt_event_ip(event, MT_F_LOCAL_IP);

  access->id = trail->ids.access++;
  access->at = access->last_at = line->time;
  access->ended_at = MT_NO_TIME;
  access->day = mt_time_day(line->time);
  access->stored_day = MT_NO_DAY;
  access->in_bytes = access->out_bytes = access->deleted = MT_NO_NUMBER;
  access->expunged = access->trashed = MT_NO_NUMBER;
  access->tls = mt_event_number(event, MT_F_TLS, MT_NO_NUMBER);
  access->service = service;
  access->has_ip = ip != NULL;
  if (ip)
    access->ip = *ip;
  access->has_local_ip = local_ip != NULL;
  if (local_ip)
    access->local_ip = *local_ip;
  access->account = put(trail, &access->arena, account);
  access->method = put(trail, &access->arena, mt_event_text(event, MT_F_AUTH_METHOD));
  access->session = put(trail, &access->arena, mt_event_text(event, MT_F_SESSION));
  access->client = put(trail, &access->arena, mt_event_text(event, MT_F_CLIENT));
  access->host = put(trail, &access->arena, line->host);
  access->key = key;
  mt_table_add(&trail->by_access, access, key);
  mt_slab_use(&trail->accesses, access);
  touch_access(trail, access);
  return access;
}

static void
tell_login(MtTrail *trail, MtAccess *access, MtFact *fact)
{
  MtSpan account = access_text(access, access->account);

  if (account.len) /* not every format of the line names one */
    {
      mt_sums_activity(trail, account, mt_time_day(access->at))->logins++;
      mt_trail_learn_account(trail, account);
    }
  fact->kind = MT_FACT_LOGIN;
  fact->count = 1;
  fact->at = access->at;
  fact->service = access->service;
  fact->has_ip = access->has_ip;
  fact->ip = access->ip;
  fact->account = account;
  fact->session = access_text(access, access->session);
  fact->host = access_text(access, access->host);
  fact->record = access;
}

/* A proxy and the server behind it log one login under one session. */
static gboolean
is_same_login(const MtAccess *access, const MtEvent *event)
{
  return access->session
         && mt_span_equal(access_text(access, access->session), mt_event_text(event, MT_F_SESSION))
         && mt_span_equal_nocase(access_text(access, access->account),
                                 mt_event_text(event, MT_F_ACCOUNT));
}

void
mt_access_push_login(MtTrail *trail, const MtLine *line, const MtEvent *event, MtFact *fact)
{
  guint64 key = login_key(trail, line, event);
  MtAccess *access = find_in_memory(trail, key, line->time + MT_HOUR_US);

  if (access && is_same_login(access, event))
    return;
  access = new_access(trail, key, line, event, mt_event_text(event, MT_F_ACCOUNT),
                      mt_event_word(event, MT_F_SERVICE));
  take_waiting(trail, access, key);
  tell_login(trail, access, fact);
}

void
mt_access_push_logout(MtTrail *trail, const MtLine *line, const MtEvent *event)
{
  guint64 key = mailbox_key(trail, line, event);
  MtAccess *access = find_access(trail, key, line->time);

  if (access)
    end_access(trail, access, line, event);
  else if (mt_event_has(event, MT_F_SESSION)) /* else nothing says whose end it is */
    mt_pending_add(trail, MT_PENDING_LOGOUT, key, line, event);
  else
    trail->counters.orphaned++;
}

void
mt_access_push_client(MtTrail *trail, const MtLine *line, const MtEvent *event)
{
  MtAccess *access;

  if (!mt_event_has(event, MT_F_SESSION))
    return;
  access = find_access(trail, mailbox_key(trail, line, event), line->time + MT_HOUR_US);
  if (!access || access->arena.used > MAX_ARENA_BYTES)
    return;
  access->client = put(trail, &access->arena, mt_event_text(event, MT_F_CLIENT));
  touch_access(trail, access);
}

/* The first end of this connection that was read before its beginning: the process has had
 * others since, maybe of the same client. */
static MtPending *
find_early_end(MtTrail *trail, guint64 key, MtTime at)
{
  MtPending *best = NULL;

  for (MtPending *pending = mt_pending_next(trail, MT_PENDING_LOGOUT, key, NULL); pending;
       pending = mt_pending_next(trail, MT_PENDING_LOGOUT, key, pending))
    if (pending->at + MT_TRAIL_GRACE_US >= at && pending->at <= at + SMTP_SESSION_US
        && (!best || pending->at < best->at))
      best = pending;
  return best;
}

static void
take_early_end(MtTrail *trail, MtAccess *access, guint64 key)
{
  MtPending *pending = find_early_end(trail, key, access->at);
  MtEvent event;
  MtLine line;

  if (!pending)
    return;
  mt_pending_read(pending, &event, &line);
  end_access(trail, access, &line, &event);
  mt_pending_use_up(trail, pending);
}

/* smtpd tells of the end of a connection after all that happened in it: what comes later is
 * another one, be it in the same second. */
static gboolean
goes_on(const MtAccess *access, MtTime at)
{
  return (access->ended_at == MT_NO_TIME || access->ended_at > at)
         && at <= access->last_at + SMTP_SESSION_US;
}

/* Postfix says who is logged in with every message of the session: one login. */
void
mt_access_push_submission(MtTrail *trail, const MtLine *line, const MtEvent *event, MtFact *fact)
{
  MtSpan account = mt_event_text(event, MT_F_AUTH_USER);
  guint64 key = mt_access_smtp_key(trail, line, event);
  MtAccess *access = find_access(trail, key, line->time);

  if (access && goes_on(access, line->time)
      && mt_span_equal(access_text(access, access->account), account))
    {
      access->last_at = MAX(access->last_at, line->time);
      return;
    }
  access = new_access(trail, key, line, event, account, MT_WORD_SMTP);
  take_early_end(trail, access, key);
  tell_login(trail, access, fact);
}

gboolean
mt_access_of_connection(MtTrail *trail, const MtLine *line, const MtEvent *event, MtSpan *account,
                        MtSpan *method)
{
  MtAccess *access = find_access(trail, connection_key(trail, line, event), line->time);

  if (!access || access->service != MT_WORD_SMTP || line->time > access->last_at + SMTP_SESSION_US)
    return FALSE;
  *account = access_text(access, access->account);
  *method = access_text(access, access->method);
  return TRUE;
}

/* "auth=1" of the commands of a session: it was successful. */
static gboolean
has_done(const MtCursor *at, MtSpan command)
{
  MtCursor cur = *at;

  return mt_scan_span(&cur, command) && mt_cursor_peek(&cur) >= '1' && mt_cursor_peek(&cur) <= '9';
}

/* Postfix counts the commands of a session: "ehlo=1 auth=1 mail=0/1 quit=1".  One that logged
 * in and handed in mail has an accept line: it is still to come. */
static gboolean
has_login_to_come(const MtEvent *event)
{
  MtCursor cur = mt_cursor(mt_event_text(event, MT_F_REASON));
  gboolean auth = FALSE, mail = FALSE, rcpt = FALSE;
  MtSpan before;

  while (mt_scan_until(&cur, ' ', &before)) /* none of the three stands first */
    switch (mt_cursor_peek(&cur))
      {
      case 'a':
        auth |= has_done(&cur, MT_SPAN("auth="));
        break;
      case 'm':
        mail |= has_done(&cur, MT_SPAN("mail="));
        break;
      case 'r':
        rcpt |= has_done(&cur, MT_SPAN("rcpt="));
        break;
      default:
        break;
      }
  return auth && mail && rcpt;
}

void
mt_access_push_disconnect(MtTrail *trail, const MtLine *line, const MtEvent *event)
{
  guint64 key = connection_key(trail, line, event);
  MtAccess *access = find_in_memory(trail, key, line->time);

  if (access && access->service == MT_WORD_SMTP && access->ended_at == MT_NO_TIME)
    end_access(trail, access, line, event);
  else if (!access && has_login_to_come(event))
    mt_pending_add(trail, MT_PENDING_LOGOUT, key, line, event);
}

/* ---- failed logins --------------------------------------------------------------- */

static guint64
attempt_hash(MtTrail *trail, const MtIp *ip, MtSpan account)
{
  guint64 hash = mt_trail_hash(trail, account);

  return ip ? mt_hash_mix(hash, mt_trail_hash_ip(trail, ip)) : hash;
}

static guint64
attempt_of(MtTrail *trail, const MtEvent *event)
{
  return attempt_hash(trail, mt_event_ip(event, MT_F_CLIENT_IP),
                      mt_event_text(event, MT_F_ACCOUNT));
}

static guint32
source_of(const MtEvent *event)
{
  if (mt_event_number(event, MT_F_ATTEMPTS, 1) == 0)
    return FROM_HINT;
  if (mt_event_word(event, MT_F_SERVICE) == MT_WORD_WEBMAIL)
    return FROM_WEBMAIL;
  return mt_event_has(event, MT_F_SERVICE) ? FROM_FRONT : FROM_AUTH;
}

static MtFailure *
find_by_session(const MtTrail *trail, MtSpan session)
{
  if (!session.len)
    return NULL;
  MT_TABLE_EACH (MtFailure, failure, &trail->by_session, mt_trail_hash(trail, session))
    if (mt_span_equal(failure_text(failure, failure->session), session))
      return failure;
  return NULL;
}

/* The other daemon's word on the same attempt: each of them tells it once. */
static MtFailure *
find_by_attempt(MtTrail *trail, const MtEvent *event, MtTime at)
{
  MtSpan account = mt_event_text(event, MT_F_ACCOUNT);
  const MtIp *ip = mt_event_ip(event, MT_F_CLIENT_IP);
  guint64 attempt = attempt_hash(trail, ip, account);
  guint32 source = source_of(event);
  MtFailure *best = NULL;

  MT_TABLE_EACH (MtFailure, failure, &trail->by_attempt, attempt)
    {
      if (failure->attempt != attempt || failure->sources & source
          || ABS(failure->at - at) > ATTEMPT_US
          || (failure->session && mt_event_has(event, MT_F_SESSION))
          || !mt_span_equal(failure_text(failure, failure->account), account))
        continue;
      if (!best || ABS(failure->at - at) < ABS(best->at - at))
        best = failure;
    }
  return best;
}

/* Nothing that both name differs, and each of them adds something. */
static gboolean
completes(const MtFailure *failure, const MtEvent *event)
{
  const MtIp *ip = mt_event_ip(event, MT_F_CLIENT_IP);
  MtSpan account = mt_event_text(event, MT_F_ACCOUNT);

  if (ip && failure->has_ip && !mt_ip_equal(ip, &failure->ip))
    return FALSE;
  if (account.len && failure->account
      && !mt_span_equal_nocase(failure_text(failure, failure->account), account))
    return FALSE;
  return failure->has_ip != (ip != NULL) || (failure->account != 0) != (account.len > 0);
}

/* A mailbox server and the webmail in front of it, which is one of ours. */
static gboolean
is_behind_webmail(const MtTrail *trail, const MtFailure *failure, const MtEvent *event)
{
  const MtIp *ip = mt_event_ip(event, MT_F_CLIENT_IP);
  gboolean webmail = source_of(event) == FROM_WEBMAIL;

  if (webmail == ((failure->sources & FROM_WEBMAIL) != 0))
    return FALSE;
  if (webmail ? !failure->has_ip || !mt_trail_is_ours(trail, &failure->ip)
              : !ip || !mt_trail_is_ours(trail, ip))
    return FALSE;
  return failure->account
         && mt_span_equal_nocase(failure_text(failure, failure->account),
                                 mt_event_text(event, MT_F_ACCOUNT));
}

/* One names the address, the other the account (plesk_saslauthd beside an older
 * Postfix), or one of them both: lines of one host, one right after the other. */
static MtFailure *
find_by_neighbour(const MtTrail *trail, const MtLine *line, const MtEvent *event)
{
  MtFailure *failure = mt_slab_newest(&trail->failures);

  for (gint i = 0; failure && i < 16; failure = mt_slab_older(&trail->failures, failure), i++)
    if (!(failure->sources & source_of(event))
        && (is_behind_webmail(trail, failure, event)
            || (completes(failure, event)
                && !(failure->session && mt_event_has(event, MT_F_SESSION))))
        && ABS(failure->at - line->time) <= ATTEMPT_US
        && mt_span_equal(failure_text(failure, failure->host), line->host))
      return failure;
  return NULL;
}

/* The authentication service says "unknown user" of a recipient that LMTP asks about, too: of
 * nobody's session, for a client that is this host or none.  A login has a line of the server
 * that talked to its client. */
static gboolean
may_be_look_up(const MtTrail *trail, const MtEvent *event)
{
  const MtIp *ip = mt_event_ip(event, MT_F_CLIENT_IP);
  MtSpan reason = mt_event_text(event, MT_F_REASON);

  return source_of(event) == FROM_AUTH && !mt_event_has(event, MT_F_SESSION)
         && MT_SPAN_IS(reason, "unknown-user") && (!ip || mt_trail_is_ours(trail, ip));
}

/* It was a login: what the authentication service said of it counts. */
static gboolean
take_look_up(MtTrail *trail, guint64 key, MtTime at, MtEvent *event)
{
  MtPending *pending = mt_pending_next(trail, MT_PENDING_LOOK_UP, key, NULL);
  MtLine line;

  for (; pending; pending = mt_pending_next(trail, MT_PENDING_LOOK_UP, key, pending))
    if (ABS(pending->at - at) <= ATTEMPT_US)
      {
        mt_pending_read(pending, event, &line);
        mt_pending_remove(trail, pending);
        return TRUE;
      }
  return FALSE;
}

static MtFailure *
new_failure(MtTrail *trail, const MtLine *line, const MtEvent *event)
{
  MtFailure *failure = alloc_failure(trail);
  MtSpan session = mt_event_text(event, MT_F_SESSION);

  failure->id = trail->ids.failure++;
  failure->at = line->time;
  failure->day = mt_time_day(line->time);
  failure->stored_day = MT_NO_DAY;
  failure->tls = MT_NO_NUMBER;
  failure->tag = MT_NO_TAG;
  failure->host = put(trail, &failure->arena, line->host);
  failure->session = put(trail, &failure->arena, session);
  failure->in_sessions = session.len > 0;
  if (failure->in_sessions)
    mt_table_add(&trail->by_session, failure, mt_trail_hash(trail, session));
  failure->attempt =
      attempt_hash(trail, mt_event_ip(event, MT_F_CLIENT_IP), mt_event_text(event, MT_F_ACCOUNT));
  mt_table_add(&trail->by_attempt, failure, failure->attempt);
  mt_slab_use(&trail->failures, failure);
  return failure;
}

static void
keep(MtTrail *trail, MtFailure *failure, MtText *field, const MtEvent *event, MtField from)
{
  if (!*field && mt_event_has(event, from))
    *field = put(trail, &failure->arena, event->value[from].text);
}

/* A reason that says more than "auth-failed" wins, whichever comes first. */
static void
fold_reason(MtTrail *trail, MtFailure *failure, const MtEvent *event)
{
  MtSpan reason = mt_event_text(event, MT_F_REASON);

  if (!reason.len)
    return;
  if (!failure->reason || MT_SPAN_IS(failure_text(failure, failure->reason), "auth-failed"))
    set_of_failure(trail, failure, &failure->reason, reason);
}

/* Returns: TRUE if the attempt has got an address, or a better one. */
static gboolean
fold_address(MtFailure *failure, const MtEvent *event)
{
  const MtIp *ip = mt_event_ip(event, MT_F_CLIENT_IP);
  gboolean webmail = source_of(event) == FROM_WEBMAIL;

  if (!ip || (failure->has_ip && (!webmail || mt_ip_equal(ip, &failure->ip))))
    return FALSE;
  failure->ip = *ip;
  failure->has_ip = TRUE;
  return TRUE;
}

static void
fold_failure(MtTrail *trail, MtFailure *failure, const MtEvent *event)
{
  keep(trail, failure, &failure->account, event, MT_F_ACCOUNT);
  keep(trail, failure, &failure->method, event, MT_F_AUTH_METHOD);
  keep(trail, failure, &failure->client, event, MT_F_CLIENT);
  fold_reason(trail, failure, event);
  if (mt_event_has(event, MT_F_SERVICE) && !(failure->sources & FROM_WEBMAIL))
    failure->service = mt_event_word(event, MT_F_SERVICE);
  if (mt_event_has(event, MT_F_TLS))
    failure->tls = mt_event_number(event, MT_F_TLS, 0);
  failure->sources |= source_of(event);
}

/* Attempts: what the front states, or as many as the service behind it told. */
static gint64
count_attempts(MtFailure *failure, const MtEvent *event)
{
  gint64 before = failure->attempts, stated = mt_event_number(event, MT_F_ATTEMPTS, 1);

  if (source_of(event) == FROM_AUTH)
    stated = ++failure->told;
  failure->attempts = MAX(failure->attempts, MAX(stated, 1));
  return failure->attempts - before;
}

/* What is new of it: attempts, or whose all of them were. */
static void
add_up(MtTrail *trail, MtFailure *failure, gint64 of_ip, gint64 of_account)
{
  MtSpan account = failure_text(failure, failure->account);

  if (failure->has_ip && of_ip)
    mt_sums_connection(trail, &failure->ip, MT_NO_SPAN, failure->at)->failed_logins += of_ip;
  if (account.len && of_account && mt_trail_is_known_account(trail, account))
    mt_sums_activity(trail, account, failure->day)->failed_logins += of_account;
}

static void
tell_failure(MtFailure *failure, gint64 count, MtFact *fact)
{
  MtSpan account = failure_text(failure, failure->account);

  fact->kind = MT_FACT_FAILURE;
  fact->count = count;
  fact->at = failure->at;
  fact->service = failure->service;
  fact->has_ip = failure->has_ip;
  fact->ip = failure->ip;
  fact->account = account;
  fact->session = failure_text(failure, failure->session);
  fact->host = failure_text(failure, failure->host);
  fact->reason = failure_text(failure, failure->reason);
  fact->record = failure;
}

void
mt_access_push_failure(MtTrail *trail, const MtLine *line, const MtEvent *event, MtFact *fact)
{
  MtFailure *failure = find_by_session(trail, mt_event_text(event, MT_F_SESSION));
  gboolean has_account, new_ip;
  MtEvent looked_up;
  gint64 count;

  if (!failure)
    failure = find_by_attempt(trail, event, line->time);
  if (!failure && may_be_look_up(trail, event))
    {
      mt_pending_add(trail, MT_PENDING_LOOK_UP, attempt_of(trail, event), line, event);
      return;
    }
  if (!failure)
    failure = find_by_neighbour(trail, line, event);
  if (!failure)
    failure = new_failure(trail, line, event);
  touch_failure(trail, failure);
  has_account = failure->account != 0;
  new_ip = fold_address(failure, event);
  fold_failure(trail, failure, event);
  if (source_of(event) != FROM_AUTH
      && take_look_up(trail, attempt_of(trail, event), line->time, &looked_up))
    fold_failure(trail, failure, &looked_up);
  count = count_attempts(failure, event);
  add_up(trail, failure, new_ip ? failure->attempts : count,
         has_account ? count : failure->attempts);
  if (new_ip || count > 0 || has_account != (failure->account != 0))
    tell_failure(failure, new_ip ? failure->attempts : count, fact);
}

/* ---- back from the disk, and onto it --------------------------------------------- */

static void
load_failure(gpointer sink, const MtFailureRow *row)
{
  MtTrail *trail = sink;
  MtFailure *failure = alloc_failure(trail);
  MtArena *arena = &failure->arena;

  failure->id = row->id;
  failure->at = row->at;
  failure->day = failure->stored_day = row->day;
  failure->attempts = row->attempts;
  failure->told = row->sources & FROM_AUTH ? row->attempts : 0;
  failure->tls = row->tls;
  failure->asn = row->asn;
  failure->service = row->service;
  failure->sources = row->sources;
  failure->tag = row->tag;
  memcpy(failure->country, row->country, sizeof failure->country);
  failure->has_ip = row->ip.at && mt_ip_parse(row->ip, &failure->ip);
  failure->account = put(trail, arena, row->account);
  failure->reason = put(trail, arena, row->reason);
  failure->method = put(trail, arena, row->method);
  failure->session = put(trail, arena, row->session);
  failure->host = put(trail, arena, row->host);
  failure->client = put(trail, arena, row->client);
  failure->city = put(trail, arena, row->city);
  failure->in_sessions = row->session.len > 0;
  if (failure->in_sessions)
    mt_table_add(&trail->by_session, failure, mt_trail_hash(trail, row->session));
  failure->attempt = attempt_hash(trail, failure->has_ip ? &failure->ip : NULL, row->account);
  mt_table_add(&trail->by_attempt, failure, failure->attempt);
  mt_slab_use(&trail->failures, failure);
  weigh(trail, &failure->bytes, arena);
  if (trail->failures.count > MAX_FAILURES)
    drop_failure(trail, mt_slab_oldest(&trail->failures));
}

void
mt_access_load(MtTrail *trail)
{
  if (trail->start.horizon == MT_NO_TIME)
    return;
  trail->backing->failures_since(trail->backing->self, trail->start.horizon - MT_HOUR_US,
                                 load_failure, trail);
  /* An SMTP session's end is looked for in memory only: most have no login. */
  trail->backing->open_accesses(trail->backing->self, trail->start.horizon - MT_DAY_US,
                                MAX_ACCESSES / 2, load_open_access, trail);
}

static MtSpan
batch_ip(MtBatch *batch, gboolean has, const MtIp *ip)
{
  gchar text[MT_IP_TEXT_BYTES];

  return has ? mt_batch_text(batch, mt_span(text, mt_ip_format(ip, text))) : MT_NO_SPAN;
}

static void
flush_access(MtBatch *batch, const MtAccess *access)
{
  MtAccessRow *row = MT_BATCH_ADD(batch->accesses, MtAccessRow);
  MtTexts texts = mt_texts(batch, &access->arena);

  row->id = access->id;
  row->day = access->day;
  row->stored_day = access->stored_day;
  row->key = access->key;
  row->at = access->at;
  row->last_at = access->last_at;
  row->ended_at = access->ended_at;
  row->ip = batch_ip(batch, access->has_ip, &access->ip);
  row->local_ip = batch_ip(batch, access->has_local_ip, &access->local_ip);
  row->account = mt_texts_get(&texts, access->account);
  row->method = mt_texts_get(&texts, access->method);
  row->session = mt_texts_get(&texts, access->session);
  row->host = mt_texts_get(&texts, access->host);
  row->client = mt_texts_get(&texts, access->client);
  row->city = mt_texts_get(&texts, access->city);
  row->country_name = mt_texts_get(&texts, access->country_name);
  memcpy(row->country, access->country, sizeof row->country);
  row->asn = access->asn;
  row->service = access->service;
  row->tls = access->tls;
  row->in_bytes = access->in_bytes;
  row->out_bytes = access->out_bytes;
  row->deleted = access->deleted;
  row->expunged = access->expunged;
  row->trashed = access->trashed;
}

MtSpan
mt_trail_shown_account(MtTrail *trail, MtSpan account, gchar masked[MT_MASKED_BYTES])
{
  if (!account.len || trail->settings->store_unknown_accounts
      || mt_trail_is_known_account(trail, account))
    return account;
  return mt_text_mask(account, masked);
}

static void
flush_failure(MtTrail *trail, MtBatch *batch, const MtFailure *failure)
{
  MtFailureRow *row = MT_BATCH_ADD(batch->failures, MtFailureRow);
  MtTexts texts = mt_texts(batch, &failure->arena);
  gchar masked[MT_MASKED_BYTES];
  MtSpan account = failure_text(failure, failure->account);

  row->id = failure->id;
  row->day = failure->day;
  row->stored_day = failure->stored_day;
  row->at = failure->at;
  row->ip = batch_ip(batch, failure->has_ip, &failure->ip);
  row->account = mt_batch_text(batch, mt_trail_shown_account(trail, account, masked));
  row->tag = failure->tag;
  if (row->tag == MT_NO_TAG && row->account.len && !mt_span_equal(row->account, account))
    row->tag = mt_hash_tag(&trail->key, account);
  row->reason = mt_texts_get(&texts, failure->reason);
  row->method = mt_texts_get(&texts, failure->method);
  row->session = mt_texts_get(&texts, failure->session);
  row->host = mt_texts_get(&texts, failure->host);
  row->client = mt_texts_get(&texts, failure->client);
  row->city = mt_texts_get(&texts, failure->city);
  row->country_name = mt_texts_get(&texts, failure->country_name);
  memcpy(row->country, failure->country, sizeof row->country);
  row->asn = failure->asn;
  row->service = failure->service;
  row->tls = failure->tls;
  row->attempts = failure->attempts;
  row->sources = failure->sources;
}

void
mt_access_flush(MtTrail *trail, MtBatch *batch)
{
  for (guint i = 0; i < trail->dirty_accesses->len; i++)
    flush_access(batch, g_ptr_array_index(trail->dirty_accesses, i));
  for (guint i = 0; i < trail->dirty_failures->len; i++)
    flush_failure(trail, batch, g_ptr_array_index(trail->dirty_failures, i));
}

void
mt_trail_set_place(MtTrail *trail, const MtFact *fact, const MtClientPlace *place)
{
  if (fact->kind == MT_FACT_LOGIN)
    {
      MtAccess *access = fact->record;

      memcpy(access->country, place->country, sizeof access->country);
      set_of_access(trail, access, &access->country_name, place->country_name);
      set_of_access(trail, access, &access->city, place->city);
      access->asn = place->asn;
    }
  else if (fact->kind == MT_FACT_FAILURE)
    {
      MtFailure *failure = fact->record;

      memcpy(failure->country, place->country, sizeof failure->country);
      set_of_failure(trail, failure, &failure->country_name, place->country_name);
      set_of_failure(trail, failure, &failure->city, place->city);
      failure->asn = place->asn;
    }
}
