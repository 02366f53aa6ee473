/* dialogue.c: lines that mean something only together
 *
 * SmarterMail and ICDSoft log what client and server said.  Word by word, what another
 * server says in one line is gathered in a note (a pending), and folded once it is
 * whole: a message when its end is answered, a refusal with its envelope, a login with its
 * answer.  Lines belong together by their session, or, where they name none, by standing
 * together (docs/decisions/15-dialogues.md).
 */
#include "trail/dialogue.h"

/* More recipients no server takes at once (RFC 5321 4.5.3.1.8 asks for 100 at least). */
#define MAX_RECIPIENTS 1000

/* A message waits this long for its delivery's first line. */
#define NAMED_US MT_DAY_US

/* ---- notes ------------------------------------------------------------------------------ */

void
mt_note_read(MtPending *pending, guint64 key, MtNote *note)
{
  note->kind = pending->kind;
  note->key = key;
  note->pending = pending;
  mt_pending_read(pending, &note->event, &note->line);
}

void
mt_note_open(MtTrail *trail, MtPendingKind kind, guint64 key, MtNote *note)
{
  MtPending *pending = mt_pending_next(trail, kind, key, NULL);

  if (pending)
    {
      mt_note_read(pending, key, note);
      return;
    }
  *note = (MtNote){ .kind = kind, .key = key, .line = { .time = MT_NO_TIME } };
  mt_event_clear(&note->event);
}

/* The new one first: its texts are the old one's. */
void
mt_note_keep(MtTrail *trail, const MtLine *line, MtNote *note)
{
  MtPending *old = note->pending;

  mt_pending_add(trail, note->kind, note->key, line, &note->event);
  if (old && !old->removed)
    mt_pending_remove(trail, old);
  note->pending = NULL;
}

void
mt_note_drop(MtTrail *trail, MtNote *note)
{
  if (note->pending && !note->pending->removed)
    mt_pending_remove(trail, note->pending);
  note->pending = NULL;
}

guint64
mt_note_key(MtTrail *trail, const MtLine *line, MtSpan thing, MtSpan name)
{
  return mt_hash_mix(
      mt_hash_mix(mt_trail_hash_name(trail, line->host), mt_trail_hash(trail, thing)),
      mt_trail_hash(trail, name));
}

void
mt_event_copy_fields(MtEvent *to, const MtEvent *from, const MtField *fields, guint n_fields)
{
  for (guint i = 0; i < n_fields; i++)
    mt_event_copy_field(to, from, fields[i]);
}

/* ---- a session ------------------------------------------------------------------------------ */

typedef struct
{
  MtTrail *trail;
  const MtLine *line;
  MtFact *fact;
  MtSpan session; /* empty: lines name none */
  guint64 key;
  MtNote note;
} Dialogue;

/* What a note of a session holds of the client, and what of its next message:
 *   verb       the command that waits for its answer
 *   auth_user  who tries to log in; account: who has; attempts: failed ones
 *   recipient  the one that was named last; nrcpt: how many were taken
 *   status     sent: the message was taken, its name is still to come */
static const MtField client_fields[] = { MT_F_CLIENT_IP, MT_F_CLIENT_NAME, MT_F_HELO };
static const MtField message_fields[] = { MT_F_SENDER,    MT_F_SIZE,     MT_F_NRCPT,
                                          MT_F_RECIPIENT, MT_F_QUEUE_ID, MT_F_MESSAGE_ID,
                                          MT_F_QP,        MT_F_STATUS };

static MtSpan
state_text(const Dialogue *dialogue, MtField field)
{
  return mt_event_text(&dialogue->note.event, field);
}

static void
drop_recipients(Dialogue *dialogue)
{
  MtPending *pending;

  while ((pending = mt_pending_next(dialogue->trail, MT_PENDING_RECIPIENT, dialogue->key, NULL)))
    mt_pending_remove(dialogue->trail, pending);
}

