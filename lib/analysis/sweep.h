/* SPDX-License-Identifier: MIT */
/*
 * Private to analysis/: one walk over the life of a GIL. The caller goes from hold to gap to
 * hold; the sweep cuts each of these where the set of waiting threads changes.
 */
#ifndef GT_ANALYSIS_SWEEP_H
#define GT_ANALYSIS_SWEEP_H

#include "model/timeline.h"

/* Called for each stretch of time in which the same threads wait. 0 or -1. */
typedef int (*gt_sweep_fn)(void *context, int64_t from_ns, int64_t until_ns);

/* Called when a wait begins, and when it ends: a thread's next one never begins before. */
typedef void (*gt_sweep_change_fn)(void *context, const struct gt_span *wait, bool begins);

struct gt_sweep {
    const struct gt_gil *gil;
    uint32_t *starts, *ends; /* indices of waits, in the order of their starts, of their ends */
    size_t wait_count;       /* without those that took no time */
    size_t next_start, next_end;
    int64_t next_start_ns, next_end_ns; /* INT64_MAX: there is none */
    int64_t now_ns;                     /* what began or ended until then is known */
    size_t active_count;                /* waits that go on */
    gt_sweep_change_fn change;          /* may be NULL */
    void *context;
};

/* Of all waits for the GIL. 0 or -1. */
int gt_sweep_init(struct gt_sweep *sweep, const struct gt_gil *gil, gt_sweep_change_fn change,
                  void *context);
/* Of some: `count` indices of waits, in their order. */
int gt_sweep_init_some(struct gt_sweep *sweep, const struct gt_gil *gil, const uint32_t *waits,
                       size_t count, gt_sweep_change_fn change, void *context);
void gt_sweep_release(struct gt_sweep *sweep);

/* Private: note what began or ended until `time_ns`. */
void gt_sweep_catch_up(struct gt_sweep *sweep, int64_t time_ns);

/* Go from `from_ns`, where the last call ended or later, to `until_ns`. Waits that end at
 * `until_ns` are still active then. Inline, since most holds are one stretch: the caller's
 * function becomes part of its loop. */
static inline int gt_sweep_advance(struct gt_sweep *sweep, int64_t from_ns, int64_t until_ns,
                                   gt_sweep_fn stretch, void *context)
{
    while (from_ns < until_ns) {
        int64_t stop_ns = until_ns;

        if (sweep->next_start_ns <= from_ns || sweep->next_end_ns <= from_ns)
            gt_sweep_catch_up(sweep, from_ns);
        sweep->now_ns = from_ns;
        if (sweep->next_start_ns < stop_ns)
            stop_ns = sweep->next_start_ns;
        if (sweep->next_end_ns < stop_ns)
            stop_ns = sweep->next_end_ns;
        if (stretch(context, from_ns, stop_ns))
            return -1;
        from_ns = stop_ns;
    }
    return 0;
}

/* When the first wait begins, and the last one ends. */
int64_t gt_sweep_first_ns(const struct gt_sweep *sweep);
int64_t gt_sweep_last_ns(const struct gt_sweep *sweep);

/* The earliest start, after `after_ns`, of the waits that go on; INT64_MAX: there is none.
 * *cursor is 0 at first, and `after_ns` never decreases. */
int64_t gt_sweep_earliest_ns(const struct gt_sweep *sweep, size_t *cursor, int64_t after_ns);

/* Does nobody wait from where the last call ended until then? */
static inline bool gt_sweep_is_empty(const struct gt_sweep *sweep, int64_t until_ns)
{
    return sweep->active_count == 0 && sweep->next_start_ns >= until_ns;
}

#endif
