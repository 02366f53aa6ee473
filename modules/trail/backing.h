/* backing.h: what the trail needs from the disk
 *
 * Layer: trail; the store implements it, the engine plugs it in.
 * Concurrency: called from the trail's thread only.
 *
 * The one arrow that points back: a late line's record may be on disk already.
 * What is found is what the last commit wrote; the trail's own memory holds all
 * that came since.  Between mt_trail_submitted() and the end of what was submitted messages
 * are found as that commit, or the one before it, has left them.
 */
#ifndef MT_TRAIL_BACKING_H
#define MT_TRAIL_BACKING_H

#include "trail/rows.h"

/* A message that has more deliveries than this is found without them: see
 * MtMessageRow.n_away. */
#define MT_BACKING_MAX_DELIVERIES 512

/* Called for each row that was found, with its deliveries.  The rows and their
 * texts are valid during the call. */
typedef void (*MtMessageFound)(gpointer sink, const MtMessageRow *message,
                               const MtDeliveryRow *deliveries, guint n_deliveries);
typedef void (*MtDeliveryFound)(gpointer sink, const MtDeliveryRow *delivery);
typedef void (*MtAccessFound)(gpointer sink, const MtAccessRow *access);
typedef void (*MtFailureFound)(gpointer sink, const MtFailureRow *failure);
typedef void (*MtPendingFound)(gpointer sink, const MtPendingRow *pending);

typedef struct
{
  gpointer self;
  /* Messages of this queue ID, on this host or (no bytes) any, that began at @until or before;
   * maybe some that began later. */
  void (*messages_by_queue_id)(gpointer self, MtSpan host, MtSpan queue_id, MtTime until,
                               MtMessageFound found, gpointer sink);
  /* Messages with this Message-ID that came in at most @window_us before or behind @at. */
  void (*messages_by_message_id)(gpointer self, MtSpan message_id, MtTime at, gint64 window_us,
                                 MtMessageFound found, gpointer sink);
  /* Messages whose parent this is. */
  void (*messages_by_parent)(gpointer self, gint64 parent_id, MtMessageFound found, gpointer sink);
  /* The open access with this key. */
  void (*access_by_key)(gpointer self, guint64 key, MtAccessFound found, gpointer sink);
  /* Accesses that began at @since or later and have not ended, at most @max. */
  void (*open_accesses)(gpointer self, MtTime since, guint max, MtAccessFound found, gpointer sink);
  /* Failed logins since @since, oldest first. */
  void (*failures_since)(gpointer self, MtTime since, MtFailureFound found, gpointer sink);
  /* All that waits. */
  void (*pendings)(gpointer self, MtPendingFound found, gpointer sink);
  /* Deliveries of the message whose mail came in then: to this recipient, or (no bytes) all.
   * Nothing else is asked for during the calls. */
  void (*deliveries_of)(gpointer self, gint64 message_id, MtTime mail_at, MtSpan recipient,
                        MtDeliveryFound found, gpointer sink);
} MtTrailBacking;

/* mt_trail_backing_null: finds nothing. */
extern const MtTrailBacking mt_trail_backing_null;

#endif
