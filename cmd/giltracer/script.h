/* The script that is to run, before anything is set up for it. */
#ifndef GILTRACER_SCRIPT_H
#define GILTRACER_SCRIPT_H

#include "base/error.h"

/* What python would say only later: missing (`status` 127), not readable or no program
 * (126). */
int gt_script_check(const char *script, int *status, struct gt_error *err);

#endif
