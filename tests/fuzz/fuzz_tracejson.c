/* SPDX-License-Identifier: MIT */
/* A report's own trace JSON, twice on one timeline, as of two machines whose clocks differ. */
#include "harness.h"

#include "ingest/merge.h"
#include "tracejson/tracejson.h"

static struct gt_timeline *read_report(const char *path)
{
    struct gt_error err = {0};
    struct gt_timeline *timeline = gt_tracejson_read(path, &err);

    must(timeline || (err.code == GT_ERR_FORMAT && err.message[0]), "refused without a reason");
    return timeline;
}

static bool add(struct gt_merge *merge, const char *path, const char *name,
                struct gt_aligned *aligned)
{
    struct gt_timeline *timeline = read_report(path);
    const struct gt_recorded recorded = {
        .timeline = timeline, .detect = GT_DETECT_GIL | GT_DETECT_SCHED, .reports = 1};

    if (!timeline)
        return false;
    must(gt_merge_add(merge, name, NULL, aligned, &recorded, timeline, NULL) == 0,
         "out of memory");
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct gt_run_info info = {
        .exit_status = -1, .started_unix_ns = -1, .root_pid = -1, .gil_enabled = true};
    struct gt_aligned aligned[] = {
        {.boot = 0},
        {.boot = 1, .map = {.from_ns = 5, .to_ns = 1000, .rate = 50e-6}},
    };
    const struct gt_alignment alignment = {.machines = 2, .error_ns = 1};
    const char *path = file_of(data, size);
    struct gt_merge *merge = gt_merge_new(&alignment, NULL);
    const struct gt_recorded *recorded;
    json_t *run = gt_tracejson_run(path, NULL);

    json_decref(run);
    must(merge != NULL, "out of memory");
    if (add(merge, path, "a", &aligned[0]) && add(merge, path, "b", &aligned[1])) {
        recorded = gt_merge_finish(merge, NULL);
        must(recorded != NULL, "out of memory");
        check_recorded(recorded, &info, NULL);
    }
    gt_merge_free(merge);
    return 0;
}
