/* SPDX-License-Identifier: MIT */
#include "base/path.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#ifdef SYS_openat2
#include <linux/openat2.h>
#endif

enum { LINKS_MAX = 40 }; /* as the kernel's */

static const int folder_flags = O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;

struct walk {
    int at;           /* the folder that was reached */
    char *rest;       /* owned: `next` points into it */
    const char *next; /* what is left to walk */
    unsigned links;   /* that were followed */
    bool stable;      /* refuse folders that others can replace, or what is in them */
};

/* --- whom to trust --- */

static bool is_trusted(uid_t uid)
{
    struct stat root;

    return uid == 0 || uid == geteuid() || (stat("/", &root) == 0 && uid == root.st_uid);
}

static bool has_acl(int folder)
{
    char path[32];

    snprintf(path, sizeof(path), "/proc/self/fd/%d", folder);
    return getxattr(path, "system.posix_acl_access", NULL, 0) >= 0 ||
           (errno != ENODATA && errno != EOPNOTSUPP);
}

static bool is_own_group(gid_t gid)
{
    return gid == getegid() && gid == geteuid();
}

bool gt_path_others_can_write(int folder)
{
    struct stat st;

    if (fstat(folder, &st) || !is_trusted(st.st_uid) || st.st_mode & S_IWOTH)
        return true;
    return st.st_mode & S_IWGRP && (!is_own_group(st.st_gid) || has_acl(folder));
}

/* --- what to say --- */

/* The path of `name` in a folder, or of the folder itself. It is only shown. */
static const char *path_of(int folder, const char *name, char path[PATH_MAX + NAME_MAX + 2])
{
    char link[32];
    ssize_t length;

    snprintf(link, sizeof(link), "/proc/self/fd/%d", folder);
    length = readlink(link, path, PATH_MAX);
    strcpy(path + (length > 0 ? length : 0), length > 0 ? "" : ".");
    if (!name)
        return path;
    snprintf(path + strlen(path), NAME_MAX + 2, "%s%s", strcmp(path, "/") == 0 ? "" : "/",
             name);
    return path;
}

static int refuse_folder(int folder, const char *why, struct gt_error *err)
{
    char path[PATH_MAX + NAME_MAX + 2];

    return gt_error_set(err, GT_ERR_PERMISSION, "%s %s", path_of(folder, NULL, path), why);
}

static int refuse_link(int folder, const char *name, struct gt_error *err)
{
    char path[PATH_MAX + NAME_MAX + 2];

    return gt_error_set(err, GT_ERR_PERMISSION,
                        "the link %s is not followed, since another user can change it",
                        path_of(folder, name, path));
}

static int fail(int folder, const char *name, struct gt_error *err)
{
    char path[PATH_MAX + NAME_MAX + 2];
    int number = errno;

    path_of(folder, name, path);
    errno = number;
    return gt_error_errno(err, "%s", path);
}

/* --- the walk --- */

/* Takes the descriptor, also when it fails. */
static int enter(struct walk *walk, int folder, struct gt_error *err)
{
    struct stat st;

    if (folder < 0)
        return fail(walk->at, NULL, err);
    if (walk->at >= 0)
        close(walk->at);
    walk->at = folder;
    if (!walk->stable)
        return 0;
    if (fstat(folder, &st))
        return fail(folder, NULL, err);
    if (!is_trusted(st.st_uid))
        return refuse_folder(folder, "belongs to another user, who could lead this elsewhere",
                             err);
    if (!(st.st_mode & S_ISVTX) && gt_path_others_can_write(folder))
        return refuse_folder(folder,
                             "can be written by another user, who could put a link there", err);
    return 0;
}

/* What the link says comes before what is left to walk. */
static int follow(struct walk *walk, int link, const char *name, struct gt_error *err)
{
    char target[PATH_MAX], *rest = NULL;
    ssize_t length = readlinkat(link, "", target, sizeof(target) - 1);

    if (length > 0 && ++walk->links > LINKS_MAX) {
        errno = ELOOP;
        length = -1;
    }
    if (length <= 0)
        return fail(walk->at, name, err);
    target[length] = '\0';
    if (asprintf(&rest, "%s/%s", target, walk->next) < 0)
        return gt_error_memory(err);
    free(walk->rest);
    walk->rest = rest;
    walk->next = rest;
    return target[0] == '/' ? enter(walk, open("/", folder_flags), err) : 0;
}

