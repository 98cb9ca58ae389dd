/* SPDX-License-Identifier: MIT */
#include "agent/trace.h"

#include "agent/ending.h"
#include "agent/settings.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum {
    COST_NS = 75,         /* of recording a call and its return, hook included */
    FIRST_NS = 20000000,  /* the budget begins with that of so much CPU time */
    SAVED_NS = 200000000, /* for bursts, the budget of so much CPU time may be saved up */
    SMALL_SHARE = 16,     /* a function below this part of the budget is left alone */
    DEEP_SEARCH = 256,    /* so many open calls are searched for one that returns */
};

struct gt_agent_limits gt_agent_limits = {.max_depth = GT_AGENT_STACK_CALLS};

static uint64_t budget_percent;
static double saved_ns;    /* of budget, less what was spent */
static uint64_t budget_ns; /* of CPU time, when saved_ns was right */
static int32_t budgeting;  /* gt_agent_try_lock of these two */

static uint64_t number_of(const char *name, uint64_t otherwise)
{
    const char *text = gt_agent_setting(name);

    return text && *text ? strtoull(text, NULL, 10) : otherwise;
}

/* The process's CPU time. On a busy machine, elapsed time does not say how much longer tracing
 * makes the process run. */
static uint64_t cpu_time_ns(void)
{
    struct timespec now;

    if (clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now))
        return 0;
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

void gt_agent_trace_init(void)
{
    const struct gt_wire_anchor *first = &gt_agent.control->anchors[0];
    uint64_t limit = number_of(GT_AGENT_ENV_MAX_DEPTH, GT_AGENT_STACK_CALLS);
    uint64_t now_ns = gt_agent_monotonic_ns();
    uint64_t now_ticks = gt_agent_ticks_ordered();
    double ticks_per_ns = 1;

    if (gt_agent_counter && now_ns > first->time_ns && now_ticks > first->ticks)
        ticks_per_ns = (double)(now_ticks - first->ticks) / (double)(now_ns - first->time_ns);
    gt_agent_limits.max_depth =
        limit < GT_AGENT_STACK_CALLS ? (uint32_t)limit : GT_AGENT_STACK_CALLS;
    gt_agent_limits.min_ticks =
        (uint64_t)((double)number_of(GT_AGENT_ENV_MIN_NS, 0) * ticks_per_ns);
    budget_percent = number_of(GT_AGENT_ENV_BUDGET, 0);
    budget_ns = cpu_time_ns();
    saved_ns = FIRST_NS * (double)budget_percent / 100;
    /* Before 3.12 a function that is not recorded costs as much as one that is. */
    gt_agent_limits.budget = budget_percent && gt_agent_api.version >= 0x030c;
    gt_agent_limits.at_once = gt_agent_api.free_threaded;
}

