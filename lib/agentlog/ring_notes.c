/* SPDX-License-Identifier: MIT */
/* What stays in memory of notes whose units are taken out. */
#include "agentlog/internal.h"
#include "agentlog/ring_internal.h"

#include <stdlib.h>
#include <string.h>

enum { NOTES_BYTES_MAX = 64 << 20 };

/* Of functions, types and costs there is one for each id in the run; of names one for each
 * thread of a process; of the rest, one for each process. */
static bool is_of_run(unsigned kind)
{
    return kind == GT_WIRE_NOTE_FUNCTION || kind == GT_WIRE_NOTE_TYPE ||
           kind == GT_WIRE_NOTE_COST;
}

static bool is_name(unsigned kind)
{
    return kind == GT_WIRE_NOTE_NAME || kind == GT_WIRE_NOTE_COMM;
}

/* Stacks of sleeps are of their moment, messages were of theirs. */
static bool stays(unsigned kind)
{
    return is_name(kind) || kind == GT_WIRE_NOTE_UNTRACED || kind == GT_WIRE_NOTE_COMMAND ||
           kind == GT_WIRE_NOTE_ROLE || kind == GT_WIRE_NOTE_GIL;
}

static bool is_same(const struct gt_ring_note *one, uint32_t process,
                    const struct gt_wire_note *note)
{
    bool by_id = is_name(note->kind) || note->kind == GT_WIRE_NOTE_UNTRACED;

    return one->note->kind == note->kind && (!by_id || one->note->id == note->id) &&
           one->process == process;
}

/* A name of a thread that is gone is of no use. */
static bool is_there(const struct gt_ring *ring, uint32_t process, int32_t tid)
{
    for (size_t i = 0; i < ring->thread_count; i++)
        if (ring->threads[i].process == process && ring->threads[i].tid == tid)
            return true;
    return false;
}

/* What finds none is called "(name lost)". */
static bool has_room(const struct gt_ring *ring, const struct gt_wire_note *note)
{
    return ring->note_bytes + note->size <= NOTES_BYTES_MAX;
}

static int add(struct gt_ring *ring, struct gt_ring_notes *notes, uint32_t process,
               const struct gt_wire_note *note, struct gt_error *err)
{
    struct gt_wire_note *copy;
    void *grown;

    grown = gt_ring_grow(notes->list, notes->count, &notes->capacity, sizeof(*notes->list));
    copy = grown ? malloc(note->size) : NULL;
    if (grown)
        notes->list = grown;
    if (!copy)
        return gt_error_memory(err);
    memcpy(copy, note, note->size);
    notes->list[notes->count++] = (struct gt_ring_note){process, copy};
    ring->note_bytes += note->size;
    return 0;
}

static void drop(struct gt_ring *ring, struct gt_ring_note *one)
{
    ring->note_bytes -= one->note->size;
    free(one->note);
}

/* There may be hundreds of thousands: they are found by their ids. */
static int keep_of_run(struct gt_ring *ring, uint32_t process, const struct gt_wire_note *note,
                       struct gt_error *err)
{
    const uint64_t key = (uint64_t)note->kind << 32 | note->id;

    if (gt_hashmap_get(&ring->ids_of_run, key) != GT_HASHMAP_NONE || !has_room(ring, note))
        return 0;
    if (gt_hashmap_put(&ring->ids_of_run, key, 0))
        return gt_error_memory(err);
    return add(ring, &ring->notes_of_run, process, note, err);
}

/* The newest one stays. */
static int keep_of_process(struct gt_ring *ring, uint32_t process,
                           const struct gt_wire_note *note, struct gt_error *err)
{
    struct gt_ring_notes *notes = &ring->notes;

    for (size_t i = 0; i < notes->count; i++) {
        if (!is_same(&notes->list[i], process, note))
            continue;
        drop(ring, &notes->list[i]);
        notes->list[i] = notes->list[--notes->count];
        break;
    }
    return has_room(ring, note) ? add(ring, notes, process, note, err) : 0;
}

static int keep(struct gt_ring *ring, uint32_t process, const struct gt_wire_note *note,
                struct gt_error *err)
{
    if (is_of_run(note->kind))
        return keep_of_run(ring, process, note, err);
    if (!stays(note->kind) ||
        (is_name(note->kind) && !is_there(ring, process, (int32_t)note->id)))
        return 0;
    return keep_of_process(ring, process, note, err);
}

int gt_ring_keep_notes(struct gt_ring *ring, uint32_t unit, const struct gt_ring_thread *thread,
                       struct gt_error *err)
{
    char *bytes = malloc(GT_WIRE_CHUNK_BYTES);
    const struct gt_wire_chunk *chunk = (const void *)bytes;
    int rc = 0;

    if (!bytes)
        return gt_error_memory(err);
    if (gt_agentlog_read_at(ring->options.files.log, bytes, GT_WIRE_CHUNK_BYTES,
                            (uint64_t)unit * GT_WIRE_CHUNK_BYTES) &&
        gt_agentlog_is_chunk(chunk))
        for (size_t at = chunk->data_offset;
             at + sizeof(struct gt_wire_note) <= GT_WIRE_CHUNK_BYTES && rc == 0;) {
            const struct gt_wire_note *note = (const void *)(bytes + at);

            if (note->size < sizeof(*note) || note->size % 8 ||
                note->size > GT_WIRE_CHUNK_BYTES - at ||
                sizeof(*note) + note->name_length + note->file_length > note->size)
                break;
            rc = keep(ring, thread->process, note, err);
            at += note->size;
        }
    free(bytes);
    return rc;
}

void gt_ring_forget_names(struct gt_ring *ring, const struct gt_ring_thread *thread)
{
    const struct gt_ring_process *process = gt_ring_process(ring, thread->process);
    struct gt_ring_notes *notes = &ring->notes;
    size_t kept = 0;

    for (size_t i = 0; i < notes->count; i++) {
        struct gt_ring_note *one = &notes->list[i];

        if (one->process == thread->process &&
            (!process || (is_name(one->note->kind) && (int32_t)one->note->id == thread->tid)))
            drop(ring, one);
        else
            notes->list[kept++] = *one;
    }
    notes->count = kept;
}

void gt_ring_release_notes(struct gt_ring *ring)
{
    struct gt_ring_notes *all[] = {&ring->notes_of_run, &ring->notes};

    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        for (size_t at = 0; at < all[i]->count; at++)
            free(all[i]->list[at].note);
        free(all[i]->list);
    }
    gt_hashmap_release(&ring->ids_of_run);
}