static void
reset_message(Dialogue *dialogue)
{
  for (guint i = 0; i < G_N_ELEMENTS(message_fields); i++)
    mt_event_drop(&dialogue->note.event, message_fields[i]);
  drop_recipients(dialogue);
}

/* ---- a message is taken ------------------------------------------------------------ */

/* The spool's name, the process that queued it, or for want of both the session. */
static MtSpan
queue_id_of(const Dialogue *dialogue, gchar buffer[24])
{
  const MtEvent *state = &dialogue->note.event;

  if (mt_event_has(state, MT_F_QUEUE_ID))
    return mt_event_text(state, MT_F_QUEUE_ID);
  if (mt_event_has(state, MT_F_QP))
    return mt_span(buffer,
                   g_snprintf(buffer, 24, "%" G_GINT64_FORMAT, mt_event_number(state, MT_F_QP, 0)));
  return dialogue->session;
}

static void
begin_event(MtEvent *event, MtEventKind kind, MtSpan queue_id)
{
  mt_event_clear(event);
  event->kind = kind;
  mt_event_set_text(event, MT_F_QUEUE_ID, queue_id);
}

static guint64
name_key(MtTrail *trail, const MtLine *line, MtSpan name)
{
  return mt_note_key(trail, line, MT_SPAN("spool"), name);
}

/* The delivery log calls "-1979091561003" by its end, "61003", newer ones by eight. */
static void
add_names(MtTrail *trail, const MtLine *line, MtSpan name)
{
  static const gsize lengths[] = { 5, 8 };
  MtEvent event;

  mt_event_clear(&event);
  mt_event_set_text(&event, MT_F_QUEUE_ID, name);
  for (guint i = 0; i < G_N_ELEMENTS(lengths); i++)
    if (name.len > lengths[i])
      mt_pending_add(trail, MT_PENDING_NAMED,
                     name_key(trail, line, mt_span(name.at + name.len - lengths[i], lengths[i])),
                     line, &event);
}

/* A row for each recipient; and by what its delivery will be known. */
static void
emit_recipients(Dialogue *dialogue, MtSpan queue_id)
{
  MtTrail *trail = dialogue->trail;
  gboolean named = mt_event_has(&dialogue->note.event, MT_F_QUEUE_ID);
  MtPending *pending = mt_pending_next(trail, MT_PENDING_RECIPIENT, dialogue->key, NULL);

  for (; pending; pending = mt_pending_next(trail, MT_PENDING_RECIPIENT, dialogue->key, pending))
    {
      MtEvent event;
      MtNote note;

      mt_note_read(pending, dialogue->key, &note);
      begin_event(&event, MT_EVENT_DELIVERY, queue_id);
      mt_event_copy_field(&event, &note.event, MT_F_RECIPIENT);
      mt_messages_push(trail, dialogue->line, &event);
      if (!named)
        mt_envelope_add(trail, dialogue->line, state_text(dialogue, MT_F_SENDER),
                        mt_event_text(&note.event, MT_F_RECIPIENT), queue_id);
    }
  if (named)
    add_names(trail, dialogue->line, queue_id);
}

static void
emit_accept(Dialogue *dialogue, MtSpan queue_id)
{
  static const MtField fields[] = { MT_F_CLIENT_IP,  MT_F_CLIENT_NAME, MT_F_AUTH_METHOD,
                                    MT_F_MESSAGE_ID, MT_F_SENDER,      MT_F_SIZE };
  const MtEvent *state = &dialogue->note.event;
  MtMessage *message;
  MtEvent event;

  begin_event(&event, MT_EVENT_ACCEPT, queue_id);
  mt_event_copy_fields(&event, state, fields, G_N_ELEMENTS(fields));
  if (mt_event_has(state, MT_F_ACCOUNT))
    mt_event_set_text(&event, MT_F_AUTH_USER, mt_event_text(state, MT_F_ACCOUNT));
  mt_messages_push(dialogue->trail, dialogue->line, &event);
  message = mt_message_waiting(dialogue->trail, dialogue->line->host, queue_id);
  if (message)
    message->port = MT_NO_NUMBER; /* none of these logs says it */
  begin_event(&event, MT_EVENT_QUEUED, queue_id);
  mt_event_copy_field(&event, state, MT_F_SENDER);
  mt_event_copy_field(&event, state, MT_F_SIZE);
  mt_event_copy_field(&event, state, MT_F_NRCPT);
  mt_messages_push(dialogue->trail, dialogue->line, &event);
}

