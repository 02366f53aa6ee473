/* attempts.c: deliveries that begin with a message and end under a number of their own
 *
 * qmail-send and ICDSoft's delivery log say "delivery 7: success"; which message that was
 * stood in the line that began it.  ICDSoft's names not even that: only the envelope joins
 * it to what its SMTP log accepted (docs/decisions/15-dialogues.md).
 */
#include "trail/dialogue.h"

/* How long a message may wait for its delivery's first line: as long as it may be queued. */
#define ENVELOPE_US (7 * MT_DAY_US)

static guint64
attempt_key(MtTrail *trail, const MtLine *line, const MtEvent *event)
{
  return mt_hash_mix(mt_note_key(trail, line, line->program, mt_event_text(event, MT_F_SESSION)),
                     MT_F_SESSION);
}

/* A number that is begun again has ended unseen: the daemon was started anew. */
void
mt_attempt_begin(MtTrail *trail, const MtLine *line, const MtEvent *event)
{
  static const MtField kept[] = { MT_F_QUEUE_ID, MT_F_RECIPIENT, MT_F_TRANSPORT, MT_F_SENDER };
  MtNote note;

  mt_note_open(trail, MT_PENDING_ATTEMPT, attempt_key(trail, line, event), &note);
  mt_event_clear(&note.event);
  mt_event_copy_fields(&note.event, event, kept, G_N_ELEMENTS(kept));
  mt_note_keep(trail, line, &note);
}

gboolean
mt_attempt_end(MtTrail *trail, const MtLine *line, MtEvent *event)
{
  static const MtField kept[] = { MT_F_QUEUE_ID, MT_F_RECIPIENT, MT_F_TRANSPORT, MT_F_SENDER };
  MtNote note;

  mt_note_open(trail, MT_PENDING_ATTEMPT, attempt_key(trail, line, event), &note);
  if (!note.pending || note.line.time > line->time + MT_TRAIL_GRACE_US)
    {
      trail->counters.orphaned++;
      return FALSE;
    }
  mt_event_copy_fields(event, &note.event, kept, G_N_ELEMENTS(kept));
  mt_event_drop(event, MT_F_SESSION); /* no session that a mailbox would name */
  mt_note_drop(trail, &note);
  return TRUE;
}

/* ---- by the envelope alone -------------------------------------------------------------- */

static guint64
envelope_key(MtTrail *trail, const MtLine *line, MtSpan sender, MtSpan recipient)
{
  return mt_note_key(trail, line, sender, recipient);
}

void
mt_envelope_add(MtTrail *trail, const MtLine *line, MtSpan sender, MtSpan recipient,
                MtSpan queue_id)
{
  MtEvent event;

  mt_event_clear(&event);
  mt_event_set_text(&event, MT_F_QUEUE_ID, queue_id);
  mt_pending_add(trail, MT_PENDING_ENVELOPE, envelope_key(trail, line, sender, recipient), line,
                 &event);
}

/* The one that has waited longest. */
static gboolean
find_envelope(MtTrail *trail, const MtLine *line, MtSpan sender, MtSpan recipient, MtNote *note)
{
  guint64 key = envelope_key(trail, line, sender, recipient);
  MtPending *next, *pending = mt_pending_next(trail, MT_PENDING_ENVELOPE, key, NULL);
  MtPending *oldest = NULL;

  for (; pending; pending = next)
    {
      next = mt_pending_next(trail, MT_PENDING_ENVELOPE, key, pending);
      if (pending->at < line->time - ENVELOPE_US)
        mt_pending_remove(trail, pending);
      else if (pending->at <= line->time + MT_TRAIL_GRACE_US)
        oldest = pending;
    }
  if (oldest)
    mt_note_read(oldest, key, note);
  return oldest != NULL;
}

static void
end_envelope(MtTrail *trail, const MtLine *line, const MtEvent *event)
{
  MtNote note;

  if (find_envelope(trail, line, mt_event_text(event, MT_F_SENDER),
                    mt_event_text(event, MT_F_RECIPIENT), &note)
      && mt_span_equal(mt_event_text(&note.event, MT_F_QUEUE_ID),
                       mt_event_text(event, MT_F_QUEUE_ID)))
    mt_note_drop(trail, &note);
}

static gboolean
is_final(MtWord status)
{
  return status != MT_WORD_NONE && status != MT_WORD_DEFERRED;
}

