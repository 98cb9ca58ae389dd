/* SPDX-License-Identifier: MIT */
#include "analysis/native.h"

#include "analysis/native_frames.h"
#include "base/nstime.h"
#include "base/order.h"

#include <stddef.h>
#include <stdlib.h>

/* --- which samples are whose --- */

struct walk {
    struct gt_native *out;
    const struct gt_timeline *timeline;
    const struct gt_gil *gil;
    struct gt_attribution *attributions; /* by member, where begun */
    bool *begun;
    struct gt_hashmap row_of;
    int64_t *starts; /* of waits, sorted */
    size_t hold, started, ended;
};

/* Does the thread of the sample hold the GIL then? Times never decrease. */
static bool is_holding(struct walk *walk, const struct gt_native_sample *sample)
{
    const struct gt_chunks *holds = &walk->gil->holds;
    const struct gt_span *hold;

    while (walk->hold < holds->count &&
           gt_span_at(holds, walk->hold)->end_ns <= sample->time_ns)
        walk->hold++;
    if (walk->hold == holds->count)
        return false;
    hold = gt_span_at(holds, walk->hold);
    return hold->start_ns <= sample->time_ns && hold->thread == sample->thread;
}

static bool is_waited_for(struct walk *walk, int64_t time_ns)
{
    const struct gt_chunks *waits = &walk->gil->waits;

    while (walk->started < waits->count && walk->starts[walk->started] <= time_ns)
        walk->started++;
    while (walk->ended < waits->count && gt_span_at(waits, walk->ended)->end_ns <= time_ns)
        walk->ended++;
    return walk->started > walk->ended;
}

static void add(struct gt_native_sum *sum, const struct gt_native_sum *other)
{
    sum->samples += other->samples;
    sum->weight_ns = gt_add_ns(sum->weight_ns, other->weight_ns);
}

static uint32_t path_of(struct gt_native *native, const struct gt_stacks *stacks,
                        uint32_t stack)
{
    uint32_t path[GT_NATIVE_DEPTH_MAX];
    uint32_t length = gt_native_path(stacks, stack, path);

    return gt_intern_add(&native->paths, (const char *)path, length * sizeof(path[0]));
}

/* A sample of the row with that stack, which stands for `ns`. */
static int add_use(struct gt_native *native, const struct gt_stacks *stacks, uint32_t row,
                   uint32_t stack, int64_t ns)
{
    const struct gt_native_sum one = {1, ns};
    uint64_t key = (uint64_t)row << 32 | stack;
    uint32_t index = gt_hashmap_get(&native->use_of, key);
    struct gt_native_row *all = gt_chunks_at(&native->rows, row);
    struct gt_native_use *use;

    add(&all->all, &one);
    if (index == GT_HASHMAP_NONE) {
        index = (uint32_t)native->uses.count;
        use = gt_chunks_push(&native->uses);
        if (!use || gt_hashmap_put(&native->use_of, key, index))
            return -1;
        *use = (struct gt_native_use){
            .next = all->first, .stack = stack, .path = path_of(native, stacks, stack)};
        if (use->path == UINT32_MAX)
            return -1;
        all->first = index;
    }
    use = gt_chunks_at(&native->uses, index);
    add(&use->sum, &one);
    return 0;
}

static int take(struct walk *walk, const struct gt_native_sample *sample)
{
    uint32_t member = gt_hashmap_get(&walk->gil->member_of, sample->thread), row;
    const struct gt_doing *doing;
    int64_t until_ns;

    if (member == GT_HASHMAP_NONE || !is_holding(walk, sample) ||
        !is_waited_for(walk, sample->time_ns))
        return 0;
    if (!walk->begun[member])
        gt_attribution_init(&walk->attributions[member], walk->timeline, sample->thread);
    walk->begun[member] = true;
    doing = gt_attribution_at(&walk->attributions[member], sample->time_ns, &until_ns);
    if (!doing)
        return -1;
    row = gt_hashmap_get(&walk->row_of, gt_blocker_key(doing, sample->thread));
    return row == GT_HASHMAP_NONE ? 0
                                  : add_use(walk->out, &walk->timeline->native_stacks, row,
                                            sample->stack, sample->weight_ns);
}

static int add_rows(struct gt_native *native, const struct gt_blockers *blockers)
{
    for (size_t i = 0; i < blockers->rows.count; i++) {
        struct gt_native_row *row = gt_chunks_push(&native->rows);

        if (!row)
            return -1;
        *row = (struct gt_native_row){.first = GT_NO_INDEX};
    }
    return 0;
}

