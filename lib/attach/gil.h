/* SPDX-License-Identifier: MIT */
/*
 * The GILs in the memory of a running process: who has them, who waits for them, now.
 *
 * CPython keeps {interval, last_holder, locked, switch_number, cond, mutex, switch_cond,
 * switch_mutex} side by side (struct _gil_runtime_state, pycore_gil.h, 3.7 to 3.15). From 3.13
 * on _Py_DebugOffsets says where. Before, the structure itself is looked for in _PyRuntime: it
 * has the shape of one, and its last holder is a thread state, which has the pthread_t of a
 * thread that lives.
 *
 * take_gil stores `locked` and `last_holder` one after the other, with `mutex` locked. So two
 * readings in a row that are equal, with the mutex free in both, tell the holder for sure.
 * Where there are none nothing is told.
 */
#ifndef GT_ATTACH_GIL_H
#define GT_ATTACH_GIL_H

#include "attach/layout.h"
#include "attach/python.h"
#include "attach/running.h"
#include "base/chunks.h"

#include <stdbool.h>
#include <stdint.h>

enum gt_gil_known {
    GT_GIL_UNKNOWN, /* it could not be read without doubt */
    GT_GIL_FREE,
    GT_GIL_HELD,
};

struct gt_gil_now {
    uint64_t interpreter; /* address of the first one that uses it; 0: not known */
    uint64_t holder;      /* of fields, by address */
    uint64_t locked;
    uint64_t cond;
    int64_t interval_ns; /* the switch interval; 0: not known */
    bool enabled;        /* false in a build without a GIL, as long as nothing switched it on */
    enum gt_gil_known known;
    int holder_tid;  /* when held: as we see it */
    uint64_t turns;  /* how often it went from one thread to another */
    uint64_t thread; /* the holder's struct _ts */
};

/* Find the GILs, as struct gt_gil_now; there may be none (3.6). `threads` are those of
 * gt_running_threads. 0 or GT_ERR_MEMORY. */
int gt_gils_find(struct gt_chunks *gils, const struct gt_running *running,
                 const struct gt_python *python, const struct gt_layout *layout,
                 const struct gt_chunks *threads, struct gt_error *err);

/* The greatest switch interval of the process's GILs now; 0: it could not be read. Where the
 * GIL was looked for, `python` keeps its place: a last holder that has ended hides it.
 * `*enabled` is set if one of them is in use, in a build without a GIL. */
int64_t gt_gils_interval_ns(const struct gt_running *running, struct gt_python *python,
                            bool *enabled);

/* Who has it now? */
void gt_gil_look(struct gt_gil_now *gil, const struct gt_running *running,
                 const struct gt_python *python, const struct gt_chunks *threads);

/* What a thread that is in a futex call waits for. */
enum gt_gil_word {
    GT_GIL_NO_WORD,
    GT_GIL_COND,        /* the GIL */
    GT_GIL_MUTEX,       /* to take or give the GIL */
    GT_GIL_SWITCH_COND, /* until who asked for the GIL, which it gave up, has it */
};
enum gt_gil_word gt_gil_word_of(const struct gt_gil_now *gil,
                                const struct gt_running_thread *thread);

/* The thread whose pthread_t is in the struct _ts at this address; 0: none that is known. */
int gt_thread_of_state(const struct gt_running *running, const struct gt_python *python,
                       const struct gt_chunks *threads, uint64_t state);
/* The thread whose struct pthread begins here; 0: there is none. */
int gt_thread_of_pthread(const struct gt_running *running, const struct gt_chunks *threads,
                         uint64_t pthread);
/* The thread that calls itself so; 0: there is none. */
int gt_thread_of_inner(const struct gt_chunks *threads, int inner_tid);

/* Where struct pthread keeps the tid (glibc). */
#if defined(__aarch64__)
enum { GT_PTHREAD_TID = 208 };
#else
enum { GT_PTHREAD_TID = 720 };
#endif

#endif