static void
emit_message(Dialogue *dialogue)
{
  MtMessage *message;
  gchar buffer[24];
  MtSpan queue_id = queue_id_of(dialogue, buffer);

  if (queue_id.len)
    {
      emit_accept(dialogue, queue_id);
      emit_recipients(dialogue, queue_id);
      message = mt_message_waiting(dialogue->trail, dialogue->line->host, queue_id);
      if (message && mt_event_has(&dialogue->note.event, MT_F_QP))
        mt_origin_queued(dialogue->trail, dialogue->line, message,
                         mt_event_number(&dialogue->note.event, MT_F_QP, 0));
    }
  reset_message(dialogue);
}

/* A message that was taken, but whose name never came. */
static void
emit_nameless(Dialogue *dialogue)
{
  if (mt_event_word(&dialogue->note.event, MT_F_STATUS) == MT_WORD_SENT)
    emit_message(dialogue);
}

/* ---- commands ---------------------------------------------------------------------- */

/* Commands that begin another message, or none. */
static gboolean
ends_message(MtSpan verb)
{
  static const MtSpan verbs[] = { MT_SPAN_INIT("MAIL"), MT_SPAN_INIT("EHLO"),
                                  MT_SPAN_INIT("HELO"), MT_SPAN_INIT("RSET"),
                                  MT_SPAN_INIT("QUIT"), MT_SPAN_INIT("STARTTLS") };

  for (guint i = 0; i < G_N_ELEMENTS(verbs); i++)
    if (mt_span_equal(verbs[i], verb))
      return TRUE;
  return FALSE;
}

static void
push_command(Dialogue *dialogue, const MtEvent *event)
{
  static const MtField fields[] = { MT_F_VERB, MT_F_HELO, MT_F_AUTH_USER, MT_F_AUTH_METHOD };
  MtEvent *state = &dialogue->note.event;
  MtSpan verb = mt_event_text(event, MT_F_VERB);

  if (!verb.len) /* the answer to a challenge */
    return;
  if (ends_message(verb))
    {
      emit_nameless(dialogue);
      reset_message(dialogue);
    }
  if (MT_SPAN_IS(verb, "MAIL") && !dialogue->session.len)
    for (guint i = 0; i < G_N_ELEMENTS(client_fields); i++)
      mt_event_drop(state, client_fields[i]); /* whoever comes next */
  mt_event_copy_fields(state, event, fields, G_N_ELEMENTS(fields));
  mt_event_copy_field(state, event, MT_F_SENDER);
  mt_event_copy_field(state, event, MT_F_RECIPIENT);
  mt_event_copy_field(state, event, MT_F_SIZE);
}

/* ---- replies ----------------------------------------------------------------------- */

static void
refuse(Dialogue *dialogue, const MtEvent *event, MtSpan stage, MtSpan recipient)
{
  const MtEvent *state = &dialogue->note.event;
  gint64 code = mt_event_number(event, MT_F_CODE, 0);
  MtEvent refusal;

  mt_event_clear(&refusal);
  refusal.kind = MT_EVENT_REJECT;
  refusal.dialect = event->dialect;
  mt_event_copy_fields(&refusal, state, client_fields, G_N_ELEMENTS(client_fields));
  mt_event_copy_field(&refusal, state, MT_F_SENDER);
  if (mt_event_has(state, MT_F_ACCOUNT))
    mt_event_set_text(&refusal, MT_F_AUTH_USER, mt_event_text(state, MT_F_ACCOUNT));
  if (recipient.len)
    mt_event_set_text(&refusal, MT_F_RECIPIENT, recipient);
  mt_event_set_word(&refusal, MT_F_ACTION, code < 500 ? MT_WORD_DEFER : MT_WORD_REJECT);
  mt_event_set_text(&refusal, MT_F_STAGE, stage);
  mt_event_copy_field(&refusal, event, MT_F_CODE);
  mt_event_copy_field(&refusal, event, MT_F_DSN);
  if (mt_event_has(event, MT_F_TEXT))
    mt_event_set_text(&refusal, MT_F_REASON, mt_event_text(event, MT_F_TEXT));
  mt_trail_fold(dialogue->trail, dialogue->line, &refusal, dialogue->fact);
}

