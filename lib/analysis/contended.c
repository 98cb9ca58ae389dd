/* SPDX-License-Identifier: MIT */
#include "analysis/contended.h"

#include <stdlib.h>

/* The union of all waits: stretches in the order of time, which do not touch. */
struct joined {
    struct stretch {
        int64_t start_ns, end_ns;
        int64_t before_ns; /* of all stretches before */
    } * stretches;
    size_t count;
};

static int join(struct joined *joined, const struct gt_cover *waits)
{
    struct gt_cover_cursor cursor;
    int64_t next_ns;
    bool open = false;

    joined->stretches = calloc(waits->count + 1, sizeof(*joined->stretches));
    if (!joined->stretches)
        return -1;
    gt_cover_begin(&cursor, waits, INT64_MIN);
    while ((next_ns = gt_cover_next_ns(&cursor)) != INT64_MAX) {
        struct stretch *at = &joined->stretches[joined->count];

        gt_cover_move(&cursor, next_ns);
        if (!open && gt_cover_open(&cursor)) {
            at->start_ns = next_ns;
        } else if (open && !gt_cover_open(&cursor)) {
            at->end_ns = next_ns;
            at[1].before_ns = at->before_ns + (next_ns - at->start_ns);
            joined->count++;
        }
        open = gt_cover_open(&cursor) > 0;
    }
    return 0;
}

/* The first stretch that ends at a time or later. */
static size_t first_from(const struct joined *joined, int64_t time_ns)
{
    size_t low = 0, high = joined->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (joined->stretches[middle].end_ns < time_ns)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* How much of all stretches comes before a time. */
static int64_t before_ns(const struct joined *joined, int64_t time_ns)
{
    size_t index = first_from(joined, time_ns);
    const struct stretch *at = &joined->stretches[index]; /* behind the last is the sum */

    return at->before_ns +
           (index < joined->count && time_ns > at->start_ns ? time_ns - at->start_ns : 0);
}

static int64_t within_ns(const struct joined *joined, int64_t start_ns, int64_t end_ns)
{
    return start_ns < end_ns ? before_ns(joined, end_ns) - before_ns(joined, start_ns) : 0;
}

static void measure(struct gt_contended *contended, const struct gt_timeline *timeline,
                    const struct gt_members *members, const struct gt_blockers *blockers,
                    const struct joined *joined)
{
    const struct gt_gil *gil = members->gil;

    for (uint32_t i = 0; i < gil->members.count; i++) {
        struct gt_cover_life life =
            gt_cover_life(timeline, gil, gt_gil_thread_at(gil, i)->thread);

        contended->members[i].ns = within_ns(joined, life.start_ns, life.end_ns);
        contended->members[i].hold_ns = gt_gaps_at(blockers, i)->contended_hold_ns;
    }
    for (size_t i = 0; i < gil->unknowns.count; i++) {
        const struct gt_span *span = gt_span_at(&gil->unknowns, i);

        contended->members[gt_members_of(members, span->thread)].ns -=
            within_ns(joined, span->start_ns, span->end_ns);
    }
}

int gt_contended_init(struct gt_contended *contended, const struct gt_timeline *timeline,
                      const struct gt_gil *gil, const struct gt_blockers *blockers,
                      const struct gt_covers *covers)
{
    struct joined joined = {0};
    struct gt_members members = {0};
    int rc;

    *contended = (struct gt_contended){0};
    if (!covers->known.count)
        return 0;
    contended->members = calloc(gil->members.count + 1, sizeof(*contended->members));
    if (!contended->members)
        return -1;
    rc = join(&joined, &covers->known);
    if (rc == 0)
        rc = gt_members_init(&members, gil);
    if (rc == 0) {
        contended->ns = joined.stretches[joined.count].before_ns;
        measure(contended, timeline, &members, blockers, &joined);
    }
    gt_members_release(&members);
    free(joined.stretches);
    return rc;
}

void gt_contended_release(struct gt_contended *contended)
{
    free(contended->members);
    *contended = (struct gt_contended){0};
}
