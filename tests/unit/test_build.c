/* SPDX-License-Identifier: MIT */
/* lib/whatif/build: small recordings in which the GIL was kept, and how long they would have
 * taken if it had been released. Each depends on one thing that threads wait for in another. */
#include "feed.h"

#include "whatif/build.h"
#include "base/nstime.h"
#include "whatif/simulator.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define MS ((int64_t)GT_NS_PER_MS)

static const uint64_t GIL = 0x7f0000001000, OBJECT = 0x7f0000002000, OTHER = 0x7f0000003000;

enum function { NATIVE, POLL, SEND, SPAWN, WAITPID, PYTHON, CLOCK, SLEEP, LIBRARY, WRAPPER };

/* What happens, at a time in ms. */
enum what {
    BORN, /* arg: by whom */
    DIES,
    ASKS,  /* for the GIL, and waits */
    TAKES, /* it */
    DROPS,
    CALLS, /* arg: function */
    RETURNS,
    MEETS, /* arg: kind of event; since: ms */
    USAGE, /* arg: ms on a CPU so far; since: times it left one */
};

struct moment {
    double ms;
    int tid;
    enum what what;
    int arg;
    double since;
    uint64_t object;
    int left;
};

static int64_t ns_of(double ms)
{
    return (int64_t)(ms * 1e6);
}

static struct gt_function function_of(int arg)
{
    static const struct gt_function functions[] = {
        [NATIVE] = {.id = NATIVE, .name = "native", .name_length = 6, .flags = GT_FUNCTION_C},
        [POLL] = {.id = POLL, .name = "epoll.poll", .name_length = 10, .flags = GT_FUNCTION_C},
        [SEND] = {.id = SEND, .name = "socket.send", .name_length = 11, .flags = GT_FUNCTION_C},
        [SPAWN] = {.id = SPAWN, .name = "fork_exec", .name_length = 9, .flags = GT_FUNCTION_C},
        [WAITPID] = {.id = WAITPID,
                     .name = "waitpid",
                     .name_length = 7,
                     .flags = GT_FUNCTION_C},
        [PYTHON] = {.id = PYTHON, .name = "work", .name_length = 4},
        [CLOCK] = {.id = CLOCK, .name = "time", .name_length = 4, .flags = GT_FUNCTION_C},
        [SLEEP] = {.id = SLEEP, .name = "sleep", .name_length = 5, .flags = GT_FUNCTION_C},
        [LIBRARY] = {.id = LIBRARY, .name = "wait", .name_length = 4},
        [WRAPPER] = {.id = WRAPPER, .name = "now", .name_length = 3},
    };
    struct gt_function function = functions[arg];

    function.file = arg == CLOCK || arg == SLEEP ? "time"
                    : arg == LIBRARY             ? "/usr/lib/python3.11/queue.py"
                                                 : "m";
    function.file_length = (uint32_t)strlen(function.file);
    return function;
}

static void feed_moment(struct gt_timeline *t, const struct moment *moment)
{
    struct gt_function function = function_of(
        moment->what == CALLS || moment->what == RETURNS ? moment->arg : (int)PYTHON);
    struct gt_event event = {
        .time_ns = ns_of(moment->ms),
        .pid = 10,
        .tid = moment->tid,
        .cpu = -1,
        .comm = "",
    };

    switch (moment->what) {
    case BORN:
        event.kind = GT_EVENT_FORK;
        event.creator.pid = event.creator.tid = moment->arg;
        break;
    case DIES:
        event.kind = GT_EVENT_EXIT;
        break;
    case ASKS:
        event.kind = GT_EVENT_COND_WAIT;
        event.cond.address = GIL;
        break;
    case TAKES:
        event.kind = GT_EVENT_COND_SIGNAL;
        event.cond.address = GIL + GIL_DISTANCE;
        break;
    case DROPS:
        event.kind = GT_EVENT_COND_SIGNAL;
        event.cond.address = GIL;
        break;
    case CALLS:
    case RETURNS:
        event.kind = moment->what == CALLS ? GT_EVENT_CALL : GT_EVENT_RETURN;
        event.call.function = &function;
        break;
    case MEETS:
        event.kind = (enum gt_event_kind)moment->arg;
        event.sync.object = moment->object;
        event.sync.since_ns = ns_of(moment->since);
        event.sync.left = (uint32_t)moment->left;
        event.sync.joined_tid = event.kind == GT_EVENT_JOIN ? (int32_t)moment->object : 0;
        break;
    case USAGE:
        event.kind = GT_EVENT_USAGE;
        event.usage.cpu_ns = (int64_t)moment->arg * GT_NS_PER_MS;
        event.usage.sleeps = (uint64_t)moment->since;
        break;
    }
    assert_int_equal(gt_timeline_feed(t, &event), 0);
}

