/* SPDX-License-Identifier: MIT */
/*
 * Dependencies as they are being found: a list that each dep_*.c adds to, and what these share
 * to find them. dependencies.h says what becomes of it.
 */
#ifndef GT_WHATIF_DEP_LIST_H
#define GT_WHATIF_DEP_LIST_H

#include "model/timeline.h"
#include "whatif/workload.h"

enum gt_dep_kind {                      /* beyond enum gt_step_kind */
                   GT_DEP_NOTHING = 64, /* nested: the enclosing dependency accounts for it */
                   GT_DEP_JOB,          /* of the queue `what`, item `rank` */
                   GT_DEP_JOBS_END,     /* what follows is the thread's own again */
};

/* A step that takes the place of what the thread did in [at, until). */
struct gt_dep {
    int64_t at_ns, until_ns;
    uint32_t thread; /* of the timeline */
    uint32_t what;
    uint32_t rank;
    uint32_t order;   /* in which it was added: sorts dependencies of the same moment */
    uint32_t kind;    /* enum gt_step_kind or gt_dep_kind */
    uint32_t flags;   /* of the step: enum gt_step_flags */
    int64_t limit_ns; /* AWAIT: the thread goes on without the event after that; 0: never.
                         UNTIL: the time */
};

struct gt_deps {
    const struct gt_timeline *timeline;
    struct gt_workload *workload;
    const uint32_t *replayed;    /* thread of the timeline → of the workload, or
                                    GT_WORKLOAD_NONE */
    struct gt_chunks added;      /* of struct gt_dep */
    struct gt_dep *sorted;       /* by thread and time */
    size_t *first;               /* by thread, and one more: where its dependencies begin */
    uint32_t *start_of, *end_of; /* events by thread, or GT_WORKLOAD_NONE */
    uint32_t *killed;    /* likewise: its end, where the end of the interpreter ended it */
    int64_t *selects_ns; /* by thread: the longest time that it waited in a selector for timers,
                            or for what is not recorded; 0: never */
    bool guesses_order;  /* it is a guess in which order an event loop does things */
    bool guesses_jobs;   /* it is a guess that any thread might have done some jobs */
    bool guesses_clocks; /* it is a guess that something was done until a time */
    bool misses_clocks;  /* it is not known which threads looked at a clock */
};

/* --- adding: all return 0, or -1 when memory is exhausted --- */

/* Nothing is added for a thread that is not in the workload. */
int gt_deps_add(struct gt_deps *deps, uint32_t kind, uint32_t thread, int64_t at_ns,
                int64_t until_ns, uint32_t what);
/* What is done at `at_ns` is not done before `clock` has run for `after_ns`; `perhaps`: that is
 * a guess. What `thread` did until `until_ns` is a part of that. */
int gt_deps_add_until(struct gt_deps *deps, uint32_t thread, int64_t at_ns, int64_t until_ns,
                      uint32_t clock, int64_t after_ns, bool perhaps);
/* The dependency that was added last is of an event loop, which does what comes first. */
void gt_deps_loosen(struct gt_deps *deps);
/* The event of a thread's end; GT_WORKLOAD_NONE when it is not in the workload, or memory is
 * exhausted. */
uint32_t gt_deps_end_of(struct gt_deps *deps, uint32_t thread);

/* --- functions by their names --- */

bool gt_deps_is_one_of(const char *name, const char *const *names, size_t count);
/* Were all calls of functions of these names recorded? Not when they were let go of. */
bool gt_deps_are_whole(const struct gt_timeline *timeline, const char *const *names,
                       size_t count);

/* --- sync operations by their objects --- */

/* Sync operations at one object, in the order of time. */
struct gt_dep_group {
    const uint32_t *indices;
    size_t count;
};

/* Sync operations by process, subject, time: indices of those for which `wanted` is true; the
 * caller frees them. NULL: no memory. */
uint32_t *gt_deps_sort(const struct gt_deps *deps, bool (*wanted)(const struct gt_sync_op *),
                       size_t *count);
/* The next group of such indices, from `at` on, which moves behind it. False: there is none. */
bool gt_deps_next_group(const struct gt_deps *deps, const uint32_t *indices, size_t count,
                        size_t *at, struct gt_dep_group *group);
/* Sort a group's indices by when its sync operations began. */
void gt_deps_sort_by_beginning(const struct gt_deps *deps, struct gt_dep_group *group);

static inline const struct gt_sync_op *gt_deps_sync_op(const struct gt_deps *deps, size_t index)
{
    return gt_chunks_at(&deps->timeline->sync_ops, index);
}

static inline const struct gt_sync_op *
gt_deps_of_group(const struct gt_deps *deps, const struct gt_dep_group *group, size_t at)
{
    return gt_deps_sync_op(deps, group->indices[at]);
}

static inline int64_t gt_sync_op_began_ns(const struct gt_sync_op *op)
{
    return op->since_ns ? op->since_ns : op->time_ns;
}

#endif
