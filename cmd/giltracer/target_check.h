/* Checking the target before anything is set up for it, and saying why it could not run. */
#ifndef GILTRACER_TARGET_CHECK_H
#define GILTRACER_TARGET_CHECK_H

#include "base/error.h"

/* Find what python would find only later: the script is missing (`status` is GT_EXIT_NOT_FOUND
 * then), not readable or no program (GT_EXIT_NOT_EXECUTABLE). 0 or negative. */
int gt_target_check(const char *script, int *status, struct gt_error *err);

/* The target could not be executed (`error` is an errno): say why. Returns the exit status. */
int gt_target_say_exec_failed(const char *program, int error);

#endif
