#include "analysis/blockers.h"

#include "base/nstime.h"

#include <stdlib.h>

struct ranked {
    struct gt_blocker row;
    uint32_t index;
};

static int compare_rows(const void *a, const void *b)
{
    const struct ranked *left = a, *right = b;

    if (left->row.waiting_ns != right->row.waiting_ns)
        return left->row.waiting_ns > right->row.waiting_ns ? -1 : 1;
    return (left->index > right->index) - (left->index < right->index);
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
    gt_utilization_release(&blockers->load);
}

/*
 * One stretch that went on for long is enough. Of short ones there must be more, and most that
 * were asked: an interrupt, a page that is made, or a hypervisor keeps a thread for some
 * milliseconds now and then. And what they do must take longer than the switch interval: the
 * length of a call is known; of an operation inside a Python function, what is left of it after
 * a request. A row may stand for more than one thing, a thread's for all that it did: then a
 * part of the requests is enough, where together they were long.
 */
bool gt_blocker_keeps(const struct gt_blocker *blocker)
{
    enum {
        CULPRIT_NS = 100000000,
        LONG_NS = 50000000,
        RATHER_LONG_NS = 30000000,
        MANY_NS = 20000000,
        TENTHS = 9,
        PART = 8,
    };
    int64_t interval_ns = blocker->interval_ns, longest_ns = blocker->longest_work_ns;
    int64_t work_ns = gt_add_ns(blocker->after.run_ns, blocker->after.sleep_ns);
    bool of_c =
        blocker->doing.kind != GT_DOING_PYTHON && blocker->doing.kind != GT_DOING_UNKNOWN;

    if (!blocker->kept)
        return false;
    if (!blocker->after.known)
        return blocker->kept_hold_ns >= blocker->waited_hold_ns / 2;
    if (longest_ns >= CULPRIT_NS)
        return true;
    if (gt_blocker_releases_mostly(blocker))
        return false;
    if (longest_ns >= LONG_NS && longest_ns >= interval_ns)
        return true;
    if (blocker->kept >= 2 && longest_ns >= RATHER_LONG_NS &&
        longest_ns >= interval_ns / 10 * TENTHS && work_ns >= CULPRIT_NS &&
        blocker->kept * PART >= blocker->requested)
        return true;
    if (blocker->kept < 2 || blocker->kept * 2 < blocker->requested)
        return false;
    return (of_c ? blocker->longest_held_ns : longest_ns) >= interval_ns / 10 * TENTHS ||
           (longest_ns >= MANY_NS && work_ns >= LONG_NS);
}

bool gt_blocker_releases_mostly(const struct gt_blocker *blocker)
{
    return blocker->retakes > 0 && blocker->away_ns > blocker->total_hold_ns;
}

bool gt_blocker_is_requeuer(const struct gt_blocker *blocker)
{
    enum { OFTEN = 50 };

    return blocker->contended >= OFTEN && blocker->retake_wait_ns > blocker->away_ns;
}
