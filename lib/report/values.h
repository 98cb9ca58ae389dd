/*
 * Private to report/: JSON values that do not break where memory or text does. A list or
 * object becomes NULL when something cannot be added, and whoever packs it fails too, so that
 * failures surface at the end.
 */
#ifndef GT_REPORT_VALUES_H
#define GT_REPORT_VALUES_H

#include "report/internal.h"

#include <jansson.h>

/* Both take the reference of `value`. */
void gt_json_add(json_t **list, json_t *value);
void gt_json_set(json_t **object, const char *key, json_t *value);

/* Any bytes, as valid UTF-8. */
json_t *gt_json_text(const char *data, size_t length);
/* A thread's label. */
json_t *gt_json_label(const struct gt_report *report, uint32_t thread);

/* summary_analysis.c: the keys "blockers" and "load" of the summary; NULL: no memory. */
json_t *gt_summary_blockers(const struct gt_report *report);
json_t *gt_summary_load(const struct gt_report *report);

/* metrics.c */
json_t *gt_metrics_value(const struct gt_metrics *metrics);

#endif
