/* The files of lib/report/viewer/, embedded by scripts/embed.cmake at build time. */
#ifndef GT_REPORT_VIEWER_H
#define GT_REPORT_VIEWER_H

#include <stddef.h>

struct gt_viewer_file {
    const char *name; /* without folder; NULL ends the table */
    const unsigned char *data;
    size_t length; /* bytes; a NUL follows them */
};

extern const struct gt_viewer_file gt_viewer_files[];

#endif
