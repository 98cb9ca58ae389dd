#include "agentlog/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_CHUNKS = 1 << 20 };

/* What opens is a plain file of this folder, whatever stands there by now. */
int gt_agentlog_open_file(const struct gt_agentlog *log, const char *name)
{
    int fd = openat(log->dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
    struct stat st;

    if (fd >= 0 && (fstat(fd, &st) || !S_ISREG(st.st_mode))) {
        close(fd);
        fd = -1;
    }
    return fd;
}

/* All of it, or nothing. */
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

/* A file while its parts are found. */
struct file {
    int fd;
    uint64_t size;
    struct gt_agentlog_thread *thread;
    size_t capacity;           /* of thread->chunks */
    bool gap[GT_WIRE_STREAMS]; /* something of the stream is missing here */
    bool damaged;
};

static bool read_chunk(const struct file *file, uint64_t at, struct gt_wire_chunk *chunk)
{
    return gt_agentlog_read_at(file->fd, chunk, sizeof(*chunk), at) &&
           chunk->magic == GT_WIRE_MAGIC_CHUNK && chunk->stream < GT_WIRE_STREAMS &&
           chunk->size == GT_WIRE_CHUNK_BYTES && chunk->data_offset >= sizeof(*chunk) &&
           chunk->data_offset <= 4096 && chunk->data_offset % 16 == 0;
}

static int add_chunk(struct file *file, uint64_t at, const struct gt_wire_chunk *chunk,
                     struct gt_error *err)
{
    struct gt_agentlog_thread *thread = file->thread;
    uint64_t end = at + chunk->size < file->size ? at + chunk->size : file->size;
    struct gt_agentlog_chunk *entry;

    if (thread->chunk_count == file->capacity) {
        size_t room = file->capacity ? file->capacity * 2 : 4;
        void *grown = reallocarray(thread->chunks, room, sizeof(*thread->chunks));

        if (!grown)
            return gt_error_memory(err);
        thread->chunks = grown;
        file->capacity = room;
    }
    entry = &thread->chunks[thread->chunk_count++];
    entry->offset = at + chunk->data_offset;
    entry->bytes = end > entry->offset ? (uint32_t)(end - entry->offset) : 0;
    entry->stream = (uint16_t)chunk->stream;
    entry->gap = file->gap[chunk->stream];
    file->gap[chunk->stream] = false;
    return 0;
}

static void lose(struct file *file)
{
    file->damaged = true;
    for (int i = 0; i < GT_WIRE_STREAMS; i++)
        file->gap[i] = true;
}

/* The copies of slots. One that makes no sense costs only itself. */
static int index_copies(struct file *file, uint64_t count, struct gt_error *err)
{
    struct gt_wire_chunk chunk;
    int rc = 0;

    if (count > MAX_CHUNKS)
        count = MAX_CHUNKS;
    for (uint64_t i = 0; i < count && !rc; i++) {
        uint64_t at = GT_WIRE_SLOTS_BYTES + i * GT_WIRE_CHUNK_BYTES;

        if (at >= file->size) {
            lose(file);
            break;
        }
        if (read_chunk(file, at, &chunk))
            rc = add_chunk(file, at, &chunk, err);
        else
            lose(file);
        if (at + GT_WIRE_CHUNK_BYTES > file->size)
            lose(file);
    }
    return rc;
}

static int index_slots(struct file *file, int stale, struct gt_error *err)
{
    struct gt_wire_chunk chunk;
    int rc = 0;

    for (int i = 0; i < GT_WIRE_STREAMS && !rc; i++) {
        uint64_t at = (uint64_t)i * GT_WIRE_CHUNK_BYTES;

        if (i == stale || at >= file->size)
            continue;
        if (read_chunk(file, at, &chunk) && (int)chunk.stream == i)
            rc = add_chunk(file, at, &chunk, err);
        else if (chunk.magic)
            file->damaged = true;
    }
    return rc;
}

static bool header_at(const struct file *file, uint64_t at)
{
    struct gt_wire_thread *header = &file->thread->header;

    return gt_agentlog_read_at(file->fd, header, sizeof(*header),
                               at + sizeof(struct gt_wire_chunk)) &&
           header->magic == GT_WIRE_MAGIC_THREAD && header->version == GT_WIRE_VERSION &&
           header->pid > 0 && header->tid > 0;
}

/* The header, and where all parts are: 1, 0 when there is no header, or negative. */
static int index_file(struct file *file, struct gt_error *err)
{
    uint64_t count = file->size > GT_WIRE_SLOTS_BYTES
                         ? (file->size - GT_WIRE_SLOTS_BYTES) / GT_WIRE_CHUNK_BYTES
                         : 0;
    bool found = header_at(file, 0);
    struct gt_wire_chunk chunk;
    int stale = -1;
    int rc;

    if (found) {
        stale = GT_WIRE_STALE(file->thread->header.copies);
        count = GT_WIRE_COPIES(file->thread->header.copies);
        file->damaged = file->size < file->thread->header.file_bytes;
    } else { /* one of zeros only was made and never used */
        file->damaged = file->size < sizeof(chunk) || file->thread->header.magic != 0;
    }
    /* Copies of the GIL's slot have it, too. */
    for (uint64_t i = 0; !found && i < count && i < MAX_CHUNKS; i++) {
        uint64_t at = GT_WIRE_SLOTS_BYTES + i * GT_WIRE_CHUNK_BYTES;

        found = read_chunk(file, at, &chunk) && chunk.stream == GT_WIRE_STREAM_GIL &&
                header_at(file, at);
        file->damaged = true;
    }
    if (!found)
        return 0;
    rc = index_copies(file, count, err);
    if (!rc)
        rc = index_slots(file, stale, err);
    return rc ? rc : 1;
}

static uint32_t intern_field(struct gt_intern *texts, const char *field, size_t size)
{
    return gt_intern_add(texts, field, strnlen(field, size));
}

static int read_thread(struct gt_agentlog *log, struct gt_agentlog_thread *thread, int fd,
                       struct gt_error *err)
{
    struct gt_wire_thread *header = &thread->header;
    struct file file = {.fd = fd, .thread = thread};
    struct stat st;
    int rc;

    if (fstat(fd, &st) || st.st_size <= 0)
        return 0;
    file.size = (uint64_t)st.st_size;
    log->quality.log_bytes += (uint64_t)st.st_blocks * 512; /* there are holes */
    rc = index_file(&file, err);
    if (rc < 0)
        return rc;
    log->quality.damaged += file.damaged;
    if (file.damaged)
        gt_agentlog_warn(log,
                         rc ? "agent log %s is cut short or damaged: some of it is missing"
                            : "agent log %s is damaged: nothing of it can be read",
                         thread->name);
    if (!rc)
        return 0;
    thread->last_ticks = header->start_ticks;
    for (uint32_t stream = 0; stream < GT_WIRE_STREAM_NOTES; stream++) {
        uint64_t ticks = gt_agentlog_last_ticks(thread, fd, stream);

        if (ticks > thread->last_ticks)
            thread->last_ticks = ticks;
    }
    thread->comm = intern_field(&log->texts, header->comm, sizeof(header->comm));
    if (thread->comm == UINT32_MAX)
        return gt_error_memory(err);
    log->quality.dropped += header->dropped;
    return 1;
}

int gt_agentlog_add_file(struct gt_agentlog *log, const char *name, struct gt_error *err)
{
    struct gt_agentlog_thread *thread;
    int fd = -1;
    int rc;

    if (log->thread_count == log->thread_capacity) {
        size_t room = log->thread_capacity ? log->thread_capacity * 2 : 64;
        void *grown = reallocarray(log->threads, room, sizeof(*log->threads));

        if (!grown)
            return gt_error_memory(err);
        log->threads = grown;
        log->thread_capacity = room;
    }
    thread = &log->threads[log->thread_count];
    memset(thread, 0, sizeof(*thread));
    if (strlen(name) >= sizeof(thread->name))
        return 0;
    strcpy(thread->name, name);
    fd = gt_agentlog_open_file(log, name);
    if (fd < 0) {
        gt_agentlog_warn(log, "agent log %s cannot be opened: %s", name, strerror(errno));
        log->quality.damaged++;
        return 0;
    }
    rc = read_thread(log, thread, fd, err);
    if (rc > 0) {
        log->thread_count++;
        log->quality.threads++;
        rc = gt_agentlog_read_notes(log, (uint32_t)(log->thread_count - 1), fd, err);
    } else {
        free(thread->chunks);
    }
    close(fd);
    return rc;
}
