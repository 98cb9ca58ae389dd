/* SPDX-License-Identifier: MIT */
#include "whatif/dep_jobs.h"

#include "base/order.h"
#include "whatif/call_walk.h"

#include <stdlib.h>
#include <string.h>

/*
 * Jobs that any of several threads would have taken, from something that is not recorded as a
 * queue: a deque, an iterator, an index behind a lock. They show in the calls: several threads
 * run one function, which calls one other function again and again (the jobs), and none of them
 * leaves while another one still begins more jobs than the one at hand. Threads that have jobs
 * of their own look the same where they have as many each. Where they had as many, and took
 * them from nothing that is known to be shared, it is a guess that they share them.
 */

enum {
    LEAST_JOBS = 3,     /* of a thread that shows that there are jobs */
    LEAST_PERCENT = 10, /* of the loop's length: what its jobs take in one thread */
    LOOKED_INTO = 64,   /* calls of one thread */
};

#define LEAST_NS ((int64_t)10000000)

struct loop {
    uint32_t thread, process;
    uint32_t function, job; /* that calls, and that is called */
    uint32_t call;          /* of `function`: index in the thread's spans */
    uint32_t jobs;
    int64_t jobs_ns, first_ns, last_ns, last_end_ns; /* last_ns: the last job began */
    bool takes;                                      /* out of a deque */
    bool tied; /* its jobs wait for others, beyond locks: they are not anybody's */
};

/* A function called by the loop at hand. */
struct callee {
    int64_t sum_ns;
    uint32_t count;
};

struct jobs {
    struct gt_deps *deps;
    const struct gt_timeline *timeline;
    struct callee *callees;   /* by function */
    struct gt_chunks touched; /* of uint32_t: functions among them */
    struct loop *loops;       /* one of a thread, at most */
    size_t count;
};

/* Loops of one function with one job in one process. */
struct group {
    struct loop *loops;
    size_t count;
};

static const char *name_of(const struct gt_timeline *timeline, uint32_t function)
{
    return gt_intern_text(&timeline->names, gt_function_info_of(timeline, function)->name);
}

static bool takes_out_of_a_deque(const struct gt_timeline *timeline, uint32_t function)
{
    const char *name = name_of(timeline, function);

    return gt_function_info_of(timeline, function)->flags & GT_FUNCTION_C &&
           (strcmp(name, "deque.popleft") == 0 || strcmp(name, "deque.pop") == 0);
}

/* --- loops --- */

/* Its callees. 0 or -1. */
static int count_callees(struct jobs *jobs, const struct gt_calls *calls, uint32_t call)
{
    const struct gt_call_span *outer = gt_chunks_at(&calls->spans, call);

    gt_chunks_truncate(&jobs->touched, 0);
    for (size_t i = call + 1; i < calls->spans.count; i++) {
        const struct gt_call_span *span = gt_chunks_at(&calls->spans, i);
        struct callee *callee = &jobs->callees[span->function];

        if (span->start_ns >= outer->end_ns)
            break;
        if (span->depth != outer->depth + 1)
            continue;
        if (callee->count++ == 0) {
            uint32_t *touched = gt_chunks_push(&jobs->touched);

            if (!touched)
                return -1;
            *touched = span->function;
        }
        callee->sum_ns += span->end_ns - span->start_ns;
    }
    return 0;
}

/* The callee that takes most of all callees' time, if it is called often enough. */
static void choose_job(struct jobs *jobs, struct loop *loop)
{
    int64_t all_ns = 0;

    loop->job = GT_NO_INDEX;
    for (size_t i = 0; i < jobs->touched.count; i++) {
        uint32_t function = *(const uint32_t *)gt_chunks_at(&jobs->touched, i);
        struct callee *callee = &jobs->callees[function];

        all_ns += callee->sum_ns;
        if (callee->count >= LEAST_JOBS && callee->sum_ns > loop->jobs_ns) {
            loop->job = function;
            loop->jobs_ns = callee->sum_ns;
            loop->jobs = callee->count;
        }
    }
    for (size_t i = 0; i < jobs->touched.count; i++) {
        uint32_t function = *(const uint32_t *)gt_chunks_at(&jobs->touched, i);

        if (loop->job != GT_NO_INDEX && takes_out_of_a_deque(jobs->timeline, function) &&
            jobs->callees[function].count >= loop->jobs)
            loop->takes = true;
        jobs->callees[function] = (struct callee){0, 0};
    }
    if (loop->jobs_ns < all_ns / 2)
        loop->job = GT_NO_INDEX;
}

