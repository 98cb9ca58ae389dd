/* SPDX-License-Identifier: MIT */
/*
 * Turns `perf script` text, in pieces that are cut anywhere, into events with their stacks.
 * Memory: one line (lines over 1 MiB are counted and skipped) and one stack. This source cannot
 * see the calls of Python functions.
 *
 * Instead of the text it takes the recording itself, if that is one of perfdata.h: the first
 * piece tells, and must hold GT_PERFDATA_MAGIC_BYTES then.
 */
#ifndef GT_SCRIPT_SOURCE_H
#define GT_SCRIPT_SOURCE_H

#include "base/buf.h"
#include "base/error.h"
#include "script/parse.h"

#include <stdbool.h>

enum {
    GT_STACK_MAX = 256,
    GT_LINE_MAX = 1 << 20,
    /* Text without a line that is an event. Between two that perf prints there is one stack. */
    GT_IDLE_MAX = 256 << 20,
};

struct gt_perfdata; /* script/perfdata.h */

struct gt_source {
    struct gt_parser parser;
    gt_event_sink *sink;
    void *context;
    bool want_stacks;      /* hand events over with their stacks */
    struct gt_buf partial; /* the beginning of a line whose end has not come yet */
    bool skipping;         /* a line that is too long is being skipped */
    uint64_t lines;
    uint64_t unknown_lines;
    uint64_t event_lines;
    uint64_t most_events;     /* the caller knows that there can be no more; 0: it does not */
    uint64_t idle_bytes;      /* since the last piece of text with an event */
    bool flooded;             /* nothing more is taken */
    bool begun;               /* a piece was taken */
    bool mappings;            /* of a recording: as perf script with --show-mmap-events */
    struct gt_perfdata *data; /* it is a recording; NULL: it is text */
    /* The event whose stack is being read, and all that it points at. */
    bool pending; /* there is one */
    struct gt_event event;
    struct gt_frame frames[GT_STACK_MAX];
    struct gt_buf text; /* copies of its strings, at these offsets */
    size_t comm_offset;
    size_t name_offset;
    struct {
        size_t symbol;
        size_t dso;
    } frame_offsets[GT_STACK_MAX];
};

void gt_source_init(struct gt_source *source, gt_event_sink *sink, void *context,
                    bool want_stacks);
void gt_source_release(struct gt_source *source);

/* Take the next bytes. Returns 0, a negative result of the sink, GT_ERR_MEMORY; or, from then
 * on, GT_ERR_FORMAT: what comes is no recording any more, it has no event in GT_IDLE_MAX bytes
 * or more than `most_events`; or GT_ERR_UNSUPPORTED: as gt_perfdata_feed. */
int gt_source_feed(struct gt_source *source, const char *data, size_t length);
/* The text ends: a last line may have no newline. Returns as _feed. */
int gt_source_finish(struct gt_source *source);

/* Text of which nothing was understood is some other file: GT_ERR_FORMAT then, else 0. After
 * _finish. */
int gt_source_check(const struct gt_source *source, struct gt_error *err);

/* Say why _feed or _finish failed with `rc`, which is returned. */
int gt_source_failed(const struct gt_source *source, int rc, struct gt_error *err);

#endif
