/* SPDX-License-Identifier: MIT */
/* Printing a program's help in one of its forms (base/options_text.h). */
#ifndef GT_COMMON_HELP_H
#define GT_COMMON_HELP_H

#include "base/options_text.h"

/* To standard output. 0, or negative with the reason. */
int gt_help_print(const struct gt_program_help *help, const char *which, struct gt_error *err);

#endif
