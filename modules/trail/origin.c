/* origin.c: messages that are known by the process that queued them
 *
 * qmail's queue logs a message with the number of the process that put it in ("qp"); so do
 * the SMTP server, a bounce and a forward, each in a line and often a file of its own.
 * Numbers of processes come again soon: a number is looked for among the last few thousand
 * of its host, and for some minutes.
 */
#include "trail/dialogue.h"

/* Lines of one message pass each other at most this long: the queue manager may be behind. */
#define WINDOW_US (10 * MT_MINUTE_US)

/* So many numbers of one host are remembered; the next that falls onto the same place
 * takes it.  Processes are numbered in turn, so these are the last. */
#define PLACES 4096

static guint64
place_key(MtTrail *trail, MtSpan host, gint64 qp)
{
  return mt_hash_mix(mt_hash_mix(mt_trail_hash(trail, host), MT_F_QP), qp % PLACES);
}

/* Makes room under the key: what is not of this number, or too old, goes. */
static void
clear_place(MtTrail *trail, MtPendingKind kind, guint64 key, gint64 qp, MtTime at)
{
  MtPending *next, *pending = mt_pending_next(trail, kind, key, NULL);
  MtNote note;

  for (; pending; pending = next)
    {
      next = mt_pending_next(trail, kind, key, pending);
      mt_note_read(pending, key, &note);
      if (mt_event_number(&note.event, MT_F_QP, -1) != qp || note.line.time < at - WINDOW_US)
        mt_pending_remove(trail, pending);
    }
}

static gboolean
fits(const MtNote *note, gint64 qp, MtTime at)
{
  return mt_event_number(&note->event, MT_F_QP, -1) == qp && ABS(note->line.time - at) <= WINDOW_US;
}

/* ---- facts onto a message ------------------------------------------------------------------ */

/* A delivery that did nothing but forward ("did_0+1+0/") is no end of its own. */
static void
mark_forward(MtTrail *trail, MtMessage *parent, MtMessage *child, const MtEvent *facts)
{
  MtDelivery *delivery =
      mt_message_delivery(trail, parent, mt_event_text(facts, MT_F_RECIPIENT), MT_NO_SPAN, FALSE);
  MtSpan reply = mt_event_text(facts, MT_F_REPLY);

  if (!delivery || !MT_SPAN_STARTS(reply, "did_0+") || !mt_span_find(reply, MT_SPAN("+0/qp_")))
    return;
  MT_SAY(trail, delivery, next_queue_id, mt_message_text(child, child->queue_id));
  mt_delivery_touch(trail, parent, delivery);
}

static void
link_parent(MtTrail *trail, const MtLine *line, MtMessage *child, const MtEvent *facts)
{
  MtMessage *parent = mt_message_with_id(trail, line->host, mt_event_text(facts, MT_F_QUEUE_ID),
                                         mt_event_number(facts, MT_F_UID, 0));
  gboolean bounce = mt_event_word(facts, MT_F_KIND) == MT_WORD_BOUNCE;

  if (!parent || parent == child)
    return;
  if (!bounce)
    mark_forward(trail, parent, child, facts);
  mt_hops_link(trail, parent, child, bounce ? MT_PARENT_BOUNCE : MT_PARENT_FORWARD);
}

static gboolean
names_client(const MtEvent *facts)
{
  return mt_event_has(facts, MT_F_CLIENT_IP) || mt_event_has(facts, MT_F_CLIENT_NAME)
         || mt_event_has(facts, MT_F_AUTH_USER);
}

static void
apply(MtTrail *trail, const MtLine *line, MtMessage *message, const MtEvent *facts)
{
  static const MtField verdict[] = { MT_F_ACTION, MT_F_SCORE, MT_F_VIRUS, MT_F_SPF };
  gint32 port = message->port;
  MtEvent event = *facts;
  MtEvent judged;

  if (mt_event_has(facts, MT_F_KIND))
    {
      link_parent(trail, line, message, facts);
      return;
    }
  mt_event_clear(&judged);
  mt_event_copy_fields(&judged, facts, verdict, G_N_ELEMENTS(verdict));
  judged.kind = MT_EVENT_VERDICT;
  mt_message_fold(trail, line, message, &judged);
  event.kind = names_client(facts) ? MT_EVENT_ACCEPT : MT_EVENT_HEADER;
  mt_message_fold(trail, line, message, &event);
  if (!mt_event_has(facts, MT_F_LOCAL_PORT))
    message->port = port;
  mt_message_touch_deliveries(trail, message);
}

