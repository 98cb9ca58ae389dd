/* SPDX-License-Identifier: MIT */
/*
 * Where an interpreter's file keeps `_PyRuntime`, CPython's global state. Even stripped
 * interpreters export it, and the main interpreter's GIL is part of it (CPython 3.7 and later):
 * a futex at an address inside it is the GIL's, without further proof. CPython 3.6 has no
 * `_PyRuntime`; there it is the place of the interpreter's variables.
 */
#ifndef GT_EVENT_PYRUNTIME_H
#define GT_EVENT_PYRUNTIME_H

#include <stdbool.h>
#include <stdint.h>

/* Addresses are as linked; gt_runtime_locate turns them into those of a process. */
struct gt_runtime {
    const char *path; /* of the interpreter or libpython; borrowed */
    uint64_t address;
    uint64_t size_bytes;
    uint64_t code_address; /* of the executable segment */
    uint64_t code_offset;  /* where it begins in the file */
    uint64_t code_size_bytes;
};

/* A process maps the file's bytes from `offset` on at `address`: where is _PyRuntime in it,
 * from `start` to `end`? False when that mapping is not the code's. */
bool gt_runtime_locate(const struct gt_runtime *runtime, uint64_t address, uint64_t offset,
                       uint64_t *start, uint64_t *end);

#endif