/* The whole message, for each that it was for. */
static void
refuse_message(Dialogue *dialogue, const MtEvent *event)
{
  MtPending *pending = mt_pending_next(dialogue->trail, MT_PENDING_RECIPIENT, dialogue->key, NULL);

  if (!pending)
    refuse(dialogue, event, MT_SPAN("END-OF-MESSAGE"), MT_NO_SPAN);
  for (; pending;
       pending = mt_pending_next(dialogue->trail, MT_PENDING_RECIPIENT, dialogue->key, pending))
    {
      MtNote note;

      mt_note_read(pending, dialogue->key, &note);
      refuse(dialogue, event, MT_SPAN("END-OF-MESSAGE"),
             mt_event_text(&note.event, MT_F_RECIPIENT));
    }
  reset_message(dialogue);
}

static void
add_recipient(Dialogue *dialogue)
{
  MtEvent *state = &dialogue->note.event;
  gint64 count = mt_event_number(state, MT_F_NRCPT, 0);
  MtEvent event;

  if (count >= MAX_RECIPIENTS)
    {
      dialogue->trail->counters.orphaned++;
      return;
    }
  mt_event_set_number(state, MT_F_NRCPT, count + 1);
  mt_event_clear(&event);
  mt_event_copy_field(&event, state, MT_F_RECIPIENT);
  mt_pending_add(dialogue->trail, MT_PENDING_RECIPIENT, dialogue->key, dialogue->line, &event);
}

static void
answer_mail(Dialogue *dialogue, const MtEvent *event, gboolean good)
{
  if (!good)
    refuse(dialogue, event, MT_SPAN("MAIL"), MT_NO_SPAN);
}

static void
answer_rcpt(Dialogue *dialogue, const MtEvent *event, gboolean good)
{
  if (good)
    add_recipient(dialogue);
  else
    refuse(dialogue, event, MT_SPAN("RCPT"), state_text(dialogue, MT_F_RECIPIENT));
}

/* Where lines name a session, the spool file's name comes in another line. */
static void
answer_data(Dialogue *dialogue, const MtEvent *event, gboolean good)
{
  MtEvent *state = &dialogue->note.event;

  if (!good)
    {
      refuse_message(dialogue, event);
      return;
    }
  mt_event_copy_field(state, event, MT_F_QP);
  mt_event_set_word(state, MT_F_STATUS, MT_WORD_SENT);
  if (!dialogue->session.len || mt_event_has(state, MT_F_QUEUE_ID))
    emit_message(dialogue);
}

/* ---- logins ------------------------------------------------------------------------ */

static void
fill_access(const Dialogue *dialogue, MtEventKind kind, MtWord service, MtSpan account,
            MtEvent *event)
{
  mt_event_clear(event);
  event->kind = kind;
  if (account.len)
    mt_event_set_text(event, MT_F_ACCOUNT, account);
  mt_event_set_word(event, MT_F_SERVICE, service);
  mt_event_copy_field(event, &dialogue->note.event, MT_F_CLIENT_IP);
  mt_event_copy_field(event, &dialogue->note.event, MT_F_AUTH_METHOD);
  if (dialogue->session.len)
    mt_event_set_text(event, MT_F_SESSION, dialogue->session);
}