/* The lengths in ms: unchanged, and with `native` releasing the GIL. */
struct lengths {
    int64_t unchanged, released, without_gil;
    int64_t by_clock, shared; /* released, if what is guessed is so */
    bool guesses_clocks, guesses_jobs;
    bool repeats_from_a_hold; /* the thread that goes on */
};

static int64_t length(const struct gt_build *build, struct gt_sim_rules rules)
{
    struct gt_sim_result result;

    assert_int_equal(gt_simulate(&build->workload, &rules, &result, NULL), 0);
    assert_false(result.stuck);
    return (result.end_ns + build->after_ns + MS / 2) / MS;
}

static bool repeats_from_a_hold(const struct gt_workload *workload)
{
    for (uint32_t i = 0; i < workload->threads.count; i++) {
        const struct gt_workload_thread *thread = gt_workload_thread_at(workload, i);
        const struct gt_step *step;

        if (thread->goes_on_until == GT_WORKLOAD_NONE)
            continue;
        step = gt_chunks_at(&thread->steps, thread->repeats);
        return step->kind == GT_STEP_RUN && step->what != GT_WORKLOAD_NONE;
    }
    return false;
}

static struct lengths play(const struct moment *moments, size_t count, double cores)
{
    struct gt_timeline *t = gt_timeline_new(false, NULL);
    struct gt_tag *tags;
    struct gt_blockers blockers;
    struct gt_build build;
    struct lengths lengths;

    assert_non_null(t);
    for (size_t i = 0; i < count; i++)
        feed_moment(t, &moments[i]);
    assert_int_equal(gt_timeline_finish(t, NULL), 0);
    assert_int_equal(t->gils.count, 1);
    assert_int_equal(gt_blockers_init(&blockers, t, 0, NULL), 0);
    tags = calloc(t->functions.count + 1, sizeof(*tags));
    for (size_t i = 0; i < t->functions.count; i++) {
        const struct gt_function_info *called = gt_chunks_at(&t->functions, i);

        tags[i].tag = strcmp(gt_intern_text(&t->names, called->name), "native") == 0;
    }
    assert_int_equal(gt_build_init(&build, t, &blockers, tags, NULL, cores, NULL), 0);
    lengths.unchanged = length(&build, (struct gt_sim_rules){.cores = cores});
    lengths.released = length(&build, (struct gt_sim_rules){.cores = cores, .released_tag = 1});
    lengths.without_gil = length(&build, (struct gt_sim_rules){.cores = cores, .no_gil = true});
    lengths.by_clock = length(
        &build, (struct gt_sim_rules){.cores = cores, .released_tag = 1, .by_clock = true});
    lengths.shared = length(
        &build,
        (struct gt_sim_rules){.cores = cores, .released_tag = 1, .jobs_are_shared = true});
    lengths.guesses_clocks = build.guesses_clocks;
    lengths.guesses_jobs = build.guesses_jobs;
    lengths.repeats_from_a_hold = repeats_from_a_hold(&build.workload);
    gt_build_release(&build);
    gt_blockers_release(&blockers);
    gt_timeline_free(t);
    free(tags);
    return lengths;
}

#define PLAY(cores, ...)                                                                       \
    play((const struct moment[]){__VA_ARGS__},                                                 \
         sizeof((const struct moment[]){__VA_ARGS__}) / sizeof(struct moment), cores)

/* `native`, from the taking of the GIL to its dropping. */
#define KEEPS(from, until, tid)                                                                \
    {from, tid, TAKES, 0, 0, 0, 0}, {from, tid, CALLS, NATIVE, 0, 0, 0},                       \
    {                                                                                          \
        until, tid, RETURNS, NATIVE, 0, 0, 0                                                   \
    }
#define DROP(at, tid)                                                                          \
    {                                                                                          \
        at, tid, DROPS, 0, 0, 0, 0                                                             \
    }
#define ASK(at, tid)                                                                           \
    {                                                                                          \
        at, tid, ASKS, 0, 0, 0, 0                                                              \
    }
#define BIRTH(at, tid)                                                                         \
    {                                                                                          \
        at, tid, BORN, 10, 0, 0, 0                                                             \
    }
#define DEATH(at, tid)                                                                         \
    {                                                                                          \
        at, tid, DIES, 0, 0, 0, 0                                                              \
    }
#define MEET(at, tid, kind, from, of)                                                          \
    {                                                                                          \
        at, tid, MEETS, GT_EVENT_##kind, from, of, 0                                           \
    }
