/* SPDX-License-Identifier: MIT */
#include "ingest/perf_ring.h"

#include "base/buf.h"
#include "base/nstime.h"
#include "event/lives.h"
#include "script/perfdata.h"
#include "script/perfform.h"
#include "script/rounds.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    BLOCK_BYTES = 1 << 20,
    PAGE_BYTES = 4096,
    HOLE_BYTES = 1 << 20,               /* a smaller one waits until it has grown */
    HEAD_MOST = 64 << 20,               /* bytes of what the recording says of itself */
    KERNEL_TYPES = GT_PERF_HEADER_ATTR, /* records of the kernel have smaller numbers */
};

/* A report ends when it was asked for, and is made somewhat later. */
#define MARGIN_NS (INT64_C(5) * GT_NS_PER_S)

struct gt_perf_ring {
    struct gt_perf_ring_options options;
    struct gt_perfform form;
    struct gt_lives lives;   /* as of `cut`, but for … */
    struct gt_rounds rounds; /* … what waits for its time: a round has the CPUs in turn, … */
    struct gt_buf waiting;   /* … and the records, one after another */
    struct gt_buf head;      /* what the recording says of itself before `cut` */
    uint64_t cut;            /* what is kept begins there, with a round; 0: nothing was read */
    uint64_t punched;        /* until there the file is a hole, or about to be */
    int64_t since_ns;        /* of the newest record that was taken out; 0: none was */
    /* The first round that is kept, as far as it was looked at. */
    uint64_t looked;   /* the next record */
    bool whole;        /* it ends there */
    int64_t newest_ns; /* of its records so far; 0: none has a time */
    /* A part of the file. */
    unsigned char *block;
    size_t capacity, length;
    uint64_t start;
};

struct gt_perf_ring *gt_perf_ring_new(const struct gt_perf_ring_options *options,
                                      struct gt_error *err)
{
    struct gt_perf_ring *ring = calloc(1, sizeof(*ring));

    if (ring)
        ring->block = malloc(BLOCK_BYTES);
    if (!ring || !ring->block) {
        free(ring);
        gt_error_memory(err);
        return NULL;
    }
    ring->options = *options;
    ring->capacity = BLOCK_BYTES;
    gt_buf_init(&ring->head);
    gt_buf_init(&ring->waiting);
    gt_lives_init(&ring->lives);
    ring->lives.runtime_path = options->runtime_path;
    return ring;
}

void gt_perf_ring_free(struct gt_perf_ring *ring)
{
    if (!ring)
        return;
    gt_lives_release(&ring->lives);
    gt_rounds_release(&ring->rounds);
    gt_buf_release(&ring->waiting);
    gt_buf_release(&ring->head);
    free(ring->block);
    free(ring);
}

/* --- reading --- */

static int fill(struct gt_perf_ring *ring, uint64_t at, struct gt_error *err)
{
    ring->start = at;
    ring->length = 0;
    while (ring->length < ring->capacity) {
        ssize_t got = pread(ring->options.file, ring->block + ring->length,
                            ring->capacity - ring->length, (off_t)(at + ring->length));

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return gt_error_errno(err, "cannot read what perf recorded");
        if (got == 0)
            break;
        ring->length += (size_t)got;
    }
    return 0;
}

static int grow(struct gt_perf_ring *ring, struct gt_error *err)
{
    unsigned char *grown = realloc(ring->block, 2 * ring->capacity);

    if (!grown)
        return gt_error_memory(err);
    ring->block = grown;
    ring->capacity *= 2;
    return 0;
}

/* The record there. Its size; 0: it is not all there yet; or negative. It is valid until the
 * next call. */
static int64_t look_at(struct gt_perf_ring *ring, uint64_t at, const unsigned char **record,
                       struct gt_error *err)
{
    bool inside = at >= ring->start && at < ring->start + ring->length;
    int rc = inside ? 0 : fill(ring, at, err);

    while (rc == 0) {
        size_t offset = (size_t)(at - ring->start);
        int64_t size = gt_perfform_size(ring->block + offset, ring->length - offset);

        *record = ring->block + offset;
        if (size < 0)
            return gt_error_set(err, GT_ERR_UNSUPPORTED,
                                "what perf writes has a form that is not known");
        if (size > 0 || (offset == 0 && ring->length < ring->capacity))
            return size;
        rc = offset == 0 ? grow(ring, err) : 0;
        if (rc == 0)
            rc = fill(ring, at, err);
    }
    return rc;
}

/* Of the file, which perf makes longer meanwhile. */
static uint64_t file_bytes(const struct gt_perf_ring *ring)
{
    struct stat st;

    return fstat(ring->options.file, &st) ? 0 : (uint64_t)st.st_size;
}

