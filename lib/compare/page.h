/* SPDX-License-Identifier: MIT */
/* Private to compare/: the page's own files, put together from page/ by scripts/embed.cmake
 * when the program is built. */
#ifndef GT_COMPARE_PAGE_H
#define GT_COMPARE_PAGE_H

#include <stddef.h>

struct gt_page_part {
    const char *name; /* "head.html" before what is put into the page, "tail.html" behind it */
    const unsigned char *data;
    size_t length; /* bytes; a NUL follows them */
};

extern const struct gt_page_part gt_diff_page[]; /* ended by NULL */

#endif
