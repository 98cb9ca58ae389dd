/* SPDX-License-Identifier: MIT */
/* One stream of one thread, record by record. */
#include "agentlog/internal.h"

#include <stdlib.h>
#include <string.h>

/* All buffers together, but for the least of each: there may be tens of thousands of threads.
 */
enum { BUFFER_WORDS = 2048, BUFFER_WORDS_LEAST = 64, BUFFERS_WORDS = 1 << 22 };

static uint32_t words_per_record(const struct gt_agentlog_cursor *cursor)
{
    return cursor->stream == GT_WIRE_STREAM_GIL ? 2 : 1;
}

/* The last word of a record is never zero once it is written. */
static uint32_t count_written(const uint64_t *words, uint32_t records, uint32_t size)
{
    uint32_t count = 0;

    while (count < records && words[count * size + size - 1])
        count++;
    return count;
}

static uint32_t buffer_words(const struct gt_agentlog *log)
{
    size_t words = BUFFERS_WORDS / (2 * log->thread_count + 1) & ~(size_t)1;

    if (words > BUFFER_WORDS)
        return BUFFER_WORDS;
    return words < BUFFER_WORDS_LEAST ? BUFFER_WORDS_LEAST : (uint32_t)words;
}

static void note_gap(const struct gt_agentlog_thread *thread, struct gt_agentlog_cursor *cursor)
{
    if (!cursor->gap_since)
        cursor->gap_since = cursor->ticks ? cursor->ticks : thread->header.start_ticks;
}

/* Fill the buffer from the current chunk on; sets count to 0 at the end of the stream. */
static int refill(struct gt_agentlog *log, struct gt_agentlog_cursor *cursor,
                  struct gt_error *err)
{
    const struct gt_agentlog_thread *thread = &log->threads[cursor->thread];
    uint32_t size = words_per_record(cursor), room = buffer_words(log);

    if (!cursor->words)
        cursor->words = malloc(room * sizeof(*cursor->words));
    if (!cursor->words)
        return gt_error_memory(err);
    cursor->position = 0;
    cursor->count = 0;
    while (cursor->chunk < thread->chunk_count) {
        const struct gt_agentlog_chunk *chunk = &thread->chunks[cursor->chunk];
        bool mine = chunk->stream == cursor->stream;
        uint64_t left = (chunk->bytes - cursor->offset) / (size * sizeof(uint64_t));
        uint32_t want = left < room / size ? (uint32_t)left : room / size;

        if (mine && chunk->gap && !cursor->offset)
            note_gap(thread, cursor);
        if (mine && want &&
            gt_agentlog_read(log, thread, cursor->words, want * size * sizeof(uint64_t),
                             chunk->offset + cursor->offset))
            cursor->count = count_written(cursor->words, want, size);
        if (cursor->count) {
            cursor->offset += cursor->count * size * sizeof(uint64_t);
            break;
        }
        cursor->chunk++;
        cursor->offset = 0;
    }
    return 0;
}

/* A signal of a run's record. */
struct step {
    uint64_t ticks; /* how long it came after the one before; 0: there is none */
    uint32_t bytes; /* that it takes */
};

static uint64_t byte_of(const uint64_t *record, uint32_t at)
{
    return record[at / 8] >> at % 8 * 8 & 0xff;
}

/* The one at a byte of a record that is of a run, or is not. */
static struct step step_at(const struct gt_agentlog_cursor *cursor, const uint64_t *record,
                           uint32_t at)
{
    unsigned kind = GT_WIRE_KIND(record[1]);
    uint64_t byte = at < GT_WIRE_RUN_BYTES ? byte_of(record, at) : 0;

    if (!byte || (kind != GT_WIRE_RUN && kind != GT_WIRE_RUN_ON))
        return (struct step){0};
    if (byte < GT_WIRE_RUN_SHORT)
        return (struct step){byte << cursor->run_shift, 1};
    if (at + 1 == GT_WIRE_RUN_BYTES)
        return (struct step){0};
    return (struct step){byte % GT_WIRE_RUN_SHORT | byte_of(record, at + 1) * GT_WIRE_RUN_SHORT,
                         2};
}

/* A signal of a run. False: the record has none, since its thread was killed just then. */
static bool decode_run(struct gt_agentlog_cursor *cursor, const uint64_t *record,
                       uint64_t *ticks)
{
    bool first = GT_WIRE_KIND(record[1]) == GT_WIRE_RUN && !cursor->part;
    struct step step = first ? (struct step){0} : step_at(cursor, record, cursor->part);

    if (!first && !step.ticks)
        return false;
    if (first)
        cursor->run_shift = (uint32_t)(record[1] & GT_WIRE_RUN_SHIFT_MAX);
    cursor->run_second = !first && !cursor->run_second;
    cursor->run_ticks = first ? record[0] : cursor->run_ticks + step.ticks;
    cursor->word = GT_WIRE_WORD(GT_WIRE_SIGNAL, cursor->conds[cursor->run_second]);
    *ticks = cursor->run_ticks;
    return true;
}

/* As decode. A run without a beginning stays as it is: it makes no sense. */
static bool decode_gil(struct gt_agentlog_cursor *cursor, uint64_t *ticks)
{
    const uint64_t *record = cursor->words + 2 * cursor->position;
    unsigned kind = GT_WIRE_KIND(record[1]);

    *ticks = record[0];
    cursor->word = record[1];
    if (kind == GT_WIRE_FIRST || kind == GT_WIRE_SECOND) {
        cursor->conds[kind - GT_WIRE_FIRST] = record[1] & GT_WIRE_VALUE_MASK;
        return false;
    }
    if ((kind == GT_WIRE_RUN && cursor->conds[0] && cursor->conds[1]) ||
        (kind == GT_WIRE_RUN_ON && cursor->run_ticks))
        return decode_run(cursor, record, ticks);
    cursor->run_ticks = 0;
    return true;
}

