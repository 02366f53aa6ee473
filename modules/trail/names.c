/* names.c: the words of rows.h as the store's views print them */
#include "trail/rows.h"

#define NAMES(func, type, list) \
  const gchar *func(type value) \
  { \
    static const gchar *const names[] = { list(X) }; \
\
    return names[value]; \
  }

#define X(id, name) name,
NAMES(mt_state_name, MtState, MT_STATES)
NAMES(mt_parent_kind_name, MtParentKind, MT_PARENT_KINDS)
NAMES(mt_direction_name, MtDirection, MT_DIRECTIONS)
NAMES(mt_outcome_name, MtOutcome, MT_OUTCOMES)
NAMES(mt_reason_name, MtReason, MT_REASONS)
NAMES(mt_incident_name, MtIncident, MT_INCIDENTS)
#undef X
