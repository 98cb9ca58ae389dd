/* SPDX-License-Identifier: MIT */
/*
 * A recording that is ready to be analysed: the timeline, and what is known of its sources.
 */
#ifndef GT_MODEL_RECORDED_H
#define GT_MODEL_RECORDED_H

#include "model/timeline.h"

/* What was asked for. */
enum gt_detect {
    GT_DETECT_GIL = 1 << 0,   /* waits for and holds of the GIL */
    GT_DETECT_SCHED = 1 << 1, /* states of threads; if not asked for, they are not shown, but
                                 used where they tell what a holder of the GIL did */
};

struct gt_recorded {
    const struct gt_timeline *timeline;
    const struct gt_probed *probed; /* the files with probes (event/probed_files.h), or NULL */
    unsigned detect;                /* enum gt_detect: what was asked for */
    uint64_t gil_hits;              /* events recorded for the GIL, also of other programs */
    bool agent_sees_gil;            /* the GIL's events are the agent's */
    bool blind;                     /* the agent was to see the GIL, and ran in no process */
    bool viztracer;                 /* a VizTracer trace was merged */
    uint32_t agent_cpus;            /* CPUs that the agent's process might use; 0: not known */
    /* The cost of the agent's recording, as it measured it; 0: not known. In ps: of an event of
     * the GIL, of a call of a Python function, of a call of a C function. In thousandths: how
     * much slower Python code was, calls not counted. */
    int64_t event_ps, call_ps, c_call_ps;
    uint32_t code_permille;
};

#endif
