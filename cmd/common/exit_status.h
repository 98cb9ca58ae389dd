/* SPDX-License-Identifier: MIT */
/* What the programs exit with. giltracer otherwise ends as its target does: with the target's
 * status, or 128 + N when the signal N ended it. */
#ifndef GT_COMMON_EXIT_STATUS_H
#define GT_COMMON_EXIT_STATUS_H

enum gt_exit_status {
    GT_EXIT_BREACHED = 3, /* the program succeeded, but a condition of --fail-if holds */
    GT_EXIT_UNJUDGED = 4, /* likewise, and a condition cannot be judged */
    GT_EXIT_OURS = 125,   /* it is ourselves who failed */
    GT_EXIT_NOT_EXECUTABLE = 126, /* the target is there, and cannot be executed */
    GT_EXIT_NOT_FOUND = 127,      /* the target is not there */
    GT_EXIT_SIGNAL = 128,         /* plus the signal's number */
};

#endif