/* The main thread waits for the end of another one: for its lock. */
#define JOINS(from, until, tid)                                                                \
    {until, 10, MEETS, GT_EVENT_SEM_TAKEN, from, OTHER + tid, 0},                              \
    {                                                                                          \
        until, 10, MEETS, GT_EVENT_JOIN, from, tid, 0                                          \
    }

/* cmocka's assert_in_range, which is called otherwise in cmocka 2. */
static void assert_between(int64_t value, int64_t least, int64_t greatest)
{
    if (value < least || value > greatest)
        fail_msg("%lld is not within %lld to %lld", (long long)value, (long long)least,
                 (long long)greatest);
}

/* Who looks at an event, or at a future, that was set while he had to wait for the GIL. */
static void an_event_that_nobody_waited_for(void **state)
{
    struct lengths lengths = PLAY(
        2, BIRTH(0, 10), {0.1, 10, TAKES, 0, 0, 0, 0}, BIRTH(0.5, 11), ASK(0.6, 11),
        {1, 10, CALLS, NATIVE, 0, 0, 0}, {41, 10, RETURNS, NATIVE, 0, 0, 0},
        MEET(41, 10, SYNC_EVENT_SET, 41, OBJECT), DROP(41.1, 10), {41.1, 11, TAKES, 0, 0, 0, 0},
        MEET(41.2, 11, SYNC_EVENT_SEEN, 41.1, OBJECT), {41.2, 11, CALLS, NATIVE, 0, 0, 0},
        {81, 11, RETURNS, NATIVE, 0, 0, 0}, DROP(81, 11), DEATH(81, 11), JOINS(41.2, 81, 11),
        {81.1, 10, TAKES, 0, 0, 0, 0}, DROP(81.9, 10), DEATH(82, 10));

    (void)state;
    assert_between(lengths.unchanged, 81, 83);
    assert_between(lengths.released, 81, 83);
    assert_between(lengths.without_gil, 81, 83);
}

/* The same without the event: nothing keeps the two apart but the GIL. */
static void nothing_but_the_gil(void **state)
{
    struct lengths lengths =
        PLAY(2, BIRTH(0, 10), {0.1, 10, TAKES, 0, 0, 0, 0}, BIRTH(0.5, 11), ASK(0.6, 11),
             {1, 10, CALLS, NATIVE, 0, 0, 0}, {41, 10, RETURNS, NATIVE, 0, 0, 0},
             DROP(41.1, 10), KEEPS(41.1, 81, 11), DROP(81, 11), DEATH(81, 11),
             JOINS(41.2, 81, 11), {81.1, 10, TAKES, 0, 0, 0, 0}, DROP(81.9, 10), DEATH(82, 10));

    (void)state;
    assert_between(lengths.unchanged, 81, 83);
    assert_between(lengths.released, 41, 43);
}

/* Each gives the lock that it took: whoever comes first has it first, but one at a time. */
static void a_lock_stays_one(void **state)
{
    struct lengths lengths = PLAY(
        2, BIRTH(0, 10), {0.1, 10, TAKES, 0, 0, 0, 0}, BIRTH(0.5, 11), ASK(0.6, 11),
        {1, 10, CALLS, NATIVE, 0, 0, 0}, {41, 10, RETURNS, NATIVE, 0, 0, 0},
        MEET(41, 10, SEM_POST, 1, OBJECT), DROP(41.1, 10), KEEPS(41.1, 81, 11),
        MEET(81, 11, SEM_POST, 41.1, OBJECT), DROP(81.1, 11), DEATH(81.1, 11),
        JOINS(41.2, 81.1, 11), {81.2, 10, TAKES, 0, 0, 0, 0}, DROP(81.9, 10), DEATH(82, 10));

    (void)state;
    assert_between(lengths.unchanged, 81, 83);
    assert_between(lengths.released, 81, 83);
}

