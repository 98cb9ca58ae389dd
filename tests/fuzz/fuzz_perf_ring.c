/* SPDX-License-Identifier: MIT */
/*
 * A recording of perf of which the newest part is kept (ingest/perf_ring.h): its file is the
 * target's user's. The first byte says in how many pieces the rest is written, with a look at
 * it after each, a second or a minute later. What is copied is read as a recording.
 */
#include "harness.h"

#include "base/error.h"
#include "base/nstime.h"
#include "ingest/perf_ring.h"
#include "script/perfdata.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MOST_BYTES = 1 << 14 };

static int take(void *context, const struct gt_event *event)
{
    (void)context;
    must(event->kind <= GT_EVENT_ASLEEP, "an event of no kind");
    return 0;
}

static void read_copy(int file)
{
    struct gt_perfdata *data = gt_perfdata_new(take, NULL, true);
    struct stat st;
    char *bytes;

    must(data && fstat(file, &st) == 0, "out of memory");
    bytes = malloc((size_t)st.st_size + 1);
    must(bytes && pread(file, bytes, (size_t)st.st_size, 0) == st.st_size, "no copy");
    if (gt_perfdata_feed(data, bytes, (size_t)st.st_size) == 0)
        gt_perfdata_finish(data);
    free(bytes);
    gt_perfdata_free(data);
}

static void copy(struct gt_perf_ring *ring)
{
    int to = memfd_create("copy", MFD_CLOEXEC);
    struct gt_error err = {0};

    must(to >= 0, "no file");
    if (gt_perf_ring_copy(ring, to, &err) == 0)
        read_copy(to);
    else
        must(err.message[0], "no copy without a reason");
    close(to);
}

/* Whether it can go on. */
static bool sweep(struct gt_perf_ring *ring, int file, int64_t now_ns)
{
    struct gt_error err = {0};
    struct gt_perf_ring_hole hole;
    int rc = gt_perf_ring_sweep(ring, now_ns, &err);

    must(rc == 0 || err.message[0], "a failure without a reason");
    hole = gt_perf_ring_take_hole(ring);
    if (hole.length)
        must(gt_perf_ring_punch(file, &hole) == 0, "no hole");
    copy(ring);
    must(gt_perf_ring_since_ns(ring, now_ns) >= now_ns - GT_NS_PER_S, "more than is kept");
    return rc == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = {data + 1, size - 1};
    struct gt_perf_ring_options options = {.keep_ns = GT_NS_PER_S, .most_bytes = MOST_BYTES};
    size_t pieces, length, at = 0;
    int64_t now_ns = 0;
    struct gt_perf_ring *ring;

    if (size == 0)
        return 0;
    pieces = 1 + data[0] % 8;
    length = input.size / pieces + 1;
    options.file = memfd_create("recording", MFD_CLOEXEC);
    must(options.file >= 0, "no file");
    ring = gt_perf_ring_new(&options, NULL);
    must(ring != NULL, "out of memory");
    for (bool goes_on = true; goes_on && input.size > 0; at += length) {
        put(options.file, &input, length, at);
        now_ns += (data[0] & 8 ? 60 : 1) * (int64_t)GT_NS_PER_S;
        goes_on = sweep(ring, options.file, now_ns);
    }
    sweep(ring, options.file, INT64_MAX / 2);
    gt_perf_ring_free(ring);
    close(options.file);
    return 0;
}
