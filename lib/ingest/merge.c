/* SPDX-License-Identifier: MIT */
#include "ingest/merge.h"

#include "ingest/agent_costs.h"
#include "ingest/barriers.h"
#include "event/event.h"
#include "model/feed.h"

#include <stdio.h>
#include <stdlib.h>

/* The average of a cost that each recording measured itself, so that the sum is right. */
struct average {
    double sum, weight;
    bool unknown; /* a recording to which it matters did not measure it */
};

/* One that waits. */
struct waiting {
    const char *name, *host;
    struct gt_aligned *aligned;
    struct gt_timeline *timeline; /* NULL: it is appended already */
    struct gt_chunks passings;    /* of barriers */
};

struct gt_merge {
    struct gt_timeline *timeline;
    struct gt_appended appended;
    struct gt_alignment alignment;
    struct gt_recorded out;
    struct average event, call, c_call, code;
    struct gt_chunks waiting; /* of struct waiting, of all recordings; */
    bool waits;               /* some of them do */
    char *cut;
};

static struct waiting *waiting_at(const struct gt_merge *merge, size_t index)
{
    return gt_chunks_at(&merge->waiting, index);
}

struct gt_merge *gt_merge_new(const struct gt_alignment *alignment, struct gt_error *err)
{
    struct gt_merge *merge = calloc(1, sizeof(*merge));

    if (!merge) {
        gt_error_memory(err);
        return NULL;
    }
    gt_appended_init(&merge->appended);
    gt_chunks_init(&merge->waiting, sizeof(struct waiting));
    merge->alignment = *alignment;
    merge->out.agent_sees_gil = true;
    merge->out.timeline = merge->timeline = gt_timeline_new(false, err);
    if (!merge->timeline) {
        gt_merge_free(merge);
        return NULL;
    }
    return merge;
}

void gt_merge_free(struct gt_merge *merge)
{
    if (!merge)
        return;
    for (size_t i = 0; i < merge->waiting.count; i++) {
        gt_timeline_free(waiting_at(merge, i)->timeline);
        gt_chunks_release(&waiting_at(merge, i)->passings);
    }
    gt_chunks_release(&merge->waiting);
    gt_timeline_free(merge->timeline);
    gt_appended_release(&merge->appended);
    free(merge->cut);
    free(merge);
}

static void take(struct average *average, int64_t cost, uint64_t weight)
{
    if (!weight)
        return;
    average->unknown |= cost <= 0;
    average->sum += (double)cost * (double)weight;
    average->weight += (double)weight;
}

static int64_t of(const struct average *average)
{
    return average->unknown || !(average->weight > 0)
               ? 0
               : (int64_t)(average->sum / average->weight + 0.5);
}

static void take_costs(struct gt_merge *merge, const struct gt_recorded *recorded)
{
    const struct gt_timeline *timeline = recorded->timeline;
    uint64_t calls = gt_recorded_calls(timeline, false);
    uint64_t c_calls = gt_recorded_calls(timeline, true);

    take(&merge->event, recorded->event_ps, timeline->quality.gil_events);
    take(&merge->call, recorded->call_ps, calls);
    take(&merge->c_call, recorded->c_call_ps, c_calls);
    /* 0 is a figure here: not slower. */
    merge->code.sum += recorded->code_permille * (double)(calls + c_calls);
    merge->code.weight += (double)(calls + c_calls);
}

static void add_sources(struct gt_recorded *out, const struct gt_recorded *recorded)
{
    out->detect |= recorded->detect;
    out->gil_hits += recorded->gil_hits;
    out->switches += recorded->switches;
    out->counted += recorded->counted;
    out->probe_hits += recorded->probe_hits;
    out->unseen += recorded->unseen;
    out->agent_sees_gil &= recorded->agent_sees_gil;
    out->blind |= recorded->blind;
    out->viztracer |= recorded->viztracer;
    out->reports += recorded->reports;
}

static int take_cut(struct gt_merge *merge, const char *name, const char *cut,
                    struct gt_error *err)
{
    if (!cut || merge->cut)
        return 0;
    if (asprintf(&merge->cut, "%s: %s", name, cut) < 0) {
        merge->cut = NULL;
        return gt_error_memory(err);
    }
    merge->out.cut = merge->cut;
    return 0;
}

static int append(struct gt_merge *merge, struct waiting *waiting, struct gt_error *err)
{
    int rc = gt_timeline_append(merge->timeline, waiting->timeline, &merge->appended,
                                &waiting->aligned->map, waiting->name, waiting->host, err);

    gt_timeline_free(waiting->timeline);
    waiting->timeline = NULL;
    return rc;
}

int gt_merge_add(struct gt_merge *merge, const char *name, const char *host,
                 struct gt_aligned *aligned, const struct gt_recorded *recorded,
                 struct gt_timeline *timeline, struct gt_error *err)
{
    struct waiting *waiting = gt_chunks_push(&merge->waiting);
    int rc;

    if (!waiting) {
        gt_timeline_free(timeline);
        return gt_error_memory(err);
    }
    *waiting =
        (struct waiting){.name = name, .host = host, .aligned = aligned, .timeline = timeline};
    take_costs(merge, recorded);
    add_sources(&merge->out, recorded);
    rc = take_cut(merge, name, recorded->cut, err);
    if (rc == 0 && gt_barriers_find(timeline, &waiting->passings))
        rc = gt_error_memory(err);
    merge->waits |= merge->alignment.machines > 1 && waiting->passings.count;
    return rc == 0 && !merge->waits ? append(merge, waiting, err) : rc;
}

/* What was appended has its place. */
static int align_by_barriers(struct gt_merge *merge, struct gt_error *err)
{
    size_t count = merge->waiting.count;
    struct gt_barred *barred = calloc(count + 1, sizeof(*barred));
    int rc = barred ? 0 : -1;

    for (size_t i = 0; barred && i < count; i++) {
        const struct waiting *waiting = waiting_at(merge, i);

        barred[i] = (struct gt_barred){.boot = waiting->aligned->boot,
                                       .fixed = !waiting->timeline,
                                       .passings = &waiting->passings,
                                       .map = &waiting->aligned->map};
    }
    if (barred)
        rc = gt_barriers_align(barred, count, &merge->alignment);
    free(barred);
    return rc ? gt_error_memory(err) : 0;
}

const struct gt_recorded *gt_merge_finish(struct gt_merge *merge, struct gt_error *err)
{
    struct gt_recorded *out = &merge->out;

    if (merge->waits && align_by_barriers(merge, err) < 0)
        return NULL;
    for (size_t i = 0; i < merge->waiting.count; i++)
        if (waiting_at(merge, i)->timeline && append(merge, waiting_at(merge, i), err) < 0)
            return NULL;
    if (gt_timeline_appended(merge->timeline, err) < 0)
        return NULL;
    out->alignment = &merge->alignment;
    out->event_ps = of(&merge->event);
    out->call_ps = of(&merge->call);
    out->c_call_ps = of(&merge->c_call);
    out->code_permille = (uint32_t)of(&merge->code);
    return out;
}
