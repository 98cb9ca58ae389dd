/*
 * The sources of one recording made one: `perf script` text, an agent's log, VizTracer's trace.
 * Their events are merged in the order of time, those that are not wanted left out, and the
 * model (model/timeline.h) is built of the rest.
 *
 *     gt_ingest_new → set_agentlog, set_viztracer, feed … → gt_ingest_finish →
 *     gt_ingest_recorded, for analysis and reports → gt_ingest_free
 *
 * Text may come in pieces cut anywhere. The other sources are the caller's, and must live until
 * _finish. Memory is the model's.
 */
#ifndef GT_INGEST_INGEST_H
#define GT_INGEST_INGEST_H

#include "base/error.h"
#include "model/recorded.h"

#include <stddef.h>

struct gt_agentlog;
struct gt_probed;  /* event/probed_files.h */
struct gt_runtime; /* event/pyruntime.h */
struct gt_viztracer;

/* All pointers are borrowed until _free, and may be NULL. */
struct gt_ingest_options {
    unsigned detect;                  /* enum gt_detect */
    bool single_gil;                  /* the version has one GIL per process (before 3.12) */
    const struct gt_runtime *runtime; /* where the interpreter keeps its GIL */
    const struct gt_probed *probed;   /* files with probes */
    int64_t realtime_ns;              /* CLOCK_REALTIME less CLOCK_MONOTONIC; 0: unknown */
    char *const *counters;            /* events to count, NULL-terminated */
};

struct gt_ingest;

struct gt_ingest *gt_ingest_new(const struct gt_ingest_options *options, struct gt_error *err);
void gt_ingest_free(struct gt_ingest *ingest);

/* The next bytes of `perf script` text, cut anywhere. Lines that are not understood are
 * counted, not fatal; text that is not perf script's at all is found by _finish. */
int gt_ingest_feed(struct gt_ingest *ingest, const char *data, size_t length,
                   struct gt_error *err);

/* What to take from an agent's log, beside functions and the names that threading gives. */
enum gt_agentlog_part {
    GT_AGENTLOG_GIL = 1 << 0,
    GT_AGENTLOG_LIVES = 1 << 1, /* forks, exits, execs, kernel names: when no text has them */
};

/* Merge an agent's log between the events of the text. With `parts`, which the log has in the
 * text's place, the text may be empty. */
void gt_ingest_set_agentlog(struct gt_ingest *ingest, struct gt_agentlog *log, unsigned parts);

/* An agent was to write a log with these parts, and ran nowhere. Where it was to see the GIL,
 * nothing is known of that, which is right of a program that never runs Python. */
void gt_ingest_lack_agentlog(struct gt_ingest *ingest, unsigned parts);

/* No text is expected: to have none is no failure. */
void gt_ingest_expect_no_text(struct gt_ingest *ingest);

/* Merge VizTracer's trace of the same run likewise: functions, instants, counters, names of
 * threads. `name` is what _finish calls it, when text and trace have no moment in common:
 * GT_ERR_FORMAT. */
void gt_ingest_set_viztracer(struct gt_ingest *ingest, struct gt_viztracer *trace,
                             const char *name);

/* The target's pid, and when it ended (0: not known). Where the text does not tell of its exit,
 * nothing is known from the text's end until then. Before _finish. */
void gt_ingest_set_target(struct gt_ingest *ingest, int32_t pid, int64_t ended_ns);

/* No more. Builds the spans and checks the model's invariants. GT_ERR_FORMAT when the text is
 * empty, or none of it is perf script's. */
int gt_ingest_finish(struct gt_ingest *ingest, struct gt_error *err);

/* What was built, after _finish; the ingest's, until _free. */
struct gt_recorded *gt_ingest_recorded(struct gt_ingest *ingest);

#endif
