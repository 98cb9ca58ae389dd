/* SPDX-License-Identifier: MIT */
/*
 * Names of functions in libraries, by address: from the file's symbols, else those of its debug
 * package (/usr/lib/debug/.build-id), else the names that it exports. perf does so for what it
 * recorded; this is for stacks that the agent noted. The file is the one that a recording
 * names, as in function_start.h: it may be anything.
 *
 * C++ names are demangled where libstdc++ is installed, as are Rust's of the older form.
 */
#ifndef GT_INGEST_SYMBOLS_H
#define GT_INGEST_SYMBOLS_H

#include "base/chunks.h"
#include "base/intern.h"

#include <stdbool.h>
#include <stdint.h>

struct gt_symbols {
    struct gt_intern paths;
    struct gt_chunks files; /* private: by id of a path */
    void *library;          /* private: libstdc++, … */
    char *(*demangle)(const char *, char *, size_t *, int *);
    bool looked; /* … for which was looked */
};

void gt_symbols_init(struct gt_symbols *symbols);
void gt_symbols_release(struct gt_symbols *symbols);

/* The name of the function that has the byte at `address` (as the file's headers count), on the
 * heap, for the caller to free; NULL: not known, or no memory. `build_id` is that of the file,
 * "" where it has none. */
char *gt_symbols_name(struct gt_symbols *symbols, const char *path, size_t length,
                      const char *build_id, uint64_t address);

#endif
