/* secret.h: passwords in the text of a line
 *
 * Layer: scan.  Concurrency: any thread; functions touch only their arguments.
 *
 * Daemons log what they were told to: auth_verbose_passwords, debug levels, the dialogue of a
 * protocol.  Dialects take nothing of that into an event.  Whatever keeps or shows text that no
 * recogniser has read passes through here.
 */
#ifndef MT_SCAN_SECRET_H
#define MT_SCAN_SECRET_H

#include "scan/span.h"

/* mt_secret_cut: @text up to where a password, its hash or what a client said to authenticate
 * may begin; all of it where nothing speaks for one.  Errs on the side of cutting. */
MtSpan mt_secret_cut(MtSpan text);

#endif
