/* SPDX-License-Identifier: MIT */
#include "model/stops.h"

#include "base/order.h"
#include "model/builder.h"

#include <stdlib.h>
#include <string.h>

/* A thread parked to go on, and who let it. */
struct parked {
    int64_t since_ns, end_ns;
    int64_t post_ns;
    uint32_t thread, poster;
};

/* Who asks waits for the word that the last one to stop posts, for 1 ms at a time. */
struct asking {
    int64_t since_ns, end_ns;
    uint64_t event;
    uint32_t thread;
};

struct finding {
    struct gt_timeline *timeline;
    struct gt_hashmap posts;  /* by thread: an index in `posted`, for which it parks */
    struct gt_chunks posted;  /* of struct parked */
    struct gt_chunks parked;  /* of struct parked, that were posted */
    struct gt_chunks askings; /* of struct asking */
};

static int add_asking(struct finding *finding, const struct gt_lock_op *op)
{
    struct asking *asking = gt_chunks_push(&finding->askings);

    if (!asking)
        return -1;
    *asking = (struct asking){op->since_ns, op->time_ns, op->lock, op->thread};
    return 0;
}

/* The post that ends the wait of the thread for this word, which no other thread waits for. */
static struct parked *post_for(struct finding *finding, uint64_t word, bool add)
{
    uint32_t index = gt_hashmap_get(&finding->posts, word);
    struct parked *post;

    if (index != GT_HASHMAP_NONE)
        return gt_chunks_at(&finding->posted, index);
    if (!add)
        return NULL;
    index = (uint32_t)finding->posted.count;
    post = gt_chunks_push(&finding->posted);
    if (!post || gt_hashmap_put(&finding->posts, word, index))
        return NULL;
    return post;
}

static int add_post(struct finding *finding, const struct gt_lock_op *op, uint64_t word)
{
    struct parked *post = post_for(finding, word, true);

    if (!post)
        return -1;
    *post = (struct parked){.post_ns = op->time_ns, .poster = op->thread};
    return 0;
}

static int add_parked(struct finding *finding, const struct gt_lock_op *op, uint64_t word)
{
    const struct parked *post = post_for(finding, word, false);
    struct parked *parked;

    if (!post || post->post_ns < op->since_ns || post->post_ns > op->time_ns ||
        post->poster == op->thread)
        return 0;
    parked = gt_chunks_push(&finding->parked);
    if (!parked)
        return -1;
    *parked =
        (struct parked){op->since_ns, op->time_ns, post->post_ns, op->thread, post->poster};
    return 0;
}

/* Addresses have less than 48 bits, and processes less than 2^16 indices. */
static uint64_t word_of(const struct finding *finding, const struct gt_lock_op *op)
{
    return (uint64_t)gt_thread_at(finding->timeline, op->thread)->process << 48 ^ op->lock;
}

static int take_op(struct finding *finding, const struct gt_lock_op *op)
{
    if (op->wait_for == GT_WAIT_FOR_EVENT &&
        (op->kind == GT_LOCK_OP_TAKEN || op->kind == GT_LOCK_OP_GAVE_UP))
        return add_asking(finding, op);
    if (op->wait_for != GT_WAIT_FOR_ATTACH)
        return 0;
    if (op->kind == GT_LOCK_OP_POST)
        return add_post(finding, op, word_of(finding, op));
    return op->kind == GT_LOCK_OP_TAKEN ? add_parked(finding, op, word_of(finding, op)) : 0;
}

static int by_poster(const void *a, const void *b)
{
    const struct parked *left = a, *right = b;

    if (left->poster != right->poster)
        return left->poster < right->poster ? -1 : 1;
    return gt_order(left->post_ns, right->post_ns);
}

static int by_asker(const void *a, const void *b)
{
    const struct asking *left = a, *right = b;

    if (left->thread != right->thread)
        return left->thread < right->thread ? -1 : 1;
    return gt_order(left->since_ns, right->since_ns);
}

static int by_start(const void *a, const void *b)
{
    const struct gt_world_stop *left = a, *right = b;

    return gt_order(left->start_ns, right->start_ns);
}

/* A sorted copy. */
static void *sorted(const struct gt_chunks *list, int (*compare)(const void *, const void *))
{
    char *copy = calloc(list->count + 1, list->element_size);

    for (size_t i = 0; copy && i < list->count; i++)
        memcpy(copy + i * list->element_size, gt_chunks_at(list, i), list->element_size);
    if (copy)
        qsort(copy, list->count, list->element_size, compare);
    return copy;
}

static bool is_among(const struct parked *first, size_t count, uint32_t thread)
{
    for (size_t i = 0; i < count; i++)
        if (first[i].thread == thread)
            return true;
    return false;
}

/* One pause: who parked in it did so before the last one was posted, and each once. One that
 * parks while others are posted already is posted in its turn, perhaps before some of them. */
static size_t length_of(const struct parked *first, size_t count)
{
    enum { MOST = 4096 }; /* each is compared with all before it */
    size_t length = 1;

    for (size_t i = 1; i < count && i < MOST && first[i].poster == first->poster &&
                       !is_among(first, i, first[i].thread);
         i++)
        if (first[i].since_ns <= first[length - 1].post_ns)
            length = i + 1;
    return length;
}

