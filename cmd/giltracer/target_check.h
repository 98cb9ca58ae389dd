/* What is to run: checked before anything is set up for it, and why it did not run. */
#ifndef GILTRACER_TARGET_CHECK_H
#define GILTRACER_TARGET_CHECK_H

#include "base/error.h"

/* What python would say only later: missing (`status` 127), not readable or no program
 * (126). */
int gt_target_check(const char *script, int *status, struct gt_error *err);

/* The program could not be executed (`error`, an errno): say why. Returns the exit status. */
int gt_target_say_exec_failed(const char *program, int error);

#endif
