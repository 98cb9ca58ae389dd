/* SPDX-License-Identifier: MIT */
/* What the reports of a flight recorder are called: the outputs' names with a number before the
 * ending, trace-3.html. The newest ones of a run stay. */
#ifndef GILTRACER_FLIGHT_NAMES_H
#define GILTRACER_FLIGHT_NAMES_H

#include "base/error.h"
#include "base/strvec.h"
#include "flight.h"

#include <stddef.h>

struct gt_run_state;

struct gt_flight_names {
    unsigned number;        /* of the report at hand */
    struct gt_strvec paths; /* of its outputs, as gt_outputs_open takes them: with % */
    char *summary;          /* NULL: none */
    struct gt_strvec files[GT_FLIGHT_REPORTS]; /* of each of the newest: its files, without % */
};

void gt_flight_names_init(struct gt_flight_names *names);
void gt_flight_names_release(struct gt_flight_names *names);

/* The next report's. The files of the one that is too many by then are removed. 0 or negative.
 */
int gt_flight_names_next(struct gt_flight_names *names, const struct gt_run_state *run,
                         struct gt_error *err);

#endif