static int prepare(struct walk *walk, const struct gt_blockers *blockers)
{
    const struct gt_chunks *waits = &walk->gil->waits;

    walk->attributions = calloc(walk->gil->members.count + 1, sizeof(*walk->attributions));
    walk->begun = calloc(walk->gil->members.count + 1, sizeof(*walk->begun));
    walk->starts = calloc(waits->count + 1, sizeof(*walk->starts));
    if (!walk->attributions || !walk->begun || !walk->starts)
        return -1;
    for (size_t i = 0; i < waits->count; i++)
        walk->starts[i] = gt_span_at(waits, i)->start_ns;
    qsort(walk->starts, waits->count, sizeof(*walk->starts), gt_order_of_ns);
    for (uint32_t i = 0; i < blockers->rows.count; i++) {
        const struct gt_blocker *row = gt_blocker_at(blockers, i);

        if (gt_hashmap_put(&walk->row_of, gt_blocker_key(&row->doing, row->thread), i))
            return -1;
    }
    return add_rows(walk->out, blockers);
}

static int walk_all(struct walk *walk)
{
    const struct gt_chunks *samples = &walk->timeline->native;

    for (size_t i = 0; i < samples->count; i++)
        if (take(walk, gt_chunks_at(samples, i)))
            return -1;
    return 0;
}

static void init_empty(struct gt_native *native)
{
    gt_intern_init(&native->paths);
    gt_chunks_init(&native->uses, sizeof(struct gt_native_use));
    gt_chunks_init(&native->rows, sizeof(struct gt_native_row));
    gt_hashmap_init(&native->use_of);
}

/* 0, or the error of rc -1. */
static int judge(struct gt_native *native, int rc, struct gt_error *err)
{
    if (rc == 0)
        return 0;
    gt_native_release(native);
    return gt_error_memory(err);
}

int gt_native_init(struct gt_native *native, const struct gt_timeline *timeline, uint32_t gil,
                   const struct gt_blockers *blockers, struct gt_error *err)
{
    struct walk walk = {.out = native, .timeline = timeline, .gil = gt_gil_at(timeline, gil)};
    int rc;

    init_empty(native);
    if (!timeline->native.count || !walk.gil->waits.count)
        return 0;
    gt_hashmap_init(&walk.row_of);
    rc = prepare(&walk, blockers);
    if (rc == 0)
        rc = walk_all(&walk);
    for (size_t i = 0; walk.begun && i < walk.gil->members.count; i++)
        if (walk.begun[i])
            gt_attribution_release(&walk.attributions[i]);
    free(walk.attributions);
    free(walk.begun);
    free(walk.starts);
    gt_hashmap_release(&walk.row_of);
    return judge(native, rc, err);
}

void gt_native_release(struct gt_native *native)
{
    gt_intern_release(&native->paths);
    gt_chunks_release(&native->uses);
    gt_chunks_release(&native->rows);
    gt_hashmap_release(&native->use_of);
}

/* --- sleeps --- */

static const struct gt_native_sleep *sleep_at(const struct gt_timeline *timeline, size_t index)
{
    return gt_chunks_at(&timeline->native_sleeps, index);
}

/* The next sleep of the thread, from `at` on, before `until_ns`; SIZE_MAX: there is none. */
static size_t next_sleep(const struct gt_timeline *timeline, size_t at, uint32_t thread,
                         int64_t until_ns)
{
    for (; at < timeline->native_sleeps.count && sleep_at(timeline, at)->time_ns < until_ns;
         at++)
        if (sleep_at(timeline, at)->thread == thread)
            return at;
    return SIZE_MAX;
}

/* Divide the time asleep among the sleeps that were seen: each lasts until the next one. Who
 * waits sees the first one just before it asks, and may lose its CPU in between. */
static int add_sleeps(struct gt_native *native, const struct gt_timeline *timeline,
                      const struct gt_kept *kept)
{
    size_t at = gt_chunks_first_from(&timeline->native_sleeps, 0,
                                     offsetof(struct gt_native_sleep, time_ns), kept->start_ns);
    double total_ns = (double)(kept->end_ns - kept->asked_ns);
    int64_t from_ns = kept->asked_ns;

    at = next_sleep(timeline, at, kept->thread, kept->end_ns);
    while (at != SIZE_MAX) {
        size_t next = next_sleep(timeline, at + 1, kept->thread, kept->end_ns);
        int64_t until_ns = next == SIZE_MAX ? kept->end_ns : sleep_at(timeline, next)->time_ns;
        double share = total_ns > 0 ? (double)(until_ns - from_ns) / total_ns : 0;

        if (until_ns >= from_ns) { /* else it was over when it was asked */
            if (add_use(native, &timeline->native_stacks, kept->row,
                        sleep_at(timeline, at)->stack,
                        (int64_t)((double)kept->sleep_ns * share)))
                return -1;
            from_ns = until_ns;
        }
        at = next;
    }
    return 0;
}

