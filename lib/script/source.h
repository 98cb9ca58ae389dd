/*
 * A stream of `perf script` text, cut anywhere → events with their stacks.
 * Memory: one line (at most 1 MiB; longer ones are skipped and counted) and one stack.
 */
#ifndef GT_SCRIPT_SOURCE_H
#define GT_SCRIPT_SOURCE_H

#include "base/buf.h"
#include "script/parse.h"

#include <stdbool.h>

enum { GT_STACK_MAX = 256, GT_LINE_MAX = 1 << 20 };

/* Take one event; slices are valid during the call. A negative result ends the feeding. */
typedef int gt_event_sink(void *context, const struct gt_event *event);

struct gt_source {
    struct gt_parser parser;
    gt_event_sink *sink;
    void *context;
    bool want_stacks;      /* keep frames with their event (else they are skipped) */
    struct gt_buf partial; /* the start of a line whose end has not come yet */
    bool skipping;         /* in a line that is too long */
    uint64_t lines;
    uint64_t unknown_lines;
    uint64_t event_lines;
    /* The event whose stack is being read, with everything it points at. */
    bool pending;
    struct gt_event event;
    struct gt_frame frames[GT_STACK_MAX];
    struct gt_buf text; /* copies of all its slices, by these offsets */
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

/* The next bytes. Returns 0, the sink's negative result, or GT_ERR_MEMORY. */
int gt_source_feed(struct gt_source *source, const char *data, size_t length);
/* The end of the text: a last line without newline counts. */
int gt_source_finish(struct gt_source *source);

#endif
