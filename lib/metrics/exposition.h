/* SPDX-License-Identifier: MIT */
/*
 * What was counted, as text for Prometheus: OpenMetrics 1.0, or the older text format, which
 * differs in the names of counters' families only. Both end with "# EOF", which is a comment
 * in the older one. Values of labels come from the target: they are made valid UTF-8 without
 * control characters, and escaped.
 *
 * To add a metric: a row in `families` of exposition.c, and a case that says its value; its row
 * in scripts/docs/metrics.md.
 */
#ifndef GT_METRICS_EXPOSITION_H
#define GT_METRICS_EXPOSITION_H

#include "base/buf.h"
#include "metrics/registry.h"

#include <stdbool.h>
#include <stdint.h>

/* Of giltracer itself. */
struct gt_metrics_self {
    bool recording;
    int64_t own_cpu_ns, perf_cpu_ns;
    uint64_t resident_bytes;
    unsigned followed, unfollowed; /* processes: recorded by a perf each, and left out */
    uint64_t perf_restarts;
    int64_t until_unix_ns; /* all before is counted; 0: nothing is yet */
};

/* Append all. 0, or -1: no memory. */
int gt_exposition_text(struct gt_buf *text, const struct gt_registry *registry,
                       const struct gt_metrics_self *self, bool open_metrics);

#endif
