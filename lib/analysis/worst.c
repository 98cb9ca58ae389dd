/* SPDX-License-Identifier: MIT */
#include "analysis/worst.h"

#include "analysis/gil_times.h"
#include "analysis/thread_kinds.h"
#include "base/nstime.h"

#include <stdlib.h>

const int64_t gt_worst_lengths_ns[GT_WORST_LENGTHS] = {
    GT_NS_PER_S / 10, GT_NS_PER_S, 2LL * GT_NS_PER_S, 10LL * GT_NS_PER_S, 60LL * GT_NS_PER_S};

/* --- windows of given lengths --- */

static int find_windows(struct gt_worst *worst, const struct gt_gil *gil,
                        const struct gt_covers *covers)
{
    struct gt_cover all; /* known, and what may be */
    int rc;

    gt_cover_init(&all);
    rc = covers->maybe.count
             ? gt_cover_add_all(&all, &covers->known) || gt_cover_add_all(&all, &covers->maybe)
             : 0;
    gt_cover_sort(&all);
    for (int i = 0; rc == 0 && i < GT_WORST_LENGTHS; i++) {
        int64_t length_ns = gt_worst_lengths_ns[i];
        struct gt_cover_most most;

        if (length_ns >= gt_gil_life_ns(gil))
            break;
        most = gt_cover_most(&covers->known, gil->start_ns, gil->end_ns, length_ns);
        worst->windows[worst->window_count++] = (struct gt_worst_window){
            .length_ns = length_ns,
            .start_ns = most.start_ns,
            .wait_ns = most.ns,
            .lives_ns =
                gt_cover_within(&covers->lives, most.start_ns, most.start_ns + length_ns),
            .unknown_ns =
                gt_cover_within(&covers->maybe, most.start_ns, most.start_ns + length_ns),
            .at_most_ns = all.count
                              ? gt_cover_most(&all, gil->start_ns, gil->end_ns, length_ns).ns
                              : most.ns,
        };
    }
    gt_cover_release(&all);
    return rc;
}

/* --- the stretch --- */

static double density(const struct gt_worst_window *window)
{
    return (double)window->wait_ns * (double)window->wait_ns / (double)window->length_ns;
}

static const struct gt_worst_window *densest(const struct gt_worst *worst)
{
    const struct gt_worst_window *found = &worst->windows[0];

    for (uint32_t i = 1; i < worst->window_count; i++)
        if (density(&worst->windows[i]) > density(found))
            found = &worst->windows[i];
    return found;
}

/* Goes through the waits, and what is not known, from one change to the next. */
struct walk {
    struct gt_cover_cursor known, maybe;
    const struct gt_worst_window *window;
};

static int64_t next_change_ns(const struct walk *walk)
{
    int64_t known_ns = gt_cover_next_ns(&walk->known),
            maybe_ns = gt_cover_next_ns(&walk->maybe);

    return known_ns < maybe_ns ? known_ns : maybe_ns;
}

/* How much waiting exceeds half of the window's, per time, twice the window's length for each
 * ns of it: whole numbers. */
static __int128 excess(const struct walk *walk)
{
    __int128 now = (__int128)gt_cover_open(&walk->known) * 2 * walk->window->length_ns -
                   walk->window->wait_ns;

    return now < 0 && gt_cover_open(&walk->maybe) ? 0 : now;
}

/* The part of a sequence with the greatest sum: a part that is worth nothing is no beginning.
 */
static void find_stretch(struct gt_worst_stretch *stretch, struct walk *walk)
{
    int64_t start_ns = walk->known.at_ns, at_ns = start_ns, next_ns;
    __int128 sum = 0, greatest = 0;

    while ((next_ns = next_change_ns(walk)) != INT64_MAX) {
        if (sum <= 0) {
            sum = 0;
            start_ns = at_ns;
        }
        sum += excess(walk) * (next_ns - at_ns);
        if (sum > greatest) {
            greatest = sum;
            stretch->start_ns = start_ns;
            stretch->end_ns = next_ns;
        }
        gt_cover_move(&walk->known, next_ns);
        gt_cover_move(&walk->maybe, next_ns);
        at_ns = next_ns;
    }
}