static int step_over_link(struct walk *walk, const char *name, struct gt_error *err)
{
    int link = openat(walk->at, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    struct stat st;
    int rc;

    if (link < 0 || fstat(link, &st)) {
        rc = fail(walk->at, name, err);
    } else if (S_ISDIR(st.st_mode)) { /* a moment ago it was something else */
        return enter(walk, link, err);
    } else if (!S_ISLNK(st.st_mode)) {
        errno = ENOTDIR;
        rc = fail(walk->at, name, err);
    } else if (!is_trusted(st.st_uid) || gt_path_others_can_write(walk->at)) {
        rc = refuse_link(walk->at, name, err);
    } else {
        rc = follow(walk, link, name, err);
    }
    if (link >= 0)
        close(link);
    return rc;
}

static int step(struct walk *walk, const char *name, struct gt_error *err)
{
    /* O_DIRECTORY makes automounters mount. */
    int folder = openat(walk->at, name, folder_flags);

    if (folder >= 0)
        return enter(walk, folder, err);
    if (errno == ENOTDIR || errno == ELOOP)
        return step_over_link(walk, name, err);
    return fail(walk->at, name, err);
}

/* Walk `path` from where the walk is; from "/" when it is absolute. */
static int go(struct walk *walk, const char *path, struct gt_error *err)
{
    char name[NAME_MAX + 1];
    int rc = 0;

    free(walk->rest);
    walk->rest = strdup(path);
    walk->next = walk->rest;
    if (!walk->rest)
        return gt_error_memory(err);
    if (walk->rest[0] == '/')
        rc = enter(walk, open("/", folder_flags), err);
    else if (walk->at < 0)
        rc = enter(walk, open(".", folder_flags), err);
    while (rc == 0 && *(walk->next += strspn(walk->next, "/"))) {
        size_t size = strcspn(walk->next, "/");

        if (size > NAME_MAX) {
            errno = ENAMETOOLONG;
            return fail(walk->at, NULL, err);
        }
        memcpy(name, walk->next, size);
        name[size] = '\0';
        walk->next += size;
        rc = step(walk, name, err);
    }
    return rc;
}

/* The descriptor that the walk reached, or negative. */
static int finish(struct walk *walk, int rc)
{
    free(walk->rest);
    if (rc == 0)
        return walk->at;
    if (walk->at >= 0)
        close(walk->at);
    return rc;
}

/* --- opening --- */

/* A path without links needs no judging: the kernel (5.6 and later) opens it at once. -1 where
 * it has links, does not exist, or the kernel cannot: then the walk opens it, or says why not.
 */
static int open_without_links(const char *path)
{
#ifdef SYS_openat2
    struct open_how how = {
        .flags = (unsigned)folder_flags,
        .resolve = RESOLVE_NO_SYMLINKS,
    };

    return (int)syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof(how));
#else
    (void)path;
    return -1;
#endif
}

