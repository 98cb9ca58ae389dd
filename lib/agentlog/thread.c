/* SPDX-License-Identifier: MIT */
/* A thread's log while its parts are found, whatever the layout of the files. */
#include "agentlog/internal.h"

#include <stdlib.h>
#include <string.h>

int gt_agentlog_begin_thread(struct gt_agentlog *log, struct gt_agentlog_parts *parts,
                             struct gt_error *err)
{
    if (log->thread_count == log->thread_capacity) {
        size_t room = log->thread_capacity ? log->thread_capacity * 2 : 64;
        void *grown = reallocarray(log->threads, room, sizeof(*log->threads));

        if (!grown)
            return gt_error_memory(err);
        log->threads = grown;
        log->thread_capacity = room;
    }
    parts->thread = &log->threads[log->thread_count];
    memset(parts->thread, 0, sizeof(*parts->thread));
    return 0;
}

bool gt_agentlog_is_header(const struct gt_agentlog *log, const struct gt_wire_thread *header)
{
    return header->magic == GT_WIRE_MAGIC_THREAD && header->pid > 0 && header->tid > 0 &&
           gt_agentlog_is_time(&log->clock, header->process_ticks) &&
           gt_agentlog_is_time(&log->clock, header->start_ticks);
}

int gt_agentlog_add_chunk(struct gt_agentlog_parts *parts,
                          const struct gt_agentlog_chunk *chunk, struct gt_error *err)
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
    *entry = *chunk;
    entry->gap = parts->gap[chunk->stream];
    parts->gap[chunk->stream] = false;
    return 0;
}

void gt_agentlog_lose(struct gt_agentlog_parts *parts, size_t missing)
{
    parts->missing += missing;
    for (int i = 0; i < GT_WIRE_STREAMS; i++)
        parts->gap[i] = true;
}

/* Is something missing after the last record of the GIL's stream? */
static bool is_cut(struct gt_agentlog *log, const struct gt_agentlog_parts *parts)
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

/* A time that cannot be is not known. */
static void check_exit(const struct gt_agentlog *log, struct gt_agentlog_thread *thread)
{
    struct gt_wire_thread *header = &thread->header;

    if (!header->exit_ticks || gt_agentlog_is_time(&log->clock, header->exit_ticks))
        return;
    header->exit_ticks = 0;
    header->flags &= ~(uint32_t)(GT_WIRE_ENDED | GT_WIRE_EXECED);
    thread->damaged = true;
}

static void renumber(const struct gt_agentlog *log, struct gt_wire_thread *header)
{
    header->pid = gt_agentlog_outer(log, header->pid);
    header->tid = gt_agentlog_outer(log, header->tid);
    header->parent_pid = gt_agentlog_outer(log, header->parent_pid);
    header->parent_tid = gt_agentlog_outer(log, header->parent_tid);
}

int gt_agentlog_end_thread(struct gt_agentlog *log, struct gt_agentlog_parts *parts,
                           struct gt_error *err)
{
    struct gt_agentlog_thread *thread = parts->thread;
    const struct gt_wire_thread *header = &thread->header;

    log->thread_count++;
    log->quality.threads++;
    check_exit(log, thread);
    renumber(log, &thread->header);
    thread->damaged |= parts->missing || parts->headless || parts->cut;
    thread->cut = is_cut(log, parts);
    thread->last_ticks = header->start_ticks;
    for (uint32_t stream = 0; stream < GT_WIRE_STREAM_NOTES; stream++) {
        uint64_t ticks = gt_agentlog_last_ticks(log, thread, stream);

        if (ticks > thread->last_ticks)
            thread->last_ticks = ticks;
    }
    thread->comm =
        gt_intern_add(&log->texts, header->comm, strnlen(header->comm, sizeof(header->comm)));
    if (thread->comm == UINT32_MAX)
        return gt_error_memory(err);
    log->quality.dropped += header->dropped;
    log->quality.damaged += thread->damaged;
    if (thread->damaged)
        gt_agentlog_warn_thread(log, thread);
    return gt_agentlog_read_notes(log, (uint32_t)(log->thread_count - 1), err);
}
