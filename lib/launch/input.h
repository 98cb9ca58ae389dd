/* SPDX-License-Identifier: MIT */
/* Recordings that were made before: perf.data (as it is, or through perf script), text, or
 * gzipped text. The first bytes tell which it is. */
#ifndef GT_LAUNCH_INPUT_H
#define GT_LAUNCH_INPUT_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdbool.h>
#include <stdint.h>

/* What is done with an input. */
struct gt_input_reader {
    /* Takes the next of its text. A negative result ends the reading: GT_ERR_FORMAT is damage,
     * any other an error. */
    int (*on_text)(void *context, const char *data, size_t length, struct gt_error *err);
    /* Can on_text take this perf.data as it is? NULL: it cannot. */
    bool (*is_readable)(const char *path);
    /* It goes through perf script and is perf.data that cannot hold more events than these;
     * before its text. */
    void (*on_recording)(void *context, uint64_t most_events);
    /* So much of the file was taken, from 0 to 1, after each piece of it. Not of what comes
     * through perf script or a pipe. NULL: nobody asks. */
    void (*on_progress)(double share);
    void *context;
    int stop_fd;      /* reading ends when this can be read; -1: never */
    bool not_inlined; /* of call chains: without the functions that were inlined */
    bool mappings;    /* with PERF_RECORD_MMAP2: where files were mapped */
};

/*
 * Read all of `path` ("-": standard input) and give its text to the reader. When the input ends
 * early, is damaged, or reading is ended by `stop_fd`, the reader has got what could be read,
 * `damage` says what is wrong unless it says something already, and the result is 0.
 */
int gt_input_read(const char *path, const struct gt_input_reader *reader,
                  struct gt_error *damage, struct gt_error *err);

#endif
