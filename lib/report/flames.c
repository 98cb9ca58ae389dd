/* SPDX-License-Identifier: MIT */
#include "report/flames.h"

#include <string.h>

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

int gt_flames_init(struct gt_flames *flames, const struct gt_report *report,
                   struct gt_error *err)
{
    const struct gt_timeline *timeline = report->timeline;
    unsigned states = gt_report_shows_states(report) ? stacked_states(timeline) : 0;
    unsigned flags = GT_FLAME_BY_THREAD |
                     (report->options.keep_interpreter_frames ? GT_FLAME_KEEP_INTERPRETER : 0);

    memset(flames, 0, sizeof(*flames));
    gt_intern_init(&flames->names);
    for (unsigned i = 0; i < GT_SCHED_STATES; i++) {
        int rc;

        if (!(states & 1U << i))
            continue;
        rc = gt_flame_init(&flames->graphs[i], timeline, (enum gt_sched_state)i, flags, err);
        if (rc < 0)
            return rc;
        flames->present[i] = true;
        if (share_names(flames, &flames->graphs[i]))
            return gt_error_memory(err);
    }
    return 0;
}

void gt_flames_release(struct gt_flames *flames)
{
    for (unsigned i = 0; i < GT_SCHED_STATES; i++)
        if (flames->present[i])
            gt_flame_release(&flames->graphs[i]);
    gt_intern_release(&flames->names);
}

int gt_flames_json(const struct gt_flames *flames, struct gt_buf *json)
{
    const char *separator = "";

    if (gt_buf_adds(json, "\"flames\":["))
        return -1;
    for (unsigned i = 0; i < GT_SCHED_STATES; i++) {
        const struct gt_flame *graph = &flames->graphs[i];

        if (!flames->present[i])
            continue;
        if (gt_buf_addf(json,
                        "%s{\"state\":%u,\"nodes\":%zu,\"spans\":%llu,\"unstacked\":%llu}",
                        separator, i, graph->nodes.count - 1, (unsigned long long)graph->spans,
                        (unsigned long long)graph->spans_unstacked))
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

int gt_flames_write(struct gt_flames *flames, struct gt_pack *pack, struct gt_error *err)
{
    int rc = 0;

    for (unsigned i = 0; rc == 0 && i < GT_SCHED_STATES; i++) {
        if (!flames->present[i])
            continue;
        gt_pack_begin(pack, "flame", i, 3);
        rc = write_graph(flames, &flames->graphs[i], pack, err);
    }
    return rc;
}
