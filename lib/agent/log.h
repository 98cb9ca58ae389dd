/* SPDX-License-Identifier: MIT */
/*
 * The agent's side of the log (wire.h): streams of records, written without lock, system call
 * or allocation except where a slot is full, once in thousands of records. Copying a slot to
 * the file costs a fifth of what freshly mapped pages would cost, because of their page faults.
 *
 * Everything here may run anywhere in the target: it calls nothing that CPython or a library
 * could notice, keeps no file open, and preserves errno.
 */
#ifndef GT_AGENT_LOG_H
#define GT_AGENT_LOG_H

#include "agent/clock.h"
#include "agent/likely.h"
#include "agent/process.h"
#include "agent/thread.h"

#include <string.h>

/* Ticks of the newest of all threads' GIL records, in a cache line of its own. */
struct gt_agent_newest {
    _Alignas(64) uint64_t ticks;
};
extern struct gt_agent_newest gt_agent_newest;

static inline uint64_t gt_agent_newest_ticks(void)
{
    return __atomic_load_n(&gt_agent_newest.ticks, __ATOMIC_RELAXED);
}

/*
 * The time of a GIL record, where `newest` is known, and `ticks` was read. The CPU may read its
 * counter ahead of the mutex that is taken just before, and a fence against that would cost as
 * much as all the rest. So what two threads record inside one mutex is brought into the mutex's
 * order by the memory that it protects: each time is later than the newest one so far. With
 * several GILs in a process, a record of one may move a record of another by the same
 * nanoseconds.
 */
static inline uint64_t gt_agent_after(uint64_t newest, uint64_t ticks)
{
    if (GT_AGENT_UNLIKELY(ticks <= newest))
        ticks = newest + 1;
    __atomic_store_n(&gt_agent_newest.ticks, ticks, __ATOMIC_RELAXED);
    return ticks;
}

/* The same from the clock. */
static inline uint64_t gt_agent_ticks_in_order(void)
{
    uint64_t ticks = gt_agent_ticks();

    return gt_agent_after(gt_agent_newest_ticks(), ticks);
}

/* Begin the log of a thread that has none, by its GIL slot, which holds the thread's header;
 * false when recording has stopped. `comm` is what the kernel calls the thread, NULL: it is the
 * calling one. */
bool gt_agent_log_begin(struct gt_agent_thread *self, const char *comm);

/* The next free `bytes` of a stream, in its emptied slot when that was full, or in a new log
 * where the thread has none; NULL when recording has stopped. Zeroed, contiguous. */
char *gt_agent_reserve_slow(struct gt_agent_thread *self, enum gt_wire_stream stream,
                            size_t bytes);

static inline void gt_agent_anchor_if_due(uint64_t ticks)
{
    if (GT_AGENT_UNLIKELY(
            ticks >= __atomic_load_n(&gt_agent.control->next_anchor_ticks, __ATOMIC_RELAXED)))
        gt_agent_clock_anchor(gt_agent.control);
}

/* Append a record to the GIL's stream. */
static inline void gt_agent_put(struct gt_agent_thread *self, uint64_t ticks, uint64_t word)
{
    struct gt_agent_stream *to = &self->log.streams[GT_WIRE_STREAM_GIL];
    struct gt_wire_record *record = (struct gt_wire_record *)(void *)to->next;

    if (GT_AGENT_UNLIKELY(to->next == to->end)) {
        record = (struct gt_wire_record *)(void *)gt_agent_reserve_slow(
            self, GT_WIRE_STREAM_GIL, sizeof(*record));
        if (!record)
            return;
    }
    record->ticks = ticks;
    __atomic_store_n(&record->word, word, __ATOMIC_RELEASE);
    to->next = (char *)(record + 1);
    self->log.run.next_cond = 0;
    gt_agent_anchor_if_due(ticks);
}

/* Append a signal for which the run's last record has no room, or that begins a run. */
void gt_agent_put_signal_slow(struct gt_agent_thread *self, uint64_t ticks, uint64_t cond);

/* Records that the beginning of a run takes: what it is of, and the signal. */
enum { GT_AGENT_RUN_RECORDS = 3 };

/* Short times are counted in these: some 6 ns of a CPU's counter, which is what reading it
 * varies by. Of a counter that is slower, and has no cycles, each tick is. */
#if defined(__x86_64__)
enum { GT_AGENT_RUN_SHIFT = 4 };
#else
enum { GT_AGENT_RUN_SHIFT = 0 };
#endif

/* Is the time near enough to that of the run's last signal? */
static inline bool gt_agent_is_near(const struct gt_agent_run *run, uint64_t ticks)
{
    return ticks - run->ticks - 1 < GT_WIRE_RUN_LONG - 1;
}

/* Can the signal go on with the run? */
static inline bool gt_agent_goes_on(const struct gt_agent_run *run, uint64_t ticks,
                                    uint64_t cond)
{
    return GT_AGENT_LIKELY(run->next_cond == cond && gt_agent_is_near(run, ticks));
}

