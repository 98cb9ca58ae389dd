/* SPDX-License-Identifier: MIT */
#include "whatif/dep_clocks.h"

#include "base/hashmap.h"
#include "base/nstime.h"
#include "base/order.h"
#include "whatif/call_end.h"
#include "whatif/call_walk.h"
#include "whatif/dep_sleeps.h"

#include <stdlib.h>
#include <string.h>
#include <sys/param.h>

/*
 * Some programs work until a time, or sleep for the rest of a period. Nothing that is recorded
 * says so, except that they must look at a clock.
 *
 * A loop is a call that looked several times, and worked in between. Whether it ends when its
 * work is done, or when its time is up, is not known: a replay tries both. A thread that looked
 * twice for each piece of work, just before and just after it, measured how long the work took.
 * To work until a time, it would have looked once more.
 *
 * A sleep that began just after its thread looked at a clock may make up for time that was
 * lost. That it does so is known where the ends of such sleeps lie on a grid and their lengths
 * vary; else a replay tries both, too.
 */

enum {
    LEAST_LOOKS = 4,
    LOOP_PERCENT = 2, /* of the run: shorter loops do not matter */
};

#define WORK_NS    ((int64_t)1000000) /* between two looks */
#define WRAPPER_NS ((int64_t)200000)  /* a function that does little more than look */
#define JUST_NS    ((int64_t)6000000) /* from a look to the sleep whose length it says */

#define OF_COROUTINE (UINT32_C(1) << 31)

enum role { NOTHING, LOOKS, SLEEPS, WAITS };

/* Waited for a semaphore until its time was up. */
struct gave_up {
    int64_t time_ns;
    uint32_t thread;
};

struct clocks {
    struct gt_deps *deps;
    const struct gt_timeline *timeline;
    uint8_t *roles;           /* by function: enum role */
    bool *is_library;         /* by function: its looks and sleeps are not the program's */
    uint32_t loop_time;       /* asyncio's clock; GT_NO_INDEX */
    uint32_t loop_handle;     /* what runs a callback of asyncio's, or a part of a coroutine */
    struct gave_up *gave_ups; /* by thread and time */
    size_t gave_up_count;
    struct gt_chunks looked; /* of struct gt_clock_loop: calls of the thread at hand */
    struct gt_chunks loops;  /* of struct gt_clock_loop, of all */
    struct gt_chunks sleeps; /* of struct gt_clock_sleep, of all */
    struct gt_hashmap loop_of;
    /* The thread at hand. */
    uint32_t thread;
    struct gt_call_walk walk;
    int64_t looked_ns; /* last; INT64_MIN: not since it slept */
};

/* --- functions --- */

#define IS_ONE_OF(name, names) gt_deps_is_one_of(name, names, sizeof(names) / sizeof(names[0]))

static enum role role_of(const char *name, const char *file, bool of_c)
{
    static const char *const clocks[] = {"time",          "time_ns",          "monotonic",
                                         "monotonic_ns",  "perf_counter",     "perf_counter_ns",
                                         "clock_gettime", "clock_gettime_ns", "clock"};
    static const char *const dates[] = {"datetime.now", "datetime.utcnow", "datetime.today"};
    static const char *const waits[] = {"Event.wait", "Condition.wait"};

    if (!of_c)
        return IS_ONE_OF(name, waits) ? WAITS : NOTHING;
    if (strcmp(file, "time") == 0 && strcmp(name, "sleep") == 0)
        return SLEEPS;
    if ((strcmp(file, "time") == 0 && IS_ONE_OF(name, clocks)) ||
        (strncmp(file, "datetime", 8) == 0 && IS_ONE_OF(name, dates)))
        return LOOKS;
    return NOTHING;
}

/* The standard library looks at clocks for timeouts and for logs, except sched. */
static bool is_library(const char *file)
{
    const char *slash = strrchr(file, '/');
    const char *lib = strstr(file, "/lib/python");

    if (strncmp(file, "<frozen", 7) == 0 || strstr(file, "/tqdm/"))
        return true;
    return (lib || strstr(file, "/lib64/python")) && !strstr(file, "/site-packages/") &&
           !strstr(file, "/dist-packages/") && !(slash && strcmp(slash, "/sched.py") == 0);
}

