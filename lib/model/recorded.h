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

/* The GILs as the agent and as the probes saw them, where and while both recorded. */
struct gt_agreement {
    bool compared;                          /* else there was one source only */
    int64_t until_ns;                       /* probes recorded until then */
    uint64_t both, agent_only, probes_only; /* acquisitions, releases, waits; who saw them */
    uint32_t threads, differing;            /* that have a GIL's events */
    struct gt_agreement_side {
        uint64_t acquisitions, releases;
        int64_t hold_ns, wait_ns; /* sums over threads */
    } agent, probes;
};

/* How exactly the clocks of several recordings were aligned (ingest/align.h). */
struct gt_alignment {
    uint32_t machines; /* or boots: 1: all have one clock, and the rest is 0 */
    int64_t error_ns;  /* what two of them saw at once is so far apart at most, as far as the
                          kernels know their clocks */
    uint32_t unknown;  /* machines whose clock was not synchronised: nobody knows how wrong it
                          is */
    double drift_ppm;  /* the largest difference in rate, between a machine's monotonic clock
                          and its wall clock; it is accounted for */
    int64_t set_ns;    /* the largest change of a wall clock that somebody set meanwhile; part
                          of error_ns */
    uint64_t barriers; /* collective calls that all of them made together, and that their clocks
                          agree with; 0: none are known (ingest/barriers.h) */
    bool barriers_all; /* … of all machines */
    int64_t barriers_error_ns; /* by these, clocks are so far apart at most */
    int64_t moved_ns; /* a wall clock disagreed with them, and its recordings were moved
                         by that, at most */
};

struct gt_recorded {
    const struct gt_timeline *timeline;
    const struct gt_probed *probed; /* the files with probes (event/probed_files.h), or NULL */
    unsigned detect;                /* enum gt_detect: what was asked for */
    uint64_t gil_hits;              /* events recorded for the GIL, also of other programs */
    uint64_t switches;              /* threads that left their CPUs, recorded by perf */
    uint64_t counted;               /* events of -e */
    uint64_t probe_hits;            /* hits of probes that were recorded apart */
    struct gt_agreement agreement;  /* of two sources of the GIL's events */
    int64_t probes_out_ns;          /* when probes were taken out, for their cost; 0: never */
    bool perf_died;      /* … not for their cost: perf was killed then, or failed */
    uint32_t unseen;     /* processes that were not seen from then on */
    bool agent_sees_gil; /* the GIL's events are the agent's */
    bool blind;          /* the agent was to see the GIL, and ran in no process */
    const char *cut;     /* why not all of it was read; NULL: all was */
    bool viztracer;      /* a VizTracer trace was merged */
    uint32_t agent_cpus; /* CPUs that the agent's process might use; 0: not known */
    /* The cost of the agent's recording, as it measured it; 0: not known. In ps: of an event of
     * the GIL, of a call of a Python function, of a call of a C function. In thousandths: how
     * much slower Python code was, calls not counted. */
    int64_t event_ps, call_ps, c_call_ps;
    uint32_t code_permille;
    uint32_t reports; /* recordings that were read from reports (tracejson/tracejson.h) */
    const struct gt_alignment *alignment; /* of several recordings; NULL: it is of one */
};

#endif
