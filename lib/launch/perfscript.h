/* A recording as text: `perf script` as a child, its output handed on as it comes. */
#ifndef GT_LAUNCH_PERFSCRIPT_H
#define GT_LAUNCH_PERFSCRIPT_H

#include "base/error.h"
#include "launch/caps.h"
#include "launch/child.h"

#include <stdbool.h>
#include <uv.h>

struct gt_perfscript {
    const char *data_path; /* borrowed until it is done */
    bool stacks;           /* print call chains */
    bool counters;         /* print periods */
    bool mappings;         /* print PERF_RECORD_MMAP2: where files were mapped */
    bool default_fields;   /* for recordings that lack a field we would select */
    gt_child_data_fn on_data;
    gt_child_done_fn on_done; /* may be NULL */
    void *context;
};

/* Does the recording hold call chains, and sampled counters? Fills `stacks` and `counters`;
 * leaves them false when perf cannot tell. */
void gt_perfscript_look(struct gt_perfscript *script, const struct gt_caps *caps,
                        uv_loop_t *loop);

/* Start it. The child is the caller's to wait for and release. */
int gt_perfscript_start(const struct gt_perfscript *script, const struct gt_caps *caps,
                        uv_loop_t *loop, struct gt_child *child, struct gt_error *err);

/* Whether a done perf script gave all it could; if not, one line that says why. `name` is
 * what the user knows the recording by. */
int gt_perfscript_judge(const struct gt_child *child, const char *name, struct gt_error *err);

/* Whether it failed for a field that the recording does not have. */
bool gt_perfscript_lacks_field(const struct gt_child *child);

#endif