/* Three want a permit each, one after another because of the GIL. */
static struct lengths play_semaphore(int permits)
{
    return PLAY(
        4, BIRTH(0, 10), {0.1, 10, TAKES, 0, 0, 0, 0}, BIRTH(0.3, 11), ASK(0.4, 11),
        BIRTH(0.5, 12), ASK(0.6, 12), {1, 10, MEETS, GT_EVENT_PERMIT_TAKEN, 1, OBJECT, permits},
        {1, 10, CALLS, NATIVE, 0, 0, 0}, {41, 10, RETURNS, NATIVE, 0, 0, 0},
        MEET(41, 10, PERMIT_GIVEN, 41, OBJECT), DROP(41.1, 10), {41.1, 11, TAKES, 0, 0, 0, 0},
        {41.2, 11, MEETS, GT_EVENT_PERMIT_TAKEN, 41.1, OBJECT, permits},
        {41.2, 11, CALLS, NATIVE, 0, 0, 0}, {81, 11, RETURNS, NATIVE, 0, 0, 0},
        MEET(81, 11, PERMIT_GIVEN, 81, OBJECT), DROP(81.1, 11), DEATH(81.1, 11),
        {81.1, 12, TAKES, 0, 0, 0, 0},
        {81.2, 12, MEETS, GT_EVENT_PERMIT_TAKEN, 81.1, OBJECT, permits},
        {81.2, 12, CALLS, NATIVE, 0, 0, 0}, {121, 12, RETURNS, NATIVE, 0, 0, 0},
        MEET(121, 12, PERMIT_GIVEN, 121, OBJECT), DROP(121.1, 12), DEATH(121.1, 12),
        JOINS(41.2, 121.1, 12), {121.2, 10, TAKES, 0, 0, 0, 0}, DROP(121.9, 10),
        DEATH(122, 10));
}

static void a_semaphore_lets_in_as_many_as_it_has_permits(void **state)
{
    (void)state;
    assert_between(play_semaphore(1).released, 121, 123);
    assert_between(play_semaphore(2).released, 81, 83);
    assert_between(play_semaphore(3).released, 41, 43);
    assert_between(play_semaphore(2).unchanged, 121, 123);
}

/* All items were in it before the first one was taken out. */
static void a_queue_is_filled_bit_by_bit(void **state)
{
    struct lengths lengths = PLAY(
        2, BIRTH(0, 10), {0.1, 10, TAKES, 0, 0, 0, 0}, BIRTH(0.5, 11), ASK(0.6, 11),
        {1, 10, CALLS, NATIVE, 0, 0, 0}, {31, 10, RETURNS, NATIVE, 0, 0, 0},
        MEET(31, 10, QUEUE_PUT, 31, OBJECT), {31.1, 10, CALLS, NATIVE, 0, 0, 0},
        {61, 10, RETURNS, NATIVE, 0, 0, 0}, MEET(61, 10, QUEUE_PUT, 61, OBJECT), DROP(61.1, 10),
        {61.1, 11, TAKES, 0, 0, 0, 0}, MEET(61.2, 11, QUEUE_GET, 61.1, OBJECT),
        {61.2, 11, CALLS, NATIVE, 0, 0, 0}, {91, 11, RETURNS, NATIVE, 0, 0, 0},
        MEET(91.1, 11, QUEUE_GET, 91, OBJECT), {91.1, 11, CALLS, NATIVE, 0, 0, 0},
        {121, 11, RETURNS, NATIVE, 0, 0, 0}, DROP(121, 11), DEATH(121, 11),
        JOINS(61.2, 121, 11), {121.1, 10, TAKES, 0, 0, 0, 0}, DROP(121.9, 10), DEATH(122, 10));

    (void)state;
    assert_between(lengths.unchanged, 121, 123);
    assert_between(lengths.released, 91, 93);
}

/* 11 sleeps in a selector until 10 writes, which 12 delays. */
static void who_waits_for_a_pipe_waits_for_who_writes(void **state)
{
    struct lengths lengths = PLAY(
        4, BIRTH(0, 10), {0.1, 10, TAKES, 0, 0, 0, 0}, BIRTH(0.2, 12), BIRTH(0.3, 11),
        DROP(0.4, 10), {0.4, 11, TAKES, 0, 0, 0, 0}, {0.5, 11, CALLS, POLL, 0, 0, 0},
        DROP(0.5, 11), {0.6, 12, TAKES, 0, 0, 0, 0}, ASK(0.7, 10),
        {1, 12, CALLS, NATIVE, 0, 0, 0}, {41, 12, RETURNS, NATIVE, 0, 0, 0}, DROP(41, 12),
        DEATH(41, 12), KEEPS(41, 81, 10), {81, 10, CALLS, SEND, 0, 0, 0}, DROP(81, 10),
        {81.1, 11, TAKES, 0, 0, 0, 0}, {81.1, 11, RETURNS, POLL, 0, 0, 0},
        {81.2, 11, CALLS, NATIVE, 0, 0, 0}, ASK(81.3, 10), {121, 11, RETURNS, NATIVE, 0, 0, 0},
        DROP(121, 11), DEATH(121, 11), {121, 10, TAKES, 0, 0, 0, 0},
        {121.1, 10, RETURNS, SEND, 0, 0, 0}, DROP(121.9, 10), DEATH(122, 10));

    (void)state;
    assert_between(lengths.unchanged, 121, 123);
    assert_between(lengths.released, 81, 83);
}