/* Can it take one byte, and be rounded down? Whoever asks also knows that no other thread
 * recorded a signal since the run's last one: else it might come before that. */
static inline bool gt_agent_is_brief(const struct gt_agent_run *run, uint64_t ticks)
{
    return ((ticks - run->ticks) >> GT_AGENT_RUN_SHIFT) - 1 < GT_WIRE_RUN_SHORT - 1;
}

/* Is there room for a signal in the run's last record? */
static inline bool gt_agent_has_room(const struct gt_agent_run *run, bool brief)
{
    uintptr_t at = (uintptr_t)run->next & (sizeof(struct gt_wire_record) - 1);

    return at < GT_WIRE_RUN_BYTES - (brief ? 0U : 1U);
}

/* Begin the run's next record, which goes on; false where the slot has no room for that and for
 * what the beginning of a run takes. */
static inline bool gt_agent_put_run_on(struct gt_agent_thread *self)
{
    struct gt_agent_stream *to = &self->log.streams[GT_WIRE_STREAM_GIL];
    struct gt_wire_record *record = (struct gt_wire_record *)(void *)to->next;

    if (GT_AGENT_UNLIKELY((size_t)(to->end - to->next) <
                          GT_AGENT_RUN_RECORDS * sizeof(*record)))
        return false;
    record->ticks = 0;
    __atomic_store_n(&record->word, GT_WIRE_WORD(GT_WIRE_RUN_ON, 0), __ATOMIC_RELEASE);
    to->next = (char *)(record + 1);
    self->log.run.next = (uint8_t *)record;
    return true;
}

/* Put a signal that goes on with the run into the run's last record. */
static inline void gt_agent_put_on(struct gt_agent_run *run, uint64_t ticks, uint64_t cond,
                                   bool brief)
{
    uint64_t step = ticks - run->ticks;

    __atomic_signal_fence(__ATOMIC_RELEASE);
    if (GT_AGENT_LIKELY(brief)) {
        *run->next++ = (uint8_t)(step >> GT_AGENT_RUN_SHIFT);
        run->ticks += step >> GT_AGENT_RUN_SHIFT << GT_AGENT_RUN_SHIFT;
    } else {
        uint16_t bytes = (uint16_t)(GT_WIRE_RUN_SHORT | step % GT_WIRE_RUN_SHORT |
                                    step / GT_WIRE_RUN_SHORT << 8);

        memcpy(run->next, &bytes, sizeof(bytes)); /* at once, or in part where it was killed */
        run->next += sizeof(bytes);
        run->ticks = ticks;
    }
    run->next_cond = run->conds[0] ^ run->conds[1] ^ cond;
}

/* Append the signal of a condition variable to the GIL's stream, in two bytes where that can be
 * had: most of what recording costs is the copying of full slots. */
static inline void gt_agent_put_signal(struct gt_agent_thread *self, uint64_t ticks,
                                       uint64_t cond)
{
    struct gt_agent_run *run = &self->log.run;

    if (!gt_agent_goes_on(run, ticks, cond) || !gt_agent_has_room(run, false)) {
        gt_agent_put_signal_slow(self, ticks, cond);
        return;
    }
    gt_agent_put_on(run, ticks, cond, false); /* anchors are due by the usage beside it, soon
                                                 enough */
}

/* The calls stream needs room, or a new base for its ticks; false when there is none. */
bool gt_agent_put_base(struct gt_agent_thread *self, uint64_t ticks);

/* Append a call or return; false when it could not be. */
static inline bool gt_agent_put_call(struct gt_agent_thread *self, uint64_t ticks,
                                     enum gt_wire_call_kind kind, uint32_t id)
{
    struct gt_agent_stream *to = &self->log.streams[GT_WIRE_STREAM_CALLS];

    if (GT_AGENT_UNLIKELY(to->next == to->end ||
                          ticks >> GT_WIRE_TICK_BITS != self->log.calls_base) &&
        !gt_agent_put_base(self, ticks))
        return false;
    __atomic_store_n((uint64_t *)(void *)to->next, GT_WIRE_CALL_WORD(kind, id, ticks),
                     __ATOMIC_RELEASE);
    to->next += sizeof(uint64_t);
    gt_agent_anchor_if_due(ticks);
    return true;
}

/* Append a note. Its lengths and size are filled in; texts longer than GT_WIRE_TEXT_MAX are
 * cut. */
void gt_agent_note(struct gt_agent_thread *self, const struct gt_wire_note *note,
                   const char *name, size_t name_length, const char *file, size_t file_length);

/* Append a message for the user to the notes. */
void gt_agent_message(struct gt_agent_thread *self, const char *text);

/* Unmap the slots of a thread that ended, or that is not recorded any more; it may begin
 * another log. */
void gt_agent_log_close(struct gt_agent_thread *self);

#endif
