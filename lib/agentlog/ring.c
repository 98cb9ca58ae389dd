/* SPDX-License-Identifier: MIT */
#include "agentlog/ring.h"

#include "agentlog/internal.h"
#include "agentlog/ring_internal.h"
#include "base/nstime.h"
#include "base/order.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

enum {
    UNITS_AT_ONCE =
        1 << 16,        /* taken between two sweeps; what is more is looked at by the next */
    PENDING_MAX = 1024, /* not written yet: their threads died, or are stopped */
    LOG_SHARE_PERCENT = 75, /* of the bound, which the log reaches at most */
};

/* Until a record is written whose time was read before; and a sweep sees only that a unit was
 * written since the last one. */
#define MARGIN_NS (INT64_C(5) * GT_NS_PER_S)

static int punch_units(int log, uint32_t first, uint32_t count)
{
    return fallocate(log, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                     (off_t)first * GT_WIRE_CHUNK_BYTES, (off_t)count * GT_WIRE_CHUNK_BYTES);
}

/* Later, as one of the holes; at once where there is no memory. */
static void punch(struct gt_ring *ring, uint32_t unit)
{
    struct gt_ring_holes *holes = &ring->holes;
    void *grown =
        gt_ring_grow(holes->list, holes->count, &holes->capacity, sizeof(*holes->list));

    if (grown) {
        holes->list = grown;
        holes->list[holes->count++] = unit;
    } else {
        punch_units(ring->options.files.log, unit, 1);
    }
}

struct gt_ring_holes gt_ring_take_holes(struct gt_ring *ring)
{
    struct gt_ring_holes holes = ring->holes;

    ring->holes = (struct gt_ring_holes){0};
    return holes;
}

static int by_number(const void *one, const void *other)
{
    return gt_order(*(const uint32_t *)one, *(const uint32_t *)other);
}

void gt_ring_punch(int log, struct gt_ring_holes *holes)
{
    const uint32_t *units = holes->list;

    if (holes->count)
        qsort(holes->list, holes->count, sizeof(*holes->list), by_number);
    for (size_t i = 0, next; i < holes->count; i = next) {
        for (next = i + 1; next < holes->count && units[next] - units[next - 1] <= 1;)
            next++;
        punch_units(log, units[i], units[next - 1] - units[i] + 1);
    }
    free(holes->list);
    *holes = (struct gt_ring_holes){0};
}

struct gt_ring *gt_ring_new(const struct gt_ring_options *options, struct gt_error *err)
{
    struct gt_ring *ring = calloc(1, sizeof(*ring));
    struct stat st;

    if (!ring) {
        gt_error_memory(err);
        return NULL;
    }
    ring->options = *options;
    gt_hashmap_init(&ring->ids_of_run);
    ring->control = mmap(NULL, GT_WIRE_CONTROL_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED,
                         options->files.control, 0);
    if (ring->control == MAP_FAILED || fstat(options->files.log, &st)) {
        gt_error_errno(err, "cannot read the agent's files");
        ring->control = ring->control == MAP_FAILED ? NULL : ring->control;
        gt_ring_free(ring);
        return NULL;
    }
    ring->file_units = (uint64_t)st.st_size / GT_WIRE_CHUNK_BYTES;
    if (ring->file_units < 2 || punch_units(options->files.log, 1, 1)) {
        gt_error_errno(err, "nothing can be taken out of a file in this file system, as "
                            "recording without end needs (set TMPDIR to a folder of another)");
        gt_ring_free(ring);
        return NULL;
    }
    return ring;
}

void gt_ring_free(struct gt_ring *ring)
{
    if (!ring)
        return;
    if (ring->control)
        munmap(ring->control, GT_WIRE_CONTROL_BYTES);
    gt_ring_release_notes(ring);
    for (size_t i = 0; i < ring->thread_count; i++)
        free(ring->threads[i].calls.open);
    free(ring->holes.list);
    free(ring->pending);
    free(ring->threads);
    free(ring->processes);
    free(ring->units);
    free(ring);
}

/* --- what was written --- */