/* --- who waited in it --- */

/* What one member did in the stretch. */
struct part {
    int64_t wait_ns, lives_ns, unknown_ns;
};

static int64_t common_ns(int64_t start_ns, int64_t end_ns, const struct gt_worst_stretch *with)
{
    int64_t from_ns = start_ns > with->start_ns ? start_ns : with->start_ns;
    int64_t until_ns = end_ns < with->end_ns ? end_ns : with->end_ns;

    return until_ns > from_ns ? until_ns - from_ns : 0;
}

static void add_unknown(struct part *part, const struct gt_timeline *timeline,
                        const struct gt_gil *gil, const struct gt_span *span,
                        const struct gt_worst_stretch *stretch)
{
    int64_t ns = common_ns(span->start_ns, span->end_ns, stretch);
    int64_t start_ns = span->start_ns > stretch->start_ns ? span->start_ns : stretch->start_ns;

    if (ns)
        part->unknown_ns +=
            ns - gt_lost_within(gt_lost_of(timeline, gil->process), start_ns, start_ns + ns);
}

static void measure(struct part *parts, const struct gt_timeline *timeline,
                    const struct gt_members *members, const struct gt_worst_stretch *stretch)
{
    const struct gt_gil *gil = members->gil;

    for (size_t i = 0; i < gil->waits.count; i++) {
        const struct gt_span *span = gt_span_at(&gil->waits, i);
        int64_t ns = common_ns(span->start_ns, span->end_ns, stretch);

        if (ns)
            parts[gt_members_of(members, span->thread)].wait_ns += ns;
    }
    for (size_t i = 0; i < gil->unknowns.count; i++) {
        const struct gt_span *span = gt_span_at(&gil->unknowns, i);

        add_unknown(&parts[gt_members_of(members, span->thread)], timeline, gil, span, stretch);
    }
    for (uint32_t i = 0; i < gil->members.count; i++) {
        struct gt_cover_life life =
            gt_cover_life(timeline, gil, gt_gil_thread_at(gil, i)->thread);
        int64_t ns = common_ns(life.start_ns, life.end_ns, stretch);
        int64_t start_ns =
            life.start_ns > stretch->start_ns ? life.start_ns : stretch->start_ns;

        parts[i].lives_ns = ns;
        if (ns)
            parts[i].unknown_ns +=
                gt_lost_within(gt_lost_of(timeline, gil->process), start_ns, start_ns + ns);
    }
}

static void add_part(struct part *sum, const struct part *part)
{
    sum->wait_ns = gt_add_ns(sum->wait_ns, part->wait_ns);
    sum->lives_ns = gt_add_ns(sum->lives_ns, part->lives_ns);
    sum->unknown_ns = gt_add_ns(sum->unknown_ns, part->unknown_ns);
}

/* Whose waiting it was, as a rule: the kind that waited longest, if that was two thirds of it.
 * 0 or -1. */
static int choose_kind(struct gt_worst_stretch *stretch, const struct part *parts,
                       const struct gt_thread_kinds *kinds)
{
    struct part *sums = calloc(kinds->count + 1, sizeof(*sums));
    uint32_t most = 0;

    if (!sums)
        return -1;
    for (uint32_t k = 0; k < kinds->count; k++) {
        const struct gt_thread_kind *kind = &kinds->list[k];

        for (uint32_t i = kind->first; i < kind->first + kind->count; i++)
            add_part(&sums[k], &parts[kinds->members[i]]);
        if (sums[k].wait_ns > sums[most].wait_ns)
            most = k;
    }
    stretch->kind = GT_NO_INDEX;
    if (sums[most].wait_ns >= stretch->wait_ns - stretch->wait_ns / 3)
        stretch->kind = most;
    free(sums);
    return 0;
}

