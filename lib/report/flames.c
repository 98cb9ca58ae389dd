/* SPDX-License-Identifier: MIT */
#include "report/flames.h"

/* The states that have a stack, as bits. */
static unsigned stacked_states(const struct gt_timeline *timeline)
{
    unsigned states = 0;

    for (uint32_t i = 0; timeline->saw_stacks && i < timeline->scheds.count; i++) {
        const struct gt_sched *sched = gt_sched_at(timeline, i);

        for (size_t j = 0; j < sched->spans.count; j++) {
            const struct gt_state_span *span = gt_chunks_at(&sched->spans, j);

            if (span->stack)
                states |= 1U << span->state;
        }
    }
    return states;
}

/* The place of a graph's name in the page's list; UINT32_MAX: no memory. */
static uint32_t shared_name(struct gt_flames *flames, const struct gt_flame *graph,
                            uint32_t name)
{
    return gt_intern_add(&flames->names, gt_intern_text(&graph->names, name),
                         gt_intern_length(&graph->names, name));
}

static int share_names(struct gt_flames *flames, const struct gt_flame *graph)
{
    for (uint32_t i = 0; i < gt_intern_count(&graph->names); i++)
        if (shared_name(flames, graph, i) == UINT32_MAX)
            return -1;
    return 0;
}

/* The one of the list at `index`, and its names. */
static int add_graph(struct gt_flames *flames, unsigned index, unsigned flags,
                     struct gt_error *err)
{
    const struct gt_timeline *timeline = flames->report->timeline;
    struct gt_flame *graph = &flames->graphs[index];
    int rc = index < GT_SCHED_STATES
                 ? gt_flame_init(graph, timeline, (enum gt_sched_state)index, flags, err)
                 : gt_flame_init_counter(graph, timeline, index - GT_SCHED_STATES, flags, err);

    if (rc < 0)
        return rc;
    flames->present[index] = true;
    return share_names(flames, graph) ? gt_error_memory(err) : 0;
}

int gt_flames_init(struct gt_flames *flames, const struct gt_report *report,
                   struct gt_error *err)
{
    const struct gt_timeline *timeline = report->timeline;
    unsigned states = (gt_report_shows_states(report) ? stacked_states(timeline) : 0) |
                      (timeline->native.count ? 1U << GT_SCHED_RUNNING : 0);
    unsigned flags = GT_FLAME_BY_THREAD |
                     (report->options.keep_interpreter_frames ? GT_FLAME_KEEP_INTERPRETER : 0);
    int rc = 0;

    *flames = (struct gt_flames){.report = report};
    gt_intern_init(&flames->names);
    for (unsigned i = 0; rc == 0 && i < GT_SCHED_STATES; i++)
        if (states & 1U << i)
            rc = add_graph(flames, i, flags, err);
    for (unsigned i = 0; rc == 0 && i < timeline->counters.count; i++)
        if (((struct gt_counter *)gt_chunks_at(&timeline->counters, i))->stacked)
            rc = add_graph(flames, GT_SCHED_STATES + i, flags, err);
    return rc;
}

void gt_flames_release(struct gt_flames *flames)
{
    for (unsigned i = 0; i < GT_FLAMES_MAX; i++)
        if (flames->present[i])
            gt_flame_release(&flames->graphs[i]);
    gt_intern_release(&flames->names);
}

static int graph_json(const struct gt_flame *graph, unsigned index, struct gt_buf *json)
{
    if (gt_buf_addf(json, "{\"state\":%u,\"nodes\":%zu,\"spans\":%llu,\"unstacked\":%llu",
                    index, graph->nodes.count - 1, (unsigned long long)graph->spans,
                    (unsigned long long)graph->spans_unstacked) ||
        (graph->sampled.count && gt_buf_addf(json, ",\"samples\":%zu", graph->sampled.count)) ||
        (graph->counts && gt_buf_addf(json, ",\"counter\":%u", index - GT_SCHED_STATES)))
        return -1;
    return gt_buf_adds(json, "}");
}

bool gt_flames_any(const struct gt_flames *flames)
{
    for (unsigned i = 0; i < GT_FLAMES_MAX; i++)
        if (flames->present[i])
            return true;
    return false;
}

