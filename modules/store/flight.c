#include "store/flight.h"

#include <pthread.h>
#include <signal.h>

struct MtFlight
{
  MtFlightJob job;
  MtFlightEnd end;
  gpointer user;
  pthread_t thread;
  pthread_mutex_t lock; /* no GMutex: ThreadSanitizer knows nothing of those */
  pthread_cond_t changed;
  gboolean begun;                   /* the thread */
  gboolean busy, ok, chained, over; /* under the lock */
};

MtFlight *
mt_flight_new(MtFlightJob job, MtFlightEnd end, gpointer user)
{
  MtFlight *flight = g_new0(MtFlight, 1);

  flight->job = job;
  flight->end = end;
  flight->user = user;
  pthread_mutex_init(&flight->lock, NULL);
  pthread_cond_init(&flight->changed, NULL);
  return flight;
}

static void *
fly(void *data)
{
  MtFlight *flight = data;

  pthread_mutex_lock(&flight->lock);
  for (;;)
    {
      gboolean ok;

      while (!flight->busy && !flight->over)
        pthread_cond_wait(&flight->changed, &flight->lock);
      if (!flight->busy)
        break;
      pthread_mutex_unlock(&flight->lock);
      ok = flight->job(flight->user);
      pthread_mutex_lock(&flight->lock);
      flight->end(flight->user, ok, flight->chained);
      flight->ok = ok;
      flight->busy = FALSE;
      pthread_cond_signal(&flight->changed);
    }
  pthread_mutex_unlock(&flight->lock);
  return NULL;
}

/* Signals are the program's, which waits for them in a thread of its own choice. */
gboolean
mt_flight_ready(MtFlight *flight)
{
  sigset_t all, before;

  if (flight->begun)
    return TRUE;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  flight->begun = pthread_create(&flight->thread, NULL, fly, flight) == 0;
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  return flight->begun;
}

void
mt_flight_free(MtFlight *flight)
{
  if (!flight)
    return;
  pthread_mutex_lock(&flight->lock);
  flight->over = TRUE;
  pthread_cond_signal(&flight->changed);
  pthread_mutex_unlock(&flight->lock);
  if (flight->begun)
    pthread_join(flight->thread, NULL);
  pthread_mutex_destroy(&flight->lock);
  pthread_cond_destroy(&flight->changed);
  g_free(flight);
}

void
mt_flight_start(MtFlight *flight)
{
  pthread_mutex_lock(&flight->lock);
  g_assert(!flight->busy);
  flight->busy = TRUE;
  flight->chained = FALSE;
  pthread_cond_signal(&flight->changed);
  pthread_mutex_unlock(&flight->lock);
}

gboolean
mt_flight_chain(MtFlight *flight)
{
  gboolean chained;

  pthread_mutex_lock(&flight->lock);
  chained = flight->chained = flight->busy;
  pthread_mutex_unlock(&flight->lock);
  return chained;
}

gboolean
mt_flight_wait(MtFlight *flight)
{
  gboolean ok;

  pthread_mutex_lock(&flight->lock);
  while (flight->busy)
    pthread_cond_wait(&flight->changed, &flight->lock);
  ok = flight->ok;
  pthread_mutex_unlock(&flight->lock);
  return ok;
}