static struct gt_ring_process *process_of(struct gt_ring *ring,
                                          const struct gt_wire_thread *header)
{
    struct gt_ring_process *process;
    void *grown;

    for (size_t i = 0; i < ring->process_count; i++)
        if (ring->processes[i].pid == header->pid &&
            ring->processes[i].ticks == header->process_ticks)
            return &ring->processes[i];
    grown = gt_ring_grow(ring->processes, ring->process_count, &ring->process_capacity,
                         sizeof(*ring->processes));
    if (!grown)
        return NULL;
    ring->processes = grown;
    process = &ring->processes[ring->process_count++];
    *process = (struct gt_ring_process){
        .number = ring->next_process++,
        .pid = header->pid,
        .ticks = header->process_ticks,
        .is_writer =
            ring->options.is_writer &&
            ring->options.is_writer(ring->options.context, header->pid, header->parent_pid),
    };
    return process;
}

static int add_thread(struct gt_ring *ring, uint32_t unit, const struct gt_wire_thread *header,
                      struct gt_error *err)
{
    struct gt_ring_process *process = process_of(ring, header);
    size_t at = gt_ring_place(ring, unit);
    void *grown = gt_ring_grow(ring->threads, ring->thread_count, &ring->thread_capacity,
                               sizeof(*ring->threads));

    if (grown)
        ring->threads = grown;
    if (!process || !grown)
        return gt_error_memory(err);
    memmove(&ring->threads[at + 1], &ring->threads[at],
            (ring->thread_count - at) * sizeof(*ring->threads));
    ring->threads[at] =
        (struct gt_ring_thread){.unit = unit, .process = process->number, .tid = header->tid};
    ring->thread_count++;
    process->threads++;
    return 0;
}

static int add_copy(struct gt_ring *ring, uint32_t unit, const struct gt_wire_chunk *chunk,
                    int64_t now_ns, struct gt_error *err)
{
    void *grown =
        gt_ring_grow(ring->units, ring->unit_count, &ring->unit_capacity, sizeof(*ring->units));

    if (!grown)
        return gt_error_memory(err);
    ring->units = grown;
    ring->units[ring->unit_count++] = (struct gt_ring_unit){.number = unit,
                                                            .thread = chunk->thread,
                                                            .copy = chunk->copy,
                                                            .stream = chunk->stream,
                                                            .seen_ns = now_ns};
    return 0;
}

static bool read_header(const struct gt_ring *ring, uint32_t unit,
                        struct gt_wire_thread *header)
{
    return gt_agentlog_read_at(ring->options.files.log, header, sizeof(*header),
                               (uint64_t)unit * GT_WIRE_CHUNK_BYTES +
                                   sizeof(struct gt_wire_chunk)) &&
           header->magic == GT_WIRE_MAGIC_THREAD && header->version == GT_WIRE_VERSION &&
           header->pid > 0 && header->tid > 0;
}

/* 1; 0: it is not written yet; or negative. */
static int look_at(struct gt_ring *ring, uint32_t unit, int64_t now_ns, struct gt_error *err)
{
    struct gt_wire_chunk chunk;
    struct gt_wire_thread header;
    int rc = 0;

    if (!gt_agentlog_read_at(ring->options.files.log, &chunk, sizeof(chunk),
                             (uint64_t)unit * GT_WIRE_CHUNK_BYTES) ||
        !gt_agentlog_is_chunk(&chunk))
        return 0;
    if (chunk.copy)
        rc = add_copy(ring, unit, &chunk, now_ns, err);
    else if (chunk.stream == GT_WIRE_STREAM_GIL && !read_header(ring, unit, &header))
        return 0;
    else if (chunk.stream == GT_WIRE_STREAM_GIL && !gt_ring_thread(ring, unit))
        rc = add_thread(ring, unit, &header, err);
    return rc < 0 ? rc : 1;
}

