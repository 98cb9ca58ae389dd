/* SPDX-License-Identifier: MIT */
#include "launch/hitplace.h"

#include "launch/elf.h"

static enum gt_hit_function function_of(const struct gt_plan *plan)
{
    bool probes = plan->probes.count || plan->installed_probes;

    if (plan->gil_source == GT_GIL_UPROBES && probes)
        return GT_HIT_SIGNAL;
    if (plan->gil_source == GT_GIL_FUTEX && probes)
        return GT_HIT_TIMEDWAIT;
    return GT_HIT_NONE; /* take_gil cannot be called, and tracepoints are no probes */
}

void gt_hit_place_find(struct gt_hit_place *place, const struct gt_plan *plan, const char *libc)
{
    enum gt_hit_function function = function_of(plan);
    const char *name =
        function == GT_HIT_SIGNAL ? "pthread_cond_signal" : "pthread_cond_timedwait";
    struct gt_elf_symbol symbol;
    struct gt_elf elf;

    *place =
        (struct gt_hit_place){.function = GT_HIT_NONE, .path = "", .switches = plan->states};
    if (function == GT_HIT_NONE || gt_elf_open(&elf, libc, NULL) < 0)
        return;
    if (gt_elf_find_function(&elf, name, &symbol, NULL) == 0)
        *place = (struct gt_hit_place){function, libc, symbol.offset, plan->states};
    gt_elf_close(&elf);
}
