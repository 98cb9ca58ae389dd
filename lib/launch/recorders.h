/* SPDX-License-Identifier: MIT */
/*
 * The perf records of one session: of probes, of native stacks, and of the rest. Probes are
 * recorded apart where they may have to be taken out before the end: they stay in the program's
 * way until the perf that recorded them has ended. Native stacks are, since no other part
 * depends on them.
 */
#ifndef GT_LAUNCH_RECORDERS_H
#define GT_LAUNCH_RECORDERS_H

#include "launch/plan.h"
#include "launch/recorder.h"
#include "launch/target.h"

struct gt_recorders {
    struct gt_recorder of[GT_RECORDED_PARTS];
    bool died[GT_RECORDED_PARTS];         /* before its time, which was told */
    int attempts;                         /* to attach to a process that runs, which failed */
    bool retrying;                        /* the last of these is being ended */
    const int *stream;                    /* the caller's: a pipe for what is not recorded
                                             apart; NULL: a file */
    const struct gt_plan *plan;           /* borrowed, once they are started */
    unsigned native_step;                 /* of gt_plan.native_hz, */
    int64_t native_looked_ns;             /* since when, … */
    int64_t native_used_ns;               /* … and the CPU time that perf had used then */
    uint64_t switches;                    /* of the target's threads, as far as it was looked */
    uint64_t switches_seen;               /* of those that were there at the last look */
    const char *paths[GT_RECORDED_PARTS]; /* of their data; borrowed */
};

/* No process yet. */
void gt_recorders_init(struct gt_recorders *recorders,
                       const char *const paths[GT_RECORDED_PARTS], gt_recorder_fn on_ready,
                       gt_recorder_fn on_done, void *context);

/* Start those that the plan wants, to record process `pid`. `held`: they are ready when they
 * wait for gt_recorders_enable, and again when they record. */
int gt_recorders_start(struct gt_recorders *recorders, const struct gt_plan *plan,
                       const struct gt_caps *caps, uv_loop_t *loop, int pid, bool held,
                       struct gt_error *err);
void gt_recorders_enable(struct gt_recorders *recorders);

/* The one of native stacks is gone by itself, and the others are not: do without it. True once.
 */
bool gt_recorders_give_up_native(struct gt_recorders *recorders);

/*
 * Look, while they record the target since `since_ns`, at what native stacks take. Sample less
 * often where perf has used more than 1% of the time for them, and when each further 32 MiB are
 * written, 256 where the user asked for them, so that long runs give no endless recording; end
 * them, unless the user asked for them, where the target's threads switch so often that this
 * alone takes more than 1%: each switch costs more while perf records anything of a thread
 * (gt_target_costs). A warning goes into `warnings`.
 */
void gt_recorders_thin_native(struct gt_recorders *recorders, struct gt_target *target,
                              int64_t since_ns, struct gt_strvec *warnings);

bool gt_recorders_any(const struct gt_recorders *recorders);       /* was one started? */
bool gt_recorders_are_ready(const struct gt_recorders *recorders); /* all that were started */
bool gt_recorders_are_done(const struct gt_recorders *recorders);
bool gt_recorders_has_data(const struct gt_recorders *recorders, enum gt_recorded_part part);

/* Until when (CLOCK_MONOTONIC) all that those record which are there is in their files; 0: not
 * known; INT64_MAX: none is there. */
int64_t gt_recorders_written_ns(const struct gt_recorders *recorders);

/* As gt_recorder_stop and _kill, for all. */
void gt_recorders_stop(struct gt_recorders *recorders);
void gt_recorders_kill(struct gt_recorders *recorders, uint64_t grace_ms);

/* A perf that attaches to threads, of which some end before it has come to them, gives up
 * without a word but that it ignored these (perf 6.1). Most programs have a moment in which
 * none does. */
enum gt_retry {
    GT_RETRY_NO,   /* that is not why one ended, or it was tried often enough */
    GT_RETRY_WAIT, /* the others are being ended, too: ask again when one has */
    GT_RETRY_NOW,  /* they are as if they had not been started */
};

/* One ended before it was ready: shall they be started again? */
enum gt_retry gt_recorders_retry(struct gt_recorders *recorders, uv_loop_t *loop);

/* What the one that ended first says, as gt_recorder_complaint. */
void gt_recorders_complaint(const struct gt_recorders *recorders, char *text, size_t size);

/* Did it end before it was told to? True once. */
bool gt_recorders_died(struct gt_recorders *recorders, enum gt_recorded_part part);

/* They must be done. */
void gt_recorders_release(struct gt_recorders *recorders, uv_loop_t *loop);

#endif
