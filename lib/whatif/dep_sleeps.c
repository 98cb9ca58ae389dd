/* SPDX-License-Identifier: MIT */
#include "whatif/dep_sleeps.h"

#include "analysis/cpu.h"
#include "base/order.h"

#include <stdlib.h>

enum {
    LEAST_SLEEPS = 3, /* of one call, to be looked at by themselves */
    LEAST_ENDS = 5,   /* on a grid */
};

#define GRID_NS ((int64_t)600000) /* that a sleep ends late */

struct sleeps {
    struct gt_clock_sleep *list;
    size_t count;
};

static int compare_by_end(const void *a, const void *b)
{
    const struct gt_clock_sleep *left = a, *right = b;

    return gt_order(left->end_ns, right->end_ns);
}

static int compare_by_function(const void *a, const void *b)
{
    const struct gt_clock_sleep *left = a, *right = b;

    if (left->process != right->process)
        return gt_order(left->process, right->process);
    if (left->function != right->function)
        return gt_order(left->function, right->function);
    return compare_by_end(a, b);
}

static int compare_by_call(const void *a, const void *b)
{
    const struct gt_clock_sleep *left = a, *right = b;

    if (left->thread != right->thread)
        return gt_order(left->thread, right->thread);
    if (left->call != right->call)
        return gt_order(left->call, right->call);
    return compare_by_end(a, b);
}

/* From the tenth to the ninetieth percentile. */
static int64_t spread_of(int64_t *values, size_t count)
{
    qsort(values, count, sizeof(*values), gt_order_of_ns);
    return values[count - 1 - count / 10] - values[count / 10];
}

/* What is left of the times between ends when whole periods are taken off; the width of the
 * grid is made to fit the first and the last end. */
static int64_t fit_grid(const struct sleeps *sleeps, int64_t *values)
{
    size_t count = sleeps->count - 1;
    int64_t all_ns = sleeps->list[count].end_ns - sleeps->list[0].end_ns, period_ns,
            periods = 0;

    for (size_t i = 0; i < count; i++)
        values[i] = sleeps->list[i + 1].end_ns - sleeps->list[i].end_ns;
    qsort(values, count, sizeof(*values), gt_order_of_ns);
    period_ns = values[count / 2];
    if (period_ns <= 0)
        return 0;
    for (size_t i = 0; i < count; i++)
        periods += (values[i] + period_ns / 2) / period_ns;
    period_ns = periods ? all_ns / periods : 0;
    for (size_t i = 0; i <= count && period_ns > 0; i++) {
        int64_t since_ns = sleeps->list[i].end_ns - sleeps->list[0].end_ns;

        values[i] = since_ns - (since_ns + period_ns / 2) / period_ns * period_ns;
    }
    return period_ns;
}

/*
 * Do they end on a grid, whenever they began? In the order of their ends. Sleeps that are as
 * long whatever was before would drift away from any. True, false, or -1: no memory.
 */
static int end_on_a_grid(const struct sleeps *sleeps)
{
    int64_t *values = calloc(sleeps->count, sizeof(*values)), period_ns, off_ns, spread_ns;

    if (!values)
        return -1;
    period_ns = fit_grid(sleeps, values);
    off_ns = spread_of(values, sleeps->count);
    for (size_t i = 0; i < sleeps->count; i++)
        values[i] = sleeps->list[i].end_ns - sleeps->list[i].start_ns;
    spread_ns = spread_of(values, sleeps->count);
    free(values);
    return period_ns > 4 * GRID_NS && off_ns < GRID_NS && 2 * spread_ns > 5 * off_ns;
}

/* Are they as long, whatever was before? Then it was not the clock that said so. */
static bool are_as_long(const struct sleeps *sleeps)
{
    int64_t least_ns = INT64_MAX, most_ns = 0;

    for (size_t i = 0; i < sleeps->count; i++) {
        int64_t length_ns = sleeps->list[i].end_ns - sleeps->list[i].start_ns;

        least_ns = length_ns < least_ns ? length_ns : least_ns;
        most_ns = length_ns > most_ns ? length_ns : most_ns;
    }
    return sleeps->count > 1 && most_ns - least_ns < GRID_NS;
}

