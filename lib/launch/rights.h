/* SPDX-License-Identifier: MIT */
/*
 * Whose rights giltracer acts with, when sudo started it.
 *
 * Root is held back then: the effective ids are the user's, so that every file that is opened,
 * made, renamed or removed is with the user's rights, whoever planted what. Root is raised only
 * around what needs it: perf, tracefs, and starting children that give it up themselves. A
 * child that is not privileged becomes the user for good before it is executed (become.h).
 *
 *     hold back … (raise … lower) …
 *
 * The rights belong to the process, so this module has state. While nothing is held back, which
 * is always so without sudo, raising and lowering do nothing.
 */
#ifndef GT_LAUNCH_RIGHTS_H
#define GT_LAUNCH_RIGHTS_H

#include "base/error.h"
#include "base/strvec.h"
#include "launch/sudo.h"

#include <stddef.h>

/*
 * From now on act as this user. HOME, USER, LOGNAME and SHELL in this process's environment
 * become the user's, and so those of children; HOME of privileged ones stays (they get it from
 * gt_rights_home). 0 or negative: then nothing is held back.
 */
int gt_rights_hold_back(const struct gt_sudo_user *user, struct gt_error *err);

/* Act as root until the matching _lower; they nest. A process that cannot give root up again is
 * killed rather than go on with it. */
void gt_rights_raise(void);
void gt_rights_lower(void);

/* Whom children have to become, as become.h wants it; NULL: nothing is held back. */
const char *gt_rights_identity(void);
/* HOME as sudo left it, for privileged children; NULL: nothing is held back, or there was none.
 */
const char *gt_rights_home(void);

#endif
