/* SPDX-License-Identifier: MIT */
#include "report/values.h"

#include "analysis/thread_kinds.h"
#include "base/nstime.h"

#include <string.h>

/* The summary's "groups" of a GIL: SCHEMA.md says what each key means. */

enum { BLAMES_MAX = 10 };

static json_t *kind_name(const struct gt_report *report, const struct gt_gil *gil,
                         const struct gt_thread_kinds *kinds, uint32_t index)
{
    const struct gt_thread_kind *kind = &kinds->list[index];
    const char *name = gt_thread_kind_name(kinds, index);

    if (kind->count == 1)
        return gt_json_label(report,
                             gt_gil_thread_at(gil, kinds->members[kind->first])->thread);
    return gt_json_text(name, strlen(name));
}

static json_t *blame_value(const struct gt_report *report, const struct gt_gil *gil,
                           const struct gt_thread_kinds *kinds,
                           const struct gt_kind_blame *blame, int64_t wait_ns)
{
    bool is_kind = blame->kind < GT_OTHERS;
    json_t *name = is_kind ? kind_name(report, gil, kinds, blame->kind)
                           : json_string(blame->kind == GT_OTHERS ? "(others)" : "(nobody)");

    return json_pack("{s:o, s:i, s:I, s:f}", "kind", name, "count",
                     is_kind ? (int)kinds->list[blame->kind].count : 0, "ns",
                     (json_int_t)blame->ns, "share",
                     wait_ns ? (double)blame->ns / (double)wait_ns : 0.0);
}

static json_t *blamed_value(const struct gt_report *report, uint32_t index,
                            const struct gt_thread_kinds *kinds,
                            const struct gt_thread_kind *kind)
{
    const struct gt_gil *gil = gt_gil_at(report->timeline, index);
    json_t *list = json_array();
    struct gt_chunks blames;

    gt_chunks_init(&blames, sizeof(struct gt_kind_blame));
    if (gt_thread_kinds_blame(kinds, &report->analysis->contentions[index],
                              &kinds->members[kind->first], kind->count, &blames)) {
        json_decref(list);
        list = NULL;
    }
    for (size_t i = 0; list && i < blames.count && i < BLAMES_MAX; i++)
        gt_json_add(&list,
                    blame_value(report, gil, kinds, gt_chunks_at(&blames, i), kind->wait_ns));
    gt_chunks_release(&blames);
    return list;
}

static json_t *threads_value(const struct gt_gil *gil, const struct gt_thread_kinds *kinds,
                             const struct gt_thread_kind *kind)
{
    json_t *list = json_array();

    for (uint32_t i = 0; i < kind->count && list; i++)
        gt_json_add(&list, json_integer(
                               gt_gil_thread_at(gil, kinds->members[kind->first + i])->thread));
    return list;
}

static json_t *group_value(const struct gt_report *report, uint32_t index,
                           const struct gt_thread_kinds *kinds, uint32_t of)
{
    const struct gt_gil *gil = gt_gil_at(report->timeline, index);
    const struct gt_thread_kind *kind = &kinds->list[of];
    struct gt_kind_spread spread = gt_thread_kind_spread(kinds, gil, of);
    struct gt_contended_member contended = {0};

    for (uint32_t i = kind->first; i < kind->first + kind->count; i++) {
        struct gt_contended_member member =
            gt_contended_of(&report->analysis->contended[index], kinds->members[i]);

        contended.ns = gt_add_ns(contended.ns, member.ns);
        contended.hold_ns = gt_add_ns(contended.hold_ns, member.hold_ns);
    }

    return json_pack(
        "{s:o, s:i, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:{s:f, s:f, s:f}, s:o, "
        "s:o}",
        "kind", kind_name(report, gil, kinds, of), "count", (int)kind->count, "lifetime_ns",
        (json_int_t)kind->lifetime_ns, "hold_ns", (json_int_t)kind->hold_ns, "wait_ns",
        (json_int_t)kind->wait_ns, "unknown_ns", (json_int_t)kind->unknown_ns, "holds",
        (json_int_t)kind->holds, "waits", (json_int_t)kind->waits, "longest_wait_ns",
        (json_int_t)kind->longest_wait_ns, "longest_hold_ns", (json_int_t)kind->longest_hold_ns,
        "contended_ns", (json_int_t)contended.ns, "contended_hold_ns",
        (json_int_t)contended.hold_ns, "wait_share", "least", spread.least / 100, "median",
        spread.median / 100, "greatest", spread.greatest / 100, "blocked_by",
        blamed_value(report, index, kinds, kind), "threads", threads_value(gil, kinds, kind));
}

json_t *gt_summary_groups(const struct gt_report *report, uint32_t gil)
{
    json_t *list = json_array();
    struct gt_thread_kinds kinds;

    if (gt_thread_kinds_init(&kinds, report->timeline, gt_gil_at(report->timeline, gil), NULL) <
        0) {
        json_decref(list);
        list = NULL;
    }
    for (uint32_t i = 0; list && i < kinds.count; i++)
        if (kinds.list[i].count >= GT_KIND_GROUP)
            gt_json_add(&list, group_value(report, gil, &kinds, i));
    gt_thread_kinds_release(&kinds);
    return list;
}