bool gt_agent_make_room(struct gt_agent_thread *self)
{
    int error = errno;
    void *stack;

    if (self->calls.room) {
        self->calls.skipped++;
        return false;
    }
    stack = mmap(NULL, GT_AGENT_STACK_BYTES, PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    errno = error;
    if (stack == MAP_FAILED)
        return false;
    self->calls.stack = stack;
    self->calls.room = GT_AGENT_STACK_CALLS;
    return true;
}

void gt_agent_trace_open(struct gt_agent_thread *thread,
                         const struct gt_agent_function *function, uint64_t ticks)
{
    struct gt_agent_call *call;

    if (thread->calls.depth == thread->calls.room && !gt_agent_make_room(thread))
        return;
    call = &thread->calls.stack[thread->calls.depth++];
    call->id = function->id;
    call->ticks = ticks;
    call->recorded = thread->calls.depth <= gt_agent_limits.max_depth &&
                     gt_agent_put_call(thread, ticks, GT_WIRE_CALL, function->id);
    call->end = NULL; /* it is not to be taken back for being short */
    call->turn = thread->log.turn;
}

/* The budget for the time between two moments, in ns of tracing. */
static double budget_of(uint64_t from_ns, uint64_t to_ns)
{
    return to_ns > from_ns ? (double)(to_ns - from_ns) * (double)budget_percent / 100 : 0;
}

static void switch_off(struct gt_agent_thread *self, struct gt_agent_function *function,
                       uint64_t ticks)
{
    struct gt_wire_note note = {
        .kind = GT_WIRE_NOTE_UNTRACED,
        .ticks = ticks,
        .id = function->id,
        .count = __atomic_load_n(&function->calls, __ATOMIC_RELAXED),
    };

    gt_agent_function_flag(function, GT_AGENT_OFF);
    gt_agent_note(self, &note, "", 0, "", 0);
}

/* The budget grows with CPU time, and the calls of all functions spend it. When it is used up,
 * a function is switched off whose latest calls spent more than a small share of what the
 * budget grew by meanwhile. */
static bool is_over_budget(struct gt_agent_function *function)
{
    const double limit_ns = SAVED_NS * (double)budget_percent / 100;
    const double spent_ns = GT_AGENT_BUDGET_CALLS * COST_NS;
    uint64_t now_ns = cpu_time_ns();
    double share_ns = budget_of(function->budget_ns, now_ns) / SMALL_SHARE;

    saved_ns += budget_of(budget_ns, now_ns) - spent_ns;
    budget_ns = now_ns;
    function->budget_ns = now_ns;
    if (saved_ns > limit_ns)
        saved_ns = limit_ns;
    if (saved_ns >= 0)
        return false;
    if (spent_ns < share_ns && saved_ns > -limit_ns)
        return false; /* a small one: switched off only when the debt is as large as the limit
                       */
    saved_ns = 0;
    return true;
}

bool gt_agent_over_budget(struct gt_agent_thread *self, struct gt_agent_function *function,
                          uint64_t ticks)
{
    bool over;

    if (!gt_agent_try_lock(&budgeting))
        return false; /* without a GIL, another thread looks at another function */
    over = is_over_budget(function);
    gt_agent_unlock(&budgeting);
    if (over)
        switch_off(self, function, ticks);
    return over;
}

/* Add the calls that a thread counted apart. Is the function's share to be looked at? */
static bool add_calls(struct gt_agent_function *function, uint32_t calls)
{
    uint64_t before = __atomic_fetch_add(&function->calls, calls, __ATOMIC_RELAXED);

    return before / GT_AGENT_BUDGET_CALLS != (before + calls) / GT_AGENT_BUDGET_CALLS;
}

bool gt_agent_count_apart(struct gt_agent_thread *self, struct gt_agent_function *function,
                          uint64_t ticks)
{
    struct gt_agent_counted *counted = &self->counted[function->id % GT_AGENT_COUNTED];
    struct gt_agent_function *other = counted->function;
    uint32_t calls = counted->calls;

    gt_agent_ending_look(); /* there may be no GIL, whose uses lead to it elsewhere */
    if (other == function) {
        counted->calls = 0;
        return add_calls(function, calls);
    }
    *counted = (struct gt_agent_counted){function, 1};
    if (other && add_calls(other, calls) && gt_agent_limits.budget &&
        !(other->flags & GT_AGENT_OFF))
        gt_agent_over_budget(self, other, ticks);
    return false;
}

void gt_agent_close_calls(struct gt_agent_thread *self, uint64_t ticks)
{
    for (; self->calls.depth; self->calls.depth--)
        if (self->calls.stack[self->calls.depth - 1].recorded)
            gt_agent_put_call(self, ticks, GT_WIRE_RETURN,
                              self->calls.stack[self->calls.depth - 1].id);
    self->calls.skipped = 0;
}

/* Calls stay open of functions that were switched off, and of greenlets when another one runs.
 */
bool gt_agent_unwind_to(struct gt_agent_thread *self, uint32_t id)
{
    uint32_t lowest = self->calls.depth > DEEP_SEARCH ? self->calls.depth - DEEP_SEARCH : 0;

    for (uint32_t depth = self->calls.depth; depth > lowest; depth--) {
        if (self->calls.stack[depth - 1].id == id) {
            self->calls.depth = depth;
            return true;
        }
    }
    return false;
}
