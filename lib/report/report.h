/*
 * From recorded text to written reports: the one object that both programs drive.
 *
 *     gt_report_new → gt_report_feed … → gt_report_finish → gt_report_write / _print →
 * gt_report_free
 *
 * Feeding streams: memory grows with threads and spans, not with text. Nothing here starts a
 * process or opens a path; outputs are opened (early) by the caller.
 */
#ifndef GT_REPORT_REPORT_H
#define GT_REPORT_REPORT_H

#include "base/buf.h"
#include "base/error.h"
#include "base/fs.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct gt_machine; /* launch/machine.h */
struct gt_probed;
struct gt_runtime;

/* What ran, for the head of the report. All strings are borrowed until gt_report_free; any
 * may be NULL and any number -1 when it is not known (perf2trace knows little). */
struct gt_run_info {
    char *const *argv;       /* the target's command, NULL-terminated */
    const char *interpreter; /* real path of the Python executable */
    const char *version;     /* "CPython 3.11.7" */
    const char *gil_source;  /* "uprobes", "functions", …, or NULL when off */
    const char *host;        /* node name */
    int64_t hit_ns;  /* what a hit of a probe of the GIL's cost, measured; 0 or less unknown */
    int exit_status; /* the target's, -1 unknown */
    int term_signal; /* that ended it, 0 none */
    int64_t started_unix_ns;  /* wall clock when the gate opened, -1 unknown */
    int32_t root_pid;         /* the target's pid; -1 unknown */
    uint32_t cpus;            /* that it may use; 0 unknown */
    double usable_cpus;       /* the same, less where a quota says so (0.2, 1.5); 0 unknown */
    bool usable_cpus_changed; /* while it ran: no one number is right */
    const struct gt_machine *machine; /* what the machine did to it; NULL: not known */
    int64_t realtime_ns;              /* CLOCK_REALTIME less CLOCK_MONOTONIC; 0 unknown */
    bool gil_enabled;               /* false on a free-threaded build that runs without a GIL */
    char *const *counters;          /* events to count, NULL-terminated, or NULL */
    bool perfetto_states;           /* JSON: states as ph:"T" records */
    bool keep_interpreter_frames;   /* page: below the functions, in stacks of sleeps */
    const struct gt_probed *probed; /* files with probes; may be NULL */
    const struct gt_runtime *runtime; /* where the interpreter keeps its GIL; may be NULL */
    bool single_gil; /* the version is known to have one GIL per process (< 3.12) */
};

/* What to take from the text. */
enum gt_report_detect {
    GT_DETECT_GIL = 1 << 0,   /* GIL waits and holds */
    GT_DETECT_SCHED = 1 << 1, /* thread states; without, they serve to judge holders of the GIL
                                 and are not shown */
};

struct gt_report;
struct gt_agentlog;
struct gt_timeline;
struct gt_viztracer;
struct gt_metrics; /* report/metrics.h */

struct gt_report *gt_report_new(unsigned detect, const struct gt_run_info *info,
                                struct gt_error *err);
void gt_report_free(struct gt_report *report);

/* The next bytes of `perf script` text, cut anywhere. Lines that are not understood are
 * counted, not fatal; text that is not perf script's at all is found by _finish. */
int gt_report_feed(struct gt_report *report, const char *data, size_t length,
                   struct gt_error *err);

/* What to take from an agent's log, beside functions and the names that threading gives. */
enum gt_agentlog_part {
    GT_AGENTLOG_GIL = 1 << 0,
    GT_AGENTLOG_LIVES = 1 << 1, /* forks, exits, execs, kernel names: when no text has them */
};

/*
 * Merge an agent's log: its events are taken in the order of time, between those of the text,
 * or alone when there is no text and `parts` says what replaces it. The log is the caller's,
 * and must live until _free. NULL: an agent was to write one, and did not; with `parts` an
 * empty report is right then.
 */
void gt_report_set_agentlog(struct gt_report *report, struct gt_agentlog *log, unsigned parts);

/* Merge VizTracer's trace of the same run likewise: functions, instants, counters, names of
 * threads. `name` is what _finish calls it, when text and trace have no moment in common:
 * GT_ERR_FORMAT. Both are borrowed until _free. */
void gt_report_set_viztracer(struct gt_report *report, struct gt_viztracer *trace,
                             const char *name);

/* The program ended at `ended_ns`; 0: not known. Where the text does not tell of its exit,
 * nothing is known from the text's end until then. Before _finish. */
void gt_report_set_end(struct gt_report *report, int64_t ended_ns);

/* The exit of the target etc. may be filled in between _new and _finish, since `info` is
 * borrowed. Builds spans, checks invariants, computes the summary. Fails with
 * GT_ERR_FORMAT when the text is empty, or none of it is perf script's. */
int gt_report_finish(struct gt_report *report, struct gt_error *err);

/* The figures of this and earlier runs, to be written into the summary; borrowed. Optional. */
void gt_report_set_metrics(struct gt_report *report, const struct gt_metrics *metrics);

/* What was built, after _finish; the report's. */
const struct gt_timeline *gt_report_timeline(const struct gt_report *report);

enum gt_report_format {
    GT_FORMAT_JSON,    /* .json */
    GT_FORMAT_JSON_GZ, /* .json.gz */
    GT_FORMAT_HTML,    /* .html, .htm */
    GT_FORMAT_FOLDED,  /* .folded: holding and waiting by stack */
    GT_FORMAT_PPROF,   /* .pb.gz */
};

/* The format that a path's ending asks for ("-" is JSON); GT_ERR_USAGE with the list of
 * endings when there is none such. */
int gt_report_format_of(const char *path, enum gt_report_format *format, struct gt_error *err);

/* Write one output whole (not yet committed: that is the caller's gt_output_commit). */
int gt_report_write(struct gt_report *report, enum gt_report_format format,
                    struct gt_output *output, struct gt_error *err);

/* Append the summary table and the findings in sentences, as text for a terminal. */
int gt_report_print(const struct gt_report *report, bool color, struct gt_buf *text);

/* Append the summary as a JSON document (SCHEMA.md, "giltracer" key): for --summary. */
int gt_report_summary(const struct gt_report *report, struct gt_buf *json,
                      struct gt_error *err);

#endif
