/* SPDX-License-Identifier: MIT */
/* A recording as text: `perf script` runs as a child, and its output is handed on as it comes.
 */
#ifndef GT_LAUNCH_PERFSCRIPT_H
#define GT_LAUNCH_PERFSCRIPT_H

#include "base/error.h"
#include "launch/caps.h"
#include "launch/child.h"

#include <stdbool.h>
#include <uv.h>

struct gt_perfscript {
    const char *data_path; /* borrowed until the child is done */
    bool stacks;           /* print call chains */
    bool counters;         /* print periods */
    bool mappings;         /* print PERF_RECORD_MMAP2: where files were mapped */
    bool not_inlined;      /* of call chains: without the functions that were inlined */
    bool default_fields;   /* for recordings that lack a field which would be selected */
    gt_child_data_fn on_data;
    gt_child_done_fn on_done; /* may be NULL */
    void *context;
};

/* Does the recording hold call chains, and sampled counters? Fills `stacks` and `counters`;
 * leaves them false when perf cannot tell. */
void gt_perfscript_look(struct gt_perfscript *script, const struct gt_caps *caps,
                        uv_loop_t *loop);

/* How many events perf script can print at the most of a recording by gt_plan_record_command: a
 * record has 8 bytes at the least. 0: there is no such file. */
uint64_t gt_perfscript_most_events(const char *data_path);

/* Start perf script. The caller waits for the child and releases it. */
int gt_perfscript_start(const struct gt_perfscript *script, const struct gt_caps *caps,
                        uv_loop_t *loop, struct gt_child *child, struct gt_error *err);

/* Did perf script, which is done, print the whole recording? 0, or negative with one line that
 * says why not. `name` is what the user calls the recording. */
int gt_perfscript_judge(const struct gt_child *child, const char *name, struct gt_error *err);

/* Did perf script fail because the recording lacks a field? */
bool gt_perfscript_lacks_field(const struct gt_child *child);

#endif
