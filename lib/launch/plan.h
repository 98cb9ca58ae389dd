/* SPDX-License-Identifier: MIT */
/*
 * What a run will do, decided from the options, the machine and the interpreter before anything
 * is started. A plan is data: making one starts no process and reads no file but symbol tables,
 * and `-v` prints it.
 *
 * To add a GIL source: 1. a value of gt_gil_source and its name in plan.c; 2. a case in
 * choose_source there, which says why when the machine cannot do it; 3. what it needs in the
 * commands below.
 */
#ifndef GT_LAUNCH_PLAN_H
#define GT_LAUNCH_PLAN_H

#include "base/buf.h"
#include "base/error.h"
#include "base/strvec.h"
#include "launch/caps.h"
#include "launch/interp.h"
#include "launch/probed.h"
#include "launch/probe_sites.h"

#include <stdbool.h>
#include <stdint.h>

/* GT_NATIVE_STACK_BYTES: of each sample of a native stack. GT_NATIVE_STEPS: frequencies, of
 * which one is sampled with at a time: each is a quarter of the one before. */
enum { GT_NATIVE_STACK_BYTES = 8192, GT_NATIVE_STEPS = 4 };

enum gt_gil_source {
    GT_GIL_AUTO, /* of requests only: the plan chooses */
    GT_GIL_NONE,
    GT_GIL_UPROBES,
    GT_GIL_FUNCTIONS,
    GT_GIL_FUTEX,
    GT_GIL_AGENT,
};

struct gt_plan {
    enum gt_gil_source gil_source;
    bool installed_probes;         /* the probes that exist already are used as they are */
    struct gt_probe_set probes;    /* to be installed; may be empty */
    struct gt_probed probed;       /* the files that probes are in */
    struct gt_strvec events;       /* for perf record -e */
    struct gt_strvec probe_events; /* for a perf record of its own; may be empty */
    bool states;                   /* scheduling is recorded: switch records at least … */
    bool show_states;              /* … and is to be shown, not only to judge holders by */
    bool stacks;                   /* with stacks */
    bool counter_stacks;           /* events of -e with stacks */
    bool not_inlined;            /* … so many that perf need not ask for inlined functions */
    bool futex;                  /* waits for condition variables are recorded */
    bool agent;                  /* the agent is in the target: preloaded, … */
    bool late;                   /* … or loaded while it runs */
    bool two_sources;            /* the GIL is seen by probes and by the agent */
    struct gt_strvec counters;   /* the user's own events, as perf script will name them */
    struct gt_strvec env;        /* its whole environment then; empty: that of this process */
    struct gt_strvec target;     /* the target's argument vector */
    struct gt_strvec notes;      /* lines for the user */
    uint64_t buffer_bytes;       /* of perf, per CPU; 0: perf's own choice (buffer.h) */
    uint64_t probe_buffer_bytes; /* the same of the perf record for probe_events */
    uint64_t buffer_most;        /* what they could be at most */
    struct gt_strvec native_events; /* for a perf record of its own: samples of native stacks */
    /* Of these, per second: at first, and in turn where that is too often; 0: no more. */
    unsigned native_hz[GT_NATIVE_STEPS];
    bool native_asked; /* the user wants them, whatever they cost */
};

/* What the command line asks for. Borrowed. */
struct gt_plan_request {
    enum gt_gil_source gil_source;
    bool gil_detect;
    bool state_detect;
    bool call_graph;
    char *const *counters;     /* events of -e, checked; NULL-terminated, or NULL */
    unsigned frequency;        /* of their samples, per second */
    uint64_t buffer_bytes;     /* --buffer; 0: as the plan chooses */
    unsigned native_frequency; /* of samples of native stacks, per second; 0: none */
    bool native_asked;         /* the user chose it */
    bool agent;                /* needed whatever the GIL source: functions are traced */
    bool agent_possible;       /* it can be loaded into the interpreter */
    bool delayed;              /* the recording begins while the target runs already */
    int attach_pid;            /* the target runs already; 0: it does not */
    char *const *target;       /* NULL-terminated */
};

void gt_plan_init(struct gt_plan *plan);
void gt_plan_release(struct gt_plan *plan);

/* Decide. 0, or negative with the reason why such a run is not possible here. */
int gt_plan_make(struct gt_plan *plan, const struct gt_plan_request *request,
                 const struct gt_caps *caps, const struct gt_interp *interp,
                 struct gt_error *err);

/* "uprobes", …; NULL for GT_GIL_NONE. */
const char *gt_gil_source_name(enum gt_gil_source source);
/* The source called `name`; GT_ERR_USAGE with the list of names. */
int gt_gil_source_parse(const char *name, enum gt_gil_source *source, struct gt_error *err);

/* Does `events` record what the user asked to see: states, counters? Else it serves the GIL, as
 * probes do: the lives of threads, and what judges holders. */
bool gt_plan_rest_is_wanted(const struct gt_plan *plan);

/* The larger one of perf's buffers, per CPU, also where perf chooses; 0: perf does not record.
 */
uint64_t gt_plan_buffer_bytes(const struct gt_plan *plan, const struct gt_caps *caps);

/* What one perf record is for: each has the events of its own list. They are read in this
 * order. */
enum gt_recorded_part {
    GT_RECORDED_PROBES,
    GT_RECORDED_REST,
    GT_RECORDED_NATIVE,
    GT_RECORDED_PARTS
};

const struct gt_strvec *gt_plan_events_of(const struct gt_plan *plan,
                                          enum gt_recorded_part part);

/* Append perf record's argument vector for one part: it records process `pid`, writes to its
 * standard output, and has its control pipes (perfctl.h) at the fds `control` and `ack`.
 * Returns 0 or -1. */
int gt_plan_record_command(const struct gt_plan *plan, const struct gt_caps *caps,
                           enum gt_recorded_part part, int pid, int control, int ack,
                           struct gt_strvec *argv);

/* Append the plan as text for -v, one fact a line. Returns 0 or -1. */
int gt_plan_print(const struct gt_plan *plan, const struct gt_caps *caps,
                  const struct gt_interp *interp, struct gt_buf *text);

#endif
