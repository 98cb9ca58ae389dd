/* SPDX-License-Identifier: MIT */
/*
 * Logs of version 3, which users have kept: in place of `log`, a file per thread.
 *
 *     PID-TID-START.log     START is a tick count in hexadecimal
 *
 * It is a sequence of chunks of GT_WIRE_CHUNK_BYTES. The first three are the streams' slots, in
 * their order; the copies of slots follow. Slots that were never used are holes, or beyond the
 * file's end. Records, words and notes are as in agent/wire.h.
 */
#include "agentlog/internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    SLOTS_BYTES = GT_WIRE_STREAMS * GT_WIRE_CHUNK_BYTES,
    MAX_COPIES = 1 << 20,
};

#define SUFFIX ".log"

struct chunk {
    uint32_t magic;
    uint32_t stream;
    uint32_t size;        /* GT_WIRE_CHUNK_BYTES */
    uint32_t data_offset; /* from the chunk's start to its first record or note */
};

/* Of struct gt_wire_thread, what stands elsewhere. `exit_ticks` of a main thread is the end of
 * its process. */
struct header {
    unsigned char same[offsetof(struct gt_wire_thread, slots)];
    uint64_t file_bytes; /* what is shorter was cut */
    uint64_t ident;
    uint64_t dropped;
    char comm[16];
    char program[GT_WIRE_PATH_SIZE];
};

_Static_assert(sizeof(struct chunk) == 16 && sizeof(struct header) == 360,
               "as version 3 has them");

/* A thread's file while its parts are found. */
struct file {
    struct gt_agentlog *log;
    uint64_t size;
    uint64_t file_bytes; /* says the header */
    struct gt_agentlog_parts parts;
};

static bool read_chunk(const struct file *file, uint64_t at, struct chunk *chunk)
{
    memset(chunk, 0, sizeof(*chunk));
    return gt_agentlog_read_at(file->log->file, chunk, sizeof(*chunk), at) &&
           chunk->magic == GT_WIRE_MAGIC_CHUNK && chunk->stream < GT_WIRE_STREAMS &&
           chunk->size == GT_WIRE_CHUNK_BYTES && chunk->data_offset >= sizeof(*chunk) &&
           chunk->data_offset <= 4096 && chunk->data_offset % 16 == 0;
}

/* False, and the header as far as it is one, when it is none. */
static bool read_header(struct file *file, uint64_t at)
{
    struct gt_wire_thread *to = &file->parts.thread->header;
    struct header from;
    bool whole;

    memset(&from, 0, sizeof(from));
    memset(to, 0, sizeof(*to));
    whole =
        gt_agentlog_read_at(file->log->file, &from, sizeof(from), at + sizeof(struct chunk));
    memcpy(to, from.same, sizeof(from.same));
    to->ident = from.ident;
    to->dropped = from.dropped;
    memcpy(to->comm, from.comm, sizeof(to->comm));
    memcpy(to->program, from.program, sizeof(to->program));
    to->flags &= GT_WIRE_FORKED;
    if (to->exit_ticks && to->tid == to->pid)
        to->flags |= GT_WIRE_ENDED;
    file->file_bytes = from.file_bytes;
    return whole && to->version == GT_AGENTLOG_VERSION_3 &&
           gt_agentlog_is_header(file->log, to);
}

static uint64_t place_of(uint64_t copy)
{
    return SLOTS_BYTES + copy * GT_WIRE_CHUNK_BYTES;
}

/* The first copy, from this one on, that is not a hole: a file may be long and hold nothing.
 * `end`: there is none before that one. */
static uint64_t next_copy(const struct file *file, uint64_t copy, uint64_t end)
{
    off_t data = -1;

    if (copy < end && place_of(copy) < file->size)
        data = lseek(file->log->file, (off_t)place_of(copy), SEEK_DATA);
    if (data < (off_t)SLOTS_BYTES)
        return end;
    copy = ((uint64_t)data - SLOTS_BYTES) / GT_WIRE_CHUNK_BYTES;
    return copy < end ? copy : end;
}

static uint64_t copies_in(const struct file *file)
{
    if (file->size >= place_of(MAX_COPIES))
        return MAX_COPIES;
    return file->size > SLOTS_BYTES ? (file->size - SLOTS_BYTES) / GT_WIRE_CHUNK_BYTES : 0;
}

/* In the GIL's slot; copies of that have it, too. Of files of zeros, which were made and never
 * used, none is missing. */
static bool find_header(struct file *file)
{
    uint64_t end = copies_in(file);
    struct chunk chunk;

    if (read_header(file, 0))
        return true;
    file->parts.headless = file->size < sizeof(chunk) || file->parts.thread->header.magic;
    for (uint64_t i = 0; (i = next_copy(file, i, end)) < end; i++) {
        file->parts.headless = true;
        if (read_chunk(file, place_of(i), &chunk) && chunk.stream == GT_WIRE_STREAM_GIL &&
            read_header(file, place_of(i))) {
            file->parts.thread->header.copies = end << 2; /* it knows of none that came later */
            return true;
        }
    }
    return false;
}

static int add_chunk(struct file *file, uint64_t at, const struct chunk *chunk,
                     struct gt_error *err)
{
    uint64_t left = file->size - at;
    uint32_t bytes =
        left < GT_WIRE_CHUNK_BYTES ? (uint32_t)left : (uint32_t)GT_WIRE_CHUNK_BYTES;
    const struct gt_agentlog_chunk entry = {
        .offset = at + chunk->data_offset,
        .bytes = bytes > chunk->data_offset ? bytes - chunk->data_offset : 0,
        .stream = (uint16_t)chunk->stream};

