/* SPDX-License-Identifier: MIT */
#include "base/fs.h"

#include "base/path.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PRIVATE_PREFIX "giltracer-"
#define PRIVATE_SUFFIX "XXXXXX"

bool gt_fs_is_private_name(const char *name)
{
    const size_t length = strlen(PRIVATE_PREFIX);

    return strncmp(name, PRIVATE_PREFIX, length) == 0 &&
           strlen(name) == length + strlen(PRIVATE_SUFFIX);
}

char *gt_fs_private_dir(struct gt_error *err)
{
    const char *parent = getenv("TMPDIR");

    return gt_fs_private_dir_in(parent && parent[0] == '/' ? parent : "/tmp", err);
}

char *gt_fs_private_dir_in(const char *parent, struct gt_error *err)
{
    char *real = NULL, *path = NULL;
    struct gt_error why;
    int fd = gt_path_open_stable(parent, false, &real, &why);

    if (fd == GT_ERR_PERMISSION && strcmp(parent, "/tmp") != 0)
        fd = gt_path_open_stable("/tmp", false, &real, &why);
    if (fd < 0) {
        gt_error_set(err, why.code,
                     "cannot make a temporary folder: %s (set TMPDIR to another)", why.message);
        return NULL;
    }
    close(fd);
    if (asprintf(&path, "%s/" PRIVATE_PREFIX PRIVATE_SUFFIX, real) < 0) {
        path = NULL;
        gt_error_memory(err);
    } else if (!mkdtemp(path)) {
        gt_error_errno(err,
                       "cannot make a temporary folder in %s (set TMPDIR to a folder that "
                       "can be written)",
                       real);
        free(path);
        path = NULL;
    }
    free(real);
    return path;
}

static int remove_entry(int parent, const char *name, int depth);

/* Closes it. What we leave behind must go also where there is no memory, which opendir takes.
 */
static int empty_folder(int fd, int depth)
{
    _Alignas(struct dirent64) char entries[2048]; /* a name has 255 bytes at most */
    ssize_t got;
    int rc = 0;

    while (rc == 0 && (got = getdents64(fd, entries, sizeof(entries))) != 0) {
        if (got < 0 && errno == ENOENT)
            break; /* it is removed already: that is its end */
        rc = got < 0 ? -1 : 0;
        for (ssize_t at = 0; rc == 0 && at < got;) {
            const struct dirent64 *entry = (const void *)(entries + at);

            if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
                rc = remove_entry(fd, entry->d_name, depth);
            at += entry->d_reclen;
        }
    }
    close(fd);
    return rc;
}

/* Folders are opened one in the other by descriptors, so that nobody can lead this elsewhere by
 * replacing a folder with a link. 0, or -1 with errno. */
static int remove_entry(int parent, const char *name, int depth)
{
    int fd;

    if (unlinkat(parent, name, 0) == 0 || errno == ENOENT)
        return 0;
    if (errno != EISDIR || depth == 0)
        return -1;
    fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || empty_folder(fd, depth - 1))
        return -1;
    return unlinkat(parent, name, AT_REMOVEDIR);
}

enum { DEPTH_MAX = 32 }; /* ours are two deep; each level is an open descriptor */

/* Whatever has the name by now: an empty folder is all that can go with it. */
int gt_fs_remove_folder(int parent, const char *name, int folder, struct gt_error *err)
{
    struct stat own, named;
    int fd = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0 || empty_folder(fd, DEPTH_MAX))
        return gt_error_errno(err, "cannot empty the folder %s", name);
    if (fstat(folder, &own) || fstatat(parent, name, &named, AT_SYMLINK_NOFOLLOW) ||
        own.st_dev != named.st_dev || own.st_ino != named.st_ino)
        return 0;
    if (unlinkat(parent, name, AT_REMOVEDIR) && errno != ENOENT)
        return gt_error_errno(err, "cannot remove the folder %s", name);
    return 0;
}

int gt_fs_remove_tree(const char *path, struct gt_error *err)
{
    if (remove_entry(AT_FDCWD, path, DEPTH_MAX) && errno != ENOENT)
        return gt_error_errno(err, "cannot remove %s", path);
    return 0;
}

int gt_fs_read_from(int fd, const char *path, struct gt_buf *buf, size_t limit,
                    struct gt_error *err)
{
    size_t total = 0;

    while (total < limit) {
        size_t want = limit - total < 65536 ? limit - total : 65536;
        ssize_t got;

        if (gt_buf_reserve(buf, want))
            return gt_error_memory(err);
        got = read(fd, buf->data + buf->length, want);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return gt_error_errno(err, "cannot read %s", path);
        if (got == 0)
            break;
        buf->length += (size_t)got;
        buf->data[buf->length] = '\0';
        total += (size_t)got;
    }
    return 0;
}

int gt_fs_read(const char *path, struct gt_buf *buf, size_t limit, struct gt_error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    int rc;

    if (fd < 0)
        return gt_error_errno(err, "cannot open %s", path);
    rc = gt_fs_read_from(fd, path, buf, limit, err);
    close(fd);
    return rc;
}
