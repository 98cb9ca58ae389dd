/* SPDX-License-Identifier: MIT */
#include "whatif/simulator.h"

#include "base/nstime.h"
#include "whatif/simulator_state.h"

#include <math.h>

/* A replay takes events in the order of their times, and does what follows from each. */

/* --- the GIL --- */

static const struct gt_workload_gil *gil_at(const struct sim *sim, uint32_t index)
{
    return gt_chunks_at(&sim->workload->gils, index);
}

/* A thread in the line began an interval then, and asks when it is over, unless another one
 * asks before. */
static void expect_request(struct sim *sim, uint32_t index, double from_ns)
{
    double due_ns = from_ns + (double)gil_at(sim, index)->interval_ns;
    uint32_t timer = sim->thread_count + index;

    if (!gt_heap_has(&sim->timers, timer) || gt_heap_key(&sim->timers, timer) > due_ns)
        gt_heap_put(&sim->timers, timer, due_ns);
}

/* Another thread has the GIL from now on. A thread that has waited before was in the middle of
 * an interval: that one does not count, and the next one does. In a long line, the first
 * threads stand for all. */
static void expect_requests(struct sim *sim, uint32_t index)
{
    enum { LOOKED_AT = 64 };
    double interval_ns = (double)gil_at(sim, index)->interval_ns;
    uint32_t at = sim->gils[index].line.first;

    for (int i = 0; at != GT_WORKLOAD_NONE && i < LOOKED_AT; i++, at = sim->threads[at].next) {
        double *asks_ns = &sim->threads[at].asks_ns;

        if (*asks_ns < 0)
            *asks_ns = sim->now_ns;
        else
            *asks_ns += ceil((sim->now_ns - *asks_ns) / interval_ns) * interval_ns;
        expect_request(sim, index, *asks_ns);
    }
}

static void give_up(struct sim *sim, struct thread *thread)
{
    uint32_t index = thread->gil, woken;
    struct gil *gil;

    if (index == GT_WORKLOAD_NONE)
        return;
    gil = &sim->gils[index];
    thread->gil = GT_WORKLOAD_NONE;
    gil->owner = GT_WORKLOAD_NONE;
    gil->asked = false;
    gt_heap_remove(&sim->timers, sim->thread_count + index);
    if (is_empty(&gil->line))
        return;
    woken = leave_line(sim, &gil->line);
    sim->threads[woken].takes = index;
    wake(sim, woken, gil_at(sim, index)->handover_ns);
}

static void own(struct sim *sim, uint32_t index, uint32_t gil)
{
    sim->gils[gil].owner = index;
    sim->threads[index].gil = gil;
    expect_requests(sim, gil);
}

/* True: the thread has the GIL. Else it is in the line, and its step begins when it is served.
 */
static bool take(struct sim *sim, uint32_t index, uint32_t gil)
{
    if (sim->gils[gil].owner == GT_WORKLOAD_NONE) {
        own(sim, index, gil);
        return true;
    }
    join_line(sim, &sim->gils[gil].line, index);
    sim->threads[index].asks_ns = sim->now_ns;
    expect_request(sim, gil, sim->now_ns);
    return false;
}

static const struct gt_step *step_of(const struct thread *thread)
{
    return gt_chunks_at(thread->steps, thread->at);
}

static void stop_running(struct sim *sim, uint32_t index)
{
    struct thread *thread = &sim->threads[index];
    double left_ns = gt_heap_key(&sim->cpus, index) - sim->cpu_ns;

    gt_heap_remove(&sim->cpus, index);
    thread->left_ns = left_ns > 0 ? gt_ns_of(left_ns) : 0;
}

/* The owner gives the GIL to a waiter, and queues up behind the others. */
static void give_way(struct sim *sim, uint32_t index, uint32_t gil)
{
    give_up(sim, &sim->threads[index]);
    join_line(sim, &sim->gils[gil].line, index);
    sim->threads[index].asks_ns = -1;
}

