/* --doctor: what this machine can and cannot record, and why. */
#ifndef GILTRACER_DOCTOR_H
#define GILTRACER_DOCTOR_H

#include "options.h"

/* Prints to stdout. Returns 0 when everything that a run needs is there, else 1. */
int gt_doctor(const struct gt_cli *cli);

#endif
