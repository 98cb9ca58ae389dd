/* SPDX-License-Identifier: MIT */
/*
 * Let one thread of a running process make a call of ours (stub.h), by ptrace.
 *
 * The thread is stopped for as long as that takes (inject.c says how it goes on unharmed). A
 * child of ours does it, so that whatever happens the kernel lets the thread go in the end; it
 * goes on where giltracer dies.
 */
#ifndef GT_ATTACH_INJECT_H
#define GT_ATTACH_INJECT_H

#include "attach/place.h"
#include "attach/python.h"
#include "attach/running.h"

#include <stdbool.h>
#include <stdint.h>

enum gt_injected {
    GT_INJECTED_THREAD,  /* the new thread begins */
    GT_INJECTED_PENDING, /* it will be made between two bytecodes of the main thread */
    GT_INJECTED_UNSAFE,  /* not there, or not now: nothing was changed */
    GT_INJECTED_GONE,    /* the thread ended */
    GT_INJECTED_TRACED,  /* ptrace is refused: `error` */
    GT_INJECTED_ODD,     /* the call failed (`error`), or did not return: all was restored */
};

struct gt_injection_request {
    const struct gt_running *running;
    const struct gt_python *python;
    const struct gt_place *place;
    const struct gt_stub_region *region; /* place's pattern, with path, symbol and settings */
    int tid, inner_tid;                  /* of the thread */
    bool alone;                          /* there is no other thread */
    bool pending;                        /* a pending call will do */
    bool ends; /* it waits in a call that will end with EINTR (GT_WAIT_ENDS) */
};

struct gt_injection {
    enum gt_injected outcome;
    int error;
    uint64_t region;    /* in the process; of THREAD and PENDING */
    int64_t stopped_ns; /* how long the thread did not run its program */
};

/* 0, or negative where not even a child could be started. */
int gt_inject(struct gt_injection *injection, const struct gt_injection_request *request,
              struct gt_error *err);

#endif
