/* SPDX-License-Identifier: MIT */
/* What is estimated, as plain data: estimate.h makes it. */
#ifndef GT_WHATIF_RESULT_H
#define GT_WHATIF_RESULT_H

#include "base/chunks.h"

#include <stdbool.h>
#include <stdint.h>

enum gt_whatif_gap {
    GT_WHATIF_OK,
    GT_WHATIF_NO_GIL,     /* none was seen */
    GT_WHATIF_ALONE,      /* only one thread ever had it: nothing can overlap */
    GT_WHATIF_FUTEX,      /* holds were not measured */
    GT_WHATIF_STOPPED,    /* recording stopped before the program ended */
    GT_WHATIF_LOST,       /* too much was lost */
    GT_WHATIF_PART,       /* only a part of the program's life was recorded */
    GT_WHATIF_UNKNOWN,    /* what threads did without the GIL was not recorded */
    GT_WHATIF_STUCK,      /* the replay ends in threads that wait for one another */
    GT_WHATIF_UNFAITHFUL, /* it finds another length than was recorded */
    GT_WHATIF_LEFT_OUT,   /* this build makes no estimates (without/) */
    GT_WHATIF_SEVERAL,    /* it is of several recordings, or of a report */
    GT_WHATIF_CPUS,       /* the number of CPUs that it might use changed while it ran */
};

enum gt_estimate_kind {
    GT_ESTIMATE_RECORDED,  /* nothing but the number of cores changes */
    GT_ESTIMATE_FUNCTION,  /* the function releases the GIL */
    GT_ESTIMATE_FUNCTIONS, /* all of them do */
    GT_ESTIMATE_NO_GIL,
};

enum { GT_WHATIF_CORES = 5 }; /* numbers of cores asked about, at most */

/* Why an estimate is not known. */
enum gt_withheld {
    GT_WITHHELD_NOT,
    GT_WITHHELD_STUCK,  /* the replay ends in threads that wait for one another */
    GT_WITHHELD_CLOCK,  /* threads may have worked until a time */
    GT_WITHHELD_UNSEEN, /* the same: calls that look at clocks were not recorded */
    GT_WITHHELD_JOBS,   /* other threads might have done some of the jobs */
    GT_WITHHELD_SLOWED, /* Python code was slower because it was traced, by a large part of it
                         */
    GT_WITHHELD_BUSY, /* without the GIL; threads that had it had no CPU for much of the run */
    GT_WITHHELD_UNSEEN_FUNCTION, /* nobody was seen in the function that was asked about */
    GT_WITHHELD_COUNT,
};

struct gt_estimate {
    enum gt_estimate_kind kind;
    uint32_t gil, row; /* of GT_ESTIMATE_FUNCTION: its row that caused the most waiting */
    const char *asked; /* the same: the name by which it was asked about, with everything under
                          it; NULL: it was not, and is that of the row */
    uint32_t gils;     /* the same: on how many GILs the function was waited for */
    int64_t wall_ns;   /* on the recorded number of cores; -1: not known */
    int64_t by_cores_ns[GT_WHATIF_CORES];
    enum gt_withheld withheld; /* of wall_ns */
    uint32_t best_cores;       /* which of core_count, above the recorded one, would help most;
                                  GT_WHATIF_CORES: none helps much */
};

struct gt_whatif {
    enum gt_whatif_gap gap;
    double cores;         /* of the recorded run; a part of one under a quota */
    uint32_t core_counts; /* how many of … */
    double core_count[GT_WHATIF_CORES];
    int64_t recorded_ns; /* length of the run */
    int64_t replayed_ns; /* length that the replay finds under unchanged rules; -1: none */
    int64_t grain_ns;    /* holds shorter than this were put together; 0: none */
    int64_t
        slowed_ns; /* what recording cost, where it made Python code itself slower; else 0 */
    int64_t no_cpu_ns; /* threads had the GIL, and were ready without a CPU */
    int64_t lost_ns;   /* of the recording; it is taken for time that keeps its length */
    struct gt_chunks estimates;     /* of struct gt_estimate; the simplest change first */
    const struct gt_estimate *told; /* of these, what is worth a sentence; NULL: nothing is */
    bool worth_a_table;             /* something would help, or it is not known whether */
    bool of_traced_run; /* recording took so much that it is not the program by itself that is
                           estimated */
};

static inline const struct gt_estimate *gt_estimate_at(const struct gt_whatif *whatif,
                                                       size_t index)
{
    return gt_chunks_at(&whatif->estimates, index);
}

/* How many times as fast the run would be; 0 where its length is not known. */
static inline double gt_whatif_speedup(const struct gt_whatif *whatif, int64_t wall_ns)
{
    return wall_ns > 0 ? (double)whatif->recorded_ns / (double)wall_ns : 0;
}

#endif