static void find_functions(struct clocks *clocks)
{
    const struct gt_timeline *timeline = clocks->timeline;

    clocks->loop_time = clocks->loop_handle = GT_NO_INDEX;
    for (uint32_t i = 0; i < timeline->functions.count; i++) {
        const struct gt_function_info *called = gt_function_info_of(timeline, i);
        const char *name = gt_intern_text(&timeline->names, called->name);
        const char *file = gt_intern_text(&timeline->names, called->file);
        bool of_c = called->flags & GT_FUNCTION_C;

        clocks->roles[i] = (uint8_t)role_of(name, file, of_c);
        clocks->is_library[i] = !of_c && is_library(file);
        if (!of_c && strcmp(name, "BaseEventLoop.time") == 0)
            clocks->loop_time = i;
        if (!of_c && strcmp(name, "Handle._run") == 0)
            clocks->loop_handle = i;
    }
}

static int compare_gave_ups(const void *a, const void *b)
{
    const struct gave_up *left = a, *right = b;

    if (left->thread != right->thread)
        return gt_order(left->thread, right->thread);
    return gt_order(left->time_ns, right->time_ns);
}

static int find_gave_ups(struct clocks *clocks)
{
    const struct gt_chunks *sync_ops = &clocks->timeline->sync_ops;

    clocks->gave_ups = calloc(sync_ops->count + 1, sizeof(*clocks->gave_ups));
    if (!clocks->gave_ups)
        return -1;
    for (size_t i = 0; i < sync_ops->count; i++) {
        const struct gt_sync_op *op = gt_deps_sync_op(clocks->deps, i);

        if (op->kind == GT_SYNC_SEM_GAVE_UP)
            clocks->gave_ups[clocks->gave_up_count++] =
                (struct gave_up){op->time_ns, op->thread};
    }
    qsort(clocks->gave_ups, clocks->gave_up_count, sizeof(*clocks->gave_ups), compare_gave_ups);
    return 0;
}

/* --- one thread's looks and sleeps --- */

static const struct gt_call_span *open_at(const struct clocks *clocks, uint32_t level)
{
    return gt_call_walk_span(&clocks->walk, clocks->walk.open[level - 1]);
}

/* The function that a look or a sleep belongs to, as a level; 0: none of the program's. A
 * function that does little more than look does not count, but its caller. */
static uint32_t who(const struct clocks *clocks)
{
    uint32_t level = gt_call_walk_python(&clocks->walk, clocks->walk.depth);
    const struct gt_call_span *span = level ? open_at(clocks, level) : NULL;
    bool asks_loop = span && span->function == clocks->loop_time;

    if (!span || (clocks->is_library[span->function] && !asks_loop))
        return 0;
    if (asks_loop || (span->end_ns - span->start_ns < WRAPPER_NS && level > 1)) {
        uint32_t outer = gt_call_walk_python(&clocks->walk, level - 1);

        if (outer && !clocks->is_library[open_at(clocks, outer)->function])
            return outer;
    }
    return asks_loop ? 0 : level;
}

/* All parts of a coroutine count as one call. Before CPython 3.12 each part looks like a call
 * by an event loop. */
static uint32_t key_of(const struct clocks *clocks, uint32_t level)
{
    const struct gt_call_span *span = open_at(clocks, level);

    if (span->flags & (GT_CALL_SPAN_RESUMED | GT_CALL_SPAN_YIELDED))
        return span->function | OF_COROUTINE;
    for (uint32_t outer = level - 1; outer > 0; outer--)
        if (open_at(clocks, outer)->function == clocks->loop_handle)
            return span->function | OF_COROUTINE;
    return clocks->walk.open[level - 1];
}

/* `child`: the call that looked, GT_NO_INDEX: the one of the key itself. */
static int note_look_of(struct clocks *clocks, uint32_t key, uint32_t child, uint32_t callee,
                        int64_t time_ns)
{
    uint64_t full_key = key | (uint64_t)(child != GT_NO_INDEX) << 32;
    uint32_t index = gt_hashmap_get(&clocks->loop_of, full_key);
    struct gt_clock_loop *loop;

    if (index == GT_HASHMAP_NONE) {
        index = (uint32_t)clocks->looked.count;
        loop = gt_chunks_push(&clocks->looked);
        if (!loop || gt_hashmap_put(&clocks->loop_of, full_key, index))
            return -1;
        *loop = (struct gt_clock_loop){.first_ns = time_ns,
                                       .last_ns = time_ns,
                                       .thread = clocks->thread,
                                       .call = child == GT_NO_INDEX ? key : GT_NO_INDEX,
                                       .callee = callee,
                                       .child = GT_NO_INDEX};
    }
    loop = gt_chunks_at(&clocks->looked, index);
    loop->twice = loop->twice || (child != GT_NO_INDEX && child == loop->child);
    loop->child = child;
    /* Bounded: one wait for the GIL would outweigh all else. */
    loop->between_ns[loop->looks % 2] =
        gt_add_ns(loop->between_ns[loop->looks % 2], MIN(time_ns - loop->last_ns, WORK_NS));
    loop->looks++;
    loop->works += time_ns - loop->last_ns >= WORK_NS;
    loop->last_ns = time_ns;
    return 0;
}

