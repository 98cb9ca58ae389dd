/* SPDX-License-Identifier: MIT */
#include "whatif/dep_io.h"

#include "analysis/cpu.h"
#include "base/nstime.h"
#include "base/order.h"
#include "whatif/call_end.h"

#include <stdlib.h>
#include <string.h>

/*
 * Pipes, sockets and selectors. That a call of one thread which waits for a file descriptor
 * ended because of what another one wrote is not recorded, but shows: the wait ended just after
 * that one's call began. asyncio's loop is woken so by its executor's threads.
 *
 * What nobody in the recording wrote came from the world outside, as a reply: that takes as
 * long as it took since the thread itself wrote, or started a process, and goes on while the
 * thread waits for the GIL before it waits for the reply.
 */

enum { LATE_NS = 2000000 }; /* from the call that writes until who waited for it is awake */

struct writing {
    int64_t time_ns;
    uint32_t thread;
};

struct reading {
    const struct gt_call_span *span;
    int64_t over_ns;  /* but for the GIL */
    int64_t asked_ns; /* the thread's own call before it that may have asked for what it waits
                         for; 0: there is none */
    uint32_t thread;
};

struct pipes {
    struct gt_deps *deps;
    /* By function: 'r' waits, 's', too, with a limit, 'p' for a process; 'w' writes, 'f' starts
     * a process; 0. */
    char *roles;
    bool reads;
    struct gt_chunks writings; /* of struct writing */
    struct gt_chunks readings; /* of struct reading */
    struct writing *sorted;
};

static char role_of(const char *name)
{
    static const char *const selects[] = {"epoll.poll", "poll.poll", "select"};
    static const char *const reads[] = {"read",
                                        "readv",
                                        "eventfd_read",
                                        "socket.recv",
                                        "socket.recv_into",
                                        "socket.recvfrom",
                                        "socket._accept",
                                        "socket.recvmsg"};
    static const char *const writes[] = {"write",          "writev",         "eventfd_write",
                                         "socket.send",    "socket.sendall", "socket.sendto",
                                         "socket.sendmsg", "socket.connect"};

    for (size_t i = 0; i < sizeof(selects) / sizeof(selects[0]); i++)
        if (strcmp(name, selects[i]) == 0)
            return 's';
    for (size_t i = 0; i < sizeof(reads) / sizeof(reads[0]); i++)
        if (strcmp(name, reads[i]) == 0)
            return 'r';
    for (size_t i = 0; i < sizeof(writes) / sizeof(writes[0]); i++)
        if (strcmp(name, writes[i]) == 0)
            return 'w';
    if (strcmp(name, "fork_exec") == 0)
        return 'f';
    return strcmp(name, "waitpid") == 0 || strcmp(name, "wait4") == 0 ? 'p' : 0;
}

static bool waits(char role)
{
    return role == 'r' || role == 's' || role == 'p';
}

static void find_roles(struct pipes *pipes)
{
    const struct gt_timeline *timeline = pipes->deps->timeline;

    for (size_t i = 0; i < timeline->functions.count; i++) {
        const struct gt_function_info *called = gt_chunks_at(&timeline->functions, i);

        if (!(called->flags & GT_FUNCTION_C))
            continue;
        pipes->roles[i] = role_of(gt_intern_text(&timeline->names, called->name));
        pipes->reads = pipes->reads || waits(pipes->roles[i]);
    }
}

static int add_writing(struct pipes *pipes, uint32_t thread, const struct gt_call_span *span)
{
    struct writing *writing = gt_chunks_push(&pipes->writings);

    if (!writing)
        return -1;
    *writing = (struct writing){span->start_ns, thread};
    return 0;
}

static int add_reading(struct pipes *pipes, uint32_t thread, const struct gt_call_span *span,
                       int64_t asked_ns)
{
    struct reading *reading = gt_chunks_push(&pipes->readings);

    if (!reading)
        return -1;
    *reading = (struct reading){.span = span, .asked_ns = asked_ns, .thread = thread};
    return 0;
}

static int compare_times(const void *a, const void *b)
{
    const struct writing *left = a, *right = b;

    return gt_order(left->time_ns, right->time_ns);
}

