#include "agent/trace.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum {
    COST_NS = 75,        /* of one call and its return, with the hook's own */
    GRACE_NS = 20000000, /* what elapsed time starts at: short bursts are harmless */
    SMALL_SHARE = 64,    /* a function below this part of the budget is left alone */
    DEEP_SEARCH = 256,   /* open calls looked through for one that returns */
};

struct gt_agent_limits gt_agent_limits = {.max_depth = GT_AGENT_STACK_CALLS};

static uint64_t budget_percent;
static uint64_t all_calls; /* a multiple of GT_AGENT_BUDGET_CALLS */
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
    if (limit < GT_AGENT_STACK_CALLS)
        gt_agent_limits.max_depth = (uint32_t)limit;
    gt_agent_limits.min_ticks =
        (uint64_t)((double)number_of(GT_AGENT_ENV_MIN_NS, 0) * ticks_per_ns);
    budget_percent = number_of(GT_AGENT_ENV_BUDGET, 0);
    /* Before 3.12 a function that is not recorded costs as much as one that is. */
    gt_agent_limits.budget = budget_percent && gt_agent_api.version >= 0x030c;
}

bool gt_agent_make_room(struct gt_agent_thread *self)
{
    int error = errno;
    void *stack;

    if (self->room) {
        self->skipped++;
        return false;
    }
    stack = mmap(NULL, GT_AGENT_STACK_BYTES, PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    errno = error;
    if (stack == MAP_FAILED)
        return false;
    self->stack = stack;
    self->room = GT_AGENT_STACK_CALLS;
    return true;
}

bool gt_agent_over_budget(struct gt_agent_thread *self, struct gt_agent_function *function,
                          uint64_t ticks)
{
    double elapsed_ns = (double)(ticks - start_ticks) / ticks_per_ns + GRACE_NS;
    double allowed_ns = elapsed_ns * (double)budget_percent / 100;
    struct gt_wire_note note = {.kind = GT_WIRE_NOTE_UNTRACED,
                                .ticks = ticks,
                                .id = function->id,
                                .count = function->calls};

    /* All calls so far cost more than the budget, and this function's are no small part. */
    all_calls += GT_AGENT_BUDGET_CALLS;
    if ((double)all_calls * COST_NS <= allowed_ns ||
        (double)function->calls * COST_NS * SMALL_SHARE <= allowed_ns)
        return false;
    function->flags |= GT_AGENT_OFF;
    gt_agent_note(self, &note, "", 0, "", 0);
    return true;
}

/* Left open are functions that were switched off, and greenlets that another one resumed. */
bool gt_agent_unwind_to(struct gt_agent_thread *self, uint32_t id)
{
    uint32_t lowest = self->depth > DEEP_SEARCH ? self->depth - DEEP_SEARCH : 0;

    for (uint32_t depth = self->depth; depth > lowest; depth--) {
        if (self->stack[depth - 1].id == id) {
            self->depth = depth;
            return true;
        }
    }
    return false;
}
