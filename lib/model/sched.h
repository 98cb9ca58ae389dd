/* SPDX-License-Identifier: MIT */
/*
 * The scheduler states of each thread: spans that do not overlap, within the life of the
 * thread. Where the state is not known (before the first event about a thread, in lost ranges),
 * there is no span. States are never guessed.
 *
 * sched_switch tells why a thread left its CPU, PERF_RECORD_SWITCH exactly when threads came on
 * a CPU and left it, sched_wakeup when a thread became runnable. If only switch records were
 * recorded, a thread that was not preempted is GT_SCHED_OFF_CPU: it sleeps, or is runnable. If
 * there are no switch records, but all CPUs were recorded, sched_switch tells which thread
 * comes on each CPU. Otherwise a thread is known to run again once it causes an event; until
 * then its state is not known.
 */
#ifndef GT_MODEL_SCHED_H
#define GT_MODEL_SCHED_H

#include "base/chunks.h"

#include <stdbool.h>
#include <stdint.h>

enum gt_sched_state {
    GT_SCHED_NONE, /* not known */
    GT_SCHED_RUNNING,
    GT_SCHED_PREEMPTED,       /* runnable: it was preempted */
    GT_SCHED_WOKEN,           /* runnable: it was woken, or is new */
    GT_SCHED_SLEEPING,        /* S */
    GT_SCHED_SLEEPING_GIL,    /* S, for the GIL */
    GT_SCHED_UNINTERRUPTIBLE, /* D */
    GT_SCHED_STOPPED,         /* T, t */
    GT_SCHED_OFF_CPU,         /* not preempted, and the reason was not recorded */
    GT_SCHED_OFF_CPU_GIL,     /* the same, while waiting for the GIL */
    GT_SCHED_STATES
};
/* Code goes over all known states, and over all in which a thread neither runs nor is runnable.
 */
_Static_assert(GT_SCHED_NONE == 0 && GT_SCHED_RUNNING == 1, "known states follow NONE");
_Static_assert(GT_SCHED_SLEEPING == 4 && GT_SCHED_STATES == 10,
               "only RUNNING, PREEMPTED and WOKEN come before the states of sleeping threads");

/* One state. 24 bytes. */
struct gt_state_span {
    int64_t start_ns;
    int64_t end_ns;
    uint32_t stack; /* interned in gt_timeline.stacks; 0: none */
    uint16_t cpu;   /* where it runs, or ran last; UINT16_MAX: not known */
    uint8_t state;  /* enum gt_sched_state */
    uint8_t flags;  /* GT_STATE_SPAN_* */
};

/* Its stack, as it left the CPU, shows that it waits for the GIL. */
#define GT_STATE_SPAN_GIL_STACK 1

/* The states of one thread. */
struct gt_sched {
    struct gt_chunks spans; /* of struct gt_state_span, in the order of time */
    int64_t state_ns[GT_SCHED_STATES];
    uint64_t state_count[GT_SCHED_STATES];
    /* It held a GIL and was runnable, without a CPU. */
    int64_t ready_holding_ns;
    uint64_t ready_holding_count;
};

struct gt_timeline;

/* The name of a state in outputs: "running", "runnable (preempted)", "S", "S(GIL)", "D", … */
const char *gt_sched_state_name(enum gt_sched_state state);
/* The state of a name; GT_SCHED_STATES: there is none. */
enum gt_sched_state gt_sched_state_of(const char *name);

/* The states of a thread; NULL: none were recorded. */
const struct gt_sched *gt_sched_of(const struct gt_timeline *timeline, uint32_t thread);
/* For all of `timeline->scheds` in turn: never NULL, and without spans where there are none. */
const struct gt_sched *gt_sched_at(const struct gt_timeline *timeline, uint32_t thread);

/* Add how long the thread was in each state within [from_ns, until_ns) to `state_ns`. */
void gt_sched_within(const struct gt_sched *sched, int64_t from_ns, int64_t until_ns,
                     int64_t state_ns[GT_SCHED_STATES]);

#endif
