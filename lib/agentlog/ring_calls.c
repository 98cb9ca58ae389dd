/* SPDX-License-Identifier: MIT */
/* Which calls are open where the calls that are kept begin. */
#include "agentlog/internal.h"
#include "agentlog/ring_internal.h"

#include <stdlib.h>

/* Deeper ones than that are not known. */
enum { DEPTH_MAX = 4096 };

/* A return closes the innermost open call of its function, and all inside it. */
static void leave(struct gt_ring_calls *calls, uint32_t function)
{
    size_t at = calls->count;

    while (at > 0 && calls->open[at - 1] != function)
        at--;
    if (at > 0)
        calls->count = at - 1;
}

static int enter(struct gt_ring_calls *calls, uint32_t function, struct gt_error *err)
{
    uint32_t *grown;

    if (calls->count == DEPTH_MAX)
        return 0;
    grown = gt_ring_grow(calls->open, calls->count, &calls->capacity, sizeof(*calls->open));
    if (!grown)
        return gt_error_memory(err);
    calls->open = grown;
    calls->open[calls->count++] = function;
    return 0;
}

static int take_word(struct gt_ring_calls *calls, uint64_t word, struct gt_error *err)
{
    uint64_t high = calls->ticks & ~GT_WIRE_TICK_MASK;

    switch (GT_WIRE_CALL_KIND(word)) {
    case GT_WIRE_BASE:
        calls->ticks = word & GT_WIRE_BASE_TICKS;
        return 0;
    case GT_WIRE_CALL:
    case GT_WIRE_RESUME:
    case GT_WIRE_THROW:
        calls->ticks = high | (word & GT_WIRE_TICK_MASK);
        return enter(calls, GT_WIRE_CALL_ID(word), err);
    default:
        calls->ticks = high | (word & GT_WIRE_TICK_MASK);
        leave(calls, GT_WIRE_CALL_ID(word));
        return 0;
    }
}

int gt_ring_follow_calls(struct gt_ring *ring, uint32_t unit, struct gt_ring_thread *thread,
                         struct gt_error *err)
{
    uint64_t *words = malloc(GT_WIRE_CHUNK_BYTES);
    const struct gt_wire_chunk *chunk = (const void *)words;
    int rc = words ? 0 : gt_error_memory(err);

    if (rc == 0 &&
        gt_agentlog_read_at(ring->options.files.log, words, GT_WIRE_CHUNK_BYTES,
                            (uint64_t)unit * GT_WIRE_CHUNK_BYTES) &&
        gt_agentlog_is_chunk(chunk))
        for (size_t at = chunk->data_offset / sizeof(*words);
             at < GT_WIRE_CHUNK_BYTES / sizeof(*words) && words[at] && rc == 0; at++)
            rc = take_word(&thread->calls, words[at], err);
    free(words);
    return rc;
}

void gt_ring_write_calls(const struct gt_ring_calls *calls, struct gt_wire_chunk *chunk)
{
    uint64_t *word = (uint64_t *)(void *)((char *)chunk + chunk->data_offset);

    *word++ = (uint64_t)GT_WIRE_BASE << 60 | (calls->ticks & GT_WIRE_BASE_TICKS);
    for (size_t i = 0; i < calls->count; i++)
        *word++ = GT_WIRE_CALL_WORD(GT_WIRE_CALL, calls->open[i], calls->ticks);
}
