/* SPDX-License-Identifier: MIT */
/* Finding where an interpreter's file keeps CPython's global state (event/pyruntime.h). */
#ifndef GT_LAUNCH_RUNTIME_H
#define GT_LAUNCH_RUNTIME_H

#include "base/error.h"
#include "event/pyruntime.h"
#include "launch/interp.h"

/* Look into libpython, or into the executable where there is none. GT_ERR_NOT_FOUND also when
 * the interpreter could not be asked for its files. */
int gt_runtime_find(struct gt_runtime *runtime, const struct gt_interp *interp,
                    struct gt_error *err);

#endif
