/* SPDX-License-Identifier: MIT */
/*
 * A claim on the private folder of a run, which is large and must not outlive it. The folder is
 * locked (flock) as long as giltracer, or its sentry, lives, and a file in it names the owner.
 * A folder of this user's that has such a file and no lock is what a killed run left.
 */
#ifndef GT_LAUNCH_CLAIM_H
#define GT_LAUNCH_CLAIM_H

#include "base/error.h"

#include <limits.h>

struct gt_claim {
    int folder; /* open and locked; -1: there is no claim */
    int parent; /* open; -1 */
    char name[NAME_MAX + 1];
};

void gt_claim_init(struct gt_claim *claim);

/* Claim a folder that gt_fs_private_dir just made. */
int gt_claim_take(struct gt_claim *claim, const char *path, struct gt_error *err);

/* Remove the folder and all in it, through the descriptors: it does not matter what its path
 * leads to by now. 0 or negative; there is no claim any more. */
int gt_claim_remove(struct gt_claim *claim, struct gt_error *err);

/* The folder stays, for its user: no other run takes it for abandoned. */
void gt_claim_give_up(struct gt_claim *claim);

/* Close the descriptors. A claim that neither was removed nor given up is abandoned. */
void gt_claim_close(struct gt_claim *claim);

/* Remove what killed runs left in $TMPDIR, /tmp and /dev/shm, as far as it surely is that:
 * nothing else is opened but folders, to be looked at, and no link is followed. Failures are
 * not told: the next run tries again. */
void gt_claim_sweep(void);

#endif
