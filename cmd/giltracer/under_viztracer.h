/* SPDX-License-Identifier: MIT */
/* --viztracer: the target runs under VizTracer, whose functions join the report. */
#ifndef GILTRACER_UNDER_VIZTRACER_H
#define GILTRACER_UNDER_VIZTRACER_H

#include "base/error.h"
#include "base/strvec.h"
#include "launch/interp.h"
#include "cli.h"
#include "viztracer/viztracer.h"

/* Run the interpreter to find out whether it can import VizTracer. 0, or GT_ERR_UNSUPPORTED
 * with the remedy. */
int gt_under_viztracer_check(const struct gt_interp *interp, uv_loop_t *loop,
                             struct gt_error *err);

/* Append the command that runs the target under VizTracer, which writes to `path` (absolute).
 * Returns 0 or -1. */
int gt_under_viztracer_command(const struct gt_interp *interp, const struct gt_cli *cli,
                               const char *path, struct gt_strvec *target);

/* Open what VizTracer wrote, and say what is wrong with it. NULL when it wrote nothing. */
struct gt_viztracer *gt_under_viztracer_open(const char *path);

#endif