/* The recording's first bytes. 1; 0: they are not there yet; or negative. */
static int begin(struct gt_perf_ring *ring, struct gt_error *err)
{
    int rc;

    if (ring->cut)
        return 1;
    rc = fill(ring, 0, err);
    if (rc < 0 || ring->length < GT_PERFDATA_MAGIC_BYTES)
        return rc;
    if (!gt_perfdata_begins((char *)ring->block, ring->length))
        return gt_error_set(err, GT_ERR_UNSUPPORTED,
                            "what perf writes has a form that is not known");
    if (gt_buf_add(&ring->head, ring->block, GT_PERFDATA_MAGIC_BYTES))
        return gt_error_memory(err);
    ring->cut = ring->looked = GT_PERFDATA_MAGIC_BYTES;
    return 1;
}

/* --- what is old --- */

static int look_into(struct gt_perf_ring *ring, const unsigned char *record, size_t size)
{
    uint32_t type = gt_perfform_type(record);
    uint64_t time_ns = 0;

    if (type == GT_PERF_HEADER_ATTR)
        return gt_perfform_take_attr(&ring->form, record + GT_PERF_RECORD_BYTES,
                                     size - GT_PERF_RECORD_BYTES);
    if (type >= KERNEL_TYPES)
        return 0;
    if (!gt_perfform_time(&ring->form, record, size, &time_ns))
        return GT_ERR_UNSUPPORTED;
    if (time_ns < INT64_MAX && (int64_t)time_ns > ring->newest_ns)
        ring->newest_ns = (int64_t)time_ns;
    return 0;
}

/* Of the first round that is kept, how new it is. 1; 0: it has not ended yet; or negative. */
static int look_at_round(struct gt_perf_ring *ring, struct gt_error *err)
{
    while (!ring->whole) {
        const unsigned char *record;
        int64_t size = look_at(ring, ring->looked, &record, err);

        if (size <= 0)
            return (int)size;
        if (look_into(ring, record, (size_t)size) < 0)
            return gt_error_set(err, GT_ERR_UNSUPPORTED,
                                "perf records events that have nothing in common");
        ring->whole = gt_perfform_type(record) == GT_PERF_FINISHED_ROUND;
        ring->looked += (uint64_t)size;
    }
    return 1;
}

static int apply(struct gt_perf_ring *ring, const unsigned char *record, size_t size,
                 struct gt_error *err)
{
    struct gt_event event;
    int rc = gt_perfform_life(&ring->form, record, size, &event);

    return rc > 0 && gt_lives_note(&ring->lives, &event) ? gt_error_memory(err) : 0;
}

/* The i-th of the records that wait, and its size. */
static const unsigned char *waiting_at(const struct gt_perf_ring *ring, size_t i, size_t *size)
{
    size_t offset = (size_t)ring->rounds.queue[i].offset;
    const unsigned char *record = (unsigned char *)ring->waiting.data + offset;

    *size = (size_t)gt_perfform_size(record, ring->waiting.length - offset);
    return record;
}

/* The records that wait behind those that may go. */
static int keep_waiting(struct gt_perf_ring *ring, size_t gone, struct gt_error *err)
{
    struct gt_buf kept;
    int failed = 0;

    gt_rounds_drop(&ring->rounds, gone);
    gt_buf_init(&kept);
    for (size_t i = 0; i < ring->rounds.count; i++) {
        size_t size;
        const unsigned char *record = waiting_at(ring, i, &size);

        ring->rounds.queue[i].offset = kept.length;
        failed |= gt_buf_add(&kept, record, size);
    }
    gt_buf_release(&ring->waiting);
    ring->waiting = kept;
    return failed ? gt_error_memory(err) : 0;
}

/* A round is over: what nothing older can follow is so. */
static int end_round(struct gt_perf_ring *ring, struct gt_error *err)
{
    size_t count = gt_rounds_end(&ring->rounds, 0);
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < count; i++) {
        size_t size;
        const unsigned char *record = waiting_at(ring, i, &size);

        rc = apply(ring, record, size, err);
    }
    return rc < 0 || !count ? rc : keep_waiting(ring, count, err);
}

/* What later records refer to. */
static int remember(struct gt_perf_ring *ring, const unsigned char *record, size_t size,
                    struct gt_error *err)
{
    uint32_t type = gt_perfform_type(record);
    struct gt_event event;
    uint64_t time_ns;

    if (type == GT_PERF_FINISHED_ROUND)
        return end_round(ring, err);
    if (type >= KERNEL_TYPES) {
        if (ring->head.length + size > HEAD_MOST)
            return gt_error_set(err, GT_ERR_UNSUPPORTED,
                                "perf tells more of its recording than is remembered");
        return gt_buf_add(&ring->head, record, size) ? gt_error_memory(err) : 0;
    }
    if (gt_perfform_life(&ring->form, record, size, &event) <= 0 ||
        !gt_perfform_time(&ring->form, record, size, &time_ns))
        return 0;
    if (time_ns == 0) /* perf made it up, of before it recorded */
        return apply(ring, record, size, err);
    return gt_rounds_add(&ring->rounds, time_ns, ring->waiting.length) ||
                   gt_buf_add(&ring->waiting, record, size)
               ? gt_error_memory(err)
               : 0;
}

