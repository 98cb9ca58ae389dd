/*
 * Where an interpreter's file keeps `_PyRuntime`, CPython's global state. It is exported even
 * by stripped interpreters, and the main interpreter's GIL lies in it (CPython 3.7 and later),
 * so a futex in there needs no further proof of being the GIL's. Of CPython 3.6, which has
 * none: where it keeps its variables.
 */
#ifndef GT_EVENT_PYRUNTIME_H
#define GT_EVENT_PYRUNTIME_H

#include <stdbool.h>
#include <stdint.h>

/* Addresses as linked: a mapping of the code tells how far away the file was loaded. */
struct gt_runtime {
    const char *path; /* the interpreter's or libpython's: borrowed from it */
    uint64_t address;
    uint64_t size_bytes;
    uint64_t code_address; /* of the executable segment */
    uint64_t code_offset;  /* where it begins in the file */
    uint64_t code_size_bytes;
};

/* The code at file offset `offset` was mapped at `address`: where _PyRuntime is then. False
 * when that is not the code. */
bool gt_runtime_locate(const struct gt_runtime *runtime, uint64_t address, uint64_t offset,
                       uint64_t *start, uint64_t *end);

#endif
