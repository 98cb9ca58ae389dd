/* SPDX-License-Identifier: MIT */
/*
 * Private to report/: buffered writing to an output, gzip-compressed on request. It is made for
 * millions of small pieces: reserve room, format in place, advance.
 *
 * The first failure sticks: later writes do nothing, and gt_stream_finish tells of it.
 */
#ifndef GT_REPORT_STREAM_H
#define GT_REPORT_STREAM_H

#include "base/error.h"
#include "base/output.h"

#include <stdbool.h>
#include <stddef.h>

enum { GT_STREAM_BUFFER = 256 * 1024 };

struct gt_stream {
    struct gt_output *output;
    char *buffer;          /* GT_STREAM_BUFFER bytes */
    size_t used;           /* of buffer */
    void *deflate;         /* z_stream, or NULL */
    char *packed;          /* its output buffer */
    int status;            /* the first failure; 0: none */
    struct gt_error error; /* of that failure */
};

/* `output` must outlive the stream. 0 or negative (then there is nothing to finish). */
int gt_stream_init(struct gt_stream *stream, struct gt_output *output, bool gzip,
                   struct gt_error *err);
/* Write what is buffered, and release the stream. 0, or the first failure of all writes. */
int gt_stream_finish(struct gt_stream *stream, struct gt_error *err);

void gt_stream_flush(struct gt_stream *stream);
void gt_stream_add(struct gt_stream *stream, const void *data, size_t length);
void gt_stream_adds(struct gt_stream *stream, const char *text);

/* Room for at least `length` bytes, at most GT_STREAM_BUFFER; gt_stream_advance then says where
 * what was written there ends. */
static inline char *gt_stream_reserve(struct gt_stream *stream, size_t length)
{
    if (GT_STREAM_BUFFER - stream->used < length)
        gt_stream_flush(stream);
    return stream->buffer + stream->used;
}

static inline void gt_stream_advance(struct gt_stream *stream, const char *end)
{
    stream->used = (size_t)(end - stream->buffer);
}

#endif
