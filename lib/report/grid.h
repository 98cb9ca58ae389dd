/* SPDX-License-Identifier: MIT */
/*
 * Private to report/: a table of text whose columns are as wide as what is in them.
 *
 * Where a width is given that it does not fit into, heads take two lines, columns that can be
 * spared go, names are shortened in the middle, and columns that still have no room go into a
 * further block of lines, which repeats the first and the last column. To add a column: its
 * head in the caller's list, and a cell in each row.
 */
#ifndef GT_REPORT_GRID_H
#define GT_REPORT_GRID_H

#include "base/buf.h"
#include "base/strvec.h"
#include "report/report.h"

#include <stddef.h>

enum gt_grid_flags {
    GT_GRID_LEFT = 1 << 0,  /* aligned to the left */
    GT_GRID_NAME = 1 << 1,  /* may be shortened */
    GT_GRID_SPARE = 1 << 2, /* left out where there is no room */
    GT_GRID_OPEN = 1 << 3,  /* takes all of a row that is empty behind it, whatever its width */
};

struct gt_grid_column {
    const char *head; /* may break at its last blank; NULL: the column is left out */
    unsigned flags;   /* enum gt_grid_flags */
};

enum { GT_GRID_COLUMNS_MAX = 24 };

struct gt_grid {
    const struct gt_grid_column *columns; /* borrowed */
    size_t count;
    struct gt_strvec cells; /* row by row, left-out columns too */
};

void gt_grid_init(struct gt_grid *grid, const struct gt_grid_column *columns, size_t count);
void gt_grid_release(struct gt_grid *grid);

/* The next cell, from the left to the right. 0 or -1 (no memory), as all that follow. */
int gt_grid_add(struct gt_grid *grid, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Likewise; the buffer stays the caller's. */
int gt_grid_add_buf(struct gt_grid *grid, const struct gt_buf *cell);

int gt_grid_print(const struct gt_grid *grid, const struct gt_print_options *how,
                  struct gt_buf *text);

#endif
