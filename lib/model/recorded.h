/*
 * A recording that is ready to be analysed: the model, and what is known of where it came from.
 */
#ifndef GT_MODEL_RECORDED_H
#define GT_MODEL_RECORDED_H

#include "model/timeline.h"

/* What was asked for. */
enum gt_detect {
    GT_DETECT_GIL = 1 << 0,   /* GIL waits and holds */
    GT_DETECT_SCHED = 1 << 1, /* thread states; without, they serve to judge holders of the GIL
                                 and are not shown */
};

struct gt_recorded {
    struct gt_timeline *timeline;
    const struct gt_probed *probed; /* files with probes (event/probed_files.h), or NULL */
    unsigned detect;                /* enum gt_detect */
    uint64_t gil_hits;              /* events that were recorded for the GIL, whosever it was */
    bool agent_sees_gil;            /* its events of the GIL are taken */
    bool blind;                     /* the agent that was to see the GIL ran nowhere */
    bool viztracer;                 /* a trace of VizTracer's is in it */
    uint32_t agent_cpus;            /* that the agent saw; 0: not known */
    /* What the agent's recording cost, in ps, as it measured: an event of the GIL's, a call of
     * a Python function, of one of C; and by how many thousandths Python code was slower,
     * beside calls. 0: not known. */
    int64_t event_ps, call_ps, c_call_ps;
    uint32_t code_permille;
};

#endif