int gt_native_init_sleeps(struct gt_native *native, const struct gt_timeline *timeline,
                          const struct gt_blockers *blockers, struct gt_error *err)
{
    int rc;

    init_empty(native);
    if (!timeline->native_sleeps.count || !blockers->kept.count)
        return 0;
    rc = add_rows(native, blockers);
    for (size_t i = 0; rc == 0 && i < blockers->kept.count; i++) {
        const struct gt_kept *kept = gt_chunks_at(&blockers->kept, i);

        if (kept->sleep_ns > 0)
            rc = add_sleeps(native, timeline, kept);
    }
    return judge(native, rc, err);
}

/* --- the way --- */

/* Sums by frame. */
struct tally {
    struct gt_hashmap index_of;
    struct gt_chunks sums; /* of struct gt_native_step */
};

static void tally_init(struct tally *tally)
{
    gt_hashmap_init(&tally->index_of);
    gt_chunks_init(&tally->sums, sizeof(struct gt_native_step));
}

static void tally_release(struct tally *tally)
{
    gt_hashmap_release(&tally->index_of);
    gt_chunks_release(&tally->sums);
}

static int tally_add(struct tally *tally, uint32_t frame, const struct gt_native_sum *sum)
{
    uint32_t index = gt_hashmap_get(&tally->index_of, frame);
    struct gt_native_step *step;

    if (index == GT_HASHMAP_NONE) {
        index = (uint32_t)tally->sums.count;
        step = gt_chunks_push(&tally->sums);
        if (!step || gt_hashmap_put(&tally->index_of, frame, index))
            return -1;
        *step = (struct gt_native_step){.frame = frame};
    }
    step = gt_chunks_at(&tally->sums, index);
    add(&step->inclusive, sum);
    return 0;
}

/* The frame with most; NULL: there is none. */
static const struct gt_native_step *tally_top(const struct tally *tally)
{
    const struct gt_native_step *top = NULL;

    for (size_t i = 0; i < tally->sums.count; i++) {
        const struct gt_native_step *step = gt_chunks_at(&tally->sums, i);

        if (!top || step->inclusive.weight_ns > top->inclusive.weight_ns)
            top = step;
    }
    return top;
}

/* Does the stack begin, from the outside, with the steps found so far? */
static bool follows(const struct gt_native_way *way, const uint32_t *frames, uint32_t count)
{
    if (count <= way->count)
        return false;
    for (uint32_t i = 0; i < way->count; i++)
        if (frames[i] != way->steps[i].frame)
            return false;
    return true;
}

/* Count what the stacks of the row have next on the way, or innermost. */
static int count_frames(const struct gt_native *native, uint32_t row,
                        const struct gt_native_way *way, bool innermost, struct tally *tally)
{
    const struct gt_native_row *all = gt_chunks_at(&native->rows, row);
    const struct gt_native_use *use;

    for (uint32_t at = all->first; at != GT_NO_INDEX; at = use->next) {
        uint32_t count;
        const uint32_t *frames;

        use = gt_chunks_at(&native->uses, at);
        frames = gt_native_frames(native, use->path, &count);
        if (count == 0 || (!innermost && !follows(way, frames, count)))
            continue;
        if (tally_add(tally, frames[innermost ? count - 1 : way->count], &use->sum))
            return -1;
    }
    return 0;
}

static int find_self(const struct gt_native *native, uint32_t row, struct gt_native_way *way)
{
    const struct gt_native_step *top;
    struct tally tally;
    int rc;

    tally_init(&tally);
    rc = count_frames(native, row, way, true, &tally);
    top = tally_top(&tally);
    if (top) {
        way->self = top->frame;
        way->self_sum = top->inclusive;
    }
    tally_release(&tally);
    return rc;
}

/* One step further. 1, 0: the way ends here, -1. */
static int go_on(const struct gt_native *native, uint32_t row, struct gt_native_way *way)
{
    const struct gt_native_step *top;
    struct tally tally;
    int rc;

    tally_init(&tally);
    rc = count_frames(native, row, way, false, &tally);
    top = tally_top(&tally);
    if (rc == 0 && top && top->inclusive.weight_ns >= way->all.weight_ns / 2) {
        way->steps[way->count++] = *top;
        rc = 1;
    }
    tally_release(&tally);
    return rc;
}

int gt_native_way(const struct gt_native *native, uint32_t row, struct gt_native_way *way)
{
    int rc = 1;

    *way = (struct gt_native_way){.self = GT_NO_INDEX};
    if (row >= native->rows.count)
        return 0;
    way->all = ((const struct gt_native_row *)gt_chunks_at(&native->rows, row))->all;
    if (!way->all.samples)
        return 0;
    while (rc > 0 && way->count < GT_NATIVE_WAY_MAX)
        rc = go_on(native, row, way);
    return rc < 0 ? rc : find_self(native, row, way);
}
