/* SPDX-License-Identifier: MIT */
/*
 * The target: a child that waits at its gate (gate.h) until that is opened; or a process that
 * runs already, and is nobody's child here.
 */
#ifndef GT_LAUNCH_TARGET_H
#define GT_LAUNCH_TARGET_H

#include "base/error.h"
#include "launch/child.h"
#include "launch/gate.h"
#include "launch/gatekeeper.h"

#include <stdbool.h>
#include <uv.h>

struct gt_target {
    struct gt_child child;
    bool spawned; /* it is our child */
    int attached; /* pid of a process that runs already; 0: it is our child, or there is none */
    bool done;    /* it has ended; true also before there was one */
    uv_poll_t ended;
    int open_handles; /* of `ended` */
    gt_child_done_fn on_done;
    void *context;
    int gate;   /* our end of the pipe that the gate waits on; -1: the gate is open */
    int report; /* our end of the pipe that the gate reports on; -1: closed */
    bool told;  /* `costs` were reported */
    struct gt_gate_report costs;
};

void gt_target_init(struct gt_target *target);
/* Closes the pipes, too, and runs the loop for that. A child must be done. */
void gt_target_release(struct gt_target *target, uv_loop_t *loop);

/* Start the process, which waits at its gate. `env` is its environment; NULL: that of
 * giltracer. It gets descriptors 0-2 as `inherited` says they were, and every other descriptor
 * that giltracer was given. Before the target runs, the gate measures at `hit` (NULL: nothing).
 * `on_done` as in gt_child_spec. */
int gt_target_start(struct gt_target *target, uv_loop_t *loop, char *const *argv,
                    char *const *env, const struct gt_inherited *inherited,
                    const struct gt_hit_place *hit, gt_child_done_fn on_done, void *context,
                    struct gt_error *err);

/*
 * The target is process `pid`, which runs already and is watched until it ends; `pidfd` is
 * borrowed (-1: the kernel has none, and its end is not seen). `on_done` is called with NULL
 * for the child.
 */
int gt_target_attach(struct gt_target *target, uv_loop_t *loop, int pid, int pidfd,
                     gt_child_done_fn on_done, void *context, struct gt_error *err);
/* Its pid; 0: there is none (any more), and nothing may be sent to it. */
int gt_target_pid(const struct gt_target *target);

/* Open the gate: the process executes the target. False when the process is gone already. Of
 * one that runs already there is nothing to open. */
bool gt_target_let_go(struct gt_target *target);
/* Close the pipe without opening the gate: the process ends. */
void gt_target_give_up(struct gt_target *target);

/* What the gate measured; -1: not known, or not yet. */
struct gt_gate_report gt_target_costs(struct gt_target *target);

/* The target has ended: returns the errno with which it could not be executed, 0 when it was.
 * Negative where it could not become the user whose it is
 * to be. Call it once. */
int gt_target_exec_error(struct gt_target *target);

#endif
