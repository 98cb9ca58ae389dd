/* SPDX-License-Identifier: MIT */
/*
 * A log that agents write without end, of which only the newest part is kept: what is older is
 * taken out of the file, which becomes a hole there, and what is kept can be copied at any time
 * while agents write.
 *
 *     gt_ring_new → gt_ring_sweep, now and then, and gt_ring_punch of what it took out;
 *     gt_ring_copy, whenever asked → gt_ring_free
 *
 * A copy of a slot (agent/wire.h) goes once it was there for as long as is to be kept, since
 * all that it holds is older than that; so do all units of a thread that ended, or whose
 * process did. What later records refer to stays in memory: functions, types, and what
 * processes and threads that are there are called. Agents know nothing of this.
 *
 * Memory: some 100 bytes per unit that is kept, and what stays of the notes: at most 64 MiB,
 * and as much again to find them.
 */
#ifndef GT_AGENTLOG_RING_H
#define GT_AGENTLOG_RING_H

#include "agentlog/agentlog.h"
#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct gt_ring;

struct gt_ring_options {
    struct gt_agentlog_files files; /* open for reading and writing; borrowed */
    int64_t keep_ns;
    uint64_t max_bytes;  /* of the log, where agents stop */
    uint64_t room_bytes; /* that it may take. Above three quarters of that, and of max_bytes,
                            younger units go, too */
    /* Is that the number by which we know a process that writes this log, or that has ended
     * already? It says so itself, and may be in a pid namespace of its own. */
    bool (*is_writer)(void *context, int32_t pid, int32_t parent_pid);
    bool (*is_alive)(int32_t pid);
    void *context;
};

/* NULL with an error. */
struct gt_ring *gt_ring_new(const struct gt_ring_options *options, struct gt_error *err);
void gt_ring_free(struct gt_ring *ring);

/* Look at what was written since, and take out what is old: about once in a second. `now_ns`:
 * CLOCK_MONOTONIC of this process. Where the log is too large, younger units go, too, once
 * holes of old ones were punched. 0 or GT_ERR_MEMORY. */
int gt_ring_sweep(struct gt_ring *ring, int64_t now_ns, struct gt_error *err);

/* Units that were taken out, whose room the file still has. */
struct gt_ring_holes {
    uint32_t *list; /* heap */
    size_t count, capacity;
};

/* Hand over those that came together since the last time. */
struct gt_ring_holes gt_ring_take_holes(struct gt_ring *ring);

/* Give their room back, and free the list. A file system that is busy takes seconds: in any
 * thread; the ring is not looked at. */
void gt_ring_punch(int log, struct gt_ring_holes *holes);

/* It must not grow for long without a sweep: at its bound, agents stop. */
bool gt_ring_is_large(const struct gt_ring *ring);

/* Have an agent read its clocks soon: they are read rarely in a process that is old. */
void gt_ring_want_clocks(struct gt_ring *ring);

/* Copy what is kept into two empty files, which gt_agentlog_open_files then reads, but for
 * threads that ended before `since_ns`. 0; GT_ERR_IO, GT_ERR_MEMORY. */
int gt_ring_copy(struct gt_ring *ring, const struct gt_agentlog_files *to, int64_t since_ns,
                 struct gt_error *err);

/* All that was recorded since then is there; less than was to be kept, where the log was too
 * large for that. */
int64_t gt_ring_since_ns(const struct gt_ring *ring, int64_t until_ns);

/* Bytes that the log takes of the disk. */
uint64_t gt_ring_bytes(const struct gt_ring *ring);

#endif
