/* Times the conversion of `perf script` text, and the analysis in it, for scripts/bench:
 *
 *     analysis_time [AGENTLOG] < text -> "<ns of all> <ns of the analysis> <events>"
 *
 * CPU time of this process. Whole is from text to the trace JSON. */
#include "agentlog/agentlog.h"
#include "analysis/blockers.h"
#include "analysis/contention.h"
#include "whatif/estimate.h"
#include "base/nstime.h"
#include "ingest/ingest.h"
#include "report/report.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
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

static int write_out(struct gt_report *report, struct gt_error *err)
{
    struct gt_output output;
    int rc = gt_output_open(&output, "/dev/null", err);

    if (rc == 0)
        rc = gt_report_write(report, GT_FORMAT_JSON, &output, err);
    gt_output_abandon(&output);
    return rc;
}

/* Once more, what gt_report_new does of it. */
static int analyse(const struct gt_timeline *timeline, struct gt_error *err)
{
    size_t count = timeline->gils.count;
    struct gt_blockers *blockers = calloc(count + 1, sizeof(*blockers));
    struct gt_whatif whatif;
    int rc = blockers ? 0 : -1;

    for (uint32_t i = 0; rc == 0 && i < count; i++) {
        struct gt_contention contention;

        rc = gt_contention_init(&contention, gt_gil_at(timeline, i), err);
        if (rc == 0)
            rc = gt_blockers_init(&blockers[i], timeline, i, err);
        gt_contention_release(&contention);
    }
    if (rc == 0)
        rc = gt_whatif_init(&whatif, timeline, blockers, 2, 0, err);
    if (rc == 0)
        gt_whatif_release(&whatif);
    for (uint32_t i = 0; blockers && i < count; i++)
        gt_blockers_release(&blockers[i]);
    free(blockers);
    return rc;
}

int main(int argc, char **argv)
{
    static const struct gt_run_info info = {
        .exit_status = -1, .started_unix_ns = -1, .root_pid = -1, .gil_enabled = true};
    struct gt_error err = {0};
    struct gt_agentlog *log = argc > 1 ? gt_agentlog_open(argv[1], &err) : NULL;
    const struct gt_ingest_options options = {.detect = GT_DETECT_GIL};
    struct gt_ingest *ingest = gt_ingest_new(&options, &err);
    struct gt_report *report = NULL;
    int64_t whole_ns, analysis_ns, began_ns = cpu_ns();

    if (!ingest || (argc > 1 && !log))
        return 1;
    gt_ingest_set_agentlog(ingest, log, 0);
    if (feed(ingest, &err) < 0 || gt_ingest_finish(ingest, &err) < 0 ||
        !(report = gt_report_new(gt_ingest_recorded(ingest), &info, NULL, &err)) ||
        write_out(report, &err) < 0) {
        fprintf(stderr, "%s\n", err.message);
        return 1;
    }
    whole_ns = cpu_ns() - began_ns;
    began_ns = cpu_ns();
    if (analyse(gt_ingest_recorded(ingest)->timeline, &err) < 0)
        return 1;
    analysis_ns = cpu_ns() - began_ns;
    printf("%" PRId64 " %" PRId64 " %" PRIu64 "\n", whole_ns, analysis_ns,
           gt_ingest_recorded(ingest)->timeline->quality.events);
    gt_report_free(report);
    gt_ingest_free(ingest);
    gt_agentlog_free(log);
    return 0;
}
