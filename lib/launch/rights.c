/* SPDX-License-Identifier: MIT */
#include "launch/rights.h"

#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct {
    char *identity; /* NULL: nothing is held back */
    char *home;     /* as it was before */
    uid_t uid;
    gid_t gid;
    unsigned raised;
} rights;

const char *gt_rights_identity(void)
{
    return rights.identity;
}

const char *gt_rights_home(void)
{
    return rights.identity ? rights.home : NULL;
}

static int keep_home(struct gt_error *err)
{
    const char *home = getenv("HOME");

    free(rights.home);
    rights.home = home ? strdup(home) : NULL;
    return home && !rights.home ? gt_error_memory(err) : 0;
}

static int set_environment(const struct gt_sudo_user *user, struct gt_error *err)
{
    if (setenv("HOME", user->home, 1) || setenv("USER", user->name, 1) ||
        setenv("LOGNAME", user->name, 1) || setenv("SHELL", user->shell, 1))
        return gt_error_memory(err);
    return 0;
}

/* The real and the saved user stay root. */
static int set_ids(const struct gt_sudo_user *user, struct gt_error *err)
{
    gid_t gid = getegid();

    if (setgroups(user->group_count, user->groups))
        return gt_error_errno(err, "cannot take the groups of %s", user->name);
    if (setegid(user->gid) || seteuid(user->uid)) {
        int rc = gt_error_errno(err, "cannot act as %s", user->name);

        (void)!setegid(gid);
        return rc;
    }
    return 0;
}

int gt_rights_hold_back(const struct gt_sudo_user *user, struct gt_error *err)
{
    char *identity = gt_sudo_identity(user);
    int rc = identity ? 0 : gt_error_memory(err);

    if (rc == 0)
        rc = keep_home(err);
    if (rc == 0)
        rc = set_environment(user, err);
    if (rc == 0)
        rc = set_ids(user, err);
    if (rc < 0) {
        free(identity);
        return rc;
    }
    rights.identity = identity;
    rights.uid = user->uid;
    rights.gid = user->gid;
    return 0;
}

/* The group, too: what is executed with another effective group than the real one loses
 * LD_PRELOAD, as if it were set-gid. Supplementary groups stay: root does not need any. */
void gt_rights_raise(void)
{
    if (rights.identity && rights.raised++ == 0)
        (void)!(seteuid(0) || setegid(getgid())); /* what needs it will say that it cannot */
}

void gt_rights_lower(void)
{
    if (!rights.identity || --rights.raised > 0)
        return;
    if (setegid(rights.gid) || seteuid(rights.uid))
        kill(getpid(), SIGKILL);
}
