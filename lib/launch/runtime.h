/* Finding where an interpreter's file keeps CPython's global state (event/pyruntime.h). */
#ifndef GT_LAUNCH_RUNTIME_H
#define GT_LAUNCH_RUNTIME_H

#include "base/error.h"
#include "event/pyruntime.h"
#include "launch/interp.h"

/* Look into libpython, else the executable. GT_ERR_NOT_FOUND of an interpreter that could
 * not be asked. */
int gt_runtime_find(struct gt_runtime *runtime, const struct gt_interp *interp,
                    struct gt_error *err);

#endif
