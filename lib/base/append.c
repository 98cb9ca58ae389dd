/* SPDX-License-Identifier: MIT */
#include "base/append.h"

#include "base/nstime.h"
#include "base/path.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

bool gt_append_is_lines(const char *path)
{
    static const char *const endings[] = {".jsonl", ".ndjson"};
    size_t length = strlen(path);

    for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++)
        if (length > strlen(endings[i]) &&
            strcmp(path + length - strlen(endings[i]), endings[i]) == 0)
            return true;
    return false;
}

static int check(int folder, int fd, struct gt_error *err)
{
    struct stat st;

    if (fstat(fd, &st))
        return gt_error_errno(err, "it cannot be looked at");
    if (!S_ISREG(st.st_mode))
        return gt_error_set(err, GT_ERR_UNSUPPORTED,
                            "lines are appended to regular files only");
    if (gt_path_others_can_write(folder) && (st.st_uid != geteuid() || st.st_nlink != 1))
        return gt_error_set(err, GT_ERR_PERMISSION,
                            "another user may have put the file of that name there");
    return 0;
}

int gt_append_open(const char *path, struct gt_error *err)
{
    const int flags = O_RDWR | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY;
    struct gt_error why = {0};
    const char *name;
    int folder = gt_path_open_parent(path, &name, &why), fd = -1, rc = folder;

    if (folder >= 0) {
        fd = openat(folder, name, flags | O_CLOEXEC, 0666);
        if (fd < 0 && errno == ELOOP)
            rc = gt_error_set(&why, GT_ERR_PERMISSION, "it is a link");
        else if (fd < 0)
            rc = gt_error_errno(&why, "it cannot be opened");
        else
            rc = check(folder, fd, &why);
        close(folder);
    }
    if (rc >= 0)
        return fd;
    if (fd >= 0)
        close(fd);
    return gt_error_set(err, why.code, "cannot append to %s: %s", path, why.message);
}

/* 0, or -1 with errno. */
static int lock(int fd)
{
    int64_t until_ns = gt_now_ns() + GT_APPEND_WAIT_S * (int64_t)GT_NS_PER_S;

    while (flock(fd, LOCK_EX | LOCK_NB)) {
        if (errno != EWOULDBLOCK && errno != EINTR)
            return -1;
        if (gt_now_ns() >= until_ns) {
            errno = ETIMEDOUT;
            return -1;
        }
        usleep(5000);
    }
    return 0;
}

/* Does the file end within a line? */
static bool is_cut(int fd, off_t size)
{
    char last = '\n';

    return size > 0 && pread(fd, &last, 1, size - 1) == 1 && last != '\n';
}

/* 0, or -1 with errno. */
static int write_all(int fd, struct iovec *parts, int count)
{
    while (count > 0) {
        ssize_t done = writev(fd, parts, count);

        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return -1;
        for (; count > 0 && (size_t)done >= parts->iov_len; parts++, count--)
            done -= (ssize_t)parts->iov_len;
        if (count > 0) {
            parts->iov_base = (char *)parts->iov_base + done;
            parts->iov_len -= (size_t)done;
        }
    }
    return 0;
}

static int append(int fd, const char *line, size_t length)
{
    struct iovec parts[] = {{(char[]){'\n'}, 1}, {(void *)line, length}, {(char[]){'\n'}, 1}};
    struct stat st;
    bool cut;
    int why;

    if (lock(fd) || fstat(fd, &st))
        return -1;
    cut = is_cut(fd, st.st_size);
    if (write_all(fd, cut ? parts : parts + 1, cut ? 3 : 2) == 0)
        return 0;
    why = errno;
    if (ftruncate(fd, st.st_size)) /* the next line ends what is there of this one */
        why = errno;
    errno = why;
    return -1;
}

int gt_append_line(int fd, const char *path, const char *line, size_t length,
                   struct gt_error *err)
{
    int failed = append(fd, line, length), why = errno;

    if (close(fd) && !failed) {
        failed = -1;
        why = errno;
    }
    errno = why;
    return failed ? gt_error_errno(err, "cannot append to %s", path) : 0;
}
