/* SPDX-License-Identifier: MIT */
/*
 * Two texts of `perf script`, that of the probes' own recording first, with a NUL between them:
 * the first is put aside and merged with the second; then a report. The first byte says whether
 * and when the probes were taken out, and whether the text may have only a few events.
 */
#include "harness.h"

#include <stdlib.h>
#include <string.h>

enum { FEW = 40 };

static bool feed(struct gt_ingest *ingest, const uint8_t *data, size_t size, bool probes)
{
    struct gt_error err = {0};
    char *copy = text_of(data, size);
    int rc = probes ? gt_ingest_feed_probes(ingest, copy, size, &err)
                    : gt_ingest_feed(ingest, copy, size, &err);

    free(copy);
    must(rc == 0 || (rc == GT_ERR_FORMAT && err.message[0]), "refused without a reason");
    return rc == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct gt_run_info info = {
        .exit_status = -1, .started_unix_ns = -1, .root_pid = 12, .gil_enabled = true};
    const struct gt_ingest_options options = {.detect = GT_DETECT_SCHED | GT_DETECT_GIL};
    struct gt_ingest *ingest;
    const uint8_t *text;

    if (size < 2)
        return 0;
    text = memchr(data + 1, '\0', size - 1);
    text = text ? text : data + size;
    ingest = gt_ingest_new(&options, NULL);
    must(ingest != NULL, "out of memory");
    if (data[0] & 2)
        gt_ingest_limit_probes(ingest, FEW);
    feed(ingest, data + 1, (size_t)(text - data - 1), true);
    if (data[0] & 1)
        gt_ingest_set_probes_out(ingest, (int64_t)(data[0] >> 3) * 100000000, data[0] & 1);
    if (data[0] & 4)
        gt_ingest_set_rest_out(ingest, size & 1);
    if (text < data + size)
        feed(ingest, text + 1, (size_t)(data + size - text - 1), false);
    gt_ingest_set_target(ingest, info.root_pid, 0);
    check_report(ingest, &info, NULL);
    gt_ingest_free(ingest);
    return 0;
}
