/* SPDX-License-Identifier: MIT */
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
#include "base/output.h"
#include "event/run_info.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* How the outputs are wanted. */
struct gt_report_options {
    /* On the terminal, the paths of files below this folder are shortened by it. NULL: none.
     * Borrowed until _free. */
    const char *working_dir;
    /* Functions that estimates are asked about (whatif/estimate.h); ends with NULL, and is
     * borrowed likewise. NULL: none. */
    char *const *what_if;
    bool perfetto_states;         /* trace JSON: thread states are ph:"T" records */
    bool keep_short_calls;        /* trace JSON: each call, however large that is */
    bool keep_interpreter_frames; /* page: stacks of sleeps show them below the functions */
    bool all_threads;             /* printed: every process and thread, each for itself */
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

/* Have the figures of several runs written into the summary. `metrics` is borrowed. */
void gt_report_set_metrics(struct gt_report *report, const struct gt_metrics *metrics);

enum gt_report_format {
    GT_FORMAT_JSON,    /* .json */
    GT_FORMAT_JSON_GZ, /* .json.gz */
    GT_FORMAT_HTML,    /* .html, .htm */
    GT_FORMAT_FOLDED,  /* .folded: holding and waiting by stack */
    GT_FORMAT_PPROF,   /* .pb.gz */
};

/* Find the format that the ending of a path asks for; "-" asks for JSON. GT_ERR_USAGE, with the
 * list of endings, when there is no such format. */
int gt_report_format_of(const char *path, enum gt_report_format *format, struct gt_error *err);

/* Does one of these outputs show what-if estimates? `paths` ends with NULL. (The table and the
 * summary do.) */
bool gt_report_shows_estimates(char *const *paths);

/* Write one output whole; the caller commits it (gt_output_commit). 0 or negative. */
int gt_report_write(const struct gt_report *report, enum gt_report_format format,
                    struct gt_output *output, struct gt_error *err);

/* How text for people is wanted. All zeros: as for a file. */
struct gt_print_options {
    size_t width; /* columns of the terminal, which no line exceeds; 0: lines may be long */
    bool color;   /* with escape sequences */
    bool brief;   /* no tables where the program is not GIL-bound and nothing else was asked */
};

/* Append the findings in sentences, the summary table and further tables. 0 or -1 (no memory).
 */
int gt_report_print(const struct gt_report *report, const struct gt_print_options *how,
                    struct gt_buf *text);

/* Take a piece of text. 0 or negative, which ends the writing. */
typedef int gt_emit(void *context, const char *text, size_t length);

/* Write the summary as a JSON document: the key "giltracer" of SCHEMA.md. It has no `<`, `>` or
 * `&`, so it may stand in a <script> as it is. 0; what `emit` returned; or GT_ERR_MEMORY, which
 * alone is told in `err`. */
int gt_report_summary_to(const struct gt_report *report, gt_emit *emit, void *context,
                         struct gt_error *err);
/* Append it to `json`. 0 or negative. */
int gt_report_summary(const struct gt_report *report, struct gt_buf *json,
                      struct gt_error *err);

#endif
