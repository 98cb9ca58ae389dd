/* SPDX-License-Identifier: MIT */
/* What is kept, as a log of its own: units and copies have new numbers, from 1 on without a
 * gap, so that what was taken out is not missed. */
#include "agentlog/internal.h"
#include "agentlog/ring_internal.h"
#include "base/nstime.h"
#include "base/order.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { TRIES = 1000 }; /* to read the slots of a thread that fills them meanwhile */

/* A thread in the copy. */
struct placed {
    uint32_t unit;   /* of its GIL slot; 0: it is left out */
    uint64_t copies; /* as its header said when its slots were read */
    uint32_t made;   /* copies that are made of what is in memory, before its own */
};

struct copying {
    struct gt_ring *ring;
    int log;                /* to */
    uint32_t next;          /* unit */
    struct placed *threads; /* as in the ring when it began */
    uint32_t *units;        /* … their numbers there: the ring finds more meanwhile */
    size_t thread_count;
    char *slots[GT_WIRE_STREAMS];
};

static int write_unit(const struct copying *to, uint32_t unit, const char *data,
                      struct gt_error *err)
{
    size_t length = GT_WIRE_CHUNK_BYTES, done = 0;

    while (length && !data[length - 1]) /* the rest stays a hole */
        length--;
    while (done < length) {
        ssize_t written = pwrite(to->log, data + done, length - done,
                                 (off_t)unit * GT_WIRE_CHUNK_BYTES + (off_t)done);

        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return gt_error_errno(err, "cannot copy the newest part of the agent's log");
        done += (size_t)written;
    }
    return 0;
}

static bool read_unit(const struct gt_ring *ring, uint32_t unit, char *data)
{
    return gt_agentlog_read_at(ring->options.files.log, data, GT_WIRE_CHUNK_BYTES,
                               (uint64_t)unit * GT_WIRE_CHUNK_BYTES);
}

static struct gt_wire_thread *header_in(char *slot)
{
    return (struct gt_wire_thread *)(void *)(slot + sizeof(struct gt_wire_chunk));
}

/* All slots as they were at one moment, which is so if no slot was copied meanwhile. */
static bool try_slots(const struct copying *to, uint32_t unit, bool found[GT_WIRE_STREAMS])
{
    char *first = to->slots[GT_WIRE_STREAM_GIL];
    struct gt_wire_thread *header = header_in(first);
    struct gt_wire_thread after;

    if (!read_unit(to->ring, unit, first))
        return false;
    found[GT_WIRE_STREAM_GIL] = true;
    for (int i = GT_WIRE_STREAM_GIL + 1; i < GT_WIRE_STREAMS; i++) {
        const struct gt_wire_chunk *chunk = (const void *)to->slots[i];

        found[i] = header->slots[i] && read_unit(to->ring, header->slots[i], to->slots[i]) &&
                   gt_agentlog_is_chunk(chunk) && chunk->thread == unit && chunk->stream == i &&
                   !chunk->copy;
    }
    return gt_agentlog_read_at(to->ring->options.files.log, &after, sizeof(after),
                               (uint64_t)unit * GT_WIRE_CHUNK_BYTES +
                                   sizeof(struct gt_wire_chunk)) &&
           after.copies == header->copies;
}

static int copy_slots(struct copying *to, uint32_t unit, struct placed *placed,
                      struct gt_error *err)
{
    struct gt_wire_thread *header = header_in(to->slots[GT_WIRE_STREAM_GIL]);
    bool found[GT_WIRE_STREAMS] = {false};
    int tries = 0, rc = 0;

    while (!try_slots(to, unit, found))
        if (++tries == TRIES)
            return 0;
    if (header->magic != GT_WIRE_MAGIC_THREAD)
        return 0;
    placed->unit = to->next++;
    placed->copies = header->copies;
    header->slots[GT_WIRE_STREAM_GIL] = placed->unit;
    for (int i = GT_WIRE_STREAM_GIL + 1; i < GT_WIRE_STREAMS; i++)
        header->slots[i] = found[i] ? to->next++ : 0;
    for (int i = 0; i < GT_WIRE_STREAMS && rc == 0; i++) {
        ((struct gt_wire_chunk *)(void *)to->slots[i])->thread = placed->unit;
        if (found[i])
            rc = write_unit(to, header->slots[i], to->slots[i], err);
    }
    return rc;
}

