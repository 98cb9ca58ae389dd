/* SPDX-License-Identifier: MIT */
#include "model/append_parts.h"

#include "base/buf.h"

#include <string.h>

/* What is described like a GIL, and what all of append uses. */

void gt_move_span_list(const struct gt_move *move, struct gt_chunks *spans)
{
    for (size_t i = 0; i < spans->count; i++) {
        struct gt_span *span = gt_chunks_at(spans, i);

        span->start_ns = gt_move_ns(move, span->start_ns);
        span->end_ns = gt_move_ns(move, span->end_ns);
        span->thread = gt_move_index(span->thread, move->threads);
    }
}

void *gt_move_push(struct gt_chunks *list, const void *element)
{
    void *pushed = gt_chunks_push(list);

    return pushed ? memcpy(pushed, element, list->element_size) : NULL;
}

int gt_move_pad(struct gt_chunks *list, size_t count, const void *element)
{
    while (list->count < count)
        if (!gt_move_push(list, element))
            return -1;
    return 0;
}

int gt_move_all(struct gt_chunks *to, struct gt_chunks *from)
{
    for (size_t i = 0; i < from->count; i++) {
        void *element = gt_chunks_at(from, i);

        if (!gt_move_push(to, element))
            return -1;
        memset(element, 0, from->element_size); /* what it owned is not released twice */
    }
    gt_chunks_truncate(from, 0);
    return 0;
}

uint32_t gt_move_name_in(const struct gt_move *move, uint32_t name)
{
    struct gt_buf text;
    uint32_t id = UINT32_MAX;

    gt_buf_init(&text);
    if (gt_buf_addf(&text, "%s: ", move->called) == 0 &&
        gt_buf_add(&text, gt_intern_text(&move->from->names, name),
                   gt_intern_length(&move->from->names, name)) == 0)
        id = gt_intern_add(&move->to->names, text.data, text.length);
    gt_buf_release(&text);
    return id;
}

static int64_t length_of(const struct gt_span *span)
{
    return span->end_ns - span->start_ns;
}

/* Where a rate changed lengths, sums are those of the spans again, to the nanosecond. */
static void sum_again(const struct gt_move *move, struct gt_gil *gil)
{
    for (uint32_t i = 0; i < gil->members.count; i++) {
        struct gt_gil_thread *member = gt_chunks_at(&gil->members, i);
        int64_t free_ns =
            member->lifetime_ns - member->hold_ns - member->wait_ns - member->unknown_ns;

        member->unknown_ns = gt_move_length(move, member->unknown_ns);
        member->lifetime_ns = gt_move_length(move, free_ns) + member->unknown_ns;
        member->hold_ns = member->wait_ns = 0;
        member->longest_hold_ns = member->longest_wait_ns = 0;
    }
    for (int waits = 0; waits < 2; waits++) {
        const struct gt_chunks *spans = waits ? &gil->waits : &gil->holds;

        for (size_t i = 0; i < spans->count; i++) {
            const struct gt_span *span = gt_span_at(spans, i);
            uint32_t index = gt_hashmap_get(&gil->member_of, span->thread);
            struct gt_gil_thread *member =
                index == GT_HASHMAP_NONE ? NULL : gt_chunks_at(&gil->members, index);
            int64_t ns = length_of(span);
            int64_t *longest_ns;

            if (!member)
                continue;
            longest_ns = waits ? &member->longest_wait_ns : &member->longest_hold_ns;
            *(waits ? &member->wait_ns : &member->hold_ns) += ns;
            member->lifetime_ns += ns;
            *longest_ns = ns > *longest_ns ? ns : *longest_ns;
        }
    }
    gil->unknown_ns = gt_move_length(move, gil->unknown_ns);
    gil->unsure_ns = gt_move_length(move, gil->unsure_ns);
}

static void move_asks(const struct gt_move *move, struct gt_chunks *asks)
{
    for (size_t i = 0; i < asks->count; i++) {
        struct gt_ask *ask = gt_chunks_at(asks, i);

        ask->time_ns = gt_move_ns(move, ask->time_ns);
        ask->since_ns = gt_move_ns(move, ask->since_ns);
        if (ask->deadline_ns)
            ask->deadline_ns = gt_move_ns(move, ask->deadline_ns);
        ask->thread = gt_move_index(ask->thread, move->threads);
    }
}

static int move_members(const struct gt_move *move, struct gt_gil *gil)
{
    gt_hashmap_release(&gil->member_of);
    for (uint32_t i = 0; i < gil->members.count; i++) {
        struct gt_gil_thread *member = gt_chunks_at(&gil->members, i);

        member->thread = gt_move_index(member->thread, move->threads);
        if (gt_hashmap_put(&gil->member_of, member->thread, i))
            return -1;
    }
    return 0;
}

int gt_move_gil(const struct gt_move *move, struct gt_gil *gil)
{
    struct gt_chunks *intervals = &gil->intervals.list;

    gil->process = gt_move_index(gil->process, move->processes);
    gil->name = gt_move_name_in(move, gil->name);
    gil->command = gt_move_name(move, gil->command);
    gil->role = gt_move_name(move, gil->role);
    gil->image += move->images;
    gil->start_ns = gt_move_ns(move, gil->start_ns);
    gil->end_ns = gt_move_ns(move, gil->end_ns);
    gt_move_span_list(move, &gil->holds);
    gt_move_span_list(move, &gil->waits);
    gt_move_span_list(move, &gil->unknowns);
    move_asks(move, &gil->asks);
    for (size_t i = 0; i < intervals->count; i++) {
        struct gt_interval *interval = gt_chunks_at(intervals, i);

        interval->start_ns = gt_move_ns(move, interval->start_ns);
    }
    if (gil->name == UINT32_MAX || move_members(move, gil))
        return -1;
    if (move->map->rate != 0)
        sum_again(move, gil);
    return 0;
}
