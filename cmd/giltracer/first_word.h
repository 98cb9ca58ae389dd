/* SPDX-License-Identifier: MIT */
/* What the first word behind the options is: a script, or a command of Python's. */
#ifndef GILTRACER_FIRST_WORD_H
#define GILTRACER_FIRST_WORD_H

#include "cli.h"

/*
 * Settle it as a shell would: a file here, else a command on PATH. A Python interpreter, and a
 * command whose #! line names one (the console script of a virtual environment), become `--
 * COMMAND`, so that each runs in its own environment. `*status`: the exit status of a refusal.
 * 0, or negative: it is neither, and what may have been meant.
 */
int gt_first_word_settle(struct gt_cli *cli, int *status, struct gt_error *err);

#endif
