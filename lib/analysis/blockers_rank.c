/* SPDX-License-Identifier: MIT */
#include "analysis/blockers.h"

#include "base/nstime.h"
#include "base/order.h"

#include <stdlib.h>

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

static int compare_cells(const void *a, const void *b)
{
    const struct gt_blocker_cell *left = a, *right = b;

    if (left->blocker != right->blocker)
        return gt_order(left->blocker, right->blocker);
    return gt_order(left->waiter, right->waiter);
}

/* What was charged and taken back leaves an empty cell. */
static int sort_cells(struct gt_chunks *cells, const uint32_t *new_of)
{
    struct gt_blocker_cell *sorted = calloc(cells->count + 1, sizeof(*sorted));
    size_t count = 0;

    if (!sorted)
        return -1;
    for (size_t i = 0; i < cells->count; i++) {
        const struct gt_blocker_cell *cell = gt_chunks_at(cells, i);

        if (cell->ns)
            sorted[count++] =
                (struct gt_blocker_cell){cell->waiter, new_of[cell->blocker], cell->ns};
    }
    qsort(sorted, count, sizeof(*sorted), compare_cells);
    gt_chunks_truncate(cells, count);
    for (size_t i = 0; i < count; i++)
        *(struct gt_blocker_cell *)gt_chunks_at(cells, i) = sorted[i];
    free(sorted);
    return 0;
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
    rc = sort_cells(&out->cells, new_of);
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