static bool is_job(const struct gt_calls *calls, const struct loop *loop, size_t index)
{
    const struct gt_call_span *outer = gt_chunks_at(&calls->spans, loop->call);
    const struct gt_call_span *span = gt_chunks_at(&calls->spans, index);

    return span->function == loop->job && span->depth == outer->depth + 1;
}

static bool is_in(const struct gt_calls *calls, const struct loop *loop, size_t index)
{
    const struct gt_call_span *outer = gt_chunks_at(&calls->spans, loop->call);

    return index < calls->spans.count &&
           ((const struct gt_call_span *)gt_chunks_at(&calls->spans, index))->start_ns <
               outer->end_ns;
}

static void find_times(const struct gt_calls *calls, struct loop *loop)
{
    loop->first_ns = INT64_MAX;
    for (size_t i = loop->call + 1; is_in(calls, loop, i); i++) {
        const struct gt_call_span *span = gt_chunks_at(&calls->spans, i);

        if (!is_job(calls, loop, i))
            continue;
        if (span->start_ns < loop->first_ns)
            loop->first_ns = span->start_ns;
        loop->last_ns = span->start_ns;
        loop->last_end_ns = span->end_ns;
    }
}

/* The outermost call of a thread that is such a loop, if any. Only long calls are looked into,
 * which contain one another: not many. 0 or -1. */
static int find_loop(struct jobs *jobs, uint32_t thread, const struct gt_calls *calls)
{
    int64_t run_ns = jobs->timeline->end_ns - jobs->timeline->start_ns;
    int looked_into = 0;

    for (size_t i = 0; i < calls->spans.count && looked_into < LOOKED_INTO; i++) {
        const struct gt_call_span *span = gt_chunks_at(&calls->spans, i);
        int64_t length_ns = span->end_ns - span->start_ns;
        struct loop loop = {.thread = thread,
                            .process = gt_thread_at(jobs->timeline, thread)->process,
                            .function = span->function,
                            .call = (uint32_t)i};

        if (length_ns < run_ns / 8 || length_ns < LEAST_NS || span->depth == UINT16_MAX ||
            gt_function_info_of(jobs->timeline, span->function)->flags & GT_FUNCTION_C)
            continue;
        looked_into++;
        if (count_callees(jobs, calls, (uint32_t)i))
            return -1;
        choose_job(jobs, &loop);
        if (loop.job == GT_NO_INDEX || loop.jobs_ns < length_ns / 100 * LEAST_PERCENT)
            continue;
        find_times(calls, &loop);
        jobs->loops[jobs->count++] = loop;
        return 0;
    }
    return 0;
}

/* A thread that did a job or two in the function in which others did more. */
static void find_straggler(struct jobs *jobs, uint32_t thread, const struct gt_calls *calls,
                           const uint32_t *job_of)
{
    int looked_into = 0;

    for (size_t i = 0; i < calls->spans.count && looked_into < LOOKED_INTO; i++) {
        const struct gt_call_span *span = gt_chunks_at(&calls->spans, i);
        struct loop loop = {.thread = thread,
                            .process = gt_thread_at(jobs->timeline, thread)->process,
                            .function = span->function,
                            .job = job_of[span->function],
                            .call = (uint32_t)i,
                            .takes = true};

        if (loop.job == GT_NO_INDEX)
            continue;
        looked_into++;
        for (size_t at = i + 1; is_in(calls, &loop, at); at++)
            loop.jobs += is_job(calls, &loop, at);
        if (!loop.jobs)
            continue;
        find_times(calls, &loop);
        jobs->loops[jobs->count++] = loop;
        return;
    }
}

/* May its jobs be given to others? Not those of a thread that the end of the interpreter ended.
 */