/* Calls that write, and calls that waited, of one thread. */
static int find_calls_of(struct pipes *pipes, uint32_t thread, const struct gt_calls *calls)
{
    int64_t wrote_ns = 0, started_ns = 0;

    for (size_t i = 0; i < calls->spans.count; i++) {
        const struct gt_call_span *span = gt_chunks_at(&calls->spans, i);
        char role = pipes->roles[span->function];
        int64_t *asked_ns = role == 'p' || role == 'f' ? &started_ns : &wrote_ns;

        if (!role)
            continue;
        if (role == 'w' && add_writing(pipes, thread, span))
            return -1;
        if (waits(role) && span->end_ns - span->start_ns >= GT_CPU_SHORT_NS &&
            add_reading(pipes, thread, span, *asked_ns))
            return -1;
        *asked_ns = waits(role) ? 0 : span->start_ns;
    }
    return 0;
}

static int find_calls(struct pipes *pipes)
{
    const struct gt_timeline *timeline = pipes->deps->timeline;

    for (uint32_t thread = 0; thread < timeline->calls.count; thread++)
        if (pipes->deps->replayed[thread] != GT_WORKLOAD_NONE &&
            find_calls_of(pipes, thread, gt_calls_of(timeline, thread)))
            return -1;
    return 0;
}

static int sort_writings(struct pipes *pipes)
{
    pipes->sorted = calloc(pipes->writings.count + 1, sizeof(*pipes->sorted));
    if (!pipes->sorted)
        return -1;
    for (size_t i = 0; i < pipes->writings.count; i++)
        pipes->sorted[i] = *(const struct writing *)gt_chunks_at(&pipes->writings, i);
    qsort(pipes->sorted, pipes->writings.count, sizeof(*pipes->sorted), compare_times);
    return 0;
}

/* The last one of another thread in (after, until]. */
static const struct writing *last_writing(const struct pipes *pipes, uint32_t thread,
                                          int64_t after_ns, int64_t until_ns)
{
    size_t low = 0, high = pipes->writings.count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (pipes->sorted[middle].time_ns > until_ns)
            high = middle;
        else
            low = middle + 1;
    }
    while (low-- > 0 && pipes->sorted[low].time_ns > after_ns)
        if (pipes->sorted[low].thread != thread)
            return &pipes->sorted[low];
    return NULL;
}

/* Was it asleep for long, rather than only without a CPU? */
static bool slept(struct gt_cpu *cpu, int64_t from_ns, int64_t until_ns)
{
    struct gt_cpu_share share;

    if (until_ns - from_ns < GT_NS_PER_MS)
        return false;
    gt_cpu_between(cpu, from_ns, until_ns, &share);
    return !share.known || share.sleep_ns >= GT_NS_PER_MS;
}

/* The call that ended the wait of the other; NULL: none that is recorded. */
static const struct writing *writing_of(const struct pipes *pipes,
                                        const struct reading *reading)
{
    int64_t after_ns = reading->over_ns - LATE_NS;

    if (reading->over_ns - reading->span->start_ns < GT_CPU_SHORT_NS)
        return NULL;
    if (after_ns < reading->span->start_ns)
        after_ns = reading->span->start_ns;
    return last_writing(pipes, reading->thread, after_ns, reading->over_ns);
}

/* Those of one thread follow one another. */
static void find_others(struct pipes *pipes)
{
    struct gt_deps *deps = pipes->deps;
    uint32_t thread = GT_NO_INDEX;
    struct gt_cpu cpu;

    for (size_t i = 0; i < pipes->readings.count; i++) {
        struct reading *reading = gt_chunks_at(&pipes->readings, i);
        int64_t *longest_ns = &deps->selects_ns[reading->thread];
        int64_t start_ns = reading->span->start_ns;

        if (reading->thread != thread)
            gt_cpu_init(&cpu, deps->timeline, reading->thread);
        thread = reading->thread;
        reading->over_ns = gt_call_over_ns(deps->timeline, thread, reading->span);
        if (pipes->roles[reading->span->function] == 's' &&
            reading->over_ns - start_ns > *longest_ns && !writing_of(pipes, reading) &&
            slept(&cpu, start_ns, reading->over_ns))
            *longest_ns = reading->over_ns - start_ns;
    }
}

