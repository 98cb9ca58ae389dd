/* SPDX-License-Identifier: MIT */
/*
 * The gate itself (gate.h). It needs nothing but libc, so that cmd/giltracer-gate can be a
 * static program. It should be one: perf keeps a process's mappings across exec, and half of
 * the time its unwinder takes the libc of a dynamic gate for the target's, which is at another
 * address.
 */
#ifndef GT_LAUNCH_GATEKEEPER_H
#define GT_LAUNCH_GATEKEEPER_H

#include <stdint.h>

/* Arguments before those of the target: the gate's name, two descriptors, two signal sets,
 * flags of descriptors 0-2; and what to measure: function (enum gt_hit_function), offset, path,
 * "1" where switches are recorded; whom to become (become.h), "": nobody else; the soft limits
 * of open files and of a file's length. */
enum { GT_GATE_FIXED_ARGS = 15 };

/* What the gate reports before it executes the target. If that fails, an int follows: errno;
 * negative where it could not become the user. */
struct gt_gate_report {
    int64_t hit_ns;    /* cost of a hit; -1: not known */
    int64_t switch_ns; /* of recording that a thread leaves its CPU and comes back; the same */
};

/* Wait, become the user, restore the state, execute the target. Returns the exit status when
 * that fails. */
int gt_gatekeeper_main(char **argv);

#endif
