#include "agent/trace.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum {
    BUDGET_CALLS = 256,  /* how often a function's share is looked at */
    COST_NS = 75,        /* of one call and its return, with the hook's own */
    GRACE_NS = 20000000, /* what elapsed time starts at: short bursts are harmless */
    SMALL_SHARE = 64,    /* a function below this part of the budget is left alone */
    DEEP_SEARCH = 256,   /* open calls looked through for one that returns */
};

static uint32_t max_depth = GT_AGENT_STACK_CALLS;
static uint64_t min_ticks;
static uint64_t budget_percent;
static uint64_t all_calls;
static uint64_t start_ticks;
static double ticks_per_ns = 1;

static uint64_t number_of(const char *name, uint64_t otherwise)
{
    const char *text = secure_getenv(name);

    return text && *text ? strtoull(text, NULL, 10) : otherwise;
}

void gt_agent_trace_init(void)
{
    const struct gt_wire_anchor *first = &gt_agent.control->anchors[0];
    uint64_t limit = number_of(GT_AGENT_ENV_MAX_DEPTH, GT_AGENT_STACK_CALLS);
    uint64_t now_ns = gt_agent_monotonic_ns();

    start_ticks = gt_agent_ticks_ordered();
    if (gt_agent_counter && now_ns > first->time_ns && start_ticks > first->ticks)
        ticks_per_ns = (double)(start_ticks - first->ticks) / (double)(now_ns - first->time_ns);
    if (limit < max_depth)
        max_depth = (uint32_t)limit;
    min_ticks = (uint64_t)((double)number_of(GT_AGENT_ENV_MIN_NS, 0) * ticks_per_ns);
    budget_percent = number_of(GT_AGENT_ENV_BUDGET, 0);
}

static bool make_stack(struct gt_agent_thread *self)
{
    int error = errno;
    void *stack = mmap(NULL, GT_AGENT_STACK_BYTES, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    errno = error;
    if (stack == MAP_FAILED)
        return false;
    self->stack = stack;
    return true;
}

/* All calls so far cost more than the budget, and this function's are no small part of it. */
static bool exceeds_budget(const struct gt_agent_function *function, uint64_t ticks)
{
    double elapsed_ns = (double)(ticks - start_ticks) / ticks_per_ns + GRACE_NS;
    double allowed_ns = elapsed_ns * (double)budget_percent / 100;

    return (double)all_calls * COST_NS > allowed_ns &&
           (double)function->calls * COST_NS * SMALL_SHARE > allowed_ns;
}

static void switch_off(struct gt_agent_thread *self, struct gt_agent_function *function,
                       uint64_t ticks)
{
    struct gt_wire_note note = {.kind = GT_WIRE_NOTE_UNTRACED,
                                .ticks = ticks,
                                .id = function->id,
                                .count = function->calls};

    function->flags |= GT_AGENT_OFF;
    gt_agent_note(self, &note, "", 0, "", 0);
}

bool gt_agent_trace_call(struct gt_agent_thread *self, struct gt_agent_function *function,
                         enum gt_wire_call_kind kind)
{
    struct gt_agent_stream *calls = &self->streams[GT_WIRE_STREAM_CALLS];
    uint64_t ticks = gt_agent_ticks();
    struct gt_agent_call *call;

    function->calls++;
    if (budget_percent) {
        all_calls++;
        if (GT_AGENT_UNLIKELY(function->calls % BUDGET_CALLS == 0) &&
            exceeds_budget(function, ticks)) {
            switch_off(self, function, ticks);
            return false;
        }
    }
    if (GT_AGENT_UNLIKELY(!self->stack) && !make_stack(self))
        return true;
    if (GT_AGENT_UNLIKELY(self->depth == GT_AGENT_STACK_CALLS)) {
        self->skipped++;
        return true;
    }
    call = &self->stack[self->depth++];
    call->id = function->id;
    call->ticks = ticks;
    call->recorded =
        self->depth <= max_depth && gt_agent_put_call(self, ticks, kind, function->id);
    call->end = calls->next;
    call->chunk = self->chunks;
    return true;
}

/* Open calls that never return are dropped with the one below them that does: functions that
 * were switched off, greenlets that left. Returns the open call, or NULL. */
static struct gt_agent_call *find_call(struct gt_agent_thread *self, uint32_t id)
{
    uint32_t lowest = self->depth > DEEP_SEARCH ? self->depth - DEEP_SEARCH : 0;

    for (uint32_t depth = self->depth; depth > lowest; depth--) {
        if (self->stack[depth - 1].id == id) {
            self->depth = depth - 1;
            return &self->stack[depth - 1];
        }
    }
    return NULL;
}

void gt_agent_trace_return(struct gt_agent_thread *self, struct gt_agent_function *function,
                           enum gt_wire_call_kind kind)
{
    struct gt_agent_stream *calls = &self->streams[GT_WIRE_STREAM_CALLS];
    uint64_t ticks = gt_agent_ticks();
    struct gt_agent_call *call;

    if (GT_AGENT_UNLIKELY(self->skipped)) {
        self->skipped--;
        return;
    }
    call = find_call(self, function->id);
    if (!call || !call->recorded)
        return;
    if (ticks - call->ticks < min_ticks && call->end == calls->next &&
        call->chunk == self->chunks) {
        /* It was short, and so was all that it called: take it back. */
        calls->next -= sizeof(uint64_t);
        *(uint64_t *)(void *)calls->next = 0;
        return;
    }
    gt_agent_put_call(self, ticks, kind, function->id);
}
