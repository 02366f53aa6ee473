/* compat.h: the one place that knows syslog-ng's version
 *
 * Layer: syslog-ng.  Concurrency: as the functions it stands for.
 */
#ifndef MT_SYSLOG_NG_COMPAT_H
#define MT_SYSLOG_NG_COMPAT_H

#include <syslog-ng.h>
#include <syslog-ng-config.h>

#include "ack-tracker/ack_tracker_factory.h"
#include "ack-tracker/bookmark.h"
#include "driver.h"
#include "logqueue.h"
#include "logthrdest/logthrdestdrv.h"
#include "logthrsource/logthrsourcedrv.h"
#include "stats/stats-cluster-single.h"

/* A threaded source has one worker; since 4.2 it lies in an array of them.
 * MT_SYSLOG_NG_NUMBER comes from configure: major times 1000 plus minor. */
#if MT_SYSLOG_NG_NUMBER >= 4002
#define MT_SOURCE_WORKER(driver) ((driver)->workers[0])
#define MT_SOURCE_RUN_ARGUMENT LogThreadedSourceWorker
#define MT_SOURCE_DRIVER_OF(argument) ((argument)->control)
#else
#define MT_SOURCE_WORKER(driver) ((driver)->worker)
#define MT_SOURCE_RUN_ARGUMENT LogThreadedSourceDriver
#define MT_SOURCE_DRIVER_OF(argument) (argument)
#endif

/* Lines that wait for a destination: at its init, those of before a reload. */
static inline gint64
mt_queue_length(const LogThreadedDestDriver *driver)
{
  gint64 length = 0;

  for (gint i = 0; driver->workers && i < driver->created_workers; i++)
    if (driver->workers[i] && driver->workers[i]->queue)
      length += log_queue_get_length(driver->workers[i]->queue);
  return length;
}

#endif
