/* host.h: a host, played by a test: an engine on a store in a directory of its own
 */
#ifndef MT_TESTS_HOST_H
#define MT_TESTS_HOST_H

#include "engine/engine.h"
#include "engine/query.h"
#include "engine/reader.h"

typedef struct
{
  MtSettings settings;
  MtEngine *engine; /* NULL until host_open() */
  MtReader *reader;
  gchar *directory;
  GPtrArray *told; /* text */
} Host;

/* host_start: @options: name, value, ... NULL. */
void host_start(Host *host, ...) G_GNUC_NULL_TERMINATED;
void host_stop(Host *host);

/* host_open: tries again while the trouble is of those that pass.  host_close: as a daemon ends. */
void host_open(Host *host, MtTime now);
void host_close(Host *host);

/* host_push: FALSE with @error as mt_engine_push(). */
gboolean host_push(Host *host, const gchar *raw, GError **error);

/* host_was_told: something that holds @part. */
gboolean host_was_told(const Host *host, const gchar *part);

/* host_ask: the one number that @sql asks for. */
gint64 host_ask(const Host *host, const gchar *sql);

/* host_contents: the rows that all of @questions (NULL-terminated) answer. (transfer full) */
gchar *host_contents(const Host *host, const gchar *const *questions);

#endif
