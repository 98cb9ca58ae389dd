/* --viztracer: the target runs under VizTracer, whose functions join the report. */
#ifndef GILTRACER_UNDER_VIZTRACER_H
#define GILTRACER_UNDER_VIZTRACER_H

#include "base/error.h"
#include "base/strvec.h"
#include "launch/interp.h"
#include "cli.h"
#include "viztracer/viztracer.h"

/* Can this interpreter import VizTracer? It is asked. GT_ERR_UNSUPPORTED with the remedy. */
int gt_under_viztracer_check(const struct gt_interp *interp, uv_loop_t *loop,
                             struct gt_error *err);

/* Append the target's command, under VizTracer, which is to write to `path` (absolute).
 * Returns 0 or -1. */
int gt_under_viztracer_command(const struct gt_interp *interp, const struct gt_cli *cli,
                               const char *path, struct gt_strvec *target);

/* What it wrote; NULL when that is nothing. What is wrong with it is said. */
struct gt_viztracer *gt_under_viztracer_open(const char *path);

#endif