/* ---- both come first ------------------------------------------------------------------------- */

void
mt_origin_said(MtTrail *trail, const MtLine *line, const MtEvent *facts)
{
  gint64 qp = mt_event_number(facts, MT_F_QP, 0);
  guint64 key = place_key(trail, line->host, qp);
  MtMessage *message;
  MtNote note;

  mt_note_open(trail, MT_PENDING_QUEUED_BY, key, &note);
  if (note.pending && fits(&note, qp, line->time)
      && (message = mt_message_with_id(trail, line->host, mt_event_text(&note.event, MT_F_QUEUE_ID),
                                       mt_event_number(&note.event, MT_F_UID, 0))))
    {
      apply(trail, line, message, facts);
      return;
    }
  clear_place(trail, MT_PENDING_ORIGIN, key, qp, line->time);
  mt_pending_add(trail, MT_PENDING_ORIGIN, key, line, facts);
}

void
mt_origin_queued(MtTrail *trail, const MtLine *line, MtMessage *message, gint64 qp)
{
  guint64 key = place_key(trail, line->host, qp);
  MtPending *next, *pending = mt_pending_next(trail, MT_PENDING_ORIGIN, key, NULL);
  MtNote note;

  for (; pending; pending = next)
    {
      next = mt_pending_next(trail, MT_PENDING_ORIGIN, key, pending);
      mt_note_read(pending, key, &note);
      if (!fits(&note, qp, line->time))
        continue;
      apply(trail, &note.line, message, &note.event);
      mt_pending_remove(trail, pending);
    }
  clear_place(trail, MT_PENDING_QUEUED_BY, key, qp, line->time);
  mt_note_open(trail, MT_PENDING_QUEUED_BY, key, &note);
  mt_event_clear(&note.event);
  mt_event_set_number(&note.event, MT_F_QP, qp);
  mt_event_set_text(&note.event, MT_F_QUEUE_ID, mt_message_text(message, message->queue_id));
  mt_event_set_number(&note.event, MT_F_UID, message->id);
  mt_note_keep(trail, line, &note);
}

/* What a message's bounce or forward is told by: the message, and the process. */
static void
tell_child(MtTrail *trail, const MtLine *line, const MtEvent *event, MtWord kind)
{
  MtSpan queue_id = mt_event_text(event, MT_F_QUEUE_ID);
  MtEvent named = { .kind = MT_EVENT_HEADER };
  MtMessage *parent;
  MtEvent facts;

  mt_event_set_text(&named, MT_F_QUEUE_ID, queue_id);
  mt_messages_push(trail, line, &named); /* a log that begins in the middle */
  parent = mt_message_waiting(trail, line->host, queue_id);
  if (!parent)
    return;
  mt_event_clear(&facts);
  mt_event_copy_field(&facts, event, MT_F_QUEUE_ID);
  mt_event_copy_field(&facts, event, MT_F_QP);
  mt_event_copy_field(&facts, event, MT_F_RECIPIENT);
  mt_event_copy_field(&facts, event, MT_F_REPLY);
  mt_event_set_word(&facts, MT_F_KIND, kind);
  mt_event_set_number(&facts, MT_F_UID, parent->id);
  mt_origin_said(trail, line, &facts);
}

/* ---- qmail-send -------------------------------------------------------------------- */

static gboolean
push_delivery(MtTrail *trail, const MtLine *line, const MtEvent *event)
{
  MtEvent copy = *event;

  if (!mt_event_has(event, MT_F_STATUS))
    {
      mt_attempt_begin(trail, line, event);
      mt_event_drop(&copy, MT_F_SESSION);
      mt_messages_push(trail, line, &copy);
      return TRUE;
    }
  if (!mt_attempt_end(trail, line, &copy))
    return TRUE;
  mt_messages_push(trail, line, &copy);
  if (mt_event_has(event, MT_F_QP))
    tell_child(trail, line, &copy, MT_WORD_FORWARDED);
  return TRUE;
}

