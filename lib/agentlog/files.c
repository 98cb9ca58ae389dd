/* SPDX-License-Identifier: MIT */
/* The file of all logs: which of its units are whose, and what they hold. */
#include "agentlog/internal.h"

#include "base/order.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_UNITS = 1 << 22 };

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

/* A thread's units. */
struct share {
    const struct unit *units;
    size_t count;
    struct gt_agentlog_parts parts;
};

bool gt_agentlog_is_chunk(const struct gt_wire_chunk *chunk)
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
    if (!gt_agentlog_is_chunk(&unit.chunk)) {
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
    return gt_order_u64(a->number, b->number);
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

static int add_chunk(struct gt_agentlog_parts *parts, const struct unit *unit,
                     struct gt_error *err)
{
    const struct gt_wire_chunk *chunk = &unit->chunk;
    bool whole = unit->bytes == GT_WIRE_CHUNK_BYTES;
    const struct gt_agentlog_chunk entry = {
        .offset = (uint64_t)unit->number * GT_WIRE_CHUNK_BYTES + chunk->data_offset,
        .bytes = unit->bytes > chunk->data_offset ? unit->bytes - chunk->data_offset : 0,
        .stream = chunk->stream};
    int rc = gt_agentlog_add_chunk(parts, &entry, err);

    parts->gap[chunk->stream] = !whole;
    parts->cut |= !whole;
    return rc;
}

/* The copies of slots. One that is not there costs only itself. */
static int index_copies(struct share *share, struct gt_error *err)
{
    uint64_t count = GT_WIRE_COPIES(share->parts.thread->header.copies), seen = 0;
    int rc = 0;

    for (size_t i = 0; i < share->count && !rc; i++) {
        const struct unit *unit = &share->units[i];

        if (unit->chunk.copy == 0 || unit->chunk.copy > count)
            break; /* one that is not complete does not count */
        if (unit->chunk.copy == seen)
            continue; /* twice: made up */
        if (unit->chunk.copy > seen + 1)
            gt_agentlog_lose(&share->parts, unit->chunk.copy - seen - 1);
        seen = unit->chunk.copy;
        rc = add_chunk(&share->parts, unit, err);
    }
    if (seen < count && !rc)
        gt_agentlog_lose(&share->parts,
                         count - seen < MAX_UNITS ? (size_t)(count - seen) : MAX_UNITS);
    return rc;
}

static int index_slots(struct share *share, struct gt_error *err)
{
    const struct gt_wire_thread *header = &share->parts.thread->header;
    int stale = GT_WIRE_STALE(header->copies), rc = 0;
    bool found[GT_WIRE_STREAMS] = {false};

    for (size_t i = 0; i < share->count && !rc; i++) {
        const struct unit *unit = &share->units[i];

        if (unit->chunk.copy || found[unit->chunk.stream] ||
            (!share->parts.headless && header->slots[unit->chunk.stream] != unit->number))
            continue;
        found[unit->chunk.stream] = true;
        if ((int)unit->chunk.stream != stale)
            rc = add_chunk(&share->parts, unit, err);
    }
    for (int i = 0; i < GT_WIRE_STREAMS; i++) {
        if (found[i] || !header->slots[i])
            continue;
        share->parts.missing++;
        share->parts.gap[i] = true;
    }
    return rc;
}

static bool read_header(const struct gt_agentlog *log, struct share *share, uint32_t number)
{
    struct gt_wire_thread *header = &share->parts.thread->header;

    return gt_agentlog_read_at(log->file, header, sizeof(*header),
                               (uint64_t)number * GT_WIRE_CHUNK_BYTES +
                                   sizeof(struct gt_wire_chunk)) &&
           header->version == GT_WIRE_VERSION && gt_agentlog_is_header(log, header);
}

/* In the GIL's slot; copies of that have it, too. */
static bool find_header(const struct gt_agentlog *log, struct share *share)
{
    for (size_t i = 0; i < share->count; i++)
        if (share->units[i].number == share->units[i].chunk.thread &&
            share->units[i].chunk.stream == GT_WIRE_STREAM_GIL &&
            read_header(log, share, share->units[i].number))
            return true;
    share->parts.headless = true;
    for (size_t i = share->count; i-- > 0;)
        if (share->units[i].chunk.stream == GT_WIRE_STREAM_GIL &&
            read_header(log, share, share->units[i].number))
            return true;
    return false;
}

/* 1, 0 when there is no header, or negative. */
static int index_units(const struct gt_agentlog *log, struct share *share, struct gt_error *err)
{
    struct gt_wire_thread *header = &share->parts.thread->header;
    int rc;

    if (!find_header(log, share))
        return 0;
    if (share->parts.headless) { /* the copy knows of none that came later */
        header->copies = UINT64_MAX;
        for (size_t i = 0; i < share->count; i++)
            if (share->units[i].chunk.copy)
                header->copies = (uint64_t)share->units[i].chunk.copy << 2;
    }
    rc = index_copies(share, err);
    if (!rc)
        rc = index_slots(share, err);
    return rc ? rc : 1;
}

static int add_thread(struct gt_agentlog *log, struct units *units, size_t first, size_t count,
                      struct gt_error *err)
{
    struct share share = {.units = units->list + first, .count = count};
    int rc = gt_agentlog_begin_thread(log, &share.parts, err);

    if (rc)
        return rc;
    rc = index_units(log, &share, err);
    units->missing += share.parts.missing;
    if (rc > 0)
        return gt_agentlog_end_thread(log, &share.parts, err);
    free(share.parts.thread->chunks);
    /* One that was killed as it made its log has said nothing yet. */
    if (rc == 0 && (count > 1 || share.parts.thread->header.magic))
        units->senseless++;
    return rc;
}

int gt_agentlog_read_threads(struct gt_agentlog *log, uint64_t taken, struct gt_error *err)
{
    struct units units = {0};
    struct stat st = {0};
    bool cut;
    int rc = find_units(log, taken, &units, err);

    if (fstat(log->file, &st) == 0)
        log->quality.log_bytes = (uint64_t)st.st_blocks * 512; /* there are holes */
    /* The file has room for every unit that was taken: of a shorter one the rest is gone. */
    cut = taken < MAX_UNITS &&
          ((uint64_t)st.st_size + GT_WIRE_CHUNK_BYTES - 1) / GT_WIRE_CHUNK_BYTES < taken + 1;
    for (size_t first = 0, next; first < units.count && !rc; first = next) {
        for (next = first + 1; next < units.count; next++)
            if (units.list[next].chunk.thread != units.list[first].chunk.thread)
                break;
        rc = add_thread(log, &units, first, next - first, err);
    }
    free(units.list);
    if (rc == 0 && (cut || units.senseless > units.missing)) {
        log->anybodys = "its log is damaged";
        log->quality.damaged += !cut;
        gt_agentlog_warn(log, "the agent's log is cut short or damaged: nobody knows what is "
                              "missing");
    }
    return rc;
}
