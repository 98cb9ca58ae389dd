/* SPDX-License-Identifier: MIT */
#include "launch/input.h"

#include "launch/caps.h"
#include "launch/perfscript.h"
#include "launch/tools.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uv.h>
#include <zlib.h>

enum { BLOCK_BYTES = 1 << 20, INFLATED_BYTES = 1 << 20 };

struct input {
    const char *path;
    int fd;
    char *block;
    size_t length; /* bytes in the block */
    off_t size;    /* of the file; 0: not known */
    bool stopped;  /* by the reader's stop_fd */
    const struct gt_input_reader *reader;
    struct gt_error *damage, *err;
};

static void tell_stopped(struct input *input)
{
    input->stopped = true;
    gt_error_set(input->damage, GT_ERR_CANCELLED,
                 "%s was not read to its end, since that was interrupted: the report covers "
                 "what was read",
                 input->path);
}

/* Wait until the input has something, or its end. False: stop. */
static bool wait_for_input(const struct input *input)
{
    struct pollfd pollers[] = {{input->reader->stop_fd, POLLIN, 0}, {input->fd, POLLIN, 0}};

    while (poll(pollers, 2, -1) < 0 && (errno == EINTR || errno == EAGAIN))
        ;
    return !pollers[0].revents;
}

/* Read behind what is in the block. How many bytes; 0: the input ended, or reading was stopped;
 * negative: error. */
static ssize_t read_some(struct input *input)
{
    ssize_t got;

    do {
        if (!wait_for_input(input)) {
            tell_stopped(input);
            return 0;
        }
        got = read(input->fd, input->block + input->length, BLOCK_BYTES - input->length);
    } while (got < 0 && (errno == EINTR || errno == EAGAIN));
    if (got < 0)
        return gt_error_errno(input->err, "cannot read %s", input->path);
    input->length += (size_t)got;
    return got;
}

/* The next block: as much as comes at once. 1, 0 at the end, or negative. */
static int read_block(struct input *input)
{
    ssize_t got;

    if (input->stopped)
        return 0;
    if (input->reader->on_progress && input->size > 0)
        input->reader->on_progress((double)lseek(input->fd, 0, SEEK_CUR) / (double)input->size);
    input->length = 0;
    got = read_some(input);
    return got < 0 ? (int)got : got > 0;
}

/* Read the first bytes, which say what the input is. A pipe may give them one by one. */
static int read_head(struct input *input)
{
    ssize_t got = 1;

    input->length = 0;
    while (input->length < 8 && got > 0)
        got = read_some(input);
    if (got < 0)
        return (int)got;
    if (input->length == 0 && !input->stopped)
        return gt_error_set(input->err, GT_ERR_FORMAT,
                            "%s is empty: it should hold perf script text or perf.data",
                            input->path);
    return 0;
}

/* Hand text on: 0 or negative. What is no recording any more is damage: `damage` is set. */
static int hand_on(struct input *input, const char *text, size_t length)
{
    struct gt_error why;
    int rc = input->reader->on_text(input->reader->context, text, length, &why);

    if (rc == GT_ERR_FORMAT)
        gt_error_set(input->damage, rc, "%s: %s", input->path, why.message);
    else if (rc < 0)
        *input->err = why;
    return rc;
}

static int read_plain(struct input *input)
{
    int rc;

    do {
        rc = hand_on(input, input->block, input->length);
        if (rc == 0)
            rc = read_block(input);
    } while (rc > 0);
    return rc == GT_ERR_FORMAT ? 0 : rc;
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
        rc = hand_on(input, text, INFLATED_BYTES - stream->avail_out);
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
    if (rc == 0 && more > 0 && !input->stopped)
        gt_error_set(input->damage, GT_ERR_FORMAT,
                     "%s is truncated gzip: the report covers what it holds", input->path);
    return rc;
}

struct recording {
    struct input *input;
    const struct gt_caps *caps;
    uv_loop_t loop;
    uv_poll_t poller; /* of stop_fd */
    int rc;           /* of handing text on */
    size_t bytes;
};

static int on_script_data(void *context, const char *data, size_t length)
{
    struct recording *recording = context;

    recording->bytes += length;
    recording->rc = hand_on(recording->input, data, length);
    return recording->rc;
}

static void on_stop(uv_poll_t *poller, int status, int events)
{
    struct recording *recording = poller->data;

    (void)status;
    (void)events;
    uv_poll_stop(poller);
    tell_stopped(recording->input);
    gt_child_interrupt(&recording->loop);
}

