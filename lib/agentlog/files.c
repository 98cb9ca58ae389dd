/* The file of all logs: which of its units are whose, and what they hold. */
#include "agentlog/internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_UNITS = 1 << 22 };

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

/* What a unit's head says. */
struct unit {
    uint32_t number;
    uint32_t bytes; /* of it, that are in the file */
    struct gt_wire_chunk chunk;
};

struct units {
    struct unit *list;
    size_t count, capacity;
    size_t senseless; /* they hold something, and nobody knows whose */
    size_t missing;   /* that should be there, says a thread's header */
};

/* A thread while its units are put in order. */
struct parts {
    struct gt_agentlog_thread *thread;
    const struct unit *units;
    size_t count;
    size_t capacity;           /* of thread->chunks */
    size_t missing;            /* units */
    bool gap[GT_WIRE_STREAMS]; /* something of the stream is missing here */
    bool headless;             /* the header is but a copy, from earlier */
    bool cut;                  /* the file ends within one */
};

static bool is_chunk(const struct gt_wire_chunk *chunk)
{
    return chunk->magic == GT_WIRE_MAGIC_CHUNK && chunk->stream < GT_WIRE_STREAMS &&
           chunk->data_offset >= sizeof(*chunk) && chunk->data_offset <= 4096 &&
           chunk->data_offset % 16 == 0 && chunk->thread > 0;
}

/* 0, or negative without memory. */
static int take_unit(const struct gt_agentlog *log, struct units *units, uint32_t number,
                     uint64_t file_bytes, struct gt_error *err)
{
    uint64_t left = file_bytes - (uint64_t)number * GT_WIRE_CHUNK_BYTES;
    struct unit unit = {.number = number,
                        .bytes = left < GT_WIRE_CHUNK_BYTES ? (uint32_t)left
                                                            : (uint32_t)GT_WIRE_CHUNK_BYTES};

    if (!gt_agentlog_read_at(log->file, &unit.chunk, sizeof(unit.chunk),
                             (uint64_t)number * GT_WIRE_CHUNK_BYTES)) {
        units->senseless++;
        return 0;
    }
    if (!is_chunk(&unit.chunk)) {
        units->senseless += unit.chunk.magic != 0; /* one of zeros was never used */
        return 0;
    }
    if (units->count == units->capacity) {
        size_t room = units->capacity ? units->capacity * 2 : 64;
        void *grown = reallocarray(units->list, room, sizeof(*units->list));

        if (!grown)
            return gt_error_memory(err);
        units->list = grown;
        units->capacity = room;
    }
    units->list[units->count++] = unit;
    return 0;
}

/* A thread's copies in the order of their numbers, then its slots. */
static int by_place(const void *left, const void *right)
{
    const struct unit *a = left, *b = right;

    if (a->chunk.thread != b->chunk.thread)
        return a->chunk.thread < b->chunk.thread ? -1 : 1;
    if (a->chunk.copy != b->chunk.copy) /* 0, a slot, wraps around: the greatest */
        return a->chunk.copy - 1 < b->chunk.copy - 1 ? -1 : 1;
    return a->number < b->number ? -1 : a->number > b->number;
}

/* The file is sparse: only what was written is looked at. */
static int find_units(const struct gt_agentlog *log, uint64_t taken, struct units *units,
                      struct gt_error *err)
{
    struct stat st;
    uint64_t end, next = 1;
    int rc = 0;

    if (fstat(log->file, &st) || st.st_size < 0)
        return gt_error_errno(err, "cannot read the agent's log");
    end = (uint64_t)st.st_size / GT_WIRE_CHUNK_BYTES +
          ((uint64_t)st.st_size % GT_WIRE_CHUNK_BYTES != 0);
    if (taken < end)
        end = taken + 1;
    if (end > MAX_UNITS)
        end = MAX_UNITS;
    while (rc == 0 && next < end) {
        off_t data = lseek(log->file, (off_t)(next * GT_WIRE_CHUNK_BYTES), SEEK_DATA);

        if (data < 0 && errno == ENXIO)
            break;
        if (data > 0)
            next = (uint64_t)data / GT_WIRE_CHUNK_BYTES;
        if (next < end)
            rc = take_unit(log, units, (uint32_t)next++, (uint64_t)st.st_size, err);
    }
    if (units->count)
        qsort(units->list, units->count, sizeof(*units->list), by_place);
    return rc;
}

