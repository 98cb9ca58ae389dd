/*
 * What each thread of a recording did, as a replay: from holds, waits, CPU time, calls and
 * bonds.
 *
 * Waits for a GIL are left out: they are what a replay finds. A hold that somebody's request
 * ended goes on where it was broken off. What a thread did without a GIL is computing as far as
 * it was on a CPU; of the rest, what was not the want of a CPU, which the replay finds as well,
 * keeps its length.
 */
#ifndef GT_ANALYSIS_STORY_H
#define GT_ANALYSIS_STORY_H

#include "analysis/pieces.h"
#include "analysis/replay.h"

/* More functions than these are not asked about. */
enum { GT_STORY_FUNCTIONS = 6 };

struct gt_story {
    struct gt_replay replay;
    int64_t after_ns;   /* from the last end that counts to the end of the recording */
    int64_t unknown_ns; /* of threads' times without a GIL, about which nothing is known */
    int64_t grain_ns;   /* shorter holds were put together; 0: none were */
    uint64_t steps;
    bool guesses_order, guesses_jobs, guesses_clocks, misses_clocks; /* analysis/bonds.h */
};

/* `blockers` by GIL, `tags` by function; `cores`: CPUs that the recorded program had. 0 or
 * negative. */
int gt_story_init(struct gt_story *story, const struct gt_timeline *timeline,
                  const struct gt_blockers *blockers, const struct gt_tag *tags, double cores,
                  struct gt_error *err);
void gt_story_release(struct gt_story *story);

#endif
