/*
 * The file of all logs, unit by unit.
 *
 * A unit is reached through the file's path while that leads there. A process that has changed
 * its user or its root, whose folder is removed, or that may open no more files, maps it
 * instead, from the file's first page, which it has mapped since it started: mremap extends a
 * mapping of a file without a descriptor, and madvise makes room for its pages, or says that
 * there is none. That takes longer (some 50 to 200 us for a unit), and needs Linux 5.14.
 */
#include "agent/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

enum {
    ANCHOR_BYTES = GT_WIRE_CHUNK_BYTES, /* a page, of any size */
    LEAST_UNITS = 64,
};

int gt_agent_open_file(const char *name, int flags)
{
    char path[GT_WIRE_PATH_SIZE + 16];

    snprintf(path, sizeof(path), "%s/%s", gt_agent.dir, name);
    return open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | flags, 0600);
}

void gt_agent_close_file(int fd)
{
    int error = errno;

    close(fd);
    errno = error;
}

/* How far a file may be written without SIGXFSZ. */
static uint64_t file_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_FSIZE, &limit) || limit.rlim_cur == RLIM_INFINITY ||
        limit.rlim_cur > INT64_MAX)
        return INT64_MAX;
    return limit.rlim_cur;
}

static bool write_all(int fd, const struct gt_wire_chunk *head, const char *rest,
                      uint64_t offset)
{
    size_t done = 0;

    while (done < GT_WIRE_CHUNK_BYTES) {
        size_t of_head = done < sizeof(*head) ? sizeof(*head) - done : 0;
        const struct iovec parts[] = {
            {(char *)head + sizeof(*head) - of_head, of_head},
            {(char *)rest + done + of_head, GT_WIRE_CHUNK_BYTES - done - of_head}};
        ssize_t written = pwritev(fd, parts, 2, (off_t)(offset + done));

        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return false;
        done += (size_t)written;
    }
    return true;
}

bool gt_agent_allocate(int fd, uint64_t offset, size_t size)
{
    static const char zeros[4096];

    while (fallocate(fd, 0, (off_t)offset, (off_t)size)) {
        if (errno == EINTR)
            continue;
        if ((errno != EOPNOTSUPP && errno != ENOSYS) || offset + size > file_limit())
            return false;
        for (size_t done = 0; done < size; done += sizeof(zeros))
            if (pwrite(fd, zeros, sizeof(zeros), (off_t)(offset + done)) != sizeof(zeros))
                return false;
        break;
    }
    return true;
}

/* The file by its path, if that still leads to it. */
static int open_log(void)
{
    int fd = gt_agent_open_file(GT_WIRE_LOG_NAME, 0);
    struct stat st;

    if (fd < 0)
        return -1;
    if (fstat(fd, &st) == 0 && st.st_dev == gt_agent.log.device &&
        st.st_ino == gt_agent.log.inode)
        return fd;
    close(fd);
    errno = ENOENT;
    return -1;
}

/* Sparse. A file system, or a limit, may want it shorter. */
static bool give_length(int fd, struct stat *st)
{
    uint64_t bytes = gt_agent.max_bytes < UINT64_MAX / GT_WIRE_SPARSE / 2
                         ? gt_agent.max_bytes * GT_WIRE_SPARSE
                         : UINT64_MAX / 2;
    const uint64_t least = (uint64_t)LEAST_UNITS * GT_WIRE_CHUNK_BYTES;

    if (bytes < least)
        bytes = least;
    if (bytes > file_limit())
        bytes = file_limit();
    bytes -= bytes % GT_WIRE_CHUNK_BYTES;
    while (bytes && ftruncate(fd, (off_t)bytes)) {
        if (errno != EFBIG && errno != EINVAL)
            return false;
        bytes = bytes / 2 - bytes / 2 % GT_WIRE_CHUNK_BYTES;
    }
    return fstat(fd, st) == 0;
}

bool gt_agent_units_init(void)
{
    int fd = gt_agent_open_file(GT_WIRE_LOG_NAME, O_CREAT);
    void *anchor = MAP_FAILED;
    struct stat st;

    if (fd < 0)
        return false;
    if (fstat(fd, &st) == 0 && (st.st_size >= GT_WIRE_CHUNK_BYTES || give_length(fd, &st)))
        anchor = mmap(NULL, ANCHOR_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    gt_agent_close_file(fd);
    if (anchor == MAP_FAILED)
        return false;
    gt_agent.log = (struct gt_agent_file){
        .anchor = anchor,
        .device = st.st_dev,
        .inode = st.st_ino,
        .units = (uint64_t)st.st_size / GT_WIRE_CHUNK_BYTES,
    };
    return true;
}

static bool populate(char *memory, size_t size)
{
    while (madvise(memory, size, MADV_POPULATE_WRITE)) {
        if (errno == EINTR || errno == EAGAIN)
            continue;
        if (errno == EFAULT) /* it would have been SIGBUS */
            errno = ENOSPC;
        return false;
    }
    return true;
}

/* Where only memory leads. `why` is what stood in the way of another. */
static void *map_from_anchor(uint64_t unit, size_t allocated, int why)
{
    size_t before = (size_t)unit * GT_WIRE_CHUNK_BYTES;
    char *memory = mremap(gt_agent.log.anchor, 0, before + GT_WIRE_CHUNK_BYTES, MREMAP_MAYMOVE);

    if (memory == MAP_FAILED)
        return NULL;
    if (before)
        munmap(memory, before);
    if (populate(memory + before, allocated))
        return memory + before;
    if (errno == EINVAL) /* the kernel is older than that */
        errno = why;
    why = errno;
    munmap(memory + before, GT_WIRE_CHUNK_BYTES);
    errno = why;
    return NULL;
}

void *gt_agent_unit_map(uint64_t unit, size_t allocated)
{
    uint64_t offset = unit * GT_WIRE_CHUNK_BYTES;
    void *memory = MAP_FAILED;
    int fd = open_log();

    if (fd < 0)
        return map_from_anchor(unit, allocated, errno);
    if (gt_agent_allocate(fd, offset, allocated))
        memory = mmap(NULL, GT_WIRE_CHUNK_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
                      (off_t)offset);
    gt_agent_close_file(fd);
    return memory == MAP_FAILED ? NULL : memory;
}

bool gt_agent_unit_extend(char *slot, uint64_t unit, size_t allocated, size_t more)
{
    int fd = open_log();
    int why = errno;
    bool done;

    if (fd < 0) {
        done = populate(slot + allocated, more);
        if (!done && errno == EINVAL)
            errno = why;
        return done;
    }
    done = gt_agent_allocate(fd, unit * GT_WIRE_CHUNK_BYTES + allocated, more);
    gt_agent_close_file(fd);
    return done;
}

bool gt_agent_unit_write(uint64_t unit, const struct gt_wire_chunk *head, const char *slot)
{
    uint64_t offset = unit * GT_WIRE_CHUNK_BYTES;
    bool allowed = offset + GT_WIRE_CHUNK_BYTES <= file_limit();
    int fd = allowed ? open_log() : -1;
    char *memory;
    bool done;

    if (fd >= 0) {
        done = write_all(fd, head, slot, offset);
        gt_agent_close_file(fd);
        return done;
    }
    memory = map_from_anchor(unit, GT_WIRE_CHUNK_BYTES, allowed ? errno : EFBIG);
    if (!memory)
        return false;
    memcpy(memory, slot, GT_WIRE_CHUNK_BYTES);
    memcpy(memory, head, sizeof(*head));
    munmap(memory, GT_WIRE_CHUNK_BYTES);
    return true;
}