/* 11 starts a process, which lives for 60 ms; for 40 of them 11 waits for the GIL. */
static void a_process_lives_on_while_its_parent_waits_for_the_gil(void **state)
{
    struct lengths lengths =
        PLAY(2, BIRTH(0, 10), {0.1, 10, TAKES, 0, 0, 0, 0}, BIRTH(0.2, 11), DROP(0.3, 10),
             {0.4, 11, TAKES, 0, 0, 0, 0}, {0.5, 11, CALLS, SPAWN, 0, 0, 0}, ASK(0.6, 10),
             {0.9, 11, RETURNS, SPAWN, 0, 0, 0}, DROP(0.9, 11), {0.9, 10, TAKES, 0, 0, 0, 0},
             ASK(0.95, 11), {1, 10, CALLS, NATIVE, 0, 0, 0}, {41, 10, RETURNS, NATIVE, 0, 0, 0},
             DROP(41, 10), {41.1, 11, TAKES, 0, 0, 0, 0}, {41.2, 11, CALLS, WAITPID, 0, 0, 0},
             DROP(41.2, 11), {60.5, 11, TAKES, 0, 0, 0, 0},
             {60.6, 11, RETURNS, WAITPID, 0, 0, 0}, DROP(60.8, 11), DEATH(60.8, 11),
             JOINS(41.3, 60.8, 11), {61, 10, TAKES, 0, 0, 0, 0}, DROP(61.9, 10), DEATH(62, 10));

    (void)state;
    assert_between(lengths.unchanged, 61, 63);
    assert_between(lengths.released, 61, 63);
}

/* 60 ms without the GIL in each of two threads: on a CPU, or not. */
static struct lengths play_free(int on_cpu_ms, int sleeps, double cores)
{
    return PLAY(cores, BIRTH(0, 10), {0.1, 10, TAKES, 0, 0, 0, 0}, {0.1, 10, USAGE, 0, 0, 0, 0},
                BIRTH(0.2, 11), DROP(0.3, 10), {0.3, 10, USAGE, 0, 0, 0, 0},
                {0.4, 11, TAKES, 0, 0, 0, 0}, {0.4, 11, USAGE, 0, 0, 0, 0}, DROP(0.5, 11),
                {0.5, 11, USAGE, 0, 0, 0, 0}, {60.3, 10, TAKES, 0, 0, 0, 0},
                {60.3, 10, USAGE, on_cpu_ms, sleeps, 0, 0}, DROP(60.4, 10),
                {60.5, 11, TAKES, 0, 0, 0, 0}, {60.5, 11, USAGE, on_cpu_ms, sleeps, 0, 0},
                DROP(60.6, 11), {60.6, 11, USAGE, on_cpu_ms, sleeps, 0, 0}, DEATH(60.6, 11),
                {61, 10, TAKES, 0, 0, 0, 0}, DROP(61.9, 10),
                {61.9, 10, USAGE, on_cpu_ms, sleeps, 0, 0}, DEATH(62, 10));
}

static void computing_needs_a_cpu_and_sleeping_does_not(void **state)
{
    (void)state;
    assert_between(play_free(60, 0, 2).unchanged, 61, 63);
    assert_between(play_free(60, 0, 1).unchanged, 119, 123);
    assert_between(play_free(0, 1, 1).unchanged, 61, 63);
}

/* 11 computes in Python as long as the interpreter lives: main must take turns with it, however
 * long it lives. */
static void who_never_ends_goes_on(void **state)
{
    struct lengths lengths = PLAY(
        2, BIRTH(0, 10), {0.1, 10, TAKES, 0, 0, 0, 0}, BIRTH(0.5, 11), ASK(0.6, 11),
        {1, 10, CALLS, NATIVE, 0, 0, 0}, {41, 10, RETURNS, NATIVE, 0, 0, 0}, DROP(41.1, 10),
        {41.1, 11, TAKES, 0, 0, 0, 0}, {41.1, 11, CALLS, PYTHON, 0, 0, 0}, ASK(41.2, 10),
        DROP(46.2, 11), ASK(46.3, 11), KEEPS(46.3, 86.3, 10), DROP(86.4, 10),
        {86.4, 11, TAKES, 0, 0, 0, 0}, ASK(86.5, 10), DROP(91.5, 11), ASK(91.6, 11),
        KEEPS(91.6, 131.6, 10), DROP(131.7, 10), {131.7, 11, TAKES, 0, 0, 0, 0}, ASK(131.8, 10),
        DROP(136.8, 11), {136.8, 10, TAKES, 0, 0, 0, 0}, ASK(136.9, 11), DEATH(137, 11),
        {137.1, 10, CALLS, PYTHON, 0, 0, 0}, {137.5, 10, RETURNS, PYTHON, 0, 0, 0},
        DROP(137.9, 10), DEATH(138, 10));

    (void)state;
    assert_between(lengths.unchanged, 136, 139);
    /* Three times 40, and as often an interval until it has the GIL again. */
    assert_between(lengths.released, 136, 139);
    assert_between(lengths.without_gil, 121, 125);
}