/* The waits of who asked that ended last before the pause did, one after the other for the same
 * word. `*at` moves on. */
static void add_asker(struct gt_world_stop *stop, const struct asking *askings, size_t count,
                      size_t *at, int64_t before_ns)
{
    enum { APART_NS = 1000000 }; /* from one wait to the next, at most */
    const struct asking *last = NULL;

    while (*at < count &&
           (askings[*at].thread < stop->thread ||
            (askings[*at].thread == stop->thread && askings[*at].since_ns < stop->end_ns))) {
        const struct asking *now = &askings[(*at)++];

        if (now->thread != stop->thread || now->since_ns < before_ns ||
            now->end_ns > stop->end_ns)
            continue;
        if (!last || last->event != now->event || now->since_ns - last->end_ns > APART_NS) {
            if (now->end_ns + APART_NS < stop->all_ns)
                continue; /* it waited for something else before */
            stop->start_ns = now->since_ns < stop->start_ns ? now->since_ns : stop->start_ns;
        }
        if (now->end_ns > stop->all_ns)
            stop->all_ns = now->end_ns;
        last = now;
    }
}

static int64_t *sum_of(struct gt_timeline *timeline, uint32_t thread)
{
    while (timeline->stopped_sums.count <= thread) {
        int64_t *sum = gt_chunks_push(&timeline->stopped_sums);

        if (!sum)
            return NULL;
        *sum = 0;
    }
    return gt_chunks_at(&timeline->stopped_sums, thread);
}

static int add_spans(struct gt_timeline *timeline, struct gt_world_stop *stop,
                     const struct parked *parked)
{
    stop->first = (uint32_t)timeline->stopped.count;
    for (uint32_t i = 0; i < stop->count; i++) {
        struct gt_span *span = gt_chunks_push(&timeline->stopped);
        int64_t *sum = sum_of(timeline, parked[i].thread);

        if (!span || !sum)
            return -1;
        *span = (struct gt_span){parked[i].since_ns, parked[i].end_ns, parked[i].thread, 0};
        *sum += parked[i].end_ns - parked[i].since_ns;
    }
    return 0;
}

static int add_stop(struct finding *finding, const struct parked *parked, size_t count,
                    const struct asking *askings, size_t *at, int64_t before_ns)
{
    struct gt_world_stop *stop = gt_chunks_push(&finding->timeline->stops);

    if (!stop)
        return -1;
    *stop = (struct gt_world_stop){.start_ns = parked[0].since_ns,
                                   .end_ns = parked[count - 1].post_ns,
                                   .thread = parked[0].poster,
                                   .count = (uint32_t)count};
    for (size_t i = 1; i < count; i++)
        if (parked[i].since_ns < stop->start_ns)
            stop->start_ns = parked[i].since_ns;
    stop->all_ns = stop->start_ns;
    add_asker(stop, askings, finding->askings.count, at, before_ns);
    return add_spans(finding->timeline, stop, parked);
}

static int make_stops(struct finding *finding)
{
    struct parked *parked = sorted(&finding->parked, by_poster);
    struct asking *askings = sorted(&finding->askings, by_asker);
    size_t count = finding->parked.count, at = 0;
    int64_t before_ns = INT64_MIN;
    int rc = parked && askings ? 0 : -1;

    for (size_t i = 0; rc == 0 && i < count;) {
        size_t length = length_of(&parked[i], count - i);

        if (i > 0 && parked[i].poster != parked[i - 1].poster)
            before_ns = INT64_MIN;
        rc = add_stop(finding, &parked[i], length, askings, &at, before_ns);
        i += length;
        before_ns = parked[i - 1].post_ns;
    }
    free(parked);
    free(askings);
    return rc;
}

static int sort_stops(struct gt_timeline *timeline)
{
    struct gt_world_stop *list = sorted(&timeline->stops, by_start);

    for (size_t i = 0; list && i < timeline->stops.count; i++)
        *(struct gt_world_stop *)gt_chunks_at(&timeline->stops, i) = list[i];
    free(list);
    return list ? 0 : -1;
}

int gt_stops_finish(struct gt_timeline *timeline)
{
    const struct gt_chunks *ops = &gt_builder_of(timeline)->lock_ops;
    struct finding finding = {.timeline = timeline};
    int rc = 0;

    gt_hashmap_init(&finding.posts);
    gt_chunks_init(&finding.posted, sizeof(struct parked));
    gt_chunks_init(&finding.parked, sizeof(struct parked));
    gt_chunks_init(&finding.askings, sizeof(struct asking));
    for (size_t i = 0; rc == 0 && i < ops->count; i++)
        rc = take_op(&finding, gt_chunks_at(ops, i));
    if (rc == 0)
        rc = make_stops(&finding);
    if (rc == 0)
        rc = sort_stops(timeline);
    gt_hashmap_release(&finding.posts);
    gt_chunks_release(&finding.posted);
    gt_chunks_release(&finding.parked);
    gt_chunks_release(&finding.askings);
    return rc;
}

int64_t gt_stopped_of(const struct gt_timeline *timeline, uint32_t thread)
{
    return thread < timeline->stopped_sums.count
               ? *(const int64_t *)gt_chunks_at(&timeline->stopped_sums, thread)
               : 0;
}