int gt_ring_discover(struct gt_ring *ring, int64_t now_ns, struct gt_error *err)
{
    uint64_t taken = __atomic_load_n(&ring->control->units, __ATOMIC_ACQUIRE);
    size_t waiting = 0;
    int rc = 0;

    if (taken >= ring->file_units)
        taken = ring->file_units ? ring->file_units - 1 : 0;
    if (taken > UINT32_MAX)
        taken = UINT32_MAX;
    if (taken > ring->looked_at + UNITS_AT_ONCE)
        taken = ring->looked_at + UNITS_AT_ONCE;
    while (ring->looked_at < taken && rc >= 0) {
        void *grown = gt_ring_grow(ring->pending, ring->pending_count, &ring->pending_capacity,
                                   sizeof(*ring->pending));

        if (!grown)
            return gt_error_memory(err);
        ring->pending = grown;
        ring->pending[ring->pending_count++] = (uint32_t)++ring->looked_at;
    }
    for (size_t i = 0; i < ring->pending_count; i++) {
        rc = rc < 0 ? rc : look_at(ring, ring->pending[i], now_ns, err);
        if (rc <= 0)
            ring->pending[waiting++] = ring->pending[i];
    }
    ring->pending_count = waiting;
    if (waiting > PENDING_MAX) { /* the oldest are given up */
        memmove(ring->pending, ring->pending + (waiting - PENDING_MAX),
                PENDING_MAX * sizeof(*ring->pending));
        ring->pending_count = PENDING_MAX;
    }
    return rc < 0 ? rc : 0;
}

/* --- what is old --- */

static int take_out(struct gt_ring *ring, const struct gt_ring_unit *unit, struct gt_error *err)
{
    struct gt_ring_thread *thread = gt_ring_thread(ring, unit->thread);
    int rc = 0;

    if (thread && unit->stream == GT_WIRE_STREAM_NOTES)
        rc = gt_ring_keep_notes(ring, unit->number, thread, err);
    if (thread && unit->stream == GT_WIRE_STREAM_CALLS)
        rc = gt_ring_follow_calls(ring, unit->number, thread, err);
    if (thread && unit->copy > thread->freed)
        thread->freed = unit->copy;
    punch(ring, unit->number);
    return rc;
}

/* What is gone was recorded until then: it may be asked for by a report that ends earlier. */
static void note_gone(struct gt_ring *ring, int64_t seen_ns)
{
    if (seen_ns > ring->since_ns)
        ring->since_ns = seen_ns;
}

/* Those that are there for too long, or are of no thread; and the `more` oldest ones. */
static int take_out_units(struct gt_ring *ring, int64_t before_ns, size_t more,
                          struct gt_error *err)
{
    size_t kept = 0;
    int rc = 0;

    for (size_t i = 0; i < ring->unit_count; i++) {
        const struct gt_ring_unit *unit = &ring->units[i];
        bool old = unit->seen_ns < before_ns;

        if (rc == 0 && (old || i < more || !gt_ring_thread(ring, unit->thread))) {
            if (old || i < more)
                note_gone(ring, unit->seen_ns);
            rc = take_out(ring, unit, err);
        } else {
            ring->units[kept++] = *unit;
        }
    }
    ring->unit_count = kept;
    return rc;
}

static void end_process(struct gt_ring *ring, uint32_t number)
{
    struct gt_ring_process *process = gt_ring_process(ring, number);

    if (process)
        process->ended = true;
}

static void note_ends(struct gt_ring *ring, int64_t now_ns)
{
    for (size_t i = 0; i < ring->process_count; i++) {
        struct gt_ring_process *process = &ring->processes[i];

        if (process->is_writer && !process->ended && ring->options.is_alive)
            process->ended = !ring->options.is_alive(process->pid);
    }
    for (size_t i = 0; i < ring->thread_count; i++) {
        struct gt_ring_thread *thread = &ring->threads[i];
        struct gt_wire_thread header;

        if (thread->ended_ns || !read_header(ring, thread->unit, &header))
            continue;
        if (header.exit_ticks)
            thread->ended_ns = now_ns;
        if (header.exit_ticks && header.flags & (GT_WIRE_ENDED | GT_WIRE_EXECED))
            end_process(ring, thread->process);
    }
    for (size_t i = 0; i < ring->thread_count; i++) {
        struct gt_ring_thread *thread = &ring->threads[i];
        const struct gt_ring_process *process = gt_ring_process(ring, thread->process);

        if (!thread->ended_ns && process && process->ended)
            thread->ended_ns = now_ns;
    }
}

static int take_out_slots(struct gt_ring *ring, const struct gt_ring_thread *thread,
                          struct gt_error *err)
{
    struct gt_wire_thread header;
    int rc = 0;

