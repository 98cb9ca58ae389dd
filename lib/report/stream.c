/* SPDX-License-Identifier: MIT */
#include "report/stream.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

enum { GZIP_WINDOW = 15 + 16, PACKED_BYTES = 64 * 1024 };

static void release(struct gt_stream *stream)
{
    if (stream->deflate) {
        deflateEnd(stream->deflate);
        free(stream->deflate);
    }
    free(stream->buffer);
    free(stream->packed);
    memset(stream, 0, sizeof(*stream));
}

int gt_stream_init(struct gt_stream *stream, struct gt_output *output, bool gzip,
                   struct gt_error *err)
{
    memset(stream, 0, sizeof(*stream));
    stream->output = output;
    stream->buffer = malloc(GT_STREAM_BUFFER);
    if (!stream->buffer)
        return gt_error_memory(err);
    if (gzip) {
        stream->packed = malloc(PACKED_BYTES);
        stream->deflate = calloc(1, sizeof(z_stream));
        if (!stream->packed || !stream->deflate ||
            deflateInit2(stream->deflate, 6, Z_DEFLATED, GZIP_WINDOW, 8, Z_DEFAULT_STRATEGY) !=
                Z_OK) {
            free(stream->deflate);
            stream->deflate = NULL;
            release(stream);
            return gt_error_memory(err);
        }
    }
    return 0;
}

static void pack(struct gt_stream *stream, const char *data, size_t length, int flush)
{
    z_stream *z = stream->deflate;

    z->next_in = (unsigned char *)data;
    z->avail_in = (unsigned)length;
    do {
        z->next_out = (unsigned char *)stream->packed;
        z->avail_out = PACKED_BYTES;
        deflate(z, flush);
        if (stream->status == 0)
            stream->status = gt_output_write(stream->output, stream->packed,
                                             PACKED_BYTES - z->avail_out, &stream->error);
    } while (z->avail_out == 0);
}

static void write_out(struct gt_stream *stream, const char *data, size_t length)
{
    if (stream->status || length == 0)
        return;
    if (stream->deflate)
        pack(stream, data, length, Z_NO_FLUSH);
    else
        stream->status = gt_output_write(stream->output, data, length, &stream->error);
}

void gt_stream_flush(struct gt_stream *stream)
{
    write_out(stream, stream->buffer, stream->used);
    stream->used = 0;
}

void gt_stream_add(struct gt_stream *stream, const void *data, size_t length)
{
    if (length > GT_STREAM_BUFFER - stream->used)
        gt_stream_flush(stream);
    if (length > GT_STREAM_BUFFER) {
        for (const char *at = data; length > 0;) {
            size_t piece = length < (1u << 30) ? length : 1u << 30;

            write_out(stream, at, piece);
            at += piece;
            length -= piece;
        }
        return;
    }
    memcpy(stream->buffer + stream->used, data, length);
    stream->used += length;
}

void gt_stream_adds(struct gt_stream *stream, const char *text)
{
    gt_stream_add(stream, text, strlen(text));
}

int gt_stream_finish(struct gt_stream *stream, struct gt_error *err)
{
    int status;

    gt_stream_flush(stream);
    if (stream->deflate && stream->status == 0)
        pack(stream, NULL, 0, Z_FINISH);
    status = stream->status;
    if (status < 0)
        gt_error_set(err, stream->error.code, "%s", stream->error.message);
    release(stream);
    return status;
}
