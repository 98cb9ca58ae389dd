/* SPDX-License-Identifier: MIT */
#include "agentlog/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COST_PS_MAX UINT64_C(1000000000) /* a millisecond: more is no cost of ours */

/* Functions' flags are taken from the log as they are. */
_Static_assert((int)GT_WIRE_FUNCTION_C == (int)GT_FUNCTION_C &&
                   (int)GT_WIRE_FUNCTION_GC == (int)GT_FUNCTION_GC &&
                   (int)GT_WIRE_FUNCTION_PLACES == (int)GT_FUNCTION_PLACES &&
                   (int)GT_WIRE_OWNER_PYTHON == (int)GT_FUNCTION_OF_PYTHON &&
                   (int)GT_WIRE_OWNER_INSTALLED == (int)GT_FUNCTION_OF_PACKAGE &&
                   (int)GT_WIRE_OWNER_PROGRAM == (int)GT_FUNCTION_OF_PROGRAM &&
                   (int)GT_WIRE_MADE_BY_CYTHON == (int)GT_FUNCTION_BY_CYTHON &&
                   (int)GT_WIRE_MADE_BY_PYBIND11 == (int)GT_FUNCTION_BY_PYBIND11,
               "agent/wire.h and event/event.h number the flags of functions alike");

enum {
    KNOWN_FLAGS = GT_FUNCTION_C | GT_FUNCTION_GC | GT_FUNCTION_PLACES | GT_FUNCTION_OF_PYTHON |
                  GT_FUNCTION_OF_PACKAGE | GT_FUNCTION_OF_PROGRAM | GT_FUNCTION_BY_CYTHON |
                  GT_FUNCTION_BY_PYBIND11
};

static int add_function(struct gt_agentlog *log, const struct gt_wire_note *note,
                        const char *text, struct gt_error *err)
{
    uint32_t name = gt_intern_add(&log->texts, text, note->name_length);
    uint32_t file = gt_intern_add(&log->texts, text + note->name_length, note->file_length);
    uint32_t index = (uint32_t)log->functions.count;
    struct gt_function *function;

    if (gt_hashmap_get(&log->function_of, note->id) != GT_HASHMAP_NONE)
        return 0; /* ids are given once: the first note is as good as any */
    if (name == UINT32_MAX || file == UINT32_MAX)
        return gt_error_memory(err);
    function = gt_chunks_push(&log->functions);
    if (!function || gt_hashmap_put(&log->function_of, note->id, index))
        return gt_error_memory(err);
    function->id = note->id;
    function->line = note->line;
    function->flags = note->flags & KNOWN_FLAGS;
    function->name = gt_intern_text(&log->texts, name);
    function->file = gt_intern_text(&log->texts, file);
    function->name_length = note->name_length;
    function->file_length = note->file_length;
    log->quality.functions++;
    return 0;
}

const struct gt_function *gt_agentlog_function(const struct gt_agentlog *log, uint32_t id)
{
    static const struct gt_function unnamed = {
        .name = "(name lost)", .name_length = 11, .file = ""};
    uint32_t index = gt_hashmap_get(&log->function_of, id);

    return index == GT_HASHMAP_NONE ? &unnamed : gt_chunks_at(&log->functions, index);
}

/* Of the process that noted it first. */
static void take_cost(struct gt_agentlog *log, const struct gt_wire_note *note)
{
    int64_t ps = note->count <= COST_PS_MAX ? (int64_t)note->count : 0;

    if (note->id == GT_WIRE_COST_EVENT && !log->quality.event_ps)
        log->quality.event_ps = ps;
    if (note->id == GT_WIRE_COST_CALL && !log->quality.call_ps)
        log->quality.call_ps = ps;
    if (note->id == GT_WIRE_COST_C_CALL && !log->quality.c_call_ps)
        log->quality.c_call_ps = ps;
    if (note->id == GT_WIRE_COST_CODE && !log->quality.code_permille && note->count < 100000)
        log->quality.code_permille = (uint32_t)note->count;
}

/* Of an object whose lock is waited for. */
static int add_type(struct gt_agentlog *log, const struct gt_wire_note *note, const char *text,
                    struct gt_error *err)
{
    uint32_t name = gt_intern_add(&log->texts, text, note->name_length);

    if (name == UINT32_MAX || (note->id && gt_hashmap_put(&log->type_of, note->id, name)))
        return gt_error_memory(err);
    return 0;
}

