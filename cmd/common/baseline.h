/* SPDX-License-Identifier: MIT */
/* The figures of an earlier report, read for --baseline. */
#ifndef GT_COMMON_BASELINE_H
#define GT_COMMON_BASELINE_H

#include "base/error.h"
#include "report/metrics.h"

/* Read the figures of a summary, or of a trace JSON that has one. GT_ERR_FORMAT when it is
 * neither, or of another schema; GT_ERR_IO. 0 or negative. */
int gt_baseline_read(struct gt_metrics *metrics, const char *path, struct gt_error *err);

#endif
