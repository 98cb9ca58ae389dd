/* SPDX-License-Identifier: MIT */
#include "base/output.h"

#include "base/nstime.h"
#include "base/path.h"

#include <bsd/stdlib.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static void forget(struct gt_output *output)
{
    if (output->folder >= 0)
        close(output->folder);
    free(output->path);
    memset(output, 0, sizeof(*output));
    output->fd = -1;
    output->folder = -1;
}

/* Let some time pass, less when the descriptor (-1: there is none yet) takes bytes. 0, or
 * negative when the wait is over: at `until_ns`, which says `late`, or since the user asked for
 * it. */
static int wait_a_moment(const struct gt_output *output, int64_t until_ns, const char *late,
                         struct gt_error *err)
{
    enum { MOMENT_MS = 50 };
    struct pollfd poller = {output->fd, POLLOUT, 0};

    if (output->stop.asked && output->stop.asked(output->stop.context))
        return gt_error_set(err, GT_ERR_CANCELLED, "interrupted, since nobody reads it");
    if (gt_now_ns() >= until_ns)
        return gt_error_set(err, GT_ERR_IO, "%s", late);
    if (poll(&poller, 1, MOMENT_MS) > 0)
        usleep(1000); /* some devices are always ready, and take nothing */
    return 0;
}

static bool parse_descriptor(const char *path, int *number)
{
    static const struct {
        const char *path;
        int number; /* -1: it follows */
    } names[] = {{"-", STDOUT_FILENO},
                 {"/dev/stdout", STDOUT_FILENO},
                 {"/dev/stderr", STDERR_FILENO},
                 {"/dev/fd/", -1},
                 {"/proc/self/fd/", -1}};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        size_t length = strlen(names[i].path);
        const char *why = NULL;

        *number = names[i].number;
        if (*number >= 0 && strcmp(path, names[i].path) == 0)
            return true;
        if (*number >= 0 || strncmp(path, names[i].path, length) != 0)
            continue;
        *number = (int)strtonum(path + length, 0, INT_MAX, &why);
        return !why;
    }
    return false;
}

/* Only what was handed to us: what we opened ourselves is close-on-exec. */
static bool was_handed(int number)
{
    int flags = fcntl(number, F_GETFL);

    return flags >= 0 && !(fcntl(number, F_GETFD) & FD_CLOEXEC) && !(flags & O_PATH) &&
           (flags & O_ACCMODE) != O_RDONLY;
}

/* A pipe or a terminal is opened anew, non-blocking: the open file is shared with others, whom
 * that must not concern. */
static int open_descriptor(struct gt_output *output, int number, struct gt_error *err)
{
    char path[32];
    struct stat st;

    output->direct = true;
    if (!was_handed(number) || fstat(number, &st))
        return gt_error_set(err, GT_ERR_IO, "descriptor %d is not open for writing", number);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", number);
    if (S_ISFIFO(st.st_mode) || isatty(number))
        output->fd = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
    if (output->fd >= 0)
        return 0;
    output->fd = fcntl(number, F_DUPFD_CLOEXEC, 3);
    output->shared = !S_ISREG(st.st_mode);
    return output->fd < 0 ? gt_error_errno(err, "descriptor %d", number) : 0;
}

/* What kind of special file may be written, by whom it was put there. `node` stands for it. */
static int check_special(const struct gt_output *output, const struct stat *st,
                         struct gt_error *err)
{
    if (S_ISSOCK(st->st_mode))
        return gt_error_set(err, GT_ERR_UNSUPPORTED, "it is a socket");
    /* A second name may have been given to it by anybody who can write the folder. */
    if ((st->st_uid == geteuid() && st->st_nlink == 1) ||
        !gt_path_others_can_write(output->folder))
        return 0;
    return gt_error_set(err, GT_ERR_PERMISSION,
                        "it is a %s that another user may have put there",
                        S_ISFIFO(st->st_mode) ? "FIFO" : "device");
}

/* What `node`, an O_PATH descriptor, stands for: nobody can put another thing in its place. */
static int open_special(struct gt_output *output, int node, const struct stat *st,
                        struct gt_error *err)
{
    int64_t until_ns = gt_now_ns() + GT_FIFO_OPEN_S * INT64_C(1000000000);
    char path[32], late[96];
    int rc = check_special(output, st, err);

    output->direct = true;
    snprintf(path, sizeof(path), "/proc/self/fd/%d", node);
    snprintf(late, sizeof(late),
             "nobody opened this FIFO for reading within %d s: start its reader first",
             GT_FIFO_OPEN_S);
    while (rc == 0) {
        output->fd = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
        if (output->fd >= 0)
            return 0;
        if (!S_ISFIFO(st->st_mode) || (errno != ENXIO && errno != EINTR))
            return gt_error_errno(err, "it cannot be opened");
        rc = wait_a_moment(output, until_ns, late, err);
    }
    return rc;
}