static int add_chunk(struct parts *parts, const struct unit *unit, struct gt_error *err)
{
    struct gt_agentlog_thread *thread = parts->thread;
    struct gt_agentlog_chunk *entry;

    if (thread->chunk_count == parts->capacity) {
        size_t room = parts->capacity ? parts->capacity * 2 : 4;
        void *grown = reallocarray(thread->chunks, room, sizeof(*thread->chunks));

        if (!grown)
            return gt_error_memory(err);
        thread->chunks = grown;
        parts->capacity = room;
    }
    entry = &thread->chunks[thread->chunk_count++];
    entry->offset = (uint64_t)unit->number * GT_WIRE_CHUNK_BYTES + unit->chunk.data_offset;
    entry->bytes =
        unit->bytes > unit->chunk.data_offset ? unit->bytes - unit->chunk.data_offset : 0;
    entry->stream = unit->chunk.stream;
    entry->gap = parts->gap[unit->chunk.stream];
    parts->gap[unit->chunk.stream] = unit->bytes < GT_WIRE_CHUNK_BYTES;
    parts->cut |= unit->bytes < GT_WIRE_CHUNK_BYTES;
    return 0;
}

/* Units are missing, and nobody knows of which stream. */
static void lose(struct parts *parts, size_t missing)
{
    parts->missing += missing;
    for (int i = 0; i < GT_WIRE_STREAMS; i++)
        parts->gap[i] = true;
}

/* The copies of slots. One that is not there costs only itself. */
static int index_copies(struct parts *parts, struct gt_error *err)
{
    uint64_t count = GT_WIRE_COPIES(parts->thread->header.copies), seen = 0;
    int rc = 0;

    for (size_t i = 0; i < parts->count && !rc; i++) {
        const struct unit *unit = &parts->units[i];

        if (unit->chunk.copy == 0 || unit->chunk.copy > count)
            break; /* one that is not complete does not count */
        if (unit->chunk.copy == seen)
            continue; /* twice: made up */
        if (unit->chunk.copy > seen + 1)
            lose(parts, unit->chunk.copy - seen - 1);
        seen = unit->chunk.copy;
        rc = add_chunk(parts, unit, err);
    }
    if (seen < count && !rc)
        lose(parts, count - seen < MAX_UNITS ? (size_t)(count - seen) : MAX_UNITS);
    return rc;
}

static int index_slots(struct parts *parts, struct gt_error *err)
{
    const struct gt_wire_thread *header = &parts->thread->header;
    int stale = GT_WIRE_STALE(header->copies), rc = 0;
    bool found[GT_WIRE_STREAMS] = {false};

    for (size_t i = 0; i < parts->count && !rc; i++) {
        const struct unit *unit = &parts->units[i];

        if (unit->chunk.copy || found[unit->chunk.stream] ||
            (!parts->headless && header->slots[unit->chunk.stream] != unit->number))
            continue;
        found[unit->chunk.stream] = true;
        if ((int)unit->chunk.stream != stale)
            rc = add_chunk(parts, unit, err);
    }
    for (int i = 0; i < GT_WIRE_STREAMS; i++) {
        if (found[i] || !header->slots[i])
            continue;
        parts->missing++;
        parts->gap[i] = true;
    }
    return rc;
}

static bool read_header(const struct gt_agentlog *log, struct parts *parts, uint32_t number)
{
    struct gt_wire_thread *header = &parts->thread->header;

    return gt_agentlog_read_at(log->file, header, sizeof(*header),
                               (uint64_t)number * GT_WIRE_CHUNK_BYTES +
                                   sizeof(struct gt_wire_chunk)) &&
           header->magic == GT_WIRE_MAGIC_THREAD && header->version == GT_WIRE_VERSION &&
           header->pid > 0 && header->tid > 0 &&
           gt_agentlog_is_time(&log->clock, header->process_ticks) &&
           gt_agentlog_is_time(&log->clock, header->start_ticks);
}

/* In the GIL's slot; copies of that have it, too. */
static bool find_header(const struct gt_agentlog *log, struct parts *parts)
{
    for (size_t i = 0; i < parts->count; i++)
        if (parts->units[i].number == parts->units[i].chunk.thread &&
            parts->units[i].chunk.stream == GT_WIRE_STREAM_GIL &&
            read_header(log, parts, parts->units[i].number))
            return true;
    parts->headless = true;
    for (size_t i = parts->count; i-- > 0;)
        if (parts->units[i].chunk.stream == GT_WIRE_STREAM_GIL &&
            read_header(log, parts, parts->units[i].number))
            return true;
    return false;
}

static uint32_t intern_field(struct gt_intern *texts, const char *field, size_t size)
{
    return gt_intern_add(texts, field, strnlen(field, size));
}