static int note_look(struct clocks *clocks, uint32_t level, int64_t time_ns)
{
    uint32_t outer = gt_call_walk_python(&clocks->walk, level - 1);

    clocks->looked_ns = time_ns;
    if (note_look_of(clocks, key_of(clocks, level), GT_NO_INDEX, GT_NO_INDEX, time_ns))
        return -1;
    if (outer == 0 || clocks->is_library[open_at(clocks, outer)->function])
        return 0;
    return note_look_of(clocks, key_of(clocks, outer), clocks->walk.open[level - 1],
                        open_at(clocks, level)->function, time_ns);
}

/* Did the call end because its time was up? */
static bool has_given_up(const struct clocks *clocks, const struct gt_call_span *span)
{
    size_t low = 0, high = clocks->gave_up_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct gave_up *one = &clocks->gave_ups[middle];

        if (one->thread < clocks->thread ||
            (one->thread == clocks->thread && one->time_ns < span->start_ns))
            low = middle + 1;
        else
            high = middle;
    }
    return low < clocks->gave_up_count && clocks->gave_ups[low].thread == clocks->thread &&
           clocks->gave_ups[low].time_ns <= span->end_ns;
}

static int note_sleep(struct clocks *clocks, uint32_t level, const struct gt_call_span *span)
{
    int64_t looked_ns = clocks->looked_ns;
    int64_t over_ns;
    struct gt_clock_sleep *sleep;

    clocks->looked_ns = INT64_MIN;
    if (looked_ns == INT64_MIN || span->start_ns - looked_ns > JUST_NS)
        return 0;
    over_ns = gt_call_over_ns(clocks->timeline, clocks->thread, span);
    sleep = gt_chunks_push(&clocks->sleeps);
    if (!sleep)
        return -1;
    *sleep = (struct gt_clock_sleep){
        .start_ns = span->start_ns,
        .end_ns = over_ns > span->start_ns ? over_ns : span->end_ns,
        .thread = clocks->thread,
        .process = gt_thread_at(clocks->timeline, clocks->thread)->process,
        .function = open_at(clocks, level)->function,
        .call = key_of(clocks, level),
        .timed_out = clocks->roles[span->function] == SLEEPS || has_given_up(clocks, span)};
    return 0;
}

static int walk_calls(struct clocks *clocks)
{
    uint32_t index;

    clocks->looked_ns = INT64_MIN;
    gt_call_walk_init(&clocks->walk, clocks->timeline,
                      gt_calls_of(clocks->timeline, clocks->thread));
    while ((index = gt_call_walk_next(&clocks->walk)) != GT_NO_INDEX) {
        const struct gt_call_span *span = gt_call_walk_span(&clocks->walk, index);
        enum role role = (enum role)clocks->roles[span->function];
        uint32_t level;

        if (role == NOTHING || (level = who(clocks)) == 0)
            continue;
        if (role == LOOKS ? note_look(clocks, level, span->start_ns)
                          : note_sleep(clocks, level, span))
            return -1;
    }
    return 0;
}

/* A coroutine's looks may be those of several coroutines, mixed. */
static bool is_measuring(const struct gt_clock_loop *loop)
{
    return loop->looks == 2 * loop->works &&
           (loop->call == GT_NO_INDEX || !(loop->call & OF_COROUTINE));
}

/* Does it look very often, with about as much time between any two looks? Then it looks once
 * for each piece of work, however small. A thread that measures its work looks before and after
 * each piece, with little time between one piece and the next. */
static bool looks_evenly(const struct gt_clock_loop *loop)
{
    enum { OFTEN = 100 };
    int64_t less_ns = loop->between_ns[0], more_ns = loop->between_ns[1];

    if (less_ns > more_ns) {
        less_ns = loop->between_ns[1];
        more_ns = loop->between_ns[0];
    }
    return loop->looks >= OFTEN && more_ns - less_ns <= more_ns / 3;
}

