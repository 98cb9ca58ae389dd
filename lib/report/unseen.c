#include "report/internal.h"

/* What may have happened and was not recorded, though nothing was lost. */

static int add(struct gt_report *report, struct gt_buf *sentence, int failed)
{
    int rc = failed || gt_strvec_push(&report->findings, sentence->data) ? -1 : 0;

    gt_buf_reset(sentence);
    return rc;
}

uint64_t gt_returns_missing(const struct gt_report *report, uint64_t *takes)
{
    const struct gt_timeline *timeline = report->timeline;
    uint64_t missing = 0;

    *takes = 0;
    for (uint32_t i = 0; i < timeline->gils.count; i++) {
        missing += gt_gil_at(timeline, i)->defects.returns_missing;
        *takes += gt_gil_at(timeline, i)->takes;
    }
    return missing;
}

static int say_returns(struct gt_report *report, struct gt_buf *text)
{
    uint64_t takes, missing = gt_returns_missing(report, &takes);

    if (!missing)
        return 0;
    return add(
        report, text,
        gt_buf_addf(text,
                    "%llu of %llu returns of take_gil are missing: when the GIL was had is "
                    "not known there, and waits count up to the release before, which is "
                    "the least they can have been. Probe the return of each copy of "
                    "take_gil, or record with --gil-source uprobes.",
                    (unsigned long long)missing, (unsigned long long)takes));
}

int gt_unseen_say(struct gt_report *report)
{
    struct gt_buf text;
    int rc;

    gt_buf_init(&text);
    rc = say_returns(report, &text);
    gt_buf_release(&text);
    return rc;
}
