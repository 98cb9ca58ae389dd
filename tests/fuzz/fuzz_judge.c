/* SPDX-License-Identifier: MIT */
/* A --fail-if expression in the first line, a --baseline in the others. */
#include "harness.h"

#include "common/baseline.h"
#include "common/results.h"
#include "report/condition.h"
#include "report/metrics.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Two threads that take turns. */
static struct gt_report *make_report(void)
{
    static const struct gt_run_info info = {
        .exit_status = -1, .started_unix_ns = -1, .root_pid = -1, .gil_enabled = true};
    const struct gt_ingest_options options = {.detect = GT_DETECT_GIL};
    struct gt_ingest *ingest = gt_ingest_new(&options, NULL);
    static struct gt_results results;

    must(ingest != NULL, "out of memory");
    for (int i = 0; i < 200; i++) {
        char text[256];
        int length = snprintf(text, sizeof(text),
                              "python 7/%d [000] 1.%06d000: gil:wait: (1) cond=0x7000\n"
                              "python 7/%d [000] 1.%06d500: gil:signal: (1) cond=0x7000\n"
                              "python 7/%d [000] 1.%06d900: gil:signal: (1) cond=0x7058\n",
                              7 + (i + 1) % 2, i, 7 + i % 2, i, 7 + (i + 1) % 2, i);

        must(gt_ingest_feed(ingest, text, (size_t)length, NULL) == 0, "out of memory");
    }
    must(gt_ingest_finish(ingest, NULL) == 0, "no recording");
    must(gt_results_make(&results, gt_ingest_recorded(ingest), &info, NULL, true, NULL) == 0,
         "out of memory");
    return results.report;
}

static void check_condition(const struct gt_report *report, const char *text)
{
    struct gt_condition condition;
    struct gt_error err = {0};
    struct gt_buf said;

    if (gt_condition_parse(&condition, "--fail-if", text, &err) < 0) {
        must(err.code == GT_ERR_USAGE && strchr(err.message, '^'), "refused without a caret");
        return;
    }
    gt_buf_init(&said);
    must(gt_report_check(report, &condition, text, &said) >= 0, "cannot be judged");
    gt_buf_release(&said);
}

static void check_baseline(const struct gt_metrics *now, const char *path)
{
    struct gt_metrics before;
    struct gt_error err = {0};
    struct gt_buf said;

    gt_metrics_init(&before);
    gt_buf_init(&said);
    if (gt_baseline_read(&before, path, &err) < 0 ||
        gt_metrics_compare(&before, now, &said, &err) < 0)
        must(err.code == GT_ERR_FORMAT && err.message[0], "refused without a reason");
    gt_buf_release(&said);
    gt_metrics_release(&before);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct gt_report *report;
    static struct gt_metrics now;
    const uint8_t *newline = size ? memchr(data, '\n', size) : NULL;
    size_t length = newline ? (size_t)(newline - data) : size;
    char *text = text_of(data, length);

    if (!report) {
        report = make_report();
        gt_metrics_init(&now);
        must(gt_metrics_add(&now, report, NULL) == 0, "out of memory");
    }
    check_condition(report, text);
    free(text);
    if (newline)
        check_baseline(&now, file_of(newline + 1, size - length - 1));
    return 0;
}
