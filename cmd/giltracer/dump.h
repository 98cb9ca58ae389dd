/* SPDX-License-Identifier: MIT */
/* giltracer --pid PID --dump: how a running process stands at this moment. */
#ifndef GILTRACER_DUMP_H
#define GILTRACER_DUMP_H

#include "attach/python.h"
#include "attach/running.h"
#include "base/buf.h"
#include "cli.h"

/* Look at cli->pid and print it. Returns giltracer's exit status. */
int gt_dump_print(const struct gt_cli *cli);

/* The same as text, of a process whose interpreter is known. 0 or negative. */
int gt_dump_text(struct gt_buf *text, const struct gt_running *running,
                 const struct gt_python *python, struct gt_error *err);

#endif
