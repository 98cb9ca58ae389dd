/* SPDX-License-Identifier: MIT */
#include "analysis/worst_range.h"

#include "analysis/bounds.h"
#include "base/nstime.h"

/* A window that moves: what may be in it, and how long threads lived in it. */
struct moving {
    struct gt_cover_window all, lives;
    int64_t length_ns;
};

/* What there is in one position. */
struct position {
    double all_ns, lives_ns;
};

static struct position now(const struct moving *moving)
{
    return (struct position){(double)gt_cover_window_ns(&moving->all),
                             (double)gt_cover_window_ns(&moving->lives)};
}

static double whole(double lives_ns, int64_t length_ns)
{
    return lives_ns > (double)length_ns ? lives_ns : (double)length_ns;
}

/* Where what is in the window begins, or ends, to grow or to shrink. */
static int64_t next_turn_ns(const struct gt_cover_window *window, int64_t length_ns)
{
    int64_t from_ns = gt_cover_next_ns(&window->from);
    int64_t until_ns = gt_cover_next_ns(&window->until);

    if (until_ns != INT64_MAX)
        until_ns -= length_ns;
    return from_ns < until_ns ? from_ns : until_ns;
}

/*
 * From one turn to the next all grows evenly. So the greatest share is at one of the two, or
 * where the lives begin, or cease, to be longer than the window. Positions in which less can
 * have been than what is known elsewhere are not the worst one.
 */
static void consider(struct gt_worst_range *range, double *most_lives_ns,
                     const struct moving *moving, struct position a, struct position b)
{
    double length_ns = (double)moving->length_ns, most_ns = (double)range->ns;
    double shares[3] = {a.all_ns / whole(a.lives_ns, moving->length_ns),
                        b.all_ns / whole(b.lives_ns, moving->length_ns), 0};

    if (a.all_ns < most_ns && b.all_ns < most_ns)
        return;
    if ((a.lives_ns < length_ns) != (b.lives_ns < length_ns)) {
        double part = (length_ns - a.lives_ns) / (b.lives_ns - a.lives_ns);

        shares[2] = (a.all_ns + part * (b.all_ns - a.all_ns)) / length_ns;
    }
    for (int i = 0; i < 3; i++)
        if (100 * shares[i] > range->high)
            range->high = 100 * shares[i];
    if (a.lives_ns > *most_lives_ns)
        *most_lives_ns = a.lives_ns;
    if (b.lives_ns > *most_lives_ns)
        *most_lives_ns = b.lives_ns;
}

static void find_bounds(struct gt_worst_range *range, const struct gt_cover *all,
                        const struct gt_cover *lives, int64_t from_ns, int64_t last_ns,
                        int64_t length_ns)
{
    struct moving moving = {.length_ns = length_ns};
    double most_lives_ns = 0;
    struct position before, here;

    gt_cover_window_begin(&moving.all, all, from_ns, length_ns);
    gt_cover_window_begin(&moving.lives, lives, from_ns, length_ns);
    before = now(&moving);
    do {
        int64_t all_ns = next_turn_ns(&moving.all, length_ns);
        int64_t at_ns = next_turn_ns(&moving.lives, length_ns);

        at_ns = all_ns < at_ns ? all_ns : at_ns;
        at_ns = last_ns < at_ns ? last_ns : at_ns;
        gt_cover_window_move(&moving.all, at_ns, length_ns);
        gt_cover_window_move(&moving.lives, at_ns, length_ns);
        here = now(&moving);
        consider(range, &most_lives_ns, &moving, before, here);
        before = here;
        from_ns = at_ns;
    } while (from_ns < last_ns);
    range->low = 100 * (double)range->ns / whole(most_lives_ns, length_ns);
    if (range->high > 100) /* where more may be than can be (covers.h) */
        range->high = 100;
    if (range->high < range->percent)
        range->high = range->percent;
}

/* Where a run begins and ends. */
struct run {
    int64_t start_ns, end_ns;
};

static struct run run_of(const struct gt_timeline *timeline)
{
    int64_t start_ns = timeline->start_ns > 0 ? timeline->start_ns : 0;

    return (struct run){start_ns, timeline->end_ns > start_ns ? timeline->end_ns : start_ns};
}

/* A run that is shorter is one window. */
static int64_t length_in(struct run run, int64_t length_ns)
{
    return length_ns < run.end_ns - run.start_ns ? length_ns : run.end_ns - run.start_ns;
}

/* What is known, of a length above 0. */
static struct gt_worst_range known_range(const struct gt_covers *covers, struct run run,
                                         int64_t length_ns)
{
    struct gt_cover_most most =
        gt_cover_most(&covers->known, run.start_ns, run.end_ns, length_ns);
    int64_t lives_ns =
        gt_cover_within(&covers->lives, most.start_ns, most.start_ns + length_ns);
    double percent = 100 * (double)most.ns / whole((double)lives_ns, length_ns);

    return (struct gt_worst_range){most.start_ns, most.ns, most.ns, percent, percent, percent};
}

