/*
 * Profiles for the tools that people run already, of holding and waiting by stack:
 * folded text (flamegraph.pl, inferno, speedscope) and pprof (Pyroscope, Parca, go tool
 * pprof, speedscope).
 */
#ifndef GT_REPORT_PROFILE_H
#define GT_REPORT_PROFILE_H

#include "report/internal.h"

/* `process;thread;function;…;[GIL wait] <µs>`, and the same of [GIL hold]. */
int gt_folded_write(const struct gt_report *report, struct gt_output *output,
                    struct gt_error *err);

/* A gzip-compressed profile.proto: sample types wait and hold (nanoseconds) and count; labels
 * host, pid, tid, thread, command. */
int gt_pprof_write(const struct gt_report *report, struct gt_output *output,
                   struct gt_error *err);

/* The function's name as profiles show it: "module.name" of C functions. 0 or -1. */
int gt_profile_name(const struct gt_report *report, uint32_t function, struct gt_buf *name);

#endif
