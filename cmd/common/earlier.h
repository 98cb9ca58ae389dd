/* SPDX-License-Identifier: MIT */
/*
 * A report that is there already. The same command's is replaced; what another command left is
 * kept beside it as NAME.old, in the place of an older one, as perf does with perf.data. Of
 * which command it is says the summary in it: what has none (.folded, .pb.gz, files that are no
 * reports) is replaced.
 */
#ifndef GT_COMMON_EARLIER_H
#define GT_COMMON_EARLIER_H

#include "base/error.h"
#include "base/output.h"
#include "report/report.h"

/* Keep what `output`, which is complete, will replace, if it is another command's, and say so
 * unless `quiet`. 0 or negative: it could not be kept, and `output` must not replace it. */
int gt_earlier_keep(const struct gt_output *output, const struct gt_report *report, bool quiet,
                    struct gt_error *err);

/* The same, of an output that is no report: whatever report is there is kept. */
int gt_earlier_keep_any(const struct gt_output *output, bool quiet, struct gt_error *err);

#endif