static void sum_kind(struct gt_worst_stretch *stretch, const struct part *parts,
                     const struct gt_thread_kinds *kinds, const struct gt_gil *gil)
{
    struct part sum = {0};
    int64_t longest_ns = -1;

    for (uint32_t i = 0; i < gil->members.count; i++) {
        if (stretch->kind == GT_NO_INDEX ? !parts[i].wait_ns
                                         : kinds->kind_of[i] != stretch->kind)
            continue;
        if (!parts[i].lives_ns)
            continue;
        add_part(&sum, &parts[i]);
        stretch->threads++;
        if (parts[i].wait_ns > longest_ns)
            stretch->thread = gt_gil_thread_at(gil, i)->thread;
        if (parts[i].wait_ns > longest_ns)
            longest_ns = parts[i].wait_ns;
    }
    stretch->kind_wait_ns = sum.wait_ns;
    stretch->kind_lives_ns = sum.lives_ns;
    stretch->kind_unknown_ns = sum.unknown_ns;
}

static int find_waiters(struct gt_worst_stretch *stretch, const struct gt_timeline *timeline,
                        const struct gt_members *members, const struct gt_thread_kinds *kinds)
{
    size_t count = members->gil->members.count;
    struct part *parts = calloc(count + 1, sizeof(*parts)), sum = {0};
    int rc;

    if (!parts)
        return -1;
    measure(parts, timeline, members, stretch);
    for (size_t i = 0; i < count; i++)
        add_part(&sum, &parts[i]);
    stretch->wait_ns = sum.wait_ns;
    stretch->lives_ns = sum.lives_ns;
    stretch->unknown_ns = sum.unknown_ns;
    rc = choose_kind(stretch, parts, kinds);
    if (rc == 0)
        sum_kind(stretch, parts, kinds, members->gil);
    free(parts);
    return rc;
}

/* --- is it worse than the whole? --- */

static bool is_told(const struct gt_worst_stretch *stretch, const struct gt_gil *gil)
{
    enum { TIMES = 2, LEAST_PERCENT = 10 };
    int64_t length_ns = stretch->end_ns - stretch->start_ns;
    double all_ns = (double)gt_gil_wait_ns(gil); /* at the most */

    for (uint32_t i = 0; i < gil->members.count; i++)
        all_ns += (double)gt_gil_thread_at(gil, i)->unknown_ns;
    /* Where returns of take_gil are missing, nobody knows how long the other waits were. */
    if (length_ns < gt_worst_lengths_ns[0] || gil->defects.returns_missing)
        return false;
    return gt_percent(stretch->kind_wait_ns, stretch->kind_lives_ns) >= LEAST_PERCENT &&
           (double)stretch->wait_ns * (double)gt_gil_life_ns(gil) >=
               TIMES * (double)length_ns * all_ns;
}

/* 0 or -1. */
static int judge_stretch(struct gt_worst *worst, const struct gt_timeline *timeline,
                         const struct gt_gil *gil, const struct gt_covers *covers)
{
    struct walk walk = {.window = densest(worst)};
    struct gt_thread_kinds kinds;
    struct gt_members members;
    int rc;

    gt_cover_begin(&walk.known, &covers->known, gil->start_ns);
    gt_cover_begin(&walk.maybe, &covers->maybe, gil->start_ns);
    find_stretch(&worst->stretch, &walk);
    rc = gt_members_init(&members, gil);
    rc = gt_thread_kinds_init(&kinds, timeline, gil, NULL) || rc ? -1 : 0;
    if (rc == 0)
        rc = find_waiters(&worst->stretch, timeline, &members, &kinds);
    gt_thread_kinds_release(&kinds);
    gt_members_release(&members);
    if (rc == 0)
        worst->told = is_told(&worst->stretch, gil);
    return rc;
}

int gt_worst_find(struct gt_worst *worst, const struct gt_timeline *timeline, uint32_t index,
                  const struct gt_covers *covers)
{
    const struct gt_gil *gil = gt_gil_at(timeline, index);

    if (!covers->known.count || gt_gil_life_ns(gil) <= gt_worst_lengths_ns[0])
        return 0;
    if (find_windows(worst, gil, covers))
        return -1;
    return judge_stretch(worst, timeline, gil, covers);
}
