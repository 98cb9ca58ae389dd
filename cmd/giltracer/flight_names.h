/* SPDX-License-Identifier: MIT */
/* What the reports of a flight recorder are called: the outputs' names with a number before the
 * ending, trace-3.html. */
#ifndef GILTRACER_FLIGHT_NAMES_H
#define GILTRACER_FLIGHT_NAMES_H

#include "base/error.h"
#include "base/strvec.h"

struct gt_run_state;

struct gt_flight_names {
    struct gt_strvec paths; /* of the outputs, as gt_outputs_open takes them: with % */
    char *summary;          /* NULL: none */
};

/* Those of the report with this number. 0 or negative; release it then, too. */
int gt_flight_names_init(struct gt_flight_names *names, const struct gt_run_state *run,
                         unsigned number, struct gt_error *err);
void gt_flight_names_release(struct gt_flight_names *names);

/* Remove the report's files, as far as they are there. 0 or GT_ERR_MEMORY. */
int gt_flight_names_remove(const struct gt_flight_names *names, const struct gt_run_state *run,
                           struct gt_error *err);

#endif
