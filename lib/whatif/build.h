/* SPDX-License-Identifier: MIT */
/*
 * Builds the workload (workload.h) of a recording: what each thread did, from holds, waits, CPU
 * time, calls and dependencies.
 *
 * Waits for a GIL are left out: the simulator finds them. Holds that a switch request cut in
 * two are joined again. What a thread did without a GIL counts as computing as far as it was on
 * a CPU. Of the rest, time without a CPU is left out, since the simulator finds that as well;
 * what remains keeps its length.
 */
#ifndef GT_WHATIF_BUILD_H
#define GT_WHATIF_BUILD_H

#include "whatif/nonyielding.h"
#include "whatif/workload.h"

/* More functions than these are not asked about. */
enum { GT_BUILD_FUNCTIONS = 6 };

struct gt_build {
    struct gt_workload workload;
    int64_t after_ns; /* from the end of the last thread that counts to that of the recording */
    int64_t unknown_ns; /* time of threads without a GIL, of which nothing is known */
    int64_t grain_ns;   /* shorter holds were put together; 0: none were */
    bool guesses_order, guesses_jobs, guesses_clocks, misses_clocks; /* as in dep_list.h */
};

/* `blockers` by GIL; `tags` and `native` as gt_nonyielding_init has them. `cores` is how many
 * CPUs the recorded program had. 0 or negative. */
int gt_build_init(struct gt_build *build, const struct gt_timeline *timeline,
                  const struct gt_blockers *blockers, const struct gt_tag *tags,
                  const struct gt_chunks *native, double cores, struct gt_error *err);
void gt_build_release(struct gt_build *build);

#endif
