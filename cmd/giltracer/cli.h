/* SPDX-License-Identifier: MIT */
/* giltracer's command line. --help (help.c) prints the table in cli.c. */
#ifndef GILTRACER_CLI_H
#define GILTRACER_CLI_H

#include "agent.h"
#include "base/buf.h"
#include "base/options.h"
#include "base/strvec.h"
#include "common/console.h"
#include "launch/plan.h"

#include <stdbool.h>

enum gt_mode {
    GT_MODE_RUN,
    GT_MODE_DOCTOR,
    GT_MODE_SETUP,
    GT_MODE_TEARDOWN,
    GT_MODE_HELP,
    GT_MODE_VERSION
};

enum gt_target_kind {
    GT_TARGET_NONE,
    GT_TARGET_SCRIPT,  /* words: script args… */
    GT_TARGET_MODULE,  /* words: module args… */
    GT_TARGET_CODE,    /* words: code args… */
    GT_TARGET_COMMAND, /* words: command args… */
    GT_TARGET_PROCESS, /* no words: pid */
};

struct gt_cli {
    enum gt_mode mode;
    enum gt_target_kind target;
    struct gt_strvec words;
    struct gt_strvec outputs;       /* -o; empty: the default */
    struct gt_strvec counters;      /* -e */
    struct gt_strvec fail_if;       /* --fail-if */
    struct gt_buf include, exclude; /* globs, by newline */
    struct gt_agent_request agent;
    char budget[16], max_depth[16], min_ns[24], max_log[24], buffer[24]; /* as decimal text */
    const char *python; /* these point into argv; NULL: not given */
    const char *keep;
    const char *summary;
    const char *baseline;
    int pid;                        /* --pid; 0: not given */
    int control_fd;                 /* --control-fd; 0: not given */
    bool no_output;                 /* --no-output: reports are written to no file */
    bool dump;                      /* --dump: tell how it stands, and record nothing */
    uint64_t delay_ms, duration_ms; /* 0: not given */
    unsigned repeat;                /* runs of the target; at least 1 */
    const char *setup_group;
    bool gil_detect, state_detect, call_graph, keep_interpreter, perfetto_states, viztracer;
    unsigned frequency; /* -F: samples per second of each counter */
    enum gt_gil_source gil_source;
    enum gt_color color;
    bool quiet, verbose;
    bool as_root; /* also under sudo */
};

extern const struct gt_option gt_cli_table[];

void gt_cli_init(struct gt_cli *cli);
void gt_cli_release(struct gt_cli *cli);

/* Parse the whole of argv. 0, or GT_ERR_USAGE with one line that says the remedy. */
int gt_cli_parse(struct gt_cli *cli, char *const *argv, struct gt_error *err);

/* Where reports are to be written: what -o named, NULL-terminated, borrowed. */
char *const *gt_cli_outputs(const struct gt_cli *cli);

#endif
