/* SPDX-License-Identifier: MIT */
/*
 * Private to report/: values of the summary. A list or object becomes NULL when something
 * cannot be added to it; whoever packs it into another value fails, too. So a lack of memory is
 * found at the end, in one place.
 */
#ifndef GT_REPORT_VALUES_H
#define GT_REPORT_VALUES_H

#include "report/internal.h"

#include <jansson.h>

/* Both take the reference of `value`. */
void gt_json_add(json_t **list, json_t *value);
void gt_json_set(json_t **object, const char *key, json_t *value);

/* A string of any bytes, made valid UTF-8. */
json_t *gt_json_text(const char *data, size_t length);
/* A thread's label. */
json_t *gt_json_label(const struct gt_report *report, uint32_t thread);

/* The values of the summary's keys, as SCHEMA.md tells of them. NULL: no memory. */
typedef json_t *gt_value(const struct gt_report *report);

gt_value gt_cost_value;      /* "cost" */
gt_value gt_sources_value;   /* "sources" */
gt_value gt_machine_value;   /* "machine" */
gt_value gt_functions_value; /* "functions" */
gt_value gt_whatif_value;    /* "potential" */
gt_value gt_unseen_value;    /* "unseen" */
gt_value gt_left_out_value;  /* "left_out" */

/* The items of a list that are of one GIL. */
typedef json_t *gt_gil_value(const struct gt_report *report, uint32_t gil);

gt_gil_value gt_summary_blockers; /* "blockers" */
gt_gil_value gt_summary_load;     /* "load" */

/* The item of "lost" at `*at`, which begins at 0 and is moved on. False: there are no more. */
bool gt_lost_next(const struct gt_report *report, size_t *at, json_t **value);

/* "metrics" */
json_t *gt_metrics_value(const struct gt_metrics *metrics);

#endif
