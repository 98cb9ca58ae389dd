/* SPDX-License-Identifier: MIT */
/* What perf2trace was asked for. */
#ifndef PERF2TRACE_CLI_H
#define PERF2TRACE_CLI_H

#include "base/strvec.h"
#include "common/console.h"
#include "common/user_labels.h"

#include <stdbool.h>
#include <stdint.h>

struct cli {
    struct gt_strvec outputs, what_if, fail_if;
    struct gt_user_labels labels;
    struct gt_strvec inputs; /* recordings, where there are several, a folder or a report */
    const char *summary, *baseline;
    const char *input; /* path or "-"; NULL: none */
    const char *viztracer, *agent_log, *probes, *native;
    int32_t root_pid; /* of a recording that tells it: the command's, and … */
    int64_t ended_ns; /* … by when it had ended; 0: not known */
    bool gil_of_agent;
    bool of_giltracer; /* what it left, whose parts need no names, or several of these */
    bool more_follow;  /* this is one of several recordings, and not the last one */
    unsigned detect;   /* enum gt_report_detect; 0: not given */
    bool compares;     /* no recording, but a report, with the baseline */
    bool stacks;       /* no report, but stacks as text */
    int operands;
    enum gt_color color;
    bool keep_interpreter, keep_short_calls, perfetto_states, all_threads, quiet, version, help;
};

#endif