static gboolean
push_queue(MtTrail *trail, const MtLine *line, const MtEvent *event)
{
  MtMessage *message;

  if (event->kind == MT_EVENT_DELIVERY)
    return push_delivery(trail, line, event);
  if (event->kind == MT_EVENT_NOTIFICATION)
    {
      tell_child(trail, line, event, MT_WORD_BOUNCE);
      return TRUE;
    }
  if (event->kind != MT_EVENT_QUEUED)
    return FALSE;
  mt_messages_push(trail, line, event);
  message = mt_message_waiting(trail, line->host, mt_event_text(event, MT_F_QUEUE_ID));
  if (message)
    mt_origin_queued(trail, line, message, mt_event_number(event, MT_F_QP, 0));
  return TRUE;
}

/* ---- qmail-smtpd ------------------------------------------------------------------- */

/* What an SMTP session has said so far of itself, and of its next message. */
static const MtField session_fields[] = { MT_F_CLIENT_IP, MT_F_CLIENT_NAME, MT_F_CLIENT_PORT,
                                          MT_F_LOCAL_PORT, MT_F_HELO };
static const MtField verdict_fields[] = { MT_F_SUBJECT,  MT_F_ACTION, MT_F_SCORE,
                                          MT_F_REQUIRED, MT_F_VIRUS,  MT_F_SPF };

static void
open_session(MtTrail *trail, const MtLine *line, const MtEvent *event, MtNote *note)
{
  mt_note_open(trail, MT_PENDING_SESSION,
               mt_note_key(trail, line, MT_SPAN("qmail-smtpd"), mt_event_text(event, MT_F_SESSION)),
               note);
  if (note->pending && event->kind == MT_EVENT_CONNECT)
    mt_event_clear(&note->event);
}

/* The session's number is its process: with it one login is one, and has an end. */
static MtLine
line_of_process(const MtLine *line, const MtEvent *event)
{
  MtLine copy = *line;
  guint64 pid;

  if (mt_span_to_u64(mt_event_text(event, MT_F_SESSION), &pid) && pid <= G_MAXINT32)
    copy.pid = pid;
  copy.program = MT_SPAN("qmail-smtpd");
  return copy;
}

static void
push_login(MtTrail *trail, const MtLine *line, const MtEvent *event, MtNote *note, MtFact *fact)
{
  MtLine process = line_of_process(line, event);
  MtEvent login;

  mt_event_clear(&login);
  login.kind = MT_EVENT_ACCEPT;
  mt_event_copy_fields(&login, event, session_fields, G_N_ELEMENTS(session_fields));
  mt_event_set_text(&login, MT_F_AUTH_USER, mt_event_text(event, MT_F_ACCOUNT));
  mt_event_copy_field(&login, event, MT_F_AUTH_METHOD);
  mt_event_copy_field(&note->event, &login, MT_F_AUTH_USER);
  mt_event_copy_field(&note->event, &login, MT_F_AUTH_METHOD);
  mt_access_push_submission(trail, &process, &login, fact);
}

static void
push_end(MtTrail *trail, const MtLine *line, const MtEvent *event, MtNote *note)
{
  MtLine process = line_of_process(line, event);
  MtEvent end = note->event;

  if (!note->pending)
    return;
  end.kind = MT_EVENT_DISCONNECT;
  mt_access_push_disconnect(trail, &process, &end);
  mt_note_drop(trail, note);
}

static guint64
policy_key(MtTrail *trail, const MtLine *line, const MtEvent *event)
{
  return mt_note_key(trail, line, MT_SPAN("policy_check"), mt_event_text(event, MT_F_SENDER));
}

/* "policy_check: ... (AUTHENTICATED SENDER)" names no session, but the sender. */
static void
push_policy(MtTrail *trail, const MtLine *line, const MtEvent *event)
{
  MtNote note;

  mt_note_open(trail, MT_PENDING_SESSION, policy_key(trail, line, event), &note);
  mt_event_clear(&note.event);
  mt_event_copy_field(&note.event, event, MT_F_AUTH_USER);
  mt_note_keep(trail, line, &note);
}

