/* SPDX-License-Identifier: MIT */
#include "analysis/cover.h"

#include "base/order.h"

#include <bsd/stdlib.h>
#include <stdlib.h>

void gt_cover_init(struct gt_cover *cover)
{
    *cover = (struct gt_cover){0};
}

void gt_cover_release(struct gt_cover *cover)
{
    free(cover->starts);
    free(cover->ends);
    gt_cover_init(cover);
}

static int grow(int64_t **times, size_t room)
{
    int64_t *grown = reallocarray(*times, room, sizeof(**times));

    if (!grown)
        return -1;
    *times = grown;
    return 0;
}

/* One more is open from `start_ns` on, and one less from `end_ns` on. */
static int push(struct gt_cover *cover, int64_t start_ns, int64_t end_ns)
{
    if (cover->count == cover->room) {
        size_t room = cover->room ? 2 * cover->room : 16;

        if (grow(&cover->starts, room) || grow(&cover->ends, room))
            return -1;
        cover->room = room;
    }
    cover->starts[cover->count] = start_ns;
    cover->ends[cover->count++] = end_ns;
    return 0;
}

int gt_cover_add(struct gt_cover *cover, int64_t start_ns, int64_t end_ns)
{
    return start_ns < end_ns ? push(cover, start_ns, end_ns) : 0;
}

int gt_cover_remove(struct gt_cover *cover, int64_t start_ns, int64_t end_ns)
{
    return start_ns < end_ns ? push(cover, end_ns, start_ns) : 0;
}

int gt_cover_add_all(struct gt_cover *cover, const struct gt_cover *other)
{
    for (size_t i = 0; i < other->count; i++)
        if (push(cover, other->starts[i], other->ends[i]))
            return -1;
    return 0;
}

/* As a rule they are sorted, or nearly so: waits come in the order of their ends, and one
 * begins before as few others as there are threads. */
static void sort(int64_t *times, size_t count)
{
    enum { MOVES = 16 }; /* of each time, on average: beyond, qsort is faster */
    size_t left = MOVES * count;

    for (size_t i = 1; i < count; i++) {
        int64_t time_ns = times[i];
        size_t at = i;

        for (; at > 0 && times[at - 1] > time_ns && left; at--, left--)
            times[at] = times[at - 1];
        times[at] = time_ns;
        if (!left) {
            qsort(times, count, sizeof(*times), gt_order_of_ns);
            return;
        }
    }
}

void gt_cover_sort(struct gt_cover *cover)
{
    sort(cover->starts, cover->count);
    sort(cover->ends, cover->count);
}

/* --- going through it --- */

/* The first of `times`, which are sorted, that is after `time_ns`. */
static size_t first_after(const int64_t *times, size_t count, int64_t time_ns)
{
    size_t low = 0;

    while (low < count) {
        size_t middle = low + (count - low) / 2;

        if (times[middle] <= time_ns)
            low = middle + 1;
        else
            count = middle;
    }
    return low;
}

static int64_t time_at(const int64_t *times, size_t count, size_t index)
{
    return index < count ? times[index] : INT64_MAX;
}

void gt_cover_begin(struct gt_cover_cursor *cursor, const struct gt_cover *cover, int64_t at_ns)
{
    size_t next_start = first_after(cover->starts, cover->count, at_ns);
    size_t next_end = first_after(cover->ends, cover->count, at_ns);

    *cursor = (struct gt_cover_cursor){
        .cover = cover,
        .next_start = next_start,
        .next_end = next_end,
        .next_start_ns = time_at(cover->starts, cover->count, next_start),
        .next_end_ns = time_at(cover->ends, cover->count, next_end),
        .at_ns = at_ns,
    };
}

static inline void go_to(struct gt_cover_cursor *cursor, int64_t time_ns)
{
    cursor->sum_ns += (unsigned __int128)gt_cover_open(cursor) *
                      ((uint64_t)time_ns - (uint64_t)cursor->at_ns);
    cursor->at_ns = time_ns;
}

/* Starts come first: there is never less than none open. */
static inline void move(struct gt_cover_cursor *cursor, int64_t until_ns)
{
    const struct gt_cover *cover = cursor->cover;

    for (;;) {
        int64_t next_ns = gt_cover_next_ns(cursor);

        if (next_ns > until_ns || next_ns == INT64_MAX)
            break;
        go_to(cursor, next_ns);
        if (cursor->next_start_ns == next_ns)
            cursor->next_start_ns = time_at(cover->starts, cover->count, ++cursor->next_start);
        else
            cursor->next_end_ns = time_at(cover->ends, cover->count, ++cursor->next_end);
    }
    go_to(cursor, until_ns);
}

void gt_cover_move(struct gt_cover_cursor *cursor, int64_t until_ns)
{
    move(cursor, until_ns);
}

void gt_cover_window_begin(struct gt_cover_window *window, const struct gt_cover *cover,
                           int64_t from_ns, int64_t length_ns)
{
    gt_cover_begin(&window->from, cover, from_ns);
    gt_cover_begin(&window->until, cover, from_ns);
    gt_cover_window_move(window, from_ns, length_ns);
}

void gt_cover_window_move(struct gt_cover_window *window, int64_t from_ns, int64_t length_ns)
{
    move(&window->from, from_ns);
    move(&window->until, from_ns + length_ns);
}

int64_t gt_cover_window_ns(const struct gt_cover_window *window)
{
    unsigned __int128 ns = window->until.sum_ns - window->from.sum_ns;

    return ns > INT64_MAX ? INT64_MAX : (int64_t)ns;
}

int64_t gt_cover_within(const struct gt_cover *cover, int64_t from_ns, int64_t until_ns)
{
    struct gt_cover_window window;

    if (from_ns >= until_ns)
        return 0;
    gt_cover_window_begin(&window, cover, from_ns, until_ns - from_ns);
    return gt_cover_window_ns(&window);
}

/* Where the next window begins that begins or ends with an interval. */
static int64_t next_window_ns(const struct gt_cover_window *window, int64_t length_ns)
{
    int64_t start_ns = window->from.next_start_ns, end_ns = window->until.next_end_ns;

    if (end_ns != INT64_MAX)
        end_ns -= length_ns;
    return start_ns < end_ns ? start_ns : end_ns;
}

struct gt_cover_most gt_cover_most(const struct gt_cover *cover, int64_t from_ns,
                                   int64_t until_ns, int64_t length_ns)
{
    int64_t last_ns = until_ns - length_ns, at_ns = from_ns;
    struct gt_cover_window window;
    struct gt_cover_most most;

    gt_cover_window_begin(&window, cover, from_ns, length_ns);
    most = (struct gt_cover_most){from_ns, gt_cover_window_ns(&window)};
    while (at_ns < last_ns) {
        int64_t ns;

        at_ns = next_window_ns(&window, length_ns);
        if (at_ns > last_ns)
            at_ns = last_ns;
        gt_cover_window_move(&window, at_ns, length_ns);
        ns = gt_cover_window_ns(&window);
        if (ns > most.ns)
            most = (struct gt_cover_most){at_ns, ns};
    }
    return most;
}
