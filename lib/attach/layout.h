/* SPDX-License-Identifier: MIT */
/*
 * Where CPython keeps its interpreters, thread states, frames and code objects.
 *
 * From 3.13 on _Py_DebugOffsets tells, at the beginning of _PyRuntime (pycore_runtime.h,
 * pycore_debug_offsets.h). Before, it is known from the headers of each version (64-bit);
 * whoever reads by it checks what is found: thread states point back to their interpreter, code
 * objects have the type "code".
 */
#ifndef GT_ATTACH_LAYOUT_H
#define GT_ATTACH_LAYOUT_H

#include "attach/python.h"
#include "attach/running.h"

#include <stdbool.h>
#include <stdint.h>

enum gt_line_table {
    GT_LINES_LNOTAB,    /* up to 3.9: pairs of increments */
    GT_LINES_RANGES,    /* 3.10 */
    GT_LINES_LOCATIONS, /* 3.11 and later */
};

/* Offsets in bytes. */
struct gt_layout {
    uint64_t head;                        /* address of the list of interpreters; 0: none */
    uint64_t is_next, is_threads, is_gil; /* PyInterpreterState; is_gil 0: not known */
    uint64_t gil_holder, gil_locked;      /* in the GIL's structure */
    uint64_t ts_next, ts_interp, ts_frame, ts_size; /* PyThreadState */
    int64_t cframe; /* ts_frame points to a _PyCFrame, which has the frame
                       here; -1: it points to the frame */
    uint64_t f_previous, f_code, f_instr;
    int64_t f_owner; /* -1: there is none */
    uint64_t co_filename, co_name, co_first, co_lines, co_code;
    uint64_t ascii, compact;  /* sizes of a string's header */
    uint64_t longer_head;     /* an object's head has 16 bytes more without a GIL */
    uint64_t f_tlbc, co_tlbc; /* copies of bytecode, and a frame's; co_tlbc 0: there are none */
    /* Remote debugging (remote.h): in PyThreadState, in the structure that is there at
     * remote_support, and in PyInterpreterState. script_size 0: there is none. */
    uint64_t eval_breaker, remote_support, pending, script_path, script_size, remote_enabled;
    enum gt_line_table lines;
    bool instr_is_index; /* f_instr: a number of bytes, or (3.10) of instructions; else an
                            address */
    bool tagged;         /* f_code has a tag in its lowest bits */
};

/* False: this version's is not known, or _Py_DebugOffsets makes no sense. */
bool gt_layout_find(struct gt_layout *layout, const struct gt_running *running,
                    const struct gt_python *python);

/* The address of the first interpreter; 0: there is none. */
uint64_t gt_layout_first(const struct gt_layout *layout, const struct gt_running *running);

#endif