/* Told twice: by the reply, and in words. */
static void
log_in(Dialogue *dialogue, MtWord service, MtSpan account)
{
  MtEvent *state = &dialogue->note.event;
  MtEvent event;

  if (!account.len || mt_event_has(state, MT_F_ACCOUNT))
    return;
  fill_access(dialogue, MT_EVENT_LOGIN, service, account, &event);
  mt_event_set_text(state, MT_F_ACCOUNT, account);
  mt_event_set_word(state, MT_F_SERVICE, service);
  mt_event_drop(state, MT_F_AUTH_USER);
  mt_trail_fold(dialogue->trail, dialogue->line, &event, dialogue->fact);
}

/* Each attempt is a row of its own; only the first is found by its session. */
static void
fail_login(Dialogue *dialogue, MtWord service)
{
  MtEvent *state = &dialogue->note.event;
  gint64 attempts = mt_event_number(state, MT_F_ATTEMPTS, 0);
  MtEvent event;

  fill_access(dialogue, MT_EVENT_LOGIN_FAILED, service, mt_event_text(state, MT_F_AUTH_USER),
              &event);
  if (attempts)
    mt_event_drop(&event, MT_F_SESSION);
  MT_EVENT_SET_LITERAL(&event, MT_F_REASON, "auth-failed");
  mt_event_set_number(state, MT_F_ATTEMPTS, attempts + 1);
  mt_event_drop(state, MT_F_AUTH_USER);
  mt_trail_fold(dialogue->trail, dialogue->line, &event, dialogue->fact);
}

static void
log_out(Dialogue *dialogue)
{
  MtEvent event;

  if (!mt_event_has(&dialogue->note.event, MT_F_ACCOUNT))
    return;
  fill_access(dialogue, MT_EVENT_LOGOUT, mt_event_word(&dialogue->note.event, MT_F_SERVICE),
              state_text(dialogue, MT_F_ACCOUNT), &event);
  mt_trail_fold(dialogue->trail, dialogue->line, &event, dialogue->fact);
}

static void
answer_login(Dialogue *dialogue, MtWord service, gboolean good)
{
  if (good)
    log_in(dialogue, service, state_text(dialogue, MT_F_AUTH_USER));
  else
    fail_login(dialogue, service);
}

static void
answer_auth(Dialogue *dialogue, const MtEvent *event, gboolean good)
{
  answer_login(dialogue, MT_WORD_SMTP, good);
}

static void
answer_pop3(Dialogue *dialogue, const MtEvent *event, gboolean good)
{
  answer_login(dialogue, MT_WORD_POP3, good);
}

static void
answer_imap(Dialogue *dialogue, const MtEvent *event, gboolean good)
{
  answer_login(dialogue, MT_WORD_IMAP, good);
}

static const struct
{
  MtSpan verb;
  void (*answer)(Dialogue *dialogue, const MtEvent *event, gboolean good);
} answers[] = {
  { MT_SPAN_INIT("MAIL"), answer_mail },         { MT_SPAN_INIT("RCPT"), answer_rcpt },
  { MT_SPAN_INIT("DATA"), answer_data },         { MT_SPAN_INIT("BDAT"), answer_data },
  { MT_SPAN_INIT("AUTH"), answer_auth },         { MT_SPAN_INIT("PASS"), answer_pop3 },
  { MT_SPAN_INIT("APOP"), answer_pop3 },         { MT_SPAN_INIT("LOGIN"), answer_imap },
  { MT_SPAN_INIT("AUTHENTICATE"), answer_imap },
};

typedef enum
{
  ANSWER_NONE, /* a greeting, a challenge, an untagged line */
  ANSWER_GOOD,
  ANSWER_BAD,
} Answer;