/* Times that cannot be are not known. */
static void check_header(const struct gt_agentlog *log, struct parts *parts)
{
    struct gt_wire_thread *header = &parts->thread->header;

    if (header->exit_ticks && !gt_agentlog_is_time(&log->clock, header->exit_ticks)) {
        header->exit_ticks = 0;
        header->flags &= ~(uint32_t)(GT_WIRE_ENDED | GT_WIRE_EXECED);
        parts->thread->damaged = true;
    }
    if (parts->headless) { /* the copy knows of none that came later */
        header->copies = UINT64_MAX;
        for (size_t i = 0; i < parts->count; i++)
            if (parts->units[i].chunk.copy)
                header->copies = (uint64_t)parts->units[i].chunk.copy << 2;
    }
}

/* Is something missing after the last record of the GIL's stream? */
static bool is_cut(const struct gt_agentlog *log, const struct parts *parts)
{
    const struct gt_agentlog_thread *thread = parts->thread;

    if (parts->gap[GT_WIRE_STREAM_GIL] || parts->headless)
        return true;
    for (size_t i = thread->chunk_count; i-- > 0;) {
        struct gt_agentlog_thread last = *thread;

        if (thread->chunks[i].stream != GT_WIRE_STREAM_GIL)
            continue;
        last.chunks = &thread->chunks[i];
        last.chunk_count = 1;
        return thread->chunks[i].gap && !gt_agentlog_last_ticks(log, &last, GT_WIRE_STREAM_GIL);
    }
    return false;
}

/* 1, 0 when there is no header, or negative. */
static int read_thread(struct gt_agentlog *log, struct parts *parts, struct gt_error *err)
{
    struct gt_agentlog_thread *thread = parts->thread;
    struct gt_wire_thread *header = &thread->header;
    int rc;

    if (!find_header(log, parts))
        return 0;
    check_header(log, parts);
    rc = index_copies(parts, err);
    if (!rc)
        rc = index_slots(parts, err);
    if (rc)
        return rc;
    thread->damaged |= parts->missing || parts->headless || parts->cut;
    thread->cut = is_cut(log, parts);
    thread->last_ticks = header->start_ticks;
    for (uint32_t stream = 0; stream < GT_WIRE_STREAM_NOTES; stream++) {
        uint64_t ticks = gt_agentlog_last_ticks(log, thread, stream);

        if (ticks > thread->last_ticks)
            thread->last_ticks = ticks;
    }
    thread->comm = intern_field(&log->texts, header->comm, sizeof(header->comm));
    if (thread->comm == UINT32_MAX)
        return gt_error_memory(err);
    log->quality.dropped += header->dropped;
    log->quality.damaged += thread->damaged;
    if (thread->damaged)
        gt_agentlog_warn_thread(log, thread);
    return 1;
}

void gt_agentlog_warn_thread(struct gt_agentlog *log, const struct gt_agentlog_thread *thread)
{
    gt_agentlog_warn(log,
                     "the agent's log of thread %d of process %d is cut short or damaged: some "
                     "of it is missing",
                     thread->header.tid, thread->header.pid);
}

static int add_thread(struct gt_agentlog *log, struct units *units, size_t first, size_t count,
                      struct gt_error *err)
{
    struct parts parts = {.units = units->list + first, .count = count};
    int rc;

    if (log->thread_count == log->thread_capacity) {
        size_t room = log->thread_capacity ? log->thread_capacity * 2 : 64;
        void *grown = reallocarray(log->threads, room, sizeof(*log->threads));

        if (!grown)
            return gt_error_memory(err);
        log->threads = grown;
        log->thread_capacity = room;
    }
    parts.thread = &log->threads[log->thread_count];
    memset(parts.thread, 0, sizeof(*parts.thread));
    rc = read_thread(log, &parts, err);
    units->missing += parts.missing;
    if (rc > 0) {
        log->thread_count++;
        log->quality.threads++;
        return gt_agentlog_read_notes(log, (uint32_t)(log->thread_count - 1), err);
    }
    free(parts.thread->chunks);
    /* One that was killed as it made its log has said nothing yet. */
    if (rc == 0 && (count > 1 || parts.thread->header.magic))
        units->senseless++;
    return rc;
}

int gt_agentlog_read_threads(struct gt_agentlog *log, uint64_t taken, struct gt_error *err)
{
    struct units units = {0};
    struct stat st;
    int rc = find_units(log, taken, &units, err);

    if (fstat(log->file, &st) == 0)
        log->quality.log_bytes = (uint64_t)st.st_blocks * 512; /* there are holes */
    for (size_t first = 0, next; first < units.count && !rc; first = next) {
        for (next = first + 1; next < units.count; next++)
            if (units.list[next].chunk.thread != units.list[first].chunk.thread)
                break;
        rc = add_thread(log, &units, first, next - first, err);
    }
    free(units.list);
    if (rc == 0 && units.senseless > units.missing) {
        log->anybodys = true;
        log->quality.damaged++;
        gt_agentlog_warn(log, "the agent's log is damaged: nobody knows what is missing");
    }
    return rc;
}
