/* SPDX-License-Identifier: MIT */
/*
 * One process that runs already, recorded by a perf of its own and counted for --metrics. perf
 * inherits to the threads and children that it starts from then on.
 *
 *     FREE ─ gt_follower_start ─► STARTING ─ ready ─► RECORDING ─ process ended ─► ENDING ─►
 * FREE └── perf failed, or died ──► DEAD ─ a while later ─► STARTING
 */
#ifndef GILTRACER_FOLLOWER_H
#define GILTRACER_FOLLOWER_H

#include "attach/python.h"
#include "attach/running.h"
#include "base/error.h"
#include "cli.h"
#include "counting.h"
#include "launch/caps.h"
#include "launch/interp.h"
#include "launch/plan.h"
#include "launch/recorder.h"
#include "launch/runtime.h"
#include "matching.h"
#include "metrics.h"
#include "run_as.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <uv.h>

/* The probes of all followers, in one group: of each libc once. */
enum { GT_PROBED_LIBCS_MAX = 16 };
struct gt_probed_libcs {
    struct {
        dev_t device;
        ino_t inode;
    } list[GT_PROBED_LIBCS_MAX];
    size_t count;
    char group[GT_OWNER_SIZE]; /* "": none was installed */
};

/* What they share. Borrowed. */
struct gt_follow_common {
    uv_loop_t *loop;
    const struct gt_cli *cli;
    const struct gt_caps *caps;
    const struct gt_run_as *run_as;
    struct gt_metrics *metrics;
    struct gt_probed_libcs libcs;
    uint64_t restarts; /* of perfs that had recorded */
    bool told_death;
};

enum gt_follower_state {
    GT_FOLLOWER_FREE,
    GT_FOLLOWER_STARTING,
    GT_FOLLOWER_RECORDING,
    GT_FOLLOWER_ENDING,
    GT_FOLLOWER_DEAD, /* the process lives, its perf does not; it is started again */
};

/* Starts as all zeros; does not move while it is not FREE. */
struct gt_follower {
    enum gt_follower_state state;
    int64_t since_ns; /* in this state */
    struct gt_process_stat process;
    char label[GT_METRICS_LABEL_SIZE];
    struct gt_running running;
    struct gt_python python;
    struct gt_interp interp;
    struct gt_runtime runtime;
    struct gt_plan plan;
    struct gt_counting counting;
    struct gt_recorder recorder;
    bool open;            /* what is above is to be released */
    uint64_t begun_ticks; /* it is recorded since then (gt_process_ticks) */
    unsigned attempts;    /* to start perf, in vain */
};

/* Begin. Not in a callback of the loop. Negative, and FREE: the process is not to be had, or
 * does not run CPython (GT_ERR_UNSUPPORTED), or there is something else that will not change.
 */
int gt_follower_start(struct gt_follower *follower, struct gt_follow_common *common,
                      const struct gt_process_stat *process, const char *label,
                      struct gt_error *err);

/* Something may have happened. Not in a callback of the loop. */
void gt_follower_act(struct gt_follower *follower, struct gt_follow_common *common);

/* Record no more. */
void gt_follower_end(struct gt_follower *follower);
/* At once. */
void gt_follower_kill(struct gt_follower *follower);

#endif