/* Returns 0 or negative; release it then, too. */
static int watch_stop(struct recording *recording)
{
    int stop_fd = recording->input->reader->stop_fd;

    recording->poller.data = recording;
    if (stop_fd < 0)
        return 0;
    if (uv_poll_init(&recording->loop, &recording->poller, stop_fd))
        return gt_error_memory(recording->input->err);
    uv_poll_start(&recording->poller, UV_READABLE, on_stop);
    return 0;
}

/* What one perf_event_attr, of which `attr` is the first 32 bytes, says of its event's text. */
static void look_at_attr(const uint64_t *attr, struct gt_perfscript *script)
{
    enum { SAMPLE_CALLCHAIN = 1 << 5, TYPE_TRACEPOINT = 2 };
    bool stacks = (attr[3] & SAMPLE_CALLCHAIN) != 0;

    script->stacks |= stacks;
    /* Not the stacks of sleeps, but those of samples and page faults, which are many. */
    script->not_inlined |= stacks && (uint32_t)attr[0] != TYPE_TRACEPOINT;
    script->counters |= attr[2] > 1; /* period or frequency */
}

/* A recording in the form for pipes begins with a record for each attribute. */
static bool look_at_records(int fd, struct gt_perfscript *script)
{
    enum { HEADER_BYTES = 16, HEADER_ATTR = 64 };
    off_t at = HEADER_BYTES;
    bool any = false;
    struct {
        uint32_t type;
        uint16_t misc, size;
        uint64_t attr[4];
    } record;

    while (pread(fd, &record, sizeof(record), at) == (ssize_t)sizeof(record) &&
           record.type == HEADER_ATTR && record.size >= sizeof(record)) {
        look_at_attr(record.attr, script);
        at += record.size;
        any = true;
    }
    return any;
}

/*
 * Does the recording hold call chains, and counters of which not every event is a sample? Its
 * header says so (perf's perf.data-file-format: magic, size, attr_size, then offset and size of
 * the attributes, each a perf_event_attr and the place of its ids). False when it has another
 * form: ask perf.
 */
static bool look_at_header(const struct input *input, struct gt_perfscript *script)
{
    enum { ATTRS_MAX = 4096, PIPE_HEADER_BYTES = 16 };
    uint64_t head[5], attr[4]; /* up to perf_event_attr's sample_type */

    if (pread(input->fd, head, sizeof(head), 0) != (ssize_t)sizeof(head) ||
        memcmp(head, "PERFILE2", 8) != 0)
        return false;
    if (head[1] == PIPE_HEADER_BYTES)
        return look_at_records(input->fd, script);
    if (head[2] < sizeof(attr) || head[2] > 4096 || head[4] / head[2] > ATTRS_MAX ||
        head[4] < head[2])
        return false;
    for (uint64_t at = 0; at + head[2] <= head[4]; at += head[2]) {
        if (pread(input->fd, attr, sizeof(attr), (off_t)(head[3] + at)) !=
            (ssize_t)sizeof(attr))
            return false;
        look_at_attr(attr, script);
    }
    return true;
}

static int run_script(struct recording *recording, bool default_fields, bool *lacks_field)
{
    struct input *input = recording->input;
    struct gt_perfscript script = {
        .data_path = input->path,
        .default_fields = default_fields,
        .not_inlined = input->reader->not_inlined,
        .mappings = input->reader->mappings,
        .on_data = on_script_data,
        .context = recording,
    };
    struct gt_child child;
    int rc = 0;

    if (!default_fields && !look_at_header(input, &script))
        gt_perfscript_look(&script, recording->caps, &recording->loop);
    if (!input->stopped)
        rc =
            gt_perfscript_start(&script, recording->caps, &recording->loop, &child, input->err);
    if (input->stopped || rc < 0)
        return rc;
    gt_child_wait(&child, &recording->loop);
    *lacks_field = gt_perfscript_lacks_field(&child) && recording->bytes == 0;
    if (recording->rc == 0 && !input->stopped && !*lacks_field)
        gt_perfscript_judge(&child, input->path, input->damage);
    gt_child_release(&child);
    return recording->rc == GT_ERR_FORMAT ? 0 : recording->rc;
}

/*
 * An upper bound: a record has 8 bytes at the least, unless it is compressed, or perf makes
 * many out of one of a hardware trace. The header tells, as 256 bits of which features it has
 * (perf's perf.data-file-format); a recording through a pipe, or one that was not ended, has
 * none of them.
 */
