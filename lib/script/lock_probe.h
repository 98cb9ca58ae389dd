/* SPDX-License-Identifier: MIT */
/*
 * Private to script/: what the probe "semaphore_wait" fetches (launch/probe_sites.h), of a
 * thread that is about to wait for a semaphore, and what that says. A lock of CPython's is a
 * semaphore on the heap, up to 3.13, or has its waiters park, each on a semaphore on its own
 * stack (model/GIL.md). All of it is read from the target's memory, whatever lies there.
 */
#ifndef GT_SCRIPT_LOCK_PROBE_H
#define GT_SCRIPT_LOCK_PROBE_H

#include "event/event.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { GT_TYPE_WORDS = 4, GT_TYPE_SIZE = 8 * GT_TYPE_WORDS, GT_STACK_WORDS = GT_CALLERS - 1 };

/* What an event of a lock points at. */
struct gt_lock_hit {
    char type[GT_TYPE_SIZE];
    uint64_t callers[GT_CALLERS];
};

/* What is fetched, each a number of up to 64 bits. */
enum gt_lock_value {
    GT_LOCK_SEMAPHORE, /* its address */
    GT_LOCK_STACK,     /* the stack pointer */
    GT_LOCK_FREE,      /* the semaphore's value: 0, and the thread has to wait */
    GT_LOCK_SHARED,    /* 128: with other processes */
    GT_LOCK_CALLER,    /* where the call came from */
    /* Of a thread that parks; else anything: */
    GT_LOCK_ADDRESS,  /* of what it parks for */
    GT_LOCK_ARGUMENT, /* 0: an event */
    GT_LOCK_BITS,     /* the first byte of what it parks for */
    GT_LOCK_VALUES_NEEDED,
    /* Of the object whose lock it may be, as a byte in its head, … */
    GT_LOCK_OBJECT = GT_LOCK_VALUES_NEEDED,
    /* … or as its whole. Each: */
    GT_LOCK_TYPE_FLAGS = 0, /* of its type's type */
    GT_LOCK_TYPE_META,      /* the first letters of the name of that one's type */
    GT_LOCK_TYPE_NAME,      /* the beginning of its type's name, in words */
    GT_LOCK_TYPE_VALUES = GT_LOCK_TYPE_NAME + GT_TYPE_WORDS,
    GT_LOCK_WHOLE = GT_LOCK_OBJECT + GT_LOCK_TYPE_VALUES,
    /* What lies on the stack, for a semaphore on the heap. */
    GT_LOCK_WORDS = GT_LOCK_WHOLE + GT_LOCK_TYPE_VALUES,
    GT_LOCK_VALUES = GT_LOCK_WORDS + GT_STACK_WORDS
};

/* By enum gt_lock_value: "sem", "sp", … */
extern const char *const gt_lock_value_names[GT_LOCK_VALUES];

/* Make the event of it, with what it points at in `hit`; values from GT_LOCK_OBJECT on may be
 * 0. OTHER: the thread does not wait for what may be a lock. */
void gt_lock_probe_read(const uint64_t values[GT_LOCK_VALUES], struct gt_lock_hit *hit,
                        struct gt_event *event);

/* The same of the text "(7f90…) sem=0x7f… sp=0x7f… …". */
void gt_lock_probe_parse(const char *at, const char *end, struct gt_lock_hit *hit,
                         struct gt_event *event);

#endif
