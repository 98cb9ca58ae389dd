/* The target: a child that waits at its gate (gate.h) until it is let go. */
#ifndef GT_LAUNCH_TARGET_H
#define GT_LAUNCH_TARGET_H

#include "base/error.h"
#include "launch/child.h"
#include "launch/gate.h"

#include <stdbool.h>
#include <uv.h>

struct gt_target {
    struct gt_child child;
    bool spawned;
    int gate;   /* our end of the pipe that holds it; -1: it is open */
    int report; /* our end of the pipe that tells why exec failed; -1 */
};

void gt_target_init(struct gt_target *target);
/* Closes the pipes too. The child must be done. */
void gt_target_release(struct gt_target *target);

/* Start it, up to its gate. `env` is its environment; NULL: ours. It gets our descriptors 0-2
 * as `inherited` says they were, and keeps every other descriptor that we were given. Before it
 * runs, the gate measures at `hit` (NULL: nothing). `on_done` as of gt_child. */
int gt_target_start(struct gt_target *target, uv_loop_t *loop, char *const *argv,
                    char *const *env, const struct gt_inherited *inherited,
                    const struct gt_hit_place *hit, gt_child_done_fn on_done, void *context,
                    struct gt_error *err);

/* Let it go: it becomes the program. False when it is gone already. */
bool gt_target_let_go(struct gt_target *target);
/* Close the gate's pipe without letting it go: it ends. */
void gt_target_give_up(struct gt_target *target);

/* Of a target that ended: why it could not be executed, an errno; 0: it was. `hit_ns`: what a
 * hit of a probe cost at the gate; -1: not known. Once. */
int gt_target_exec_error(const struct gt_target *target, int64_t *hit_ns);

#endif