static int take_out_round(struct gt_perf_ring *ring, struct gt_error *err)
{
    while (ring->cut < ring->looked) {
        const unsigned char *record;
        int64_t size = look_at(ring, ring->cut, &record, err);
        int rc = size > 0 ? remember(ring, record, (size_t)size, err) : (int)size;

        if (size == 0) /* somebody made it shorter */
            return gt_error_set(err, GT_ERR_IO, "what perf recorded is not there any more");
        if (rc < 0)
            return rc;
        ring->cut += (uint64_t)size;
    }
    if (ring->newest_ns > ring->since_ns)
        ring->since_ns = ring->newest_ns;
    ring->newest_ns = 0;
    ring->whole = false;
    return 0;
}

bool gt_perf_ring_is_large(const struct gt_perf_ring *ring)
{
    return file_bytes(ring) > ring->cut + ring->options.most_bytes;
}

int gt_perf_ring_sweep(struct gt_perf_ring *ring, int64_t now_ns, struct gt_error *err)
{
    int64_t before_ns = now_ns - ring->options.keep_ns - MARGIN_NS;
    int rc = begin(ring, err);

    ring->length = 0; /* perf has written more since */
    while (rc > 0) {
        rc = look_at_round(ring, err);
        if (rc > 0 && ring->newest_ns >= before_ns && !gt_perf_ring_is_large(ring))
            return 0;
        if (rc > 0 && (rc = take_out_round(ring, err)) == 0)
            rc = 1;
    }
    return rc;
}

struct gt_perf_ring_hole gt_perf_ring_take_hole(struct gt_perf_ring *ring)
{
    uint64_t until = ring->cut / PAGE_BYTES * PAGE_BYTES;
    struct gt_perf_ring_hole hole = {ring->punched, until - ring->punched};

    if (hole.length < HOLE_BYTES)
        return (struct gt_perf_ring_hole){0};
    ring->punched = until;
    return hole;
}

int gt_perf_ring_punch(int file, const struct gt_perf_ring_hole *hole)
{
    int rc;

    do
        rc = fallocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)hole->offset,
                       (off_t)hole->length);
    while (rc < 0 && errno == EINTR);
    return rc;
}

int64_t gt_perf_ring_since_ns(const struct gt_perf_ring *ring, int64_t until_ns)
{
    int64_t since_ns = until_ns - ring->options.keep_ns;

    /* Of that moment itself, not all may be there. */
    return since_ns > ring->since_ns ? since_ns : ring->since_ns + 1;
}

/* --- a copy --- */

struct copying {
    const struct gt_perfform *form;
    struct gt_buf bytes; /* that are not written yet */
    int to;
};

static int flush(struct copying *copying, struct gt_error *err)
{
    size_t done = 0;

    while (done < copying->bytes.length) {
        ssize_t written =
            write(copying->to, copying->bytes.data + done, copying->bytes.length - done);

        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return gt_error_errno(err, "cannot copy the newest part of what perf recorded");
        done += (size_t)written;
    }
    gt_buf_reset(&copying->bytes);
    return 0;
}

static int add_life(void *context, const struct gt_event *event)
{
    struct copying *copying = context;

    return gt_perfform_add_life(copying->form, event, &copying->bytes);
}

/* What is kept, as far as its last record is all there. */
static int copy_rounds(struct gt_perf_ring *ring, struct copying *copying, struct gt_error *err)
{
    uint64_t end = file_bytes(ring), at = ring->cut;
    int rc = 0;

    while (rc == 0 && at < end) {
        const unsigned char *record;
        int64_t size = look_at(ring, at, &record, err);

        if (size <= 0)
            return (int)size;
        if (gt_buf_add(&copying->bytes, record, (size_t)size))
            return gt_error_memory(err);
        if (copying->bytes.length >= BLOCK_BYTES)
            rc = flush(copying, err);
        at += (uint64_t)size;
    }
    return rc;
}

int gt_perf_ring_copy(struct gt_perf_ring *ring, int to, struct gt_error *err)
{
    struct copying copying = {.form = &ring->form, .to = to};
    int rc = begin(ring, err);

    if (rc == 0)
        return gt_error_set(err, GT_ERR_IO, "perf has recorded nothing yet");
    if (rc < 0)
        return rc;
    ring->length = 0;
    gt_buf_init(&copying.bytes);
    if (gt_buf_add(&copying.bytes, ring->head.data, ring->head.length) ||
        gt_lives_tell(&ring->lives, add_life, &copying) < 0 ||
        gt_buf_add(&copying.bytes, ring->waiting.data, ring->waiting.length))
        rc = gt_error_memory(err);
    if (rc >= 0)
        rc = copy_rounds(ring, &copying, err);
    if (rc >= 0)
        rc = flush(&copying, err);
    gt_buf_release(&copying.bytes);
    return rc;
}
