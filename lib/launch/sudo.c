/* SPDX-License-Identifier: MIT */
#include "launch/sudo.h"

#include "base/buf.h"

#include <bsd/stdlib.h>
#include <errno.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void gt_sudo_user_init(struct gt_sudo_user *user)
{
    *user = (struct gt_sudo_user){0};
}

void gt_sudo_user_release(struct gt_sudo_user *user)
{
    free(user->groups);
    free(user->name);
    free(user->home);
    free(user->shell);
    gt_sudo_user_init(user);
}

static const char *last_part(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

/* su, without a user, is one. So are screen and tmux, where /etc/shells says so. */
bool gt_sudo_is_shell(const char *command)
{
    const char *name = last_part(command), *shell;
    bool found = strcmp(name, "su") == 0;

    if (strchr(command, ' '))
        return false;
    setusershell();
    while (!found && (shell = getusershell()))
        found = strcmp(last_part(shell), name) == 0;
    endusershell();
    return found;
}

static int nonsense(const char *name, const char *value, struct gt_error *err)
{
    return gt_error_set(err, GT_ERR_FORMAT,
                        "%s is %s%s%s: cannot tell as whom to run the program (run giltracer "
                        "by sudo itself; --as-root runs the program as root)",
                        name, value ? "'" : "not set, though SUDO_UID or SUDO_GID is",
                        value ? value : "", value ? "', not the number of a user" : "");
}

static int read_id(const char *name, unsigned *id, struct gt_error *err)
{
    const char *text = getenv(name), *why = NULL;
    long long value = 0;

    /* strtonum takes blanks and signs, too. */
    if (!text || text[strspn(text, "0123456789")] || !*text)
        return nonsense(name, text, err);
    value = strtonum(text, 0, (long long)UINT_MAX - 1, &why);
    if (why)
        return nonsense(name, text, err);
    *id = (unsigned)value;
    return 0;
}

/* Several users may have one number: sudo tells the name. */
static int look_up(uid_t uid, const struct passwd **entry, struct gt_error *err)
{
    const char *name = getenv("SUDO_USER");

    *entry = name ? getpwnam(name) : getpwuid(uid);
    if (!*entry && name)
        return gt_error_set(err, GT_ERR_NOT_FOUND,
                            "SUDO_USER is %s, and there is no such user: cannot run the "
                            "program as who called sudo (--as-root runs it as root)",
                            name);
    if (!*entry)
        return gt_error_set(err, GT_ERR_NOT_FOUND,
                            "SUDO_UID is %u, and there is no such user: cannot run the program "
                            "as who called sudo (--as-root runs it as root)",
                            uid);
    if ((*entry)->pw_uid != uid)
        return gt_error_set(err, GT_ERR_FORMAT,
                            "SUDO_USER is %s, who has the number %u, and SUDO_UID is %u: "
                            "cannot tell as whom to run the program (run giltracer by sudo "
                            "itself; --as-root runs the program as root)",
                            name, (*entry)->pw_uid, uid);
    return 0;
}

static int copy_entry(struct gt_sudo_user *user, const struct passwd *entry,
                      struct gt_error *err)
{
    user->name = strdup(entry->pw_name);
    user->home = strdup(entry->pw_dir);
    user->shell = strdup(*entry->pw_shell ? entry->pw_shell : "/bin/sh"); /* passwd(5) */
    return user->name && user->home && user->shell ? 0 : gt_error_memory(err);
}

static int find_groups(struct gt_sudo_user *user, struct gt_error *err)
{
    int count = 64;

    for (int attempt = 0; attempt < 16; attempt++) {
        void *grown = reallocarray(user->groups, (size_t)count, sizeof(*user->groups));

        if (!grown)
            return gt_error_memory(err);
        user->groups = grown;
        if (getgrouplist(user->name, user->gid, user->groups, &count) >= 0) {
            user->group_count = (size_t)count;
            return 0;
        }
        count = count > 0 && count <= NGROUPS_MAX ? count * 2 : NGROUPS_MAX + 1;
    }
    return gt_error_set(err, GT_ERR_UNSUPPORTED, "%s is in too many groups", user->name);
}

int gt_sudo_find(enum gt_sudo *how, struct gt_sudo_user *user, struct gt_error *err)
{
    const char *command = getenv("SUDO_COMMAND");
    const struct passwd *entry;
    unsigned uid = 0, gid = 0;
    int rc;

    *how = GT_SUDO_NONE;
    if (getuid() || geteuid() || (!getenv("SUDO_UID") && !getenv("SUDO_GID")))
        return 0;
    if (command && gt_sudo_is_shell(command)) {
        *how = GT_SUDO_ROOT_SHELL;
        return 0;
    }
    rc = read_id("SUDO_UID", &uid, err);
    if (rc == 0)
        rc = read_id("SUDO_GID", &gid, err);
    if (rc < 0 || uid == 0)
        return rc;
    rc = look_up(uid, &entry, err);
    if (rc < 0)
        return rc;
    user->uid = uid;
    user->gid = gid;
    rc = copy_entry(user, entry, err);
    if (rc == 0)
        rc = find_groups(user, err);
    if (rc == 0)
        *how = GT_SUDO_USER;
    return rc;
}

char *gt_sudo_identity(const struct gt_sudo_user *user)
{
    struct gt_buf text;
    char *identity = NULL;
    int failed;

    gt_buf_init(&text);
    failed = gt_buf_addf(&text, "%u:%u:", user->uid, user->gid);
    for (size_t i = 0; i < user->group_count; i++)
        failed |= gt_buf_addf(&text, "%s%u", i ? "," : "", user->groups[i]);
    if (!failed)
        identity = strdup(text.data);
    gt_buf_release(&text);
    return identity;
}
