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

int gt_blockers_rank(struct gt_blockers *out)
{
    size_t count = out->rows.count;
    struct ranked *rows = calloc(count + 1, sizeof(*rows));
    uint32_t *new_of = calloc(count + 1, sizeof(*new_of));

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
    for (size_t i = 0; i < out->cells.count; i++) {
        struct gt_blocker_cell *cell = gt_chunks_at(&out->cells, i);

        cell->blocker = new_of[cell->blocker];
    }
    for (size_t i = 0; i < out->kept.count; i++) {
        struct gt_kept *kept = gt_chunks_at(&out->kept, i);

        kept->row = new_of[kept->row];
    }
    free(rows);
    free(new_of);
    return 0;
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