int gt_flames_json(const struct gt_flames *flames, struct gt_buf *json)
{
    const char *separator = "";

    if (gt_buf_adds(json, "\"flames\":["))
        return -1;
    for (unsigned i = 0; i < GT_FLAMES_MAX; i++) {
        if (!flames->present[i])
            continue;
        if (gt_buf_adds(json, separator) || graph_json(&flames->graphs[i], i, json))
            return -1;
        separator = ",\n";
    }
    if (gt_buf_adds(json, "],\n\"frames\":["))
        return -1;
    for (uint32_t i = 0; i < gt_intern_count(&flames->names); i++)
        if (gt_buf_adds(json, i ? ",\n\"" : "\"") ||
            gt_buf_add_json(json, gt_intern_text(&flames->names, i),
                            gt_intern_length(&flames->names, i)) ||
            gt_buf_adds(json, "\""))
            return -1;
    return gt_buf_adds(json, "]");
}

/* The root is everybody's, and is not written. */
static int write_graph(struct gt_flames *flames, const struct gt_flame *graph,
                       struct gt_pack *pack, struct gt_error *err)
{
    int rc = 0;

    for (uint32_t i = 1; rc == 0 && i < graph->nodes.count; i++) {
        const struct gt_flame_node *node = gt_flame_at(graph, i);

        gt_pack_put(pack, 0, shared_name(flames, graph, node->name));
        gt_pack_put(pack, 1, i - node->parent);
        gt_pack_put(pack, 2, (uint64_t)node->self_ns);
        rc = gt_pack_end_row(pack, err);
    }
    return rc == 0 ? gt_pack_end(pack, err) : rc;
}

struct sample {
    int64_t time_ns;
    uint64_t weight;
    uint32_t thread;
};

static struct sample sample_at(const struct gt_timeline *timeline, unsigned index, size_t i)
{
    const struct gt_native_sample *sample;
    const struct gt_counter_sample *event;

    if (index < GT_SCHED_STATES) {
        sample = gt_chunks_at(&timeline->native, i);
        return (struct sample){sample->time_ns, (uint64_t)sample->weight_ns, sample->thread};
    }
    event = gt_chunks_at(
        &((struct gt_counter *)gt_chunks_at(&timeline->counters, index - GT_SCHED_STATES))
             ->samples,
        i);
    return (struct sample){event->time_ns, event->period, event->thread};
}

/* Each with the row of its node: all that there are in the timeline, in the order of time. */
static int write_samples(const struct gt_flames *flames, unsigned index, struct gt_pack *pack,
                         struct gt_error *err)
{
    const struct gt_chunks *nodes = &flames->graphs[index].sampled;
    int64_t zero_ns = gt_report_zero_ns(flames->report), previous_ns = 0;
    int rc = 0;

    gt_pack_begin(pack, "samples", index, 4);
    for (size_t i = 0; rc == 0 && i < nodes->count; i++) {
        struct sample sample = sample_at(flames->report->timeline, index, i);
        int64_t time_ns = sample.time_ns < zero_ns ? 0 : sample.time_ns - zero_ns;

        if (gt_pack_rows(pack) == 0)
            previous_ns = 0;
        gt_pack_put(pack, 0, sample.thread);
        gt_pack_put(pack, 1, gt_zigzag(time_ns - previous_ns));
        gt_pack_put(pack, 2, sample.weight);
        gt_pack_put(pack, 3, *(const uint32_t *)gt_chunks_at(nodes, i) - 1U);
        previous_ns = time_ns;
        rc = gt_pack_end_row(pack, err);
    }
    return rc == 0 ? gt_pack_end(pack, err) : rc;
}

int gt_flames_write(struct gt_flames *flames, struct gt_pack *pack, struct gt_error *err)
{
    int rc = 0;

    for (unsigned i = 0; rc == 0 && i < GT_FLAMES_MAX; i++) {
        if (!flames->present[i])
            continue;
        gt_pack_begin(pack, "flame", i, 3);
        rc = write_graph(flames, &flames->graphs[i], pack, err);
        if (rc == 0 && flames->graphs[i].sampled.count)
            rc = write_samples(flames, i, pack, err);
    }
    return rc;
}
