/* SPDX-License-Identifier: MIT */
/* Any bytes as `perf script` text, or as a recording, from the parser to every output. */
#include "harness.h"

#include "launch/runtime.h"

#include <stdlib.h>
#include <string.h>

/* The first byte chooses: a single GIL, options, and in what pieces the text comes. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char *const counters[] = {"page-faults", "cycles", NULL};
    static const struct gt_runtime runtime = {
        .path = "/p", .address = 0x7000, .size_bytes = 0x1000, .code_size_bytes = 0x1000};
    const struct gt_run_info info = {
        .exit_status = -1, .started_unix_ns = -1, .root_pid = 12, .gil_enabled = true};
    struct gt_ingest_options options = {.counters = counters, .runtime = &runtime};
    struct gt_report_options wanted = {0};
    struct gt_ingest *ingest;
    size_t piece;
    int rc;

    if (size == 0)
        return 0;
    options.single_gil = data[0] & 1;
    wanted.perfetto_states = wanted.keep_interpreter_frames = data[0] & 2;
    piece = data[0] & 4 ? 1u + (data[0] >> 3) : size;
    options.detect = GT_DETECT_SCHED | (piece == 1 ? 0u : (unsigned)GT_DETECT_GIL);
    ingest = gt_ingest_new(&options, NULL);
    must(ingest != NULL, "out of memory");
    for (size_t at = 1; at < size; at += piece) {
        size_t length = size - at < piece ? size - at : piece;
        char *copy = malloc(length); /* AddressSanitizer sees its end */

        must(copy != NULL, "out of memory");
        memcpy(copy, data + at, length);
        rc = gt_ingest_feed(ingest, copy, length, NULL);
        free(copy);
        must(rc == 0 || rc == GT_ERR_FORMAT, "out of memory");
        if (rc < 0)
            break;
    }
    gt_ingest_set_target(ingest, info.root_pid, 0);
    check_report(ingest, &info, &wanted);
    gt_ingest_free(ingest);
    return 0;
}
