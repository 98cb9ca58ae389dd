/* SPDX-License-Identifier: MIT */
/* Reading from the log's files. */
#include "agentlog/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

int gt_agentlog_open_file(int folder, const char *name)
{
    int fd = openat(folder, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
    struct stat st;

    if (fd >= 0 && (fstat(fd, &st) || !S_ISREG(st.st_mode))) {
        close(fd);
        errno = EINVAL;
        fd = -1;
    }
    return fd;
}

bool gt_agentlog_read_at(int fd, void *data, size_t size, uint64_t offset)
{
    char *at = data;

    while (size) {
        ssize_t got = pread(fd, at, size, (off_t)offset);

        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return false;
        at += got;
        offset += (uint64_t)got;
        size -= (size_t)got;
    }
    return true;
}

/* There may be more files than a process can have open: one of them is. */
bool gt_agentlog_turn_to(struct gt_agentlog *log, uint32_t name)
{
    if (log->file >= 0 && log->file_now == name)
        return true;
    if (log->file >= 0)
        close(log->file);
    log->file = gt_agentlog_open_file(log->folder, gt_intern_text(&log->texts, name));
    log->file_now = name;
    return log->file >= 0;
}

bool gt_agentlog_read(struct gt_agentlog *log, const struct gt_agentlog_thread *thread,
                      void *data, size_t size, uint64_t offset)
{
    if (log->folder >= 0 && !gt_agentlog_turn_to(log, thread->file))
        return false;
    return gt_agentlog_read_at(log->file, data, size, offset);
}
