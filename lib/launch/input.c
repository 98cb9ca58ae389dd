/* SPDX-License-Identifier: MIT */
#include "launch/input.h"

#include "launch/caps.h"
#include "launch/perfscript.h"
#include "launch/tools.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>
#include <zlib.h>

enum { BLOCK_BYTES = 1 << 20, INFLATED_BYTES = 1 << 20 };

struct input {
    const char *path;
    int fd;
    char *block;
    size_t length; /* bytes in the block */
    gt_input_fn on_text;
    void *context;
    struct gt_error *damage, *err;
};

/* The next block: as much as comes at once. Its length, 0 at the end, or negative. */
static int read_block(struct input *input)
{
    ssize_t got;

    do
        got = read(input->fd, input->block, BLOCK_BYTES);
    while (got < 0 && errno == EINTR);
    if (got < 0)
        return gt_error_errno(input->err, "cannot read %s", input->path);
    input->length = (size_t)got;
    return got > 0;
}

/* Read the first bytes, which say what the input is. A pipe may give them one by one. */
static int read_head(struct input *input)
{
    input->length = 0;
    while (input->length < 8) {
        ssize_t got =
            read(input->fd, input->block + input->length, BLOCK_BYTES - input->length);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return gt_error_errno(input->err, "cannot read %s", input->path);
        if (got == 0)
            break;
        input->length += (size_t)got;
    }
    if (input->length == 0)
        return gt_error_set(input->err, GT_ERR_FORMAT,
                            "%s is empty: it should hold perf script text or perf.data",
                            input->path);
    return 0;
}

static int read_plain(struct input *input)
{
    int rc;

    do {
        rc = input->on_text(input->context, input->block, input->length, input->err);
        if (rc == 0)
            rc = read_block(input);
    } while (rc > 0);
    return rc;
}

/* Inflate one block. 1: more is wanted, 0: the stream ended in it, negative: error. */
static int inflate_block(struct input *input, z_stream *stream, char *text)
{
    int status = Z_OK;

    stream->next_in = (unsigned char *)input->block;
    stream->avail_in = (unsigned)input->length;
    do {
        int rc;

        if (status == Z_STREAM_END) /* members may follow each other, as cat makes them */
            inflateReset(stream);
        stream->next_out = (unsigned char *)text;
        stream->avail_out = INFLATED_BYTES;
        status = inflate(stream, Z_NO_FLUSH);
        if (status != Z_OK && status != Z_STREAM_END && status != Z_BUF_ERROR)
            return gt_error_set(input->damage, GT_ERR_FORMAT,
                                "%s is damaged gzip: the report covers what comes before",
                                input->path);
        rc = input->on_text(input->context, text, INFLATED_BYTES - stream->avail_out,
                            input->err);
        if (rc < 0)
            return rc;
    } while (stream->avail_in > 0 || stream->avail_out == 0);
    return status != Z_STREAM_END;
}

static int read_gzip(struct input *input)
{
    char *text = malloc(INFLATED_BYTES);
    z_stream stream = {0};
    int more = 1, rc = 1;

    if (!text || inflateInit2(&stream, 15 + 16) != Z_OK) {
        free(text);
        return gt_error_memory(input->err);
    }
    while (rc > 0) {
        more = inflate_block(input, &stream, text);
        if (more < 0)
            break;
        rc = read_block(input);
    }
    inflateEnd(&stream);
    free(text);
    if (more < 0)
        return input->damage->code ? 0 : more;
    if (rc == 0 && more > 0)
        gt_error_set(input->damage, GT_ERR_FORMAT,
                     "%s is truncated gzip: the report covers what it holds", input->path);
    return rc;
}

struct recording {
    struct input *input;
    int rc;
    size_t bytes;
};

static int on_script_data(void *context, const char *data, size_t length)
{
    struct recording *recording = context;

    recording->bytes += length;
    recording->rc = recording->input->on_text(recording->input->context, data, length,
                                              recording->input->err);
    return recording->rc;
}

/*
 * Does the recording hold call chains, and counters of which not every event is a sample? Its
 * header says so (perf's perf.data-file-format: magic, size, attr_size, then offset and size of
 * the attributes, each a perf_event_attr and the place of its ids). False when it has another
 * form: ask perf.
 */
