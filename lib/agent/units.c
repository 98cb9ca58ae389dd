/* SPDX-License-Identifier: MIT */
#include "agent/units.h"

#include "agent/folder.h"
#include "agent/process.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

enum { ANCHOR_BYTES = GT_WIRE_CHUNK_BYTES }; /* a page, of any size */

/* The file as it was when the process began. */
static struct file {
    void *anchor; /* its first page: the rest can be mapped by it */
    uint64_t device, inode;
    uint64_t units;
} file;

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

/* The file by its path, if that still leads to it. */
static int open_log(void)
{
    int fd = gt_agent_file_open(gt_agent.dir, GT_WIRE_LOG_NAME, 0);
    struct stat st;

    if (fd < 0)
        return -1;
    if (fstat(fd, &st) == 0 && st.st_dev == file.device && st.st_ino == file.inode)
        return fd;
    close(fd);
    errno = ENOENT;
    return -1;
}

/* The file is sparse. A file system, or a limit, may allow less. */
static bool give_length(int fd, struct stat *st)
{
    uint64_t bytes = gt_wire_log_length(gt_agent.max_bytes);

    if (bytes > gt_agent_file_limit())
        bytes = gt_agent_file_limit();
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
    int fd = gt_agent_file_open(gt_agent.dir, GT_WIRE_LOG_NAME, O_CREAT);
    void *anchor = MAP_FAILED;
    struct stat st;

    if (fd < 0)
        return false;
    if (fstat(fd, &st) == 0 && (st.st_size >= GT_WIRE_CHUNK_BYTES || give_length(fd, &st)))
        anchor = mmap(NULL, ANCHOR_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    gt_agent_file_close(fd);
    if (anchor == MAP_FAILED)
        return false;
    file = (struct file){
        .anchor = anchor,
        .device = st.st_dev,
        .inode = st.st_ino,
        .units = (uint64_t)st.st_size / GT_WIRE_CHUNK_BYTES,
    };
    return true;
}

void gt_agent_units_release(void)
{
    munmap(file.anchor, ANCHOR_BYTES);
    memset(&file, 0, sizeof(file));
}

uint64_t gt_agent_unit_take(size_t allocated)
{
    uint64_t unit;

    if (!gt_agent_take_bytes(allocated))
        return 0;
    unit = __atomic_add_fetch(&gt_agent.control->units, 1, __ATOMIC_RELAXED);
    if (unit < file.units && unit < UINT32_MAX)
        return unit;
    /* It was not taken: a log shorter than what was taken would seem to be cut. */
    __atomic_sub_fetch(&gt_agent.control->units, 1, __ATOMIC_RELAXED);
    gt_agent_stop(0);
    return 0;
}

static bool populate(char *memory, size_t size)
{
    while (madvise(memory, size, MADV_POPULATE_WRITE)) {
        if (errno == EINTR || errno == EAGAIN)
            continue;
        if (errno == EFAULT) /* a write would have raised SIGBUS */
            errno = ENOSPC;
        return false;
    }
    return true;
}

/* Map a unit where the file cannot be opened; `why` is the errno of that. */
static void *map_from_anchor(uint64_t unit, size_t allocated, int why)
{
    size_t before = (size_t)unit * GT_WIRE_CHUNK_BYTES;
    char *memory = mremap(file.anchor, 0, before + GT_WIRE_CHUNK_BYTES, MREMAP_MAYMOVE);

    if (memory == MAP_FAILED)
        return NULL;
    if (before)
        munmap(memory, before);
    if (populate(memory + before, allocated))
        return memory + before;
    if (errno == EINVAL) /* the kernel is older than 5.14 */
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
    if (gt_agent_file_allocate(fd, offset, allocated))
        memory = mmap(NULL, GT_WIRE_CHUNK_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
                      (off_t)offset);
    gt_agent_file_close(fd);
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
    done = gt_agent_file_allocate(fd, unit * GT_WIRE_CHUNK_BYTES + allocated, more);
    gt_agent_file_close(fd);
    return done;
}

bool gt_agent_unit_write(uint64_t unit, const struct gt_wire_chunk *head, const char *slot)
{
    uint64_t offset = unit * GT_WIRE_CHUNK_BYTES;
    bool allowed = offset + GT_WIRE_CHUNK_BYTES <= gt_agent_file_limit();
    int fd = allowed ? open_log() : -1;
    char *memory;
    bool done;

    if (fd >= 0) {
        done = write_all(fd, head, slot, offset);
        gt_agent_file_close(fd);
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
