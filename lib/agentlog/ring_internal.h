/* SPDX-License-Identifier: MIT */
/* Private to ring.c and ring_*.c. Functions return 0, or a negative error. */
#ifndef GT_AGENTLOG_RING_INTERNAL_H
#define GT_AGENTLOG_RING_INTERNAL_H

#include "agent/wire.h"
#include "agentlog/ring.h"
#include "base/hashmap.h"

#include <stddef.h>

/* The calls that were open after the last unit of calls that was taken out. */
struct gt_ring_calls {
    uint64_t ticks; /* of its last record */
    uint32_t *open; /* ids of functions, the outermost first */
    size_t count, capacity;
};

struct gt_ring_thread {
    uint32_t unit; /* of its GIL slot: threads are sorted by that */
    uint32_t process;
    int32_t tid;
    uint32_t freed;   /* the greatest number of a copy that was taken out */
    int64_t ended_ns; /* seen to have ended then; 0: it has not */
    struct gt_ring_calls calls;
};

struct gt_ring_process {
    uint32_t number; /* never used again: they are sorted by it */
    int32_t pid;
    uint64_t ticks;
    bool is_writer; /* … as the caller knows it: its death can be seen */
    bool ended;
    uint32_t threads; /* that are kept */
};

/* A copy of a slot. */
struct gt_ring_unit {
    uint32_t number;
    uint32_t thread; /* its unit */
    uint32_t copy;
    uint32_t stream;
    int64_t seen_ns; /* all that it holds is older than that */
};

/* A note that stays. */
struct gt_ring_note {
    uint32_t process;          /* number */
    struct gt_wire_note *note; /* owned */
};

struct gt_ring_notes {
    struct gt_ring_note *list;
    size_t count, capacity;
};

struct gt_ring {
    struct gt_ring_options options;
    struct gt_wire_control *control;
    uint64_t file_units, looked_at; /* units up to that one were looked at */
    uint32_t *pending;              /* units that are taken, and not written yet */
    size_t pending_count, pending_capacity;
    struct gt_ring_thread *threads;
    size_t thread_count, thread_capacity;
    struct gt_ring_process *processes;
    size_t process_count, process_capacity;
    uint32_t next_process;
    struct gt_ring_unit *units; /* in the order in which they were seen */
    size_t unit_count, unit_capacity;
    struct gt_ring_notes notes_of_run; /* whatever becomes of the process that wrote them */
    struct gt_hashmap ids_of_run;      /* their kinds and ids: one of each is kept */
    struct gt_ring_notes notes;
    size_t note_bytes;
    struct gt_ring_holes holes;
    int64_t since_ns; /* of what was recorded until then, some is gone */
};

/* ring_lists.c. The first thread whose unit is not less. */
size_t gt_ring_place(const struct gt_ring *ring, uint32_t unit);
/* Those; NULL: it is not kept. */
struct gt_ring_thread *gt_ring_thread(const struct gt_ring *ring, uint32_t unit);
struct gt_ring_process *gt_ring_process(const struct gt_ring *ring, uint32_t number);
/* The list with room for another one; NULL without memory. */
void *gt_ring_grow(void *list, size_t count, size_t *capacity, size_t size);

/* ring.c. Find the units that were written since. */
int gt_ring_discover(struct gt_ring *ring, int64_t now_ns, struct gt_error *err);

/* ring_calls.c. A unit of calls is about to be taken out: follow which are open. */
int gt_ring_follow_calls(struct gt_ring *ring, uint32_t unit, struct gt_ring_thread *thread,
                         struct gt_error *err);
/* Put them behind the head of an empty unit. */
void gt_ring_write_calls(const struct gt_ring_calls *calls, struct gt_wire_chunk *chunk);

/* ring_notes.c. A unit of notes is about to be taken out: keep what later records refer to. */
int gt_ring_keep_notes(struct gt_ring *ring, uint32_t unit, const struct gt_ring_thread *thread,
                       struct gt_error *err);
/* The thread is not kept any more, and maybe its process neither (`threads` is 0 then). */
void gt_ring_forget_names(struct gt_ring *ring, const struct gt_ring_thread *thread);
void gt_ring_release_notes(struct gt_ring *ring);

#endif
