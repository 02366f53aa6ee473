/* dialogue.h: what the files that put lines together share
 *
 * Layer: trail, not for others.  Concurrency: the trail's owner only.
 *
 * dialogue.c has sessions, whose lines say word by word what client and server said;
 * attempts.c deliveries that begin with a message and end under a number of their own;
 * origin.c messages that are known by the process that queued them.  All they know lies in
 * pendings, so it is on disk from the next commit on, and bounded.
 */
#ifndef MT_TRAIL_DIALOGUE_H
#define MT_TRAIL_DIALOGUE_H

#include "trail/private.h"

/* A pending as it is read and written: fields, and the time of the last line. */
typedef struct
{
  MtPendingKind kind;
  guint64 key;
  MtPending *pending; /* NULL: new */
  MtEvent event;
  MtLine line;
} MtNote;

/* mt_note_open: what is kept under @key, or an empty note. */
void mt_note_open(MtTrail *trail, MtPendingKind kind, guint64 key, MtNote *note);

/* mt_note_read: the note of a pending. */
void mt_note_read(MtPending *pending, guint64 key, MtNote *note);

/* mt_note_keep: writes the fields back, with host and time of @line. */
void mt_note_keep(MtTrail *trail, const MtLine *line, MtNote *note);

/* mt_note_drop: nobody needs it any more. */
void mt_note_drop(MtTrail *trail, MtNote *note);

/* mt_note_key: of a session, message or number, of one kind of thing, on the line's host. */
guint64 mt_note_key(MtTrail *trail, const MtLine *line, MtSpan thing, MtSpan name);

/* mt_event_copy_field: takes over a field where it is there. */
static inline void
mt_event_copy_field(MtEvent *to, const MtEvent *from, MtField field)
{
  if (mt_event_has(from, field))
    *mt_event_add(to, field) = from->value[field];
}

/* mt_event_copy_fields: takes over those of @fields that are there. */
void mt_event_copy_fields(MtEvent *to, const MtEvent *from, const MtField *fields, guint n_fields);

/* ---- attempts.c ---------------------------------------------------------------------- */

/* mt_attempt_begin: a delivery that will end under event's session alone. */
void mt_attempt_begin(MtTrail *trail, const MtLine *line, const MtEvent *event);

/* mt_attempt_end: fills in message and recipient.  FALSE: nobody knows it.
 * @event: texts borrow from the trail until the next commit. */
gboolean mt_attempt_end(MtTrail *trail, const MtLine *line, MtEvent *event);

/* mt_envelope_add: a message without a name that its delivery would give. */
void mt_envelope_add(MtTrail *trail, const MtLine *line, MtSpan sender, MtSpan recipient,
                     MtSpan queue_id);

/* mt_attempt_settle: the message has left the queue once all its recipients have. */
void mt_attempt_settle(MtTrail *trail, const MtLine *line, MtSpan queue_id);

/* ICDSoft's delivery log. */
gboolean mt_attempt_push_icdsoft(MtTrail *trail, const MtLine *line, const MtEvent *event);

/* ---- origin.c ------------------------------------------------------------------------ */

/* mt_origin_said: facts about the message that process event's qp queues. */
void mt_origin_said(MtTrail *trail, const MtLine *line, const MtEvent *facts);

/* mt_origin_queued: @message was queued by process @qp. */
void mt_origin_queued(MtTrail *trail, const MtLine *line, MtMessage *message, gint64 qp);

/* mt_origin_push_qmail: a line of a qmail SMTP server.  FALSE: nothing to put together. */
gboolean mt_origin_push_qmail(MtTrail *trail, const MtLine *line, const MtEvent *event,
                              MtFact *fact);

#endif
