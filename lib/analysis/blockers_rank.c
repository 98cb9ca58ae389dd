/* SPDX-License-Identifier: MIT */
#include "analysis/blockers.h"

#include "base/nstime.h"
#include "base/order.h"

#include <stdlib.h>
#include <string.h>

struct ranked {
    struct gt_blocker row;
    uint32_t index;
};

static int compare_rows(const void *a, const void *b)
{
    const struct ranked *left = a, *right = b;

    if (left->row.waiting_ns != right->row.waiting_ns)
        return gt_order(right->row.waiting_ns, left->row.waiting_ns);
    return gt_order(left->index, right->index);
}

/* --- cells --- */

/* GT_NO_INDEX, all others, comes last. */
static size_t by_waiter(const struct gt_blocker_cell *cell, size_t members)
{
    return cell->waiter < members ? cell->waiter : members;
}

static size_t by_row(const struct gt_blocker_cell *cell, size_t rows)
{
    (void)rows;
    return cell->blocker;
}

/* One pass of a counting sort, which leaves those of one key in their order. `places` has room
 * for `keys` + 2 numbers. */
static void sort_by(size_t (*key)(const struct gt_blocker_cell *, size_t), size_t keys,
                    const struct gt_blocker_cell *from, struct gt_blocker_cell *to,
                    size_t count, size_t *places)
{
    memset(places, 0, (keys + 2) * sizeof(*places));
    for (size_t i = 0; i < count; i++)
        places[key(&from[i], keys) + 1]++;
    for (size_t i = 0; i < keys; i++)
        places[i + 1] += places[i];
    for (size_t i = 0; i < count; i++)
        to[places[key(&from[i], keys)]++] = from[i];
}

/* Numbered anew. What was charged and taken back leaves an empty cell. */
static size_t copy_cells(struct gt_blocker_cell *copies, const struct gt_chunks *cells,
                         const uint32_t *new_of)
{
    size_t count = 0;

    for (size_t i = 0; i < cells->count; i++) {
        const struct gt_blocker_cell *cell = gt_chunks_at(cells, i);

        if (cell->ns)
            copies[count++] =
                (struct gt_blocker_cell){cell->waiter, new_of[cell->blocker], cell->ns};
    }
    return count;
}

/* There may be as many as pairs of threads, so they are not compared with each other. */
static int sort_cells(struct gt_blockers *out, const uint32_t *new_of)
{
    size_t rows = out->rows.count, members = out->gaps.count;
    size_t room = out->cells.count + 1, count;
    struct gt_blocker_cell *cells = calloc(2 * room, sizeof(*cells));
    size_t *places = calloc((rows > members ? rows : members) + 2, sizeof(*places));
    int rc = cells && places ? 0 : -1;

    if (rc == 0) {
        count = copy_cells(cells, &out->cells, new_of);
        sort_by(by_waiter, members, cells, cells + room, count, places);
        sort_by(by_row, rows, cells + room, cells, count, places);
        gt_chunks_truncate(&out->cells, count);
        for (size_t i = 0; i < count; i++)
            *(struct gt_blocker_cell *)gt_chunks_at(&out->cells, i) = cells[i];
    }
    free(cells);
    free(places);
    return rc;
}

int gt_blockers_rank(struct gt_blockers *out)
{
    size_t count = out->rows.count;
    struct ranked *rows = calloc(count + 1, sizeof(*rows));
    uint32_t *new_of = calloc(count + 1, sizeof(*new_of));
    int rc;

    if (!rows || !new_of) {
        free(rows);
        free(new_of);
        return -1;
    }
    for (uint32_t i = 0; i < count; i++)
        rows[i] = (struct ranked){*gt_blocker_at(out, i), i};
    qsort(rows, count, sizeof(*rows), compare_rows);
    for (uint32_t i = 0; i < count; i++) {
        *(struct gt_blocker *)gt_chunks_at(&out->rows, i) = rows[i].row;
        new_of[rows[i].index] = i;
    }
    rc = sort_cells(out, new_of);
    for (size_t i = 0; i < out->kept.count; i++) {
        struct gt_kept *kept = gt_chunks_at(&out->kept, i);

        kept->row = new_of[kept->row];
    }
    free(rows);
    free(new_of);
    return rc;
}

size_t gt_blocker_cells_of(const struct gt_blockers *blockers, uint32_t row, size_t *count)
{
    size_t first = 0, high = blockers->cells.count;

    while (first < high) {
        size_t middle = first + (high - first) / 2;

        if (gt_blocker_cell_at(blockers, middle)->blocker < row)
            first = middle + 1;
        else
            high = middle;
    }
    for (high = first; high < blockers->cells.count; high++)
        if (gt_blocker_cell_at(blockers, high)->blocker != row)
            break;
    *count = high - first;
    return first;
}

void gt_blockers_release(struct gt_blockers *blockers)
{
    gt_chunks_release(&blockers->rows);
    gt_chunks_release(&blockers->cells);
    gt_chunks_release(&blockers->gaps);
    gt_chunks_release(&blockers->kept);
    gt_utilization_release(&blockers->utilization);
}

void gt_blockers_forget(struct gt_blockers *blockers)
{
    gt_chunks_release(&blockers->rows);
    gt_chunks_release(&blockers->gaps);
    gt_utilization_forget(&blockers->utilization);
}

int64_t gt_gap_ns(const struct gt_blockers *blockers, enum gt_gap gap)
{
    int64_t sum_ns = 0;

    for (size_t i = 0; i < blockers->gaps.count; i++)
        sum_ns = gt_add_ns(sum_ns, gt_gaps_at(blockers, i)->ns[gap]);
    return sum_ns;
}
