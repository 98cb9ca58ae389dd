/* SPDX-License-Identifier: MIT */
/* What a process is called, by its command line. */
#ifndef GT_REPORT_PROCESS_LABEL_H
#define GT_REPORT_PROCESS_LABEL_H

#include "base/buf.h"

#include <stddef.h>

/* Append it: "server.py --port 80" of "/usr/bin/python3 -O /srv/server.py --port 80", whose
 * words end with NUL. Valid UTF-8, safe for a terminal, of some 60 bytes. 0, or -1: no memory.
 */
int gt_command_label(const char *command, size_t length, struct gt_buf *text);

#endif