/* Has its process a child with a GIL of its own, whose end is known? */
static bool has_child(const struct gt_deps *deps, uint32_t thread)
{
    const struct gt_timeline *timeline = deps->timeline;
    uint32_t process = gt_thread_at(timeline, thread)->process;

    for (uint32_t i = 0; i < timeline->processes.count; i++) {
        const struct gt_process *child = gt_process_at(timeline, i);

        if (child->parent == process && child->main_thread != GT_NO_INDEX &&
            deps->replayed[child->main_thread] != GT_WORKLOAD_NONE)
            return true;
    }
    return false;
}

static bool is_reply(const struct pipes *pipes, const struct reading *reading)
{
    char role = pipes->roles[reading->span->function];

    return role != 's' && reading->asked_ns &&
           reading->span->start_ns - reading->asked_ns >= GT_NS_PER_MS &&
           reading->over_ns - reading->span->start_ns >= GT_CPU_SHORT_NS &&
           !(role == 'p' && has_child(pipes->deps, reading->thread));
}

/* A thread of the world outside sleeps as long as the reply took, and then replies. */
static int wait_for_reply(struct pipes *pipes, const struct reading *reading)
{
    struct gt_deps *deps = pipes->deps;
    struct gt_workload *workload = deps->workload;
    uint32_t asked = gt_workload_add_event(workload, 1),
             replied = gt_workload_add_event(workload, 1);
    uint32_t world = gt_workload_add_thread(workload, false);
    const struct gt_step steps[] = {
        {.kind = GT_STEP_AWAIT, .what = asked},
        {.kind = GT_STEP_SLEEP,
         .what = GT_WORKLOAD_NONE,
         .ns = reading->over_ns - reading->asked_ns},
        {.kind = GT_STEP_SIGNAL, .what = replied},
    };

    if (asked == GT_WORKLOAD_NONE || replied == GT_WORKLOAD_NONE || world == GT_WORKLOAD_NONE)
        return -1;
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
        if (gt_workload_add_step(workload, world, steps[i]))
            return -1;
    if (gt_deps_add(deps, GT_STEP_SIGNAL, reading->thread, reading->asked_ns, reading->asked_ns,
                    asked))
        return -1;
    return gt_deps_add(deps, GT_STEP_AWAIT, reading->thread, reading->span->start_ns,
                       reading->over_ns, replied);
}

static int wait_for_writing(struct pipes *pipes, const struct reading *reading,
                            const struct writing *writing)
{
    struct gt_deps *deps = pipes->deps;
    uint32_t event = gt_workload_add_event(deps->workload, 1);
    struct gt_dep *dep;

    if (event == GT_WORKLOAD_NONE ||
        gt_deps_add(deps, GT_STEP_SIGNAL, writing->thread, writing->time_ns, writing->time_ns,
                    event) ||
        gt_deps_add(deps, GT_STEP_AWAIT, reading->thread, reading->span->start_ns,
                    reading->over_ns, event))
        return -1;
    dep = gt_chunks_last(&deps->added);
    if (pipes->roles[reading->span->function] == 's') {
        dep->limit_ns = deps->selects_ns[reading->thread];
        gt_deps_loosen(deps);
    }
    return 0;
}

static int add_waits(struct pipes *pipes)
{
    for (size_t i = 0; i < pipes->readings.count; i++) {
        const struct reading *reading = gt_chunks_at(&pipes->readings, i);
        const struct writing *writing =
            pipes->roles[reading->span->function] == 'p' ? NULL : writing_of(pipes, reading);

        if ((writing && wait_for_writing(pipes, reading, writing)) ||
            (!writing && is_reply(pipes, reading) && wait_for_reply(pipes, reading)))
            return -1;
    }
    return 0;
}

int gt_deps_add_io(struct gt_deps *deps)
{
    struct pipes pipes = {.deps = deps,
                          .roles = calloc(deps->timeline->functions.count + 1, 1)};
    int rc = pipes.roles ? 0 : -1;

    gt_chunks_init(&pipes.writings, sizeof(struct writing));
    gt_chunks_init(&pipes.readings, sizeof(struct reading));
    if (rc == 0)
        find_roles(&pipes);
    if (pipes.reads)
        rc = find_calls(&pipes);
    if (rc == 0 && pipes.reads)
        rc = sort_writings(&pipes);
    if (rc == 0 && pipes.reads) {
        find_others(&pipes);
        rc = add_waits(&pipes);
    }
    gt_chunks_release(&pipes.writings);
    gt_chunks_release(&pipes.readings);
    free(pipes.sorted);
    free(pipes.roles);
    return rc;
}
