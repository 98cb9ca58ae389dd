/* SPDX-License-Identifier: MIT */
/* Times the conversion of `perf script` text or of a recording, and the analysis in it (not the
 * estimates), for scripts/bench:
 *
 *     analysis_time [AGENTLOG] < input -> "<ns of all> <ns of the analysis> <events>"
 *
 * CPU time of this process. Whole is from the input to the trace JSON. */
#include "agentlog/agentlog.h"
#include "base/nstime.h"
#include "common/results.h"
#include "ingest/ingest.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static int64_t cpu_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return now.tv_sec * GT_NS_PER_S + now.tv_nsec;
}

static int feed(struct gt_ingest *ingest, struct gt_error *err)
{
    static char buffer[1 << 16];
    ssize_t got;

    while ((got = read(STDIN_FILENO, buffer, sizeof(buffer))) > 0)
        if (gt_ingest_feed(ingest, buffer, (size_t)got, err) < 0)
            return -1;
    return got < 0 ? -1 : 0;
}

static int write_out(const struct gt_report *report, struct gt_error *err)
{
    struct gt_output output;
    int rc = gt_output_open(&output, "/dev/null", err);

    if (rc == 0)
        rc = gt_report_write(report, GT_FORMAT_JSON, &output, err);
    gt_output_abandon(&output);
    return rc;
}

/* Once more, what of it is analysis. */
static int analyse(const struct gt_recorded *recorded, const struct gt_run_info *info,
                   struct gt_error *err)
{
    struct gt_analysis *analysis = gt_analysis_new(recorded, info, err);

    gt_analysis_free(analysis);
    return analysis ? 0 : GT_ERR_MEMORY;
}

int main(int argc, char **argv)
{
    static const struct gt_run_info info = {
        .exit_status = -1, .started_unix_ns = -1, .root_pid = -1, .gil_enabled = true};
    struct gt_error err = {0};
    struct gt_agentlog *log = argc > 1 ? gt_agentlog_open(argv[1], &err) : NULL;
    const struct gt_ingest_options options = {.detect = GT_DETECT_GIL};
    struct gt_ingest *ingest = gt_ingest_new(&options, &err);
    struct gt_results results = {0};
    int64_t whole_ns, analysis_ns, began_ns = cpu_ns();

    if (!ingest || (argc > 1 && !log))
        return 1;
    if (log)
        gt_ingest_set_agentlog(ingest, log, 0);
    if (feed(ingest, &err) < 0 || gt_ingest_finish(ingest, &err) < 0 ||
        gt_results_make(&results, gt_ingest_recorded(ingest), &info, NULL, true, &err) < 0 ||
        write_out(results.report, &err) < 0) {
        fprintf(stderr, "%s\n", err.message);
        return 1;
    }
    whole_ns = cpu_ns() - began_ns;
    began_ns = cpu_ns();
    if (analyse(gt_ingest_recorded(ingest), &info, &err) < 0)
        return 1;
    analysis_ns = cpu_ns() - began_ns;
    printf("%" PRId64 " %" PRId64 " %" PRIu64 "\n", whole_ns, analysis_ns,
           gt_ingest_recorded(ingest)->timeline->quality.events);
    gt_results_release(&results);
    gt_ingest_free(ingest);
    gt_agentlog_free(log);
    return 0;
}