/* The same, but 11 first computes 20 ms without the GIL: that is not what it goes on with. */
static void what_comes_before_the_first_hold_is_not_repeated(void **state)
{
    struct lengths lengths = PLAY(
        2, BIRTH(0, 10), {0.1, 10, TAKES, 0, 0, 0, 0}, BIRTH(0.5, 11),
        {0.6, 11, USAGE, 0, 0, 0, 0}, {1, 10, CALLS, NATIVE, 0, 0, 0},
        {20.6, 11, USAGE, 20, 0, 0, 0}, ASK(20.6, 11), {41, 10, RETURNS, NATIVE, 0, 0, 0},
        DROP(41.1, 10), {41.1, 11, TAKES, 0, 0, 0, 0}, {41.1, 11, CALLS, PYTHON, 0, 0, 0},
        ASK(41.2, 10), DROP(46.2, 11), ASK(46.3, 11), KEEPS(46.3, 86.3, 10), DROP(86.4, 10),
        {86.4, 11, TAKES, 0, 0, 0, 0}, ASK(86.5, 10), DROP(91.5, 11), ASK(91.6, 11),
        KEEPS(91.6, 131.6, 10), DROP(131.7, 10), {131.7, 11, TAKES, 0, 0, 0, 0}, ASK(131.8, 10),
        DROP(136.8, 11), {136.8, 10, TAKES, 0, 0, 0, 0}, ASK(136.9, 11), DEATH(137, 11),
        {137.1, 10, CALLS, PYTHON, 0, 0, 0}, {137.5, 10, RETURNS, PYTHON, 0, 0, 0},
        DROP(137.9, 10), DEATH(138, 10));

    (void)state;
    assert_true(lengths.repeats_from_a_hold);
}

/* --- written by a program --- */

struct script {
    struct moment moments[512];
    size_t count;
    double now;
};

static void put(struct script *script, int tid, enum what what, int arg)
{
    assert_true(script->count < 512);
    script->moments[script->count++] =
        (struct moment){.ms = script->now, .tid = tid, .what = what, .arg = arg};
    script->now += 0.01;
}

static void call(struct script *script, int tid, enum function function, double ms)
{
    put(script, tid, CALLS, (int)function);
    script->now += ms;
    put(script, tid, RETURNS, (int)function);
}

/* 11 and 12 are born, and wait for the GIL, which main drops for good. */
static void begin_script(struct script *script)
{
    *script = (struct script){.now = 0};
    put(script, 10, BORN, 10);
    put(script, 10, TAKES, 0);
    for (int tid = 11; tid <= 12; tid++) {
        put(script, tid, BORN, 10);
        put(script, tid, ASKS, 0);
    }
    put(script, 10, DROPS, 0);
}

/* Main, which joined them, ends. */
static struct lengths end_script(struct script *script)
{
    for (int tid = 11; tid <= 12; tid++)
        script->moments[script->count++] =
            (struct moment){script->now, 10, MEETS, GT_EVENT_JOIN, 0.5, (uint64_t)tid, 0};
    put(script, 10, TAKES, 0);
    put(script, 10, DROPS, 0);
    put(script, 10, DIES, 0);
    return play(script->moments, script->count, 4);
}

static void look(struct script *script, int tid, bool wrapped)
{
    if (wrapped)
        put(script, tid, CALLS, WRAPPER);
    call(script, tid, CLOCK, 0);
    if (wrapped)
        put(script, tid, RETURNS, WRAPPER);
}

/* In turn, each does `native` for 20 ms, and looks at the clock before, and at the end: in
 * `around`, or in a function of the program's that does little more. */
static struct lengths play_looks(int looks, enum function around, bool wrapped)
{
    struct script script;

    begin_script(&script);
    for (int i = 0; i < 12; i++) {
        int tid = 11 + i % 2;

        put(&script, tid, TAKES, 0);
        if (i < 2)
            put(&script, tid, CALLS, (int)around);
        for (int at = 0; at < looks; at++)
            look(&script, tid, wrapped);
        call(&script, tid, NATIVE, 20);
        if (i >= 10) {
            look(&script, tid, wrapped);
            put(&script, tid, RETURNS, (int)around);
        }
        put(&script, tid, DROPS, 0);
        put(&script, tid, i >= 10 ? DIES : ASKS, 0);
    }
    return end_script(&script);
}

