/* fault-vfs.h: SQLite's default file layer, failing on demand
 *
 * For tests only.  Registered as the default, so that what is tested opens its files through
 * it without knowing.
 */
#ifndef MT_TESTS_FAULT_VFS_H
#define MT_TESTS_FAULT_VFS_H

#include <glib.h>

typedef enum
{
  FAULT_NONE,
  FAULT_FULL,       /* a write finds no room */
  FAULT_WRITE,      /* a write fails */
  FAULT_READ,       /* a read fails */
  FAULT_SYNC,       /* an fsync fails */
  FAULT_CHECKPOINT, /* a write into the database file itself fails: the log is being folded back */
  FAULT_COUNT
} FaultKind;

extern const gchar *const fault_names[FAULT_COUNT];

/* fault_vfs_register: once. */
void fault_vfs_register(void);

/* fault_vfs_set: @kind happens at the operation of its kind behind the next @after, and at each
 * one from then on, @times in all. */
void fault_vfs_set(FaultKind kind, guint after, guint times);

/* fault_vfs_fired: how often one has happened since it was set. */
guint fault_vfs_fired(void);

/* fault_vfs_writes: how often something has been written, to whatever file. */
guint fault_vfs_writes(void);

#endif
