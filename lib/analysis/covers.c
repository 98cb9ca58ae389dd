/* SPDX-License-Identifier: MIT */
#include "analysis/covers.h"

#include <stdlib.h>
#include <string.h>

void gt_covers_init(struct gt_covers *covers)
{
    *covers = (struct gt_covers){0};
}

void gt_covers_release(struct gt_covers *covers)
{
    gt_cover_release(&covers->known);
    gt_cover_release(&covers->maybe);
    gt_cover_release(&covers->lives);
}

void gt_covers_sort(struct gt_covers *covers)
{
    gt_cover_sort(&covers->known);
    gt_cover_sort(&covers->maybe);
    gt_cover_sort(&covers->lives);
}

struct gt_cover_life gt_cover_life(const struct gt_timeline *timeline, const struct gt_gil *gil,
                                   uint32_t index)
{
    const struct gt_thread *thread = gt_thread_at(timeline, index);

    return (struct gt_cover_life){thread->start_ns > gil->start_ns ? thread->start_ns
                                                                   : gil->start_ns,
                                  thread->end_ns < gil->end_ns ? thread->end_ns : gil->end_ns};
}

/* Spans of a list: all, or those that indices name. */
struct some {
    const struct gt_chunks *spans;
    const uint32_t *indices; /* NULL: all */
    size_t count;
};

static const struct gt_span *some_at(const struct some *some, size_t i)
{
    return gt_span_at(some->spans, some->indices ? some->indices[i] : i);
}

/* What all threads of a GIL did, or one of them. */
struct part {
    const struct gt_timeline *timeline;
    const struct gt_gil *gil;
    struct some waits, holds, unknowns;
    uint32_t first_member, end_member;
    bool joined; /* all that is lost counts as one range */
};

/* --- what is lost --- */

static size_t count_lost(const struct part *part, const struct gt_chunks *lost)
{
    return part->joined ? lost->count > 0 : lost->count;
}

static struct gt_lost_range lost_at(const struct part *part, const struct gt_chunks *lost,
                                    size_t i)
{
    struct gt_lost_range range = *(struct gt_lost_range *)gt_chunks_at(lost, i);

    if (part->joined)
        range.end_ns = ((struct gt_lost_range *)gt_chunks_last(lost))->end_ns;
    return range;
}

/* Add, or take out, what is lost of [start, end). */
static int change_lost(const struct part *part, struct gt_cover *cover, int64_t start_ns,
                       int64_t end_ns, bool add)
{
    const struct gt_chunks *lost = gt_lost_of(part->timeline, part->gil->process);

    for (size_t i = part->joined ? 0 : gt_lost_after(lost, start_ns);
         i < count_lost(part, lost); i++) {
        struct gt_lost_range range = lost_at(part, lost, i);

        if (range.start_ns >= end_ns)
            break;
        if (range.start_ns < start_ns)
            range.start_ns = start_ns;
        if (range.end_ns > end_ns)
            range.end_ns = end_ns;
        if (add ? gt_cover_add(cover, range.start_ns, range.end_ns)
                : gt_cover_remove(cover, range.start_ns, range.end_ns))
            return -1;
    }
    return 0;
}

/* --- what is known, and what is not --- */

static int add_spans(struct gt_cover *cover, const struct some *some)
{
    for (size_t i = 0; i < some->count; i++)
        if (gt_cover_add(cover, some_at(some, i)->start_ns, some_at(some, i)->end_ns))
            return -1;
    return 0;
}

static int remove_spans(struct gt_cover *cover, const struct some *some)
{
    for (size_t i = 0; i < some->count; i++)
        if (gt_cover_remove(cover, some_at(some, i)->start_ns, some_at(some, i)->end_ns))
            return -1;
    return 0;
}

static int add_lives(const struct part *part, struct gt_cover *cover, bool lost)
{
    for (uint32_t i = part->first_member; i < part->end_member; i++) {
        struct gt_cover_life life =
            gt_cover_life(part->timeline, part->gil, gt_gil_thread_at(part->gil, i)->thread);

        if (life.start_ns < life.end_ns &&
            (lost ? change_lost(part, cover, life.start_ns, life.end_ns, true)
                  : gt_cover_add(cover, life.start_ns, life.end_ns)))
            return -1;
    }
    return 0;
}