static void
push_received(MtTrail *trail, const MtLine *line, const MtEvent *event, MtNote *session)
{
  MtEvent facts = session->event;
  MtNote policy;

  mt_event_copy_field(&facts, event, MT_F_QP);
  mt_event_copy_field(&facts, event, MT_F_SENDER);
  mt_note_open(trail, MT_PENDING_SESSION, policy_key(trail, line, event), &policy);
  if (policy.pending && line->time - policy.line.time <= WINDOW_US)
    {
      if (!mt_event_has(&facts, MT_F_AUTH_USER))
        mt_event_copy_field(&facts, &policy.event, MT_F_AUTH_USER);
      mt_note_drop(trail, &policy);
    }
  mt_origin_said(trail, line, &facts);
  for (guint i = 0; i < G_N_ELEMENTS(verdict_fields); i++)
    mt_event_drop(&session->event, verdict_fields[i]);
}

/* simscan refuses a message by its verdict; qmail-smtpd says nothing of it. */
static void
push_refusal(MtTrail *trail, const MtLine *line, const MtEvent *event, MtFact *fact)
{
  MtEvent refusal = *event;

  if (mt_event_word(event, MT_F_ACTION) != MT_WORD_REJECT)
    return;
  refusal.kind = MT_EVENT_REJECT;
  MT_EVENT_SET_LITERAL(&refusal, MT_F_STAGE, "END-OF-MESSAGE");
  if (mt_event_has(event, MT_F_VIRUS))
    MT_EVENT_SET_LITERAL(&refusal, MT_F_REASON, "virus found");
  else
    MT_EVENT_SET_LITERAL(&refusal, MT_F_REASON, "taken for spam");
  mt_trail_fold(trail, line, &refusal, fact);
}

static void
push_stated(MtTrail *trail, const MtLine *line, const MtEvent *event, MtNote *note, MtFact *fact)
{
  MtEvent copy = *event;

  mt_event_drop(&copy, MT_F_SESSION);
  if (event->kind == MT_EVENT_REJECT && !mt_event_has(event, MT_F_CLIENT_IP))
    mt_event_copy_field(&copy, &note->event, MT_F_CLIENT_IP);
  if (event->kind == MT_EVENT_VERDICT)
    {
      mt_event_copy_fields(&note->event, event, verdict_fields, G_N_ELEMENTS(verdict_fields));
      push_refusal(trail, line, &copy, fact);
    }
  mt_trail_fold(trail, line, &copy, fact);
}

static gboolean
push_smtpd(MtTrail *trail, const MtLine *line, const MtEvent *event, MtFact *fact)
{
  MtNote note;

  open_session(trail, line, event, &note);
  mt_event_copy_fields(&note.event, event, session_fields, G_N_ELEMENTS(session_fields));
  switch (event->kind)
    {
    case MT_EVENT_DISCONNECT:
      push_end(trail, line, event, &note);
      return TRUE;
    case MT_EVENT_LOGIN:
      push_login(trail, line, event, &note, fact);
      break;
    case MT_EVENT_ACCEPT:
      push_received(trail, line, event, &note);
      break;
    default:
      push_stated(trail, line, event, &note, fact);
    }
  mt_note_keep(trail, line, &note);
  return TRUE;
}

gboolean
mt_origin_push_qmail(MtTrail *trail, const MtLine *line, const MtEvent *event, MtFact *fact)
{
  if (mt_event_has(event, MT_F_QUEUE_ID) || event->kind == MT_EVENT_DELIVERY)
    return push_queue(trail, line, event);
  if (mt_event_has(event, MT_F_SESSION))
    return push_smtpd(trail, line, event, fact);
  if (event->kind != MT_EVENT_NOTICE || !mt_event_has(event, MT_F_AUTH_USER)
      || !mt_event_has(event, MT_F_SENDER))
    return FALSE;
  push_policy(trail, line, event);
  return TRUE;
}
