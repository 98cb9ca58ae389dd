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
    return is_of_run(kind) || is_name(kind) || kind == GT_WIRE_NOTE_UNTRACED ||
           kind == GT_WIRE_NOTE_COMMAND || kind == GT_WIRE_NOTE_ROLE ||
           kind == GT_WIRE_NOTE_GIL;
}

static bool is_same(const struct gt_ring_note *one, uint32_t process,
                    const struct gt_wire_note *note)
{
    bool by_id =
        is_of_run(note->kind) || is_name(note->kind) || note->kind == GT_WIRE_NOTE_UNTRACED;

    return one->note->kind == note->kind && (!by_id || one->note->id == note->id) &&
           (is_of_run(note->kind) || one->process == process);
}

/* A name of a thread that is gone is of no use. */
static bool is_there(const struct gt_ring *ring, uint32_t process, int32_t tid)
{
    for (size_t i = 0; i < ring->thread_count; i++)
        if (ring->threads[i].process == process && ring->threads[i].tid == tid)
            return true;
    return false;
}

static int keep(struct gt_ring *ring, uint32_t process, const struct gt_wire_note *note,
                struct gt_error *err)
{
    struct gt_wire_note *copy;
    void *grown;

    if (!stays(note->kind) ||
        (is_name(note->kind) && !is_there(ring, process, (int32_t)note->id)))
        return 0;
    for (size_t i = 0; i < ring->note_count; i++) {
        if (!is_same(&ring->notes[i], process, note))
            continue;
        if (is_of_run(note->kind))
            return 0;
        ring->note_bytes -= ring->notes[i].note->size;
        free(ring->notes[i].note);
        ring->notes[i] = ring->notes[--ring->note_count];
        break;
    }
    if (ring->note_bytes + note->size > NOTES_BYTES_MAX)
        return 0; /* it is called "(name lost)" */
    grown =
        gt_ring_grow(ring->notes, ring->note_count, &ring->note_capacity, sizeof(*ring->notes));
    copy = grown ? malloc(note->size) : NULL;
    if (grown)
        ring->notes = grown;
    if (!copy)
        return gt_error_memory(err);
    memcpy(copy, note, note->size);
    ring->notes[ring->note_count++] = (struct gt_ring_note){process, copy};
    ring->note_bytes += note->size;
    return 0;
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
    size_t kept = 0;

    for (size_t i = 0; i < ring->note_count; i++) {
        struct gt_ring_note *one = &ring->notes[i];
        bool goes = one->process == thread->process &&
                    ((is_name(one->note->kind) && (int32_t)one->note->id == thread->tid) ||
                     (!process && !is_of_run(one->note->kind)));

        if (goes) {
            ring->note_bytes -= one->note->size;
            free(one->note);
        } else {
            ring->notes[kept++] = *one;
        }
    }
    ring->note_count = kept;
}
