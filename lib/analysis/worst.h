/* SPDX-License-Identifier: MIT */
/*
 * When a GIL was waited for most: two bad seconds within ten idle minutes, which no share of
 * the whole tells of.
 *
 * The worst window of a length, of all within the life of the GIL's program, is the one in
 * which its threads waited longest, all together; of several such, the first one. What is not
 * known counts as no waiting there, and is told beside it, with the most that any window of
 * that length can have had.
 *
 * The worst stretch has no given length. Of the lengths' worst windows, take the one with the
 * greatest product of waiting and waiting per time, w × w / length: the most waiting that comes
 * densely. The stretch is the one whose waiting exceeds half as much per time by most, that is,
 * for which waiting - stretch × w / (2 × length) is greatest; of several, the first that ends,
 * and of these the last that begins. So it begins and ends with waits, which those of a window
 * need not. Where something is not known it may have been waiting: such time counts for a
 * stretch where the known waiting suffices, and never against it.
 *
 * It is told of where it is materially worse than the whole, whatever it is that is not known:
 * it lasts a tenth of a second or longer, those who waited most in it did so for a tenth of
 * their time or more, and its part of all waiting is twice as large as its part of the time, or
 * larger.
 */
#ifndef GT_ANALYSIS_WORST_H
#define GT_ANALYSIS_WORST_H

#include "analysis/covers.h"
#include "base/error.h"

#include <stdbool.h>

enum { GT_WORST_LENGTHS = 5 };
/* The least first: 0.1, 1, 2, 10 and 60 seconds. */
extern const int64_t gt_worst_lengths_ns[GT_WORST_LENGTHS];

struct gt_worst_window {
    int64_t length_ns;
    int64_t start_ns;
    int64_t wait_ns;    /* of all threads in it */
    int64_t lives_ns;   /* how long they lived in it */
    int64_t unknown_ns; /* how much of that is not known */
    int64_t at_most_ns; /* the most that can have been waited in any window of that length */
};

struct gt_worst_stretch {
    int64_t start_ns, end_ns;
    int64_t wait_ns, lives_ns, unknown_ns; /* of all threads, as of a window */
    /* Those of one kind (thread_kinds.h) that did two thirds of this waiting; else
     * all that waited in it. */
    uint32_t kind;    /* GT_NO_INDEX: of several */
    uint32_t threads; /* how many of them lived in it */
    uint32_t thread;  /* the one of them that waited longest in it */
    int64_t kind_wait_ns, kind_lives_ns, kind_unknown_ns;
};

struct gt_worst {
    struct gt_worst_window
        windows[GT_WORST_LENGTHS]; /* of lengths less than the program's life */
    uint32_t window_count;         /* 0: nobody waited, or the program lived too short a time */
    struct gt_worst_stretch stretch; /* where there are windows */
    bool told;                       /* the stretch is materially worse than the whole */
};

/* `covers` are of the waits for that GIL, sorted. 0 or -1 (no memory). */
int gt_worst_find(struct gt_worst *worst, const struct gt_timeline *timeline, uint32_t gil,
                  const struct gt_covers *covers);

#endif
