/* SPDX-License-Identifier: MIT */
/* Which files hold CPython's code, as their names tell. */
#ifndef GT_EVENT_PYTHON_FILE_H
#define GT_EVENT_PYTHON_FILE_H

#include <stdbool.h>
#include <stddef.h>

/* "/usr/bin/python3.11", "python3-dbg", "libpython3.8.so.1.0" */
bool gt_is_python_file(const char *path, size_t length);

#endif
