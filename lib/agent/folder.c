/* SPDX-License-Identifier: MIT */
#include "agent/folder.h"

#include "agent/wire.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

bool gt_agent_folder_is_private(const char *path)
{
    struct stat st;

    errno = 0;
    return path[0] == '/' && strlen(path) < GT_WIRE_PATH_SIZE && !lstat(path, &st) &&
           S_ISDIR(st.st_mode) && st.st_uid == geteuid() && !(st.st_mode & 077);
}

int gt_agent_file_open(const char *dir, const char *name, int flags)
{
    char path[GT_WIRE_PATH_SIZE + 16];

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    return open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | flags, 0600);
}

void gt_agent_file_close(int fd)
{
    int error = errno;

    close(fd);
    errno = error;
}

uint64_t gt_agent_file_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_FSIZE, &limit) || limit.rlim_cur == RLIM_INFINITY ||
        limit.rlim_cur > INT64_MAX)
        return INT64_MAX;
    return limit.rlim_cur;
}

/* For file systems without fallocate. */
static bool write_zeros(int fd, uint64_t offset, size_t size)
{
    static const char zeros[4096];

    for (size_t done = 0; done < size; done += sizeof(zeros))
        if (pwrite(fd, zeros, sizeof(zeros), (off_t)(offset + done)) != sizeof(zeros))
            return false;
    return true;
}

/* Would it make the file longer than it may be? The kernel answers that with SIGXFSZ, which
 * ends the program. */
static bool is_too_long(int fd, uint64_t length)
{
    struct stat st;

    return length > gt_agent_file_limit() &&
           (fstat(fd, &st) || st.st_size < 0 || length > (uint64_t)st.st_size);
}

bool gt_agent_file_allocate(int fd, uint64_t offset, size_t size)
{
    if (is_too_long(fd, offset + size)) {
        errno = EFBIG;
        return false;
    }
    while (fallocate(fd, 0, (off_t)offset, (off_t)size)) {
        if (errno == EINTR)
            continue;
        if (errno != EOPNOTSUPP && errno != ENOSYS)
            return false;
        return offset + size <= gt_agent_file_limit() && write_zeros(fd, offset, size);
    }
    return true;
}
