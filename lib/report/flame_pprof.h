/* SPDX-License-Identifier: MIT */
/* A flame graph as a profile of pprof's, gzip-compressed. */
#ifndef GT_REPORT_FLAME_PPROF_H
#define GT_REPORT_FLAME_PPROF_H

#include "analysis/flame.h"
#include "base/fs.h"

/* Write the whole of it; the caller commits `output`. `what` names its values, "running" or
 * "page-faults": nanoseconds, or of events their number. 0 or negative. */
int gt_flame_pprof_write(const struct gt_flame *flame, const char *what,
                         struct gt_output *output, struct gt_error *err);

#endif
