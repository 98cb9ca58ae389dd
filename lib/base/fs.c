/* SPDX-License-Identifier: MIT */
#include "base/fs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
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
    char *path = NULL;

    if (!parent || parent[0] != '/')
        parent = "/tmp";
    if (asprintf(&path, "%s/" PRIVATE_PREFIX PRIVATE_SUFFIX, parent) < 0) {
        gt_error_memory(err);
        return NULL;
    }
    if (!mkdtemp(path)) {
        gt_error_errno(err,
                       "cannot make a temporary folder in %s (set TMPDIR to a folder that "
                       "can be written)",
                       parent);
        free(path);
        return NULL;
    }
    return path;
}

static int remove_entry(int parent, const char *name, int depth);

static int empty_folder(int fd, int depth)
{
    DIR *folder = fdopendir(fd);
    struct dirent *entry;
    int rc = 0;

    if (!folder) {
        close(fd);
        return -1;
    }
    while (rc == 0 && (entry = readdir(folder)))
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            rc = remove_entry(fd, entry->d_name, depth);
    closedir(folder);
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

int gt_fs_read(const char *path, struct gt_buf *buf, size_t limit, struct gt_error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    size_t total = 0;
    int rc = 0;

    if (fd < 0)
        return gt_error_errno(err, "cannot open %s", path);
    while (total < limit) {
        size_t want = limit - total < 65536 ? limit - total : 65536;
        ssize_t got;

        if (gt_buf_reserve(buf, want)) {
            rc = gt_error_memory(err);
            break;
        }
        got = read(fd, buf->data + buf->length, want);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            rc = gt_error_errno(err, "cannot read %s", path);
        if (got <= 0)
            break;
        buf->length += (size_t)got;
        buf->data[buf->length] = '\0';
        total += (size_t)got;
    }
    close(fd);
    return rc;
}

static void forget(struct gt_output *output)
{
    free(output->path);
    free(output->temporary);
    memset(output, 0, sizeof(*output));
    output->fd = -1;
}

static int open_temporary(struct gt_output *output)
{
    /* O_EXCL: two runs with one output never share a temporary file, nor follow a link. */
    for (int attempt = 0; attempt < 100; attempt++) {
        free(output->temporary);
        if (asprintf(&output->temporary, "%s.%d-%d.tmp", output->path, (int)getpid(), attempt) <
            0) {
            output->temporary = NULL;
            errno = ENOMEM;
            return -1;
        }
        output->fd =
            open(output->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOCTTY, 0666);
        if (output->fd >= 0 || errno != EEXIST)
            break;
    }
    return output->fd < 0 ? -1 : 0;
}

/* A path that was no regular file a moment ago must not be one now: it would be overwritten in
 * place. */
static int open_special(const char *path)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
    struct stat st;

    if (fd < 0 || (fstat(fd, &st) == 0 && !S_ISREG(st.st_mode)))
        return fd;
    close(fd);
    errno = EEXIST;
    return -1;
}

int gt_output_open(struct gt_output *output, const char *path, struct gt_error *err)
{
    struct stat st;
    int rc;

    memset(output, 0, sizeof(*output));
    output->fd = -1;
    output->path = strdup(path);
    if (!output->path)
        return gt_error_memory(err);
    if (strcmp(path, "-") == 0) {
        output->direct = true;
        output->fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
    } else if (stat(path, &st) == 0 && S_ISDIR(st.st_mode)) {
        errno = EISDIR;
    } else if (stat(path, &st) == 0 && !S_ISREG(st.st_mode)) {
        output->direct = true;
        output->fd = open_special(path);
    } else if (stat(path, &st) == 0 && access(path, W_OK)) {
        /* Renaming over a read-only file would work, and would not be what its owner meant. */
    } else {
        open_temporary(output);
    }
    if (output->fd >= 0)
        return 0;
    rc = gt_error_errno(err, "cannot write %s (choose another output with -o)", path);
    free(output->temporary);
    output->temporary = NULL;
    forget(output);
    return rc;
}

int gt_output_write(struct gt_output *output, const void *data, size_t length,
                    struct gt_error *err)
{
    const char *at = data;

    while (length > 0) {
        ssize_t done = write(output->fd, at, length);

        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return gt_error_errno(err, "cannot write %s", output->path);
        at += done;
        length -= (size_t)done;
    }
    return 0;
}

int gt_output_commit(struct gt_output *output, struct gt_error *err)
{
    int rc = 0;

    if (close(output->fd))
        rc = gt_error_errno(err, "cannot write %s", output->path);
    output->fd = -1;
    if (rc == 0 && !output->direct && rename(output->temporary, output->path))
        rc = gt_error_errno(err, "cannot rename %s to %s", output->temporary, output->path);
    if (rc < 0)
        gt_output_abandon(output);
    else
        forget(output);
    return rc;
}

void gt_output_abandon(struct gt_output *output)
{
    if (output->fd >= 0)
        close(output->fd);
    if (output->temporary)
        unlink(output->temporary);
    forget(output);
}
