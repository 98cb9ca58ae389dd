/* SPDX-License-Identifier: MIT */
/* giltracer's command line. Its options are those of cli_options.c. */
#ifndef GILTRACER_CLI_H
#define GILTRACER_CLI_H

#include "agent.h"
#include "base/buf.h"
#include "base/options.h"
#include "base/strvec.h"
#include "cli_options.h"
#include "common/console.h"
#include "common/user_labels.h"
#include "config.h"
#include "launch/plan.h"

#include <stdbool.h>

enum gt_mode {
    GT_MODE_RUN,
    GT_MODE_DOCTOR,
    GT_MODE_SETUP,
    GT_MODE_TEARDOWN,
    GT_MODE_SNAPSHOT,
    GT_MODE_HELP,
    GT_MODE_VERSION
};

enum gt_target_kind {
    GT_TARGET_NONE,
    GT_TARGET_SCRIPT,  /* words: script args… */
    GT_TARGET_MODULE,  /* words: module args… */
    GT_TARGET_CODE,    /* words: code args… */
    GT_TARGET_COMMAND, /* words: command args… */
    GT_TARGET_PROCESS, /* no words: pid, or match */
};

enum { GT_CLI_PIDS_MAX = 32 };

struct gt_cli {
    enum gt_mode mode;
    enum gt_target_kind target;
    struct gt_strvec words;
    struct gt_strvec outputs;       /* -o; empty: the default */
    struct gt_strvec counters;      /* -e */
    struct gt_strvec fail_if;       /* --fail-if */
    struct gt_strvec what_if;       /* --what-if */
    struct gt_strvec interpreter;   /* -O, -X OPT and so on: the interpreter's own options */
    struct gt_user_labels labels;   /* --label */
    struct gt_buf include, exclude; /* globs, by newline */
    struct gt_agent_request agent;
    char budget[16], max_depth[16], min_ns[24], max_log[24], buffer[24]; /* as decimal text */
    const char *python; /* these point into argv; NULL: not given */
    const char *keep;
    const char *summary;
    const char *baseline;
    const char *metrics;       /* --metrics: an address, or a file */
    const char *match;         /* --match: a pattern for processes */
    int pid;                   /* --pid, the first of … */
    int pids[GT_CLI_PIDS_MAX]; /* … all of them; 0: not given */
    size_t pid_count;
    int control_fd;                 /* --control-fd; 0: not given */
    bool no_output;                 /* --no-output: reports are written to no file */
    bool dump;                      /* --dump: tell how it stands, and record nothing */
    uint64_t delay_ms, duration_ms; /* 0: not given */
    uint64_t keep_last_ms;          /* --keep-last; 0: not given */
    struct gt_strvec when;          /* --when */
    int snapshot_pid;               /* --snapshot */
    unsigned repeat;                /* runs of the target; at least 1 */
    const char *setup_group;
    bool gil_detect, state_detect, call_graph, keep_interpreter, perfetto_states, viztracer;
    bool all_threads, keep_short_calls;
    unsigned frequency;        /* -F: samples per second of each counter */
    bool native;               /* record native stacks */
    unsigned native_frequency; /* so many per second; 0: not given */
    enum gt_gil_source gil_source;
    enum gt_color color;
    bool quiet, verbose;
    bool open;           /* --open: show the page */
    const char *help_on; /* the word behind --help; NULL: none */
    bool as_root;        /* also under sudo */
    bool no_config;      /* --no-config: options of this command line alone */
    bool
        given[OPTIONS_END]; /* by id: settled, by the command line or a file that goes before */
    struct gt_config config; /* what files said */
};

void gt_cli_init(struct gt_cli *cli);
void gt_cli_release(struct gt_cli *cli);

/* Parse the whole of argv. 0, or GT_ERR_USAGE with one line that says the remedy. */
int gt_cli_parse(struct gt_cli *cli, char *const *argv, struct gt_error *err);

/* Set an option, as the command line would. `value` is kept. 0, GT_ERR_USAGE or GT_ERR_MEMORY.
 */
int gt_cli_set(struct gt_cli *cli, const struct gt_option *option, const char *value, bool on,
               struct gt_error *err);

/* Do the options go together? What files say is among them by then (config.h). 0 or negative.
 */
int gt_cli_check(struct gt_cli *cli, struct gt_error *err);

/* Is there an option that a command (-- COMMAND) cannot have? 0 or GT_ERR_USAGE. */
int gt_cli_check_command(const struct gt_cli *cli, struct gt_error *err);

/* The first of the outputs that is a page, as it was named; NULL: there is none. */
const char *gt_cli_page(const struct gt_cli *cli);

/* Where reports are to be written: what -o named, NULL-terminated, borrowed. */
char *const *gt_cli_outputs(const struct gt_cli *cli);

#endif