static void work_until_a_time_is_perhaps_as_long(void **state)
{
    struct lengths lengths = play_looks(1, PYTHON, false);

    (void)state;
    assert_between(lengths.unchanged, 240, 243);
    assert_between(lengths.released, 120, 124);
    assert_true(lengths.guesses_clocks);
    assert_between(lengths.by_clock, 218, 243);
    assert_false(play_looks(0, PYTHON, false).guesses_clocks);
}

/* It is the program's function around that works until a time; the library has its own reasons
 * to look. */
static void who_looks_by_a_small_function_is_its_caller(void **state)
{
    (void)state;
    assert_true(play_looks(1, PYTHON, true).guesses_clocks);
    assert_false(play_looks(1, LIBRARY, true).guesses_clocks);
    assert_false(play_looks(1, LIBRARY, false).guesses_clocks);
}

/* 12 sleeps until each 60 ms, and finds the GIL taken by 11 just before; or always as long. */
static struct lengths play_sleeps(bool on_grid)
{
    static const double kept[] = {20, 35, 12, 30, 25, 8, 33, 15};
    struct script script;
    double grid;

    begin_script(&script);
    put(&script, 11, TAKES, 0);
    put(&script, 11, CALLS, SLEEP);
    put(&script, 11, DROPS, 0);
    put(&script, 12, TAKES, 0);
    put(&script, 12, CALLS, PYTHON);
    grid = script.now;
    for (int i = 0; i < 8; i++) {
        call(&script, 12, CLOCK, 0);
        put(&script, 12, CALLS, SLEEP);
        put(&script, 12, DROPS, 0);
        script.now = (on_grid ? grid + 60 * (i + 1) : script.now + 20) - 2;
        put(&script, 11, TAKES, 0);
        put(&script, 11, RETURNS, SLEEP);
        script.moments[script.count++] =
            (struct moment){.ms = script.now, .tid = 11, .what = CALLS, .arg = NATIVE};
        script.now += 2;
        put(&script, 12, ASKS, 0);
        script.now += kept[i];
        put(&script, 11, RETURNS, NATIVE);
        if (i < 7)
            put(&script, 11, CALLS, SLEEP);
        put(&script, 11, DROPS, 0);
        if (i == 7)
            put(&script, 11, DIES, 0);
        put(&script, 12, TAKES, 0);
        put(&script, 12, RETURNS, SLEEP);
        call(&script, 12, NATIVE, 10);
    }
    put(&script, 12, DROPS, 0);
    put(&script, 12, DIES, 0);
    return end_script(&script);
}

static void sleeps_that_end_on_a_grid_still_do(void **state)
{
    struct lengths lengths = play_sleeps(true);

    (void)state;
    assert_between(lengths.unchanged, 503, 508); /* 480, what 11 keeps then, and 10 */
    assert_between(lengths.released, 489, 499);
    assert_false(lengths.guesses_clocks);
    lengths = play_sleeps(false);
    assert_between(lengths.released, 399, 416); /* what 11 does */
    assert_true(lengths.guesses_clocks);        /* it looked all the time */
}

static void leave(struct script *script, int tid)
{
    put(script, tid, TAKES, 0);
    put(script, tid, RETURNS, PYTHON);
    put(script, tid, DROPS, 0);
    put(script, tid, DIES, 0);
}

/* Jobs of these lengths, done by these threads in that order. 12 leaves after so many. */
static struct lengths play_jobs(const int *tids, const double *ms, size_t count, size_t leaves)
{
    bool began[2] = {false, false};
    struct script script;

    begin_script(&script);
    for (size_t i = 0; i < count; i++) {
        if (i == leaves)
            leave(&script, 12);
        put(&script, tids[i], TAKES, 0);
        if (!began[tids[i] - 11])
            put(&script, tids[i], CALLS, PYTHON);
        began[tids[i] - 11] = true;
        call(&script, tids[i], NATIVE, ms[i]);
        put(&script, tids[i], DROPS, 0);
        put(&script, tids[i], ASKS, 0);
    }
    leave(&script, 11);
    if (leaves >= count)
        leave(&script, 12);
    return end_script(&script);
}