static const struct gt_calls *calls_of(const struct jobs *jobs, uint32_t thread)
{
    return jobs->deps->replayed[thread] != GT_WORKLOAD_NONE &&
                   jobs->deps->killed[thread] == GT_WORKLOAD_NONE
               ? gt_calls_of(jobs->timeline, thread)
               : NULL;
}

static int find_loops(struct jobs *jobs)
{
    size_t threads = jobs->timeline->calls.count, functions = jobs->timeline->functions.count;
    bool *has_loop = calloc(threads + 1, sizeof(*has_loop));
    uint32_t *job_of = malloc((functions + 1) * sizeof(*job_of));
    int rc = has_loop && job_of ? 0 : -1;

    for (uint32_t i = 0; rc == 0 && i < threads; i++) {
        size_t before = jobs->count;

        if (calls_of(jobs, i))
            rc = find_loop(jobs, i, calls_of(jobs, i));
        has_loop[i] = jobs->count > before;
    }
    if (rc == 0) {
        memset(job_of, 0xff, (functions + 1) * sizeof(*job_of));
        for (size_t i = 0; i < jobs->count; i++)
            job_of[jobs->loops[i].function] = jobs->loops[i].job;
        for (uint32_t i = 0; jobs->count && i < threads; i++)
            if (calls_of(jobs, i) && !has_loop[i])
                find_straggler(jobs, i, calls_of(jobs, i), job_of);
    }
    free(job_of);
    free(has_loop);
    return rc;
}

/* --- groups of them --- */

static int compare_loops(const void *a, const void *b)
{
    const struct loop *left = a, *right = b;

    if (left->process != right->process)
        return gt_order(left->process, right->process);
    if (left->function != right->function)
        return gt_order(left->function, right->function);
    if (left->job != right->job)
        return gt_order(left->job, right->job);
    return gt_order(left->thread, right->thread);
}

static bool next_group(const struct jobs *jobs, size_t *at, struct group *group)
{
    *group = (struct group){.loops = jobs->loops + *at};
    for (; *at < jobs->count; group->count++, ++*at) {
        const struct loop *loop = &jobs->loops[*at], *first = group->loops;

        if (loop->process != first->process || loop->function != first->function ||
            loop->job != first->job)
            break;
    }
    return group->count > 0;
}

/* 0 or -1. */
static int find_ties(struct jobs *jobs)
{
    size_t threads = jobs->timeline->threads.count;
    struct loop **loop_of = calloc(threads + 1, sizeof(*loop_of));

    if (!loop_of)
        return -1;
    for (size_t i = 0; i < jobs->count; i++)
        loop_of[jobs->loops[i].thread] = &jobs->loops[i];
    for (size_t i = 0; i < jobs->deps->added.count; i++) {
        const struct gt_dep *dep = gt_chunks_at(&jobs->deps->added, i);
        struct loop *loop = loop_of[dep->thread];

        if (!loop || dep->kind == GT_STEP_LOCK || dep->kind == GT_STEP_UNLOCK ||
            dep->kind == GT_DEP_NOTHING || dep->kind == GT_STEP_PUT)
            continue;
        loop->tied = loop->tied || dep->kind == GT_DEP_JOB ||
                     (dep->at_ns >= loop->first_ns && dep->at_ns < loop->last_end_ns);
    }
    free(loop_of);
    return 0;
}

/* Did nobody leave while there was more to do? */
static bool ends_together(const struct jobs *jobs, const struct group *group)
{
    int64_t left_ns = INT64_MAX;

    for (size_t i = 0; i < group->count; i++) {
        const struct loop *loop = &group->loops[i];
        const struct gt_calls *calls = gt_calls_of(jobs->timeline, loop->thread);
        const struct gt_call_span *span = gt_chunks_at(&calls->spans, loop->call);

        if (span->end_ns < left_ns)
            left_ns = span->end_ns;
    }
    for (size_t i = 0; i < group->count; i++)
        if (group->loops[i].last_ns > left_ns)
            return false;
    return true;
}

/* Is it known that anybody might have done each of its jobs? */
static bool is_sure(const struct group *group)
{
    uint32_t least = UINT32_MAX, most = 0;
    bool takes = true;

    for (size_t i = 0; i < group->count; i++) {
        const struct loop *loop = &group->loops[i];

        takes = takes && loop->takes;
        least = loop->jobs < least ? loop->jobs : least;
        most = loop->jobs > most ? loop->jobs : most;
    }
    return takes || (most >= least + 2 && (uint64_t)most * 8 >= (uint64_t)least * 9);
}

