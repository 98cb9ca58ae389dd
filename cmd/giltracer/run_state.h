/* SPDX-License-Identifier: MIT */
/* What one run holds, from prepare.c by recording.c to the report that run.c has written. */
#ifndef GILTRACER_RUN_STATE_H
#define GILTRACER_RUN_STATE_H

#include "agentlog/agentlog.h"
#include "attach/python.h"
#include "attach/running.h"
#include "base/error.h"
#include "base/strvec.h"
#include "event/clocks.h"
#include "common/checks.h"
#include "common/outputs.h"
#include "common/results.h"
#include "ingest/ingest.h"
#include "launch/caps.h"
#include "launch/child.h"
#include "launch/claim.h"
#include "launch/gate.h"
#include "launch/interp.h"
#include "launch/meter.h"
#include "launch/plan.h"
#include "launch/runtime.h"
#include "launch/session.h"
#include "launch/signals.h"
#include "agent.h"
#include "cli.h"
#include "control.h"
#include "flight.h"
#include "late_agent.h"
#include "metrics.h"
#include "outer_pids.h"
#include "run_as.h"
#include "watch.h"

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

struct gt_run_state {
    /* Asked for. */
    const struct gt_cli *cli;
    const struct gt_inherited *inherited;
    const struct gt_run_as *run_as;
    struct gt_checks *checks;
    bool last; /* of --repeat */

    /* Prepared. */
    uv_loop_t loop;
    struct gt_signals signals;
    bool signals_started;
    struct gt_control control;
    int interrupts_heeded; /* of signals.interrupts: those that came before that */
    int endings_heeded;    /* of signals.endings: those that came before a report is written */
    struct gt_caps caps;
    struct gt_interp interp;
    struct gt_running running; /* with --pid: the process, … */
    struct gt_python python;   /* … its interpreter, … */
    int64_t interval_ns;       /* … and its switch interval; 0: not known */
    struct gt_plan plan;
    struct gt_runtime runtime;
    struct gt_outputs outputs;
    struct gt_run_info info;
    char version[64];
    char host[HOST_NAME_MAX + 1];
    char rank[GT_RANK_SIZE]; /* with --pid: the process's */
    struct gt_clocks clocks;
    char *folder;                  /* of the recording; ours, to be removed, without --keep */
    struct gt_claim claim;         /* on that folder */
    char *data_path;               /* of perf.data */
    char *probes_path;             /* of what perf recorded of probes alone */
    char *native_path;             /* likewise of native stacks */
    char *run_path;                /* of what is kept beside them (common/run_file.h) */
    char *viztracer_path;          /* where VizTracer writes; NULL: it is not used */
    char *agent_path;              /* the agent's log folder; NULL: no agent */
    struct gt_agent_request agent; /* the command line's, less what is not possible */
    struct gt_error agent_why;     /* why it cannot be loaded; code 0: it can */
    bool agent_noted;              /* the user knows */
    struct gt_metrics *metrics;    /* --metrics; else NULL */
    struct gt_flight *flight;      /* --keep-last; else NULL */
    bool left_to_agents;           /* with it: perf ended before all that is kept */
    struct gt_late_agent late;     /* with --pid: the agent in the process, … */
    struct gt_outer_pids pids;     /* … and what it calls itself */

    /* Recorded. */
    bool probes_installed, removal_started;
    struct gt_child removal;
    struct gt_meter meter;
    struct gt_watch watch;
    struct gt_session_result result;
    int64_t started_ns;

    /* Read and reported. */
    struct gt_ingest *ingest;
    struct gt_agentlog_files agent_files;
    struct gt_agentlog *agentlog;
    struct gt_error agent_missed; /* why there is no log; code 0: nothing to say */
    struct gt_error agent_unread; /* why the log that there is was not read; code 0: it was */
    struct gt_viztracer *viztracer;
    struct gt_error report_error; /* why feeding failed */
    struct gt_results results;
    bool kept; /* the recording, since there is no report */
    bool reported;
    const struct gt_error *failure; /* the session's; borrowed */
    bool concluded;                 /* all was said, and the reports were written */
};

#endif