    if (!read_header(ring, thread->unit, &header)) {
        punch(ring, thread->unit);
        return 0;
    }
    for (int i = 0; i < GT_WIRE_STREAMS && rc == 0; i++) {
        struct gt_wire_chunk chunk;

        /* The target writes headers: what it names must be the thread's. */
        if (!header.slots[i] ||
            !gt_agentlog_read_at(ring->options.files.log, &chunk, sizeof(chunk),
                                 (uint64_t)header.slots[i] * GT_WIRE_CHUNK_BYTES) ||
            chunk.thread != thread->unit)
            continue;
        if (i == GT_WIRE_STREAM_NOTES)
            rc = gt_ring_keep_notes(ring, header.slots[i], thread, err);
        if (header.slots[i] != thread->unit)
            punch(ring, header.slots[i]);
    }
    punch(ring, thread->unit);
    return rc;
}

static void drop_process(struct gt_ring *ring, uint32_t number)
{
    struct gt_ring_process *process = gt_ring_process(ring, number);

    if (process && --process->threads == 0)
        memmove(process, process + 1,
                (size_t)(&ring->processes[--ring->process_count] - process) * sizeof(*process));
}

static int take_out_threads(struct gt_ring *ring, int64_t before_ns, struct gt_error *err)
{
    size_t kept = 0;
    int rc = 0;

    for (size_t i = 0; i < ring->thread_count; i++) {
        struct gt_ring_thread thread = ring->threads[i];

        if (rc || !thread.ended_ns || thread.ended_ns >= before_ns) {
            ring->threads[kept++] = thread;
            continue;
        }
        note_gone(ring, thread.ended_ns);
        rc = take_out_slots(ring, &thread, err);
        drop_process(ring, thread.process);
        gt_ring_forget_names(ring, &thread);
        free(thread.calls.open);
    }
    ring->thread_count = kept;
    return rc;
}

uint64_t gt_ring_bytes(const struct gt_ring *ring)
{
    struct stat st;

    return fstat(ring->options.files.log, &st) ? 0 : (uint64_t)st.st_blocks * 512;
}

static uint64_t most_bytes(const struct gt_ring *ring)
{
    uint64_t bytes = ring->options.max_bytes;

    if (bytes > ring->options.room_bytes)
        bytes = ring->options.room_bytes;
    return bytes / 100 * LOG_SHARE_PERCENT;
}

bool gt_ring_is_large(const struct gt_ring *ring)
{
    return gt_ring_bytes(ring) > most_bytes(ring);
}

/* Agents stop where they counted too much. */
static void tell_used(struct gt_ring *ring, uint64_t bytes)
{
    if (__atomic_load_n(&ring->control->used_bytes, __ATOMIC_RELAXED) <=
        ring->options.max_bytes)
        __atomic_store_n(&ring->control->used_bytes, bytes, __ATOMIC_RELAXED);
}

int gt_ring_sweep(struct gt_ring *ring, int64_t now_ns, struct gt_error *err)
{
    uint64_t bytes = gt_ring_bytes(ring), most = most_bytes(ring);
    int64_t before_ns = now_ns - ring->options.keep_ns - MARGIN_NS;
    int rc = gt_ring_discover(ring, now_ns, err);

    tell_used(ring, bytes);
    if (rc == 0)
        note_ends(ring, now_ns);
    if (rc == 0)
        rc = take_out_units(ring, before_ns, 0, err);
    if (rc == 0)
        rc = take_out_threads(ring, before_ns, err);
    /* Of what is old, nobody knows yet how much room it takes. */
    if (rc == 0 && !ring->holes.count && bytes > most)
        rc = take_out_units(ring, before_ns, (size_t)((bytes - most) / GT_WIRE_CHUNK_BYTES) + 1,
                            err);
    return rc;
}

int64_t gt_ring_since_ns(const struct gt_ring *ring, int64_t until_ns)
{
    int64_t since_ns = until_ns - ring->options.keep_ns;

    return since_ns > ring->since_ns ? since_ns : ring->since_ns;
}

void gt_ring_want_clocks(struct gt_ring *ring)
{
    enum { SPARE = GT_WIRE_ANCHORS / 4 }; /* for what agents read by themselves */

    if (__atomic_load_n(&ring->control->anchor_count, __ATOMIC_RELAXED) <
        GT_WIRE_ANCHORS - SPARE)
        __atomic_store_n(&ring->control->next_anchor_ticks, 1, __ATOMIC_RELAXED);
}
