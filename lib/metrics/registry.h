/* SPDX-License-Identifier: MIT */
/*
 * What has been counted so far, by process and group of threads. It is bounded, whatever runs:
 * processes and groups beyond the limits share the one called "other". So do processes that end
 * within a stretch: who forks all the time makes no series without end. What ended is kept for
 * GT_METRICS_KEEP_NS, so that it is scraped once more, and then goes; sooner where a limit is
 * reached. A counter never becomes
 * less as long as it is there. Each perf that records is a source of its own. A
 * process that two of them record is counted of the one that came first, while that lasts.
 */
#ifndef GT_METRICS_REGISTRY_H
#define GT_METRICS_REGISTRY_H

#include "base/error.h"
#include "metrics/sums.h"
#include "metrics/windows.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    GT_METRICS_PROCESSES_MAX = 32,
    GT_METRICS_GROUPS_MAX = 8,      /* of one process, "other" aside, */
    GT_METRICS_ALL_GROUPS_MAX = 64, /* and of all */
    GT_METRICS_LABEL_SIZE = 96,
};
#define GT_METRICS_KEEP_NS INT64_C(300000000000)
/* … and so long at least where others want its place. */
#define GT_METRICS_KEEP_LEAST_NS INT64_C(60000000000)

struct gt_metrics_group {
    char name[GT_GROUP_NAME_SIZE]; /* any bytes */
    uint64_t waits;
    int64_t wait_ns, held_ns;
    int64_t longest_wait_ns; /* in the newest stretch */
};

/* One stream of stretches. Starts as all zeros. */
struct gt_registry_source {
    int32_t
        root_pid; /* the program's: it has series of its own, however short it runs; 0: none */
    struct gt_sums newest; /* of the newest stretch */
};

struct gt_metrics_process {
    int32_t pid;                             /* 0: all others */
    const struct gt_registry_source *source; /* NULL: it has ended */
    char label[GT_METRICS_LABEL_SIZE];
    int64_t ended_ns; /* seen to have ended; 0: it has not */
    uint64_t handovers;
    int64_t contended_ns, unknown_ns;
    int64_t pending_ns; /* contended, by a holder who is told by the release */
    struct gt_metrics_group groups[GT_METRICS_GROUPS_MAX + 1]; /* the last one: "other" */
    size_t group_count;                                        /* without that */
    bool has_other;
};

struct gt_registry {
    struct gt_metrics_process processes[GT_METRICS_PROCESSES_MAX + 1];
    size_t count; /* without "other", which is behind them */
    bool has_other;
    struct gt_metrics_process other;
    int64_t other_since_ns; /* the longest wait of "other" is of the time from then on */
    size_t group_total;
    int64_t recorded_ns, lost_ns; /* of all sources */
    uint64_t events, lost_events;
};

/* Nothing is allocated but what sources hold. */
void gt_registry_init(struct gt_registry *registry);

/* What is known of a process. */
struct gt_process_names {
    int32_t pid;
    const char *name;    /* the kernel's */
    const char *command; /* its command line, arguments end with NUL */
    size_t command_length;
};
/* What it is called: text of at most `size` - 1 bytes, any. */
typedef void (*gt_process_label_fn)(void *context, const struct gt_process_names *names,
                                    char *label, size_t size);

/* A stretch of time of this source is over: add what happened in it. 0 or negative. */
int gt_registry_add(struct gt_registry *registry, struct gt_registry_source *source,
                    const struct gt_window *window, gt_process_label_fn label, void *context,
                    struct gt_error *err);

/* Look which processes of the source have ended by `now_ns`. */
void gt_registry_sweep(struct gt_registry *registry, const struct gt_registry_source *source,
                       const struct gt_lives *lives, int64_t now_ns);

/* The source has ended, and all of its processes, as far as can be seen. Frees what it holds.
 */
void gt_registry_end_source(struct gt_registry *registry, struct gt_registry_source *source,
                            int64_t now_ns);

/* What ended long before `now_ns` goes. */
void gt_registry_expire(struct gt_registry *registry, int64_t now_ns);

#endif
