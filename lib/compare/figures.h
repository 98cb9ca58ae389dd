/* SPDX-License-Identifier: MIT */
/*
 * The figures of two reports, side by side, and what of them changed: of the whole run, of
 * processes, of threads by kind, of the functions that others waited for, and of locks. Whether
 * a difference is more than noise is decided as by --baseline (analysis/change.h): by the
 * spread over the runs of --repeat, which a summary has under "metrics"; of one run on each
 * side it is not known.
 */
#ifndef GT_COMPARE_FIGURES_H
#define GT_COMPARE_FIGURES_H

#include "analysis/change.h"
#include "compare/side.h"

enum gt_figure_group {
    GT_FIGURE_WHOLE,     /* value 0; the names are gt_figure_* below */
    GT_FIGURE_PROCESSES, /* waited, held: shares of its threads' lives; the longest wait. Only
                            where there are several on a side */
    GT_FIGURE_THREADS,   /* likewise */
    GT_FIGURE_FUNCTIONS, /* waited for, held while somebody waited; the longest hold */
    GT_FIGURE_LOCKS,     /* waited for; the longest wait */
    GT_FIGURE_GROUPS
};

enum { GT_FIGURE_VALUES = 3 };

struct gt_figure {
    struct gt_spread side[GT_SIDES];
    uint32_t runs[GT_SIDES]; /* that the spread is of */
    bool share;              /* of the threads' lives; else nanoseconds */
    struct gt_change change;
};

struct gt_figure_row {
    enum gt_figure_group group;
    uint32_t name;            /* in the names: NAME, or NAME, NUL, and whose it is */
    uint32_t count[GT_SIDES]; /* of threads, processes, holds or waits; 0: not on this side */
    const json_t *example[GT_SIDES]; /* the function's or lock's longest row in the summary */
    struct gt_figure values[GT_FIGURE_VALUES];

    struct gt_figure_sum { /* private */
        int64_t wait_ns, hold_ns, life_ns, longest_ns;
        double noise; /* the greatest of its threads */
    } sums[GT_SIDES];
};

struct gt_figures {
    struct gt_chunks rows;    /* of struct gt_figure_row, each group's main differences first */
    struct gt_hashmap row_of; /* private: by group and name */
    /* Threads' rows, by gt_side_key. */
    struct gt_hashmap thread_row[GT_SIDES];
    struct gt_intern *names; /* borrowed */
    uint32_t runs[GT_SIDES]; /* of --repeat, 1 where there is no spread */
    bool has_metrics[GT_SIDES];
};

/* Both sides are finished, and outlive it; `names` as of gt_side_init. 0 or negative; release
 * it in either case. */
int gt_figures_init(struct gt_figures *figures, const struct gt_side sides[GT_SIDES],
                    struct gt_intern *names, struct gt_error *err);
void gt_figures_release(struct gt_figures *figures);

static inline struct gt_figure_row *gt_figure_at(const struct gt_figures *figures, size_t index)
{
    return gt_chunks_at(&figures->rows, index);
}

/* The row of the whole run of that name: "wall", "wait", "hold", "longest_wait", "lock_wait",
 * "stopped", "unknown", as in the metrics. NULL: neither side has it. */
const struct gt_figure_row *gt_figure_whole(const struct gt_figures *figures, const char *name);

/* How a value compares: nothing to be told of, since it is too short, or absent on both sides;
 * the same, as far as it is shown, or shares that differ by less than half a percent of the
 * time; or as analysis/change.h says. */
enum gt_figure_change {
    GT_FIGURE_TOO_SMALL,
    GT_FIGURE_SAME,
    GT_FIGURE_NOISE,
    GT_FIGURE_UNKNOWN,
    GT_FIGURE_MORE,
    GT_FIGURE_LESS
};
enum gt_figure_change gt_figure_judge(const struct gt_figure *figure);

/* Is more of it worse? Having the GIL is neither. */
bool gt_figure_is_bad(const struct gt_figures *figures, const struct gt_figure_row *row,
                      unsigned value);

/* "12.3%", "4.5 ms". */
char *gt_figure_text(const struct gt_figure *figure, double value, char *text, size_t size);

#endif
