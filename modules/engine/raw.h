/* raw.h: the last lines as they were logged, until the next look at the disk
 *
 * Layer: engine.  Concurrency: the engine's owner only.
 *
 * Raw lines are for people to look at; they are no part of a record.  So they are not
 * written with each batch but about once a second (each five under load), and only as many as are
 * kept.
 */
#ifndef MT_ENGINE_RAW_H
#define MT_ENGINE_RAW_H

#include "event/event.h"

typedef struct MtRawRing MtRawRing;

/* mt_raw_new: room for @size lines. */
MtRawRing *mt_raw_new(guint size);
void mt_raw_free(MtRawRing *ring);

/* mt_raw_add: with the IDs of @event, by which the line is found again. */
void mt_raw_add(MtRawRing *ring, const MtLine *line, const MtEvent *event);

/* mt_raw_mark: a batch begins; those before it are stored.  mt_raw_chain: one begins, and the one
 * before it is being stored.  mt_raw_landed: that is stored now.  mt_raw_forget: those that are
 * not stored have failed; their lines come again.  mt_raw_forget_open: the newest has. */
void mt_raw_mark(MtRawRing *ring);
void mt_raw_chain(MtRawRing *ring);
void mt_raw_landed(MtRawRing *ring);
void mt_raw_forget(MtRawRing *ring);
void mt_raw_forget_open(MtRawRing *ring);

/* mt_raw_waiting: the lines that wait to be written, oldest first, MtRawLine (store/store.h), cut
 * off where a password may stand (scan/secret.h); texts are valid until the next mt_raw_add().
 * (transfer full)  mt_raw_written: they wait no more. */
GArray *mt_raw_waiting(const MtRawRing *ring);
void mt_raw_written(MtRawRing *ring);

#endif
