/* log-vfs.h: the write-ahead log's pages, written many at a time
 *
 * Layer: store.  Concurrency: mt_log_vfs() any; a file its connection's owner only.
 *
 * SQLite writes each page of a commit by two calls, one for 24 bytes and one for the page; a
 * batch of lines changes some thousand pages.  Here what is appended gathers, and goes into the file
 * when room ends, when it is asked for, and at the page that ends a transaction: before
 * SQLite tells other processes of it, and so that trouble is the transaction's.
 */
#ifndef MT_STORE_LOG_VFS_H
#define MT_STORE_LOG_VFS_H

#include <sqlite3.h>

/* mt_log_vfs: the name to open a database by; SQLite's default VFS does the work.  NULL where
 * there is none. */
const char *mt_log_vfs(void);

#endif