/* Keep those that may have worked until a time. */
static int keep_loops(struct clocks *clocks)
{
    const struct gt_timeline *timeline = clocks->timeline;
    int64_t least_ns = (timeline->end_ns - timeline->start_ns) / 100 * LOOP_PERCENT;

    for (size_t i = 0; i < clocks->looked.count; i++) {
        const struct gt_clock_loop *loop = gt_chunks_at(&clocks->looked, i);
        struct gt_clock_loop *kept;

        if (loop->looks < LEAST_LOOKS || (loop->works < 2 && !looks_evenly(loop)) ||
            loop->twice || is_measuring(loop) || loop->last_ns - loop->first_ns < least_ns)
            continue;
        kept = gt_chunks_push(&clocks->loops);
        if (!kept)
            return -1;
        *kept = *loop;
    }
    return 0;
}

static int find_loops(struct clocks *clocks, uint32_t thread)
{
    int rc;

    clocks->thread = thread;
    gt_hashmap_init(&clocks->loop_of);
    gt_chunks_truncate(&clocks->looked, 0);
    rc = walk_calls(clocks);
    if (rc == 0)
        rc = keep_loops(clocks);
    gt_hashmap_release(&clocks->loop_of);
    return rc;
}

/* --- dependencies --- */

static int add_loops(struct clocks *clocks)
{
    for (size_t i = 0; i < clocks->loops.count; i++) {
        const struct gt_clock_loop *loop = gt_chunks_at(&clocks->loops, i);
        uint32_t clock = clocks->deps->workload->clock_count;

        if (loop->explained)
            continue;
        clocks->deps->workload->clock_count++;
        if (gt_deps_add(clocks->deps, GT_STEP_MARK, loop->thread, loop->first_ns, 0, clock) ||
            gt_deps_add_until(clocks->deps, loop->thread, loop->last_ns, 0, clock,
                              loop->last_ns - loop->first_ns, true))
            return -1;
    }
    return 0;
}

/* --- all of it --- */

/* Were calls of clocks left out of the recording, so that it is not known which threads looked?
 * `looked`: the program did, while they were recorded. Where no call of a C function was
 * recorded, any thread may have looked. */
static bool misses_looks(const struct clocks *clocks, bool looked)
{
    bool any_c = false;

    for (uint32_t i = 0; i < clocks->timeline->functions.count; i++) {
        const struct gt_function_info *called = gt_function_info_of(clocks->timeline, i);

        any_c = any_c || (called->flags & GT_FUNCTION_C && called->calls);
        if (looked && clocks->roles[i] == LOOKS && called->untraced_calls)
            return true;
    }
    return !any_c;
}

int gt_deps_add_clocks(struct gt_deps *deps)
{
    size_t functions = deps->timeline->functions.count;
    struct clocks clocks = {.deps = deps,
                            .timeline = deps->timeline,
                            .roles = calloc(functions + 1, sizeof(*clocks.roles)),
                            .is_library = calloc(functions + 1, sizeof(*clocks.is_library))};
    int rc = clocks.roles && clocks.is_library ? find_gave_ups(&clocks) : -1;
    bool looked = false;

    gt_chunks_init(&clocks.looked, sizeof(struct gt_clock_loop));
    gt_chunks_init(&clocks.loops, sizeof(struct gt_clock_loop));
    gt_chunks_init(&clocks.sleeps, sizeof(struct gt_clock_sleep));
    if (rc == 0)
        find_functions(&clocks);
    for (uint32_t i = 0; rc == 0 && i < deps->timeline->calls.count; i++) {
        if (deps->replayed[i] == GT_WORKLOAD_NONE)
            continue;
        rc = find_loops(&clocks, i);
        looked = looked || clocks.looked.count;
    }
    if (rc == 0)
        rc = gt_deps_add_sleeps(deps, &clocks.sleeps, &clocks.loops);
    if (rc == 0)
        rc = add_loops(&clocks);
    deps->misses_clocks = rc == 0 && misses_looks(&clocks, looked);
    gt_chunks_release(&clocks.looked);
    gt_chunks_release(&clocks.sleeps);
    gt_chunks_release(&clocks.loops);
    free(clocks.gave_ups);
    free(clocks.roles);
    free(clocks.is_library);
    return rc;
}
