/* SPDX-License-Identifier: MIT */
/*
 * The agent's clock: a CPU counter where the kernel itself trusts it, else CLOCK_MONOTONIC.
 * Counter reads cost 8–15 ns, clock_gettime 28; the reader turns ticks into CLOCK_MONOTONIC
 * with the anchors of the control file.
 */
#ifndef GT_AGENT_CLOCK_H
#define GT_AGENT_CLOCK_H

#include "agent/likely.h"
#include "agent/wire.h"

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

extern bool gt_agent_counter; /* ticks are those of the CPU's counter */

/* Shorter times are not recorded. In ticks it is a guess until the clock's rate is known, which
 * whoever makes an anchor finds out: threads read it meanwhile. */
enum { GT_AGENT_SHORT_US = 50 };
extern struct gt_agent_short {
    uint64_t ticks;
} gt_agent_short;

static inline uint64_t gt_agent_short_ticks(void)
{
    return __atomic_load_n(&gt_agent_short.ticks, __ATOMIC_RELAXED);
}

/* The CPU's counter. Only where gt_agent_counter says so. */
static inline uint64_t gt_agent_read_counter(void)
{
#if defined(__x86_64__)
    return __builtin_ia32_rdtsc();
#elif defined(__aarch64__)
    uint64_t ticks;

    __asm__ volatile("mrs %0, cntvct_el0" : "=r"(ticks));
    return ticks;
#else
    return 0;
#endif
}

/* The thread's CPU time, into *ns. False: it cannot be read. */
bool gt_agent_cpu_ns(uint64_t *ns);

/* CLOCK_MONOTONIC. Not inline: what reads the counter instead needs no room for it. */
uint64_t gt_agent_monotonic_ns(void);

/* The time, read after everything before it has happened: the times that two threads read
 * inside one mutex are in the mutex's order. */
static inline uint64_t gt_agent_ticks_ordered(void)
{
    if (!GT_AGENT_LIKELY(gt_agent_counter))
        return gt_agent_monotonic_ns();
#if defined(__x86_64__)
    __builtin_ia32_lfence();
#elif defined(__aarch64__)
    __asm__ volatile("isb" : : : "memory");
#endif
    return gt_agent_read_counter();
}

/* The time without that order: for what only this thread sees. */
static inline uint64_t gt_agent_ticks(void)
{
    return GT_AGENT_LIKELY(gt_agent_counter) ? gt_agent_read_counter()
                                             : gt_agent_monotonic_ns();
}

/* Agree with the run's other processes on the source of ticks. */
void gt_agent_clock_init(struct gt_wire_control *control);

/* Append an anchor, and set when the next one is due. */
void gt_agent_clock_anchor(struct gt_wire_control *control);

#endif
