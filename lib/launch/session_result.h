/* SPDX-License-Identifier: MIT */
/* What came of a session, and what it means for the report that a perf record died. */
#ifndef GT_LAUNCH_SESSION_RESULT_H
#define GT_LAUNCH_SESSION_RESULT_H

#include "base/error.h"
#include "base/strvec.h"
#include "launch/gatekeeper.h"
#include "launch/plan.h"
#include "launch/recorder.h"

#include <stdbool.h>
#include <stdint.h>

struct gt_recorders; /* launch/recorders.h */

struct gt_session_result {
    const struct gt_recorders *recorders; /* while the session runs; else NULL */
    bool target_ran;                      /* the gate was opened */
    int exec_errno;  /* the target could not be executed (gt_target_exec_error); 0: it was */
    int pid;         /* the target's */
    int perf_pid;    /* of what records all that is not recorded apart, as it began; 0: none */
    int exit_status; /* the target's; -1: ended by term_signal, or never ran */
    int term_signal;
    int64_t started_unix_ns; /* wall clock when the recording began */
    int64_t since_ns; /* CLOCK_MONOTONIC when it began, if the target ran already; else 0 */
    int64_t until_ns; /* the same when it ended, if the target ran on; else 0 */
    struct gt_gate_report costs; /* as the gate measured them */
    int64_t probes_out_ns; /* CLOCK_MONOTONIC when probes were taken out; 0: they were not */
    bool rest_out;         /* and all other events with them */
    bool rest_lost;        /* what the user wanted of these is known until then */
    bool perf_died;        /* that was not done for their cost: somebody, or a full disk, ended
                              what recorded them; what it recorded until then is there */
    int64_t recorded_ns;   /* CLOCK_MONOTONIC until when perf recorded, if it died and nothing
                              else tells what it would have; 0: to the end */
    int64_t ended_ns;      /* CLOCK_MONOTONIC when the target had ended; 0: not yet */
    int cancelled;         /* signal that ended the session before the target ran; 0: none */
    bool abandoned;        /* the user did not want to wait for the report */
    int late_signal;       /* the last one that on_late_signal is about; 0: none came */
    struct gt_error cut;   /* why not all of the recording was read; code 0: nothing to say */
    struct gt_strvec warnings; /* what is missing from the report, a line each */
};

void gt_session_result_init(struct gt_session_result *result);
void gt_session_result_release(struct gt_session_result *result);

/*
 * A perf record ended before it was told to: note until when it recorded, and warn. That of
 * native stacks takes nothing else with it. `opened_ns` (CLOCK_MONOTONIC): when the program
 * began; 0: not yet. True: agents record the GIL as well, and go on alone from there; no perf
 * is needed for that any more.
 */
bool gt_session_result_take_death(struct gt_session_result *result,
                                  const struct gt_recorder *recorder,
                                  const struct gt_plan *plan, enum gt_recorded_part part,
                                  int64_t opened_ns);

#endif