void
mt_attempt_settle(MtTrail *trail, const MtLine *line, MtSpan queue_id)
{
  MtMessage *message = mt_message_waiting(trail, line->host, queue_id);
  const MtMany *many;
  MtEvent event;

  if (!message || message->n_deliveries == 0)
    return;
  many = mt_message_many(message);
  if (many->n_away_waiting || (gint64) message->n_deliveries + many->n_away < message->nrcpt)
    return;
  for (guint i = 0; i < message->n_deliveries; i++)
    if (!is_final(message->deliveries[i].status))
      return;
  mt_event_clear(&event);
  event.kind = MT_EVENT_DEQUEUE;
  mt_event_set_text(&event, MT_F_QUEUE_ID, queue_id);
  mt_messages_push(trail, line, &event);
}

/* ---- ICDSoft's delivery log ---------------------------------------------------------------- */

/* "init": whose message the next lines try to deliver. */
static void
push_init(MtTrail *trail, const MtLine *line, const MtEvent *event)
{
  MtNote note;

  mt_note_open(trail, MT_PENDING_SESSION, mt_note_key(trail, line, line->program, MT_SPAN("init")),
               &note);
  mt_event_clear(&note.event);
  mt_event_copy_field(&note.event, event, MT_F_SENDER);
  mt_note_keep(trail, line, &note);
}

/* "try": without an SMTP log's message it is one of its own, under the attempt's number. */
static void
push_try(MtTrail *trail, const MtLine *line, const MtEvent *event)
{
  MtSpan recipient = mt_event_text(event, MT_F_RECIPIENT);
  MtEvent begun = *event, queued;
  MtNote init, envelope;

  mt_note_open(trail, MT_PENDING_SESSION, mt_note_key(trail, line, line->program, MT_SPAN("init")),
               &init);
  mt_event_copy_field(&begun, &init.event, MT_F_SENDER);
  mt_event_set_text(&begun, MT_F_QUEUE_ID, mt_event_text(event, MT_F_SESSION));
  if (find_envelope(trail, line, mt_event_text(&begun, MT_F_SENDER), recipient, &envelope))
    mt_event_copy_field(&begun, &envelope.event, MT_F_QUEUE_ID);
  else
    {
      mt_envelope_add(trail, line, mt_event_text(&begun, MT_F_SENDER), recipient,
                      mt_event_text(&begun, MT_F_QUEUE_ID));
      mt_event_clear(&queued);
      queued.kind = MT_EVENT_QUEUED;
      mt_event_copy_field(&queued, &begun, MT_F_QUEUE_ID);
      mt_event_copy_field(&queued, &begun, MT_F_SENDER);
      mt_messages_push(trail, line, &queued);
    }
  mt_attempt_begin(trail, line, &begun);
  mt_event_drop(&begun, MT_F_SESSION);
  mt_messages_push(trail, line, &begun);
}

/* "smtp_auth/did_0+0+1/": the sender had logged in. */
static void
mark_own(MtTrail *trail, const MtLine *line, MtSpan queue_id)
{
  MtMessage *message = mt_message_waiting(trail, line->host, queue_id);

  if (!message || message->flags & MT_MESSAGE_OURS)
    return;
  mt_message_whole(trail, message);
  message->flags |= MT_MESSAGE_OURS;
  mt_message_touch_deliveries(trail, message);
}

static void
push_result(MtTrail *trail, const MtLine *line, const MtEvent *event)
{
  MtEvent ended = *event;
  MtSpan queue_id;

  if (!mt_attempt_end(trail, line, &ended))
    return;
  queue_id = mt_event_text(&ended, MT_F_QUEUE_ID);
  mt_messages_push(trail, line, &ended);
  if (MT_SPAN_STARTS(mt_event_text(event, MT_F_REPLY), "smtp_auth/"))
    mark_own(trail, line, queue_id);
  if (is_final(mt_event_word(event, MT_F_STATUS)))
    end_envelope(trail, line, &ended);
  mt_attempt_settle(trail, line, queue_id);
}

gboolean
mt_attempt_push_icdsoft(MtTrail *trail, const MtLine *line, const MtEvent *event)
{
  if (event->kind == MT_EVENT_QUEUED)
    push_init(trail, line, event);
  else if (event->kind == MT_EVENT_DELIVERY && mt_event_has(event, MT_F_STATUS))
    push_result(trail, line, event);
  else if (event->kind == MT_EVENT_DELIVERY)
    push_try(trail, line, event);
  else
    return FALSE;
  return TRUE;
}
