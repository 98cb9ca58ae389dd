/*
 * A report is a function of constants: what was recorded, what the analyses found in it, what
 * is estimated, and what is known of the run. It puts them into words and bytes.
 *
 *     gt_report_new → gt_report_write / _print / _summary … → gt_report_free
 *
 * Nothing here starts a process, reads a file or opens a path: the caller opens the outputs,
 * before the program runs.
 */
#ifndef GT_REPORT_REPORT_H
#define GT_REPORT_REPORT_H

#include "base/buf.h"
#include "base/error.h"
#include "base/fs.h"
#include "event/run_info.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* How its outputs are wanted. */
struct gt_report_options {
    const char *working_dir; /* files below it are told without it, on the terminal; borrowed
                                until _free; NULL: none */
    bool perfetto_states;    /* JSON: states as ph:"T" records */
    bool keep_interpreter_frames; /* page: below the functions, in stacks of sleeps */
};

struct gt_analysis; /* analysis/analysis.h */
struct gt_metrics;  /* report/metrics.h */
struct gt_recorded; /* model/recorded.h */
struct gt_report;
struct gt_whatif; /* whatif/estimate.h */

/* Puts what was found into sentences. The arguments, and what `info` points to, are borrowed
 * until _free; but `options` is copied, and NULL stands for none of them. `whatif` may be NULL
 * where gt_report_shows_estimates is false. NULL: no memory. */
struct gt_report *gt_report_new(const struct gt_recorded *recorded,
                                const struct gt_analysis *analysis,
                                const struct gt_whatif *whatif, const struct gt_run_info *info,
                                const struct gt_report_options *options, struct gt_error *err);
void gt_report_free(struct gt_report *report);

/* The figures of this and earlier runs, to be written into the summary; borrowed. Optional. */
void gt_report_set_metrics(struct gt_report *report, const struct gt_metrics *metrics);

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

/* Does any of these outputs, NULL-terminated paths, show what-if estimates? The table and the
 * summary do. */
bool gt_report_shows_estimates(char *const *paths);

/* Write one output whole (not yet committed: that is the caller's gt_output_commit). */
int gt_report_write(const struct gt_report *report, enum gt_report_format format,
                    struct gt_output *output, struct gt_error *err);

/* Append the summary table and the findings in sentences, as text for a terminal. */
int gt_report_print(const struct gt_report *report, bool color, struct gt_buf *text);

/* Append the summary as a JSON document (SCHEMA.md, "giltracer" key): for --summary. It holds
 * no
 * `<`, `>` or `&`, so it can stand in a <script> as it is. */
int gt_report_summary(const struct gt_report *report, struct gt_buf *json,
                      struct gt_error *err);

#endif