/* What may be becomes all that may be. 0 or -1. */
static int find_in_run(struct gt_worst_range *range, const struct gt_timeline *timeline,
                       struct gt_covers *covers, int64_t length_ns)
{
    struct run run = run_of(timeline);

    *range = (struct gt_worst_range){.start_ns = run.start_ns};
    length_ns = length_in(run, length_ns);
    if (length_ns <= 0)
        return 0;
    gt_covers_sort(covers);
    *range = known_range(covers, run, length_ns);
    if (!covers->maybe.count)
        return 0;
    if (gt_cover_add_all(&covers->maybe, &covers->known))
        return -1;
    gt_cover_sort(&covers->maybe);
    range->most_ns = gt_cover_most(&covers->maybe, run.start_ns, run.end_ns, length_ns).ns;
    find_bounds(range, &covers->maybe, &covers->lives, run.start_ns, run.end_ns - length_ns,
                length_ns);
    return 0;
}

static int add_unseen(struct gt_covers *covers, int64_t start_ns, int64_t end_ns)
{
    return gt_cover_add(&covers->maybe, start_ns, end_ns) ||
                   gt_cover_add(&covers->lives, start_ns, end_ns)
               ? -1
               : 0;
}

/* As gt_bounds_add_unseen, and gt_bounds_add_without_gil. */
static int add_others(struct gt_covers *covers, const struct gt_timeline *timeline)
{
    for (size_t i = 0; i < timeline->holes.count; i++) {
        const struct gt_hole *hole = gt_hole_at(&timeline->holes, i);

        if (hole->gil && !gt_process_at(timeline, hole->process)->thread_count &&
            add_unseen(covers, hole->start_ns, hole->end_ns))
            return -1;
    }
    for (size_t i = 0; i < timeline->unseen.count; i++) {
        const struct gt_unseen *unseen = gt_chunks_at(&timeline->unseen, i);
        const struct gt_process *process = gt_process_at(timeline, unseen->process);

        if (add_unseen(covers, process->start_ns, process->end_ns))
            return -1;
    }
    for (uint32_t i = 0; i < timeline->threads.count; i++) {
        const struct gt_thread *thread = gt_thread_at(timeline, i);

        if (gt_bounds_is_without_gil(timeline, i) &&
            gt_cover_add(&covers->lives, thread->start_ns, thread->end_ns))
            return -1;
    }
    return 0;
}

static int add_all(struct gt_covers *covers, const struct gt_timeline *timeline, bool holds)
{
    for (uint32_t i = 0; i < timeline->gils.count; i++)
        if (gt_covers_add_gil(covers, timeline, gt_gil_at(timeline, i), holds))
            return -1;
    return add_others(covers, timeline);
}

int gt_worst_range_of_all(struct gt_worst_range *range, const struct gt_timeline *timeline,
                          int64_t length_ns, bool holds)
{
    struct gt_covers covers;
    int rc;

    gt_covers_init(&covers);
    rc = add_all(&covers, timeline, holds);
    if (rc == 0)
        rc = find_in_run(range, timeline, &covers, length_ns);
    gt_covers_release(&covers);
    if (rc == 0 && gt_left_out_any(&timeline->left_out)) { /* nobody knows how much that is */
        range->most_ns = INT64_MAX;
        range->low = 0;
        range->high = 100;
    }
    return rc;
}

int gt_worst_waits(double *percents, const struct gt_timeline *timeline,
                   const int64_t *lengths_ns, size_t count)
{
    struct run run = run_of(timeline);
    struct gt_covers covers;
    int rc;

    gt_covers_init(&covers);
    rc = add_all(&covers, timeline, false);
    gt_covers_sort(&covers);
    for (size_t i = 0; rc == 0 && i < count; i++) {
        int64_t length_ns = length_in(run, lengths_ns[i]);

        percents[i] = length_ns > 0 ? known_range(&covers, run, length_ns).percent : 0;
    }
    gt_covers_release(&covers);
    return rc;
}

int gt_worst_range_of_member(struct gt_worst_range *range, const struct gt_timeline *timeline,
                             const struct gt_covers_index *index, uint32_t member,
                             int64_t length_ns, bool holds)
{
    struct gt_covers covers;
    int rc;

    gt_covers_init(&covers);
    rc = gt_covers_add_member(&covers, timeline, index, member, holds);
    if (rc == 0)
        rc = find_in_run(range, timeline, &covers, length_ns);
    gt_covers_release(&covers);
    return rc;
}