static int take_note(struct gt_agentlog *log, uint32_t thread, const struct gt_wire_note *note,
                     const char *text, struct gt_error *err)
{
    struct gt_agentlog_mark mark = {.ticks = note->ticks, .subject = thread};

    if ((note->kind == GT_WIRE_NOTE_NAME || note->kind == GT_WIRE_NOTE_COMM ||
         note->kind == GT_WIRE_NOTE_UNTRACED || note->kind == GT_WIRE_NOTE_GIL ||
         note->kind == GT_WIRE_NOTE_COMMAND || note->kind == GT_WIRE_NOTE_ROLE ||
         note->kind == GT_WIRE_NOTE_ASLEEP) &&
        !gt_agentlog_is_time(&log->clock, note->ticks))
        return 1; /* damaged */
    switch (note->kind) {
    case GT_WIRE_NOTE_FUNCTION:
        return add_function(log, note, text, err);
    case GT_WIRE_NOTE_NAME:
    case GT_WIRE_NOTE_COMM:
    case GT_WIRE_NOTE_COMMAND:
    case GT_WIRE_NOTE_ROLE:
        mark.rank = GT_MARK_NAME;
        mark.by_threading = note->kind == GT_WIRE_NOTE_NAME;
        mark.is_command = note->kind == GT_WIRE_NOTE_COMMAND;
        mark.is_role = note->kind == GT_WIRE_NOTE_ROLE;
        mark.tid = mark.is_command || mark.is_role ? log->threads[thread].header.pid
                                                   : gt_agentlog_outer(log, (int32_t)note->id);
        mark.text = gt_intern_add(&log->texts, text, note->name_length);
        if (mark.text == UINT32_MAX)
            return gt_error_memory(err);
        return gt_agentlog_mark(log, &mark, err);
    case GT_WIRE_NOTE_UNTRACED:
        mark.rank = GT_MARK_UNTRACED;
        mark.calls = note->count;
        mark.tid = (int32_t)note->id;
        return gt_agentlog_mark(log, &mark, err);
    case GT_WIRE_NOTE_GIL:
        mark.rank = GT_MARK_GIL;
        mark.on = note->count != 0;
        mark.text = gt_intern_add(&log->texts, text, note->name_length);
        if (mark.text == UINT32_MAX)
            return gt_error_memory(err);
        return gt_agentlog_mark(log, &mark, err);
    case GT_WIRE_NOTE_TYPE:
        return add_type(log, note, text, err);
    case GT_WIRE_NOTE_ASLEEP:
        mark.rank = GT_MARK_ASLEEP;
        mark.tid = gt_agentlog_outer(log, (int32_t)note->id);
        mark.calls = note->count;
        mark.text = gt_intern_add(&log->texts, text, note->name_length);
        if (mark.text == UINT32_MAX)
            return gt_error_memory(err);
        return gt_agentlog_mark(log, &mark, err);
    case GT_WIRE_NOTE_MESSAGE:
        gt_agentlog_warn(log, "process %d: %.*s", log->threads[thread].header.pid,
                         note->name_length, text);
        return 0;
    case GT_WIRE_NOTE_COST:
        take_cost(log, note);
        return 0;
    default:
        return 1; /* damaged */
    }
}

/* The notes of one chunk, until they end or make no sense (1). */
static int take_chunk(struct gt_agentlog *log, uint32_t thread, const char *data, size_t length,
                      struct gt_error *err)
{
    struct gt_wire_note note;

    for (size_t at = 0; at + sizeof(note) <= length; at += note.size) {
        int rc;

        memcpy(&note, data + at, sizeof(note));
        if (!note.size)
            return 0;
        if (note.size % 8 || note.size > length - at ||
            note.size < sizeof(note) + note.name_length + note.file_length)
            return 1;
        rc = take_note(log, thread, &note, data + at + sizeof(note), err);
        if (rc)
            return rc;
    }
    return 0;
}

int gt_agentlog_read_notes(struct gt_agentlog *log, uint32_t thread, struct gt_error *err)
{
    const struct gt_agentlog_thread *from = &log->threads[thread];
    char *data = NULL;
    bool damaged = false;
    int rc = 0;

    for (size_t i = 0; i < from->chunk_count && rc >= 0; i++) {
        const struct gt_agentlog_chunk *chunk = &from->chunks[i];

        if (chunk->stream != GT_WIRE_STREAM_NOTES)
            continue;
        if (!data)
            data = malloc(GT_WIRE_CHUNK_BYTES);
        if (!data)
            return gt_error_memory(err);
        rc = gt_agentlog_read(log, from, data, chunk->bytes, chunk->offset)
                 ? take_chunk(log, thread, data, chunk->bytes, err)
                 : 1;
        damaged |= rc > 0;
    }
    free(data);
    if (damaged && rc >= 0) {
        log->quality.damaged++;
        gt_agentlog_warn(
            log,
            "the agent's log of thread %d of process %d is damaged: some functions "
            "have lost their names",
            from->header.tid, from->header.pid);
    }
    return rc < 0 ? rc : 0;
}
