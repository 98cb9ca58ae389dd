/*
 * An agent's log folder: the input is the control file's first part, then one thread's log, of
 * which each piece is the beginning of a chunk: what lies between is zeros, as in real logs.
 */
#include "agent/wire.h"
#include "agentlog/agentlog.h"
#include "base/fs.h"
#include "model/timeline.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    CONTROL_BYTES = offsetof(struct gt_wire_control, anchors) + 64,
    PIECE_BYTES = 2048,
};

/* Pieces of `piece` bytes, `distance` apart. */
static void write_file(const char *dir, const char *name, const uint8_t *data, size_t size,
                       size_t piece, off_t distance)
{
    char path[256];
    int fd;

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (fd < 0)
        abort();
    for (off_t at = 0; size; at += distance) {
        size_t length = size < piece ? size : piece;

        if (pwrite(fd, data, length, at) != (ssize_t)length)
            abort();
        data += length;
        size -= length;
    }
    close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char *dir;
    size_t control = size < CONTROL_BYTES ? size : CONTROL_BYTES;
    struct gt_timeline *timeline = gt_timeline_new(false, NULL);
    struct gt_error err = {0};
    struct gt_agentlog *log;
    struct gt_event event;

    if (!timeline || (!dir && !(dir = gt_fs_private_dir(NULL))))
        abort();
    write_file(dir, GT_WIRE_CONTROL_NAME, data, control, CONTROL_BYTES, 0);
    write_file(dir, "1-1-1.log", data + control, size - control, PIECE_BYTES,
               GT_WIRE_CHUNK_BYTES);
    log = gt_agentlog_open(dir, &err);
    if (!log && (!err.code || !err.message[0]))
        abort();
    while (log && gt_agentlog_next(log, &event, NULL) > 0)
        if (!event.text || !event.comm || event.time_ns < 0 ||
            gt_timeline_feed(timeline, &event))
            abort();
    if (gt_timeline_finish(timeline, NULL))
        abort();
    gt_timeline_free(timeline);
    gt_agentlog_free(log);
    return 0;
}
