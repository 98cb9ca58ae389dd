/* SPDX-License-Identifier: MIT */
/*
 * Who called sudo. sudo says so in SUDO_UID, SUDO_GID and SUDO_USER, and what it ran in
 * SUDO_COMMAND; only root can be told, so only root is asked.
 */
#ifndef GT_LAUNCH_SUDO_H
#define GT_LAUNCH_SUDO_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Strings and groups are owned. */
struct gt_sudo_user {
    uid_t uid; /* never 0 */
    gid_t gid; /* the group that the user called sudo with */
    gid_t *groups;
    size_t group_count;
    char *name, *home, *shell;
};

enum gt_sudo {
    GT_SUDO_NONE,       /* not root, or not by sudo, or by root itself */
    GT_SUDO_ROOT_SHELL, /* in a shell that sudo started: who runs it is root on purpose */
    GT_SUDO_USER,       /* a user called sudo, to run this */
};

void gt_sudo_user_init(struct gt_sudo_user *user);
void gt_sudo_user_release(struct gt_sudo_user *user);

/*
 * How did this process come to be root? `*how` is set on success; with GT_SUDO_USER so is
 * `user`, from the system's databases. GT_ERR_FORMAT or GT_ERR_NOT_FOUND when SUDO_* make no
 * sense, fit no user, or contradict each other.
 */
int gt_sudo_find(enum gt_sudo *how, struct gt_sudo_user *user, struct gt_error *err);

/* Is this command, as SUDO_COMMAND has it, a shell without arguments? */
bool gt_sudo_is_shell(const char *command);

/* Whom to become, as text (become.h). malloc'd; NULL without memory. */
char *gt_sudo_identity(const struct gt_sudo_user *user);

#endif
