/* SPDX-License-Identifier: MIT */
#include "report/sentences.h"

#include "base/nstime.h"
#include "report/run_json.h"
#include "report/values.h"

#include <stdio.h>

/* Several recordings on one timeline (ingest/merge.h), in words and in the summary. */

static int say_alignment(const struct gt_alignment *alignment, size_t count,
                         struct gt_buf *text)
{
    char duration[32];

    if (count == 1)
        return gt_buf_adds(text, "This is of one recording.");
    if (alignment->machines == 1)
        return gt_buf_addf(
            text,
            "This is of %zu recordings of one boot of one machine. They have one "
            "clock: what one of them tells is in exact order with the others.",
            count);
    gt_duration_text(alignment->error_ns, duration, sizeof(duration));
    if (!alignment->unknown)
        return gt_buf_addf(text,
                           "This is of %zu recordings of %u machines, or boots, put on one "
                           "timeline by their wall clocks, which are %s apart at most by what "
                           "their kernels say: what lies closer together may have happened in "
                           "the other order.",
                           count, alignment->machines, duration);
    return gt_buf_addf(
        text,
        "This is of %zu recordings of %u machines, or boots, put on one timeline "
        "by their wall clocks, read to within %s. Of %u, the kernel does not know "
        "that the wall clock is synchronised: the timeline is not better than "
        "these clocks agree.",
        count, alignment->machines, duration, alignment->unknown);
}

static int say_rates(const struct gt_alignment *alignment, struct gt_buf *text)
{
    enum { WORTH_TELLING_PPM = 1 };
    char duration[32];

    if (alignment->drift_ppm >= WORTH_TELLING_PPM &&
        gt_buf_addf(text,
                    " A monotonic clock differed from its wall clock by %.0f millionths of the "
                    "time, which is accounted for.",
                    alignment->drift_ppm))
        return -1;
    if (!alignment->set_ns)
        return 0;
    return gt_buf_addf(text, " A wall clock was set meanwhile, by %s.",
                       gt_duration_text(alignment->set_ns, duration, sizeof(duration)));
}

static int say_barriers(const struct gt_alignment *alignment, struct gt_buf *text)
{
    char duration[32];

    if (!alignment->barriers)
        return 0;
    if (gt_buf_addf(
            text, " By %llu collective calls of MPI that %s made together, %s at most %s apart",
            (unsigned long long)alignment->barriers,
            alignment->barriers_all ? "they" : "some of them",
            alignment->barriers_all ? "they are" : "these are",
            gt_duration_text(alignment->barriers_error_ns, duration, sizeof(duration))))
        return -1;
    if (alignment->moved_ns &&
        gt_buf_addf(text, ": a wall clock was off by %s, and what was recorded by it was moved",
                    gt_duration_text(alignment->moved_ns, duration, sizeof(duration))))
        return -1;
    return gt_buf_adds(text, ".");
}

static int say_reports(uint32_t reports, size_t count, struct gt_buf *text)
{
    if (!reports)
        return 0;
    if (count == 1)
        return gt_buf_adds(text,
                           " It was read from a report, which holds no requests for the GIL, "
                           "stacks, waits for locks, counters nor marks: it is not told who "
                           "does not release the GIL.");
    return gt_buf_addf(text,
                       " %u of them %s read from %s, which %s no requests for the GIL, stacks, "
                       "waits for locks, counters nor marks: of these it is not told who does "
                       "not release the GIL.",
                       reports, reports == 1 ? "was" : "were",
                       reports == 1 ? "a report" : "reports", reports == 1 ? "holds" : "hold");
}

int gt_recordings_say(struct gt_report *report, struct gt_buf *text)
{
    const struct gt_alignment *alignment = report->recorded->alignment;
    size_t count = report->timeline->recordings.count;

    if (!alignment)
        return 0;
    return gt_findings_add(report, text,
                           say_alignment(alignment, count, text) ||
                               say_rates(alignment, text) || say_barriers(alignment, text) ||
                               say_reports(report->recorded->reports, count, text));
}

static json_t *recording_value(const struct gt_report *report, uint32_t index)
{
    const struct gt_timeline *timeline = report->timeline;
    const struct gt_run_identity *identities = report->info->identities;
    const struct gt_recording *recording = gt_recording_at(timeline, index);
    const struct gt_intern *names = &timeline->names;

    json_t *value =
        json_pack("{s:o, s:o, s:i}", "name",
                  gt_json_text(gt_intern_text(names, recording->name),
                               gt_intern_length(names, recording->name)),
                  "host",
                  recording->host ? gt_json_text(gt_intern_text(names, recording->host),
                                                 gt_intern_length(names, recording->host))
                                  : json_null(),
                  "processes", (int)recording->process_count);

    if (identities && identities[index].rank)
        gt_json_set(&value, "rank", gt_rank_json(identities[index].rank));
    if (identities && identities[index].labels && identities[index].labels->key)
        gt_json_set(&value, "labels", gt_labels_json(identities[index].labels));
    return value;
}

json_t *gt_recordings_value(const struct gt_report *report)
{
    const struct gt_alignment *alignment = report->recorded->alignment;
    json_t *list = json_array();

    for (uint32_t i = 0; i < report->timeline->recordings.count; i++)
        gt_json_add(&list, recording_value(report, i));
    return json_pack(
        "{s:o, s:i, s:i, s:I, s:i, s:f, s:I, s:I, s:I, s:I}", "list", list, "reports",
        (int)report->recorded->reports, "machines", (int)alignment->machines, "error_ns",
        (json_int_t)alignment->error_ns, "unsynchronised", (int)alignment->unknown, "drift_ppm",
        alignment->drift_ppm, "set_ns", (json_int_t)alignment->set_ns, "barriers",
        (json_int_t)alignment->barriers, "barriers_error_ns",
        (json_int_t)alignment->barriers_error_ns, "moved_ns", (json_int_t)alignment->moved_ns);
}
