/* SPDX-License-Identifier: MIT */
/*
 * Samples of native stacks as text of the form that perf script prints, with the Python
 * functions that were traced in the place of the interpreter's frames, for programs that read
 * such text. Addresses are 0, and the file of a Python function stands where a library's name
 * does.
 */
#ifndef GT_REPORT_STACKS_TEXT_H
#define GT_REPORT_STACKS_TEXT_H

#include "base/error.h"
#include "base/output.h"
#include "model/timeline.h"

/* `keep_interpreter`: the interpreter's frames stay, below the functions. 0 or negative. */
int gt_stacks_text_write(const struct gt_timeline *timeline, bool keep_interpreter,
                         struct gt_output *output, struct gt_error *err);

#endif