static void explain_loops(struct gt_chunks *loops, const struct gt_clock_sleep *sleep)
{
    for (size_t i = 0; i < loops->count; i++) {
        struct gt_clock_loop *loop = gt_chunks_at(loops, i);

        if (loop->thread == sleep->thread &&
            (loop->call == sleep->call || loop->callee == sleep->function))
            loop->explained = true;
    }
}

static int add_sleeps(struct gt_deps *deps, const struct sleeps *sleeps,
                      struct gt_chunks *loops)
{
    uint32_t clock = deps->workload->clock_count++;
    const struct gt_clock_sleep *first = sleeps->list;
    bool late = false;
    int on_grid;

    for (size_t i = 0; i < sleeps->count; i++)
        late = late || sleeps->list[i].end_ns - sleeps->list[i].start_ns < GT_CPU_SHORT_NS;
    on_grid = !late && sleeps->count >= LEAST_ENDS ? end_on_a_grid(sleeps) : 0;
    if (on_grid < 0)
        return -1;
    if (!on_grid && !late && are_as_long(sleeps))
        return 0;
    for (size_t i = 0; i < sleeps->count; i++) {
        const struct gt_clock_sleep *sleep = &sleeps->list[i];
        bool sure = on_grid && sleep->timed_out;

        if (sure && (i == 0 || sleep->call != sleep[-1].call))
            explain_loops(loops, sleep);

        /* The thread that sleeps first starts the clock. */
        if (gt_deps_add(deps, GT_STEP_MARK, sleep->thread, sleep->start_ns, 0, clock) ||
            gt_deps_add_until(deps, sleep->thread, sure ? sleep->start_ns : sleep->end_ns,
                              sleep->end_ns, clock, sleep->end_ns - first->start_ns, !sure))
            return -1;
    }
    return 0;
}

/* Of one function: by call where each call sleeps several times, else together. */
static int group_sleeps(struct gt_deps *deps, struct sleeps all, struct gt_chunks *loops)
{
    size_t calls = 0;

    qsort(all.list, all.count, sizeof(*all.list), compare_by_call);
    for (size_t i = 0; i < all.count; i++)
        calls += i == 0 || all.list[i].call != all.list[i - 1].call ||
                 all.list[i].thread != all.list[i - 1].thread;
    if (calls * LEAST_SLEEPS > all.count) {
        qsort(all.list, all.count, sizeof(*all.list), compare_by_end);
        return add_sleeps(deps, &all, loops);
    }
    for (size_t at = 0, next; at < all.count; at = next) {
        struct sleeps group = {.list = all.list + at};

        for (next = at; next < all.count && all.list[next].call == all.list[at].call &&
                        all.list[next].thread == all.list[at].thread;
             next++)
            group.count++;
        if (add_sleeps(deps, &group, loops))
            return -1;
    }
    return 0;
}

int gt_deps_add_sleeps(struct gt_deps *deps, const struct gt_chunks *sleeps,
                       struct gt_chunks *loops)
{
    size_t count = sleeps->count;
    struct gt_clock_sleep *list = calloc(count + 1, sizeof(*list));
    int rc = list ? 0 : -1;

    for (size_t i = 0; rc == 0 && i < count; i++)
        list[i] = *(const struct gt_clock_sleep *)gt_chunks_at(sleeps, i);
    if (rc == 0)
        qsort(list, count, sizeof(*list), compare_by_function);
    for (size_t at = 0, next; rc == 0 && at < count; at = next) {
        for (next = at; next < count && list[next].process == list[at].process &&
                        list[next].function == list[at].function;
             next++)
            ;
        rc = group_sleeps(deps, (struct sleeps){list + at, next - at}, loops);
    }
    free(list);
    return rc;
}
