/*
 * The gate's own side (gate.h): needs nothing but libc, so that cmd/gate can be a static
 * program. It should be: perf never forgets a mapping at exec, and its unwinder mistakes the
 * libc that a dynamic gate had for the target's, at another address, half of the time.
 */
#ifndef GT_LAUNCH_GATEKEEPER_H
#define GT_LAUNCH_GATEKEEPER_H

#include <stdint.h>

/* Words before the target's: name, two descriptors, two signal sets, flags of 0-2; and what to
 * measure: function (enum gt_hit_function), offset, path. */
enum { GT_GATE_FIXED_ARGS = 11 };

/* What the gate reports before it executes the target; then, if that fails, an int: errno. */
struct gt_gate_report {
    int64_t hit_ns; /* cost of a hit; -1: not known */
};

/* Wait, restore, execute. Returns the exit status when that fails. */
int gt_gatekeeper_main(char **argv);

#endif