static int add_unknown(const struct part *part, struct gt_cover *cover)
{
    for (size_t i = 0; i < part->unknowns.count; i++) {
        const struct gt_span *span = some_at(&part->unknowns, i);

        if (gt_cover_add(cover, span->start_ns, span->end_ns) ||
            change_lost(part, cover, span->start_ns, span->end_ns, false))
            return -1;
    }
    return add_lives(part, cover, true);
}

static int add_part(struct gt_covers *covers, const struct part *part, bool holds)
{
    if (add_spans(&covers->known, holds ? &part->holds : &part->waits) ||
        add_lives(part, &covers->lives, false))
        return -1;
    /* Of futex calls, holds that nobody waited for are not seen. */
    if (holds && part->gil->source == GT_GIL_FROM_FUTEX)
        return add_lives(part, &covers->maybe, false) ||
                       remove_spans(&covers->maybe, &part->waits) ||
                       remove_spans(&covers->maybe, &part->holds)
                   ? -1
                   : 0;
    /* Where returns of take_gil are missing, what looks like a hold began as a wait. */
    if (!holds && part->gil->defects.returns_missing && add_spans(&covers->maybe, &part->holds))
        return -1;
    return add_unknown(part, &covers->maybe);
}

static bool is_joined(const struct gt_timeline *timeline, const struct gt_gil *gil)
{
    enum { MOST = 1 << 20 };

    return gil->members.count * gt_lost_of(timeline, gil->process)->count > MOST;
}

int gt_covers_add_gil(struct gt_covers *covers, const struct gt_timeline *timeline,
                      const struct gt_gil *gil, bool holds)
{
    const struct part all = {
        .timeline = timeline,
        .gil = gil,
        .waits = {&gil->waits, NULL, gil->waits.count},
        .holds = {&gil->holds, NULL, gil->holds.count},
        .unknowns = {&gil->unknowns, NULL, gil->unknowns.count},
        .end_member = (uint32_t)gil->members.count,
        .joined = is_joined(timeline, gil),
    };

    return add_part(covers, &all, holds);
}

/* --- by member --- */

static int sort_by_member(struct by_member *by, const struct gt_members *members,
                          const struct gt_chunks *spans)
{
    size_t count = members->gil->members.count;

    by->spans = calloc(spans->count + 1, sizeof(*by->spans));
    by->first = calloc(count + 2, sizeof(*by->first));
    if (!by->spans || !by->first)
        return -1;
    for (size_t i = 0; i < spans->count; i++)
        by->first[gt_members_of(members, gt_span_at(spans, i)->thread) + 2]++;
    for (size_t i = 2; i < count + 2; i++)
        by->first[i] += by->first[i - 1];
    for (size_t i = 0; i < spans->count; i++) {
        size_t *at = &by->first[gt_members_of(members, gt_span_at(spans, i)->thread) + 1];

        by->spans[(*at)++] = (uint32_t)i;
    }
    return 0;
}

int gt_covers_index_init(struct gt_covers_index *index, const struct gt_gil *gil)
{
    memset(index, 0, sizeof(*index));
    if (gt_members_init(&index->members, gil))
        return -1;
    if (sort_by_member(&index->waits, &index->members, &gil->waits))
        return -1;
    if (sort_by_member(&index->holds, &index->members, &gil->holds))
        return -1;
    return sort_by_member(&index->unknowns, &index->members, &gil->unknowns);
}

static void release_by(struct by_member *by)
{
    free(by->spans);
    free(by->first);
}

void gt_covers_index_release(struct gt_covers_index *index)
{
    release_by(&index->waits);
    release_by(&index->holds);
    release_by(&index->unknowns);
    gt_members_release(&index->members);
}

static struct some some_of(const struct gt_chunks *spans, const struct by_member *by,
                           uint32_t member)
{
    return (struct some){spans, by->spans + by->first[member],
                         by->first[member + 1] - by->first[member]};
}

int gt_covers_add_member(struct gt_covers *covers, const struct gt_timeline *timeline,
                         const struct gt_covers_index *index, uint32_t member, bool holds)
{
    const struct gt_gil *gil = index->members.gil;
    const struct part one = {
        .timeline = timeline,
        .gil = gil,
        .waits = some_of(&gil->waits, &index->waits, member),
        .holds = some_of(&gil->holds, &index->holds, member),
        .unknowns = some_of(&gil->unknowns, &index->unknowns, member),
        .first_member = member,
        .end_member = member + 1,
        .joined = is_joined(timeline, gil),
    };

    return add_part(covers, &one, holds);
}
