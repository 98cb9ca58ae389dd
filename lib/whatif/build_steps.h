/* SPDX-License-Identifier: MIT */
/* Private to build.c: building the steps of a thread, stretch by stretch, in the order of time.
 */
#ifndef GT_WHATIF_BUILD_STEPS_H
#define GT_WHATIF_BUILD_STEPS_H

#include "analysis/cpu.h"
#include "whatif/dependencies.h"
#include "whatif/exits.h"
#include "whatif/nonyielding.h"

/* The kernel may take so long to end a process. */
#define GT_EXIT_NS ((int64_t)20000000)

/* How far the steps of one thread have been built. */
struct gt_thread_cursor {
    uint32_t thread, index; /* of the timeline, of the workload */
    int64_t now_ns;         /* its steps are built until then */
    size_t dep;             /* the next dependency */
    size_t nonyielding;     /* the next non-yielding hold */
    struct gt_cpu cpu;
    bool ending;           /* it had its last hold: what it does at its end is not measured */
    size_t after_dep;      /* its first step after its last dependency */
    int64_t taken_over_ns; /* its last hold ended because of a request; the thread that asked
                              had the GIL from then on; 0: it ended by itself */
    /* Short holds, and short times between them, that are being put together. */
    uint32_t gil;
    int64_t hold_ns, free_ns;
};

struct gt_step_builder {
    struct gt_workload *workload; /* that is built */
    int64_t grain_ns;             /* shorter holds are put together; 0: none are */
    int64_t unknown_ns; /* of threads' times without a GIL, about which nothing is known */
    const struct gt_timeline *timeline;
    const struct gt_blockers *blockers; /* by GIL */
    struct gt_deps deps;
    struct gt_nonyielding nonyielding;
    struct gt_cpu_load cpu_load;
    struct gt_thread_cursor *cursors; /* by thread of the timeline */
    uint32_t *replayed;               /* the same: its thread of the workload, or
                                         GT_WORKLOAD_NONE */
    struct gt_exits exits;
};

enum gt_doing_of_gil { GT_WITHOUT_GIL, GT_WITH_GIL, GT_WAITING_FOR_GIL };

/* Build the steps until `until_ns`: what the thread did, with the dependencies in their places.
 * 0 or -1. */
int gt_build_until(struct gt_step_builder *builder, struct gt_thread_cursor *cursor,
                   enum gt_doing_of_gil doing, uint32_t gil, int64_t until_ns);
/* Add a step. Short holds, and short times between them, are put together. 0 or -1. */
int gt_build_step(struct gt_step_builder *builder, struct gt_thread_cursor *cursor,
                  struct gt_step step);
/* Add a step as it is. 0 or -1. */
int gt_build_step_now(struct gt_step_builder *builder, struct gt_thread_cursor *cursor,
                      struct gt_step step);
/* Add what has been put together so far. 0 or -1. */
int gt_build_pending(struct gt_step_builder *builder, struct gt_thread_cursor *cursor);

#endif
