/* SPDX-License-Identifier: MIT */
/* What --help prints: the table of options (cli.c), and what is around it. */
#ifndef GILTRACER_HELP_H
#define GILTRACER_HELP_H

#include "base/buf.h"

/* Append it. Returns 0 or -1. */
int gt_help_text(struct gt_buf *text);

#endif
