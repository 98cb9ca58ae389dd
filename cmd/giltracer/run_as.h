/* SPDX-License-Identifier: MIT */
/* As whom the program runs when sudo started giltracer: the user who called sudo. */
#ifndef GILTRACER_RUN_AS_H
#define GILTRACER_RUN_AS_H

#include "base/buf.h"
#include "base/error.h"
#include "base/strvec.h"
#include "cli.h"
#include "launch/interp.h"
#include "launch/sudo.h"

/* Starts as all zeros. */
struct gt_run_as {
    enum gt_sudo how;
    struct gt_sudo_user user;
    bool kept_root; /* by --as-root */
    const char
        *name; /* of whom the program runs as; NULL: sudo has no part in it, as with --pid */
};

/* Find out, and hold root back from now on where the program is to run as a user (rights.h). 0,
 * or negative with the reason, which is one line. */
int gt_run_as_settle(struct gt_run_as *run_as, const struct gt_cli *cli, struct gt_error *err);
void gt_run_as_release(struct gt_run_as *run_as);

/* Append a line on who runs the program that sudo was called for, and on which interpreter its
 * environment led to. 0 or -1. */
int gt_run_as_note(const struct gt_run_as *run_as, const struct gt_cli *cli,
                   const struct gt_interp *interp, struct gt_strvec *notes);

/* Say why there is no run; where something was not permitted, also with whose rights it was
 * tried.
 */
void gt_run_as_refuse(const struct gt_run_as *run_as, const struct gt_error *err);

/* Append a line to the plan that -v prints. Nothing without sudo. 0 or -1. */
int gt_run_as_print(const struct gt_run_as *run_as, struct gt_buf *text);

#endif