static bool names_folder(const char *name)
{
    return !*name || strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

int gt_path_open_parent(const char *path, const char **name, struct gt_error *err)
{
    const char *slash = strrchr(path, '/');
    struct walk walk = {.at = -1};
    char *folder;
    int rc;

    *name = slash ? slash + 1 : path;
    if (names_folder(*name)) {
        errno = *path ? EISDIR : ENOENT;
        return gt_error_errno(err, "it names no file");
    }
    folder = slash ? strndup(path, (size_t)(slash - path) + 1) : strdup(".");
    if (!folder)
        return gt_error_memory(err);
    walk.at = open_without_links(folder);
    rc = walk.at < 0 ? go(&walk, folder, err) : 0;
    free(folder);
    return finish(&walk, rc);
}

/* Walk an absolute path, of which the last folder need not be there. Cuts the path. */
static int make_and_go(struct walk *walk, char *path, struct gt_error *err)
{
    size_t length = strlen(path);
    char *name;
    int rc;

    while (length > 1 && path[length - 1] == '/')
        path[--length] = '\0';
    name = strrchr(path, '/') + 1;
    if (names_folder(name))
        return go(walk, path, err);
    name[-1] = '\0';
    rc = go(walk, *path ? path : "/", err);
    if (rc == 0 && mkdirat(walk->at, name, 0700) && errno != EEXIST)
        return fail(walk->at, name, err);
    return rc == 0 ? go(walk, name, err) : rc;
}

/* Others may move a relative path with the folder that we are in: that is checked, too. */
static char *make_absolute(const char *path, struct gt_error *err)
{
    char here[PATH_MAX], *absolute = NULL;

    here[0] = '\0';
    errno = ENOENT;
    if (!*path || (path[0] != '/' && !getcwd(here, sizeof(here)))) {
        gt_error_errno(err, *path ? "the folder that we are in" : "it names no folder");
        return NULL;
    }
    if (asprintf(&absolute, "%s%s%s", here, path[0] == '/' ? "" : "/", path) < 0) {
        gt_error_memory(err);
        return NULL;
    }
    return absolute;
}

int gt_path_open_stable(const char *path, bool make, char **real, struct gt_error *err)
{
    struct walk walk = {.at = -1, .stable = geteuid() == 0};
    struct gt_error why = {.code = GT_ERR_MEMORY};
    char *absolute = make_absolute(path, &why);
    char link[32], found[PATH_MAX];
    ssize_t length;
    int rc;

    *real = NULL;
    if (!absolute) {
        if (err)
            *err = why;
        return why.code;
    }
    rc = make ? make_and_go(&walk, absolute, err) : go(&walk, absolute, err);
    free(absolute);
    if (rc < 0)
        return finish(&walk, rc);
    snprintf(link, sizeof(link), "/proc/self/fd/%d", walk.at);
    length = readlink(link, found, sizeof(found) - 1);
    if (length <= 0)
        return finish(&walk, gt_error_errno(err, "cannot resolve %s", path));
    *real = strndup(found, (size_t)length);
    return finish(&walk, *real ? 0 : gt_error_memory(err));
}

/* --- what only root and we can have written --- */

/* Go to the folder of the file that `path` names from where the walk is, and to no other. */
static int go_to_parent(struct walk *walk, const char *path, char name[NAME_MAX + 1],
                        struct gt_error *err)
{
    const char *last = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
    char folder[PATH_MAX];
    int rc;

    if (names_folder(last) || strlen(last) > NAME_MAX || strlen(path) >= sizeof(folder)) {
        errno = names_folder(last) ? EISDIR : ENAMETOOLONG;
        return fail(walk->at, NULL, err);
    }
    snprintf(name, NAME_MAX + 1, "%s", last);
    snprintf(folder, sizeof(folder), "%.*s", (int)(last - path), path);
    rc = *folder ? go(walk, folder, err) : 0;
    if (rc == 0 && gt_path_others_can_write(walk->at))
        return refuse_folder(walk->at, "belongs to another user, or can be written by one",
                             err);
    return rc;
}

/* Is it a link, which was followed to the folder and the name that it says? 1: no. */
static int follow_last(struct walk *walk, char name[NAME_MAX + 1], struct gt_error *err)
{
    char target[PATH_MAX];
    ssize_t length = readlinkat(walk->at, name, target, sizeof(target) - 1);
    struct stat st;

    if (length < 0 && errno == EINVAL)
        return 1;
    if (length > 0 && ++walk->links > LINKS_MAX) {
        errno = ELOOP;
        length = -1;
    }
    if (length <= 0 || fstatat(walk->at, name, &st, AT_SYMLINK_NOFOLLOW))
        return fail(walk->at, name, err);
    if (!is_trusted(st.st_uid))
        return refuse_link(walk->at, name, err);
    target[length] = '\0';
    return go_to_parent(walk, target, name, err);
}

static int open_last(struct walk *walk, const char *name, struct gt_error *err)
{
    const int flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
    char path[PATH_MAX + NAME_MAX + 2];
    int fd = openat(walk->at, name, flags);
    struct stat st;

    if (fd < 0)
        return fail(walk->at, name, err);
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && !gt_path_others_can_write(fd))
        return fd;
    close(fd);
    return gt_error_set(err, GT_ERR_PERMISSION, "%s %s", path_of(walk->at, name, path),
                        S_ISREG(st.st_mode)
                            ? "belongs to another user, or can be written by one"
                            : "is no regular file");
}

int gt_path_open_trusted(const char *path, struct gt_error *err)
{
    struct walk walk = {.at = -1, .stable = geteuid() == 0};
    char name[NAME_MAX + 1];
    char *absolute = make_absolute(path, err);
    int rc = absolute ? go_to_parent(&walk, absolute, name, err) : GT_ERR_NOT_FOUND;

    while (rc == 0)
        rc = follow_last(&walk, name, err);
    if (rc > 0)
        rc = open_last(&walk, name, err);
    free(absolute);
    free(walk.rest);
    if (walk.at >= 0)
        close(walk.at);
    return rc;
}
