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
/* A string that ends with a NUL, or null for NULL. */
json_t *gt_json_optional(const char *text);
/* A thread's label. */
json_t *gt_json_label(const struct gt_report *report, uint32_t thread);

/* The values of the summary's keys, as SCHEMA.md tells of them. NULL: no memory. */
typedef json_t *gt_value(const struct gt_report *report);

gt_value gt_cost_value;       /* "cost" */
gt_value gt_sources_value;    /* "sources" */
gt_value gt_machine_value;    /* "machine" */
gt_value gt_parallel_value;   /* "parallel", where gt_parallel_is_told */
gt_value gt_functions_value;  /* "functions" */
gt_value gt_whatif_value;     /* "potential" */
gt_value gt_locks_value;      /* "locks" */
gt_value gt_stops_value;      /* "stops" */
gt_value gt_unseen_value;     /* "unseen" */
gt_value gt_left_out_value;   /* "left_out" */
gt_value gt_recordings_value; /* "recordings", where there are several */

/* The items of a list that are of one GIL. */
typedef json_t *gt_gil_value(const struct gt_report *report, uint32_t gil);

gt_gil_value gt_summary_blockers; /* "blockers" */
gt_gil_value gt_summary_load;     /* "load" */
gt_gil_value gt_summary_worst;    /* "worst" */
gt_gil_value gt_summary_groups;   /* "groups" of a row of "gils" */

/* The item of "lost" at `*at`, which begins at 0 and is moved on. False: there are no more. */
bool gt_lost_next(const struct gt_report *report, size_t *at, json_t **value);

/* Was there a run, or a part, without a GIL? */
bool gt_parallel_is_told(const struct gt_report *report);

/* "metrics" */
json_t *gt_metrics_value(const struct gt_metrics *metrics);

#endif