static bool look_at_header(const struct input *input, struct gt_perfscript *script)
{
    enum { SAMPLE_CALLCHAIN = 1 << 5, ATTRS_MAX = 4096 };
    uint64_t head[5], attr[4]; /* up to perf_event_attr's sample_type */

    if (pread(input->fd, head, sizeof(head), 0) != (ssize_t)sizeof(head) ||
        memcmp(head, "PERFILE2", 8) != 0 || head[2] < sizeof(attr) || head[2] > 4096 ||
        head[4] / head[2] > ATTRS_MAX || head[4] < head[2])
        return false;
    for (uint64_t at = 0; at + head[2] <= head[4]; at += head[2]) {
        if (pread(input->fd, attr, sizeof(attr), (off_t)(head[3] + at)) !=
            (ssize_t)sizeof(attr))
            return false;
        script->stacks |= (attr[3] & SAMPLE_CALLCHAIN) != 0;
        script->counters |= attr[2] > 1; /* period or frequency */
    }
    return true;
}

static int run_script(struct input *input, const struct gt_caps *caps, uv_loop_t *loop,
                      bool default_fields, bool *lacks_field)
{
    struct recording recording = {input, 0, 0};
    struct gt_perfscript script = {
        .data_path = input->path,
        .default_fields = default_fields,
        .on_data = on_script_data,
        .context = &recording,
    };
    struct gt_child child;
    int rc;

    if (!default_fields && !look_at_header(input, &script))
        gt_perfscript_look(&script, caps, loop);
    rc = gt_perfscript_start(&script, caps, loop, &child, input->err);
    if (rc < 0)
        return rc;
    while (!child.done)
        uv_run(loop, UV_RUN_ONCE);
    *lacks_field = gt_perfscript_lacks_field(&child) && recording.bytes == 0;
    if (recording.rc < 0)
        rc = recording.rc;
    else if (!*lacks_field)
        gt_perfscript_judge(&child, input->path, input->damage);
    gt_child_release(&child);
    if (rc == 0 && recording.bytes == 0 && input->damage->code) {
        *input->err = *input->damage;
        rc = input->damage->code;
    }
    return rc;
}

static int read_recording(struct input *input)
{
    bool lacks_field = false;
    struct gt_caps caps;
    uv_loop_t loop;
    int rc;

    if (strcmp(input->path, "-") == 0)
        return gt_error_set(input->err, GT_ERR_USAGE,
                            "standard input is perf.data: name the file instead");
    if (uv_loop_init(&loop))
        return gt_error_memory(input->err);
    gt_caps_init(&caps);
    /* To read a recording, only a perf program is needed. Find out all the machine's
     * capabilities only when there is none, for the reason. */
    caps.perf = gt_tool_find(getenv("GILTRACER_PERF") ? getenv("GILTRACER_PERF") : "perf");
    rc = caps.perf ? 0 : gt_caps_probe(&caps, &loop, input->err);
    if (rc == 0 && !caps.perf)
        rc = gt_error_set(input->err, GT_ERR_NOT_FOUND, "%s", caps.record_why);
    if (rc == 0)
        rc = run_script(input, &caps, &loop, false, &lacks_field);
    if (rc == 0 && lacks_field)
        rc = run_script(input, &caps, &loop, true, &lacks_field);
    gt_caps_release(&caps);
    uv_run(&loop, UV_RUN_DEFAULT);
    uv_loop_close(&loop);
    return rc;
}

static int read_any(struct input *input)
{
    int rc = read_head(input);

    if (rc < 0)
        return rc;
    if (input->length >= 8 &&
        (memcmp(input->block, "PERFILE2", 8) == 0 || memcmp(input->block, "2ELIFREP", 8) == 0))
        return read_recording(input);
    if (input->length >= 2 && memcmp(input->block, "\x1f\x8b", 2) == 0)
        return read_gzip(input);
    return read_plain(input);
}

int gt_input_read(const char *path, gt_input_fn on_text, void *context, struct gt_error *damage,
                  struct gt_error *err)
{
    struct input input = {
        .path = path,
        .on_text = on_text,
        .context = context,
        .damage = damage,
        .err = err,
    };
    int rc;

    if (strcmp(path, "-") == 0)
        input.fd = STDIN_FILENO;
    else
        input.fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (input.fd < 0)
        return gt_error_errno(err, "cannot open %s", path);
    input.block = malloc(BLOCK_BYTES);
    rc = input.block ? read_any(&input) : gt_error_memory(err);
    free(input.block);
    if (input.fd != STDIN_FILENO)
        close(input.fd);
    return rc;
}