/* "250", "554", "+OK", "-ERR", "a1 OK", "a1 NO" */
static Answer
judge(const MtEvent *event)
{
  gint64 code = mt_event_number(event, MT_F_CODE, 0);
  MtCursor cur = mt_cursor(mt_event_text(event, MT_F_TEXT));
  MtSpan tag;

  if (code)
    return code >= 400 ? ANSWER_BAD : code >= 200 && code < 300 ? ANSWER_GOOD : ANSWER_NONE;
  if (MT_SCAN(&cur, "+OK"))
    return ANSWER_GOOD;
  if (MT_SCAN(&cur, "-ERR"))
    return ANSWER_BAD;
  if (!mt_scan_until(&cur, ' ', &tag) || MT_SPAN_IS(tag, "*") || MT_SPAN_IS(tag, "+"))
    return ANSWER_NONE;
  if (MT_SCAN(&cur, "OK"))
    return ANSWER_GOOD;
  return MT_SCAN(&cur, "NO") || MT_SCAN(&cur, "BAD") ? ANSWER_BAD : ANSWER_NONE;
}

/* A log that begins in the middle: "535" is the answer to whoever tried to log in. */
static MtSpan
answered_verb(const Dialogue *dialogue, const MtEvent *event)
{
  MtSpan verb = state_text(dialogue, MT_F_VERB);
  gint64 code = mt_event_number(event, MT_F_CODE, 0);

  if (!verb.len && (code == 235 || code == 535)
      && mt_event_has(&dialogue->note.event, MT_F_AUTH_USER))
    return MT_SPAN("AUTH");
  return verb;
}

static void
push_reply(Dialogue *dialogue, const MtEvent *event)
{
  MtSpan verb = answered_verb(dialogue, event);
  Answer answer = judge(event);

  if (answer == ANSWER_NONE)
    return;
  mt_event_drop(&dialogue->note.event, MT_F_VERB);
  for (guint i = 0; i < G_N_ELEMENTS(answers); i++)
    if (mt_span_equal(answers[i].verb, verb))
      {
        answers[i].answer(dialogue, event, answer == ANSWER_GOOD);
        return;
      }
}

/* ---- what else a session says ------------------------------------------------------ */

static void
push_spooled(Dialogue *dialogue, const MtEvent *event)
{
  MtEvent *state = &dialogue->note.event;

  mt_event_copy_field(state, event, MT_F_QUEUE_ID);
  mt_event_copy_field(state, event, MT_F_MESSAGE_ID);
  emit_nameless(dialogue);
}

static void
push_notice(Dialogue *dialogue, const MtEvent *event)
{
  MtEvent *state = &dialogue->note.event;

  mt_event_copy_fields(state, event, client_fields, G_N_ELEMENTS(client_fields));
  mt_event_copy_field(state, event, MT_F_AUTH_USER);
  mt_event_copy_field(state, event, MT_F_SIZE);
}

static void
push_session(Dialogue *dialogue, const MtEvent *event)
{
  switch (event->kind)
    {
    case MT_EVENT_SMTP_COMMAND:
      push_command(dialogue, event);
      break;
    case MT_EVENT_SMTP_REPLY:
      push_reply(dialogue, event);
      break;
    case MT_EVENT_ACCEPT:
      push_spooled(dialogue, event);
      break;
    case MT_EVENT_LOGIN:
      log_in(dialogue, mt_event_word(event, MT_F_SERVICE), mt_event_text(event, MT_F_ACCOUNT));
      break;
    case MT_EVENT_LOGIN_FAILED:
      mt_trail_fold(dialogue->trail, dialogue->line, event, dialogue->fact);
      return;
    default:
      push_notice(dialogue, event);
    }
  mt_note_keep(dialogue->trail, dialogue->line, &dialogue->note);
}

static void
open_dialogue(Dialogue *dialogue, MtTrail *trail, const MtLine *line, const MtEvent *event,
              MtFact *fact)
{
  *dialogue = (Dialogue){ .trail = trail, .line = line, .fact = fact };
  dialogue->session = mt_event_text(event, MT_F_SESSION);
  dialogue->key = mt_note_key(trail, line, line->program, dialogue->session);
  mt_note_open(trail, MT_PENDING_SESSION, dialogue->key, &dialogue->note);
  mt_event_copy_field(&dialogue->note.event, event, MT_F_CLIENT_IP);
}

