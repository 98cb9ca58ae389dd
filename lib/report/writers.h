/* SPDX-License-Identifier: MIT */
/*
 * Private to report/: the formats. Each function writes one output whole, as a table of hooks
 * on the walk (walk.h); the caller commits `output`. Memory does not grow with the number of
 * spans. 0 or negative.
 */
#ifndef GT_REPORT_WRITERS_H
#define GT_REPORT_WRITERS_H

#include "report/internal.h"

typedef int gt_writer(const struct gt_report *report, struct gt_output *output,
                      struct gt_error *err);

/* Chrome Trace Event Format. */
gt_writer gt_chrome_write;
gt_writer gt_chrome_write_gzip;

/* The page: one HTML file with everything in it, that opens from disk with no network. It holds
 * the viewer, the summary, names as JSON, and spans as packed columns (pack.h). */
gt_writer gt_html_write;

/* Of holding and waiting by stack, as folded text (flamegraph.pl, inferno, speedscope):
 * `process;thread;function;…;[GIL wait] <µs>`, and the same of [GIL hold] and [lock wait]. */
gt_writer gt_folded_write;

/* The same as a gzip-compressed profile.proto (Pyroscope, Parca, go tool pprof, speedscope):
 * sample types wait and hold (nanoseconds) and count, and lock (nanoseconds) where threads
 * waited for locks; labels as in sample_labels.h.
 */
gt_writer gt_pprof_write;

#endif
