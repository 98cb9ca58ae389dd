/* VizTracer's JSON, plain or gzipped: events in the order of time, calls that nest, a report.
 */
#include "harness.h"

#include "viztracer/viztracer.h"

static struct gt_viztracer *open_trace(const char *path)
{
    struct gt_error err = {0}, damage = {0};
    struct gt_viztracer *trace = gt_viztracer_open(path, &damage, &err);

    must(trace || (err.code && err.message[0]), "refused without a reason");
    return trace;
}

static void check_events(struct gt_viztracer *trace)
{
    uint64_t calls = 0, returns = 0;
    struct gt_event event;
    int64_t last_ns = 0;

    while (gt_viztracer_next(trace, &event, NULL) > 0) {
        must(event.time_ns >= last_ns, "an event in the past");
        must(event.tid > 0 && event.pid > 0, "an event of nobody");
        last_ns = event.time_ns;
        calls += event.kind == GT_EVENT_CALL;
        returns += event.kind == GT_EVENT_RETURN;
    }
    must(calls == returns, "calls and returns differ");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct gt_run_info info = {
        .exit_status = -1, .started_unix_ns = -1, .root_pid = -1, .gil_enabled = true};
    const char *path = file_of(data, size);
    struct gt_viztracer *trace = open_trace(path);
    struct gt_report *report;

    if (!trace)
        return 0;
    check_events(trace);
    gt_viztracer_free(trace);
    trace = open_trace(path);
    report = gt_report_new(GT_DETECT_GIL | GT_DETECT_SCHED, &info, NULL);
    must(report != NULL, "out of memory");
    gt_report_set_agentlog(report, NULL, GT_AGENTLOG_LIVES);
    gt_report_set_viztracer(report, trace, path);
    check_report(report);
    gt_report_free(report);
    gt_viztracer_free(trace);
    return 0;
}
