/* SPDX-License-Identifier: MIT */
/*
 * The machine code that inject.h puts into a process (stub_x86_64.S), and the memory that both
 * share.
 *
 * A thread's registers are set once, onto the stub's entry. It maps a region for its stack and
 * its data, in which giltracer, while it lives, writes what is to be called; calls that;
 * restores every register, and goes on where the thread was. So it needs nobody: where
 * giltracer died meanwhile it finds an empty region, unmaps it, and leaves.
 *
 * The code needs no writable memory of its own, and is the same for all threads: it lies in the
 * rest of the last page of some library's code, behind what that uses. The thread's registers
 * are on its stack meanwhile, below what it uses.
 */
#ifndef GT_ATTACH_STUB_H
#define GT_ATTACH_STUB_H

#include "attach/stub_layout.h"

#include <stddef.h>
#include <stdint.h>

enum {
    GT_STUB_XSAVE_BYTES = GT_STUB_STACK - GT_STUB_XSAVE,
    GT_STUB_CALLS = 6,
    GT_STUB_PATH = 4096,
    GT_STUB_SYMBOL = 64,
    GT_STUB_MESSAGE = 512,
    GT_STUB_SETTINGS = 16384,
};

/* A function to call, and its arguments. Function 0 ends the list. */
struct gt_stub_call {
    uint64_t function;
    uint64_t arguments[4];
    uint64_t skip; /* so many calls after it, where it does not return 0 */
};

/* How far the thread that the stub made has come. */
enum gt_stub_state {
    GT_STUB_NOTHING, /* there is none yet */
    GT_STUB_BEGAN,   /* it runs: it loads the agent, and waits for the GIL */
    GT_STUB_ENTERED, /* it has the GIL, and is about to call the function, or in it */
    GT_STUB_CALLED,  /* that returned `result` */
    GT_STUB_FAILED,  /* the library, or the function, is missing: `message` */
    GT_STUB_DROPPED, /* it saw that it was cancelled, or withdrawn */
};

struct gt_stub_region {
    uint32_t magic;     /* written last by giltracer: all else is there */
    uint32_t state;     /* enum gt_stub_state */
    uint32_t cancelled; /* giltracer waits no more, or knows: the thread may end */
    uint32_t left_ms;   /* how long it lingers yet, after its last state */
    int32_t references; /* who is 0 unmaps the region */
    int32_t result;
    uint64_t errno_location;
    uint64_t pthread_create, pthread_self, pthread_detach;
    uint64_t dlopen, dlsym, dlerror;  /* dlerror may be 0 */
    uint64_t ensure, release, create; /* of the GIL: PyGILState_*; PyEval_InitThreads or 0 */
    uint64_t start;                   /* gt_stub_thread in the process */
    uint64_t thread;                  /* the pthread_t of the new one */
    uint32_t dlopen_mode;
    uint32_t in_memory; /* load a copy of the library that is in no folder */
    uint32_t held;      /* another may come first: wait before the function is called */
    uint32_t withdrawn; /* another does it: do not call the function; looked at after ENTERED */
    struct gt_stub_call calls[GT_STUB_CALLS];
    char path[GT_STUB_PATH];
    char symbol[GT_STUB_SYMBOL];
    char message[GT_STUB_MESSAGE];
    char settings[GT_STUB_SETTINGS]; /* ends with NUL */
};

/* What the stub restores, in that order: below the red zone of the thread's stack, and its
 * stack pointer at the entry. */
struct gt_stub_context {
    uint64_t signal_mask;
    uint64_t flags;
    uint64_t registers[15]; /* rbx rcx rdx rsi rdi rbp r8 … r15 rax */
    uint64_t pc;
};

/* Its length; 0: there is none for this machine. */
size_t gt_stub_bytes(void);

/* From gt_stub_begin to gt_stub_end, to be copied as it is. */
extern const unsigned char gt_stub_begin[], gt_stub_end[];
extern const unsigned char gt_stub_entry[]; /* where the stack pointer is a context's */
/* After the system calls that map the region, and that end all: giltracer looks for them. In
 * the second, register 15 is what the last call returned, or the errno of mapping. */
extern const unsigned char gt_stub_mapped[], gt_stub_marked[];
extern const unsigned char gt_stub_thread[];  /* void *(struct gt_stub_region *) */
extern const unsigned char gt_stub_pending[]; /* int (struct gt_stub_region *) */

#endif
