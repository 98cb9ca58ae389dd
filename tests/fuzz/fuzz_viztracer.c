/* SPDX-License-Identifier: MIT */
/*
 * VizTracer's JSON, plain or gzipped: events in the order of time, calls that nest; then a
 * report of it and of two of its threads that take turns with the GIL.
 */
#include "harness.h"

#include "viztracer/viztracer.h"

#include <stdio.h>

static struct gt_viztracer *open_trace(const char *path)
{
    struct gt_error err = {0}, damage = {0};
    struct gt_viztracer *trace = gt_viztracer_open(path, &damage, &err);

    must(trace || (err.code && err.message[0]), "refused without a reason");
    return trace;
}

struct thread {
    int32_t pid, tid;
};

/* Also finds the first and the last thread of its first process. */
static void check_events(struct gt_viztracer *trace, struct thread threads[2])
{
    uint64_t calls = 0, returns = 0;
    struct gt_event event;
    int64_t last_ns = 0;

    threads[0] = threads[1] = (struct thread){0, 0};

    while (gt_viztracer_next(trace, &event, NULL) > 0) {
        must(event.time_ns >= last_ns, "an event in the past");
        must(event.tid > 0 && event.pid > 0, "an event of nobody");
        last_ns = event.time_ns;
        calls += event.kind == GT_EVENT_CALL;
        returns += event.kind == GT_EVENT_RETURN;
        if (!threads[0].pid)
            threads[0] = (struct thread){event.pid, event.tid};
        if (event.pid == threads[0].pid)
            threads[1] = (struct thread){event.pid, event.tid};
    }
    must(calls == returns, "calls and returns differ");
}

static void feed_turns(struct gt_ingest *ingest, const struct thread threads[2],
                       const struct gt_viztracer_quality *quality)
{
    enum { TURNS = 32, S = 1000000000 };
    static const char *const acts[] = {"wait: (1) cond=0x7000", "signal: (1) cond=0x7058",
                                       "signal: (1) cond=0x7000"};

    for (int64_t i = 0; i < TURNS * 3; i++) {
        const struct thread *thread = &threads[i / 3 % 2];
        int64_t time_ns =
            quality->start_ns + (quality->end_ns - quality->start_ns) / (TURNS * 3) * i;
        char line[128];
        int length = snprintf(line, sizeof(line), "p %d/%d [000] %lld.%09lld: gil:%s\n",
                              thread->pid, thread->tid, (long long)(time_ns / S),
                              (long long)(time_ns % S), acts[i % 3]);

        must(gt_ingest_feed(ingest, line, (size_t)length, NULL) == 0, "out of memory");
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct gt_run_info info = {
        .exit_status = -1, .started_unix_ns = -1, .root_pid = -1, .gil_enabled = true};
    const char *path = file_of(data, size);
    struct gt_viztracer *trace = open_trace(path);
    const struct gt_ingest_options options = {.detect = GT_DETECT_GIL | GT_DETECT_SCHED};
    struct gt_ingest *ingest;
    struct thread threads[2];

    if (!trace)
        return 0;
    check_events(trace, threads);
    gt_viztracer_free(trace);
    trace = open_trace(path);
    ingest = gt_ingest_new(&options, NULL);
    must(ingest != NULL, "out of memory");
    gt_ingest_set_viztracer(ingest, trace, path);
    feed_turns(ingest, threads, gt_viztracer_quality(trace));
    check_report(ingest, &info, NULL);
    gt_ingest_free(ingest);
    gt_viztracer_free(trace);
    return 0;
}
