/* SPDX-License-Identifier: MIT */
/* What ran, as JSON: "run" of the summary, and of the file that is kept beside a recording. */
#ifndef GT_REPORT_RUN_JSON_H
#define GT_REPORT_RUN_JSON_H

#include "event/run_info.h"

#include <jansson.h>

/* NULL: no memory. */
json_t *gt_run_json(const struct gt_run_info *info);

/* "labels" and "rank" of it. */
json_t *gt_labels_json(const struct gt_label *labels);
json_t *gt_rank_json(const char *rank);

#endif
