/* SPDX-License-Identifier: MIT */
/* Private to simulator.c: the state of one replay. */
#ifndef GT_WHATIF_SIMULATOR_STATE_H
#define GT_WHATIF_SIMULATOR_STATE_H

#include "base/heap.h"
#include "whatif/workload.h"

enum doing {
    RUNNING,  /* in sim.cpus, by the CPU time that it will have had at its step's end */
    TIMED,    /* in sim.timers: asleep, or being woken */
    AWAITING, /* in the line of a GIL, an event, a lock or a queue */
    ENDED,
};

/* Threads that wait, first come first served. */
struct line {
    uint32_t first, last;
};

struct thread {
    const struct gt_chunks *steps; /* of the part that it is in */
    size_t at, end;
    int64_t left_ns; /* of a step that was interrupted; -1: it has not begun */
    uint32_t gil;    /* that it has */
    uint32_t next;   /* in a line */
    uint32_t takes;  /* the GIL that it is being woken for */
    double asks_ns;  /* in a GIL's line: when an interval of its timed wait began; < 0: one
                        begins when another thread has the GIL */
    enum doing doing;
    uint32_t works_for; /* under these rules; GT_WORKLOAD_NONE */
    bool last_job;
};

struct gil {
    uint32_t owner;
    struct line line;
    bool asked; /* the owner is to give it up as soon as it may */
};

struct lock {
    bool held;
    struct line line;
};

struct queue {
    uint32_t items;
    size_t next_job;
    struct line line, full; /* who wants to take, and to put */
};

struct event {
    uint32_t missing;
    struct line line;
};

struct sim {
    const struct gt_workload *workload;
    const struct gt_sim_rules *rules;
    struct gt_heap timers; /* threads, then GILs: when they are to be asked for */
    struct gt_heap cpus;
    double now_ns;
    double cpu_ns; /* that every running thread has had, since the beginning of all */
    struct thread *threads;
    struct gil *gils;
    struct lock *locks;
    struct event *events;
    struct queue *queues;
    double *clocks; /* when each started; < 0: it did not */
    uint32_t thread_count, crowd, counted;
    double end_ns;
};

/* --- lines --- */

static inline bool is_empty(const struct line *line)
{
    return line->first == GT_WORKLOAD_NONE;
}

static inline void join_line(struct sim *sim, struct line *line, uint32_t index)
{
    sim->threads[index].doing = AWAITING;
    sim->threads[index].next = GT_WORKLOAD_NONE;
    if (is_empty(line))
        line->first = index;
    else
        sim->threads[line->last].next = index;
    line->last = index;
}

static inline void join_front(struct sim *sim, struct line *line, uint32_t index)
{
    sim->threads[index].doing = AWAITING;
    sim->threads[index].next = line->first;
    if (is_empty(line))
        line->last = index;
    line->first = index;
}

static inline uint32_t leave_line(struct sim *sim, struct line *line)
{
    uint32_t index = line->first;

    line->first = sim->threads[index].next;
    return index;
}

/* Leave it from the middle. */
static inline void drop_out(struct sim *sim, struct line *line, uint32_t index)
{
    uint32_t before = line->first;

    if (before == index) {
        line->first = sim->threads[index].next;
        return;
    }
    while (sim->threads[before].next != index)
        before = sim->threads[before].next;
    sim->threads[before].next = sim->threads[index].next;
    if (line->last == index)
        line->last = before;
}

static inline void wake(struct sim *sim, uint32_t index, int64_t after_ns)
{
    sim->threads[index].doing = TIMED;
    gt_heap_put(&sim->timers, index, sim->now_ns + (double)after_ns);
}

/* The state at the beginning of the run. 0 or -1; release it in either case. */
int gt_sim_init(struct sim *sim);
void gt_sim_release(struct sim *sim);

#endif
