/* SPDX-License-Identifier: MIT */
/*
 * What users say that a run belongs to: --label service=checkout. A key is a letter or `_`, and
 * letters, digits and `_` behind it, as backends of profiles want it, and no label that
 * profiles have already; a value is visible text.
 */
#ifndef GT_COMMON_USER_LABELS_H
#define GT_COMMON_USER_LABELS_H

#include "base/error.h"
#include "event/run_info.h"

#include <jansson.h>
#include <stddef.h>

enum {
    GT_USER_LABELS_MAX = 16,
    GT_USER_LABEL_KEY_MAX = 63,   /* bytes */
    GT_USER_LABEL_VALUE_MAX = 255 /* likewise */
};

/* Starts as all zeros, and owns its texts. */
struct gt_user_labels {
    struct gt_label list[GT_USER_LABELS_MAX + 1]; /* the last one has no key */
    size_t count;
};

/* Take a "KEY=VALUE". 0, GT_ERR_USAGE with the remedy, or GT_ERR_MEMORY. */
int gt_user_labels_add(struct gt_user_labels *labels, const char *text, struct gt_error *err);

/* Take labels of a recording, {"KEY": "VALUE"}, but for those that are there: what was said
 * later holds. What could not have been given is as if it were not there. 0 or GT_ERR_MEMORY.
 */
int gt_user_labels_add_json(struct gt_user_labels *labels, const json_t *value,
                            struct gt_error *err);

/* The same of a list. 0; GT_ERR_USAGE: they are too many together; or GT_ERR_MEMORY. */
int gt_user_labels_add_list(struct gt_user_labels *labels, const struct gt_label *list,
                            struct gt_error *err);

void gt_user_labels_release(struct gt_user_labels *labels);

#endif