    return gt_agentlog_add_chunk(&file->parts, &entry, err);
}

/* One that makes no sense costs only itself. */
static int index_copies(struct file *file, struct gt_error *err)
{
    uint64_t count = GT_WIRE_COPIES(file->parts.thread->header.copies);
    uint64_t end = count < MAX_COPIES ? count : MAX_COPIES;
    struct chunk chunk;
    int rc = 0;

    for (uint64_t i = 0, next; i < end && !rc; i = next + 1) {
        uint64_t at;

        next = next_copy(file, i, end);
        if (next > i)
            gt_agentlog_lose(&file->parts, (size_t)(next - i));
        if (next == end)
            break;
        at = place_of(next);
        if (read_chunk(file, at, &chunk))
            rc = add_chunk(file, at, &chunk, err);
        else
            gt_agentlog_lose(&file->parts, 1);
        if (at + GT_WIRE_CHUNK_BYTES > file->size)
            gt_agentlog_lose(&file->parts, 1);
    }
    if (end < count)
        gt_agentlog_lose(&file->parts, 1);
    return rc;
}

/* Those of few records are short: whether one was cut, the header tells. */
static int index_slots(struct file *file, struct gt_error *err)
{
    struct gt_agentlog_parts *parts = &file->parts;
    int stale = GT_WIRE_STALE(parts->thread->header.copies), rc = 0;

    parts->cut = file->size < file->file_bytes;
    for (int i = 0; i < GT_WIRE_STREAMS && !rc; i++) {
        uint64_t at = (uint64_t)i * GT_WIRE_CHUNK_BYTES;
        struct chunk chunk;
        bool found = read_chunk(file, at, &chunk) && chunk.stream == (uint32_t)i;

        if (found && i != stale)
            rc = add_chunk(file, at, &chunk, err);
        if (!found && (chunk.magic || i == GT_WIRE_STREAM_GIL)) {
            parts->missing++;
            parts->gap[i] = true;
        }
        if (parts->cut && at + GT_WIRE_CHUNK_BYTES > file->size)
            parts->gap[i] = true;
    }
    return rc;
}

/* All that is in a file is missing, whoever's it is. */
static int lose_file(struct gt_agentlog *log, const char *what, const char *name,
                     const char *why)
{
    gt_agentlog_warn(log, "agent log %s %s: %s", name, what, why);
    log->quality.damaged++;
    log->anybodys = "some of the agent's log cannot be read";
    return 0;
}

static int add_file(struct gt_agentlog *log, const char *name, struct gt_error *err)
{
    struct file file = {.log = log};
    struct stat st;
    int rc = gt_agentlog_begin_thread(log, &file.parts, err);

    if (rc)
        return rc;
    file.parts.thread->file = gt_intern_add(&log->texts, name, strlen(name));
    if (file.parts.thread->file == UINT32_MAX)
        return gt_error_memory(err);
    if (!gt_agentlog_turn_to(log, file.parts.thread->file) || fstat(log->file, &st))
        return lose_file(log, "cannot be opened", name, strerror(errno));
    if (st.st_size <= 0)
        return 0;
    file.size = (uint64_t)st.st_size;
    log->quality.log_bytes += (uint64_t)st.st_blocks * 512; /* there are holes */
    if (!find_header(&file))
        return file.parts.headless ? lose_file(log, "is damaged", name, "it has no header") : 0;
    rc = index_copies(&file, err);
    if (!rc)
        rc = index_slots(&file, err);
    if (!rc)
        return gt_agentlog_end_thread(log, &file.parts, err);
    free(file.parts.thread->chunks);
    return rc;
}

static bool is_name(const char *name)
{
    size_t length = strlen(name), suffix = strlen(SUFFIX);

    return length > suffix && strspn(name, "0123456789abcdef-") == length - suffix &&
           !strcmp(name + length - suffix, SUFFIX);
}

int gt_agentlog_read_folder(struct gt_agentlog *log, struct gt_error *err)
{
    int fd = openat(log->folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *list = fd >= 0 ? fdopendir(fd) : NULL;
    struct dirent *entry;
    int rc = 0;

    if (!list) {
        rc = gt_error_errno(err, "cannot list the agent's log folder");
        if (fd >= 0)
            close(fd);
        return rc;
    }
    while (!rc && (entry = readdir(list)))
        if (is_name(entry->d_name))
            rc = add_file(log, entry->d_name, err);
    closedir(list);
    return rc;
}

int gt_agentlog_convert_control(struct gt_agentlog *log, struct gt_wire_control *control,
                                int folder, struct gt_error *err)
{
    log->folder = fcntl(folder, F_DUPFD_CLOEXEC, 0);
    if (log->folder < 0)
        return gt_error_errno(err, "cannot open the agent's log folder");
    /* There were no stops: the anchors stood in their place. */
    memmove(control->anchors, (char *)control + offsetof(struct gt_wire_control, stops),
            sizeof(control->anchors));
    memset(control->stops, 0, sizeof(control->stops));
    control->stop_count = 0;
    if (control->troubles || control->trouble[0])
        log->anybodys =
            "an agent could not go on writing, and its log does not tell since when";
    return 0;
}
