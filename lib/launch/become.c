/* SPDX-License-Identifier: MIT */
#include "launch/become.h"

#include <errno.h>
#include <grp.h>
#include <limits.h>
#include <linux/capability.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

struct identity {
    uid_t uid;
    gid_t gid;
    gid_t *groups;
    size_t count;
};

/* A decimal id that ends with `end`, which is skipped. -1 names no user and no group. */
static bool take_id(const char **at, char end, unsigned *id)
{
    char *stop;
    unsigned long value;

    if (**at < '0' || **at > '9')
        return false;
    errno = 0;
    value = strtoul(*at, &stop, 10);
    if (errno || value >= UINT_MAX || (*stop != end && !(end == ',' && !*stop)))
        return false;
    *id = (unsigned)value;
    *at = stop + (*stop != '\0');
    return true;
}

/* 0 or an errno. `groups` is malloc'd then. */
static int parse(const char *text, struct identity *identity)
{
    size_t room = 1;

    for (const char *at = text; *at; at++)
        room += *at == ',';
    if (!take_id(&text, ':', &identity->uid) || !take_id(&text, ':', &identity->gid) ||
        identity->uid == 0)
        return EINVAL;
    identity->groups = calloc(room, sizeof(*identity->groups));
    if (!identity->groups)
        return ENOMEM;
    while (*text)
        if (identity->count == room ||
            !take_id(&text, ',', &identity->groups[identity->count++])) {
            free(identity->groups);
            return EINVAL;
        }
    return 0;
}

/* libc's wrappers of these are libcap's. */
static int set_capabilities(void)
{
    struct __user_cap_header_struct head = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {{0}};

    return (int)syscall(SYS_capset, &head, none);
}

static bool has_capabilities(void)
{
    struct __user_cap_header_struct head = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct caps[_LINUX_CAPABILITY_U32S_3];
    unsigned any = 0;

    if (syscall(SYS_capget, &head, caps))
        return true;
    for (int i = 0; i < _LINUX_CAPABILITY_U32S_3; i++)
        any |= caps[i].effective | caps[i].permitted | caps[i].inheritable;
    return any != 0;
}

static bool has_only(const struct identity *identity)
{
    gid_t *groups = calloc(identity->count + 1, sizeof(*groups));
    int count = groups ? getgroups((int)identity->count + 1, groups) : -1;
    bool only = count >= 0 && (size_t)count <= identity->count;

    for (int i = 0; only && i < count; i++) {
        size_t at = 0;

        while (at < identity->count && identity->groups[at] != groups[i])
            at++;
        only = at < identity->count;
    }
    free(groups);
    return only;
}

static bool became(const struct identity *identity)
{
    uid_t uids[3];
    gid_t gids[3];

    if (getresuid(&uids[0], &uids[1], &uids[2]) || getresgid(&gids[0], &gids[1], &gids[2]))
        return false;
    for (int i = 0; i < 3; i++)
        if (uids[i] != identity->uid || gids[i] != identity->gid)
            return false;
    return has_only(identity) && !has_capabilities() && setuid(0) != 0 && seteuid(0) != 0;
}

int gt_become(const char *identity)
{
    struct identity wanted = {0};
    int error = parse(identity, &wanted);

    if (error)
        return error;
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0); /* since Linux 4.3 */
    if (setgroups(wanted.count, wanted.groups) ||
        setresgid(wanted.gid, wanted.gid, wanted.gid) ||
        setresuid(wanted.uid, wanted.uid, wanted.uid) || set_capabilities())
        error = errno;
    else if (!became(&wanted))
        error = EPERM;
    free(wanted.groups);
    return error;
}

static int complain(const char *file, int error, int status)
{
    dprintf(STDERR_FILENO, "error: cannot run %s: %s\n", file, strerror(error));
    return status;
}

int gt_become_main(char **argv)
{
    const char *file = argv[2];
    int error = 0;

    if (strcmp(argv[1], GT_BECOME_WITHOUT_SYSLOG) == 0)
        prctl(PR_CAPBSET_DROP, CAP_SYSLOG, 0, 0, 0);
    else
        error = gt_become(argv[1]);

    if (error)
        return complain(file, error, 125);
    execvp(file, argv + GT_BECOME_FIXED_ARGS);
    return complain(file, errno, errno == ENOENT ? 127 : 126);
}
