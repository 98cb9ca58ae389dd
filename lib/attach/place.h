/* SPDX-License-Identifier: MIT */
/*
 * What code that is put into a running process needs there: the functions that it calls, by the
 * symbols that their files export, and a place for itself.
 */
#ifndef GT_ATTACH_PLACE_H
#define GT_ATTACH_PLACE_H

#include "attach/python.h"
#include "attach/running.h"
#include "attach/stub.h"

#include <stdbool.h>
#include <stdint.h>

struct gt_place {
    uint64_t code;                 /* where the stub goes */
    uint64_t add_pending;          /* Py_AddPendingCall */
    uint64_t threads_initialized;  /* PyEval_ThreadsInitialized of 3.6; else 0 */
    uint64_t restorer;             /* libc's return from signal handlers; 0: not found */
    struct gt_stub_region pattern; /* with the functions, and nothing else */
};

/* Find all of it. GT_ERR_UNSUPPORTED: a function, or room for the code, is missing. */
int gt_place_find(struct gt_place *place, const struct gt_running *running,
                  const struct gt_python *python, struct gt_error *err);

/* The address in the process of a function that `name` exports: a mapped file whose name begins
 * so ("libc.so", "libc-"). 0: there is none. */
uint64_t gt_place_function(const struct gt_running *running, const char *name,
                           const char *function);

#endif
