/* SPDX-License-Identifier: MIT */
/* Private to report/: the page's own files, put together from viewer/ by scripts/embed.cmake
 * when the program is built. */
#ifndef GT_REPORT_VIEWER_H
#define GT_REPORT_VIEWER_H

#include <stddef.h>

struct gt_viewer_file {
    const char *name; /* without its folder; NULL ends the table */
    const unsigned char *data;
    size_t length; /* bytes; a NUL follows them */
};

extern const struct gt_viewer_file gt_viewer_files[];

#endif