static struct placed *placed_of(const struct copying *to, uint32_t unit)
{
    for (size_t low = 0, high = to->thread_count; low < high;) {
        size_t middle = low + (high - low) / 2;

        if (to->units[middle] == unit)
            return &to->threads[middle];
        if (to->units[middle] < unit)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

/* --- notes that are in memory --- */

static int write_notes(struct copying *to, struct placed *placed, char *data, size_t *length,
                       struct gt_error *err)
{
    struct gt_wire_chunk *chunk = (void *)data;

    *chunk = (struct gt_wire_chunk){.magic = GT_WIRE_MAGIC_CHUNK,
                                    .stream = GT_WIRE_STREAM_NOTES,
                                    .data_offset = sizeof(*chunk),
                                    .thread = placed->unit,
                                    .copy = ++placed->made};
    memset(data + *length, 0, GT_WIRE_CHUNK_BYTES - *length);
    *length = sizeof(*chunk);
    return write_unit(to, to->next++, data, err);
}

/* A note, and the thread that it is copied to. */
struct heir {
    struct placed *thread; /* NULL: there is none */
    const struct gt_wire_note *note;
    size_t number; /* in the order in which they were kept */
};

static int by_thread(const void *left, const void *right)
{
    const struct heir *one = left, *other = right;
    int order = gt_order_u64((uintptr_t)one->thread, (uintptr_t)other->thread);

    return order ? order : gt_order_u64(one->number, other->number);
}

/* The notes of a process go to the first of its threads that is placed; those of a process that
 * is not there any more, to the first thread of all. By threads. False: no memory. */
static bool find_heirs(const struct copying *to, struct heir *heirs)
{
    const struct gt_ring *ring = to->ring;
    const struct gt_ring_notes *all[] = {&ring->notes_of_run, &ring->notes};
    struct placed **of = calloc(ring->process_count + 1, sizeof(struct placed *));
    struct placed *first = NULL;
    size_t count = 0;

    if (!of)
        return false;
    for (size_t i = to->thread_count; i-- > 0;) {
        const struct gt_ring_thread *thread = gt_ring_thread(ring, to->units[i]);
        const struct gt_ring_process *process =
            thread ? gt_ring_process(ring, thread->process) : NULL;

        if (!to->threads[i].unit || !process)
            continue;
        of[process - ring->processes] = first = &to->threads[i];
    }
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        for (size_t at = 0; at < all[i]->count; at++, count++) {
            const struct gt_ring_note *one = &all[i]->list[at];
            const struct gt_ring_process *process = gt_ring_process(ring, one->process);
            struct placed *heir = process ? of[process - ring->processes] : NULL;

            heirs[count] = (struct heir){heir ? heir : first, one->note, count};
        }
    qsort(heirs, count, sizeof(*heirs), by_thread);
    free(of);
    return true;
}

static int copy_notes(struct copying *to, struct gt_error *err)
{
    const size_t count = to->ring->notes_of_run.count + to->ring->notes.count;
    size_t length = sizeof(struct gt_wire_chunk);
    char *data = to->slots[GT_WIRE_STREAM_NOTES];
    struct heir *heirs = calloc(count + 1, sizeof(*heirs));
    int rc = heirs && find_heirs(to, heirs) ? 0 : gt_error_memory(err);

    for (size_t i = 0; i < count && rc == 0; i++) {
        const struct gt_wire_note *note = heirs[i].note;
        bool is_last = heirs[i + 1].thread != heirs[i].thread; /* a zero is behind the last */

        if (!heirs[i].thread)
            continue;
        if (length + note->size > GT_WIRE_CHUNK_BYTES)
            rc = write_notes(to, heirs[i].thread, data, &length, err);
        memcpy(data + length, note, note->size);
        length += note->size;
        if (rc == 0 && is_last)
            rc = write_notes(to, heirs[i].thread, data, &length, err);
    }
    free(heirs);
    return rc;
}

/* --- copies of slots --- */

static int copy_open_calls(struct copying *to, struct gt_error *err)
{
    char *data = to->slots[GT_WIRE_STREAM_CALLS];
    struct gt_wire_chunk *chunk = (void *)data;
    int rc = 0;

    for (size_t i = 0; i < to->thread_count && rc == 0; i++) {
        const struct gt_ring_thread *thread = gt_ring_thread(to->ring, to->units[i]);
        struct placed *placed = &to->threads[i];

        if (!placed->unit || !thread || !thread->calls.count)
            continue;
        memset(data, 0, GT_WIRE_CHUNK_BYTES);
        *chunk = (struct gt_wire_chunk){.magic = GT_WIRE_MAGIC_CHUNK,
                                        .stream = GT_WIRE_STREAM_CALLS,
                                        .data_offset = sizeof(*chunk),
                                        .thread = placed->unit,
                                        .copy = ++placed->made};
        gt_ring_write_calls(&thread->calls, chunk);
        rc = write_unit(to, to->next++, data, err);
    }
    return rc;
}

static int copy_copies(struct copying *to, struct gt_error *err)
{
    char *data = to->slots[GT_WIRE_STREAM_GIL];
    struct gt_wire_chunk *chunk = (void *)data;
    int rc = 0;

    for (size_t i = 0; i < to->ring->unit_count && rc == 0; i++) {
        const struct gt_ring_unit *unit = &to->ring->units[i];
        const struct gt_ring_thread *thread = gt_ring_thread(to->ring, unit->thread);
        struct placed *placed = placed_of(to, unit->thread);

        if (!thread || !placed || !placed->unit || unit->copy <= thread->freed ||
            unit->copy > GT_WIRE_COPIES(placed->copies) ||
            !read_unit(to->ring, unit->number, data))
            continue;
        chunk->thread = placed->unit;
        chunk->copy = unit->copy - thread->freed + placed->made;
        rc = write_unit(to, to->next++, data, err);
    }
    for (size_t i = 0; i < to->thread_count && rc == 0; i++) {
        const struct placed *placed = &to->threads[i];
        const struct gt_ring_thread *thread = gt_ring_thread(to->ring, to->units[i]);
        uint64_t copies = GT_WIRE_COPIES(placed->copies);

        if (!placed->unit || !thread)
            continue;
        copies = (copies > thread->freed ? copies - thread->freed : 0) + placed->made;
        copies = copies << 2 | (placed->copies & 3);
        if (pwrite(to->log, &copies, sizeof(copies),
                   (off_t)placed->unit * GT_WIRE_CHUNK_BYTES + sizeof(struct gt_wire_chunk) +
                       offsetof(struct gt_wire_thread, copies)) != sizeof(copies))
            rc = gt_error_errno(err, "cannot copy the newest part of the agent's log");
    }
    return rc;
}

/* Of processes that are not kept nothing is told. */
static void filter_stops(const struct gt_ring *ring, struct gt_wire_control *control)
{
    for (int i = 0; i < GT_WIRE_STOPS; i++) {
        struct gt_wire_stop *stop = &control->stops[i];
        bool kept = false;

        for (size_t j = 0; j < ring->process_count; j++)
            kept |= ring->processes[j].pid == stop->pid &&
                    ring->processes[j].ticks == stop->process_ticks;
        if (!kept && ring->options.is_alive && !ring->options.is_alive(stop->pid))
            memset(stop, 0, sizeof(*stop));
    }
}

static int copy_control(const struct copying *to, int file, struct gt_error *err)
{
    struct gt_wire_control *control = malloc(sizeof(*control));
    int rc = control ? 0 : gt_error_memory(err);

    if (rc == 0) {
        memcpy(control, to->ring->control, sizeof(*control));
        control->units = control->kept_units = to->next - 1;
        filter_stops(to->ring, control);
        if (pwrite(file, control, sizeof(*control), 0) != sizeof(*control) ||
            ftruncate(to->log, (off_t)to->next * GT_WIRE_CHUNK_BYTES))
            rc = gt_error_errno(err, "cannot copy the newest part of the agent's log");
    }
    free(control);
    return rc;
}

static int prepare(struct copying *to, struct gt_error *err)
{
    size_t count = to->ring->thread_count;

    to->threads = calloc(count + 1, sizeof(*to->threads));
    to->units = calloc(count + 1, sizeof(*to->units));
    if (!to->threads || !to->units)
        return gt_error_memory(err);
    for (int i = 0; i < GT_WIRE_STREAMS; i++) {
        to->slots[i] = calloc(1, GT_WIRE_CHUNK_BYTES);
        if (!to->slots[i])
            return gt_error_memory(err);
    }
    for (size_t i = 0; i < count; i++)
        to->units[i] = to->ring->threads[i].unit;
    to->thread_count = count;
    return 0;
}

int gt_ring_copy(struct gt_ring *ring, const struct gt_agentlog_files *files, int64_t since_ns,
                 struct gt_error *err)
{
    struct copying to = {.ring = ring, .log = files->log, .next = 1};
    int rc = prepare(&to, err);

    for (size_t i = 0; i < to.thread_count && rc == 0; i++) {
        int64_t ended_ns = ring->threads[i].ended_ns;

        if (!ended_ns || ended_ns >= since_ns)
            rc = copy_slots(&to, to.units[i], &to.threads[i], err);
    }
    /* Slots that were copied until then, which their threads' headers count. */
    if (rc == 0)
        rc = gt_ring_discover(ring, gt_now_ns(), err);
    if (rc == 0)
        rc = copy_notes(&to, err);
    if (rc == 0)
        rc = copy_open_calls(&to, err);
    if (rc == 0)
        rc = copy_copies(&to, err);
    if (rc == 0)
        rc = copy_control(&to, files->control, err);
    for (int i = 0; i < GT_WIRE_STREAMS; i++)
        free(to.slots[i]);
    free(to.threads);
    free(to.units);
    return rc;
}
