/* SPDX-License-Identifier: MIT */
#include "report/shown.h"

#include "analysis/gil_times.h"
#include "base/nstime.h"
#include "model/gil_switch.h"

#include <stdint.h>
#include <stdlib.h>

enum { FEW_LINES = 24 }; /* rows of threads, and a line for each process */

struct place {
    int64_t wait_ns;
    uint32_t index;
};

static int by_waiting(const void *left, const void *right)
{
    const struct place *a = left, *b = right;

    if (a->wait_ns != b->wait_ns)
        return a->wait_ns > b->wait_ns ? -1 : 1;
    return a->index < b->index ? -1 : a->index > b->index;
}

/* That of a moment comes last: of it no more is told than that it is none. */
static int64_t shown_wait_ns(const struct gt_timeline *timeline, uint32_t index)
{
    const struct gt_gil *gil = gt_gil_at(timeline, index);

    return gt_gil_is_momentary(timeline, gil) ? -1 : gt_gil_wait_ns(gil);
}

uint32_t *gt_shown_gils(const struct gt_timeline *timeline)
{
    size_t count = timeline->gils.count;
    struct place *places = calloc(count + 1, sizeof(*places));
    uint32_t *gils = calloc(count + 1, sizeof(*gils));

    if (places && gils) {
        for (uint32_t i = 0; i < count; i++)
            places[i] = (struct place){shown_wait_ns(timeline, i), i};
        qsort(places, count, sizeof(*places), by_waiting);
        for (uint32_t i = 0; i < count; i++)
            gils[i] = places[i].index;
        free(places);
        return gils;
    }
    free(places);
    free(gils);
    return NULL;
}

size_t gt_shown_waited_for(const struct gt_timeline *timeline, const uint32_t *gils)
{
    size_t count = 0;

    while (count < timeline->gils.count && gt_gil_at(timeline, gils[count])->waits.count &&
           !gt_gil_hardly_waited(gt_gil_at(timeline, gils[count])) &&
           !gt_gil_is_momentary(timeline, gt_gil_at(timeline, gils[count])))
        count++;
    return count;
}

bool gt_shown_all(const struct gt_report *report)
{
    size_t count = report->timeline->gils.count;
    size_t lines = count > 1 ? count : 0;

    for (uint32_t i = 0; i < count && !report->options.all_threads && lines <= FEW_LINES; i++)
        lines += gt_gil_at(report->timeline, i)->members.count;
    return report->options.all_threads || lines <= FEW_LINES;
}

static struct gt_shown_row one_thread(const struct gt_gil *gil, const uint32_t *member)
{
    return (struct gt_shown_row){member, 1, *gt_gil_thread_at(gil, *member), GT_NO_INDEX};
}

static struct gt_shown_row all_of_kind(const struct gt_gil *gil,
                                       const struct gt_thread_kinds *kinds, uint32_t index)
{
    const struct gt_thread_kind *kind = &kinds->list[index];
    const uint32_t *members = &kinds->members[kind->first];

    return (struct gt_shown_row){members,
                                 kind->count,
                                 {
                                     .thread = gt_gil_thread_at(gil, *members)->thread,
                                     .waits = (uint32_t)kind->waits,
                                     .holds = kind->holds,
                                     .hold_ns = kind->hold_ns,
                                     .wait_ns = kind->wait_ns,
                                     .unknown_ns = kind->unknown_ns,
                                     .lifetime_ns = kind->lifetime_ns,
                                     .longest_wait_ns = kind->longest_wait_ns,
                                     .longest_hold_ns = kind->longest_hold_ns,
                                 },
                                 index};
}

static void collect(struct gt_shown *shown, const struct gt_gil *gil)
{
    for (uint32_t i = 0; i < gil->members.count; i++) {
        uint32_t kind = shown->kinds.kind_of[i];
        const struct gt_thread_kind *of = &shown->kinds.list[kind];

        shown->order[i] = i;
        if (!shown->grouped || of->count < GT_KIND_GROUP)
            shown->rows[shown->count++] = one_thread(gil, &shown->order[i]);
        else if (shown->kinds.members[of->first] == i)
            shown->rows[shown->count++] = all_of_kind(gil, &shown->kinds, kind);
    }
}

static int rows_by_waiting(const void *left, const void *right)
{
    const struct gt_shown_row *a = left, *b = right;

    if (a->sums.wait_ns != b->sums.wait_ns)
        return a->sums.wait_ns > b->sums.wait_ns ? -1 : 1;
    if (a->sums.hold_ns != b->sums.hold_ns)
        return a->sums.hold_ns > b->sums.hold_ns ? -1 : 1;
    return *a->members < *b->members ? -1 : *a->members > *b->members;
}

static int rows_in_order(const void *left, const void *right)
{
    const struct gt_shown_row *a = left, *b = right;

    return *a->members < *b->members ? -1 : *a->members > *b->members;
}

static void leave_out(struct gt_shown *shown, size_t most)
{
    if (shown->count <= most)
        return;
    qsort(shown->rows, shown->count, sizeof(*shown->rows), rows_by_waiting);
    for (size_t i = most; i < shown->count; i++) {
        shown->left += shown->rows[i].count;
        shown->left_wait_ns = gt_add_ns(shown->left_wait_ns, shown->rows[i].sums.wait_ns);
    }
    shown->count = most;
    qsort(shown->rows, shown->count, sizeof(*shown->rows), rows_in_order);
}

int gt_shown_init(struct gt_shown *shown, const struct gt_report *report, uint32_t gil_index,
                  size_t most)
{
    const struct gt_gil *gil = gt_gil_at(report->timeline, gil_index);

    *shown = (struct gt_shown){.grouped = !gt_shown_all(report)};
    if (gt_thread_kinds_init(&shown->kinds, report->timeline, gil, NULL) < 0)
        return -1;
    shown->rows = calloc(gil->members.count + 1, sizeof(*shown->rows));
    shown->order = calloc(gil->members.count + 1, sizeof(*shown->order));
    if (!shown->rows || !shown->order)
        return -1;
    collect(shown, gil);
    if (shown->grouped)
        leave_out(shown, most);
    return 0;
}

void gt_shown_release(struct gt_shown *shown)
{
    gt_thread_kinds_release(&shown->kinds);
    free(shown->rows);
    free(shown->order);
    *shown = (struct gt_shown){0};
}

int gt_shown_put_left(size_t rows, size_t most, struct gt_buf *text)
{
    return rows > most
               ? gt_buf_addf(text, "… and %zu more threads (--all-threads)\n", rows - most)
               : 0;
}

int gt_shown_put_more(size_t rows, size_t most, struct gt_buf *text)
{
    return rows > most ? gt_buf_addf(text, "… and %zu more, in the report.\n", rows - most) : 0;
}