/* --- as jobs of a queue --- */

struct start {
    int64_t time_ns;
    uint32_t thread;
};

static int compare_starts(const void *a, const void *b)
{
    const struct start *left = a, *right = b;

    if (left->time_ns != right->time_ns)
        return gt_order(left->time_ns, right->time_ns);
    return gt_order(left->thread, right->thread);
}

static void find_starts(const struct jobs *jobs, const struct group *group,
                        struct start *starts)
{
    size_t count = 0;

    for (size_t i = 0; i < group->count; i++) {
        const struct loop *loop = &group->loops[i];
        const struct gt_calls *calls = gt_calls_of(jobs->timeline, loop->thread);

        for (size_t at = loop->call + 1; is_in(calls, loop, at); at++)
            if (is_job(calls, loop, at))
                starts[count++] = (struct start){
                    ((const struct gt_call_span *)gt_chunks_at(&calls->spans, at))->start_ns,
                    loop->thread};
    }
    qsort(starts, count, sizeof(*starts), compare_starts);
}

static int add_job(struct gt_deps *deps, const struct start *start, uint32_t queue,
                   uint32_t rank)
{
    struct gt_dep *dep;

    if (gt_deps_add(deps, GT_DEP_JOB, start->thread, start->time_ns, start->time_ns, queue))
        return -1;
    dep = gt_chunks_last(&deps->added);
    dep->rank = rank;
    return 0;
}

static int share(struct jobs *jobs, const struct group *group, uint32_t count, bool guessed)
{
    struct gt_deps *deps = jobs->deps;
    struct start *starts = calloc((size_t)count + 1, sizeof(*starts));
    uint32_t queue = gt_workload_add_queue(deps->workload, count);
    int rc = starts && queue != GT_WORKLOAD_NONE ? 0 : -1;

    if (rc == 0) {
        ((struct gt_workload_queue *)gt_chunks_at(&deps->workload->queues, queue))->guessed =
            guessed;
        deps->guesses_jobs = deps->guesses_jobs || guessed;
        find_starts(jobs, group, starts);
    }
    for (uint32_t i = 0; rc == 0 && i < count; i++)
        rc = add_job(deps, &starts[i], queue, i);
    for (size_t i = 0; rc == 0 && i < group->count; i++)
        rc = gt_deps_add(deps, GT_DEP_JOBS_END, group->loops[i].thread,
                         group->loops[i].last_end_ns, 0, queue);
    free(starts);
    return rc;
}

static int look_at(struct jobs *jobs, const struct group *group)
{
    uint64_t count = 0;
    bool tied = false;

    for (size_t i = 0; i < group->count; i++) {
        count += group->loops[i].jobs;
        tied = tied || group->loops[i].tied;
    }
    if (group->count < 2 || tied || count >= UINT32_MAX || !ends_together(jobs, group))
        return 0;
    return share(jobs, group, (uint32_t)count, !is_sure(group));
}

int gt_deps_add_jobs(struct gt_deps *deps)
{
    size_t threads = deps->timeline->threads.count, functions = deps->timeline->functions.count;
    struct jobs jobs = {.deps = deps,
                        .timeline = deps->timeline,
                        .callees = calloc(functions + 1, sizeof(*jobs.callees)),
                        .loops = calloc(threads + 1, sizeof(*jobs.loops))};
    struct group group;
    int rc = -1;

    gt_chunks_init(&jobs.touched, sizeof(uint32_t));
    if (jobs.callees && jobs.loops)
        rc = find_loops(&jobs);
    if (rc == 0)
        rc = find_ties(&jobs);
    if (rc == 0)
        qsort(jobs.loops, jobs.count, sizeof(*jobs.loops), compare_loops);
    for (size_t at = 0; rc == 0 && next_group(&jobs, &at, &group);)
        rc = look_at(&jobs, &group);
    gt_chunks_release(&jobs.touched);
    free(jobs.loops);
    free(jobs.callees);
    return rc;
}
