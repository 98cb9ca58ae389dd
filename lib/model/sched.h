/*
 * What each thread's scheduler state was, from scheduling events: spans that follow one
 * another without overlap within the thread's life. Where nothing is known (before the first
 * event about a thread, in lost ranges) there is no span: no state is guessed.
 *
 * Sources, best first: sched_switch gives the reason of leaving a CPU, PERF_RECORD_SWITCH the
 * exact times of going on and off, sched_wakeup the time of becoming runnable. With switch
 * records alone a thread that left of itself is GT_SCHED_OFF_CPU: it may sleep or be runnable.
 * Without them a recording of all CPUs tells who comes next on each; else a thread is known to
 * be back by an event of its own, and until its next switch, when there is none, nothing is.
 */
#ifndef GT_MODEL_SCHED_H
#define GT_MODEL_SCHED_H

#include "base/chunks.h"

#include <stdbool.h>
#include <stdint.h>

enum gt_sched_state {
    GT_SCHED_NONE, /* not known */
    GT_SCHED_RUNNING,
    GT_SCHED_PREEMPTED,       /* runnable: was pushed off its CPU */
    GT_SCHED_WOKEN,           /* runnable: woken or new, not yet on a CPU */
    GT_SCHED_SLEEPING,        /* S */
    GT_SCHED_SLEEPING_GIL,    /* S, for the GIL */
    GT_SCHED_UNINTERRUPTIBLE, /* D */
    GT_SCHED_STOPPED,         /* T, t */
    GT_SCHED_OFF_CPU,         /* left the CPU of itself; the reason was not recorded */
    GT_SCHED_OFF_CPU_GIL,     /* the same, while waiting for the GIL */
    GT_SCHED_STATES
};
/* All states that are known, and all in which a thread neither runs nor is ready to, are told
 * by ranges. */
_Static_assert(GT_SCHED_NONE == 0 && GT_SCHED_RUNNING == 1, "known states follow NONE");
_Static_assert(GT_SCHED_SLEEPING == 4 && GT_SCHED_STATES == 10,
               "only RUNNING, PREEMPTED and WOKEN come before the states of sleeping threads");

/* 24 bytes. */
struct gt_state_span {
    int64_t start_ns;
    int64_t end_ns;
    uint32_t stack; /* interned in gt_timeline.stacks; 0: none */
    uint16_t cpu;   /* RUNNING: which; else where it was last; UINT16_MAX unknown */
    uint8_t state;  /* enum gt_sched_state */
    uint8_t flags;  /* GT_STATE_SPAN_* */
};

/* The stack of the switch says that it waits for the GIL. */
#define GT_STATE_SPAN_GIL_STACK 1

/* One thread's states. */
struct gt_sched {
    struct gt_chunks spans; /* of struct gt_state_span, in the order of time */
    int64_t state_ns[GT_SCHED_STATES];
    uint64_t state_count[GT_SCHED_STATES];
    /* Had the GIL, was ready to run, and had no CPU. */
    int64_t ready_holding_ns;
    uint64_t ready_holding_count;
};

struct gt_timeline;

/* The name of a state in outputs: "running", "runnable (preempted)", "S", "S(GIL)", "D", … */
const char *gt_sched_state_name(enum gt_sched_state state);
/* The state a user names: "S", "S(GIL)", "running", …; GT_SCHED_STATES when there is none. */
enum gt_sched_state gt_sched_state_of(const char *name);

/* The thread's states, or NULL when none were recorded. */
const struct gt_sched *gt_sched_of(const struct gt_timeline *timeline, uint32_t thread);

/* How long it was in each state within [from, until): added to `state_ns`. */
void gt_sched_within(const struct gt_sched *sched, int64_t from_ns, int64_t until_ns,
                     int64_t state_ns[GT_SCHED_STATES]);

#endif