/* A number that comes again is another session, whose end was not seen. */
static void
begin_session(Dialogue *dialogue, const MtEvent *event)
{
  mt_event_clear(&dialogue->note.event);
  drop_recipients(dialogue);
  mt_event_copy_field(&dialogue->note.event, event, MT_F_CLIENT_IP);
  mt_note_keep(dialogue->trail, dialogue->line, &dialogue->note);
  mt_trail_fold(dialogue->trail, dialogue->line, event, dialogue->fact);
}

static void
end_session(Dialogue *dialogue)
{
  emit_nameless(dialogue);
  log_out(dialogue);
  drop_recipients(dialogue);
  mt_note_drop(dialogue->trail, &dialogue->note);
}

/* ---- SmarterMail's delivery log ---------------------------------------------------- */

/* What a note of a delivery holds: queue_id the message's whole name, the server that
 * is talked to and what it said last, and to which command. */
static void
open_delivery(MtTrail *trail, const MtLine *line, MtSpan name, MtNote *note)
{
  MtNote named;

  mt_note_open(trail, MT_PENDING_SESSION, mt_note_key(trail, line, MT_SPAN("delivery"), name),
               note);
  if (note->pending)
    return;
  mt_event_set_text(&note->event, MT_F_QUEUE_ID, name);
  mt_note_open(trail, MT_PENDING_NAMED, name_key(trail, line, name), &named);
  if (!named.pending)
    return;
  if (line->time - named.line.time <= NAMED_US)
    mt_event_copy_field(&note->event, &named.event, MT_F_QUEUE_ID);
  mt_note_drop(trail, &named);
}

/* "RSP: 250 2.0.0 OK": code and text as they stand in the line. */
static void
keep_reply(MtEvent *state, const MtEvent *event)
{
  MtSpan text = mt_event_text(event, MT_F_TEXT);
  gint64 code = mt_event_number(event, MT_F_CODE, 0);

  if (MT_SPAN_IS(mt_event_text(state, MT_F_VERB), "QUIT") || code == 354 || code == 220)
    return;
  if (code && text.len && mt_span_is_all(mt_span(text.at - 4, 3), MT_CHAR_DIGIT))
    text = mt_span(text.at - 4, text.len + 4);
  mt_event_drop(state, MT_F_DSN);
  mt_event_copy_field(state, event, MT_F_DSN);
  if (text.len)
    mt_event_set_text(state, MT_F_REPLY, text);
}

static void
push_delivered(MtTrail *trail, const MtLine *line, const MtEvent *event, MtNote *note)
{
  static const MtField remote[] = { MT_F_RELAY_IP, MT_F_RELAY_PORT, MT_F_REPLY, MT_F_DSN };
  static const MtField begun[] = { MT_F_RECIPIENT, MT_F_TRANSPORT };
  MtEvent copy = *event;

  mt_event_copy_field(&copy, &note->event, MT_F_QUEUE_ID);
  mt_event_drop(&copy, MT_F_SENDER);
  if (!mt_event_has(event, MT_F_STATUS))
    {
      for (guint i = 0; i < G_N_ELEMENTS(remote); i++)
        mt_event_drop(&note->event, remote[i]);
      mt_event_copy_fields(&note->event, event, begun, G_N_ELEMENTS(begun));
    }
  else
    {
      mt_event_copy_fields(&copy, &note->event, remote, G_N_ELEMENTS(remote));
      mt_event_copy_field(&copy, &note->event, MT_F_TRANSPORT);
    }
  mt_messages_push(trail, line, &copy);
}

/* A message that its SMTP session told of is in the queue already. */
static void
push_message(MtTrail *trail, const MtLine *line, const MtEvent *event, const MtNote *note)
{
  MtEvent copy = *event;

  mt_event_copy_field(&copy, &note->event, MT_F_QUEUE_ID);
  if (event->kind == MT_EVENT_QUEUED
      && !mt_span_equal(mt_event_text(&copy, MT_F_QUEUE_ID), mt_event_text(event, MT_F_QUEUE_ID)))
    return;
  mt_messages_push(trail, line, &copy);
  if (mt_event_has(event, MT_F_CHILD_QUEUE_ID))
    add_names(trail, line, mt_event_text(event, MT_F_CHILD_QUEUE_ID));
}