/* A thread has waited for the switch interval. */
static void request(struct sim *sim, uint32_t gil)
{
    uint32_t owner = sim->gils[gil].owner;

    if (owner == GT_WORKLOAD_NONE || is_empty(&sim->gils[gil].line))
        return;
    if (sim->threads[owner].doing != RUNNING ||
        step_of(&sim->threads[owner])->flags & GT_STEP_KEEPS) {
        sim->gils[gil].asked = true;
        return;
    }
    stop_running(sim, owner);
    give_way(sim, owner, gil);
}

/* The GIL that a step needs under these rules. */
static uint32_t gil_of(const struct sim *sim, const struct gt_step *step)
{
    const struct gt_sim_rules *rules = sim->rules;

    if (rules->no_gil ||
        (step->tag && (rules->released_all || step->tag == rules->released_tag)))
        return GT_WORKLOAD_NONE;
    return step->what;
}

/* --- steps --- */

static void finish(struct sim *sim, uint32_t index)
{
    struct thread *thread = &sim->threads[index];

    give_up(sim, thread);
    thread->doing = ENDED;
    if (!gt_workload_thread_at(sim->workload, index)->counts)
        return;
    sim->counted--;
    if (sim->now_ns > sim->end_ns)
        sim->end_ns = sim->now_ns;
}

static const struct gt_workload_queue *queue_at(const struct sim *sim, uint32_t index)
{
    return gt_chunks_at(&sim->workload->queues, index);
}

static void take_item(struct sim *sim, struct queue *queue)
{
    queue->items--;
    if (!is_empty(&queue->full))
        wake(sim, leave_line(sim, &queue->full), sim->workload->wake_ns);
}

/* There are no more jobs. True: the thread has something to do after them. */
static bool end_jobs(struct sim *sim, uint32_t index)
{
    const struct gt_workload_thread *recorded = gt_workload_thread_at(sim->workload, index);
    struct thread *thread = &sim->threads[index];

    thread->works_for = GT_WORKLOAD_NONE;
    if (recorded->after_jobs == SIZE_MAX) {
        finish(sim, index);
        return false;
    }
    thread->steps = &recorded->steps;
    thread->at = recorded->after_jobs;
    thread->end = recorded->steps.count;
    return true;
}

/* The thread has done its part: go on to the next job, if there is one. False: there is none
 * now, or none at all. */
static bool next_part(struct sim *sim, uint32_t index)
{
    const struct gt_workload_thread *recorded = gt_workload_thread_at(sim->workload, index);
    struct thread *thread = &sim->threads[index];
    const struct gt_workload_queue *source;
    const struct gt_workload_job *job;
    struct queue *queue;

    if (recorded->goes_on_until != GT_WORKLOAD_NONE &&
        sim->now_ns < (double)sim->workload->goes_on_ns) {
        thread->at = recorded->repeats;
        return true;
    }
    if (thread->works_for == GT_WORKLOAD_NONE || thread->last_job) {
        finish(sim, index);
        return false;
    }
    queue = &sim->queues[thread->works_for];
    source = queue_at(sim, thread->works_for);
    if (queue->next_job == source->jobs.count)
        return end_jobs(sim, index);
    if (queue->items == 0) {
        give_up(sim, thread);
        join_line(sim, &queue->line, index);
        return false;
    }
    take_item(sim, queue);
    job = gt_chunks_at(&source->jobs, queue->next_job++);
    if (job->thread == GT_WORKLOAD_NONE)
        return true; /* still at the end of its part: it takes another one */
    thread->steps = &gt_workload_thread_at(sim->workload, job->thread)->steps;
    thread->at = job->first;
    thread->end = job->first + job->count;
    thread->last_job = job->last;
    return true;
}

