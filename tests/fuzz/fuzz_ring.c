/* SPDX-License-Identifier: MIT */
/*
 * A log of which the newest part is kept (agentlog/ring.h), while a target writes into it
 * whatever it likes. The input is laid out as that of fuzz_agentlog, which see; its first byte
 * says how many units are there when it is first looked at. What is copied is read as an
 * agent's log.
 */
#include "harness.h"

#include "agent/wire.h"
#include "agentlog/agentlog.h"
#include "agentlog/ring.h"
#include "base/nstime.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { STOPS = 2, ANCHORS = 4, PIECE_BYTES = 2048, UNITS_MAX = 32, FILE_UNITS = 64 };

static struct gt_agentlog_files new_files(off_t log_bytes)
{
    struct gt_agentlog_files files = {memfd_create("control", MFD_CLOEXEC),
                                      memfd_create("log", MFD_CLOEXEC)};

    must(files.control >= 0 && files.log >= 0, "no files");
    must(ftruncate(files.log, log_bytes) == 0, "no room");
    return files;
}

static void close_files(const struct gt_agentlog_files *files)
{
    close(files->control);
    close(files->log);
}

static void put_control(const struct gt_agentlog_files *files, struct input *input)
{
    put(files->control, input, offsetof(struct gt_wire_control, stops), 0);
    put(files->control, input, STOPS * sizeof(struct gt_wire_stop),
        offsetof(struct gt_wire_control, stops));
    put(files->control, input, ANCHORS * sizeof(struct gt_wire_anchor),
        offsetof(struct gt_wire_control, anchors));
    must(ftruncate(files->control, GT_WIRE_CONTROL_BYTES) == 0, "no room");
}

static bool is_some_writer(void *context, int32_t pid, int32_t parent_pid)
{
    (void)context;
    return pid % 2 || parent_pid % 2;
}

static bool is_alive(int32_t pid)
{
    return pid % 3 != 0;
}

static void check_copy(struct gt_ring *ring, int64_t since_ns)
{
    struct gt_agentlog_files files = new_files(0);
    struct gt_agentlog *log;
    struct gt_event event;
    struct gt_error err = {0};

    if (gt_ring_copy(ring, &files, since_ns, &err) == 0) {
        log = gt_agentlog_open_files(&files, NULL, &err);
        must(log || (err.code && err.message[0]), "refused without a reason");
        while (log && gt_agentlog_next(log, &event, NULL) > 0)
            must(event.comm && event.time_ns >= 0, "an event of nothing");
        gt_agentlog_free(log);
    } else {
        must(err.message[0], "no copy without a reason");
    }
    close_files(&files);
}

static void sweep(struct gt_ring *ring, int log, int64_t second)
{
    struct gt_ring_holes holes;
    int64_t now_ns = second * GT_NS_PER_S;
    struct gt_error err = {0};

    must(gt_ring_sweep(ring, now_ns, &err) == 0, "out of memory");
    holes = gt_ring_take_holes(ring);
    gt_ring_punch(log, &holes);
    must(gt_ring_bytes(ring) <= (uint64_t)FILE_UNITS * GT_WIRE_CHUNK_BYTES, "it grew");
    check_copy(ring, gt_ring_since_ns(ring, now_ns));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = {data, size};
    size_t first = size ? data[0] % UNITS_MAX : 0, unit = 1;
    struct gt_agentlog_files files = new_files((off_t)(FILE_UNITS + 1) * GT_WIRE_CHUNK_BYTES);
    struct gt_error err = {0};
    struct gt_ring *ring;

    put_control(&files, &input);
    ring = gt_ring_new(
        &(struct gt_ring_options){.files = files,
                                  .keep_ns = GT_NS_PER_S,
                                  .max_bytes = (uint64_t)FILE_UNITS / 2 * GT_WIRE_CHUNK_BYTES,
                                  .room_bytes = UINT64_MAX,
                                  .is_writer = is_some_writer,
                                  .is_alive = is_alive},
        &err);
    must(ring != NULL, "no ring");
    for (; unit <= first && input.size; unit++)
        put(files.log, &input, PIECE_BYTES, unit * GT_WIRE_CHUNK_BYTES);
    sweep(ring, files.log, 1);
    for (; unit <= UNITS_MAX && input.size; unit++)
        put(files.log, &input, PIECE_BYTES, unit * GT_WIRE_CHUNK_BYTES);
    sweep(ring, files.log, 2);
    sweep(ring, files.log, 5);
    sweep(ring, files.log, 9);
    sweep(ring, files.log, 100); /* nothing is new */
    sweep(ring, files.log, 200); /* who has ended is gone */
    gt_ring_free(ring);
    close_files(&files);
    return 0;
}
