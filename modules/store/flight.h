/* flight.h: one job at a time in a thread of its own
 *
 * Layer: store.  Concurrency: functions are called by the owner's thread; the job and its end run
 * in the flight's.  What the job touches is the flight's until mt_flight_wait() returns.
 */
#ifndef MT_STORE_FLIGHT_H
#define MT_STORE_FLIGHT_H

#include <glib.h>

typedef struct MtFlight MtFlight;

/* Returns: did it succeed? */
typedef gboolean (*MtFlightJob)(gpointer user);

/* Behind the job, while nobody can chain: @chained says whether somebody has. */
typedef void (*MtFlightEnd)(gpointer user, gboolean ok, gboolean chained);

MtFlight *mt_flight_new(MtFlightJob job, MtFlightEnd end, gpointer user);

/* mt_flight_free: waits for the job, and ends the thread. */
void mt_flight_free(MtFlight *flight);

/* mt_flight_ready: there is a thread: it is begun when first asked for.  */
gboolean mt_flight_ready(MtFlight *flight);

/* mt_flight_start: runs the job.  It must be ready, and none may be running. */
void mt_flight_start(MtFlight *flight);

/* mt_flight_chain: something else comes directly behind the job: its end is told.  FALSE: it has
 * ended already, or there was none. */
gboolean mt_flight_chain(MtFlight *flight);

/* mt_flight_wait: until the job has ended.  Returns: did it succeed? */
gboolean mt_flight_wait(MtFlight *flight);

#endif