static void number_temporary(struct gt_output *output, int attempt)
{
    snprintf(output->temporary, sizeof(output->temporary), "giltracer-%d-%d.tmp", (int)getpid(),
             attempt);
}

enum { ATTEMPTS = 100 };

/* O_EXCL: two runs never share a temporary file, nor follow a link. */
static int open_temporary(struct gt_output *output, struct gt_error *err)
{
    const int flags = O_WRONLY | O_CLOEXEC | O_NOFOLLOW;

    if (access("/proc/self/fd", X_OK) == 0) /* or it could not be given a name */
        output->fd = openat(output->folder, ".", O_TMPFILE | flags, 0666);
    for (int i = 0; output->fd < 0 && i < ATTEMPTS; i++) {
        number_temporary(output, i);
        output->fd = openat(output->folder, output->temporary, O_CREAT | O_EXCL | flags, 0666);
        if (output->fd < 0 && errno != EEXIST)
            break;
    }
    if (output->fd >= 0)
        return 0;
    output->temporary[0] = '\0';
    return gt_error_errno(err, "no file can be made in its folder");
}

/* What is there now, which renaming would replace. A file that we may not write is not
 * replaced: that would work, and would not be what its owner meant. In a sticky folder it would
 * not work. */
static int check_old(const struct gt_output *output, const struct stat *st,
                     struct gt_error *err)
{
    struct stat folder;

    if (S_ISREG(st->st_mode) &&
        faccessat(output->folder, output->name, W_OK, AT_EACCESS | AT_SYMLINK_NOFOLLOW))
        return gt_error_errno(err, "it is there already");
    if (geteuid() == 0 || st->st_uid == geteuid() || fstat(output->folder, &folder) ||
        !(folder.st_mode & S_ISVTX) || folder.st_uid == geteuid())
        return 0;
    return gt_error_set(err, GT_ERR_PERMISSION, "one of that name belongs to another user");
}

