/* SPDX-License-Identifier: MIT */
/*
 * Private to report/: what is said of each sample of a profile (pprof), so that samples of many
 * processes and machines can be told apart, and added up: of which host, service, process,
 * group of threads and rank they are. What is not known has no label.
 *
 * Values are texts, since backends group by texts only (Pyroscope drops numbers, and in the
 * format a number that is 0 is none); but the tid is a number, and keeps threads apart.
 */
#ifndef GT_REPORT_SAMPLE_LABELS_H
#define GT_REPORT_SAMPLE_LABELS_H

#include "base/error.h"
#include "event/run_info.h"
#include "model/timeline.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Starts as all zeros. */
struct gt_sample_labels {
    const struct gt_timeline *timeline;
    const struct gt_run_info *info;
    uint8_t *ranks; /* private: by process, whether the rank of its run is its own */
};

/* Borrows both. 0 or negative (no memory); release it in either case. */
int gt_sample_labels_init(struct gt_sample_labels *labels, const struct gt_timeline *timeline,
                          const struct gt_run_info *info, struct gt_error *err);
void gt_sample_labels_release(struct gt_sample_labels *labels);

/* Take a label: `length` bytes of any text, or where that is NULL a number. 0 or -1. */
typedef int gt_put_label(void *context, const char *key, const char *text, size_t length,
                         int64_t number);

/* Hand over the labels of samples of this thread. 0, or -1 of `put`, which ends it. */
int gt_sample_labels_put(const struct gt_sample_labels *labels, uint32_t thread,
                         gt_put_label *put, void *context);

/* Is a label of that name written here? Users' labels are called otherwise. */
bool gt_sample_label_is_ours(const char *key);

#endif
