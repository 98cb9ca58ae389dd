/* SPDX-License-Identifier: MIT */
/*
 * Where functions of a stripped file begin: its unwind table (.eh_frame_hdr, as the LSB has it)
 * has the address of each, sorted. And which build of it that is: its build-id. The file is the
 * one that a recording names; it need not be there any more, nor be the same, nor be
 * well-formed.
 */
#ifndef GT_INGEST_FUNCTION_START_H
#define GT_INGEST_FUNCTION_START_H

#include "base/chunks.h"
#include "base/intern.h"

#include <stdint.h>

struct gt_function_starts {
    struct gt_intern paths; /* that were asked about */
    struct gt_chunks files; /* private: by id of a path */
};

void gt_function_starts_init(struct gt_function_starts *starts);
void gt_function_starts_release(struct gt_function_starts *starts);

/* The address, as the file's own headers and addr2line count them, of the function that has the
 * byte at `offset` of the file; 0: not known. */
uint64_t gt_function_start(struct gt_function_starts *starts, const char *path, size_t length,
                           uint64_t offset);

/* The same of the function that has the byte at `address`. */
uint64_t gt_function_start_of(struct gt_function_starts *starts, const char *path,
                              size_t length, uint64_t address);

/* The build-id of the file, in hexadecimal; "": it has none, or cannot be read. It belongs to
 * `starts`. */
const char *gt_function_build_id(struct gt_function_starts *starts, const char *path,
                                 size_t length);

#endif
