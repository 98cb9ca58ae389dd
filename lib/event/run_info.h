/* SPDX-License-Identifier: MIT */
/*
 * What ran, as far as it is not in the recording itself: for the head of the report, and for
 * the decisions that depend on it.
 */
#ifndef GT_EVENT_RUN_INFO_H
#define GT_EVENT_RUN_INFO_H

#include <stdbool.h>
#include <stdint.h>

struct gt_clocks;       /* event/clocks.h */
struct gt_surroundings; /* event/surroundings.h */

/* A file that options were read from, beside the command line. */
struct gt_run_config {
    const char *file;     /* its absolute path; NULL: the end of the list */
    char *const *options; /* their long names, NULL-terminated */
};

/* What the user says that a run belongs to (--label KEY=VALUE). */
struct gt_label {
    const char *key; /* NULL: the end of the list */
    const char *value;
};

/* By what a run is known among many. */
struct gt_run_identity {
    const struct gt_label *labels; /* NULL: none */
    const char *rank; /* in a parallel job, in decimal digits; NULL: none is known */
    int32_t root_pid; /* the process that has it; -1 unknown */
};

/* Strings and pointers are borrowed for as long as the report lives. Any may be NULL, and any
 * number -1, when it is not known (perf2trace knows little). */
struct gt_run_info {
    char *const *argv;       /* the target's command, NULL-terminated */
    const char *interpreter; /* real path of the Python executable */
    const char *version;     /* "CPython 3.11.7" */
    const char *gil_source;  /* "uprobes", "functions", …, or NULL when off */
    const char *host;        /* node name */
    const char *user;        /* under sudo: whom the program ran as; NULL: without sudo */
    int64_t hit_ns;          /* measured cost of a hit of a probe; 0 or less: unknown */
    int64_t switch_ns; /* the same of recording that a thread leaves a CPU and comes back */
    unsigned budget_percent;  /* what recording may add to the run; 0: anything */
    uint64_t buffer_bytes;    /* perf's, per CPU; 0: not known, or perf did not record */
    uint64_t buffer_most;     /* what it could have been */
    bool agent_instead;       /* the agent could have seen the GIL alone, and did not see it */
    int exit_status;          /* the target's, -1 unknown */
    int term_signal;          /* that ended it, 0 none */
    int64_t started_unix_ns;  /* wall clock when the gate opened, -1 unknown */
    int32_t root_pid;         /* the target's pid; -1 unknown */
    uint32_t cpus;            /* that it may use; 0 unknown */
    double usable_cpus;       /* the same, less where a quota says so (0.2, 1.5); 0 unknown */
    bool usable_cpus_changed; /* while it ran: no one number is right */
    bool gil_enabled;         /* false on a free-threaded build that runs without a GIL */
    const struct gt_label *labels; /* NULL: none */
    const char *rank; /* of the target in a parallel job, in decimal digits; NULL: unknown */
    /* Of several recordings, by their index in the timeline; NULL: it is of one. */
    const struct gt_run_identity *identities;
    const char *because; /* for which condition it was written as the run went on; or NULL */
    const struct gt_run_config *config;         /* which of them are in force; NULL: none */
    const struct gt_surroundings *surroundings; /* what the machine did to it; NULL: unknown */
    const struct gt_clocks *clocks; /* the wall clock beside the recording's; NULL: unknown */
};

#endif