static bool decode_call(struct gt_agentlog_cursor *cursor, uint64_t *ticks)
{
    cursor->word = cursor->words[cursor->position];
    if (GT_WIRE_CALL_KIND(cursor->word) == GT_WIRE_BASE) {
        cursor->base = cursor->word & GT_WIRE_BASE_TICKS & ~GT_WIRE_TICK_MASK;
        return false;
    }
    *ticks = cursor->base | (cursor->word & GT_WIRE_TICK_MASK);
    return true;
}

/* Take the time of the record at hand; false when it but tells about those that follow. */
static bool decode(const struct gt_agentlog_clock *clock, struct gt_agentlog_cursor *cursor)
{
    bool gil = cursor->stream == GT_WIRE_STREAM_GIL;
    uint64_t ticks;

    if (!(gil ? decode_gil(cursor, &ticks) : decode_call(cursor, &ticks)))
        return false;
    /* A thread's records are in order; a damaged one must not disturb other threads'. */
    cursor->absurd = !gt_agentlog_is_time(clock, ticks);
    if (ticks > cursor->ticks && !cursor->absurd)
        cursor->ticks = ticks;
    return true;
}

/* Where the signal after the one at hand is in the record; 0: there is none. */
static uint32_t next_part(const struct gt_agentlog_cursor *cursor, const uint64_t *record)
{
    bool first = GT_WIRE_KIND(record[1]) == GT_WIRE_RUN && !cursor->part;
    uint32_t next =
        first ? GT_WIRE_RUN_BEGINS : cursor->part + step_at(cursor, record, cursor->part).bytes;

    return next > cursor->part && step_at(cursor, record, next).ticks ? next : 0;
}

/* Go on in the buffer: to the next signal of a run's record, or to the next record. */
static void advance(struct gt_agentlog_cursor *cursor)
{
    bool gil = cursor->stream == GT_WIRE_STREAM_GIL && cursor->position < cursor->count;

    cursor->part = gil ? next_part(cursor, cursor->words + 2 * cursor->position) : 0;
    if (!cursor->part)
        cursor->position++;
}

static int settle(struct gt_agentlog *log, struct gt_agentlog_cursor *cursor,
                  struct gt_error *err)
{
    for (;; cursor->position++) {
        int rc = cursor->position < cursor->count ? 0 : refill(log, cursor, err);

        if (rc)
            return rc;
        if (!cursor->count) {
            gt_agentlog_cursor_close(cursor);
            return 0;
        }
        if (decode(&log->clock, cursor))
            return 1;
    }
}

void gt_agentlog_cursor_close(struct gt_agentlog_cursor *cursor)
{
    free(cursor->words);
    cursor->words = NULL;
    cursor->chunk = 0;
    cursor->offset = 0;
    cursor->position = 0;
    cursor->part = 0;
    cursor->count = 0;
}

int gt_agentlog_cursor_open(struct gt_agentlog *log, struct gt_agentlog_cursor *cursor,
                            struct gt_error *err)
{
    int rc = settle(log, cursor, err);

    if (rc > 0)
        gt_agentlog_cursor_close(cursor);
    return rc;
}

int gt_agentlog_cursor_next(struct gt_agentlog *log, struct gt_agentlog_cursor *cursor,
                            struct gt_error *err)
{
    if (cursor->words)
        advance(cursor);
    return settle(log, cursor, err);
}

int gt_agentlog_cursor_skip(struct gt_agentlog *log, struct gt_agentlog_cursor *cursor,
                            struct gt_error *err)
{
    const struct gt_agentlog_thread *thread = &log->threads[cursor->thread];

    note_gap(thread, cursor);
    cursor->chunk++;
    cursor->offset = 0;
    cursor->count = 0;
    cursor->position = 0;
    cursor->part = 0;
    return settle(log, cursor, err);
}

/* Records are decoded in turn: the last one's ticks depend on those before it in its chunk. */
static uint64_t last_of(struct gt_agentlog *log, const struct gt_agentlog_thread *thread,
                        const struct gt_agentlog_chunk *chunk)
{
    struct gt_agentlog_cursor cursor = {.stream = chunk->stream};
    uint32_t size = words_per_record(&cursor);
    uint64_t words[BUFFER_WORDS];

    for (uint64_t at = 0; at + size * sizeof(uint64_t) <= chunk->bytes;) {
        uint64_t left = (chunk->bytes - at) / (size * sizeof(uint64_t));
        uint32_t want = left < BUFFER_WORDS / size ? (uint32_t)left : BUFFER_WORDS / size;

        if (!gt_agentlog_read(log, thread, words, want * size * sizeof(uint64_t),
                              chunk->offset + at))
            break;
        cursor.words = words;
        cursor.count = count_written(words, want, size);
        for (cursor.position = 0; cursor.position < cursor.count; advance(&cursor))
            decode(&log->clock, &cursor);
        if (cursor.count < want)
            break;
        at += want * size * sizeof(uint64_t);
    }
    return cursor.ticks;
}

uint64_t gt_agentlog_last_ticks(struct gt_agentlog *log,
                                const struct gt_agentlog_thread *thread, uint32_t stream)
{
    for (size_t i = thread->chunk_count; i-- > 0;) {
        const struct gt_agentlog_chunk *chunk = &thread->chunks[i];
        uint64_t ticks = chunk->stream == stream ? last_of(log, thread, chunk) : 0;

        if (ticks)
            return ticks;
    }
    return 0;
}
