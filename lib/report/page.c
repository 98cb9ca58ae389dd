/* SPDX-License-Identifier: MIT */
#include "report/page.h"

#include "model/locks.h"
#include "report/page_cut.h"
#include "report/slices.h"
#include "report/writers.h"

#define PAGE_BYTES_MAX ((uint64_t)60000000)

/* Could it be too large? Each row and each name takes its bytes; of most pages that is little.
 */
static bool may_take(const struct gt_timeline *timeline, uint64_t most)
{
    enum { ROW_BYTES = 40, NAME_BYTES = 6000 };
    uint64_t rows = gt_page_rows(timeline) + timeline->lost.count + timeline->holes.count;
    uint64_t names = timeline->threads.count + timeline->processes.count +
                     timeline->gils.count + timeline->functions.count +
                     gt_intern_count(&timeline->names) / 4 +
                     gt_intern_count(&timeline->stacks.stacks) +
                     gt_intern_count(&timeline->native_stacks.stacks) +
                     gt_intern_count(&timeline->event_stacks.stacks);

    return rows * ROW_BYTES + names * NAME_BYTES > most;
}

/*
 * Find out until when a page may go that is not too large, and write it. A few halvings will
 * do, but for recordings in which nearly all happens within a moment.
 */
static int write_beginning(const struct gt_report *report, struct gt_output *output,
                           uint64_t most, struct gt_error *err)
{
    enum { TRIES = 50 };
    int64_t fits_ns = gt_report_zero_ns(report), full_ns = report->timeline->end_ns;
    struct gt_page_cut cut;
    uint64_t bytes = 0;
    bool enough = false;
    int rc = 0;

    for (int i = 0; rc == 0 && !enough && i < TRIES && full_ns - fits_ns > 1; i++) {
        int64_t until_ns = fits_ns + (full_ns - fits_ns) / 2;

        rc = gt_page_cut_init(&cut, report, until_ns, err);
        if (rc == 0)
            rc = gt_page_write(&cut.report, NULL, most, &bytes, err);
        gt_page_cut_release(&cut);
        *(bytes > most ? &full_ns : &fits_ns) = until_ns;
        enough = bytes <= most && bytes >= most / 4 * 3;
    }
    if (rc < 0)
        return rc;
    rc = gt_page_cut_init(&cut, report, fits_ns, err);
    if (rc == 0)
        rc = gt_page_write(&cut.report, output, most, &bytes, err);
    gt_page_cut_release(&cut);
    return rc;
}

int gt_page_write_within(const struct gt_report *report, struct gt_output *output,
                         uint64_t most, struct gt_error *err)
{
    uint64_t bytes = 0;
    int rc = 0;

    if (may_take(report->timeline, most))
        rc = gt_page_write(report, NULL, most, &bytes, err);
    if (rc < 0)
        return rc;
    return bytes > most ? write_beginning(report, output, most, err)
                        : gt_page_write(report, output, most, &bytes, err);
}

int gt_html_write(const struct gt_report *report, struct gt_output *output,
                  struct gt_error *err)
{
    return gt_page_write_within(report, output, PAGE_BYTES_MAX, err);
}