static void jobs_go_to_who_is_free(void **state)
{
    static const int unequally[] = {11, 12, 12, 11, 12, 12, 11, 12, 12};
    static const double unequal[] = {40, 10, 10, 40, 10, 10, 40, 10, 10};
    static const int equally[] = {11, 12, 11, 12, 11, 12, 11, 12};
    static const double two_kinds[] = {40, 10, 40, 10, 40, 10, 40, 10};
    struct lengths lengths = play_jobs(unequally, unequal, 9, 9);

    (void)state;
    assert_between(lengths.unchanged, 179, 183);
    assert_false(lengths.guesses_jobs); /* 12 had twice as many, and left no earlier */
    assert_between(lengths.released, 99, 103);
    lengths = play_jobs(equally, two_kinds, 8, 8);
    assert_true(lengths.guesses_jobs); /* as many: they may have been each one's own */
    assert_between(lengths.released, 159, 163);
    assert_between(lengths.shared, 99, 123);
}

/* 11 did `fewer` jobs, 12 did `more`. */
static bool guesses_jobs_of(size_t fewer, size_t more)
{
    int tids[64];
    double ms[64];
    size_t count = fewer + more;

    assert_true(count <= 64);
    for (size_t i = 0; i < count; i++) {
        tids[i] = i % 2 == 0 && i / 2 < fewer ? 11 : 12;
        ms[i] = 10;
    }
    return play_jobs(tids, ms, count, count).guesses_jobs;
}

static void they_went_to_who_was_free_if_one_did_two_and_an_eighth_more(void **state)
{
    (void)state;
    assert_false(guesses_jobs_of(2, 4));
    assert_true(guesses_jobs_of(3, 4));
    assert_false(guesses_jobs_of(16, 18));
    assert_true(guesses_jobs_of(17, 19));
}

/* 12 left while 11 had more to do. */
static void jobs_of_their_own_stay_so(void **state)
{
    static const int tids[] = {11, 12, 11, 12, 11, 12, 11, 11, 11};
    static const double ms[] = {20, 20, 20, 20, 20, 20, 20, 20, 20};
    struct lengths lengths = play_jobs(tids, ms, 9, 6);

    (void)state;
    assert_false(lengths.guesses_jobs);
    assert_between(lengths.released, 119, 123);
}

/* 11 fills a queue that holds one item, and has more to do then; 12 empties it. */
static struct lengths play_full(int left)
{
    struct script script;

    begin_script(&script);
    for (int i = 0; i < 6; i++) {
        put(&script, 11, TAKES, 0);
        call(&script, 11, NATIVE, 10);
        script.moments[script.count++] = (struct moment){
            script.now, 11, MEETS, GT_EVENT_QUEUE_PUT, script.now, OBJECT, left};
        put(&script, 11, DROPS, 0);
        put(&script, 11, ASKS, 0);
        put(&script, 12, TAKES, 0);
        script.moments[script.count++] =
            (struct moment){script.now, 12, MEETS, GT_EVENT_QUEUE_GET, script.now, OBJECT, 0};
        call(&script, 12, NATIVE, 30);
        put(&script, 12, DROPS, 0);
        put(&script, 12, i < 5 ? ASKS : DIES, 0);
    }
    put(&script, 11, TAKES, 0);
    call(&script, 11, NATIVE, 100);
    put(&script, 11, DROPS, 0);
    put(&script, 11, DIES, 0);
    return end_script(&script);
}

static void a_full_queue_makes_who_fills_it_wait(void **state)
{
    (void)state;
    assert_between(play_full(0).released, 188, 193); /* 10 + 6 × 30 */
    assert_between(play_full(2).released, 228, 234); /* five are taken by 130: 130 + 100 */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_event_that_nobody_waited_for),
        cmocka_unit_test(nothing_but_the_gil),
        cmocka_unit_test(a_lock_stays_one),
        cmocka_unit_test(a_semaphore_lets_in_as_many_as_it_has_permits),
        cmocka_unit_test(a_queue_is_filled_bit_by_bit),
        cmocka_unit_test(who_waits_for_a_pipe_waits_for_who_writes),
        cmocka_unit_test(a_process_lives_on_while_its_parent_waits_for_the_gil),
        cmocka_unit_test(computing_needs_a_cpu_and_sleeping_does_not),
        cmocka_unit_test(who_never_ends_goes_on),
        cmocka_unit_test(what_comes_before_the_first_hold_is_not_repeated),
        cmocka_unit_test(work_until_a_time_is_perhaps_as_long),
        cmocka_unit_test(who_looks_by_a_small_function_is_its_caller),
        cmocka_unit_test(sleeps_that_end_on_a_grid_still_do),
        cmocka_unit_test(jobs_go_to_who_is_free),
        cmocka_unit_test(they_went_to_who_was_free_if_one_did_two_and_an_eighth_more),
        cmocka_unit_test(jobs_of_their_own_stay_so),
        cmocka_unit_test(a_full_queue_makes_who_fills_it_wait),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
