/* SPDX-License-Identifier: MIT */
/*
 * Where the threads of a running process stand in Python, read from its memory while it may
 * run: each thing that is read is checked, and where one does not fit the stack ends there.
 */
#ifndef GT_ATTACH_FRAMES_H
#define GT_ATTACH_FRAMES_H

#include "attach/layout.h"
#include "attach/running.h"
#include "base/buf.h"
#include "base/chunks.h"

#include <stdbool.h>
#include <stdint.h>

/* A thread state of the interpreter. */
struct gt_thread_state_at {
    uint64_t state; /* address of struct _ts */
    int tid;        /* as we see it */
};

/* The thread states of all interpreters whose thread is known, as struct gt_thread_state_at. 0,
 * or GT_ERR_MEMORY. */
int gt_frames_states(struct gt_chunks *states, const struct gt_running *running,
                     const struct gt_python *python, const struct gt_layout *layout,
                     const struct gt_chunks *threads, struct gt_error *err);

/* One frame. */
struct gt_python_frame {
    struct gt_buf name, file; /* of the function; printable text */
    int line;                 /* 0: not known */
};

struct gt_frames_walk {
    const struct gt_running *running;
    const struct gt_layout *layout;
    uint64_t at;        /* the frame; 0: there are no more */
    uint64_t code_type; /* that was checked; 0: none yet */
    int left;           /* frames, at most */
};

/* From the innermost frame of a thread state on. */
void gt_frames_start(struct gt_frames_walk *walk, const struct gt_running *running,
                     const struct gt_layout *layout, uint64_t state);
/* The next one: true. Its buffers are the caller's, and are reset here. */
bool gt_frames_next(struct gt_frames_walk *walk, struct gt_python_frame *frame);

/* Parts of the above, pure, for tests: the line of the instruction at `offset` bytes, by a
 * table as that version of CPython makes it; 0: it has none. */
int gt_frames_line(enum gt_line_table kind, const unsigned char *table, size_t length,
                   int first, int64_t offset);

#endif
