/* SPDX-License-Identifier: MIT */
#ifndef GILTRACER_HELP_H
#define GILTRACER_HELP_H

#include "base/options_text.h"

/* What --help, the manual page and completions tell beside the table of options. */
extern const struct gt_program_help gt_giltracer_help;

#endif
