/* SPDX-License-Identifier: MIT */
/*
 * giltracer's executable is also three helper programs, told apart by argv[0].
 *
 * gate: the target's process before it is the target. It waits on a pipe until the gate is
 * opened, gives up root where the target is not to have it, undoes what starting it changed
 * (signal dispositions and mask, flags of descriptors 0-2), and executes the target. perf
 * attaches to it while it waits, so nothing is missed.
 *
 * become: becomes a user for good, and then another program (become.h).
 *
 * sentry: sees which signals were sent to the whole process group, and cleans up after a
 * giltracer that died (sentry.h).
 */
#ifndef GT_LAUNCH_GATE_H
#define GT_LAUNCH_GATE_H

#include "base/error.h"
#include "base/strvec.h"
#include "event/event.h"

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

enum { GT_GATE_CLOSED = -1 };

/* The state that giltracer was started with, and that the target must find again. */
struct gt_inherited {
    uint64_t ignored;    /* bit N-1: signal N was ignored */
    uint64_t blocked;    /* bit N-1: signal N was blocked */
    int stdio_flags[3];  /* F_GETFL of descriptors 0-2, or GT_GATE_CLOSED */
    uint64_t open_files; /* soft limits: RLIMIT_NOFILE, */
    uint64_t file_bytes; /* RLIMIT_FSIZE */
    unsigned open_count; /* descriptors that were open */
};

/*
 * Note the state at the start of main, before anything changes it, and make it safe: closed
 * standard descriptors are opened on /dev/null, so that no file of ours gets their number;
 * SIGPIPE and SIGXFSZ are ignored; SIGCHLD has its default action and is not blocked; the soft
 * limits of open files and of a file's length are as high as the hard ones allow.
 */
void gt_inherited_capture(struct gt_inherited *inherited);

struct gt_hit_place; /* launch/hitplace.h */

/* Append the gate's argument vector. The gate waits for fd `go`, and writes to fd `report` what
 * a hit of the probe at `hit` costs (NULL: not measured), and why exec failed. Returns 0 or -1.
 */
int gt_gate_command(const struct gt_inherited *inherited, int go, int report,
                    const struct gt_hit_place *hit, char *const *target,
                    struct gt_strvec *argv);

/* The path of the program that is gate and become: the static one beside this program; without
 * it, this program itself. */
void gt_gate_find(char *path, size_t size);

/* If argv says that this process is a helper, run as that. The gate does not return when the
 * target was executed; else `status` is what main must return. False: this is no helper. */
bool gt_helper_main(int argc, char **argv, int *status);

#endif