static gboolean
push_spool(MtTrail *trail, const MtLine *line, const MtEvent *event)
{
  MtNote note;

  open_delivery(trail, line, mt_event_text(event, MT_F_QUEUE_ID), &note);
  switch (event->kind)
    {
    case MT_EVENT_SMTP_COMMAND:
      mt_event_copy_field(&note.event, event, MT_F_VERB);
      break;
    case MT_EVENT_SMTP_REPLY:
      keep_reply(&note.event, event);
      break;
    case MT_EVENT_DELIVERY:
      push_delivered(trail, line, event, &note);
      break;
    case MT_EVENT_DEQUEUE:
      push_message(trail, line, event, &note);
      mt_note_drop(trail, &note);
      return TRUE;
    case MT_EVENT_NOTICE:
      if (!mt_event_has(event, MT_F_RELAY_IP))
        return TRUE;
      mt_event_copy_field(&note.event, event, MT_F_RELAY_IP);
      mt_event_copy_field(&note.event, event, MT_F_RELAY_PORT);
      break;
    default:
      push_message(trail, line, event, &note);
    }
  mt_note_keep(trail, line, &note);
  return TRUE;
}

/* ---- whose lines these are --------------------------------------------------------- */

static gboolean
push_smartermail(MtTrail *trail, const MtLine *line, const MtEvent *event, MtFact *fact)
{
  Dialogue dialogue;

  if (!mt_event_has(event, MT_F_SESSION))
    return mt_event_has(event, MT_F_QUEUE_ID) && push_spool(trail, line, event);
  open_dialogue(&dialogue, trail, line, event, fact);
  if (event->kind == MT_EVENT_CONNECT)
    begin_session(&dialogue, event);
  else if (event->kind == MT_EVENT_DISCONNECT)
    end_session(&dialogue);
  else
    push_session(&dialogue, event);
  return TRUE;
}

static gboolean
push_icdsoft(MtTrail *trail, const MtLine *line, const MtEvent *event, MtFact *fact)
{
  Dialogue dialogue;

  if (mt_attempt_push_icdsoft(trail, line, event))
    return TRUE;
  open_dialogue(&dialogue, trail, line, event, fact);
  push_session(&dialogue, event);
  return TRUE;
}

/* What spamdyke let in is known by the process that queued it; logins stand for themselves. */
static gboolean
push_spamdyke(MtTrail *trail, const MtLine *line, const MtEvent *event, MtFact *fact)
{
  static const MtField fields[] = { MT_F_CLIENT_IP, MT_F_CLIENT_NAME, MT_F_AUTH_USER, MT_F_SENDER,
                                    MT_F_QP };
  MtEvent facts;

  if (event->kind == MT_EVENT_ACCEPT && mt_event_has(event, MT_F_QP))
    {
      mt_event_clear(&facts);
      mt_event_copy_fields(&facts, event, fields, G_N_ELEMENTS(fields));
      mt_origin_said(trail, line, &facts);
    }
  return FALSE;
}

typedef gboolean (*Push)(MtTrail *trail, const MtLine *line, const MtEvent *event, MtFact *fact);

static const struct
{
  const gchar *dialect;
  Push push;
} dialects[] = {
  { "icdsoft", push_icdsoft },
  { "qmail", mt_origin_push_qmail },
  { "smartermail", push_smartermail },
  { "spamdyke", push_spamdyke },
};

gboolean
mt_dialogue_push(MtTrail *trail, const MtLine *line, const MtEvent *event, MtFact *fact)
{
  gchar first = event->dialect ? event->dialect[0] : '\0';

  if (first != 'i' && first != 'q' && first != 's') /* most lines are of others */
    return FALSE;
  for (guint i = 0; i < G_N_ELEMENTS(dialects); i++)
    if (first == dialects[i].dialect[0] && g_str_equal(event->dialect, dialects[i].dialect))
      return dialects[i].push(trail, line, event, fact);
  return FALSE;
}
