/* log-vfs.h: the write-ahead log's pages, written many at a time
 *
 * Layer: store.  Concurrency: the connection's owner only.
 *
 * SQLite writes each page of a commit by two calls, one for 24 bytes and one for the page; a
 * batch of lines changes some thousand pages.  Here what is appended gathers, and goes into the
 * file when room ends, when it is asked for, and at the page that ends a transaction: before SQLite
 * tells other processes of it, and so that trouble is the transaction's.
 */
#ifndef MT_STORE_LOG_VFS_H
#define MT_STORE_LOG_VFS_H

#include <sqlite3.h>

typedef struct MtLogVfs MtLogVfs;

/* mt_log_vfs_new: registered with SQLite, whose default VFS does the work.  NULL where there is
 * none.  mt_log_vfs_free: no file may be open by it. */
MtLogVfs *mt_log_vfs_new(void);
void mt_log_vfs_free(MtLogVfs *vfs);

/* mt_log_vfs_name: what sqlite3_open_v2() calls it by. */
const char *mt_log_vfs_name(const MtLogVfs *vfs);

#endif