/* RUN and SLEEP. True: it took no time. */
static bool pass_time(struct sim *sim, uint32_t index, const struct gt_step *step)
{
    struct thread *thread = &sim->threads[index];
    uint32_t gil = gil_of(sim, step);
    int64_t ns = thread->left_ns >= 0 ? thread->left_ns : step->ns;

    if (thread->gil != gil)
        give_up(sim, thread);
    if (gil != GT_WORKLOAD_NONE && thread->gil == GT_WORKLOAD_NONE && !take(sim, index, gil))
        return false;
    if (gil != GT_WORKLOAD_NONE && sim->gils[gil].asked) {
        give_way(sim, index, gil);
        return false;
    }
    if (ns <= 0) {
        thread->left_ns = -1;
        return true;
    }
    if (step->kind == GT_STEP_SLEEP) {
        wake(sim, index, ns);
        return false;
    }
    thread->doing = RUNNING;
    gt_heap_put(&sim->cpus, index, sim->cpu_ns + (double)ns);
    return false;
}

static void signal_event(struct sim *sim, struct event *event)
{
    if (event->missing && --event->missing)
        return;
    while (!is_empty(&event->line))
        wake(sim, leave_line(sim, &event->line), sim->workload->wake_ns);
}

/* True: there is nothing to wait for. A thread that waits does so without the GIL, and looks
 * again. */
static bool pass(struct sim *sim, uint32_t index, bool open, struct line *line)
{
    if (open)
        return true;
    give_up(sim, &sim->threads[index]);
    join_line(sim, line, index);
    return false;
}

/* True: the thread is late, or need not wait. */
static bool pass_until(struct sim *sim, uint32_t index, const struct gt_step *step)
{
    double due_ns = sim->clocks[step->what] + (double)step->ns;

    if (step->flags & GT_STEP_PERHAPS && !sim->rules->by_clock)
        return true;
    give_up(sim, &sim->threads[index]);
    if (sim->clocks[step->what] < 0 || due_ns <= sim->now_ns)
        return true;
    sim->threads[index].doing = TIMED;
    gt_heap_put(&sim->timers, index, due_ns);
    return false;
}

/* True: go on to the next step at once. */
static bool do_step(struct sim *sim, uint32_t index, const struct gt_step *step)
{
    struct event *event;
    struct queue *queue;
    struct lock *lock;

    switch ((enum gt_step_kind)step->kind) {
    case GT_STEP_AWAIT:
        event = &sim->events[step->what];
        if (sim->rules->loops_do_not_wait && step->flags & GT_STEP_LOOSE)
            return true;
        if (pass(sim, index, event->missing == 0, &event->line))
            return true;
        if (step->ns > 0)
            gt_heap_put(&sim->timers, index, sim->now_ns + (double)step->ns);
        return false;
    case GT_STEP_SIGNAL:
        signal_event(sim, &sim->events[step->what]);
        return true;
    case GT_STEP_LOCK:
        lock = &sim->locks[step->what];
        if (!pass(sim, index, !lock->held, &lock->line))
            return false;
        lock->held = true;
        return true;
    case GT_STEP_UNLOCK:
        lock = &sim->locks[step->what];
        lock->held = false;
        if (!is_empty(&lock->line))
            wake(sim, leave_line(sim, &lock->line), sim->workload->wake_ns);
        return true;
    case GT_STEP_TAKE:
        queue = &sim->queues[step->what];
        if (!pass(sim, index, queue->items > 0, &queue->line))
            return false;
        take_item(sim, queue);
        return true;
    case GT_STEP_PUT:
        queue = &sim->queues[step->what];
        if (!pass(sim, index,
                  queue_at(sim, step->what)->capacity == 0 ||
                      queue->items < queue_at(sim, step->what)->capacity,
                  &queue->full))
            return false;
        queue->items++;
        if (!is_empty(&queue->line))
            wake(sim, leave_line(sim, &queue->line), sim->workload->wake_ns);
        return true;
    case GT_STEP_MARK:
        if (sim->clocks[step->what] < 0)
            sim->clocks[step->what] = sim->now_ns;
        return true;
    case GT_STEP_UNTIL:
        return pass_until(sim, index, step);
    default:
        return pass_time(sim, index, step);
    }
}

