/* SPDX-License-Identifier: MIT */
/*
 * Builds the timeline of a recording from all its sources: `perf script` text, an agent's log,
 * a VizTracer trace. Events are merged in the order of time, those that are not wanted are left
 * out, and the rest is fed to the model.
 *
 *     gt_ingest_new → set_agentlog, set_viztracer, feed … → gt_ingest_finish →
 *     gt_ingest_recorded, for analysis and reports → gt_ingest_free
 *
 * The other sources than text belong to the caller, and must live until _finish. Memory: the
 * model's.
 */
#ifndef GT_INGEST_INGEST_H
#define GT_INGEST_INGEST_H

#include "base/error.h"
#include "model/recorded.h"

#include <stddef.h>

struct gt_agentlog;
struct gt_native_log; /* native_log.h */
struct gt_probed;     /* event/probed_files.h */
struct gt_runtime;    /* event/pyruntime.h */
struct gt_viztracer;

/* All pointers are borrowed until _free. They may be NULL. */
struct gt_ingest_options {
    unsigned detect;                  /* enum gt_detect */
    bool single_gil;                  /* processes have one GIL (CPython before 3.12) */
    bool no_gil;                      /* of a build without a GIL, which has none now */
    const struct gt_runtime *runtime; /* where the interpreter keeps its GIL */
    const struct gt_probed *probed;   /* the files with probes */
    int64_t realtime_ns;              /* CLOCK_REALTIME minus CLOCK_MONOTONIC; 0: not known */
    char *const *counters;            /* events to count, the last one is NULL */
};

struct gt_ingest;

struct gt_ingest *gt_ingest_new(const struct gt_ingest_options *options, struct gt_error *err);
void gt_ingest_free(struct gt_ingest *ingest);

/* Take the next bytes of `perf script` text, or of a recording that a check by
 * script/perfdata.h let pass, cut anywhere. Lines that are not understood are
 * counted. If no line is, _finish fails. 0, GT_ERR_MEMORY; or GT_ERR_FORMAT: what comes is no
 * recording any more (gt_source_feed). Nothing more is taken then; what was read before is
 * right. */
int gt_ingest_feed(struct gt_ingest *ingest, const char *data, size_t length,
                   struct gt_error *err);

/*
 * Likewise of a recording of the GIL's probes alone, of which the agent saw the same calls: all
 * of it before the first gt_ingest_feed. `taken_out_ns`: when the probes were taken out, for
 * their cost, or where perf died, until when it recorded; 0: they recorded to the end. Nothing
 * but hits is taken from it.
 */
int gt_ingest_feed_probes(struct gt_ingest *ingest, const char *data, size_t length,
                          struct gt_error *err);
void gt_ingest_set_probes_out(struct gt_ingest *ingest, int64_t taken_out_ns, bool perf_died);

/* What takes the text of native stacks that were recorded apart (native_log.h), before or after
 * the other text. It belongs to `ingest`. NULL: no memory. */
struct gt_native_log *gt_ingest_native(struct gt_ingest *ingest, struct gt_error *err);

/* The text ends there, too, on purpose or since perf died: the agents tell of lives from then
 * on. The scheduler's events, which were to judge holders by, are not used, unless the user
 * wanted them (`wanted`): then states are not known from there on. After
 * gt_ingest_set_probes_out, and before the first text. */
void gt_ingest_set_rest_out(struct gt_ingest *ingest, bool wanted);

/* perf died (0: it did not): what the text has from then on is not all of it, and nothing is
 * known from there until the recording was to end. */
void gt_ingest_set_text_end(struct gt_ingest *ingest, int64_t recorded_ns, int64_t end_ns);

/* The text, or that of the probes' own recording, cannot have more events than this; 0: it may
 * have any number. */
void gt_ingest_limit_text(struct gt_ingest *ingest, uint64_t most_events);
void gt_ingest_limit_probes(struct gt_ingest *ingest, uint64_t most_events);

/* A recording was not read to its end; `why` is told in the report. The first one counts. 0 or
 * GT_ERR_MEMORY. */
int gt_ingest_set_cut(struct gt_ingest *ingest, const char *why);

/* What to take from an agent's log, beside functions and the names of threading. */
enum gt_agentlog_part {
    GT_AGENTLOG_GIL = 1 << 0,
    GT_AGENTLOG_LIVES = 1 << 1, /* forks, exits, execs and kernel names, which no text has */
};

/* Merge an agent's log with the text. `parts` (enum gt_agentlog_part) is what the log has
 * instead of the text; if it is not 0, the text may be empty. */
void gt_ingest_set_agentlog(struct gt_ingest *ingest, struct gt_agentlog *log, unsigned parts);

/* An agent was to write a log with these parts, and ran in no process. If it was to see the
 * GIL, nothing is known of any GIL; that is no error, as the program may never have run Python.
 */
void gt_ingest_lack_agentlog(struct gt_ingest *ingest, unsigned parts);

/* There is no text, and that is no error. */
void gt_ingest_expect_no_text(struct gt_ingest *ingest);

/* Merge a VizTracer trace of the same run: functions, instants, counters, names of threads. If
 * text and trace have no time in common, _finish fails and calls the trace `name`. */
void gt_ingest_set_viztracer(struct gt_ingest *ingest, struct gt_viztracer *trace,
                             const char *name);

/* The pid of the target, and when it ended (0: not known). If the text does not tell of its
 * exit, nothing is known from the end of the text until then. Before _finish. */
void gt_ingest_set_target(struct gt_ingest *ingest, int32_t pid, int64_t ended_ns);

/* The recording began at `since_ns` while the program ran already, and ended at `until_ns`
 * while it ran on; 0: neither. `interval_ns`: the switch interval when it began; 0: not known.
 * Before any text. */
void gt_ingest_set_range(struct gt_ingest *ingest, int64_t since_ns, int64_t until_ns,
                         int64_t interval_ns);

/* All sources were given. Builds the timeline. 0; GT_ERR_FORMAT: the text is empty, or not of
 * perf script, or the trace is of another run; or another error. */
int gt_ingest_finish(struct gt_ingest *ingest, struct gt_error *err);

/* Take the timeline, after _finish: it is the caller's then, and nothing is left to do but
 * _free. */
struct gt_timeline *gt_ingest_take_timeline(struct gt_ingest *ingest);

/* What was built, after _finish. It belongs to `ingest`. */
const struct gt_recorded *gt_ingest_recorded(const struct gt_ingest *ingest);

#endif
