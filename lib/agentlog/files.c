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

static bool chunk_is_valid(const struct gt_wire_chunk *chunk)
{
    return chunk->magic == GT_WIRE_MAGIC_CHUNK && chunk->stream < GT_WIRE_STREAMS &&
           chunk->size >= GT_WIRE_CHUNK_MIN && chunk->size <= GT_WIRE_CHUNK_MAX &&
           chunk->size % GT_WIRE_CHUNK_MIN == 0 && chunk->data_offset >= sizeof(*chunk) &&
           chunk->data_offset <= 4096 && chunk->data_offset % 16 == 0;
}

/* Walk the chunks of a file. Sets *damaged when it ends other than at its end, or with a chunk
 * that was allocated and never used. */
static int index_chunks(struct gt_agentlog_thread *thread, int fd, uint64_t size, bool *damaged,
                        struct gt_error *err)
{
    struct gt_wire_chunk chunk;
    size_t capacity = 0;

    for (uint64_t at = 0; at < size && thread->chunk_count < MAX_CHUNKS; at += chunk.size) {
        struct gt_agentlog_chunk *entry;
        uint64_t end;

        if (!gt_agentlog_read_at(fd, &chunk, sizeof(chunk), at) || !chunk_is_valid(&chunk)) {
            *damaged = chunk.magic != 0 || at + sizeof(chunk) > size;
            return 0;
        }
        if (thread->chunk_count == capacity) {
            size_t room = capacity ? capacity * 2 : 4;
            void *grown = reallocarray(thread->chunks, room, sizeof(*thread->chunks));

            if (!grown)
                return gt_error_memory(err);
            thread->chunks = grown;
            capacity = room;
        }
        end = at + chunk.size;
        if (end > size) {
            *damaged = true;
            end = size;
        }
        entry = &thread->chunks[thread->chunk_count++];
        entry->offset = at + chunk.data_offset;
        entry->bytes = end > entry->offset ? (uint32_t)(end - entry->offset) : 0;
        entry->stream = chunk.stream;
    }
    return 0;
}

static uint32_t intern_field(struct gt_intern *texts, const char *field, size_t size)
{
    return gt_intern_add(texts, field, strnlen(field, size));
}

static int read_thread(struct gt_agentlog *log, struct gt_agentlog_thread *thread, int fd,
                       struct gt_error *err)
{
    struct gt_wire_thread *header = &thread->header;
    bool damaged = false;
    struct stat st;
    int rc;

    if (fstat(fd, &st) || st.st_size <= 0)
        return 0;
    log->quality.log_bytes += (uint64_t)st.st_size;
    rc = index_chunks(thread, fd, (uint64_t)st.st_size, &damaged, err);
    if (rc)
        return rc;
    if (!gt_agentlog_read_at(fd, header, sizeof(*header), sizeof(struct gt_wire_chunk)) ||
        !thread->chunk_count || header->magic != GT_WIRE_MAGIC_THREAD ||
        header->version != GT_WIRE_VERSION || header->pid <= 0 || header->tid <= 0) {
        if (damaged || header->magic) {
            log->quality.damaged++;
            gt_agentlog_warn(log, "agent log %s is damaged: nothing of it can be read",
                             thread->name);
        }
        return 0;
    }
    if (damaged) {
        log->quality.damaged++;
        gt_agentlog_warn(log, "agent log %s is cut short or damaged: what follows is missing",
                         thread->name);
    }
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
