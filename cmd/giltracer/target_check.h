/* SPDX-License-Identifier: MIT */
/* What giltracer is to run: the check before anything is set up for it, its interpreter, its
 * command, and why it could not run. */
#ifndef GILTRACER_TARGET_CHECK_H
#define GILTRACER_TARGET_CHECK_H

#include "base/error.h"
#include "cli.h"
#include "launch/interp.h"

/* Find what python would find only later: the script is missing (`status` is GT_EXIT_NOT_FOUND
 * then), not readable or no program (GT_EXIT_NOT_EXECUTABLE). 0 or negative. */
int gt_target_check(const char *script, int *status, struct gt_error *err);

/* Find the interpreter that the command line asks for, or that the command is. 0 or negative;
 * then `status` is the exit status. */
int gt_target_find_interpreter(struct gt_interp *interp, uv_loop_t *loop,
                               const struct gt_cli *cli, int *status, struct gt_error *err);

/* Append the command that runs the target, under VizTracer where `viztracer_path`, to which
 * that writes, is not NULL. Returns 0 or -1. */
int gt_target_command(const struct gt_interp *interp, const struct gt_cli *cli,
                      const char *viztracer_path, struct gt_strvec *target);

/* The target could not be executed (`error` is an errno): say why. Returns the exit status. */
int gt_target_say_exec_failed(const char *program, int error);

#endif
