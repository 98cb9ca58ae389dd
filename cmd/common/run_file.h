/* SPDX-License-Identifier: MIT */
/*
 * What is kept beside a recording: DIR/run.json of --keep DIR, which says what ran and by which
 * clocks ("run" of lib/report/SCHEMA.md), and how long the files beside it are.
 */
#ifndef GT_COMMON_RUN_FILE_H
#define GT_COMMON_RUN_FILE_H

#include "base/error.h"
#include "base/strvec.h"
#include "common/names.h"
#include "common/user_labels.h"
#include "event/clocks.h"
#include "event/run_info.h"

#include <jansson.h>

#define GT_RUN_FILE "run.json"
/* Beside it, what the perfs recorded: of the probes and of native stacks, where they have a
 * perf of their own, and of all else. */
#define GT_PERF_FILE   "perf.data"
#define GT_PROBES_FILE "probes.data"
#define GT_NATIVE_FILE "native.data"

/* What was read of one: starts as all zeros, is not copied, and owns what `info` points to. */
struct gt_run_file {
    struct gt_run_info info;
    struct gt_clocks clocks; /* of info.clocks */
    json_t *value;           /* the strings are of it */
    struct gt_strvec argv;
    struct gt_user_labels labels;
    char rank[GT_RANK_SIZE];
    bool agent; /* an agent's log belongs to the recording */
};

/* Write it, when the files beside it are as they are to stay. `agent`: DIR/agent is of this
 * run. 0 or negative. */
int gt_run_file_write(const char *path, const struct gt_run_info *info, bool agent,
                      struct gt_error *err);

/* Read it from the folder of a recording. GT_ERR_NOT_FOUND: there is none, `info` says that
 * nothing is known; GT_ERR_FORMAT. Release it in any case. */
int gt_run_file_read(struct gt_run_file *file, const char *dir, struct gt_error *err);

/* The same of the folder that the file `path` is in; of "-", there is none. */
int gt_run_file_read_beside(struct gt_run_file *file, const char *path, struct gt_error *err);

/* Take what ran from "run" of a summary, or of the file. Its reference is taken; it may be of
 * any kind. 0 or GT_ERR_MEMORY. */
int gt_run_file_take(struct gt_run_file *file, json_t *run, struct gt_error *err);

/* Is `path`, one of the files beside such a one, shorter than it was? Then `damage` says so:
 * nothing in a recording tells where it ends. It stays as it is where that is not known. */
void gt_run_file_check_length(const char *path, struct gt_error *damage);

void gt_run_file_release(struct gt_run_file *file);

#endif
