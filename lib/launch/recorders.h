/* SPDX-License-Identifier: MIT */
/*
 * The perf records of one session: of probes, and of the rest. Probes are recorded apart where
 * they may have to be taken out before the end: they stay in the program's way until the perf
 * that recorded them has ended.
 */
#ifndef GT_LAUNCH_RECORDERS_H
#define GT_LAUNCH_RECORDERS_H

#include "launch/plan.h"
#include "launch/recorder.h"

/* They are read in this order. */
enum gt_recorded_part { GT_RECORDED_PROBES, GT_RECORDED_REST, GT_RECORDED_PARTS };

struct gt_recorders {
    struct gt_recorder of[GT_RECORDED_PARTS];
    bool died[GT_RECORDED_PARTS];         /* before its time, which was told */
    const char *paths[GT_RECORDED_PARTS]; /* of their data; borrowed */
};

/* No process yet. */
void gt_recorders_init(struct gt_recorders *recorders, const char *probes_path,
                       const char *data_path, gt_recorder_fn on_ready, gt_recorder_fn on_done,
                       void *context);

/* Start those that the plan wants, to record process `pid`. `held`: they are ready when they
 * wait for gt_recorders_enable, and again when they record. */
int gt_recorders_start(struct gt_recorders *recorders, const struct gt_plan *plan,
                       const struct gt_caps *caps, uv_loop_t *loop, int pid, bool held,
                       struct gt_error *err);
void gt_recorders_enable(struct gt_recorders *recorders);

bool gt_recorders_any(const struct gt_recorders *recorders);       /* was one started? */
bool gt_recorders_are_ready(const struct gt_recorders *recorders); /* all that were started */
bool gt_recorders_are_done(const struct gt_recorders *recorders);
bool gt_recorders_has_data(const struct gt_recorders *recorders, enum gt_recorded_part part);

/* As gt_recorder_stop and _kill, for all. */
void gt_recorders_stop(struct gt_recorders *recorders);
void gt_recorders_kill(struct gt_recorders *recorders, uint64_t grace_ms);

/* A perf that attaches to threads, of which some end before it has come to them, gives up
 * without a word but that it ignored these (perf 6.1). Most programs have a moment in which
 * none does. Is that so, of those that are done? Then they are as if they had not been started.
 */
bool gt_recorders_missed_threads(struct gt_recorders *recorders, uv_loop_t *loop);

/* What the one that ended first says, as gt_recorder_complaint. */
void gt_recorders_complaint(const struct gt_recorders *recorders, char *text, size_t size);

/* Did it end before it was told to? True once. */
bool gt_recorders_died(struct gt_recorders *recorders, enum gt_recorded_part part);

/* They must be done. */
void gt_recorders_release(struct gt_recorders *recorders, uv_loop_t *loop);

#endif
