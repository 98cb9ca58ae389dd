/*
 * What the threads of a recording waited for in one another, as steps of a workload: starts,
 * ends and joins of threads, locks, queues, barriers, events, pipes. Made from what the agent
 * saw (model/sync.h), from calls, and from the scheduler's wake-ups where there was no agent.
 *
 * A semaphore that is always given by who took it is a lock, and stays one: whoever comes first
 * in the replay has it first. Of all others (conditions, events, joins) each wait ends by the
 * post that ended it. A queue's items are taken in the order in which they were, by whoever
 * comes first when several threads work for it.
 */
#ifndef GT_WHATIF_DEPENDENCIES_H
#define GT_WHATIF_DEPENDENCIES_H

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
    uint32_t order;   /* of being added: for dependencies of the same moment */
    uint32_t kind;    /* enum gt_step_kind or gt_dep_kind */
    uint32_t flags;   /* of the step: enum gt_step_flags */
    int64_t limit_ns; /* AWAIT: goes on without it after that; 0: never. UNTIL: the time */
};

struct gt_deps {
    const struct gt_timeline *timeline;
    struct gt_workload *workload;
    const uint32_t *replayed;    /* timeline's thread → replay's, or GT_WORKLOAD_NONE */
    struct gt_chunks added;      /* of struct gt_dep */
    struct gt_dep *sorted;       /* by thread and time */
    size_t *first;               /* by thread, and one more: where its dependencies begin */
    uint32_t *start_of, *end_of; /* events by thread, or GT_WORKLOAD_NONE */
    uint32_t *killed;    /* likewise: of its end, when that was the interpreter's doing */
    int64_t *selects_ns; /* by thread: the longest time that it waited in a selector for timers,
                            or for what is not recorded; 0: never */
    bool guesses_order;  /* of what an event loop does */
    bool guesses_jobs;   /* that any thread might have done them is a guess */
    bool guesses_clocks; /* so it is that something was done until a time */
    bool misses_clocks;  /* who looked at a clock is not known */
};

/* Adds locks, events and queues to the replay, which has its threads. 0 or -1. */
int gt_deps_init(struct gt_deps *deps, const struct gt_timeline *timeline,
                 struct gt_workload *workload, const uint32_t *replayed);
void gt_deps_release(struct gt_deps *deps);

/* Sync operations at one object, in the order of time. */
struct gt_dep_group {
    const uint32_t *indices;
    size_t count;
};

/* Private to analysis/. All return 0 or -1. */
int gt_deps_add(struct gt_deps *deps, uint32_t kind, uint32_t thread, int64_t at_ns,
                int64_t until_ns, uint32_t what);
/* The dependency that was added last is of an event loop, which does what comes first. */
void gt_deps_loosen(struct gt_deps *deps);
/* The event of a thread's end; GT_WORKLOAD_NONE when it is not replayed, or memory exhausted.
 */
uint32_t gt_deps_end_of(struct gt_deps *deps, uint32_t thread);
/* dep_locks.c: semaphores. `nested`, by sync operation: part of what a queue, barrier or join
 * does. */
int gt_deps_add_semaphores(struct gt_deps *deps, const bool *nested);
/* dep_queues.c: queues and barriers. */
int gt_deps_add_queues(struct gt_deps *deps);
int gt_deps_add_barriers(struct gt_deps *deps);
/* sync_events.c: events and futures; semaphores that count. */
int gt_deps_add_events(struct gt_deps *deps);
int gt_deps_add_permits(struct gt_deps *deps);
/* dep_io.c: what one thread wrote, and another one waited for. */
int gt_deps_add_io(struct gt_deps *deps);
/* dep_jobs.c: jobs that are shared. After all but: */
int gt_deps_add_jobs(struct gt_deps *deps);
/* dep_clocks.c: what is done until a time, and sleeps until a time. */
int gt_deps_add_clocks(struct gt_deps *deps);

/* Did the thread's life end while it waited for a GIL, or at least in the middle of its work:
 * in the first function that it ever called? The interpreter's end does that to daemon threads.
 */
bool gt_deps_died_waiting(const struct gt_timeline *timeline, uint32_t thread);
bool gt_deps_died_at_work(const struct gt_timeline *timeline, uint32_t thread);
/* When a call was over but for the GIL, which it had let go of; 0: it had not. */
int64_t gt_deps_over_ns(const struct gt_timeline *timeline, uint32_t thread,
                        const struct gt_call_span *span);
/* The first hold that ends after that time. */
size_t gt_deps_hold_after(const struct gt_chunks *holds, int64_t time_ns);
/* Were all uses of queues, of semaphores recorded? Not when their functions were let go of. */
bool gt_deps_queues_are_whole(const struct gt_timeline *timeline);
bool gt_deps_permits_are_whole(const struct gt_timeline *timeline);
/* … of functions of these names. */
bool gt_deps_are_whole(const struct gt_timeline *timeline, const char *const *names,
                       size_t count);
bool gt_deps_is_one_of(const char *name, const char *const *names, size_t count);

/* Sync operations by process, subject, time: indices of those for which `wanted` is true. NULL:
 * no memory. */
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