static uint64_t most_events(const struct input *input)
{
    enum { RECORD_BYTES = 8, SLACK = 10000, LOOSE = 16, HEADER_BYTES = 104, FEATURES_AT = 72 };
    const uint64_t unbounded = UINT64_C(1) << 18 | UINT64_C(1) << 27; /* AUXTRACE, COMPRESSED */
    uint64_t size = 0, features = 0;
    struct stat st;

    if (fstat(input->fd, &st))
        return 0;
    if (pread(input->fd, &size, sizeof(size), 8) == (ssize_t)sizeof(size) &&
        size == HEADER_BYTES &&
        pread(input->fd, &features, sizeof(features), FEATURES_AT) ==
            (ssize_t)sizeof(features) &&
        features && !(features & unbounded))
        return (uint64_t)st.st_size / RECORD_BYTES + SLACK;
    return (uint64_t)st.st_size * LOOSE + SLACK;
}

static int run_scripts(struct recording *recording)
{
    struct input *input = recording->input;
    bool lacks_field = false;
    int rc = watch_stop(recording);

    if (rc < 0)
        return rc;
    input->reader->on_recording(input->reader->context, most_events(input));
    rc = run_script(recording, false, &lacks_field);
    if (rc == 0 && lacks_field && !input->stopped)
        rc = run_script(recording, true, &lacks_field);
    if (rc == 0 && recording->bytes == 0 && input->damage->code && !input->stopped) {
        *input->err = *input->damage;
        rc = input->damage->code;
    }
    return rc;
}

static int read_recording(struct input *input)
{
    struct gt_caps caps;
    struct recording recording = {.input = input, .caps = &caps};
    int rc;

    if (strcmp(input->path, "-") == 0)
        return gt_error_set(input->err, GT_ERR_USAGE,
                            "standard input is perf.data: name the file instead");
    rc = gt_loop_init(&recording.loop, input->err);
    if (rc < 0)
        return rc;
    gt_caps_init(&caps);
    /* To read a recording, only a perf program is needed. Find out all the machine's
     * capabilities only when there is none, for the reason. */
    caps.perf = gt_tool_find(getenv("GILTRACER_PERF") ? getenv("GILTRACER_PERF") : "perf");
    rc = caps.perf ? 0 : gt_caps_probe(&caps, &recording.loop, input->err);
    if (rc == 0 && !caps.perf)
        rc = gt_error_set(input->err, GT_ERR_NOT_FOUND, "%s", caps.record_why);
    if (rc == 0)
        rc = run_scripts(&recording);
    gt_caps_release(&caps);
    if (uv_handle_get_type((uv_handle_t *)&recording.poller) == UV_POLL)
        uv_close((uv_handle_t *)&recording.poller, NULL);
    uv_run(&recording.loop, UV_RUN_DEFAULT);
    uv_loop_close(&recording.loop);
    return rc;
}

static int read_any(struct input *input)
{
    int rc = read_head(input);

    if (rc < 0)
        return rc;
    if (input->length >= 8 &&
        (memcmp(input->block, "PERFILE2", 8) == 0 || memcmp(input->block, "2ELIFREP", 8) == 0))
        return input->fd != STDIN_FILENO && input->reader->is_readable &&
                       input->reader->is_readable(input->path)
                   ? read_plain(input)
                   : read_recording(input);
    if (input->length >= 2 && memcmp(input->block, "\x1f\x8b", 2) == 0)
        return read_gzip(input);
    return read_plain(input);
}

int gt_input_read(const char *path, const struct gt_input_reader *reader,
                  struct gt_error *damage, struct gt_error *err)
{
    struct gt_error found = {0};
    struct input input = {
        .path = path,
        .reader = reader,
        .damage = &found,
        .err = err,
    };
    struct stat st;
    int rc;

    if (strcmp(path, "-") == 0)
        input.fd = STDIN_FILENO;
    else
        input.fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (input.fd < 0)
        return gt_error_errno(err, "cannot open %s", path);
    if (fstat(input.fd, &st) == 0 && S_ISREG(st.st_mode))
        input.size = st.st_size;
    input.block = malloc(BLOCK_BYTES);
    rc = input.block ? read_any(&input) : gt_error_memory(err);
    free(input.block);
    if (input.fd != STDIN_FILENO)
        close(input.fd);
    if (found.code && !damage->code)
        *damage = found;
    return rc;
}
