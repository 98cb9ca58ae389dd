/* SPDX-License-Identifier: MIT */
/*
 * One recorded run: perf record and the target as children, then perf script, held together
 * by a table of states and events (session.c).
 *
 *     STARTING ─ ack ─► RUNNING ─ target ended ─► FLUSHING ─ perf ended ─► CONVERTING ─► DONE
 *         │               └─── duration over ───►┘        a launched target that runs ▼    ▲
 *         │                                               on is followed to its end FOLLOWING
 *         └─ perf or gate fails, signal ─► ABORTING ─ both ended ─────────────────────────►┘
 *
 * The target is launched, or runs already (`attach_pid`). Such a process is never signalled,
 * stopped or waited for: a signal to giltracer ends the recording.
 */
#ifndef GT_LAUNCH_SESSION_H
#define GT_LAUNCH_SESSION_H

#include "base/error.h"
#include "base/strvec.h"
#include "launch/caps.h"
#include "launch/child.h"
#include "launch/gate.h"
#include "launch/gatekeeper.h"
#include "launch/plan.h"
#include "launch/session_result.h"
#include "launch/signals.h"

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

enum gt_session_state {
    GT_SESSION_STARTING,   /* perf starts, the target waits at its gate */
    GT_SESSION_RUNNING,    /* the target runs, recorded or not */
    GT_SESSION_FLUSHING,   /* the target ended, perf writes what it has */
    GT_SESSION_CONVERTING, /* the recording is read */
    GT_SESSION_FOLLOWING,  /* all is done but for the target, which runs on */
    GT_SESSION_ABORTING,   /* the session failed: its children are being ended */
    GT_SESSION_DONE,
    GT_SESSION_STATES
};

struct gt_session_spec {
    const struct gt_caps *caps;
    const struct gt_plan *plan;
    const struct gt_inherited *inherited;
    const struct gt_hit_place *hit; /* where the gate measures; may be NULL */
    struct gt_signals *signals;
    int attach_pid;       /* the target, where it runs already; 0: it is launched */
    int attach_pidfd;     /* of it; -1: the kernel has none */
    uint64_t delay_ms;    /* from its start, or from now on, until the recording begins */
    uint64_t duration_ms; /* of the recording; 0: to the target's end */
    const char *paths[GT_RECORDED_PARTS]; /* where the data of each perf record goes */
    const int *stream; /* a pipe into which the data of GT_RECORDED_REST goes instead: nothing
                          of it is read here; NULL: none */
    uint64_t perf_timeout_ms; /* for perf to get ready, and to end */
    /* A recording where `is_readable` says so of its file, else perf script's text of it, while
     * converting. GT_ERR_FORMAT ends the reading of this recording,
     * not of the others, and is no failure. */
    gt_child_data_fn on_data[GT_RECORDED_PARTS];
    bool (*is_readable)(void *context, const char *path);
    /* Asked every 50 ms while probes are recorded apart: shall they be taken out? `costs` is
     * what the gate measured. May be NULL. */
    bool (*probes_too_dear)(void *context, const struct gt_gate_report *costs);
    /* The recording is about to begin, of a process that runs already: once. Negative, with the
     * reason, ends the session. May be NULL. */
    int (*on_attach)(void *context, struct gt_error *err);
    void (*on_begin)(void *context, int pid); /* the recording begins; the target runs, or is
                                                 about to; may be NULL */
    void (*on_end)(void *context); /* the recording is over, since the target ended, or while
                                      it runs on; may be NULL */
    void (*on_recorded)(void *context); /* perf record has ended, and no longer uses probes; may
                                           be NULL */
    void (*on_follow)(void *context, int rc); /* all is done, and the result is what _run will
                                                 return, but the target runs on; may be NULL */
    /* The program has ended, or runs without us, and the first signal came that could end the
     * wait for the report. FLUSHING: the next SIGINT abandons it. CONVERTING: this ends the
     * reading, and the next SIGINT abandons the report. May be NULL. */
    void (*on_late_signal)(void *context, enum gt_session_state state);
    /* Called 50 ms after the start, then every 500 ms; may be NULL. */
    void (*on_tick)(void *context, enum gt_session_state state);
    void *context;
};

/*
 * Run the session on `loop`. Returns 0 when the target ran, whatever became of it (see
 * `result`), or could not be executed. Negative when it never ran, or when nothing could be
 * recorded or read; `target_ran` says which, and the exit status in `result` is the target's
 * also then. No child is left when it returns.
 */
int gt_session_run(uv_loop_t *loop, const struct gt_session_spec *spec,
                   struct gt_session_result *result, struct gt_error *err);

#endif