/* Does all steps that take no time. */
static void go_on(struct sim *sim, uint32_t index)
{
    struct thread *thread = &sim->threads[index];
    uint32_t until = gt_workload_thread_at(sim->workload, index)->goes_on_until;

    if (until != GT_WORKLOAD_NONE && sim->events[until].missing == 0) {
        finish(sim, index);
        return;
    }
    for (;;) {
        if (thread->at == thread->end) {
            if (!next_part(sim, index))
                return;
            continue;
        }
        if (!do_step(sim, index, step_of(thread)))
            return;
        thread->at++;
    }
}

/* --- time --- */

/* The timer of a thread: it slept long enough, or it was woken to take something. */
static void timer_rings(struct sim *sim, uint32_t index)
{
    struct thread *thread = &sim->threads[index];
    uint32_t gil = thread->takes;

    if (thread->doing == AWAITING) { /* it waited for an event, long enough */
        drop_out(sim, &sim->events[step_of(thread)->what].line, index);
        thread->at++;
    } else if (gil != GT_WORKLOAD_NONE) {
        thread->takes = GT_WORKLOAD_NONE;
        if (sim->gils[gil].owner == GT_WORKLOAD_NONE) {
            own(sim, index, gil);
        } else {
            join_front(sim, &sim->gils[gil].line, index);
            thread->asks_ns = sim->now_ns;
            expect_request(sim, gil, sim->now_ns);
            return;
        }
    } else if (thread->at < thread->end && step_of(thread)->kind == GT_STEP_SLEEP) {
        thread->at++;
    }
    go_on(sim, index);
}

static void run_ends(struct sim *sim, uint32_t index)
{
    struct thread *thread = &sim->threads[index];

    gt_heap_remove(&sim->cpus, index);
    thread->left_ns = -1;
    thread->at++;
    go_on(sim, index);
}

/* Go on to the next time at which something happens. False: nothing ever does. */
static bool advance(struct sim *sim)
{
    uint32_t running = (uint32_t)sim->cpus.count;
    double rate = running > sim->rules->cores ? sim->rules->cores / running : 1;
    double timer_ns = sim->timers.count ? gt_heap_least(&sim->timers) : INFINITY;
    double run_ns =
        running ? sim->now_ns + (gt_heap_least(&sim->cpus) - sim->cpu_ns) / rate : INFINITY;
    uint32_t index;

    if (running > sim->crowd)
        sim->crowd = running;
    if (run_ns <= timer_ns) {
        if (!running)
            return false;
        sim->cpu_ns = gt_heap_least(&sim->cpus);
        sim->now_ns = run_ns;
        run_ends(sim, gt_heap_top(&sim->cpus));
        return true;
    }
    sim->cpu_ns += running ? (timer_ns - sim->now_ns) * rate : 0;
    sim->now_ns = timer_ns;
    index = gt_heap_top(&sim->timers);
    gt_heap_remove(&sim->timers, index);
    if (index >= sim->thread_count)
        request(sim, index - sim->thread_count);
    else
        timer_rings(sim, index);
    return true;
}

/* --- all of it --- */

int gt_simulate(const struct gt_workload *workload, const struct gt_sim_rules *rules,
                struct gt_sim_result *result, struct gt_error *err)
{
    struct sim sim = {.workload = workload, .rules = rules};
    int rc = gt_sim_init(&sim);
    bool goes_on = true;

    for (uint32_t i = 0; rc == 0 && i < sim.thread_count; i++)
        go_on(&sim, i);
    while (rc == 0 && goes_on && sim.counted)
        goes_on = advance(&sim);
    *result = (struct gt_sim_result){
        .end_ns = gt_ns_of(sim.end_ns), .crowd = sim.crowd, .stuck = sim.counted > 0};
    gt_sim_release(&sim);
    return rc ? gt_error_memory(err) : 0;
}