static int open_in_folder(struct gt_output *output, struct gt_error *err)
{
    int node = openat(output->folder, output->name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    struct stat st = {0};
    int rc = 0;

    if (node < 0 && errno == ENOENT)
        return open_temporary(output, err);
    if (node < 0 || fstat(node, &st)) {
        rc = gt_error_errno(err, "it cannot be looked at");
    } else if (S_ISDIR(st.st_mode)) {
        errno = EISDIR;
        rc = gt_error_errno(err, "there is something of that name");
    } else if (S_ISREG(st.st_mode) || S_ISLNK(st.st_mode)) {
        rc = check_old(output, &st, err);
        if (rc == 0)
            rc = open_temporary(output, err);
    } else {
        rc = open_special(output, node, &st, err);
    }
    if (node >= 0)
        close(node);
    return rc;
}

int gt_output_open_until(struct gt_output *output, const char *path, const struct gt_stop *stop,
                         struct gt_error *err)
{
    struct gt_error why = {0};
    int number, rc;

    memset(output, 0, sizeof(*output));
    output->fd = output->folder = -1;
    if (stop)
        output->stop = *stop;
    output->path = strdup(path);
    if (!output->path)
        return gt_error_memory(err);
    if (parse_descriptor(path, &number)) {
        rc = open_descriptor(output, number, &why);
    } else {
        rc = output->folder = gt_path_open_parent(output->path, &output->name, &why);
        if (rc >= 0)
            rc = open_in_folder(output, &why);
    }
    if (rc >= 0)
        return 0;
    forget(output);
    return gt_error_set(err, why.code, "cannot write %s: %s (choose another output with -o)",
                        path, why.message);
}

int gt_output_open(struct gt_output *output, const char *path, struct gt_error *err)
{
    return gt_output_open_until(output, path, NULL, err);
}

/* Write without waiting for a reader: EAGAIN. */
static ssize_t write_some(const struct gt_output *output, const void *data, size_t length)
{
    struct pollfd poller = {output->fd, POLLOUT, 0};
    ssize_t done;

    if (!output->shared)
        return write(output->fd, data, length);
    done = send(output->fd, data, length, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (done >= 0 || errno != ENOTSOCK)
        return done;
    if (poll(&poller, 1, 0) == 0) {
        errno = EAGAIN;
        return -1;
    }
    /* A pipe with room takes so many bytes without blocking. A file takes any number. */
    return write(output->fd, data, length < PIPE_BUF ? length : PIPE_BUF);
}

/* The descriptor takes nothing now: wait until it may, or *until_ns; 0: this wait begins. */
static int wait_for_room(const struct gt_output *output, int64_t *until_ns,
                         struct gt_error *err)
{
    struct gt_error why = {0};
    char late[64];
    int rc;

    if (!*until_ns)
        *until_ns = gt_now_ns() + GT_STALL_S * INT64_C(1000000000);
    snprintf(late, sizeof(late), "its reader has read nothing for %d s", GT_STALL_S);
    rc = wait_a_moment(output, *until_ns, late, &why);
    return rc < 0
               ? gt_error_set(err, why.code, "cannot write %s: %s", output->path, why.message)
               : 0;
}

int gt_output_write(struct gt_output *output, const void *data, size_t length,
                    struct gt_error *err)
{
    int64_t until_ns = 0;
    const char *at = data;

    while (length > 0) {
        ssize_t done = write_some(output, at, length);

        if (done < 0 && errno == EAGAIN) {
            int rc = wait_for_room(output, &until_ns, err);

            if (rc < 0)
                return rc;
        } else if (done < 0 && errno != EINTR) {
            return gt_error_errno(err, "cannot write %s", output->path);
        } else if (done > 0) {
            until_ns = 0;
            at += done;
            length -= (size_t)done;
        }
    }
    return 0;
}

/* Give the file without a name this one. 0, or -1 with errno. */
static int name_file(const struct gt_output *output, const char *name)
{
    char path[32];

    snprintf(path, sizeof(path), "/proc/self/fd/%d", output->fd);
    return linkat(AT_FDCWD, path, output->folder, name, AT_SYMLINK_FOLLOW);
}

/* The name of the complete file: the final one, where no file has it. Else one beside it, for
 * rename to replace that file. NULL with errno. */
static const char *name_somehow(struct gt_output *output)
{
    int failed;

    if (output->temporary[0])
        return output->temporary;
    if (name_file(output, output->name) == 0)
        return output->name;
    failed = errno;
    for (int i = 0; failed == EEXIST && i < ATTEMPTS; i++) {
        number_temporary(output, i);
        failed = name_file(output, output->temporary) ? errno : 0;
    }
    if (failed)
        output->temporary[0] = '\0';
    return failed ? NULL : output->temporary;
}

/* Others who can write the folder may have put another file in the place of ours. */
static bool is_in_place(const struct gt_output *output, const struct stat *file)
{
    struct stat st;

    return !gt_path_others_can_write(output->folder) ||
           (fstatat(output->folder, output->name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
            st.st_dev == file->st_dev && st.st_ino == file->st_ino);
}

/* Of the file that is complete. 0, or -1 with errno. */
static int close_file(struct gt_output *output)
{
    int fd = output->fd;

    output->fd = -1;
    return close(fd);
}

/* Where another file is replaced, ours has in between a name that nobody would remove: what
 * ends this process waits. 0, or -1 with errno. */
static int give_name(struct gt_output *output, struct stat *st)
{
    sigset_t all, before;
    const char *name;
    int failed, error;

    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &before);
    name = name_somehow(output);
    failed =
        !name || fstat(output->fd, st) || close_file(output) ||
        (name != output->name && renameat(output->folder, name, output->folder, output->name));
    error = errno;
    if (failed && name)
        unlinkat(output->folder, name, 0);
    output->temporary[0] = '\0';
    sigprocmask(SIG_SETMASK, &before, NULL);
    errno = error;
    return failed ? -1 : 0;
}

static int put_in_place(struct gt_output *output, struct gt_error *err)
{
    struct stat st;

    if (output->direct ? close_file(output) : give_name(output, &st))
        return gt_error_errno(err, "cannot write %s", output->path);
    if (output->direct)
        return 0;
    if (is_in_place(output, &st))
        return 0;
    return gt_error_set(
        err, GT_ERR_IO,
        "cannot write %s: another user, who can write its folder, put something "
        "else there",
        output->path);
}

int gt_output_rename(struct gt_output *output, const char *path, struct gt_error *err)
{
    const char *slash = strrchr(path, '/');
    char *copy;

    if (output->direct)
        return 0;
    copy = strdup(path);
    if (!copy)
        return gt_error_memory(err);
    free(output->path);
    output->path = copy;
    output->name = slash ? copy + (slash + 1 - path) : copy;
    return 0;
}

int gt_output_open_old(const struct gt_output *output)
{
    struct stat st;
    int fd;

    if (output->direct)
        return -1;
    fd = openat(output->folder, output->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd >= 0 && (fstat(fd, &st) || !S_ISREG(st.st_mode))) {
        close(fd);
        fd = -1;
    }
    return fd;
}

int gt_output_keep_old(const struct gt_output *output, struct gt_error *err)
{
    char *old;
    int rc = 0;

    if (asprintf(&old, "%s.old", output->name) < 0)
        return gt_error_memory(err);
    if (renameat(output->folder, output->name, output->folder, old) && errno != ENOENT)
        rc = gt_error_errno(err,
                            "cannot write %s: the report of another command that is there "
                            "cannot be kept as %s",
                            output->path, old);
    free(old);
    return rc;
}

int gt_output_commit(struct gt_output *output, struct gt_error *err)
{
    int rc = put_in_place(output, err);

    gt_output_abandon(output); /* what is in place by now stays */
    return rc;
}

void gt_output_abandon(struct gt_output *output)
{
    if (output->fd >= 0)
        close(output->fd);
    if (output->temporary[0])
        unlinkat(output->folder, output->temporary, 0);
    forget(output);
}
