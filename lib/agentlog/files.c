#include "agentlog/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BUFFER_RECORDS = 1024, MAX_CHUNKS = 1 << 20 };

/* What opens is a plain file of this folder, whatever stands there by now. */
static int open_log(const struct gt_agentlog *log, const char *name)
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
static bool read_at(int fd, void *data, size_t size, uint64_t offset)
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

        if (!read_at(fd, &chunk, sizeof(chunk), at) || !chunk_is_valid(&chunk)) {
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

/* The last record of a chunk: records are packed, so a binary search finds the end. */
static uint64_t last_ticks_of(int fd, const struct gt_agentlog_chunk *chunk)
{
    uint64_t low = 0, high = chunk->bytes / sizeof(struct gt_wire_record);
    struct gt_wire_record record;

    while (low < high) {
        uint64_t middle = low + (high - low) / 2;

        if (!read_at(fd, &record, sizeof(record), chunk->offset + middle * sizeof(record)))
            return 0;
        if (record.word)
            low = middle + 1;
        else
            high = middle;
    }
    if (!low ||
        !read_at(fd, &record, sizeof(record), chunk->offset + (low - 1) * sizeof(record)))
        return 0;
    return record.ticks;
}

static void find_last(struct gt_agentlog_thread *thread, int fd)
{
    thread->last_ticks = thread->header.start_ticks;
    for (unsigned stream = 0; stream < GT_WIRE_STREAM_NOTES; stream++) {
        for (size_t i = thread->chunk_count; i-- > 0;) {
            uint64_t ticks;

            if (thread->chunks[i].stream != stream)
                continue;
            ticks = last_ticks_of(fd, &thread->chunks[i]);
            if (ticks > thread->last_ticks)
                thread->last_ticks = ticks;
            if (ticks)
                break;
        }
    }
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
    if (!read_at(fd, header, sizeof(*header), sizeof(struct gt_wire_chunk)) ||
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
    find_last(thread, fd);
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
    fd = open_log(log, name);
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

/* Fill the buffer from the current chunk on; sets count to 0 at the end of the stream. */
static int refill(struct gt_agentlog *log, struct gt_agentlog_cursor *cursor,
                  struct gt_error *err)
{
    const struct gt_agentlog_thread *thread = &log->threads[cursor->thread];
    int fd;

    if (!cursor->buffer)
        cursor->buffer = malloc(BUFFER_RECORDS * sizeof(*cursor->buffer));
    if (!cursor->buffer)
        return gt_error_memory(err);
    cursor->position = 0;
    cursor->count = 0;
    fd = open_log(log, thread->name);
    if (fd < 0)
        return 0;
    for (; cursor->chunk < thread->chunk_count && !cursor->count;) {
        const struct gt_agentlog_chunk *chunk = &thread->chunks[cursor->chunk];
        uint64_t left = (chunk->bytes - cursor->offset) / sizeof(*cursor->buffer);
        uint32_t want = left < BUFFER_RECORDS ? (uint32_t)left : BUFFER_RECORDS;

        if (chunk->stream == cursor->stream && want &&
            read_at(fd, cursor->buffer, want * sizeof(*cursor->buffer),
                    chunk->offset + cursor->offset))
            while (cursor->count < want && cursor->buffer[cursor->count].word)
                cursor->count++;
        if (cursor->count) {
            cursor->offset += cursor->count * sizeof(*cursor->buffer);
            break;
        }
        cursor->chunk++;
        cursor->offset = 0;
    }
    close(fd);
    return 0;
}

static int settle(struct gt_agentlog_cursor *cursor)
{
    if (cursor->position < cursor->count) {
        uint64_t ticks = cursor->buffer[cursor->position].ticks;

        /* A thread's records are in order; a damaged one must not disturb other threads'. */
        if (ticks > cursor->ticks)
            cursor->ticks = ticks;
        return 1;
    }
    free(cursor->buffer);
    cursor->buffer = NULL;
    return 0;
}

int gt_agentlog_cursor_open(struct gt_agentlog *log, struct gt_agentlog_cursor *cursor,
                            struct gt_error *err)
{
    const struct gt_agentlog_thread *thread = &log->threads[cursor->thread];
    int rc;

    for (cursor->chunk = 0; cursor->chunk < thread->chunk_count; cursor->chunk++)
        if (thread->chunks[cursor->chunk].stream == cursor->stream)
            break;
    if (cursor->chunk == thread->chunk_count)
        return 0;
    cursor->ticks = 0;
    rc = refill(log, cursor, err);
    if (rc)
        return rc;
    rc = settle(cursor);
    if (rc > 0) { /* its buffer waits until the stream's time has come */
        cursor->offset = 0;
        cursor->position = cursor->count = 0;
        free(cursor->buffer);
        cursor->buffer = NULL;
    }
    return rc;
}

int gt_agentlog_cursor_next(struct gt_agentlog *log, struct gt_agentlog_cursor *cursor,
                            struct gt_error *err)
{
    cursor->position++;
    if (cursor->position >= cursor->count) {
        int rc = refill(log, cursor, err);

        if (rc)
            return rc;
    }
    return settle(cursor);
}
